//! The first word of a command line: which command it is.
//!
//! RFC 5321 section 4.1.1; letter case does not matter (section 2.4).

use super::word::Key;

/// A command, by its verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verb {
    /// RFC 5321 section 4.1.1.1.
    Helo,
    /// RFC 5321 section 4.1.1.1.
    Ehlo,
    /// RFC 2033 section 4.1.
    Lhlo,
    /// RFC 5321 section 4.1.1.2.
    Mail,
    /// RFC 5321 section 4.1.1.3.
    Rcpt,
    /// RFC 5321 section 4.1.1.4.
    Data,
    /// RFC 3030 section 2.
    Bdat,
    /// RFC 5321 section 4.1.1.5.
    Rset,
    /// RFC 5321 section 4.1.1.6.
    Vrfy,
    /// RFC 5321 section 4.1.1.7.
    Expn,
    /// RFC 5321 section 4.1.1.8.
    Help,
    /// RFC 5321 section 4.1.1.9.
    Noop,
    /// RFC 5321 section 4.1.1.10.
    Quit,
    /// RFC 3207 section 4.
    StartTls,
    /// RFC 4954 section 4.
    Auth,
    /// RFC 1985 section 5.
    Etrn,
    /// An extension of Postfix: a trusted client says for whom it speaks.
    Xclient,
    /// An extension of Postfix: where the next message came from.
    Xforward,
    /// A request line of HTTP: a browser was tricked into talking to us.
    Http,
    /// None that we know.
    Unknown,
}

/// Splits a line into its verb and its arguments, white space around these removed (RFC 5321 section 4.1.1
/// tolerates it at the end).
pub fn split(line: &[u8]) -> (Verb, &[u8]) {
    // Nearly every verb has four letters, and no letter is a blank.
    if let Some((word, rest @ ([] | [b' ' | b'\t', ..]))) = line.split_at_checked(4)
        && let Some(verb) = known(word)
    {
        return (verb, trim(rest));
    }
    let end = line.iter().position(is_blank).unwrap_or(line.len());
    let (word, rest) = line.split_at(end);
    let verb = match known(word) {
        Some(verb) => verb,
        // The methods of HTTP are case-sensitive (RFC 9110 section 9.1).
        None if HTTP_METHODS.iter().any(|method| method.as_bytes() == word) => Verb::Http,
        None => Verb::Unknown,
    };
    (verb, trim(rest))
}

fn trim(mut arguments: &[u8]) -> &[u8] {
    while let [blank, after @ ..] = arguments
        && is_blank(blank)
    {
        arguments = after;
    }
    while let [before @ .., blank] = arguments
        && is_blank(blank)
    {
        arguments = before;
    }
    arguments
}

/// White space between the words of a command.
pub(crate) fn is_blank(octet: &u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

#[inline(always)]
fn known(word: &[u8]) -> Option<Verb> {
    let key = Key::of(word);
    KEYS.iter().position(|known| *known == key).map(|index| VERBS[index].1)
}

/// The keys of [`VERBS`], in its order.
static KEYS: [Key; VERBS.len()] = {
    let (mut keys, mut at) = ([Key::of(b""); VERBS.len()], 0);
    while at < VERBS.len() {
        keys[at] = Key::known(VERBS[at].0.as_bytes());
        at += 1;
    }
    keys
};

/// All verbs with a meaning, in the order in which HELP shows them.
pub(crate) const VERBS: &[(&str, Verb)] = &[
    ("HELO", Verb::Helo),
    ("EHLO", Verb::Ehlo),
    ("LHLO", Verb::Lhlo),
    ("MAIL", Verb::Mail),
    ("RCPT", Verb::Rcpt),
    ("DATA", Verb::Data),
    ("BDAT", Verb::Bdat),
    ("RSET", Verb::Rset),
    ("NOOP", Verb::Noop),
    ("QUIT", Verb::Quit),
    ("HELP", Verb::Help),
    ("VRFY", Verb::Vrfy),
    ("EXPN", Verb::Expn),
    ("STARTTLS", Verb::StartTls),
    ("AUTH", Verb::Auth),
    ("ETRN", Verb::Etrn),
    ("XCLIENT", Verb::Xclient),
    ("XFORWARD", Verb::Xforward),
];

/// RFC 9110 section 9, and PATCH and the first words of HTTP/2.
const HTTP_METHODS: &[&str] =
    &["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PRI"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_in_any_case_and_blanks_around_arguments() {
        for (line, expected) in [
            (&b"NOOP"[..], (Verb::Noop, &b""[..])),
            (b"noOp \t x y \t", (Verb::Noop, b"x y")),
            (b"STARTTLS", (Verb::StartTls, b"")),
            (b"MAILFROM:<a@b>", (Verb::Unknown, b"")),
            (b"", (Verb::Unknown, b"")),
            (b"   ", (Verb::Unknown, b"")),
            (b" NOOP", (Verb::Unknown, b"NOOP")),
            (b"NNOOP", (Verb::Unknown, b"")),
            (b"\0NOOP", (Verb::Unknown, b"")),
            (b"XSTARTTLS", (Verb::Unknown, b"")),
            (b"GET / HTTP/1.1", (Verb::Http, b"/ HTTP/1.1")),
            (b"get /", (Verb::Unknown, b"/")),
        ] {
            assert_eq!(split(line), expected, "{line:?}");
        }
        for (name, verb) in VERBS {
            assert_eq!(split(name.to_ascii_lowercase().as_bytes()).0, *verb);
        }
    }
}

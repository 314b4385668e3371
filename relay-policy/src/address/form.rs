//! A mail address as text: what it says, and how it is written.
//!
//! The *internal* form has no quoting: `a b@example.com`. The *external* form quotes what needs it (RFC 5321 section
//! 4.1.2): `"a b"@example.com`. Tables are written in the external form; addresses are taken apart in the internal one,
//! where the domain is what follows the last `@`.
//!
//! # Departures
//! Nothing is refused here: whatever a client or an administrator writes has some internal form, and whether that is
//! anybody's address is the resolver's matter.

use crate::domain;
use proto_core::address::{AddressSyntax, Domain, DomainName, LocalPart, Mailbox};
use std::borrow::Cow;
use std::fmt::{self, Display};

/// An address in internal form; `Display` gives the external one. The empty address is the null sender.
///
/// ```
/// use relay_policy::address::Address;
///
/// let address = Address::parse("\"first last\"@example.com");
/// assert_eq!(address.as_str(), "first last@example.com");
/// assert_eq!(address.local_part(), "first last");
/// assert_eq!(address.domain(), Some("example.com"));
/// assert_eq!(address.to_string(), "\"first last\"@example.com");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Address(String);

impl Address {
    /// An address that is in internal form already.
    pub fn internal(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Reads the external form. Quotes and backslashes go, and blanks between words are one space.
    pub fn parse(external: &str) -> Self {
        if is_plain(external) { Self(external.into()) } else { join(&scan(external)) }
    }

    /// The internal form.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The external form, as `Display` gives it; copied only where something in it is quoted.
    pub fn external(&self) -> Cow<'_, str> {
        if needs_quotes(self.local_part()) { Cow::Owned(self.to_string()) } else { Cow::Borrowed(&self.0) }
    }

    /// Whether it is the null address.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What stands before the last `@`; all of it where there is none.
    pub fn local_part(&self) -> &str {
        self.at().map_or(self.0.as_str(), |at| &self.0[..at])
    }

    /// What stands after the last `@`.
    pub fn domain(&self) -> Option<&str> {
        self.at().map(|at| &self.0[at + 1..])
    }

    /// Where the last `@` stands. An address is too short for a searcher to be worth its beginning.
    fn at(&self) -> Option<usize> {
        self.0.bytes().rposition(|octet| octet == b'@')
    }

    /// Whether it is `local@domain` as it stands: nothing in it is quoted, nothing could be another address, and so it is the
    /// same in both forms.
    pub(crate) fn is_plain(&self) -> bool {
        is_plain(&self.0)
    }

    /// The mailbox that it is, with its domain in A-labels and lower case; none where it has no domain, or one that
    /// cannot be.
    pub fn mailbox(&self) -> Option<Mailbox> {
        let written = self.domain().filter(|_| !self.local_part().is_empty())?;
        let syntax = AddressSyntax { utf8: false, lenient: true };
        let domain = match domain::key(written).filter(|_| !written.starts_with('[')) {
            Some(key) => DomainName::parse(key.as_bytes(), syntax).map(Domain::Name),
            None => Domain::parse(written.as_bytes(), syntax),
        };
        Mailbox::new(LocalPart::new(self.local_part()).ok()?, domain.ok()?).ok()
    }

    /// The same domain, another local part.
    pub(crate) fn with_local_part(&self, local_part: &str) -> Self {
        match self.domain() {
            Some(domain) => Self([local_part, "@", domain].concat()),
            None => Self(local_part.into()),
        }
    }

    /// Whether two are the same but for case.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.0 == other.0 || self.0.to_lowercase() == other.0.to_lowercase()
    }
}

impl From<&Mailbox> for Address {
    fn from(mailbox: &Mailbox) -> Self {
        let local_part = mailbox.local_part().as_str();
        match mailbox.domain() {
            Domain::Name(name) => Self([local_part, "@", name.as_str()].concat()),
            literal => Self(format!("{local_part}@{literal}")),
        }
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return Ok(());
        }
        match quoted(self.local_part()) {
            Cow::Borrowed(_) => f.write_str(&self.0),
            Cow::Owned(local_part) => {
                f.write_str(&local_part)?;
                self.domain().map_or(Ok(()), |domain| write!(f, "@{domain}"))
            }
        }
    }
}

/// A local part in external form; copied only where something in it is quoted.
pub(crate) fn quoted(local_part: &str) -> Cow<'_, str> {
    if !needs_quotes(local_part) {
        return Cow::Borrowed(local_part);
    }
    let mut written = String::from('"');
    for c in local_part.chars() {
        if matches!(c, '"' | '\\' | '\r') {
            written.push('\\');
        }
        written.push(c);
    }
    written.push('"');
    Cow::Owned(written)
}

/// Whether a local part is no dot-string (RFC 5321 section 4.1.2).
pub(crate) fn needs_quotes(local_part: &str) -> bool {
    let mut before = b'.';
    for octet in local_part.bytes() {
        match octet {
            b'.' if before == b'.' => return true,
            b'.' => {}
            // The control characters beyond ASCII, U+0080 to U+009F.
            0x80..=0x9f if before == 0xc2 => return true,
            octet if octet.is_ascii() && !IN_ATOM[usize::from(octet)] => return true,
            _ => {}
        }
        before = octet;
    }
    before == b'.'
}

/// What of ASCII needs no quotes in a local part. A table, because every octet of every address is asked about.
static IN_ATOM: [bool; 128] = in_ascii(b" ()<>@,;:\\\"[].");

/// What of it is no operator either.
static IN_PLAIN: [bool; 128] = in_ascii(b" ()<>@,;:\\\"[].!%");

/// All of ASCII but control characters and these.
const fn in_ascii(without: &[u8]) -> [bool; 128] {
    let mut has = [false; 128];
    let mut octet: u8 = b' ';
    while octet < 0x7f {
        has[octet as usize] = true;
        octet += 1;
    }
    let mut at = 0;
    while at < without.len() {
        has[without[at] as usize] = false;
        at += 1;
    }
    has
}

/// [`Address::is_plain`].
fn is_plain(text: &str) -> bool {
    let (mut before, mut has_domain) = (b'.', false);
    for octet in text.bytes() {
        match octet {
            b'@' if has_domain => return false,
            b'@' | b'.' if matches!(before, b'.' | b'@') => return false,
            b'@' => has_domain = true,
            b'.' => {}
            octet if octet.is_ascii() && IN_PLAIN[usize::from(octet)] => {}
            _ => return false,
        }
        before = octet;
    }
    has_domain && !matches!(before, b'.' | b'@')
}

/// A piece of an address in external form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    /// One that means something unless it is quoted: `@ . ! % : , ; < >`.
    Operator(char),
    /// Everything else.
    Word(String),
    /// What stood in quotes, without them.
    Quoted(String),
    /// `[…]`, with its brackets.
    Literal(String),
    /// `(…)`, with its brackets.
    Comment(String),
}

impl Token {
    /// Whether it is this operator.
    pub(super) fn is(&self, operator: char) -> bool {
        *self == Self::Operator(operator)
    }

    fn is_operator(c: char) -> bool {
        "@.!%:,;<>".contains(c)
    }
}

/// Cuts the external form up.
pub(super) fn scan(external: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = external.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' | '\r' | '\n' => {}
            '"' => tokens.push(Token::Quoted(unescaped(&mut rest, '"'))),
            '[' => tokens.push(Token::Literal(format!("[{}]", unescaped(&mut rest, ']')))),
            '(' => tokens.push(Token::Comment(comment(&mut rest))),
            c if Token::is_operator(c) => tokens.push(Token::Operator(c)),
            c => {
                let mut word = String::new();
                let mut next = Some(c);
                while let Some(c) = next {
                    // A backslash outside of quotes was never allowed, and means what it means inside.
                    word.extend(if c == '\\' { rest.next() } else { Some(c) });
                    next = rest.next_if(|c| !(Token::is_operator(*c) || " \t\r\n\"[(".contains(*c)));
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    tokens
}

/// Cuts the internal form up, in which nothing is quoted.
pub(super) fn scan_internal(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for piece in text.split_inclusive(|c| "@.!%:".contains(c)) {
        let operator = piece.chars().next_back().filter(|c| "@.!%:".contains(*c));
        let word = &piece[..piece.len() - operator.map_or(0, char::len_utf8)];
        if !word.is_empty() {
            tokens.push(Token::Word(word.into()));
        }
        tokens.extend(operator.map(Token::Operator));
    }
    tokens
}

/// The addresses of a list with commas between them, each cut up; what is between `<` and `>` is an address by itself,
/// and then what stands before it is somebody's name. `group: a, b;` is its members.
pub(super) fn scan_list(external: &str) -> Vec<Vec<Token>> {
    let mut list = vec![Vec::new()];
    let mut in_brackets = false;
    for token in scan(external) {
        let current: &mut Vec<Token> = list.last_mut().expect("invariant: never empty");
        match token {
            Token::Operator('<') if !in_brackets => {
                in_brackets = true;
                current.clear();
            }
            Token::Operator('>') if in_brackets => in_brackets = false,
            Token::Comment(_) => {}
            Token::Operator(':') if !in_brackets && !current.iter().any(|token| token.is('@')) => {
                current.clear()
            }
            Token::Operator(',' | ';') if !in_brackets => list.push(Vec::new()),
            token => current.push(token),
        }
    }
    list.retain(|tokens| !tokens.is_empty());
    list
}

/// The internal form of what was cut up.
pub(super) fn join(tokens: &[Token]) -> Address {
    let mut text = String::new();
    let mut after_word = false;
    for token in tokens {
        let is_word = !matches!(token, Token::Operator(_));
        if is_word && after_word {
            text.push(' ');
        }
        after_word = is_word;
        match token {
            Token::Operator(',') => text.push_str(", "),
            Token::Operator(operator) => text.push(*operator),
            Token::Word(word) | Token::Quoted(word) | Token::Literal(word) | Token::Comment(word) => {
                text.push_str(word);
            }
        }
    }
    Address(text)
}

/// What stands before the closing character; all of the rest where that is missing.
fn unescaped(rest: &mut impl Iterator<Item = char>, closing: char) -> String {
    let mut text = String::new();
    while let Some(c) = rest.next() {
        match c {
            '\\' => text.extend(rest.next()),
            c if c == closing => break,
            c => text.push(c),
        }
    }
    text
}

/// The rest of a comment and those in it (RFC 5322 section 3.2.2), with its brackets.
fn comment(rest: &mut impl Iterator<Item = char>) -> String {
    let mut text = String::from("(");
    let mut depth = 1;
    while depth > 0
        && let Some(c) = rest.next()
    {
        text.push(c);
        match c {
            '\\' => text.extend(rest.next()),
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn what_is_seen_at_once_is_what_reading_finds(text in "[-a.@!%+ \"\\\\(:\u{7f}\u{85}é]{0,6}") {
            let special = |c: char| c.is_control() || " ()<>@,;:\\\"[]".contains(c);
            let quoted = text.split('.').any(|atom| atom.is_empty() || atom.contains(special));
            proptest::prop_assert_eq!(needs_quotes(&text), quoted);
            proptest::prop_assert_eq!(Address::parse(&text), join(&scan(&text)));
            let address = Address(text);
            proptest::prop_assert_eq!(address.external().into_owned(), address.to_string());
            if address.is_plain() {
                let rewriting = super::super::Rewriting::new("example.com");
                let context = super::super::RewriteContext::Local;
                proptest::prop_assert_eq!(&rewriting.rewrite(&address.to_string(), context), &address);
            }
        }
    }

    #[test]
    fn there_and_back() {
        for (external, internal) in [
            ("u@example.com", "u@example.com"),
            ("\"a b\"@example.com", "a b@example.com"),
            ("\"u@x\"@example.com", "u@x@example.com"),
            ("\"a\\\"b\\\\\"@example.com", "a\"b\\@example.com"),
            ("\"\"@example.com", "@example.com"),
            ("\"a..b\"@example.com", "a..b@example.com"),
            ("u@[IPv6:::1]", "u@[IPv6:::1]"),
            ("jürgen@bücher.example", "jürgen@bücher.example"),
            ("", ""),
        ] {
            let address = Address::parse(external);
            assert_eq!(address.as_str(), internal);
            assert_eq!(address.to_string(), external);
        }
    }

    #[test]
    fn mailboxes_in_one_spelling() {
        for (external, mailbox) in [
            ("U@BÜCHER.example.", Some("U@xn--bcher-kva.example")),
            ("\"a b\"@Example.com", Some("\"a b\"@example.com")),
            ("u@[192.0.2.1]", Some("u@[192.0.2.1]")),
            ("u", None),
            ("@example.com", None),
            ("u@a..b", None),
            ("", None),
        ] {
            let found = Address::parse(external).mailbox().map(|mailbox| mailbox.to_string());
            assert_eq!(found.as_deref(), mailbox, "{external}");
        }
    }

    #[test]
    fn what_is_written_carelessly() {
        for (external, internal) in [
            ("u(a (b\\)) c) @ example.com", "u (a (b\\)) c)@example.com"),
            ("first  last@example.com", "first last@example.com"),
            ("u\\@x@example.com", "u@x@example.com"),
            ("\"open@example.com", "open@example.com"),
            ("u@[192.0.2.1", "u@[192.0.2.1]"),
        ] {
            assert_eq!(Address::parse(external).as_str(), internal);
        }
    }

    #[test]
    fn lists() {
        let list = |text| scan_list(text).iter().map(|tokens| join(tokens).0).collect::<Vec<_>>();
        assert_eq!(list("p, q@x.example (Q)"), ["p", "q@x.example"]);
        assert_eq!(list("A. Name <a@x>, \"b, c\"@x,, <@r,@s:d@x>"), ["a@x", "b, c@x", "@r, @s:d@x"]);
        assert_eq!(list("group: p, q@x;, r"), ["p", "q@x", "r"]);
        assert!(list(" , ").is_empty());
    }
}

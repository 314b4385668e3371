//! The arguments of MAIL and RCPT: `FROM:<path> parameters`, `TO:<path> parameters`.
//!
//! RFC 5321 sections 4.1.1.2, 4.1.1.3 and 4.1.2.
//!
//! # Departures
//! What [`Grammar::lenient`] accepts beyond the RFC is listed at
//! [`Syntax::Lenient`](crate::server::Syntax::Lenient).

use super::word::Key;
use crate::parameter::{Extensions, MailParameters, ParameterFault, RcptParameters};
use proto_core::address::{AddressError, AddressSyntax, ForwardPath, MailboxRef, ReversePath};

/// How MAIL and RCPT are read.
#[derive(Debug, Clone, Copy)]
pub struct Grammar<'a> {
    /// Accept the forms that are wrong and common.
    pub lenient: bool,
    /// The domain that completes a mailbox without one, when lenient, as it would be written.
    pub origin: &'a str,
    /// Which extensions bring parameters. [`Extensions::smtp_utf8`] allows UTF-8 in the addresses as well: for
    /// [`mail`] it says that the extension is offered, for [`rcpt`] that the MAIL of the transaction asked for it.
    pub extensions: Extensions,
}

/// Why the arguments of MAIL or RCPT are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathFault {
    /// Not of the form `FROM:<path>` or `TO:<path>`, or something else than a space stands after the path.
    #[error("not the form of the command")]
    Form,
    /// The path is no path.
    #[error(transparent)]
    Address(AddressError),
    /// A parameter is refused.
    #[error(transparent)]
    Parameter(ParameterFault),
}

/// Reads what follows `MAIL`. The path still lies in `arguments`: it is checked, and copied by whoever keeps it.
///
/// # Errors
/// The first [`PathFault`].
pub fn mail<'a>(
    arguments: &'a [u8],
    grammar: &Grammar<'a>,
) -> Result<(ReversePath<MailboxRef<'a>>, MailParameters), PathFault> {
    match path(arguments, FROM, grammar, false, ReversePath::read_prefix) {
        Ok((path, rest)) => match MailParameters::parse(rest, &grammar.extensions) {
            Ok(parameters) => Ok((path, parameters)),
            Err(fault) => Err(PathFault::Parameter(fault)),
        },
        Err(PathFault::Address(AddressError::NonAscii)) if grammar.extensions.smtp_utf8 => {
            wide_mail(arguments, grammar)
        }
        Err(fault) => Err(fault),
    }
}

/// [`mail`] with a path that is not ASCII. Whether it may be UTF-8 stands behind it.
#[cold]
fn wide_mail<'a>(
    arguments: &'a [u8],
    grammar: &Grammar<'a>,
) -> Result<(ReversePath<MailboxRef<'a>>, MailParameters), PathFault> {
    let utf8 = asks_for_utf8(arguments);
    let (path, rest) = path(arguments, FROM, grammar, utf8, ReversePath::read_prefix)?;
    let parameters = MailParameters::parse(rest, &grammar.extensions).map_err(PathFault::Parameter)?;
    // A word that only looks like the parameter.
    if !parameters.smtp_utf8 {
        return Err(PathFault::Address(AddressError::NonAscii));
    }
    Ok((path, parameters))
}

fn asks_for_utf8(arguments: &[u8]) -> bool {
    arguments.split(|b| *b == b' ').any(|word| {
        let keyword = word.split(|b| *b == b'=').next().unwrap_or_default();
        keyword.eq_ignore_ascii_case(b"SMTPUTF8")
    })
}

/// Reads what follows `RCPT`. The path still lies in `arguments`: it is checked, and copied by whoever keeps it.
///
/// # Errors
/// The first [`PathFault`].
pub fn rcpt<'a>(
    arguments: &'a [u8],
    grammar: &Grammar<'a>,
) -> Result<(ForwardPath<MailboxRef<'a>>, RcptParameters), PathFault> {
    let utf8 = grammar.extensions.smtp_utf8;
    let (path, rest) = path(arguments, TO, grammar, utf8, ForwardPath::read_prefix)?;
    let parameters = RcptParameters::parse(rest, &grammar.extensions).map_err(PathFault::Parameter)?;
    Ok((path, parameters))
}

const FROM: (usize, Key) = ("FROM".len(), Key::known(b"FROM"));
const TO: (usize, Key) = ("TO".len(), Key::known(b"TO"));

#[inline(always)]
fn path<'a, T>(
    arguments: &'a [u8],
    (octets, keyword): (usize, Key),
    grammar: &Grammar<'a>,
    utf8: bool,
    read: impl Fn(&'a [u8], AddressSyntax, Option<&'a str>) -> Result<(T, &'a [u8]), AddressError>,
) -> Result<(T, &'a [u8]), PathFault> {
    let (word, rest) = arguments.split_at_checked(octets).ok_or(PathFault::Form)?;
    let [b':', rest @ ..] = rest else { return Err(PathFault::Form) };
    let mut rest = rest;
    if Key::of(word) != keyword {
        return Err(PathFault::Form);
    }
    while let (true, [b' ', after @ ..]) = (grammar.lenient, rest) {
        rest = after;
    }
    if rest.is_empty() {
        return Err(PathFault::Form);
    }
    let syntax = AddressSyntax { utf8, lenient: grammar.lenient };
    let (path, after) = read(rest, syntax, grammar.lenient.then_some(grammar.origin)).map_err(|fault| {
        // Brackets that are missing altogether are a matter of form, not of the address.
        let no_brackets = fault == AddressError::Brackets && rest.first() != Some(&b'<');
        if no_brackets { PathFault::Form } else { PathFault::Address(fault) }
    })?;
    if matches!(after, [] | [b' ', ..]) { Ok((path, after)) } else { Err(PathFault::Form) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};

    fn sender(arguments: &str, lenient: bool) -> Result<String, PathFault> {
        let grammar = Grammar { lenient, origin: "here.test", extensions: Extensions::ALL };
        mail(arguments.as_bytes(), &grammar).map(|(path, _)| path.to_string())
    }

    #[test]
    fn strict_forms() {
        for (arguments, path) in [
            ("FROM:<a@b>", "<a@b>"),
            ("from:<>", "<>"),
            ("FROM:<a@b> SIZE=1", "<a@b>"),
            (r#"FROM:<"a > b"@c>"#, r#"<"a > b"@c>"#),
        ] {
            assert_eq!(sender(arguments, false).as_deref(), Ok(path), "{arguments}");
            assert_eq!(sender(arguments, true).as_deref(), Ok(path), "{arguments}");
        }
    }

    #[test]
    fn lenient_forms_are_a_matter_of_form_when_strict() {
        for (arguments, path) in [
            ("FROM: <a@b>", "<a@b>"),
            ("FROM:   a@b", "<a@b>"),
            ("FROM:a@b SIZE=1", "<a@b>"),
            ("FROM:root", "<root@here.test>"),
            ("FROM:\"a b\"", "<\"a b\"@here.test>"),
            ("from:root SIZE=1", "<root@here.test>"),
        ] {
            assert_eq!(sender(arguments, true).as_deref(), Ok(path), "{arguments}");
            assert_eq!(sender(arguments, false), Err(PathFault::Form), "{arguments}");
        }
        assert_eq!(sender("FROM:<root> SIZE=1", true).as_deref(), Ok("<root@here.test>"));
        assert_eq!(sender("FROM:<root>", false), Err(PathFault::Address(AddressError::NoDomain)));
    }

    #[test]
    fn wrong_in_both() {
        for lenient in [false, true] {
            for arguments in ["", "FROM", "FROM:", "FROM :<a@b>", "TO:<a@b>", "FROM:<a@b>SIZE=1", "FROM:<>x"]
            {
                assert_eq!(sender(arguments, lenient), Err(PathFault::Form), "{arguments} {lenient}");
            }
            for arguments in ["FROM:<a@b", "FROM:<a b@c>", "FROM:<a@b@c>", "FROM:<@a,@b>", "FROM:<\"a>"] {
                let got = sender(arguments, lenient);
                assert!(matches!(got, Err(PathFault::Address(_))), "{arguments} {lenient} {got:?}");
            }
            assert_eq!(
                sender("FROM:<a@b> FOO=1", lenient),
                Err(PathFault::Parameter(ParameterFault::Unknown))
            );
        }
    }
}

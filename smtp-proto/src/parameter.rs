//! The parameters of MAIL and RCPT, typed.
//!
//! RFC 5321 section 4.1.2 (`esmtp-param`), section 4.1.1.11 (which replies), RFC 1870 (SIZE), RFC 6152 (BODY),
//! RFC 4954 section 5 (AUTH). A parameter whose extension the session does not have is unknown.
//!
//! # Limits
//! They stand on a command line, and its limit is theirs.

use crate::command::xtext;
use crate::reply::Reply;
use alloc::string::String;

/// What MAIL said besides the sender.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MailParameters {
    /// The size of the message as the client sees it, in octets (RFC 1870 section 3): a wish, not a promise.
    pub size: Option<u64>,
    /// What kind of octets the message holds (RFC 6152).
    pub body: BodyKind,
    /// Who submitted the message first, says a client that vouches for it (RFC 4954 section 5). To be believed
    /// only from a client that is trusted to know.
    pub auth: Option<Submitter>,
}

/// What RCPT said besides the recipient.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RcptParameters {}

/// The BODY parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum BodyKind {
    /// `BODY=7BIT`, or no such parameter: ASCII lines.
    #[default]
    SevenBit,
    /// `BODY=8BITMIME`: lines with octets over 127.
    EightBitMime,
}

/// The AUTH parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submitter {
    /// `AUTH=<>`: not known, or not to be told.
    Unknown,
    /// The mailbox, decoded, as the client gave it.
    Mailbox(String),
}

/// Which extensions a session may use in its parameters: none after HELO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Extensions {
    /// SIZE with this limit (RFC 1870 section 3); zero announces none.
    pub size_max: Option<u64>,
    /// 8BITMIME (RFC 6152).
    pub eight_bit_mime: bool,
    /// AUTH (RFC 4954).
    pub auth: bool,
}

/// Why parameters are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterFault {
    /// Its keyword belongs to no extension of the session (`555 5.5.4`).
    #[error("unknown parameter")]
    Unknown,
    /// It is known, and wrong (`501 5.5.4`).
    #[error("malformed parameter")]
    Malformed,
    /// It stands twice (`501 5.5.4`).
    #[error("duplicate parameter")]
    Duplicate,
    /// SIZE is over the limit (`552 5.3.4`).
    #[error("message size exceeds the limit")]
    TooLarge,
}

impl ParameterFault {
    /// The reply it becomes.
    pub(crate) const fn reply(self) -> Reply {
        match self {
            Self::Unknown => Reply::fixed(555, (5, 4), "Error: unsupported parameter"),
            Self::Malformed => Reply::fixed(501, (5, 4), "Error: bad parameter"),
            Self::Duplicate => Reply::fixed(501, (5, 4), "Error: duplicate parameter"),
            Self::TooLarge => Reply::fixed(552, (3, 4), "Error: message size exceeds fixed limit"),
        }
    }
}

impl MailParameters {
    /// Reads what follows the path of MAIL.
    ///
    /// # Errors
    /// The first [`ParameterFault`].
    pub fn parse(text: &[u8], with: &Extensions) -> Result<Self, ParameterFault> {
        let mut parameters = Self::default();
        let mut body = None;
        for word in words(text) {
            let (keyword, value) = keyword_and_value(word)?;
            let is = |name: &str| keyword.eq_ignore_ascii_case(name);
            match with.size_max {
                Some(size_max) if is("SIZE") => {
                    once(&mut parameters.size, parse_size(value)?)?;
                    if size_max != 0 && parameters.size > Some(size_max) {
                        return Err(ParameterFault::TooLarge);
                    }
                }
                _ if with.eight_bit_mime && is("BODY") => once(&mut body, parse_body(value)?)?,
                _ if with.auth && is("AUTH") => once(&mut parameters.auth, parse_submitter(value)?)?,
                _ => return Err(ParameterFault::Unknown),
            }
        }
        parameters.body = body.unwrap_or_default();
        Ok(parameters)
    }
}

impl RcptParameters {
    /// Reads what follows the path of RCPT. No extension of ours has a parameter there yet.
    ///
    /// # Errors
    /// The first [`ParameterFault`].
    pub fn parse(text: &[u8], _with: &Extensions) -> Result<Self, ParameterFault> {
        match words(text).next() {
            Some(word) => keyword_and_value(word).and(Err(ParameterFault::Unknown)),
            None => Ok(Self::default()),
        }
    }
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|b| *b == b' ').filter(|word| !word.is_empty())
}

/// RFC 5321 section 4.1.2: `esmtp-keyword ["=" esmtp-value]`.
fn keyword_and_value(word: &[u8]) -> Result<(&str, Option<&str>), ParameterFault> {
    let word = core::str::from_utf8(word).map_err(|_| ParameterFault::Malformed)?;
    let (keyword, value) = match word.split_once('=') {
        Some((keyword, value)) => (keyword, Some(value)),
        None => (word, None),
    };
    let mut letters = keyword.bytes();
    let begins = letters.next().is_some_and(|b| b.is_ascii_alphanumeric());
    let goes_on = letters.all(|b| b.is_ascii_alphanumeric() || b == b'-');
    let valued = value.is_none_or(|v| !v.is_empty() && v.bytes().all(|b| b.is_ascii_graphic() && b != b'='));
    if begins && goes_on && valued { Ok((keyword, value)) } else { Err(ParameterFault::Malformed) }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), ParameterFault> {
    if slot.is_some() {
        return Err(ParameterFault::Duplicate);
    }
    *slot = Some(value);
    Ok(())
}

/// RFC 1870 section 3: `1*20DIGIT`. Twenty digits may not fit, and are then as good as infinite.
fn parse_size(value: Option<&str>) -> Result<u64, ParameterFault> {
    let digits = value.ok_or(ParameterFault::Malformed)?;
    if digits.len() > 20 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(ParameterFault::Malformed);
    }
    Ok(digits.parse().unwrap_or(u64::MAX))
}

fn parse_body(value: Option<&str>) -> Result<BodyKind, ParameterFault> {
    match value {
        Some(v) if v.eq_ignore_ascii_case("7BIT") => Ok(BodyKind::SevenBit),
        Some(v) if v.eq_ignore_ascii_case("8BITMIME") => Ok(BodyKind::EightBitMime),
        // RFC 3030 adds this value; its extension is not one of ours yet.
        Some(v) if v.eq_ignore_ascii_case("BINARYMIME") => Err(ParameterFault::Unknown),
        _ => Err(ParameterFault::Malformed),
    }
}

fn parse_submitter(value: Option<&str>) -> Result<Submitter, ParameterFault> {
    match value {
        Some("<>") => Ok(Submitter::Unknown),
        Some(text) => xtext::decode(text).map(Submitter::Mailbox).ok_or(ParameterFault::Malformed),
        None => Err(ParameterFault::Malformed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Extensions = Extensions { size_max: Some(10_000), eight_bit_mime: true, auth: true };

    fn check(text: &str, with: &Extensions, expected: Result<MailParameters, ParameterFault>) {
        assert_eq!(MailParameters::parse(text.as_bytes(), with), expected, "{text}");
    }

    #[test]
    fn known_parameters_in_any_order_and_case() {
        let expected = MailParameters {
            size: Some(10_000),
            body: BodyKind::EightBitMime,
            auth: Some(Submitter::Mailbox("a b@x".into())),
        };
        check("SIZE=10000 body=8bitmime AUTH=a+20b@x", &ALL, Ok(expected.clone()));
        check("  auth=a+20b@x  BODY=8BITMIME   size=10000", &ALL, Ok(expected));
        check("", &ALL, Ok(MailParameters::default()));
        let unknown = MailParameters { auth: Some(Submitter::Unknown), ..Default::default() };
        check("AUTH=<> BODY=7BIT", &ALL, Ok(unknown));
    }

    #[test]
    fn what_is_refused_and_how() {
        use ParameterFault::*;
        for (text, fault) in [
            ("SIZE=10001", TooLarge),
            ("SIZE=99999999999999999999", TooLarge),
            ("SIZE=999999999999999999999", Malformed),
            ("SIZE=abc", Malformed),
            ("SIZE=-1", Malformed),
            ("SIZE=+1", Malformed),
            ("SIZE=", Malformed),
            ("SIZE", Malformed),
            ("SIZE=1 SIZE=2", Duplicate),
            ("BODY=7BIT body=7BIT", Duplicate),
            ("BODY=9BIT", Malformed),
            ("BODY=BINARYMIME", Unknown),
            ("AUTH=+zz", Malformed),
            ("AUTH", Malformed),
            ("FOO=1", Unknown),
            ("FOO", Unknown),
            ("FOO=a=b", Malformed),
            ("-FOO=1", Malformed),
            ("=1", Malformed),
            ("F\u{e9}=1", Malformed),
            ("FOO=\0", Malformed),
        ] {
            check(text, &ALL, Err(fault));
        }
        assert_eq!(MailParameters::parse(b"FOO=\xff", &ALL), Err(Malformed));
    }

    #[test]
    fn without_its_extension_a_parameter_is_unknown() {
        for text in ["SIZE=1", "BODY=7BIT", "AUTH=<>"] {
            check(text, &Extensions::default(), Err(ParameterFault::Unknown));
        }
        assert_eq!(RcptParameters::parse(b"NOTIFY=NEVER", &ALL), Err(ParameterFault::Unknown));
        assert_eq!(RcptParameters::parse(b"", &ALL), Ok(RcptParameters {}));
    }

    #[test]
    fn a_limit_of_zero_is_no_limit() {
        let with = Extensions { size_max: Some(0), ..ALL };
        let expected = MailParameters { size: Some(u64::MAX), ..Default::default() };
        check("SIZE=99999999999999999999", &with, Ok(expected));
    }
}

//! The values of RET, ENVID and NOTIFY: which reports the sender wants.
//!
//! RFC 3461 sections 4.1, 4.3 and 4.4. ORCPT is in a file of its own.
//!
//! # Limits
//! An envelope identifier has at most 100 octets as `xtext` (section 4.4).

use super::ParameterFault;
use super::words::Value;
use crate::command::word::Key;
use crate::command::xtext;
use core::fmt::{self, Display};
use smol_str::SmolStr;

/// The RET parameter: what of the message a report of failure brings back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ret {
    /// `RET=FULL`: all of it.
    Full,
    /// `RET=HDRS`: its header only.
    Headers,
}

impl Ret {
    pub(super) fn parse(value: Option<&[u8]>) -> Result<Self, ParameterFault> {
        match value.map(Key::of) {
            Some(FULL) => Ok(Self::Full),
            Some(HDRS) => Ok(Self::Headers),
            _ => Err(ParameterFault::Malformed),
        }
    }
}

const FULL: Key = Key::known(b"FULL");
const HDRS: Key = Key::known(b"HDRS");

/// The value as it stands after `RET=`.
impl Display for Ret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "FULL",
            Self::Headers => "HDRS",
        })
    }
}

/// The ENVID parameter: what the sender calls this transaction, to find it in a report. Printable ASCII and spaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvelopeId(SmolStr);

impl EnvelopeId {
    /// The most octets of its `xtext`.
    pub const OCTETS_MAX: usize = 100;

    /// A checked identifier; `None` when it is empty, holds anything but printable ASCII and spaces, or is too long.
    pub fn new(text: impl AsRef<str>) -> Option<Self> {
        let text = text.as_ref();
        let fits = !text.is_empty() && xtext::encoded_len(text) <= Self::OCTETS_MAX;
        (fits && text.bytes().all(|b| matches!(b, b' '..=b'~'))).then(|| Self(text.into()))
    }

    /// The identifier, decoded.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn parse(value: Option<Value<'_>>) -> Result<Self, ParameterFault> {
        match value.filter(|value| value.octets.len() <= Self::OCTETS_MAX) {
            Some(value) if value.is_plain => Some(Self(value.text().into())),
            value => value.and_then(|value| xtext::decode(value.text())).and_then(Self::new),
        }
        .ok_or(ParameterFault::Malformed)
    }
}

/// The value as it stands after `ENVID=`.
impl Display for EnvelopeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        xtext::Encoded(&self.0).fmt(f)
    }
}

/// The NOTIFY parameter: when the sender wants a report about this recipient. None of the three is `NEVER`.
///
/// Without the parameter a report is due on failure, and may be sent on delay (RFC 3461 section 4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Notify {
    /// `SUCCESS`: when it was delivered.
    pub success: bool,
    /// `FAILURE`: when it could not be delivered.
    pub failure: bool,
    /// `DELAY`: when it takes unusually long.
    pub delay: bool,
}

impl Notify {
    /// `NOTIFY=NEVER`.
    pub const NEVER: Self = Self { success: false, failure: false, delay: false };

    pub(super) fn parse(value: Option<&[u8]>) -> Result<Self, ParameterFault> {
        let value = value.ok_or(ParameterFault::Malformed)?;
        if Key::of(value) == NEVER {
            return Ok(Self::NEVER);
        }
        let mut notify = Self::default();
        for word in value.split(|b| *b == b',') {
            match Key::of(word) {
                SUCCESS => notify.success = true,
                FAILURE => notify.failure = true,
                DELAY => notify.delay = true,
                _ => return Err(ParameterFault::Malformed),
            }
        }
        Ok(notify)
    }
}

const NEVER: Key = Key::known(b"NEVER");
const SUCCESS: Key = Key::known(b"SUCCESS");
const FAILURE: Key = Key::known(b"FAILURE");
const DELAY: Key = Key::known(b"DELAY");

/// The value as it stands after `NOTIFY=`.
impl Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = [(self.success, "SUCCESS"), (self.failure, "FAILURE"), (self.delay, "DELAY")];
        let mut comma = "";
        for word in words.iter().filter(|(wanted, _)| *wanted).map(|(_, word)| word) {
            write!(f, "{comma}{word}")?;
            comma = ",";
        }
        if comma.is_empty() { f.write_str("NEVER") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Extensions, MailParameters};
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn notify_is_never_or_a_list() {
        for (value, written) in [
            ("never", "NEVER"),
            ("DELAY,success", "SUCCESS,DELAY"),
            ("FAILURE,FAILURE", "FAILURE"),
            ("SUCCESS,FAILURE,DELAY", "SUCCESS,FAILURE,DELAY"),
        ] {
            assert_eq!(
                Notify::parse(Some(value.as_bytes())).map(|notify| notify.to_string()).as_deref(),
                Ok(written)
            );
        }
        for value in ["", "NEVER,SUCCESS", "SUCCESS,NEVER", "SUCCESS,", ",SUCCESS", "SUCCESS;DELAY", "SUCCES"]
        {
            assert_eq!(Notify::parse(Some(value.as_bytes())), Err(ParameterFault::Malformed), "{value}");
        }
    }

    #[test]
    fn an_envelope_id_is_printable() {
        for (text, read) in [(&b"ENVID=a+20b+2B"[..], "a b+"), (b"ENVID=QQ314159", "QQ314159")] {
            let parameters = MailParameters::parse(text, &Extensions::ALL).unwrap();
            assert_eq!(parameters.envid.unwrap().as_str(), read);
        }
        for text in ["", "a\tb", "a\u{7f}", "\u{e9}", "a\r\nb"] {
            assert_eq!(EnvelopeId::new(text), None, "{text:?}");
        }
    }
}

//! The parameters of MAIL and RCPT, typed: the same types read a client's and write ours.
//!
//! RFC 5321 section 4.1.2 (`esmtp-param`) and section 4.1.1.11 (which replies):
//!
//! | parameter | of | RFC | here |
//! | --- | --- | --- | --- |
//! | SIZE | MAIL | 1870 | `u64` |
//! | BODY | MAIL | 6152, 3030 | [`BodyKind`] |
//! | AUTH | MAIL | 4954 section 5 | [`Submitter`] |
//! | SMTPUTF8 | MAIL | 6531 section 3.4 | `bool` |
//! | RET, ENVID | MAIL | 3461 | [`Ret`], [`EnvelopeId`] |
//! | REQUIRETLS | MAIL | 8689 section 2 | `bool` |
//! | BY | MAIL | 2852 | [`DeliverBy`] |
//! | HOLDFOR, HOLDUNTIL | MAIL | 4865 | [`Hold`] |
//! | MT-PRIORITY | MAIL | 6710 | [`Priority`] |
//! | PRDR | MAIL | (draft-hall-prdr) | `bool` |
//! | NOTIFY, ORCPT | RCPT | 3461, 6533 | [`Notify`], [`OriginalRecipient`] |
//! | RRVS | RCPT | 7293 | [`Rrvs`] |
//!
//! A parameter whose extension the session does not have is unknown. What [`Display`] writes reads back as the same
//! value, and no value can hold what would end a word or a line.
//!
//! # Limits
//! They stand on a command line, and its limit is theirs. Those of single values are told in their files.

mod body;
mod date_time;
mod deliver_by;
mod dsn;
mod extensions;
mod fault;
mod future_release;
mod original_recipient;
mod priority;
mod rrvs;
mod size;
mod submitter;
mod words;

pub use body::BodyKind;
pub use date_time::DateTime;
pub use deliver_by::{ByMode, DeliverBy};
pub use dsn::{EnvelopeId, Notify, Ret};
pub use extensions::Extensions;
pub use fault::ParameterFault;
pub use future_release::{FutureRelease, Hold, HoldSeconds};
pub use original_recipient::OriginalRecipient;
pub use priority::{Priority, PriorityPolicy};
pub use rrvs::{Rrvs, RrvsAction};
pub use submitter::Submitter;

use crate::command::word::Key;
use core::fmt::{self, Display};
use words::{Value, Words};

/// What MAIL said besides the sender.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MailParameters {
    /// SIZE: the size of the message as the client sees it, in octets (RFC 1870 section 3); a wish, not a promise.
    pub size: Option<u64>,
    /// BODY: what kind of octets the message holds.
    pub body: BodyKind,
    /// AUTH: who submitted the message first, says a client that vouches for it (RFC 4954 section 5). To be
    /// believed only from a client that is trusted to know.
    pub auth: Option<Submitter>,
    /// SMTPUTF8: addresses may hold UTF-8, and so may the header (RFC 6531 section 3.4).
    pub smtp_utf8: bool,
    /// RET: what of the message a report brings back.
    pub ret: Option<Ret>,
    /// ENVID: what the sender calls this transaction.
    pub envid: Option<EnvelopeId>,
    /// REQUIRETLS: the message may travel over verified TLS only (RFC 8689 section 2).
    pub require_tls: bool,
    /// BY: until when it must be delivered.
    pub deliver_by: Option<DeliverBy>,
    /// HOLDFOR or HOLDUNTIL: when it may leave.
    pub hold: Option<Hold>,
    /// MT-PRIORITY: which message goes first.
    pub priority: Option<Priority>,
    /// PRDR: the client takes a reply for each recipient after the message.
    pub prdr: bool,
}

/// What RCPT said besides the recipient.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RcptParameters {
    /// NOTIFY: when the sender wants a report about this recipient.
    pub notify: Option<Notify>,
    /// ORCPT: the address that the sender knew the recipient by.
    pub orcpt: Option<OriginalRecipient>,
    /// RRVS: since when the mailbox must have been its present owner's.
    pub rrvs: Option<Rrvs>,
}

impl MailParameters {
    /// Reads what follows the path of MAIL.
    ///
    /// # Errors
    /// The first [`ParameterFault`].
    #[inline]
    pub fn parse(text: &[u8], with: &Extensions) -> Result<Self, ParameterFault> {
        // Many a command has none.
        if text.is_empty() {
            return Ok(Self::default());
        }
        let mut parameters = Self::default();
        parameters.read(text, with)?;
        Ok(parameters)
    }

    fn read(&mut self, text: &[u8], with: &Extensions) -> Result<(), ParameterFault> {
        let mut body = None;
        for word in Words::new(text, false) {
            let (keyword, value) = word?;
            let octets = value.map(|value| value.octets);
            match (keyword, with) {
                (SIZE, Extensions { size_max: Some(size_max), .. }) => {
                    once(&mut self.size, size::parse(octets)?)?;
                    if *size_max != 0 && self.size > Some(*size_max) {
                        return Err(ParameterFault::TooLarge);
                    }
                }
                (BODY, Extensions { eight_bit_mime: true, .. }) => {
                    once(&mut body, BodyKind::parse(octets, with)?)?;
                }
                (AUTH, Extensions { auth: true, .. }) => {
                    once(&mut self.auth, Submitter::parse(value.map(Value::text))?)?;
                }
                (SMTP_UTF8, Extensions { smtp_utf8: true, .. }) => {
                    switch(&mut self.smtp_utf8, value)?;
                }
                (RET, Extensions { dsn: true, .. }) => once(&mut self.ret, Ret::parse(octets)?)?,
                (ENVID, Extensions { dsn: true, .. }) => {
                    once(&mut self.envid, EnvelopeId::parse(value)?)?;
                }
                (REQUIRE_TLS, Extensions { require_tls: true, .. }) => {
                    switch(&mut self.require_tls, value)?;
                }
                (BY, Extensions { deliver_by: Some(seconds_min), .. }) => {
                    once(&mut self.deliver_by, DeliverBy::parse(value.map(Value::text), *seconds_min)?)?;
                }
                (HOLD_FOR, Extensions { future_release: Some(announced), .. }) => {
                    once(&mut self.hold, Hold::parse_for(value.map(Value::text), announced)?)?;
                }
                (HOLD_UNTIL, Extensions { future_release: Some(announced), .. }) => {
                    once(&mut self.hold, Hold::parse_until(value.map(Value::text), announced)?)?;
                }
                (MT_PRIORITY, Extensions { mt_priority: true, .. }) => {
                    once(&mut self.priority, Priority::parse(octets)?)?;
                }
                (PRDR, Extensions { prdr: true, .. }) => switch(&mut self.prdr, value)?,
                _ => return Err(ParameterFault::Unknown),
            }
        }
        self.body = body.unwrap_or_default();
        Ok(())
    }
}

/// As they follow the path, each with a space before it.
impl Display for MailParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        valued(f, "SIZE", self.size.as_ref())?;
        valued(f, "BODY", Some(&self.body).filter(|body| **body != BodyKind::SevenBit))?;
        valued(f, "AUTH", self.auth.as_ref())?;
        if self.smtp_utf8 {
            f.write_str(" SMTPUTF8")?;
        }
        valued(f, "RET", self.ret.as_ref())?;
        valued(f, "ENVID", self.envid.as_ref())?;
        if self.require_tls {
            f.write_str(" REQUIRETLS")?;
        }
        valued(f, "BY", self.deliver_by.as_ref())?;
        if let Some(hold) = &self.hold {
            write!(f, " {hold}")?;
        }
        valued(f, "MT-PRIORITY", self.priority.as_ref())?;
        if self.prdr { f.write_str(" PRDR") } else { Ok(()) }
    }
}

impl RcptParameters {
    /// Reads what follows the path of RCPT. [`Extensions::smtp_utf8`] says here whether the MAIL of the transaction
    /// asked for it.
    ///
    /// # Errors
    /// The first [`ParameterFault`].
    #[inline]
    pub fn parse(text: &[u8], with: &Extensions) -> Result<Self, ParameterFault> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let mut parameters = Self::default();
        parameters.read(text, with)?;
        Ok(parameters)
    }

    fn read(&mut self, text: &[u8], with: &Extensions) -> Result<(), ParameterFault> {
        for word in Words::new(text, with.smtp_utf8) {
            let (keyword, value) = word?;
            let octets = value.map(|value| value.octets);
            match (keyword, with) {
                (NOTIFY, Extensions { dsn: true, .. }) => {
                    once(&mut self.notify, Notify::parse(octets)?)?;
                }
                (ORCPT, Extensions { dsn: true, .. }) => {
                    once(&mut self.orcpt, OriginalRecipient::parse(value)?)?;
                }
                (RRVS, Extensions { rrvs: true, .. }) => {
                    once(&mut self.rrvs, Rrvs::parse(value.map(Value::text))?)?;
                }
                _ => return Err(ParameterFault::Unknown),
            }
        }
        Ok(())
    }
}

/// As they follow the path, each with a space before it; in ASCII, and with `{:#}` in UTF-8, for a transaction with
/// SMTPUTF8.
impl Display for RcptParameters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        valued(f, "NOTIFY", self.notify.as_ref())?;
        valued(f, "ORCPT", self.orcpt.as_ref())?;
        valued(f, "RRVS", self.rrvs.as_ref())
    }
}

fn valued<T: Display>(f: &mut fmt::Formatter<'_>, keyword: &str, value: Option<&T>) -> fmt::Result {
    match value {
        Some(value) => {
            write!(f, " {keyword}=")?;
            // With the formatter's own flags, of which `#` matters.
            value.fmt(f)
        }
        None => Ok(()),
    }
}

const SIZE: Key = Key::known(b"SIZE");
const BODY: Key = Key::known(b"BODY");
const AUTH: Key = Key::known(b"AUTH");
const SMTP_UTF8: Key = Key::known(b"SMTPUTF8");
const RET: Key = Key::known(b"RET");
const ENVID: Key = Key::known(b"ENVID");
const REQUIRE_TLS: Key = Key::known(b"REQUIRETLS");
const BY: Key = Key::known(b"BY");
const HOLD_FOR: Key = Key::known(b"HOLDFOR");
const HOLD_UNTIL: Key = Key::known(b"HOLDUNTIL");
const MT_PRIORITY: Key = Key::known(b"MT-PRIORITY");
const PRDR: Key = Key::known(b"PRDR");
const NOTIFY: Key = Key::known(b"NOTIFY");
const ORCPT: Key = Key::known(b"ORCPT");
const RRVS: Key = Key::known(b"RRVS");

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), ParameterFault> {
    if slot.is_some() {
        return Err(ParameterFault::Duplicate);
    }
    *slot = Some(value);
    Ok(())
}

/// A parameter that takes no value.
fn switch(slot: &mut bool, value: Option<Value<'_>>) -> Result<(), ParameterFault> {
    match (value, *slot) {
        (Some(_), _) => Err(ParameterFault::Malformed),
        (None, true) => Err(ParameterFault::Duplicate),
        (None, false) => {
            *slot = true;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: Extensions = Extensions { size_max: Some(10_000), binary_mime: false, ..Extensions::ALL };

    fn check(text: &str, with: &Extensions, expected: Result<MailParameters, ParameterFault>) {
        assert_eq!(MailParameters::parse(text.as_bytes(), with), expected, "{text}");
    }

    #[test]
    fn known_parameters_in_any_order_and_case() {
        let expected = MailParameters {
            size: Some(10_000),
            body: BodyKind::EightBitMime,
            auth: Some(Submitter::Mailbox("a b@x".into())),
            ..MailParameters::default()
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
        let none = Extensions::default();
        assert_eq!(RcptParameters::parse(b"NOTIFY=NEVER", &none), Err(ParameterFault::Unknown));
        assert_eq!(RcptParameters::parse(b"", &none), Ok(RcptParameters::default()));
    }

    #[test]
    fn a_limit_of_zero_is_no_limit() {
        let with = Extensions { size_max: Some(0), ..ALL };
        let expected = MailParameters { size: Some(u64::MAX), ..Default::default() };
        check("SIZE=99999999999999999999", &with, Ok(expected));
    }
}

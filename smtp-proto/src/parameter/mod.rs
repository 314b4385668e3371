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

use core::fmt::{self, Display};

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
    pub fn parse(text: &[u8], with: &Extensions) -> Result<Self, ParameterFault> {
        let mut parameters = Self::default();
        let mut body = None;
        for word in (Words { rest: text, utf8: false }) {
            let (keyword, value) = word?;
            let is = |name: &str| keyword.eq_ignore_ascii_case(name.as_bytes());
            match with {
                Extensions { size_max: Some(size_max), .. } if is("SIZE") => {
                    once(&mut parameters.size, size::parse(value)?)?;
                    if *size_max != 0 && parameters.size > Some(*size_max) {
                        return Err(ParameterFault::TooLarge);
                    }
                }
                Extensions { eight_bit_mime: true, .. } if is("BODY") => {
                    once(&mut body, BodyKind::parse(value, with)?)?;
                }
                Extensions { auth: true, .. } if is("AUTH") => {
                    once(&mut parameters.auth, Submitter::parse(value)?)?;
                }
                Extensions { smtp_utf8: true, .. } if is("SMTPUTF8") => {
                    switch(&mut parameters.smtp_utf8, value)?;
                }
                Extensions { dsn: true, .. } if is("RET") => once(&mut parameters.ret, Ret::parse(value)?)?,
                Extensions { dsn: true, .. } if is("ENVID") => {
                    once(&mut parameters.envid, EnvelopeId::parse(value)?)?;
                }
                Extensions { require_tls: true, .. } if is("REQUIRETLS") => {
                    switch(&mut parameters.require_tls, value)?;
                }
                Extensions { deliver_by: Some(seconds_min), .. } if is("BY") => {
                    once(&mut parameters.deliver_by, DeliverBy::parse(value, *seconds_min)?)?;
                }
                Extensions { future_release: Some(announced), .. } if is("HOLDFOR") => {
                    once(&mut parameters.hold, Hold::parse_for(value, announced)?)?;
                }
                Extensions { future_release: Some(announced), .. } if is("HOLDUNTIL") => {
                    once(&mut parameters.hold, Hold::parse_until(value, announced)?)?;
                }
                Extensions { mt_priority: true, .. } if is("MT-PRIORITY") => {
                    once(&mut parameters.priority, Priority::parse(value)?)?;
                }
                Extensions { prdr: true, .. } if is("PRDR") => switch(&mut parameters.prdr, value)?,
                _ => return Err(ParameterFault::Unknown),
            }
        }
        parameters.body = body.unwrap_or_default();
        Ok(parameters)
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
    pub fn parse(text: &[u8], with: &Extensions) -> Result<Self, ParameterFault> {
        let mut parameters = Self::default();
        for word in (Words { rest: text, utf8: with.smtp_utf8 }) {
            let (keyword, value) = word?;
            let is = |name: &str| keyword.eq_ignore_ascii_case(name.as_bytes());
            match with {
                Extensions { dsn: true, .. } if is("NOTIFY") => {
                    once(&mut parameters.notify, Notify::parse(value)?)?;
                }
                Extensions { dsn: true, .. } if is("ORCPT") => {
                    once(&mut parameters.orcpt, OriginalRecipient::parse(value)?)?;
                }
                Extensions { rrvs: true, .. } if is("RRVS") => {
                    once(&mut parameters.rrvs, Rrvs::parse(value)?)?;
                }
                _ => return Err(ParameterFault::Unknown),
            }
        }
        Ok(parameters)
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

/// The parameters as they stand behind the path: `esmtp-keyword ["=" esmtp-value]`, RFC 5321 section 4.1.2.
struct Words<'a> {
    rest: &'a [u8],
    /// A value may hold more than ASCII, as RFC 6533 section 3 has it for ORCPT.
    utf8: bool,
}

impl<'a> Iterator for Words<'a> {
    type Item = Result<(&'a [u8], Option<&'a str>), ParameterFault>;

    fn next(&mut self) -> Option<Self::Item> {
        while let [b' ', after @ ..] = self.rest {
            self.rest = after;
        }
        if self.rest.is_empty() {
            return None;
        }
        let keyword = self.run(KEYWORD);
        let value = if let [b'=', after @ ..] = self.rest {
            self.rest = after;
            Some(self.run(if self.utf8 { VALUE | NON_ASCII } else { VALUE }))
        } else {
            None
        };
        let good =
            !matches!(keyword, [] | [b'-', ..]) && value != Some(b"") && matches!(self.rest, [] | [b' ', ..]);
        let value = value.map(core::str::from_utf8).transpose();
        Some(value.ok().filter(|_| good).map(|value| (keyword, value)).ok_or(ParameterFault::Malformed))
    }
}

impl<'a> Words<'a> {
    /// Passes over the longest run of octets that may stand in one of `places`.
    fn run(&mut self, places: u8) -> &'a [u8] {
        let outside = |b: &u8| PLACES[usize::from(*b)] & places == 0;
        let (run, rest) = self.rest.split_at(self.rest.iter().position(outside).unwrap_or(self.rest.len()));
        self.rest = rest;
        run
    }
}

const KEYWORD: u8 = 1;
const VALUE: u8 = 2;
const NON_ASCII: u8 = 4;

/// Where in a parameter each octet may stand.
static PLACES: [u8; 256] = {
    let (mut places, mut at) = ([NON_ASCII; 256], 0u8);
    while at.is_ascii() {
        let in_keyword = at.is_ascii_alphanumeric() || at == b'-';
        let in_value = at.is_ascii_graphic() && at != b'=';
        places[at as usize] = if in_keyword { KEYWORD } else { 0 } | if in_value { VALUE } else { 0 };
        at += 1;
    }
    places
};

fn once<T>(slot: &mut Option<T>, value: T) -> Result<(), ParameterFault> {
    if slot.is_some() {
        return Err(ParameterFault::Duplicate);
    }
    *slot = Some(value);
    Ok(())
}

/// A parameter that takes no value.
fn switch(slot: &mut bool, value: Option<&str>) -> Result<(), ParameterFault> {
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

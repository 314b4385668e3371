//! An envelope, and what becomes of it where a server lacks what it asks for.
//!
//! What is promised to a server is what it gets, and what a sender asked for is kept or refused, never forgotten without
//! a word. Where the server does not offer the extension:
//!
//! | asked for | becomes | because of |
//! | --- | --- | --- |
//! | SIZE | nothing: it is a hint; over the announced limit it is [`SendFault::TooLarge`] | RFC 1870 section 6 |
//! | 8BITMIME | [`SendFault::EightBit`], or 7BIT under [`ClientConfig::ascii_as_seven_bit`](super::ClientConfig::ascii_as_seven_bit) | RFC 6152 section 3 |
//! | BINARYMIME | [`SendFault::Binary`] | RFC 3030 section 3 |
//! | SMTPUTF8, also by an address | [`SendFault::SmtpUtf8`] | RFC 6531 section 3.2 |
//! | AUTH | [`Omitted::Submitter`] | RFC 4954 section 5 |
//! | RET, ENVID, NOTIFY, ORCPT | [`Omitted::Dsn`] | RFC 3461 section 5.2.2 |
//! | REQUIRETLS | [`SendFault::TlsMissing`], [`SendFault::RequireTls`]; for a report [`Omitted::RequireTls`] | RFC 8689 sections 4.2.1 and 5 |
//! | BY with `R`, or sooner than the server can | [`SendFault::DeliverBy`] | RFC 2852 |
//! | BY with `N` | [`Omitted::DeliverBy`] | RFC 2852 |
//! | HOLDFOR, HOLDUNTIL, also later than the server would | [`SendFault::FutureRelease`] | RFC 4865 |
//! | MT-PRIORITY | [`Omitted::Priority`] | RFC 6710 |
//! | RRVS, unless it says `C` | [`SendFault::Rrvs`] | RFC 7293 |
//! | RRVS with `C` | [`Omitted::Rrvs`] | RFC 7293 |
//! | PRDR | [`Omitted::Prdr`] | draft-hall-prdr |
//!
//! That the certificate of a session with REQUIRETLS is the right one (RFC 8689 section 2) is for whoever connects to see
//! to, before the message is sent: the machine knows that TLS is on, and not to whom the name belongs.

use super::capabilities::ServerCapabilities;
use super::config::ClientConfig;
use crate::parameter::{BodyKind, ByMode, Hold, MailParameters, RcptParameters, RrvsAction};
use crate::reply::EnhancedCode;
use alloc::vec::Vec;
use proto_core::address::{ForwardPath, Mailbox, ReversePath};

/// An envelope. Its addresses and parameters are typed: no CR, LF or NUL can stand in them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Envelope {
    /// The sender.
    pub reverse_path: ReversePath,
    /// What MAIL says besides. The size of the message stands here, if it is known, and what kind of octets it holds.
    pub parameters: MailParameters,
    /// The recipients, one at least.
    pub recipients: Vec<Recipient>,
}

impl Envelope {
    /// An envelope without parameters: for a message of unknown size and 7-bit octets.
    pub fn new(
        reverse_path: ReversePath,
        recipients: impl IntoIterator<Item = impl Into<Recipient>>,
    ) -> Self {
        let recipients = recipients.into_iter().map(Into::into).collect();
        Self { reverse_path, parameters: MailParameters::default(), recipients }
    }
}

/// One recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recipient {
    /// The address.
    pub forward_path: ForwardPath,
    /// What RCPT says besides.
    pub parameters: RcptParameters,
}

/// A recipient without parameters.
impl From<ForwardPath> for Recipient {
    fn from(forward_path: ForwardPath) -> Self {
        Self { forward_path, parameters: RcptParameters::default() }
    }
}

/// What was left out, since the server does not offer its extension and leaving it out does no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Omitted {
    /// AUTH.
    Submitter,
    /// RET, ENVID, and NOTIFY and ORCPT of all recipients: reports that the sender asked for are now the duty of
    /// whoever sends here (RFC 3461 section 5.2.2).
    Dsn,
    /// REQUIRETLS of a message from `<>`.
    RequireTls,
    /// BY: a report on relaying is due instead.
    DeliverBy,
    /// MT-PRIORITY.
    Priority,
    /// RRVS of some recipient.
    Rrvs,
    /// PRDR: there is one reply for all recipients.
    Prdr,
}

/// Why a message is not sent; nothing has been said to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendFault {
    /// The session is not idle: wait for [`ClientEvent::Ready`](super::ClientEvent::Ready).
    #[error("the session is not idle")]
    NotReady,
    /// There is no recipient.
    #[error("no recipient")]
    NoRecipient,
    /// The server takes no further message in this session (RFC 9422, MAILMAX); another one will do.
    #[error("the server takes no further message in this session")]
    SessionUsedUp,
    /// The server takes no message of this size.
    #[error("the server takes at most {size_max} octets")]
    TooLarge {
        /// What the server announced.
        size_max: u64,
    },
    /// The message needs 8BITMIME.
    #[error("the server takes no 8-bit message")]
    EightBit,
    /// The message needs BINARYMIME, and CHUNKING with it, which the configuration may not want.
    #[error("no binary message can be sent: the server takes none, or BDAT is not wanted")]
    Binary,
    /// An address is not ASCII, or the message was said to need SMTPUTF8.
    #[error("the server takes no internationalised mail")]
    SmtpUtf8,
    /// REQUIRETLS in a session without TLS.
    #[error("the message requires TLS")]
    TlsMissing,
    /// REQUIRETLS, and the server does not promise to keep it.
    #[error("the server does not offer REQUIRETLS")]
    RequireTls,
    /// The message is to be returned when it is late, and the server would not.
    #[error("the server does not offer DELIVERBY for this time")]
    DeliverBy,
    /// The message is to be held, and the server would not, or not so long.
    #[error("the server does not offer FUTURERELEASE for this time")]
    FutureRelease,
    /// A recipient's mailbox may have changed hands, and the server would not look.
    #[error("the server does not offer RRVS")]
    Rrvs,
}

impl SendFault {
    /// What to put into a report, permanent by its class 5: this message cannot be sent to this server. `None` for what
    /// is about the session or its caller and not about the message: [`SendFault::NotReady`],
    /// [`SendFault::NoRecipient`], [`SendFault::SessionUsedUp`].
    pub const fn status(&self) -> Option<EnhancedCode> {
        match self {
            Self::NotReady | Self::NoRecipient | Self::SessionUsedUp => None,
            Self::TooLarge { .. } => EnhancedCode::new(5, 3, 4),
            Self::EightBit | Self::Binary => EnhancedCode::new(5, 6, 3),
            Self::SmtpUtf8 => EnhancedCode::new(5, 6, 7),
            Self::TlsMissing => EnhancedCode::new(5, 7, 10),
            Self::RequireTls => EnhancedCode::new(5, 7, 30),
            // RFC 3463 section 3.4: system not capable of selected features.
            Self::DeliverBy | Self::FutureRelease => EnhancedCode::new(5, 3, 3),
            Self::Rrvs => EnhancedCode::new(5, 7, 19),
        }
    }
}

/// Makes of an envelope what this server can be sent: see the [module](self).
pub(super) fn adapt(
    envelope: &mut Envelope,
    server: &ServerCapabilities,
    tls: bool,
    config: &ClientConfig,
) -> Result<Vec<Omitted>, SendFault> {
    if envelope.recipients.is_empty() {
        return Err(SendFault::NoRecipient);
    }
    let offered = &server.parameters;
    let mut omitted = Vec::new();
    let parameters = &mut envelope.parameters;

    match (offered.size_max, parameters.size) {
        (Some(size_max), Some(size)) if size_max != 0 && size > size_max => {
            return Err(SendFault::TooLarge { size_max });
        }
        (None, _) => parameters.size = None,
        _ => {}
    }
    match parameters.body {
        BodyKind::EightBitMime if !offered.eight_bit_mime && config.ascii_as_seven_bit => {
            parameters.body = BodyKind::SevenBit;
        }
        BodyKind::EightBitMime if !offered.eight_bit_mime => return Err(SendFault::EightBit),
        // RFC 3030 section 3: never by DATA.
        BodyKind::BinaryMime if !(offered.binary_mime && server.chunking && config.chunking) => {
            return Err(SendFault::Binary);
        }
        _ => {}
    }
    let recipients = envelope.recipients.iter().map(|recipient| recipient.forward_path.mailbox());
    parameters.smtp_utf8 |=
        recipients.chain([envelope.reverse_path.mailbox()]).flatten().any(Mailbox::needs_utf8);
    if parameters.smtp_utf8 && !offered.smtp_utf8 {
        return Err(SendFault::SmtpUtf8);
    }
    if parameters.require_tls && !(tls && offered.require_tls) {
        match envelope.reverse_path {
            ReversePath::Null => parameters.require_tls = false,
            ReversePath::Mailbox(_) if !tls => return Err(SendFault::TlsMissing),
            ReversePath::Mailbox(_) => return Err(SendFault::RequireTls),
        }
        omitted.push(Omitted::RequireTls);
    }
    if let Some(by) = &parameters.deliver_by {
        let in_time = |least: u32| i64::from(by.seconds()) >= i64::from(least);
        match (offered.deliver_by, by.mode()) {
            (Some(_), ByMode::Notify) => {}
            (Some(least), ByMode::Return) if in_time(least) => {}
            (_, ByMode::Return) => return Err(SendFault::DeliverBy),
            (None, ByMode::Notify) => {
                parameters.deliver_by = None;
                omitted.push(Omitted::DeliverBy);
            }
        }
    }
    let held = match (&parameters.hold, &offered.future_release) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(Hold::For(seconds)), Some(limits)) => *seconds <= limits.seconds_max,
        (Some(Hold::Until(time)), Some(limits)) => *time <= limits.until_max,
    };
    if !held {
        return Err(SendFault::FutureRelease);
    }

    let mut omit = |drop: bool, what: Omitted| {
        if drop && !omitted.contains(&what) {
            omitted.push(what);
        }
    };
    omit(parameters.auth.take_if(|_| !offered.auth).is_some(), Omitted::Submitter);
    omit(parameters.priority.take_if(|_| !offered.mt_priority).is_some(), Omitted::Priority);
    omit(parameters.prdr && !offered.prdr, Omitted::Prdr);
    parameters.prdr &= offered.prdr;
    omit(parameters.ret.take_if(|_| !offered.dsn).is_some(), Omitted::Dsn);
    omit(parameters.envid.take_if(|_| !offered.dsn).is_some(), Omitted::Dsn);
    for RcptParameters { notify, orcpt, rrvs } in envelope.recipients.iter_mut().map(|r| &mut r.parameters) {
        omit(notify.take_if(|_| !offered.dsn).is_some(), Omitted::Dsn);
        omit(orcpt.take_if(|_| !offered.dsn).is_some(), Omitted::Dsn);
        if let Some(rrvs) = rrvs.take_if(|_| !offered.rrvs) {
            if rrvs.action != Some(RrvsAction::Continue) {
                return Err(SendFault::Rrvs);
            }
            omit(true, Omitted::Rrvs);
        }
    }
    Ok(omitted)
}

//! Which extensions a listener offers besides those that cost nothing.
//!
//! SIZE, 8BITMIME and ENHANCEDSTATUSCODES are always there; STARTTLS and AUTH have their own switches in
//! [`Config`](super::Config). What is off here is neither shown nor taken: its parameters get `555 5.5.4`, its
//! commands `502 5.5.1`.
//!
//! An extension that promises something about delivery (DSN, DELIVERBY, FUTURERELEASE, MT-PRIORITY, RRVS,
//! REQUIRETLS) is to be switched on only by an application that keeps the promise: the machine reads and hands over,
//! no more.

use crate::parameter::{HoldSeconds, PriorityPolicy};

/// The switches of the extensions. All defaults are in [`Offer::default`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offer {
    /// PIPELINING (RFC 2920). Not offered: commands sent ahead are carried out all the same, and told of
    /// ([`Violation::PipelinedUnoffered`](super::Violation::PipelinedUnoffered)). Over LMTP it is offered whatever stands here (RFC 2033
    /// section 5). Default true.
    pub pipelining: bool,
    /// CHUNKING: messages by BDAT (RFC 3030 section 2). Default true.
    pub chunking: bool,
    /// BINARYMIME (RFC 3030 section 3); only together with [`Self::chunking`]. Default false.
    pub binary_mime: bool,
    /// SMTPUTF8 (RFC 6531): UTF-8 in addresses and headers. Default false.
    pub smtp_utf8: bool,
    /// DSN (RFC 3461): RET, ENVID, NOTIFY, ORCPT. Default false.
    pub dsn: bool,
    /// REQUIRETLS (RFC 8689); only while TLS is on. Default false.
    pub require_tls: bool,
    /// DELIVERBY (RFC 2852) with the least time in seconds that may be asked for with the mode `R`; zero announces
    /// none. Default `None`.
    pub deliver_by: Option<u32>,
    /// FUTURERELEASE (RFC 4865) with the longest time that a message may be held, counted from the EHLO; an extension
    /// of submission, not of mail between servers. Default `None`.
    pub future_release: Option<HoldSeconds>,
    /// MT-PRIORITY (RFC 6710) with the policy that EHLO names. Default `None`.
    pub mt_priority: Option<PriorityPolicy>,
    /// LIMITS (RFC 9422): what [`Limits`](super::Limits) has for recipients and transactions. Default true.
    pub limits: bool,
    /// RRVS (RFC 7293). Default false.
    pub rrvs: bool,
    /// ETRN (RFC 1985). Default false.
    pub etrn: bool,
    /// PRDR (draft-hall-prdr): a reply for each recipient after the message, to clients that ask. LMTP
    /// gives that to all, and does not show it. Default false.
    pub prdr: bool,
}

impl Offer {
    /// All of them, with the widest limits there are.
    pub const ALL: Self = Self {
        pipelining: true,
        chunking: true,
        binary_mime: true,
        smtp_utf8: true,
        dsn: true,
        require_tls: true,
        deliver_by: Some(0),
        future_release: Some(HoldSeconds::MAX),
        mt_priority: Some(PriorityPolicy::UNDISCLOSED),
        limits: true,
        rrvs: true,
        etrn: true,
        prdr: true,
    };
}

impl Default for Offer {
    fn default() -> Self {
        Self {
            pipelining: true,
            chunking: true,
            binary_mime: false,
            smtp_utf8: false,
            dsn: false,
            require_tls: false,
            deliver_by: None,
            future_release: None,
            mt_priority: None,
            limits: true,
            rrvs: false,
            etrn: false,
            prdr: false,
        }
    }
}

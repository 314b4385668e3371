//! Which extensions bring parameters.

use super::{DateTime, FutureRelease, HoldSeconds};

/// The extensions a session may use in its parameters: none after HELO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Extensions {
    /// SIZE with this limit in octets (RFC 1870 section 3); zero announces none.
    pub size_max: Option<u64>,
    /// 8BITMIME (RFC 6152).
    pub eight_bit_mime: bool,
    /// BINARYMIME (RFC 3030); means nothing without [`Self::eight_bit_mime`].
    pub binary_mime: bool,
    /// AUTH (RFC 4954).
    pub auth: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtp_utf8: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// REQUIRETLS (RFC 8689).
    pub require_tls: bool,
    /// DELIVERBY with this least time in seconds for the mode `R` (RFC 2852); zero announces none.
    pub deliver_by: Option<u32>,
    /// FUTURERELEASE with these limits (RFC 4865).
    pub future_release: Option<FutureRelease>,
    /// MT-PRIORITY (RFC 6710).
    pub mt_priority: bool,
    /// RRVS (RFC 7293).
    pub rrvs: bool,
    /// PRDR (draft-hall-prdr).
    pub prdr: bool,
}

impl Extensions {
    /// All of them, with the widest limits there are.
    pub const ALL: Self = Self {
        size_max: Some(0),
        eight_bit_mime: true,
        binary_mime: true,
        auth: true,
        smtp_utf8: true,
        dsn: true,
        require_tls: true,
        deliver_by: Some(0),
        future_release: Some(FutureRelease { seconds_max: HoldSeconds::MAX, until_max: DateTime::MAX }),
        mt_priority: true,
        rrvs: true,
        prdr: true,
    };
}

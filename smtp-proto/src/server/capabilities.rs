//! What EHLO shows, derived from the configuration and from whether TLS is on.
//!
//! RFC 5321 section 4.1.1.1. Nothing is shown that a session would then refuse, and the order never changes. No
//! enhanced codes here (RFC 2034 section 4).

use super::config::{Config, Peer, Protocol, TlsMode, VerifyMode};
use super::xclient::{XCLIENT_NAMES, XFORWARD_NAMES};
use crate::parameter::{DateTime, Extensions, FutureRelease};
use crate::reply::write_line;
use alloc::string::String;
use core::fmt::{Display, Write};
use proto_core::sasl::{Conditions, Mechanism, line};
use proto_core::{Now, OutBuf, UnixTime};

/// What a session offers at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Capabilities<'a> {
    config: &'a Config,
    conditions: Conditions,
}

impl<'a> Capabilities<'a> {
    /// What this configuration offers, under these conditions.
    pub const fn new(config: &'a Config, conditions: Conditions) -> Self {
        Self { config, conditions }
    }

    /// Whether STARTTLS is offered.
    pub fn starttls(&self) -> bool {
        !self.conditions.tls && matches!(self.config.tls, TlsMode::Offered | TlsMode::Required)
    }

    /// The mechanisms that AUTH offers: of those configured, those that the conditions permit; none before TLS where
    /// TLS is required, for there AUTH is refused.
    pub fn mechanisms(&self) -> impl Iterator<Item = Mechanism> + 'a {
        let (conditions, in_clear) = (self.conditions, self.config.allow_plaintext_auth);
        let too_early = self.config.tls == TlsMode::Required && !conditions.tls;
        let configured: &[Mechanism] = if too_early { &[] } else { &self.config.mechanisms };
        configured.iter().copied().filter(move |m| conditions.permit(*m, in_clear))
    }

    /// Whether AUTH is offered.
    pub fn auth(&self) -> bool {
        self.mechanisms().next().is_some()
    }

    /// Which extensions bring parameters to MAIL and RCPT.
    pub fn extensions(&self, now: Now) -> Extensions {
        let offer = &self.config.offer;
        Extensions {
            size_max: Some(self.config.limits.message_bytes_max),
            eight_bit_mime: true,
            binary_mime: offer.chunking && offer.binary_mime,
            auth: self.auth(),
            smtp_utf8: offer.smtp_utf8,
            dsn: offer.dsn,
            require_tls: offer.require_tls && self.conditions.tls,
            deliver_by: offer.deliver_by,
            future_release: offer.future_release.map(|seconds_max| FutureRelease {
                seconds_max,
                until_max: DateTime::new(UnixTime(now.utc.0.saturating_add(seconds_max.as_u32().into())))
                    .unwrap_or(DateTime::MAX),
            }),
            mt_priority: offer.mt_priority.is_some(),
            rrvs: offer.rrvs,
            prdr: offer.prdr && self.config.protocol != Protocol::Lmtp,
        }
    }

    /// The longest command line: what is configured, and never less than the parameters on offer need beside the
    /// 512 octets of RFC 5321 section 4.5.3.1.4.
    pub fn command_line_bytes_max(&self) -> usize {
        let offer = &self.config.offer;
        let mail = [
            // RFC 1870 section 3 and RFC 6152.
            (true, 26 + 17),
            // RFC 4954.
            (self.auth(), 500),
            // RFC 6531 section 3.1.
            (offer.smtp_utf8, 10),
            // RFC 3461 section 5.4: RET of 8 and ENVID of 100, each with the space before it; and its keyword.
            (offer.dsn, " RET=".len() + 8 + " ENVID=".len() + 100),
            // RFC 8689 section 2.
            (offer.require_tls && self.conditions.tls, 11),
            // RFC 2852.
            (offer.deliver_by.is_some(), 17),
            // RFC 4865.
            (offer.future_release.is_some(), 34),
            // RFC 6710 section 3.
            (offer.mt_priority.is_some(), 15),
            (offer.prdr, " PRDR".len()),
        ];
        let rcpt = [
            // RFC 3461 section 5.4.
            (offer.dsn, 530),
            // Keyword, a date-time with offset and fraction, and the action (RFC 7293).
            (offer.rrvs, 50),
        ];
        let sum = |parts: &[(bool, usize)]| -> usize {
            parts.iter().filter(|(on, _)| *on).map(|(_, octets)| octets).sum()
        };
        self.config.limits.command_line_bytes_max.max(512 + sum(&mail).max(sum(&rcpt)))
    }

    /// The longest line of an AUTH exchange, and of the AUTH command itself.
    pub fn auth_line_bytes_max(&self) -> usize {
        self.config.limits.auth_line_bytes_max.max(line::OCTETS_MAX)
    }

    /// Writes the reply to EHLO, with what this peer alone may use; `greeting` stands behind the host name.
    pub(super) fn write(&self, now: Now, out: &mut OutBuf, greeting: Option<&str>, peer: &Peer) {
        let Config { offer, limits, .. } = self.config;
        let with = self.extensions(now);
        let mut lines = Lines::new(out, self.config.hostname());
        if let Some(greeting) = greeting {
            lines.append(' ', greeting);
        }
        lines.add_if(self.config.is_pipelining(), "PIPELINING");
        match limits.message_bytes_max {
            0 => lines.add("SIZE"),
            size_max => lines.add_with("SIZE", size_max),
        }
        lines.add_if(self.config.verify != VerifyMode::Disabled, "VRFY");
        lines.add_if(self.config.expand, "EXPN");
        lines.add_if(offer.etrn, "ETRN");
        lines.add_if(self.starttls(), "STARTTLS");
        if self.auth() {
            lines.add("AUTH");
            self.mechanisms().for_each(|mechanism| lines.append(' ', mechanism));
        }
        if self.auth() && self.config.broken_auth_clients {
            lines.add("AUTH");
            self.mechanisms()
                .zip("=".chars().chain(core::iter::repeat(' ')))
                .for_each(|(m, c)| lines.append(c, m));
        }
        lines.add("ENHANCEDSTATUSCODES");
        lines.add("8BITMIME");
        lines.add_if(with.dsn, "DSN");
        lines.add_if(offer.chunking, "CHUNKING");
        lines.add_if(with.binary_mime, "BINARYMIME");
        lines.add_if(with.smtp_utf8, "SMTPUTF8");
        lines.add_if(with.require_tls, "REQUIRETLS");
        match with.deliver_by {
            None => {}
            Some(0) => lines.add("DELIVERBY"),
            Some(seconds_min) => lines.add_with("DELIVERBY", seconds_min),
        }
        if let Some(FutureRelease { seconds_max, until_max }) = with.future_release {
            lines.add_with("FUTURERELEASE", seconds_max.as_u32());
            lines.append(' ', until_max);
        }
        if let Some(policy) = &offer.mt_priority {
            lines.add("MT-PRIORITY");
            if !policy.as_str().is_empty() {
                lines.append(' ', policy.as_str());
            }
        }
        if offer.limits {
            let recipients = u64::try_from(limits.recipients_max).unwrap_or(u64::MAX);
            lines.add_limits(&[("RCPTMAX", recipients), ("MAILMAX", limits.transactions_max.into())]);
        }
        lines.add_if(with.rrvs, "RRVS");
        lines.add_if(with.prdr, "PRDR");
        for (offered, keyword, names) in
            [(peer.xclient, "XCLIENT", XCLIENT_NAMES), (peer.xforward, "XFORWARD", XFORWARD_NAMES)]
        {
            if offered {
                lines.add(keyword);
                names.iter().for_each(|name| lines.append(' ', name));
            }
        }
        lines.end();
    }
}

/// The lines of the reply. Each is written when the next one begins, for only then is it known not to be the last.
struct Lines<'a> {
    out: &'a mut OutBuf,
    line: String,
}

impl<'a> Lines<'a> {
    fn new(out: &'a mut OutBuf, hostname: &str) -> Self {
        Self { out, line: hostname.into() }
    }

    fn add(&mut self, keyword: &str) {
        write_line(self.out, 250, None, false, &self.line);
        self.line.replace_range(.., keyword);
    }

    fn add_if(&mut self, offered: bool, keyword: &str) {
        if offered {
            self.add(keyword);
        }
    }

    fn add_with(&mut self, keyword: &str, value: impl Display) {
        self.add(keyword);
        self.append(' ', value);
    }

    /// RFC 9422: values of one to six digits, and not zero. What cannot be said is left out.
    fn add_limits(&mut self, limits: &[(&str, u64)]) {
        let mut sayable = limits.iter().filter(|(_, value)| matches!(value, 1..=999_999)).peekable();
        self.add_if(sayable.peek().is_some(), "LIMITS");
        for (name, value) in sayable {
            self.append(' ', format_args!("{name}={value}"));
        }
    }

    fn append(&mut self, separator: char, value: impl Display) {
        // Formatting into a String never fails.
        let _ = write!(self.line, "{separator}{value}");
    }

    fn end(self) {
        write_line(self.out, 250, None, true, &self.line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameter::{HoldSeconds, PriorityPolicy};
    use crate::server::Offer;
    use alloc::vec;
    use alloc::vec::Vec;

    #[test]
    fn no_limit_is_below_what_is_offered() {
        let mut config = Config::new("mx.test").unwrap();
        config.limits.command_line_bytes_max = 0;
        config.limits.auth_line_bytes_max = 0;
        let none = Conditions::default();
        assert_eq!(Capabilities::new(&config, none).command_line_bytes_max(), 555);
        config.mechanisms = vec![Mechanism::Plain];
        assert_eq!(Capabilities::new(&config, none).command_line_bytes_max(), 555);
        assert_eq!(Capabilities::new(&config, Conditions::ALL).command_line_bytes_max(), 1055);
        assert_eq!(Capabilities::new(&config, Conditions::ALL).auth_line_bytes_max(), 12_290);
    }

    #[test]
    fn each_parameter_on_offer_lengthens_the_line() {
        let octets = |change: fn(&mut Offer), tls| {
            let mut config = Config::new("mx.test").unwrap();
            config.limits.command_line_bytes_max = 0;
            config.offer = Offer { chunking: false, limits: false, ..Offer::default() };
            change(&mut config.offer);
            Capabilities::new(&config, Conditions { tls, ..Conditions::ALL }).command_line_bytes_max()
        };
        assert_eq!(octets(|_| (), true), 555);
        assert_eq!(octets(|offer| offer.smtp_utf8 = true, false), 565);
        assert_eq!(octets(|offer| offer.require_tls = true, true), 566);
        assert_eq!(octets(|offer| offer.require_tls = true, false), 555);
        assert_eq!(octets(|offer| offer.deliver_by = Some(0), false), 572);
        assert_eq!(octets(|offer| offer.future_release = Some(HoldSeconds::MAX), false), 589);
        assert_eq!(octets(|offer| offer.mt_priority = Some(PriorityPolicy::UNDISCLOSED), false), 570);
        assert_eq!(octets(|offer| offer.prdr = true, false), 560);
        // Here it is RCPT that has the longer line.
        assert_eq!(octets(|offer| offer.dsn = true, false), 1042);
        assert_eq!(octets(|offer| offer.rrvs = true, false), 562);
        let both = |offer: &mut Offer| (offer.dsn, offer.rrvs) = (true, true);
        assert_eq!(octets(both, false), 1092);
        assert_eq!(octets(|offer| *offer = Offer::ALL, true), 1092);
    }

    #[test]
    fn a_mechanism_is_offered_where_it_can_be_used() {
        let mut config = Config::new("mx.test").unwrap();
        config.mechanisms = Mechanism::ALL.to_vec();
        let offered = |config: &Config, conditions| {
            Capabilities::new(config, conditions).mechanisms().collect::<Vec<_>>()
        };
        let none = Conditions::default();
        let tls = Conditions { tls: true, ..none };
        assert_eq!(offered(&config, none), [Mechanism::Anonymous]);
        let plaintext = [Mechanism::OauthBearer, Mechanism::Xoauth2, Mechanism::Plain, Mechanism::Login];
        assert_eq!(offered(&config, tls), [&plaintext[..], &[Mechanism::Anonymous]].concat());
        assert_eq!(offered(&config, Conditions::ALL), Mechanism::ALL);
        let unbound = Conditions { channel_binding: false, peer_certificate: false, ..Conditions::ALL };
        assert!(!offered(&config, unbound).iter().any(|m| m.is_plus() || *m == Mechanism::External));
        config.allow_plaintext_auth = true;
        assert_eq!(offered(&config, none), offered(&config, tls));
        config.tls = TlsMode::Required;
        assert_eq!(offered(&config, Conditions { tls: false, ..Conditions::ALL }), [], "AUTH gets 530");
        assert_eq!(offered(&config, Conditions::ALL), Mechanism::ALL);
    }
}

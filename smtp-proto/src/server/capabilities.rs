//! What EHLO shows, derived from the configuration and from whether TLS is on.
//!
//! RFC 5321 section 4.1.1.1. Nothing is shown that a session would then refuse, and the order never changes.

use super::config::{Config, TlsMode, VerifyMode};
use crate::parameter::{DateTime, Extensions, FutureRelease};
use crate::reply::write_line;
use alloc::string::String;
use core::fmt::Write;
use proto_core::sasl::{Mechanism, line};
use proto_core::{Now, OutBuf, UnixTime};

/// What a session offers at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Capabilities<'a> {
    config: &'a Config,
    tls: bool,
}

impl<'a> Capabilities<'a> {
    /// What this configuration offers, with or without TLS being on.
    pub const fn new(config: &'a Config, tls: bool) -> Self {
        Self { config, tls }
    }

    /// Whether STARTTLS is offered.
    pub fn starttls(&self) -> bool {
        !self.tls && matches!(self.config.tls, TlsMode::Offered | TlsMode::Required)
    }

    /// The mechanisms that AUTH offers; none that shows a password while TLS is off, unless that is configured.
    pub fn mechanisms(&self) -> impl Iterator<Item = Mechanism> + 'a {
        let in_clear = self.tls || self.config.allow_plaintext_auth;
        self.config.mechanisms.iter().copied().filter(move |m| in_clear || !m.is_plaintext())
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
            require_tls: offer.require_tls && self.tls,
            deliver_by: offer.deliver_by,
            future_release: offer.future_release.map(|seconds_max| FutureRelease {
                seconds_max,
                until_max: DateTime::new(UnixTime(now.utc.0.saturating_add(seconds_max.as_u32().into())))
                    .unwrap_or(DateTime::MAX),
            }),
            mt_priority: offer.mt_priority.is_some(),
            rrvs: offer.rrvs,
            prdr: offer.prdr,
        }
    }

    /// The longest command line: what is configured, and never less than what is offered needs. RFC 5321
    /// section 4.5.3.1.4 has 512 octets; SIZE adds 26 (RFC 1870 section 3), 8BITMIME 17 (RFC 6152) and AUTH 500
    /// (RFC 4954).
    pub fn command_line_bytes_max(&self) -> usize {
        let auth = if self.auth() { 500 } else { 0 };
        self.config.limits.command_line_bytes_max.max(512 + 26 + 17 + auth)
    }

    /// The longest line of an AUTH exchange, and of the AUTH command itself.
    pub fn auth_line_bytes_max(&self) -> usize {
        self.config.limits.auth_line_bytes_max.max(line::OCTETS_MAX)
    }

    /// Writes the reply to EHLO.
    pub(super) fn write(&self, out: &mut OutBuf) {
        let line = |out: &mut OutBuf, text: &str| write_line(out, 250, None, false, text);
        line(out, self.config.hostname());
        line(out, "PIPELINING");
        let mut text = String::from("SIZE");
        if self.config.limits.message_bytes_max > 0 {
            // Formatting into a String never fails.
            let _ = write!(text, " {}", self.config.limits.message_bytes_max);
        }
        line(out, &text);
        if self.config.verify != VerifyMode::Disabled {
            line(out, "VRFY");
        }
        if self.config.expand {
            line(out, "EXPN");
        }
        if self.starttls() {
            line(out, "STARTTLS");
        }
        if self.auth() {
            text.replace_range(.., "AUTH");
            for mechanism in self.mechanisms() {
                let _ = write!(text, " {mechanism}");
            }
            line(out, &text);
        }
        line(out, "ENHANCEDSTATUSCODES");
        write_line(out, 250, None, true, "8BITMIME");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn no_limit_is_below_what_is_offered() {
        let mut config = Config::new("mx.test").unwrap();
        config.limits.command_line_bytes_max = 0;
        config.limits.auth_line_bytes_max = 0;
        let without_auth = Capabilities::new(&config, false).command_line_bytes_max();
        assert_eq!(without_auth, 555);
        config.mechanisms = Mechanism::ALL.to_vec();
        assert_eq!(Capabilities::new(&config, false).command_line_bytes_max(), 555);
        assert_eq!(Capabilities::new(&config, true).command_line_bytes_max(), 1055);
        assert_eq!(Capabilities::new(&config, true).auth_line_bytes_max(), 12_290);
    }

    #[test]
    fn no_password_is_asked_for_in_clear_text_unless_that_is_configured() {
        let mut config = Config::new("mx.test").unwrap();
        config.mechanisms = Mechanism::ALL.to_vec();
        let offered = |config: &Config, tls| Capabilities::new(config, tls).mechanisms().collect::<Vec<_>>();
        assert_eq!(offered(&config, false), []);
        assert_eq!(offered(&config, true), Mechanism::ALL);
        config.allow_plaintext_auth = true;
        assert_eq!(offered(&config, false), Mechanism::ALL);
    }
}

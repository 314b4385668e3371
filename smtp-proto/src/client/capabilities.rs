//! What a server said it can do.
//!
//! RFC 5321 section 4.1.1.1. What was said before TLS is forgotten when TLS begins (RFC 3207 section 4.2).
//!
//! # Departures
//! What is malformed was not said. Of a keyword that is there twice, the last counts.

use crate::parameter::{DateTime, Extensions, FutureRelease, HoldSeconds};
use crate::xforward::XforwardNames;
use alloc::vec::Vec;
use proto_core::sasl::Mechanism;

/// The capabilities of a server that we make use of; none after HELO.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ServerCapabilities {
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// CHUNKING (RFC 3030 section 2).
    pub chunking: bool,
    /// STARTTLS (RFC 3207).
    pub starttls: bool,
    /// ETRN (RFC 1985).
    pub etrn: bool,
    /// The extensions that bring parameters to MAIL and RCPT, SIZE and 8BITMIME among them.
    pub parameters: Extensions,
    /// The mechanisms of AUTH (RFC 4954) that we know.
    pub mechanisms: Vec<Mechanism>,
    /// LIMITS (RFC 9422).
    pub limits: ServerLimits,
    /// The attributes of XFORWARD.
    pub xforward: XforwardNames,
}

/// What LIMITS says (RFC 9422); `None` where it says nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ServerLimits {
    /// MAILMAX: transactions of a session.
    pub mail_max: Option<u32>,
    /// RCPTMAX: recipients of a transaction.
    pub rcpt_max: Option<u32>,
    /// RCPTDOMAINMAX: different domains among the recipients.
    pub rcpt_domain_max: Option<u32>,
}

impl ServerCapabilities {
    /// Reads the text of a reply to EHLO: its lines but the first, each a keyword and its parameters.
    pub fn parse(text: &str) -> Self {
        let mut found = Self::default();
        for line in text.split('\n').skip(1) {
            let mut words = line.split(' ').filter(|word| !word.is_empty());
            if let Some(keyword) = words.next() {
                found.add(keyword, words);
            }
        }
        // RFC 3030 section 3: it can only be used with CHUNKING.
        found.parameters.binary_mime &= found.chunking;
        found
    }

    fn add<'a>(&mut self, keyword: &'a str, mut words: impl Iterator<Item = &'a str>) {
        if let Some((_, first)) =
            keyword.split_once('=').filter(|(name, _)| name.eq_ignore_ascii_case("AUTH"))
        {
            // From servers that also serve clients of an old draft: `AUTH=LOGIN PLAIN`.
            return self.add_mechanisms([first].into_iter().chain(words));
        }
        let parameters = &mut self.parameters;
        match keyword.to_ascii_uppercase().as_str() {
            "PIPELINING" => self.pipelining = true,
            "CHUNKING" => self.chunking = true,
            "STARTTLS" => self.starttls = true,
            "ETRN" => self.etrn = true,
            "SIZE" => {
                parameters.size_max = Some(words.next().and_then(|word| word.parse().ok()).unwrap_or(0))
            }
            "8BITMIME" => parameters.eight_bit_mime = true,
            "BINARYMIME" => parameters.binary_mime = true,
            "SMTPUTF8" => parameters.smtp_utf8 = true,
            "DSN" => parameters.dsn = true,
            "REQUIRETLS" => parameters.require_tls = true,
            "DELIVERBY" => {
                parameters.deliver_by = Some(words.next().and_then(|word| word.parse().ok()).unwrap_or(0))
            }
            "FUTURERELEASE" => parameters.future_release = future_release(words),
            "MT-PRIORITY" => parameters.mt_priority = true,
            "RRVS" => parameters.rrvs = true,
            "PRDR" => parameters.prdr = true,
            "LIMITS" => self.limits = ServerLimits::parse(words),
            "XFORWARD" => self.xforward = XforwardNames::parse(words),
            "AUTH" => self.add_mechanisms(words),
            _ => {}
        }
    }

    fn add_mechanisms<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        self.parameters.auth = true;
        for mechanism in names.filter_map(|name| Mechanism::from_name(name.as_bytes())) {
            if !self.mechanisms.contains(&mechanism) {
                self.mechanisms.push(mechanism);
            }
        }
    }
}

/// RFC 4865: the most seconds, and the latest time.
fn future_release<'a>(mut words: impl Iterator<Item = &'a str>) -> Option<FutureRelease> {
    let seconds: u32 = words.next()?.parse().ok()?;
    let seconds_max = HoldSeconds::new(seconds.min(HoldSeconds::MAX.as_u32()))?;
    Some(FutureRelease { seconds_max, until_max: DateTime::parse(words.next()?)? })
}

impl ServerLimits {
    /// RFC 9422: `name=value`, each value a number that is not zero.
    fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let mut limits = Self::default();
        for (name, value) in words.filter_map(|word| word.split_once('=')) {
            let Some(value) = value.parse().ok().filter(|value| *value > 0) else { continue };
            match name.to_ascii_uppercase().as_str() {
                "MAILMAX" => limits.mail_max = Some(value),
                "RCPTMAX" => limits.rcpt_max = Some(value),
                "RCPTDOMAINMAX" => limits.rcpt_domain_max = Some(value),
                _ => {}
            }
        }
        limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn keywords_in_any_case() {
        let text = "PIPELINING is our name\nsize 1000\npipelining\nAUTH LOGIN X-OWN PLAIN\nAUTH=LOGIN\nXFOO";
        let expected = ServerCapabilities {
            pipelining: true,
            parameters: Extensions { size_max: Some(1000), auth: true, ..Default::default() },
            mechanisms: [Mechanism::Login, Mechanism::Plain].into(),
            ..Default::default()
        };
        assert_eq!(ServerCapabilities::parse(text), expected);
        assert_eq!(ServerCapabilities::parse("PIPELINING"), ServerCapabilities::default());
        assert_eq!(ServerCapabilities::parse("x\nSIZE").parameters.size_max, Some(0));
        let old = ServerCapabilities::parse("x\nAUTH=PLAIN LOGIN");
        assert_eq!(old.mechanisms, [Mechanism::Plain, Mechanism::Login]);
    }

    #[test]
    fn all_extensions_with_their_values() {
        let found = ServerCapabilities::parse(
            "x\n8BITMIME\nBINARYMIME\nCHUNKING\nSMTPUTF8\nDSN\nREQUIRETLS\nDELIVERBY 30\nETRN\nRRVS\nPRDR\n\
             FUTURERELEASE 3600 2030-01-01T00:00:00Z\nMT-PRIORITY MIXER\nLIMITS rcptmax=5 MAILMAX=2 X=1 MAILMAX=0",
        );
        let parameters = found.parameters;
        let limits = parameters.future_release.unwrap();
        assert_eq!(
            (limits.seconds_max.as_u32(), limits.until_max.to_string().as_str()),
            (3600, "2030-01-01T00:00:00Z")
        );
        let rest = Extensions {
            size_max: None,
            auth: false,
            deliver_by: Some(30),
            future_release: None,
            ..Extensions::ALL
        };
        assert_eq!(Extensions { future_release: None, ..parameters }, rest);
        assert!(found.chunking && found.etrn);
        assert_eq!(
            found.limits,
            ServerLimits { mail_max: Some(2), rcpt_max: Some(5), rcpt_domain_max: None }
        );
        assert_eq!(
            ServerCapabilities::parse("x\nFUTURERELEASE soon\nBINARYMIME").parameters,
            Extensions::default()
        );
        assert_eq!(ServerCapabilities::parse("x\nDELIVERBY").parameters.deliver_by, Some(0));
    }
}

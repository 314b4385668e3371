//! What a client calls itself, looked at.
//!
//! # Departures
//! From RFC 1123 section 2.1: underscores are taken in a name, since names have them, and one dot at its end.

use super::probe::{Checked, Probe, Said};
use super::subject::{Context, Subject};
use crate::parameters::TempfailAction;
use crate::question::{Answer, Question, RecordKind};
use std::net::{IpAddr, Ipv4Addr};

/// The octets of a name and of its labels (RFC 1035 section 2.3.4).
const NAME_OCTETS_MAX: usize = 255;
const LABEL_OCTETS_MAX: usize = 63;

impl Probe<'_> {
    pub(crate) fn invalid_helo(&mut self) -> Said {
        let Some(helo) = self.request.helo.as_deref() else { return Said::Dunno };
        if let Some(said) = self.wrong_literal(helo) {
            return said;
        }
        let name = without_last_dot(helo);
        if is_hostname(name) || name.parse::<Ipv4Addr>().is_ok() {
            return Said::Dunno;
        }
        let code = self.parameters().invalid_hostname_reject_code;
        self.helo_rejected(code, "Invalid name")
    }

    pub(crate) fn non_fqdn_helo(&mut self) -> Said {
        let Some(helo) = self.request.helo.as_deref() else { return Said::Dunno };
        if let Some(said) = self.wrong_literal(helo) {
            return said;
        }
        if is_fully_qualified(helo) {
            return Said::Dunno;
        }
        let code = self.parameters().non_fqdn_reject_code;
        self.helo_rejected(code, "need fully-qualified hostname")
    }

    pub(crate) fn unknown_helo(&mut self) -> Checked {
        let Some(helo) = self.request.helo.as_deref() else { return Ok(Said::Dunno) };
        if let Some(said) = self.wrong_literal(helo) {
            return Ok(said);
        }
        let parameters = self.parameters();
        let name = without_last_dot(helo);
        let question = |kind| Question::Dns { name: name.into(), kind };
        let answers = if is_hostname(name) {
            let kinds = [RecordKind::A, RecordKind::Aaaa, RecordKind::Mx];
            self.ask_all(&kinds.map(question))?
        } else {
            Vec::new()
        };
        if answers.iter().any(|answer| matches!(answer, Answer::Records(records) if !records.is_empty())) {
            return Ok(Said::Dunno);
        }
        let code = parameters.unknown_hostname_reject_code;
        let failed = answers.iter().any(|answer| !matches!(answer, Answer::Records(_)));
        let code = if failed { 450 } else { code };
        let reply = self.rejected(&Context::of(Subject::Helo), code, (4, 7, 1), "Host not found");
        Ok(match parameters.tempfail_action(parameters.unknown_helo_hostname_tempfail_action) {
            TempfailAction::DeferIfPermit if failed => Said::DeferIfPermit(reply),
            _ => Said::Refuse(reply),
        })
    }

    /// What is to be said of an address in brackets; none where there are none.
    fn wrong_literal(&self, helo: &str) -> Option<Said> {
        let inner = helo.strip_prefix('[')?;
        if inner.strip_suffix(']').and_then(literal).is_some() {
            return Some(Said::Dunno);
        }
        let code = self.parameters().invalid_hostname_reject_code;
        Some(self.helo_rejected(code, "invalid ip address"))
    }

    fn helo_rejected(&self, code: u16, text: &str) -> Said {
        Said::Refuse(self.rejected(&Context::of(Subject::Helo), code, (5, 5, 2), text))
    }
}

/// The address within the brackets of a literal (RFC 5321 section 4.1.3).
pub(crate) fn literal(inner: &str) -> Option<IpAddr> {
    let six = inner.get(..5).filter(|tag| tag.eq_ignore_ascii_case("ipv6:"));
    match six {
        Some(_) => inner[5..].parse().ok().map(IpAddr::V6),
        None => inner.parse().ok().map(IpAddr::V4),
    }
}

/// Whether this is a name of letters, digits, hyphens and underscores that is not made of numbers alone. A dot at its end is
/// none of it.
pub fn is_hostname(name: &str) -> bool {
    let good_label = |label: &str| {
        (1..=LABEL_OCTETS_MAX).contains(&label.len())
            && label.bytes().all(|octet| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_'))
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= NAME_OCTETS_MAX
        && name.split('.').all(good_label)
        && !name.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.')
}

/// A host name with a dot within it; one at its end does not count.
pub(crate) fn is_fully_qualified(name: &str) -> bool {
    let name = without_last_dot(name);
    is_hostname(name) && name.contains('.')
}

fn without_last_dot(name: &str) -> &str {
    name.strip_suffix('.').unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_names() {
        for good in ["a", "a-b.c_d", "1a.2", "x.1.2"] {
            assert!(is_hostname(good), "{good}");
        }
        for bad in ["", "a..b", ".a", "a.", "-a", "a-", "a b", "1.2.3.4", "123", "bücher", &"x".repeat(64)] {
            assert!(!is_hostname(bad), "{bad}");
        }
        assert!(is_fully_qualified("a.b.") && !is_fully_qualified("a.") && !is_fully_qualified("1.2"));
    }

    #[test]
    fn literals() {
        assert_eq!(literal("192.0.2.1"), "192.0.2.1".parse().ok());
        assert_eq!(literal("ipv6:2001:db8::1"), "2001:db8::1".parse().ok());
        for bad in ["2001:db8::1", "IPv6:192.0.2.1", "192.0.2", "x", "", "ipv6"] {
            assert_eq!(literal(bad), None, "{bad}");
        }
    }
}

//! What an address really means, and whether it is ours.
//!
//! A local part can hide another address: `u%remote@ours`, `remote!u@ours`, `"u@remote"@ours`. Some mailers open such
//! addresses and forward them, so a relay that looks only at the domain is open. As long as the domain is ours, the
//! local part is opened here; what comes out is what is decided about. An address that still holds a routing
//! operator when its domain is not ours is *routed*: the next mailer may open it, so it is nobody's destination.
//!
//! The grammar of the operators is sendmail's and Postfix's; RFC 5321 has none, section 3.6.2 only warns.

use crate::decision::{Class, Destination};
use crate::domain::{self, DomainSet};
use proto_core::address::{AddressSyntax, Domain, DomainName, LocalPart, Mailbox};

/// An address after resolving.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) destination: Destination,
    /// A mailer further on may find another address in it.
    pub(crate) routed: bool,
}

impl Resolved {
    /// Whether mail for it may come from anybody.
    pub(crate) fn is_authorised(&self) -> bool {
        !self.routed && self.destination.class == Class::Local
    }
}

/// The address cannot be anybody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct BadAddress(pub(crate) &'static str);

/// Who an empty local part in a domain of ours is.
const EMPTY_LOCAL_PART: &str = "MAILER-DAEMON";

pub(crate) fn resolve(address: &Mailbox, ours: &DomainSet) -> Result<Resolved, BadAddress> {
    let mut local_part = address.local_part().as_str();
    let mut place = Place::of(address.domain(), ours)?;
    while place.is_ours {
        // Each round leaves a shorter local part.
        let Some((inner, domain)) = open(local_part) else { break };
        local_part = inner;
        let domain = domain.strip_suffix('.').unwrap_or(domain);
        let syntax = AddressSyntax { utf8: true, lenient: true };
        let domain = Domain::parse(domain.as_bytes(), syntax)
            .map_err(|_| BadAddress("no domain in the local part"))?;
        place = Place::of(&domain, ours)?;
    }
    if local_part.starts_with('-') {
        return Err(BadAddress("a local part like a command's option"));
    }
    let local_part = match local_part {
        "" if place.is_ours => EMPTY_LOCAL_PART,
        "" => return Err(BadAddress("no local part")),
        other => other,
    };
    let routed = local_part.contains(['@', '%', '!']);
    let class = if place.is_ours { Class::Local } else { Class::Default };
    let address = LocalPart::new(local_part)
        .and_then(|local_part| Mailbox::new(local_part, place.domain))
        .map_err(|_| BadAddress("too long"))?;
    Ok(Resolved { destination: Destination { class, address }, routed })
}

/// The address inside a local part: the last `@`, else the first `!`, else the last `%`.
fn open(local_part: &str) -> Option<(&str, &str)> {
    local_part
        .rsplit_once('@')
        .or_else(|| local_part.split_once('!').map(|(domain, rest)| (rest, domain)))
        .or_else(|| local_part.rsplit_once('%'))
}

/// A domain in its comparable form.
struct Place {
    domain: Domain,
    is_ours: bool,
}

impl Place {
    fn of(domain: &Domain, ours: &DomainSet) -> Result<Self, BadAddress> {
        let name = match domain {
            Domain::Name(name) => name,
            Domain::General(_) => return Err(BadAddress("an address literal of an unknown kind")),
            literal => return Ok(Self { domain: literal.clone(), is_ours: false }),
        };
        let key = domain::key(name.as_str()).ok_or(BadAddress("no domain name"))?;
        if domain::is_numeric(&key) {
            return Err(BadAddress("a network address without brackets"));
        }
        let is_ours = ours.contains(&key);
        let syntax = AddressSyntax { utf8: false, lenient: true };
        let domain = DomainName::parse(key.as_bytes(), syntax).map_err(|_| BadAddress("no domain name"))?;
        Ok(Self { domain: Domain::Name(domain), is_ours })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The resolved address, its class, and whether anybody may send to it; or what is wrong.
    fn check(written: &str) -> String {
        let ours =
            DomainSet::new(&["example.com".into(), "localhost".into(), "bücher.example".into()]).unwrap();
        let syntax = AddressSyntax { utf8: true, lenient: false };
        let address = Mailbox::parse(written.as_bytes(), syntax).unwrap();
        match resolve(&address, &ours) {
            Err(BadAddress(why)) => why.into(),
            Ok(resolved) => {
                let Destination { class, address } = &resolved.destination;
                let routed = if resolved.routed { " routed" } else { "" };
                format!("{address} {class}{routed}")
            }
        }
    }

    #[test]
    fn plain_addresses() {
        assert_eq!(check("u@example.com"), "u@example.com local");
        assert_eq!(check("U@EXAMPLE.COM"), "U@example.com local");
        assert_eq!(check("\"first last\"@example.com"), "\"first last\"@example.com local");
        assert_eq!(check("u@sub.example.com"), "u@sub.example.com default");
        assert_eq!(check("u@[198.51.100.1]"), "u@[198.51.100.1] default");
        assert_eq!(check("\"\"@example.com"), "MAILER-DAEMON@example.com local");
    }

    #[test]
    fn names_in_any_spelling_are_the_same() {
        for written in ["u@bücher.example", "u@BÜCHER.example", "u@XN--bcher-kva.example"] {
            assert_eq!(check(written), "u@xn--bcher-kva.example local");
        }
        assert_eq!(check("u@ｅxample.com"), "u@example.com local");
        assert_eq!(check("u@exаmple.com"), "u@xn--exmple-4nf.com default", "the second vowel is Cyrillic");
    }

    #[test]
    fn hidden_addresses_come_to_light() {
        for written in [
            "remote.example!u@example.com",
            "\"u@remote.example\"@example.com",
            "\"u%remote.example\"@example.com",
            "u%remote.example@localhost",
            "\"u@remote.example@localhost\"@example.com",
            "u%remote.example%localhost@example.com",
            "\"u%remote.example.\"@example.com",
        ] {
            assert_eq!(check(written), "u@remote.example default", "{written}");
        }
        assert_eq!(check("u%localhost@example.com"), "u@localhost local");
        assert_eq!(check("\"u@bücher.example\"@example.com"), "u@xn--bcher-kva.example local");
    }

    #[test]
    fn what_another_mailer_might_open_is_routed() {
        assert_eq!(check("a%b%c@example.com"), "a%b@c default routed");
        assert_eq!(check("u%example.com@relay.example"), "u%example.com@relay.example default routed");
        assert_eq!(check("x!y@vm.example"), "x!y@vm.example default routed");
        assert_eq!(check("\"x@y\"@vm.example"), "\"x@y\"@vm.example default routed");
    }

    #[test]
    fn what_cannot_be_anybody() {
        for written in [
            "u@192.0.2.1",
            "-u@example.com",
            "\"u@\"@example.com",
            "\"@remote.example\"@example.com",
            "\"u@a..b\"@example.com",
            "!u@example.com",
            "u@[tag:x]",
        ] {
            assert!(!check(written).contains('@'), "{written}: {}", check(written));
        }
    }
}

//! What a mailbox of an envelope really is: [`Routing`] with domains of ours alone, and typed addresses on both sides.

use crate::address::{Address, ResolveError, Rewriting, Routing};
use crate::decision::{Class, Destination};
use crate::domain;
use crate::match_list::MatchList;
use crate::table::Answers;
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

/// The routing of a machine that has these domains, or the first of them that is none. What has no domain is in
/// `origin`'s.
pub(crate) fn routing(ours: &[String], origin: &Domain) -> Result<Routing, String> {
    if let Some(wrong) = ours.iter().find(|name| domain::key(name).is_none()) {
        return Err(wrong.clone());
    }
    let mut routing = Routing::new("localhost");
    routing.rewriting = Rewriting::new(origin.to_string());
    routing.domains.mydestination = MatchList::of_names(ours);
    Ok(routing)
}

pub(crate) fn resolve(address: &Mailbox, routing: &Routing) -> Result<Resolved, BadAddress> {
    // No table is asked, so the null sender and no answers do.
    let resolved = routing.resolve(&Address::from(address), &Address::default(), &Answers::default());
    let resolution = resolved.map_err(|error| match error {
        ResolveError::BadAddress { why, .. } => BadAddress(why),
        ResolveError::Lookup(_) => BadAddress("a table that is not there"),
    })?;
    let class = resolution.class;
    let domain = comparable(resolution.recipient.domain().unwrap_or_default())?;
    let address = LocalPart::new(resolution.recipient.local_part())
        .and_then(|local_part| Mailbox::new(local_part, domain))
        .map_err(|_| BadAddress("too long"))?;
    Ok(Resolved { destination: Destination { class, address }, routed: resolution.is_routed })
}

/// A domain in its comparable form.
fn comparable(domain: &str) -> Result<Domain, BadAddress> {
    let syntax = AddressSyntax { utf8: false, lenient: true };
    match domain::key(domain).filter(|_| !domain.starts_with('[')) {
        Some(key) => DomainName::parse(key.as_bytes(), syntax).map(Domain::Name),
        None => Domain::parse(domain.as_bytes(), syntax),
    }
    .map_err(|_| BadAddress("no domain name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The resolved address, its class, and whether anybody may send to it; or what is wrong.
    fn check(written: &str) -> String {
        let ours = ["example.com".into(), "localhost".into(), "bücher.example".into()];
        let origin = Domain::parse(b"example.com", AddressSyntax::STRICT).unwrap();
        let routing = routing(&ours, &origin).unwrap();
        let syntax = AddressSyntax { utf8: true, lenient: false };
        let address = Mailbox::parse(written.as_bytes(), syntax).unwrap();
        match resolve(&address, &routing) {
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
            "\"u@a..b\"@example.com",
            "!u@example.com",
            "u@[tag:x]",
        ] {
            assert!(!check(written).contains('@'), "{written}: {}", check(written));
        }
    }
}

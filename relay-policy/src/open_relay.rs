//! The ways in which strangers ask a server to relay, all of which must end in a refusal.
//!
//! For the tests of whoever embeds policy, and for trying out a configuration. An address may be meant for another host
//! without looking so: with `%`, `!` or a quoted `@` in its local part, with a source route (RFC 5321 section 4.1.1.3), without
//! a domain, or at a domain that is passed on to a host which reads the local part anew.
//!
//! ```
//! use relay_policy::open_relay::Site;
//!
//! let site = Site {
//!     domain: "example.test".into(),
//!     address: "192.0.2.25".parse()?,
//!     relayed: vec!["branch.test".into()],
//!     hosted: Vec::new(),
//!     elsewhere: "other.test".into(),
//! };
//! let attempts = site.attempts();
//! assert!(attempts.iter().any(|attempt| attempt.recipient == "y%other.test@branch.test"));
//! assert!(attempts.iter().all(|attempt| attempt.means_elsewhere(&attempt.recipient)));
//! # Ok::<(), std::net::AddrParseError>(())
//! ```

use std::net::IpAddr;

/// A server as strangers know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// A domain whose mailboxes are here.
    pub domain: String,
    /// The server's address.
    pub address: IpAddr,
    /// Domains whose mail is passed on (`relay_domains`).
    pub relayed: Vec<String>,
    /// Other domains whose mail is taken (`virtual_alias_domains`, `virtual_mailbox_domains`).
    pub hosted: Vec<String>,
    /// A domain that the server has nothing to do with.
    pub elsewhere: String,
}

/// What a stranger says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Its number, `P01` to `P17`; several ways to write the same have the same.
    pub id: &'static str,
    /// The sender, without brackets; the null sender is empty.
    pub sender: String,
    /// The recipient, without brackets.
    pub recipient: String,
    /// The domain that it is meant to get to.
    meant: String,
}

impl Site {
    /// All attempts, in the order of their numbers. Some are no addresses by RFC 5321, and refused for that.
    pub fn attempts(&self) -> Vec<Attempt> {
        let Self { domain, elsewhere, .. } = self;
        let literal = match self.address {
            IpAddr::V4(address) => format!("[{address}]"),
            IpAddr::V6(address) => format!("[IPv6:{address}]"),
        };
        let stranger = format!("x@{elsewhere}");
        let attempt = |id, sender: &str, recipient: String, meant: &str| {
            let (sender, meant) = (sender.to_owned(), meant.to_ascii_lowercase());
            Attempt { id, sender, recipient, meant }
        };
        let plain = |id, sender: &str| attempt(id, sender, format!("y@{elsewhere}"), elsewhere);
        let mut attempts = vec![
            plain("P01", &stranger),
            plain("P02", &format!("alice@{domain}")),
            plain("P03", ""),
            plain("P04", &format!("x@{literal}")),
        ];
        let routed = |domain: &str| {
            [
                format!("y%{elsewhere}@{domain}"),
                format!("{elsewhere}!y@{domain}"),
                format!("\"y@{elsewhere}\"@{domain}"),
                format!("y@{elsewhere}@{domain}"),
            ]
        };
        let mut add = |id, recipient: String| attempts.push(attempt(id, &stranger, recipient, elsewhere));
        for (id, recipient) in ["P05", "P06", "P07", "P08"].into_iter().zip(routed(domain)) {
            add(id, recipient);
        }
        add("P09", format!("\"y%{elsewhere}\"@{domain}"));
        add("P10", format!("@{domain},@z.{elsewhere}:y@{elsewhere}"));
        add("P11", format!("y%{elsewhere}"));
        add("P11", format!("{elsewhere}!y"));
        add("P12", format!("y%{elsewhere}@{literal}"));
        add("P13", format!("y%{elsewhere}@localhost"));
        for (id, domains) in [("P14", &self.relayed), ("P15", &self.hosted)] {
            for recipient in domains.iter().flat_map(|domain| routed(domain)) {
                add(id, recipient);
            }
        }
        let sub = format!("sub.{domain}");
        attempts.push(attempt("P16", &stranger, format!("y@{sub}"), &sub));
        for recipient in [format!("y@{elsewhere}."), format!("y@{}", elsewhere.to_ascii_uppercase())] {
            attempts.push(attempt("P17", &stranger, recipient, elsewhere));
        }
        attempts
    }
}

impl Attempt {
    /// Whether an address, to which this attempt's recipient has led, is where it was meant to get: then it is relayed, and not
    /// forwarded by an alias of the server's own.
    pub fn means_elsewhere(&self, address: &str) -> bool {
        address.to_ascii_lowercase().contains(&self.meant)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_and_every_domain_is_there() {
        let site = Site {
            domain: "ours.test".into(),
            address: "2001:db8::25".parse().unwrap(),
            relayed: vec!["relayed.test".into()],
            hosted: vec!["va.test".into(), "vm.test".into()],
            elsewhere: "other.test".into(),
        };
        let attempts = site.attempts();
        let mut ids: Vec<&str> = attempts.iter().map(|attempt| attempt.id).collect();
        assert!(ids.is_sorted());
        ids.dedup();
        assert_eq!(ids, (1..=17).map(|number| format!("P{number:02}")).collect::<Vec<_>>());
        let of = |id| attempts.iter().filter(move |attempt| attempt.id == id);
        assert_eq!((of("P14").count(), of("P15").count()), (4, 8));
        assert_eq!(of("P12").next().unwrap().recipient, "y%other.test@[IPv6:2001:db8::25]");
        assert_eq!(of("P03").next().unwrap().sender, "");
        assert!(!of("P16").next().unwrap().means_elsewhere("y@ours.test"));
    }
}

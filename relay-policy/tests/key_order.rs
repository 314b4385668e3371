//! Which keys each feature asks its tables for, in which order: section 9 of the tables-and-routing specification.
//!
//! The tables are elsewhere, so that each key is a question.

#![allow(clippy::unwrap_used, reason = "a test")]

use relay_policy::address::{Address, EnvelopeRouter, EnvelopeRun, EnvelopeStep};
use relay_policy::table::Opener;
use relay_policy::{Answer, Parameters, Question};

fn router(feature: &str, more: &[(&str, &str)]) -> EnvelopeRouter {
    let mut parameters = Parameters::default();
    let base = [
        ("myhostname", "mail.example.com"),
        ("myorigin", "example.com"),
        ("mydestination", "example.com"),
        ("virtual_alias_domains", "va.example"),
        ("virtual_mailbox_domains", "vm.example"),
        ("recipient_delimiter", "+"),
        (feature, "mysql:asked"),
    ];
    for (name, value) in base.iter().chain(more) {
        parameters.set(name, value).unwrap();
    }
    let no_files = |_: &str| Err("no files".into());
    EnvelopeRouter::from_parameters(&parameters, &Opener::new(&no_files), &mut Vec::new()).unwrap()
}

/// The keys that the table is asked for, which has none of them.
fn keys(mut run: EnvelopeRun<'_>) -> Vec<String> {
    let mut keys = Vec::new();
    loop {
        match run.step() {
            EnvelopeStep::Done(_) => return keys,
            EnvelopeStep::Needs(questions) => {
                for question in questions {
                    let Question::Lookup { table, key } = &question else { panic!("{question:?}") };
                    if table == "mysql:asked" {
                        keys.push(key.clone());
                    }
                    run.answer(&question, Answer::Found(None)).unwrap();
                }
            }
        }
    }
}

const SENDER: &str = "s+x@example.com";

fn of_recipient(feature: &str, more: &[(&str, &str)], recipient: &str) -> Vec<String> {
    let router = router(feature, more);
    keys(router.recipient(Address::parse(recipient), Address::parse(SENDER)))
}

const LOCAL: [&str; 5] = ["u+x@example.com", "u@example.com", "u+x", "u", "@example.com"];
const ELSEWHERE: [&str; 3] = ["u+x@other.test", "u@other.test", "@other.test"];

#[test]
fn addresses_of_recipients() {
    for feature in ["canonical_maps", "recipient_canonical_maps", "virtual_alias_maps", "relocated_maps"] {
        assert_eq!(of_recipient(feature, &[], "u+x@example.com"), LOCAL, "{feature}");
        assert_eq!(of_recipient(feature, &[], "u+x@other.test"), ELSEWHERE, "{feature}");
    }
    // Without a delimiter nothing is split.
    let whole = of_recipient("canonical_maps", &[("recipient_delimiter", "")], "u+x@example.com");
    assert_eq!(whole, ["u+x@example.com", "u+x", "@example.com"]);
}

#[test]
fn addresses_of_senders() {
    for feature in ["canonical_maps", "sender_canonical_maps"] {
        let router = router(feature, &[]);
        assert_eq!(keys(router.sender(Address::parse("u+x@example.com"))), LOCAL, "{feature}");
    }
}

#[test]
fn copies() {
    let (local, other) = (Address::parse("u+x@example.com"), Address::parse("u+x@other.test"));
    for (feature, sender, recipient) in
        [("sender_bcc_maps", &local, &other), ("recipient_bcc_maps", &other, &local)]
    {
        let router = router(feature, &[]);
        assert_eq!(keys(router.copies(sender.clone(), vec![recipient.clone()])), LOCAL, "{feature}");
    }
}

#[test]
fn transports() {
    assert_eq!(
        of_recipient("transport_maps", &[], "u+x@a.b.test"),
        ["u+x@a.b.test", "u@a.b.test", "a.b.test", ".b.test", ".test", "*"]
    );
    let parents = [("parent_domain_matches_subdomains", "transport_maps")];
    assert_eq!(
        of_recipient("transport_maps", &parents, "u+x@a.b.test"),
        ["u+x@a.b.test", "u@a.b.test", "a.b.test", "b.test", "test", "*"]
    );
}

#[test]
fn relay_hosts_by_sender() {
    for feature in ["sender_dependent_relayhost_maps", "sender_dependent_default_transport_maps"] {
        let asked = of_recipient(feature, &[], "u@other.test");
        assert_eq!(asked, ["s+x@example.com", "s@example.com", "s+x", "s", "@example.com"], "{feature}");
        let router = router(feature, &[]);
        let null = keys(router.recipient(Address::parse("u@other.test"), Address::default()));
        assert_eq!(null, ["<>"], "{feature}");
    }
}

#[test]
fn aliases_have_local_parts_alone() {
    assert_eq!(of_recipient("alias_maps", &[], "U+x@example.com"), ["u+x", "u"]);
    assert_eq!(of_recipient("alias_maps", &[], "u@vm.example"), [""; 0]);
}

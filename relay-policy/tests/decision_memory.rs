//! How often a decision asks for memory: not for each rule.

#![allow(clippy::unwrap_used, reason = "a test")]

use proto_core::address::{AddressSyntax, ForwardPath, ReversePath};
use relay_policy::access::{AccessPolicy, AccessStep, Outcome};
use relay_policy::table::Opener;
use relay_policy::{Parameters, Request, Stage};
use testkit::alloc::{Counting, measure};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Rules that do not apply, so many times, and five lookups that find nothing.
fn policy(times: usize) -> AccessPolicy {
    const PLAIN: &str = "permit_mynetworks, permit_sasl_authenticated, reject_non_fqdn_sender, reject_non_fqdn_recipient, \
                         reject_unauth_destination, reject_invalid_helo_hostname, ";
    const LOOKUPS: &str = "check_client_access inline:{a=REJECT}, check_helo_access inline:{a=REJECT}, \
                           check_sender_access inline:{a=REJECT}, check_recipient_access inline:{a=REJECT}, \
                           check_client_access cidr:{{198.51.100.0/24 REJECT}}";
    let mut parameters = Parameters::default();
    for (name, value) in [
        ("mydestination", "example.test"),
        ("mynetworks", "127.0.0.0/8, 192.0.2.0/24"),
        ("smtpd_relay_restrictions", "permit_mynetworks, reject_unauth_destination"),
        ("smtpd_recipient_restrictions", &(PLAIN.repeat(times) + LOOKUPS)),
        ("local_recipient_maps", "static:x"),
    ] {
        parameters.set(name, value).unwrap();
    }
    AccessPolicy::compile(parameters, &Opener::new(&|_| Err("no files".into()))).unwrap()
}

fn decide(policy: &AccessPolicy, request: &Request, recipient: &ForwardPath) -> Box<Outcome> {
    match policy.evaluate(request, Stage::Rcpt(recipient)).step() {
        AccessStep::Done(outcome) => outcome,
        AccessStep::Needs(questions) => panic!("nothing is asked: {questions:?}"),
    }
}

#[test]
fn a_long_list_takes_as_much_as_a_short_one() {
    let mut request = Request::new("203.0.113.9".parse().unwrap());
    request.client_name = "mx7.mail.good.example".into();
    request.helo = Some("mx7.mail.good.example".into());
    request.sender = Some("someone@good.example".parse().map(ReversePath::Mailbox).unwrap());
    let recipient = ForwardPath::parse_prefix(b"<alice@example.test>", AddressSyntax::STRICT).unwrap().0;
    let decided = |times| {
        let policy = policy(times);
        let (outcome, usage) = measure(|| decide(&policy, &request, &recipient));
        assert_eq!(outcome.refusal, None);
        (outcome.trail.entries().len(), usage.allocations)
    };
    let ((few, for_few), (many, for_many)) = (decided(1), decided(20));
    assert_eq!(many, few + 19 * 6);
    assert!(for_few <= 60, "{for_few} for {few} rules");
    // What grows, grows by doubling.
    assert!(for_many <= for_few + 6, "{for_many} for {many} rules, {for_few} for {few}");
}

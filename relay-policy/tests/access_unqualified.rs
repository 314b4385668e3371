//! Addresses that a client wrote without a domain: what it is told of them, and what they are found by.

#![allow(clippy::unwrap_used, reason = "a test")]

use proto_core::address::{AddressSyntax, ForwardPath, ReversePath};
use relay_policy::access::{AccessPolicy, AccessStep, Outcome};
use relay_policy::table::Opener;
use relay_policy::{Answer, Parameters, Question, Request, Stage};

const LENIENT: AddressSyntax = AddressSyntax { lenient: true, ..AddressSyntax::STRICT };

/// `<s>` writes to a recipient; both get the domain `example.com`, which is ours.
fn decide(list: &str, recipient: &str) -> Outcome {
    let mut parameters = Parameters::default();
    for (name, value) in [
        ("mydestination", "example.com"),
        ("local_recipient_maps", ""),
        ("smtpd_recipient_restrictions", list),
    ] {
        parameters.set(name, value).unwrap();
    }
    let policy = AccessPolicy::compile(parameters, &Opener::new(&|_| Err("no files".into()))).unwrap();
    let mut request = Request::new("203.0.113.9".parse().unwrap());
    let (sender, _) = ReversePath::read_prefix(b"<s>", LENIENT, Some("example.com")).unwrap();
    request.sender = Some(sender.into_owned());
    let (recipient, _) =
        ForwardPath::read_prefix(recipient.as_bytes(), LENIENT, Some("example.com")).unwrap();
    let recipient = recipient.into_owned();
    let mut evaluation = policy.evaluate(&request, Stage::Rcpt(&recipient));
    loop {
        match evaluation.step() {
            AccessStep::Done(outcome) => return *outcome,
            AccessStep::Needs(questions) => {
                for question in questions {
                    let Question::Policy { attributes, .. } = &question else { panic!("{question:?}") };
                    assert_eq!(["sender", "recipient"].map(|name| attributes.value(name)), ["s", "a"]);
                    evaluation.answer(&question, Answer::Action("DUNNO".into())).unwrap();
                }
            }
        }
    }
}

/// What the client wrote is told it and everybody, and what it means is looked up.
#[test]
fn what_was_written_and_what_it_means() {
    for (list, recipient, expected) in [
        (
            "reject_non_fqdn_sender",
            "<a>",
            "504 5.5.2 <s>: Sender address rejected: need fully-qualified address",
        ),
        (
            "reject_non_fqdn_recipient",
            "<a>",
            "504 5.5.2 <a>: Recipient address rejected: need fully-qualified address",
        ),
        ("reject_non_fqdn_recipient", "<a@example.com>", "accepted"),
        ("reject_non_fqdn_recipient", "<Postmaster>", "accepted"),
        (
            "check_sender_access inline:{s@example.com=REJECT}",
            "<a>",
            "554 5.7.1 <s>: Sender address rejected: Access denied",
        ),
        (
            "check_recipient_access inline:{a@example.com=REJECT}",
            "<a>",
            "554 5.7.1 <a>: Recipient address rejected: Access denied",
        ),
        (
            "check_recipient_access inline:{a@example.com=REJECT}",
            "<a@example.com>",
            "554 5.7.1 <a@example.com>: Recipient address rejected: Access denied",
        ),
        ("check_policy_service inet:127.0.0.1:10023", "<a>", "accepted"),
    ] {
        let outcome = decide(list, recipient);
        let told = outcome.refusal.map_or("accepted".into(), |reply| reply.to_string());
        assert_eq!(told, expected, "{list} {recipient}");
        for line in outcome.log.lines() {
            let envelope = format!(" from=<s> to={recipient} ");
            assert!(line.to_string().contains(&envelope), "{line}");
        }
    }
}

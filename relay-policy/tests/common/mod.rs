//! A policy for the tests, and one way to run a decision to its end.

use proto_core::address::{AddressSyntax, ForwardPath, Mailbox};
use relay_policy::*;

/// `example.com` and `localhost` are ours; `127.0.0.0/8` and `192.0.2.0/24` are trusted.
pub(crate) fn config() -> PolicyConfig {
    PolicyConfig {
        local_domains: vec!["example.com".into(), "localhost".into(), "bücher.example".into()],
        mynetworks: vec!["127.0.0.0/8".into(), "192.0.2.0/24".into()],
        ..PolicyConfig::new("hostmaster@example.com".parse().expect("an address"))
    }
}

/// The policy of a listener as it comes.
pub(crate) fn policy(listener: Listener) -> Policy {
    Policy::compile(&config(), listener, &PolicyOverrides::default()).expect("a good configuration")
}

/// Runs a decision for a recipient; `exists` answers what is asked.
pub(crate) fn decide(
    policy: &Policy,
    request: &Request,
    recipient: &ForwardPath,
    exists: impl Fn(&Mailbox) -> Answer,
) -> (Decision, Trail) {
    let mut evaluation = policy.evaluate(request, Stage::Rcpt(recipient));
    for _ in 0..100 {
        match evaluation.step() {
            Step::Done(decision, trail) => return (decision, trail),
            Step::Needs(questions) => {
                for question in questions {
                    let Question::RecipientExists { address } = &question else { panic!("unknown question") };
                    let answer = exists(address);
                    evaluation.answer(question, answer).expect("it was asked");
                }
            }
        }
    }
    panic!("the evaluation does not end");
}

/// A path with its brackets.
pub(crate) fn path(written: &str) -> ForwardPath {
    let syntax = AddressSyntax { utf8: true, lenient: false };
    let (path, rest) = ForwardPath::parse_prefix(written.as_bytes(), syntax).expect("a path");
    assert!(rest.is_empty(), "{written}");
    path
}

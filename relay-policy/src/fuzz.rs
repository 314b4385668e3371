//! The body of a fuzz target: any octets as a recipient, and the promise that no stranger relays.
//!
//! It is part of the library so that the ordinary test run calls it too.

use crate::{
    Answer, Class, Decision, Listener, Policy, PolicyConfig, PolicyOverrides, Question, Request, Stage, Step,
};
use proto_core::address::{AddressSyntax, Domain, ForwardPath, Mailbox};
use std::net::{IpAddr, Ipv4Addr};

/// A stranger's recipient is refused, or is a mailbox of ours with nothing hidden in its local part; a submission
/// listener takes nothing from a stranger at all.
///
/// # Panics
/// When that is not so.
pub fn fuzz_recipient(octets: &[u8]) {
    for lenient in [false, true] {
        let syntax = AddressSyntax { utf8: true, lenient };
        let Ok((recipient, _)) = ForwardPath::parse_prefix(octets, syntax) else { continue };
        if let Some(address) = accepted(Listener::Smtp, &recipient) {
            let Domain::Name(domain) = address.domain() else { panic!("{recipient}: a literal is not ours") };
            assert!(OURS.contains(&domain.as_str()), "{recipient} went to {address}");
            assert!(
                !address.local_part().as_str().contains(['@', '%', '!']),
                "{recipient} went to {address}"
            );
        }
        assert_eq!(accepted(Listener::Submission, &recipient), None, "{recipient} was submitted");
    }
}

/// The mailbox that a stranger's recipient is accepted for, when every mailbox of ours exists.
fn accepted(listener: Listener, recipient: &ForwardPath) -> Option<Mailbox> {
    let postmaster = "postmaster@example.com".parse().expect("invariant: a good address");
    let config = PolicyConfig {
        local_domains: OURS.map(String::from).into(),
        mynetworks: vec!["127.0.0.0/8".into()],
        ..PolicyConfig::new(postmaster)
    };
    let policy = Policy::compile(&config, listener, &PolicyOverrides::default());
    let policy = policy.expect("invariant: a good configuration");
    let request = Request::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)));
    let mut evaluation = policy.evaluate(&request, Stage::Rcpt(recipient));
    loop {
        match evaluation.step() {
            Step::Needs(questions) => {
                for question in questions {
                    let Question::RecipientExists { address } = &question else {
                        panic!("nothing else is asked: {question:?}")
                    };
                    assert!(OURS.contains(&address.domain().to_string().as_str()), "asked about {address}");
                    evaluation.answer(question, Answer::Exists(true)).expect("invariant: it was asked");
                }
            }
            Step::Done(Decision::Accept { destination }, _) => {
                let destination = destination.expect("invariant: an accepted recipient goes somewhere");
                assert_eq!(destination.class, Class::Local);
                return Some(destination.address);
            }
            Step::Done(..) => return None,
        }
    }
}

const OURS: [&str; 3] = ["example.com", "localhost", "xn--bcher-kva.example"];

#[cfg(test)]
mod tests {
    use super::fuzz_recipient;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_octets_in_front_of_a_domain_of_ours(
            local in prop::collection::vec(prop_oneof![
                any::<u8>(),
                prop::sample::select(b"@%!\"\\:,. []abc".as_slice()),
            ], 0..40),
            route in any::<bool>(),
        ) {
            let route: &[u8] = if route { b"<@relay.test:" } else { b"<" };
            for domain in ["example.com", "localhost", "b\u{fc}cher.example", "other.test"] {
                fuzz_recipient(&[route, &local, b"@", domain.as_bytes(), b">"].concat());
                fuzz_recipient(&[route, b"\"", &local, b"\"@", domain.as_bytes(), b">"].concat());
            }
        }
    }

    #[test]
    fn addresses_in_addresses() {
        for octets in
            ["<Postmaster>", "<a%b@example.com>", "<\"a@localhost\"@example.com>", "<a@b.test>", "", "<>"]
        {
            fuzz_recipient(octets.as_bytes());
        }
    }
}

//! No unauthenticated client from outside ever relays outside, whatever it writes and whatever the lists.

mod common;

use common::{config, decide, path, policy};
use proptest::prelude::*;
use proto_core::address::{AddressSyntax, Domain, ForwardPath};
use relay_policy::*;
use std::net::IpAddr;

const OURS: [&str; 6] =
    ["example.com", "EXAMPLE.COM", "localhost", "bücher.example", "xn--bcher-kva.example", "ｅxample.com"];

fn domain() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::sample::select(OURS.as_slice()).prop_map(String::from),
        3 => prop::sample::select(vec!["other.test", "sub.example.com", "example.com.other.test", "exаmple.com",
            "bucher.example", "com", "192.0.2.1", "[192.0.2.1]", "[127.0.0.1]", "[IPv6:::1]", "[tag:x]", "other.test.",
            "example.com."]).prop_map(String::from),
        1 => "[a-z]{1,5}\\.(test|example)",
    ]
}

/// A local part that may hide other addresses in it.
fn local_part() -> impl Strategy<Value = String> {
    let plain = prop_oneof![
        Just("alice".to_string()),
        Just("postmaster".to_string()),
        Just(String::new()),
        "[a-z%!@\"\\\\ .:,+-]{1,8}",
    ];
    plain.prop_recursive(3, 12, 2, |inner| {
        (inner, domain(), 0..4_u8).prop_map(|(inner, domain, how)| match how {
            0 => format!("{inner}%{domain}"),
            1 => format!("{domain}!{inner}"),
            2 => format!("{inner}@{domain}"),
            _ => format!("@{domain}:{inner}"),
        })
    })
}

/// The octets of a path, good or not; the parser says which.
fn recipient() -> impl Strategy<Value = String> {
    (local_part(), domain(), any::<bool>(), prop::option::of(domain())).prop_map(
        |(local, domain, quoted, route)| {
            let local = if quoted { format!("{local:?}") } else { local };
            let route = route.map_or_else(String::new, |by| format!("@{by}:"));
            format!("<{route}{local}@{domain}>")
        },
    )
}

fn list() -> impl Strategy<Value = Vec<Restriction>> {
    let all = "permit reject permit_mynetworks permit_sasl_authenticated reject_unauth_destination \
               reject_unlisted_recipient";
    let all = Restriction::parse_list(all).expect("known names");
    prop::collection::vec(prop::sample::select(all), 0..5)
}

fn stranger() -> impl Strategy<Value = IpAddr> {
    prop::sample::select(vec![
        "203.0.113.9",
        "::ffff:203.0.113.9",
        "2001:db8::1",
        "::7f00:1",
        "64:ff9b::7f00:1",
    ])
    .prop_map(|address| address.parse().expect("an address"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_stranger_relays(
        written in recipient(),
        client in stranger(),
        relay in list(),
        recipient_list in list(),
        known: bool,
        lenient: bool,
    ) {
        let syntax = AddressSyntax { utf8: true, lenient };
        let Ok((recipient, _)) = ForwardPath::parse_prefix(written.as_bytes(), syntax) else { return Ok(()) };
        let lists = [(ListName::Relay, relay), (ListName::Recipient, recipient_list)];
        let overrides = PolicyOverrides { mynetworks: None, lists: lists.into() };
        // A configuration that would be open is refused; all others must be closed.
        let Ok(policy) = Policy::compile(&config(), Listener::Smtp, &overrides) else { return Ok(()) };
        let (decision, trail) = decide(&policy, &Request::new(client), &recipient, |_| Answer::Exists(known));
        if let Decision::Accept { destination } = decision {
            let destination = destination.expect("a recipient that is accepted goes somewhere");
            prop_assert_eq!(destination.class, Class::Local, "{}", trail);
            let Domain::Name(domain) = destination.address.domain() else { panic!("a literal is not ours") };
            prop_assert!(
                ["example.com", "localhost", "xn--bcher-kva.example"].contains(&domain.as_str()),
                "{} at {}", trail, domain
            );
            prop_assert!(!destination.address.local_part().as_str().contains(['@', '%', '!']), "{}", trail);
        }
    }

    #[test]
    fn nobody_submits_without_logging_in(written in recipient(), client in stranger(), trusted: bool) {
        let syntax = AddressSyntax { utf8: true, lenient: false };
        let Ok((recipient, _)) = ForwardPath::parse_prefix(written.as_bytes(), syntax) else { return Ok(()) };
        let client = if trusted { IpAddr::from([127, 0, 0, 1]) } else { client };
        let (decision, trail) =
            decide(&policy(Listener::Submission), &Request::new(client), &recipient, |_| Answer::Exists(true));
        prop_assert!(matches!(decision, Decision::Reject(_)), "{}", trail);
    }
}

/// The lines that a stranger tries on every server.
#[test]
fn the_known_tricks() {
    let policy = policy(Listener::Smtp);
    let mut request = Request::new("203.0.113.9".parse().expect("an address"));
    for sender in ["<x@other.test>", "<x@example.com>", "<>", "<x@[127.0.0.1]>"] {
        let syntax = AddressSyntax::STRICT;
        let sender =
            proto_core::address::ReversePath::parse_prefix(sender.as_bytes(), syntax).expect("a path").0;
        request.sender = Some(sender);
        for written in [
            "<y@other.test>",
            "<y@OTHER.TEST>",
            "<y%other.test@example.com>",
            "<other.test!y@example.com>",
            "<\"y@other.test\"@example.com>",
            "<\"y%other.test\"@example.com>",
            "<@example.com,@z.test:y@other.test>",
            "<y%other.test@[127.0.0.1]>",
            "<y%other.test@localhost>",
            "<y@sub.example.com>",
            "<y%z%other.test@example.com>",
            "<postmaster%other.test@example.com>",
            "<y%example.com@other.test>",
        ] {
            let (decision, trail) = decide(&policy, &request, &path(written), |_| Answer::Exists(true));
            let expected = format!("554 5.7.1 {}: Relay access denied", path(written));
            assert_eq!(decision.to_string(), expected, "{trail}");
        }
    }
}

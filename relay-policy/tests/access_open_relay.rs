//! Whatever the lists and whatever the address: no stranger relays past a relay list with `reject_unauth_destination`.
//!
//! The relay list has that rule after others which permit only who is trusted, or which ask policy services and databases that
//! say DUNNO, nothing at all, or do not answer; all other lists are any rules at all, such that permit everybody among them. What a table does besides (BCC, REDIRECT) is the administrator's will and not looked at.

#![allow(clippy::unwrap_used, reason = "a test")]

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree as _;
use proto_core::Backend;
use proto_core::address::{AddressSyntax, ForwardPath, ReversePath};
use relay_policy::access::{AccessPolicy, AccessStep, Outcome};
use relay_policy::table::Opener;
use relay_policy::{Answer, NameStatus, Parameters, Question, Record, RecordKind, Request, Stage};

const OURS: [&str; 7] = [
    "example.com",
    "localhost",
    "va.example",
    "vm.example",
    "relay.example",
    "[192.0.2.1]",
    "xn--bcher-kva.example",
];

/// Clients that nobody trusts: of IPv4, of IPv6, and of what may be taken for a trusted one in it.
const STRANGERS: [&str; 7] = [
    "203.0.113.9",
    "::ffff:203.0.113.9",
    "2001:db8::1",
    "::1",
    "::7f00:1",
    "64:ff9b::7f00:1",
    "fe80::c000:201",
];

/// They permit nobody whom the configuration does not trust; what they refuse is no harm here.
const CAREFUL: [&str; 20] = [
    "permit_mynetworks",
    "permit_sasl_authenticated",
    "permit_auth_destination",
    "defer_if_permit",
    "defer_if_reject",
    "warn_if_reject",
    "reject_unlisted_recipient",
    "reject_non_fqdn_recipient",
    "reject_unknown_recipient_domain",
    "permit_dnswl_client white.test",
    "permit_rhswl_client white.test",
    "reject_rbl_client black.test",
    "check_recipient_mx_access inline:{mx.test=DUNNO}",
    "careful",
    "check_policy_service inet:h:1",
    "check_policy_service { inet:h:2, default_action=DUNNO }",
    "check_policy_service { inet:h:3, default_action= }",
    "check_recipient_access mysql:access",
    "check_client_access pipemap:{static:x,mysql:access}",
    "check_sender_access fail:table",
];

/// They may permit anybody.
const CARELESS: [&str; 10] = [
    "permit",
    "check_client_access static:OK",
    "check_helo_access static:OK",
    "check_sender_access static:permit",
    "check_recipient_access static:RELAY",
    "check_recipient_access static:careless",
    "warn_if_reject, reject_unauth_destination",
    "reject_unauth_destination",
    "careless",
    "reject_sender_login_mismatch",
];

fn any_list() -> impl Strategy<Value = String> {
    let rule = prop_oneof![select(CAREFUL.as_slice()), select(CARELESS.as_slice())];
    prop::collection::vec(rule, 0..5).prop_map(|rules| rules.join(", "))
}

fn relay_list() -> impl Strategy<Value = String> {
    prop::collection::vec(select(CAREFUL.as_slice()), 0..5).prop_map(|mut rules| {
        // It would take the force from the rule that matters.
        while rules.last() == Some(&"warn_if_reject") {
            rules.pop();
        }
        rules.push("reject_unauth_destination");
        rules.join(", ")
    })
}

fn domain() -> impl Strategy<Value = String> {
    let others = [
        "other.test",
        "sub.example.com",
        "sub.va.example",
        "example.com.other.test",
        "192.0.2.1",
        "[203.0.113.1]",
        "[IPv6:::1]",
        "relay.example.test",
        "example.com.",
        "other.test.",
        "other.test..",
        "b\u{fc}cher.example",
        "BU\u{308}CHER.Example",
        "xn--bcher-kva.test",
        "b\u{fc}cher.test",
        "example\u{3002}com",
        "other\u{3002}test",
    ];
    prop_oneof![
        2 => select(OURS.as_slice()).prop_map(String::from),
        2 => select(others.to_vec()).prop_map(String::from),
        1 => "[a-z]{1,5}\\.(test|example)",
    ]
}

fn local_part() -> impl Strategy<Value = String> {
    let plain = prop_oneof![Just("alice".to_string()), Just(String::new()), "[a-z%!@\"\\\\ .:,+-]{1,8}"];
    plain.prop_recursive(3, 12, 2, |inner| {
        (inner, domain(), 0..4_u8).prop_map(|(inner, domain, how)| match how {
            0 => format!("{inner}%{domain}"),
            1 => format!("{domain}!{inner}"),
            2 => format!("{inner}@{domain}"),
            _ => format!("@{domain}:{inner}"),
        })
    })
}

fn recipient() -> impl Strategy<Value = String> {
    (local_part(), domain(), any::<bool>()).prop_map(|(local, domain, quoted)| {
        let local = if quoted { format!("{local:?}") } else { local };
        format!("<{local}@{domain}>")
    })
}

fn policy(lists: &[(&str, String)], allow_percent_hack: bool) -> AccessPolicy {
    let mut parameters = Parameters::default();
    for (name, value) in [
        ("mynetworks", "127.0.0.0/8, 192.0.2.0/24"),
        ("mydestination", "example.com, localhost, b\u{fc}cher.example"),
        ("inet_interfaces", "192.0.2.1"),
        ("virtual_alias_domains", "va.example"),
        ("virtual_mailbox_domains", "vm.example"),
        ("relay_domains", "relay.example"),
        ("virtual_alias_maps", "static:alice@example.com"),
        ("smtpd_restriction_classes", "careful careless"),
        ("careful", "permit_mynetworks, reject_non_fqdn_recipient"),
        ("careless", "warn_if_reject reject, permit"),
        ("allow_percent_hack", if allow_percent_hack { "yes" } else { "no" }),
    ] {
        parameters.set(name, value).unwrap();
    }
    for (name, value) in lists {
        parameters.set(name, value).unwrap();
    }
    AccessPolicy::compile(parameters, &Opener::new(&|_| Err("no files".into()))).unwrap()
}

/// The DNS says anything to a question, others say nothing in favour of anybody; and the same again to the same.
fn run(policy: &AccessPolicy, request: &Request, recipient: &ForwardPath, chosen: &[Index]) -> Outcome {
    let mut evaluation = policy.evaluate(request, Stage::Rcpt(recipient));
    let mut asked = 0;
    for _ in 0..200 {
        match evaluation.step() {
            AccessStep::Done(outcome) => return *outcome,
            AccessStep::Needs(questions) => {
                for question in questions {
                    let answer = answer(&question, chosen[asked % chosen.len()].index(5));
                    asked += 1;
                    evaluation.answer(&question, answer).unwrap();
                }
            }
        }
    }
    panic!("the evaluation does not end");
}

fn answer(question: &Question, chosen: usize) -> Answer {
    match (chosen, question) {
        (0, _) => Answer::Failed(Backend::TEMPORARY),
        (1, Question::Dns { .. }) => Answer::Records(Vec::new()),
        (_, Question::Dns { kind, .. }) => Answer::Records(vec![match kind {
            RecordKind::Mx => Record::Mx { preference: 10, exchange: "mx.test".into() },
            RecordKind::Txt => Record::Text("listed".into()),
            _ => Record::Address("127.0.0.2".parse().unwrap()),
        }]),
        (1, Question::Policy { .. }) => Answer::Action(String::new()),
        (2, Question::Policy { .. }) => Answer::Action(" \t".into()),
        (3, Question::Policy { .. }) => Answer::Action("DUNNO".into()),
        (_, Question::Policy { .. }) => Answer::Action("DEFER_IF_REJECT".into()),
        (1, Question::Lookup { .. }) => Answer::Found(Some(String::new())),
        (2, Question::Lookup { .. }) => Answer::Found(Some(" ".into())),
        (3, Question::Lookup { .. }) => Answer::Found(Some("DUNNO".into())),
        (_, Question::Lookup { .. }) => Answer::Found(None),
        (_, other) => panic!("{other:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_stranger_relays(
        written in recipient(),
        relay in relay_list(),
        others in prop::array::uniform4(any_list()),
        sender in select(vec!["<>", "<x@example.com>", "<x@other.test>"]),
        client in select(STRANGERS.as_slice()),
        named: bool,
        percent: bool,
        chosen in prop::collection::vec(any::<Index>(), 1..8),
    ) {
        let syntax = AddressSyntax { utf8: true, lenient: true };
        let Ok((recipient, _)) = ForwardPath::parse_prefix(written.as_bytes(), syntax) else { return Ok(()) };
        let [client_list, helo, sender_list, recipient_list] = others;
        let policy = policy(
            &[
                ("smtpd_client_restrictions", client_list),
                ("smtpd_helo_restrictions", helo),
                ("smtpd_sender_restrictions", sender_list),
                ("smtpd_relay_restrictions", relay),
                ("smtpd_recipient_restrictions", recipient_list),
            ],
            percent,
        );
        let mut request = Request::new(client.parse().unwrap());
        request.sender = Some(ReversePath::parse_prefix(sender.as_bytes(), syntax).unwrap().0);
        request.helo = Some("good.test".into());
        if named {
            request.client_name = "white.example".into();
            request.client_name_status = NameStatus::Ok;
        }
        let outcome = run(&policy, &request, &recipient, &chosen);
        if outcome.refusal.is_some() || recipient == ForwardPath::Postmaster {
            return Ok(());
        }
        let resolution = outcome.resolution.expect("what is accepted leads somewhere");
        let domain = resolution.recipient.domain().expect("a domain").to_lowercase();
        let is_ours = OURS.contains(&domain.as_str()) || domain.ends_with(".relay.example");
        prop_assert!(is_ours, "{} leads to {}\n{}", written, resolution.recipient, outcome.trail);
        prop_assert!(
            !resolution.recipient.local_part().contains(['@', '%', '!']),
            "{} leads to {}\n{}", written, resolution.recipient, outcome.trail
        );
    }
}

/// The lines that a stranger tries on every server.
#[test]
fn the_known_tricks() {
    let policy =
        policy(&[("smtpd_relay_restrictions", "permit_mynetworks, reject_unauth_destination".into())], true);
    let syntax = AddressSyntax { utf8: true, lenient: true };
    let dns = [Index::arbitrary()
        .new_tree(&mut proptest::test_runner::TestRunner::deterministic())
        .unwrap()
        .current()];
    for client in STRANGERS {
        let mut request = Request::new(client.parse().unwrap());
        for sender in ["<x@other.test>", "<x@example.com>", "<>", "<x@[127.0.0.1]>"] {
            request.sender = Some(ReversePath::parse_prefix(sender.as_bytes(), syntax).unwrap().0);
            for written in [
                "<y@other.test>",
                "<y@OTHER.TEST>",
                "<y%other.test@example.com>",
                "<other.test!y@example.com>",
                "<\"y@other.test\"@example.com>",
                "<\"y%other.test\"@example.com>",
                "<@example.com,@z.test:y@other.test>",
                "<y%other.test@[192.0.2.1]>",
                "<y%other.test@localhost>",
                "<y@sub.example.com>",
                "<y%z%other.test@example.com>",
                "<postmaster%other.test@example.com>",
                "<y%example.com@other.test>",
                "<y%other.test.@example.com>",
                "<\"y@other.test.\"@example.com>",
                "<\"y@other\u{3002}test\"@example.com>",
                "<y@b\u{fc}cher.test>",
                "<y@xn--bcher-kva.test>",
                "<y%b\u{fc}cher.test@b\u{fc}cher.example>",
            ] {
                let recipient = ForwardPath::parse_prefix(written.as_bytes(), syntax).unwrap().0;
                let outcome = run(&policy, &request, &recipient, &dns);
                let refusal = outcome.refusal.expect(written).to_string();
                let shown = recipient.to_string().replace(|letter: char| !letter.is_ascii(), " ");
                assert_eq!(refusal, format!("554 5.7.1 {shown}: Relay access denied"), "{}", outcome.trail);
            }
        }
    }
}

//! The body of a fuzz target: any lists and tables, and the promises that they end and that no stranger relays.
//!
//! It is part of the library so that the ordinary test run calls it too.

use super::{AccessPolicy, AccessStep};
use crate::table::Opener;
use crate::{Answer, Parameters, Question, Record, RecordKind, Request, Stage, Verification};
use proto_core::Backend;
use proto_core::address::{AddressSyntax, ForwardPath};
use std::net::{IpAddr, Ipv4Addr};

/// The domains of the policy.
const OURS: [&str; 3] = ["example.com", "localhost", "xn--bcher-kva.example"];

/// How many rounds of questions a decision may have: each rule has a few, and there are not many rules in a line.
const ROUNDS_MAX: usize = 100_000;

/// Any restriction lists with any tables come to an end, without a stranger relaying: the first line is the recipient, the
/// second and third are the lists for the client and for recipients, a class has the fourth, and the rest is every table's text.
///
/// # Panics
/// When that is not so.
pub fn fuzz_access(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let mut lines = text.splitn(5, '\n');
    let mut line = || lines.next().unwrap_or_default();
    let (written, client, recipients, class, table) = (line(), line(), line(), line(), line());
    let syntax = AddressSyntax { utf8: true, lenient: true };
    let Ok((recipient, _)) = ForwardPath::parse_prefix(written.as_bytes(), syntax) else { return };
    let mut parameters = Parameters::default();
    for (name, value) in [
        ("mydestination", "example.com, localhost, xn--bcher-kva.example"),
        ("mynetworks", "127.0.0.0/8"),
        ("smtpd_restriction_classes", "class"),
        ("smtpd_relay_restrictions", "permit_mynetworks, reject_unauth_destination"),
        ("class", class),
        ("smtpd_client_restrictions", client),
        ("smtpd_recipient_restrictions", recipients),
    ] {
        parameters.set(name, value).expect("invariant: a parameter with a value of its kind");
    }
    let read = |_: &str| Ok(table.as_bytes().to_vec());
    let Ok(policy) = AccessPolicy::compile(parameters, &Opener::new(&read)) else { return };
    let mut request = Request::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)));
    request.helo = Some("a.test".into());
    let mut evaluation = policy.evaluate(&request, Stage::Rcpt(&recipient));
    for round in 0..ROUNDS_MAX {
        match evaluation.step() {
            AccessStep::Needs(questions) => {
                for (at, question) in questions.iter().enumerate() {
                    let answer = answer(question, octets, round + at);
                    evaluation.answer(question, answer).expect("invariant: it was asked");
                }
            }
            AccessStep::Done(outcome) => {
                if outcome.refusal.is_none() && !outcome.effects.discard {
                    let Some(resolution) = outcome.resolution else {
                        assert_eq!(recipient, ForwardPath::Postmaster, "it goes nowhere, and was taken");
                        return;
                    };
                    let domain = resolution.recipient.domain().unwrap_or_default().to_lowercase();
                    assert!(OURS.contains(&domain.as_str()), "{recipient} went to {}", resolution.recipient);
                    assert!(!resolution.is_routed, "{recipient} went to {}", resolution.recipient);
                }
                return;
            }
        }
    }
    panic!("{recipient}: no end of questions");
}

/// Something or nothing or a failure, as the octets will have it.
fn answer(question: &Question, octets: &[u8], turn: usize) -> Answer {
    let chosen = octets.get(turn % octets.len().max(1)).copied().unwrap_or_default();
    let address = Record::Address(IpAddr::V4(Ipv4Addr::new(127, 0, 0, chosen)));
    match (chosen % 5, question) {
        (0, _) => Answer::Failed(Backend::TEMPORARY),
        (1, Question::Dns { kind: RecordKind::Mx, .. }) => {
            Answer::Records(vec![Record::Mx { preference: 10, exchange: "mx.test".into() }])
        }
        (1, Question::Dns { kind: RecordKind::Ns, .. }) => {
            Answer::Records(vec![Record::Name("ns.test".into())])
        }
        (1, Question::Dns { .. }) => Answer::Records(vec![address]),
        (_, Question::Dns { .. }) => Answer::Records(Vec::new()),
        (1, Question::Lookup { .. }) => Answer::Found(Some("class".into())),
        (2, Question::Lookup { .. }) => Answer::Found(Some(String::new())),
        (3, Question::Lookup { .. }) => Answer::Found(Some("OK".into())),
        (_, Question::Lookup { .. }) => Answer::Found(None),
        (1, Question::Policy { .. }) => Answer::Action("permit".into()),
        (2, Question::Policy { .. }) => Answer::Action(String::new()),
        (3, Question::Policy { .. }) => Answer::Action("DUNNO".into()),
        (_, Question::Policy { .. }) => Answer::Action("class".into()),
        (1, Question::Verify { .. }) => Answer::Verified(Verification::Deliverable),
        (_, Question::Verify { .. }) => Answer::Verified(Verification::Unknown("in progress".into())),
    }
}

#[cfg(test)]
mod tests {
    use super::fuzz_access;
    use proptest::prelude::*;

    /// Words that lists and tables are made of, and some that they are not.
    const WORDS: [&str; 41] = [
        "permit",
        "reject",
        "defer_if_permit",
        "defer_if_reject",
        "warn_if_reject",
        "class",
        "permit_mynetworks",
        "permit_auth_destination",
        "reject_unauth_destination",
        "reject_rbl_client",
        "z.test=127.0.0.[1..9]",
        "permit_dnswl_client",
        "z.test",
        "reject_unknown_sender_domain",
        "reject_unknown_recipient_domain",
        "check_client_access",
        "check_recipient_access",
        "check_recipient_mx_access",
        "check_recipient_ns_access",
        "texthash:t",
        "regexp:t",
        "cidr:t",
        "mysql:t",
        "check_policy_service",
        "inet:h:1",
        "{ inet:h:1, default_action=permit }",
        "{ inet:h:1, default_action= }",
        "reject_unverified_recipient",
        "sleep 1",
        ",",
        "{",
        "}",
        "example.com",
        "other.test OK\n",
        "/./ class\n",
        "0.0.0.0/0 permit\n",
        "example.com HOLD\n",
        "203 DISCARD\n",
        "permit_mx_backup",
        "!x",
        "\u{e9}",
    ];

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_lists_and_tables(
            recipient in prop::sample::select(vec![
                "<a@example.com>", "<a@other.test>", "<a%other.test@example.com>", "<\"a@other.test\"@localhost>",
                "<a@mx.test>", "<@x.test:a@sub.example.com>", "<Postmaster>",
            ]),
            lines in prop::collection::vec(prop::collection::vec(prop::sample::select(WORDS.as_slice()), 0..6), 4),
        ) {
            let lines: Vec<String> = lines.iter().map(|words| words.join(" ")).collect();
            fuzz_access(format!("{recipient}\n{}", lines.join("\n")).as_bytes());
        }
    }
}

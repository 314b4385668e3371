//! The body of a fuzz target: any next hops and any mail servers, and the promise that a message on its way comes to an end and not
//! back.
//!
//! It is part of the library so that the ordinary test run calls it too.

use super::{AttemptStep, Ending, NextHops, Protocol, RouteFailure, RoutePolicy, Verdict};
use crate::question::{Answer, Question, Record, RecordKind};
use crate::{Parameters, domain};
use proto_core::Backend;
use std::net::{IpAddr, Ipv4Addr};

/// This machine.
const OWN_NAME: &str = "xn--bcher-kva.example";
const OWN_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 0));

/// Any next hops (the first line) with any mail servers (a line each, its first octet the preference) end, after no more servers
/// than may be tried, none of which is this machine.
///
/// # Panics
/// When that is not so.
pub fn fuzz_route(octets: &[u8]) {
    let text = String::from_utf8_lossy(octets);
    let (next_hops, servers) = text.split_once('\n').unwrap_or((&text, ""));
    for protocol in [Protocol::Smtp, Protocol::Lmtp] {
        let Ok(next_hops) = NextHops::parse(next_hops, protocol) else { continue };
        assert_eq!(NextHops::parse(&next_hops.to_string(), protocol).as_ref(), Ok(&next_hops));
        deliver(&next_hops, servers, octets);
    }
}

fn deliver(next_hops: &NextHops, servers: &str, octets: &[u8]) {
    let mut parameters = Parameters::default();
    for (name, value) in
        [("myhostname", OWN_NAME), ("inet_interfaces", "192.0.2.0"), ("ignore_mx_lookup_error", "yes")]
    {
        parameters.set(name, value).expect("invariant: a parameter with a value of its kind");
    }
    let policy = RoutePolicy::from_parameters(&parameters).expect("invariant: good parameters");
    let chosen = |turn: usize| octets.get(turn % octets.len().max(1)).copied().unwrap_or_default();
    let servers_max = next_hops.iter().count() * policy.smtp_mx_address_limit;
    let (mut attempts, mut tried, mut turn) = (policy.deliver(next_hops, octets.len() as u64), 0, 0);
    loop {
        match attempts.step() {
            AttemptStep::Needs(questions) => {
                for question in questions {
                    turn += 1;
                    let answer = answer(&question, servers, chosen(turn));
                    attempts.answer(&question, answer).expect("invariant: it was asked");
                }
            }
            AttemptStep::Try(server) => {
                tried += 1;
                assert!(tried <= servers_max, "{next_hops}: {server} is one too many");
                if server.port() == Some(25) {
                    let shown = server.to_string();
                    assert!(!shown.contains("[192.0.2.0]"), "{shown} is this machine");
                    assert!(
                        domain::key(&server.host).as_deref() != Some(OWN_NAME),
                        "{shown} is this machine"
                    );
                }
                attempts.ended(ending(chosen(turn + tried))).expect("invariant: it is being tried");
            }
            AttemptStep::Over(verdict) => {
                assert!(tried > 0 || verdict != Verdict::Sent, "{next_hops}: to whom?");
                return;
            }
        }
    }
}

/// What the lines say of mail servers; of addresses something or nothing or a failure, as the octet will have it.
fn answer(question: &Question, servers: &str, chosen: u8) -> Answer {
    let Question::Dns { kind, .. } = question else { panic!("nothing else is asked: {question:?}") };
    match (chosen % 7, kind) {
        (0, _) => Answer::Failed(Backend::TEMPORARY),
        (_, RecordKind::Mx) => Answer::Records(servers.lines().filter_map(mail_server).collect()),
        (1, _) => Answer::Records(Vec::new()),
        (2, _) => Answer::Records(vec![Record::Address(OWN_ADDRESS)]),
        _ => {
            let address = |last| Record::Address(IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)));
            Answer::Records((0..=chosen % 5).map(|more| address(chosen.saturating_add(more))).collect())
        }
    }
}

fn mail_server(line: &str) -> Option<Record> {
    let mut characters = line.chars();
    let preference = characters.next()? as u32 % 8;
    Some(Record::Mx { preference: preference as u16, exchange: characters.as_str().into() })
}

fn ending(chosen: u8) -> Ending {
    let failure = RouteFailure::new((4 + chosen % 2, 0, 0), "so it is");
    match chosen % 11 {
        0 => Ending::Sent,
        1 => Ending::Myself,
        2 => Ending::Unanswered(failure),
        3..=5 => Ending::Failed(failure),
        _ => Ending::NoSession(failure),
    }
}

#[cfg(test)]
mod tests {
    use super::fuzz_route;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_next_hops_and_servers(
            next_hops in prop::collection::vec(prop::sample::select(vec![
                "d.test", "b\u{fc}cher.example", "[192.0.2.0]", "[192.0.2.0]:26", "[a.test]", "[::1]", "unix:/x", "inet:a:24", "a..b",
            ]), 1..4),
            servers in prop::collection::vec(prop::sample::select(vec![
                "0", "0.", "1a.test", "1B.test.", "2b\u{fc}cher.example", "2XN--Bcher-KVA.example.", "3192.0.2.0", "3[::1]", "4c..d",
                "4\u{e9}.test", "0a.test", "7",
            ]), 0..7),
            chance in prop::collection::vec(any::<u8>(), 0..12),
        ) {
            let mut octets = format!("{}\n{}\n", next_hops.join(" "), servers.join("\n")).into_bytes();
            octets.extend(chance);
            fuzz_route(&octets);
        }

        #[test]
        fn any_octets(octets in prop::collection::vec(any::<u8>(), 0..80)) {
            fuzz_route(&octets);
        }
    }
}

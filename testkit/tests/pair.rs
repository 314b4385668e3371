//! Two machines in virtual time: the toy server and its client.

mod toy;

use proto_core::*;
use std::time::Duration;
use testkit::{Driver, Pair, for_each_seed};
use toy::client::{Lines, Replies};
use toy::{App, Fault, Toy};

fn join(lines: &[&str], rng: &testkit::Rng) -> Pair<Lines, Replies, Toy, App> {
    let client = Driver::new(Lines::new(lines), Replies::default());
    let server = Driver::new(Toy::new(Fault::None), App::new("alice", false));
    Pair::new(client, server, rng.clone()).delay(Duration::from_millis(1), Duration::from_millis(300))
}

fn heard(pair: &mut Pair<Lines, Replies, Toy, App>) -> Vec<String> {
    pair.client.fixture.0.entries().map(|entry| String::from_utf8_lossy(entry).into_owned()).collect()
}

#[test]
fn a_conversation_with_a_handshake_in_it() {
    for_each_seed(50, |rng| {
        let mut pair = join(&["ASK alice", "STARTTLS", "ASK bob", "QUIT"], rng);
        let before = pair.client.now();
        pair.settle();
        let expected = [
            "+OK hello",
            "+OK known",
            "starttls",
            "-ERR unknown",
            "+OK bye",
            "closed: peer closed the connection",
        ];
        assert_eq!(heard(&mut pair), expected);
        let took = pair.client.now().instant.saturating_since(before.instant);
        assert!(took >= Duration::from_millis(8), "eight flights of at least a millisecond, not {took:?}");
    });
}

#[test]
fn silence_is_ended_by_the_deadline_and_no_earlier() {
    for_each_seed(20, |rng| {
        let mut pair = join(&["ECHO a"], rng);
        pair.settle();
        pair.advance(Duration::from_secs(298));
        assert_eq!(heard(&mut pair), ["+OK hello", "+OK a"]);
        pair.advance(Duration::from_secs(5));
        assert_eq!(heard(&mut pair)[2..], ["-ERR too slow", "closed: peer closed the connection"]);
    });
}

#[test]
fn a_half_close_still_lets_the_other_side_speak_and_a_cut_does_not() {
    for_each_seed(20, |rng| {
        let mut pair = join(&[], rng);
        pair.half_close_client();
        pair.settle();
        assert_eq!(pair.server.closed(), Some(&CloseReason::PeerClosed));
        assert_eq!(heard(&mut pair), ["+OK hello", "closed: peer closed the connection"]);

        let mut pair = join(&["ECHO a"], rng);
        pair.cut();
        pair.settle();
        assert_eq!(heard(&mut pair), ["closed: peer closed the connection"]);
    });
}

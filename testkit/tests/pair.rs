//! Two machines in virtual time: the toy server and a client that says its lines one after the other.

mod toy;

use proto_core::*;
use std::time::Duration;
use testkit::{Driver, Fixture, Log, Pair, for_each_seed};
use toy::{App, Fault, Toy};

/// Says its lines, the next one after each reply; begins a handshake after the reply to `STARTTLS`.
struct Lines {
    lines: std::vec::IntoIter<String>,
    handshake_next: bool,
    awaits_tls: bool,
    input: InBuf,
    output: OutBuf,
    ended: bool,
    closed: bool,
}

impl Lines {
    fn new(lines: &[&str]) -> Self {
        Self {
            lines: lines.iter().map(ToString::to_string).collect::<Vec<_>>().into_iter(),
            handshake_next: false,
            awaits_tls: false,
            input: InBuf::with_capacity(100),
            output: OutBuf::new(),
            ended: false,
            closed: false,
        }
    }

    fn say_next(&mut self) {
        if let Some(line) = self.lines.next() {
            self.handshake_next = line == "STARTTLS";
            self.output.extend(line.as_bytes());
            self.output.extend(b"\r\n");
        }
    }
}

impl Machine for Lines {
    type Event = String;

    fn handle_input(&mut self, _: Now, input: &[u8]) -> usize {
        self.input.push(input)
    }

    fn handle_eof(&mut self, _: Now) {
        self.ended = true;
    }

    fn handle_timeout(&mut self, _: Now) {}

    fn handle_tls(&mut self, _: Now, _: TlsInfo) {
        self.awaits_tls = false;
        self.say_next();
    }

    fn handle_shutdown(&mut self, _: Now) {}

    fn poll_event(&mut self, _: Now) -> Option<Step<String>> {
        if self.closed || self.awaits_tls {
            return None;
        }
        if let Some(line) = self.input.next_line(100, LineEnding::Crlf) {
            let line = line.expect("the toy sends whole lines");
            if std::mem::take(&mut self.handshake_next) {
                self.awaits_tls = true;
                return Some(Step::StartTls);
            }
            self.say_next();
            return Some(Step::App(String::from_utf8_lossy(&line).into_owned()));
        }
        self.closed = self.ended;
        self.ended.then_some(Step::Closed(CloseReason::PeerClosed))
    }

    fn poll_transmit(&mut self, out: &mut OutBuf) -> bool {
        self.output.move_to(out)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn wants_input(&self) -> bool {
        !self.closed && !self.awaits_tls
    }

    fn is_closed(&self) -> bool {
        self.closed
    }
}

#[derive(Default)]
struct Replies(Log);

impl Fixture<Lines> for Replies {
    fn on_event(&mut self, _: &mut Lines, _: Now, line: String) {
        self.0.event(line);
    }

    fn log(&mut self) -> &mut Log {
        &mut self.0
    }
}

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

//! What a message costs a client session in memory, counted; an idle one is in `memory.rs`.

#![allow(clippy::unwrap_used)]

use proto_core::address::{ForwardPath, ReversePath};
use proto_core::{Instant, Machine, Now, OutBuf, UnixTime};
use smtp_proto::client::{Client, ClientConfig, ClientEvent, ClientTls, Envelope, Outcome};
use std::sync::Arc;
use testkit::alloc::{Counting, measure};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NOW: Now = Now::new(Instant::ORIGIN, UnixTime(0));

/// Hears what a server says; returns the events. What is sent is written, and not kept.
fn hear(client: &mut Client, reply: &[u8]) -> Vec<ClientEvent> {
    let mut events = Vec::new();
    assert_eq!(client.handle_input(NOW, reply), reply.len());
    while let Some(step) = client.poll_event(NOW) {
        match step {
            proto_core::Step::App(event) => events.push(event),
            other => panic!("{other:?}"),
        }
    }
    drain(client);
    events
}

fn drain(client: &mut Client) {
    let mut out = OutBuf::new();
    while client.poll_transmit(&mut out) {}
}

fn session(extensions: &str) -> Client {
    let mut config = ClientConfig::new("c.t").unwrap();
    config.tls = ClientTls::None;
    let mut client = Client::new(NOW, Arc::new(config));
    hear(&mut client, b"220 x\r\n");
    hear(&mut client, format!("250-x\r\n250-PIPELINING\r\n250 {extensions}\r\n").as_bytes());
    client
}

fn envelope(recipients: usize) -> Envelope {
    let mailbox: ForwardPath = "a@b".parse().map(ForwardPath::Mailbox).unwrap();
    Envelope::new(ReversePath::Null, vec![mailbox; recipients])
}

/// What a message costs besides its envelope: output up to its mark, or a chunk that is gathered and one that waits.
const MESSAGE_BYTES_MAX: usize = OutBuf::HIGH_WATER_BYTES + 4 * 1024;

/// A driver that cannot write.
#[test]
fn a_message_that_nobody_takes_is_not_held_either() {
    for extensions in ["CHUNKING", "SIZE"] {
        for piece in [1, 24, 1000, 64 * 1024] {
            let mut client = session(extensions);
            client.send(NOW, envelope(1)).unwrap();
            hear(&mut client, b"250 Ok\r\n250 Ok\r\n");
            if extensions != "CHUNKING" {
                hear(&mut client, b"354 go on\r\n");
            }
            let octets = vec![b'x'; piece];
            let ((), usage) = measure(|| {
                while client.write_body(NOW, &octets).unwrap() > 0 {}
                assert_eq!(client.body_room(), 0);
            });
            assert!(usage.peak_bytes > OutBuf::HIGH_WATER_BYTES / 2, "{extensions} {piece}: {usage:?}");
            assert!(usage.peak_bytes < MESSAGE_BYTES_MAX, "{extensions} {piece}: {usage:?}");
        }
    }
}

/// A hundred recipients may be under way at once, and with long addresses they are more than the mark.
#[test]
fn a_long_envelope_waits_for_output() {
    let mailbox = format!("{}@{}.{}.{}.test", "u".repeat(64), "d".repeat(60), "d".repeat(60), "d".repeat(60));
    let mailbox: ForwardPath = mailbox.parse().map(ForwardPath::Mailbox).unwrap();
    let mut client = session("SIZE");
    client.send(NOW, Envelope::new(ReversePath::Null, vec![mailbox; 99])).unwrap();
    let (mut out, mut groups) = (OutBuf::new(), Vec::new());
    while client.poll_transmit(&mut out) {
        groups.push(String::from_utf8(out.as_slice().to_vec()).unwrap());
        out.consume(out.len());
    }
    let [first, second] = &groups[..] else { panic!("{} groups", groups.len()) };
    assert!((OutBuf::HIGH_WATER_BYTES..OutBuf::HIGH_WATER_BYTES + 300).contains(&first.len()));
    let recipients = [first, second].map(|group| group.matches("RCPT TO:").count());
    assert_eq!((recipients[0] + recipients[1], recipients[1] > 20), (99, true));
    assert!(first.ends_with("\r\n") && !second.contains("DATA"), "MAIL and 99 recipients are a hundred");
    let events = hear(&mut client, &b"250 Ok\r\n".repeat(100));
    assert_eq!(events, [], "DATA is under way");
    assert_eq!(hear(&mut client, b"354 go on\r\n"), [ClientEvent::SendBody]);
}

#[test]
fn a_message_is_never_held() {
    for extensions in ["CHUNKING", "SIZE"] {
        let mut client = session(extensions);
        let ((), usage) = measure(|| {
            client.send(NOW, envelope(1)).unwrap();
            hear(&mut client, b"250 Ok\r\n250 Ok\r\n");
            if extensions != "CHUNKING" {
                hear(&mut client, b"354 go on\r\n");
            }
            let line = b"\r\n.a line of the message";
            let mut written = 0;
            while written < 4 << 20 {
                let taken = client.write_body(NOW, line).unwrap();
                written += taken;
                if taken < line.len() {
                    // What comes next begins in the middle of a line, and is as good as another.
                    drain(&mut client);
                    if client.body_room() == 0 {
                        hear(&mut client, b"250 Ok\r\n");
                    }
                }
            }
        });
        assert!(usage.peak_bytes < MESSAGE_BYTES_MAX, "{extensions}: {usage:?}");
    }
}

#[test]
fn one_reply_for_all_is_kept_once() {
    let recipients = 500;
    let mut client = session("CHUNKING");
    client.send(NOW, envelope(recipients)).unwrap();
    for _ in 0..=recipients {
        hear(&mut client, b"250 Ok\r\n");
    }
    client.write_body(NOW, b"x").unwrap();
    client.finish(NOW).unwrap();
    let verdict = format!("554 {}\r\n", "no".repeat(900));
    let (events, usage) = measure(|| hear(&mut client, verdict.as_bytes()));
    let [ClientEvent::Done(report)] = &events[..] else { panic!("{events:?}") };
    assert!(report.outcomes.iter().all(|outcome| matches!(outcome, Outcome::Permanent(_))));
    assert!(usage.peak_bytes < recipients * 1800 / 4, "{usage:?}");
}

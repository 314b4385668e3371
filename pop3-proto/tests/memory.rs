//! What a session costs in memory, counted.

#![allow(clippy::unwrap_used, reason = "helpers of tests are outside test functions")]

use pop3_proto::server::{Config, Event, Server};
use pop3_proto::{Message, Uidl};
use proto_core::sasl::AuthVerdict;
use proto_core::{Instant, Machine, Now, OutBuf, Step, UnixTime};
use std::sync::Arc;
use testkit::alloc::{Counting, measure};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NOW: Now = Now::new(Instant::ORIGIN, UnixTime(0));

/// Says yes to everything and writes a message of nothing but line ends, the kind that grows most on its way.
fn serve(server: &mut Server, out: &mut OutBuf, input: &[u8], message_octets: usize) {
    let mut rest = input;
    let mut to_write = 0;
    loop {
        while let Some(step) = server.poll_event(NOW) {
            let Step::App(event) = step else { continue };
            match event {
                Event::Authenticate(ask) => server.answer(NOW, ask, AuthVerdict::Accept).unwrap(),
                Event::OpenMaildrop(ask) => {
                    let octets = 2 * message_octets as u64;
                    server
                        .answer(NOW, ask, Ok(vec![Message { octets, uidl: Uidl::new("a").unwrap() }]))
                        .unwrap();
                }
                Event::Retrieve(ask) => {
                    to_write = message_octets;
                    server.answer(NOW, ask, Ok(())).unwrap();
                }
                _ => {}
            }
        }
        while to_write > 0 && server.body_room() > 0 {
            to_write -= server.write_body(NOW, &[b'\n'; 4096][..to_write.min(4096)]).unwrap();
            if to_write == 0 {
                assert_eq!(server.finish_body(NOW), Ok(2 * message_octets as u64));
            }
        }
        while server.poll_transmit(out) {}
        out.consume(out.len());
        if rest.is_empty() && to_write == 0 && server.poll_event(NOW).is_none() {
            return;
        }
        if server.wants_input() {
            rest = &rest[server.handle_input(NOW, rest)..];
        }
    }
}

fn session() -> Server {
    let mut config = Config::default();
    config.allow_plaintext_auth = true;
    Server::new(NOW, Arc::new(config))
}

/// The bound: an input buffer for the longest line of an AUTH exchange (12 KiB), 32 KiB of output and as much again
/// while that grows, and change.
const SESSION_BYTES_MAX: usize = 80 * 1024;

#[test]
fn a_session_is_bounded_whatever_comes_and_goes() {
    let mut server = session();
    let ((), usage) = measure(|| {
        let mut out = OutBuf::new();
        let chunk = [b'x'; 32 * 1024];
        for _ in 0..256 {
            serve(&mut server, &mut out, &chunk, 0);
        }
        serve(&mut server, &mut out, b"\r\nAUTH PLAIN\r\n", 0);
        for _ in 0..256 {
            serve(&mut server, &mut out, &chunk, 0);
        }
        serve(&mut server, &mut out, b"\r\nUSER u\r\nPASS p\r\nRETR 1\r\nNOOP\r\n", 4 * 1024 * 1024);
    });
    assert!(server.is_logged_in());
    assert!(usage.peak_bytes < SESSION_BYTES_MAX, "{usage:?}");
    assert!(usage.held_bytes < 8 * 1024, "an idle session gives its buffers back: {usage:?}");
}

#[test]
fn a_client_that_never_reads_is_not_served_for_ever() {
    let mut server = session();
    let ((), usage) = measure(|| {
        // The driver cannot write: no output is taken.
        let commands = b"CAPA\r\n".repeat(4000);
        let mut rest = &commands[..];
        loop {
            assert!(server.poll_event(NOW).is_none());
            if rest.is_empty() || !server.wants_input() {
                break;
            }
            rest = &rest[server.handle_input(NOW, rest)..];
        }
        assert!(!rest.is_empty(), "all of it was taken");
    });
    assert!(usage.peak_bytes < SESSION_BYTES_MAX, "{usage:?}");
}

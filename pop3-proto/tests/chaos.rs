//! Sessions to which everything happens at any moment: octets, verdicts, time, the end of input, shutdown, handshakes
//! nobody asked for, output that is not taken. Whatever the order, each question has one end, a session that is open has
//! a deadline, and only QUIT removes.

#![allow(clippy::unwrap_used, reason = "helpers of tests are outside test functions")]

use pop3_proto::server::{
    Commit, CommitRefusal, Config, Event, OpenMaildrop, OpenRefusal, Retrieve, RetrieveRefusal, Server,
    TlsMode,
};
use pop3_proto::{Message, Uidl};
use proto_core::sasl::{AuthVerdict, Authenticate};
use proto_core::{Ask, AskId, Backend, Machine, Now, OutBuf, Step, TlsInfo};
use std::sync::Arc;
use std::time::Duration;
use testkit::{Rng, START, for_each_seed};

/// What a client says that knows what it does; more often than not that is said next.
const COURSE: &[&str] = &[
    "USER u\r\n",
    "PASS p\r\n",
    "STAT\r\n",
    "LIST\r\n",
    "RETR 1\r\n",
    "DELE 1\r\n",
    "TOP 2 1\r\n",
    "DELE 2\r\n",
    "UIDL\r\n",
];

const LINES: &[&str] = &[
    "STLS\r\n",
    "AUTH PLAIN AHUAcA==\r\n",
    "AUTH LOGIN\r\n",
    "dQ==\r\n",
    "*\r\n",
    "CAPA\r\n",
    "RSET\r\n",
    "NOOP\r\n",
    "QUIT\r\n",
    "QUIT\r\n",
    "nonsense\r\n",
    "RETR 2\r\n",
    "half a li",
];

/// A question that waits for its verdict.
enum Held {
    Authenticate(Ask<Authenticate>),
    Open(Ask<OpenMaildrop>),
    Retrieve(Ask<Retrieve>),
    Commit(Ask<Commit>),
}

struct Chaos<'a> {
    server: Server,
    now: Now,
    rng: &'a mut Rng,
    held: Option<(AskId, Held)>,
    handshake: bool,
    closed: bool,
    course: usize,
    /// So that a run which sees nothing is noticed: messages sent, removals, questions cancelled.
    seen: [u32; 3],
}

impl Chaos<'_> {
    fn poll(&mut self) {
        while let Some(step) = self.server.poll_event(self.now) {
            assert!(!self.closed, "a step after the last");
            match step {
                Step::App(event) => self.event(event),
                Step::StartTls => self.handshake = true,
                Step::Compress => panic!("POP3 has no compression"),
                Step::Closed(_) => self.closed = true,
            }
        }
        assert_eq!(self.server.is_closed(), self.closed);
        assert_eq!(self.server.poll_timeout().is_none(), self.closed, "a deadline while open and none after");
        if self.closed {
            assert!(self.held.is_none(), "a question that was neither answered nor cancelled");
            assert!(!self.server.wants_input() && !self.server.is_logged_in());
            assert_eq!(self.server.handle_input(self.now, b"NOOP\r\n"), 0);
            assert!(self.server.write_body(self.now, b"x").is_err());
        }
    }

    fn event(&mut self, event: Event) {
        let held = match event {
            Event::Authenticate(ask) => (ask.id(), Held::Authenticate(ask)),
            Event::OpenMaildrop(ask) => (ask.id(), Held::Open(ask)),
            Event::Retrieve(ask) => (ask.id(), Held::Retrieve(ask)),
            Event::Commit(ask) => (ask.id(), Held::Commit(ask)),
            Event::LoginFailed(_) => return,
            Event::Cancelled(id) => {
                let (held, question) = self.held.take().unwrap();
                assert_eq!(held, id);
                self.seen[2] += 1;
                return assert!(!self.answer(question), "answered after it was cancelled");
            }
            other => panic!("{other:?}"),
        };
        assert!(self.held.is_none(), "two questions at once");
        self.held = Some(held);
        if self.rng.chance(4, 5) {
            self.verdict();
        }
    }

    fn verdict(&mut self) {
        if let Some((_, held)) = self.held.take() {
            assert!(self.answer(held), "stale and not cancelled");
        }
    }

    /// Answers yes more often than not; false when it came too late.
    fn answer(&mut self, held: Held) -> bool {
        let yes = self.rng.chance(5, 6);
        let backend = Backend::TEMPORARY;
        let (server, now) = (&mut self.server, self.now);
        match held {
            Held::Authenticate(ask) => {
                server.answer(now, ask, if yes { AuthVerdict::Accept } else { AuthVerdict::Reject }).is_ok()
            }
            Held::Open(ask) => {
                let message = |id: &str| Message { octets: 3, uidl: Uidl::new(id).unwrap() };
                let maildrop = vec![message("a"), message("b")];
                server.answer(now, ask, if yes { Ok(maildrop) } else { Err(OpenRefusal::InUse) }).is_ok()
            }
            Held::Retrieve(ask) => {
                server.answer(now, ask, if yes { Ok(()) } else { Err(RetrieveRefusal::Gone) }).is_ok()
            }
            Held::Commit(ask) => {
                let not_removed = ask.detail.deleted.clone();
                assert!(!not_removed.is_empty());
                self.seen[1] += 1;
                server
                    .answer(now, ask, if yes { Ok(()) } else { Err(CommitRefusal { not_removed, backend }) })
                    .is_ok()
            }
        }
    }

    fn happen(&mut self) {
        match self.rng.below(300) {
            0 => self.server.handle_eof(self.now),
            1 => self.server.handle_shutdown(self.now),
            2 => self.server.handle_tls(self.now, TlsInfo::default()),
            3..40 if self.handshake => {
                self.handshake = false;
                self.server.handle_tls(self.now, TlsInfo::default());
            }
            40..44 => {
                let seconds = *self.rng.pick(&[1, 61, 121, 400]);
                self.now.instant = self.now.instant + Duration::from_secs(seconds);
                self.server.handle_timeout(self.now);
            }
            44..90 => self.verdict(),
            90..140 => while self.server.poll_transmit(&mut OutBuf::new()) {},
            140..170 => drop(self.server.write_body(self.now, b".\n")),
            170..200 => self.seen[0] += u32::from(self.server.finish_body(self.now).is_ok()),
            200 => drop(self.server.abort_body("over")),
            // Not asked whether it is wanted.
            201 => drop(self.server.handle_input(self.now, b"RSET\r\nxx")),
            _ => {
                let mut octets = LINES[self.rng.below(LINES.len())].as_bytes();
                if self.rng.chance(4, 5) {
                    octets = COURSE[self.course % COURSE.len()].as_bytes();
                    self.course += usize::from(self.server.wants_input());
                } else if self.rng.chance(1, 4) {
                    octets = &octets[..self.rng.below(octets.len())];
                }
                while !octets.is_empty() && self.server.wants_input() {
                    let taken = self.server.handle_input(self.now, octets);
                    assert!(taken > 0, "it wants input and takes none");
                    octets = &octets[taken..];
                    self.poll();
                }
            }
        }
        self.poll();
    }
}

#[test]
fn a_server_keeps_its_promises_whatever_happens() {
    let mut seen = [0; 3];
    for_each_seed(3000, |rng| {
        let mut config = Config::default();
        config.tls = *rng.pick(&[TlsMode::None, TlsMode::Offered, TlsMode::Implicit]);
        config.allow_plaintext_auth = rng.chance(3, 4);
        config.limits.output_bytes_max = *rng.pick(&[32 * 1024, 30]);
        let handshake = config.tls == TlsMode::Implicit;
        let server = Server::new(START, Arc::new(config));
        let mut chaos =
            Chaos { server, now: START, rng, held: None, handshake, closed: false, course: 0, seen };
        chaos.poll();
        for _ in 0..300 {
            chaos.happen();
        }
        // Nobody does anything any more: every session ends by itself.
        for _ in 0..50 {
            let Some(at) = chaos.server.poll_timeout() else { break };
            chaos.now.instant = at;
            chaos.server.handle_timeout(chaos.now);
            chaos.poll();
        }
        assert!(chaos.closed, "open for ever");
        seen = chaos.seen;
    });
    assert!(seen.iter().all(|count| *count > 20), "{seen:?}");
}

//! Drives a session with arbitrary octets and checks what must hold whatever they are.
//!
//! Two octets choose the configuration and how input is cut; the rest is what the client sends, in which `0xFF` and
//! the octet after it stand for something that is no octet: the handshake is done, time passes, the client hangs up,
//! the driver wants to stop.

use crate::maildrop::{Message, RetrOctets, Uidl};
use crate::server::{Config, Event, RetrieveRefusal, Server, Syntax, TlsMode};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use proto_core::sasl::{AuthVerdict, Credentials};
use proto_core::{Backend, Instant, Machine, Now, OutBuf, Step, TlsInfo, UnixTime};

/// What the maildrop holds; no line looks like a reply.
const MESSAGES: [&[u8]; 4] = [b"A: b\r\n\r\n.x\r\nend", b"S: 2\n\nl1\n.\n\n", b"", b".\r\n"];

/// Runs one session.
///
/// # Panics
/// When the session breaks its contract.
pub fn fuzz_session(data: &[u8]) {
    let [switches, cut, script @ ..] = data else { return };
    let mut config = Config::default();
    config.tls = match switches & 3 {
        0 | 1 => TlsMode::None,
        2 => TlsMode::Offered,
        _ => TlsMode::Implicit,
    };
    config.allow_plaintext_auth = switches & 4 == 0;
    config.syntax = if switches & 8 == 0 { Syntax::Lenient } else { Syntax::Strict };
    config.limits.output_bytes_max = if switches & 16 == 0 { 32 * 1024 } else { 16 };
    let now = Now::new(Instant::ORIGIN, UnixTime(0));
    let mut session =
        Session { server: Server::new(now, Arc::new(config)), now, sending: None, log: ReplyLog::default() };
    session.pump();
    let mut rest = script;
    while !rest.is_empty() {
        let run = rest.iter().position(|octet| *octet == 0xff).unwrap_or(rest.len());
        for segment in rest[..run].chunks(usize::from(*cut).max(1)) {
            session.receive(segment);
        }
        rest = &rest[run..];
        if let [_, what, after @ ..] = rest {
            session.happen(*what);
            rest = after;
        } else {
            rest = &[];
        }
    }
    session.server.handle_eof(session.now);
    session.pump();
    session.now.instant = session.now.instant + Duration::from_secs(3600);
    session.server.handle_timeout(session.now);
    session.pump();
    assert!(session.server.is_closed(), "hung up, an hour later, and not closed");
}

struct Session {
    server: Server,
    now: Now,
    /// What is left to write of a message.
    sending: Option<&'static [u8]>,
    log: ReplyLog,
}

impl Session {
    fn receive(&mut self, mut segment: &[u8]) {
        while !segment.is_empty() && self.server.wants_input() {
            let taken = self.server.handle_input(self.now, segment);
            assert!(taken > 0, "it wants input and takes none");
            segment = &segment[taken..];
            self.pump();
        }
    }

    fn happen(&mut self, what: u8) {
        match what {
            0 => self.server.handle_tls(self.now, TlsInfo::default()),
            1 => self.server.handle_shutdown(self.now),
            2 => self.server.handle_eof(self.now),
            seconds => {
                self.now.instant = self.now.instant + Duration::from_secs(u64::from(seconds));
                self.server.handle_timeout(self.now);
            }
        }
        self.pump();
    }

    fn pump(&mut self) {
        let mut out = OutBuf::new();
        for _ in 0..100_000 {
            let mut moved = false;
            while let Some(step) = self.server.poll_event(self.now) {
                moved = true;
                match step {
                    Step::App(event) => self.answer(event),
                    Step::StartTls => assert!(!self.server.wants_input()),
                    Step::Closed(_) => assert!(self.server.is_closed()),
                    Step::Compress => panic!("POP3 has no compression"),
                }
            }
            moved |= self.write();
            while self.server.poll_transmit(&mut out) {
                moved = true;
            }
            self.log.read(out.as_slice());
            out.consume(out.len());
            if !moved {
                if self.server.is_closed() {
                    assert_eq!(self.server.poll_timeout(), None);
                    assert!(!self.server.wants_input());
                    assert_eq!(self.server.handle_input(self.now, b"NOOP\r\n"), 0);
                }
                return;
            }
        }
        panic!("the session does not come to rest");
    }

    fn answer(&mut self, event: Event) {
        let answered = match event {
            Event::Authenticate(ask) => {
                let Credentials::Password { password, .. } = &ask.detail.credentials else { return };
                let verdict = match password.expose().first() {
                    Some(b'x') => AuthVerdict::Reject,
                    Some(b'y') => AuthVerdict::Backend(Backend::TEMPORARY),
                    _ => AuthVerdict::Accept,
                };
                self.server.answer(self.now, ask, verdict)
            }
            Event::OpenMaildrop(ask) => {
                let messages = MESSAGES.iter().enumerate().map(|(index, octets)| {
                    let mut count = RetrOctets::default();
                    count.push(octets);
                    let uidl = Uidl::new(format!("u{index}")).expect("invariant: short and printable");
                    Message { octets: count.finish(), uidl }
                });
                self.server.answer(self.now, ask, Ok(messages.collect()))
            }
            Event::Retrieve(ask) => {
                let verdict = if ask.detail.index == 2 && ask.detail.top_lines == Some(7) {
                    Err(RetrieveRefusal::Gone)
                } else {
                    self.sending = Some(MESSAGES[ask.detail.index]);
                    Ok(())
                };
                self.server.answer(self.now, ask, verdict)
            }
            Event::Commit(ask) => {
                let deleted: &Vec<usize> = &ask.detail.deleted;
                assert!(
                    !deleted.is_empty()
                        && deleted.is_sorted()
                        && deleted.iter().all(|at| *at < MESSAGES.len())
                );
                self.server.answer(self.now, ask, Ok(()))
            }
            Event::LoginFailed(_) => Ok(()),
            Event::Cancelled(_) => panic!("every ask was answered at once"),
        };
        assert_eq!(answered, Ok(()));
    }

    /// Writes what there is room for.
    fn write(&mut self) -> bool {
        let Some(rest) = &mut self.sending else { return false };
        match self.server.write_body(self.now, rest) {
            Ok(taken) => {
                *rest = &rest[taken..];
                if rest.is_empty() || self.server.is_body_satisfied() {
                    self.sending = None;
                    assert!(self.server.finish_body(self.now).is_ok());
                    return true;
                }
                taken > 0
            }
            Err(_) => {
                assert!(self.server.is_closed(), "a message broke off and the session goes on");
                self.sending = None;
                true
            }
        }
    }
}

/// Reads what is sent as a client would: replies, each with at most one text behind it.
#[derive(Default)]
struct ReplyLog {
    line: Vec<u8>,
    in_text: bool,
    may_begin_text: bool,
}

impl ReplyLog {
    fn read(&mut self, octets: &[u8]) {
        for octet in octets {
            self.line.push(*octet);
            if *octet == b'\n' {
                let line = core::mem::take(&mut self.line);
                self.read_line(&line);
            }
        }
    }

    fn read_line(&mut self, line: &[u8]) {
        assert!(line.ends_with(b"\r\n"), "a line that does not end in CR LF: {line:?}");
        let is_reply = [&b"+OK "[..], b"-ERR ", b"+ "].iter().any(|status| line.starts_with(status));
        if !self.in_text && is_reply {
            assert!(line.len() <= 512 || line.starts_with(b"+ "), "a reply of {} octets", line.len());
            self.may_begin_text = line.starts_with(b"+OK ");
            return;
        }
        assert!(self.in_text || self.may_begin_text, "neither reply nor text: {line:?}");
        self.in_text = line != b".\r\n";
        self.may_begin_text = false;
    }
}

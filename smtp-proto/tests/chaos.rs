//! Sessions to which everything happens at any moment: octets, verdicts, time, the end of input, shutdown, handshakes
//! nobody asked for, output that is not taken. Whatever the order, each question and each message has one end, and a
//! session that is open has a deadline.

#![allow(clippy::unwrap_used)]

mod common;

use common::refusal;
use proto_core::sasl::{AuthVerdict, Authenticate, ClientCredentials, Mechanism};
use proto_core::{Ask, AskId, Machine, Now, OutBuf, Step, TlsInfo, UnixTime};
use smtp_proto::client::{Client, ClientConfig, ClientEvent, ClientProtocol, ClientTls, Outcome};
use smtp_proto::server::*;
use smtp_proto::{Approval, BodyKind};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use testkit::{Rng, for_each_seed};

const LINES: &[&str] = &[
    "EHLO c\r\n",
    "EHLO c\r\n",
    "HELO c\r\n",
    "MAIL FROM:<a@b>\r\n",
    "MAIL FROM:<a@b>\r\n",
    "RCPT TO:<c@d>\r\n",
    "RCPT TO:<c@d>\r\n",
    "DATA\r\n",
    "DATA\r\n",
    "text\r\n",
    "..dots\r\n",
    ".\r\n",
    ".\r\n",
    "bare\nline\r\n",
    "BDAT 3\r\nabc",
    "BDAT 0\r\n",
    "BDAT 15\r\n",
    "BDAT 6 LAST\r\nRSET\r\n",
    "BDAT x\r\n",
    "RSET\r\n",
    "NOOP\r\n",
    "QUIT\r\n",
    "STARTTLS\r\n",
    "AUTH PLAIN AHUAcA==\r\n",
    "AUTH LOGIN\r\n",
    "dTE=\r\n",
    "*\r\n",
    "VRFY a\r\n",
    "EXPN a\r\n",
    "GET / HTTP/1.1\r\n",
    "nonsense\r\n",
    "half a li",
];

/// What a client says that knows what it does; more often than not that is said next.
const COURSE: &[&str] = &[
    "EHLO c\r\n",
    "MAIL FROM:<a@b>\r\n",
    "RCPT TO:<c@d>\r\n",
    "DATA\r\n",
    "text\r\n",
    ".\r\n",
    "MAIL FROM:<a@b>\r\n",
    "RCPT TO:<c@d>\r\n",
    "BDAT 3\r\nabc",
    "BDAT 4 LAST\r\nde\r\n",
];

/// A question that waits for its verdict.
enum Held {
    Connect(Ask<Connect>),
    Tls(Ask<Tls>),
    Etrn(Ask<Etrn>),
    Hello(Ask<Hello>),
    Authenticate(Ask<Authenticate>),
    Mail(Ask<Mail>),
    Rcpt(Ask<Rcpt>),
    Data(Ask<Data>),
    End(Ask<EndOfData>),
    Verify(Ask<Verify>),
    Expand(Ask<Expand>),
}

struct Chaos<'a> {
    server: Server,
    now: Now,
    rng: &'a mut Rng,
    held: VecDeque<(AskId, Held)>,
    /// A DATA was accepted and its message has not ended.
    in_message: bool,
    in_transaction: bool,
    handshake: bool,
    closed: bool,
    course: usize,
    /// What was seen, so that a run which sees nothing is noticed: messages, messages aborted, questions cancelled.
    seen: [u32; 3],
}

impl Chaos<'_> {
    fn poll(&mut self) {
        while let Some(step) = self.server.poll_event(self.now) {
            assert!(!self.closed, "a step after the last");
            match step {
                Step::App(event) => self.event(event),
                Step::StartTls => self.handshake = true,
                Step::Compress => panic!("SMTP has no compression"),
                Step::Closed(_) => self.closed = true,
            }
        }
        assert_eq!(self.server.is_closed(), self.closed);
        assert_eq!(self.server.poll_timeout().is_none(), self.closed, "a deadline while open and none after");
        if self.closed {
            assert!(self.held.is_empty(), "a question that was neither answered nor cancelled");
            assert!(!self.in_message, "a message without an end");
            assert!(!self.server.wants_input());
            assert_eq!(self.server.handle_input(self.now, b"NOOP\r\n"), 0);
        }
    }

    fn event(&mut self, event: Event) {
        let (id, held) = match event {
            Event::Connect(ask) => (ask.id(), Held::Connect(ask)),
            Event::Tls(ask) => (ask.id(), Held::Tls(ask)),
            Event::Etrn(ask) => (ask.id(), Held::Etrn(ask)),
            Event::Hello(ask) => (ask.id(), Held::Hello(ask)),
            Event::Authenticate(ask) => (ask.id(), Held::Authenticate(ask)),
            Event::Mail(ask) => {
                assert!(!self.in_transaction, "a transaction within one");
                (ask.id(), Held::Mail(ask))
            }
            Event::Rcpt(ask) => (ask.id(), Held::Rcpt(ask)),
            Event::Data(ask) => (ask.id(), Held::Data(ask)),
            Event::EndOfData(ask) => {
                assert!(std::mem::take(&mut self.in_message));
                self.seen[0] += 1;
                (ask.id(), Held::End(ask))
            }
            Event::Verify(ask) => (ask.id(), Held::Verify(ask)),
            Event::Expand(ask) => (ask.id(), Held::Expand(ask)),
            Event::Body(chunk) => return assert!(self.in_message && !chunk.is_empty()),
            Event::BodyAborted(_) => {
                assert!(std::mem::take(&mut self.in_message));
                self.seen[1] += 1;
                return self.in_transaction = false;
            }
            Event::TransactionReset => return assert!(std::mem::take(&mut self.in_transaction)),
            Event::Cancelled(id) => {
                let at = self.held.iter().position(|(held, _)| *held == id).unwrap();
                let (_, held) = self.held.remove(at).unwrap();
                self.seen[2] += 1;
                return assert!(!self.answer(held), "answered after it was cancelled");
            }
            Event::Violation(_) | Event::LoginFailed(_) => return,
            other => panic!("{other:?}"),
        };
        assert!(self.held.is_empty(), "two questions at once");
        assert!(
            self.server.trace_header(&QueueId::new("Q").unwrap(), self.now).is_some() || !self.in_transaction
        );
        self.held.push_back((id, held));
        if self.rng.chance(4, 5) {
            self.verdict();
        }
    }

    fn verdict(&mut self) {
        if let Some((_, held)) = self.held.pop_front() {
            assert!(self.answer(held), "stale and not cancelled");
        }
    }

    /// Answers yes more often than not; false when it came too late.
    fn answer(&mut self, held: Held) -> bool {
        let code = *self.rng.pick(&[421, 450, 451, 521, 550, 550, 554]);
        let no = if self.rng.chance(1, 6) { Some(refusal(code, (0, 0), "no")) } else { None };
        let yes = no.is_none();
        let more = self.rng.chance(1, 4);
        let plain = || no.clone().map_or_else(|| approval(more), Verdict::Refuse);
        let (server, now) = (&mut self.server, self.now);
        match held {
            Held::Connect(ask) => server.answer(now, ask, plain()).is_ok(),
            Held::Tls(ask) => server.answer(now, ask, plain()).is_ok(),
            Held::Etrn(ask) => {
                let verdict = no.map_or(Verdict::Accept(EtrnStarted::Started), Verdict::Refuse);
                server.answer(now, ask, verdict).is_ok()
            }
            Held::Hello(ask) => server.answer(now, ask, plain()).is_ok(),
            Held::Authenticate(ask) => {
                let verdict = if yes { AuthVerdict::Accept } else { AuthVerdict::Reject };
                server.answer(now, ask, verdict).is_ok()
            }
            Held::Mail(ask) => {
                let fresh = server.answer(now, ask, plain()).is_ok();
                self.in_transaction |= fresh && yes;
                fresh
            }
            Held::Rcpt(ask) => server.answer(now, ask, plain()).is_ok(),
            Held::Data(ask) => {
                let fresh = server.answer(now, ask, plain()).is_ok();
                self.in_message |= fresh && yes;
                fresh
            }
            Held::End(ask) => {
                self.in_transaction = false;
                let id = QueueId::new("Q").unwrap();
                server.answer(now, ask, no.map_or(Verdict::Accept(id), Verdict::Refuse).into()).is_ok()
            }
            Held::Verify(ask) => {
                let verdict = no.map_or(Verdict::Accept(Verified::CannotTell), Verdict::Refuse);
                server.answer(now, ask, verdict).is_ok()
            }
            Held::Expand(ask) => server.answer(now, ask, Verdict::Accept(Vec::new())).is_ok(),
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
            40..70 => {
                let seconds = *self.rng.pick(&[1, 1, 5, 5, 5, 5, 5, 61, 200, 400]);
                self.now.instant = self.now.instant + Duration::from_secs(seconds);
                self.server.handle_timeout(self.now);
            }
            70..120 => self.verdict(),
            120..180 => while self.server.poll_transmit(&mut OutBuf::new()) {},
            // Not asked whether it is wanted.
            180..182 => drop(self.server.handle_input(self.now, b"RSET\r\nxx")),
            _ => {
                let mut octets = self.rng.pick(LINES).as_bytes();
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

fn config(rng: &mut Rng) -> Config {
    let mut config = Config::new("mx.t").unwrap();
    config.tls = *rng.pick(&[TlsMode::None, TlsMode::Offered, TlsMode::Offered, TlsMode::Implicit]);
    config.mechanisms = Mechanism::ALL.to_vec();
    config.allow_plaintext_auth = rng.chance(1, 2);
    config.verify = *rng.pick(&[VerifyMode::Ask, VerifyMode::Noncommittal]);
    config.expand = rng.chance(1, 2);
    config.pipelining_after_data = *rng.pick(&[Impatience::Permit, Impatience::Refuse]);
    config.limits.output_bytes_max = *rng.pick(&[16 * 1024, 200]);
    config.limits.message_bytes_max = *rng.pick(&[0, 20]);
    config.limits.errors_before_pause = *rng.pick(&[2, 10]);
    config.limits.recipients_max = 3;
    config.timeouts.greet_delay = Duration::from_secs(*rng.pick(&[0, 0, 5]));
    config
}

#[test]
fn a_server_keeps_its_promises_whatever_happens() {
    let mut seen = [0; 3];
    for_each_seed(3000, |rng| {
        let config = config(rng);
        let implicit = config.tls == TlsMode::Implicit;
        let mut chaos = Chaos {
            server: common::server(config),
            now: testkit::START,
            rng,
            held: VecDeque::new(),
            in_message: false,
            in_transaction: false,
            handshake: implicit,
            closed: false,
            course: 0,
            seen,
        };
        chaos.poll();
        for _ in 0..300 {
            chaos.happen();
        }
        // Nobody does anything any more: every session ends by itself.
        for _ in 0..50 {
            let Some(at) = chaos.server.poll_timeout() else { break };
            chaos.now = Now::new(at, UnixTime(0));
            chaos.server.handle_timeout(chaos.now);
            chaos.poll();
        }
        assert!(chaos.closed, "open for ever");
        seen = chaos.seen;
    });
    assert!(seen.iter().all(|count| *count > 20), "{seen:?}");
}

const REPLIES: &[&str] = &[
    "220 x\r\n",
    "250-x\r\n250-PIPELINING\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n",
    "250 x\r\n",
    "250 Ok\r\n",
    "250 Ok\r\n",
    "250 Ok\r\n",
    "354 go\r\n",
    "354 go\r\n",
    "334 \r\n",
    "235 yes\r\n",
    "421 bye\r\n",
    "450 later\r\n",
    "550 no\r\n",
    "25",
    "junk\r\n",
];

/// What a server says to a line that a client sends.
fn reply_to(line: &[u8]) -> Option<&'static str> {
    if line == b".\r\n" {
        return Some("250 queued\r\n");
    }
    Some(match line.get(..4)? {
        b"EHLO" | b"LHLO" => {
            "250-x\r\n250-PIPELINING\r\n250-CHUNKING\r\n250-BINARYMIME\r\n250-8BITMIME\r\n250-SIZE\r\n250-PRDR\r\n\
             250-STARTTLS\r\n250 AUTH PLAIN LOGIN\r\n"
        }
        b"STAR" => "220 go\r\n",
        b"AUTH" => "235 yes\r\n",
        b"DATA" => "354 go\r\n",
        b"QUIT" => "221 bye\r\n",
        b"text" => return None,
        _ => "250 Ok\r\n",
    })
}

#[test]
fn a_client_keeps_its_promises_whatever_happens() {
    // What was reached, so that a search that reaches nothing is noticed.
    let (mut reports, mut written, mut binary, mut logins, mut sent, mut refused) = (0, 0, 0, 0, 0, 0);
    for_each_seed(3000, |rng| {
        let mut config = ClientConfig::new("c.t").unwrap();
        config.tls = *rng.pick(&[ClientTls::None, ClientTls::Opportunistic, ClientTls::Implicit]);
        config.protocol = *rng.pick(&[ClientProtocol::Smtp, ClientProtocol::Lmtp]);
        config.chunking = rng.chance(1, 2);
        config.limits.chunk_bytes_max = *rng.pick(&[6, 1000]);
        config.allow_plaintext_auth = true;
        let mut logs_in = rng.chance(1, 2);
        if logs_in {
            config.credentials = Some(ClientCredentials::password("u", "p"));
        }
        let mut now = testkit::START;
        let mut handshake = config.tls == ClientTls::Implicit;
        let mut client = Client::new(now, Arc::new(config));
        let (mut open, mut closed, mut idle) = (0, false, false);
        let mut due = VecDeque::from(["220 x\r\n"]);
        for _ in 0..200 {
            match rng.below(100) {
                0 => client.handle_eof(now),
                1 => client.handle_shutdown(now),
                2 => client.handle_tls(now, TlsInfo::default()),
                3..15 if handshake => {
                    handshake = false;
                    client.handle_tls(now, TlsInfo::default());
                }
                15 => {
                    now.instant = now.instant + Duration::from_secs(*rng.pick(&[1, 100, 400]));
                    client.handle_timeout(now);
                }
                16..40 => {
                    let mut out = OutBuf::new();
                    while client.poll_transmit(&mut out) {}
                    due.extend(out.as_slice().split_inclusive(|octet| *octet == b'\n').filter_map(reply_to));
                }
                40..45 => {
                    let octets = *rng.pick(&[&b"text\r\n"[..], b".\r\n", b"\r", b"\n.\n", b"\0"]);
                    written += usize::from(client.write_body(now, octets).is_ok_and(|taken| taken > 0));
                }
                45..50 => drop(client.finish(now)),
                50 => drop(client.abort("over")),
                51 => drop(client.quit(now)),
                _ => {
                    if client.wants_input() && (!due.is_empty() || rng.chance(1, 50)) {
                        let proper = due.pop_front().filter(|_| rng.chance(9, 10));
                        let octets = proper.unwrap_or_else(|| REPLIES[rng.below(REPLIES.len())]).as_bytes();
                        assert_eq!(client.handle_input(now, octets), octets.len());
                    }
                }
            }
            while let Some(step) = client.poll_event(now) {
                assert!(!closed, "a step after the last");
                match step {
                    Step::App(ClientEvent::Ready) => {
                        logins += usize::from(std::mem::take(&mut logs_in));
                        let mut envelope = common::sender::envelope("a@b", &["c@d", "e@f"]);
                        let parameters = &mut envelope.parameters;
                        parameters.body =
                            *rng.pick(&[BodyKind::SevenBit, BodyKind::EightBitMime, BodyKind::BinaryMime]);
                        parameters.prdr = rng.chance(1, 2);
                        parameters.size = rng.chance(1, 2).then_some(10);
                        let is_binary = parameters.body == BodyKind::BinaryMime;
                        let sent_binary = is_binary && client.send(now, envelope.clone()).is_ok();
                        // What is binary cannot be sent to every server, and text can.
                        envelope.parameters.body = BodyKind::SevenBit;
                        let begun = sent_binary || client.send(now, envelope).is_ok();
                        open += i32::from(begun);
                        idle = !begun;
                        binary += usize::from(sent_binary);
                    }
                    Step::App(ClientEvent::Done(report)) => {
                        assert_eq!(report.outcomes.len(), 2);
                        open -= 1;
                        reports += 1;
                        let is_sent = |outcome: &&Outcome| matches!(outcome, Outcome::Sent(_));
                        let count = report.outcomes.iter().filter(is_sent).count();
                        sent += count;
                        refused += 2 - count;
                    }
                    Step::App(_) => {}
                    Step::StartTls => handshake = true,
                    Step::Compress => panic!("SMTP has no compression"),
                    Step::Closed(_) => closed = true,
                }
            }
            assert!((0..=1).contains(&open), "{open} messages open");
            assert_eq!(client.is_closed(), closed);
            assert_eq!(
                client.poll_timeout().is_none(),
                closed || idle,
                "a deadline while something is awaited"
            );
            if closed {
                assert_eq!(open, 0, "a message without a report");
                assert!(!client.wants_input());
            }
        }
    });
    let reached = [reports, written, binary, logins, sent, refused];
    assert!(reached.iter().all(|times| *times > 100) || testkit::rng::is_replay(), "{reached:?}");
}

/// A yes, or a yes with all that may go with it.
fn approval(more: bool) -> Verdict {
    if !more {
        return Verdict::Accept(());
    }
    let field = HeaderField::new("X-More", &"x ".repeat(200)).unwrap();
    let own = Approval::new(250, None, "own\nwords").unwrap();
    Extras::new().reply(own).field(field).disposition(Disposition::Discard).into()
}

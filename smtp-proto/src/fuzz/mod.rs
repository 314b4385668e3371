//! The bodies of the fuzz targets: each takes any octets and panics when a promise is broken.
//!
//! They are library functions so that the ordinary tests run them too, with seeded input and on stable.

mod client;
mod milter;
mod parameters;

pub use client::{fuzz_client, fuzz_reply};
pub use milter::fuzz_milter;
pub use parameters::fuzz_parameters;

use crate::client::ReplyParser;
use crate::command::{self, Grammar};
use crate::parameter::Extensions;
use crate::reply::{Approval, Refusal};
use crate::server::{
    Command, Config, Disposition, EndOfDataVerdict, EtrnStarted, Event, Extras, HeaderField, Impatience,
    Offer, Peer, Protocol, QueueId, Server, Syntax, TlsMode, Verdict, Verified, VerifyMode,
};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use proto_core::dot::DecodePolicy;
use proto_core::sasl::{AuthVerdict, Mechanism};
use proto_core::{Instant, Machine, Now, OutBuf, Step, UnixTime};

const NOW: Now = Now::new(Instant::ORIGIN, UnixTime(1_767_225_600));

/// Reads any octets as a command line: what is accepted has a written form that means the same, and holds no octet
/// that could end a line.
///
/// # Panics
/// When that is not so.
pub fn fuzz_command(data: &[u8]) {
    let extensions = Extensions { size_max: Some(1000), ..Extensions::ALL };
    let (_, arguments) = command::split(data);
    for lenient in [false, true] {
        let grammar = Grammar { lenient, origin: "origin.test", extensions };
        let mail = |arguments: &[u8]| {
            command::mail(arguments, &grammar).map(|(path, parameters)| (path.into_owned(), parameters))
        };
        let rcpt = |arguments: &[u8]| {
            command::rcpt(arguments, &grammar).map(|(path, parameters)| (path.into_owned(), parameters))
        };
        if let Ok((path, parameters)) = mail(arguments) {
            let again = format!("FROM:{path}{parameters}");
            assert!(!again.bytes().any(|b| b.is_ascii_control()), "a control character in {again}");
            assert_eq!(mail(again.as_bytes()), Ok((path, parameters)));
        }
        if let Ok((path, parameters)) = rcpt(arguments) {
            for again in [format!("TO:{path}{parameters}"), format!("TO:{path}{parameters:#}")] {
                assert!(!again.bytes().any(|b| b.is_ascii_control()), "a control character in {again}");
                assert_eq!(rcpt(again.as_bytes()), Ok((path.clone(), parameters.clone())));
            }
        }
    }
}

/// A whole server session. The first octet chooses the configuration, the second how the rest is cut; cut that way
/// and octet by octet, events and output are the same, all output is replies, and a message ends once.
///
/// # Panics
/// When that is not so.
pub fn fuzz_server(data: &[u8]) {
    let [choice, cut, input @ ..] = data else { return };
    let one = run_server(*choice, input, 1);
    let other = run_server(*choice, input, usize::from(*cut).max(1));
    assert!(one == other, "cut {cut}: not the same as octet by octet");
    let mut parser = ReplyParser::new();
    for line in one.output.split_inclusive(|b| *b == b'\n') {
        let text = line.strip_suffix(b"\r\n").unwrap_or_else(|| panic!("a reply line without CR LF"));
        assert!(parser.line(text, 1000, 100_000).is_ok(), "not a reply: {}", text.escape_ascii());
    }
}

/// What a session did, to be compared.
#[derive(Default, PartialEq)]
struct Trace {
    output: Vec<u8>,
    /// Events by a letter each; body octets as they are, with a `B` before the first.
    events: Vec<u8>,
    in_body: bool,
}

fn run_server(choice: u8, input: &[u8], cut: usize) -> Trace {
    let on = |bit: u8| choice & (1 << bit) != 0;
    let mut config = Config::new("fuzz.test").expect("invariant: a host name");
    config.tls = if on(0) { TlsMode::Offered } else { TlsMode::None };
    config.mechanisms = Mechanism::ALL.to_vec();
    config.allow_plaintext_auth = true;
    config.syntax = if on(1) { Syntax::Strict } else { Syntax::Lenient };
    config.bare_line_ends = match (on(2), on(3)) {
        (false, false) => DecodePolicy::Reject,
        (true, false) => DecodePolicy::Normalize,
        _ => DecodePolicy::Raw,
    };
    config.bare_line_ends_in_chunks = match (on(3), on(2)) {
        (false, false) => DecodePolicy::Reject,
        (true, false) => DecodePolicy::Normalize,
        _ => DecodePolicy::Raw,
    };
    config.verify = if on(4) { VerifyMode::Ask } else { VerifyMode::Noncommittal };
    config.expand = on(4);
    config.offer.etrn = on(4);
    config.ask_commands = on(4);
    let mut peer = Peer::default();
    (peer.xclient, peer.xforward) = (on(7), on(7));
    config.limits.message_bytes_max = if on(5) { 64 } else { 0 };
    config.limits.text_line_bytes_max = on(6).then_some(32);
    if on(7) {
        config.offer = Offer::ALL;
        config.protocol = if on(6) { Protocol::Lmtp } else { Protocol::Smtp };
    }
    config.limits.errors_max = 1_000;
    config.timeouts.error_pause = Duration::ZERO;
    // These look at how octets arrive together, which is what differs.
    config.pipelining_after_data = Impatience::Permit;
    config.pipelining_before_capability = Impatience::Permit;
    let mut server = Server::new(NOW, Arc::new(config), peer);
    let mut trace = Trace::default();
    serve(&mut server, &mut trace);
    for chunk in input.chunks(cut) {
        let mut rest = chunk;
        while !rest.is_empty() && server.wants_input() {
            let taken = server.handle_input(NOW, rest);
            assert!(taken > 0, "it wants input and takes none");
            rest = &rest[taken..];
            if serve(&mut server, &mut trace) {
                // The driver's duty at STARTTLS; which octets are lost depends on the cut, so the run ends here.
                return trace;
            }
        }
    }
    server.handle_eof(NOW);
    serve(&mut server, &mut trace);
    assert!(server.is_closed() && server.poll_timeout().is_none(), "the end of input ends a session");
    trace
}

/// Steps and output until nothing moves; true when TLS is to begin.
fn serve(server: &mut Server, trace: &mut Trace) -> bool {
    let (mut out, mut tls) = (OutBuf::new(), false);
    loop {
        tls |= answer_all(server, trace, &mut out);
        while server.poll_transmit(&mut out) {}
        if out.is_empty() {
            return tls;
        }
        trace.output.extend_from_slice(out.as_slice());
        out.consume(out.len());
    }
}

/// Answers everything with yes; true when TLS is to begin.
fn answer_all(server: &mut Server, trace: &mut Trace, out: &mut OutBuf) -> bool {
    let mut tls = false;
    while let Some(step) = server.poll_event(NOW) {
        let event = match step {
            Step::App(event) => event,
            Step::StartTls => {
                tls = true;
                continue;
            }
            Step::Compress => panic!("SMTP has no compression"),
            Step::Closed(_) => continue,
        };
        let yes = approval(trace.events.len());
        let (letter, answered) = match event {
            Event::Body(chunk) => {
                assert!(!chunk.is_empty(), "an empty body event");
                if !core::mem::replace(&mut trace.in_body, true) {
                    trace.events.push(b'B');
                }
                trace.events.extend_from_slice(&chunk);
                continue;
            }
            Event::Violation(_) => continue,
            Event::Connect(ask) => (b'c', server.answer(NOW, ask, yes)),
            Event::Tls(ask) => (b's', server.answer(NOW, ask, yes)),
            Event::Etrn(ask) => {
                (b'q', server.answer(NOW, ask, Verdict::Accept(EtrnStarted::PendingCount(7))))
            }
            Event::Command(ask) => {
                let Command { line, bare_newline, .. } = &ask.detail;
                trace.events.extend_from_slice(line);
                trace.events.push(if *bare_newline { b'l' } else { b'k' });
                let verdict = if line.first() == Some(&b'!') { Err(Refusal::TEMPORARY) } else { Ok(()) };
                (b'?', server.answer(NOW, ask, verdict))
            }
            Event::Hello(ask) => (b'h', server.answer(NOW, ask, yes)),
            Event::Authenticate(ask) => (b'a', server.answer(NOW, ask, AuthVerdict::Accept)),
            Event::Mail(ask) => (b'm', server.answer(NOW, ask, yes)),
            Event::Rcpt(ask) => (b'r', server.answer(NOW, ask, yes)),
            Event::Data(ask) => (b'd', server.answer(NOW, ask, yes)),
            Event::EndOfData(ask) => {
                let id = QueueId::new("Q").expect("invariant: a letter is an id");
                let verdict = if ask.detail.per_recipient {
                    let yes_or_no =
                        |n| if n % 3 == 1 { Refusal::TEMPORARY.into() } else { Verdict::Accept(id.clone()) };
                    EndOfDataVerdict::Each((0..ask.detail.recipients).map(yes_or_no).collect())
                } else {
                    Verdict::Accept(id).into()
                };
                (b'e', server.answer(NOW, ask, verdict))
            }
            Event::Verify(ask) => (b'v', server.answer(NOW, ask, Verdict::Accept(Verified::CannotTell))),
            Event::Expand(ask) => (b'x', server.answer(NOW, ask, Verdict::Accept(Vec::new()))),
            Event::BodyAborted(_) => (b'!', Ok(())),
            Event::TransactionReset => (b't', Ok(())),
            Event::LoginFailed(_) => (b'f', Ok(())),
            Event::Cancelled(_) => panic!("nothing was left unanswered"),
        };
        assert!(answered.is_ok(), "an answer at once is stale");
        trace.in_body = false;
        trace.events.push(letter);
        while server.poll_transmit(out) {}
    }
    tls
}

/// A yes, now and then with more than that.
fn approval(nth: usize) -> Verdict {
    let field = HeaderField::new("X-Nth", "x").expect("invariant: a header field");
    match nth % 4 {
        0 => Extras::new().field(field).disposition(Disposition::Hold).into(),
        1 => {
            let own = Approval::new(250, None, "own\nwords").expect("invariant: an approval");
            Extras::new().reply(own).field(field).into()
        }
        _ => Verdict::Accept(()),
    }
}

//! The fuzz target of milters: what a milter may say in a session, and the packets of both ends.

use super::NOW;
use crate::milter::{
    Change, LENGTH_BYTES, MilterClient, MilterCommand, MilterConfig, MilterEvent, MilterField, MilterPeer,
    MilterReply, MilterVersion, PacketFault, PeerAddress, Stage, Verdict, next_packet,
};
use crate::parameter::{MailParameters, RcptParameters};
use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use proto_core::address::{AddressSyntax, ForwardPath, ReversePath};
use proto_core::{InBuf, Machine, OutBuf, Step};

/// Any octets as all that a milter says in a session of several messages, each packet after a question. The first octet
/// chooses the configuration, the second what the application asks, the third how packets are cut; cut that way and octet by
/// octet, events and output are the same. All output is packets, each question has one answer, and every change is one that
/// can be made. The same octets as single packets read back as they are written.
///
/// # Panics
/// When that is not so.
pub fn fuzz_milter(data: &[u8]) {
    fuzz_packet(data);
    let [choice, wish, cut, input @ ..] = data else { return };
    let one = Session::run(*choice, *wish, input, 1);
    let other = Session::run(*choice, *wish, input, usize::from(*cut).max(1));
    assert!(one == other, "cut {cut}: not the same as octet by octet");
}

fn fuzz_packet(data: &[u8]) {
    let rewritten = |out: &OutBuf| {
        let mut input = InBuf::with_capacity(out.len());
        input.push(out.as_slice());
        next_packet(&mut input, out.len()).ok().flatten().unwrap_or_else(|| panic!("no packet was written"))
    };
    let mut out = OutBuf::new();
    match MilterCommand::decode(data) {
        Ok(command) => {
            command.encode(&mut out);
            assert_eq!(MilterCommand::decode(&rewritten(&out)), Ok(command));
        }
        Err(fault) => assert!(fault != PacketFault::Empty || data.is_empty()),
    }
    let mut out = OutBuf::new();
    if let Ok(reply) = MilterReply::decode(data) {
        reply.encode(&mut out);
        assert_eq!(MilterReply::decode(&rewritten(&out)), Ok(reply));
    }
}

const TINY: u8 = 4;
const REPLACES: u8 = 8;

#[derive(PartialEq)]
struct Trace {
    /// Events, adjacent pieces of a new body merged.
    events: Vec<String>,
    output: Vec<u8>,
}

struct Session {
    client: MilterClient,
    wish: u8,
    asked: usize,
    /// Whether an answer is due.
    is_due: bool,
    messages: u8,
    next: Stage,
    trace: Trace,
}

impl Session {
    fn run(choice: u8, wish: u8, input: &[u8], cut: usize) -> Trace {
        let mut config = MilterConfig::new("fuzz.test");
        config.version = [MilterVersion::V2, MilterVersion::V3, MilterVersion::V4, MilterVersion::V6]
            [usize::from(choice & 3)];
        if choice & TINY != 0 {
            config.limits.packet_bytes_max = 40;
            config.limits.changes_max = 3;
        }
        if choice & REPLACES != 0 {
            config.actions = crate::milter::Actions::CHANGE_BODY;
        }
        let mut session = Self {
            client: MilterClient::new(NOW, Arc::new(config)),
            wish,
            asked: 0,
            is_due: true,
            messages: 0,
            next: Stage::Connect,
            trace: Trace { events: Vec::new(), output: Vec::new() },
        };
        session.pump();
        let mut rest = input;
        while !rest.is_empty() && session.is_due {
            // No more than one packet at once: what follows it would be no answer to the next question.
            let length = rest.first_chunk::<LENGTH_BYTES>().map_or(0, |length| u32::from_be_bytes(*length));
            let bytes = usize::try_from(length).unwrap_or(usize::MAX).saturating_add(LENGTH_BYTES);
            let (packet, after) = rest.split_at(bytes.min(rest.len()));
            for piece in packet.chunks(cut) {
                let mut piece = piece;
                while !piece.is_empty() && session.client.wants_input() {
                    piece = &piece[session.client.handle_input(NOW, piece)..];
                    session.pump();
                }
            }
            rest = after;
        }
        session.client.handle_eof(NOW);
        session.pump();
        assert!(
            session.client.is_closed() && session.client.poll_timeout().is_none(),
            "the end of input ends it"
        );
        session.check_output();
        session.trace
    }

    fn pump(&mut self) {
        loop {
            while let Some(step) = self.client.poll_event(NOW) {
                match step {
                    Step::App(event) => self.on_event(event),
                    Step::Closed(reason) => {
                        self.is_due = false;
                        self.trace.events.push(format!("closed: {reason}"));
                    }
                    Step::StartTls | Step::Compress => panic!("not a milter's"),
                }
            }
            let mut out = OutBuf::new();
            if !self.client.poll_transmit(&mut out) {
                return;
            }
            self.trace.output.extend_from_slice(out.as_slice());
        }
    }

    fn on_event(&mut self, event: MilterEvent) {
        match event {
            MilterEvent::Change(Change::ReplaceBody(piece)) => {
                let text = piece.escape_ascii().to_string();
                match self.trace.events.last_mut().filter(|last| last.starts_with("body ")) {
                    Some(last) => last.push_str(&text),
                    None => self.trace.events.push(format!("body {text}")),
                }
                return;
            }
            MilterEvent::Change(change) => {
                check_change(&change);
                self.trace.events.push(format!("{change:?}"));
                return;
            }
            MilterEvent::Ready => assert!(self.asked == 0),
            MilterEvent::Answered(ref verdict) => {
                assert!(self.is_due && self.asked > 0, "an answer to nothing");
                if let Verdict::Refuse(refusal) = verdict {
                    assert!(
                        matches!(refusal.reply().code() / 100, 4 | 5) && refusal.reply().enhanced().is_some()
                    );
                }
            }
            MilterEvent::Failed(_) => {}
        }
        self.trace.events.push(format!("{event:?}"));
        self.is_due = false;
        if !matches!(event, MilterEvent::Failed(_)) {
            self.ask();
        }
    }

    /// Asks the next question; a session that is over is asked none.
    fn ask(&mut self) {
        let values = &|name: &str| Some(Cow::Owned(name.to_string()));
        let stage = self.next;
        let client = &mut self.client;
        if stage == Stage::Unknown {
            self.messages += 1;
            self.next = Stage::Mail;
            // Some messages are given up.
            let asked = client.abort(NOW).and_then(|()| match self.messages {
                3 => client.quit(NOW),
                _ => client.unknown(NOW, b"XYZZY", values),
            });
            self.is_due = asked.is_ok();
        } else {
            let address = PeerAddress::Inet([192, 0, 2, 1].into(), 1);
            let asked = match stage {
                Stage::Connect => client.connect(NOW, &MilterPeer { hostname: None, address }, values),
                Stage::Helo => client.helo(NOW, "h", values),
                Stage::Mail => client.mail(NOW, &ReversePath::Null, &MailParameters::default(), values),
                Stage::Rcpt if self.messages == 1 => {
                    client.refused_rcpt(NOW, &ForwardPath::Postmaster, &RcptParameters::default(), values)
                }
                Stage::Rcpt => client.rcpt(NOW, &ForwardPath::Postmaster, &RcptParameters::default(), values),
                Stage::Data => client.data(NOW, values),
                Stage::Header => client.header(NOW, b"A", b" b\r\n c", values),
                Stage::EndOfHeader => client.end_of_header(NOW, values),
                Stage::Body => client.body(NOW, b"x\r\n", values),
                _ => client.end_of_message(NOW, values),
            };
            self.is_due = asked.is_ok();
            // Some steps come more than once, and a message may end early.
            let again = self.wish & 1 == 1
                && self.asked.is_multiple_of(2)
                && matches!(stage, Stage::Rcpt | Stage::Header | Stage::Body);
            let place = Stage::ALL.iter().position(|other| *other == stage).unwrap_or(0);
            self.next = match stage {
                Stage::Body if self.wish & 2 == 2 && self.messages == 1 => Stage::Unknown,
                _ if again => stage,
                _ => Stage::ALL[place + 1],
            };
        }
        self.asked += 1;
    }

    fn check_output(&self) {
        let mut input = InBuf::with_capacity(self.trace.output.len());
        input.push(&self.trace.output);
        while let Ok(Some(packet)) = next_packet(&mut input, 70_000) {
            assert!(MilterCommand::decode(&packet).is_ok(), "not a packet: {}", packet.escape_ascii());
        }
        assert!(input.is_empty(), "half a packet");
    }
}

/// A change can be made as it is.
fn check_change(change: &Change) {
    let syntax = AddressSyntax { utf8: true, lenient: false };
    match change {
        Change::AddHeader(field)
        | Change::InsertHeader { field, .. }
        | Change::ChangeHeader { field, .. } => check_field(field),
        Change::ChangeSender { path, .. } => {
            let written = path.to_string();
            assert!(
                ReversePath::parse_prefix(written.as_bytes(), syntax).is_ok_and(|(_, rest)| rest.is_empty())
            );
        }
        Change::AddRecipient { path, .. } | Change::DeleteRecipient(path) => {
            let written = path.to_string();
            assert!(
                ForwardPath::parse_prefix(written.as_bytes(), syntax).is_ok_and(|(_, rest)| rest.is_empty())
            );
        }
        Change::Quarantine(reason) => assert!(reason.bytes().all(|b| matches!(b, b' '..=b'~'))),
        Change::DeleteHeader { .. } | Change::ReplaceBody(_) => {}
    }
}

/// One field, whatever was in it: no line but the first begins without white space, and none is empty.
fn check_field(field: &MilterField) {
    let lines = field.octets().strip_suffix(b"\r\n").unwrap_or_else(|| panic!("no line end"));
    assert!(field.octets().starts_with(field.name().as_bytes()) && !field.name().is_empty());
    for (n, line) in lines.split(|octet| *octet == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        assert!(!line.contains(&b'\r') && !line.contains(&0) && !line.trim_ascii().is_empty());
        assert!(n == 0 || matches!(line.first(), Some(b' ' | b'\t')));
    }
}

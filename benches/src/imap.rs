//! FETCH commands for the parser, FETCH responses for the encoder, and a whole session of a mail reader.

use crate::NOW;
use crate::dot::sent;
use imap_proto::encode;
use imap_proto::framing::{self, FrameStep, Framer};
use imap_proto::parse;
use imap_proto::server::{Config, Event, Fetch, MessageData, Selected, Server};
use imap_proto::types::{Command, DateTime, FetchData, FetchItem, UntaggedResponse};
use mail_message::mime::{Limits, Scanner};
use mail_message::{Flag, FlagSet, Section, SeqNo, Uid, UidValidity};
use proto_core::sasl::AuthVerdict;
use proto_core::{Ask, InBuf, Machine, OutBuf, Step, UnixTime};
use std::sync::Arc;

/// FETCH as widely used clients say it: a survey of flags, a list view, a structure, a piece of a body.
pub const FETCHES: [&str; 6] = [
    "a1 UID FETCH 1:* (FLAGS)",
    "12 fetch 1:50 (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (From To Cc Bcc Subject Date Message-ID \
     Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To)])",
    "A142 UID FETCH 17,23,40:44,1001 (INTERNALDATE UID RFC822.SIZE FLAGS ENVELOPE BODYSTRUCTURE)",
    "9 UID fetch 4827313 (UID RFC822.SIZE BODY.PEEK[])",
    "0007 FETCH 2 BODY[1.2.TEXT]<0.65536>",
    "b FETCH 1:100 FULL",
];

/// Frames and parses one command line, CR LF at its end. What a line is and what it means are two steps.
pub fn parse(line: &[u8]) -> Command {
    let mut input = InBuf::with_capacity(FRAMING.line_bytes_max);
    let mut framer = Framer::new(FRAMING);
    assert_eq!(input.push(line), line.len());
    match framer.poll(&mut input) {
        Some(FrameStep::Command(frame)) => parse::command(&frame, &parse::Limits::default()).unwrap(),
        other => panic!("not a whole command: {other:?}"),
    }
}

const FRAMING: framing::Limits = framing::Limits {
    line_bytes_max: 65_536,
    literal_bytes_max: 65_536,
    command_bytes_max: 131_072,
    non_sync_bytes_max: u64::MAX,
    drain_bytes_max: 1 << 20,
};

/// A message and what a store knows of it.
#[derive(Debug, Clone)]
pub struct Stored {
    octets: Vec<u8>,
    data: MessageData,
    flags: FlagSet,
}

impl Stored {
    /// A message, scanned once as a store would.
    pub fn new(octets: Vec<u8>) -> Self {
        let mut scanner = Scanner::new(Limits::default());
        scanner.feed(&octets);
        let scanned = scanner.finish();
        let flags = [Flag::Seen, Flag::Answered, "$Forwarded".parse().unwrap()];
        let mut data = MessageData::default();
        data.internal_date = DateTime::from_unix(UnixTime(1_767_225_600));
        data.size = Some(octets.len() as u64);
        data.envelope = Some(Box::new(scanned.envelope.clone()));
        data.structure = Some(Box::new(scanned.body_structure()));
        Self { octets, data, flags: flags.into_iter().collect() }
    }
}

/// One FETCH response for the encoder: only flags, or what a list view asks for (ALL with UID).
pub fn response(message: &Stored, only_flags: bool) -> UntaggedResponse {
    let flags = FetchData::Flags { flags: message.flags.clone(), recent: false };
    let uid = FetchData::Uid(Uid::new(4_827_313).unwrap());
    let mut data = vec![flags, uid];
    if !only_flags {
        data.push(FetchData::InternalDate(message.data.internal_date.unwrap()));
        data.push(FetchData::Rfc822Size(message.data.size.unwrap()));
        data.push(FetchData::Envelope(message.data.envelope.clone().unwrap()));
    }
    UntaggedResponse::Fetch(SeqNo::new(1000).unwrap(), data)
}

/// Encodes a response; returns how many octets that makes.
pub fn encode(response: &UntaggedResponse, out: &mut OutBuf) -> u64 {
    encode::untagged(response, out);
    sent(out)
}

/// Messages of the mailbox in [`session`].
pub const MESSAGES: u32 = 1000;

/// The steps of a session, by name: each is sent when the one before was answered, as readers do.
pub const STEPS: [(&str, &str); 9] = [
    ("LOGIN", "1 LOGIN bob secret\r\n"),
    ("SELECT", "2 SELECT INBOX\r\n"),
    ("FETCH flags of 1,000", "3 UID FETCH 1:* (FLAGS)\r\n"),
    ("FETCH list view of 50", "4 FETCH 951:1000 (UID RFC822.SIZE INTERNALDATE FLAGS ENVELOPE)\r\n"),
    ("FETCH structure", "5 UID FETCH 1000 (BODYSTRUCTURE)\r\n"),
    ("FETCH a body", "6 UID FETCH 1000 (BODY.PEEK[])\r\n"),
    ("STORE", "7 UID STORE 1000 +FLAGS (\\Seen)\r\n"),
    ("NOOP", "8 NOOP\r\n"),
    ("LOGOUT", "9 LOGOUT\r\n"),
];

/// What a session came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Messages told of, in all FETCH responses together.
    pub responses: usize,
    /// Octets of output.
    pub output_octets: u64,
}

/// A configuration that takes a login without TLS.
pub fn config() -> Arc<Config> {
    let mut config = Config::new();
    config.allow_plaintext_auth = true;
    Arc::new(config)
}

/// A session from its greeting to its end, over a mailbox that holds the same message again and again.
pub fn session(config: &Arc<Config>, message: &Stored) -> Outcome {
    let (mut server, mut out) = (Server::new(config.clone()), OutBuf::new());
    let mut outcome = Outcome::default();
    exchange(&mut server, "", message, &mut out, &mut outcome);
    for (_, command) in STEPS {
        exchange(&mut server, command, message, &mut out, &mut outcome);
    }
    assert!(server.is_closed());
    outcome
}

/// What a driver does with one command.
pub fn exchange(
    server: &mut Server,
    command: &str,
    message: &Stored,
    out: &mut OutBuf,
    outcome: &mut Outcome,
) {
    assert_eq!(server.handle_input(NOW, command.as_bytes()), command.len());
    while let Some(step) = server.poll_event(NOW) {
        let Step::App(event) = step else { continue };
        match event {
            Event::Authenticate(ask) => server.answer(NOW, ask, AuthVerdict::Accept).unwrap(),
            Event::Select(ask) => server.answer(NOW, ask, Ok(selected())).unwrap(),
            Event::Fetch(ask) => fetch(server, ask, message, out, outcome),
            Event::Store(ask) => {
                for (_, uid) in ask.detail.messages.iter() {
                    server.stored(NOW, &ask, uid, message.flags.clone()).unwrap();
                }
                server.answer(NOW, ask, Ok(())).unwrap();
            }
            Event::Check(ask) => server.answer(NOW, ask, Ok(())).unwrap(),
            other => panic!("not in this session: {other:?}"),
        }
    }
    outcome.output_octets += transmit(server, out);
}

fn selected() -> Selected {
    let last = Uid::new(MESSAGES).unwrap();
    let uids = [Uid::MIN..=last].into_iter().collect();
    let mut selected = Selected::new(UidValidity::MIN, last.next().unwrap(), uids);
    selected.flags = ["$Forwarded".parse::<Flag>().unwrap()].into_iter().collect();
    selected.new_keywords = true;
    selected
}

fn fetch(server: &mut Server, ask: Ask<Fetch>, message: &Stored, out: &mut OutBuf, outcome: &mut Outcome) {
    let wants = |item| ask.detail.wants(&item);
    for (_, uid) in ask.detail.messages.iter() {
        // A store hands over what was asked for, no more.
        let mut data = MessageData::default();
        data.flags = wants(FetchItem::Flags).then(|| message.flags.clone());
        data.internal_date = message.data.internal_date;
        data.size = message.data.size;
        data.envelope = message.data.envelope.as_ref().filter(|_| wants(FetchItem::Envelope)).cloned();
        data.structure = message.data.structure.as_ref().filter(|_| wants(FetchItem::BodyStructure)).cloned();
        server.fetch(NOW, &ask, uid, data).unwrap();
        outcome.responses += 1;
        for item in ask.detail.sections() {
            let whole = matches!(item, FetchItem::Section { section, .. } if *section == Section::default());
            assert!(whole, "not in this session: {item:?}");
            let mut octets = &message.octets[..];
            server.section(NOW, &ask, Some(octets.len() as u64)).unwrap();
            while !octets.is_empty() {
                octets = &octets[server.write_body(NOW, octets)..];
                outcome.output_octets += transmit(server, out);
            }
        }
        if server.room() == 0 {
            outcome.output_octets += transmit(server, out);
        }
    }
    server.answer(NOW, ask, Ok(())).unwrap();
}

fn transmit(server: &mut Server, out: &mut OutBuf) -> u64 {
    while server.poll_transmit(out) {}
    sent(out)
}

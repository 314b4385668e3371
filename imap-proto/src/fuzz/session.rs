//! A whole session on any octets, its questions answered from nothing but themselves.

use crate::server::{
    Appended, Config, Copied, Event, MessageData, NonSyncLiterals, Refusal, Selected, Server, TlsMode,
};
use crate::types::{DateTime, FetchItem, ListData, MailboxName};
use crate::view::Change;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write as _;
use mail_message::mime::{Limits, Scanner};
use mail_message::{Flag, FlagSet, Uid, UidSet, UidValidity};
use proto_core::sasl::{AuthVerdict, Mechanism};
use proto_core::{CallerFault, Instant, Machine, Now, OutBuf, Step, TlsInfo, UnixTime};

/// Runs a session on `octets` whole and cut into pieces: it never panics, tells and sends the same, and ends when its
/// input does. The first octet chooses the configuration and whether somebody is logged in already.
pub fn fuzz_session(octets: &[u8]) {
    let (choice, octets) = octets.split_first().map_or((0, octets), |(&first, rest)| (first, rest));
    let whole = run(choice, octets, octets.len().max(1));
    for piece_bytes in [1, 2, 7] {
        let cut = run(choice, octets, piece_bytes);
        assert!(cut == whole, "the cut into {piece_bytes} octets changed the session");
    }
}

/// What a session told and sent.
#[derive(Debug, Default, PartialEq, Eq)]
struct Trace {
    events: String,
    sent: Vec<u8>,
}

fn run(choice: u8, octets: &[u8], piece_bytes: usize) -> Trace {
    let mut config = Config::new();
    config.mechanisms = Vec::from([Mechanism::Plain, Mechanism::Login]);
    config.allow_plaintext_auth = choice & 1 == 0;
    config.tls = if choice & 2 == 0 { TlsMode::None } else { TlsMode::StartTls };
    config.non_sync_literals = if choice & 4 == 0 { NonSyncLiterals::Plus } else { NonSyncLiterals::Minus };
    // Small, so that short inputs reach what is beyond them.
    config.limits.output_bytes_max = 64;
    config.limits.line_bytes_max = 400;
    config.limits.line_bytes_pre_auth_max = 300;
    config.limits.literal_bytes_max = 100;
    config.limits.message_bytes_max = 200;
    config.limits.drain_bytes_max = 1000;
    let mut host = Host {
        server: Server::new(Arc::new(config)),
        trace: Trace::default(),
        answers: 0,
        uid_next: 10,
        secured: false,
    };
    host.pump();
    if choice & 8 != 0 {
        host.give(b"x LOGIN {1+}\r\nu p\r\nx SELECT INBOX\r\n", usize::MAX);
    }
    host.give(octets, piece_bytes);
    host.server.handle_eof(NOW);
    host.pump();
    assert!(host.server.is_closed(), "the input has ended and the session has not");
    assert!(host.server.poll_timeout().is_none() && !host.server.wants_input());
    host.trace
}

const NOW: Now = Now::new(Instant::ORIGIN, UnixTime(1_767_225_600));

/// Driver and application in one.
struct Host {
    server: Server,
    trace: Trace,
    answers: u32,
    uid_next: u32,
    /// STARTTLS was said: whatever else is in the input was sent before the handshake, and nobody reads it.
    secured: bool,
}

impl Host {
    fn give(&mut self, octets: &[u8], piece_bytes: usize) {
        for piece in octets.chunks(piece_bytes.min(octets.len().max(1))) {
            let mut rest = piece;
            while !rest.is_empty() && !self.secured && self.server.wants_input() {
                let taken = self.server.handle_input(NOW, rest);
                assert!(taken > 0, "it wants input and takes none");
                rest = &rest[taken..];
                self.pump();
            }
        }
    }

    fn pump(&mut self) {
        loop {
            let mut moved = false;
            while let Some(step) = self.server.poll_event(NOW) {
                moved = true;
                match step {
                    Step::App(Event::AppendChunk(chunk)) => {
                        self.trace.events.extend(chunk.iter().map(|&c| c as char))
                    }
                    Step::App(event) => {
                        // Writing into a string cannot fail.
                        let _ = writeln!(self.trace.events, "\n{event:?}");
                        self.answer(event).expect("invariant: the host keeps the contract");
                    }
                    Step::StartTls => {
                        self.secured = true;
                        self.server.handle_tls(NOW, TlsInfo::default());
                    }
                    Step::Compress => {}
                    Step::Closed(reason) => {
                        let _ = writeln!(self.trace.events, "\n{reason}");
                    }
                }
            }
            if !self.send() && !moved {
                return;
            }
        }
    }

    fn send(&mut self) -> bool {
        let mut out = OutBuf::new();
        while self.server.poll_transmit(&mut out) {}
        self.trace.sent.extend_from_slice(out.as_slice());
        !out.is_empty()
    }

    /// Yes, mostly; the third NO, and every third answer brings news.
    fn answer(&mut self, event: Event) -> Result<(), CallerFault> {
        self.answers += 1;
        let turn = self.answers % 3;
        if turn == 1 {
            self.news()?;
        }
        let plain = || if turn == 0 { Err(Refusal::NonExistent) } else { Ok(()) };
        let server = &mut self.server;
        match event {
            Event::Authenticate(ask) => server.answer(NOW, ask, AuthVerdict::Accept),
            Event::List(ask) => {
                let mailbox = MailboxName::inbox();
                server.listed(NOW, &ask, ListData { attributes: Vec::new(), mailbox })?;
                server.answer(NOW, ask, plain())
            }
            Event::Subscribe(ask) => server.answer(NOW, ask, plain()),
            Event::Unsubscribe(ask) => server.answer(NOW, ask, plain()),
            Event::Create(ask) => server.answer(NOW, ask, plain()),
            Event::Delete(ask) => server.answer(NOW, ask, plain()),
            Event::Rename(ask) => server.answer(NOW, ask, plain()),
            Event::Check(ask) => server.answer(NOW, ask, plain()),
            Event::Close(ask) => server.answer(NOW, ask, plain()),
            Event::AppendBegin(ask) => server.answer(NOW, ask, plain()),
            Event::Status(ask) => {
                let items = ask.detail.items.iter().map(|&item| (item, 1)).collect();
                server.answer(NOW, ask, Ok(items))
            }
            Event::Select(ask) => {
                self.uid_next = 10;
                server.answer(NOW, ask, Ok(mailbox()))
            }
            Event::Search(ask) => server.answer(NOW, ask, Ok(mailbox().uids)),
            Event::Expunge(ask) => {
                let gone = ask.detail.uids.clone().unwrap_or_else(|| uids(&[4]));
                server.answer(NOW, ask, Ok(gone))
            }
            Event::Copy(ask) => {
                let from = ask.detail.messages.uids();
                let copied = Copied { uid_validity: UidValidity::MIN, to: from.clone(), from };
                server.answer(NOW, ask, Ok(Some(copied)))
            }
            Event::AppendEnd(ask) => {
                let appended = Appended { uid_validity: UidValidity::MIN, uid: Uid::MIN };
                server.answer(NOW, ask, Ok(Some(appended)))
            }
            Event::Store(ask) => {
                for (_, uid) in ask.detail.messages.iter() {
                    server.stored(NOW, &ask, uid, ask.detail.flags.clone())?;
                }
                server.answer(NOW, ask, Ok(()))
            }
            Event::Fetch(ask) => {
                for (seq, uid) in ask.detail.messages.iter() {
                    if seq.get() % 3 == 0 {
                        self.server.gone(NOW, &ask, uid)?;
                        continue;
                    }
                    self.server.fetch(NOW, &ask, uid, message(ask.detail.wants(&FetchItem::Flags)))?;
                    for index in 0..ask.detail.sections().count() {
                        let body: &[u8] = b"body of some octets";
                        if index % 3 == 2 {
                            self.server.section(NOW, &ask, None)?;
                            continue;
                        }
                        self.server.section(NOW, &ask, Some(body.len() as u64))?;
                        let mut rest = body;
                        while !rest.is_empty() {
                            let taken = self.server.write_body(NOW, rest);
                            rest = &rest[taken..];
                            self.send();
                        }
                    }
                }
                self.server.answer(NOW, ask, Ok(()))
            }
            _ => Ok(()),
        }
    }

    fn news(&mut self) -> Result<(), CallerFault> {
        let change = match self.answers % 9 {
            1 if self.server.is_selected() => {
                self.uid_next += 1;
                Change::New { uids: uids(&[self.uid_next]), recent: true }
            }
            4 => Change::Flags { uid: Uid::MIN, flags: [Flag::Seen].into_iter().collect() },
            _ => Change::Vanished { uids: uids(&[2, self.uid_next]) },
        };
        self.server.notify(NOW, change)
    }
}

fn uids(raw: &[u32]) -> UidSet {
    raw.iter().filter_map(|&raw| Uid::new(raw)).collect()
}

fn mailbox() -> Selected {
    Selected {
        uid_validity: UidValidity::MIN,
        uid_next: Uid(core::num::NonZeroU32::MIN.saturating_add(9)),
        uids: uids(&[1, 2, 4, 5, 6, 9]),
        recent: uids(&[9]),
        first_unseen: Some(Uid::MIN),
        flags: FlagSet::new(),
        permanent_flags: FlagSet::new(),
        new_keywords: true,
        read_only: false,
    }
}

fn message(flags: bool) -> MessageData {
    let mut scanner = Scanner::new(Limits::default());
    scanner.feed(b"Subject: x\r\n\r\nbody\r\n");
    let scanned = scanner.finish();
    MessageData {
        flags: flags.then(FlagSet::new),
        internal_date: DateTime::from_unix(NOW.utc),
        size: Some(20),
        structure: Some(Box::new(scanned.body_structure())),
        envelope: Some(Box::new(scanned.envelope)),
    }
}

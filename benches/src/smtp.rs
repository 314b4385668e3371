//! Command lines for the grammar, and whole server sessions that bring mail.

use crate::NOW;
use crate::dot::{PIECE_BYTES, sent, to_wire};
use proto_core::{Machine, OutBuf, Step};
use smtp_proto::command::{self, Grammar, Verb};
use smtp_proto::parameter::Extensions;
use smtp_proto::server::{Config, Event, Peer, QueueId, Server, Verdict};
use std::hint::black_box;
use std::sync::Arc;

/// A mix as servers see it: most of what is worth a grammar is MAIL and RCPT, in the forms that senders have.
pub const COMMANDS: [&str; 16] = [
    "EHLO mail-lf1-f47.example.net",
    "MAIL FROM:<bounces+2841093-8d1f-bob=example.test@em1234.example.net> SIZE=48213 BODY=8BITMIME",
    "RCPT TO:<bob@example.test>",
    "DATA",
    "MAIL FROM:<alice@example.net>",
    "RCPT TO:<bob@example.test>",
    "RCPT TO:<carol.longer-name@sub.domain.example.test>",
    "RCPT TO:<\"quoted part\"@example.test>",
    "DATA",
    "RSET",
    "mail from: <alice@example.net> size=1000",
    "rcpt to:<postmaster>",
    "DATA",
    "MAIL FROM:<>",
    "RCPT TO:<user@[192.0.2.7]>",
    "QUIT",
];

/// A group of commands as it comes from the wire, in forms that every parser takes: each line ends in CR LF.
pub const GROUP: &[u8] = b"EHLO mail-lf1-f47.example.net\r\n\
    AUTH PLAIN AGFsaWNlAHNlY3JldA==\r\n\
    MAIL FROM:<bounces+2841093-8d1f-bob=example.test@em1234.example.net> SIZE=48213 BODY=8BITMIME\r\n\
    RCPT TO:<bob@example.test>\r\n\
    RCPT TO:<carol.longer-name@sub.domain.example.test> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;carol@example.test\r\n\
    DATA\r\n\
    RSET\r\n\
    MAIL FROM:<alice@example.net> RET=HDRS ENVID=QQ314159\r\n\
    RCPT TO:<dave@example.test>\r\n\
    BDAT 48213 LAST\r\n\
    NOOP\r\n\
    MAIL FROM:<>\r\n\
    RCPT TO:<postmaster@example.test>\r\n\
    DATA\r\n\
    MAIL FROM:<erin@example.org> SIZE=2048\r\n\
    RCPT TO:<bob@example.test>\r\n\
    DATA\r\n\
    QUIT\r\n";

/// Lines in [`GROUP`].
pub const GROUP_LINES: usize = 18;

/// Cuts a group into lines and has each read; returns how many there were.
pub fn parse_group(group: &[u8], read: impl Fn(&[u8])) -> usize {
    let (mut rest, mut lines) = (group, 0);
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let line = rest[..end].strip_suffix(b"\r").unwrap();
        read(line);
        rest = &rest[end + 1..];
        lines += 1;
    }
    lines
}

/// The grammar of a session with all extensions.
pub fn grammar() -> Grammar<'static> {
    let mut extensions = Extensions::ALL;
    extensions.size_max = Some(52_428_800);
    Grammar { lenient: true, origin: "mx.example.test", extensions }
}

/// Reads one command line as far as its grammar goes; the path is left where it lies.
pub fn parse(line: &[u8], grammar: &Grammar<'_>) {
    let (verb, arguments) = command::split(line);
    match verb {
        Verb::Mail => assert!(black_box(&command::mail(arguments, grammar)).is_ok()),
        Verb::Rcpt => assert!(black_box(&command::rcpt(arguments, grammar)).is_ok()),
        other => drop(black_box((other, arguments))),
    }
}

/// [`parse`], and a path of its own for whoever keeps it, as a session does.
pub fn parse_owned(line: &[u8], grammar: &Grammar<'_>) {
    let (verb, arguments) = command::split(line);
    match verb {
        Verb::Mail => {
            let (path, parameters) = &command::mail(arguments, grammar).unwrap();
            black_box((&path.into_owned(), parameters));
        }
        Verb::Rcpt => {
            let (path, parameters) = &command::rcpt(arguments, grammar).unwrap();
            black_box((&path.into_owned(), parameters));
        }
        other => drop(black_box((other, arguments))),
    }
}

/// What a session came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Messages accepted.
    pub messages: usize,
    /// Octets of their bodies, decoded.
    pub body_octets: u64,
    /// Octets of replies.
    pub reply_octets: u64,
    /// How often the driver would have written.
    pub writes: usize,
}

/// The segments of a client that pipelines as RFC 2920 permits: a group ends with EHLO, with DATA, and with the end of
/// the session; the end of a message and the next MAIL go together.
pub fn segments(messages: usize, message: &[u8]) -> Vec<Vec<u8>> {
    let wire = to_wire(message);
    let mut segments = vec![b"EHLO client.example.net\r\n".to_vec(), Vec::new()];
    for _ in 0..messages {
        let size = message.len();
        let envelope =
            format!("MAIL FROM:<alice@example.net> SIZE={size}\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n");
        segments.last_mut().unwrap().extend_from_slice(envelope.as_bytes());
        segments.push(wire.clone());
    }
    segments.last_mut().unwrap().extend_from_slice(b"QUIT\r\n");
    segments
}

/// The same with BDAT, which lets a client send the message without waiting (RFC 3030 section 4.2): one segment after EHLO.
pub fn chunked_segments(messages: usize, message: &[u8]) -> Vec<Vec<u8>> {
    let mut group = Vec::new();
    for _ in 0..messages {
        let size = message.len();
        let envelope = format!(
            "MAIL FROM:<alice@example.net> SIZE={size}\r\nRCPT TO:<bob@example.test>\r\nBDAT {size} LAST\r\n"
        );
        group.extend_from_slice(envelope.as_bytes());
        group.extend_from_slice(message);
    }
    group.extend_from_slice(b"QUIT\r\n");
    vec![b"EHLO client.example.net\r\n".to_vec(), group]
}

/// A configuration without a limit on the size of messages.
pub fn config() -> Arc<Config> {
    let mut config = Config::new("mx.example.test").unwrap();
    config.limits.message_bytes_max = 0;
    Arc::new(config)
}

/// A session from its greeting to its end.
pub fn session(config: &Arc<Config>, segments: &[Vec<u8>]) -> Outcome {
    let mut server = Server::new(NOW, config.clone(), Peer::new([192, 0, 2, 7].into()));
    let (mut out, mut outcome) = (OutBuf::new(), Outcome::default());
    exchange(&mut server, &[], &mut out, &mut outcome);
    for segment in segments {
        exchange(&mut server, segment, &mut out, &mut outcome);
    }
    assert!(server.is_closed());
    outcome
}

/// What a driver does with one segment, read in pieces.
pub fn exchange(server: &mut Server, segment: &[u8], out: &mut OutBuf, outcome: &mut Outcome) {
    let mut rest = segment;
    loop {
        while let Some(step) = server.poll_event(NOW) {
            if let Step::App(event) = step {
                answer(server, event, outcome);
            }
        }
        while server.poll_transmit(out) {}
        outcome.writes += usize::from(!out.is_empty());
        outcome.reply_octets += sent(out);
        if rest.is_empty() || !server.wants_input() {
            assert!(rest.is_empty() || server.is_closed());
            return;
        }
        let piece = &rest[..rest.len().min(PIECE_BYTES)];
        rest = &rest[server.handle_input(NOW, piece)..];
    }
}

fn answer(server: &mut Server, event: Event, outcome: &mut Outcome) {
    let yes = Verdict::Accept(());
    match event {
        Event::Connect(ask) => server.answer(NOW, ask, yes).unwrap(),
        Event::Hello(ask) => server.answer(NOW, ask, yes).unwrap(),
        Event::Mail(ask) => server.answer(NOW, ask, yes).unwrap(),
        Event::Rcpt(ask) => server.answer(NOW, ask, yes).unwrap(),
        Event::Data(ask) => server.answer(NOW, ask, yes).unwrap(),
        Event::Body(body) => outcome.body_octets += body.len() as u64,
        Event::EndOfData(ask) => {
            outcome.messages += 1;
            let id = QueueId::new("4XyzAB").unwrap();
            server.answer(NOW, ask, Verdict::Accept(id).into()).unwrap();
        }
        other => panic!("not in these sessions: {other:?}"),
    }
}

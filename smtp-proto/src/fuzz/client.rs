//! The client's fuzz targets: what a server may say, as single replies and as a whole session.

use super::NOW;
use crate::client::{
    BodyFault, Client, ClientConfig, ClientEvent, ClientFailure, ClientProtocol, ClientTls, Envelope,
    LongLines, Outcome, ReplyParser, Report, Xforward,
};
use crate::parameter::{Extensions, MailParameters, RcptParameters};
use alloc::sync::Arc;
use alloc::vec::Vec;
use proto_core::address::{AddressSyntax, DomainName, ForwardPath, Mailbox, ReversePath};
use proto_core::dot::EncodePolicy;
use proto_core::sasl::ClientCredentials;
use proto_core::{CloseReason, Machine, OutBuf, Step, TlsInfo};

/// Any octets as reply lines: no panic, no unbounded memory.
///
/// # Panics
/// When that is not so.
pub fn fuzz_reply(data: &[u8]) {
    let mut parser = ReplyParser::new();
    for line in data.split(|b| *b == b'\n') {
        match parser.line(line, 10, 1000) {
            Ok(Some(reply)) => assert!(reply.text().len() <= 1000 && (200..600).contains(&reply.code())),
            Ok(None) => {}
            Err(_) => break,
        }
    }
}

/// Any octets as all that a server says in a session. The first two octets choose the configuration and what the
/// application wants, the third how the rest is cut; cut that way and octet by octet, events and output are the same.
/// There is one report for each message and one outcome for each recipient, and all output is commands and messages.
///
/// # Panics
/// When that is not so.
pub fn fuzz_client(data: &[u8]) {
    let [choice, wish, cut, input @ ..] = data else { return };
    let one = Session::run(*choice, *wish, input, 1);
    check_output(&one.output);
    // What follows the reply to STARTTLS in the same segment is an attack, and in the next one lost. And a reply that
    // comes before a piece of the message could be written comes before or after it as the octets are cut.
    if choice & (TLS | TINY) == 0 {
        let other = Session::run(*choice, *wish, input, usize::from(*cut).max(1));
        assert!(
            other.is_as_far_as_it_goes(&one, ends_within_a_reply(input)),
            "cut {cut}: not the same as octet by octet"
        );
    }
}

/// Whether the last line is not whole, or says that another follows.
fn ends_within_a_reply(input: &[u8]) -> bool {
    let last = input.strip_suffix(b"\n").and_then(|lines| lines.rsplit(|octet| *octet == b'\n').next());
    last.is_none_or(|line| line.get(3) == Some(&b'-'))
}

const LMTP: u8 = 1;
const TLS: u8 = 2;
const LOGIN: u8 = 4;
const NO_CHUNKS: u8 = 8;
const REPAIR: u8 = 16;
const TINY: u8 = 32;
const PLAIN: u8 = 64;
const SHUTDOWN: u8 = 128;

struct Session {
    client: Client,
    /// Which commands come before the messages, a bit each.
    wish: u8,
    plain: bool,
    messages: u8,
    body: Option<&'static [u8]>,
    open: usize,
    /// A letter for each event.
    events: Vec<u8>,
    /// It ended because of a reply that should not have come then.
    distrusts: bool,
    output: Vec<u8>,
}

impl Session {
    fn run(choice: u8, wish: u8, input: &[u8], cut: usize) -> Self {
        let on = |bit: u8| choice & bit != 0;
        let mut config = ClientConfig::new("fuzz.test").expect("invariant: a host name");
        config.protocol = if on(LMTP) { ClientProtocol::Lmtp } else { ClientProtocol::Smtp };
        config.tls = if on(TLS) { ClientTls::Opportunistic } else { ClientTls::None };
        config.allow_plaintext_auth = true;
        if on(LOGIN) {
            config.credentials = Some(ClientCredentials::password("u", "p"));
        }
        config.chunking = !on(NO_CHUNKS);
        config.bare_line_ends = if on(REPAIR) { EncodePolicy::Repair } else { EncodePolicy::Refuse };
        config.long_lines = if on(REPAIR) { LongLines::Pass } else { LongLines::Refuse };
        if on(TINY) {
            config.limits.chunk_bytes_max = 3;
            config.limits.pipelined_commands_max = 3;
            config.limits.output_bytes_max = 8;
        }
        let mut session = Self {
            client: Client::new(NOW, Arc::new(config)),
            wish,
            plain: on(PLAIN),
            messages: 0,
            body: None,
            open: 0,
            events: Vec::new(),
            distrusts: false,
            output: Vec::new(),
        };
        for (at, chunk) in input.chunks(cut).enumerate() {
            let mut rest = chunk;
            while !rest.is_empty() && session.client.wants_input() {
                rest = &rest[session.client.handle_input(NOW, rest)..];
                session.pump();
            }
            if on(SHUTDOWN) && on(TLS) && at == 100 {
                session.client.handle_shutdown(NOW);
            }
        }
        session.client.handle_eof(NOW);
        session.client.handle_tls(NOW, TlsInfo::default());
        session.pump();
        let over = session.client.is_closed() && session.client.poll_timeout().is_none();
        assert!(over && session.open == 0, "the end of input ends a session, and each message has a report");
        session
    }

    /// Whether this session is the other, or ended where the other went on, by a line that had come before the question that
    /// it answers there: a reply that nobody asked for, no reply at all, the server's goodbye, or the beginning of any when
    /// the input ends within a reply.
    fn is_as_far_as_it_goes(&self, other: &Self, ends_within_a_reply: bool) -> bool {
        let same = self.events.iter().zip(&other.events).take_while(|(a, b)| a == b).count();
        let faults = if ends_within_a_reply { &b"dusfc"[..] } else { b"dusc" };
        let ending = self.events[same..].iter().all(|event| faults.contains(event));
        let why = self.events.iter().rfind(|event| !b"dc".contains(event));
        let is_told = self.distrusts || why.is_some_and(|why| faults[1..].contains(why));
        let early = ending && self.events.ends_with(b"c") && is_told;
        (early || self.events == other.events) && other.output.starts_with(&self.output)
    }

    /// Steps, the message and output, until nothing moves.
    fn pump(&mut self) {
        loop {
            let mut moved = false;
            while let Some(step) = self.client.poll_event(NOW) {
                moved = true;
                match step {
                    Step::App(event) => self.event(event),
                    Step::StartTls => self.client.handle_tls(NOW, TlsInfo::default()),
                    Step::Closed(reason) => {
                        self.distrusts = matches!(reason, CloseReason::Protocol(_));
                        self.events.push(b'c');
                    }
                    Step::Compress => panic!("SMTP has no compression"),
                }
            }
            moved |= self.write_body();
            let mut out = OutBuf::new();
            while self.client.poll_transmit(&mut out) {}
            self.output.extend_from_slice(out.as_slice());
            if !moved {
                return;
            }
        }
    }

    /// As much of the message as there is room for.
    fn write_body(&mut self) -> bool {
        let mut moved = false;
        while let Some(body) = self.body.filter(|_| self.client.body_room() > 0) {
            moved = true;
            self.write(body);
        }
        moved
    }

    fn write(&mut self, body: &'static [u8]) {
        let room = self.client.body_room();
        if body.is_empty() {
            self.body = None;
            assert_ne!(self.client.finish(NOW), Err(BodyFault::NotDue));
            return;
        }
        match self.client.write_body(NOW, &body[..body.len().min(5)]) {
            Ok(taken) => {
                assert!((1..=room).contains(&taken), "there was room");
                self.body = Some(&body[taken..]);
            }
            Err(fault) => {
                assert_ne!(fault, BodyFault::NotDue);
                self.body = None;
            }
        }
    }

    fn event(&mut self, event: ClientEvent) {
        let letter = match event {
            ClientEvent::Ready => {
                self.ready();
                b'r'
            }
            ClientEvent::SendBody => {
                self.body = Some(BODIES[usize::from(self.messages) % BODIES.len()]);
                self.write_body();
                b'b'
            }
            ClientEvent::Verdict { .. } => b'v',
            ClientEvent::Done(report) => {
                self.done(&report);
                b'd'
            }
            ClientEvent::Replied(_) => b'p',
            ClientEvent::ServiceClosing(_) => b's',
            ClientEvent::Failed(ClientFailure::Unexpected(_) | ClientFailure::Reply(_)) => b'u',
            ClientEvent::Failed(_) => b'f',
            ClientEvent::Forwarded { .. } => b'o',
        };
        self.events.push(letter);
    }

    /// The commands that are wished for, each once, then messages.
    fn ready(&mut self) {
        let (client, wish) = (&mut self.client, self.wish);
        self.wish &= wish.wrapping_sub(1);
        let mailbox: Mailbox = "a@b".parse().expect("invariant: a mailbox");
        let domain = DomainName::parse(b"b", AddressSyntax::STRICT).expect("invariant: a domain");
        let source = Xforward { name: Some("\r\nQUIT".into()), ..Xforward::default() };
        let said = match wish & wish.wrapping_neg() {
            1 => client.noop(NOW),
            2 => client.help(NOW),
            4 => client.vrfy(NOW, &mailbox),
            8 => client.expn(NOW, &mailbox),
            16 => client.etrn(NOW, &domain),
            32 => client.xforward(NOW, &source),
            _ => return self.send(mailbox),
        };
        if said.is_err() {
            self.send(mailbox);
        }
    }

    fn send(&mut self, mailbox: Mailbox) {
        let recipients = [ForwardPath::Postmaster, ForwardPath::Mailbox(mailbox)];
        let mut envelope = Envelope::new(ReversePath::Null, recipients);
        self.messages = self.messages.wrapping_add(1);
        if !self.plain {
            let mail = b"SIZE=4 BODY=8BITMIME AUTH=<> RET=FULL ENVID=x REQUIRETLS BY=9;N MT-PRIORITY=1 PRDR";
            let rcpt = b"NOTIFY=NEVER ORCPT=rfc822;x RRVS=2020-01-01T00:00:00Z;C";
            envelope.parameters =
                MailParameters::parse(mail, &Extensions::ALL).expect("invariant: parameters");
            envelope.recipients[0].parameters =
                RcptParameters::parse(rcpt, &Extensions::ALL).expect("invariant: parameters");
        }
        match self.client.send(NOW, envelope) {
            Ok(()) => self.open += 1,
            Err(_) => drop(self.client.quit(NOW)),
        }
    }

    fn done(&mut self, report: &Report) {
        self.open -= 1;
        self.body = None;
        assert_eq!(report.outcomes.len(), 2, "an outcome for each recipient");
        for outcome in &report.outcomes {
            match outcome {
                Outcome::Sent(reply) => assert!(reply.is_positive()),
                Outcome::Temporary(failure) => assert_eq!(failure.status.class(), 4),
                Outcome::Permanent(failure) => {
                    assert!(failure.reply.as_ref().is_some_and(|reply| reply.is_permanent()));
                }
                Outcome::Aborted => {}
            }
        }
    }
}

/// Lines of messages are one of a few, so that whatever else stands in the output is seen.
const BODIES: [&[u8]; 4] = [b".\r\nx", b"", b"x\nx\r\n", b"x\r\nx\r\nx\r\n.\r\nx\r\n"];

/// Commands, each one of ours, and the lines of our messages; nothing between them.
fn check_output(mut output: &[u8]) {
    while let Some(end) = memchr::memchr(b'\n', output) {
        let (line, rest) = output.split_at(end + 1);
        output = rest;
        let line = line.strip_suffix(b"\r\n").unwrap_or_else(|| panic!("a line that ends in LF alone"));
        assert!(!line.iter().any(u8::is_ascii_control), "a control character in a command");
        if let Some(chunk) = line.strip_prefix(b"BDAT ") {
            let digits = chunk.strip_suffix(b" LAST").unwrap_or(chunk);
            let bytes = core::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
            let bytes: usize = bytes.unwrap_or_else(|| panic!("a chunk without a size"));
            // The session may have ended in the middle, but chunks leave whole.
            output = output.get(bytes..).unwrap_or_else(|| panic!("a chunk is shorter than was said"));
            continue;
        }
        let known = COMMANDS.iter().any(|command| line.starts_with(command.as_bytes()));
        assert!(known || LINES.contains(&line), "not ours: {}", line.escape_ascii());
    }
    // A message of DATA that was given up ends anywhere.
    assert!(matches!(output, b"" | b"x" | b"." | b".."), "half a line: {}", output.escape_ascii());
}

const COMMANDS: [&str; 17] = [
    "EHLO fuzz.test",
    "HELO fuzz.test",
    "LHLO fuzz.test",
    "STARTTLS",
    "AUTH ",
    "MAIL FROM:<>",
    "RCPT TO:<Postmaster>",
    "RCPT TO:<a@b>",
    "DATA",
    "RSET",
    "QUIT",
    "NOOP",
    "HELP",
    "VRFY a@b",
    "EXPN a@b",
    "ETRN b",
    "XFORWARD ",
];

/// Lines of messages, and of a login with our credentials.
const LINES: [&[u8]; 8] = [b"x", b"..", b".", b"*", b"dQ==", b"cA==", b"AHUAcA==", b""];

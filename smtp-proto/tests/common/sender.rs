//! The application over the client in tests: it sends what it was given and notes what became of it.

#![allow(dead_code, clippy::unwrap_used)]

use proto_core::address::{AddressSyntax, DomainName, ForwardPath, ReversePath};
use proto_core::dot::EncodePolicy;
use proto_core::sasl::{ClientCredentials, Mechanism, Nonces};
use proto_core::{Now, TlsInfo};
use smtp_proto::client::*;
use smtp_proto::parameter::{BodyKind, Extensions, MailParameters, RcptParameters};
use std::collections::VecDeque;
use std::sync::Arc;
use testkit::{Fixture, Log, Setup};

pub(crate) fn envelope(from: &str, to: &[&str]) -> Envelope {
    let syntax = AddressSyntax { utf8: true, lenient: false };
    let reverse = format!("<{from}>");
    let recipients =
        to.iter().map(|to| ForwardPath::parse_prefix(format!("<{to}>").as_bytes(), syntax).unwrap().0);
    Envelope::new(ReversePath::parse_prefix(reverse.as_bytes(), syntax).unwrap().0, recipients)
}

#[derive(Debug, Default)]
pub(crate) struct Sender {
    log: Log,
    /// What is to be sent, oldest first; the body is written in pieces of this size.
    pub(crate) mails: VecDeque<(Envelope, Vec<u8>)>,
    pub(crate) piece: usize,
    pub(crate) abort: bool,
    /// Writes one piece and no more.
    pub(crate) slow: bool,
    pub(crate) keep_open: bool,
    /// The `tls-exporter` binding that a handshake brings.
    pub(crate) exporter: Option<Vec<u8>>,
    /// Commands to give before the mails are sent, in this order.
    pub(crate) commands: VecDeque<String>,
    body: Option<Vec<u8>>,
    /// Told before the report.
    verdicts: Vec<(usize, Outcome)>,
    pub(crate) reports: Vec<Report>,
    pub(crate) failures: Vec<ClientFailure>,
}

/// A client and its application from a transcript's options: `to` (comma separated), `from`, `body`, `size`.
pub(crate) fn make(setup: &Setup) -> (Client, Sender) {
    let me = format!("{}.{}", setup.var("me"), setup.var("dom"));
    let mut config = ClientConfig::new(me).unwrap();
    match setup.option("tls") {
        Some("none") | None => config.tls = ClientTls::None,
        Some("opportunistic") => {}
        Some("required") => config.tls = ClientTls::Required,
        other => panic!("{other:?}"),
    }
    match setup.option("bare") {
        None => {}
        Some("repair") => config.bare_line_ends = EncodePolicy::Repair,
        other => panic!("{other:?}"),
    }
    if setup.option("protocol") == Some("lmtp") {
        config.protocol = ClientProtocol::Lmtp;
    }
    config.chunking = setup.option("chunking") != Some("off");
    config.ascii_as_seven_bit = setup.option("ascii") == Some("7bit");
    if setup.option("long_lines") == Some("refuse") {
        config.long_lines = LongLines::Refuse;
    }
    let number = |name| setup.option(name).map(|n| n.parse::<usize>().unwrap());
    config.limits.chunk_bytes_max = number("chunk").unwrap_or(config.limits.chunk_bytes_max);
    config.limits.pipelined_commands_max = number("at_once").unwrap_or(100);
    if setup.option("auth") == Some("clear") {
        config.allow_plaintext_auth = true;
    }
    if setup.option("auth").is_some() {
        let account = setup.option("account").and_then(|account| account.split_once('/'));
        let (user, secret) = account.unwrap_or_else(|| (setup.var("user"), setup.var("password")));
        config.credentials = Some(match setup.option("credentials") {
            Some("token") => ClientCredentials::token(user, secret),
            _ => ClientCredentials::password(user, secret),
        });
    }
    if let Some(names) = setup.option("mechanisms") {
        let mechanism = |name: &str| Mechanism::from_name(name.as_bytes()).unwrap();
        config.mechanisms = Some(names.split(',').map(mechanism).collect());
    }
    if setup.option("server") == Some("named") {
        config.server_host = Some(setup.var("host").to_owned());
        config.server_port = Some(587);
    }
    let dom = setup.var("dom");
    let to: Vec<String> = setup
        .option("to")
        .unwrap_or("ok")
        .split(',')
        .map(|name| format!("{}@{dom}", setup.var(name)))
        .collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let from = match setup.option("sender") {
        Some("null") => String::new(),
        _ => format!("{}{}@{dom}", setup.option("accent").unwrap_or_default(), setup.var("from")),
    };
    let mut envelope = envelope(&from, &to);
    if let Some(text) = setup.option("mail") {
        envelope.parameters = MailParameters::parse(text.as_bytes(), &Extensions::ALL).unwrap();
    }
    if let Some(text) = setup.option("rcpt") {
        envelope.recipients[0].parameters = RcptParameters::parse(text.as_bytes(), &Extensions::ALL).unwrap();
    }
    if let Some(size) = number("size") {
        envelope.parameters.size = Some(size as u64);
    }
    if setup.option("eight_bit").is_some() {
        envelope.parameters.body = BodyKind::EightBitMime;
    }
    let mut body = setup.option("body").unwrap_or("hi\\n").to_owned();
    for (written, octets) in [("\\n", "\r\n"), ("\\l", "\n"), ("\\r", "\r"), ("\\0", "\0")] {
        body = body.replace(written, octets);
    }
    let body = body.repeat(number("times").unwrap_or(1)).into_bytes();
    let sender = Sender {
        mails: vec![(envelope, body); number("mails").unwrap_or(1)].into(),
        commands: setup
            .option("commands")
            .unwrap_or_default()
            .split_terminator(',')
            .map(Into::into)
            .collect(),
        piece: number("piece").unwrap_or(3),
        abort: setup.option("abort").is_some(),
        slow: setup.option("slow").is_some(),
        keep_open: setup.option("keep_open").is_some(),
        exporter: setup.option("bindings").map(|_| vec![0xab; 32]),
        ..Sender::default()
    };
    let mut client = Client::new(testkit::START, Arc::new(config));
    if let Some(nonce) = setup.option("nonce") {
        client.set_nonces(Nonces::once(nonce).unwrap());
    }
    (client, sender)
}

fn give(client: &mut Client, now: Now, command: &str) -> Result<(), CommandFault> {
    match command {
        "noop" => client.noop(now),
        "help" => client.help(now),
        "vrfy" => client.vrfy(now, &"someone@x.test".parse().unwrap()),
        "vrfy-utf8" => client.vrfy(now, &"é@x.test".parse().unwrap()),
        "expn" => client.expn(now, &"list@x.test".parse().unwrap()),
        "etrn" => client.etrn(now, &DomainName::parse(b"x.test", AddressSyntax::STRICT).unwrap()),
        "xforward" => {
            let mut source = Xforward::default();
            source.name = Some("c\r\nQUIT".into());
            source.address = Some([192, 0, 2, 9].into());
            source.hello = Some("x".repeat(255));
            source.ident = Some("y".repeat(255));
            client.xforward(now, &source)
        }
        other => panic!("{other}"),
    }
}

impl Fixture<Client> for Sender {
    fn tls_info(&self) -> TlsInfo {
        let mut info = TlsInfo::default();
        info.exporter.clone_from(&self.exporter);
        info
    }

    fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    fn on_event(&mut self, client: &mut Client, now: Now, event: ClientEvent) {
        match event {
            ClientEvent::Ready => {
                self.log.event("ready");
                if let Some(command) = self.commands.pop_front() {
                    if let Err(fault) = give(client, now, &command) {
                        self.log.event(format_args!("not said: {fault}"));
                        client.quit(now).unwrap();
                    }
                    return;
                }
                match self.mails.pop_front() {
                    Some((envelope, body)) => {
                        self.body = Some(body);
                        if let Err(fault) = client.send(now, envelope) {
                            let status = fault.status().map_or("no code".into(), |code| code.to_string());
                            self.log.event(format_args!("not sent: {status} {fault}"));
                            self.body = None;
                            client.quit(now).unwrap();
                        }
                    }
                    None if self.keep_open => {}
                    None => client.quit(now).unwrap(),
                }
            }
            ClientEvent::SendBody => {
                self.log.event("send body");
                let body = self.body.take().unwrap();
                self.body = Some(body);
                if self.abort {
                    client.write_body(now, b"half").unwrap();
                    client.abort("changed my mind").unwrap();
                }
            }
            ClientEvent::Replied(reply) => self.log.event(format_args!("replied {reply}")),
            ClientEvent::Forwarded { recipient, reply } => {
                self.log.event(format_args!("forwarded {recipient} {reply}"));
            }
            ClientEvent::Verdict { recipient, outcome } => self.verdicts.push((recipient, outcome)),
            ClientEvent::Done(report) => {
                self.body = None;
                for (recipient, outcome) in self.verdicts.drain(..) {
                    assert_eq!(report.outcomes[recipient], outcome, "what was told before stands");
                }
                if !report.omitted.is_empty() {
                    self.log.event(format_args!("omitted {:?}", report.omitted));
                }
                for outcome in &report.outcomes {
                    let failure = |class: &str, failure: &Failure| match &failure.reply {
                        Some(reply) => format!("{class} {:?} {reply}", failure.fault),
                        None => {
                            format!("{class} {:?} {} at {:?}", failure.fault, failure.status, failure.stage)
                        }
                    };
                    self.log.event(match outcome {
                        Outcome::Sent(reply) => format!("sent {reply}"),
                        Outcome::Temporary(reason) => failure("temporary", reason),
                        Outcome::Permanent(reason) => failure("permanent", reason),
                        other => format!("{other:?}"),
                    });
                }
                self.reports.push(report);
            }
            ClientEvent::ServiceClosing(reply) => self.log.event(format_args!("service closing {reply}")),
            ClientEvent::Failed(failure) => {
                self.log.event(format_args!("failed {failure:?}"));
                self.failures.push(failure);
            }
            other => panic!("{other:?}"),
        }
    }

    fn on_idle(&mut self, client: &mut Client, now: Now) -> bool {
        let room = client.body_room();
        let Some(body) = self.body.as_mut().filter(|_| room > 0 && !self.abort) else { return false };
        if body.is_empty() {
            self.body = None;
            if let Err(fault) = client.finish(now) {
                self.log.event(format_args!("not finished: {fault}"));
            }
            return true;
        }
        let piece = body.len().min(self.piece);
        match client.write_body(now, &body[..piece]) {
            Ok(_) if self.slow => self.body = None,
            Ok(taken) => drop(body.drain(..taken)),
            Err(fault) => {
                self.log.event(format_args!("not written: {fault}"));
                self.body = None;
            }
        }
        true
    }
}

//! The application over the client in tests: it sends what it was given and notes what became of it.

#![allow(dead_code, clippy::unwrap_used)]

use proto_core::Now;
use proto_core::address::{AddressSyntax, ForwardPath, ReversePath};
use proto_core::dot::EncodePolicy;
use proto_core::sasl::ClientCredentials;
use smtp_proto::BodyKind;
use smtp_proto::client::*;
use std::collections::VecDeque;
use std::sync::Arc;
use testkit::{Fixture, Log, Setup};

pub(crate) fn envelope(from: &str, to: &[&str]) -> Envelope {
    let syntax = AddressSyntax::STRICT;
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
    pub(crate) keep_open: bool,
    body: Option<Vec<u8>>,
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
    if setup.option("auth") == Some("clear") {
        config.allow_plaintext_auth = true;
    }
    if setup.option("auth").is_some() {
        config.credentials = Some(ClientCredentials {
            authzid: None,
            authcid: setup.var("user").into(),
            password: setup.var("password").into(),
        });
    }
    let dom = setup.var("dom");
    let to: Vec<String> = setup
        .option("to")
        .unwrap_or("ok")
        .split(',')
        .map(|name| format!("{}@{dom}", setup.var(name)))
        .collect();
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    let mut envelope = envelope(&format!("{}@{dom}", setup.var("from")), &to);
    envelope.parameters.size = setup.option("size").map(|n| n.parse().unwrap());
    if setup.option("eight_bit").is_some() {
        envelope.parameters.body = BodyKind::EightBitMime;
    }
    let body = setup.option("body").unwrap_or("hi\\n").replace("\\n", "\r\n").replace("\\l", "\n");
    let sender = Sender {
        mails: [(envelope, body.into_bytes())].into(),
        piece: 3,
        abort: setup.option("abort").is_some(),
        keep_open: setup.option("keep_open").is_some(),
        ..Sender::default()
    };
    (Client::new(testkit::START, Arc::new(config)), sender)
}

impl Fixture<Client> for Sender {
    fn log(&mut self) -> &mut Log {
        &mut self.log
    }

    fn on_event(&mut self, client: &mut Client, now: Now, event: ClientEvent) {
        match event {
            ClientEvent::Ready => {
                self.log.event("ready");
                match self.mails.pop_front() {
                    Some((envelope, body)) => {
                        self.body = Some(body);
                        if let Err(fault) = client.send(now, envelope) {
                            self.log.event(format_args!("not sent: {fault}"));
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
            ClientEvent::Done(report) => {
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
            Ok(taken) => drop(body.drain(..taken)),
            Err(fault) => {
                self.log.event(format_args!("not written: {fault}"));
                self.body = None;
            }
        }
        true
    }
}

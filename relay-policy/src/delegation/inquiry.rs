//! A question of another mail server, as our lists are asked it, and what they say as an action.
//!
//! # Departures
//! Nothing tells here why a client has no verified name; it is taken for one that has none.

use super::Attributes;
use crate::access::Outcome;
use crate::address::Address;
use crate::request::{ClientCertificate, NameStatus, Request, Stage, UNKNOWN};
use proto_core::Mechanism;
use proto_core::TlsInfo;
use proto_core::address::{AddressSyntax, ForwardPath, Mailbox, ReversePath};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// What is asked: the facts, and the moment.
#[derive(Debug, Clone)]
pub struct Inquiry {
    /// What is known.
    pub request: Request,
    moment: Moment,
}

/// A [`Stage`] with what it is about.
#[derive(Debug, Clone)]
enum Moment {
    Connect,
    Helo,
    Mail,
    Rcpt(ForwardPath),
    Vrfy(ForwardPath),
    Data,
    EndOfMessage,
    Etrn(String),
}

/// A question that cannot be put to lists: its `protocol_state` is none, or an address of it is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy delegation: {name} = {value}: {expected}")]
pub struct BadInquiry {
    /// The attribute.
    pub name: &'static str,
    /// Its value.
    pub value: String,
    /// What is wrong.
    pub expected: &'static str,
}

impl Inquiry {
    /// Reads the attributes. An address without a domain has `origin` (`myorigin`) for one. A client without an address
    /// is in nobody's networks.
    ///
    /// # Errors
    /// [`BadInquiry`].
    pub fn read(attributes: &Attributes, origin: &str) -> Result<Self, BadInquiry> {
        let text = |name| attributes.value(name);
        let some = |name| Some(text(name).to_string()).filter(|value| !value.is_empty());
        let recipient = || -> Result<ForwardPath, BadInquiry> {
            let mailbox = mailbox("recipient", text("recipient"), origin)?;
            mailbox.map(ForwardPath::Mailbox).ok_or_else(|| bad("recipient", "", "an address is needed"))
        };
        let moment = match text("protocol_state") {
            "CONNECT" => Moment::Connect,
            "EHLO" | "HELO" | "LHLO" => Moment::Helo,
            "MAIL" => Moment::Mail,
            "RCPT" => Moment::Rcpt(recipient()?),
            "VRFY" => Moment::Vrfy(recipient()?),
            "DATA" | "BDAT" => Moment::Data,
            "END-OF-MESSAGE" => Moment::EndOfMessage,
            "ETRN" => Moment::Etrn(text("etrn_domain").into()),
            other => return Err(bad("protocol_state", other, "none of those that there are")),
        };
        let address: IpAddr = text("client_address").parse().unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED));
        let mut request = Request::new(address.to_canonical());
        let name = |name: &'static str| match text(name) {
            "" | UNKNOWN => (UNKNOWN.to_string(), NameStatus::Permanent),
            known => (known.to_string(), NameStatus::Ok),
        };
        (request.client_name, request.client_name_status) = name("client_name");
        (request.reverse_client_name, request.reverse_client_name_status) = name("reverse_client_name");
        request.helo = some("helo_name");
        request.esmtp = text("protocol_name") == "ESMTP";
        request.login = some("sasl_username");
        request.sasl_method = Mechanism::from_name(text("sasl_method").as_bytes()).map(Mechanism::name);
        request.sasl_sender = some("sasl_sender");
        request.client_port = text("client_port").parse().ok();
        request.server = server(text("server_address"), text("server_port"));
        request.queue_id = some("queue_id");
        request.instance = text("instance").into();
        request.size_bytes = text("size").parse().unwrap_or(0);
        request.recipient_count = text("recipient_count").parse().unwrap_or(0);
        request.tls = tls(attributes);
        request.client_certificate = certificate(attributes);
        if !matches!(moment, Moment::Connect | Moment::Helo | Moment::Etrn(_)) {
            let sender = mailbox("sender", text("sender"), origin)?;
            // At VRFY there is often none, and then there is no telling it from the null sender.
            request.sender = match (sender, &moment) {
                (None, Moment::Vrfy(_)) => None,
                (sender, _) => Some(sender.map_or(ReversePath::Null, ReversePath::Mailbox)),
            };
        }
        if matches!(moment, Moment::Data | Moment::EndOfMessage) {
            request.recipient = mailbox("recipient", text("recipient"), origin)?.map(ForwardPath::Mailbox);
        }
        Ok(Self { request, moment })
    }

    /// The moment, as [`AccessPolicy::evaluate`](crate::access::AccessPolicy::evaluate) takes it.
    pub fn stage(&self) -> Stage<'_> {
        match &self.moment {
            Moment::Connect => Stage::Connect,
            Moment::Helo => Stage::Helo,
            Moment::Mail => Stage::Mail,
            Moment::Rcpt(recipient) => Stage::Rcpt(recipient),
            Moment::Vrfy(recipient) => Stage::Vrfy(recipient),
            Moment::Data => Stage::Data,
            Moment::EndOfMessage => Stage::EndOfMessage,
            Moment::Etrn(node) => Stage::Etrn(node),
        }
    }
}

fn bad(name: &'static str, value: &str, expected: &'static str) -> BadInquiry {
    BadInquiry { name, value: value.into(), expected }
}

/// An address in internal form; `None` for the empty one.
fn mailbox(name: &'static str, internal: &str, origin: &str) -> Result<Option<Mailbox>, BadInquiry> {
    if internal.is_empty() {
        return Ok(None);
    }
    let mut address = Address::internal(internal);
    if address.domain().is_none() {
        address = Address::internal(format!("{internal}@{origin}"));
    }
    let syntax = AddressSyntax { utf8: true, lenient: true };
    let mailbox = Mailbox::parse(address.to_string().as_bytes(), syntax);
    mailbox.map(Some).map_err(|_| bad(name, internal, "no mail address"))
}

fn server(address: &str, port: &str) -> Option<SocketAddr> {
    Some(SocketAddr::new(address.parse().ok()?, port.parse().ok()?))
}

fn tls(attributes: &Attributes) -> Option<TlsInfo> {
    let version = attributes.value("encryption_protocol");
    (!version.is_empty()).then(|| {
        let mut tls = TlsInfo::default();
        tls.version = version.into();
        tls.cipher = attributes.value("encryption_cipher").into();
        tls
    })
}

/// Subject and issuer are told of a verified certificate only.
fn certificate(attributes: &Attributes) -> Option<ClientCertificate> {
    let text = |name| attributes.value(name).to_string();
    let certificate = ClientCertificate {
        is_verified: !attributes.value("ccert_subject").is_empty(),
        subject: text("ccert_subject"),
        issuer: text("ccert_issuer"),
        fingerprint: text("ccert_fingerprint"),
        public_key_fingerprint: text("ccert_pubkey_fingerprint"),
    };
    (!certificate.fingerprint.is_empty() || !certificate.public_key_fingerprint.is_empty())
        .then_some(certificate)
}

impl Outcome {
    /// What came of a decision as a policy server says it: a refusal with its code, a deferral that waits for what other
    /// lists say (`DEFER_IF_PERMIT`), what is to be done with the message, or `DUNNO`. Never a permit: whoever asks has lists
    /// of his own that are to be asked still.
    ///
    /// An answer is one action. What more there is to do is in the second place.
    pub fn action(&self) -> (String, Vec<String>) {
        let effects = &self.effects;
        let mut actions = Vec::new();
        if let Some(refusal) = &self.refusal {
            let (class, subject, detail) = refusal.enhanced;
            let text = without_subject(&refusal.text);
            let said = format!("{class}.{subject}.{detail} {text}");
            let said = said.trim_end();
            actions.push(if self.is_deferral && refusal.code == 450 {
                format!("DEFER_IF_PERMIT {said}")
            } else {
                format!("{} {said}", refusal.code)
            });
        }
        actions.extend(effects.discard.then(|| "DISCARD".to_string()));
        actions.extend(effects.redirect.iter().map(|to| format!("REDIRECT {to}")));
        actions.extend(effects.hold.then(|| "HOLD".to_string()));
        actions.extend(effects.filter.iter().map(|filter| format!("FILTER {filter}")));
        actions.extend(effects.prepend.iter().map(|line| format!("PREPEND {line}")));
        actions.extend(effects.bcc.iter().map(|bcc| format!("BCC {bcc}")));
        if actions.is_empty() {
            return ("DUNNO".into(), actions);
        }
        let first = actions.remove(0);
        // Of a message that is refused nothing else is done.
        (first, if self.refusal.is_some() { Vec::new() } else { actions })
    }
}

/// A reply's text without `<what>: Class rejected: `: whoever asked writes that himself.
fn without_subject(text: &str) -> &str {
    let Some((_, rest)) = text.strip_prefix('<').and_then(|text| text.split_once(">: ")) else { return text };
    rest.split_once(" rejected: ").filter(|(class, _)| !class.contains(':')).map_or(rest, |(_, words)| words)
}

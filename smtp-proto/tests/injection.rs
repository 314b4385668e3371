//! No argument of the client gets an octet of its own onto the wire: whatever an application is made to pass, what
//! leaves is the commands that were meant, and each reads back as what was passed.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use proto_core::address::{AddressSyntax, Domain, DomainName, ForwardPath, LocalPart, Mailbox, ReversePath};
use proto_core::sasl::{ClientCredentials, Mechanism};
use proto_core::{Machine, OutBuf, Step, UnixTime};
use smtp_proto::client::*;
use smtp_proto::command::{self, Grammar, Verb};
use smtp_proto::parameter::*;
use std::sync::Arc;
use testkit::START;

/// Text made for trouble.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "\r\n",
        "\r",
        "\n",
        "\0",
        " ",
        ">",
        "<",
        "\"",
        "\\",
        "@",
        ":",
        "=",
        "+",
        "+0D+0A",
        ";",
        ",",
        ".",
        "é",
        "\u{85}",
        "\u{2028}",
        "a",
        "RCPT TO:<evil@x>",
        " SIZE=1",
        "QUIT",
    ]);
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn mailbox() -> impl Strategy<Value = Mailbox> {
    let domain = prop_oneof![
        hostile().prop_filter_map("a domain", |text| {
            Domain::parse(text.as_bytes(), AddressSyntax { utf8: true, lenient: true }).ok()
        }),
        Just(Domain::parse(b"x.test", AddressSyntax::STRICT).unwrap()),
        Just(Domain::parse(b"[IPv6:::1]", AddressSyntax::STRICT).unwrap()),
    ];
    (hostile(), domain).prop_filter_map("a mailbox", |(local, domain)| {
        Mailbox::new(LocalPart::new(local).ok()?, domain).ok()
    })
}

fn submitter() -> impl Strategy<Value = Option<Submitter>> {
    // One with control characters is encoded and harmless, and no server takes it for a mailbox.
    let mailbox = hostile().prop_map(|text| Submitter::Mailbox(text.replace(char::is_control, "")));
    prop::option::of(prop_oneof![Just(Submitter::Unknown), mailbox])
}

fn envelope() -> impl Strategy<Value = Envelope> {
    let recipient = (mailbox(), hostile(), hostile()).prop_map(|(mailbox, kind, original)| {
        let mut recipient = Recipient::from(ForwardPath::Mailbox(mailbox));
        recipient.parameters.notify = Some(Notify::NEVER);
        recipient.parameters.orcpt = OriginalRecipient::new(kind, original.clone())
            .or_else(|| OriginalRecipient::new("rfc822", original));
        recipient.parameters.rrvs = DateTime::new(UnixTime(1)).map(|since| Rrvs { since, action: None });
        recipient
    });
    let recipients = prop::collection::vec(recipient, 1..4);
    (prop::option::of(mailbox()), recipients, submitter(), hostile()).prop_map(|(from, to, auth, envid)| {
        let mut envelope = Envelope::new(from.map_or(ReversePath::Null, ReversePath::Mailbox), to);
        envelope.parameters.size = Some(u64::MAX);
        envelope.parameters.auth = auth;
        envelope.parameters.envid = EnvelopeId::new(envid);
        envelope.parameters.priority = Priority::new(-9);
        envelope.parameters.hold = HoldSeconds::new(1).map(Hold::For);
        envelope
    })
}

/// A session that talks to a server which says yes to everything.
struct Session {
    client: Client,
    said: Vec<Vec<u8>>,
}

impl Session {
    fn new(config: ClientConfig) -> Self {
        let mut session = Self { client: Client::new(START, Arc::new(config)), said: Vec::new() };
        session.hear("220 x");
        session.hear(
            "250-x\r\n250-PIPELINING\r\n250-SMTPUTF8\r\n250-8BITMIME\r\n250-DSN\r\n250-SIZE\r\n250-RRVS\r\n250-ETRN\r\n\
             250-MT-PRIORITY\r\n250-FUTURERELEASE 9 2030-01-01T00:00:00Z\r\n250-XFORWARD NAME ADDR PORT PROTO HELO \
             IDENT SOURCE\r\n250 AUTH PLAIN LOGIN",
        );
        session
    }

    fn hear(&mut self, reply: &str) {
        let reply = format!("{reply}\r\n");
        assert_eq!(self.client.handle_input(START, reply.as_bytes()), reply.len());
        self.pump();
    }

    fn pump(&mut self) {
        while let Some(step) = self.client.poll_event(START) {
            assert!(matches!(step, Step::App(_)), "{step:?}");
        }
        let mut out = OutBuf::new();
        while self.client.poll_transmit(&mut out) {}
        for line in out.as_slice().split_inclusive(|octet| *octet == b'\n') {
            let line = line.strip_suffix(b"\r\n").unwrap();
            let text = std::str::from_utf8(line).unwrap();
            assert!(!text.chars().any(char::is_control), "{text:?}");
            self.said.push(line.to_vec());
        }
    }

    fn take_said(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.said)
    }
}

fn config() -> ClientConfig {
    let mut config = ClientConfig::new("c.test").unwrap();
    config.tls = ClientTls::None;
    config
}

proptest! {
    #[test]
    fn an_envelope_is_read_back_as_it_was_given(envelope in envelope()) {
        let mut session = Session::new(config());
        session.take_said();
        session.client.send(START, envelope.clone()).unwrap();
        session.pump();
        let said = session.take_said();
        prop_assert_eq!(said.len(), envelope.recipients.len() + 2);
        prop_assert_eq!(&said[said.len() - 1], b"DATA");

        let mut grammar = Grammar { lenient: false, origin: "", extensions: Extensions::ALL };
        // Underscores in domains are read with leniency, and written as they are.
        grammar.lenient = said.iter().any(|line| line.contains(&b'_'));
        let (verb, arguments) = command::split(&said[0]);
        prop_assert_eq!(verb, Verb::Mail);
        let (reverse_path, mut parameters) = command::mail(arguments, &grammar).unwrap();
        let mut meant = envelope.parameters.clone();
        meant.smtp_utf8 = parameters.smtp_utf8;
        // A mailbox that is none is as good as unknown.
        if !matches!(&meant.auth, Some(Submitter::Mailbox(mailbox)) if !mailbox.is_empty() && mailbox != "<>") {
            meant.auth = meant.auth.map(|_| Submitter::Unknown);
        }
        prop_assert_eq!(reverse_path.into_owned(), envelope.reverse_path);
        grammar.extensions.smtp_utf8 = std::mem::take(&mut parameters.smtp_utf8);
        meant.smtp_utf8 = false;
        prop_assert_eq!(parameters, meant);

        for (line, recipient) in said[1..].iter().zip(&envelope.recipients) {
            let (verb, arguments) = command::split(line);
            prop_assert_eq!(verb, Verb::Rcpt);
            let (forward_path, parameters) = command::rcpt(arguments, &grammar).unwrap();
            prop_assert_eq!(&forward_path.into_owned(), &recipient.forward_path);
            prop_assert_eq!(&parameters, &recipient.parameters);
        }
    }

    #[test]
    fn no_other_command_is_more_than_one_line(
        mailbox in mailbox(),
        domain in hostile(),
        texts in prop::collection::vec(hostile(), 4),
    ) {
        let mut session = Session::new(config());
        session.take_said();
        let expect = |session: &mut Session, verb: &[u8]| {
            session.pump();
            let said = session.take_said();
            assert_eq!(said.len(), 1);
            assert!(said[0].starts_with(verb));
            session.hear("250 Ok");
        };
        session.client.vrfy(START, &mailbox).unwrap();
        expect(&mut session, b"VRFY ");
        session.client.expn(START, &mailbox).unwrap();
        expect(&mut session, b"EXPN ");
        if let Ok(domain) = DomainName::parse(domain.as_bytes(), AddressSyntax { utf8: true, lenient: true })
            && session.client.etrn(START, &domain).is_ok()
        {
            expect(&mut session, b"ETRN ");
        }
        let mut source = Xforward::default();
        source.name = texts.first().cloned();
        source.protocol = texts.get(1).cloned();
        source.hello = texts.get(2).cloned();
        source.ident = texts.get(3).cloned();
        session.client.xforward(START, &source).unwrap();
        session.pump();
        let said = session.take_said();
        prop_assert_eq!(said.len(), 1);
        let words: Vec<_> = said[0].split(|octet| *octet == b' ').collect();
        prop_assert_eq!(words.len(), 1 + 7);
        session.hear("250 Ok");

        let mut envelope = Envelope::new(ReversePath::Null, [ForwardPath::Postmaster]);
        envelope.parameters.auth = texts.first().cloned().map(Submitter::Mailbox);
        session.client.send(START, envelope).unwrap();
        session.pump();
        prop_assert_eq!(session.take_said().len(), 3);
    }

    #[test]
    fn neither_the_name_nor_the_credentials_are_more_than_one_line(name in hostile(), user: String, password: String) {
        prop_assert!(ClientConfig::new(name.clone()).is_err() || !name.contains(['\r', '\n', '\0', ' ']));
        let mut config = config();
        config.allow_plaintext_auth = true;
        config.credentials =
            Some(ClientCredentials::password(user, password.as_str()));
        let mut session = Session::new(config);
        let said = session.take_said();
        prop_assert!(said.len() <= 3, "{said:?}");
        prop_assert_eq!(&said[0], b"EHLO c.test");
        // A name or a password with NUL in it cannot be said by PLAIN at all.
        let login = said.get(1).map_or(&b""[..], |line| line);
        let names = Mechanism::ALL.iter().map(|mechanism| format!("AUTH {mechanism}"));
        prop_assert!(names.into_iter().any(|name| login.starts_with(name.as_bytes())) || said.len() == 1);
    }
}

//! Our client and our server in virtual time, over a network that cuts and delays.

#![allow(clippy::unwrap_used)]

mod common;

use common::App;
use common::sender::{Sender, envelope};
use proto_core::sasl::{ClientCredentials, Mechanism};
use smtp_proto::BodyKind;
use smtp_proto::client::{Client, ClientConfig, ClientTls, Outcome};
use smtp_proto::server::{Config, Protocol, Server, TlsMode};
use std::sync::Arc;
use std::time::Duration;
use testkit::pair::Pair;
use testkit::{Driver, Rng, for_each_seed};

type Mails = Vec<(smtp_proto::client::Envelope, Vec<u8>)>;

fn join(
    client: ClientConfig,
    server: Config,
    mails: Mails,
    rng: &mut Rng,
) -> Pair<Client, Sender, Server, App> {
    let mut sender = Sender::default();
    sender.mails = mails.into();
    sender.piece = rng.between(1, 700);
    let client = Driver::new(Client::new(testkit::START, Arc::new(client)), sender);
    let server = Driver::new(common::server(server), App::plain());
    let pair = Pair::new(client, server, Rng::new(rng.next_u64()));
    pair.delay(Duration::from_millis(1), Duration::from_millis(300))
}

/// A message of lines that are made for trouble; ends in CR LF.
fn message(rng: &mut Rng) -> Vec<u8> {
    let mut message = Vec::new();
    for _ in 0..rng.below(60) {
        let line = *rng.pick(&["", ".", "..", ".x", "x", "MAIL FROM:<evil@x>", "a long line that goes on"]);
        message.extend_from_slice(line.as_bytes());
        message.extend_from_slice(b"\r\n");
    }
    message
}

#[test]
fn mails_arrive_as_they_were_sent() {
    for_each_seed(40, |rng| {
        let mut mails = Mails::new();
        for _ in 0..rng.between(1, 4) {
            let mut envelope =
                envelope("from@x", if rng.chance(1, 2) { &["ok@t"] } else { &["ok@t", "ok2@t"] });
            let message = message(rng);
            envelope.parameters.size = rng.chance(1, 2).then_some(message.len() as u64);
            if rng.chance(1, 2) {
                envelope.parameters.body = BodyKind::EightBitMime;
            }
            mails.push((envelope, message));
        }
        let expected: Vec<Vec<u8>> = mails.iter().map(|(_, message)| message.clone()).collect();
        let mut client = ClientConfig::new("client.test").unwrap();
        let mut server = Config::new("mx.t").unwrap();
        client.tls = *rng.pick(&[ClientTls::None, ClientTls::Opportunistic]);
        server.tls = *rng.pick(&[TlsMode::None, TlsMode::Offered]);
        let mut pair = join(client, server, mails, rng);
        pair.settle();
        let arrived: Vec<Vec<u8>> =
            pair.server.fixture.messages.iter().map(|(_, body)| body.clone()).collect();
        assert_eq!(arrived, expected);
        assert_eq!(pair.client.fixture.failures, []);
        for report in &pair.client.fixture.reports {
            assert!(report.outcomes.iter().all(|o| matches!(o, Outcome::Sent(_))), "{report:?}");
        }
        assert_eq!(pair.client.closed().map(ToString::to_string).as_deref(), Some("quit"));
        assert_eq!(pair.server.closed().map(ToString::to_string).as_deref(), Some("quit"));
    });
}

#[test]
fn submission_with_tls_and_login_and_its_trace_field() {
    for_each_seed(10, |rng| {
        let mut client = ClientConfig::new("client.test").unwrap();
        client.tls = ClientTls::Required;
        client.credentials = Some(ClientCredentials::password("u", "p"));
        let mut server = Config::new("mx.t").unwrap();
        server.protocol = Protocol::Submission;
        server.tls = TlsMode::Required;
        server.mechanisms = Mechanism::ALL.to_vec();
        let mails = vec![(envelope("from@x", &["ok@t"]), b"x\r\n".to_vec())];
        let mut pair = join(client, server, mails, rng);
        pair.settle();
        assert_eq!(pair.client.fixture.failures, []);
        let (trace, body) = &pair.server.fixture.messages[0];
        assert_eq!(body, b"x\r\n");
        let (head, date) = trace.split_once(";\r\n\t").unwrap();
        assert_eq!(
            head,
            "Received: from client.test ([192.0.2.7])\r\n\tby mx.t with ESMTPSA (TLSv1.3 TLS_AES_128_GCM_SHA256)\
             \r\n\tid TRACE\r\n\tfor <ok@t>\r\n\t(envelope-from <from@x>)"
        );
        assert!(date.starts_with("Thu, 1 Jan 2026 00:00:"), "{date}");
        assert!(date.ends_with(" +0000\r\n"), "{date}");
    });
}

#[test]
fn the_trace_field_names_no_recipient_of_two() {
    for_each_seed(4, |rng| {
        let mails = vec![(envelope("", &["ok@t", "ok2@t"]), b"x\r\n".to_vec())];
        let mut client = ClientConfig::new("client.test").unwrap();
        client.tls = ClientTls::None;
        let mut pair = join(client, Config::new("mx.t").unwrap(), mails, rng);
        pair.settle();
        let (trace, _) = &pair.server.fixture.messages[0];
        assert!(trace.contains("with ESMTP\r\n\tid TRACE\r\n\t(envelope-from <>);"), "{trace}");
    });
}

#[test]
fn each_recipient_has_its_own_outcome() {
    for_each_seed(20, |rng| {
        let to = ["ok@t", "nobody@t", "full@t", "ok2@t", "a@elsewhere.test"];
        let mails = vec![(envelope("from@x", &to), b"x\r\n".to_vec())];
        let client = ClientConfig::new("client.test").unwrap();
        let mut pair = join(client, Config::new("mx.t").unwrap(), mails, rng);
        pair.settle();
        let classes: Vec<char> = pair.client.fixture.reports[0]
            .outcomes
            .iter()
            .map(|outcome| match outcome {
                Outcome::Sent(_) => 'a',
                Outcome::Temporary(_) => 't',
                Outcome::Permanent(_) => 'p',
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(classes, ['a', 'p', 't', 'a', 'p']);
    });
}

#[test]
fn a_cut_connection_is_one_report_and_no_message() {
    for_each_seed(40, |rng| {
        let mails = vec![(envelope("from@x", &["ok@t"]), message(rng))];
        let client = ClientConfig::new("client.test").unwrap();
        let mut pair = join(client, Config::new("mx.t").unwrap(), mails, rng);
        pair.advance(Duration::from_millis(rng.below(3000) as u64));
        let arrived = pair.server.fixture.messages.len();
        let was_done = pair.client.closed().is_some();
        pair.cut();
        assert_eq!(pair.server.fixture.messages.len(), arrived, "a cut made a message");
        assert!(pair.client.closed().is_some() && pair.server.closed().is_some());
        let reports = pair.client.fixture.reports.len();
        assert!(reports <= 1 && (!was_done || reports == 1), "{reports} reports");
        if let Some(Outcome::Sent(_)) = pair.client.fixture.reports.first().map(|r| &r.outcomes[0]) {
            assert_eq!(arrived, 1, "accepted and not there");
        }
    });
}

#[test]
fn more_recipients_than_may_be_under_way_at_once() {
    for_each_seed(4, |rng| {
        let to = vec!["ok@t"; 250];
        let mails = vec![(envelope("from@x", &to), b"x\r\n".to_vec())];
        let client = ClientConfig::new("client.test").unwrap();
        let mut pair = join(client, Config::new("mx.t").unwrap(), mails, rng);
        pair.settle();
        let outcomes = &pair.client.fixture.reports[0].outcomes;
        assert_eq!(outcomes.len(), 250);
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Sent(_))));
        assert_eq!(pair.server.fixture.messages.len(), 1);
    });
}

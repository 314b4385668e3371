//! The client with servers that are not what they say: who is shown the password, and who is not.

#![allow(clippy::unwrap_used, reason = "a test")]

use proto_core::address::{ForwardPath, ReversePath};
use proto_core::sasl::{ClientCredentials, Nonces, SaslFault, line};
use proto_core::{Instant, Machine, Now, OutBuf, Step, UnixTime};
use smtp_proto::client::{
    Client, ClientConfig, ClientEvent, ClientFailure, ClientLimits, ClientTls, Envelope, NoMechanism,
    ReplyParseFault,
};
use std::sync::Arc;

const NOW: Now = Now::new(Instant::ORIGIN, UnixTime(1_767_225_600));

/// What the client makes of these octets: its events, and what it says.
fn hear(client: &mut Client, octets: &str) -> (Vec<ClientEvent>, String) {
    assert_eq!(client.handle_input(NOW, octets.as_bytes()), octets.len());
    let mut events = Vec::new();
    while let Some(step) = client.poll_event(NOW) {
        if let Step::App(event) = step {
            events.push(event);
        }
    }
    let mut out = OutBuf::new();
    while client.poll_transmit(&mut out) {}
    (events, String::from_utf8(out.as_slice().to_vec()).unwrap())
}

fn challenge(message: &str) -> String {
    format!("334 {}\r\n", line::encode(message.as_bytes()))
}

/// A client that waits for the first challenge of SCRAM and could log in by PLAIN as well.
fn in_scram() -> Client {
    in_scram_with(ClientLimits::default())
}

fn in_scram_with(limits: ClientLimits) -> Client {
    let mut config = ClientConfig::new("c.example.test").unwrap();
    config.tls = ClientTls::None;
    config.credentials = Some(ClientCredentials::password("user", "pencil"));
    config.allow_plaintext_auth = true;
    config.limits = limits;
    let mut client = Client::new(NOW, Arc::new(config));
    client.set_nonces(Nonces::once("rOprNGfwEbeRWgbNEkqO").unwrap());
    hear(&mut client, "220 x\r\n");
    let (_, said) = hear(&mut client, "250-x\r\n250 AUTH LOGIN PLAIN SCRAM-SHA-256\r\n");
    assert!(said.starts_with("AUTH SCRAM-SHA-256 "), "{said}");
    client
}

const SERVER_FIRST: &str =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";

/// Gives up, and shows nobody the password.
fn gives_up(client: &mut Client, said: &str, why: SaslFault) {
    assert_eq!(said, "*\r\n");
    let (events, said) = hear(client, "501 5.7.0 cancelled\r\n");
    assert_eq!(events, [ClientEvent::Failed(ClientFailure::Sasl(why))]);
    assert_eq!(said, "QUIT\r\n");
}

#[test]
fn a_server_that_proves_nothing_is_not_shown_the_password_by_the_next_mechanism() {
    let mut client = in_scram();
    let (_, said) = hear(&mut client, &challenge(SERVER_FIRST));
    assert!(said.len() > 100, "the proof: {said}");
    let forged = challenge("v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let (_, said) = hear(&mut client, &forged);
    gives_up(&mut client, &said, SaslFault::Unproved);
}

#[test]
fn nor_is_one_that_wants_the_password_cheap_to_guess() {
    let mut client = in_scram();
    let (_, said) = hear(&mut client, &challenge(&SERVER_FIRST.replace("4096", "1")));
    gives_up(&mut client, &said, SaslFault::Malformed);
}

#[test]
fn a_server_without_keys_for_the_user_gets_the_next_mechanism() {
    let mut client = in_scram();
    hear(&mut client, &challenge(SERVER_FIRST));
    let (_, said) = hear(&mut client, "535 5.7.8 no\r\n");
    assert!(said.starts_with("AUTH PLAIN "), "{said}");
}

/// Nothing is computed, and the failure says which limit it was.
#[test]
fn a_server_computes_with_our_time_only_as_long_as_it_may() {
    let mut client = in_scram();
    let (_, said) = hear(&mut client, &challenge(&SERVER_FIRST.replace("4096", "4294967296")));
    let fault = SaslFault::TooManyIterations { asked: u32::MAX, max: 100_000 };
    assert!(fault.to_string().contains("scram_iterations_max"), "{fault}");
    gives_up(&mut client, &said, fault);

    let mut limits = ClientLimits::default();
    limits.scram_iterations_max = 4096;
    let mut client = in_scram_with(limits.clone());
    let (_, said) = hear(&mut client, &challenge(SERVER_FIRST));
    assert!(said.len() > 100, "the proof: {said}");
    let mut client = in_scram_with(limits);
    let (_, said) = hear(&mut client, &challenge(&SERVER_FIRST.replace("4096", "4097")));
    gives_up(&mut client, &said, SaslFault::TooManyIterations { asked: 4097, max: 4096 });
}

/// SCRAM alone would do, and there is no randomness for it.
#[test]
fn a_login_that_needs_randomness_says_so() {
    let mut config = ClientConfig::new("c.example.test").unwrap();
    config.tls = ClientTls::None;
    config.credentials = Some(ClientCredentials::password("user", "pencil"));
    let mut client = Client::new(NOW, Arc::new(config));
    hear(&mut client, "220 x\r\n");
    let (events, _) = hear(&mut client, "250-x\r\n250 AUTH PLAIN SCRAM-SHA-256\r\n");
    let failure = ClientFailure::NoMechanism(NoMechanism::NeedsNonces);
    assert_eq!(failure.to_string(), "all shared mechanisms need randomness that was not handed in");
    assert_eq!(events, [ClientEvent::Failed(failure)]);
}

/// RFC 4954 section 4: a challenge may be as long as its mechanism makes it, whatever a reply may have.
#[test]
fn a_challenge_may_be_longer_than_a_reply() {
    let why = "x".repeat(9213);
    let in_xoauth2 = || {
        let mut config = ClientConfig::new("c.example.test").unwrap();
        config.tls = ClientTls::None;
        config.credentials = Some(ClientCredentials::token("user", "t0ken"));
        config.allow_plaintext_auth = true;
        let mut client = Client::new(NOW, Arc::new(config));
        hear(&mut client, "220 x\r\n");
        let (_, said) = hear(&mut client, "250-x\r\n250 AUTH XOAUTH2\r\n");
        assert!(said.starts_with("AUTH XOAUTH2 "), "{said}");
        client
    };
    let mut client = in_xoauth2();
    let longest = challenge(&why);
    assert_eq!(longest.len(), "334 ".len() + 12_284 + 2);
    for piece in longest.as_bytes().chunks(1000) {
        assert_eq!(
            client.handle_input(NOW, piece),
            piece.len(),
            "as long as a line is under way there is room"
        );
    }
    let (events, said) = hear(&mut client, "");
    assert_eq!(
        (events, said.as_str()),
        (Vec::new(), "\r\n"),
        "an error is taken note of with an empty message"
    );
    let (events, _) = hear(&mut client, "535 5.7.8 no\r\n");
    assert!(matches!(events[..], [ClientEvent::Failed(ClientFailure::Authentication(_))]), "{events:?}");
    // Longer ones are no replies.
    let too_long = format!("334 {}\r\n", "A".repeat(12_292));
    let mut client = in_xoauth2();
    client.handle_input(NOW, too_long.as_bytes());
    let (events, _) = hear(&mut client, "");
    assert_eq!(events, [ClientEvent::Failed(ClientFailure::Reply(ReplyParseFault::TooLong))]);
    assert!(client.is_closed());
    // And none is so long once the login is over.
    let long = |code| format!("{code} {}\r\n", "x".repeat(3_000));
    let mut client = in_xoauth2();
    let (events, _) = hear(&mut client, "235 in\r\n");
    assert_eq!(events, [ClientEvent::Ready]);
    client.noop(NOW).unwrap();
    hear(&mut client, "");
    client.handle_input(NOW, long(250).as_bytes());
    let (events, _) = hear(&mut client, "");
    assert_eq!(events, [ClientEvent::Failed(ClientFailure::Reply(ReplyParseFault::TooLong))]);
}

/// What a server that refuses RSET has kept of the last message, nobody knows.
#[test]
fn a_refused_rset_ends_the_session() {
    let mut config = ClientConfig::new("c.example.test").unwrap();
    config.tls = ClientTls::None;
    let mut client = Client::new(NOW, Arc::new(config));
    hear(&mut client, "220 x\r\n");
    hear(&mut client, "250-x\r\n250 CHUNKING\r\n");
    let to = ForwardPath::Mailbox("c@d.test".parse().unwrap());
    client.send(NOW, Envelope::new(ReversePath::Null, [to])).unwrap();
    hear(&mut client, "");
    hear(&mut client, "250 Ok\r\n");
    hear(&mut client, "250 Ok\r\n");
    client.write_body(NOW, b"x\r\n").unwrap();
    client.finish(NOW).unwrap();
    hear(&mut client, "");
    let (events, said) = hear(&mut client, "552 too much\r\n");
    assert!(matches!(events[..], [ClientEvent::Done(_)]), "{events:?}");
    assert_eq!(said, "RSET\r\n");
    let (events, said) = hear(&mut client, "503 5.5.1 bad sequence\r\n");
    assert!(matches!(events[..], [ClientEvent::Failed(ClientFailure::Unexpected(_))]), "{events:?}");
    assert_eq!(said, "QUIT\r\n");
}

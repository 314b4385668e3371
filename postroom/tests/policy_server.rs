//! We are a policy server: another mail server asks, and the listener's own lists answer.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use common::{settings, start_with};
use mailstore::fs::SimFs;
use postroom::Server;
use postroom::dns::FixedResolver;
use postroom::settings::{Listener, PolicyOverrides, Protocol, Settings, SettingsError, TlsMode};
use relay_policy::{Record, RecordKind};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

const POSTFIX: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 25)), 40_000);

fn listening(lists: &[(&str, &str)]) -> Settings {
    let mut settings = settings();
    // What is common is not asked.
    settings.policy.set("smtpd_recipient_restrictions", "reject").unwrap();
    let mut listener = Listener::without_socket(Protocol::Policy);
    listener.policy = PolicyOverrides::from_iter(lists.iter().copied());
    settings.listeners.push(listener);
    settings
}

async fn server(lists: &[(&str, &str)]) -> Server {
    let resolver = FixedResolver::new()
        .with("9.113.0.203.list.test", RecordKind::A, [Record::Address("127.0.0.2".parse().unwrap())])
        .with("9.113.0.203.list.test", RecordKind::Txt, [Record::Text("an open proxy".into())]);
    let settings = listening(lists);
    start_with(&SimFs::new(), 1, |builder| builder.settings(settings).resolver(resolver)).await.unwrap()
}

fn connect(server: &Server) -> DuplexStream {
    let (client, stream) = tokio::io::duplex(64 * 1024);
    tokio::spawn(server.serve("policy", stream, POSTFIX).unwrap());
    client
}

fn question(attributes: &[(&str, &str)]) -> String {
    let lines = attributes.iter().map(|(name, value)| format!("{name}={value}\n"));
    format!("request=smtpd_access_policy\n{}\n", lines.collect::<String>())
}

/// The next action; none when there is an end in its place.
async fn action(client: &mut DuplexStream) -> Option<String> {
    let mut answer = String::new();
    while !answer.ends_with("\n\n") {
        answer.push(char::from(client.read_u8().await.ok()?));
    }
    Some(answer.strip_prefix("action=").unwrap().trim_end().to_string())
}

async fn ask(client: &mut DuplexStream, attributes: &[(&str, &str)]) -> Option<String> {
    client.write_all(question(attributes).as_bytes()).await.unwrap();
    action(client).await
}

#[tokio::test(start_paused = true)]
async fn its_own_lists_are_asked_at_their_moment() {
    let server = server(&[
        ("smtpd_client_restrictions", "check_client_access inline:{{bad.test = REJECT 5.7.9 Not you}}"),
        ("smtpd_sender_restrictions", "check_sender_access inline:{{slow@test.test = SLEEP 3}}"),
        (
            "smtpd_recipient_restrictions",
            "check_recipient_access inline:{{gone@example.org = 550 5.1.6 Gone}, {held@example.org = HOLD}},
             reject_rbl_client list.test, reject_unlisted_recipient",
        ),
        ("smtpd_data_restrictions", "reject_multi_recipient_bounce"),
        ("smtpd_end_of_data_restrictions", "check_client_access inline:{{192.0.2.7 = HOLD}}"),
    ])
    .await;
    let mut client = connect(&server);
    for (attributes, expected) in [
        (&[("protocol_state", "CONNECT"), ("client_address", "192.0.2.7")][..], "DUNNO"),
        (&[("protocol_state", "RCPT"), ("recipient", "bob@example.org")], "DUNNO"),
        (&[("protocol_state", "RCPT"), ("recipient", "gone@example.org")], "550 5.1.6 Gone"),
        (&[("protocol_state", "RCPT"), ("recipient", "held@example.org")], "HOLD"),
        (
            &[
                ("protocol_state", "RCPT"),
                ("recipient", "bob@example.org"),
                ("client_address", "203.0.113.9"),
            ],
            "554 5.7.1 Service unavailable; Client host [203.0.113.9] blocked using list.test; an open proxy",
        ),
        (
            &[("protocol_state", "RCPT"), ("recipient", "bob@example.org"), ("client_name", "mail.bad.test")],
            "554 5.7.9 Not you",
        ),
        // Who has a mailbox here the directory knows.
        (&[("protocol_state", "RCPT"), ("recipient", "alice@example.test")], "DUNNO"),
        (
            &[("protocol_state", "RCPT"), ("recipient", "nobody@example.test")],
            "550 5.1.1 User unknown in local recipient table",
        ),
        (&[("protocol_state", "DATA"), ("sender", "s@test.test"), ("recipient_count", "2")], "DUNNO"),
        (
            &[("protocol_state", "DATA"), ("sender", ""), ("recipient_count", "2")],
            "550 5.5.3 Multi-recipient bounce",
        ),
        (&[("protocol_state", "END-OF-MESSAGE"), ("client_address", "192.0.2.7")], "HOLD"),
    ] {
        assert_eq!(ask(&mut client, attributes).await.as_deref(), Some(expected), "{attributes:?}");
    }
    let begun = tokio::time::Instant::now();
    let slow = [("protocol_state", "RCPT"), ("sender", "slow@test.test"), ("recipient", "bob@example.org")];
    assert_eq!(ask(&mut client, &slow).await.as_deref(), Some("DUNNO"));
    assert_eq!(begun.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_question_is_not_answered() {
    let server = server(&[]).await;
    for wrong in [
        "GET / HTTP/1.0\r\n\r\n".to_string(),
        "request=junk\n\n".to_string(),
        question(&[("protocol_state", "NO SUCH")]),
        question(&[("protocol_state", "RCPT"), ("recipient", "@")]),
    ] {
        let mut client = connect(&server);
        client.write_all(wrong.as_bytes()).await.unwrap();
        assert_eq!(action(&mut client).await, None, "{wrong}");
    }
    // A connection that nobody uses is closed.
    let mut client = connect(&server);
    assert_eq!(ask(&mut client, &[("protocol_state", "CONNECT")]).await.as_deref(), Some("DUNNO"));
    assert_eq!(action(&mut client).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_waits_for_the_answer() {
    let lists = [("smtpd_recipient_restrictions", "sleep 2, reject")];
    let server = server(&lists).await;
    let mut client = connect(&server);
    let asked = question(&[("protocol_state", "RCPT"), ("recipient", "bob@example.org")]);
    client.write_all(asked.as_bytes()).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let answered = async {
        let first = action(&mut client).await;
        (first, action(&mut client).await)
    };
    let (ended, (first, second)) = tokio::join!(server.shutdown(Duration::from_secs(60)), answered);
    assert_eq!((ended, first.as_deref(), second), (true, Some("554 5.7.1 Access denied"), None));
}

#[test]
fn settings_of_a_policy_server() {
    assert_eq!(listening(&[]).check(), Ok(()), "it relays nothing, so no list has to forbid it");
    let mut over_tls = listening(&[]);
    let listener = over_tls.listeners.last_mut().unwrap();
    listener.tls = TlsMode::StartTls;
    assert!(matches!(over_tls.check(), Err(SettingsError::PolicyOverTls(name)) if name == "policy"));
}

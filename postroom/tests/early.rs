//! Clients that wait for their greeting while they are tested: vectors D022 to D032 of the access-policy specification as a
//! server does them, in virtual time.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::log::Log;
use common::{Client, env, inbox, settings, start_with, until};
use mailstore::fs::sim::SimFs;
use postroom::dns::FixedResolver;
use postroom::memory::Keep;
use postroom::relay_policy::{Record, RecordKind};
use postroom::settings::{Protocol, TlsMode};
use postroom::{Blocking, Server};
use std::time::Duration;
use tokio::time::Instant;

async fn start(fs: &SimFs, pid: u32, parameters: &[(&str, &str)]) -> Server {
    let mut settings = settings();
    settings.listeners[0].postscreen = true;
    for (name, value) in parameters {
        settings.policy.set(name, value).unwrap();
    }
    let listed = [Record::Address("127.0.0.2".parse().unwrap())];
    let resolver = FixedResolver::new().with("9.113.0.203.bad.test", RecordKind::A, listed);
    let keep = Keep::new(env(fs, pid), "/memory", &Blocking::inline());
    start_with(fs, pid, |builder| builder.settings(settings).resolver(resolver).keep(keep)).await.unwrap()
}

async fn stop(server: Server) {
    assert!(server.shutdown(Duration::from_secs(60)).await);
}

fn log() -> (Log, tracing::subscriber::DefaultGuard) {
    Log::start(tracing::Level::INFO)
}

#[tokio::test(start_paused = true)]
async fn who_waits_is_greeted_and_need_not_wait_again() {
    let (log, _guard) = log();
    let fs = SimFs::new();
    let server = start(&fs, 1, &[]).await;
    let begun = Instant::now();
    let mut client = Client::connect(&server, "smtp");
    assert_eq!(client.line().await, "220-mail.example.test ESMTP Postroom");
    assert_eq!(begun.elapsed(), Duration::ZERO, "the first line comes at once");
    assert_eq!(client.line().await, "220 mail.example.test ESMTP Postroom");
    assert_eq!(begun.elapsed().as_secs(), 6);
    client.command("EHLO client.test").await;
    assert!(client.mail("s@x.test", &["bob@example.test"], "x").await.starts_with("250"));
    until("delivered", || !inbox(&fs, "bob").is_empty()).await;
    assert_eq!(log.lines_with(&["CONNECT from [203.0.113.9]:40000"]).len(), 1);
    assert_eq!(log.lines_with(&["PASS NEW [203.0.113.9]:40000"]).len(), 1);

    // The same client on another listener, another client on the same one.
    let begun = Instant::now();
    let mut other = Client::connect(&server, "submission");
    assert!(other.line().await.starts_with("220 "));
    let mut again = Client::connect(&server, "smtp");
    assert!(again.line().await.starts_with("220 "));
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(log.lines_with(&["PASS OLD [203.0.113.9]:40000"]).len(), 1);
    let mut stranger = Client::connect_from("203.0.113.10:1".parse().unwrap(), &server, "smtp");
    assert!(stranger.line().await.starts_with("220-"));
    drop((client, other, again, stranger));
    stop(server).await;

    // What is known outlives the program.
    let server = start(&fs, 2, &[]).await;
    let mut client = Client::connect(&server, "smtp");
    assert!(client.line().await.starts_with("220 "));
    drop(client);
    stop(server).await;
}

#[tokio::test(start_paused = true)]
async fn d025_who_does_not_wait() {
    for (action, rcpt) in [("ignore", "250 2.1.5 Ok"), ("enforce", "550 5.5.1 Protocol error")] {
        let (log, _guard) = log();
        let fs = SimFs::new();
        let server = start(&fs, 1, &[("postscreen_greet_action", action)]).await;
        for _ in 0..2 {
            let mut client = Client::connect(&server, "smtp");
            client.send(b"EHLO client.test\r\n").await;
            assert_eq!(client.reply().await, "220 mail.example.test ESMTP Postroom", "{action}");
            assert!(client.reply().await.starts_with("250 "), "what was said is not lost");
            assert_eq!(client.command("MAIL FROM:<s@x.test>").await, "250 2.1.0 Ok");
            assert_eq!(client.command("RCPT TO:<bob@example.test>").await, rcpt, "{action}");
        }
        let pregreet = ["PREGREET 18 after 0 from [203.0.113.9]:40000: EHLO client.test\\r\\n"];
        assert_eq!(log.lines_with(&pregreet).len(), 2, "{action}: {}", log.text());
        let refused =
            log.lines_with(&["NOQUEUE: reject: RCPT from [203.0.113.9]:40000: 550 5.5.1 Protocol error; "]);
        assert_eq!(refused.len(), if action == "enforce" { 2 } else { 0 });
        stop(server).await;
    }
}

#[tokio::test(start_paused = true)]
async fn d026_who_does_not_wait_is_sent_away() {
    let fs = SimFs::new();
    let server =
        start(&fs, 1, &[("postscreen_greet_action", "drop"), ("postscreen_greet_banner", "one moment")])
            .await;
    let begun = Instant::now();
    let mut client = Client::connect(&server, "smtp");
    assert_eq!(client.line().await, "220-one moment");
    client.send(b"QUIT\r\n").await;
    assert_eq!(client.line().await, "521 5.5.1 Protocol error");
    assert_eq!(client.line().await, "", "closed");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    stop(server).await;
}

#[tokio::test(start_paused = true)]
async fn d027_dns_lists_are_asked() {
    let (log, _guard) = log();
    let fs = SimFs::new();
    let parameters = [
        ("postscreen_dnsbl_sites", "bad.test*2, worse.test*3"),
        ("postscreen_dnsbl_threshold", "2"),
        ("postscreen_dnsbl_action", "enforce"),
    ];
    let server = start(&fs, 1, &parameters).await;
    let mut client = Client::connect(&server, "smtp");
    assert!(client.reply().await.starts_with("220 "));
    client.command("EHLO client.test").await;
    client.command("MAIL FROM:<s@x.test>").await;
    assert_eq!(
        client.command("RCPT TO:<bob@example.test>").await,
        "550 5.7.1 Service unavailable; client [203.0.113.9] blocked using bad.test"
    );
    assert_eq!(log.lines_with(&["DNSBL rank 2 for [203.0.113.9]:40000"]).len(), 1);
    let mut other = Client::connect_from("203.0.113.10:1".parse().unwrap(), &server, "smtp");
    assert!(other.reply().await.starts_with("220 "));
    other.command("EHLO client.test").await;
    assert!(other.mail("s@x.test", &["bob@example.test"], "x").await.starts_with("250"));
    drop((client, other));
    stop(server).await;
}

#[tokio::test(start_paused = true)]
async fn d024_who_is_on_the_denylist_or_trusted() {
    let fs = SimFs::new();
    let parameters = [
        ("mynetworks", "192.0.2.0/24"),
        ("postscreen_access_list", "permit_mynetworks, reject"),
        ("postscreen_denylist_action", "drop"),
    ];
    let server = start(&fs, 1, &parameters).await;
    let mut denied = Client::connect(&server, "smtp");
    assert_eq!(denied.line().await, "521 5.3.2 Service currently unavailable");
    assert_eq!(denied.line().await, "", "closed");
    let begun = Instant::now();
    let mut trusted = Client::connect_from("192.0.2.1:1".parse().unwrap(), &server, "smtp");
    assert_eq!(trusted.line().await, "220 mail.example.test ESMTP Postroom");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    drop((denied, trusted));
    stop(server).await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_waits_for_nobody_who_waits() {
    let fs = SimFs::new();
    let server = start(&fs, 1, &[("postscreen_greet_wait", "1h")]).await;
    let mut client = Client::connect(&server, "smtp");
    assert!(client.line().await.starts_with("220-"));
    let begun = Instant::now();
    stop(server).await;
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert_eq!(client.line().await, "");
}

#[test]
fn what_cannot_be_tested_is_refused() {
    let told = |protocol: Protocol, tls: TlsMode, parameter: Option<(&str, &str)>| {
        let mut settings = settings();
        settings.listeners.truncate(1);
        (settings.listeners[0].protocol, settings.listeners[0].tls) = (protocol, tls);
        settings.listeners[0].postscreen = true;
        if let Some((name, value)) = parameter {
            settings.policy.set(name, value).unwrap();
        }
        settings.check().map_err(|error| error.to_string())
    };
    assert_eq!(told(Protocol::Smtp, TlsMode::StartTls, None), Ok(()));
    let deep = Some(("postscreen_pipelining_enable", "yes"));
    assert_eq!(told(Protocol::Smtp, TlsMode::None, deep), Ok(()));
    for (protocol, tls, parameter, words) in [
        (Protocol::Submission, TlsMode::None, None, "only mail from other servers"),
        (Protocol::Smtp, TlsMode::Implicit, None, "only mail from other servers"),
        (Protocol::Smtp, TlsMode::None, Some(("postscreen_greet_banner", "é")), "postscreen_greet_banner"),
        (
            Protocol::Smtp,
            TlsMode::None,
            Some(("postscreen_dnsbl_sites", "a*b")),
            "postscreen_dnsbl_sites: a*b",
        ),
    ] {
        let error = told(protocol, tls, parameter).unwrap_err();
        assert!(error.contains(words), "{error:?} lacks {words:?}");
    }
}

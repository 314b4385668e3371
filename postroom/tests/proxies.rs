//! S43: listeners behind proxies. What the header says is the peer; without it, or from anybody else, nothing is served.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::{Client, inbox, settings, start_with, until};
use mailstore::fs::sim::SimFs;
use postroom::Server;
use postroom::settings::{Listener, Protocol, SettingsError};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::Instant;

const LINE: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.2 56324 25\r\n";

fn proxy() -> SocketAddr {
    "10.1.2.3:50000".parse().unwrap()
}

/// Every listener stands behind the proxies of 10.0.0.0/8 but one; whoever comes from 192.0.2.7 is in `mynetworks`.
async fn start_behind_proxies(fs: &SimFs) -> Server {
    let mut settings = settings();
    settings.listeners.extend([Protocol::Lmtp, Protocol::Policy].map(Listener::without_socket));
    for listener in &mut settings.listeners {
        listener.proxies = vec!["!10.9.9.9".into(), "10.0.0.0/8".into()];
    }
    settings.policy.mynetworks = vec!["192.0.2.7".into()];
    start_with(fs, 1, |builder| builder.settings(settings)).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn s43_a_line_cut_anywhere_and_ehlo_behind_it() {
    let fs = SimFs::new();
    let server = start_behind_proxies(&fs).await;
    for cut in 0..=LINE.len() {
        let mut client = Client::connect_from(proxy(), &server, "smtp");
        client.send(&LINE[..cut]).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        client.send(&LINE[cut..]).await;
        assert!(client.reply().await.starts_with("220 mail.example.test"), "cut at {cut}");
        assert!(client.command("EHLO client.test").await.starts_with("250 "), "cut at {cut}");
    }
    assert!(server.shutdown(Duration::from_secs(5)).await);
}

#[tokio::test(start_paused = true)]
async fn s43_policy_and_trace_know_the_client_and_not_the_proxy() {
    let fs = SimFs::new();
    let server = start_behind_proxies(&fs).await;
    let mut client = Client::connect_from(proxy(), &server, "smtp");
    client.send(LINE).await;
    client.reply().await;
    client.command("EHLO client.test").await;
    client.command("MAIL FROM:<s@x.test>").await;
    // As one of mynetworks it may relay; there is only no route yet.
    assert!(client.command("RCPT TO:<a@elsewhere.test>").await.starts_with("550 5.4.4"));
    client.command("RSET").await;
    assert!(client.mail("s@x.test", &["bob@example.test"], "x").await.starts_with("250"));
    until("delivered", || !inbox(&fs, "bob").is_empty()).await;
    let mail = &inbox(&fs, "bob")[0];
    assert!(mail.contains("from client.test ([192.0.2.7])") && !mail.contains("10.1.2.3"), "{mail}");

    let mut stranger = Client::connect_from(proxy(), &server, "smtp");
    stranger.send(b"PROXY TCP6 2001:db8::66 ::1 1 25\r\n").await;
    stranger.reply().await;
    stranger.command("EHLO client.test").await;
    stranger.command("MAIL FROM:<s@x.test>").await;
    assert!(stranger.command("RCPT TO:<a@elsewhere.test>").await.starts_with("554 5.7.1"));
}

/// As XCLIENT is not offered, so may nobody relay who comes through a proxy of `mynetworks` that does not tell who it is.
#[tokio::test(start_paused = true)]
async fn s43_whom_a_proxy_does_not_tell_has_not_its_rights() {
    let fs = SimFs::new();
    let mut settings = settings();
    settings.policy.mynetworks = vec!["10.0.0.0/8".into()];
    settings.listeners[0].proxies = vec!["10.1.2.3".into()];
    settings.listeners[0].xclient_clients = vec!["10.1.2.3".into()];
    settings.listeners[0].xforward_clients = vec!["10.1.2.3".into()];
    let server = start_with(&fs, 1, |builder| builder.settings(settings)).await.unwrap();
    let told = b"PROXY TCP4 10.1.2.3 198.51.100.2 56324 25\r\n".as_slice();
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0".as_slice();
    let unspecified = b"\r\n\r\n\0\r\nQUIT\n\x21\0\0\0".as_slice();
    for (header, trusted) in
        [(told, true), (b"PROXY UNKNOWN\r\n", false), (b"PROXY UNKNOWN 10.1.2.3\r\n", false)]
            .into_iter()
            .chain([(local, false), (unspecified, false)])
    {
        let mut client = Client::connect_from(proxy(), &server, "smtp");
        client.send(header).await;
        client.reply().await;
        client.command("EHLO client.test").await;
        for command in ["XCLIENT NOTHING=1", "XFORWARD NOTHING=1"] {
            let reply = client.command(command).await;
            let expected = if trusted { "501 " } else { "550 5.7.0" };
            assert!(reply.starts_with(expected), "{}: {command}: {reply}", header.escape_ascii());
        }
        client.command("MAIL FROM:<s@x.test>").await;
        let reply = client.command("RCPT TO:<a@elsewhere.test>").await;
        let expected = if trusted { "550 5.4.4" } else { "554 5.7.1" };
        assert!(reply.starts_with(expected), "{}: {reply}", header.escape_ascii());
        client.command("RSET").await;
        if !trusted {
            assert!(client.mail("s@x.test", &["bob@example.test"], "x").await.starts_with("250"));
        }
    }
    until("delivered", || inbox(&fs, "bob").len() == 4).await;
    assert!(inbox(&fs, "bob").iter().all(|mail| mail.contains("Received: from client.test\r\n")));
}

#[tokio::test(start_paused = true)]
async fn s43_a_binary_header_with_tlvs_on_every_listener() {
    let server = start_behind_proxies(&SimFs::new()).await;
    let header = [
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x17".as_slice(),
        &[192, 0, 2, 7, 198, 51, 100, 2, 0xdc, 4, 0, 25],
        b"\x01\0\x04smtp\x04\0\x01\0",
    ]
    .concat();
    for (listener, greeting) in
        [("smtp", "220 "), ("submission", "220 "), ("lmtp", "220 "), ("imap", "* OK "), ("pop3", "+OK")]
    {
        let mut client = Client::connect_from(proxy(), &server, listener);
        client.send(&header).await;
        assert!(client.line().await.starts_with(greeting), "{listener}");
        // A health check of the proxy itself.
        let mut client = Client::connect_from(proxy(), &server, listener);
        client.send(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0").await;
        assert!(client.line().await.starts_with(greeting), "{listener}");
    }
}

/// Who asks for policy speaks first, and has no greeting to wait for.
#[tokio::test(start_paused = true)]
async fn s43_a_policy_server_behind_a_proxy() {
    let server = start_behind_proxies(&SimFs::new()).await;
    let question = b"request=smtpd_access_policy\nprotocol_state=CONNECT\nclient_address=203.0.113.9\n\n";
    for cut in [1, LINE.len(), LINE.len() + 9] {
        let mut client = Client::connect_from(proxy(), &server, "policy");
        let octets = [LINE, question].concat();
        client.send(&octets[..cut]).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
        client.send(&octets[cut..]).await;
        assert_eq!(client.line().await, "action=DUNNO", "cut at {cut}");
    }
    let mut stranger = Client::connect(&server, "policy");
    stranger.try_send(&[LINE, question].concat()).await;
    assert_eq!(stranger.line().await, "");
    let mut without = Client::connect_from(proxy(), &server, "policy");
    without.try_send(question).await;
    assert_eq!(without.line().await, "");
}

#[tokio::test(start_paused = true)]
async fn s43_from_anybody_else_nothing_is_heard() {
    let server = start_behind_proxies(&SimFs::new()).await;
    for stranger in ["203.0.113.9:40000", "10.9.9.9:40000", "[2001:db8::1]:40000"] {
        let mut client = Client::connect_from(stranger.parse().unwrap(), &server, "smtp");
        client.try_send(LINE).await;
        assert_eq!(client.line().await, "", "{stranger}");
    }
    let mut mapped = Client::connect_from("[::ffff:10.1.2.3]:40000".parse().unwrap(), &server, "smtp");
    mapped.send(LINE).await;
    assert!(mapped.reply().await.starts_with("220 "));
}

#[tokio::test(start_paused = true)]
async fn s43_a_proxy_that_brings_no_header_in_time_is_closed() {
    let server = start_behind_proxies(&SimFs::new()).await;
    for sent in [b"".as_slice(), b"P", &LINE[..LINE.len() - 1], b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c1234"] {
        let begun = Instant::now();
        let mut client = Client::connect_from(proxy(), &server, "smtp");
        client.send(sent).await;
        assert_eq!(client.line().await, "");
        assert_eq!(begun.elapsed().as_secs(), 5, "{}", sent.escape_ascii());
    }
    // What cannot be a header is not waited for.
    for sent in [b"EHLO client.test\r\n".as_slice(), b"PROXY TCP4 a b c d\r\n"] {
        let begun = Instant::now();
        let mut client = Client::connect_from(proxy(), &server, "smtp");
        client.send(sent).await;
        assert_eq!(client.line().await, "");
        assert_eq!(begun.elapsed().as_secs(), 0, "{}", sent.escape_ascii());
    }
    // Nor does a stopping server wait for one.
    let mut client = Client::connect_from(proxy(), &server, "smtp");
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert!(server.shutdown(Duration::from_secs(1)).await);
    assert_eq!(client.line().await, "");
}

#[test]
fn a_wrong_network_is_named() {
    let mut settings = settings();
    settings.policy.mynetworks = vec!["10.0.0.0/33".into()];
    let error = settings.check().unwrap_err().to_string();
    assert!(
        error.starts_with("mynetworks: 10.0.0.0/33: \"10.0.0.0/33\" is no address and no network"),
        "{error}"
    );
    settings.policy.mynetworks.clear();
    settings.listeners[2].proxies = vec!["10.0.0.1/8".into()];
    let error = settings.check().unwrap_err();
    assert!(matches!(error, SettingsError::Networks { .. }));
    assert_eq!(
        error.to_string(),
        "listener imap: proxies: \"10.0.0.1/8\" has bits set behind the network's length: write 10.0.0.0/8"
    );
}

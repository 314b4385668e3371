//! S44: XCLIENT and XFORWARD, from the clients that the listener names and from nobody else; what XCLIENT says decides.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::{Client, inbox, settings, start_with, until};
use mailstore::fs::sim::SimFs;
use postroom::Server;

async fn start(fs: &SimFs) -> Server {
    let mut settings = settings();
    settings.policy.mynetworks = vec!["192.0.2.0/24".into(), "10.0.0.0/8".into()];
    settings.listeners[0].xclient_clients = vec!["10.1.2.3".into()];
    settings.listeners[0].xforward_clients = vec!["10.1.2.4".into()];
    start_with(fs, 1, |builder| builder.settings(settings)).await.unwrap()
}

async fn from(server: &Server, address: &str) -> Client {
    let mut client = Client::connect_from(address.parse().unwrap(), server, "smtp");
    assert!(client.reply().await.starts_with("220 "));
    client.command("EHLO proxy.test").await;
    client
}

/// Whether the client may relay: the refusal of who may says that there is no route.
async fn may_relay(client: &mut Client) -> bool {
    client.command("MAIL FROM:<s@x.test>").await;
    let reply = client.command("RCPT TO:<a@elsewhere.test>").await;
    client.command("RSET").await;
    assert!(reply.starts_with("554 5.7.1") || reply.starts_with("550 5.4.4"), "{reply}");
    reply.starts_with("550")
}

#[tokio::test(start_paused = true)]
async fn s44_a_named_client_speaks_for_another() {
    let fs = SimFs::new();
    let server = start(&fs).await;
    let mut client = from(&server, "10.1.2.3:50000").await;
    assert!(may_relay(&mut client).await, "as itself");
    for (said, relays) in [
        ("ADDR=203.0.113.7 NAME=client.test", false),
        ("ADDR=192.0.2.7", true),
        ("ADDR=IPV6:2001:db8::7", false),
        ("ADDR=203.0.113.7 LOGIN=alice@example.test", true),
        ("ADDR=203.0.113.7", false),
        ("ADDR=[UNAVAILABLE]", false),
    ] {
        assert!(client.command(&format!("XCLIENT {said}")).await.starts_with("220 "), "{said}");
        client.command("EHLO client.test").await;
        assert_eq!(may_relay(&mut client).await, relays, "{said}");
    }
    client.command("XCLIENT ADDR=203.0.113.8").await;
    client.command("EHLO client.test").await;
    assert!(client.mail("s@x.test", &["bob@example.test"], "x").await.starts_with("250"));
    until("delivered", || !inbox(&fs, "bob").is_empty()).await;
    let mail = &inbox(&fs, "bob")[0];
    assert!(mail.contains("[203.0.113.8]") && !mail.contains("10.1.2.3"), "{mail}");
}

#[tokio::test(start_paused = true)]
async fn s44_nobody_else_does() {
    let server = start(&SimFs::new()).await;
    for address in ["203.0.113.9:40000", "10.1.2.4:40000"] {
        let mut client = from(&server, address).await;
        let reply = client.command("XCLIENT ADDR=192.0.2.7").await;
        assert!(reply.starts_with("550 5.7.0"), "{reply}");
        assert_eq!(may_relay(&mut client).await, address.starts_with("10."));
    }
    let mut forwarder = from(&server, "10.1.2.4:40000").await;
    assert!(forwarder.command("XFORWARD ADDR=203.0.113.7 SOURCE=REMOTE").await.starts_with("250 "));
    assert!(may_relay(&mut forwarder).await, "XFORWARD decides nothing");
    assert!(
        from(&server, "10.1.2.3:40000")
            .await
            .command("XFORWARD ADDR=192.0.2.7")
            .await
            .starts_with("550 5.7.0")
    );
}

#[tokio::test(start_paused = true)]
async fn what_a_proxy_pipelines_is_not_its_clients_doing() {
    let mut settings = settings();
    settings.listeners[0].xclient_clients = vec!["10.1.2.3".into()];
    settings.policy.set("smtpd_data_restrictions", "reject_unauth_pipelining").unwrap();
    let server = start_with(&SimFs::new(), 1, |builder| builder.settings(settings)).await.unwrap();
    for (speaks_for, expected) in [(true, "354"), (false, "503 5.5.0")] {
        let mut client = Client::connect_from("10.1.2.3:50000".parse().unwrap(), &server, "smtp");
        client.reply().await;
        client.send(b"EHLO proxy.test\r\nNOOP\r\n").await;
        assert!(client.reply().await.starts_with("250"));
        assert!(client.reply().await.starts_with("503 5.5.0"));
        if speaks_for {
            assert!(client.command("XCLIENT ADDR=203.0.113.7").await.starts_with("220"));
            client.command("EHLO client.test").await;
        }
        client.command("MAIL FROM:<s@x.test>").await;
        client.command("RCPT TO:<bob@example.test>").await;
        let reply = client.command("DATA").await;
        assert!(reply.starts_with(expected), "{speaks_for}: {reply}");
    }
}

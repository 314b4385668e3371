//! The open-relay proofs of the access-policy specification (section 15), through a whole server: strangers get nothing to others,
//! whatever they write, and whoever may does.
//!
//! Mail does not go out yet, so what policy permits ends in `No route`: that is how a permission is seen here.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::tls::{Authority, client_config};
use common::{Client, inbox, queued, settings, start_with, until};
use mailstore::fs::sim::SimFs;
use postroom::Server;
use postroom::dns::FixedResolver;
use postroom::settings::{Settings, TlsMode};
use relay_policy::open_relay::{Attempt, Site};
use relay_policy::{Record, RecordKind};
use rustls::version::{TLS12, TLS13};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

/// `ours` is example.test, `relayed` relayed.test, `other` other.test.
fn with(parameters: &[(&str, &str)]) -> Settings {
    let mut settings = settings();
    settings.postmaster = Some("alice@example.test".parse().unwrap());
    for (name, value) in [
        ("mydestination", "example.test, localhost"),
        ("mynetworks", "192.0.2.0/24"),
        ("inet_interfaces", "198.51.100.25"),
        ("relay_domains", "relayed.test"),
        ("virtual_alias_domains", "va.test"),
        ("virtual_alias_maps", "inline:{{a@va.test = y@other.test}, {b@va.test = bob@example.test}}"),
        ("virtual_mailbox_domains", "vm.test"),
    ]
    .iter()
    .chain(parameters)
    {
        settings.policy.set(name, value).unwrap();
    }
    settings
}

async fn start(fs: &SimFs, parameters: &[(&str, &str)]) -> Server {
    let listed = [Record::Address("127.0.0.2".parse().unwrap())];
    let resolver = FixedResolver::new().with("9.113.0.203.dnswl.test", RecordKind::A, listed);
    start_with(fs, 1, |builder| builder.settings(with(parameters)).resolver(resolver)).await.unwrap()
}

async fn stranger(server: &Server) -> Client {
    greeted(server, "203.0.113.9:40000").await
}

async fn greeted(server: &Server, address: &str) -> Client {
    let mut client = Client::connect_from(address.parse().unwrap(), server, "smtp");
    assert!(client.reply().await.starts_with("220 "));
    assert!(client.command("EHLO friend.test").await.starts_with("250 "));
    client
}

/// What a recipient is answered.
async fn rcpt(client: &mut Client, sender: &str, recipient: &str) -> String {
    let reply = client.command(&format!("MAIL FROM:<{sender}>")).await;
    assert!(reply.starts_with("250 "), "{sender}: {reply}");
    let reply = client.command(&format!("RCPT TO:{recipient}")).await;
    client.command("RSET").await;
    reply
}

const DENIED: &str = "554 5.7.1 <y@other.test>: Relay access denied";

/// What policy permits.
fn is_permitted(reply: &str) -> bool {
    reply.starts_with("250 ") || reply.starts_with("550 5.4.4 ")
}

#[tokio::test(start_paused = true)]
async fn p01_to_p17_whatever_is_written() {
    let fs = SimFs::new();
    let server = start(&fs, &[]).await;
    let site = Site {
        domain: "example.test".into(),
        address: "198.51.100.25".parse().unwrap(),
        relayed: vec!["relayed.test".into()],
        hosted: vec!["va.test".into(), "vm.test".into()],
        elsewhere: "other.test".into(),
    };
    for Attempt { id, sender, recipient, .. } in site.attempts() {
        // Each from a session of its own: too many errors end one.
        let reply = rcpt(&mut stranger(&server).await, &sender, &format!("<{recipient}>")).await;
        // What is no address at all (two @, a dot at the end) is refused for that.
        let is_refused = reply.ends_with(": Relay access denied")
            || reply.starts_with("501 5.1.3 ")
            || reply.starts_with("553 5.1.3 ");
        assert!(is_refused, "{id} {recipient}: {reply}");
    }
    for sender in ["x@other.test", "alice@example.test", ""] {
        assert_eq!(rcpt(&mut stranger(&server).await, sender, "<y@other.test>").await, DENIED);
    }
    assert_eq!(queued(&fs), 0);
}

#[tokio::test(start_paused = true)]
async fn p18_to_p21_an_exception_in_another_list_opens_nothing() {
    for (id, list) in [
        ("P18", "check_helo_access inline:{friend.test=OK}, reject_unauth_destination"),
        ("P19", "permit_dnswl_client dnswl.test, reject_unauth_destination"),
        ("P20", "check_sender_access inline:{x@other.test=OK}"),
        ("P21", "check_recipient_access inline:{other.test=OK}"),
    ] {
        let server = start(&SimFs::new(), &[("smtpd_recipient_restrictions", list)]).await;
        let mut client = stranger(&server).await;
        assert_eq!(rcpt(&mut client, "x@other.test", "<y@other.test>").await, DENIED, "{id}");
        assert!(rcpt(&mut client, "x@other.test", "<bob@example.test>").await.starts_with("250 "), "{id}");
    }
    // P19, the only list: a list of the good excuses nobody from it.
    let lists = [
        ("smtpd_relay_restrictions", ""),
        ("smtpd_recipient_restrictions", "permit_dnswl_client dnswl.test, reject_unauth_destination"),
    ];
    let server = start(&SimFs::new(), &lists).await;
    assert_eq!(rcpt(&mut stranger(&server).await, "x@other.test", "<y@other.test>").await, DENIED);
    // P18, where there is no relay list the configuration is doubted.
    let hole = "check_helo_access inline:{friend.test=OK}, reject_unauth_destination";
    let settings = with(&[("smtpd_relay_restrictions", ""), ("smtpd_recipient_restrictions", hole)]);
    let doubts = settings.policies().unwrap()["smtp"].doubts();
    assert!(doubts.iter().any(|doubt| doubt.id == "L02"), "{doubts:?}");
}

/// `\0alice@example.test\0ecila`, and a wrong password.
const RIGHT: &str = "AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABlY2lsYQ==";
const WRONG: &str = "AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdAB4";

#[tokio::test(start_paused = true)]
async fn p22_and_p23_who_has_logged_in() {
    let server = start(&SimFs::new(), &[]).await;
    let mut client = stranger(&server).await;
    assert!(client.command(WRONG).await.starts_with("535 "));
    assert_eq!(rcpt(&mut client, "alice@example.test", "<y@other.test>").await, DENIED);
    assert!(client.command(RIGHT).await.starts_with("235 "));
    client.command("RSET").await;
    let reply = rcpt(&mut client, "alice@example.test", "<y@other.test>").await;
    assert!(is_permitted(&reply), "P23, RSET forgets no login: {reply}");
}

/// What was known before TLS is not known after it; or TLS does not begin any more.
#[tokio::test(start_paused = true)]
async fn p24_a_login_before_starttls() {
    let authority = Authority::new();
    let mut settings = with(&[]);
    settings.listeners[0].tls = TlsMode::StartTls;
    let certificate = authority.server(&["mail.example.test"]);
    let server = start_with(&SimFs::new(), 1, |builder| builder.settings(settings).certificate(certificate))
        .await
        .unwrap();
    let (near, far) = tokio::io::duplex(64 * 1024);
    tokio::spawn(server.serve("smtp", far, "203.0.113.9:40000".parse().unwrap()).unwrap());
    let mut plain = BufReader::new(near);
    for (said, expected) in [("", "220"), ("EHLO c.test", "250"), (RIGHT, "235"), ("STARTTLS", "")] {
        if !said.is_empty() {
            plain.write_all(format!("{said}\r\n").as_bytes()).await.unwrap();
        }
        let reply = last_line(&mut plain).await;
        assert!(reply.starts_with(expected), "{said}: {reply}");
        if said == "STARTTLS" && !reply.starts_with("220") {
            assert!(reply.starts_with("503 "), "{reply}");
            return;
        }
    }
    let config = client_config(&authority, &[&TLS13, &TLS12], None);
    let secured = common::tls::connect(&config, "mail.example.test", plain.into_inner()).await.unwrap();
    let mut secured = BufReader::new(secured);
    let mut reply = String::new();
    for said in ["EHLO c.test", "MAIL FROM:<alice@example.test>", "RCPT TO:<y@other.test>"] {
        secured.write_all(format!("{said}\r\n").as_bytes()).await.unwrap();
        reply = last_line(&mut secured).await;
    }
    assert_eq!(reply, DENIED);
}

async fn last_line(stream: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> String {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.unwrap();
        if line.as_bytes().get(3) != Some(&b'-') {
            return line.trim_end().to_owned();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p25_a_table_that_fails_permits_nobody() {
    let server = start(&SimFs::new(), &[("mynetworks", "fail:networks")]).await;
    let reply = rcpt(&mut stranger(&server).await, "x@other.test", "<y@other.test>").await;
    assert!(reply.starts_with("451 4.3.0 "), "{reply}");
}

#[tokio::test(start_paused = true)]
async fn p26_nobody_speaks_for_others_who_was_not_named() {
    let mut settings = with(&[]);
    let mut behind = settings.listeners[0].clone().named("behind");
    behind.proxies = vec!["10.0.0.1".into()];
    settings.listeners.push(behind);
    let server = start_with(&SimFs::new(), 1, |builder| builder.settings(settings)).await.unwrap();
    let mut client = stranger(&server).await;
    for command in ["XCLIENT ADDR=192.0.2.1", "XCLIENT LOGIN=alice@example.test", "XFORWARD ADDR=192.0.2.1"] {
        let reply = client.command(command).await;
        assert!(reply.starts_with("550 5.7.0 "), "{command}: {reply}");
    }
    assert_eq!(rcpt(&mut client, "x@other.test", "<y@other.test>").await, DENIED);
    // A PROXY header is believed of those who are named, and of others there is no session.
    let mut client = Client::connect_from("203.0.113.9:40000".parse().unwrap(), &server, "behind");
    let _ = client.try_send(b"PROXY TCP4 192.0.2.1 198.51.100.25 40000 25\r\n").await;
    assert_eq!(client.line().await, "");
    let mut client = stranger(&server).await;
    let reply = client.command("PROXY TCP4 192.0.2.1 198.51.100.25 40000 25").await;
    assert!(reply.starts_with('5') || reply.starts_with('4'), "{reply}");
}

#[tokio::test(start_paused = true)]
async fn p27_an_address_that_is_mapped_into_ipv6() {
    let server = start(&SimFs::new(), &[]).await;
    let mut inside = greeted(&server, "[::ffff:192.0.2.9]:40000").await;
    assert!(is_permitted(&rcpt(&mut inside, "x@other.test", "<y@other.test>").await));
    let mut outside = greeted(&server, "[::ffff:203.0.113.9]:40000").await;
    assert_eq!(rcpt(&mut outside, "x@other.test", "<y@other.test>").await, DENIED);
}

#[tokio::test(start_paused = true)]
async fn p28_of_two_recipients_the_one_that_is_ours() {
    let fs = SimFs::new();
    let server = start(&fs, &[]).await;
    let mut client = stranger(&server).await;
    client.command("MAIL FROM:<x@other.test>").await;
    assert!(client.command("RCPT TO:<bob@example.test>").await.starts_with("250 "));
    assert_eq!(client.command("RCPT TO:<y@other.test>").await, DENIED);
    assert!(client.command("DATA").await.starts_with("354 "));
    assert!(client.command("x\r\n.").await.starts_with("250 "));
    until("delivered", || queued(&fs) == 0).await;
    assert_eq!((inbox(&fs, "bob").len(), inbox(&fs, "alice").len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn p29_and_p30_a_message_for_nobody_in_one_flight() {
    let fs = SimFs::new();
    let server = start(&fs, &[]).await;
    let mut client = stranger(&server).await;
    client
        .send(
            b"MAIL FROM:<x@other.test>\r\nRCPT TO:<y@other.test>\r\nRCPT TO:<z@other.test>\r\nDATA\r\n\
              Subject: spam\r\n.\r\n",
        )
        .await;
    assert!(client.reply().await.starts_with("250 "));
    for user in ["y", "z"] {
        assert_eq!(client.reply().await, format!("554 5.7.1 <{user}@other.test>: Relay access denied"));
    }
    assert_eq!(client.reply().await, "554 5.5.1 Error: no valid recipients");
    // The text is read as commands, and whoever says a line of a header is no mail client.
    assert_eq!(client.reply().await, "221 2.7.0 Error: I can break rules, too. Goodbye.");
    assert_eq!(client.line().await, "");
    // P30: what comes with BDAT is read and thrown away.
    let mut client = stranger(&server).await;
    client
        .send(b"MAIL FROM:<x@other.test>\r\nRCPT TO:<y@other.test>\r\nBDAT 6 LAST\r\nspam\r\nNOOP\r\n")
        .await;
    assert!(client.reply().await.starts_with("250 "));
    assert_eq!(client.reply().await, DENIED);
    assert_eq!(client.reply().await, "554 5.5.1 Error: no valid recipients");
    assert!(client.reply().await.starts_with("250 "), "NOOP");
    assert_eq!(queued(&fs), 0);
}

/// A line end that is none ends no message: it stays one, or is refused.
#[tokio::test(start_paused = true)]
async fn p31_a_message_within_a_message() {
    for end in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r"] {
        let fs = SimFs::new();
        let server = start(&fs, &[]).await;
        let mut client = stranger(&server).await;
        assert!(client.command(RIGHT).await.starts_with("235 "));
        client.command("MAIL FROM:<alice@example.test>").await;
        assert!(client.command("RCPT TO:<bob@example.test>").await.starts_with("250 "));
        assert!(client.command("DATA").await.starts_with("354 "));
        let hidden = "MAIL FROM:<alice@example.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\nhidden";
        client.send(format!("first{end}{hidden}\r\n.\r\nQUIT\r\n").as_bytes()).await;
        let mut replies = Vec::new();
        loop {
            match client.reply().await {
                reply if reply.is_empty() => break,
                reply => replies.push(reply),
            }
        }
        let accepted = replies.iter().filter(|reply| reply.starts_with("250 2.0.0 Ok: queued")).count();
        assert!(accepted <= 1 && replies.len() <= 2, "{end:?}: {replies:?}");
        tokio::time::sleep(Duration::from_secs(60)).await;
        let delivered = inbox(&fs, "bob");
        assert_eq!(delivered.len(), accepted, "{end:?}");
        assert!(delivered.iter().all(|message| message.contains("first") && message.contains("hidden")));
    }
}

#[test]
fn p32_and_p33_what_would_open_the_relay_is_not_started() {
    let refused = |parameters: &[(&str, &str)]| with(parameters).check().unwrap_err().to_string();
    let open = refused(&[("smtpd_relay_restrictions", ""), ("smtpd_recipient_restrictions", "")]);
    assert!(open.contains("an open relay"), "{open}");
    for world in ["0.0.0.0/0", "[::]/0"] {
        let said = refused(&[("mynetworks", world)]);
        assert!(said.contains("this is the whole world"), "{said}");
    }
}

/// P34, and the reverse of it all: who may is let through.
#[tokio::test(start_paused = true)]
async fn p34_what_must_be_taken() {
    let fs = SimFs::new();
    let server = start(&fs, &[("local_recipient_maps", "inline:{alice=x, bob=x}")]).await;
    let mut client = stranger(&server).await;
    // An alias of ours for somebody elsewhere: forwarding is no relaying.
    let forwarded = rcpt(&mut client, "x@other.test", "<a@va.test>").await;
    assert!(is_permitted(&forwarded), "{forwarded}");
    for recipient in ["<bob@example.test>", "<b@va.test>", "<Postmaster>"] {
        let reply = rcpt(&mut client, "x@other.test", recipient).await;
        assert!(reply.starts_with("250 "), "{recipient}: {reply}");
    }
    assert!(is_permitted(&rcpt(&mut client, "x@other.test", "<y@relayed.test>").await));
    assert!(rcpt(&mut client, "", "<bob@example.test>").await.starts_with("250 "), "a report");
    let mut inside = greeted(&server, "192.0.2.7:40000").await;
    assert!(is_permitted(&rcpt(&mut inside, "x@other.test", "<y@other.test>").await));
}

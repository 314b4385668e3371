//! Clients that are greeted and tested in a session that leads nowhere: vectors D031 to D034 of the access-policy
//! specification as a server does them, in virtual time. What is said and logged was compared with Postfix's `postscreen`.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::log::Log;
use common::{Client, inbox, settings, start_with, until};
use mailstore::fs::sim::SimFs;
use postroom::Server;
use std::time::Duration;
use tokio::time::Instant;

const DEEP: [(&str, &str); 4] = [
    ("postscreen_greet_wait", "0s"),
    ("postscreen_pipelining_enable", "yes"),
    ("postscreen_non_smtp_command_enable", "yes"),
    ("postscreen_bare_newline_enable", "yes"),
];

async fn start(fs: &SimFs, parameters: &[(&str, &str)]) -> Server {
    let mut settings = settings();
    settings.listeners[0].postscreen = true;
    for (name, value) in DEEP.iter().chain(parameters) {
        settings.policy.set(name, value).unwrap();
    }
    start_with(fs, 1, |builder| builder.settings(settings)).await.unwrap()
}

async fn stop(server: Server) {
    assert!(server.shutdown(Duration::from_secs(60)).await);
}

fn log() -> (Log, tracing::subscriber::DefaultGuard) {
    Log::start(tracing::Level::INFO)
}

/// Greeted, and said hello.
async fn hello(server: &Server) -> Client {
    let mut client = Client::connect(server, "smtp");
    assert_eq!(client.line().await, "220 mail.example.test ESMTP Postroom");
    assert!(client.command("EHLO client.test").await.starts_with("250 "));
    client
}

/// What a recipient is told.
async fn recipient(client: &mut Client) -> String {
    assert_eq!(client.command("MAIL FROM:<s@x.test>").await, "250 2.1.0 Ok");
    client.command("RCPT TO:<bob@example.test>").await
}

/// Says goodbye, and waits until the server has hung up.
async fn quit(mut client: Client) {
    assert_eq!(client.command("QUIT").await, "221 2.0.0 Bye");
    assert_eq!(client.line().await, "", "closed");
}

const AGAIN: &str = "450 4.3.2 Service currently unavailable";
const WRONG: &str = "550 5.5.1 Protocol error";

#[tokio::test(start_paused = true)]
async fn d031_who_speaks_well_is_asked_to_come_again() {
    let (log, _guard) = log();
    let fs = SimFs::new();
    // What policy would say is not asked, and what is offered later is not offered.
    let server =
        start(&fs, &[("smtpd_delay_reject", "no"), ("smtpd_recipient_restrictions", "reject")]).await;
    let mut client = Client::connect(&server, "smtp");
    assert_eq!(client.line().await, "220 mail.example.test ESMTP Postroom");
    client.send(b"EHLO client.test\r\n").await;
    let mut offered = Vec::new();
    while offered.last().is_none_or(|line: &String| line.starts_with("250-")) {
        offered.push(client.line().await);
    }
    let offered: Vec<&str> = offered.iter().map(|line| &line[4..]).collect();
    assert_eq!(offered, ["mail.example.test", "SIZE 52428800", "VRFY", "ENHANCEDSTATUSCODES", "8BITMIME"]);
    assert_eq!(client.command("AUTH PLAIN AHgAeQ==").await, "502 5.5.1 Error: command not implemented");
    assert_eq!(client.command("XCLIENT ADDR=10.0.0.1").await, "550 5.7.0 Error: insufficient authorization");
    assert_eq!(client.command("MAIL FROM:<s@x.test>").await, "250 2.1.0 Ok");
    for _ in 0..2 {
        assert_eq!(client.command("RCPT TO:<bob@example.test>").await, AGAIN);
    }
    assert_eq!(client.command("DATA").await, "554 5.5.1 Error: no valid recipients");
    quit(client).await;
    let refused = log.lines_with(&[
        "NOQUEUE: reject: RCPT from [203.0.113.9]:40000: 450 4.3.2 Service currently unavailable; \
         from=<s@x.test>, to=<bob@example.test>, proto=ESMTP, helo=<client.test>",
    ]);
    assert_eq!(refused.len(), 2, "{}", log.text());
    for line in ["DATA without valid RCPT from", "PASS NEW", "DISCONNECT"] {
        assert_eq!(log.lines_with(&[&*format!("{line} [203.0.113.9]:40000")]).len(), 1, "{line}");
    }
    // Now it is policy's to say.
    let mut client = hello(&server).await;
    assert_eq!(log.lines_with(&["PASS OLD [203.0.113.9]:40000"]).len(), 1);
    assert!(
        recipient(&mut client).await.starts_with("554 5.7.1 <bob@example.test>: Recipient address rejected")
    );
    drop(client);
    stop(server).await;
}

#[tokio::test(start_paused = true)]
async fn d032_who_has_passed_is_served_until_that_expires() {
    let fs = SimFs::new();
    let parameters = [("postscreen_pipelining_ttl", "1h"), ("postscreen_non_smtp_command_ttl", "2h")];
    let server = start(&fs, &parameters).await;
    let mut client = hello(&server).await;
    assert_eq!(recipient(&mut client).await, AGAIN);
    quit(client).await;
    let begun = Instant::now();
    let mut client = hello(&server).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert!(client.mail("s@x.test", &["bob@example.test"], "x").await.starts_with("250"));
    until("delivered", || !inbox(&fs, "bob").is_empty()).await;
    quit(client).await;
    // One of the tests is to be made again.
    tokio::time::sleep(Duration::from_secs(60 * 60)).await;
    let (log, _guard) = log();
    let mut client = hello(&server).await;
    assert_eq!(recipient(&mut client).await, AGAIN);
    quit(client).await;
    assert_eq!(log.lines_with(&["PASS OLD [203.0.113.9]:40000"]).len(), 1);
    let mut client = hello(&server).await;
    assert_eq!(recipient(&mut client).await, "250 2.1.5 Ok");
    drop(client);
    stop(server).await;
}

#[tokio::test(start_paused = true)]
async fn d033_two_commands_in_one_segment() {
    for (action, rcpt) in [("ignore", AGAIN), ("enforce", WRONG), ("drop", "")] {
        let (log, _guard) = log();
        let fs = SimFs::new();
        let server = start(&fs, &[("postscreen_pipelining_action", action)]).await;
        let mut client = hello(&server).await;
        client.send(b"MAIL FROM:<s@x.test>\r\nRCPT TO:<bob@example.test>\r\n").await;
        if action == "drop" {
            assert_eq!(client.line().await, "521 5.5.1 Protocol error");
            assert_eq!(client.line().await, "", "closed");
        } else {
            assert_eq!(client.line().await, "250 2.1.0 Ok", "{action}");
            assert_eq!(client.line().await, rcpt, "{action}");
            quit(client).await;
        }
        let told = r"COMMAND PIPELINING from [203.0.113.9]:40000 after MAIL: RCPT TO:<bob@example.test>\r\n";
        assert_eq!(log.lines_with(&[told]).len(), 1, "{action}: {}", log.text());
        // What is ignored keeps nobody out.
        let passed = log.lines_with(&["PASS NEW [203.0.113.9]:40000"]).len();
        assert_eq!(passed, usize::from(action == "ignore"), "{action}: {}", log.text());
        let mut client = hello(&server).await;
        let again = recipient(&mut client).await;
        assert_eq!(again, if action == "ignore" { "250 2.1.5 Ok" } else { AGAIN }, "{action}");
        drop(client);
        stop(server).await;
    }
}

#[tokio::test(start_paused = true)]
async fn d034_what_no_smtp_client_says() {
    let (log, _guard) = log();
    let fs = SimFs::new();
    let server = start(&fs, &[]).await;
    for said in ["CONNECT x:80", "Subject: hello"] {
        let mut client = Client::connect(&server, "smtp");
        assert!(client.line().await.starts_with("220 "));
        assert_eq!(client.command(said).await, "521 5.7.0 Error: I can break rules, too. Goodbye.");
        assert_eq!(client.line().await, "", "closed");
        let told = format!("NON-SMTP COMMAND from [203.0.113.9]:40000 after CONNECT: {said}");
        assert_eq!(log.lines_with(&[&*told]).len(), 1, "{}", log.text());
    }
    stop(server).await;
    let server = start(&fs, &[("postscreen_forbidden_commands", "TURN")]).await;
    let mut client = hello(&server).await;
    assert_eq!(client.command("turn").await, "521 5.7.0 Error: I can break rules, too. Goodbye.");
    drop(client);
    stop(server).await;
}

#[tokio::test(start_paused = true)]
async fn lines_that_end_in_lf_alone() {
    for (action, rcpt) in [("ignore", AGAIN), ("enforce", WRONG)] {
        let (log, _guard) = log();
        let fs = SimFs::new();
        let server = start(&fs, &[("postscreen_bare_newline_action", action)]).await;
        let mut client = Client::connect(&server, "smtp");
        assert!(client.line().await.starts_with("220 "));
        client.send(b"EHLO client.test\n").await;
        assert!(client.reply().await.starts_with("250 "));
        assert_eq!(recipient(&mut client).await, rcpt, "{action}");
        quit(client).await;
        let told = ["BARE NEWLINE from [203.0.113.9]:40000 after EHLO client.test"];
        assert_eq!(log.lines_with(&told).len(), 1, "{action}: {}", log.text());
        stop(server).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_goes_on_and_on_or_says_nothing() {
    let (log, _guard) = log();
    let fs = SimFs::new();
    let server = start(&fs, &[("postscreen_command_time_limit", "20s")]).await;
    let mut client = hello(&server).await;
    for _ in 1..20 {
        assert_eq!(client.command("FOO").await, "500 5.5.2 Error: command not recognized");
    }
    assert_eq!(client.command("FOO").await, "421 4.7.0 Error: too many commands");
    assert_eq!(client.line().await, "", "closed");
    assert_eq!(log.lines_with(&["COMMAND COUNT LIMIT from [203.0.113.9]:40000 after FOO"]).len(), 1);

    let begun = Instant::now();
    let mut client = hello(&server).await;
    assert_eq!(recipient(&mut client).await, AGAIN);
    assert_eq!(client.line().await, "421 4.4.2 mail.example.test Error: timeout exceeded");
    assert_eq!(begun.elapsed().as_secs(), 20);
    assert_eq!(client.line().await, "", "closed");
    assert_eq!(log.lines_with(&["COMMAND TIME LIMIT from [203.0.113.9]:40000 after RCPT"]).len(), 1);
    assert_eq!(log.lines_with(&["PASS NEW [203.0.113.9]:40000"]).len(), 1);

    let mut client = Client::connect_from("203.0.113.10:1".parse().unwrap(), &server, "smtp");
    assert!(client.line().await.starts_with("220 "));
    drop(client);
    let told = ["HANGUP after 0 from [203.0.113.10]:1 in tests after SMTP handshake"];
    until("told", || !log.lines_with(&told).is_empty()).await;
    stop(server).await;
}

/// What was said before the greeting was not lost, and is judged by the tests after it.
#[tokio::test(start_paused = true)]
async fn who_did_not_wait_is_listened_to() {
    let (log, _guard) = log();
    let fs = SimFs::new();
    let server = start(&fs, &[("postscreen_greet_wait", "6s")]).await;
    let mut client = Client::connect(&server, "smtp");
    client.send(b"EHLO client.test\r\nMAIL FROM:<s@x.test>\r\n").await;
    assert!(client.line().await.starts_with("220-"));
    assert!(client.line().await.starts_with("220 "));
    assert!(client.reply().await.starts_with("250 "));
    assert_eq!(client.reply().await, "250 2.1.0 Ok");
    assert_eq!(client.command("RCPT TO:<bob@example.test>").await, WRONG);
    drop(client);
    let told = r"COMMAND PIPELINING from [203.0.113.9]:40000 after EHLO: MAIL FROM:<s@x.test>\r\n";
    assert_eq!(log.lines_with(&[told]).len(), 1, "{}", log.text());
    stop(server).await;
}

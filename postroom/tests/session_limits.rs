//! What a session may have, through a whole server: vectors D010, D011, D015 and D041 to D047 of the access-policy specification.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::{Client, settings, start_with};
use mailstore::fs::sim::SimFs;
use postroom::Server;
use postroom::settings::Settings;
use relay_policy::delegation::Reader;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;
use tokio::time::Instant;

async fn start(settings: Settings) -> Server {
    start_with(&SimFs::new(), 1, |builder| builder.settings(settings)).await.unwrap()
}

async fn greeted(server: &Server) -> Client {
    let mut client = Client::connect(server, "smtp");
    assert!(client.reply().await.starts_with("220 "));
    assert!(client.command("EHLO client.test").await.starts_with("250 "));
    client
}

/// Two recipients of one message have one instance, the next message another.
#[tokio::test]
async fn d010_and_d011_what_policy_services_know_a_message_by() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("policy");
    let listener = UnixListener::bind(&path).unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut reader, mut octets) = (Reader::new(), [0; 4096]);
        while let Ok(length @ 1..) = stream.read(&mut octets).await {
            let mut rest = &octets[..length];
            while !rest.is_empty() {
                let (taken, question) = reader.read(rest).unwrap();
                rest = &rest[taken..];
                if let Some(question) = question {
                    heard.lock().unwrap().push(question.value("instance").to_string());
                    stream.write_all(b"action=DUNNO\n\n").await.unwrap();
                }
            }
        }
    });
    let mut settings = settings();
    let list = format!("check_policy_service unix:{}", path.display());
    settings.policy.set("smtpd_recipient_restrictions", &list).unwrap();
    let server = start(settings).await;
    let mut client = greeted(&server).await;
    for recipients in [&["alice@example.test", "bob@example.test"][..], &["bob@example.test"]] {
        let reply = client.mail("s@x.test", recipients, "x").await;
        assert!(reply.starts_with("250 2.0.0"), "{reply}");
    }
    let told = told.lock().unwrap();
    assert_eq!(told.len(), 3);
    assert!(!told[0].is_empty() && told[0] == told[1] && told[1] != told[2], "{told:?}");
}

/// No address with a line break or a NUL in it gets as far as policy.
#[tokio::test(start_paused = true)]
async fn d015_addresses_with_octets_that_end_lines() {
    let server = start(settings()).await;
    for octets in [b"MAIL FROM:<a\nb@x.test>\r\n".as_slice(), b"MAIL FROM:<a\0b@x.test>\r\n"] {
        let mut client = greeted(&server).await;
        client.send(octets).await;
        let reply = client.reply().await;
        assert!(reply.starts_with("50"), "{}: {reply}", octets.escape_ascii());
    }
}

#[tokio::test(start_paused = true)]
async fn d041_and_d042_errors_cost_time_and_then_the_session() {
    let server = start(settings()).await;
    let mut client = greeted(&server).await;
    let began = Instant::now();
    for error in 1..=10 {
        assert!(client.command("XYZZY").await.starts_with("500 "), "{error}");
    }
    assert_eq!(began.elapsed().as_secs(), 0, "ten are free");
    client.command("XYZZY").await;
    client.command("NOOP").await;
    assert_eq!(began.elapsed().as_secs(), 1);
    for error in 12..=20 {
        assert!(client.command("XYZZY").await.starts_with("500 "), "{error}");
    }
    assert_eq!(client.reply().await, "421 4.7.0 mail.example.test Error: too many errors");
    assert_eq!(client.line().await, "");
}

/// The limits of errors are those of Postfix's parameters, each listener's own.
#[tokio::test(start_paused = true)]
async fn d041_to_d043_as_parameters_say() {
    let with = async |parameters: &[(&str, &str)]| {
        let mut settings = settings();
        for (name, value) in parameters {
            settings.policy.set(name, value).unwrap();
        }
        start(settings).await
    };
    let server = with(&[
        ("smtpd_soft_error_limit", "1"),
        ("smtpd_error_sleep_time", "7s"),
        ("smtpd_hard_error_limit", "3"),
    ])
    .await;
    let mut client = greeted(&server).await;
    let began = Instant::now();
    for _ in 0..2 {
        assert!(client.command("XYZZY").await.starts_with("500 "));
    }
    client.command("NOOP").await;
    assert_eq!(began.elapsed().as_secs(), 7);
    assert!(client.command("XYZZY").await.starts_with("500 "));
    assert_eq!(client.reply().await, "421 4.7.0 mail.example.test Error: too many errors");

    // EHLO and NOOP bring no mail; the next is an error, and one is too many.
    let server = with(&[("smtpd_junk_command_limit", "2"), ("smtpd_hard_error_limit", "1")]).await;
    let mut client = greeted(&server).await;
    assert!(client.command("NOOP").await.starts_with("250 "));
    assert_eq!(client.command("NOOP").await, "421 4.7.0 mail.example.test Error: too many errors");
}

#[tokio::test(start_paused = true)]
async fn what_no_mail_client_says_ends_the_session() {
    const GOODBYE: &str = "221 2.7.0 Error: I can break rules, too. Goodbye.";
    let own = "!TURN, inline:{quit-it=x}, regexp:{{/^X-/ x}}, turn, STATUS";
    for (list, ending, taken) in [
        (None, &["connect example.com:25", "GET /", "{\"x\"", "Subject: x"][..], &["TURN", "X-Y"][..]),
        (Some(own), &["status", "x-y z", "QUIT-IT", "Subject: x"], &["turn", "XYZ", "get /"]),
    ] {
        let mut settings = settings();
        if let Some(list) = list {
            settings.policy.set("smtpd_forbidden_commands", list).unwrap();
        }
        let server = start(settings).await;
        for line in ending {
            let mut client = greeted(&server).await;
            let reply = client.command(line).await;
            // HTTP has an answer of its own.
            assert!(reply == GOODBYE || reply.starts_with("421 4.7.0 "), "{line}: {reply}");
            assert_eq!(client.line().await, "", "{line}");
        }
        let mut client = greeted(&server).await;
        for line in taken {
            assert!(client.command(line).await.starts_with("500 5.5.2 "), "{line}");
        }
    }
    let mut settings = settings();
    settings.policy.set("smtpd_forbidden_commands", "no-such-kind:x").unwrap();
    let error = settings.check().unwrap_err().to_string();
    assert!(error.contains("smtpd_forbidden_commands: ") && error.contains("no-such-kind"), "{error}");
}

/// Whoever refuses: policy, the session, what looks at content.
#[tokio::test(start_paused = true)]
async fn with_soft_bounce_nothing_is_refused_for_good() {
    for (soft, codes) in [
        ("no", ["500 5.5.2", "552 5.3.4", "554 5.7.1", "550 5.7.1"]),
        ("yes", ["400 4.5.2", "452 4.3.4", "454 4.7.1", "450 4.7.1"]),
    ] {
        let mut settings = settings();
        settings.policy.set("soft_bounce", soft).unwrap();
        settings.policy.set("header_checks", "regexp:{{/^Subject: junk/ REJECT junk}}").unwrap();
        let server = start(settings).await;
        let mut client = greeted(&server).await;
        let mut told = Vec::new();
        for command in ["XYZZY", "MAIL FROM:<s@x.test> SIZE=999999999999"] {
            told.push(client.command(command).await);
        }
        told.push(client.mail("s@x.test", &["ann@elsewhere.test"], "x").await);
        client.command("RSET").await;
        told.push(client.mail("s@x.test", &["alice@example.test"], "Subject: junk\r\n\r\nx").await);
        for (reply, code) in told.iter().zip(codes) {
            assert!(reply.starts_with(code), "{told:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_says_hello_unless_it_need_not() {
    for (required, code) in [("yes", "503 5.5.1"), ("no", "250 2.0.0")] {
        let mut settings = settings();
        settings.policy.set("smtpd_helo_required", required).unwrap();
        let server = start(settings).await;
        let mut client = Client::connect(&server, "smtp");
        client.reply().await;
        let reply = client.mail("s@x.test", &["alice@example.test"], "x").await;
        assert!(reply.starts_with(code), "{reply}");
    }
}

/// R89.
#[tokio::test(start_paused = true)]
async fn vrfy_tells_nothing_or_is_not_there() {
    for (disabled, offered, told) in
        [("no", true, "252 2.0.0 "), ("yes", false, "502 5.5.1 VRFY command is disabled")]
    {
        let mut settings = settings();
        settings.policy.set("disable_vrfy_command", disabled).unwrap();
        let server = start(settings).await;
        let mut client = Client::connect(&server, "smtp");
        client.reply().await;
        client.send(b"EHLO client.test\r\n").await;
        let mut capabilities = Vec::new();
        while !capabilities.last().is_some_and(|line: &String| line.starts_with("250 ")) {
            capabilities.push(client.line().await);
        }
        let is_offered = capabilities.iter().any(|line| line.get(4..).map(str::trim_end) == Some("VRFY"));
        assert_eq!(is_offered, offered, "{capabilities:?}");
        let reply = client.command("VRFY alice").await;
        assert!(reply.starts_with(told), "{reply}");
    }
}

#[tokio::test(start_paused = true)]
async fn d043_commands_that_bring_no_mail_are_errors_in_the_end() {
    let server = start(settings()).await;
    let mut client = greeted(&server).await;
    let mut replies = Vec::new();
    for _ in 0..200 {
        let reply = client.command("NOOP").await;
        let is_over = !reply.starts_with("250 ");
        replies.push(reply);
        if is_over {
            break;
        }
    }
    // EHLO was the first of a hundred; twenty errors are too many.
    assert_eq!(replies.len(), 119);
    assert_eq!(replies.pop().as_deref(), Some("421 4.7.0 mail.example.test Error: too many errors"));
}

#[tokio::test(start_paused = true)]
async fn d044_recipients() {
    let mut settings = settings();
    settings.policy.set("smtpd_reject_unlisted_recipient", "no").unwrap();
    settings.policy.set("virtual_alias_maps", "inline:{@example.test=bob@example.test}").unwrap();
    let server = start(settings).await;
    let mut client = greeted(&server).await;
    client.command("MAIL FROM:<s@x.test>").await;
    for number in 0..1000 {
        let reply = client.command(&format!("RCPT TO:<u{number}@example.test>")).await;
        assert!(reply.starts_with("250 "), "{number}: {reply}");
    }
    assert_eq!(client.command("RCPT TO:<u1000@example.test>").await, "452 4.5.3 Error: too many recipients");
}

/// Postfix answers 221 2.7.0; here it is a 421, and the end all the same.
#[tokio::test(start_paused = true)]
async fn d045_http_is_hung_up_on() {
    let server = start(settings()).await;
    let mut client = Client::connect(&server, "smtp");
    assert!(client.reply().await.starts_with("220 "));
    assert!(client.command("GET / HTTP/1.0").await.starts_with("421 4.7.0 "));
    assert_eq!(client.line().await, "");
}

#[tokio::test(start_paused = true)]
async fn d046_and_d047_a_message_that_is_too_large() {
    let mut settings = settings();
    settings.limits.message_bytes_max = 100_000;
    let server = start(settings).await;
    let mut client = greeted(&server).await;
    let refused = "552 5.3.4 Error: message size exceeds fixed limit";
    assert_eq!(client.command("MAIL FROM:<s@x.test> SIZE=200000").await, refused);
    // It is read to its end, and the session goes on.
    let body = "0123456789\r\n".repeat(10_000);
    assert_eq!(client.mail("s@x.test", &["bob@example.test"], &body).await, refused);
    assert!(client.mail("s@x.test", &["bob@example.test"], "x").await.starts_with("250 2.0.0"));
}

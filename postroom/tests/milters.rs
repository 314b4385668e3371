//! Milters in a whole server: what they are told, what they may refuse, and what becomes of mail when they are not there.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use common::log::Log;
use common::milter::{Answer, Milter, letter, packet, placed, say, settings_with};
use common::{Client, inbox, queued, start_with};
use mailstore::fs::sim::SimFs;
use postroom::Server;
use postroom::settings::{Listener, Protocol, TlsMode};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A server with these parameters.
async fn server(fs: &SimFs, parameters: &[(&str, &str)]) -> Server {
    start_with(fs, 1, |builder| builder.settings(settings_with(parameters))).await.unwrap()
}

/// A server with these milters.
async fn with(fs: &SimFs, milters: &str) -> Server {
    server(fs, &[("smtpd_milters", milters)]).await
}

/// What alice and bob have got.
fn got(fs: &SimFs) -> Vec<String> {
    [inbox(fs, "alice"), inbox(fs, "bob")].concat()
}

/// Waits until alice and bob have got so many messages, a minute at least.
async fn wait_for(fs: &SimFs, count: usize) -> Vec<String> {
    for _ in 0..12_000 {
        let got = got(fs);
        if got.len() >= count && queued(fs) == 0 {
            return got;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("not delivered: {:?}", got(fs));
}

const ALICE: &[&str] = &["alice@example.test"];

#[tokio::test]
async fn a_milter_is_told_each_step_and_the_message_as_it_came() {
    let fs = SimFs::new();
    let milter = Milter::new(|_, _| None);
    let server = with(&fs, &milter.inet().await).await;
    let mut client = Client::greeted(&server, "smtp").await;
    client.command("MAIL FROM:<s@x.test> SIZE=100").await;
    client.command("RSET").await;
    let message =
        "Received: from a\r\n by b; x\r\nSubject: one\r\nSubject:two\r\nEmpty:\r\n\r\nbody\r\n..dot";
    let to = ["alice@example.test", "bob@example.test"];
    assert!(client.mail("s@x.test", &to, message).await.starts_with("250 2.0.0"));
    assert!(client.mail("", &to[..1], "second").await.starts_with("250 2.0.0"));
    client.command("QUIT").await;
    milter.hears('Q').await;
    let expected = [
        "C [203.0.113.9]|4\u{fffd}@203.0.113.9|",
        "H client.test|",
        "M <s@x.test>|SIZE=100|",
        "A",
        "M <s@x.test>|",
        "R <alice@example.test>|",
        "R <bob@example.test>|",
        "T",
        "L Received|from a\n by b; x|",
        "L Subject|one|",
        "L Subject|two|",
        "L Empty||",
        "N",
        "B body\r\n.dot",
        "E",
        "M <>|",
        "R <alice@example.test>|",
        "T",
        "N",
        "B second",
        "E",
        "Q",
    ];
    assert_eq!(milter.story(), expected);
    let id = milter.macros('T')[0].clone();
    assert!(id.starts_with("i|"), "{id}");
    assert_eq!(milter.macros('E')[0], id);
    let name = format!("v|Postroom {}|_|unknown [203.0.113.9]|", env!("CARGO_PKG_VERSION"));
    let expected = ["j|mail.example.test|{daemon_name}|mail.example.test|", &name].concat();
    assert_eq!(milter.macros('C'), [expected]);
    assert_eq!(
        milter.macros('R')[0],
        "{rcpt_addr}|alice@example.test|{rcpt_host}|mail.example.test|{rcpt_mailer}|local|"
    );
    assert_eq!(milter.macros('M')[2], "{mail_addr}||{mail_host}|mail.example.test|{mail_mailer}|smtp|");
    let got = wait_for(&fs, 3).await;
    assert!(got[0].contains("Subject:two\r\nEmpty:\r\n\r\nbody\r\n.dot"), "{}", got[0]);
}

/// Each refusal at each step: what the client hears to MAIL, RCPT, DATA and the message.
#[tokio::test]
async fn refusals_are_said_where_postfix_says_them() {
    const OK: [&str; 4] = ["250", "250", "354", "250"];
    let at = |step: usize, told: &'static str| {
        let mut expected = OK;
        expected[step] = told;
        expected[step + 1..].fill("");
        expected
    };
    const REJECT: &str = "550 5.7.1 Command rejected";
    const TEMPFAIL: &str = "451 4.7.1 Service unavailable - try again later";
    // One server for all, whose milter says something else to each session.
    let script = Arc::new(Mutex::new(('-', Vec::new())));
    let said = Arc::clone(&script);
    let milter = Milter::new(move |heard, _| {
        let (step, answer) = said.lock().unwrap().clone();
        say([answer]).filter(|_| heard == step)
    });
    let server = with(&SimFs::new(), &milter.inet().await).await;
    let replies = async |step: char, answer: &[u8]| {
        *script.lock().unwrap() = (step, answer.to_vec());
        replies(&server).await
    };
    for (step, place) in [('H', 0), ('M', 0), ('R', 1), ('T', 2), ('L', 3), ('N', 3), ('B', 3), ('E', 3)] {
        for (answer, told) in [("r", REJECT), ("t", TEMPFAIL), ("y551 5.7.9 Go away\0", "551 5.7.9 Go away")]
        {
            assert_eq!(replies(step, answer.as_bytes()).await, at(place, told), "{told} at {step}");
        }
    }
    assert_eq!(replies('C', b"t").await, at(0, TEMPFAIL));
    for step in ['C', 'H', 'M', 'R', 'T', 'L', 'N', 'B', 'E'] {
        for answer in [b"c", b"a", b"s"] {
            let is_skip_of_all = (step, answer) == ('E', b"s");
            if !is_skip_of_all {
                assert_eq!(replies(step, answer).await, OK, "{answer:?} at {step}");
            }
        }
    }
}

/// What a client hears to MAIL, RCPT, DATA and the message; as much of a yes as its code, nothing behind a no.
async fn replies(server: &Server) -> [String; 4] {
    let mut client = Client::greeted(server, "smtp").await;
    let mut replies = [const { String::new() }; 4];
    let commands = ["MAIL FROM:<s@x.test>", "RCPT TO:<alice@example.test>", "DATA", "A: b\r\n\r\nbody\r\n."];
    for (command, reply) in commands.into_iter().zip(&mut replies) {
        *reply = client.command(command).await;
        if !matches!(reply.as_bytes()[0], b'2' | b'3') {
            return replies;
        }
        reply.truncate(3);
    }
    replies
}

#[tokio::test]
async fn a_refusal_that_closes_ends_the_session() {
    for (step, commands) in [('H', 0), ('M', 1), ('R', 2), ('T', 3), ('E', 4)] {
        let milter = Milter::new(move |letter, _| say([packet('4', "")]).filter(|_| letter == step));
        let fs = SimFs::new();
        let server = with(&fs, &milter.inet().await).await;
        let mut client = Client::connect(&server, "smtp");
        client.reply().await;
        let all = ["EHLO c.test", "MAIL FROM:<s@x.test>", "RCPT TO:<alice@example.test>", "DATA", "b\r\n."];
        for command in &all[..commands] {
            client.command(command).await;
        }
        // RFC 2034 section 4: no enhanced code in what is said to EHLO.
        let told = if step == 'H' { "421 Server" } else { "421 4.7.0 Server" };
        assert_eq!(client.command(all[commands]).await, format!("{told} closing connection"), "{step}");
        assert_eq!(client.line().await, "");
    }
    for (answer, told) in [
        (packet('r', ""), "554 5.7.1 mail.example.test ESMTP not accepting connections"),
        (packet('4', ""), "421 4.7.1 mail.example.test Service unavailable - try again later"),
    ] {
        let milter = Milter::new(move |letter, _| say([answer.clone()]).filter(|_| letter == 'C'));
        let fs = SimFs::new();
        let server = with(&fs, &milter.inet().await).await;
        assert_eq!(Client::connect(&server, "smtp").reply().await, told);
    }
}

#[tokio::test]
async fn the_recipient_that_is_refused_is_the_only_one() {
    let milter = Milter::new(|step, data| letter('r').filter(|_| step == 'R' && data.starts_with(b"<alice")));
    let fs = SimFs::new();
    let server = with(&fs, &milter.inet().await).await;
    let mut client = Client::greeted(&server, "smtp").await;
    client.command("MAIL FROM:<s@x.test>").await;
    assert_eq!(client.command("RCPT TO:<alice@example.test>").await, "550 5.7.1 Command rejected");
    assert!(client.command("RCPT TO:<bob@example.test>").await.starts_with("250"));
    assert!(client.command("RCPT TO:<nobody@example.test>").await.starts_with("550 5.1.1"));
    client.command("DATA").await;
    assert!(client.command("b\r\n.").await.starts_with("250"));
    wait_for(&fs, 1).await;
    assert_eq!((inbox(&fs, "alice").len(), inbox(&fs, "bob").len()), (0, 1));
    assert!(!milter.story().iter().any(|told| told.contains("nobody")), "policy comes first");
}

/// R228: what milters do to a message.
#[tokio::test]
async fn header_body_and_envelope_are_changed() {
    let milter = Milter::new(|step, _| {
        let said = say([
            packet('h', "X-Add\0added\0"),
            packet('h', "X-Fold\0a\n\tb\0"),
            placed('i', 0, "X-Ins0", "v"),
            placed('i', 99, "X-Ins99", "v"),
            placed('m', 2, "Subject", "changed"),
            placed('m', 1, "X-Long", ""),
            placed('m', 1, "X-None", "new"),
            placed('m', 1, "Received", "rrr"),
            packet('b', "new body\r\n"),
            packet('b', "more\r\n"),
            packet('+', "<bob@example.test>\0"),
            packet('-', "<alice@example.test>\0"),
            packet('e', "<other@new.test>\0"),
            packet('p', ""),
            packet('c', ""),
        ]);
        said.filter(|_| step == 'E')
    });
    // Another one sees what the first has left.
    let second =
        Milter::new(|step, _| say([packet('h', "X-Second\0yes\0"), packet('a', "")]).filter(|_| step == 'E'));
    let fs = SimFs::new();
    let directory = tempfile::tempdir().unwrap();
    let milters = format!("{}, {}", milter.inet().await, second.unix(directory.path()));
    let server = with(&fs, &milters).await;
    let mut client = Client::greeted(&server, "smtp").await;
    let message = "Received: from a\r\nSubject: one\r\nSubject: two\r\nX-Long: a\r\n b\r\n\r\nold body";
    assert!(client.mail("s@x.test", ALICE, message).await.starts_with("250"));
    let got = wait_for(&fs, 1).await;
    assert_eq!((inbox(&fs, "alice").len(), inbox(&fs, "bob").len()), (0, 1));
    let (before, after) = got[0].split_once("X-Ins0: v\r\n").unwrap();
    assert!(before.contains("Return-Path: <other@new.test>"), "{before}");
    let (own, rest) = after.split_once("Received: rrr\r\n").unwrap();
    assert!(own.contains("by mail.example.test") && !own.contains("from a"), "{own}");
    assert_eq!(
        rest,
        "Subject: one\r\nSubject: changed\r\nX-Add: added\r\nX-Fold: a\r\n\tb\r\nX-Ins99: v\r\nX-None: new\r\n\
         X-Second: yes\r\n\r\nnew body\r\nmore\r\n"
    );
    let seen = second.story();
    assert!(
        seen.contains(&"L Subject|changed|".to_owned()) && seen.contains(&"B new body\r\nmore".to_owned()),
        "{seen:?}"
    );
}

#[tokio::test]
async fn a_message_is_thrown_away_or_held() {
    for step in ['M', 'R', 'T', 'L', 'B', 'E'] {
        let milter = Milter::new(move |heard, _| letter('d').filter(|_| heard == step));
        let fs = SimFs::new();
        let server = with(&fs, &milter.inet().await).await;
        assert_eq!(replies(&server).await, ["250", "250", "354", "250"], "{step}");
        assert_eq!((queued(&fs), got(&fs).len()), (0, 0), "{step}");
    }
    let milter = Milter::new(|step, _| say([packet('q', "odd\0"), packet('c', "")]).filter(|_| step == 'E'));
    let fs = SimFs::new();
    let server = with(&fs, &milter.inet().await).await;
    let mut client = Client::greeted(&server, "smtp").await;
    assert!(client.mail("s@x.test", ALICE, "held").await.starts_with("250"));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!((queued(&fs), got(&fs).len()), (1, 0), "it is kept, and delivered to nobody");
}

/// Changes are made when the message is taken, and not when the milter fails before.
#[tokio::test]
async fn a_milter_that_dies_changes_nothing() {
    let milter = Milter::new(|step, _| match step {
        'E' => say([packet('h', "X-Add\0added\0"), packet('z', "")]),
        _ => None,
    });
    let fs = SimFs::new();
    let milters = format!("{{ {} default_action=accept }}", milter.inet().await);
    let server = with(&fs, &milters).await;
    let mut client = Client::greeted(&server, "smtp").await;
    assert!(client.mail("s@x.test", ALICE, "A: b\r\n\r\nbody").await.starts_with("250"));
    assert!(wait_for(&fs, 1).await[0].ends_with("A: b\r\n\r\nbody\r\n"));
}

/// D060 and R229: nobody listens there.
#[tokio::test]
async fn what_becomes_of_mail_without_its_milter() {
    for (action, told) in [
        ("tempfail", "451 4.7.1 Service unavailable - try again later"),
        ("accept", "250"),
        ("quarantine", "250"),
    ] {
        let fs = SimFs::new();
        let parameters = [("smtpd_milters", "unix:/no/such/socket"), ("milter_default_action", action)];
        let server = server(&fs, &parameters).await;
        let mut client = Client::greeted(&server, "smtp").await;
        let reply = client.mail("s@x.test", ALICE, "b").await;
        assert!(reply.starts_with(told), "{action}: {reply}");
        match action {
            "accept" => drop(wait_for(&fs, 1).await),
            "quarantine" => assert_eq!((queued(&fs), got(&fs).len()), (1, 0)),
            _ => assert_eq!(queued(&fs), 0),
        }
    }
    let fs = SimFs::new();
    let parameters = [("smtpd_milters", "unix:/no/such/socket"), ("milter_default_action", "reject")];
    let server = server(&fs, &parameters).await;
    let reply = Client::connect(&server, "smtp").reply().await;
    assert_eq!(reply, "554 5.7.1 mail.example.test ESMTP not accepting connections");
}

/// A milter that goes away, or is silent, at each step.
#[tokio::test]
async fn a_milter_may_die_at_each_step() {
    const TEMPFAIL: &str = "451 4.7.1 Service unavailable - try again later";
    let steps =
        [('O', 0), ('C', 0), ('H', 0), ('M', 0), ('R', 1), ('T', 2), ('L', 3), ('N', 3), ('B', 3), ('E', 3)];
    // At the same time, since each waits for the end of a second.
    let each = steps.map(|(step, place)| {
        Box::pin(async move {
            let dies = Milter::new(move |heard, _| Some(Answer::HangUp).filter(|_| heard == step));
            let server = with(&SimFs::new(), &dies.inet().await).await;
            assert_eq!(replies(&server).await[place], TEMPFAIL, "{step}");
            let last = dies.story().pop().unwrap_or_else(|| "O".into());
            assert!(last.starts_with(step), "{step}: {last}");
            let silent = Milter::new(move |heard, _| Some(Answer::Silence).filter(|_| heard == step));
            let place = silent.inet().await;
            let milters =
                format!("{{ {place} command_timeout=1s content_timeout=1s default_action=accept }}");
            let server = with(&SimFs::new(), &milters).await;
            let mut client = Client::greeted(&server, "smtp").await;
            assert!(client.mail("s@x.test", ALICE, "A: b\r\n\r\nbody").await.starts_with("250"), "{step}");
            assert!(client.mail("s@x.test", ALICE, "A: b\r\n\r\nbody").await.starts_with("250"), "{step}");
        })
    });
    futures_util::future::join_all(each).await;
}

#[tokio::test]
async fn tables_say_whose_mail_is_not_looked_at() {
    let milter = Milter::new(|step, _| letter('r').filter(|_| step == 'M'));
    let place = milter.inet().await;
    let fs = SimFs::new();
    let tables = "cidr:{{203.0.113.0/24 DISABLE}}";
    let server = server(&fs, &[("smtpd_milters", &place), ("smtpd_milter_maps", tables)]).await;
    let mut client = Client::greeted(&server, "smtp").await;
    assert!(client.mail("s@x.test", ALICE, "b").await.starts_with("250"));
    assert_eq!(milter.story(), [""; 0]);
    let other = SocketAddr::from(([192, 0, 2, 1], 1));
    let mut client = Client::connect_from(other, &server, "smtp");
    client.reply().await;
    client.command("EHLO client.test").await;
    assert_eq!(client.mail("s@x.test", ALICE, "b").await, "550 5.7.1 Command rejected");
}

/// PASS of a content check.
#[tokio::test]
async fn what_a_check_passes_no_milter_sees() {
    let milter = Milter::new(|step, _| letter('r').filter(|_| step == 'E'));
    let place = milter.inet().await;
    let fs = SimFs::new();
    let checks = [("smtpd_milters", &*place), ("header_checks", "pcre:{{/^Subject: ok/ PASS}}")];
    let server = server(&fs, &checks).await;
    let mut client = Client::greeted(&server, "smtp").await;
    assert!(client.mail("s@x.test", ALICE, "Subject: ok\r\n\r\nb").await.starts_with("250"));
    assert!(!milter.story().iter().any(|told| told.starts_with(['L', 'E'])));
    assert_eq!(client.mail("s@x.test", ALICE, "Subject: no\r\n\r\nb").await, "550 5.7.1 Command rejected");
}

#[tokio::test]
async fn pipelined_messages_and_chunks_go_by_milters() {
    let milter =
        Milter::new(|step, _| say([packet('h', "X-Seen\0yes\0"), packet('c', "")]).filter(|_| step == 'E'));
    let fs = SimFs::new();
    let server = with(&fs, &milter.inet().await).await;
    let mut client = Client::greeted(&server, "smtp").await;
    let group = "MAIL FROM:<s@x.test>\r\nRCPT TO:<alice@example.test>\r\nBDAT 6\r\nA: b\r\nBDAT 8 LAST\r\n\r\nbody\r\n";
    client.send(group.repeat(2).as_bytes()).await;
    for reply in 0..8 {
        assert!(client.reply().await.starts_with("250"), "{reply}");
    }
    for message in wait_for(&fs, 2).await {
        assert!(message.ends_with("A: b\r\nX-Seen: yes\r\n\r\nbody\r\n"), "{message}");
    }
}

#[tokio::test]
async fn a_login_is_told() {
    let milter = Milter::new(|_, _| None);
    let fs = SimFs::new();
    let server = with(&fs, &milter.inet().await).await;
    let mut client = Client::greeted(&server, "submission").await;
    let reply = client.command("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABlY2lsYQ==").await;
    assert!(reply.starts_with("235"), "{reply}");
    assert!(client.mail("alice@example.test", &["bob@example.test"], "b").await.starts_with("250"));
    let told = &milter.macros('M')[0];
    assert!(told.contains("{auth_type}|PLAIN|{auth_authen}|alice@example.test|"), "{told}");
}

/// A large message lies on the disk meanwhile, and comes out as it was.
#[tokio::test]
async fn a_large_message() {
    let milter =
        Milter::new(|step, _| say([packet('h', "X-Seen\0yes\0"), packet('c', "")]).filter(|_| step == 'E'));
    let fs = SimFs::new();
    let server = with(&fs, &milter.inet().await).await;
    let mut client = Client::greeted(&server, "smtp").await;
    let line = format!("{}\r\n", "x".repeat(998));
    let body = line.repeat(3_000);
    let reply = client.mail("s@x.test", ALICE, &format!("A: b\r\n\r\n{}", body.trim_end())).await;
    assert!(reply.starts_with("250"), "{reply}");
    assert_eq!(milter.body_octets(), body.len());
    let got = wait_for(&fs, 1).await;
    assert!(got[0].ends_with(&format!("A: b\r\nX-Seen: yes\r\n\r\n{body}")));
}

#[tokio::test]
async fn a_server_that_stops_does_not_wait_for_a_milter_that_thinks() {
    let milter = Milter::new(|step, _| Some(Answer::Silence).filter(|_| step == 'M'));
    let fs = SimFs::new();
    let server = with(&fs, &milter.inet().await).await;
    let mut client = Client::greeted(&server, "smtp").await;
    client.send(b"MAIL FROM:<s@x.test>\r\n").await;
    milter.hears('M').await;
    assert!(server.shutdown(Duration::from_secs(60)).await);
    assert!(client.reply().await.starts_with("421 4.3.2"));
}

/// R244: behind STARTTLS, EHLO comes again.
#[tokio::test]
async fn the_tls_session_is_told() {
    let milter = Milter::new(|_, _| None);
    let mut settings = settings_with(&[("smtpd_milters", &milter.inet().await)]);
    settings.listeners = vec![Listener::without_socket(Protocol::Smtp).tls(TlsMode::StartTls)];
    let authority = common::tls::Authority::new();
    let certificate = authority.server(&["mail.example.test"]);
    let change = |builder: postroom::server::Builder| builder.settings(settings).certificate(certificate);
    let server = start_with(&SimFs::new(), 1, change).await.unwrap();
    let (mut client, stream) = tokio::io::duplex(64 * 1024);
    tokio::spawn(server.serve("smtp", stream, SocketAddr::from(([203, 0, 113, 9], 1))).unwrap());
    let mut said = Vec::new();
    for (command, replies) in [("EHLO before.test\r\n", 1), ("STARTTLS\r\n", 2)] {
        client.write_all(command.as_bytes()).await.unwrap();
        let last = |said: &[u8]| {
            said.split(|octet| *octet == b'\n').filter(|line| line.get(3) == Some(&b' ')).count()
        };
        // The greeting comes first.
        while last(&said) <= replies || !said.ends_with(b"\n") {
            said.push(client.read_u8().await.unwrap());
        }
    }
    let config = common::tls::client_config(&authority, &[&rustls::version::TLS13], None);
    let mut client = common::tls::connect(&config, "mail.example.test", client).await.unwrap();
    client.write_all(b"EHLO behind.test\r\nQUIT\r\n").await.unwrap();
    client.read_to_end(&mut said).await.unwrap();
    milter.hears('Q').await;
    assert_eq!(milter.story()[1..], ["H before.test|", "H behind.test|", "Q"]);
    let told = milter.macros('H');
    assert_eq!(told.len(), 2);
    assert_eq!(told[0], "");
    assert!(told[1].starts_with("{tls_version}|TLSv1.3|{cipher}|TLS"), "{}", told[1]);
    assert!(told[1].ends_with("|{cipher_bits}|256|"), "{}", told[1]);
}

/// Behind XCLIENT the session begins anew, for milters, too.
#[tokio::test]
async fn who_is_spoken_for_is_told() {
    let milter = Milter::new(|_, _| None);
    let mut settings = settings_with(&[("smtpd_milters", &milter.inet().await)]);
    settings.listeners = vec![Listener::without_socket(Protocol::Smtp)];
    settings.listeners[0].xclient_clients = vec!["203.0.113.0/24".into()];
    let server = start_with(&SimFs::new(), 1, |builder| builder.settings(settings)).await.unwrap();
    let mut client = Client::greeted(&server, "smtp").await;
    assert!(
        client.command("XCLIENT ADDR=IPV6:2001:db8::7 NAME=c.some.test PORT=25").await.starts_with("220")
    );
    client.command("EHLO other.test").await;
    assert!(client.mail("s@x.test", ALICE, "b").await.starts_with("250"));
    milter.hears('Q').await;
    let story = milter.story();
    for told in ["C c.some.test|6\0\u{19}2001:db8::7|".replace('\0', "|"), "H other.test|".into()] {
        assert!(story.contains(&told), "{told} {story:?}");
    }
}

#[tokio::test]
async fn mail_by_lmtp_goes_by_milters() {
    let milter = Milter::new(|step, data| letter('r').filter(|_| step == 'R' && data.starts_with(b"<bob")));
    let mut settings = settings_with(&[("smtpd_milters", &milter.inet().await)]);
    settings.listeners.push(Listener::without_socket(Protocol::Lmtp));
    let fs = SimFs::new();
    let server = start_with(&fs, 1, |builder| builder.settings(settings)).await.unwrap();
    let mut client = Client::connect(&server, "lmtp");
    client.reply().await;
    client.command("LHLO client.test").await;
    client.command("MAIL FROM:<s@x.test>").await;
    assert!(client.command("RCPT TO:<alice@example.test>").await.starts_with("250"));
    assert_eq!(client.command("RCPT TO:<bob@example.test>").await, "550 5.7.1 Command rejected");
    client.command("DATA").await;
    assert!(client.command("b\r\n.").await.starts_with("250"));
    assert_eq!(milter.story()[1], "H client.test|");
}

#[tokio::test]
async fn the_log_has_what_milters_say_as_postfix_does() {
    let (log, _guard) = Log::start(tracing::Level::INFO);
    let at = |step: char, answer: Vec<u8>| {
        Milter::new(move |heard, _| say([answer.clone(), packet('c', "")]).filter(|_| heard == step))
    };
    let refuses = at('E', packet('r', ""));
    let holds = at('E', packet('q', "reason\0"));
    let discards = at('R', packet('d', ""));
    let gone = "unix:/no/such/socket";
    for milters in [&*refuses.inet().await, &holds.inet().await, &discards.inet().await, gone] {
        let server = with(&SimFs::new(), milters).await;
        Client::greeted(&server, "smtp").await.mail("s@x.test", ALICE, "b").await;
    }
    let from = "from unknown[203.0.113.9]";
    let origin = "from=<s@x.test> to=<alice@example.test> proto=ESMTP helo=<client.test>";
    let tempfail = "451 4.7.1 Service unavailable - try again later";
    for told in [
        format!(": milter-reject: END-OF-MESSAGE {from}: 5.7.1 Command rejected; {origin}"),
        format!(": milter-hold: END-OF-MESSAGE {from}: milter triggers HOLD action; {origin}"),
        format!("NOQUEUE: milter-discard: RCPT {from}: milter triggers DISCARD action; {origin}"),
        format!("NOQUEUE: milter-reject: CONNECT {from}: {tempfail}; proto=SMTP"),
        format!(
            "NOQUEUE: milter-reject: MAIL {from}: {tempfail}; from=<s@x.test> proto=ESMTP helo=<client.test>"
        ),
        "milter unix:/no/such/socket: connect: ".to_owned(),
    ] {
        assert_eq!(log.lines_with(&[&told]).len(), 1, "{told}\n{}", log.text());
    }
}

/// Who accepts a client is said goodbye, and who comes behind one that throws a message away is not asked about it.
#[tokio::test]
async fn who_need_not_be_asked_is_not() {
    let accepts = Milter::new(|step, _| letter('a').filter(|_| step == 'C'));
    let discards = Milter::new(|step, _| letter('d').filter(|_| step == 'M'));
    let refuses = Milter::new(|step, _| letter('r').filter(|_| step == 'M'));
    let places = [accepts.inet().await, discards.inet().await, refuses.inet().await];
    let server = with(&SimFs::new(), &places.join(" ")).await;
    let mut client = Client::greeted(&server, "smtp").await;
    assert!(client.command("MAIL FROM:<s@x.test>").await.starts_with("250"));
    client.command("EHLO again.test").await;
    accepts.hears('Q').await;
    assert_eq!(accepts.story().len(), 2, "C and Q");
    assert_eq!(refuses.story()[1..], ["H client.test|", "H again.test|"]);
}

/// However long each of them may take: the client is told before it gives up, and does not send the message again.
#[tokio::test(start_paused = true)]
async fn milters_have_so_much_time_together() {
    for (step, seconds) in [('M', 4 * 60), ('E', 9 * 60)] {
        let silent = |_| Milter::new(move |heard, _| Some(Answer::Silence).filter(|_| heard == step));
        let silent = [0, 1].map(silent);
        // What is written to such a socket is there at once, for a clock that stands still.
        let directories = [(); 2].map(|()| tempfile::tempdir().unwrap());
        let places = [0, 1].map(|nth| {
            let place = silent[nth].unix(directories[nth].path());
            format!("{{ {place} command_timeout=200s content_timeout=400s default_action=accept }}")
        });
        let fs = SimFs::new();
        let server = with(&fs, &places.join(" ")).await;
        let mut client = Client::greeted(&server, "smtp").await;
        let start = tokio::time::Instant::now();
        let reply = client.mail("s@x.test", ALICE, "A: b\r\n\r\nbody").await;
        assert!(reply.starts_with("250"), "{step}: {reply}");
        assert_eq!(start.elapsed().as_secs(), seconds, "{step}");
        assert!(silent.iter().all(|milter| milter.story().last().unwrap().starts_with(step)));
    }
}

#[tokio::test]
async fn a_milter_may_die_between_messages_and_refuse_a_first_chunk() {
    let dies = Milter::new(|step, _| Some(Answer::HangUp).filter(|_| step == 'A'));
    let refuses = Milter::new(|step, _| letter('r').filter(|_| step == 'T'));
    for (milter, chunk, next) in [(dies, "250", "451 4.7.1"), (refuses, "550 5.7.1", "250")] {
        let server = with(&SimFs::new(), &milter.inet().await).await;
        let mut client = Client::greeted(&server, "smtp").await;
        client.send(b"MAIL FROM:<s@x.test>\r\nRCPT TO:<alice@example.test>\r\nBDAT 3\r\nA: RSET\r\n").await;
        for told in ["250", "250", chunk, "250"] {
            let reply = client.reply().await;
            assert!(reply.starts_with(told), "{reply}");
        }
        let reply = client.command("MAIL FROM:<s@x.test>").await;
        assert!(reply.starts_with(next), "{reply}");
    }
}

//! Tables: all sequences of two commands (R31), and the form of every reply (R21, R22, R36).

#![allow(clippy::unwrap_used)]

mod common;

use common::App;
use proto_core::sasl::Mechanism;
use smtp_proto::Reply;
use smtp_proto::client::ReplyParser;
use smtp_proto::server::{Config, Peer, Server, TlsMode};
use std::sync::Arc;
use testkit::{Driver, START};

const COMMANDS: [(&str, &str); 18] = [
    ("HELO", "HELO c\r\n"),
    ("EHLO", "EHLO c\r\n"),
    ("LHLO", "LHLO c\r\n"),
    ("MAIL", "MAIL FROM:<a@x>\r\n"),
    ("RCPT", "RCPT TO:<ok@t>\r\n"),
    ("DATA", "DATA\r\n"),
    ("BDAT", "BDAT 6 LAST\r\nQUIT\r\n"),
    ("RSET", "RSET\r\n"),
    ("NOOP", "NOOP\r\n"),
    ("VRFY", "VRFY ok\r\n"),
    ("EXPN", "EXPN list\r\n"),
    ("HELP", "HELP\r\n"),
    ("AUTH", "AUTH PLAIN AHUAcA==\r\n"),
    ("STARTTLS", "STARTTLS\r\n"),
    ("ETRN", "ETRN none.t\r\n"),
    ("XCLIENT", "XCLIENT ADDR=192.0.2.1\r\n"),
    ("XFORWARD", "XFORWARD ADDR=192.0.2.1\r\n"),
    ("QUIT", "QUIT\r\n"),
];

fn session() -> Driver<Server, App> {
    let mut config = Config::new("mx.t").unwrap();
    config.tls = TlsMode::Offered;
    config.mechanisms = vec![Mechanism::Plain, Mechanism::Login];
    config.allow_plaintext_auth = true;
    config.expand = true;
    config.offer.etrn = true;
    let mut peer = Peer::new([192, 0, 2, 7].into());
    (peer.xclient, peer.xforward) = (true, true);
    Driver::new(Server::new(START, Arc::new(config), peer), App::plain())
}

/// The code of the last reply, zero where none came; after STARTTLS the handshake is done at once.
fn code(session: &mut Driver<Server, App>, line: &str) -> u16 {
    if session.closed().is_some() {
        return 0;
    }
    session.receive(line.as_bytes());
    let sent = String::from_utf8(session.take_sent()).unwrap();
    if session.awaits_tls() {
        session.tls();
    }
    sent.lines().last().unwrap()[..3].parse().unwrap()
}

/// What the second command is answered, by the first one. The session has said nothing else (`fresh`) or EHLO.
fn table(fresh: bool) -> String {
    let mut table = String::new();
    for (first, first_line) in COMMANDS {
        table += &format!("{first:9}");
        for (_, second_line) in COMMANDS {
            let mut session = session();
            session.pump();
            session.take_sent();
            if !fresh {
                code(&mut session, "EHLO c\r\n");
            }
            let before = code(&mut session, first_line);
            // After 354 the second line is a line of the message.
            let second = if before == 354 {
                code(&mut session, &format!("{second_line}.\r\n"))
            } else {
                code(&mut session, second_line)
            };
            table += &format!(" {second:03}");
        }
        table = table.trim_end().to_owned() + "\n";
    }
    table
}

#[test]
fn r31_all_sequences_of_two_commands_after_ehlo() {
    let expected = "\
HELO      250 250 500 250 503 503 503 250 250 252 250 214 503 220 251 220 250 221
EHLO      250 250 500 250 503 503 503 250 250 252 250 214 235 220 251 220 250 221
LHLO      250 250 500 250 503 503 503 250 250 252 250 214 235 220 251 220 250 221
MAIL      250 250 500 503 250 554 554 250 250 252 250 214 503 503 503 503 503 221
RCPT      250 250 500 250 503 503 503 250 250 252 250 214 235 220 251 220 250 221
DATA      250 250 500 250 503 503 503 250 250 252 250 214 235 220 251 220 250 221
BDAT      250 250 500 250 503 503 503 250 250 252 250 214 235 220 251 220 250 221
RSET      250 250 500 250 503 503 503 250 250 252 250 214 235 220 251 220 250 221
NOOP      250 250 500 250 503 503 503 250 250 252 250 214 235 220 251 220 250 221
VRFY      250 250 500 250 503 503 503 250 250 252 250 214 235 220 251 220 250 221
EXPN      250 250 500 250 503 503 503 250 250 252 250 214 235 220 251 220 250 221
HELP      250 250 500 250 503 503 503 250 250 252 250 214 235 220 251 220 250 221
AUTH      250 250 500 250 503 503 503 250 250 252 250 214 503 220 251 220 250 221
STARTTLS  250 250 500 503 503 503 503 250 250 252 250 214 503 503 503 220 250 221
ETRN      250 250 500 250 503 503 503 250 250 252 250 214 235 220 251 220 250 221
XCLIENT   250 250 500 503 503 503 503 250 250 252 250 214 503 220 503 220 250 221
XFORWARD  250 250 500 250 503 503 503 250 250 252 250 214 235 220 251 220 250 221
QUIT      000 000 000 000 000 000 000 000 000 000 000 000 000 000 000 000 000 000
";
    let got = table(false);
    assert_eq!(got, expected, "\n{got}");
}

#[test]
fn r31_all_sequences_of_two_commands_before_any_hello() {
    let expected = "\
HELO      250 250 500 250 503 503 503 250 250 252 250 214 503 220 251 220 250 221
EHLO      250 250 500 250 503 503 503 250 250 252 250 214 235 220 251 220 250 221
LHLO      250 250 500 503 503 503 503 250 250 252 250 214 503 220 503 220 250 221
MAIL      250 250 500 503 503 503 503 250 250 252 250 214 503 220 503 220 250 221
RCPT      250 250 500 503 503 503 503 250 250 252 250 214 503 220 503 220 250 221
DATA      250 250 500 503 503 503 503 250 250 252 250 214 503 220 503 220 250 221
BDAT      250 250 500 503 503 503 503 250 250 252 250 214 503 220 503 220 250 221
RSET      250 250 500 503 503 503 503 250 250 252 250 214 503 220 503 220 250 221
NOOP      250 250 500 503 503 503 503 250 250 252 250 214 503 220 503 220 250 221
VRFY      250 250 500 503 503 503 503 250 250 252 250 214 503 220 503 220 250 221
EXPN      250 250 500 503 503 503 503 250 250 252 250 214 503 220 503 220 250 221
HELP      250 250 500 503 503 503 503 250 250 252 250 214 503 220 503 220 250 221
AUTH      250 250 500 503 503 503 503 250 250 252 250 214 503 220 503 220 250 221
STARTTLS  250 250 500 503 503 503 503 250 250 252 250 214 503 503 503 220 250 221
ETRN      250 250 500 503 503 503 503 250 250 252 250 214 503 220 503 220 250 221
XCLIENT   250 250 500 503 503 503 503 250 250 252 250 214 503 220 503 220 250 221
XFORWARD  250 250 500 503 503 503 503 250 250 252 250 214 503 220 503 220 250 221
QUIT      000 000 000 000 000 000 000 000 000 000 000 000 000 000 000 000 000 000
";
    let got = table(true);
    assert_eq!(got, expected, "\n{got}");
}

/// Command by command, so that each reply can be told from whose it is.
const CORPUS: &[&str] = &[
    "VRFY\r\n",
    "EHLO\r\n",
    "HELO a b\r\n",
    "HELO c\r\n",
    "MAIL FROM:<a@x> SIZE=1\r\n",
    "EHLO c\r\n",
    "ehlo c\r\n",
    "\r\n",
    "XYZZY\r\n",
    "HELP\r\n",
    "NOOP\r\n",
    "VRFY ok\r\n",
    "EXPN list\r\n",
    "STARTTLS x\r\n",
    "AUTH\r\n",
    "AUTH FOO\r\n",
    "AUTH PLAIN !\r\n",
    "AUTH PLAIN\r\n",
    "*\r\n",
    "AUTH LOGIN\r\n",
    "dTE=\r\n",
    "eA==\r\n",
    "AUTH PLAIN AHUAcA==\r\n",
    "AUTH PLAIN AHUAcA==\r\n",
    "RCPT TO:<ok@t>\r\n",
    "DATA\r\n",
    "MAIL\r\n",
    "MAIL FROM:<a\r\n",
    "MAIL FROM:<\u{e9}@x>\r\n",
    "MAIL FROM:<a@x> FOO\r\n",
    "MAIL FROM:<a@x> SIZE=x\r\n",
    "MAIL FROM:<a@x> SIZE=99999999999999999999\r\n",
    "MAIL FROM:<a@x> BODY=7BIT BODY=7BIT\r\n",
    "MAIL FROM:<a@x>\r\n",
    "MAIL FROM:<a@x>\r\n",
    "DATA\r\n",
    "RCPT\r\n",
    "RCPT TO:<>\r\n",
    "RCPT TO:<nobody@t>\r\n",
    "RCPT TO:<full@t>\r\n",
    "RCPT TO:<a@elsewhere>\r\n",
    "RCPT TO:<ok@t>\r\n",
    "RCPT TO:<ok@t>\r\n",
    "RCPT TO:<ok@t>\r\n",
    "STARTTLS\r\n",
    "DATA x\r\n",
    "DATA\r\n",
    "bare\n\r\n.\r\n",
    "RSET x\r\n",
    "RSET\r\n",
    "QUIT x\r\n",
    "MAIL FROM:<a@x>\r\n",
    "RCPT TO:<ok@t>\r\n",
    "DATA\r\n",
    "x\r\n.\r\n",
    "STARTTLS\r\n",
    "STARTTLS\r\n",
    "QUIT\r\n",
];

/// The replies in what was sent.
fn replies(sent: &[u8]) -> Vec<Reply> {
    let mut parser = ReplyParser::new();
    let mut replies = Vec::new();
    for line in sent.split_inclusive(|b| *b == b'\n') {
        let text = line.strip_suffix(b"\r\n").expect("CR LF ends every line");
        assert!(!text.contains(&b'\r') && line.len() <= 512, "{}", line.escape_ascii());
        replies.extend(parser.line(text, 100, 10_000).unwrap());
    }
    replies
}

#[test]
fn r22_r36_the_form_of_every_reply() {
    let mut config = Config::new("mx.t").unwrap();
    config.tls = TlsMode::Offered;
    config.mechanisms = vec![Mechanism::Plain, Mechanism::Login];
    config.allow_plaintext_auth = true;
    config.limits.recipients_max = 2;
    config.limits.errors_max = 1000;
    config.limits.errors_before_pause = 1000;
    let mut session = Driver::new(common::server(config), App::plain());
    session.pump();
    let greeting = session.take_sent();
    assert_eq!(greeting, b"220 mx.t ESMTP Postroom\r\n");
    let mut codes = Vec::new();
    for line in CORPUS {
        session.receive(line.as_bytes());
        let sent = session.take_sent();
        let [reply] = &replies(&sent)[..] else { panic!("{line:?}: {}", sent.escape_ascii()) };
        if session.awaits_tls() {
            session.tls();
        }
        let hello = ["EHLO", "HELO", "ehlo"].iter().any(|verb| line.starts_with(verb));
        let bare = hello || reply.is_intermediate();
        assert_eq!(reply.enhanced().is_none(), bare, "{line:?}: {reply}");
        codes.push(reply.code());
    }
    assert!(session.closed().is_some());
    codes.sort_unstable();
    codes.dedup();
    let seen =
        [214, 220, 221, 235, 250, 252, 334, 354, 452, 500, 501, 502, 503, 504, 535, 550, 552, 553, 554, 555];
    assert_eq!(codes, seen);
}

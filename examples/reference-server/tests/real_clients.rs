//! Mail goes in by swaks and Python's smtplib and comes out by curl, imaplib and poplib, byte for byte apart from
//! the trace fields, in the clear, over STARTTLS and over implicit TLS.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

use common::{ALICE, BOB, PASSWORD, Server, has, run, trace_of};
use std::io::Write;
use std::process::{Command, Stdio};

const MODES: [&str; 3] = ["plain", "starttls", "implicit"];

/// The listener that a mode uses: `plain` is a STARTTLS listener whose offer is not taken up.
fn listener(mode: &str) -> &str {
    if mode == "implicit" { "implicit" } else { "starttls" }
}

/// A message with what tends to get lost: leading dots, spaces at line ends, 8-bit text, an empty last line.
fn message(subject: &str) -> Vec<u8> {
    format!(
        "From: Bob <{BOB}>\r\nTo: Alice <{ALICE}>\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         .\r\n..\r\n.leading dot\r\ntrailing space \r\nFrom the start\r\nGr\u{fc}\u{df}e, \u{4e2d}\u{6587}\r\n\r\nend\r\n\r\n"
    )
    .into_bytes()
}

/// Submission for who logs in, plain SMTP else.
fn send_with(server: &Server, program: &str, mode: &str, subject: &str) {
    let (protocol, user) = if mode == "implicit" { ("submission", BOB) } else { ("smtp", "") };
    let address = server.address(protocol, listener(mode));
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut command = match program {
        "swaks" => {
            let mut swaks = Command::new("swaks");
            swaks.args(["--server", &host, "--port", &port, "--from", BOB, "--to", ALICE, "--data", "-"]);
            match mode {
                "starttls" => drop(swaks.arg("--tls")),
                "implicit" => drop(swaks.args([
                    "--tls-on-connect",
                    "--auth",
                    "PLAIN",
                    "--auth-user",
                    user,
                    "--auth-password",
                    PASSWORD,
                ])),
                _ => {}
            }
            swaks
        }
        _ => {
            let mut python = Command::new("python3");
            python.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/send_smtplib.py"));
            python.args([&host, &port, mode]).arg(server.certificate()).args([user, PASSWORD, BOB, ALICE]);
            python
        }
    };
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // swaks ends the last line itself.
    let message = message(subject);
    let input = if program == "swaks" { message.strip_suffix(b"\r\n").unwrap() } else { &message };
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{program} {mode} failed\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// The UID or POP3 number of a subject is not known to curl: the message is found by trying them in order.
fn read_with_curl(server: &Server, protocol: &str, mode: &str, subject: &str) -> Vec<u8> {
    let address = server.address(protocol, listener(mode));
    let scheme = if mode == "implicit" { format!("{protocol}s") } else { protocol.to_owned() };
    for number in 1..=MODES.len() * 2 {
        let path = if protocol == "imap" { format!("INBOX;UID={number}") } else { number.to_string() };
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "30", "--user", &format!("{ALICE}:{PASSWORD}")]);
        curl.arg("--cacert").arg(server.certificate());
        if mode == "starttls" {
            curl.arg("--ssl-reqd");
        }
        let message = run(curl.arg(format!("{scheme}://{address}/{path}")));
        if String::from_utf8_lossy(&message).contains(&format!("Subject: {subject}\r\n")) {
            return message;
        }
    }
    panic!("{protocol} {mode}: no message with subject {subject}");
}

fn read_with_python(server: &Server, protocol: &str, mode: &str, subject: &str) -> Vec<u8> {
    let address = server.address(protocol, listener(mode));
    let script = if protocol == "imap" { "read_imaplib.py" } else { "read_poplib.py" };
    let mut python = Command::new("python3");
    python.arg(format!("{}/tests/clients/{script}", env!("CARGO_MANIFEST_DIR")));
    python.args([&address.ip().to_string(), &address.port().to_string(), mode]);
    run(python.arg(server.certificate()).args([ALICE, PASSWORD, subject]))
}

#[test]
fn mail_by_swaks_and_smtplib_is_read_by_curl_imaplib_and_poplib() {
    if !["swaks", "curl", "python3"].into_iter().all(has) {
        return;
    }
    let server = Server::start(true);
    for program in ["swaks", "smtplib"] {
        for mode in MODES {
            send_with(&server, program, mode, &format!("{program} {mode}"));
        }
    }
    wait_for_delivery(&server, MODES.len() * 2);
    for program in ["swaks", "smtplib"] {
        for sent_by in MODES {
            let subject = format!("{program} {sent_by}");
            let sent = message(&subject);
            for mode in MODES {
                for protocol in ["imap", "pop3"] {
                    for received in [
                        read_with_curl(&server, protocol, mode, &subject),
                        read_with_python(&server, protocol, mode, &subject),
                    ] {
                        let trace = trace_of(&received, &sent).replace("\r\n\t", " ");
                        assert!(trace.starts_with(&format!("Return-Path: <{BOB}>\r\n")), "{trace}");
                        let with = match sent_by {
                            "plain" => "with ESMTP id",
                            "starttls" => "with ESMTPS (TLSv1.3 ",
                            _ => "with ESMTPSA (TLSv1.3 ",
                        };
                        assert!(trace.contains(with), "{sent_by}: {trace}");
                    }
                }
            }
        }
    }
    assert!(server.stop(), "a clean exit after SIGTERM");
}

/// Accepting and delivering are two steps: waits until the second is done.
fn wait_for_delivery(server: &Server, messages: usize) {
    let inbox = server.directory.join("data/mail/example.test/alice/Maildir");
    for _ in 0..600 {
        let there =
            ["new", "cur"].iter().filter_map(|d| std::fs::read_dir(inbox.join(d)).ok()).flatten().count();
        if there >= messages {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("not delivered within a minute");
}

//! Mail programs of other makers send to us: each of them with each SASL mechanism it has, over STARTTLS and over TLS
//! from the first octet; and Postfix's `smtp-source` and swaks by LMTP.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

use common::wire::Smtp;
use common::{ALICE, BOB, PASSWORD, Server, configuration, eventually, has, inbox, prepare, run, trace_of};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use std::fs::{self, OpenOptions, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// What the server is told to offer.
const OFFERED: [&str; 5] = ["SCRAM-SHA-256", "SCRAM-SHA-1", "CRAM-MD5", "PLAIN", "LOGIN"];

/// Program and mechanism: all that the programs have, but those with tokens, which a passwd-file does not know. (EXTERNAL
/// is offered where certificates are asked for.)
const ROWS: [(&str, &str); 16] = [
    ("swaks", "PLAIN"),
    ("swaks", "LOGIN"),
    ("swaks", "CRAM-MD5"),
    ("msmtp", "PLAIN"),
    ("msmtp", "LOGIN"),
    ("msmtp", "CRAM-MD5"),
    ("msmtp", "SCRAM-SHA-1"),
    ("msmtp", "SCRAM-SHA-256"),
    ("msmtp", "EXTERNAL"),
    ("curl", "PLAIN"),
    ("curl", "LOGIN"),
    ("curl", "CRAM-MD5"),
    ("curl", "EXTERNAL"),
    ("smtplib", "PLAIN"),
    ("smtplib", "LOGIN"),
    ("smtplib", "CRAM-MD5"),
];

/// How bob would send a mail to alice that stands on the program's standard input.
fn command(program: &str, mechanism: &str, tls: &str, server: &Server) -> Command {
    let address = server.address("submission", tls);
    let (port, implicit) = (address.port().to_string(), tls == "implicit");
    let certificate = server.certificate();
    let certificate = certificate.to_str().unwrap();
    let name = if program == "smtplib" { "python3" } else { program };
    let mut command = Command::new(name);
    match program {
        "swaks" => command
            .args(["--server", "127.0.0.1", "--port", &port, "--from", BOB, "--to", ALICE, "--data", "-"])
            .args(["--auth", mechanism, "--auth-user", BOB, "--auth-password", PASSWORD])
            .arg(if implicit { "--tls-on-connect" } else { "--tls" }),
        "msmtp" => command
            .args(["--host=localhost", &format!("--port={port}"), "--tls=on"])
            .arg(format!("--tls-trust-file={certificate}"))
            .arg(format!("--tls-starttls={}", if implicit { "off" } else { "on" }))
            .arg(format!("--auth={}", mechanism.to_lowercase()))
            .args([&format!("--user={BOB}"), &format!("--passwordeval=echo '{PASSWORD}'")])
            .args([&format!("--from={BOB}"), ALICE]),
        "curl" => command
            .args(["--silent", "--show-error", "--max-time", "30", "--ssl-reqd", "--cacert", certificate])
            // With a password there, it does not try EXTERNAL.
            .args(["--user", &format!("{BOB}:{}", if mechanism == "EXTERNAL" { "" } else { PASSWORD })])
            .args(["--login-options", &format!("AUTH={mechanism}"), "--mail-from", BOB])
            .args(["--mail-rcpt", ALICE, "--upload-file", "-"])
            .arg(format!("{}://localhost:{port}", if implicit { "smtps" } else { "smtp" })),
        _ => command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/send_smtplib.py")).args([
            "localhost",
            &port,
            tls,
            certificate,
            BOB,
            PASSWORD,
            BOB,
            ALICE,
            mechanism,
        ]),
    };
    if mechanism == "EXTERNAL" {
        let [certificate, key] = ["bob.pem", "bob-key.pem"].map(|file| server.directory.join(file));
        if program == "msmtp" {
            command.arg(format!("--tls-cert-file={}", certificate.display()));
            command.arg(format!("--tls-key-file={}", key.display()));
        } else {
            command.arg("--cert").arg(certificate).arg("--key").arg(key);
        }
    }
    command
}

/// An authority, and a certificate of it for bob.
fn make_client_certificate(directory: &Path) {
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(DnType::CommonName, "Test authority");
    let authority = CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.subject_alt_names.push(SanType::Rfc822Name(BOB.try_into().unwrap()));
    let certificate = parameters.signed_by(&key, &authority).unwrap();
    for (name, pem) in [
        ("client-ca.pem", authority.pem()),
        ("bob.pem", certificate.pem()),
        ("bob-key.pem", key.serialize_pem()),
    ] {
        fs::write(directory.join(name), pem).unwrap();
        // msmtp reads no key that others could read.
        fs::set_permissions(directory.join(name), Permissions::from_mode(0o600)).unwrap();
    }
}

/// A message as these programs leave it alone: with Date and Message-ID, and no line ends but CR LF.
fn message(subject: &str) -> Vec<u8> {
    format!(
        "From: Bob <{BOB}>\r\nTo: Alice <{ALICE}>\r\nSubject: {subject}\r\nDate: Sun, 22 Nov 2026 00:00:00 +0000\r\n\
         Message-ID: <{}@example.test>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n.\r\n..\r\n.leading dot\r\ntrailing space \r\nFrom the start\r\n\
         Gr\u{fc}\u{df}e\r\n\r\nend\r\n",
        subject.replace(' ', ".")
    )
    .into_bytes()
}

#[test]
fn every_program_logs_in_with_every_mechanism_it_has() {
    if !["swaks", "msmtp", "curl", "python3"].into_iter().all(has) {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    make_client_certificate(directory.path());
    let offer =
        format!("auth_mechanisms = {:?}\nallow_plaintext_auth", [&OFFERED[..], &["EXTERNAL"]].concat());
    let configuration = configuration(true, "")
        .replace("allow_plaintext_auth", &offer)
        .replace("\"submission\"", "\"submission\"\nclient_ca = \"client-ca.pem\"");
    prepare(directory.path(), &configuration);
    let server = Server::start_in(directory.path());
    let hello = Smtp::connect(server.address("smtp", "starttls")).command("EHLO client.test");
    let offered = hello.lines().find_map(|line| line.get(4..)?.strip_prefix("AUTH ")).unwrap();
    assert_eq!(offered.split(' ').collect::<Vec<_>>(), OFFERED);

    let mut expected = Vec::new();
    for (program, mechanism) in ROWS {
        for tls in ["starttls", "implicit"] {
            let subject = format!("{program} {mechanism} {tls}");
            let sent = message(&subject);
            let mut child = command(program, mechanism, tls, &server)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            // swaks ends the last line itself. A program that cannot log in may end without reading anything.
            let input = if program == "swaks" { sent.strip_suffix(b"\r\n").unwrap() } else { &sent };
            let _ = child.stdin.take().unwrap().write_all(input);
            let output = child.wait_with_output().unwrap();
            assert!(
                output.status.success(),
                "{subject}\n{}\n{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            expected.push((subject, sent));
        }
    }
    eventually(|| inbox(&server.directory, "alice").len() >= expected.len());
    let received = inbox(&server.directory, "alice");
    assert_eq!(received.len(), expected.len(), "each once");
    for (subject, sent) in &expected {
        let line = format!("Subject: {subject}\r\n");
        let mail = received.iter().find(|mail| String::from_utf8_lossy(mail).contains(&line)).unwrap();
        let trace = trace_of(mail, sent).replace("\r\n\t", " ");
        assert!(trace.contains("with ESMTPSA (TLSv1."), "{subject}: {trace}");
    }
    assert!(server.stop(), "a clean exit after SIGTERM");
}

#[test]
fn smtp_source_sends_by_smtp_and_by_lmtp() {
    if !has("smtp-source") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    prepare(directory, &configuration(true, ""));
    // It makes more recipients of one by putting numbers before the name.
    let mut accounts = OpenOptions::new().append(true).open(directory.join("users.passwd")).unwrap();
    for number in 2..=3 {
        writeln!(accounts, "{number}{ALICE}:{{PLAIN}}{PASSWORD}::::::").unwrap();
    }
    let server = Server::start_in(directory);
    for protocol in ["smtp", "lmtp"] {
        let mut source = Command::new("smtp-source");
        if protocol == "lmtp" {
            source.arg("-L");
        }
        source.args(["-s", "5", "-m", "20", "-r", "3", "-l", "5000", "-f", BOB, "-t", ALICE]);
        run(source.arg(format!("inet:{}", server.address(protocol, "starttls"))));
    }
    for account in ["alice", "2alice", "3alice"] {
        eventually(|| inbox(directory, account).len() >= 40);
        let received = inbox(directory, account);
        let by = |with: &str| received.iter().filter(|m| String::from_utf8_lossy(m).contains(with)).count();
        assert_eq!((received.len(), by(" with SMTP\r\n"), by(" with LMTP\r\n")), (40, 20, 20), "{account}");
        assert!(received.iter().all(|mail| mail.len() > 5000), "{account}");
    }
    assert!(server.stop());
}

#[test]
fn swaks_speaks_lmtp_over_starttls() {
    if !has("swaks") {
        return;
    }
    let server = Server::start(false);
    let address = server.address("lmtp", "starttls");
    let mut swaks = Command::new("swaks");
    swaks.args([
        "--protocol",
        "LMTP",
        "--server",
        "127.0.0.1",
        "--port",
        &address.port().to_string(),
        "--tls",
    ]);
    swaks.args(["--from", "s@sender.test", "--to", &format!("{ALICE},nobody@example.test,{BOB}")]);
    let output = swaks.args(["--body", "by LMTP"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.matches("250 2.0.0 Ok: queued as").count(), 2, "one verdict for each recipient: {said}");
    assert!(said.contains("550 5.1.1 <nobody@example.test>"), "{said}");
    for account in ["alice", "bob"] {
        eventually(|| !inbox(&server.directory, account).is_empty());
        let mail = String::from_utf8(inbox(&server.directory, account).remove(0)).unwrap();
        assert!(mail.contains(" with LMTPS ") && mail.contains("by LMTP"), "{mail}");
    }
    assert!(server.stop());
}

//! Mail programs of other makers log in with bearer tokens, which the reference server's accounts do not know: curl and
//! msmtp, by OAUTHBEARER (RFC 7628) and XOAUTH2, over STARTTLS and over TLS from the first octet.
//!
//! Python's smtplib has neither mechanism, nor has swaks. `examples/reference-server/tests/senders.rs` has the mechanisms
//! with passwords and certificates.

#![allow(clippy::unwrap_used, reason = "a test says what it needs by failing")]

mod common;

use common::tls::Authority;
use mailstore::Env;
use postroom::accounts::PasswdFile;
use postroom::local::LocalMail;
use postroom::settings::{Listener, Protocol, Settings, TlsMode};
use postroom::wall::{AccountId, BearerToken, Later, TokenVerifier};
use postroom::{Blocking, Server};
use proto_core::Backend;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;
use testkit::programs::has;

const ALICE: &str = "alice@example.test";
/// As issuers make them, with all the characters that a token may have (RFC 6750 section 2.1).
const TOKEN: &str = "eyJhbGciOi.J-_~+/09==";
const SUBMISSION: [(&str, &str); 2] = [("submission", "smtp"), ("submissions", "smtps")];
const MECHANISMS: [&str; 2] = ["OAUTHBEARER", "XOAUTH2"];

/// Knows one token.
#[derive(Debug)]
struct Issuer;

impl TokenVerifier for Issuer {
    fn verify(&self, token: BearerToken) -> Later<'_, Result<Option<AccountId>, Backend>> {
        let is_alices = token.token.expose_str() == Some(TOKEN) && token.authzid.as_deref() == Some(ALICE);
        let account = AccountId::new("alice", "example.test").filter(|_| is_alices);
        Box::pin(std::future::ready(Ok(account)))
    }
}

async fn start(data: &Path, authority: &Authority) -> Server {
    let listen =
        |name, protocol, tls| Listener::new(protocol, ([127, 0, 0, 1], 0).into()).named(name).tls(tls);
    let mut settings = Settings::new("localhost");
    settings.domains = vec!["example.test".into()];
    settings.listeners = vec![
        listen("submission", Protocol::Submission, TlsMode::StartTls),
        listen("submissions", Protocol::Submission, TlsMode::Implicit),
        listen("imap", Protocol::Imap, TlsMode::StartTls),
        listen("imaps", Protocol::Imap, TlsMode::Implicit),
        listen("pop3", Protocol::Pop3, TlsMode::StartTls),
        listen("pop3s", Protocol::Pop3, TlsMode::Implicit),
    ];
    let threads = Blocking::threads("store", 2, 64).unwrap();
    let mail = LocalMail::open(Env::real("localhost"), data, "%d/%n", &threads).unwrap();
    let accounts = format!("{ALICE}:{{PLAIN}}secret");
    let accounts = PasswdFile::from_text(&accounts, None, threads).unwrap().with_tokens(Issuer);
    let builder = Server::builder().settings(settings).directory(accounts).mail(mail.spool, mail.store);
    builder.certificate(authority.server(&["localhost"])).start().await.unwrap()
}

/// What a run of a program needs to know.
struct Run<'a> {
    url: String,
    port: String,
    is_implicit: bool,
    authority: &'a Path,
    mechanism: &'a str,
    token: &'a str,
}

impl Run<'_> {
    fn curl(&self) -> Command {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "30", "--ssl-reqd", "--cacert"])
            .arg(self.authority);
        curl.args(["--user", ALICE, "--oauth2-bearer", self.token]);
        curl.args(["--login-options", &format!("AUTH={}", self.mechanism), &self.url]);
        curl
    }

    fn sender(&self, program: &str) -> Command {
        if program == "curl" {
            let mut curl = self.curl();
            curl.args(["--mail-from", ALICE, "--mail-rcpt", ALICE, "--upload-file", "-"]);
            return curl;
        }
        let mut msmtp = Command::new("msmtp");
        msmtp.args(["--host=localhost", &format!("--port={}", self.port), "--tls=on"]);
        msmtp.arg(format!("--tls-trust-file={}", self.authority.display()));
        msmtp.arg(format!("--tls-starttls={}", if self.is_implicit { "off" } else { "on" }));
        msmtp.arg(format!("--auth={}", self.mechanism.to_lowercase()));
        msmtp.args([&format!("--user={ALICE}"), &format!("--passwordeval=echo '{}'", self.token)]);
        msmtp.args([&format!("--from={ALICE}"), ALICE]);
        msmtp
    }
}

/// Runs a program to its end with this as its input.
async fn finish(mut command: Command, input: String) -> Output {
    let run = move || {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // One that cannot log in may end without reading anything.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    };
    tokio::task::spawn_blocking(run).await.unwrap()
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).into_owned()).concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_of_other_makers_log_in_with_tokens() {
    let programs: Vec<_> = ["curl", "msmtp"].into_iter().filter(|program| has(program)).collect();
    let data = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let root = data.path().join("root.pem");
    std::fs::write(&root, authority.pem()).unwrap();
    let server = start(data.path(), &authority).await;
    let run = |listener: &str, scheme: &str, path: &str, mechanism, token| {
        let port = server.address(listener).unwrap().port();
        Run {
            url: format!("{scheme}://localhost:{port}{path}"),
            port: port.to_string(),
            is_implicit: scheme.ends_with('s'),
            authority: &root,
            mechanism,
            token,
        }
    };

    let mut subjects = Vec::new();
    for &program in &programs {
        for (listener, scheme) in SUBMISSION {
            for mechanism in MECHANISMS {
                let subject = format!("Subject: {program} {mechanism} {scheme}\r\n");
                let mail = format!("From: {ALICE}\r\nTo: {ALICE}\r\n{subject}\r\nby token\r\n");
                let sent = run(listener, scheme, "", mechanism, TOKEN).sender(program);
                let output = finish(sent, mail.clone()).await;
                assert!(output.status.success(), "{subject}{}", said(&output));
                let forged = run(listener, scheme, "", mechanism, "forged").sender(program);
                let output = finish(forged, mail).await;
                assert!(!output.status.success(), "{subject}{}", said(&output));
                subjects.push(subject);
            }
        }
    }
    if programs.contains(&"curl") {
        let delivered = async {
            let look =
                || finish(run("imaps", "imaps", "/INBOX?ALL", "OAUTHBEARER", TOKEN).curl(), String::new());
            while said(&look().await).split_whitespace().count() < subjects.len() + 2 {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), delivered).await.unwrap();
        for (listener, path) in
            [("imap", "/INBOX/;UID=1"), ("imaps", "/INBOX/;UID=1"), ("pop3", "/1"), ("pop3s", "/1")]
        {
            for mechanism in MECHANISMS {
                let output =
                    finish(run(listener, listener, path, mechanism, TOKEN).curl(), String::new()).await;
                assert!(
                    said(&output).contains("\r\nby token\r\n"),
                    "{listener} {mechanism}: {}",
                    said(&output)
                );
                let output =
                    finish(run(listener, listener, path, mechanism, "forged").curl(), String::new()).await;
                assert!(!output.status.success(), "{listener} {mechanism}: {}", said(&output));
            }
        }
        let output = finish(run("pop3s", "pop3s", "/", "XOAUTH2", TOKEN).curl(), String::new()).await;
        assert_eq!(said(&output).lines().count(), subjects.len(), "each once: {}", said(&output));
    }
    server.shutdown(Duration::from_secs(5)).await;
}

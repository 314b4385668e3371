//! Starts the real `postroom` binary on free ports, in a directory of its own, and stops it.

#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    missing_docs,
    reason = "a module of several test programs: each uses its part"
)]

pub mod peers;
pub mod sender;
pub mod wire;

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;
pub use testkit::programs::has;

pub const PASSWORD: &str = "correct horse";
pub const ALICE: &str = "alice@example.test";
pub const BOB: &str = "bob@example.test";

/// How long a start or a stop may take before a test calls it hanging.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running server.
pub struct Server {
    child: Child,
    pub directory: PathBuf,
    listeners: Vec<(String, String, SocketAddr)>,
    log: PathBuf,
    _keep: Option<tempfile::TempDir>,
}

/// One listener of each kind that the tests use; port 0 is any free one.
pub const LISTENERS: &str = r#"
[[listener]]
protocol = "smtp"
address = "127.0.0.1:0"
tls = "starttls"

[[listener]]
protocol = "submission"
address = "127.0.0.1:0"
tls = "starttls"

[[listener]]
protocol = "submission"
address = "127.0.0.1:0"
tls = "implicit"

[[listener]]
protocol = "lmtp"
address = "127.0.0.1:0"
tls = "starttls"

[[listener]]
protocol = "imap"
address = "127.0.0.1:0"
tls = "starttls"

[[listener]]
protocol = "imap"
address = "127.0.0.1:0"
tls = "implicit"

[[listener]]
protocol = "pop3"
address = "127.0.0.1:0"
tls = "starttls"

[[listener]]
protocol = "pop3"
address = "127.0.0.1:0"
tls = "implicit"
"#;

/// A configuration with those listeners; `rest` is put at its end.
pub fn configuration(allow_plaintext_auth: bool, rest: &str) -> String {
    format!(
        "hostname = \"mail.example.test\"\ndata_dir = \"data\"\n{LISTENERS}\n\
         [accounts]\npasswd_file = \"users.passwd\"\nallow_plaintext_auth = {allow_plaintext_auth}\n\
         [domains]\nlocal = [\"example.test\"]\n[policy]\nmynetworks = [\"127.0.0.0/8\"]\n{rest}"
    )
}

impl Server {
    /// A server in a new directory, with the accounts alice and bob.
    pub fn start(allow_plaintext_auth: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        prepare(directory.path(), &configuration(allow_plaintext_auth, ""));
        let mut server = Self::start_in(directory.path());
        server._keep = Some(directory);
        server
    }

    /// A server over what stands in a directory: `postroom.toml` and what it names.
    pub fn start_in(directory: &Path) -> Self {
        Self::start_by(directory, &[], |command| command.spawn().unwrap())
    }

    /// The same, by other means: what is put before its command line, and what starts that.
    pub fn start_by(
        directory: &Path,
        before: &[OsString],
        spawn: impl FnOnce(&mut Command) -> Child,
    ) -> Self {
        let log = directory.join("log");
        let out = fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let program = [OsString::from(env!("CARGO_BIN_EXE_postroom"))];
        let mut words = before.iter().chain(&program);
        let mut command = Command::new(words.next().unwrap());
        command
            .args(words)
            .args(["serve", "--config"])
            .env_remove("RUST_LOG")
            .arg(directory.join("postroom.toml"))
            .stdout(Stdio::piped())
            .stderr(out);
        let mut child = spawn(&mut command);
        let stdout = child.stdout.take().unwrap();
        let (lines, arrived) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        let mut listeners = Vec::new();
        loop {
            let Ok(line) = arrived.recv_timeout(PATIENCE) else {
                let _ = child.kill();
                panic!("no \"ready\" line; the log:\n{}", fs::read_to_string(&log).unwrap_or_default());
            };
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["listening", protocol, address, tls] => listeners.push((
                    protocol.to_owned(),
                    tls.trim_matches(['(', ')']).to_owned(),
                    address.parse().unwrap(),
                )),
                ["ready"] => break,
                _ => {}
            }
        }
        Self { child, directory: directory.to_owned(), listeners, log, _keep: None }
    }

    /// Where a protocol is spoken, with `starttls` or `implicit`.
    pub fn address(&self, protocol: &str, tls: &str) -> SocketAddr {
        let found = self.listeners.iter().find(|(p, t, _)| p == protocol && t == tls);
        found.unwrap_or_else(|| panic!("no {protocol} listener with {tls}")).2
    }

    /// The self-signed certificate, for clients to check against.
    pub fn certificate(&self) -> PathBuf {
        self.directory.join("data/self-signed.pem")
    }

    /// The log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// The process, to send signals to.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by its name, as `TERM`.
    pub fn signal(&self, name: &str) {
        assert!(
            Command::new("kill")
                .args([&format!("-{name}"), &self.pid().to_string()])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Kills the server as a power cut would, as far as a process can see.
    pub fn kill(mut self) -> PathBuf {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.directory.clone()
    }

    /// Asks for a graceful stop and returns whether the server ended well.
    pub fn stop(mut self) -> bool {
        self.signal("TERM");
        self.child.wait().unwrap().success()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- the server's log ---\n{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

/// Puts a configuration and the two accounts into a directory.
pub fn prepare(directory: &Path, configuration: &str) {
    fs::write(directory.join("postroom.toml"), configuration).unwrap();
    let accounts = format!("{ALICE}:{{PLAIN}}{PASSWORD}::::::\n{BOB}:{{PLAIN}}{PASSWORD}::::::\n");
    fs::write(directory.join("users.passwd"), accounts).unwrap();
}

/// Runs the program to its end in a directory: whether it went well, what is printed, and what is complained of.
pub fn program(arguments: &[&str], directory: &Path) -> (bool, String, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_postroom")).args(arguments).current_dir(directory).output().unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

/// Runs a client to its end; its failure is the test's.
pub fn run(command: &mut Command) -> Vec<u8> {
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(
        status.success(),
        "{command:?} failed with {status}\n{}\n{}",
        String::from_utf8_lossy(&stdout),
        String::from_utf8_lossy(&stderr)
    );
    stdout
}

/// What stands after the trace fields that delivery put in front of `sent`; panics when `sent` is not the end.
pub fn trace_of<'a>(received: &'a [u8], sent: &[u8]) -> &'a str {
    let Some(trace) = received.strip_suffix(sent) else {
        panic!(
            "not what was sent:\n--- received\n{}\n--- sent\n{}",
            String::from_utf8_lossy(received),
            String::from_utf8_lossy(sent)
        );
    };
    std::str::from_utf8(trace).unwrap()
}

/// Reads all that is left of something.
pub fn rest(mut from: impl Read) -> Vec<u8> {
    let mut octets = Vec::new();
    from.read_to_end(&mut octets).unwrap();
    octets
}

/// Waits until something is so; a minute at most.
pub fn eventually(mut so: impl FnMut() -> bool) {
    for _ in 0..600 {
        if so() {
            return;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    panic!("still not so after a minute");
}

/// Everything in an account's INBOX.
pub fn inbox(directory: &Path, account: &str) -> Vec<Vec<u8>> {
    let inbox = directory.join("data/mail/example.test").join(account).join("Maildir");
    let files = ["new", "cur"].into_iter().filter_map(|folder| fs::read_dir(inbox.join(folder)).ok());
    // One may be moved from new to cur between looking and reading.
    files.flatten().filter_map(|entry| fs::read(entry.unwrap().path()).ok()).collect()
}

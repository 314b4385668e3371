//! The server under the profile that is shipped with it (R293): everything works, and what the profile does not name is refused.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

use common::wire::{Imap, Pop3, Smtp, Wire};
use common::{ALICE, LISTENERS, PASSWORD, Server, eventually, program};
use postroom::proto_core::address::{ForwardPath, ReversePath};
use postroom::proto_core::sasl::ClientCredentials;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use smtp_proto::client::{ClientConfig, ClientTls, Envelope, Outcome};
use std::fs::{self, Permissions};
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU16, AtomicUsize};
use testkit::confinement::recording::{self, Recording};
use testkit::confinement::{Profile, enforce};

const PROGRAM: &str = env!("CARGO_BIN_EXE_postroom");

/// Whom root becomes.
const USER: &str = "nobody";

/// The next port below 1024.
static PORT: AtomicU16 = AtomicU16::new(700);

/// A server's files, each kind in a directory of its own, two policy services that agree with everything, and a milter.
struct Place {
    directory: tempfile::TempDir,
    /// How often each policy service was asked, and how many messages the milter has changed.
    asked: [Arc<AtomicUsize>; 3],
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let open = |path: &Path| fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
        open(directory.path());
        let of = |name: &str| directory.path().join(name);
        for name in ["etc", "certificates", "mail", "commands", "services", "elsewhere"] {
            fs::create_dir(of(name)).unwrap();
        }
        let fifo = Command::new("mkfifo").args(["-m", "666"]).arg(of("mail/fifo")).status();
        assert!(fifo.unwrap().success());
        for name in ["commands", "elsewhere"] {
            // What it leaves behind, which waits for somebody who never comes, is killed.
            let script = format!(
                "#!/bin/sh\ncat > {}\n: < /dev/null > /dev/null\n(cat < {}) &\n",
                of("mail/by-command").display(),
                of("mail/fifo").display()
            );
            fs::write(of(name).join("keep"), script).unwrap();
            open(&of(name).join("keep"));
        }
        let [services, milters] = ["services/policy", "services/milter"].map(|name| {
            let listener = UnixListener::bind(of(name)).unwrap();
            fs::set_permissions(of(name), Permissions::from_mode(0o777)).unwrap();
            listener
        });
        let ports = TcpListener::bind("localhost:0").unwrap();
        let port = ports.local_addr().unwrap().port();
        let asked: [Arc<AtomicUsize>; 3] = Default::default();
        let [on_path, on_port, changed] = asked.clone();
        std::thread::spawn(move || {
            // Sessions may be open at the same time.
            for stream in milters.incoming() {
                let changed = changed.clone();
                std::thread::spawn(move || change(stream.unwrap(), &changed));
            }
        });
        std::thread::spawn(move || services.incoming().for_each(|stream| agree(stream.unwrap(), &on_path)));
        std::thread::spawn(move || ports.incoming().for_each(|stream| agree(stream.unwrap(), &on_port)));

        let here = directory.path().display();
        let (mut user, mut listeners) = (String::new(), LISTENERS.to_owned());
        if is_root() {
            user = format!("user = \"{USER}\"\n");
            // Each port once: another test may be about to open it.
            let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
            let ports = || (700..1024).contains(&PORT.load(Relaxed)).then(|| PORT.fetch_add(1, Relaxed));
            let low = std::iter::from_fn(ports).find(is_free).expect("a port below 1024 is free");
            listeners = listeners.replacen("127.0.0.1:0", &format!("127.0.0.1:{low}"), 1);
            for name in ["mail", "elsewhere"] {
                assert!(Command::new("chown").arg(USER).arg(of(name)).status().unwrap().success());
            }
        }
        let configuration = format!(
            "hostname = \"mail.example.test\"\ndata_dir = \"{here}/data\"\n{user}{listeners}\n\
             [tls]\ncertificate = \"{here}/certificates/cert.pem\"\nkey = \"{here}/certificates/key.pem\"\n\
             [accounts]\npasswd_file = \"users.passwd\"\nallow_plaintext_auth = true\n\
             [domains]\nlocal = [\"example.test\"]\n[storage]\npath = \"{here}/mail/%n/Maildir\"\n\
             [policy]\nmynetworks = [\"127.0.0.0/8\"]\nalias_maps = \"hash:{here}/etc/aliases\"\n\
             allow_mail_to_files = [\"alias\"]\nallow_mail_to_commands = [\"alias\"]\n\
             smtpd_sender_restrictions = [\"check_sender_access texthash:senders\"]\n\
             smtpd_recipient_restrictions = [\"check_policy_service unix:{here}/services/policy\", \
             \"check_policy_service inet:localhost:{port}\"]\n\
             smtpd_milters = [\"unix:{here}/services/milter\"]\n"
        );
        common::prepare(&of("etc"), &configuration);
        let aliases = format!(
            "file: {here}/mail/file\ncommand: \"|{here}/commands/keep\"\nshell: \"|cat > {here}/mail/by-shell\"\n\
             file-elsewhere: {here}/elsewhere/file\ncommand-elsewhere: \"|{here}/elsewhere/keep\"\n"
        );
        fs::write(of("etc/aliases"), aliases).unwrap();
        fs::write(of("etc/senders"), "").unwrap();
        let place = Self { directory, asked };
        place.certify();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Makes another certificate.
    fn certify(&self) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        fs::write(self.path("certificates/key.pem"), made.signing_key.serialize_pem()).unwrap();
        fs::write(self.path("certificates/cert.pem"), made.cert.pem()).unwrap();
    }

    /// Makes the data directory, as a profile by Landlock can name only what is there.
    fn with_data(self) -> Self {
        let data = self.path("data");
        fs::create_dir(&data).unwrap();
        if is_root() {
            assert!(Command::new("chown").arg(USER).arg(data).status().unwrap().success());
        }
        self
    }

    /// The profile for this place, its data directory being this one.
    fn profile(&self, data: &str) -> Profile {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("confinement/postroom");
        let program = Path::new(PROGRAM).canonicalize().unwrap();
        let names = ["etc", "certificates", "mail", "commands", "services"];
        let here = names.map(|name| (format!("postroom_{name}"), self.path(name)));
        let mut variables: Vec<(&str, &Path)> = here.iter().map(|(name, path)| (&**name, &**path)).collect();
        let data = self.path(data);
        variables.extend([("postroom_exec", &*program), ("postroom_data", &*data)]);
        Profile::read(&file, &variables).unwrap_or_else(|error| panic!("{error}"))
    }

    /// What the program complains of that does not start under a profile.
    fn complaint(&self, profile: &Profile) -> String {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--config"]).arg(self.path("etc/postroom.toml"));
        let mut child = enforce::spawn(profile, command.stdout(Stdio::piped()).stderr(Stdio::piped()));
        let mut told = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        if told.any(|line| line == "ready") {
            child.kill().unwrap();
        }
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1), "it runs");
        String::from_utf8(output.stderr).unwrap()
    }
}

/// A policy service that has no objection.
fn agree(stream: impl Read + Write, asked: &AtomicUsize) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).is_ok_and(|octets| octets > 0) {
        if line == "\n" {
            asked.fetch_add(1, Relaxed);
            stream.get_mut().write_all(b"action=DUNNO\n\n").unwrap();
        }
        line.clear();
    }
}

/// A milter that adds a field to each message.
fn change(mut stream: impl Read + Write, changed: &AtomicUsize) {
    let mut length = [0; 4];
    while stream.read_exact(&mut length).is_ok() {
        let mut packet = vec![0; u32::from_be_bytes(length) as usize];
        stream.read_exact(&mut packet).unwrap();
        let answer: &[u8] = match packet[0] {
            // Version 6, adds fields, wants every step.
            b'O' => b"\0\0\0\x0dO\0\0\0\x06\0\0\0\x01\0\0\0\0",
            b'D' | b'A' | b'Q' => continue,
            b'E' => {
                changed.fetch_add(1, Relaxed);
                b"\0\0\0\x0chX-Seen\0yes\0\0\0\0\x01c"
            }
            _ => b"\0\0\0\x01c",
        };
        stream.write_all(answer).unwrap();
    }
}

fn send(server: &Server, to: &str) {
    let message = format!("Subject: to {to}\r\n\r\nHello.\r\n");
    let reply = Smtp::connect(server.address("smtp", "starttls")).send("s@x.test", to, message.as_bytes());
    assert!(reply.starts_with("250 "), "{to}: {reply}");
}

/// Sends as a user does, over TLS with the certificate that is there now.
fn submit(server: &Server, place: &Place) {
    let certificate = CertificateDer::from_pem_file(place.path("certificates/cert.pem")).unwrap();
    let mut config = ClientConfig::new("client.example.test").unwrap();
    config.tls = ClientTls::Required;
    config.credentials = Some(ClientCredentials::password(ALICE, PASSWORD));
    let alice = || ALICE.parse().unwrap();
    let envelope = Envelope::new(ReversePath::Mailbox(alice()), [ForwardPath::Mailbox(alice())]);
    let message = b"Subject: submitted\r\n\r\nHello.\r\n";
    let address = server.address("submission", "starttls");
    let session = common::sender::send(address, config, &certificate, vec![envelope], message);
    let is_sent = |outcome: &Outcome| matches!(outcome, Outcome::Sent(reply) if reply.code() == 250);
    assert!(session.is_tls && session.reports[0].outcomes.iter().all(is_sent), "{:?}", session.reports);
}

/// Has the server do what it is there for, and start again.
fn exercise(place: &Place, start: &dyn Fn() -> Server) {
    let server = start();
    let etc = place.path("etc");
    for to in [ALICE, "file@example.test", "command@example.test", "shell@example.test"] {
        send(&server, to);
    }
    for name in ["mail/file", "mail/by-command", "mail/by-shell"] {
        let written = || fs::read_to_string(place.path(name)).unwrap_or_default();
        eventually(|| written().contains("\nX-Seen: yes\n") && written().contains("\nHello.\n"));
    }
    assert!(place.asked.iter().all(|asked| asked.load(Relaxed) >= 4), "{:?}", place.asked);
    submit(&server, place);
    let mut lmtp = Smtp(Wire::connect(server.address("lmtp", "starttls")));
    assert!(lmtp.reply().starts_with("220 "));
    assert!(lmtp.command("LHLO client.example.test").contains("250"));
    assert!(lmtp.send("s@x.test", ALICE, b"Subject: local\r\n\r\nHello.\r\n").starts_with("250 "));

    let read_pop3 = |server: &Server| Pop3::login(server.address("pop3", "starttls"), ALICE, PASSWORD);
    eventually(|| read_pop3(&server).count() == 3);
    let mut imap = Imap::login(server.address("imap", "starttls"), ALICE, PASSWORD);
    imap.ok("CREATE Old/Older");
    assert!(imap.append("Old/Older", b"Subject: old\r\n\r\nHello.\r\n").starts_with("OK"));
    imap.ok("SELECT INBOX");
    imap.ok("FETCH 1:3 (BODYSTRUCTURE BODY[])");
    imap.ok("SEARCH BODY Hello");
    imap.ok("COPY 2 Old/Older");
    imap.ok("STORE 1 +FLAGS (\\Deleted Mine)");
    imap.ok("EXPUNGE");
    imap.ok("RENAME Old/Older New");
    imap.ok("DELETE New");
    imap.ok("LOGOUT");
    let mut pop3 = read_pop3(&server);
    assert!(pop3.lines("RETR 1").ends_with(b"Hello.\r\n"));
    pop3.command("DELE 1");
    pop3.command("QUIT");

    fs::write(etc.join("senders"), "spam.test REJECT\n").unwrap();
    let refusal = || {
        let mut session = Smtp::connect(server.address("smtp", "starttls"));
        assert!(session.command("MAIL FROM:<a@spam.test>").starts_with("250 "));
        session.command(&format!("RCPT TO:<{ALICE}>"))
    };
    eventually(|| refusal().starts_with("554 5.7.1 "));
    place.certify();
    server.signal("HUP");
    eventually(|| server.log().contains("configuration, accounts and certificate read anew"));
    submit(&server, place);
    let listed = || program(&["queue", "--config", "postroom.toml", "list"], &etc);
    eventually(|| listed() == (true, "Mail queue is empty\n".to_owned(), String::new()));
    assert!(!server.log().contains("ERROR"), "{}", server.log());
    assert!(server.stop(), "{}", fs::read_to_string(etc.join("log")).unwrap());

    let server = start();
    assert_eq!(read_pop3(&server).count(), 2);
    assert!(server.stop());
}

#[test]
fn r293_the_server_runs_under_its_profile() {
    if !enforce::is_possible() {
        return;
    }
    let place = Place::new().with_data();
    let profile = place.profile("data");
    exercise(&place, &|| {
        Server::start_by(&place.path("etc"), &[], |command| enforce::spawn(&profile, command))
    });
}

#[test]
fn r293_what_the_server_touches_is_in_its_profile_and_nothing_else() {
    if !recording::is_possible() {
        return;
    }
    let place = Place::new();
    let traces = tempfile::tempdir().unwrap();
    let recording = Recording::new(traces.path(), Path::new(PROGRAM));
    let before = recording.command();
    exercise(&place, &|| Server::start_by(&place.path("etc"), &before, |command| command.spawn().unwrap()));
    recording.wait();
    let mut faults = recording.faults(&place.profile("data"));
    if !is_root() {
        // Only root asks who somebody is.
        let users = ["passwd", "group"].map(|file| format!("nothing needs /etc/{file} r,"));
        faults.retain(|fault| !users.contains(fault));
    }
    assert!(faults.is_empty(), "{}", Vec::from_iter(faults).join("\n"));
}

#[test]
fn r293_root_needs_each_right_that_the_profile_names() {
    if !enforce::is_possible() || !is_root() {
        return;
    }
    let place = Place::new();
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start").unwrap();
    for (capability, complaint) in [
        ("net_bind_service", "listener smtp#0 (127.0.0.1:"),
        ("chown", "data_dir: "),
        ("setgid", "cannot become the user nobody: "),
        ("setuid", "cannot become the user nobody: "),
    ] {
        // In a container low ports may be everybody's.
        if capability == "net_bind_service" && first.trim() != "1024" {
            continue;
        }
        // The data directory is to be made, below one that the profile names.
        let mut profile = place.profile(".");
        assert_eq!(profile.capabilities.len(), 4);
        profile.capabilities.retain(|name| name != capability);
        let told = place.complaint(&profile);
        assert!(told.contains(complaint), "{capability}: {told}");
    }
}

#[test]
fn r293_what_the_profile_does_not_name_is_refused() {
    if !enforce::is_possible() {
        return;
    }
    let place = Place::new();
    let told = place.complaint(&place.profile("another"));
    let data = place.path("data").display().to_string();
    assert!(told.contains(&data) && told.contains("Permission denied"), "{told}");
    let place = place.with_data();
    if enforce::holds_network() {
        let mut profile = place.profile("data");
        profile.network.retain(|rule| rule.family != "inet" && rule.family != "inet6");
        let told = place.complaint(&profile);
        assert!(told.contains("127.0.0.1:") && told.contains("Permission denied"), "{told}");
    }
    let profile = place.profile("data");
    let server = Server::start_by(&place.path("etc"), &[], |command| enforce::spawn(&profile, command));
    send(&server, "file-elsewhere@example.test");
    send(&server, "command-elsewhere@example.test");
    for what in ["elsewhere/file", "elsewhere/keep"] {
        let path = place.path(what).display().to_string();
        let is_told = |line: &str| line.contains(&path) && line.contains("Permission denied");
        eventually(|| server.log().lines().any(is_told));
    }
    assert!(!place.path("elsewhere/file").exists() && !place.path("mail/by-command").exists());
    assert!(server.stop());
}

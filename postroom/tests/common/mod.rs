//! A whole server over a simulated disk, in one thread and virtual time, and a client that speaks by script.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test uses a part; a test may unwrap"
)]

pub mod imap;
pub mod log;
pub mod milter;
pub mod pop3;
pub mod sasl;
pub mod tls;

use mailstore::fs::sim::{Operation, SimFs, SimHost};
use mailstore::mbox::{MboxLocation, MboxOptions, MboxStore};
use mailstore::spool::{LogSpool, SpoolLimits};
use mailstore::{Access, Env, MailboxName, MaildirStore, MessageReader, Spool as _, Store};
use postroom::clock::Clock;
use postroom::entropy::SeededEntropy;
use postroom::local::LocalMail;
use postroom::server::Builder;
use postroom::settings::{Listener, Protocol, Settings};
use postroom::wall::{AccountId, Directory, Later, Login};
use postroom::{Blocking, Server};
use proto_core::sasl::Credentials;
use proto_core::{Backend, UnixTime};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

/// The accounts: the password is the user's name, turned round.
#[derive(Debug)]
pub struct Users(pub &'static [&'static str]);

impl Directory for Users {
    fn authenticate(&self, login: Login) -> Later<'_, Result<Option<AccountId>, Backend>> {
        let Credentials::Password { authcid, password, .. } = login.credentials else { unreachable!() };
        let right = self.0.contains(&&*authcid)
            && password.expose().iter().rev().eq(authcid.split('@').next().unwrap().as_bytes());
        let account = AccountId::from_login(&authcid, None).filter(|_| right);
        Box::pin(std::future::ready(Ok(account)))
    }

    fn contains<'a>(&'a self, account: &'a AccountId) -> Later<'a, Result<bool, Backend>> {
        Box::pin(std::future::ready(Ok(self.0.contains(&&*account.to_string()))))
    }
}

pub const USERS: Users = Users(&["alice@example.test", "bob@example.test"]);

pub fn env(fs: &SimFs, pid: u32) -> Env {
    Env::new(Arc::new(fs.clone()), Arc::new(SimHost::new(fs, pid)))
}

pub fn settings() -> Settings {
    let mut settings = Settings::new("mail.example.test");
    settings.domains = vec!["example.test".into()];
    settings.allow_plaintext_auth = true;
    settings.listeners = [Protocol::Smtp, Protocol::Submission, Protocol::Imap, Protocol::Pop3]
        .map(Listener::without_socket)
        .to_vec();
    settings
}

/// The start of the virtual calendar: that of the simulated disk.
pub const START: UnixTime = UnixTime(1_795_305_600);

/// Starts a server as process `pid` on the disk; an error is a disk that fails already at the start.
pub async fn start(fs: &SimFs, pid: u32) -> mailstore::Result<Server> {
    start_with(fs, pid, |builder| builder).await
}

/// Starts a server that is a little different.
pub async fn start_with(
    fs: &SimFs,
    pid: u32,
    change: impl FnOnce(Builder) -> Builder,
) -> mailstore::Result<Server> {
    let disk = LocalMail::open(env(fs, pid), Path::new("/"), "mail/%d/%n", &Blocking::inline())?;
    Ok(start_on(disk, pid, change).await)
}

/// Starts a server on other mailboxes.
pub async fn start_on(disk: LocalMail, pid: u32, change: impl FnOnce(Builder) -> Builder) -> Server {
    let builder = Server::builder()
        .settings(settings())
        .directory(USERS)
        .mail(disk.spool, disk.store)
        .clock(Clock::starting_at(START))
        .entropy(SeededEntropy::new(u64::from(pid)));
    change(builder).start().await.unwrap()
}

/// A client with a script.
pub struct Client(DuplexStream);

impl Client {
    /// Connects to a listener of the server.
    pub fn connect(server: &Server, listener: &str) -> Self {
        Self::connect_from(SocketAddr::from(([203, 0, 113, 9], 40_000)), server, listener)
    }

    /// Connects from an address.
    pub fn connect_from(peer: SocketAddr, server: &Server, listener: &str) -> Self {
        let (client, stream) = tokio::io::duplex(64 * 1024);
        tokio::spawn(server.serve(listener, stream, peer).unwrap());
        Self(client)
    }

    /// Connects to a listener of the server that speaks SMTP, and says EHLO.
    pub async fn greeted(server: &Server, listener: &str) -> Self {
        let mut client = Self::connect(server, listener);
        assert!(client.reply().await.starts_with("220 "));
        client.command("EHLO client.test").await;
        client
    }

    /// Sends octets as they are.
    pub async fn send(&mut self, octets: &[u8]) {
        self.0.write_all(octets).await.unwrap();
    }

    /// Sends octets; whether the server still takes them.
    pub async fn try_send(&mut self, octets: &[u8]) -> bool {
        self.0.write_all(octets).await.is_ok()
    }

    /// Throws away what has come.
    pub async fn drain(&mut self) {
        let mut octets = [0; 4096];
        while tokio::time::timeout(Duration::from_millis(1), self.0.read(&mut octets))
            .await
            .is_ok_and(|n| n.unwrap() > 0)
        {}
    }

    /// The next line, without its end and the blanks there; empty when there is no more.
    pub async fn line(&mut self) -> String {
        self.whole_line().await.trim_end().to_owned()
    }

    /// The next line, with its end; empty when there is no more.
    pub async fn whole_line(&mut self) -> String {
        let mut line = Vec::new();
        while let Ok(octet) = self.0.read_u8().await {
            line.push(octet);
            if octet == b'\n' {
                break;
            }
        }
        String::from_utf8(line).unwrap()
    }

    /// Reads so many octets, a little at a time, with pauses.
    pub async fn skip_slowly(&mut self, mut octets: usize) {
        let mut some = [0; 4096];
        while octets > 0 {
            let most = octets.min(some.len());
            let n = self.0.read(&mut some[..most]).await.unwrap();
            assert!(n > 0, "the server closed; {octets} octets are missing");
            octets -= n;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The next reply of SMTP: its last line.
    pub async fn reply(&mut self) -> String {
        loop {
            let line = self.line().await;
            if line.as_bytes().get(3) != Some(&b'-') {
                return line;
            }
        }
    }

    /// Sends a command and takes its reply.
    pub async fn command(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n").as_bytes()).await;
        self.reply().await
    }

    /// A whole transaction; the last reply.
    pub async fn mail(&mut self, from: &str, to: &[&str], body: &str) -> String {
        let mut reply = self.command(&format!("MAIL FROM:<{from}>")).await;
        for to in to {
            if reply.starts_with("250") {
                reply = self.command(&format!("RCPT TO:<{to}>")).await;
            }
        }
        if reply.starts_with("250") {
            reply = self.command("DATA").await;
        }
        if reply.starts_with("354") {
            reply = self.command(&format!("{body}\r\n.")).await;
        }
        reply
    }
}

/// What is in an account's INBOX, read by another process.
pub fn inbox(fs: &SimFs, user: &str) -> Vec<String> {
    let root = format!("/mail/example.test/{user}");
    if mailstore::fs::Fs::metadata(fs, Path::new(&root)).is_err() {
        return Vec::new();
    }
    messages(&MaildirStore::open(env(fs, 77), Path::new(&root), None).unwrap())
}

/// What is in an mbox, read by another process.
pub fn mbox(fs: &SimFs, path: &str) -> Vec<String> {
    let location = MboxLocation::new("/reader", path);
    messages(&MboxStore::open(env(&fs.fork(), 77), location, MboxOptions::default(), None).unwrap())
}

/// The messages in the INBOX of a store.
pub fn messages(store: &dyn Store) -> Vec<String> {
    let mut mailbox = store.open(&MailboxName::inbox(), Access::ReadOnly).unwrap();
    let uids: Vec<_> = mailbox.entries().iter().map(|entry| entry.uid).collect();
    uids.into_iter().map(|uid| read(&mut *mailbox.message(uid).unwrap())).collect()
}

/// How many messages another process would find in the spool.
pub fn queued(fs: &SimFs) -> usize {
    let (spool, _) =
        LogSpool::open(env(&fs.fork(), 78), Path::new("/spool"), SpoolLimits::default()).unwrap();
    spool.backlog()
}

/// The files of the spool.
pub fn segments(fs: &SimFs) -> Vec<PathBuf> {
    let log = Path::new("/spool/log");
    let entries = mailstore::fs::Fs::read_dir(fs, log).unwrap();
    entries.into_iter().map(|entry| log.join(entry.name)).collect()
}

/// The operation, from `begun` on, with which the spool made a group of records durable.
pub fn spool_sync(fs: &SimFs, begun: u64) -> Option<u64> {
    let log = fs.log();
    let begun = usize::try_from(begun).unwrap();
    let in_log = |operation: &Operation| operation.path.starts_with("/spool/log");
    // That of a new segment is followed by one of the directory.
    let is_group = |at: &usize| {
        log[*at].name == "sync"
            && in_log(&log[*at])
            && log.get(at + 1).is_none_or(|next| next.name != "sync_dir" || !in_log(next))
    };
    (begun..log.len()).find(is_group).map(|at| at as u64)
}

pub fn read(reader: &mut dyn MessageReader) -> String {
    let mut octets = vec![0; usize::try_from(reader.size_bytes()).unwrap()];
    assert_eq!(reader.read_at(0, &mut octets).unwrap(), octets.len());
    String::from_utf8(octets).unwrap()
}

/// Lets virtual time pass until the condition holds; it must within an hour.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..3600 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("{what}: not within an hour");
}

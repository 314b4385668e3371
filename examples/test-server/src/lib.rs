//! An in-memory mail server for tests: what the application under test sends is there to look at.
//!
//! It is a whole Postroom over the simulated disk of `mailstore`, on ports of its own choice: any number of tests
//! may run at a time, and nothing stays behind. Mail goes in by SMTP and out by IMAP or POP3, or is
//! looked at directly.
//!
//! ```
//! use postroom_example_test_server::TestServer;
//!
//! let server = TestServer::start(&["alice@example.test"])?;
//! println!("the application sends to {} and reads from {}", server.smtp, server.imap);
//! assert!(server.inbox("alice@example.test")?.is_empty());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use postroom::accounts::PasswdFile;
use postroom::clock::Clock;
use postroom::local::{LocalMail, LocalStore};
use postroom::mailstore::fs::sim::{SimFs, SimHost};
use postroom::mailstore::{Access, Env, MailboxName};
use postroom::proto_core::UnixTime;
use postroom::settings::{Listener, Protocol, Settings};
use postroom::wall::{AccountId, Store as _};
use postroom::{Blocking, Server};
use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Everybody's password.
pub const PASSWORD: &str = "secret";

/// How long [`TestServer::wait_for`] waits for mail.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What a fixture fails with: a test unwraps it.
pub type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// A mail server that lives as long as the value. It has a thread of its own: it is for an ordinary `#[test]`, whether
/// the application under test blocks or has a runtime.
pub struct TestServer {
    /// Where mail is sent to by SMTP, without TLS and without a login.
    pub smtp: SocketAddr,
    /// Where mail is read by IMAP, without TLS, with [`PASSWORD`].
    pub imap: SocketAddr,
    /// Where mail is fetched by POP3, as by IMAP.
    pub pop3: SocketAddr,
    users: Vec<AccountId>,
    store: LocalStore,
    // Dropped in this order: the server, then what it runs on.
    _server: Server,
    runtime: Runtime,
}

impl TestServer {
    /// Starts a server with these users, each `name@domain`. Mail for anybody else is refused.
    ///
    /// # Errors
    /// When a name is no address, or the system gives no thread or no port.
    pub fn start(users: &[&str]) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let (server, store) = runtime.block_on(start(users))?;
        let address = |name| server.address(name).ok_or("it has no port");
        let (smtp, imap, pop3) = (address("smtp")?, address("imap")?, address("pop3")?);
        let users = users.iter().filter_map(|user| AccountId::from_login(user, None)).collect();
        Ok(Self { smtp, imap, pop3, users, store, _server: server, runtime })
    }

    /// The messages that `user` has now, oldest first, with the header that delivery wrote.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn inbox(&self, user: &str) -> Result<Vec<String>> {
        let account = AccountId::from_login(user, None).ok_or("not name@domain")?;
        if !self.users.contains(&account) {
            return Err(format!("there is no user {user}").into());
        }
        self.runtime.block_on(async {
            let inbox = self.store.open(&account, &MailboxName::inbox(), Access::ReadOnly).await?;
            let mut messages = Vec::new();
            for entry in &inbox.entries {
                let message = inbox.mailbox.message(entry.uid).await?;
                let octets = message.read_at(0, usize::try_from(message.size_bytes())?).await?;
                messages.push(String::from_utf8(octets.into())?);
            }
            Ok(messages)
        })
    }

    /// As [`TestServer::inbox`], when there are at least `count`: delivery comes a moment after the 250.
    ///
    /// # Errors
    /// When they do not come within [`PATIENCE`].
    pub fn wait_for(&self, count: usize, user: &str) -> Result<Vec<String>> {
        let until = Instant::now() + PATIENCE;
        loop {
            let messages = self.inbox(user)?;
            if messages.len() >= count {
                return Ok(messages);
            }
            if Instant::now() > until {
                return Err(format!("{user} has {} messages, not {count}", messages.len()).into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

async fn start(users: &[&str]) -> Result<(Server, LocalStore)> {
    let disk = SimFs::new();
    let env = Env::new(Arc::new(disk.clone()), Arc::new(SimHost::new(&disk, 1)));
    // Nothing in memory blocks, so that no threads are needed.
    let here = Blocking::inline();
    let mail = LocalMail::open(env, Path::new("/"), "%d/%n", &here)?;
    let accounts: String = users.iter().map(|user| format!("{user}:{{PLAIN}}{PASSWORD}\n")).collect();

    let mut settings = Settings::new("mail.example.test");
    settings.domains = users.iter().filter_map(|user| Some(user.rsplit_once('@')?.1.to_owned())).collect();
    settings.allow_plaintext_auth = true;
    settings.listeners = [Protocol::Smtp, Protocol::Imap, Protocol::Pop3]
        .map(|protocol| Listener::new(protocol, ([127, 0, 0, 1], 0).into()).named(protocol.name()))
        .to_vec();
    let server = Server::builder()
        .settings(settings)
        .directory(PasswdFile::from_text(&accounts, None, here)?)
        .mail(mail.spool, mail.store.clone())
        // The calendar of the simulated disk, which begins on the same day each time.
        .clock(Clock::starting_at(UnixTime(i64::try_from(disk.now().as_secs())?)))
        .start()
        .await?;
    Ok((server, mail.store))
}

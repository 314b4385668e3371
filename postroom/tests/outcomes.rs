//! What becomes of accepted mail when mailboxes or disk say no: the whole engine over a simulated disk. Each case has its
//! outcome, and a log line with path, cause and what to do.
//!
//! Every test keeps a log, also one that does not look at it: what a thread without one logs first may be switched off for
//! the others.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::log::Log;
use common::{Client, env, inbox, mbox, queued, start, start_on, start_with, until};
use mailstore::fs::sim::SimFs;
use mailstore::fs::{Fs as _, OpenMode};
use mailstore::mbox::MboxOptions;
use mailstore::{Delivered, Delivery, ErrorKind, MailboxName, MessageReader, StoreError};
use postroom::accounts::PasswdFile;
use postroom::delivery::Deliverers;
use postroom::local::{LocalMail, LocalOptions, LocalStore};
use postroom::relay_policy::retry::Backoff;
use postroom::server::Builder;
use postroom::wall::{AccountId, Store, StoreResult};
use postroom::{Blocking, Server};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tracing::Level;

/// Where all of Bob's mail is.
const BOB: &str = "/mail/example.test/bob";

/// What mailboxes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Maildir,
    Mbox,
}

impl Format {
    const ALL: [Self; 2] = [Self::Maildir, Self::Mbox];

    async fn start(self, fs: &SimFs, pid: u32, change: impl FnOnce(Builder) -> Builder) -> Server {
        let (root, none) = (Path::new("/"), Blocking::inline());
        let disk = match self {
            Self::Maildir => LocalMail::open(env(fs, pid), root, "mail/%d/%n", &none),
            Self::Mbox => {
                let place = ("mail/%d/%n", "mbox:~/mail:INBOX=~/inbox");
                LocalMail::open_mbox(
                    env(fs, pid),
                    root,
                    place,
                    MboxOptions::default(),
                    LocalOptions::default(),
                    &none,
                )
            }
        };
        start_on(disk.unwrap(), pid, change).await
    }

    fn inbox(self, fs: &SimFs, user: &str) -> Vec<String> {
        match self {
            Self::Maildir => inbox(fs, user),
            Self::Mbox => mbox(fs, &format!("/mail/example.test/{user}/inbox")),
        }
    }

    /// How the path begins at which a delivery to Bob fails: of an mbox it is that of a lock or of the journal.
    fn path_that_fails(self) -> String {
        let of_bob = match self {
            Self::Maildir => "tmp/",
            Self::Mbox => "",
        };
        format!("{BOB}/{of_bob}")
    }
}

async fn client(server: &Server) -> Client {
    let mut client = Client::connect(server, "smtp");
    client.reply().await;
    client.command("EHLO client.test").await;
    client
}

async fn accept(client: &mut Client, to: &str, text: &str) {
    let reply = client.mail("s@x.test", &[&format!("{to}@example.test")], text).await;
    assert!(reply.starts_with("250 2.0.0"), "{reply}");
}

/// The one line that has all these words.
fn line(log: &Log, words: &[&str]) -> String {
    let mut lines = log.lines_with(words);
    assert_eq!(lines.len(), 1, "{words:?}\n{}", log.text());
    lines.remove(0)
}

#[tokio::test(start_paused = true)]
async fn a_full_spool_is_delivered_after_a_restart_each_message_once() {
    for format in Format::ALL {
        const MESSAGES: usize = 40;
        let (_log, _guard) = Log::start(Level::INFO);
        let fs = SimFs::new();
        let server = format.start(&fs, 1, |builder| builder).await;
        let mut client = client(&server).await;
        // No mailbox can be written, so all stays in the spool.
        fs.refuse(Path::new("/mail"), Some(io::ErrorKind::ReadOnlyFilesystem));
        for number in 0..MESSAGES {
            accept(&mut client, ["alice", "bob"][number % 2], &format!("number {number}.")).await;
        }
        assert!(server.shutdown(Duration::from_secs(60)).await);
        fs.refuse(Path::new("/mail"), None);

        let few = |mut how: Deliverers| {
            how.messages_max = 3;
            how
        };
        let begin = |builder: Builder| builder.deliverers(few(Deliverers::default()));
        let server = format.start(&fs, 2, begin).await;
        let there = || format.inbox(&fs, "alice").len() + format.inbox(&fs, "bob").len();
        until("delivered", || there() == MESSAGES).await;
        tokio::time::sleep(Duration::from_secs(7200)).await;
        let all: Vec<String> =
            format.inbox(&fs, "alice").into_iter().chain(format.inbox(&fs, "bob")).collect();
        for number in 0..MESSAGES {
            let end = format!("\r\nnumber {number}.\r\n");
            assert_eq!(all.iter().filter(|message| message.ends_with(&end)).count(), 1, "{number}");
        }
        assert!(server.shutdown(Duration::from_secs(1)).await);
    }
}

/// D048 of the access-policy specification, too.
#[tokio::test(start_paused = true)]
async fn r222_a_full_disk_refuses_new_mail_for_now_and_holds_what_was_accepted() {
    for format in Format::ALL {
        let (log, _guard) = Log::start(Level::INFO);
        let fs = SimFs::new();
        let server = format.start(&fs, 1, |builder| builder).await;
        let mut client = client(&server).await;
        accept(&mut client, "bob", "before").await;
        until("delivered", || format.inbox(&fs, "bob").len() == 1).await;

        fs.refuse(Path::new("/mail"), Some(io::ErrorKind::StorageFull));
        accept(&mut client, "bob", "meanwhile").await;
        fs.refuse(Path::new("/spool"), Some(io::ErrorKind::StorageFull));
        let reply = client.mail("s@x.test", &["bob@example.test"], "refused").await;
        assert!(reply.starts_with("452 4.3.1"), "{reply}");
        tokio::time::sleep(Duration::from_secs(5)).await;
        let told = line(&log, &["deferred", "bob@example.test"]);
        assert!(
            told.contains(&format.path_that_fails()) && told.contains("free space on this file system"),
            "{told}"
        );
        // As the times that lines begin with.
        let (_, time) = told.split_once(" until=").unwrap();
        let shape: String = time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert!(shape.starts_with("0000-00-00T00:00:00Z"), "{told}");

        fs.refuse(Path::new("/mail"), None);
        fs.refuse(Path::new("/spool"), None);
        client.command("RSET").await;
        accept(&mut client, "bob", "after").await;
        until("delivered", || format.inbox(&fs, "bob").len() == 3).await;
    }
}

#[tokio::test(start_paused = true)]
async fn r151_a_mailbox_that_cannot_be_written_waits_and_the_log_says_what_to_do() {
    for format in Format::ALL {
        for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem] {
            let (log, _guard) = Log::start(Level::INFO);
            let fs = SimFs::new();
            let server = format.start(&fs, 1, |builder| builder).await;
            let mut client = client(&server).await;
            accept(&mut client, "bob", "before").await;
            until("delivered", || format.inbox(&fs, "bob").len() == 1).await;
            fs.refuse(Path::new(BOB), Some(kind));
            accept(&mut client, "bob", "meanwhile").await;
            accept(&mut client, "alice", "beside").await;
            until("delivered", || format.inbox(&fs, "alice").len() == 1).await;
            let told = line(&log, &["deferred", "bob@example.test"]);
            let uid = rustix::process::geteuid().as_raw();
            for words in
                [&format.path_that_fails(), &format!("as user {uid}"), "check owner, mode and mount options"]
            {
                assert!(told.contains(words), "{words}: {told}");
            }
            fs.refuse(Path::new(BOB), None);
            until("delivered", || format.inbox(&fs, "bob").len() == 2).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_missing_mailbox_directory_is_made_anew() {
    for format in Format::ALL {
        let (_log, _guard) = Log::start(Level::INFO);
        let fs = SimFs::new();
        let server = format.start(&fs, 1, |builder| builder).await;
        let mut client = client(&server).await;
        accept(&mut client, "bob", "before").await;
        until("delivered", || format.inbox(&fs, "bob").len() == 1).await;
        fs.rename(Path::new(BOB), Path::new("/taken-away")).unwrap();
        accept(&mut client, "bob", "after").await;
        until("delivered", || format.inbox(&fs, "bob").len() == 1).await;
        assert!(format.inbox(&fs, "bob")[0].ends_with("\r\nafter\r\n"));
    }
}

/// Its mailbox is not made anew, and others are served as before.
#[tokio::test(start_paused = true)]
async fn mail_that_waits_for_an_account_which_is_removed_is_bounced() {
    let (log, _guard) = Log::start(Level::INFO);
    let fs = SimFs::new();
    let accounts = |names: &[&str]| {
        let lines: String = names.iter().map(|name| format!("{name}@example.test:{{PLAIN}}x\n")).collect();
        PasswdFile::from_text(&lines, None, Blocking::inline()).unwrap()
    };
    let known = Arc::new(accounts(&["alice", "bob"]));
    let directory = Arc::clone(&known);
    let server = start_with(&fs, 1, |builder| builder.directory(directory)).await.unwrap();
    let mut client = client(&server).await;
    fs.refuse(Path::new("/mail"), Some(io::ErrorKind::StorageFull));
    accept(&mut client, "bob", "x").await;
    accept(&mut client, "alice", "y").await;
    until("deferred", || log.lines_with(&["deferred"]).len() == 2).await;
    known.replace_with(&accounts(&["alice"]));
    fs.refuse(Path::new("/mail"), None);
    tokio::time::sleep(Duration::from_secs(301)).await;
    until("delivered", || inbox(&fs, "alice").len() == 1).await;
    until("bounced", || log.lines_with(&["bounced"]).len() == 1).await;
    let told = line(&log, &["bounced", "bob@example.test"]);
    assert!(told.contains("the account has been removed since the message came"), "{told}");
    assert!(fs.metadata(Path::new(BOB)).is_err(), "no mailbox is made");
    assert!(server.shutdown(Duration::from_secs(60)).await);
}

#[tokio::test(start_paused = true)]
async fn what_fails_for_its_whole_lifetime_is_bounced_and_leaves_the_spool() {
    let (log, _guard) = Log::start(Level::INFO);
    let fs = SimFs::new();
    let mut how = Deliverers::default();
    how.retry.maximal_queue_lifetime = Duration::from_secs(3600);
    let server = start_with(&fs, 1, |builder| builder.deliverers(how)).await.unwrap();
    let mut client = client(&server).await;
    // A file where the mailboxes should be.
    drop(fs.open(Path::new("/mail"), OpenMode::CreateNew).unwrap());
    accept(&mut client, "bob", "x").await;
    tokio::time::sleep(Duration::from_secs(3590)).await;
    assert!(log.lines_with(&["bounced"]).is_empty());
    assert!(log.lines_with(&["deferred", "bob@example.test"]).len() > 3);
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let told = line(&log, &["bounced: not delivered within maximal_queue_lifetime", "bob@example.test"]);
    assert!(told.contains("/mail"), "{told}");
    assert_eq!(log.lines_with(&["removed"]).len(), 1);
    fs.unlink(Path::new("/mail")).unwrap();
    drop(server);
    let _server = start(&fs, 2).await.unwrap();
    tokio::time::sleep(Duration::from_secs(7200)).await;
    assert!(inbox(&fs, "bob").is_empty(), "it is not delivered any more");
}

/// A store that says the same to every delivery for Bob; Alice's are delivered.
struct Refusing {
    to: mailstore::MaildirStore,
    kind: ErrorKind,
    is_bob: bool,
}

impl mailstore::Store for Refusing {
    fn deliver(
        &self,
        name: &MailboxName,
        delivery: &Delivery<'_>,
        body: &mut dyn MessageReader,
    ) -> mailstore::Result<Delivered> {
        if self.is_bob {
            return Err(StoreError::new(self.kind, "delivering into a mailbox", "on purpose"));
        }
        self.to.deliver(name, delivery, body)
    }
    fn list(&self) -> mailstore::Result<Vec<mailstore::MailboxInfo>> {
        self.to.list()
    }
    fn create(&self, name: &MailboxName) -> mailstore::Result<()> {
        self.to.create(name)
    }
    fn delete(&self, name: &MailboxName) -> mailstore::Result<()> {
        self.to.delete(name)
    }
    fn rename(&self, from: &MailboxName, to: &MailboxName) -> mailstore::Result<()> {
        self.to.rename(from, to)
    }
    fn subscribe(&self, name: &MailboxName) -> mailstore::Result<()> {
        self.to.subscribe(name)
    }
    fn unsubscribe(&self, name: &MailboxName) -> mailstore::Result<()> {
        self.to.unsubscribe(name)
    }
    fn subscriptions(&self) -> mailstore::Result<Vec<MailboxName>> {
        self.to.subscriptions()
    }
    fn open(
        &self,
        name: &MailboxName,
        access: mailstore::Access,
    ) -> mailstore::Result<Box<dyn mailstore::Mailbox>> {
        self.to.open(name, access)
    }
    fn append(&self, name: &MailboxName) -> mailstore::Result<Box<dyn mailstore::Append>> {
        self.to.append(name)
    }
}

async fn start_refusing(fs: &SimFs, kind: ErrorKind, how: Deliverers) -> Server {
    let environment = env(fs, 1);
    let locate = move |account: &AccountId| {
        let root = format!("/mail/example.test/{}", account.user());
        let to = mailstore::MaildirStore::open(environment.clone(), Path::new(&root), None)?;
        Ok(Arc::new(Refusing { to, kind, is_bob: account.user() == "bob" }) as Arc<dyn mailstore::Store>)
    };
    let disk = LocalMail::open(env(fs, 1), Path::new("/"), "unused/%d/%n", &Blocking::inline());
    let spool = disk.unwrap().spool;
    let store = LocalStore::new(locate, Blocking::inline());
    start_with(fs, 1, |builder| builder.mail(spool, store).deliverers(how)).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn r258_each_kind_of_refusal_has_its_outcome() {
    for (kind, tempfail, soft_bounce, outcome, advice) in [
        (ErrorKind::OverQuota, true, false, "deferred", "raise the quota"),
        (ErrorKind::OverQuota, false, false, "bounced", "raise the quota"),
        (ErrorKind::OverQuota, false, true, "deferred", "raise the quota"),
        (ErrorKind::NoSuchMailbox, true, false, "bounced", "create the mailbox first"),
        (ErrorKind::NoSuchMailbox, true, true, "deferred", "create the mailbox first"),
        (ErrorKind::Refused, true, false, "bounced", "the sender is told"),
        (ErrorKind::Locked, true, false, "deferred", "see which process holds the lock"),
        (ErrorKind::Io, true, false, "deferred", "check the disk"),
    ] {
        let (log, _guard) = Log::start(Level::INFO);
        let fs = SimFs::new();
        let mut how = Deliverers::default();
        how.quota_full_tempfail = tempfail;
        how.soft_bounce = soft_bounce;
        let server = start_refusing(&fs, kind, how).await;
        let mut client = client(&server).await;
        let to = ["alice@example.test", "bob@example.test"];
        assert!(client.mail("s@x.test", &to, "x").await.starts_with("250 2.0.0"));
        until("delivered", || inbox(&fs, "alice").len() == 1).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        let told = line(&log, &[outcome, "bob@example.test"]);
        assert!(told.contains("delivering into a mailbox: on purpose") && told.contains(advice), "{told}");
        // Alice's copy is not made again, whatever becomes of Bob's.
        tokio::time::sleep(Duration::from_secs(7200)).await;
        assert_eq!(inbox(&fs, "alice").len(), 1);
        assert_eq!(log.lines_with(&["removed"]).len(), usize::from(outcome == "bounced"), "{kind:?}");
    }
}

/// How many files a mailbox has, looked at without opening it: whoever opens it first holds a lock, on real threads for as long as the
/// system lets him.
fn arrived(fs: &SimFs, user: &str) -> usize {
    let new = format!("/mail/example.test/{user}/new");
    fs.read_dir(Path::new(&new)).map_or(0, |entries| entries.len())
}

#[tokio::test]
async fn a_mailbox_that_hangs_holds_nobody_elses_mail() {
    let (_log, _guard) = Log::start(Level::INFO);
    let fs = SimFs::new();
    let blocking = Blocking::threads("store", 4, 64).unwrap();
    let environment = env(&fs, 1);
    let disk = LocalMail::open(environment.clone(), Path::new("/"), "unused/%d/%n", &Blocking::inline());
    let (hang, until_released) = std::sync::mpsc::channel::<()>();
    let until_released = std::sync::Mutex::new(until_released);
    let locate = move |account: &AccountId| {
        if account.user() == "bob" {
            let _ = until_released.lock().unwrap().recv();
        }
        let root = format!("/mail/example.test/{}", account.user());
        let store = mailstore::MaildirStore::open(environment.clone(), Path::new(&root), None)?;
        Ok(Arc::new(store) as Arc<dyn mailstore::Store>)
    };
    let mut how = Deliverers::default();
    how.messages_max = 20;
    how.patience = Duration::from_millis(50);
    how.retry.backoff = Backoff::Doubling { minimal: Duration::ZERO, maximal: Duration::ZERO };
    let store = LocalStore::new(locate, blocking);
    let begin = |builder: Builder| builder.mail(disk.unwrap().spool, store).deliverers(how);
    let server = start_with(&fs, 1, begin).await.unwrap();
    let mut client = client(&server).await;
    for number in 0..30 {
        accept(&mut client, "bob", &format!("number {number}.")).await;
    }
    accept(&mut client, "alice", "not held").await;
    while arrived(&fs, "alice") == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(arrived(&fs, "bob"), 0);
    // From now on it answers.
    drop(hang);
    while arrived(&fs, "bob") < 30 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(server.shutdown(Duration::from_secs(60)).await);
    assert_eq!(inbox(&fs, "bob").len(), 30);
}

/// A store that takes an hour for each delivery.
struct Slow(LocalStore);

impl Store for Slow {
    fn deliver(
        &self,
        account: &AccountId,
        name: &MailboxName,
        delivery: postroom::wall::Delivery,
        body: Box<dyn MessageReader>,
    ) -> StoreResult<Delivered> {
        let delivered = self.0.deliver(account, name, delivery, body);
        Box::pin(async {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            delivered.await
        })
    }
    fn list(&self, account: &AccountId) -> StoreResult<Vec<mailstore::MailboxInfo>> {
        self.0.list(account)
    }
    fn create(&self, account: &AccountId, name: &MailboxName) -> StoreResult<()> {
        self.0.create(account, name)
    }
    fn delete(&self, account: &AccountId, name: &MailboxName) -> StoreResult<()> {
        self.0.delete(account, name)
    }
    fn rename(&self, account: &AccountId, from: &MailboxName, to: &MailboxName) -> StoreResult<()> {
        self.0.rename(account, from, to)
    }
    fn subscribe(&self, account: &AccountId, name: &MailboxName, subscribed: bool) -> StoreResult<()> {
        self.0.subscribe(account, name, subscribed)
    }
    fn subscriptions(&self, account: &AccountId) -> StoreResult<Vec<MailboxName>> {
        self.0.subscriptions(account)
    }
    fn open(
        &self,
        account: &AccountId,
        name: &MailboxName,
        access: mailstore::Access,
    ) -> StoreResult<postroom::wall::Opened> {
        self.0.open(account, name, access)
    }
    fn status(&self, account: &AccountId, name: &MailboxName) -> StoreResult<mailstore::MailboxStatus> {
        self.0.status(account, name)
    }
    fn append(
        &self,
        account: &AccountId,
        name: &MailboxName,
    ) -> StoreResult<Box<dyn postroom::wall::Append>> {
        self.0.append(account, name)
    }
}

#[tokio::test(start_paused = true)]
async fn mail_that_was_not_tried_is_not_bounced_however_old_it_is() {
    let (log, _guard) = Log::start(Level::INFO);
    let fs = SimFs::new();
    let disk = LocalMail::open(env(&fs, 1), Path::new("/"), "mail/%d/%n", &Blocking::inline()).unwrap();
    let mut how = Deliverers::default();
    how.retry.maximal_queue_lifetime = Duration::ZERO;
    let with = |builder: Builder| builder.mail(disk.spool, Slow(disk.store)).deliverers(how);
    let server = start_with(&fs, 1, with).await.unwrap();
    let mut client = client(&server).await;
    for number in 0..20 {
        accept(&mut client, "bob", &format!("number {number}.")).await;
    }
    tokio::time::sleep(Duration::from_secs(12 * 3600)).await;
    assert!(log.lines_with(&["deferred", "do not come to an end"]).len() > 3, "{}", log.text());
    assert_eq!((inbox(&fs, "bob").len(), queued(&fs)), (20, 0), "{}", log.text());
}

#[tokio::test]
async fn a_store_that_panics_costs_its_own_messages_and_they_wait() {
    let (log, _guard) = Log::start(Level::INFO);
    let fs = SimFs::new();
    let environment = env(&fs, 1);
    let disk = LocalMail::open(environment.clone(), Path::new("/"), "unused/%d/%n", &Blocking::inline());
    let locate = move |account: &AccountId| {
        assert_ne!(account.user(), "bob", "on purpose");
        let root = format!("/mail/example.test/{}", account.user());
        let store = mailstore::MaildirStore::open(environment.clone(), Path::new(&root), None)?;
        Ok(Arc::new(store) as Arc<dyn mailstore::Store>)
    };
    let store = LocalStore::new(locate, Blocking::threads("store", 1, 8).unwrap());
    let begin = |builder: Builder| builder.mail(disk.unwrap().spool, store);
    let server = start_with(&fs, 1, begin).await.unwrap();
    let mut client = client(&server).await;
    for number in 0..20 {
        accept(&mut client, ["bob", "alice"][number % 2], &format!("number {number}.")).await;
    }
    while arrived(&fs, "alice") < 10 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(server.shutdown(Duration::from_secs(60)).await);
    assert_eq!(log.lines_with(&["deferred", "bob@example.test", "a job failed inside"]).len(), 10);
}

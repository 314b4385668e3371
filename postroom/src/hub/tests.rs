//! Rooms come and go.

use super::{Hub, Over, Seat};
use crate::blocking::Blocking;
use crate::local::LocalMail;
use crate::wall::AccountId;
use mail_message::{Flag, UidSet};
use mailstore::fs::Fs as _;
use mailstore::fs::sim::{SimFs, SimHost};
use mailstore::watch::WatchOptions;
use mailstore::{Access, Env, ErrorKind, FlagChange, MailboxName, MaildirStore};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn hub() -> (Hub, AccountId) {
    let fs = SimFs::new();
    let env = Env::new(Arc::new(fs.clone()), Arc::new(SimHost::new(&fs, 1)));
    let mail = LocalMail::open(env, Path::new("/"), "mail/%d/%n", &Blocking::inline()).unwrap();
    (Hub::new(Arc::new(mail.store)), AccountId::new("alice", "example.test").unwrap())
}

async fn append(hub: &Hub, account: &AccountId) {
    use crate::wall::Store as _;
    let mut append = hub.append(account, &MailboxName::inbox()).await.unwrap();
    append.begin(Default::default(), None).await.unwrap();
    append.write("Subject: x\r\n\r\n".into()).await.unwrap();
    append.commit().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn all_who_enter_at_once_share_a_room_and_the_last_closes_it() {
    let (hub, account) = hub();
    let inbox = MailboxName::inbox();
    append(&hub, &account).await;
    let enter = || hub.enter(&account, &inbox, Access::ReadWrite, true);
    let (a, b, c) = tokio::join!(enter(), enter(), enter());
    let (a, b, c) = (a.unwrap(), b.unwrap(), c.unwrap());
    assert_eq!(hub.rooms.len(), 1);
    assert!(Arc::ptr_eq(&a.seat.room(), &b.seat.room()) && Arc::ptr_eq(&b.seat.room(), &c.seat.room()));
    let recent: u32 = [&a, &b, &c].map(|entered| entered.recent.len()).iter().sum();
    assert_eq!(recent, 1, "recent to one of them");
    let examined = hub.enter(&account, &inbox, Access::ReadOnly, true).await.unwrap();
    assert_eq!(hub.rooms.len(), 2);
    drop((a, b));
    assert_eq!(hub.rooms.len(), 2);
    drop((c, examined));
    assert_eq!(hub.rooms.len(), 0);
    let missing = MailboxName::new("missing").unwrap();
    let refused = hub.enter(&account, &missing, Access::ReadWrite, true).await.err().unwrap();
    assert_eq!((refused.kind(), hub.rooms.len()), (ErrorKind::NoSuchMailbox, 0));
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_at_the_door_leaves_nothing() {
    let (hub, account) = hub();
    let key = super::Key { account, name: MailboxName::inbox(), access: Access::ReadWrite };
    let never = || Box::pin(std::future::pending()) as crate::wall::StoreResult<crate::wall::Opened>;
    let waiting = tokio::time::timeout(std::time::Duration::from_secs(1), async {
        tokio::join!(hub.rooms.enter(key.clone(), never), hub.rooms.enter(key.clone(), never))
    });
    assert!(waiting.await.is_err());
    assert_eq!(hub.rooms.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_room_that_empties_while_it_is_looked_into_is_forgotten() {
    let (hub, account) = hub();
    let inbox = MailboxName::inbox();
    append(&hub, &account).await;
    let seat = hub.enter(&account, &inbox, Access::ReadWrite, true).await.unwrap().seat;
    let changed = hub.rooms.changed(&account, &inbox);
    tokio::pin!(changed);
    assert!(tokio::time::timeout(Duration::ZERO, &mut changed).await.is_err(), "it has begun");
    drop(seat);
    changed.await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(hub.rooms.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_change_is_news_to_all_but_its_maker_even_when_the_maker_leaves() {
    let (hub, account) = hub();
    let inbox = MailboxName::inbox();
    for _ in 0..3 {
        append(&hub, &account).await;
    }
    let a = hub.enter(&account, &inbox, Access::ReadWrite, true).await.unwrap().seat;
    let b = hub.enter(&account, &inbox, Access::ReadWrite, true).await.unwrap().seat;
    let seen = || [Flag::Seen].into_iter().collect();
    let two: UidSet = a.snapshot().uids().iter().take(2).collect();
    // Nobody waits for the result.
    drop(a.room().set_flags(a.id(), two.clone(), FlagChange::Add, seen()));
    b.arrival().await;
    assert!(a.take_news().is_none());
    let news = b.take_news().unwrap();
    assert_eq!(news.flags.iter().map(|(uid, _)| *uid).collect::<UidSet>(), two);
    // What changes nothing is no news.
    b.room().set_flags(b.id(), two.clone(), FlagChange::Add, seen()).await.unwrap();
    assert!(a.take_news().is_none());
    drop(b.room().expunge(b.id(), two.clone(), mailstore::Expunge::Any));
    drop(b);
    a.arrival().await;
    assert_eq!(a.take_news().unwrap().vanished, two);
    assert_eq!(a.snapshot().entries().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_sits_down_as_the_mailbox_goes_is_told() {
    let (hub, account) = hub();
    let inbox = MailboxName::inbox();
    let first = hub.enter(&account, &inbox, Access::ReadWrite, true).await.unwrap().seat;
    let room = first.room();
    // Between entering and sitting down another thread may take in that the mailbox is no more.
    room.end(Over::Gone);
    let (seat, ..) = room.sit(true);
    assert_eq!(first.take_news().unwrap().over, Some(Over::Gone));
    assert_eq!(seat.take_news().map(|news| news.over), Some(Some(Over::Gone)));
}

/// A disk that another program writes to, with a hub that is told of it when `turn` is called.
struct Watched {
    fs: SimFs,
    env: Env,
    hub: Hub,
    alice: AccountId,
}

const ALICE: &str = "/mail/example.test/alice";

impl Watched {
    fn new() -> Self {
        let fs = SimFs::new();
        let env = Env::new(Arc::new(fs.clone()), Arc::new(SimHost::new(&fs, 1)));
        env.watcher().start_without_threads(WatchOptions::default());
        let mail = LocalMail::open(env.clone(), Path::new("/"), "mail/%d/%n", &Blocking::inline());
        let hub = Hub::new(Arc::new(mail.unwrap().store));
        Self { fs, env, hub, alice: AccountId::new("alice", "example.test").unwrap() }
    }

    fn foreign(&self) -> MaildirStore {
        let env = Env::new(Arc::new(self.fs.clone()), Arc::new(SimHost::new(&self.fs, 2)));
        MaildirStore::open(env, Path::new(ALICE), None).unwrap()
    }

    fn deliver(&self, name: &MailboxName) {
        use mailstore::Store as _;
        let mut append = self.foreign().append(name).unwrap();
        append.write(b"Subject: x\r\n\r\n").unwrap();
        append.commit().unwrap();
    }

    /// Everything that can happen by itself happens, and the next look at the disk.
    async fn turn(&self) {
        tokio::time::sleep(Duration::from_secs(5)).await;
        self.env.watcher().poll();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }

    async fn enter(&self, name: &MailboxName) -> Seat {
        self.hub.enter(&self.alice, name, Access::ReadWrite, true).await.unwrap().seat
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_to_be_told_hears_of_other_programs_and_nobody_looks_for_the_rest() {
    let disk = Watched::new();
    let inbox = MailboxName::inbox();
    let (asking, beside) = (disk.enter(&inbox).await, disk.enter(&inbox).await);
    disk.deliver(&inbox);
    disk.turn().await;
    assert!(asking.take_news().is_none() && !asking.room().is_told());
    // Once for both, and for what came before as well.
    disk.hub.watch(&asking);
    disk.hub.watch(&beside);
    disk.turn().await;
    assert_eq!(asking.take_news().unwrap().new.len(), 1);
    assert_eq!(beside.take_news().unwrap().new.len(), 1);
    assert!(beside.room().is_told());
    // The one who asked first leaves.
    drop(asking);
    disk.deliver(&inbox);
    disk.turn().await;
    assert_eq!(beside.take_news().unwrap().new.len(), 1);
    drop(beside);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = disk.fs.ops();
    disk.deliver(&inbox);
    let delivered = disk.fs.ops();
    disk.turn().await;
    assert!(before < delivered && delivered == disk.fs.ops(), "nobody is there to hear of it");
}

#[tokio::test(start_paused = true)]
async fn a_look_that_fails_is_made_again_though_nothing_more_is_told() {
    let disk = Watched::new();
    let inbox = MailboxName::inbox();
    let seat = disk.enter(&inbox).await;
    disk.hub.watch(&seat);
    disk.turn().await;
    disk.turn().await;
    disk.deliver(&inbox);
    // Three for the watch, and then the look's first.
    disk.fs.fail_at(disk.fs.ops() + 3, mailstore::fs::sim::Fault::Io);
    disk.turn().await;
    assert!(seat.take_news().is_none(), "it failed");
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(seat.take_news().unwrap().new.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_that_another_program_takes_away_or_replaces_is_told() {
    use mailstore::Store as _;
    let disk = Watched::new();
    let inbox = MailboxName::inbox();
    disk.deliver(&inbox);
    let seat = disk.enter(&inbox).await;
    disk.hub.watch(&seat);
    disk.turn().await;
    assert!(seat.room().is_told());
    // Its cur/ is not there for a moment.
    let (cur, aside) = (format!("{ALICE}/cur"), format!("{ALICE}/tmp/cur"));
    disk.fs.rename(Path::new(&cur), Path::new(&aside)).unwrap();
    disk.env.watcher().poll();
    disk.fs.rename(Path::new(&aside), Path::new(&cur)).unwrap();
    disk.turn().await;
    disk.deliver(&inbox);
    disk.turn().await;
    assert_eq!(seat.take_news().unwrap().new.len(), 1, "watched again");
    assert!(seat.room().is_told());

    let name = MailboxName::new("other").unwrap();
    disk.foreign().create(&name).unwrap();
    let other = disk.enter(&name).await;
    disk.hub.watch(&other);
    disk.turn().await;
    disk.foreign().delete(&name).unwrap();
    disk.turn().await;
    assert_eq!(other.take_news().unwrap().over, Some(Over::Gone));
    assert!(seat.take_news().is_none());
}

//! What other programs change in a mailbox is told: by the system on the machine's own disk, and in turn elsewhere.
//!
//! Nobody here waits for a time: a test waits for what must be told, and its deadline is for a promise that is broken.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use mail_message::Flag;
use mailstore::fs::{
    Change, ChangeQueue, DirEntry, File, Fs, Interest, Metadata, OpenMode, SimFs, sim::SimHost,
};
use mailstore::mbox::{MboxLocation, MboxOptions, MboxStore};
use mailstore::watch::{Told, WatchNotice, WatchOptions};
use mailstore::{Access, Env, ErrorKind, MailboxName, MaildirStore, Store, Tell, Watch};

const DEADLINE: Duration = Duration::from_secs(120);

fn inbox() -> MailboxName {
    MailboxName::inbox()
}

/// A watch, and what it tells.
struct Ear {
    watch: Option<Watch>,
    told: Receiver<Told>,
}

impl Ear {
    fn at(store: &dyn Store, name: &MailboxName) -> Self {
        let (send, told) = channel();
        let tell: Tell = Arc::new(move |what| {
            let _ = send.send(what);
        });
        let watch = store.watch(name, &tell).unwrap();
        assert!(watch.is_some(), "not watched");
        Self { watch, told }
    }

    fn next(&self) -> Told {
        self.told.recv_timeout(DEADLINE).expect("nobody was told")
    }

    /// Looks, each time something is told, until what it waits for is there.
    fn until(&self, mut is_there: impl FnMut() -> bool) {
        while !is_there() {
            assert_eq!(self.next(), Told::Changed);
        }
    }

    fn until_ended(&self) {
        while self.next() != Told::Ended {}
        self.hears_nothing_more();
    }

    /// Whoever could tell something has let go.
    fn hears_nothing_more(&self) {
        assert_eq!(self.told.recv_timeout(DEADLINE), Err(RecvTimeoutError::Disconnected));
    }
}

/// Notices, as they are told.
fn noticing(mut options: WatchOptions) -> (WatchOptions, Arc<Mutex<Vec<WatchNotice>>>) {
    let notices = Arc::<Mutex<Vec<_>>>::default();
    let told = Arc::clone(&notices);
    options.notice = Some(Arc::new(move |notice: &WatchNotice| told.lock().unwrap().push(notice.clone())));
    (options, notices)
}

fn real() -> (tempfile::TempDir, Env) {
    let (dir, env) = (tempfile::tempdir().unwrap(), Env::real("test.example"));
    // Mailboxes that the system does not tell of would be looked at in an hour.
    let mut options = WatchOptions::default();
    options.interval = Duration::from_secs(3600);
    env.watcher().start(options).unwrap();
    (dir, env)
}

/// Another program at work in `dir`.
fn sh(dir: &Path, script: &str) {
    assert!(
        Command::new("sh").arg("-ec").arg(script).current_dir(dir).status().unwrap().success(),
        "{script}"
    );
}

#[test]
fn a_maildir_tells_what_another_program_delivers_marks_and_removes() {
    let (dir, env) = real();
    let store = MaildirStore::open(env, &dir.path().join("Maildir"), None).unwrap();
    let mut session = store.open(&inbox(), Access::ReadWrite).unwrap();
    let ear = Ear::at(&store, &inbox());
    let maildir = dir.path().join("Maildir");
    sh(&maildir, r"printf 'Subject: 1\n\nx\n' >tmp/1.x; mv tmp/1.x new/1.x");
    ear.until(|| {
        session.refresh().unwrap();
        session.entries().len() == 1
    });
    sh(&maildir, "mv cur/1.x:2, cur/1.x:2,S");
    ear.until(|| {
        session.refresh().unwrap();
        session.entries()[0].flags.contains(&Flag::Seen)
    });
    sh(&maildir, "rm cur/1.x:2,S");
    ear.until(|| {
        session.refresh().unwrap();
        session.entries().is_empty()
    });
}

#[test]
fn a_mailbox_that_is_taken_away_is_told_and_its_watch_ends() {
    let (dir, env) = real();
    let store = MaildirStore::open(env, dir.path(), None).unwrap();
    for (script, name) in [("mv .a .b", "a"), ("rm -r .c", "c"), ("rm -r .d/cur", "d")] {
        let name: MailboxName = name.parse().unwrap();
        store.create(&name).unwrap();
        let ear = Ear::at(&store, &name);
        sh(dir.path(), script);
        ear.until_ended();
        let again = store.watch(&name, &(Arc::new(drop::<Told>) as Tell)).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::NoSuchMailbox, "{script}");
    }
}

#[test]
fn who_has_let_go_hears_nothing_more_and_others_at_the_same_mailbox_do() {
    let (dir, env) = real();
    let store = MaildirStore::open(env, dir.path(), None).unwrap();
    let (mut gone, ear) = (Ear::at(&store, &inbox()), Ear::at(&store, &inbox()));
    gone.watch = None;
    sh(dir.path(), "echo >new/1.x");
    assert_eq!(ear.next(), Told::Changed);
    gone.hears_nothing_more();
}

#[test]
fn an_mbox_tells_what_another_program_appends_and_that_it_is_replaced() {
    let (dir, env) = real();
    let location = MboxLocation::new(dir.path().join("mail"), dir.path().join("inbox"));
    let store = MboxStore::open(env, location, MboxOptions::default(), None).unwrap();
    let mut session = store.open(&inbox(), Access::ReadWrite).unwrap();
    let mut ear = Ear::at(&store, &inbox());
    let message = r"printf 'From a@x Sun Nov 22 17:00:00 2026\nSubject: 1\n\nx\n\n'";
    sh(dir.path(), &format!("{message} >>inbox"));
    ear.until(|| {
        session.refresh().unwrap();
        session.entries().len() == 1
    });
    // Somebody who reads it keeps the old file from being deleted.
    let reader = std::fs::File::open(dir.path().join("inbox")).unwrap();
    sh(dir.path(), &format!("cp inbox other; {message} >>other; mv other inbox"));
    ear.until_ended();
    drop(reader);
    ear = Ear::at(&store, &inbox());
    session.refresh().unwrap();
    assert_eq!(session.entries().len(), 2);
    // File systems give the number of a file that was removed to the next one that is made.
    sh(dir.path(), "cp inbox other; rm inbox; cp other inbox");
    ear.until_ended();
    ear = Ear::at(&store, &inbox());
    session.refresh().unwrap();
    sh(dir.path(), &format!("{message} >>inbox"));
    ear.until(|| {
        session.refresh().unwrap();
        session.entries().len() == 3
    });
}

#[test]
fn a_watcher_that_was_not_started_watches_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = MaildirStore::open(Env::real("test.example"), dir.path(), None).unwrap();
    assert!(store.watch(&inbox(), &(Arc::new(drop::<Told>) as Tell)).unwrap().is_none());
}

#[test]
fn who_is_told_may_hold_another_watch() {
    let fs = SimFs::new();
    let env = Env::new(Arc::new(fs.clone()), Arc::new(SimHost::new(&fs, 1)));
    env.watcher().start_without_threads(WatchOptions::default());
    let store = MaildirStore::open(env, Path::new("/m"), None).unwrap();
    let held = Ear::at(&store, &inbox()).watch;
    let told: Tell = Arc::new(move |_| assert!(held.is_some()));
    let watch = store.watch(&inbox(), &told).unwrap();
    drop(told);
    drop(watch);
}

#[test]
fn a_simulated_disk_is_looked_at_in_turn() {
    let fs = SimFs::new();
    let env = Env::new(Arc::new(fs.clone()), Arc::new(SimHost::new(&fs, 1)));
    env.watcher().start_without_threads(WatchOptions::default());
    let store = MaildirStore::open(env.clone(), Path::new("/m"), None).unwrap();
    let name: MailboxName = "a".parse().unwrap();
    store.create(&name).unwrap();
    let (ear, other) = (Ear::at(&store, &name), Ear::at(&store, &inbox()));
    let turn = || {
        fs.advance(Duration::from_secs(5));
        env.watcher().poll();
        (ear.told.try_iter().collect::<Vec<_>>(), other.told.try_iter().collect::<Vec<_>>())
    };
    let (changed, nothing) = (vec![Told::Changed], vec![]);
    assert_eq!(turn(), (changed.clone(), changed.clone()), "what came while the watch began");
    assert_eq!(turn(), (nothing.clone(), nothing.clone()));
    fs.open(Path::new("/m/.a/new/1.x"), OpenMode::CreateNew).unwrap();
    assert_eq!(turn(), (changed.clone(), nothing.clone()));
    assert_eq!(turn(), (changed.clone(), nothing.clone()), "once more, for what came within the same tick");
    assert_eq!(turn(), (nothing.clone(), nothing.clone()));
    // A disk that does not answer is no mailbox that is gone.
    fs.fail_at(fs.ops(), mailstore::fs::sim::Fault::Io);
    assert_eq!(turn(), (nothing.clone(), nothing.clone()));
    store.delete(&name).unwrap();
    assert_eq!(turn(), (vec![Told::Ended], nothing.clone()));
    fs.open(Path::new("/m/new/1.x"), OpenMode::CreateNew).unwrap();
    assert_eq!(turn(), (nothing, changed));
}

/// What a queue is to do.
#[derive(Debug, Default)]
struct Script {
    /// Refuse to listen with this error of the system's.
    refuse: Option<i32>,
    /// Count as local.
    is_local: bool,
    /// To be taken; the error ends the queue.
    waiting: VecDeque<Result<Vec<Change>, i32>>,
    woken: bool,
    /// What numbers were given for, and whether it still is listened to.
    listened: Vec<(PathBuf, bool)>,
}

/// A queue that a test fills, and the disk it is of.
#[derive(Debug, Clone)]
struct Scripted(Arc<(Mutex<Script>, Condvar)>, SimFs);

impl Scripted {
    fn new(script: Script) -> Self {
        Self(Arc::new((Mutex::new(script), Condvar::new())), SimFs::new())
    }

    fn put(&self, what: Result<Vec<Change>, i32>) {
        self.0.0.lock().unwrap().waiting.push_back(what);
        self.0.1.notify_all();
    }

    fn env(&self) -> Env {
        Env::new(Arc::new(self.clone()), Arc::new(SimHost::new(&self.1, 1)))
    }
}

impl ChangeQueue for Scripted {
    fn covers(&self, _: &Path) -> io::Result<bool> {
        Ok(self.0.0.lock().unwrap().is_local)
    }

    fn add(&self, path: &Path, _: Interest) -> io::Result<u64> {
        let mut script = self.0.0.lock().unwrap();
        // The first of a mailbox still has room.
        if script.listened.iter().any(|(_, is_listened)| *is_listened)
            && let Some(refuse) = script.refuse
        {
            return Err(io::Error::from_raw_os_error(refuse));
        }
        script.listened.push((path.to_path_buf(), true));
        Ok(script.listened.len() as u64)
    }

    fn remove(&self, number: u64) {
        self.0.0.lock().unwrap().listened[number as usize - 1].1 = false;
    }

    fn wait(&self) -> io::Result<()> {
        let script = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(script, |script| script.waiting.is_empty() && !script.woken).unwrap());
        Ok(())
    }

    fn take(&self) -> io::Result<Vec<Change>> {
        let taken = self.0.0.lock().unwrap().waiting.pop_front().unwrap_or(Ok(Vec::new()));
        taken.map_err(io::Error::from_raw_os_error)
    }

    fn wake(&self) {
        self.0.0.lock().unwrap().woken = true;
        self.0.1.notify_all();
    }
}

impl Fs for Scripted {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        self.1.open(path, mode)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.1.sync_dir(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.1.rename(from, to)
    }
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.1.link(from, to)
    }
    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.1.unlink(path)
    }
    fn mkdir(&self, path: &Path) -> io::Result<()> {
        self.1.mkdir(path)
    }
    fn rmdir(&self, path: &Path) -> io::Result<()> {
        self.1.rmdir(path)
    }
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.1.read_dir(path)
    }
    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.1.metadata(path)
    }
    fn changes(&self) -> io::Result<Option<Box<dyn ChangeQueue>>> {
        Ok(Some(Box::new(self.clone())))
    }
}

fn quick() -> WatchOptions {
    let mut options = WatchOptions::default();
    options.interval = Duration::from_millis(1);
    options
}

#[test]
fn where_the_system_has_no_room_mailboxes_are_looked_at_in_turn_and_it_is_said_once() {
    const ENOSPC: i32 = 28;
    const EACCES: i32 = 13;
    let refused = [(Some(ENOSPC), true), (Some(EACCES), true), (None, false)];
    for (refuse, is_local) in refused {
        let disk = Scripted::new(Script { refuse, is_local, ..Script::default() });
        let (options, notices) = noticing(quick());
        let env = disk.env();
        env.watcher().start(options).unwrap();
        let store = MaildirStore::open(env, Path::new("/m"), None).unwrap();
        let (first, second) = (Ear::at(&store, &inbox()), Ear::at(&store, &inbox()));
        let is_any = disk.0.0.lock().unwrap().listened.iter().any(|(_, is_listened)| *is_listened);
        assert!(!is_any, "all of a mailbox is listened to, or nothing");
        assert_eq!((first.next(), second.next()), (Told::Changed, Told::Changed));
        let told: Vec<String> = notices.lock().unwrap().iter().map(WatchNotice::to_string).collect();
        let about = match refuse {
            Some(ENOSPC) => "raise fs.inotify.max_user_watches",
            Some(_) => "user must be able to read it",
            None => "nothing needs to be done",
        };
        assert!(told.len() == 1 && told[0].contains(about), "{told:?}");
    }
}

#[test]
fn many_changes_are_told_at_once_and_lost_ones_to_all() {
    let disk = Scripted::new(Script { is_local: true, ..Script::default() });
    let (options, notices) = noticing(WatchOptions::default());
    let env = disk.env();
    env.watcher().start(options).unwrap();
    let store = MaildirStore::open(env, Path::new("/m"), None).unwrap();
    let name: MailboxName = "a".parse().unwrap();
    store.create(&name).unwrap();
    // Numbers 1 to 3, and 4 to 6.
    let (first, second) = (Ear::at(&store, &inbox()), Ear::at(&store, &name));
    disk.put(Ok((0..1000).map(|at| Change::Changed(1 + at % 2)).collect()));
    disk.put(Ok(vec![Change::Lost, Change::Lost]));
    // Of a directory that is still where it was.
    disk.put(Ok(vec![Change::Changed(4), Change::Moved(6), Change::Changed(99)]));
    disk.put(Ok(vec![Change::Lost, Change::Moved(4)]));
    for _ in 0..3 {
        assert_eq!((first.next(), second.next()), (Told::Changed, Told::Changed));
    }
    // That was the last of all, since the second is told after the first.
    assert_eq!(first.told.try_iter().count() + second.told.try_iter().count(), 0);
    // Another may be in its place already, with the same number.
    disk.put(Ok(vec![Change::Gone(4), Change::Moved(4), Change::Changed(5)]));
    assert_eq!(second.next(), Told::Ended);
    second.hears_nothing_more();
    assert_eq!(*notices.lock().unwrap(), [WatchNotice::Overflow]);
}

#[test]
fn a_queue_that_breaks_leaves_the_turns() {
    const EIO: i32 = 5;
    let disk = Scripted::new(Script { is_local: true, ..Script::default() });
    let (options, notices) = noticing(quick());
    let env = disk.env();
    env.watcher().start(options).unwrap();
    let store = MaildirStore::open(env, Path::new("/m"), None).unwrap();
    let ear = Ear::at(&store, &inbox());
    disk.put(Err(EIO));
    assert_eq!(ear.next(), Told::Changed, "what came meanwhile");
    disk.1.open(Path::new("/m/new/1.x"), OpenMode::CreateNew).unwrap();
    assert_eq!(ear.next(), Told::Changed);
    let later = Ear::at(&store, &inbox());
    assert_eq!(later.next(), Told::Changed, "who comes later is not left to the queue");
    assert!(matches!(&notices.lock().unwrap()[..], [WatchNotice::NoQueue { .. }]));
}

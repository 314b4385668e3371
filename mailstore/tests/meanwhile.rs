//! What others do to a mailbox while it is looked at.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{ROOT, append, flags, inbox, maildir, message};
use mailstore::fs::sim::SimHost;
use mailstore::fs::{DirEntry, File, Fs, LockKind, Metadata, OpenMode, SimFs};
use mailstore::mbox::{MboxLocation, MboxOptions, MboxStore};
use mailstore::{Access, Env, MaildirStore, Store};

type Deed = Box<dyn FnOnce() + Send>;

/// A disk on which something is done when `cur/` is about to be listed, or when an mbox was read in part.
struct Meanwhile {
    disk: SimFs,
    deed: Arc<Mutex<Option<Deed>>>,
    /// Whether the last quarter of an mbox cannot be read, once.
    is_broken: Arc<AtomicBool>,
}

impl Meanwhile {
    fn new(disk: &SimFs) -> Self {
        Self { disk: disk.clone(), deed: Arc::default(), is_broken: Arc::default() }
    }
}

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meanwhile")
    }
}

impl Fs for Meanwhile {
    fn read_dir(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        if path.ends_with("cur") {
            let deed = self.deed.lock().unwrap().take();
            deed.into_iter().for_each(|deed| deed());
        }
        self.disk.read_dir(path)
    }
    fn metadata(&self, path: &Path) -> io::Result<Metadata> {
        self.disk.metadata(path)
    }
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn File>> {
        let file = self.disk.open(path, mode)?;
        if mode != OpenMode::Read || path != Path::new("/var/mail/alice") {
            return Ok(file);
        }
        Ok(Box::new(ReadInPart {
            file,
            deed: Arc::clone(&self.deed),
            is_broken: Arc::clone(&self.is_broken),
        }))
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.disk.sync_dir(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.link(from, to)
    }
    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.disk.unlink(path)
    }
    fn mkdir(&self, path: &Path) -> io::Result<()> {
        self.disk.mkdir(path)
    }
    fn rmdir(&self, path: &Path) -> io::Result<()> {
        self.disk.rmdir(path)
    }
}

/// An mbox that is being read.
struct ReadInPart {
    file: Box<dyn File>,
    deed: Arc<Mutex<Option<Deed>>>,
    is_broken: Arc<AtomicBool>,
}

impl std::fmt::Debug for ReadInPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ReadInPart")
    }
}

impl File for ReadInPart {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let size = self.file.metadata()?.size;
        // Not for the last of it, which is looked at by itself.
        if offset > size / 4 && offset < size / 2 {
            let deed = self.deed.lock().unwrap().take();
            deed.into_iter().for_each(|deed| deed());
        }
        if offset > size / 4 * 3 && self.is_broken.swap(false, Ordering::Relaxed) {
            return Err(io::Error::other("this part of the disk cannot be read"));
        }
        self.file.read_at(buf, offset)
    }
    fn append(&mut self, data: &[u8]) -> io::Result<()> {
        self.file.append(data)
    }
    fn write_at(&self, parts: &[&[u8]], offset: u64) -> io::Result<()> {
        self.file.write_at(parts, offset)
    }
    fn allocate(&self, len: u64) -> io::Result<()> {
        self.file.allocate(len)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
    fn sync(&self) -> io::Result<()> {
        self.file.sync()
    }
    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
    fn try_lock(&self, kind: LockKind) -> io::Result<bool> {
        self.file.try_lock(kind)
    }
    fn unlock(&self) -> io::Result<()> {
        self.file.unlock()
    }
    fn set_mtime(&self, since_epoch: Duration) -> io::Result<()> {
        self.file.set_mtime(since_epoch)
    }
    fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }
}

/// Dovecot gives a message a keyword: what it needs for that it takes from the room that another has left for one. The file
/// stays as long as it was, and whether it has another time is chance: so one that was changed just now is read under a lock.
#[test]
fn an_mbox_that_changes_while_it_is_read_is_read_again() {
    let text = |keyword: &str, room: &str| {
        let body = "a line of the body\n".repeat(40_000);
        format!(
            "From a@example.test Sun Nov 22 14:13:11 2026\nX-IMAPbase: 1234567890 2 work\nX-UID: 1\nStatus: RO\n\
             {keyword}Subject: large\n\n{body}\n\
             From b@example.test Sun Nov 22 14:13:12 2026\nX-UID: 2\nStatus: RO\nX-Keywords: {room}\n\
             Subject: small\n\nbody\n\n"
        )
    };
    let keyword = "X-Keywords: work\n";
    let (before, after) = (text("", &" ".repeat(100)), text(keyword, &" ".repeat(100 - keyword.len())));
    assert_eq!(before.len(), after.len());
    for rested in [false, true] {
        for access in [Access::ReadOnly, Access::ReadWrite] {
            let disk = SimFs::new();
            mailstore::fs::create_dir_durably(&disk, Path::new("/var/mail")).unwrap();
            let path = Path::new("/var/mail/alice");
            disk.open(path, OpenMode::CreateNew).unwrap().append(before.as_bytes()).unwrap();
            if rested {
                disk.advance(Duration::from_secs(60));
            }
            let fs = Meanwhile::new(&disk);
            let deed = Arc::clone(&fs.deed);
            let env = Env::new(Arc::new(fs), Arc::new(SimHost::new(&disk, 1)));
            let location = MboxLocation::new("/home/alice/mail", path);
            let store = MboxStore::open(env, location, MboxOptions::default(), None).unwrap();
            let (other, after) = (disk.clone(), after.clone());
            *deed.lock().unwrap() = Some(Box::new(move || {
                let file = other.open(path, OpenMode::Write).unwrap();
                let is_free = file.try_lock(LockKind::Exclusive).unwrap();
                assert_eq!(is_free, rested, "nobody reads a file that has just been changed without a lock");
                if is_free {
                    file.write_at(&[after.as_bytes()], 0).unwrap();
                }
            }));
            let mut mailbox = store.open(&inbox(), access).unwrap();
            assert!(deed.lock().unwrap().is_none());
            let expected = if rested { "\\Seen work" } else { "\\Seen" };
            assert_eq!(mailbox.entries()[0].flags, flags(expected));
            for (uid, shown) in [(1, 16 + 2 + 40_000 * 20), (2, 16 + 2 + 6)] {
                let mut message = mailbox.message(common::uid(uid)).unwrap();
                assert_eq!(message.size_bytes(), shown, "{rested} {access:?}");
                common::read_all(&mut *message).unwrap();
            }
        }
    }
}

/// As above, and then the rest cannot be read: what was found until then is not to be believed either.
#[test]
fn what_was_found_before_a_failure_is_read_again() {
    let body = "a line of the body\n".repeat(40_000);
    let of = |uid: u32, own: &str, body: &str| {
        format!(
            "From a@example.test Sun Nov 22 14:13:11 2026\nX-UID: {uid}\nStatus: RO\n{own}Subject: x\n\n{body}\n"
        )
    };
    let first = "From a@example.test Sun Nov 22 14:13:11 2026\nX-IMAPbase: 1234567890 4 work\nX-UID: 1\nStatus: RO\n\
                 Subject: x\n\nx\n\n";
    let keyword = "X-Keywords: work\n";
    let room = |octets: usize| format!("X-Keywords: {}\n", " ".repeat(octets));
    let text = |second: &str, third: &str| {
        [&*of(2, second, &body), &*of(3, third, "x\n"), &*of(4, "", &body)].concat()
    };
    let (before, after) = (text("", &room(100)), text(keyword, &room(100 - keyword.len())));
    assert_eq!(before.len(), after.len());
    let disk = SimFs::new();
    mailstore::fs::create_dir_durably(&disk, Path::new("/var/mail")).unwrap();
    let path = Path::new("/var/mail/alice");
    disk.open(path, OpenMode::CreateNew).unwrap().append(first.as_bytes()).unwrap();
    let fs = Meanwhile::new(&disk);
    let (deed, is_broken) = (Arc::clone(&fs.deed), Arc::clone(&fs.is_broken));
    let env = Env::new(Arc::new(fs), Arc::new(SimHost::new(&disk, 1)));
    let location = MboxLocation::new("/home/alice/mail", path);
    let store = MboxStore::open(env, location, MboxOptions::default(), None).unwrap();
    let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
    disk.open(path, OpenMode::Write).unwrap().append(before.as_bytes()).unwrap();
    disk.advance(Duration::from_secs(60));
    let other = disk.clone();
    *deed.lock().unwrap() = Some(Box::new(move || {
        let file = other.open(path, OpenMode::Write).unwrap();
        assert!(file.try_lock(LockKind::Exclusive).unwrap());
        file.write_at(&[after.as_bytes()], first.len() as u64).unwrap();
    }));
    is_broken.store(true, Ordering::Relaxed);
    assert!(mailbox.refresh().is_err());
    assert!(deed.lock().unwrap().is_none() && !is_broken.load(Ordering::Relaxed));
    let new = mailbox.refresh().unwrap().new;
    assert_eq!(new.iter().map(|entry| entry.uid.get()).collect::<Vec<u32>>(), [2, 3, 4]);
    assert_eq!(new[0].flags, flags("\\Seen work"));
}

/// The first of two goes to `new/`, which has been listed, and the second to `cur/`, which has not.
#[test]
fn nobody_hears_of_a_message_before_those_that_have_lower_uids() {
    for access in [Access::ReadOnly, Access::ReadWrite] {
        for removed in [false, true] {
            let disk = SimFs::new();
            let other = maildir(&disk, 2).unwrap();
            append(&other, &inbox(), &message(1), &flags("\\Seen")).unwrap();
            let fs = Meanwhile::new(&disk);
            let deed = Arc::clone(&fs.deed);
            let env = Env::new(Arc::new(fs), Arc::new(SimHost::new(&disk, 1)));
            let store = MaildirStore::open(env, Path::new(ROOT), None).unwrap();
            let mut mailbox = store.open(&inbox(), access).unwrap();
            let from = disk.clone();
            *deed.lock().unwrap() = Some(Box::new(move || {
                append(&other, &inbox(), &message(2), &flags("")).unwrap();
                append(&other, &inbox(), &message(3), &flags("\\Seen")).unwrap();
                if removed {
                    let new = format!("{ROOT}/new");
                    let file = common::read_names(&from, &new).pop().unwrap();
                    from.unlink(&Path::new(&new).join(file)).unwrap();
                }
            }));
            let new: Vec<u32> = mailbox.refresh().unwrap().new.iter().map(|entry| entry.uid.get()).collect();
            assert!(deed.lock().unwrap().is_none());
            assert_eq!(new, if removed { &[3][..] } else { &[2, 3] });
            assert_eq!(mailbox.refresh().unwrap().new.len(), 0);
        }
    }
}

/// Others wait for the lock of the list of UIDs, and Dovecot not for long.
#[test]
fn what_is_there_is_made_durable_before_the_lock_is_taken() {
    let disk = SimFs::new();
    let store = maildir(&disk, 1).unwrap();
    let deliver = |number: u32| {
        let path = format!("{ROOT}/new/{number}.M1.host");
        disk.open(Path::new(&path), OpenMode::CreateNew).unwrap().append(&message(number)).unwrap();
    };
    (1..200).for_each(deliver);
    let begun = disk.log().len();
    assert_eq!(store.open(&inbox(), Access::ReadWrite).unwrap().entries().len(), 199);
    let log = disk.log().split_off(begun);
    let is_lock = |path: &Path| path.ends_with("dovecot-uidlist.lock");
    let locked = log.iter().position(|it| it.name == "rename" && is_lock(&it.path)).unwrap();
    // Sixty-four messages at a time, as a whole file system.
    let synced: Vec<usize> = (0..log.len()).filter(|&at| log[at].name == "sync_fs").collect();
    assert!(synced.len() >= 4 && synced.iter().all(|&at| at < locked), "{synced:?}, {locked}");
}

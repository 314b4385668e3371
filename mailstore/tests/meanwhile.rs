//! What others do to a Maildir while its directories are listed.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use common::{ROOT, append, flags, inbox, maildir, message};
use mailstore::fs::sim::SimHost;
use mailstore::fs::{DirEntry, File, Fs, Metadata, OpenMode, SimFs};
use mailstore::{Access, Env, MaildirStore, Store};

type Deed = Box<dyn FnOnce() + Send>;

/// A disk on which something is done when `cur/` is about to be listed.
struct Meanwhile {
    disk: SimFs,
    deed: Arc<Mutex<Option<Deed>>>,
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
        self.disk.open(path, mode)
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

/// The first of two goes to `new/`, which has been listed, and the second to `cur/`, which has not.
#[test]
fn nobody_hears_of_a_message_before_those_that_have_lower_uids() {
    for access in [Access::ReadOnly, Access::ReadWrite] {
        for removed in [false, true] {
            let disk = SimFs::new();
            let other = maildir(&disk, 2).unwrap();
            append(&other, &inbox(), &message(1), &flags("\\Seen")).unwrap();
            let deed: Arc<Mutex<Option<Deed>>> = Arc::default();
            let fs = Meanwhile { disk: disk.clone(), deed: Arc::clone(&deed) };
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
    let locked = log.iter().position(|it| it.name == "create" && is_lock(&it.path)).unwrap();
    // Sixty-four messages at a time, as a whole file system.
    let synced: Vec<usize> = (0..log.len()).filter(|&at| log[at].name == "sync_fs").collect();
    assert!(synced.len() >= 4 && synced.iter().all(|&at| at < locked), "{synced:?}, {locked}");
}

//! What lies among the messages and is none: it is left out, and the others are shown.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex};

use common::{inbox, message, read_all};
use mailstore::maildir::{MaildirNotice, MaildirOptions};
use mailstore::mbox::{MboxLocation, MboxOptions, MboxStore};
use mailstore::{Access, Env, ErrorKind, MailboxName, MaildirStore, Store};
use nix::sys::stat::Mode;
use nix::unistd::{Uid, mkfifo, setfsuid};

const OWNER: u32 = 65534;

/// A store, and what it tells its owner.
fn open(root: &Path) -> (MaildirStore, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = Arc::clone(&told);
    let options = MaildirOptions {
        on_notice: Some(Arc::new(move |notice: &MaildirNotice| {
            tell.lock().unwrap().push(notice.to_string())
        })),
        ..MaildirOptions::default()
    };
    let store = MaildirStore::open_with(Env::real("test.example"), root, options).unwrap();
    (store, told)
}

/// What is shown, and how many files are said to be left out, and why the first is.
fn look(store: &MaildirStore, told: &Mutex<Vec<String>>) -> (Vec<Vec<u8>>, Vec<String>) {
    let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
    let known: Vec<_> = mailbox.entries().iter().map(|entry| entry.uid).collect();
    let mut shown: Vec<_> =
        known.into_iter().map(|uid| read_all(&mut *mailbox.message(uid).unwrap()).unwrap()).collect();
    shown.sort();
    (shown, std::mem::take(&mut told.lock().unwrap()))
}

#[test]
fn of_a_maildir_only_regular_files_that_may_be_read_are_messages() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("Maildir");
    for sub in ["", "tmp", "new", "cur"] {
        fs::create_dir(root.join(sub)).unwrap();
    }
    let secret = dir.path().join("secret");
    fs::write(&secret, "somebody else's").unwrap();
    for (sub, one) in [("new", 1), ("cur", 2)] {
        let sub = root.join(sub);
        fs::write(sub.join(format!("{one}.message")), message(one)).unwrap();
        mkfifo(&sub.join(format!("{one}.pipe")), Mode::S_IRWXU).unwrap();
        symlink(&secret, sub.join(format!("{one}.link"))).unwrap();
        symlink("nowhere", sub.join(format!("{one}.dangling"))).unwrap();
        drop(UnixListener::bind(sub.join(format!("{one}.socket"))).unwrap());
        fs::create_dir(sub.join(format!("{one}.directory"))).unwrap();
        fs::write(sub.join("n".repeat(253)), message(7)).unwrap();
        fs::write(sub.join("n".repeat(255)), message(7)).unwrap();
        let unreadable = sub.join(format!("{one}.unreadable"));
        fs::write(&unreadable, message(3)).unwrap();
        fs::set_permissions(&unreadable, fs::Permissions::from_mode(0o000)).unwrap();
    }
    // Root may read everything: this thread is somebody else while it looks.
    if Uid::effective().is_root() {
        for path in [dir.path(), &root, &root.join("tmp"), &root.join("new"), &root.join("cur")] {
            chown(path, Some(OWNER), None).unwrap();
        }
        for name in ["new/1.message", "cur/2.message"] {
            chown(root.join(name), Some(OWNER), None).unwrap();
        }
        setfsuid(Uid::from_raw(OWNER));
    }
    let (store, told) = open(&root);
    let both = vec![message(1), message(2)];
    let (shown, notices) = look(&store, &told);
    assert_eq!(shown, both);
    assert!(notices.len() == 1 && notices[0].starts_with("14 of the files in mailbox INBOX"), "{notices:?}");
    // Nor when it is looked at again, by the index or without.
    assert_eq!(look(&store, &told).0, both);
    fs::remove_file(root.join("postroom.index")).unwrap();
    assert_eq!(look(&store, &told).0, both);

    // What may be read now comes, though no directory has changed.
    let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
    let files = mailbox.entries().len();
    setfsuid(Uid::effective());
    fs::set_permissions(root.join("cur/2.unreadable"), fs::Permissions::from_mode(0o644)).unwrap();
    if Uid::effective().is_root() {
        setfsuid(Uid::from_raw(OWNER));
    }
    told.lock().unwrap().clear();
    assert_eq!(mailbox.refresh().unwrap().new.len(), 1);
    assert_eq!(mailbox.entries().len(), files + 1);
    let notices = told.lock().unwrap().clone();
    assert!(notices.len() == 1 && notices[0].starts_with("13 of the files"), "{notices:?}");
}

/// The list of UIDs is not locked for it each time that somebody looks.
#[test]
fn a_file_that_may_not_be_read_is_not_tried_at_every_look() {
    if !Uid::effective().is_root() {
        return; // nobody to be instead of whom
    }
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("Maildir");
    for sub in ["", "tmp", "new", "cur"] {
        fs::create_dir(root.join(sub)).unwrap();
        chown(root.join(sub), Some(OWNER), None).unwrap();
    }
    chown(dir.path(), Some(OWNER), None).unwrap();
    fs::write(root.join("new/1.message"), message(1)).unwrap();
    chown(root.join("new/1.message"), Some(OWNER), None).unwrap();
    let unreadable = root.join("cur/2.unreadable");
    fs::write(&unreadable, message(2)).unwrap();
    fs::set_permissions(&unreadable, fs::Permissions::from_mode(0o600)).unwrap();
    setfsuid(Uid::from_raw(OWNER));
    let store = MaildirStore::open(Env::real("test.example"), &root, None).unwrap();
    let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
    assert_eq!(mailbox.entries().len(), 1);
    // As it is when nothing has come for a while.
    let past = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    for sub in ["new", "cur"] {
        fs::File::open(root.join(sub)).unwrap().set_modified(past).unwrap();
    }
    mailbox.refresh().unwrap();
    // A lock that is made and removed shows in its directory.
    fs::File::open(&root).unwrap().set_modified(past).unwrap();
    for _ in 0..3 {
        mailbox.refresh().unwrap();
        assert_eq!(fs::metadata(&root).unwrap().modified().unwrap(), past);
    }
    drop(fs::File::create(root.join("new/3.message")).unwrap());
    assert_eq!(mailbox.refresh().unwrap().new.len(), 1, "what comes is seen");
}

/// What clients see of it, and what could bring the old UIDs back.
#[test]
fn a_list_of_uids_that_does_not_read_is_kept_and_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("Maildir");
    let (store, told) = open(&root);
    for number in 1..=3 {
        fs::write(root.join(format!("new/{number}.m")), message(number)).unwrap();
    }
    let uids = || {
        let mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
        (mailbox.uid_validity(), mailbox.entries().iter().map(|entry| entry.uid.get()).collect::<Vec<_>>())
    };
    let (validity, first) = uids();
    assert_eq!(first, [1, 2, 3]);
    // One line: its message gets another UID, and the others keep theirs.
    let list = root.join("dovecot-uidlist");
    let text = fs::read_to_string(&list).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    lines[2] = "xx broken";
    fs::write(&list, lines.join("\n") + "\n").unwrap();
    assert_eq!(uids(), (validity, vec![1, 3, 4]));
    let notices = std::mem::take(&mut *told.lock().unwrap());
    assert!(notices.iter().any(|notice| notice.starts_with("1 lines of ")), "{notices:?}");
    // All of it.
    fs::write(&list, "garbage\n").unwrap();
    let (other, again) = uids();
    assert_eq!((other > validity, again), (true, vec![1, 2, 3]));
    let notices = std::mem::take(&mut *told.lock().unwrap());
    assert!(notices.len() == 1 && notices[0].contains("is damaged"), "{notices:?}");
    assert_eq!(fs::read(root.join("dovecot-uidlist.damaged")).unwrap(), b"garbage\n");
}

#[test]
fn a_pipe_among_mboxes_is_no_mailbox_and_a_link_to_one_is() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir(at("mail")).unwrap();
    fs::write(at("elsewhere"), b"").unwrap();
    mkfifo(&at("mail/pipe"), Mode::S_IRWXU).unwrap();
    symlink(at("elsewhere"), at("mail/linked")).unwrap();
    let location = MboxLocation::new(at("mail"), at("inbox"));
    let store = MboxStore::open(Env::real("test.example"), location, MboxOptions::default(), None).unwrap();
    let names: Vec<String> = store.list().unwrap().into_iter().map(|info| info.name.to_string()).collect();
    assert_eq!(names, ["INBOX", "linked"]);
    let open = |name: &str| store.open(&MailboxName::new(name).unwrap(), Access::ReadOnly);
    assert_eq!(open("pipe").err().unwrap().kind(), ErrorKind::NoSuchMailbox);
    assert!(open("linked").unwrap().entries().is_empty());
}

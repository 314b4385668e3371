//! Mailboxes copied away and put back elsewhere, as backups are: UIDs, flags, dates and octets stay.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::path::Path;
use std::process::Command;

use common::{append, flags, inbox, message, name, read_all, uids};
use mailstore::mbox::{MboxLocation, MboxOptions, MboxStore};
use mailstore::{Access, Env, Expunge, MaildirStore, Store};

/// Everything of two mailboxes, and what is subscribed.
fn everything(store: &dyn Store) -> String {
    let mut all = format!("{:?}\n", store.subscriptions().unwrap());
    for mailbox_name in [inbox(), name("Lists")] {
        let mut mailbox = store.open(&mailbox_name, Access::ReadWrite).unwrap();
        all += &format!("{mailbox_name} {} {}\n", mailbox.uid_validity(), mailbox.uid_next());
        for entry in mailbox.entries().to_vec() {
            let octets = read_all(&mut *mailbox.message(entry.uid).unwrap()).unwrap();
            let date = mailbox.meta(entry.uid).unwrap().internal_date;
            all +=
                &format!("{} {:?} {date:?} {}\n", entry.uid, entry.flags, String::from_utf8(octets).unwrap());
        }
    }
    all
}

fn fill(store: &dyn Store) {
    store.create(&name("Lists")).unwrap();
    store.subscribe(&name("Lists")).unwrap();
    for mailbox in [inbox(), name("Lists")] {
        for number in 0..6 {
            let flags =
                flags(["", "\\Seen work", "\\Flagged \\Answered later", "\\Deleted"][number as usize % 4]);
            append(store, &mailbox, &message(number), &flags).unwrap();
        }
        // The last UIDs were given, and are not given again.
        let mut mailbox = store.open(&mailbox, Access::ReadWrite).unwrap();
        mailbox.expunge(&uids(&[2, 6]), Expunge::Any).unwrap();
    }
}

/// With times, as backups keep them.
fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

fn maildir(host: &str, root: &Path) -> MaildirStore {
    MaildirStore::open(Env::real(host), root, None).unwrap()
}

fn mbox(host: &str, root: &Path) -> MboxStore {
    let location = MboxLocation::new(root.join("mail"), root.join("inbox"));
    MboxStore::open(Env::real(host), location, MboxOptions::default(), None).unwrap()
}

#[test]
fn r152_a_maildir_restored_elsewhere_keeps_uids_and_flags() {
    let dir = tempfile::tempdir().unwrap();
    let (root, there) = (dir.path().join("Maildir"), dir.path().join("there"));
    let store = maildir("here", &root);
    fill(&store);
    let expected = everything(&store);
    copy(&root, &there);
    assert_eq!(everything(&maildir("there", &there)), expected);
    // An index of another machine costs nothing, nor does having none.
    for index in ["postroom.index", ".Lists/postroom.index"] {
        std::fs::remove_file(there.join(index)).unwrap();
    }
    assert_eq!(everything(&maildir("there", &there)), expected);
}

#[test]
fn r152_one_message_that_is_put_back_is_there_again_with_its_flags() {
    let dir = tempfile::tempdir().unwrap();
    let (root, backup) = (dir.path().join("Maildir"), dir.path().join("backup"));
    let store = maildir("here", &root);
    fill(&store);
    copy(&root, &backup);
    let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
    let before = mailbox.uid_next();
    mailbox.expunge(&uids(&[3]), Expunge::Any).unwrap();
    let is_gone = |file: &std::fs::DirEntry| !root.join("cur").join(file.file_name()).exists();
    let lost: Vec<_> =
        std::fs::read_dir(backup.join("cur")).unwrap().map(Result::unwrap).filter(is_gone).collect();
    // Besides it, those that were new and have moved to `cur/` since are not there by that name.
    let lost = lost.iter().find(|file| file.file_name().to_string_lossy().contains(":2,FR")).unwrap();
    copy(&lost.path(), &root.join("cur"));
    let new = mailbox.refresh().unwrap().new;
    assert_eq!((new.len(), new[0].uid, &new[0].flags), (1, before, &flags("\\Flagged \\Answered later")));
    assert_eq!(read_all(&mut *mailbox.message(new[0].uid).unwrap()).unwrap(), message(2));
}

#[test]
fn mbox_files_restored_elsewhere_keep_uids_and_flags() {
    let dir = tempfile::tempdir().unwrap();
    let (root, there) = (dir.path().join("here"), dir.path().join("there"));
    let store = mbox("here", &root);
    fill(&store);
    let expected = everything(&store);
    copy(&root, &there);
    assert_eq!(everything(&mbox("there", &there)), expected);
}

//! However many messages come into an mbox together, few files are open: the program's limit is set low.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use std::process::Command;

use mail_message::{FlagSet, UidSet};
use mailstore::mbox::{MboxLocation, MboxOptions, MboxStore};
use mailstore::{Access, Env, MailboxName, Store as _};

const MESSAGES: usize = 100;
const DESCRIPTORS_MAX: usize = 40;
const IS_INSIDE: &str = "MBOX_DESCRIPTORS_INSIDE";

#[test]
fn messages_that_come_together_do_not_each_take_a_descriptor() {
    if std::env::var_os(IS_INSIDE).is_some() {
        return append_copy_and_move();
    }
    let script = format!("ulimit -n {DESCRIPTORS_MAX} && exec \"$0\" --nocapture");
    let program = std::env::current_exe().unwrap();
    let status = Command::new("sh").arg("-c").arg(script).arg(program).env(IS_INSIDE, "1").status();
    assert!(status.unwrap().success());
}

fn append_copy_and_move() {
    let dir = tempfile::tempdir().unwrap();
    let location = MboxLocation::new(dir.path().join("mail"), dir.path().join("inbox"));
    let store = MboxStore::open(Env::real("test.example"), location, MboxOptions::default(), None).unwrap();
    let (inbox, other): (_, MailboxName) = (MailboxName::inbox(), "other".parse().unwrap());
    store.create(&other).unwrap();
    let mut append = store.append(&inbox).unwrap();
    for number in 0..MESSAGES {
        append.begin(&FlagSet::new(), None).unwrap();
        append.write(format!("Subject: {number}\r\n\r\nx\r\n").as_bytes()).unwrap();
    }
    assert_eq!(append.commit().unwrap().uids.len(), MESSAGES);
    let mut mailbox = store.open(&inbox, Access::ReadWrite).unwrap();
    let all: UidSet = mailbox.entries().iter().map(|entry| entry.uid).collect();
    assert_eq!(mailbox.copy(&all, &other).unwrap().pairs.len(), MESSAGES);
    assert_eq!(mailbox.move_to(&all, &other).unwrap().pairs.len(), MESSAGES);
    assert_eq!(store.open(&other, Access::ReadOnly).unwrap().entries().len(), 2 * MESSAGES);
}

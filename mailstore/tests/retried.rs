//! Deliveries that are tried again, as all of a queue are after a crash: made once, and without a listing for each.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{ROOT, all, inbox, maildir, maildir_with, message, name};
use mailstore::fs::{Fs, SimFs};
use mailstore::{
    Access, Delivered, Delivery, DeliveryId, Expunge, MailboxName, MaildirStore, Result, Settle, Store,
};
use proto_core::UnixTime;

fn id(number: u32) -> DeliveryId {
    DeliveryId { queue_id: format!("Q{number}").parse().unwrap(), recipient: 0 }
}

/// Delivers once more what may have been delivered.
fn retry(store: &MaildirStore, to: &MailboxName, number: u32) -> Delivered {
    let delivery = Delivery { id: id(number), maybe_delivered: true, date: UnixTime(5), header: b"" };
    store.deliver(to, &delivery, &mut common::Octets(message(number))).unwrap()
}

fn listings(fs: &SimFs) -> usize {
    fs.log().iter().filter(|operation| operation.name == "read_dir").count()
}

/// How many messages are in a mailbox.
fn held(store: &MaildirStore, of: &MailboxName) -> usize {
    store.open(of, Access::ReadOnly).unwrap().entries().len()
}

#[test]
fn a_thousand_of_them_list_the_mailbox_once_and_for_each_that_is_there() {
    let fs = SimFs::new();
    let before = maildir(&fs, 1).unwrap();
    for number in 0..10 {
        assert_eq!(retry(&before, &inbox(), number), Delivered::Stored);
    }
    let store = maildir(&fs, 2).unwrap();
    let at = listings(&fs);
    for number in (10..1_000).chain(0..10) {
        let expected = if number < 10 { Delivered::AlreadyThere } else { Delivered::Stored };
        assert_eq!(retry(&store, &inbox(), number), expected, "{number}");
    }
    assert_eq!(listings(&fs) - at, 2 + 2 * 10, "`new/` and `cur/`");
    assert_eq!(held(&store, &inbox()), 1_000);
}

#[test]
fn one_that_a_session_takes_to_cur_is_still_known() {
    let fs = SimFs::new();
    retry(&maildir(&fs, 1).unwrap(), &inbox(), 1);
    let store = maildir(&fs, 2).unwrap();
    retry(&store, &inbox(), 2);
    drop(store.open(&inbox(), Access::ReadWrite).unwrap());
    assert_eq!(common::read_names(&fs, &format!("{ROOT}/cur")).len(), 2);
    assert_eq!(retry(&store, &inbox(), 1), Delivered::AlreadyThere);
    assert_eq!(retry(&store, &inbox(), 2), Delivered::AlreadyThere);
    assert_eq!(held(&store, &inbox()), 2);
}

#[test]
fn both_directories_are_durable_when_one_is_found() {
    let fs = SimFs::new();
    retry(&maildir(&fs, 1).unwrap(), &inbox(), 1);
    let store = maildir(&fs, 2).unwrap();
    drop(store.open(&inbox(), Access::ReadWrite).unwrap());
    let is_pending = |fs: &SimFs| fs.crash_point().pending() > 0;
    assert!(is_pending(&fs), "a session takes it to `cur/` not durably");
    assert_eq!(retry(&store, &inbox(), 1), Delivered::AlreadyThere);
    for disk in fs.crash_point().outcomes(common::seed(), 32) {
        assert!(common::read_names(&disk, &format!("{ROOT}/new")).is_empty());
        assert_eq!(common::read_names(&disk, &format!("{ROOT}/cur")).len(), 1);
    }
}

/// A spool that hears of what readers remove.
#[derive(Debug, Default)]
struct Heard(std::sync::Mutex<Vec<DeliveryId>>);

impl Settle for Heard {
    fn settle(&self, delivery: &DeliveryId) -> Result<()> {
        self.0.lock().unwrap().push(delivery.clone());
        Ok(())
    }
}

#[test]
fn one_that_was_expunged_is_settled_and_else_is_delivered_again() {
    let fs = SimFs::new();
    let spool = Arc::new(Heard::default());
    let store = maildir_with(&fs, 1, spool.clone()).unwrap();
    retry(&store, &inbox(), 1);
    retry(&store, &inbox(), 2);
    store.open(&inbox(), Access::ReadWrite).unwrap().expunge(&all(), Expunge::Any).unwrap();
    assert_eq!(*spool.0.lock().unwrap(), [id(1), id(2)], "the spool tries neither again");
    // Of what another program removes nobody hears.
    retry(&store, &inbox(), 3);
    let new = Path::new(ROOT).join("new");
    fs.unlink(&new.join(&common::read_names(&fs, &format!("{ROOT}/new"))[0])).unwrap();
    assert_eq!(retry(&store, &inbox(), 3), Delivered::Stored);
    assert_eq!(retry(&store, &inbox(), 3), Delivered::AlreadyThere);
    assert_eq!(held(&store, &inbox()), 1);
}

#[test]
fn a_mailbox_that_is_removed_and_made_again_is_another() {
    let fs = SimFs::new();
    let (store, work) = (maildir(&fs, 1).unwrap(), name("work"));
    store.create(&work).unwrap();
    assert_eq!(retry(&store, &work, 1), Delivered::Stored);
    store.delete(&work).unwrap();
    store.create(&work).unwrap();
    assert_eq!(retry(&store, &work, 1), Delivered::Stored);
    assert_eq!(retry(&store, &work, 1), Delivered::AlreadyThere);
    // As a backup is put back: what lies in it was not there when the mailbox of that name was listed.
    fs.rename(&Path::new(ROOT).join(".work"), Path::new("/backup")).unwrap();
    store.create(&work).unwrap();
    assert_eq!(retry(&store, &work, 2), Delivered::Stored);
    store.delete(&work).unwrap();
    fs.rename(Path::new("/backup"), &Path::new(ROOT).join(".work")).unwrap();
    assert_eq!(retry(&store, &work, 1), Delivered::AlreadyThere);
    assert_eq!(retry(&store, &work, 2), Delivered::Stored);
    assert_eq!(held(&store, &work), 2);
}

#[test]
fn one_that_came_while_its_mailbox_had_another_name_is_known() {
    let fs = SimFs::new();
    let (store, work, moved) = (maildir(&fs, 1).unwrap(), name("work"), name("moved"));
    store.create(&work).unwrap();
    retry(&store, &work, 1);
    store.rename(&work, &moved).unwrap();
    assert_eq!(retry(&store, &moved, 2), Delivered::Stored);
    store.rename(&moved, &work).unwrap();
    assert_eq!(retry(&store, &work, 1), Delivered::AlreadyThere);
    assert_eq!(retry(&store, &work, 2), Delivered::AlreadyThere);
    assert_eq!(held(&store, &work), 2);
}

//! Deliveries that are tried again, as all of a queue are after a crash: made once, and without a listing of the Maildir, or
//! a scan of the mbox, for each.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::path::Path;
use std::sync::Arc;

use common::{ROOT, all, inbox, maildir, maildir_with, mbox, message, name};
use mailstore::fs::{Fs, OpenMode, SimFs};
use mailstore::{
    Access, Delivered, Delivery, DeliveryId, ErrorKind, Expunge, MailboxName, Result, Settle, Store,
};
use proto_core::UnixTime;

fn id(number: u32) -> DeliveryId {
    DeliveryId { queue_id: format!("Q{number}").parse().unwrap(), recipient: 0 }
}

/// Delivers once more what may have been delivered.
fn retry(store: &dyn Store, to: &MailboxName, number: u32) -> Delivered {
    let delivery = Delivery { id: id(number), maybe_delivered: true, date: UnixTime(5), header: b"" };
    store.deliver(to, &delivery, &mut common::Octets(message(number))).unwrap()
}

fn listings(fs: &SimFs) -> usize {
    fs.log().iter().filter(|operation| operation.name == "read_dir").count()
}

/// How many messages are in a mailbox.
fn held(store: &dyn Store, of: &MailboxName) -> usize {
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

const MBOX: &str = "/var/mail/alice";

/// How much is read of the mbox meanwhile.
fn reads<T>(fs: &SimFs, work: impl FnOnce() -> T) -> (usize, T) {
    let of_mbox = |fs: &SimFs| {
        fs.log()
            .iter()
            .filter(|operation| operation.name == "read" && operation.path == Path::new(MBOX))
            .count()
    };
    let before = of_mbox(fs);
    let done = work();
    (of_mbox(fs) - before, done)
}

#[test]
fn a_hundred_of_them_read_an_mbox_through_once_and_to_each_that_is_there() {
    let fs = SimFs::new();
    let before = mbox(&fs, 1).unwrap();
    let deliver = |store: &dyn Store, number: u32, maybe_delivered: bool| {
        let delivery = Delivery { id: id(number), maybe_delivered, date: UnixTime(5), header: b"" };
        // So large that no read gets two of them.
        let body = [&message(number)[..], &b"line\r\n".repeat(60_000)].concat();
        store.deliver(&inbox(), &delivery, &mut common::Octets(body)).unwrap()
    };
    for number in 0..10 {
        assert_eq!(deliver(&before, number, true), Delivered::Stored);
    }
    let (plain, _) = reads(&fs, || deliver(&before, 10, false));
    let store = mbox(&fs, 2).unwrap();
    let (first, done) = reads(&fs, || retry(&store, &inbox(), 100));
    assert_eq!(done, Delivered::Stored);
    assert!(first >= plain + 11, "it is scanned: {first} reads");
    let (others, ()) = reads(&fs, || {
        (101..200).for_each(|number| assert_eq!(retry(&store, &inbox(), number), Delivered::Stored));
    });
    assert_eq!(others, 99 * plain, "they are not looked for");
    let (early, done) = reads(&fs, || retry(&store, &inbox(), 0));
    assert_eq!(done, Delivered::AlreadyThere);
    assert!(early < first / 2, "{early} reads up to the first message, {first} of all");
    for number in [0, 5, 10, 100, 150, 199] {
        assert_eq!(retry(&store, &inbox(), number), Delivered::AlreadyThere, "{number}");
    }
    assert_eq!(held(&store, &inbox()), 11 + 100);
}

#[test]
fn an_mbox_that_is_replaced_or_made_again_is_looked_through_again() {
    let fs = SimFs::new();
    let (store, work) = (mbox(&fs, 1).unwrap(), name("work"));
    retry(&store, &inbox(), 1);
    let copy = mailstore::fs::read(&fs, Path::new(MBOX)).unwrap();
    retry(&store, &inbox(), 2);
    // Another program puts a file in its place that has one of them no more.
    let new = Path::new("/var/mail/.new");
    fs.open(new, OpenMode::CreateNew).unwrap().append(&copy).unwrap();
    fs.rename(new, Path::new(MBOX)).unwrap();
    assert_eq!(retry(&store, &inbox(), 1), Delivered::AlreadyThere);
    assert_eq!(retry(&store, &inbox(), 2), Delivered::Stored);
    assert_eq!(retry(&store, &inbox(), 2), Delivered::AlreadyThere);
    // What a reader removes, without a spool that is told, is delivered again.
    store.open(&inbox(), Access::ReadWrite).unwrap().expunge(&all(), Expunge::Any).unwrap();
    assert_eq!(retry(&store, &inbox(), 1), Delivered::Stored);
    // One that came while its mailbox had another name is known.
    store.create(&work).unwrap();
    assert_eq!(retry(&store, &work, 1), Delivered::Stored, "to another mailbox");
    store.rename(&work, &name("moved")).unwrap();
    assert_eq!(retry(&store, &name("moved"), 3), Delivered::Stored);
    store.rename(&name("moved"), &work).unwrap();
    for number in [1, 3] {
        assert_eq!(retry(&store, &work, number), Delivered::AlreadyThere, "{number}");
    }
    store.delete(&work).unwrap();
    store.create(&work).unwrap();
    assert_eq!(retry(&store, &work, 3), Delivered::Stored);
    assert_eq!((held(&store, &inbox()), held(&store, &work)), (1, 1));
}

#[test]
fn one_under_the_id_of_another_message_is_refused_as_often_as_it_is_tried() {
    let fs = SimFs::new();
    let store = maildir(&fs, 1).unwrap();
    let deliver = |text: &[u8], maybe_delivered| {
        let delivery = Delivery { id: id(1), maybe_delivered, date: UnixTime(5), header: b"X: 1\r\n" };
        store.deliver(&inbox(), &delivery, &mut common::Octets(text.to_vec())).map_err(|error| error.kind())
    };
    assert_eq!(deliver(b"A: 1\r\n\r\none\r\n", false), Ok(Delivered::Stored));
    for text in ["A: 1\r\n\r\ntwo\r\n", "A: 1\r\n\r\nanother length\r\n", "A: 1\r\n\r\n"] {
        assert_eq!(deliver(text.as_bytes(), true), Err(ErrorKind::DuplicateDelivery), "{text}");
    }
    assert_eq!(deliver(b"A: 1\r\n\r\none\r\n", true), Ok(Delivered::AlreadyThere));
    assert_eq!(held(&store, &inbox()), 1);
}

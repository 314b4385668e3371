//! Memory of an opened mailbox, and of opening it: so many octets a message and its name, whatever the messages hold.
//!
//! `MAILSTORE_MESSAGES` sets how many there are; 100,000 when it is not set.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failure here is a failed test, and it shows what it found"
)]

mod common;

use std::fs;
use std::path::Path;

use mail_message::Uid;
use mailstore::{Access, Env, MailboxName, MaildirStore, Store};
use testkit::alloc::{Counting, measure};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What a message may cost beside its name: a row of the index and an entry of the snapshot.
const MESSAGE_BYTES: usize = 104;

/// What all names together may cost a message. Those here have 31 octets with their flags.
const NAME_BYTES: usize = 64;

/// What all that is held of a message while a mailbox is opened may cost, its name included: the listing, the list of UIDs,
/// what was found in both, and the room that lists which double have left.
const OPENING_BYTES: usize = 640;

/// Whatever does not depend on the number of messages.
const FIXED_BYTES: usize = 256 << 10;

/// A Maildir of so many messages in few files, of which each has many names.
fn generate(root: &Path, messages: usize) {
    for sub in ["tmp", "new", "cur"] {
        fs::create_dir_all(root.join(sub)).unwrap();
    }
    let mut file = root.join("tmp/none");
    for number in 0..messages {
        if number % 20_000 == 0 {
            file = root.join(format!("tmp/{number}"));
            fs::write(&file, format!("Subject: {number}\r\n\r\n{}", "octets of it\r\n".repeat(100_000)))
                .unwrap();
        }
        let flags = ["", "S", "RS", "FS"][number % 4];
        let name = format!("cur/{}.M{number:07}.x:2,{flags}", 1_700_000_000 + number);
        fs::hard_link(&file, root.join(name)).unwrap();
    }
}

#[test]
fn an_opened_mailbox_costs_so_much_a_message() {
    let messages = common::from_environment("MAILSTORE_MESSAGES", 100_000);
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    generate(dir.path(), messages);
    let store = MaildirStore::open(Env::real("test.example"), dir.path(), None).unwrap();
    let open = || store.open(&MailboxName::inbox(), Access::ReadWrite).unwrap();
    for time in ["first", "second"] {
        let (mut mailbox, opening) = measure(open);
        assert_eq!(mailbox.entries().len(), messages);
        let bound = messages * (MESSAGE_BYTES + NAME_BYTES) + FIXED_BYTES;
        println!("{messages} messages, {time} time: {opening:?}; bound {bound}");
        assert!(opening.held_bytes <= bound as isize, "{time}: {} of {bound}", opening.held_bytes);
        let bound = messages * OPENING_BYTES + FIXED_BYTES;
        assert!(opening.peak_bytes <= bound, "{time}: {} of {bound}", opening.peak_bytes);
        // A summary is read, not kept: the messages have more than a megabyte each.
        let (_, summing) = measure(|| {
            for raw in 1..=50 {
                mailbox.summary(Uid::new(raw * 7).unwrap()).unwrap();
            }
        });
        assert!(summing.peak_bytes < 1 << 20, "{time}: {summing:?}");
    }
}

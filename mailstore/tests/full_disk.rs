//! Mailboxes on a disk that takes nothing: what is there can be read and removed, so that there is room again.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::io;
use std::path::Path;

use common::{ROOT, append, inbox, maildir, message, read_all, uids};
use mail_message::FlagSet;
use mailstore::fs::SimFs;
use mailstore::{Access, Delivered, Delivery, DeliveryId, Expunge, MaildirStore, Store};
use proto_core::UnixTime;

fn deliver(store: &MaildirStore, number: u32) {
    let id = DeliveryId { queue_id: format!("Q{number}").parse().unwrap(), recipient: 0 };
    let delivery = Delivery { id, maybe_delivered: false, date: UnixTime(1_700_000_000), header: b"" };
    let mut body = common::Octets(message(number));
    assert_eq!(store.deliver(&inbox(), &delivery, &mut body).unwrap(), Delivered::Stored);
}

#[test]
fn a_maildir_opens_with_what_has_uids_and_gives_them_to_the_others_later() {
    for kind in [
        io::ErrorKind::StorageFull,
        io::ErrorKind::QuotaExceeded,
        io::ErrorKind::ReadOnlyFilesystem,
        io::ErrorKind::PermissionDenied,
    ] {
        for access in [Access::ReadWrite, Access::ReadOnly] {
            let fs = SimFs::new();
            let store = maildir(&fs, 1).unwrap();
            for number in [1, 2] {
                append(&store, &inbox(), &message(number), &FlagSet::new()).unwrap();
            }
            deliver(&store, 3);
            drop(store);
            fs.refuse(Path::new(ROOT), Some(kind));
            let store = maildir(&fs, 2).unwrap();
            let mut mailbox = store.open(&inbox(), access).unwrap();
            let seen: Vec<u32> = mailbox.entries().iter().map(|entry| entry.uid.get()).collect();
            assert_eq!(seen, [1, 2], "{kind:?}");
            for uid in mailbox.entries().iter().map(|entry| entry.uid).collect::<Vec<_>>() {
                assert_eq!(read_all(&mut *mailbox.message(uid).unwrap()).unwrap(), message(uid.get()));
            }
            let takes_room = matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
            if takes_room && access == Access::ReadWrite {
                assert_eq!(mailbox.expunge(&uids(&[1]), Expunge::Any).unwrap().len(), 1, "{kind:?}");
            }
            let kept = mailbox.entries().len();
            fs.refuse(Path::new(ROOT), None);
            let new: Vec<u32> = mailbox.refresh().unwrap().new.iter().map(|entry| entry.uid.get()).collect();
            assert_eq!((new, mailbox.entries().len()), (vec![3], kept + 1), "{kind:?}");
        }
    }
}

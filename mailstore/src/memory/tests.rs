//! What only this store has: its limits, and octets that are shared.

use std::time::Duration;

use mail_message::{FlagSet, Uid};

use super::*;
use crate::spool::QueueId;
use crate::store::{Expunge, FlagChange};

/// A clock that stands still.
#[derive(Debug)]
struct Still;

impl Host for Still {
    fn name(&self) -> &str {
        "still.example"
    }
    fn now(&self) -> Duration {
        Duration::from_secs(1_800_000_000)
    }
    fn pid(&self) -> u32 {
        1
    }
    fn boot_id(&self) -> &str {
        ""
    }
    fn booted(&self) -> Duration {
        Duration::ZERO
    }
    fn is_alive(&self, _: u32) -> bool {
        true
    }
    fn pause(&self, _: Duration) {}
}

fn append(store: &MemoryStore, octets: &[u8], flags: &str) -> Result<Uid> {
    let mut append = store.append(&MailboxName::inbox())?;
    append.begin(&flags.split_whitespace().map(|flag| flag.parse().unwrap()).collect(), None)?;
    // Cut so that CR and LF come apart.
    octets.chunks(1).try_for_each(|octet| append.write(octet))?;
    append.commit().map(|appended| appended.uids[0])
}

fn tiny() -> MemoryStore {
    MemoryStore::with(Still, MemoryLimits { stored_bytes_max: 10, keywords_max: 1 }, None)
}

#[test]
fn octets_are_counted_over_all_mailboxes_and_given_back() {
    let store = tiny();
    let inbox = MailboxName::inbox();
    assert_eq!(append(&store, b"12345\n", "").unwrap(), Uid::MIN);
    assert_eq!(append(&store, b"12345", "").unwrap_err().kind(), ErrorKind::OverQuota);
    let mut mailbox = store.open(&inbox, Access::ReadWrite).unwrap();
    assert_eq!(mailbox.meta(Uid::MIN).unwrap().size_bytes, 7);
    let all = [Uid::MIN].into_iter().collect();
    assert_eq!(mailbox.copy(&all, &inbox).unwrap_err().kind(), ErrorKind::OverQuota);
    let other = "other".parse().unwrap();
    store.rename(&inbox, &other).unwrap();
    assert_eq!(append(&store, b"12345", "").unwrap_err().kind(), ErrorKind::OverQuota);
    store.delete(&other).unwrap();
    assert_eq!(append(&store, b"1234567890", "").unwrap(), Uid::new(2).unwrap());
    mailbox.refresh().unwrap();
    mailbox.expunge(&[Uid::new(2).unwrap()].into_iter().collect(), Expunge::Any).unwrap();
    assert_eq!(store.0.lock().stored_bytes, 0);
}

#[test]
fn keywords_have_a_limit_and_what_is_over_it_changes_nothing() {
    let store = tiny();
    let uid = append(&store, b"1", "one").unwrap();
    assert_eq!(append(&store, b"1", "two").unwrap_err().kind(), ErrorKind::KeywordLimit);
    let mut mailbox = store.open(&MailboxName::inbox(), Access::ReadWrite).unwrap();
    assert!(!mailbox.permanent_flags().new_keywords);
    let two: FlagSet = ["two".parse().unwrap()].into_iter().collect();
    let refused = mailbox.set_flags(&[uid].into_iter().collect(), FlagChange::Replace, &two, None);
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::KeywordLimit);
    assert_eq!(mailbox.entries()[0].flags.to_string(), "one");
}

/// Remembers what it was told.
#[derive(Default)]
struct Told(Mutex<Vec<DeliveryId>>);

impl Settle for Told {
    fn settle(&self, delivery: &DeliveryId) -> Result<()> {
        self.0.lock().unwrap().push(delivery.clone());
        Ok(())
    }
}

#[test]
fn the_spool_hears_of_a_delivery_before_it_goes() {
    let told = Arc::new(Told::default());
    let store = MemoryStore::with(Still, MemoryLimits::default(), Some(told.clone()));
    let id = DeliveryId { queue_id: "abc".parse::<QueueId>().unwrap(), recipient: 3 };
    let date = UnixTime(1);
    let delivery = Delivery { id: id.clone(), maybe_delivered: false, date, header: b"A: b\n" };
    let inbox = MailboxName::inbox();
    let mut body = Bytes::from_static(b"\nbody");
    assert_eq!(store.deliver(&inbox, &delivery, &mut body).unwrap(), Delivered::Stored);
    let again = Delivery { maybe_delivered: true, ..delivery };
    assert_eq!(store.deliver(&inbox, &again, &mut body).unwrap(), Delivered::AlreadyThere);
    let mut mailbox = store.open(&inbox, Access::ReadWrite).unwrap();
    assert_eq!(mailbox.meta(Uid::MIN).unwrap().size_bytes, "A: b\r\n\r\nbody".len() as u64);
    assert!(told.0.lock().unwrap().is_empty());
    mailbox.expunge(&[Uid::MIN].into_iter().collect(), Expunge::Any).unwrap();
    assert_eq!(*told.0.lock().unwrap(), [id]);
}

#[test]
fn messages_that_come_together_are_counted_together() {
    let store = tiny();
    let mut append = store.append(&MailboxName::inbox()).unwrap();
    for _ in 0..2 {
        // In between nothing is kept of those that were refused.
        for octets in [&b"123"[..], b"456", b"789"] {
            append.begin(&FlagSet::new(), None).unwrap();
            append.write(octets).unwrap();
        }
        append.begin(&FlagSet::new(), None).unwrap();
        assert_eq!(append.write(b"ab").unwrap_err().kind(), ErrorKind::OverQuota);
        append.write(b"a").unwrap();
        assert_eq!(append.commit().unwrap().uids.len(), 4);
        let mut mailbox = store.open(&MailboxName::inbox(), Access::ReadWrite).unwrap();
        let all = mailbox.entries().iter().map(|entry| entry.uid).collect();
        mailbox.expunge(&all, Expunge::Any).unwrap();
    }
}

/// A spool that, when it is first told of something, has another session remove what is in INBOX.
#[derive(Default)]
struct Meddling {
    store: Mutex<Option<MemoryStore>>,
    removed: Mutex<Vec<Uid>>,
}

impl Settle for Meddling {
    fn settle(&self, _: &DeliveryId) -> Result<()> {
        let Some(store) = self.store.lock().unwrap().take() else { return Ok(()) };
        let mut other = store.open(&MailboxName::inbox(), Access::ReadWrite)?;
        let all = other.entries().iter().map(|entry| entry.uid).collect();
        *self.removed.lock().unwrap() = other.expunge(&all, Expunge::Any)?;
        Ok(())
    }
}

#[test]
fn the_store_is_free_while_the_spool_is_told_and_what_has_gone_by_then_is_gone() {
    let inbox = MailboxName::inbox();
    for is_moved in [false, true] {
        let meddling = Arc::new(Meddling::default());
        let store = MemoryStore::with(Still, MemoryLimits::default(), Some(meddling.clone()));
        store.create(&"other".parse().unwrap()).unwrap();
        let id = DeliveryId { queue_id: "abc".parse::<QueueId>().unwrap(), recipient: 3 };
        let delivery = Delivery { id, maybe_delivered: false, date: UnixTime(1), header: b"A: b\n" };
        store.deliver(&inbox, &delivery, &mut Bytes::from_static(b"\nbody")).unwrap();
        *meddling.store.lock().unwrap() = Some(store.clone());
        let mut mailbox = store.open(&inbox, Access::ReadWrite).unwrap();
        let all = [Uid::MIN].into_iter().collect();
        let by_this = if is_moved {
            mailbox.move_to(&all, &"other".parse().unwrap()).unwrap().pairs.len()
        } else {
            mailbox.expunge(&all, Expunge::Any).unwrap().len()
        };
        assert_eq!((by_this, meddling.removed.lock().unwrap().len()), (0, 1));
        assert_eq!(store.quota().unwrap().unwrap().usage, crate::QuotaUsage::default());
        assert_eq!(mailbox.refresh().unwrap().vanished, [Uid::MIN]);
    }
}

//! What the cases have in common: a store to look at, messages, and comparisons that tell what differs.

use std::fmt::Debug;

use bytes::Bytes;
use mail_message::{Flag, FlagSet, Uid, UidSet};
use proto_core::UnixTime;

use super::Promises;
use crate::error::{ErrorKind, Result, StoreError};
use crate::name::MailboxName;
use crate::spool::QueueId;
use crate::store::{Access, Copied, Delivered, Delivery, DeliveryId, Entry, Mailbox, MessageReader, Store};

/// How a promise was broken.
pub(super) struct Broken(pub(super) String);

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self(format!("an operation failed that should succeed: {error}"))
    }
}

pub(super) type Outcome<T = ()> = Result<T, Broken>;

/// The store of a case.
pub(super) struct Subject<'a> {
    pub(super) promises: &'a Promises,
    pub(super) open: &'a dyn Fn() -> Result<Box<dyn Store>>,
}

impl Subject<'_> {
    pub(super) fn store(&self) -> Outcome<Box<dyn Store>> {
        Ok((self.open)()?)
    }
}

/// The date that messages get here.
pub(super) const DATE: UnixTime = UnixTime(1_700_000_000);

/// That something is so.
pub(super) fn ensure(is_so: bool, what: &str) -> Outcome {
    if is_so { Ok(()) } else { Err(Broken(format!("it is not so that {what}"))) }
}

/// That `found` is `expected`.
pub(super) fn same<T: PartialEq<E> + Debug, E: Debug>(what: &str, found: T, expected: E) -> Outcome {
    if found == expected {
        return Ok(());
    }
    Err(Broken(format!("{what}: found {found:?}, expected {expected:?}")))
}

/// That something was refused, and why.
pub(super) fn refused<T>(what: &str, result: Result<T>, kind: ErrorKind) -> Outcome {
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => {
            Err(Broken(format!("{what}: refused as {:?} ({error}), expected {kind:?}", error.kind())))
        }
        Ok(_) => Err(Broken(format!("{what}: done, expected to be refused as {kind:?}"))),
    }
}

pub(super) fn inbox() -> MailboxName {
    MailboxName::inbox()
}

pub(super) fn name(text: &str) -> Outcome<MailboxName> {
    Ok(MailboxName::new(text)?)
}

pub(super) fn flags(text: &str) -> Outcome<FlagSet> {
    let flag = |flag: &str| flag.parse::<Flag>().map_err(|fault| Broken(format!("{flag}: {fault}")));
    text.split_whitespace().map(flag).collect()
}

pub(super) fn set(uids: &[Uid]) -> UidSet {
    uids.iter().copied().collect()
}

/// A message that can be told from all others, and from any part of itself.
pub(super) fn message(number: u32) -> Vec<u8> {
    let filler = "line of the message\r\n".repeat(number as usize % 5);
    format!("Subject: {number}\r\nMessage-ID: <{number}@example.org>\r\n\r\n{filler}end of {number}\r\n")
        .into_bytes()
}

/// Appends messages without flags, together.
pub(super) fn append(store: &dyn Store, to: &MailboxName, numbers: &[u32]) -> Outcome<Vec<Uid>> {
    append_flagged(store, to, numbers, "")
}

pub(super) fn append_flagged(
    store: &dyn Store,
    to: &MailboxName,
    numbers: &[u32],
    with: &str,
) -> Outcome<Vec<Uid>> {
    let mut append = store.append(to)?;
    for &number in numbers {
        append.begin(&flags(with)?, Some(DATE))?;
        // In pieces that do not end where lines do.
        message(number).chunks(13).try_for_each(|piece| append.write(piece))?;
    }
    Ok(append.commit()?.uids)
}

pub(super) fn delivery(number: u32, recipient: u32, maybe_delivered: bool) -> Outcome<Delivery<'static>> {
    let queue_id: QueueId = format!("conformance{number}").parse()?;
    let header = b"Return-Path: <a@example.org>\r\n";
    Ok(Delivery { id: DeliveryId { queue_id, recipient }, maybe_delivered, date: DATE, header })
}

/// Delivers a message for the first recipient.
pub(super) fn deliver(store: &dyn Store, to: &MailboxName, number: u32) -> Outcome<Delivered> {
    Ok(store.deliver(to, &delivery(number, 0, false)?, &mut Bytes::from(message(number)))?)
}

pub(super) fn open(store: &dyn Store, name: &MailboxName) -> Outcome<Box<dyn Mailbox>> {
    Ok(store.open(name, Access::ReadWrite)?)
}

/// All octets of a message.
pub(super) fn read(mailbox: &mut dyn Mailbox, uid: Uid) -> Outcome<Vec<u8>> {
    read_through(&mut *mailbox.message(uid)?)
}

pub(super) fn read_through(reader: &mut dyn MessageReader) -> Outcome<Vec<u8>> {
    let size = reader.size_bytes();
    let mut octets = vec![0; usize::try_from(size).unwrap_or(usize::MAX).saturating_add(1)];
    let n = reader.read_at(0, &mut octets)?;
    octets.truncate(n);
    same("octets read of a message of that size", n as u64, size)?;
    Ok(octets)
}

pub(super) fn uids_of(mailbox: &dyn Mailbox) -> Vec<Uid> {
    mailbox.entries().iter().map(|entry| entry.uid).collect()
}

/// The flags of one message in a snapshot.
pub(super) fn shown(mailbox: &dyn Mailbox, uid: Uid) -> Outcome<FlagSet> {
    entry(mailbox, uid).map(|entry| entry.flags.clone())
}

pub(super) fn entry(mailbox: &dyn Mailbox, uid: Uid) -> Outcome<&Entry> {
    let found = mailbox.entries().iter().find(|entry| entry.uid == uid);
    found.ok_or_else(|| Broken(format!("UID {uid} is not in the snapshot")))
}

/// The first UIDs of pairs: what messages were called where they came from.
pub(super) fn sources_of(copied: &Copied) -> Vec<Uid> {
    copied.pairs.iter().map(|pair| pair.0).collect()
}

/// The second UIDs of pairs: what messages are called where they are now.
pub(super) fn copies_of(copied: &Copied) -> Vec<Uid> {
    copied.pairs.iter().map(|pair| pair.1).collect()
}

/// A mailbox to copy or to move to, where letters, if there are such, stand for other keywords than elsewhere.
pub(super) fn make_target(store: &dyn Store) -> Outcome<MailboxName> {
    let target = name("target")?;
    store.create(&target)?;
    append_flagged(store, &target, &[9], "other")?;
    Ok(target)
}

/// That the target of [`make_target`] has what came to it: in the order of the pairs, the messages of these numbers, with
/// these flags, and the date that they had.
pub(super) fn has_come(mailbox: &mut dyn Mailbox, come: &Copied, messages: &[(u32, &str)]) -> Outcome {
    same("UIDVALIDITY of the target", come.uid_validity, mailbox.uid_validity())?;
    same("UIDs in the target", &uids_of(mailbox)[1..], copies_of(come))?;
    for (copy, &(number, with)) in copies_of(come).into_iter().zip(messages) {
        same("octets of what came", read(mailbox, copy)?, message(number))?;
        same("its flags", shown(mailbox, copy)?, flags(with)?)?;
        same("its date", mailbox.meta(copy)?.internal_date, DATE)?;
    }
    Ok(())
}

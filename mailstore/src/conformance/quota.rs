//! Quotas, of a store that was opened with one.

use bytes::Bytes;

use super::Case;
use super::tools::{
    Outcome, Subject, append, deliver, delivery, ensure, inbox, name, open, refused, same, set, uids_of,
};
use crate::error::{ErrorKind, Result};
use crate::name::MailboxName;
use crate::quota::Quota;
use crate::store::{Expunge, Store};

pub(super) const CASES: &[Case] = &[
    Case { name: "quota::what_comes_and_goes_is_counted", run: counted },
    Case { name: "quota::what_has_no_room_is_refused_and_changes_nothing", run: full },
];

fn quota(store: &dyn Store) -> Outcome<Quota> {
    let quota = store.quota()?;
    ensure(quota.is_some(), "a store with a quota tells it")?;
    Ok(quota.unwrap_or_default())
}

/// More than half of what there is room for; `None` of a store that does not say that it has a limit.
fn large(subject: &Subject<'_>) -> Option<Vec<u8>> {
    let bytes = usize::try_from(subject.promises.quota_bytes? / 2 + 1).ok()?;
    let mut octets = b"Subject: large\r\n\r\n".to_vec();
    octets.resize(bytes.max(octets.len() + 2) - 2, b'x');
    octets.extend_from_slice(b"\r\n");
    Some(octets)
}

fn add(store: &dyn Store, to: &MailboxName, octets: &[u8]) -> Result<()> {
    let mut append = store.append(to)?;
    append.write(octets)?;
    append.commit().map(drop)
}

fn counted(subject: &Subject<'_>) -> Outcome {
    let Some(limit) = subject.promises.quota_bytes else { return Ok(()) };
    let store = subject.store()?;
    let empty = quota(&*store)?;
    same("the limit of octets", empty.limits.bytes, Some(limit))?;
    ensure(empty.usage.is_zero(), "an empty store holds nothing")?;
    let other = name("other")?;
    store.create(&other)?;
    append(&*store, &inbox(), &[1, 2])?;
    deliver(&*store, &other, 3)?;
    let filled = quota(&*store)?.usage;
    same("how many messages count", filled.messages, 3)?;
    ensure(filled.bytes > 0, "their octets count")?;
    let mut mailbox = open(&*store, &inbox())?;
    let uids = uids_of(&*mailbox);
    mailbox.copy(&set(&uids[..1]), &other)?;
    same("how many with a copy", quota(&*store)?.usage.messages, 4)?;
    mailbox.expunge(&set(&uids), Expunge::Any)?;
    same("how many after EXPUNGE", quota(&*subject.store()?)?.usage.messages, 2)?;
    store.rename(&other, &name("renamed")?)?;
    same("how many after RENAME", quota(&*store)?.usage.messages, 2)?;
    store.delete(&name("renamed")?)?;
    ensure(quota(&*subject.store()?)?.usage.is_zero(), "nothing counts when all is deleted")
}

fn full(subject: &Subject<'_>) -> Outcome {
    let Some(large) = large(subject) else { return Ok(()) };
    let store = subject.store()?;
    let other = name("other")?;
    store.create(&other)?;
    store.check_quota(&inbox(), large.len() as u64)?;
    add(&*store, &inbox(), &large)?;
    let before = quota(&*store)?;
    refused("asking for room", store.check_quota(&inbox(), large.len() as u64), ErrorKind::OverQuota)?;
    refused("APPEND without room", add(&*store, &other, &large), ErrorKind::OverQuota)?;
    let delivered = store.deliver(&other, &delivery(1, 0, false)?, &mut Bytes::from(large.clone()));
    refused("a delivery without room", delivered, ErrorKind::OverQuota)?;
    let mut mailbox = open(&*store, &inbox())?;
    let uids = uids_of(&*mailbox);
    refused("COPY without room", mailbox.copy(&set(&uids), &other), ErrorKind::OverQuota)?;
    same("the quota after refusals", quota(&*store)?, before)?;
    same("messages where none had room", open(&*store, &other)?.entries().len(), 0)?;
    append(&*store, &other, &[1])?;
    mailbox.expunge(&set(&uids), Expunge::Any)?;
    add(&*store, &other, &large)?;
    same("messages with room again", open(&*subject.store()?, &other)?.entries().len(), 2)
}

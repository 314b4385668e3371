//! Copies: all or none, with flags, dates and octets.

use super::Case;
use super::tools::{
    Outcome, Subject, append, append_flagged, copies_of, flags, has_come, inbox, make_target, message, name,
    open, read, refused, same, set, shown, sources_of,
};
use crate::error::ErrorKind;
use crate::store::{Access, Expunge, FlagChange};

pub(super) const CASES: &[Case] = &[
    Case { name: "copies::they_have_octets_flags_and_dates", run: whole },
    Case { name: "copies::within_one_mailbox", run: within },
    Case { name: "copies::all_or_none", run: all_or_none },
    Case { name: "copies::they_need_a_target", run: no_target },
    Case { name: "copies::they_are_messages_of_their_own", run: independent },
];

fn whole(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let target = make_target(&*store)?;
    let plain = append(&*store, &inbox(), &[1])?[0];
    let flagged = append_flagged(&*store, &inbox(), &[2], "\\Seen work")?[0];
    let mut source = store.open(&inbox(), Access::ReadOnly)?;
    let copied = source.copy(&set(&[plain, flagged]), &target)?;
    same("the sources", sources_of(&copied), [plain, flagged])?;
    let restarted = subject.store()?;
    has_come(&mut *open(&*restarted, &target)?, &copied, &[(1, ""), (2, "\\Seen work")])?;
    same("messages in the source", open(&*restarted, &inbox())?.entries().len(), 2)
}

fn within(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let uids = append(&*store, &inbox(), &[1, 2])?;
    let mut session = open(&*store, &inbox())?;
    let copied = session.copy(&set(&uids), &inbox())?;
    let new = session.refresh()?.new;
    let copies = copies_of(&copied);
    same("messages told as new", new.iter().map(|entry| entry.uid).collect::<Vec<_>>(), copies.clone())?;
    same("octets of a copy", read(&mut *session, copies[1])?, message(2))
}

fn all_or_none(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let target = name("target")?;
    store.create(&target)?;
    let uids = append(&*store, &inbox(), &[1, 2, 3])?;
    let (mut first, mut second) = (open(&*store, &inbox())?, open(&*store, &inbox())?);
    first.expunge(&set(&uids[1..2]), Expunge::Any)?;
    refused("copying with one that is gone", second.copy(&set(&uids), &target), ErrorKind::NoSuchMessage)?;
    same("messages in the target", open(&*store, &target)?.entries().len(), 0)?;
    second.refresh()?;
    // Now it is known to be gone, and naming it does no harm.
    same("copies then", second.copy(&set(&uids), &target)?.pairs.len(), 2)?;
    let none = second.copy(&set(&uids[1..2]), &target)?;
    same("copies of what is not there", none.pairs.len(), 0)
}

fn no_target(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let uids = append(&*store, &inbox(), &[1])?;
    let mut session = open(&*store, &inbox())?;
    let absent = name("absent")?;
    refused("copying to it", session.copy(&set(&uids), &absent), ErrorKind::NoSuchMailbox)?;
    same("how many mailboxes there are", store.list()?.len(), 1)
}

fn independent(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let target = name("target")?;
    store.create(&target)?;
    let uids = append_flagged(&*store, &inbox(), &[3], "work")?;
    let mut session = open(&*store, &inbox())?;
    let copy = session.copy(&set(&uids), &target)?.pairs[0].1;
    session.set_flags(&set(&uids), FlagChange::Replace, &flags("\\Deleted")?, None)?;
    session.expunge(&set(&uids), Expunge::Deleted)?;
    let restarted = subject.store()?;
    let mut mailbox = open(&*restarted, &target)?;
    same("flags of the copy", shown(&*mailbox, copy)?, flags("work")?)?;
    same("octets of the copy", read(&mut *mailbox, copy)?, message(3))
}

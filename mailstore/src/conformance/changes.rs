//! What sessions of one mailbox hear of each other.

use std::sync::Arc;
use std::time::Duration;

use mail_message::Flag;

use super::Case;
use super::tools::{
    Broken, Outcome, Subject, append, append_flagged, deliver, ensure, flags, inbox, message, name, open,
    read, read_through, refused, same, set, shown, uids_of,
};
use crate::error::ErrorKind;
use crate::store::{Access, Expunge, FlagChange};
use crate::watch::{Tell, Told};

/// For how long somebody is waited for who should be told of a change.
const WATCH_DEADLINE: Duration = Duration::from_secs(120);

pub(super) const CASES: &[Case] = &[
    Case { name: "changes::a_snapshot_stays_until_it_is_refreshed", run: snapshot },
    Case { name: "changes::everything_is_told_once", run: told_once },
    Case { name: "changes::expunge_takes_what_is_marked_in_the_store", run: expunge },
    Case { name: "changes::a_message_that_is_gone_is_no_other", run: gone },
    Case { name: "changes::a_message_that_is_read_stays_readable", run: readable },
    Case { name: "changes::recent_is_told_to_one_session", run: recent },
    Case { name: "changes::status_counts_and_takes_nothing", run: status },
    Case { name: "changes::a_mailbox_that_was_replaced_is_no_longer_the_same", run: replaced },
    Case { name: "changes::who_watches_a_mailbox_is_told_of_changes", run: watched },
];

fn snapshot(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let uids = append(&*store, &inbox(), &[1, 2])?;
    let reader = open(&*store, &inbox())?;
    let mut writer = open(&*store, &inbox())?;
    writer.set_flags(&set(&uids[..1]), FlagChange::Add, &flags("\\Seen")?, None)?;
    writer.expunge(&set(&uids[1..]), Expunge::Any)?;
    append(&*store, &inbox(), &[3])?;
    deliver(&*store, &inbox(), 4)?;
    writer.refresh()?;
    same("the UIDs of the snapshot", uids_of(&*reader), uids.clone())?;
    same("the flags of the snapshot", shown(&*reader, uids[0])?, flags("")?)?;
    same("messages after a refresh of another session", writer.entries().len(), 3)
}

fn told_once(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let uids = append(&*store, &inbox(), &[1, 2, 3])?;
    let (mut reader, mut writer) = (open(&*store, &inbox())?, open(&*store, &inbox())?);
    writer.set_flags(&set(&uids[..1]), FlagChange::Add, &flags("\\Seen")?, None)?;
    writer.expunge(&set(&uids[1..2]), Expunge::Any)?;
    let new = append(&*store, &inbox(), &[4, 5])?;
    writer.refresh()?;
    let again = writer.refresh()?;
    ensure(again.is_empty(), "a session is not told of its own changes, nor of anything twice")?;
    let told = reader.refresh()?;
    ensure(!told.invalidated, "the mailbox is the same")?;
    same("new messages", told.new.iter().map(|entry| entry.uid).collect::<Vec<_>>(), new)?;
    let changed: Vec<_> = told.flags.iter().map(|it| (it.uid, it.flags.clone())).collect();
    same("changed flags", changed, [(uids[0], flags("\\Seen")?)])?;
    same("messages that are gone", &told.vanished, &uids[1..2])?;
    same("the snapshots of both", uids_of(&*reader), uids_of(&*writer))?;
    ensure(reader.refresh()?.is_empty(), "nothing is told twice")?;
    // One that comes and goes between two looks is not told, or as new and gone; never as gone alone.
    let short = append(&*store, &inbox(), &[6])?;
    writer.refresh()?;
    writer.expunge(&set(&short), Expunge::Any)?;
    let told = reader.refresh()?;
    ensure(told.new.is_empty() && told.vanished.is_empty(), "what was never shown does not vanish")
}

fn expunge(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let uids = append_flagged(&*store, &inbox(), &[1, 2, 3], "\\Deleted")?;
    let (mut first, mut second) = (open(&*store, &inbox())?, open(&*store, &inbox())?);
    // The other session still shows it with \Deleted.
    first.set_flags(&set(&uids[..1]), FlagChange::Remove, &flags("\\Deleted")?, None)?;
    ensure(shown(&*second, uids[0])?.contains(&Flag::Deleted), "the snapshot has not heard of it")?;
    same("what was removed", second.expunge(&set(&uids[..2]), Expunge::Deleted)?, &uids[1..2])?;
    same("what is shown then", uids_of(&*second), [uids[0], uids[2]])?;
    same(
        "what is there after a restart",
        uids_of(&*open(&*subject.store()?, &inbox())?),
        [uids[0], uids[2]],
    )?;
    same(
        "what is removed whatever its flags",
        second.expunge(&set(&uids), Expunge::Any)?,
        [uids[0], uids[2]],
    )?;
    same("what the first is told", first.refresh()?.vanished, uids)
}

fn gone(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let uids = append(&*store, &inbox(), &[1, 2])?;
    let (mut first, mut second) = (open(&*store, &inbox())?, open(&*store, &inbox())?);
    first.expunge(&set(&uids[..1]), Expunge::Any)?;
    append(&*store, &inbox(), &[3])?;
    refused("reading it", second.message(uids[0]), ErrorKind::NoSuchMessage)?;
    same("the message after it", read(&mut *second, uids[1])?, message(2))?;
    let stored = second.set_flags(&set(&uids), FlagChange::Add, &flags("\\Seen")?, None)?;
    same("messages whose flags were changed", stored.messages.len(), 1)?;
    same("what is removed of it again", second.expunge(&set(&uids[..1]), Expunge::Any)?.len(), 0)?;
    same("what is told to be gone", second.refresh()?.vanished, &uids[..1])
}

fn readable(subject: &Subject<'_>) -> Outcome {
    if !subject.promises.readable_after_expunge {
        return Ok(());
    }
    let store = subject.store()?;
    let uids = append(&*store, &inbox(), &[4])?;
    let mut session = open(&*store, &inbox())?;
    let mut reader = session.message(uids[0])?;
    let mut start = [0; 5];
    reader.read_at(0, &mut start)?;
    open(&*store, &inbox())?.expunge(&set(&uids), Expunge::Any)?;
    append(&*store, &inbox(), &[5])?;
    same("its octets", read_through(&mut *reader)?, message(4))
}

fn recent(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    deliver(&*store, &inbox(), 1)?;
    let is_recent = |access| -> Outcome<bool> {
        let session = store.open(&inbox(), access)?;
        same("messages", session.entries().len(), 1)?;
        Ok(session.entries()[0].recent)
    };
    ensure(is_recent(Access::ReadOnly)?, "a session that only reads is told that it is recent")?;
    ensure(is_recent(Access::ReadOnly)?, "and takes that from nobody")?;
    ensure(is_recent(Access::ReadWrite)?, "so the first that may write is told too")?;
    ensure(!is_recent(Access::ReadWrite)?, "the second is not")?;
    ensure(!is_recent(Access::ReadOnly)?, "nor any other")
}

fn status(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    append_flagged(&*store, &inbox(), &[1], "\\Seen")?;
    append_flagged(&*store, &inbox(), &[2], "\\Deleted")?;
    open(&*store, &inbox())?;
    deliver(&*store, &inbox(), 3)?;
    for _ in 0..2 {
        let status = store.status(&inbox())?;
        let found = (status.messages, status.unseen, status.deleted, status.recent);
        same("messages, unseen, deleted, recent", found, (3, 2, 1, 1))?;
    }
    let session = open(&*store, &inbox())?;
    let status = store.status(&inbox())?;
    same("UIDVALIDITY", status.uid_validity, session.uid_validity())?;
    same("UIDNEXT", status.uid_next, session.uid_next())?;
    refused("counting a mailbox that is not there", store.status(&name("absent")?), ErrorKind::NoSuchMailbox)
}

fn replaced(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let box_name = name("box")?;
    store.create(&box_name)?;
    let uids = append(&*store, &box_name, &[1])?;
    let mut session = open(&*store, &box_name)?;
    store.delete(&box_name)?;
    refused("looking at a mailbox that was deleted", session.refresh(), ErrorKind::NoSuchMailbox)?;
    store.create(&box_name)?;
    let others = append(&*store, &box_name, &[2])?;
    // The UID is the same, the message is not.
    if let Ok(mut reader) = session.message(uids[0]) {
        same("a message of the old mailbox", read_through(&mut *reader)?, message(1))?;
    }
    match session.refresh() {
        Ok(told) => {
            ensure(told.invalidated, "a session is told that all it knows is of another mailbox")?;
            ensure(told.new.is_empty() && told.vanished.is_empty(), "and nothing else")?;
            same("the UIDs of the new mailbox", uids_of(&*session), others)
        }
        Err(_) => Ok(()),
    }
}

fn watched(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let box_name = name("watched")?;
    store.create(&box_name)?;
    let (send, told) = std::sync::mpsc::channel();
    let tell: Tell = Arc::new(move |what| {
        // Nobody listens any more when the case is over.
        let _ = send.send(what);
    });
    let Some(watch) = store.watch(&box_name, &tell)? else { return Ok(()) };
    // The deadline is there so that a promise that is broken shows at all.
    let next = || told.recv_timeout(WATCH_DEADLINE).map_err(|_| Broken("nobody was told of a change".into()));
    let mut session = open(&*store, &box_name)?;
    let writer = subject.store()?;
    let uids = append(&*writer, &box_name, &[1])?;
    while session.entries().is_empty() {
        same("what is told", next()?, Told::Changed)?;
        session.refresh()?;
    }
    let mut other = open(&*writer, &box_name)?;
    other.set_flags(&set(&uids), FlagChange::Add, &flags("\\Seen")?, None)?;
    while shown(&*session, uids[0])?.is_empty() {
        same("what is told", next()?, Told::Changed)?;
        session.refresh()?;
    }
    other.expunge(&set(&uids), Expunge::Any)?;
    while !session.entries().is_empty() {
        same("what is told", next()?, Told::Changed)?;
        session.refresh()?;
    }
    store.delete(&box_name)?;
    while session.refresh().is_ok() {
        next()?;
    }
    drop(watch);
    let absent = store.watch(&name("absent")?, &tell);
    refused("watching a mailbox that is not there", absent, ErrorKind::NoSuchMailbox)
}

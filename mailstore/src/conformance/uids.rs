//! UIDs: ascending, never given twice, and kept.

use super::Case;
use super::tools::{
    Outcome, Subject, append, deliver, ensure, inbox, message, name, open, read, refused, same, set, uids_of,
};
use crate::error::ErrorKind;
use crate::store::{Access, Delivered, Expunge, Mailbox};

pub(super) const CASES: &[Case] = &[
    Case { name: "uids::they_ascend_and_uid_next_is_above", run: ascend },
    Case { name: "uids::they_are_never_given_twice", run: never_twice },
    Case { name: "uids::a_message_that_comes_back_gets_another", run: comes_back },
    Case { name: "uids::they_survive_a_restart", run: restart },
    Case { name: "uids::two_mailboxes_never_share_a_uidvalidity", run: validity },
    Case { name: "uids::one_that_is_not_there_is_no_message", run: absent },
];

fn check_next(mailbox: &dyn Mailbox) -> Outcome {
    let above = mailbox.entries().iter().all(|entry| entry.uid < mailbox.uid_next());
    ensure(above, "UIDNEXT is above every UID")?;
    ensure(uids_of(mailbox).is_sorted_by(|a, b| a < b), "the snapshot ascends by UID")
}

fn ascend(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let mut session = open(&*store, &inbox())?;
    let mut given = Vec::new();
    for number in 0..4 {
        given.extend(append(&*store, &inbox(), &[number * 3, number * 3 + 1])?);
        deliver(&*store, &inbox(), number * 3 + 2)?;
        let new = session.refresh()?.new;
        same("messages told as new", new.len(), 3)?;
        check_next(&*session)?;
    }
    ensure(given.is_sorted_by(|a, b| a < b), "the UIDs of appends ascend")?;
    let promised = session.uid_next();
    let next = append(&*store, &inbox(), &[99])?[0];
    ensure(next >= promised, "the next message gets UIDNEXT or more")
}

fn never_twice(subject: &Subject<'_>) -> Outcome {
    let mut highest = None;
    for round in 0..4 {
        let store = subject.store()?;
        let given = append(&*store, &inbox(), &[round, round + 10])?;
        ensure(given.iter().all(|uid| Some(*uid) > highest), "a UID is not given again")?;
        highest = given.last().copied();
        let mut session = open(&*store, &inbox())?;
        // All of them, or only the last: whichever of them remembers the highest UID is gone.
        let gone = if round % 2 == 0 { uids_of(&*session) } else { vec![given[1]] };
        same("what was removed", session.expunge(&set(&gone), Expunge::Any)?, gone)?;
        check_next(&*session)?;
        drop(session);
        let next = open(&*subject.store()?, &inbox())?.uid_next();
        ensure(Some(next) > highest, "UIDNEXT stays above what was removed")?;
    }
    Ok(())
}

fn comes_back(subject: &Subject<'_>) -> Outcome {
    let mut highest = None;
    for round in 0..3 {
        let store = subject.store()?;
        let mut session = open(&*store, &inbox())?;
        same("the delivery", deliver(&*store, &inbox(), 1)?, Delivered::Stored)?;
        if round == 1 {
            session = open(&*store, &inbox())?;
        } else {
            session.refresh()?;
        }
        let uids = uids_of(&*session);
        ensure(uids.len() == 1 && uids.first().copied() > highest, "it has a UID above the one it had")?;
        highest = uids.first().copied();
        same("what was removed", session.expunge(&set(&uids), Expunge::Any)?, uids)?;
    }
    Ok(())
}

fn restart(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let given = append(&*store, &inbox(), &[1, 2, 3])?;
    let mut session = open(&*store, &inbox())?;
    session.expunge(&set(&given[1..2]), Expunge::Any)?;
    let (validity, next) = (session.uid_validity(), session.uid_next());
    drop((session, store));
    let store = subject.store()?;
    let mut session = store.open(&inbox(), Access::ReadOnly)?;
    same("UIDVALIDITY", session.uid_validity(), validity)?;
    same("the UIDs", uids_of(&*session), [given[0], given[2]])?;
    ensure(session.uid_next() >= next, "UIDNEXT has not gone back")?;
    same("the message behind one", read(&mut *session, given[2])?, message(3))
}

fn validity(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let (a, b) = (name("a")?, name("b")?);
    let mut seen = vec![open(&*store, &inbox())?.uid_validity()];
    for new in [&a, &b, &a] {
        if seen.len() == 3 {
            store.delete(&a)?;
        }
        store.create(new)?;
        let validity = open(&*store, new)?.uid_validity();
        ensure(!seen.contains(&validity), "a new mailbox gets a UIDVALIDITY that none has had")?;
        seen.push(validity);
    }
    Ok(())
}

fn absent(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let given = append(&*store, &inbox(), &[1])?;
    let mut session = open(&*store, &inbox())?;
    let absent = session.uid_next();
    refused("reading it", session.message(absent), ErrorKind::NoSuchMessage)?;
    refused("its size", session.meta(absent), ErrorKind::NoSuchMessage)?;
    refused("its summary", session.summary(absent), ErrorKind::NoSuchMessage)?;
    let uids = set(&[given[0], absent]);
    let stored =
        session.set_flags(&uids, crate::store::FlagChange::Add, &super::tools::flags("\\Seen")?, None)?;
    same("messages whose flags were changed", stored.messages.len(), 1)?;
    same("what was removed", session.expunge(&uids, Expunge::Any)?, given)
}

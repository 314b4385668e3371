//! Moves: a message is here and then there, and never in between (RFC 6851).

use super::Case;
use super::tools::{
    Outcome, Subject, append, append_flagged, copies_of, ensure, flags, has_come, inbox, make_target,
    message, name, open, read, refused, same, set, shown, sources_of, uids_of,
};
use crate::error::ErrorKind;
use crate::store::{Access, Expunge, FlagChange};

pub(super) const CASES: &[Case] = &[
    Case { name: "moves::they_keep_octets_flags_and_dates", run: whole },
    Case { name: "moves::other_sessions_hear_of_it", run: told },
    Case { name: "moves::to_the_end_of_the_same_mailbox", run: within },
    Case { name: "moves::there_and_back_is_a_new_message", run: back },
    Case { name: "moves::what_is_gone_is_left_out", run: gone },
    Case { name: "moves::what_is_refused_moves_nothing", run: nothing },
    Case { name: "moves::removals_are_remembered", run: remembered },
];

fn whole(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let target = make_target(&*store)?;
    let plain = append(&*store, &inbox(), &[1])?[0];
    let stays = append(&*store, &inbox(), &[2])?[0];
    let flagged = append_flagged(&*store, &inbox(), &[3], "\\Seen \\Deleted work")?[0];
    let mut source = open(&*store, &inbox())?;
    let saved = source.meta(plain)?.save_date;
    let moved = source.move_to(&set(&[plain, flagged]), &target)?;
    same("the sources", sources_of(&moved), [plain, flagged])?;
    same("what stays in the snapshot", uids_of(&*source), [stays])?;
    let restarted = subject.store()?;
    let mut mailbox = open(&*restarted, &target)?;
    has_come(&mut *mailbox, &moved, &[(1, ""), (3, "\\Seen \\Deleted work")])?;
    for copy in copies_of(&moved) {
        let meta = mailbox.meta(copy)?;
        same("whether it tells when it was saved", meta.save_date.is_some(), saved.is_some())?;
        ensure(meta.save_date >= saved, "it was saved when it was moved, or later")?;
    }
    let mut source = open(&*restarted, &inbox())?;
    same("what stays in the source", uids_of(&*source), [stays])?;
    same("octets of what stays", read(&mut *source, stays)?, message(2))
}

fn told(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let target = name("target")?;
    store.create(&target)?;
    let uids = append(&*store, &inbox(), &[1, 2, 3])?;
    let (mut mover, mut source) = (open(&*store, &inbox())?, open(&*store, &inbox())?);
    let mut other = open(&*store, &target)?;
    let moved = mover.move_to(&set(&uids[..2]), &target)?;
    ensure(mover.refresh()?.is_empty(), "a session is not told of its own removals")?;
    let changes = source.refresh()?;
    same("what vanished from the source", changes.vanished, &uids[..2])?;
    same("what else happened there", (changes.new.len(), changes.flags.len()), (0, 0))?;
    let new: Vec<_> = other.refresh()?.new.iter().map(|entry| entry.uid).collect();
    same("what is new in the target", new, copies_of(&moved))?;
    let gone = source.message(uids[0]).map(drop);
    refused("reading one that was moved away", gone, ErrorKind::NoSuchMessage)?;
    same("octets of what stays", read(&mut *source, uids[2])?, message(3))
}

fn within(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let uids = append_flagged(&*store, &inbox(), &[1, 2, 3], "work")?;
    let mut session = open(&*store, &inbox())?;
    let moved = session.move_to(&set(&uids[..2]), &inbox())?;
    same("the sources", sources_of(&moved), &uids[..2])?;
    same("what stays in the snapshot", uids_of(&*session), &uids[2..])?;
    let changes = session.refresh()?;
    let copies = copies_of(&moved);
    same("messages told as new", changes.new.iter().map(|it| it.uid).collect::<Vec<_>>(), copies.clone())?;
    ensure(copies[0] > uids[2], "they have new UIDs")?;
    for (copy, number) in copies.iter().zip([1, 2]) {
        same("octets of one", read(&mut *session, *copy)?, message(number))?;
        same("its flags", shown(&*session, *copy)?, flags("work")?)?;
    }
    same("messages after a restart", open(&*subject.store()?, &inbox())?.entries().len(), 3)
}

fn back(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let target = name("target")?;
    store.create(&target)?;
    let first = append_flagged(&*store, &inbox(), &[4], "\\Flagged")?;
    let mut source = open(&*store, &inbox())?;
    let there = source.move_to(&set(&first), &target)?.pairs[0].1;
    let back = open(&*store, &target)?.move_to(&set(&[there]), &inbox())?.pairs[0].1;
    ensure(back > first[0], "a UID is not given twice")?;
    let changes = source.refresh()?;
    same("messages told as new", changes.new.iter().map(|it| it.uid).collect::<Vec<_>>(), [back])?;
    same("its octets", read(&mut *source, back)?, message(4))?;
    same("its flags", shown(&*source, back)?, flags("\\Flagged")?)?;
    same("messages in the target", open(&*store, &target)?.entries().len(), 0)
}

fn gone(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let target = name("target")?;
    store.create(&target)?;
    let uids = append(&*store, &inbox(), &[1, 2, 3])?;
    let (mut first, mut second) = (open(&*store, &inbox())?, open(&*store, &inbox())?);
    first.expunge(&set(&uids[1..2]), Expunge::Any)?;
    first.set_flags(&set(&uids[2..]), FlagChange::Add, &flags("late")?, None)?;
    let moved = second.move_to(&set(&uids), &target)?;
    same("what was moved", sources_of(&moved), [uids[0], uids[2]])?;
    let mailbox = open(&*store, &target)?;
    same("flags set meanwhile", shown(&*mailbox, moved.pairs[1].1)?, flags("late")?)?;
    let again = first.move_to(&set(&uids), &target)?;
    same("what another session moves then", again.pairs.len(), 0)?;
    same("messages in the target", open(&*store, &target)?.entries().len(), 2)?;
    same("messages in the source", open(&*store, &inbox())?.entries().len(), 0)
}

fn nothing(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let (target, absent) = (name("target")?, name("absent")?);
    store.create(&target)?;
    let uids = append_flagged(&*store, &inbox(), &[1, 2], "more")?;
    let mut reader = store.open(&inbox(), Access::ReadOnly)?;
    refused("moving out of what is read", reader.move_to(&set(&uids), &target), ErrorKind::ReadOnly)?;
    let mut session = open(&*store, &inbox())?;
    refused("moving to it", session.move_to(&set(&uids), &absent), ErrorKind::NoSuchMailbox)?;
    if let Some(max) = subject.promises.keywords_max {
        let full: Vec<String> = (0..max).map(|number| format!("k{number}")).collect();
        append_flagged(&*store, &target, &[9], &full.join(" "))?;
        refused("one keyword more", session.move_to(&set(&uids), &target), ErrorKind::KeywordLimit)?;
        same("messages in the target", open(&*store, &target)?.entries().len(), 1)?;
    }
    same("messages in the snapshot", uids_of(&*session), uids.clone())?;
    same("messages in the source", uids_of(&*open(&*subject.store()?, &inbox())?), uids)
}

fn remembered(subject: &Subject<'_>) -> Outcome {
    if !subject.promises.mod_sequences {
        return Ok(());
    }
    let store = subject.store()?;
    let target = name("target")?;
    store.create(&target)?;
    let uids = append(&*store, &inbox(), &[1, 2, 3])?;
    let mut session = open(&*store, &inbox())?;
    let (before, there) = (session.highest_modseq(), open(&*store, &target)?.highest_modseq());
    let moved = session.move_to(&set(&uids[1..]), &target)?;
    ensure(session.highest_modseq() > before, "a move raises the highest mod-sequence")?;
    same("what was removed since", session.vanished_since(before), Some(set(&uids[1..])))?;
    let target = open(&*store, &target)?;
    let new = target.entries().iter().all(|entry| entry.modseq > there);
    ensure(new, "what came has higher mod-sequences than all before")?;
    same("what came", target.entries().len(), moved.pairs.len())
}

//! Flags and keywords, and who may change them.

use super::Case;
use super::tools::{
    Outcome, Subject, append, append_flagged, ensure, entry, flags, inbox, message, open, read, refused,
    same, set, shown,
};
use crate::error::ErrorKind;
use crate::store::{Access, Expunge, FlagChange};

pub(super) const CASES: &[Case] = &[
    Case { name: "flags::add_remove_and_replace", run: changes },
    Case { name: "flags::what_others_have_set_stays_and_is_told", run: others },
    Case { name: "flags::permanent_flags_can_be_set", run: permanent },
    Case { name: "flags::too_many_keywords_change_nothing", run: limit },
    Case { name: "flags::read_only_changes_nothing", run: read_only },
    Case { name: "flags::mod_sequences_grow_with_every_change", run: modseqs },
    Case { name: "flags::unchanged_since_keeps_what_others_did", run: unchanged_since },
];

fn changes(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let uids = append_flagged(&*store, &inbox(), &[1, 2], "\\Seen one")?;
    let mut session = open(&*store, &inbox())?;
    let one = set(&uids[..1]);
    for (change, given, expected) in [
        (FlagChange::Add, "\\Flagged two", "\\Seen \\Flagged one two"),
        (FlagChange::Add, "ONE", "\\Seen \\Flagged one two"),
        (FlagChange::Remove, "\\Seen \\Draft Two three", "\\Flagged one"),
        (FlagChange::Replace, "\\Deleted \\Answered four", "\\Answered \\Deleted four"),
        (FlagChange::Replace, "", ""),
    ] {
        let stored = session.set_flags(&one, change, &flags(given)?, None)?;
        let told: Vec<_> =
            stored.messages.iter().map(|flagged| (flagged.uid, flagged.flags.clone())).collect();
        same("what the message has now", told, [(uids[0], flags(expected)?)])?;
        same("what the snapshot shows", shown(&*session, uids[0])?, flags(expected)?)?;
        let restarted = open(&*subject.store()?, &inbox())?;
        same("what it has after a restart", shown(&*restarted, uids[0])?, flags(expected)?)?;
        same("what the other message has", shown(&*restarted, uids[1])?, flags("\\Seen one")?)?;
    }
    same("its octets", read(&mut *session, uids[0])?, message(1))
}

fn others(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let uids = append(&*store, &inbox(), &[1])?;
    let (mut first, mut second) = (open(&*store, &inbox())?, open(&*store, &inbox())?);
    first.set_flags(&set(&uids), FlagChange::Add, &flags("\\Seen first")?, None)?;
    same("what the other session shows before", shown(&*second, uids[0])?, flags("")?)?;
    let stored = second.set_flags(&set(&uids), FlagChange::Add, &flags("\\Flagged second")?, None)?;
    let both = flags("\\Seen \\Flagged first second")?;
    same("what the message has now", stored.messages.first().map(|it| it.flags.clone()), Some(both.clone()))?;
    same("what the other session shows", shown(&*second, uids[0])?, both.clone())?;
    let told = first.refresh()?;
    same("flags told to the first", told.flags.first().map(|it| it.flags.clone()), Some(both))?;
    ensure(told.new.is_empty() && told.vanished.is_empty(), "nothing else is told")
}

fn permanent(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    append_flagged(&*store, &inbox(), &[1], "known")?;
    let offered = open(&*store, &inbox())?.permanent_flags();
    let expected = flags("\\Seen \\Answered \\Flagged \\Deleted \\Draft known")?;
    ensure(
        expected.iter().all(|flag| offered.flags.contains(&flag)),
        "system flags and keywords in use are offered",
    )?;
    let read_only = store.open(&inbox(), Access::ReadOnly)?.permanent_flags();
    ensure(
        read_only.flags.is_empty() && !read_only.new_keywords,
        "nothing can be set where nothing can be changed",
    )
}

fn limit(subject: &Subject<'_>) -> Outcome {
    let Some(max) = subject.promises.keywords_max else { return Ok(()) };
    let store = subject.store()?;
    let uids = append(&*store, &inbox(), &[1])?;
    let mut session = open(&*store, &inbox())?;
    for number in 0..max {
        ensure(session.permanent_flags().new_keywords, "there is room for another keyword")?;
        session.set_flags(&set(&uids), FlagChange::Add, &flags(&format!("k{number}"))?, None)?;
    }
    ensure(!session.permanent_flags().new_keywords, "it is told that there is no room left")?;
    let result = session.set_flags(&set(&uids), FlagChange::Replace, &flags("\\Seen more")?, None);
    refused("one keyword more", result, ErrorKind::KeywordLimit)?;
    same("flags of the message", shown(&*session, uids[0])?.len(), max)?;
    let restarted = open(&*subject.store()?, &inbox())?;
    same("flags of the message after a restart", shown(&*restarted, uids[0])?.len(), max)?;
    refused("appending with it", append_more(&*store), ErrorKind::KeywordLimit)?;
    same("messages", open(&*store, &inbox())?.entries().len(), 1)
}

fn append_more(store: &dyn crate::store::Store) -> crate::error::Result<()> {
    let mut append = store.append(&inbox())?;
    let more = mail_message::Keyword::new("more").map(mail_message::Flag::Keyword);
    append.begin(&more.into_iter().collect(), None)?;
    append.write(&message(2))?;
    append.commit().map(drop)
}

fn read_only(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let uids = append_flagged(&*store, &inbox(), &[1], "\\Deleted")?;
    let mut session = store.open(&inbox(), Access::ReadOnly)?;
    let changed = session.set_flags(&set(&uids), FlagChange::Add, &flags("\\Seen")?, None);
    refused("changing flags", changed, ErrorKind::ReadOnly)?;
    refused("expunging", session.expunge(&set(&uids), Expunge::Deleted), ErrorKind::ReadOnly)?;
    same("its octets", read(&mut *session, uids[0])?, message(1))?;
    let other = open(&*store, &inbox())?;
    same("its flags", shown(&*other, uids[0])?, flags("\\Deleted")?)
}

fn modseqs(subject: &Subject<'_>) -> Outcome {
    if !subject.promises.mod_sequences {
        return Ok(());
    }
    let store = subject.store()?;
    let uids = append(&*store, &inbox(), &[1, 2])?;
    let mut session = open(&*store, &inbox())?;
    let mut before = session.highest_modseq();
    for (at, change) in [(0, "\\Seen"), (1, "work"), (0, "\\Flagged")] {
        let stored = session.set_flags(&set(&uids[at..=at]), FlagChange::Add, &flags(change)?, None)?;
        let modseq = stored.messages.first().map(|flagged| flagged.modseq);
        ensure(modseq > Some(before), "a change gets a higher mod-sequence than all before")?;
        same("the mod-sequence in the snapshot", Some(entry(&*session, uids[at])?.modseq), modseq)?;
        before = session.highest_modseq();
        ensure(Some(before) >= modseq, "the highest is that of the last change")?;
    }
    session.expunge(&set(&uids[..1]), Expunge::Any)?;
    ensure(session.highest_modseq() > before, "a removal raises the highest mod-sequence")?;
    let vanished = session.vanished_since(before);
    same("what was removed since", vanished, Some(set(&uids[..1])))?;
    let highest = session.highest_modseq();
    same("what was removed after that", session.vanished_since(highest), Some(set(&[])))?;
    let restarted = open(&*subject.store()?, &inbox())?;
    ensure(restarted.highest_modseq() >= highest, "mod-sequences do not go back at a restart")?;
    let removed = restarted.vanished_since(before);
    ensure(
        removed.is_none_or(|uids_gone| uids_gone.contains(uids[0])),
        "a removal is remembered, or forgotten openly",
    )
}

fn unchanged_since(subject: &Subject<'_>) -> Outcome {
    if !subject.promises.mod_sequences {
        return Ok(());
    }
    let store = subject.store()?;
    let uids = append(&*store, &inbox(), &[1, 2])?;
    let (mut first, mut second) = (open(&*store, &inbox())?, open(&*store, &inbox())?);
    let since = second.highest_modseq();
    first.set_flags(&set(&uids[..1]), FlagChange::Add, &flags("\\Seen")?, None)?;
    let stored = second.set_flags(&set(&uids), FlagChange::Add, &flags("\\Deleted")?, Some(since))?;
    same("the message that had changed", stored.modified, set(&uids[..1]))?;
    let changed: Vec<_> = stored.messages.iter().map(|flagged| flagged.uid).collect();
    same("the message that had not", changed, [uids[1]])?;
    let restarted = open(&*subject.store()?, &inbox())?;
    same("flags of the first", shown(&*restarted, uids[0])?, flags("\\Seen")?)?;
    same("flags of the second", shown(&*restarted, uids[1])?, flags("\\Deleted")?)
}

//! Mailboxes: which names there are, and what can be done to them.

use super::Case;
use super::tools::{
    Outcome, Subject, append, append_flagged, ensure, flags, inbox, message, name, open, read, refused, same,
    shown, uids_of,
};
use crate::error::{ErrorKind, Result};
use crate::name::MailboxName;
use crate::store::{Access, Store};

pub(super) const CASES: &[Case] = &[
    Case { name: "names::inbox_is_always_there", run: always },
    Case { name: "names::what_is_created_is_listed_in_order", run: listed },
    Case { name: "names::each_is_one_mailbox_however_it_is_spelled", run: spelled },
    Case { name: "names::none_climbs_out", run: climbing },
    Case { name: "names::those_that_a_store_uses_itself_do_no_harm", run: reserved },
    Case { name: "names::delete_leaves_what_is_below", run: delete },
    Case { name: "names::rename_takes_messages_and_uids_along", run: rename },
    Case { name: "names::rename_takes_what_is_below_along", run: rename_below },
    Case { name: "names::rename_is_refused_whole", run: rename_refused },
    Case { name: "names::renaming_inbox_empties_it", run: rename_inbox },
    Case { name: "names::subscriptions_need_no_mailbox", run: subscriptions },
];

/// The list, names that cannot be selected in brackets.
fn list(store: &dyn Store) -> Outcome<Vec<String>> {
    let line = |info: crate::store::MailboxInfo| match info.exists {
        true => info.name.to_string(),
        false => format!("({})", info.name),
    };
    Ok(store.list()?.into_iter().map(line).collect())
}

fn always(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    same("the list of an empty store", list(&*store)?, ["INBOX"])?;
    same("messages in it", open(&*store, &name("inBox")?)?.entries().len(), 0)?;
    refused("creating it", store.create(&inbox()), ErrorKind::MailboxExists)?;
    refused("deleting it", store.delete(&inbox()), ErrorKind::BadName)?;
    same("the list then", list(&*store)?, ["INBOX"])
}

fn listed(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    for created in ["b", "deep/er/est", "a", "Z", "b c"] {
        store.create(&name(created)?)?;
    }
    let expected = ["INBOX", "Z", "a", "b", "b c", "(deep)", "(deep/er)", "deep/er/est"];
    same("the list", list(&*store)?, expected)?;
    same("the list after a restart", list(&*subject.store()?)?, expected)?;
    refused("creating one again", store.create(&name("a")?), ErrorKind::MailboxExists)?;
    let above = name("deep")?;
    let opened = store.open(&above, Access::ReadOnly);
    refused("opening one that only has others below it", opened, ErrorKind::NoSuchMailbox)?;
    refused(
        "opening one that is not there",
        store.open(&name("c")?, Access::ReadOnly),
        ErrorKind::NoSuchMailbox,
    )?;
    if subject.promises.nested {
        store.create(&name("b/below")?)?;
        store.create(&above)?;
        same("the list with one below a mailbox", list(&*store)?.len(), expected.len() + 1)?;
        open(&*store, &above)?;
    }
    Ok(())
}

/// Names that mean something to a shell, a protocol, or a file system; the first is modified UTF-7.
const ODD: [&str; 14] = [
    "Entw&APw-rfe",
    "R&-D",
    "a b",
    " a ",
    "%",
    "*",
    "~",
    "-r",
    "back\\slash",
    "quo\"te",
    "a:2,S",
    "$HOME",
    "A",
    "a",
];

fn spelled(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let long = "l".repeat(200);
    let odd: Vec<&str> = ODD.into_iter().chain([long.as_str()]).collect();
    for (odd, number) in odd.iter().zip(1..) {
        let odd = name(odd)?;
        store.create(&odd)?;
        append(&*store, &odd, &[number])?;
    }
    let store = subject.store()?;
    let listed: Vec<String> = list(&*store)?;
    for (odd, number) in odd.iter().zip(1..) {
        ensure(listed.iter().any(|listed| listed == odd), &format!("{odd:?} is listed as it was given"))?;
        let mut mailbox = open(&*store, &name(odd)?)?;
        let uids = uids_of(&*mailbox);
        same("messages in a mailbox of an odd name", uids.len(), 1)?;
        same("the message in it", read(&mut *mailbox, uids[0])?, message(number))?;
    }
    same("how many mailboxes there are", listed.len(), odd.len() + 1)?;
    // INBOX is one mailbox in any case, also as the first part of a name.
    store.create(&name("iNbOx/below")?)?;
    refused("the same in another case", store.create(&name("INBOX/below")?), ErrorKind::MailboxExists)
}

fn climbing(_: &Subject<'_>) -> Outcome {
    for bad in [
        "", "/", "/etc", "a/", "a//b", ".", "..", "../a", "a/../b", "a/..", ".hidden", "a.b", "a\0", "a\nb",
        "\u{fc}",
    ] {
        refused(&format!("{bad:?} as a name"), MailboxName::new(bad), ErrorKind::BadName)?;
    }
    Ok(())
}

fn reserved(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let uid = append_flagged(&*store, &inbox(), &[1], "\\Seen work")?[0];
    store.subscribe(&name("absent")?)?;
    let before = open(&*store, &inbox())?.uid_validity();
    let mut created = 1;
    for own in [
        "new",
        "cur",
        "tmp",
        "subscriptions",
        "maildirfolder",
        "maildirsize",
        "dovecot-uidlist",
        "dovecot-keywords",
        "postroom",
        "lock",
        "INBOX/INBOX",
        "cur/new",
    ] {
        let own = name(own)?;
        match store.create(&own) {
            Err(error) if error.kind() == ErrorKind::BadName => continue,
            result => result?,
        }
        created += 1;
        append(&*store, &own, &[2])?;
        same("messages in a mailbox of that name", open(&*subject.store()?, &own)?.entries().len(), 1)?;
    }
    let store = subject.store()?;
    let existing = store.list()?.into_iter().filter(|info| info.exists).count();
    same("mailboxes listed", existing, created)?;
    let mut mailbox = open(&*store, &inbox())?;
    same("UIDVALIDITY of INBOX", mailbox.uid_validity(), before)?;
    same("messages in INBOX", uids_of(&*mailbox), [uid])?;
    same("the flags of the message there", shown(&*mailbox, uid)?, flags("\\Seen work")?)?;
    same("its octets", read(&mut *mailbox, uid)?, message(1))?;
    same("the subscriptions", store.subscriptions()?, [name("absent")?])
}

fn delete(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let parent = name("parent")?;
    refused("deleting what is not there", store.delete(&parent), ErrorKind::NoSuchMailbox)?;
    store.create(&parent)?;
    append(&*store, &parent, &[1])?;
    if subject.promises.nested {
        let child = name("parent/child")?;
        store.create(&child)?;
        append(&*store, &child, &[2])?;
        store.delete(&parent)?;
        same("the list", list(&*store)?, ["INBOX", "(parent)", "parent/child"])?;
        same("messages below", open(&*store, &child)?.entries().len(), 1)?;
        store.delete(&child)?;
    } else {
        store.delete(&parent)?;
    }
    same("the list", list(&*store)?, ["INBOX"])?;
    refused("opening it", store.open(&parent, Access::ReadOnly), ErrorKind::NoSuchMailbox)?;
    store.create(&parent)?;
    same("messages in a new one", open(&*subject.store()?, &parent)?.entries().len(), 0)
}

fn rename(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let (old, new) = (name("old")?, name("new place")?);
    store.create(&old)?;
    let uids = append_flagged(&*store, &old, &[1, 2], "\\Flagged work")?;
    store.rename(&old, &new)?;
    same("the list", list(&*store)?, ["INBOX", "new place"])?;
    let mut mailbox = open(&*subject.store()?, &new)?;
    same("the UIDs", uids_of(&*mailbox), &uids[..])?;
    same("the flags", shown(&*mailbox, uids[1])?, flags("\\Flagged work")?)?;
    same("the octets", read(&mut *mailbox, uids[1])?, message(2))?;
    refused("opening the old name", store.open(&old, Access::ReadOnly), ErrorKind::NoSuchMailbox)?;
    store.create(&old)?;
    let validity = open(&*store, &old)?.uid_validity();
    ensure(validity != mailbox.uid_validity(), "a new mailbox of the old name has a UIDVALIDITY of its own")
}

fn rename_below(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    if !subject.promises.nested {
        return Ok(());
    }
    for created in ["a", "a/b", "a/b/c", "ab", "a-b"] {
        store.create(&name(created)?)?;
        append(&*store, &name(created)?, &[1])?;
    }
    store.rename(&name("a")?, &name("x/y")?)?;
    same("the list", list(&*store)?, ["INBOX", "a-b", "ab", "(x)", "x/y", "x/y/b", "x/y/b/c"])?;
    same("messages below", open(&*store, &name("x/y/b/c")?)?.entries().len(), 1)
}

fn rename_refused(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let (a, b) = (name("a")?, name("b")?);
    store.create(&a)?;
    store.create(&b)?;
    let try_all = |from: &MailboxName, to: &MailboxName| -> Result<()> { store.rename(from, to) };
    refused("to a name that is taken", try_all(&a, &b), ErrorKind::MailboxExists)?;
    refused("to INBOX", try_all(&a, &inbox()), ErrorKind::MailboxExists)?;
    refused("to a name below itself", try_all(&a, &name("a/b")?), ErrorKind::BadName)?;
    refused("of what is not there", try_all(&name("c")?, &name("d")?), ErrorKind::NoSuchMailbox)?;
    refused("of INBOX to a name that is taken", try_all(&inbox(), &b), ErrorKind::MailboxExists)?;
    if subject.promises.nested {
        // What lies below would get a name that is too long.
        let deep = format!("a/{}", "d".repeat(190));
        store.create(&name(&deep)?)?;
        refused(
            "to a name too long for what is below",
            try_all(&a, &name(&"n".repeat(150))?),
            ErrorKind::BadName,
        )?;
        store.delete(&name(&deep)?)?;
    }
    same("the list", list(&*store)?, ["INBOX", "a", "b"])
}

fn rename_inbox(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let old = append_flagged(&*store, &inbox(), &[1], "\\Seen")?;
    append_flagged(&*store, &inbox(), &[2], "work")?;
    let archive = name("archive")?;
    store.rename(&inbox(), &archive)?;
    same("the list", list(&*store)?, ["INBOX", "archive"])?;
    let mut moved = open(&*subject.store()?, &archive)?;
    let uids = uids_of(&*moved);
    same("messages in the new mailbox", uids.len(), 2)?;
    let mut found = Vec::new();
    for uid in uids {
        found.push((read(&mut *moved, uid)?, shown(&*moved, uid)?));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    same("octets and flags", found, [(message(1), flags("\\Seen")?), (message(2), flags("work")?)])?;
    let emptied = open(&*store, &inbox())?;
    same("messages in INBOX", emptied.entries().len(), 0)?;
    let new = append(&*store, &inbox(), &[3])?;
    ensure(new > old, "INBOX goes on with higher UIDs, while its UIDVALIDITY stands")
}

fn subscriptions(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    for subscribed in ["b/c", "absent", "inbox", "a b", "absent"] {
        store.subscribe(&name(subscribed)?)?;
    }
    let names = |store: &dyn Store| -> Outcome<Vec<String>> {
        Ok(store.subscriptions()?.iter().map(MailboxName::to_string).collect())
    };
    same("the subscriptions", names(&*store)?, ["INBOX", "a b", "absent", "b/c"])?;
    let mailbox = name("absent")?;
    store.create(&mailbox)?;
    store.delete(&mailbox)?;
    same("how many after a mailbox was deleted", names(&*store)?.len(), 4)?;
    store.unsubscribe(&mailbox)?;
    store.unsubscribe(&mailbox)?;
    same("the subscriptions after a restart", names(&*subject.store()?)?, ["INBOX", "a b", "b/c"])
}

//! What mailboxes are for (RFC 6154).

use super::Case;
use super::tools::{Outcome, Subject, inbox, name, refused, same};
use crate::error::ErrorKind;
use crate::special_use::{SpecialUse, SpecialUses};
use crate::store::Store;

pub(super) const CASES: &[Case] = &[
    Case { name: "special_use::what_is_set_is_listed", run: set },
    Case { name: "special_use::it_goes_along_and_away_with_its_mailbox", run: follow },
];

/// All names that are for something, each with what.
fn list(store: &dyn Store) -> Outcome<Vec<String>> {
    let list = store.list()?;
    let used = list.iter().filter(|info| !info.special_use.is_empty());
    Ok(used.map(|info| format!("{} {}", info.name, info.special_use)).collect())
}

fn set(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let (a, b) = (name("a")?, name("b c")?);
    store.create(&a)?;
    store.create(&b)?;
    let sent = SpecialUses::from(SpecialUse::Sent);
    if !subject.promises.special_use {
        return refused("a special use", store.set_special_use(&a, sent), ErrorKind::BadUse);
    }
    same("special uses in a new store", list(&*store)?, [""; 0])?;
    store.set_special_use(&a, sent)?;
    store.set_special_use(&b, SpecialUse::ALL.into_iter().collect())?;
    store.set_special_use(&inbox(), SpecialUse::Archive.into())?;
    let all = "b c \\All \\Archive \\Drafts \\Flagged \\Junk \\Sent \\Trash";
    let expected = ["INBOX \\Archive", "a \\Sent", all];
    same("special uses", list(&*store)?, expected)?;
    same("special uses after a restart", list(&*subject.store()?)?, expected)?;
    store.set_special_use(&a, SpecialUse::Junk.into())?;
    store.set_special_use(&b, SpecialUses::NONE)?;
    same("special uses after a change", list(&*subject.store()?)?, ["INBOX \\Archive", "a \\Junk"])?;
    let absent = store.set_special_use(&name("absent")?, sent);
    refused("a special use of what is not there", absent, ErrorKind::NoSuchMailbox)
}

fn follow(subject: &Subject<'_>) -> Outcome {
    if !subject.promises.special_use {
        return Ok(());
    }
    let store = subject.store()?;
    let mut expected = vec!["old \\Sent"];
    store.create(&name("old")?)?;
    store.set_special_use(&name("old")?, SpecialUse::Sent.into())?;
    if subject.promises.nested {
        store.create(&name("old/below")?)?;
        store.set_special_use(&name("old/below")?, SpecialUse::Junk.into())?;
        expected.push("old/below \\Junk");
    }
    store.create(&name("older")?)?;
    store.set_special_use(&name("older")?, SpecialUse::Trash.into())?;
    expected.push("older \\Trash");
    same("special uses", list(&*store)?, &expected[..])?;
    store.rename(&name("old")?, &name("renamed")?)?;
    let renamed: Vec<String> = expected.iter().map(|line| line.replace("old ", "renamed ")).collect();
    let mut renamed: Vec<String> = renamed.iter().map(|line| line.replace("old/", "renamed/")).collect();
    renamed.sort();
    same("special uses after RENAME", list(&*subject.store()?)?, &renamed[..])?;
    store.create(&name("old")?)?;
    same("special uses with a new mailbox of the old name", list(&*store)?, &renamed[..])?;
    store.delete(&name("older")?)?;
    renamed.retain(|line| !line.starts_with("older"));
    same("special uses after DELETE", list(&*store)?, &renamed[..])?;
    store.create(&name("older")?)?;
    same("special uses with a new mailbox of its name", list(&*subject.store()?)?, &renamed[..])?;
    // INBOX stays when it is renamed, and so does what it is for.
    store.set_special_use(&inbox(), SpecialUse::Archive.into())?;
    store.rename(&inbox(), &name("moved")?)?;
    renamed.insert(0, "INBOX \\Archive".to_owned());
    same("special uses after RENAME of INBOX", list(&*store)?, &renamed[..])
}

//! What mailboxes are for survives power cuts and faults, whatever is done to the mailboxes meanwhile.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use common::{every_power_cut, name};
use mailstore::fs::sim::{Fault, SimFs};
use mailstore::{Result, SpecialUse, Store};

type Open = fn(&SimFs, u32) -> Result<Box<dyn Store>>;

const STORES: [Open; 3] = [
    |fs, pid| Ok(Box::new(common::maildir(fs, pid)?)),
    |fs, pid| Ok(Box::new(common::maildir_nested(fs, pid)?)),
    |fs, pid| Ok(Box::new(common::mbox(fs, pid)?)),
];

/// `a` for sent mail, and `b` for nothing in particular.
fn begin(open: Open) -> SimFs {
    let disk = SimFs::new();
    let store = open(&disk, 1).unwrap();
    store.create(&name("a")).unwrap();
    store.create(&name("b")).unwrap();
    store.set_special_use(&name("a"), SpecialUse::Sent.into()).unwrap();
    disk
}

/// All mailboxes, with what they are for.
fn list(store: &dyn Store) -> Vec<String> {
    let list = store.list().unwrap();
    list.iter().map(|info| format!("{} {}", info.name, info.special_use).trim_end().to_owned()).collect()
}

/// Cuts the power at, and lets fail, every operation of `act`; each of the lists found then must be one of `before` or
/// `after`, and `after` when `act` was done; or `between`, when it was not.
fn all_or_nothing(
    open: Open,
    act: fn(&dyn Store) -> Result<()>,
    before: &[&str],
    after: &[&str],
    between: &[&str],
) {
    let disk = begin(open);
    let store = open(&disk, 2).unwrap();
    let begun = disk.ops();
    disk.record_crash_points();
    act(&*store).unwrap();
    let ended = disk.ops();
    assert_eq!(list(&*open(&disk, 3).unwrap()), after);
    every_power_cut(
        &disk,
        |op| u64::from(op >= ended),
        |op, disk| {
            let found = list(&*open(disk, 3).unwrap());
            let is_cut_off = found == before || found == between;
            assert!(found == after || is_cut_off && op < ended, "op {op}: {found:?}");
        },
    );
    for fault in [Fault::Io, Fault::NoSpace] {
        for op in begun..ended {
            let disk = begin(open);
            let store = open(&disk, 2).unwrap();
            disk.fail_at(op, fault);
            let done = act(&*store);
            // Else the list would fail.
            if disk.ops() > op {
                let found = list(&*open(&disk, 3).unwrap());
                let is_cut_off = found == before || found == between;
                assert!(found == after || is_cut_off && done.is_err(), "op {op}: {found:?} {done:?}");
            }
        }
    }
}

#[test]
fn set_is_done_or_not() {
    for open in STORES {
        all_or_nothing(
            open,
            |store| store.set_special_use(&name("b"), SpecialUse::Junk.into()),
            &["INBOX", "a \\Sent", "b"],
            &["INBOX", "a \\Sent", "b \\Junk"],
            &[],
        );
    }
}

#[test]
fn rename_takes_it_along_or_leaves_it() {
    for open in STORES {
        let rename = |store: &dyn Store| store.rename(&name("a"), &name("c"));
        let (before, after) = (["INBOX", "a \\Sent", "b"], ["INBOX", "b", "c \\Sent"]);
        // An mbox may be found under both names.
        all_or_nothing(open, rename, &before, &after, &["INBOX", "a \\Sent", "b", "c \\Sent"]);
    }
}

#[test]
fn delete_takes_it_away_and_create_does_not_bring_it_back() {
    for open in STORES {
        let delete = |store: &dyn Store| store.delete(&name("a"));
        all_or_nothing(open, delete, &["INBOX", "a \\Sent", "b"], &["INBOX", "b"], &[]);
        // A mailbox of that name, wherever the deletion was cut off.
        let disk = begin(open);
        let store = open(&disk, 2).unwrap();
        disk.record_crash_points();
        store.delete(&name("a")).unwrap();
        every_power_cut(
            &disk,
            |_| 0,
            |_, disk| {
                let store = open(disk, 3).unwrap();
                if store.create(&name("a")).is_ok() {
                    assert_eq!(list(&*store), ["INBOX", "a", "b"]);
                }
            },
        );
    }
}

/// Where a name may have mailboxes below it and be none itself, they are not those of a mailbox that is renamed to it.
#[test]
fn mailboxes_below_the_new_name_keep_theirs() {
    let store = STORES[0](&SimFs::new(), 1).unwrap();
    for (made, of) in [("a", SpecialUse::Sent), ("a/x", SpecialUse::Drafts), ("b/y", SpecialUse::Junk)] {
        store.create(&name(made)).unwrap();
        store.set_special_use(&name(made), of.into()).unwrap();
    }
    store.rename(&name("a"), &name("b")).unwrap();
    assert_eq!(list(&*store), ["INBOX", "b \\Sent", "b/x \\Drafts", "b/y \\Junk"]);
    // One that cannot be renamed leaves them as they are.
    store.create(&name("c/y")).unwrap();
    store.rename(&name("b"), &name("c")).unwrap_err();
    assert_eq!(list(&*store), ["INBOX", "b \\Sent", "b/x \\Drafts", "b/y \\Junk", "c", "c/y"]);
}

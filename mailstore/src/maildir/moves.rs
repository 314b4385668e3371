//! MOVE within one user's Maildirs (RFC 6851).
//!
//! # Order of operations
//! 1. The keywords get letters in the target; what begins to count for the quota is checked and counted in.
//! 2. The source's `new/` is synced: a message that was taken from there must not be found there again. The spool is told
//!    of each delivery that is to go ([`Settle`](crate::Settle)); it flushes its log for that, so no lock is held.
//! 3. Under the target's UID lock: each file is renamed into the target, under a new name, since a base names a message of one mailbox; the target's
//!    directories are synced; the UIDs are appended.
//! 4. What the source's index knows goes into the target's, and the removal into its own; the source's directories are
//!    synced; answer.
//!
//! When 3 fails, what was moved is renamed back: nobody has seen it in the target, for it has no UID there.
//!
//! # What a crash can leave
//!
//! | source | target | when | what follows |
//! | --- | --- | --- | --- |
//! | there | – | before the rename is on disk | it was not moved |
//! | – | there, without a UID | after it | it gets a UID when it is first seen |
//! | – | there, with one | before the answer | the same; the source's next look finds that it is gone |
//! | there | there, one file | in the rename, where a file system makes it in two steps | it is in both, and counts once for the quota until the next recount: nothing tells which was meant |
//!
//! Each message is in one of these states, whatever the others are in: RFC 6851 §3.3 asks no more, and a log would cost a
//! sync. It is never lost, and never there in part.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use mail_message::{FlagSet, Uid, UidSet};

use super::copy::{foretell, new_base};
use super::keywords::Keywords;
use super::mailbox::MaildirMailbox;
use super::paths::{MailboxPaths, Sub};
use super::quota::{Reserved, Shift};
use super::recount;
use super::uids::{UidLock, Uids};
use super::wal::Target;
use crate::error::Result;
use crate::name::MailboxName;
use crate::quota::{Adding, QuotaUsage};
use crate::store::Copied;

/// How often keywords that somebody sets meanwhile are given letters in the target.
const ATTEMPTS_MAX: u32 = 16;

/// A message that has been moved.
struct Moved {
    uid: Uid,
    /// Where it was.
    from: PathBuf,
    sub: Sub,
    base: Arc<str>,
    to: Target,
    size: QuotaUsage,
    /// Whether it counted for the quota before, and does now.
    counted: bool,
    counts: bool,
}

/// Keeps recounts away while messages that count go from one directory to another.
struct Counting {
    source: Shift,
    target: Shift,
    /// The caller keeps them away.
    is_held: bool,
}

impl Counting {
    fn rename(&mut self, it: &Moved, rename: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        if self.is_held {
            return rename();
        }
        match (it.counted, it.counts) {
            (true, true) => self.source.remove(|| Ok(QuotaUsage::default()), rename),
            (true, false) => self.source.remove(|| Ok(it.size), rename),
            (false, true) => self.target.add(|| Ok(it.size), rename),
            (false, false) => rename(),
        }
    }

    fn rename_back(&mut self, it: &Moved, rename: impl FnOnce() -> io::Result<()>) -> io::Result<()> {
        if self.is_held {
            return rename();
        }
        match (it.counted, it.counts) {
            (true, true) => self.source.remove(|| Ok(QuotaUsage::default()), rename),
            (true, false) => self.source.add(|| Ok(it.size), rename),
            (false, true) => self.target.remove(|| Ok(it.size), rename),
            (false, false) => rename(),
        }
    }
}

pub(super) fn move_to(source: &mut MaildirMailbox, uids: &UidSet, target: &MailboxName) -> Result<Copied> {
    source.check_writable()?;
    let target = source.store.paths(target)?;
    target.check_exists()?;
    let wanted = source.select(uids);
    let (mut all, mut coming, mut stays_counted) = (FlagSet::new(), QuotaUsage::default(), false);
    for uid in &wanted {
        source.with_file(*uid, "looking at", |mailbox, place, path| {
            // Look, so that flags set by others meanwhile are found.
            let disk = mailbox.paths.env.fs();
            disk.metadata(&path)?;
            all.insert_all(&mailbox.keywords.flags(place.letters()));
            match (mailbox.paths.counts(place.letters()), target.counts(place.letters())) {
                (true, true) => stays_counted = true,
                (false, true) => coming = coming.plus(recount::message(disk, &path, place.base())?),
                (_, false) => {}
            }
            Ok(())
        })?;
    }
    let mut keywords = Keywords::load(&target)?;
    keywords.ensure(&target, &all)?;
    if stays_counted {
        target.quota.check_move(&source.paths.name, &target.name)?;
    }
    let mut reserved = target.quota.reserve(&target.name, coming, Adding::User)?;
    if let Some(reserved) = &mut reserved {
        reserved.sync()?;
    }
    source.paths.sync(&source.paths.sub(Sub::New))?;
    for uid in &wanted {
        source.settle(*uid)?;
    }

    let mut counting = Counting {
        source: Shift::new(&source.paths),
        target: Shift::new(&target),
        is_held: reserved.is_some(),
    };
    let lock = UidLock::take(&target)?;
    let mut list = Uids::load_or_create(&target, &lock, None)?;
    let mut moved = Vec::new();
    let renamed = Reserved::place_counted(&mut reserved, || {
        let renamed = rename_all(source, &wanted, &target, &mut keywords, &mut counting, &mut moved);
        if renamed.is_err() {
            rename_back(&target, &mut counting, &moved);
        }
        renamed?;
        let came = moved.iter().filter(|it| it.counts).map(|it| it.size);
        Ok(came.fold(QuotaUsage::default(), QuotaUsage::plus))
    });
    if let Err(error) = renamed {
        // As far as it can be: a crash finds each in one of the two.
        let _ = sync(&source.paths, &moved, |it| it.sub);
        return Err(error);
    }
    let given = sync(&target, &moved, |it| it.to.sub).and_then(|()| {
        let bases: Vec<_> = moved.iter().map(|it| Arc::clone(&it.base)).collect();
        list.assign(&target, &lock, &bases, None)
    });
    let given = match given {
        Ok(given) => given,
        Err(error) => {
            Reserved::take_back(&mut reserved, || rename_back(&target, &mut counting, &moved));
            let _ = sync(&source.paths, &moved, |it| it.sub);
            return Err(error);
        }
    };
    drop(lock);
    let gone: Vec<Uid> = moved.iter().map(|it| it.uid).collect();
    let pairs = gone.iter().copied().zip(given).collect();
    let copied = Copied { uid_validity: list.list.uid_validity, pairs };
    foretell(source, &target, &copied);
    // Only now: of two indexes none is locked while the other is.
    let turn = source.turn()?;
    source.record_gone(&turn, &gone, moved.iter().map(|it| it.sub).collect())?;
    Ok(copied)
}

/// Renames all into the target; what was renamed is in `moved`.
fn rename_all(
    source: &mut MaildirMailbox,
    wanted: &[Uid],
    target: &MailboxPaths,
    keywords: &mut Keywords,
    counting: &mut Counting,
    moved: &mut Vec<Moved>,
) -> Result<()> {
    for &uid in wanted {
        for _ in 0..ATTEMPTS_MAX {
            let step = source.with_file(uid, "moving", |mailbox, place, path| {
                let flags = mailbox.keywords.flags(place.letters());
                if !keywords.has(&flags) {
                    return Ok(Err(flags));
                }
                let disk = mailbox.paths.env.fs();
                let letters = keywords.letters(&flags, "");
                let base = new_base(target, place.base());
                let step = Moved {
                    uid,
                    sub: place.sub,
                    to: Target::new(&base, &letters),
                    base: base.into(),
                    size: recount::message(disk, &path, place.base())?,
                    counted: mailbox.paths.counts(place.letters()),
                    counts: target.counts(&letters),
                    from: path,
                };
                counting.rename(&step, || disk.rename(&step.from, &step.to.path(target)))?;
                Ok(Ok(step))
            })?;
            match step {
                Some(Ok(step)) => moved.push(step),
                // Somebody has just given it another keyword.
                Some(Err(flags)) => {
                    keywords.ensure(target, &flags)?;
                    continue;
                }
                // Somebody has removed it, or moved it away.
                None => {}
            }
            break;
        }
    }
    Ok(())
}

/// Renames back what was moved. What cannot be is a message of the target when that is next looked at.
fn rename_back(target: &MailboxPaths, counting: &mut Counting, moved: &[Moved]) {
    for it in moved {
        let _ = counting.rename_back(it, || target.env.fs().rename(&it.to.path(target), &it.from));
    }
}

fn sync(paths: &MailboxPaths, moved: &[Moved], sub: impl Fn(&Moved) -> Sub) -> Result<()> {
    let used: BTreeSet<Sub> = moved.iter().map(sub).collect();
    used.into_iter().try_for_each(|sub| paths.sync(&paths.sub(sub)))
}

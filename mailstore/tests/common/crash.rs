//! A life that a test plays on mbox files, with the power cut, or an operation failing, wherever that can be.

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;

use mailstore::batch::{Arrival, commit};
use mailstore::fs::sim::Fault;
use mailstore::fs::{Fs as _, SimFs};
use mailstore::mbox::{LockMethod, MboxOptions, MboxStore};
use mailstore::{Class, Delivered, Delivery, DeliveryId, MailboxName, Result, Settle, Store};
use proto_core::UnixTime;

use super::journal::TRACE;
use super::{Octets, mbox_with, message, name, seed, some_power_cuts};

/// Mailboxes without a dotlock: what it leaves in a directory that is never synced multiplies what may be found. It has a
/// test of its own.
pub fn mbox_without_dotlock(fs: &SimFs, pid: u32, settle: Option<Arc<dyn Settle>>) -> Result<MboxStore> {
    let mut options = MboxOptions::default();
    options.write_locks = vec![LockMethod::Fcntl];
    mbox_with(fs, pid, options, settle)
}

/// The delivery to the first recipient of the message of that number.
pub fn delivery_id(number: u32) -> DeliveryId {
    DeliveryId { queue_id: format!("Q{number}").parse().unwrap(), recipient: 0 }
}

/// Delivers messages of these numbers to these mailboxes, all that come at the same time; tells how each ended.
pub fn deliver_together(
    store: &dyn Store,
    mail: &[(u32, &str)],
    maybe_delivered: bool,
) -> Vec<Result<Delivered>> {
    let names: Vec<MailboxName> = mail.iter().map(|(_, to)| name(to)).collect();
    let mut bodies: Vec<Octets> = mail.iter().map(|(number, _)| Octets(message(*number))).collect();
    let arrivals = mail.iter().zip(&names).zip(&mut bodies).map(|(((number, _), mailbox), body)| {
        let (id, date) = (delivery_id(*number), UnixTime(1_700_000_000));
        Arrival { mailbox, delivery: Delivery { id, maybe_delivered, date, header: TRACE.as_bytes() }, body }
    });
    let staged = store.stage_all(&mut arrivals.collect::<Vec<_>>());
    // One that was not staged is not committed; the others are, together.
    let (mut batch, mut ended) = (Vec::new(), Vec::new());
    for staged in staged {
        ended.push(staged.map(|staged| batch.push(staged)));
    }
    let mut committed = commit(batch).into_iter();
    ended.into_iter().map(|staged| staged.and_then(|()| committed.next().unwrap())).collect()
}

/// Cuts the power before every operation that `fs` has recorded, and calls `check` with disks that may be found then, of
/// those that differ in more than the indices of mboxes: these have tests of their own.
pub fn every_power_cut_of_mailboxes(fs: &SimFs, mut check: impl FnMut(u64, &SimFs)) {
    let mut seen = HashSet::new();
    some_power_cuts(
        fs,
        12,
        |op| op,
        |op, disk| {
            if seen.insert((op, without_indices(disk).fingerprint())) {
                check(op, disk);
            }
        },
    );
}

/// The same disk without what of the mailboxes may be lost.
fn without_indices(disk: &SimFs) -> SimFs {
    let bare = disk.fork();
    let control = Path::new("/home/alice/mail/.imap/.postroom");
    for dir in [control.to_path_buf(), control.join("tmp")] {
        for entry in bare.read_dir(&dir).unwrap_or_default() {
            let name = entry.name.to_str().unwrap();
            if !entry.is_dir && (name.contains(".index") || dir != control) {
                bare.unlink(&dir.join(name)).unwrap();
            }
        }
    }
    bare
}

/// Has every operation of a life fail once, for want of room and otherwise, and calls `check` with the disk as it is then
/// and as it may be after a power cut. What ends the life must be temporary.
pub fn every_operation_fails_once<J>(play: impl Fn(&SimFs) -> (Result<()>, J), check: impl Fn(&SimFs, &J)) {
    let whole = SimFs::new();
    play(&whole).0.unwrap();
    for fault in [Fault::Io, Fault::NoSpace] {
        for op in 0..whole.ops() {
            let fs = SimFs::new();
            fs.fail_at(op, fault);
            let (played, journal) = play(&fs);
            if let Err(error) = played {
                assert_eq!(error.class(), Class::Temporary, "op {op}: {error}");
            }
            check(&fs.fork(), &journal);
            for disk in fs.crash_point().outcomes(seed(), 1).take(2) {
                check(&disk, &journal);
            }
        }
    }
}

//! Spares: files that wait to become segments, and are written over then.
//!
//! The flush of a file whose blocks have all been written before is a flush of data alone. In a new file, also one with
//! reserved room, it is one of the file system's journal too, which says what is written now, and waits for what
//! the neighbours have in the journal. So a segment of which nothing is needed is not removed: it becomes a spare.
//!
//! When there is none and the segment that is written to is half full, one is made of zeros, by whoever looks after the
//! segments; until it is there new segments are new files, small ones at first, so that the first spares come soon under
//! load, and a spool that has little to do makes none. Only [`SPARES_MAX`] are made: one segment that is written to and one that
//! is emptied meanwhile go round for ever, and while more comes than goes, zeros would be one more write of everything. What comes
//! then goes to new files, larger each time, and those become spares in their turn.
//!
//! # Order of operations
//! * A segment that is no longer needed: rename it to `spare-N`; sync `log/`; only then it may be taken. Until then it
//!   may be found as a segment after a crash, and must be whole.
//! * A spare that becomes a segment: write the prelude twice, sync; rename it; sync `log/` (`segment.rs`).
//! * One that is made: nothing is synced for its own sake. One that a crash left shorter is removed at the next start.
//!
//! A crash in a rename may leave the file both names: at the next start it is the segment, and loses the other name.
//! Whatever fails here costs a spare and nothing else.
//!
//! # Limits
//! [`SPARES_MAX`] files of the size of a segment.
//!
//! # What lies in them
//! The octets of mail that was delivered or removed stay on the disk until they are written over: in a spare, and in the
//! segment it becomes behind that segment's end, as in the free blocks that a removed file leaves, but where whoever may
//! read the spool can read them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::log::lock;
use super::segment;
use crate::env::Env;
use crate::fs::OpenMode;

/// How many spares there may be.
pub(super) const SPARES_MAX: usize = 2;

/// Zeros written at a time, and how many are made durable at a time: others' flushes wait for them.
const ZEROS_BYTES: u64 = 1 << 20;
const ZEROS_SYNCED_BYTES: u64 = 1 << 20;

/// The spares of a log.
#[derive(Debug)]
pub(super) struct Spares {
    env: Env,
    dir: PathBuf,
    /// The length of each.
    pub(super) bytes: u64,
    slots: Mutex<[Slot; SPARES_MAX]>,
    wanted: AtomicBool,
    /// How many may still be made of zeros before the next start.
    to_make: AtomicUsize,
}

/// What stands under the name of a spare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    /// Nothing that anybody needs.
    Free,
    /// A file that somebody makes or takes.
    Held,
    Ready,
}

impl Spares {
    /// The spares in `dir`, of which recovery has found these.
    pub(super) fn new(env: Env, dir: &Path, bytes: u64, found: &[usize]) -> Self {
        let slots = std::array::from_fn(|slot| if found.contains(&slot) { Slot::Ready } else { Slot::Free });
        let to_make = AtomicUsize::new(SPARES_MAX.saturating_sub(found.len()));
        let wanted = AtomicBool::new(false);
        Self { env, dir: dir.to_owned(), bytes, slots: Mutex::new(slots), wanted, to_make }
    }

    /// Lets `make` use a ready spare, if there is one. However that ends, it is none any more; if it fails, it is removed.
    pub(super) fn use_one<T>(&self, make: impl FnOnce(&Path) -> io::Result<T>) -> Option<T> {
        let slot = self.hold(Slot::Ready)?;
        let path = segment::spare_path(&self.dir, slot);
        let made = make(&path);
        if made.is_err() {
            // Best effort: what is left is written over when another file gets this name.
            let _ = self.env.fs().unlink(&path);
        }
        self.set(&[slot], Slot::Free);
        made.ok()
    }

    /// Makes a spare of a file, if there is room for another and it is of the right length. It is none before
    /// [`Spares::offer`].
    pub(super) fn keep(&self, path: &Path) -> Option<usize> {
        let fs = self.env.fs();
        if fs.metadata(path).ok()?.size != self.bytes {
            return None;
        }
        let slot = self.hold(Slot::Free)?;
        let kept = fs.rename(path, &segment::spare_path(&self.dir, slot)).is_ok();
        if !kept {
            self.set(&[slot], Slot::Free);
        }
        kept.then_some(slot)
    }

    /// These may be taken: what they were is durably gone.
    pub(super) fn offer(&self, slots: &[usize]) {
        self.set(slots, Slot::Ready);
    }

    /// Removes spares of which it is not known that they are durably nothing else.
    pub(super) fn remove(&self, slots: &[usize]) {
        for slot in slots {
            // As above.
            let _ = self.env.fs().unlink(&segment::spare_path(&self.dir, *slot));
        }
        self.set(slots, Slot::Free);
    }

    /// Says that another segment will soon be needed.
    pub(super) fn want(&self) {
        if self.to_make.load(Ordering::Relaxed) > 0 && !lock(&self.slots).contains(&Slot::Ready) {
            self.wanted.store(true, Ordering::Relaxed);
        }
    }

    /// Whether a spare shall be made.
    pub(super) fn is_wanted(&self) -> bool {
        self.wanted.load(Ordering::Relaxed)
    }

    /// Makes one if it is wanted, and there is none yet.
    pub(super) fn make_if_wanted(&self) {
        if !self.wanted.swap(false, Ordering::Relaxed) || lock(&self.slots).contains(&Slot::Ready) {
            return;
        }
        let Some(slot) = self.hold(Slot::Free) else { return };
        // One at a time: who looks after the segments does it alone.
        self.to_make.fetch_sub(1, Ordering::Relaxed);
        // One that cannot be made is done without: the disk may be full, which others will say.
        let made = self.fill(&segment::spare_path(&self.dir, slot));
        if made.is_ok() { self.offer(&[slot]) } else { self.remove(&[slot]) }
    }

    /// Writes a file of zeros.
    fn fill(&self, path: &Path) -> io::Result<()> {
        match self.env.fs().unlink(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = self.env.fs().open(path, OpenMode::CreateWrite)?;
        file.allocate(self.bytes)?;
        let zeros = vec![0; self.bytes.min(ZEROS_BYTES) as usize];
        let mut at = 0;
        while at < self.bytes {
            let bytes = (self.bytes - at).min(ZEROS_BYTES);
            file.write_at(&[&zeros[..bytes as usize]], at)?;
            at += bytes;
            if at.is_multiple_of(ZEROS_SYNCED_BYTES) || at == self.bytes {
                file.sync_data()?;
            }
        }
        Ok(())
    }

    /// Takes a slot that is like this.
    fn hold(&self, like: Slot) -> Option<usize> {
        let mut slots = lock(&self.slots);
        let slot = slots.iter().position(|slot| *slot == like)?;
        slots[slot] = Slot::Held;
        Some(slot)
    }

    fn set(&self, which: &[usize], to: Slot) {
        let mut slots = lock(&self.slots);
        which.iter().for_each(|slot| slots[*slot] = to);
    }
}

//! One telling: the untagged responses that bring the client up to the view.

use super::map::Run;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use mail_message::{FlagSet, SeqNo, Uid};

/// One untagged response about the mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// `* n EXPUNGE`.
    Expunge(SeqNo),
    /// `* n EXISTS`.
    Exists(u32),
    /// `* n RECENT`.
    Recent(u32),
    /// `* n FETCH (FLAGS (…))`.
    Flags {
        /// The message's number, after all EXPUNGEs of this telling.
        seq: SeqNo,
        /// Its UID.
        uid: Uid,
        /// Its flags without `\Recent`.
        flags: FlagSet,
    },
}

/// What [`View::tell`](super::View::tell) decided to tell, in the order in which it must be sent. It is kept as
/// runs and made into responses one by one, so that a full output can stop it at any place.
#[derive(Debug, Default)]
pub struct Telling {
    /// With the numbers from before the telling, ascending.
    pub(super) expunged: Vec<Run>,
    pub(super) exists: Option<u32>,
    pub(super) recent: Option<u32>,
    pub(super) flags: VecDeque<(SeqNo, Uid, FlagSet)>,
}

impl Telling {
    /// Whether nothing is left to tell.
    pub fn is_empty(&self) -> bool {
        self.expunged.is_empty() && self.exists.is_none() && self.recent.is_none() && self.flags.is_empty()
    }
}

impl Iterator for Telling {
    type Item = Told;

    fn next(&mut self) -> Option<Told> {
        if let Some(run) = self.expunged.last_mut() {
            // From the highest down: what lies below keeps its number.
            let seq = run.last_seq();
            match run.more.checked_sub(1) {
                Some(more) => run.more = more,
                None => drop(self.expunged.pop()),
            }
            return Some(Told::Expunge(seq));
        }
        if let Some(exists) = self.exists.take() {
            return Some(Told::Exists(exists));
        }
        if let Some(recent) = self.recent.take() {
            return Some(Told::Recent(recent));
        }
        let (seq, uid, flags) = self.flags.pop_front()?;
        Some(Told::Flags { seq, uid, flags })
    }
}

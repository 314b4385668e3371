//! When the segments are looked after, and who hears that it does not work.
//!
//! What is done then stands in `compact.rs`. Nobody waits for it: what failed is done the next time that enough has been
//! freed, and until then the log takes more room than it needs. That an administrator should know: the first failure is
//! told, another kind of failure is, and that it works again.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};

use super::log::lock;
use super::log_spool::Inner;
use crate::error::{ErrorKind, Result, StoreError};

/// Who is told of a [`SpoolNotice`]. It may be called by whoever releases a message, and must not call the spool.
pub type OnSpoolNotice = Arc<dyn Fn(&SpoolNotice) + Send + Sync>;

/// Something an administrator should know of a spool that goes on working.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum SpoolNotice {
    /// Room that is free cannot be given back.
    UpkeepFailed {
        /// Why; what to do about it stands in its text.
        error: StoreError,
    },
    /// It can again.
    UpkeepWorks,
}

impl fmt::Display for SpoolNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UpkeepFailed { error } => write!(
                f,
                "the spool cannot give back the room of mail that was delivered, and grows; it is tried again: {error}"
            ),
            Self::UpkeepWorks => write!(f, "the spool gives back the room of mail that was delivered again"),
        }
    }
}

/// Whether it is time to look after the segments.
#[derive(Default)]
pub(super) struct Upkeep {
    state: Mutex<UpkeepState>,
    wanted: Condvar,
    /// Held by whoever looks after them.
    pub(super) busy: Mutex<()>,
    notice: OnceLock<OnSpoolNotice>,
}

#[derive(Debug, Default)]
struct UpkeepState {
    wanted: bool,
    /// A thread of its own waits for it.
    thread: bool,
    /// How it failed the last time, if it did.
    failing: Option<ErrorKind>,
}

impl fmt::Debug for Upkeep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upkeep").field("state", &self.state).finish_non_exhaustive()
    }
}

impl Upkeep {
    /// Who is told; the first who is named.
    pub(super) fn on_notice(&self, notice: OnSpoolNotice) {
        let _ = self.notice.set(notice);
    }

    /// From now on a thread waits in [`Inner::keep_up`], or none does.
    pub(super) fn set_thread(&self, thread: bool) {
        lock(&self.state).thread = thread;
        self.wanted.notify_all();
    }

    fn want(&self) {
        let mut state = lock(&self.state);
        if !state.wanted {
            state.wanted = true;
            self.wanted.notify_one();
        }
    }

    /// Whether it was wanted since the last time; without a thread of its own only.
    fn is_ours(&self) -> bool {
        let mut state = lock(&self.state);
        !state.thread && std::mem::take(&mut state.wanted)
    }

    /// Waits until it is wanted; false when the thread is to end.
    fn wait(&self) -> bool {
        let state = lock(&self.state);
        let state = self.wanted.wait_while(state, |state| state.thread && !state.wanted);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        state.wanted = false;
        state.thread
    }

    fn tell(&self, result: Result<()>) {
        let mut state = lock(&self.state);
        let failing = result.as_ref().err().map(StoreError::kind);
        if std::mem::replace(&mut state.failing, failing) == failing {
            return;
        }
        drop(state);
        if let Some(notice) = self.notice.get() {
            notice(&match result {
                Ok(()) => SpoolNotice::UpkeepWorks,
                Err(error) => SpoolNotice::UpkeepFailed { error },
            });
        }
    }
}

impl Inner {
    /// Looks after the segments, unless somebody is at it.
    pub(super) fn upkeep(self: &Arc<Self>) -> Result<()> {
        let Ok(_busy) = self.upkeep.busy.try_lock() else { return Ok(()) };
        let done = self.compact();
        self.upkeep.tell(done.clone());
        done
    }

    /// Says that segments may be free, if so much has changed.
    pub(super) fn want_upkeep(&self) {
        if self.messages().take_freed(self.limits.segment_bytes / 4) || self.log.spares.is_wanted() {
            self.upkeep.want();
        }
    }

    /// Does it if it was wanted and no thread of its own does.
    pub(super) fn upkeep_if_ours(self: &Arc<Self>) {
        if self.upkeep.is_ours() {
            // It was told.
            let _ = self.upkeep();
        }
    }

    /// The thread that looks after the segments.
    pub(super) fn keep_up(self: &Arc<Self>) {
        while self.upkeep.wait() {
            // As above.
            let _ = self.upkeep();
        }
    }
}

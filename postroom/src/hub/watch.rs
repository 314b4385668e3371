//! Rooms that are told of other programs' changes.
//!
//! While somebody has a mailbox selected, the store is asked to tell of its changes. What is told is that there may be
//! some: then the room looks, and everybody there hears. A store that does not tell leaves it to the sessions to look.
//!
//! # Limits
//! A room is looked at for it five times a second at most, whatever is told; what comes meanwhile is found by the next
//! look.

use super::room::Room;
use super::rooms::Key;
use super::{Hub, Seat};
use crate::wall::Store;
use mailstore::{ErrorKind, Tell, Told};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tracing::Instrument as _;

/// The time between two looks.
const LOOKS_APART: Duration = Duration::from_millis(200);

/// The time from the end of a watch to the next: whoever puts another mailbox in its place may not be done yet.
const WATCHES_APART: Duration = Duration::from_secs(1);

/// The time to the next look after one that failed: what it did not find may be told by nothing more.
const LOOKED_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// What a room knows of its watch. The watch ends when it is dropped.
#[derive(Debug, Default)]
pub(super) struct Watching {
    task: OnceLock<AbortHandle>,
    is_told: AtomicBool,
}

impl Drop for Watching {
    fn drop(&mut self) {
        if let Some(task) = self.task.get() {
            task.abort();
        }
    }
}

/// Where the store leaves what it tells.
#[derive(Debug, Default)]
struct Ear {
    arrival: Notify,
    ended: AtomicBool,
}

impl Hub {
    /// Has the store tell of changes in the mailbox of this seat, as long as somebody is there.
    pub(crate) fn watch(&self, seat: &Seat) {
        let room = seat.room();
        room.watching.task.get_or_init(|| {
            let (store, key) = (Arc::clone(&self.store), room.key.clone());
            // Of no one session: others may be there when this one has left.
            let span =
                tracing::info_span!(parent: None, "watch", account = %key.account, mailbox = %key.name);
            tokio::spawn(listen(Arc::downgrade(&room), key, store).instrument(span)).abort_handle()
        });
    }
}

impl Room {
    /// Whether the store tells of changes now.
    pub(crate) fn is_told(&self) -> bool {
        self.watching.is_told.load(Ordering::Relaxed)
    }
}

/// Looks whenever something is told, until nobody is there or the store tells nothing more.
async fn listen(room: Weak<Room>, key: Key, store: Arc<dyn Store>) {
    loop {
        let ear = Arc::new(Ear::default());
        let at = Arc::clone(&ear);
        let tell: Tell = Arc::new(move |told| {
            at.ended.fetch_or(told == Told::Ended, Ordering::Relaxed);
            at.arrival.notify_one();
        });
        let _watch = match store.watch(&key.account, &key.name, tell).await {
            Ok(Some(watch)) => watch,
            Ok(None) => return,
            Err(error) => {
                if error.kind() != ErrorKind::NoSuchMailbox {
                    tracing::warn!(%error, "mailbox not watched; it is looked at now and then");
                }
                return;
            }
        };
        loop {
            // Also at first, for what came before the watch.
            let is_told = !ear.ended.load(Ordering::Relaxed);
            let looked = look(&room, is_told).await;
            if matches!(looked, Looked::Over) {
                return;
            }
            if !is_told {
                break;
            }
            tokio::time::sleep(LOOKS_APART).await;
            match looked {
                Looked::Failed => {
                    let _ = tokio::time::timeout(LOOKED_AGAIN_AFTER, ear.arrival.notified()).await;
                }
                _ => ear.arrival.notified().await,
            }
        }
        tokio::time::sleep(WATCHES_APART).await;
    }
}

/// What came of a look.
enum Looked {
    Done,
    /// It is to be made again.
    Failed,
    /// The room is not there any more.
    Over,
}

async fn look(room: &Weak<Room>, is_told: bool) -> Looked {
    let Some(room) = room.upgrade() else { return Looked::Over };
    room.watching.is_told.store(is_told, Ordering::Relaxed);
    let looked = match room.refresh().await {
        // Those who are there hear of that one by the end of their sessions.
        Err(error) if error.kind() != ErrorKind::NoSuchMailbox => {
            tracing::warn!(%error, "mailbox not refreshed");
            Looked::Failed
        }
        _ => Looked::Done,
    };
    if room.is_over() { Looked::Over } else { looked }
}

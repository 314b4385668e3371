//! Opened mailboxes, shared: every session on one mailbox has the same snapshot, and hears what the others do.
//!
//! The hub stands before the [`Store`]. Deliverers, IMAP and POP3 all go through it, so that what one of them changes
//! is news to the others at once:
//!
//! | change | who hears of it |
//! | --- | --- |
//! | flags, expunge by a session | every other session on that mailbox |
//! | append, copy, delivery, rename, delete | every session on the mailbox that was changed |
//! | by another program | every session: soon, where the store tells of it; else when one of them looks: on SELECT, NOOP, CHECK, and every few seconds while one idles |
//!
//! A session *enters* a mailbox and gets a [`Seat`]: the snapshot as it was at that moment, and from then on
//! [`News`]. What it changes itself is no news to it. `\Recent` is given to one session. When the last one has left,
//! the mailbox is closed.
//!
//! # Limits
//! A mailbox costs one snapshot, whatever the number of sessions: 48 octets a message and its keywords. While a
//! command reads the snapshot and somebody changes it, there are two. News cost a session a set of UIDs.
//!
//! # Departures
//! A mailbox that is deleted or renamed, also by a new name for one above it, or gets a new UIDVALIDITY, ends the
//! sessions on it (RFC 2180 section 3.3 has this among its ways). The session that deletes or renames the mailbox it
//! has selected goes on instead: its command is answered, all messages in the mailbox are expunged for it, and nothing
//! comes there any more; under the new name the mailbox has to be selected anew. RENAME of INBOX ends nobody: its
//! messages are expunged for all who are there, and INBOX stays selected.

mod room;
mod rooms;
mod seat;
mod snapshot;
mod store;
#[cfg(test)]
mod tests;
mod watch;

pub(crate) use room::Room;
pub(crate) use seat::{News, Over, Seat, SeatId};
pub(crate) use snapshot::Snapshot;

use crate::wall::{AccountId, Store};
use mail_message::UidSet;
use mailstore::{Access, MailboxName, StoreError};
use rooms::{Key, Rooms};
use std::sync::Arc;

/// The mailboxes of all accounts, with those that are open. Clones share.
#[derive(Clone)]
pub(crate) struct Hub {
    store: Arc<dyn Store>,
    rooms: Arc<Rooms>,
}

/// A mailbox that was entered.
pub(crate) struct Entered {
    pub(crate) seat: Seat,
    /// What was there at that moment; all later changes are news.
    pub(crate) snapshot: Arc<Snapshot>,
    /// What is `\Recent` in this session.
    pub(crate) recent: UidSet,
}

impl Hub {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, rooms: Arc::default() }
    }

    /// Enters a mailbox. `claims`: `\Recent` is shown to the client; who does not show it leaves it to the next.
    ///
    /// # Errors
    /// What opening or refreshing it returns; `NoSuchMailbox` among others.
    pub(crate) async fn enter(
        &self,
        account: &AccountId,
        name: &MailboxName,
        access: Access,
        claims: bool,
    ) -> Result<Entered, StoreError> {
        let key = Key { account: account.clone(), name: name.clone(), access };
        let room = self.rooms.enter(key, || self.store.open(account, name, access)).await?;
        let (seat, snapshot, recent) = room.sit(claims);
        Ok(Entered { seat, snapshot, recent })
    }

    /// Tells all who are at a mailbox to look: it was changed.
    pub(crate) async fn changed(&self, account: &AccountId, name: &MailboxName) {
        self.rooms.changed(account, name).await;
    }
}

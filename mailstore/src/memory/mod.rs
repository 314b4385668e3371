//! [`MemoryStore`]: one user's mail in memory, for tests, for doubles of a mail server, and for servers that forget.
//!
//! It keeps every promise of [`store`](crate::store) but durability: what returns `Ok` is there until the last clone of
//! the store is dropped. Mod-sequences, removals and SAVEDATE are kept; a message is octets that all its copies and
//! readers share.
//!
//! ```
//! use mail_message::FlagSet;
//! use mailstore::{Access, MailboxName, MemoryStore, RealHost, Store};
//!
//! let store = MemoryStore::new(RealHost::new("mail.example"));
//! let mut append = store.append(&MailboxName::inbox())?;
//! append.begin(&FlagSet::new(), None)?;
//! append.write(b"Subject: hello\r\n\r\nhi\r\n")?;
//! append.commit()?;
//! assert_eq!(store.open(&MailboxName::inbox(), Access::ReadOnly)?.entries().len(), 1);
//! # Ok::<(), mailstore::StoreError>(())
//! ```
//!
//! # Limits
//! [`MemoryLimits`]: octets of all messages together, copies counted each, and keywords of a mailbox. A message takes
//! its octets and about 200 more. Of removals the newest 16,384 ranges are remembered in each mailbox.
//!
//! # Departures
//! Nothing is durable. A bare LF becomes CRLF when it comes in, not when it goes out. A spool may be told of deliveries
//! ([`Settle`]) that stay, when another session takes a flag away or a mailbox of that name meanwhile.

mod append;
mod mailbox;
mod state;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use proto_core::UnixTime;

use self::append::{Incoming, MemoryAppend};
use self::mailbox::MemoryMailbox;
use self::state::{Message, State};
use crate::env::Host;
use crate::error::{ErrorKind, Result, StoreError};
use crate::name::MailboxName;
use crate::quota::Quota;
use crate::special_use::SpecialUses;
use crate::store::{
    Access, Append, Delivered, Delivery, DeliveryId, Mailbox, MailboxInfo, MessageReader, Settle, Store,
};

const CHUNK_BYTES: usize = 64 << 10;

/// What a [`MemoryStore`] holds at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryLimits {
    /// Octets of all messages; more is [`ErrorKind::OverQuota`]. Default 1 GiB.
    pub stored_bytes_max: u64,
    /// Keywords of one mailbox, whether a message carries them or not; more is [`ErrorKind::KeywordLimit`]. Default 256.
    pub keywords_max: usize,
}

impl Default for MemoryLimits {
    fn default() -> Self {
        Self { stored_bytes_max: 1 << 30, keywords_max: 256 }
    }
}

/// One user's mail in memory. Cloning shares.
#[derive(Clone)]
pub struct MemoryStore(Arc<Inner>);

struct Inner {
    host: Box<dyn Host>,
    limits: MemoryLimits,
    settle: Option<Arc<dyn Settle>>,
    state: Mutex<State>,
}

impl std::fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MemoryStore").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic in the middle of a change is a fault of ours; what is there is still whole messages.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a change after the spool was told of the deliveries that it takes away. The spool may be slow, so the lock is not
    /// held meanwhile; `going` says which they are, and fails when the change would.
    ///
    /// # Errors
    /// What the spool or either of the two says; nothing is changed then.
    fn settled<T>(
        &self,
        going: impl Fn(&State) -> Result<Vec<DeliveryId>>,
        change: impl FnOnce(&mut State) -> Result<T>,
    ) -> Result<T> {
        let Some(settle) = &self.settle else { return change(&mut self.lock()) };
        let mut settled = HashSet::new();
        loop {
            let mut state = self.lock();
            let mut going = going(&state)?;
            going.retain(|delivery| !settled.contains(delivery));
            if going.is_empty() {
                return change(&mut state);
            }
            drop(state);
            for delivery in going {
                settle.settle(&delivery)?;
                settled.insert(delivery);
            }
        }
    }

    fn utc(&self) -> UnixTime {
        UnixTime(i64::try_from(self.host.now().as_secs()).unwrap_or(i64::MAX))
    }
}

impl MemoryStore {
    /// An empty store with INBOX, whose dates come from the clock of `host`.
    pub fn new(host: impl Host + 'static) -> Self {
        Self::with(host, MemoryLimits::default(), None)
    }

    /// An empty store with INBOX. `settle` is the spool that delivers into it, if any: it hears of deliveries that
    /// readers remove.
    pub fn with(host: impl Host + 'static, limits: MemoryLimits, settle: Option<Arc<dyn Settle>>) -> Self {
        let state = Mutex::new(State::new(host.now().as_secs(), limits));
        Self(Arc::new(Inner { host: Box::new(host), limits, settle, state }))
    }
}

impl Store for MemoryStore {
    fn list(&self) -> Result<Vec<MailboxInfo>> {
        Ok(self.0.lock().list())
    }

    fn create(&self, name: &MailboxName) -> Result<()> {
        self.0.lock().create(name, self.0.host.now().as_secs())
    }

    fn delete(&self, name: &MailboxName) -> Result<()> {
        self.0.settled(|state| state.check_delete(name), |state| state.delete(name))
    }

    fn rename(&self, from: &MailboxName, to: &MailboxName) -> Result<()> {
        let now_secs = self.0.host.now().as_secs();
        self.0.settled(|state| state.check_rename(from, to), |state| state.rename(from, to, now_secs))
    }

    fn subscribe(&self, name: &MailboxName) -> Result<()> {
        self.0.lock().subscriptions.insert(name.clone());
        Ok(())
    }

    fn unsubscribe(&self, name: &MailboxName) -> Result<()> {
        self.0.lock().subscriptions.remove(name);
        Ok(())
    }

    fn subscriptions(&self) -> Result<Vec<MailboxName>> {
        Ok(self.0.lock().subscriptions.iter().cloned().collect())
    }

    fn set_special_use(&self, name: &MailboxName, uses: SpecialUses) -> Result<()> {
        self.0.lock().mailbox_mut(name)?.special_use = uses;
        Ok(())
    }

    fn open(&self, name: &MailboxName, access: Access) -> Result<Box<dyn Mailbox>> {
        Ok(Box::new(MemoryMailbox::open(Arc::clone(&self.0), name, access)?))
    }

    fn append(&self, name: &MailboxName) -> Result<Box<dyn Append>> {
        self.0.lock().mailbox(name)?;
        Ok(Box::new(MemoryAppend::new(Arc::clone(&self.0), name.clone())))
    }

    fn quota(&self) -> Result<Option<Quota>> {
        Ok(Some(self.0.lock().quota()))
    }

    fn check_quota(&self, _: &MailboxName, bytes: u64) -> Result<()> {
        self.0.lock().check_room(bytes)
    }

    fn deliver(
        &self,
        name: &MailboxName,
        delivery: &Delivery<'_>,
        body: &mut dyn MessageReader,
    ) -> Result<Delivered> {
        if self.0.lock().mailbox(name)?.has_delivery(&delivery.id) {
            return already_there(delivery);
        }
        let mut incoming = Incoming::default();
        incoming.write(delivery.header, 0, &self.0)?;
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut offset = 0;
        while offset < body.size_bytes() {
            let n = body.read_at(offset, &mut chunk)?;
            if n == 0 {
                return Err(StoreError::new(
                    ErrorKind::Io,
                    "reading the body",
                    "it is shorter than it was said",
                ));
            }
            incoming.write(&chunk[..n], 0, &self.0)?;
            offset += n as u64;
        }
        let mut message = Message::new(incoming.finish(), delivery.date, self.0.utc());
        message.delivery = Some(delivery.id.clone());
        let mut state = self.0.lock();
        // Another may have made it meanwhile.
        if state.mailbox(name)?.has_delivery(&delivery.id) {
            return already_there(delivery);
        }
        state.add(name, vec![message])?;
        Ok(Delivered::Stored)
    }
}

/// What comes of a delivery that has been made, or of another message under its id.
fn already_there(delivery: &Delivery<'_>) -> Result<Delivered> {
    if delivery.maybe_delivered {
        return Ok(Delivered::AlreadyThere);
    }
    let cause = "a message was delivered under this id already";
    Err(StoreError::new(ErrorKind::DuplicateDelivery, "delivering", cause))
}

/// Octets in memory, as they are: their lines must end in CRLF already.
impl MessageReader for Bytes {
    fn size_bytes(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or_default();
        let n = rest.len().min(buf.len());
        buf[..n].copy_from_slice(&rest[..n]);
        Ok(n)
    }
}

//! The hub as a [`Store`]: the one behind it, and everybody concerned hears of the changes.

use super::Hub;
use crate::wall::{AccountId, Append, Delivery, Later, Opened, Store, StoreResult};
use bytes::Bytes;
use mail_message::FlagSet;
use mailstore::{
    Access, Appended, Delivered, MailboxInfo, MailboxName, MailboxStatus, MessageReader, StoreError, Tell,
    Watch,
};
use proto_core::UnixTime;
use std::sync::Arc;
use tracing::Instrument as _;

impl Hub {
    /// Does something to a mailbox, then has those who are there look.
    fn changing<T: Send + 'static>(
        &self,
        account: &AccountId,
        names: Vec<MailboxName>,
        change: StoreResult<T>,
    ) -> StoreResult<T> {
        let (hub, account) = (self.clone(), account.clone());
        Box::pin(async move {
            let done = change.await?;
            for name in names {
                hub.changed(&account, &name).await;
            }
            Ok(done)
        })
    }
}

impl Store for Hub {
    fn list(&self, account: &AccountId) -> StoreResult<Vec<MailboxInfo>> {
        self.store.list(account)
    }

    fn create(&self, account: &AccountId, name: &MailboxName) -> StoreResult<()> {
        self.store.create(account, name)
    }

    fn delete(&self, account: &AccountId, name: &MailboxName) -> StoreResult<()> {
        self.changing(account, vec![name.clone()], self.store.delete(account, name))
    }

    fn rename(&self, account: &AccountId, from: &MailboxName, to: &MailboxName) -> StoreResult<()> {
        let renaming = self.store.rename(account, from, to);
        let (hub, account, from) = (self.clone(), account.clone(), from.clone());
        Box::pin(async move {
            renaming.await?;
            for name in hub.rooms.at_or_below(&account, &from) {
                hub.changed(&account, &name).await;
            }
            Ok(())
        })
    }

    fn subscribe(&self, account: &AccountId, name: &MailboxName, subscribed: bool) -> StoreResult<()> {
        self.store.subscribe(account, name, subscribed)
    }

    fn subscriptions(&self, account: &AccountId) -> StoreResult<Vec<MailboxName>> {
        self.store.subscriptions(account)
    }

    fn open(&self, account: &AccountId, name: &MailboxName, access: Access) -> StoreResult<Opened> {
        self.store.open(account, name, access)
    }

    fn status(&self, account: &AccountId, name: &MailboxName) -> StoreResult<MailboxStatus> {
        self.store.status(account, name)
    }

    /// Those who are at the mailbox have been told when the commit returns: a client that appends to the mailbox it
    /// has selected hears of the message before the answer (RFC 3501 section 6.3.11).
    fn append(&self, account: &AccountId, name: &MailboxName) -> StoreResult<Box<dyn Append>> {
        let begun = self.store.append(account, name);
        let (hub, account, name) = (self.clone(), account.clone(), name.clone());
        Box::pin(async move { Ok(Box::new(Announced { append: begun.await?, hub, account, name }) as _) })
    }

    fn settled(&self) -> Later<'static, ()> {
        let (rooms, store) = (Arc::clone(&self.rooms), Arc::clone(&self.store));
        Box::pin(async move {
            rooms.empty().await;
            store.settled().await;
        })
    }

    fn check_quota(&self, account: &AccountId, name: &MailboxName, bytes: u64) -> StoreResult<()> {
        self.store.check_quota(account, name, bytes)
    }

    fn deliver(
        &self,
        account: &AccountId,
        name: &MailboxName,
        delivery: Delivery,
        body: Box<dyn MessageReader>,
    ) -> StoreResult<Delivered> {
        let delivering = self.store.deliver(account, name, delivery, body);
        let (hub, account, name) = (self.clone(), account.clone(), name.clone());
        Box::pin(async move {
            let delivered = delivering.await?;
            // The deliverer need not wait until readers have looked. Who opens the mailbox from here on finds the message.
            if hub.rooms.is_open(&account, &name) {
                tokio::spawn(async move { hub.changed(&account, &name).await }.in_current_span());
            }
            Ok(delivered)
        })
    }

    fn delivers_to_files(&self) -> bool {
        self.store.delivers_to_files()
    }

    fn deliver_to_file(
        &self,
        path: &str,
        delivery: Delivery,
        body: Box<dyn MessageReader>,
    ) -> StoreResult<Delivered> {
        self.store.deliver_to_file(path, delivery, body)
    }

    fn watch(&self, account: &AccountId, name: &MailboxName, tell: Tell) -> StoreResult<Option<Watch>> {
        self.store.watch(account, name, tell)
    }
}

/// An append whose commit is news.
struct Announced {
    append: Box<dyn Append>,
    hub: Hub,
    account: AccountId,
    name: MailboxName,
}

impl Append for Announced {
    fn begin(&mut self, flags: FlagSet, date: Option<UnixTime>) -> StoreResult<()> {
        self.append.begin(flags, date)
    }

    fn write(&mut self, octets: Bytes) -> StoreResult<()> {
        self.append.write(octets)
    }

    fn commit(self: Box<Self>) -> StoreResult<Appended> {
        let Self { append, hub, account, name } = *self;
        // To its end, whether or not the session waits for it: the message is there, so others must hear of it.
        let task = tokio::spawn(
            async move {
                let appended = append.commit().await?;
                hub.changed(&account, &name).await;
                Ok(appended)
            }
            .in_current_span(),
        );
        Box::pin(
            async move { task.await.unwrap_or_else(|_| Err(StoreError::from(crate::blocking::JobLost))) },
        )
    }
}

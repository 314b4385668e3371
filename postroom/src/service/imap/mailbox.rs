//! CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, STATUS.
//!
//! RFC 3501 sections 6.3.3–6.3.7 and 6.3.10. CREATE and RENAME make the levels above that are missing.

use super::list::ancestors;
use super::refusal::{refusal, refused};
use super::{ImapService, User, name};
use crate::service::told;
use crate::wall::Store as _;
use imap_proto::server::{Create, Delete, Refusal, Rename, Server, Status, Subscribe, Unsubscribe};
use imap_proto::types::{MailboxName, StatusItem};
use imap_proto::view::Change;
use mailstore::ErrorKind;
use proto_core::{Ask, Now};

impl ImapService {
    pub(super) fn create(&mut self, server: &mut Server, now: Now, ask: Ask<Create>) {
        self.answer_user(server, now, ask, |user, create| {
            let mailbox = create.mailbox.clone();
            async move {
                let stored = name::to_store(&mailbox)?;
                create_levels_above(&user, &mailbox).await?;
                user.hub.create(&user.account, &stored).await.map_err(refused("creating a mailbox"))?;
                tracing::info!(%mailbox, "mailbox created");
                Ok(())
            }
        });
    }

    pub(super) fn delete(&mut self, server: &mut Server, now: Now, ask: Ask<Delete>) {
        let Some(user) = self.user.clone() else {
            return told(server.answer(now, ask, Err(super::UNAVAILABLE)));
        };
        let mailbox = ask.detail.mailbox.clone();
        // A session may delete the mailbox that it has selected itself, and goes on: all messages in it are gone.
        if self.selection.as_ref().is_some_and(|selection| selection.name == mailbox)
            && let Some(selection) = self.selection.take()
        {
            let uids = selection.seat.snapshot().uids();
            let deleted = delete(user, mailbox);
            return self.begin(deleted, move |service, server, now, verdict| {
                match verdict {
                    Ok(()) => told(server.notify(now, Change::Vanished { uids })),
                    Err(_) => service.selection = Some(selection),
                }
                told(server.answer(now, ask, verdict));
            });
        }
        self.answer_with(ask, delete(user, mailbox));
    }

    pub(super) fn rename(&mut self, server: &mut Server, now: Now, ask: Ask<Rename>) {
        self.answer_user(server, now, ask, |user, rename| {
            let Rename { from, to, .. } = rename.clone();
            async move {
                let (stored, target) = (name::to_store(&from)?, name::to_store(&to)?);
                create_levels_above(&user, &to).await?;
                let renamed = user.hub.rename(&user.account, &stored, &target).await;
                renamed.map_err(refused("renaming a mailbox"))?;
                tracing::info!(%from, %to, "mailbox renamed");
                Ok(())
            }
        });
    }

    pub(super) fn subscribe(&mut self, server: &mut Server, now: Now, ask: Ask<Subscribe>) {
        self.answer_user(server, now, ask, |user, ask| subscribed(user, ask.mailbox.clone(), true));
    }

    pub(super) fn unsubscribe(&mut self, server: &mut Server, now: Now, ask: Ask<Unsubscribe>) {
        self.answer_user(server, now, ask, |user, ask| subscribed(user, ask.mailbox.clone(), false));
    }

    pub(super) fn status(&mut self, server: &mut Server, now: Now, ask: Ask<Status>) {
        self.answer_user(server, now, ask, |user, status| {
            let Status { mailbox, items, .. } = status.clone();
            async move {
                let stored = name::to_store(&mailbox)?;
                let status = user.hub.status(&user.account, &stored).await;
                let status = status.map_err(refused("counting a mailbox"))?;
                let value = |item| {
                    Some(u64::from(match item {
                        StatusItem::Messages => status.messages,
                        StatusItem::Recent => status.recent,
                        StatusItem::UidNext => status.uid_next.get(),
                        StatusItem::UidValidity => status.uid_validity.get(),
                        StatusItem::Unseen => status.unseen,
                        _ => return None,
                    }))
                };
                Ok(items.into_iter().filter_map(|item| Some((item, value(item)?))).collect())
            }
        });
    }
}

async fn delete(user: User, mailbox: MailboxName) -> Result<(), Refusal> {
    let stored = name::to_store(&mailbox)?;
    user.hub.delete(&user.account, &stored).await.map_err(refused("deleting a mailbox"))?;
    tracing::info!(%mailbox, "mailbox deleted");
    Ok(())
}

async fn subscribed(user: User, mailbox: MailboxName, subscribed: bool) -> Result<(), Refusal> {
    let stored = name::to_store(&mailbox)?;
    let done = user.hub.subscribe(&user.account, &stored, subscribed).await;
    done.map_err(refused("changing subscriptions"))
}

/// RFC 3501 section 6.3.3: with a name come the levels above it that do not exist.
async fn create_levels_above(user: &User, mailbox: &MailboxName) -> Result<(), Refusal> {
    let mut levels: Vec<MailboxName> = ancestors(mailbox).filter(|level| !level.is_inbox()).collect();
    levels.reverse();
    for level in levels {
        match user.hub.create(&user.account, &name::to_store(&level)?).await {
            Err(error) if error.kind() != ErrorKind::MailboxExists => {
                return Err(refusal("creating a mailbox above another", &error));
            }
            _ => {}
        }
    }
    Ok(())
}

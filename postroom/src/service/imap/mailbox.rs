//! CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, STATUS.
//!
//! RFC 3501 sections 6.3.3–6.3.7 and 6.3.10. CREATE and RENAME make the levels above that are missing.

use super::list::ancestors;
use super::refusal::{refusal, refused};
use super::select::Selection;
use super::{ImapService, User, name};
use crate::service::told;
use crate::wall::Store as _;
use imap_proto::server::{
    Answerable, Create, Delete, Refusal, Rename, Server, Status, Subscribe, Unsubscribe, Verdict,
};
use imap_proto::types::{MailboxName, StatusItem};
use imap_proto::view::Change;
use mail_message::Uid;
use mailstore::ErrorKind;
use proto_core::{Ask, Now, Question};

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
        let own = self.selection.as_ref().is_some_and(|selection| selection.name == mailbox);
        self.take_away(own, ask, delete(user, mailbox));
    }

    pub(super) fn rename(&mut self, server: &mut Server, now: Now, ask: Ask<Rename>) {
        let Some(user) = self.user.clone() else {
            return told(server.answer(now, ask, Err(super::UNAVAILABLE)));
        };
        let Rename { from, to, .. } = ask.detail.clone();
        // INBOX stays, as do those below it: only its messages move (RFC 3501 section 6.3.5), which is news like any.
        let own = !from.is_inbox()
            && self.selection.as_ref().is_some_and(|Selection { name, .. }| {
                *name == from || ancestors(name).any(|above| above == from)
            });
        self.take_away(own, ask, rename(user, from, to));
    }

    /// Does what takes a mailbox from its name. A session may do that to the one that it has selected itself (`own`),
    /// and goes on: all messages in it are gone.
    fn take_away<Q>(&mut self, own: bool, ask: Ask<Q>, work: impl Future<Output = Verdict> + Send + 'static)
    where
        Q: Answerable + Question<Verdict = Verdict> + Send + 'static,
    {
        // Meanwhile nothing is heard of the mailbox, its end least of all.
        let Some(selection) = self.selection.take_if(|_| own) else {
            return self.answer_with(ask, work);
        };
        self.begin(work, move |service, server, now, verdict| {
            match verdict {
                Ok(()) => {
                    service.looked_at = None;
                    // Also those that are still news to the client, or that others have removed just now.
                    let uids = [Uid::MIN..=Uid::MAX].into_iter().collect();
                    told(server.notify(now, Change::Vanished { uids }));
                }
                Err(_) => service.selection = Some(selection),
            }
            told(server.answer(now, ask, verdict));
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

async fn rename(user: User, from: MailboxName, to: MailboxName) -> Result<(), Refusal> {
    let (stored, target) = (name::to_store(&from)?, name::to_store(&to)?);
    create_levels_above(&user, &to).await?;
    let renamed = user.hub.rename(&user.account, &stored, &target).await;
    renamed.map_err(refused("renaming a mailbox"))?;
    tracing::info!(%from, %to, "mailbox renamed");
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

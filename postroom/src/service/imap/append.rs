//! APPEND.
//!
//! RFC 3501 section 6.3.11, RFC 4315 section 3 (APPENDUID). Octets go to the store as they come; the next ones are
//! taken when these are down. A store that fails on the way is told to the client at the end.
//!
//! # Limits
//! Chunks are gathered up to 64 KiB, so that a small message crosses to a store thread once.

use super::refusal::{refused, refused_message};
use super::{ImapService, UNAVAILABLE, name};
use crate::service::told;
use crate::wall::{AccountId, Append, Store as _};
use bytes::Bytes;
use imap_proto::server::{AppendBegin, AppendEnd, Appended, Refusal, Server};
use imap_proto::types::MailboxName;
use mailstore::StoreError;
use proto_core::{Ask, Now};

/// A message that comes.
pub(super) struct Incoming {
    /// `None` while octets are on their way down.
    append: Option<Result<Box<dyn Append>, StoreError>>,
    pending: Vec<u8>,
    /// Where it is to go.
    account: AccountId,
    mailbox: MailboxName,
}

/// How much is gathered before it goes to the store.
const PENDING_BYTES_MAX: usize = 64 * 1024;

impl Incoming {
    /// Whether octets are on their way down, so that no more can be taken.
    pub(super) fn is_writing(&self) -> bool {
        self.append.is_none()
    }
}

impl ImapService {
    pub(super) fn append(&mut self, server: &mut Server, now: Now, ask: Ask<AppendBegin>) {
        let Some(user) = self.user.clone() else {
            return told(server.answer(now, ask, Err(UNAVAILABLE)));
        };
        let AppendBegin { mailbox, flags, date, .. } = ask.detail.clone();
        let account = user.account.clone();
        let target = mailbox.clone();
        let begun = async move {
            let stored = name::to_store(&mailbox)?;
            let mut append =
                user.hub.append(&user.account, &stored).await.map_err(refused("beginning an append"))?;
            let begun = append.begin(flags, date.map(|date| date.to_unix())).await;
            begun.map_err(refused("beginning an append"))?;
            Ok(append)
        };
        self.begin(begun, move |service, server, now, begun: Result<_, Refusal>| {
            let verdict = begun.map(|append| {
                let (append, pending) = (Some(Ok(append)), Vec::new());
                service.incoming = Some(Incoming { append, pending, account, mailbox: target });
            });
            told(server.answer(now, ask, verdict));
        });
    }

    pub(super) fn append_octets(&mut self, octets: Bytes) {
        let Some(incoming) = &mut self.incoming else { return };
        if !matches!(incoming.append, Some(Ok(_))) {
            // What comes after a failure is let go by.
            return;
        }
        incoming.pending.extend_from_slice(&octets);
        if incoming.pending.len() < PENDING_BYTES_MAX {
            return;
        }
        let (append, pending) = (incoming.append.take(), std::mem::take(&mut incoming.pending));
        let written = write(append, pending);
        self.begin(written, |service, _, _, written| {
            if let Some(incoming) = &mut service.incoming {
                incoming.append = Some(written);
            }
        });
    }

    pub(super) fn append_end(&mut self, server: &mut Server, now: Now, ask: Ask<AppendEnd>) {
        let Some(Incoming { append, pending, account, mailbox }) = self.incoming.take() else {
            return told(server.answer(now, ask, Err(UNAVAILABLE)));
        };
        let octets = ask.detail.octets;
        let committed = async move {
            let committed = match write(append, pending).await {
                Ok(append) => append.commit().await,
                Err(error) => Err(error),
            };
            let appended =
                committed.map_err(|error| refused_message(&account, &mailbox, Some(octets), &error))?;
            tracing::info!(octets, uids = ?appended.uids, "message appended");
            let uid_validity = appended.uid_validity;
            Ok(appended.uids.first().map(|&uid| Appended { uid_validity, uid }))
        };
        self.answer_with(ask, committed);
    }
}

async fn write(
    append: Option<Result<Box<dyn Append>, StoreError>>,
    octets: Vec<u8>,
) -> Result<Box<dyn Append>, StoreError> {
    let mut append = append.unwrap_or_else(|| Err(crate::blocking::JobLost.into()))?;
    if !octets.is_empty() {
        append.write(octets.into()).await?;
    }
    Ok(append)
}

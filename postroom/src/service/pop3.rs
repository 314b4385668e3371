//! Answers a POP3 session from the account's INBOX.
//!
//! The maildrop is the INBOX as it was when it was opened; it is not locked: what others remove meanwhile is told as
//! gone. A unique id is the message's UID and UIDVALIDITY, eight hexadecimal digits each, as Dovecot makes them by
//! default, so that an adopted Maildir keeps its unique ids.
//!
//! # Limits
//! One chunk of a message is in memory at a time.
//!
//! # Departures
//! RFC 1939 section 4 wants the maildrop locked. A lock would keep IMAP sessions out, or be worth nothing. RETR leaves
//! `\Seen` alone.

use super::login::login;
use super::{Backends, told};
use crate::driver::{Service, Work};
use crate::hub::Hub;
use crate::wall::{AccountId, Mailbox, MessageReader, Store};
use bytes::Bytes;
use mail_message::{Uid, UidSet, UidValidity};
use mailstore::{Access, ErrorKind, Expunge, MailboxName, StoreError};
use pop3_proto::server::{
    Commit, CommitRefusal, Event, OpenMaildrop, OpenRefusal, Retrieve, RetrieveRefusal, Server,
};
use pop3_proto::{Message, Uidl};
use proto_core::sasl::Authenticate;
use proto_core::{Ask, Backend, CloseReason, Now};
use std::sync::Arc;

/// One session's answers.
pub(crate) struct Pop3Service {
    backends: Backends,
    account: Option<AccountId>,
    maildrop: Option<Maildrop>,
    body: Option<Body>,
    work: Work<Finish>,
}

type Finish = super::Finish<Pop3Service, Server>;

/// The INBOX, opened; message `index` has UID `uids[index]`.
struct Maildrop {
    mailbox: Arc<dyn Mailbox>,
    uids: Vec<Uid>,
    messages: Vec<Message>,
}

/// A message on its way out.
struct Body {
    reader: Arc<dyn MessageReader>,
    /// Where the next chunk begins.
    offset: u64,
    chunk: Bytes,
}

/// How much of a message is read at a time.
const CHUNK_BYTES: usize = 64 * 1024;

impl Pop3Service {
    pub(crate) fn new(backends: Backends) -> Self {
        Self { backends, account: None, maildrop: None, body: None, work: Work::default() }
    }

    fn authenticate(&mut self, ask: Ask<Authenticate>) {
        let directory = Arc::clone(&self.backends.directory);
        let credentials = ask.detail.credentials.clone();
        self.work.start(async move {
            let (verdict, account) = login(&*directory, credentials).await;
            Box::new(move |service: &mut Self, server: &mut Server, now: Now| {
                service.account = account;
                told(server.answer(now, ask, verdict));
            }) as Finish
        });
    }

    fn open(&mut self, server: &mut Server, now: Now, ask: Ask<OpenMaildrop>) {
        let (Some(store), Some(account)) = (self.backends.store.clone(), self.account.clone()) else {
            return told(server.answer(now, ask, Err(OpenRefusal::Backend(Backend::TEMPORARY))));
        };
        self.work.start(async move {
            let opened = open(&store, &account).await;
            Box::new(move |service: &mut Self, server: &mut Server, now: Now| {
                let verdict = match opened {
                    Ok(mut maildrop) => {
                        let messages = std::mem::take(&mut maildrop.messages);
                        service.maildrop = Some(maildrop);
                        Ok(messages)
                    }
                    Err(error) => Err(OpenRefusal::Backend(failed("opening the maildrop", &error))),
                };
                told(server.answer(now, ask, verdict));
            }) as Finish
        });
    }

    fn retrieve(&mut self, server: &mut Server, now: Now, ask: Ask<Retrieve>) {
        let found = self.maildrop.as_ref().and_then(|maildrop| {
            Some((Arc::clone(&maildrop.mailbox), *maildrop.uids.get(ask.detail.index)?))
        });
        let Some((mailbox, uid)) = found else {
            return told(server.answer(now, ask, Err(RetrieveRefusal::Gone)));
        };
        self.work.start(async move {
            let opened = mailbox.message(uid).await;
            Box::new(move |service: &mut Self, server: &mut Server, now: Now| {
                let verdict = match opened {
                    Ok(reader) => {
                        service.body = Some(Body { reader, offset: 0, chunk: Bytes::new() });
                        Ok(())
                    }
                    Err(error) if error.kind() == ErrorKind::NoSuchMessage => Err(RetrieveRefusal::Gone),
                    Err(error) => Err(RetrieveRefusal::Backend(failed("opening a message", &error))),
                };
                told(server.answer(now, ask, verdict));
            }) as Finish
        });
    }

    fn commit(&mut self, server: &mut Server, now: Now, ask: Ask<Commit>) {
        let refused = |ask: &Ask<Commit>, backend| {
            Err(CommitRefusal { not_removed: ask.detail.deleted.clone(), backend })
        };
        let Some(maildrop) = &self.maildrop else {
            let verdict = refused(&ask, Backend::TEMPORARY);
            return told(server.answer(now, ask, verdict));
        };
        let uids: UidSet =
            ask.detail.deleted.iter().filter_map(|&index| maildrop.uids.get(index).copied()).collect();
        let mailbox = Arc::clone(&maildrop.mailbox);
        self.work.start(async move {
            let removed = mailbox.expunge(uids, Expunge::Any).await;
            Box::new(move |_: &mut Self, server: &mut Server, now: Now| {
                let verdict = match removed {
                    Ok(removed) => {
                        tracing::info!(removed = removed.len(), "messages removed");
                        Ok(())
                    }
                    Err(error) => refused(&ask, failed("removing messages", &error)),
                };
                told(server.answer(now, ask, verdict));
            }) as Finish
        });
    }

    /// Gives the machine as much of the message as it takes, and reads on when the chunk is used up.
    fn stream(&mut self, server: &mut Server, now: Now) {
        let Some(body) = self.body.as_mut().filter(|_| !self.work.is_busy()) else { return };
        while !body.chunk.is_empty() && server.body_room() > 0 {
            match server.write_body(now, &body.chunk) {
                Ok(taken) => drop(body.chunk.split_to(taken)),
                // The session has ended meanwhile.
                Err(_) => return self.body = None,
            }
        }
        if server.is_body_satisfied() || (body.chunk.is_empty() && body.offset >= body.reader.size_bytes()) {
            self.body = None;
            return told(server.finish_body(now).map(drop));
        }
        if body.chunk.is_empty() {
            let (reader, offset) = (Arc::clone(&body.reader), body.offset);
            self.work.start(async move {
                let read = reader.read_at(offset, CHUNK_BYTES).await;
                Box::new(move |service: &mut Self, server: &mut Server, _: Now| service.arrived(server, read))
                    as Finish
            });
        }
    }

    fn arrived(&mut self, server: &mut Server, read: Result<Bytes, StoreError>) {
        let Some(body) = &mut self.body else { return };
        match read {
            Ok(chunk) if !chunk.is_empty() => {
                body.offset += chunk.len() as u64;
                body.chunk = chunk;
            }
            read => {
                // Nothing fake may stand in place of what cannot be read.
                let why =
                    read.err().map_or_else(|| "the message is shorter than it was".into(), |e| e.to_string());
                tracing::error!(why, "message cannot be read");
                self.body = None;
                told(server.abort_body("the message cannot be read"));
            }
        }
    }
}

async fn open(store: &Hub, account: &AccountId) -> Result<Maildrop, StoreError> {
    let opened = store.open(account, &MailboxName::inbox(), Access::ReadWrite).await?;
    let uids = opened.entries.iter().map(|entry| entry.uid).collect();
    let found = opened.mailbox.meta(uids).await?;
    let uids = found.iter().map(|(uid, _)| *uid).collect();
    let messages = found
        .into_iter()
        .map(|(uid, meta)| Message { octets: meta.size_bytes, uidl: uidl(uid, opened.uid_validity) })
        .collect();
    Ok(Maildrop { mailbox: opened.mailbox, uids, messages })
}

fn uidl(uid: Uid, validity: UidValidity) -> Uidl {
    Uidl::new(format!("{:08x}{:08x}", uid.get(), validity.get())).expect("invariant: sixteen digits")
}

/// The form of a failure that a client may see; the log has the rest.
fn failed(doing: &'static str, error: &StoreError) -> Backend {
    tracing::error!(%error, doing, "store failed");
    error.to_backend()
}

impl Service<Server> for Pop3Service {
    fn event(&mut self, server: &mut Server, now: Now, event: Event) {
        match event {
            Event::Authenticate(ask) => self.authenticate(ask),
            Event::OpenMaildrop(ask) => self.open(server, now, ask),
            Event::Retrieve(ask) => self.retrieve(server, now, ask),
            Event::Commit(ask) => self.commit(server, now, ask),
            // The session is about to end.
            _ => {}
        }
    }

    async fn wait(&mut self) {
        self.work.wait().await;
    }

    fn resume(&mut self, server: &mut Server, now: Now) {
        if let Some(finish) = self.work.take() {
            finish(self, server, now);
        }
        self.stream(server, now);
    }

    fn ended(&mut self, reason: &CloseReason) {
        tracing::debug!(%reason, "session ended");
    }
}

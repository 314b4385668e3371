//! Answers a POP3 session from the account's INBOX.
//!
//! The maildrop is the INBOX as it was when it was opened; it is not locked: what others remove meanwhile is told as
//! gone, and what comes meanwhile is there after the next login. What is removed here, IMAP sessions hear of at once.
//!
//! A unique id is the message's UID and UIDVALIDITY, eight hexadecimal digits each and so with no need for a separator,
//! as Dovecot makes them by default: an adopted Maildir keeps its unique ids. A message that had another one at another
//! server, and whose store knows it, keeps that one.
//!
//! Messages that RETR has given get `\Seen` when the session ends, however it ends, as Dovecot does it unless it is told
//! not to (`pop3_no_flag_updates`). `\Recent` is left to IMAP sessions.
//!
//! # Limits
//! One chunk of a message is in memory at a time.
//!
//! # Departures
//! RFC 1939 section 4 wants the maildrop locked. A lock would keep IMAP sessions out, or be worth nothing.

use super::login::{login, login_failed};
use super::{Backends, told};
use crate::driver::{Service, Work};
use crate::hub::{Entered, Hub, Seat};
use crate::wall::{AccountId, MessageReader};
use bytes::Bytes;
use mail_message::{Flag, Uid, UidSet, UidValidity};
use mailstore::{Access, ErrorKind, Expunge, FlagChange, MailboxName, StoreError};
use pop3_proto::server::{
    Commit, CommitRefusal, Event, OpenMaildrop, OpenRefusal, Retrieve, RetrieveRefusal, Server,
};
use pop3_proto::{Message, Uidl};
use proto_core::sasl::Authenticate;
use proto_core::{Ask, Backend, CloseReason, Now, TlsInfo};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// One session's answers.
pub(crate) struct Pop3Service {
    backends: Backends,
    tls: Option<TlsInfo>,
    account: Option<AccountId>,
    maildrop: Option<Maildrop>,
    body: Option<Body>,
    work: Work<Finish>,
}

type Finish = super::Finish<Pop3Service, Server>;

/// The INBOX, opened; message `index` has UID `uids[index]`.
struct Maildrop {
    seat: Seat,
    uids: Vec<Uid>,
    messages: Vec<Message>,
    /// Those that RETR has given.
    given: UidSet,
}

/// A message on its way out.
struct Body {
    /// For RETR, which message this is.
    given: Option<Uid>,
    reader: Arc<dyn MessageReader>,
    /// Where the next chunk begins.
    offset: u64,
    chunk: Bytes,
}

/// How much of a message is read at a time.
const CHUNK_BYTES: usize = 64 * 1024;

impl Pop3Service {
    pub(crate) fn new(backends: Backends) -> Self {
        Self { backends, tls: None, account: None, maildrop: None, body: None, work: Work::default() }
    }

    fn authenticate(&mut self, ask: Ask<Authenticate>) {
        let directory = Arc::clone(&self.backends.walls.directory);
        let (asked, tls) = (ask.detail.clone(), self.tls.clone());
        self.work.start(async move {
            let (verdict, account) = login(&*directory, asked, tls).await;
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
        let found = self
            .maildrop
            .as_ref()
            .and_then(|maildrop| Some((maildrop.seat.mailbox(), *maildrop.uids.get(ask.detail.index)?)));
        let Some((mailbox, uid)) = found else {
            return told(server.answer(now, ask, Err(RetrieveRefusal::Gone)));
        };
        self.work.start(async move {
            let opened = mailbox.message(uid).await;
            Box::new(move |service: &mut Self, server: &mut Server, now: Now| {
                let verdict = match opened {
                    Ok(reader) => {
                        let given = ask.detail.top_lines.is_none().then_some(uid);
                        service.body = Some(Body { given, reader, offset: 0, chunk: Bytes::new() });
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
        let Some(maildrop) = &self.maildrop else {
            let not_removed = ask.detail.deleted.clone();
            let refusal = CommitRefusal { not_removed, backend: Backend::TEMPORARY };
            return told(server.answer(now, ask, Err(refusal)));
        };
        let uids: UidSet =
            ask.detail.deleted.iter().filter_map(|&index| maildrop.uids.get(index).copied()).collect();
        let (room, by) = (maildrop.seat.room(), maildrop.seat.id());
        let removed = async move {
            let Err(error) = room.expunge(by, uids, Expunge::Any).await else { return Ok(()) };
            // Some of them may be gone: what the store then says is what the client is told.
            let _ = room.refresh().await;
            Err(error)
        };
        self.work.start(async move {
            let removed = removed.await;
            Box::new(move |service: &mut Self, server: &mut Server, now: Now| {
                let verdict = removed.map_err(|error| {
                    let left = |index: &usize| service.maildrop.as_ref().is_some_and(|m| m.is_there(*index));
                    let not_removed = ask.detail.deleted.iter().copied().filter(left).collect();
                    CommitRefusal { not_removed, backend: failed("removing messages", &error) }
                });
                tracing::info!(
                    messages = ask.detail.deleted.len(),
                    done = verdict.is_ok(),
                    "messages removed"
                );
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
            if let (Some(given), Some(maildrop)) = (body.given, &mut self.maildrop) {
                maildrop.given.extend([given]);
            }
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

async fn open(hub: &Hub, account: &AccountId) -> Result<Maildrop, StoreError> {
    let entered = hub.enter(account, &MailboxName::inbox(), Access::ReadWrite, false).await?;
    let Entered { seat, snapshot, .. } = entered;
    let mailbox = seat.mailbox();
    let found = mailbox.meta(snapshot.entries().iter().map(|entry| entry.uid).collect()).await?;
    let uids: Vec<Uid> = found.iter().map(|(uid, _)| *uid).collect();
    let unterminated = mailbox.unterminated(uids.clone()).await?;
    let mut told: HashMap<Uid, String> = mailbox.pop3_uidls().await?.into_iter().collect();
    let mut given = HashSet::new();
    let messages = found.into_iter().map(|(uid, meta)| {
        // Of two messages under one id a client fetches one.
        let told =
            told.remove(&uid).and_then(|told| Uidl::new(told).ok()).filter(|told| given.insert(told.clone()));
        // RFC 1939 section 11: the size is that of what is sent, and that ends in a line end.
        let line_end = if unterminated.contains(uid) { 2 } else { 0 };
        let uidl = told.unwrap_or_else(|| uidl(uid, snapshot.uid_validity));
        Message { octets: meta.size_bytes + line_end, uidl }
    });
    let messages = messages.collect();
    Ok(Maildrop { seat, uids, messages, given: UidSet::new() })
}

impl Maildrop {
    /// Whether a message of the maildrop is still in the mailbox.
    fn is_there(&self, index: usize) -> bool {
        self.uids.get(index).is_some_and(|uid| self.seat.snapshot().flags(*uid).is_some())
    }
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
            Event::LoginFailed(failed) => login_failed(&failed, self.tls.as_ref()),
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

    fn tls(&mut self, info: &TlsInfo) {
        self.tls = Some(info.clone());
    }

    fn ended(&mut self, reason: &CloseReason) {
        let Some(Maildrop { seat, given, .. }) = &mut self.maildrop else { return };
        if !given.is_empty() {
            let seen = [Flag::Seen].into_iter().collect();
            // A task of its own; nobody waits for it.
            drop(seat.room().set_flags(seat.id(), std::mem::take(given), FlagChange::Add, seen));
        }
        if let Some(account) = &self.account {
            tracing::info!(%account, %reason, "logged out");
        }
    }
}

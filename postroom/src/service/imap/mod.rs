//! Answers an IMAP session: mailboxes through the hub, messages through its readers.
//!
//! RFC 3501. One file for each group of commands:
//!
//! | commands | file |
//! | --- | --- |
//! | LIST, LSUB | `list` |
//! | CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE, STATUS | `mailbox` |
//! | SELECT, EXAMINE, CLOSE, EXPUNGE, CHECK, NOOP, IDLE | `select` |
//! | STORE, COPY | `store` |
//! | APPEND | `append` |
//! | FETCH | `fetch` |
//! | SEARCH | `search` |
//!
//! What a command changes is durable before its OK. What others change comes as news from the session's seat in the
//! hub and goes to the machine at once; when the client may hear of it is the machine's affair.
//!
//! # Limits
//! Of a message at most two chunks of 64 KiB are in memory, and of the one looked at last its structure, which the
//! scanner bounds. Of a command that names many messages, a batch is prepared at a time.

mod append;
mod fetch;
mod list;
mod mailbox;
mod name;
mod refusal;
mod search;
mod select;
mod store;

use super::login::{login, login_failed};
use super::{Backends, told};
use crate::driver::{Service, Work};
use crate::hub::Hub;
use crate::settings::ImapProfile;
use crate::wall::AccountId;
use append::Incoming;
use fetch::{Fetching, LookedAt};
use imap_proto::server::{Answerable, Event, Refusal, Server, Verdict};
use list::Listing;
use proto_core::sasl::Authenticate;
use proto_core::{Ask, Backend, CloseReason, Now, Question, TlsInfo};
use select::Selection;
use std::sync::Arc;
use store::Storing;
use tokio::time::Instant;

/// One session's answers.
pub(crate) struct ImapService {
    profile: Arc<ImapProfile>,
    backends: Backends,
    tls: Option<TlsInfo>,
    user: Option<User>,
    selection: Option<Selection>,
    incoming: Option<Incoming>,
    responding: Responding,
    /// The summary of the message that was looked at last.
    looked_at: Option<LookedAt>,
    /// When to look for what other programs have done, while the client idles.
    poll_at: Option<Instant>,
    work: Work<Finish>,
}

type Finish = super::Finish<ImapService, Server>;

/// Who is logged in, and the way to the mailboxes.
#[derive(Clone)]
struct User {
    hub: Hub,
    account: AccountId,
}

/// Responses that go out as there is room for them.
enum Responding {
    Nothing,
    List(Listing),
    Fetch(Box<Fetching>),
    Store(Storing),
}

impl ImapService {
    pub(crate) fn new(profile: Arc<ImapProfile>, backends: Backends) -> Self {
        Self {
            profile,
            backends,
            tls: None,
            user: None,
            selection: None,
            incoming: None,
            responding: Responding::Nothing,
            looked_at: None,
            poll_at: None,
            work: Work::default(),
        }
    }

    /// Starts work, and says what is done on the reactor with its result.
    fn begin<T: Send + 'static>(
        &mut self,
        work: impl Future<Output = T> + Send + 'static,
        then: impl FnOnce(&mut Self, &mut Server, Now, T) + Send + 'static,
    ) {
        self.work.start(async move {
            let done = work.await;
            Box::new(move |service: &mut Self, server: &mut Server, now: Now| {
                then(service, server, now, done);
            }) as Finish
        });
    }

    /// Starts work whose result is the answer.
    fn answer_with<Q, A>(&mut self, ask: Ask<Q>, verdict: impl Future<Output = Verdict<A>> + Send + 'static)
    where
        Q: Answerable + Question<Verdict = Verdict<A>> + Send + 'static,
        A: Send + 'static,
    {
        self.begin(verdict, move |_, server, now, verdict| told(server.answer(now, ask, verdict)));
    }

    /// As [`Self::answer_with`], for what needs to know who is there.
    fn answer_user<Q, A, F>(
        &mut self,
        server: &mut Server,
        now: Now,
        ask: Ask<Q>,
        verdict: impl FnOnce(User, &Q) -> F,
    ) where
        Q: Answerable + Question<Verdict = Verdict<A>> + Send + 'static,
        A: Send + 'static,
        F: Future<Output = Verdict<A>> + Send + 'static,
    {
        match self.user.clone() {
            Some(user) => {
                let verdict = verdict(user, &ask.detail);
                self.answer_with(ask, verdict);
            }
            None => told(server.answer(now, ask, Err(UNAVAILABLE))),
        }
    }

    fn authenticate(&mut self, ask: Ask<Authenticate>) {
        let directory = Arc::clone(&self.backends.walls.directory);
        let (asked, tls) = (ask.detail.clone(), self.tls.clone());
        let found = async move { login(&*directory, asked, tls).await };
        self.begin(found, move |service, server, now, (verdict, account)| {
            let hub = service.backends.store.clone();
            service.user = account.zip(hub).map(|(account, hub)| User { hub, account });
            told(server.answer(now, ask, verdict));
        });
    }

    /// Gives what responses there are to the machine, as far as there is room.
    fn respond(&mut self, server: &mut Server, now: Now) {
        match std::mem::replace(&mut self.responding, Responding::Nothing) {
            Responding::Nothing => {}
            Responding::List(listing) => self.list_on(server, now, listing),
            Responding::Fetch(fetching) => self.fetch_on(server, now, fetching),
            Responding::Store(storing) => self.store_on(server, now, storing),
        }
    }
}

impl Service<Server> for ImapService {
    fn event(&mut self, server: &mut Server, now: Now, event: Event) {
        match event {
            Event::Authenticate(ask) => self.authenticate(ask),
            Event::LoginFailed(failed) => login_failed(&failed, self.tls.as_ref()),
            Event::List(ask) => self.list(server, now, ask),
            Event::Subscribe(ask) => self.subscribe(server, now, ask),
            Event::Unsubscribe(ask) => self.unsubscribe(server, now, ask),
            Event::Create(ask) => self.create(server, now, ask),
            Event::Delete(ask) => self.delete(server, now, ask),
            Event::Rename(ask) => self.rename(server, now, ask),
            Event::Status(ask) => self.status(server, now, ask),
            Event::Select(ask) => self.select(server, now, ask),
            Event::Close(ask) => self.close(server, now, ask),
            Event::Check(ask) => self.check(server, now, ask),
            Event::Expunge(ask) => self.expunge(server, now, ask),
            Event::Fetch(ask) => self.fetch(server, now, ask),
            Event::Store(ask) => self.store(server, now, ask),
            Event::Copy(ask) => self.copy(server, now, ask),
            Event::Search(ask) => self.search(server, now, ask),
            Event::AppendBegin(ask) => self.append(server, now, ask),
            Event::AppendChunk(octets) => self.append_octets(octets),
            Event::AppendEnd(ask) => self.append_end(server, now, ask),
            Event::AppendAborted => self.incoming = None,
            Event::IdleStarted => self.idle(),
            Event::IdleStopped => self.poll_at = None,
            // The session is about to end. What changes a mailbox is a task of its own and comes to its end.
            Event::Cancelled(_) => {
                self.work.cancel();
                self.responding = Responding::Nothing;
            }
            other => tracing::error!(?other, "an event that nobody answers"),
        }
    }

    fn is_ready(&self) -> bool {
        self.incoming.as_ref().is_none_or(|incoming| !incoming.is_writing())
    }

    async fn wait(&mut self) {
        let Self { work, selection, poll_at, .. } = self;
        let news = async {
            match selection {
                Some(selection) => selection.seat.arrival().await,
                None => std::future::pending().await,
            }
        };
        // A look that takes longer than the time to the next one is not overtaken by it.
        let next_poll = poll_at.filter(|_| !work.is_busy());
        let poll = async {
            match next_poll {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = work.wait() => {}
            () = news => {}
            () = poll => {}
        }
    }

    fn resume(&mut self, server: &mut Server, now: Now) {
        // Before the answer to a command comes what it made known.
        self.tell_news(server, now);
        if let Some(finish) = self.work.take() {
            finish(self, server, now);
        }
        self.respond(server, now);
        self.poll();
    }

    fn tls(&mut self, info: &TlsInfo) {
        self.tls = Some(info.clone());
    }

    fn ended(&mut self, reason: &CloseReason) {
        let account = self.user.as_ref().map(|user| &user.account);
        if let Some(account) = account {
            tracing::info!(%account, %reason, idling = self.poll_at.is_some(), "logged out");
        }
    }
}

/// The answer where something is missing that must be there.
const UNAVAILABLE: Refusal = Refusal::Backend(Backend::TEMPORARY);

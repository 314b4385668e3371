//! Answers an SMTP, submission or LMTP session.
//!
//! Every command is judged by policy, through its one entry point; what policy needs to know is asked behind it
//! ([`crate::policy`]). What it wants done to a message besides taking it is gathered in the transaction, and done when the
//! message begins and when it ends. An accepted message goes, chunk by chunk, into the intake, and is answered 250 when the
//! intake says that it is durable.
//!
//! Where there are milters, they are told of what policy takes, and may refuse it; a message is shown to them when it is complete,
//! and goes into the intake behind them.
//!
//! LMTP differs in nothing here: the message is committed once for all its recipients, and the machine says the one
//! verdict for each.
//!
//! # Limits
//! One chunk of a message is in memory at a time: events stop until it is down. A message with more than 100
//! `Received:` fields is refused at its end (RFC 5321 section 6.3), and so is one that tells in `Delivered-To:` that one of
//! its recipients has had it before.
//!
//! # Departures
//! The same recipient twice in one transaction is accepted twice and delivered once. From Postfix: a message that has come back
//! to one of its recipients is refused for all of them, so that its sender hears of it; content checks see what the client sends
//! when it comes, and their refusal is said when the message is complete.

mod content;
mod data;
mod effects;
mod footer;
mod header;
mod hops;
mod message;
mod milters;
mod policy;
mod quota;
mod rates;
mod request;

pub(crate) use policy::refusal as worded;
pub(crate) use request::secured;

use super::login::{login, login_failed};
use super::{Backends, told};
use crate::driver::{Service, Work};
use crate::milter::Chain;
use crate::policy::{Answerer, asked};
use crate::session::Session;
use crate::settings::SmtpProfile;
use message::{Message, Transaction};
use milters::Told;
use policy::{Decided, Moment};
use proto_core::{Ask, CloseReason, Mechanism, Now, TlsInfo};
use relay_policy::access::{Effects, Latches};
use relay_policy::rates::RateEvent;
use relay_policy::{NameStatus, Request};
use smtp_proto::reply::{EnhancedCode, Refusal};
use smtp_proto::server::{
    BodyAbort, Connect, Event, Hello, Mail, Peer, Rcpt, Server, Verdict, Verified, Violation,
};
use std::sync::Arc;
use tracing::{Instrument as _, Span};

/// One session's answers.
pub(crate) struct SmtpService {
    profile: Arc<SmtpProfile>,
    backends: Backends,
    session: Session,
    /// What policy is told. It lies apart, since the service is moved from state to state and most of this comes late;
    /// a decision under way shares it.
    request: Arc<Request>,
    /// Who has shown who it is, and how, until the machine says that the exchange is over.
    proved: Option<(String, Option<&'static str>)>,
    /// How many messages have begun.
    messages: u32,
    transaction: Option<Box<Transaction>>,
    message: Option<Message>,
    /// Who is told of each step besides; nobody, while they are being asked.
    milters: Option<Box<Chain>>,
    /// A chunk of the message is on its way down.
    writing: bool,
    /// The machine has said who the client is.
    has_met: bool,
    work: Work<Finish>,
}

type Finish = super::Finish<SmtpService, Server>;

impl SmtpService {
    pub(crate) fn new(profile: Arc<SmtpProfile>, backends: Backends, session: Session) -> Self {
        let request = Arc::new(request::begun(&session, !profile.config.mechanisms.is_empty()));
        Self {
            profile,
            backends,
            session,
            request,
            proved: None,
            messages: 0,
            transaction: None,
            message: None,
            milters: None,
            writing: false,
            has_met: false,
            work: Work::default(),
        }
    }

    /// What policy is told, to be changed.
    fn request(&mut self) -> &mut Request {
        Arc::make_mut(&mut self.request)
    }

    /// Takes the client for who it is, at first and whenever XCLIENT says otherwise.
    fn meet(&mut self, peer: &Peer) {
        // Who is spoken for has pipelined nothing yet; what came too early at first came from the client itself.
        let improper_pipelining = !self.has_met && self.request.improper_pipelining;
        self.has_met = true;
        let client = request::address(peer.address);
        if client != self.request.client || peer.login.is_some() {
            tracing::info!(%client, login = peer.login, "XCLIENT");
        }
        request::meet(self.request(), peer);
        if improper_pipelining {
            self.request().improper_pipelining = true;
        }
        self.proved = None;
    }

    /// Asks policy, and goes on with what it says; at once, where it has nothing to ask.
    fn decide(
        &mut self,
        server: &mut Server,
        now: Now,
        moment: Moment,
        then: impl FnOnce(&mut Self, &mut Server, Now, Result<Effects, Refusal>) + Send + 'static,
    ) {
        let of_message = of_message(self.request.queue_id.as_deref());
        let now_decided = of_message.in_scope(|| policy::decide_now(&self.profile, &self.request, &moment));
        if let Some(decided) = now_decided {
            let (verdict, effects) = self.keep(decided, &moment);
            return then(self, server, now, verdict.map(|()| effects));
        }
        let (profile, request) = (Arc::clone(&self.profile), Arc::clone(&self.request));
        let walls = Arc::clone(&self.backends.walls);
        self.work.start(async move {
            let answerer = Answerer::new(&profile, &walls, request.client);
            let decided = policy::decide(&answerer, &request, &moment).instrument(of_message).await;
            drop(request);
            Box::new(move |service: &mut Self, server: &mut Server, now: Now| {
                let (verdict, effects) = service.keep(decided, &moment);
                then(service, server, now, verdict.map(|()| effects));
            }) as Finish
        });
    }

    /// Keeps what a decision leaves behind; gives back what it says, and what is to be done to a message that has not begun.
    fn keep(&mut self, decided: Decided<()>, moment: &Moment) -> (Result<(), Refusal>, Effects) {
        let Decided { verdict, effects, latches } = decided;
        self.latched(latches);
        // Those of DATA come to the message when it begins: a client may say it again.
        let effects = if matches!(moment, Moment::Data) { effects } else { self.took(effects) };
        (verdict, effects)
    }

    /// Keeps what later decisions are made with.
    fn latched(&mut self, latches: Latches) {
        if latches != self.request.latches {
            self.request().latches = latches;
        }
    }

    /// Keeps what a decision wants done to the message; gives it back where there is none yet.
    fn took(&mut self, effects: Effects) -> Effects {
        if effects.discard {
            self.request().discarded = true;
        }
        match &mut self.transaction {
            Some(transaction) => {
                transaction.effects.absorb(effects);
                Effects::default()
            }
            None => effects,
        }
    }

    /// Finds the client's name, where policy or a milter can use it and nobody has told it.
    fn connect(&mut self, server: &mut Server, now: Now, ask: Ask<Connect>) {
        let peer = &ask.detail.peer;
        self.meet(peer);
        server.set_reject_footer(footer::footer(&self.profile, &self.request, &self.backends.clock));
        let is_told = peer.name.is_some()
            || peer.name_lookup_failed
            || peer.reverse_name.is_some()
            || peer.reverse_name_lookup_failed;
        let is_of_use = self.profile.policy.needs_client_name() || self.profile.milters.is_some();
        let is_looked_for = peer.address.is_some() && !is_told && is_of_use;
        if !is_looked_for {
            return self.decide_connect(server, now, ask);
        }
        let (walls, client) = (Arc::clone(&self.backends.walls), self.request.client);
        self.work.start(async move {
            let name = walls.name_of(client).await;
            Box::new(move |service: &mut Self, server: &mut Server, now: Now| {
                if name.status == NameStatus::Ok {
                    server.set_peer_name(&*name.name);
                }
                name.tell(service.request());
                service.decide_connect(server, now, ask);
            }) as Finish
        });
    }

    fn decide_connect(&mut self, server: &mut Server, now: Now, ask: Ask<Connect>) {
        self.decide(server, now, Moment::Connect, move |service, server, now, decided| match decided {
            Ok(_) => service.meet_milters(server, now, ask),
            Err(refusal) => told(server.answer(now, ask, refusal.into())),
        });
    }

    fn hello(&mut self, server: &mut Server, now: Now, ask: Ask<Hello>) {
        let before = (self.request.helo.clone(), self.request.esmtp);
        request::hello(self.request(), &ask.detail);
        self.decide(server, now, Moment::Helo, move |service, server, now, decided| {
            if let Err(refusal) = decided {
                let request = service.request();
                (request.helo, request.esmtp) = before;
                return told(server.answer(now, ask, refusal.into()));
            }
            service.ask_milters(server, now, Told::Helo, |_, server, now, said| {
                let verdict = match said {
                    Err(refusal) if refusal.closes() => refusal.into(),
                    // What else they refuse is refused when a message begins, as Sendmail does.
                    _ => Verdict::Accept(()),
                };
                told(server.answer(now, ask, verdict));
            });
        });
    }

    fn mail(&mut self, server: &mut Server, now: Now, ask: Ask<Mail>) {
        if let Some(xforward) = &ask.detail.xforward {
            tracing::info!(?xforward, "forwarded from");
        }
        self.messages += 1;
        let instance = format!("{}.{}", self.session.id, self.messages);
        request::mail(self.request(), &ask.detail, instance);
        self.decide(server, now, Moment::Mail, move |service, server, now, decided| {
            let effects = match decided {
                Ok(effects) => effects,
                Err(refusal) => return service.refuse_mail(server, now, ask, refusal),
            };
            let asked = Told::Mail(ask.detail.parameters.clone());
            service.ask_milters(server, now, asked, move |service, server, now, said| match said {
                Ok(of_milters) => {
                    let mail = &ask.detail;
                    let mut effects = effects;
                    effects.absorb(of_milters);
                    let transaction = Transaction::new(&mail.reverse_path, mail.parameters.size, effects);
                    service.transaction = Some(Box::new(transaction));
                    told(server.answer(now, ask, Verdict::Accept(())));
                }
                Err(refusal) => service.refuse_mail(server, now, ask, refusal),
            });
        });
    }

    fn refuse_mail(&mut self, server: &mut Server, now: Now, ask: Ask<Mail>, refusal: Refusal) {
        self.without_message();
        told(server.answer(now, ask, refusal.into()));
    }

    /// The message under way is over.
    fn without_message(&mut self) {
        self.transaction = None;
        if let Some(milters) = &mut self.milters {
            milters.abort();
        }
        request::without_message(self.request());
    }

    fn authenticate(&mut self, ask: Ask<proto_core::sasl::Authenticate>) {
        let directory = Arc::clone(&self.backends.walls.directory);
        let (asked, tls) = (ask.detail.clone(), self.request.tls.clone());
        self.work.start(async move {
            let (verdict, account) = login(&*directory, asked, tls).await;
            Box::new(move |service: &mut Self, server: &mut Server, now: Now| {
                let method = ask.detail.mechanism.map(Mechanism::name);
                service.proved = account.map(|account| (account.to_string(), method));
                told(server.answer(now, ask, verdict));
            }) as Finish
        });
    }

    /// Takes the client for who it has shown to be, once it has confirmed the last message of the exchange: a client that
    /// gives up there is not logged in (RFC 4422 section 3.5).
    fn log_in(&mut self, server: &Server) {
        if let Some((login, method)) = self.proved.take_if(|_| server.is_authenticated()) {
            let request = self.request();
            (request.login, request.sasl_method) = (Some(login), method);
        }
    }

    /// Takes a recipient that policy takes, that leads to somebody, and whose mailbox has room.
    fn recipient(&mut self, ask: Ask<Rcpt>) {
        let (profile, request) = (Arc::clone(&self.profile), Arc::clone(&self.request));
        let backends = self.backends.clone();
        let size = self.transaction.as_ref().and_then(|transaction| transaction.size());
        let asked = asked(&self.profile, &ask.detail.forward_path);
        let mut milters = self.milters.take();
        self.work.start(async move {
            let answerer = Answerer::new(&profile, &backends.walls, request.client);
            let Decided { mut verdict, mut effects, latches } =
                policy::recipient(&answerer, &request, asked).await;
            if let (Ok(Some(recipients)), Some(store)) = (&verdict, &backends.store) {
                let room = quota::check(store, &recipients.to, size, backends.quota_full_tempfail).await;
                verdict = room.and(verdict);
            }
            if let Some(milters) = milters.as_mut().filter(|_| !request.discarded && !effects.discard) {
                let of_policy = verdict.as_ref().map(|_| ());
                let asked = milters::recipient(milters, &profile, &request, &ask.detail, of_policy);
                // Boxed, since most sessions have none.
                match Box::pin(asked).await {
                    Ok(of_milters) => effects.absorb(of_milters),
                    Err(refusal) => verdict = Err(refusal),
                }
            }
            drop(request);
            let copies = !profile.router.bcc.is_empty();
            Box::new(move |service: &mut Self, server: &mut Server, now: Now| {
                service.milters = milters;
                service.latched(latches);
                service.took(effects);
                let added = match (verdict, &mut service.transaction) {
                    (Ok(Some(recipients)), Some(transaction)) => {
                        if copies {
                            transaction.copies_for(recipients.canonical);
                        }
                        transaction.add(recipients.to)
                    }
                    (Ok(None), Some(_)) => Ok(()),
                    (Ok(_), None) => Err(Refusal::TEMPORARY),
                    (Err(refusal), _) => Err(refusal),
                };
                let verdict = match added {
                    Ok(()) => {
                        request::recipient(service.request(), &ask.detail.forward_path);
                        Verdict::Accept(())
                    }
                    Err(refusal) => Verdict::Refuse(refusal),
                };
                told(server.answer(now, ask, verdict));
            }) as Finish
        });
    }

    fn aborted(&mut self, why: BodyAbort) {
        if let Some(message) = self.message.take() {
            tracing::info!(queue_id = %message.id(), ?why, "message aborted");
        }
        self.without_message();
    }
}

impl Service<Server> for SmtpService {
    fn event(&mut self, server: &mut Server, now: Now, event: Event) {
        self.log_in(server);
        match event {
            Event::Connect(ask) => self.connect(server, now, ask),
            // Which TLS is good enough the listener has said before the handshake.
            Event::Tls(ask) => {
                let is_resumed = self.request.tls.as_ref().is_some_and(|tls| tls.is_resumed);
                let counted = if is_resumed { Ok(()) } else { self.count(RateEvent::NewTlsSession, now) };
                let verdict = match counted {
                    Ok(()) => Verdict::Accept(()),
                    Err(refusal) => Verdict::Refuse(refusal),
                };
                told(server.answer(now, ask, verdict));
            }
            Event::Hello(ask) => self.hello(server, now, ask),
            Event::Authenticate(ask) => match self.count_login(&ask, now) {
                Ok(()) => self.authenticate(ask),
                Err(refusal) => told(server.refuse_authenticate(now, ask, &refusal)),
            },
            Event::LoginFailed(failed) => login_failed(&failed, self.request.tls.as_ref()),
            Event::Mail(ask) => match self.count(RateEvent::Message, now) {
                Ok(()) => self.mail(server, now, ask),
                Err(refusal) => told(server.answer(now, ask, refusal.into())),
            },
            Event::Rcpt(ask) => match self.count(RateEvent::Recipient, now) {
                Ok(()) => self.recipient(ask),
                Err(refusal) => told(server.answer(now, ask, refusal.into())),
            },
            Event::Data(ask) => self.data(server, now, ask),
            Event::Body(octets) => {
                // Without a message the intake has failed before; the client hears of it at the end.
                if let Some(mut message) = self.message.take() {
                    message.look(&octets, self.transaction.as_deref());
                    self.write(message, octets);
                }
            }
            Event::BodyAborted(why) => self.aborted(why),
            Event::EndOfData(ask) => self.end_of_data(server, now, ask),
            Event::TransactionReset => self.without_message(),
            // The session is about to end; a commit that is under way ends by itself.
            Event::Cancelled(_) => {}
            Event::Violation(violation) => {
                tracing::info!(?violation, "client breaks the rules");
                let is_early = matches!(
                    violation,
                    Violation::EarlyTalker
                        | Violation::PipelinedBeforeCapability
                        | Violation::PipelinedUnoffered
                        | Violation::PipelinedAfterData
                );
                if is_early {
                    self.request().improper_pipelining = true;
                }
            }
            // Our listeners are not configured to ask these. One that is shall not make its client wait for nothing.
            Event::Verify(ask) => told(server.answer(now, ask, Verdict::Accept(Verified::CannotTell))),
            Event::Expand(ask) => told(server.answer(now, ask, not_implemented().into())),
            Event::Etrn(ask) => told(server.answer(now, ask, not_implemented().into())),
            unknown => tracing::error!(event = ?unknown, "an event that nobody here knows"),
        }
    }

    fn is_ready(&self) -> bool {
        // While a question is out there is nothing but its cancellation, and that may come.
        !self.writing
    }

    async fn wait(&mut self) {
        self.work.wait().await;
    }

    fn resume(&mut self, server: &mut Server, now: Now) {
        // What ended may have begun more that needed no waiting.
        while let Some(finish) = self.work.take() {
            finish(self, server, now);
        }
    }

    fn tls(&mut self, info: &TlsInfo) {
        self.proved = None;
        request::secured(self.request(), info);
    }

    fn ended(&mut self, reason: &CloseReason) {
        if let Some(milters) = &mut self.milters {
            milters.quit();
        }
        tracing::info!(%reason, "session ended");
    }
}

/// What the log says of a message names it, once it has a name.
fn of_message(queue_id: Option<&str>) -> Span {
    queue_id.map_or_else(Span::none, |queue_id| tracing::info_span!("message", queue_id))
}

/// What this service does not do for anybody.
fn not_implemented() -> Refusal {
    EnhancedCode::new(5, 5, 1)
        .and_then(|code| Refusal::new(502, code, "Error: command not implemented").ok())
        .unwrap_or(Refusal::PERMANENT)
}

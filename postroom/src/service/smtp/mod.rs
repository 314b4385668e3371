//! Answers an SMTP, submission or LMTP session.
//!
//! Every question goes to policy through its one entry point; what policy needs to know goes to the directory. An
//! accepted message goes, chunk by chunk, into the intake, and is answered 250 when the intake says that it is
//! durable.
//!
//! LMTP differs in nothing here: the message is committed once for all its recipients, and the machine says the one
//! verdict for each.
//!
//! # Limits
//! One chunk of a message is in memory at a time: events stop until it is down. A message with more than 100
//! `Received:` fields is refused at its end (RFC 5321 section 6.3).
//!
//! # Departures
//! The same recipient twice in one transaction is accepted twice and delivered once.

mod hops;
mod message;
mod policy;
mod quota;

use super::login::{login, login_failed};
use super::{Backends, told};
use crate::driver::{Service, Work};
use crate::session::Session;
use crate::settings::SmtpProfile;
use message::{Message, Transaction};
use policy::Moment;
use proto_core::{Ask, CloseReason, Mechanism, Now, TlsInfo};
use relay_policy::{Destination, Request};
use smtp_proto::reply::{EnhancedCode, Refusal};
use smtp_proto::server::{
    BodyAbort, Disposition, Event, Peer, Rcpt, Server, ServerQuestion, Verdict, Verified,
};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use tracing::Instrument as _;

/// One session's answers.
pub(crate) struct SmtpService {
    profile: Arc<SmtpProfile>,
    backends: Backends,
    session: Session,
    /// What policy is told. It lies apart, since the service is moved from state to state and most of this comes late.
    request: Box<Request>,
    /// Who has shown who it is, and how, until the machine says that the exchange is over.
    proved: Option<(String, Option<&'static str>)>,
    transaction: Option<Transaction>,
    message: Option<Message>,
    /// A chunk of the message is on its way down.
    writing: bool,
    work: Work<Finish>,
}

type Finish = super::Finish<SmtpService, Server>;

impl SmtpService {
    pub(crate) fn new(profile: Arc<SmtpProfile>, backends: Backends, session: Session) -> Self {
        let request = Box::new(Request::new(address(session.client)));
        Self {
            profile,
            backends,
            session,
            request,
            proved: None,
            transaction: None,
            message: None,
            writing: false,
            work: Work::default(),
        }
    }

    /// Takes the client for who it is, at first and whenever XCLIENT says otherwise.
    fn meet(&mut self, peer: &Peer) {
        let client = address(peer.address);
        if client != self.request.client || peer.login.is_some() {
            tracing::info!(%client, login = peer.login, "XCLIENT");
        }
        let tls = self.request.tls.take();
        *self.request = Request::new(client);
        self.request.tls = tls;
        self.request.login.clone_from(&peer.login);
        self.proved = None;
    }

    /// Asks policy, and goes on with what it says.
    fn decide(
        &mut self,
        moment: Moment,
        then: impl FnOnce(&mut Self, &mut Server, Now, policy::Verdict) + Send + 'static,
    ) {
        let (profile, request) = (Arc::clone(&self.profile), self.request.clone());
        let directory = Arc::clone(&self.backends.directory);
        self.work.start(async move {
            let verdict = policy::decide(&profile.policy, &request, &moment, &*directory).await;
            Box::new(move |service: &mut Self, server: &mut Server, now: Now| {
                then(service, server, now, verdict);
            }) as Finish
        });
    }

    /// Asks policy a question whose answer is a plain yes or no.
    fn decide_plainly<Q>(
        &mut self,
        moment: Moment,
        ask: Ask<Q>,
        on_yes: impl FnOnce(&mut Self, &Q) + Send + 'static,
    ) where
        Q: ServerQuestion<Verdict = Verdict> + Send + 'static,
    {
        self.decide(moment, move |service, server, now, verdict| {
            let verdict = match verdict {
                Ok(_) => {
                    on_yes(service, &ask.detail);
                    Verdict::Accept(())
                }
                Err(refusal) => Verdict::Refuse(refusal),
            };
            told(server.answer(now, ask, verdict));
        });
    }

    fn authenticate(&mut self, ask: Ask<proto_core::sasl::Authenticate>) {
        let directory = Arc::clone(&self.backends.directory);
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
            (self.request.login, self.request.sasl_method) = (Some(login), method);
        }
    }

    fn recipient(&mut self, ask: Ask<Rcpt>) {
        let moment = Moment::Rcpt(ask.detail.forward_path.clone());
        let size = self.transaction.as_ref().and_then(Transaction::size);
        self.decide(moment, move |service, server, now, verdict| match verdict {
            Ok(Some(destination)) => service.check_quota(ask, destination, size),
            Ok(None) => told(server.answer(now, ask, Verdict::Refuse(Refusal::TEMPORARY))),
            Err(refusal) => told(server.answer(now, ask, Verdict::Refuse(refusal))),
        });
    }

    /// Takes a recipient whose mailbox has room.
    fn check_quota(&mut self, ask: Ask<Rcpt>, destination: Destination, size: Option<u64>) {
        let Backends { store, quota_full_tempfail, .. } = self.backends.clone();
        self.work.start(async move {
            let room = match &store {
                Some(store) => quota::check(store, &destination, size, quota_full_tempfail).await,
                None => Ok(()),
            };
            Box::new(move |service: &mut Self, server: &mut Server, now: Now| {
                let verdict = match (room, &mut service.transaction) {
                    (Ok(()), Some(transaction)) => {
                        transaction.add(&ask.detail.forward_path, &destination);
                        Verdict::Accept(())
                    }
                    (Ok(()), None) => Verdict::Refuse(Refusal::TEMPORARY),
                    (Err(refusal), _) => Verdict::Refuse(refusal),
                };
                told(server.answer(now, ask, verdict));
            }) as Finish
        });
    }

    /// Policy first, then the intake: a client is told of a full spool before it sends.
    fn data(&mut self, ask: Ask<smtp_proto::server::Data>) {
        self.decide(Moment::Data, move |service, server, now, verdict| {
            let transaction = match (verdict, &service.transaction) {
                (Ok(_), Some(transaction)) => transaction,
                (Ok(_), None) => return told(server.answer(now, ask, Refusal::TEMPORARY.into())),
                (Err(refusal), _) => return told(server.answer(now, ask, refusal.into())),
            };
            let envelope = transaction.envelope(&service.session, &service.request, now);
            let intake = Arc::clone(&service.backends.intake);
            service.work.start(async move {
                let begun = intake.begin(envelope).await.and_then(Message::new);
                Box::new(move |service: &mut Self, server: &mut Server, now: Now| match begun {
                    Ok(message) => {
                        // What a verdict adds to the header is there once it is given.
                        told(server.answer(now, ask, Verdict::Accept(())));
                        if let Some(trace) = server.trace_header(message.id(), now) {
                            service.write(message, trace.to_string().into());
                        }
                    }
                    Err(error) => {
                        tracing::error!(%error, "message not taken");
                        told(server.answer(now, ask, message::refusal(&error).into()));
                    }
                }) as Finish
            });
        });
    }

    /// Writes the next octets of a message.
    fn write(&mut self, message: Message, octets: bytes::Bytes) {
        self.writing = true;
        self.work.start(async move {
            let message = message.write(octets).await;
            Box::new(move |service: &mut Self, _: &mut Server, _: Now| {
                service.message = Some(message);
                service.writing = false;
            }) as Finish
        });
    }

    fn end_of_data(&mut self, ask: Ask<smtp_proto::server::EndOfData>) {
        self.decide(Moment::EndOfMessage, move |service, server, now, verdict| {
            let mut message = match (verdict, service.message.take()) {
                (Ok(_), Some(message)) => message,
                (Ok(_), None) => return told(server.answer(now, ask, Refusal::TEMPORARY.into())),
                (Err(refusal), _) => return told(server.answer(now, ask, refusal.into())),
            };
            match ask.detail.disposition {
                Disposition::Deliver => {}
                Disposition::Discard => {
                    tracing::info!(queue_id = %message.id(), "discarded");
                    service.transaction = None;
                    let id = message.id().clone();
                    return told(server.answer(now, ask, Verdict::Accept(id).into()));
                }
                Disposition::Hold => {
                    if let Err(refusal) = message.hold() {
                        service.transaction = None;
                        return told(server.answer(now, ask, refusal.into()));
                    }
                }
            }
            let story = service.transaction.take().map(|transaction| transaction.story()).unwrap_or_default();
            // A task of its own, so that the story is told to its end when the client does not wait for it.
            let commit = message.commit(story, ask.detail.octets).in_current_span();
            let committed = tokio::spawn(commit);
            service.work.start(async move {
                let verdict = committed.await.unwrap_or(Verdict::Refuse(Refusal::TEMPORARY));
                Box::new(move |_: &mut Self, server: &mut Server, now: Now| {
                    told(server.answer(now, ask, verdict.into()));
                }) as Finish
            });
        });
    }

    fn aborted(&mut self, why: BodyAbort) {
        if let Some(message) = self.message.take() {
            tracing::info!(queue_id = %message.id(), ?why, "message aborted");
        }
        self.transaction = None;
    }
}

impl Service<Server> for SmtpService {
    fn event(&mut self, server: &mut Server, now: Now, event: Event) {
        self.log_in(server);
        match event {
            Event::Connect(ask) => {
                self.meet(&ask.detail.peer);
                self.decide_plainly(Moment::Connect, ask, |_, _| ());
            }
            // Which TLS is good enough the listener has said before the handshake.
            Event::Tls(ask) => told(server.answer(now, ask, Verdict::Accept(()))),
            Event::Hello(ask) => {
                self.request.helo = Some(ask.detail.name.to_string());
                self.decide_plainly(Moment::Helo, ask, |_, _| ());
            }
            Event::Authenticate(ask) => self.authenticate(ask),
            Event::LoginFailed(failed) => login_failed(&failed, self.request.tls.as_ref()),
            Event::Mail(ask) => {
                self.request.sender = Some(ask.detail.reverse_path.clone());
                if let Some(xforward) = &ask.detail.xforward {
                    tracing::info!(?xforward, "forwarded from");
                }
                self.decide_plainly(Moment::Mail, ask, |service, mail| {
                    service.transaction = Some(Transaction::new(&mail.reverse_path, mail.parameters.size));
                });
            }
            Event::Rcpt(ask) => self.recipient(ask),
            Event::Data(ask) => self.data(ask),
            Event::Body(octets) => {
                // Without a message the intake has failed before; the client hears of it at the end.
                if let Some(mut message) = self.message.take() {
                    message.look(&octets);
                    self.write(message, octets);
                }
            }
            Event::BodyAborted(why) => self.aborted(why),
            Event::EndOfData(ask) => self.end_of_data(ask),
            Event::TransactionReset => {
                self.transaction = None;
                self.request.sender = None;
            }
            // The session is about to end; a commit that is under way ends by itself.
            Event::Cancelled(_) => {}
            Event::Violation(violation) => tracing::info!(?violation, "client breaks the rules"),
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
        if let Some(finish) = self.work.take() {
            finish(self, server, now);
        }
    }

    fn tls(&mut self, info: &TlsInfo) {
        // RFC 3207 section 4.2: what was learned before TLS is forgotten.
        self.proved = None;
        *self.request = Request::new(self.request.client);
        self.request.tls = Some(info.clone());
    }

    fn ended(&mut self, reason: &CloseReason) {
        tracing::info!(%reason, "session ended");
    }
}

/// What this service does not do for anybody.
fn not_implemented() -> Refusal {
    EnhancedCode::new(5, 5, 1)
        .and_then(|code| Refusal::new(502, code, "Error: command not implemented").ok())
        .unwrap_or(Refusal::PERMANENT)
}

/// The address that policy knows a client by. One whose address is not known is in nobody's networks.
fn address(known: Option<IpAddr>) -> IpAddr {
    known.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |address| address.to_canonical())
}

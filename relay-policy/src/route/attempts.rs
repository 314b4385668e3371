//! A message on its way: which server is tried next, and when to give up.

use super::failure::RouteFailure;
use super::lookup::{LookupFailure, LookupFailureKind, LookupStep, ServerLookup, Servers};
use super::next_hop::{NextHop, NextHops, Protocol};
use super::policy::RoutePolicy;
use super::server::Server;
use crate::address::Transport;
use crate::question::{Answer, Question};
use proto_core::CallerFault;
use std::collections::VecDeque;

/// A message being delivered to recipients that have the same next hops: [`step`](Self::step) it, [`answer`](Self::answer) what it
/// asks and tell how each attempt has [`ended`](Self::ended), until it is over.
#[derive(Debug, Clone)]
pub struct Attempts<'p> {
    policy: &'p RoutePolicy,
    /// Those that were not come to.
    left: VecDeque<NextHop>,
    /// How many of those that are left are `smtp_fallback_relay`.
    fallbacks: usize,
    is_relayhost: bool,
    seed: u64,
    state: State<'p>,
    /// Why it has not been delivered, so far.
    failure: Option<RouteFailure>,
}

#[derive(Debug, Clone)]
enum State<'p> {
    LookingUp(ServerLookup<'p>),
    Trying(Trying),
    Over(Verdict),
}

/// The servers of one next hop.
#[derive(Debug, Clone)]
struct Trying {
    next_hop: NextHop,
    /// The first is being tried.
    servers: VecDeque<Server>,
    /// The best preference of them all.
    best: u16,
    is_backup: bool,
    /// How many sessions have come as far as MAIL.
    sessions: usize,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AttemptStep {
    /// It goes on when these are answered, in any order; all are [`Question::Dns`].
    Needs(Vec<Question>),
    /// This server is to be tried.
    Try(Server),
    /// It is over; the same is said again.
    Over(Verdict),
}

/// How an attempt has ended.
///
/// A recipient who was taken, or refused for good, is done with: nobody else is tried for it. What is told is about those that are
/// left.
///
/// What the client of `smtp_proto` tells is one of these so: a `ClientFailure` before it was `Ready`, and no connection at all, is
/// [`NoSession`](Self::NoSession). Of a `Report`, it is [`Unanswered`](Self::Unanswered) where an outcome is `Temporary` at the stage
/// `EndOfData` without a reply; else [`Failed`](Self::Failed) with an outcome that is `Temporary`; else [`Sent`](Self::Sent) where one is;
/// else all are `Permanent`, and it is [`Failed`](Self::Failed) with one of those.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// None is left, and at least one was taken.
    Sent,
    /// Nothing was said of the message: no connection; a greeting, EHLO and HELO, STARTTLS or AUTH that were refused, or in which
    /// the connection was lost; TLS that is not as it has to be. Another server may take it, whatever the class of the code is.
    NoSession(RouteFailure),
    /// The server has greeted with this machine's name, or has answered EHLO with it
    /// ([`RoutePolicy::greets_as_myself`]).
    Myself,
    /// The message was refused, or the connection was lost before all of it was sent. Where the code has class 5, all recipients were
    /// refused for good (RFC 5321 section 4.2.1); with any other, and 421 has class 4, another server may take it.
    Failed(RouteFailure),
    /// All of the message was sent, and no reply came. The server may have taken it, so nobody else is given it at once (RFC 5321
    /// section 6.1).
    Unanswered(RouteFailure),
}

/// What becomes of those recipients that are left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// There is nothing more to be done.
    Sent,
    /// They wait, for this reason.
    Deferred(RouteFailure),
    /// They go back to the sender, for this reason.
    Bounced(RouteFailure),
    /// Another transport delivers: this machine is their domain's best mail server (`best_mx_transport`).
    Transport(Transport),
}

impl<'p> Attempts<'p> {
    pub(super) fn new(policy: &'p RoutePolicy, next_hops: &NextHops, seed: u64) -> Self {
        let is_smtp = next_hops.protocol() == Protocol::Smtp;
        let fallback = policy.smtp_fallback_relay.as_ref().filter(|_| is_smtp);
        let fallback = fallback.map(|hops| hops.iter().cloned().collect::<Vec<_>>()).unwrap_or_default();
        let fallbacks = fallback.len();
        let mut left: VecDeque<NextHop> = next_hops.iter().cloned().chain(fallback).collect();
        let first = left.pop_front().expect("invariant: there is a next hop");
        Self {
            policy,
            left,
            fallbacks,
            is_relayhost: policy.relayhost.as_ref() == Some(next_hops),
            seed,
            state: State::LookingUp(policy.look_up(&first, seed)),
            failure: None,
        }
    }

    /// What is to be done now; the same until it is answered or told.
    pub fn step(&mut self) -> AttemptStep {
        loop {
            match &mut self.state {
                State::Over(verdict) => return AttemptStep::Over(verdict.clone()),
                State::Trying(trying) => match trying.servers.front() {
                    Some(server) => return AttemptStep::Try(server.clone()),
                    None if trying.is_backup => self.give_up(),
                    None => self.go_on(true),
                },
                State::LookingUp(lookup) => match lookup.step() {
                    LookupStep::Needs(questions) => return AttemptStep::Needs(questions),
                    LookupStep::Done(Ok(servers)) => {
                        self.state = State::Trying(Trying::new(lookup.next_hop().clone(), servers))
                    }
                    LookupStep::Done(Err(failure)) => self.not_found(failure),
                },
            }
        }
    }

    /// Answers a question that [`Self::step`] has put.
    ///
    /// # Errors
    /// [`CallerFault::Misuse`] when it was not asked, or is answered.
    pub fn answer(&mut self, question: &Question, answer: Answer) -> Result<(), CallerFault> {
        match &mut self.state {
            State::LookingUp(lookup) => lookup.answer(question, answer),
            _ => Err(CallerFault::Misuse("answer: this was not asked")),
        }
    }

    /// Tells how the attempt with the server that [`Self::step`] has named has ended.
    ///
    /// # Errors
    /// [`CallerFault::Misuse`] when no server is being tried.
    pub fn ended(&mut self, how: Ending) -> Result<(), CallerFault> {
        let State::Trying(trying) = &mut self.state else {
            return Err(CallerFault::Misuse("ended: no server is being tried"));
        };
        let Some(server) = trying.servers.pop_front() else {
            return Err(CallerFault::Misuse("ended: no server is being tried"));
        };
        match how {
            Ending::Sent => self.state = State::Over(Verdict::Sent),
            Ending::NoSession(failure) => self.fails(failure.softened()),
            Ending::Myself => {
                let loops = RouteFailure::loops(&trying.next_hop.name());
                let is_best = server.preference == trying.best;
                // Whatever was before: it would come back, whoever were tried.
                self.failure = None;
                self.fails(if is_best { loops } else { loops.softened() });
                self.give_up();
            }
            Ending::Failed(failure) => {
                trying.sessions += 1;
                if trying.sessions == self.policy.smtp_mx_session_limit {
                    trying.servers.clear();
                }
                if failure.is_temporary() || self.policy.soft_bounce {
                    self.fails(failure.softened());
                } else {
                    self.state = State::Over(Verdict::Bounced(failure));
                }
            }
            Ending::Unanswered(failure) => self.state = State::Over(Verdict::Deferred(failure.softened())),
        }
        Ok(())
    }

    fn not_found(&mut self, LookupFailure { kind, failure }: LookupFailure) {
        self.fails(failure);
        match kind {
            LookupFailureKind::NotFound => self.go_on(true),
            LookupFailureKind::NullMx => self.go_on(self.is_fallback()),
            LookupFailureKind::NoPrimary => self.give_up(),
            LookupFailureKind::LoopsBack => match &self.policy.best_mx_transport {
                Some(transport) if !self.is_relayhost && !self.is_fallback() => {
                    self.state = State::Over(Verdict::Transport(transport.clone()));
                }
                _ => self.give_up(),
            },
        }
    }

    /// Whether what is being tried is `smtp_fallback_relay`.
    fn is_fallback(&self) -> bool {
        self.left.len() < self.fallbacks
    }

    /// Remembers a failure. What may be better later is not forgotten for what is for good.
    fn fails(&mut self, failure: RouteFailure) {
        let failure = if self.is_relayhost || self.is_fallback() {
            failure.of_configuration()
        } else if self.policy.soft_bounce {
            failure.softened()
        } else {
            failure
        };
        if failure.is_temporary() || self.failure.as_ref().is_none_or(|known| !known.is_temporary()) {
            self.failure = Some(failure);
        }
    }

    /// Comes to the next hop after this one, which may be a fallback or may not.
    fn go_on(&mut self, may_fall_back: bool) {
        let is_fallback_next = self.left.len() <= self.fallbacks;
        match self.left.pop_front() {
            Some(next_hop) if may_fall_back || !is_fallback_next => {
                self.seed = self.seed.wrapping_add(1);
                self.state = State::LookingUp(self.policy.look_up(&next_hop, self.seed));
            }
            _ => self.give_up(),
        }
    }

    fn give_up(&mut self) {
        let failure = self.failure.take().expect("invariant: every server and every lookup has failed");
        let verdict =
            if failure.is_temporary() { Verdict::Deferred(failure) } else { Verdict::Bounced(failure) };
        self.state = State::Over(verdict);
    }
}

impl Trying {
    fn new(next_hop: NextHop, servers: Servers) -> Self {
        let best = servers.list.first().map_or(0, |server| server.preference);
        Self { next_hop, servers: servers.list.into(), best, is_backup: servers.is_backup, sessions: 0 }
    }
}

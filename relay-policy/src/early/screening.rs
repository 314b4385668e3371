//! A client that waits for its greeting, and what is found out meanwhile.

use super::allowlist::AllowEntry;
use super::arrival::Early;
use super::sites::{Asked, Outcome};
use super::watch::Watch;
use super::{EarlyAction, EarlyTest, Tests, disconnected, expiry, host, printable, refusal, seconds};
use crate::access::Log;
use crate::decision::Reply;
use crate::question::{Answer, Question};
use proto_core::UnixTime;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The tests before the greeting, of one client.
///
/// They end when [`Screening::wait`] is over or [`Screening::is_settled`], whichever is first; then
/// [`Screening::finish`] says what comes next.
#[derive(Debug)]
pub struct Screening {
    early: Arc<Early>,
    client: SocketAddr,
    entry: AllowEntry,
    is_old: bool,
    due: Tests,
    failed: Tests,
    vetoed: bool,
    asked: Vec<Asked>,
    /// What its recipients are refused with.
    refused: Option<Reply>,
    dropped: Option<Reply>,
    log: Log,
}

/// What comes after the tests before the greeting.
#[derive(Debug)]
pub struct Screened {
    /// What is to be done with the client.
    pub greeted: Greeted,
    /// What is known of it from now on; none where nothing new is.
    pub entry: Option<AllowEntry>,
    /// Lines for the log.
    pub log: Log,
}

/// What is to be done with a client that has waited.
#[derive(Debug)]
pub enum Greeted {
    /// It is served as any other.
    Serve,
    /// It is served, and its commands watched; none of its recipients is taken.
    Watch(Box<Watch>),
    /// It is told this in place of a greeting, and its connection closed.
    Refuse(Reply),
}

impl Screening {
    pub(super) fn new(
        early: Arc<Early>,
        client: SocketAddr,
        known: Option<&AllowEntry>,
        due: Tests,
        vetoed: bool,
        refused: Option<Reply>,
    ) -> Self {
        let asked =
            if due.contains(EarlyTest::Dnsbl) { early.sites.questions(client.ip()) } else { Vec::new() };
        let entry = known.copied().unwrap_or_else(|| AllowEntry::new(client.ip()));
        let (failed, dropped, log) = (Tests::default(), None, Log::default());
        let is_old = known.is_some();
        Self { early, client, entry, is_old, due, failed, vetoed, asked, refused, dropped, log }
    }

    /// What is to be asked about the client, all at once.
    pub fn questions(&self) -> Vec<Question> {
        self.asked.iter().map(Asked::question).collect()
    }

    /// What came of a question, and how long that holds, where it is known.
    pub fn answer(&mut self, question: &Question, answer: Answer, ttl: Option<Duration>) {
        let Question::Dns { name, .. } = question else { return };
        if let Some(asked) = self.asked.iter_mut().find(|asked| asked.name == *name) {
            asked.outcome = Some(Outcome { answer, ttl });
        }
    }

    /// The first line that the client is to see at once, as the beginning of a greeting that goes on later (`220-`): those in
    /// a hurry take it for all of it. With `$smtpd_banner`, the server's own greeting is meant. None where no line is to be
    /// sent.
    pub fn teaser(&self) -> Option<&str> {
        let is_sent = self.due.contains(EarlyTest::Pregreet) && !self.early.greet_banner.is_empty();
        is_sent.then_some(&*self.early.greet_banner)
    }

    /// How long the client waits for its greeting at most.
    pub fn wait(&self) -> Duration {
        if self.due.contains_any(&EarlyTest::BEFORE_GREETING) {
            self.early.greet_wait
        } else {
            Duration::ZERO
        }
    }

    /// Whether nothing is left to wait for, though the time is not over.
    pub fn is_settled(&self) -> bool {
        let waits_for_client =
            self.due.contains(EarlyTest::Pregreet) && !self.failed.contains(EarlyTest::Pregreet);
        let waits_for_lists = self.asked.iter().any(|asked| asked.outcome.is_none());
        let waits = waits_for_lists || (waits_for_client && !self.is_let_off());
        self.dropped.is_some() || !waits
    }

    /// The client has said something, so long after it connected. What it says later is of no interest here.
    pub fn talked(&mut self, said: &[u8], after: Duration) {
        if !self.due.contains(EarlyTest::Pregreet) || self.failed.contains(EarlyTest::Pregreet) {
            return;
        }
        self.failed.insert(EarlyTest::Pregreet);
        let (count, after, client) = (said.len(), seconds(after), host(self.client));
        self.log.info(format!("PREGREET {count} after {after} from {client}: {}", printable(said)));
        let action = self.early.rule(EarlyTest::Pregreet).action;
        self.fail(action, |dropped| refusal(dropped, (5, 1), "Protocol error"));
    }

    /// The client has gone, so long after it connected. There is nothing more to do: give what is left to the log.
    pub fn hung_up(mut self, after: Duration) -> Log {
        let (after, client) = (seconds(after), host(self.client));
        self.log.info(format!("HANGUP after {after} from {client} in tests before SMTP handshake"));
        disconnected(self.client, &mut self.log);
        self.log
    }

    /// The tests before the greeting are over.
    pub fn finish(mut self, now: UnixTime) -> Screened {
        let early = Arc::clone(&self.early);
        let before = self.entry;
        if self.due.contains(EarlyTest::Dnsbl) {
            self.weigh(now);
        }
        if self.due.contains(EarlyTest::Pregreet) && !self.failed.contains(EarlyTest::Pregreet) {
            self.pass(EarlyTest::Pregreet, expiry(now, early.rule(EarlyTest::Pregreet).ttl));
        }
        let entry = (self.entry != before && !self.vetoed).then_some(self.entry);
        let greeted = if let Some(reply) = self.dropped {
            disconnected(self.client, &mut self.log);
            Greeted::Refuse(reply)
        } else if self.refused.is_some() || self.vetoed || self.due.contains_any(&EarlyTest::OF_COMMANDS) {
            let (known, has_failed) = ((self.entry, self.is_old), !self.failed.is_empty());
            let watch =
                Watch::new(early, self.client, known, self.due, has_failed, !self.vetoed, self.refused);
            Greeted::Watch(Box::new(watch))
        } else {
            if self.failed.is_empty() {
                let age = if self.is_old { "OLD" } else { "NEW" };
                self.log.info(format!("PASS {age} {}", host(self.client)));
            }
            Greeted::Serve
        };
        Screened { greeted, entry, log: self.log }
    }

    /// Adds up what DNS lists have said.
    fn weigh(&mut self, now: UnixTime) {
        let early = Arc::clone(&self.early);
        let score = early.sites.score(&self.asked);
        let rule = early.rule(EarlyTest::Dnsbl);
        if score.sum >= early.threshold {
            self.failed.insert(EarlyTest::Dnsbl);
            self.log.info(format!("DNSBL rank {} for {}", score.sum, host(self.client)));
            let shown = early.shown(score.blame(), &mut self.log);
            let client = self.client.ip().to_canonical();
            return self.fail(rule.action, |dropped| {
                refusal(
                    dropped,
                    (7, 1),
                    format!("Service unavailable; client [{client}] blocked using {shown}"),
                )
            });
        }
        let ttl = score.ttl.unwrap_or(rule.ttl).min(rule.ttl).max(early.dnsbl_min_ttl);
        let until = expiry(now, if score.is_complete { ttl } else { early.dnsbl_min_ttl });
        self.pass(EarlyTest::Dnsbl, until);
        if self.is_let_off() {
            for test in EarlyTest::ALL {
                self.pass(test, until);
            }
        }
    }

    /// Whether DNS lists think so well of it that no other test is made.
    fn is_let_off(&self) -> bool {
        let threshold = self.early.allow_threshold;
        threshold < 0 && self.failed.is_empty() && self.early.sites.score(&self.asked).sum <= threshold
    }

    fn pass(&mut self, test: EarlyTest, until: UnixTime) {
        self.entry.pass(test, until);
        self.due.remove(test);
    }

    fn fail(&mut self, action: EarlyAction, reply: impl Fn(bool) -> Reply) {
        match action {
            EarlyAction::Ignore => {}
            EarlyAction::Enforce => self.refused = self.refused.take().or_else(|| Some(reply(false))),
            EarlyAction::Drop => self.dropped = self.dropped.take().or_else(|| Some(reply(true))),
        }
    }
}

//! What policy asks, answered; and the recipients it has accepted, with who gets their mail.
//!
//! `relay-policy` decides; what it cannot know it asks. The questions of one moment are asked at the same time, and each
//! answer is handed in as it comes: a decision that no longer needs the others does not wait for them.

mod answerer;
mod include;
mod recipients;
mod services;

pub(crate) use answerer::{Answerer, Walls};
pub(crate) use include::why_unusable;
pub use recipients::Addresses;
pub(crate) use recipients::{NoRoute, Recipients};
pub(crate) use services::{Asked, Services};

use crate::settings::SmtpProfile;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use proto_core::address::{ForwardPath, LocalPart, Mailbox};
use relay_policy::access::{AccessStep, Log, LogLine, Outcome};
use relay_policy::headers::Plan;
use relay_policy::table::{Answers, LookupError};
use relay_policy::{Answer, Question, Reply, Request, Stage};
use smtp_proto::server::Protocol;
use std::fmt::Display;

/// What came of a decision for which nothing is to be asked, as of most; none where something is.
pub(crate) fn decided(profile: &SmtpProfile, request: &Request, stage: Stage<'_>) -> Option<Box<Outcome>> {
    match profile.policy.evaluate(request, stage).step() {
        AccessStep::Done(outcome) => Some(outcome),
        AccessStep::Needs(_) => None,
    }
}

impl Answerer<'_> {
    /// Runs a decision to its end. Who goes on with a recipient has what was answered about tables.
    ///
    /// # Errors
    /// What is to be said when the decision does not come to an end, which is a fault of ours.
    pub(crate) async fn decide(
        &self,
        request: &Request,
        stage: Stage<'_>,
    ) -> Result<(Box<Outcome>, Answers), Reply> {
        let mut evaluation = self.profile.policy.evaluate(request, stage);
        let (mut asked, mut under_way) = (Vec::new(), None);
        loop {
            let questions = match evaluation.step() {
                AccessStep::Done(outcome) => return Ok((outcome, evaluation.into_answers())),
                AccessStep::Needs(questions) => questions,
            };
            let known = asked.len();
            for question in questions {
                if !asked.contains(&question) {
                    asked.push(question);
                }
            }
            let taken = match &asked[known..] {
                // Most decisions have one question at a time.
                [question] if under_way.as_ref().is_none_or(FuturesUnordered::is_empty) => {
                    let answer = self.answer(question).await;
                    Some(evaluation.answer(question, answer))
                }
                questions => {
                    let under_way = under_way.get_or_insert_with(FuturesUnordered::new);
                    for question in questions.iter().cloned() {
                        under_way.push(async move {
                            let answer = self.answer(&question).await;
                            (question, answer)
                        });
                    }
                    let answered = under_way.next().await;
                    answered.map(|(question, answer)| evaluation.answer(&question, answer))
                }
            };
            if !matches!(taken, Some(Ok(()))) {
                tracing::error!(?asked, "policy asks for what it has been told");
                let text = "Error: internal error".into();
                return Err(Reply { code: 451, enhanced: (4, 3, 0), text });
            }
        }
    }

    /// What is done to the header of a message from this client; none where it is left as it is.
    ///
    /// # Errors
    /// The refusal, when a table does not answer.
    pub(crate) async fn plan_header(&self, request: &Request) -> Result<Option<Plan>, Reply> {
        let mut answers = Answers::default();
        loop {
            match self.profile.headers.plan(request, &answers) {
                Ok(plan) => return Ok(plan),
                Err(LookupError::Elsewhere { table, key }) => {
                    let question = Question::Lookup { table: table.clone(), key: key.clone() };
                    let found = match self.answer(&question).await {
                        Answer::Found(found) => Ok(found),
                        _ => Err("it could not be asked".to_owned()),
                    };
                    answers.add(table, key, found);
                }
                Err(error) => {
                    tracing::error!(%error, "refused: whose headers are rewritten is not known");
                    let text = "Temporary lookup failure".into();
                    return Err(Reply { code: 451, enhanced: (4, 3, 0), text });
                }
            }
        }
    }
}

/// The recipient that policy is asked about. Nothing is submitted by who may not, so there the bare `postmaster` is one as all
/// others, and is not excused from the lists.
pub(crate) fn asked(profile: &SmtpProfile, written: &ForwardPath) -> ForwardPath {
    let qualified = || {
        let local_part = LocalPart::new("postmaster").ok()?;
        Mailbox::new(local_part, profile.postmaster.domain().clone()).ok().map(ForwardPath::Mailbox)
    };
    match written {
        ForwardPath::Postmaster if profile.config.protocol == Protocol::Submission => qualified(),
        _ => None,
    }
    .unwrap_or_else(|| written.clone())
}

/// What is said when the configuration wants something that cannot be.
pub(crate) fn server_error() -> Reply {
    Reply { code: 451, enhanced: (4, 3, 5), text: "Server configuration error".into() }
}

/// Writes what a decision has for the log. The trail is for who wants to know how it came about.
pub(crate) fn log(outcome: &Outcome, at: &dyn Display) {
    if tracing::enabled!(tracing::Level::DEBUG) {
        for rule in outcome.trail.entries() {
            tracing::debug!(%at, %rule, "policy");
        }
    }
    write(&outcome.log);
}

/// Writes lines for the log.
pub(crate) fn write(log: &Log) {
    for line in log.lines() {
        match line {
            LogLine::Warning(text) => tracing::warn!("{text}"),
            line => tracing::info!("{line}"),
        }
    }
}

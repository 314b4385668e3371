//! The header of a message that arrives: its addresses are rewritten, and what it lacks is added.
//!
//! What content checks have left goes through [`HeaderRun`] before it goes into the intake. For clients whose headers are left
//! as they are there is none of this, and behind the header of any message there is none of it any more.
//!
//! # Limits
//! Those of [`relay_policy::headers`]; and one chunk of the message.

use super::policy::refusal;
use crate::policy::{Answerer, Walls};
use crate::settings::SmtpProfile;
use bytes::Bytes;
use proto_core::UnixTime;
use relay_policy::Request;
use relay_policy::address::Address;
use relay_policy::headers::{HeaderRewriting, HeaderRun, HeaderStep, MessageFacts, Plan};
use smtp_proto::reply::Refusal;
use smtp_proto::server::MailDate;
use std::net::IpAddr;
use std::sync::Arc;

/// What is done to the header of a message from this client; none where it is left as it is.
///
/// # Errors
/// The refusal, when a table does not answer.
pub(super) async fn plan(
    profile: &Arc<SmtpProfile>,
    walls: &Arc<Walls>,
    request: &Request,
) -> Result<Option<Plan>, Refusal> {
    Answerer::new(profile, walls, request.client).plan_header(request).await.map_err(refusal)
}

/// A header on its way in.
pub(super) struct Header {
    run: HeaderRun<Arc<HeaderRewriting>>,
    profile: Arc<SmtpProfile>,
    walls: Arc<Walls>,
    client: IpAddr,
}

impl Header {
    /// Begins with the message that the queue calls `id`, and that comes from the last of `answerer`, which is what makes one.
    pub(super) fn new(
        plan: Plan,
        (profile, walls, client): (&Arc<SmtpProfile>, &Arc<Walls>, IpAddr),
        sender: Address,
        id: &str,
        now: UnixTime,
    ) -> Box<Self> {
        let facts = MessageFacts {
            sender,
            // A name in the queue may come again when its message is gone.
            id: format!("{}.{id}", now.0),
            date: MailDate(now).to_string(),
        };
        let run = HeaderRun::new(Arc::clone(&profile.headers), plan, facts);
        Box::new(Self { run, profile: Arc::clone(profile), walls: Arc::clone(walls), client })
    }

    /// What is passed on of these octets and of those that waited.
    pub(super) async fn pass(&mut self, octets: Bytes) -> Bytes {
        if self.run.is_over() {
            return octets;
        }
        self.run.feed(&octets);
        self.step().await
    }

    /// What is left of the message.
    ///
    /// # Errors
    /// The refusal, when a table did not answer.
    pub(super) async fn end(mut self, queue_id: &str) -> Result<Bytes, Refusal> {
        self.run.end();
        let kept = self.step().await;
        let outcome = self.run.outcome();
        for warning in &outcome.warnings {
            tracing::warn!(queue_id, "{warning}");
        }
        match &outcome.refusal {
            Some(reply) => Err(refusal(reply.clone())),
            None => Ok(kept),
        }
    }

    async fn step(&mut self) -> Bytes {
        let answerer = Answerer::new(&self.profile, &self.walls, self.client);
        let mut kept = Vec::new();
        while let HeaderStep::Needs(questions) = self.run.step(&mut kept) {
            for (question, answer) in answerer.answers(questions).await {
                self.run.answer(&question, answer).expect("invariant: it has just been asked");
            }
        }
        kept.into()
    }
}

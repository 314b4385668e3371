//! Answers another mail server that asks what is to be done with a client, a sender, a recipient: we are its policy server
//! (`check_policy_service inet:…` of Postfix).
//!
//! The lists of the listener are asked as they are in a session of our own, at the moment that `protocol_state` names. What they
//! say goes back as one action, and never as a permit, since whoever asks has lists of its own.
//!
//! # Departures
//! What is to be done to a message besides the first thing is in the log, and is not done: an answer has room for one.

use super::{Backends, told};
use crate::driver::{Service, Work};
use crate::policy::{self, Answerer, Walls};
use crate::settings::SmtpProfile;
use proto_core::{Ask, CloseReason, Now};
use relay_policy::delegation::{Asked, Event, Inquiry, Server, Verdict};
use std::sync::Arc;
use std::time::Duration;

/// One connection's answers.
pub(crate) struct DelegationService {
    profile: Arc<SmtpProfile>,
    backends: Backends,
    work: Work<Finish>,
}

type Finish = super::Finish<DelegationService, Server>;

impl DelegationService {
    pub(crate) fn new(profile: Arc<SmtpProfile>, backends: Backends) -> Self {
        Self { profile, backends, work: Work::default() }
    }

    fn asked(&mut self, ask: Ask<Asked>) {
        let (profile, walls) = (Arc::clone(&self.profile), Arc::clone(&self.backends.walls));
        self.work.start(async move {
            let verdict = verdict(&profile, &walls, &ask.detail).await;
            Box::new(move |_: &mut Self, server: &mut Server, now: Now| {
                told(server.answer(now, ask, verdict));
            }) as Finish
        });
    }
}

/// What our lists say. What cannot be put to them is not answered: whoever asked knows what to do then.
async fn verdict(profile: &SmtpProfile, walls: &Walls, Asked(attributes): &Asked) -> Verdict {
    let origin = &profile.policy.parameters().myorigin;
    let inquiry = match Inquiry::read(attributes, origin) {
        Ok(inquiry) => inquiry,
        Err(error) => {
            tracing::warn!(%error, "not answered");
            return Verdict::Close;
        }
    };
    let answerer = Answerer::new(profile, walls, inquiry.request.client);
    let Ok((outcome, _)) = answerer.decide(&inquiry.request, inquiry.stage()).await else {
        return Verdict::Close;
    };
    policy::log(&outcome, &attributes.value("protocol_state"));
    if outcome.effects.sleep_seconds > 0 {
        tokio::time::sleep(Duration::from_secs(outcome.effects.sleep_seconds.into())).await;
    }
    let (action, left_out) = outcome.action();
    for left_out in left_out {
        tracing::warn!(action, left_out, "not done: an answer is one action");
    }
    Verdict::Action(action)
}

impl Service<Server> for DelegationService {
    fn event(&mut self, _: &mut Server, _: Now, event: Event) {
        match event {
            Event::Asked(ask) => self.asked(ask),
            Event::Cancelled(_) => self.work.cancel(),
            unknown => tracing::error!(event = ?unknown, "an event that nobody here knows"),
        }
    }

    async fn wait(&mut self) {
        self.work.wait().await;
    }

    fn resume(&mut self, server: &mut Server, now: Now) {
        if let Some(finish) = self.work.take() {
            finish(self, server, now);
        }
    }

    fn ended(&mut self, reason: &CloseReason) {
        tracing::info!(%reason, "session ended");
    }
}

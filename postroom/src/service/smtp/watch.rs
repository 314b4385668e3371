//! A client that the tests before its greeting have not let through: it is served, and none of its recipients taken.

use super::policy::refusal;
use super::{SmtpService, told};
use crate::policy;
use proto_core::{Ask, Now};
use relay_policy::Stage;
use relay_policy::access::LogLine;
use smtp_proto::reply::Refusal;
use smtp_proto::server::{Rcpt, Server};

impl SmtpService {
    /// Refuses a recipient, whoever it is.
    pub(super) fn turn_away(&mut self, server: &mut Server, now: Now, ask: Ask<Rcpt>) {
        let Some(watch) = &mut self.watch else {
            return told(server.answer(now, ask, Refusal::TEMPORARY.into()));
        };
        let (reply, entry) = watch.recipient(now.utc);
        policy::write(&watch.log());
        if let (Some(entry), Some(early)) = (entry, &self.profile.early) {
            self.backends.walls.memory.remember(entry, early.retention(), now.utc);
        }
        let stage = Stage::Rcpt(&ask.detail.forward_path);
        tracing::info!("{}", LogLine::event(&self.request, stage, "reject", &reply));
        told(server.answer(now, ask, refusal(reply).into()));
    }
}

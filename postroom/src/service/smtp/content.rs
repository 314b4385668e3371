//! Content checks of a message that arrives: `header_checks` and its companions.
//!
//! What the client sends goes through the tables before it goes into the intake, the trace field included, so that rules may
//! take it out. Where no table is configured there is none of this.
//!
//! # Limits
//! What waits is what [`Inspection`] holds: of a field or a line no more than is looked at. Patterns run on the reactor; how
//! much of a message they see is limited by the same parameters.

use super::policy::refusal;
use bytes::Bytes;
use relay_policy::access::Effects;
use relay_policy::checks::{Action, ContentChecks, Inspection, Outcome, Verdict};
use smtp_proto::reply::Refusal;
use std::sync::Arc;

/// A message being looked at.
pub(super) struct Content {
    inspection: Inspection<Arc<ContentChecks>>,
    kept: Vec<u8>,
}

impl Content {
    /// Begins with a message; none where there is nothing to look for.
    pub(super) fn new(checks: &Arc<ContentChecks>) -> Option<Box<Self>> {
        let inspection = (!checks.is_empty()).then(|| Inspection::new(Arc::clone(checks)))?;
        Some(Box::new(Self { inspection, kept: Vec::new() }))
    }

    /// What the message keeps of these octets and of those that waited; nothing once it is not to be kept at all.
    pub(super) fn feed(&mut self, octets: &[u8]) -> Bytes {
        self.inspection.feed(octets, &mut self.kept);
        kept(self.inspection.outcome(), &mut self.kept)
    }

    /// What is left of the message, and what is to become of it.
    pub(super) fn finish(mut self) -> (Bytes, Outcome) {
        let outcome = self.inspection.finish(&mut self.kept);
        (kept(&outcome, &mut self.kept), outcome)
    }
}

fn kept(outcome: &Outcome, kept: &mut Vec<u8>) -> Bytes {
    let kept = std::mem::take(kept);
    if outcome.verdict == Verdict::Accept { kept.into() } else { Bytes::new() }
}

/// Takes what content checks want among what else is to be done to a message.
///
/// # Errors
/// When they refuse it.
pub(super) fn absorb(effects: &mut Effects, outcome: &Outcome) -> Result<(), Refusal> {
    effects.absorb(outcome.effects().map_err(refusal)?);
    Ok(())
}

/// Writes to the log what was found in a message that came from `origin`.
pub(super) fn log(outcome: &Outcome, origin: &str, queue_id: &str) {
    for finding in &outcome.findings {
        let Some(line) = finding.log_line(origin) else { continue };
        match finding.action {
            Action::Warn | Action::Wrong(_) | Action::Failed(_) => {
                tracing::warn!(queue_id, place = %finding.place, "{line}");
            }
            _ => tracing::info!(queue_id, place = %finding.place, "{line}"),
        }
    }
    if outcome.findings_dropped > 0 {
        tracing::warn!(queue_id, more = outcome.findings_dropped, "content checks found more than is told");
    }
}

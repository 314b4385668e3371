//! What stands behind the refusals of a session: `smtpd_reject_footer`.
//!
//! # Departures
//! From Postfix: the time is UTC, and written as the times of this server's log are. Who is turned away before the session
//! begins (too many connections) is told nothing behind it.

use crate::clock::Clock;
use crate::settings::SmtpProfile;
use relay_policy::{FooterFacts, Request};
use smtp_proto::parameter::DateTime;
use smtp_proto::server::RejectFooter;
use std::sync::Arc;

/// What finds the words for a client's refusals, where there are any.
pub(super) fn footer(profile: &Arc<SmtpProfile>, request: &Request, clock: &Clock) -> Option<RejectFooter> {
    profile.reject_footer.as_ref()?;
    let (profile, clock) = (Arc::clone(profile), clock.clone());
    let (client_address, client_port) = (request.client, request.client_port);
    Some(RejectFooter::new(move |refusal| {
        let localtime = DateTime::new(clock.now().utc).map(|time| time.to_string()).unwrap_or_default();
        let facts = FooterFacts {
            client_address,
            client_port,
            localtime: &localtime,
            server_name: &profile.policy.parameters().myhostname,
        };
        profile.reject_footer.as_ref()?.behind(&refusal.to_string(), refusal.text(), &facts)
    }))
}

//! What a client does that is counted, beside its connections: `smtpd_client_message_rate_limit` and its like.
//!
//! # Departures
//! From Postfix: STARTTLS is answered before the handshake, so too many new TLS sessions are refused behind it. An AUTH
//! command is counted when its credentials have come.

use super::SmtpService;
use super::policy::refusal;
use proto_core::sasl::{Authenticate, Credentials};
use proto_core::{Ask, Now};
use relay_policy::rates::RateEvent;
use smtp_proto::reply::Refusal;

impl SmtpService {
    /// Counts what the client does.
    ///
    /// # Errors
    /// What it is told when that is too often.
    pub(super) fn count(&self, event: RateEvent, now: Now) -> Result<(), Refusal> {
        let (Some(connections), Some(peer)) = (&self.session.counted, self.session.client) else {
            return Ok(());
        };
        // What is not counted costs no lock.
        if self.profile.rates.limit(event) == 0 {
            return Ok(());
        }
        // Who speaks for many clients is trusted, and counted for none of them.
        if self.profile.xclient_clients.contains(peer) {
            return Ok(());
        }
        let counted = connections.happened(&self.profile.rates, peer, event, now.instant);
        counted.map_err(|exceeded| {
            let client = format!("{}[{peer}]", self.request.client_name);
            tracing::warn!("{}", exceeded.log_line(&client, &self.session.listener));
            refusal(exceeded.reply(self.profile.config.hostname(), peer))
        })
    }

    /// Counts an AUTH command: of those mechanisms that ask twice, the first time.
    ///
    /// # Errors
    /// As of [`Self::count`].
    pub(super) fn count_login(&self, ask: &Ask<Authenticate>, now: Now) -> Result<(), Refusal> {
        match ask.detail.credentials {
            Credentials::Verified { .. } => Ok(()),
            _ => self.count(RateEvent::Auth, now),
        }
    }
}

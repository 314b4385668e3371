//! The tests of clients before they are served (`postscreen`), and the session that they have meanwhile.

use super::{Listener, Protocol, SettingsError, TlsMode};
use crate::listener::teaser;
use relay_policy::Parameters;
use relay_policy::early::Early;
use relay_policy::table::Opener;
use smtp_proto::server::{Config, Impatience, Offer};
use std::sync::Arc;

/// What a listener with `postscreen` has.
#[derive(Debug)]
pub(crate) struct Screen {
    pub(crate) early: Arc<Early>,
    /// Of sessions that lead nowhere, with clients that are not let through.
    pub(crate) config: Arc<Config>,
}

impl Screen {
    /// `config` is that of the sessions of those who are let through.
    pub(super) fn compile(
        listener: &Listener,
        parameters: &Parameters,
        config: &Config,
        opener: &Opener<'_>,
    ) -> Result<Self, SettingsError> {
        let wrong =
            |what: &str| SettingsError::Postscreen { listener: listener.to_string(), what: what.into() };
        if listener.protocol != Protocol::Smtp || listener.tls == TlsMode::Implicit {
            return Err(wrong(
                "only mail from other servers, without TLS from the first octet, waits for its greeting",
            ));
        }
        let banner = &*parameters.postscreen_greet_banner;
        if !banner.is_empty() && teaser(config, banner).is_none() {
            return Err(wrong("postscreen_greet_banner: it cannot stand in a reply"));
        }
        let policy = |error| SettingsError::ListenerPolicy { listener: listener.to_string(), error };
        let early = Early::compile(parameters, opener).map_err(policy)?;
        Ok(Self { early: Arc::new(early), config: Arc::new(screening(config.clone(), parameters)) })
    }
}

/// Neither PIPELINING nor AUTH, nor anything else that leads somewhere: what such a client says is a test, and goes no further.
/// How many commands it may say, errors among them, is counted by who makes the tests.
fn screening(mut config: Config, parameters: &Parameters) -> Config {
    config.ask_commands = true;
    config.mechanisms = Vec::new();
    config.pipelining_before_capability = Impatience::Permit;
    config.offer = Offer::default();
    (config.offer.pipelining, config.offer.chunking, config.offer.limits) = (false, false, false);
    (config.limits.errors_max, config.limits.errors_before_pause) = (u32::MAX, u32::MAX);
    config.timeouts.command = parameters.postscreen_command_time_limit;
    config
}

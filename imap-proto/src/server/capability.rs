//! What a session can do, derived from its configuration and state.
//!
//! RFC 3501 section 7.2.1. Nothing stands here that the machine does not do.

use super::config::{Config, NonSyncLiterals, TlsMode};
use super::session::Session;
use crate::types::{Atom, Capability};
use alloc::vec::Vec;
use proto_core::sasl::Mechanism;

/// The capabilities here and now.
pub(super) fn capabilities(config: &Config, session: &Session) -> Vec<Capability> {
    let mut list = Vec::from([Capability::Imap4Rev1]);
    list.push(match config.non_sync_literals {
        NonSyncLiterals::Plus => Capability::LiteralPlus,
        NonSyncLiterals::Minus => Capability::LiteralMinus,
    });
    list.extend([Capability::SaslIr, Capability::Id]);
    if session.authenticated {
        list.extend([Capability::Idle, Capability::Namespace, Capability::UidPlus, Capability::Unselect]);
        if config.children {
            list.push(Capability::Children);
        }
        return list;
    }
    if starttls_offered(config, session) {
        list.push(Capability::StartTls);
    }
    if !config.login_command || !password_allowed(config, session) {
        list.push(Capability::LoginDisabled);
    }
    let mechanisms =
        config.mechanisms.iter().filter(|&&mechanism| mechanism_allowed(config, session, mechanism));
    list.extend(mechanisms.filter_map(|m| Atom::new(m.name().as_bytes()).ok()).map(Capability::Auth));
    list
}

/// Whether STARTTLS can be done (RFC 3501 section 6.2.1): before TLS and before login.
pub(super) fn starttls_offered(config: &Config, session: &Session) -> bool {
    config.tls == TlsMode::StartTls && session.tls.is_none() && !session.authenticated
}

/// Whether a password may be shown on this connection (RFC 3501 section 6.2.3).
pub(super) fn password_allowed(config: &Config, session: &Session) -> bool {
    session.tls.is_some() || config.allow_plaintext_auth
}

/// Whether a mechanism may be used on this connection.
pub(super) fn mechanism_allowed(config: &Config, session: &Session, mechanism: Mechanism) -> bool {
    config.mechanisms.contains(&mechanism)
        && session.conditions().permit(mechanism, config.allow_plaintext_auth)
}

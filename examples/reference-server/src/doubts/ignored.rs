//! What a configuration says, and a listener has no use for.

use super::is_used;
use crate::config::{Config, ListenerSection, Protocol};
use postroom::rehearsal::Rehearsal;
use postroom::relay_policy::Parameters;
use postroom::settings::Listener;

/// Restrictions about who has logged in as whom.
const LOGINS: [&str; 4] = [
    "reject_sender_login_mismatch",
    "reject_authenticated_sender_login_mismatch",
    "reject_unauthenticated_sender_login_mismatch",
    "reject_known_sender_login_mismatch",
];

/// Restrictions about certificates that clients show.
const CERTIFICATES: [&str; 3] =
    ["permit_tls_clientcerts", "permit_tls_all_clientcerts", "check_ccert_access"];

/// Parameters that say how mail gets to other servers, and nothing else: none is sent there.
pub const OF_SENDING: [&str; 11] = [
    "best_mx_transport",
    "ignore_mx_lookup_error",
    "relayhost",
    "sender_dependent_relayhost_maps",
    "smtp_address_preference",
    "smtp_balance_inet_protocols",
    "smtp_defer_if_no_mx_address_found",
    "smtp_fallback_relay",
    "smtp_mx_address_limit",
    "smtp_mx_session_limit",
    "smtp_randomize_addresses",
];

/// What is said of mail to other servers.
pub(super) fn of_sending(config: &Config) -> Option<String> {
    let own = config.listeners.iter().map(|listener| &listener.policy);
    let sections: Vec<_> = own.chain([&config.policy]).collect();
    let is_said = |name: &&str| {
        sections.iter().any(|section| section.value(name).is_some_and(|value| !value.is_empty()))
    };
    let said: Vec<&str> = OF_SENDING.into_iter().filter(is_said).collect();
    (!said.is_empty()).then(|| {
        format!(
            "{}: mail is not sent on to other servers yet, so this does nothing: what is for them is refused",
            said.join(", ")
        )
    })
}

/// What a listener that takes mail reads and passes over.
pub(super) fn of_listener(
    section: &ListenerSection,
    listener: &Listener,
    parameters: &Parameters,
    rehearsal: &Rehearsal,
) -> Vec<String> {
    let mut said = Vec::new();
    if !matches!(section.protocol, Protocol::Smtp | Protocol::Submission | Protocol::Lmtp) {
        return said;
    }
    if !parameters.smtpd_etrn_restrictions.trim().is_empty() {
        said.push(
            "smtpd_etrn_restrictions: ETRN is always refused here (502), and only a policy server is asked this list".into(),
        );
    }
    if let Some(name) = LOGINS.into_iter().find(|name| is_used(parameters, name))
        && !rehearsal.offers_login(&listener.name)
    {
        said.push(format!("{name}: nobody is offered a login, so it is passed over"));
    }
    if let Some(name) = CERTIFICATES.into_iter().find(|name| is_used(parameters, name))
        && section.client_ca.is_none()
    {
        said.push(format!(
            "{name}: without client_ca no client is asked for a certificate, so there is none to be known by; those that it has not \
             signed are never known, whatever their fingerprint"
        ));
    }
    said
}

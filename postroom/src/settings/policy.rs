//! The policy of a listener: what is common, under what its kind brings, under what it has of its own.
//!
//! The names are Postfix's (`postconf(5)`), and so are the layers: `main.cf`, and `-o name=value` in `master.cf`.
//!
//! # Departures
//! From Postfix: `smtpd_relay_restrictions` has `reject_unauth_destination` at its end unless something is said, not
//! `defer_unauth_destination`. `mydestination`, where it is empty, is [`Settings::domains`]; `myorigin` the first of those;
//! `myhostname` is [`Settings::hostname`], `smtpd_sasl_local_domain` the first of the domains, too. `local_recipient_maps` and `virtual_mailbox_maps`, where they are empty, are
//! `directory:`, which is what [`Directory::contains`](crate::wall::Directory::contains) says, the former with `alias_maps`:
//! mail is taken only where there is a mailbox for it. Where there is a `luser_relay`, `local_recipient_maps` stays empty.

use super::{Listener, Protocol, Settings};
use relay_policy::table::DIRECTORY;
use relay_policy::{ParameterError, Parameters};

/// Who may relay, unless something else is said.
const RELAY: &str = "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination";

/// The parameters that a listener has in place of the common ones, as `-o name=value` in Postfix's `master.cf`.
///
/// ```
/// use postroom::settings::{Listener, PolicyOverrides, Protocol};
///
/// let mut listener = Listener::without_socket(Protocol::Smtp);
/// listener.policy = PolicyOverrides::from_iter([("mynetworks", "192.0.2.0/24")]);
/// listener.policy.set("smtpd_client_restrictions", "permit_mynetworks, reject");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyOverrides(Vec<(String, String)>);

impl PolicyOverrides {
    /// Sets a parameter by its name in `main.cf`. Whether there is such a parameter, and whether it can have this value, is
    /// found when the settings are checked.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.0.push((name.into(), value.into()));
    }

    /// Names and values, in the order in which they were set. Of several values of one name the last counts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    fn apply(&self, parameters: &mut Parameters) -> Result<(), ParameterError> {
        // It makes names of parameters, so it comes before those.
        let (classes, others): (Vec<_>, Vec<_>) =
            self.iter().partition(|(name, _)| *name == "smtpd_restriction_classes");
        classes.into_iter().chain(others).try_for_each(|(name, value)| parameters.set(name, value))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for PolicyOverrides {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// The parameters that settings begin with.
pub(super) fn initial() -> Parameters {
    let mut parameters = Parameters::default();
    parameters.smtpd_relay_restrictions = RELAY.into();
    parameters
}

/// What all listeners have in common.
pub(super) fn common(settings: &Settings) -> Parameters {
    let mut parameters = settings.policy.clone();
    complete(&mut parameters, settings);
    parameters
}

/// What a listener has.
///
/// # Errors
/// Of its own parameters.
pub(super) fn of_listener(settings: &Settings, listener: &Listener) -> Result<Parameters, ParameterError> {
    let mut parameters = settings.policy.clone();
    if matches!(listener.protocol, Protocol::Submission | Protocol::Lmtp) {
        // What the common lists ask of strangers is not asked of users and of servers of our own.
        parameters.smtpd_client_restrictions.clear();
        parameters.smtpd_helo_restrictions.clear();
        parameters.smtpd_sender_restrictions.clear();
        parameters.smtpd_recipient_restrictions.clear();
    }
    if listener.protocol == Protocol::Submission {
        parameters.smtpd_relay_restrictions = "permit_sasl_authenticated, reject".into();
    }
    if listener.protocol == Protocol::Policy {
        forget_lists(&mut parameters);
    }
    listener.policy.apply(&mut parameters)?;
    if listener.protocol == Protocol::Lmtp {
        // A refusal in one list is not excused by another, so this holds whatever the others say.
        parameters.smtpd_relay_restrictions = "reject_unauth_destination".into();
    }
    complete(&mut parameters, settings);
    Ok(parameters)
}

/// What is said of a server's own sessions is not said of another's.
fn forget_lists(parameters: &mut Parameters) {
    let p = parameters;
    for list in [
        &mut p.smtpd_client_restrictions,
        &mut p.smtpd_helo_restrictions,
        &mut p.smtpd_sender_restrictions,
        &mut p.smtpd_relay_restrictions,
        &mut p.smtpd_recipient_restrictions,
        &mut p.smtpd_data_restrictions,
        &mut p.smtpd_end_of_data_restrictions,
        &mut p.smtpd_etrn_restrictions,
    ] {
        list.clear();
    }
    (p.smtpd_reject_unlisted_recipient, p.smtpd_reject_unlisted_sender) = (false, false);
    // Its processes keep their connections, and are no strangers.
    (p.smtpd_client_connection_count_limit, p.smtpd_client_connection_rate_limit) = (None, 0);
}

/// Fills in what is not said.
fn complete(parameters: &mut Parameters, settings: &Settings) {
    let p = parameters;
    if p.myhostname == Parameters::default().myhostname {
        p.myhostname.clone_from(&settings.hostname);
    }
    if p.mydestination.is_empty() {
        p.mydestination.clone_from(&settings.domains);
    }
    if p.myorigin.is_empty() {
        p.myorigin = settings.domains.first().cloned().unwrap_or_default();
    }
    if p.smtpd_sasl_local_domain.is_empty() {
        p.smtpd_sasl_local_domain = settings.domains.first().cloned().unwrap_or_default();
    }
    // Where `luser_relay` gets what is for nobody, nobody is unknown.
    if p.local_recipient_maps.is_empty() && p.luser_relay.is_empty() {
        p.local_recipient_maps.push(DIRECTORY.into());
        p.local_recipient_maps.extend_from_slice(&p.alias_maps);
    }
    if p.virtual_mailbox_maps.is_empty() {
        // What the directory knows is accounts, not domains.
        p.virtual_mailbox_domains.retain(|word| word != "$virtual_mailbox_maps");
        p.virtual_mailbox_maps.push(DIRECTORY.into());
    }
}

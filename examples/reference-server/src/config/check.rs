//! What a parser cannot know: values that are of the right kind but cannot be meant.
//!
//! Names, networks and what a protocol needs are judged by the engine
//! ([`Settings::check`](postroom::settings::Settings::check)), so that an embedder gets the same judgement.

use super::schema::{
    Config, GreylistSection, LimitsSection, MailboxSection, MboxLock, QuotaSection, StorageFormat,
    StorageSection, TlsMode,
};
use crate::import::postfix::{why_exactly_not, why_not};
use crate::wiring;
use postroom::mailstore::mbox::MboxLocation;
use postroom::mailstore::{PathTemplate, PathUser};
use postroom::relay_policy::Parameters;
use postroom::wall::AccountId;
use std::collections::BTreeSet;
use std::path::Path;

/// The key and what is wrong with it.
type Problem = (String, String);

fn problem<T>(key: impl Into<String>, what: impl Into<String>) -> Result<T, Problem> {
    Err((key.into(), what.into()))
}

pub(super) fn check(config: &Config) -> Result<(), Problem> {
    host_name("hostname", &config.hostname)?;
    if config.listeners.is_empty() {
        return problem("listener", "at least one [[listener]] is needed");
    }
    let mut addresses = BTreeSet::new();
    for (index, listener) in config.listeners.iter().enumerate() {
        let key = wiring::key(index, listener);
        if listener.address.port() != 0 && !addresses.insert(listener.address) {
            return problem(
                format!("{key}: address"),
                format!("{} is already the address of another listener", listener.address),
            );
        }
        limits(&format!("{key}: limits"), &listener.limits)?;
        if listener.client_ca.is_some() && listener.tls == TlsMode::None {
            return problem(format!("{key}: client_ca"), "certificates are shown in TLS, and tls is none");
        }
        if listener.require_client_certificate && listener.client_ca.is_none() {
            return problem(
                format!("{key}: require_client_certificate"),
                "client_ca must say whose certificates are believed",
            );
        }
    }
    for (index, domain) in config.domains.local.iter().enumerate() {
        host_name(&format!("domains.local[{index}]"), domain)?;
    }
    let anonymous = config.accounts.auth_anonymous_username.as_deref();
    if let Some(name) = anonymous.filter(|name| AccountId::from_login(name, None).is_none()) {
        return problem(
            "accounts.auth_anonymous_username",
            format!("\"{name}\" is no account; a value like \"guest@example.org\" is expected"),
        );
    }
    if let Err(error) = config.policy.apply(&mut Parameters::default()) {
        // What Postfix has and this server has not is no slip.
        let is_known = Parameters::kind(&error.name).is_some();
        let is_slip = is_known || Parameters::nearest(&error.name).is_some();
        let why = why_exactly_not(&error.name).filter(|_| !is_known);
        let what = match why.or_else(|| why_not(&error.name).filter(|_| !is_slip)) {
            Some(why) => format!("it is not carried over from Postfix: {why}"),
            None if is_known => format!("{}: {}", error.value, error.expected),
            None => error.expected.to_string(),
        };
        return problem(format!("policy.{}", error.name), what);
    }
    limits("limits", &config.limits)?;
    greylist(&config.greylist)?;
    mailboxes(&config.mailboxes)?;
    queue(config)?;
    quota(&config.quota, config.storage.format)?;
    storage(&config.storage, config.domains.local.len() > 1)
}

/// A domain name as RFC 5321 4.1.2 writes it, or an internationalised one (RFC 6531 3.3).
fn host_name(key: &str, name: &str) -> Result<(), Problem> {
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && !l.starts_with('-')
            && !l.ends_with('-')
            && l.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || !c.is_ascii())
    };
    if name.len() > 255 || !name.split('.').all(label) {
        return problem(
            key,
            format!("\"{name}\" is no domain name; a value like \"mail.example.org\" is expected"),
        );
    }
    Ok(())
}

fn limits(section: &str, limits: &LimitsSection) -> Result<(), Problem> {
    // RFC 5321 4.5.3.1.7: a server must be able to take at least 64K octets of message.
    if limits.message_bytes_max.is_some_and(|n| n < 65_536) {
        return problem(
            format!("{section}.message_bytes_max"),
            "at least 65536 is expected (RFC 5321 4.5.3.1.7)",
        );
    }
    // RFC 5321 4.5.3.1.8: at least 100 recipients.
    if limits.recipients_max.is_some_and(|n| n < 100) {
        return problem(format!("{section}.recipients_max"), "at least 100 is expected (RFC 5321 4.5.3.1.8)");
    }
    for (key, value) in [
        ("connections_max", limits.connections_max),
        ("connections_per_ip_max", limits.connections_per_ip_max),
    ] {
        if value == Some(0) {
            return problem(format!("{section}.{key}"), "at least 1 is expected");
        }
    }
    Ok(())
}

fn greylist(greylist: &GreylistSection) -> Result<(), Problem> {
    for (key, bits, most) in [("ipv4cidr", greylist.ipv4cidr, 32), ("ipv6cidr", greylist.ipv6cidr, 128)] {
        if bits.is_some_and(|bits| bits > most) {
            return problem(format!("greylist.{key}"), format!("at most {most} is expected"));
        }
    }
    let waits = wiring::greylist(greylist);
    if waits.delay_seconds >= waits.retry_seconds {
        return problem(
            "greylist.delay_seconds",
            "less than retry_window_seconds is expected, else nobody ever passes",
        );
    }
    Ok(())
}

fn queue(config: &Config) -> Result<(), Problem> {
    if config.queue.command_time_limit_seconds == Some(0) {
        return problem("queue.command_time_limit_seconds", "at least 1 is expected");
    }
    let message = wiring::message_bytes_max(config);
    if config.queue.mailbox_size_limit_bytes.is_some_and(|limit| (1..message).contains(&limit)) {
        let what = format!("a message may have {message} octets: as many are expected, or 0 for no limit");
        return problem("queue.mailbox_size_limit_bytes", what);
    }
    Ok(())
}

fn quota(quota: &QuotaSection, format: StorageFormat) -> Result<(), Problem> {
    if format == StorageFormat::Mbox && *quota != QuotaSection::default() {
        return problem("quota", "mbox files have no quotas: format = \"maildir\" is expected in [storage]");
    }
    if quota.warning_percent.is_some_and(|percent| !(1..=100).contains(&percent)) {
        return problem("quota.warning_percent", "1 to 100 is expected");
    }
    match &quota.warning_message {
        Some(_) if quota.warning_percent.is_none() => {
            problem("quota.warning_message", "warning_percent must say when it comes")
        }
        Some(text) if !text.contains("\n\n") && !text.contains("\r\n\r\n") => {
            problem("quota.warning_message", "a whole message is expected: a header, an empty line, a text")
        }
        _ => Ok(()),
    }
}

fn storage(storage: &StorageSection, several_domains: bool) -> Result<(), Problem> {
    storage_path(storage.path(), several_domains)?;
    if storage.format != StorageFormat::Mbox {
        return if storage.has_mbox_keys() {
            problem(
                "storage.format",
                "\"mbox\" is expected where location or a key that begins with mbox_ is set",
            )
        } else {
            Ok(())
        };
    }
    if storage.has_maildir_keys() {
        return problem("storage.format", "\"maildir\" is expected where layout or directory_names is set");
    }
    const KEY: &str = "storage.location";
    let location = storage.location();
    let user = PathUser { user: "user", domain: "example.test", home: Path::new("/home") };
    if let Err(error) = MboxLocation::parse(location, &user) {
        let example = "a value like \"mbox:~/mail:INBOX=/var/mail/%u\" is expected";
        return problem(KEY, format!("\"{location}\": {error}; {example}"));
    }
    let root = location.trim_start_matches("mbox:").split(':').next();
    let inbox = location.split(':').find_map(|part| part.strip_prefix("INBOX="));
    for path in root.into_iter().chain(inbox) {
        // The home directories are apart already.
        let is_apart = |path: &PathTemplate| !path.is_absolute() || path.tells_apart(several_domains);
        if !path.parse().is_ok_and(|path| is_apart(&path)) {
            return problem(KEY, format!("\"{path}\" must begin with ~, or {APART}"));
        }
    }
    if storage.mbox_write_locks.as_ref().is_some_and(|locks| !locks.contains(&MboxLock::Fcntl)) {
        return problem("storage.mbox_write_locks", "\"fcntl\" must be one of them: readers lock by it");
    }
    Ok(())
}

/// What a path must hold, so that nobody has another's mail.
const APART: &str =
    "contain %u, or %n, with %d in another part where there are several domains; else mailboxes would be one";

fn storage_path(template: &str, several_domains: bool) -> Result<(), Problem> {
    const KEY: &str = "storage.path";
    let parsed = template.parse::<PathTemplate>().map_err(|error| (KEY.to_owned(), error.to_string()))?;
    if !parsed.tells_apart(several_domains) {
        return problem(KEY, format!("it must {APART}"));
    }
    Ok(())
}

/// The mailboxes that everybody has.
fn mailboxes(sections: &[MailboxSection]) -> Result<(), Problem> {
    let mut names = BTreeSet::new();
    for section in sections {
        if !names.insert(&section.name) {
            return problem("mailbox", format!("\"{}\" is there twice", section.name.0));
        }
    }
    Ok(())
}

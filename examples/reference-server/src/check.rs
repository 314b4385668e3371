//! `postroom check`: everything a start would read is read, and nothing is started or made.

use crate::config::{Config, Protocol, TlsMode};
use crate::wiring;
use postroom::Blocking;
use postroom::accounts::PasswdFile;
use postroom::wall::{AccountId, Directory as _, Serves};
use std::error::Error;
use std::io::{self, Write};
use std::path::Path;

/// Checks a configuration, its certificate and its accounts.
///
/// # Errors
/// The first thing that a start would fail on.
pub fn run(path: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let config = Config::load_or_embedded(path)?;
    let certificate = match &config.tls {
        Some(tls) => {
            postroom::tls::load(&tls.certificate, &tls.key)?;
            tls.certificate.display().to_string()
        }
        None => "self-signed, made at the first start".to_owned(),
    };
    wiring::whole_settings(&config)?.check()?;
    let mut out = io::stdout().lock();
    let accounts = if path.is_none() && !config.accounts.passwd_file.exists() {
        "made at the first start".to_owned()
    } else {
        let file = wiring::accounts(&config, Blocking::inline())?;
        let accounts = file.accounts();
        for doubt in doubts(&config, &accounts).into_iter().chain(useless(&config, &file)) {
            writeln!(out, "warning: {doubt}")?;
        }
        accounts.len().to_string()
    };
    writeln!(out, "{} listeners, certificate: {certificate}, accounts: {accounts}", config.listeners.len())?;
    writeln!(out, "ok")?;
    Ok(())
}

/// Mechanisms that the file names and nobody, or not everybody, can use.
fn useless(config: &Config, accounts: &PasswdFile) -> Vec<String> {
    let common = config.accounts.auth_mechanisms.iter().map(|named| ("accounts".to_owned(), named));
    let own = config.listeners.iter().enumerate();
    let own = own.filter_map(|(index, l)| Some((format!("listener[{index}]"), l.auth_mechanisms.as_ref()?)));
    let mut doubts = Vec::new();
    for (section, named) in common.chain(own) {
        for mechanism in named {
            let what = match accounts.serves(*mechanism) {
                Serves::Everybody => continue,
                Serves::Somebody => {
                    "not every account's scheme serves it, and few clients try a second mechanism"
                }
                Serves::Nobody => "no account can use it, so it is not offered",
            };
            doubts.push(format!("{section}.auth_mechanisms: {mechanism}: {what}"));
        }
    }
    doubts
}

/// What a server starts with and hardly anybody means.
fn doubts(config: &Config, accounts: &[AccountId]) -> Vec<String> {
    let mut doubts = Vec::new();
    if accounts.is_empty() {
        doubts.push(format!(
            "{}: no accounts: nobody can log in or receive mail",
            config.accounts.passwd_file.display()
        ));
    }
    let is_local = |domain: &str| config.domains.local.iter().any(|local| local.eq_ignore_ascii_case(domain));
    for account in accounts.iter().filter(|account| !is_local(account.domain())) {
        doubts.push(format!("account {account}: its domain is not in domains.local, so it receives no mail"));
    }
    let postmaster = match &config.domains.postmaster {
        Some(address) => AccountId::from_mailbox(address),
        None => config.domains.local.first().and_then(|domain| AccountId::new("postmaster", domain)),
    };
    if let Some(postmaster) = postmaster.filter(|postmaster| !accounts.contains(postmaster)) {
        doubts.push(format!(
            "{postmaster}: no such account, so mail for the postmaster is refused; set domains.postmaster"
        ));
    }
    for (index, listener) in config.listeners.iter().enumerate() {
        if listener.tls == TlsMode::None
            && !matches!(listener.protocol, Protocol::Smtp | Protocol::Lmtp)
            && !config.accounts.allow_plaintext_auth
        {
            doubts.push(format!(
                "listener[{index}]: without TLS and without allow_plaintext_auth nobody can log in"
            ));
        }
    }
    doubts
}

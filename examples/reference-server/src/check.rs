//! `postroom check`: everything a start would read is read, and nothing is started or made.

use crate::config::{Config, Protocol, TlsMode};
use crate::wiring;
use postroom::Blocking;
use postroom::wall::AccountId;
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
    let mut out = io::stdout().lock();
    let accounts = if path.is_none() && !config.accounts.passwd_file.exists() {
        "made at the first start".to_owned()
    } else {
        let accounts = wiring::accounts(&config, Blocking::inline())?.accounts();
        for doubt in doubts(&config, &accounts) {
            writeln!(out, "warning: {doubt}")?;
        }
        accounts.len().to_string()
    };
    writeln!(out, "{} listeners, certificate: {certificate}, accounts: {accounts}", config.listeners.len())?;
    writeln!(out, "ok")?;
    Ok(())
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

//! `postroom check`: everything a start would read is read, and nothing is started or made.

use crate::config::Config;
use crate::doubts;
use crate::wiring;
use postroom::Blocking;
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
            wiring::certificate(&config, tls)?;
            tls.certificate.display().to_string()
        }
        None => "self-signed, made at the first start".to_owned(),
    };
    let settings = wiring::whole_settings(&config)?;
    let policies = settings.policies()?;
    let mut out = io::stdout().lock();
    let accounts = if path.is_none() && !config.accounts.passwd_file.exists() {
        "made at the first start".to_owned()
    } else {
        let accounts = wiring::accounts(&config, Blocking::inline())?;
        for doubt in doubts::doubts(&config, &accounts, &policies) {
            writeln!(out, "warning: {doubt}")?;
        }
        accounts.accounts().len().to_string()
    };
    for doubt in doubts::of_policy(&config, &settings, &policies) {
        writeln!(out, "{doubt}")?;
    }
    writeln!(out, "{} listeners, certificate: {certificate}, accounts: {accounts}", config.listeners.len())?;
    writeln!(out, "ok")?;
    Ok(())
}

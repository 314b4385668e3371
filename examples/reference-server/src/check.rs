//! `postroom check`: everything a start would read is read, and nothing is started or made.

use crate::config::Config;
use crate::doubts;
use crate::wiring;
use postroom::Blocking;
use postroom::accounts::PasswdFile;
use postroom::dns::FixedResolver;
use postroom::rehearsal::Rehearsal;
use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// Checks a configuration, its certificate and its accounts.
///
/// # Errors
/// The first thing that a start would fail on.
pub fn run(path: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let config = Config::read(path)?;
    let certificate = match &config.tls {
        Some(tls) => {
            wiring::certificate(&config, tls)?;
            tls.certificate.display().to_string()
        }
        None => "self-signed, made at the first start".to_owned(),
    };
    let settings = wiring::whole_settings(&config)?;
    let are_made = path.is_none() && !config.accounts.passwd_file.exists();
    let accounts = Arc::new(match are_made {
        true => PasswdFile::from_text("", None, Blocking::inline())?,
        false => wiring::accounts(&config, Blocking::inline())?,
    });
    let directory = Arc::clone(&accounts);
    let rehearsal = Rehearsal::new(settings.clone(), directory, Arc::new(FixedResolver::new()))
        .map_err(|error| config.settings_error(error))?;
    let mut out = io::stdout().lock();
    if !are_made {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        for doubt in runtime.block_on(doubts::doubts(&config, &accounts, &rehearsal)) {
            writeln!(out, "warning: {doubt}")?;
        }
    }
    for doubt in doubts::of_policy(&config, &settings, &rehearsal) {
        writeln!(out, "{doubt}")?;
    }
    let accounts = match (are_made, accounts.accounts().len()) {
        (true, _) => "made at the first start".to_owned(),
        (false, count) => count.to_string(),
    };
    let listeners = match config.listeners.len() {
        1 => "1 listener".to_owned(),
        count => format!("{count} listeners"),
    };
    writeln!(out, "{listeners}, certificate: {certificate}, accounts: {accounts}")?;
    writeln!(out, "ok")?;
    Ok(())
}

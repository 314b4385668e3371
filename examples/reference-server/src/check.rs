//! `postroom check`: everything a start would read is read, and nothing is started or made.

use crate::config::Config;
use crate::doubts::{self, Finding};
use crate::{privileges, wiring};
use postroom::Blocking;
use postroom::accounts::PasswdFile;
use postroom::dns::FixedResolver;
use postroom::rehearsal::Rehearsal;
use postroom::relay_policy::access::Severity;
use std::error::Error;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// Checks a configuration, its certificate and its accounts. The status is a failure's where there is an error, though it would
/// be served.
///
/// # Errors
/// The first thing that a start would fail on.
pub fn run(path: Option<&Path>) -> Result<ExitCode, Box<dyn Error>> {
    let config = Config::read(path)?;
    let by_root = privileges::makes_data_dir(&config);
    let config = privileges::become_user(path, config)?;
    let mut findings: Vec<Finding> = doubts::of_data_dir(&config, by_root).into_iter().collect();
    let certificate = match &config.tls {
        Some(tls) => {
            wiring::certificate(&config, tls)?;
            findings.extend(doubts::of_certificate(&config, tls));
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
    findings.extend(accounts.shut().into_iter().map(Finding::warning));
    if !are_made {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let doubts = runtime.block_on(doubts::doubts(&config, &accounts, &rehearsal));
        findings.extend(doubts.into_iter().map(Finding::warning));
        findings.extend(runtime.block_on(doubts::of_aliases(&config, &rehearsal)));
        findings.extend(doubts::of_mboxes(&config, &accounts)?);
    }
    findings.extend(doubts::of_policy(&config, &settings, &rehearsal));
    let mut out = io::stdout().lock();
    for finding in &findings {
        writeln!(out, "{finding}")?;
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
    if findings.iter().all(|finding| finding.severity < Severity::Error) {
        writeln!(out, "ok")?;
        return Ok(ExitCode::SUCCESS);
    }
    writeln!(out, "{}: not fit to be served", doubts::sum(&findings))?;
    Ok(ExitCode::FAILURE)
}

//! Maildirs that are there, where mbox files are configured.

use super::Finding;
use crate::config::{Config, StorageFormat};
use crate::wiring;
use postroom::accounts::PasswdFile;
use postroom::local::Mboxes;
use postroom::mailstore::Env;
use std::error::Error;
use std::sync::Arc;

/// Of how many accounts it is told.
const TOLD_MAX: usize = 10;

/// The accounts that would be served an empty INBOX beside the mail that they have.
///
/// # Errors
/// The working directory is gone.
pub fn of_mboxes(config: &Config, accounts: &Arc<PasswdFile>) -> Result<Vec<Finding>, Box<dyn Error>> {
    let storage = &config.storage;
    if storage.format != StorageFormat::Mbox {
        return Ok(Vec::new());
    }
    let (env, base) = (Env::real(&config.hostname), std::path::absolute(&config.data_dir)?);
    let options = wiring::mbox_options(storage);
    let homes = Arc::clone(accounts);
    let mboxes = Mboxes::new(env, base, storage.path().parse()?, storage.location(), options, None)
        .with_homes(Some(Arc::new(move |account| homes.home(account))));
    let named = accounts.accounts();
    // Whether every account has a place was seen before.
    let told = |account| Some(format!("account {account}: {}", mboxes.passed_over(account).ok()??));
    let mut told = named.iter().filter_map(told);
    let mut findings: Vec<Finding> = told.by_ref().take(TOLD_MAX).map(Finding::warning).collect();
    let more = told.count();
    if more > 0 {
        findings.push(Finding::warning(format!("so it is with {more} more accounts")));
    }
    Ok(findings)
}

//! Aliases that lead nowhere.

use super::{Finding, names_of_mail};
use crate::config::Config;
use postroom::rehearsal::Rehearsal;
use std::collections::BTreeSet;

/// How many aliases that lead nowhere are told.
const TOLD_MAX: usize = 100;

/// Follows the aliases that are in memory, and tells of those that lead to somebody who does not get the mail, each key once.
pub async fn of_aliases(config: &Config, rehearsal: &Rehearsal) -> Vec<Finding> {
    let (mut seen, mut not_followed, mut findings) = (BTreeSet::new(), 0, Vec::new());
    for listener in names_of_mail(config) {
        let found = rehearsal.lost_aliases(&listener).await;
        not_followed = found.not_followed.max(not_followed);
        for lost in found.lost {
            if seen.insert((lost.place.clone(), lost.key.clone())) {
                findings.push(Finding::warning(format!("{}: {}: {}", lost.place, lost.key, lost.why)));
            }
        }
    }
    let more = findings.len().saturating_sub(TOLD_MAX);
    findings.truncate(TOLD_MAX);
    if more > 0 {
        findings.push(Finding::warning(format!("aliases: {more} more lead nowhere")));
    }
    if not_followed > 0 {
        findings.push(Finding::notice(format!(
            "aliases: there are too many to follow all: {not_followed} were not looked at"
        )));
    }
    findings
}

//! `postroom rbl-selftest`: whether DNS lists are alive (L24 of the linter's rules).

use crate::config::Config;
use crate::wiring;
use postroom::dns::{self, ListHealth};
use postroom::proto_core::address::{AddressSyntax, DomainName};
use std::collections::BTreeSet;
use std::error::Error;
use std::io::{self, Write};
use std::path::Path;

/// Tests lists and prints what came of it, a line each.
///
/// # Errors
/// A configuration that a server would not start with; no list to test; one that is not alive.
pub fn run(config: Option<&Path>, zones: &[String]) -> Result<(), Box<dyn Error>> {
    let mut lists: BTreeSet<(String, bool)> = zones.iter().map(|zone| (zone.clone(), false)).collect();
    if let Some(path) = config {
        lists.extend(of_configuration(&Config::read(Some(path))?)?);
    }
    if lists.is_empty() {
        return Err("no DNS list to test: name zones, or a configuration that has some".into());
    }
    let is_wrong = |zone: &String| DomainName::parse(zone.as_bytes(), AddressSyntax::STRICT).is_err();
    if let Some((wrong, _)) = lists.iter().find(|(zone, _)| is_wrong(zone)) {
        return Err(format!("{wrong}: not a domain name").into());
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let resolver = dns::system();
    let (mut out, mut dead) = (io::stdout().lock(), 0);
    for (zone, by_name) in &lists {
        let health = runtime.block_on(dns::test_list(&resolver, zone, *by_name));
        writeln!(out, "{zone}{}: {health}", if *by_name { " (names)" } else { "" })?;
        dead += usize::from(health != ListHealth::Alive);
    }
    out.flush()?;
    if dead == 0 { Ok(()) } else { Err(format!("{dead} of {} lists are not alive", lists.len()).into()) }
}

/// The lists that a configuration names, each with whether it is one of names.
fn of_configuration(config: &Config) -> Result<BTreeSet<(String, bool)>, Box<dyn Error>> {
    let policies =
        wiring::whole_settings(config)?.policies().map_err(|error| config.settings_error(error))?;
    let mut lists = BTreeSet::new();
    for policy in policies.values() {
        lists.extend(policy.dns_lists().into_iter().map(|(zone, by_name)| (zone.to_owned(), by_name)));
        let sites = policy.parameters().postscreen_dnsbl_sites.iter();
        lists.extend(sites.filter_map(|site| Some((site.split(['=', '*']).next()?.to_owned(), false))));
    }
    Ok(lists)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::EMBEDDED;

    #[test]
    fn lists_of_all_kinds() {
        let policy = "\n[policy]\nsmtpd_sender_restrictions = [\"reject_rhsbl_sender names.test\"]\n\
            smtpd_client_restrictions = [\"reject_rbl_client a.test=127.0.0.2\", \"permit_dnswl_client w.test\"]\n\
            postscreen_dnsbl_sites = [\"b.test=127.0.0.[2..4]*2\", \"a.test\"]\n";
        let config =
            Config::parse(Path::new("postroom.toml"), &EMBEDDED.replacen("\n[policy]\n", policy, 1)).unwrap();
        let lists = of_configuration(&config).unwrap();
        let expected = [("a.test", false), ("b.test", false), ("names.test", true), ("w.test", false)];
        assert!(lists.iter().map(|(zone, by_name)| (zone.as_str(), *by_name)).eq(expected), "{lists:?}");
    }
}

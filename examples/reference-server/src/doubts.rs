//! What a server starts with and hardly anybody means: `check` tells it, and `serve` logs it.

mod aliases;
mod certificate;
mod data_dir;
mod finding;
mod ignored;
mod mboxes;

pub use aliases::of_aliases;
pub use certificate::of_certificate;
pub use data_dir::of_data_dir;
pub use finding::{Finding, sum};
pub use ignored::OF_SENDING;
pub use mboxes::of_mboxes;

use crate::config::{Config, ListenerSection, Protocol, StorageFormat, TlsMode};
use crate::wiring;
use postroom::accounts::PasswdFile;
use postroom::proto_core::Mechanism;
use postroom::proto_core::address::ForwardPath;
use postroom::rehearsal::Rehearsal;
use postroom::relay_policy::access::AccessPolicy;
use postroom::relay_policy::address::{Address, ResolveError};
use postroom::relay_policy::main_cf::words;
use postroom::relay_policy::table::Answers;
use postroom::relay_policy::{Class, NetworkList, Parameters};
use postroom::settings::Settings;
use postroom::wall::{AccountId, Directory as _, Serves};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// By the names of listeners.
type Policies = BTreeMap<String, AccessPolicy>;

/// One sentence for each doubt, which names the key, listener or account.
pub async fn doubts(config: &Config, accounts: &PasswdFile, rehearsal: &Rehearsal) -> Vec<String> {
    let policies = rehearsal.policies();
    let of_mail = of_mail(config, &policies);
    let mut doubts = of_accounts(config, &accounts.accounts(), &of_mail);
    if rustix::process::geteuid().is_root() {
        doubts.extend(of_root(&of_mail));
    }
    doubts.extend(of_ways(config, rehearsal).await);
    if let Some(named) = &config.accounts.auth_mechanisms {
        let certificates = config.listeners.iter().any(|listener| listener.client_ca.is_some());
        let said = of_mechanisms(named, certificates, accounts);
        doubts.extend(said.map(|doubt| format!("accounts.auth_mechanisms: {doubt}")));
    }
    if config.storage.format == StorageFormat::Mbox {
        let none = Arc::default();
        let has_rules = |account: &&AccountId| !Arc::ptr_eq(&accounts.quota_rules(account, &none), &none);
        let named = accounts.accounts();
        doubts.extend(named.iter().filter(has_rules).map(|account| {
            format!("account {account}: userdb_quota_rule says nothing, as mbox files have no quotas")
        }));
    }
    doubts.extend(of_postscreen(config));
    doubts.extend(ignored::of_sending(config));
    for (index, listener) in config.listeners.iter().enumerate() {
        let said = of_listener(config, listener, accounts);
        doubts.extend(said.iter().map(|doubt| format!("{}: {doubt}", wiring::key(index, listener))));
    }
    doubts
}

/// What is said of lists that strangers come by to relay, and means nothing where nothing is relayed.
const OF_RELAYING: [&str; 3] = ["L01", "L02", "L16"];

/// From how many authorities on a file of them is everybody's, not one's own.
const AUTHORITIES_MANY: usize = 10;

/// What is doubtful in the policies of the listeners, and what is to be said of their tables. What several have
/// in common is said once.
pub fn of_policy(config: &Config, settings: &Settings, rehearsal: &Rehearsal) -> Vec<Finding> {
    of_policies(config, settings, rehearsal, true)
}

/// The same without what is to be said of tables' sources, which the engine logs.
pub fn of_lists(config: &Config, settings: &Settings, rehearsal: &Rehearsal) -> Vec<Finding> {
    of_policies(config, settings, rehearsal, false)
}

fn of_policies(config: &Config, settings: &Settings, rehearsal: &Rehearsal, of_tables: bool) -> Vec<Finding> {
    let policies = rehearsal.policies();
    let mut findings: Vec<(Finding, Vec<String>)> = Vec::new();
    let of_files = rehearsal.file_warnings().iter().filter(|_| of_tables);
    findings.extend(of_files.map(|warning| (Finding::warning(warning.to_string()), Vec::new())));
    for (index, (listener, section)) in settings.listeners.iter().zip(&config.listeners).enumerate() {
        let Some(policy) = policies.get(&listener.name) else { continue };
        let relays_nothing = section.protocol == Protocol::Policy;
        let mut doubts = policy.doubts();
        doubts.retain(|doubt| !(relays_nothing && OF_RELAYING.contains(&doubt.id)));
        // What is told of a table as a doubt need not be told as a warning, too.
        let warnings =
            rehearsal.warnings(&listener.name).iter().filter(|_| of_tables).map(ToString::to_string);
        let is_doubt = |warning: &String| doubts.iter().any(|doubt| doubt.tells(warning));
        let mut said: Vec<Finding> =
            warnings.filter(|warning| !is_doubt(warning)).map(Finding::warning).collect();
        said.extend(doubts.into_iter().map(Finding::from));
        said.extend(of_verification(policy.parameters()).map(Finding::warning));
        let ignored = ignored::of_listener(section, listener, policy.parameters(), rehearsal);
        said.extend(ignored.into_iter().map(Finding::warning));
        let authorities = listener.client_certificates.as_ref();
        let many = authorities.is_some_and(|known| known.authorities.len() >= AUTHORITIES_MANY);
        if many && is_used(policy.parameters(), "permit_tls_all_clientcerts") {
            let text = format!(
                "{}: client_ca has so many authorities that anybody has a certificate of one, and \
                 permit_tls_all_clientcerts lets all of those relay: name your own authority, or use permit_tls_clientcerts",
                wiring::key(index, section)
            );
            said.push(Finding::error(text).by_rule("L20"));
        }
        for finding in said {
            let key = wiring::key(index, section);
            match findings.iter_mut().find(|(known, _)| *known == finding) {
                Some((_, keys)) if keys.contains(&key) => {}
                Some((_, keys)) => keys.push(key),
                None => findings.push((finding, vec![key])),
            }
        }
    }
    let told = |(finding, keys): (Finding, Vec<String>)| match keys.as_slice() {
        [only] if policies.len() > 1 => finding.at(only),
        _ => finding,
    };
    findings.into_iter().map(told).collect()
}

/// Addresses that are not ours are never tried here.
fn of_verification(parameters: &Parameters) -> Option<String> {
    let p = parameters;
    let rules = [
        ("reject_unverified_sender", p.unverified_sender_defer_code),
        ("reject_unverified_recipient", p.unverified_recipient_defer_code),
    ];
    let (rule, code) = rules.into_iter().find(|&(rule, code)| code >= 400 && is_used(p, rule))?;
    Some(format!(
        "{rule}: addresses that are not this server's are never verified, so all of them are answered {code} for ever"
    ))
}

/// Whether a list or a class has a restriction of this name.
fn is_used(parameters: &Parameters, name: &str) -> bool {
    let p = parameters;
    let lists = [
        &p.smtpd_client_restrictions,
        &p.smtpd_helo_restrictions,
        &p.smtpd_sender_restrictions,
        &p.smtpd_relay_restrictions,
        &p.smtpd_recipient_restrictions,
        &p.smtpd_data_restrictions,
        &p.smtpd_end_of_data_restrictions,
    ];
    let has = |list: &String| words(list).iter().any(|word| word.eq_ignore_ascii_case(name));
    lists.into_iter().chain(p.restriction_classes.values()).any(has)
}

/// Whether a listener takes mail for this address and keeps it here. Tables that are not in memory may say so.
fn is_taken(policy: &AccessPolicy, account: &AccountId) -> bool {
    let address = Address::parse(&account.to_string());
    match policy.routing().resolve(&address, &Address::default(), &Answers::default()) {
        Ok(resolution) => {
            let is_ours = matches!(resolution.class, Class::Local | Class::VirtualMailbox);
            is_ours && ["local", "virtual"].contains(&&*resolution.transport.service)
        }
        Err(ResolveError::Lookup(_)) => true,
        Err(_) => false,
    }
}

/// The policies of listeners that take mail.
fn of_mail<'a>(config: &Config, policies: &'a Policies) -> Vec<&'a AccessPolicy> {
    names_of_mail(config).filter_map(|name| policies.get(&name)).collect()
}

fn names_of_mail(config: &Config) -> impl Iterator<Item = String> {
    let names = wiring::settings(config).listeners.into_iter().map(|listener| listener.name);
    let takes_mail = |section: &ListenerSection| {
        matches!(section.protocol, Protocol::Smtp | Protocol::Submission | Protocol::Lmtp)
    };
    names.zip(&config.listeners).filter(move |(_, section)| takes_mail(section)).map(|(name, _)| name)
}

/// What a server that root runs is kept from: it could be made to do it to anything there is.
fn of_root(policies: &[&AccessPolicy]) -> impl Iterator<Item = String> {
    let is_set = |get: fn(&Parameters) -> &Vec<String>| {
        policies.iter().any(|policy| !get(policy.parameters()).is_empty())
    };
    let files = is_set(|parameters| &parameters.allow_mail_to_files).then_some("allow_mail_to_files");
    let commands =
        is_set(|parameters| &parameters.allow_mail_to_commands).then_some("allow_mail_to_commands");
    files.into_iter().chain(commands).map(|name| {
        format!("{name}: says nothing in a server that root runs, which refuses such mail: run it as a user of its own")
    })
}

fn of_accounts(config: &Config, accounts: &[AccountId], policies: &[&AccessPolicy]) -> Vec<String> {
    let mut doubts = Vec::new();
    if accounts.is_empty() {
        doubts.push(format!(
            "{}: no accounts: nobody can log in or receive mail",
            config.accounts.passwd_file.display()
        ));
    }
    let is_local = |domain: &str| config.domains.local.iter().any(|local| local.eq_ignore_ascii_case(domain));
    for account in accounts {
        if policies.is_empty() || policies.iter().any(|policy| is_taken(policy, account)) {
            continue;
        }
        let why = match is_local(account.domain()) {
            true => {
                "[policy] sends mail for its domain elsewhere (mydestination, virtual_mailbox_domains, transports)"
            }
            false => "its domain is not in domains.local",
        };
        doubts.push(format!("account {account}: {why}, so it receives no mail"));
    }
    doubts
}

/// Addresses that the configuration itself writes to, and that lead nowhere.
async fn of_ways(config: &Config, rehearsal: &Rehearsal) -> Vec<String> {
    let postmaster = match &config.domains.postmaster {
        Some(address) => AccountId::from_mailbox(address),
        None => config.domains.local.first().and_then(|domain| AccountId::new("postmaster", domain)),
    };
    let mut doubts = Vec::new();
    for listener in names_of_mail(config) {
        let mut say = |doubt: String| {
            if !doubts.contains(&doubt) {
                doubts.push(doubt);
            }
        };
        if let (Err(Some(reply)), Some(postmaster)) =
            (rehearsal.recipients(&listener, &ForwardPath::Postmaster).await, &postmaster)
        {
            say(format!(
                "{postmaster}: no such account, nor an alias that leads to one ({reply}), so mail for the postmaster is \
                 refused; set domains.postmaster"
            ));
        }
        if let Err(Some(reply)) = rehearsal.copies(&listener).await {
            say(format!("always_bcc: the copy leads to nobody, so all mail is refused ({reply})"));
        }
    }
    doubts
}

/// Mechanisms that the file names and nobody, or not everybody, can use.
fn of_mechanisms(
    named: &[Mechanism],
    certificates: bool,
    accounts: &PasswdFile,
) -> impl Iterator<Item = String> {
    named.iter().filter_map(move |&mechanism| {
        let why = match (accounts.serves(mechanism), mechanism) {
            (_, Mechanism::External) if !certificates => "there is no client_ca".to_owned(),
            (Serves::Everybody, _) => return None,
            (Serves::Somebody, _) => {
                let without = accounts.first_without(mechanism)?;
                return Some(format!(
                    "{mechanism}: {without}, for one, cannot use it with the scheme of its password, and few clients \
                     try a second mechanism"
                ));
            }
            (Serves::Nobody, Mechanism::OauthBearer | Mechanism::Xoauth2) => {
                "this program judges no tokens".to_owned()
            }
            (Serves::Nobody, Mechanism::Anonymous) => "there is no accounts.auth_anonymous_username".to_owned(),
            (Serves::Nobody, _) => "no account's scheme serves it".to_owned(),
        };
        Some(format!("{mechanism}: {why}, so it is not offered"))
    })
}

fn of_listener(config: &Config, listener: &ListenerSection, accounts: &PasswdFile) -> Vec<String> {
    let mut doubts = Vec::new();
    let is_smtp = matches!(listener.protocol, Protocol::Smtp | Protocol::Submission | Protocol::Lmtp);
    let certificates = listener.client_ca.is_some();
    if let Some(named) = &listener.auth_mechanisms {
        let said = of_mechanisms(named, certificates, accounts);
        doubts.extend(said.map(|doubt| format!("auth_mechanisms: {doubt}")));
    }
    if !matches!(listener.protocol, Protocol::Smtp | Protocol::Lmtp | Protocol::Policy) {
        let nobody = match listener.protocol {
            Protocol::Submission => "nobody can log in, and so nobody can send",
            _ => "nobody can log in",
        };
        let offered = |mechanism: &Mechanism| {
            accounts.serves(*mechanism) != Serves::Nobody
                && (*mechanism != Mechanism::External || certificates)
        };
        let named = listener.auth_mechanisms.as_ref().or(config.accounts.auth_mechanisms.as_ref());
        if listener.tls == TlsMode::None && !config.accounts.allow_plaintext_auth {
            let in_clear = |mechanism: &&Mechanism| {
                let shows_nothing =
                    !mechanism.is_plaintext() && !mechanism.is_plus() && **mechanism != Mechanism::External;
                // What not everybody can use is offered where it is named alone, and CRAM-MD5 likewise.
                let by_default = accounts.serves(**mechanism) == Serves::Everybody
                    && **mechanism != Mechanism::CramMd5
                    && **mechanism != Mechanism::Anonymous;
                shows_nothing && offered(mechanism) && (named.is_some() || by_default)
            };
            let left = named.map_or(Mechanism::ALL, Vec::as_slice).iter().find(in_clear);
            match left {
                None => doubts.push(format!("without TLS and without allow_plaintext_auth {nobody}")),
                Some(_) if listener.protocol == Protocol::Submission => {}
                Some(mechanism) => doubts.push(format!(
                    "without TLS and without allow_plaintext_auth only clients that know {mechanism} can log in"
                )),
            }
        }
        if named.is_some_and(|named| !named.iter().any(offered)) {
            doubts.push(format!("auth_mechanisms leaves none to offer: {nobody}"));
        }
    }
    let takes_logins = !matches!(listener.protocol, Protocol::Lmtp | Protocol::Policy);
    let without_tls = match listener.tls {
        TlsMode::None => true,
        // Whoever submits must begin it.
        TlsMode::Starttls => listener.protocol != Protocol::Submission,
        TlsMode::Implicit => false,
    };
    if takes_logins
        && without_tls
        && config.accounts.allow_plaintext_auth
        && !is_this_machine(listener.address.ip())
    {
        doubts.push(
            "L21: allow_plaintext_auth takes passwords without TLS, and not from this machine alone"
                .to_owned(),
        );
    }
    if listener.protocol == Protocol::Lmtp
        && listener.proxies.is_empty()
        && !is_our_own(listener.address.ip())
    {
        doubts.push(
            "mail is taken without login, and not only from a network of your own; give it a loopback or private \
             address (RFC 2033 section 5)"
                .to_owned(),
        );
    }
    if listener.protocol == Protocol::Policy {
        doubts.extend(of_policy_server(listener));
    }
    doubts.extend(of_trusted_proxies(config, listener));
    if listener.postscreen && !is_smtp {
        doubts.push(
            "postscreen: clients of this protocol wait for no greeting, so it does nothing here".to_owned(),
        );
    }
    let of_smtp =
        [("xclient_clients", &listener.xclient_clients), ("xforward_clients", &listener.xforward_clients)];
    for (key, _) in of_smtp.iter().filter(|(_, clients)| !is_smtp && !clients.is_empty()) {
        doubts.push(format!(
            "{key}: only smtp, submission and lmtp have this command, so it does nothing here"
        ));
    }
    doubts
}

/// Tests of clients that no listener makes.
fn of_postscreen(config: &Config) -> Option<String> {
    if config.listeners.iter().any(|listener| listener.postscreen) {
        return None;
    }
    let own = config.listeners.iter().map(|listener| &listener.policy);
    let mut set = own.chain([&config.policy]).flat_map(|policy| policy.iter());
    let (name, _) = set.find(|(name, _)| name.starts_with("postscreen_"))?;
    Some(format!("{name}: no listener has postscreen = true, so it says nothing"))
}

/// Whoever can connect can ask; and without lists there is nothing to say.
fn of_policy_server(listener: &ListenerSection) -> Vec<String> {
    let mut doubts = Vec::new();
    if listener.proxies.is_empty() && !is_our_own(listener.address.ip()) {
        doubts.push(
            "questions are answered without login, and not only to a network of your own; give it a loopback or private \
             address"
                .to_owned(),
        );
    }
    let is_list = |name: &str| name.starts_with("smtpd_") && name.ends_with("_restrictions");
    if !listener.policy.iter().any(|(name, value)| is_list(name) && !value.trim().is_empty()) {
        doubts.push(
            "there is no list in [listener.policy], so every question is answered DUNNO; the lists of [policy] are not \
             asked here"
                .to_owned(),
        );
    }
    doubts
}

/// A proxy that may relay lends that to everybody whom it brings here without saying who it is.
fn of_trusted_proxies<'a>(config: &'a Config, listener: &'a ListenerSection) -> Option<String> {
    // Only there is anything decided by the network alone.
    if listener.protocol != Protocol::Smtp || !listener.proxies.is_empty() {
        return None;
    }
    let trusted = listener.policy.value("mynetworks").or(config.policy.value("mynetworks"))?;
    let trusted: Vec<String> = words(trusted).into_iter().map(String::from).collect();
    let proxy = config.listeners.iter().flat_map(|other| &other.proxies).find(|proxy| {
        let proxies = core::slice::from_ref(*proxy);
        trusted.iter().any(|network| holds_first_of(proxies, network)) || holds_first_of(&trusted, proxy)
    })?;
    Some(format!(
        "the proxy {proxy} of another listener lies within mynetworks, and this one names no proxies: whoever comes \
         through it to here may relay"
    ))
}

/// Whether the first address of a network is in a list. Of two networks that overlap, one has the other's first address.
fn holds_first_of(networks: &[String], network: &str) -> bool {
    let written = network.split_once('/').map_or(network, |(address, _)| address).replace(['[', ']'], "");
    // The others are names and tables, which hold no addresses that could be seen here.
    let is_network = |entry: &&String| NetworkList::new(core::slice::from_ref(*entry)).is_ok();
    let networks: Vec<String> = networks.iter().filter(is_network).cloned().collect();
    let list = NetworkList::new(&networks).unwrap_or_default();
    written.parse().is_ok_and(|address: IpAddr| list.contains(address))
}

/// Whether an address is reached from this machine only.
fn is_this_machine(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// Whether an address is reached from this machine or a private network only.
fn is_our_own(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests;

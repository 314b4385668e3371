//! `master.cf`: each service that takes mail from the network, as a listener.

use super::super::draft::{Draft, DraftListener, array, rules};
use super::common::{client_certificates, limits, networks};
use super::policy::{adapted, is_known, value};
use super::source::Source;
use postroom::relay_policy::main_cf::{MainCf, MainCfError, Service, words};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use toml::Value;

/// A listener for each address of each such service.
pub fn listeners(
    source: &mut Source,
    policy: &[(String, String)],
    draft: &mut Draft,
) -> Result<(), MainCfError> {
    for service in source.master_cf.services().to_vec() {
        if service.kind != "inet" {
            continue;
        }
        let serves = match service.program.as_str() {
            "smtpd" => service.clone(),
            "postscreen" => behind_postscreen(source, &service),
            other => {
                source.note_of(
                    &service,
                    format!("{other} is not carried over: only smtpd takes mail from the network here"),
                );
                continue;
            }
        };
        let options = source.main_cf.with(&serves.options);
        let Some(port) = port(&service.name) else {
            source.note_of(&service, "not carried over: write the number of its port");
            continue;
        };
        for address in addresses(source, &service, &options)? {
            let mut listener = listener(source, &serves, &options, policy, SocketAddr::new(address, port))?;
            if service.program == "postscreen" {
                listener.keys.push(("postscreen", Value::Boolean(true)));
            }
            draft.listeners.push(listener);
        }
    }
    if draft.listeners.is_empty() {
        source.note(
            "(listeners)",
            "no service takes mail from the network: at least one [[listener]] is needed",
        );
    }
    Ok(())
}

/// The smtpd that postscreen hands its clients to, with what postscreen has of its own.
fn behind_postscreen(source: &mut Source, service: &Service) -> Service {
    let services = source.master_cf.services().iter();
    let mut found = services.filter(|other| other.kind == "pass" && other.program == "smtpd").cloned();
    let Some(mut smtpd) = found.next() else { return service.clone() };
    for option in &service.options {
        if option.name.starts_with("postscreen_") || option.name == "soft_bounce" {
            smtpd.options.push(option.clone());
        } else if !READ.contains(&option.name.as_str()) && !is_macro(source, &option.name) {
            let text = format!(
                "-o {}={}: not carried over: smtpd does not see it, and of postscreen it says nothing here",
                option.name, option.value
            );
            source.note_of(service, text);
        }
    }
    smtpd
}

fn listener(
    source: &mut Source,
    service: &Service,
    options: &MainCf,
    policy: &[(String, String)],
    address: SocketAddr,
) -> Result<DraftListener, MainCfError> {
    let level = source.value_in("smtpd_tls_security_level", Some(options))?;
    let enforces = level == "encrypt" || source.is_yes("smtpd_enforce_tls", options)?;
    let may = enforces || level == "may" || source.is_yes("smtpd_use_tls", options)?;
    let tls = match (source.is_yes("smtpd_tls_wrappermode", options)?, may) {
        (true, _) => "implicit",
        (_, true) => "starttls",
        _ => "none",
    };
    let with_login = source.is_yes("smtpd_sasl_auth_enable", options)?;
    let is_submission = with_login
        && [465, 587].contains(&address.port())
        && (enforces || tls == "implicit")
        && demands_login(source, options)?;
    let protocol = if is_submission { "submission" } else { "smtp" };
    let mut keys = Vec::new();
    if !with_login {
        keys.push(("auth_mechanisms", Value::Array(Vec::new())));
    } else if tls != "implicit" && !enforces && !source.is_yes("smtpd_tls_auth_only", options)? {
        source.note_of(service, "smtpd_tls_auth_only is not yes: here nobody logs in without TLS, unless accounts.allow_plaintext_auth says so");
    }
    for (name, key) in [
        ("smtpd_authorized_xclient_hosts", "xclient_clients"),
        ("smtpd_authorized_xforward_hosts", "xforward_clients"),
    ] {
        let networks = networks(source, options, name)?;
        if !networks.is_empty() {
            keys.push((key, array(&networks)));
        }
    }
    if !source.value_in("smtpd_upstream_proxy_protocol", Some(options))?.is_empty() {
        keys.push(("proxies", array(&["127.0.0.1".into()])));
        source.note_of(
            service,
            "smtpd_upstream_proxy_protocol: proxies must name the proxy's own address; 127.0.0.1 is written",
        );
    }
    if tls != "none" {
        keys.extend(client_certificates(source, options)?);
    }
    let mut own = own_policy(source, service, options, policy, is_submission)?;
    if enforces && tls == "starttls" && !is_submission {
        require_tls(source, service, policy, &mut own);
    }
    let has_own = |_: &Source, name: &str| service.options.iter().any(|option| option.name == name);
    let limits = limits(source, options, has_own)?;
    Ok(DraftListener { protocol, address, tls, keys, policy: own, limits })
}

/// What a service has in place of the common parameters, and of what submission brings with it.
fn own_policy(
    source: &mut Source,
    service: &Service,
    options: &MainCf,
    policy: &[(String, String)],
    is_submission: bool,
) -> Result<Vec<(String, String)>, MainCfError> {
    let classes = source.value("smtpd_restriction_classes")?;
    let mut own: Vec<(String, String)> = Vec::new();
    for option in &service.options {
        if is_known(&option.name, &classes) {
            let name = &option.name;
            let value = source.of_option(service, option.line, |source| {
                let value = value(source, name, Some(options))?;
                Ok(adapted(source, name, value, true))
            })?;
            own.retain(|(known, _)| known != name);
            own.extend(value.map(|value| (name.clone(), value)));
        } else if !READ.contains(&option.name.as_str()) && !is_macro(source, &option.name) {
            let text = format!(
                "-o {}={}: not carried over: it has no counterpart for one listener",
                option.name, option.value
            );
            source.note_of(service, text);
        }
    }
    if !is_submission {
        return Ok(own);
    }
    let common =
        |name: &str| policy.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.as_str());
    for (name, brought) in SUBMISSION {
        match own.iter().position(|(known, _)| known == name) {
            Some(at) if own[at].1.trim() == brought => drop(own.remove(at)),
            None if common(name) != brought => own.push((name.into(), common(name).into())),
            _ => {}
        }
    }
    Ok(own)
}

/// Whether a service takes nothing from whoever has not logged in, as a listener for submission does.
fn demands_login(source: &mut Source, options: &MainCf) -> Result<bool, MainCfError> {
    for name in ["smtpd_client_restrictions", "smtpd_relay_restrictions", "smtpd_recipient_restrictions"] {
        let list = source.value_in(name, Some(options))?;
        let mut lets_nobody_else = rules(&list).into_iter().skip_while(|rule| {
            rule == "permit_sasl_authenticated" || (rule.starts_with("reject_") && !rule.contains(' '))
        });
        if lets_nobody_else.next().is_some_and(|rule| rule == "reject") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What a listener for submission has unless it says otherwise.
const SUBMISSION: [(&str, &str); 5] = [
    ("smtpd_client_restrictions", ""),
    ("smtpd_helo_restrictions", ""),
    ("smtpd_sender_restrictions", ""),
    ("smtpd_relay_restrictions", "permit_sasl_authenticated, reject"),
    ("smtpd_recipient_restrictions", ""),
];

/// Options that are looked at elsewhere, and those that say nothing of mail.
const READ: [&str; 16] = [
    "broken_sasl_auth_clients",
    "message_size_limit",
    "smtpd_authorized_xclient_hosts",
    "smtpd_authorized_xforward_hosts",
    "smtpd_enforce_tls",
    "smtpd_recipient_limit",
    "smtpd_sasl_auth_enable",
    "smtpd_tls_CAfile",
    "smtpd_tls_ask_ccert",
    "smtpd_tls_auth_only",
    "smtpd_tls_req_ccert",
    "smtpd_tls_security_level",
    "smtpd_tls_wrappermode",
    "smtpd_upstream_proxy_protocol",
    "smtpd_use_tls",
    "syslog_name",
];

/// Whether a parameter is there for others to be made of.
fn is_macro(source: &Source, name: &str) -> bool {
    let services = source.master_cf.services().iter().flat_map(|service| &service.options);
    source.main_cf.parameters().iter().chain(services).any(|parameter| names(&parameter.value, name))
}

/// Whether a value has `$name` in it.
pub fn names(value: &str, name: &str) -> bool {
    value.match_indices('$').any(|(at, _)| {
        let behind = value[at + 1..].trim_start_matches(['{', '(']);
        behind
            .strip_prefix(name)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
    })
}

/// On port 25, STARTTLS is offered and never demanded; a restriction demands it.
fn require_tls(
    source: &mut Source,
    service: &Service,
    policy: &[(String, String)],
    own: &mut Vec<(String, String)>,
) {
    const NAME: &str = "smtpd_client_restrictions";
    let lists = own.iter().chain(policy);
    let list = lists.into_iter().find(|(name, _)| name == NAME).map_or("", |(_, list)| list.as_str());
    let list = format!("reject_plaintext_session, {list}");
    own.retain(|(name, _)| name != NAME);
    own.push((NAME.into(), list.trim_end_matches([',', ' ']).into()));
    source.note_of(service, "smtpd_tls_security_level = encrypt: reject_plaintext_session stands for it in smtpd_client_restrictions");
}

fn port(name: &str) -> Option<u16> {
    let name = name.rsplit_once(':').map_or(name, |(_, port)| port);
    match name {
        "smtp" => Some(25),
        "smtps" | "submissions" | "urd" => Some(465),
        "submission" => Some(587),
        _ => name.parse().ok().filter(|port| *port != 0),
    }
}

/// The addresses of a service: its own, or those of the interfaces.
fn addresses(source: &mut Source, service: &Service, options: &MainCf) -> Result<Vec<IpAddr>, MainCfError> {
    let protocols = source.value_in("inet_protocols", Some(options))?;
    let has = |protocol: &str| words(&protocols).iter().any(|word| [protocol, "all"].contains(word));
    let (ipv4, ipv6) = (has("ipv4"), has("ipv6"));
    let interfaces = source.value_in("inet_interfaces", Some(options))?;
    let host = service.name.rsplit_once(':').map(|(host, _)| host.to_string());
    let hosts =
        host.map_or_else(|| words(&interfaces).into_iter().map(String::from).collect(), |host| vec![host]);
    let mut found = Vec::new();
    for host in hosts {
        let bare = host.trim_matches(['[', ']']);
        match bare {
            // Who listens there has those of IPv4, too.
            "all" | "" if ipv6 => found.push(Ipv6Addr::UNSPECIFIED.into()),
            "all" | "" => found.push(Ipv4Addr::UNSPECIFIED.into()),
            "loopback-only" | "localhost" => {
                found.extend(ipv4.then_some(IpAddr::V4(Ipv4Addr::LOCALHOST)));
                found.extend(ipv6.then_some(IpAddr::V6(Ipv6Addr::LOCALHOST)));
            }
            _ => match bare.parse::<IpAddr>() {
                Ok(address) => found.push(address),
                Err(_) => source.note_of(
                    service,
                    format!("{host}: not carried over: names are not looked up; write the address"),
                ),
            },
        }
    }
    found.dedup();
    Ok(found)
}

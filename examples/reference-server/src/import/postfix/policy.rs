//! Parameters that have the same name here: those of access control and of addresses.
//!
//! Where Postfix's default is another than ours, or is made of other parameters, it is written out.

use super::milters;
use super::source::{ALIASES, Source};
use postroom::relay_policy::main_cf::{MainCf, MainCfError, words};
use postroom::relay_policy::{ParameterKind, Parameters};
use std::fs;

/// The parameters of all services, in an order in which they can be set.
pub fn common(source: &mut Source) -> Result<Vec<(String, String)>, MainCfError> {
    let mut policy = Vec::new();
    let classes = source.value("smtpd_restriction_classes")?;
    let set: Vec<String> =
        source.main_cf.parameters().iter().map(|parameter| parameter.name.clone()).collect();
    let known = |name: &String| is_known(name, &classes);
    for name in WRITTEN.iter().map(|name| (*name).to_string()).chain(set.into_iter().filter(known)) {
        if policy.iter().any(|(done, _)| *done == name) {
            continue;
        }
        let value = value(source, &name, None)?;
        let is_set = source.sets(&name);
        let Some(value) = adapted(source, &name, value, is_set) else { continue };
        // An empty list that lets everybody relay is no default of ours.
        if !value.is_empty() || source.sets(&name) || name == "smtpd_relay_restrictions" {
            policy.push((name, value));
        }
    }
    for (name, usual) in MADE_OF_OTHERS {
        let (value, usual) = (source.value(name)?, source.expanded(usual)?);
        if !source.sets(name) && words(&value) != words(&usual) {
            policy.extend(adapted(source, name, value, false).map(|value| (name.to_string(), value)));
        }
    }
    OLD_NAMES.iter().for_each(|name| source.take(name));
    // A class is one of the parameters only once it is named.
    policy.sort_by_key(|(name, _)| name != "smtpd_restriction_classes");
    Ok(policy)
}

/// The value of a parameter, for all services or for one: expanded, but where the one who reads it does that.
pub fn value(source: &mut Source, name: &str, service: Option<&MainCf>) -> Result<String, MainCfError> {
    let raw = source.raw(name, service);
    // Here it stands for the greeting that this server has.
    let is_our_greeting = name == "postscreen_greet_banner" && raw == "$smtpd_banner";
    if RAW.contains(&name) || is_our_greeting { Ok(raw) } else { source.value_in(name, service) }
}

/// Whether a parameter has this name here.
pub fn is_known(name: &str, classes: &str) -> bool {
    name != "myhostname" && (Parameters::NAMES.contains(&name) || words(classes).contains(&name))
}

/// Those that are written whether or not a line sets them.
const WRITTEN: [&str; 14] = [
    "alias_maps",
    "smtpd_restriction_classes",
    "mydomain",
    "myorigin",
    "mydestination",
    "mynetworks",
    "relay_domains",
    "virtual_alias_domains",
    "virtual_mailbox_domains",
    "parent_domain_matches_subdomains",
    "append_dot_mydomain",
    "local_recipient_maps",
    "message_drop_headers",
    "smtpd_relay_restrictions",
];

/// Those whose defaults Postfix makes of others, and what they mostly come to, which is the default here.
const MADE_OF_OTHERS: [(&str, &str); 7] = [
    ("postscreen_allowlist_interfaces", "static:all"),
    ("postscreen_denylist_action", "ignore"),
    ("postscreen_dnsbl_allowlist_threshold", "0"),
    ("postscreen_dnsbl_max_ttl", "1h"),
    ("postscreen_forbidden_commands", "CONNECT GET POST"),
    ("smtpd_client_event_limit_exceptions", "$mynetworks"),
    ("smtpd_relay_before_recipient_restrictions", "yes"),
];

/// Those that are only there for others to be made of.
const OLD_NAMES: [&str; 5] = [
    "postscreen_blacklist_action",
    "postscreen_dnsbl_ttl",
    "postscreen_dnsbl_whitelist_threshold",
    "postscreen_whitelist_interfaces",
    "smtpd_client_connection_limit_exceptions",
];

/// Those in which a `$` is no parameter's.
const RAW: [&str; 3] = ["default_rbl_reply", "luser_relay", "smtpd_reject_footer"];

/// Times whose defaults are not in seconds: a bare number counts in the unit of the default.
const UNITS: [(&str, char); 7] = [
    ("postscreen_bare_newline_ttl", 'd'),
    ("postscreen_cache_cleanup_interval", 'h'),
    ("postscreen_cache_retention_time", 'd'),
    ("postscreen_dnsbl_max_ttl", 'h'),
    ("postscreen_greet_ttl", 'd'),
    ("postscreen_non_smtp_command_ttl", 'd'),
    ("postscreen_pipelining_ttl", 'd'),
];

/// A value as it is written here; none where it is left out, which is told. `is_set`: somebody has written it, in `main.cf` or
/// for the service.
pub fn adapted(source: &mut Source, name: &str, value: String, is_set: bool) -> Option<String> {
    let value = unproxied(&value);
    tell_tables(source, name, &value);
    if Parameters::kind(name) == Some(ParameterKind::Time) {
        return Some(with_unit(name, value));
    }
    match name {
        "alias_maps" if !is_set => {
            tell_default_aliases(source, &value);
            Some(value)
        }
        "myorigin" if value.starts_with('/') => {
            match fs::read_to_string(&value) {
                Ok(text) => Some(text.trim().to_string()),
                Err(error) => {
                    source.note(name, format!("{value}: {error}: not carried over; say which domain addresses without one are in"));
                    None
                }
            }
        }
        "mynetworks" if !is_set => Some(mynetworks(source)),
        "smtpd_relay_restrictions" if !is_set && value.is_empty() => {
            source.note(
                "smtpd_relay_restrictions",
                "it is not set, and without compatibility_level = 1 or more it is empty in Postfix: whether strangers may relay \
                 is up to smtpd_recipient_restrictions alone",
            );
            Some(value)
        }
        // Local domains in it count as local in Postfix; what is left of it are their subdomains.
        "relay_domains" if !is_set && !value.is_empty() => {
            source.note(
                name,
                "it is not set, and without compatibility_level = 2 or more it is $mydestination in Postfix, which relays for the \
                 subdomains of those: left out; name the subdomains that are to be relayed for",
            );
            None
        }
        "relay_clientcerts" => {
            tell_fingerprints(source, name);
            Some(value)
        }
        "inet_interfaces" => addresses(source, name, &value, &["all", "loopback-only"]),
        "proxy_interfaces" => addresses(source, name, &value, &[]),
        // Empty, it would be domains.local.
        "mydestination" if value.is_empty() => Some("localhost".into()),
        "local_recipient_maps" => local_recipients(source, &value),
        "virtual_mailbox_maps" => {
            mailboxes(source, &value);
            None
        }
        "local_transport" | "virtual_transport" if !is_ours(&value) => {
            let text = format!("{value}: not carried over: the mailboxes are here, where [storage] says");
            source.note(name, text);
            None
        }
        "allow_mail_to_commands" | "allow_mail_to_files" => {
            let (kept, left): (Vec<&str>, Vec<&str>) =
                words(&value).into_iter().partition(|word| *word != "forward");
            if !left.is_empty() {
                source.note(name, "forward is not carried over: no .forward files are read");
            }
            Some(kept.join(", "))
        }
        _ if value.contains("check_ccert_access") => {
            tell_fingerprints(source, name);
            Some(services_of(source, name, &value))
        }
        "smtpd_milters" => Some(milters::with_whole_paths(source, &value)),
        "smtpd_milter_maps" => {
            source.note(
                name,
                "paths of sockets in its tables are looked for from this configuration's directory",
            );
            Some(value)
        }
        _ if name.ends_with("_restrictions") || value.contains("check_policy_service") => {
            Some(services_of(source, name, &value))
        }
        _ => Some(value),
    }
}

/// A time with its unit, which Postfix lets be left out.
fn with_unit(name: &str, mut value: String) -> String {
    if !value.is_empty() && value.bytes().all(|octet| octet.is_ascii_digit()) {
        value.push(UNITS.iter().find(|(known, _)| *known == name).map_or('s', |(_, unit)| *unit));
    }
    value
}

/// Certificates are known by another digest here.
fn tell_fingerprints(source: &mut Source, name: &str) {
    let digest = source.value("smtpd_tls_fingerprint_digest").unwrap_or_default();
    if !digest.eq_ignore_ascii_case("sha256") {
        let text = format!(
            "its fingerprints are of {digest} (smtpd_tls_fingerprint_digest), and here of sha256: make them anew, else they match nobody"
        );
        source.note(name, text);
    }
}

/// The file is where it always is; nobody answers for NIS.
fn tell_default_aliases(source: &mut Source, value: &str) {
    let text = match value {
        "" => format!("it is not set, and there is no {ALIASES} here: none is written"),
        _ => format!("it is not set: {value} is written, as Postfix has it, without nis:mail.aliases"),
    };
    source.note("alias_maps", text);
}

/// Whether mail that goes this way does not leave.
fn is_ours(transport: &str) -> bool {
    let service = transport.split_once(':').map_or(transport, |(service, _)| service);
    ["local", "virtual", "error", "retry", "discard"].contains(&service)
}

/// `proxy:type:name` is `type:name`.
fn unproxied(value: &str) -> String {
    value.replace("proxy:", "")
}

/// Tables that nobody answers for.
fn tell_tables(source: &mut Source, name: &str, value: &str) {
    const ELSEWHERE: [&str; 10] =
        ["mysql", "pgsql", "sqlite", "ldap", "mongodb", "memcache", "nis", "nisplus", "tcp", "socketmap"];
    for word in words(value) {
        let kind = word.trim_start_matches('!').split_once(':').map(|(kind, _)| kind);
        if kind.is_some_and(|kind| ELSEWHERE.contains(&kind)) {
            source.note(name, format!("{word}: nobody answers for tables of this kind yet: whoever it is about is refused for now (451)"));
        }
    }
}

/// Clients are trusted by the networks of this machine, as far as they can be known without asking it.
fn mynetworks(source: &mut Source) -> String {
    let style = source.value("mynetworks_style").unwrap_or_default();
    let text = format!(
        "it is not set, and mynetworks_style = {style} would take it from the machine's interfaces: only loopback is written; add \
         what else is trusted"
    );
    source.note("mynetworks", text);
    "127.0.0.0/8, [::1]/128".into()
}

/// The addresses in a list of interfaces; of the others, those in `passed_over` need not be said here.
fn addresses(source: &mut Source, name: &str, value: &str, passed_over: &[&str]) -> Option<String> {
    let (mut kept, mut left) = (Vec::new(), Vec::new());
    for word in words(value).into_iter().filter(|word| !passed_over.contains(word)) {
        let is_address = word.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
        if is_address { kept.push(word) } else { left.push(word) }
    }
    if !left.is_empty() {
        let left = left.join(", ");
        source.note(
            name,
            format!("{left}: not carried over: names of interfaces are not looked up; write their addresses"),
        );
    }
    Some(kept.join(", ")).filter(|kept| !kept.is_empty())
}

/// Users of this machine are the accounts here; alone, that is the default.
fn local_recipients(source: &mut Source, value: &str) -> Option<String> {
    if value.is_empty() {
        source.note("local_recipient_maps", "it is empty, so every user exists; here the accounts do");
        return None;
    }
    Some(value.replace("unix:passwd.byname", "directory:")).filter(|maps| maps.trim() != "directory:")
}

/// Mailboxes of virtual domains are the accounts here.
fn mailboxes(source: &mut Source, value: &str) {
    let mut found = Vec::new();
    for word in words(value) {
        let path = word.split_once(':').map_or(word, |(_, path)| path);
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                source.note("virtual_mailbox_maps", format!("{word}: its addresses are not known: {error}"));
                continue;
            }
        };
        let keys = text
            .lines()
            .filter(|line| !line.starts_with(['#', ' ', '\t']))
            .filter_map(|line| line.split_whitespace().next());
        found.extend(
            keys.filter(|key| key.contains('@') && !key.starts_with(['@', '/'])).map(str::to_lowercase),
        );
    }
    let text = format!(
        "not carried over: the accounts say which mailboxes there are; those of {} addresses are to be made",
        found.len()
    );
    source.note("virtual_mailbox_maps", text);
    source.mailboxes.extend(found);
}

/// Sockets of policy services whose path counts from the queue's directory.
fn services_of(source: &mut Source, name: &str, value: &str) -> String {
    let Ok(queue) = source.value("queue_directory") else { return value.into() };
    let mut adapted = String::new();
    let mut is_service = false;
    for word in value.split_inclusive([' ', ',', '\t', '{', '}']) {
        let path = word.strip_prefix("unix:").filter(|path| is_service && !path.starts_with('/'));
        match path {
            Some(path) => {
                adapted += &format!("unix:{queue}/{path}");
                let service = path.trim_end_matches([' ', ',', '\t', '}']);
                let service = service.strip_prefix("private/").unwrap_or(service);
                if source
                    .master_cf
                    .services()
                    .iter()
                    .any(|known| known.name == service && known.program == "spawn")
                {
                    source.note(
                        name,
                        format!("{service} is started by Postfix (spawn in master.cf): start it by itself"),
                    );
                }
            }
            None => adapted += word,
        }
        let bare = word.trim_end_matches([' ', ',', '\t', '{', '}']);
        if !bare.is_empty() {
            is_service = bare == "check_policy_service";
        }
    }
    adapted
}

//! Parameters that other sections of the file have: names, certificates, logins, limits, the queue.

use super::super::draft::{Draft, array, string};
use super::super::message_bytes_max;
use super::source::Source;
use postroom::relay_policy::main_cf::{MainCf, MainCfError, words};
use toml::Value;

/// Times of the queue: the parameter, the unit of a number alone, in seconds, and our key.
const QUEUE_TIMES: &[(&str, i64, &str)] = &[
    ("minimal_backoff_time", 1, "minimal_backoff_time_seconds"),
    ("maximal_backoff_time", 1, "maximal_backoff_time_seconds"),
    ("maximal_queue_lifetime", 86_400, "maximal_queue_lifetime_seconds"),
    ("bounce_queue_lifetime", 86_400, "bounce_queue_lifetime_seconds"),
    ("delay_warning_time", 3600, "delay_warning_time_seconds"),
];

/// What holds for all services.
pub fn sections(source: &mut Source, draft: &mut Draft) -> Result<(), MainCfError> {
    if !source.sets("myhostname") {
        source.note("myhostname", "it is not set: the name of the machine that this runs on is written");
    }
    draft.hostname = source.value("myhostname")?;
    draft.local = domains(source, &draft.hostname)?;
    draft.tls = certificate(source)?;
    logins(source, draft)?;
    for (name, unit, key) in QUEUE_TIMES {
        if source.sets(name) {
            let written = source.value(name)?;
            match seconds(&written, *unit) {
                Some(seconds) => draft.queue.push((key, Value::Integer(seconds))),
                None => source.note(name, format!("{written} is no time: not carried over")),
            }
        }
    }
    // Postfix's default is another than ours.
    draft.limits.push(("message_bytes_max", Value::Integer(10_240_000)));
    let main_cf = source.main_cf.clone();
    for (key, value) in limits(source, &main_cf, |source, name| source.sets(name))? {
        draft.limits.retain(|(known, _)| *known != key);
        draft.limits.push((key, value));
    }
    Ok(())
}

/// Domains with accounts; that of addresses without one stands first.
fn domains(source: &mut Source, hostname: &str) -> Result<Vec<String>, MainCfError> {
    let mut local = Vec::new();
    for name in ["mydestination", "virtual_mailbox_domains"] {
        let value = source.value(name)?;
        for word in words(&value) {
            if word.contains([':', '/', '!']) {
                source.note(
                    name,
                    format!("{word}: its domains are to be added to domains.local, if accounts are in them"),
                );
            } else if !local.iter().any(|known| known == word) {
                local.push(word.to_string());
            }
        }
    }
    let myorigin = source.value("myorigin")?;
    if let Some(at) = local.iter().position(|domain| *domain == myorigin) {
        local[..=at].rotate_right(1);
    }
    if local.is_empty() {
        source.note(
            "mydestination",
            "no domain is local: myhostname is written in domains.local, since one is needed",
        );
        local.push(hostname.into());
    }
    Ok(local)
}

fn certificate(source: &mut Source) -> Result<Option<(String, String)>, MainCfError> {
    let chains = source.value("smtpd_tls_chain_files")?;
    if let Some((first, more)) = words(&chains).split_first() {
        if !more.is_empty() {
            source.note("smtpd_tls_chain_files", "only the first file is carried over");
        }
        return Ok(Some(((*first).to_string(), (*first).to_string())));
    }
    for name in ["smtpd_tls_eccert_file", "smtpd_tls_dcert_file"] {
        if !source.value(name)?.is_empty() {
            source.note(name, "not carried over: there is one certificate");
        }
    }
    let certificate = source.value("smtpd_tls_cert_file")?;
    let key = source.value("smtpd_tls_key_file")?;
    Ok(Some((certificate, key)).filter(|(certificate, _)| !certificate.is_empty() && certificate != "none"))
}

fn logins(source: &mut Source, draft: &mut Draft) -> Result<(), MainCfError> {
    let options = source.value("smtpd_sasl_security_options")?;
    let (kept, left): (Vec<String>, Vec<String>) = words(&options)
        .into_iter()
        .map(String::from)
        .partition(|option| ["noanonymous", "noplaintext"].contains(&option.as_str()));
    if !left.is_empty() {
        source.note(
            "smtpd_sasl_security_options",
            format!("{}: not carried over: there is no such option", left.join(", ")),
        );
    }
    if kept != ["noanonymous"] {
        draft.accounts.push(("sasl_security_options", array(&kept)));
    }
    if source.value("broken_sasl_auth_clients")? == "yes" {
        draft.accounts.push(("broken_sasl_auth_clients", Value::Boolean(true)));
    }
    Ok(())
}

/// Limits that are set, by their keys here.
pub fn limits(
    source: &mut Source,
    main_cf: &MainCf,
    is_set: impl Fn(&Source, &str) -> bool,
) -> Result<Vec<(&'static str, Value)>, MainCfError> {
    let mut limits = Vec::new();
    for (name, key) in
        [("message_size_limit", "message_bytes_max"), ("smtpd_recipient_limit", "recipients_max")]
    {
        if !is_set(source, name) {
            continue;
        }
        let written = source.value_in(name, Some(main_cf))?;
        let value = match (written.parse::<u64>(), key) {
            (Err(_), _) => Err("it is no number: not carried over"),
            (Ok(octets), "message_bytes_max") => message_bytes_max(octets),
            (Ok(count), _) if count < 100 => {
                Err("fewer than 100 cannot be set (RFC 5321 4.5.3.1.8): the default stays")
            }
            (Ok(count), _) => {
                i64::try_from(count).map(Value::Integer).map_err(|_| "it is too large: not carried over")
            }
        };
        match value {
            Ok(value) => limits.push((key, value)),
            Err(why) => source.note(name, why),
        }
    }
    Ok(limits)
}

/// Networks in a list of clients, as a key of a listener; names are told.
pub fn networks(source: &mut Source, main_cf: &MainCf, name: &str) -> Result<Vec<String>, MainCfError> {
    let value = source.value_in(name, Some(main_cf))?;
    let (mut kept, mut left) = (Vec::new(), Vec::new());
    for word in words(&value) {
        let address = word
            .trim_start_matches('!')
            .split_once('/')
            .map_or(word.trim_start_matches('!'), |(address, _)| address);
        let is_network = address.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok();
        if is_network { kept.push(word.to_string()) } else { left.push(word) }
    }
    if !left.is_empty() {
        let left = left.join(", ");
        source
            .note(name, format!("{left}: not carried over: only addresses and networks are trusted so far"));
    }
    Ok(kept)
}

/// The file with the authorities whose client certificates are believed, and whether one is demanded.
pub fn client_certificates(
    source: &mut Source,
    main_cf: &MainCf,
) -> Result<Vec<(&'static str, Value)>, MainCfError> {
    let required = source.is_yes("smtpd_tls_req_ccert", main_cf)?;
    if !(required || source.is_yes("smtpd_tls_ask_ccert", main_cf)?) {
        return Ok(Vec::new());
    }
    let file = source.value_in("smtpd_tls_CAfile", Some(main_cf))?;
    if file.is_empty() {
        source.note(
            "smtpd_tls_ask_ccert",
            "not carried over: smtpd_tls_CAfile must say whose certificates are believed, and without it no client is asked for one: \
             relay_clientcerts and check_ccert_access know nobody",
        );
        return Ok(Vec::new());
    }
    let mut keys = vec![("client_ca", string(&file))];
    if required {
        keys.push(("require_client_certificate", Value::Boolean(true)));
    }
    Ok(keys)
}

/// A time as Postfix writes it; a number alone counts in `unit` seconds.
fn seconds(written: &str, unit: i64) -> Option<i64> {
    let digits = written.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &written[digits.len()..] {
        "" => unit,
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 604_800,
        _ => return None,
    };
    digits.parse::<i64>().ok()?.checked_mul(unit)
}

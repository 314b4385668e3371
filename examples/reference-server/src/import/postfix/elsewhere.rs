//! Parameters that are not carried over, and why.

use super::services::names;
use super::source::Source;
use postroom::relay_policy::Parameters;

/// Tells of each parameter that nobody has looked at; but not of those that others are made of.
pub fn rest(source: &mut Source) {
    let parameters = source.main_cf.parameters().to_vec();
    for parameter in &parameters {
        let name = parameter.name.as_str();
        if !source.is_left(name) || OURSELVES.contains(&name) {
            continue;
        }
        let services = source.master_cf.services().iter().flat_map(|service| &service.options);
        let is_macro = parameters.iter().chain(services).any(|other| names(&other.value, name));
        match why(name) {
            Some(why) => source.note(name, format!("not carried over: {why}")),
            None if is_macro => {}
            None => {
                let meant = Parameters::nearest(name).map(|meant| format!("; did you mean {meant}?"));
                let meant = meant.unwrap_or_default();
                source.note(name, format!("not carried over: nothing here has this name{meant}"));
            }
        }
    }
}

/// Why a parameter of Postfix has no place here; none where it is not known.
pub fn why(name: &str) -> Option<&'static str> {
    why_exactly(name).or_else(|| {
        let front = FRONTS.iter().find(|(front, _)| name.starts_with(front));
        front.map(|(_, why)| *why)
    })
}

/// The same of those alone that are known by their whole name.
pub fn why_exactly(name: &str) -> Option<&'static str> {
    WHY.iter().find(|(known, _)| *known == name).map(|(_, why)| *why)
}

/// Those of Postfix's own programs, files and users: there is nothing to be missed.
const OURSELVES: [&str; 23] = [
    "biff",
    "command_directory",
    "compatibility_level",
    "config_directory",
    "daemon_directory",
    "data_directory",
    "debug_peer_level",
    "debugger_command",
    "default_database_type",
    "html_directory",
    "mail_owner",
    "mailq_path",
    "manpage_directory",
    "maillog_file",
    "meta_directory",
    "newaliases_path",
    "queue_directory",
    "readme_directory",
    "sample_directory",
    "sendmail_path",
    "setgid_group",
    "shlib_directory",
    "alias_database",
];

const NOT_SENT: &str = "mail is not sent on to other hosts yet";
const DELIVERED: &str = "mail is delivered where [storage] says";
const TLS: &str = "how TLS is done is not configured: versions and ciphers are rustls' own";
const LIES: &str = "what this server keeps lies below data_dir";
const ACCOUNTS: &str = "who may log in says accounts.passwd_file";

const WHY: &[(&str, &str)] = &[
    ("command_time_limit", "set command_time_limit_seconds in [queue]"),
    ("content_filter", "there are no content filters: mail is taken WITHOUT being filtered"),
    ("data_directory", LIES),
    ("home_mailbox", DELIVERED),
    ("mail_spool_directory", DELIVERED),
    ("mailbox_command", DELIVERED),
    ("mailbox_command_maps", DELIVERED),
    (
        "mailbox_size_limit",
        "set rules in [quota], and mailbox_size_limit_bytes in [queue] for files of aliases",
    ),
    ("mailbox_transport", DELIVERED),
    ("message_size_limit", "set message_bytes_max in [limits]"),
    (
        "non_smtpd_milters",
        "all mail comes by SMTP or LMTP here, but for this server's own, which no milter sees",
    ),
    ("queue_directory", LIES),
    ("queue_run_delay", "what is due is tried at once, without runs of the queue"),
    ("receive_override_options", "there are no content filters"),
    ("smtpd_banner", "the greeting is this server's name"),
    ("smtpd_forbid_bare_newline", "a line that ends in LF alone is always refused"),
    ("smtpd_recipient_limit", "set recipients_max in [limits]"),
    ("smtpd_sasl_path", ACCOUNTS),
    ("smtpd_sasl_type", ACCOUNTS),
    (
        "smtpd_sasl_local_domain",
        "a login without a domain belongs to the first of domains.local, in tables, too",
    ),
    ("strict_rfc821_envelopes", "addresses are always read strictly"),
    ("virtual_gid_maps", DELIVERED),
    ("virtual_mailbox_base", DELIVERED),
    ("virtual_mailbox_limit", "set rules in [quota]"),
    ("virtual_minimum_uid", DELIVERED),
    ("virtual_uid_maps", DELIVERED),
];

const FRONTS: &[(&str, &str)] = &[
    ("cyrus_sasl", ACCOUNTS),
    ("lmtp_", NOT_SENT),
    ("postscreen_", "this part of postscreen is not there"),
    ("smtp_", NOT_SENT),
    ("smtpd_sasl_", ACCOUNTS),
    ("smtpd_tls_", TLS),
    ("tls_", TLS),
    ("tlsproxy_", TLS),
];

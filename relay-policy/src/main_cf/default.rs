//! What Postfix takes where its files say nothing, of the parameters that are made of others or that others are made of.

/// The default of a parameter as Postfix has it, not expanded; none of those that depend on the machine (`myhostname`,
/// `mydomain`, the networks that its interfaces are in), and of those that stand for themselves.
///
/// `compatibility_level` is 0 where nothing is said: then the defaults are those of Postfix before 3.0.
///
/// ```
/// use relay_policy::main_cf::{MainCf, default};
///
/// let main_cf = MainCf::parse("main.cf", "myhostname = mail.example.com\nmydomain = example.com\n")?;
/// let or_default = |name: &str| default(name).map(String::from);
/// let value = |name: &str| main_cf.value(name, &or_default);
/// assert_eq!(value("mydestination")?.as_deref(), Some("mail.example.com, localhost.example.com, localhost"));
/// assert_eq!(value("append_dot_mydomain")?.as_deref(), Some("yes"));
/// # Ok::<(), relay_policy::main_cf::MainCfError>(())
/// ```
pub fn default(name: &str) -> Option<&'static str> {
    DEFAULTS.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

const DEFAULTS: &[(&str, &str)] = &[
    ("alias_database", "hash:/etc/aliases"),
    ("alias_maps", "hash:/etc/aliases, nis:mail.aliases"),
    ("append_dot_mydomain", "${{$compatibility_level} <level {1} ? {yes} : {no}}"),
    ("command_directory", "/usr/sbin"),
    ("compatibility_level", "0"),
    ("config_directory", "/etc/postfix"),
    ("daemon_directory", "/usr/lib/postfix/sbin"),
    ("data_directory", "/var/lib/postfix"),
    ("default_database_type", "hash"),
    ("inet_interfaces", "all"),
    ("inet_protocols", "all"),
    ("local_recipient_maps", "proxy:unix:passwd.byname $alias_maps"),
    ("mail_name", "Postfix"),
    ("mail_owner", "postfix"),
    ("message_drop_headers", "bcc, content-length, resent-bcc, return-path"),
    ("mydestination", "$myhostname, localhost.$mydomain, localhost"),
    ("mynetworks_style", "${{$compatibility_level} <level {2} ? {subnet} : {host}}"),
    ("myorigin", "$myhostname"),
    (
        "parent_domain_matches_subdomains",
        "mynetworks, permit_mx_backup_networks, relay_domains, smtpd_access_maps",
    ),
    (
        "postscreen_allowlist_interfaces",
        "${postscreen_whitelist_interfaces?{$postscreen_whitelist_interfaces}:{static:all}}",
    ),
    ("postscreen_denylist_action", "${postscreen_blacklist_action?{$postscreen_blacklist_action}:{ignore}}"),
    (
        "postscreen_dnsbl_allowlist_threshold",
        "${postscreen_dnsbl_whitelist_threshold?{$postscreen_dnsbl_whitelist_threshold}:{0}}",
    ),
    ("postscreen_dnsbl_max_ttl", "${postscreen_dnsbl_ttl?{$postscreen_dnsbl_ttl}:{1}}h"),
    ("postscreen_forbidden_commands", "$smtpd_forbidden_commands"),
    ("postscreen_greet_banner", "$smtpd_banner"),
    ("process_name", "smtpd"),
    ("queue_directory", "/var/spool/postfix"),
    ("reject_tempfail_action", "defer_if_permit"),
    ("relay_domains", "${{$compatibility_level} <level {2} ? {$mydestination} : {}}"),
    ("smtpd_banner", "$myhostname ESMTP $mail_name"),
    ("smtpd_client_event_limit_exceptions", "${smtpd_client_connection_limit_exceptions:$mynetworks}"),
    ("smtpd_forbidden_commands", "CONNECT GET POST"),
    ("smtpd_relay_before_recipient_restrictions", "${{$compatibility_level} <level {3.6} ? {no} : {yes}}"),
    (
        "smtpd_relay_restrictions",
        "${{$compatibility_level} <level {1} ? {} : {permit_mynetworks, permit_sasl_authenticated, defer_unauth_destination}}",
    ),
    ("smtpd_sasl_security_options", "noanonymous"),
    ("smtpd_tls_fingerprint_digest", "${{$compatibility_level} <level {3.6} ? {md5} : {sha256}}"),
    ("smtpd_tls_key_file", "$smtpd_tls_cert_file"),
    ("virtual_alias_domains", "$virtual_alias_maps"),
    ("virtual_alias_maps", "$virtual_maps"),
    ("virtual_mailbox_domains", "$virtual_mailbox_maps"),
];

//! Rules as they are configured: restrictions by their names, with what belongs to them.

use super::delegate::{self, Delegate};
use super::dnslist::Zone;
use super::subject::Subject;
use crate::words::{in_braces, is_table, words};
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

/// A list of rules, shared by all who evaluate it.
pub(crate) type Rules = Arc<[Rule]>;

/// A restriction with its argument.
#[derive(Debug, Clone)]
pub(crate) struct Rule {
    /// As it was written, the argument with it.
    pub(crate) written: String,
    pub(crate) check: Check,
}

/// Which servers of a domain are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Servers {
    /// The hosts that have its name.
    Address,
    /// Its name servers.
    Ns,
    /// Its mail servers.
    Mx,
}

/// What a certificate is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Digest {
    /// `cert_fingerprint`: its own.
    Certificate,
    /// `pubkey_fingerprint`: its key's.
    PublicKey,
}

impl Digest {
    /// In the order in which tables are asked.
    pub(crate) const ALL: [Self; 2] = [Self::Certificate, Self::PublicKey];
}

/// What a rule does.
#[derive(Debug, Clone)]
pub(crate) enum Check {
    Permit,
    Reject,
    Defer,
    DeferIfPermit,
    DeferIfReject,
    WarnIfReject,
    /// The seconds to wait.
    Sleep(u32),
    Class(String),
    /// A table without the name of a check: that of the list is meant.
    BareTable(String),
    Access(Subject, String),
    /// A table with digests of certificates, and which digests it is asked for.
    CertificateAccess {
        table: String,
        search_order: Vec<Digest>,
    },
    ServerAccess {
        servers: Servers,
        of: Subject,
        table: String,
        restriction: &'static str,
    },
    /// A DNS list of addresses or of names; `permit` where it is a list of good ones.
    DnsList {
        permit: bool,
        by_name: bool,
        of: Subject,
        zone: Zone,
    },
    PolicyService(Delegate),
    PermitMynetworks,
    PermitInetInterfaces,
    PermitTlsClientcerts,
    PermitTlsAllClientcerts,
    RejectUnverified(Subject),
    PermitSaslAuthenticated,
    PermitAuthDestination,
    PermitMxBackup,
    RejectUnauthDestination,
    DeferUnauthDestination,
    RejectUnknownClient,
    RejectUnknownReverseClient,
    RejectInvalidHelo,
    RejectNonFqdnHelo,
    RejectUnknownHelo,
    RejectNonFqdn(Subject),
    RejectUnknownDomain(Subject),
    RejectUnlisted(Subject),
    RejectLoginMismatch(Logins),
    RejectMultiRecipientBounce,
    RejectUnauthPipelining,
    RejectPlaintextSession,
    /// Before all lists: the address cannot be anybody's.
    BadAddress(Subject),
    /// It is no restriction, or not a whole one: the warnings say why.
    Wrong(Vec<String>),
}

impl Check {
    /// The table that it looks things up in.
    pub(crate) fn table(&self) -> Option<&str> {
        match self {
            Self::Access(_, table)
            | Self::BareTable(table)
            | Self::CertificateAccess { table, .. }
            | Self::ServerAccess { table, .. } => Some(table),
            _ => None,
        }
    }

    /// The access table that it looks into, if it does.
    pub(crate) fn access_table(&self) -> Option<&str> {
        match self {
            Self::Access(_, table)
            | Self::CertificateAccess { table, .. }
            | Self::ServerAccess { table, .. }
            | Self::BareTable(table) => Some(table),
            _ => None,
        }
    }

    /// Whether it looks at the client's name, or may lead to a rule that does.
    pub(crate) fn needs_client_name(&self) -> bool {
        match self {
            _ if self.access_table().is_some() => true,
            Self::PolicyService(_) => true,
            Self::RejectUnknownClient | Self::RejectUnknownReverseClient => true,
            Self::DnsList { by_name, of, .. } => {
                *by_name && matches!(of, Subject::Client | Subject::ReverseClient)
            }
            _ => false,
        }
    }
}

/// Whose use of a sender's address is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Logins {
    /// Those who have logged in use what is theirs.
    Authenticated,
    /// Those who have not use nothing that is anybody's.
    Unauthenticated,
    /// Both.
    All,
    /// Both, as far as somebody owns the address.
    Known,
}

/// What a restriction takes after its name.
enum Argument {
    None(fn() -> Check),
    Table(fn(String) -> Check),
    /// A table, or in braces a table and the order of its keys.
    Certificates,
    Zone(fn(Zone) -> Check),
}

const NAMES: &[(&str, Argument)] = {
    use Argument::{None as Plain, Table, Zone};
    use Subject::{Client, Etrn, Helo, Login, Recipient, ReverseClient, Sender};
    macro_rules! servers {
        ($name:literal, $kind:ident, $of:ident) => {
            (
                $name,
                Table(|table| Check::ServerAccess {
                    servers: Servers::$kind,
                    of: $of,
                    table,
                    restriction: $name,
                }),
            )
        };
    }
    macro_rules! dns {
        ($name:literal, $permit:literal, $by_name:literal, $of:ident) => {
            ($name, Zone(|zone| Check::DnsList { permit: $permit, by_name: $by_name, of: $of, zone }))
        };
    }
    &[
        ("permit", Plain(|| Check::Permit)),
        ("reject", Plain(|| Check::Reject)),
        ("defer", Plain(|| Check::Defer)),
        ("defer_if_permit", Plain(|| Check::DeferIfPermit)),
        ("defer_if_reject", Plain(|| Check::DeferIfReject)),
        ("warn_if_reject", Plain(|| Check::WarnIfReject)),
        ("permit_mynetworks", Plain(|| Check::PermitMynetworks)),
        ("permit_inet_interfaces", Plain(|| Check::PermitInetInterfaces)),
        ("permit_tls_clientcerts", Plain(|| Check::PermitTlsClientcerts)),
        ("permit_tls_all_clientcerts", Plain(|| Check::PermitTlsAllClientcerts)),
        ("reject_unverified_sender", Plain(|| Check::RejectUnverified(Sender))),
        ("reject_unverified_recipient", Plain(|| Check::RejectUnverified(Recipient))),
        ("permit_sasl_authenticated", Plain(|| Check::PermitSaslAuthenticated)),
        ("permit_auth_destination", Plain(|| Check::PermitAuthDestination)),
        ("permit_mx_backup", Plain(|| Check::PermitMxBackup)),
        ("reject_unauth_destination", Plain(|| Check::RejectUnauthDestination)),
        ("defer_unauth_destination", Plain(|| Check::DeferUnauthDestination)),
        ("reject_unknown_client_hostname", Plain(|| Check::RejectUnknownClient)),
        ("reject_unknown_client", Plain(|| Check::RejectUnknownClient)),
        ("reject_unknown_reverse_client_hostname", Plain(|| Check::RejectUnknownReverseClient)),
        ("reject_invalid_helo_hostname", Plain(|| Check::RejectInvalidHelo)),
        ("reject_invalid_hostname", Plain(|| Check::RejectInvalidHelo)),
        ("reject_non_fqdn_helo_hostname", Plain(|| Check::RejectNonFqdnHelo)),
        ("reject_non_fqdn_hostname", Plain(|| Check::RejectNonFqdnHelo)),
        ("reject_unknown_helo_hostname", Plain(|| Check::RejectUnknownHelo)),
        ("reject_unknown_hostname", Plain(|| Check::RejectUnknownHelo)),
        ("reject_non_fqdn_sender", Plain(|| Check::RejectNonFqdn(Sender))),
        ("reject_non_fqdn_recipient", Plain(|| Check::RejectNonFqdn(Recipient))),
        ("reject_unknown_sender_domain", Plain(|| Check::RejectUnknownDomain(Sender))),
        ("reject_unknown_address", Plain(|| Check::RejectUnknownDomain(Sender))),
        ("reject_unknown_recipient_domain", Plain(|| Check::RejectUnknownDomain(Recipient))),
        ("reject_unlisted_sender", Plain(|| Check::RejectUnlisted(Sender))),
        ("reject_unlisted_recipient", Plain(|| Check::RejectUnlisted(Recipient))),
        ("check_recipient_maps", Plain(|| Check::RejectUnlisted(Recipient))),
        (
            "reject_authenticated_sender_login_mismatch",
            Plain(|| Check::RejectLoginMismatch(Logins::Authenticated)),
        ),
        (
            "reject_unauthenticated_sender_login_mismatch",
            Plain(|| Check::RejectLoginMismatch(Logins::Unauthenticated)),
        ),
        ("reject_known_sender_login_mismatch", Plain(|| Check::RejectLoginMismatch(Logins::Known))),
        ("reject_sender_login_mismatch", Plain(|| Check::RejectLoginMismatch(Logins::All))),
        ("reject_multi_recipient_bounce", Plain(|| Check::RejectMultiRecipientBounce)),
        ("reject_unauth_pipelining", Plain(|| Check::RejectUnauthPipelining)),
        ("reject_plaintext_session", Plain(|| Check::RejectPlaintextSession)),
        ("check_client_access", Table(|table| Check::Access(Client, table))),
        ("check_reverse_client_hostname_access", Table(|table| Check::Access(ReverseClient, table))),
        ("check_helo_access", Table(|table| Check::Access(Helo, table))),
        ("check_sender_access", Table(|table| Check::Access(Sender, table))),
        ("check_recipient_access", Table(|table| Check::Access(Recipient, table))),
        ("check_etrn_access", Table(|table| Check::Access(Etrn, table))),
        ("check_sasl_access", Table(|table| Check::Access(Login, table))),
        ("check_ccert_access", Argument::Certificates),
        servers!("check_client_a_access", Address, Client),
        servers!("check_client_ns_access", Ns, Client),
        servers!("check_client_mx_access", Mx, Client),
        servers!("check_reverse_client_hostname_a_access", Address, ReverseClient),
        servers!("check_reverse_client_hostname_ns_access", Ns, ReverseClient),
        servers!("check_reverse_client_hostname_mx_access", Mx, ReverseClient),
        servers!("check_helo_a_access", Address, Helo),
        servers!("check_helo_ns_access", Ns, Helo),
        servers!("check_helo_mx_access", Mx, Helo),
        servers!("check_sender_a_access", Address, Sender),
        servers!("check_sender_ns_access", Ns, Sender),
        servers!("check_sender_mx_access", Mx, Sender),
        servers!("check_recipient_a_access", Address, Recipient),
        servers!("check_recipient_ns_access", Ns, Recipient),
        servers!("check_recipient_mx_access", Mx, Recipient),
        dns!("reject_rbl_client", false, false, Client),
        dns!("reject_rbl", false, false, Client),
        dns!("reject_rhsbl_client", false, true, Client),
        dns!("reject_rhsbl_reverse_client", false, true, ReverseClient),
        dns!("reject_rhsbl_helo", false, true, Helo),
        dns!("reject_rhsbl_sender", false, true, Sender),
        dns!("reject_rhsbl_recipient", false, true, Recipient),
        dns!("permit_dnswl_client", true, false, Client),
        dns!("permit_rhswl_client", true, true, Client),
    ]
};

/// What was there once, and what took its place.
const REMOVED: &[(&str, &str)] = &[
    ("check_relay_domains", "\"permit_auth_destination\" or \"reject_unauth_destination\""),
    ("permit_naked_ip_address", "\"permit_mynetworks\" or \"permit_sasl_authenticated\""),
    ("reject_maps_rbl", "\"reject_rbl_client domain-name\""),
];

/// The rules that are looked at whatever the lists: of a sender's address, and of a recipient's.
static FIXED: LazyLock<[[Rules; 2]; 2]> = LazyLock::new(|| {
    let rule = |written: &str, check| Rules::from([Rule { written: written.into(), check }]);
    let bad_address = |subject| rule("address", Check::BadAddress(subject));
    [
        [bad_address(Subject::Sender), bad_address(Subject::Recipient)],
        [
            rule("reject_unlisted_sender", Check::RejectUnlisted(Subject::Sender)),
            rule("reject_unlisted_recipient", Check::RejectUnlisted(Subject::Recipient)),
        ],
    ]
});

fn fixed(which: usize, subject: Subject) -> Rules {
    Arc::clone(&FIXED[which][usize::from(subject != Subject::Sender)])
}

/// What stands in a trail for a rule that was looked at before this command, and has no place in it.
pub(crate) fn of_earlier_command() -> Rules {
    Rules::from([Rule { written: "deferred at an earlier command".into(), check: Check::DeferIfPermit }])
}

/// Whether an address can be anybody's.
pub(crate) fn bad_address(subject: Subject) -> Rules {
    fixed(0, subject)
}

/// Whether there is such a user.
pub(crate) fn unlisted(subject: Subject) -> Rules {
    fixed(1, subject)
}

/// Reads a list. What is wrong in it becomes a rule that refuses, since leaving it out would open something.
pub(crate) fn read(text: &str, classes: &BTreeMap<String, String>) -> Rules {
    let mut rules = Vec::new();
    let mut rest = words(text).into_iter().peekable();
    while let Some(word) = rest.next() {
        let known = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        let follows =
            |what: &str| Check::Wrong(vec![format!("restriction {word} must be followed by {what}")]);
        let mut written = word.to_string();
        let mut argument = |good: &dyn Fn(&str) -> bool| {
            let taken = rest.next_if(|next| good(next))?;
            written = format!("{word} {taken}");
            Some(taken)
        };
        let check = match known {
            Some((_, Argument::None(check))) => check(),
            Some((_, Argument::Table(check))) => match argument(&is_table) {
                Some(table) => check(table.to_string()),
                None => follows("type:table"),
            },
            Some((_, Argument::Certificates)) => {
                match argument(&|next| is_table(next) || next.starts_with('{')).map(certificates) {
                    Some(Ok(check)) => check,
                    Some(Err(why)) => Check::Wrong(vec![format!("restriction {word}: {why}")]),
                    None => follows("type:table"),
                }
            }
            Some((_, Argument::Zone(check))) => match argument(&|_| true).map(Zone::read) {
                Some(Ok(zone)) => check(zone),
                Some(Err(why)) => Check::Wrong(vec![format!("restriction {word}: {why}")]),
                None => follows("domain-name"),
            },
            None if word.eq_ignore_ascii_case("sleep") => {
                match argument(&|next| next.parse::<u32>().is_ok()).and_then(|next| next.parse().ok()) {
                    Some(seconds) => Check::Sleep(seconds),
                    None => follows("number"),
                }
            }
            None if word.eq_ignore_ascii_case("check_policy_service") => {
                let is_service = |next: &str| delegate::is_service(next) || next.starts_with('{');
                match argument(&is_service).map(Delegate::read) {
                    Some(Ok(service)) => Check::PolicyService(service),
                    Some(Err(why)) => Check::Wrong(vec![format!("restriction {word}: {why}")]),
                    None => follows("transport:server"),
                }
            }
            None => unnamed(word, classes),
        };
        rules.push(Rule { written, check });
    }
    rules.into()
}

/// Reads `type:table` or `{ type:table, { search_order = name, name } }`.
fn certificates(written: &str) -> Result<Check, String> {
    let Some(inner) = in_braces(written) else {
        return Ok(Check::Access(Subject::Certificate, written.into()));
    };
    let mut parts = words(inner).into_iter();
    let table = parts.next().filter(|table| is_table(table));
    let table =
        table.ok_or("expected { type:table, { search_order = cert_fingerprint, pubkey_fingerprint } }")?;
    let mut search_order = Digest::ALL.to_vec();
    for part in parts {
        let part = in_braces(part).unwrap_or(part);
        let value =
            part.split_once('=').filter(|(name, _)| name.trim() == "search_order").map(|(_, value)| value);
        let names = words(value.ok_or_else(|| format!("{part}: expected search_order = name, name"))?);
        let digest = |name: &str| match name {
            "cert_fingerprint" => Ok(Digest::Certificate),
            "pubkey_fingerprint" => Ok(Digest::PublicKey),
            _ => Err(format!("search_order: {name}: expected cert_fingerprint or pubkey_fingerprint")),
        };
        search_order = names.into_iter().map(digest).collect::<Result<_, _>>()?;
    }
    if search_order.is_empty() {
        return Err("search_order: expected cert_fingerprint or pubkey_fingerprint".into());
    }
    Ok(Check::CertificateAccess { table: table.into(), search_order })
}

fn unnamed(word: &str, classes: &BTreeMap<String, String>) -> Check {
    if classes.contains_key(word) {
        return Check::Class(word.to_string());
    }
    if is_table(word) {
        return Check::BareTable(word.to_string());
    }
    if let Some((name, instead)) = REMOVED.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)) {
        return Check::Wrong(vec![format!(
            "support for restriction \"{name}\" has been removed in Postfix 3.9; instead, specify {instead}"
        )]);
    }
    Check::Wrong(vec![format!("unknown smtpd restriction: \"{word}\"")])
}

/// The names of all restrictions.
pub(crate) fn names<'n>() -> impl Iterator<Item = &'n str> {
    NAMES.iter().map(|&(name, _)| name).chain(["sleep", "check_policy_service"])
}

/// Whether this was a restriction once.
pub(crate) fn is_removed(name: &str) -> bool {
    REMOVED.iter().any(|(removed, _)| removed.eq_ignore_ascii_case(name))
}

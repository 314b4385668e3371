//! From parameters to what is ready for use: tables are opened here, and addresses read.
//!
//! # Departures
//! From Postfix: the interfaces of the machine are not looked up, so `all` in `inet_interfaces` is refused.

use super::address_maps::{AddressClass, AddressMaps};
use super::bcc::Bcc;
use super::canonical::Canonical;
use super::domains::Domains;
use super::extension::Extensions;
use super::local::{Allowed, LocalAliases};
use super::masquerade::Masquerade;
use super::resolve::Routing;
use super::rewrite::Rewriting;
use super::transport::Transport;
use super::virtual_alias::VirtualAliases;
use crate::match_list::MatchList;
use crate::nearest::nearest;
use crate::parameters::Parameters;
use crate::table::{Maps, OpenError, Opener, Warning};
use std::net::IpAddr;

/// Why a parameter cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoutingError {
    /// A table cannot be opened.
    #[error("{parameter}: {cause}")]
    Table {
        /// The parameter.
        parameter: &'static str,
        /// What is wrong.
        cause: OpenError,
    },
    /// A word makes no sense there.
    #[error("{parameter}: {word}: {expected}")]
    Word {
        /// The parameter.
        parameter: &'static str,
        /// The word.
        word: String,
        /// What would make sense.
        expected: &'static str,
    },
}

impl Routing {
    /// Takes what resolving needs from the parameters.
    ///
    /// ```
    /// use relay_policy::Parameters;
    /// use relay_policy::address::{Address, Routing};
    /// use relay_policy::table::{Answers, Opener};
    ///
    /// let mut parameters = Parameters::default();
    /// parameters.set("myhostname", "mail.example.com")?;
    /// parameters.set("mydestination", "example.com")?;
    /// parameters.set("transport_maps", "inline:{example.org=smtp:[mx.example.org]:26}")?;
    /// let no_files = |path: &str| Err(format!("{path}: there is no such file"));
    /// let routing = Routing::from_parameters(&parameters, &Opener::new(&no_files), &mut Vec::new())?;
    ///
    /// let leads_to = |external: &str| {
    ///     let recipient = Address::parse(external);
    ///     let resolution = routing.resolve(&recipient, &Address::default(), &Answers::default())?;
    ///     Ok::<_, Box<dyn std::error::Error>>((resolution.transport.to_string(), resolution.is_authorised()))
    /// };
    /// assert_eq!(leads_to("joe@example.com")?, ("local:mail.example.com".into(), true));
    /// assert_eq!(leads_to("joe@example.org")?, ("smtp:[mx.example.org]:26".into(), false));
    /// // Another address hides in this one.
    /// assert_eq!(leads_to("joe%example.net@example.com")?, ("smtp:example.net".into(), false));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`RoutingError`] names the parameter.
    pub fn from_parameters(
        parameters: &Parameters,
        opener: &Opener<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, RoutingError> {
        let p = parameters;
        let mut list = |words: &[String], parents| {
            let parsed = MatchList::parse(&words.join(", "), parents, opener);
            warnings.extend(parsed.unusable.into_iter().chain(parsed.warnings));
            parsed.list
        };
        let domains = Domains {
            mydestination: list(&p.mydestination, false),
            interfaces: interfaces(p)?,
            virtual_alias_domains: list(&p.virtual_alias_domains(), false),
            virtual_mailbox_domains: list(&p.virtual_mailbox_domains(), false),
            relay_domains: list(&p.relay_domains, p.parents_match("relay_domains")),
        };
        warnings.extend(domains.warnings());
        warnings.extend(words_without_effect(p));
        // The key comes from strangers, and the text is where mail goes.
        let fixed = opener.without_substitution();
        let mut maps = |parameter, tables: &[String]| open_maps(parameter, tables, &fixed, warnings);
        Ok(Self {
            rewriting: Rewriting {
                swap_bangpath: p.swap_bangpath,
                allow_percent_hack: p.allow_percent_hack,
                append_at_myorigin: p.append_at_myorigin,
                append_dot_mydomain: p.append_dot_mydomain,
                myorigin: if p.myorigin.is_empty() { p.myhostname.clone() } else { p.myorigin.clone() },
                mydomain: p.mydomain.clone(),
                remote_header_rewrite_domain: p.remote_header_rewrite_domain.clone(),
            },
            extensions: Extensions {
                recipient_delimiter: p.recipient_delimiter.clone(),
                owner_request_special: p.owner_request_special,
                double_bounce_sender: p.double_bounce_sender.clone(),
            },
            domains,
            resolve_dequoted_address: p.resolve_dequoted_address,
            resolve_null_domain: p.resolve_null_domain,
            resolve_numeric_domain: p.resolve_numeric_domain,
            allow_min_user: p.allow_min_user,
            show_user_unknown_table_name: p.show_user_unknown_table_name,
            empty_address_recipient: p.empty_address_recipient.clone(),
            local_transport: Transport::parse(&p.local_transport),
            virtual_transport: Transport::parse(&p.virtual_transport),
            relay_transport: Transport::parse(&p.relay_transport),
            default_transport: Transport::parse(&p.default_transport),
            sender_dependent_default_transport_maps: maps(
                "sender_dependent_default_transport_maps",
                &p.sender_dependent_default_transport_maps,
            )?,
            relayhost: p.relayhost.clone(),
            sender_dependent_relayhost_maps: maps(
                "sender_dependent_relayhost_maps",
                &p.sender_dependent_relayhost_maps,
            )?,
            transport_maps: maps("transport_maps", &p.transport_maps)?,
            transport_maps_match_parents: p.parents_match("transport_maps"),
            relocated_maps: open_maps("relocated_maps", &p.relocated_maps, opener, warnings)?,
            ..Self::new(&*p.myhostname)
        })
    }
}

impl VirtualAliases {
    /// Takes what virtual aliases need from the parameters.
    ///
    /// # Errors
    /// [`RoutingError::Table`].
    pub fn from_parameters(
        parameters: &Parameters,
        opener: &Opener<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, RoutingError> {
        Ok(Self {
            maps: open_maps("virtual_alias_maps", &parameters.virtual_alias_maps, opener, warnings)?,
            propagate_unmatched_extensions: propagates(parameters, "virtual"),
            recursion_limit: parameters.virtual_alias_recursion_limit,
            expansion_limit: parameters.virtual_alias_expansion_limit,
            address_length_limit_bytes: parameters.virtual_alias_address_length_limit,
        })
    }
}

impl AddressMaps {
    /// Takes canonical addresses and masquerading from the parameters.
    ///
    /// # Errors
    /// [`RoutingError`] names the parameter.
    pub fn from_parameters(
        parameters: &Parameters,
        opener: &Opener<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, RoutingError> {
        let p = parameters;
        let mut canonical = |parameter, tables: &[String]| {
            let maps = open_maps(parameter, tables, opener, warnings)?;
            let propagate_unmatched_extensions = propagates(parameters, "canonical");
            Ok(Canonical { propagate_unmatched_extensions, ..Canonical::new(parameter, maps) })
        };
        Ok(Self {
            sender_canonical: canonical("sender_canonical_maps", &p.sender_canonical_maps)?,
            sender_canonical_classes: classes("sender_canonical_classes", &p.sender_canonical_classes)?,
            recipient_canonical: canonical("recipient_canonical_maps", &p.recipient_canonical_maps)?,
            recipient_canonical_classes: classes(
                "recipient_canonical_classes",
                &p.recipient_canonical_classes,
            )?,
            canonical: canonical("canonical_maps", &p.canonical_maps)?,
            canonical_classes: classes("canonical_classes", &p.canonical_classes)?,
            masquerade: Masquerade {
                masquerade_domains: p.masquerade_domains.clone(),
                masquerade_exceptions: p.masquerade_exceptions.clone(),
            },
            masquerade_classes: classes("masquerade_classes", &p.masquerade_classes)?,
        })
    }
}

impl Bcc {
    /// Takes the added recipients from the parameters.
    ///
    /// # Errors
    /// [`RoutingError::Table`].
    pub fn from_parameters(
        parameters: &Parameters,
        opener: &Opener<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, RoutingError> {
        let p = parameters;
        Ok(Self {
            always_bcc: p.always_bcc.clone(),
            sender_bcc_maps: open_maps("sender_bcc_maps", &p.sender_bcc_maps, opener, warnings)?,
            recipient_bcc_maps: open_maps("recipient_bcc_maps", &p.recipient_bcc_maps, opener, warnings)?,
        })
    }
}

impl LocalAliases {
    /// Takes the aliases of this machine from the parameters.
    ///
    /// # Errors
    /// [`RoutingError`] names the parameter.
    pub fn from_parameters(
        parameters: &Parameters,
        opener: &Opener<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, RoutingError> {
        let p = parameters;
        let opener = opener.aliases().without_substitution();
        Ok(Self {
            allow_mail_to_commands: allowed("allow_mail_to_commands", &p.allow_mail_to_commands)?,
            allow_mail_to_files: allowed("allow_mail_to_files", &p.allow_mail_to_files)?,
            expand_owner_alias: p.expand_owner_alias,
            ..Self::new(open_maps("alias_maps", &p.alias_maps, &opener, warnings)?)
        })
    }
}

fn classes(parameter: &'static str, words: &[String]) -> Result<Vec<AddressClass>, RoutingError> {
    let read = |word: &String| {
        let known = AddressClass::ALL.iter().find(|(name, _)| name == word);
        let expected = "envelope_sender, envelope_recipient, header_sender or header_recipient";
        let wrong = || RoutingError::Word { parameter, word: word.clone(), expected };
        known.map(|(_, class)| *class).ok_or_else(wrong)
    };
    words.iter().map(read).collect()
}

fn allowed(parameter: &'static str, words: &[String]) -> Result<Allowed, RoutingError> {
    let mut allowed = Allowed::default();
    for word in words {
        match word.as_str() {
            "alias" => allowed.in_alias = true,
            "include" => allowed.in_include = true,
            _ => {
                let expected = "alias or include";
                return Err(RoutingError::Word { parameter, word: word.clone(), expected });
            }
        }
    }
    Ok(allowed)
}

/// What has a list of its own in `parent_domain_matches_subdomains`; the last three are in Postfix alone.
const PARENTS_MATCH: [&str; 10] = [
    "mynetworks",
    "permit_mx_backup_networks",
    "postscreen_allowlist_interfaces",
    "relay_domains",
    "smtpd_access_maps",
    "smtpd_client_event_limit_exceptions",
    "transport_maps",
    "debug_peer_list",
    "fast_flush_domains",
    "qmqpd_authorized_clients",
];

/// What there is of `propagate_unmatched_extensions`.
const PROPAGATING: [&str; 2] = ["canonical", "virtual"];

/// Words that change nothing, though somebody meant something by them.
fn words_without_effect(parameters: &Parameters) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut warn = |parameter: &str, word: &str, known: &[&str]| {
        let told = match nearest(word, known) {
            Some(known) => format!("{word} changes nothing; did you mean {known}?"),
            None => format!("{word} changes nothing here"),
        };
        warnings.push(Warning::of_configuration(parameter, &told));
    };
    for word in &parameters.parent_domain_matches_subdomains {
        if !PARENTS_MATCH.contains(&&**word) {
            warn("parent_domain_matches_subdomains", word, &PARENTS_MATCH);
        }
    }
    for word in &parameters.propagate_unmatched_extensions {
        if !PROPAGATING.contains(&&**word) {
            warn("propagate_unmatched_extensions", word, &PROPAGATING);
        }
    }
    warnings
}

fn propagates(parameters: &Parameters, feature: &str) -> bool {
    parameters.propagate_unmatched_extensions.iter().any(|name| name == feature)
}

pub(crate) fn open_maps(
    parameter: &'static str,
    tables: &[String],
    opener: &Opener<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<Maps, RoutingError> {
    let mut opened = Vec::new();
    for table in tables {
        let table = opener.open(table).map_err(|cause| RoutingError::Table { parameter, cause })?;
        warnings.extend(table.warnings);
        opened.push(table.table);
    }
    Ok(Maps::new(opened))
}

/// The addresses by which this machine is reached: `inet_interfaces` and `proxy_interfaces`.
pub(crate) fn interfaces(parameters: &Parameters) -> Result<Vec<IpAddr>, RoutingError> {
    let mut interfaces = addresses("inet_interfaces", &parameters.inet_interfaces)?;
    interfaces.extend(addresses("proxy_interfaces", &parameters.proxy_interfaces)?);
    Ok(interfaces)
}

fn addresses(parameter: &'static str, words: &[String]) -> Result<Vec<IpAddr>, RoutingError> {
    let read = |word: &String| {
        let bare = word.strip_prefix('[').and_then(|word| word.strip_suffix(']')).unwrap_or(word);
        let wrong =
            || RoutingError::Word { parameter, word: word.clone(), expected: "an IP address is expected" };
        bare.parse::<IpAddr>().map(|address| address.to_canonical()).map_err(|_| wrong())
    };
    words.iter().map(read).collect()
}

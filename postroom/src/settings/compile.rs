//! From [`Settings`] to the snapshot that sessions keep.

use super::files::{Reader, TableFiles};
use super::mechanisms::mechanisms;
use super::screen::Screen;
use super::{
    Limits, Listener, Protocol, Settings, SettingsError, TlsMode, filters, forbidden, policy, smtp_config,
};
use crate::milter::Milters;
use crate::tls::ClientTrust;
use crate::wall::Serves;
use imap_proto::server as imap;
use proto_core::address::{AddressSyntax, DomainName, Mailbox};
use proto_core::sasl::Mechanism;
use relay_policy::access::{AccessError, AccessPolicy};
use relay_policy::address::{Address, EnvelopeRouter, ResolveError};
use relay_policy::checks::ContentChecks;
use relay_policy::headers::HeaderRewriting;
use relay_policy::rates::RateLimits;
use relay_policy::table::{Answers, OpenedTables, Opener, Warning};
use relay_policy::{NetworkList, Parameters, RejectFooter};
use smtp_proto::server as smtp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Settings, checked and ready for use.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) settings: Settings,
    /// By the listener's name.
    pub(crate) profiles: BTreeMap<String, Arc<Profile>>,
    /// How mail goes that comes by no listener, since this server makes it: as the common settings have it.
    pub(crate) own: SmtpProfile,
    /// What is to be said of the files behind tables, whoever names them.
    pub(crate) file_warnings: Vec<Warning>,
    /// Those files, as they were read.
    pub(crate) table_files: TableFiles,
}

/// What the sessions of one listener have.
#[derive(Debug)]
pub(crate) struct Profile {
    pub(crate) listener: Listener,
    pub(crate) limits: Limits,
    /// How much a client may do.
    pub(crate) rates: Arc<RateLimits>,
    /// Who must say whom it speaks for; empty where clients come by themselves.
    pub(crate) proxies: NetworkList,
    pub(crate) protocol: Protocols,
    pub(crate) client_trust: Option<ClientTrust>,
}

/// What is spoken, with its configuration.
#[derive(Debug)]
pub(crate) enum Protocols {
    Smtp(Arc<SmtpProfile>),
    /// The same lists, and no session that they are about.
    Policy(Arc<SmtpProfile>),
    Imap(Arc<ImapProfile>),
    Pop3(Arc<pop3_proto::server::Config>),
}

/// What SMTP, submission and LMTP sessions have.
#[derive(Debug)]
pub(crate) struct SmtpProfile {
    pub(crate) config: Arc<smtp::Config>,
    pub(crate) policy: AccessPolicy,
    pub(crate) rates: Arc<RateLimits>,
    /// The tests of clients before they are served, where there are some.
    pub(crate) screen: Option<Screen>,
    /// Who gets what policy takes.
    pub(crate) router: EnvelopeRouter,
    /// What messages are looked at with.
    pub(crate) checks: Arc<ContentChecks>,
    /// What is done to their headers.
    pub(crate) headers: Arc<HeaderRewriting>,
    /// Who is told of each step of a session, and shown each message.
    pub(crate) milters: Option<Arc<Milters>>,
    /// What stands behind refusals.
    pub(crate) reject_footer: Option<RejectFooter>,
    /// What is to be said of the tables' sources.
    pub(crate) warnings: Vec<Warning>,
    /// Whose mailbox takes what is for the postmaster; its domain is in A-labels and lower case.
    pub(crate) postmaster: Mailbox,
    pub(crate) xclient_clients: NetworkList,
    pub(crate) xforward_clients: NetworkList,
}

/// What IMAP sessions have.
#[derive(Debug)]
pub(crate) struct ImapProfile {
    pub(crate) config: Arc<imap_proto::server::Config>,
    /// How often to look for what other programs do in a mailbox while a client idles.
    pub(crate) poll: Duration,
    /// Whether the store is asked to tell of changes.
    pub(crate) watch: bool,
}

impl Snapshot {
    /// `serves` tells who can use a mechanism: see [`Directory::serves`](crate::wall::Directory::serves).
    pub(crate) fn compile(
        settings: Settings,
        serves: impl Fn(Mechanism) -> Serves,
    ) -> Result<Self, SettingsError> {
        let reader = Reader::default();
        let read = |written: &str| reader.read(settings.config_directory.join(written), written);
        let tables = OpenedTables::default();
        let opener = Opener::new(&read).sharing(&tables);
        check_domains(&settings)?;
        // Once for all, so that no listener is blamed for what is common.
        AccessPolicy::compile_unguarded(policy::common(&settings), &opener)
            .and_then(whole)
            .map_err(SettingsError::Policy)?;
        let mut profiles = BTreeMap::new();
        for listener in &settings.listeners {
            let mut limits = listener.limits.over(settings.limits);
            if listener.protocol == Protocol::Policy {
                // All who ask may be processes of one machine.
                let own = listener.limits.connections_per_ip_max;
                limits.connections_per_ip_max = own.unwrap_or(limits.connections_max);
            }
            let mechanisms = mechanisms(&settings, listener, &serves);
            let protocol = protocol(&settings, listener, limits, mechanisms, &opener)?;
            let client_trust = listener.client_certificates.as_ref().map(ClientTrust::new).transpose();
            let client_trust = client_trust.map_err(|error| SettingsError::ClientCertificates {
                listener: listener.to_string(),
                error,
            })?;
            let proxies = networks(listener, "proxies", &listener.proxies)?;
            let rates = match &protocol {
                Protocols::Smtp(smtp) => Arc::clone(&smtp.rates),
                _ => Arc::new(connections_only(limits)),
            };
            let profile =
                Profile { listener: listener.clone(), limits, rates, proxies, protocol, client_trust };
            if profiles.insert(listener.name.clone(), Arc::new(profile)).is_some() {
                return Err(SettingsError::SameName(listener.to_string()));
            }
        }
        let nobody = Listener::without_socket(Protocol::Policy);
        let own = smtp_profile(&settings, &nobody, settings.limits, Vec::new(), &opener)?;
        let (file_warnings, table_files) = reader.into_parts();
        for warning in file_warnings.iter().map(ToString::to_string).chain(warnings(&profiles)) {
            tracing::warn!("{warning}");
        }
        Ok(Self { settings, profiles, own, file_warnings, table_files })
    }

    /// The policy of each listener that takes mail or answers the questions of another server, by the listener's name.
    pub(crate) fn policies(&self) -> BTreeMap<String, AccessPolicy> {
        let policy = |(name, profile): (&String, &Arc<Profile>)| match &profile.protocol {
            Protocols::Smtp(profile) | Protocols::Policy(profile) => {
                Some((name.clone(), profile.policy.clone()))
            }
            _ => None,
        };
        self.profiles.iter().filter_map(policy).collect()
    }
}

/// What is to be said of tables, once for all listeners that have them.
fn warnings(profiles: &BTreeMap<String, Arc<Profile>>) -> BTreeSet<String> {
    let of = |profile: &Arc<Profile>| match &profile.protocol {
        Protocols::Smtp(profile) | Protocols::Policy(profile) => {
            profile.warnings.iter().map(ToString::to_string).collect()
        }
        Protocols::Imap(_) | Protocols::Pop3(_) => Vec::new(),
    };
    profiles.values().flat_map(of).collect()
}

fn networks(
    listener: &Listener,
    list: &'static str,
    entries: &[String],
) -> Result<NetworkList, SettingsError> {
    NetworkList::new(entries).map_err(|error| SettingsError::Networks {
        listener: listener.to_string(),
        list,
        error,
    })
}

fn protocol(
    settings: &Settings,
    listener: &Listener,
    limits: Limits,
    mechanisms: Vec<Mechanism>,
    opener: &Opener<'_>,
) -> Result<Protocols, SettingsError> {
    Ok(match listener.protocol {
        Protocol::Smtp | Protocol::Submission | Protocol::Lmtp => {
            Protocols::Smtp(Arc::new(smtp_profile(settings, listener, limits, mechanisms, opener)?))
        }
        Protocol::Policy => {
            if listener.tls != TlsMode::None {
                return Err(SettingsError::PolicyOverTls(listener.to_string()));
            }
            Protocols::Policy(Arc::new(smtp_profile(settings, listener, limits, mechanisms, opener)?))
        }
        Protocol::Pop3 => {
            let mut config = pop3_proto::server::Config::default();
            config.tls = match listener.tls {
                TlsMode::None => pop3_proto::server::TlsMode::None,
                TlsMode::StartTls => pop3_proto::server::TlsMode::Offered,
                TlsMode::Implicit => pop3_proto::server::TlsMode::Implicit,
            };
            config.allow_plaintext_auth = settings.allow_plaintext_auth;
            config.user_and_pass = takes_passwords(&mechanisms);
            config.mechanisms = mechanisms;
            config.host_name = host_name(settings);
            Protocols::Pop3(Arc::new(config))
        }
        Protocol::Imap => Protocols::Imap(Arc::new(imap_profile(settings, listener, limits, mechanisms))),
    })
}

fn smtp_profile(
    settings: &Settings,
    listener: &Listener,
    limits: Limits,
    mechanisms: Vec<Mechanism>,
    opener: &Opener<'_>,
) -> Result<SmtpProfile, SettingsError> {
    if listener.protocol == Protocol::Lmtp && listener.address.is_some_and(|address| address.port() == 25) {
        return Err(SettingsError::LmtpOnPort25(listener.to_string()));
    }
    let mut config = smtp_config(&settings.hostname)?;
    config.protocol = match listener.protocol {
        Protocol::Submission => smtp::Protocol::Submission,
        Protocol::Lmtp => smtp::Protocol::Lmtp,
        _ => smtp::Protocol::Smtp,
    };
    config.tls = match listener.tls {
        TlsMode::None => smtp::TlsMode::None,
        TlsMode::StartTls if config.protocol == smtp::Protocol::Submission => smtp::TlsMode::Required,
        TlsMode::StartTls => smtp::TlsMode::Offered,
        TlsMode::Implicit => smtp::TlsMode::Implicit,
    };
    config.mechanisms = mechanisms;
    config.broken_auth_clients = settings.broken_sasl_auth_clients;
    config.allow_plaintext_auth = settings.allow_plaintext_auth;
    config.limits.message_bytes_max = limits.message_bytes_max;
    config.limits.recipients_max = limits.recipients_max;

    let parameters = policy::of_listener(settings, listener)
        .map_err(|error| SettingsError::ListenerParameter { listener: listener.to_string(), error })?;
    let wrong = |error| SettingsError::ListenerPolicy { listener: listener.to_string(), error };
    // First, since others take what is in it, and what is wrong with it must be told by its own name.
    let policy = match listener.protocol {
        // It relays nothing; whether the other server does is that one's to see to.
        Protocol::Policy => AccessPolicy::compile_unguarded(parameters, opener),
        _ => AccessPolicy::compile(parameters, opener),
    };
    let policy = policy.and_then(whole).map_err(wrong)?;
    let parameters = policy.parameters();
    let mut warnings = policy.warnings().to_vec();
    let mut rates = RateLimits::compile(parameters, opener, &mut warnings).map_err(wrong)?;
    if parameters.smtpd_client_connection_count_limit.is_none() {
        rates.connection_count_max = connections_only(limits).connection_count_max;
    }
    let (mut router, checks, headers) = addressing(&policy, opener, &mut warnings).map_err(wrong)?;
    warnings.extend(filters::warnings(&policy, &checks));
    let reject_footer = RejectFooter::from_parameters(parameters, opener, &mut warnings);
    let reject_footer = reject_footer.map_err(|error| wrong(error.into()))?;
    let milters = match listener.protocol {
        Protocol::Policy => None,
        _ => Milters::from_parameters(parameters, &settings.config_directory, opener, &mut warnings)
            .map_err(|what| SettingsError::Milters { listener: listener.to_string(), what })?,
    };
    session_limits(&mut config, parameters);
    config.forbidden_commands = Some(forbidden::commands(parameters, opener, &mut warnings).map_err(wrong)?);
    let origin = &parameters.myorigin;
    if !origin.is_empty() {
        config.set_origin(origin).map_err(|_| SettingsError::Origin(origin.clone()))?;
    }
    let screen = match listener.postscreen {
        true => Some(Screen::compile(listener, parameters, &config, opener)?),
        false => None,
    };
    warnings.extend(screen.iter().flat_map(|screen| screen.early.warnings().iter().cloned()));
    let postmaster = postmaster(settings, &policy)?;
    router.postmaster = Some(Address::from(&postmaster));
    Ok(SmtpProfile {
        screen,
        rates: Arc::new(rates),
        config: Arc::new(config),
        postmaster,
        policy,
        router,
        checks: Arc::new(checks),
        headers: Arc::new(headers),
        milters: milters.map(Arc::new),
        reject_footer,
        warnings,
        xclient_clients: networks(listener, "xclient_clients", &listener.xclient_clients)?,
        xforward_clients: networks(listener, "xforward_clients", &listener.xforward_clients)?,
    })
}

/// What Postfix's parameters say of a session.
fn session_limits(config: &mut smtp::Config, parameters: &Parameters) {
    if parameters.disable_vrfy_command == Some(true) {
        config.verify = smtp::VerifyMode::Disabled;
    }
    config.hello_required = parameters.smtpd_helo_required;
    config.soft_refusals = parameters.soft_bounce;
    config.limits.errors_before_pause = parameters.smtpd_soft_error_limit;
    config.limits.errors_max = parameters.smtpd_hard_error_limit;
    config.limits.idle_commands_max = parameters.smtpd_junk_command_limit;
    config.timeouts.error_pause = parameters.smtpd_error_sleep_time;
    // A policy service that does not answer is given up after 100 seconds, twice, and then its default action counts.
    config.timeouts.command_verdict = config.timeouts.verdict;
    config.timeouts.data_verdict = config.timeouts.verdict;
}

/// A slip in a list would refuse everybody for as long as nobody reads the log; the settings before it have none.
fn whole(policy: AccessPolicy) -> Result<AccessPolicy, AccessError> {
    policy.check_lists()?;
    Ok(policy)
}

/// What holds of clients that read mail: only how many connections they have. An IPv6 client has a whole /64 network to
/// come from (RFC 4291 section 2.5.4), so that is what is counted.
fn connections_only(limits: Limits) -> RateLimits {
    let mut rates = RateLimits::default();
    rates.connection_count_max = limits.connections_per_ip_max.try_into().unwrap_or(u32::MAX);
    rates.ipv6_prefix_bits = 64;
    rates
}

/// What is done with addresses and content once policy has said yes.
fn addressing(
    policy: &AccessPolicy,
    opener: &Opener<'_>,
    warnings: &mut Vec<Warning>,
) -> Result<(EnvelopeRouter, ContentChecks, HeaderRewriting), AccessError> {
    let (parameters, routing) = (policy.parameters(), Arc::clone(policy.routing()));
    let router = EnvelopeRouter::with_routing(routing, parameters, opener, warnings)?;
    let checks = ContentChecks::from_parameters(parameters, opener, warnings)?;
    let headers = HeaderRewriting::from_parameters(parameters, &router, opener, warnings)?;
    Ok((router, checks, headers))
}

fn imap_profile(
    settings: &Settings,
    listener: &Listener,
    limits: Limits,
    mechanisms: Vec<Mechanism>,
) -> ImapProfile {
    let mut config = imap::Config::new();
    config.tls = match listener.tls {
        TlsMode::None => imap::TlsMode::None,
        TlsMode::StartTls => imap::TlsMode::StartTls,
        TlsMode::Implicit => imap::TlsMode::Implicit,
    };
    config.login_command = takes_passwords(&mechanisms);
    config.mechanisms = mechanisms;
    config.host_name = host_name(settings);
    config.allow_plaintext_auth = settings.allow_plaintext_auth;
    // LIST is answered with them.
    config.children = true;
    let no_limit = limits.message_bytes_max == 0;
    config.limits.message_bytes_max = if no_limit { u64::MAX } else { limits.message_bytes_max };
    ImapProfile { config: Arc::new(config), poll: settings.mailbox_poll, watch: settings.mailbox_watch }
}

/// IMAP LOGIN and POP3 PASS are PLAIN by another name.
fn takes_passwords(mechanisms: &[Mechanism]) -> bool {
    mechanisms.iter().any(|mechanism| matches!(mechanism, Mechanism::Plain | Mechanism::Login))
}

/// Our name in a challenge, if it is one that can stand there.
fn host_name(settings: &Settings) -> Option<DomainName> {
    DomainName::parse(settings.hostname.as_bytes(), AddressSyntax::STRICT).ok()
}

/// The domains are names one by one: no files, tables or exclusions, which `mydestination` may have.
fn check_domains(settings: &Settings) -> Result<(), SettingsError> {
    let syntax = AddressSyntax { utf8: true, ..AddressSyntax::STRICT };
    let is_wrong = |domain: &&String| DomainName::parse(domain.as_bytes(), syntax).is_err();
    match settings.domains.iter().find(is_wrong) {
        Some(wrong) => Err(SettingsError::Domain(wrong.clone())),
        None => Ok(()),
    }
}

fn postmaster(settings: &Settings, policy: &AccessPolicy) -> Result<Mailbox, SettingsError> {
    let written = match &settings.postmaster {
        Some(mailbox) => mailbox.clone(),
        None => {
            let address = format!("postmaster@{}", settings.domains.first().ok_or(SettingsError::NoDomain)?);
            let syntax = AddressSyntax { utf8: true, ..AddressSyntax::STRICT };
            Mailbox::parse(address.as_bytes(), syntax).map_err(|_| SettingsError::Postmaster(address))?
        }
    };
    let address = Address::from(&written);
    let mailbox = match policy.routing().resolve(&address, &Address::default(), &Answers::default()) {
        Ok(resolution) if resolution.is_authorised() => resolution.recipient.mailbox(),
        // What our domains are stands in a table that cannot be asked now.
        Err(ResolveError::Lookup(_)) => address.mailbox(),
        _ => None,
    };
    mailbox.ok_or(SettingsError::PostmasterElsewhere(written))
}

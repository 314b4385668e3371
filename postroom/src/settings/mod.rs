//! What a server is told: names, domains, trust, limits, listeners.
//!
//! [`Settings`] is plain data. It is compiled into a snapshot; a session keeps the one it began with, and
//! [`Server::reload`](crate::Server::reload) puts a new one in its place. What a listener has of its own stands over
//! what is common.

mod compile;
mod files;
mod filters;
mod forbidden;
mod mechanisms;
mod policy;
mod screen;

pub(crate) use compile::{ImapProfile, Profile, Protocols, SmtpProfile, Snapshot};
pub use files::{TableFiles, read_table};
pub use policy::PolicyOverrides;
pub(crate) use screen::Screen;

use crate::tls::{ClientCertificates, ClientCertificatesError};
use crate::wall::Serves;
use proto_core::address::Mailbox;
use proto_core::sasl::Mechanism;
use relay_policy::access::{AccessError, AccessPolicy};
use relay_policy::greylist::GreylistOptions;
use relay_policy::{ParameterError, Parameters};
use smtp_proto::server::Config as SmtpConfig;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// All that a reload can replace.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Settings {
    /// This server's name, in greetings and trace fields.
    pub hostname: String,
    /// The domains whose mailboxes are here: `mydestination`, unless [`Settings::policy`] has that.
    pub domains: Vec<String>,
    /// Who may send where, under Postfix's names. At first all is as Postfix has it, but
    /// `smtpd_relay_restrictions = permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination`. What is
    /// empty and has a default of this server's own: `mydestination`, `myorigin` (the first of `domains`), `local_recipient_maps` and
    /// `virtual_mailbox_maps` (`directory:`, what [`Directory::contains`](crate::wall::Directory::contains) says).
    ///
    /// On a submission listener the lists for the client, HELO, the sender and the recipient are empty and
    /// `smtpd_relay_restrictions = permit_sasl_authenticated, reject`, unless it says otherwise itself. On an LMTP listener those lists
    /// are empty, too, and nothing that it says makes it relay.
    pub policy: Parameters,
    /// The directory that relative names of tables' files count from. Default: the working directory.
    pub config_directory: PathBuf,
    /// How long, how often and how many the policy service `greylist:` asks to come again
    /// (`check_policy_service greylist:`), as of the server's start.
    pub greylist: GreylistOptions,
    /// Whose mailbox takes mail for `<Postmaster>` (RFC 5321 section 4.5.1). Default: `postmaster` of the first of
    /// `domains`.
    pub postmaster: Option<Mailbox>,
    /// Whether passwords are taken without TLS. Default false.
    pub allow_plaintext_auth: bool,
    /// The SASL mechanisms that are offered (`auth_mechanisms` of Dovecot), as far as somebody in the directory can use
    /// them. Default `None`: all by which everybody there can log in, but CRAM-MD5, which lets whoever listens try
    /// passwords at leisure. LMTP listeners have none but their own. The password commands of IMAP and POP3 go with PLAIN
    /// and LOGIN.
    pub auth_mechanisms: Option<Vec<Mechanism>>,
    /// What a mechanism must not be.
    pub sasl_security_options: SaslSecurityOptions,
    /// Whether EHLO has `AUTH=` beside `AUTH`, for programs from before RFC 2554. Default false.
    pub broken_sasl_auth_clients: bool,
    /// How often a mailbox is looked at for what other programs do in it, while an IMAP client idles there. What this
    /// server itself delivers or changes is told at once. Where the store tells of other programs' changes, it is done a
    /// twelfth as often. Default 5 seconds.
    pub mailbox_poll: Duration,
    /// Whether the store is asked to tell of other programs' changes in selected mailboxes
    /// ([`Store::watch`](crate::wall::Store::watch)). Default true.
    pub mailbox_watch: bool,
    /// What a peer may have at most, on every listener.
    pub limits: Limits,
    /// Where clients come in.
    pub listeners: Vec<Listener>,
}

impl Settings {
    /// The defaults under a host name: no domain, no listener.
    pub fn new(hostname: impl Into<String>) -> Self {
        Self {
            hostname: hostname.into(),
            domains: Vec::new(),
            policy: policy::initial(),
            config_directory: PathBuf::new(),
            greylist: GreylistOptions::default(),
            postmaster: None,
            allow_plaintext_auth: false,
            auth_mechanisms: None,
            sasl_security_options: SaslSecurityOptions::default(),
            broken_sasl_auth_clients: false,
            mailbox_poll: Duration::from_secs(5),
            mailbox_watch: true,
            limits: Limits::default(),
            listeners: Vec::new(),
        }
    }

    /// Whether a server could be started with these settings, as far as they alone tell: sockets are not opened. Tables are
    /// read, so it blocks.
    ///
    /// # Errors
    /// What is wrong, named.
    pub fn check(&self) -> Result<(), SettingsError> {
        Snapshot::compile(self.clone(), |_| Serves::Everybody).map(drop)
    }

    /// The policy of each listener that takes mail or answers the questions of another server, by the listener's name: to look at
    /// what is doubtful in it. Tables are read, so it blocks.
    ///
    /// # Errors
    /// As [`Settings::check`].
    pub fn policies(&self) -> Result<BTreeMap<String, AccessPolicy>, SettingsError> {
        Ok(Snapshot::compile(self.clone(), |_| Serves::Everybody)?.policies())
    }
}

/// What a mechanism must not be, whoever could use it (`smtpd_sasl_security_options` of Postfix); for every protocol,
/// with TLS and without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaslSecurityOptions {
    /// None that shows a password or a token, nor the password commands of IMAP and POP3. Default false.
    pub noplaintext: bool,
    /// None that lets everybody in. Default true: on a submission listener nobody in particular could send anywhere.
    pub noanonymous: bool,
}

impl Default for SaslSecurityOptions {
    fn default() -> Self {
        Self { noplaintext: false, noanonymous: true }
    }
}

impl SaslSecurityOptions {
    fn permit(self, mechanism: Mechanism) -> bool {
        let shown = self.noplaintext && mechanism.is_plaintext();
        let anybody = self.noanonymous && mechanism == Mechanism::Anonymous;
        !(shown || anybody)
    }
}

/// What a peer may have at most; for one listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest message, in octets; zero is no limit. Default 52,428,800.
    pub message_bytes_max: u64,
    /// Recipients of one message, at least 100 (RFC 5321 section 4.5.3.1.8). Default 1,000.
    pub recipients_max: usize,
    /// Connections to one listener at a time. One more is told so and closed. Default 1,000.
    pub connections_max: usize,
    /// Connections to one listener from one client. Of SMTP, submission and LMTP, clients are told from each other by
    /// `smtpd_client_ipv4_prefix_length` and `smtpd_client_ipv6_prefix_length` (or 64 where that is more), those in
    /// `smtpd_client_event_limit_exceptions` are not counted, and `smtpd_client_connection_count_limit`, where it is set,
    /// holds in place of this; of other protocols, a client is one IPv4 address or one IPv6 /64 network. Default 50.
    pub connections_per_ip_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes_max: 52_428_800,
            recipients_max: 1000,
            connections_max: 1000,
            connections_per_ip_max: 50,
        }
    }
}

/// What a listener has in place of the common [`Limits`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LimitOverrides {
    /// In place of [`Limits::message_bytes_max`].
    pub message_bytes_max: Option<u64>,
    /// In place of [`Limits::recipients_max`].
    pub recipients_max: Option<usize>,
    /// In place of [`Limits::connections_max`].
    pub connections_max: Option<usize>,
    /// In place of [`Limits::connections_per_ip_max`].
    pub connections_per_ip_max: Option<usize>,
}

impl LimitOverrides {
    /// What holds on the listener.
    fn over(self, common: Limits) -> Limits {
        Limits {
            message_bytes_max: self.message_bytes_max.unwrap_or(common.message_bytes_max),
            recipients_max: self.recipients_max.unwrap_or(common.recipients_max),
            connections_max: self.connections_max.unwrap_or(common.connections_max),
            connections_per_ip_max: self.connections_per_ip_max.unwrap_or(common.connections_per_ip_max),
        }
    }
}

/// What is spoken on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// Mail from other servers (RFC 5321).
    Smtp,
    /// Mail from our own users, who log in (RFC 6409).
    Submission,
    /// Mail from a server of ours for the last step to our mailboxes (RFC 2033). It is accepted as mail by SMTP is, with
    /// one verdict that is said for each recipient; nothing is relayed, whatever the policy says elsewhere and whoever has
    /// logged in, and no login is offered unless the listener itself names mechanisms. RFC 2033 section 5 wants it kept from wide area networks, and forbids port 25.
    Lmtp,
    /// Reading mail (RFC 3501).
    Imap,
    /// Fetching mail (RFC 1939).
    Pop3,
    /// The policy delegation protocol: another mail server asks what is to be done, as Postfix's `check_policy_service` does,
    /// and the lists that the listener itself has are asked; the common ones are not. `smtpd_delay_reject` and what else
    /// concerns lists is common. Whoever can connect can ask, and is told who has accounts here where a list looks that up; so it is for
    /// loopback addresses and networks of one's own. No TLS.
    Policy,
}

impl Protocol {
    /// The name that a listener of it has unless it is given another.
    pub fn name(self) -> &'static str {
        match self {
            Self::Smtp => "smtp",
            Self::Submission => "submission",
            Self::Lmtp => "lmtp",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Policy => "policy",
        }
    }
}

/// How a listener uses TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsMode {
    /// Not at all.
    None,
    /// The client may begin it (STARTTLS, STLS); on a submission listener it must.
    StartTls,
    /// From the first octet (RFC 8314 section 3).
    Implicit,
}

/// Where clients come in.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Listener {
    /// Its name in logs; each must have another.
    pub name: String,
    /// What is spoken.
    pub protocol: Protocol,
    /// Address and port; `None` for a listener that has no socket and only serves streams that
    /// [`Server::serve`](crate::Server::serve) is given.
    pub address: Option<SocketAddr>,
    /// How TLS is used.
    pub tls: TlsMode,
    /// Networks of proxies (`10.0.0.0/8`, `::1`), if it stands behind some. Not empty, it serves nobody but them, and
    /// each of their connections must begin with a header of the PROXY protocol, version 1 or 2, before TLS. What that
    /// header says is believed: let only proxies that you run be in it. (Postfix: `smtpd_upstream_proxy_protocol`;
    /// Dovecot: `haproxy_trusted_networks`.)
    ///
    /// Of a client that the proxy does not tell (`UNKNOWN`, `LOCAL`), policy knows no address: it is in nobody's
    /// networks, whatever the proxy is in. Logs and counts have the proxy's.
    pub proxies: Vec<String>,
    /// Networks of clients that may say by XCLIENT for whom they speak: what they say of address, name and login is
    /// believed, and decides who may relay. SMTP, submission and LMTP. (Postfix: `smtpd_authorized_xclient_hosts`.)
    pub xclient_clients: Vec<String>,
    /// Networks of clients that may say by XFORWARD where a message came from, for the log; it decides nothing. SMTP,
    /// submission and LMTP. (Postfix: `smtpd_authorized_xforward_hosts`.)
    pub xforward_clients: Vec<String>,
    /// Whether clients are tested before they are served, as `postscreen` in `master.cf` has it: while they wait for their
    /// greeting, and in a session that leads nowhere. The policy's parameters `postscreen_*` say how. SMTP without implicit TLS
    /// only. Default false.
    pub postscreen: bool,
    /// What it has in place of [`Settings::policy`], and of what its protocol brings.
    pub policy: PolicyOverrides,
    /// What it has in place of the common limits.
    pub limits: LimitOverrides,
    /// In place of [`Settings::auth_mechanisms`].
    pub auth_mechanisms: Option<Vec<Mechanism>>,
    /// Whose client certificates are believed here, for a login by the EXTERNAL mechanism; `None` when clients are not
    /// asked for one.
    pub client_certificates: Option<ClientCertificates>,
}

impl Listener {
    /// A listener without TLS and with the common policy and limits, named after protocol and port.
    pub fn new(protocol: Protocol, address: SocketAddr) -> Self {
        let name = format!("{}:{}", protocol.name(), address.port());
        Self { address: Some(address), name, ..Self::without_socket(protocol) }
    }

    /// A listener that only serves streams it is given, named after its protocol.
    pub fn without_socket(protocol: Protocol) -> Self {
        Self {
            name: protocol.name().into(),
            protocol,
            address: None,
            tls: TlsMode::None,
            proxies: Vec::new(),
            xclient_clients: Vec::new(),
            xforward_clients: Vec::new(),
            postscreen: false,
            policy: PolicyOverrides::default(),
            limits: LimitOverrides::default(),
            auth_mechanisms: None,
            client_certificates: None,
        }
    }

    /// The same with another name.
    #[must_use]
    pub fn named(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// The same with TLS.
    #[must_use]
    pub fn tls(self, tls: TlsMode) -> Self {
        Self { tls, ..self }
    }
}

/// What messages call it: its name, and its address in parentheses.
impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.address.map_or(Ok(()), |address| write!(f, " ({address})"))
    }
}

/// Why settings are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SettingsError {
    /// The host name cannot stand in a reply.
    #[error("hostname {name:?}: {fault}; a domain name such as mail.example.org is needed")]
    Hostname {
        /// The name.
        name: String,
        /// What is wrong with it.
        fault: String,
    },
    /// There is no domain, so nobody could receive mail.
    #[error("domains: none is given; at least one is needed, for the postmaster")]
    NoDomain,
    /// The postmaster's address, or the first domain, is no address.
    #[error("postmaster: {0} is no mail address")]
    Postmaster(String),
    /// The postmaster's mailbox is in no domain that mail is taken for.
    #[error("postmaster: {0}: not in a domain of this server")]
    PostmasterElsewhere(Mailbox),
    /// `myorigin` is none.
    #[error("myorigin: {0}: not a domain name")]
    Origin(String),
    /// One of [`Settings::domains`] is none.
    #[error("domains: {0}: not a domain name")]
    Domain(String),
    /// [`Settings::policy`].
    #[error("{0}")]
    Policy(AccessError),
    /// A listener's policy.
    #[error("listener {listener}: {error}")]
    ListenerPolicy {
        /// Its name and address.
        listener: String,
        /// What is wrong with it.
        error: AccessError,
    },
    /// One of a listener's own parameters.
    #[error("listener {listener}: {error}")]
    ListenerParameter {
        /// Its name and address.
        listener: String,
        /// What is wrong with it.
        error: ParameterError,
    },
    /// A listener's tests before the greeting.
    #[error("listener {listener}: postscreen: {what}")]
    Postscreen {
        /// Its name and address.
        listener: String,
        /// What is wrong with them.
        what: String,
    },
    /// A listener's milters.
    #[error("listener {listener}: {what}")]
    Milters {
        /// Its name and address.
        listener: String,
        /// What is wrong with them.
        what: String,
    },
    /// A listener's list of networks.
    #[error("listener {listener}: {list}: {error}")]
    Networks {
        /// Its name and address.
        listener: String,
        /// The list's name.
        list: &'static str,
        /// What is wrong with it.
        error: relay_policy::NetworkError,
    },
    /// An LMTP listener has the port of SMTP.
    #[error("listener {0}: LMTP must not be spoken on port 25 (RFC 2033 section 5); 24 is usual")]
    LmtpOnPort25(String),
    /// Policy questions are put without TLS.
    #[error("listener {0}: TLS is not spoken with those who ask a policy server")]
    PolicyOverTls(String),
    /// Two listeners have one name.
    #[error("listener {0}: another one has the same name")]
    SameName(String),
    /// A listener wants TLS and there is no certificate.
    #[error("listener {0}: TLS needs a certificate, and none is given")]
    NoCertificate(String),
    /// A listener's client certificates cannot be checked.
    #[error("listener {listener}: {error}")]
    ClientCertificates {
        /// Its name and address.
        listener: String,
        /// What is wrong with its authorities.
        error: ClientCertificatesError,
    },
    /// A listener's protocol needs something that the server does not have.
    #[error("listener {listener}: {protocol:?} needs {what}, and none is given")]
    Missing {
        /// Its name and address.
        listener: String,
        /// Its protocol.
        protocol: Protocol,
        /// What is missing.
        what: &'static str,
    },
}

/// The configuration of an SMTP listener before anything of ours is put into it.
fn smtp_config(hostname: &str) -> Result<SmtpConfig, SettingsError> {
    SmtpConfig::new(hostname)
        .map_err(|fault| SettingsError::Hostname { name: hostname.into(), fault: fault.to_string() })
}

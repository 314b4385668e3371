//! The shape of the configuration file, section by section.
//!
//! Every section refuses keys it does not know. Sizes are octets, times are seconds, and the unit is the last
//! word of a key.

use super::policy::PolicySection;
use postroom::mailstore::special_use::UnknownUse;
use postroom::mailstore::{MailboxName, QuotaRules, SpecialUses};
use postroom::proto_core::Mechanism;
use postroom::proto_core::address::{AddressSyntax, Mailbox};
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU8;
use std::path::PathBuf;

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The file itself.
    #[serde(skip)]
    pub path: PathBuf,
    /// The name this server says it has, in greetings and trace fields.
    pub hostname: String,
    /// The user whom the server becomes once root has opened its ports; absent, it stays who it is.
    pub user: Option<String>,
    /// Where everything the server makes is kept.
    pub data_dir: PathBuf,
    /// The sockets, in the order of the file.
    #[serde(rename = "listener", default)]
    pub listeners: Vec<ListenerSection>,
    /// The certificate; absent, a self-signed one is made in `data_dir`.
    pub tls: Option<TlsSection>,
    /// Who may log in.
    pub accounts: AccountsSection,
    /// Whose mail is kept here.
    pub domains: DomainsSection,
    /// Who may send where and what addresses mean, unless a listener says otherwise; a table's file is looked for beside the
    /// configuration file.
    #[serde(default)]
    pub policy: PolicySection,
    /// How long, how often and how many strangers are asked to come again, where a list has `check_policy_service greylist:`.
    #[serde(default)]
    pub greylist: GreylistSection,
    /// How mail is kept.
    #[serde(default)]
    pub storage: StorageSection,
    /// The mailboxes that every user has, in the order of the file.
    #[serde(rename = "mailbox", default)]
    pub mailboxes: Vec<MailboxSection>,
    /// How accepted mail is delivered.
    #[serde(default)]
    pub queue: QueueSection,
    /// What one user's mailboxes may hold.
    #[serde(default)]
    pub quota: QuotaSection,
    /// Limits, unless a listener says otherwise.
    #[serde(default)]
    pub limits: LimitsSection,
}

/// What is spoken on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Mail from other servers (RFC 5321).
    Smtp,
    /// Mail from our own users (RFC 6409): login required.
    Submission,
    /// Mail from another server of ours for the mailboxes here (RFC 2033): no login, no relaying.
    Lmtp,
    /// Reading mail (RFC 3501).
    Imap,
    /// Fetching mail (RFC 1939).
    Pop3,
    /// Questions of another mail server, which the listener's own lists answer (Postfix's `check_policy_service`).
    Policy,
}

/// How a listener uses TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TlsMode {
    /// Not at all.
    None,
    /// The client may begin it; on a submission listener it must.
    Starttls,
    /// From the first octet (RFC 8314).
    Implicit,
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Smtp => "smtp",
            Self::Submission => "submission",
            Self::Lmtp => "lmtp",
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Policy => "policy",
        })
    }
}

impl fmt::Display for TlsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Starttls => "starttls",
            Self::Implicit => "implicit",
        })
    }
}

/// One socket.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerSection {
    /// What is spoken.
    pub protocol: Protocol,
    /// Address and port, as `127.0.0.1:2525` or `[::1]:2525`.
    #[serde(deserialize_with = "socket_address")]
    pub address: SocketAddr,
    /// How TLS is used.
    pub tls: TlsMode,
    /// Networks of the proxies that it stands behind, which begin each connection with a PROXY header; nobody else is
    /// served then.
    #[serde(default)]
    pub proxies: Vec<String>,
    /// Networks whose clients may say by XCLIENT for whom they speak.
    #[serde(default)]
    pub xclient_clients: Vec<String>,
    /// Networks whose clients may say by XFORWARD where a message came from.
    #[serde(default)]
    pub xforward_clients: Vec<String>,
    /// Whether clients are tested before they are served; the parameters `postscreen_*` of the policy say how.
    #[serde(default)]
    pub postscreen: bool,
    /// Whose client certificates are believed here, PEM; the mechanism EXTERNAL logs in by them. Absent, clients are not
    /// asked for one.
    pub client_ca: Option<PathBuf>,
    /// Whether a client without a certificate is turned away.
    #[serde(default)]
    pub require_client_certificate: bool,
    /// In place of `accounts.auth_mechanisms`.
    #[serde(default, deserialize_with = "mechanisms")]
    pub auth_mechanisms: Option<Vec<Mechanism>>,
    /// In place of the common `[policy]`, key by key.
    #[serde(default)]
    pub policy: PolicySection,
    /// In place of the common `[limits]`, key by key.
    #[serde(default)]
    pub limits: LimitsSection,
}

/// The certificate and its key, both PEM.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSection {
    /// The certificate chain, ours first.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Who may log in.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountsSection {
    /// A passwd-file as Dovecot reads it: `user@domain:{SCHEME}hash::::::`.
    pub passwd_file: PathBuf,
    /// Whether a password may be sent without TLS; for tests and loopback only.
    #[serde(default)]
    pub allow_plaintext_auth: bool,
    /// The SASL mechanisms that are offered, as far as somebody in the passwd-file can use them; absent, all by which
    /// everybody there can log in, but CRAM-MD5.
    #[serde(default, deserialize_with = "mechanisms")]
    pub auth_mechanisms: Option<Vec<Mechanism>>,
    /// What a mechanism must not be.
    #[serde(default = "noanonymous")]
    pub sasl_security_options: Vec<SaslSecurityOption>,
    /// Whether EHLO has `AUTH=` beside `AUTH`, for very old programs.
    #[serde(default)]
    pub broken_sasl_auth_clients: bool,
    /// The account, in the passwd-file, of whoever logs in by ANONYMOUS.
    pub auth_anonymous_username: Option<String>,
}

/// What a mechanism must not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SaslSecurityOption {
    /// One that shows a password or a token.
    Noplaintext,
    /// One that lets everybody in.
    Noanonymous,
}

fn noanonymous() -> Vec<SaslSecurityOption> {
    vec![SaslSecurityOption::Noanonymous]
}

fn mechanisms<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<Mechanism>>, D::Error> {
    let known = |name: &String| {
        Mechanism::from_name(name.as_bytes()).ok_or_else(|| {
            let names: Vec<&str> = Mechanism::ALL.iter().map(|mechanism| mechanism.name()).collect();
            D::Error::custom(format!("mechanism \"{name}\" is not known; known are {}", names.join(", ")))
        })
    };
    Vec::<String>::deserialize(from)?.iter().map(known).collect::<Result<_, _>>().map(Some)
}

/// Whose mail is kept here.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DomainsSection {
    /// Domains whose accounts have mailboxes here.
    pub local: Vec<String>,
    /// Whose mailbox takes mail for the postmaster (RFC 5321 4.5.1), as `alice@example.test`; absent,
    /// `postmaster` of the first local domain.
    #[serde(default, deserialize_with = "mail_address")]
    pub postmaster: Option<Mailbox>,
}

fn socket_address<'de, D: Deserializer<'de>>(from: D) -> Result<SocketAddr, D::Error> {
    let text = String::deserialize(from)?;
    let example = "an IP address and a port are expected, such as 127.0.0.1:25, 0.0.0.0:25 or [::]:25";
    text.parse().map_err(|_| D::Error::custom(format!("\"{text}\": {example}")))
}

fn mail_address<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Mailbox>, D::Error> {
    let text = String::deserialize(from)?;
    let address = Mailbox::parse(text.as_bytes(), AddressSyntax::default());
    address.map(Some).map_err(|fault| D::Error::custom(format!("\"{text}\" is no mail address: {fault}")))
}

/// How mail is kept.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageSection {
    /// One format for all mailboxes.
    #[serde(default)]
    pub format: StorageFormat,
    /// A place; what is relative lies under `data_dir`. `%u`, `%n` and `%d` are filled in, and what Dovecot makes of them:
    /// `%1n`, `%2.256Nu`. With `maildir` it is the mailbox itself, with `mbox` the home directory that `~` stands for in
    /// `location`. A user whose line in the passwd-file has `userdb_home=/x` has the Maildir `/x/Maildir`, or `/x` for `~`.
    path: Option<String>,
    /// Whether the system is asked to tell what other programs change in selected mailboxes (default true).
    pub watch: Option<bool>,
    /// With `maildir`: where the mailboxes lie (Dovecot: `LAYOUT=`); absent, as what is there already, else `maildir++`.
    pub layout: Option<MaildirLayout>,
    /// With `maildir`: how letters beyond ASCII stand in names of directories (Dovecot: `UTF-8`); absent, as in what is
    /// there already, else `utf-7`.
    pub directory_names: Option<DirectoryNames>,
    /// With `mbox`: where the files are, in the words of Dovecot's `mail_location`; what is relative counts from the home
    /// directory, as `~` does.
    location: Option<String>,
    /// With `mbox`: how messages are written.
    #[serde(default)]
    pub mbox_format: MboxFormat,
    /// With `mbox`: the locks that are held while a mailbox is changed, in their order.
    pub mbox_write_locks: Option<Vec<MboxLock>>,
    /// With `mbox`: how long a lock is waited for.
    pub mbox_lock_timeout_seconds: Option<u64>,
}

impl StorageSection {
    /// The place under `data_dir`.
    pub fn path(&self) -> &str {
        let default = match self.format {
            StorageFormat::Maildir => "mail/%d/%n/Maildir",
            StorageFormat::Mbox => "mail/%d/%n",
        };
        self.path.as_deref().unwrap_or(default)
    }

    /// Where mbox files are.
    pub fn location(&self) -> &str {
        self.location.as_deref().unwrap_or("mbox:~/mail:INBOX=~/mbox")
    }

    /// Whether a key is there that only Maildirs need.
    pub fn has_maildir_keys(&self) -> bool {
        self.layout.is_some() || self.directory_names.is_some()
    }

    /// Whether a key is there that only mbox files need.
    pub fn has_mbox_keys(&self) -> bool {
        self.location.is_some()
            || self.mbox_format != MboxFormat::default()
            || self.mbox_write_locks.is_some()
            || self.mbox_lock_timeout_seconds.is_some()
    }
}

/// Where the mailboxes of a Maildir lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
pub enum MaildirLayout {
    /// .A.B
    #[serde(rename = "maildir++")]
    #[value(name = "maildir++")]
    MaildirPlusPlus,
    /// A/B
    #[serde(rename = "fs")]
    Fs,
}

/// How letters beyond ASCII stand in names of directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum DirectoryNames {
    /// `Entw&APw-rfe`
    #[serde(rename = "utf-7")]
    Utf7,
    /// `Entwürfe`
    #[serde(rename = "utf-8")]
    Utf8,
}

/// A mailbox that every user has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MailboxSection {
    /// Its name, with `/` between its parts.
    pub name: FolderName,
    /// What it is for (RFC 6154), as `\\Sent`; several with blanks between them (Dovecot: `special_use`).
    #[serde(default, deserialize_with = "special_use")]
    pub special_use: SpecialUses,
    /// Whether it is made by itself (Dovecot: `auto`).
    #[serde(default)]
    pub auto: Auto,
}

/// The name of a mailbox as people write it, and as the store has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FolderName(pub String, pub MailboxName);

impl std::str::FromStr for FolderName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let name = MailboxName::from_utf8(text);
        let name = name.map_err(|error| format!("\"{text}\" is no name of a mailbox: {error}"))?;
        Ok(Self(text.to_owned(), name))
    }
}

impl<'de> Deserialize<'de> for FolderName {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

fn special_use<'de, D: Deserializer<'de>>(from: D) -> Result<SpecialUses, D::Error> {
    String::deserialize(from)?.parse().map_err(|error: UnknownUse| D::Error::custom(error))
}

/// Whether a mailbox is made by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auto {
    /// It is not.
    #[default]
    No,
    /// Where it is missing.
    Create,
    /// Where it is missing, and subscribed then.
    Subscribe,
}

/// A mailbox format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StorageFormat {
    /// One file a message.
    #[default]
    Maildir,
    /// One file a mailbox.
    Mbox,
}

/// How messages are kept apart in an mbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MboxFormat {
    /// `From ` is quoted.
    Mboxo,
    /// `From ` is quoted, and what is quoted already.
    #[default]
    Mboxrd,
    /// The same, with a Content-Length.
    Mboxcl,
    /// With a Content-Length alone.
    Mboxcl2,
}

/// A way to lock an mbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MboxLock {
    /// A file beside it.
    Dotlock,
    /// A lock of the operating system.
    Fcntl,
}

/// How accepted mail is delivered; absent means the engine's default.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueSection {
    /// How old a message becomes: what then fails is bounced; 0 is one attempt (Postfix: `maximal_queue_lifetime`;
    /// default 432,000, which is 5 days).
    pub maximal_queue_lifetime_seconds: Option<u64>,
    /// The same for mail with a null sender, and never longer (Postfix: `bounce_queue_lifetime`; default 432,000).
    pub bounce_queue_lifetime_seconds: Option<u64>,
    /// How long what failed waits at least (Postfix: `minimal_backoff_time`; default 300). It waits as long as it is old, within this
    /// and the next.
    pub minimal_backoff_time_seconds: Option<u64>,
    /// How long it waits at most (Postfix: `maximal_backoff_time`; default 4,000).
    pub maximal_backoff_time_seconds: Option<u64>,
    /// Whether mail for a mailbox over its quota waits, instead of being bounced (Dovecot: `quota_full_tempfail`; default
    /// true).
    pub quota_full_tempfail: Option<bool>,
    /// How large a message may be that a report of its failure returns; of a larger one, and of one that nobody has logged in for, it
    /// returns the header (Postfix: `bounce_size_limit`; default 50,000).
    pub bounce_size_limit_bytes: Option<u64>,
    /// How old a message becomes before its sender is told that it is still tried; 0: never (Postfix: `delay_warning_time`; default 0).
    pub delay_warning_time_seconds: Option<u64>,
    /// What somebody is told of besides senders (Postfix: `notify_classes`, of which only `2bounce` is known here; default none).
    #[serde(default)]
    pub notify_classes: Vec<NotifyClass>,
    /// Who is told of mail without a sender that could not be delivered, where `notify_classes` has `2bounce` (Postfix:
    /// `2bounce_notice_recipient`; default `postmaster`).
    #[serde(rename = "2bounce_notice_recipient")]
    pub double_bounce_notice_recipient: Option<String>,
    /// How long a command of an alias may run (Postfix: `command_time_limit`; default 1,000).
    pub command_time_limit_seconds: Option<u64>,
    /// With which statuses a command of an alias ends that has found a mailbox full, so that `quota_full_tempfail` decides; Courier's
    /// `deliverquota`: 75 (its manual: 77). Default none: 75 is any temporary failure to others.
    #[serde(default)]
    pub command_over_quota_statuses: Vec<NonZeroU8>,
    /// How large a file of an alias may become; 0: there is no limit (Postfix: `mailbox_size_limit`; default 51,200,000, or the largest
    /// message where that is larger).
    pub mailbox_size_limit_bytes: Option<u64>,
}

/// Something that is told besides what senders are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum NotifyClass {
    /// Mail without a sender, such as reports, that could not be delivered.
    #[serde(rename = "2bounce")]
    DoubleBounce,
}

/// How long, how often, how many; absent means the default that stands with each. The names are postgrey's, the unit behind them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GreylistSection {
    /// How long the first mail of a stranger waits (postgrey: `--delay`; default 60).
    pub delay_seconds: Option<u32>,
    /// Within which time it must have come again (`--retry-window`; default 172,800, which is 2 days).
    pub retry_window_seconds: Option<u32>,
    /// How long those who passed are remembered when they do not come (`--max-age`; default 3,024,000, which is 35 days).
    pub max_age_seconds: Option<u32>,
    /// So many that passed make their network one that need not wait; 0 makes none (`--auto-whitelist-clients`; default 10).
    pub auto_whitelist_clients: Option<u32>,
    /// Bits of an IPv4 address that tell networks from each other (`--ipv4cidr`; default 24).
    pub ipv4cidr: Option<u8>,
    /// The same of an IPv6 address (`--ipv6cidr`; default 64).
    pub ipv6cidr: Option<u8>,
    /// How many of one network may wait (default 1,000).
    pub waiting_max: Option<usize>,
    /// How many are remembered in all (default 200,000).
    pub entries_max: Option<usize>,
}

/// What one user's mailboxes may hold, where they are Maildirs. A user's own rules stand in the passwd-file, as `userdb_quota_rule=*:storage=2G`
/// behind the seventh colon.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaSection {
    /// Rules as Dovecot has them: `*:storage=1G`, `*:messages=10000`, `Trash:storage=+10%`, `Spam:ignore`; or as Maildir++
    /// has them: `1000000000S,10000C` (default none: no limits).
    #[serde(default, deserialize_with = "quota_rules")]
    pub rules: Vec<String>,
    /// Whether Trash and messages marked as deleted count like others (default false).
    #[serde(default)]
    pub count_trash: bool,
    /// How far a delivery may go beyond the limit that was not exceeded before, in per cent of it (Dovecot:
    /// `quota_grace`; default 0).
    pub grace_percent: Option<u64>,
    /// What who sends to a full mailbox is told (Dovecot: `quota_exceeded_message`).
    pub exceeded_message: Option<String>,
    /// From how much of the limits on, in per cent, a delivery brings a line in the log, and `warning_message`; once a day
    /// for a user (default never).
    pub warning_percent: Option<u64>,
    /// A message for that user, header and all.
    pub warning_message: Option<String>,
}

fn quota_rules<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let rules = Vec::<String>::deserialize(from)?;
    let mut tried = QuotaRules::default();
    rules.iter().try_for_each(|rule| tried.rule(rule)).map_err(D::Error::custom)?;
    Ok(rules)
}

/// Limits; absent means the default that stands with each.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsSection {
    /// The largest message, in octets (default 52,428,800).
    pub message_bytes_max: Option<u64>,
    /// The most recipients of one message (default 1,000; RFC 5321 4.5.3.1.8 asks for at least 100).
    pub recipients_max: Option<usize>,
    /// The most connections to one listener at a time (default 1,000).
    pub connections_max: Option<usize>,
    /// The most connections from one address to one listener at a time (default 50).
    pub connections_per_ip_max: Option<usize>,
}

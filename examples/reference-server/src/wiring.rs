//! From a configuration to a running engine.

use crate::config::{
    Auto, Config, ConfigError, DirectoryNames, GreylistSection, LimitsSection, ListenerSection,
    MailboxSection, MaildirLayout, MboxFormat, MboxLock, NotifyClass, Protocol, QueueSection,
    SaslSecurityOption, StorageFormat, StorageSection, TlsMode, TlsSection,
};
use crate::privileges;
use postroom::accounts::{PasswdFile, PasswdFileError, WHAT_A_LINE_IS};
use postroom::delivery::{Commands, Deliverers};
use postroom::local::{LocalMail, LocalOptions, LocalSpool};
use postroom::mailstore::mbox::{self, LockMethod, MboxLocation, MboxOptions};
use postroom::mailstore::quota::{Allowance, QuotaWarning};
use postroom::mailstore::{
    AutoCreate, DefaultMailbox, Env, Layout, NameEncoding, PathTemplate, PathUser, QuotaRules, SpecialUse,
    StoreError,
};
use postroom::memory::Keep;
use postroom::proto_core::sasl::Decoys;
use postroom::relay_policy::greylist::GreylistOptions;
use postroom::relay_policy::retry::{Backoff, RetrySchedule};
use postroom::scratch::Scratch;
use postroom::server::{Prepared, Sockets};
use postroom::settings::{self, LimitOverrides, Limits, Listener, Settings};
use postroom::tls::{Certificate, ClientCertificates, TlsFileError};
use postroom::wall::AccountId;
use postroom::{Blocking, Server};
use std::error::Error;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

/// Jobs that may wait for a store thread; more make their session wait before they are queued.
const STORE_QUEUE: usize = 1024;

/// Store threads: they wait for the disk most of the time, and one shared sync serves many.
const STORE_THREADS: usize = 16;

/// How large a file of an alias may become (the default of Postfix).
const MAILBOX_SIZE_LIMIT: u64 = 51_200_000;

/// Where messages say that the passwd-file is named.
const PASSWD_FILE_KEY: &str = "[accounts] passwd_file";

/// A running server, and what a reload replaces.
pub struct Running {
    /// The engine.
    pub server: Server,
    /// The accounts.
    pub accounts: Arc<PasswdFile>,
    /// The certificate.
    pub certificate: Certificate,
    /// Accepted mail.
    pub spool: LocalSpool,
}

/// The engine's settings.
pub fn settings(config: &Config) -> Settings {
    let mut settings = Settings::new(&config.hostname);
    settings.domains.clone_from(&config.domains.local);
    config.policy.apply(&mut settings.policy).expect("invariant: it was tried when the file was read");
    settings.config_directory = config.path.parent().map(Path::to_owned).unwrap_or_default();
    settings.greylist = greylist(&config.greylist);
    settings.postmaster.clone_from(&config.domains.postmaster);
    settings.allow_plaintext_auth = config.accounts.allow_plaintext_auth;
    settings.auth_mechanisms.clone_from(&config.accounts.auth_mechanisms);
    let set = |option| config.accounts.sasl_security_options.contains(&option);
    settings.sasl_security_options.noplaintext = set(SaslSecurityOption::Noplaintext);
    settings.sasl_security_options.noanonymous = set(SaslSecurityOption::Noanonymous);
    settings.broken_sasl_auth_clients = config.accounts.broken_sasl_auth_clients;
    settings.mailbox_watch = config.storage.watch.unwrap_or(settings.mailbox_watch);
    settings.limits = limits(&config.limits);
    settings.listeners = listeners(config);
    settings
}

/// The engine's settings, with what stands in other files.
///
/// # Errors
/// [`ConfigError::File`].
pub fn whole_settings(config: &Config) -> Result<Settings, ConfigError> {
    let mut settings = settings(config);
    for (index, (listener, section)) in settings.listeners.iter_mut().zip(&config.listeners).enumerate() {
        if let Some(path) = &section.client_ca {
            let authorities = postroom::tls::load_certificates(path)
                .map_err(|error| config.file_error(format!("{}: client_ca", key(index, section)), error))?;
            let required = section.require_client_certificate;
            listener.client_certificates = Some(ClientCertificates { authorities, required });
        }
    }
    Ok(settings)
}

/// What messages call a listener: as the engine's own do.
pub fn key(index: usize, section: &ListenerSection) -> String {
    format!("listener {}", listener((index, section)))
}

/// The listeners, without what stands in other files.
pub fn listeners(config: &Config) -> Vec<Listener> {
    config.listeners.iter().enumerate().map(listener).collect()
}

/// A listener is named after its protocol and place in the file, so that a reload finds it again.
fn listener((index, section): (usize, &ListenerSection)) -> Listener {
    let protocol = match section.protocol {
        Protocol::Smtp => settings::Protocol::Smtp,
        Protocol::Submission => settings::Protocol::Submission,
        Protocol::Lmtp => settings::Protocol::Lmtp,
        Protocol::Imap => settings::Protocol::Imap,
        Protocol::Pop3 => settings::Protocol::Pop3,
        Protocol::Policy => settings::Protocol::Policy,
    };
    let tls = match section.tls {
        TlsMode::None => settings::TlsMode::None,
        TlsMode::Starttls => settings::TlsMode::StartTls,
        TlsMode::Implicit => settings::TlsMode::Implicit,
    };
    let mut listener =
        Listener::new(protocol, section.address).named(format!("{}#{index}", protocol.name())).tls(tls);
    listener.proxies.clone_from(&section.proxies);
    listener.xclient_clients.clone_from(&section.xclient_clients);
    listener.xforward_clients.clone_from(&section.xforward_clients);
    listener.postscreen = section.postscreen;
    listener.auth_mechanisms.clone_from(&section.auth_mechanisms);
    listener.policy = section.policy.iter().collect();
    listener.limits = limit_overrides(&section.limits);
    listener
}

fn limit_overrides(section: &LimitsSection) -> LimitOverrides {
    let mut limits = LimitOverrides::default();
    limits.message_bytes_max = section.message_bytes_max;
    limits.recipients_max = section.recipients_max;
    limits.connections_max = section.connections_max;
    limits.connections_per_ip_max = section.connections_per_ip_max;
    limits
}

fn limits(section: &LimitsSection) -> Limits {
    let mut limits = Limits::default();
    limits.message_bytes_max = section.message_bytes_max.unwrap_or(limits.message_bytes_max);
    limits.recipients_max = section.recipients_max.unwrap_or(limits.recipients_max);
    limits.connections_max = section.connections_max.unwrap_or(limits.connections_max);
    limits.connections_per_ip_max = section.connections_per_ip_max.unwrap_or(limits.connections_per_ip_max);
    limits
}

/// How strangers are asked to come again.
pub fn greylist(section: &GreylistSection) -> GreylistOptions {
    let default = GreylistOptions::default();
    GreylistOptions {
        delay_seconds: section.delay_seconds.unwrap_or(default.delay_seconds),
        retry_seconds: section.retry_window_seconds.unwrap_or(default.retry_seconds),
        expiry_seconds: section.max_age_seconds.unwrap_or(default.expiry_seconds),
        auto_allow_after: section.auto_whitelist_clients.unwrap_or(default.auto_allow_after),
        ipv4_prefix_bits: section.ipv4cidr.unwrap_or(default.ipv4_prefix_bits),
        ipv6_prefix_bits: section.ipv6cidr.unwrap_or(default.ipv6_prefix_bits),
        waiting_max: section.waiting_max.unwrap_or(default.waiting_max),
        entries_max: section.entries_max.unwrap_or(default.entries_max),
    }
}

/// How accepted mail is delivered.
pub fn deliverers(section: &QueueSection, soft_bounce: bool, home: Option<PathBuf>) -> Deliverers {
    let mut how = Deliverers::default();
    how.soft_bounce = soft_bounce;
    how.quota_full_tempfail = section.quota_full_tempfail.unwrap_or(how.quota_full_tempfail);
    how.retry = retry_schedule(section);
    how.bounce_size_limit = section.bounce_size_limit_bytes.unwrap_or(how.bounce_size_limit);
    let delay_warning_time = section.delay_warning_time_seconds.map(Duration::from_secs);
    how.delay_warning_time = delay_warning_time.unwrap_or(how.delay_warning_time);
    if section.notify_classes.contains(&NotifyClass::DoubleBounce) {
        let recipient = section.double_bounce_notice_recipient.as_deref().unwrap_or("postmaster");
        how.double_bounce_recipient = Some(recipient.to_owned());
    }
    how.commands = Commands::as_this_user().map(|mut commands| {
        let limit = section.command_time_limit_seconds.map(Duration::from_secs);
        commands.time_limit = limit.unwrap_or(commands.time_limit);
        commands.over_quota_statuses.clone_from(&section.command_over_quota_statuses);
        commands.home = home;
        commands
    });
    how
}

fn retry_schedule(section: &QueueSection) -> RetrySchedule {
    let mut schedule = RetrySchedule::default();
    let set = |seconds: Option<u64>, to: &mut Duration| *to = seconds.map_or(*to, Duration::from_secs);
    if let Backoff::Doubling { minimal, maximal } = &mut schedule.backoff {
        set(section.minimal_backoff_time_seconds, minimal);
        set(section.maximal_backoff_time_seconds, maximal);
    }
    set(section.maximal_queue_lifetime_seconds, &mut schedule.maximal_queue_lifetime);
    set(section.bounce_queue_lifetime_seconds, &mut schedule.bounce_queue_lifetime);
    schedule
}

/// How large a file of an alias may become, which is never less than a message.
fn mailbox_size_limit(config: &Config) -> Option<u64> {
    match config.queue.mailbox_size_limit_bytes {
        Some(0) => None,
        Some(limit) => Some(limit),
        None => Some(MAILBOX_SIZE_LIMIT.max(message_bytes_max(config))),
    }
}

/// The largest message that any listener takes.
pub fn message_bytes_max(config: &Config) -> u64 {
    let of_listeners = config.listeners.iter().filter_map(|listener| listener.limits.message_bytes_max);
    of_listeners.fold(limits(&config.limits).message_bytes_max, u64::max)
}

/// The accounts of the passwd-file. A login name without a domain belongs to the first local domain.
///
/// # Errors
/// [`ConfigError::File`], naming file and line.
pub fn accounts(config: &Config, blocking: Blocking) -> Result<PasswdFile, ConfigError> {
    let default_domain = config.domains.local.first().cloned();
    let accounts = PasswdFile::open(&config.accounts.passwd_file, default_domain, blocking);
    let accounts = accounts.map_err(|error| passwd_file_error(config, error))?;
    check_places(config, &accounts)?;
    let anonymous = config.accounts.auth_anonymous_username.as_deref();
    Ok(match anonymous.and_then(|name| AccountId::from_login(name, None)) {
        Some(account) => accounts.with_anonymous(account),
        None => accounts,
    })
}

/// Whether every account's mailboxes have a place, so that nothing is accepted for an account and cannot be delivered.
///
/// # Errors
/// [`ConfigError::File`], naming file and line.
pub fn check_places(config: &Config, accounts: &PasswdFile) -> Result<(), ConfigError> {
    let storage = &config.storage;
    let home: PathTemplate = storage.path().parse().expect("invariant: it was tried when the file was read");
    let place = |account: &AccountId| {
        let mut user = PathUser { user: account.user(), domain: account.domain(), home: Path::new("/") };
        let home = home.expand(&user)?;
        user.home = &home;
        match storage.format {
            StorageFormat::Maildir => Ok(()),
            StorageFormat::Mbox => MboxLocation::parse(storage.location(), &user).map(drop),
        }
    };
    for account in accounts.accounts() {
        if let Err(error) = place(&account) {
            let path = accounts.path().unwrap_or(&config.accounts.passwd_file).display();
            let line = accounts.line(&account).unwrap_or_default();
            let what = format!(
                "{path}:{line}: account {account}: {error}; its mail would have no place below [storage] path: rename it"
            );
            return Err(config.file_error(PASSWD_FILE_KEY, what));
        }
    }
    Ok(())
}

/// What is wrong with the passwd-file, and what to do about one that is not there yet.
pub fn passwd_file_error(config: &Config, error: PasswdFileError) -> ConfigError {
    match &error {
        PasswdFileError::Read { error: source, .. } if source.kind() == ErrorKind::NotFound => {
            let what = format!(
                "{error}; a line of it is {WHAT_A_LINE_IS}, and `postroom hash-password` prints what follows the first colon"
            );
            config.file_error(PASSWD_FILE_KEY, what)
        }
        _ => config.file_error(PASSWD_FILE_KEY, error),
    }
}

/// The certificate and its key, where `tls` says: the configured one or the self-signed.
///
/// # Errors
/// [`ConfigError::File`].
pub fn certificate(config: &Config, tls: &TlsSection) -> Result<Certificate, ConfigError> {
    postroom::tls::load(&tls.certificate, &tls.key).map_err(|error| {
        let key = match &error {
            _ if config.tls.is_none() => "data_dir",
            TlsFileError::Read { path, .. } | TlsFileError::Content { path, .. } if *path == tls.key => {
                "[tls] key"
            }
            TlsFileError::Mismatch { .. } => "[tls]",
            _ => "[tls] certificate",
        };
        config.file_error(key, error)
    })
}

/// The spool and the mailboxes, in the format that is configured.
fn mail(
    config: &Config,
    accounts: &Arc<PasswdFile>,
    data_dir: &Path,
    store_threads: &Blocking,
) -> Result<LocalMail, StoreError> {
    let (env, storage) = (Env::real(&config.hostname), &config.storage);
    let mut options = LocalOptions::default();
    options.layout = layout(storage.layout);
    options.names = match storage.directory_names {
        None => NameEncoding::Detect,
        Some(DirectoryNames::Utf7) => NameEncoding::ModifiedUtf7,
        Some(DirectoryNames::Utf8) => NameEncoding::Utf8,
    };
    options.mailboxes = config.mailboxes.iter().map(default_mailbox).collect();
    let homes = Arc::clone(accounts);
    options.homes = Some(Arc::new(move |account: &AccountId| homes.home(account)));
    match storage.format {
        StorageFormat::Maildir => {
            let (all, accounts) = (Arc::new(quota_rules(config)), Arc::clone(accounts));
            options.quotas = Some(Arc::new(move |account: &AccountId| accounts.quota_rules(account, &all)));
            LocalMail::open_with(env, data_dir, storage.path(), options, store_threads)
        }
        StorageFormat::Mbox => {
            let (home, location) = (storage.path(), storage.location());
            LocalMail::open_mbox(
                env,
                data_dir,
                (home, location),
                mbox_options(storage),
                options,
                store_threads,
            )
        }
    }
}

/// Where the mailboxes of a Maildir lie; where nothing is said, as what is there.
pub fn layout(layout: Option<MaildirLayout>) -> Layout {
    match layout {
        None => Layout::Detect,
        Some(MaildirLayout::MaildirPlusPlus) => Layout::MaildirPlusPlus,
        Some(MaildirLayout::Fs) => Layout::Fs,
    }
}

fn default_mailbox(section: &MailboxSection) -> DefaultMailbox {
    let auto = match section.auto {
        Auto::No => AutoCreate::No,
        Auto::Create => AutoCreate::Create,
        Auto::Subscribe => AutoCreate::Subscribe,
    };
    DefaultMailbox::new(section.name.1.clone()).special_use(section.special_use).auto(auto)
}

fn quota_rules(config: &Config) -> QuotaRules {
    let section = &config.quota;
    let mut rules = QuotaRules::default();
    let trash = config.mailboxes.iter().filter(|mailbox| mailbox.special_use.contains(SpecialUse::Trash));
    rules.trash.extend(trash.map(|mailbox| mailbox.name.1.clone()));
    for rule in &section.rules {
        rules.rule(rule).expect("invariant: each was tried when the file was read");
    }
    rules.count_trash = section.count_trash;
    rules.grace = section.grace_percent.map_or(rules.grace, Allowance::Percent);
    rules.warning = section.warning_percent.map(|percent| {
        let crlf = |text: &String| text.replace("\r\n", "\n").replace('\n', "\r\n").into_bytes().into();
        QuotaWarning { percent, message: section.warning_message.as_ref().map(crlf) }
    });
    if let Some(text) = &section.exceeded_message {
        rules.exceeded_message = text.as_str().into();
    }
    rules
}

/// How mbox files are written and locked.
pub fn mbox_options(storage: &StorageSection) -> MboxOptions {
    let mut options = MboxOptions::default();
    options.format = match storage.mbox_format {
        MboxFormat::Mboxo => mbox::MboxFormat::Mboxo,
        MboxFormat::Mboxrd => mbox::MboxFormat::Mboxrd,
        MboxFormat::Mboxcl => mbox::MboxFormat::Mboxcl,
        MboxFormat::Mboxcl2 => mbox::MboxFormat::Mboxcl2,
    };
    if let Some(locks) = &storage.mbox_write_locks {
        let lock = |lock: &MboxLock| match lock {
            MboxLock::Dotlock => LockMethod::Dotlock,
            MboxLock::Fcntl => LockMethod::Fcntl,
        };
        options.write_locks = locks.iter().map(lock).collect();
    }
    options.lock_wait = storage.mbox_lock_timeout_seconds.map_or(options.lock_wait, Duration::from_secs);
    options
}

/// How many ids of held messages are told at a start.
const HELD_TOLD_MAX: usize = 10;

/// What is on hold stays so until somebody who knows of it lets it go.
fn warn_of_held(spool: &LocalSpool) {
    let held: Vec<String> = spool.list().iter().filter(|it| it.hold).map(|it| it.id.to_string()).collect();
    if !held.is_empty() {
        let first = held[..held.len().min(HELD_TOLD_MAX)].join(" ");
        tracing::warn!(
            messages = held.len(),
            first,
            "mail is on hold: `postroom queue list` shows it, `postroom queue release` lets it go"
        );
    }
}

/// Whether we are who the data directory belongs to: what another user wrote there, the server could not use any more.
///
/// # Errors
/// We are not, or it cannot be looked at.
pub fn check_owner(data_dir: &Path) -> Result<(), Box<dyn Error>> {
    let owner =
        std::fs::metadata(data_dir).map_err(|error| format!("{}: {error}", data_dir.display()))?.uid();
    if owner == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(format!(
        "{}: it belongs to the user {owner}: run this as that user, or give it to whom this runs as (chown)",
        data_dir.display()
    )
    .into())
}

/// Opens everything and starts the engine, with the sockets that are open already.
///
/// # Errors
/// Whatever is missing or taken, named.
pub async fn start(
    config: &Config,
    tls: &TlsSection,
    decoys: Decoys,
    sockets: Sockets,
) -> Result<Running, Box<dyn Error>> {
    let cores = available_parallelism().map_or(2, usize::from);
    let store_threads = Blocking::threads("store", STORE_THREADS, STORE_QUEUE)?;
    let accounts = accounts(config, Blocking::threads("password", cores, STORE_QUEUE)?)?;
    let accounts = Arc::new(accounts.with_decoys(decoys.clone()));
    let certificate = certificate(config, tls)?;
    let settings = whole_settings(config)?;
    let deliverers = deliverers(&config.queue, settings.policy.soft_bounce, privileges::home(config));
    // Before the spool, which may take its time.
    let prepared = Prepared::new(settings, &*accounts).map_err(|error| config.settings_error(error))?;
    let data_dir = std::path::absolute(&config.data_dir)?;
    let mut mail = mail(config, &accounts, &data_dir, &store_threads)?;
    // Root could be made to add to any file there is.
    if !rustix::process::geteuid().is_root() {
        mail = mail.with_alias_files(mailbox_size_limit(config));
    }
    tracing::info!(recovered = ?mail.recovered, "spool opened");
    warn_of_held(&mail.spool);
    let spool = mail.spool.clone();
    let server = Server::builder()
        .prepared(prepared)
        .sockets(sockets)
        .directory(Arc::clone(&accounts))
        .decoys(decoys)
        .certificate(certificate.clone())
        .mail(mail.spool, mail.store)
        .scratch(Scratch::new(&data_dir))
        .keep(Keep::new(Env::real(&config.hostname), data_dir.join("memory"), &store_threads))
        .deliverers(deliverers)
        .start()
        .await?;
    Ok(Running { server, accounts, certificate, spool })
}

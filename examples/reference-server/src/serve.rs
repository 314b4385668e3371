//! `postroom serve`: start, tell where, reload on SIGHUP, stop well on SIGTERM or SIGINT.

use crate::config::{Config, TlsSection};
use crate::doubts::{self, Finding};
use crate::table_watch::TableWatch;
use crate::wiring::{self, Running};
use crate::{config, control, first_start, privileges};
use postroom::relay_policy::access::Severity;
use postroom::server::Sockets;
use postroom::settings::Settings;
use std::error::Error;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// How long sessions may take to end when the server is told to stop.
const PATIENCE: Duration = Duration::from_secs(30);

/// Serves until told to stop.
///
/// # Errors
/// Whatever keeps the server from starting, named; and sessions that had to be cut off.
pub fn run(path: Option<&Path>) -> Result<(), Box<dyn Error>> {
    log_to_stderr("info");
    let config = Config::read(path)?;
    raise_open_files();
    // Before there is a thread, a file or a key.
    let (config, sockets) = privileges::give_up(path, config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(serve(path, config, sockets));
    // A look at a file whose file system does not answer keeps nothing from ending.
    runtime.shutdown_background();
    served
}

async fn serve(path: Option<&Path>, config: Config, sockets: Sockets) -> Result<(), Box<dyn Error>> {
    // Listened for before anything is announced, so that nobody signals in vain.
    let mut hangup = signal(SignalKind::hangup())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    first_start::data_dir(&config)?;
    let _ours_alone = match first_start::lock_to_serve(&config).await {
        Ok(lock) => lock,
        Err(error) => {
            // It says who may, where that is why.
            if error.is_permission() {
                wiring::check_owner(&config.data_dir)?;
            }
            return Err(error.into());
        }
    };
    let tls = first_start::certificate(&config)?;
    let shown = if path.is_none() { first_start::accounts(&config)? } else { Vec::new() };
    let decoys = first_start::decoys(&config)?;
    let running = wiring::start(&config, &tls, decoys, sockets).await?;
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        configuration = %path.unwrap_or(Path::new("embedded default")).display(),
        "started"
    );
    if rustix::process::geteuid().is_root() {
        tracing::warn!(
            "root runs this server: name the user whom it is to become (user), or run it as one who has the right to its ports"
        );
    }
    warn_of_doubts(&config, &tls, &wiring::whole_settings(&config)?, &running).await;
    match control::listen(&config) {
        Ok(listener) => drop(tokio::spawn(control::serve(listener, running.spool.clone()))),
        Err(error) => tracing::error!(%error, "`postroom queue` cannot reach this server"),
    }
    announce(&config, &running, &shown)?;

    let mut watch = TableWatch::new();
    loop {
        tokio::select! {
            () = watch.change(&running.server) => tokio::task::block_in_place(|| watch.follow(&running.server)),
            _ = hangup.recv() => reload(path, &config, &running).await,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    tracing::info!("stopping: sessions may end what they are at");
    if running.server.shutdown(PATIENCE).await {
        Ok(())
    } else {
        Err(format!("some sessions did not end within {} s and were cut off", PATIENCE.as_secs()).into())
    }
}

/// What `check` would tell.
async fn warn_of_doubts(config: &Config, tls: &TlsSection, settings: &Settings, running: &Running) {
    let rehearsal = running.server.rehearsal();
    let mut findings = doubts::of_certificate(config, tls);
    let doubts = doubts::doubts(config, &running.accounts, &rehearsal).await;
    findings.extend(doubts.into_iter().map(Finding::warning));
    findings.extend(doubts::of_lists(config, settings, &rehearsal));
    for finding in findings {
        let said = finding.said();
        match finding.severity {
            Severity::Notice => tracing::info!("{said}"),
            Severity::Warning => tracing::warn!("{said}"),
            Severity::Error | Severity::Fatal => tracing::error!("{said}"),
        }
    }
}

/// Reads configuration, accounts and certificate anew. What cannot be read leaves the old in place.
async fn reload(path: Option<&Path>, started_with: &Config, running: &Running) {
    let reloaded = || -> Result<_, Box<dyn Error>> {
        let config = Config::read(path)?;
        let tls = first_start::certificate(&config)?;
        let certificate = wiring::certificate(&config, &tls)?;
        let accounts = running.accounts.again().map_err(|error| wiring::passwd_file_error(&config, error))?;
        wiring::check_places(&config, &accounts)?;
        let settings = wiring::whole_settings(&config)?;
        let prepared = running.server.prepare(settings.clone(), &accounts);
        let prepared = prepared.map_err(|error| config.settings_error(error))?;
        // From here on nothing fails.
        let mut needs_restart = started_with.restart_reasons(&config);
        running.accounts.replace_with(&accounts);
        running.certificate.replace_with(&certificate);
        needs_restart.extend(running.server.put(prepared).needs_restart);
        Ok((config, tls, settings, needs_restart))
    };
    match reloaded() {
        Ok((config, tls, settings, needs_restart)) => {
            warn_of_doubts(&config, &tls, &settings, running).await;
            tracing::info!("configuration, accounts and certificate read anew");
            for what in needs_restart {
                tracing::warn!("needs a restart: {what}");
            }
        }
        Err(error) => tracing::error!("not reloaded, everything stays as it was: {error}"),
    }
}

/// Says where the server listens, who may log in and what to try. Scripts wait for the line `ready`.
fn announce(config: &Config, running: &Running, accounts: &[(String, String)]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    for ((_, address), section) in running.server.addresses().iter().zip(&config.listeners) {
        writeln!(out, "listening {} {address} ({})", section.protocol, section.tls)?;
    }
    for (name, password) in accounts {
        writeln!(out, "account   {name}  password {password}")?;
    }
    if let [(name, password), (other, _), ..] = accounts {
        let at = |protocol, tls| {
            let found = config.listeners.iter().zip(running.server.addresses());
            let mut found = found.filter(|(l, _)| l.protocol == protocol && l.tls == tls);
            found.next().map(|(_, (_, address))| address.to_string()).unwrap_or_default()
        };
        use config::{Protocol, TlsMode};
        let smtp = at(Protocol::Smtp, TlsMode::Starttls);
        let imap = at(Protocol::Imap, TlsMode::Implicit);
        let pop3 = at(Protocol::Pop3, TlsMode::Implicit);
        writeln!(out, "\nTo try it (the certificate is self-signed, hence -k):\n")?;
        writeln!(
            out,
            "  printf 'Subject: hello\\r\\n\\r\\nIt works.\\r\\n' | \
             curl smtp://{smtp} --mail-from {other} --mail-rcpt {name} -T -"
        )?;
        writeln!(out, "  curl -k 'imaps://{imap}/INBOX;MAILINDEX=1' -u {name}:{password}")?;
        writeln!(out, "  curl -k 'pop3s://{pop3}/1' -u {name}:{password}\n")?;
    }
    writeln!(out, "ready")?;
    out.flush()
}

/// Logs go to standard error; `RUST_LOG` says what, or else `usual`.
pub fn log_to_stderr(usual: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}

/// Each connection is an open file; the soft limit of many systems (1,024) is below ours.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    if let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
    {
        tracing::warn!(?limit, "cannot raise the limit of open files: {error}");
    }
}

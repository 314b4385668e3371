//! [`Builder`]: a server from its walls and settings.

use super::{Prepared, Server, Shared, Started};
use crate::clock::Clock;
use crate::delivery::{self, Deliverers};
use crate::dns::{self, HostsFile, Shares};
use crate::driver::{ShutdownSignal, Timeouts};
use crate::entropy::{Entropy, SystemEntropy};
use crate::hub::Hub;
use crate::inbound::{Calls, Inbound, Recipients};
use crate::listener::{Acceptor, Connections, Sockets};
use crate::memory::{Keep, Memory};
use crate::policy::{Asked, Walls};
use crate::policy_service::PolicyServices;
use crate::scratch::Scratch;
use crate::service::Backends;
use crate::settings::{Listener, Protocol, Settings, SettingsError, TlsMode};
use crate::tls::Certificate;
use crate::wall::{Directory, Intake, Resolver, Spool, Store};
use arc_swap::ArcSwap;
use proto_core::sasl::Decoys;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Describes a server; [`Builder::start`] makes it run.
#[derive(Default)]
pub struct Builder {
    settings: Option<Settings>,
    prepared: Option<Prepared>,
    hostname: Option<String>,
    domains: Vec<String>,
    listeners: Vec<Listener>,
    sockets: Sockets,
    directory: Option<Arc<dyn Directory>>,
    resolver: Option<Arc<dyn Resolver>>,
    hosts: Option<HostsFile>,
    keep: Option<Keep>,
    intake: Option<Arc<dyn Intake>>,
    delivery: Option<(Arc<dyn Spool>, Arc<dyn Store>)>,
    certificate: Option<Certificate>,
    clock: Option<Clock>,
    entropy: Option<Arc<dyn Entropy>>,
    decoys: Option<Decoys>,
    timeouts: Timeouts,
    deliverers: Deliverers,
    scratch: Scratch,
}

/// Why a server does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The settings are wrong.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// Something that a server cannot do without is not given.
    #[error("no {0} is given")]
    Missing(&'static str),
    /// A socket cannot be opened.
    #[error("listener {name} ({address}): {error}; {advice}", advice = advice(.error))]
    Bind {
        /// The listener's name.
        name: String,
        /// The address it should have.
        address: SocketAddr,
        /// What the system said.
        error: io::Error,
    },
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::AddrInUse => "another server has this port: stop it, or choose another port",
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege: choose another port, or give it"
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address",
        _ => "check the address",
    }
}

impl Builder {
    /// All settings at once, in place of the other setters' below.
    #[must_use]
    pub fn settings(self, settings: Settings) -> Self {
        Self { settings: Some(settings), ..self }
    }

    /// As [`settings`](Self::settings), where they are ready already.
    #[must_use]
    pub fn prepared(self, prepared: Prepared) -> Self {
        Self { prepared: Some(prepared), ..self }
    }

    /// This server's name.
    #[must_use]
    pub fn hostname(self, hostname: impl Into<String>) -> Self {
        Self { hostname: Some(hostname.into()), ..self }
    }

    /// One more domain whose mailboxes are here.
    #[must_use]
    pub fn domain(mut self, domain: impl Into<String>) -> Self {
        self.domains.push(domain.into());
        self
    }

    /// One more listener.
    #[must_use]
    pub fn listener(mut self, listener: Listener) -> Self {
        self.listeners.push(listener);
        self
    }

    /// Sockets that were opened before: a listener whose address one of them was opened for takes it.
    #[must_use]
    pub fn sockets(self, sockets: Sockets) -> Self {
        Self { sockets, ..self }
    }

    /// Who there is.
    #[must_use]
    pub fn directory(self, directory: impl Directory + 'static) -> Self {
        Self { directory: Some(Arc::new(directory)), ..self }
    }

    /// Who knows the DNS; the system's servers behind a cache ([`dns::system`]), if nothing is said. It is asked 256 things at a time,
    /// and each net of clients (/24, /48) has no more of these than are free.
    #[must_use]
    pub fn resolver(self, resolver: impl Resolver + 'static) -> Self {
        Self { resolver: Some(Arc::new(resolver)), ..self }
    }

    /// Which clients have names beside those of the DNS; if nothing is said, those in `/etc/hosts` where the DNS is the system's, too.
    #[must_use]
    pub fn hosts(self, hosts: HostsFile) -> Self {
        Self { hosts: Some(hosts), ..self }
    }

    /// Where messages lie that do not fit into memory, while milters look at them; if nothing is said, in the system's directory for
    /// temporary files.
    #[must_use]
    pub fn scratch(self, scratch: Scratch) -> Self {
        Self { scratch, ..self }
    }

    /// Who takes accepted messages, where there is no spool.
    #[must_use]
    pub fn intake(self, intake: impl Intake + 'static) -> Self {
        Self { intake: Some(Arc::new(intake)), ..self }
    }

    /// A program that takes the mail: it is directory and intake at once.
    #[must_use]
    pub fn inbound(self, program: impl Inbound) -> Self {
        let program = Arc::new(program);
        self.directory(Recipients(Arc::clone(&program))).intake(Calls::new(program))
    }

    /// Where accepted messages wait, and the mailboxes they are delivered to.
    #[must_use]
    pub fn mail(self, spool: impl Spool + 'static, store: impl Store + 'static) -> Self {
        Self { delivery: Some((Arc::new(spool), Arc::new(store))), ..self }
    }

    /// Where what is known of clients outlives the program: the greylist, and who has passed the tests before the greeting. If
    /// nothing is said, it ends with it.
    #[must_use]
    pub fn keep(self, keep: Keep) -> Self {
        Self { keep: Some(keep), ..self }
    }

    /// The certificate of listeners with TLS. A clone of it can be replaced while the server runs.
    #[must_use]
    pub fn certificate(self, certificate: Certificate) -> Self {
        Self { certificate: Some(certificate), ..self }
    }

    /// Time; the system's, if nothing is said.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        Self { clock: Some(clock), ..self }
    }

    /// Randomness; the system's, if nothing is said.
    #[must_use]
    pub fn entropy(self, entropy: impl Entropy + 'static) -> Self {
        Self { entropy: Some(Arc::new(entropy)), ..self }
    }

    /// The salts that SCRAM shows for users who do not exist, where the directory has none for them; other ones at every
    /// start, if nothing is said, by which those users can be told from the rest.
    #[must_use]
    pub fn decoys(self, decoys: Decoys) -> Self {
        Self { decoys: Some(decoys), ..self }
    }

    /// The driver's deadlines.
    #[must_use]
    pub fn timeouts(self, timeouts: Timeouts) -> Self {
        Self { timeouts, ..self }
    }

    /// How mail is delivered.
    #[must_use]
    pub fn deliverers(self, deliverers: Deliverers) -> Self {
        Self { deliverers, ..self }
    }

    /// Opens the sockets and begins.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(self) -> Result<Server, StartError> {
        let directory = self.directory.ok_or(StartError::Missing("directory"))?;
        let Prepared(snapshot) = match (self.prepared, self.settings) {
            (Some(prepared), _) => prepared,
            (None, Some(settings)) => Prepared::new(settings, &*directory)?,
            (None, None) => {
                let mut settings = Settings::new(self.hostname.ok_or(StartError::Missing("hostname"))?);
                settings.domains = self.domains;
                settings.listeners = self.listeners;
                Prepared::new(settings, &*directory)?
            }
        };
        check(&snapshot.settings, self.certificate.is_some(), self.delivery.is_some())?;
        let clock = self.clock.unwrap_or_else(Clock::system);
        let intake = match (self.intake, &self.delivery) {
            (Some(intake), _) => intake,
            (None, Some((spool, _))) => Arc::clone(spool) as Arc<dyn Intake>,
            (None, None) => return Err(StartError::Missing("spool or intake")),
        };
        let started = Started::with(&snapshot.settings);
        let memory = Arc::new(Memory::new(snapshot.settings.greylist.clone()));
        if let Some(keep) = &self.keep {
            keep.restore(&memory, clock.now().utc).await;
        }
        let walls = Walls {
            directory,
            memory: Arc::clone(&memory),
            files: self.delivery.as_ref().is_some_and(|(_, store)| store.delivers_to_files()),
            scratch: self.scratch,
            commands: self.delivery.is_some() && self.deliverers.commands.is_some(),
            hosts: self.hosts.or_else(|| self.resolver.is_none().then(HostsFile::system)),
            resolver: Shares::new(self.resolver.unwrap_or_else(|| Arc::new(dns::system()))),
            policy_services: Box::new(Asked {
                services: PolicyServices::new(&snapshot.settings.config_directory),
                memory: Arc::clone(&memory),
                clock: clock.clone(),
            }),
        };
        // Whatever reads or changes mailboxes goes through the hub, so that all hear of each other.
        let mail = self.delivery.map(|(spool, store)| (spool, Hub::new(store)));
        let (signal, shutdown) = ShutdownSignal::new();
        let entropy = self.entropy.unwrap_or_else(|| Arc::new(SystemEntropy));
        let decoys = self.decoys.unwrap_or_else(|| {
            let mut secret = [0; 32];
            entropy.fill(&mut secret);
            Decoys::new(secret)
        });
        let shared = Arc::new(Shared {
            snapshot: ArcSwap::from_pointee(snapshot),
            backends: Backends {
                walls: Arc::new(walls),
                intake,
                store: mail.as_ref().map(|(_, hub)| hub.clone()),
                clock: clock.clone(),
                quota_full_tempfail: self.deliverers.quota_full_tempfail,
            },
            entropy,
            decoys,
            certificate: self.certificate,
            timeouts: self.timeouts,
            shutdown: shutdown.clone(),
        });

        let mut tasks = JoinSet::new();
        let mut addresses = Vec::new();
        for acceptor in bind_all(&shared, self.sockets)? {
            let address = acceptor.listener.local_addr().map_err(|error| StartError::Bind {
                name: acceptor.name.to_string(),
                address: SocketAddr::from(([0, 0, 0, 0], 0)),
                error,
            })?;
            tracing::info!(listener = &*acceptor.name, %address, "listening");
            addresses.push((acceptor.name.to_string(), address));
            tasks.spawn(acceptor.run());
        }
        if let Some(keep) = &self.keep {
            tasks.spawn(keep.clone().run(memory, clock.clone(), shutdown.clone()));
        }
        if let Some((spool, hub)) = mail {
            let deliverers = delivery::run(spool, Arc::new(hub), self.deliverers, Arc::clone(&shared));
            tasks.spawn(deliverers);
        }
        Ok(Server { shared, signal, tasks, keep: self.keep, addresses, started })
    }
}

/// All sockets, or none.
fn bind_all(shared: &Arc<Shared>, mut sockets: Sockets) -> Result<Vec<Acceptor>, StartError> {
    let snapshot = shared.snapshot.load();
    let mut acceptors = Vec::new();
    for listener in &snapshot.settings.listeners {
        let Some(address) = listener.address else { continue };
        let mut open = |address| {
            let socket = sockets.take(address)?;
            socket.set_nonblocking(true)?;
            TcpListener::from_std(socket)
        };
        let failed = |error| StartError::Bind { name: listener.name.clone(), address, error };
        let socket = open(address).map_err(failed)?;
        acceptors.push(Acceptor {
            name: (&*listener.name).into(),
            listener: socket,
            shared: Arc::clone(shared),
            connections: Connections::default(),
        });
    }
    Ok(acceptors)
}

/// Whether every listener has what it needs beside the settings.
pub(super) fn check(settings: &Settings, certificate: bool, store: bool) -> Result<(), SettingsError> {
    for listener in &settings.listeners {
        let protocol = listener.protocol;
        if listener.tls != TlsMode::None && !certificate {
            return Err(SettingsError::NoCertificate(listener.to_string()));
        }
        if matches!(protocol, Protocol::Imap | Protocol::Pop3) && !store {
            let listener = listener.to_string();
            return Err(SettingsError::Missing { listener, protocol, what: "a store" });
        }
    }
    Ok(())
}

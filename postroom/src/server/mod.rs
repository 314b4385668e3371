//! The server: listeners, sessions and deliverers as one thing that starts, reloads and stops.

mod builder;

pub use crate::listener::Sockets;
pub use builder::{Builder, StartError};

use crate::dns::FixedResolver;
use crate::driver::{Environment, Shutdown, ShutdownSignal, Timeouts};
use crate::entropy::Entropy;
use crate::listener::Arrival;
use crate::memory::Keep;
use crate::rehearsal::Rehearsal;
use crate::service::Backends;
use crate::settings::{Listener, Profile, Settings, SettingsError, Snapshot, TableFiles};
use crate::tls::Certificate;
use crate::wall::{Directory, Store as _};
use arc_swap::ArcSwap;
use proto_core::sasl::Decoys;
use relay_policy::access::AccessPolicy;
use relay_policy::greylist::GreylistOptions;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;

/// A running server. Dropping it stops it at once; [`Server::shutdown`] stops it well.
///
/// ```
/// use postroom::accounts::PasswdFile;
/// use postroom::local::LocalMail;
/// use postroom::mailstore::Env;
/// use postroom::settings::{Listener, Protocol};
/// use postroom::{Blocking, Server};
/// use std::time::Duration;
///
/// # tokio::runtime::Runtime::new()?.block_on(async {
/// # let dir = tempfile::tempdir()?;
/// # let data_dir = dir.path();
/// let threads = Blocking::threads("store", 4, 64)?;
/// let accounts = PasswdFile::from_text("alice@example.test:{PLAIN}secret", None, threads.clone())?;
/// let mail = LocalMail::open(Env::real("mail"), data_dir, "mail/%d/%n", &threads)?;
/// let server = Server::builder()
///     .hostname("mail.example.test")
///     .domain("example.test")
///     .listener(Listener::new(Protocol::Smtp, "127.0.0.1:0".parse()?).named("in"))
///     .listener(Listener::new(Protocol::Pop3, "127.0.0.1:0".parse()?).named("out"))
///     .directory(accounts)
///     .mail(mail.spool, mail.store)
///     .start()
///     .await?;
/// println!("mail comes in at {:?}", server.address("in"));
/// assert!(server.shutdown(Duration::from_secs(5)).await);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    signal: ShutdownSignal,
    /// Acceptors and the deliverers' scheduler.
    tasks: JoinSet<()>,
    keep: Option<Keep>,
    addresses: Vec<(String, SocketAddr)>,
    started: Started,
}

/// What stays as it was when the server started, whatever is put in place later.
#[derive(Debug)]
struct Started {
    listeners: Vec<Listener>,
    greylist: GreylistOptions,
}

/// What every session and worker of a server shares.
pub(crate) struct Shared {
    pub(crate) snapshot: ArcSwap<Snapshot>,
    pub(crate) backends: Backends,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// What SCRAM shows for users who do not exist.
    pub(crate) decoys: Decoys,
    pub(crate) certificate: Option<Certificate>,
    pub(crate) timeouts: Timeouts,
    pub(crate) shutdown: Shutdown,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("settings", &self.snapshot.load().settings).finish_non_exhaustive()
    }
}

impl Shared {
    /// What a session of this listener begins with.
    pub(crate) fn profile(&self, listener: &str) -> Option<Arc<Profile>> {
        self.snapshot.load().profiles.get(listener).cloned()
    }

    pub(crate) fn environment(&self, profile: &Profile) -> Environment {
        let tls = self.certificate.as_ref().map(|certificate| match &profile.client_trust {
            Some(trust) => trust.server_config(certificate),
            None => certificate.server_config(),
        });
        Environment {
            clock: self.backends.clock.clone(),
            shutdown: self.shutdown.clone(),
            tls,
            timeouts: self.timeouts,
        }
    }
}

/// Settings that are ready to be put in place ([`Server::prepare`], [`Server::put`]), or to be started with ([`Builder::prepared`]).
#[derive(Debug)]
pub struct Prepared(Snapshot);

impl Prepared {
    /// For a server that is not started yet, so that what is wrong is known before anything is opened. `directory` is what the
    /// server's will be. Tables are read, so it blocks.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn new(settings: Settings, directory: &dyn Directory) -> Result<Self, SettingsError> {
        Ok(Self(Snapshot::compile(settings, |mechanism| directory.serves(mechanism))?))
    }
}

/// What a reload could not do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Reloaded {
    /// What is as before until the server is started again, one sentence each.
    pub needs_restart: Vec<String>,
}

impl Server {
    /// Begins to describe a server.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The listeners that have sockets, by name, with the addresses that they really have.
    pub fn addresses(&self) -> &[(String, SocketAddr)] {
        &self.addresses
    }

    /// The address of a listener.
    pub fn address(&self, listener: &str) -> Option<SocketAddr> {
        self.addresses.iter().find(|(name, _)| name == listener).map(|(_, address)| *address)
    }

    /// Serves a stream that did not come through a socket of this server (a test's, a pipe, one that a supervisor
    /// accepted), as the listener of that name would; where that one names proxies, `peer` must be one of them.
    /// Connection limits do not hold for it.
    ///
    /// The future ends with the session. `None` when there is no such listener.
    pub fn serve<S>(
        &self,
        listener: &str,
        stream: S,
        peer: SocketAddr,
    ) -> Option<impl Future<Output = ()> + Send + use<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let profile = self.shared.profile(listener)?;
        let (listener, shared) = (listener.into(), Arc::clone(&self.shared));
        Some(Arrival { listener, profile, shared, peer, server: None, guard: None }.serve(stream))
    }

    /// Puts new settings in place: sessions that begin later have them. Listeners keep their sockets; what that
    /// means is told. Which mechanisms the directory serves is asked again.
    ///
    /// # Errors
    /// [`SettingsError`]; the old settings then stay.
    pub fn reload(&self, settings: Settings) -> Result<Reloaded, SettingsError> {
        Ok(self.put(self.prepare(settings, &*self.shared.backends.walls.directory)?))
    }

    /// The first half of a [`reload`](Self::reload): makes new settings ready, for who has more to read anew and wants all of it
    /// or nothing. `directory` is what the server's will be by the time they are put in place. Tables are read, so it blocks.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn prepare(&self, settings: Settings, directory: &dyn Directory) -> Result<Prepared, SettingsError> {
        let store = self.shared.backends.store.is_some();
        builder::check(&settings, self.shared.certificate.is_some(), store)?;
        Prepared::new(settings, directory)
    }

    /// The second half of a [`reload`](Self::reload), which nothing can keep from being done: puts settings in place.
    pub fn put(&self, Prepared(snapshot): Prepared) -> Reloaded {
        let needs_restart = self.started.restart_reasons(&snapshot.settings);
        self.shared.snapshot.store(Arc::new(snapshot));
        Reloaded { needs_restart }
    }

    /// The files behind the tables that sessions have which begin now, as they were read. [`TableFiles::now`] tells whether they have
    /// changed, and [`reload_tables`](Self::reload_tables) reads them anew.
    pub fn table_files(&self) -> TableFiles {
        self.shared.snapshot.load().table_files.clone()
    }

    /// Reads all tables anew, with the settings that there are; sessions that begin later have them. It blocks.
    ///
    /// # Errors
    /// [`SettingsError`], for a table that cannot be used; the old ones then stay.
    pub fn reload_tables(&self) -> Result<(), SettingsError> {
        let settings = self.shared.snapshot.load().settings.clone();
        self.reload(settings).map(drop)
    }

    /// The policy of each listener that takes mail or answers the questions of another server, by the listener's name, as sessions
    /// that begin now have it.
    pub fn policies(&self) -> BTreeMap<String, AccessPolicy> {
        self.shared.snapshot.load().policies()
    }

    /// The settings as sessions that begin now have them, to be tried out. Nothing is asked of the DNS.
    pub fn rehearsal(&self) -> Rehearsal {
        let walls = &self.shared.backends.walls;
        let (directory, snapshot) = (Arc::clone(&walls.directory), self.shared.snapshot.load_full());
        Rehearsal::of(snapshot, directory, Arc::new(FixedResolver::new()), walls)
    }

    /// Stops: no connection is accepted any more, each session ends what it cannot interrupt and says goodbye,
    /// deliverers finish the message in their hands, and mailboxes are closed. What has not ended after `patience` is cut off.
    ///
    /// Whether everything ended by itself.
    pub async fn shutdown(mut self, patience: Duration) -> bool {
        self.signal.begin();
        let drained = async {
            while self.tasks.join_next().await.is_some() {}
            if let Some(store) = &self.shared.backends.store {
                store.settled().await;
            }
        };
        let ended = tokio::time::timeout(patience, drained).await.is_ok();
        if let Some(keep) = &self.keep {
            let Backends { walls, clock, .. } = &self.shared.backends;
            keep.save(&walls.memory, clock.now().utc).await;
        }
        tracing::info!(ended, "server stopped");
        ended
    }
}

impl Started {
    fn with(settings: &Settings) -> Self {
        Self { listeners: settings.listeners.clone(), greylist: settings.greylist.clone() }
    }

    /// What of these settings is not followed, a sentence each.
    fn restart_reasons(&self, new: &Settings) -> Vec<String> {
        let find = |listeners: &[Listener], name: &str| listeners.iter().find(|l| l.name == name).cloned();
        let mut reasons = Vec::new();
        if self.greylist != new.greylist {
            reasons.push("greylist: what it asks for is as before until a restart".into());
        }
        for listener in &self.listeners {
            match find(&new.listeners, &listener.name) {
                None => reasons.push(format!(
                    "listener {listener}: it is gone; its socket closes when the server is started again"
                )),
                Some(now) if now.address != listener.address => {
                    reasons.push(format!("listener {now}: a new address needs a restart"));
                }
                Some(_) => {}
            }
        }
        for listener in new.listeners.iter().filter(|new| find(&self.listeners, &new.name).is_none()) {
            reasons.push(format!("listener {listener}: a new listener needs a restart"));
        }
        reasons
    }
}

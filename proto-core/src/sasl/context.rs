//! What is handed to an exchange: randomness, and the TLS session around it.
//!
//! RFC 5802 section 5.1 wants a nonce that nobody can foretell and that never comes twice; no machine draws one itself.
//! A driver gives each session a seed ([`Nonces::seeded`]), from which every exchange of the session gets its own nonce.

use super::scram::{ITERATIONS_MAX_DEFAULT, SALT_BYTES_MAX, ScramHash, ScramKeys};
use crate::secret::Secret;
use crate::tls::TlsInfo;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt;

/// The nonces of a session's exchanges.
#[derive(Clone)]
pub struct Nonces(Source);

#[derive(Clone)]
enum Source {
    Seed { seed: [u8; 32], used: u64 },
    Once(Option<String>),
}

impl Nonces {
    /// A nonce for every exchange, made from a seed that no other session gets: 32 octets of a cryptographic generator.
    pub const fn seeded(seed: [u8; 32]) -> Self {
        Self(Source::Seed { seed, used: 0 })
    }

    /// One nonce for one exchange, made elsewhere; after it there is none. `None` when it is not 1 to 256 printable
    /// ASCII characters without space and comma (RFC 5802 section 7, `printable`).
    pub fn once(nonce: impl Into<String>) -> Option<Self> {
        let nonce = nonce.into();
        is_nonce(nonce.as_bytes()).then_some(Self(Source::Once(Some(nonce))))
    }

    /// Whether there is none left.
    pub const fn is_empty(&self) -> bool {
        matches!(self.0, Source::Once(None))
    }

    /// The next one; 24 characters of base64, 144 bits, where it is made from a seed.
    pub(super) fn draw(&mut self) -> Option<String> {
        match &mut self.0 {
            Source::Once(nonce) => nonce.take(),
            Source::Seed { seed, used } => {
                let octets = ScramHash::Sha256.hmac(&*seed, &[b"nonce", &used.to_be_bytes()]);
                *used = used.wrapping_add(1);
                Some(STANDARD.encode(&octets.expose()[..18]))
            }
        }
    }
}

impl fmt::Debug for Nonces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonces")
    }
}

/// Whether this may stand in `r=`.
pub(super) fn is_nonce(octets: &[u8]) -> bool {
    let printable = |octet: &u8| matches!(octet, 0x21..=0x2b | 0x2d..=0x7e);
    matches!(octets.len(), 1..=NONCE_BYTES_MAX) && octets.iter().all(printable)
}

/// The longest nonce, a peer's or ours.
pub(super) const NONCE_BYTES_MAX: usize = 256;

/// The salts that are shown for users who do not exist.
///
/// SCRAM shows a user's salt and iteration count to everybody who asks. A name that nobody has gets them too, made by
/// HMAC from a secret and the name: the same at every try, and like those of a user. The proof then fails as that of a
/// wrong password does.
#[derive(Clone)]
pub struct Decoys {
    secret: Arc<Secret>,
    iterations: u32,
    salt_bytes: usize,
}

impl Decoys {
    /// Decoys with 4,096 iterations and salts of 16 octets. The secret is the same for all sessions of a service and
    /// outlives its restarts: salts that change with it give the missing users away.
    pub fn new(secret: [u8; 32]) -> Self {
        Self { secret: Arc::new(Secret::from(&secret[..])), iterations: 4096, salt_bytes: 16 }
    }

    /// The iterations, at least one, and the octets of a salt, 1 to [`SALT_BYTES_MAX`], that the users who exist have.
    /// Where they differ between users no decoy is like all of them: [`Decoys::number`] helps.
    #[must_use]
    pub fn with_shape(self, iterations: u32, salt_bytes: usize) -> Self {
        Self { iterations: iterations.max(1), salt_bytes: salt_bytes.clamp(1, SALT_BYTES_MAX), ..self }
    }

    /// Keys that no proof fits.
    pub fn keys(&self, hash: ScramHash, authcid: &str) -> ScramKeys {
        let made = |what: &[u8]| {
            ScramHash::Sha256.hmac(self.secret.expose(), &[hash.name().as_bytes(), what, authcid.as_bytes()])
        };
        let mut salt = Vec::with_capacity(self.salt_bytes);
        for block in 0_u32.. {
            let octets = match block {
                0 => made(b"salt"),
                1 => made(b"more"),
                // No name has a control character, so that no two of these are made of the same octets.
                _ => made(&block.to_be_bytes()),
            };
            let missing = self.salt_bytes - salt.len();
            salt.extend(octets.expose().iter().take(missing));
            if salt.len() == self.salt_bytes {
                break;
            }
        }
        let key = |what: &[u8]| Secret::from(&made(what).expose()[..hash.bytes()]);
        ScramKeys::unchecked(hash, salt, self.iterations, key(b"stored"), key(b"server"))
    }
}

impl Decoys {
    /// A number from the whole range that belongs to a name: for a directory in which users differ, so that it can pick
    /// one whom a name that nobody has is to be like, the same at every try and after a restart.
    pub fn number(&self, authcid: &str) -> u64 {
        let made = ScramHash::Sha256.hmac(self.secret.expose(), &[b"number", authcid.as_bytes()]);
        made.expose().iter().take(8).fold(0, |number, octet| number << 8 | u64::from(*octet))
    }
}

impl fmt::Debug for Decoys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoys").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// The randomness of a server session. Without it CRAM-MD5 and SCRAM are not offered.
#[derive(Debug, Clone)]
pub struct ServerEntropy {
    /// Fresh for each session.
    pub nonces: Nonces,
    /// The service's.
    pub decoys: Decoys,
}

/// What a server's exchange is told.
#[derive(Debug, Default)]
pub struct ServerContext<'a> {
    /// The session's randomness.
    pub entropy: Option<&'a mut ServerEntropy>,
    /// The TLS session.
    pub tls: Option<&'a Arc<TlsInfo>>,
    /// Whether a mechanism bound to the TLS session is offered: who then says that we have none was lied to
    /// (RFC 5802 section 6).
    pub plus_offered: bool,
    /// Our host's name, for the challenge of CRAM-MD5; empty for none.
    pub host_name: &'a str,
}

/// What a client's exchange is told.
#[derive(Debug)]
pub struct ClientContext<'a> {
    /// The session's randomness.
    pub nonces: Option<&'a mut Nonces>,
    /// The TLS session.
    pub tls: Option<&'a Arc<TlsInfo>>,
    /// Whether the server offers a mechanism bound to the TLS session.
    pub plus_offered: bool,
    /// The server's host name as the client was given it, for OAUTHBEARER; `None` does not say it.
    pub host: Option<&'a str>,
    /// The server's port, likewise.
    pub port: Option<u16>,
    /// The most iterations of SCRAM that the server may ask for: each is an HMAC, and all of them are computed in one
    /// call, so that this is the time for which a server can stop the caller: 100,000 took 0.05 seconds of one core where it
    /// was measured. Over it the exchange fails with
    /// [`SaslFault::TooManyIterations`](super::SaslFault::TooManyIterations). Default
    /// [`ITERATIONS_MAX_DEFAULT`](super::scram::ITERATIONS_MAX_DEFAULT).
    pub scram_iterations_max: u32,
}

impl Default for ClientContext<'_> {
    fn default() -> Self {
        let scram_iterations_max = ITERATIONS_MAX_DEFAULT;
        Self { nonces: None, tls: None, plus_offered: false, host: None, port: None, scram_iterations_max }
    }
}

/// Which data of the TLS session an exchange is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChannelBinding {
    /// RFC 9266.
    Exporter,
    /// RFC 5929 section 4.
    ServerEndPoint,
}

impl ChannelBinding {
    /// The preferred first.
    const ALL: [Self; 2] = [Self::Exporter, Self::ServerEndPoint];

    /// The registered name.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Exporter => "tls-exporter",
            Self::ServerEndPoint => "tls-server-end-point",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|binding| binding.name() == name)
    }

    /// The data, if the driver knows them.
    pub(super) fn data(self, tls: Option<&Arc<TlsInfo>>) -> Option<&[u8]> {
        let tls = tls?;
        match self {
            Self::Exporter => tls.exporter.as_deref(),
            Self::ServerEndPoint => tls.server_end_point.as_deref(),
        }
    }

    /// The one that a client uses.
    pub(super) fn preferred(tls: Option<&Arc<TlsInfo>>) -> Option<Self> {
        Self::ALL.into_iter().find(|binding| binding.data(tls).is_some())
    }
}

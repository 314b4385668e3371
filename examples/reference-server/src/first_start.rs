//! What the first start makes and later starts find: the data directory, a self-signed certificate, the secret of the
//! salts that are shown for accounts which do not exist, and, for the embedded default only, two accounts.
//!
//! Every file is written beside its place, synced and renamed, so that a start cut short leaves either nothing or
//! the whole file. Keys and passwords are readable by their owner only.

use crate::config::{Config, TlsSection};
use postroom::proto_core::sasl::Decoys;
use rustix::fs::FlockOperation;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The accounts that the embedded default begins with.
const ACCOUNTS: [&str; 2] = ["alice@example.test", "bob@example.test"];

/// Octets of randomness in a password; printed as 26 letters and digits.
const PASSWORD_RANDOM_BYTES: usize = 16;

/// Why the first start could not make what it needs.
#[derive(Debug, thiserror::Error)]
pub enum FirstStartError {
    /// A file or directory cannot be made or read.
    #[error("{}: cannot {doing}: {source}", path.display())]
    Disk {
        /// Which.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: io::Error,
    },
    /// Another server has the data directory.
    #[error("{}: another postroom serves from this data directory; stop it, or set another data_dir", .0.display())]
    InUse(PathBuf),
    /// The certificate cannot be made for this host name.
    #[error("cannot make a self-signed certificate for \"{hostname}\": {source}")]
    Certificate {
        /// The configured host name.
        hostname: String,
        /// Why not.
        source: rcgen::Error,
    },
    /// The secret of the decoys is not what was written.
    #[error("{}: 32 octets are expected; remove it, and another one is made", .0.display())]
    Decoys(PathBuf),
    /// The system gives no random octets.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
}

impl FirstStartError {
    /// Whether the system does not let this user.
    pub fn is_permission(&self) -> bool {
        matches!(self, Self::Disk { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
    }
}

fn disk<'a>(path: &'a Path, doing: &'static str) -> impl FnOnce(io::Error) -> FirstStartError + 'a {
    move |source| FirstStartError::Disk { path: path.to_owned(), doing, source }
}

/// Makes the data directory, readable by its owner only.
///
/// # Errors
/// [`FirstStartError::Disk`].
pub fn data_dir(config: &Config) -> Result<(), FirstStartError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&config.data_dir)
        .map_err(disk(&config.data_dir, "make the data directory"))
}

/// Keeps every other server away from the data directory until the file is dropped or the process ends, however it
/// ends: two that delivered one spool would deliver twice.
///
/// # Errors
/// [`FirstStartError::InUse`], at once; [`FirstStartError::Disk`].
pub fn lock(config: &Config) -> Result<File, FirstStartError> {
    let path = config.data_dir.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(disk(&path, "open"))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(file),
        Err(rustix::io::Errno::WOULDBLOCK) => Err(FirstStartError::InUse(config.data_dir.clone())),
        Err(errno) => Err(disk(&path, "lock")(errno.into())),
    }
}

/// How long the lock of the data directory, and who holds it, is waited for: as long as a large spool takes to open.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is looked at meanwhile.
pub const PAUSE: Duration = Duration::from_millis(100);

/// As [`lock`], for a server: a `postroom queue` that has the spool is done soon.
///
/// # Errors
/// As [`lock`], after [`PATIENCE`].
pub async fn lock_to_serve(config: &Config) -> Result<File, FirstStartError> {
    let until = Instant::now() + PATIENCE;
    loop {
        match lock(config) {
            Err(FirstStartError::InUse(_)) if Instant::now() < until => tokio::time::sleep(PAUSE).await,
            locked => return locked,
        }
    }
}

/// The certificate to serve: the configured one, or a self-signed one that is made once.
///
/// # Errors
/// [`FirstStartError`].
pub fn certificate(config: &Config) -> Result<TlsSection, FirstStartError> {
    if let Some(tls) = &config.tls {
        return Ok(tls.clone());
    }
    let tls = TlsSection {
        certificate: config.data_dir.join("self-signed.pem"),
        key: config.data_dir.join("self-signed-key.pem"),
    };
    if !tls.certificate.exists() {
        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let names: Vec<String> = std::iter::once(config.hostname.clone()).chain(names).collect();
        let made = rcgen::generate_simple_self_signed(names)
            .map_err(|source| FirstStartError::Certificate { hostname: config.hostname.clone(), source })?;
        // The key first: a certificate without its key would not be made again.
        write_private(&tls.key, made.signing_key.serialize_pem().as_bytes())?;
        write_private(&tls.certificate, made.cert.pem().as_bytes())?;
    }
    Ok(tls)
}

/// The salts that SCRAM shows for accounts which do not exist: their secret is made once, so that they stay the same
/// over restarts, as those of real accounts do.
///
/// # Errors
/// [`FirstStartError`].
pub fn decoys(config: &Config) -> Result<Decoys, FirstStartError> {
    let path = config.data_dir.join("scram-decoys.key");
    if !path.exists() {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(FirstStartError::Random)?;
        write_private(&path, &secret)?;
    }
    let secret = fs::read(&path).map_err(disk(&path, "read"))?;
    secret.try_into().map(Decoys::new).map_err(|_| FirstStartError::Decoys(path))
}

/// Makes the accounts of the embedded default, if there are none yet, and returns name and password of each.
///
/// # Errors
/// [`FirstStartError`].
pub fn accounts(config: &Config) -> Result<Vec<(String, String)>, FirstStartError> {
    let path = &config.accounts.passwd_file;
    if !path.exists() {
        let mut text = String::from(
            "# Made at the first start, with random passwords. They stand here in the clear so that every start\n\
             # can show them; `postroom hash-password` makes hashed ones for real use.\n",
        );
        for account in ACCOUNTS {
            text.push_str(&format!("{account}:{{PLAIN}}{}::::::\n", password()?));
        }
        write_private(path, text.as_bytes())?;
    }
    let text = fs::read_to_string(path).map_err(disk(path, "read the accounts"))?;
    Ok(text.lines().filter_map(plain_account).collect())
}

/// Name and password of a passwd-file line whose password stands in the clear.
fn plain_account(line: &str) -> Option<(String, String)> {
    let mut fields = line.split(':');
    let (name, password) = (fields.next()?, fields.next()?);
    Some((name.to_owned(), password.strip_prefix("{PLAIN}")?.to_owned()))
}

/// A random password of letters and digits: nothing in it needs quoting in a shell or a URL.
fn password() -> Result<String, FirstStartError> {
    const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut random = [0; PASSWORD_RANDOM_BYTES];
    getrandom::fill(&mut random).map_err(FirstStartError::Random)?;
    let mut number = u128::from_le_bytes(random);
    let mut text = String::new();
    for _ in 0..(8 * PASSWORD_RANDOM_BYTES).div_ceil(5) {
        text.push(char::from(ALPHABET[(number % 32) as usize]));
        number /= 32;
    }
    Ok(text)
}

/// Writes a whole file, durably, readable by its owner only.
fn write_private(path: &Path, contents: &[u8]) -> Result<(), FirstStartError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let beside = path.with_extension("new");
    let written = || -> io::Result<()> {
        let mut file =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
        file.write_all(contents)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        File::open(directory)?.sync_all()
    };
    written().map_err(disk(path, "write"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use postroom::proto_core::sasl::ScramHash;
    use std::os::unix::fs::PermissionsExt;

    fn config_in(directory: &Path) -> Config {
        let mut config = Config::embedded().unwrap();
        config.data_dir = directory.join("data");
        config.accounts.passwd_file = config.data_dir.join("users.passwd");
        config
    }

    #[test]
    fn made_once_private_and_random() {
        let directory = tempfile::tempdir().unwrap();
        let config = config_in(directory.path());
        data_dir(&config).unwrap();
        let first = accounts(&config).unwrap();
        assert_eq!(first.len(), 2);
        assert!(first.iter().all(|(_, password)| password.len() == 26));
        assert_ne!(first[0].1, first[1].1);
        assert_eq!(accounts(&config).unwrap(), first, "kept, not made anew");

        let tls = certificate(&config).unwrap();
        let made = fs::read(&tls.certificate).unwrap();
        certificate(&config).unwrap();
        assert_eq!(fs::read(&tls.certificate).unwrap(), made, "kept, not made anew");

        let salt = |decoys: Decoys| decoys.keys(ScramHash::Sha256, "nobody").salt().to_vec();
        let first = salt(decoys(&config).unwrap());
        assert_eq!(salt(decoys(&config).unwrap()), first, "kept, not made anew");
        let secret = config.data_dir.join("scram-decoys.key");
        for path in [&config.accounts.passwd_file, &tls.key, &secret] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        fs::write(&secret, "short").unwrap();
        assert!(
            decoys(&config).unwrap_err().to_string().contains("scram-decoys.key: 32 octets are expected")
        );
        assert_eq!(fs::metadata(&config.data_dir).unwrap().permissions().mode() & 0o777, 0o700);
    }
}

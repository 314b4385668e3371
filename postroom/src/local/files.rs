//! Files and Maildirs that aliases name, where `allow_mail_to_files` allows that.
//!
//! A file is an mbox, written as [`mailstore::mbox`] does it: under its locks, with a `From_` line, behind a journal, so that
//! a crash leaves the whole message or nothing of it, and a delivery that is tried again is recognised. The journal lies in
//! a directory of ours, not beside the file. The directory of the file must be there; the file is made.
//!
//! # Limits
//! [`NAME_BYTES_MAX`] octets of a path, each `/`, `%` and `.` counted as three. How large a file may become is the application's to say. One file
//! has one path: who names it by another (through a directory that is a symbolic link) gives it two journals. For each path there is
//! a directory of ours, and it stays: where `luser_relay` makes paths of clients' addresses, there are as many as there are files.
//!
//! # Departures
//! From Postfix's local(8): files are written by the user that the server runs as, since it does not become the owner of an
//! alias for the time of a delivery; who runs it as root had better leave this off. A directory without a `/` at its end, a device, a
//! pipe, a symbolic link, a file with other names besides and one of another user are refused, whatever `strict_mbox_owner` says;
//! whether a file is executable is not looked at. Directories are entered through symbolic links, so those above a file must not be
//! others' to write. `/dev/null` is nobody, and takes no delivery.

use super::kept::{STORES_MAX, SWEEP_EVERY};
use mailstore::mbox::{MboxLocation, MboxOptions, MboxStore};
use mailstore::{Env, ErrorKind, MaildirStore, Settle, Store, StoreError};
use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What a name in a directory may have.
const NAME_BYTES_MAX: usize = 255;

/// Opens what aliases name.
#[derive(Clone)]
pub(super) struct AliasFiles {
    env: Env,
    control: PathBuf,
    options: MboxOptions,
    settle: Option<Arc<dyn Settle>>,
    /// When what crashes left was last looked for, by the path and the clock that never goes back.
    swept: Arc<Mutex<HashMap<String, Duration>>>,
}

impl AliasFiles {
    /// Files written by this process as it is; journals are kept below `control`, an absolute path. `settle` is the spool
    /// that delivers into them.
    pub(super) fn new(env: Env, control: PathBuf, settle: Option<Arc<dyn Settle>>) -> Self {
        let mut options = MboxOptions::default();
        options.strict_owner = true;
        options.notice = Some(Arc::new(|notice| tracing::warn!("{notice}")));
        Self { env, control, options, settle, swept: Arc::default() }
    }

    /// None becomes larger.
    pub(super) fn of_at_most(mut self, bytes_max: Option<u64>) -> Self {
        self.options.file_bytes_max = bytes_max;
        self
    }

    /// The store whose INBOX is at a path. It blocks.
    ///
    /// # Errors
    /// When there is something that is no mailbox, or nothing can be made there.
    pub(super) fn open(&self, path: &str) -> Result<Arc<dyn mailstore::Store>, StoreError> {
        let (root, is_maildir) = (Path::new(path), path.ends_with('/'));
        let wrong = |kind, why: &'static str| StoreError::new(kind, "delivering to a file", why).at(root);
        let Some(name) = name(path) else {
            return Err(wrong(ErrorKind::BadName, "it is no absolute path, leads back, or is too long"));
        };
        let (env, settle) = (self.env.clone(), self.settle.clone());
        if is_maildir {
            let store = MaildirStore::open(env, root, settle)?;
            self.sweep(path, &store);
            return Ok(Arc::new(store));
        }
        match self.env.fs().metadata(root) {
            Ok(there) if !there.is_file => {
                return Err(wrong(ErrorKind::BadPath, "what is there is no regular file"));
            }
            Ok(_) => {}
            Err(_) => {
                let dir = root.parent().unwrap_or(root);
                let metadata = self.env.fs().metadata(dir);
                let is_dir =
                    metadata.map_err(|error| StoreError::io("delivering to a file", dir, &error))?.is_dir;
                if !is_dir {
                    return Err(wrong(ErrorKind::BadPath, "it is not in a directory"));
                }
            }
        }
        let location = MboxLocation::new(self.control.join(name), root);
        let store = MboxStore::open(env, location, self.options.clone(), settle)?;
        self.sweep(path, &store);
        Ok(Arc::new(store))
    }

    /// Removes what crashes have left long ago, when a store is first used and then daily.
    fn sweep(&self, path: &str, store: &dyn Store) {
        let now = self.env.host().monotonic();
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if swept.get(path).is_some_and(|&before| now.saturating_sub(before) < SWEEP_EVERY) {
            return;
        }
        if swept.len() >= STORES_MAX {
            swept.clear();
        }
        swept.insert(path.to_owned(), now);
        drop(swept);
        if let Err(error) = store.sweep() {
            tracing::warn!(path, %error, "what crashes left could not be looked for");
        }
    }
}

/// The path of a file, as short as it can be written; none where it cannot be one. A part of it may be a client's
/// (`luser_relay`).
pub(crate) fn plain(path: &str) -> Option<String> {
    name(path)?;
    let mut plain: PathBuf = Path::new(path).components().collect();
    if path.ends_with('/') {
        plain.push("");
    }
    plain.into_os_string().into_string().ok()
}

/// The one name in a directory for a path that is absolute, leads nowhere back, and is short enough.
fn name(path: &str) -> Option<String> {
    let mut components = Path::new(path).components();
    if components.next() != Some(Component::RootDir) || path.contains(char::is_control) {
        return None;
    }
    let mut name = String::with_capacity(path.len() + 16);
    for component in components {
        let Component::Normal(component) = component else { return None };
        // However many `/` stand there, it is the same file.
        name.push_str("%2f");
        for character in component.to_str()?.chars() {
            match character {
                '%' | '.' => drop(write!(name, "%{:02x}", u32::from(character))),
                character => name.push(character),
            }
        }
    }
    (1..=NAME_BYTES_MAX).contains(&name.len()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailstore::fs::sim::{SimFs, SimHost};
    use mailstore::fs::{Fs as _, OpenMode};

    #[test]
    fn what_is_no_mailbox_is_refused() {
        let fs = SimFs::new();
        let env = Env::new(Arc::new(fs.clone()), Arc::new(SimHost::new(&fs, 1)));
        let files = AliasFiles::new(env, "/control".into(), None);
        fs.mkdir(Path::new("/var")).unwrap();
        let kind = |path: &str| files.open(path).err().map(|error| error.kind());
        assert_eq!(kind("/var/archive"), None);
        assert_eq!(kind("/var/maildir/"), None);
        assert_eq!(kind("/var"), Some(ErrorKind::BadPath));
        assert_eq!(kind("/none/archive"), Some(ErrorKind::BadPath));
        for path in ["relative", "/var/../etc/passwd", "/var/a\nb", "", "/", "//"] {
            assert_eq!(kind(path), Some(ErrorKind::BadName), "{path:?}");
        }
        assert_eq!(kind(&format!("/var/{}", "x".repeat(250))), Some(ErrorKind::BadName));
    }

    #[test]
    fn what_crashes_left_goes_daily() {
        let fs = SimFs::new();
        let env = Env::new(Arc::new(fs.clone()), Arc::new(SimHost::new(&fs, 1)));
        let files = AliasFiles::new(env, "/control".into(), None);
        fs.mkdir(Path::new("/var")).unwrap();
        let file = Path::new("/control/%2fvar%2farchive/.imap/.postroom/tmp/1.x");
        let day = SWEEP_EVERY;
        for (alias, left) in [("/var/maildir/", Path::new("/var/maildir/tmp/1.x")), ("/var/archive", file)] {
            files.open(alias).unwrap();
            drop(fs.open(left, OpenMode::CreateNew).unwrap());
            fs.advance(day / 4);
            files.open(alias).unwrap();
            fs.advance(day);
            files.open(alias).unwrap();
            assert!(fs.metadata(left).is_ok(), "somebody may be at it");
            fs.advance(day);
            files.open(alias).unwrap();
            assert!(fs.metadata(left).is_err(), "{alias}");
        }
    }

    #[test]
    fn no_two_paths_have_one_name() {
        assert_eq!(name("/var/a.b%2f").unwrap(), "%2fvar%2fa%2eb%252f");
        assert_eq!(name("//var/./a.b%2f").unwrap(), "%2fvar%2fa%2eb%252f", "they are the same file");
        for (written, plain_one) in [("//var/./a//", "/var/a/"), ("/var/a/.", "/var/a"), ("/a", "/a")] {
            assert_eq!(plain(written).as_deref(), Some(plain_one));
        }
        assert_eq!(plain("/var/../a"), None);
    }
}

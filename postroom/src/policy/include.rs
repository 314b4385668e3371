//! Files of aliases, `:include:/path`: who may say who is on a list.
//!
//! A file that everybody may write would let everybody read a list's mail, and one that is a device or a pipe might never
//! come to an end. Both are answered as if they were not there; the log says why.
//!
//! # Limits
//! [`FILE_BYTES_MAX`]; a longer file is one that cannot be read.

use proto_core::Backend;
use relay_policy::Answer;
use std::fs::File;
use std::io::{self, Read as _};

/// A file of so many octets is room for every target that an alias may have.
const FILE_BYTES_MAX: u64 = 8 << 20;

/// The text of a file, read on a thread where that may wait.
pub(super) async fn read(path: &str) -> Answer {
    let owned = path.to_owned();
    let read = tokio::task::spawn_blocking(move || read_now(&owned)).await;
    match read.unwrap_or_else(|_| Err(io::Error::other("reading it was given up"))) {
        Ok(text) => Answer::Found(Some(text)),
        Err(error) if is_for_good(&error) => {
            tracing::error!(path, %error, "a file of aliases is not used");
            Answer::Found(None)
        }
        Err(error) => {
            tracing::error!(path, %error, "a file of aliases cannot be read");
            Answer::Failed(Backend::TEMPORARY)
        }
    }
}

/// Why a file is not used. It blocks.
pub(crate) fn why_unusable(path: &str) -> Option<String> {
    read_now(path).err().map(|error| error.to_string())
}

fn is_for_good(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)
}

fn read_now(path: &str) -> io::Result<String> {
    let unfit = |why: &str| io::Error::new(io::ErrorKind::InvalidInput, why.to_owned());
    if !path.starts_with('/') {
        return Err(unfit("its path does not begin with /"));
    }
    let file = open(path)?;
    check(&file.metadata()?).map_err(unfit)?;
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX { Err(unfit("it is too long")) } else { Ok(text) }
}

/// Opens what is there, without waiting for who writes to a pipe: what it is, is asked of the file that was opened, so that
/// nobody can put another in its place meanwhile.
fn open(path: &str) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let how = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, how, Mode::empty())?))
}

/// Whether a file may say where mail goes.
fn check(metadata: &std::fs::Metadata) -> Result<(), &'static str> {
    #[cfg(unix)]
    if std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o002 != 0 {
        return Err("everybody may write it");
    }
    if metadata.is_file() { Ok(()) } else { Err("it is no regular file") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_may_be_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
        std::fs::write(path("good"), "alice\n").unwrap();
        assert_eq!(read(&path("good")).await, Answer::Found(Some("alice\n".into())));
        assert_eq!(read(&path("none")).await, Answer::Found(None));
        assert_eq!(read(&path("")).await, Answer::Found(None), "a directory");
        let pipe = std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap();
        assert!(pipe.success());
        assert_eq!(read(&path("pipe")).await, Answer::Found(None), "nobody writes to it");
        std::fs::write(path("latin"), b"\xe4\n").unwrap();
        assert_eq!(read(&path("latin")).await, Answer::Found(None));
        File::create(path("long")).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
        assert_eq!(read(&path("long")).await, Answer::Found(None));
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn what_everybody_may_write_is_not_used() {
        use std::os::unix::fs::PermissionsExt as _;
        let file = tempfile::NamedTempFile::new().unwrap();
        file.as_file().set_permissions(std::fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(read(file.path().to_str().unwrap()).await, Answer::Found(None));
    }
}

//! [`HostsFile`]: names of addresses that this machine has beside the DNS (hosts(5)).
//!
//! They are for clients' names alone, which Postfix has the system look for (getnameinfo); all else that a policy asks is asked of
//! the DNS, there and here.
//!
//! # Limits
//! The file is read whole, and again when it has changed, which is looked for every [`LOOK_AGAIN`].
//!
//! # Departures
//! From what glibc does: names are read that stand in the file, whatever `/etc/nsswitch.conf` says.

use super::ClientName;
use relay_policy::NameStatus;
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How often it is seen whether the file is another.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// A file of addresses with their names.
#[derive(Debug)]
pub struct HostsFile {
    path: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    looked: Option<Instant>,
    /// Of what was read; none where there was no file.
    modified: Option<SystemTime>,
    names: HashMap<IpAddr, String>,
}

impl HostsFile {
    /// At a path. One that is not there has no names.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), known: Mutex::default() }
    }

    /// That of this system, `/etc/hosts`.
    pub fn system() -> Self {
        Self::new("/etc/hosts")
    }

    /// The name of a client, if the file has one: the first in the first line that has the address. It says itself that the name has
    /// that address.
    pub async fn name(&self, client: IpAddr) -> Option<ClientName> {
        let mut known = self.known.lock().await;
        let now = Instant::now();
        if known.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= LOOK_AGAIN) {
            known.looked = Some(now);
            let (path, modified) = (self.path.clone(), known.modified);
            // It is a file: the reactor does not wait for it.
            let read = tokio::task::spawn_blocking(move || read_unless(&path, modified)).await;
            match read {
                Ok(Ok(Some((modified, text)))) => {
                    (known.modified, known.names) = (modified, names(&text));
                }
                Ok(Ok(None)) => {}
                // What was read before is better than nothing.
                Ok(Err(error)) => tracing::warn!(%error, "{} cannot be read", self.path.display()),
                Err(_) => tracing::error!("reading {} panicked", self.path.display()),
            }
        }
        let name = known.names.get(&client.to_canonical())?.clone();
        Some(ClientName {
            reverse_name: name.clone(),
            name,
            status: NameStatus::Ok,
            reverse_status: NameStatus::Ok,
        })
    }
}

/// The file, unless it is as it was.
fn read_unless(
    path: &std::path::Path,
    known: Option<SystemTime>,
) -> std::io::Result<Option<(Option<SystemTime>, String)>> {
    let modified = match std::fs::metadata(path) {
        Ok(metadata) => metadata.modified().ok(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Some((None, String::new()))),
        Err(error) => return Err(error),
    };
    if modified.is_some() && modified == known {
        return Ok(None);
    }
    let octets = std::fs::read(path)?;
    Ok(Some((modified, String::from_utf8_lossy(&octets).into_owned())))
}

/// The first name of each address; what is no host name is none.
fn names(text: &str) -> HashMap<IpAddr, String> {
    let mut names = HashMap::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else { continue };
        let Some(name) = words.next().filter(|name| relay_policy::access::is_hostname(name)) else {
            continue;
        };
        names.entry(address.to_canonical()).or_insert_with(|| name.to_owned());
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_the_first_name_of_its_first_line() {
        let text = "127.0.0.1\tlocalhost\n# 192.0.2.9 not.test\n192.0.2.1  mail.test mail # relay.test\n\
            192.0.2.1 other.test\n2001:DB8::1 six.test\n::ffff:192.0.2.2 four.test\n192.0.2.3\n192.0.2.4 1.2.3.4\nx y.test\n";
        let names = names(text);
        let name = |address: &str| names.get(&address.parse().unwrap()).map(String::as_str);
        assert_eq!(
            ["127.0.0.1", "192.0.2.1", "2001:db8::1", "192.0.2.2"].map(name),
            [Some("localhost"), Some("mail.test"), Some("six.test"), Some("four.test")]
        );
        assert_eq!(["192.0.2.9", "192.0.2.3", "192.0.2.4"].map(name), [None; 3]);
    }

    #[tokio::test]
    async fn a_file_that_changes_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hosts");
        let hosts = HostsFile::new(&path);
        let name = async || hosts.name("192.0.2.1".parse().unwrap()).await.map(|name| name.name);
        let look_again = async || hosts.known.lock().await.looked = None;
        assert_eq!(name().await, None);
        std::fs::write(&path, "192.0.2.1 mail.test\n").unwrap();
        assert_eq!(name().await, None, "it was just looked at");
        look_again().await;
        assert_eq!(name().await.as_deref(), Some("mail.test"));
        std::fs::remove_file(&path).unwrap();
        look_again().await;
        assert_eq!(name().await, None);
    }
}

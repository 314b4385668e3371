//! `postroom import-qmail`: the files of `control`, `users/assign`, `.qmail` files, and the rules that `tcprules` compiles.

use super::draft::{Draft, DraftListener};
use super::{Imported, message_bytes_max, write};
use postroom::relay_policy::main_cf::Notice;
use postroom::relay_policy::qmail::{TcpRules, import, more_hosts};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;
use toml::Value;

/// Users and their homes, as `users/assign` has them.
fn homes(assign: &str) -> BTreeMap<&str, &str> {
    let lines = assign.lines().filter(|line| line.starts_with(['=', '+']));
    let parts = lines.filter_map(|line| {
        let mut parts = line.split(':').skip(1);
        Some((parts.next()?, parts.nth(2)?))
    });
    parts.filter(|(user, home)| *user != "alias" && home.starts_with('/')).collect()
}

/// Files in users' homes are no longer, in octets.
const DOT_QMAIL_MAX: u64 = 64 * 1024;

/// Reads the `.qmail` files of a user; a home that is not here has none. What cannot be read is not carried over, and a note says so.
fn dot_qmails(user: &str, home: &Path, files: &mut BTreeMap<String, String>, unread: &mut Vec<Notice>) {
    let mut note = |file: String, why: &dyn Display| {
        unread.push(Notice { file, line: 0, text: format!("not carried over: {why}") });
    };
    let entries = match fs::read_dir(home) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return,
        Err(error) => return note(format!("~{user}"), &error),
    };
    for entry in entries {
        let name = match &entry {
            Ok(entry) => entry.file_name(),
            Err(error) => return note(format!("~{user}"), error),
        };
        let path = home.join(&name);
        let name = name.to_string_lossy();
        if name.starts_with(".qmail") {
            let file = format!("~{user}/{name}");
            match dot_qmail(&path) {
                Ok(text) => drop(files.insert(file, text)),
                Err(error) => note(file, &error),
            }
        }
    }
}

/// Reads a file that its user may have made whatever he likes: root follows no link of his, and waits for no pipe.
fn dot_qmail(path: &Path) -> io::Result<String> {
    let odd = || io::Error::other("it is no regular file");
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Err(Errno::LOOP) => return Err(odd()),
        opened => File::from(opened?),
    };
    if !file.metadata()?.is_file() {
        return Err(odd());
    }
    let mut octets = Vec::new();
    if file.take(DOT_QMAIL_MAX + 1).read_to_end(&mut octets)? as u64 > DOT_QMAIL_MAX {
        return Err(io::Error::other(format!("it is longer than {DOT_QMAIL_MAX} octets")));
    }
    Ok(String::from_utf8_lossy(&octets).into_owned())
}

/// What is asked beside `rcpthosts`, and what it is compiled from.
const MORE_HOSTS: &str = "morercpthosts";
const MORE_HOSTS_CDB: &str = "morercpthosts.cdb";

/// Beside the directory `control`.
const USERS: &str = "users/assign";

/// Reads `directory`, or `control` in it, and writes what it comes to.
///
/// # Errors
/// A file that cannot be read, a line that is no rule, and whatever `postroom check` would not take.
pub fn run(directory: &Path, tcp_rules: Option<&Path>, output: Option<&Path>) -> Result<(), Box<dyn Error>> {
    write(&read(directory, tcp_rules)?, output)
}

fn read(directory: &Path, tcp_rules: Option<&Path>) -> Result<Imported, Box<dyn Error>> {
    let about = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    let control = directory.join("control");
    let control = if control.is_dir() { &*control } else { directory };
    let (mut files, mut unread) = (BTreeMap::new(), Vec::new());
    for entry in fs::read_dir(control).map_err(|error| about(control, error))? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|_| path.is_file()) else {
            continue;
        };
        let octets = fs::read(&path).map_err(|error| about(&path, error))?;
        files.insert(name.to_owned(), String::from_utf8_lossy(&octets).into_owned());
    }
    // qmail reads the constant database alone.
    if files.remove(MORE_HOSTS_CDB).is_some() {
        let path = control.join(MORE_HOSTS_CDB);
        let octets = fs::read(&path).map_err(|error| about(&path, error))?;
        let hosts = more_hosts(octets).map_err(|error| format!("{}: {error}", path.display()))?;
        files.insert(MORE_HOSTS.into(), hosts);
    } else if files.remove(MORE_HOSTS).is_some() {
        let text = format!("not carried over: qmail reads {MORE_HOSTS_CDB}, and there is none");
        unread.push(Notice { file: MORE_HOSTS.into(), line: 0, text });
    }
    let qmail = control.parent().unwrap_or(control);
    let users = qmail.join(USERS);
    match fs::read_to_string(&users) {
        Ok(text) => {
            for (user, home) in homes(&text) {
                dot_qmails(user, Path::new(home), &mut files, &mut unread);
            }
            files.insert(USERS.into(), text);
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(about(&users, error).into()),
    }
    dot_qmails("alias", &qmail.join("alias"), &mut files, &mut unread);
    let rules = match tcp_rules {
        Some(path) if path.extension().is_some_and(|extension| extension == "cdb") => {
            let octets = fs::read(path).map_err(|error| about(path, error))?;
            Some(TcpRules::from_cdb(octets).map_err(|error| format!("{}: {error}", path.display()))?)
        }
        Some(path) => {
            let text = fs::read_to_string(path).map_err(|error| about(path, error))?;
            Some(TcpRules::parse(&text).map_err(|error| format!("{}, {error}", path.display()))?)
        }
        None => None,
    };
    let imported = import(&files, rules.as_ref());
    let value = |name: &str| {
        imported.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    };
    let mut draft = Draft { origin: control.display().to_string(), ..Draft::default() };
    draft.hostname = value("myhostname").unwrap_or_default().to_owned();
    draft.local = value("mydestination").unwrap_or_default().split(", ").map(String::from).collect();
    draft.policy = imported.parameters.iter().filter(|(name, _)| name != "myhostname").cloned().collect();
    let mut notes = imported.notes;
    notes.append(&mut unread);
    match imported.message_size_limit.map(message_bytes_max) {
        Some(Ok(octets)) => draft.limits.push(("message_bytes_max", octets)),
        Some(Err(why)) => notes.push(Notice { file: "databytes".into(), line: 1, text: why.into() }),
        None => {}
    }
    let lifetime = imported.maximal_queue_lifetime.and_then(|seconds| i64::try_from(seconds).ok());
    draft.queue.extend(lifetime.map(|seconds| ("maximal_queue_lifetime_seconds", Value::Integer(seconds))));
    draft.listeners.push(DraftListener {
        protocol: "smtp",
        address: SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 25),
        tls: "starttls",
        // Its SMTP server knows no AUTH.
        keys: vec![("auth_mechanisms", Value::Array(Vec::new()))],
        policy: Vec::new(),
        limits: Vec::new(),
    });
    let home = value("myorigin").unwrap_or_default();
    let mailboxes = imported.users.iter().map(|user| format!("{user}@{home}")).collect();
    Ok(Imported { mailboxes, draft, tables: imported.tables, notes })
}

//! `postroom import-qmail`: the files of `control`, and the rules that `tcprules` compiles.

use super::draft::{Draft, DraftListener};
use super::{Imported, message_bytes_max, write};
use postroom::relay_policy::main_cf::Notice;
use postroom::relay_policy::qmail::{TcpRules, import};
use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;
use toml::Value;

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
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(control).map_err(|error| about(control, error))? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()).filter(|_| path.is_file()) else {
            continue;
        };
        // A constant database is no text.
        let octets = fs::read(&path).map_err(|error| about(&path, error))?;
        files.insert(name.to_owned(), String::from_utf8_lossy(&octets).into_owned());
    }
    let rules = match tcp_rules {
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
    Ok(Imported { draft, tables: imported.tables, mailboxes: Vec::new(), notes })
}

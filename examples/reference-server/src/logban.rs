//! `postroom logban`: the clients that are refused for good again and again, from the log (R305).
//!
//! What is counted are the lines of policy, `NOQUEUE: reject: RCPT from name[address]: 5...`, at the place where a session writes
//! them: what a client has said stands behind, so nobody can have somebody else listed.
//!
//! # Limits
//! Of a client, the times of as many refusals are kept as it may have.

use postroom::relay_policy::network_prefix;
use smtp_proto::parameter::DateTime;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::net::IpAddr;
use std::path::Path;

/// Prints a table of those who had more than `over` refusals in any `within_seconds`.
///
/// # Errors
/// A log that cannot be read, or in which no line begins with a time.
pub fn run(log: Option<&Path>, over: usize, within_seconds: u64) -> Result<(), Box<dyn Error>> {
    let listed = match log {
        Some(path) => {
            let about = |error: io::Error| format!("{}: {error}", path.display());
            listed(BufReader::new(File::open(path).map_err(about)?), over, within_seconds).map_err(about)?
        }
        None => listed(io::stdin().lock(), over, within_seconds)?,
    };
    let mut out = io::stdout().lock();
    for network in listed {
        writeln!(out, "{network}\tREJECT Too much of what came from you was refused")?;
    }
    out.flush()?;
    Ok(())
}

/// A line as the server has written it: journalctl puts date, host and program before it.
fn written(line: &str) -> &str {
    let Some((before, written)) = line.split_once("]: ") else { return line };
    let is_pid = |(_, pid): (&str, &str)| !pid.is_empty() && pid.bytes().all(|octet| octet.is_ascii_digit());
    // "Nov 23 21:00:00 host postroom[123": nothing that a client has said.
    let is_journals = before.split_whitespace().count() == 5 && before.rsplit_once('[').is_some_and(is_pid);
    if is_journals { written } else { line }
}

fn listed(mut log: impl BufRead, over: usize, within_seconds: u64) -> io::Result<BTreeSet<String>> {
    let (mut refusals, mut listed) = (BTreeMap::<String, VecDeque<i64>>::new(), BTreeSet::new());
    let within = i64::try_from(within_seconds).unwrap_or(i64::MAX);
    let (mut line, mut has_times) = (Vec::new(), false);
    while log.read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        let text = written(&text);
        let time = text.split(' ').next().and_then(DateTime::parse);
        has_times |= time.is_some();
        if let (Some(time), Some(client)) = (time, refused(text)) {
            let time = time.unix_time().0;
            let network = network_of(client);
            let times = refusals.entry(network.clone()).or_default();
            times.push_back(time);
            while times.len() > over.saturating_add(1)
                || times.front().is_some_and(|first| time - first > within)
            {
                times.pop_front();
            }
            if times.len() > over {
                listed.insert(network);
            }
        }
        line.clear();
    }
    if !has_times {
        let what = "no line begins with a time: expected what the server writes to standard error, or what journalctl makes of it";
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    Ok(listed)
}

/// The client that a line says was refused for good.
fn refused(line: &str) -> Option<IpAddr> {
    // Behind what the session says of itself.
    let (_, said) = line.split_once("}: ")?;
    let said = said.strip_prefix("postroom::policy: NOQUEUE: reject: ")?;
    let (stage, whom) = said.split_once(" from ")?;
    let is_stage = stage.bytes().all(|octet| octet.is_ascii_uppercase() || octet == b'-');
    let (_, address) = whom.split_once('[').filter(|_| is_stage)?;
    let (address, reply) = address.split_once("]: ")?;
    let address = address.parse().ok()?;
    reply.starts_with('5').then_some(address)
}

/// Whom to list: an IPv6 client has a whole /64 network to come from (RFC 4291 section 2.5.4).
fn network_of(client: IpAddr) -> String {
    match network_prefix(client, 32, 64) {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("{address}/64"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(second: u32, text: &str) -> String {
        format!("2026-11-23T13:{:02}:{:02}.250971Z  INFO {text}\n", second / 60, second % 60)
    }

    fn refusal(second: u32, address: &str, code: u16) -> String {
        let session = "session{id=1 listener=\"smtp#0\" peer=192.0.2.1:1}: postroom::policy: ";
        line(
            second,
            &format!("{session}NOQUEUE: reject: RCPT from unknown[{address}]: {code} 5.7.1 No; helo=<x>"),
        )
    }

    fn of(log: &str) -> Vec<String> {
        listed(log.as_bytes(), 2, 60).unwrap().into_iter().collect()
    }

    #[test]
    fn more_than_so_many_within_a_time() {
        let at = |seconds: [u32; 3]| seconds.map(|second| refusal(second, "203.0.113.9", 554)).concat();
        assert_eq!(of(&at([0, 30, 60])), ["203.0.113.9"]);
        assert_eq!(of(&at([0, 30, 61])), [""; 0], "never so many at a time");
        assert_eq!(of(&(at([0, 30, 61]) + &at([62, 200, 300]))), ["203.0.113.9"], "and once is enough");
        let for_now = [0, 1, 2].map(|second| refusal(second, "203.0.113.9", 450)).concat();
        assert_eq!(of(&for_now), [""; 0]);
        let neighbours = [1, 2, 3].map(|last| refusal(last, &format!("2001:db8::{last}"), 550)).concat();
        assert_eq!(of(&neighbours), ["2001:db8::/64"]);
    }

    #[test]
    fn nobody_has_somebody_else_listed() {
        let fake = "postroom::policy: NOQUEUE: reject: RCPT from x[198.51.100.1]: 554 5.7.1 No";
        let session = "session{id=1 listener=\"smtp#0\" peer=192.0.2.1:1}: ";
        let tries = [
            format!("{session}postroom::service::smtp: refused story=\"}}: {fake}\""),
            format!("{session}postroom::policy: NOQUEUE: warn: RCPT from a[192.0.2.1]: }}: {fake}"),
            format!(
                "{session}postroom::policy: NOQUEUE: reject: header Subject: a from x[198.51.100.1]: 554 from b[192.0.2.1]"
            ),
        ];
        let log: String = tries.iter().flat_map(|text| [1, 2, 3].map(|second| line(second, text))).collect();
        assert_eq!(of(&log), [""; 0]);
        assert!(listed("x\n".as_bytes(), 2, 60).is_err());
    }
}

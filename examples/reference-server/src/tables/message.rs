//! A message taken apart into what tables of `header_checks` and `body_checks` are asked for.

use crate::cli::OfMessage;
use postroom::relay_policy::checks::ContentChecks;
use postroom::relay_policy::table::{Family, Found, LookupError, Maps, Table};
use std::sync::{Arc, Mutex, PoisonError};

/// The fields and lines of a message that are wanted, in its order.
pub fn keys(message: &[u8], of: OfMessage) -> Vec<String> {
    let heard = Arc::<Mutex<Vec<Key>>>::default();
    let listening = |is_body| {
        let table: Arc<dyn Table> = Arc::new(Listening { heard: Arc::clone(&heard), is_body });
        Maps::new(vec![table])
    };
    let mut checks =
        ContentChecks { header: listening(false), body: listening(true), ..ContentChecks::default() };
    checks.limits.body_bytes_max = usize::MAX;
    let (header, rest) = message.split_at(header_end(message));
    let (mut inspection, mut kept) = (checks.inspect(), Vec::new());
    inspection.feed(header, &mut kept);
    let of_own_header = heard.lock().unwrap_or_else(PoisonError::into_inner).len();
    inspection.feed(rest, &mut kept);
    inspection.finish(&mut kept);

    let heard = std::mem::take(&mut *heard.lock().unwrap_or_else(PoisonError::into_inner));
    let mut keys = Vec::new();
    for (index, Key { is_body, text }) in heard.into_iter().enumerate() {
        let is_header = !is_body && (of.mime || index < of_own_header);
        match is_header {
            true if of.header => keys.push(text),
            // Without MIME, what is no field of the message's own is lines.
            false if of.body => keys.extend(text.split('\n').map(String::from)),
            _ => {}
        }
    }
    keys
}

/// What a table was asked for.
#[derive(Debug)]
struct Key {
    is_body: bool,
    text: String,
}

/// Remembers what it is asked for, and has nothing.
#[derive(Debug)]
struct Listening {
    heard: Arc<Mutex<Vec<Key>>>,
    is_body: bool,
}

impl Table for Listening {
    fn name(&self) -> &str {
        "standard input"
    }

    fn family(&self) -> Family {
        Family::Pattern
    }

    fn look_up(&self, key: &str) -> Result<Option<Found<'_>>, LookupError> {
        let key = Key { is_body: self.is_body, text: key.into() };
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).push(key);
        Ok(None)
    }
}

/// Behind the first empty line; the end where there is none.
fn header_end(message: &[u8]) -> usize {
    let mut at = 0;
    for line in message.split_inclusive(|octet| *octet == b'\n') {
        at += line.len();
        if matches!(line, b"\n" | b"\r\n") {
            break;
        }
    }
    at
}

//! `postroom queue`: accepted mail that waits, listed, held, let go and removed.
//!
//! One process has the spool. Where a server runs, it is asked ([`control`](crate::control)); where none does, the spool is
//! opened here, under the same lock.

use crate::cli::QueueCommand;
use crate::config::Config;
use crate::control::AskError;
use crate::first_start::{self, FirstStartError, PATIENCE, PAUSE};
use crate::{control, privileges, wiring};
use postroom::Blocking;
use postroom::local::LocalSpool;
use postroom::mailstore::Env;
use postroom::mailstore::spool::{LogSpool, QueueEntry, QueueId, RecipientState, SpoolLimits, Status};
use postroom::proto_core::UnixTime;
use smtp_proto::parameter::DateTime;
use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// What is to be done, as it goes over the control socket: a word, and ids behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Show all messages.
    List,
    /// Put these on hold.
    Hold(Vec<QueueId>),
    /// Let these go.
    Release(Vec<QueueId>),
    /// Remove these.
    Delete(Vec<QueueId>),
    /// Try these again at once; all, where none is named.
    Flush(Vec<QueueId>),
}

/// So many ids, of 40 octets each at most, stand in one line, which the [socket](control) takes.
const IDS_MAX: usize = 1000;

/// What came of a request.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// What is to be printed.
    pub text: String,
    /// What could not be done, a line each.
    pub errors: Vec<String>,
}

/// Carries a command out, and prints what came of it.
///
/// # Errors
/// A configuration that cannot be read, a spool that cannot be reached; a message that there is not.
pub fn run(path: Option<&Path>, command: &QueueCommand) -> Result<(), Box<dyn Error>> {
    let config = Config::read(path)?;
    let request = Request::of(command)?;
    let config = privileges::become_user(path, config)?;
    // Without one in the configuration, root would leave files that the server could not use, and follow links of whom it is.
    privileges::become_owner(&config.data_dir)?;
    wiring::check_owner(&config.data_dir).map_err(|error| match path {
        Some(_) => error,
        None => format!("{error}; this is where the embedded default has it: --config names another").into(),
    })?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let answer = runtime.block_on(answer(&config, &request))?;
    io::stdout().lock().write_all(answer.text.as_bytes())?;
    match &answer.errors[..] {
        [] => Ok(()),
        errors => Err(errors.join("\n").into()),
    }
}

/// What comes of a request, wherever the spool is.
async fn answer(config: &Config, request: &Request) -> Result<Answer, Box<dyn Error>> {
    let until = Instant::now() + PATIENCE;
    loop {
        // The lock says whether a server runs: a socket may be left from one that was killed.
        match first_start::lock(config) {
            Ok(_ours_alone) if matches!(request, Request::Flush(_)) => {
                return Err("no server runs: when one starts, it tries what is due".into());
            }
            Ok(_ours_alone) => return Ok(carry_out(&opened(config)?, request).await),
            Err(FirstStartError::InUse(_)) => match control::ask(config, request).await {
                // It opens its spool, or is another of us.
                Err(AskError::Unreachable { .. }) if Instant::now() < until => {
                    tokio::time::sleep(PAUSE).await;
                }
                answer => return Ok(answer?),
            },
            Err(error) => return Err(error.into()),
        }
    }
}

/// The spool where no server has it.
fn opened(config: &Config) -> Result<LocalSpool, Box<dyn Error>> {
    let directory = std::path::absolute(&config.data_dir)?.join("spool");
    let (spool, _) = LogSpool::open(Env::real(&config.hostname), &directory, SpoolLimits::default())?;
    Ok(LocalSpool::new(Arc::new(spool), Blocking::inline()))
}

/// Does what is asked.
pub async fn carry_out(spool: &LocalSpool, request: &Request) -> Answer {
    let mut answer = Answer::default();
    match request {
        Request::List => answer.text = listing(&spool.list()),
        Request::Hold(ids) | Request::Release(ids) | Request::Delete(ids) => {
            for id in ids {
                let (done, what) = match request {
                    Request::Hold(_) => (spool.set_hold(id, true).await, "on hold"),
                    Request::Release(_) => (spool.set_hold(id, false).await, "no longer on hold"),
                    _ => (spool.remove(id).await, "removed"),
                };
                match done {
                    Ok(()) => {
                        tracing::info!(queue_id = %id, "{what}, as an administrator wants it");
                        answer.say(format_args!("{id}: {what}"));
                    }
                    Err(error) => answer.errors.push(format!("{id}: {error}")),
                }
            }
        }
        Request::Flush(ids) if ids.is_empty() => {
            answer.say(format_args!("{} messages are tried again", spool.retry_now(None)));
        }
        Request::Flush(ids) => {
            for id in ids {
                match spool.retry_now(Some(id)) {
                    0 => {
                        answer.errors.push(format!("{id}: no message with this id waits for another attempt"))
                    }
                    _ => answer.say(format_args!("{id}: tried again")),
                }
            }
        }
    }
    answer
}

impl Answer {
    fn say(&mut self, line: std::fmt::Arguments<'_>) {
        self.text += &format!("{line}\n");
    }
}

impl Request {
    fn of(command: &QueueCommand) -> Result<Self, String> {
        let read = |ids: &[String]| -> Result<Vec<QueueId>, String> {
            let id = |id: &String| id.parse().map_err(|_| format!("{id}: a queue id has letters and digits"));
            ids.iter().map(id).collect()
        };
        Ok(match command {
            QueueCommand::List => Self::List,
            QueueCommand::Hold { ids } => Self::Hold(read(ids)?),
            QueueCommand::Release { ids } => Self::Release(read(ids)?),
            QueueCommand::Delete { ids } => Self::Delete(read(ids)?),
            QueueCommand::Flush { ids } => Self::Flush(read(ids)?),
        })
    }

    /// Reads a line that [`Request::to_lines`] has written.
    pub fn from_line(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let word = words.next()?;
        let ids: Vec<QueueId> = words.map(|word| word.parse().ok()).collect::<Option<_>>()?;
        Some(match word {
            "list" if ids.is_empty() => Self::List,
            "hold" => Self::Hold(ids),
            "release" => Self::Release(ids),
            "delete" => Self::Delete(ids),
            "flush" => Self::Flush(ids),
            _ => return None,
        })
    }

    /// Lines without their ends, each a request: one, but for more than [`IDS_MAX`] ids.
    pub fn to_lines(&self) -> Vec<String> {
        let (word, ids): (_, &[QueueId]) = match self {
            Self::List => ("list", &[]),
            Self::Hold(ids) => ("hold", ids),
            Self::Release(ids) => ("release", ids),
            Self::Delete(ids) => ("delete", ids),
            Self::Flush(ids) => ("flush", ids),
        };
        let line = |ids: &[QueueId]| ids.iter().fold(word.to_owned(), |line, id| line + " " + id.as_str());
        // A word alone may be a request, too.
        let first = ids.len().min(IDS_MAX);
        let (first, rest) = ids.split_at(first);
        std::iter::once(first).chain(rest.chunks(IDS_MAX)).map(line).collect()
    }
}

/// The queue as Postfix's `postqueue -p` shows it: `!` for what is on hold, `*` for what is being delivered.
fn listing(entries: &[QueueEntry]) -> String {
    if entries.is_empty() {
        return "Mail queue is empty\n".into();
    }
    let mut text =
        String::from("-Queue ID-            --Size-- --Arrival Time (UTC)- -Sender/Recipient-------\n");
    for entry in entries {
        let mark = if entry.hold {
            "!"
        } else if entry.active {
            "*"
        } else {
            ""
        };
        let sender = match &*entry.envelope.reverse_path {
            "" => "MAILER-DAEMON",
            sender => sender,
        };
        let arrival = date(entry.envelope.received_at.0);
        let id = format!("{}{mark}", entry.id);
        // A text takes it all.
        let _ = writeln!(text, "{id:<20} {:>9} {arrival:<20}  {}", entry.body_bytes, printable(sender));
        for (recipient, status) in entry.envelope.recipients.iter().zip(&entry.statuses) {
            if let Some(why) = why(status) {
                let _ = writeln!(text, "{:>53}({})", "", printable(&why));
            }
            if !status.state.is_done() {
                let _ = writeln!(text, "{:>53}{}", "", printable(&recipient.address));
            }
        }
        text.push('\n');
    }
    let octets: u64 = entries.iter().map(|entry| entry.body_bytes).sum();
    let held = entries.iter().filter(|entry| entry.hold).count();
    let _ = writeln!(text, "-- {octets} octets in {} messages, {held} on hold.", entries.len());
    text
}

/// What the last attempt came to, where it has to be made again.
fn why(status: &Status) -> Option<String> {
    let RecipientState::Deferred(until) = status.state else { return None };
    let reason = status.reason.as_deref().unwrap_or("deferred");
    Some(format!("{reason}; again at {}", date(until.0)))
}

/// Addresses and reasons are others' words, and this goes to a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { '?' } else { character }).collect()
}

/// A second in UTC as RFC 3339 has it.
fn date(seconds: i64) -> String {
    DateTime::new(UnixTime(seconds)).map_or_else(String::new, |date| date.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_come_over_as_they_are() {
        let ids: Vec<QueueId> = ["3ZK0Q4N1XA", "B"].map(|id| id.parse().unwrap()).into();
        for request in [
            Request::List,
            Request::Hold(ids.clone()),
            Request::Release(ids.clone()),
            Request::Delete(ids.clone()),
            Request::Flush(ids),
            Request::Flush(Vec::new()),
        ] {
            let lines = request.to_lines();
            assert_eq!(lines.len(), 1);
            assert_eq!(Request::from_line(&lines[0]), Some(request));
        }
        let many: Vec<QueueId> = (0..2 * IDS_MAX + 1).map(|n| format!("{n:040}").parse().unwrap()).collect();
        let lines = Request::Delete(many.clone()).to_lines();
        assert!(lines.iter().all(|line| line.len() < control::LINE_BYTES_MAX));
        let ids = lines.iter().flat_map(|line| match Request::from_line(line) {
            Some(Request::Delete(ids)) => ids,
            request => panic!("{request:?}"),
        });
        assert_eq!(ids.collect::<Vec<_>>(), many);
        for wrong in ["", "list 3ZK0Q4N1XA", "empty", "hold ../x", "hold  A"] {
            assert_eq!(Request::from_line(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_others_wrote_does_not_steer_a_terminal() {
        assert_eq!(printable("a\u{1b}[2J\nb"), "a?[2J?b");
        assert_eq!(date(0), "1970-01-01T00:00:00Z");
    }
}

//! The socket by which `postroom queue` reaches a running server: `control/queue` below `data_dir`.
//!
//! A line is asked and lines come back, each behind `+` (to be printed) or `-` (what could not be done), and at their end a `.`.
//!
//! # Limits
//! Whoever may open the directory may do everything; it is the server's own alone. A line has 64 KiB at most (who asks with many ids
//! sends several, each by a connection of its own), a client 10 s to ask,
//! and one is served at a time. The path of a socket has 108 octets at most: where that of `data_dir` is longer there is none, which the log
//! says.

use crate::config::Config;
use crate::queue::{self, Answer, Request};
use postroom::local::LocalSpool;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

/// The longest line that is asked, in octets.
pub const LINE_BYTES_MAX: usize = 64 << 10;

/// How long a client may take to ask, and to read what it is told.
const PATIENCE: Duration = Duration::from_secs(10);

fn path(config: &Config) -> PathBuf {
    config.data_dir.join("control").join("queue")
}

/// Opens the socket. The lock of the data directory must be ours: what lies there is then nobody's any more.
///
/// # Errors
/// When the system does not let us.
pub fn listen(config: &Config) -> io::Result<UnixListener> {
    let path = path(config);
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => UnixListener::bind(&path),
    }
}

/// Serves the socket for as long as the program runs.
pub async fn serve(listener: UnixListener, spool: LocalSpool) {
    loop {
        let served = match listener.accept().await {
            Ok((stream, _)) => one(stream, &spool).await,
            Err(error) => {
                // Too many open files, as a rule: others will have closed some.
                tokio::time::sleep(Duration::from_secs(1)).await;
                Err(error)
            }
        };
        if let Err(error) = served {
            tracing::warn!(%error, "a request about the queue was not answered");
        }
    }
}

async fn one(stream: UnixStream, spool: &LocalSpool) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    timeout(PATIENCE, (&mut stream).take(LINE_BYTES_MAX as u64).read_line(&mut line)).await??;
    let answer = match line.strip_suffix('\n').and_then(Request::from_line) {
        Some(request) => queue::carry_out(spool, &request).await,
        None => Answer { text: String::new(), errors: vec!["the server does not know this request".into()] },
    };
    let mut octets: String = answer.text.lines().map(|line| format!("+{line}\n")).collect();
    octets.extend(answer.errors.iter().map(|error| format!("-{}\n", error.replace('\n', " "))));
    octets += ".\n";
    timeout(PATIENCE, stream.write_all(octets.as_bytes())).await?
}

/// Why a server could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// It does not listen, or not yet.
    #[error("{}: cannot reach the running server: {error}", path.display())]
    Unreachable {
        /// The socket.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// It went away.
    #[error("the server ended before it had answered")]
    Ended,
}

/// Asks the server that has the spool.
///
/// # Errors
/// [`AskError`]; once it has been reached, some of the request may have been done.
pub async fn ask(config: &Config, request: &Request) -> Result<Answer, AskError> {
    let mut answer = Answer::default();
    for (at, line) in request.to_lines().iter().enumerate() {
        let path = path(config);
        let stream = UnixStream::connect(&path).await.map_err(|error| match at {
            0 => AskError::Unreachable { path, error },
            _ => AskError::Ended,
        })?;
        ask_one(stream, line, &mut answer).await?;
    }
    Ok(answer)
}

async fn ask_one(mut stream: UnixStream, line: &str, answer: &mut Answer) -> Result<(), AskError> {
    let mut told = String::new();
    let asked = async {
        stream.write_all(format!("{line}\n").as_bytes()).await?;
        stream.read_to_string(&mut told).await
    };
    asked.await.map_err(|_| AskError::Ended)?;
    for line in told.lines() {
        match line.split_at_checked(1) {
            Some(("+", text)) => answer.text += &format!("{text}\n"),
            Some(("-", error)) => answer.errors.push(error.to_owned()),
            Some((".", "")) => return Ok(()),
            _ => break,
        }
    }
    Err(AskError::Ended)
}

//! The socket by which `postroom queue` reaches a running server: `control/queue` below `data_dir`.
//!
//! A line is asked and lines come back, each behind `+` (to be printed) or `-` (what could not be done), and at their end a `.`.
//!
//! # Limits
//! Whoever may open the directory may do everything; it is the server's own alone. A line has 64 KiB at most, a client 10 s to ask,
//! and one is served at a time. The path of a socket has 108 octets at most: where that of `data_dir` is longer there is none, which the log
//! says.

use crate::config::Config;
use crate::queue::{self, Answer, Request};
use postroom::local::LocalSpool;
use std::error::Error;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;

/// The longest line that is asked.
const LINE_BYTES_MAX: u64 = 64 << 10;

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
    timeout(PATIENCE, (&mut stream).take(LINE_BYTES_MAX).read_line(&mut line)).await??;
    let answer = match line.strip_suffix('\n').and_then(Request::from_line) {
        Some(request) => queue::carry_out(spool, &request).await,
        None => Answer { text: String::new(), errors: vec!["the server does not know this request".into()] },
    };
    let mut octets: String = answer.text.lines().map(|line| format!("+{line}\n")).collect();
    octets.extend(answer.errors.iter().map(|error| format!("-{}\n", error.replace('\n', " "))));
    octets += ".\n";
    timeout(PATIENCE, stream.write_all(octets.as_bytes())).await?
}

/// Asks the server that has the spool.
///
/// # Errors
/// When it cannot be reached, or goes away meanwhile.
pub async fn ask(config: &Config, request: &Request) -> Result<Answer, Box<dyn Error>> {
    let path = path(config);
    let stream = UnixStream::connect(&path).await;
    let mut stream =
        stream.map_err(|error| format!("{}: cannot reach the running server: {error}", path.display()))?;
    stream.write_all(format!("{}\n", request.to_line()).as_bytes()).await?;
    let mut told = String::new();
    stream.read_to_string(&mut told).await?;
    let mut answer = Answer::default();
    for line in told.lines() {
        match line.split_at_checked(1) {
            Some(("+", text)) => answer.text += &format!("{text}\n"),
            Some(("-", error)) => answer.errors.push(error.to_owned()),
            Some((".", "")) => return Ok(answer),
            _ => break,
        }
    }
    Err("the server ended before it had answered".into())
}

//! Commands that aliases name, where `allow_mail_to_commands` allows that.
//!
//! A command gets the message on its standard input, in the form of a file, behind a `From_` line, `Return-Path:`,
//! `X-Original-To:` and `Delivered-To:`. What else it may want to know is in its environment (`environment.rs`), where nothing
//! stands that means something to a shell. What its end says of the message, `status.rs` tells. One in which nothing stands that
//! means something to a shell is run without one; if there is no program of that name, a shell may know it (`exit 75`). A status of
//! [`Commands::over_quota_statuses`] is a mailbox over quota, as one of ours.
//!
//! # Promises
//! A command is run at least once for each recipient that leads to it: one that a crash cuts off is run again, and so is one whose end was
//! not recorded. It is its own affair to notice that.
//!
//! # Limits
//! [`Commands::time_limit`] for each, [`Commands::running_max`] at a time; of what it writes, the first [`OUTPUT_BYTES_MAX`] octets are
//! logged and the rest is read and forgotten. At its end, or when its time is over, or when the server stops, what still runs in its process
//! group is killed. Memory and files are not limited: who runs the server can do that.
//!
//! # Departures
//! From Postfix's local(8): a command runs as one user, never as root, not as the owner of an alias file. Its directory is `/`. `HOME` is
//! [`Commands::home`]. `CLIENT_HOSTNAME` is `unknown` where policy has no use for the client's name, as it is then not looked for. `SHELL` is
//! `/bin/sh`. What is in its process group does not outlive it. One that exceeds its time, a program that is not there, and one of which a shell says that or that it
//! died with a signal (126, 127, 129 to 192), are deferred, not bounced: whoever runs the server can mend that.

mod environment;
mod input;
mod status;

use mailstore::spool::{Envelope, Recipient};
use mailstore::{Class, ErrorKind, MessageReader, StoreError};
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsString;
use std::io;
use std::num::NonZeroU8;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::process::{Child, ChildStdin, Command};

/// What runs a command that is more than words.
const SHELL: &str = "/bin/sh";

/// What stands in commands that need no shell, besides letters, digits and blanks.
const PLAIN: &str = "!@%-_=+:,./";

/// So much of what a command writes is kept.
const OUTPUT_BYTES_MAX: usize = 4096;

/// So many characters of a command are named in a log.
const COMMAND_CHARS_SHOWN: usize = 200;

/// How long the end of its output is waited for when it has ended and what it left was killed.
const OUTPUT_PATIENCE: Duration = Duration::from_secs(1);

/// How commands are run.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Commands {
    /// How long one may run; zero lets none come to its end. Default 1000 seconds (`command_time_limit` of Postfix).
    pub time_limit: Duration,
    /// How many run at a time. Default 20 (`default_destination_concurrency_limit` of Postfix).
    pub running_max: usize,
    /// What they have as `HOME`. Default that of this process's environment.
    pub home: Option<PathBuf>,
    /// The exit statuses that mean a full mailbox, whatever the command says besides: [`quota_full_tempfail`](super::Deliverers::quota_full_tempfail)
    /// decides then, as of a mailbox here. For Courier's `deliverquota` 75 and 77: one is what it does, one what its manual says.
    /// Default none, since 75 is any temporary failure to other programs.
    pub over_quota_statuses: Vec<NonZeroU8>,
    /// As whom, where not as the process itself.
    user: Option<(u32, u32)>,
}

impl Commands {
    /// As the user that this process runs as; `None` where that is root.
    pub fn as_this_user() -> Option<Self> {
        let is_root = rustix::process::geteuid().is_root() || rustix::process::getuid().is_root();
        (!is_root).then_some(Self::with(None))
    }

    /// As this user, in this group and no other, by number; `None` where either is root's. Only a process that is root's may do that.
    pub fn as_user(uid: u32, gid: u32) -> Option<Self> {
        (uid != 0 && gid != 0).then_some(Self::with(Some((uid, gid))))
    }

    fn with(user: Option<(u32, u32)>) -> Self {
        Self {
            time_limit: Duration::from_secs(1000),
            running_max: 20,
            home: None,
            over_quota_statuses: Vec::new(),
            user,
        }
    }

    /// Runs a command with a message, and tells what became of it.
    ///
    /// # Errors
    /// When it has not taken the message; `OverQuota` of a store where it says that a mailbox is full.
    pub(super) async fn run(
        &self,
        command: &str,
        (envelope, recipient): (&Envelope, &Recipient),
        body: Box<dyn MessageReader>,
    ) -> Result<(), super::deliverer::Failure> {
        let environment = environment::environment(envelope, recipient, self.home.as_deref());
        let (output, child) = self.spawn(command, environment).map_err(|error| {
            Failure::for_now(format!("4.3.0 the command \"{}\" cannot be run: {error}", shown(command)))
        })?;
        let mut running = Running::new(child);
        let mut output = Output::new(output);
        let beginning = input::beginning(envelope, recipient);
        let ended =
            tokio::time::timeout(self.time_limit, running.until_it_ends(beginning, body, &mut output)).await;
        running.kill();
        let status = match ended {
            Ok(status) => status?,
            Err(_) => {
                let limit = self.time_limit.as_secs();
                return Err(Failure::for_now(format!("4.3.0 command time limit exceeded: {limit} s")).into());
            }
        };
        // What it left behind may have its output still open, out of its group.
        let _ = tokio::time::timeout(OUTPUT_PATIENCE, output.read()).await;
        let text = output.text();
        if !text.is_empty() {
            tracing::info!(to = &*recipient.address, output = &*text, "command output");
        }
        if self.is_over_quota(status) {
            let why = status::with_output(format!("the command ended with {status}"), &text);
            return Err(StoreError::new(ErrorKind::OverQuota, "delivering to a command", why).into());
        }
        Ok(status::outcome(status, &text)?)
    }

    /// Whether this is how a command ends that has found a mailbox full.
    fn is_over_quota(&self, status: ExitStatus) -> bool {
        let is = |code| self.over_quota_statuses.iter().any(|full| i32::from(full.get()) == code);
        status.code().is_some_and(is)
    }

    fn spawn(
        &self,
        command: &str,
        environment: Vec<(&'static str, OsString)>,
    ) -> io::Result<(pipe::Receiver, Child)> {
        let mut words = command.split([' ', '\t']).filter(|word| !word.is_empty());
        if let Some(program) = words.next()
            && command.chars().all(|c| matches!(c, ' ' | '\t') || is_plain(c))
        {
            let mut process = Command::new(program);
            process.args(words);
            match self.start(process, &environment) {
                // It may be a word of the shell's own.
                Err(error) if error.kind() == io::ErrorKind::NotFound && !program.contains('/') => {}
                started => return started,
            }
        }
        let mut process = Command::new(SHELL);
        process.arg("-c").arg(command);
        self.start(process, &environment)
    }

    fn start(
        &self,
        mut process: Command,
        environment: &[(&'static str, OsString)],
    ) -> io::Result<(pipe::Receiver, Child)> {
        let (output, write_end) = io::pipe()?;
        process
            .env_clear()
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(write_end.try_clone()?)
            .stderr(write_end)
            .process_group(0)
            .kill_on_drop(true);
        if let Some((uid, gid)) = self.user {
            process.uid(uid).gid(gid);
        }
        let child = process.spawn()?;
        // Our ends of what it writes to close here.
        drop(process);
        Ok((pipe::Receiver::from_owned_fd(output.into())?, child))
    }
}

/// Whether a character means nothing to a shell.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || PLAIN.contains(c)
}

/// Why a command could not be run, as far as that can be seen before: its first word is a path, and no program that whoever asks may
/// run.
pub(crate) fn missing_program(command: &str) -> Option<String> {
    let program = command.split([' ', '\t']).find(|word| !word.is_empty())?;
    if !program.starts_with('/') || !program.chars().all(is_plain) {
        return None;
    }
    let why = match std::fs::metadata(program) {
        Err(error) => error.to_string(),
        Ok(metadata) if !metadata.is_file() => "it is no file".to_owned(),
        Ok(_) => rustix::fs::access(program, rustix::fs::Access::EXEC_OK).err()?.to_string(),
    };
    Some(format!("the command \"{}\" cannot be run: {why}", shown(command)))
}

/// As much of a command as a line of a log has room for, without what would steer a terminal.
fn shown(command: &str) -> String {
    let shown = command.chars().take(COMMAND_CHARS_SHOWN);
    shown.map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Why a command has not taken a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(super) struct Failure {
    /// Whether trying again may help.
    pub(super) class: Class,
    /// An enhanced status code, and what is said of it.
    pub(super) text: String,
    /// Whether the command says so, by its end or in words. What else is known is for the log, also the line that was run.
    pub(super) is_said: bool,
}

impl Failure {
    /// It may be tried again.
    pub(super) fn for_now(text: impl Into<String>) -> Self {
        Self { class: Class::Temporary, text: text.into(), is_said: false }
    }

    /// The command says so; the text begins with the status code that tells what to do.
    pub(super) fn said(text: String) -> Self {
        let class = if text.starts_with('5') { Class::Permanent } else { Class::Temporary };
        Self { class, text, is_said: true }
    }
}

/// A command, and what it has started. Dropped, it is killed with all of that.
struct Running {
    child: Child,
    /// Kept here, so that it is open until the command is killed: an end in the middle of a message would be taken for its end.
    stdin: Option<ChildStdin>,
    group: Option<Pid>,
}

impl Running {
    fn new(mut child: Child) -> Self {
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        let stdin = child.stdin.take();
        Self { child, stdin, group: pid.and_then(Pid::from_raw) }
    }

    /// Feeds it and reads what it writes until it ends.
    async fn until_it_ends(
        &mut self,
        beginning: Vec<u8>,
        body: Box<dyn MessageReader>,
        output: &mut Output,
    ) -> Result<ExitStatus, Failure> {
        let (mut is_fed, mut has_closed) = (false, false);
        let mut feeding = std::pin::pin!(input::feed(&mut self.stdin, beginning, body));
        loop {
            tokio::select! {
                ended = self.child.wait() => {
                    return ended.map_err(|error| Failure::for_now(format!("4.3.0 the command was lost: {error}")));
                }
                fed = &mut feeding, if !is_fed => {
                    is_fed = true;
                    fed.map_err(|error| Failure::for_now(format!("4.3.0 {error}")))?;
                }
                () = output.read(), if !has_closed => has_closed = true,
            }
        }
    }

    /// Kills what still runs in its group. The number is that group's for as long as anything does.
    fn kill(&mut self) {
        if let Some(group) = self.group.take() {
            // As a rule there is nobody left.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a command writes.
struct Output {
    pipe: pipe::Receiver,
    kept: Vec<u8>,
}

impl Output {
    fn new(pipe: pipe::Receiver) -> Self {
        Self { pipe, kept: Vec::new() }
    }

    /// Reads until nobody can write any more.
    async fn read(&mut self) {
        let mut some = [0; 4096];
        while let Ok(octets @ 1..) = self.pipe.read(&mut some).await {
            let room = OUTPUT_BYTES_MAX - self.kept.len();
            self.kept.extend_from_slice(&some[..octets.min(room)]);
        }
    }

    /// What was kept, in one line and without what would steer a terminal.
    fn text(&self) -> String {
        let text = String::from_utf8_lossy(&self.kept);
        let shown = |c: char| if c.is_control() || c.is_whitespace() { ' ' } else { c };
        text.chars().map(shown).collect::<String>().trim().to_owned()
    }
}

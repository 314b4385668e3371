//! The lines that a decision leaves for the log, in Postfix's shape.

use super::probe::written;
use crate::request::{Request, Stage};
use proto_core::address::ForwardPath;
use std::fmt::{self, Display};

/// Lines for the log, in the order in which they came up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Log {
    lines: Vec<LogLine>,
}

/// One line for the log; `Display` gives it whole.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogLine {
    /// Something is wrong in the configuration, or could not be found out: for the administrator.
    Warning(String),
    /// Something worth knowing.
    Info(String),
    /// Something was done about a command: refused, held, noted.
    Event(String),
}

impl Log {
    /// The lines.
    pub fn lines(&self) -> &[LogLine] {
        &self.lines
    }

    pub(crate) fn warn(&mut self, text: impl Into<String>) {
        self.lines.push(LogLine::Warning(text.into()));
    }

    pub(crate) fn info(&mut self, text: impl Into<String>) {
        self.lines.push(LogLine::Info(text.into()));
    }

    /// What was done (`reject`, `hold`) about the command under way.
    pub(crate) fn event(&mut self, request: &Request, stage: Stage<'_>, verb: &str, text: &dyn Display) {
        self.lines.push(LogLine::event(request, stage, verb, text));
    }

    pub(crate) fn append(&mut self, other: Log) {
        self.lines.extend(other.lines);
    }
}

impl LogLine {
    /// What was done (`reject`, `hold`) about the command under way, with who sent it, in the words of all such lines.
    pub fn event(request: &Request, stage: Stage<'_>, verb: &str, text: &dyn Display) -> Self {
        Self::Event(event(request, stage, verb, text))
    }
}

impl Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Warning(text) => write!(f, "warning: {text}"),
            Self::Info(text) | Self::Event(text) => f.write_str(text),
        }
    }
}

fn event(request: &Request, stage: Stage<'_>, verb: &str, text: &dyn Display) -> String {
    let queue_id = request.queue_id.as_deref().unwrap_or("NOQUEUE");
    let state = state(stage, request.esmtp);
    let mut line = format!("{queue_id}: {verb}: {state} from {}: {text};", request.client_host());
    line += &envelope(request, request.recipient(stage));
    if let Some(method) = request.sasl_method {
        line += &format!(" sasl_method={method}");
    }
    if let Some(login) = &request.login {
        line += &format!(" sasl_username={login}");
    }
    if let Some(sender) = &request.sasl_sender {
        line += &format!(" sasl_sender={sender}");
    }
    line
}

/// Sender, recipient, protocol and HELO name.
pub(crate) fn envelope(request: &Request, recipient: Option<&ForwardPath>) -> String {
    let mut line = String::new();
    if let Some(sender) = &request.sender {
        let sender = sender.mailbox().map(written).unwrap_or_default();
        line += &format!(" from=<{sender}>");
    }
    if let Some(recipient) = recipient {
        match recipient {
            ForwardPath::Mailbox(mailbox) => line += &format!(" to=<{}>", written(mailbox)),
            ForwardPath::Postmaster => line += &format!(" to={recipient}"),
        }
    }
    line += if request.esmtp { " proto=ESMTP" } else { " proto=SMTP" };
    if let Some(helo) = &request.helo {
        line += &format!(" helo=<{helo}>");
    }
    line
}

/// A stage as logs and policy services name it.
pub(crate) fn state(stage: Stage<'_>, esmtp: bool) -> &'static str {
    match stage {
        Stage::Connect => "CONNECT",
        Stage::Helo if esmtp => "EHLO",
        Stage::Helo => "HELO",
        Stage::Mail => "MAIL",
        Stage::Rcpt(_) => "RCPT",
        Stage::Vrfy(_) => "VRFY",
        Stage::Data => "DATA",
        Stage::EndOfMessage => "END-OF-MESSAGE",
        Stage::Etrn(_) => "ETRN",
    }
}

//! The lines that a decision leaves for the log, in Postfix's shape.

use crate::request::{Request, Stage};
use proto_core::address::ForwardPath;
use std::fmt::{self, Display, Write as _};

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
    let (state, client) = (state(stage, request.esmtp), request.client_host());
    let mut line = format!("{queue_id}: {verb}: {state} from {client}: {text};");
    write_envelope(&mut line, request, request.recipient(stage));
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            line.extend([" ", name, "=", value]);
        }
    };
    add("sasl_method", request.sasl_method);
    add("sasl_username", request.login.as_deref());
    add("sasl_sender", request.sasl_sender.as_deref());
    line
}

/// Sender, recipient, protocol and HELO name.
pub(crate) fn envelope(request: &Request, recipient: Option<&ForwardPath>) -> String {
    let mut line = String::new();
    write_envelope(&mut line, request, recipient);
    line
}

fn write_envelope(line: &mut String, request: &Request, recipient: Option<&ForwardPath>) {
    // A text takes everything, so writing into one does not fail.
    if let Some(sender) = &request.sender {
        match sender.mailbox() {
            Some(mailbox) => _ = write!(line, " from=<{}>", mailbox.as_written()),
            None => line.push_str(" from=<>"),
        }
    }
    if let Some(recipient) = recipient {
        let _ = match recipient {
            ForwardPath::Mailbox(mailbox) => write!(line, " to=<{}>", mailbox.as_written()),
            ForwardPath::Postmaster => write!(line, " to={recipient}"),
        };
    }
    line.push_str(if request.esmtp { " proto=ESMTP" } else { " proto=SMTP" });
    if let Some(helo) = &request.helo {
        let _ = write!(line, " helo=<{helo}>");
    }
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

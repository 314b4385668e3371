//! What became of a message: sent, to be tried again, or never; and whose fault it was.
//!
//! RFC 5321 section 4.2.1: the first digit is what counts. The enhanced code (RFC 3463) tells more, and where a server
//! gives none, one is derived from the code and the stage, so that every failure has one to put into a report.

use super::envelope::Omitted;
use crate::reply::{EnhancedCode, Reply};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// One for each recipient, in the order in which they were given.
    pub outcomes: Vec<Outcome>,
    /// What the envelope asked for and the server does not offer.
    pub omitted: Vec<Omitted>,
}

/// What became of a message for one recipient.
///
/// A reply that is about several recipients is shared between their outcomes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The server has taken the responsibility.
    Sent(Arc<Reply>),
    /// Not now: try again later. Where the session ended before a reply, the server may have taken the message
    /// nevertheless, and trying again may make a second one (RFC 5321 section 6.1).
    Temporary(Failure),
    /// Never.
    Permanent(Failure),
    /// The application gave the message up.
    Aborted,
}

impl Outcome {
    /// What a reply at some stage means.
    pub(super) fn of_reply(stage: Stage, reply: &Arc<Reply>) -> Self {
        if reply.is_positive() {
            return Self::Sent(Arc::clone(reply));
        }
        let failure = Failure::of_reply(stage, reply);
        if failure.status.class() == 5 { Self::Permanent(failure) } else { Self::Temporary(failure) }
    }

    /// The failure, if it is one.
    pub const fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Temporary(failure) | Self::Permanent(failure) => Some(failure),
            Self::Sent(_) | Self::Aborted => None,
        }
    }
}

/// One line for a log: what became of it, when, and the words of the server.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent(reply) => write!(f, "sent: {reply}"),
            Self::Temporary(failure) => write!(f, "not now: {failure}"),
            Self::Permanent(failure) => write!(f, "refused: {failure}"),
            Self::Aborted => f.write_str("given up by this side"),
        }
    }
}

/// When something was said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Stage {
    /// In place of the greeting.
    Greeting,
    /// In reply to EHLO, HELO or LHLO.
    Hello,
    /// In reply to STARTTLS.
    Tls,
    /// In reply to AUTH.
    Auth,
    /// In reply to MAIL.
    Mail,
    /// In reply to RCPT.
    Rcpt,
    /// In reply to DATA, or to a BDAT that was not the last, or while the message was on its way.
    Data,
    /// In reply to the complete message.
    EndOfData,
    /// At any other time.
    Idle,
}

/// The command that it is about, or what else was waited for.
impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "greeting",
            Self::Hello => "hello",
            Self::Tls => "STARTTLS",
            Self::Auth => "AUTH",
            Self::Mail => "MAIL",
            Self::Rcpt => "RCPT",
            Self::Data => "DATA",
            Self::EndOfData => "end of data",
            Self::Idle => "idle session",
        })
    }
}

/// Whose fault a failure is: who would have to do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The sender's address.
    Sender,
    /// The recipient's address or mailbox.
    Recipient,
    /// The message itself: its size, its form, what it holds.
    Message,
    /// Somebody's rules: no authentication, no encryption, a refused client.
    Policy,
    /// The server and what is behind it.
    System,
    /// The connection, or the protocol that is spoken on it.
    Transport,
}

/// A failure, classified.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Failure {
    /// When it was said, or when the session ended.
    pub stage: Stage,
    /// Whose fault it is.
    pub fault: Fault,
    /// The server's enhanced code, or the one that fits best. Its class is that of the outcome.
    pub status: EnhancedCode,
    /// What the server said; `None` when the session ended without a word about it, and when the client decided.
    pub reply: Option<Arc<Reply>>,
}

impl Failure {
    /// What a reply that is not positive means.
    pub(super) fn of_reply(stage: Stage, reply: &Arc<Reply>) -> Self {
        let status = status(stage, reply);
        Self { stage, fault: fault(stage, status), status, reply: Some(Arc::clone(reply)) }
    }

    /// The session ended: `X.4.2`, bad connection.
    pub(super) const fn of_connection(stage: Stage) -> Self {
        Self { stage, fault: Fault::Transport, status: CONNECTION, reply: None }
    }

    /// The session is not what our own configuration demands: `X.7.0`.
    pub(super) const fn of_policy(stage: Stage) -> Self {
        Self { stage, fault: Fault::Policy, status: POLICY, reply: None }
    }

    /// More recipients than the server takes at once: `X.5.3`.
    pub(super) const fn of_recipient_limit() -> Self {
        Self { stage: Stage::Rcpt, fault: Fault::System, status: TOO_MANY_RECIPIENTS, reply: None }
    }
}

/// When it was, and the server's words; where it said none, the enhanced code and what has happened.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.stage)?;
        match (&self.reply, self.fault) {
            (Some(reply), _) => write!(f, "{reply}"),
            (None, Fault::Policy) => write!(f, "{} the session is not as this side demands", self.status),
            (None, Fault::System) => write!(f, "{} more recipients than the server takes", self.status),
            (None, _) => write!(f, "{} the connection ended without a reply", self.status),
        }
    }
}

const fn code(class: u8, subject: u16, detail: u16) -> EnhancedCode {
    EnhancedCode::new(class, subject, detail).expect("invariant: written out here")
}

const CONNECTION: EnhancedCode = code(4, 4, 2);
const POLICY: EnhancedCode = code(4, 7, 0);
const TOO_MANY_RECIPIENTS: EnhancedCode = code(4, 5, 3);

/// The reply's enhanced code, or what RFC 5321 section 4.2.3 says of its code in the terms of RFC 3463.
fn status(stage: Stage, reply: &Reply) -> EnhancedCode {
    let permanent = reply.is_permanent() && !is_old_recipient_limit(stage, reply);
    let class = if permanent { 5 } else { 4 };
    if let Some(said) = reply.enhanced() {
        return code(class, said.subject(), said.detail());
    }
    let (subject, detail) = match (reply.code(), stage) {
        (421 | 521, _) => (3, 2),
        (450, Stage::Rcpt) => (2, 0),
        (450 | 451, _) => (3, 0),
        (452 | 552, Stage::Rcpt) => (5, 3),
        (452, _) => (3, 1),
        (552, _) => (3, 4),
        (454 | 530, _) => (7, 0),
        (534, _) => (7, 9),
        (535, _) => (7, 8),
        (538, _) => (7, 11),
        (500, _) => (5, 2),
        (501 | 504 | 555 | 455, _) => (5, 4),
        (502 | 503, _) => (5, 1),
        (551, _) => (1, 6),
        (553, Stage::Mail) => (1, 7),
        (553, _) => (1, 3),
        // RFC 7504: the domain takes no mail at all.
        (556, _) => (1, 10),
        _ => (0, 0),
    };
    code(class, subject, detail)
}

/// RFC 5321 section 4.5.3.1.10: 552 to a recipient is an old way to say 452, unless its enhanced code says otherwise.
fn is_old_recipient_limit(stage: Stage, reply: &Reply) -> bool {
    let other = reply.enhanced().is_some_and(|said| (said.subject(), said.detail()) != (5, 3));
    stage == Stage::Rcpt && reply.code() == 552 && !other
}

/// By the subject of RFC 3463 section 3; what says nothing is the fault of whatever the stage is about.
fn fault(stage: Stage, status: EnhancedCode) -> Fault {
    let address = if stage == Stage::Mail { Fault::Sender } else { Fault::Recipient };
    match (status.subject(), status.detail()) {
        // RFC 3463 section 3.2 and RFC 7505: these are about the sender, whenever they are said.
        (1, 7 | 8) | (7, 27) => Fault::Sender,
        (1 | 2, _) => address,
        (3, 4) | (7, 16) => Fault::Message,
        (3, _) | (5, 3) => Fault::System,
        (4 | 5, _) => Fault::Transport,
        // RFC 6531 section 4.2: an address is not ASCII.
        (6, 7) if matches!(stage, Stage::Mail | Stage::Rcpt) => address,
        (6, _) => Fault::Message,
        // RFC 7293: the mailbox is no longer the one that was meant.
        (7, 17 | 18) => Fault::Recipient,
        (7, _) => Fault::Policy,
        _ if status.class() == 4 => Fault::System,
        _ => match stage {
            Stage::Mail | Stage::Rcpt => address,
            Stage::Data | Stage::EndOfData => Fault::Message,
            Stage::Auth => Fault::Policy,
            Stage::Greeting | Stage::Hello | Stage::Tls | Stage::Idle => Fault::System,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ReplyParser;
    use alloc::format;
    use alloc::string::String;

    fn classify(stage: Stage, line: &str) -> String {
        let reply = ReplyParser::new().line(line.as_bytes(), 1, 512).unwrap().unwrap();
        match Outcome::of_reply(stage, &Arc::new(reply)) {
            Outcome::Sent(_) => "sent".into(),
            Outcome::Temporary(failure) => format!("temporary {:?} {}", failure.fault, failure.status),
            Outcome::Permanent(failure) => format!("permanent {:?} {}", failure.fault, failure.status),
            Outcome::Aborted => "aborted".into(),
        }
    }

    #[test]
    fn a_line_for_the_log() {
        let reply = ReplyParser::new().line(b"550 5.1.1 nobody", 1, 512).unwrap().unwrap();
        let refused = Outcome::of_reply(Stage::Rcpt, &Arc::new(reply));
        assert_eq!(format!("{refused}"), "refused: RCPT: 550 5.1.1 nobody");
        let lost = Outcome::Temporary(Failure::of_connection(Stage::EndOfData));
        assert_eq!(format!("{lost}"), "not now: end of data: 4.4.2 the connection ended without a reply");
    }

    #[test]
    fn whose_fault_it_is() {
        use Stage::*;
        for (stage, line, expected) in [
            (EndOfData, "250 2.0.0 queued", "sent"),
            (Rcpt, "251 elsewhere", "sent"),
            (Mail, "550 5.1.8 no such domain", "permanent Sender 5.1.8"),
            (Mail, "553 no", "permanent Sender 5.1.7"),
            (Mail, "550 no", "permanent Sender 5.0.0"),
            (Mail, "552 too big", "permanent Message 5.3.4"),
            (Mail, "530 5.7.0 log in first", "permanent Policy 5.7.0"),
            (Mail, "530 log in first", "permanent Policy 5.7.0"),
            (Mail, "555 what", "permanent Transport 5.5.4"),
            (Mail, "451 later", "temporary System 4.3.0"),
            (Mail, "550 5.7.27 null MX", "permanent Sender 5.7.27"),
            (Rcpt, "550 5.7.27 null MX", "permanent Sender 5.7.27"),
            (Rcpt, "550 5.1.1 unknown", "permanent Recipient 5.1.1"),
            (Rcpt, "550 unknown", "permanent Recipient 5.0.0"),
            (Rcpt, "550 5.1.8 bad sender", "permanent Sender 5.1.8"),
            (Rcpt, "556 null MX", "permanent Recipient 5.1.10"),
            (Rcpt, "450 later", "temporary Recipient 4.2.0"),
            (Rcpt, "450 4.7.1 greylisted", "temporary Policy 4.7.1"),
            (Rcpt, "452 enough", "temporary System 4.5.3"),
            (Rcpt, "552 enough", "temporary System 4.5.3"),
            (Rcpt, "552 5.5.3 enough", "temporary System 4.5.3"),
            (Rcpt, "552 5.2.2 full", "permanent Recipient 5.2.2"),
            (Rcpt, "553 5.6.7 ASCII only", "permanent Recipient 5.6.7"),
            (Data, "554 no", "permanent Message 5.0.0"),
            (EndOfData, "554 5.7.1 spam", "permanent Policy 5.7.1"),
            (EndOfData, "554 spam", "permanent Message 5.0.0"),
            (EndOfData, "550 5.6.0 malformed", "permanent Message 5.6.0"),
            (EndOfData, "452 disk full", "temporary System 4.3.1"),
            (EndOfData, "552 5.3.4 too big", "permanent Message 5.3.4"),
            (EndOfData, "450 4.2.2 full", "temporary Recipient 4.2.2"),
            (EndOfData, "421 bye", "temporary System 4.3.2"),
            (Greeting, "521 no mail here", "permanent System 5.3.2"),
            (Greeting, "554 no mail here", "permanent System 5.0.0"),
            (Auth, "535 no", "permanent Policy 5.7.8"),
            (Hello, "550 go away", "permanent System 5.0.0"),
            (Rcpt, "550 5.7.17 changed hands", "permanent Recipient 5.7.17"),
        ] {
            assert_eq!(classify(stage, line), expected, "{stage:?}: {line}");
        }
    }
}

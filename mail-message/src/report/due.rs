//! Which report is due, to whom it goes, and what of the message it returns: RFC 3461.

use super::Action;

/// The reports that a sender wants about a recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Wanted {
    /// Of what was delivered (`NOTIFY=SUCCESS`).
    pub success: bool,
    /// Of what failed (`FAILURE`).
    pub failure: bool,
    /// Of what takes long (`DELAY`).
    pub delay: bool,
}

impl Wanted {
    /// None at all (`NOTIFY=NEVER`).
    pub const NEVER: Self = Self { success: false, failure: false, delay: false };

    /// What holds of a recipient without `NOTIFY`: of what failed, and where `delay_warnings` are on of what takes long (RFC 3461
    /// sections 5.2.5 and 5.2.6).
    pub const fn unsaid(delay_warnings: bool) -> Self {
        Self { success: false, failure: true, delay: delay_warnings }
    }

    /// Whether one is wanted of that.
    pub fn has(self, action: Action) -> bool {
        match action {
            Action::Failed => self.failure,
            Action::Delayed => self.delay,
            Action::Delivered | Action::Relayed | Action::Expanded => self.success,
        }
    }
}

/// Who gets a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressee<'a> {
    /// The sender of the message; the report's own sender is null.
    Sender(&'a str),
    /// Whoever looks after failed reports: the message has the null sender, so nobody else would hear of it (a double bounce).
    Postmaster,
    /// Nobody.
    Nobody,
}

impl<'a> Addressee<'a> {
    /// Who gets the report on what was done with a message of this sender. A message without a sender gets none, or reports on reports
    /// would go back and forth (RFC 5321 section 6.1); that one has failed is told where `double_bounces` are.
    pub fn of(sender: &'a str, action: Action, double_bounces: bool) -> Self {
        match sender {
            "" if double_bounces && action == Action::Failed => Self::Postmaster,
            "" => Self::Nobody,
            sender => Self::Sender(sender),
        }
    }
}

/// What of a message its report returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Returned {
    /// All of it.
    Message,
    /// Its header: the fields, without the empty line behind them.
    Header,
    /// Nothing, since it cannot be read: a report may do without (RFC 3464 section 2).
    Nothing,
}

impl Returned {
    /// What a report returns of a message of so many octets, of which at most `bounce_size_limit` are returned; `only_header` is
    /// `RET=HDRS`. Only who is told of a failure needs the message (RFC 3461 section 6.2).
    pub fn of(action: Action, only_header: bool, message_bytes: u64, bounce_size_limit: u64) -> Self {
        if action == Action::Failed && !only_header && message_bytes <= bounce_size_limit {
            Self::Message
        } else {
            Self::Header
        }
    }
}

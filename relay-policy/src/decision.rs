//! What a refusal says, and how domains are handled.

use crate::access::{first_digit, split_enhanced};
use std::fmt::{self, Display};

/// How a domain is handled: Postfix's address classes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Class {
    /// Ours, with mailboxes here.
    Local,
    /// Ours, and each address is an alias for others.
    VirtualAlias,
    /// Ours, with mailboxes that are no users of this machine.
    VirtualMailbox,
    /// Somebody else's, for whom we take mail from everybody.
    Relay,
    /// Not ours.
    Default,
}

impl Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::VirtualAlias => "virtual alias",
            Self::VirtualMailbox => "virtual mailbox",
            Self::Relay => "relay",
            Self::Default => "default",
        })
    }
}

/// The octets of a reply (RFC 5321 section 4.5.3.1.5 has 512 for the line, with its end).
const REPLY_OCTETS_MAX: usize = 510;

/// A refusal as SMTP says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The reply code, 400 to 599.
    pub code: u16,
    /// The enhanced status code (RFC 3463).
    pub enhanced: (u8, u16, u16),
    /// The text, without either code.
    pub text: String,
}

impl Reply {
    pub(crate) fn new(code: u16, enhanced: (u8, u16, u16), text: String) -> Self {
        Self { code, enhanced, text }
    }

    /// A refusal in an administrator's words, which may begin with an enhanced status code: `5.1.6 User has moved`. The
    /// first number of that is the code's, and it is `X.0.0` where there is none.
    pub fn in_words(code: u16, words: &str) -> Self {
        let class = first_digit(code);
        let ((_, subject, detail), text) = split_enhanced(words).unwrap_or(((class, 0, 0), words));
        Self::new(code, (class, subject, detail), text.to_string()).fitted()
    }

    /// The reply as it can be sent: its codes of one class, its text in printable ASCII (`textstring` in RFC 5321 section
    /// 4.2; SMTPUTF8 allows more in answers to VRFY and EXPN alone), and no longer than a line.
    pub(crate) fn fitted(mut self) -> Self {
        self.enhanced.0 = first_digit(self.code);
        let printable = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { ' ' };
        self.text = self.text.chars().map(printable).collect();
        let codes = self.to_string().len() - self.text.len();
        self.text.truncate(REPLY_OCTETS_MAX.saturating_sub(codes));
        self
    }
}

impl Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (class, subject, detail) = self.enhanced;
        write!(f, "{} {class}.{subject}.{detail} {}", self.code, self.text)
    }
}

//! What both ends agree on before anything else: the version, what the milter may do, which steps it wants to see.
//!
//! The numbers are those of Sendmail's `libmilter` (`mfdef.h`), versions 2 to 6.

use core::fmt;
use core::ops::BitOr;
use core::str::FromStr;

/// The version of the protocol that is offered. There is no version 5, and 1 is not spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum MilterVersion {
    /// Sendmail 8.12: neither unknown commands nor DATA are told.
    V2,
    /// With unknown commands.
    V3,
    /// With DATA.
    V4,
    /// Sendmail 8.14: steps without reply, SKIP, lists of macros.
    #[default]
    V6,
}

impl MilterVersion {
    /// As it goes over the wire.
    pub const fn number(self) -> u32 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
            Self::V4 => 4,
            Self::V6 => 6,
        }
    }

    /// What a peer means that answers with this number: the next lower one that there is.
    pub(super) const fn of_number(number: u32) -> Option<Self> {
        match number {
            0 | 1 => None,
            2 => Some(Self::V2),
            3 => Some(Self::V3),
            4 | 5 => Some(Self::V4),
            _ => Some(Self::V6),
        }
    }

    /// All that a milter may choose about steps in this version.
    pub const fn steps(self) -> Steps {
        let v2 = 0b111_1111;
        let unknown = v2 | Steps::NO_UNKNOWN.0;
        let data = unknown | Steps::NO_DATA.0;
        Steps(match self {
            Self::V2 => v2,
            Self::V3 => unknown,
            Self::V4 => data,
            Self::V6 => 0x1f_ffff,
        })
    }
}

/// No version that is spoken here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("milters are spoken to in version 2, 3, 4 or 6")]
pub struct NoSuchVersion;

impl FromStr for MilterVersion {
    type Err = NoSuchVersion;

    fn from_str(text: &str) -> Result<Self, NoSuchVersion> {
        match text {
            "2" => Ok(Self::V2),
            "3" => Ok(Self::V3),
            "4" => Ok(Self::V4),
            "6" => Ok(Self::V6),
            _ => Err(NoSuchVersion),
        }
    }
}

/// What a milter may do to a message: a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Actions(pub u32);

impl Actions {
    /// Add and insert header fields.
    pub const ADD_HEADERS: Self = Self(1);
    /// Replace the body.
    pub const CHANGE_BODY: Self = Self(1 << 1);
    /// Add recipients.
    pub const ADD_RECIPIENTS: Self = Self(1 << 2);
    /// Remove recipients.
    pub const DELETE_RECIPIENTS: Self = Self(1 << 3);
    /// Change and delete header fields.
    pub const CHANGE_HEADERS: Self = Self(1 << 4);
    /// Have the message kept back.
    pub const QUARANTINE: Self = Self(1 << 5);
    /// Change the sender.
    pub const CHANGE_SENDER: Self = Self(1 << 6);
    /// Add recipients with parameters of ESMTP.
    pub const ADD_RECIPIENTS_WITH_PARAMETERS: Self = Self(1 << 7);
    /// Say which macros it wants.
    pub const SET_MACROS: Self = Self(1 << 8);
    /// All of them.
    pub const ALL: Self = Self((1 << 9) - 1);

    /// Whether all of `others` are among them.
    pub const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
}

impl BitOr for Actions {
    type Output = Self;

    fn bitor(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }
}

/// Which steps a milter does not want to see or does not answer, and a few ways to tell them: a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Steps(pub u32);

impl Steps {
    /// The connection is not told.
    pub const NO_CONNECT: Self = Self(1);
    /// HELO is not told.
    pub const NO_HELO: Self = Self(1 << 1);
    /// MAIL is not told.
    pub const NO_MAIL: Self = Self(1 << 2);
    /// RCPT is not told.
    pub const NO_RCPT: Self = Self(1 << 3);
    /// The body is not told.
    pub const NO_BODY: Self = Self(1 << 4);
    /// Header fields are not told.
    pub const NO_HEADERS: Self = Self(1 << 5);
    /// The end of the header is not told.
    pub const NO_END_OF_HEADER: Self = Self(1 << 6);
    /// A header field is not answered.
    pub const NO_REPLY_HEADER: Self = Self(1 << 7);
    /// Unknown commands are not told.
    pub const NO_UNKNOWN: Self = Self(1 << 8);
    /// DATA is not told.
    pub const NO_DATA: Self = Self(1 << 9);
    /// The answer SKIP is understood.
    pub const SKIP: Self = Self(1 << 10);
    /// Recipients that were refused are told as well.
    pub const REFUSED_RECIPIENTS: Self = Self(1 << 11);
    /// The connection is not answered.
    pub const NO_REPLY_CONNECT: Self = Self(1 << 12);
    /// HELO is not answered.
    pub const NO_REPLY_HELO: Self = Self(1 << 13);
    /// MAIL is not answered.
    pub const NO_REPLY_MAIL: Self = Self(1 << 14);
    /// RCPT is not answered.
    pub const NO_REPLY_RCPT: Self = Self(1 << 15);
    /// DATA is not answered.
    pub const NO_REPLY_DATA: Self = Self(1 << 16);
    /// Unknown commands are not answered.
    pub const NO_REPLY_UNKNOWN: Self = Self(1 << 17);
    /// The end of the header is not answered.
    pub const NO_REPLY_END_OF_HEADER: Self = Self(1 << 18);
    /// A piece of the body is not answered.
    pub const NO_REPLY_BODY: Self = Self(1 << 19);
    /// Values of header fields come and go with the space behind the colon.
    pub const LEADING_SPACE: Self = Self(1 << 20);

    /// Whether all of `others` are among them.
    pub const fn contains(self, others: Self) -> bool {
        self.0 & others.0 == others.0
    }
}

impl BitOr for Steps {
    type Output = Self;

    fn bitor(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }
}

/// A step of a mail session, as a milter sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// A client has connected.
    Connect,
    /// HELO, EHLO, LHLO.
    Helo,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// DATA.
    Data,
    /// One header field.
    Header,
    /// The end of the header.
    EndOfHeader,
    /// A piece of the body.
    Body,
    /// The end of the message.
    EndOfMessage,
    /// A command that the server does not know.
    Unknown,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Connect,
        Self::Helo,
        Self::Mail,
        Self::Rcpt,
        Self::Data,
        Self::Header,
        Self::EndOfHeader,
        Self::Body,
        Self::EndOfMessage,
        Self::Unknown,
    ];

    /// The octet of its command.
    pub(super) const fn code(self) -> u8 {
        match self {
            Self::Connect => b'C',
            Self::Helo => b'H',
            Self::Mail => b'M',
            Self::Rcpt => b'R',
            Self::Data => b'T',
            Self::Header => b'L',
            Self::EndOfHeader => b'N',
            Self::Body => b'B',
            Self::EndOfMessage => b'E',
            Self::Unknown => b'U',
        }
    }

    /// By the octet of its command.
    pub(super) fn of_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.code() == code)
    }

    /// By its number in a milter's list of macros.
    pub(super) const fn of_macro_class(class: u32) -> Option<Self> {
        match class {
            0 => Some(Self::Connect),
            1 => Some(Self::Helo),
            2 => Some(Self::Mail),
            3 => Some(Self::Rcpt),
            4 => Some(Self::Data),
            5 => Some(Self::EndOfMessage),
            6 => Some(Self::EndOfHeader),
            _ => None,
        }
    }

    /// Its number in a milter's list of macros, if it can stand there.
    pub(super) fn macro_class(self) -> Option<u32> {
        (0..=6).find(|class| Self::of_macro_class(*class) == Some(self))
    }

    /// With which version it came.
    pub(super) const fn since(self) -> MilterVersion {
        match self {
            Self::Unknown => MilterVersion::V3,
            Self::Data => MilterVersion::V4,
            _ => MilterVersion::V2,
        }
    }

    /// By which a milter says that it does not want it; the end of a message is always told.
    pub(super) const fn unwanted(self) -> Option<Steps> {
        match self {
            Self::Connect => Some(Steps::NO_CONNECT),
            Self::Helo => Some(Steps::NO_HELO),
            Self::Mail => Some(Steps::NO_MAIL),
            Self::Rcpt => Some(Steps::NO_RCPT),
            Self::Data => Some(Steps::NO_DATA),
            Self::Header => Some(Steps::NO_HEADERS),
            Self::EndOfHeader => Some(Steps::NO_END_OF_HEADER),
            Self::Body => Some(Steps::NO_BODY),
            Self::EndOfMessage => None,
            Self::Unknown => Some(Steps::NO_UNKNOWN),
        }
    }

    /// By which a milter says that it does not answer it; the end of a message is always answered.
    pub(super) const fn unanswered(self) -> Option<Steps> {
        match self {
            Self::Connect => Some(Steps::NO_REPLY_CONNECT),
            Self::Helo => Some(Steps::NO_REPLY_HELO),
            Self::Mail => Some(Steps::NO_REPLY_MAIL),
            Self::Rcpt => Some(Steps::NO_REPLY_RCPT),
            Self::Data => Some(Steps::NO_REPLY_DATA),
            Self::Header => Some(Steps::NO_REPLY_HEADER),
            Self::EndOfHeader => Some(Steps::NO_REPLY_END_OF_HEADER),
            Self::Body => Some(Steps::NO_REPLY_BODY),
            Self::EndOfMessage => None,
            Self::Unknown => Some(Steps::NO_REPLY_UNKNOWN),
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connect",
            Self::Helo => "helo",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::Header => "header",
            Self::EndOfHeader => "end of header",
            Self::Body => "body",
            Self::EndOfMessage => "end of message",
            Self::Unknown => "unknown command",
        })
    }
}

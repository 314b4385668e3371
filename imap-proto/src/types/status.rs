//! Status responses: OK, NO, BAD, BYE and PREAUTH, their codes and their text.
//!
//! RFC 3501 §7.1, RFC 5530 (more codes), RFC 4315 §3 (UIDPLUS).

use super::{Atom, Capability};
use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use mail_message::{FlagSet, SeqNo, Uid, UidSet, UidValidity};

/// What a status response says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Status {
    /// It was done; untagged: for information.
    Ok,
    /// It could not be done; untagged: a warning.
    No,
    /// It was not understood.
    Bad,
    /// The server closes the connection. Never tagged.
    Bye,
    /// A greeting: nobody needs to log in. Never tagged.
    PreAuth,
}

impl Status {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::No => "NO",
            Self::Bad => "BAD",
            Self::Bye => "BYE",
            Self::PreAuth => "PREAUTH",
        }
    }
}

/// A status response without its tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusResponse {
    /// What it says.
    pub status: Status,
    /// What a client can understand of it.
    pub code: Option<ResponseCode>,
    /// What a human can.
    pub text: RespText,
}

impl StatusResponse {
    /// A response with a text and no code.
    pub fn new(status: Status, text: impl Into<RespText>) -> Self {
        Self { status, code: None, text: text.into() }
    }

    /// `OK`.
    pub fn ok(text: impl Into<RespText>) -> Self {
        Self::new(Status::Ok, text)
    }

    /// `NO`.
    pub fn no(text: impl Into<RespText>) -> Self {
        Self::new(Status::No, text)
    }

    /// `BAD`.
    pub fn bad(text: impl Into<RespText>) -> Self {
        Self::new(Status::Bad, text)
    }

    /// `BYE`.
    pub fn bye(text: impl Into<RespText>) -> Self {
        Self::new(Status::Bye, text)
    }

    /// The same with a code.
    #[must_use]
    pub fn with_code(mut self, code: ResponseCode) -> Self {
        self.code = Some(code);
        self
    }
}

/// `text` of a response: printable ASCII, not empty, and no response code by accident.
///
/// Made from any text: what the wire cannot carry becomes `?`, so a text from elsewhere cannot end a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RespText(Cow<'static, str>);

impl RespText {
    /// The text as it goes out.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<T: Into<Cow<'static, str>>> From<T> for RespText {
    fn from(text: T) -> Self {
        let text = text.into();
        if text.is_empty() {
            return Self(Cow::Borrowed("-"));
        }
        if !text.starts_with('[') && text.bytes().all(is_text) {
            return Self(text);
        }
        let clean = |c: char| if c.is_ascii() && is_text(c as u8) { c } else { '?' };
        let mut cleaned: String = text.chars().map(clean).collect();
        if cleaned.starts_with('[') {
            cleaned.replace_range(..1, "(");
        }
        Self(cleaned.into())
    }
}

fn is_text(octet: u8) -> bool {
    (0x20..=0x7e).contains(&octet)
}

/// `resp-text-code`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ResponseCode {
    /// `ALERT`: the human must see the text.
    Alert,
    /// `ALREADYEXISTS` (RFC 5530).
    AlreadyExists,
    /// `APPENDUID` (RFC 4315 §3): where the message is.
    AppendUid {
        /// The mailbox's generation.
        uid_validity: UidValidity,
        /// The message's UID.
        uid: Uid,
    },
    /// `AUTHENTICATIONFAILED` (RFC 5530).
    AuthenticationFailed,
    /// `AUTHORIZATIONFAILED` (RFC 5530).
    AuthorizationFailed,
    /// `BADCHARSET`: the charsets that SEARCH knows.
    BadCharset(Vec<Atom>),
    /// `CANNOT` (RFC 5530): never possible here.
    Cannot,
    /// `CAPABILITY`.
    Capability(Vec<Capability>),
    /// `CLIENTBUG` (RFC 5530).
    ClientBug,
    /// `CLOSED` (RFC 7162): what follows is about the newly selected mailbox.
    Closed,
    /// `CONTACTADMIN` (RFC 5530).
    ContactAdmin,
    /// `COPYUID` (RFC 4315 §3): the two sets pair up in ascending order, and both are not empty.
    CopyUid {
        /// The target's generation.
        uid_validity: UidValidity,
        /// What was copied.
        source: UidSet,
        /// What it is there.
        target: UidSet,
    },
    /// `CORRUPTION` (RFC 5530).
    Corruption,
    /// `EXPIRED` (RFC 5530): the password, for one.
    Expired,
    /// `EXPUNGEISSUED` (RFC 5530): some of what was asked for is gone.
    ExpungeIssued,
    /// `HASCHILDREN` (RFC 5530): it cannot be deleted.
    HasChildren,
    /// `INUSE` (RFC 5530).
    InUse,
    /// `LIMIT` (RFC 5530): more than this server takes.
    Limit,
    /// `NONEXISTENT` (RFC 5530).
    NonExistent,
    /// `NOPERM` (RFC 5530).
    NoPerm,
    /// `OVERQUOTA` (RFC 5530).
    OverQuota,
    /// `PARSE`: a message in the mailbox cannot be understood.
    Parse,
    /// `PERMANENTFLAGS`.
    PermanentFlags {
        /// The flags that a client can change for good.
        flags: FlagSet,
        /// `\*`: new keywords can be made.
        new_keywords: bool,
    },
    /// `PRIVACYREQUIRED` (RFC 5530): not without TLS.
    PrivacyRequired,
    /// `READ-ONLY`.
    ReadOnly,
    /// `READ-WRITE`.
    ReadWrite,
    /// `SERVERBUG` (RFC 5530).
    ServerBug,
    /// `TOOBIG` (RFC 4469 §4.2, RFC 7888 §5): message, literal or line.
    TooBig,
    /// `TRYCREATE`: after a CREATE it would work.
    TryCreate,
    /// `UIDNEXT`.
    UidNext(Uid),
    /// `UIDNOTSTICKY` (RFC 4315 §3).
    UidNotSticky,
    /// `UIDVALIDITY`.
    UidValidity(UidValidity),
    /// `UNAVAILABLE` (RFC 5530): try again later.
    Unavailable,
    /// `UNSEEN`: the first message that is not `\Seen`.
    Unseen(SeqNo),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_can_neither_end_the_line_nor_be_a_code() {
        assert_eq!(RespText::from("done").as_str(), "done");
        assert_eq!(RespText::from("").as_str(), "-");
        assert_eq!(RespText::from("a\r\nb OK ä").as_str(), "a??b OK ?");
        assert_eq!(RespText::from("[ALERT] x").as_str(), "(ALERT] x");
    }
}

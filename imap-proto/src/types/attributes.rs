//! Small vocabularies: what STATUS tells, what STORE does, what LIST says of a mailbox, what a server can.

use super::Atom;

/// What STATUS can tell of a mailbox (RFC 3501 §6.3.10).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum StatusItem {
    /// How many messages it has.
    Messages,
    /// How many are `\Recent`.
    Recent,
    /// What the next UID will be, at least.
    UidNext,
    /// The generation of its UIDs.
    UidValidity,
    /// How many are not `\Seen`.
    Unseen,
}

impl StatusItem {
    /// All, in the order in which an answer tells them.
    pub const ALL: [StatusItem; 5] =
        [Self::Messages, Self::Recent, Self::UidNext, Self::UidValidity, Self::Unseen];

    /// The item as the wire has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Messages => "MESSAGES",
            Self::Recent => "RECENT",
            Self::UidNext => "UIDNEXT",
            Self::UidValidity => "UIDVALIDITY",
            Self::Unseen => "UNSEEN",
        }
    }
}

/// What STORE does with the flags it names (RFC 3501 §6.4.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StoreAction {
    /// `FLAGS`: the message has these and no others.
    Replace,
    /// `+FLAGS`: the message has these too.
    Add,
    /// `-FLAGS`: the message has none of these.
    Remove,
}

/// What LIST says of a mailbox (RFC 3501 §7.2.2, RFC 3348, RFC 6154).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MailboxAttribute {
    /// `\Noinferiors`: can have no children.
    NoInferiors,
    /// `\Noselect`: a level of hierarchy and no mailbox.
    NoSelect,
    /// `\Marked`: has messages added since it was last selected.
    Marked,
    /// `\Unmarked`: has none.
    Unmarked,
    /// `\HasChildren` (RFC 3348).
    HasChildren,
    /// `\HasNoChildren` (RFC 3348).
    HasNoChildren,
    /// `\All` (RFC 6154).
    All,
    /// `\Archive` (RFC 6154).
    Archive,
    /// `\Drafts` (RFC 6154).
    Drafts,
    /// `\Flagged` (RFC 6154).
    Flagged,
    /// `\Junk` (RFC 6154).
    Junk,
    /// `\Sent` (RFC 6154).
    Sent,
    /// `\Trash` (RFC 6154).
    Trash,
}

impl MailboxAttribute {
    /// The attribute as the wire has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoInferiors => "\\Noinferiors",
            Self::NoSelect => "\\Noselect",
            Self::Marked => "\\Marked",
            Self::Unmarked => "\\Unmarked",
            Self::HasChildren => "\\HasChildren",
            Self::HasNoChildren => "\\HasNoChildren",
            Self::All => "\\All",
            Self::Archive => "\\Archive",
            Self::Drafts => "\\Drafts",
            Self::Flagged => "\\Flagged",
            Self::Junk => "\\Junk",
            Self::Sent => "\\Sent",
            Self::Trash => "\\Trash",
        }
    }
}

/// One thing a server can do. Whoever makes the list derives it from what is configured and implemented.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Capability {
    /// `IMAP4rev1` (RFC 3501).
    Imap4Rev1,
    /// `STARTTLS`.
    StartTls,
    /// `LOGINDISABLED`: LOGIN is refused here and now.
    LoginDisabled,
    /// `AUTH=`: a SASL mechanism.
    Auth(Atom),
    /// `SASL-IR` (RFC 4959).
    SaslIr,
    /// `LITERAL+` (RFC 7888).
    LiteralPlus,
    /// `LITERAL-` (RFC 7888).
    LiteralMinus,
    /// `ID` (RFC 2971).
    Id,
    /// `IDLE` (RFC 2177).
    Idle,
    /// `NAMESPACE` (RFC 2342).
    Namespace,
    /// `CHILDREN` (RFC 3348).
    Children,
    /// `UIDPLUS` (RFC 4315).
    UidPlus,
    /// `UNSELECT` (RFC 3691).
    Unselect,
}

impl core::fmt::Display for Capability {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Imap4Rev1 => "IMAP4rev1",
            Self::StartTls => "STARTTLS",
            Self::LoginDisabled => "LOGINDISABLED",
            Self::Auth(mechanism) => return write!(f, "AUTH={mechanism}"),
            Self::SaslIr => "SASL-IR",
            Self::LiteralPlus => "LITERAL+",
            Self::LiteralMinus => "LITERAL-",
            Self::Id => "ID",
            Self::Idle => "IDLE",
            Self::Namespace => "NAMESPACE",
            Self::Children => "CHILDREN",
            Self::UidPlus => "UIDPLUS",
            Self::Unselect => "UNSELECT",
        })
    }
}

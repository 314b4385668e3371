//! What SEARCH can be asked for, as a tree.
//!
//! RFC 3501 §6.4.4. The flag keys and their UN-forms are two variants over [`Flag`], so that a search engine has
//! one place for each.
//!
//! # Limits
//! The parser bounds depth and number of keys; dropping and walking a tree may recurse.

use super::Date;
use alloc::boxed::Box;
use alloc::vec::Vec;
use mail_message::{Flag, SequenceSet};

/// One `search-key`. Texts are UTF-8 and match as substrings, without regard to case; an empty one matches all.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SearchKey {
    /// `ALL`.
    All,
    /// All of these: keys side by side, or in parentheses. Never empty.
    And(Vec<SearchKey>),
    /// `OR`: at least one of the two.
    Or(Box<(SearchKey, SearchKey)>),
    /// `NOT`.
    Not(Box<SearchKey>),
    /// The flag is set: `ANSWERED`, `DELETED`, `DRAFT`, `FLAGGED`, `SEEN`, `KEYWORD x`.
    Flag(Flag),
    /// The flag is not set: `UNANSWERED` and so on, `UNKEYWORD x`.
    Unflag(Flag),
    /// `RECENT`: this session is the first to see it.
    Recent,
    /// `OLD`: not `RECENT`.
    Old,
    /// `NEW`: `RECENT UNSEEN`.
    New,
    /// Sequence numbers.
    Sequence(SequenceSet),
    /// `UID`.
    Uid(SequenceSet),
    /// `BCC`.
    Bcc(Box<str>),
    /// `CC`.
    Cc(Box<str>),
    /// `FROM`.
    From(Box<str>),
    /// `TO`.
    To(Box<str>),
    /// `SUBJECT`.
    Subject(Box<str>),
    /// `HEADER`: a field of that name whose value holds the text; the field's being there, when it is empty.
    Header(Box<str>, Box<str>),
    /// `BODY`: in the body.
    Body(Box<str>),
    /// `TEXT`: in header or body.
    Text(Box<str>),
    /// `BEFORE`: the internal date's day is earlier.
    Before(Date),
    /// `ON`: the internal date's day is this.
    On(Date),
    /// `SINCE`: the internal date's day is this or later.
    Since(Date),
    /// `SENTBEFORE`: the `Date:` field's day is earlier.
    SentBefore(Date),
    /// `SENTON`: the `Date:` field's day is this.
    SentOn(Date),
    /// `SENTSINCE`: the `Date:` field's day is this or later.
    SentSince(Date),
    /// `LARGER`: more octets than this.
    Larger(u64),
    /// `SMALLER`: fewer octets than this.
    Smaller(u64),
}

//! When a client may be told what.
//!
//! RFC 3501 section 7.4.1 forbids EXPUNGE when no command is in progress and while FETCH, STORE or SEARCH is being
//! answered, because a client may have sent sequence numbers that it would shift; their UID forms are other
//! commands, and so is everything else. Section 7.3 lets EXISTS, RECENT and FETCH come at any time.
//!
//! | command | moment |
//! | --- | --- |
//! | FETCH, STORE, SEARCH | [`Moment::KeepNumbers`] |
//! | UID FETCH, UID STORE, UID SEARCH, UID EXPUNGE, UID COPY | [`Moment::Free`] |
//! | NOOP, CHECK, EXPUNGE, COPY, APPEND, IDLE, LIST, STATUS and all that name mailboxes | [`Moment::Free`] |
//! | CLOSE, UNSELECT, SELECT, EXAMINE, LOGOUT | [`Moment::Silent`]: the view ends with them |
//! | a command that was BAD, or none | [`Moment::Silent`] |
//!
//! # Departures
//! With no command in progress nothing is told, though EXISTS would be allowed (section 5.3): a client that does
//! not read could then be made to fill our output. IDLE is the way to hear at once.

/// How much may be told now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Nothing.
    Silent,
    /// Everything that leaves the sequence numbers as they are: EXISTS, RECENT, FETCH.
    KeepNumbers,
    /// Everything.
    Free,
}

//! Substring search without regard to case over decoded text: what SEARCH keys match.
//!
//! RFC 3501 §6.4.4 and RFC 9051 §6.4.4: a key matches if the string is a substring, transfer encodings, charsets and
//! encoded words undone. Characters are compared by RFC 5051. A [`Query`] is compiled once and asked of many messages; a
//! [`Search`] takes one message in pieces and finds all strings of the query in one pass, wherever the pieces are cut.
//!
//! # What is searched
//! | [`Scope`] | text |
//! | --- | --- |
//! | `Field` | each field of that name in the message's own header |
//! | `Body` | the bodies of all parts that are text, those inside enclosed messages too |
//! | `Text` | the same, and every field of every header: the message's, the parts', the enclosed messages' |
//!
//! A match lies within one field or within the body of one part. RFC 3501 leaves parts of other types out, as allowed.
//!
//! [`Search::targets`] tells where these texts lie in a message that was scanned, so that nothing else has to be read;
//! the own header can be searched before there is a scan.
//!
//! # Limits
//! A search holds two octets for each octet of the query's strings, and of the message a window of at most
//! [`WINDOW_BYTES`] and what that decodes to: its memory does not depend on the message. How many strings a query has,
//! and how long they are, is the caller's to bound.
//!
//! # Departures
//! * White space is compared as one space, whatever and however much of it there is: text is found across line ends
//!   and folds, and `a b` matches `a  b`.
//! * An encoded word that lies across the end of a window is not decoded. Windows end between words if there is a place
//!   to, so this takes a header field longer than a window, with a word as long as half of one.

mod fold;
mod needles;
mod query;
mod run;
mod text;

pub use query::{Query, Scope};
pub use run::{Search, Target};
pub use text::WINDOW_BYTES;

pub(crate) use needles::is_in_text;

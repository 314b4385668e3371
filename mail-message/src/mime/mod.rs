//! Finding the MIME structure of a message in one pass, without holding the message.
//!
//! RFC 2045, 2046, 2183, 2231. [`Scanner`] takes the message in pieces of any size and gives a [`Message`]: a
//! tree of [`Part`]s with the offsets of each header and body, and what the `Content-` fields and the envelope
//! fields say. The octets stay where they are.
//!
//! The message must be given in the form in which it will be served, CRLF line ends and all: offsets and sizes
//! count those octets. LF alone is understood as a line end too and counted as it is.
//!
//! # What malformed messages become
//! Scanning never fails and every message has a structure:
//!
//! | found | given |
//! | --- | --- |
//! | unreadable `Content-Type` (`text`, `text/`, `/plain`) | `text/plain; charset=us-ascii` (RFC 2045 §5.2) |
//! | no `Content-Type` | the same; in a digest `message/rfc822` (RFC 2046 §5.1.5) |
//! | multipart without a boundary, or without a boundary line | one empty `text/plain` part; the text stays in BODY\[TEXT] |
//! | no closing boundary | the part ends where what holds it ends |
//! | a boundary line of an outer multipart | ends all inner parts |
//! | a line that begins with two boundaries | one that fills the line, else the longest |
//! | parameter or field given twice | the first; of To, Cc and Bcc all as one list (RFC 5322 §4.5.3) |
//! | `message/rfc822` in any encoding but 7bit, 8bit, binary, which RFC 2046 §5.2.1 forbids | an `application/octet-stream` leaf |
//! | a multipart or message deeper than [`Limits::depth_max`] | an `application/octet-stream` leaf |
//! | more parts than [`Limits::parts_max`] | parts beyond are not named; their text belongs to the epilogue |
//! | NUL, 8-bit octets, bare CR, lines without end | kept and counted |
//!
//! # Departures
//! Leaves that are described as `application/octet-stream` say something else in their own header. BODYSTRUCTURE
//! has no way to name a `message/rfc822` without the structure of what is in it (RFC 3501 §9 `body-type-msg`).
//!
//! # Limits
//! [`Limits`] bounds everything that is kept. One pass, constant work per octet plus one comparison per open
//! multipart for lines that start with `--`.

mod capture;
mod content;
mod limits;
mod parameters;
mod part;
mod scan;
mod structure;

pub use content::{ContentType, Encoding};
pub use limits::Limits;
pub use part::{Content, Message, Part, PartHeader};
pub use scan::Scanner;

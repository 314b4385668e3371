//! Looking at what a message says: `header_checks`, `mime_header_checks`, `nested_header_checks` and `body_checks`.
//!
//! [`ContentChecks`] holds the tables; an [`Inspection`] takes one message in pieces of any size and gives it back, without
//! the lines that were taken out and with those that were put in. What is to become of the message is told at the end,
//! in the [`Outcome`].
//!
//! A key is a whole field of a header, with its continued lines, or one line of a body; without its line end. What is not
//! UTF-8 in it stays as it is where a rule puts it in its text, and patterns see each such octet as one character.
//! [`Kind`] says which table is asked.
//!
//! ```
//! use relay_policy::checks::{ContentChecks, Verdict};
//! use relay_policy::table::{Maps, Opener};
//!
//! let read = |_: &str| Ok(b"/^X-Mailer:/ IGNORE\n/^Subject:.*lottery/ REJECT no lotteries\n".to_vec());
//! let table = Opener::new(&read).open("pcre:/etc/postroom/header_checks")?.table;
//! let checks = ContentChecks { header: Maps::new(vec![table]), ..ContentChecks::default() };
//!
//! let (mut inspection, mut kept) = (checks.inspect(), Vec::new());
//! inspection.feed(b"X-Mailer: x\r\nSubject: Lott", &mut kept);
//! inspection.feed(b"ery\r\n\r\nWin!\r\n", &mut kept);
//! let outcome = inspection.finish(&mut kept);
//! assert_eq!(kept, b"Subject: Lottery\r\n\r\nWin!\r\n");
//! let Verdict::Refuse(reply) = &outcome.verdict else { panic!("it is refused") };
//! assert_eq!(reply.to_string(), "550 5.7.1 no lotteries");
//! assert_eq!(outcome.findings[1].place.to_string(), "/etc/postroom/header_checks, line 2");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Limits
//! [`CheckLimits`]. Of one message 1,000 findings and as many more recipients are kept; multipart structures and
//! messages within messages are followed 100 deep, what is deeper counts as body.
//!
//! # Departures
//! From Postfix: a field larger than the limit is not cut; what is behind the limit is not looked at. A table that is not in
//! memory cannot be asked here, and is taken as one that fails.

mod action;
mod config;
mod inspection;
mod outcome;
mod structure;
mod text;

pub use action::Action;
pub(crate) use action::is_field;
pub use inspection::Inspection;
pub use outcome::{Finding, Outcome, Verdict};

use crate::table::Maps;

/// How many findings of one message are kept.
const FINDINGS_MAX: usize = 1_000;

/// How deep the structure of a message is followed.
const DEPTH_MAX: usize = 100;

/// The tables that messages are looked at with.
#[derive(Debug, Clone, Default)]
pub struct ContentChecks {
    /// `header_checks`: for the fields of the message's own header.
    pub header: Maps,
    /// `mime_header_checks`: for the fields that tell of the structure; none: as `header`.
    pub mime_header: Option<Maps>,
    /// `nested_header_checks`: for the headers of attached messages; none: as `header`.
    pub nested_header: Option<Maps>,
    /// `body_checks`: for everything else.
    pub body: Maps,
    /// How much is looked at.
    pub limits: CheckLimits,
}

/// How much of a message is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckLimits {
    /// `header_size_limit`: octets of a field, with its line ends.
    pub field_bytes_max: usize,
    /// `line_length_limit`: octets of a body's line that are looked at together; a longer one is looked at in pieces of
    /// this size.
    pub line_bytes_max: usize,
    /// `body_checks_size_limit`: octets of each part's body.
    pub body_bytes_max: usize,
}

impl Default for CheckLimits {
    /// Postfix's: 102,400, 2,048 and 51,200.
    fn default() -> Self {
        Self { field_bytes_max: 102_400, line_bytes_max: 2_048, body_bytes_max: 51_200 }
    }
}

/// What a line is, and so which table is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A field of the message's own header.
    Header,
    /// `Content-Type` and its like in any header, and all fields of the header of a part.
    MimeHeader,
    /// A field of the header of an attached message.
    NestedHeader,
    /// A line of a body; also a boundary between parts.
    Body,
}

impl ContentChecks {
    /// Whether nothing would be looked at.
    pub fn is_empty(&self) -> bool {
        let empty = |maps: &Option<Maps>| maps.as_ref().is_none_or(Maps::is_empty);
        self.header.is_empty()
            && self.body.is_empty()
            && empty(&self.mime_header)
            && empty(&self.nested_header)
    }

    /// Begins with a message.
    pub fn inspect(&self) -> Inspection<&Self> {
        Inspection::new(self)
    }

    fn maps(&self, kind: Kind) -> &Maps {
        match kind {
            Kind::Header => &self.header,
            Kind::MimeHeader => self.mime_header.as_ref().unwrap_or(&self.header),
            Kind::NestedHeader => self.nested_header.as_ref().unwrap_or(&self.header),
            Kind::Body => &self.body,
        }
    }
}

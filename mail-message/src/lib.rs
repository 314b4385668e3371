//! Byte-exact, lazy reading of internet mail: headers, MIME structure, envelope, flags, UIDs and sets; and writing reports.
//!
//! What a mail *is*, without a word about protocols or disks. Nothing here changes a message: structure is told as
//! offsets into octets that stay where they are, and a message is read in pieces, never held.
//!
//! | module | holds |
//! | --- | --- |
//! | [`header`] | fields as they lie, HEADER.FIELDS, unfolding, address lists |
//! | [`mime`] | [`Scanner`](mime::Scanner): one pass from octets to a tree of parts with offsets |
//! | [`section`] | BODY\[section]: which octets a section names |
//! | [`envelope`], [`structure`] | ENVELOPE and BODYSTRUCTURE as values |
//! | [`decode`] | transfer encodings, charsets, encoded words: to UTF-8 |
//! | [`search`] | substring search over decoded text |
//! | [`report`] | writing reports on what became of a message (RFC 3464) |
//! | [`mutf7`] | names of mailboxes in modified UTF-7 |
//! | [`flag`], [`uid`], [`set`] | flags, UIDs, mod-sequences and sets of numbers |
//! | [`fuzz`] | bodies of fuzz targets |
//!
//! # Example
//!
//! From octets to what IMAP tells of them:
//!
//! ```
//! use mail_message::mime::{Limits, Scanner};
//! use mail_message::{BodyStructure, Section};
//!
//! let octets = b"From: Ann <ann@a.test>\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
//!     --b\r\n\r\nHello\r\n--b\r\nContent-Type: image/png\r\n\r\n...\r\n--b--\r\n";
//! let mut scanner = Scanner::new(Limits::default());
//! for piece in octets.chunks(10) {
//!     scanner.feed(piece);
//! }
//! let message = scanner.finish();
//!
//! assert_eq!(message.envelope.from[0].name.as_deref(), Some(&b"Ann"[..]));
//! let BodyStructure::Multipart(structure) = message.body_structure() else { panic!() };
//! assert_eq!(structure.parts.len(), 2);
//!
//! let range = Section::part([1]).unwrap().locate(&message).unwrap();
//! assert_eq!(&octets[range.start as usize..range.end as usize], b"Hello");
//! ```
//!
//! # Departures
//! Each module states its own. Throughout, LF alone is taken for a line end when reading, and counted as the one
//! octet that it is: who serves CRLF must scan CRLF.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod decode;
pub mod envelope;
pub mod flag;
pub mod fuzz;
pub mod header;
pub mod mime;
pub mod mutf7;
pub mod report;
pub mod search;
pub mod section;
pub mod set;
pub mod structure;
pub mod uid;

pub use envelope::{Address, Envelope};
pub use flag::{Flag, FlagFault, FlagSet, Keyword};
pub use section::{Section, SectionText};
pub use set::{RangeSet, SeqSet, SequenceSet, SetBound, SetFault, UidSet};
pub use structure::{
    BasicPart, BodyFields, BodyStructure, Disposition, Extension, MessagePart, Multipart, Parameter, TextPart,
};
pub use uid::{ModSeq, Number, SeqNo, Uid, UidValidity};

//! Reading message headers without changing an octet of them.
//!
//! RFC 5322 §2.2 (header fields), §2.2.3 (folding), §4.5 (obsolete forms). A header is read where it lies: a
//! [`Field`] borrows its name, its value and its whole text, folding included, so that what is served is what
//! arrived. Nothing here fails; what cannot be understood is left out of the structured view and stays in the
//! octets.
//!
//! # Where a header ends
//! * After the first empty line (CRLF, or LF alone), which belongs to the header.
//! * Before the first line that is neither a field nor the continuation of one: there is no empty line then, and
//!   that line begins the body. A continuation line before any field is such a line.
//! * At the end of the octets: a message may be all header.
//!
//! An mbox `From ` line is skipped where it is the very first line, and belongs to the header.
//!
//! # Limits
//! Functions over slices hold nothing and cost what the slice costs; [`FieldSelector`] and [`FieldStream`] hold 2 KiB. A field name longer than
//! [`NAME_BYTES_MAX`] is no field name, so its line ends the header.
//!
//! # Departures
//! RFC 5322 does not say where a header ends that has no empty line. A stray line must not turn the fields
//! behind it into fields of the message, so everything from there on is body.

mod address;
mod date;
mod fields;
mod line;
mod select;
mod stream;
mod unfold;

pub use address::{LocatedAddress, locate_addresses, parse_addresses};
pub use date::{DateTime, parse_date};
pub use fields::{Field, Fields, header_len};
pub use line::NAME_BYTES_MAX;
pub use select::{FieldChoice, FieldSelector, select_fields};
pub use stream::{FieldSink, FieldStream};
pub use unfold::unfold;

pub(crate) use address::read_addresses;
pub(crate) use line::{LINE_HEAD_BYTES, LineKind, classify};
pub(crate) use unfold::unfold_tail;

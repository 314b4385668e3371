//! From the transfer form to text: what SEARCH matches and BINARY serves.
//!
//! RFC 2045 §6 (transfer encodings), RFC 2047 (encoded words), RFC 2231 §4 (parameters). Everything streams,
//! nothing fails: what is no valid encoding comes out as the octets that it is, what a charset does not know as
//! U+FFFD.

mod base64;
mod charset;
mod quoted_printable;
mod transfer;
mod words;

pub use charset::CharsetDecoder;
pub use transfer::TransferDecoder;
pub use words::{decode_header, decode_parameter};

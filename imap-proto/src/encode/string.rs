//! Strings on their way out: quoted where they can be, literals where they must.
//!
//! RFC 3501 §4.3. Printable ASCII is quoted; all else, line ends above all, is a literal, whose length says where it
//! ends. So nothing that stands in a message or a name can become a response of its own.
//!
//! # Departures
//! A NUL, which no string may hold (RFC 3501 §9 note 3), goes out as `?`.

use crate::types::{MailboxName, is_astring_char};
use core::fmt::Write as _;
use mail_message::mutf7;
use proto_core::OutBuf;

/// `string`.
pub(super) fn string(octets: &[u8], out: &mut OutBuf) {
    if octets.iter().all(|octet| (0x20..=0x7e).contains(octet)) {
        quoted(octets, out);
    } else {
        literal_header(octets.len() as u64, out);
        for (index, piece) in octets.split(|&octet| octet == 0).enumerate() {
            if index > 0 {
                out.extend(b"?");
            }
            out.extend(piece);
        }
    }
}

/// `nstring`.
pub(super) fn nstring(octets: Option<&[u8]>, out: &mut OutBuf) {
    match octets {
        Some(octets) => string(octets, out),
        None => out.extend(b"NIL"),
    }
}

/// `astring`, as short as it can be.
pub(super) fn astring(octets: &[u8], out: &mut OutBuf) {
    if !octets.is_empty() && octets.iter().all(|&octet| is_astring_char(octet)) {
        out.extend(octets);
    } else {
        string(octets, out);
    }
}

/// `mailbox`: modified UTF-7, which is printable ASCII, always quoted.
pub(super) fn mailbox(name: &MailboxName, out: &mut OutBuf) {
    quoted(mutf7::encode(name.as_str()).as_bytes(), out);
}

/// `{n}` and the line end after which the octets begin.
pub(super) fn literal_header(octets: u64, out: &mut OutBuf) {
    put(out, format_args!("{{{octets}}}\r\n"));
}

/// Formats into the output, which never fails.
pub(super) fn put(out: &mut OutBuf, text: core::fmt::Arguments<'_>) {
    let _ = out.write_fmt(text);
}

fn quoted(printable: &[u8], out: &mut OutBuf) {
    out.extend(b"\"");
    let mut rest = printable;
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        out.extend(&rest[..at]);
        out.extend(&[b'\\', rest[at]]);
        rest = &rest[at + 1..];
    }
    out.extend(rest);
    out.extend(b"\"");
}

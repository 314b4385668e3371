//! Writes the responses of a server.
//!
//! RFC 3501 §7 and §9. Each function writes whole lines, except those of a FETCH response whose octets stream, see
//! [`fetch_begin`]. Every string is quoted or a literal by what it holds, so nothing in it can end a response; names
//! of mailboxes are always quoted.
//!
//! ```
//! use imap_proto::encode;
//! use imap_proto::types::{ListData, MailboxName, UntaggedResponse};
//! use proto_core::OutBuf;
//!
//! let mailbox = MailboxName::new("R&D \"Entwürfe\"").unwrap();
//! let mut out = OutBuf::new();
//! encode::untagged(&UntaggedResponse::List(ListData { attributes: vec![], mailbox }), &mut out);
//! assert_eq!(out.as_slice(), b"* LIST () \"/\" \"R&-D \\\"Entw&APw-rfe\\\"\"\r\n");
//! ```

mod fetch;
mod status;
mod string;
mod structure;
#[cfg(test)]
mod tests;

pub(crate) use fetch::section;
pub use fetch::{fetch_begin, fetch_end, fetch_section};

use crate::types::{DELIMITER, ListData, StatusData, StatusResponse, Tag, UntaggedResponse};
use bytes::Bytes;
use proto_core::OutBuf;
use string::{mailbox, put, string};

/// A tagged status response: the end of a command.
pub fn tagged(tag: &Tag, response: &StatusResponse, out: &mut OutBuf) {
    put(out, format_args!("{tag} "));
    status::status(response, out);
    out.extend(b"\r\n");
}

/// A command continuation request: `+`, one space even before nothing (RFC 3501 §9 `continue-req`), a text or the
/// base64 of a challenge. What cannot stand in a line goes out as `?`.
pub fn continuation(text: &str, out: &mut OutBuf) {
    out.extend(b"+ ");
    for piece in text.split_inclusive(|c: char| !(' '..='~').contains(&c)) {
        match piece.strip_suffix(|c: char| !(' '..='~').contains(&c)) {
            Some(before) => put(out, format_args!("{before}?")),
            None => out.extend(piece.as_bytes()),
        }
    }
    out.extend(b"\r\n");
}

/// An untagged response.
pub fn untagged(response: &UntaggedResponse, out: &mut OutBuf) {
    out.extend(b"* ");
    match response {
        UntaggedResponse::Status(response) => status::status(response, out),
        UntaggedResponse::Capability(list) => {
            out.extend(b"CAPABILITY");
            status::capabilities(list, out);
        }
        UntaggedResponse::List(data) => list("LIST", data, out),
        UntaggedResponse::Lsub(data) => list("LSUB", data, out),
        UntaggedResponse::Delimiter => put(out, format_args!("LIST (\\Noselect) \"{DELIMITER}\" \"\"")),
        UntaggedResponse::MailboxStatus(data) => mailbox_status(data, out),
        UntaggedResponse::Flags(flags) => put(out, format_args!("FLAGS ({flags})")),
        UntaggedResponse::Exists(messages) => put(out, format_args!("{messages} EXISTS")),
        UntaggedResponse::Recent(messages) => put(out, format_args!("{messages} RECENT")),
        UntaggedResponse::Expunge(seq) => put(out, format_args!("{seq} EXPUNGE")),
        UntaggedResponse::Namespace => put(out, format_args!("NAMESPACE ((\"\" \"{DELIMITER}\")) NIL NIL")),
        UntaggedResponse::Id(fields) => id(fields, out),
        UntaggedResponse::Fetch(seq, data) => {
            fetch::open(*seq, data, out);
            out.extend(b")");
        }
    }
    out.extend(b"\r\n");
}

/// `mailbox-list` after its name.
fn list(name: &str, data: &ListData, out: &mut OutBuf) {
    put(out, format_args!("{name} ("));
    for (index, attribute) in data.attributes.iter().enumerate() {
        put(out, format_args!("{}{}", if index == 0 { "" } else { " " }, attribute.as_str()));
    }
    put(out, format_args!(") \"{DELIMITER}\" "));
    mailbox(&data.mailbox, out);
}

fn mailbox_status(data: &StatusData, out: &mut OutBuf) {
    out.extend(b"STATUS ");
    mailbox(&data.mailbox, out);
    out.extend(b" (");
    for (index, (item, value)) in data.items.iter().enumerate() {
        put(out, format_args!("{}{} {value}", if index == 0 { "" } else { " " }, item.as_str()));
    }
    out.extend(b")");
}

/// `id_params_list` (RFC 2971 §4).
fn id(fields: &[(&str, Bytes)], out: &mut OutBuf) {
    if fields.is_empty() {
        return out.extend(b"ID NIL");
    }
    for (index, (name, value)) in fields.iter().enumerate() {
        out.extend(if index == 0 { b"ID (" } else { b" " });
        string(name.as_bytes(), out);
        out.extend(b" ");
        string(value, out);
    }
    out.extend(b")");
}

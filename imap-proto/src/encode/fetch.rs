//! FETCH responses, whole and in pieces.
//!
//! RFC 3501 §7.4.2. [`fetch_begin`], [`fetch_section`] with its octets after it, [`fetch_end`]: so that a body is
//! never held.

use super::string::{astring, literal_header, put};
use super::structure;
use crate::types::{FetchData, FetchItem};
use mail_message::header::FieldChoice;
use mail_message::{Section, SectionText, SeqNo};
use proto_core::OutBuf;

/// A FETCH response up to the end of `data`. [`fetch_section`] and [`fetch_end`] follow.
pub fn fetch_begin(seq: SeqNo, data: &[FetchData], out: &mut OutBuf) {
    out.extend(b"* ");
    open(seq, data, out);
}

/// The same behind the asterisk.
pub(super) fn open(seq: SeqNo, data: &[FetchData], out: &mut OutBuf) {
    put(out, format_args!("{seq} FETCH ("));
    for (index, datum) in data.iter().enumerate() {
        if index > 0 {
            out.extend(b" ");
        }
        msg_att(datum, out);
    }
}

/// The next octets that an item asked for, up to their first: exactly so many must follow. `None` is NIL. `first`:
/// nothing stands before it in the response.
///
/// Of an item that asks for no octets, such as FLAGS, its name is written; what follows is then wrong.
pub fn fetch_section(item: &FetchItem, octets: Option<u64>, first: bool, out: &mut OutBuf) {
    if !first {
        out.extend(b" ");
    }
    label(item, out);
    out.extend(b" ");
    match octets {
        Some(octets) => literal_header(octets, out),
        None => out.extend(b"NIL"),
    }
}

/// The end of a FETCH response.
pub fn fetch_end(out: &mut OutBuf) {
    out.extend(b")\r\n");
}

fn msg_att(datum: &FetchData, out: &mut OutBuf) {
    match datum {
        FetchData::Flags { flags, recent } => {
            let space = if *recent && !flags.is_empty() { " " } else { "" };
            put(out, format_args!("FLAGS ({flags}{space}{})", if *recent { "\\Recent" } else { "" }));
        }
        FetchData::Uid(uid) => put(out, format_args!("UID {uid}")),
        FetchData::InternalDate(date) => put(out, format_args!("INTERNALDATE \"{date}\"")),
        FetchData::Rfc822Size(octets) => put(out, format_args!("RFC822.SIZE {octets}")),
        FetchData::Envelope(envelope) => {
            out.extend(b"ENVELOPE ");
            structure::envelope(envelope, out);
        }
        FetchData::Body(body) => {
            out.extend(b"BODY ");
            structure::body(body, false, out);
        }
        FetchData::BodyStructure(body) => {
            out.extend(b"BODYSTRUCTURE ");
            structure::body(body, true, out);
        }
        FetchData::Nil(item) => {
            label(item, out);
            out.extend(b" NIL");
        }
    }
}

/// How a response names what an item asked for: without `.PEEK`, and of a partial only the offset.
fn label(item: &FetchItem, out: &mut OutBuf) {
    match item {
        FetchItem::Envelope => out.extend(b"ENVELOPE"),
        FetchItem::Flags => out.extend(b"FLAGS"),
        FetchItem::InternalDate => out.extend(b"INTERNALDATE"),
        FetchItem::Rfc822 => out.extend(b"RFC822"),
        FetchItem::Rfc822Header => out.extend(b"RFC822.HEADER"),
        FetchItem::Rfc822Size => out.extend(b"RFC822.SIZE"),
        FetchItem::Rfc822Text => out.extend(b"RFC822.TEXT"),
        FetchItem::Body => out.extend(b"BODY"),
        FetchItem::BodyStructure => out.extend(b"BODYSTRUCTURE"),
        FetchItem::Uid => out.extend(b"UID"),
        FetchItem::Section { section, partial, peek: _ } => {
            out.extend(b"BODY");
            self::section(section, out);
            if let Some(partial) = partial {
                put(out, format_args!("<{}>", partial.offset));
            }
        }
    }
}

/// `section`, brackets included.
pub(crate) fn section(section: &Section, out: &mut OutBuf) {
    out.extend(b"[");
    for (index, number) in section.part.iter().enumerate() {
        put(out, format_args!("{}{number}", if index == 0 { "" } else { "." }));
    }
    if let Some(text) = &section.text {
        out.extend(if section.part.is_empty() { b"" } else { b"." });
        section_text(text, out);
    }
    out.extend(b"]");
}

fn section_text(text: &SectionText, out: &mut OutBuf) {
    match text {
        SectionText::Header => out.extend(b"HEADER"),
        SectionText::Text => out.extend(b"TEXT"),
        SectionText::Mime => out.extend(b"MIME"),
        SectionText::HeaderFields(choice, names) => {
            out.extend(match choice {
                FieldChoice::Named => b"HEADER.FIELDS (",
                FieldChoice::NotNamed => b"HEADER.FIELDS.NOT (",
            });
            for (index, name) in names.iter().enumerate() {
                out.extend(if index == 0 { b"" } else { b" " });
                astring(name.as_bytes(), out);
            }
            out.extend(b")");
        }
    }
}

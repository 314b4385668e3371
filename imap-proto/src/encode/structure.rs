//! ENVELOPE, BODY and BODYSTRUCTURE.
//!
//! RFC 3501 §7.4.2 and §9 `envelope`, `body`. Values go out as they stand in the message.
//!
//! # Limits
//! Recursion goes as deep as the structure, whose depth the scanner of [`mail_message`] bounds.

use super::string::{nstring, put, string};
use mail_message::{Address, BodyFields, BodyStructure, Disposition, Envelope, Extension, Parameter};
use proto_core::OutBuf;

/// `envelope`.
pub(super) fn envelope(envelope: &Envelope, out: &mut OutBuf) {
    out.extend(b"(");
    nstring(envelope.date.as_deref(), out);
    out.extend(b" ");
    nstring(envelope.subject.as_deref(), out);
    let lists =
        [&envelope.from, &envelope.sender, &envelope.reply_to, &envelope.to, &envelope.cc, &envelope.bcc];
    for list in lists {
        out.extend(b" ");
        addresses(list, out);
    }
    out.extend(b" ");
    nstring(envelope.in_reply_to.as_deref(), out);
    out.extend(b" ");
    nstring(envelope.message_id.as_deref(), out);
    out.extend(b")");
}

/// `"(" 1*address ")" / nil`.
fn addresses(list: &[Address], out: &mut OutBuf) {
    if list.is_empty() {
        return out.extend(b"NIL");
    }
    out.extend(b"(");
    for address in list {
        let parts = [&address.name, &address.adl, &address.mailbox, &address.host];
        for (index, part) in parts.into_iter().enumerate() {
            out.extend(if index == 0 { b"(" } else { b" " });
            nstring(part.as_deref(), out);
        }
        out.extend(b")");
    }
    out.extend(b")");
}

/// `body`, with extension data (BODYSTRUCTURE) or without (BODY).
pub(super) fn body(structure: &BodyStructure, extended: bool, out: &mut OutBuf) {
    out.extend(b"(");
    match structure {
        BodyStructure::Basic(part) => {
            media(&part.media_type, &part.subtype, &part.fields, out);
            one_part_extension(&part.fields, &part.extension, extended, out);
        }
        BodyStructure::Text(part) => {
            media(b"text", &part.subtype, &part.fields, out);
            put(out, format_args!(" {}", part.lines));
            one_part_extension(&part.fields, &part.extension, extended, out);
        }
        BodyStructure::Message(part) => {
            media(b"message", &part.subtype, &part.fields, out);
            out.extend(b" ");
            envelope(&part.envelope, out);
            out.extend(b" ");
            body(&part.body, extended, out);
            put(out, format_args!(" {}", part.lines));
            one_part_extension(&part.fields, &part.extension, extended, out);
        }
        BodyStructure::Multipart(multipart) => {
            for part in &multipart.parts {
                body(part, extended, out);
            }
            if multipart.parts.is_empty() {
                // `1*body`: a multipart without parts cannot be told.
                out.extend(EMPTY_PART);
            }
            out.extend(b" ");
            string(&multipart.subtype, out);
            if extended {
                out.extend(b" ");
                parameters(&multipart.parameters, out);
                extension(&multipart.extension, out);
            }
        }
    }
    out.extend(b")");
}

/// Type, subtype and `body-fields`.
fn media(media_type: &[u8], subtype: &[u8], fields: &BodyFields, out: &mut OutBuf) {
    string(media_type, out);
    out.extend(b" ");
    string(subtype, out);
    out.extend(b" ");
    parameters(&fields.parameters, out);
    out.extend(b" ");
    nstring(fields.id.as_deref(), out);
    out.extend(b" ");
    nstring(fields.description.as_deref(), out);
    out.extend(b" ");
    string(&fields.encoding, out);
    put(out, format_args!(" {}", fields.octets));
}

fn one_part_extension(fields: &BodyFields, rest: &Extension, extended: bool, out: &mut OutBuf) {
    if extended {
        out.extend(b" ");
        nstring(fields.md5.as_deref(), out);
        extension(rest, out);
    }
}

/// Disposition, language and location, each after a space.
fn extension(extension: &Extension, out: &mut OutBuf) {
    match &extension.disposition {
        Some(Disposition { kind, parameters: list }) => {
            out.extend(b" (");
            string(kind, out);
            out.extend(b" ");
            parameters(list, out);
            out.extend(b")");
        }
        None => out.extend(b" NIL"),
    }
    out.extend(b" ");
    match &extension.language[..] {
        [] => out.extend(b"NIL"),
        [one] => string(one, out),
        several => {
            for (index, language) in several.iter().enumerate() {
                out.extend(if index == 0 { b"(" } else { b" " });
                string(language, out);
            }
            out.extend(b")");
        }
    }
    out.extend(b" ");
    nstring(extension.location.as_deref(), out);
}

/// `body-fld-param`.
fn parameters(list: &[Parameter], out: &mut OutBuf) {
    if list.is_empty() {
        return out.extend(b"NIL");
    }
    for (index, parameter) in list.iter().enumerate() {
        out.extend(if index == 0 { b"(" } else { b" " });
        string(&parameter.name, out);
        out.extend(b" ");
        string(&parameter.value, out);
    }
    out.extend(b")");
}

const EMPTY_PART: &[u8] = b"(\"text\" \"plain\" NIL NIL NIL \"7BIT\" 0 0)";

//! FETCH.
//!
//! RFC 3501 §6.4.5 and §9 `fetch-att`, `section`.
//!
//! # Limits
//! 256 names in a list of header fields. Over it: `NO [LIMIT]`.
//!
//! # Departures
//! An item asked for twice is answered once. Names of header fields must be printable ASCII.

use super::cursor::Cursor;
use super::{Fault, Limits, bad, over_limit, store};
use crate::types::{CommandBody, FetchItem, FetchMacro, Partial};
use alloc::string::String;
use alloc::vec::Vec;
use core::num::{NonZeroU32, NonZeroU64};
use mail_message::header::FieldChoice;
use mail_message::{Section, SectionText};

/// `FETCH`.
pub(super) fn fetch(c: &mut Cursor<'_>, uid: bool, limits: &Limits) -> Result<CommandBody, Fault> {
    let set = store::sequence_set(c, limits)?;
    c.space()?;
    let mut items = Vec::new();
    if !c.eat(b'(') {
        match c.word().as_str() {
            "ALL" => items.extend_from_slice(FetchMacro::All.items()),
            "FAST" => items.extend_from_slice(FetchMacro::Fast.items()),
            "FULL" => items.extend_from_slice(FetchMacro::Full.items()),
            word => items.push(item(c, word)?),
        }
        return Ok(CommandBody::Fetch { uid, set, items });
    }
    loop {
        let word = c.word();
        let item = item(c, word.as_str())?;
        if !items.contains(&item) {
            if items.len() == limits.fetch_items_max {
                return Err(over_limit("Too many items"));
            }
            items.push(item);
        }
        if c.eat(b')') {
            return Ok(CommandBody::Fetch { uid, set, items });
        }
        c.space()?;
    }
}

/// What follows the word of a `fetch-att`.
fn item(c: &mut Cursor<'_>, word: &str) -> Result<FetchItem, Fault> {
    Ok(match word {
        "ENVELOPE" => FetchItem::Envelope,
        "FLAGS" => FetchItem::Flags,
        "INTERNALDATE" => FetchItem::InternalDate,
        "RFC822" => FetchItem::Rfc822,
        "RFC822.HEADER" => FetchItem::Rfc822Header,
        "RFC822.SIZE" => FetchItem::Rfc822Size,
        "RFC822.TEXT" => FetchItem::Rfc822Text,
        "BODYSTRUCTURE" => FetchItem::BodyStructure,
        "UID" => FetchItem::Uid,
        "BODY" if c.peek() != Some(b'[') => FetchItem::Body,
        "BODY" | "BODY.PEEK" => {
            let section = section(c)?;
            let partial = partial(c)?;
            FetchItem::Section { section, partial, peek: word == "BODY.PEEK" }
        }
        _ => return Err(bad("Unknown fetch item")),
    })
}

/// `"[" [section-spec] "]"`.
fn section(c: &mut Cursor<'_>) -> Result<Section, Fault> {
    c.expect(b'[', BAD_SECTION)?;
    let mut part = Vec::new();
    let mut text_follows = c.peek() != Some(b']');
    while text_follows && c.peek().is_some_and(|octet| octet.is_ascii_digit()) {
        if part.len() == PART_DEPTH_MAX {
            return Err(bad("Part number too deep"));
        }
        part.push(part_number(c)?);
        text_follows = c.eat(b'.');
    }
    let text = if text_follows { Some(section_text(c, !part.is_empty())?) } else { None };
    c.expect(b']', BAD_SECTION)?;
    Ok(Section { part, text })
}

/// `section-msgtext / "MIME"`, the latter of a part only.
fn section_text(c: &mut Cursor<'_>, of_part: bool) -> Result<SectionText, Fault> {
    Ok(match c.word().as_str() {
        "HEADER" => SectionText::Header,
        "TEXT" => SectionText::Text,
        "MIME" if of_part => SectionText::Mime,
        "HEADER.FIELDS" => SectionText::HeaderFields(FieldChoice::Named, header_list(c)?),
        "HEADER.FIELDS.NOT" => SectionText::HeaderFields(FieldChoice::NotNamed, header_list(c)?),
        _ => return Err(bad(BAD_SECTION)),
    })
}

/// `SP "(" header-fld-name *(SP header-fld-name) ")"`.
fn header_list(c: &mut Cursor<'_>) -> Result<Vec<String>, Fault> {
    c.space()?;
    c.expect(b'(', "Expected a list of header fields")?;
    let mut names = Vec::new();
    loop {
        if names.len() == HEADER_NAMES_MAX {
            return Err(over_limit("Too many header fields"));
        }
        let name = c.astring()?;
        match name.to_str().filter(|name| name.bytes().all(|octet| (0x20..=0x7e).contains(&octet))) {
            Some(name) => names.push(name.into()),
            None => return Err(bad("Not the name of a header field")),
        }
        if c.eat(b')') {
            return Ok(names);
        }
        c.space()?;
    }
}

/// `"<" number "." nz-number ">"`, or nothing.
fn partial(c: &mut Cursor<'_>) -> Result<Option<Partial>, Fault> {
    if !c.eat(b'<') {
        return Ok(None);
    }
    let offset = c.number(BAD_PARTIAL)?;
    c.expect(b'.', BAD_PARTIAL)?;
    let octets = NonZeroU64::new(c.number(BAD_PARTIAL)?).ok_or_else(|| bad(BAD_PARTIAL))?;
    c.expect(b'>', BAD_PARTIAL)?;
    Ok(Some(Partial { offset, octets }))
}

/// `nz-number`, which begins with no zero.
fn part_number(c: &mut Cursor<'_>) -> Result<NonZeroU32, Fault> {
    let zero = c.peek() == Some(b'0');
    let number = u32::try_from(c.number(BAD_SECTION)?).ok().and_then(NonZeroU32::new);
    number.filter(|_| !zero).ok_or_else(|| bad(BAD_SECTION))
}

/// Deeper than any structure that is reported.
const PART_DEPTH_MAX: usize = 128;
const HEADER_NAMES_MAX: usize = 256;
const BAD_SECTION: &str = "Not a section";
const BAD_PARTIAL: &str = "Expected <offset.octets>";

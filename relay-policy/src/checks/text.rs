//! Octets as text for tables, and back.
//!
//! Messages hold octets that are not UTF-8. Each of those becomes a character of its own, from a corner of Unicode's private
//! use, so that patterns see one character for it and what they capture becomes the octet again. A character from that
//! very corner is taken octet by octet, so that every text comes back as it was.

use std::borrow::Cow;

/// The character for the octet 0x80; those up to 0xff follow.
const FIRST: u32 = 0xf780;

/// The text that stands for these octets.
pub(super) fn text(octets: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(octets)
        && !text.chars().any(|character| octet(character).is_some())
    {
        return Cow::Borrowed(text);
    }
    let mut text = String::with_capacity(octets.len() * 3);
    let raw = |octets: &[u8], text: &mut String| {
        text.extend(octets.iter().filter_map(|octet| char::from_u32(FIRST + u32::from(*octet) - 0x80)));
    };
    for chunk in octets.utf8_chunks() {
        for character in chunk.valid().chars() {
            match octet(character) {
                Some(_) => raw(character.encode_utf8(&mut [0; 4]).as_bytes(), &mut text),
                None => text.push(character),
            }
        }
        raw(chunk.invalid(), &mut text);
    }
    Cow::Owned(text)
}

/// The octets that a text stands for; its line ends become CRLF.
pub(super) fn octets(text: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    for character in text.chars() {
        match (character, octet(character)) {
            (_, Some(octet)) => octets.push(octet),
            ('\n', _) => octets.extend_from_slice(b"\r\n"),
            _ => octets.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    octets
}

/// A field's text that cannot end the field: what follows a line's end is a continuation of it (RFC 5322 section 2.2.3),
/// whatever a pattern has captured.
pub(super) fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for (at, line) in text.trim_ascii_end().split('\n').enumerate() {
        if at > 0 {
            folded.push('\n');
            if !line.starts_with([' ', '\t']) {
                folded.push('\t');
            }
        }
        folded.push_str(line);
    }
    folded
}

/// The octet that a character stands for.
fn octet(character: char) -> Option<u8> {
    let beyond = u32::from(character).checked_sub(FIRST)?;
    u8::try_from(beyond).ok().filter(|beyond| *beyond < 0x80).map(|beyond| beyond + 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn octets_are_single_characters() {
        assert_eq!(text(b"caf\xe9").chars().count(), 4);
        assert!(matches!(text("café".as_bytes()), Cow::Borrowed("café")));
        assert_eq!(octets(&text("\u{f7e9}".as_bytes())), "\u{f7e9}".as_bytes());
    }

    proptest! {
        #[test]
        fn there_and_back(raw in prop::collection::vec(prop_oneof![any::<u8>(), Just(0xef), Just(0x9e)], 0..40)) {
            let raw: Vec<u8> = raw.into_iter().filter(|octet| *octet != b'\n').collect();
            prop_assert_eq!(octets(&text(&raw)), raw);
        }
    }
}

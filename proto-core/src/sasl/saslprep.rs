//! SASLprep: one spelling for what looks the same, so that a name or a password typed on one machine is that typed on
//! another.
//!
//! RFC 4013, a profile of stringprep (RFC 3454); beside it the profile `trace` of RFC 4505 section 3.
//!
//! # Limits
//! A text has at most [`TEXT_BYTES_MAX`] octets, as it comes and as it is made.
//!
//! # Departures
//! Both profiles stand on Unicode 3.2. Normalisation and the bidirectional classes here are those of the Unicode version
//! that the libraries have; all strings are taken as queries, in which code points that Unicode 3.2 did not assign are
//! allowed (RFC 3454 section 7).

use crate::secret::Secret;
use alloc::string::String;
use unicode_bidi::{BidiClass, bidi_class};
use unicode_normalization::UnicodeNormalization as _;

/// The longest name or password, in octets; RFC 4616 section 2 asks for 255 at least. Made by normalisation a text may be
/// eleven times as long as it came, so that both are counted.
pub const TEXT_BYTES_MAX: usize = 1024;

/// The text has a character that must not be there, mixes directions of writing, nothing is left of it, or it is longer than
/// [`TEXT_BYTES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("text that SASLprep prohibits, or too long")]
pub struct SaslprepFault;

/// Prepares a name or a password as a query string.
///
/// # Errors
/// [`SaslprepFault`].
pub fn saslprep(text: &str) -> Result<Secret, SaslprepFault> {
    if !matches!(text.len(), 1..=TEXT_BYTES_MAX) {
        return Err(SaslprepFault);
    }
    if text.bytes().all(|octet| matches!(octet, b' '..=b'~')) {
        return Ok(text.into());
    }
    let prepared = || text.chars().filter_map(mapped).nfkc();
    // The final size at once: growing would leave a copy of a password behind.
    let bytes = prepared().map(char::len_utf8).sum();
    if bytes > TEXT_BYTES_MAX {
        return Err(SaslprepFault);
    }
    let mut octets = String::with_capacity(bytes);
    octets.extend(prepared());
    let result = Secret::from(octets);
    match result.expose_str() {
        Some(text) if !text.is_empty() && !text.chars().any(is_prohibited) && is_of_one_direction(text) => {
            Ok(result)
        }
        _ => Err(SaslprepFault),
    }
}

/// Whether a text may be the trace of an anonymous client: RFC 4505 section 3.
pub(super) fn is_trace(text: &str) -> bool {
    let allowed = |c| is_allowed_in_trace_only(c) || !is_prohibited(c);
    text.chars().all(allowed) && is_of_one_direction(text)
}

/// Non-ASCII spaces and the inappropriate for canonical representation may stand in a trace: tables C.1.2 and C.7.
fn is_allowed_in_trace_only(c: char) -> bool {
    is_non_ascii_space(c) || matches!(c, '\u{2ff0}'..='\u{2ffb}')
}

/// RFC 4013 section 2.1.
fn mapped(c: char) -> Option<char> {
    if is_non_ascii_space(c) {
        // U+200B stands in both tables; a space is what RFC 4013 names first.
        return Some(' ');
    }
    (!is_mapped_to_nothing(c)).then_some(c)
}

/// RFC 3454 table B.1.
fn is_mapped_to_nothing(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{1806}' | '\u{180b}'..='\u{180d}' | '\u{200b}'..='\u{200d}' | '\u{2060}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}')
}

/// RFC 3454 table C.1.2.
fn is_non_ascii_space(c: char) -> bool {
    matches!(c, '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200b}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

/// RFC 4013 section 2.3. Surrogates (table C.5) are no `char`.
fn is_prohibited(c: char) -> bool {
    is_non_ascii_space(c)
        || is_control(c)
        || is_private_or_no_character(c)
        || matches!(c,
            // Inappropriate for plain text, table C.6, and for canonical representation, table C.7.
            '\u{fff9}'..='\u{fffd}' | '\u{2ff0}'..='\u{2ffb}'
            // Change display properties or are deprecated, table C.8.
            | '\u{340}' | '\u{341}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}'
            // Tagging, table C.9.
            | '\u{e0001}' | '\u{e0020}'..='\u{e007f}')
}

/// RFC 3454 tables C.2.1 and C.2.2.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{6dd}' | '\u{70f}' | '\u{180e}' | '\u{200c}' | '\u{200d}' | '\u{2028}' | '\u{2029}'
            | '\u{2060}'..='\u{2063}' | '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}'
            | '\u{1d173}'..='\u{1d17a}')
}

/// RFC 3454 tables C.3 and C.4.
fn is_private_or_no_character(c: char) -> bool {
    let point = u32::from(c);
    matches!(point, 0xe000..=0xf8ff | 0xf_0000..=0xf_fffd | 0x10_0000..=0x10_fffd | 0xfdd0..=0xfdef)
        || point & 0xfffe == 0xfffe
}

/// RFC 3454 section 6: with a character that is written from right to left there is none of the other direction, and
/// the first and the last are such.
fn is_of_one_direction(text: &str) -> bool {
    let leftward = |c| matches!(bidi_class(c), BidiClass::R | BidiClass::AL);
    if !text.chars().any(leftward) {
        return true;
    }
    let ends = [text.chars().next(), text.chars().next_back()];
    ends.into_iter().flatten().all(leftward) && !text.chars().any(|c| bidi_class(c) == BidiClass::L)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prepared(text: &str) -> Option<String> {
        saslprep(text).ok().and_then(|secret| secret.expose_str().map(Into::into))
    }

    #[test]
    fn rfc_4013_section_3() {
        assert_eq!(prepared("I\u{ad}X").as_deref(), Some("IX"));
        assert_eq!(prepared("user").as_deref(), Some("user"));
        assert_eq!(prepared("USER").as_deref(), Some("USER"));
        assert_eq!(prepared("\u{aa}").as_deref(), Some("a"));
        assert_eq!(prepared("\u{2168}").as_deref(), Some("IX"));
        assert_eq!(prepared("\u{7}"), None);
        assert_eq!(prepared("\u{627}\u{31}"), None);
    }

    #[test]
    fn spaces_are_spaces_and_nothing_is_nothing() {
        assert_eq!(prepared("a\u{a0}b\u{3000}c").as_deref(), Some("a b c"));
        assert_eq!(prepared("\u{fe0f}\u{ad}"), None);
        assert_eq!(prepared(""), None);
        assert_eq!(prepared("u\u{308}nal").as_deref(), Some("\u{fc}nal"));
    }

    #[test]
    fn a_text_has_a_length_as_it_comes_and_as_it_is_made() {
        for (character, bytes_made) in [('u', 1), ('\u{e9}', 2), ('\u{fdfa}', 33)] {
            let times = TEXT_BYTES_MAX / bytes_made.max(character.len_utf8());
            let text = |times| String::from_iter(core::iter::repeat_n(character, times));
            assert!(saslprep(&text(times)).is_ok(), "{character}");
            assert!(saslprep(&text(times + 1)).is_err(), "{character}");
        }
        // Too long as it comes, though nothing would be left of most of it.
        assert!(saslprep(&(String::from("u") + &"\u{ad}".repeat(TEXT_BYTES_MAX / 2))).is_err());
    }

    #[test]
    fn every_table_prohibits() {
        for bad in [
            '\u{0}',
            '\u{7f}',
            '\u{85}',
            '\u{6dd}',
            '\u{2028}',
            '\u{2061}',
            '\u{1d173}',
            '\u{e000}',
            '\u{f0000}',
            '\u{10fffd}',
            '\u{fdd0}',
            '\u{ffff}',
            '\u{5fffe}',
            '\u{fffd}',
            '\u{2ff0}',
            '\u{202e}',
            '\u{206a}',
            '\u{e0001}',
            '\u{e0041}',
        ] {
            assert_eq!(prepared(&String::from_iter(['a', bad])), None, "{bad:?}");
        }
    }

    #[test]
    fn one_direction() {
        assert_eq!(prepared("\u{627}1\u{628}").as_deref(), Some("\u{627}1\u{628}"));
        assert_eq!(prepared("\u{627}a\u{628}"), None);
        assert_eq!(prepared("1\u{628}"), None);
    }

    #[test]
    fn traces() {
        assert!(is_trace("sirhc\u{a0}\u{2ff0}"));
        assert!(!is_trace("a\nb"));
        assert!(!is_trace("\u{627}a"));
    }
}

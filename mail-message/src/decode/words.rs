//! Encoded words (RFC 2047) and extended parameters (RFC 2231 §4), to UTF-8.
//!
//! # Departures
//! * An encoded word is decoded wherever it stands, inside quoted strings too, because senders put it there.
//! * Neighbouring words of one charset are decoded as one text, since senders cut characters in two between them.
//! * Octets outside encoded words are UTF-8 where they are valid UTF-8 (RFC 6532), windows-1252 otherwise.

use alloc::string::String;
use alloc::vec::Vec;
use encoding_rs::WINDOWS_1252;

use super::{CharsetDecoder, TransferDecoder};
use crate::mime::Encoding;
use crate::structure::Parameter;

/// The text of an unfolded header value.
///
/// ```
/// use mail_message::decode::decode_header;
///
/// assert_eq!(decode_header(b"Re: =?ISO-8859-1?Q?caf=E9?= =?utf-8?B?4oKs?= !"), "Re: café€ !");
/// assert_eq!(decode_header(b"=?broken?="), "=?broken?=");
/// ```
pub fn decode_header(value: &[u8]) -> String {
    let mut text = String::new();
    let mut rest = value;
    // Octets of the words that are still open, and their charset.
    let mut open: Option<(&[u8], Vec<u8>)> = None;
    while !rest.is_empty() {
        let start = memchr::memmem::find(rest, b"=?").unwrap_or(rest.len());
        let (plain, tail) = rest.split_at(start);
        let Some(word) = Word::parse(tail) else {
            // Not a word: at least the two octets that looked like one are plain text.
            let plain = &rest[..(start + 2).min(rest.len())];
            close(&mut open, &mut text);
            push_plain(plain, &mut text);
            rest = &rest[plain.len()..];
            continue;
        };
        // White space between two encoded words is not shown (RFC 2047 §6.2).
        let follows_word = open.is_some() && plain.trim_ascii().is_empty();
        if !follows_word {
            close(&mut open, &mut text);
            push_plain(plain, &mut text);
        }
        match &mut open {
            Some((charset, octets)) if charset.eq_ignore_ascii_case(word.charset) => word.decode_into(octets),
            _ => {
                close(&mut open, &mut text);
                let mut octets = Vec::new();
                word.decode_into(&mut octets);
                open = Some((word.charset, octets));
            }
        }
        rest = &tail[word.len..];
    }
    close(&mut open, &mut text);
    text
}

/// The value of the parameter `name` as text: the extended form (`name*`) before the plain one, in which encoded
/// words are decoded, RFC 2047 §5 or not.
///
/// ```
/// use mail_message::decode::decode_parameter;
/// use mail_message::mime::ContentType;
///
/// let pdf = ContentType::parse(b"application/pdf; name*=utf-8'en'%e2%82%ac%20rates.pdf", 64).unwrap();
/// assert_eq!(decode_parameter(&pdf.parameters, "name").as_deref(), Some("€ rates.pdf"));
/// ```
pub fn decode_parameter(parameters: &[Parameter], name: &str) -> Option<String> {
    let named = |p: &&Parameter, suffix: &[u8]| {
        p.name.strip_suffix(suffix).is_some_and(|base| base.eq_ignore_ascii_case(name.as_bytes()))
    };
    if let Some(extended) = parameters.iter().find(|p| named(p, b"*")) {
        let mut fields = extended.value.splitn(3, |&octet| octet == b'\'');
        if let (Some(charset), Some(_), Some(encoded)) = (fields.next(), fields.next(), fields.next()) {
            return Some(to_text(charset, &percent_decode(encoded)));
        }
    }
    parameters.iter().find(|p| named(p, b"")).map(|plain| decode_header(&plain.value))
}

struct Word<'a> {
    charset: &'a [u8],
    is_base64: bool,
    text: &'a [u8],
    /// Octets of the whole word.
    len: usize,
}

impl<'a> Word<'a> {
    /// Reads `=?charset?encoding?text?=` at the start of `octets`. A language behind the charset (RFC 2231 §5) goes.
    fn parse(octets: &'a [u8]) -> Option<Word<'a>> {
        let inner = octets.strip_prefix(b"=?")?;
        let charset_len = memchr::memchr(b'?', &inner[..inner.len().min(CHARSET_BYTES_MAX)])?;
        let (charset, rest) = inner.split_at(charset_len);
        let is_base64 = match rest.get(1)? {
            b'B' | b'b' => true,
            b'Q' | b'q' => false,
            _ => return None,
        };
        let text = rest.get(2..)?.strip_prefix(b"?")?;
        let end = memchr::memchr(b'?', text).filter(|&end| text.get(end + 1) == Some(&b'='))?;
        let charset = charset.split(|&octet| octet == b'*').next().unwrap_or(charset);
        if charset.is_empty() {
            return None;
        }
        Some(Word { charset, is_base64, text: &text[..end], len: octets.len() - text.len() + end + 2 })
    }

    fn decode_into(&self, output: &mut Vec<u8>) {
        if self.is_base64 {
            let mut decoder = TransferDecoder::new(Encoding::Base64);
            decoder.feed(self.text, output);
            decoder.finish(output);
            return;
        }
        let spaced: Vec<u8> =
            self.text.iter().map(|&octet| if octet == b'_' { b' ' } else { octet }).collect();
        unescape(&spaced, b'=', output);
    }
}

/// The longest charset name that is looked for; the registry's longest has 45 octets.
const CHARSET_BYTES_MAX: usize = 80;

fn percent_decode(encoded: &[u8]) -> Vec<u8> {
    let mut octets = Vec::new();
    unescape(encoded, b'%', &mut octets);
    octets
}

/// Replaces `mark` and two hexadecimal digits by their octet.
fn unescape(mut text: &[u8], mark: u8, output: &mut Vec<u8>) {
    let digit = |octet: u8| char::from(octet).to_digit(16);
    while let Some((&octet, rest)) = text.split_first() {
        text = rest;
        if let (true, [high, low, rest @ ..]) = (octet == mark, rest)
            && let (Some(high), Some(low)) = (digit(*high), digit(*low))
        {
            output.push((high << 4 | low) as u8);
            text = rest;
            continue;
        }
        output.push(octet);
    }
}

fn to_text(charset: &[u8], octets: &[u8]) -> String {
    let mut text = String::new();
    let mut decoder = CharsetDecoder::new(Some(charset));
    decoder.feed(octets, &mut text);
    decoder.finish(&mut text);
    text
}

fn close(open: &mut Option<(&[u8], Vec<u8>)>, text: &mut String) {
    if let Some((charset, octets)) = open.take() {
        text.push_str(&to_text(charset, &octets));
    }
}

/// Appends octets that are no encoded word.
fn push_plain(plain: &[u8], text: &mut String) {
    match core::str::from_utf8(plain) {
        Ok(plain) => text.push_str(plain),
        Err(_) => text.push_str(&WINDOWS_1252.decode_without_bom_handling(plain).0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 2047 §8.
    #[test]
    fn the_examples_of_rfc_2047() {
        for (encoded, text) in [
            ("=?ISO-8859-1?Q?a?=", "a"),
            ("=?ISO-8859-1?Q?a?= b", "a b"),
            ("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
            ("=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=", "ab"),
            ("=?ISO-8859-1?Q?a_b?=", "a b"),
            ("=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"),
            ("=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>"),
            ("=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?=", "Keld Jørn Simonsen"),
            ("=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=", "If you can read this yo"),
            ("=?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=", "u understand the example."),
        ] {
            assert_eq!(decode_header(encoded.as_bytes()), text, "{encoded}");
        }
    }

    #[test]
    fn a_character_may_be_cut_between_words() {
        assert_eq!(decode_header(b"=?utf-8?B?4oI=?= =?UTF-8?B?rA==?="), "€");
        assert_eq!(decode_header(b"=?utf-8*en?Q?=E2=82?= =?utf-8?Q?=AC?="), "€");
    }

    #[test]
    fn what_is_no_word_stays() {
        for text in ["=?", "=?a", "=?a?q", "=?a?q?", "=?a?x?b?=", "=??q?b?=", "a =? b", "=?a?q?b?c?="] {
            assert_eq!(decode_header(text.as_bytes()), text);
        }
        assert_eq!(decode_header(b"=?a?q?b?= =?x"), "b =?x");
        assert_eq!(decode_header(b"=?utf-8?q?=zz=4?="), "=zz=4");
    }

    #[test]
    fn raw_octets_are_utf_8_or_windows_1252() {
        assert_eq!(decode_header("grün".as_bytes()), "grün");
        assert_eq!(decode_header(b"gr\xfcn"), "grün");
    }

    #[test]
    fn parameters_in_both_forms() {
        let list = |name: &str, value: &[u8]| {
            [Parameter { name: name.as_bytes().to_vec().into(), value: value.to_vec().into() }]
        };
        assert_eq!(decode_parameter(&list("NAME", b"=?utf-8?q?=e2=82=ac?="), "name").as_deref(), Some("€"));
        assert_eq!(decode_parameter(&list("name*", b"''a%20b"), "name").as_deref(), Some("a b"));
        assert_eq!(decode_parameter(&list("name*", b"broken"), "name"), None);
        assert_eq!(decode_parameter(&list("other", b"x"), "name"), None);
    }
}

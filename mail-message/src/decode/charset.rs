//! [`CharsetDecoder`]: from any charset to UTF-8.

use alloc::string::String;
use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8};

/// Decodes text that arrives in pieces. However it is cut, the result is the same.
///
/// Charsets are known by the labels of the WHATWG Encoding Standard, in which `us-ascii` and `iso-8859-1` are
/// windows-1252. A charset that is unknown, or that the standard refuses to decode, or not named, is read as UTF-8;
/// what a charset does not know becomes U+FFFD.
///
/// ```
/// use mail_message::decode::CharsetDecoder;
///
/// let mut decoder = CharsetDecoder::new(Some(b"ISO-8859-15"));
/// let mut text = String::new();
/// decoder.feed(b"5 \xa4", &mut text);
/// decoder.finish(&mut text);
/// assert_eq!(text, "5 €");
/// ```
pub struct CharsetDecoder(Decoder);

impl CharsetDecoder {
    /// A decoder for the charset of that name, in any case.
    pub fn new(charset: Option<&[u8]>) -> CharsetDecoder {
        let encoding = charset.and_then(Encoding::for_label_no_replacement).unwrap_or(UTF_8);
        CharsetDecoder(encoding.new_decoder_without_bom_handling())
    }

    /// Appends to `output` what `input` decodes to, as far as it is certain.
    pub fn feed(&mut self, input: &[u8], output: &mut String) {
        self.run(input, output, false);
    }

    /// The text has ended: appends what was still open. The decoder must not be used afterwards.
    pub fn finish(mut self, output: &mut String) {
        self.run(&[], output, true);
    }

    fn run(&mut self, mut input: &[u8], output: &mut String, last: bool) {
        loop {
            let room = self.0.max_utf8_buffer_length(input.len()).unwrap_or(input.len());
            output.reserve(room);
            let (result, read, _) = self.0.decode_to_string(input, output, last);
            if result == CoderResult::InputEmpty {
                return;
            }
            input = &input[read..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(charset: &str, pieces: &[&[u8]]) -> String {
        let mut decoder = CharsetDecoder::new(Some(charset.as_bytes()));
        let mut output = String::new();
        pieces.iter().for_each(|piece| decoder.feed(piece, &mut output));
        decoder.finish(&mut output);
        output
    }

    #[test]
    fn characters_may_be_cut() {
        assert_eq!(decode("utf-8", &[b"\xe2", b"\x82", b"\xac"]), "€");
        assert_eq!(decode("ISO-2022-JP", &[b"\x1b$", b"B$", b"\"\x1b(B"]), "あ");
        assert_eq!(decode("gb18030", &[b"\xc4", b"\xe3"]), "你");
    }

    #[test]
    fn what_is_not_known_is_replaced() {
        assert_eq!(decode("utf-8", &[b"a\xffb\xe2"]), "a\u{fffd}b\u{fffd}");
        assert_eq!(decode("x-nosuch", &["ä".as_bytes()]), "ä");
        assert_eq!(decode("iso-2022-kr", &[b"plain"]), "plain");
    }
}

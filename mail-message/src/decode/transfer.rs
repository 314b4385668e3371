//! [`TransferDecoder`]: undoing a content transfer encoding.

use alloc::vec::Vec;

use super::base64::Base64Decoder;
use super::quoted_printable::QuotedPrintableDecoder;
use crate::mime::Encoding;

/// Decodes a body that arrives in pieces (RFC 2045 §6). However it is cut, the result is the same.
///
/// ```
/// use mail_message::decode::TransferDecoder;
/// use mail_message::mime::Encoding;
///
/// let mut decoder = TransferDecoder::new(Encoding::QuotedPrintable);
/// let mut text = Vec::new();
/// decoder.feed(b"caf=C3", &mut text);
/// decoder.feed(b"=A9 =\r\nau lait", &mut text);
/// decoder.finish(&mut text);
/// assert_eq!(text, "café au lait".as_bytes());
/// ```
#[derive(Debug, Clone)]
pub struct TransferDecoder(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Identity,
    Base64(Base64Decoder),
    QuotedPrintable(QuotedPrintableDecoder),
}

impl TransferDecoder {
    /// A decoder for that encoding; an unknown one is passed through.
    pub fn new(encoding: Encoding) -> TransferDecoder {
        TransferDecoder(match encoding {
            Encoding::Identity | Encoding::Unknown => Kind::Identity,
            Encoding::Base64 => Kind::Base64(Base64Decoder::default()),
            Encoding::QuotedPrintable => Kind::QuotedPrintable(QuotedPrintableDecoder::default()),
        })
    }

    /// Appends to `output` what `input` decodes to, as far as it is certain.
    pub fn feed(&mut self, input: &[u8], output: &mut Vec<u8>) {
        match &mut self.0 {
            Kind::Identity => output.extend_from_slice(input),
            Kind::Base64(decoder) => decoder.feed(input, output),
            Kind::QuotedPrintable(decoder) => decoder.feed(input, output),
        }
    }

    /// The body has ended: appends what was still open.
    pub fn finish(&mut self, output: &mut Vec<u8>) {
        match &mut self.0 {
            Kind::Identity => {}
            Kind::Base64(decoder) => decoder.finish(output),
            Kind::QuotedPrintable(decoder) => decoder.finish(output),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::base64::Engine as _;
    use proptest::prelude::*;

    fn decode(encoding: Encoding, input: &[u8]) -> Vec<u8> {
        let mut decoder = TransferDecoder::new(encoding);
        let mut output = Vec::new();
        decoder.feed(input, &mut output);
        decoder.finish(&mut output);
        output
    }

    #[test]
    fn base64_known_answers() {
        for (input, output) in [
            (&b""[..], &b""[..]),
            (b"Zg==", b"f"),
            (b"Zm8=", b"fo"),
            (b"Zm9v", b"foo"),
            (b"Zm9v\r\nYmFy\r\n", b"foobar"),
            (b"Zg", b"f"),
            (b"Zm8", b"fo"),
            (b"Zm9vZ", b"foo"),
            (b"Zg==Zm8=", b"ffo"),
            (b"Z!m-9 v", b"foo"),
            (b"=", b""),
        ] {
            assert_eq!(decode(Encoding::Base64, input), output, "{input:?}");
        }
    }

    #[test]
    fn quoted_printable_known_answers() {
        for (input, output) in [
            (&b"a=3Db"[..], &b"a=b"[..]),
            (b"a=3db", b"a=b"),
            (b"soft=\r\nbreak", b"softbreak"),
            (b"soft=\nbreak", b"softbreak"),
            (b"soft= \t\r\nbreak", b"softbreak"),
            (b"end  \r\nnext\t\nlast", b"end\r\nnext\nlast"),
            (b"in  between", b"in  between"),
            (b"=20\r\n", b" \r\n"),
            (b"a =3D", b"a ="),
            (b"=XY=4", b"=XY=4"),
            (b"=4G", b"=4G"),
            (b"==41", b"=A"),
            (b"a\rb", b"a\rb"),
            (b"= x", b"= x"),
            (b"=\rx", b"=\rx"),
            (b"cut=", b"cut"),
            (b"cut  ", b"cut"),
            (b"\xff\0", b"\xff\0"),
        ] {
            assert_eq!(decode(Encoding::QuotedPrintable, input), output, "{:?}", input.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn base64_reads_what_another_encoder_writes(octets: Vec<u8>) {
            let encoded = ::base64::engine::general_purpose::STANDARD.encode(&octets);
            prop_assert_eq!(decode(Encoding::Base64, encoded.as_bytes()), octets);
        }

        #[test]
        fn a_cut_changes_nothing(input in "[ =\r\nA4\t]{0,24}", at: prop::sample::Index) {
            let input = input.as_bytes();
            let at = at.index(input.len() + 1);
            for encoding in [Encoding::Base64, Encoding::QuotedPrintable, Encoding::Identity] {
                let mut decoder = TransferDecoder::new(encoding);
                let mut output = Vec::new();
                decoder.feed(&input[..at], &mut output);
                decoder.feed(&input[at..], &mut output);
                decoder.finish(&mut output);
                prop_assert_eq!(output, decode(encoding, input));
            }
        }
    }
}

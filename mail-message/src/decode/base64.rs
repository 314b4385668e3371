//! Base64 as RFC 2045 §6.8 has it: line ends and octets outside the alphabet are passed over.

use alloc::vec::Vec;

/// A streaming decoder.
#[derive(Debug, Clone, Default)]
pub(super) struct Base64Decoder {
    bits: u32,
    digits: u32,
}

impl Base64Decoder {
    pub(super) fn feed(&mut self, input: &[u8], output: &mut Vec<u8>) {
        output.reserve(input.len() / 4 * 3 + 3);
        let mut rest = input;
        loop {
            if self.digits == 0 {
                rest = quanta(rest, output);
            }
            let Some((&octet, more)) = rest.split_first() else { return };
            rest = more;
            let digit = DIGITS[usize::from(octet)];
            if digit < 64 {
                self.bits = self.bits << 6 | u32::from(digit);
                self.digits += 1;
                if self.digits == 4 {
                    self.flush(output);
                }
            } else if octet == b'=' {
                // Padding ends a quantum; two encoded texts one after the other are seen in real mail.
                self.flush(output);
            }
        }
    }

    pub(super) fn finish(&mut self, output: &mut Vec<u8>) {
        self.flush(output);
    }

    /// The whole octets among the digits of this quantum; a lone digit is less than one and goes.
    fn flush(&mut self, output: &mut Vec<u8>) {
        let octets = (self.digits * 6 / 8) as usize;
        let quantum = self.bits << (24 - 6 * self.digits);
        output.extend_from_slice(&quantum.to_be_bytes()[1..1 + octets]);
        (self.bits, self.digits) = (0, 0);
    }
}

/// Decodes as long as whole quanta come with nothing between; returns what comes then.
fn quanta<'a>(input: &'a [u8], output: &mut Vec<u8>) -> &'a [u8] {
    let mut rest = input;
    while let Some((quantum, more)) = rest.split_first_chunk::<4>() {
        let [a, b, c, d] = quantum.map(|octet| DIGITS[usize::from(octet)]);
        if (a | b | c | d) >= 64 {
            break;
        }
        let bits = u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d);
        let [_, first, second, third] = bits.to_be_bytes();
        output.extend_from_slice(&[first, second, third]);
        rest = more;
    }
    rest
}

/// The value of each octet as a digit; 64 for those that are none.
const DIGITS: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [64; 256];
    let mut digit = 0;
    while digit < 64 {
        table[alphabet[digit] as usize] = digit as u8;
        digit += 1;
    }
    table
};

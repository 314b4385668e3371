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
        for &octet in input {
            let digit = match octet {
                b'A'..=b'Z' => octet - b'A',
                b'a'..=b'z' => octet - b'a' + 26,
                b'0'..=b'9' => octet - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                // Padding ends a quantum; two encoded texts one after the other are seen in real mail.
                b'=' => {
                    self.flush(output);
                    continue;
                }
                _ => continue,
            };
            self.bits = self.bits << 6 | u32::from(digit);
            self.digits += 1;
            if self.digits == 4 {
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

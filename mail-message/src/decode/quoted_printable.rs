//! Quoted-printable, RFC 2045 §6.7.

use alloc::vec::Vec;

/// A streaming decoder. Invalid escapes stay as they are; white space at the end of a line goes (rule 3).
#[derive(Debug, Clone, Default)]
pub(super) struct QuotedPrintableDecoder {
    state: State,
    /// White space that may turn out to stand at the end of a line.
    blanks: Vec<u8>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Text,
    /// Behind CR in text.
    Cr,
    /// Behind `=`, and white space kept in `blanks`.
    Escape,
    /// Behind `=` and a hexadecimal digit.
    EscapeDigit(u8),
    /// Behind `=` and CR, in a soft line break.
    SoftCr,
}

/// More white space than a line may have is taken for text, so that it need not be held.
const BLANKS_BYTES_MAX: usize = 1000;

impl QuotedPrintableDecoder {
    pub(super) fn feed(&mut self, input: &[u8], output: &mut Vec<u8>) {
        let mut rest = input;
        while let Some((&octet, more)) = rest.split_first() {
            if self.state == State::Text && self.blanks.is_empty() {
                // Text in which nothing is special goes as it is. Blanks do too, when text follows them.
                let special = memchr::memchr3(b'=', b'\r', b'\n', rest).unwrap_or(rest.len());
                let plain = rest[..special].trim_ascii_end();
                if !plain.is_empty() {
                    output.extend_from_slice(plain);
                    rest = &rest[plain.len()..];
                    continue;
                }
            }
            self.push(octet, output);
            rest = more;
        }
    }

    pub(super) fn finish(&mut self, output: &mut Vec<u8>) {
        match core::mem::take(&mut self.state) {
            State::Text => {}
            State::Cr => output.push(b'\r'),
            // `=` at the very end is a soft line break whose line end was cut off.
            State::Escape | State::SoftCr => {}
            State::EscapeDigit(digit) => output.extend_from_slice(&[b'=', digit]),
        }
        self.blanks.clear();
    }

    fn push(&mut self, octet: u8, output: &mut Vec<u8>) {
        match (self.state, octet) {
            (State::Text, b'=') => {
                output.append(&mut self.blanks);
                self.state = State::Escape;
            }
            (State::Text, b'\r') => self.state = State::Cr,
            (State::Text, b'\n') => {
                self.blanks.clear();
                output.push(b'\n');
            }
            (State::Text, b' ' | b'\t') => {
                if self.blanks.len() == BLANKS_BYTES_MAX {
                    output.append(&mut self.blanks);
                }
                self.blanks.push(octet);
            }
            (State::Text, _) => {
                output.append(&mut self.blanks);
                output.push(octet);
            }
            (State::Cr, b'\n') => {
                self.blanks.clear();
                output.extend_from_slice(b"\r\n");
                self.state = State::Text;
            }
            (State::Cr, _) => {
                output.append(&mut self.blanks);
                output.push(b'\r');
                self.again(octet, output);
            }
            (State::Escape, b'\n') | (State::SoftCr, b'\n') => {
                self.blanks.clear();
                self.state = State::Text;
            }
            (State::Escape, b'\r') => self.state = State::SoftCr,
            (State::Escape, b' ' | b'\t') if self.blanks.len() < BLANKS_BYTES_MAX => self.blanks.push(octet),
            (State::Escape, _) if octet.is_ascii_hexdigit() && self.blanks.is_empty() => {
                self.state = State::EscapeDigit(octet);
            }
            (State::Escape, _) => {
                output.push(b'=');
                output.append(&mut self.blanks);
                self.again(octet, output);
            }
            (State::EscapeDigit(first), _) => {
                let digit = |octet: u8| char::from(octet).to_digit(16);
                match (digit(first), digit(octet)) {
                    (Some(high), Some(low)) => {
                        output.push((high << 4 | low) as u8);
                        self.state = State::Text;
                    }
                    _ => {
                        output.extend_from_slice(&[b'=', first]);
                        self.again(octet, output);
                    }
                }
            }
            (State::SoftCr, _) => {
                output.push(b'=');
                output.append(&mut self.blanks);
                output.push(b'\r');
                self.again(octet, output);
            }
        }
    }

    /// Looks at `octet` as text: what came before it was none of what it seemed.
    fn again(&mut self, octet: u8, output: &mut Vec<u8>) {
        self.state = State::Text;
        self.push(octet, output);
    }
}

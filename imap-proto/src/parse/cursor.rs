//! A place in a frame, and the words of the grammar that can stand there.
//!
//! RFC 3501 §9. What is read shares the frame's octets; nothing is copied but escapes.
//!
//! # Departures
//! Octets above 127 are taken in quoted strings, as RFC 9051 and RFC 6855 have it; what they mean is for the
//! command to say. Controls other than CR, LF and NUL are taken there too (`TEXT-CHAR`).

use super::{Fault, bad};
use crate::framing::Fragment;
use crate::types::{AString, is_astring_char, is_atom_char};
use alloc::vec::Vec;
use bytes::Bytes;

/// Walks through the fragments of a command. Every method that fails leaves nothing to go on with.
pub(super) struct Cursor<'a> {
    line: &'a Bytes,
    at: usize,
    /// What follows the line: a literal, a line, and so on.
    rest: &'a [Fragment],
    /// A literal was announced after the last line and is not there yet.
    announced: bool,
}

impl<'a> Cursor<'a> {
    /// At the start. Without a first line there is nothing to read, only an end.
    pub(super) fn new(fragments: &'a [Fragment], announced: bool) -> Self {
        static NOTHING: Bytes = Bytes::new();
        match fragments.split_first() {
            Some((Fragment::Line(line), rest)) => Self { line, at: 0, rest, announced },
            _ => Self { line: &NOTHING, at: 0, rest: &[], announced },
        }
    }

    /// The next octet of the line.
    pub(super) fn peek(&self) -> Option<u8> {
        self.line.get(self.at).copied()
    }

    /// Takes `octet` if it is next.
    pub(super) fn eat(&mut self, octet: u8) -> bool {
        let next = self.peek() == Some(octet);
        self.at += usize::from(next);
        next
    }

    /// Takes `octet`, which must be next.
    pub(super) fn expect(&mut self, octet: u8, else_bad: &'static str) -> Result<(), Fault> {
        if self.eat(octet) { Ok(()) } else { Err(bad(else_bad)) }
    }

    /// Exactly one space.
    pub(super) fn space(&mut self) -> Result<(), Fault> {
        self.expect(b' ', "Missing argument")
    }

    /// The end of the command.
    pub(super) fn end(&self) -> Result<(), Fault> {
        if self.at == self.line.len() && self.rest.is_empty() && !self.announced {
            Ok(())
        } else {
            Err(bad("Unexpected argument"))
        }
    }

    /// As many octets as please, perhaps none.
    pub(super) fn take_while(&mut self, pleases: impl Fn(u8) -> bool) -> Bytes {
        let rest = &self.line[self.at..];
        let octets = rest.iter().position(|&octet| !pleases(octet)).unwrap_or(rest.len());
        let start = self.at;
        self.at += octets;
        self.line.slice(start..self.at)
    }

    /// `1*ATOM-CHAR`.
    pub(super) fn atom(&mut self, else_bad: &'static str) -> Result<Bytes, Fault> {
        match self.take_while(is_atom_char) {
            atom if atom.is_empty() => Err(bad(else_bad)),
            atom => Ok(atom),
        }
    }

    /// A word of letters, digits and dots, which the caller compares with those it knows.
    pub(super) fn word(&mut self) -> Word {
        let octets = self.take_while(|octet| octet.is_ascii_alphanumeric() || octet == b'.');
        Word::new(&octets)
    }

    /// `number64`: at most 63 bits (RFC 9051 §9).
    pub(super) fn number(&mut self, else_bad: &'static str) -> Result<u64, Fault> {
        let digits = self.take_while(|octet| octet.is_ascii_digit());
        let text = core::str::from_utf8(&digits).unwrap_or_default();
        text.parse().ok().filter(|&number| number <= i64::MAX as u64).ok_or_else(|| bad(else_bad))
    }

    /// `astring`.
    pub(super) fn astring(&mut self) -> Result<AString, Fault> {
        self.string_or(is_astring_char)
    }

    /// `string`.
    pub(super) fn string(&mut self) -> Result<AString, Fault> {
        self.string_or(|_| false)
    }

    /// `string`, or one or more octets that please.
    pub(super) fn string_or(&mut self, pleases: impl Fn(u8) -> bool) -> Result<AString, Fault> {
        let octets = match self.peek() {
            Some(b'"') => self.quoted()?,
            Some(_) => match self.take_while(pleases) {
                octets if octets.is_empty() => return Err(bad("Expected a string")),
                octets => octets,
            },
            None => self.literal()?,
        };
        AString::new(octets).map_err(|_| bad("NUL in a string"))
    }

    /// Whether a literal is next, here or on its way.
    pub(super) fn is_before_literal(&self) -> bool {
        self.at == self.line.len() && (self.announced || !self.rest.is_empty())
    }

    fn quoted(&mut self) -> Result<Bytes, Fault> {
        let start = self.at + 1;
        let mut escaped = false;
        let mut end = start;
        loop {
            match self.line.get(end) {
                Some(b'"') => break,
                Some(b'\\') if matches!(self.line.get(end + 1), Some(b'"' | b'\\')) => {
                    escaped = true;
                    end += 2;
                }
                Some(b'\\') => return Err(bad("Unknown escape in a quoted string")),
                Some(b'\r' | b'\n' | 0) => return Err(bad("Control character in a quoted string")),
                Some(_) => end += 1,
                None => return Err(bad("Quoted string without an end")),
            }
        }
        self.at = end + 1;
        let inside = self.line.slice(start..end);
        Ok(if escaped { unescape(&inside) } else { inside })
    }

    fn literal(&mut self) -> Result<Bytes, Fault> {
        match self.rest {
            [Fragment::Literal(literal), Fragment::Line(line), rest @ ..] => {
                (self.line, self.at, self.rest) = (line, 0, rest);
                Ok(literal.clone())
            }
            [] if self.announced => Err(Fault::LiteralHere),
            _ => Err(bad("Missing argument")),
        }
    }
}

/// The inside of a quoted string in which every backslash is followed by what it escapes.
fn unescape(inside: &[u8]) -> Bytes {
    let mut octets = Vec::with_capacity(inside.len());
    let mut rest = inside.iter();
    while let Some(&octet) = rest.next() {
        octets.push(if octet == b'\\' { rest.next().copied().unwrap_or(octet) } else { octet });
    }
    octets.into()
}

/// A word in upper case, to be matched against those a grammar rule knows. One that is longer than any is empty.
pub(super) struct Word {
    octets: [u8; Word::BYTES_MAX],
    len: usize,
}

impl Word {
    const BYTES_MAX: usize = 24;

    fn new(octets: &[u8]) -> Self {
        let mut word = Self { octets: [0; Self::BYTES_MAX], len: 0 };
        if let Some(place) = word.octets.get_mut(..octets.len()) {
            place.copy_from_slice(octets);
            place.make_ascii_uppercase();
            word.len = octets.len();
        }
        word
    }

    /// The word.
    pub(super) fn as_str(&self) -> &str {
        core::str::from_utf8(&self.octets[..self.len]).unwrap_or_default()
    }
}

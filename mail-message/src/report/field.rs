//! Text of others in lines of ours: nothing of it ends a line, and none becomes too long.

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt::Write as _;

/// A line is folded where it would become longer, if there is a space (RFC 5322 section 2.1.1).
pub(super) const LINE_BYTES_WISHED: usize = 76;

/// A word that is longer is cut: with what stands before it, a line has less than 998 octets.
const WORD_BYTES_MAX: usize = 900;

/// How fields are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    /// Whether they may hold what is not ASCII.
    pub(super) is_utf8: bool,
}

impl Field {
    /// Writes a field whose value is these pieces.
    pub(super) fn write(self, octets: &mut String, name: &str, value: &[&str]) {
        octets.push_str(name);
        octets.push(':');
        let value = self.clean(&value.concat());
        fold(octets, name.len() + 1, " ", &value);
        octets.push_str("\r\n");
    }

    /// The text without what ends a line, or may not stand in it.
    pub(super) fn clean(self, text: &str) -> String {
        let clean = |c: char| match c {
            '\r' | '\n' | '\t' => ' ',
            c if c.is_control() || !(self.is_utf8 || c.is_ascii()) => '?',
            c => c,
        };
        text.chars().map(clean).collect()
    }
}

/// Writes words onto a line that has `line` octets already, and onto lines behind it that begin with `indent`. Two words with more
/// than one space between them stay as far from each other, until the line is full.
pub(super) fn fold(octets: &mut String, mut line: usize, indent: &str, text: &str) {
    for word in text.trim_matches(' ').split(' ') {
        let mut rest = word;
        loop {
            let (part, more) = rest.split_at(rest.floor_char_boundary(WORD_BYTES_MAX));
            let is_cut = rest.len() < word.len();
            if is_cut || line > 0 && !part.is_empty() && line + 1 + part.len() > LINE_BYTES_WISHED {
                octets.push_str("\r\n");
                octets.push_str(indent);
                line = indent.len();
            } else if line > 0 && line < WORD_BYTES_MAX {
                octets.push(' ');
                line += 1;
            }
            octets.push_str(part);
            line += part.len();
            rest = more;
            if rest.is_empty() {
                break;
            }
        }
    }
}

/// What stands between angle brackets without ending them.
pub(super) fn bare(text: &str) -> String {
    text.replace(['<', '>'], "?")
}

/// A word of a report (RFC 3464 section 2.1.2).
pub(super) fn atom(text: &str) -> String {
    let is_atom = |c: char| c.is_ascii_graphic() && !"()<>@,;:\\\".[]".contains(c);
    if text.is_empty() { "unknown".into() } else { text.replace(|c| !is_atom(c), "?") }
}

/// An address with its type (RFC 3464 section 2.1.2, RFC 6533 section 3).
#[derive(Debug)]
pub(super) struct Address<'a> {
    pub(super) kind: Cow<'a, str>,
    pub(super) text: Cow<'a, str>,
}

impl<'a> Address<'a> {
    /// An address of mail.
    pub(super) fn new(text: &'a str, field: Field) -> Self {
        Self::of_kind("rfc822", text, field)
    }

    /// An address of some type; one that is not ASCII is of the type `utf-8`.
    pub(super) fn of_kind(kind: &'a str, text: &'a str, field: Field) -> Self {
        let is_utf8 = !text.is_ascii() || kind.eq_ignore_ascii_case(UTF8);
        let kind = if is_utf8 { UTF8.into() } else { atom(kind).into() };
        let text = if is_utf8 && !field.is_utf8 { unitext(text).into() } else { text.into() };
        Self { kind, text }
    }
}

const UTF8: &str = "utf-8";

/// The form of an address for seven bits (RFC 6533 section 3, `utf-8-addr-xtext`).
fn unitext(text: &str) -> String {
    let mut encoded = String::new();
    for c in text.chars() {
        if c.is_ascii_graphic() && !matches!(c, '\\' | '+' | '=') {
            encoded.push(c);
        } else {
            // Writing to a string does not fail.
            let _ = write!(encoded, "\\x{{{:02X}}}", u32::from(c));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    /// A field, and a mark where it has ended.
    fn written(is_utf8: bool, name: &str, value: &str) -> String {
        let mut octets = String::new();
        Field { is_utf8 }.write(&mut octets, name, &[value]);
        format!("{octets}|")
    }

    #[test]
    fn no_text_ends_a_line() {
        assert_eq!(written(false, "A", "b\r\nX: y\r\n\r\nz\0\u{7f}\u{e9}"), "A: b  X: y    z???\r\n|");
        assert_eq!(written(true, "A", "\u{85}\u{e9}\u{2028}"), "A: ?\u{e9}\u{2028}\r\n|");
        assert_eq!(written(false, "A", ""), "A: \r\n|");
        assert_eq!(written(false, "A", " \r\n "), "A: \r\n|");
    }

    #[test]
    fn long_lines_are_folded() {
        let words = ["abcdefgh"; 20].join(" ");
        let folded = written(false, "Name", &words);
        assert!(folded.split("\r\n").all(|line| line.len() <= LINE_BYTES_WISHED), "{folded}");
        assert_eq!(folded.replace("\r\n ", " "), format!("Name: {words}\r\n|"));
        for word in
            ["x".repeat(5000), "\u{20ac}".repeat(2000), " ".repeat(5000) + "x" + &" ".repeat(5000) + "y"]
        {
            let folded = written(true, "Name", &word);
            assert!(folded.split("\r\n").all(|line| line.len() < 998), "{folded}");
            assert!(
                folded
                    .trim_end_matches('|')
                    .split("\r\n")
                    .skip(1)
                    .all(|line| line.trim() != "" || line.is_empty())
            );
        }
    }

    #[test]
    fn an_address_has_its_type() {
        let told = |kind, text, is_utf8| {
            let address = Address::of_kind(kind, text, Field { is_utf8 });
            format!("{}; {}", address.kind, address.text)
        };
        assert_eq!(told("rfc822", "a+b@c.test", false), "rfc822; a+b@c.test");
        assert_eq!(told("rfc822", "\u{e9}+b@c.test", false), r"utf-8; \x{E9}\x{2B}b@c.test");
        assert_eq!(told("rfc822", "\u{e9}+b@c.test", true), "utf-8; \u{e9}+b@c.test");
        assert_eq!(told("UTF-8", "a=b@c.test", false), r"utf-8; a\x{3D}b@c.test");
        assert_eq!(told("x;\r\ny", "a", false), "x???y; a");
        assert_eq!(told("", "\r\n", false), "unknown; \r\n");
    }
}

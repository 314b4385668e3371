//! Header fields as a milter sends them.

use alloc::string::String;
use alloc::vec::Vec;

/// A header field from a milter that can stand in a message: its name is one, no line of it is empty, and each line but the
/// first begins with white space, by a tab that is put there where need be, as Sendmail and Postfix do. Octets over 127
/// stay, and so do long lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MilterField {
    octets: Vec<u8>,
    name_octets: usize,
}

impl MilterField {
    /// `leading_space`: the value has its own space behind the colon. `None` when the name is no name of a header field
    /// (RFC 5322 section 2.2).
    pub(super) fn new(name: &[u8], value: &[u8], leading_space: bool) -> Option<Self> {
        if !is_name(name) {
            return None;
        }
        let mut octets = Vec::with_capacity(name.len() + value.len() + ": \r\n".len());
        octets.extend_from_slice(name);
        octets.extend_from_slice(if leading_space { b":" } else { b": " });
        for (n, line) in value.split(|octet| *octet == b'\n').enumerate() {
            let end = line.iter().rposition(|octet| *octet != b'\r').map_or(0, |at| at + 1);
            let line = &line[..end];
            if n > 0 {
                // A blank line within a field is obsolete (RFC 5322 section 4.2), and an empty one ends the header.
                if line.iter().all(is_blank) {
                    continue;
                }
                octets.extend_from_slice(b"\r\n");
                if !line.first().is_some_and(is_blank) {
                    octets.push(b'\t');
                }
            }
            octets.extend(line.iter().map(|octet| if matches!(octet, b'\r' | 0) { b' ' } else { *octet }));
        }
        octets.extend_from_slice(b"\r\n");
        Some(Self { octets, name_octets: name.len() })
    }

    /// The name.
    pub fn name(&self) -> &str {
        core::str::from_utf8(&self.octets[..self.name_octets]).expect("invariant: names are ASCII")
    }

    /// The field with its name and the CR LF at its end.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }
}

/// The name alone, if it is one.
pub(super) fn name(name: &[u8]) -> Option<String> {
    if is_name(name) { String::from_utf8(name.to_vec()).ok() } else { None }
}

fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|octet| octet.is_ascii_graphic() && *octet != b':')
}

const fn is_blank(octet: &u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_stays_one_field() {
        let lines = |value: &str, leading_space| {
            let field = MilterField::new(b"X-A", value.as_bytes(), leading_space).unwrap();
            assert_eq!(field.name(), "X-A");
            String::from_utf8(field.octets().to_vec()).unwrap()
        };
        assert_eq!(lines("b", false), "X-A: b\r\n");
        assert_eq!(lines(" b", true), "X-A: b\r\n");
        assert_eq!(lines("b", true), "X-A:b\r\n");
        assert_eq!(lines("", false), "X-A: \r\n");
        assert_eq!(lines("b\n\tc\n d", false), "X-A: b\r\n\tc\r\n d\r\n");
        assert_eq!(lines("b\r\n c\r\n", false), "X-A: b\r\n c\r\n");
        assert_eq!(lines("b\nBcc: c", false), "X-A: b\r\n\tBcc: c\r\n");
        assert_eq!(lines("b\n\n\r\n \t\nbody", false), "X-A: b\r\n\tbody\r\n");
        assert_eq!(lines("b\rc\n\rd", false), "X-A: b c\r\n d\r\n");
        for bad in [&b""[..], b"a b", b"a:", b"a\n", b"\xe9", b"a\0"] {
            assert_eq!(MilterField::new(bad, b"x", false), None);
            assert_eq!(name(bad), None);
        }
    }
}

//! What one line is to a header: the rule that the slice reader and the streaming scanner share.

/// The longest field name, in octets: a name and its colon must fit the 998 octets that RFC 5322 §2.1.1 gives a
/// line.
pub const NAME_BYTES_MAX: usize = 997;

/// What must be kept of a line to know what it is: as much as [`classify`] looks at.
pub(crate) const LINE_HEAD_BYTES: usize = 2 * NAME_BYTES_MAX + 2;

/// The role a line plays when it is met in a header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LineKind {
    /// Nothing but its line end.
    Blank,
    /// `name *WSP ":"`: starts a field. Obsolete space before the colon included (RFC 5322 §4.5).
    Field {
        /// Octets of the name.
        name_bytes: usize,
        /// Octets up to and with the colon.
        value_at: usize,
    },
    /// Starts with white space: continues a field, if there is one.
    Continuation,
    /// `From ` and no colon: mbox's separator, if it is the first line.
    MboxFrom,
    /// Anything else: no part of a header.
    Other,
}

/// Classifies one line, which holds its line end if it has one. Looks at no more than its first
/// [`NAME_BYTES_MAX`] octets and the white space behind.
pub(crate) fn classify(line: &[u8]) -> LineKind {
    match line {
        b"\n" | b"\r\n" => return LineKind::Blank,
        [b' ' | b'\t', ..] => return LineKind::Continuation,
        _ => {}
    }
    let is_ftext = |octet: &u8| octet.is_ascii_graphic() && *octet != b':';
    let head = &line[..line.len().min(NAME_BYTES_MAX + 1)];
    let name_bytes = head.iter().position(|octet| !is_ftext(octet)).unwrap_or(head.len());
    let rest = &line[name_bytes..];
    let gap = rest.iter().take(NAME_BYTES_MAX).take_while(|octet| matches!(octet, b' ' | b'\t')).count();
    if (1..=NAME_BYTES_MAX).contains(&name_bytes) && rest.get(gap) == Some(&b':') {
        LineKind::Field { name_bytes, value_at: name_bytes + gap + 1 }
    } else if line.starts_with(b"From ") {
        LineKind::MboxFrom
    } else {
        LineKind::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_apart() {
        assert_eq!(classify(b"\r\n"), LineKind::Blank);
        assert_eq!(classify(b"\n"), LineKind::Blank);
        assert_eq!(classify(b"A:\r\n"), LineKind::Field { name_bytes: 1, value_at: 2 });
        assert_eq!(classify(b"A \t: b"), LineKind::Field { name_bytes: 1, value_at: 4 });
        assert_eq!(classify(b" a: b\r\n"), LineKind::Continuation);
        assert_eq!(classify(b"From a@b Mon Jan  1 10:00:00 2024\r\n"), LineKind::MboxFrom);
        assert_eq!(classify(b"From : a@b\r\n"), LineKind::Field { name_bytes: 4, value_at: 6 });
        for other in
            [&b"no colon\r\n"[..], b": value\r\n", b"a b: c\r\n", b"\r\r\n", b"\xc3\xa4: x\r\n", b"a\0: x"]
        {
            assert_eq!(classify(other), LineKind::Other, "{other:?}");
        }
    }

    #[test]
    fn a_name_has_a_limit() {
        let mut line = alloc::vec![b'x'; NAME_BYTES_MAX];
        line.push(b':');
        assert!(matches!(classify(&line), LineKind::Field { .. }));
        line.insert(0, b'x');
        assert_eq!(classify(&line), LineKind::Other);
    }
}

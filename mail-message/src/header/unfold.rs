//! Taking the folding out of a field's value.

use alloc::vec::Vec;
use bytes::Bytes;

/// The value on one line: line ends are taken out, the white space behind them stays (RFC 5322 §2.2.3), white
/// space around the whole goes.
///
/// CR and LF go wherever they stand, and so does NUL, so that the result can stand in any IMAP string.
///
/// ```
/// assert_eq!(&mail_message::header::unfold(b" a\r\n\tb ")[..], b"a\tb");
/// ```
pub fn unfold(value: &[u8]) -> Bytes {
    let mut kept = value.trim_ascii().to_vec();
    unfold_tail(&mut kept, 0);
    Bytes::from(kept)
}

/// Unfolds in place what `octets` holds from `start` on, which does not begin with white space.
pub(crate) fn unfold_tail(octets: &mut Vec<u8>, start: usize) {
    octets.truncate(start + octets[start..].trim_ascii_end().len());
    let Some(first) = memchr::memchr3(b'\r', b'\n', 0, &octets[start..]) else { return };
    let mut kept = start + first;
    for at in kept + 1..octets.len() {
        let octet = octets[at];
        octets[kept] = octet;
        kept += usize::from(!matches!(octet, b'\r' | b'\n' | 0));
    }
    octets.truncate(kept);
}

#[cfg(test)]
mod tests {
    use super::unfold;

    #[test]
    fn no_octet_is_left_that_an_imap_string_cannot_hold() {
        assert_eq!(&unfold(b"\r\n a\r\n  b\rc\n\0d\r\n")[..], b"a  bcd");
        assert_eq!(&unfold(b" \t ")[..], b"");
        assert_eq!(&unfold(b"\xff")[..], b"\xff");
        assert_eq!(&unfold(b"\0")[..], b"");
        assert_eq!(&unfold(b"a\0\0\r\n \0b\0")[..], b"a b");
    }
}

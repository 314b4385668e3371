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
    let trimmed = value.trim_ascii();
    let kept: Vec<u8> = trimmed.iter().copied().filter(|octet| !matches!(octet, b'\r' | b'\n' | 0)).collect();
    Bytes::from(kept)
}

#[cfg(test)]
mod tests {
    use super::unfold;

    #[test]
    fn no_octet_is_left_that_an_imap_string_cannot_hold() {
        assert_eq!(&unfold(b"\r\n a\r\n  b\rc\n\0d\r\n")[..], b"a  bcd");
        assert_eq!(&unfold(b" \t ")[..], b"");
        assert_eq!(&unfold(b"\xff")[..], b"\xff");
    }
}

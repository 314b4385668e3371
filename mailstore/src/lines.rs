//! Small files of lines that other programs, or other versions, write too: what is not understood is kept octet for octet.
//!
//! # Limits
//! The file is in memory whole. A last line without an end gets one when the file is written again.

use std::path::Path;

use crate::error::{Result, StoreError};
use crate::fs::{self, Fs};

/// A line without its end; of one that ends in CRLF, the CR is still there.
pub(crate) type Line = Vec<u8>;

/// The lines of a file; none where there is no file.
///
/// # Errors
/// When it cannot be read.
pub(crate) fn read(disk: &dyn Fs, path: &Path) -> Result<Option<Vec<Line>>> {
    match fs::read(disk, path) {
        Ok(data) => Ok(Some(split(&data))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::io("reading", path, &error)),
    }
}

/// The lines of a text.
pub(crate) fn split(data: &[u8]) -> Vec<Line> {
    let lines = data.split_inclusive(|&octet| octet == b'\n');
    lines.map(|line| line.strip_suffix(b"\n").unwrap_or(line).to_vec()).collect()
}

/// Lines as they stand in a file.
pub(crate) fn join(lines: &[Line]) -> Vec<u8> {
    lines.iter().flat_map(|line| line.iter().chain(b"\n")).copied().collect()
}

/// What a line says; nothing when it is no UTF-8.
pub(crate) fn text(line: &Line) -> Option<&str> {
    let text = std::str::from_utf8(line).ok()?;
    Some(text.strip_suffix('\r').unwrap_or(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_comes_back() {
        for (data, back, texts) in [
            (&b""[..], &b""[..], &[][..]),
            (b"a\r\n\nb\xff\n", b"a\r\n\nb\xff\n", &[Some("a"), Some(""), None]),
            (b"a\nb", b"a\nb\n", &[Some("a"), Some("b")]),
        ] {
            let lines = split(data);
            assert_eq!(join(&lines), back);
            assert_eq!(lines.iter().map(text).collect::<Vec<_>>(), texts);
        }
    }
}

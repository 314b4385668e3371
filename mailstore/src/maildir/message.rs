//! [`MessageFile`]: a message file read with CRLF line ends, whatever ends its lines on disk.

use std::path::PathBuf;

use super::filename::Sizes;
use super::staged::bare_line_feeds;
use crate::error::{Result, StoreError};
use crate::fs::{self, File};
use crate::store::MessageReader;
use crate::summary::{Summarizer, Summary};

const CHUNK_BYTES: usize = 16 << 10;

/// The same, where a message is read whole.
const SUMMARY_CHUNK_BYTES: usize = 64 << 10;

/// An open message. Stays readable when the file is renamed or removed.
#[derive(Debug)]
pub(super) struct MessageFile {
    file: Box<dyn File>,
    path: PathBuf,
    sizes: Sizes,
    cursor: Cursor,
}

/// A place in a file with bare LF, as it is and as it is read.
#[derive(Debug, Clone, Default)]
struct Cursor {
    stored: u64,
    shown: u64,
    /// The last octet before this place.
    last: u8,
    /// The CR of a bare LF has been shown, the LF not yet.
    owes_lf: bool,
}

/// What one pass over a file tells.
#[derive(Debug, Clone, Copy)]
pub(super) struct Counted {
    pub(super) sizes: Sizes,
    /// Whether it ends in a line end; an empty one counts as ended.
    pub(super) is_terminated: bool,
}

/// Counts octets that pass by.
#[derive(Debug, Default)]
pub(super) struct Counter {
    sizes: Sizes,
    last: u8,
}

impl Counter {
    pub(super) fn add(&mut self, octets: &[u8]) {
        self.sizes.stored_bytes += octets.len() as u64;
        self.sizes.crlf_bytes += octets.len() as u64 + bare_line_feeds(self.last, octets);
        self.last = octets.last().copied().unwrap_or(self.last);
    }

    pub(super) fn counted(&self) -> Counted {
        Counted { sizes: self.sizes, is_terminated: self.sizes.stored_bytes == 0 || self.last == b'\n' }
    }
}

/// Counts a file: one pass over it.
pub(super) fn count(file: &dyn File) -> std::io::Result<Counted> {
    let mut counter = Counter::default();
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let n = fs::read_full(file, &mut chunk, counter.sizes.stored_bytes)?;
        if n == 0 {
            return Ok(counter.counted());
        }
        counter.add(&chunk[..n]);
    }
}

/// Counts a file and summarises it as it is served: one pass, unless it has bare line feeds.
pub(super) fn summarise(file: Box<dyn File>, path: PathBuf) -> std::io::Result<(Counted, Summary)> {
    let mut summarizer = Summarizer::new();
    let mut counter = Counter::default();
    let mut chunk = vec![0; SUMMARY_CHUNK_BYTES];
    loop {
        let n = fs::read_full(&*file, &mut chunk, counter.sizes.stored_bytes)?;
        if n == 0 {
            break;
        }
        counter.add(&chunk[..n]);
        summarizer.feed(&chunk[..n]);
    }
    let counted = counter.counted();
    if counted.sizes.stored_bytes == counted.sizes.crlf_bytes {
        return Ok((counted, summarizer.finish()));
    }
    let summary = Summary::read(&mut MessageFile::new(file, path, counted.sizes));
    Ok((counted, summary.map_err(|error| std::io::Error::other(error.to_string()))?))
}

impl MessageFile {
    /// `sizes` are counted, not taken from the name.
    pub(super) fn new(file: Box<dyn File>, path: PathBuf, sizes: Sizes) -> Self {
        Self { file, path, sizes, cursor: Cursor::default() }
    }

    fn read_stored(&self, buf: &mut [u8], offset: u64) -> Result<usize> {
        fs::read_full(&*self.file, buf, offset).map_err(|error| StoreError::io("reading", &self.path, &error))
    }

    /// Shows octets from the cursor on: drops them up to `offset`, then puts them into `buf`.
    fn translate(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        if self.cursor.shown > offset {
            self.cursor = Cursor::default();
        }
        let mut chunk = vec![0; CHUNK_BYTES];
        let mut filled = 0;
        while filled < buf.len() {
            let n = self.read_stored(&mut chunk, self.cursor.stored)?;
            if n == 0 {
                break;
            }
            let mut taken = 0;
            while taken < n && filled < buf.len() {
                let octet = chunk[taken];
                let shown = if octet == b'\n' && self.cursor.last != b'\r' && !self.cursor.owes_lf {
                    self.cursor.owes_lf = true;
                    b'\r'
                } else {
                    self.cursor.owes_lf = false;
                    self.cursor.last = octet;
                    taken += 1;
                    octet
                };
                if self.cursor.shown >= offset {
                    buf[filled] = shown;
                    filled += 1;
                }
                self.cursor.shown += 1;
            }
            self.cursor.stored += taken as u64;
        }
        Ok(filled)
    }
}

impl MessageReader for MessageFile {
    fn size_bytes(&self) -> u64 {
        self.sizes.crlf_bytes
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        if self.sizes.stored_bytes == self.sizes.crlf_bytes {
            return self.read_stored(buf, offset);
        }
        self.translate(offset, buf)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::{Fs, OpenMode, SimFs};
    use proptest::prelude::*;
    use std::path::Path;

    fn open(data: &[u8]) -> MessageFile {
        let mut file = SimFs::new().open(Path::new("/m"), OpenMode::CreateNew).unwrap();
        file.append(data).unwrap();
        let sizes = count(&*file).unwrap().sizes;
        MessageFile::new(file, PathBuf::from("/m"), sizes)
    }

    fn naive(data: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for &octet in data {
            if octet == b'\n' && out.last() != Some(&b'\r') {
                out.push(b'\r');
            }
            out.push(octet);
        }
        out
    }

    proptest! {
        #[test]
        fn every_range_reads_as_a_naive_translation(
            data in prop::collection::vec(prop::sample::select(b"a\r\n".to_vec()), 0..40),
            ranges in prop::collection::vec((0_u64..60, 0_usize..20), 1..10),
        ) {
            let mut message = open(&data);
            let expected = naive(&data);
            prop_assert_eq!(message.size_bytes(), expected.len() as u64);
            for (offset, length) in ranges {
                let mut buf = vec![0; length];
                let n = message.read_at(offset, &mut buf).unwrap();
                let rest = &expected[expected.len().min(offset as usize)..];
                prop_assert_eq!(&buf[..n], &rest[..rest.len().min(length)]);
            }
        }
    }

    #[test]
    fn chunk_borders_do_not_show() {
        for pad in [CHUNK_BYTES - 2, CHUNK_BYTES - 1, CHUNK_BYTES] {
            let mut data = vec![b'x'; pad];
            data.extend_from_slice(b"\n\r\ny\n");
            let mut message = open(&data);
            let mut read = vec![0; data.len() + 10];
            let n = message.read_at(0, &mut read).unwrap();
            assert_eq!(&read[..n], naive(&data));
        }
    }
}

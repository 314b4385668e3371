//! [`Body`]: the octets of a message, read from the pieces of it that stand in the log.

use std::io;
use std::sync::Arc;

use super::log_spool::Inner;
use super::record::Extent;
use super::segment;
use crate::error::{Result, StoreError};
use crate::fs::{self, File};
use crate::store::MessageReader;

/// A body. As long as it lives, the segments it stands in are not dropped; the message may be.
#[derive(Debug)]
pub(super) struct Body {
    spool: Arc<Inner>,
    /// Pieces, each with where it begins in the body.
    pieces: Vec<(u64, Extent)>,
    size: u64,
    /// The file read last: a body holds one open at a time.
    file: Option<(u64, Arc<dyn File>)>,
}

impl Body {
    /// A body whose segments have been pinned.
    pub(super) fn new(spool: Arc<Inner>, extents: &[Extent]) -> Self {
        let mut size = 0;
        let pieces = extents.iter().map(|extent| {
            let piece = (size, *extent);
            size += u64::from(extent.bytes);
            piece
        });
        Self { pieces: pieces.collect(), size, file: None, spool }
    }

    /// Opens the file of the first piece, to see whether it is there.
    pub(super) fn open(&mut self) -> io::Result<()> {
        let first = self.pieces.first().map(|(_, extent)| extent.segment);
        first.map_or(Ok(()), |segment| self.file(segment).map(drop))
    }

    /// Whether the file of the first piece is open already.
    pub(super) fn is_at_hand(&mut self) -> bool {
        let Some((_, extent)) = self.pieces.first() else { return true };
        self.file = self.spool.log.file_at_hand(extent.segment).map(|file| (extent.segment, file));
        self.file.is_some()
    }

    fn file(&mut self, segment: u64) -> io::Result<Arc<dyn File>> {
        match &self.file {
            Some((known, file)) if *known == segment => Ok(Arc::clone(file)),
            _ => {
                let file = self.spool.log.file(segment)?;
                self.file = Some((segment, Arc::clone(&file)));
                Ok(file)
            }
        }
    }
}

impl MessageReader for Body {
    fn size_bytes(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        let mut filled = 0;
        let first = self.pieces.partition_point(|(start, extent)| start + u64::from(extent.bytes) <= offset);
        for index in first..self.pieces.len() {
            let (start, extent) = self.pieces[index];
            let skipped = (offset + filled as u64).saturating_sub(start);
            let left = usize::try_from(u64::from(extent.bytes) - skipped).unwrap_or(usize::MAX);
            let wanted = left.min(buf.len() - filled);
            if wanted == 0 {
                break;
            }
            let failed = |spool: &Inner, error: &io::Error| {
                StoreError::io("reading", &segment::path(&spool.log.dir, extent.segment), error)
            };
            let file = self.file(extent.segment).map_err(|error| failed(&self.spool, &error))?;
            let read =
                fs::read_full(&*file, &mut buf[filled..filled + wanted], u64::from(extent.offset) + skipped)
                    .map_err(|error| failed(&self.spool, &error))?;
            filled += read;
            if read < wanted {
                let cut = io::Error::from(io::ErrorKind::UnexpectedEof);
                return Err(failed(&self.spool, &cut));
            }
        }
        Ok(filled)
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let mut messages = self.spool.messages();
        self.pieces.iter().for_each(|(_, extent)| messages.unpin(&[*extent]));
    }
}

//! Where the body of a message lies until it is known what becomes of it: in memory when it is small, else in a file
//! without a name, of which nothing is left when the server dies.
//!
//! # Limits
//! [`MEMORY_BYTES_MAX`] octets of a body are in memory, and one piece of it while that is written or read.

use bytes::Bytes;
use mailstore::StoreError;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// So many octets of a body stay in memory.
pub const MEMORY_BYTES_MAX: usize = 64 << 10;

/// A directory for what does not fit into memory.
#[derive(Debug, Clone)]
pub struct Scratch(Arc<Path>);

impl Scratch {
    /// Files without a name are made in this directory.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self(directory.into().into())
    }

    /// A body of which nothing has come.
    pub(crate) fn body(&self) -> Body {
        Body { scratch: self.clone(), file: None, on_disk: 0, memory: Vec::new() }
    }
}

/// The system's directory for temporary files.
impl Default for Scratch {
    fn default() -> Self {
        Self::new(std::env::temp_dir())
    }
}

/// Octets that come piece by piece, and are then read.
#[derive(Debug)]
pub(crate) struct Body {
    scratch: Scratch,
    file: Option<Arc<File>>,
    /// How many octets the file has.
    on_disk: u64,
    /// Those behind them.
    memory: Vec<u8>,
}

impl Body {
    /// How many octets have come.
    pub(crate) fn len(&self) -> u64 {
        self.on_disk + self.memory.len() as u64
    }

    /// The next octets.
    ///
    /// # Errors
    /// When there is no room on the disk, or it fails: what is there then is of no use.
    pub(crate) async fn push(&mut self, octets: &[u8]) -> Result<(), StoreError> {
        if self.memory.len() + octets.len() <= MEMORY_BYTES_MAX {
            self.memory.extend_from_slice(octets);
            return Ok(());
        }
        let mut written = std::mem::take(&mut self.memory);
        written.extend_from_slice(octets);
        let (file, directory, at) = (self.file.clone(), Arc::clone(&self.scratch.0), self.on_disk);
        let writing = self.on_thread("writing a message", move || {
            let file = match file {
                Some(file) => file,
                None => Arc::new(tempfile::tempfile_in(&*directory)?),
            };
            file.write_all_at(&written, at)?;
            Ok((file, written))
        });
        let (file, mut written) = writing.await?;
        self.file = Some(file);
        self.on_disk += written.len() as u64;
        written.clear();
        self.memory = written;
        Ok(())
    }

    /// At most so many octets, from this place; fewer only at the end.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) async fn read(&self, at: u64, octets_max: usize) -> Result<Bytes, StoreError> {
        if at >= self.on_disk || self.file.is_none() {
            let behind = usize::try_from(at.saturating_sub(self.on_disk)).unwrap_or(usize::MAX);
            let rest = self.memory.get(behind..).unwrap_or_default();
            return Ok(Bytes::copy_from_slice(&rest[..rest.len().min(octets_max)]));
        }
        let on_disk = usize::try_from(self.on_disk - at).unwrap_or(usize::MAX).min(octets_max);
        let file = self.file.clone().expect("invariant: what is on the disk is in a file");
        let mut octets = self
            .on_thread("reading a message", move || {
                let mut octets = vec![0; on_disk];
                file.read_exact_at(&mut octets, at)?;
                Ok(octets)
            })
            .await?;
        let behind = (octets_max - on_disk).min(self.memory.len());
        octets.extend_from_slice(&self.memory[..behind]);
        Ok(octets.into())
    }

    async fn on_thread<T: Send + 'static>(
        &self,
        doing: &'static str,
        job: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let done = spawn_blocking(job).await.unwrap_or_else(|lost| Err(io::Error::other(lost)));
        done.map_err(|error| StoreError::io(doing, &self.scratch.0, &error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is read in pieces of so many octets.
    async fn all(body: &Body, piece: usize) -> Vec<u8> {
        let mut all = Vec::new();
        while (all.len() as u64) < body.len() {
            let octets = body.read(all.len() as u64, piece).await.unwrap();
            assert!(
                octets.len() == piece || all.len() + octets.len() == usize::try_from(body.len()).unwrap()
            );
            all.extend_from_slice(&octets);
        }
        assert!(body.read(body.len(), piece).await.unwrap().is_empty());
        all
    }

    #[tokio::test]
    async fn what_went_in_comes_out_whatever_the_pieces() {
        let directory = tempfile::tempdir().unwrap();
        for octets in [0, 1, MEMORY_BYTES_MAX, MEMORY_BYTES_MAX + 1, 300_000] {
            let written: Vec<u8> = (0..octets).map(|n| (n % 251) as u8).collect();
            for piece in [7_001, 65_535, 200_000] {
                let mut body = Scratch::new(directory.path()).body();
                for part in written.chunks(piece) {
                    body.push(part).await.unwrap();
                    assert!(body.memory.len() <= MEMORY_BYTES_MAX);
                }
                assert_eq!(body.len(), octets as u64);
                assert_eq!(body.file.is_some(), octets > MEMORY_BYTES_MAX);
                assert!(all(&body, piece).await == written, "{octets} octets in pieces of {piece}");
            }
        }
        assert_eq!(directory.path().read_dir().unwrap().count(), 0, "no file has a name");
    }

    #[tokio::test]
    async fn a_directory_that_is_not_there_is_told() {
        let mut body = Scratch::new("/no/such/directory").body();
        body.push(&[b'x'; MEMORY_BYTES_MAX]).await.unwrap();
        let error = body.push(b"x").await.unwrap_err();
        assert!(error.to_string().contains("/no/such/directory"), "{error}");
    }
}

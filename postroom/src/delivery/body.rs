//! A message, a chunk at a time.

use crate::blocking::JobLost;
use mailstore::{MessageReader, StoreError};
use tokio::sync::mpsc;

/// So many octets are read at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// A message that a thread reads, at most one chunk ahead, until this is dropped.
pub(super) struct Chunks(mpsc::Receiver<Result<Vec<u8>, StoreError>>);

impl Chunks {
    pub(super) fn of(body: Box<dyn MessageReader>) -> Self {
        let (send, chunks) = mpsc::channel(1);
        // It ends when nobody receives any more.
        tokio::task::spawn_blocking(move || read(body, &send));
        Self(chunks)
    }

    /// The next chunk; an empty one is the end.
    ///
    /// # Errors
    /// When the message cannot be read.
    pub(super) async fn next(&mut self) -> Result<Vec<u8>, StoreError> {
        // A reader that is gone without a last chunk has not come to the end.
        self.0.recv().await.ok_or(JobLost)?
    }
}

/// Reads a message, a chunk at a time; the last is an empty one or an error.
fn read(mut body: Box<dyn MessageReader>, send: &mpsc::Sender<Result<Vec<u8>, StoreError>>) {
    let mut at = 0;
    loop {
        let mut chunk = vec![0; CHUNK_BYTES];
        let read = body.read_at(at, &mut chunk).map(|octets| {
            chunk.truncate(octets);
            chunk
        });
        at += read.as_ref().map_or(0, Vec::len) as u64;
        let is_last = read.as_ref().map_or(true, Vec::is_empty);
        if send.blocking_send(read).is_err() || is_last {
            return;
        }
    }
}

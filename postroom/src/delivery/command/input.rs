//! What a command reads: the message in the form of a file, with the lines before it that final delivery writes.

use crate::delivery::body::Chunks;
use crate::delivery::header::{header, sender};
use mailstore::mbox::from_line;
use mailstore::spool::{Envelope, Recipient};
use mailstore::{MessageReader, StoreError};
use tokio::io::AsyncWriteExt as _;
use tokio::process::ChildStdin;

/// The `From_` line, `Return-Path:` and its companions.
pub(super) fn beginning(envelope: &Envelope, recipient: &Recipient) -> Vec<u8> {
    let mut lines = from_line(sender(envelope, recipient).as_bytes(), envelope.received_at);
    lines.extend_from_slice(header(envelope, recipient).as_bytes());
    lines
}

/// Writes `beginning` and the message, and takes the pipe away when all is written. A command that reads no further has
/// enough of it.
///
/// # Errors
/// When the message cannot be read: the pipe is still open then, so that the command does not take a part for the whole.
pub(super) async fn feed(
    stdin: &mut Option<ChildStdin>,
    beginning: Vec<u8>,
    body: Box<dyn MessageReader>,
) -> Result<(), StoreError> {
    let mut chunks = Chunks::of(body);
    let mut line_ends = LineEnds::default();
    let mut chunk = beginning;
    loop {
        let Some(pipe) = stdin else { return Ok(()) };
        if pipe.write_all(&line_ends.converted(&chunk)).await.is_err() {
            *stdin = None;
            return Ok(());
        }
        chunk = chunks.next().await?;
        if chunk.is_empty() {
            break;
        }
    }
    if let Some(pipe) = stdin {
        // As above.
        let _ = pipe.write_all(line_ends.rest()).await;
    }
    *stdin = None;
    Ok(())
}

/// Makes of CRLF the line end of this system, however octets are cut.
#[derive(Debug, Default)]
struct LineEnds {
    /// The last octet was a CR, which is not written yet.
    has_cr: bool,
}

impl LineEnds {
    fn converted(&mut self, octets: &[u8]) -> Vec<u8> {
        let mut converted = Vec::with_capacity(octets.len() + 1);
        for &octet in octets {
            if std::mem::take(&mut self.has_cr) && octet != b'\n' {
                converted.push(b'\r');
            }
            if octet == b'\r' {
                self.has_cr = true;
            } else {
                converted.push(octet);
            }
        }
        converted
    }

    /// What is held back at the end.
    fn rest(&self) -> &'static [u8] {
        if self.has_cr { b"\r" } else { b"" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Stdio;

    /// It gives a part of the message, and dies.
    #[derive(Debug)]
    struct Dies;

    impl MessageReader for Dies {
        fn size_bytes(&self) -> u64 {
            10
        }

        fn read_at(&mut self, offset: u64, buffer: &mut [u8]) -> Result<usize, StoreError> {
            assert_eq!(offset, 0, "the second time");
            buffer[..4].copy_from_slice(b"half");
            Ok(4)
        }
    }

    #[tokio::test]
    async fn a_reader_that_dies_is_no_end_of_the_message() {
        let mut cat = tokio::process::Command::new("cat");
        let mut cat = cat.stdin(Stdio::piped()).stdout(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        let mut stdin = cat.stdin.take();
        feed(&mut stdin, b"From x\n".to_vec(), Box::new(Dies)).await.unwrap_err();
        assert!(stdin.is_some(), "an end would tell the command that this was all");
    }

    #[test]
    fn line_ends_are_those_of_the_system_however_they_are_cut() {
        let (from, to) = (b"a\r\nb\rc\r\r\n\nd\r", b"a\nb\rc\r\n\nd\r");
        for first in 0..=from.len() {
            for second in first..=from.len() {
                let mut line_ends = LineEnds::default();
                let parts = [&from[..first], &from[first..second], &from[second..]];
                let mut octets: Vec<u8> = parts.iter().flat_map(|part| line_ends.converted(part)).collect();
                octets.extend(line_ends.rest());
                assert_eq!(octets, to, "{first} {second}");
            }
        }
    }
}

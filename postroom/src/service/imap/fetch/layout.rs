//! Where the parts of a message lie.
//!
//! Envelope and outermost header are found in the first octets; part numbers and BODYSTRUCTURE need a scan of the
//! whole message, which is done where blocking is allowed.

use crate::wall::MessageReader;
use mail_message::Uid;
use mail_message::header::{NAME_BYTES_MAX, header_len};
use mail_message::mime::{Limits, Message, Scanner};
use mailstore::StoreError;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};

/// How deep one has to look into a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Depth {
    /// Its header.
    Header,
    /// All of its structure.
    Structure,
}

/// A message that was looked into.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) uid: Uid,
    depth: Depth,
    /// For [`Depth::Header`] without the parts.
    pub(crate) message: Arc<Message>,
}

/// A header that ends within these octets is found without scanning the message.
const HEAD_BYTES: usize = 16 * 1024;

impl Layout {
    /// Whether this tells as much of that message as is needed.
    pub(crate) fn is_of(&self, uid: Uid, depth: Depth) -> bool {
        self.uid == uid && self.depth >= depth
    }

    /// Looks into a message.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) async fn read(
        uid: Uid,
        reader: &Arc<dyn MessageReader>,
        depth: Depth,
    ) -> Result<Self, StoreError> {
        if depth == Depth::Header {
            let head = reader.read_at(0, HEAD_BYTES).await?;
            let is_whole = head.len() as u64 == reader.size_bytes();
            if let Some(end) = header_end(&head, is_whole) {
                let mut scanner = Scanner::new(Limits::default());
                scanner.feed(&head[..end]);
                let mut message = scanner.finish();
                message.root.body = end as u64..reader.size_bytes();
                return Ok(Self { uid, depth, message: Arc::new(message) });
            }
        }
        let scanner = Arc::new(Mutex::new(Some(Scanner::new(Limits::default()))));
        let feeding = Arc::clone(&scanner);
        let all = 0..reader.size_bytes();
        let visitor = Box::new(move |piece: &[u8]| {
            if let Some(scanner) = &mut *feeding.lock().unwrap_or_else(PoisonError::into_inner) {
                scanner.feed(piece);
            }
            ControlFlow::Continue(())
        });
        reader.visit(all, visitor).await?;
        let scanner = scanner.lock().unwrap_or_else(PoisonError::into_inner).take();
        let message = scanner.unwrap_or_else(|| Scanner::new(Limits::default())).finish();
        Ok(Self { uid, depth: Depth::Structure, message: Arc::new(message) })
    }
}

/// Where the header ends, if these first octets of a message tell.
pub(crate) fn header_end(head: &[u8], is_whole: bool) -> Option<usize> {
    let end = header_len(head);
    let after_empty_line = head[..end].ends_with(b"\n\n") || head[..end].ends_with(b"\n\r\n");
    // Else it ends before a line that is no field; of one that the octets cut off, that is not known yet.
    let is_known = is_whole || after_empty_line || head.len() - end > 2 * NAME_BYTES_MAX + 2;
    is_known.then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_header_is_told_only_when_it_is_known() {
        assert_eq!(header_end(b"A: b\r\n\r\nbody", false), Some(8));
        assert_eq!(header_end(b"A: b\n\nbody", false), Some(6));
        assert_eq!(header_end(b"A: b\r\n", false), None);
        assert_eq!(header_end(b"A: b\r\n", true), Some(6));
        assert_eq!(header_end(b"A: b\r\nno field", false), None);
        let mut stray = b"A: b\r\n".to_vec();
        stray.resize(6 + 2 * NAME_BYTES_MAX + 3, b'x');
        assert_eq!(header_end(&stray, false), Some(6));
    }
}

//! Bounded input, split into lines.
//!
//! [`InBuf`] is what a machine stores octets in. Lines are found by a search that resumes where it stopped, so
//! octets that arrive one by one cost linear time. An over-long line is thrown away up to its end in constant
//! memory and reported once; no tail of it is ever seen as a command. Octets that are not lines (literals,
//! message bodies) are looked at and taken from the front as slices that share the buffer.
//!
//! # Limits
//! The capacity bounds what is stored; a line limit larger than the capacity can not be met, so the capacity
//! must be at least the largest line limit that is ever passed to [`InBuf::next_line`].

use crate::secret::SecretLine;
use bytes::{Bytes, BytesMut};
use core::fmt;
use zeroize::Zeroize as _;

/// What ends a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineEnding {
    /// CR LF only; a line that ends in a bare LF is a [`LineFault::BareLf`].
    Crlf,
    /// CR LF or LF alone.
    CrlfOrLf,
}

/// A line that cannot be handed out. Its octets, to the line's end, are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineFault {
    /// Longer than the limit.
    TooLong,
    /// Ended by LF without CR, and the policy was [`LineEnding::Crlf`].
    BareLf,
}

/// Octets received and not yet understood.
pub struct InBuf {
    octets: BytesMut,
    /// Octets at the front that hold no LF; the search goes on after them.
    searched: usize,
    /// Octets behind those stored that were stored once and may still lie there; the memory behind them was never written. It
    /// is small because every idle session has one; `u32::MAX`: so many or more.
    behind: u32,
    /// An over-long line is being thrown away up to its LF.
    discarding: bool,
    /// The last line that was cut off ended in LF without CR.
    bare: bool,
    capacity: usize,
}

/// Says how much there is, not what: it may be a password.
impl fmt::Debug for InBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InBuf").field("octets", &self.octets.len()).finish_non_exhaustive()
    }
}

/// What is small: this part of the capacity.
const SMALL_PART: usize = 16;

impl InBuf {
    /// An empty buffer for at most `capacity` octets. It allocates when octets come.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { octets: BytesMut::new(), behind: 0, searched: 0, discarding: false, bare: false, capacity }
    }

    /// Sets how many octets it is for; what is stored stays, if it is more.
    pub fn set_capacity(&mut self, capacity: usize) {
        self.capacity = capacity;
    }

    /// Stores octets up to the capacity; returns how many.
    pub fn push(&mut self, input: &[u8]) -> usize {
        let taken = input.len().min(self.room());
        let bytes_before = self.octets.capacity();
        if self.octets.try_reclaim(taken) {
            // What is stored was moved to the front by as much as there is more room now; where it lay, it lies still.
            let moved = self.octets.capacity().saturating_sub(bytes_before);
            self.behind = self.behind.saturating_add(u32::try_from(moved).unwrap_or(u32::MAX));
        } else {
            // Growing by itself, it would take more than the capacity. Past a small part of that it takes all at once: while
            // it grows there are two of it.
            let needed = self.octets.len() + taken;
            let small = needed <= self.capacity / SMALL_PART;
            let bytes =
                if small { self.capacity.min(2 * self.octets.len()).max(needed) } else { self.capacity };
            let mut larger = BytesMut::with_capacity(bytes);
            larger.extend_from_slice(&self.octets);
            // The beginning of what may be a password.
            self.wipe();
            self.octets = larger;
        }
        crate::prefetch::touch(&input[..taken]);
        self.octets.extend_from_slice(&input[..taken]);
        if self.behind < u32::MAX {
            self.behind = self.behind.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX));
        }
        taken
    }

    /// How many more octets fit.
    pub fn room(&self) -> usize {
        self.capacity - self.octets.len().min(self.capacity)
    }

    /// What is stored.
    pub fn as_slice(&self) -> &[u8] {
        &self.octets
    }

    /// What is stored, for a decoder that moves together what it will take.
    pub(crate) fn as_mut_slice(&mut self) -> &mut [u8] {
        &mut self.octets
    }

    /// How many octets are stored.
    pub fn len(&self) -> usize {
        self.octets.len()
    }

    /// Whether nothing is stored.
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// Drops everything, also the memory of an over-long line; nothing received before can be seen again.
    pub fn clear(&mut self) {
        *self = Self::with_capacity(self.capacity);
    }

    /// Takes the first `n` octets (or all, if there are fewer) as a slice that shares the buffer.
    pub fn take(&mut self, n: usize) -> Bytes {
        let taken = self.split(n.min(self.octets.len()));
        self.give_back();
        taken.freeze()
    }

    /// Takes the first `n` octets.
    fn split(&mut self, n: usize) -> BytesMut {
        self.searched = self.searched.saturating_sub(n);
        self.octets.split_to(n)
    }

    /// Empty, it holds no memory.
    fn give_back(&mut self) {
        if self.octets.is_empty() {
            self.octets = BytesMut::new();
            self.behind = 0;
        }
    }

    /// Drops the first `n` octets, or all, if there are fewer. They are overwritten: they may be a password.
    pub fn skip(&mut self, n: usize) {
        self.split(n.min(self.octets.len()))[..].zeroize();
        self.wipe_behind();
        self.give_back();
    }

    /// Whether the end of an over-long line is still awaited. At the end of input, such a line never ended.
    pub fn is_discarding(&self) -> bool {
        self.discarding
    }

    /// Whether the last line that was handed out ended in LF without CR.
    pub fn ended_bare(&self) -> bool {
        self.bare
    }

    /// The next line without its ending, or `None` when more octets are needed. `max` counts the ending, as the
    /// limits of the RFCs do.
    ///
    /// The fault of an over-long line is returned when its end has been seen, not before.
    ///
    /// # Errors
    /// [`LineFault`]; the line is gone and the next call looks at the next one.
    pub fn next_line(&mut self, max: usize, ending: LineEnding) -> Option<Result<Bytes, LineFault>> {
        let line = self.cut_line(max, ending)?;
        self.give_back();
        Some(line.map(BytesMut::freeze))
    }

    /// As [`InBuf::next_line`], the line as a part of the buffer. What a faulty one holds is overwritten: it may be the end of
    /// a password.
    fn cut_line(&mut self, max: usize, ending: LineEnding) -> Option<Result<BytesMut, LineFault>> {
        let Some(at) = memchr::memchr(b'\n', &self.octets[self.searched..]).map(|at| at + self.searched)
        else {
            self.searched = self.octets.len();
            if self.discarding || self.searched >= max {
                self.discarding = true;
                self.skip(self.octets.len());
            }
            return None;
        };
        let mut line = self.split(at + 1);
        let too_long = core::mem::take(&mut self.discarding) || line.len() > max;
        line.truncate(at);
        self.bare = line.last() != Some(&b'\r');
        let fault = if too_long {
            Some(LineFault::TooLong)
        } else if !self.bare {
            line.truncate(at - 1);
            None
        } else {
            (ending == LineEnding::Crlf).then_some(LineFault::BareLf)
        };
        let Some(fault) = fault else { return Some(Ok(line)) };
        line[..].zeroize();
        Some(Err(fault))
    }

    /// Overwrites what is stored and what lies behind it: it may be the beginning of a password.
    fn wipe(&mut self) {
        self.octets[..].zeroize();
        self.wipe_behind();
    }

    /// Overwrites what was stored before it was moved to the front.
    fn wipe_behind(&mut self) {
        let room = self.octets.spare_capacity_mut();
        let behind = match core::mem::take(&mut self.behind) {
            u32::MAX => room.len(),
            behind => usize::try_from(behind).map_or(room.len(), |behind| behind.min(room.len())),
        };
        room[..behind].zeroize();
    }
}

impl InBuf {
    /// As [`InBuf::next_line`], for a line that may hold a password: its part of the buffer is its alone and is overwritten
    /// when it is dropped; that of a faulty one is overwritten at once.
    ///
    /// # Errors
    /// As [`InBuf::next_line`].
    pub fn next_secret_line(
        &mut self,
        max: usize,
        ending: LineEnding,
    ) -> Option<Result<SecretLine, LineFault>> {
        let line = self.cut_line(max, ending)?;
        // Where the line lay before it was moved to the front.
        self.wipe_behind();
        self.give_back();
        Some(line.map(SecretLine::new))
    }
}

/// What was received and not understood may be the beginning of a password.
impl Drop for InBuf {
    fn drop(&mut self) {
        self.wipe();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn lines(input: &[u8], cut: usize, max: usize, ending: LineEnding) -> Vec<Result<Vec<u8>, LineFault>> {
        let mut buf = InBuf::with_capacity(max.max(4));
        let mut found = Vec::new();
        for chunk in input.chunks(cut) {
            let mut rest = chunk;
            while !rest.is_empty() {
                rest = &rest[buf.push(rest)..];
                while let Some(line) = buf.next_line(max, ending) {
                    found.push(line.map(|l| l.to_vec()));
                }
            }
        }
        found
    }

    #[test]
    fn the_same_lines_at_every_cut() {
        let input = b"one\r\n\r\ntwo\nlonger than ten QUIT\r\n\rthree\r\r\n12345678\r\n123456789\r\ntail";
        for ending in [LineEnding::Crlf, LineEnding::CrlfOrLf] {
            let two = if ending == LineEnding::Crlf { Err(LineFault::BareLf) } else { Ok(b"two".to_vec()) };
            let expected = [
                Ok(b"one".to_vec()),
                Ok(b"".to_vec()),
                two,
                Err(LineFault::TooLong),
                Ok(b"\rthree\r".to_vec()),
                Ok(b"12345678".to_vec()),
                Err(LineFault::TooLong),
            ];
            for cut in 1..=input.len() {
                assert_eq!(lines(input, cut, 10, ending), expected, "cut {cut}");
            }
        }
    }

    #[test]
    fn an_over_long_line_needs_no_memory() {
        let mut buf = InBuf::with_capacity(64);
        for _ in 0..1000 {
            assert_eq!(buf.push(&[b'x'; 64]), 64);
            assert_eq!(buf.next_line(64, LineEnding::Crlf), None);
            assert!(buf.is_empty());
        }
        assert!(buf.is_discarding());
        buf.push(b"\nok\r\n");
        assert_eq!(buf.next_line(64, LineEnding::Crlf), Some(Err(LineFault::TooLong)));
        assert_eq!(buf.next_line(64, LineEnding::Crlf), Some(Ok(Bytes::from_static(b"ok"))));
    }

    #[test]
    fn what_is_waiting_is_not_shown() {
        let mut buf = InBuf::with_capacity(64);
        buf.push(b"AUTH PLAIN AHUAcA==");
        assert_eq!(alloc::format!("{buf:?}"), "InBuf { octets: 19, .. }");
    }

    #[test]
    fn a_secret_line_may_be_changed_where_it_lies() {
        for rest in ["", "NOOP\r\nAUTH"] {
            let mut buf = InBuf::with_capacity(64);
            buf.push(b"NOOP\r\n");
            buf.push(b"AHUAcA==\r\n");
            buf.push(rest.as_bytes());
            assert_eq!(buf.next_line(64, LineEnding::Crlf), Some(Ok(Bytes::from_static(b"NOOP"))));
            let mut line = buf.next_secret_line(64, LineEnding::Crlf).unwrap().unwrap();
            assert_eq!(&*line, b"AHUAcA==");
            line.fill(b'x');
            assert_eq!(&*line, b"xxxxxxxx");
            assert_eq!(buf.as_slice(), rest.as_bytes());
        }
    }
}

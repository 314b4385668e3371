//! Output with a high-water mark.
//!
//! A machine writes replies into its own [`OutBuf`]; `poll_transmit` moves them into the driver's. While more
//! than the high-water mark is waiting, a machine parses nothing further and a body writer is given no room.

use alloc::vec::Vec;
use zeroize::Zeroize as _;

/// Octets on their way out. Empty, it holds no memory to speak of.
///
/// # Limits
/// The mark is advice to those who write: what must go out (a reply) may go over it, bulk (a body) may not.
#[derive(Debug)]
pub struct OutBuf {
    octets: Vec<u8>,
    sent: usize,
    high_water: usize,
    /// There is a secret among the octets, or was since the buffer was empty.
    secret: bool,
}

/// An emptied buffer larger than this gives its memory back.
const KEEP_BYTES: usize = 512;

/// Over its mark a buffer grows by such a part of itself, so that growing costs linear time.
const GROWTH_PART: usize = 32;

impl OutBuf {
    /// The mark when nothing else is said: 16 KiB, the most that one TLS record holds.
    pub const HIGH_WATER_BYTES: usize = 16 * 1024;

    /// An empty buffer with the usual mark.
    pub const fn new() -> Self {
        Self::with_high_water(Self::HIGH_WATER_BYTES)
    }

    /// An empty buffer with a mark of `high_water` octets.
    pub const fn with_high_water(high_water: usize) -> Self {
        Self { octets: Vec::new(), sent: 0, high_water, secret: false }
    }

    /// Appends octets, whatever the mark.
    pub fn extend(&mut self, octets: &[u8]) {
        self.reserve(octets.len());
        self.octets.extend_from_slice(octets);
    }

    /// Appends octets that must not be seen: their memory is overwritten when they were sent, here and wherever
    /// [`OutBuf::move_to`] brings them.
    pub fn extend_secret(&mut self, octets: &[u8]) {
        self.secret = true;
        self.extend(octets);
    }

    /// Makes room in memory for `octets` more, so that a series of small [`OutBuf::extend`]s grows the buffer once.
    ///
    /// Growing, the buffer doubles up to its mark and beyond takes little more than it needs.
    pub fn reserve(&mut self, octets: usize) {
        let needed = self.octets.len() + octets;
        if needed > self.octets.capacity() {
            let spare = needed / GROWTH_PART;
            let roomy = self.high_water.min(2 * self.octets.capacity()).max(needed + spare);
            if self.secret {
                // Growing by itself, it would leave a copy behind.
                let mut larger = Vec::with_capacity(roomy);
                larger.extend_from_slice(&self.octets);
                self.octets.zeroize();
                self.octets = larger;
            } else {
                self.octets.reserve_exact(roomy - self.octets.len());
            }
        }
    }

    /// What is waiting.
    pub fn as_slice(&self) -> &[u8] {
        &self.octets[self.sent..]
    }

    /// How many octets are waiting.
    pub fn len(&self) -> usize {
        self.octets.len() - self.sent
    }

    /// Whether nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many octets fit under the mark.
    pub fn room(&self) -> usize {
        self.high_water.saturating_sub(self.len())
    }

    /// Whether the mark is reached: write no more bulk.
    pub fn is_full(&self) -> bool {
        self.room() == 0
    }

    /// Drops the first `n` octets, which have been sent.
    ///
    /// # Panics
    /// When fewer are waiting: the caller counts wrong.
    pub fn consume(&mut self, n: usize) {
        assert!(n <= self.len(), "consumed more than was waiting");
        self.sent += n;
        if self.is_empty() {
            self.clear();
        } else if self.sent >= self.len() {
            // Fewer octets are moved than were sent since the last time, so this costs linear time.
            self.octets.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Moves everything from here to the end of `to`; false when there was nothing. Into an empty buffer nothing
    /// is copied.
    pub fn move_to(&mut self, to: &mut OutBuf) -> bool {
        if self.is_empty() {
            return false;
        }
        if to.is_empty() && self.sent == 0 {
            core::mem::swap(&mut self.octets, &mut to.octets);
            to.sent = 0;
            to.secret = core::mem::take(&mut self.secret);
        } else {
            to.secret |= self.secret;
            to.extend(self.as_slice());
            self.clear();
        }
        true
    }

    fn clear(&mut self) {
        self.sent = 0;
        if core::mem::take(&mut self.secret) {
            self.octets.zeroize();
        }
        self.octets.clear();
        if self.octets.capacity() > KEEP_BYTES {
            self.octets = Vec::new();
        }
    }
}

impl Drop for OutBuf {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Default for OutBuf {
    fn default() -> Self {
        Self::new()
    }
}

/// So that `write!` formats straight into the buffer. It never fails.
impl core::fmt::Write for OutBuf {
    fn write_str(&mut self, s: &str) -> core::fmt::Result {
        self.extend(s.as_bytes());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moved_in_order_and_given_back_when_empty() {
        let mut from = OutBuf::with_high_water(4);
        let mut to = OutBuf::new();
        assert!(!from.move_to(&mut to));
        from.extend(b"abcdef");
        assert!(from.is_full());
        assert!(from.move_to(&mut to));
        assert_eq!(from.room(), 4);
        from.extend(b"gh");
        to.consume(2);
        assert!(from.move_to(&mut to));
        assert_eq!(to.as_slice(), b"cdefgh");
        to.extend(&[0; 2 * KEEP_BYTES]);
        to.consume(to.len());
        assert!(to.is_empty());
        assert_eq!(to.octets.capacity(), 0);
    }

    #[test]
    fn copied_out_of_it_gives_its_memory_back_too() {
        let (mut from, mut to) = (OutBuf::new(), OutBuf::new());
        to.extend(b"x");
        from.extend(&[0; 2 * KEEP_BYTES]);
        assert!(from.move_to(&mut to));
        assert_eq!(from.octets.capacity(), 0);
    }

    #[test]
    fn a_secret_is_known_for_one_until_it_was_sent() {
        let (mut from, mut to) = (OutBuf::new(), OutBuf::new());
        from.extend(b"AUTH PLAIN ");
        from.extend_secret(&[b'x'; 1000]);
        assert!(from.secret);
        assert!(from.move_to(&mut to));
        assert!(!from.secret && to.secret);
        to.consume(1010);
        assert!(to.secret, "an octet is left");
        from.extend_secret(b"y");
        from.move_to(&mut to);
        assert!(!from.secret && to.secret);
        assert_eq!(to.as_slice(), b"xy");
        to.consume(2);
        assert!(!to.secret);
        to.extend(b"EHLO");
        assert!(!to.secret && to.as_slice() == b"EHLO");
    }

    /// A peer that always leaves an octet behind costs no more than one that takes all.
    #[test]
    fn what_was_sent_is_not_kept_though_something_always_waits() {
        let mut out = OutBuf::new();
        out.extend(b"x");
        for n in 0..1000u32 {
            out.extend(&[n as u8; 1024]);
            out.consume(1024);
        }
        assert_eq!(out.as_slice(), [999u32 as u8]);
        assert!(out.octets.capacity() <= 8 * 1024, "{}", out.octets.capacity());
    }
}

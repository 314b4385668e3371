//! Randomness, handed in: session ids, queue ids and challenges come from here and from nowhere else.

use std::sync::Mutex;

/// A source of random octets.
pub trait Entropy: Send + Sync + std::fmt::Debug {
    /// Fills `octets`.
    fn fill(&self, octets: &mut [u8]);

    /// A random number.
    fn next_u64(&self) -> u64 {
        let mut octets = [0; 8];
        self.fill(&mut octets);
        u64::from_le_bytes(octets)
    }
}

/// The operating system's generator: what every server uses.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    /// # Panics
    /// When the operating system has no randomness to give: a server must not go on with predictable secrets.
    fn fill(&self, octets: &mut [u8]) {
        getrandom::fill(octets).expect("invariant: the operating system gives randomness");
    }
}

/// The same octets for the same seed: for tests that replay. Not a cryptographic generator.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<u64>);

impl SeededEntropy {
    /// A source that starts from `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(seed))
    }
}

impl Entropy for SeededEntropy {
    /// SplitMix64, one step for every eight octets.
    fn fill(&self, octets: &mut [u8]) {
        let mut state = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        for chunk in octets.chunks_mut(8) {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = *state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^= z >> 31;
            chunk.copy_from_slice(&z.to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_replays_and_the_system_does_not() {
        let (a, b) = (SeededEntropy::new(7), SeededEntropy::new(7));
        let first = a.next_u64();
        assert_eq!(first, b.next_u64());
        assert_ne!(first, a.next_u64());
        assert_ne!(SystemEntropy.next_u64(), SystemEntropy.next_u64());
    }
}

//! Seeded randomness that can be replayed.
//!
//! A small generator of our own (splitmix64), so that a seed means the same run for ever, whatever a library
//! changes. [`for_each_seed`] gives a test fresh seeds on every run and names the seed when the test fails;
//! with the environment variable [`SEED_VARIABLE`] set, that one seed is run again and nothing else.

use std::hash::{BuildHasher, Hasher};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The environment variable that replays one seed; decimal, or hexadecimal after `0x`.
pub const SEED_VARIABLE: &str = "POSTROOM_SEED";

/// A seeded generator. The same seed gives the same numbers on every machine and in every release.
#[derive(Debug, Clone)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// A generator that starts from `seed`.
    pub const fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which must not be zero.
    pub fn below(&mut self, end: usize) -> usize {
        assert!(end > 0, "no number is below zero");
        // The bias of a remainder is far below what any test could notice.
        (self.next_u64() % end as u64) as usize
    }

    /// A number from `first` to `last`, both included.
    pub fn between(&mut self, first: usize, last: usize) -> usize {
        first + self.below(last - first + 1)
    }

    /// True `part` times out of `whole`.
    pub fn chance(&mut self, part: usize, whole: usize) -> bool {
        self.below(whole) < part
    }

    /// One of `values`, which must not be empty.
    pub fn pick<'a, T>(&mut self, values: &'a [T]) -> &'a T {
        &values[self.below(values.len())]
    }

    /// Fills `octets` with anything.
    pub fn fill(&mut self, octets: &mut [u8]) {
        for chunk in octets.chunks_mut(8) {
            let word = self.next_u64().to_le_bytes();
            chunk.copy_from_slice(&word[..chunk.len()]);
        }
    }
}

/// The seed to replay, if the environment names one.
pub fn replayed_seed() -> Option<u64> {
    let text = std::env::var(SEED_VARIABLE).ok()?;
    let parsed = match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => text.parse(),
    };
    Some(parsed.unwrap_or_else(|_| panic!("{SEED_VARIABLE}={text} is not a number")))
}

/// A seed nobody has chosen, from the entropy that the standard library gives its hash maps.
pub fn fresh_seed() -> u64 {
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// The seeds of one test: `runs` fresh ones, or the one to replay.
pub fn seeds(runs: usize) -> Vec<u64> {
    replayed_seed().map_or_else(|| (0..runs).map(|_| fresh_seed()).collect(), |seed| vec![seed])
}

/// Runs a scripted test with `runs` fresh seeds, or with the one to replay.
///
/// # Panics
/// When `test` does, with the seed in front of its message.
pub fn for_each_seed(runs: usize, mut test: impl FnMut(&mut Rng)) {
    for seed in seeds(runs) {
        let outcome = catch_unwind(AssertUnwindSafe(|| test(&mut Rng::new(seed))));
        if let Err(panic) = outcome {
            panic!("seed {seed:#x} (replay: {SEED_VARIABLE}={seed:#x}): {}", panic_text(&*panic));
        }
    }
}

/// What a caught panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
        .unwrap_or_else(|| "a panic without text".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_sequence_of_splitmix64() {
        // The first outputs for seed 1234567 as its author's reference program prints them.
        let mut rng = Rng::new(1_234_567);
        assert_eq!(rng.next_u64(), 6_457_827_717_110_365_317);
        assert_eq!(rng.next_u64(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn a_failure_names_its_seed() {
        let outcome = catch_unwind(|| for_each_seed(3, |_| panic!("broken promise")));
        let text = panic_text(&*outcome.unwrap_err());
        assert!(text.starts_with("seed 0x") && text.ends_with("broken promise"), "{text}");
    }
}

//! Seeded randomness that can be replayed.
//!
//! A small generator of our own (splitmix64), so that a seed means the same run for ever, whatever a library
//! changes. [`for_each_seed`] gives a test its seeds and names the one with which it fails; with the environment
//! variable [`SEED_VARIABLE`] set, that one seed is run again and nothing else, or seeds that nobody has chosen.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The environment variable that replays one seed, decimal, or hexadecimal after `0x`; or has fresh ones drawn, where it is `fresh`.
pub const SEED_VARIABLE: &str = "POSTROOM_SEED";

/// What it says for fresh ones.
const FRESH: &str = "fresh";

/// Where the usual seeds come from.
const USUAL: u64 = 20_261_122;

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

/// The seeds of one test: the same `runs` at each run, so that what fails has to do with what was changed; as many that nobody has
/// chosen, where the environment asks for them; or the one to replay.
///
/// # Panics
/// When the environment says neither.
pub fn seeds(runs: usize) -> Vec<u64> {
    match std::env::var(SEED_VARIABLE).as_deref() {
        Err(_) => {
            let mut usual = Rng::new(USUAL);
            (0..runs).map(|_| usual.next_u64()).collect()
        }
        // From the entropy that the standard library gives its hash maps.
        Ok(FRESH) => (0..runs).map(|_| RandomState::new().build_hasher().finish()).collect(),
        Ok(text) => {
            let seed = match text.strip_prefix("0x") {
                Some(hex) => u64::from_str_radix(hex, 16),
                None => text.parse(),
            };
            vec![seed.unwrap_or_else(|_| panic!("{SEED_VARIABLE}={text} is neither a number nor {FRESH}"))]
        }
    }
}

/// Whether one seed is run again alone, which need not see what many see together.
pub fn is_replay() -> bool {
    seeds(2).len() == 1
}

/// Runs a scripted test with each of [`seeds`].
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

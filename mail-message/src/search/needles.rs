//! [`Needles`]: any number of strings looked for in one pass over a text.
//!
//! An automaton of Aho and Corasick over the octets of the folded strings. The text is folded as it comes, character by
//! character, and nothing of it is kept: what a search holds is its place in the automaton and which strings it has met.
//!
//! # Limits
//! The automaton has a state for each octet of the folded strings, about 40 octets of memory each. A character of text
//! costs constant time on average, however many strings there are and whatever is in them.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::fold::fold;

/// Strings to look for.
#[derive(Debug, Clone)]
pub(super) struct Needles {
    states: Vec<State>,
    /// The edges of all states but the first, each state's in the order of their octets.
    edges: Vec<(u8, u32)>,
    /// Where each octet leads from the first state.
    first: Box<[u32; 256]>,
    /// Octets of text that leave the first state as it is.
    passed_over: Box<[bool; 256]>,
    /// For each string, the state in which it is met.
    ends: Vec<u32>,
}

#[derive(Debug, Clone, Default)]
struct State {
    /// Its edges in `edges`.
    edges: (u32, u32),
    /// The state of the longest proper end of what was met that begins a string.
    fallback: u32,
    /// Of this state and those that it falls back to, the first in which a string ends; 0 when there is none.
    met: u32,
}

/// What one search knows.
#[derive(Debug, Clone)]
pub(super) struct Progress {
    state: u32,
    after_space: bool,
    /// For each state in which a string ends, whether it was reached.
    reached: Vec<bool>,
    /// How many of them are still to be reached.
    missing: usize,
}

impl Needles {
    pub(super) fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Needles {
        let mut children: BTreeMap<(u32, u8), u32> = BTreeMap::new();
        let mut states = alloc::vec![State::default()];
        let mut ends = Vec::new();
        for text in texts {
            let mut at = 0;
            folded(text, |octet| {
                at = *children.entry((at, octet)).or_insert_with(|| {
                    states.push(State::default());
                    states.len() as u32 - 1
                });
            });
            states[at as usize].met = at;
            ends.push(at);
        }
        let mut needles = Needles {
            states,
            edges: Vec::with_capacity(children.len()),
            first: Box::new([0; 256]),
            passed_over: Box::new([false; 256]),
            ends,
        };
        needles.link(&children);
        for octet in 0..128 {
            needles.passed_over[usize::from(octet)] = needles.first[usize::from(fold_ascii(octet))] == 0;
        }
        needles
    }

    /// From the tree of strings to the automaton, the shorter beginnings first.
    fn link(&mut self, children: &BTreeMap<(u32, u8), u32>) {
        let mut queue = alloc::vec![0];
        let mut next = 0;
        while let Some(&state) = queue.get(next) {
            next += 1;
            let start = self.edges.len() as u32;
            for (&(_, octet), &child) in children.range((state, 0)..=(state, u8::MAX)) {
                if state == 0 {
                    self.first[usize::from(octet)] = child;
                } else {
                    self.edges.push((octet, child));
                    let fallback = self.step(self.states[state as usize].fallback, octet);
                    let met = self.states[fallback as usize].met;
                    let child = &mut self.states[child as usize];
                    child.fallback = fallback;
                    child.met = if child.met == 0 { met } else { child.met };
                }
                queue.push(child);
            }
            self.states[state as usize].edges = (start, self.edges.len() as u32);
        }
    }

    fn step(&self, mut state: u32, octet: u8) -> u32 {
        while state != 0 {
            let State { edges: (start, end), fallback, .. } = self.states[state as usize];
            let edges = &self.edges[start as usize..end as usize];
            if let Ok(at) = edges.binary_search_by_key(&octet, |edge| edge.0) {
                return edges[at].1;
            }
            state = fallback;
        }
        self.first[usize::from(octet)]
    }

    /// A search that has seen nothing yet.
    pub(super) fn start(&self) -> Progress {
        let mut reached = alloc::vec![true; self.states.len()];
        let mut missing = 0;
        for &end in self.ends.iter().filter(|&&end| end != 0) {
            missing += usize::from(core::mem::take(&mut reached[end as usize]));
        }
        Progress { state: 0, after_space: false, reached, missing }
    }

    /// Looks at the next piece of text.
    pub(super) fn feed(&self, progress: &mut Progress, text: &str) {
        let octets = text.as_bytes();
        let mut at = 0;
        while progress.missing > 0 {
            if progress.state == 0 {
                at += octets[at..].iter().take_while(|&&octet| self.passed_over[usize::from(octet)]).count();
            }
            let Some(&octet) = octets.get(at) else { return };
            if octet.is_ascii() {
                at += 1;
                self.take(progress, fold_ascii(octet));
                continue;
            }
            let Some(character) = text[at..].chars().next() else { return };
            at += character.len_utf8();
            fold(character, |part| {
                part.encode_utf8(&mut [0; 4]).bytes().for_each(|octet| self.take(progress, octet));
            });
        }
    }

    fn take(&self, progress: &mut Progress, octet: u8) {
        if octet == b' ' && progress.after_space {
            return;
        }
        progress.after_space = octet == b' ';
        progress.state = self.step(progress.state, octet);
        // Where one was met before, so were all that it ends in.
        let mut met = self.states[progress.state as usize].met;
        while met != 0 && !progress.reached[met as usize] {
            progress.reached[met as usize] = true;
            progress.missing -= 1;
            met = self.states[self.states[met as usize].fallback as usize].met;
        }
    }

    /// Whether the string of that number was met. The empty one always was.
    pub(super) fn is_met(&self, progress: &Progress, number: usize) -> bool {
        progress.reached[self.ends[number] as usize]
    }
}

impl Progress {
    /// The text has ended; what comes next is another one.
    pub(super) fn end_text(&mut self) {
        self.state = 0;
        self.after_space = false;
    }

    /// Whether every string was met.
    pub(super) fn is_complete(&self) -> bool {
        self.missing == 0
    }
}

/// [`fold`] for the first 128 characters.
fn fold_ascii(octet: u8) -> u8 {
    if char::from(octet).is_whitespace() { b' ' } else { octet.to_ascii_lowercase() }
}

/// The octets that a string is compared by; neighbouring spaces are one.
fn folded(text: &str, mut emit: impl FnMut(u8)) {
    let mut after_space = false;
    for character in text.chars() {
        fold(character, |part| {
            if part != ' ' || !after_space {
                part.encode_utf8(&mut [0; 4]).bytes().for_each(&mut emit);
            }
            after_space = part == ' ';
        });
    }
}

/// Whether `text` is in `whole`, both held and compared at every place: the measure of the automaton.
pub(crate) fn is_in_text(text: &str, whole: &str) -> bool {
    let plain = |text: &str| {
        let mut octets = Vec::new();
        folded(text, |octet| octets.push(octet));
        octets
    };
    let (text, whole) = (plain(text), plain(whole));
    text.is_empty() || memchr::memmem::find(&whole, &text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;
    use proptest::prelude::*;

    fn found(needles: &Needles, pieces: &[&str]) -> Vec<bool> {
        let mut progress = needles.start();
        pieces.iter().for_each(|piece| needles.feed(&mut progress, piece));
        (0..needles.ends.len()).map(|number| needles.is_met(&progress, number)).collect()
    }

    #[test]
    fn the_empty_string_and_no_string() {
        let needles = Needles::new(["", "a"]);
        assert_eq!(found(&needles, &[]), [true, false]);
        let needles = Needles::new([]);
        assert!(needles.start().is_complete() && found(&needles, &["x"]).is_empty());
    }

    #[test]
    fn white_space_is_one_space() {
        let needles = Needles::new(["a b", "\r\n", "b  \tc", "d e"]);
        assert_eq!(found(&needles, &["xa \r", "\n b", "\u{3000}c", "de"]), [true, true, true, false]);
    }

    #[test]
    fn a_text_ends_where_it_is_said() {
        let needles = Needles::new(["ab"]);
        let mut progress = needles.start();
        needles.feed(&mut progress, "a");
        progress.end_text();
        needles.feed(&mut progress, "b");
        assert!(!progress.is_complete());
    }

    /// Every set of up to three needles of up to three letters, over every text of up to five.
    #[test]
    fn all_small_sets_beside_a_plain_search() {
        let words = |letters: &str, longest: usize| {
            let mut words = alloc::vec![String::new()];
            for at in 0.. {
                let word = words[at].clone();
                if word.len() == longest {
                    return words;
                }
                words.extend(letters.chars().map(|letter| word.clone() + &String::from(letter)));
            }
            words
        };
        let (needles, texts) = (words("ab", 3), words("aB", 5));
        for (i, a) in needles.iter().enumerate() {
            for (j, b) in needles.iter().enumerate().skip(i) {
                for c in &needles[j..] {
                    let set = [a, b, c].map(String::as_str);
                    let compiled = Needles::new(set);
                    for text in &texts {
                        let expected = set.map(|needle| text.to_lowercase().contains(needle));
                        assert_eq!(found(&compiled, &[text]), expected, "{set:?} in {text:?}");
                    }
                }
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_plain_search_at_every_cut(
            needles in proptest::collection::vec("[abAé\u{301}e ßﬁ\u{3000}中]{0,4}", 0..5),
            text in "[abABEéÉ\u{301}fi \r\nẞ中国]{0,20}",
        ) {
            let expected: Vec<bool> = needles.iter().map(|needle| is_in_text(needle, &text)).collect();
            let compiled = Needles::new(needles.iter().map(String::as_str));
            for (at, _) in text.char_indices() {
                prop_assert_eq!(&found(&compiled, &[&text[..at], &text[at..]]), &expected);
            }
        }
    }
}

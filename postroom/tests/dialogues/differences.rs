//! What differs, and why: `differences.txt`.
//!
//! A line with `##` begins a reason, which is told below it. Then come the differences that have it, in groups:
//!
//! ```text
//! 12 times
//! in      = classes * | relay | *
//! said    RCPT TO:*
//! postfix 250 2.1.5
//! ours    550 5.4.4 *: No route
//! ```
//!
//! where `*` stands for anything. As many as that must differ in this way, no more and no less; each difference is counted in
//! the first group that it is of.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

/// A reply that is not Postfix's.
#[derive(Debug)]
pub(crate) struct Difference {
    /// The dialogue's first line.
    pub(crate) dialogue: String,
    pub(crate) said: String,
    pub(crate) postfix: String,
    pub(crate) ours: String,
}

#[derive(Debug, Default)]
struct Group {
    times: usize,
    patterns: BTreeMap<String, String>,
}

impl Group {
    fn has(&self, difference: &Difference) -> bool {
        let Difference { dialogue, said, postfix, ours } = difference;
        [("in", dialogue), ("said", said), ("postfix", postfix), ("ours", ours)].into_iter().all(
            |(field, text)| {
                matches(self.patterns.get(field).unwrap_or_else(|| panic!("no {field}: {self:?}")), text)
            },
        )
    }
}

/// Fails when something differs that is not in the file, or when the file has what does not differ.
pub(crate) fn assert_listed(found: &[Difference], file: &Path) {
    let groups = read(&std::fs::read_to_string(file).unwrap());
    let mut counted = vec![0; groups.len()];
    let mut report = String::new();
    for difference in found {
        match groups.iter().position(|group| group.has(difference)) {
            Some(group) => counted[group] += 1,
            None => report.push_str(&format!("not listed:\n{difference}\n")),
        }
    }
    for (group, counted) in groups.iter().zip(counted).filter(|(group, counted)| group.times != *counted) {
        report.push_str(&format!(
            "{counted} times, and listed as {} times: {:?}\n",
            group.times, group.patterns
        ));
    }
    assert!(report.is_empty(), "{}:\n{report}", file.display());
}

fn read(text: &str) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for line in text.lines() {
        if let Some(times) = line.strip_suffix(" times") {
            groups.push(Group { times: times.parse().unwrap(), ..Group::default() });
        } else if let Some((field @ ("in" | "said" | "postfix" | "ours"), pattern)) = line.split_once(' ')
            && let Some(group) = groups.last_mut().filter(|group| !group.patterns.contains_key(field))
        {
            group.patterns.insert(field.into(), pattern.trim().into());
        }
    }
    groups
}

/// Whether a text is of a pattern, in which `*` is anything.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut left) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(last)
}

/// As the file has it.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { dialogue, said, postfix, ours } = self;
        write!(f, "in      {dialogue}\nsaid    {said}\npostfix {postfix}\nours    {ours}")
    }
}

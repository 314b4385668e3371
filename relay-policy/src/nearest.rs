//! The known name that a misspelt one is probably meant to be.

/// The name that the fewest letters have to be put in, taken out or replaced for; none where that is more than a third of
/// them.
pub(crate) fn nearest<'n>(name: &str, known: &[&'n str]) -> Option<&'n str> {
    let most = name.chars().count().min(NAME_CHARACTERS_MAX) / 3;
    if name.len() > NAME_CHARACTERS_MAX {
        return None;
    }
    let distances = known.iter().map(|known| (distance(name, known), *known));
    distances
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= most)
        .map(|(_, known)| known)
}

/// Longer ones are nobody's slip.
const NAME_CHARACTERS_MAX: usize = 100;

/// How many letters have to be put in, taken out or replaced (Levenshtein), row by row.
fn distance(one: &str, two: &str) -> usize {
    let two: Vec<char> = two.chars().collect();
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (number, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = number + 1;
        for (at, other) in two.iter().enumerate() {
            let replaced = diagonal + usize::from(letter != *other);
            diagonal = row[at + 1];
            row[at + 1] = replaced.min(diagonal + 1).min(row[at] + 1);
        }
    }
    row[two.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_near_and_strangers_are_not() {
        let known = ["mynetworks", "mydestination", "relay_domains"];
        for (name, meant) in [
            ("mynetwork", Some("mynetworks")),
            ("my_networks", Some("mynetworks")),
            ("mydestinations", Some("mydestination")),
            ("relaydomain", Some("relay_domains")),
            ("smtpd_banner", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, &known), meant, "{name}");
        }
        assert_eq!(nearest(&"m".repeat(10_000), &known), None);
        assert_eq!((distance("kitten", "sitting"), distance("", "abc"), distance("abc", "abc")), (3, 3, 0));
    }
}

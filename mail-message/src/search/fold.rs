//! What a character is compared by: RFC 5051 (`i;unicode-casemap`), in which `i;ascii-casemap` (RFC 4790 §9.2) lies.
//!
//! A character is taken apart into what it is composed of, compatibility forms included, and each of that is folded by
//! its one-to-one case mapping. So `é` is found by `e` and a combining accent, `ﬁ` by `fi`, and full-width letters by
//! plain ones. Combining marks are compared in the order in which they stand.
//!
//! # Departures
//! RFC 5051 maps to title case first and takes apart then; here it is the other way round, so that what comes out of
//! a composed character is folded like any other. Nothing that is equal by the RFC differs here.

use unicode_normalization::char::decompose_compatible;

/// Gives `emit` what `character` is compared by. White space of every kind comes out as one space.
pub(super) fn fold(character: char, mut emit: impl FnMut(char)) {
    decompose_compatible(character, |part| {
        emit(if part.is_whitespace() { ' ' } else { one_case(part) });
    });
}

/// Upper case first: of the small letters that have one capital (`σ` and `ς`) one stays.
fn one_case(character: char) -> char {
    let upper = single(character.to_uppercase()).unwrap_or(character);
    single(upper.to_lowercase()).unwrap_or(upper)
}

/// The character, if it is one.
fn single(mut mapped: impl Iterator<Item = char>) -> Option<char> {
    let first = mapped.next();
    if mapped.next().is_none() { first } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    fn folded(text: &str) -> String {
        let mut output = String::new();
        text.chars().for_each(|character| fold(character, |part| output.push(part)));
        output
    }

    #[test]
    fn known_answers() {
        for (a, b) in [
            ("ABCXYZ", "abcxyz"),
            ("É", "e\u{301}"),
            ("ΣΊΣΥΦΟΣ", "σίσυφος"),
            ("ﬁ", "FI"),
            ("ＡＢＣ", "abc"),
            ("ẞ", "ß"),
            ("Ǆ", "ǆ"),
            ("ǅ", "dz\u{30c}"),
            ("\u{212a}", "k"),
            ("한", "\u{1112}\u{1161}\u{11ab}"),
            ("\u{a0}", " "),
        ] {
            assert_eq!(folded(a), folded(b), "{a} and {b}");
        }
        for (a, b) in [("ß", "ss"), ("ü", "u"), ("ü", "ue"), ("ł", "l"), ("中", "国")] {
            assert_ne!(folded(a), folded(b), "{a} and {b}");
        }
    }

    /// What the RFC calls equal is equal: a character and its one-to-one case mappings; and once folded is for ever.
    #[test]
    fn every_character_folds_as_its_other_case_does() {
        for character in char::MIN..=char::MAX {
            let own = folded(&String::from(character));
            assert_eq!(folded(&own), own, "{character:?} folds twice");
            for other in [single(character.to_uppercase()), single(character.to_lowercase())] {
                let other = other.map(|other| folded(&String::from(other)));
                assert!(other.is_none_or(|other| other == own), "{character:?}");
            }
        }
    }

    #[test]
    fn ascii_is_ascii_casemap_but_for_white_space() {
        for octet in 0..128_u8 {
            let expected = if char::from(octet).is_whitespace() { b' ' } else { octet.to_ascii_lowercase() };
            assert_eq!(folded(&String::from(char::from(octet))), String::from(char::from(expected)));
        }
    }
}

//! The words of a configured list.
//!
//! # Departures
//! From Postfix: braces group wherever they stand, so that `inline:{{key = two words}}` is one word; where they do not
//! match, the rest of the text is one word.

/// The words, with commas and blanks between them; what is in braces is not divided.
pub(crate) fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut begin, mut depth) = (None, 0_usize);
    for (at, octet) in text.bytes().enumerate() {
        let divides = depth == 0 && matches!(octet, b',' | b' ' | b'\t' | b'\r' | b'\n');
        match octet {
            b'{' => depth += 1,
            b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match (divides, begin) {
            (true, Some(from)) => {
                words.push(&text[from..at]);
                begin = None;
            }
            (false, None) => begin = Some(at),
            _ => {}
        }
    }
    words.extend(begin.map(|from| &text[from..]));
    words
}

/// Whether a word names a table: `type:name`.
pub(crate) fn is_table(word: &str) -> bool {
    let Some((kind, name)) = word.split_once(':') else { return false };
    let in_kind = |octet: u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    kind.starts_with(|first: char| first.is_ascii_alphabetic())
        && kind.bytes().all(in_kind)
        && !name.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_keep_words_together() {
        assert_eq!(words(" permit_mynetworks,\n\treject ,, "), ["permit_mynetworks", "reject"]);
        assert_eq!(words("a inline:{{k = v w, x}} b"), ["a", "inline:{{k = v w, x}}", "b"]);
        assert_eq!(words("a } b, {c d"), ["a", "}", "b", "{c d"]);
        assert!(words("").is_empty());
    }

    #[test]
    fn tables_are_known_by_their_type() {
        assert!(is_table("texthash:tab") && is_table("fail:x"));
        for other in ["example.com", "2001:db8::1", "[::1]", "127.0.0.0/8", "texthash:", ":x"] {
            assert!(!is_table(other), "{other}");
        }
    }
}

//! The words of a configuration value: separated by commas and blanks, except within braces.
//!
//! A reference to a table may hold commas and blanks of its own, `inline:{a=b, c=d}`; Postfix keeps what stands in braces
//! together wherever they open in a word, and so does this.

/// The words of a parameter's value, which commas and white space part, except within braces.
pub fn words(text: &str) -> Vec<&str> {
    split(text, |character| character == ',' || character.is_ascii_whitespace())
}

/// The parts between single commas.
pub(crate) fn parts(text: &str) -> Vec<&str> {
    split(text, |character| character == ',')
}

/// What is within braces that enclose all of a text; none where they do not.
pub(crate) fn in_braces(text: &str) -> Option<&str> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut depth = 0_usize;
    for octet in inner.bytes() {
        match octet {
            b'{' => depth += 1,
            // A brace that closes the one in front of everything.
            b'}' => depth = depth.checked_sub(1)?,
            _ => {}
        }
    }
    (depth == 0).then_some(inner)
}

fn split(text: &str, is_separator: impl Fn(char) -> bool) -> Vec<&str> {
    let (mut words, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ if depth == 0 && is_separator(character) => {
                words.push(&text[start..at]);
                start = at + character.len_utf8();
            }
            _ => {}
        }
    }
    words.push(&text[start..]);
    words.retain(|word| !word.trim().is_empty());
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
        assert_eq!(words(" a, b\tc,,\n d "), ["a", "b", "c", "d"]);
        assert_eq!(words("inline:{ a = b, c } x"), ["inline:{ a = b, c }", "x"]);
        assert_eq!(parts("inline:{a=b,c=d},inline:{e=f}"), ["inline:{a=b,c=d}", "inline:{e=f}"]);
        assert_eq!(words("{unclosed a, b"), ["{unclosed a, b"]);
        assert_eq!(words("a} b"), ["a}", "b"]);
        assert!(words(" , ").is_empty());
    }

    #[test]
    fn only_braces_around_everything_count() {
        assert_eq!(in_braces(" { a {b} } "), Some(" a {b} "));
        for wrong in ["", "{", "}", "a", "{a}b", "{a},{b}", "{{a}"] {
            assert_eq!(in_braces(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn tables_are_known_by_their_type() {
        assert!(is_table("texthash:tab") && is_table("fail:x"));
        for other in ["example.com", "2001:db8::1", "[::1]", "127.0.0.0/8", "texthash:", ":x"] {
            assert!(!is_table(other), "{other}");
        }
    }
}

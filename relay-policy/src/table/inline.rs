//! `inline:{ key = text, { key = text with blanks and commas } }`: a small table within the configuration.

use super::hashed::{Hashed, Inserted};
use crate::words::{in_braces, words};

/// Reads what stands behind `inline:`.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn parse(definition: &str) -> Result<Hashed, String> {
    let inner = in_braces(definition).ok_or("expected inline:{ key = text, ... }")?;
    let mut keys = Hashed::default();
    for word in words(inner) {
        let entry = in_braces(word).unwrap_or(word);
        let (key, text) = entry.split_once('=').ok_or_else(|| {
            format!("{word}: expected key=text, or {{ key = text }} where there are blanks or commas")
        })?;
        let (key, text) = (key.trim(), text.trim());
        if key.is_empty() {
            return Err(format!("{word}: nothing stands before ="));
        }
        if keys.insert(key, text, 0) != Inserted::New {
            return Err(format!("{word}: {key} is there already"));
        }
    }
    if keys.len() == 0 {
        return Err("nothing is in it: expected inline:{ key = text, ... }".into());
    }
    Ok(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(parse("{ a=b, { c = d=e, f } }").unwrap().find("C").unwrap().text, "d=e, f");
        for (wrong, said) in [
            ("a=b", "expected inline:{"),
            ("{}", "nothing is in it"),
            ("{a b}", "a: expected key=text"),
            ("{=b}", "nothing stands before ="),
            ("{a=b,A=c}", "A is there already"),
        ] {
            let error = parse(wrong).unwrap_err();
            assert!(error.contains(said), "{wrong}: {error}");
        }
    }
}

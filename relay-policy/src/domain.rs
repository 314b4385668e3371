//! Domain names in the one form in which they can be compared.
//!
//! A-labels and U-labels that mean the same, any case and one trailing dot give the same key (RFC 5890 section 2.3.2,
//! by the mapping of UTS #46).

/// The comparable form: A-labels, lower case, no trailing dot. `None` for what is no domain name.
pub(crate) fn key(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let ascii = idna::domain_to_ascii(name).ok()?;
    // The mapping may itself produce dots (U+3002 and others), so labels are looked at after it.
    let good = !ascii.is_empty() && ascii.split('.').all(|label| !label.is_empty());
    good.then_some(ascii)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_for_all_spellings() {
        for spelling in
            ["bücher.test", "BÜCHER.test", "xn--bcher-kva.test", "XN--BCHER-KVA.TEST.", "bu\u{308}cher。test"]
        {
            assert_eq!(key(spelling).as_deref(), Some("xn--bcher-kva.test"), "{spelling}");
        }
        for wrong in ["", ".", "a..b", "a.test..", "xn--a\u{fc}.test", ".test"] {
            assert_eq!(key(wrong), None, "{wrong}");
        }
    }
}

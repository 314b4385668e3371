//! Domain names in the one form in which they can be compared.
//!
//! A-labels and U-labels that mean the same, any case and one trailing dot give the same key (RFC 5890 section 2.3.2,
//! by the mapping of UTS #46).

use std::borrow::Cow;

/// The comparable form: A-labels, lower case, no trailing dot. `None` for what is no domain name.
pub(crate) fn key(name: &str) -> Option<Cow<'_, str>> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if is_key(name) {
        return Some(Cow::Borrowed(name));
    }
    let ascii = idna::domain_to_ascii(name).ok()?;
    // The mapping may itself produce dots (U+3002 and others), so labels are looked at after it.
    let good = !ascii.is_empty() && ascii.split('.').all(|label| !label.is_empty());
    good.then_some(Cow::Owned(ascii))
}

/// Whether a name is in the comparable form, and is seen to be at once: nothing in it is mapped or decoded.
fn is_key(name: &str) -> bool {
    let octets = name.as_bytes();
    let mut before = b'.';
    for (at, &octet) in octets.iter().enumerate() {
        match octet {
            b'.' if before == b'.' => return false,
            b'x' if before == b'.' && octets[at..].starts_with(b"xn--") => return false,
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' => before = octet,
            _ => return false,
        }
    }
    before != b'.'
}

/// A domain name as the DNS has it: A-labels in place of others; one in ASCII stays as it is. `None` for what is no domain
/// name.
pub(crate) fn in_ascii(name: &str) -> Option<Cow<'_, str>> {
    if name.is_ascii() { Some(Cow::Borrowed(name)) } else { key(name) }
}

/// The same key of a table with its domain spelt the other way: U-labels in place of A-labels, or A-labels in place of others.
/// The domain is what follows the last `@`, or all of it, a dot in front not counted. `None` for the most, which have one
/// spelling only.
pub(crate) fn respelt(key_of_table: &str) -> Option<String> {
    let at = key_of_table.rfind('@').map_or(0, |at| at + 1);
    let (front, domain) = key_of_table.split_at(at);
    let dot = if domain.starts_with('.') { "." } else { "" };
    let name = &domain[dot.len()..];
    let is_encoded = |label: &str| label.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("xn--"));
    let other = if !name.is_ascii() {
        key(name)?.into_owned()
    } else if name.split('.').any(is_encoded) {
        let (decoded, result) = idna::domain_to_unicode(name);
        result.ok().map(|()| decoded)?
    } else {
        return None;
    };
    (other != name).then(|| format!("{front}{dot}{other}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_tables_have_two_spellings() {
        for (one, other) in [
            ("u@b\u{fc}cher.test", Some("u@xn--bcher-kva.test")),
            ("u@XN--bcher-KVA.test", Some("u@b\u{fc}cher.test")),
            ("\"a@b\u{fc}\"@b\u{fc}cher.test", Some("\"a@b\u{fc}\"@xn--bcher-kva.test")),
            (".b\u{fc}cher.test", Some(".xn--bcher-kva.test")),
            ("@xn--bcher-kva.test", Some("@b\u{fc}cher.test")),
            ("b\u{fc}cher@example.com", None),
            ("b\u{fc}cher@", None),
            ("xn--a\u{fc}.test", None),
            ("xn--.test", None),
            ("example.com", None),
            ("192.0.2.1", None),
            ("", None),
        ] {
            assert_eq!(respelt(one).as_deref(), other, "{one}");
        }
    }

    #[test]
    fn one_key_for_all_spellings() {
        for spelling in
            ["bücher.test", "BÜCHER.test", "xn--bcher-kva.test", "XN--BCHER-KVA.TEST.", "bu\u{308}cher。test"]
        {
            assert_eq!(key(spelling).as_deref(), Some("xn--bcher-kva.test"), "{spelling}");
        }
        for as_it_is in ["a.test", "1.2.3.4", "a_b.-c-.test", "xn-.test", "axn--b.test"] {
            assert_eq!(key(as_it_is), Some(Cow::Borrowed(as_it_is)));
            assert_eq!(idna::domain_to_ascii(as_it_is).ok().as_deref(), Some(as_it_is));
        }
        for wrong in ["", ".", "a..b", "a.test..", "xn--a\u{fc}.test", ".test"] {
            assert_eq!(key(wrong), None, "{wrong}");
        }
    }
}

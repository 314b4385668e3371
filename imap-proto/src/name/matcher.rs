//! Whether a LIST pattern matches a name.
//!
//! RFC 3501 §6.3.8: `*` stands for zero or more of any character, `%` for zero or more of any but the delimiter.
//!
//! # Limits
//! No recursion and no memory; time at most in proportion to the product of both lengths, and to their sum for
//! patterns that people write.

/// Whether all of `name` matches all of `pattern`. The first `folded` octets of the name compare without case.
///
/// After a mismatch only the last wildcard is ever stretched: what the earlier ones took is the shortest
/// possible, and the shortest leaves the most to those after it. `%` stops at a delimiter; then the last `*` is
/// stretched instead, and the `%` after it begin anew.
pub(crate) fn matches(pattern: &[u8], name: &[u8], delimiter: u8, folded: usize) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where to go on after a mismatch: in the pattern behind the wildcard, in the name behind what it took.
    let mut star: Option<(usize, usize)> = None;
    let mut percent: Option<(usize, usize)> = None;
    loop {
        match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                star = Some((p, n));
                percent = None;
                continue;
            }
            Some(b'%') => {
                p += 1;
                percent = Some((p, n));
                continue;
            }
            Some(&c) if n < name.len() && same(c, name[n], n < folded) => {
                p += 1;
                n += 1;
                continue;
            }
            None if n == name.len() => return true,
            _ => {}
        }
        if let Some((after, taken)) =
            percent.filter(|&(_, taken)| name.get(taken).is_some_and(|&c| c != delimiter))
        {
            percent = Some((after, taken + 1));
            (p, n) = (after, taken + 1);
        } else if let Some((after, taken)) = star.filter(|&(_, taken)| taken < name.len()) {
            percent = None;
            star = Some((after, taken + 1));
            (p, n) = (after, taken + 1);
        } else {
            return false;
        }
    }
}

fn same(a: u8, b: u8, fold: bool) -> bool {
    a == b || fold && a.eq_ignore_ascii_case(&b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// The definition, word by word; exponential.
    fn oracle(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|n| oracle(rest, &name[n..])),
            Some((b'%', rest)) => {
                let most = name.iter().position(|&c| c == b'/').unwrap_or(name.len());
                (0..=most).any(|n| oracle(rest, &name[n..]))
            }
            Some((c, rest)) => name.first() == Some(c) && oracle(rest, &name[1..]),
        }
    }

    /// All strings over `alphabet` of at most `max` octets.
    fn strings(alphabet: &[u8], max: usize) -> Vec<Vec<u8>> {
        let mut all = alloc::vec![Vec::new()];
        let mut from = 0;
        for _ in 0..max {
            let to = all.len();
            for index in from..to {
                for &c in alphabet {
                    let mut longer = all[index].clone();
                    longer.push(c);
                    all.push(longer);
                }
            }
            from = to;
        }
        all
    }

    #[test]
    fn agrees_with_the_definition_on_every_short_pattern_and_name() {
        let names = strings(b"ab/", 5);
        for pattern in strings(b"ab/*%", 5) {
            for name in &names {
                assert_eq!(
                    matches(&pattern, name, b'/', 0),
                    oracle(&pattern, name),
                    "{:?} {:?}",
                    core::str::from_utf8(&pattern),
                    core::str::from_utf8(name)
                );
            }
        }
    }

    #[test]
    fn inbox_folds_and_nothing_after_it() {
        assert!(matches(b"iNbOx", b"INBOX", b'/', 5));
        assert!(matches(b"in%/a", b"INBOX/a", b'/', 5));
        assert!(!matches(b"inbox/A", b"INBOX/a", b'/', 5));
    }

    #[test]
    fn a_pattern_of_wildcards_ends() {
        let pattern: Vec<u8> = b"*a%".iter().copied().cycle().take(999).collect();
        let name = [b'a'; 1000];
        assert!(matches(&pattern, &name, b'/', 0));
        assert!(!matches(&[&pattern[..], b"b"].concat(), &name, b'/', 0));
    }
}

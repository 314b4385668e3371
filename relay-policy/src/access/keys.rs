//! The keys that access tables are asked for, in their order; addresses in external form.
//!
//! Each is handed out in pieces, and no more of them are made once one was found.

use crate::address::quoted;
use std::ops::ControlFlow;

/// Which keys there are besides whole names and addresses.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Partial {
    /// There are some: the table has exact keys.
    pub(crate) are_tried: bool,
    /// A domain stands for its subdomains; otherwise `.domain` does.
    pub(crate) parents_match: bool,
}

/// A domain and its parents.
pub(crate) fn domain<B>(
    name: &str,
    partial: Partial,
    ask: &mut impl FnMut(&[&str]) -> ControlFlow<B>,
) -> ControlFlow<B> {
    ask(&[name])?;
    let last = name.rsplit('.').next().unwrap_or_default();
    // What looks like an address, or is one in brackets, has no parents.
    if !partial.are_tried || name.starts_with('[') || last.bytes().all(|octet| octet.is_ascii_digit()) {
        return ControlFlow::Continue(());
    }
    let mut rest = name;
    while let Some((_, parent)) = rest.split_once('.') {
        if !parent.is_empty() {
            ask(&[if partial.parents_match { "" } else { "." }, parent])?;
        }
        rest = parent;
    }
    ControlFlow::Continue(())
}

/// An address and its networks: octets of IPv4, groups of IPv6 taken off its written form from the right.
pub(crate) fn address<B>(
    address: &str,
    partial: Partial,
    ask: &mut impl FnMut(&[&str]) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let separator = if address.contains(':') { ':' } else { '.' };
    let mut rest = address;
    loop {
        ask(&[rest])?;
        match rest.rsplit_once(separator) {
            Some((shorter, _)) if partial.are_tried && !shorter.is_empty() => rest = shorter,
            _ => return ControlFlow::Continue(()),
        }
    }
}

/// A mail address in an access table: whole, its domain and the parents, its local part; `user` is the local part without
/// its extension, where it has one.
pub(crate) fn mail_address<B>(
    local_part: &str,
    user: Option<&str>,
    domain_part: &str,
    partial: Partial,
    ask: &mut impl FnMut(&[&str]) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let (whole, user) = (quoted(local_part), user.filter(|_| partial.are_tried).map(quoted));
    let local_parts = || [Some(&whole), user.as_ref()].into_iter().flatten();
    local_parts().try_for_each(|local_part| ask(&[local_part, "@", domain_part]))?;
    if !partial.are_tried {
        return ControlFlow::Continue(());
    }
    domain(domain_part, partial, ask)?;
    local_parts().try_for_each(|local_part| ask(&[local_part, "@"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All the keys that are made where none of them is there.
    fn all(keys: impl FnOnce(&mut dyn FnMut(&[&str]) -> ControlFlow<()>) -> ControlFlow<()>) -> Vec<String> {
        let mut asked = Vec::new();
        let end = keys(&mut |pieces| {
            asked.push(pieces.concat());
            ControlFlow::Continue(())
        });
        assert_eq!(end, ControlFlow::Continue(()));
        asked
    }

    const PARENTS: Partial = Partial { are_tried: true, parents_match: true };
    const DOTTED: Partial = Partial { are_tried: true, parents_match: false };
    const WHOLE: Partial = Partial { are_tried: false, parents_match: true };

    #[test]
    fn networks_lose_their_last_part() {
        let keys = |written: &str| all(|mut ask| address(written, PARENTS, &mut ask));
        assert_eq!(keys("203.0.113.9"), ["203.0.113.9", "203.0.113", "203.0", "203"]);
        assert_eq!(keys("2001:db8::1"), ["2001:db8::1", "2001:db8:", "2001:db8", "2001"]);
        assert_eq!(keys("::1"), ["::1", ":"]);
        assert_eq!(all(|mut ask| address("203.0.113.9", WHOLE, &mut ask)), ["203.0.113.9"]);
    }

    #[test]
    fn domains_have_parents_and_addresses_have_none() {
        let keys = |name: &str, partial| all(|mut ask| domain(name, partial, &mut ask));
        assert_eq!(keys("a.b.c", PARENTS), ["a.b.c", "b.c", "c"]);
        assert_eq!(keys("a.b.c", DOTTED), ["a.b.c", ".b.c", ".c"]);
        assert_eq!(keys("a.b.c", WHOLE), ["a.b.c"]);
        assert_eq!(keys("1.2.3.4", PARENTS), ["1.2.3.4"]);
        assert_eq!(keys("[1.2.3.4]", PARENTS), ["[1.2.3.4]"]);
        assert_eq!(keys("a.", PARENTS), ["a."]);
    }

    #[test]
    fn domains_come_before_local_parts() {
        let keys = |local_part, user, domain, partial| {
            all(|mut ask| mail_address(local_part, user, domain, partial, &mut ask))
        };
        assert_eq!(keys("u+x", Some("u"), "b.c", PARENTS), ["u+x@b.c", "u@b.c", "b.c", "c", "u+x@", "u@"]);
        assert_eq!(keys("u+x", Some("u"), "b.c", WHOLE), ["u+x@b.c"]);
        assert_eq!(keys("u", None, "b.c", DOTTED), ["u@b.c", "b.c", ".c", "u@"]);
        assert_eq!(keys("u v", None, "c", DOTTED), ["\"u v\"@c", "c", "\"u v\"@"]);
    }

    #[test]
    fn what_was_found_ends_it() {
        let mut asked = 0;
        let found = domain("a.b.c", PARENTS, &mut |pieces| {
            asked += 1;
            if pieces.concat() == "b.c" { ControlFlow::Break("here") } else { ControlFlow::Continue(()) }
        });
        assert_eq!((found, asked), (ControlFlow::Break("here"), 2));
    }
}

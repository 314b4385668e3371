//! The keys that access tables are asked for, in their order; addresses in external form.

use crate::address::Address;

/// A domain and its parents, `.parent` where the domain itself does not stand for its subdomains.
pub(crate) fn domain(name: &str, parents_match: bool, keys: &mut Vec<String>) {
    keys.push(name.to_string());
    let last = name.rsplit('.').next().unwrap_or_default();
    // What looks like an address, or is one in brackets, has no parents.
    if name.starts_with('[') || last.bytes().all(|octet| octet.is_ascii_digit()) {
        return;
    }
    let mut rest = name;
    while let Some((_, parent)) = rest.split_once('.') {
        if !parent.is_empty() {
            keys.push(if parents_match { parent.to_string() } else { format!(".{parent}") });
        }
        rest = parent;
    }
}

/// An address and its networks: octets of IPv4, groups of IPv6 taken off its written form from the right.
pub(crate) fn address(address: &str, keys: &mut Vec<String>) {
    let separator = if address.contains(':') { ':' } else { '.' };
    let mut rest = address;
    loop {
        keys.push(rest.to_string());
        match rest.rsplit_once(separator) {
            Some((shorter, _)) if !shorter.is_empty() => rest = shorter,
            _ => return,
        }
    }
}

/// A mail address in an access table: whole, its domain and the parents, its local part; `user` is the local part without
/// its extension, where it has one.
pub(crate) fn mail_address(
    local_part: &str,
    user: Option<&str>,
    domain_part: &str,
    parents_match: bool,
) -> Vec<String> {
    let local_parts = [Some(local_part), user].into_iter().flatten();
    let local_parts: Vec<String> =
        local_parts.map(|local_part| Address::internal(format!("{local_part}@")).to_string()).collect();
    let mut keys: Vec<String> =
        local_parts.iter().map(|local_part| format!("{local_part}{domain_part}")).collect();
    domain(domain_part, parents_match, &mut keys);
    keys.extend(local_parts);
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_lose_their_last_part() {
        let keys = |written: &str| {
            let mut keys = Vec::new();
            address(written, &mut keys);
            keys
        };
        assert_eq!(keys("203.0.113.9"), ["203.0.113.9", "203.0.113", "203.0", "203"]);
        assert_eq!(keys("2001:db8::1"), ["2001:db8::1", "2001:db8:", "2001:db8", "2001"]);
        assert_eq!(keys("::1"), ["::1", ":"]);
    }

    #[test]
    fn domains_have_parents_and_addresses_have_none() {
        let keys = |name: &str, parents_match| {
            let mut keys = Vec::new();
            domain(name, parents_match, &mut keys);
            keys
        };
        assert_eq!(keys("a.b.c", true), ["a.b.c", "b.c", "c"]);
        assert_eq!(keys("a.b.c", false), ["a.b.c", ".b.c", ".c"]);
        assert_eq!(keys("1.2.3.4", true), ["1.2.3.4"]);
        assert_eq!(keys("[1.2.3.4]", true), ["[1.2.3.4]"]);
        assert_eq!(keys("a.", true), ["a."]);
    }

    #[test]
    fn domains_come_before_local_parts() {
        let keys = mail_address("u+x", Some("u"), "b.c", true);
        assert_eq!(keys, ["u+x@b.c", "u@b.c", "b.c", "c", "u+x@", "u@"]);
        assert_eq!(mail_address("u", None, "b.c", false), ["u@b.c", "b.c", ".c", "u@"]);
        assert_eq!(mail_address("u v", None, "c", false), ["\"u v\"@c", "c", "\"u v\"@"]);
    }
}

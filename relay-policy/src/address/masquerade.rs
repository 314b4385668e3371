//! `masquerade_domains`: the hosts of a domain are not seen outside of it.

use super::form::Address;

/// Which domains stand for all below them. The fields are Postfix's parameters of the same names.
///
/// ```
/// use relay_policy::address::{Address, Masquerade};
///
/// let masquerade = Masquerade {
///     masquerade_domains: ["!lab.example.com", "example.com"].map(String::from).into(),
///     masquerade_exceptions: vec!["root".into()],
/// };
/// let seen = |external: &str| masquerade.apply(&Address::parse(external)).to_string();
/// assert_eq!(seen("joe@pc.office.example.com"), "joe@example.com");
/// assert_eq!(seen("joe@pc.lab.example.com"), "joe@pc.lab.example.com");
/// assert_eq!(seen("root@pc.office.example.com"), "root@pc.office.example.com");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Masquerade {
    /// The first of these that a domain is, or is below, takes its place; with `!` before it, nothing does.
    pub masquerade_domains: Vec<String>,
    /// Local parts that are left as they are.
    pub masquerade_exceptions: Vec<String>,
}

impl Masquerade {
    /// The address as it is seen outside.
    pub fn apply(&self, address: &Address) -> Address {
        let Some(domain) = address.domain() else { return address.clone() };
        let is_exception = |user: &String| user.eq_ignore_ascii_case(address.local_part());
        if self.masquerade_exceptions.iter().any(is_exception) {
            return address.clone();
        }
        for entry in &self.masquerade_domains {
            let parent = entry.trim_start_matches('!');
            if is_or_is_below(domain, parent) {
                let is_exempt = (entry.len() - parent.len()) % 2 == 1;
                if is_exempt || domain.len() == parent.len() {
                    break;
                }
                return Address::internal(format!("{}@{parent}", address.local_part()));
            }
        }
        address.clone()
    }
}

fn is_or_is_below(domain: &str, parent: &str) -> bool {
    let (domain, parent) = (domain.to_ascii_lowercase(), parent.to_ascii_lowercase());
    domain.strip_suffix(&parent).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_below() {
        let masquerade = Masquerade {
            masquerade_domains: vec!["a.example.com".into(), "example.com".into()],
            ..Masquerade::default()
        };
        for (address, seen) in [
            ("u@b.A.example.com", "u@a.example.com"),
            ("u@a.example.com", "u@a.example.com"),
            ("u@b.example.com", "u@example.com"),
            ("u@notexample.com", "u@notexample.com"),
            ("u", "u"),
            ("", ""),
        ] {
            assert_eq!(masquerade.apply(&Address::internal(address)).as_str(), seen);
        }
    }
}

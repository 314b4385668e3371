//! Address extensions: `joe+lists@example.com` is joe's, and says what for.

/// Where a local part ends and its extension begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extensions {
    /// `recipient_delimiter`: the first of any of these characters is where the extension begins. Empty: there are none.
    pub recipient_delimiter: String,
    /// `owner_request_special`: where `-` delimits, `owner-list` and `list-request` are names as they stand.
    pub owner_request_special: bool,
    /// `double_bounce_sender`: the local part that our own reports about reports come from.
    pub double_bounce_sender: String,
}

impl Extensions {
    /// Without a delimiter, and the defaults for the rest.
    pub fn none() -> Self {
        Self {
            recipient_delimiter: String::new(),
            owner_request_special: true,
            double_bounce_sender: "double-bounce".into(),
        }
    }

    /// The local part without its extension, and the extension with its delimiter; none where there is none.
    ///
    /// The names that must always reach somebody are never split, nor is what would leave nothing.
    ///
    /// ```
    /// use relay_policy::address::Extensions;
    ///
    /// let extensions = Extensions { recipient_delimiter: "+-".into(), ..Extensions::none() };
    /// assert_eq!(extensions.split("joe-a+b"), Some(("joe", "-a+b")));
    /// assert_eq!(extensions.split("owner-list"), None);
    /// assert_eq!(extensions.split("+a"), None);
    /// ```
    pub fn split<'a>(&self, local_part: &'a str) -> Option<(&'a str, &'a str)> {
        if self.recipient_delimiter.is_empty() {
            return None;
        }
        let is = |name: &str| local_part.eq_ignore_ascii_case(name);
        if is("postmaster") || is("MAILER-DAEMON") || is(&self.double_bounce_sender) {
            return None;
        }
        if self.owner_request_special && self.recipient_delimiter.contains('-') {
            let lower = local_part.to_ascii_lowercase();
            let is_request = lower.strip_suffix("-request").is_some_and(|list| !list.is_empty());
            if lower.starts_with("owner-") || is_request {
                return None;
            }
        }
        let at = local_part.find(|c| self.recipient_delimiter.contains(c)).filter(|at| *at > 0)?;
        Some(local_part.split_at(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_whole() {
        let mut extensions = Extensions { recipient_delimiter: "-".into(), ..Extensions::none() };
        for name in ["MAILER-daemon", "Double-Bounce", "OWNER-list", "list-Request", "joe", "-request", ""] {
            assert_eq!(extensions.split(name), None, "{name}");
        }
        extensions.owner_request_special = false;
        assert_eq!(extensions.split("list-request"), Some(("list", "-request")));
        assert_eq!(extensions.split("joe-"), Some(("joe", "-")));
    }
}

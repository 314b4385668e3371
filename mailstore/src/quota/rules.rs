//! [`QuotaRules`]: the limits, and what deviates from them in some mailboxes.
//!
//! A rule is `MAILBOX:LIMIT[:LIMIT…]`. The mailbox is a name with `/` between its parts, or `*` for the limits of all
//! together. A limit is `storage=N` (kilobytes, or with a unit: B, k, M, G, T), `bytes=N`, `messages=N`, or `ignore`. In
//! a mailbox of its own, `+N` and `+N%` allow so much more than the common limit; a number without `+` puts its own in
//! place of it.

use std::fmt;
use std::sync::Arc;

use super::{Adding, QuotaLimits, QuotaUsage};
use crate::name::MailboxName;

/// What one user's mailboxes may hold.
///
/// ```
/// use mailstore::{Adding, QuotaRules, QuotaUsage};
///
/// let mut rules = QuotaRules::default();
/// rules.rule("*:storage=1M:messages=1000").unwrap();
/// rules.rule("Trash:storage=+10%").unwrap();
/// let limits = rules.limits.unwrap();
/// let full = QuotaUsage { bytes: 1 << 20, messages: 3 };
/// let one = QuotaUsage::message(1000);
/// assert!(!rules.admit(&limits, &"INBOX".parse().unwrap(), full, one, Adding::User));
/// assert!(rules.admit(&limits, &"Trash".parse().unwrap(), full, one, Adding::User));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct QuotaRules {
    /// The limits of all mailboxes together. `None`: those that the store finds written down by another program
    /// (`maildirsize`), if any.
    pub limits: Option<QuotaLimits>,
    /// Mailboxes with limits of their own; the first that fits counts.
    pub mailboxes: Vec<(MailboxName, MailboxQuota)>,
    /// The mailboxes that hold what was deleted; `Trash` by default, as in Maildir++. Not what users call `\Trash` by
    /// themselves: they could let anything go uncounted.
    pub trash: Vec<MailboxName>,
    /// Whether `trash`, what is below it, and messages with `\Deleted` count like others. Courier's programs
    /// leave them out (the default), Dovecot's count them: programs that share a Maildir must agree.
    pub count_trash: bool,
    /// How far a delivery may go beyond the limits when they were not exceeded before (`quota_grace` of Dovecot, where
    /// the default is 10 %). Default nothing.
    pub grace: Allowance,
    /// What who sends to a full mailbox is told (`quota_exceeded_message` of Dovecot).
    pub exceeded_message: Arc<str>,
    /// When it is told that mailboxes are nearly full; never by default.
    pub warning: Option<QuotaWarning>,
}

impl Default for QuotaRules {
    fn default() -> Self {
        Self {
            limits: None,
            mailboxes: Vec::new(),
            trash: MailboxName::new("Trash").into_iter().collect(),
            count_trash: false,
            grace: Allowance::default(),
            exceeded_message: "Quota exceeded (mailbox for user is full)".into(),
            warning: None,
        }
    }
}

/// When it is told that mailboxes are nearly full, and how the user hears of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuotaWarning {
    /// From how much of the limits on, in per cent, after a delivery; at most once in 24 hours.
    pub percent: u64,
    /// A message that is put where the delivery went, header and all, with CRLF line ends; if any.
    pub message: Option<Arc<[u8]>>,
}

/// How far beyond a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allowance {
    /// So many octets or messages.
    Count(u64),
    /// So much of the limit.
    Percent(u64),
}

impl Default for Allowance {
    fn default() -> Self {
        Self::Count(0)
    }
}

impl Allowance {
    fn beyond(self, limit: u64) -> u64 {
        let more = match self {
            Self::Count(count) => count,
            Self::Percent(percent) => {
                u64::try_from(u128::from(limit) * u128::from(percent) / 100).unwrap_or(u64::MAX)
            }
        };
        limit.saturating_add(more)
    }
}

/// What deviates in one mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct MailboxQuota {
    /// Its messages do not count, and nothing is refused in it.
    pub ignore: bool,
    /// For what is added in it, the limit of octets.
    pub bytes: Option<Deviation>,
    /// For what is added in it, the limit of messages.
    pub messages: Option<Deviation>,
}

/// Another limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deviation {
    /// So much more than the common one.
    More(Allowance),
    /// This one in its place.
    Instead(u64),
}

impl Deviation {
    fn of(this: Option<Self>, limit: Option<u64>) -> Option<u64> {
        match this {
            Some(Self::More(allowance)) => limit.map(|limit| allowance.beyond(limit)),
            Some(Self::Instead(limit)) => Some(limit).filter(|&limit| limit > 0),
            None => limit,
        }
    }
}

/// A rule that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    rule: String,
    what: &'static str,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "quota rule {:?}: {}; a rule is \"*:storage=1G\" or \"Trash:storage=+10%\"",
            self.rule, self.what
        )
    }
}

impl std::error::Error for RuleError {}

impl QuotaRules {
    /// Those limits, and nothing else set.
    pub fn new(limits: QuotaLimits) -> Self {
        Self { limits: Some(limits), ..Self::default() }
    }

    /// Takes in one of Dovecot's rules, as `*:storage=1G`, or a definition of Maildir++, as `1000S`, which stands in place
    /// of all limits. A mailbox is named as people read it, in UTF-8.
    ///
    /// # Errors
    /// When it does not read; nothing has changed then.
    pub fn rule(&mut self, rule: &str) -> Result<(), RuleError> {
        let bad = |what| RuleError { rule: rule.to_owned(), what };
        let Some((mailbox, parts)) = rule.split_once(':') else {
            let limits =
                rule.parse().map_err(|_| bad("neither a definition nor a mailbox with ':' behind it"))?;
            self.limits = Some(limits);
            return Ok(());
        };
        if mailbox == "*" {
            let mut limits = self.limits.unwrap_or_default();
            for part in parts.split(':') {
                let (of, limit) = parse_limit(part).map_err(bad)?;
                let Some(Deviation::Instead(limit)) = limit else {
                    return Err(bad("the limit of all mailboxes is a number"));
                };
                match of {
                    Resource::Bytes => limits.bytes = Some(limit).filter(|&limit| limit > 0),
                    Resource::Messages => limits.messages = Some(limit).filter(|&limit| limit > 0),
                }
            }
            self.limits = Some(limits);
            return Ok(());
        }
        let name = MailboxName::from_utf8(mailbox).map_err(|_| bad("this name cannot be a mailbox's"))?;
        let mut quota = MailboxQuota::default();
        for part in parts.split(':') {
            if part == "ignore" {
                quota.ignore = true;
                continue;
            }
            match parse_limit(part).map_err(bad)? {
                (Resource::Bytes, limit) => quota.bytes = limit,
                (Resource::Messages, limit) => quota.messages = limit,
            }
        }
        self.mailboxes.push((name, quota));
        Ok(())
    }

    fn of(&self, mailbox: &MailboxName) -> MailboxQuota {
        let found = self.mailboxes.iter().find(|(name, _)| name == mailbox);
        found.map(|&(_, quota)| quota).unwrap_or_default()
    }

    /// Whether the limits for what is added are the same in two mailboxes.
    pub(crate) fn deviate_alike(&self, one: &MailboxName, other: &MailboxName) -> bool {
        self.of(one) == self.of(other)
    }

    /// Whether messages of this mailbox count.
    pub fn counts(&self, mailbox: &MailboxName) -> bool {
        let is_trash = self.trash.iter().any(|trash| trash == mailbox || mailbox.below(trash).is_some());
        !(self.of(mailbox).ignore || is_trash && !self.count_trash)
    }

    /// Whether `added` may come into `mailbox` when `usage` is there already, under the common `limits`.
    pub fn admit(
        &self,
        limits: &QuotaLimits,
        mailbox: &MailboxName,
        usage: QuotaUsage,
        added: QuotaUsage,
        by: Adding,
    ) -> bool {
        if !self.counts(mailbox) {
            return true;
        }
        let own = self.of(mailbox);
        let limits = QuotaLimits {
            bytes: Deviation::of(own.bytes, limits.bytes),
            messages: Deviation::of(own.messages, limits.messages),
        };
        let after = usage.plus(added);
        if limits.admit(after) {
            return true;
        }
        let beyond = QuotaLimits {
            bytes: limits.bytes.map(|limit| self.grace.beyond(limit)),
            messages: limits.messages,
        };
        by == Adding::Delivery && limits.admit(usage) && beyond.admit(after)
    }
}

enum Resource {
    Bytes,
    Messages,
}

fn parse_limit(part: &str) -> Result<(Resource, Option<Deviation>), &'static str> {
    let (key, value) = part.split_once('=').ok_or("a limit is storage=, bytes=, messages= or ignore")?;
    let (resource, unit) = match key {
        "storage" => (Resource::Bytes, 1024),
        "bytes" => (Resource::Bytes, 1),
        "messages" => (Resource::Messages, 1),
        _ => return Err("a limit is storage=, bytes=, messages= or ignore"),
    };
    let (more, value) = value.strip_prefix('+').map_or((false, value), |value| (true, value));
    let number = |digits: &str| digits.parse::<u64>().map_err(|_| "this is no number");
    let deviation = if let Some(percent) = value.strip_suffix('%') {
        // `%%` is how it stands in a file where `%` has a meaning.
        let percent = number(percent.strip_suffix('%').unwrap_or(percent))?;
        if !more {
            return Err("a percentage needs a '+'");
        }
        Deviation::More(Allowance::Percent(percent))
    } else {
        let letters = value.trim_start_matches(|digit: char| digit.is_ascii_digit());
        let unit = match (letters, &resource) {
            ("", _) => unit,
            ("B" | "b", Resource::Bytes) => 1,
            ("k" | "K", Resource::Bytes) => 1 << 10,
            ("M", Resource::Bytes) => 1 << 20,
            ("G", Resource::Bytes) => 1 << 30,
            ("T", Resource::Bytes) => 1 << 40,
            _ => return Err("a unit is B, k, M, G or T, for storage"),
        };
        let count = number(&value[..value.len() - letters.len()])?.saturating_mul(unit);
        if more { Deviation::More(Allowance::Count(count)) } else { Deviation::Instead(count) }
    };
    Ok((resource, Some(deviation)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(lines: &[&str]) -> QuotaRules {
        let mut rules = QuotaRules::default();
        for line in lines {
            rules.rule(line).unwrap();
        }
        rules
    }

    fn name(text: &str) -> MailboxName {
        text.parse().unwrap()
    }

    /// How many octets may be added to nothing in a mailbox.
    fn room(rules: &QuotaRules, mailbox: &str, bytes: u64, by: Adding) -> bool {
        let limits = rules.limits.unwrap();
        rules.admit(&limits, &name(mailbox), QuotaUsage::default(), QuotaUsage::message(bytes), by)
    }

    #[test]
    fn a_rule_names_its_mailbox_in_utf_8() {
        let read = rules(&["*:storage=1k", "Gelöscht:ignore"]);
        assert!(!read.counts(&MailboxName::from_utf8("Gelöscht").unwrap()));
        assert!(read.counts(&name("INBOX")));
    }

    #[test]
    fn rules_of_dovecots_are_understood() {
        let read = rules(&["*:storage=1G", "*:messages=1000"]);
        assert_eq!(read.limits.unwrap().to_string(), "1073741824S,1000C");
        assert_eq!(rules(&["*:storage=1G", "1000S"]).limits.unwrap().to_string(), "1000S");
        let unitless = rules(&["*:storage=100:messages=0"]);
        assert_eq!(unitless.limits, Some(QuotaLimits { bytes: Some(102_400), messages: None }));
        assert_eq!(rules(&["*:bytes=7"]).limits.unwrap().bytes, Some(7));
        let mut broken = rules(&["*:bytes=7"]);
        for bad in [
            "*",
            "*:",
            "*:storage",
            "*:storage=x",
            "*:storage=+1",
            "*:space=1",
            "A.B:ignore",
            "Trash:storage=10%",
            "*:messages=1k",
            "*:ignore",
        ] {
            assert!(broken.rule(bad).is_err(), "{bad}");
        }
        assert_eq!(broken, rules(&["*:bytes=7"]));
    }

    #[test]
    fn a_mailbox_may_hold_more_or_something_else_or_anything() {
        let rules =
            rules(&["*:bytes=1000", "Trash:bytes=+10%%", "Sent:bytes=+50", "Small:bytes=10", "Spam:ignore"]);
        let mut rules = rules;
        rules.count_trash = true;
        for (mailbox, bytes) in [("INBOX", 1000), ("Trash", 1100), ("Sent", 1050), ("Small", 10)] {
            assert!(room(&rules, mailbox, bytes, Adding::User), "{mailbox}");
            assert!(!room(&rules, mailbox, bytes + 1, Adding::User), "{mailbox}");
        }
        assert!(room(&rules, "Spam", u64::MAX, Adding::User) && !rules.counts(&name("Spam")));
    }

    #[test]
    fn trash_counts_when_it_is_told_to() {
        let mut rules = rules(&["*:bytes=1000"]);
        for trash in ["Trash", "Trash/2026"] {
            assert!(!rules.counts(&name(trash)));
        }
        assert!(rules.counts(&name("Trashed")) && rules.counts(&name("Old/Trash")));
        rules.trash.push(name("Bin"));
        assert!(!rules.counts(&name("Bin/2026")) && !rules.counts(&name("Trash")));
        rules.count_trash = true;
        assert!(rules.counts(&name("Trash/2026")));
    }

    #[test]
    fn grace_is_for_deliveries_to_those_who_are_not_over_yet() {
        let mut rules = rules(&["*:bytes=1000"]);
        rules.grace = Allowance::Percent(10);
        assert!(room(&rules, "INBOX", 1100, Adding::Delivery));
        assert!(!room(&rules, "INBOX", 1101, Adding::Delivery));
        assert!(!room(&rules, "INBOX", 1001, Adding::User));
        let (over, one) = (QuotaUsage::message(1001), QuotaUsage::message(1));
        assert!(!rules.admit(&rules.limits.unwrap(), &name("INBOX"), over, one, Adding::Delivery));
    }
}

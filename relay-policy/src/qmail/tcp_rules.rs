//! `tcprules`: which clients tcpserver lets in, and what it tells the program that serves them.
//!
//! A line is `address:allow` or `address:deny`, with variables behind it as `,NAME="value"`, where any character that stands
//! behind the `=` encloses the value. An address is that of a client, the front of one that ends with a dot, `=name` or
//! `=.end.of.name`, `user@` before the first or the third, or empty. In an address, `1-9` stands for all numbers between. The
//! first rule for an address counts, and of the addresses that a client has, the most precise.
//!
//! # Limits
//! A range ends at 255.

use std::collections::BTreeMap;
use std::net::IpAddr;

/// The rules of a file, in its order.
///
/// ```
/// use relay_policy::qmail::TcpRules;
///
/// let rules = TcpRules::parse("192.0.2.5:deny\n192.0.2.:allow,RELAYCLIENT=\"\"\n:allow\n")?;
/// let rule = |client: &str| rules.look_up(client.parse().unwrap(), None, None).unwrap();
/// assert!(!rule("192.0.2.5").allow);
/// assert_eq!(rule("192.0.2.9").variable("RELAYCLIENT"), Some(""));
/// assert_eq!(rule("198.51.100.1").variable("RELAYCLIENT"), None);
/// # Ok::<(), relay_policy::qmail::TcpRuleError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct TcpRules {
    rules: Vec<TcpRule>,
    /// From the address to the place.
    by_address: BTreeMap<String, usize>,
}

/// One rule for one address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpRule {
    /// The address as a client is looked up by it; of a range one.
    pub address: String,
    /// Whether the client is let in.
    pub allow: bool,
    /// What the program that serves it is told, by its name.
    pub variables: Vec<(String, String)>,
    /// The number of the line, from 1; 0 where there are no lines.
    pub line: usize,
}

/// A line that is no rule; `tcprules` makes nothing then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct TcpRuleError {
    /// The number of the line, from 1.
    pub line: usize,
    /// What is wrong with it, and what is expected.
    pub what: String,
}

impl TcpRule {
    /// The value of a variable, the last that it is given.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.iter().rev().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl TcpRules {
    /// Reads the text that `tcprules` would compile.
    ///
    /// # Errors
    /// [`TcpRuleError`]: no colon, neither `allow` nor `deny`, a blank before the colon, a variable whose value does not end.
    pub fn parse(text: &str) -> Result<Self, TcpRuleError> {
        let mut rules = Self::default();
        for (line, content) in super::items(text) {
            let wrong = |what: String| TcpRuleError { line, what };
            let (address, instructions) = content.split_once(':').ok_or_else(|| {
                wrong(format!("{content:?} has no colon; expected address:allow or address:deny"))
            })?;
            if address.contains([' ', '\t']) {
                return Err(wrong(format!("a blank stands before the colon of {content:?}; take it out")));
            }
            let (allow, variables) = self::instructions(instructions).map_err(wrong)?;
            for address in addresses(address) {
                rules.add(TcpRule { address, allow, variables: variables.clone(), line });
            }
        }
        Ok(rules)
    }

    pub(super) fn add(&mut self, rule: TcpRule) {
        self.by_address.entry(rule.address.clone()).or_insert(self.rules.len());
        self.rules.push(rule);
    }

    /// The rules that count, in the order of the file, one for each address.
    pub fn rules(&self) -> impl Iterator<Item = &TcpRule> {
        self.rules
            .iter()
            .enumerate()
            .filter(|(place, rule)| self.by_address[&rule.address] == *place)
            .map(|(_, rule)| rule)
    }

    /// The rule for a client; none where no rule is about it: it is let in then. `user` is what the client's machine says
    /// who it is (`TCPREMOTEINFO`), `host` the name of its address (`TCPREMOTEHOST`).
    pub fn look_up(&self, client: IpAddr, user: Option<&str>, host: Option<&str>) -> Option<&TcpRule> {
        let client = client.to_canonical().to_string();
        let mut keys = Vec::new();
        if let Some(user) = user {
            keys.push(format!("{user}@{client}"));
            keys.extend(host.map(|host| format!("{user}@={host}")));
        }
        keys.push(client.clone());
        keys.extend(host.map(|host| format!("={host}")));
        let dots = client.char_indices().rev().filter(|(_, character)| *character == '.');
        keys.extend(dots.map(|(at, _)| client[..=at].to_string()));
        if let Some(host) = host {
            keys.extend(host.match_indices('.').map(|(at, _)| format!("={}", &host[at..])));
            keys.push("=".into());
        }
        keys.push(String::new());
        keys.iter().find_map(|key| self.by_address.get(key)).map(|place| &self.rules[*place])
    }
}

fn instructions(text: &str) -> Result<(bool, Vec<(String, String)>), String> {
    let (allow, mut rest) = match (text.strip_prefix("allow"), text.strip_prefix("deny")) {
        (Some(rest), _) => (true, rest),
        (_, Some(rest)) => (false, rest),
        _ => return Err(format!("{text:?}: expected allow or deny")),
    };
    let mut variables = Vec::new();
    while !rest.is_empty() {
        let variable = rest.strip_prefix(',').ok_or_else(|| format!("{rest:?}: expected a comma"))?;
        let expected = || format!("{variable:?}: expected NAME=\"value\"");
        let (name, value) = variable.split_once('=').ok_or_else(expected)?;
        let mark = value.chars().next().ok_or_else(expected)?;
        let (value, behind) = value[mark.len_utf8()..]
            .split_once(mark)
            .ok_or_else(|| format!("{variable:?}: the value begins with {mark} and does not end with it"))?;
        variables.push((name.to_string(), value.to_string()));
        rest = behind;
    }
    Ok((allow, variables))
}

/// All that a range stands for; the address itself where there is none.
fn addresses(written: &str) -> Vec<String> {
    range(written).unwrap_or_else(|| vec![written.to_string()])
}

fn range(written: &str) -> Option<Vec<String>> {
    if written.contains(['=', '@']) {
        return None;
    }
    let (left, right) = written.split_once('-')?;
    let (front, first) = left.rsplit_once('.').map_or(("", left), |(front, first)| (front, first));
    let end = right.find('.').unwrap_or(right.len());
    let (first, last): (u8, u8) = (first.parse().ok()?, right[..end].parse().ok()?);
    let dot = if front.is_empty() { "" } else { "." };
    Some((first..=last).map(|number| format!("{front}{dot}{number}{}", &right[end..])).collect())
}

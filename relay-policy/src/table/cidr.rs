//! `cidr:`: networks, in the order of the file.
//!
//! A line is `network/length text`, `address text`, either with IPv6 in brackets or not, `!` in front to turn it round, `if
//! network`, `if !network` or `endif`. The first that matches counts, not the narrowest. Keys are addresses in text;
//! anything else matches nothing, not even `!`. IPv4 rules never match IPv6 addresses, nor the other way round, not even
//! addresses of one mapped into the other.
//!
//! Rules that stand together without a `!` or an `if` between them are turned into ranges of addresses that do not
//! overlap, and those are found by the first bits of an address: a lookup takes hardly longer where there are many. Equal texts
//! are kept once.
//!
//! # Departures
//! A rule with host bits set, as in `192.0.2.1/24`, is skipped, as in Postfix. Text behind an `if` or `endif` is
//! ignored with a warning.

use super::blocks::{Blocks, Program};
use super::source::{LogicalLines, Warnings, usable};
use super::{Entry, Family, Found, LookupError, Oddity, Place, REMARKS_MAX, Remark, Remarks, Table, Warning};
use ipnet::IpNet;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// A table of networks.
#[derive(Debug)]
pub(crate) struct Cidr {
    name: String,
    file: String,
    program: Program<Condition, Rules>,
    /// Of each rule, its line and the number of its text.
    lines: Vec<(u32, u32)>,
    texts: Vec<Box<str>>,
    remarks: Remarks,
}

/// A network, or everything else of its family.
#[derive(Debug)]
struct Condition {
    negated: bool,
    network: IpNet,
}

/// Some rules; each is known by its number in the table.
#[derive(Debug)]
enum Rules {
    /// Rules without a `!`, as ranges.
    Ranges {
        v4: Ranges<u32>,
        v6: Ranges<u128>,
    },
    One(Condition, u32),
}

/// In a range: no rule has these addresses.
const NO_RULE: u32 = u32::MAX;

impl Condition {
    fn holds(&self, address: IpAddr) -> bool {
        // What is turned round is still of its family.
        self.network.addr().is_ipv4() == address.is_ipv4() && self.network.contains(&address) != self.negated
    }
}

impl Rules {
    fn find(&self, address: IpAddr) -> Option<u32> {
        match (self, address) {
            (Self::One(condition, rule), _) => condition.holds(address).then_some(*rule),
            (Self::Ranges { v4, .. }, IpAddr::V4(address)) => v4.find(address.to_bits()),
            (Self::Ranges { v6, .. }, IpAddr::V6(address)) => v6.find(address.to_bits()),
        }
    }
}

/// Ranges that do not overlap, each from its address on.
#[derive(Debug)]
struct Ranges<T> {
    ranges: Vec<(T, u32)>,
    /// For each value of an address's first bits, how many ranges begin before the first address that has these bits.
    starts: Vec<u32>,
    /// How many bits are behind those.
    shift: u32,
}

impl<T: Ord + Copy + Into<u128>> Ranges<T> {
    fn new(ranges: Vec<(T, u32)>) -> Self {
        let bits = (ranges.len() / RANGES_TOGETHER).checked_ilog2().unwrap_or(0).clamp(1, FIRST_BITS_MAX);
        let shift = 8 * size_of::<T>() as u32 - bits;
        let mut starts = vec![0; (1 << bits) + 1];
        for (begin, _) in &ranges {
            starts[((*begin).into() >> shift) as usize + 1] += 1;
        }
        let mut sum = 0;
        for start in &mut starts {
            sum += *start;
            *start = sum;
        }
        Self { ranges, starts, shift }
    }

    /// The rule of the range that an address is in.
    fn find(&self, address: T) -> Option<u32> {
        let first_bits = (address.into() >> self.shift) as usize;
        let (low, high) = (self.starts[first_bits] as usize, self.starts[first_bits + 1] as usize);
        let behind = low + self.ranges[low..high].partition_point(|(begin, _)| *begin <= address);
        let (_, rule) = self.ranges.get(behind.checked_sub(1)?)?;
        (*rule != NO_RULE).then_some(*rule)
    }
}

/// How many ranges begin with the same bits, where they are spread evenly.
const RANGES_TOGETHER: usize = 4;

/// How many bits of an address are looked at before all others, at most.
const FIRST_BITS_MAX: u32 = 16;

impl Cidr {
    pub(crate) fn parse(name: &str, file: &str, source: &[u8]) -> (Self, Vec<Warning>) {
        let mut parsing = Parsing {
            blocks: Blocks::new(),
            pending: Vec::new(),
            lines: Vec::new(),
            texts: BTreeMap::new(),
            warnings: Warnings::new(file),
            file,
            remarks: Remarks::default(),
        };
        for line in LogicalLines::new(source) {
            if let Some(text) = usable(&line, &mut parsing.warnings) {
                parsing.line(line.number, text);
            }
        }
        parsing.flush();
        let Parsing { blocks, lines, texts, mut warnings, remarks, .. } = parsing;
        let program = blocks.finish(&mut warnings);
        let mut texts: Vec<(Box<str>, u32)> = texts.into_iter().collect();
        texts.sort_by_key(|(_, number)| *number);
        let texts = texts.into_iter().map(|(text, _)| text).collect();
        (Self { name: name.into(), file: file.into(), program, lines, texts, remarks }, warnings.finish())
    }
}

impl Table for Cidr {
    fn name(&self) -> &str {
        &self.name
    }

    fn family(&self) -> Family {
        Family::Cidr
    }

    fn visit(&self, see: &mut dyn FnMut(Entry<'_>)) {
        for (line, text) in &self.lines {
            let place = Place { file: Cow::Borrowed(&self.file), line: Some(*line) };
            see(Entry { key: None, text: &self.texts[*text as usize], place });
        }
    }

    fn remarks(&self) -> &[Remark] {
        &self.remarks.0
    }

    fn look_up(&self, key: &str) -> Result<Option<Found<'_>>, LookupError> {
        let Ok(address) = key.parse::<IpAddr>() else { return Ok(None) };
        for rules in self.program.rules(|condition| Ok(condition.holds(address))) {
            if let Some(rule) = rules?.find(address) {
                let (line, text) = self.lines[rule as usize];
                return Ok(Some(Found {
                    text: Cow::Borrowed(&self.texts[text as usize]),
                    place: Place { file: Cow::Borrowed(&self.file), line: Some(line) },
                }));
            }
        }
        Ok(None)
    }
}

struct Parsing<'f> {
    blocks: Blocks<Condition, Rules>,
    /// Rules that will be ranges, not yet among the blocks.
    pending: Vec<(IpNet, u32)>,
    lines: Vec<(u32, u32)>,
    /// Each text with its number.
    texts: BTreeMap<Box<str>, u32>,
    warnings: Warnings<'f>,
    file: &'f str,
    remarks: Remarks,
}

impl Parsing<'_> {
    fn line(&mut self, number: u32, line: &str) {
        let (word, rest) =
            line.split_once(|character: char| character.is_ascii_whitespace()).unwrap_or((line, ""));
        let rest = rest.trim_ascii();
        if word.eq_ignore_ascii_case("endif") {
            if !rest.is_empty() {
                self.warnings.push(number, format!("behind endif stands {rest:?}: that is ignored"));
            }
            self.flush();
            self.blocks.end(number, &mut self.warnings);
            return;
        }
        if word.eq_ignore_ascii_case("if") {
            let (condition, behind) = pattern(rest);
            let condition = condition.inspect_err(|why| {
                self.warnings.push(number, format!("{why}: what is within this if is skipped"))
            });
            if !behind.is_empty() {
                self.warnings
                    .push(number, format!("behind the network of if stands {behind:?}: that is ignored"));
            }
            self.flush();
            self.blocks.begin(number, condition.ok());
            return;
        }
        let (condition, text) = pattern(line);
        let Ok(rule) = u32::try_from(self.lines.len()) else {
            self.warnings.push(number, "the table has more than 4,294,967,295 rules: this line is ignored");
            return;
        };
        match condition {
            Err(why) => {
                let what = format!("{why}: this rule is skipped");
                if has_host_bits(line) {
                    self.remarks.push(Oddity::HostBits, self.file, number, &*what);
                }
                self.warnings.push(number, what);
            }
            Ok(_) if text.is_empty() => {
                self.warnings.push(number, "no text behind the network: this rule is skipped");
            }
            Ok(condition) => {
                // There are as many texts as rules at most.
                let next = self.texts.len() as u32;
                let text = match self.texts.get(text) {
                    Some(known) => *known,
                    None => *self.texts.entry(text.into()).or_insert(next),
                };
                self.lines.push((number, text));
                if condition.negated {
                    self.flush();
                    self.blocks.rule(Rules::One(condition, rule));
                } else {
                    self.pending.push((condition.network, rule));
                }
            }
        }
    }

    /// Makes ranges of the rules that came since the last `!`, `if` or `endif`.
    fn flush(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        let (mut v4, mut v6) = (Vec::new(), Vec::new());
        for (network, rule) in self.pending.drain(..) {
            match network {
                IpNet::V4(network) => {
                    let (first, last) = (network.network().to_bits(), network.broadcast().to_bits());
                    v4.push(Prefix { first: u128::from(first), last: u128::from(last), rule });
                }
                IpNet::V6(network) => {
                    v6.push(Prefix {
                        first: network.network().to_bits(),
                        last: network.broadcast().to_bits(),
                        rule,
                    });
                }
            }
        }
        let mut shadowed = Vec::new();
        let v4 = ranges(v4, u128::from(u32::MAX), &mut shadowed);
        // All of them are at most the largest address.
        let v4: Vec<(u32, u32)> = v4.into_iter().map(|(begin, rule)| (begin as u32, rule)).collect();
        let (v4, v6) = (Ranges::new(v4), Ranges::new(ranges(v6, u128::MAX, &mut shadowed)));
        shadowed.sort_unstable();
        for (rule, by) in shadowed {
            let what =
                format!("never reached: what stands on line {} takes all of it", self.lines[by as usize].0);
            self.remarks.push(Oddity::Shadowed, self.file, self.lines[rule as usize].0, what);
        }
        self.blocks.rule(Rules::Ranges { v4, v6 });
    }
}

/// A network as a range, and the number of its rule.
struct Prefix {
    first: u128,
    last: u128,
    rule: u32,
}

/// Ranges that do not overlap, each from its address on, with the lowest rule of those that have these addresses. In `shadowed` come
/// rules that a rule before them leaves nothing, with that one.
fn ranges(mut prefixes: Vec<Prefix>, highest: u128, shadowed: &mut Vec<(u32, u32)>) -> Vec<(u128, u32)> {
    // Networks are within each other or apart, so those that have an address are a stack, the widest below.
    prefixes.sort_by_key(|prefix| (prefix.first, u128::MAX - prefix.last));
    let mut ranges: Vec<(u128, u32)> = Vec::new();
    let mut begin = |at: u128, rule: u32| {
        if ranges.last().is_some_and(|(begin, _)| *begin == at) {
            ranges.pop();
        }
        if ranges.last().is_none_or(|(_, last)| *last != rule) {
            ranges.push((at, rule));
        }
    };
    let mut stack: Vec<(u128, u32)> = Vec::new();
    let close = |stack: &mut Vec<(u128, u32)>, before: Option<u128>, begin: &mut dyn FnMut(u128, u32)| {
        while let Some((last, _)) = stack.pop_if(|(last, _)| before.is_none_or(|before| *last < before)) {
            if last < highest {
                begin(last + 1, stack.last().map_or(NO_RULE, |(_, rule)| *rule));
            }
        }
    };
    for Prefix { first, last, rule } in prefixes {
        close(&mut stack, Some(first), &mut begin);
        let outer = stack.last().map(|(_, outer)| *outer).filter(|outer| *outer < rule);
        if let Some(outer) = outer.filter(|_| shadowed.len() < REMARKS_MAX) {
            shadowed.push((rule, outer));
        }
        let rule = outer.unwrap_or(rule);
        stack.push((last, rule));
        begin(first, rule);
    }
    close(&mut stack, None, &mut begin);
    ranges
}

/// The pattern in front of a line, and what stands behind it.
fn pattern(line: &str) -> (Result<Condition, String>, &str) {
    let (negated, line) = match line.strip_prefix('!') {
        Some(rest) => (true, rest.trim_ascii_start()),
        None => (false, line),
    };
    let (word, rest) =
        line.split_once(|character: char| character.is_ascii_whitespace()).unwrap_or((line, ""));
    (network(word).map(|network| Condition { negated, network }), rest.trim_ascii())
}

/// A network, or an address as a network of one.
///
/// # Errors
/// What is wrong with it, and what is to be written instead.
pub(crate) fn network(word: &str) -> Result<IpNet, String> {
    let network = with_host_bits(word)?;
    if network.trunc() != network {
        return Err(format!("{word:?} has bits set behind the network's length: write {}", network.trunc()));
    }
    Ok(network)
}

/// Whether a line's network would be one without the bits behind its length.
fn has_host_bits(line: &str) -> bool {
    let word = line.trim_start_matches('!').trim_ascii_start().split_ascii_whitespace().next();
    word.and_then(|word| with_host_bits(word).ok()).is_some_and(|network| network.trunc() != network)
}

/// A network, whatever is set behind its length.
fn with_host_bits(word: &str) -> Result<IpNet, String> {
    let (address, length) = match word.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (word, None),
    };
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let expected =
        || format!("{word:?} is no address and no network: write 192.0.2.1, 192.0.2.0/24 or [2001:db8::]/32");
    let address: IpAddr = bare.unwrap_or(address).parse().map_err(|_| expected())?;
    if bare.is_some() && address.is_ipv4() {
        return Err(expected());
    }
    let network = match length {
        None => IpNet::from(address),
        Some(length) => {
            let digits = !length.is_empty() && length.bytes().all(|octet| octet.is_ascii_digit());
            let length = length.parse().ok().filter(|_| digits);
            length.and_then(|length| IpNet::new(address, length).ok()).ok_or_else(expected)?
        }
    };
    Ok(network)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_cannot_be_used_is_skipped_and_named() {
        let source = "192.0.2.0/33 a\nhost.test a\n192.0.2.1\n192.0.2.1/24 a\n[192.0.2.1] a\n010.0.0.1 a\n1.2.3.4/+8 a\n\
                      if 192.0.2.1/24 # x\n0.0.0.0/0 never\nendif now\nendif\n! 192.0.2.0/24 other\nif 0.0.0.0/0\n192.0.2.1 one\n";
        let (table, warnings) = Cidr::parse("cidr:tab", "tab", source.as_bytes());
        let lines: Vec<_> = warnings.iter().filter_map(|warning| warning.place.line).collect();
        assert_eq!(lines, [1, 2, 3, 4, 5, 6, 7, 8, 8, 10, 11, 13]);
        let text = |key: &str| table.look_up(key).unwrap().map(|found| found.text.into_owned());
        assert_eq!(text("198.51.100.1").as_deref(), Some("other"));
        assert_eq!(text("192.0.2.1").as_deref(), Some("one"));
        assert_eq!(text("192.0.2.2"), None);
        assert_eq!(text("::1"), None, "what is turned round is of its family");
    }

    /// Networks of few bits, so that they often overlap.
    fn networks() -> impl Strategy<Value = Vec<(IpNet, bool)>> {
        let network = (any::<bool>(), any::<u8>(), 0..=8_u8, prop::bool::weighted(0.1)).prop_map(
            |(is_v4, bits, length, negated)| {
                let address = match is_v4 {
                    true => IpAddr::from([bits, 0, 0, 0]),
                    false => IpAddr::from([u16::from(bits) << 8, 0, 0, 0, 0, 0, 0, 0]),
                };
                (IpNet::new(address, length).unwrap().trunc(), negated)
            },
        );
        prop::collection::vec(network, 0..30)
    }

    proptest! {
        #[test]
        fn ranges_are_as_rules_one_by_one(rules in networks()) {
            let source: String = rules
                .iter()
                .enumerate()
                .map(|(number, (network, negated))| {
                    format!("{}{network} rule {number}\n", if *negated { "!" } else { "" })
                })
                .collect();
            let (table, warnings) = Cidr::parse("cidr:tab", "tab", source.as_bytes());
            prop_assert_eq!(warnings, Vec::new());
            for bits in 0..=255_u8 {
                for address in [IpAddr::from([bits, 0, 0, 0]), IpAddr::from([bits, 255, 255, 255]),
                    IpAddr::from([u16::from(bits) << 8, 0, 0, 0, 0, 0, 0, 1])] {
                    let expected = rules.iter().position(|(network, negated)| {
                        network.addr().is_ipv4() == address.is_ipv4() && network.contains(&address) != *negated
                    });
                    let found = table.look_up(&address.to_string()).unwrap();
                    let line = found.as_ref().and_then(|found| found.place.line);
                    prop_assert_eq!(line, expected.map(|number| number as u32 + 1));
                    prop_assert_eq!(
                        found.map(|found| found.text.into_owned()),
                        expected.map(|number| format!("rule {number}"))
                    );
                }
            }
        }
    }
}

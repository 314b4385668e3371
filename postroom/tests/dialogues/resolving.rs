//! Made-up addresses, and where they lead: by Postfix's own resolver, `trivial-rewrite`, and by ours.

use crate::configuration::Configuration;
use crate::differences::Difference;
use relay_policy::address::{Address, ResolveError, RewriteContext, Routing};
use relay_policy::table::{Answers, Opener};
use relay_policy::{Class, Parameters};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use testkit::rng::Rng;

/// Made up in the same way every time, so that what differs can be listed.
const SEED: u64 = 0x706f_7374_6669_7800;

/// Who transports depend on.
const SENDER: &str = "s@sender.example";

/// So many addresses with all that one can hide in another, each once.
pub(crate) fn addresses(count: usize) -> Vec<String> {
    let (mut rng, mut made) = (Rng::new(SEED), BTreeSet::new());
    let mut all = Vec::new();
    while all.len() < count {
        let address = address(&mut rng);
        if made.insert(address.clone()) {
            all.push(address);
        }
    }
    all
}

fn address(rng: &mut Rng) -> String {
    let local_part = local_part(rng, 3);
    match rng.below(20) {
        0 => local_part,
        1 => format!("@{},@{}:{local_part}@{}", domain(rng), domain(rng), domain(rng)),
        2 => format!("@{}:{local_part}@{}", domain(rng), domain(rng)),
        3 => format!("{local_part}@{}@{}", domain(rng), domain(rng)),
        _ => format!("{local_part}@{}", domain(rng)),
    }
}

fn local_part(rng: &mut Rng, deeper: usize) -> String {
    const WORDS: [&str; 20] = [
        "u",
        "u",
        "alice",
        "alice+x",
        "a.b",
        "ALICE",
        "postmaster",
        "MAILER-DAEMON",
        "owner-list",
        "list-request",
        "-u",
        ".u",
        "u.",
        "a..b",
        "u_v",
        "\"\"",
        "\"a b\"",
        "\"a\\\"b\"",
        "\"-u\"",
        "",
    ];
    if deeper == 0 || rng.chance(1, 3) {
        return (*rng.pick(&WORDS)).into();
    }
    let inner = local_part(rng, deeper - 1);
    let bare = |inner: String| inner.replace(['"', '\\'], "");
    match rng.below(8) {
        0 | 1 => format!("{inner}%{}", domain(rng)),
        2 | 3 => format!("{}!{inner}", domain(rng)),
        4 => format!("\"{}@{}\"", bare(inner), domain(rng)),
        5 => format!("\"{}%{}\"", bare(inner), domain(rng)),
        6 => format!("\"{}!{}\"", domain(rng), bare(inner)),
        _ => match rng.below(6) {
            0 => format!("{inner}%"),
            1 => format!("!{inner}"),
            2 => format!("\"@{}:{}@{}\"", domain(rng), bare(inner), domain(rng)),
            3 => format!("{inner}!"),
            4 => format!("\"{}\"", bare(inner)),
            _ => format!("{inner}+{}", rng.pick(&WORDS[..6])),
        },
    }
}

fn domain(rng: &mut Rng) -> &'static str {
    // Those that are ours and those that are not, and then what is written oddly.
    const DOMAINS: [&str; 12] = [
        "example.com",
        "EXAMPLE.com",
        "mail.example.com",
        "localhost",
        "relay.example",
        "sub.relay.example",
        "va.example",
        "vm.example",
        "remote.example",
        "other.example",
        "host",
        "sub.dotted.example",
    ];
    const ODD: [&str; 20] = [
        "example.com.",
        "remote.example.",
        "example.com..",
        ".example.com",
        "a..b",
        "",
        ".",
        "[127.0.0.1]",
        "[198.51.100.25]",
        "[192.0.2.9]",
        "[IPv6:::1]",
        "[IPv6:2001:db8::9]",
        "127.0.0.1",
        "192.0.2.9",
        "[]",
        "[x.example]",
        "-x.example",
        "x-.example",
        "a_b.example",
        "2130706433",
    ];
    let domains: &[&str] = if rng.chance(2, 3) { &DOMAINS } else { &ODD };
    rng.pick::<&str>(domains)
}

/// Postfix's resolver, of one configuration.
pub(crate) struct Resolver(BufReader<UnixStream>);

impl Resolver {
    pub(crate) fn connected(stream: UnixStream) -> Self {
        let mut resolver = Self(BufReader::new(stream));
        assert_eq!(resolver.attributes(), [("protocol".into(), "trivial_rewrite_protocol".into())]);
        resolver
    }

    /// Where an address leads.
    pub(crate) fn resolve(&mut self, address: &str) -> String {
        let rewritten = self.ask(&[("request", "rewrite"), ("rule", "local"), ("address", address)]);
        let [_, (_, rewritten)] = &rewritten[..] else { panic!("{rewritten:?}") };
        let internal = Address::parse(rewritten);
        let resolved = [("request", "resolve"), ("sender", SENDER), ("address", internal.as_str())];
        let resolved = self.ask(&resolved);
        let [_, (_, transport), (_, nexthop), (_, recipient), (_, flags)] = &resolved[..] else {
            panic!("{resolved:?}")
        };
        let flags: u32 = flags.parse().unwrap();
        // As `resolve_clnt.h` has them.
        let class = [
            (1 << 8, Class::Local),
            (1 << 9, Class::VirtualAlias),
            (1 << 10, Class::VirtualMailbox),
            (1 << 11, Class::Relay),
        ];
        let class =
            class.into_iter().find(|(flag, _)| flags & flag != 0).map_or(Class::Default, |(_, class)| class);
        let (is_routed, is_wrong, failed) =
            (flags & (1 << 1) != 0, flags & (1 << 2) != 0, flags & (1 << 3) != 0);
        assert!(!failed, "{address}: a table failed");
        match is_wrong {
            true => wrong(rewritten, class),
            false => leads(rewritten, class, is_routed, &format!("{transport}:{nexthop}"), recipient),
        }
    }

    fn ask(&mut self, attributes: &[(&str, &str)]) -> Vec<(String, String)> {
        let mut request: String =
            attributes.iter().map(|(name, value)| format!("{name}\0{value}\0")).collect();
        request.push('\0');
        self.0.get_mut().write_all(request.as_bytes()).unwrap();
        self.attributes()
    }

    /// Names and values, each with a zero octet at its end; an empty name ends them.
    fn attributes(&mut self) -> Vec<(String, String)> {
        let mut attributes = Vec::new();
        loop {
            let name = self.text();
            if name.is_empty() {
                return attributes;
            }
            attributes.push((name, self.text()));
        }
    }

    fn text(&mut self) -> String {
        let mut octets = Vec::new();
        self.0.read_until(0, &mut octets).unwrap();
        assert_eq!(octets.pop(), Some(0), "the resolver has hung up");
        String::from_utf8(octets).unwrap()
    }
}

/// Ours, configured alike.
pub(crate) fn ours(common: &Configuration, own: &Configuration) -> Routing {
    let mut parameters = Parameters::default();
    for (name, value) in common.parameters.iter().chain(&own.parameters) {
        parameters.set(name, value).unwrap();
    }
    let no_files = |path: &str| Err(format!("{path}: there are no files"));
    Routing::from_parameters(&parameters, &Opener::new(&no_files), &mut Vec::new()).unwrap()
}

/// Where an address leads by ours.
pub(crate) fn resolve(routing: &Routing, address: &str) -> String {
    let rewritten = routing.rewriting.rewrite(address, RewriteContext::Local);
    let written = rewritten.to_string();
    match routing.resolve(&rewritten, &Address::parse(SENDER), &Answers::default()) {
        Ok(resolution) => leads(
            &written,
            resolution.class,
            resolution.is_routed,
            &resolution.transport.to_string(),
            resolution.recipient.as_str(),
        ),
        Err(ResolveError::BadAddress { class, .. }) => wrong(&written, class),
        Err(error) => panic!("{address}: {error}"),
    }
}

fn leads(rewritten: &str, class: Class, is_routed: bool, transport: &str, recipient: &str) -> String {
    let routed = if is_routed { ", routed" } else { "" };
    format!("{rewritten} is {recipient}, {class}{routed}, by {transport}")
}

fn wrong(rewritten: &str, class: Class) -> String {
    format!("{rewritten} is nobody's, {class}")
}

/// Whether mail for it is taken from everybody.
fn is_authorised(led: &str) -> bool {
    !(led.contains(" is nobody's, ") || led.contains(", routed, by ") || led.contains(", default, by "))
}

/// What differs, of one configuration.
pub(crate) fn compare(
    configuration: &str,
    address: &str,
    postfix: String,
    ours: String,
) -> Option<Difference> {
    assert!(
        is_authorised(&postfix) || !is_authorised(&ours),
        "{configuration}: {address}: authorised here and not there:\n{postfix}\n{ours}"
    );
    let (dialogue, said) = (configuration.into(), address.into());
    (postfix != ours).then_some(Difference { dialogue, said, postfix, ours })
}

//! Which servers a message is given to, in which order, and what becomes of it: the examples of the specification, and what holds
//! whatever the DNS says.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

#[path = "route/walks.rs"]
mod walks;
#[path = "route/world.rs"]
mod world;

use relay_policy::Parameters;
use relay_policy::address::{Address, Routing};
use relay_policy::route::{NextHops, Protocol, RoutePolicy};
use relay_policy::table::{Answers, Opener};
use std::collections::BTreeMap;
use world::{World, policy, refused};

/// Every server that is tried refuses the connection; they, and what becomes of the message.
fn walk(settings: &[(&str, &str)], next_hop: &str, zone: &str) -> String {
    let (policy, world) = (policy(settings), World::read(zone));
    let next_hops = NextHops::parse(next_hop, Protocol::Smtp).unwrap();
    let (tried, verdict) = world.deliver(&policy, &next_hops, 1, |_, server| refused(server));
    format!("{}; {verdict}", tried.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
}

const OURS: &[(&str, &str)] = &[];

#[test]
fn k40_to_k53_as_specified() {
    let last = |server: &str| format!("deferred 4.4.1 connect to {server}: Connection refused");
    let a = "a[192.0.2.1]:25";
    let b = "b[192.0.2.2]:25";
    for (id, next_hop, zone, expected) in [
        ("K40", "d.test", "d.test MX 20 b, d.test MX 10 a, a A 192.0.2.1, b A 192.0.2.2", format!("{a} {b}; {}", last(b))),
        (
            "K42",
            "d.test",
            "d.test MX 10 a, d.test MX 20 me.test, d.test MX 30 c, a A 192.0.2.1, me.test A 203.0.113.1, c A 192.0.2.3",
            format!("{a}; {}", last(a)),
        ),
        (
            "K42, by the address alone",
            "d.test",
            "d.test MX 10 a, d.test MX 20 other, d.test MX 30 c, a A 192.0.2.1, other A 203.0.113.1, c A 192.0.2.3",
            format!("{a}; {}", last(a)),
        ),
        (
            "K43",
            "d.test",
            "d.test MX 10 me.test, d.test MX 20 b, b A 192.0.2.2",
            "; bounced 5.4.6 mail for d.test loops back to myself".into(),
        ),
        (
            "K44",
            "d.test",
            "d.test MX 10 nowhere, d.test MX 20 me.test, me.test A 203.0.113.1",
            "; deferred 4.4.4 unable to find primary relay for d.test".into(),
        ),
        (
            "K45",
            "d.test",
            "d.test A 198.51.100.1",
            format!("d.test[198.51.100.1]:25; {}", last("d.test[198.51.100.1]:25")),
        ),
        (
            "K46",
            "d.test",
            "d.test MX 0 ., d.test A 192.0.2.1",
            "; bounced 5.1.0 Domain d.test does not accept mail (nullMX)".into(),
        ),
        (
            "K47",
            "d.test",
            "d.test MX fails, d.test A 192.0.2.1",
            "; deferred 4.4.3 Host or domain name not found. Name service error for name=d.test type=MX: Host not found, try again"
                .into(),
        ),
        (
            "K48",
            "d.test",
            "",
            "; bounced 5.4.4 Host or domain name not found. Name service error for name=d.test type=AAAA: Host not found".into(),
        ),
        (
            "K50",
            "[d.test]",
            "d.test MX 10 a, a A 192.0.2.1, d.test A 192.0.2.9",
            format!("d.test[192.0.2.9]:25; {}", last("d.test[192.0.2.9]:25")),
        ),
        (
            "K51",
            "[198.51.100.9]:2525",
            "",
            format!("198.51.100.9[198.51.100.9]:2525; {}", last("198.51.100.9[198.51.100.9]:2525")),
        ),
        (
            "K52",
            "d.test",
            "d.test MX 0 ., d.test MX 10 a, a A 192.0.2.1",
            format!("{a}; {}", last(a)),
        ),
        // Whoever answers follows aliases: what a has are the addresses of b.example.
        ("K53", "d.test", "d.test MX 10 a, a A 192.0.2.2", format!("a[192.0.2.2]:25; {}", last("a[192.0.2.2]:25"))),
    ] {
        assert_eq!(walk(OURS, next_hop, zone), expected, "{id}");
    }
}

/// K41: those that are equally good share the load, and worse ones come behind.
#[test]
fn k41_equals_in_random_order() {
    let policy = policy(OURS);
    let world = World::read(
        "d.test MX 10 a, d.test MX 10 b, d.test MX 20 c, a A 192.0.2.1, b A 192.0.2.2, c A 192.0.2.3",
    );
    let next_hops = NextHops::parse("d.test", Protocol::Smtp).unwrap();
    let mut first = BTreeMap::new();
    for seed in 0..1000 {
        let (tried, _) = world.deliver(&policy, &next_hops, seed, |_, server| refused(server));
        let mut hosts: Vec<&str> = tried.iter().map(|server| &*server.host).collect();
        *first.entry(hosts[0].to_string()).or_insert(0) += 1;
        assert_eq!(hosts[2], "c", "seed {seed}");
        hosts.sort_unstable();
        assert_eq!(hosts, ["a", "b", "c"], "seed {seed}");
    }
    assert!(first.len() == 2 && first.values().all(|count| (400..=600).contains(count)), "{first:?}");
    let fixed = world::policy(&[("smtp_randomize_addresses", "no")]);
    for seed in 0..20 {
        let (tried, _) = world.deliver(&fixed, &next_hops, seed, |_, server| refused(server));
        assert_eq!(tried[0].host, "a", "seed {seed}");
    }
}

/// K49: so many addresses, whoever they are of.
#[test]
fn k49_addresses_are_limited() {
    let hosts = |settings: &[(&str, &str)], addresses: u8| {
        let mut zone = "d.test MX 10 a, d.test MX 20 b, b A 192.0.2.200".to_string();
        (1..=addresses).for_each(|last| zone += &format!(", a A 192.0.2.{last}"));
        let next_hops = NextHops::parse("d.test", Protocol::Smtp).unwrap();
        let (tried, _) =
            World::read(&zone).deliver(&policy(settings), &next_hops, 1, |_, server| refused(server));
        tried.iter().map(|server| server.host.clone()).collect::<String>()
    };
    assert_eq!(hosts(OURS, 5), "aaaaa");
    assert_eq!(hosts(OURS, 4), "aaaab");
    assert_eq!(hosts(OURS, 200), "aaaaa");
    assert_eq!(hosts(&[("smtp_mx_address_limit", "2")], 5), "aa");
    assert_eq!(hosts(&[("smtp_mx_address_limit", "0")], 9), "aaaaaaaaab");
    assert_eq!(hosts(&[("smtp_mx_address_limit", "0")], 200).len(), 100);
}

/// Of very many mail servers, the best are asked about; that this machine is a worse one is seen all the same.
#[test]
fn very_many_servers() {
    let zone = |last: &str| {
        let servers: Vec<String> = (0..150).map(|at| format!("d.test MX {at} h{at}")).collect();
        format!("{}, d.test MX 150 {last}, h99 A 192.0.2.1, h100 A 192.0.2.2", servers.join(", "))
    };
    let fallback = [("smtp_fallback_relay", "[192.0.2.9]:26")];
    let refused = |server: &str| format!("deferred 4.4.1 connect to {server}: Connection refused");
    let both = "h99[192.0.2.1]:25 192.0.2.9[192.0.2.9]:26";
    assert_eq!(
        walk(&fallback, "d.test", &zone("x")),
        format!("{both}; {}", refused("192.0.2.9[192.0.2.9]:26"))
    );
    let alone = "h99[192.0.2.1]:25";
    assert_eq!(walk(&fallback, "d.test", &zone("me.test")), format!("{alone}; {}", refused(alone)));
}

/// K54: `relayhost` is the next hop of mail for `relay_domains`, too.
#[test]
fn k54_relayhost_of_relay_domains() {
    let settings = [("relayhost", "[smart.test]:587"), ("relay_domains", "relay.test")];
    let mut parameters = Parameters::default();
    settings.iter().for_each(|(name, value)| parameters.set(name, value).unwrap());
    let no_files = |_: &str| Err("no files".into());
    let routing = Routing::from_parameters(&parameters, &Opener::new(&no_files), &mut Vec::new()).unwrap();
    let resolution = routing
        .resolve(&Address::parse("user@relay.test"), &Address::default(), &Answers::default())
        .unwrap();
    assert_eq!(resolution.transport.service, "relay");
    let walked = walk(
        &settings,
        &resolution.transport.nexthop,
        "relay.test MX 10 a, a A 192.0.2.1, smart.test MX 10 a, smart.test A 192.0.2.8",
    );
    let server = "smart.test[192.0.2.8]:587";
    assert_eq!(walked, format!("{server}; deferred 4.4.1 connect to {server}: Connection refused"));
}

#[test]
fn what_settings_change() {
    let no_address = "d.test MX 10 a, d.test MX 20 b";
    let not_found = |status: &str| {
        format!(
            "{status} Host or domain name not found. Name service error for name=b type=AAAA: Host not found"
        )
    };
    let of_mx = "4.4.3 Host or domain name not found. Name service error for name=d.test type=MX: Host not found, try again";
    let looped = "d.test MX 10 me.test";
    let a = "a[192.0.2.1]:25; deferred 4.4.1 connect to a[192.0.2.1]:25: Connection refused";
    for (settings, next_hop, zone, expected) in [
        (vec![], "d.test", no_address, format!("; bounced {}", not_found("5.4.4"))),
        (vec![("soft_bounce", "yes")], "d.test", no_address, format!("; deferred {}", not_found("4.4.4"))),
        (
            vec![("smtp_defer_if_no_mx_address_found", "yes")],
            "d.test",
            no_address,
            format!("; deferred {}", not_found("4.4.4")),
        ),
        (vec![("relayhost", "d.test")], "d.test", no_address, format!("; deferred {}", not_found("4.3.5"))),
        (
            vec![],
            "d.test",
            "d.test MX 10 a, a A fails, d.test MX 20 b",
            "; deferred 4.4.4 Host or domain name not found. Name service error for name=a type=AAAA: Host not found, try again".into(),
        ),
        (
            vec![],
            "d.test",
            "d.test A fails",
            "; deferred 4.4.3 Host or domain name not found. Name service error for name=d.test type=AAAA: Host not found, try again"
                .into(),
        ),
        (
            vec![],
            "d.test",
            "d.test MX 10 192.0.2.1, d.test A 192.0.2.1",
            "; bounced 5.4.4 Name service error for name=d.test type=MX: Malformed or unexpected name server reply"
                .into(),
        ),
        // What one family has is enough.
        (vec![], "d.test", "d.test MX 10 a, a A 192.0.2.1, a AAAA fails", a.into()),
        (
            vec![("ignore_mx_lookup_error", "yes")],
            "d.test",
            "d.test MX fails, d.test A 192.0.2.1",
            "d.test[192.0.2.1]:25; deferred 4.4.1 connect to d.test[192.0.2.1]:25: Connection refused".into(),
        ),
        (vec![("ignore_mx_lookup_error", "yes")], "d.test", "d.test MX fails", format!("; deferred {of_mx}")),
        (vec![("best_mx_transport", "local:here")], "d.test", looped, "; by local:here".into()),
        (
            vec![("best_mx_transport", "local"), ("relayhost", "d.test")],
            "d.test",
            looped,
            "; deferred 4.3.5 mail for d.test loops back to myself".into(),
        ),
        // Only at the port of SMTP does this machine come to itself.
        (
            vec![],
            "[203.0.113.1]:10025",
            "",
            "203.0.113.1[203.0.113.1]:10025; deferred 4.4.1 connect to 203.0.113.1[203.0.113.1]:10025: Connection refused".into(),
        ),
        (
            vec![],
            "d.test:26",
            "d.test MX 10 me.test, me.test A 203.0.113.1",
            "me.test[203.0.113.1]:26; deferred 4.4.1 connect to me.test[203.0.113.1]:26: Connection refused".into(),
        ),
        (vec![], "d.test", "d.test MX 10 a, a AAAA ::ffff:192.0.2.1", a.into()),
        (vec![], "[203.0.113.1]", "", "; bounced 5.4.6 mail for 203.0.113.1 loops back to myself".into()),
        (vec![], "[d.test]", "d.test A 203.0.113.1", "; bounced 5.4.6 mail for d.test loops back to myself".into()),
        (vec![], "me.test", "", "; bounced 5.4.6 mail for me.test loops back to myself".into()),
        // Under what strangers name, and as the administrator names it.
        (vec![], "d.test", "d.test A 127.0.0.1", "; bounced 5.4.6 mail for d.test loops back to myself".into()),
        (
            vec![],
            "[127.0.0.1]",
            "",
            "127.0.0.1[127.0.0.1]:25; deferred 4.4.1 connect to 127.0.0.1[127.0.0.1]:25: Connection refused".into(),
        ),
        (
            vec![("proxy_interfaces", "192.0.2.1")],
            "d.test",
            "d.test MX 10 a, a A 192.0.2.1",
            "; bounced 5.4.6 mail for d.test loops back to myself".into(),
        ),
    ] {
        assert_eq!(walk(&settings, next_hop, zone), expected, "{settings:?} {next_hop} {zone}");
    }
}

#[test]
fn families_of_addresses() {
    let tried = |settings: &[(&str, &str)], fours: u8, sixes: u8| {
        let mut zone = "d.test MX 10 a".to_string();
        (1..=fours).for_each(|last| zone += &format!(", a A 192.0.2.{last}"));
        (1..=sixes).for_each(|last| zone += &format!(", a AAAA 2001:db8::{last}"));
        let next_hops = NextHops::parse("d.test", Protocol::Smtp).unwrap();
        let mut of_each = std::collections::BTreeSet::new();
        for seed in 0..50 {
            let (tried, _) =
                World::read(&zone).deliver(&policy(settings), &next_hops, seed, |_, server| refused(server));
            of_each.insert(
                tried.iter().map(|server| if world::is_ipv6(server) { '6' } else { '4' }).collect::<String>(),
            );
        }
        of_each.into_iter().collect::<Vec<_>>()
    };
    let prefer = |family: &'static str| [("smtp_address_preference", family)];
    assert_eq!(tried(&prefer("ipv6"), 9, 9), ["66644"]);
    assert_eq!(tried(&prefer("ipv4"), 9, 9), ["44466"]);
    assert_eq!(tried(&prefer("ipv6"), 1, 9), ["66664"]);
    assert_eq!(tried(&prefer("ipv6"), 9, 1), ["64444"]);
    assert_eq!(tried(&prefer("ipv6"), 1, 1), ["64"]);
    assert_eq!(tried(&prefer("ipv4"), 0, 9), ["66666"]);
    let unbalanced = [("smtp_address_preference", "ipv6"), ("smtp_balance_inet_protocols", "no")];
    assert_eq!(tried(&unbalanced, 9, 9), ["66666"]);
    let any = tried(OURS, 9, 9);
    assert!(any.len() > 5 && any.iter().all(|order| order.matches('6').count() == 2), "{any:?}");
}

#[test]
fn parameters_that_make_no_sense() {
    for (name, value, expected) in [
        ("relayhost", "[smart.test", "relayhost: [smart.test: expected a bracket that closes"),
        ("relayhost", "a.test 192.0.2.1", "relayhost: 192.0.2.1: expected brackets around an address"),
        ("smtp_fallback_relay", "a.test:x", "smtp_fallback_relay: a.test:x: expected a port"),
        ("proxy_interfaces", "here", "proxy_interfaces: here: an IP address is expected"),
    ] {
        let mut parameters = Parameters::default();
        parameters.set(name, value).unwrap();
        let error = RoutePolicy::from_parameters(&parameters).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
    let wrong = Parameters::default().set("smtp_address_preference", "ipv5").unwrap_err();
    assert_eq!(wrong.to_string(), "smtp_address_preference = ipv5: expected any, ipv4 or ipv6");
}

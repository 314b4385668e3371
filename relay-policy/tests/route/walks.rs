//! How attempts end, and who is tried then; and what holds in every world.

use crate::world::{World, policy, refused, words};
use proptest::prelude::*;
use relay_policy::route::{
    AttemptStep, Ending, Endpoint, LookupStep, NextHop, NextHops, Protocol, RouteFailure, RoutePolicy, Server,
};
use relay_policy::{Answer, Question, Record, RecordKind};
use std::net::IpAddr;

const THREE: &str = "d.test MX 10 a, d.test MX 20 b, d.test MX 30 c, a A 192.0.2.1, b A 192.0.2.2, c A 192.0.2.3, f A 192.0.2.4";

/// Attempts end like this, one after the other, and the last of these again and again.
fn ends(settings: &[(&str, &str)], next_hop: &str, zone: &str, endings: &[Ending]) -> String {
    let (policy, world) = (policy(settings), World::read(zone));
    let next_hops = NextHops::parse(next_hop, Protocol::Smtp).unwrap();
    let (tried, verdict) =
        world.deliver(&policy, &next_hops, 1, |at, _| endings[at.min(endings.len() - 1)].clone());
    format!("{}; {verdict}", tried.iter().map(|server| &*server.host).collect::<Vec<_>>().join(" "))
}

fn said(class: u8, text: &str) -> RouteFailure {
    RouteFailure::new((class, 0, 0), text)
}

#[test]
fn who_is_tried_after_what() {
    let no_session = |class| Ending::NoSession(said(class, "no session"));
    let failed = |class| Ending::Failed(said(class, "failed"));
    let unanswered = || Ending::Unanswered(said(4, "no reply"));
    for (endings, expected) in [
        (vec![Ending::Sent], "a; sent"),
        // Whatever keeps a session from coming about is the server's own.
        (vec![no_session(4), no_session(5), Ending::Sent], "a b c; sent"),
        (vec![no_session(5)], "a b c; deferred 4.0.0 no session"),
        // Two sessions and no more, of those that came so far.
        (vec![failed(4)], "a b; deferred 4.0.0 failed"),
        (vec![no_session(4), failed(4), failed(4)], "a b c; deferred 4.0.0 failed"),
        (vec![failed(4), Ending::Sent], "a b; sent"),
        (vec![failed(5)], "a; bounced 5.0.0 failed"),
        (vec![failed(4), failed(5)], "a b; bounced 5.0.0 failed"),
        // It may have been taken.
        (vec![unanswered()], "a; deferred 4.0.0 no reply"),
        (vec![no_session(5), unanswered()], "a b; deferred 4.0.0 no reply"),
        (vec![Ending::Myself], "a; bounced 5.4.6 mail for d.test loops back to myself"),
        (vec![no_session(4), Ending::Myself], "a b; deferred 4.4.6 mail for d.test loops back to myself"),
    ] {
        assert_eq!(ends(&[], "d.test", THREE, &endings), expected, "{endings:?}");
    }
    assert_eq!(ends(&[("soft_bounce", "yes")], "d.test", THREE, &[failed(5)]), "a b; deferred 4.0.0 failed");
    assert_eq!(
        ends(&[("smtp_mx_session_limit", "0")], "d.test", THREE, &[failed(4)]),
        "a b c; deferred 4.0.0 failed"
    );
    assert_eq!(
        ends(&[("smtp_mx_session_limit", "1")], "d.test", THREE, &[failed(4)]),
        "a; deferred 4.0.0 failed"
    );
    let relayhost = [("relayhost", "d.test")];
    assert_eq!(
        ends(&relayhost, "d.test", THREE, &[failed(5)]),
        "a; bounced 5.0.0 failed",
        "it is of the recipient"
    );
    assert_eq!(
        ends(&relayhost, "d.test", THREE, &[Ending::Myself]),
        "a; deferred 4.3.5 mail for d.test loops back to myself"
    );
}

#[test]
fn other_next_hops() {
    let down = [Ending::NoSession(said(4, "down"))];
    let fallback = [("smtp_fallback_relay", "[f], [g]")];
    let zone = format!(
        "{THREE}, g A 192.0.2.5, null.test MX 0 ., me.example MX 10 me.test, twice.test MX 10 a, twice.test MX 20 me.test"
    );
    let walk = |settings: &[(&str, &str)], next_hop: &str| ends(settings, next_hop, &zone, &down);
    let missing = |host: &str| {
        format!("Host or domain name not found. Name service error for name={host} type=AAAA: Host not found")
    };
    assert_eq!(walk(&[], "d.test, [f] [g]"), "a b c f g; deferred 4.0.0 down");
    assert_eq!(walk(&fallback, "d.test"), "a b c f g; deferred 4.0.0 down");
    assert_eq!(walk(&fallback, "[nowhere]"), "f g; deferred 4.0.0 down", "it need not exist");
    assert_eq!(
        walk(&[("smtp_fallback_relay", "[gone]")], "[nowhere]"),
        format!("; deferred 4.3.5 {}", missing("gone"))
    );
    // One that may come up keeps those that never will from bouncing the message.
    assert_eq!(walk(&[], "[f], [nowhere]"), "f; deferred 4.0.0 down");
    assert_eq!(walk(&[], "[gone], [nowhere]"), format!("; bounced 5.4.4 {}", missing("nowhere")));
    // A domain that takes no mail takes none by way of others; nor has this machine to look for others where it is one itself.
    assert_eq!(
        walk(&fallback, "null.test"),
        "; bounced 5.1.0 Domain null.test does not accept mail (nullMX)"
    );
    assert_eq!(walk(&fallback, "null.test, [nowhere]"), format!("f g; deferred 4.0.0 down"));
    assert_eq!(walk(&fallback, "me.example"), "; bounced 5.4.6 mail for me.example loops back to myself");
    assert_eq!(walk(&fallback, "twice.test"), "a; deferred 4.0.0 down");
    assert_eq!(walk(&[], "twice.test, [f]"), "a; deferred 4.0.0 down");
    let null = [("smtp_fallback_relay", "null.test, [f]")];
    assert_eq!(walk(&null, "[nowhere]"), "f; deferred 4.0.0 down", "fallbacks are tried in turn");
    // A recipient that is refused is refused.
    let refusal = [Ending::Failed(said(5, "no such user"))];
    assert_eq!(ends(&fallback, "d.test", &zone, &refusal), "a; bounced 5.0.0 no such user");
}

#[test]
fn lmtp() {
    let policy = policy(&[("smtp_fallback_relay", "[f]")]);
    let world = World::read(&format!("{THREE}, a MX 10 b"));
    for (written, tried) in [
        ("unix:/run/lmtp", "/run/lmtp[/run/lmtp]"),
        ("inet:a:2424", "a[192.0.2.1]:2424"),
        ("a", "a[192.0.2.1]:24"),
    ] {
        let next_hops = NextHops::parse(written, Protocol::Lmtp).unwrap();
        let (servers, verdict) = world.deliver(&policy, &next_hops, 1, |_, server| refused(server));
        let servers: Vec<String> = servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, [tried], "{written}: nobody is asked for mail servers, nor is there a fallback");
        assert!(verdict.starts_with("deferred 4.4.1 connect to"), "{verdict}");
    }
}

#[test]
fn who_greets_with_our_name() {
    let (policy, world) = (policy(&[]), World::read(THREE));
    for (next_hop, is_loop) in [("d.test", true), ("[a]:587", false)] {
        let next_hops = NextHops::parse(next_hop, Protocol::Smtp).unwrap();
        let (tried, _) = world.deliver(&policy, &next_hops, 1, |_, _| Ending::Sent);
        assert_eq!(policy.greets_as_myself(&tried[0], "ME.test."), is_loop, "{next_hop}");
        assert!(!policy.greets_as_myself(&tried[0], "a.test") && !policy.greets_as_myself(&tried[0], ""));
    }
}

#[test]
fn questions_are_asked_together_and_once() {
    let (policy, world) =
        (policy(&[]), World::read("d.test MX 10 A., d.test MX 10 a, d.test MX 20 me.test, d.test MX 30 c"));
    let mut lookup = policy.look_up(&NextHop::parse("D.test", Protocol::Smtp).unwrap(), 1);
    let mut asked = Vec::new();
    while let LookupStep::Needs(questions) = lookup.step() {
        let shown = |question: &Question| match question {
            Question::Dns { name, kind } => format!("{kind:?} {name}"),
            other => panic!("{other:?}"),
        };
        asked.push(questions.iter().map(shown).collect::<Vec<_>>().join(", "));
        assert_eq!(lookup.step(), LookupStep::Needs(questions.clone()));
        for question in questions {
            lookup.answer(&question, world.answer(&question)).unwrap();
        }
    }
    // What is as good as this machine is of no use, and need not be looked up.
    assert_eq!(asked, ["Mx d.test", "A a, Aaaa a"]);
    let other = Question::Verify { address: "a@b".into() };
    assert!(lookup.answer(&other, Answer::Records(Vec::new())).is_err());
}

const HOSTS: [&str; 7] = ["d.test", "e.test", "a", "b", "me.test", "192.0.2.1", ""];
const OWN: [&str; 2] = ["203.0.113.1", "2001:db8:1::1"];

fn address() -> impl Strategy<Value = IpAddr> {
    prop_oneof![
        4 => (1_u8..9).prop_map(|last| IpAddr::from([192, 0, 2, last])),
        2 => (1_u16..9).prop_map(|last| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, last])),
        1 => prop::sample::select(vec!["203.0.113.1", "2001:db8:1::1", "::ffff:203.0.113.1", "127.0.0.1"])
            .prop_map(|text| text.parse().unwrap()),
    ]
}

fn records(kind: RecordKind) -> BoxedStrategy<Vec<Record>> {
    let one = match kind {
        RecordKind::Mx => prop_oneof![
            9 => (0_u16..4, prop::sample::select(HOSTS.to_vec()))
                .prop_map(|(preference, exchange)| Record::Mx { preference, exchange: exchange.into() }),
            1 => Just(Record::Text("out of place".into())),
        ]
        .boxed(),
        _ => prop_oneof![9 => address().prop_map(Record::Address), 1 => Just(Record::Name("out".into()))]
            .boxed(),
    };
    prop::collection::vec(one, 0..8).boxed()
}

fn world() -> impl Strategy<Value = World> {
    let kinds = [RecordKind::Mx, RecordKind::A, RecordKind::Aaaa];
    let keys: Vec<(String, RecordKind)> =
        HOSTS.iter().flat_map(|host| kinds.map(|kind| (host.to_string(), kind))).collect();
    let of_key = |(name, kind): (String, RecordKind)| {
        prop::option::weighted(0.9, records(kind)).prop_map(move |found| ((name.clone(), kind), found))
    };
    keys.into_iter().map(of_key).collect::<Vec<_>>().prop_map(|known| World(known.into_iter().collect()))
}

fn ending() -> impl Strategy<Value = Ending> {
    let failure = || (4_u8..6).prop_map(|class| said(class, "so it is"));
    prop_oneof![
        1 => Just(Ending::Sent),
        6 => failure().prop_map(Ending::NoSession),
        4 => failure().prop_map(Ending::Failed),
        1 => failure().prop_map(Ending::Unanswered),
        1 => Just(Ending::Myself),
    ]
}

fn settings() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let one = prop::sample::select(vec![
        ("smtp_mx_address_limit", "3"),
        ("smtp_mx_address_limit", "0"),
        ("smtp_mx_session_limit", "1"),
        ("smtp_address_preference", "ipv6"),
        ("smtp_balance_inet_protocols", "no"),
        ("smtp_randomize_addresses", "no"),
        ("smtp_fallback_relay", "e.test, [b]:26"),
        ("ignore_mx_lookup_error", "yes"),
        ("smtp_defer_if_no_mx_address_found", "yes"),
        ("best_mx_transport", "local"),
        ("soft_bounce", "yes"),
        ("relayhost", "d.test"),
    ]);
    prop::collection::vec(one, 0..5)
}

/// The preference from which on the servers of a domain are this machine or no better, by the records alone.
fn own_preference(world: &World, domain: &str) -> Option<u16> {
    let records = world.0.get(&(domain.to_string(), RecordKind::Mx)).cloned().flatten().unwrap_or_default();
    let is_own = |host: &str| {
        let addresses = [RecordKind::A, RecordKind::Aaaa].map(|kind| world.0.get(&(host.to_string(), kind)));
        let addresses = addresses.into_iter().flatten().flatten().flatten();
        host == "me.test"
            || addresses
                .into_iter()
                .any(|record| matches!(record, Record::Address(address) if is_own_address(*address)))
    };
    let own = records.iter().filter_map(|record| match record {
        Record::Mx { preference, exchange }
            if is_own(exchange) && exchange != "192.0.2.1" && !exchange.is_empty() =>
        {
            Some(*preference)
        }
        _ => None,
    });
    own.min()
}

fn is_own_address(address: IpAddr) -> bool {
    let address = address.to_canonical();
    OWN.contains(&address.to_string().as_str()) || address.is_loopback()
}

/// All that is done, with questions answered one by one, in an order that `order` makes; at least one at each step.
fn in_some_order(
    world: &World,
    policy: &RoutePolicy,
    next_hops: &NextHops,
    endings: &[Ending],
    order: u64,
) -> (Vec<(Server, usize)>, String) {
    let (mut attempts, mut tried, mut destinations, mut order) =
        (policy.deliver(next_hops, 7), Vec::new(), 0, order);
    let mut was_asking = false;
    for _ in 0..10_000 {
        let step = attempts.step();
        if let (AttemptStep::Needs(questions), false) = (&step, was_asking) {
            destinations += usize::from(matches!(
                questions[0],
                Question::Dns { kind: RecordKind::Mx | RecordKind::A, .. }
            ));
        }
        was_asking = matches!(step, AttemptStep::Needs(_));
        match step {
            AttemptStep::Needs(mut questions) => {
                for _ in 0..=(order % 3) {
                    if questions.is_empty() {
                        break;
                    }
                    order =
                        order.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    let question = questions.swap_remove((order >> 33) as usize % questions.len());
                    attempts.answer(&question, world.answer(&question)).unwrap();
                }
            }
            AttemptStep::Try(server) => {
                let ending = endings[tried.len() % endings.len()].clone();
                attempts.ended(ending).unwrap();
                tried.push((server, destinations));
            }
            AttemptStep::Over(verdict) => return (tried, words(&verdict)),
        }
    }
    panic!("it does not end");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Nobody is tried who is this machine or no better than it, nor more of them than may be; and the order in which answers
    /// come changes nothing.
    #[test]
    fn in_every_world(
        world in world(),
        settings in settings(),
        endings in prop::collection::vec(ending(), 1..6),
        next_hop in prop::sample::select(vec!["d.test", "d.test, e.test", "[a]", "[203.0.113.1] d.test", "me.test:26, [me.test]"]),
        order in any::<u64>(),
    ) {
        let policy = policy(&settings);
        let next_hops = NextHops::parse(next_hop, Protocol::Smtp).unwrap();
        let (tried, verdict) = in_some_order(&world, &policy, &next_hops, &endings, order);
        let all = world.deliver(&policy, &next_hops, 7, |at, _| endings[at % endings.len()].clone());
        let servers: Vec<Server> = tried.iter().map(|(server, _)| server.clone()).collect();
        prop_assert_eq!((&servers, &verdict), (&all.0, &all.1));
        let own = ["d.test", "e.test"].map(|domain| own_preference(&world, domain));
        for (server, destination) in &tried {
            let Endpoint::Inet(address) = server.endpoint else { panic!("{server}") };
            if address.port() == 25 {
                let is_named = ["[a]", "[203.0.113.1] d.test"].contains(&next_hop);
                let is_loopback = address.ip().is_loopback() && is_named;
                prop_assert!(is_loopback || !is_own_address(address.ip()), "{}", server);
                prop_assert!(server.host != "me.test");
            }
            if next_hop == "d.test" && *destination == 1 {
                prop_assert!(own[0].is_none_or(|own| server.preference < own), "{} {:?}", server, own);
            }
            let of_it = tried.iter().filter(|(_, other)| other == destination).count();
            let limit = match policy.smtp_mx_address_limit { 0 => 100, limit => limit };
            prop_assert!(of_it <= limit);
        }
        let sessions = (0..tried.len()).filter(|at| matches!(endings[at % endings.len()], Ending::Failed(_))).count();
        let hops = next_hops.iter().count() + policy.smtp_fallback_relay.iter().flat_map(NextHops::iter).count();
        prop_assert!(sessions <= hops * policy.smtp_mx_session_limit);
    }

    /// Whatever is read as a next hop is read again as the same; nothing panics.
    #[test]
    fn next_hops_are_read_as_they_are_written(text in "[a-z0-9.:,\\[\\] ]{0,24}|\\[?(ipv6:)?[0-9a-f:.]{1,20}\\]?(:[0-9a-z]{0,5})?|\\PC{0,12}") {
        for protocol in [Protocol::Smtp, Protocol::Lmtp] {
            if let Ok(hops) = NextHops::parse(&text, protocol) {
                prop_assert_eq!(NextHops::parse(&hops.to_string(), protocol), Ok(hops));
            }
        }
    }
}

//! Clients that come too often, and a table that somebody tries to fill.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use proto_core::Instant;
use relay_policy::NetworkList;
use relay_policy::rates::{Exceeded, RateEvent, RateLimits, Rates};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

fn at(seconds: u64) -> Instant {
    Instant::from_origin(Duration::from_secs(seconds))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn exceeded(event: RateEvent, count: u32, limit: u32) -> Result<(), Exceeded> {
    Err(Exceeded { event, count, limit })
}

#[test]
fn connections_at_a_time() {
    let mut rates = Rates::new(RateLimits { connection_count_max: 2, ..RateLimits::default() });
    let client = ip("192.0.2.1");
    assert_eq!(rates.connected(client, at(0)), Ok(()));
    assert_eq!(rates.connected(client, at(0)), Ok(()));
    let refused = exceeded(RateEvent::Connection, 3, 2);
    // Time does not help, nor does having been refused.
    assert_eq!(rates.connected(client, at(1)), refused);
    assert_eq!(rates.connected(client, at(1_000)), refused);
    assert_eq!(rates.connected(ip("192.0.2.2"), at(1_000)), Ok(()));
    assert_eq!(rates.connected(ip("::ffff:192.0.2.1"), at(1_000)), refused);
    rates.disconnected(client);
    assert_eq!(rates.connected(client, at(1_000)), Ok(()));
    assert_eq!(
        refused.unwrap_err().reply("mx.example", "unknown[192.0.2.1]").to_string(),
        "421 4.7.0 mx.example Error: too many connections from unknown[192.0.2.1]"
    );
}

#[test]
fn rates_begin_anew_after_their_time() {
    let events = [
        (RateEvent::Message, "450 4.7.1 Error: too much mail from c[192.0.2.1]"),
        (RateEvent::Recipient, "450 4.7.1 Error: too many recipients from c[192.0.2.1]"),
        (RateEvent::NewTlsSession, "421 4.7.0 mx.example Error: too many new TLS sessions from c[192.0.2.1]"),
        (RateEvent::Auth, "450 4.7.1 Error: too many AUTH commands from c[192.0.2.1]"),
    ];
    let limits = RateLimits {
        message_rate_max: 2,
        recipient_rate_max: 2,
        new_tls_session_rate_max: 2,
        auth_rate_max: 2,
        ..RateLimits::default()
    };
    for (event, reply) in events {
        let mut rates = Rates::new(limits.clone());
        let client = ip("192.0.2.1");
        rates.connected(client, at(100)).unwrap();
        for (second, expected) in [(100, Ok(())), (159, Ok(())), (159, exceeded(event, 3, 2)), (160, Ok(()))]
        {
            assert_eq!(rates.happened(client, event, at(second)), expected, "{event:?} at {second}");
        }
        let refusal = exceeded(event, 3, 2).unwrap_err();
        assert_eq!(refusal.reply("mx.example", "c[192.0.2.1]").to_string(), reply);
        // One event is not the other's.
        for (other, _) in events.into_iter().filter(|(other, _)| *other != event) {
            assert_eq!(rates.happened(client, other, at(161)), Ok(()), "{event:?} and {other:?}");
        }
    }
}

#[test]
fn connections_in_a_time_unit() {
    let limits = RateLimits { connection_count_max: 0, connection_rate_max: 2, ..RateLimits::default() };
    let mut rates = Rates::new(limits);
    let client = ip("192.0.2.1");
    for expected in
        [Ok(()), Ok(()), exceeded(RateEvent::Connection, 3, 2), exceeded(RateEvent::Connection, 4, 2)]
    {
        assert_eq!(rates.connected(client, at(0)), expected);
        if expected.is_ok() {
            rates.disconnected(client);
        }
    }
    assert_eq!(rates.connected(client, at(60)), Ok(()));
}

#[test]
fn a_network_is_one_client() {
    let limits = RateLimits { connection_count_max: 1, ipv4_prefix_bits: 24, ..RateLimits::default() };
    let mut rates = Rates::new(limits);
    assert!(rates.connected(ip("192.0.2.1"), at(0)).is_ok());
    assert!(rates.connected(ip("192.0.2.255"), at(0)).is_err());
    assert!(rates.connected(ip("192.0.3.0"), at(0)).is_ok());
    // 84 bits of an IPv6 address.
    assert!(rates.connected(ip("2001:db8:0:0:0:1::1"), at(0)).is_ok());
    assert!(rates.connected(ip("2001:db8:0:0:0:0fff:ffff:ffff"), at(0)).is_err());
    assert!(rates.connected(ip("2001:db8:0:0:0:1000::1"), at(0)).is_ok());
    for bits in [0, 32] {
        let limits = RateLimits { connection_count_max: 1, ipv4_prefix_bits: bits, ..RateLimits::default() };
        let mut rates = Rates::new(limits);
        assert!(rates.connected(ip("192.0.2.1"), at(0)).is_ok());
        assert_eq!(rates.connected(ip("192.0.2.2"), at(0)).is_ok(), bits == 32);
    }
}

#[test]
fn who_is_excepted_is_not_counted() {
    let exceptions = NetworkList::new(&["10.0.0.0/8".into()]).unwrap();
    let limits =
        RateLimits { connection_count_max: 1, message_rate_max: 1, exceptions, ..RateLimits::default() };
    let mut rates = Rates::new(limits);
    for _ in 0..5 {
        assert_eq!(rates.connected(ip("10.1.2.3"), at(0)), Ok(()));
        assert_eq!(rates.happened(ip("10.1.2.3"), RateEvent::Message, at(0)), Ok(()));
    }
    assert_eq!(rates.clients(), 0);
}

#[test]
fn a_full_table_forgets_those_who_are_gone_and_lets_nobody_else_in() {
    let limits = RateLimits { clients_max: 100, message_rate_max: 1, ..RateLimits::default() };
    let mut rates = Rates::new(limits);
    let client = |number: u32| IpAddr::from(Ipv4Addr::from_bits(0xC000_0200 + number));
    for number in 0..100 {
        rates.connected(client(number), at(0)).unwrap();
        if number > 0 {
            rates.disconnected(client(number));
        }
    }
    // One who is known is as welcome as ever; all others wait until somebody's time is over.
    assert!(rates.connected(client(100), at(59)).is_err());
    assert_eq!(rates.happened(client(0), RateEvent::Message, at(59)), Ok(()));
    assert_eq!(rates.clients(), 100);
    // It is not gone through for every client.
    assert!(rates.connected(client(101), at(60)).is_err());
    assert!(rates.connected(client(101), at(63)).is_ok());
    assert_eq!(rates.clients(), 2, "the one still connected, and the new one");
    assert!(rates.happened(client(0), RateEvent::Message, at(63)).is_ok());
}

#[test]
fn without_limits_nothing_is_kept() {
    let mut rates =
        Rates::new(RateLimits { connection_count_max: 0, clients_max: 1, ..RateLimits::default() });
    for last in 0..10 {
        assert_eq!(rates.connected(IpAddr::from([192, 0, 2, last]), at(0)), Ok(()));
        assert_eq!(rates.happened(IpAddr::from([192, 0, 2, last]), RateEvent::Recipient, at(0)), Ok(()));
    }
    assert_eq!(rates.clients(), 0);
}

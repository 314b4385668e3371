//! Clients that come too often, and a table that somebody tries to fill.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use proto_core::Instant;
use relay_policy::rates::{Exceeded, RateEvent, RateLimits, Rates};
use relay_policy::table::Opener;
use relay_policy::{MatchList, Parameters};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

fn at(seconds: u64) -> Instant {
    Instant::from_origin(Duration::from_secs(seconds))
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The defaults, with something changed.
fn limiting(change: impl FnOnce(&mut RateLimits)) -> RateLimits {
    let mut limits = RateLimits::default();
    change(&mut limits);
    limits
}

fn exceeded(event: RateEvent, count: u32, limit: u32) -> Result<(), Exceeded> {
    Err(Exceeded { event, count, limit, at_a_time: false })
}

#[test]
fn connections_at_a_time() {
    let (limits, mut rates) = (limiting(|limits| limits.connection_count_max = 2), Rates::default());
    let client = ip("192.0.2.1");
    assert_eq!(rates.connected(&limits, client, at(0)), Ok(()));
    assert_eq!(rates.connected(&limits, client, at(0)), Ok(()));
    let exceeded = Exceeded { event: RateEvent::Connection, count: 3, limit: 2, at_a_time: true };
    let refused = Err(exceeded);
    // Time does not help, nor does having been refused.
    assert_eq!(rates.connected(&limits, client, at(1)), refused);
    assert_eq!(rates.connected(&limits, client, at(1_000)), refused);
    assert_eq!(rates.connected(&limits, ip("192.0.2.2"), at(1_000)), Ok(()));
    assert_eq!(rates.connected(&limits, ip("::ffff:192.0.2.1"), at(1_000)), refused);
    rates.disconnected(&limits, client);
    assert_eq!(rates.connected(&limits, client, at(1_000)), Ok(()));
    assert_eq!(
        exceeded.reply("mx.example", ip("::ffff:192.0.2.1")).to_string(),
        "421 4.7.0 mx.example Error: too many connections from 192.0.2.1"
    );
    assert_eq!(
        exceeded.log_line("unknown[192.0.2.1]", "smtp"),
        "Connection concurrency limit exceeded: 3 from unknown[192.0.2.1] for service smtp"
    );
}

#[test]
fn rates_begin_anew_after_their_time() {
    let events = [
        (
            RateEvent::Message,
            "450 4.7.1 Error: too much mail from 192.0.2.1",
            "Message delivery request rate limit exceeded: 3 from c[192.0.2.1] for service smtp",
        ),
        (
            RateEvent::Recipient,
            "450 4.7.1 Error: too many recipients from 192.0.2.1",
            "Recipient address rate limit exceeded: 3 from c[192.0.2.1] for service smtp",
        ),
        (
            RateEvent::NewTlsSession,
            "421 4.7.0 mx.example Error: too many new TLS sessions from 192.0.2.1",
            "New TLS session rate limit exceeded: 3 from c[192.0.2.1] for service smtp",
        ),
        (
            RateEvent::Auth,
            "450 4.7.1 Error: too many AUTH commands from 192.0.2.1",
            "AUTH command rate limit exceeded: 3 from c[192.0.2.1] for service smtp",
        ),
    ];
    let limits = limiting(|limits| {
        limits.message_rate_max = 2;
        limits.recipient_rate_max = 2;
        limits.new_tls_session_rate_max = 2;
        limits.auth_rate_max = 2;
    });
    for (event, reply, line) in events {
        let mut rates = Rates::default();
        let client = ip("192.0.2.1");
        rates.connected(&limits, client, at(100)).unwrap();
        for (second, expected) in [(100, Ok(())), (159, Ok(())), (159, exceeded(event, 3, 2)), (160, Ok(()))]
        {
            assert_eq!(rates.happened(&limits, client, event, at(second)), expected, "{event:?} at {second}");
        }
        let refusal = exceeded(event, 3, 2).unwrap_err();
        assert_eq!(refusal.reply("mx.example", client).to_string(), reply);
        assert_eq!(refusal.log_line("c[192.0.2.1]", "smtp"), line);
        // One event is not the other's.
        for (other, ..) in events.into_iter().filter(|(other, ..)| *other != event) {
            assert_eq!(rates.happened(&limits, client, other, at(161)), Ok(()), "{event:?} and {other:?}");
        }
    }
}

#[test]
fn connections_in_a_time_unit() {
    let limits = limiting(|limits| {
        limits.connection_count_max = 0;
        limits.connection_rate_max = 2;
    });
    let mut rates = Rates::default();
    let client = ip("192.0.2.1");
    for expected in
        [Ok(()), Ok(()), exceeded(RateEvent::Connection, 3, 2), exceeded(RateEvent::Connection, 4, 2)]
    {
        assert_eq!(rates.connected(&limits, client, at(0)), expected);
        if expected.is_ok() {
            rates.disconnected(&limits, client);
        }
    }
    assert_eq!(rates.connected(&limits, client, at(60)), Ok(()));
}

#[test]
fn a_network_is_one_client() {
    let limits = limiting(|limits| {
        limits.connection_count_max = 1;
        limits.ipv4_prefix_bits = 24;
    });
    let mut rates = Rates::default();
    assert!(rates.connected(&limits, ip("192.0.2.1"), at(0)).is_ok());
    assert!(rates.connected(&limits, ip("192.0.2.255"), at(0)).is_err());
    assert!(rates.connected(&limits, ip("192.0.3.0"), at(0)).is_ok());
    // 84 bits of an IPv6 address, of connections at a time 64.
    assert!(rates.connected(&limits, ip("2001:db8:0:0:0:1::1"), at(0)).is_ok());
    assert!(rates.connected(&limits, ip("2001:db8:0:0:ffff::1"), at(0)).is_err());
    assert!(rates.connected(&limits, ip("2001:db8:0:1::1"), at(0)).is_ok());
    let mails = limiting(|limits| limits.message_rate_max = 1);
    let mut mail = |client| rates.happened(&mails, ip(client), RateEvent::Message, at(0)).is_ok();
    assert!(mail("2001:db8:0:0:0:1::1"));
    assert!(!mail("2001:db8:0:0:0:0fff:ffff:ffff"));
    assert!(mail("2001:db8:0:0:0:1000::1"));
    for bits in [0, 32] {
        let limits = limiting(|limits| {
            limits.connection_count_max = 1;
            limits.ipv4_prefix_bits = bits;
        });
        let mut rates = Rates::default();
        assert!(rates.connected(&limits, ip("192.0.2.1"), at(0)).is_ok());
        assert_eq!(rates.connected(&limits, ip("192.0.2.2"), at(0)).is_ok(), bits == 32);
    }
}

#[test]
fn who_is_excepted_is_not_counted() {
    let exceptions = MatchList::parse("10.0.0.0/8", false, &Opener::new(&|_| Err("no files".into()))).list;
    let limits = limiting(|limits| {
        limits.connection_count_max = 1;
        limits.message_rate_max = 1;
        limits.exceptions = exceptions;
    });
    let mut rates = Rates::default();
    for _ in 0..5 {
        assert_eq!(rates.connected(&limits, ip("10.1.2.3"), at(0)), Ok(()));
        assert_eq!(rates.happened(&limits, ip("10.1.2.3"), RateEvent::Message, at(0)), Ok(()));
    }
    assert_eq!(rates.clients(), 0);
}

fn numbered(number: u32) -> IpAddr {
    IpAddr::from(Ipv4Addr::from_bits(0xC000_0200 + number))
}

#[test]
fn a_table_full_of_those_who_are_connected_lets_nobody_else_in() {
    let limits = limiting(|limits| {
        limits.clients_max = 100;
        limits.message_rate_max = 1;
    });
    let mut rates = Rates::default();
    for number in 0..100 {
        rates.connected(&limits, numbered(number), at(0)).unwrap();
    }
    assert!(rates.connected(&limits, numbered(100), at(1_000)).is_err());
    assert_eq!(rates.happened(&limits, numbered(0), RateEvent::Message, at(1_000)), Ok(()));
    rates.disconnected(&limits, numbered(7));
    assert!(rates.connected(&limits, numbered(100), at(1_000)).is_ok());
    assert_eq!(rates.clients(), 100);
}

#[test]
fn a_full_table_forgets_those_whose_time_is_over() {
    let limits = limiting(|limits| {
        limits.clients_max = 100;
        limits.message_rate_max = 1;
    });
    let mut rates = Rates::default();
    for number in 0..100 {
        rates.connected(&limits, numbered(number), at(0)).unwrap();
        if number > 0 {
            rates.disconnected(&limits, numbered(number));
        }
    }
    assert!(rates.connected(&limits, numbered(101), at(63)).is_ok());
    assert_eq!(rates.clients(), 2, "the one still connected, and the new one");
    assert!(rates.happened(&limits, numbered(0), RateEvent::Message, at(63)).is_ok());
}

#[test]
fn who_fills_the_table_drives_out_himself() {
    let limits = limiting(|limits| {
        limits.clients_max = 100;
        limits.message_rate_max = 1;
    });
    let mut rates = Rates::default();
    let mut mail = |client: IpAddr| rates.happened(&limits, client, RateEvent::Message, at(0)).is_ok();
    assert!(mail(ip("198.51.100.1")) && mail(ip("198.51.100.2")));
    for number in 0..1_000 {
        assert!(mail(ip(&format!("2001:db8:0:{number:x}::1"))), "{number}");
    }
    assert!(!mail(ip("198.51.100.1")) && !mail(ip("198.51.100.2")), "who has had his is still known");
    assert!(mail(ip("203.0.113.1")), "and who comes new is taken");
    assert_eq!(rates.clients(), 100);
}

#[test]
fn nothing_is_kept_of_who_is_refused_and_has_no_limits() {
    let (limits, mut rates) = (limiting(|limits| limits.connection_count_max = 1), Rates::default());
    rates.connected(&limits, ip("2001:db8::1"), at(0)).unwrap();
    for host in 1..10 {
        // Other networks, where connections are not counted by them.
        assert!(rates.connected(&limits, ip(&format!("2001:db8::{host}000:0:0:1")), at(0)).is_err());
    }
    assert_eq!(rates.clients(), 1);
}

/// In the words of Postfix's `anvil`.
#[test]
fn the_highest_counts_are_told_once() {
    let limits = limiting(|limits| limits.message_rate_max = 2);
    let mut rates = Rates::default();
    for client in ["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"] {
        rates.connected(&limits, ip(client), at(1)).unwrap();
    }
    for (client, second) in
        [("192.0.2.2", 2), ("192.0.2.1", 3), ("192.0.2.1", 4), ("192.0.2.1", 5), ("192.0.2.2", 6)]
    {
        let _ = rates.happened(&limits, ip(client), RateEvent::Message, at(second));
    }
    let mut told = || {
        rates.take_statistics(&limits, "smtp", |at| {
            format!("{}s", at.saturating_since(Instant::ORIGIN).as_secs())
        })
    };
    assert_eq!(
        told(),
        [
            "statistics: max message rate 3/60s for (smtp:192.0.2.1) at 5s",
            "statistics: max connection count 2 for (smtp:192.0.2.1) at 1s",
            "statistics: max cache size 2 at 1s",
        ]
    );
    assert_eq!(told(), [""; 0]);
}

#[test]
fn without_limits_nothing_is_kept() {
    let (limits, mut rates) = (
        limiting(|limits| {
            limits.connection_count_max = 0;
            limits.clients_max = 1;
        }),
        Rates::default(),
    );
    for last in 0..10 {
        assert_eq!(rates.connected(&limits, IpAddr::from([192, 0, 2, last]), at(0)), Ok(()));
        assert_eq!(
            rates.happened(&limits, IpAddr::from([192, 0, 2, last]), RateEvent::Recipient, at(0)),
            Ok(())
        );
    }
    assert_eq!(rates.clients(), 0);
}

#[test]
fn limits_are_parameters() {
    let opener = Opener::new(&|_| Err("no files".into()));
    let mut parameters = Parameters::default();
    let compiled = RateLimits::compile(&parameters, &opener, &mut Vec::new()).unwrap();
    assert_eq!(
        format!("{compiled:?}"),
        format!("{:?}", RateLimits::default()),
        "both are Postfix's defaults"
    );
    for (name, value) in [
        ("mynetworks", "10.0.0.0/8"),
        ("smtpd_client_connection_count_limit", "1"),
        ("smtpd_client_connection_rate_limit", "2"),
        ("smtpd_client_message_rate_limit", "3"),
        ("smtpd_client_recipient_rate_limit", "4"),
        ("smtpd_client_new_tls_session_rate_limit", "5"),
        ("smtpd_client_auth_rate_limit", "6"),
        ("smtpd_client_event_limit_exceptions", "$mynetworks, 192.0.2.9"),
        ("smtpd_client_ipv4_prefix_length", "24"),
        ("smtpd_client_ipv6_prefix_length", "64"),
        ("anvil_rate_time_unit", "2m"),
    ] {
        parameters.set(name, value).unwrap();
    }
    let limits = RateLimits::compile(&parameters, &opener, &mut Vec::new()).unwrap();
    let counts = [
        limits.connection_count_max,
        limits.connection_rate_max,
        limits.message_rate_max,
        limits.recipient_rate_max,
        limits.new_tls_session_rate_max,
        limits.auth_rate_max,
    ];
    assert_eq!(counts, [1, 2, 3, 4, 5, 6]);
    assert_eq!((limits.ipv4_prefix_bits, limits.ipv6_prefix_bits), (24, 64));
    assert_eq!(limits.time_unit, Duration::from_secs(120));
    let mut rates = Rates::default();
    for client in ["10.1.2.3", "10.1.2.3", "192.0.2.9", "192.0.2.9", "192.0.2.1"] {
        assert!(rates.connected(&limits, ip(client), at(0)).is_ok(), "{client}");
    }
    // Who is not counted leaves no gap in the count of his neighbours.
    rates.disconnected(&limits, ip("192.0.2.9"));
    assert!(rates.connected(&limits, ip("192.0.2.2"), at(0)).is_err());
    parameters.set("smtpd_client_event_limit_exceptions", "192.0.2.9, .partner.test").unwrap();
    let mut warnings = Vec::new();
    RateLimits::compile(&parameters, &opener, &mut warnings).unwrap();
    let told: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "smtpd_client_event_limit_exceptions: .partner.test: clients are counted before they have a name, so a name \
            excepts nobody"
        ]
    );
    parameters.set("smtpd_client_event_limit_exceptions", "1.2.3").unwrap();
    let error = RateLimits::compile(&parameters, &opener, &mut Vec::new()).unwrap_err().to_string();
    assert!(error.starts_with("smtpd_client_event_limit_exceptions: 1.2.3"), "{error}");
}

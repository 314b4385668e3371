//! Greylisting: who waits, who passes, what is forgotten, and what a full table does.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use proto_core::UnixTime;
use relay_policy::delegation::Attributes;
use relay_policy::greylist::{Greylist, GreylistEntry, GreylistOptions, Greylisted};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

const DAY: i64 = 24 * 60 * 60;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn wait(seconds: u32) -> Greylisted {
    Greylisted::Wait { seconds }
}

#[test]
fn who_comes_again_passes() {
    let mut greylist = Greylist::new(GreylistOptions::default());
    let mut ask = |client: &str, sender: &str, recipient: &str, at: i64| {
        greylist.ask(ip(client), sender, recipient, UnixTime(1_000_000 + at))
    };
    assert_eq!(ask("192.0.2.1", "a@x.example", "b@y.example", 0), wait(60));
    assert_eq!(ask("192.0.2.1", "a@x.example", "b@y.example", 10), wait(50));
    // Each of the three counts, the client by its network, addresses in any case.
    assert_eq!(ask("192.0.3.1", "a@x.example", "b@y.example", 60), wait(60));
    assert_eq!(ask("192.0.2.1", "c@x.example", "b@y.example", 60), wait(60));
    assert_eq!(ask("192.0.2.1", "a@x.example", "c@y.example", 60), wait(60));
    assert_eq!(ask("192.0.2.1", "", "b@y.example", 60), wait(60));
    assert_eq!(ask("192.0.2.200", "A@X.example", "b@Y.example", 60), Greylisted::Pass);
    assert_eq!(ask("::ffff:192.0.2.7", "a@x.example", "b@y.example", 61), Greylisted::Pass);
    // Whoever passed is known for long, whoever did not come again is not.
    assert_eq!(ask("192.0.2.1", "a@x.example", "b@y.example", 61 + 35 * DAY - 1), Greylisted::Pass);
    assert_eq!(ask("192.0.2.1", "c@x.example", "b@y.example", 60 + 2 * DAY), wait(60));
    assert_eq!(ask("192.0.2.1", "a@x.example", "b@y.example", 71 * DAY), wait(60));
}

#[test]
fn a_clock_that_goes_back_lets_nobody_wait_for_ever() {
    let mut greylist = Greylist::new(GreylistOptions::default());
    let mut ask = |at| greylist.ask(ip("192.0.2.1"), "a@x.example", "b@y.example", UnixTime(at));
    assert_eq!(ask(i64::MAX), wait(60));
    assert_eq!(ask(i64::MIN), wait(60));
    assert_eq!(ask(i64::MAX), wait(60));
}

#[test]
fn a_network_that_passed_often_is_asked_no_more() {
    let mut greylist = Greylist::new(GreylistOptions { auto_allow_after: 2, ..GreylistOptions::default() });
    let mut ask = |sender: &str, at| greylist.ask(ip("2001:db8::1"), sender, "b@y.example", UnixTime(at));
    assert_eq!(ask("1@x.example", 0), wait(60));
    assert_eq!(ask("2@x.example", 0), wait(60));
    for _ in 0..5 {
        // The same one again is not another one.
        assert_eq!(ask("1@x.example", 60), Greylisted::Pass);
    }
    assert_eq!(ask("3@x.example", 60), wait(60));
    assert_eq!(ask("2@x.example", 60), Greylisted::Pass);
    assert_eq!(ask("4@x.example", 60), Greylisted::Pass);
    assert_eq!(ask("5@x.example", 60 + 35 * DAY - 1), Greylisted::Pass);
    assert_eq!(ask("6@x.example", 60 + 70 * DAY), wait(60));
}

#[test]
fn what_is_known_can_be_put_back() {
    let mut greylist = Greylist::new(GreylistOptions::default());
    let ask = |greylist: &mut Greylist, sender: &str, at| {
        greylist.ask(ip("192.0.2.1"), sender, "b@y.example", UnixTime(at))
    };
    ask(&mut greylist, "a@x.example", 0);
    ask(&mut greylist, "a@x.example", 60);
    ask(&mut greylist, "c@x.example", 100);
    let written =
        |greylist: &Greylist| greylist.entries().map(|entry| format!("{entry:?}")).collect::<BTreeSet<_>>();
    let mut again = Greylist::new(GreylistOptions::default());
    for entry in greylist.entries() {
        again.restore(entry.to_string().parse().unwrap(), UnixTime(120));
    }
    assert_eq!((written(&again), again.len()), (written(&greylist), 3));
    assert_eq!(ask(&mut again, "a@x.example", 121), Greylisted::Pass);
    assert_eq!(ask(&mut again, "c@x.example", 121), wait(39));
    let mut late = Greylist::new(GreylistOptions::default());
    for entry in greylist.entries() {
        late.restore(entry, UnixTime(60 + 35 * DAY));
    }
    assert!(late.is_empty());
}

#[test]
fn a_full_table_lets_nobody_by() {
    let options = GreylistOptions { waiting_max: 3, entries_max: 10, ..GreylistOptions::default() };
    let mut greylist = Greylist::new(options);
    let mut ask = |network: u32, pair: u32, at| {
        let client = IpAddr::from(Ipv4Addr::from_bits(network << 8));
        let asked = greylist.ask(client, &format!("{pair}@x.example"), "b@y.example", UnixTime(at));
        (asked, greylist.len())
    };
    // One network has three that wait and no more: the oldest makes room.
    for pair in 0..3 {
        assert_eq!(ask(1, pair, i64::from(pair)).0, wait(60));
    }
    assert_eq!(ask(1, 3, 3), (wait(60), 4));
    assert_eq!(ask(1, 1, 63), (Greylisted::Pass, 4), "who was remembered passes in time");
    assert_eq!(ask(1, 0, 63), (wait(60), 5), "who was not begins again");
    // All of them have ten entries: each network is one.
    assert_eq!(ask(2, 0, 64), (wait(60), 7));
    assert_eq!(ask(3, 0, 64), (wait(60), 9));
    assert_eq!(ask(3, 1, 64), (wait(60), 10));
    // The first network has three that wait, more than any other, and then two, as the third.
    assert_eq!(ask(3, 2, 65), (wait(60), 10));
    assert_eq!(ask(1, 3, 66), (Greylisted::Pass, 10), "younger than the one that made room");
    assert_eq!(ask(4, 0, 67), (wait(60), 10));
    assert_eq!(ask(2, 0, 124), (Greylisted::Pass, 10), "it has one, and waits");
    assert_eq!(ask(3, 2, 125), (Greylisted::Pass, 10));
    assert_eq!(ask(3, 0, 126).0, wait(60), "the oldest of those that flood");
}

#[test]
fn a_flood_does_not_switch_it_off() {
    let mut greylist = Greylist::new(GreylistOptions { entries_max: 500, ..GreylistOptions::default() });
    let mut ask =
        |client: &str, sender: &str, at| greylist.ask(ip(client), sender, "b@y.example", UnixTime(at));
    assert_eq!(ask("198.51.100.1", "a@x.example", 0), wait(60));
    for at in 0..3000 {
        let asked = ask("192.0.2.1", &format!("{at}@x.example"), at / 60);
        assert_eq!(asked, wait(60), "{at}");
    }
    assert_eq!(ask("198.51.100.1", "a@x.example", 60), Greylisted::Pass);
    // Also where all that is known has passed.
    let options = GreylistOptions { entries_max: 20, auto_allow_after: 0, ..GreylistOptions::default() };
    let mut greylist = Greylist::new(options);
    for at in 0..100 {
        let sender = format!("{at}@x.example");
        assert_eq!(greylist.ask(ip("192.0.2.1"), &sender, "b@y.example", UnixTime(100 * at)), wait(60));
        let passes = greylist.ask(ip("192.0.2.1"), &sender, "b@y.example", UnixTime(100 * at + 60));
        assert_eq!((passes, greylist.len() <= 20), (Greylisted::Pass, true), "{at}");
    }
}

/// Asks for so many networks of one client each, which never come again.
fn flood(greylist: &mut Greylist, networks: impl Iterator<Item = String>, at: i64) {
    for network in networks {
        let asked = greylist.ask(ip(&network), "junk@z.example", "b@y.example", UnixTime(at));
        assert_eq!(asked, wait(60), "{network}");
    }
}

#[test]
fn a_flood_from_networks_beside_each_other_drives_out_itself() {
    let mut greylist = Greylist::new(GreylistOptions { entries_max: 500, ..GreylistOptions::default() });
    let sender = |number: usize| format!("{number}@x.example");
    let ask = |greylist: &mut Greylist, number, at| {
        greylist.ask(ip("198.51.100.1"), &sender(number), "b@y.example", UnixTime(at))
    };
    for number in 0..9 {
        assert_eq!(ask(&mut greylist, number, 0), wait(60));
    }
    flood(&mut greylist, (0..5000).map(|network| format!("2001:db8:0:{network:x}::1")), 1);
    flood(&mut greylist, (0..5000).map(|network| format!("2001:db8:1:{network:x}::1")), 2);
    for number in 0..9 {
        assert_eq!(ask(&mut greylist, number, 60), Greylisted::Pass, "{number}");
    }
}

#[test]
fn a_flood_from_everywhere_does_not_drive_out_who_comes_again() {
    let mut greylist = Greylist::new(GreylistOptions { entries_max: 500, ..GreylistOptions::default() });
    let ask = |greylist: &mut Greylist, number: usize, at| {
        greylist.ask(ip("198.51.100.1"), &format!("{number}@x.example"), "b@y.example", UnixTime(at))
    };
    for number in 0..3 {
        assert_eq!(ask(&mut greylist, number, 0), wait(60));
        assert_eq!(ask(&mut greylist, number, 60), Greylisted::Pass);
    }
    for number in 10..13 {
        assert_eq!(ask(&mut greylist, number, 61), wait(60));
    }
    flood(&mut greylist, (0..2000).map(|net| format!("2001:db8:{net:x}::1")), 62);
    for number in 10..13 {
        assert_eq!(ask(&mut greylist, number, 121), Greylisted::Pass, "{number}");
    }
}

#[test]
fn networks_that_passed_do_not_fill_it_for_ever() {
    let mut greylist = Greylist::new(GreylistOptions { entries_max: 100, ..GreylistOptions::default() });
    for network in 0..200 {
        let client = IpAddr::from(Ipv4Addr::from_bits(network << 8));
        let ask = |greylist: &mut Greylist, at| greylist.ask(client, "", "b@y.example", UnixTime(at));
        assert_eq!(ask(&mut greylist, 0), wait(60), "{network}");
        assert_eq!(ask(&mut greylist, 60), Greylisted::Pass, "{network}");
        assert!(greylist.len() <= 100);
    }
}

#[test]
fn an_entry_is_put_back_where_it_belongs() {
    let mut greylist = Greylist::new(GreylistOptions { auto_allow_after: 1, ..GreylistOptions::default() });
    // Written by a program whose networks were larger or smaller.
    greylist.restore(
        GreylistEntry::Network { network: ip("192.0.2.128"), passed: 1, last: UnixTime(0) },
        UnixTime(10),
    );
    assert_eq!(greylist.ask(ip("192.0.2.1"), "", "b@y.example", UnixTime(20)), Greylisted::Pass);
}

#[test]
fn an_entry_is_a_line() {
    let pair = |sender: &str, recipient: &str, passed| GreylistEntry::Pair {
        network: ip("2001:db8::"),
        sender: sender.into(),
        recipient: recipient.into(),
        first: UnixTime(-5),
        passed,
    };
    for (entry, line) in [
        (pair("", "b@y.example", None), "pair 2001:db8:: -5 - <> <b@y.example>"),
        (pair("\"a b\"@x", "b", Some(UnixTime(9))), "pair 2001:db8:: -5 9 <\"a%20b\"@x> <b>"),
        (pair("50%\n\u{7f}>é", "<>", None), "pair 2001:db8:: -5 - <50%25%0a%7f>é> <<>>"),
        (
            GreylistEntry::Network { network: ip("192.0.2.0"), passed: 3, last: UnixTime(7) },
            "network 192.0.2.0 3 7",
        ),
    ] {
        assert_eq!(entry.to_string(), line);
        assert_eq!(line.parse(), Ok(entry), "{line}");
    }
    for wrong in [
        "",
        "pair",
        "network 192.0.2.0 3",
        "network 192.0.2.0 x 7",
        "network x 3 7",
        "pair 192.0.2.0 1 - <a> b",
        "pair 192.0.2.0 1 - <a%2> <b>",
        "pair 192.0.2.0 1 - <a%ff> <b>",
        "pair 192.0.2.0 1 - <a> <b> c",
        "other 192.0.2.0 3 7",
    ] {
        assert!(wrong.parse::<GreylistEntry>().is_err(), "{wrong}");
    }
}

#[test]
fn a_request_of_a_policy_service_is_decided() {
    let mut greylist = Greylist::new(GreylistOptions::default());
    let mut decide = |changed: &[(&str, &str)], at| {
        let mut attributes = Attributes::default();
        let common = [
            ("client_address", "192.0.2.1"),
            ("protocol_state", "RCPT"),
            ("sender", "a@x.example"),
            ("recipient", "b@y.example"),
        ];
        for (name, value) in common.iter().chain(changed) {
            attributes.set(name, value).unwrap();
        }
        greylist.decide(&attributes, UnixTime(at))
    };
    const WAIT: &str = "DEFER_IF_PERMIT Service temporarily unavailable";
    assert_eq!(decide(&[], 0), WAIT);
    // Only recipients of strangers wait.
    assert_eq!(decide(&[("protocol_state", "DATA")], 0), "DUNNO");
    assert_eq!(decide(&[("sasl_username", "alice")], 0), "DUNNO");
    assert_eq!(decide(&[("client_address", "::")], 0), "DUNNO");
    assert_eq!(decide(&[("client_address", "")], 0), "DUNNO");
    assert_eq!(decide(&[], 30), WAIT);
    assert_eq!(decide(&[], 61), "DUNNO");
}

/// D019: the eleventh mail of a network of which ten have passed, whoever it is from.
#[test]
fn d019_who_has_passed_ten_times_does_not_wait() {
    let mut greylist = Greylist::new(GreylistOptions::default());
    let mut ask = |sender: usize, at| {
        greylist.ask(ip("192.0.2.1"), &format!("{sender}@x.example"), "b@y.example", UnixTime(at))
    };
    for sender in 0..10 {
        assert_eq!((ask(sender, 0), ask(sender, 61)), (wait(60), Greylisted::Pass));
    }
    assert_eq!(ask(10, 62), Greylisted::Pass);
}

//! What is found in lists before anybody is asked: doubts, restrictions that there are not, guards that guard nothing.

#![allow(clippy::unwrap_used, reason = "a test")]

use relay_policy::Parameters;
use relay_policy::access::{AccessError, AccessPolicy};
use relay_policy::table::Opener;

#[test]
fn doubts_name_their_rule_and_their_place() {
    let doubts = |lines: &[(&str, &str)]| {
        let mut parameters = Parameters::default();
        parameters.set("smtpd_relay_restrictions", "permit_mynetworks, reject_unauth_destination").unwrap();
        for (name, value) in lines {
            parameters.set(name, value).unwrap();
        }
        let policy =
            AccessPolicy::compile_unguarded(parameters, &Opener::new(&|_| Err("no files".into()))).unwrap();
        policy.doubts().iter().map(|doubt| format!("{} {}", doubt.id, doubt.parameter)).collect::<Vec<_>>()
    };
    let recipient = "smtpd_recipient_restrictions";
    let relay = "smtpd_relay_restrictions";
    let none: [String; 0] = [];
    assert_eq!(doubts(&[]), none);
    assert_eq!(doubts(&[(relay, "permit_mynetworks")]), ["L01 smtpd_relay_restrictions"]);
    let hole = "permit_mynetworks, check_helo_access inline:{a=OK}, reject_unauth_destination";
    assert_eq!(doubts(&[(relay, ""), (recipient, hole)]), ["L02 smtpd_recipient_restrictions"]);
    assert_eq!(
        doubts(&[(
            "mynetworks",
            "10.0.0.0/8 192.0.2.0/24 198.0.0.0/8 [2001:db8::]/32 [2000::]/3 !11.0.0.0/8"
        )]),
        ["L03 mynetworks", "L03 mynetworks"]
    );
    assert_eq!(
        doubts(&[(recipient, "warn_if_reject reject, permit, reject")]),
        ["L04 smtpd_recipient_restrictions"]
    );
    assert_eq!(
        doubts(&[(recipient, "reject_nonsense, check_relay_domains")]),
        ["L05 smtpd_recipient_restrictions", "L27 smtpd_recipient_restrictions"]
    );
    let classes =
        [("smtpd_restriction_classes", "a, b, c"), ("a", "b"), ("b", "c, a"), ("c", "permit_mynetworks")];
    assert_eq!(doubts(&classes), ["L06 a", "L06 b"]);
    assert_eq!(doubts(&[("smtpd_data_restrictions", "inline:{a=OK}")]), ["L07 smtpd_data_restrictions"]);
    assert_eq!(
        doubts(&[("mydestination", "a.test"), ("relay_domains", "b.test A.test")]),
        ["L14 relay_domains"]
    );
    // The usual mistake: a virtual domain that is this machine's, too (R113).
    let table = "inline:{a.test=x, ann@a.test=ann, ann=x, b.test=x}";
    assert_eq!(
        doubts(&[("mydestination", "a.test, ann"), ("virtual_alias_maps", table)]),
        ["L14 virtual_alias_domains"]
    );
    let both = [("virtual_mailbox_domains", "inline:{a.test=x}"), ("relay_domains", "inline:{a.test=x}")];
    assert_eq!(doubts(&both), ["L14 relay_domains"]);
    assert_eq!(doubts(&[("mydestination", "c.test"), ("virtual_alias_maps", table)]), none);
    let backup = "permit_mynetworks, permit_mx_backup, reject_unauth_destination";
    assert_eq!(doubts(&[(relay, backup)]), ["L15 smtpd_relay_restrictions"]);
    assert_eq!(doubts(&[(relay, backup), ("permit_mx_backup_networks", "192.0.2.0/24")]), none);
    let helo = ("smtpd_helo_restrictions", "reject_invalid_helo_hostname");
    assert_eq!(doubts(&[helo]), none);
    assert_eq!(doubts(&[helo, ("smtpd_helo_required", "no")]), ["L22 smtpd_helo_restrictions"]);
    let asked = "check_policy_service inet:localhost:10023";
    assert_eq!(doubts(&[("smtpd_sender_restrictions", asked)]), ["L16 smtpd_sender_restrictions"]);
    assert_eq!(doubts(&[(recipient, asked)]), none);
    assert_eq!(doubts(&[(recipient, "reject_unauth_pipelining")]), ["L17 smtpd_recipient_restrictions"]);
    let data = ("smtpd_data_restrictions", "reject_unauth_pipelining");
    assert_eq!(doubts(&[data]), none);
    assert_eq!(doubts(&[(recipient, "reject_unauth_pipelining"), data]), none, "there, too");
}

#[test]
fn a_guard_behind_a_permit_for_all_is_no_guard() {
    let compiled = |relay: &str, class: &str| {
        let mut parameters = Parameters::default();
        parameters.set("smtpd_restriction_classes", "ours, again").unwrap();
        parameters.set("ours", class).unwrap();
        parameters.set("again", "again").unwrap();
        parameters.set("smtpd_relay_restrictions", relay).unwrap();
        AccessPolicy::compile(parameters, &Opener::new(&|_| Err("no files".into())))
    };
    for (relay, class) in [
        ("check_sender_access static:OK, reject_unauth_destination", "reject"),
        ("check_client_access static:OK, reject_unauth_destination", "reject"),
        ("check_helo_access static:{permit_mynetworks, permit}, ours", "permit"),
        ("check_recipient_access static:250, reject_unauth_destination", "reject"),
        ("static:OK, reject_unauth_destination", "reject"),
        ("ours, reject_unauth_destination", "permit_mynetworks, permit"),
        ("again, ours", "warn_if_reject reject"),
        ("check_client_access cidr:{{0.0.0.0/0 OK}}, reject_unauth_destination", "reject"),
        ("check_client_access regexp:{{/./ OK}}, reject_unauth_destination", "reject"),
        (
            "check_sender_access static:{permit_sasl_authenticated, permit}, reject_unauth_destination",
            "reject",
        ),
        ("warn_if_reject ours", "reject"),
    ] {
        assert_eq!(compiled(relay, class).unwrap_err(), AccessError::OpenRelay, "{relay}; {class}");
    }
    for (relay, class) in [
        ("check_sender_access static:DUNNO, reject_unauth_destination", "reject"),
        ("check_sasl_access static:OK, reject_unauth_destination", "reject"),
        ("permit_mynetworks, ours", "permit_sasl_authenticated, reject_unauth_destination"),
        ("again, ours", "reject"),
    ] {
        assert!(compiled(relay, class).is_ok(), "{relay}; {class}");
    }
    let doubts = |relay: &str| {
        let doubts = compiled(relay, "reject").unwrap().doubts();
        let doubts = doubts.iter().filter(|doubt| doubt.id != "L06");
        doubts.map(|doubt| format!("{} {}", doubt.id, doubt.text)).collect::<Vec<_>>()
    };
    let made_up = doubts("check_sender_access inline:{boss@a.test=OK}, reject_unauth_destination");
    assert_eq!(made_up.len(), 1, "{made_up:?}");
    assert!(
        made_up[0].starts_with("L02 check_sender_access inline:{boss@a.test=OK} permits ("),
        "{made_up:?}"
    );
    assert!(made_up[0].contains("every stranger can have such a sender"), "{made_up:?}");
    assert_eq!(doubts("check_helo_access inline:{a.test=permit}, reject_unauth_destination").len(), 1);
    assert_eq!(doubts("check_client_access inline:{unknown=OK}, reject_unauth_destination").len(), 1);
    let later = "check_sender_access inline:{{boss@a.test=permit_sasl_authenticated, permit}}, reject_unauth_destination";
    assert_eq!(doubts(later).len(), 1);
    for several in [
        "check_sender_access unionmap:{inline:{a.test=DUNNO},inline:{boss@a.test=OK}}, reject_unauth_destination",
        "check_sender_access pipemap:{inline:{boss@a.test=b},inline:{b=OK}}, reject_unauth_destination",
        "check_helo_access unionmap:{static:OK,inline:{a=DUNNO}}, reject_unauth_destination",
    ] {
        let doubts = doubts(several);
        assert!(doubts.len() == 1 && doubts[0].starts_with("L02 "), "{several}: {doubts:?}");
    }
    let within =
        compiled("ours, reject_unauth_destination", "check_sender_access inline:{boss@a.test=OK}").unwrap();
    assert!(within.doubts().iter().any(|doubt| doubt.id == "L02"));
    for fine in [
        "check_sender_access inline:{{boss@a.test=permit_sasl_authenticated, reject, permit}}, reject_unauth_destination",
        "check_client_access cidr:{{192.0.2.0/24 OK}}, reject_unauth_destination",
        "check_sender_access inline:{boss@a.test=DUNNO}, reject_unauth_destination",
        "check_sender_access pipemap:{inline:{boss@a.test=OK},inline:{b=OK}}, reject_unauth_destination",
        "check_client_access inline:{192.0.2.1=OK}, reject_unauth_destination",
        "reject_unauth_destination, check_sender_access inline:{boss@a.test=OK}",
    ] {
        assert_eq!(doubts(fine), [""; 0], "{fine}");
    }
}

#[test]
fn the_whole_world_is_known_however_it_is_written() {
    let doubts = |name: &str, value: &str| {
        let mut parameters = Parameters::default();
        parameters.set(name, value).unwrap();
        let compiled = AccessPolicy::compile(parameters, &Opener::new(&|_| Err("no files".into())));
        compiled.map(|policy| policy.doubts().iter().filter(|doubt| doubt.id == "L03").count())
    };
    for world in [
        "0.0.0.0/0",
        "static:all",
        "cidr:{{0.0.0.0/0 x}}",
        "0.0.0.0/1, 128.0.0.0/1",
        "!203.0.113.0/24, 0.0.0.0/2, 64.0.0.0/2, 128.0.0.0/2, 192.0.0.0/2",
        "[2000::]/3",
        "unionmap:{inline:{192.0.2.1=x},cidr:{{0.0.0.0/0 x}}}",
    ] {
        let error = doubts("mynetworks", world).unwrap_err().to_string();
        assert!(error.contains("this is the whole world"), "{world}: {error}");
    }
    assert_eq!(doubts("mynetworks", "0.0.0.0/1"), Ok(1));
    assert_eq!(doubts("mynetworks", "10.0.0.0/8, 192.0.2.0/24, cidr:{{192.0.2.0/24 x}}"), Ok(0));
    for (domains, told) in [
        ("static:all", 1),
        ("com", 1),
        ("test, example.com", 1),
        ("example.com, !org", 0),
        ("inline:{a.test=x}", 0),
    ] {
        assert_eq!(doubts("relay_domains", domains), Ok(told), "{domains}");
    }
}

#[test]
fn lists_that_refuse_everybody_are_found_beforehand() {
    let checked = |name: &str, list: &str| {
        let mut parameters = Parameters::default();
        parameters.set("smtpd_relay_restrictions", "reject_unauth_destination").unwrap();
        parameters.set("smtpd_restriction_classes", "ours").unwrap();
        parameters.set("ours", "permit_mynetworks").unwrap();
        parameters.set(name, list).unwrap();
        let policy = AccessPolicy::compile(parameters, &Opener::new(&|_| Err("no files".into()))).unwrap();
        policy.check_lists().map_err(|error| error.to_string())
    };
    let client = "smtpd_client_restrictions";
    for (name, list, why) in [
        (
            client,
            "permit_mynetwork",
            "unknown smtpd restriction: \"permit_mynetwork\"; did you mean permit_mynetworks?",
        ),
        (client, "our", "unknown smtpd restriction: \"our\"; did you mean ours?"),
        (client, "let_nobody_in", "unknown smtpd restriction: \"let_nobody_in\""),
        (client, "check_client_access", "restriction check_client_access must be followed by type:table"),
        (
            client,
            "check_policy_service greylst:",
            "restriction check_policy_service must be followed by transport:server (inet:host:port, unix:path, or greylist: for this \
             server's own)",
        ),
        ("ours", "ours", "this class comes to itself again, without an end"),
        (
            "smtpd_data_restrictions",
            "inline:{a=OK}",
            "inline:{a=OK} needs the name of a check in front of it",
        ),
    ] {
        assert_eq!(checked(name, list), Err(format!("{name}: {why}")), "{list}");
    }
    let service =
        checked(client, "check_policy_service {inet:localhost:1, default_acton=DUNNO}").unwrap_err();
    assert!(
        service.starts_with("smtpd_client_restrictions: restriction check_policy_service: "),
        "{service}"
    );
    assert!(checked(client, "check_relay_domains").unwrap_err().contains("has been removed"));
    // Odd, and yet it can be served.
    assert_eq!(checked(client, "permit, reject, check_client_access inline:{a.test=550}"), Ok(()));
}

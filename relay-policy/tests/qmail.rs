//! qmail's control files and tcpserver's rules: each case of the specification, and what is imported beside what it was.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use proptest::prelude::*;
use proto_core::address::{AddressSyntax, ForwardPath, ReversePath};
use relay_policy::access::{AccessPolicy, AccessStep};
use relay_policy::address::{Address, Expansion, Routing, VirtualAliases};
use relay_policy::qmail::{Imported, TcpRules, import};
use relay_policy::table::{Answers, Opener};
use relay_policy::{NameStatus, Parameters, Request, Stage};
use std::net::{IpAddr, Ipv4Addr};

const RULES: &str = r#"192.0.2.5:deny
192.0.2.:allow,RELAYCLIENT=""
198.51.100.1-9:deny
198.51.100.20-30:deny
198.51.101-103.:deny
joe@203.0.113.7:allow,X="joe"
203.0.113.7:allow,X="addr"
joe@203.0.113.:allow,X="n/a"
=good.example:allow,H=|host|
=.good.example:allow,H="sub"
127.:allow,RELAYCLIENT="@fixme"
10.:allow,A="1",B=/x,y/
=:allow,H="any name"
:allow,DEF="1"
"#;

#[test]
fn tcp_rules_as_specified() {
    let rules = TcpRules::parse(RULES).unwrap();
    let some = |text: &'static str| Some(text).filter(|text| !text.is_empty());
    for (id, client, user, host, address, allow, variables) in [
        ("TC01", "192.0.2.5", "", "", "192.0.2.5", false, ""),
        ("TC02", "192.0.2.9", "", "", "192.0.2.", true, "RELAYCLIENT="),
        ("TC03", "192.0.20.9", "", "", "", true, "DEF=1"),
        ("TC04", "198.51.100.3", "", "", "198.51.100.3", false, ""),
        ("TC05", "198.51.100.9", "", "", "198.51.100.9", false, ""),
        ("TC06", "198.51.100.10", "", "", "", true, "DEF=1"),
        ("TC07", "198.51.100.25", "", "", "198.51.100.25", false, ""),
        ("TC08", "198.51.102.7", "", "", "198.51.102.", false, ""),
        ("TC09", "203.0.113.7", "joe", "", "joe@203.0.113.7", true, "X=joe"),
        ("TC10", "203.0.113.7", "ann", "", "203.0.113.7", true, "X=addr"),
        ("TC11", "203.0.113.8", "joe", "", "", true, "DEF=1"),
        ("TC12", "203.0.113.8", "", "good.example", "=good.example", true, "H=host"),
        ("TC13", "203.0.113.7", "", "good.example", "203.0.113.7", true, "X=addr"),
        ("TC14", "203.0.113.8", "", "mx.good.example", "=.good.example", true, "H=sub"),
        ("TC15", "203.0.113.8", "", "x.other.example", "=", true, "H=any name"),
        ("TC16", "127.0.0.1", "", "", "127.", true, "RELAYCLIENT=@fixme"),
        ("TC17", "10.1.1.1", "", "", "10.", true, "A=1 B=x,y"),
        ("TC18", "8.8.8.8", "", "", "", true, "DEF=1"),
    ] {
        let rule = rules.look_up(client.parse().unwrap(), some(user), some(host)).unwrap();
        let set: Vec<String> = rule.variables.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!((&*rule.address, rule.allow, &*set.join(" ")), (address, allow, variables), "{id}");
    }
}

/// What `tcprules` writes: `D` for who is kept out, `+NAME=value`, each with a zero octet behind it.
#[test]
fn tcp_rules_that_are_compiled() {
    let compiled = |records: &[(&str, &str)]| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tcp.cdb");
        let mut writer = cdb2::CDBWriter::create(&path).unwrap();
        records.iter().for_each(|(key, data)| writer.add(key.as_bytes(), data.as_bytes()).unwrap());
        writer.finish().unwrap();
        #[expect(clippy::disallowed_methods, reason = "the other program writes to a file")]
        let octets = std::fs::read(&path).unwrap();
        octets
    };
    let octets = compiled(&[("192.0.2.5", "D\0"), ("192.0.2.", "+RELAYCLIENT=\0+X=a=b\0"), ("", "")]);
    let rules = TcpRules::from_cdb(octets.clone()).unwrap();
    let rule = |client: &str| rules.look_up(client.parse().unwrap(), None, None).unwrap();
    assert!(!rule("192.0.2.5").allow && rule("198.51.100.1").allow);
    assert_eq!(
        rule("192.0.2.9").variables,
        [("RELAYCLIENT".into(), String::new()), ("X".into(), "a=b".into())]
    );
    let imported = import(&[("me".to_string(), "a.test".to_string())].into(), Some(&rules));
    let networks = imported.parameters.iter().find(|(name, _)| name == "mynetworks").unwrap();
    assert_eq!(networks.1, "!192.0.2.5, 192.0.2.0/24");

    let error = |octets: Vec<u8>| TcpRules::from_cdb(octets).unwrap_err().to_string();
    assert_eq!(error(compiled(&[("a", "x\0")])), "a: \"x\" is nothing that tcprules writes");
    assert_eq!(error(octets[..2060].to_vec()), "the constant database is broken");
    assert_eq!(error(vec![0; 100]), "shorter than the header of a cdb");
}

#[test]
fn tcp_rules_at_the_edges() {
    let twice = TcpRules::parse("1.2.3.4:deny\n1.2.3.4:allow\n").unwrap();
    assert!(!twice.look_up([1, 2, 3, 4].into(), None, None).unwrap().allow, "TC19");
    assert_eq!(twice.rules().count(), 1);
    assert!(twice.look_up([9, 9, 9, 9].into(), None, None).is_none(), "TC21");
    for (text, said) in [
        ("1.2.3.4:maybe", "line 1: \"maybe\": expected allow or deny"),
        (
            "#\n\n1.2.3.4:allow,X=\"abc",
            "line 3: \"X=\\\"abc\": the value begins with \" and does not end with it",
        ),
        ("1.2.3.5 : deny", "line 1: a blank stands before the colon of \"1.2.3.5 : deny\"; take it out"),
        ("1.2.3.5", "line 1: \"1.2.3.5\" has no colon; expected address:allow or address:deny"),
        ("1.2.3.5:allow X", "line 1: \" X\": expected a comma"),
        ("1.2.3.5:allow,X", "line 1: \"X\": expected NAME=\"value\""),
    ] {
        assert_eq!(TcpRules::parse(text).unwrap_err().to_string(), said, "TC20");
    }
    // Only the last number is a range, and one that goes backwards is of none.
    let odd = TcpRules::parse("1.2.3.1-3.5:deny\n1.2.3.9-7:deny\n1.2.3.0-999:deny\n").unwrap();
    assert!(odd.look_up([1, 2, 3, 2].into(), None, None).is_none());
    assert!(odd.look_up([1, 2, 3, 8].into(), None, None).is_none());
}

fn imported(files: &[(&str, &str)], rules: Option<&str>) -> Imported {
    let files = files.iter().map(|(name, text)| ((*name).to_string(), (*text).to_string())).collect();
    import(&files, rules.map(|rules| TcpRules::parse(rules).unwrap()).as_ref())
}

fn parameters(imported: &Imported) -> Parameters {
    let mut parameters = Parameters::default();
    imported.parameters.iter().for_each(|(name, value)| parameters.set(name, value).unwrap());
    parameters
}

fn compiled(imported: &Imported) -> AccessPolicy {
    let read = |path: &str| {
        let table = imported.tables.iter().find(|(name, _)| name == path);
        table.map(|(_, text)| text.clone().into_bytes()).ok_or("no such file".to_string())
    };
    let policy = AccessPolicy::compile(parameters(imported), &Opener::new(&read)).unwrap();
    assert_eq!(policy.warnings(), []);
    policy
}

/// The reply to RCPT; `250` when it is taken.
fn rcpt(policy: &AccessPolicy, client: &str, host: Option<&str>, from: &str, to: &str) -> String {
    let mut request = Request::new(client.parse().unwrap());
    request.helo = Some("helo.test".into());
    request.sender =
        Some(ReversePath::parse_prefix(format!("<{from}>").as_bytes(), AddressSyntax::STRICT).unwrap().0);
    if let Some(host) = host {
        request.client_name = host.into();
        request.client_name_status = NameStatus::Ok;
    }
    let to = ForwardPath::parse_prefix(format!("<{to}>").as_bytes(), AddressSyntax::STRICT).unwrap().0;
    match policy.evaluate(&request, Stage::Rcpt(&to)).step() {
        AccessStep::Done(outcome) => outcome.refusal.map_or("250".into(), |reply| reply.to_string()),
        AccessStep::Needs(questions) => panic!("{questions:?}"),
    }
}

const STRANGER: &str = "203.0.113.200";

#[test]
fn domains_and_senders_as_specified() {
    let mut files = vec![
        ("me", "ours.example"),
        ("rcpthosts", "heaven.af.mil"),
        ("badmailfrom", "@spam.example\njoe@bad.test\n"),
    ];
    let taken = |files: &[(&str, &str)], rules: Option<&str>, from: &str, to: &str| {
        rcpt(&compiled(&imported(files, rules)), STRANGER, None, from, to)
    };
    assert_eq!(taken(&files, None, "a@b.test", "u@HEAVEN.af.mil"), "250", "QM1");
    assert!(taken(&files, None, "a@b.test", "u@below.heaven.af.mil").starts_with("553 5.7.1"));
    files[1].1 = ".heaven.af.mil";
    assert_eq!(
        taken(&files, None, "a@b.test", "u@heaven.af.mil"),
        "553 5.7.1 <u@heaven.af.mil>: Relay access denied",
        "QM2"
    );
    assert_eq!(taken(&files, None, "a@b.test", "u@a.heaven.af.mil"), "250", "QM3");
    assert_eq!(
        taken(&files, Some(":allow\n203.0.113.:allow,RELAYCLIENT=\"\""), "a@b.test", "u@any.test"),
        "250",
        "QM5"
    );
    let appended = Some("203.0.113.:allow,RELAYCLIENT=\"@fixme\"");
    assert!(
        taken(&files, appended, "a@b.test", "u@any.test").starts_with("553 5.7.1"),
        "QM6 is not carried over"
    );
    assert!(imported(&files, appended).notes.iter().any(|note| note.text.contains("RELAYCLIENT=\"@fixme\"")));
    for (from, refused) in [
        ("u@spam.example", true),
        ("u@SPAM.example", true),
        ("u@below.spam.example", false),
        ("joe@bad.test", true),
        ("jim@bad.test", false),
    ] {
        let reply = taken(&files, None, from, "u@a.heaven.af.mil");
        let said = "553 5.7.1 <u@spam.example>: Sender address rejected: sorry, your envelope sender is in my badmailfrom list (#5.7.1)";
        assert_eq!(reply != "250", refused, "QM7, {from}: {reply}");
        assert!(from != "u@spam.example" || reply == said, "{reply}");
    }
    // R88: wildcards of a patch, and exceptions from them.
    let plain = std::mem::replace(
        &mut files.iter_mut().find(|(name, _)| *name == "badmailfrom").unwrap().1,
        "@spam.example\n*@*.bulk.test\nno?ody[0-9]@x.test\n!good@*.bulk.test\n!ok@spam.example\nwhat is this\n[@\n",
    );
    for (from, refused) in [
        ("u@spam.example", true),
        ("ok@spam.example", false),
        ("u@below.spam.example", false),
        ("u@a.BULK.test", true),
        ("good@a.bulk.test", false),
        ("u@bulk.test", false),
        ("nobody7@x.test", true),
        ("nobodyx@x.test", false),
    ] {
        let reply = taken(&files, None, from, "u@a.heaven.af.mil");
        assert_eq!(reply != "250", refused, "R88, {from}: {reply}");
    }
    let notes = imported(&files, None).notes;
    let lines: Vec<usize> =
        notes.iter().filter(|note| note.file == "badmailfrom").map(|note| note.line).collect();
    assert_eq!(lines, [6, 7]);
    files.iter_mut().find(|(name, _)| *name == "badmailfrom").unwrap().1 = plain;
    // An address that hides another is nobody's.
    assert!(taken(&files, None, "a@b.test", "a%b.test@ours.example").starts_with("553 5.7.1"));

    files.remove(1);
    let closed = imported(&files, None);
    assert!(
        rcpt(&compiled(&closed), STRANGER, None, "a@b.test", "u@any.test").starts_with("553 5.7.1"),
        "QM4"
    );
    assert!(
        closed
            .notes
            .iter()
            .any(|note| note.file == "rcpthosts" && note.text.contains("relays for everybody"))
    );
}

/// Who gets mail for an address that is an alias, and whether strangers may write to it.
fn goes_to(imported: &Imported, address: &str) -> (bool, Vec<String>) {
    let read = |path: &str| {
        let table = imported.tables.iter().find(|(name, _)| name == path);
        table.map(|(_, text)| text.clone().into_bytes()).ok_or("no such file".to_string())
    };
    let (opener, parameters) = (Opener::new(&read), parameters(imported));
    let aliases = VirtualAliases::from_parameters(&parameters, &opener, &mut Vec::new()).unwrap();
    let routing = Routing::from_parameters(&parameters, &opener, &mut Vec::new()).unwrap();
    let answers = Answers::default();
    let Expansion::To(found) = aliases.expand(&Address::parse(address), &routing.mapper(&answers)).unwrap()
    else {
        panic!("{address} cannot be expanded");
    };
    let is_ours = rcpt(&compiled(imported), STRANGER, None, "a@b.test", address) == "250";
    (is_ours, found.iter().map(ToString::to_string).collect())
}

#[test]
fn virtual_domains_have_users() {
    let files = |rcpthosts, virtualdomains| {
        [
            ("me", "ours.example"),
            ("locals", "ours.example\nmail.all.mil"),
            ("rcpthosts", rcpthosts),
            ("virtualdomains", virtualdomains),
        ]
    };
    let one = imported(&files("nowhere.mil", "nowhere.mil:joe-foo"), None);
    assert_eq!(goes_to(&one, "info@Nowhere.mil"), (true, vec!["joe-foo-info@ours.example".into()]), "QM8");
    assert_eq!(parameters(&one).recipient_delimiter, "-", "joe has what is for joe-foo-info");
    // A user for all domains, and one that is left out.
    let all = imported(
        &files(
            "ours.example\nremote.example\nother.example\n.below.example",
            ":alias-catchall\nremote.example:\n",
        ),
        None,
    );
    for (address, taken, target) in [
        ("x@other.example", true, "alias-catchall-x@ours.example"),
        ("x@a.below.example", true, "alias-catchall-x@ours.example"),
        ("x@below.example", false, "x@below.example"),
        ("x@remote.example", true, "x@remote.example"),
        ("x@any.example", false, "x@any.example"),
        ("x@ours.example", true, "x@ours.example"),
    ] {
        assert_eq!(goes_to(&all, address), (taken, vec![target.to_string()]), "QM9: {address}");
    }
    let listed = |imported: &Imported, name: &str| {
        imported.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap()
    };
    assert_eq!(listed(&all, "relay_domains"), "remote.example", "it is sent on");
    // Domains below one, with exceptions and one address.
    let below = imported(
        &files(
            ".all.mil",
            ".all.mil:joe\n.far.all.mil:\na.far.all.mil:ann\nbob@near.all.mil:bob\nnobody.test:joe\n",
        ),
        None,
    );
    for (address, target) in [
        ("x@near.all.mil", "joe-x@ours.example"),
        ("bob@near.all.mil", "bob-bob@ours.example"),
        ("x@b.far.all.mil", "x@b.far.all.mil"),
        ("x@a.far.all.mil", "ann-x@ours.example"),
        ("x@mail.all.mil", "x@mail.all.mil"),
    ] {
        assert_eq!(goes_to(&below, address), (true, vec![target.to_string()]), "{address}");
    }
    assert!(below.notes.iter().any(|note| note.text.contains("nobody.test: not carried over")));
}

/// What a user has written is an address or nothing: an alias would run it, write to it or include it with the server's rights.
#[test]
fn dot_qmail_items_are_one_address_each() {
    let aliases = |files: &[(&str, &str)]| {
        let imported = imported(files, None);
        let table = imported.tables.iter().find(|(name, _)| name == "aliases");
        (table.map(|(_, text)| text.clone()).unwrap_or_default(), imported)
    };
    for item in [
        "&|/home/joe/x",
        "&/home/joe/x",
        "&:include:/home/joe/x",
        "\"|/home/joe/x\"",
        "a@b.test, |/home/joe/x",
        "a@b.test,/home/joe/x",
        "\"a@b.test",
        "a b@b.test",
        "joe\\@b.test",
        "a@b.test@c.test",
        " |/home/joe/x",
        "&",
    ] {
        let (text, imported) = aliases(&[("~joe/.qmail", &format!("{item}\nann@far.test\n&bob\n"))]);
        assert_eq!(text, "joe: ann@far.test, bob\n", "{item}");
        let noted = imported.notes.iter().any(|note| note.file == "~joe/.qmail" && note.line == 1);
        assert!(noted, "{item}: {:?}", imported.notes);
        let nobody = aliases(&[("~alias/.qmail-default", item)]).1;
        assert!(nobody.parameters.iter().all(|(name, _)| name != "luser_relay"), "{item}");
    }
}

/// What is for all that has no file of its own, and what is for a mailbox of the user `alias`.
#[test]
fn dot_qmail_files_that_no_alias_can_be() {
    let imported = imported(
        &[
            ("~joe/.qmail-list-default", "ann@far.test\n"),
            ("~alias/.qmail-news-default", "ann@far.test\n"),
            ("~alias/.qmail-info", ""),
            ("~alias/.qmail-default", ""),
        ],
        None,
    );
    assert_eq!(imported.tables, [], "no aliases");
    assert!(imported.parameters.iter().all(|(name, _)| name != "luser_relay"));
    for (file, text) in [
        (
            "~joe/.qmail-list-default",
            "not carried over: name what begins with joe-list- and has no file of its own one by one in alias_maps",
        ),
        (
            "~alias/.qmail-news-default",
            "not carried over: name what begins with news- and has no file of its own one by one in alias_maps",
        ),
        ("~alias/.qmail-info", "it is empty: not carried over: alias has no mailbox here"),
        ("~alias/.qmail-default", "it is empty: not carried over: alias has no mailbox here"),
    ] {
        let noted = imported.notes.iter().any(|note| (&*note.file, &*note.text) == (file, text));
        assert!(noted, "{file}: {:?}", imported.notes);
    }
}

#[test]
fn routes_and_numbers() {
    let files = [
        ("me", "ours.example"),
        ("smtproutes", "a.test:mx.test:2525\n.b.test:192.0.2.7\nc.test:\n:10.0.0.1:26\nx:y z\n"),
        ("databytes", "70000"),
        ("queuelifetime", "600"),
        ("timeoutsmtpd", "30"),
        ("mystery", "x"),
    ];
    let imported = imported(&files, None);
    assert_eq!(parameters(&imported).relayhost, "[10.0.0.1]:26", "QM14");
    assert_eq!(
        imported.tables,
        [(
            "smtproutes".to_string(),
            "a.test\tsmtp:[mx.test]:2525\n.b.test\tsmtp:[192.0.2.7]\nc.test\tsmtp:\n".to_string()
        )]
    );
    assert_eq!((imported.message_size_limit, imported.maximal_queue_lifetime), (Some(70_000), Some(600)));
    let notes: Vec<String> = imported.notes.iter().map(ToString::to_string).collect();
    for said in [
        "smtproutes, line 5: x:y z: not carried over",
        "timeoutsmtpd, line 0: not carried over",
        "mystery, line 0: ",
    ] {
        assert!(notes.iter().any(|note| note.starts_with(said)), "{said}: {notes:?}");
    }
}

#[test]
fn refusals_of_clients_are_kept() {
    let rules = "192.0.2.1:allow\n192.0.2.:deny\n=bad.test:deny\n=.worse.test:allow,RBLSMTPD=\"-go away\"\n198.51.100.7:allow,RBLSMTPD=\"later\"\n\
                 =:allow\n:deny\n";
    let policy = compiled(&imported(&[("me", "ours.example")], Some(rules)));
    for (client, host, code) in [
        ("192.0.2.1", None, "250"),
        ("192.0.2.2", None, "554 5.7.1"),
        ("192.0.2.2", Some("fine.test"), "554 5.7.1"),
        ("203.0.113.1", Some("bad.test"), "554 5.7.1"),
        ("203.0.113.1", Some("x.bad.test"), "250"),
        (
            "203.0.113.1",
            Some("x.worse.test"),
            "553 5.7.1 <x.worse.test[203.0.113.1]>: Client host rejected: go away",
        ),
        ("198.51.100.7", Some("fine.test"), "451 4.7.1"),
        ("203.0.113.1", None, "450 4.7.25"),
    ] {
        let reply = rcpt(&policy, client, host, "a@b.test", "u@ours.example");
        assert!(reply.starts_with(code), "{client} {host:?}: {reply}");
    }
}

#[test]
fn nobody_relays_because_of_a_rule_for_everybody() {
    for rules in [":allow,RELAYCLIENT=\"\"", "=:allow,RELAYCLIENT=\"\"\n:allow"] {
        let imported = imported(&[("me", "ours.example")], Some(rules));
        assert!(
            rcpt(&compiled(&imported), STRANGER, Some("x.test"), "a@b.test", "u@any.test").starts_with("553")
        );
        assert!(imported.notes.iter().any(|note| note.text.contains("could relay")), "{rules}");
    }
}

fn rule() -> impl Strategy<Value = String> {
    let address = prop_oneof![
        (0_u8..3, 0_u8..3).prop_map(|(c, d)| format!("10.0.{c}.{d}")),
        (0_u8..3, 0_u8..3, 0_u8..3).prop_map(|(c, d, e)| format!("10.0.{c}.{d}-{e}")),
        (0_u8..3).prop_map(|c| format!("10.0.{c}.")),
        Just("10.0.".to_string()),
        Just("10.".to_string()),
        prop::sample::select(vec!["=a.test", "=b.a.test", "=.a.test", "=.test", ""]).prop_map(String::from),
    ];
    let what = prop::sample::select(vec![
        "deny",
        "allow",
        "allow,RELAYCLIENT=\"\"",
        "allow,RBLSMTPD=\"-no\"",
        "allow,X=\"\"",
    ]);
    (address, what).prop_map(|(address, what)| format!("{address}:{what}\n"))
}

proptest! {
    /// Whoever tcpserver lets in is let in, and whoever it lets relay relays; but never everybody.
    #[test]
    fn clients_fare_as_they_did(rules in prop::collection::vec(rule(), 0..12)) {
        let text = rules.concat();
        let rules = TcpRules::parse(&text).unwrap();
        let policy = compiled(&imported(&[("me", "ours.example")], Some(&text)));
        for (c, d) in (0..3).flat_map(|c| (0..3).map(move |d| (c, d))) {
            for host in [None, Some("a.test"), Some("b.a.test"), Some("c.a.test"), Some("other.test"), Some("z.other")] {
                let client = IpAddr::V4(Ipv4Addr::new(10, 0, c, d));
                let rule = rules.look_up(client, None, host);
                let is_let_in = rule.is_none_or(|rule| rule.allow && rule.variable("RBLSMTPD").is_none_or(str::is_empty));
                let relays = rule.is_some_and(|rule| rule.allow && rule.variable("RELAYCLIENT") == Some("") && !rule.address.is_empty());
                let is_for_all = rule.is_some_and(|rule| rule.address.is_empty() && rule.variable("RBLSMTPD").is_some());
                let (client, host_said) = (client.to_string(), format!("{text}{client} {host:?}"));
                let ours = rcpt(&policy, &client, host, "a@b.test", "u@ours.example");
                prop_assert!(is_for_all || (ours == "250") == is_let_in, "{}: {}", host_said, ours);
                let others = rcpt(&policy, &client, host, "a@b.test", "u@any.test");
                prop_assert_eq!(is_let_in && others == "250", is_let_in && relays, "{}: {}", host_said, others);
            }
        }
    }
}

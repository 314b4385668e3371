//! Clients that are tested before they are served: vectors D022 to D034 of the specification, the log lines with them.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use proto_core::UnixTime;
use proto_core::address::{ForwardPath, ReversePath};
use relay_policy::access::{AccessError, Log};
use relay_policy::early::{
    AllowEntry, Allowlist, Arrival, Attempt, Early, EarlyTest, Greeted, Heard, Leaving, Screening, Watch,
};
use relay_policy::table::Opener;
use relay_policy::{Answer, Parameters, Question, Record, Reply};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

const CLIENT: &str = "203.0.113.9:49152";
const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;

fn compile(settings: &[(&str, &str)]) -> Result<Arc<Early>, AccessError> {
    let mut parameters = Parameters::default();
    parameters.set("mynetworks", "10.0.0.0/8").unwrap();
    for (name, value) in settings {
        parameters.set(name, value).unwrap();
    }
    let read = |path: &str| match path {
        "access" => {
            Ok(b"203.0.113.0/24 reject\n198.51.100.0/24 permit\n192.0.2.1 dunno\n192.0.2.2 dunno, reject\n\
                         192.0.2.3 texthash:other\n"
                .to_vec())
        }
        _ => Err("no such file".into()),
    };
    Early::compile(&parameters, &Opener::new(&read)).map(Arc::new)
}

fn early(settings: &[(&str, &str)]) -> Arc<Early> {
    compile(settings).unwrap()
}

fn lines(log: &Log) -> Vec<String> {
    log.lines().iter().map(ToString::to_string).collect()
}

fn arrive(early: &Arc<Early>, client: &str, known: Option<&AllowEntry>, now: i64) -> (Arrival, Vec<String>) {
    let server = "192.0.2.25:25".parse().unwrap();
    let (arrival, log) = early.arrive(client.parse().unwrap(), Some(server), known, UnixTime(now));
    (arrival, lines(&log))
}

fn screening(early: &Arc<Early>, known: Option<&AllowEntry>, now: i64) -> Box<Screening> {
    match arrive(early, CLIENT, known, now).0 {
        Arrival::Test(screening) => screening,
        other => panic!("{other:?}"),
    }
}

/// Answers for each zone with these addresses, and the rest with none.
fn answer(screening: &mut Screening, listed: &[(&str, &[&str])]) {
    for question in screening.questions() {
        let Question::Dns { name, .. } = &question else { panic!("{question:?}") };
        let addresses = listed
            .iter()
            .find(|(zone, _)| *name == format!("9.113.0.203.{zone}"))
            .map_or(&[][..], |(_, addresses)| addresses);
        let records = addresses.iter().map(|address| Record::Address(address.parse().unwrap()));
        screening.answer(&question, Answer::Records(records.collect()), Some(Duration::from_secs(300)));
    }
}

fn watch(greeted: Greeted) -> Box<Watch> {
    match greeted {
        Greeted::Watch(watch) => watch,
        other => panic!("{other:?}"),
    }
}

/// What the client is told when it names a recipient.
fn recipient(watch: &mut Watch) -> Reply {
    let (sender, recipient) = (ReversePath::Null, ForwardPath::Mailbox("b@example.test".parse().unwrap()));
    watch.recipient(Attempt { helo: Some("x"), esmtp: true, sender: &sender, recipient: &recipient })
}

/// The client says QUIT.
fn quits(watch: &mut Watch, now: i64) -> (Option<AllowEntry>, Vec<String>) {
    let (entry, log) = watch.end(Leaving::Ended, Duration::ZERO, UnixTime(now));
    (entry, lines(&log))
}

const DISCONNECT: &str = "DISCONNECT [203.0.113.9]:49152";

#[test]
fn who_is_never_tested_and_who_has_failed_already() {
    let table = ("postscreen_access_list", "permit_mynetworks, cidr:access");
    for (client, said) in [
        ("10.1.2.3:1", Some("ALLOWLISTED [10.1.2.3]:1")),
        ("[::ffff:10.1.2.3]:1", Some("ALLOWLISTED [10.1.2.3]:1")),
        ("198.51.100.7:2", Some("ALLOWLISTED [198.51.100.7]:2")),
        ("192.0.2.1:3", None),
        ("192.0.2.2:4", Some("DENYLISTED [192.0.2.2]:4")),
        ("203.0.113.9:5", Some("DENYLISTED [203.0.113.9]:5")),
        ("[2001:db8::1]:6", None),
    ] {
        let (arrival, log) = arrive(&early(&[table]), client, None, 0);
        assert_eq!(log.get(1).map(String::as_str), said, "{client}");
        let passes = said.is_some_and(|said| said.starts_with("ALLOW"));
        assert_eq!(matches!(arrival, Arrival::Pass), passes, "{client}: {arrival:?}");
    }
    // What is wrong in a table is said, and passed over.
    let (_, log) = arrive(&early(&[table]), "192.0.2.3:7", None, 0);
    assert!(
        log[1].starts_with("warning: cidr:access: texthash:other: expected permit_mynetworks"),
        "{log:?}"
    );
    let (_, log) = arrive(&early(&[("postscreen_access_list", "fail:x, permit")]), CLIENT, None, 0);
    assert!(log[1].starts_with("warning: fail:x"), "{log:?}");
    assert_eq!(log[2], "ALLOWLISTED [203.0.113.9]:49152");
}

/// D022 to D024.
#[test]
fn a_client_on_the_denylist() {
    let rejected =
        |action| early(&[("postscreen_access_list", "reject"), ("postscreen_denylist_action", action)]);
    let now = UnixTime(0);
    let ignored = screening(&rejected("ignore"), None, 0).finish(now);
    assert!(matches!(ignored.greeted, Greeted::Serve), "{ignored:?}");
    let mut enforced = watch(screening(&rejected("enforce"), None, 0).finish(now).greeted);
    assert_eq!(recipient(&mut enforced).to_string(), "550 5.3.2 Service currently unavailable");
    let (dropped, log) = arrive(&rejected("drop"), CLIENT, None, 0);
    let Arrival::Refuse(reply) = dropped else { panic!("{dropped:?}") };
    assert_eq!(reply.to_string(), "521 5.3.2 Service currently unavailable");
    assert_eq!(
        log,
        [
            "CONNECT from [203.0.113.9]:49152 to [192.0.2.25]:25".to_string(),
            "DENYLISTED [203.0.113.9]:49152".to_string(),
            DISCONNECT.to_string(),
        ]
    );
}

/// D025 and D026.
#[test]
fn a_client_that_does_not_wait() {
    for (action, refused) in [
        ("ignore", None),
        ("enforce", Some("550 5.5.1 Protocol error")),
        ("drop", Some("521 5.5.1 Protocol error")),
    ] {
        let early = early(&[("postscreen_greet_action", action)]);
        let mut screening = screening(&early, None, 0);
        assert_eq!((screening.teaser(), screening.wait().as_secs()), (Some("$smtpd_banner"), 6));
        assert!(!screening.is_settled());
        screening.talked(b"EHLO x\r\n\xff", Duration::from_millis(1_239));
        screening.talked(b"MAIL FROM:<>", Duration::from_millis(2_000));
        assert!(screening.is_settled(), "there is nothing left to find out");
        let screened = screening.finish(UnixTime(6));
        let mut logged = vec![r"PREGREET 9 after 1.2 from [203.0.113.9]:49152: EHLO x\r\n\xff"];
        if action == "drop" {
            logged.push(DISCONNECT);
        }
        assert_eq!(lines(&screened.log), logged, "{action}");
        assert_eq!(screened.entry, None, "{action}");
        match (screened.greeted, refused) {
            (Greeted::Serve, None) => {}
            (Greeted::Refuse(reply), Some(refused)) if action == "drop" => {
                assert_eq!(reply.to_string(), refused)
            }
            (Greeted::Watch(mut watch), Some(refused)) => {
                assert_eq!(watch.command(b"EHLO x", false, b""), Heard::Serve);
                for _ in 0..2 {
                    assert_eq!(recipient(&mut watch).to_string(), refused);
                }
                let (entry, log) = quits(&mut watch, 7);
                assert_eq!((entry, log.last().map(String::as_str)), (None, Some(DISCONNECT)));
                assert!(!log.iter().any(|line| line.starts_with("PASS")), "{log:?}");
            }
            (other, _) => panic!("{action}: {other:?}"),
        }
    }
}

#[test]
fn a_client_that_hangs_up() {
    let screening = screening(&early(&[]), None, 0);
    assert_eq!(
        lines(&screening.hung_up(Duration::from_millis(50))),
        ["HANGUP after 0.05 from [203.0.113.9]:49152 in tests before SMTP handshake", DISCONNECT]
    );
}

/// D027 to D030 with what comes of the sum.
#[test]
fn dns_lists_have_weights() {
    let sites = ("postscreen_dnsbl_sites", "a.test*2, b.test*1, c.test*-2");
    let settings = |action| [sites, ("postscreen_dnsbl_threshold", "2"), ("postscreen_dnsbl_action", action)];
    for (listed, fails) in [
        (&[("a.test", &["127.0.0.2"][..])][..], Some("a.test")),
        (&[("a.test", &["127.0.0.2"]), ("c.test", &["127.0.0.2"])], None),
        (&[("a.test", &["127.0.0.2", "127.0.0.3", "127.0.0.4"])], Some("a.test")),
        (&[("b.test", &["127.0.0.2"])], None),
    ] {
        let mut screening = screening(&early(&settings("enforce")), None, 0);
        answer(&mut screening, listed);
        let screened = screening.finish(UnixTime(6));
        let Some(zone) = fails else {
            assert!(matches!(screened.greeted, Greeted::Serve), "{listed:?}");
            assert_eq!(lines(&screened.log), ["PASS NEW [203.0.113.9]:49152"], "{listed:?}");
            continue;
        };
        assert_eq!(lines(&screened.log), ["DNSBL rank 2 for [203.0.113.9]:49152"], "{listed:?}");
        let entry = screened.entry.unwrap();
        let passed = EarlyTest::ALL.map(|test| entry.has_passed(test, UnixTime(6)));
        assert_eq!(passed, [true, false, false, false, false], "it did wait");
        let expected = format!("550 5.7.1 Service unavailable; client [203.0.113.9] blocked using {zone}");
        assert_eq!(recipient(&mut watch(screened.greeted)).to_string(), expected);
    }
}

#[test]
fn a_lists_name_is_not_told() {
    let early = early(&[
        ("postscreen_dnsbl_sites", "secret.a.test"),
        ("postscreen_dnsbl_action", "drop"),
        ("postscreen_dnsbl_reply_map", "inline:{secret.a.test=a.test}"),
    ]);
    let mut screening = screening(&early, None, 0);
    answer(&mut screening, &[("secret.a.test", &["127.0.0.2"])]);
    let Greeted::Refuse(reply) = screening.finish(UnixTime(6)).greeted else { panic!("it is listed") };
    assert_eq!(reply.to_string(), "521 5.7.1 Service unavailable; client [203.0.113.9] blocked using a.test");
}

#[test]
fn a_list_of_the_good_lets_off_all_tests() {
    let early = early(&[
        ("postscreen_dnsbl_sites", "good.test*-3"),
        ("postscreen_dnsbl_allowlist_threshold", "-2"),
        ("postscreen_pipelining_enable", "yes"),
    ]);
    let mut good = screening(&early, None, 0);
    assert!(!good.is_settled());
    answer(&mut good, &[("good.test", &["127.0.0.2"])]);
    assert!(good.is_settled(), "it need not wait any longer");
    let screened = good.finish(UnixTime(1));
    assert!(matches!(screened.greeted, Greeted::Serve));
    let entry = screened.entry.unwrap();
    // As long as the list's answer holds.
    for (now, arrives) in [(1 + 299, "PASS OLD"), (1 + 300, "CONNECT")] {
        let (_, log) = arrive(&early, CLIENT, Some(&entry), now);
        assert!(log.last().unwrap().starts_with(arrives), "{now}: {log:?}");
    }
    // Who talks has failed, and who is in no list is tested.
    let mut talks = screening(&early, None, 0);
    talks.talked(b"x", Duration::ZERO);
    answer(&mut talks, &[("good.test", &["127.0.0.2"])]);
    assert!(matches!(talks.finish(UnixTime(6)).greeted, Greeted::Watch(_)));
}

#[test]
fn what_is_known_is_believed_for_a_time() {
    let early = early(&[("postscreen_dnsbl_sites", "a.test")]);
    let passes = |known: Option<&AllowEntry>, now: i64| {
        let mut screening = screening(&early, known, now);
        answer(&mut screening, &[]);
        let log = screening.wait();
        (log.as_secs(), screening.teaser().is_some(), screening.finish(UnixTime(now)).entry.unwrap())
    };
    let (wait, teaser, entry) = passes(None, 0);
    assert_eq!((wait, teaser), (6, true));
    let (arrival, log) = arrive(&early, CLIENT, Some(&entry), 299);
    assert!(matches!(arrival, Arrival::Pass));
    assert_eq!(log[1], "PASS OLD [203.0.113.9]:49152");
    // The list has to be asked again, and that alone.
    let (wait, teaser, entry) = passes(Some(&entry), 300);
    assert_eq!((wait, teaser), (6, false));
    assert!(entry.has_passed(EarlyTest::Pregreet, UnixTime(DAY - 1)));
    assert!(!entry.has_passed(EarlyTest::Pregreet, UnixTime(DAY)));
    // What is not known is believed for a minute.
    let mut screening = screening(&early, None, 0);
    let question = screening.questions().remove(0);
    screening.answer(&question, Answer::Failed(proto_core::Backend::TEMPORARY), None);
    let entry = screening.finish(UnixTime(0)).entry.unwrap();
    assert!(
        entry.has_passed(EarlyTest::Dnsbl, UnixTime(59)) && !entry.has_passed(EarlyTest::Dnsbl, UnixTime(60))
    );
}

const DEEP: [(&str, &str); 3] = [
    ("postscreen_pipelining_enable", "yes"),
    ("postscreen_non_smtp_command_enable", "yes"),
    ("postscreen_bare_newline_enable", "yes"),
];

/// D031 and D032.
#[test]
fn a_good_client_comes_again() {
    let early = early(&DEEP);
    let mut watch = watch(screening(&early, None, 0).finish(UnixTime(6)).greeted);
    for line in ["EHLO client.test", "MAIL FROM:<a@client.test>", "RCPT TO:<b@example.test>"] {
        assert_eq!(watch.command(line.as_bytes(), false, b""), Heard::Serve);
    }
    assert!(watch.log().lines().is_empty());
    let reply = recipient(&mut watch);
    assert_eq!(reply.to_string(), "450 4.3.2 Service currently unavailable");
    assert_eq!(
        lines(&watch.log()),
        ["NOQUEUE: reject: RCPT from [203.0.113.9]:49152: 450 4.3.2 Service currently unavailable; \
          from=<>, to=<b@example.test>, proto=ESMTP, helo=<x>"]
    );
    assert!(watch.log().lines().is_empty(), "each line once");
    assert_eq!(recipient(&mut watch), reply, "it is still refused");
    watch.log();
    let (entry, log) = quits(&mut watch, 7);
    assert_eq!(log, ["PASS NEW [203.0.113.9]:49152", DISCONNECT]);
    let mut allowlist = Allowlist::default();
    allowlist.remember(entry.unwrap(), early.retention(), UnixTime(7));
    let known = allowlist.find("203.0.113.9".parse().unwrap());
    let (arrival, log) = arrive(&early, CLIENT, known, 8);
    assert!(matches!(arrival, Arrival::Pass), "{arrival:?}");
    assert_eq!(log[1], "PASS OLD [203.0.113.9]:49152");
}

/// D033 and D034.
#[test]
fn a_client_that_does_not_speak_smtp_well() {
    /// A line, whether it ends in LF alone, and what is behind it; what the recipient is told, and the log.
    type Case = (&'static [u8], bool, &'static [u8], &'static str, &'static str);
    const NOTHING: &str = "NOQUEUE: reject: RCPT";
    let cases: [Case; 9] = [
        (
            b"EHLO x",
            false,
            b"MAIL FROM:<>\r\n",
            "550 5.5.1 Protocol error",
            r"COMMAND PIPELINING from [203.0.113.9]:49152 after EHLO: MAIL FROM:<>\r\n",
        ),
        (
            b"CONNECT x:80",
            false,
            b"",
            "521 5.7.0 Error: I can break rules, too. Goodbye.",
            "NON-SMTP COMMAND from [203.0.113.9]:49152 after CONNECT: CONNECT x:80",
        ),
        (
            b"get / HTTP/1.0",
            false,
            b"Host: x\r\n",
            "521 5.7.0 Error: I can break rules, too. Goodbye.",
            "NON-SMTP COMMAND from [203.0.113.9]:49152 after CONNECT: get / HTTP/1.0",
        ),
        (
            b"Subject: hello",
            false,
            b"",
            "521 5.7.0 Error: I can break rules, too. Goodbye.",
            "NON-SMTP COMMAND from [203.0.113.9]:49152 after CONNECT: Subject: hello",
        ),
        (b"FOO bar", false, b"", "450 4.3.2 Service currently unavailable", NOTHING),
        (
            b"HELO x",
            true,
            b"",
            "450 4.3.2 Service currently unavailable",
            "BARE NEWLINE from [203.0.113.9]:49152 after HELO x",
        ),
        (
            b"x:y:z",
            false,
            b"",
            "521 5.7.0 Error: I can break rules, too. Goodbye.",
            "NON-SMTP COMMAND from [203.0.113.9]:49152 after CONNECT: x:y:z",
        ),
        (b": z", false, b"", "450 4.3.2 Service currently unavailable", NOTHING),
        // A password is not told.
        (
            b"EHLO x",
            false,
            b"NOOP\r\nAuth PLAIN AHgAeQ==\r\n",
            "550 5.5.1 Protocol error",
            r"COMMAND PIPELINING from [203.0.113.9]:49152 after EHLO: NOOP\r\nAuth",
        ),
    ];
    for (line, bare, behind, expected, logged) in cases {
        let mut watch = watch(screening(&early(&DEEP), None, 0).finish(UnixTime(6)).greeted);
        let reply = match watch.command(line, bare, behind) {
            Heard::Refuse(reply) => reply,
            // Once is enough for the log.
            Heard::Serve => match watch.command(line, bare, behind) {
                Heard::Refuse(reply) => panic!("{reply}"),
                Heard::Serve => recipient(&mut watch),
            },
        };
        assert_eq!(reply.to_string(), expected, "{}", line.escape_ascii());
        let log = lines(&watch.log());
        match logged {
            NOTHING => assert!(log[0].starts_with(NOTHING), "{log:?}"),
            logged => assert_eq!(log[0], logged, "{}", line.escape_ascii()),
        }
    }
}

/// What is to be ignored keeps nobody out for ever.
#[test]
fn a_failure_that_is_ignored_is_passed() {
    let early = early(&[("postscreen_bare_newline_enable", "yes")]);
    let mut watch = watch(screening(&early, None, 0).finish(UnixTime(6)).greeted);
    assert_eq!(watch.command(b"HELO x", true, b""), Heard::Serve);
    assert_eq!(lines(&watch.log()), ["BARE NEWLINE from [203.0.113.9]:49152 after HELO x"]);
    recipient(&mut watch);
    watch.log();
    let (entry, log) = quits(&mut watch, 7);
    assert!(entry.unwrap().has_passed(EarlyTest::BareNewline, UnixTime(30 * DAY)));
    assert_eq!(log, ["PASS NEW [203.0.113.9]:49152", DISCONNECT]);
}

/// Who has named a recipient can still fail; and who has named none has shown too little.
#[test]
fn a_client_has_passed_when_it_goes() {
    let early = early(&DEEP);
    let begun = || watch(screening(&early, None, 0).finish(UnixTime(6)).greeted);
    let mut late = begun();
    assert_eq!(recipient(&mut late).code, 450);
    assert_eq!(late.command(b"RCPT TO:<b@example.test>", false, b"RSET\r\n"), Heard::Serve);
    assert_eq!(recipient(&mut late).to_string(), "550 5.5.1 Protocol error");
    late.log();
    let (entry, log) = quits(&mut late, 7);
    assert_eq!(log, [DISCONNECT]);
    let passed = EarlyTest::ALL.map(|test| entry.is_some_and(|entry| entry.has_passed(test, UnixTime(7))));
    assert_eq!(passed, [true, false, false, true, true], "the test that failed is made again");

    let mut curious = begun();
    assert_eq!(curious.command(b"EHLO x", false, b""), Heard::Serve);
    assert_eq!(quits(&mut curious, 7), (None, vec![DISCONNECT.into()]));

    for (leaving, logged) in [
        (Leaving::HungUp, "HANGUP after 1.6 from [203.0.113.9]:49152 in tests after SMTP handshake"),
        (Leaving::TimedOut, "COMMAND TIME LIMIT from [203.0.113.9]:49152 after EHLO"),
    ] {
        let mut gone = begun();
        assert_eq!(gone.command(b"EHLO x", false, b""), Heard::Serve);
        recipient(&mut gone);
        gone.log();
        let (entry, log) = gone.end(leaving, Duration::from_millis(1_620), UnixTime(7));
        assert!(entry.is_some(), "hanging up is no offence");
        assert_eq!(lines(&log), [logged, "PASS NEW [203.0.113.9]:49152", DISCONNECT]);
    }
}

#[test]
fn a_client_that_goes_on_and_on() {
    let early = early(&[("postscreen_pipelining_enable", "yes"), ("postscreen_command_count_limit", "2")]);
    let mut watch = watch(screening(&early, None, 0).finish(UnixTime(6)).greeted);
    assert_eq!(watch.command(b"EHLO x", false, b""), Heard::Serve);
    assert_eq!(watch.command(b"data", false, b""), Heard::Serve);
    let Heard::Refuse(reply) = watch.command(b"QUIT", false, b"") else { panic!("it has said enough") };
    assert_eq!(reply.to_string(), "421 4.7.0 Error: too many commands");
    assert_eq!(
        lines(&watch.log()),
        [
            "DATA without valid RCPT from [203.0.113.9]:49152",
            "COMMAND COUNT LIMIT from [203.0.113.9]:49152 after DATA"
        ]
    );
}

#[test]
fn times_have_two_digits_that_count() {
    for (milliseconds, logged) in [
        (0, "0"),
        (4, "0"),
        (50, "0.05"),
        (714, "0.71"),
        (1_000, "1"),
        (1_620, "1.6"),
        (9_960, "10"),
        (100_400, "100"),
    ] {
        let after = Duration::from_millis(milliseconds);
        let log = lines(&screening(&early(&[]), None, 0).hung_up(after));
        assert!(log[0].starts_with(&format!("HANGUP after {logged} from ")), "{milliseconds}: {}", log[0]);
    }
}

#[test]
fn some_addresses_of_ours_allow_nobody() {
    let early = early(&[("postscreen_allowlist_interfaces", "!192.0.2.25, static:all")]);
    let (arrival, log) = arrive(&early, CLIENT, None, 0);
    assert_eq!(log[1], "ALLOWLIST VETO [203.0.113.9]:49152");
    let Arrival::Test(screening) = arrival else { panic!("{arrival:?}") };
    let screened = screening.finish(UnixTime(6));
    assert_eq!(screened.entry, None);
    let mut watch = watch(screened.greeted);
    assert_eq!(recipient(&mut watch).to_string(), "450 4.3.2 Service currently unavailable");
    let (entry, log) = quits(&mut watch, 7);
    assert_eq!((entry, log.last().map(String::as_str)), (None, Some(DISCONNECT)));
    // The other address allows, and then this one takes it, too.
    let other: SocketAddr = "192.0.2.26:25".parse().unwrap();
    let (arrival, _) = early.arrive(CLIENT.parse().unwrap(), Some(other), None, UnixTime(0));
    let Arrival::Test(screening) = arrival else { panic!("{arrival:?}") };
    let entry = screening.finish(UnixTime(6)).entry;
    assert!(matches!(arrive(&early, CLIENT, entry.as_ref(), 7).0, Arrival::Pass));
}

#[test]
fn nobody_waits_where_there_is_no_wait() {
    let early = early(&[("postscreen_greet_wait", "0s"), ("postscreen_dnsbl_sites", "a.test")]);
    assert!(matches!(arrive(&early, CLIENT, None, 0).0, Arrival::Pass));
}

#[test]
fn what_is_wrong_is_named() {
    for (name, value, words) in [
        ("postscreen_access_list", "allow", "postscreen_access_list: allow: expected permit_mynetworks"),
        ("postscreen_access_list", "cidr:none", "postscreen_access_list: cidr:none: no such file"),
        ("postscreen_dnsbl_sites", "a.test*b", "postscreen_dnsbl_sites: a.test*b: b is no weight"),
        ("postscreen_allowlist_interfaces", "1.2.3", "postscreen_allowlist_interfaces: 1.2.3:"),
        ("postscreen_dnsbl_reply_map", "cidr:none", "postscreen_dnsbl_reply_map: cidr:none: no such file"),
    ] {
        let error = compile(&[(name, value)]).unwrap_err().to_string();
        assert!(error.starts_with(words), "{error:?} lacks {words:?}");
    }
    let mut parameters = Parameters::default();
    let error = parameters.set("postscreen_greet_action", "reject").unwrap_err();
    assert_eq!(error.to_string(), "postscreen_greet_action = reject: expected ignore, enforce or drop");
}

/// What is remembered of a client that passes at this time.
fn passes(early: &Arc<Early>, client: IpAddr, now: i64) -> AllowEntry {
    let client = SocketAddr::new(client, 1);
    let (Arrival::Test(screening), _) = early.arrive(client, None, None, UnixTime(now)) else {
        panic!("nobody knows it")
    };
    screening.finish(UnixTime(now)).entry.unwrap()
}

#[test]
fn the_allowlist_is_bounded_and_can_be_put_back() {
    let early = early(&[]);
    let entry = |last: u8, now: i64| passes(&early, IpAddr::from([203, 0, 113, last]), now);
    let known = |list: &Allowlist| list.entries().map(|entry| entry.client.to_string()).collect::<Vec<_>>();
    let week = early.retention();
    let mut allowlist = Allowlist::new(2);
    allowlist.remember(entry(1, DAY), week, UnixTime(DAY));
    allowlist.remember(entry(2, DAY), week, UnixTime(DAY));
    // The first one has expired after a day, and is forgotten a week later; until then it makes room only if it must.
    allowlist.remember(entry(2, 8 * DAY), week, UnixTime(8 * DAY));
    assert_eq!(known(&allowlist), ["203.0.113.1", "203.0.113.2"], "who is known takes no other's place");
    allowlist.remember(entry(3, 9 * DAY), week, UnixTime(9 * DAY));
    assert_eq!(known(&allowlist), ["203.0.113.2", "203.0.113.3"]);
    let mut again = Allowlist::default();
    for entry in allowlist.entries() {
        again.remember(entry.to_string().parse().unwrap(), week, UnixTime(9 * DAY));
    }
    assert!(again.entries().eq(allowlist.entries()));
    again.clean(week, UnixTime(100 * DAY));
    assert!(again.is_empty());
    for wrong in
        ["", "x 1 2 3 4 5", "192.0.2.1", "192.0.2.1 1 2 3 4", "192.0.2.1 1 2 3 4 5 6", "192.0.2.1 1 2 3 4 x"]
    {
        assert!(wrong.parse::<AllowEntry>().is_err(), "{wrong}");
    }
}

#[test]
fn a_network_that_fills_the_allowlist_keeps_nobody_out() {
    let early = early(&[("postscreen_pipelining_enable", "yes")]);
    let week = early.retention();
    let mut allowlist = Allowlist::new(100);
    let mut pass = |client: &str, now: i64| {
        let entry = passes(&early, client.parse().unwrap(), now);
        allowlist.remember(entry, week, UnixTime(now));
        (allowlist.len(), allowlist.find("192.0.2.1".parse().unwrap()).is_some())
    };
    assert_eq!(pass("198.51.100.1", 0), (1, false));
    // One IPv6 customer has more addresses than the list has places.
    for at in 1..=200 {
        pass(&format!("2001:db8:0:{at:x}::1"), at);
    }
    assert_eq!(pass("192.0.2.1", 201), (100, true));
    for at in 202..=400 {
        assert_eq!(pass(&format!("2001:db8:0:{at:x}::1"), at), (100, true));
    }
    let (early_one, first, last) = ("198.51.100.1", "2001:db8:0:1::1", "2001:db8:0:190::1");
    let known = [early_one, first, last].map(|client| allowlist.find(client.parse().unwrap()).is_some());
    assert_eq!(known, [true, false, true], "the flood has lost its own oldest");
}

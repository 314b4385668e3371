//! From the envelope of a message to who gets it, with every table that has a say.

#![allow(clippy::unwrap_used, reason = "a test")]

use proptest::prelude::*;
use relay_policy::address::*;
use relay_policy::table::Opener;
use relay_policy::{Answer, Parameters, Question};
use std::collections::BTreeMap;

const BASE: [(&str, &str); 7] = [
    ("myhostname", "mail.example.com"),
    ("myorigin", "example.com"),
    ("mydestination", "example.com, mail.example.com"),
    ("relay_domains", "relay.example"),
    ("virtual_alias_domains", "va.example"),
    ("virtual_mailbox_domains", "vm.example"),
    ("recipient_delimiter", "+"),
];

fn router(more: &[(&str, &str)]) -> EnvelopeRouter {
    let mut parameters = Parameters::default();
    for (name, value) in BASE.iter().chain(more) {
        parameters.set(name, value).unwrap();
    }
    let no_files = |path: &str| Err(format!("{path}: there are no files"));
    EnvelopeRouter::from_parameters(&parameters, &Opener::new(&no_files), &mut Vec::new()).unwrap()
}

/// The accounts of the tests.
const ACCOUNTS: [&str; 6] = [
    "alice@example.com",
    "bob@example.com",
    "carol@example.com",
    "list@example.com",
    "dan+exact@example.com",
    "eve@vm.example",
];

/// What stands elsewhere: `table key` and its text, besides the accounts.
type Elsewhere<'a> = BTreeMap<&'a str, Result<&'a str, ()>>;

/// Answers everything; gives what came of it and how many times it was asked.
fn finish(mut run: EnvelopeRun<'_>, elsewhere: &Elsewhere<'_>) -> (Routed, Vec<usize>) {
    let mut asked = Vec::new();
    loop {
        match run.step() {
            EnvelopeStep::Done(routed) => return (*routed, asked),
            EnvelopeStep::Needs(questions) => {
                asked.push(questions.len());
                assert!(asked.len() < 1000, "{questions:?}");
                for question in questions {
                    let Question::Lookup { table, key } = &question else { panic!("{question:?}") };
                    let known = ACCOUNTS.iter().find(|account| account.eq_ignore_ascii_case(key));
                    let answer = match elsewhere.get(&*format!("{table} {key}")) {
                        Some(Ok(text)) => Answer::Found(Some((*text).into())),
                        Some(Err(())) => Answer::Failed(proto_core::Backend::TEMPORARY),
                        None if table == "directory:" => {
                            Answer::Found(known.map(|account| (*account).into()))
                        }
                        None => Answer::Found(None),
                    };
                    run.answer(&question, answer).unwrap();
                }
            }
        }
    }
}

fn told(routed: &Routed) -> Vec<String> {
    let recipients = routed.recipients.iter().map(ToString::to_string);
    let mut told: Vec<String> = recipients
        .map(|told| match told.split_once(" in the mailbox of ") {
            Some((address, account)) if account == address => address.into(),
            _ => told,
        })
        .collect();
    told.sort();
    told.extend(routed.failures.iter().map(|failure| format!("{}: {}", failure.target, failure.reason)));
    told
}

fn goes_to(more: &[(&str, &str)], recipient: &str) -> Vec<String> {
    let router = router(more);
    let run = router.recipient(Address::parse(recipient), Address::parse("s@far.test"));
    told(&finish(run, &Elsewhere::new()).0)
}

#[test]
fn without_tables_a_recipient_is_a_mailbox_or_is_not_there() {
    for (recipient, expected) in [
        ("alice@example.com", "alice@example.com"),
        ("Alice@EXAMPLE.com", "Alice@example.com in the mailbox of alice@example.com"),
        ("alice", "alice@example.com"),
        ("alice+x@example.com", "alice+x@example.com in the mailbox of alice@example.com"),
        ("dan+exact@example.com", "dan+exact@example.com"),
        ("nobody@example.com", "nobody@example.com: 5.1.1 User unknown in local recipient table"),
        ("eve@vm.example", "eve@vm.example"),
        ("adam@vm.example", "adam@vm.example: 5.1.1 User unknown in virtual mailbox table"),
        ("x@va.example", "x@va.example: 5.1.1 User unknown in virtual alias table"),
        ("x@relay.example", "x@relay.example by relay:relay.example"),
        ("x@far.test", "x@far.test by smtp:far.test"),
        ("x%far.test@example.com", "x@far.test by smtp:far.test"),
        ("-x@example.com", "-x@example.com: 5.1.3 bad address syntax: an address like a command's option"),
        ("double-bounce@example.com", "double-bounce@example.com thrown away: a report about a report"),
    ] {
        assert_eq!(goes_to(&[], recipient), [expected], "{recipient}");
    }
}

#[test]
fn every_table_in_its_order() {
    let tables = [
        ("recipient_canonical_maps", "inline:{old@example.com=team@va.example}"),
        ("canonical_maps", "inline:{team@va.example=crew@va.example}"),
        (
            "virtual_alias_maps",
            "inline:{ {crew@va.example=alice+crew, root, eve@vm.example, x@far.test, alice+crew} }",
        ),
        ("alias_maps", "inline:{ {root=bob, all@va.example, carol}, {bob=bob} }"),
        ("transport_maps", "inline:{far.test=smtp:[mx.far.test]}"),
    ];
    let team = [
        "alice+crew@example.com in the mailbox of alice@example.com",
        "bob@example.com",
        "carol@example.com",
        "eve@vm.example",
        "x@far.test by smtp:[mx.far.test]",
        "all@va.example: 5.1.1 User unknown in virtual alias table",
    ];
    assert_eq!(goes_to(&tables, "old@example.com"), team);
    let router = router(&tables);
    let run = router.recipient(Address::parse("old@example.com"), Address::default());
    assert_eq!(finish(run, &Elsewhere::new()).0.canonical.to_string(), "crew@va.example");
}

/// R106, R107, R110, R111, R119.
#[test]
fn groups_chains_and_domains_of_aliases() {
    let tables = [
        (
            "alias_maps",
            "inline:{ {net_operation=alice,bob,carol,alice}, {postmaster=root}, {root=alice, bob}, {away=x@far.test} }",
        ),
        ("virtual_alias_domains", "a.example, b.example"),
        (
            "virtual_alias_maps",
            "inline:{ {admin@a.example=alice}, {admin@b.example=bob}, {sales@b.example=alice,bob}, {@a.example=carol} }",
        ),
    ];
    let goes_to = |recipient| goes_to(&tables, recipient);
    assert_eq!(goes_to("net_operation"), ["alice@example.com", "bob@example.com", "carol@example.com"]);
    assert_eq!(goes_to("postmaster@example.com"), ["alice@example.com", "bob@example.com"]);
    assert_eq!(goes_to("admin@a.example"), ["alice@example.com"]);
    assert_eq!(goes_to("admin@b.example"), ["bob@example.com"]);
    assert_eq!(goes_to("sales@b.example"), ["alice@example.com", "bob@example.com"]);
    assert_eq!(goes_to("anybody@a.example"), ["carol@example.com"], "the catch-all");
    assert_eq!(goes_to("nobody@b.example"), ["nobody@b.example: 5.1.1 User unknown in virtual alias table"]);
    assert_eq!(goes_to("away"), ["x@far.test by smtp:far.test"]);
}

/// R118.
#[test]
fn lists_have_owners_and_files() {
    let tables = [
        ("alias_maps", "inline:{ {list=:include:/etc/list}, {owner-list=bob}, {prog=\"|/bin/x\", /var/x} }"),
        ("allow_mail_to_commands", "alias"),
    ];
    let router = router(&tables);
    let run = |recipient| router.recipient(Address::parse(recipient), Address::parse("s@far.test"));
    let elsewhere = Elsewhere::from([(":include: /etc/list", Ok("alice\nx@far.test\nlist\n|/bin/x\n"))]);
    let (routed, asked) = finish(run("list"), &elsewhere);
    assert_eq!(
        told(&routed),
        [
            "alice@example.com in the mailbox of alice@example.com, from owner-list@example.com",
            "list@example.com in the mailbox of list@example.com, from owner-list@example.com",
            "x@far.test by smtp:far.test, from owner-list@example.com",
            "/bin/x: 5.7.1 mail to command is restricted",
        ]
    );
    assert_eq!(asked, [1, 2], "the file, then both mailboxes at once");
    let (routed, _) = finish(run("prog"), &elsewhere);
    assert_eq!(
        told(&routed),
        ["prog@example.com by the command /bin/x", "/var/x: 5.7.1 mail to file is restricted"]
    );
    let (routed, _) = finish(run("list"), &Elsewhere::new());
    assert_eq!(told(&routed), [":include:/etc/list: 5.3.5 mail system configuration error"]);
}

#[test]
fn what_leads_in_a_circle_fails_or_is_left_out() {
    let tables = [
        (
            "virtual_alias_maps",
            "inline:{ {b@va.example=a@example.com}, {x@va.example=y@va.example}, {y@va.example=x@va.example} }",
        ),
        ("alias_maps", "inline:{ {a=b@va.example}, {c=a, carol}, {d=c, carol} }"),
    ];
    assert_eq!(goes_to(&tables, "a"), ["a@example.com: 5.4.6 mail forwarding loop for a@example.com"]);
    assert_eq!(goes_to(&tables, "c"), ["carol@example.com"]);
    assert_eq!(goes_to(&tables, "d"), ["carol@example.com"]);
    let router = router(&tables);
    let run = router.recipient(Address::parse("x@va.example"), Address::default());
    let (routed, _) = finish(run, &Elsewhere::new());
    assert_eq!(told(&routed), ["x@va.example: 4.6.0 Alias expansion error"]);
    assert_eq!(
        routed.warnings,
        ["unreasonable virtual map nesting for x@va.example -- message not accepted, try again later"]
    );
    assert!(routed.failures[0].is_temporary());
}

#[test]
fn who_gets_what_is_for_nobody() {
    let luser = |relay: &'static str| [("luser_relay", relay)];
    assert_eq!(
        goes_to(&luser("alice+$local"), "nobody@example.com"),
        ["alice+nobody@example.com in the mailbox of alice@example.com"]
    );
    assert_eq!(goes_to(&luser("$user@far.test"), "nobody+x"), ["nobody@far.test by smtp:far.test"]);
    assert_eq!(
        goes_to(&luser("gone"), "nobody"),
        ["gone@example.com: 5.1.1 User unknown in local recipient table"]
    );
    assert_eq!(
        goes_to(&luser("alice"), "adam@vm.example"),
        ["adam@vm.example: 5.1.1 User unknown in virtual mailbox table"],
        "of users of this machine alone"
    );
    assert!(goes_to(&luser("|/bin/x"), "nobody")[0].contains("5.7.1 luser_relay"));
    let open = [("luser_relay", "|/bin/x $user"), ("allow_mail_to_commands", "alias")];
    assert_eq!(goes_to(&open, "nobody"), ["nobody@example.com by the command /bin/x nobody"]);
    assert!(goes_to(&luser(":include:/etc/list"), "nobody")[0].contains("5.7.1 luser_relay"));
}

/// A program is run for whoever's alias names it, and is told who that is: it may do another thing for each of them.
#[test]
fn a_program_runs_for_each_recipient_that_it_is_the_alias_of() {
    let tables = [
        ("virtual_alias_maps", "inline:{ {team@example.com=a@example.com, b@example.com} }"),
        (
            "alias_maps",
            "inline:{ {a=|filter}, {b=|filter}, {both=a, b, a}, {logs=/var/log/x, both2}, {both2=/var/log/x} }",
        ),
        ("allow_mail_to_commands", "alias"),
        ("allow_mail_to_files", "alias"),
    ];
    for recipient in ["team@example.com", "both@example.com"] {
        let router = router(&tables);
        let run = router.recipient(Address::parse(recipient), Address::default());
        let (routed, _) = finish(run, &Elsewhere::new());
        let commands: Vec<_> =
            routed.recipients.iter().map(|to| (to.address.to_string(), to.way.clone())).collect();
        let filter = || Way::Command("filter".into());
        assert_eq!(
            commands,
            [("a@example.com".into(), filter()), ("b@example.com".into(), filter())],
            "{recipient}"
        );
    }
    assert_eq!(goes_to(&tables, "logs@example.com").len(), 1, "a file gets a message once");
}

/// Who makes up recipients must not be able to add a file, a command or another host to where their mail goes.
#[test]
fn who_gets_what_is_for_nobody_is_not_the_clients_choice() {
    let open = [
        ("luser_relay", "alice+$local"),
        ("allow_mail_to_files", "alias"),
        ("allow_mail_to_commands", "alias"),
        ("recipient_delimiter", "+"),
    ];
    for made_up in ["x,/var/tmp/evil", "x,|touch /tmp/p", "x, bob", "x\\\",|id"] {
        let recipient = format!("\"{made_up}\"@example.com");
        let told = goes_to(&open, &recipient);
        assert_eq!(told.len(), 1, "{recipient}: {told:?}");
        assert!(told[0].ends_with("in the mailbox of alice@example.com"), "{recipient}: {told:?}");
    }
}

/// RFC 5321 section 4.5.1.
#[test]
fn the_postmaster_can_always_be_written_to() {
    let mut router = router(&[("luser_relay", "carol")]);
    router.postmaster = Some(Address::parse("alice@example.com"));
    for postmaster in ["postmaster", "PostMaster@mail.example.com", "postmaster@vm.example", "mailer-daemon"]
    {
        let run = router.recipient(Address::parse(postmaster), Address::default());
        assert_eq!(told(&finish(run, &Elsewhere::new()).0), ["alice@example.com"], "{postmaster}");
    }
    let run = router.recipient(Address::parse("postmaster"), Address::default());
    let own = Elsewhere::from([("directory: postmaster@example.com", Ok("postmaster@example.com"))]);
    assert_eq!(told(&finish(run, &own).0), ["postmaster@example.com"]);
    router.postmaster = Some(Address::parse("gone@example.com"));
    let run = router.recipient(Address::parse("postmaster"), Address::default());
    assert_eq!(
        told(&finish(run, &Elsewhere::new()).0),
        ["gone@example.com: 5.1.1 User unknown in local recipient table"]
    );
}

#[test]
fn transports_that_are_reasons() {
    let tables = [
        (
            "transport_maps",
            "inline:{ {e.test=error:5.1.2 no such domain}, {f.test=error:gone}, {r.test=retry:4.3.0 later}, {s.test=retry:}, {d.test=discard:ads}, {alice@example.com=lmtp:unix:/x} }",
        ),
        ("relocated_maps", "inline:{bob@example.com=bob@new.test}"),
        ("alias_maps", "inline:{ {both=alice, bob} }"),
    ];
    for (recipient, expected) in [
        ("u@e.test", "u@e.test: 5.1.2 no such domain"),
        ("u@f.test", "u@f.test: 5.0.0 gone"),
        ("u@r.test", "u@r.test: 4.3.0 later"),
        ("u@s.test", "u@s.test: 4.0.0 Address is undeliverable"),
        ("u@d.test", "u@d.test thrown away: ads"),
        ("bob@example.com", "bob@example.com: 5.1.6 User has moved to bob@new.test"),
    ] {
        assert_eq!(goes_to(&tables, recipient), [expected], "{recipient}");
    }
    assert_eq!(
        goes_to(&tables, "both"),
        ["alice@example.com by lmtp:unix:/x", "bob@example.com: 5.1.6 User has moved to bob@new.test"]
    );
}

#[test]
fn senders_and_copies() {
    let router = router(&[
        ("sender_canonical_maps", "inline:{joe@pc.example.com=Joe.User@example.com}"),
        ("always_bcc", "archive@va.example"),
        ("sender_bcc_maps", "inline:{Joe.User@example.com=carol}"),
        ("recipient_bcc_maps", "inline:{alice@example.com=bob}"),
        ("virtual_alias_maps", "inline:{archive@va.example=list@example.com}"),
    ]);
    let sender = |sender| finish(router.sender(Address::parse(sender)), &Elsewhere::new()).0.canonical;
    assert_eq!(sender("joe@pc.example.com").to_string(), "Joe.User@example.com");
    assert!(sender("").is_empty());
    let copies = |sender: &str, recipients: &[&str]| {
        let recipients = recipients.iter().map(|recipient| Address::parse(recipient)).collect();
        told(&finish(router.copies(Address::parse(sender), recipients), &Elsewhere::new()).0)
    };
    assert_eq!(
        copies("joe.user@example.com", &["alice@example.com"]),
        ["bob@example.com", "carol@example.com", "list@example.com"]
    );
    assert_eq!(copies("", &["eve@vm.example"]), ["list@example.com"]);
}

#[test]
fn tables_that_do_not_answer_are_temporary() {
    for (parameter, told_as) in [
        ("virtual_alias_maps", "4.6.0 Alias expansion error"),
        ("canonical_maps", "4.6.0 Alias expansion error"),
        ("alias_maps", "4.3.0 Temporary lookup failure"),
        ("transport_maps", "4.3.0 Temporary lookup failure"),
    ] {
        let router = router(&[(parameter, "ldap:x")]);
        let run = router.recipient(Address::parse("alice@example.com"), Address::default());
        let elsewhere = Elsewhere::from([("ldap:x alice@example.com", Err(())), ("ldap:x alice", Err(()))]);
        let (routed, _) = finish(run, &elsewhere);
        assert_eq!(told(&routed), [format!("alice@example.com: {told_as}")], "{parameter}");
        assert_eq!(routed.warnings.len(), 1, "{:?}", routed.warnings);
    }
}

#[test]
fn answers_are_taken_when_they_were_asked_for() {
    let router = router(&[]);
    let mut run = router.recipient(Address::parse("alice@example.com"), Address::default());
    let question = Question::Lookup { table: "directory:".into(), key: "alice@example.com".into() };
    assert!(run.answer(&question, Answer::Found(None)).is_err());
    run.know("directory:", "alice@example.com", Answer::Found(Some("alice@example.com".into())));
    let EnvelopeStep::Done(routed) = run.step() else { panic!("it is known") };
    assert_eq!(told(&routed), ["alice@example.com"]);
}

#[test]
fn more_recipients_than_are_reasonable_are_refused_for_now() {
    let router = router(&[("alias_maps", "inline:{ {all=:include:/all} }")]);
    let members: String =
        (0..FINAL_RECIPIENTS_MAX + 5).map(|number| format!("u{number}@far.test\n")).collect();
    let elsewhere = Elsewhere::from([(":include: /all", Ok(members.as_str()))]);
    let (routed, _) = finish(router.recipient(Address::parse("all"), Address::default()), &elsewhere);
    assert_eq!(told(&routed), ["all@example.com: 4.5.3 Too many recipients"]);
}

#[test]
fn members_in_tables_elsewhere_are_asked_for_together() {
    let names: Vec<String> = (0..50).map(|number| format!("m{number}")).collect();
    for (parameter, table, domain) in
        [("virtual_alias_maps", "mysql:v", "@example.com"), ("alias_maps", "mysql:a", "")]
    {
        let members: Vec<String> = names.iter().map(|name| format!("{name}{domain}")).collect();
        let keys: Vec<String> = members.iter().map(|member| format!("{table} {member}")).collect();
        let (list, all) = (format!("{table} list{domain}"), members.join(", "));
        let mut elsewhere: Elsewhere<'_> = keys.iter().map(|key| (&**key, Ok("alice@example.com"))).collect();
        elsewhere.insert(&list, Ok(&all));
        let router = router(&[(parameter, table)]);
        let run = router.recipient(Address::parse("list@example.com"), Address::default());
        let (routed, asked) = finish(run, &elsewhere);
        assert_eq!(told(&routed), ["alice@example.com"], "{parameter}");
        assert!(asked.contains(&50) && asked.len() < 12, "{parameter}: {asked:?}");
    }
}

/// R110: a thousand members, each in it several times.
#[test]
fn a_group_of_a_thousand_is_asked_for_at_once() {
    let router = router(&[("alias_maps", "inline:{ {all=:include:/all} }")]);
    let members: String = (0..3000).map(|number| format!("u{}\n", number % 1000)).collect();
    let accounts: Vec<String> = (0..1000).map(|number| format!("u{number}@example.com")).collect();
    let keys: Vec<String> = accounts.iter().map(|account| format!("directory: {account}")).collect();
    let mut elsewhere = Elsewhere::from([(":include: /all", Ok(members.as_str()))]);
    elsewhere.extend(keys.iter().zip(&accounts).map(|(key, account)| (key.as_str(), Ok(account.as_str()))));
    let (routed, asked) = finish(router.recipient(Address::parse("all"), Address::default()), &elsewhere);
    assert_eq!((routed.recipients.len(), routed.failures.len()), (1000, 0));
    assert_eq!(asked, [1, 1000]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the tables say, it ends; somebody gets the message or somebody hears why not, and nobody gets it twice.
    #[test]
    fn it_ends_and_nobody_is_forgotten(
        virtuals in prop::collection::btree_map("[a-e]@(va\\.example|example\\.com)", "([a-e]@(va\\.example|example\\.com|vm\\.example|far\\.test), ){1,3}", 0..6),
        aliases in prop::collection::btree_map("[a-e]", "([a-e](@va\\.example)?, ){1,3}", 0..6),
        recipient in "[a-e]@(va\\.example|example\\.com)",
        luser in "(|b|c@va\\.example)",
    ) {
        let table = |entries: &BTreeMap<String, String>| {
            let entries: Vec<String> = entries.iter().map(|(key, text)| format!("{{{key}={text}}}")).collect();
            format!("inline:{{{}}}", entries.join(", "))
        };
        let (virtuals, aliases) = (table(&virtuals), table(&aliases));
        let mut more = vec![("luser_relay", luser.as_str())];
        for (name, value) in [("virtual_alias_maps", &virtuals), ("alias_maps", &aliases)] {
            if value != "inline:{}" {
                more.push((name, value));
            }
        }
        let router = router(&more);
        let run = router.recipient(Address::parse(&recipient), Address::parse("s@far.test"));
        let elsewhere = Elsewhere::from([
            ("directory: a@example.com", Ok("a@example.com")),
            ("directory: e@example.com", Ok("e@example.com")),
        ]);
        let (routed, _) = finish(run, &elsewhere);
        prop_assert!(!(routed.recipients.is_empty() && routed.failures.is_empty()));
        let mut addresses: Vec<_> = routed.recipients.iter().map(|to| to.address.to_string()).collect();
        addresses.sort();
        addresses.dedup();
        prop_assert_eq!(addresses.len(), routed.recipients.len());
    }
}

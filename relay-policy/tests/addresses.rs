//! Where addresses lead and what stands in their place, beyond the executed vectors.

#![allow(clippy::unwrap_used, reason = "a test")]

use proptest::prelude::*;
use relay_policy::address::*;
use relay_policy::table::{Answers, LookupError, Opener};
use relay_policy::{Class, Parameters};

const BASE: [(&str, &str); 7] = [
    ("myhostname", "mail.example.com"),
    ("myorigin", "example.com"),
    ("inet_interfaces", "127.0.0.1, 192.0.2.1"),
    ("mydestination", "example.com, localhost, mail.example.com"),
    ("relay_domains", "relay.example"),
    ("virtual_alias_domains", "va.example"),
    ("virtual_mailbox_domains", "vm.example"),
];

fn parameters(more: &[(&str, &str)]) -> Parameters {
    let mut parameters = Parameters::default();
    for (name, value) in BASE.iter().chain(more) {
        parameters.set(name, value).unwrap();
    }
    parameters
}

fn no_files(path: &str) -> Result<Vec<u8>, String> {
    Err(format!("{path}: there are no files"))
}

fn routing(more: &[(&str, &str)]) -> Routing {
    let mut warnings = Vec::new();
    let routing =
        Routing::from_parameters(&parameters(more), &Opener::new(&no_files), &mut warnings).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    routing
}

/// What an address that was completed leads to: `recipient class transport:nexthop`, and whether it is routed.
fn leads_to(routing: &Routing, written: &str) -> String {
    let recipient = routing.rewriting.rewrite(written, RewriteContext::Local);
    match routing.resolve(&recipient, &Address::default(), &Answers::default()) {
        Ok(Resolution { recipient, class, transport, is_routed }) => {
            let routed = if is_routed { " routed" } else { "" };
            format!("{} {class} {transport}{routed}", recipient.as_str())
        }
        Err(error) => error.to_string(),
    }
}

/// Each was given to Postfix 3.7.11.
#[test]
fn resolved_as_postfix_does_it() {
    let routing = routing(&[]);
    for (written, expected) in [
        ("u!@example.com", "@u default smtp:u"),
        ("\"@remote.example\"@example.com", "@remote.example default smtp:remote.example"),
        ("@a:@b:u@c.test", "@b:u@c.test default smtp:c.test routed"),
        (
            "u%x@va.example.",
            "u%x@va.example virtual alias error:5.1.1 User unknown in virtual alias table routed",
        ),
        ("a!b%c@example.com", "b%c@a default smtp:a routed"),
        ("u@x.test@", "u@x.test default smtp:x.test"),
        ("u@[127.0.0.1].", "u@[127.0.0.1] local local:mail.example.com"),
        ("\"u%relay.example\"@[127.0.0.1]", "u@relay.example relay relay:relay.example"),
        ("u@host.123", "u@host.123 default smtp:host.123"),
        ("u@exa_mple.test", "u@exa_mple.test default smtp:exa_mple.test"),
        ("u@[IPv6:::1]", "u@[IPv6:::1] default smtp:[IPv6:::1]"),
        ("\"a\\\"b\"@example.com", "a\"b@example.com local local:mail.example.com"),
        ("u (c)@x.test", "u (c)@x.test default smtp:x.test"),
        ("\"postmaster\"", "postmaster@example.com local local:mail.example.com"),
        ("\"\"@[192.0.2.1]", "MAILER-DAEMON@[192.0.2.1] local local:mail.example.com"),
    ] {
        assert_eq!(leads_to(&routing, written), expected, "{written}");
    }
    for nobodys in [
        "u@1.2",
        "u@[1.2.3]",
        "u@[tag:x]",
        "u@.example.com",
        "u@-a.test",
        "u@exam ple.com",
        "u@@example.com",
        "!u@example.com",
        "%@example.com",
        "a@b:c@example.com",
        "a%b!c@example.com",
        "<u@x.test>",
        "-u",
        "\"-u\"@x.test",
        "u%",
        "\"\\\"u@remote.example\\\"\"@example.com",
        "u@x.test (c)",
    ] {
        let recipient = routing.rewriting.rewrite(nobodys, RewriteContext::Local);
        let resolved = routing.resolve(&recipient, &Address::default(), &Answers::default());
        assert!(matches!(resolved, Err(ResolveError::BadAddress { .. })), "{nobodys}: {resolved:?}");
    }
}

#[test]
fn the_corners_of_transports() {
    let transports = "inline:{e.test=error:, r.test=retry:, d.test=discard:x, smtp.test=smtp}";
    let routing = routing(&[
        ("transport_maps", transports),
        ("relocated_maps", "inline:{joe@far.test=joe@new.test}"),
        ("resolve_null_domain", "yes"),
        ("resolve_numeric_domain", "yes"),
        ("allow_min_user", "yes"),
    ]);
    for (written, expected) in [
        ("u@e.test", "u@e.test default error:Address is undeliverable"),
        ("u@r.test", "u@r.test default retry:Address is undeliverable"),
        ("u@d.test", "u@d.test default discard:x"),
        ("u@smtp.test", "u@smtp.test default smtp:smtp.test"),
        ("joe@far.test", "joe@far.test default error:5.1.6 User has moved to joe@new.test"),
        ("u@", "u@mail.example.com local local:mail.example.com"),
        ("u@192.0.2.1", "u@[192.0.2.1] local local:mail.example.com"),
        ("-u", "-u@example.com local local:mail.example.com"),
    ] {
        assert_eq!(leads_to(&routing, written), expected, "{written}");
    }
}

/// R113: the linter's L14.
#[test]
fn a_domain_in_two_classes_is_told() {
    let mut warnings = Vec::new();
    let twice = [("virtual_mailbox_domains", "vm.example, Example.COM, va.example, vm.example")];
    Routing::from_parameters(&parameters(&twice), &Opener::new(&no_files), &mut warnings).unwrap();
    let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("example.com is in mydestination, too"), "{warnings:?}");
    assert!(warnings[1].contains("va.example is in virtual_alias_domains, too"), "{warnings:?}");
}

#[test]
fn a_pattern_cannot_choose_where_mail_goes() {
    let mut warnings = Vec::new();
    let transports = [("transport_maps", "regexp:{{/@(.*)$/ smtp:[$1]}}")];
    let opener = Opener::new(&no_files);
    let routing = Routing::from_parameters(&parameters(&transports), &opener, &mut warnings).unwrap();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(leads_to(&routing, "u@x.test"), "u@x.test default smtp:x.test");
}

#[test]
fn tables_elsewhere_are_asked_one_after_the_other() {
    let routing =
        routing(&[("virtual_mailbox_domains", "mysql:domains"), ("transport_maps", "ldap:transports")]);
    let recipient = Address::parse("u@db.test");
    let mut answers = Answers::default();
    let mut asked = Vec::new();
    let resolution = loop {
        match routing.resolve(&recipient, &Address::default(), &answers) {
            Ok(resolution) => break resolution,
            Err(ResolveError::Lookup(LookupError::Elsewhere { table, key })) => {
                let answer = match key.as_str() {
                    "db.test" if table == "mysql:domains" => Some("1".to_string()),
                    "db.test" => Some("lmtp:unix:/run/lmtp".to_string()),
                    _ => None,
                };
                asked.push(format!("{table} {key}"));
                answers.add(table, key, Ok(answer));
            }
            Err(error) => panic!("{error}"),
        }
        assert!(asked.len() < 10, "{asked:?}");
    };
    assert_eq!(asked, ["mysql:domains db.test", "ldap:transports u@db.test", "ldap:transports db.test"]);
    assert_eq!(
        (resolution.class, resolution.transport.to_string()),
        (Class::VirtualMailbox, "lmtp:unix:/run/lmtp".into())
    );
    answers.add("ldap:transports", "u@db.test", Err("gone away".into()));
    let failed = routing.resolve(&recipient, &Address::default(), &answers);
    assert!(matches!(failed, Err(ResolveError::Lookup(LookupError::Failed { .. }))), "{failed:?}");
}

/// What a recipient stands for, as `address`, `mailbox address`, `|command`, `/file`, and failures; each with its owner.
fn stands_for(more: &[(&str, &str)], included: &[(&str, &str)], recipient: &str) -> Vec<String> {
    let (parameters, routing) = (parameters(more), routing(more));
    let aliases =
        LocalAliases::from_parameters(&parameters, &Opener::new(&no_files), &mut Vec::new()).unwrap();
    let mut answers = Answers::default();
    for (path, text) in included {
        answers.add(INCLUDE, *path, Ok(Some((*text).to_string())));
    }
    let expansion = aliases.expand(&Address::parse(recipient), &routing, &answers).unwrap();
    let deliveries = expansion.deliveries.into_iter().map(|delivery| {
        let owner = delivery.sender.map_or(String::new(), |sender| format!(" from {sender}"));
        match delivery.to {
            Delivery::Mailbox(address) => format!("mailbox {address}{owner}"),
            Delivery::Forward(address) => format!("{address}{owner}"),
            Delivery::Command(command) => format!("|{command}{owner}"),
            Delivery::File(path) => format!("{path}{owner}"),
        }
    });
    let failures =
        expansion.failures.into_iter().map(|failure| format!("{}: {}", failure.target, failure.reason));
    deliveries.chain(failures).collect()
}

/// R106, R107, R110, R119.
#[test]
fn aliases_of_aliases() {
    let maps = [
        (
            "alias_maps",
            "inline:{postmaster=root, {root=alice, bob@far.test, alice}, {net=a, b, c}, {b=b, \\bb}}",
        ),
        ("recipient_delimiter", "+"),
    ];
    let stands = |recipient| stands_for(&maps, &[], recipient);
    assert_eq!(stands("postmaster@example.com"), ["mailbox alice@example.com", "bob@far.test"]);
    assert_eq!(stands("PostMaster@localhost"), ["mailbox alice@example.com", "bob@far.test"]);
    assert_eq!(stands("nobody+x@example.com"), ["mailbox nobody+x@example.com"]);
    assert_eq!(stands("root+x@example.com"), ["mailbox alice@example.com", "bob@far.test"]);
    assert_eq!(
        stands("net@example.com"),
        ["a", "b", "bb", "c"].map(|user| format!("mailbox {user}@example.com"))
    );
}

#[test]
fn aliases_that_lead_nowhere() {
    let maps = [("alias_maps", "inline:{a=b, b=a, {c=d, x@far.test}, d=c, {e=-e}}")];
    assert_eq!(
        stands_for(&maps, &[], "a@example.com"),
        ["a@example.com: 5.4.6 mail forwarding loop for a@example.com"]
    );
    assert_eq!(stands_for(&maps, &[], "c@example.com"), ["x@far.test"]);
    assert!(stands_for(&maps, &[], "e@example.com")[0].contains("5.1.3"));
}

/// R109, R118.
#[test]
fn programs_files_and_lists() {
    let table = "inline:{ {list=:include:/etc/list}, owner-list=joe, {all=|/bin/x, /var/mail/x} }";
    let included = [("/etc/list", "# members\nann, bob@far.test\n\"|/bin/sneaky, y\"\nlist\n")];
    let closed = [("alias_maps", table)];
    assert_eq!(
        stands_for(&closed, &included, "list@example.com"),
        [
            "mailbox ann@example.com from owner-list@example.com",
            "bob@far.test from owner-list@example.com",
            "mailbox list@example.com from owner-list@example.com",
            "/bin/sneaky, y: 5.7.1 mail to command is restricted",
        ]
    );
    assert_eq!(
        stands_for(&closed, &[], "all@example.com"),
        ["/bin/x: 5.7.1 mail to command is restricted", "/var/mail/x: 5.7.1 mail to file is restricted"]
    );
    let open = [
        ("alias_maps", table),
        ("allow_mail_to_commands", "alias"),
        ("allow_mail_to_files", "alias, include"),
        ("expand_owner_alias", "yes"),
    ];
    assert_eq!(stands_for(&open, &[], "all@example.com"), ["|/bin/x", "/var/mail/x"]);
    let list = stands_for(&open, &included, "list@example.com");
    assert_eq!(list[0], "mailbox ann@example.com from joe@example.com");
    assert_eq!(list[3], "/bin/sneaky, y: 5.7.1 mail to command is restricted", "an alias may, a file not");
}

#[test]
fn included_files_are_asked_for_and_must_be_there() {
    let maps = [("alias_maps", "inline:{ {a=:include:/etc/a}, {b=:include:etc/b} }")];
    let (parameters, routing) = (parameters(&maps), routing(&maps));
    let aliases =
        LocalAliases::from_parameters(&parameters, &Opener::new(&no_files), &mut Vec::new()).unwrap();
    let recipient = Address::parse("a@example.com");
    let mut answers = Answers::default();
    let asked = aliases.expand(&recipient, &routing, &answers).unwrap_err();
    assert_eq!(asked, LookupError::Elsewhere { table: INCLUDE.into(), key: "/etc/a".into() });
    answers.add(INCLUDE, "/etc/a", Ok(None));
    let failures = aliases.expand(&recipient, &routing, &answers).unwrap().failures;
    assert!(failures[0].reason.starts_with("5.3.5"), "{failures:?}");
    // A file of itself ends, too.
    answers.add(INCLUDE, "/etc/a", Ok(Some(":include:/etc/a\n".into())));
    let failures = aliases.expand(&recipient, &routing, &answers).unwrap().failures;
    assert!(failures[0].reason.starts_with("5.4.6"), "{failures:?}");
    assert!(stands_for(&maps, &[], "b@example.com")[0].contains("5.3.5"));
}

#[test]
fn too_many_targets_fail_for_now() {
    let maps = [("alias_maps", "inline:{ {a=:include:/a} }")];
    let mut answers = Answers::default();
    answers.add(INCLUDE, "/a", Ok(Some("x@far.test\n".repeat(200))));
    let aliases = LocalAliases {
        targets_max: 100,
        ..LocalAliases::from_parameters(&parameters(&maps), &Opener::new(&no_files), &mut Vec::new()).unwrap()
    };
    let failed = aliases.expand(&Address::parse("a@example.com"), &routing(&maps), &answers);
    assert!(matches!(failed, Err(LookupError::Failed { .. })), "{failed:?}");
}

#[test]
fn canonical_addresses_then_masquerading() {
    let more = [
        ("sender_canonical_maps", "inline:{joe@pc.example.com=Joe.User@pc.example.com}"),
        ("canonical_maps", "inline:{joe.user@pc.example.com=j@host.example.com}"),
        ("masquerade_domains", "example.com"),
    ];
    let (parameters, routing) = (parameters(&more), routing(&more));
    let maps = AddressMaps::from_parameters(&parameters, &Opener::new(&no_files), &mut Vec::new()).unwrap();
    let answers = Answers::default();
    let map = |address: &str, class| {
        let done = maps.map(&Address::parse(address), class, &routing.mapper(&answers)).unwrap();
        assert!(done.warnings.is_empty());
        done.address.to_string()
    };
    assert_eq!(map("joe@pc.example.com", AddressClass::EnvelopeSender), "j@example.com");
    assert_eq!(map("joe@pc.example.com", AddressClass::EnvelopeRecipient), "joe@pc.example.com");
    assert_eq!(map("Joe.User@pc.example.com", AddressClass::EnvelopeRecipient), "j@host.example.com");
    assert_eq!(map("", AddressClass::EnvelopeSender), "");
}

#[test]
fn generic_addresses_are_looked_up_once() {
    let routing = routing(&[("relocated_maps", "inline:{a@x.test=b@x.test, b@x.test=c@x.test}")]);
    let (generic, answers) = (Canonical::generic(routing.relocated_maps.clone()), Answers::default());
    let done = generic.map(&Address::parse("a@x.test"), &routing.mapper(&answers)).unwrap();
    assert_eq!((done.address.to_string(), done.warnings), ("b@x.test".into(), vec![]));
}

#[test]
fn copies_are_there_once() {
    let more = [
        ("always_bcc", "archive"),
        ("sender_bcc_maps", "inline:{ {@s.test=boss@example.com, archive@example.com} }"),
        ("recipient_bcc_maps", "inline:{r@example.com=watch@far.test}"),
    ];
    let (parameters, routing) = (parameters(&more), routing(&more));
    let bcc = Bcc::from_parameters(&parameters, &Opener::new(&no_files), &mut Vec::new()).unwrap();
    let answers = Answers::default();
    let copies = |sender: &str, recipients: &[&str]| {
        let recipients: Vec<Address> = recipients.iter().map(|recipient| Address::parse(recipient)).collect();
        let copies = bcc.recipients(&Address::parse(sender), &recipients, &routing.mapper(&answers)).unwrap();
        copies.iter().map(Address::to_string).collect::<Vec<_>>()
    };
    assert_eq!(
        copies("x@s.test", &["r@example.com"]),
        ["archive@example.com", "boss@example.com", "watch@far.test"]
    );
    assert_eq!(copies("", &["BOSS@example.com", "ARCHIVE@example.com"]), Vec::<String>::new());
}

#[test]
fn an_alias_that_cannot_be_expanded_stays() {
    let fails = |maps: &str| {
        let more = [("virtual_alias_maps", maps)];
        let (parameters, routing) = (parameters(&more), routing(&more));
        let aliases =
            VirtualAliases::from_parameters(&parameters, &Opener::new(&no_files), &mut Vec::new()).unwrap();
        let answers = Answers::default();
        match aliases.expand(&Address::parse("a@va.example"), &routing.mapper(&answers)).unwrap() {
            Expansion::To(to) => panic!("{to:?}"),
            Expansion::Error(warning) => warning.to_string(),
        }
    };
    let non_address = fails("inline:{{a@va.example=,}}");
    assert!(non_address.contains("map lookup problem for a@va.example"), "{non_address}");
    let long = format!("inline:{{a@va.example={}@x.test}}", "x".repeat(1000));
    assert!(fails(&long).contains("unreasonable virtual result xxx"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is written, what everybody may send to is in a domain of ours and holds nothing that could be opened.
    #[test]
    fn authorised_is_ours(
        written in "[a-c@%!\"\\\\.:, \\[\\]()<>+-]{0,12}(@(example\\.com|localhost|va\\.example|x\\.relay\\.example|far\\.test|\\[127\\.0\\.0\\.1\\]))?\\.?",
        dequoted: bool,
        percent: bool,
        bang: bool,
    ) {
        let mut routing = routing(&[]);
        routing.resolve_dequoted_address = dequoted;
        routing.rewriting.allow_percent_hack = percent;
        routing.rewriting.swap_bangpath = bang;
        let rewritten = routing.rewriting.rewrite(&written, RewriteContext::Local);
        let Ok(resolution) = routing.resolve(&rewritten, &Address::default(), &Answers::default()) else { return Ok(()) };
        prop_assert_eq!(&Address::parse(&resolution.recipient.to_string()), &resolution.recipient);
        if resolution.is_authorised() {
            let recipient = resolution.recipient.as_str();
            let domain = recipient.rsplit('@').next().unwrap().to_lowercase();
            let ours = ["example.com", "localhost", "va.example", "relay.example", "mail.example.com", "[127.0.0.1]"];
            prop_assert!(ours.iter().any(|ours| domain == *ours || domain.ends_with(".relay.example")), "{}", recipient);
            prop_assert_eq!(recipient.matches(['@', '%', '!']).count(), 1, "{}", recipient);
        }
    }
}

//! Tables of all sizes, a recipient's way through a long restriction list, and that of most recipients: through the default
//! lists, to who gets its mail.

use proto_core::address::{AddressSyntax, ForwardPath};
use relay_policy::access::{AccessPolicy, AccessStep, Outcome};
use relay_policy::address::{Address, EnvelopeRouter, EnvelopeStep, Routed};
use relay_policy::table::{Answers, DIRECTORY, Opener, Table};
use relay_policy::{Answer, Parameters, Question, Request, Stage};
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::sync::Arc;

/// The text beside every key.
pub const TEXT: &str = "REJECT 5.7.1 not here";

/// The key with this number: an address, as most keys of access tables are.
pub fn key(number: usize) -> String {
    format!("user{number}@host{}.example.test", number % 997)
}

/// The source of a table with so many keys.
pub fn source(keys: usize) -> String {
    let mut source = String::new();
    for number in 0..keys {
        writeln!(source, "{} {TEXT}", key(number)).unwrap();
    }
    source
}

/// Opens a table, `kind:name`, whatever its file is called.
pub fn open(reference: &str, source: &str) -> Arc<dyn Table> {
    let read = |_: &str| Ok(source.as_bytes().to_vec());
    let opened = Opener::new(&read).open(reference).unwrap();
    assert!(opened.warnings.is_empty(), "{:?}", opened.warnings.first());
    opened.table
}

/// How many of these keys a table has.
pub fn look_up_all(table: &dyn Table, keys: &[String]) -> usize {
    keys.iter().filter(|key| table.look_up(key).unwrap().is_some()).count()
}

/// The numbers below `of`, so many of them, in no order: the same ones every time.
pub fn shuffled(count: usize, of: usize) -> impl Iterator<Item = usize> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    (0..count).map(move |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 11) as usize % of
    })
}

/// The source of a table of so many networks, of sixteen to eight bits of hosts, some within others.
pub fn networks(count: usize) -> String {
    let mut source = String::new();
    for number in 0..count {
        let length = 24 - number % 9;
        // Spread over all addresses, so that a table of any size has some of those that are asked for.
        let address = (number as u32).wrapping_mul(0x9E37_79B1) & !0 << (32 - length);
        writeln!(source, "{}/{length} {TEXT}", Ipv4Addr::from_bits(address)).unwrap();
    }
    source
}

/// Addresses of clients, as keys.
pub fn addresses(count: usize) -> Vec<String> {
    shuffled(count, u32::MAX as usize).map(|bits| Ipv4Addr::from_bits(bits as u32).to_string()).collect()
}

/// Patterns as administrators write them against hosts that look dynamic, and against names.
pub fn patterns(count: usize) -> Vec<String> {
    (0..count)
        .map(|number| match number % 4 {
            0 => format!("^spammer{number}@"),
            1 => format!("@(.*\\.)?bulk{number}\\.example$"),
            2 => format!("[0-9]+-dsl{number}[-.]"),
            _ => format!("^(news|list)-{number}[+-].*@"),
        })
        .collect()
}

/// The source of a table of these patterns.
pub fn pattern_source(patterns: &[String]) -> String {
    patterns.iter().fold(String::new(), |mut source, pattern| {
        writeln!(source, "/{pattern}/ {TEXT}").unwrap();
        source
    })
}

/// What is asked of a table of patterns: nothing that it has, as most of what comes.
pub fn innocent(count: usize) -> Vec<String> {
    shuffled(count, 1_000_000).map(key).collect()
}

/// Restrictions for recipients: so many rules, five of which look something up in tables of 1,000 keys; nothing is found until
/// the end, and nothing is asked of anybody.
pub fn long_list(rules: usize) -> AccessPolicy {
    const LOOKUPS: [&str; 5] = [
        "check_client_access texthash:clients",
        "check_helo_access texthash:helos",
        "check_sender_access texthash:senders",
        "check_recipient_access texthash:recipients",
        "check_client_access cidr:networks",
    ];
    const PLAIN: [&str; 6] = [
        "permit_mynetworks",
        "permit_sasl_authenticated",
        "reject_non_fqdn_sender",
        "reject_non_fqdn_recipient",
        "reject_unauth_destination",
        "reject_invalid_helo_hostname",
    ];
    let every = rules / LOOKUPS.len();
    let list: Vec<&str> = (0..rules)
        .map(|at| if at % every == 0 { LOOKUPS[at / every % LOOKUPS.len()] } else { PLAIN[at % PLAIN.len()] })
        .collect();
    let mut parameters = Parameters::default();
    for (name, value) in [
        ("mydestination", "example.test, mx.example.test"),
        ("mynetworks", "127.0.0.0/8, 192.0.2.0/24"),
        (
            "smtpd_relay_restrictions",
            "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination",
        ),
        ("smtpd_recipient_restrictions", &list.join(", ")),
        ("local_recipient_maps", "static:x"),
    ] {
        parameters.set(name, value).unwrap();
    }
    let read = |name: &str| Ok(if name == "networks" { networks(1000) } else { source(1000) }.into_bytes());
    AccessPolicy::compile(parameters, &Opener::new(&read)).unwrap()
}

/// A client that has said MAIL.
pub fn request() -> Request {
    let mut request = Request::new(Ipv4Addr::new(203, 0, 113, 9).into());
    request.client_name = "mx7.mail.good.example".into();
    request.helo = Some("mx7.mail.good.example".into());
    request.sender = Some("someone@good.example".parse().map(proto_core::ReversePath::Mailbox).unwrap());
    request.esmtp = true;
    request
}

/// A recipient that is taken.
pub fn recipient() -> ForwardPath {
    ForwardPath::parse_prefix(b"<alice@example.test>", AddressSyntax::STRICT).unwrap().0
}

/// Decides about it.
pub fn decide(policy: &AccessPolicy, request: &Request, recipient: &ForwardPath) -> Box<Outcome> {
    match policy.evaluate(request, Stage::Rcpt(recipient)).step() {
        AccessStep::Done(outcome) => outcome,
        AccessStep::Needs(questions) => panic!("nothing is asked: {questions:?}"),
    }
}

/// The default lists of a server whose users are known elsewhere, and what it does with recipients.
pub fn default_lists() -> (AccessPolicy, EnvelopeRouter) {
    let mut parameters = Parameters::default();
    for (name, value) in [
        ("myhostname", "mx.example.test"),
        ("mydestination", "example.test"),
        ("mynetworks", "203.0.113.0/24"),
        ("local_recipient_maps", DIRECTORY),
    ] {
        parameters.set(name, value).unwrap();
    }
    let read = |_: &str| Err("no files".into());
    let opener = Opener::new(&read);
    let router = EnvelopeRouter::from_parameters(&parameters, &opener, &mut Vec::new()).unwrap();
    (AccessPolicy::compile(parameters, &opener).unwrap(), router)
}

/// Decides about a recipient who has a mailbox: that is asked, once.
pub fn decide_and_ask(
    policy: &AccessPolicy,
    request: &Request,
    recipient: &ForwardPath,
) -> (Box<Outcome>, Answers) {
    let mut evaluation = policy.evaluate(request, Stage::Rcpt(recipient));
    loop {
        match evaluation.step() {
            AccessStep::Done(outcome) => return (outcome, evaluation.into_answers()),
            AccessStep::Needs(questions) => {
                let [question @ Question::Lookup { key, .. }] = &questions[..] else {
                    panic!("one key is asked: {questions:?}");
                };
                evaluation.answer(question, Answer::Found(Some(key.clone()))).unwrap();
            }
        }
    }
}

/// Finds who gets the mail of a recipient that was decided about; nothing is asked any more.
pub fn route(
    router: &EnvelopeRouter,
    request: &Request,
    recipient: &ForwardPath,
    (outcome, answers): (Box<Outcome>, Answers),
) -> Box<Routed> {
    let recipient = recipient.mailbox().map(Address::from).unwrap();
    let sender = request.sender.as_ref().and_then(|sender| sender.mailbox()).map(Address::from);
    match router.accepted(recipient, sender.unwrap_or_default(), outcome.resolution, answers).step() {
        EnvelopeStep::Done(routed) => routed,
        EnvelopeStep::Needs(questions) => panic!("nothing is asked: {questions:?}"),
    }
}

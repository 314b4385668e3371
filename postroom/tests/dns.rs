//! The resolver against a name server of the test's own, which lies, keeps silent and cuts its answers short; and the memory
//! before it in virtual time.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

#[path = "dns/memory.rs"]
mod memory;
#[path = "dns/name_server.rs"]
mod name_server;

use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::rdata::{A, AAAA, MX, NS, PTR, TXT};
use hickory_resolver::proto::rr::{DNSClass, Name, RData, RecordType};
use name_server::{NameServer, Reply, a, answer, cname, negative, record, response};
use postroom::dns::{ClientName, FixedResolver, StubOptions, StubResolver};
use postroom::wall::{Records, Resolver as _};
use proto_core::Backend;
use relay_policy::{NameStatus, Record, RecordKind};
use std::net::Ipv6Addr;
use std::time::Duration;

fn stub(server: &NameServer) -> StubResolver {
    StubResolver::new([server.address()], StubOptions::default())
}

async fn ask(server: &NameServer, name: &str, kind: RecordKind) -> Result<Records, Backend> {
    stub(server).records(name, kind).await
}

fn address(text: &str) -> Record {
    Record::Address(text.parse().unwrap())
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn records(records: impl Into<Vec<Record>>, seconds: u64) -> Result<Records, Backend> {
    Ok(Records::new(records.into(), Duration::from_secs(seconds)))
}

#[tokio::test]
async fn records_of_every_kind_hold_as_long_as_the_shortest() {
    let server = NameServer::start(|question, _| {
        let owner = question.queries[0].name().clone();
        let data: Vec<(u32, RData)> = match question.queries[0].query_type() {
            RecordType::A => {
                vec![(300, RData::A(A::new(192, 0, 2, 1))), (60, RData::A(A::new(192, 0, 2, 2)))]
            }
            RecordType::AAAA => vec![(10, RData::AAAA(AAAA(Ipv6Addr::LOCALHOST)))],
            RecordType::MX => vec![
                (20, RData::MX(MX::new(10, name("mx.Example.test.")))),
                (20, RData::MX(MX::new(0, Name::root()))),
            ],
            RecordType::NS => vec![(30, RData::NS(NS(name("ns.example.test."))))],
            RecordType::PTR => vec![(40, RData::PTR(PTR(name("a\\.b.example.test."))))],
            _ => vec![
                (50, RData::TXT(TXT::new(vec!["one ".into(), "two".into()]))),
                (u32::MAX, RData::TXT(TXT::from_bytes(vec![b"\xff"]))),
            ],
        };
        let records = data.into_iter().map(|(ttl, data)| record(&owner, ttl, data));
        Reply::Message(answer(question, records))
    })
    .await;
    let ask = |kind| ask(&server, "Example.test", kind);
    assert_eq!(ask(RecordKind::A).await, records([address("192.0.2.1"), address("192.0.2.2")], 60));
    assert_eq!(ask(RecordKind::Aaaa).await, records([address("::1")], 10));
    let exchange = |preference, name: &str| Record::Mx { preference, exchange: name.into() };
    assert_eq!(ask(RecordKind::Mx).await, records([exchange(10, "mx.Example.test"), exchange(0, "")], 20));
    assert_eq!(ask(RecordKind::Ns).await, records([Record::Name("ns.example.test".into())], 30));
    // A dot within a part is none between two.
    assert_eq!(ask(RecordKind::Ptr).await, records([Record::Name("a\\.b.example.test".into())], 40));
    // RFC 2181 section 8: the highest bit makes it zero.
    let texts = [Record::Text("one two".into()), Record::Text("\u{fffd}".into())];
    assert_eq!(ask(RecordKind::Txt).await, records(texts, 0));
    assert!(
        server.questions().iter().all(|question| question.starts_with("Example.test. ")),
        "no search domain"
    );
}

#[tokio::test]
async fn aliases_are_followed_in_one_answer_and_over_several() {
    let server = NameServer::start(|question, _| {
        Reply::Message(match question.queries[0].name().to_ascii().as_str() {
            "one.test." => answer(
                question,
                [
                    cname("one.test.", 300, "two.test."),
                    cname("two.test.", 30, "end.test."),
                    a("end.test.", 100, 1),
                ],
            ),
            // Its target has to be asked for.
            "far.test." => answer(question, [cname("far.test.", 20, "near.test.")]),
            "near.test." => answer(question, [cname("near.test.", 15, "end.test.")]),
            "end.test." => answer(question, [a("end.test.", 100, 2)]),
            "loop.test." => answer(question, [cname("loop.test.", 20, "pool.test.")]),
            "pool.test." => answer(question, [cname("pool.test.", 20, "loop.test.")]),
            "self.test." => answer(question, [cname("self.test.", 20, "self.test.")]),
            "void.test." => answer(question, [cname("void.test.", 20, "gone.test.")]),
            _ => negative(question, ResponseCode::NXDomain, Some(77)),
        })
    })
    .await;
    let ask = |name| ask(&server, name, RecordKind::A);
    assert_eq!(ask("one.test").await, records([address("192.0.2.1")], 30));
    assert_eq!(ask("far.test").await, records([address("192.0.2.2")], 15));
    assert_eq!(ask("void.test").await.unwrap().records, []);
    for endless in ["loop.test", "self.test"] {
        let told = ask(endless).await;
        assert!(told.is_err() || told.unwrap().records.is_empty(), "{endless}");
    }
    assert!(server.questions().len() < 60, "an end was found");
}

#[tokio::test]
async fn what_is_not_there_holds_as_long_as_the_zone_says() {
    let server = NameServer::start(|question, _| {
        Reply::Message(match question.queries[0].name().to_ascii().as_str() {
            "nxdomain.test." => negative(question, ResponseCode::NXDomain, Some(90)),
            "nodata.test." => negative(question, ResponseCode::NoError, Some(45)),
            // RFC 2308: without SOA it is not to be kept.
            _ => negative(question, ResponseCode::NXDomain, None),
        })
    })
    .await;
    let ask = |name| ask(&server, name, RecordKind::Mx);
    assert_eq!(ask("nxdomain.test").await, records([], 90));
    assert_eq!(ask("nodata.test").await, records([], 45));
    assert_eq!(ask("nosoa.test").await, records([], 0));
}

#[tokio::test]
async fn a_server_in_trouble_is_a_temporary_failure() {
    let server = NameServer::start(|question, _| match question.queries[0].name().to_ascii().as_str() {
        "servfail.test." => Reply::Message(negative(question, ResponseCode::ServFail, None)),
        "refused.test." => Reply::Message(negative(question, ResponseCode::Refused, None)),
        "garbage.test." => {
            Reply::Octets([&question.metadata.id.to_be_bytes()[..], b"\x84\x00 no message"].concat())
        }
        "short.test." => Reply::Octets(vec![0]),
        _ => Reply::Nothing,
    })
    .await;
    let options = || {
        let mut options = StubOptions::default();
        (options.timeout, options.attempts) = (Duration::from_millis(100), 1);
        options
    };
    let resolver = StubResolver::new([server.address()], options());
    for name in ["servfail.test", "refused.test", "garbage.test", "short.test", "silent.test"] {
        let told = resolver.records(name, RecordKind::A).await;
        assert!(matches!(told, Err(Backend::Temporary(_))), "{name}: {told:?}");
    }
    // A port at which nobody listens, and no server at all.
    let gone = NameServer::start(|_, _| Reply::Nothing).await.stop().await;
    for servers in [vec![gone], vec![]] {
        let resolver = StubResolver::new(servers, options());
        assert!(resolver.records("example.test", RecordKind::A).await.is_err());
    }
    // One that works among them is found.
    let works =
        NameServer::start(|question, _| Reply::Message(answer(question, [a("example.test.", 60, 7)]))).await;
    let resolver = StubResolver::new([gone, works.address()], StubOptions::default());
    assert_eq!(resolver.records("example.test", RecordKind::A).await, records([address("192.0.2.7")], 60));
}

#[tokio::test]
async fn what_was_not_asked_for_is_not_believed() {
    let server = NameServer::start(|question, _| {
        let mut told = match question.queries[0].name().to_ascii().as_str() {
            // Records of others beside the one that counts.
            "beside.test." => answer(
                question,
                [a("bank.test.", 9, 66), a("beside.test.", 60, 1), a("x.beside.test.", 9, 66)],
            ),
            // Of others alone.
            "instead.test." => answer(question, [a("bank.test.", 9, 66)]),
            // An alias of another name.
            "alias.test." => answer(question, [cname("bank.test.", 9, "evil.test."), a("evil.test.", 9, 66)]),
            // A record of another kind.
            "kind.test." => answer(
                question,
                [record(&name("kind.test."), 9, RData::TXT(TXT::new(vec!["192.0.2.66".into()])))],
            ),
            // In a section where nothing is answered.
            "additional.test." => response(question),
            // Another question.
            "question.test." => {
                let mut told = answer(question, [a("question.test.", 9, 66)]);
                told.queries[0].set_name(name("bank.test."));
                told
            }
            "id.test." => {
                let mut told = answer(question, [a("id.test.", 9, 66)]);
                told.metadata.id = told.metadata.id.wrapping_add(1);
                told
            }
            _ => {
                let mut chaos = a("class.test.", 9, 66);
                chaos.dns_class = DNSClass::CH;
                answer(question, [chaos])
            }
        };
        if told.answers.is_empty() {
            told.additionals.push(a("additional.test.", 9, 66));
        }
        Reply::Message(told)
    })
    .await;
    assert_eq!(ask(&server, "beside.test", RecordKind::A).await, records([address("192.0.2.1")], 60));
    let mut options = StubOptions::default();
    (options.timeout, options.attempts) = (Duration::from_millis(100), 1);
    let resolver = StubResolver::new([server.address()], options);
    for lie in ["instead", "alias", "kind", "additional", "question", "id", "class"] {
        let told = resolver.records(&format!("{lie}.test"), RecordKind::A).await;
        assert!(told.as_ref().map_or(true, |told| told.records.is_empty()), "{lie}: {told:?}");
    }
}

#[tokio::test]
async fn a_forged_answer_does_not_keep_the_true_one_away() {
    let server = NameServer::start(|question, _| {
        let mut forged = answer(question, [a("example.test.", 9, 66)]);
        forged.metadata.id = forged.metadata.id.wrapping_add(1);
        Reply::Messages(vec![forged, answer(question, [a("example.test.", 60, 1)])])
    })
    .await;
    assert_eq!(ask(&server, "example.test", RecordKind::A).await, records([address("192.0.2.1")], 60));
}

#[tokio::test]
async fn what_is_too_long_for_a_datagram_comes_over_tcp() {
    const TEXTS: usize = 200;
    let server = NameServer::start(|question, is_tcp| {
        let mut told = response(question);
        if is_tcp {
            let text = |number: usize| RData::TXT(TXT::new(vec![format!("{number:0>200}")]));
            told.answers = (0..TEXTS).map(|number| record(&name("long.test."), 60, text(number))).collect();
        } else {
            told.metadata.truncation = true;
        }
        Reply::Message(told)
    })
    .await;
    let told = ask(&server, "long.test", RecordKind::Txt).await.unwrap();
    assert_eq!(told.records.len(), TEXTS);
    assert!(told.records.iter().all(|record| matches!(record, Record::Text(text) if text.len() == 200)));
}

#[tokio::test]
async fn what_cannot_be_a_name_is_not_asked_for() {
    let server = NameServer::start(|_, _| Reply::Nothing).await;
    let long = format!("{}.test", "x".repeat(64));
    let longer = format!("{}test", "x.".repeat(126));
    for bad in ["", ".", "a..test", ".test", &long, &longer] {
        let told = ask(&server, bad, RecordKind::A).await;
        assert_eq!(told.unwrap().records, [], "{bad}");
    }
    // Nor are names that everybody has (RFC 6761).
    assert_eq!(ask(&server, "localhost", RecordKind::A).await.unwrap().records, [address("127.0.0.1")]);
    assert_eq!(server.questions(), [""; 0]);
}

#[tokio::test]
async fn names_of_clients() {
    let reverse = |last: u8| format!("{last}.2.0.192.in-addr.arpa");
    let ptr = |names: &[&str]| names.iter().map(|name| Record::Name((*name).into())).collect::<Vec<_>>();
    let resolver = FixedResolver::new()
        .with(&reverse(1), RecordKind::Ptr, ptr(&["mail.good.test"]))
        .with("mail.good.test", RecordKind::A, [address("198.51.100.1"), address("192.0.2.1")])
        .with(&reverse(2), RecordKind::Ptr, ptr(&["mail.good.test"]))
        .with(&reverse(3), RecordKind::Ptr, ptr(&["nowhere.test"]))
        .with(&reverse(4), RecordKind::Ptr, ptr(&["slow.test"]))
        .with(&reverse(5), RecordKind::Ptr, ptr(&["nowhere.test", "mail.good.test", "second.test"]))
        .with("second.test", RecordKind::A, [address("192.0.2.5")])
        .with(&reverse(6), RecordKind::Ptr, ptr(&["1.2.3.4", "a b.test", "x\\.y.test", "-.test", ""]))
        .with(&reverse(7), RecordKind::Ptr, ptr(&["only-six.test"]))
        .with("only-six.test", RecordKind::Aaaa, [address("2001:db8::1")])
        .with(
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
            RecordKind::Ptr,
            ptr(&["only-six.test"]),
        )
        .failing("slow.test")
        .failing(&reverse(8));
    let unknown = "unknown";
    for (client, name, status, reverse_name, reverse_status) in [
        ("192.0.2.1", "mail.good.test", NameStatus::Ok, "mail.good.test", NameStatus::Ok),
        ("::ffff:192.0.2.1", "mail.good.test", NameStatus::Ok, "mail.good.test", NameStatus::Ok),
        ("192.0.2.2", unknown, NameStatus::Forged, "mail.good.test", NameStatus::Ok),
        ("192.0.2.3", unknown, NameStatus::Permanent, "nowhere.test", NameStatus::Ok),
        ("192.0.2.4", unknown, NameStatus::Temporary, "slow.test", NameStatus::Ok),
        ("192.0.2.5", "second.test", NameStatus::Ok, "second.test", NameStatus::Ok),
        ("192.0.2.6", unknown, NameStatus::Permanent, unknown, NameStatus::Permanent),
        ("192.0.2.7", unknown, NameStatus::Permanent, "only-six.test", NameStatus::Ok),
        ("2001:db8::1", "only-six.test", NameStatus::Ok, "only-six.test", NameStatus::Ok),
        ("192.0.2.8", unknown, NameStatus::Temporary, unknown, NameStatus::Temporary),
        ("192.0.2.9", unknown, NameStatus::Permanent, unknown, NameStatus::Permanent),
    ] {
        let found = ClientName::look_up(&resolver, client.parse().unwrap()).await;
        let mut request = relay_policy::Request::new(client.parse().unwrap());
        found.clone().tell(&mut request);
        assert_eq!((&*found.name, found.status), (name, status), "{client}");
        assert_eq!((&*found.reverse_name, found.reverse_status), (reverse_name, reverse_status), "{client}");
        assert_eq!((&*request.client_name, request.client_name_status), (name, status), "{client}");
        assert_eq!(
            (&*request.reverse_client_name, request.reverse_client_name_status),
            (reverse_name, reverse_status),
            "{client}"
        );
    }
}

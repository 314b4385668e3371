//! Known answers; and whatever is written reads back as what it was, in one response.

use super::*;
use crate::types::{
    Atom, Capability, Date, DateTime, FetchData, FetchItem, ListPattern, MailboxAttribute, MailboxName,
    Partial, ResponseCode, StatusItem,
};
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use mail_message::header::FieldChoice;
use mail_message::{
    Address, BasicPart, BodyFields, BodyStructure, Disposition, Envelope, Extension, FlagSet, MessagePart,
    Multipart, Parameter, Section, SectionText, SeqNo, TextPart, Uid, UidValidity,
};
use proptest::prelude::*;

fn written(write: impl FnOnce(&mut OutBuf)) -> Vec<u8> {
    let mut out = OutBuf::new();
    write(&mut out);
    out.as_slice().to_vec()
}

#[track_caller]
fn check(response: UntaggedResponse, expected: &str) {
    let octets = written(|out| untagged(&response, out));
    assert_eq!(String::from_utf8_lossy(&octets), alloc::format!("* {expected}\r\n"));
}

#[track_caller]
fn check_status(response: StatusResponse, expected: &str) {
    let tag = Tag::new(b"a1").unwrap();
    let octets = written(|out| tagged(&tag, &response, out));
    assert_eq!(String::from_utf8_lossy(&octets), alloc::format!("a1 {expected}\r\n"));
    check(UntaggedResponse::Status(response), expected);
}

fn flags(text: &str) -> FlagSet {
    text.split_whitespace().map(|flag| flag.parse().unwrap()).collect()
}

fn name(text: &str) -> MailboxName {
    MailboxName::new(text).unwrap()
}

fn seq(n: u32) -> SeqNo {
    SeqNo::new(n).unwrap()
}

#[test]
fn status_responses() {
    check_status(StatusResponse::ok("done"), "OK done");
    check_status(StatusResponse::bad(""), "BAD -");
    let uid_validity = UidValidity::new(38505).unwrap();
    let uid = Uid::new(3955).unwrap();
    for (code, expected) in [
        (ResponseCode::TryCreate, "TRYCREATE"),
        (ResponseCode::ReadOnly, "READ-ONLY"),
        (ResponseCode::AppendUid { uid_validity, uid }, "APPENDUID 38505 3955"),
        (
            ResponseCode::CopyUid {
                uid_validity,
                source: [304, 319, 320].into_iter().filter_map(Uid::new).collect(),
                target: [3956, 3957, 3958].into_iter().filter_map(Uid::new).collect(),
            },
            "COPYUID 38505 304,319:320 3956:3958",
        ),
        (ResponseCode::BadCharset(vec![]), "BADCHARSET"),
        (
            ResponseCode::BadCharset(vec![Atom::new(b"US-ASCII").unwrap(), Atom::new(b"UTF-8").unwrap()]),
            "BADCHARSET (US-ASCII UTF-8)",
        ),
        (
            ResponseCode::Capability(vec![
                Capability::Imap4Rev1,
                Capability::Auth(Atom::new(b"PLAIN").unwrap()),
                Capability::LiteralPlus,
            ]),
            "CAPABILITY IMAP4rev1 AUTH=PLAIN LITERAL+",
        ),
        (
            ResponseCode::PermanentFlags { flags: flags("\\Seen work"), new_keywords: true },
            "PERMANENTFLAGS (\\Seen work \\*)",
        ),
        (ResponseCode::PermanentFlags { flags: FlagSet::new(), new_keywords: true }, "PERMANENTFLAGS (\\*)"),
        (ResponseCode::PermanentFlags { flags: FlagSet::new(), new_keywords: false }, "PERMANENTFLAGS ()"),
        (ResponseCode::UidNext(uid), "UIDNEXT 3955"),
        (ResponseCode::UidValidity(uid_validity), "UIDVALIDITY 38505"),
        (ResponseCode::Unseen(seq(2)), "UNSEEN 2"),
    ] {
        check_status(StatusResponse::no("x").with_code(code), &alloc::format!("NO [{expected}] x"));
    }
}

#[test]
fn continuations_keep_the_space_and_the_line() {
    assert_eq!(written(|out| continuation("", out)), b"+ \r\n");
    assert_eq!(written(|out| continuation("AAA=", out)), b"+ AAA=\r\n");
    assert_eq!(written(|out| continuation("a\r\n* BYE\n", out)), b"+ a??* BYE?\r\n");
}

#[test]
fn mailboxes() {
    let attributes = vec![MailboxAttribute::HasNoChildren, MailboxAttribute::Sent];
    let data = |text: &str| ListData { attributes: vec![], mailbox: name(text) };
    check(
        UntaggedResponse::List(ListData { attributes, mailbox: name("Sent") }),
        "LIST (\\HasNoChildren \\Sent) \"/\" \"Sent\"",
    );
    check(UntaggedResponse::Lsub(data("inbox/x")), "LSUB () \"/\" \"INBOX/x\"");
    check(UntaggedResponse::List(data("R&D \"ä\" \\")), "LIST () \"/\" \"R&-D \\\"&AOQ-\\\" \\\\\"");
    check(UntaggedResponse::Delimiter, "LIST (\\Noselect) \"/\" \"\"");
    check(
        UntaggedResponse::MailboxStatus(StatusData {
            mailbox: MailboxName::inbox(),
            items: vec![(StatusItem::Messages, 3), (StatusItem::UidNext, 10)],
        }),
        "STATUS \"INBOX\" (MESSAGES 3 UIDNEXT 10)",
    );
    check(UntaggedResponse::Flags(flags("\\Seen work")), "FLAGS (\\Seen work)");
    check(UntaggedResponse::Exists(0), "0 EXISTS");
    check(UntaggedResponse::Recent(1), "1 RECENT");
    check(UntaggedResponse::Expunge(seq(4)), "4 EXPUNGE");
    check(UntaggedResponse::Namespace, "NAMESPACE ((\"\" \"/\")) NIL NIL");
    check(UntaggedResponse::Id(vec![]), "ID NIL");
    check(UntaggedResponse::Id(vec![("name", Bytes::from_static(b"x"))]), "ID (\"name\" \"x\")");
    check(
        UntaggedResponse::Capability(vec![Capability::Imap4Rev1, Capability::Idle]),
        "CAPABILITY IMAP4rev1 IDLE",
    );
}

#[test]
fn fetch_data() {
    let date = DateTime::new(Date::new(1996, 7, 7).unwrap(), (2, 44, 25), -420).unwrap();
    let data = vec![
        FetchData::Flags { flags: flags("\\Seen"), recent: true },
        FetchData::Uid(Uid::new(6).unwrap()),
        FetchData::InternalDate(date),
        FetchData::Rfc822Size(44827),
        FetchData::Nil(FetchItem::Rfc822Header),
    ];
    check(
        UntaggedResponse::Fetch(seq(23), data),
        "23 FETCH (FLAGS (\\Seen \\Recent) UID 6 INTERNALDATE \" 7-Jul-1996 02:44:25 -0700\" \
         RFC822.SIZE 44827 RFC822.HEADER NIL)",
    );
    let recent = FetchData::Flags { flags: FlagSet::new(), recent: true };
    check(UntaggedResponse::Fetch(seq(1), vec![recent]), "1 FETCH (FLAGS (\\Recent))");
}

#[test]
fn i30_sections_are_named_as_asked_but_for_peek_and_length() {
    let item = |part: &[u32], text, partial: Option<(u64, u64)>| FetchItem::Section {
        section: Section { text, ..Section::part(part.iter().copied()).unwrap() },
        partial: partial.map(|(offset, octets)| Partial { offset, octets: octets.try_into().unwrap() }),
        peek: true,
    };
    let names = vec!["Subject".into(), "x y".into(), "a\"b".into(), "".into()];
    for (item, expected) in [
        (item(&[], None, None), "BODY[]"),
        (item(&[], Some(SectionText::Text), Some((100, 3))), "BODY[TEXT]<100>"),
        (item(&[1, 2], None, Some((0, 1))), "BODY[1.2]<0>"),
        (item(&[1], Some(SectionText::Mime), None), "BODY[1.MIME]"),
        (item(&[3], Some(SectionText::Header), None), "BODY[3.HEADER]"),
        (
            item(&[], Some(SectionText::HeaderFields(FieldChoice::Named, names.clone())), None),
            "BODY[HEADER.FIELDS (Subject \"x y\" \"a\\\"b\" \"\")]",
        ),
        (
            item(&[4], Some(SectionText::HeaderFields(FieldChoice::NotNamed, names[..1].to_vec())), None),
            "BODY[4.HEADER.FIELDS.NOT (Subject)]",
        ),
        (FetchItem::Rfc822, "RFC822"),
    ] {
        let streamed = written(|out| {
            fetch_begin(seq(1), &[], out);
            fetch_section(&item, Some(2), true, out);
            out.extend(b"\r\n");
            fetch_section(&item, None, false, out);
            fetch_end(out);
        });
        let expected = alloc::format!("* 1 FETCH ({expected} {{2}}\r\n\r\n {expected} NIL)\r\n");
        assert_eq!(String::from_utf8_lossy(&streamed), expected);
    }
}

#[test]
fn an_envelope_of_the_rfc() {
    let text = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
    let gray = Address {
        name: text("Terry Gray"),
        adl: None,
        mailbox: text("gray"),
        host: text("cac.washington.edu"),
    };
    let group = Address::group_start(Bytes::from_static(b"g"));
    let envelope = Envelope {
        date: text("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)"),
        subject: text("a \"b\" \u{e4}"),
        from: vec![gray.clone()],
        to: vec![group, Address::GROUP_END],
        ..Envelope::default()
    };
    check(
        UntaggedResponse::Fetch(seq(1), vec![FetchData::Envelope(Box::new(envelope))]),
        "1 FETCH (ENVELOPE (\"Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\" {8}\r\na \"b\" \u{e4} \
         ((\"Terry Gray\" NIL \"gray\" \"cac.washington.edu\")) NIL NIL \
         ((NIL NIL \"g\" NIL)(NIL NIL NIL NIL)) NIL NIL NIL NIL))",
    );
}

fn leaf_fields(octets: u64) -> BodyFields {
    let charset = Parameter { name: Bytes::from_static(b"CHARSET"), value: Bytes::from_static(b"US-ASCII") };
    BodyFields {
        parameters: vec![charset],
        id: None,
        description: None,
        encoding: Bytes::from_static(b"7BIT"),
        octets,
        md5: None,
    }
}

#[test]
fn structures() {
    let text = BodyStructure::Text(TextPart {
        subtype: Bytes::from_static(b"PLAIN"),
        fields: leaf_fields(3028),
        lines: 92,
        extension: Extension {
            disposition: Some(Disposition { kind: Bytes::from_static(b"inline"), parameters: vec![] }),
            language: vec![Bytes::from_static(b"en"), Bytes::from_static(b"de")],
            location: None,
        },
    });
    let short = "(\"text\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3028 92)";
    check(
        UntaggedResponse::Fetch(seq(1), vec![FetchData::Body(Box::new(text.clone()))]),
        &alloc::format!("1 FETCH (BODY {short})"),
    );
    let message = BodyStructure::Message(MessagePart {
        subtype: Bytes::from_static(b"rfc822"),
        fields: leaf_fields(10),
        envelope: Box::new(Envelope::default()),
        body: Box::new(text.clone()),
        lines: 7,
        extension: Extension::default(),
    });
    let multipart = BodyStructure::Multipart(Multipart {
        parts: vec![text, message],
        subtype: Bytes::from_static(b"MIXED"),
        parameters: vec![Parameter {
            name: Bytes::from_static(b"boundary"),
            value: Bytes::from_static(b"x"),
        }],
        extension: Extension { language: vec![Bytes::from_static(b"en")], ..Extension::default() },
    });
    let long = "(\"text\" \"PLAIN\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 3028 92 NIL (\"inline\" NIL) (\"en\" \"de\") NIL)";
    check(
        UntaggedResponse::Fetch(seq(1), vec![FetchData::BodyStructure(Box::new(multipart))]),
        &alloc::format!(
            "1 FETCH (BODYSTRUCTURE ({long}(\"message\" \"rfc822\" (\"CHARSET\" \"US-ASCII\") NIL NIL \"7BIT\" 10 \
             (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) {long} 7 NIL NIL NIL NIL) \
             \"MIXED\" (\"boundary\" \"x\") NIL \"en\" NIL))"
        ),
    );
}

/// A response as a client sees it, read without knowing what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Nil,
    Atom(String),
    String(Vec<u8>),
    List(Vec<Value>),
}

/// All values of a response; it must end with its octets, in CR LF.
fn read(octets: &[u8]) -> Vec<Value> {
    let mut rest = octets;
    let mut open: Vec<Vec<Value>> = vec![vec![]];
    loop {
        let value = match rest[0] {
            b' ' => {
                rest = &rest[1..];
                continue;
            }
            b'\r' => {
                assert_eq!(rest, b"\r\n", "a response ends once");
                assert_eq!(open.len(), 1);
                return open.pop().unwrap();
            }
            b'(' => {
                open.push(vec![]);
                rest = &rest[1..];
                continue;
            }
            b')' => {
                rest = &rest[1..];
                Value::List(open.pop().unwrap())
            }
            b'"' => {
                let mut string = vec![];
                rest = &rest[1..];
                while rest[0] != b'"' {
                    rest = if rest[0] == b'\\' { &rest[1..] } else { rest };
                    assert!(!matches!(rest[0], b'\r' | b'\n' | 0 | 0x80..));
                    string.push(rest[0]);
                    rest = &rest[1..];
                }
                rest = &rest[1..];
                Value::String(string)
            }
            b'{' => {
                let end = rest.iter().position(|&c| c == b'}').unwrap();
                let octets: usize = core::str::from_utf8(&rest[1..end]).unwrap().parse().unwrap();
                assert_eq!(&rest[end + 1..end + 3], b"\r\n");
                let string = rest[end + 3..][..octets].to_vec();
                rest = &rest[end + 3 + octets..];
                Value::String(string)
            }
            _ => {
                let end = rest.iter().position(|c| b" ()\r\"{".contains(c)).unwrap();
                let atom = String::from_utf8(rest[..end].to_vec()).unwrap();
                rest = &rest[end..];
                if atom == "NIL" { Value::Nil } else { Value::Atom(atom) }
            }
        };
        open.last_mut().unwrap().push(value);
    }
}

fn nstring(octets: Option<&Bytes>) -> Value {
    octets.map_or(Value::Nil, |octets| Value::String(octets.to_vec()))
}

fn nil_if_empty(values: Vec<Value>) -> Value {
    if values.is_empty() { Value::Nil } else { Value::List(values) }
}

/// What a client must read of an envelope, by the order of the RFC.
fn envelope_value(envelope: &Envelope) -> Value {
    let address = |address: &Address| {
        let parts = [&address.name, &address.adl, &address.mailbox, &address.host];
        Value::List(parts.into_iter().map(|part| nstring(part.as_ref())).collect())
    };
    let addresses = |list: &Vec<Address>| nil_if_empty(list.iter().map(address).collect());
    Value::List(vec![
        nstring(envelope.date.as_ref()),
        nstring(envelope.subject.as_ref()),
        addresses(&envelope.from),
        addresses(&envelope.sender),
        addresses(&envelope.reply_to),
        addresses(&envelope.to),
        addresses(&envelope.cc),
        addresses(&envelope.bcc),
        nstring(envelope.in_reply_to.as_ref()),
        nstring(envelope.message_id.as_ref()),
    ])
}

/// Octets that are hard to write: quotes, line ends, parentheses, raw 8-bit, literal markers.
fn octets() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        "[ -~]{0,8}".prop_map(|text| Bytes::from(text.into_bytes())),
        proptest::collection::vec(1..=255u8, 0..12).prop_map(Bytes::from),
        Just(Bytes::from_static(b"x\r\n* BYE gone\r\n")),
        Just(Bytes::from_static(b"x {3}\r\n\"\\")),
    ]
}

fn address() -> impl Strategy<Value = Address> {
    let part = || proptest::option::of(octets());
    (part(), part(), part(), part()).prop_map(|(name, adl, mailbox, host)| Address {
        name,
        adl,
        mailbox,
        host,
    })
}

fn envelope() -> impl Strategy<Value = Envelope> {
    let field = || proptest::option::of(octets());
    let list = || proptest::collection::vec(address(), 0..3);
    (field(), field(), list(), list(), list(), field()).prop_map(
        |(date, subject, from, to, bcc, message_id)| Envelope {
            date,
            subject,
            from,
            to,
            bcc,
            message_id,
            ..Envelope::default()
        },
    )
}

proptest! {
    #[test]
    fn an_envelope_reads_back(envelope in envelope()) {
        let expected = envelope_value(&envelope);
        let response = UntaggedResponse::Fetch(seq(1), vec![FetchData::Envelope(Box::new(envelope))]);
        let values = read(&written(|out| untagged(&response, out)));
        let [_, _, _, Value::List(data)] = &values[..] else { panic!("{values:?}") };
        prop_assert_eq!(&data[1], &expected);
    }

    #[test]
    fn a_leaf_reads_back(
        (media_type, subtype, id, encoding) in (octets(), octets(), proptest::option::of(octets()), octets()),
        parameters in proptest::collection::vec((octets(), octets()), 0..3),
        language in proptest::collection::vec(octets(), 0..3),
        size in any::<u32>(),
    ) {
        let parameters: Vec<Parameter> = parameters.into_iter().map(|(name, value)| Parameter { name, value }).collect();
        let string = |octets: &Bytes| Value::String(octets.to_vec());
        let pairs = parameters.iter().flat_map(|p| [string(&p.name), string(&p.value)]).collect();
        let languages = match &language[..] {
            [one] => string(one),
            several => nil_if_empty(several.iter().map(string).collect()),
        };
        let expected = Value::List(vec![
            string(&media_type), string(&subtype), nil_if_empty(pairs), nstring(id.as_ref()), Value::Nil,
            string(&encoding), Value::Atom(size.to_string()), Value::Nil, Value::Nil, languages, Value::Nil,
        ]);
        let fields = BodyFields { parameters, id, description: None, encoding, octets: size.into(), md5: None };
        let extension = Extension { language, ..Extension::default() };
        let leaf = BodyStructure::Basic(BasicPart { media_type, subtype, fields, extension });
        let response = UntaggedResponse::Fetch(seq(1), vec![FetchData::BodyStructure(Box::new(leaf))]);
        let values = read(&written(|out| untagged(&response, out)));
        let [_, _, _, Value::List(data)] = &values[..] else { panic!("{values:?}") };
        prop_assert_eq!(&data[1], &expected);
    }

    /// Fault 9: no name ends the response it stands in, and a pattern made of the name finds it.
    #[test]
    fn every_mailbox_name_reads_back(text in any::<String>()) {
        let Ok(mailbox) = MailboxName::new(&text) else { return Ok(()) };
        let response = UntaggedResponse::List(ListData { attributes: vec![], mailbox: mailbox.clone() });
        let values = read(&written(|out| untagged(&response, out)));
        let Some(Value::String(wire)) = values.last() else { panic!("{values:?}") };
        let decoded = mail_message::mutf7::decode(wire).unwrap();
        prop_assert_eq!(decoded.as_str(), mailbox.as_str());
        if !decoded.contains(['*', '%']) {
            prop_assert!(ListPattern::new("", &decoded).unwrap().matches(&mailbox));
        }
    }

    #[test]
    fn every_text_is_one_line(text in any::<String>()) {
        let octets = written(|out| untagged(&UntaggedResponse::Status(StatusResponse::ok(text)), out));
        let line = octets.strip_suffix(b"\r\n").unwrap();
        prop_assert!(line.len() > b"* OK ".len());
        prop_assert!(line.iter().all(|octet| (0x20..=0x7e).contains(octet)));
    }
}

#[test]
fn a_nul_does_not_go_out() {
    let envelope = Envelope { date: Some(Bytes::from_static(b"a\0b\0")), ..Envelope::default() };
    let octets = written(|out| {
        untagged(&UntaggedResponse::Fetch(seq(1), vec![FetchData::Envelope(Box::new(envelope))]), out);
    });
    assert!(octets.starts_with(b"* 1 FETCH (ENVELOPE ({4}\r\na?b? NIL "));
}

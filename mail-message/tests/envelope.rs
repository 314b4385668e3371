//! Envelopes and address lists of odd headers: I34, and what protocols.md §2.2.10 asks.

#![allow(clippy::unwrap_used, reason = "helpers of tests are outside test functions")]

mod common;

use mail_message::header::parse_addresses;
use mail_message::mime::Limits;

fn envelope(header: &[u8]) -> String {
    common::envelope(&common::scan(header).envelope)
}

fn list(value: &str) -> String {
    let header = format!("To: {value}\r\n\r\n");
    let whole = envelope(header.as_bytes());
    let list =
        whole.strip_prefix("(NIL NIL NIL NIL NIL ").and_then(|rest| rest.strip_suffix(" NIL NIL NIL NIL)"));
    list.unwrap().to_owned()
}

#[test]
fn i34_group_route_missing_reply_to_and_8_bit_subject() {
    let found =
        common::scan(b"From: <@route:user@domain>\r\nTo: g: a@b, c@d;\r\nSubject: gr\xfcn\r\n\r\n").envelope;
    assert_eq!(found.subject.as_deref(), Some(&b"gr\xfcn"[..]));
    assert_eq!(found.from, found.reply_to);
    assert_eq!(found.from, found.sender);
    let shown = common::envelope(&found);
    assert!(shown.contains(r#"((NIL "@route" "user" "domain"))"#), "{shown}");
    assert!(
        shown.contains(r#"((NIL NIL "g" NIL)(NIL NIL "a" "b")(NIL NIL "c" "d")(NIL NIL NIL NIL))"#),
        "{shown}"
    );
}

#[test]
fn absent_is_nil_and_empty_is_empty() {
    assert_eq!(envelope(b""), "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)");
    assert_eq!(
        envelope(b"Date:\r\nSubject: \r\nIn-Reply-To:\r\n \r\nMessage-ID:\r\nTo: \r\n\r\n"),
        r#"("" "" NIL NIL NIL NIL NIL NIL "" "")"#
    );
}

#[test]
fn empty_sender_and_reply_to_default_to_from() {
    let found = common::scan(b"From: a@b\r\nSender: \r\nReply-To: c@d\r\n\r\n").envelope;
    assert_eq!(found.sender, found.from);
    assert_ne!(found.reply_to, found.from);
}

#[test]
fn the_first_of_several_fields_counts() {
    let found = common::scan(b"From: a@b\r\nFrom: c@d\r\nsubject: 1\r\nSUBJECT: 2\r\n\r\n").envelope;
    assert_eq!(found.from, parse_addresses(b"a@b", 9));
    assert_eq!(found.subject.as_deref(), Some(&b"1"[..]));
}

/// RFC 5322 §4.5.3: the lists of several destination fields are one.
#[test]
fn destination_fields_are_one_list() {
    let octets = b"To: a@b\r\nCc: c@d\r\nTO:\r\nto: e@f, g: h@i;\r\nBcc:\r\nCC: j@k\r\n\r\n";
    let found = common::scan(octets).envelope;
    assert_eq!(found.to, parse_addresses(b"a@b, e@f, g: h@i;", 9));
    assert_eq!(found.cc, parse_addresses(b"c@d, j@k", 9));
    assert_eq!(found.bcc, []);
    let many = common::scan("To: a@b\r\n".repeat(10_000).as_bytes()).envelope;
    assert_eq!(many.to.len(), Limits::default().addresses_max);
}

#[test]
fn encoded_words_stay_and_folding_goes() {
    assert_eq!(
        envelope(b"Subject: =?utf-8?q?a?=\r\n =?utf-8?q?b?=\r\n\r\n"),
        r#"(NIL "=?utf-8?q?a?= =?utf-8?q?b?=" NIL NIL NIL NIL NIL NIL NIL NIL)"#
    );
    assert_eq!(list("=?utf-8?q?a?= <b@c>"), r#"(("=?utf-8?q?a?=" NIL "b" "c"))"#);
}

/// RFC 5322 appendix A: valid lists, odd ones and obsolete ones.
#[test]
fn the_lists_of_rfc_5322() {
    for (value, expected) in [
        (
            r#"Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>"#,
            r#"(("Mary Smith" NIL "mary" "x.test")(NIL NIL "jdoe" "example.org")("Who?" NIL "one" "y.test"))"#,
        ),
        (
            r#"<boss@nil.test>, "Giant; \"Big\" Box" <sysservices@example.net>"#,
            r#"((NIL NIL "boss" "nil.test")("Giant; \"Big\" Box" NIL "sysservices" "example.net"))"#,
        ),
        (
            r#"A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;"#,
            r#"((NIL NIL "A Group" NIL)("Ed Jones" NIL "c" "a.test")(NIL NIL "joe" "where.test")("John" NIL "jdoe" "one.test")(NIL NIL NIL NIL))"#,
        ),
        (r#"Undisclosed recipients:;"#, r#"((NIL NIL "Undisclosed recipients" NIL)(NIL NIL NIL NIL))"#),
        (
            r#"Pete(A nice \) chap) <pete(his account)@silly.test(his host)>"#,
            r#"(("Pete" NIL "pete" "silly.test"))"#,
        ),
        (
            r#"A Group(Some people) :Chris Jones <c@(Chris's host.)public.example>, joe@example.org, John <jdoe@one.test> (my dear friend); (the end of the group)"#,
            r#"((NIL NIL "A Group" NIL)("Chris Jones" NIL "c" "public.example")(NIL NIL "joe" "example.org")("John" NIL "jdoe" "one.test")(NIL NIL NIL NIL))"#,
        ),
        (
            r#"(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;"#,
            r#"((NIL NIL "Hidden recipients" NIL)(NIL NIL NIL NIL))"#,
        ),
        (
            r#"Joe Q. Public <john.q.public@example.com>"#,
            r#"(("Joe Q. Public" NIL "john.q.public" "example.com"))"#,
        ),
        (
            r#"Mary Smith <@node.test:mary@example.net>, , jdoe@test   . example"#,
            r#"(("Mary Smith" "@node.test" "mary" "example.net")(NIL NIL "jdoe" "test.example"))"#,
        ),
    ] {
        assert_eq!(list(value), expected, "{value}");
    }
}

#[test]
fn what_is_no_address_degrades() {
    for (value, expected) in [
        ("joe", r#"((NIL NIL "joe" ""))"#),
        ("joe user", r#"((NIL NIL "joe user" ""))"#),
        ("Name <joe>", r#"(("Name" NIL "joe" ""))"#),
        ("<>", r#"((NIL NIL "" ""))"#),
        ("@host", r#"((NIL NIL "" "host"))"#),
        ("<@a,@b:c@d>", r#"((NIL "@a,@b" "c" "d"))"#),
        ("<@a>", r#"((NIL NIL "" "a"))"#),
        ("a@b@c", r#"((NIL NIL "a@b" "c"))"#),
        ("\"a@b\"@c", r#"((NIL NIL "a@b" "c"))"#),
        ("\"a b\".c@d", r#"((NIL NIL "a b.c" "d"))"#),
        ("a . b@c", r#"((NIL NIL "a.b" "c"))"#),
        ("John Doe j@d", r#"(("John Doe" NIL "j" "d"))"#),
        ("j@d (John Doe)", r#"(("John Doe" NIL "j" "d"))"#),
        ("(comment) j@d ()", r#"((NIL NIL "j" "d"))"#),
        ("j@[127.0.0.1]", r#"((NIL NIL "j" "[127.0.0.1]"))"#),
        ("j@[IPv6:::1], k@l", r#"((NIL NIL "j" "[IPv6:::1]")(NIL NIL "k" "l"))"#),
        ("a@b c@d, e@f", r#"((NIL NIL "a" "b")(NIL NIL "e" "f"))"#),
        ("\"open <a@b>", r#"((NIL NIL "open <a@b>" ""))"#),
        ("g: a@b", r#"((NIL NIL "g" NIL)(NIL NIL "a" "b")(NIL NIL NIL NIL))"#),
        ("g: h: a@b; i@j", r#"((NIL NIL "g" NIL)("h:" NIL "a" "b")(NIL NIL NIL NIL)(NIL NIL "i" "j"))"#),
        (";,;", "NIL"),
        (")", r#"((NIL NIL ")" ""))"#),
        ("<a@b", r#"((NIL NIL "a" "b"))"#),
        (">a@b", r#"((NIL NIL ">a" "b"))"#),
    ] {
        assert_eq!(list(value), expected, "{value}");
    }
}

#[test]
fn lists_are_capped_and_groups_still_close() {
    let value = "a@b,".repeat(1000);
    assert_eq!(parse_addresses(value.as_bytes(), 10).len(), 10);
    let group = parse_addresses(b"g: a@b, c@d, e@f;", 2);
    assert_eq!(group.len(), 3);
    assert!(group[2].is_group_end());
    let mut limits = Limits::default();
    limits.addresses_max = 3;
    let found = common::scan_with(b"From: a@b, c@d\r\nTo: e@f, g@h\r\nCc: i@j\r\n\r\n", limits).envelope;
    assert_eq!((found.from.len(), found.to.len(), found.cc.len()), (2, 1, 0));
}

#[test]
fn an_envelope_needs_no_body() {
    let header = b"Subject: a\r\nMessage-ID: <b>\r\n\r\n";
    let whole = [&header[..], b"body\r\n"].concat();
    assert_eq!(common::scan(header).envelope, common::scan(&whole).envelope);
}

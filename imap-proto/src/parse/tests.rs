//! Commands as clients send them, right and wrong.

use super::*;
use crate::framing::{self, FrameStep, Framer};
use crate::types::{DateTime, FetchItem, MailboxName, Partial, SearchKey, Status, StatusItem, StoreAction};
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use mail_message::header::FieldChoice;
use mail_message::{Flag, FlagSet, Section, SectionText, SequenceSet};
use proto_core::InBuf;

const WIDE: framing::Limits = framing::Limits {
    line_bytes_max: 1 << 17,
    literal_bytes_max: 1 << 17,
    command_bytes_max: 1 << 17,
    non_sync_bytes_max: u64::MAX,
    drain_bytes_max: 0,
};

/// The only frame of `input`; every literal is collected.
fn frame(input: &[u8]) -> Frame {
    let mut framer = Framer::new(WIDE);
    let mut buffer = InBuf::with_capacity(1 << 17);
    assert_eq!(buffer.push(input), input.len());
    loop {
        match framer.poll(&mut buffer) {
            Some(FrameStep::Literal(_)) => framer.collect(),
            Some(FrameStep::Command(frame)) => return frame,
            other => panic!("{other:?}"),
        }
    }
}

fn parse(line: &str) -> Result<Command, Refused> {
    command(&frame(alloc::format!("{line}\r\n").as_bytes()), &Limits::default())
}

#[track_caller]
fn body_of(line: &str) -> CommandBody {
    parse(line).unwrap_or_else(|refused| panic!("{line:?}: {refused:?}")).body
}

/// `tag BAD`, `* NO [CODE]` and so on.
fn refusal(line: &str) -> String {
    let Err(Refused { tag, answer }) = parse(line) else { return "accepted".into() };
    let tag = tag.map_or("*".to_string(), |tag| tag.to_string());
    match answer.code {
        None => alloc::format!("{tag} {}", answer.status.as_str()),
        Some(code) => alloc::format!("{tag} {} {code:?}", answer.status.as_str()),
    }
}

#[track_caller]
fn all_bad(lines: &[&str]) {
    for line in lines {
        assert_eq!(refusal(line), "a BAD", "{line:?}");
    }
}

fn set(text: &str) -> SequenceSet {
    SequenceSet::parse(text.as_bytes(), 100).unwrap()
}

fn name(text: &str) -> MailboxName {
    MailboxName::new(text).unwrap()
}

#[test]
fn commands_without_arguments_in_any_case() {
    for (line, name) in [
        ("a CAPABILITY", "CAPABILITY"),
        ("a noop", "NOOP"),
        ("a Logout", "LOGOUT"),
        ("a STARTTLS", "STARTTLS"),
        ("a NAMESPACE", "NAMESPACE"),
        ("a IDLE", "IDLE"),
        ("a CHECK", "CHECK"),
        ("a CLOSE", "CLOSE"),
        ("a UNSELECT", "UNSELECT"),
        ("a EXPUNGE", "EXPUNGE"),
    ] {
        assert_eq!(body_of(line).name(), name);
        assert_eq!(refusal(&alloc::format!("{line} ")), "a BAD");
        assert_eq!(refusal(&alloc::format!("{line} x")), "a BAD");
        assert_eq!(refusal(&alloc::format!("{line} {{1}}\r\nx")), "a BAD");
    }
}

#[test]
fn i01_login_with_literals() {
    let CommandBody::Login { user, password } = body_of("a LOGIN {1}\r\nu {1+}\r\np") else { panic!() };
    assert_eq!((user.as_bytes(), password.expose()), (&b"u"[..], &b"p"[..]));
    let CommandBody::Login { user, password } = body_of("a login \"u \\\"\\\\\" {3+}\r\na\r\n") else {
        panic!()
    };
    assert_eq!((user.as_bytes(), password.expose()), (&b"u \"\\"[..], &b"a\r\n"[..]));
}

#[test]
fn i03_strings_that_are_none() {
    all_bad(&[
        "a LOGIN \"u",
        "a LOGIN \"u\0\" p",
        "a LOGIN \"u\\x\" p",
        "a LOGIN \"u\r\" p",
        "a LOGIN \"u\\",
        "a LOGIN u\" p",
        "a LOGIN u {1}\r\n\0",
        "a LOGIN u",
        "a LOGIN u p q",
        "a LOGIN  u p",
        "a LOGIN u p ",
        "a LOGIN\tu p",
        "a LOGIN u{1}\r\np p",
        "a LOGIN u (p)",
        "a LOGIN \u{e4} p",
        "a LOGIN {-1}",
        "a LOGIN {}",
        "a LOGIN u \"x{3}",
    ]);
}

#[test]
fn i04_tags() {
    for line in ["", "+ NOOP", "a+ NOOP", " NOOP", "(a NOOP", "a\" NOOP", "\u{e4} NOOP", "a{3}\r\nxyz NOOP"] {
        assert_eq!(refusal(line), "* BAD", "{line:?}");
    }
    for line in ["a", "a ", "a  NOOP", "a FOO", "a NOOPNOOPNOOPNOOPNOOPNOOPNOOP", "a UID", "a UID NOOP"] {
        assert_eq!(refusal(line), "a BAD", "{line:?}");
    }
}

#[test]
fn i09_authenticate() {
    let CommandBody::Authenticate { mechanism, initial_response } = body_of("a AUTHENTICATE plain") else {
        panic!()
    };
    assert_eq!((mechanism.as_str(), initial_response), ("plain", None));
    for (line, expected) in
        [("a AUTHENTICATE PLAIN =", &b""[..]), ("a AUTHENTICATE PLAIN AHUAcA==", b"\0u\0p")]
    {
        let CommandBody::Authenticate { initial_response: Some(response), .. } = body_of(line) else {
            panic!()
        };
        assert_eq!(response.expose(), expected);
    }
    all_bad(&[
        "a AUTHENTICATE PLAIN !!!",
        "a AUTHENTICATE PLAIN A",
        "a AUTHENTICATE",
        "a AUTHENTICATE PLAIN ",
    ]);
}

#[test]
fn i13_parentheses_without_end() {
    all_bad(&[&("a ID ".to_string() + &"(".repeat(5000)), &("a SEARCH ".to_string() + &"(".repeat(5000))]);
    all_bad(&["a ID", "a ID (\"x\")", "a ID (x \"y\")", "a ID (\"x\" \"y\"", "a ID NILL"]);
    assert_eq!(body_of("a ID NIL"), CommandBody::Id(vec![]));
    assert_eq!(body_of("a ID ()"), CommandBody::Id(vec![]));
    let CommandBody::Id(pairs) = body_of("a ID (\"name\" {1}\r\nx \"os\" nil)") else { panic!() };
    assert_eq!(pairs.len(), 2);
    assert_eq!(pairs[0].1.as_ref().unwrap().as_bytes(), b"x");
    assert_eq!(pairs[1].1, None);
    all_bad(&[&alloc::format!("a ID ({})", ["\"n\" NIL"; 31].join(" "))]);
}

#[test]
fn i14_sets() {
    for text in ["1:*", "*:1", "3:2", "1,1,1", "2,1", "*", "4294967295", "1:4294967295"] {
        let body = body_of(&alloc::format!("a FETCH {text} UID"));
        assert_eq!(body, CommandBody::Fetch { uid: false, set: set(text), items: vec![FetchItem::Uid] });
    }
    let many = |ranges: usize| alloc::format!("a UID FETCH {} UID", vec!["1"; ranges].join(","));
    assert_eq!(refusal(&many(10_000)), "accepted");
    assert_eq!(refusal(&many(10_001)), "a NO Limit");
}

#[test]
fn i15_sets_that_are_none() {
    for text in ["0", "4294967296", "1:2:3", ",", "1,", ",1", "1:", ":1", "", "-1", "01", "1 :2", "$", "x"] {
        assert_eq!(refusal(&alloc::format!("a FETCH {text} UID")), "a BAD", "{text:?}");
        assert_eq!(refusal(&alloc::format!("a UID COPY {text} x")), "a BAD", "{text:?}");
    }
}

#[test]
fn i28_append_heads() {
    let head = |line: &str| {
        let mut framer = Framer::new(WIDE);
        let mut buffer = InBuf::with_capacity(1 << 12);
        buffer.push(line.as_bytes());
        let mut found = None;
        while let Some(step) = framer.poll(&mut buffer) {
            let FrameStep::Literal(_) = step else { panic!("{step:?}") };
            found = Some(literal(framer.fragments(), &Limits::default()));
            framer.collect();
        }
        found.unwrap()
    };
    let message = |line: &str| match head(line) {
        Ok(LiteralUse::Message { append, .. }) => append,
        other => panic!("{line:?}: {other:?}"),
    };
    let append = message("a APPEND inbox (\\Seen $Junk) \" 1-Jan-2024 00:00:00 +0130\" {310}\r\n");
    assert!(append.mailbox.is_inbox());
    assert_eq!(append.flags.to_string(), "\\Seen $Junk");
    assert_eq!(append.date.map(|d| d.to_string()).as_deref(), Some(" 1-Jan-2024 00:00:00 +0130"));
    assert_eq!(message("a APPEND {1}\r\nx {310+}\r\n").mailbox, name("x"));
    assert_eq!(message("a APPEND x () {310+}\r\n").flags, FlagSet::new());
    assert_eq!(message("a APPEND x \"31-Dec-1999 23:59:60 -1200\" {310+}\r\n").flags, FlagSet::new());
    assert_eq!(head("a APPEND {1}\r\n"), Ok(LiteralUse::Argument));
    assert_eq!(head("a LOGIN {1}\r\n"), Ok(LiteralUse::Argument));
    assert_eq!(head("a SEARCH HEADER {1}\r\nx {3}\r\n"), Ok(LiteralUse::Argument));
    assert_eq!(head("a FETCH 1 BODY[HEADER.FIELDS ({1}\r\n"), Ok(LiteralUse::Argument));
    for line in [
        "a APPEND x (\\Recent) {1}\r\n",
        "a APPEND x (\\Foo) {1}\r\n",
        "a APPEND x (Seen\\) {1}\r\n",
        "a APPEND x \"32-Jan-2024 00:00:00 +0000\" {1}\r\n",
        "a APPEND x \"1-Jan-2024 00:00:00 +0000\" {1}\r\n",
        "a APPEND x \"30-Feb-2024 00:00:00 +0000\" {1}\r\n",
        "a APPEND x \"01-Jan-2024 24:00:00 +0000\" {1}\r\n",
        "a APPEND x \"01-Jan-2024 00:00:00 +0060\" {1}\r\n",
        "a APPEND x \"01-Jan-2024 00:00:00 0000\" {1}\r\n",
        "a APPEND x \"01-Jan-24 00:00:00 +0000\" {1}\r\n",
        "a APPEND x{1}\r\n",
        "a APPEND x ~{1}\r\n",
        "a APPEND x y {1}\r\n",
        "a NOOP {1}\r\n",
        "a NOOP{1}\r\n",
        "a FOO {1}\r\n",
        "a {1}\r\n",
        "a FETCH {1}\r\n",
        "a SEARCH {1}\r\n",
    ] {
        let refused = head(line).unwrap_err();
        assert_eq!((refused.tag.unwrap().as_str(), refused.answer.status), ("a", Status::Bad), "{line:?}");
    }
    assert_eq!(head("a{1}\r\n").unwrap_err().tag, None);
    assert_eq!(head("{1}\r\n").unwrap_err().tag, None);
    all_bad(&["a APPEND x", "a APPEND x \"text\"", "a APPEND x {1}\r\nx", "a APPEND x text"]);
}

#[test]
fn the_end_of_an_append() {
    for (input, ends) in [("a APPEND x {1+}\r\nx\r\n", true), ("a APPEND x {1+}\r\nx \r\n", false)] {
        let mut framer = Framer::new(WIDE);
        let mut buffer = InBuf::with_capacity(1 << 12);
        buffer.push(input.as_bytes());
        assert!(matches!(framer.poll(&mut buffer), Some(FrameStep::Literal(_))));
        framer.stream();
        assert!(matches!(framer.poll(&mut buffer), Some(FrameStep::Octets(_))));
        assert_eq!(framer.poll(&mut buffer), Some(FrameStep::LiteralEnd));
        let Some(FrameStep::Command(frame)) = framer.poll(&mut buffer) else { panic!() };
        assert_eq!(append_end(&frame).is_ok(), ends);
    }
}

#[test]
fn i29_fetch_macros_stand_alone() {
    let CommandBody::Fetch { items, .. } = body_of("a FETCH 1 ALL") else { panic!() };
    assert_eq!(items.len(), 4);
    let CommandBody::Fetch { items, .. } = body_of("a FETCH 1 full") else { panic!() };
    assert_eq!(items.last(), Some(&FetchItem::Body));
    let CommandBody::Fetch { items, uid, .. } = body_of("a UID FETCH 1 (UID FLAGS uid BODY BODY[])") else {
        panic!()
    };
    assert!(uid);
    assert_eq!(items.len(), 4);
    all_bad(&[
        "a FETCH 1 (ALL UID)",
        "a FETCH 1 (ALL)",
        "a FETCH 1 ()",
        "a FETCH 1 FOO",
        "a FETCH 1 ALL UID",
        "a FETCH 1 UID FLAGS",
        "a FETCH 1 (UID  FLAGS)",
        "a FETCH 1 (UID",
        "a FETCH 1 UID)",
        "a FETCH 1",
        "a FETCH 1 ",
        "a FETCH 1 MODSEQ",
        "a FETCH 1 BINARY[1]",
    ]);
}

#[test]
fn i30_sections() {
    let section = |text: &str| match body_of(&alloc::format!("a FETCH 1 {text}")) {
        CommandBody::Fetch { items, .. } => match &items[..] {
            [FetchItem::Section { section, partial, peek }] => (section.clone(), *partial, *peek),
            _ => panic!(),
        },
        _ => panic!(),
    };
    let partial = Some(Partial { offset: 100, octets: 3.try_into().unwrap() });
    let text = Section { part: vec![], text: Some(SectionText::Text) };
    assert_eq!(section("BODY.PEEK[TEXT]<100.3>"), (text, partial, true));
    assert_eq!(section("body[]"), (Section::default(), None, false));
    assert_eq!(section("BODY[1.22]").0, Section::part([1, 22]).unwrap());
    let mime = Section { text: Some(SectionText::Mime), ..Section::part([2]).unwrap() };
    assert_eq!(section("BODY[2.MIME]").0, mime);
    let names = vec!["Subject".into(), "x y".into(), "z".into()];
    let fields = Some(SectionText::HeaderFields(FieldChoice::NotNamed, names));
    assert_eq!(section("BODY[1.HEADER.FIELDS.NOT (Subject \"x y\" {1}\r\nz)]").0.text, fields);
    for text in [
        "[TEXT]<0.0>",
        "[TEXT]<5>",
        "[TEXT]<5.>",
        "[TEXT]<.5>",
        "[TEXT]<-1.5>",
        "[TEXT]<1.18446744073709551616>",
        "[MIME]",
        "[HEADER.FIELDS ()]",
        "[HEADER.FIELDS]",
        "[HEADER.FIELDS(x)]",
        "[HEADER.FIELDS (\"\u{e4}\")]",
        "[0]",
        "[01]",
        "[1.]",
        "[.1]",
        "[1.0]",
        "[1..2]",
        "[4294967296]",
        "[TEXT",
        "[",
        "[]]",
        "[ ]",
        "[FOO]",
        "[1.FOO]",
        "[HEADER.TEXT]",
    ] {
        all_bad(&[&alloc::format!("a FETCH 1 BODY{text}"), &alloc::format!("a FETCH 1 (BODY.PEEK{text})")]);
    }
    all_bad(&["a FETCH 1 BODY.PEEK", "a FETCH 1 RFC822[]", "a FETCH 1 BODY<0.1>"]);
    let deep = alloc::format!("a FETCH 1 BODY[{}]", vec!["1"; 1000].join("."));
    all_bad(&[&deep]);
}

#[test]
fn fetch_items_have_a_limit() {
    let many = |items: usize| {
        let items: Vec<String> = (1..=items).map(|part| alloc::format!("BODY[{part}]")).collect();
        alloc::format!("a FETCH 1 ({})", items.join(" "))
    };
    assert_eq!(refusal(&many(256)), "accepted");
    assert_eq!(refusal(&many(257)), "a NO Limit");
    let names =
        |names: usize| alloc::format!("a FETCH 1 BODY[HEADER.FIELDS ({})]", vec!["x"; names].join(" "));
    assert_eq!(refusal(&names(256)), "accepted");
    assert_eq!(refusal(&names(257)), "a NO Limit");
}

#[test]
fn i35_mailbox_names() {
    for text in ["\"a&b\"", "\"&AGE-\"", "\"&AOQ\"", "\"\u{e4}\"", "\"../x\"", "\"a//b\"", "\"\"", "/", "x//"]
    {
        for command in ["CREATE", "RENAME x", "APPEND"] {
            let line = alloc::format!("a {command} {text}");
            assert_eq!(refusal(&line), "a NO Cannot", "{line:?}");
        }
        let body = body_of(&alloc::format!("a SELECT {text}"));
        assert!(matches!(body, CommandBody::Select(Err(_))), "{text:?}: it leaves a mailbox");
    }
    assert_eq!(body_of("a CREATE \"x/\""), CommandBody::Create(name("x")));
    assert_eq!(body_of("a CREATE inbox"), CommandBody::Create(MailboxName::inbox()));
    assert_eq!(body_of("a CREATE {9}\r\ninbox/sub"), CommandBody::Create(name("INBOX/sub")));
    assert_eq!(body_of("a DELETE &AOQ-"), CommandBody::Delete(name("ä")));
    assert_eq!(body_of("a RENAME a \"b c\""), CommandBody::Rename { from: name("a"), to: name("b c") });
    assert_eq!(refusal("a DELETE x/"), "a NO Cannot");
    all_bad(&[
        "a CREATE",
        "a CREATE x y",
        "a RENAME x",
        "a SELECT (x)",
        "a SELECT x*",
        "a SELECT x (CONDSTORE)",
    ]);
}

#[test]
fn i36_lists() {
    let CommandBody::List(pattern) = body_of("a LIST \"\" \"\"") else { panic!() };
    assert!(pattern.is_root());
    let CommandBody::List(pattern) = body_of("a LIST \"\" \"iNbOx\"") else { panic!() };
    assert!(pattern.matches(&MailboxName::inbox()));
    let CommandBody::Lsub(pattern) = body_of("a LSUB a/ %*]") else { panic!() };
    assert_eq!(pattern.as_str(), "a/%*]");
    let CommandBody::List(pattern) = body_of("a LIST {0}\r\n {6}\r\n&AOQ-%") else { panic!() };
    assert!(pattern.matches(&name("äx")));
    all_bad(&[
        "a LIST (RECURSIVEMATCH) \"\" *",
        "a LIST * x",
        "a LIST \"\"",
        "a LIST \"\" (x)",
        "a LIST \"\" * RETURN ()",
    ]);
    assert_eq!(refusal("a LIST \"\" \"\u{e4}*\""), "a NO Cannot");
    assert_eq!(
        body_of("a STATUS inbox (MESSAGES uidnext MESSAGES)"),
        CommandBody::Status {
            mailbox: MailboxName::inbox(),
            items: vec![StatusItem::Messages, StatusItem::UidNext]
        }
    );
    all_bad(&[
        "a STATUS x ()",
        "a STATUS x",
        "a STATUS x MESSAGES",
        "a STATUS x (FOO)",
        "a STATUS x (MESSAGES",
    ]);
}

#[test]
fn store_copy_expunge() {
    let flags: FlagSet = [Flag::Seen, "work".parse().unwrap()].into_iter().collect();
    for (text, action, silent) in [
        ("FLAGS (\\Seen work)", StoreAction::Replace, false),
        ("+flags.silent \\seen work", StoreAction::Add, true),
        ("-FLAGS (work \\Seen work)", StoreAction::Remove, false),
    ] {
        let body = body_of(&alloc::format!("a STORE 1:* {text}"));
        let expected =
            CommandBody::Store { uid: false, set: set("1:*"), action, silent, flags: flags.clone() };
        assert_eq!(body, expected);
    }
    let CommandBody::Store { flags, .. } = body_of("a UID STORE 1 FLAGS ()") else { panic!() };
    assert!(flags.is_empty());
    all_bad(&[
        "a STORE 1 +FLAGS (\\Recent)",
        "a STORE 1 FLAGS",
        "a STORE 1 FLAGS ",
        "a STORE 1 FLAGS \\Seen ",
        "a STORE 1 FLAGS (\\Seen",
        "a STORE 1 FLAGS (\\Seen  \\Deleted)",
        "a STORE 1 FLAGS (\\*)",
        "a STORE 1 +-FLAGS (\\Seen)",
        "a STORE 1 ++FLAGS (\\Seen)",
        "a STORE 1 FLAGS.LOUD (\\Seen)",
        "a STORE 1 (UNCHANGEDSINCE 1) +FLAGS (\\Seen)",
        "a STORE 1 FLAGS (\"x\")",
        "a COPY 1",
        "a UID EXPUNGE",
        "a EXPUNGE 1",
    ]);
    let many = |flags: usize| {
        let flags: Vec<String> = (0..flags).map(|n| alloc::format!("k{n}")).collect();
        alloc::format!("a STORE 1 FLAGS ({})", flags.join(" "))
    };
    assert_eq!(refusal(&many(256)), "accepted");
    assert_eq!(refusal(&many(257)), "a NO Limit");
    assert_eq!(refusal(&alloc::format!("a STORE 1 FLAGS ({})", "k".repeat(256))), "a NO Limit");
    assert_eq!(body_of("a UID EXPUNGE 1:3"), CommandBody::Expunge { uids: Some(set("1:3")) });
    assert_eq!(
        body_of("a UID COPY 1:3 inbox"),
        CommandBody::Copy { uid: true, set: set("1:3"), to: MailboxName::inbox() }
    );
}

#[test]
fn i37_search() {
    let key = |text: &str| match body_of(&alloc::format!("a SEARCH {text}")) {
        CommandBody::Search { uid: false, key } => key,
        other => panic!("{other:?}"),
    };
    assert_eq!(key("ALL"), SearchKey::All);
    assert_eq!(key("(ALL)"), SearchKey::All);
    assert_eq!(key("CHARSET utf-8 SUBJECT {2}\r\n\u{e4}"), SearchKey::Subject("ä".into()));
    assert_eq!(key("CHARSET \"US-ASCII\" 1:*"), SearchKey::Sequence(set("1:*")));
    assert_eq!(
        key("OR SEEN NOT (UID 1 FROM \"\") UNKEYWORD work"),
        SearchKey::And(vec![
            SearchKey::Or(alloc::boxed::Box::new((
                SearchKey::Flag(Flag::Seen),
                SearchKey::Not(alloc::boxed::Box::new(SearchKey::And(vec![
                    SearchKey::Uid(set("1")),
                    SearchKey::From("".into()),
                ]))),
            ))),
            SearchKey::Unflag("work".parse().unwrap()),
        ])
    );
    assert_eq!(key("HEADER x {0}\r\n"), SearchKey::Header("x".into(), "".into()));
    assert!(matches!(key("SINCE 1-Feb-1994"), SearchKey::Since(date) if date.to_string() == "1-Feb-1994"));
    assert!(matches!(key("SENTON \"01-feb-1994\""), SearchKey::SentOn(date) if date.month() == 2));
    assert_eq!(key("LARGER 0"), SearchKey::Larger(0));
    assert_eq!(key("NOT NOT OR 1 2"), {
        let or = SearchKey::Or(alloc::boxed::Box::new((
            SearchKey::Sequence(set("1")),
            SearchKey::Sequence(set("2")),
        )));
        SearchKey::Not(alloc::boxed::Box::new(SearchKey::Not(alloc::boxed::Box::new(or))))
    });
    let refused = parse("a SEARCH CHARSET FOO SUBJECT x").unwrap_err();
    assert_eq!(refused.answer.status, Status::No);
    assert!(matches!(refused.answer.code, Some(ResponseCode::BadCharset(known)) if known.len() == 2));
    all_bad(&[
        "a SEARCH",
        "a SEARCH ",
        "a SEARCH OR ALL",
        "a SEARCH OR ALL ",
        "a SEARCH NOT",
        "a SEARCH ()",
        "a SEARCH (ALL",
        "a SEARCH ALL)",
        "a SEARCH ALL  ALL",
        "a SEARCH FOO",
        "a SEARCH CHARSET UTF-8",
        "a SEARCH ALL CHARSET UTF-8 ALL",
        "a SEARCH KEYWORD \\Seen",
        "a SEARCH KEYWORD \"x\"",
        "a SEARCH SINCE 30-Feb-1994",
        "a SEARCH SINCE 001-Feb-1994",
        "a SEARCH SINCE \"1-Feb-1994",
        "a SEARCH LARGER -1",
        "a SEARCH LARGER 9223372036854775808",
        "a SEARCH UID",
        "a SEARCH 0",
        "a SEARCH \"ALL\"",
        "a SEARCH RETURN () ALL",
    ]);
    assert_eq!(refused_by_octets(b"a SEARCH SUBJECT \"\xff\"\r\n"), Status::Bad);
}

fn refused_by_octets(input: &[u8]) -> Status {
    command(&frame(input), &Limits::default()).unwrap_err().answer.status
}

#[test]
fn i37_search_has_limits() {
    let nested = |depth: usize| alloc::format!("a SEARCH {}ALL{}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(body_of(&nested(32)), CommandBody::Search { uid: false, key: SearchKey::All });
    all_bad(&[&nested(33)]);
    all_bad(&[&alloc::format!("a SEARCH {}ALL", "NOT ".repeat(33))]);
    all_bad(&[&alloc::format!("a SEARCH {}ALL", "OR ".repeat(5000))]);
    let many = |keys: usize| alloc::format!("a SEARCH {}", vec!["ALL"; keys].join(" "));
    assert_eq!(refusal(&many(1024)), "accepted");
    assert_eq!(refusal(&many(1025)), "a NO Limit");
}

#[test]
fn dates_are_those_of_the_calendar() {
    let at = |text: &str| {
        let frame = frame(alloc::format!("{text}\r\n").as_bytes());
        date::date_time(&mut Cursor::new(frame.fragments(), false)).ok()
    };
    let expected: Option<DateTime> = at("\"17-Jul-1996 02:44:25 -0700\"");
    assert_eq!(expected.unwrap().to_string(), "17-Jul-1996 02:44:25 -0700");
    assert_eq!(at("\"29-Feb-2023 02:44:25 -0700\""), None);
}

//! The fuzz bodies with seeded inputs: commands made of the grammar's own pieces, and damage done to them.

use super::*;
use alloc::string::String;
use alloc::vec;
use proptest::prelude::*;

/// Pieces of commands: strung together at random they reach most of the grammar, right or wrong.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        proptest::sample::select(PIECES).prop_map(String::from),
        "[ -~]{0,6}",
        (0..30u32).prop_map(|n| alloc::format!("{{{n}}}\r\n")),
        (0..30u32).prop_map(|n| alloc::format!("{{{n}+}}\r\n")),
        (0..5u32, 0..5u32).prop_map(|(a, b)| alloc::format!("{a}:{b},*")),
        any::<char>().prop_map(String::from),
    ]
}

const PIECES: &[&str] = &[
    "\r\n",
    "\r\n",
    "\n",
    " ",
    " ",
    " ",
    "(",
    ")",
    "\"",
    "\\",
    "a ",
    "+",
    "&",
    "&AOQ-",
    "*",
    "%",
    "[",
    "]",
    "<0.1>",
    "a LOGIN u p\r\n",
    "a UID ",
    "a FETCH 1 (",
    "BODY[",
    "HEADER.FIELDS (",
    "a SEARCH ",
    "OR ",
    "NOT ",
    "SUBJECT ",
    "a APPEND x ",
    "(\\Seen) ",
    "\" 1-Jan-2024 00:00:00 +0000\" ",
    "a LIST \"\" ",
    "a STORE 1 +FLAGS (",
    "\\Deleted",
];

/// Commands that are right.
fn command() -> impl Strategy<Value = String> {
    let string = || {
        prop_oneof![
            "[a-zA-Z0-9&/.%*]{1,8}".prop_map(|text| alloc::format!("\"{text}\"")),
            "[ -~\r\n\u{e4}]{0,8}".prop_map(|text| alloc::format!("{{{}+}}\r\n{text}", text.len())),
            Just("&AOQ-/x".into()),
            Just("\"\\\"\\\\ \u{e4}\"".into()),
        ]
    };
    let set = || prop_oneof![Just("1:*".into()), Just("*".into()), "[1-9]{1,4}(:[1-9]{1,3})?(,[1-9]){0,3}"];
    let key = prop_oneof![
        Just("ALL".into()),
        Just("UNSEEN".into()),
        Just("KEYWORD $Junk".into()),
        Just("SINCE 1-Feb-1994".into()),
        set(),
        set().prop_map(|set| alloc::format!("UID {set}")),
        string().prop_map(|text| alloc::format!("SUBJECT {text}")),
        (string(), string()).prop_map(|(name, text)| alloc::format!("HEADER {name} {text}")),
        any::<u32>().prop_map(|size| alloc::format!("LARGER {size}")),
    ];
    let keys = key.prop_recursive(4, 24, 3, |key| {
        prop_oneof![
            key.clone().prop_map(|key| alloc::format!("NOT {key}")),
            (key.clone(), key.clone()).prop_map(|(a, b)| alloc::format!("OR {a} {b}")),
            proptest::collection::vec(key, 1..4).prop_map(|keys| alloc::format!("({})", keys.join(" "))),
        ]
    });
    let item = prop_oneof![
        proptest::sample::select(&["FLAGS", "UID", "BODY", "BODYSTRUCTURE", "RFC822.SIZE", "RFC822"][..])
            .prop_map(String::from),
        "BODY(\\.PEEK)?\\[([1-9](\\.[1-9]){0,3})?\\](<[0-9]{1,9}\\.[1-9][0-9]{0,9}>)?",
        "[1-9](\\.[1-9]){0,2}\\.(MIME|TEXT|HEADER)".prop_map(|section| alloc::format!("BODY[{section}]")),
        string().prop_map(|name| alloc::format!("BODY.PEEK[HEADER.FIELDS.NOT (Date {name})]")),
    ];
    let body = prop_oneof![
        (string(), string()).prop_map(|(user, password)| alloc::format!("LOGIN {user} {password}")),
        (string(), string()).prop_map(|(from, to)| alloc::format!("RENAME {from} {to}")),
        (string(), string()).prop_map(|(reference, pattern)| alloc::format!("LIST {reference} {pattern}")),
        string().prop_map(|reference| alloc::format!("LSUB {reference} \"\"")),
        string().prop_map(|name| alloc::format!("STATUS {name} (MESSAGES UNSEEN)")),
        string().prop_map(|name| alloc::format!(
            "APPEND {name} (\\Seen x) \"17-Jul-1996 02:44:25 -0700\" {{2+}}\r\nhi"
        )),
        (set(), string()).prop_map(|(set, name)| alloc::format!("UID COPY {set} {name}")),
        (set(), proptest::collection::vec(item, 1..4))
            .prop_map(|(set, items)| alloc::format!("FETCH {set} ({})", items.join(" "))),
        set().prop_map(|set| alloc::format!("STORE {set} -FLAGS.SILENT (\\Deleted work)")),
        keys.prop_map(|keys| alloc::format!("SEARCH {keys}")),
        (string(), string()).prop_map(|(name, value)| alloc::format!("ID ({name} {value})")),
        Just("AUTHENTICATE PLAIN =".into()),
    ];
    body.prop_map(|body| alloc::format!("a1 {body}\r\n"))
}

proptest! {
    #[test]
    fn framer_and_parser_on_pieces(pieces in proptest::collection::vec(piece(), 0..40)) {
        let octets = pieces.concat();
        fuzz_framer(octets.as_bytes());
        fuzz_command(octets.as_bytes());
    }

    #[test]
    fn framer_and_parser_on_noise(octets in proptest::collection::vec(any::<u8>(), 0..200)) {
        fuzz_framer(&octets);
        fuzz_command(&octets);
    }

    #[test]
    fn commands_and_damaged_commands(commands in proptest::collection::vec(command(), 1..4), at in any::<usize>(), octet in any::<u8>()) {
        let mut octets = commands.concat().into_bytes();
        fuzz_framer(&octets);
        fuzz_command(&octets);
        let at = at % octets.len();
        octets[at] = octet;
        fuzz_framer(&octets);
        fuzz_command(&octets);
    }

    #[test]
    fn names(wire in "[a-dA-D&,/+. -]{0,16}") {
        fuzz_name(wire.as_bytes());
    }
}

/// The generator of right commands is worth something only if they are right.
#[test]
fn most_generated_commands_are_understood() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut understood = 0;
    for _ in 0..200 {
        let text = command().new_tree(&mut runner).unwrap().current();
        for step in frames(text.as_bytes(), text.len(), WIDE) {
            let FrameStep::Command(frame) = step else { continue };
            understood += usize::from(parse::command(&frame, &parse::Limits::default()).is_ok());
        }
    }
    assert!(understood > 100, "{understood} of 200");
}

/// Every command, every search key, every fetch item: understood, and the same when spelled anew.
#[test]
fn every_word_of_the_grammar() {
    let commands = "CAPABILITY|NOOP|LOGOUT|STARTTLS|AUTHENTICATE PLAIN|AUTHENTICATE X AAAA|LOGIN u p|SELECT x|EXAMINE x|\
        CREATE x|DELETE x|RENAME x y|SUBSCRIBE x|UNSUBSCRIBE x|LIST x %|LSUB x %|LIST x \"\"|CHECK|CLOSE|UNSELECT|EXPUNGE|\
        UID EXPUNGE 1|IDLE|NAMESPACE|ID NIL|ID (\"a\" NIL)|COPY 1 x|UID COPY 1 x|UID SEARCH 1|UID STORE 1 FLAGS ()|\
        STATUS x (MESSAGES RECENT UIDNEXT UIDVALIDITY UNSEEN)|STORE 1 +FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft)";
    let keys = "ALL|ANSWERED|BCC x|BEFORE 1-Jan-2000|BODY x|CC x|DELETED|FLAGGED|FROM x|KEYWORD x|NEW|OLD|ON 2-Feb-2000|\
        RECENT|SEEN|SINCE 3-Mar-2000|SUBJECT x|TEXT x|TO x|UNANSWERED|UNDELETED|UNFLAGGED|UNKEYWORD x|UNSEEN|DRAFT|\
        HEADER x y|LARGER 1|NOT ALL|OR ALL NEW|SENTBEFORE 4-Apr-2000|SENTON 5-May-2000|SENTSINCE 6-Jun-2000|SMALLER 2|\
        UID 1|UNDRAFT|1:*|(ALL NEW)";
    let items = "ENVELOPE|FLAGS|INTERNALDATE|RFC822|RFC822.HEADER|RFC822.SIZE|RFC822.TEXT|BODY|BODYSTRUCTURE|UID|BODY[]|\
        BODY.PEEK[]<1.2>|BODY[1.2]|BODY[HEADER]|BODY[1.HEADER]|BODY[TEXT]|BODY[1.TEXT]|BODY[1.MIME]|\
        BODY[HEADER.FIELDS (x)]|BODY[1.HEADER.FIELDS.NOT (x \"y z\")]|ALL|FAST|FULL";
    let mut lines: vec::Vec<String> =
        commands.split('|').map(|command| alloc::format!("a {command}\r\n")).collect();
    lines.extend(keys.split('|').map(|key| alloc::format!("a SEARCH {key}\r\n")));
    lines.extend(
        keys.split('|').map(|key| alloc::format!("a SEARCH {key} (NOT ({key} {key}) OR {key} {key})\r\n")),
    );
    lines.extend(items.split('|').map(|item| alloc::format!("a FETCH 1 {item}\r\n")));
    for line in lines {
        let steps = frames(line.as_bytes(), line.len(), WIDE);
        let [FrameStep::Command(frame)] = &steps[..] else { panic!("{line:?}: {steps:?}") };
        parse::command(frame, &parse::Limits::default())
            .unwrap_or_else(|refused| panic!("{line:?}: {refused:?}"));
        fuzz_command(line.as_bytes());
        fuzz_framer(line.as_bytes());
    }
}

//! What is found in messages, and what becomes of them.

#![allow(clippy::unwrap_used, reason = "a test")]

use proptest::prelude::*;
use relay_policy::checks::{Action, CheckLimits, ContentChecks, Kind, Outcome, Verdict};
use relay_policy::table::{Maps, Opener};

fn maps(source: &str) -> Maps {
    let read = |_: &str| Ok(source.as_bytes().to_vec());
    let opened = Opener::new(&read).open("pcre:checks").unwrap();
    assert!(opened.warnings.is_empty(), "{:?}", opened.warnings);
    Maps::new(vec![opened.table])
}

/// A table that logs everything, with a name for itself.
fn all(name: &str) -> Maps {
    maps(&format!("/^/ INFO {name}\n"))
}

fn inspect(checks: &ContentChecks, message: &[u8], piece_bytes: usize) -> (Vec<u8>, Outcome) {
    let (mut inspection, mut kept) = (checks.inspect(), Vec::new());
    message.chunks(piece_bytes.max(1)).for_each(|piece| inspection.feed(piece, &mut kept));
    let outcome = inspection.finish(&mut kept);
    (kept, outcome)
}

/// What was found: the table's name and the line.
fn found(outcome: &Outcome) -> Vec<String> {
    outcome.findings.iter().map(|finding| format!("{} {}", finding.text, finding.line)).collect()
}

const NESTED: &str = "From: a\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed;\r\n\tboundary=\"b:1\"\r\n\r\npreamble\r\n\
    --b:1\r\nContent-Type: message/rfc822\r\nX-Part: p\r\n\r\nSubject: inner\r\nContent-Type: multipart/digest; boundary=b\r\n\r\n\
    --b\r\n\r\nSubject: in digest\r\n\r\nbody\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n--b--\r\nepilogue\r\n\
    --b:1\r\nX-Only: header\r\n--b:1--\r\nend\r\n";

#[test]
fn each_line_goes_to_its_table() {
    let checks = ContentChecks {
        header: all("header"),
        mime_header: Some(all("mime")),
        nested_header: Some(all("nested")),
        body: all("body"),
        limits: CheckLimits::default(),
    };
    let (kept, outcome) = inspect(&checks, NESTED.as_bytes(), 7);
    assert_eq!(kept, NESTED.as_bytes());
    assert_eq!(
        found(&outcome),
        [
            "header From: a",
            "mime MIME-Version: 1.0",
            "mime Content-Type: multipart/mixed;  boundary=\"b:1\"",
            "body preamble",
            "body --b:1",
            "mime Content-Type: message/rfc822",
            "mime X-Part: p",
            "nested Subject: inner",
            "mime Content-Type: multipart/digest; boundary=b",
            "body --b",
            "nested Subject: in digest",
            "body body",
            "body --b",
            "mime Content-Type: text/plain",
            "body plain",
            "body --b--",
            "body epilogue",
            "body --b:1",
            "mime X-Only: header",
            "body --b:1--",
            "body end",
        ]
    );
    let checks = ContentChecks { header: all("header"), ..ContentChecks::default() };
    let (_, outcome) = inspect(&checks, NESTED.as_bytes(), 1_000);
    let kinds = outcome.findings.iter().map(|finding| finding.kind);
    assert_eq!(kinds.filter(|kind| *kind == Kind::NestedHeader).count(), 2, "as the header, by default");
}

/// RFC 2046 section 5.1.1: a boundary has one character at least. If an empty one were one, lines that begin with two hyphens would be
/// header for the checks, and text for who reads it.
#[test]
fn an_empty_boundary_is_none() {
    let checks =
        ContentChecks { mime_header: Some(all("mime")), body: all("body"), ..ContentChecks::default() };
    for boundary in ["\"\"", "\" \""] {
        let message = format!("Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n--\r\nBuy: now\r\n");
        let (_, outcome) = inspect(&checks, message.as_bytes(), 1_000);
        assert_eq!(found(&outcome)[1..], ["body --", "body Buy: now"], "{boundary}");
    }
}

#[test]
fn lines_are_taken_out_put_in_and_replaced() {
    let checks = ContentChecks {
        header: maps(
            "/^X-Secret:/ IGNORE\n/^X-Strip:/ STRIP bye\n/^Subject: (.*)$/ REPLACE Subject: [$1]\n\
             /^To:/ PREPEND X-Before: to\n/^Cc:/ DUNNO\n/^Cc:/ REJECT never\n/^Bad:/ REPLACE no field\n",
        ),
        body: maps("/^secret/ IGNORE\n/^(.*)secret(.*)$/ REPLACE $1*$2\n/^hello/ PREPEND -- \n"),
        ..ContentChecks::default()
    };
    let message = b"X-Secret: a\r\n b\r\nSubject: caf\xe9\r\n\t\xc3\xa9\r\nTo: x\r\nX-Strip: y\r\nCc: z\r\nBad: b\r\n\r\n\
                    secret\r\nno secret\xff here\r\nhello\r\nend";
    let (kept, outcome) = inspect(&checks, message, 3);
    assert_eq!(
        kept,
        b"Subject: [caf\xe9\r\n\t\xc3\xa9]\r\nX-Before: to\r\nTo: x\r\nCc: z\r\nBad: b\r\n\r\n\
          no *\xff here\r\n--\r\nhello\r\nend"
    );
    assert_eq!(outcome.verdict, Verdict::Accept);
    let log: Vec<_> =
        outcome.findings.iter().filter_map(|finding| finding.log_line("c[192.0.2.1]; from=<a@b>")).collect();
    assert_eq!(log[0], "replace: header Subject: caf?  é from c[192.0.2.1]; from=<a@b>: Subject: [caf?  é]");
    assert_eq!(log[2], "strip: header X-Strip: y from c[192.0.2.1]; from=<a@b>: bye");
    assert!(log[3].starts_with("warning: header Bad: b from"), "{}", log[3]);
}

/// What a pattern takes out of a message makes no second line of the log, and tells a terminal nothing.
#[test]
fn words_of_a_message_are_shown_as_one_line() {
    let checks = ContentChecks {
        header: maps("/^Subject: (.*)$/ WARN subject $1\n/^X-A: (.*)$/ REJECT no $1\n"),
        ..ContentChecks::default()
    };
    let message = b"Subject: x\r\n 2026-11-23T00:00:00Z INFO forged\x1b[2J\r\nX-A: y\r\n z\x07\r\n\r\n";
    let (_, outcome) = inspect(&checks, message, 1_000);
    let shown: Vec<_> = outcome.findings.iter().map(ToString::to_string).collect();
    let logged: Vec<_> =
        outcome.findings.iter().filter_map(|finding| finding.log_line("c[192.0.2.1]")).collect();
    assert_eq!(
        logged,
        [
            "warning: header Subject: x  2026-11-23T00:00:00Z INFO forged?[2J from c[192.0.2.1]: subject x  \
             2026-11-23T00:00:00Z INFO forged?[2J",
            "reject: header X-A: y  z? from c[192.0.2.1]: 5.7.1 no y  z ",
        ]
    );
    assert_eq!(shown.len(), 2);
    assert!(shown.iter().chain(&logged).all(|line| !line.chars().any(char::is_control)), "{shown:?}");
}

#[test]
fn what_becomes_of_the_message() {
    let outcome = |source: &str, message: &str| {
        let checks = ContentChecks { header: maps(source), ..ContentChecks::default() };
        inspect(&checks, message.as_bytes(), 5).1
    };
    let message = "A: 1\r\nB: 2\r\nC: 3\r\nC: 4\r\nD: 5\r\n";
    let sum = outcome(
        "/^A/ FILTER scan:x\n/^B/ HOLD\n/C: 3/ BCC a@b.test\n/C: 4/ BCC a@b.test\n/^D/ FILTER scan:y\n",
        message,
    );
    assert_eq!(
        (sum.is_held, sum.filter.as_deref(), sum.bcc),
        (true, Some("scan:y"), vec!["a@b.test".into()])
    );
    let redirected = outcome("/^A/ REDIRECT x@b.test\n/^D/ FILTER scan:y\n", message);
    assert_eq!((redirected.redirect.as_deref(), redirected.filter), (Some("x@b.test"), None));
    for (action, verdict) in [("DISCARD", "Discard"), ("PASS", "Accept"), ("REJECT 4.7.0 x", "Refuse")] {
        let ended = outcome(&format!("/^B/ {action}\n/./ INFO\n"), message);
        assert!(format!("{:?}", ended.verdict).starts_with(verdict));
        assert_eq!(
            (ended.findings.len(), ended.is_passed),
            (2, action == "PASS"),
            "nothing behind it is looked at"
        );
    }
    let failed = {
        let read = |_: &str| Err(String::new());
        let table = Opener::new(&read).open("fail:x").unwrap().table;
        let checks = ContentChecks { header: Maps::new(vec![table]), ..ContentChecks::default() };
        inspect(&checks, message.as_bytes(), 100)
    };
    assert_eq!(failed.0, message.as_bytes());
    assert!(
        matches!(&failed.1.verdict, Verdict::Refuse(reply) if reply.code == 451),
        "{:?}",
        failed.1.verdict
    );
    assert!(matches!(failed.1.findings[0].action, Action::Failed(_)));
}

#[test]
fn what_is_looked_at_has_limits() {
    let limits = CheckLimits { field_bytes_max: 20, line_bytes_max: 10, body_bytes_max: 25 };
    let header = maps("/^Long: .*$/ REPLACE Long: no\n/^Drop:/ IGNORE\n/^/ INFO h\n");
    let checks = ContentChecks { header, body: all("b"), limits, ..ContentChecks::default() };
    let message = "Long: 5678901234567890\r\n 234\r\nDrop: 5678901234567890\r\n 234\r\nKeep: 5678901234567890\r\n 234\r\n\r\n\
                   0123456789\r\n01234567890\r\n0123\r\nlate\r\n";
    for piece_bytes in 1..message.len() {
        let (kept, outcome) = inspect(&checks, message.as_bytes(), piece_bytes);
        assert_eq!(
            String::from_utf8(kept).unwrap(),
            "Long: no\r\nKeep: 5678901234567890\r\n 234\r\n\r\n0123456789\r\n01234567890\r\n0123\r\nlate\r\n"
        );
        let found = found(&outcome);
        assert_eq!(
            found[2..],
            ["h Keep: 56789012345678", "b 0123456789", "b 0123456789", "b 0"],
            "{found:?}"
        );
    }
    let many = "X: 1\r\n".repeat(1_500);
    let (_, outcome) = inspect(&checks, many.as_bytes(), 4_096);
    assert_eq!((outcome.findings.len(), outcome.findings_dropped), (1_000, 500));
    let deep: String = (0..200).map(|_| "Content-Type: message/rfc822\r\n\r\n").collect();
    let (kept, outcome) =
        inspect(&ContentChecks { header: all("h"), ..ContentChecks::default() }, deep.as_bytes(), 100);
    assert!(kept == deep.as_bytes());
    assert_eq!(outcome.findings.len(), 101, "what is deeper is body");
}

#[test]
fn what_is_captured_does_not_end_a_field() {
    // What the pattern takes out is the blank that kept a line in its field.
    let replacing = "/^Subject: (.*)\\s+lottery(.*)/ REPLACE Subject: $1$2\n";
    let prepending = "/^Subject: (.*)\\s+lottery(.*)/ PREPEND X-Old: $1$2\n";
    let message = b"Subject: x\r\n lotteryBcc: evil@x\r\nTo: y\r\n\r\nbody\r\n";
    for (source, expected) in [
        (replacing, &b"Subject: x\r\n\tBcc: evil@x\r\nTo: y\r\n\r\nbody\r\n"[..]),
        (
            prepending,
            b"X-Old: x\r\n\tBcc: evil@x\r\nSubject: x\r\n lotteryBcc: evil@x\r\nTo: y\r\n\r\nbody\r\n",
        ),
    ] {
        let checks = ContentChecks { header: maps(source), ..ContentChecks::default() };
        for piece_bytes in [1, 7, 1000] {
            let (kept, _) = inspect(&checks, message, piece_bytes);
            assert_eq!(String::from_utf8_lossy(&kept), String::from_utf8_lossy(expected));
        }
    }
    // A line end at the end would be an empty line, which ends the header.
    let checks = ContentChecks {
        header: maps("/^Subject: (.*)\\s+lottery/ REPLACE Subject: $1\n"),
        ..ContentChecks::default()
    };
    let (kept, _) = inspect(&checks, message, 1000);
    assert_eq!(String::from_utf8_lossy(&kept), "Subject: x\r\nTo: y\r\n\r\nbody\r\n");
}

/// As Postfix has it: nothing stands in an empty line, also for a pattern that must not match.
#[test]
fn an_empty_line_is_not_looked_up() {
    let checks = ContentChecks { body: maps("/^$/ REJECT\n!/x/ INFO b\n"), ..ContentChecks::default() };
    let (_, outcome) = inspect(&checks, b"A: b\r\n\r\nbody\r\n\r\nmore\r\n", 1000);
    assert_eq!(
        (outcome.verdict.clone(), found(&outcome)),
        (Verdict::Accept, vec!["b body".into(), "b more".into()])
    );
}

#[test]
fn no_limit_is_too_large() {
    let limits =
        CheckLimits { field_bytes_max: usize::MAX, line_bytes_max: usize::MAX, body_bytes_max: usize::MAX };
    let checks = ContentChecks { header: all("h"), body: all("b"), limits, ..ContentChecks::default() };
    for piece_bytes in [1, 1000] {
        let (_, outcome) = inspect(&checks, b"A: b\r\n c\r\n\r\nbody", piece_bytes);
        assert_eq!(found(&outcome), ["h A: b  c", "b body"]);
    }
    let mut parameters = relay_policy::Parameters::default();
    for name in ["line_length_limit", "header_size_limit", "body_checks_size_limit"] {
        assert!(parameters.set(name, "18446744073709551615").is_err(), "{name}");
        parameters.set(name, "2147483647").unwrap();
    }
}

/// Messages of what matters: fields, boundaries, blank lines, long lines, octets that are not text.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        Just(b"Content-Type: multipart/mixed; boundary=x\r\n".to_vec()),
        Just(b"Content-Type: multipart/digest;\r\n boundary=xx\r\n".to_vec()),
        Just(b"Content-Type: message/rfc822\r\n".to_vec()),
        Just(b"A: 1\r\n".to_vec()),
        Just(b" more\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"--x\r\n".to_vec()),
        Just(b"--xx--\r\n".to_vec()),
        Just(b"--x: \r\n".to_vec()),
        Just(b"0123456789012345678901234567890123456789".to_vec()),
        prop::collection::vec(any::<u8>(), 0..12),
    ];
    prop::collection::vec(word, 0..30).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn how_the_message_is_cut_changes_nothing(message in message(), piece_bytes in 1..50_usize, changes in any::<bool>()) {
        let limits = CheckLimits { field_bytes_max: 60, line_bytes_max: 16, body_bytes_max: 40 };
        let source = if changes { "/1/ REPLACE A: $$\n/x/ PREPEND B: b\n/m/ IGNORE\n/^/ INFO\n" } else { "/^/ INFO\n" };
        let checks = ContentChecks { header: maps(source), body: maps(source), limits, ..ContentChecks::default() };
        let whole = inspect(&checks, &message, usize::MAX);
        prop_assert_eq!(&inspect(&checks, &message, piece_bytes), &whole);
        prop_assert_eq!(&inspect(&checks, &message, 1), &whole);
        if !changes {
            prop_assert_eq!(&whole.0, &message);
        }
    }
}

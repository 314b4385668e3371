//! Content checks as the access-policy specification has them: section 13 and the vectors D049 to D058.

#![allow(clippy::unwrap_used, reason = "a test")]

use relay_policy::checks::{ContentChecks, Outcome, Verdict};
use relay_policy::table::Opener;
use relay_policy::{Parameters, Reply};

/// Looks at a message with these parameters: what is kept of it, and what came of it.
fn inspect(parameters: &[(&str, &str)], message: &str) -> (String, Outcome) {
    let mut all = Parameters::default();
    parameters.iter().for_each(|(name, value)| all.set(name, value).unwrap());
    let no_files = |_: &str| Err("no files".into());
    let mut warnings = Vec::new();
    let checks = ContentChecks::from_parameters(&all, &Opener::new(&no_files), &mut warnings).unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let (mut inspection, mut kept) = (checks.inspect(), Vec::new());
    inspection.feed(message.replace('\n', "\r\n").as_bytes(), &mut kept);
    let outcome = inspection.finish(&mut kept);
    (String::from_utf8(kept).unwrap().replace("\r\n", "\n"), outcome)
}

fn refusal(outcome: &Outcome) -> Option<String> {
    match &outcome.verdict {
        Verdict::Refuse(reply) => Some(Reply::to_string(reply)),
        _ => None,
    }
}

fn log(outcome: &Outcome) -> Vec<String> {
    outcome.findings.iter().filter_map(|finding| finding.log_line("c[192.0.2.1]; from=<a@b>")).collect()
}

/// Each action of the table of section 13: the rule, what is kept of the message, and the rest.
#[test]
fn section_13_the_actions() {
    const MESSAGE: &str = "Subject: lottery\nTo: b@c.test\n\nWin\n";
    type Seen = fn(&Outcome) -> bool;
    let cases: [(&str, &str, Seen); 16] = [
        ("REJECT", MESSAGE, |o| refusal(o).as_deref() == Some("550 5.7.1 message content rejected")),
        ("REJECT no lotteries", MESSAGE, |o| refusal(o).as_deref() == Some("550 5.7.1 no lotteries")),
        ("REJECT 5.7.9 no lotteries", MESSAGE, |o| refusal(o).as_deref() == Some("550 5.7.9 no lotteries")),
        ("DISCARD", MESSAGE, |o| o.verdict == Verdict::Discard),
        ("HOLD", MESSAGE, |o| o.is_held),
        ("FILTER scan:[127.0.0.1]:10025", MESSAGE, |o| o.filter.as_deref() == Some("scan:[127.0.0.1]:10025")),
        ("REDIRECT trap@c.test", MESSAGE, |o| o.redirect.as_deref() == Some("trap@c.test")),
        ("BCC archive@c.test", MESSAGE, |o| o.bcc == ["archive@c.test"]),
        ("PREPEND X-Seen: yes", "X-Seen: yes\nSubject: lottery\nTo: b@c.test\n\nWin\n", |o| {
            o.verdict == Verdict::Accept
        }),
        ("REPLACE Subject: [spam]", "Subject: [spam]\nTo: b@c.test\n\nWin\n", |o| {
            o.verdict == Verdict::Accept
        }),
        ("IGNORE", "To: b@c.test\n\nWin\n", |o| o.verdict == Verdict::Accept && log(o).is_empty()),
        ("STRIP gone", "To: b@c.test\n\nWin\n", |o| log(o).len() == 1),
        ("DUNNO", MESSAGE, |o| o.verdict == Verdict::Accept && log(o).is_empty()),
        ("OK", MESSAGE, |o| o.verdict == Verdict::Accept),
        ("INFO seen", MESSAGE, |o| log(o)[0].starts_with("info: header Subject: lottery from c[192.0.2.1]")),
        ("WARN seen", MESSAGE, |o| {
            log(o)[0].starts_with("warning: header Subject: lottery from c[192.0.2.1]")
        }),
    ];
    for (action, expected, seen) in cases {
        let rule = format!("regexp:{{{{/^Subject: lottery/ {action}}}}}");
        let (kept, outcome) = inspect(&[("header_checks", &rule)], MESSAGE);
        assert_eq!(kept, expected, "{action}");
        assert!(seen(&outcome), "{action}: {outcome:?}");
    }
    // PASS ends the looking, at the rest of the header and at the body.
    let rules = [
        ("header_checks", "regexp:{{/^Subject:/ PASS},{/^To:/ REJECT}}"),
        ("body_checks", "regexp:{{/Win/ REJECT}}"),
    ];
    let (kept, outcome) = inspect(&rules, MESSAGE);
    assert_eq!((&*kept, outcome.verdict, outcome.is_passed), (MESSAGE, Verdict::Accept, true));
}

#[test]
fn d049_and_d050_case_does_not_count() {
    let message = "SUBJECT: buy VIAGRA\n\nx\n";
    let (_, outcome) = inspect(&[("header_checks", "regexp:{{/^Subject: .*viagra/ REJECT}}")], message);
    assert_eq!(refusal(&outcome).as_deref(), Some("550 5.7.1 message content rejected"));
    let (_, outcome) =
        inspect(&[("header_checks", "regexp:{{/^Subject: .*viagra/ REJECT 5.7.9 spam}}")], message);
    assert_eq!(refusal(&outcome).as_deref(), Some("550 5.7.9 spam"));
}

#[test]
fn d051_a_folded_field_is_one_text() {
    let message = "Subject: buy\n\tviagra\n\nx\n";
    for pattern in [r"/^Subject: buy[[:space:]]+viagra$/", r"/^Subject: .*viagra/"] {
        let rule = format!("regexp:{{{{{pattern} REJECT}}}}");
        let (_, outcome) = inspect(&[("header_checks", &rule)], message);
        assert!(refusal(&outcome).is_some(), "{pattern}");
    }
}

#[test]
fn d052_what_is_behind_the_limit_is_not_looked_at() {
    let rules = [("body_checks", "regexp:{{/needle/ REJECT}}"), ("body_checks_size_limit", "51200")];
    let filler = "0123456789012345678901234567890123456789012345678\n";
    let behind = format!("A: b\n\n{}needle\n", filler.repeat(60_000 / filler.len()));
    assert_eq!(refusal(&inspect(&rules, &behind).1), None);
    let before = format!("A: b\n\n{}needle\n", filler.repeat(40_000 / filler.len()));
    assert!(refusal(&inspect(&rules, &before).1).is_some());
}

#[test]
fn d053_and_d054_fields_go_and_what_is_no_field_is_not_put_in() {
    let message = "Received: from a\n\tby b\nSubject: s\n\nx\n";
    let (kept, _) = inspect(&[("header_checks", "regexp:{{/^Received:/ IGNORE}}")], message);
    assert_eq!(kept, "Subject: s\n\nx\n");
    let (kept, outcome) = inspect(&[("header_checks", "regexp:{{/^Subject:/ REPLACE no name}}")], message);
    assert_eq!(kept, message);
    assert!(log(&outcome)[0].starts_with("warning: header Subject: s from"), "{:?}", log(&outcome));
}

#[test]
fn d055_the_first_rule_that_matches() {
    let rules = [("header_checks", "regexp:{{/^Subject:/ WARN first},{/^Subject:/ REJECT second}}")];
    let (_, outcome) = inspect(&rules, "Subject: s\n\nx\n");
    assert_eq!((refusal(&outcome), log(&outcome).len()), (None, 1));
}

#[test]
fn d056_redirect_stands_over_filter() {
    let rules = [("header_checks", "regexp:{{/^A:/ REDIRECT a@x.test},{/^B:/ FILTER f:}}")];
    let (_, outcome) = inspect(&rules, "A: 1\nB: 2\n\nx\n");
    assert_eq!((outcome.redirect.as_deref(), outcome.filter), (Some("a@x.test"), None));
}

#[test]
fn d057_an_attachment_is_seen_as_it_is_encoded() {
    // "needle" in base64.
    let message =
        "MIME-Version: 1.0\nContent-Type: text/plain\nContent-Transfer-Encoding: base64\n\nbmVlZGxl\n";
    let found = |pattern: &str| {
        let rule = format!("regexp:{{{{/{pattern}/ REJECT}}}}");
        refusal(&inspect(&[("body_checks", &rule)], message).1).is_some()
    };
    assert!(!found("needle") && found("bmVlZGxl"));
}

#[test]
fn d058_the_header_of_an_attached_message() {
    let message = "Subject: outer\nMIME-Version: 1.0\nContent-Type: message/rfc822\n\nSubject: inner\n\nx\n";
    let inner = "regexp:{{/^Subject: inner/ REJECT}}";
    let refused = |rules: &[(&str, &str)]| refusal(&inspect(rules, message).1).is_some();
    assert!(refused(&[("nested_header_checks", inner)]));
    assert!(refused(&[("header_checks", inner)]), "which it is, unless something else is said");
    assert!(!refused(&[("header_checks", inner), ("nested_header_checks", "")]));
}

//! MIME that is not as it should be: protocols.md §2.2.9, one rule a test. Every message also keeps the promises
//! that `fuzz_message` checks.

mod common;

use mail_message::fuzz::fuzz_message;
use mail_message::mime::Limits;

/// The BODY of a message of these lines, each without its line end.
#[track_caller]
fn body(lines: &[&str]) -> String {
    let octets = lines.iter().map(|line| format!("{line}\r\n")).collect::<String>();
    fuzz_message(octets.as_bytes());
    common::body(&common::scan(octets.as_bytes()).body_structure(), false)
}

/// Part sizes in short: the outline with octets and lines of text leaves.
#[track_caller]
fn texts(lines: &[&str]) -> Vec<String> {
    let octets = lines.iter().map(|line| format!("{line}\r\n")).collect::<String>();
    fuzz_message(octets.as_bytes());
    let message = common::scan(octets.as_bytes());
    let text = |range: &std::ops::Range<u64>| octets[range.start as usize..range.end as usize].to_owned();
    message.leaves().map(|part| text(&part.body)).collect()
}

const EMPTY: &str = r#"("TEXT" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0)"#;

#[test]
fn i33_a_multipart_without_a_boundary_line_has_one_empty_text_part() {
    let found = body(&["Content-Type: multipart/mixed; boundary=x", "", "no boundary line", "here"]);
    assert_eq!(found, format!(r#"({EMPTY} "mixed")"#));
}

#[test]
fn a_multipart_without_a_boundary_parameter_has_one_empty_text_part() {
    for content_type in ["multipart/mixed", "multipart/mixed; boundary=", "multipart/mixed; boundary=\" \""] {
        assert_eq!(
            body(&[&format!("Content-Type: {content_type}"), "", "--", "-- ", "--x"]),
            format!(r#"({EMPTY} "mixed")"#)
        );
    }
}

#[test]
fn a_multipart_that_only_closes_has_one_empty_text_part() {
    assert_eq!(
        body(&["Content-Type: multipart/mixed; boundary=x", "", "--x--", "epilogue"]),
        format!(r#"({EMPTY} "mixed")"#)
    );
}

#[test]
fn without_a_closing_boundary_the_part_runs_to_the_end() {
    let lines = ["Content-Type: multipart/mixed; boundary=x", "", "--x", "", "one", "--x", "", "two", ""];
    assert_eq!(texts(&lines), ["one", "two\r\n\r\n"]);
}

#[test]
fn the_first_of_two_boundary_parameters_counts() {
    let lines = [
        "Content-Type: multipart/mixed; boundary=x; boundary=y",
        "",
        "--y",
        "",
        "--x",
        "",
        "one",
        "--y",
        "--x--",
    ];
    assert_eq!(texts(&lines), ["one\r\n--y"]);
}

#[test]
fn a_boundary_that_begins_with_the_parents() {
    let lines = [
        "Content-Type: multipart/mixed; boundary=x",
        "",
        "--x",
        "Content-Type: multipart/mixed; boundary=xy",
        "",
        "--xy",
        "",
        "inner one",
        "--xy",
        "",
        "inner two",
        "--xy--",
        "--x",
        "",
        "outer",
        "--x--",
    ];
    assert_eq!(texts(&lines), ["inner one", "inner two", "outer"]);
}

#[test]
fn a_boundary_that_the_parents_begins_with() {
    let lines = [
        "Content-Type: multipart/mixed; boundary=xy",
        "",
        "--xy",
        "Content-Type: multipart/mixed; boundary=x",
        "",
        "--x",
        "",
        "inner",
        "--xy",
        "",
        "outer",
        "--xy--",
    ];
    assert_eq!(texts(&lines), ["inner", "outer"]);
}

#[test]
fn the_same_boundary_inside_itself_belongs_to_the_inner_until_it_closes() {
    let lines = [
        "Content-Type: multipart/mixed; boundary=x",
        "",
        "--x",
        "Content-Type: multipart/mixed; boundary=x",
        "",
        "--x",
        "",
        "inner",
        "--x--",
        "--x",
        "",
        "outer",
        "--x--",
    ];
    assert_eq!(texts(&lines), ["inner", "outer"]);
}

#[test]
fn a_closed_multipart_still_claims_its_boundary() {
    let lines = [
        "Content-Type: multipart/mixed; boundary=x",
        "",
        "--x",
        "Content-Type: multipart/mixed; boundary=xy",
        "",
        "--xy",
        "",
        "inner",
        "--xy--",
        "--xy",
        "",
        "epilogue",
        "--x--",
    ];
    assert_eq!(texts(&lines), ["inner"]);
}

#[test]
fn text_behind_a_boundary_is_passed_over() {
    let lines = [
        "Content-Type: multipart/mixed; boundary=x",
        "",
        "--x \t ",
        "",
        "one",
        "--xyz",
        "",
        "two",
        "--x--yz",
        "end",
    ];
    assert_eq!(texts(&lines), ["one", "two"]);
}

#[test]
fn two_boundary_lines_in_a_row_hold_an_empty_part() {
    let lines = ["Content-Type: multipart/mixed; boundary=x", "", "--x", "--x", "", "one", "--x--"];
    assert_eq!(texts(&lines), ["", "one"]);
}

#[test]
fn an_unreadable_content_type_is_text_plain() {
    for content_type in ["text", "text/", "/plain", "", ";", "text plain", "multipart", "(text/html)"] {
        let found = body(&[&format!("Content-Type: {content_type}"), "", "one"]);
        assert_eq!(found, r#"("TEXT" "plain" ("charset" "us-ascii") NIL NIL "7bit" 5 1)"#, "{content_type}");
    }
}

#[test]
fn a_digest_holds_messages_unless_told_otherwise() {
    let lines = [
        "Content-Type: multipart/digest; boundary=x",
        "",
        "--x",
        "",
        "Subject: a",
        "",
        "--x",
        "Content-Type: text/plain",
        "",
        "b",
        "--x--",
    ];
    let octets = lines.join("\r\n");
    fuzz_message(octets.as_bytes());
    let structure = common::scan(octets.as_bytes()).body_structure();
    assert_eq!(common::outline(&structure), "digest(message/rfc822[text/plain] text/plain)");
}

#[test]
fn an_encoded_message_is_a_leaf() {
    for encoding in ["base64", "Quoted-Printable", "x-uuencode"] {
        let found = body(&[
            "Content-Type: message/rfc822; a=b",
            &format!("Content-Transfer-Encoding: {encoding}"),
            "",
            "x",
        ]);
        assert_eq!(found, format!(r#"("application" "octet-stream" ("a" "b") NIL NIL "{encoding}" 3)"#));
    }
    for encoding in ["7bit", "8BIT", "binary"] {
        let lines = [
            "Content-Type: message/global",
            &format!("Content-Transfer-Encoding: {encoding}"),
            "",
            "Subject: x",
            "",
            "y",
        ];
        assert!(body(&lines).starts_with(r#"("MESSAGE" "global""#));
    }
}

#[test]
fn beyond_the_depth_cap_everything_is_a_leaf() {
    let mut limits = Limits::default();
    limits.depth_max = 3;
    let nested: String =
        (0..6).map(|n| format!("Content-Type: multipart/mixed; boundary=x{n}\r\n\r\n--x{n}\r\n")).collect();
    let structure = common::scan_with(nested.as_bytes(), limits.clone()).body_structure();
    assert_eq!(common::outline(&structure), "mixed(mixed(mixed(application/octet-stream)))");
    let messages = "Content-Type: message/rfc822\r\n\r\n".repeat(6);
    let structure = common::scan_with(messages.as_bytes(), limits).body_structure();
    assert_eq!(
        common::outline(&structure),
        "message/rfc822[message/rfc822[message/rfc822[application/octet-stream]]]"
    );
    fuzz_message("Content-Type: message/rfc822\r\n\r\n".repeat(500).as_bytes());
}

#[test]
fn beyond_the_part_cap_nothing_is_named() {
    let mut limits = Limits::default();
    limits.parts_max = 3;
    let octets = format!(
        "Content-Type: multipart/mixed; boundary=x\r\n\r\n{}--x--\r\n",
        "--x\r\n\r\nbody\r\n".repeat(9)
    );
    let message = common::scan_with(octets.as_bytes(), limits);
    assert_eq!(common::outline(&message.body_structure()), "mixed(text/plain text/plain text/plain)");
    assert!(message.leaves().all(|part| part.body.end - part.body.start == 4));
}

#[test]
fn values_beyond_the_cap_are_absent() {
    let mut limits = Limits::default();
    limits.values_bytes_max = 20;
    let message = common::scan_with(b"Subject: 0123456789\r\nMessage-ID: 0123456789X\r\nDate: 0123456789\r\nContent-Type: text/html\r\n\r\n", limits);
    assert_eq!(
        common::envelope(&message.envelope),
        r#"("0123456789" "0123456789" NIL NIL NIL NIL NIL NIL NIL NIL)"#
    );
    assert_eq!(common::outline(&message.body_structure()), "application/octet-stream");
}

#[test]
fn a_field_beyond_the_cap_is_cut_and_the_next_one_read() {
    let mut limits = Limits::default();
    limits.field_bytes_max = 20;
    let octets = format!("Subject: 0123456789\r\n{}Date: now\r\n\r\nbody", " more\r\n".repeat(9000));
    let message = common::scan_with(octets.as_bytes(), limits);
    assert_eq!(message.envelope.subject.as_deref(), Some(&b"0123456789"[..]));
    assert_eq!(message.envelope.date.as_deref(), Some(&b"now"[..]));
    assert_eq!(message.root.body, octets.len() as u64 - 4..octets.len() as u64);
}

#[test]
fn parameters_are_capped() {
    let many: String = (0..100_000).map(|n| format!(";\r\n p{n}*0=x")).collect();
    let octets = format!("Content-Type: text/plain{many}\r\n\r\nbody");
    let message = common::scan(octets.as_bytes());
    assert_eq!(message.root.fields.content_type.parameters.len(), 64);
}

#[test]
fn a_message_may_be_all_header() {
    assert_eq!(body(&["Content-Type: text/html", "Subject: x"]), r#"("TEXT" "html" NIL NIL NIL "7bit" 0 0)"#);
    fuzz_message(b"Content-Type: multipart/mixed; boundary=x");
    fuzz_message(b"");
}

/// The header of the part has no empty line: its line end is its own, not the boundary's.
#[test]
fn a_part_may_be_all_header() {
    let octets =
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: text/html\r\n--x--\r\n";
    fuzz_message(octets);
    let message = common::scan(octets);
    let part = message.leaves().next().unwrap();
    assert_eq!(&octets[part.header.start as usize..part.header.end as usize], b"Content-Type: text/html\r\n");
    assert!(part.body.is_empty());
}

/// The enclosed message ends where its part does, in the middle of its last header line.
#[test]
fn an_enclosed_message_may_be_all_header() {
    let octets = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: message/rfc822\r\n\r\nSubject: y\r\n--x--\r\n";
    fuzz_message(octets);
    let structure = common::scan(octets).body_structure();
    assert!(common::body(&structure, false).contains(r#""MESSAGE" "rfc822" NIL NIL NIL "7bit" 10 (NIL "y""#));
}

/// The line end of the inner boundary line belongs to the outer boundary behind it, so the inner part begins and ends
/// before it.
#[test]
fn an_outer_boundary_may_follow_an_inner_one_at_once() {
    let lines = [
        "Content-Type: multipart/mixed; boundary=x",
        "",
        "--x",
        "Content-Type: multipart/mixed; boundary=y",
        "",
        "--y",
        "--x--",
    ];
    assert_eq!(texts(&lines), [""]);
}

#[test]
fn a_boundary_may_follow_a_header_without_an_empty_line() {
    let lines = ["Content-Type: multipart/mixed; boundary=x", "--x", "", "one", "--x--"];
    assert_eq!(texts(&lines), ["one"]);
}

#[test]
fn lines_and_octets_count_the_transfer_form() {
    let found =
        body(&["Content-Type: text/plain", "Content-Transfer-Encoding: base64", "", "Zm9v", "YmFy", ""]);
    assert_eq!(found, r#"("TEXT" "plain" NIL NIL NIL "base64" 14 3)"#);
}

#[test]
fn nul_8_bit_and_bare_cr_are_kept_and_counted() {
    let octets =
        b"Content-Type: multipart/mixed; boundary=\"\xff\"\r\n\r\n--\xff\r\n\r\na\0b\rc\xfe\r\n--\xff--";
    fuzz_message(octets);
    let message = common::scan(octets);
    let part = message.leaves().next().unwrap();
    assert_eq!(&octets[part.body.start as usize..part.body.end as usize], b"a\0b\rc\xfe");
}

//! Hundreds of lines that are `From_` lines, and some that only look so.

use super::*;

/// 2026-11-22 14:13:11 UTC.
const AT: i64 = 1_795_356_791;

#[test]
fn dates_are_read_in_every_form_that_has_been_written() {
    let mut count = 0;
    for sender in
        ["a@b.test", "MAILER-DAEMON", "\"John Doe\"@x.test", "uu!cp", "Mon@x", "\u{fc}@x", "", "a  b"]
    {
        for day in ["Sun ", "Sun, ", ""] {
            for (date, shift) in [
                ("Nov 22 14:13:11 2026", 0),
                ("Nov 22 14:13:11 UTC 2026", 0),
                ("Nov 22 15:13:11 CET 2026", 0),
                ("Nov 22 15:13:11 +0100 2026", 0),
                ("Nov 22 09:13:11 2026 EST", 0),
                ("Nov 22 14:13:11 2026 -0000", 0),
                ("Nov 22 19:43:11 2026 +0530", 0),
                ("Nov 22 16:13:11 MET DST 2026", 0),
                ("Nov 22 14:13 2026", -11),
                ("Nov 22 14:13:11 2026 remote from elsewhere", 0),
                ("Nov 22 14:13:60 2026", 48),
            ] {
                let line = format!("From {sender} {day}{date}");
                let from = parse(line.as_bytes()).unwrap_or_else(|| panic!("{line}"));
                assert_eq!(from.date.0, AT + shift, "{line}");
                assert_eq!(from.sender, sender.trim().as_bytes(), "{line}");
                count += 1;
            }
        }
    }
    for (line, date) in [
        ("From a Sun, 22 Nov 2026 14:13:11 +0000", AT),
        ("From a Thu Jan  1 00:00:00 1970", 0),
        ("From a Thu Jan 1 0:00:00 1970", 0),
        ("From a Thu Jan  1 00:00:00 EST 70", 5 * 3600),
        ("From a Sat Feb 29 12:00:00 2020", 1_582_977_600),
        ("From - Sun Nov 22 14:13:11 2026", AT),
        ("From a sun nov 22 14:13:11 2026", AT),
        ("From a\tSun Nov 22\t14:13:11 2026", AT),
    ] {
        assert_eq!(parse(line.as_bytes()).unwrap_or_else(|| panic!("{line}")).date.0, date, "{line}");
        count += 1;
    }
    assert!(count > 200);
}

#[test]
fn text_is_no_from_line() {
    for line in [
        "From",
        "From ",
        "From here we went on",
        "From: a Sun Nov 22 14:13:11 2026",
        ">From a Sun Nov 22 14:13:11 2026",
        " From a Sun Nov 22 14:13:11 2026",
        "FROM a Sun Nov 22 14:13:11 2026",
        "From a Sun Nov 22 2026",
        "From a Sun Nov 22 14:13:11",
        "From a Sun Nov 22 14 2026",
        "From a Sun Nov 32 14:13:11 2026",
        "From a Sun Feb 29 14:13:11 2026",
        "From a Sun Nov 22 24:00:00 2026",
        "From a Sun Nov 22 14:60:00 2026",
        "From a Sun Nov 22 14:13:61 2026",
        "From a Sun Nov 22 14:13:11:00 2026",
        "From a Sun Nov 22 14:13:11 26 x",
        "From a Nov 22 14:13:11 26",
        "From a 22 Nov 2026 14:13:11",
        "From a Sun Nov 22 14:13:11 20260",
        "From a Sun Nov 22 14:13:11 2026 and so on",
        "From a Sun Nov 22 14:13:11 2026 remote from",
        "From a Sun Nov 22 14:13:11 2026 remote from a b",
        "From a Sun Nov 22 14:13:11 2026 UTC GMT EST",
        "From a Sun Nov 22 14:13:11 +01:00 2026",
        "From a Sun Nov 22 14:13:11 2026 2027",
        "From the 22 people at Nov 22 we heard at 14:13:11 nothing",
    ] {
        assert_eq!(parse(line.as_bytes()), None, "{line}");
    }
    let long = format!("From {} Sun Nov 22 14:13:11 2026", "a".repeat(LINE_BYTES_MAX));
    assert_eq!(parse(long.as_bytes()), None);
}

#[test]
fn what_is_written_is_read_and_has_one_place_for_everything() {
    for (sender, shown) in [
        (&b""[..], &b"MAILER-DAEMON"[..]),
        (b"a@b.test", b"a@b.test"),
        (b"\"John Doe\"@x.test", b"\"John_Doe\"@x.test"),
        (b"a\r\nFrom b", b"a__From_b"),
        (b"\xff\x7f", b"\xff_"),
    ] {
        for date in [0, 1, AT, 951_782_400, 253_402_300_799] {
            let line = format(sender, UnixTime(date));
            let text = line.strip_suffix(b"\n").unwrap();
            assert!(!text.contains(&b'\n'));
            assert_eq!(parse(text), Some(FromLine { sender: shown, date: UnixTime(date) }));
        }
    }
    assert_eq!(format(b"a", UnixTime(AT)), b"From a Sun Nov 22 14:13:11 2026\n");
    assert_eq!(format(b"a", UnixTime(i64::MIN)), format(b"a", UnixTime(0)));
    assert!(parse(&format(&[b'x'; 5000], UnixTime(0))[..LINE_BYTES_MAX / 2 + 30]).is_some());
}

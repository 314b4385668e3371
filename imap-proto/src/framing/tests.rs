//! The same steps at every cut; the true end of whatever is refused.

use super::*;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

const LIMITS: Limits = Limits {
    line_bytes_max: 64,
    literal_bytes_max: 16,
    command_bytes_max: 24,
    non_sync_bytes_max: 12,
    drain_bytes_max: 300,
};

/// What a session would see, adjacent chunks merged: literals are taken, given up or end the session as the limits
/// say; the first literal of a command `APPEND` is streamed.
fn run(input: &[u8], mut cut: impl FnMut() -> usize) -> Vec<String> {
    let mut framer = Framer::new(LIMITS);
    let mut buffer = InBuf::with_capacity(LIMITS.line_bytes_max);
    let mut seen: Vec<String> = Vec::new();
    let mut rest = input;
    while !rest.is_empty() {
        let piece = &rest[..cut().clamp(1, rest.len())];
        let taken = buffer.push(piece);
        rest = &rest[taken..];
        while let Some(step) = framer.poll(&mut buffer) {
            match step {
                FrameStep::Command(frame) => seen.push(show(&frame)),
                FrameStep::Literal(_) => {
                    let message = framer.fragments().len() == 1
                        && matches!(&framer.fragments()[0], Fragment::Line(l) if l.windows(6).any(|w| w == b"APPEND"));
                    let verdict =
                        if message { framer.message_verdict(50, 100) } else { framer.argument_verdict() };
                    match verdict {
                        LiteralVerdict::Take if message => framer.stream(),
                        LiteralVerdict::Take => framer.collect(),
                        LiteralVerdict::TooBig | LiteralVerdict::NotWithoutWaiting => {
                            seen.push(alloc::format!(
                                "{verdict:?} {:?}",
                                framer.tag().map(|t| t.to_string())
                            ));
                            framer.give_up();
                        }
                        LiteralVerdict::Close => {
                            seen.push("close".into());
                            return seen;
                        }
                    }
                }
                FrameStep::Octets(octets) => {
                    let text = core::str::from_utf8(&octets).unwrap();
                    match seen.last_mut() {
                        Some(last) if last.starts_with('<') => last.push_str(text),
                        _ => seen.push(alloc::format!("<{text}")),
                    }
                }
                FrameStep::LiteralEnd => seen.push("end".into()),
                FrameStep::Swallowed { tag, why } => {
                    seen.push(alloc::format!("{why:?} {:?}", tag.map(|t| t.to_string())));
                }
                FrameStep::Endless => {
                    seen.push("endless".into());
                    return seen;
                }
            }
        }
    }
    seen
}

fn show(frame: &Frame) -> String {
    let mut shown = String::new();
    for fragment in frame.fragments() {
        match fragment {
            Fragment::Line(line) => shown.push_str(core::str::from_utf8(line).unwrap()),
            Fragment::Literal(l) => shown.push_str(&alloc::format!("‹{}›", core::str::from_utf8(l).unwrap())),
            Fragment::Streamed => shown.push('…'),
        }
    }
    shown
}

#[track_caller]
fn check(input: &str, expected: &[&str]) {
    for cut in 1..=input.len() {
        assert_eq!(run(input.as_bytes(), || cut), expected, "cut {cut}");
    }
    let mut seed = 0x9e37_79b9_u32;
    for _ in 0..50 {
        let cuts = || {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) as usize % 9
        };
        assert_eq!(run(input.as_bytes(), cuts), expected);
    }
}

#[test]
fn i01_literals_over_boundaries_and_of_both_kinds() {
    check("a LOGIN {1}\r\nu {1+}\r\np\r\nb NOOP\r\n", &["a LOGIN ‹u› ‹p›", "b NOOP"]);
    check("a X {0}\r\n {0+}\r\n\r\n", &["a X ‹› ‹›"]);
    check("a X {4}\n\r\n\"\" {2+}\n{}\n", &["a X ‹\r\n\"\"› ‹{}›"]);
}

#[test]
fn i02_no_literal_begins_in_a_quoted_string() {
    check("a LOGIN u \"x{3}\r\nb NOOP\r\n", &["a LOGIN u \"x{3}", "b NOOP"]);
    check("a LOGIN u \"x{3+}\r\nb NOOP\r\n", &["a LOGIN u \"x{3+}", "b NOOP"]);
}

#[test]
fn i05_a_literal_too_large_costs_a_waiting_client_one_command() {
    check("a LOGIN {999999999}\r\nb NOOP\r\n", &["TooBig Some(\"a\")", "GivenUp Some(\"a\")", "b NOOP"]);
    check("{999}\r\nb NOOP\r\n", &["TooBig None", "GivenUp None", "b NOOP"]);
    check("a{999}\r\nb NOOP\r\n", &["TooBig None", "GivenUp None", "b NOOP"]);
}

#[test]
fn i06_octets_that_come_anyhow_are_never_commands() {
    check("a LOGIN {999999999+}\r\nb DELETE x\r\n", &["close"]);
    check(
        "a X {20+}\r\n\nb DELETE important\n {3+}\r\n\nc d \"{1}\r\ne NOOP\r\n",
        &["TooBig Some(\"a\")", "GivenUp Some(\"a\")", "e NOOP"],
    );
    // The rest of the command announces a literal that the client waits with: it is over there.
    check(
        "a X {20+}\r\n01234567890123456789 {5}\r\nb NOOP\r\n",
        &["TooBig Some(\"a\")", "GivenUp Some(\"a\")", "b NOOP"],
    );
}

#[test]
fn i07_the_limit_of_literal_minus() {
    check(
        "a X {13+}\r\n\nb DELETE xx\n\r\nc NOOP\r\n",
        &["NotWithoutWaiting Some(\"a\")", "GivenUp Some(\"a\")", "c NOOP"],
    );
    check("a X {13}\r\n0123456789abc\r\n", &["a X ‹0123456789abc›"]);
    check("a APPEND x {101+}\r\n", &["close"]);
}

#[test]
fn i08_numbers_that_are_none_and_numbers_too_large() {
    check("a LOGIN {-1}\r\nb LOGIN {}\r\n", &["a LOGIN {-1}", "b LOGIN {}"]);
    check("a LOGIN {4294967296}\r\n", &["TooBig Some(\"a\")", "GivenUp Some(\"a\")"]);
    check("a LOGIN {01}\r\nu p\r\n", &["a LOGIN ‹u› p"]);
}

#[test]
fn i12_a_line_too_long_goes_by_to_its_end() {
    let long = alloc::format!("a {}\r\nb NOOP\r\n", "x".repeat(200));
    check(&long, &["TooLong Some(\"a\")", "b NOOP"]);
    let exact = alloc::format!("a {}\r\n", "x".repeat(LIMITS.line_bytes_max - 4));
    check(&exact, &[exact.trim_end()]);
    let over = alloc::format!("a {}\r\n", "x".repeat(LIMITS.line_bytes_max - 3));
    check(&over, &["TooLong Some(\"a\")"]);
    check(&alloc::format!("{} b\r\n", "x".repeat(64)), &["TooLong None"]);
    // All lines of a command count together.
    let both = alloc::format!("a {} {{1+}}\r\nx{}\r\nb NOOP\r\n", "x".repeat(40), "y".repeat(40));
    check(&both, &["TooLong Some(\"a\")", "b NOOP"]);
}

#[test]
fn what_goes_by_has_an_end() {
    let exact = alloc::format!("a {}\r\nb NOOP\r\n", "x".repeat(300 - 4));
    check(&exact, &["TooLong Some(\"a\")", "b NOOP"]);
    let over = alloc::format!("a {}\r\nb NOOP\r\n", "x".repeat(300 - 3));
    check(&over, &["endless"]);
    check(&"x".repeat(301), &["endless"]);
    // A literal in it that nobody can wait for.
    let literal = alloc::format!("a {} {{301+}}\r\nb NOOP\r\n", "x".repeat(200));
    check(&literal, &["endless"]);
}

#[test]
fn literals_of_a_line_too_long_are_no_commands_either() {
    let long = alloc::format!("a {} {{14+}}\r\nb DELETE INBOX\r\nc NOOP\r\n", "x".repeat(200));
    check(&long, &["TooLong Some(\"a\")", "c NOOP"]);
    let waits = alloc::format!("a {} {{14}}\r\nc NOOP\r\n", "x".repeat(200));
    check(&waits, &["TooLong Some(\"a\")", "c NOOP"]);
    let quoted = alloc::format!("a \"{} {{14+}}\r\nc NOOP\r\n", "x".repeat(200));
    check(&quoted, &["TooLong Some(\"a\")", "c NOOP"]);
}

#[test]
fn a_message_streams_and_the_rest_of_the_line_is_framed_on() {
    check(
        "a APPEND x {11}\r\nb NOOP\r\nhi\n\r\nc NOOP\r\n",
        &["<b NOOP\r\nhi\n", "end", "a APPEND x …", "c NOOP"],
    );
    check("a APPEND x {0}\r\n tail\r\n", &["end", "a APPEND x … tail"]);
    check("a APPEND x {3+}\r\nabc {3+}\r\ndef\r\n", &["<abc", "end", "a APPEND x … ‹def›"]);
}

#[test]
fn a_message_given_up_in_the_middle_goes_by() {
    let mut framer = Framer::new(LIMITS);
    let mut buffer = InBuf::with_capacity(64);
    buffer.push(b"a APPEND x {8+}\r\n\nb L");
    assert!(matches!(framer.poll(&mut buffer), Some(FrameStep::Literal(_))));
    framer.stream();
    assert_eq!(framer.poll(&mut buffer), Some(FrameStep::Octets(Bytes::from_static(b"\nb L"))));
    framer.give_up();
    assert_eq!(framer.poll(&mut buffer), None);
    buffer.push(b"IST\n\r\nc NOOP\r\n");
    let tag = Tag::new(b"a").ok();
    assert_eq!(framer.poll(&mut buffer), Some(FrameStep::Swallowed { tag, why: Swallowed::GivenUp }));
    assert!(framer.is_at_rest());
    assert!(matches!(framer.poll(&mut buffer), Some(FrameStep::Command(_))));
}

#[test]
fn literals_have_a_limit_together_and_in_number() {
    check(
        "a X {12+}\r\n0123456789ab {12+}\r\n0123456789ab {1+}\r\nx\r\n",
        &["TooBig Some(\"a\")", "GivenUp Some(\"a\")"],
    );
    let mut framer = Framer::new(Limits { line_bytes_max: 65_536, ..LIMITS });
    let mut buffer = InBuf::with_capacity(65_536);
    buffer.push(b"a X ");
    let mut verdicts = vec![];
    for _ in 0..=Limits::LITERALS_MAX {
        buffer.push(b"{0+}\r\n");
        while framer.poll(&mut buffer).is_some() {
            verdicts.push(framer.argument_verdict());
            framer.collect();
        }
    }
    assert_eq!(verdicts.iter().position(|&v| v != LiteralVerdict::Take), Some(Limits::LITERALS_MAX));
}

#[test]
fn a_line_of_a_gigabyte_needs_no_memory() {
    let mut framer = Framer::new(Limits { drain_bytes_max: u64::MAX, ..LIMITS });
    let mut buffer = InBuf::with_capacity(LIMITS.line_bytes_max);
    for _ in 0..10_000 {
        assert_eq!(buffer.push(&[b'x'; 64]), 64);
        assert_eq!(framer.poll(&mut buffer), None);
        assert!(buffer.is_empty());
    }
    assert_eq!(framer.fragments(), &[]);
}

/// Any octets at any cut: the same steps.
#[test]
fn split_invariance_on_arbitrary_octets() {
    use proptest::prelude::*;
    let piece = prop_oneof![
        Just("a ".to_string()),
        Just("\r\n".to_string()),
        Just("\n".to_string()),
        Just("\"".to_string()),
        Just("\\".to_string()),
        Just("APPEND ".to_string()),
        (0..30u32).prop_map(|n| alloc::format!("{{{n}}}\r\n")),
        (0..30u32).prop_map(|n| alloc::format!("{{{n}+}}\r\n")),
        "[ -~]{0,20}",
    ];
    proptest!(|(pieces in proptest::collection::vec(piece, 0..30), cuts in proptest::collection::vec(1..9usize, 1..20))| {
        let input: String = pieces.concat();
        let whole = run(input.as_bytes(), || input.len());
        let mut turn = 0;
        let cut = run(input.as_bytes(), || {
            turn += 1;
            cuts[turn % cuts.len()]
        });
        prop_assert_eq!(whole, cut);
    });
}

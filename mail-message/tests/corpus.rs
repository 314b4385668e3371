//! Every message of the corpus keeps every promise, as it lies and with CRLF line ends.

mod common;

use mail_message::fuzz;

#[test]
fn every_message_keeps_every_promise() {
    for (name, octets) in common::corpus() {
        let lf: Vec<u8> = octets.iter().copied().filter(|&octet| octet != b'\r').collect();
        for octets in [octets, lf] {
            let outcome = std::panic::catch_unwind(|| {
                fuzz::fuzz_message(&octets);
                fuzz::fuzz_header(&octets);
                fuzz::fuzz_decode(&octets);
                for text in ["", "a message", "content-type: text", "\u{f6}", "GIF89", "from"] {
                    fuzz::fuzz_search(&[text.as_bytes(), b"\n", &octets].concat());
                }
            });
            assert!(outcome.is_ok(), "{name}");
        }
    }
}

/// Headers without a body, and bodies without a header.
#[test]
fn every_prefix_of_a_message_keeps_every_promise() {
    for name in ["mime4j-multi-nested", "mime4j-mp-msg-rfc822", "mime4j-multi-digest"] {
        let octets = common::corpus_message(name);
        for end in 0..octets.len().min(1200) {
            fuzz::fuzz_message(&octets[..end]);
        }
    }
}

/// What BODYSTRUCTURE tells of each message, in outline. The table was written by this scanner and then held against two
/// other parsers: `mail_parser.rs` tells where the one differs, `corpus/README.md` where the other does. Each message in
/// which one of them differs was read by eye.
#[test]
fn every_message_has_the_structure_of_the_table() {
    let expected: Vec<&str> = include_str!("corpus/structures.txt").lines().collect();
    let found = common::corpus().into_iter().map(|(name, octets)| {
        format!("{name}: {}", common::outline(&common::scan(&octets).body_structure()))
    });
    let found: Vec<String> = found.collect();
    for (found, expected) in found.iter().zip(&expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len());
}

//! [`fuzz_mbox`]: what must hold for any octets that are taken for an mbox.

use std::ops::ControlFlow;
use std::path::Path;

use super::MboxFormat;
use super::decode::Decoder;
use super::fields::{self, Verdict};
use super::message::Message;
use super::scan::scan;
use crate::fs::{Fs, OpenMode, SimFs};

/// Reads any octets as an mbox, in every format: messages ascend and do not overlap, each is as long as it was said to
/// be and has the sum of its own lines, and a scan that begins at a message finds the same as one that began before. For fuzzing.
///
/// # Panics
/// When one of this does not hold.
#[doc(hidden)]
pub fn fuzz_mbox(octets: &[u8]) {
    let mut file =
        SimFs::new().open(Path::new("/m"), OpenMode::CreateNew).expect("invariant: the disk is empty");
    file.append(octets).expect("invariant: nothing fails here");
    let size = octets.len() as u64;
    for format in [MboxFormat::Mboxo, MboxFormat::Mboxrd, MboxFormat::Mboxcl, MboxFormat::Mboxcl2] {
        let messages_from = |at: u64| {
            let mut messages: Vec<Message> = Vec::new();
            let scanned = scan(&*file, at, size, format, &mut |message, _| {
                messages.push(message);
                ControlFlow::Continue(())
            });
            (messages, scanned.expect("invariant: nothing fails here"))
        };
        let (messages, scanned) = messages_from(0);
        let mut end = 0;
        for (index, message) in messages.iter().enumerate() {
            assert!(message.start >= end && message.header_at() <= message.end && message.end <= size);
            end = message.end;
            if let Some((at, bytes)) = message.block() {
                assert!(at >= message.header_at() && at + bytes as u64 <= message.end);
            }
            let stored = &octets[message.header_at() as usize..message.end as usize];
            let mut decoder = Decoder::new(message.unquote(format));
            let mut shown = Vec::new();
            stored.chunks(1 + index % 7).for_each(|piece| decoder.write(piece, &mut shown));
            decoder.finish(&mut shown);
            assert_eq!(shown.len() as u64, message.shown_bytes);
            assert_eq!(message.sum, Some(sum_of(stored)));
        }
        if let Some(middle) = messages.get(messages.len() / 2) {
            let (rest, again) = messages_from(middle.start);
            assert_eq!((&rest[..], again), (&messages[messages.len() / 2..], scanned));
        }
    }
}

/// What a message sums to, without the mailbox's own fields.
fn sum_of(stored: &[u8]) -> u32 {
    let (mut in_header, mut is_hidden) = (true, false);
    let is_shown = |line: &&[u8]| {
        let text = line.strip_suffix(b"\n").map_or(*line, |text| text.strip_suffix(b"\r").unwrap_or(text));
        in_header &= !(text.is_empty() && line.ends_with(b"\n"));
        is_hidden = in_header
            && match fields::judge(text, true) {
                Verdict::Continued => is_hidden,
                verdict => matches!(verdict, Verdict::Own(_)),
            };
        !is_hidden
    };
    crc32c::crc32c(
        &stored.split_inclusive(|&octet| octet == b'\n').filter(is_shown).collect::<Vec<_>>().concat(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Parts of mailboxes, good and bad, put together in any order.
    fn parts() -> impl Strategy<Value = Vec<u8>> {
        let part = prop::sample::select(vec![
            "From a Sun Nov 22 14:13:11 2026\n",
            "From b Sun Nov 22 14:13:11 2026\r\n",
            "From here on\n",
            "\n",
            "\r\n",
            "Subject: x\n",
            "Content-Length: 4\n",
            "Content-Length: 7 \r\n",
            "X-UID: 5\n",
            "Status: RO\n",
            " folded\n",
            ">From a Sun Nov 22 14:13:11 2026\n",
            ">>From \n",
            "abc\n",
            "abc\r\r\n",
            "X-IMAPbase: 1 0000000005 a b\n",
            "no end",
            "\0",
        ]);
        prop::collection::vec(part, 0..16).prop_map(|parts| parts.concat().into_bytes())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1024, ..ProptestConfig::default() })]

        #[test]
        fn whatever_is_put_together_is_read_consistently(octets in parts()) {
            fuzz_mbox(&octets);
        }

        #[test]
        fn any_octets_are_read_without_panic(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            fuzz_mbox(&octets);
            fuzz_mbox(&[b"From a Sun Nov 22 14:13:11 2026\n", &octets[..]].concat());
        }
    }

    /// What each mailbox shows; messages are parted by `|`.
    #[test]
    fn mailboxes_and_what_is_seen_of_them() {
        const A: &str = "From a Sun Nov 22 14:13:11 2026\n";
        for (mbox, shown) in [
            ("", ""),
            ("A: 1\n\nx\n\n", "A: 1--x-"),
            ("A: 1\n\nx\n\n%A: 2\n\ny\n\n", "A: 1--x-|A: 2--y-"),
            ("A: 1\n\nx\n%A: 2\n", "A: 1--x-From a Sun Nov 22 14:13:11 2026-A: 2-"),
            ("A: 1\n\n%B: 2\n\n", "A: 1-|B: 2-"),
            ("A: 1\n\n\n%B: 2\n\n\n", "A: 1--|B: 2--"),
            ("A: 1\n\n>From x\n>>From y\n\n", "A: 1--From x->From y-"),
            ("A: 1\n\nx\n\nFrom here on\n\n", "A: 1--x--From here on-"),
            ("Status: RO\nA: 1\nX-UID: 3\n more\nB: 2\n\nx\n\n", "A: 1-B: 2--x-"),
            (
                "Content-Length: 37\nA: 1\n\nx\n\n%y\n\n%z\n\n",
                "A: 1--x--From a Sun Nov 22 14:13:11 2026-y-|z-",
            ),
            ("Content-Length: 2\n\nx\n\n%y\n\n", "-x-|y-"),
            ("Content-Length: 1\n\nx\n\n%y\n\n", "-x-|y-"),
            ("Content-Length: 1\n\nx\n%y\n\n", "-x|y-"),
            ("Content-Length: 3\n\nx\n\n%y\n\n", "-x--|y-"),
            ("Content-Length: 5\n\nx\n\n%y\n\n", "-x-|y-"),
            ("Content-Length: 999\n\nx\n\n%y\n\n", "-x-|y-"),
            ("A: 1\r\n\r\nx\r\n\r\n%B: 2\n\ny\n", "A: 1--x-|B: 2--y-"),
            ("A: 1\n\nx\n\n\n\n%B: 2\n\ny", "A: 1--x---|B: 2--y"),
        ] {
            let text = if mbox.is_empty() { String::new() } else { format!("{A}{}", mbox.replace('%', A)) };
            fuzz_mbox(text.as_bytes());
            let mut file = SimFs::new().open(Path::new("/m"), OpenMode::CreateNew).unwrap();
            file.append(text.as_bytes()).unwrap();
            let mut found = Vec::new();
            scan(&*file, 0, text.len() as u64, MboxFormat::Mboxrd, &mut |message, _| {
                let stored = &text.as_bytes()[message.header_at() as usize..message.end as usize];
                let mut decoder = Decoder::new(message.unquote(MboxFormat::Mboxrd));
                let mut out = Vec::new();
                decoder.write(stored, &mut out);
                decoder.finish(&mut out);
                found.push(String::from_utf8(out).unwrap().replace("\r\n", "-"));
                ControlFlow::Continue(())
            })
            .unwrap();
            assert_eq!(found.join("|"), shown, "{mbox:?}");
        }
    }
}

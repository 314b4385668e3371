//! The dot codec against a naive reference, exhaustively over a small alphabet, at every cut.

use super::*;
use crate::input::InBuf;
use crate::output::OutBuf;
use alloc::vec;
use alloc::vec::Vec;

/// What a text decodes to, found the slow way: cut the whole input at its first true end, then look at it.
struct Reference {
    raw: Vec<u8>,
    end: usize,
}

fn reference(input: &[u8]) -> Option<Reference> {
    let end = if input.starts_with(b".\r\n") {
        0
    } else {
        (0..input.len()).find(|&at| input[at..].starts_with(b"\r\n.\r\n"))? + 2
    };
    let mut raw = Vec::new();
    for at in 0..end {
        let starts_line = at == 0 || input[..at].ends_with(b"\r\n");
        if !(starts_line && input[at] == b'.') {
            raw.push(input[at]);
        }
    }
    Some(Reference { raw, end: end + 3 })
}

fn first_bare(raw: &[u8]) -> Option<(usize, BareEol)> {
    (0..raw.len()).find_map(|at| match raw[at] {
        b'\r' if raw.get(at + 1) != Some(&b'\n') => Some((at, BareEol::Cr)),
        b'\n' if at == 0 || raw[at - 1] != b'\r' => Some((at, BareEol::Lf)),
        _ => None,
    })
}

fn repaired(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, &octet) in raw.iter().enumerate() {
        match octet {
            b'\r' if raw.get(at + 1) != Some(&b'\n') => out.push(b' '),
            b'\n' if at == 0 || raw[at - 1] != b'\r' => out.extend_from_slice(b"\r\n"),
            _ => out.push(octet),
        }
    }
    out
}

/// Decodes `pieces`; gives the text, how the end was, and what was left over.
fn decode(
    policy: DecodePolicy,
    octets_max: u64,
    pieces: &[&[u8]],
    capacity: usize,
) -> (Vec<u8>, Option<DotEnd>, Vec<u8>) {
    let mut decoder = DotDecoder::new(policy, octets_max);
    let mut buf = InBuf::with_capacity(capacity);
    let (mut text, mut end, mut rest) = (Vec::new(), None, Vec::new());
    for piece in pieces {
        let mut piece = *piece;
        loop {
            if end.is_none() {
                piece = &piece[buf.push(piece)..];
            } else {
                rest.extend_from_slice(buf.as_slice());
                buf.clear();
                rest.extend_from_slice(piece);
                break;
            }
            match decoder.decode(&mut buf) {
                Some(Decoded::Body(chunk)) => {
                    assert!(!chunk.is_empty());
                    text.extend_from_slice(&chunk);
                }
                Some(Decoded::End(seen)) => end = Some(seen),
                None if piece.is_empty() => break,
                None => assert!(buf.room() > 0, "stuck"),
            }
        }
    }
    (text, end, rest)
}

/// What decoding must give, by policy: the text, its measures, and where it ends in the input.
fn expectation(input: &[u8], policy: DecodePolicy) -> Option<(Vec<u8>, DotEnd, usize)> {
    let Reference { raw, end } = reference(input)?;
    let (text, measures) = judged(&raw, policy);
    Some((text, measures, end))
}

/// What becomes of a text without dots of transparency, by policy, and its measures.
fn judged(raw: &[u8], policy: DecodePolicy) -> (Vec<u8>, DotEnd) {
    let bare = first_bare(raw);
    let line_octets_max = raw.split_inclusive(|&o| o == b'\n').map(<[u8]>::len).max().unwrap_or(0) as u64;
    let (text, octets) = match (policy, bare) {
        (DecodePolicy::Reject, Some((at, _))) => (raw[..at].to_vec(), raw.len()),
        (DecodePolicy::Normalize, _) => {
            let text = repaired(raw);
            let octets = text.len();
            (text, octets)
        }
        _ => (raw.to_vec(), raw.len()),
    };
    let bare_eol = bare.map(|(_, kind)| kind);
    (text, DotEnd { octets: octets as u64, line_octets_max, bare_eol, over_size: false })
}

/// Decodes an input in each of these cuts.
fn check<'a>(input: &'a [u8], cuts: &[Vec<&'a [u8]>]) {
    for policy in [DecodePolicy::Reject, DecodePolicy::Normalize, DecodePolicy::Raw] {
        let expected = expectation(input, policy);
        for pieces in cuts {
            let (text, end, rest) = decode(policy, u64::MAX, pieces, 64);
            match &expected {
                None => assert_eq!(end, None, "{policy:?} {pieces:?}"),
                Some((wanted, measures, at)) => {
                    assert_eq!((&text, end.as_ref()), (wanted, Some(measures)), "{policy:?} {pieces:?}");
                    assert_eq!(rest, &input[*at..], "{policy:?} {pieces:?}");
                }
            }
        }
    }
}

/// An input whole, in two at every place, and octet by octet.
fn every_cut(input: &[u8]) -> Vec<Vec<&[u8]>> {
    let mut cuts: Vec<Vec<&[u8]>> = (1..input.len()).map(|cut| vec![&input[..cut], &input[cut..]]).collect();
    cuts.push(vec![input]);
    cuts.push(input.chunks(1).collect());
    cuts
}

/// The pieces of a split: bit n cuts behind octet n.
fn split(input: &[u8], cuts: u64) -> Vec<&[u8]> {
    let mut begun = 0;
    let ends = (1..=input.len()).filter(|at| *at == input.len() || cuts >> (at - 1) & 1 == 1);
    ends.map(|at| &input[core::mem::replace(&mut begun, at)..at]).collect()
}

const ALPHABET: [u8; 5] = *b"\r\n.\0a";

fn every_string(max: usize, mut visit: impl FnMut(&[u8])) {
    for len in 0..=max {
        for mut n in 0..ALPHABET.len().pow(len as u32) {
            let text: Vec<u8> = (0..len)
                .map(|_| {
                    let octet = ALPHABET[n % ALPHABET.len()];
                    n /= ALPHABET.len();
                    octet
                })
                .collect();
            visit(&text);
        }
    }
}

#[test]
fn every_short_text_decodes_as_the_reference_says_at_every_cut() {
    every_string(7, |text| {
        check(text, &[vec![text]]);
        // With a true end behind, so that all of them end.
        let input = [text, b"\r\n.\r\nQ"].concat();
        check(&input, &every_cut(&input));
    });
}

/// Texts alone, and with a true end behind, which is cut nowhere, at each place and everywhere.
#[test]
fn every_short_text_decodes_as_the_reference_says_at_every_split() {
    every_string(5, |text| {
        let inside = text.len().saturating_sub(1);
        let splits = 0..1_u64 << inside;
        check(text, &splits.clone().map(|cuts| split(text, cuts)).collect::<Vec<_>>());
        let input = [text, b"\r\n.\r\nQ"].concat();
        let behind = [0, 1, 2, 4, 8, 16, 32, 63];
        let cuts = splits.flat_map(|cuts| behind.map(|more| cuts | more << inside));
        check(&input, &cuts.map(|cuts| split(&input, cuts)).collect::<Vec<_>>());
    });
}

/// Of the texts that are too many for that, a split of each, seeded.
#[test]
fn every_longer_text_decodes_as_the_reference_says_at_some_split() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state >> 8
    };
    every_string(7, |text| {
        if text.len() > 5 {
            check(text, &[split(text, random())]);
            let input = [text, b"\r\n.\r\nQ"].concat();
            check(&input, &[split(&input, random())]);
        }
    });
}

#[test]
fn dot_at_once_is_an_empty_text() {
    for policy in [DecodePolicy::Reject, DecodePolicy::Normalize, DecodePolicy::Raw] {
        let (text, end, rest) = decode(policy, 0, &[b".\r\nNOOP\r\n"], 64);
        assert_eq!((text.as_slice(), rest.as_slice()), (&b""[..], &b"NOOP\r\n"[..]));
        let end = end.unwrap();
        assert_eq!((end.octets, end.over_size, end.bare_eol), (0, false, None));
    }
}

#[test]
fn a_stuffed_first_line_is_unstuffed() {
    let (text, ..) = decode(DecodePolicy::Reject, 99, &[b".foo\r\n..\r\n...x\r\n.\r\n"], 64);
    assert_eq!(text, b"foo\r\n.\r\n..x\r\n");
}

/// The published smuggling matrix: none of these ends a text.
#[test]
fn nothing_but_the_true_end_ends_a_text() {
    let false_ends: [&[u8]; 10] = [
        b"\n.\n",
        b"\n.\r\n",
        b"\r\n.\n",
        b"\r.\r",
        b"\r.\r\n",
        b"\r.\n",
        b"\n.\r",
        b"\r\n.\r\r\n",
        b"\r\n\0.\r\n",
        b"\r\r\n.\r\r\n",
    ];
    for false_end in false_ends {
        let input = [b"a", false_end, b"QUIT\r\n.\r\nNOOP\r\n"].concat();
        let (text, end, rest) = decode(DecodePolicy::Raw, u64::MAX, &[&input], 64);
        assert!(text.ends_with(b"QUIT\r\n"), "{false_end:?}");
        assert!(end.is_some());
        assert_eq!(rest, b"NOOP\r\n");
        check(&input, &every_cut(&input));
    }
    let (text, _, rest) = decode(DecodePolicy::Raw, u64::MAX, &[b"a\r\r\n.\r\nNOOP\r\n"], 64);
    assert_eq!((text.as_slice(), rest.as_slice()), (&b"a\r\r\n"[..], &b"NOOP\r\n"[..]));
}

#[test]
fn beyond_the_limit_is_swallowed_at_every_cut() {
    let input = b"0123\r\n..6\r\n\n8\r\n.\r\nQUIT\r\n";
    for policy in [DecodePolicy::Reject, DecodePolicy::Normalize, DecodePolicy::Raw] {
        let (whole, ..) = decode(policy, u64::MAX, &[input], 64);
        let size = if policy == DecodePolicy::Normalize { 15 } else { 14 };
        for max in 0..=16 {
            for cut in 1..=input.len() {
                let pieces: Vec<&[u8]> = input.chunks(cut).collect();
                let (text, end, rest) = decode(policy, max, &pieces, 64);
                let end = end.unwrap();
                assert_eq!(text, &whole[..whole.len().min(max as usize)]);
                assert_eq!((end.octets, end.over_size), (size, size > max), "{policy:?} {max} {cut}");
                assert_eq!(rest, b"QUIT\r\n");
            }
        }
    }
}

#[test]
fn the_longest_line_is_measured_at_every_cut() {
    let lines = [3, 40, 2, 41, 41, 7, 100, 99, 5];
    let mut input: Vec<u8> =
        lines.iter().flat_map(|n| [".".repeat(n - 2), "\r\n".into()].concat().into_bytes()).collect();
    let stuffed: Vec<u8> = input
        .split_inclusive(|o| *o == b'\n')
        .flat_map(|line| if line.starts_with(b".") { [b".", line].concat() } else { line.to_vec() })
        .collect();
    input = [&stuffed[..], b".\r\n"].concat();
    for cut in 1..input.len() {
        for floor in [0, 40, 100, 101] {
            let mut decoder = DotDecoder::new(DecodePolicy::Reject, u64::MAX).ignoring_lines_up_to(floor);
            let mut buf = InBuf::with_capacity(64);
            for piece in input.chunks(cut.min(64)) {
                let mut rest = piece;
                while !rest.is_empty() {
                    rest = &rest[buf.push(rest)..];
                    while decoder.decode(&mut buf).is_some() {}
                }
            }
            assert_eq!(decoder.seen().line_octets_max, floor.max(100), "cut {cut}, floor {floor}");
        }
    }
}

/// Long pieces of lines of all lengths, some of them longer than what is not measured.
#[test]
fn a_long_line_among_short_ones_is_measured() {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut random = |below: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % below
    };
    for _ in 0..2000 {
        let mut wire = Vec::new();
        for _ in 0..random(60) {
            let octets_max = [20, 78, 140, 320, 420][random(5) as usize];
            wire.extend_from_slice(&b"x".repeat(random(octets_max) as usize));
            wire.extend_from_slice(b"\r\n");
        }
        let longest = wire.split_inclusive(|o| *o == b'\n').map(<[u8]>::len).max().unwrap_or(0) as u64;
        wire.extend_from_slice(b".\r\n");
        for floor in [255, 256, 300, 400] {
            let mut decoder = DotDecoder::new(DecodePolicy::Reject, u64::MAX).ignoring_lines_up_to(floor);
            let mut buf = InBuf::with_capacity(16 * 1024);
            for piece in wire.chunks(1 + random(8192) as usize) {
                assert_eq!(buf.push(piece), piece.len());
                while decoder.decode(&mut buf).is_some() {}
            }
            assert_eq!(decoder.seen().line_octets_max, floor.max(longest));
        }
    }
}

#[test]
fn a_text_of_dots_makes_few_chunks_and_little_memory_waits() {
    let line = b"..\r\n";
    let mut buf = InBuf::with_capacity(16 * 1024);
    let mut decoder = DotDecoder::new(DecodePolicy::Reject, u64::MAX);
    buf.push(&line.repeat(4096));
    let mut chunks = 0;
    while let Some(Decoded::Body(_)) = decoder.decode(&mut buf) {
        chunks += 1;
    }
    assert!(chunks <= 16, "{chunks} chunks");
    assert!(buf.len() <= 2);
}

fn encode(policy: EncodePolicy, pieces: &[&[u8]]) -> Result<Vec<u8>, BareEol> {
    let mut out = OutBuf::new();
    let mut encoder = DotEncoder::new(policy);
    for piece in pieces {
        encoder.encode(piece, &mut out)?;
    }
    encoder.finish(&mut out)?;
    Ok(out.as_slice().to_vec())
}

fn completed(mut text: Vec<u8>) -> Vec<u8> {
    if !(text.is_empty() || text.ends_with(b"\r\n")) {
        text.extend_from_slice(b"\r\n");
    }
    text
}

#[test]
fn encoding_then_decoding_gives_the_canonical_text() {
    every_string(7, |text| {
        let cuts = (0..=text.len()).map(|cut| vec![&text[..cut], &text[cut..]]);
        for pieces in cuts.chain([text.chunks(1).collect()]) {
            let wire = encode(EncodePolicy::Repair, &pieces).unwrap();
            let (decoded, end, rest) = decode(DecodePolicy::Reject, u64::MAX, &[&wire], 64);
            let end = end.unwrap();
            assert_eq!(end.bare_eol, None, "{text:?}");
            assert_eq!(decoded, completed(repaired(text)), "{text:?}");
            assert!(rest.is_empty());

            let wire = encode(EncodePolicy::RepairLf, &pieces).unwrap();
            let (decoded, ..) = decode(DecodePolicy::Raw, u64::MAX, &[&wire], 64);
            let mut kept = repaired(text);
            let mut crs = text
                .iter()
                .enumerate()
                .filter(|(at, o)| **o == b'\r' && text.get(at + 1) != Some(&b'\n'))
                .count();
            // The alphabet has no space, so each space is a bare CR that the repair took away.
            for octet in &mut kept {
                if *octet == b' ' {
                    *octet = b'\r';
                    crs -= 1;
                }
            }
            assert_eq!(crs, 0);
            assert_eq!(decoded, completed(kept), "{text:?}");

            match (encode(EncodePolicy::Refuse, &pieces), first_bare(text)) {
                (Ok(strict), None) => assert_eq!(strict, wire),
                (Err(_), Some(_)) => {}
                (got, bare) => panic!("{text:?}: {got:?}, {bare:?}"),
            }
        }
    });
}

#[test]
fn no_proper_prefix_of_an_encoding_is_complete() {
    every_string(7, |text| {
        let wire = encode(EncodePolicy::Repair, &[text]).unwrap();
        for len in 0..wire.len() {
            let (_, end, _) = decode(DecodePolicy::Raw, u64::MAX, &[&wire[..len]], 64);
            assert_eq!(end, None, "{text:?}");
        }
    });
}

/// Every short text in chunks: cut in two at every place, each chunk whole and octet by octet.
#[test]
fn a_text_in_chunks_is_judged_as_a_dotted_one_at_every_cut() {
    every_string(7, |text| {
        for policy in [DecodePolicy::Reject, DecodePolicy::Normalize, DecodePolicy::Raw] {
            let (wanted, measures) = judged(text, policy);
            let cuts = (0..=text.len()).map(|cut| vec![&text[..cut], &text[cut..]]);
            for pieces in cuts.chain([text.chunks(1).collect()]) {
                let mut decoder = ChunkDecoder::new(policy, u64::MAX);
                let mut got = Vec::new();
                for piece in &pieces {
                    let mut octets = bytes::Bytes::copy_from_slice(piece);
                    while let Some(run) = decoder.decode(&mut octets) {
                        assert!(!run.is_empty());
                        got.extend_from_slice(&run);
                    }
                    assert!(octets.is_empty());
                }
                got.extend_from_slice(&decoder.finish().unwrap_or_default());
                assert_eq!((&got, decoder.seen()), (&wanted, &measures), "{policy:?} {pieces:?}");
            }
        }
    });
}

#[test]
fn a_text_in_chunks_ends_at_its_limit() {
    for max in 0..=6 {
        let mut decoder = ChunkDecoder::new(DecodePolicy::Reject, max);
        let mut got = Vec::new();
        for piece in [&b"ab\r"[..], b"\n.", b"\r", b"\n"] {
            let mut octets = bytes::Bytes::from_static(piece);
            while let Some(run) = decoder.decode(&mut octets) {
                got.extend_from_slice(&run);
            }
        }
        assert_eq!(decoder.finish(), None);
        assert_eq!(got, b"ab\r\n.\r\n"[..max as usize]);
        assert_eq!((decoder.seen().octets, decoder.seen().over_size), (7, true));
    }
}

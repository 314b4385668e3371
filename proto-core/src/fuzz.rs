//! The bodies of the fuzz targets: each takes any octets and panics when a promise is broken.

use crate::address::{AddressSyntax, Domain, ForwardPath, Mailbox, ReversePath};
use crate::dot::{DecodePolicy, Decoded, DotDecoder, DotEncoder, DotEnd, EncodePolicy};
use crate::input::InBuf;
use crate::output::OutBuf;
use crate::proxy::{HEADER_OCTETS_MAX, LINE_OCTETS_MAX, ProxyHeader, ProxyParser};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Display;

mod sasl;

pub use sasl::fuzz_sasl;

/// Decodes any octets, cut as the first of them says, under each policy: the end is the same for all, the cut does not
/// matter, and what was decoded survives being encoded and decoded again.
///
/// # Panics
/// When that is not so.
pub fn fuzz_dot(data: &[u8]) {
    let [cut, wire @ ..] = data else { return };
    let cut = usize::from(*cut).max(1);
    let policies = [DecodePolicy::Reject, DecodePolicy::Normalize, DecodePolicy::Raw];
    let decoded = policies.map(|policy| {
        let whole = decode(policy, wire, wire.len().max(1));
        assert_eq!(whole, decode(policy, wire, cut), "{policy:?}: the cut matters");
        whole
    });
    let [(strict, strict_end), (normal, normal_end), (raw, raw_end)] = decoded;
    let ends = [&strict_end, &normal_end, &raw_end].map(|end| end.as_ref().map(|(_, used)| *used));
    assert!(ends[0] == ends[1] && ends[1] == ends[2], "the end depends on the policy");
    assert!(raw.starts_with(&strict), "more than the text before the fault");
    let Some((seen, _)) = raw_end else { return };
    assert!(raw.is_empty() || raw.ends_with(b"\r\n"));
    assert_eq!(seen.octets, raw.len() as u64);
    assert_eq!(seen.bare_eol.is_none(), raw == normal);

    let again = encode(EncodePolicy::Repair, &raw, cut);
    assert_eq!(decode(DecodePolicy::Reject, &again, cut).0, normal);
    assert_eq!(encode(EncodePolicy::Repair, &normal, cut), again);
}

/// Reads any octets as a path and as a mailbox, by each syntax: what is accepted has a written form that parses to the
/// same value and holds no control character, and what is accepted strictly is accepted leniently too.
///
/// # Panics
/// When that is not so.
pub fn fuzz_address(data: &[u8]) {
    for utf8 in [false, true] {
        let [strict, lenient] = [false, true].map(|lenient| {
            let syntax = AddressSyntax { utf8, lenient };
            let forward = ForwardPath::parse_prefix(data, syntax).map(|(path, rest)| {
                let again = line(&path);
                assert_eq!(ForwardPath::parse_prefix(again.as_bytes(), syntax), Ok((path, &b""[..])));
                rest
            });
            let reverse = ReversePath::parse_prefix(data, syntax).map(|(path, rest)| {
                let again = line(&path);
                assert_eq!(ReversePath::parse_prefix(again.as_bytes(), syntax), Ok((path, &b""[..])));
                rest
            });
            let mailbox = Mailbox::parse(data, syntax);
            if let Ok(mailbox) = &mailbox {
                assert_eq!(Mailbox::parse(line(mailbox).as_bytes(), syntax).as_ref(), Ok(mailbox));
                assert!(utf8 || !mailbox.needs_utf8(), "octets over 127 where none may be");
            }
            let domain = Domain::parse(data, syntax);
            if let Ok(domain) = &domain {
                assert_eq!(Domain::parse(line(domain).as_bytes(), syntax).as_ref(), Ok(domain));
            }
            (forward, reverse, mailbox, domain)
        });
        assert!(strict.0.is_err() || strict.0 == lenient.0);
        assert!(strict.1.is_err() || strict.1 == lenient.1);
        assert!(strict.2.is_err() || strict.2 == lenient.2);
        assert!(strict.3.is_err() || strict.3 == lenient.3);
    }
}

/// The written form, which must fit on a line.
fn line(value: &impl Display) -> String {
    let line = value.to_string();
    assert!(!line.bytes().any(|octet| octet.is_ascii_control()), "a control character in {line:?}");
    line
}

/// The text, and if it ended, its measures and how many octets it took.
fn decode(policy: DecodePolicy, wire: &[u8], cut: usize) -> (Vec<u8>, Option<(DotEnd, usize)>) {
    let mut decoder = DotDecoder::new(policy, u64::MAX);
    // Two octets may wait for a third.
    let mut input = InBuf::with_capacity(cut + 2);
    let (mut text, mut pushed) = (Vec::new(), 0);
    for piece in wire.chunks(cut) {
        pushed += input.push(piece);
        loop {
            match decoder.decode(&mut input) {
                Some(Decoded::Body(chunk)) => text.extend_from_slice(&chunk),
                Some(Decoded::End(seen)) => return (text, Some((seen, pushed - input.len()))),
                None => break,
            }
        }
    }
    (text, None)
}

fn encode(policy: EncodePolicy, text: &[u8], cut: usize) -> Vec<u8> {
    let mut out = OutBuf::new();
    let mut encoder = DotEncoder::new(policy);
    for piece in text.chunks(cut) {
        assert_eq!(encoder.encode(piece, &mut out), Ok(()));
    }
    assert_eq!(encoder.finish(&mut out), Ok(()));
    out.as_slice().to_vec()
}

/// Parses any octets as a PROXY header, cut as the first of them says: the cut does not matter, nothing behind the
/// header is taken, and an address that was understood is the same when it is written in a line of version 1.
///
/// # Panics
/// When that is not so.
pub fn fuzz_proxy(data: &[u8]) {
    let [cut, octets @ ..] = data else { return };
    let (taken, said) = ProxyParser::new().parse(octets);
    assert!(taken <= octets.len() && taken <= HEADER_OCTETS_MAX.max(LINE_OCTETS_MAX));
    assert!(said.is_some() || taken == octets.len(), "octets are left and nothing is said");

    let mut parser = ProxyParser::new();
    let in_pieces: usize = octets.chunks(usize::from(*cut).max(1)).map(|piece| parser.parse(piece).0).sum();
    assert_eq!((in_pieces, parser.parse(b"").1), (taken, said), "the cut matters");

    let (mut parser, mut at) = (ProxyParser::new(), 0);
    while let Some(piece) = octets.get(at..at + parser.octets_wanted()).filter(|piece| !piece.is_empty()) {
        at += parser.parse(piece).0;
    }
    if matches!(said, Some(Ok(_))) {
        assert_eq!((at, parser.parse(b"").1), (taken, said), "what it wants leads beyond the header");
    }

    if let Some(Ok(ProxyHeader::Tcp { source, destination })) = said
        && source.is_ipv4() == destination.is_ipv4()
    {
        let family = if source.is_ipv4() { 4 } else { 6 };
        let (from, to) = (source.port(), destination.port());
        let line = format!("PROXY TCP{family} {} {} {from} {to}\r\n", source.ip(), destination.ip());
        assert_eq!(ProxyParser::new().parse(line.as_bytes()), (line.len(), said));
    }
}

//! The bodies of the fuzz targets: each takes any octets and panics when a promise is broken.

use crate::dot::{DecodePolicy, Decoded, DotDecoder, DotEncoder, DotEnd, EncodePolicy};
use crate::input::InBuf;
use crate::output::OutBuf;
use alloc::vec::Vec;

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

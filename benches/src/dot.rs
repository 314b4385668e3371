//! A whole text through the dot decoder or encoder, the way the machines do it: in pieces of a buffer's size.

use proto_core::dot::{DecodePolicy, Decoded, DotDecoder, DotEncoder, EncodePolicy};
use proto_core::{InBuf, OutBuf};

/// How much is read from a socket at a time, and how much a machine holds.
pub const PIECE_BYTES: usize = 16 * 1024;

/// The text as it is on the wire, terminator included.
pub fn to_wire(text: &[u8]) -> Vec<u8> {
    let mut out = OutBuf::new();
    let mut encoder = DotEncoder::new(EncodePolicy::Refuse);
    encoder.encode(text, &mut out).unwrap();
    encoder.finish(&mut out).unwrap();
    out.as_slice().to_vec()
}

/// Decodes a text; returns its size. `measure_lines` as a session does that was set a longest text line.
pub fn decode(wire: &[u8], measure_lines: bool) -> u64 {
    let mut decoder = DotDecoder::new(DecodePolicy::Reject, u64::MAX);
    if !measure_lines {
        decoder = decoder.ignoring_lines_up_to(1000);
    }
    let mut input = InBuf::with_capacity(PIECE_BYTES);
    let (mut rest, mut octets) = (wire, 0);
    loop {
        rest = &rest[input.push(rest)..];
        while let Some(decoded) = decoder.decode(&mut input) {
            match decoded {
                Decoded::Body(body) => octets += body.len() as u64,
                Decoded::End(end) => {
                    assert!(end.octets == octets && end.bare_eol.is_none() && rest.is_empty());
                    return octets;
                }
            }
        }
    }
}

/// The same octets through the input buffer, and nothing else done to them: what the decoder is to be compared with.
pub fn buffer(wire: &[u8]) -> u64 {
    let mut input = InBuf::with_capacity(PIECE_BYTES);
    let (mut rest, mut octets) = (wire, 0);
    while !rest.is_empty() {
        rest = &rest[input.push(rest)..];
        octets += input.take(PIECE_BYTES).len() as u64;
    }
    octets
}

/// Encodes a text; returns how many octets that makes.
pub fn encode(text: &[u8]) -> u64 {
    let mut encoder = DotEncoder::new(EncodePolicy::Refuse);
    let (mut out, mut octets) = (OutBuf::new(), 0);
    for piece in text.chunks(PIECE_BYTES) {
        encoder.encode(piece, &mut out).unwrap();
        octets += sent(&mut out);
    }
    encoder.finish(&mut out).unwrap();
    octets + sent(&mut out)
}

/// The driver has written everything.
pub(crate) fn sent(out: &mut OutBuf) -> u64 {
    let octets = out.len();
    out.consume(octets);
    octets as u64
}

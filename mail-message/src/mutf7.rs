//! Modified UTF-7: how a mailbox name travels, and mostly how it stands on disk.
//!
//! RFC 3501 §5.1.3. Printable ASCII stands for itself, `&` is `&-`, and everything else is UTF-16 in a base64 that
//! has `,` for `/` and no padding, between `&` and `-`.
//!
//! Only the canonical form is read (I35): one mailbox has one spelling, so that what a client checks is what a
//! store sees.

use alloc::string::String;
use alloc::vec::Vec;
use base64::Engine as _;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};

const BASE64: GeneralPurpose = GeneralPurpose::new(&IMAP_MUTF7, NO_PAD);

/// A text that is not canonical modified UTF-7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not modified UTF-7")]
pub struct NotMutf7;

/// Reads a name.
///
/// # Errors
/// [`NotMutf7`] when it is not canonical: octets outside printable ASCII, a shift without end, printable
/// ASCII in base64, two shifts where one would do, half a surrogate pair, stray bits.
///
/// ```
/// use mail_message::mutf7;
/// assert_eq!(mutf7::decode(b"Entw&APw-rfe").unwrap(), "Entwürfe");
/// assert!(mutf7::decode(b"&AGE-").is_err());
/// ```
pub fn decode(octets: &[u8]) -> Result<String, NotMutf7> {
    let text = core::str::from_utf8(octets).map_err(|_| NotMutf7)?;
    if !octets.iter().all(|&octet| is_direct(octet)) {
        return Err(NotMutf7);
    }
    let mut decoded = String::with_capacity(text.len());
    let mut pieces = text.split('&');
    decoded.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (shifted, direct) = piece.split_once('-').ok_or(NotMutf7)?;
        if shifted.is_empty() {
            decoded.push('&');
        } else {
            unshift(shifted, &mut decoded)?;
        }
        decoded.push_str(direct);
    }
    if encode(&decoded) == text { Ok(decoded) } else { Err(NotMutf7) }
}

/// Writes a name.
///
/// ```
/// use mail_message::mutf7;
/// assert_eq!(mutf7::encode("R&D 台北"), "R&-D &U,BTFw-");
/// ```
pub fn encode(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let shift = !is_direct_char(first);
        let end = rest.find(|c| is_direct_char(c) == shift).unwrap_or(rest.len());
        let (run, after) = rest.split_at(end);
        if shift {
            let units: Vec<u8> = run.encode_utf16().flat_map(u16::to_be_bytes).collect();
            encoded.push('&');
            BASE64.encode_string(units, &mut encoded);
            encoded.push('-');
        } else {
            encoded.push_str(&run.replace('&', "&-"));
        }
        rest = after;
    }
    encoded
}

fn unshift(base64: &str, decoded: &mut String) -> Result<(), NotMutf7> {
    let octets = BASE64.decode(base64).map_err(|_| NotMutf7)?;
    if octets.len() % 2 != 0 {
        return Err(NotMutf7);
    }
    let units = octets.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
    for c in char::decode_utf16(units) {
        decoded.push(c.map_err(|_| NotMutf7)?);
    }
    Ok(())
}

fn is_direct(octet: u8) -> bool {
    (0x20..=0x7e).contains(&octet)
}

fn is_direct_char(c: char) -> bool {
    (' '..='~').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn examples_of_the_rfc() {
        for (wire, name) in [
            ("~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),
            ("&-", "&"),
            ("", ""),
            ("a&-b", "a&b"),
        ] {
            assert_eq!(decode(wire.as_bytes()).unwrap(), name);
            assert_eq!(encode(name), wire);
        }
        assert_eq!(encode("😀"), "&2D3eAA-");
        assert_eq!(decode(b"&2D3eAA-").unwrap(), "😀");
    }

    #[test]
    fn i35_one_spelling_only() {
        for wire in [
            "a&b",
            "&AGE-",
            "&AOQ",
            "\u{e4}",
            "&",
            "&AOQ-&APY-",
            "&AOR-",
            "&AOQ=-",
            "&AA-",
            "&A-",
            "&2D0-",
            "&3gA-",
            "&U/BT-",
            "&ACY-",
            "a\tb",
            "a\x7f",
        ] {
            assert_eq!(decode(wire.as_bytes()), Err(NotMutf7), "{wire:?}");
        }
    }

    proptest! {
        #[test]
        fn every_name_comes_back(name in any::<String>()) {
            prop_assert_eq!(decode(encode(&name).as_bytes()), Ok(name));
        }

        #[test]
        fn what_is_read_is_canonical(wire in "[A-Z&,a-d+/ -]{0,12}") {
            if let Ok(name) = decode(wire.as_bytes()) {
                prop_assert_eq!(encode(&name), wire);
            }
        }
    }
}

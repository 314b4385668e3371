//! The names of message files: `unique[,S=size][,W=size][:2,FLAGS]`.
//!
//! What stands before `:` is the *base*: it names the message for as long as it lives. What follows changes
//! with its flags. `S` is the length of the file, `W` its length with CRLF line ends.

use crate::store::DeliveryId;

/// The longest name of a file, in octets, on every file system we know.
const BYTES_MAX: usize = 255;

/// The longest base, in octets: without a flag it must be able to stand in `cur/`.
pub(super) const BASE_BYTES_MAX: usize = BYTES_MAX - ":2,".len();

/// A file name split at its info part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileName<'a> {
    /// What names the message.
    pub(super) base: &'a str,
    /// The flag letters; empty when there is no info part, or one we do not know.
    pub(super) letters: &'a str,
}

/// Splits a file name. `None` for names that are no messages: those that begin with a dot.
pub(super) fn parse(name: &str) -> Option<FileName<'_>> {
    if name.starts_with('.') || name.is_empty() {
        return None;
    }
    let (base, info) = name.split_once(':').unwrap_or((name, ""));
    let letters = info.strip_prefix("2,").unwrap_or("");
    // Anything after a further comma is another program's; we have never seen it used.
    Some(FileName { base, letters: letters.split(',').next().unwrap_or("") })
}

/// The name of the file in `cur/`.
pub(super) fn with_letters(base: &str, letters: &str) -> String {
    format!("{base}:2,{letters}")
}

/// A base with both sizes.
pub(super) fn with_sizes(unique: &str, sizes: Sizes) -> String {
    format!("{unique},S={},W={}", sizes.stored_bytes, sizes.crlf_bytes)
}

/// The two lengths of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Sizes {
    /// Of the file.
    pub(super) stored_bytes: u64,
    /// With CRLF line ends.
    pub(super) crlf_bytes: u64,
}

/// What a base says of the sizes; they may be wrong.
pub(super) fn sizes(base: &str) -> Option<Sizes> {
    let field = |key: &str| {
        let value = base.split(',').skip(1).find_map(|part| part.strip_prefix(key))?;
        value.parse::<u64>().ok()
    };
    Some(Sizes { stored_bytes: field("S=")?, crlf_bytes: field("W=")? })
}

/// What a base says of the length of the file; it may be wrong.
pub(super) fn stored_bytes(base: &str) -> Option<u64> {
    base.split(',').skip(1).find_map(|part| part.strip_prefix("S="))?.parse().ok()
}

/// The unique part of a delivery's file name, up to and including the dot before the host: the same for every
/// attempt at that delivery.
pub(super) fn delivery_prefix(received: i64, id: &DeliveryId) -> String {
    format!("{}.D{}R{}.", received.max(0), id.queue_id, id.recipient)
}

/// What stands in the name of a file where that of a delivery has its [`delivery_prefix`].
pub(super) fn prefix(name: &str) -> Option<&str> {
    let (dot, _) = name.match_indices('.').nth(1)?;
    let prefix = &name[..=dot];
    prefix.split('.').nth(1)?.starts_with('D').then_some(prefix)
}

/// The delivery that made a file, when one of ours did.
pub(super) fn delivery(base: &str) -> Option<DeliveryId> {
    let (queue_id, recipient) = base.split('.').nth(1)?.strip_prefix('D')?.rsplit_once('R')?;
    Some(DeliveryId { queue_id: queue_id.parse().ok()?, recipient: recipient.parse().ok()? })
}

/// Whether a file was named here, so that the sizes in its name are those that were written: `SECONDS.Dqueue…` or
/// `SECONDS.MxPyQz`.
pub(super) fn is_own(base: &str) -> bool {
    let numbers = |text: &str| {
        let (micros, rest) = text.strip_prefix('M')?.split_once('P')?;
        let (pid, count) = rest.split_once('Q')?;
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
        Some([micros, pid, count].into_iter().all(is_number))
    };
    delivery(base).is_some() || base.split('.').nth(1).and_then(numbers) == Some(true)
}

/// What orders messages by arrival as far as their names tell: the seconds they begin with.
pub(super) fn arrival(base: &str) -> u64 {
    let digits = base.split('.').next().unwrap_or("");
    digits.parse().unwrap_or(u64::MAX)
}

/// When a message came into its mailbox, as far as its name tells: the seconds it begins with, if they can be such.
pub(super) fn saved(base: &str) -> Option<i64> {
    i64::try_from(arrival(base)).ok().filter(|seconds| SAVED.contains(seconds))
}

/// From 1990, before there were Maildirs, to 2100.
const SAVED: std::ops::Range<i64> = 631_152_000..4_102_444_800;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_dovecots_is_understood() {
        let name = parse("1795325990.M735132P14291.vm,S=281,W=305:2,Sa").unwrap();
        assert_eq!(name.letters, "Sa");
        assert_eq!(sizes(name.base), Some(Sizes { stored_bytes: 281, crlf_bytes: 305 }));
        assert_eq!(with_letters(name.base, "Sa"), "1795325990.M735132P14291.vm,S=281,W=305:2,Sa");
        assert_eq!(arrival(name.base), 1_795_325_990);
        assert_eq!(delivery(name.base), None);
    }

    #[test]
    fn names_without_info_or_sizes_are_messages_and_dot_files_are_not() {
        assert_eq!(parse("1.x.y"), Some(FileName { base: "1.x.y", letters: "" }));
        assert_eq!(parse("1.x.y:1,old").unwrap().letters, "");
        assert_eq!(
            (saved("1795325990.x"), saved("1.x.y"), saved("x"), saved("99999999999.x")),
            (Some(1_795_325_990), None, None, None)
        );
        assert_eq!(sizes("1.x.y,S=1"), None);
        assert_eq!(sizes("1.x.y,S=1,W=-2"), None);
        assert_eq!(parse(".nfs0001"), None);
    }

    #[test]
    fn a_delivery_reads_back_from_its_name() {
        let id = DeliveryId { queue_id: "0ADRZ1R2".parse().unwrap(), recipient: 12 };
        let base = format!("{}vm,S=1,W=1", delivery_prefix(1_795_325_990, &id));
        assert_eq!(prefix(&base), Some(&*delivery_prefix(1_795_325_990, &id)));
        assert_eq!((prefix("1.Dx"), prefix("1.M1P1Q1.Dx"), prefix("1.D.")), (None, None, Some("1.D.")));
        assert_eq!(delivery(&base), Some(id));
        assert!(is_own(&base) && is_own("1795325990.M735132P14291Q7.vm,S=1,W=1"));
        for foreign in ["1795325990.M735132P14291.vm,S=1,W=1", "1.M1P1V1.x", "1.M1PQ1.x", "1.x.y", "x"] {
            assert!(!is_own(foreign), "{foreign}");
        }
    }
}

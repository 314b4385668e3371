//! What any octets may do to an index: nothing but be read, or not.

use mail_message::ModSeq;

use super::file::{HEADER_BYTES, Header};
use super::record::Records;
use super::state::State;
use super::structure;

/// Reads any octets as records, as a header and as a summary; what is read must be written the same. For fuzzing.
#[doc(hidden)]
pub fn fuzz_index(octets: &[u8]) {
    let (mut state, mut at) = (State::new(ModSeq::ZERO), 0);
    for (record, end) in Records::read(octets).map_while(|record| record.ok()) {
        let mut again = Records::default();
        again.push(&record);
        assert_eq!(again.octets(), &octets[at..end]);
        at = end;
        // Only what follows from what came before is taken in.
        let _ = state.apply(&record, at as u64);
    }
    state.settle();
    assert!(state.rows().is_sorted_by(|one, next| one.uid < next.uid));
    for row in state.rows() {
        assert_eq!(state.row(row.uid).map(|found| state.base(found)), Some(state.base(row)));
    }
    if let Some((header, _)) = octets.split_first_chunk::<HEADER_BYTES>()
        && let Some(parsed) = Header::parse(header)
    {
        assert_eq!(parsed.octets(), *header);
    }
    if let Some(summary) = structure::decode(octets) {
        assert_eq!(structure::decode(&structure::encode(&summary)), Some(summary));
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{Name, Record};
    use super::super::{Facts, FileStamp, Stamp};
    use super::*;
    use mail_message::Uid;
    use proptest::prelude::*;
    use std::time::Duration;

    fn uid() -> impl Strategy<Value = Uid> {
        (1_u32..6).prop_map(|raw| Uid::new(raw).unwrap())
    }

    fn modseq() -> impl Strategy<Value = ModSeq> {
        (1_u64..9).prop_map(|raw| ModSeq::new(raw).unwrap())
    }

    /// Records as somebody may have written them, likely to have to do with one another.
    fn records() -> impl Strategy<Value = Vec<u8>> {
        let name = prop::sample::select(vec![("", 0), ("a", 1), ("b:2,S", 1), ("\u{e9}:2,", 2)]);
        let one = (0_u8..8, uid(), uid(), modseq(), name, any::<u32>()).prop_map(
            |(kind, uid, other, modseq, (text, base_len), number)| {
                let name = Name { place: number as u8 % 3, base_len, text };
                let mut facts = Facts::default();
                facts.set_counted(u64::from(number), u64::from(number) + 1, i64::from(number));
                let octets = number.to_le_bytes();
                let mut records = Records::default();
                records.push(&match kind {
                    0 | 1 => Record::Row { uid, modseq, name, facts },
                    2 => Record::Renamed { uid, modseq, name },
                    3 => Record::Facts { uid, facts },
                    4 => Record::Summary { uid, octets: &octets },
                    5 => Record::Gone { modseq, uids: uid.min(other)..=uid.max(other) },
                    6 => Record::File(FileStamp {
                        boot: u64::from(number),
                        stamp: Stamp {
                            inode: 1,
                            size: u64::from(number),
                            mtime: Duration::from_nanos(number.into()),
                        },
                        tail_sum: number,
                        is_settled: number % 2 == 0,
                    }),
                    _ => Record::Mark { dirty: number % 2 == 0, boot: u64::from(number) },
                });
                records.octets().to_vec()
            },
        );
        prop::collection::vec(one, 0..20).prop_map(|records| records.concat())
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_panic(octets in prop::collection::vec(any::<u8>(), 0..200)) {
            fuzz_index(&octets);
        }

        #[test]
        fn likely_records_with_an_octet_wrong_are_read_without_panic(
            octets in records(), at in any::<usize>(), octet in any::<u8>(),
        ) {
            fuzz_index(&octets);
            let mut octets = octets;
            if !octets.is_empty() {
                let at = at % octets.len();
                octets[at] = octet;
            }
            fuzz_index(&octets);
        }
    }
}

//! Constant databases against another program's: what it writes is read here, and what is written here is read there.

#![allow(clippy::unwrap_used, reason = "a test")]

use proptest::prelude::*;
use relay_policy::table::{Opener, compile_cdb};
use std::collections::BTreeMap;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn both_read_what_both_write(entries in prop::collection::btree_map("[a-z0-9.@é-]{1,12}", "[a-z][a-z é]{0,20}[a-z]", 0..300)) {
        let folder = tempfile::tempdir().unwrap();
        let theirs = folder.path().join("theirs.cdb");
        let mut writer = cdb2::CDBWriter::create(&theirs).unwrap();
        entries.iter().for_each(|(key, text)| writer.add(key.as_bytes(), text.as_bytes()).unwrap());
        writer.finish().unwrap();
        #[expect(clippy::disallowed_methods, reason = "the other program writes to a file")]
        let octets = std::fs::read(&theirs).unwrap();
        check_ours(&entries, octets)?;

        let source: String = entries.iter().map(|(key, text)| format!("{key} {text}\n")).collect();
        let (octets, warnings) = compile_cdb("tab", source.as_bytes(), false).unwrap();
        prop_assert_eq!(warnings, Vec::new());
        let ours = folder.path().join("ours.cdb");
        #[expect(clippy::disallowed_methods, reason = "the other program reads from a file")]
        std::fs::write(&ours, &octets).unwrap();
        let reader = cdb2::CDB::open(&ours).unwrap();
        for (key, text) in &entries {
            prop_assert_eq!(reader.get(key.as_bytes()).unwrap().unwrap(), text.as_bytes());
        }
        prop_assert!(reader.get(b"ABSENT").is_none());
        check_ours(&entries, octets)?;
    }
}

fn check_ours(entries: &BTreeMap<String, String>, octets: Vec<u8>) -> Result<(), TestCaseError> {
    let read = |_: &str| Ok(octets.clone());
    let table = Opener::new(&read).open("cdb:tab").unwrap().table;
    for (key, text) in entries {
        let found = table.look_up(key).unwrap();
        prop_assert_eq!(found.as_ref().map(|found| &*found.text), Some(text.as_str()));
    }
    prop_assert!(table.look_up("absent!").unwrap().is_none());
    Ok(())
}

/// Who looks for faults sees all of it, and of a broken one what comes before.
#[test]
fn its_entries_are_shown() {
    let (cdb, _) = compile_cdb("access", b"b.test REJECT\na.test OK\n", false).unwrap();
    let shown = |octets: Vec<u8>| {
        let read = |_: &str| Ok(octets.clone());
        let opened = Opener::new(&read).open("cdb:access").unwrap();
        let mut entries = Vec::new();
        opened.table.visit(&mut |entry| entries.push(format!("{} {}", entry.key.unwrap(), entry.text)));
        entries.sort();
        entries
    };
    assert_eq!(shown(cdb.clone()), ["a.test OK", "b.test REJECT"]);
    assert_eq!(shown(cdb[..2048 + 12].to_vec()), [""; 0]);
}

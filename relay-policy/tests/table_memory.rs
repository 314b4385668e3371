//! What tables take in memory, and that asking them takes none.

#![allow(clippy::unwrap_used, reason = "a test")]

use relay_policy::table::{Opener, Table};
use std::sync::Arc;
use testkit::alloc::{Counting, Usage, measure};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// As many as fill a map of the standard library well: it gives its best.
const KEYS: usize = 200_000;

fn open(reference: &str, source: &str) -> (Arc<dyn Table>, Usage) {
    measure(|| {
        let read = |_: &str| Ok(source.as_bytes().to_vec());
        let opened = Opener::new(&read).open(reference).unwrap();
        assert!(opened.warnings.is_empty());
        opened.table
    })
}

#[test]
fn keys_take_half_of_what_a_map_takes() {
    let entries = (0..KEYS).map(|number| (format!("user{number}@example.test"), "REJECT no".to_string()));
    #[expect(clippy::disallowed_types, reason = "what users would take in place of this")]
    let (map, of_map) = measure(|| entries.clone().collect::<std::collections::HashMap<_, _>>());
    let source: String = entries.map(|(key, text)| format!("{key} {text}\n")).collect();
    let (table, of_table) = open("texthash:access", &source);
    assert!(
        of_table.held_bytes * 2 <= of_map.held_bytes,
        "{} octets, and {} in a map of {} keys",
        of_table.held_bytes,
        of_map.held_bytes,
        map.len()
    );
    let (found, usage) = measure(|| {
        let found = table.look_up("user7@example.test").unwrap().map(|found| found.text.len());
        (found, table.look_up("nobody@example.test").unwrap().is_none())
    });
    assert_eq!((found, usage.allocations), ((Some(9), true), 0));
}

#[test]
fn networks_are_asked_without_memory() {
    let source: String =
        (0..20_000_u32).map(|number| format!("10.{}.{}.0/24 REJECT\n", number / 256, number % 256)).collect();
    let (table, usage) = open("cidr:access", &source);
    assert!(usage.held_bytes <= source.len() as isize * 3, "{usage:?} for a source of {}", source.len());
    let (found, usage) = measure(|| {
        let found = table.look_up("10.78.31.9").unwrap().map(|found| found.place.line);
        (found, table.look_up("192.0.2.1").unwrap().is_none())
    });
    assert_eq!((found, usage.allocations), ((Some(Some(20_000)), true), 0));
}

#[test]
fn patterns_that_are_looked_for_at_once_are_compiled_once() {
    let count = 2_000;
    let source: String = (0..count)
        .map(|number| format!("/^user{number}\\.[a-z]+@example\\.(com|net)$/ REJECT $1\n"))
        .collect();
    let (table, usage) = open("regexp:access", &source);
    // One by one they would take several KB each, besides.
    assert!(usage.held_bytes <= count * 6_000, "{usage:?} for {count} patterns");
    let found = table.look_up("user77.abc@example.net").unwrap().map(|found| found.text.into_owned());
    assert_eq!(found.as_deref(), Some("REJECT net"));
    assert!(table.look_up("nobody@example.net").unwrap().is_none());
}

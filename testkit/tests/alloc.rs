//! The counting allocator counts.

use testkit::alloc::{Counting, measure, process_live_bytes};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn peak_and_rest_are_told_apart() {
    let (kept, usage) = measure(|| {
        drop(vec![0_u8; 10_000]);
        vec![0_u8; 100]
    });
    assert_eq!(usage.peak_bytes, 10_000);
    assert_eq!(usage.held_bytes, 100);
    assert_eq!(usage.allocations, 2);
    assert!(process_live_bytes() >= kept.len());
}

#[test]
fn a_measure_inside_a_measure_belongs_to_both() {
    let (inner, outer) = measure(|| {
        let kept = vec![0_u8; 500];
        let (_, inner) = measure(|| drop(vec![0_u8; 1_000]));
        assert_eq!(kept.len(), 500);
        inner
    });
    assert_eq!(inner.peak_bytes, 1_000);
    assert_eq!(outer.peak_bytes, 1_500);
}

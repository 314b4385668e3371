//! Global allocators that look: one that counts, for tests of memory bounds, and one that sees what is left in memory that
//! is given back, for tests of secrets.
//!
//! A test binary installs it:
//!
//! ```
//! #[global_allocator]
//! static ALLOCATOR: testkit::alloc::Counting = testkit::alloc::Counting;
//!
//! let (sum, usage) = testkit::alloc::measure(|| vec![1_u8; 1000].iter().map(|b| u64::from(*b)).sum::<u64>());
//! assert_eq!(sum, 1000);
//! assert!((1000..1100).contains(&usage.peak_bytes), "{usage:?}");
//! assert_eq!(usage.held_bytes, 0);
//! ```
//!
//! [`measure`] counts for the calling thread alone, so tests that run beside it do not disturb it; what another
//! thread frees of this thread's memory is not seen. [`process_live_bytes`] counts for all threads together.
//!
//! [`Watching`] is installed in the same way, for [`freed_with`].
//!
//! Both need `unsafe`, because `GlobalAlloc` is an unsafe trait. This module is the only one in the workspace
//! that is allowed it; every call is passed on to the system allocator, counted ones unchanged.
#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicIsize, Ordering};

/// The allocator of the system, counted.
#[derive(Debug)]
pub struct Counting;

/// What a measured call did to the memory of its thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// The most that was in use at one moment, above what was in use before.
    pub peak_bytes: usize,
    /// What is still in use afterwards; negative when the call freed older memory.
    pub held_bytes: isize,
    /// How often memory was asked for; growing in place counts too.
    pub allocations: usize,
}

/// Counters of one thread.
#[derive(Clone, Copy)]
struct Counters {
    live: isize,
    peak: isize,
    allocations: usize,
}

thread_local! {
    static THREAD: Cell<Counters> = const { Cell::new(Counters { live: 0, peak: 0, allocations: 0 }) };
}

static PROCESS_LIVE: AtomicIsize = AtomicIsize::new(0);

/// Runs `call` and tells what memory it used on this thread.
///
/// # Panics
/// When [`Counting`] is not the global allocator: a bound that nothing counts would always hold.
pub fn measure<T>(call: impl FnOnce() -> T) -> (T, Usage) {
    let before = THREAD.get();
    drop(std::hint::black_box(Box::new(1_u8)));
    assert_ne!(before.allocations, THREAD.get().allocations, "install testkit::alloc::Counting first");
    THREAD.set(Counters { live: 0, peak: 0, allocations: 0 });
    let result = call();
    let during = THREAD.get();
    THREAD.set(Counters {
        live: before.live + during.live,
        peak: before.peak.max(before.live + during.peak),
        allocations: before.allocations + during.allocations,
    });
    let usage = Usage {
        peak_bytes: during.peak.unsigned_abs(),
        held_bytes: during.live,
        allocations: during.allocations,
    };
    (result, usage)
}

/// What all threads together have in use now; zero when [`Counting`] is not installed.
pub fn process_live_bytes() -> usize {
    PROCESS_LIVE.load(Ordering::Relaxed).max(0).unsigned_abs()
}

fn count(grown: isize, asked: bool) {
    PROCESS_LIVE.fetch_add(grown, Ordering::Relaxed);
    // A thread that is ending may free after its own counters are gone.
    let _ = THREAD.try_with(|thread| {
        let mut counters = thread.get();
        counters.live += grown;
        counters.peak = counters.peak.max(counters.live);
        counters.allocations += usize::from(asked);
        thread.set(counters);
    });
}

// SAFETY: every call goes to `System` with the arguments it came with; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps `GlobalAlloc`'s contract, which is `System`'s.
        let memory = unsafe { System.alloc(layout) };
        if !memory.is_null() {
            count(layout.size().cast_signed(), true);
        }
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) };
        count(-layout.size().cast_signed(), false);
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as above.
        let moved = unsafe { System.realloc(memory, layout, new_size) };
        if !moved.is_null() {
            count(new_size.cast_signed() - layout.size().cast_signed(), true);
        }
        moved
    }
}

/// The allocator of the system, watched: it hands out zeroed memory only, so that all of it may be looked at.
#[derive(Debug)]
pub struct Watching;

thread_local! {
    /// What is looked for, and in how many blocks it was.
    static WATCHED: Cell<(&'static [u8], usize)> = const { Cell::new((&[], 0)) };
}

/// Runs `call` and tells how many blocks of memory this thread has given back meanwhile with `octets` in them.
///
/// # Panics
/// When [`Watching`] is not the global allocator: what nobody looks at holds nothing.
pub fn freed_with<T>(octets: &'static [u8], call: impl FnOnce() -> T) -> (T, usize) {
    WATCHED.set((octets, 0));
    drop(std::hint::black_box(octets.to_vec()));
    assert_eq!(WATCHED.get().1, 1, "install testkit::alloc::Watching first");
    WATCHED.set((octets, 0));
    let result = call();
    let (_, blocks) = WATCHED.replace((&[], 0));
    (result, blocks)
}

// SAFETY: every call goes to `System` with the arguments it came with, `alloc` as its zeroing twin, which promises more;
// `realloc` is the trait's own, made of these. Looking allocates nothing.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps `GlobalAlloc`'s contract, which is `System`'s.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        let _ = WATCHED.try_with(|watched| {
            let (octets, blocks) = watched.get();
            if octets.is_empty() {
                return;
            }
            // SAFETY: the block is the caller's until the next line but one, as long as its layout says, and was zeroed when
            // it was handed out.
            let block = unsafe { std::slice::from_raw_parts(memory, layout.size()) };
            let holds = block.windows(octets.len()).any(|window| window == octets);
            watched.set((octets, blocks + usize::from(holds)));
        });
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) };
    }
}

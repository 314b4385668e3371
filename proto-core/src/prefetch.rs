//! Octets on their way from memory before they are needed.
//!
//! A processor that notices that memory is read in order fetches ahead by itself, but not beyond the page, so that each
//! page begins with a wait. Here the first pages of what is about to be read are begun at once. Of text that lies in memory
//! only, that is about a tenth of the time of encoding and less of decoding; what lies in a cache already, as behind a
//! socket, neither gains nor loses what could be measured.

use core::hint::black_box;

/// A page, as large as the smallest of any common processor.
const PAGE_BYTES: usize = 4096;

/// What is fetched at a time.
const LINE_BYTES: usize = 64;

/// So many lines read in order are noticed.
const LINES: usize = 8;

/// As many pages as surely fit into a cache until they are read.
const PAGES: usize = 16;

/// Begins to read the first pages of octets that are then read in order.
pub(crate) fn touch(octets: &[u8]) {
    for page in octets.chunks(PAGE_BYTES).take(PAGES) {
        for line in page.chunks(LINE_BYTES).take(LINES) {
            black_box(line[0]);
        }
    }
}

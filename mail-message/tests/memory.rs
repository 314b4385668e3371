//! Memory: what scanning and searching hold does not depend on the message, and hostile messages get what the limits
//! say and no more. Nothing here is timed; what would take longer than it may would not end.

#![allow(clippy::unwrap_used, reason = "helpers of tests are outside test functions")]

use mail_message::mime::{Limits, Message, Scanner};
use mail_message::search::{Query, Scope, Search, WINDOW_BYTES};
use testkit::alloc::{Counting, Usage, measure};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PIECE_BYTES: usize = 64 * 1024;

/// A multipart whose text and attachment come again and again, made piece by piece; never there as a whole.
struct Stream {
    block: Vec<u8>,
    left: u64,
}

const HEADER: &[u8] = b"Subject: long\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
    --x\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n";

impl Stream {
    fn new(octets: u64) -> Stream {
        let line =
            b"Zeile mit =FCber sechzig Zeichen, wie sie in einem Brief stehen=\r\n -- kann.\r\n-\r\n--y\r\n";
        let block: Vec<u8> =
            line.iter().copied().cycle().take(line.len() * (PIECE_BYTES / line.len())).collect();
        Stream { block, left: octets }
    }

    /// Gives every piece to `each`; returns how many octets there were.
    fn run(mut self, mut each: impl FnMut(&[u8])) -> u64 {
        each(HEADER);
        let mut octets = HEADER.len() as u64;
        while self.left > 0 {
            each(&self.block);
            octets += self.block.len() as u64;
            self.left = self.left.saturating_sub(self.block.len() as u64);
        }
        each(b"\r\n--x--\r\n");
        octets + 9
    }
}

fn scan(octets: u64) -> (Message, u64, Usage) {
    let stream = Stream::new(octets);
    let ((message, fed), usage) = measure(|| {
        let mut scanner = Scanner::new(Limits::default());
        let fed = stream.run(|piece| scanner.feed(piece));
        (scanner.finish(), fed)
    });
    (message, fed, usage)
}

/// A gigabyte in an optimised build. Without, it would take minutes.
const LARGE: u64 = if cfg!(debug_assertions) { 16 << 20 } else { 1 << 30 };

#[test]
fn scanning_takes_the_same_memory_for_any_size() {
    let (_, _, small) = scan(1 << 20);
    let (message, fed, large) = scan(LARGE);
    assert_eq!(message.range().end, fed);
    assert_eq!(message.leaves().count(), 1);
    assert!(large.peak_bytes == small.peak_bytes && large.peak_bytes < 8 * 1024, "{small:?} {large:?}");
    assert_eq!(large.allocations, small.allocations, "a body asks for no memory");
}

fn search(message: &Message, octets: u64) -> (Vec<Option<bool>>, Usage) {
    let query = Query::new([
        (Scope::Body, "ÜBER SECHZIG"),
        (Scope::Body, "stehen -- kann"),
        (Scope::Text, "nicht darin"),
        (Scope::Field("subject"), "LONG"),
    ]);
    let stream = Stream::new(octets);
    measure(|| {
        let mut search = Search::new(&query);
        search.begin_header();
        search.feed(HEADER);
        search.end();
        // One part, which runs from the header to the end.
        let targets = search.targets(message);
        search.begin(targets.last().unwrap());
        stream.run(|piece| {
            search.feed(piece);
        });
        search.finish();
        (0..query.len()).map(|term| search.outcome(term)).collect()
    })
}

#[test]
fn searching_takes_the_same_memory_for_any_size() {
    let message = scan(1 << 20).0;
    let (found, small) = search(&message, 1 << 20);
    assert_eq!(found, [true, true, false, true].map(Some));
    let (found, large) = search(&message, LARGE / 4);
    assert_eq!(found, [true, true, false, true].map(Some));
    assert!(
        large.peak_bytes == small.peak_bytes && large.peak_bytes < 6 * WINDOW_BYTES,
        "{small:?} {large:?}"
    );
    assert_eq!(large.allocations, small.allocations);
}

/// What the documentation of [`Limits`] states for the most hostile message.
const HOSTILE_BYTES_MAX: usize = 6 << 20;

/// Scans and searches what `piece` gives `times` times between a beginning and an end; returns what both took at most.
fn survive(beginning: &[u8], piece: &[u8], times: usize) -> (Message, usize) {
    let feed = |each: &mut dyn FnMut(&[u8])| {
        each(beginning);
        (0..times).for_each(|_| each(piece));
    };
    let (message, scanned) = measure(|| {
        let mut scanner = Scanner::new(Limits::default());
        feed(&mut |octets| scanner.feed(octets));
        scanner.finish()
    });
    let query = Query::new([(Scope::Text, "nosuch text"), (Scope::Field("subject"), "nosuch")]);
    let (_, searched) = measure(|| {
        let mut search = Search::new(&query);
        search.begin_header();
        feed(&mut |octets| {
            search.feed(octets);
        });
        search.end();
        // The same octets as every text of the message, to the end of it.
        let last = search.targets(&message).pop();
        if let Some(target) = last {
            search.begin(&target);
            feed(&mut |octets| {
                search.feed(octets);
            });
        }
        search.finish();
        assert_eq!([0, 1].map(|term| search.outcome(term)), [Some(false); 2]);
    });
    assert!(scanned.peak_bytes < HOSTILE_BYTES_MAX, "{scanned:?}");
    (message, searched.peak_bytes)
}

/// What a search holds that has a window full, decoded and not: 3 octets of text for each of them, twice, since memory is
/// asked for before what was there is given back.
const SEARCH_BYTES_MAX: usize = 12 * WINDOW_BYTES;

/// Ten megabytes in an optimised build.
const LINE_BYTES: usize = if cfg!(debug_assertions) { 512 << 10 } else { 10 << 20 };

#[test]
fn header_lines_of_ten_megabytes() {
    survive(b"Subject: ", &[b'x'; 4096], (10 << 20) / 4096);
    for piece in ["x", "=?", "=?utf-8?q?=C3=A4?= ", "\u{fd}\u{fa}", "?=          ", " ", "a,b;c<d>(e"] {
        for name in ["Subject: ", "To: ", "Content-Type: text/plain; a=\"", ""] {
            let block = piece.repeat(4096 / piece.len());
            let (_, searched) = survive(name.as_bytes(), block.as_bytes(), LINE_BYTES / block.len());
            assert!(searched < SEARCH_BYTES_MAX, "{name}{piece}: {searched}");
        }
    }
}

#[test]
fn a_hundred_thousand_parts_fields_and_messages() {
    let multipart = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n";
    let (message, _) = survive(multipart, b"--x\r\nContent-Type: text/plain; a=b\r\n\r\nx\r\n", 100_000);
    assert_eq!(message.leaves().count(), Limits::default().parts_max);
    survive(multipart, b"--x\r\n", 100_000);
    survive(multipart, b"--x\r\nContent-Type: message/rfc822\r\n\r\n", 100_000);
    survive(b"", b"Content-Type: message/rfc822\r\n\r\n", 100_000);
    survive(b"", b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n", 100_000);
    survive(b"", b"Subject: x\r\n", 100_000);
    survive(b"Subject: x\r\n", b" y\r\n", 100_000);
    survive(b"To: x\r\n", b" ,a@b\r\n", 100_000);
    survive(b"Content-Type: text/plain\r\n", b" ;a=b\r\n", 100_000);
}

#[test]
fn bombs_of_encodings() {
    // Every shift of ISO-2022-JP, white space that has to be kept back, and what expands most: one octet to three.
    for (header, piece) in [
        ("text/plain; charset=iso-2022-jp\r\n\r\n", "\x1b$B\x1b(B\x1b(J"),
        ("text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n", "=      "),
        ("text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n", "= =\r= =3"),
        ("text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n", "/////"),
        ("text/plain; charset=windows-1258\r\nContent-Transfer-Encoding: base64\r\n\r\n", "gICA"),
        ("text/plain\r\n\r\n", "\u{fdfa}"),
    ] {
        let block = piece.repeat(4096 / piece.len());
        let (_, searched) =
            survive(format!("Content-Type: {header}").as_bytes(), block.as_bytes(), LINE_BYTES / 4096);
        assert!(searched < SEARCH_BYTES_MAX, "{header}{piece}: {searched}");
    }
}

/// A thousand strings are one pass: each octet of the text is looked at as often as for one.
#[test]
fn many_strings_of_like_beginnings() {
    let needles: Vec<String> = (1..500).map(|length| "a".repeat(length) + "b").collect();
    let query = Query::new(needles.iter().map(|needle| (Scope::Body, needle.as_str())));
    let octets = [b"\r\n".to_vec(), b"a".repeat(1 << 20), b"b".to_vec()].concat();
    let mut scanner = Scanner::new(Limits::default());
    scanner.feed(&octets);
    let message = scanner.finish();
    let (_, usage) = measure(|| {
        let mut search = Search::new(&query);
        let targets = search.targets(&message);
        search.begin(&targets[0]);
        assert!(!search.feed(&octets[2..octets.len() - 1]));
        search.feed(b"b");
        search.finish();
        assert!((0..query.len()).all(|term| search.outcome(term) == Some(true)));
    });
    assert!(usage.peak_bytes < SEARCH_BYTES_MAX + 2 * needles.iter().map(String::len).sum::<usize>());
}

//! Memory of an mbox: so many octets a message, and a fixed amount besides, however large the file and any message, line
//! or header in it: opening it, reading and searching a message, converting all of it, both ways.
//!
//! `MAILSTORE_MBOX_BYTES` sets how large the mbox is; 24 MiB when it is not set.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failure here is a failed test, and it shows what it found"
)]

mod common;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use common::inbox;
use mail_message::search::{Query, Scope, Search};
use mailstore::convert::convert;
use mailstore::mbox::{MboxLocation, MboxOptions, MboxStore};
use mailstore::{Access, Env, MaildirStore, MessageReader, Store};
use testkit::alloc::{Counting, Usage, measure};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What an opened mailbox holds of a message: its place and flags, its row in the index, its entry; and what lists leave
/// empty at their ends.
const MESSAGE_BYTES: usize = 400;

/// What is needed besides while a mailbox is opened that has no index yet: all rows are written at once.
const OPENING_BYTES: usize = 640;

/// Whatever depends on nothing.
const FIXED_BYTES: usize = 1 << 20;

/// What reading one message needs, to search it or to sum it up.
const READING_BYTES: usize = 512 << 10;

/// What a conversion holds besides, in its batches.
const BATCH_BYTES: usize = 2 << 20;

const SMALL: &[u8] = b"From: a@example.test\nSubject: small\nX-Keywords: work\n\n>From here\nto there\n\n";

/// Half of it is one message, an eighth of that one line; a header field of another has as much; the rest is small
/// messages, 30 KiB the octets of some.
fn generate(path: &Path, bytes: u64) -> (usize, u64) {
    let mut out = BufWriter::new(File::create(path).unwrap());
    let (mut messages, mut written, mut largest) = (0, 0_u64, 0);
    let from = b"From a@example.test Sun Nov 22 14:13:11 2026\n";
    let mut message = |out: &mut BufWriter<File>, parts: &[(&[u8], u64)]| {
        out.write_all(from).unwrap();
        let mut length = 0;
        for (part, times) in parts {
            // In large pieces, which is quicker.
            let piece = part.repeat((60_000 / part.len()).clamp(1, usize::try_from(*times).unwrap()));
            let mut left = part.len() as u64 * times;
            while left > 0 {
                let n = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
                out.write_all(&piece[..n]).unwrap();
                left -= n as u64;
            }
            length += part.len() as u64 * times;
        }
        (messages, written, largest) = (messages + 1, written + length, largest.max(length));
        written
    };
    let line = b"some text of seventy-two octets, and the word needle is not in all of it\n";
    let half = bytes / 2;
    message(
        &mut out,
        &[
            (b"Subject: large\n\n", 1),
            (line, half * 7 / 8 / line.len() as u64),
            (b"x", half / 8),
            (b" needle\n\n", 1),
        ],
    );
    message(&mut out, &[(b"X-Long: ", 1), (b"y", half / 8), (b"\nSubject: header\n\nbody\n\n", 1)]);
    let mut number = 0;
    while message(&mut out, &[(SMALL, 1)]) < bytes {
        number += 1;
        if number % 8 == 0 {
            message(&mut out, &[(b"Subject: middle\n\n", 1), (line, 400), (b"\n", 1)]);
        }
    }
    out.flush().unwrap();
    (messages, largest)
}

fn check(what: &str, usage: Usage, bound: usize) {
    println!("{what}: {usage:?}; bound {bound}");
    assert!(usage.peak_bytes <= bound, "{what}: {usage:?} is more than {bound}");
}

/// Looks for a word in all of a message; returns how long the message is.
fn search(reader: &mut dyn MessageReader, word: &str) -> (Option<bool>, u64) {
    let query = Query::new([(Scope::Text, word)]);
    let mut search = Search::new(&query);
    let (mut chunk, mut at) = (vec![0; 64 << 10], 0);
    let mut scanner = mail_message::mime::Scanner::new(mail_message::mime::Limits::default());
    loop {
        let n = reader.read_at(at, &mut chunk).unwrap();
        if n == 0 {
            break;
        }
        scanner.feed(&chunk[..n]);
        at += n as u64;
    }
    let message = scanner.finish();
    for target in search.targets(&message) {
        search.begin(&target);
        let range = target.range();
        let mut offset = range.start;
        while offset < range.end {
            let wanted = usize::try_from(range.end - offset).unwrap_or(usize::MAX).min(chunk.len());
            let n = reader.read_at(offset, &mut chunk[..wanted]).unwrap();
            if n == 0 || search.feed(&chunk[..n]) {
                break;
            }
            offset += n as u64;
        }
        search.end();
    }
    search.finish();
    (search.outcome(0), at)
}

#[test]
fn memory_depends_on_the_number_of_messages_alone() {
    let bytes: u64 = common::from_environment("MAILSTORE_MBOX_BYTES", 24 << 20);
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = dir.path().join("inbox");
    let (messages, largest) = generate(&path, bytes);
    println!("{messages} messages, {} octets, the largest {largest}", path.metadata().unwrap().len());
    let mbox = |root: &str, inbox: &str| {
        let location = MboxLocation::new(dir.path().join(root), dir.path().join(inbox));
        MboxStore::open(Env::real("test.example"), location, MboxOptions::default(), None).unwrap()
    };
    let store = mbox("mail", "inbox");
    let open = || store.open(&inbox(), Access::ReadWrite).unwrap();
    let opening = messages * (MESSAGE_BYTES + OPENING_BYTES) + FIXED_BYTES;
    let held = messages * MESSAGE_BYTES + FIXED_BYTES;
    for time in ["scanned", "from the index"] {
        let (mut mailbox, usage) = measure(open);
        assert_eq!(mailbox.entries().len(), messages);
        check(&format!("opened, {time}"), usage, opening);
        assert!(usage.held_bytes <= held as isize, "{time}: {usage:?} is more than {held}");
        let uids: Vec<_> = mailbox.entries().iter().map(|entry| entry.uid).collect();
        for (at, word, found) in
            [(0, "needle", true), (1, "body", true), (2, "needle", false), (0, "absent", false)]
        {
            let (outcome, usage) = measure(|| search(&mut *mailbox.message(uids[at]).unwrap(), word));
            assert_eq!(outcome.0, Some(found), "{word} in {at}");
            check(&format!("search in {} octets", outcome.1), usage, READING_BYTES);
        }
        let (octets, usage) = measure(|| {
            let all = uids.iter().map(|&uid| search(&mut *mailbox.message(uid).unwrap(), "absent"));
            all.map(|(_, octets)| octets).sum::<u64>()
        });
        check(&format!("search in all {octets} octets"), usage, READING_BYTES);
        let (_, usage) = measure(|| {
            uids.iter().take(20).for_each(|&uid| drop(mailbox.summary(uid).unwrap()));
        });
        check("summaries", usage, READING_BYTES);
    }
    let converting = 2 * messages * (MESSAGE_BYTES + OPENING_BYTES) + BATCH_BYTES;
    let maildir = MaildirStore::open(Env::real("test.example"), &dir.path().join("Maildir"), None).unwrap();
    let (converted, usage) = measure(|| convert(&store, &maildir, &mut |_| ()).unwrap());
    assert_eq!(converted.messages, messages);
    check("to a Maildir", usage, converting);
    // Room for what comes back.
    drop(store);
    std::fs::remove_file(&path).unwrap();
    let back = mbox("back", "inbox-again");
    let (converted, usage) = measure(|| convert(&maildir, &back, &mut |_| ()).unwrap());
    assert_eq!(converted.messages, messages);
    check("to an mbox", usage, converting);
    let again = back.open(&inbox(), Access::ReadOnly).unwrap();
    assert_eq!(again.entries().len(), messages);
}

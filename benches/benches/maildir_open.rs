//! Opening a Maildir of 100,000 messages and listing their flags, beside what a program does that has no index: list both
//! directories and ask for the size and date of every file.
//!
//! The index is written by the first opening, before the measurement. `after a change` is an opening that cannot trust the
//! directories' times and has to list them, against the index all the same.
#![allow(missing_docs, reason = "criterion's macros make functions that nobody documents")]
#![allow(clippy::unwrap_used, reason = "a disk that fails measures nothing")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use mail_message::Flag;
use mailstore::{Access, Env, MailboxName, MaildirStore, Store};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, SystemTime};

const MESSAGES: u64 = 100_000;

/// Many names for few files: what is measured is directories, not octets.
fn generate(root: &Path) {
    for sub in ["tmp", "new", "cur"] {
        std::fs::create_dir_all(root.join(sub)).unwrap();
    }
    let mut file = root.join("tmp/none");
    for number in 0..MESSAGES {
        if number % 20_000 == 0 {
            file = root.join(format!("tmp/{number}"));
            std::fs::write(&file, "Subject: x\r\n\r\nbody\r\n").unwrap();
        }
        let flags = ["", "S", "RS", "FS"][number as usize % 4];
        let name = format!(
            "cur/{}.M{number}P77Q{number}.mx.example.test,S=20,W=20:2,{flags}",
            1_700_000_000 + number
        );
        std::fs::hard_link(&file, root.join(name)).unwrap();
    }
}

fn set_time(root: &Path, ago: Duration) {
    let time = SystemTime::now() - ago;
    for sub in ["new", "cur"] {
        std::fs::File::open(root.join(sub)).unwrap().set_modified(time).unwrap();
    }
}

fn open(store: &MaildirStore) -> usize {
    let mailbox = store.open(&MailboxName::inbox(), Access::ReadWrite).unwrap();
    mailbox.entries().iter().filter(|entry| entry.flags.contains(&Flag::Seen)).count()
}

fn scan(root: &Path) -> usize {
    let mut seen = 0;
    for sub in ["new", "cur"] {
        for entry in std::fs::read_dir(root.join(sub)).unwrap() {
            let entry = entry.unwrap();
            black_box(entry.metadata().unwrap().len());
            let name = entry.file_name().into_string().unwrap();
            seen += usize::from(name.rsplit_once(":2,").is_some_and(|(_, flags)| flags.contains('S')));
        }
    }
    seen
}

fn maildir_open(c: &mut Criterion) {
    // Not the system's temporary directory, which is in memory on many machines.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    generate(dir.path());
    let store = MaildirStore::open(Env::real("mx.example.test"), dir.path(), None).unwrap();
    let expected = open(&store);
    assert_eq!(scan(dir.path()), expected);
    let mut group = c.benchmark_group("maildir/open, 100,000 messages");
    group.sample_size(10).throughput(Throughput::Elements(MESSAGES));
    group.bench_function("readdir + stat", |b| b.iter(|| scan(dir.path())));
    set_time(dir.path(), Duration::from_secs(60));
    open(&store);
    group.bench_function("index", |b| b.iter(|| open(&store)));
    let mut ago = 61;
    group.bench_function("index, after a change", |b| {
        b.iter_batched(
            || {
                ago += 1;
                set_time(dir.path(), Duration::from_secs(ago));
            },
            |()| open(&store),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, maildir_open);
criterion_main!(benches);

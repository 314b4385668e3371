//! POP3: a session without I/O that fetches and removes a hundred messages.
#![allow(missing_docs, reason = "criterion's macros make functions that nobody documents")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use postroom_benches::mail::{Kind, message};
use postroom_benches::pop3;
use std::hint::black_box;

const MESSAGES: usize = 100;

fn session(c: &mut Criterion) {
    let mut group = c.benchmark_group("pop3/session");
    let (config, commands) = (pop3::config(), pop3::commands(MESSAGES));
    let text = message(Kind::Text, 4096);
    let outcome = pop3::session(&config, &commands, MESSAGES, &text);
    assert_eq!((outcome.messages, outcome.removed), (MESSAGES, MESSAGES));
    group.throughput(Throughput::Elements(MESSAGES as u64));
    group.bench_function("100 x 4 KiB", |b| {
        b.iter(|| pop3::session(&config, &commands, MESSAGES, black_box(&text)));
    });
    group.finish();
}

criterion_group!(benches, session);
criterion_main!(benches);

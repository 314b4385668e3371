//! SMTP: the grammar of command lines, and sessions without I/O.
#![allow(missing_docs, reason = "criterion's macros make functions that nobody documents")]

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use postroom_benches::mail::{Kind, message};
use postroom_benches::smtp;
use std::hint::black_box;

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("smtp/parse");
    let grammar = smtp::grammar();
    group.throughput(Throughput::Elements(smtp::COMMANDS.len() as u64));
    group.bench_function("mix", |b| {
        b.iter(|| smtp::COMMANDS.iter().for_each(|line| smtp::parse(black_box(line.as_bytes()), &grammar)));
    });
    group.throughput(Throughput::Elements(1));
    for line in [smtp::COMMANDS[1], smtp::COMMANDS[2], "NOOP"] {
        let name = line.split(':').next().unwrap_or(line);
        group.bench_function(name, |b| b.iter(|| smtp::parse(black_box(line.as_bytes()), &grammar)));
    }
    group.finish();
}

fn sessions(c: &mut Criterion) {
    let mut group = c.benchmark_group("smtp/session");
    let config = smtp::config();
    for (name, octets) in [("10 x 4 KiB", 4 << 10), ("10 x 64 KiB", 64 << 10)] {
        let segments = smtp::segments(10, &message(Kind::Text, octets));
        assert_eq!(smtp::session(&config, &segments).messages, 10);
        group.throughput(Throughput::Elements(10));
        group.bench_function(name, |b| b.iter(|| smtp::session(&config, black_box(&segments))));
    }
    // What a session costs that brings nothing.
    let nothing = smtp::segments(0, b"");
    group.throughput(Throughput::Elements(1));
    group.bench_function("EHLO, QUIT", |b| {
        b.iter_batched(
            || nothing.clone(),
            |segments| smtp::session(&config, &segments),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, parse, sessions);
criterion_main!(benches);

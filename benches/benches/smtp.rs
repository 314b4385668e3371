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

/// Ours beside Stalwart's parser, over the same octets in the same run.
///
/// Both cut the lines out of one buffer and give a typed value for each. Ours owns its addresses and has checked them by
/// RFC 5321's grammar, and types the parameters of MAIL and RCPT; theirs borrows its addresses from the buffer, and
/// types the arguments of EHLO, AUTH and BDAT as well, which in ours is the session's work.
fn peers(c: &mut Criterion) {
    let mut group = c.benchmark_group("smtp/peers");
    group.throughput(Throughput::Elements(smtp::GROUP_LINES as u64));
    let grammar = smtp::grammar();
    assert_eq!(smtp::parse_group(smtp::GROUP, &grammar), smtp::GROUP_LINES);
    group.bench_function("ours", |b| b.iter(|| smtp::parse_group(black_box(smtp::GROUP), &grammar)));
    let theirs = |octets: &[u8]| {
        let (mut rest, mut lines) = (octets.iter(), 0);
        while !rest.as_slice().is_empty() {
            drop(black_box(stalwart_smtp_proto::Request::parse(&mut rest).expect("a command")));
            lines += 1;
        }
        lines
    };
    assert_eq!(theirs(smtp::GROUP), smtp::GROUP_LINES);
    group.bench_function("Stalwart", |b| b.iter(|| theirs(black_box(smtp::GROUP))));
    let owned = |octets: &[u8]| {
        let mut rest = octets.iter();
        while !rest.as_slice().is_empty() {
            let request = stalwart_smtp_proto::Request::parse(&mut rest).expect("a command");
            drop(black_box(request.into_owned()));
        }
    };
    group.bench_function("Stalwart, owned", |b| b.iter(|| owned(black_box(smtp::GROUP))));
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

criterion_group!(benches, parse, peers, sessions);
criterion_main!(benches);

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
/// Both cut the lines out of one buffer and give a typed value for each. As they come, both leave the addresses in the buffer:
/// ours as octets that have been checked by RFC 5321's grammar, theirs as text; ours owns the few parameters that
/// are text. Owned, both copy the addresses, ours into parts. Theirs types the arguments of EHLO, AUTH and BDAT as
/// well, which in ours is the session's work.
fn peers(c: &mut Criterion) {
    let mut group = c.benchmark_group("smtp/peers");
    group.throughput(Throughput::Elements(smtp::GROUP_LINES as u64));
    let grammar = smtp::grammar();
    let ours = |octets: &[u8]| smtp::parse_group(octets, |line| smtp::parse(line, &grammar));
    let ours_owned = |octets: &[u8]| smtp::parse_group(octets, |line| smtp::parse_owned(line, &grammar));
    let theirs = |octets: &[u8]| {
        let (mut rest, mut lines) = (octets.iter(), 0);
        while !rest.as_slice().is_empty() {
            assert!(black_box(&stalwart_smtp_proto::Request::parse(&mut rest)).is_ok());
            lines += 1;
        }
        lines
    };
    let theirs_owned = |octets: &[u8]| {
        let (mut rest, mut lines) = (octets.iter(), 0);
        while !rest.as_slice().is_empty() {
            let request = stalwart_smtp_proto::Request::parse(&mut rest).expect("a command");
            black_box(&request.into_owned());
            lines += 1;
        }
        lines
    };
    for lines in [ours(smtp::GROUP), theirs(smtp::GROUP), ours_owned(smtp::GROUP), theirs_owned(smtp::GROUP)]
    {
        assert_eq!(lines, smtp::GROUP_LINES);
    }
    group.bench_function("ours", |b| b.iter(|| ours(black_box(smtp::GROUP))));
    group.bench_function("Stalwart", |b| b.iter(|| theirs(black_box(smtp::GROUP))));
    group.bench_function("ours, owned", |b| b.iter(|| ours_owned(black_box(smtp::GROUP))));
    group.bench_function("Stalwart, owned", |b| b.iter(|| theirs_owned(black_box(smtp::GROUP))));
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

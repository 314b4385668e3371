//! IMAP: FETCH commands in, FETCH responses out, and a session without I/O.
#![allow(missing_docs, reason = "criterion's macros make functions that nobody documents")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use postroom_benches::imap::{self, Stored};
use postroom_benches::mail::{Kind, message};
use proto_core::OutBuf;
use std::hint::black_box;

fn parse(c: &mut Criterion) {
    let mut group = c.benchmark_group("imap/parse FETCH");
    let lines = imap::FETCHES.map(|line| format!("{line}\r\n"));
    group.throughput(Throughput::Elements(lines.len() as u64));
    group.bench_function("mix", |b| {
        b.iter(|| lines.iter().for_each(|line| drop(black_box(imap::parse(black_box(line.as_bytes()))))));
    });
    group.throughput(Throughput::Elements(1));
    for (name, line) in [("flags", &lines[0]), ("list view", &lines[1])] {
        group.bench_function(name, |b| b.iter(|| imap::parse(black_box(line.as_bytes()))));
    }
    group.finish();
}

fn encode(c: &mut Criterion) {
    let mut group = c.benchmark_group("imap/encode FETCH");
    let stored = Stored::new(message(Kind::Text, 4096));
    for (name, only_flags) in [("flags", true), ("list view", false)] {
        let response = imap::response(&stored, only_flags);
        let mut out = OutBuf::new();
        group.throughput(Throughput::Bytes(imap::encode(&response, &mut out)));
        group.bench_function(name, |b| b.iter(|| imap::encode(black_box(&response), &mut out)));
    }
    group.finish();
}

fn session(c: &mut Criterion) {
    let mut group = c.benchmark_group("imap/session");
    let (config, stored) = (imap::config(), Stored::new(message(Kind::Text, 4096)));
    let outcome = imap::session(&config, &stored);
    group.throughput(Throughput::Elements(outcome.responses as u64));
    group.bench_function("1,000 messages", |b| b.iter(|| imap::session(&config, black_box(&stored))));
    group.finish();
}

criterion_group!(benches, parse, encode, session);
criterion_main!(benches);

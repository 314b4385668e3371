//! Message text through the dot codec, in octets a second, beside what merely moving it costs.
//!
//! The text is larger than any cache, so that memory is part of it as it is in life; `memcpy` beside it in the same run
//! is the measure.
#![allow(missing_docs, reason = "criterion's macros make functions that nobody documents")]

use criterion::{Criterion, SamplingMode, Throughput, criterion_group, criterion_main};
use postroom_benches::mail::{Kind, message};
use postroom_benches::{dot, mime, smtp};
use std::hint::black_box;

/// Twice the last-level cache, 48 MiB, of the machine it was first run on. On one with more, raise it.
const TEXT_BYTES: usize = 96 << 20;

/// The worst text takes long enough when it is small.
const DOTS_BYTES: usize = 4 << 20;

fn codec(c: &mut Criterion) {
    measure(c, "corpus", &mime::lines_of_corpus(TEXT_BYTES));
    for (name, kind) in Kind::ALL {
        measure(c, name, &message(kind, if kind == Kind::Dots { DOTS_BYTES } else { TEXT_BYTES }));
    }
}

fn measure(c: &mut Criterion, name: &str, text: &[u8]) {
    let wire = dot::to_wire(text);
    let mut group = c.benchmark_group(format!("dot/{name}"));
    group.sample_size(10).sampling_mode(SamplingMode::Flat);
    group.throughput(Throughput::Bytes(wire.len() as u64));
    let mut copy = vec![0; wire.len()];
    group.bench_function("memcpy", |b| b.iter(|| copy.copy_from_slice(black_box(&wire))));
    drop(copy);
    group.bench_function("input buffer", |b| b.iter(|| dot::buffer(black_box(&wire))));
    group.bench_function("decode", |b| b.iter(|| dot::decode(black_box(&wire), false)));
    group.bench_function("decode, lines measured", |b| b.iter(|| dot::decode(black_box(&wire), true)));
    group.bench_function("encode", |b| b.iter(|| dot::encode(black_box(text))));
    let (config, segments) = (smtp::config(), smtp::segments(1, text));
    group.bench_function("SMTP session", |b| b.iter(|| smtp::session(&config, black_box(&segments))));
    group.finish();
}

criterion_group!(benches, codec);
criterion_main!(benches);

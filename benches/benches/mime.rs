//! The structure of messages: our scanner beside another parser of mail, over the same messages in one run.
//!
//! The two do not do the same. Ours gives ENVELOPE, BODYSTRUCTURE and the offsets of all parts, and decodes nothing; it
//! takes a message in pieces, and keeps no octet of it. The other one decodes bodies and encoded words, has the whole
//! message in memory and borrows from it. So it is measured three times: as it is used, without any header field but
//! those that tell the structure (its cheapest way to the parts), and with no more than the header of the message read.
#![allow(missing_docs, reason = "criterion's macros make functions that nobody documents")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mail_parser::{MessageParser, PartType};
use postroom_benches::mail::{Kind, message};
use postroom_benches::mime;
use std::hint::black_box;

const LARGE_BYTES: usize = 1 << 20;

fn structure(c: &mut Criterion) {
    let large = [mime::with_attachment(LARGE_BYTES)];
    let text = [message(Kind::Text, LARGE_BYTES)];
    for (name, messages) in [("corpus", &mime::corpus()[..]), ("1 MiB base64", &large), ("1 MiB text", &text)]
    {
        let mut group = c.benchmark_group(format!("mime/{name}"));
        group.throughput(Throughput::Bytes(messages.iter().map(|message| message.len() as u64).sum()));
        group.bench_function("line ends counted", |b| {
            b.iter(|| {
                black_box(messages).iter().map(|m| memchr::memchr_iter(b'\n', m).count()).sum::<usize>()
            });
        });
        group.bench_function("ours", |b| b.iter(|| mime::scan_all(black_box(messages))));
        group.bench_function("ours, BODYSTRUCTURE made", |b| {
            b.iter(|| {
                let structures = black_box(messages).iter().map(|m| mime::scan(m).body_structure());
                structures.for_each(|structure| drop(black_box(structure)));
            });
        });
        let fields_alone = MessageParser::new().with_mime_headers().default_header_ignore();
        for (name, parser) in
            [("mail-parser", MessageParser::default()), ("mail-parser, structure fields", fields_alone)]
        {
            group.bench_function(name, |b| {
                b.iter(|| {
                    black_box(messages)
                        .iter()
                        .map(|m| parser.parse(m).map_or(0, |m| m.parts.len()))
                        .sum::<usize>()
                });
            });
        }
        let parser = MessageParser::default();
        group.bench_function("mail-parser, headers", |b| {
            b.iter(|| black_box(messages).iter().filter(|m| parser.parse_headers(m).is_some()).count());
        });
        group.finish();
    }
}

/// How much faster than decoding all of a message, folding all of it and looking then. The other parser does that.
fn search(c: &mut Criterion) {
    for (name, messages) in [
        ("corpus", mime::corpus()),
        ("1 MiB text", vec![message(Kind::Text, LARGE_BYTES)]),
        ("1 MiB quoted-printable", vec![mime::in_quoted_printable(LARGE_BYTES)]),
        ("1 MiB base64", vec![mime::in_base64(LARGE_BYTES)]),
    ] {
        let mut group = c.benchmark_group(format!("search/{name}"));
        group.throughput(Throughput::Bytes(messages.iter().map(|message| message.len() as u64).sum()));
        let messages = mime::scanned(messages);
        for count in [1, 100] {
            let query = mime::in_bodies(&mime::strings(count));
            group.bench_function(format!("ours, {count}"), |b| {
                b.iter(|| mime::search_all(black_box(&messages), &query));
            });
        }
        let string = &mime::strings(1)[0];
        group.bench_function("mail-parser, text lower-cased, 1", |b| {
            b.iter(|| {
                let parsed = messages.iter().filter_map(|(octets, _)| MessageParser::default().parse(octets));
                parsed.filter(|message| is_in_parts(message, string)).count()
            });
        });
        group.finish();
    }
}

fn is_in_parts(message: &mail_parser::Message<'_>, string: &str) -> bool {
    message.parts.iter().any(|part| match &part.body {
        PartType::Text(text) | PartType::Html(text) => text.to_lowercase().contains(string),
        PartType::Message(message) => is_in_parts(message, string),
        _ => false,
    })
}

criterion_group!(benches, structure, search);
criterion_main!(benches);

//! Bodies of the fuzz targets: each takes any octets and panics when a promise of this crate is broken.
//!
//! They are part of the library so that the ordinary test run calls them too, with the corpus and with generated
//! messages, and a fuzz target is one line.

use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::decode::{CharsetDecoder, TransferDecoder, decode_header, decode_parameter};
use crate::header::{
    Field, FieldChoice, FieldSink, FieldStream, Fields, header_len, locate_addresses, parse_addresses,
    parse_date, select_fields,
};
use crate::mime::{Content, ContentType, Encoding, Limits, Message, Part, Scanner};
use crate::search::{Query, Scope, Search, is_in_text};
use crate::structure::BodyStructure;
use crate::{Section, SectionText, SequenceSet, SetBound, Uid, UidSet};

/// Scans `octets` whole and in pieces of changing size: the results agree with each other, with the octets, and
/// every part that BODYSTRUCTURE names can be fetched in the size it tells.
pub fn fuzz_message(octets: &[u8]) {
    let message = scan_in_pieces(octets, usize::MAX);
    for piece_bytes in [1, 2, 7] {
        assert!(
            scan_in_pieces(octets, piece_bytes) == message,
            "the cut into {piece_bytes} octets changed the result"
        );
    }
    assert_eq!(message.range(), 0..octets.len() as u64);
    check_message(&message, octets);
    check_sections(&message, &message.body_structure(), &mut Vec::new(), true);
}

fn scan_in_pieces(octets: &[u8], piece_bytes: usize) -> Message {
    let mut scanner = Scanner::new(Limits::default());
    octets.chunks(piece_bytes).for_each(|piece| scanner.feed(piece));
    scanner.finish()
}

fn slice<'a>(octets: &'a [u8], range: &Range<u64>) -> &'a [u8] {
    &octets[range.start as usize..range.end as usize]
}

fn check_message(message: &Message, octets: &[u8]) {
    check_part(&message.root, octets);
}

/// The offsets of a part agree with the slice reader, and everything lies inside what holds it.
fn check_part(part: &Part, octets: &[u8]) {
    let (header, body) = (&part.header, &part.body);
    assert!(header.start <= header.end && header.end == body.start && body.start <= body.end);
    let whole = slice(octets, &(header.start..body.end));
    assert_eq!(header_len(whole) as u64, header.end - header.start, "where the header ends");
    let line_ends = memchr::memchr_iter(b'\n', slice(octets, body)).count();
    assert_eq!(part.body_lines, line_ends as u64, "lines of the body");
    match &part.content {
        Content::Leaf => assert!(!part.fields.content_type.has_type("multipart")),
        Content::Multipart(parts) => {
            assert!(!parts.is_empty());
            let mut at = body.start;
            for (index, part) in parts.iter().enumerate() {
                assert!(at <= part.header.start && part.body.end <= body.end);
                let between = slice(octets, &(at..part.header.start));
                // The one empty part of a multipart without any stands at its beginning.
                assert!(between.is_empty() && parts.len() == 1 || is_boundary(between, index == 0));
                at = part.body.end;
                check_part(part, octets);
            }
        }
        Content::Message(message) => {
            assert_eq!(&message.range(), body);
            check_message(message, octets);
        }
    }
}

/// Whether what stands before a part is a boundary line; before the first one the preamble may come.
fn is_boundary(between: &[u8], is_first: bool) -> bool {
    let line = between.strip_suffix(b"\n").unwrap_or(between);
    let start = memchr::memrchr(b'\n', line).map_or(0, |at| at + 1);
    line[start..].starts_with(b"--") && (is_first || matches!(&line[..start], b"" | b"\n" | b"\r\n"))
}

/// Every part number that `structure` names can be fetched, and has the octets it tells.
fn check_sections(message: &Message, structure: &BodyStructure, path: &mut Vec<u32>, is_root: bool) {
    let bytes_of = |path: &[u32], text: Option<SectionText>| {
        let section = Section { text, ..Section::part(path.iter().copied()).unwrap_or_default() };
        section.locate(message).map(|range| range.end - range.start)
    };
    if let BodyStructure::Multipart(multipart) = structure {
        for (index, part) in multipart.parts.iter().enumerate() {
            path.push(index as u32 + 1);
            check_sections(message, part, path, false);
            path.pop();
        }
        path.push(multipart.parts.len() as u32 + 1);
        assert_eq!(bytes_of(path, None), None, "a part too many");
        path.pop();
        return;
    }
    if is_root {
        path.push(1);
    }
    let fields = match structure {
        BodyStructure::Basic(part) => &part.fields,
        BodyStructure::Text(part) => &part.fields,
        BodyStructure::Message(part) => &part.fields,
        BodyStructure::Multipart(_) => return,
    };
    assert_eq!(bytes_of(path, None), Some(fields.octets), "size of part {path:?}");
    assert!(bytes_of(path, Some(SectionText::Mime)).is_some());
    if let BodyStructure::Message(part) = structure {
        let header = bytes_of(path, Some(SectionText::Header)).unwrap_or_default();
        let text = bytes_of(path, Some(SectionText::Text)).unwrap_or_default();
        assert_eq!(header + text, fields.octets, "header and text make up the message");
        check_sections(message, &part.body, path, true);
    } else {
        assert_eq!(bytes_of(path, Some(SectionText::Header)), None);
        path.push(1);
        assert_eq!(bytes_of(path, None), None, "a leaf has no parts");
        path.pop();
    }
    if is_root {
        path.pop();
    }
}

/// Reads `octets` as a header: fields tile it, HEADER.FIELDS and HEADER.FIELDS.NOT share it out, and values are
/// read as whatever they may be.
pub fn fuzz_header(octets: &[u8]) {
    let header = &octets[..header_len(octets)];
    let fields: Vec<_> = Fields::new(octets).collect();
    for pair in fields.windows(2) {
        assert_eq!(pair[0].range().end, pair[1].range().start);
    }
    assert!(fields.last().is_none_or(|field| field.range().end <= header.len()));
    for piece_bytes in [1, 3, usize::MAX] {
        check_stream(octets, piece_bytes, &fields);
    }
    let Some(name) = fields.first().map(|field| field.name()) else { return };
    let named = select_fields(header, FieldChoice::Named, &[name]);
    let others = select_fields(header, FieldChoice::NotNamed, &[name]);
    let expect = |is_named: bool| {
        let mut expected = Vec::new();
        for field in fields.iter().filter(|field| field.is_named(name) == is_named) {
            expected.extend_from_slice(field.raw());
        }
        expected.extend_from_slice(if expected.last().is_none_or(|&octet| octet == b'\n') {
            b""
        } else {
            b"\r\n"
        });
        expected.extend_from_slice(b"\r\n");
        expected
    };
    assert!(named == expect(true) && others == expect(false), "chosen fields");
    assert_eq!(header_len(&named), named.len());
    for field in &fields {
        let value = field.unfolded();
        assert!(!value.iter().any(|octet| matches!(octet, b'\r' | b'\n' | 0)));
        decode_header(&value);
        parse_date(&value);
        let open: i32 = parse_addresses(&value, 100)
            .iter()
            .map(|address| i32::from(address.is_group_start()) - i32::from(address.is_group_end()))
            .sum();
        assert_eq!(open, 0, "every group that opens closes");
        check_places(field.value());
        if let Some(content_type) = ContentType::parse(&value, 10) {
            assert!(content_type.parameters.len() <= 10);
        }
    }
}

/// A stream finds the same fields, and hands out every octet once.
fn check_stream(octets: &[u8], piece_bytes: usize, fields: &[Field<'_>]) {
    #[derive(Default)]
    struct Cut {
        all: Vec<u8>,
        starts: Vec<usize>,
        ended: usize,
    }
    impl FieldSink for Cut {
        fn start(&mut self, _: &[u8], _: usize) {
            self.starts.push(self.all.len());
        }
        fn octets(&mut self, octets: &[u8]) {
            assert!(self.ended == 0 && !self.starts.is_empty());
            self.all.extend_from_slice(octets);
        }
        fn ended(&mut self, _: bool) {
            self.ended += 1;
        }
        fn other(&mut self, octets: &[u8]) {
            assert!(self.ended == 1 || self.starts.is_empty());
            self.all.extend_from_slice(octets);
        }
    }
    let (mut stream, mut cut) = (FieldStream::new(), Cut::default());
    octets.chunks(piece_bytes).for_each(|piece| stream.feed(piece, &mut cut));
    stream.finish(&mut cut);
    assert!(cut.all == octets && cut.ended == 1, "in pieces of {piece_bytes}");
    assert!(cut.starts.iter().copied().eq(fields.iter().map(|field| field.range().start)));
}

/// Where addresses lie agrees with what they are.
fn check_places(value: &[u8]) {
    let mut addresses = parse_addresses(value, 100);
    addresses.retain(|address| !(address.is_group_start() || address.is_group_end()));
    let mut at = 0;
    let located = locate_addresses(value, 100);
    for located in &located {
        assert!(at <= located.element_start && located.element_start <= located.range.start);
        at = located.range.end;
    }
    assert!(at <= value.len());
    assert!(located.into_iter().map(|located| located.address).eq(addresses));
}

/// Decodes `octets` in every transfer encoding, whole and cut in two at every place (of the first twenty).
pub fn fuzz_decode(octets: &[u8]) {
    for encoding in [Encoding::Identity, Encoding::QuotedPrintable, Encoding::Base64] {
        let decode = |at: usize| {
            let mut decoder = TransferDecoder::new(encoding);
            let mut output = Vec::new();
            decoder.feed(&octets[..at], &mut output);
            decoder.feed(&octets[at..], &mut output);
            decoder.finish(&mut output);
            assert!(output.len() <= octets.len(), "decoding never grows");
            output
        };
        let whole = decode(0);
        assert!((0..octets.len().min(20)).all(|at| decode(at) == whole));
        let mut text = alloc::string::String::new();
        let mut decoder = CharsetDecoder::new(octets.split(|octet| octet.is_ascii_whitespace()).next());
        decoder.feed(&whole, &mut text);
        decoder.finish(&mut text);
    }
}

/// Takes the first line of `octets` for a string, and looks for it in the message that is the rest: every scope finds
/// what a search through the decoded text as a whole finds, however the message is cut.
pub fn fuzz_search(octets: &[u8]) {
    let end = memchr::memchr(b'\n', octets).unwrap_or(octets.len());
    let (text, octets) = (&octets[..end], octets.get(end + 1..).unwrap_or_default());
    let text = String::from_utf8_lossy(text);
    let message = scan_in_pieces(octets, usize::MAX);
    let is_in = |decoded: &str| is_in_text(&text, decoded);

    let own: Vec<_> = Fields::new(slice(octets, &message.root.header)).collect();
    let in_subject = own.iter().any(|field| field.is_named(b"subject") && is_in(&value_text(field)));
    let mut in_body = text.is_empty();
    let mut in_headers = own.iter().any(|field| is_in(&field_text(field)));
    let mut open = alloc::vec![&message.root];
    while let Some(part) = open.pop() {
        in_headers |= Fields::new(slice(octets, &part.header)).any(|field| is_in(&field_text(&field)));
        match &part.content {
            Content::Leaf if part.fields.content_type.has_type("text") => {
                in_body |= is_in(&body_text(part, slice(octets, &part.body)));
            }
            Content::Leaf => {}
            Content::Multipart(parts) => open.extend(parts),
            Content::Message(message) => open.push(&message.root),
        }
    }
    let terms = [(Scope::Field("Subject"), &*text), (Scope::Body, &*text), (Scope::Text, &*text)];
    let query = Query::new(terms);
    for piece_bytes in [usize::MAX, 1, 5] {
        let mut search = Search::new(&query);
        for target in search.targets(&message) {
            search.begin(&target);
            slice(octets, &target.range()).chunks(piece_bytes).any(|piece| search.feed(piece));
        }
        search.finish();
        let found = [0, 1, 2].map(|term| search.outcome(term) == Some(true));
        assert!(found == [in_subject, in_body, in_body || in_headers], "{text:?} in pieces of {piece_bytes}");
    }
}

fn value_text(field: &Field<'_>) -> String {
    let value = field.value().iter().copied();
    decode_header(&value.filter(|octet| !matches!(octet, b'\r' | b'\n' | 0)).collect::<Vec<u8>>())
}

fn field_text(field: &Field<'_>) -> String {
    String::from_utf8_lossy(field.name()).into_owned() + ": " + &value_text(field)
}

fn body_text(part: &Part, body: &[u8]) -> String {
    let mut transfer = TransferDecoder::new(part.fields.transfer_encoding());
    let mut decoded = Vec::new();
    transfer.feed(body, &mut decoded);
    transfer.finish(&mut decoded);
    let charset = decode_parameter(&part.fields.content_type.parameters, "charset");
    let mut charset = CharsetDecoder::new(charset.as_ref().map(|name| name.as_bytes()));
    let mut text = String::new();
    charset.feed(&decoded, &mut text);
    charset.finish(&mut text);
    text
}

/// Reads `octets` as a sequence set and resolves it: writing and reading agree, and set arithmetic obeys its laws.
pub fn fuzz_set(octets: &[u8]) {
    let Ok(set) = SequenceSet::parse(octets, 1000) else { return };
    let written = alloc::format!("{set}");
    assert_eq!(SequenceSet::parse(written.as_bytes(), 1000).as_ref(), Ok(&set));
    let star = Uid::new(octets.len() as u32);
    let resolved: UidSet = set.resolve(star);
    let has_star = set.ranges().iter().any(|range| range.0 == SetBound::Star || range.1 == SetBound::Star);
    assert!(!has_star || star.is_some_and(|star| resolved.contains(star)));
    let low: UidSet = [Uid::MIN..=Uid::new(1 << 16).unwrap_or(Uid::MAX)].into_iter().collect();
    let (both, rest) = (resolved.intersect(&low), resolved.difference(&low));
    assert!(both.union(&rest) == resolved);
    assert!(both.intersect(&rest).is_empty());
    assert_eq!(u64::from(both.len()) + u64::from(rest.len()), u64::from(resolved.len()));
    let again: UidSet = resolved.ranges().rev().collect();
    assert!(again == resolved);
}

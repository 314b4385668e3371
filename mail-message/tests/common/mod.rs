//! What several tests share: the corpus, scanning, and answers written as IMAP writes them.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are outside test functions")]

use mail_message::mime::{Limits, Message, Scanner};
use mail_message::structure::{BodyFields, Extension};
use mail_message::{Address, BodyStructure, Envelope, Parameter};

/// The corpus: name, and octets with every line end made CRLF.
pub(crate) fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut messages: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|extension| extension == "msg"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), with_crlf(&raw(&path))))
        .collect();
    messages.sort();
    assert!(messages.len() > 100, "the corpus is missing");
    messages
}

#[allow(clippy::disallowed_methods, reason = "the corpus lies in files")]
fn raw(path: &std::path::Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

pub(crate) fn corpus_message(name: &str) -> Vec<u8> {
    corpus().into_iter().find(|(its, _)| its == name).expect(name).1
}

/// Every line end made CRLF; CR alone stays.
pub(crate) fn with_crlf(octets: &[u8]) -> Vec<u8> {
    let mut result = Vec::new();
    for &octet in octets {
        if octet == b'\n' && result.last() != Some(&b'\r') {
            result.push(b'\r');
        }
        result.push(octet);
    }
    result
}

pub(crate) fn scan(octets: &[u8]) -> Message {
    scan_with(octets, Limits::default())
}

pub(crate) fn scan_with(octets: &[u8], limits: Limits) -> Message {
    let mut scanner = Scanner::new(limits);
    scanner.feed(octets);
    scanner.finish()
}

/// The structure in a few characters: `mixed(text/plain text/html)`, `message/rfc822[text/plain]`.
pub(crate) fn outline(structure: &BodyStructure) -> String {
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).to_lowercase();
    match structure {
        BodyStructure::Basic(part) => text(&part.media_type) + "/" + &text(&part.subtype),
        BodyStructure::Text(part) => "text/".to_owned() + &text(&part.subtype),
        BodyStructure::Message(part) => format!("message/{}[{}]", text(&part.subtype), outline(&part.body)),
        BodyStructure::Multipart(multipart) => {
            let parts: Vec<_> = multipart.parts.iter().map(outline).collect();
            format!("{}({})", text(&multipart.subtype), parts.join(" "))
        }
    }
}

fn string(octets: &[u8]) -> String {
    format!("\"{}\"", String::from_utf8_lossy(octets).replace('\\', "\\\\").replace('"', "\\\""))
}

fn nstring<T: AsRef<[u8]>>(value: &Option<T>) -> String {
    value.as_ref().map_or("NIL".to_owned(), |octets| string(octets.as_ref()))
}

fn addresses(list: &[Address]) -> String {
    let show = |a: &Address| {
        format!("({} {} {} {})", nstring(&a.name), nstring(&a.adl), nstring(&a.mailbox), nstring(&a.host))
    };
    if list.is_empty() {
        "NIL".to_owned()
    } else {
        format!("({})", list.iter().map(show).collect::<String>())
    }
}

/// The envelope as IMAP writes it.
pub(crate) fn envelope(e: &Envelope) -> String {
    let lists = [&e.from, &e.sender, &e.reply_to, &e.to, &e.cc, &e.bcc].map(|list| addresses(list));
    format!(
        "({} {} {} {} {})",
        nstring(&e.date),
        nstring(&e.subject),
        lists.join(" "),
        nstring(&e.in_reply_to),
        nstring(&e.message_id)
    )
}

fn parameters(list: &[Parameter]) -> String {
    let pairs: Vec<_> = list.iter().map(|p| string(&p.name) + " " + &string(&p.value)).collect();
    if list.is_empty() { "NIL".to_owned() } else { format!("({})", pairs.join(" ")) }
}

fn body_fields(f: &BodyFields) -> String {
    let (id, description) = (nstring(&f.id), nstring(&f.description));
    format!("{} {id} {description} {} {}", parameters(&f.parameters), string(&f.encoding), f.octets)
}

fn extension(e: &Extension) -> String {
    let disposition = e.disposition.as_ref().map_or("NIL".to_owned(), |disposition| {
        format!("({} {})", string(&disposition.kind), parameters(&disposition.parameters))
    });
    let tags: Vec<_> = e.language.iter().map(|tag| string(tag)).collect();
    let language = match tags.len() {
        0 => "NIL".to_owned(),
        1 => tags[0].clone(),
        _ => format!("({})", tags.join(" ")),
    };
    format!(" {disposition} {language} {}", nstring(&e.location))
}

/// BODYSTRUCTURE (`extended`) or BODY as IMAP writes it.
pub(crate) fn body(structure: &BodyStructure, extended: bool) -> String {
    let md5 = |fields: &BodyFields, e: &Extension| {
        if extended { format!(" {}{}", nstring(&fields.md5), extension(e)) } else { String::new() }
    };
    match structure {
        BodyStructure::Basic(p) => format!(
            "({} {} {}{})",
            string(&p.media_type),
            string(&p.subtype),
            body_fields(&p.fields),
            md5(&p.fields, &p.extension)
        ),
        BodyStructure::Text(p) => format!(
            "(\"TEXT\" {} {} {}{})",
            string(&p.subtype),
            body_fields(&p.fields),
            p.lines,
            md5(&p.fields, &p.extension)
        ),
        BodyStructure::Message(p) => format!(
            "(\"MESSAGE\" {} {} {} {} {}{})",
            string(&p.subtype),
            body_fields(&p.fields),
            envelope(&p.envelope),
            body(&p.body, extended),
            p.lines,
            md5(&p.fields, &p.extension)
        ),
        BodyStructure::Multipart(m) => {
            let parts: String = m.parts.iter().map(|part| body(part, extended)).collect();
            let rest = if extended {
                format!(" {}{}", parameters(&m.parameters), extension(&m.extension))
            } else {
                String::new()
            };
            format!("({parts} {}{rest})", string(&m.subtype))
        }
    }
}

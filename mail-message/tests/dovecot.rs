//! Dovecot's reading of the corpus beside ours: RFC822.SIZE, ENVELOPE, BODYSTRUCTURE and BODY[n.MIME] of all 133 messages.
//! It is asked by `doveadm fetch`, which tells what its IMAP server would, and needs no server running. Sizes agree
//! everywhere. What differs by a rule is taken out of both before they are compared:
//!
//! | rule | who is right |
//! | --- | --- |
//! | it tells `charset=us-ascii` of text that names none | both: RFC 2045 §5.2 gives the default, RFC 3501 §7.4.2 does not ask for it; we tell what stands there |
//! | it tells MISSING_DOMAIN and MISSING_MAILBOX for what is not there | neither: RFC 3501 §9 has no word for it, NIL being a group's; we tell an empty string |
//! | it makes white space of a fold one space | we: RFC 5322 §2.2.3 takes out the line end and nothing else |
//! | case of types and encodings | both: RFC 2045 §5.1 and §6.1; we leave it as it stands |
//! | it leaves the empty line out of the header of a part without a body | it, by the letter: the line end before a boundary belongs to the boundary (RFC 2046 §5.1.1); to us a header goes to its empty line whatever comes behind, so that it reads the same alone |
//!
//! The rest is in [`DIFFERENCES`], each with who is right and by which clause.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "it works on files, and says why it is skipped"
)]

mod common;

use mail_message::mime::{Content, Message, Part};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Message, what differs, and who is right.
const DIFFERENCES: [(&str, &str, &str); 22] = [
    ("cpython-msg_14", "bodystructure", UNREADABLE),
    ("cpython-msg_19", "bodystructure", STRAY_LINE),
    (
        "cpython-msg_29",
        "bodystructure",
        "we: what joins continuations is in the extended form, in which blanks and quotes are encoded (RFC 2231 §7)",
    ),
    ("cpython-msg_33", "bodystructure", "we: any parameter may be extended, `boundary*` too (RFC 2231 §4)"),
    ("cpython-msg_35", "bodystructure", STRAY_LINE),
    ("cpython-msg_38", "bodystructure", STRAY_LINE),
    ("cpython-msg_47", "bodystructure", STRAY_LINE),
    ("mime4j-bad-newlines-multiple-parts-base64", "bodystructure", ENCODED_MESSAGE),
    ("mime4j-base64encoded-rfc822message", "bodystructure", ENCODED_MESSAGE),
    ("mime4j-base64encoded-rfc822message-nested", "bodystructure", ENCODED_MESSAGE),
    ("mime4j-basic-plain-with-bad-header-separator", "bodystructure", STRAY_LINE),
    (
        "mime4j-double-semicolon",
        "bodystructure",
        "neither: `;;` is no syntax (RFC 2045 §5.1); we read the boundary behind it, it reads no further",
    ),
    ("mime4j-hdr-fakeout", "bodystructure", STRAY_LINE),
    ("mime4j-malformedHeader-nocrlfcrlf", "bodystructure", STRAY_LINE),
    ("mime4j-malformedHeader-noheader", "bodystructure", STRAY_LINE),
    ("mime4j-malformedHeaderStartsBody-nocrlfcrlf", "bodystructure", STRAY_LINE),
    ("mime4j-malformedHeaderStartsBody-noheader", "bodystructure", STRAY_LINE),
    ("mime4j-multi-2gifs-base64", "bodystructure", ENCODED_MESSAGE),
    ("mime4j-multi-digest", "bodystructure", UNREADABLE),
    ("mime4j-obsolete", "bodystructure", STRAY_LINE),
    ("mime4j-very-long-boundary", "bodystructure", LONG_BOUNDARY),
    ("mime4j-very-very-long-boundary", "bodystructure", LONG_BOUNDARY),
];
const STRAY_LINE: &str = "neither: RFC 5322 §2.1 has a header end at an empty line and be made of fields, and does not say what a line is that is \
    no field; to it such a line is header, to us body, so that no field behind it can pass for one of the message";
const UNREADABLE: &str =
    "we: a Content-Type that cannot be read is text/plain in us-ascii (RFC 2045 §5.2), not two empty strings";
const ENCODED_MESSAGE: &str = "we: RFC 2046 §5.2.1 forbids to encode an enclosed message; part numbers in it would name octets nobody has";
const LONG_BOUNDARY: &str = "neither: RFC 2046 §5.1.1 has at most 70 octets; to us the whole of a boundary has to be there, and none has more \
    than fits a line, while it compares a beginning";

/// What Dovecot tells of one message: the fields that were asked for.
type Told = BTreeMap<String, Vec<u8>>;

/// Whose the mailbox is when root runs the tests, since Dovecot opens none as root: `nobody`, there on every Debian.
const MAIL_UID: u32 = 65_534;

/// A directory that goes when it is done with.
struct Directory(std::path::PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Asks Dovecot for `fields` of every message of the corpus, by name. `None` where there is no Dovecot, unless
/// POSTROOM_REQUIRE_CLIENTS says that there has to be one.
fn ask(purpose: &str, fields: &[String]) -> Option<BTreeMap<String, Told>> {
    if Command::new("doveadm").arg("--version").output().is_err() {
        assert!(std::env::var_os("POSTROOM_REQUIRE_CLIENTS").is_none(), "doveadm is not installed");
        eprintln!("skipped: doveadm is not installed");
        return None;
    }
    let directory = std::env::temp_dir().join(format!("postroom-{purpose}-{}", std::process::id()));
    let directory = Directory(directory);
    let root = &directory.0;
    for name in ["run", "state", "mail/cur", "mail/new", "mail/tmp"] {
        fs::create_dir_all(root.join(name)).unwrap();
    }
    for (number, (name, octets)) in common::corpus().into_iter().enumerate() {
        fs::write(root.join(format!("mail/cur/{}.{name}:2,S", 1_000_000_000 + number)), octets).unwrap();
    }
    let owner = std::os::unix::fs::MetadataExt::uid(&fs::metadata(root).unwrap());
    let is_root = owner == 0;
    let uid = if is_root { MAIL_UID } else { owner };
    if is_root {
        give_away(&root.join("mail"));
    }
    let at = root.display();
    let conf = format!(
        "base_dir = {at}/run\nstate_dir = {at}/state\nlog_path = /dev/stderr\nprotocols =\nssl = no\n\
         mail_location = maildir:{at}/mail\nmail_uid = {uid}\nfirst_valid_uid = 1\nfirst_valid_gid = 0\n\
         stats_writer_socket_path =\n"
    );
    let gid = if is_root { format!("mail_gid = {MAIL_UID}\n") } else { String::new() };
    fs::write(root.join("dovecot.conf"), conf + &gid).unwrap();
    let output = Command::new("doveadm")
        .arg("-c")
        .arg(root.join("dovecot.conf"))
        .args(["-f", "json", "fetch", &format!("guid {}", fields.join(" ")), "mailbox", "INBOX"])
        .env("USER", if is_root { "nobody" } else { "postroom" })
        .env("HOME", root.join("mail"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let name = |told: &Told| String::from_utf8_lossy(&told["guid"]).split_once('.').unwrap().1.to_owned();
    Some(objects(&output.stdout).into_iter().map(|told| (name(&told), told)).collect())
}

fn give_away(path: &Path) {
    std::os::unix::fs::chown(path, Some(MAIL_UID), Some(MAIL_UID)).unwrap();
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| give_away(&entry.unwrap().path()));
    }
}

/// Reads a JSON array of objects whose values are strings, octets that are no UTF-8 kept.
fn objects(json: &[u8]) -> Vec<Told> {
    let mut strings = Vec::new();
    let mut objects = Vec::new();
    let mut rest = json.iter().copied();
    while let Some(octet) = rest.next() {
        match octet {
            b'"' => strings.push(string(&mut rest)),
            b'}' => {
                let mut fields = std::mem::take(&mut strings).into_iter();
                let mut told = Told::new();
                while let (Some(key), Some(value)) = (fields.next(), fields.next()) {
                    told.insert(String::from_utf8(key).unwrap(), value);
                }
                objects.push(told);
            }
            _ => {}
        }
    }
    objects
}

fn string(rest: &mut impl Iterator<Item = u8>) -> Vec<u8> {
    let mut text = Vec::new();
    loop {
        match rest.next().unwrap() {
            b'"' => return text,
            b'\\' => match rest.next().unwrap() {
                b'n' => text.push(b'\n'),
                b'r' => text.push(b'\r'),
                b't' => text.push(b'\t'),
                b'b' => text.push(8),
                b'f' => text.push(12),
                b'u' => {
                    let digits: String = rest.take(4).map(char::from).collect();
                    let code = u32::from_str_radix(&digits, 16).unwrap();
                    text.extend_from_slice(char::from_u32(code).unwrap().to_string().as_bytes());
                }
                octet => text.push(octet),
            },
            octet => text.push(octet),
        }
    }
}

/// An IMAP value.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Nil,
    Text(Vec<u8>),
    List(Vec<Value>),
}

/// Reads what stands in a list, up to its end.
fn values(text: &[u8], at: &mut usize) -> Vec<Value> {
    let mut list = Vec::new();
    while let Some(&octet) = text.get(*at) {
        *at += 1;
        match octet {
            b'(' => list.push(Value::List(values(text, at))),
            b')' => return list,
            b'"' => {
                let mut quoted = Vec::new();
                while text[*at] != b'"' {
                    *at += usize::from(text[*at] == b'\\');
                    quoted.push(text[*at]);
                    *at += 1;
                }
                *at += 1;
                list.push(Value::Text(quoted));
            }
            b'{' => {
                let end = *at + text[*at..].iter().position(|&octet| octet == b'}').unwrap();
                let octets: usize = std::str::from_utf8(&text[*at..end]).unwrap().parse().unwrap();
                let start = end + 3;
                list.push(Value::Text(text[start..start + octets].to_vec()));
                *at = start + octets;
            }
            b' ' => {}
            _ => {
                let start = *at - 1;
                let end = text[start..].iter().position(|octet| b" ()".contains(octet));
                *at = end.map_or(text.len(), |end| start + end);
                let atom = &text[start..*at];
                list.push(if atom == b"NIL" { Value::Nil } else { Value::Text(atom.to_vec()) });
            }
        }
    }
    list
}

fn read(text: &[u8]) -> Value {
    Value::List(values(text, &mut 0))
}

/// What both say, if the rules at the top are taken out.
fn common_form(value: &Value) -> Value {
    match value {
        Value::Nil => Value::Nil,
        Value::Text(text) if text == b"MISSING_DOMAIN" || text == b"MISSING_MAILBOX" => {
            Value::Text(Vec::new())
        }
        Value::Text(text) => {
            let words: Vec<_> = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
            Value::Text(words.join(&b' ').to_ascii_lowercase())
        }
        Value::List(list) => {
            let is = |value: &Value, text: &[u8]| matches!(value, Value::Text(its) if its.eq_ignore_ascii_case(text));
            let mut list = list.clone();
            if let Some(at) =
                list.windows(2).position(|pair| is(&pair[0], b"charset") && is(&pair[1], b"us-ascii"))
            {
                list.drain(at..at + 2);
                if list.is_empty() {
                    return Value::Nil;
                }
            }
            Value::List(list.iter().map(common_form).collect())
        }
    }
}

#[test]
fn sizes_envelopes_and_structures_agree_or_the_difference_is_argued() {
    let fields = ["size.virtual", "imap.envelope", "imap.bodystructure"].map(str::to_owned);
    let Some(told) = ask("structures", &fields) else { return };
    for (name, octets) in common::corpus() {
        let message = common::scan(&octets);
        let theirs = &told[&name];
        assert_eq!(theirs["size.virtual"], octets.len().to_string().as_bytes(), "{name}");
        let envelope = common::envelope(&message.envelope);
        let structure = common::body(&message.body_structure(), true);
        let mut different = Vec::new();
        for (what, ours) in [("envelope", envelope), ("bodystructure", structure)] {
            let theirs = &theirs[&format!("imap.{what}")];
            if common_form(&read(&ours.as_bytes()[1..ours.len() - 1])) != common_form(&read(theirs)) {
                different.push((what, format!("{ours}\nnot\n{}", String::from_utf8_lossy(theirs))));
            }
        }
        let known: Vec<_> =
            DIFFERENCES.iter().filter(|(its, ..)| *its == name).map(|(_, what, _)| *what).collect();
        let found: Vec<_> = different.iter().map(|(what, _)| *what).collect();
        assert_eq!(found, known, "{name}: {different:?}");
    }
}

/// The numbers of every part that BODYSTRUCTURE tells, as they stand in a section.
fn numbers(message: &Message, path: &str, found: &mut Vec<(String, Part)>) {
    let parts = match &message.root.content {
        Content::Multipart(parts) => &parts[..],
        _ => std::slice::from_ref(&message.root),
    };
    numbers_of(parts, path, found);
}

fn numbers_of(parts: &[Part], path: &str, found: &mut Vec<(String, Part)>) {
    for (index, part) in parts.iter().enumerate() {
        let number = format!("{path}{}", index + 1);
        found.push((number.clone(), part.clone()));
        match &part.content {
            Content::Leaf => {}
            Content::Multipart(parts) => numbers_of(parts, &format!("{number}."), found),
            Content::Message(message) => numbers(message, &format!("{number}."), found),
        }
    }
}

#[test]
fn headers_of_parts_agree() {
    let mut wanted = Vec::new();
    let mut fields = BTreeSet::new();
    for (name, octets) in common::corpus() {
        if DIFFERENCES.iter().any(|(its, what, _)| *its == name && *what == "bodystructure") {
            continue;
        }
        let mut parts = Vec::new();
        numbers(&common::scan(&octets), "", &mut parts);
        fields.extend(parts.iter().map(|(number, _)| format!("body.{number}.mime")));
        wanted.push((name, octets, parts));
    }
    let Some(told) = ask("headers", &fields.into_iter().collect::<Vec<_>>()) else { return };
    let (mut compared, mut different) = (0, Vec::new());
    for (name, octets, parts) in wanted {
        for (number, part) in parts {
            let ours = &octets[part.header.start as usize..part.header.end as usize];
            let theirs = &told[&name][&format!("body.{number}.mime")];
            let is_alike = ours == &theirs[..]
                || part.body.is_empty() && ours.strip_suffix(b"\r\n") == Some(&theirs[..]);
            if !is_alike {
                different.push(format!(
                    "{name} {number}: {}\nnot\n{}",
                    ours.escape_ascii(),
                    theirs.escape_ascii()
                ));
            }
            compared += 1;
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(compared > 200, "{compared}");
}

//! Another parser's reading of the corpus beside ours. Where they differ, the table says why ours stands.

mod common;

use mail_message::Address;
use mail_message::decode::{CharsetDecoder, TransferDecoder, decode_header, decode_parameter};
use mail_message::header::parse_date;
use mail_message::mime::Part;
use mail_parser::{MessageParser, MimeHeaders, PartType};

/// Where the outlines differ, and why ours is what we want.
const DIFFERENCES: [(&str, &str); 21] = [
    ("cpython-msg_17", NO_PART),
    ("cpython-msg_25", NO_PART),
    ("cpython-msg_31", NO_PART),
    ("cpython-msg_37", EMPTY_PART),
    (
        "cpython-msg_38",
        "a boundary of an outer multipart ends the inner ones, wherever the text had it from (RFC 2046 §5.1.2)",
    ),
    ("cpython-msg_41", NO_PART),
    ("mime4j-2002_06_12_doublebound", EMPTY_PART),
    ("mime4j-bad-newlines-multiple-parts-base64", ENCODED_MESSAGE),
    ("mime4j-badbound", NO_PART),
    ("mime4j-base64encoded-rfc822message", ENCODED_MESSAGE),
    ("mime4j-base64encoded-rfc822message-nested", ENCODED_MESSAGE),
    ("mime4j-double-bound", EMPTY_PART),
    ("mime4j-intermediate-boundaries", IN_A_LINE),
    ("mime4j-malformedHeader-noheader", NO_HEADER),
    ("mime4j-malformedHeaderStartsBody-noheader", NO_HEADER),
    ("mime4j-misplaced-boundary", IN_A_LINE),
    ("mime4j-missing-boundary", NO_PART),
    ("mime4j-missing-inner-boundary", NO_PART),
    ("mime4j-missing-inner-start-boundary", NO_PART),
    ("mime4j-multi-2gifs-base64", ENCODED_MESSAGE),
    (
        "mime4j-multi-bad",
        "of two Content-Type fields the first counts, here a multipart without its boundary",
    ),
];
const NO_PART: &str =
    "a multipart without boundary lines has one empty part: IMAP's grammar has no empty multipart";
const EMPTY_PART: &str = "two boundary lines in a row hold an empty part between them, which has a number";
const ENCODED_MESSAGE: &str =
    "RFC 2046 §5.2.1 forbids to encode an enclosed message; its part numbers would name octets nobody has";
const IN_A_LINE: &str = "a boundary stands at the beginning of a line (RFC 2046 §5.1.1)";
const NO_HEADER: &str = "a message without a header is all body, not no message";

/// The outline of [`common::outline`], and the raw body of each leaf, from the other parser's parts.
fn outline(message: &mail_parser::Message<'_>, part: u32, leaves: &mut Vec<(u64, u64)>) -> String {
    let part = &message.parts[part as usize];
    let subtype = |default: &str| {
        let content_type = part.content_type();
        content_type.and_then(|t| t.c_subtype.as_deref()).unwrap_or(default).to_lowercase()
    };
    match &part.body {
        PartType::Multipart(parts) => {
            let parts: Vec<_> = parts.iter().map(|&part| outline(message, part, leaves)).collect();
            format!("{}({})", subtype("mixed"), parts.join(" "))
        }
        PartType::Message(enclosed) => format!("message/rfc822[{}]", outline(enclosed, 0, leaves)),
        _ => {
            leaves.push((u64::from(part.offset_body), u64::from(part.offset_end)));
            let media_type = part.content_type().map_or("text", |t| t.c_type.as_ref()).to_lowercase();
            format!("{media_type}/{}", subtype("plain"))
        }
    }
}

#[test]
fn structures_agree_or_the_difference_is_argued() {
    for (name, octets) in common::corpus() {
        let ours = common::outline(&common::scan(&octets).body_structure());
        let theirs = MessageParser::default().parse(&octets);
        let theirs = theirs.map(|message| outline(&message, 0, &mut Vec::new()));
        let known = DIFFERENCES.iter().any(|(its, _)| *its == name);
        assert_eq!(theirs.as_ref() != Some(&ours), known, "{name}: {ours}, not {theirs:?}");
    }
}

/// Where the outlines agree and the offsets of leaves do not.
const OTHER_OFFSETS: [(&str, &str); 14] = [
    ("cpython-msg_19", STRAY_LINE),
    ("cpython-msg_35", STRAY_LINE),
    ("cpython-msg_42", NOTHING_INSIDE),
    ("cpython-msg_47", STRAY_LINE),
    ("mime4j-basic-plain-with-bad-header-separator", STRAY_LINE),
    ("mime4j-frag", "the picture ends at the closing boundary of the multipart that it is in"),
    ("mime4j-hdr-fakeout", STRAY_LINE),
    ("mime4j-malformedHeader-nocrlfcrlf", STRAY_LINE),
    ("mime4j-malformedHeaderStartsBody-nocrlfcrlf", STRAY_LINE),
    ("mime4j-multi-frag", "a closing boundary in the middle of a line closes nothing"),
    ("mime4j-multipartemptypart", NOTHING_INSIDE),
    ("mime4j-multipartnopart", NOTHING_INSIDE),
    ("mime4j-obsolete", STRAY_LINE),
    ("mime4j-very-very-long-boundary", "a boundary longer than a line may be is none"),
];
const STRAY_LINE: &str =
    "the first line that is no field ends the header and begins the body, no later empty line does";
const NOTHING_INSIDE: &str = "a multipart that closes before it opened holds one empty part, and no epilogue";

#[test]
fn offsets_agree_where_structures_do_or_the_difference_is_argued() {
    let mut compared = 0;
    for (name, octets) in common::corpus() {
        let message = common::scan(&octets);
        let ours: Vec<_> = message.leaves().map(|part| (part.body.start, part.body.end)).collect();
        let mut theirs = Vec::new();
        let Some(parsed) = MessageParser::default().parse(&octets) else { continue };
        let text = outline(&parsed, 0, &mut theirs);
        if text == common::outline(&message.body_structure()) {
            let known = OTHER_OFFSETS.iter().any(|(its, _)| *its == name);
            assert_eq!(ours != theirs, known, "{name}: {ours:?}, not {theirs:?}");
            compared += 1;
        }
    }
    assert!(compared > 100);
}

/// Where what is read differs in messages that both take apart in the same way.
const OTHER_VALUES: [(&str, &str, &str); 12] = [
    ("cpython-msg_15", "body", NO_BASE64),
    ("cpython-msg_25", "to", "of several fields of recipients the lists are one (RFC 5322 §4.5.3)"),
    ("cpython-msg_39", "body", NO_BASE64),
    ("mime4j-basic-plain", "date", NAMED_ZONE),
    ("mime4j-basic-plain-very-long-lines", "date", NAMED_ZONE),
    ("mime4j-basic-plain-with-bad-header-separator", "date", NAMED_ZONE),
    ("mime4j-jt-0498", "body", "a soft line break is one in the last line before a signature, too"),
    (
        "mime4j-mime4j-219-new-date-time-format",
        "body",
        "us-ascii is windows-1252, as in the Encoding Standard",
    ),
    ("mime4j-multi-bad", "date", "a zone of three digits is hours and minutes"),
    ("mime4j-not-mime", "date", NAMED_ZONE),
    ("mime4j-sampleMail", "body", NO_BASE64),
    ("mime4j-simple", "date", NAMED_ZONE),
];
const NO_BASE64: &str =
    "what is said to be base64 is decoded as it, octets outside the alphabet passed over (RFC 2045 §6.8)";
const NAMED_ZONE: &str = "a date whose zone is missing or has a name is a date";

#[test]
fn values_agree_or_the_difference_is_argued() {
    for (name, octets) in common::corpus() {
        let message = common::scan(&octets);
        let Some(parsed) = MessageParser::default().parse(&octets) else { continue };
        let mut leaves = Vec::new();
        let is_alike = outline(&parsed, 0, &mut leaves) == common::outline(&message.body_structure());
        let is_placed_alike =
            leaves == message.leaves().map(|p| (p.body.start, p.body.end)).collect::<Vec<_>>();

        let envelope = &message.envelope;
        let date = envelope.date.as_ref().and_then(|date| parse_date(date)).map(|date| date.unix_seconds());
        let mut different = Vec::new();
        if date != parsed.date().map(|date| date.to_timestamp()) {
            different.push("date");
        }
        let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let subject = envelope.subject.as_ref().map(|subject| squeeze(&decode_header(subject)));
        if subject != parsed.subject().map(squeeze) {
            different.push("subject");
        }
        if addresses(&envelope.from) != their_addresses(parsed.from()) {
            different.push("from");
        }
        if addresses(&envelope.to) != their_addresses(parsed.to()) {
            different.push("to");
        }
        let mut theirs = Vec::new();
        contents(&parsed, 0, &mut theirs);
        if is_alike
            && is_placed_alike
            && message.leaves().map(|part| content(part, &octets)).collect::<Vec<_>>() != theirs
        {
            different.push("body");
        }
        let known = OTHER_VALUES.iter().filter(|(its, ..)| *its == name).map(|(_, what, _)| *what);
        assert_eq!(different, known.collect::<Vec<_>>(), "{name}: {:?}", parsed.date());
    }
}

/// Name and address of those that have a domain; the other parser knows no others.
fn addresses(list: &[Address]) -> Vec<(Option<String>, String)> {
    let text = |octets: &Option<bytes::Bytes>| {
        String::from_utf8_lossy(octets.as_deref().unwrap_or_default()).into_owned()
    };
    let full = list.iter().filter(|address| address.host.as_ref().is_some_and(|host| !host.is_empty()));
    full.map(|a| (a.name.as_ref().map(|name| decode_header(name)), text(&a.mailbox) + "@" + &text(&a.host)))
        .collect()
}

fn their_addresses(list: Option<&mail_parser::Address<'_>>) -> Vec<(Option<String>, String)> {
    let all = list.into_iter().flat_map(|list| list.iter());
    all.filter_map(|a| Some((a.name().map(str::to_owned), a.address()?.to_owned()))).collect()
}

/// The decoded body of a leaf: text as UTF-8, anything else as octets.
fn content(part: &Part, octets: &[u8]) -> Vec<u8> {
    let mut decoder = TransferDecoder::new(part.fields.transfer_encoding());
    let mut decoded = Vec::new();
    decoder.feed(&octets[part.body.start as usize..part.body.end as usize], &mut decoded);
    decoder.finish(&mut decoded);
    if !part.fields.content_type.has_type("text") {
        return decoded;
    }
    let charset = decode_parameter(&part.fields.content_type.parameters, "charset");
    let mut decoder = CharsetDecoder::new(charset.as_ref().map(|charset| charset.as_bytes()));
    let mut text = String::new();
    decoder.feed(&decoded, &mut text);
    decoder.finish(&mut text);
    text.into_bytes()
}

fn contents(message: &mail_parser::Message<'_>, part: u32, found: &mut Vec<Vec<u8>>) {
    match &message.parts[part as usize].body {
        PartType::Multipart(parts) => parts.iter().for_each(|&part| contents(message, part, found)),
        PartType::Message(enclosed) => contents(enclosed, 0, found),
        PartType::Text(text) | PartType::Html(text) => found.push(text.as_bytes().to_vec()),
        PartType::Binary(octets) | PartType::InlineBinary(octets) => found.push(octets.to_vec()),
    }
}

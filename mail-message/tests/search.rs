//! R15: SEARCH finds text whatever charset and encoding it came in; what is searched, and what is not.

mod common;

use mail_message::mime::Message;
use mail_message::search::{Query, Scope, Search, WINDOW_BYTES};

/// The outcome of each term, the texts fed in pieces of `piece_bytes`.
fn outcomes_in_pieces(
    octets: &[u8],
    message: &Message,
    query: &Query,
    piece_bytes: usize,
) -> Vec<Option<bool>> {
    let mut search = Search::new(query);
    for target in search.targets(message) {
        let range = target.range();
        search.begin(&target);
        octets[range.start as usize..range.end as usize].chunks(piece_bytes).any(|piece| search.feed(piece));
    }
    search.finish();
    (0..query.len()).map(|term| search.outcome(term)).collect()
}

#[track_caller]
fn outcomes(octets: &[u8], terms: &[(Scope<'_>, &str)]) -> Vec<bool> {
    let query = Query::new(terms.iter().copied());
    let message = common::scan(octets);
    let whole = outcomes_in_pieces(octets, &message, &query, usize::MAX);
    for piece_bytes in [1, 2, 3, 7, 64, 1000] {
        assert_eq!(outcomes_in_pieces(octets, &message, &query, piece_bytes), whole, "{piece_bytes}");
    }
    whole.into_iter().map(|outcome| outcome.expect("finished")).collect()
}

#[track_caller]
fn is_in(octets: &[u8], scope: Scope<'_>, text: &str) -> bool {
    outcomes(octets, &[(scope, text)])[0]
}

#[test]
fn r15_subjects_in_every_charset() {
    for word in [
        "=?gb2312?B?1tDOxA==?=",
        "=?GBK?B?1tDOxA==?=",
        "=?GB18030?Q?=D6=D0=CE=C4?=",
        "=?big5?B?pKSk5Q==?=",
        "=?utf-8?B?5Lit5paH?=",
        "=?UTF-8?Q?=E4=B8=AD?=\r\n =?UTF-8?Q?=E6=96=87?=",
        "=?UTF-8?B?5Lg=?= =?UTF-8?B?reaWhw==?=",
        "=?iso-2022-jp?B?GyRCQ2ZKOBsoQg==?=",
        "=?euc-jp?B?w+bKuA==?=",
        "=?shift_jis?B?koaVtg==?=",
        "中文",
    ] {
        let header = format!("Subject: Re: {word} x\r\n\r\n");
        for scope in [Scope::Field("SUBJECT"), Scope::Text] {
            assert!(is_in(header.as_bytes(), scope, "中文"), "{word}");
            assert!(!is_in(header.as_bytes(), scope, "中国"), "{word}");
        }
    }
}

#[test]
fn r15_bodies_in_every_charset_and_encoding() {
    for (content_type, encoding, body) in [
        ("text/plain; charset=gb2312", "base64", "1eLKx9K7t+LW\r\n0M7E08q8/g=="),
        ("text/plain; charset=\"UTF-8\"", "quoted-printable", "=E4=B8=\r\n=AD=E6=96=\r\n=87"),
        ("text/plain; charset*=us-ascii'en'utf-8", "8bit", "这是中文"),
        ("text/plain; charset=x-unknown", "8bit", "这是中文"),
        ("text/html; charset=big5", "base64", "pKSk5Q=="),
        ("text/plain; charset=utf-16be", "base64", "Ti1lhw=="),
    ] {
        let octets = format!(
            "Content-Type: {content_type}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}\r\n"
        );
        for scope in [Scope::Body, Scope::Text] {
            assert!(is_in(octets.as_bytes(), scope, "中文"), "{content_type}");
            assert!(!is_in(octets.as_bytes(), scope, "中国"), "{content_type}");
        }
    }
}

#[test]
fn case_is_folded_beyond_ascii() {
    let octets = b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGR=DCN";
    let found = outcomes(octets, &["grün", "gru\u{308}n", "Grü", "grun"].map(|text| (Scope::Body, text)));
    assert_eq!(found, [true, true, true, false]);
}

#[test]
fn text_is_found_across_line_ends_folds_and_soft_breaks() {
    let octets = b"Subject: two\r\n\twords\r\n  more\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        one line =\r\nand the ne=\r\nxt\r\nof three";
    let terms = [
        (Scope::Field("Subject"), "two words more"),
        (Scope::Body, "line and the next of"),
        (Scope::Body, "next\r\nof"),
        (Scope::Body, "ne xt"),
    ];
    assert_eq!(outcomes(octets, &terms), [true, true, true, false]);
}

/// RFC 3501 §6.4.4: HEADER with an empty string asks for the field.
#[test]
fn empty_strings() {
    let octets = b"Subject:\r\n\r\n";
    let terms =
        [(Scope::Field("subject"), ""), (Scope::Field("x"), ""), (Scope::Body, ""), (Scope::Text, "")];
    assert_eq!(outcomes(octets, &terms), [true, false, true, true]);
    assert_eq!(outcomes(b"", &terms), [false, false, true, true]);
}

#[test]
fn parts_that_are_no_text_and_parts_inside_messages() {
    let octets = b"Subject: own\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\npreamble\r\n\
        --x\r\nContent-Type: application/pdf; name=file\r\nSubject: mislaid\r\n\r\nneedle\r\n\
        --x\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nhaystack\r\n--x--\r\nepilogue\r\n";
    for (text, in_body, in_text) in [
        ("needle", false, true),
        ("HAYSTACK", true, true),
        ("inner", false, true),
        ("name=FILE", false, true),
        ("content-type: app", false, true),
        ("own", false, true),
        ("preamble", false, false),
        ("epilogue", false, false),
    ] {
        let expected = [in_body, in_text && text != "needle", text == "own"];
        let terms = [Scope::Body, Scope::Text, Scope::Field("subject")].map(|scope| (scope, text));
        assert_eq!(outcomes(octets, &terms), expected, "{text}");
    }
}

#[test]
fn a_match_lies_within_one_field_and_one_part() {
    let octets = b"A: one\r\nB: two\r\nA: three\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n\
        --x\r\n\r\nfour\r\n--x\r\n\r\nfive\r\n--x--\r\n";
    let terms = [
        (Scope::Text, "one b: two"),
        (Scope::Text, "A: one"),
        (Scope::Field("a"), "one three"),
        (Scope::Field("a"), "three"),
        (Scope::Body, "fourfive"),
        (Scope::Body, "four five"),
    ];
    assert_eq!(outcomes(octets, &terms), [false, true, false, true, false, false]);
}

/// Once the own header was searched, its terms are decided, and the rest is searched only for what is left.
#[test]
fn the_header_decides_before_there_is_a_scan() {
    let octets = b"From: ann@a.test\r\nSubject: x\r\n\r\nbody\r\n";
    let query =
        Query::new([(Scope::Field("from"), "ANN"), (Scope::Field("to"), "ann"), (Scope::Text, "subj")]);
    let mut search = Search::new(&query);
    search.begin_header();
    let fed = octets.iter().position(|octet| search.feed(&[*octet])).expect("the header ends");
    assert_eq!(fed, octets.len() - 7, "with its empty line");
    assert_eq!(search.outcome(2), Some(true), "as soon as it is there");
    search.end();
    assert_eq!([0, 1, 2].map(|term| search.outcome(term)), [Some(true), Some(false), Some(true)]);
    assert!(search.targets(&common::scan(octets)).is_empty());

    let query = Query::new([(Scope::Body, "body"), (Scope::Text, "nosuch"), (Scope::Field("from"), "x")]);
    let mut search = Search::new(&query);
    assert_eq!(search.targets(&common::scan(octets)).len(), 2);
    search.begin_header();
    search.feed(octets);
    search.end();
    let message = common::scan(octets);
    let targets = search.targets(&message);
    let ranges: Vec<_> = targets.iter().map(|target| target.range()).collect();
    assert!(ranges.iter().eq([&message.root.body]));
    assert_eq!([0, 1, 2].map(|term| search.outcome(term)), [None, None, Some(false)]);
    search.begin(&targets[0]);
    assert!(!search.feed(b"bo") && !search.feed(b"dy"), "one term is still open");
    assert_eq!([0, 1].map(|term| search.outcome(term)), [Some(true), None]);
    search.finish();
    assert_eq!([0, 1].map(|term| search.outcome(term)), [Some(true), Some(false)]);
}

/// Fields far longer than a window: text and words are found wherever in it they lie.
#[test]
fn fields_longer_than_a_window() {
    let words = "=?utf-8?q?n=C3=A4hte?= =?utf-8?b?bsOkaHRl?=\r\n plain ";
    let mut field = String::from("Subject: ");
    for number in 0.. {
        field += "filler of forty octets and some more x \r\n\t";
        if number % 5 == 0 {
            field += words;
        }
        if field.len() > 3 * WINDOW_BYTES {
            break;
        }
    }
    let octets = format!("{field} the last\r\nTo: x\r\n\r\n");
    let terms = ["the last", "nähtenähte plain", "more x filler", "näht enähte", "=?utf-8?", "TO:"]
        .map(|text| (Scope::Field("subject"), text));
    let message = common::scan(octets.as_bytes());
    let query = Query::new(terms);
    for piece_bytes in [100, 4096, usize::MAX] {
        let found = outcomes_in_pieces(octets.as_bytes(), &message, &query, piece_bytes);
        assert_eq!(found, [true, true, true, false, false, false].map(Some));
    }
}

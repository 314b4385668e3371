//! R15: SEARCH finds text whatever charset and encoding it came in.

mod common;

use mail_message::header::Fields;
use mail_message::search::{BodySearch, Needle};

/// Whether `needle` is in the body of any text leaf, at every cut of that body in two.
#[track_caller]
fn in_body(octets: &[u8], needle: &str) -> bool {
    let needle = Needle::new(needle);
    let message = common::scan(octets);
    let found = message.leaves().filter(|part| part.fields.content_type.has_type("text")).map(|part| {
        let body = &octets[part.body.start as usize..part.body.end as usize];
        let search = |at: usize| {
            let mut search = BodySearch::new(part, &needle);
            search.feed(&body[..at]);
            search.feed(&body[at..]);
            search.finish()
        };
        let whole = search(0);
        (0..body.len()).for_each(|at| assert_eq!(search(at), whole, "cut at {at}"));
        whole
    });
    found.fold(false, |any, found| any | found)
}

#[test]
fn r15_subjects_in_every_charset() {
    let needle = Needle::new("中文");
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
        let subject = Fields::new(header.as_bytes()).next().unwrap();
        assert!(needle.is_in_header(&subject.unfolded()), "{word}");
        assert!(!Needle::new("中国").is_in_header(&subject.unfolded()), "{word}");
    }
}

#[test]
fn r15_bodies_in_every_charset_and_encoding() {
    for (content_type, encoding, body) in [
        ("text/plain; charset=gb2312", "base64", "1eLKx9K7t+LW\r\n0M7E08q8/g=="),
        ("text/plain; charset=\"UTF-8\"", "quoted-printable", "=E4=B8=\r\n=AD=E6=96=\r\n=87"),
        ("text/plain; charset*=us-ascii'en'utf-8", "8bit", "这是中文"),
        ("text/html; charset=big5", "base64", "pKSk5Q=="),
    ] {
        let octets = format!(
            "Content-Type: {content_type}\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}\r\n"
        );
        assert!(in_body(octets.as_bytes(), "中文"), "{content_type}");
        assert!(!in_body(octets.as_bytes(), "中国"), "{content_type}");
    }
}

#[test]
fn case_is_folded_beyond_ascii() {
    let octets = b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGR=DCN";
    assert!(in_body(octets, "grün"));
    assert!(in_body(octets, "Grü"));
    assert!(!in_body(octets, "grun"));
}

#[test]
fn parts_that_are_no_text_and_parts_inside_messages() {
    let octets = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: application/pdf\r\n\r\nneedle\r\n\
        --x\r\nContent-Type: message/rfc822\r\n\r\nSubject: a\r\n\r\nhaystack\r\n--x--\r\n";
    assert!(!in_body(octets, "needle"));
    assert!(in_body(octets, "HAYSTACK"));
}

//! The ENVELOPE, BODY and part-number examples of RFC 3501 (and RFC 9051, where they stand again).

mod common;

use mail_message::{Section, SectionText};

/// `octets` octets of text in `lines` lines.
fn filler(octets: usize, lines: usize) -> Vec<u8> {
    let mut text = b"\r\n".repeat(lines);
    text.splice(0..0, std::iter::repeat_n(b'x', octets - text.len()));
    text
}

/// RFC 3501 §8: message 12 of the sample session.
#[test]
fn the_sample_session() {
    let header: &[u8] = b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n\
        From: Terry Gray <gray@cac.washington.edu>\r\n\
        Subject: IMAP4rev1 WG mtg summary and minutes\r\n\
        To: imap@cac.washington.edu\r\n\
        cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n\
        Message-Id: <B27397-0100000@cac.washington.edu>\r\n\
        MIME-Version: 1.0\r\n\
        Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n";
    let message = common::scan(&[header, &filler(3028, 92)].concat());

    let range = Section { part: vec![], text: Some(SectionText::Header) }.locate(&message);
    assert_eq!(range, Some(0..342));
    assert_eq!(
        common::envelope(&message.envelope),
        r#"("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev1 WG mtg summary and minutes" (("Terry Gray" NIL "gray" "cac.washington.edu")) (("Terry Gray" NIL "gray" "cac.washington.edu")) (("Terry Gray" NIL "gray" "cac.washington.edu")) ((NIL NIL "imap" "cac.washington.edu")) ((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) NIL NIL "<B27397-0100000@cac.washington.edu>")"#
    );
    let body = common::body(&message.body_structure(), false);
    assert_eq!(body, r#"("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7bit" 3028 92)"#);
}

/// RFC 3501 §7.4.2: "a two part message consisting of a text and a BASE64-encoded text attachment".
#[test]
fn a_text_and_an_attachment() {
    let octets = [
        &b"Content-Type: multipart/MIXED; boundary=b\r\n\r\n--b\r\n\
        Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\nContent-Transfer-Encoding: 7BIT\r\n\r\n"[..],
        &filler(1152, 23),
        b"\r\n--b\r\nContent-Type: TEXT/PLAIN; CHARSET=US-ASCII; NAME=\"cc.diff\"\r\n\
        Content-ID: <960723163407.20117h@cac.washington.edu>\r\n\
        Content-Description: Compiler diff\r\nContent-Transfer-Encoding: BASE64\r\n\r\n",
        &filler(4554, 73),
        b"\r\n--b--\r\n",
    ];
    let message = common::scan(&octets.concat());
    assert_eq!(
        common::body(&message.body_structure(), false),
        r#"(("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 1152 23)("TEXT" "PLAIN" ("CHARSET" "US-ASCII" "NAME" "cc.diff") "<960723163407.20117h@cac.washington.edu>" "Compiler diff" "BASE64" 4554 73) "MIXED")"#
    );
}

/// All extension data at once (RFC 3501 §7.4.2, `body-ext-1part` and `body-ext-mpart`).
#[test]
fn extension_data() {
    let message = common::scan(
        b"Content-Type: multipart/mixed; boundary=b\r\nContent-Language: en, de (German)\r\n\r\n--b\r\n\
        Content-Type: image/png\r\nContent-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==\r\nContent-Language: fr\r\n\
        Content-Disposition: attachment; filename=\"a b.png\"; size=3\r\nContent-Location: http://a.test/b\r\n\r\n\
        abc\r\n--b\r\nContent-Disposition: inline\r\n\r\n\r\n--b--\r\n",
    );
    assert_eq!(
        common::body(&message.body_structure(), true),
        concat!(
            r#"(("image" "png" NIL NIL NIL "7bit" 3 "Q2hlY2sgSW50ZWdyaXR5IQ==" ("attachment" ("filename" "a b.png" "size" "3")) "fr" "http://a.test/b")"#,
            r#"("TEXT" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL ("inline" NIL) NIL NIL) "mixed" ("boundary" "b") NIL ("en" "de") NIL)"#
        )
    );
}

/// The tree of RFC 3501 §6.4.5, each piece of it found by its text.
#[test]
fn the_part_numbers() {
    let octets = b"Subject: outer\r\nContent-Type: multipart/mixed; boundary=A\r\n\r\npreamble\r\n\
        --A\r\nContent-Type: text/plain\r\n\r\none\r\n\
        --A\r\nContent-Type: application/octet-stream\r\n\r\ntwo\r\n\
        --A\r\nContent-Type: message/rfc822\r\n\r\nSubject: three\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n\
        --B\r\n\r\nthree-one\r\n\
        --B\r\nContent-Type: application/octet-stream\r\n\r\nthree-two\r\n--B--\r\n\
        --A\r\nContent-Type: multipart/mixed; boundary=C\r\n\r\n\
        --C\r\nContent-Type: image/gif\r\n\r\nfour-one\r\n\
        --C\r\nContent-Type: message/rfc822\r\n\r\nSubject: four-two\r\nContent-Type: multipart/mixed; boundary=D\r\n\r\n\
        --D\r\n\r\nfour-two-one\r\n\
        --D\r\nContent-Type: multipart/alternative; boundary=E\r\n\r\n\
        --E\r\n\r\nfour-two-two-one\r\n\
        --E\r\nContent-Type: text/richtext\r\n\r\nfour-two-two-two\r\n--E--\r\n--D--\r\n--C--\r\n--A--\r\n";
    let message = common::scan(octets);
    let fetch = |part: &[u32], text: Option<SectionText>| {
        let section = Section { text, ..Section::part(part.iter().copied()).unwrap() };
        let range = section.locate(&message)?;
        Some(std::str::from_utf8(&octets[range.start as usize..range.end as usize]).unwrap())
    };
    let (header, text, mime) = (Some(SectionText::Header), Some(SectionText::Text), Some(SectionText::Mime));

    assert_eq!(fetch(&[], None).unwrap().len(), octets.len());
    assert!(fetch(&[], header.clone()).unwrap().starts_with("Subject: outer\r\n"));
    assert!(fetch(&[], text.clone()).unwrap().starts_with("preamble"));
    for (part, body) in [
        (&[1][..], "one"),
        (&[2], "two"),
        (&[3, 1], "three-one"),
        (&[3, 2], "three-two"),
        (&[4, 1], "four-one"),
        (&[4, 2, 1], "four-two-one"),
        (&[4, 2, 2, 1], "four-two-two-one"),
        (&[4, 2, 2, 2], "four-two-two-two"),
    ] {
        assert_eq!(fetch(part, None), Some(body));
    }
    assert!(fetch(&[3], None).unwrap().starts_with("Subject: three\r\n"));
    assert_eq!(
        fetch(&[3], header.clone()),
        Some("Subject: three\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n")
    );
    assert!(fetch(&[3], text.clone()).unwrap().starts_with("--B\r\n"));
    assert_eq!(fetch(&[4, 1], mime.clone()), Some("Content-Type: image/gif\r\n\r\n"));
    assert!(fetch(&[4, 2], header.clone()).unwrap().starts_with("Subject: four-two\r\n"));
    assert!(fetch(&[4, 2], text.clone()).unwrap().ends_with("--E--\r\n--D--"));
    assert_eq!(
        fetch(&[4, 2, 2], mime.clone()),
        Some("Content-Type: multipart/alternative; boundary=E\r\n\r\n")
    );

    let richtext = Section::part([4, 2, 2, 2]).unwrap();
    assert!(richtext.find(&message).unwrap().fields.content_type.is("text", "richtext"));
    assert_eq!(Section::default().find(&message), Some(&message.root));

    for nothing in [&[5][..], &[1, 1], &[3, 3], &[4, 2, 2, 3], &[3, 1, 1], &[u32::MAX]] {
        assert_eq!(fetch(nothing, None), None, "{nothing:?}");
        assert_eq!(Section::part(nothing.iter().copied()).unwrap().find(&message), None);
    }
    for (part, text) in [(&[1][..], header), (&[4], text), (&[], mime)] {
        assert_eq!(fetch(part, text), None);
    }
    assert_eq!(Section::part([1, 0]), None);
    let fields =
        SectionText::HeaderFields(mail_message::header::FieldChoice::NotNamed, vec!["To".into(), "X".into()]);
    let section = Section { text: Some(fields), ..Section::part([4, 2]).unwrap() };
    assert_eq!(section.to_string(), "4.2.HEADER.FIELDS.NOT (To X)");
}

//! The policy delegation protocol at every cut, and against hostile peers.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

use relay_policy::delegation::{
    ATTRIBUTES_MAX, Attributes, BadAttribute, DelegationError, MESSAGE_BYTES_MAX, Reader, action, answer,
    check_question, question,
};

/// Everything read from `input` in pieces of so many octets, up to an error.
fn read(input: &[u8], piece: usize) -> (Vec<Attributes>, Option<DelegationError>, bool) {
    let (mut reader, mut found) = (Reader::new(), Vec::new());
    for mut rest in input.chunks(piece) {
        while !rest.is_empty() {
            match reader.read(rest) {
                Err(error) => {
                    assert_eq!(reader.read(b"a=b\n\n"), Err(error.clone()), "an error stays");
                    return (found, Some(error), false);
                }
                Ok((taken, attributes)) => {
                    assert!(taken > 0);
                    rest = &rest[taken..];
                    found.extend(attributes);
                }
            }
        }
    }
    (found, None, reader.is_inside())
}

#[test]
fn the_same_at_every_cut() {
    let input = b"request=smtpd_access_policy\nsender=\nrecipient=a=b@example.com\r\nunknown=x \n\naction=DUNNO\n\n\npart=of";
    let whole = read(input, input.len());
    let (found, error, inside) = &whole;
    assert_eq!((found.len(), error, *inside), (3, &None, true));
    assert_eq!(found[0].value("recipient"), "a=b@example.com");
    assert_eq!(found[0].value("unknown"), "x ");
    assert_eq!((found[0].value("sender"), found[0].value("absent")), ("", ""));
    assert_eq!(check_question(&found[0]), Ok(()));
    assert_eq!(action(&found[1]), Ok("DUNNO"));
    assert!(found[2].is_empty());
    for piece in 1..input.len() {
        assert_eq!(read(input, piece), whole, "pieces of {piece}");
    }
}

#[test]
fn what_was_written_is_read() {
    let mut asked = question();
    asked.set("client_address", "2001:db8::1").unwrap();
    asked.set("sender", "grün@example.com").unwrap();
    asked.set("sender", "x@example.com").unwrap();
    let mut wire = Vec::new();
    asked.write_to(&mut wire);
    assert_eq!(wire, b"request=smtpd_access_policy\nclient_address=2001:db8::1\nsender=x@example.com\n\n");
    assert_eq!(read(&wire, 7), (vec![asked], None, false));
}

#[test]
fn faults() {
    for (input, expected) in [
        (b"no equals\n\n".as_slice(), DelegationError::NoAttribute),
        (b"=value\n\n", DelegationError::NoAttribute),
        (b"a=\xff\n\n", DelegationError::BadText),
        (b"a=\0\n\n", DelegationError::BadText),
        (b"a=b\rc\n\n", DelegationError::BadText),
        (b"action=OK\naction=REJECT\n\n", DelegationError::Twice("action".into())),
    ] {
        for piece in 1..=input.len() {
            assert_eq!(read(input, piece), (vec![], Some(expected.clone()), false), "{input:?} in {piece}");
        }
    }
    assert_eq!(check_question(&Attributes::default()), Err(DelegationError::NotAccessPolicy));
    for nothing in ["", "action=\n", "action=  \n", "reply=OK\n"] {
        let (found, _, _) = read(format!("{nothing}\n").as_bytes(), 3);
        assert_eq!(action(&found[0]), Err(DelegationError::NoAction), "{nothing:?}");
    }
}

/// No value can make a line of its own, and so an attribute or an answer that nobody gave.
#[test]
fn nothing_is_smuggled() {
    for value in ["x\naction=OK", "x\r", "\0"] {
        assert_eq!(question().set("sender", value), Err(BadAttribute));
        assert_eq!(question().set(value, "x"), Err(BadAttribute));
        assert_eq!(answer(value), Err(BadAttribute));
    }
    assert_eq!(question().set("a=b", "x"), Err(BadAttribute));
    assert_eq!(question().set("", "x"), Err(BadAttribute));
    assert_eq!(answer("  "), Err(BadAttribute));
}

#[test]
fn limits() {
    // The name, the line's end and the empty line are counted.
    let longest = MESSAGE_BYTES_MAX - "a=\n\n".len();
    for (octets, fits) in [(longest, true), (longest + 1, false)] {
        let value = "x".repeat(octets);
        assert_eq!(Attributes::default().set("a", &value).is_ok(), fits);
        for piece in [1000, MESSAGE_BYTES_MAX] {
            let (found, error, _) = read(format!("a={value}\n\n").as_bytes(), piece);
            assert_eq!((found.len(), error.is_none()), (usize::from(fits), fits), "{octets} in {piece}");
        }
    }
    let many = |count: usize| (0..count).map(|number| format!("a{number}=\n")).collect::<String>() + "\n";
    assert_eq!(read(many(ATTRIBUTES_MAX).as_bytes(), 100).0.len(), 1);
    assert_eq!(read(many(ATTRIBUTES_MAX + 1).as_bytes(), 100).1, Some(DelegationError::TooLarge));
    let mut asked = question();
    asked.set("b", &"x".repeat(MESSAGE_BYTES_MAX / 2)).unwrap();
    assert_eq!(asked.set("c", &"x".repeat(MESSAGE_BYTES_MAX / 2)), Err(BadAttribute));
    asked.set("b", "short").unwrap();
    asked.set("c", &"x".repeat(MESSAGE_BYTES_MAX / 2)).unwrap();
}

//! Addresses: known answers, and that every value's written form is itself.

use super::*;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use proptest::prelude::*;

extern crate std;
use std::collections::HashSet;

const UTF8: AddressSyntax = AddressSyntax { utf8: true, lenient: false };
const LENIENT: AddressSyntax = AddressSyntax { utf8: false, lenient: true };

fn forward(input: &str, syntax: AddressSyntax) -> Result<String, AddressError> {
    let (path, rest) = ForwardPath::parse_prefix(input.as_bytes(), syntax)?;
    Ok(format!("{path}{}", String::from_utf8_lossy(rest)))
}

fn reverse(input: &str) -> Result<String, AddressError> {
    let (path, rest) = ReversePath::parse_prefix(input.as_bytes(), AddressSyntax::STRICT)?;
    Ok(format!("{path}{}", String::from_utf8_lossy(rest)))
}

#[test]
fn forward_paths() {
    use AddressError as E;
    let same = |path: &str| Ok(path.to_string());
    for (input, expected) in [
        ("<ok@t>", same("<ok@t>")),
        ("<ok@t> SIZE=1", same("<ok@t> SIZE=1")),
        ("<ok@t>SIZE=1", same("<ok@t>SIZE=1")),
        // Source routes are dropped.
        ("<@a.x,@b.x:ok@t>", same("<ok@t>")),
        ("<@a.x,@b.x>", Err(E::Route)),
        ("<@a.x,b.x:ok@t>", Err(E::Route)),
        ("<@a.x:>", Err(E::LocalPart)),
        // Quoting is kept to what is needed.
        ("<\"o k\"@t>", same("<\"o k\"@t>")),
        ("<\"o\\\"k\"@t>", same("<\"o\\\"k\"@t>")),
        ("<\"o>k\"@t>", same("<\"o>k\"@t>")),
        ("<\"a@b\"@t>", same("<\"a@b\"@t>")),
        ("<\"\\o\\k\"@t>", same("<ok@t>")),
        ("<\"ok\"@t>", same("<ok@t>")),
        ("<\"a..b\"@t>", same("<\"a..b\"@t>")),
        ("<\"\"@t>", same("<\"\"@t>")),
        ("<o k@t>", Err(E::Brackets)),
        ("<a@b@t>", Err(E::Domain)),
        ("<a\"b\"@t>", Err(E::LocalPart)),
        ("<\"ab@t>", Err(E::LocalPart)),
        ("<.a@t>", Err(E::LocalPart)),
        ("<a.@t>", Err(E::LocalPart)),
        ("<a..b@t>", Err(E::LocalPart)),
        // No control character.
        ("<a\0b@t>", Err(E::LocalPart)),
        ("<a\rb@t>", Err(E::LocalPart)),
        ("<\"a\nb\"@t>", Err(E::LocalPart)),
        ("<\"a\\\0b\"@t>", Err(E::LocalPart)),
        ("<a@t\0>", Err(E::Domain)),
        // Brackets and domains.
        ("<a@x", Err(E::Brackets)),
        ("a@x>", Err(E::Brackets)),
        ("a@x", Err(E::Brackets)),
        ("", Err(E::Brackets)),
        ("<", Err(E::LocalPart)),
        ("<>", Err(E::NullPath)),
        ("<a@>", Err(E::Domain)),
        ("<@t>", Err(E::Route)),
        ("<a@-t>", Err(E::Domain)),
        ("<a@t->", Err(E::Domain)),
        ("<a@t.>", Err(E::Domain)),
        ("<a@b..t>", Err(E::Domain)),
        ("<a@b_c>", Err(E::Domain)),
        ("<a@xn--e1afmkfd.test>", same("<a@xn--e1afmkfd.test>")),
        // The postmaster, and nobody else, needs no domain.
        ("<PostMaster>", same("<Postmaster>")),
        ("<\"postmaster\">", same("<Postmaster>")),
        ("<root>", Err(E::NoDomain)),
        // UTF-8 has to be asked for.
        ("<é@x>", Err(E::NonAscii)),
        ("<e@é>", Err(E::NonAscii)),
    ] {
        assert_eq!(forward(input, AddressSyntax::STRICT), expected, "{input:?}");
    }
}

#[test]
fn reverse_paths_may_be_null_and_not_a_bare_postmaster() {
    assert_eq!(reverse("<> SIZE=5"), Ok("<> SIZE=5".to_string()));
    assert_eq!(reverse("<a@x>"), Ok("<a@x>".to_string()));
    assert_eq!(reverse("<Postmaster>"), Err(AddressError::NoDomain));
    assert_eq!(reverse("< >"), Err(AddressError::LocalPart));
}

#[test]
fn utf8_when_it_was_said() {
    assert_eq!(forward("<пётр@пример.test>", UTF8), Ok("<пётр@пример.test>".to_string()));
    assert_eq!(forward("<\"п р\"@x>", UTF8), Ok("<\"п р\"@x>".to_string()));
    assert_eq!(forward("<\"\\п\"@x>", UTF8), Err(AddressError::LocalPart));
    assert_eq!(forward("<a\u{85}@x>", UTF8), Err(AddressError::LocalPart));
    assert_eq!(forward("<a@x\u{85}>", UTF8), Err(AddressError::Domain));
    let bad: &[u8] = b"<\xff@x>";
    assert_eq!(ForwardPath::parse_prefix(bad, UTF8), Err(AddressError::Utf8));
    assert_eq!(ForwardPath::parse_prefix(bad, AddressSyntax::STRICT), Err(AddressError::NonAscii));
    assert_eq!(ForwardPath::parse_prefix(b"<\xd0", UTF8), Err(AddressError::Utf8));
    assert!("пётр@x".parse::<Mailbox>().unwrap().needs_utf8());
    assert!("a@é".parse::<Mailbox>().unwrap().needs_utf8());
    assert!(!"a@[IPv6:::1]".parse::<Mailbox>().unwrap().needs_utf8());
}

#[test]
fn lenient_takes_what_is_seen_in_the_wild() {
    for (input, expected) in [
        ("a@x", "<a@x>"),
        ("a@x SIZE=1", "<a@x> SIZE=1"),
        ("<a..b@x>", "<\"a..b\"@x>"),
        ("<a.@x>", "<\"a.\"@x>"),
        ("<a@b_c.test>", "<a@b_c.test>"),
    ] {
        assert_eq!(forward(input, LENIENT), Ok(expected.to_string()), "{input:?}");
        assert!(forward(input, AddressSyntax::STRICT).is_err(), "{input:?}");
    }
    for input in ["", " ", "<a@x", "a@x>", "<o k@t>", "<a@b@t>", "<@x>", "<a\0b@t>"] {
        assert!(forward(input, LENIENT).is_err(), "{input:?}");
    }
}

#[test]
fn what_is_read_is_not_copied_and_owned_without_fault() {
    let line = br#"<@a.x:"o\"k"@[127.000.0.1]> SIZE=1"#;
    let (path, rest) = ForwardPath::read_prefix(line, AddressSyntax::STRICT, None).unwrap();
    let mailbox = path.mailbox().unwrap();
    assert_eq!((mailbox.local_part(), mailbox.domain()), (r#""o\"k""#, "[127.000.0.1]"));
    assert_eq!(path.to_string(), r#"<"o\"k"@[127.000.0.1]>"#);
    assert_eq!(path.into_owned().to_string(), r#"<"o\"k"@[127.0.0.1]>"#);
    assert_eq!(rest, b" SIZE=1");
    assert!(MailboxRef::parse("пётр@x".as_bytes(), UTF8).unwrap().needs_utf8());
    let mailbox = MailboxRef::parse(b"a@x", UTF8).unwrap();
    assert!(!mailbox.needs_utf8());
    assert_eq!(alloc::format!("{mailbox:?}"), r#"MailboxRef { local_part: "a", domain: "x" }"#);
}

#[test]
fn a_mailbox_without_a_domain_gets_the_origin() {
    use AddressError as E;
    let reverse = |input: &str, origin: &str| {
        let read = ReversePath::read_prefix(input.as_bytes(), LENIENT, Some(origin));
        read.map(|(path, rest)| format!("{path}{}", String::from_utf8_lossy(rest)))
    };
    for (input, expected) in [
        ("<root> SIZE=1", "<root@here.test> SIZE=1"),
        ("root SIZE=1", "<root@here.test> SIZE=1"),
        ("<\"a>b\">", "<\"a>b\"@here.test>"),
        ("<postmaster>", "<postmaster@here.test>"),
        ("<a@b>", "<a@b>"),
        ("<>", "<>"),
    ] {
        assert_eq!(reverse(input, "here.test").as_deref(), Ok(expected));
    }
    assert_eq!(reverse("<root>", "[127.0.0.1]").as_deref(), Ok("<root@[127.0.0.1]>"));
    for (origin, error) in [("", E::Domain), ("a b", E::Domain), ("é", E::NonAscii), ("[x]", E::Literal)] {
        assert_eq!(reverse("<root>", origin), Err(error), "{origin}");
    }
    let origin = "x.".repeat(100) + "test";
    assert_eq!(reverse(&format!("<{}>", "a".repeat(49)), &origin).map(|path| path.len()), Ok(256));
    assert_eq!(reverse(&format!("<{}>", "a".repeat(50)), &origin), Err(E::PathTooLong));
    let (path, _) = ForwardPath::read_prefix(b"<PostMaster>", LENIENT, Some("here.test")).unwrap();
    assert_eq!(path.into_owned(), ForwardPath::Postmaster);
}

#[test]
fn a_domain_that_was_not_written_can_be_told_from_one_that_was() {
    let mailbox = |input: &str| {
        let (path, _) = ForwardPath::read_prefix(input.as_bytes(), LENIENT, Some("here.test")).unwrap();
        path.into_owned().mailbox().unwrap().clone()
    };
    let (bare, whole) = (mailbox("<\"a b\">"), mailbox("<\"a b\"@here.test>"));
    assert_eq!((bare.is_completed(), whole.is_completed()), (true, false));
    assert_eq!(bare.as_written().to_string(), "\"a b\"");
    assert_eq!(whole.as_written().to_string(), whole.to_string());
    assert_eq!((bare.to_string(), &bare), (whole.to_string(), &whole));
    let hash = |mailbox: &Mailbox| {
        use core::hash::{BuildHasher as _, BuildHasherDefault};
        #[derive(Default)]
        struct Sum(u64);
        impl core::hash::Hasher for Sum {
            fn write(&mut self, octets: &[u8]) {
                octets.iter().for_each(|octet| self.0 = self.0.wrapping_mul(31) + u64::from(*octet));
            }
            fn finish(&self) -> u64 {
                self.0
            }
        }
        BuildHasherDefault::<Sum>::default().hash_one(mailbox)
    };
    assert_eq!(hash(&bare), hash(&whole), "what is equal has one place in a set");
}

#[test]
fn address_literals() {
    for (literal, expected) in [
        ("[127.0.0.1]", "[127.0.0.1]"),
        ("[001.2.03.255]", "[1.2.3.255]"),
        ("[IPv6:::1]", "[IPv6:::1]"),
        ("[ipv6:::]", "[IPv6:::]"),
        ("[IPv6:1:2:3:4:5:6:7:8]", "[IPv6:1:2:3:4:5:6:7:8]"),
        ("[IPv6:1:2:3:4:5:6::]", "[IPv6:1:2:3:4:5:6::]"),
        ("[IPv6:1:2:3:4:5:6:1.2.3.4]", "[IPv6:1:2:3:4:5:6:102:304]"),
        ("[IPv6:::FFFF:1.2.3.4]", "[IPv6:::ffff:1.2.3.4]"),
        ("[IPv6:1:2:3:4::1.2.3.4]", "[IPv6:1:2:3:4::102:304]"),
        ("[X400:c=de/s=a]", "[X400:c=de/s=a]"),
    ] {
        let domain = Domain::parse(literal.as_bytes(), AddressSyntax::STRICT);
        assert_eq!(domain.map(|d| d.to_string()), Ok(expected.to_string()));
    }
    for literal in [
        "[]",
        "[127.0.0.1",
        "[999.1.1.1]",
        "[1.2.3]",
        "[1.2.3.4.5]",
        "[1.2.3.+4]",
        "[0001.2.3.4]",
        "[::1]",
        "[IPv6:]",
        "[IPv6:1::2::3]",
        "[IPv6:1:2:3:4:5:6:7::]",
        "[IPv6:1:2:3:4:5::1.2.3.4]",
        "[IPv6:1:2:3:4:5:6:7]",
        "[IPv6:1:2:3:4:5:6:7:8:9]",
        "[IPv6:12345::]",
        "[IPv6:1.2.3.4::]",
        "[IPv6:+1::]",
        "[IPv6::1]",
        "[x-:1]",
        "[:1]",
        "[x:]",
        "[x:a b]",
        "[x:é]",
        "[x:a[b]",
    ] {
        assert_eq!(Domain::parse(literal.as_bytes(), UTF8), Err(AddressError::Literal), "{literal}");
    }
}

#[test]
fn each_limit_has_its_own_error() {
    let local = |n: usize| "a".repeat(n);
    let labels = |n: usize| {
        let mut name = "abcdefg.".repeat(n / 8);
        name.push_str(&"x".repeat(n % 8));
        name
    };
    assert!(forward(&format!("<{}@t>", local(64)), AddressSyntax::STRICT).is_ok());
    assert_eq!(
        forward(&format!("<{}@t>", local(65)), AddressSyntax::STRICT),
        Err(AddressError::LocalPartTooLong)
    );
    let lenient = AddressSyntax { lenient: true, ..AddressSyntax::STRICT };
    assert!(forward(&format!("<{}@t>", local(252)), lenient).is_ok());
    assert_eq!(forward(&format!("<{}@t>", local(253)), lenient), Err(AddressError::PathTooLong));
    assert!(LocalPart::new(local(256)).is_ok());
    assert_eq!(LocalPart::new(local(257)), Err(AddressError::LocalPartTooLong));
    assert!(DomainName::parse(labels(255).as_bytes(), AddressSyntax::STRICT).is_ok());
    assert_eq!(
        forward(&format!("<a@{}>", labels(257)), AddressSyntax::STRICT),
        Err(AddressError::DomainTooLong)
    );
    assert!(forward(&format!("<aa@{}>", labels(251)), AddressSyntax::STRICT).is_ok());
    assert_eq!(
        forward(&format!("<aaa@{}>", labels(251)), AddressSyntax::STRICT),
        Err(AddressError::PathTooLong)
    );
    assert_eq!(
        forward(&format!("<@{}:a@t>", labels(251)), AddressSyntax::STRICT),
        Err(AddressError::PathTooLong)
    );
    // The source route counts too, though it is dropped.
    assert!(forward(&format!("<@{}:a@t>", labels(249)), AddressSyntax::STRICT).is_ok());
    assert_eq!(
        forward(&format!("<@{}:a@tt>", labels(249)), AddressSyntax::STRICT),
        Err(AddressError::PathTooLong)
    );
    assert_eq!(forward(&format!("<a@{}.t>", local(64)), AddressSyntax::STRICT), Err(AddressError::Domain));
    let quotes = LocalPart::new("\"".repeat(64)).unwrap();
    let domain = Domain::parse(labels(135).as_bytes(), AddressSyntax::STRICT).unwrap();
    assert_eq!(Mailbox::new(quotes, domain), Err(AddressError::PathTooLong));
}

#[test]
fn domains_compare_without_case_and_local_parts_with() {
    let parse = |s: &str| s.parse::<Mailbox>().unwrap();
    assert_eq!(parse("a@EXAMPLE.test"), parse("\"a\"@example.TEST"));
    assert_ne!(parse("a@x"), parse("A@x"));
    let set = HashSet::from([parse("a@EXAMPLE.test")]);
    assert!(set.contains(&parse("a@example.TEST")));
    assert!(!set.contains(&parse("a@example.tes")));
    assert!(LocalPart::new("a\u{7f}").is_err());
}

proptest! {
    #[test]
    fn what_parses_is_written_back_as_itself(
        local in prop::collection::vec(prop::sample::select(b"aab.\"\"\\@>< \r\n\0\xc3\xa9".to_vec()), 1..8),
        domain in prop::collection::vec(prop::sample::select(b"aab.-1[]:_\0\xc3\xa9".to_vec()), 1..6),
        utf8: bool,
        lenient: bool,
    ) {
        let syntax = AddressSyntax { utf8, lenient };
        let octets = [b"<", &local[..], b"@", &domain, b">"].concat();
        if let Ok((path, _)) = ForwardPath::parse_prefix(&octets, syntax) {
            let written = path.to_string();
            prop_assert!(!written.chars().any(char::is_control));
            let again = ForwardPath::parse_prefix(written.as_bytes(), syntax);
            prop_assert_eq!(again, Ok((path, &b""[..])));
        }
    }

    #[test]
    fn every_local_part_value_survives_being_written(value in "\\PC{0,20}") {
        let local = LocalPart::new(value.clone()).unwrap();
        let mailbox = Mailbox::new(local, Domain::parse(b"x.test", AddressSyntax::STRICT).unwrap()).unwrap();
        let path = ReversePath::Mailbox(mailbox.clone()).to_string();
        let (again, rest) = ReversePath::parse_prefix(path.as_bytes(), UTF8).unwrap();
        prop_assert!(rest.is_empty());
        prop_assert_eq!(again.mailbox().map(|m| m.local_part().as_str()), Some(value.as_str()));
        prop_assert_eq!(again, ReversePath::Mailbox(mailbox));
    }

    #[test]
    fn ipv6_literals_survive_being_written(groups: [u16; 8], zeros: u8) {
        let groups: Vec<u16> =
            groups.iter().enumerate().map(|(i, g)| if zeros >> i & 1 == 1 { 0 } else { *g }).collect();
        let address = <[u16; 8]>::try_from(groups).unwrap().into();
        let written = Domain::Ipv6(address).to_string();
        prop_assert_eq!(Domain::parse(written.as_bytes(), AddressSyntax::STRICT), Ok(Domain::Ipv6(address)));
    }
}

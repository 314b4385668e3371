//! The bodies of fuzz targets: any octets as a recipient, and the promise that no stranger relays; any octets as the source
//! of a table; any octets as a message that is looked at, as questions of another server, or as its configuration.
//!
//! They are part of the library so that the ordinary test run calls them too.

mod strangers;

pub use strangers::{fuzz_delegation, fuzz_import};

use crate::access::{AccessPolicy, AccessStep};
use crate::checks::{CheckLimits, ContentChecks};
use crate::table::{DIRECTORY, Found, Maps, Opener, compile_cdb};
use crate::{Answer, Class, Parameters, Question, Request, Stage};
use proto_core::address::{AddressSyntax, Domain, ForwardPath, Mailbox};
use std::net::{IpAddr, Ipv4Addr};

/// A stranger's recipient is refused, or is a mailbox of ours with nothing hidden in its local part; where only those who
/// have logged in may send, a stranger may not at all.
///
/// # Panics
/// When that is not so.
pub fn fuzz_recipient(octets: &[u8]) {
    for lenient in [false, true] {
        let syntax = AddressSyntax { utf8: true, lenient };
        let Ok((recipient, _)) = ForwardPath::parse_prefix(octets, syntax) else { continue };
        // The bare postmaster is excused from all lists (RFC 5321 section 4.5.1).
        if recipient == ForwardPath::Postmaster {
            continue;
        }
        let relay = "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination";
        if let Some(address) = accepted(relay, &recipient) {
            let Domain::Name(domain) = address.domain() else { panic!("{recipient}: a literal is not ours") };
            assert!(OURS.contains(&domain.as_str()), "{recipient} went to {address}");
            assert!(
                !address.local_part().as_str().contains(['@', '%', '!']),
                "{recipient} went to {address}"
            );
        }
        let submitted = accepted("permit_sasl_authenticated, reject", &recipient);
        assert_eq!(submitted, None, "{recipient} was submitted");
    }
}

/// The mailbox that a stranger's recipient is accepted for, when every mailbox of ours exists.
fn accepted(relay: &str, recipient: &ForwardPath) -> Option<Mailbox> {
    let parameters = Parameters {
        myorigin: OURS[0].into(),
        mydestination: OURS.map(String::from).into(),
        mynetworks: vec!["127.0.0.0/8".into()],
        local_recipient_maps: vec![DIRECTORY.into()],
        smtpd_relay_restrictions: relay.into(),
        ..Parameters::default()
    };
    let no_files = |_: &str| Err("no files".into());
    let policy = AccessPolicy::compile(parameters, &Opener::new(&no_files));
    let policy = policy.expect("invariant: a good configuration");
    let request = Request::new(IpAddr::V4(Ipv4Addr::new(203, 0, 113, 9)));
    let mut evaluation = policy.evaluate(&request, Stage::Rcpt(recipient));
    loop {
        match evaluation.step() {
            AccessStep::Needs(questions) => {
                for question in questions {
                    let Question::Lookup { table, key } = &question else {
                        panic!("nothing else is asked: {question:?}")
                    };
                    assert_eq!(table, DIRECTORY);
                    let found = Answer::Found(Some(key.clone()));
                    evaluation.answer(&question, found).expect("invariant: it was asked");
                }
            }
            AccessStep::Done(outcome) if outcome.refusal.is_some() => return None,
            AccessStep::Done(outcome) => {
                let resolution = outcome.resolution.expect("invariant: an accepted recipient goes somewhere");
                assert_eq!(resolution.class, Class::Local);
                return Some(resolution.recipient.mailbox().expect("invariant: what exists is a mailbox"));
            }
        }
    }
}

const OURS: [&str; 3] = ["example.com", "localhost", "xn--bcher-kva.example"];

/// A table's source and a key, with a zero octet between them, behind an octet for the kind of table: whatever is
/// found stands on a line of the source, and a compiled table says what its source says.
///
/// # Panics
/// When that is not so.
pub fn fuzz_table(octets: &[u8]) {
    let Some((kind, rest)) = octets.split_first() else { return };
    let (source, key) = halves(rest);
    let key = String::from_utf8_lossy(key);
    let read = |_: &str| Ok(source.to_vec());
    let kind = ["texthash", "regexp", "pcre", "cidr", "cdb"][usize::from(*kind) % 5];
    let Ok(opened) = Opener::new(&read).open(&format!("{kind}:source")) else { return };
    let Ok(found) = opened.table.look_up(&key) else { return };
    if kind == "cdb" {
        return;
    }
    let lines = source.split(|octet| *octet == b'\n').count();
    if let Some(found) = &found {
        let line = found.place.line.expect("invariant: a source has lines") as usize;
        assert!((1..=lines).contains(&line), "{kind}: line {line} of {lines}");
        assert!(kind != "cidr" || key.parse::<IpAddr>().is_ok(), "{key} is no address");
    }
    if kind == "texthash" {
        let (cdb, warnings) = compile_cdb("source", source, false).expect("invariant: it is small");
        assert_eq!(warnings, opened.warnings);
        let compiled =
            Opener::new(&|_: &str| Ok(cdb.clone())).open("cdb:source").expect("invariant: it is whole");
        let text = |found: Option<Found<'_>>| found.map(|found| found.text.into_owned());
        let again = compiled.table.look_up(&key).expect("invariant: it is whole");
        assert_eq!(text(again), text(found), "{key}");
    }
}

/// The source of a table of patterns and a message, with a zero octet between them: looked at with that table, the message
/// comes out the same and is judged the same however it is cut; looked at with one that changes nothing, it comes out
/// as it went in.
///
/// # Panics
/// When that is not so.
pub fn fuzz_checks(octets: &[u8]) {
    let (source, message) = halves(octets);
    let limits = CheckLimits { field_bytes_max: 100, line_bytes_max: 30, body_bytes_max: 200 };
    for (source, is_harmless) in [(source, false), (b"/^/ INFO".as_slice(), true)] {
        let read = |_: &str| Ok(source.to_vec());
        let Ok(opened) = Opener::new(&read).open("pcre:source") else { return };
        let maps = Maps::new(vec![opened.table]);
        let checks = ContentChecks { header: maps.clone(), body: maps, limits, ..ContentChecks::default() };
        let inspect = |pieces: &mut dyn Iterator<Item = &[u8]>| {
            let (mut inspection, mut kept) = (checks.inspect(), Vec::new());
            pieces.for_each(|piece| inspection.feed(piece, &mut kept));
            let outcome = inspection.finish(&mut kept);
            (kept, outcome)
        };
        let whole = inspect(&mut std::iter::once(message));
        assert!(inspect(&mut message.chunks(1)) == whole, "cut into octets, it is another message");
        assert!(inspect(&mut message.chunks(7)) == whole, "cut into pieces, it is another message");
        assert!(!is_harmless || whole.0 == message, "what nobody changes stays as it is");
    }
}

/// What is in front of the first zero octet, and what is behind it.
fn halves(octets: &[u8]) -> (&[u8], &[u8]) {
    let end = octets.iter().position(|octet| *octet == 0).unwrap_or(octets.len());
    (&octets[..end], octets.get(end + 1..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::{fuzz_checks, fuzz_recipient, fuzz_table};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_octets_in_front_of_a_domain_of_ours(
            local in prop::collection::vec(prop_oneof![
                any::<u8>(),
                prop::sample::select(b"@%!\"\\:,. []abc".as_slice()),
            ], 0..40),
            route in any::<bool>(),
        ) {
            let route: &[u8] = if route { b"<@relay.test:" } else { b"<" };
            for domain in ["example.com", "localhost", "b\u{fc}cher.example", "other.test"] {
                fuzz_recipient(&[route, &local, b"@", domain.as_bytes(), b">"].concat());
                fuzz_recipient(&[route, b"\"", &local, b"\"@", domain.as_bytes(), b">"].concat());
            }
        }
    }

    /// Pieces of tables, keys and messages.
    fn pieces() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            prop::sample::select(vec![
                "k v\n",
                "K: w\n",
                " more",
                "# c\n",
                "\0",
                "k",
                "192.0.2.0/24 x\n",
                "!192.0.2.1 y\n",
                "192.0.2.1",
                "if /k/\n",
                "if 192.0.2.1\n",
                "endif\n",
                "/(.)/ $1\n",
                "!/x/ y\n",
                "/^A/ REPLACE A: $$\n",
                "/b/ IGNORE\n",
                "/c/ PREPEND X: y\n",
                "A: b\r\n",
                "Content-Type: multipart/mixed; boundary=b\r\n",
                "\r\n",
                "--b\r\n",
                "c\r\n",
            ])
            .prop_map(|piece| piece.as_bytes().to_vec()),
            prop::collection::vec(any::<u8>(), 0..8),
        ];
        prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_octets_as_a_table(kind in 0..5_u8, rest in pieces()) {
            fuzz_table(&[vec![kind], rest].concat());
        }

        #[test]
        fn any_octets_as_a_message(octets in pieces()) {
            fuzz_checks(&octets);
        }
    }

    #[test]
    fn addresses_in_addresses() {
        for octets in
            ["<Postmaster>", "<a%b@example.com>", "<\"a@localhost\"@example.com>", "<a@b.test>", "", "<>"]
        {
            fuzz_recipient(octets.as_bytes());
        }
    }
}

//! The parameters of MAIL and RCPT: what is written reads back as the same, for every value there is of the small
//! ones and many of the others; and reading them costs no memory beyond the address.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use proptest::prelude::*;
use proto_core::UnixTime;
use smtp_proto::command::{Grammar, mail};
use smtp_proto::parameter::{
    BodyKind, ByMode, DateTime, DeliverBy, EnvelopeId, Extensions, Hold, HoldSeconds, MailParameters, Notify,
    OriginalRecipient, Priority, RcptParameters, Ret, Rrvs, RrvsAction, Submitter,
};
use testkit::alloc::{Counting, measure};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn mail_with(change: impl FnOnce(&mut MailParameters)) -> MailParameters {
    let mut parameters = MailParameters::default();
    change(&mut parameters);
    parameters
}

fn rcpt_with(change: impl FnOnce(&mut RcptParameters)) -> RcptParameters {
    let mut parameters = RcptParameters::default();
    change(&mut parameters);
    parameters
}

fn reads_back(parameters: &MailParameters) {
    let written = parameters.to_string();
    assert!(written.bytes().all(|b| matches!(b, b' '..=b'~')), "{written:?}");
    assert_eq!(
        MailParameters::parse(written.as_bytes(), &Extensions::ALL).as_ref(),
        Ok(parameters),
        "{written}"
    );
}

fn rcpt_reads_back(parameters: &RcptParameters) {
    let written = parameters.to_string();
    assert!(written.bytes().all(|b| matches!(b, b' '..=b'~')), "{written:?}");
    let mut ascii = Extensions::ALL;
    ascii.smtp_utf8 = false;
    assert_eq!(RcptParameters::parse(written.as_bytes(), &ascii).as_ref(), Ok(parameters), "{written}");
    let written = format!("{parameters:#}");
    assert_eq!(
        RcptParameters::parse(written.as_bytes(), &Extensions::ALL).as_ref(),
        Ok(parameters),
        "{written}"
    );
}

#[test]
fn every_value_of_the_small_ones() {
    reads_back(&MailParameters::default());
    for level in i8::MIN..=i8::MAX {
        assert_eq!(Priority::new(level).is_some(), (-9..=9).contains(&level));
        reads_back(&mail_with(|p| p.priority = Priority::new(level)));
    }
    for body in [BodyKind::SevenBit, BodyKind::EightBitMime, BodyKind::BinaryMime] {
        for ret in [None, Some(Ret::Full), Some(Ret::Headers)] {
            for bits in 0..8 {
                reads_back(&mail_with(|p| {
                    p.body = body;
                    p.ret = ret;
                    (p.smtp_utf8, p.require_tls, p.prdr) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
                }));
            }
        }
    }
    for bits in 0..8 {
        let notify = Notify { success: bits & 1 != 0, failure: bits & 2 != 0, delay: bits & 4 != 0 };
        rcpt_reads_back(&rcpt_with(|p| p.notify = Some(notify)));
    }
    // Every octet that xtext may have to encode, and every character that unitext may.
    for octet in b' '..=b'~' {
        let text = format!("x{}", char::from(octet));
        reads_back(&mail_with(|p| p.envid = EnvelopeId::new(text.clone())));
        reads_back(&mail_with(|p| p.auth = Some(Submitter::Mailbox(text.clone()))));
        rcpt_reads_back(&rcpt_with(|p| p.orcpt = OriginalRecipient::new("rfc822", text.clone())));
    }
    for c in ('\0'..=char::MAX).filter(|c| u32::from(*c) < 0x3000 || u32::from(*c) % 0x101 == 0) {
        let orcpt = OriginalRecipient::new("UTF-8", c.to_string());
        assert_eq!(orcpt.is_some(), !c.is_control());
        rcpt_reads_back(&rcpt_with(|p| p.orcpt = orcpt));
    }
}

#[test]
fn the_longest_ones_that_there_may_be() {
    let longest = EnvelopeId::new("+".repeat(33) + "x").unwrap();
    assert_eq!(longest.to_string().len(), EnvelopeId::OCTETS_MAX);
    reads_back(&mail_with(|p| p.envid = Some(longest)));
    assert_eq!(EnvelopeId::new("+".repeat(33) + "xx"), None);
    let room = OriginalRecipient::OCTETS_MAX - "rfc822;".len();
    rcpt_reads_back(&rcpt_with(|p| {
        p.orcpt = Some(OriginalRecipient::new("rfc822", "x".repeat(room)).unwrap())
    }));
    assert_eq!(OriginalRecipient::new("rfc822", "x".repeat(room + 1)), None);
    // In ASCII it takes more than 500 octets, which its limit does not count.
    let wide = OriginalRecipient::new("utf-8", "\u{e9}".repeat(247)).unwrap();
    assert_eq!(format!("{wide:#}").len(), OriginalRecipient::OCTETS_MAX);
    rcpt_reads_back(&rcpt_with(|p| p.orcpt = Some(wide)));
    assert_eq!(OriginalRecipient::new("utf-8", "\u{e9}".repeat(247) + "x"), None);
    for text in ["ENVID=".to_owned() + &"x".repeat(101), "ENVID=".to_owned() + &"+78".repeat(34)] {
        assert!(MailParameters::parse(text.as_bytes(), &Extensions::ALL).is_err(), "{text}");
    }
}

fn date_time() -> impl Strategy<Value = DateTime> {
    // The year 0000 begins at the first, the year 9999 ends with the second.
    (-62_167_219_200..=253_402_300_799_i64).prop_map(|second| DateTime::new(UnixTime(second)).unwrap())
}

fn deliver_by() -> impl Strategy<Value = DeliverBy> {
    let seconds = -DeliverBy::SECONDS_MAX..=DeliverBy::SECONDS_MAX;
    (seconds, any::<bool>(), any::<bool>()).prop_map(|(seconds, notify, trace)| {
        let mode = if notify || seconds <= 0 { ByMode::Notify } else { ByMode::Return };
        DeliverBy::new(seconds, mode, trace).unwrap()
    })
}

fn hold() -> impl Strategy<Value = Hold> {
    prop_oneof![
        (1..=HoldSeconds::MAX.as_u32()).prop_map(|seconds| Hold::For(HoldSeconds::new(seconds).unwrap())),
        date_time().prop_map(Hold::Until),
    ]
}

prop_compose! {
    fn mail_parameters()(
        (size, auth, envid) in (
            prop::option::of(any::<u64>()),
            prop::option::of("[^\\p{Cc}]{1,40}"),
            prop::option::of("[ -~]{1,33}"),
        ),
        (deliver_by, hold, level) in (
            prop::option::of(deliver_by()),
            prop::option::of(hold()),
            prop::option::of(-9..=9_i8),
        ),
        switches in any::<[bool; 4]>(),
    ) -> MailParameters {
        mail_with(|p| {
            p.size = size;
            p.auth = auth.map(|a| if a == "<>" { Submitter::Unknown } else { Submitter::Mailbox(a) });
            p.envid = envid.map(|text| EnvelopeId::new(text).unwrap());
            p.deliver_by = deliver_by;
            p.hold = hold;
            p.priority = level.and_then(Priority::new);
            [p.smtp_utf8, p.require_tls, p.prdr, _] = switches;
            p.ret = switches[3].then_some(Ret::Headers);
        })
    }
}

prop_compose! {
    fn rcpt_parameters()(
        address in prop::option::of("[^\\p{Cc}]{1,60}"),
        since in prop::option::of(date_time()),
        action in prop::sample::select(vec![None, Some(RrvsAction::Continue), Some(RrvsAction::Reject)]),
        notify in prop::option::of(any::<[bool; 3]>()),
    ) -> RcptParameters {
        rcpt_with(|p| {
            p.notify = notify.map(|[success, failure, delay]| Notify { success, failure, delay });
            p.orcpt = address.map(|address| {
                let address_type = if address.is_ascii() { "rfc822" } else { "utf-8" };
                OriginalRecipient::new(address_type, address).unwrap()
            });
            p.rrvs = since.map(|since| Rrvs { since, action });
        })
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(mail in mail_parameters(), rcpt in rcpt_parameters()) {
        reads_back(&mail);
        rcpt_reads_back(&rcpt);
    }
}

#[test]
fn usual_addresses_and_parameters_cost_no_memory() {
    let grammar = Grammar { lenient: true, origin: "mx.test", extensions: Extensions::ALL };
    let allocations = |line: &[u8]| measure(|| mail(line, &grammar).unwrap()).1.allocations;
    assert_eq!(allocations(b"FROM:<alice@example.test>"), 0);
    assert_eq!(allocations(b"FROM:<alice@example.test> SIZE=1000 BODY=8BITMIME RET=FULL ENVID=QQ314159"), 0);
    assert_eq!(
        allocations(b"FROM:<alice@example.test> SIZE=1 BODY=8BITMIME BY=60;R HOLDFOR=1 MT-PRIORITY=1"),
        0
    );
    assert_eq!(allocations(b"FROM:<>"), 0);
    assert_eq!(allocations(b"FROM:<> SIZE=1000 BODY=8BITMIME SMTPUTF8 RET=HDRS"), 0);
    assert_eq!(
        measure(|| RcptParameters::parse(b" NOTIFY=SUCCESS,DELAY", &Extensions::ALL)).1.allocations,
        0
    );
}

//! The parameters of MAIL and RCPT under any octets.

use super::NOW;
use crate::parameter::{DateTime, Extensions, FutureRelease, HoldSeconds, MailParameters, RcptParameters};
use alloc::format;
use alloc::string::ToString;
use proto_core::UnixTime;

/// Reads any octets as parameters, with the extensions that the first two octets choose: what is accepted reads back
/// from its written form, which is ASCII unless UTF-8 was asked for, and means the same whatever else is on offer.
///
/// # Panics
/// When that is not so.
pub fn fuzz_parameters(data: &[u8]) {
    let [one, two, text @ ..] = data else { return };
    let with = chosen_extensions(u16::from_be_bytes([*one, *two]));
    let plain = |written: &str| assert!(written.bytes().all(|b| matches!(b, b' '..=b'~')), "{written:?}");
    if let Ok(parameters) = MailParameters::parse(text, &with) {
        let written = parameters.to_string();
        plain(&written);
        assert_eq!(MailParameters::parse(written.as_bytes(), &with).as_ref(), Ok(&parameters), "{written}");
        assert_eq!(MailParameters::parse(text, &Extensions::ALL), Ok(parameters));
    }
    if let Ok(parameters) = RcptParameters::parse(text, &with) {
        let written = parameters.to_string();
        plain(&written);
        let without_utf8 = Extensions { smtp_utf8: false, ..with };
        assert_eq!(
            RcptParameters::parse(written.as_bytes(), &without_utf8).as_ref(),
            Ok(&parameters),
            "{written}"
        );
        let in_utf8 = format!("{parameters:#}");
        assert!(!in_utf8.chars().any(char::is_control), "{in_utf8:?}");
        assert_eq!(
            RcptParameters::parse(in_utf8.as_bytes(), &Extensions::ALL).as_ref(),
            Ok(&parameters),
            "{in_utf8}"
        );
        assert_eq!(RcptParameters::parse(text, &Extensions::ALL), Ok(parameters));
    }
}

fn chosen_extensions(bits: u16) -> Extensions {
    let on = |bit: u16| bits & (1 << bit) != 0;
    let announced = FutureRelease {
        seconds_max: HoldSeconds::new(86_400).expect("invariant: in range"),
        until_max: DateTime::new(UnixTime(NOW.utc.0 + 86_400)).expect("invariant: in range"),
    };
    Extensions {
        size_max: on(0).then_some(if on(12) { 1000 } else { 0 }),
        eight_bit_mime: on(1),
        binary_mime: on(2),
        auth: on(3),
        smtp_utf8: on(4),
        dsn: on(5),
        require_tls: on(6),
        deliver_by: on(7).then_some(if on(12) { 60 } else { 0 }),
        future_release: if on(12) { Some(announced) } else { Extensions::ALL.future_release }
            .filter(|_| on(8)),
        mt_priority: on(9),
        rrvs: on(10),
        prdr: on(11),
    }
}

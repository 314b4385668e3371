//! What is doubtful in a chain that can be served: clients look at dates and names, and a server that shows it does not.

use rustls::client::verify_server_name;
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error};
use rustls_pki_types::{CertificateDer, ServerName};
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// From how many days before its end on a certificate is said to expire soon. Whoever renews them by a program does so earlier.
const SOON_DAYS: i64 = 14;

const DAY_SECONDS: i64 = 24 * 60 * 60;

/// Something doubtful in a certificate; `Display` gives it as the rest of a sentence about it ("it expired on 2021-01-01: …").
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateDoubt {
    /// It has expired.
    Expired {
        /// Its last day in UTC, as `2021-01-01`.
        on: String,
    },
    /// Its time has not come.
    NotYetValid {
        /// Its first day in UTC.
        before: String,
    },
    /// It expires within two weeks.
    ExpiresSoon {
        /// Its last day in UTC.
        on: String,
        /// How many whole days are left.
        days: i64,
    },
    /// It is for none of the names that clients would look for.
    OtherName {
        /// The first of those.
        wanted: String,
        /// The names that it is for (RFC 9525: those of its subjectAltName alone).
        names: Vec<String>,
    },
}

impl fmt::Display for CertificateDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired { on } => write!(f, "it expired on {on}: clients refuse it"),
            Self::NotYetValid { before } => write!(f, "it is not valid before {before}: clients refuse it"),
            Self::ExpiresSoon { on, days: 1 } => write!(f, "it expires on {on}, in 1 day"),
            Self::ExpiresSoon { on, days } => write!(f, "it expires on {on}, in {days} days"),
            Self::OtherName { wanted, names } if names.is_empty() => {
                write!(f, "it has no subjectAltName, so it is not for {wanted}: clients refuse it")
            }
            Self::OtherName { wanted, names } => {
                write!(f, "it is not for {wanted}, but for {}: clients may refuse it", names.join(", "))
            }
        }
    }
}

/// What is doubtful in a chain, end entity first, at this time, for a server that has these names. With each doubt stands which
/// certificate of the chain it is about; 0 is the server's own, and names are looked for in it alone.
///
/// Names that are neither a DNS name in ASCII nor an address are passed over, and where none is left, so is the certificate's.
pub fn certificate_doubts<'n>(
    chain: &[CertificateDer<'_>],
    names: impl IntoIterator<Item = &'n str>,
    now: SystemTime,
) -> Vec<(usize, CertificateDoubt)> {
    // A clock before 1970 finds none valid yet.
    let now = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
    let of_dates = chain.iter().enumerate().filter_map(|(at, one)| Some((at, of_dates(one, now)?)));
    let of_name = chain.first().and_then(|own| of_name(own, names)).map(|doubt| (0, doubt));
    of_dates.chain(of_name).collect()
}

fn of_dates(certificate: &CertificateDer<'_>, now: i64) -> Option<CertificateDoubt> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let (first, last) = (parsed.validity().not_before, parsed.validity().not_after);
    let on = last.to_datetime().date().to_string();
    if last.timestamp() < now {
        return Some(CertificateDoubt::Expired { on });
    }
    if first.timestamp() > now {
        return Some(CertificateDoubt::NotYetValid { before: first.to_datetime().date().to_string() });
    }
    let days = (last.timestamp() - now) / DAY_SECONDS;
    (days < SOON_DAYS).then_some(CertificateDoubt::ExpiresSoon { on, days })
}

fn of_name<'n>(
    certificate: &CertificateDer<'_>,
    names: impl IntoIterator<Item = &'n str>,
) -> Option<CertificateDoubt> {
    let parsed = ParsedCertificate::try_from(certificate).ok()?;
    let mut doubt = None;
    for wanted in names {
        let Ok(name) = ServerName::try_from(wanted) else { continue };
        match verify_server_name(&parsed, &name) {
            Ok(()) => return None,
            Err(Error::InvalidCertificate(error)) => {
                doubt.get_or_insert_with(|| CertificateDoubt::OtherName {
                    wanted: wanted.to_owned(),
                    names: presented(error),
                });
            }
            Err(_) => {}
        }
    }
    doubt
}

fn presented(error: CertificateError) -> Vec<String> {
    let CertificateError::NotValidForNameContext { presented, .. } = error else { return Vec::new() };
    // They are spelled as `DnsName("mail.example.org")`.
    let name = |told: String| match told.split('"').nth(1) {
        Some(name) => name.to_owned(),
        None => told,
    };
    presented.into_iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use std::time::Duration;

    /// Noon of 1 January 2026.
    const NOW: u64 = 1_767_268_800;

    fn certificate(names: &[&str], from: (i32, u8, u8), to: (i32, u8, u8)) -> CertificateDer<'static> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(from.0, from.1, from.2);
        params.not_after = date_time_ymd(to.0, to.1, to.2);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    fn told(chain: &[CertificateDer<'_>], names: &[&str]) -> Vec<String> {
        let now = UNIX_EPOCH + Duration::from_secs(NOW);
        let doubts = certificate_doubts(chain, names.iter().copied(), now);
        doubts.into_iter().map(|(at, doubt)| format!("{at}: {doubt}")).collect()
    }

    #[test]
    fn dates_of_the_whole_chain() {
        let of = |from, to| certificate(&["mail.a.test"], from, to);
        let (good, old) = (of((2025, 1, 1), (2027, 1, 1)), of((2020, 1, 1), (2021, 1, 1)));
        let names = ["mail.a.test"];
        assert_eq!(told(core::slice::from_ref(&good), &names), [""; 0]);
        assert_eq!(told(&[good, old.clone()], &names), ["1: it expired on 2021-01-01: clients refuse it"]);
        assert_eq!(told(&[old], &names), ["0: it expired on 2021-01-01: clients refuse it"]);
        let future = of((2026, 2, 1), (2027, 1, 1));
        assert_eq!(told(&[future], &names), ["0: it is not valid before 2026-02-01: clients refuse it"]);
        let to = |day| told(&[of((2025, 1, 1), (2026, 1, day))], &names);
        assert_eq!(to(3), ["0: it expires on 2026-01-03, in 1 day"]);
        assert_eq!(to(15), ["0: it expires on 2026-01-15, in 13 days"]);
        assert_eq!(to(16), [""; 0]);
    }

    #[test]
    fn names_that_clients_look_for() {
        let of = |names: &[&str]| [certificate(names, (2025, 1, 1), (2027, 1, 1))];
        assert_eq!(told(&of(&["*.a.test"]), &["mail.a.test"]), [""; 0]);
        assert_eq!(told(&of(&["imap.a.test", "a.test"]), &["mail.a.test", "a.test"]), [""; 0]);
        assert_eq!(told(&of(&["192.0.2.1"]), &["192.0.2.1"]), [""; 0]);
        assert_eq!(told(&of(&["x.test"]), &["m\u{fc}ller.test"]), [""; 0], "not looked at");
        assert_eq!(
            told(&of(&["x.test", "www.x.test"]), &["mail.a.test", "a.test"]),
            ["0: it is not for mail.a.test, but for x.test, www.x.test: clients may refuse it"]
        );
        assert_eq!(
            told(&of(&[]), &["mail.a.test"]),
            ["0: it has no subjectAltName, so it is not for mail.a.test: clients refuse it"]
        );
    }
}

//! A certificate that clients will not take.

use super::Finding;
use crate::config::{Config, TlsSection};
use postroom::tls::{CertificateDoubt, certificate_doubts, load_certificates};
use std::time::SystemTime;

/// What is doubtful in the certificate that is served, which can be read. It reads the file.
pub fn of_certificate(config: &Config, tls: &TlsSection) -> Vec<Finding> {
    // That it cannot be read, a start or a reload has said.
    let chain = load_certificates(&tls.certificate).unwrap_or_default();
    let of_policy = config.policy.value("myhostname");
    let names = [&*config.hostname].into_iter().chain(of_policy);
    let names = names.chain(config.domains.local.iter().map(String::as_str));
    let what_to_do = match config.tls.is_some() {
        true => "",
        false => "; remove the file, and a start makes another one",
    };
    let told = |(at, doubt): (usize, CertificateDoubt)| {
        let file = tls.certificate.display();
        let text = match at {
            0 => format!("{file}: {doubt}{what_to_do}"),
            _ => format!("{file}: the certificate at place {} of the chain: {doubt}{what_to_do}", at + 1),
        };
        match doubt {
            // Of those behind it, a client may have others that are good.
            CertificateDoubt::Expired { .. } | CertificateDoubt::NotYetValid { .. } if at == 0 => {
                Finding::error(text)
            }
            _ => Finding::warning(text),
        }
    };
    certificate_doubts(&chain, names, SystemTime::now()).into_iter().map(told).collect()
}

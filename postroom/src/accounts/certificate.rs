//! Who a client certificate says that its holder is.

use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// The names of a certificate's holder by which accounts are found, in its order: the mail addresses of its
/// subjectAltName (RFC 5280), or where it has none, the common names of its subject.
///
/// The certificate must have been verified. What is no certificate names nobody.
pub fn certificate_names(der: &[u8]) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(der) else { return Vec::new() };
    let alternative = certificate.subject_alternative_name().ok().flatten();
    let general = alternative.map(|extension| &extension.value.general_names[..]).unwrap_or_default();
    let addresses = general.iter().filter_map(|name| match name {
        GeneralName::RFC822Name(address) => Some((*address).to_owned()),
        _ => None,
    });
    let addresses: Vec<String> = addresses.collect();
    if !addresses.is_empty() {
        return addresses;
    }
    let common = certificate.subject().iter_common_name();
    common.filter_map(|name| name.as_str().ok()).map(str::to_owned).collect()
}

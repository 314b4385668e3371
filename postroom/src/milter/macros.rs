//! What milters are told beside each step: macros, with the names that Sendmail has for them.
//!
//! # Departures
//! From Postfix: `{client_connections}` is not known here.

use super::list::Milters;
use relay_policy::{NameStatus, Request};
use std::borrow::Cow;

/// What macros are about.
pub(crate) struct Facts<'f> {
    pub(crate) request: &'f Request,
    /// The queue's name for the message, once it has one.
    pub(crate) queue_id: Option<&'f str>,
    /// The sender or the recipient that a step is about, and where its mail would go.
    pub(crate) address: Option<&'f Way>,
}

/// Where mail for an address goes; of a recipient that was refused, why.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Way {
    /// The address, or what the client was told.
    pub(crate) address: String,
    /// The next hop, or the enhanced code of a refusal.
    pub(crate) host: Option<String>,
    /// Who delivers, or `error`.
    pub(crate) mailer: Option<String>,
}

impl Facts<'_> {
    /// A macro by its name, with the braces of those that are longer than a letter.
    pub(super) fn value<'v>(&'v self, milters: &'v Milters, name: &str) -> Option<Cow<'v, str>> {
        let bare = name.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')).unwrap_or(name);
        let known = self.known(milters, bare);
        known.or_else(|| milters.defaults.get(bare).map(|value| value.into()))
    }

    fn known<'v>(&'v self, milters: &'v Milters, name: &str) -> Option<Cow<'v, str>> {
        let r = self.request;
        let client = r.client.to_canonical();
        Some(match name {
            "j" => (&milters.hostname).into(),
            "v" => (&milters.v).into(),
            "i" => self.queue_id?.into(),
            "_" => {
                let forged = match r.client_name == r.reverse_client_name {
                    true => "",
                    false => " (may be forged)",
                };
                format!("{} [{client}]{forged}", r.reverse_client_name).into()
            }
            "daemon_name" => (&milters.daemon_name).into(),
            "daemon_addr" => r.server?.ip().to_canonical().to_string().into(),
            "daemon_port" => r.server?.port().to_string().into(),
            "client_addr" => client.to_string().into(),
            "client_name" => (&r.client_name).into(),
            "client_port" => r.client_port?.to_string().into(),
            "client_ptr" => (&r.reverse_client_name).into(),
            "client_resolve" => match r.client_name_status {
                NameStatus::Ok => "OK",
                NameStatus::Temporary => "TEMP",
                NameStatus::Forged => "FORGED",
                NameStatus::Permanent => "FAIL",
            }
            .into(),
            "auth_authen" => r.login.as_deref()?.into(),
            "auth_author" => r.sasl_sender.as_deref()?.into(),
            "auth_type" => r.sasl_method?.into(),
            "tls_version" => (&r.tls.as_ref()?.version).into(),
            "cipher" => (&r.tls.as_ref()?.cipher).into(),
            "cipher_bits" => bits(&r.tls.as_ref()?.cipher)?.into(),
            "cert_subject" => (&r.client_certificate.as_ref()?.subject).into(),
            "cert_issuer" => (&r.client_certificate.as_ref()?.issuer).into(),
            "mail_addr" | "rcpt_addr" => (&self.address?.address).into(),
            "mail_host" | "rcpt_host" => self.address?.host.as_deref()?.into(),
            "mail_mailer" | "rcpt_mailer" => self.address?.mailer.as_deref()?.into(),
            _ => return None,
        })
    }
}

/// The bits of a cipher's key.
fn bits(cipher: &str) -> Option<&'static str> {
    let has = |name: &&str| cipher.contains(*name);
    if ["AES_256", "CHACHA20"].iter().any(has) {
        return Some("256");
    }
    cipher.contains("AES_128").then_some("128")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bits_of_ciphers_that_there_are() {
        for (cipher, expected) in [
            ("TLS13_AES_256_GCM_SHA384", Some("256")),
            ("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", Some("256")),
            ("TLS_AES_128_GCM_SHA256", Some("128")),
            ("TLS_NULL", None),
        ] {
            assert_eq!(bits(cipher), expected, "{cipher}");
        }
    }
}

//! `check_policy_service`: another program says what is to be done (Postfix's policy delegation protocol).
//!
//! # Departures
//! From Postfix: `stress`, `tls_sni`, `compatibility_level` and `mail_version` are left out, since there is nothing to tell; the
//! names in a certificate are told as they are, without escapes.

use super::action::Entry;
use super::log::state;
use super::probe::{Checked, Probe};
use crate::address::Address;
use crate::delegation::{self, Attributes};
use crate::greylist;
use crate::parameters::time;
use crate::question::{Answer, PolicyService, Question};
use crate::request::Stage;
use crate::words::{in_braces, is_table, words};
use proto_core::address::Mailbox;

/// A policy service, and what concerns what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delegate {
    service: PolicyService,
    default_action: Option<String>,
    policy_context: Option<String>,
}

impl Delegate {
    /// Reads `transport:server` or `greylist:`, or `{ transport:server, name=value, { name = more words } }`.
    pub(crate) fn read(written: &str) -> Result<Self, String> {
        let mut delegate = Self {
            service: PolicyService { server: written.into(), options: Vec::new() },
            default_action: None,
            policy_context: None,
        };
        let Some(inner) = in_braces(written) else { return Ok(delegate) };
        let mut parts = words(inner).into_iter();
        let server = parts.next().filter(|server| is_service(server));
        delegate.service.server = server.ok_or("expected { transport:server, name=value }")?.into();
        for part in parts {
            let part = in_braces(part).unwrap_or(part);
            let (name, value) = part.split_once('=').ok_or_else(|| format!("{part}: expected name=value"))?;
            let (name, value) = (name.trim(), value.trim().to_string());
            match name {
                "default_action" if value.is_empty() => {
                    return Err("default_action: expected an action, such as DUNNO or 451 4.3.5 text".into());
                }
                "default_action" => delegate.default_action = Some(value),
                "policy_context" => delegate.policy_context = Some(value),
                "timeout" | "max_idle" | "max_ttl" | "retry_delay" if time(&value).is_none() => {
                    return Err(format!("{name} = {value}: expected a time as 100s"));
                }
                "request_limit" | "try_limit" if value.parse::<usize>().is_err() => {
                    return Err(format!("{name} = {value}: expected a number"));
                }
                "timeout" | "max_idle" | "max_ttl" | "request_limit" | "try_limit" | "retry_delay" => {
                    delegate.service.options.push((name.into(), value));
                }
                _ => return Err(format!("{name}: no option of a policy service has this name")),
            }
        }
        Ok(delegate)
    }
}

/// Whether a word names a policy service.
pub(crate) fn is_service(word: &str) -> bool {
    is_table(word) || word == greylist::SERVICE
}

impl Probe<'_> {
    pub(crate) fn delegated(&mut self, delegate: &Delegate) -> Checked {
        let Delegate { service, default_action, policy_context } = delegate;
        let parameters = self.parameters();
        let context = policy_context.as_ref().unwrap_or(&parameters.smtpd_policy_service_policy_context);
        let attributes = self.attributes(context);
        let action = match self.ask(Question::Policy { service: service.clone(), attributes })? {
            // One that says nothing has not answered.
            Answer::Action(action) if !action.trim().is_empty() => action,
            _ => {
                self.log.warn(format!("problem talking to server {}", service.server));
                default_action.as_ref().unwrap_or(&parameters.smtpd_policy_service_default_action)
            }
        };
        self.note(format_args!("{}: {action}", service.server));
        let entry = Entry { table: &service.server, key: "policy query", text: action.trim() };
        self.act(&entry, self.context)
    }

    fn attributes(&self, policy_context: &str) -> Attributes {
        let request = self.request;
        let internal = |mailbox: Option<&Mailbox>| match mailbox {
            Some(mailbox) if mailbox.is_completed() => mailbox.local_part().as_str().to_string(),
            Some(mailbox) => Address::from(mailbox).as_str().to_string(),
            None => String::new(),
        };
        let counted = matches!(self.stage, Stage::Data | Stage::EndOfMessage);
        let node = if let Stage::Etrn(node) = self.stage { node } else { "" };
        let (protocol, cipher) =
            request.tls.as_ref().map_or(("", ""), |tls| (tls.version.as_str(), tls.cipher.as_str()));
        let (server_address, server_port) = request
            .server
            .map(|server| (server.ip().to_canonical().to_string(), server.port().to_string()))
            .unwrap_or_default();
        let certificate = request.client_certificate.clone().unwrap_or_default();
        let mut attributes = delegation::question();
        for (name, value) in [
            ("protocol_state", state(self.stage, request.esmtp)),
            ("protocol_name", if request.esmtp { "ESMTP" } else { "SMTP" }),
            ("client_address", &request.client.to_canonical().to_string()),
            ("client_name", &request.client_name),
            ("client_port", &request.client_port.map(|port| port.to_string()).unwrap_or_default()),
            ("reverse_client_name", &request.reverse_client_name),
            ("server_address", &server_address),
            ("server_port", &server_port),
            ("helo_name", request.helo.as_deref().unwrap_or_default()),
            ("sender", &internal(self.sender())),
            ("recipient", &internal(self.recipient())),
            ("recipient_count", &if counted { request.recipient_count } else { 0 }.to_string()),
            ("queue_id", request.queue_id.as_deref().unwrap_or_default()),
            ("instance", &request.instance),
            ("size", &request.size_bytes.to_string()),
            ("etrn_domain", node),
            ("sasl_method", request.sasl_method.unwrap_or_default()),
            ("sasl_username", request.login.as_deref().unwrap_or_default()),
            ("sasl_sender", request.sasl_sender.as_deref().unwrap_or_default()),
            ("ccert_subject", if certificate.is_verified { &certificate.subject } else { "" }),
            ("ccert_issuer", if certificate.is_verified { &certificate.issuer } else { "" }),
            ("ccert_fingerprint", &certificate.fingerprint),
            ("ccert_pubkey_fingerprint", &certificate.public_key_fingerprint),
            ("encryption_protocol", protocol),
            ("encryption_cipher", cipher),
            ("encryption_keysize", key_bits(cipher)),
            ("policy_context", policy_context),
        ] {
            // What cannot be sent (a line break in a name that the client chose) is what the service need not know.
            let _ = attributes.set(name, value);
        }
        attributes
    }
}

/// The bits of a cipher's key, by its name.
fn key_bits(cipher: &str) -> &'static str {
    if cipher.contains("AES_256") || cipher.contains("CHACHA20") {
        "256"
    } else if cipher.contains("AES_128") {
        "128"
    } else {
        "0"
    }
}

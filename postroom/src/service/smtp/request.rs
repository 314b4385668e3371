//! What policy is told of a session, and of the message under way.

use crate::session::Session;
use proto_core::TlsInfo;
use proto_core::address::ForwardPath;
use relay_policy::access::Latches;
use relay_policy::{ClientCertificate, NameStatus, Request};
use sha2::{Digest as _, Sha256};
use smtp_proto::parameter::Submitter;
use smtp_proto::server::{Hello, Mail, Peer};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use x509_parser::prelude::{FromDer as _, X509Certificate, X509Name};

/// A session that has only begun, of a listener that offers logins or none.
pub(super) fn begun(session: &Session, login_is_offered: bool) -> Request {
    let mut request = Request::new(address(session.client));
    request.login_is_offered = login_is_offered;
    request
}

/// The client is whoever it is at first, or whom XCLIENT says it speaks for. A certificate is its own alone.
pub(super) fn meet(request: &mut Request, peer: &Peer) {
    let client = address(peer.address);
    let certificate = request.client_certificate.take().filter(|_| request.client == client);
    let (tls, login_is_offered) = (request.tls.take(), request.login_is_offered);
    *request = Request::new(client);
    request.login_is_offered = login_is_offered;
    (request.tls, request.client_certificate) = (tls, certificate);
    request.login.clone_from(&peer.login);
    request.client_port = peer.port;
    request.server = peer.destination.zip(peer.destination_port).map(SocketAddr::from);
    if let Some(name) = &peer.name {
        name.clone_into(&mut request.client_name);
        name.clone_into(&mut request.reverse_client_name);
        (request.client_name_status, request.reverse_client_name_status) = (NameStatus::Ok, NameStatus::Ok);
    } else if peer.name_lookup_failed {
        (request.client_name_status, request.reverse_client_name_status) =
            (NameStatus::Temporary, NameStatus::Temporary);
    }
    if let Some(name) = &peer.reverse_name {
        name.clone_into(&mut request.reverse_client_name);
        request.reverse_client_name_status = NameStatus::Ok;
    } else if peer.reverse_name_lookup_failed {
        request.reverse_client_name_status = NameStatus::Temporary;
    }
}

/// TLS has begun: what was learned before it is forgotten (RFC 3207 section 4.2), but for where the client is.
pub(crate) fn secured(request: &mut Request, info: &TlsInfo) {
    let mut fresh = Request::new(request.client);
    fresh.client_name = std::mem::take(&mut request.client_name);
    fresh.client_name_status = request.client_name_status;
    fresh.reverse_client_name = std::mem::take(&mut request.reverse_client_name);
    fresh.reverse_client_name_status = request.reverse_client_name_status;
    (fresh.client_port, fresh.server) = (request.client_port, request.server);
    fresh.improper_pipelining = request.improper_pipelining;
    fresh.login_is_offered = request.login_is_offered;
    fresh.client_certificate = info.peer_certificate.as_deref().and_then(certificate);
    fresh.tls = Some(info.clone());
    // The connection was judged without TLS, and is not judged again.
    fresh.latches = std::mem::take(&mut request.latches);
    *request = fresh;
}

/// HELO or EHLO.
pub(super) fn hello(request: &mut Request, hello: &Hello) {
    request.helo = Some(hello.name.to_string());
    request.esmtp = hello.extended;
}

/// MAIL: a message begins, which has this name.
pub(super) fn mail(request: &mut Request, mail: &Mail, instance: String) {
    without_message(request);
    request.sender = Some(mail.reverse_path.clone());
    request.size_bytes = mail.parameters.size.unwrap_or(0);
    request.sasl_sender = match &mail.parameters.auth {
        Some(Submitter::Mailbox(mailbox)) => Some(mailbox.clone()),
        _ => None,
    };
    request.instance = instance;
}

/// RCPT was accepted.
pub(super) fn recipient(request: &mut Request, recipient: &ForwardPath) {
    if request.recipient_count == 0 {
        request.recipient = Some(recipient.clone());
    }
    request.recipient_count += 1;
}

/// The message is over, or its place is taken by the next.
pub(super) fn without_message(request: &mut Request) {
    (request.sender, request.sasl_sender, request.recipient) = (None, None, None);
    (request.recipient_count, request.size_bytes, request.discarded) = (0, 0, false);
    request.queue_id = None;
    request.instance = String::new();
    if request.latches != Latches::default() {
        request.latches = request.latches.without_message();
    }
}

/// The address that policy knows a client by. One whose address is not known is in nobody's networks.
pub(super) fn address(known: Option<IpAddr>) -> IpAddr {
    known.map_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED), |address| address.to_canonical())
}

/// What a certificate says that the driver has verified. Fingerprints are by SHA-256
/// (`smtpd_tls_fingerprint_digest = sha256`).
fn certificate(der: &[u8]) -> Option<ClientCertificate> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let common_name = |name: &X509Name<'_>| {
        let name = name.iter_common_name().find_map(|name| name.as_str().ok());
        name.unwrap_or_default().to_owned()
    };
    let fingerprint = |octets: &[u8]| {
        let digest = Sha256::digest(octets);
        digest.iter().map(|octet| format!("{octet:02X}")).collect::<Vec<_>>().join(":")
    };
    Some(ClientCertificate {
        is_verified: true,
        subject: common_name(certificate.subject()),
        issuer: common_name(certificate.issuer()),
        fingerprint: fingerprint(der),
        public_key_fingerprint: fingerprint(certificate.public_key().raw),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_by_its_names_and_digests() {
        let key = rcgen::KeyPair::generate().unwrap();
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "client.test");
        let own = parameters.self_signed(&key).unwrap();
        let told = certificate(own.der()).unwrap();
        assert_eq!((&*told.subject, &*told.issuer), ("client.test", "client.test"));
        assert!(told.is_verified && told.fingerprint != told.public_key_fingerprint);
        assert_eq!((told.fingerprint.len(), told.fingerprint.matches(':').count()), (95, 31));
        assert_eq!(certificate(b"no certificate"), None);
    }
}

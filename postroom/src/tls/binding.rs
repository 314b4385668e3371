//! Channel bindings: what ties a login to the TLS connection it came over.
//!
//! * `tls-exporter`, RFC 9266: 32 octets that only the two ends of this connection can compute.
//! * `tls-server-end-point`, RFC 5929 section 4: a hash of the certificate that this server showed.
//!
//! Both are secret to nobody who sits at an end of the connection; that is what they are for.
//!
//! # Departures
//! `tls-exporter` over TLS 1.2 is given only where the configuration has `require_ems` set: RFC 9266 wants the extended
//! master secret (RFC 7627) there, and whether a connection used it cannot be asked otherwise.

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ProtocolVersion, ServerConfig, ServerConnection};
use rustls_pki_types::CertificateDer;
use sha2::{Digest as _, Sha224, Sha256, Sha384, Sha512};
use std::sync::{Arc, OnceLock};
use x509_parser::oid_registry::{self as oid, Oid};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::signature_algorithm::SignatureAlgorithm;

/// RFC 9266: the exporter's label; its context is empty and present.
const EXPORTER_LABEL: &[u8] = b"EXPORTER-Channel-Binding";

/// What it exports, in octets (RFC 9266).
const EXPORTER_BYTES: usize = 32;

/// The `tls-exporter` binding of a connection whose handshake is done.
pub(super) fn exporter(connection: &ServerConnection, require_ems: bool) -> Option<Vec<u8>> {
    let unique = match connection.protocol_version()? {
        ProtocolVersion::TLSv1_3 => true,
        ProtocolVersion::TLSv1_2 => require_ems,
        _ => false,
    };
    if !unique {
        return None;
    }
    connection.export_keying_material(vec![0; EXPORTER_BYTES], EXPORTER_LABEL, Some(&[])).ok()
}

/// The `tls-server-end-point` binding of a server that shows this certificate, RFC 5929 section 4.1: its hash by the
/// function that its own signature uses, SHA-256 where that is MD5 or SHA-1.
///
/// `None` for a signature with no hash function of its own (Ed25519) or with one that is not known here: the binding is
/// undefined for the first.
pub fn server_end_point(certificate: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let named = &parsed.signature_algorithm;
    let parameters = SignatureAlgorithm::try_from(named).ok()?;
    let decides = match &parameters {
        SignatureAlgorithm::RSASSA_PSS(parameters) => parameters.hash_algorithm_oid(),
        _ => &named.algorithm,
    };
    let (_, hash) = HASHES.into_iter().find(|(known, _)| known == decides)?;
    Some(hash.digest(certificate))
}

#[derive(Clone, Copy)]
enum Hash {
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

/// The algorithms by which certificates are signed, and the hash functions that RSASSA-PSS names in its parameters
/// (RFC 8017). What is MD5 or SHA-1 becomes SHA-256.
const HASHES: [(Oid<'static>, Hash); 15] = [
    (oid::OID_PKCS1_MD5WITHRSAENC, Hash::Sha256),
    (oid::OID_PKCS1_SHA1WITHRSA, Hash::Sha256),
    (oid::OID_PKCS1_SHA224WITHRSA, Hash::Sha224),
    (oid::OID_PKCS1_SHA256WITHRSA, Hash::Sha256),
    (oid::OID_PKCS1_SHA384WITHRSA, Hash::Sha384),
    (oid::OID_PKCS1_SHA512WITHRSA, Hash::Sha512),
    (oid::OID_SIG_ECDSA_WITH_SHA224, Hash::Sha224),
    (oid::OID_SIG_ECDSA_WITH_SHA256, Hash::Sha256),
    (oid::OID_SIG_ECDSA_WITH_SHA384, Hash::Sha384),
    (oid::OID_SIG_ECDSA_WITH_SHA512, Hash::Sha512),
    (oid::OID_SHA1_WITH_RSA, Hash::Sha256),
    (oid::OID_HASH_SHA1, Hash::Sha256),
    (oid::OID_NIST_HASH_SHA256, Hash::Sha256),
    (oid::OID_NIST_HASH_SHA384, Hash::Sha384),
    (oid::OID_NIST_HASH_SHA512, Hash::Sha512),
];

impl Hash {
    fn digest(self, octets: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha224 => Sha224::digest(octets).to_vec(),
            Self::Sha256 => Sha256::digest(octets).to_vec(),
            Self::Sha384 => Sha384::digest(octets).to_vec(),
            Self::Sha512 => Sha512::digest(octets).to_vec(),
        }
    }
}

/// Passes a question for the certificate on, and remembers the answer: which of several was shown, only the handshake
/// itself knows.
#[derive(Debug)]
pub(crate) struct Shown {
    from: Arc<dyn ResolvesServerCert>,
    end_entity: OnceLock<CertificateDer<'static>>,
}

impl Shown {
    /// The configuration for one handshake, and what will tell of it.
    pub(crate) fn watching(config: &ServerConfig) -> (ServerConfig, Arc<Self>) {
        let from = Arc::clone(&config.cert_resolver);
        let shown = Arc::new(Self { from, end_entity: OnceLock::new() });
        let mut watched = config.clone();
        watched.cert_resolver = Arc::clone(&shown) as Arc<dyn ResolvesServerCert>;
        (watched, shown)
    }

    /// The server's certificate in this handshake. A resumed session had the one that the same resolver gives for the
    /// same name: a configuration with other certificates keeps its own sessions.
    pub(super) fn end_entity(&self) -> Option<&CertificateDer<'static>> {
        self.end_entity.get()
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, client_hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let key = self.from.resolve(client_hello)?;
        if let Ok(end_entity) = key.end_entity_cert() {
            let _ = self.end_entity.set(end_entity.clone().into_owned());
        }
        Some(key)
    }

    fn only_raw_public_keys(&self) -> bool {
        self.from.only_raw_public_keys()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    fn signed_with(algorithm: &'static rcgen::SignatureAlgorithm) -> CertificateDer<'static> {
        let key = KeyPair::generate_for(algorithm).unwrap();
        let parameters = CertificateParams::new(["mail.example.test".to_owned()]).unwrap();
        parameters.self_signed(&key).unwrap().der().clone()
    }

    #[test]
    fn the_hash_is_that_of_the_signature() {
        let p256 = signed_with(&rcgen::PKCS_ECDSA_P256_SHA256);
        assert_eq!(server_end_point(&p256), Some(Sha256::digest(&p256).to_vec()));
        let p384 = signed_with(&rcgen::PKCS_ECDSA_P384_SHA384);
        assert_eq!(server_end_point(&p384), Some(Sha384::digest(&p384).to_vec()));
    }

    #[test]
    fn a_signature_without_a_hash_has_no_binding() {
        assert_eq!(server_end_point(&signed_with(&rcgen::PKCS_ED25519)), None);
        assert_eq!(server_end_point(&CertificateDer::from(b"no certificate".to_vec())), None);
    }

    #[test]
    fn rsa_by_every_hash() {
        for (pem, hash) in RSA {
            let certificate =
                <CertificateDer<'_> as rustls_pki_types::pem::PemObject>::from_pem_slice(pem).unwrap();
            assert_eq!(server_end_point(&certificate), Some(hash(&certificate)));
        }
    }

    type Digester = fn(&[u8]) -> Vec<u8>;

    /// Made by `openssl req -x509 -newkey rsa:1024 -<hash>`, the last with `-sigopt rsa_padding_mode:pss`.
    const RSA: [(&[u8], Digester); 5] = [
        (include_bytes!("testdata/rsa-sha1.pem"), |octets| Sha256::digest(octets).to_vec()),
        (include_bytes!("testdata/rsa-sha224.pem"), |octets| Sha224::digest(octets).to_vec()),
        (include_bytes!("testdata/rsa-sha384.pem"), |octets| Sha384::digest(octets).to_vec()),
        (include_bytes!("testdata/rsa-sha512.pem"), |octets| Sha512::digest(octets).to_vec()),
        (include_bytes!("testdata/rsa-pss-sha384.pem"), |octets| Sha384::digest(octets).to_vec()),
    ];
}

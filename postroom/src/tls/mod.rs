//! TLS for listeners: the certificate, client certificates, what a handshake told, reload.
//!
//! Every `rustls` configuration names the ring provider, so that nothing depends on a process-wide default. The
//! protocol versions are 1.2 and 1.3 (RFC 8314 section 4.1 asks for 1.2 at least; RFC 8996 forbids older ones).

mod binding;
mod client;
mod doubts;
mod pem;

pub(crate) use binding::Shown;
pub use binding::server_end_point;
pub(crate) use client::ClientTrust;
pub use client::{ClientCertificates, ClientCertificatesError};
pub use doubts::{CertificateDoubt, certificate_doubts};
pub use pem::{TlsFileError, load, load_certificates};

use arc_swap::ArcSwap;
use proto_core::TlsInfo;
use rustls::crypto::CryptoProvider;
use rustls::{HandshakeKind, ProtocolVersion, ServerConfig, ServerConnection, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;

/// The certificate of a server, in one place that a reload replaces: sessions that begin later use the new one.
#[derive(Debug, Clone)]
pub struct Certificate(Arc<ArcSwap<ServerConfig>>);

impl Certificate {
    /// A chain, end entity first, and its key.
    ///
    /// # Errors
    /// When key and certificate do not belong together, or the key is of an unknown kind.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, rustls::Error> {
        Ok(Self(Arc::new(ArcSwap::from_pointee(server_config(chain, key)?))))
    }

    /// Puts a new chain and key in place; on an error the old ones stay.
    ///
    /// # Errors
    /// As [`Certificate::new`].
    pub fn replace(
        &self,
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<(), rustls::Error> {
        self.0.store(Arc::new(server_config(chain, key)?));
        Ok(())
    }

    /// Puts the chain and key of `other` in place, for all clones of this one.
    pub fn replace_with(&self, other: &Certificate) {
        self.0.store(other.server_config());
    }

    /// What a handshake that begins now uses.
    pub fn server_config(&self) -> Arc<ServerConfig> {
        self.0.load_full()
    }
}

const PROTOCOL_VERSIONS: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn server_config(
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(PROTOCOL_VERSIONS)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
}

/// What a finished handshake tells the machines. `shown` saw which certificate was given.
pub(crate) fn info(connection: &ServerConnection, shown: &Shown, require_ems: bool) -> TlsInfo {
    let mut info = TlsInfo::default();
    info.version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => "TLSv1.3".into(),
        Some(ProtocolVersion::TLSv1_2) => "TLSv1.2".into(),
        other => format!("{other:?}"),
    };
    if let Some(suite) = connection.negotiated_cipher_suite() {
        // rustls spells the suites of TLS 1.3 with the version inside; IANA does not.
        info.cipher = format!("{:?}", suite.suite()).replacen("TLS13_", "TLS_", 1);
    }
    info.server_name = connection.server_name().map(str::to_owned);
    info.is_resumed = connection.handshake_kind() == Some(HandshakeKind::Resumed);
    info.exporter = binding::exporter(connection, require_ems);
    info.server_end_point = shown.end_entity().and_then(server_end_point);
    // Only one that the configuration's verifier believed comes this far.
    info.peer_certificate =
        connection.peer_certificates().and_then(|chain| Some(chain.first()?.as_ref().to_vec()));
    info
}

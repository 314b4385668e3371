//! Certificates that clients show: whose are believed, and whether one is needed.
//!
//! A client that shows one proves in the handshake that it holds the key (RFC 8446). Who that is, the
//! directory says, when the client asks for the EXTERNAL mechanism (RFC 4422 appendix A).
//!
//! # Departures
//! A certificate that does not verify ends the handshake also where none is needed: there is no login by it anyway, and
//! a client that goes on without would not know that it was not believed.

use super::{Certificate, PROTOCOL_VERSIONS, provider};
use arc_swap::ArcSwapOption;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::CertificateDer;
use std::sync::Arc;

/// What a listener wants of its clients' certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificates {
    /// The authorities that are believed; a self-signed certificate is its own.
    pub authorities: Vec<CertificateDer<'static>>,
    /// Whether a client without one is turned away.
    pub required: bool,
}

/// Why client certificates cannot be checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the authorities of client certificates cannot be used: {0}")]
pub struct ClientCertificatesError(String);

/// [`ClientCertificates`], ready for handshakes.
#[derive(Debug)]
pub(crate) struct ClientTrust {
    verifier: Arc<dyn ClientCertVerifier>,
    /// The configuration that was made last, and from which one. It is kept as long as the server's certificate is,
    /// because sessions to be resumed are kept in it.
    made: ArcSwapOption<(Arc<ServerConfig>, Arc<ServerConfig>)>,
}

impl ClientTrust {
    pub(crate) fn new(wanted: &ClientCertificates) -> Result<Self, ClientCertificatesError> {
        let mut roots = RootCertStore::empty();
        for authority in &wanted.authorities {
            roots.add(authority.clone()).map_err(|error| ClientCertificatesError(error.to_string()))?;
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        let builder = if wanted.required { builder } else { builder.allow_unauthenticated() };
        let verifier = builder.build().map_err(|error| ClientCertificatesError(error.to_string()))?;
        Ok(Self { verifier, made: ArcSwapOption::empty() })
    }

    /// What a handshake that begins now uses.
    pub(crate) fn server_config(&self, certificate: &Certificate) -> Arc<ServerConfig> {
        let from = certificate.server_config();
        if let Some(made) = &*self.made.load()
            && Arc::ptr_eq(&made.0, &from)
        {
            return Arc::clone(&made.1);
        }
        let config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(PROTOCOL_VERSIONS)
            .expect("invariant: the provider has suites for both versions")
            .with_client_cert_verifier(Arc::clone(&self.verifier))
            .with_cert_resolver(Arc::clone(&from.cert_resolver));
        let config = Arc::new(config);
        self.made.store(Some(Arc::new((from, Arc::clone(&config)))));
        config
    }
}

//! An authority that signs certificates for servers and clients, and clients that believe it.

use postroom::tls::Certificate;
use rcgen::{CertificateParams, CertifiedIssuer, DnType, KeyPair, SanType};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Whose client certificate the tests show.
pub const CLIENT_NAME: &str = "alice@example.test";

/// A chain and its key.
pub type Identity = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new() -> Self {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, "Test authority");
        Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap())
    }

    pub fn root(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    /// The same, as programs read it.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    fn sign(&self, parameters: CertificateParams) -> Identity {
        let key = KeyPair::generate().unwrap();
        let signed = parameters.signed_by(&key, &self.0).unwrap();
        (vec![signed.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }

    fn for_server(&self, names: &[&str]) -> Identity {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        self.sign(CertificateParams::new(names).unwrap())
    }

    /// A server's certificate for these names.
    pub fn server(&self, names: &[&str]) -> Certificate {
        let (chain, key) = self.for_server(names);
        Certificate::new(chain, key).unwrap()
    }

    /// The same as a resolver gives it.
    pub fn certified(&self, names: &[&str]) -> Arc<CertifiedKey> {
        let (chain, key) = self.for_server(names);
        let key = rustls::crypto::ring::sign::any_supported_type(&key).unwrap();
        Arc::new(CertifiedKey::new(chain, key))
    }

    /// A client's certificate with this mail address in its subjectAltName.
    pub fn client(&self, address: &str) -> Identity {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.subject_alt_names.push(SanType::Rfc822Name(address.try_into().unwrap()));
        self.sign(parameters)
    }
}

/// A client that believes the authority, speaks these versions and shows this certificate when it is asked.
pub fn client_config(
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
    identity: Option<Identity>,
) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.root()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    Arc::new(match identity {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
        None => builder.with_no_client_auth(),
    })
}

/// The client's side of a handshake.
pub async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    config: &Arc<ClientConfig>,
    name: &'static str,
    stream: S,
) -> std::io::Result<TlsStream<S>> {
    TlsConnector::from(Arc::clone(config)).connect(ServerName::try_from(name).unwrap(), stream).await
}

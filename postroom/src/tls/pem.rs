//! Certificate and key from PEM files, with errors that say which file and what to do.

use super::Certificate;
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use x509_parser::prelude::{FromDer as _, X509Certificate, X509Version};

/// Why certificate or key could not be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsFileError {
    /// A file cannot be read.
    #[error("{path}: {error}; check that the file exists and that this user may read it", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// A file is no PEM, or holds nothing of the kind.
    #[error("{path}: {what}", path = .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong and what is wanted.
        what: String,
    },
    /// The two files do not fit.
    #[error(
        "{certificate} and {key}: {error}; the first certificate must be the one that this key belongs to",
        certificate = .certificate.display(), key = .key.display()
    )]
    Mismatch {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
        /// What the TLS library said.
        error: rustls::Error,
    },
    /// The TLS library takes one of them not, or not for a server.
    #[error("{certificate} and {key}: {error}", certificate = .certificate.display(), key = .key.display())]
    Unusable {
        /// The certificate file.
        certificate: PathBuf,
        /// The key file.
        key: PathBuf,
        /// What the TLS library said.
        error: rustls::Error,
    },
}

/// Loads a PEM chain (end entity first) and its PEM key (PKCS#8, PKCS#1 or SEC1).
///
/// # Errors
/// [`TlsFileError`], naming the file.
pub fn load(certificate: &Path, key: &Path) -> Result<Certificate, TlsFileError> {
    let chain = load_certificates(certificate)?;
    let private =
        PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| content(key, &error, "private key"))?;
    let version = chain.first().and_then(|own| Some(X509Certificate::from_der(own).ok()?.1.version()));
    if let Some(old) = version.filter(|version| *version != X509Version::V3) {
        let what = format!(
            "a certificate of version {}, which TLS libraries take no more; make one of version 3, which one with a \
             subjectAltName is (`openssl req -x509 -addext subjectAltName=DNS:NAME`)",
            old.0 + 1
        );
        return Err(TlsFileError::Content { path: certificate.into(), what });
    }
    Certificate::new(chain, private).map_err(|error| {
        let (certificate, key) = (certificate.into(), key.into());
        match error {
            rustls::Error::InconsistentKeys(_) => TlsFileError::Mismatch { certificate, key, error },
            _ => TlsFileError::Unusable { certificate, key, error },
        }
    })
}

/// Loads PEM certificates, at least one: a chain, or the authorities of [`ClientCertificates`](super::ClientCertificates).
///
/// # Errors
/// [`TlsFileError`], naming the file.
pub fn load_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsFileError> {
    let found = CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| content(path, &error, "certificate"))?;
    if found.is_empty() { Err(content(path, &pem::Error::NoItemsFound, "certificate")) } else { Ok(found) }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsFileError> {
    std::fs::read(path).map_err(|error| TlsFileError::Read { path: path.into(), error })
}

fn content(path: &Path, error: &pem::Error, kind: &str) -> TlsFileError {
    let what = match error {
        pem::Error::NoItemsFound => {
            format!("no {kind} in it; it must hold a PEM block '-----BEGIN {}-----'", kind.to_uppercase())
        }
        other => format!("not a PEM file: {other:?}"),
    };
    TlsFileError::Content { path: path.into(), what }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_the_file_and_what_is_wanted() {
        let dir = tempfile::tempdir().unwrap();
        let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
        let error = |c: &Path, k: &Path| load(c, k).unwrap_err().to_string();
        assert!(error(&cert, &key).contains("cert.pem: "));

        let one = rcgen::generate_simple_self_signed(["mail.example.test".to_owned()]).unwrap();
        let two = rcgen::generate_simple_self_signed(["mail.example.test".to_owned()]).unwrap();
        std::fs::write(&cert, one.cert.pem()).unwrap();
        std::fs::write(&key, "nothing").unwrap();
        assert!(error(&cert, &key).contains("key.pem: no private key in it"));
        std::fs::write(&key, two.signing_key.serialize_pem()).unwrap();
        assert!(error(&cert, &key).contains("must be the one that this key belongs to"));
        std::fs::write(&key, one.signing_key.serialize_pem()).unwrap();
        load(&cert, &key).unwrap();
        std::fs::write(&cert, include_str!("testdata/version-1.pem")).unwrap();
        assert!(error(&cert, &key).contains("cert.pem: a certificate of version 1, "));
        std::fs::write(&cert, "").unwrap();
        assert!(error(&cert, &key).contains("cert.pem: no certificate in it"));
    }
}

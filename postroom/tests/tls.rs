//! What a handshake tells: both ends compute the same channel bindings, and client certificates are told when believed.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::tls::{Authority, CLIENT_NAME, client_config, connect};
use postroom::driver::Stream;
use postroom::tls::{Certificate, server_end_point};
use proto_core::TlsInfo;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ServerConfig, SupportedProtocolVersion};
use std::sync::Arc;
use tokio::io::DuplexStream;
use tokio_rustls::client::TlsStream;

/// A handshake of the two, and what the server learned.
async fn shake(
    server: &Arc<ServerConfig>,
    client: &Arc<ClientConfig>,
    name: &'static str,
) -> std::io::Result<(TlsInfo, TlsStream<DuplexStream>)> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let mut stream = Stream::Plain(far);
    let (info, client) = tokio::join!(stream.accept_tls(Arc::clone(server)), connect(client, name, near));
    Ok((info?, client?))
}

fn exported(client: &TlsStream<DuplexStream>) -> Vec<u8> {
    let (_, connection) = client.get_ref();
    connection.export_keying_material(vec![0; 32], b"EXPORTER-Channel-Binding", Some(&[])).unwrap()
}

fn seen(client: &TlsStream<DuplexStream>) -> Vec<u8> {
    let (_, connection) = client.get_ref();
    server_end_point(&connection.peer_certificates().unwrap()[0]).unwrap()
}

const BOTH: &[&SupportedProtocolVersion] = &[&TLS13, &TLS12];

#[tokio::test]
async fn rfc_9266_both_ends_export_the_same() {
    let authority = Authority::new();
    let server = authority.server(&["mail.example.test"]).server_config();
    let client = client_config(&authority, BOTH, None);
    let (first, near) = shake(&server, &client, "mail.example.test").await.unwrap();
    assert_eq!((&*first.version, first.exporter.as_deref()), ("TLSv1.3", Some(&*exported(&near))));
    let (second, near) = shake(&server, &client, "mail.example.test").await.unwrap();
    assert_eq!(second.exporter.as_deref(), Some(&*exported(&near)));
    assert_ne!(first.exporter, second.exporter, "each connection has its own");
    assert_eq!(first.server_end_point, second.server_end_point);
}

#[tokio::test]
async fn rfc_9266_over_tls_1_2_only_with_the_extended_master_secret() {
    let authority = Authority::new();
    let server = authority.server(&["mail.example.test"]).server_config();
    let client = client_config(&authority, &[&TLS12], None);
    let (info, near) = shake(&server, &client, "mail.example.test").await.unwrap();
    assert_eq!((&*info.version, info.exporter), ("TLSv1.2", None));
    assert_eq!(info.server_end_point, Some(seen(&near)));
    let mut strict = ServerConfig::clone(&server);
    strict.require_ems = true;
    let (info, near) = shake(&Arc::new(strict), &client, "mail.example.test").await.unwrap();
    assert_eq!(info.exporter, Some(exported(&near)));
}

/// Gives each name its own certificate.
#[derive(Debug)]
struct ByName(Vec<(&'static str, Arc<CertifiedKey>)>);

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?;
        self.0.iter().find(|(known, _)| *known == name).map(|(_, key)| Arc::clone(key))
    }
}

#[tokio::test]
async fn rfc_5929_the_end_point_is_the_certificate_that_was_shown() {
    let authority = Authority::new();
    let names = ["one.example.test", "two.example.test"];
    let keys = names.map(|name| (name, authority.certified(&[name])));
    let mut config = ServerConfig::clone(&authority.server(&["x.example.test"]).server_config());
    config.cert_resolver = Arc::new(ByName(keys.to_vec()));
    let server = Arc::new(config);
    for versions in [BOTH, &[&TLS12]] {
        let client = client_config(&authority, versions, None);
        for (name, key) in &keys {
            // The second time the session is resumed, and the binding stays.
            for _ in 0..2 {
                let (info, near) = shake(&server, &client, name).await.unwrap();
                assert_eq!(info.server_name.as_deref(), Some(*name));
                assert_eq!(info.server_end_point, Some(seen(&near)));
                assert_eq!(info.server_end_point, server_end_point(&key.cert[0]));
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_does_not_ask_learns_of_no_client_certificate() {
    let authority = Authority::new();
    let server: Certificate = authority.server(&["mail.example.test"]);
    let client = client_config(&authority, BOTH, Some(authority.client(CLIENT_NAME)));
    let (info, _) = shake(&server.server_config(), &client, "mail.example.test").await.unwrap();
    assert_eq!(info.peer_certificate, None);
}

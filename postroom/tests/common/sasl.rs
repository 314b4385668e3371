//! A login by any mechanism in any protocol: the machine's client side, in the dialogue that the protocol spells.

use super::tls::{Authority, Identity};
use super::tls::{client_config, connect};
use postroom::Server;
use postroom::tls::server_end_point;
use proto_core::sasl::line::{decode, encode, encode_initial};
use proto_core::sasl::{ClientContext, ClientCredentials, ClientExchange, Mechanism, Nonces};
use proto_core::{Secret, TlsInfo};
use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, DuplexStream};
use tokio_rustls::client::TlsStream;

pub const TLS_1_3: &[&SupportedProtocolVersion] = &[&TLS13];
pub const TLS_1_2: &[&SupportedProtocolVersion] = &[&TLS12];

/// The protocols, by the names of their listeners.
pub const PROTOCOLS: [&str; 3] = ["submission", "imap", "pop3"];

/// A stream to the listener of a server.
pub fn plain(server: &Server, listener: &str) -> DuplexStream {
    let (client, stream) = tokio::io::duplex(64 * 1024);
    let peer = SocketAddr::from(([203, 0, 113, 9], 40_002));
    tokio::spawn(server.serve(listener, stream, peer).unwrap());
    client
}

/// A TLS stream to it, and what the client knows of the TLS session.
pub async fn secured(
    server: &Server,
    listener: &str,
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
    identity: Option<Identity>,
) -> std::io::Result<(TlsStream<DuplexStream>, TlsInfo)> {
    let config = client_config(authority, versions, identity);
    let stream = connect(&config, "mail.example.test", plain(server, listener)).await?;
    let info = bindings(&stream);
    Ok((stream, info))
}

/// The channel bindings as a client computes them.
pub fn bindings<S>(stream: &TlsStream<S>) -> TlsInfo {
    let (_, connection) = stream.get_ref();
    let mut info = TlsInfo::default();
    if connection.protocol_version() == Some(rustls::ProtocolVersion::TLSv1_3) {
        info.exporter =
            connection.export_keying_material(vec![0; 32], b"EXPORTER-Channel-Binding", Some(&[])).ok();
    }
    info.server_end_point = server_end_point(&connection.peer_certificates().unwrap()[0]);
    info
}

/// A dialogue after the greeting.
pub struct Dialogue<S> {
    stream: BufReader<S>,
    protocol: &'static str,
    /// What the server offers, in its order.
    pub offered: Vec<Mechanism>,
    /// The lines in which it said so.
    pub capabilities: String,
}

/// How an exchange ended, if not well.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// The server said no; what it said.
    Refused(String),
    /// Our side will have no more of it.
    Stopped,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Dialogue<S> {
    /// Takes the greeting and asks what there is.
    pub async fn begin(stream: S, protocol: &'static str) -> Self {
        let (stream, offered, capabilities) = (BufReader::new(stream), Vec::new(), String::new());
        let mut dialogue = Self { stream, protocol, offered, capabilities };
        dialogue.line().await;
        dialogue.look().await;
        dialogue
    }

    /// Asks what there is.
    async fn look(&mut self) {
        let (command, last): (_, fn(&str) -> bool) = match self.protocol {
            "imap" => ("c CAPABILITY", |line| line.starts_with("c ")),
            "pop3" => ("CAPA", |line| line == "."),
            _ => ("EHLO client.test", |line| line.as_bytes().get(3) == Some(&b' ')),
        };
        self.send(command).await;
        loop {
            let line = self.line().await;
            self.capabilities += &format!("{line}\n");
            let names = match self.protocol {
                "imap" => line.split(' ').filter_map(|word| word.strip_prefix("AUTH=")).collect(),
                "pop3" => {
                    line.strip_prefix("SASL ").map(|list| list.split(' ').collect()).unwrap_or_default()
                }
                _ => {
                    let list = line.get(4..).and_then(|line| line.strip_prefix("AUTH "));
                    list.map(|list| list.split(' ').collect::<Vec<_>>()).unwrap_or_default()
                }
            };
            self.offered.extend(names.iter().map(|name| Mechanism::from_name(name.as_bytes()).unwrap()));
            if last(&line) {
                return;
            }
        }
    }

    pub async fn send(&mut self, line: &str) {
        self.stream.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    pub async fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).await.unwrap();
        line.trim_end().to_owned()
    }

    /// Logs in. `tls` is what the client holds to be the TLS session, `plus` whether it believes that the server offers
    /// a mechanism bound to it.
    pub async fn log_in(
        &mut self,
        mechanism: Mechanism,
        credentials: &ClientCredentials,
        tls: Option<&TlsInfo>,
        plus: bool,
    ) -> Result<(), Ended> {
        let tls = tls.cloned().map(Arc::new);
        let mut nonces = Nonces::once("fyko+d2lbbFgONRv9qkxdawL").unwrap();
        let context = ClientContext {
            nonces: Some(&mut nonces),
            tls: tls.as_ref(),
            plus_offered: plus,
            ..ClientContext::default()
        };
        let mut exchange = ClientExchange::new(mechanism, credentials, context).unwrap();
        let verb = if self.protocol == "imap" { "a AUTHENTICATE" } else { "AUTH" };
        let initial = exchange.initial_response().unwrap();
        let initial = initial.map(|message| format!(" {}", encode_initial(message.expose())));
        self.send(&format!("{verb} {mechanism}{}", initial.unwrap_or_default())).await;
        loop {
            let line = self.line().await;
            let (challenge, good) = match self.protocol {
                "imap" => ("+ ", "a OK"),
                "pop3" => ("+ ", "+OK"),
                _ => ("334 ", "235 "),
            };
            if line.starts_with(good) {
                return exchange.finish(None).map_err(|_| Ended::Stopped);
            }
            let Some(message) = line.strip_prefix(challenge) else { return Err(Ended::Refused(line)) };
            let answer = decode(message.as_bytes()).ok().and_then(|m| exchange.respond(m.expose()).ok());
            self.send(&answer.as_ref().map_or_else(|| "*".to_owned(), |a: &Secret| encode(a.expose()))).await;
            if answer.is_none() {
                self.line().await;
                return Err(Ended::Stopped);
            }
        }
    }
}

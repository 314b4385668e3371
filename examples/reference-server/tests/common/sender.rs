//! The client machine of `smtp_proto` on a blocking socket, with rustls.

use postroom::proto_core::{self, CloseReason, Machine, Now, OutBuf, Step, TlsInfo, UnixTime};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConnection, RootCertStore, StreamOwned};
use smtp_proto::client::{Client, ClientConfig, ClientEvent, Envelope, Report};
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a session came to.
pub struct Session {
    /// One for each envelope.
    pub reports: Vec<Report>,
    /// Whether the mail went over TLS.
    pub is_tls: bool,
    /// All that was said, inside TLS too.
    pub said: Vec<u8>,
}

impl Session {
    /// Whether a command was said.
    pub fn has_said(&self, command: &str) -> bool {
        let command = format!("\r\n{command}");
        self.said.windows(command.len()).any(|octets| octets == command.as_bytes())
    }
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Stream {
    /// The handshake, with a server called `localhost` that shows this certificate.
    fn secured(self, root: &CertificateDer<'static>) -> (Self, TlsInfo) {
        let Self::Plain(mut socket) = self else { panic!("TLS inside TLS") };
        let mut roots = RootCertStore::empty();
        roots.add(root.clone()).unwrap();
        let config =
            rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
        let name = ServerName::try_from("localhost").unwrap();
        let mut tls = ClientConnection::new(Arc::new(config), name).unwrap();
        while tls.is_handshaking() {
            tls.complete_io(&mut socket).unwrap();
        }
        let mut info = TlsInfo::default();
        info.version = format!("{:?}", tls.protocol_version().unwrap()).replace('_', ".");
        (Self::Tls(Box::new(StreamOwned::new(tls, socket))), info)
    }
}

impl Read for Stream {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(octets),
            Self::Tls(stream) => stream.read(octets),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(octets),
            Self::Tls(stream) => stream.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// Sends one message under each of the envelopes over one connection, and says goodbye.
pub fn send(
    address: SocketAddr,
    config: ClientConfig,
    root: &CertificateDer<'static>,
    envelopes: Vec<Envelope>,
    message: &[u8],
) -> Session {
    let began = Instant::now();
    let now = || Now::new(proto_core::Instant::from_origin(began.elapsed()), UnixTime(0));
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut stream = Stream::Plain(socket);
    let mut client = Client::new(now(), Arc::new(config));
    let mut session = Session { reports: Vec::new(), is_tls: false, said: Vec::new() };
    let (mut envelopes, mut body) = (envelopes.into_iter(), None);
    let (mut held, mut out, mut octets) = (Vec::new(), OutBuf::new(), [0; 4096]);
    loop {
        held.drain(..client.handle_input(now(), &held));
        let mut starts_tls = false;
        let mut closed = None;
        while let Some(step) = client.poll_event(now()) {
            match step {
                Step::App(ClientEvent::Ready) => match envelopes.next() {
                    Some(envelope) => client.send(now(), envelope).unwrap(),
                    None => client.quit(now()).unwrap(),
                },
                Step::App(ClientEvent::SendBody) => body = Some(message),
                Step::App(ClientEvent::Verdict { .. }) => {}
                Step::App(ClientEvent::Done(report)) => session.reports.push(report),
                Step::StartTls => starts_tls = true,
                Step::Closed(reason) => closed = Some(reason),
                other => panic!("{other:?}"),
            }
        }
        while let Some(rest) = body.filter(|_| client.body_room() > 0) {
            let taken = client.write_body(now(), rest).unwrap();
            body = Some(&rest[taken..]);
            if taken == rest.len() {
                client.finish(now()).unwrap();
                body = None;
            }
        }
        while client.poll_transmit(&mut out) {}
        session.said.extend_from_slice(out.as_slice());
        stream.write_all(out.as_slice()).unwrap();
        stream.flush().unwrap();
        out.consume(out.len());
        if let Some(reason) = closed {
            assert_eq!(reason, CloseReason::Quit);
            session.is_tls = client.is_tls();
            return session;
        }
        if starts_tls {
            held.clear();
            let (secured, info) = stream.secured(root);
            stream = secured;
            client.handle_tls(now(), info);
        } else if held.is_empty() && client.wants_input() && body.is_none() {
            let read = stream.read(&mut octets).unwrap();
            held.extend_from_slice(&octets[..read]);
            if read == 0 {
                client.handle_eof(now());
            }
        }
    }
}

//! The programs of the manual send to each other, each client to each server.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a test of programs that have sockets"
)]

#[path = "../examples/blocking_client.rs"]
#[allow(dead_code, reason = "without its main")]
mod blocking_client;
#[path = "../examples/blocking_server.rs"]
#[allow(dead_code, reason = "without its main")]
mod blocking_server;
#[path = "../examples/tokio_client.rs"]
#[allow(dead_code, reason = "without its main")]
mod tokio_client;
#[path = "../examples/tokio_server.rs"]
#[allow(dead_code, reason = "without its main")]
mod tokio_server;

use proto_core::{EncodePolicy, ForwardPath, ReversePath};
use smtp_proto::client::{ClientConfig, ClientTls, Envelope, Outcome};
use smtp_proto::server::Config;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// Larger than every buffer on the way, and as Unix has it.
fn text() -> Vec<u8> {
    ["Subject: quick\n\n".to_owned(), ".dots\n..\n.\nand text\n".repeat(5_000)].concat().into_bytes()
}

fn mail() -> (ClientConfig, Envelope) {
    let to = ["bob@example.test", "carol@example.test"].map(|to| ForwardPath::Mailbox(to.parse().unwrap()));
    let envelope = Envelope::new(ReversePath::Mailbox("alice@example.test".parse().unwrap()), to);
    let mut config = ClientConfig::new("client.example.test").unwrap();
    config.tls = ClientTls::None;
    config.bare_line_ends = EncodePolicy::Repair;
    (config, envelope)
}

/// Where a server takes two connections, each to its end.
fn serve(session: impl Fn(TcpStream) + Send + 'static) -> (SocketAddr, std::thread::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    (address, std::thread::spawn(move || (0..2).for_each(|_| session(listener.accept().unwrap().0))))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

async fn asynchronous(stream: TcpStream) -> tokio::net::TcpStream {
    stream.set_nonblocking(true).unwrap();
    tokio::net::TcpStream::from_std(stream).unwrap()
}

fn are_sent(outcomes: &[Outcome]) {
    let sent = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Sent(_))).count();
    assert_eq!((sent, outcomes.len()), (2, 2), "{outcomes:?}");
}

#[test]
fn every_client_sends_to_every_server() {
    let config = || Arc::new(Config::new("mx.example.test").unwrap());
    let blocking = serve(move |stream| blocking_server::session(stream, config()).unwrap());
    let tokio = serve(move |stream| {
        let session = async { tokio_server::session(asynchronous(stream).await, config()).await };
        runtime().block_on(session).unwrap();
    });
    for (address, server) in [blocking, tokio] {
        let connect = || TcpStream::connect(address).unwrap();
        let (config, envelope) = mail();
        are_sent(&blocking_client::send(connect(), config, (envelope, &mut &text()[..])).unwrap());
        let (config, envelope) = mail();
        let sent = async {
            tokio_client::send(asynchronous(connect()).await, config, (envelope, &mut &text()[..]))
                .await
                .unwrap()
        };
        are_sent(&runtime().block_on(sent));
        server.join().unwrap();
    }
}

/// Whoever goes without a word, and a server that goes on after the goodbye or says nothing at all, holds nobody up.
#[test]
fn sessions_end_whatever_the_other_side_does() {
    let config = || Arc::new(Config::new("mx.example.test").unwrap());
    // Whether a connection that goes is reset or ended, the session ends.
    let blocking = serve(move |stream| drop(blocking_server::session(stream, config())));
    let tokio = serve(move |stream| {
        let session = async { tokio_server::session(asynchronous(stream).await, config()).await };
        drop(runtime().block_on(session));
    });
    for (address, server) in [blocking, tokio] {
        for _ in 0..2 {
            drop(TcpStream::connect(address).unwrap());
        }
        server.join().unwrap();
    }
    // What they say first; then they listen for ever.
    for greeting in ["421 not now\r\n", ""] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connect = || {
            let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut other, _) = listener.accept().unwrap();
            other.write_all(greeting.as_bytes()).unwrap();
            (stream, other)
        };
        let mail = || {
            let (mut config, envelope) = mail();
            config.timeouts.greeting = Duration::from_millis(50);
            (config, envelope)
        };
        let ((stream, _other), (config, envelope)) = (connect(), mail());
        assert!(blocking_client::send(stream, config, (envelope, &mut &text()[..])).unwrap().is_empty());
        let ((stream, _other), (config, envelope)) = (connect(), mail());
        let sent = async {
            tokio_client::send(asynchronous(stream).await, config, (envelope, &mut &text()[..])).await
        };
        assert!(runtime().block_on(sent).unwrap().is_empty());
    }
}

/// A server that refuses in the middle of a message and resets the connection was heard, though writing fails then.
#[test]
fn what_was_said_before_a_connection_broke_is_heard() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        for _ in 0..2 {
            let (stream, _) = listener.accept().unwrap();
            let mut lines = BufReader::new(&stream).lines();
            (&stream).write_all(b"220 x\r\n").unwrap();
            for reply in ["250 x", "250 Ok", "250 Ok", "250 Ok", "354 go on"] {
                lines.next().unwrap().unwrap();
                (&stream).write_all(format!("{reply}\r\n").as_bytes()).unwrap();
            }
            lines.next().unwrap().unwrap();
            // What was not read is what makes the end a reset.
            (&stream).write_all(b"552 5.3.4 no more of this\r\n").unwrap();
        }
    });
    let connect = || TcpStream::connect(address).unwrap();
    let long = "a line\r\n".repeat(2_000_000);
    let is_heard = |outcomes: Vec<Outcome>| {
        assert_eq!(outcomes.len(), 2);
        for outcome in outcomes {
            assert_eq!(outcome.to_string(), "refused: DATA: 552 5.3.4 no more of this");
        }
    };
    let (config, envelope) = mail();
    is_heard(blocking_client::send(connect(), config, (envelope, &mut long.as_bytes())).unwrap());
    let (config, envelope) = mail();
    let sent = async {
        tokio_client::send(asynchronous(connect()).await, config, (envelope, &mut long.as_bytes())).await
    };
    is_heard(runtime().block_on(sent).unwrap());
    server.join().unwrap();
}

/// What drives a session is what everybody copies.
#[test]
fn the_blocking_quick_starts_have_forty_lines() {
    for (program, function) in [
        (include_str!("../examples/blocking_server.rs"), "pub(crate) fn session("),
        (include_str!("../examples/blocking_client.rs"), "pub(crate) fn send("),
    ] {
        let begun = program.lines().skip_while(|line| !line.starts_with(function));
        let lines = 1 + begun.take_while(|line| *line != "}").count();
        assert!((20..=40).contains(&lines), "{function} has {lines} lines");
    }
}

//! The driver over in-memory streams and paused time.

mod toy;

use super::*;
use crate::tls::Certificate;
use proto_core::UnixTime;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::sync::mpsc::Receiver;
use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};
use tokio::task::JoinHandle;
use toy::{Desk, IDLE, Toy, lines};

struct Running {
    client: DuplexStream,
    notes: Receiver<String>,
    signal: ShutdownSignal,
    ended: JoinHandle<Ended>,
}

/// Starts a session; `pipe_bytes` is how much either direction holds before a writer waits.
fn start(delay: Duration, pipe_bytes: usize, tls: Option<&Certificate>) -> Running {
    let (client, server) = duplex(pipe_bytes);
    let (signal, shutdown) = ShutdownSignal::new();
    let clock = Clock::starting_at(UnixTime(0));
    let machine = Toy::new(clock.now());
    let (service, notes) = Desk::new(delay);
    let environment = Environment {
        clock,
        shutdown,
        tls: tls.map(Certificate::server_config),
        timeouts: Timeouts::default(),
    };
    let ended = tokio::spawn(Driver::new(machine, service, server, environment).run());
    Running { client, notes, signal, ended }
}

async fn say(client: &mut (impl AsyncWrite + Unpin), text: &str) {
    client.write_all(text.as_bytes()).await.unwrap();
    client.flush().await.unwrap();
}

fn certificate() -> (Certificate, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(["mail.example.test".to_owned()]).unwrap();
    let chain = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    (Certificate::new(vec![chain.clone()], key).unwrap(), chain)
}

fn connector(root: CertificateDer<'static>) -> tokio_rustls::TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root).unwrap();
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
    Arc::new(config).into()
}

#[tokio::test(start_paused = true)]
async fn a_pipelined_group_is_answered_in_order_and_in_one_write() {
    let mut run = start(Duration::from_secs(1), 4096, None);
    assert_eq!(lines(&mut run.client, 1).await, ["hello"]);
    say(&mut run.client, "SAY 1\r\nSAY 2\r\nSAY 3\r\n").await;
    let mut buf = [0; 64];
    let n = run.client.read(&mut buf).await.unwrap();
    assert_eq!(&buf[..n], b"1\r\n2\r\n3\r\n");
    say(&mut run.client, "ASK a\r\nSAY b\r\nQUIT\r\n").await;
    assert_eq!(lines(&mut run.client, 9).await, ["answer a", "b", "bye"]);
    let ended = run.ended.await.unwrap();
    assert_eq!(ended.reason, CloseReason::Quit);
    assert_eq!((ended.octets_in, ended.octets_out), (21 + 20, 7 + 9 + 10 + 3 + 5));
}

#[tokio::test(start_paused = true)]
async fn the_machines_deadline_ends_an_idle_session() {
    let mut run = start(Duration::ZERO, 4096, None);
    let begun = tokio::time::Instant::now();
    assert_eq!(lines(&mut run.client, 9).await, ["hello", "bye"]);
    assert_eq!(run.ended.await.unwrap().reason, CloseReason::Timeout("idle"));
    assert!(begun.elapsed() >= IDLE);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_while_a_chunk_is_being_stored() {
    let mut run = start(Duration::from_secs(10), 64, None);
    lines(&mut run.client, 1).await;
    // More than machine, driver and pipe hold together while the service is busy with the first chunk.
    let flood = "PUT a\r\n".to_owned() + &"SAY x\r\n".repeat(100);
    let write = tokio::time::timeout(Duration::from_secs(9), run.client.write_all(flood.as_bytes()));
    assert!(write.await.is_err(), "the writer is held back");
    assert_eq!(run.notes.try_iter().collect::<Vec<_>>(), ["chunk a"]);
    assert_eq!(lines(&mut run.client, 1).await, ["x"]);
    assert_eq!(run.notes.try_iter().collect::<Vec<_>>(), ["stored"]);
}

#[tokio::test(start_paused = true)]
async fn a_body_streams_through_a_narrow_pipe() {
    let mut run = start(Duration::ZERO, 1000, None);
    lines(&mut run.client, 1).await;
    say(&mut run.client, "BODY 100000\r\nSAY after\r\n").await;
    let mut body = vec![0; 100_000];
    run.client.read_exact(&mut body).await.unwrap();
    assert!(body.iter().all(|&octet| octet == b'x'));
    assert_eq!(lines(&mut run.client, 1).await, ["after"]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_is_dropped() {
    let mut run = start(Duration::ZERO, 16, None);
    say(&mut run.client, "BODY 1000\r\n").await;
    assert_eq!(run.ended.await.unwrap().reason, CloseReason::Timeout("write"));
}

#[tokio::test(start_paused = true)]
async fn a_half_closed_peer_still_gets_its_answers() {
    let mut run = start(Duration::from_secs(2), 4096, None);
    say(&mut run.client, "ASK last\r\nSAY words\r\n").await;
    run.client.shutdown().await.unwrap();
    assert_eq!(lines(&mut run.client, 9).await, ["hello", "answer last", "words"]);
    assert_eq!(run.ended.await.unwrap().reason, CloseReason::PeerClosed);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_vanishes_ends_the_session() {
    let run = start(Duration::from_secs(2), 4096, None);
    drop(run.client);
    assert_eq!(run.ended.await.unwrap().reason, CloseReason::PeerClosed);
    assert!(run.notes.iter().any(|note| note == "ended: peer closed the connection"));
}

#[tokio::test(start_paused = true)]
async fn shutdown_finishes_the_body_and_says_goodbye() {
    let mut run = start(Duration::ZERO, 512, None);
    lines(&mut run.client, 1).await;
    say(&mut run.client, "BODY 20000\r\n").await;
    let mut body = vec![0; 10_000];
    run.client.read_exact(&mut body).await.unwrap();
    run.signal.begin();
    run.client.read_exact(&mut body).await.unwrap();
    assert_eq!(lines(&mut run.client, 9).await, ["bye"]);
    assert_eq!(run.ended.await.unwrap().reason, CloseReason::Shutdown);
}

#[tokio::test(start_paused = true)]
async fn fault_05_octets_after_starttls_are_never_commands() {
    let (certificate, root) = certificate();
    let mut run = start(Duration::ZERO, 4096, Some(&certificate));
    lines(&mut run.client, 1).await;
    // More than the machine takes at once, so that the driver holds a remainder of its own.
    say(&mut run.client, &("TLS\r\n".to_owned() + &"SAY injected\r\n".repeat(100))).await;
    assert_eq!(lines(&mut run.client, 1).await, ["go"]);
    let name = ServerName::try_from("mail.example.test").unwrap();
    let mut secure = connector(root).connect(name, run.client).await.unwrap();
    say(&mut secure, "SAY clean\r\nQUIT\r\n").await;
    let heard = lines(&mut secure, 9).await;
    assert_eq!(heard, ["secure TLSv1.3 Some(\"mail.example.test\")", "clean", "bye"]);
    assert_eq!(run.ended.await.unwrap().reason, CloseReason::Quit);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_never_comes_times_out() {
    let (certificate, _) = certificate();
    let mut run = start(Duration::ZERO, 4096, Some(&certificate));
    say(&mut run.client, "TLS\r\n").await;
    assert_eq!(run.ended.await.unwrap().reason, CloseReason::Timeout("TLS handshake"));
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_never_comes_does_not_hold_up_shutdown() {
    let (certificate, _) = certificate();
    let mut run = start(Duration::ZERO, 4096, Some(&certificate));
    say(&mut run.client, "TLS\r\n").await;
    lines(&mut run.client, 2).await;
    run.signal.begin();
    assert_eq!(run.ended.await.unwrap().reason, CloseReason::Shutdown);
}

#[tokio::test(start_paused = true)]
async fn plaintext_in_place_of_a_handshake_ends_the_session() {
    let (certificate, _) = certificate();
    let mut run = start(Duration::ZERO, 4096, Some(&certificate));
    say(&mut run.client, "TLS\r\n").await;
    lines(&mut run.client, 2).await;
    say(&mut run.client, "SAY plain\r\n").await;
    assert_eq!(run.ended.await.unwrap().reason, CloseReason::PeerClosed);
}

//! A mail receiver on tokio: a task for each client.
//!
//!     cargo run -p postroom-smtp-proto --example tokio_server 127.0.0.1:2525
#![allow(
    clippy::print_stdout,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a program, not the library"
)]

use proto_core::{Instant, Machine, Now, OutBuf, Step, UnixTime};
use smtp_proto::server::{Config, EndOfDataVerdict, Event, Peer, QueueId, Server, Verdict};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How long the peer may take nothing of what is sent: RFC 5321 section 4.5.3.2.5, a block of a message.
const WRITE_TIMEOUT: Duration = Duration::from_secs(180);

#[tokio::main]
async fn main() -> Result {
    let config = Arc::new(Config::new("mx.example.test")?);
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:2525".into());
    let listener = TcpListener::bind(address).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let session = session(stream, config.clone());
        tokio::spawn(async { session.await.map_err(|error| println!("{error}")) });
    }
}

pub(crate) async fn session(mut stream: TcpStream, config: Arc<Config>) -> Result {
    let now = clock();
    let mut server = Server::new(now(), config, Peer::new(stream.peer_addr()?.ip()));
    let (mut octets, mut held, mut out, mut mail) = ([0; 4096], 0..0, OutBuf::new(), Vec::new());
    while !server.is_closed() {
        held.start += server.handle_input(now(), &octets[held.clone()]);
        while let Some(step) = server.poll_event(now()) {
            match step {
                Step::App(Event::Connect(ask)) => server.answer(now(), ask, Verdict::Accept(()))?,
                Step::App(Event::Hello(ask)) => server.answer(now(), ask, Verdict::Accept(()))?,
                Step::App(Event::Mail(ask)) => server.answer(now(), ask, Verdict::Accept(()))?,
                Step::App(Event::Rcpt(ask)) => server.answer(now(), ask, Verdict::Accept(()))?,
                Step::App(Event::Data(ask)) => server.answer(now(), ask, Verdict::Accept(()))?,
                Step::App(Event::Body(chunk)) => mail.extend_from_slice(&chunk),
                Step::App(Event::BodyAborted(_)) => mail.clear(),
                Step::App(Event::EndOfData(ask)) => server.answer(now(), ask, keep(&mut mail)?)?,
                _ => {}
            }
        }
        let moved = server.poll_transmit(&mut out) && transmit(&mut stream, &mut out).await;
        if moved || server.is_closed() || (server.wants_input() && !held.is_empty()) {
            continue; // the session may have waited for that
        }
        let wait = server.poll_timeout().map_or(Duration::MAX, |at| at.saturating_since(now().instant));
        if !server.wants_input() {
            sleep(wait).await; // who errs too often is made to wait
        } else if let Ok(read) = timeout(wait, stream.read(&mut octets)).await {
            match read {
                Ok(read @ 1..) => held = 0..read,
                _ => server.handle_eof(now()), // however it ended, the session tells what it means
            }
        }
        server.handle_timeout(now());
    }
    Ok(())
}

/// Who keeps mail makes it durable here: the 250 takes the responsibility for it. No two messages may have one id.
fn keep(mail: &mut Vec<u8>) -> Result<EndOfDataVerdict> {
    static MESSAGES: AtomicU64 = AtomicU64::new(0);
    println!("{}", String::from_utf8_lossy(&std::mem::take(mail)));
    let id = format!("{:X}-{:X}", calendar(), MESSAGES.fetch_add(1, Ordering::Relaxed));
    Ok(Verdict::Accept(QueueId::new(id).ok_or("not an id")?).into())
}

/// Sends what there is. After a write that failed or took too long not a word more is said, and what was said to us is still
/// read: it may be why.
async fn transmit(stream: &mut TcpStream, out: &mut OutBuf) -> bool {
    let is_sent = matches!(timeout(WRITE_TIMEOUT, stream.write_all(out.as_slice())).await, Ok(Ok(())));
    if !is_sent {
        let _ = stream.shutdown().await;
    }
    out.consume(out.len());
    is_sent
}

/// The time that a session sees.
fn clock() -> impl Fn() -> Now {
    let began = std::time::Instant::now();
    move || Now::new(Instant::from_origin(began.elapsed()), UnixTime(calendar()))
}

fn calendar() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

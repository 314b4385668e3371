//! A mail receiver on blocking sockets of the standard library: a thread for each client, no runtime.
//!
//!     cargo run -p postroom-smtp-proto --example blocking_server 127.0.0.1:2525
#![allow(
    clippy::print_stdout,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a program, not the library"
)]

use proto_core::{Instant, Machine, Now, OutBuf, Step, UnixTime};
use smtp_proto::server::{Config, EndOfDataVerdict, Event, Peer, QueueId, Server, Verdict};
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How long the peer may take nothing of what is sent: RFC 5321 section 4.5.3.2.5, a block of a message.
const WRITE_TIMEOUT: Duration = Duration::from_secs(180);

fn main() -> Result {
    let config = Arc::new(Config::new("mx.example.test")?);
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:2525".into());
    for stream in TcpListener::bind(address)?.incoming() {
        let (stream, config) = (stream?, config.clone());
        std::thread::spawn(move || session(stream, config).map_err(|error| println!("{error}")));
    }
    Ok(())
}

pub(crate) fn session(mut stream: TcpStream, config: Arc<Config>) -> Result {
    let now = clock();
    let mut server = Server::new(now(), config, Peer::new(stream.peer_addr()?.ip()));
    let (mut octets, mut held, mut out, mut mail) = ([0; 4096], 0..0, OutBuf::new(), Vec::new());
    stream.set_write_timeout(Some(WRITE_TIMEOUT))?;
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
        let moved = server.poll_transmit(&mut out) && transmit(&mut stream, &mut out);
        if moved || server.is_closed() || (server.wants_input() && !held.is_empty()) {
            continue; // the session may have waited for that
        }
        let wait = until(server.poll_timeout(), now());
        stream.set_read_timeout(wait)?;
        match if server.wants_input() { stream.read(&mut octets) } else { sleep(wait) } {
            Ok(read @ 1..) => held = 0..read,
            Err(error) if is_timeout(&error) => {}
            _ => server.handle_eof(now()), // however it ended, the session tells what it means
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

/// Who errs too often is made to wait.
fn sleep(wait: Option<Duration>) -> std::io::Result<usize> {
    std::thread::sleep(wait.unwrap_or_default());
    Err(ErrorKind::TimedOut.into())
}

/// Sends what there is. After a write that failed or took too long not a word more is said, and what was said to us is still
/// read: it may be why.
fn transmit(stream: &mut TcpStream, out: &mut OutBuf) -> bool {
    let is_sent = stream.write_all(out.as_slice()).is_ok();
    if !is_sent {
        let _ = stream.shutdown(Shutdown::Write);
    }
    out.consume(out.len());
    is_sent
}

/// The time that a session sees.
fn clock() -> impl Fn() -> Now {
    let began = std::time::Instant::now();
    move || Now::new(Instant::from_origin(began.elapsed()), UnixTime(calendar()))
}

/// How long to wait for a deadline; a read timeout must not be zero.
fn until(deadline: Option<Instant>, now: Now) -> Option<Duration> {
    deadline.map(|at| at.saturating_since(now.instant).max(Duration::from_millis(1)))
}

/// A read that took as long as it may is no error.
fn is_timeout(error: &std::io::Error) -> bool {
    // Or the program was stopped for a while.
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn calendar() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

//! A mail receiver on blocking sockets of the standard library: a thread for each client, no runtime.
//!
//!     cargo run -p postroom-smtp-proto --example blocking_server 127.0.0.1:2525
#![allow(
    clippy::print_stdout,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unit_arg,
    reason = "a program, not the library"
)]

use proto_core::{Instant, Machine, Now, OutBuf, Step, UnixTime};
use smtp_proto::server::{Config, Event, Peer, QueueId, Server, Verdict};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

static MESSAGES: AtomicU64 = AtomicU64::new(0);

fn main() -> Result<()> {
    let config = Arc::new(Config::new("mx.example.test").map_err(Error::other)?);
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:2525".into());
    for stream in TcpListener::bind(address)?.incoming() {
        let (stream, config) = (stream?, config.clone());
        std::thread::spawn(move || session(stream, config));
    }
    Ok(())
}

fn session(mut stream: TcpStream, config: Arc<Config>) -> Result<()> {
    let began = std::time::Instant::now();
    let now = || Now::new(Instant::from_origin(began.elapsed()), UnixTime(calendar()));
    let mut server = Server::new(now(), config, Peer::new(stream.peer_addr()?.ip()));
    let (mut octets, mut held, mut out, mut mail) = ([0; 4096], 0..0, OutBuf::new(), Vec::new());
    while !server.is_closed() {
        held.start += server.handle_input(now(), &octets[held.clone()]);
        while let Some(step) = server.poll_event(now()) {
            let Step::App(event) = step else { continue };
            let answered = match event {
                Event::Connect(ask) => server.answer(now(), ask, Verdict::Accept(())),
                Event::Hello(ask) => server.answer(now(), ask, Verdict::Accept(())),
                Event::Mail(ask) => server.answer(now(), ask, Verdict::Accept(())),
                Event::Rcpt(ask) => server.answer(now(), ask, Verdict::Accept(())),
                Event::Data(ask) => server.answer(now(), ask, Verdict::Accept(())),
                Event::Body(chunk) => Ok(mail.extend_from_slice(&chunk)),
                Event::BodyAborted(_) => Ok(mail.clear()),
                Event::EndOfData(ask) => {
                    // Who keeps mail makes it durable first: the 250 takes the responsibility for it.
                    println!("{}", String::from_utf8_lossy(&std::mem::take(&mut mail)));
                    // No two messages may have one id.
                    let id = format!("{:X}-{:X}", calendar(), MESSAGES.fetch_add(1, Ordering::Relaxed));
                    let id = QueueId::new(id).ok_or(ErrorKind::Other)?;
                    server.answer(now(), ask, Verdict::Accept(id).into())
                }
                _ => Ok(()),
            };
            answered.map_err(Error::other)?;
        }
        while server.poll_transmit(&mut out) {}
        if !out.is_empty() {
            stream.write_all(out.as_slice())?;
            out.consume(out.len());
            continue; // there may have been too much of it to go on
        }
        let wait = server.poll_timeout().map(|at| at.saturating_since(now().instant).max(MOMENT));
        if held.is_empty() && server.wants_input() {
            stream.set_read_timeout(wait)?;
            match stream.read(&mut octets) {
                Ok(0) => server.handle_eof(now()),
                Ok(n) => held = 0..n,
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(e) => return Err(e),
            }
        } else if !server.wants_input() && !server.is_closed() {
            std::thread::sleep(wait.unwrap_or_default()); // who errs too often is made to wait
        }
        server.handle_timeout(now());
    }
    Ok(())
}

fn calendar() -> i64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}

/// A read timeout must not be zero.
const MOMENT: Duration = Duration::from_millis(1);

//! Sends the mail on standard input over a blocking socket of the standard library, and says what became of it.
//!
//!     cargo run -p postroom-smtp-proto --example blocking_client 127.0.0.1:2525 me@example.test you@example.test <mail
#![allow(
    clippy::print_stdout,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a program, not the library"
)]

use proto_core::{ForwardPath, Instant, Machine, Now, OutBuf, ReversePath, Step, UnixTime};
use smtp_proto::client::{Client, ClientConfig, ClientEvent, ClientTls, Envelope};
use std::io::{BufRead, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [server, from, to] = &words[..] else { return Err("usage: SERVER FROM TO <MAIL".into()) };
    let to = ForwardPath::Mailbox(to.parse()?);
    send(TcpStream::connect(server)?, Envelope::new(ReversePath::Mailbox(from.parse()?), [to]))
}

fn send(mut stream: TcpStream, envelope: Envelope) -> Result {
    let began = std::time::Instant::now();
    let now = || Now::new(Instant::from_origin(began.elapsed()), UnixTime(0));
    let mut config = ClientConfig::new("client.example.test")?;
    config.tls = ClientTls::None;
    let mut client = Client::new(now(), Arc::new(config));
    let (mut octets, mut held, mut out) = ([0; 4096], 0..0, OutBuf::new());
    let (mut mail, mut writing, mut envelope) = (std::io::stdin().lock(), false, Some(envelope));
    while !client.is_closed() {
        held.start += client.handle_input(now(), &octets[held.clone()]);
        while let Some(step) = client.poll_event(now()) {
            match (step, envelope.take()) {
                (Step::App(ClientEvent::Ready), Some(envelope)) => client.send(now(), envelope)?,
                (Step::App(ClientEvent::Ready), None) => client.quit(now())?,
                (Step::App(ClientEvent::SendBody), _) => writing = true,
                (step, rest) => {
                    println!("{step:?}");
                    envelope = rest;
                }
            }
        }
        while writing && client.body_room() > 0 {
            let piece = mail.fill_buf()?;
            writing = !piece.is_empty();
            let taken = client.write_body(now(), piece)?;
            mail.consume(taken);
            if !writing {
                client.finish(now())?;
            }
        }
        while client.poll_transmit(&mut out) {}
        stream.write_all(out.as_slice())?;
        out.consume(out.len());
        if held.is_empty() && client.wants_input() && !writing {
            let wait = client.poll_timeout().map(|at| at.saturating_since(now().instant).max(MOMENT));
            stream.set_read_timeout(wait)?;
            match stream.read(&mut octets) {
                Ok(0) => client.handle_eof(now()),
                Ok(n) => held = 0..n,
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(e) => return Err(e.into()),
            }
        }
        client.handle_timeout(now());
    }
    Ok(())
}

/// A read timeout must not be zero.
const MOMENT: Duration = Duration::from_millis(1);

//! Clients that mean harm, against the whole program: each gets its standard reply or is closed, memory stays
//! bounded, and the next honest client is served.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

use common::wire::{Imap, Pop3, Smtp, Wire};
use common::{ALICE, BOB, PASSWORD, Server, eventually};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PROTOCOLS: [&str; 3] = ["smtp", "imap", "pop3"];

/// What the server may grow by, whatever one client sends: some buffers of one session and the allocator's slack.
const GROWTH_KIB_MAX: u64 = 16 * 1024;

fn address(server: &Server, protocol: &str) -> SocketAddr {
    server.address(protocol, "starttls")
}

/// The most memory the server has had resident, in KiB.
fn peak_kib(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// An honest session of each protocol works.
fn serves(server: &Server) {
    let mut smtp = Smtp::connect(address(server, "smtp"));
    assert!(smtp.send(BOB, ALICE, b"Subject: still here\r\n\r\nyes\r\n").starts_with("250 "));
    Imap::login(address(server, "imap"), ALICE, PASSWORD).ok("NOOP");
    Pop3::login(address(server, "pop3"), BOB, PASSWORD).command("STAT");
}

/// Sends everything, reading replies meanwhile so that neither side blocks; returns what the server said. A server
/// that closes early is right to do so.
fn throw(address: SocketAddr, mut chunks: impl Iterator<Item = Vec<u8>> + Send + 'static) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).unwrap();
    // It says nothing while it reads a line of a GiB.
    stream.set_read_timeout(Some(Duration::from_secs(600))).unwrap();
    let mut writer = stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        if chunks.all(|chunk| writer.write_all(&chunk).is_ok()) {
            let _ = writer.shutdown(std::net::Shutdown::Write);
        }
    });
    let mut said = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => said.extend(&buffer[..n]),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => panic!("the server neither answers nor closes: {error}"),
        }
    }
    sending.join().unwrap();
    said
}

/// The shape of every line that a server may send before login.
fn is_standard(protocol: &str, line: &str) -> bool {
    match protocol {
        "smtp" => {
            line.len() >= 4
                && line[..3].bytes().all(|b| b.is_ascii_digit())
                && matches!(line.as_bytes()[3], b' ' | b'-')
        }
        "imap" => {
            line.starts_with("* ")
                || line.starts_with('+')
                || line.contains(" BAD")
                || line.contains(" NO")
                || line.contains(" OK")
        }
        _ => line.starts_with("+OK") || line.starts_with("-ERR") || line.starts_with("+ "),
    }
}

/// Octets without sense, and a line end now and then, so that there are lines to be answered.
fn garbage(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let mut octet = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if state.is_multiple_of(61) { b'\n' } else { (state >> 32) as u8 }
    };
    (0..50_000).map(|_| octet()).collect()
}

/// All at once: SMTP answers each further error later than the one before, for 45 seconds in all.
#[test]
fn garbage_gets_standard_replies_or_is_closed() {
    let server = Server::start(true);
    let thrown: Vec<_> = PROTOCOLS
        .iter()
        .flat_map(|protocol| (1..=10_u64).map(move |seed| (*protocol, seed)))
        .map(|(protocol, seed)| {
            let address = address(&server, protocol);
            let chunks: Vec<_> = garbage(seed).chunks(1000).map(<[u8]>::to_vec).collect();
            (protocol, seed, std::thread::spawn(move || throw(address, chunks.into_iter())))
        })
        .collect();
    for (protocol, seed, said) in thrown {
        let said = said.join().unwrap();
        let said = String::from_utf8_lossy(&said);
        assert!(!said.is_empty(), "{protocol} seed {seed}: not even a greeting");
        for line in said.split_terminator("\r\n") {
            assert!(is_standard(protocol, line), "{protocol} seed {seed}: {line:?}");
        }
        // The goodbye arrives, though much of what was thrown has not been read by then.
        let goodbyes: &[&str] = match protocol {
            // What no mail client says is one, too (`smtpd_forbidden_commands`).
            "smtp" => &["421 4.7.0 ", "221 2.7.0 "],
            "imap" => &["* BYE "],
            _ => &["-ERR "],
        };
        let last = said.split_terminator("\r\n").last().unwrap_or_default();
        let is_goodbye = goodbyes.iter().any(|goodbye| last.starts_with(goodbye));
        assert!(is_goodbye, "{protocol} seed {seed}: {last:?}");
    }
    serves(&server);
}

#[test]
fn a_line_of_one_gibibyte_costs_no_memory() {
    let server = Server::start(true);
    for protocol in PROTOCOLS {
        let before = peak_kib(&server);
        let command = if protocol == "imap" { b"a NOOP ".to_vec() } else { b"NOOP ".to_vec() };
        let line = std::iter::once(command).chain(std::iter::repeat_n(vec![b'x'; 1 << 20], 1 << 10));
        let quit = if protocol == "imap" { b"\r\nb LOGOUT\r\n".to_vec() } else { b"\r\nQUIT\r\n".to_vec() };
        let said = throw(address(&server, protocol), line.chain(std::iter::once(quit)));
        let said = String::from_utf8_lossy(&said);
        let refusal = match protocol {
            "smtp" => "500 5.5.6",
            "imap" => "[TOOBIG]",
            _ => "-ERR",
        };
        assert!(said.contains(refusal), "{protocol}: {said:?}");
        let grown = peak_kib(&server) - before;
        assert!(grown <= GROWTH_KIB_MAX, "{protocol}: grown by {grown} KiB");
    }
    serves(&server);
}

#[test]
fn a_literal_of_four_gibibytes_is_refused_before_it_comes() {
    let server = Server::start(true);
    let mut wire = Wire::connect(address(&server, "imap"));
    wire.line();
    wire.send("a LOGIN {4294967295}\r\n");
    assert!(wire.line().starts_with("a NO [TOOBIG]"));
    wire.send("b LOGIN {4294967296}\r\n");
    assert!(wire.line().starts_with("b NO [TOOBIG]"));
    wire.send(format!("c LOGIN {BOB} \"{PASSWORD}\"\r\n"));
    assert!(wire.line().starts_with("c OK"));
    wire.send("d APPEND INBOX {4294967295}\r\n");
    assert!(wire.line().starts_with("d NO [TOOBIG]"));
    wire.send("e NOOP\r\n");
    assert!(wire.line().starts_with("e OK"));
    // Whoever does not wait for leave cannot be told to stop: the connection ends.
    wire.send("f APPEND INBOX {4294967295+}\r\ng LOGOUT\r\n");
    let said = String::from_utf8_lossy(&wire.until_closed()).into_owned();
    assert!(said.starts_with("* BYE") && !said.contains("g OK"), "{said}");
    serves(&server);
}

#[test]
fn eight_thousand_connections_are_served_or_refused() {
    let (soft, hard) = rlimit();
    let wanted = 8_000.min(hard.saturating_sub(500) as usize);
    assert!(
        wanted == 8_000 || std::env::var_os("POSTROOM_REQUIRE_CLIENTS").is_none(),
        "{soft}/{hard} open files are too few"
    );
    let server = Server::start(true);
    let before = peak_kib(&server);
    let mut greeted = 0;
    let mut refused = 0;
    let mut open = Vec::new();
    for _ in 0..wanted {
        let mut stream = TcpStream::connect(address(&server, "smtp")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut code = [0; 4];
        match stream.read_exact(&mut code) {
            Ok(()) if &code == b"220 " => greeted += 1,
            Ok(()) => {
                assert_eq!(&code, b"421 ");
                refused += 1;
            }
            Err(error) => panic!("neither greeted nor refused: {error}"),
        }
        open.push(stream);
    }
    assert!(greeted >= 50, "{greeted} served");
    assert_eq!(greeted + refused, wanted);
    let grown = peak_kib(&server) - before;
    assert!(grown <= GROWTH_KIB_MAX + 16 * greeted as u64, "grown by {grown} KiB for {greeted} sessions");
    drop(open);
    // It notices one after the other.
    eventually(|| {
        let mut wires: Vec<Wire> = (0..10).map(|_| Wire::connect(address(&server, "smtp"))).collect();
        wires.iter_mut().all(|wire| wire.line().starts_with("220 "))
    });
    serves(&server);
}

/// Raises the limit of open files as far as it goes; the limits then.
fn rlimit() -> (u64, u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
    let limit = getrlimit(Resource::Nofile);
    (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX))
}

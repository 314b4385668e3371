//! A flood of connections slows nobody else's mail down to nothing (R297), on real sockets.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::USERS;
use mailstore::fs::sim::SimFs;
use postroom::local::LocalMail;
use postroom::settings::{Listener, Protocol};
use postroom::{Blocking, Server};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpSocket, TcpStream};

/// Who floods: so many clients, each as often as it can.
const FLOODERS: u8 = 20;
const CONNECTIONS_EACH: usize = 500;

/// How many of each are let in at a time.
const PER_CLIENT: usize = 4;

async fn connect(from: [u8; 4], to: SocketAddr) -> BufReader<TcpStream> {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_reuseaddr(true).unwrap();
    socket.bind((from, 0).into()).unwrap();
    BufReader::new(socket.connect(to).await.unwrap())
}

/// The last line of a reply; empty where there is none.
async fn reply(stream: &mut BufReader<TcpStream>) -> String {
    loop {
        let mut line = String::new();
        let _ = stream.read_line(&mut line).await;
        if line.as_bytes().get(3) != Some(&b'-') {
            return line.trim_end().to_owned();
        }
    }
}

/// Connects again and again, and holds on to what it gets; how often it was let in.
async fn flood(from: [u8; 4], to: SocketAddr) -> usize {
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS_EACH {
        let mut stream = connect(from, to).await;
        if reply(&mut stream).await.starts_with("220 ") {
            held.push(stream);
        }
    }
    held.len()
}

#[tokio::test]
async fn a_flood_of_ten_thousand_connections_keeps_nobody_else_out() {
    let mut settings = common::settings();
    let listener = Listener::new(Protocol::Smtp, SocketAddr::from(([127, 0, 0, 1], 0)));
    settings.listeners = vec![listener.named("smtp")];
    settings.limits.connections_per_ip_max = PER_CLIENT;
    let blocking = Blocking::threads("store", 2, 16).unwrap();
    let disk =
        LocalMail::open(common::env(&SimFs::new(), 1), Path::new("/"), "mail/%d/%n", &blocking).unwrap();
    let server = Server::builder()
        .settings(settings)
        .directory(USERS)
        .mail(disk.spool, disk.store)
        .start()
        .await
        .unwrap();
    let address = server.address("smtp").unwrap();

    let flooders: Vec<_> =
        (1..=FLOODERS).map(|last| tokio::spawn(flood([127, 0, 1, last], address))).collect();
    let mut served = 0;
    loop {
        let is_over = flooders.iter().all(|flooder| flooder.is_finished());
        let mut client = connect([127, 0, 0, 1], address).await;
        assert!(reply(&mut client).await.starts_with("220 "));
        for (line, code) in [
            ("EHLO client.test", "250 "),
            ("MAIL FROM:<s@client.test>", "250 "),
            ("RCPT TO:<alice@example.test>", "250 "),
            ("DATA", "354 "),
            ("x\r\n.", "250 "),
            ("QUIT", "221 "),
        ] {
            client.write_all(format!("{line}\r\n").as_bytes()).await.unwrap();
            let reply = reply(&mut client).await;
            assert!(reply.starts_with(code), "{line}: {reply}");
        }
        served += 1;
        if is_over {
            break;
        }
    }
    assert!(served > 1, "there was a client while there was a flood");
    for flooder in flooders {
        assert_eq!(flooder.await.unwrap(), PER_CLIENT);
    }
    assert!(server.shutdown(Duration::from_secs(60)).await);
}

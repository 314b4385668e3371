//! A process without file descriptors left goes on accepting when it has some again. A binary of its own, because
//! the limit is the process's.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::USERS;
use mailstore::fs::sim::SimFs;
use postroom::local::LocalMail;
use postroom::settings::{Listener, Protocol};
use postroom::{Blocking, Server};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

async fn greeting(stream: &mut TcpStream) -> bool {
    let mut octets = [0; 4];
    stream.read_exact(&mut octets).await.is_ok() && octets == *b"220 "
}

#[tokio::test]
async fn accepting_survives_the_end_of_descriptors() {
    let mail =
        LocalMail::open(common::env(&SimFs::new(), 1), Path::new("/"), "%d/%n", &Blocking::inline()).unwrap();
    let mut settings = common::settings();
    let loopback = SocketAddr::from(([127, 0, 0, 1], 0));
    settings.listeners = vec![Listener::new(Protocol::Smtp, loopback).named("in")];
    settings.limits.connections_per_ip_max = 1000;
    let server = Server::builder()
        .settings(settings)
        .directory(USERS)
        .mail(mail.spool, mail.store)
        .start()
        .await
        .unwrap();
    let address = server.address("in").unwrap();

    let before = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: Some(64), ..before }).unwrap();
    let mut fillers = Vec::new();
    while let Ok(filler) = File::open("/dev/null") {
        fillers.push(filler);
    }
    // One descriptor for the client, none for the server: the client waits in the backlog.
    drop(fillers.pop());
    let mut waiting = TcpStream::connect(address).await.unwrap();
    let unheard = tokio::time::timeout(Duration::from_millis(300), greeting(&mut waiting)).await;
    assert!(unheard.is_err(), "accepted without a descriptor");
    drop(fillers);
    assert!(greeting(&mut waiting).await, "accepted once there is a descriptor");

    setrlimit(Resource::Nofile, before).unwrap();
    assert!(server.shutdown(Duration::from_secs(5)).await);
}

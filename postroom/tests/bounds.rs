//! What one session may cost, counted by the allocator: engine, service and machine together.
//!
//! The bounds, for one connection of any protocol: 6 KiB while it is idle, 48 KiB whatever it sends before login. The
//! pipe of the test, which stands for the kernel's socket buffers, is not counted in the second. After login a message
//! that an IMAP client appends or fetches, of any length, costs no more than 512 KiB on its way.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::milter::{Answer, Milter, packet, settings_with};
use common::{Client, START, USERS, settings, start_with};
use mailstore::fs::sim::SimFs;
use mailstore::spool::{Envelope, QueueId};
use mailstore::{Env, StoreError};
use postroom::bytes::Bytes;
use postroom::clock::Clock;
use postroom::local::LocalMail;
use postroom::wall::{Intake, Later, SpoolWriter, StoreResult};
use postroom::{Blocking, Server};
use std::time::Duration;
use testkit::alloc::{Counting, Usage, measure};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const IDLE_BYTES_MAX: isize = 6 * 1024;
const BUSY_BYTES_MAX: usize = 48 * 1024;
const TRANSFER_BYTES_MAX: usize = 512 * 1024;
const PIPE_BYTES: usize = 2 * 64 * 1024;

const PROTOCOLS: [&str; 4] = ["smtp", "submission", "imap", "pop3"];

/// Takes messages and forgets them.
struct Nowhere;

struct Forgotten(QueueId);

impl Intake for Nowhere {
    fn begin(&self, _: Envelope) -> Later<'_, Result<Box<dyn SpoolWriter>, StoreError>> {
        Box::pin(std::future::ready("N0".parse().map(|id| Box::new(Forgotten(id)) as _)))
    }
}

impl SpoolWriter for Forgotten {
    fn id(&self) -> &QueueId {
        &self.0
    }

    fn write(&mut self, _: Bytes) -> Later<'_, Result<(), StoreError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn hold(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn commit(self: Box<Self>) -> StoreResult<()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Runs `test` against a server in one thread and virtual time, and counts its memory. One session of each protocol
/// has gone before, so that what is made once is not counted.
fn counted(test: impl AsyncFnOnce(&Server)) -> Usage {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let server = runtime.block_on(async {
        let server = start_with(&SimFs::new(), 1, |builder| builder.intake(Nowhere)).await.unwrap();
        for protocol in PROTOCOLS {
            let mut client = Client::connect(&server, protocol);
            client.line().await;
        }
        server
    });
    measure(|| runtime.block_on(test(&server))).1
}

fn assert_bounded(what: &str, usage: Usage) {
    assert!(usage.peak_bytes < BUSY_BYTES_MAX + PIPE_BYTES, "{what}: {usage:?}");
}

#[test]
fn an_idle_session_is_small() {
    const SESSIONS: isize = 100;
    for protocol in PROTOCOLS {
        let mut held = Vec::with_capacity(usize::try_from(SESSIONS).unwrap());
        let usage = counted(async |server| {
            for _ in 0..SESSIONS {
                let mut client = Client::connect(server, protocol);
                client.line().await;
                held.push(client);
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        });
        let each = usage.held_bytes / SESSIONS;
        assert!(each < IDLE_BYTES_MAX, "{protocol}: {each} octets");
    }
}

#[test]
fn a_line_of_a_gibibyte_costs_nothing() {
    for protocol in PROTOCOLS {
        let usage = counted(async |server| {
            let mut client = Client::connect(server, protocol);
            client.line().await;
            let chunk = [b'x'; 32 * 1024];
            for _ in 0..(1 << 30) / chunk.len() {
                if !client.try_send(&chunk).await {
                    return;
                }
            }
        });
        assert_bounded(protocol, usage);
    }
}

#[test]
fn garbage_is_refused_and_costs_nothing() {
    testkit::rng::for_each_seed(4, |rng| {
        for protocol in PROTOCOLS {
            let mut garbage = vec![0; 256 * 1024];
            rng.fill(&mut garbage);
            let usage = counted(async |server| {
                let mut client = Client::connect(server, protocol);
                for chunk in garbage.chunks(1000) {
                    if !client.try_send(chunk).await {
                        return;
                    }
                    client.drain().await;
                }
            });
            assert_bounded(protocol, usage);
        }
    });
}

#[test]
fn a_message_over_the_limit_is_swallowed_and_refused() {
    let usage = counted(async |server| {
        let mut client = Client::connect(server, "smtp");
        client.reply().await;
        client.command("EHLO c.test").await;
        client.command("MAIL FROM:<s@x.test>").await;
        client.command("RCPT TO:<bob@example.test>").await;
        client.command("DATA").await;
        let chunk = b"0123456789abcdef\r\n".repeat(1000);
        for _ in 0..6000 {
            assert!(client.try_send(&chunk).await);
        }
        let reply = client.command(".").await;
        assert!(reply.starts_with("552 5.3.4"), "{reply}");
        assert!(client.command("NOOP").await.starts_with("250 "));
    });
    assert_bounded("DATA", usage);
}

#[tokio::test(start_paused = true)]
async fn an_octet_a_minute_does_not_keep_a_session() {
    let server = start_with(&SimFs::new(), 1, |builder| builder).await.unwrap();
    for protocol in PROTOCOLS {
        let mut client = Client::connect(&server, protocol);
        client.line().await;
        let begun = tokio::time::Instant::now();
        while client.try_send(b"x").await {
            tokio::time::sleep(Duration::from_secs(60)).await;
            assert!(begun.elapsed() < Duration::from_secs(3600), "{protocol}");
        }
    }
}

#[test]
fn a_literal_of_four_gibibytes_is_refused_when_it_is_announced() {
    for announced in ["{4294967295}", "{4294967296+}", "{99999999999999999999}"] {
        let usage = counted(async |server| {
            let mut client = Client::connect(server, "imap");
            client.line().await;
            client.send(format!("a LOGIN {announced}\r\n").as_bytes()).await;
            let reply = client.line().await;
            let refused = ["a NO [TOOBIG] ", "a BAD ", "* BYE "].iter().any(|start| reply.starts_with(start));
            assert!(refused, "{announced}: {reply}");
            let chunk = [b'x'; 32 * 1024];
            for _ in 0..1000 {
                if !client.try_send(&chunk).await {
                    return;
                }
            }
        });
        assert_bounded(announced, usage);
    }
}

fn assert_transfer(runtime: &tokio::runtime::Runtime, what: &str, transfer: impl Future<Output = ()>) {
    let usage = measure(|| runtime.block_on(transfer)).1;
    assert!(usage.peak_bytes < TRANSFER_BYTES_MAX + PIPE_BYTES, "{what}: {usage:?}");
}

/// The disk is a real one, so that what lies there is not counted; its threads are this one, so that they are.
#[test]
fn a_large_message_streams_in_and_out_to_a_slow_reader() {
    const LINE: &[u8] = b"0123456789 0123456789 0123456789 0123456789 0123456789\r\n";
    const CHUNK_LINES: usize = 100;
    const CHUNKS: usize = 4000;
    const MESSAGE_BYTES: usize = LINE.len() * CHUNK_LINES * CHUNKS;
    let dir = tempfile::tempdir().unwrap();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let server = runtime.block_on(async {
        let disk = LocalMail::open(Env::real("mail"), dir.path(), "%d/%n", &Blocking::inline()).unwrap();
        let builder = Server::builder().settings(settings()).directory(USERS).mail(disk.spool, disk.store);
        builder.clock(Clock::starting_at(START)).start().await.unwrap()
    });
    let mut imap = runtime.block_on(async {
        let mut client = Client::connect(&server, "imap");
        client.line().await;
        for command in ["a LOGIN alice@example.test ecila", "b SELECT INBOX"] {
            client.send(format!("{command}\r\n").as_bytes()).await;
            while !client.line().await.starts_with(&command[..2]) {}
        }
        client
    });
    assert_transfer(&runtime, "APPEND", async {
        imap.send(format!("c APPEND INBOX {{{MESSAGE_BYTES}}}\r\n").as_bytes()).await;
        assert!(imap.line().await.starts_with("+ "));
        let chunk = LINE.repeat(CHUNK_LINES);
        for _ in 0..CHUNKS {
            imap.send(&chunk).await;
        }
        imap.send(b"\r\n").await;
        while !imap.line().await.starts_with("c OK [APPENDUID ") {}
    });
    assert_transfer(&runtime, "FETCH", async {
        imap.send(b"d FETCH 1 BODY.PEEK[]\r\n").await;
        assert_eq!(imap.line().await, format!("* 1 FETCH (BODY[] {{{MESSAGE_BYTES}}}"));
        imap.skip_slowly(MESSAGE_BYTES).await;
        while !imap.line().await.starts_with("d OK ") {}
    });
    let mut pop3 = runtime.block_on(async {
        let mut client = Client::connect(&server, "pop3");
        for command in ["USER alice@example.test", "PASS ecila"] {
            client.line().await;
            client.send(format!("{command}\r\n").as_bytes()).await;
        }
        client.line().await;
        client
    });
    assert_transfer(&runtime, "RETR", async {
        pop3.send(b"RETR 1\r\n").await;
        assert!(pop3.line().await.starts_with("+OK"));
        pop3.skip_slowly(MESSAGE_BYTES).await;
        assert_eq!(pop3.line().await, ".");
    });
}

/// The milter is in another thread, so that what it remembers is not counted; it replaces the body by another one as large.
#[test]
fn a_large_message_goes_by_a_milter() {
    const CHUNK_BYTES: usize = 20 * 1024;
    const CHUNKS: usize = 1024;
    let milters = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let milter = Milter::new(|step, _| {
        (step == 'E').then(|| {
            let mut packets = vec![packet('b', vec![b'x'; CHUNK_BYTES]); CHUNKS];
            packets.push(packet('c', ""));
            Answer::Say(packets)
        })
    });
    let place = milters.block_on(milters.spawn({
        let milter = milter.clone();
        async move { milter.inet().await }
    }));
    let place = place.unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut client = runtime.block_on(async {
        let settings = settings_with(&[("smtpd_milters", &place)]);
        let change = |builder: postroom::server::Builder| builder.settings(settings).intake(Nowhere);
        let server = Box::leak(Box::new(start_with(&SimFs::new(), 1, change).await.unwrap()));
        Client::greeted(server, "smtp").await
    });
    assert_transfer(&runtime, "milter", async {
        for command in ["MAIL FROM:<s@x.test>", "RCPT TO:<bob@example.test>", "DATA"] {
            assert!(matches!(client.command(command).await.as_bytes()[0], b'2' | b'3'));
        }
        let chunk = b"0123456789abcdef\r\n".repeat(CHUNK_BYTES / 18);
        for _ in 0..CHUNKS {
            client.send(&chunk).await;
        }
        let reply = client.command(".").await;
        assert!(reply.starts_with("250 "), "{reply}");
    });
    assert!(milter.body_octets() > 20_000_000);
}

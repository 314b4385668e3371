//! The server is killed in the middle of 200 parallel deliveries and started again: every message that got its 250
//! is there once, and none is there in part.
//!
//! A kill keeps what the system has in its page cache, so it proves less than a power cut. That is what the
//! simulated disk is for; this shows that the whole program, threads and all, takes up its work again.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

use common::wire::{Imap, Smtp, Value};
use common::{ALICE, BOB, PASSWORD, Server, configuration, eventually, prepare};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const SENDERS: usize = 200;

/// A message of some 20 KB that says which it is, in front and at its end.
fn message(id: &str) -> Vec<u8> {
    let filler = "All work and no play makes Jack a dull boy.\r\n".repeat(450);
    format!("From: <{BOB}>\r\nSubject: {id}\r\n\r\n{filler}end of {id}\r\n").into_bytes()
}

/// What INBOX holds: how often each subject, and whether each message is whole.
fn inbox(server: &Server) -> BTreeMap<String, usize> {
    let mut imap = Imap::login(server.address("imap", "starttls"), ALICE, PASSWORD);
    let mut found = BTreeMap::new();
    imap.ok("SELECT INBOX");
    for response in imap.ok("UID FETCH 1:* BODY.PEEK[]") {
        if response.get(1) != Some(&Value::Atom("FETCH".into())) {
            continue;
        }
        let text = String::from_utf8(response[2].item("BODY[]").text().to_vec()).unwrap();
        let id = text.split("Subject: ").nth(1).unwrap().split("\r\n").next().unwrap().to_owned();
        assert!(text.as_bytes().ends_with(&message(&id)), "{id} is there in part");
        *found.entry(id).or_default() += 1;
    }
    found
}

fn killed_after(acknowledged_min: usize) {
    let directory = tempfile::tempdir().unwrap();
    let retries = "minimal_backoff_time_seconds = 1\nmaximal_backoff_time_seconds = 1";
    let rest = format!("[limits]\nconnections_per_ip_max = 300\n[queue]\n{retries}\n");
    prepare(directory.path(), &configuration(true, &rest));
    let server = Server::start_in(directory.path());
    let address = server.address("smtp", "starttls");
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let count = Arc::new(AtomicUsize::new(0));
    // A sender's panic is the kill cutting it off, and nothing to be printed.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let senders: Vec<_> = (0..SENDERS)
        .map(|sender| {
            let (acknowledged, count) = (Arc::clone(&acknowledged), Arc::clone(&count));
            std::thread::spawn(move || {
                let _ = catch_unwind(AssertUnwindSafe(|| {
                    let mut smtp = Smtp::connect(address);
                    for number in 0.. {
                        let id = format!("m-{sender}-{number}");
                        if smtp.send(BOB, ALICE, &message(&id)).starts_with("250 ") {
                            acknowledged.lock().unwrap().push(id);
                            count.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                }));
            })
        })
        .collect();
    eventually(|| count.load(Ordering::SeqCst) >= acknowledged_min);
    server.kill();
    for sender in senders {
        sender.join().unwrap();
    }
    std::panic::set_hook(hook);

    let server = Server::start_in(directory.path());
    let acknowledged = acknowledged.lock().unwrap().clone();
    let mut found = BTreeMap::new();
    eventually(|| {
        found = inbox(&server);
        acknowledged.iter().all(|id| found.contains_key(id))
    });
    let doubled: Vec<_> = found.iter().filter(|(_, times)| **times > 1).collect();
    assert!(doubled.is_empty(), "doubled: {doubled:?}");
    assert!(server.stop());
}

/// One after the other: while a server is killed, panics are not printed, in this whole process.
#[test]
fn killed_early_and_late() {
    killed_after(20);
    killed_after(500);
}

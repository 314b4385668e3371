//! Recipients decided a second, beside Debian's Postfix with the same lists and tables: a table of ratios.
//!
//! Both are asked through sockets of this machine by the same clients, in turns, and the median of the rounds counts. The
//! clients share the processors with whomever they ask; ours is in one process with them. Postfix can be started by root
//! alone, and where it cannot, nothing is measured.
//!
//! `cargo bench -p postroom --bench recipients`

#![allow(clippy::unwrap_used, reason = "what cannot be started measures nothing")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "it prints a table")]

#[path = "../tests/common/mod.rs"]
mod common;
#[allow(dead_code, reason = "the lists are made here, not read")]
#[path = "../tests/dialogues/configuration.rs"]
mod configuration;
#[allow(dead_code, reason = "connections are those of sockets")]
#[path = "../tests/dialogues/ours.rs"]
mod ours;
#[path = "../tests/dialogues/postfix.rs"]
mod postfix;

use configuration::Configuration;
use futures_util::future::join_all;
use postfix::Postfix;
use postroom::Server;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;

/// Clients at the same time.
const CLIENTS: usize = 4;

/// Recipients of a transaction.
const RECIPIENTS: usize = 100;

/// Entries of each table.
const ENTRIES: usize = 1000;

const COMMON: &[(&str, &str)] = &[
    ("myhostname", "mail.example.com"),
    ("mydomain", "example.com"),
    ("mydestination", "example.com"),
    ("mynetworks", "192.0.2.0/24"),
    ("local_recipient_maps", "static:here"),
    ("smtpd_relay_restrictions", "permit_mynetworks, reject_unauth_destination"),
];

/// Lists without tables, and lists with five. Nothing in the tables is found, so that every rule is looked at.
const LISTS: &[(&str, &[(&str, &str)])] = &[
    ("default", &[]),
    (
        "tables",
        &[
            ("smtpd_client_restrictions", "check_client_access texthash:@/addresses"),
            ("smtpd_helo_restrictions", "reject_invalid_helo_hostname, check_helo_access texthash:@/names"),
            ("smtpd_sender_restrictions", "reject_non_fqdn_sender, check_sender_access texthash:@/mailboxes"),
            (
                "smtpd_recipient_restrictions",
                "reject_non_fqdn_recipient, check_client_access cidr:@/networks,
                check_recipient_access texthash:@/mailboxes",
            ),
        ],
    ),
];

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    // Whether it runs is seen with less.
    let is_test = std::env::args().any(|arg| arg == "--test");
    let (rounds, transactions) = if is_test { (1, 2) } else { (9, 50) };
    if !postfix::can_start() {
        return;
    }
    let tables = tempfile::tempdir().unwrap();
    write_tables(tables.path());
    let common = configuration("*", COMMON, tables.path());
    let lists: Vec<_> = LISTS.iter().map(|(name, list)| configuration(name, list, tables.path())).collect();
    let postfix = Postfix::start(&common, &lists, tables.path());
    let server = ours::start(&common, &lists).await;
    println!("{:<10} {:>12} {:>12} {:>7}", "lists", "ours /s", "Postfix /s", "ratio");
    for (name, _) in LISTS {
        let (mut of_ours, mut of_theirs) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            of_ours.push(rate(transactions, async || connect(&server, name)).await);
            of_theirs.push(rate(transactions, async || postfix.connect(name).await).await);
        }
        let (ours, theirs) = (median(of_ours), median(of_theirs));
        println!("{name:<10} {ours:>12.0} {theirs:>12.0} {:>7.2}", ours / theirs);
    }
}

/// How many recipients a second are decided for all clients together, by servers that are greeted and warm.
async fn rate(transactions: usize, connect: impl AsyncFn() -> UnixStream) -> f64 {
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        let mut client = Client(BufReader::new(connect().await));
        client.replies(1).await;
        client.ask("EHLO [127.0.0.1]\r\n", 1).await;
        client.ask("XCLIENT ADDR=203.0.113.9\r\n", 1).await;
        client.ask("EHLO client.example.net\r\n", 1).await;
        client.transaction().await;
        clients.push(client);
    }
    let begun = Instant::now();
    let work = clients.into_iter().map(async |mut client| {
        for _ in 0..transactions {
            client.transaction().await;
        }
        client
    });
    // Clients on one thread, so that the servers have the other.
    let clients = join_all(work).await;
    let elapsed = begun.elapsed();
    for mut client in clients {
        client.ask("QUIT\r\n", 1).await;
    }
    (CLIENTS * transactions * RECIPIENTS) as f64 / elapsed.as_secs_f64()
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// A connection to ours, through a socket as Postfix's.
fn connect(server: &Server, listener: &str) -> UnixStream {
    let (client, stream) = UnixStream::pair().unwrap();
    let peer = SocketAddr::from(([127, 0, 0, 1], 40_000));
    tokio::spawn(server.serve(listener, stream, peer).unwrap());
    client
}

struct Client(BufReader<UnixStream>);

impl Client {
    /// Everybody is a recipient once, all commands at once.
    async fn transaction(&mut self) {
        let mut commands = String::from("MAIL FROM:<somebody@example.org>\r\n");
        for number in 0..RECIPIENTS {
            write!(commands, "RCPT TO:<user{number}@example.com>\r\n").unwrap();
        }
        commands.push_str("RSET\r\n");
        self.ask(&commands, RECIPIENTS + 2).await;
    }

    async fn ask(&mut self, commands: &str, replies: usize) {
        self.0.write_all(commands.as_bytes()).await.unwrap();
        self.replies(replies).await;
    }

    /// Reads so many replies, each of which must be one that accepts.
    async fn replies(&mut self, count: usize) {
        let mut line = String::new();
        for _ in 0..count {
            loop {
                line.clear();
                self.0.read_line(&mut line).await.unwrap();
                assert!(line.starts_with('2'), "not accepted: {line:?}");
                if line.as_bytes()[3] == b' ' {
                    break;
                }
            }
        }
    }
}

fn configuration(name: &str, parameters: &[(&str, &str)], tables: &Path) -> Configuration {
    let tables = tables.display().to_string();
    let own = |&(name, value): &(&str, &str)| (name.to_owned(), value.replace('@', &tables));
    Configuration { name: name.into(), parameters: parameters.iter().map(own).collect() }
}

/// Tables in which nothing is found.
fn write_tables(folder: &Path) {
    let table = |name: &str, entry: fn(usize) -> String| {
        let text: String = (0..ENTRIES).map(|number| format!("{} REJECT\n", entry(number))).collect();
        std::fs::write(folder.join(name), text).unwrap();
    };
    table("addresses", |number| format!("198.51.{}.{}", number / 250, number % 250));
    table("names", |number| format!("host{number}.example.net"));
    table("mailboxes", |number| format!("nobody{number}@example.org"));
    table("networks", |number| format!("10.{}.{}.0/24", number / 250, number % 250));
}

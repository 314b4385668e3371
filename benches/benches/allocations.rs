//! How often memory is asked for, for each command and each message: a table, the same at every run.
//!
//! Counted by testkit's allocator on this thread, so nothing else disturbs it, and one run is enough.
#![allow(clippy::print_stdout, reason = "the table is what it is for")]

use postroom_benches::imap::{self, Stored};
use postroom_benches::mail::{Kind, message};
use postroom_benches::{NOW, dot, policy, pop3, smtp};
use proto_core::OutBuf;
use std::hint::black_box;
use testkit::alloc::{Counting, Usage, measure};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    println!("{:<58} {:>11} {:>11} {:>11}", "", "allocations", "peak octets", "left over");
    smtp_commands();
    smtp_session();
    texts();
    imap_commands();
    imap_session();
    pop3_session();
    decisions();
}

fn row(name: &str, usage: Usage) {
    println!("{name:<58} {:>11} {:>11} {:>11}", usage.allocations, usage.peak_bytes, usage.held_bytes);
}

/// What one more costs: many minus one, by the number between them.
fn row_each(name: &str, one: Usage, many: Usage, more: usize) {
    let each = (many.allocations - one.allocations) as f64 / more as f64;
    println!("{name:<58} {each:>11.2} {:>11} {:>11}", many.peak_bytes, many.held_bytes);
}

fn usage_of<T>(work: impl FnOnce() -> T) -> Usage {
    measure(|| drop(black_box(work()))).1
}

fn smtp_commands() {
    let grammar = smtp::grammar();
    for line in smtp::COMMANDS.iter().filter(|line| line.contains(':')) {
        let name: String = line.chars().take(50).collect();
        row(&format!("parse {name}"), usage_of(|| smtp::parse_owned(line.as_bytes(), &grammar)));
    }
}

fn smtp_session() {
    let config = smtp::config();
    for (name, line, times) in [
        ("SMTP, each NOOP of a group of 90", "NOOP\r\n", 90),
        ("SMTP, each RCPT of a group of 100", "RCPT TO:<somebody@example.test>\r\n", 100),
    ] {
        let mut server = smtp_proto::Server::new(NOW, config.clone(), smtp_proto::Peer::default());
        let (mut out, mut outcome) = (OutBuf::new(), smtp::Outcome::default());
        for opening in ["", "EHLO c\r\n", "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n"] {
            smtp::exchange(&mut server, opening.as_bytes(), &mut out, &mut outcome);
        }
        let one = usage_of(|| smtp::exchange(&mut server, line.as_bytes(), &mut out, &mut outcome));
        let group = line.repeat(times);
        let many = usage_of(|| smtp::exchange(&mut server, group.as_bytes(), &mut out, &mut outcome));
        row_each(name, one, many, times - 1);
    }
    for (name, octets) in [("4 KiB", 4 << 10), ("64 KiB", 64 << 10), ("1 MiB", 1 << 20)] {
        let text = message(Kind::Text, octets);
        let (one, many) = (smtp::segments(1, &text), smtp::segments(11, &text));
        let one = usage_of(|| smtp::session(&config, &one));
        let many = usage_of(|| smtp::session(&config, &many));
        row_each(&format!("SMTP, each message of {name}, 1 recipient, pipelined"), one, many, 10);
    }
    let text = message(Kind::Text, 4 << 10);
    let (one, many) = (smtp::chunked_segments(1, &text), smtp::chunked_segments(11, &text));
    let one = usage_of(|| smtp::session(&config, &one));
    let many = usage_of(|| smtp::session(&config, &many));
    row_each("SMTP, each message of 4 KiB by BDAT, 1 recipient", one, many, 10);
    let nothing = smtp::segments(0, b"");
    row("SMTP, a session of EHLO and QUIT", usage_of(|| smtp::session(&config, &nothing)));
}

fn texts() {
    for (kind_name, kind) in Kind::ALL {
        let text = message(kind, 1 << 20);
        let wire = dot::to_wire(&text);
        row(&format!("dot decoder, 1 MiB of {kind_name}"), usage_of(|| dot::decode(&wire, false)));
        row(&format!("dot encoder, 1 MiB of {kind_name}"), usage_of(|| dot::encode(&text)));
    }
}

fn imap_commands() {
    for line in imap::FETCHES {
        let name: String = line.chars().take(50).collect();
        let line = format!("{line}\r\n");
        row(&format!("parse {name}"), usage_of(|| imap::parse(line.as_bytes())));
    }
    let stored = Stored::new(message(Kind::Text, 4096));
    for (name, only_flags) in [("flags", true), ("list view", false)] {
        let (response, mut out) = (imap::response(&stored, only_flags), OutBuf::new());
        row(&format!("encode FETCH response, {name}"), usage_of(|| imap::encode(&response, &mut out)));
    }
}

fn imap_session() {
    let stored = Stored::new(message(Kind::Text, 4096));
    let mut server = imap_proto::server::Server::new(imap::config());
    let (mut out, mut outcome) = (OutBuf::new(), imap::Outcome::default());
    row("IMAP, greeting", usage_of(|| imap::exchange(&mut server, "", &stored, &mut out, &mut outcome)));
    for (name, command) in imap::STEPS {
        let usage = usage_of(|| imap::exchange(&mut server, command, &stored, &mut out, &mut outcome));
        row(&format!("IMAP, {name}"), usage);
    }
}

fn pop3_session() {
    let (config, text) = (pop3::config(), message(Kind::Text, 4096));
    let run = |messages| {
        let commands = pop3::commands(messages);
        usage_of(|| pop3::session(&config, &commands, messages, &text))
    };
    row_each("POP3, each UIDL, RETR, DELE of 4 KiB", run(1), run(101), 100);
}

fn decisions() {
    let (request, recipient) = (policy::request(), policy::recipient());
    for rules in [5, 50] {
        let policy = policy::long_list(rules);
        let usage = usage_of(|| policy::decide(&policy, &request, &recipient));
        row(&format!("policy, a recipient through {rules} rules, 5 of them lookups"), usage);
    }
    let (policy, router) = policy::default_lists();
    let (decided, usage) = measure(|| policy::decide_and_ask(&policy, &request, &recipient));
    row("policy, a recipient through the default lists", usage);
    row("policy, who gets its mail", usage_of(|| policy::route(&router, &request, &recipient, decided)));
}

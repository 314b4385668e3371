//! One workload, so many times, and nothing else: for callgrind and perf, which want a process of its own.
//!
//! `workload NAME TIMES`. The message it works on is made before, so subtract a run of 0 times from a run of N.
#![allow(clippy::print_stderr, reason = "it tells how it is used")]

use postroom_benches::mail::{Kind, message};
use postroom_benches::{dot, imap, mime, policy, pop3, smtp};
use std::hint::black_box;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, times] = &arguments[..] else { return usage() };
    let Ok(times) = times.parse::<usize>() else { return usage() };
    match name.as_str() {
        "smtp-commands" => {
            let grammar = smtp::grammar();
            repeat(times, || smtp::COMMANDS.iter().for_each(|line| smtp::parse(line.as_bytes(), &grammar)));
        }
        "smtp-group" => {
            let grammar = smtp::grammar();
            repeat(times, || smtp::parse_group(black_box(smtp::GROUP), |line| smtp::parse(line, &grammar)));
        }
        "smtp-session" => {
            let (config, segments) = (smtp::config(), smtp::segments(10, &message(Kind::Text, 4096)));
            repeat(times, || smtp::session(&config, &segments));
        }
        "smtp-session-bdat" => {
            let (config, message) = (smtp::config(), message(Kind::Text, 4096));
            let segments = smtp::chunked_segments(10, &message);
            repeat(times, || smtp::session(&config, &segments));
        }
        "dot-decode" => {
            let wire = dot::to_wire(&message(Kind::Text, 1 << 20));
            repeat(times, || dot::decode(&wire, false));
        }
        "dot-encode" => {
            let text = message(Kind::Text, 1 << 20);
            repeat(times, || dot::encode(&text));
        }
        "imap-parse" => {
            let lines = imap::FETCHES.map(|line| format!("{line}\r\n"));
            repeat(times, || lines.iter().for_each(|line| drop(black_box(imap::parse(line.as_bytes())))));
        }
        "imap-session" => {
            let (config, stored) = (imap::config(), imap::Stored::new(message(Kind::Text, 4096)));
            repeat(times, || imap::session(&config, &stored));
        }
        "mime-scan" => {
            let messages = mime::corpus();
            repeat(times, || mime::scan_all(&messages));
        }
        "policy-decision" => {
            let (policy, request, recipient) =
                (policy::long_list(50), policy::request(), policy::recipient());
            repeat(times, || policy::decide(&policy, &request, &recipient));
        }
        "policy-recipient" => {
            let ((policy, router), request) = (policy::default_lists(), policy::request());
            let recipient = policy::recipient();
            repeat(times, || {
                let decided = policy::decide_and_ask(&policy, &request, &recipient);
                policy::route(&router, &request, &recipient, decided)
            });
        }
        "pop3-session" => {
            let (config, commands, text) = (pop3::config(), pop3::commands(100), message(Kind::Text, 4096));
            repeat(times, || pop3::session(&config, &commands, 100, &text));
        }
        _ => return usage(),
    }
    ExitCode::SUCCESS
}

fn repeat<T>(times: usize, mut workload: impl FnMut() -> T) {
    for _ in 0..times {
        black_box(workload());
    }
}

fn usage() -> ExitCode {
    eprintln!(
        "usage: workload NAME TIMES\n\
         NAME: smtp-commands smtp-group smtp-session smtp-session-bdat dot-decode dot-encode imap-parse imap-session mime-scan policy-decision policy-recipient pop3-session"
    );
    ExitCode::FAILURE
}

//! What becomes of the header of a message with Debian's Postfix and with ours, configured alike.
//!
//! `headers/fields.txt` has the fields, what Postfix makes of each, and where ours is another, that and the reason. Blanks and
//! folds are not compared: Postfix writes anew what it changes. Where Postfix is installed and can be started, it is asked
//! again, and must say the same; with `POSTROOM_RECORD` set, what it says is written down.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    dead_code,
    reason = "a test; it uses a part of what it shares"
)]

#[path = "dialogues/configuration.rs"]
mod configuration;
#[path = "dialogues/postfix.rs"]
mod postfix;

use configuration::Configuration;
use postfix::Postfix;
use postroom::relay_policy::address::{Address, EnvelopeRouter};
use postroom::relay_policy::headers::{HeaderRewriting, HeaderRun, HeaderStep, MessageFacts};
use postroom::relay_policy::table::{Answers, Opener};
use postroom::relay_policy::{Parameters, Request};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

/// The field in front of each field that is compared.
const MARK: &str = "X-Next: field";

/// A configuration, and the fields that are looked at with it.
#[derive(Debug, Clone)]
struct Section {
    name: String,
    parameters: Vec<(String, String)>,
    fields: Vec<Field>,
    /// The fields that Postfix adds.
    added: String,
}

#[derive(Debug, Clone)]
struct Field {
    /// As it stands in the file.
    sent: String,
    postfix: String,
    /// Where ours is another; and why.
    ours: Option<(String, String)>,
}

#[tokio::test]
async fn postfix_does_what_was_recorded() {
    if !postfix::can_start() {
        return;
    }
    let mut sections = read();
    for section in &mut sections {
        let header = of_postfix(section).await;
        let (fields, added) = cut(&header);
        assert_eq!(fields.len(), section.fields.len(), "{}", section.name);
        if std::env::var_os("POSTROOM_RECORD").is_some() {
            section.added = added;
            for (field, postfix) in section.fields.iter_mut().zip(fields) {
                field.postfix = postfix;
            }
            continue;
        }
        assert_eq!(added, section.added, "{}", section.name);
        for (field, postfix) in section.fields.iter().zip(fields) {
            assert_eq!(postfix, field.postfix, "{}: {}", section.name, field.sent);
        }
    }
    if std::env::var_os("POSTROOM_RECORD").is_some() {
        std::fs::write(file(), write(&sections)).unwrap();
    }
}

#[test]
fn ours_does_what_postfix_does() {
    let mut wrong = String::new();
    let mut looked_at = 0;
    for section in read() {
        let (fields, added) = cut(&of_ours(&section));
        assert_eq!(fields.len(), section.fields.len(), "{}", section.name);
        assert_eq!(added, section.added, "{}", section.name);
        for (field, found) in section.fields.iter().zip(fields) {
            looked_at += 1;
            let differs = bare(&found) != bare(&field.postfix);
            let listed = field.ours.as_ref().map(|(ours, _)| ours);
            if differs != listed.is_some() || listed.is_some_and(|ours| *ours != found) {
                let Field { sent, postfix, .. } = field;
                writeln!(wrong, "[{}]\n> {sent}\npostfix {postfix}\nours    {found}", section.name).unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{wrong}", file().display());
    assert!(looked_at >= 100, "{looked_at} fields");
}

/// The fields that stand behind a mark, and what was added, each on one line.
fn cut(header: &str) -> (Vec<String>, String) {
    let (_, header) = header
        .replace("\r\n", "\n")
        .split_once(&format!("{MARK}\n"))
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .unwrap();
    let (header, added) = header.split_once("X-Last: field\n").unwrap();
    let unfolded = |text: &str| text.replace("\n\t", " ").replace("\n ", " ").trim().replace(['\t'], " ");
    let fields = header.split(&format!("{MARK}\n")).map(unfolded).collect();
    // What is different with each message is left out.
    let added = unfolded(added);
    let shape = |line: &str| match line.split_once(": ") {
        Some((name @ ("Message-Id" | "Date" | "Resent-Message-Id" | "Resent-Date"), _)) => name.to_owned(),
        _ => line.to_owned(),
    };
    let added: Vec<String> = added.lines().map(shape).collect();
    (fields, if added.is_empty() { "nothing".into() } else { added.join("; ") })
}

/// A field without its blanks.
fn bare(field: &str) -> String {
    field.split_whitespace().collect()
}

/// The message of a section.
fn message(section: &Section) -> String {
    let mut text = String::new();
    for Field { sent, .. } in &section.fields {
        let sent = sent.replace("\\n", "\r\n").replace("\\t", "\t");
        write!(text, "{MARK}\r\n{sent}\r\n").unwrap();
    }
    text + "X-Last: field\r\n\r\nbody\r\n"
}

fn of_ours(section: &Section) -> String {
    let mut parameters = Parameters::default();
    for (name, value) in &section.parameters {
        parameters.set(name, value).unwrap();
    }
    let no_files = |_: &str| Err("no files".into());
    let opener = Opener::new(&no_files);
    let router = EnvelopeRouter::from_parameters(&parameters, &opener, &mut Vec::new()).unwrap();
    let rewriting = HeaderRewriting::from_parameters(&parameters, &router, &opener, &mut Vec::new()).unwrap();
    let client = Request::new("127.0.0.1".parse().unwrap());
    let message = message(section);
    let header = |message: &str| message.split("\r\n\r\n").next().unwrap().to_owned() + "\r\n";
    let Some(plan) = rewriting.plan(&client, &Answers::default()).unwrap() else { return header(&message) };
    let facts = MessageFacts { sender: Address::parse("s@far.test"), id: "1".into(), date: "x".into() };
    let (mut run, mut kept) = (HeaderRun::new(&rewriting, plan, facts), Vec::new());
    run.feed(message.as_bytes());
    run.end();
    assert_eq!(run.step(&mut kept), HeaderStep::Done);
    header(&String::from_utf8(kept).unwrap())
}

/// The header that Postfix would deliver.
async fn of_postfix(section: &Section) -> String {
    let own = [
        ("smtpd_end_of_data_restrictions", "check_client_access static:HOLD"),
        ("local_recipient_maps", ""),
        ("message_drop_headers", ""),
    ];
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let parameters = section.parameters.iter().cloned().chain(own).collect();
    let common = Configuration { name: "*".into(), parameters };
    let listener = Configuration { name: "in".into(), parameters: Vec::new() };
    let postfix = Postfix::start(&common, &[listener], &folder());
    let mut stream = BufReader::new(postfix.connect("in").await);
    let mut reply = String::new();
    stream.read_line(&mut reply).await.unwrap();
    let body = format!("{}.", message(section));
    for command in ["HELO client.test", "MAIL FROM:<s@far.test>", "RCPT TO:<r@example.com>", "DATA", &body] {
        stream.get_mut().write_all(format!("{command}\r\n").as_bytes()).await.unwrap();
        reply.clear();
        stream.read_line(&mut reply).await.unwrap();
        assert!(reply.starts_with(['2', '3']), "{command}: {reply}");
    }
    let queue_id = reply.trim().rsplit(' ').next().unwrap();
    let told =
        Command::new("postcat").arg("-c").arg(postfix.conf()).args(["-qh", queue_id]).output().unwrap();
    assert!(told.status.success(), "{queue_id}: {}", String::from_utf8_lossy(&told.stderr));
    String::from_utf8_lossy(&told.stdout).into_owned()
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/headers")
}

fn file() -> PathBuf {
    folder().join("fields.txt")
}

fn read() -> Vec<Section> {
    let text = std::fs::read_to_string(file()).unwrap();
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines().filter(|line| !(line.is_empty() || line.starts_with('#'))) {
        if let Some(name) = line.strip_prefix('[') {
            let name = name.trim_end_matches(']').into();
            sections.push(Section { name, parameters: Vec::new(), fields: Vec::new(), added: String::new() });
            continue;
        }
        let section = sections.last_mut().unwrap();
        if let Some(sent) = line.strip_prefix("> ") {
            section.fields.push(Field { sent: sent.into(), postfix: String::new(), ours: None });
        } else if let Some(added) = line.strip_prefix("added ") {
            section.added = added.into();
        } else if let Some(field) = section.fields.last_mut() {
            if let Some(postfix) = line.strip_prefix("postfix ") {
                field.postfix = postfix.into();
            } else if let Some(ours) = line.strip_prefix("ours    ") {
                field.ours = Some((ours.into(), String::new()));
            } else {
                let reason = line.strip_prefix("because ").unwrap_or_else(|| panic!("{line}"));
                field.ours.as_mut().unwrap().1 = reason.into();
            }
        } else {
            let (name, value) = line.split_once(" = ").unwrap_or_else(|| panic!("{line}"));
            section.parameters.push((name.into(), value.into()));
        }
    }
    for field in sections.iter().flat_map(|section| &section.fields) {
        assert!(
            field.ours.as_ref().is_none_or(|(_, reason)| !reason.is_empty()),
            "no reason: {}",
            field.sent
        );
    }
    sections
}

fn write(sections: &[Section]) -> String {
    let text = std::fs::read_to_string(file()).unwrap();
    let mut written: String = text
        .lines()
        .take_while(|line| line.starts_with('#'))
        .fold(String::new(), |all, line| all + line + "\n");
    for Section { name, parameters, fields, added } in sections {
        writeln!(written, "\n[{name}]").unwrap();
        for (name, value) in parameters {
            writeln!(written, "{name} = {value}").unwrap();
        }
        for Field { sent, postfix, ours } in fields {
            writeln!(written, "> {sent}\npostfix {postfix}").unwrap();
            if let Some((ours, reason)) = ours {
                writeln!(written, "ours    {ours}\nbecause {reason}").unwrap();
            }
        }
        writeln!(written, "added {added}").unwrap();
    }
    written
}

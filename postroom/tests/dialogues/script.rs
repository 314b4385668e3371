//! Dialogues as they are written in the `.in` files.
//!
//! | line | is |
//! | --- | --- |
//! | `= name \| configuration \| client` | a dialogue; the client is `stranger` where none is said |
//! | `* name \| configurations \| clients \| senders` | a dialogue for each combination; the lines below are recipients, and commands |
//! | `& command` | sent together with the command before it |
//! | `. text` | a line of the message, sent when DATA was answered with 354; `.` alone is an empty one |
//! | anything else | a command; `{user:password}` in it is put as AUTH PLAIN has it |

use proto_core::sasl::line::encode;
use std::fmt;
use std::path::Path;

/// A client that XCLIENT speaks for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    pub(crate) name: &'static str,
    /// What XCLIENT says of it.
    pub(crate) attributes: &'static str,
    /// The name that its address has, whatever addresses that has.
    pub(crate) reverse_name: &'static str,
    /// Who logs in after EHLO.
    login: Option<&'static str>,
}

const fn client(
    name: &'static str,
    attributes: &'static str,
    reverse_name: &'static str,
    login: Option<&'static str>,
) -> Client {
    Client { name, attributes, reverse_name, login }
}

/// The clients that dialogues name.
const CLIENTS: [Client; 16] = [
    client("stranger", "ADDR=203.0.113.9 NAME=mx.good.example", "mx.good.example", None),
    client("inside", "ADDR=192.0.2.7 NAME=pc.example.com", "pc.example.com", None),
    client("alice", STRANGER_TOO, "mx.good.example", Some("{alice@example.com:ecila}")),
    client("bob", STRANGER_TOO, "mx.good.example", Some("{bob@example.com:bob}")),
    client("six", "ADDR=IPV6:2001:db8:2::9 NAME=six.good.example", "six.good.example", None),
    client("other-six", "ADDR=IPV6:2001:db8:3::9 NAME=[UNAVAILABLE]", "[UNAVAILABLE]", None),
    client("nameless", "ADDR=203.0.113.10 NAME=[UNAVAILABLE]", "[UNAVAILABLE]", None),
    client("tempfail", "ADDR=203.0.113.11 NAME=[TEMPUNAVAIL]", "[TEMPUNAVAIL]", None),
    client("reverse-only", "ADDR=203.0.113.12 NAME=[UNAVAILABLE]", "mx.good.example", None),
    client("sub", "ADDR=203.0.114.13 NAME=a.b.good.example", "a.b.good.example", None),
    client("dotted", "ADDR=203.0.114.14 NAME=a.dotted.example", "a.dotted.example", None),
    client("twenty", "ADDR=203.0.113.20 NAME=[UNAVAILABLE]", "[UNAVAILABLE]", None),
    client("thirty", "ADDR=203.0.113.30 NAME=thirty.test", "thirty.test", None),
    client("other-net", "ADDR=198.51.100.7 NAME=other.test", "other.test", None),
    client("dsl", "ADDR=203.0.113.130 NAME=x.dsl-7.test", "x.dsl-7.test", None),
    client("fine", "ADDR=203.0.114.15 NAME=mx.fine.example", "mx.fine.example", None),
];

const STRANGER_TOO: &str = "ADDR=203.0.113.9 NAME=mx.good.example";

/// A session with one of the configurations.
#[derive(Debug)]
pub(crate) struct Dialogue {
    pub(crate) name: String,
    pub(crate) configuration: String,
    pub(crate) client: Client,
    pub(crate) steps: Vec<Step>,
}

/// A command.
#[derive(Debug)]
pub(crate) struct Step {
    pub(crate) command: String,
    /// Sent together with the one before it.
    pub(crate) joined: bool,
    /// What is sent after it when it is answered with 354.
    pub(crate) text: String,
}

impl Step {
    fn new(command: &str) -> Self {
        let (joined, command) = match command.strip_prefix("& ") {
            Some(command) => (true, command),
            None => (false, command),
        };
        Self { command: command.into(), joined, text: String::new() }
    }

    /// The command as it is on the wire.
    pub(crate) fn octets(&self) -> String {
        let credentials = |braces: &str| {
            let (user, password) = braces.split_once(':')?;
            Some(encode(format!("\0{user}\0{password}").as_bytes()))
        };
        let written = self.command.split_once('{').and_then(|(before, rest)| {
            let (braces, after) = rest.split_once('}')?;
            Some(format!("{before}{}{after}", credentials(braces)?))
        });
        format!("{}\r\n", written.as_ref().unwrap_or(&self.command))
    }
}

/// Its first line.
impl fmt::Display for Dialogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "= {} | {} | {}", self.name, self.configuration, self.client.name)
    }
}

/// The dialogues of a file.
pub(crate) fn read(path: &Path) -> Vec<Dialogue> {
    let source = std::fs::read_to_string(path).unwrap();
    let mut dialogues: Vec<Dialogue> = Vec::new();
    // Those that the lines below belong to.
    let mut open = 0;
    for line in source.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(head) = line.strip_prefix("= ") {
            open = dialogues.len();
            let [name, configuration, rest @ ..] = &parts(head)[..] else { panic!("{head}") };
            dialogues.push(Dialogue {
                name: (*name).into(),
                configuration: (*configuration).into(),
                client: find(rest.first().copied().unwrap_or("stranger")),
                steps: Vec::new(),
            });
        } else if let Some(head) = line.strip_prefix("* ") {
            open = dialogues.len();
            dialogues.extend(combinations(head));
        } else {
            assert!(open < dialogues.len(), "{}: {line} belongs to no dialogue", path.display());
            dialogues[open..].iter_mut().for_each(|dialogue| dialogue.add(line));
        }
    }
    dialogues
}

impl Dialogue {
    fn add(&mut self, line: &str) {
        match (line.strip_prefix('.'), line.starts_with('<')) {
            (Some(text), _) => {
                let step = self.steps.last_mut().unwrap();
                step.text.push_str(text.strip_prefix(' ').unwrap_or_default());
                step.text.push_str("\r\n");
            }
            (None, true) => self.steps.push(Step::new(&format!("RCPT TO:{line}"))),
            (None, false) => self.steps.push(Step::new(line)),
        }
    }
}

fn combinations(head: &str) -> Vec<Dialogue> {
    let [name, configurations, clients, senders] = parts(head)[..] else { panic!("{head}") };
    let mut dialogues = Vec::new();
    for configuration in configurations.split(' ') {
        for client in clients.split(' ').map(find) {
            for sender in senders.split(" <").map(|sender| sender.trim_start_matches('<')) {
                let mut steps = vec![Step::new("EHLO mx.good.example")];
                steps.extend(client.login.map(|login| Step::new(&format!("AUTH PLAIN {login}"))));
                steps.push(Step::new(&format!("MAIL FROM:<{sender}")));
                let name = format!("{name} <{sender}");
                dialogues.push(Dialogue { name, configuration: configuration.into(), client, steps });
            }
        }
    }
    dialogues
}

fn parts(head: &str) -> Vec<&str> {
    head.split('|').map(str::trim).collect()
}

fn find(name: &str) -> Client {
    *CLIENTS.iter().find(|client| client.name == name).unwrap_or_else(|| panic!("no client is called {name}"))
}

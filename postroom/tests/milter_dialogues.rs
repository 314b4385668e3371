//! The same milter beside Debian's Postfix and beside ours: what a client hears, and which steps the milter is told, for each answer that
//! it can give to each step; and what it is told in a session to which it has no objections, macros included.
//!
//! What came of it with Postfix stands in `milter_dialogues/postfix.ref`; where Postfix is installed and can be started, it is asked again,
//! and must say the same. Ours is held against that file. What differs stands below, with the reason; what does not stand there fails
//! the test, and so does what stands there and no longer differs. With `POSTROOM_RECORD` set, what Postfix says is written.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

#[allow(dead_code, reason = "it reads configurations from files, too")]
#[path = "dialogues/configuration.rs"]
mod configuration;
#[allow(dead_code, reason = "it has more than one use")]
#[path = "dialogues/postfix.rs"]
mod postfix;

use common::milter::{Answer, Milter, packet, settings_with};
use common::start_with;
use configuration::Configuration;
use mailstore::fs::sim::SimFs;
use postfix::Postfix;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};

/// What differs: at which steps, at which answer, why.
const DIFFERENCES: [(&str, &str, &str); 16] = [
    ("C", "reject", NO_GREETING),
    ("C", "550", NO_GREETING),
    ("C", "two lines", NO_GREETING),
    ("CRE", "no enhanced code", "each refusal has one here, X.7.1 where a milter says none"),
    ("CH", "421", GREETING_CODE),
    ("CH", "shutdown", GREETING_CODE),
    (
        "CHMRTLNB",
        "quarantine",
        "a milter may want that at the end of a message only (libmilter), and else breaks the protocol",
    ),
    ("MR", "discard", "policy is not asked about further recipients of what is thrown away"),
    ("T", "reject", REFUSED),
    ("T", "tempfail", REFUSED),
    ("T", "550", REFUSED),
    ("L", "shutdown", SHUT_DOWN),
    ("N", "shutdown", SHUT_DOWN),
    ("B", "shutdown", SHUT_DOWN),
    ("E", "shutdown", SHUT_DOWN),
    ("E", "250", "why a milter is of no use is said the same way all session"),
];

/// A client that is refused for good when it connects.
const NO_GREETING: &str =
    "the refusal stands in place of the greeting, and nothing but QUIT is taken after it";
/// Who is hung up on before a message.
const GREETING_CODE: &str =
    "the greeting has an enhanced code where it refuses, and a reply to EHLO has none (RFC 2034)";
/// A message whose DATA was refused.
const REFUSED: &str = "a message that was refused is refused whatever is said next of it";
/// A milter that wants the connection shut down.
const SHUT_DOWN: &str = "Postfix takes the message whose content it had shown";

/// Lines of what the milter is told that differ: as Postfix has it, as ours has it, why.
const TOLD: [(&str, &str, &str); 6] = [
    (
        "D C j|mail.example.test|{daemon_name}|mail.example.test|{daemon_addr}|127.0.0.1|v|software|_|localhost [127.0.0.1]|",
        "D C j|mail.example.test|{daemon_name}|mail.example.test|v|software|_|localhost [127.0.0.1]|",
        "no socket is between here, so the server has no address",
    ),
    (
        "D M {mail_addr}|s@x.test|{mail_host}|x.test|{mail_mailer}|discard|",
        "D M {mail_addr}|s@x.test|{mail_host}|x.test|{mail_mailer}|smtp|",
        TRANSPORTS,
    ),
    (
        "D M {mail_addr}||{mail_host}|mail.example.test|{mail_mailer}|discard|",
        "D M {mail_addr}||{mail_host}|mail.example.test|{mail_mailer}|smtp|",
        TRANSPORTS,
    ),
    (
        "D R {rcpt_addr}|alice@example.test|{rcpt_host}|example.test|{rcpt_mailer}|discard|",
        "D R {rcpt_addr}|alice@example.test|{rcpt_host}|mail.example.test|{rcpt_mailer}|local|",
        TRANSPORTS,
    ),
    (
        "D R i|ID|{rcpt_addr}|bob@example.test|{rcpt_host}|example.test|{rcpt_mailer}|discard|",
        "D R {rcpt_addr}|bob@example.test|{rcpt_host}|mail.example.test|{rcpt_mailer}|local|",
        "a message has its name in the queue from DATA on, there from the first recipient on",
    ),
    ("C localhost|U", "C localhost|4..127.0.0.1|", "it is a socket in the file system there"),
];

/// Postfix is told to throw all mail away.
const TRANSPORTS: &str = "mail goes by other ways";

/// The steps by their letters.
const STEPS: [char; 9] = ['C', 'H', 'M', 'R', 'T', 'L', 'N', 'B', 'E'];

/// The answers by their names.
fn answers() -> Vec<(&'static str, Answer)> {
    let say = |packets: &[&str]| {
        let packets = packets.iter().map(|text| packet(text.chars().next().unwrap(), &text[1..]));
        Answer::Say(packets.collect())
    };
    vec![
        ("continue", say(&["c"])),
        ("accept", say(&["a"])),
        ("reject", say(&["r"])),
        ("tempfail", say(&["t"])),
        ("discard", say(&["d"])),
        ("skip", say(&["s"])),
        ("shutdown", say(&["4"])),
        ("progress", say(&["p", "p", "c"])),
        ("quarantine", say(&["qa reason\0", "c"])),
        ("header field", say(&["hX-A\0b\0", "c"])),
        ("550", say(&["y550 5.7.9 go away\0"])),
        ("450", say(&["y450 4.7.9 not now\0"])),
        ("421", say(&["y421 4.7.9 bye\0"])),
        ("two lines", say(&["y550-5.7.9 one\r\n550 5.7.9 100%% two\0"])),
        ("no enhanced code", say(&["y554 so there\0"])),
        ("250", say(&["y250 2.0.0 fine\0"])),
        ("unknown", say(&["Z"])),
        ("too much", say(&["cc"])),
        ("hangs up", Answer::HangUp),
    ]
}

/// Those that are tried at a few steps alone.
const WORDINGS: [&str; 6] = ["450", "two lines", "no enhanced code", "250", "unknown", "too much"];

/// What the client says; the text is the message.
const COMMANDS: [&str; 11] = [
    "EHLO client.test",
    "MAIL FROM:<s@x.test> SIZE=100 BODY=8BITMIME",
    "RCPT TO:<alice@example.test>",
    "RCPT TO:<bad@example.test>",
    "RCPT TO:<bob@example.test>",
    "DATA",
    MESSAGE,
    "MAIL FROM:<>",
    "RCPT TO:<alice@example.test>",
    "RSET",
    "QUIT",
];

const MESSAGE: &str = "Received: from x\r\n\tby y; Mon, 1 Jan 2026 00:00:00 +0000\r\nSubject:  two blanks\r\nFrom:<s@x.test>\r\n\
    To: alice@example.test\r\nDate: Mon, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <1@x.test>\r\n\r\nbody\r\n..dot\r\n.";

/// What both are configured with.
const PARAMETERS: [(&str, &str); 3] = [
    ("smtpd_recipient_restrictions", "check_recipient_access inline:{bad@example.test=REJECT}, permit"),
    ("milter_default_action", "tempfail"),
    // Each has a name and a version of its own.
    ("milter_macro_v", "software"),
];

/// What came of a session.
#[derive(Debug, PartialEq, Eq)]
struct Session {
    step: char,
    answer: String,
    /// The letters of the steps that the milter was told.
    told: String,
    /// What the client heard, to the greeting first.
    heard: Vec<String>,
}

/// A milter whose answer to one step can be changed.
struct Mock {
    milter: Milter,
    rule: Arc<Mutex<(char, Answer)>>,
}

impl Mock {
    fn new() -> Self {
        let rule = Arc::new(Mutex::new((' ', Answer::Silence)));
        let asked = Arc::clone(&rule);
        let milter = Milter::new(move |letter, _| {
            let (step, answer) = &*asked.lock().unwrap();
            (letter == *step).then(|| answer.clone())
        });
        Self { milter, rule }
    }

    /// All sessions with a server, one after another, each over a new connection.
    async fn sessions<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        mut connect: impl AsyncFnMut() -> S,
    ) -> Vec<Session> {
        let mut sessions = Vec::new();
        for step in STEPS {
            // How a refusal is worded, or what is no packet, is the same at all steps but the first and the last.
            let answers =
                answers().into_iter().filter(|(name, _)| "CRE".contains(step) || !WORDINGS.contains(name));
            for (answer, says) in answers {
                *self.rule.lock().unwrap() = (step, says);
                let before = self.milter.story().len();
                let heard = talk(connect().await).await;
                let told =
                    self.milter.story()[before..].iter().filter_map(|told| told.chars().next()).collect();
                let told = shape(told);
                sessions.push(Session { step, answer: answer.into(), told, heard });
            }
        }
        sessions
    }

    /// What the milter was told in a session without objections: macros, each line once in a row, and steps.
    async fn story<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: S) -> Vec<String> {
        *self.rule.lock().unwrap() = (' ', Answer::Silence);
        let before = self.milter.story().len();
        talk(stream).await;
        let mut story: Vec<String> = STEPS
            .iter()
            .flat_map(|step| {
                let mut macros: Vec<_> = self
                    .milter
                    .macros(*step)
                    .iter()
                    .map(|told| format!("D {step} {}", without_ids(told)))
                    .collect();
                macros.dedup();
                macros
            })
            .collect();
        let steps = self.milter.story();
        let steps = steps[before..].iter().filter(|told| !told.starts_with(['A', 'Q']));
        story.extend(steps.map(|told| without_ids(told)));
        story.iter().map(|line| line.escape_debug().to_string()).collect()
    }
}

/// One letter for each step; ABORT and QUIT come more often from Postfix, and at other times.
fn shape(letters: String) -> String {
    letters.replace(['A', 'Q'], "")
}

/// Queue ids and ports, which are others each time.
fn without_ids(told: &str) -> String {
    let (name, id) = told.split_once("i|").filter(|(before, _)| before.is_empty()).unwrap_or((told, ""));
    let told = match id.split_once('|') {
        Some((_, rest)) => format!("i|ID|{rest}"),
        None => name.into(),
    };
    match told.split_once("|4") {
        Some((before, behind)) if told.starts_with("C ") => {
            // Two octets of a port.
            format!("{before}|4..{}", behind.char_indices().nth(2).map_or("", |(at, _)| &behind[at..]))
        }
        _ => told,
    }
}

/// What a client hears: to the greeting, and to each command that the server still waits for.
async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin) -> Vec<String> {
    let mut stream = BufReader::new(stream);
    let mut heard = vec![reply(&mut stream).await];
    for command in COMMANDS {
        let last = heard.last().unwrap();
        if last == CLOSED {
            break;
        }
        if command == MESSAGE && last != "354" {
            heard.push("-".into());
            continue;
        }
        // That it is closed is seen when the reply is read.
        let _ = stream.get_mut().write_all(format!("{command}\r\n").as_bytes()).await;
        heard.push(reply(&mut stream).await);
    }
    heard
}

const CLOSED: &str = "(closed)";

/// The next reply: the code of one that says yes or greets, else all of it.
async fn reply(stream: &mut (impl AsyncBufRead + Unpin)) -> String {
    let mut reply = String::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await.is_err() || line.is_empty() {
            return CLOSED.into();
        }
        reply += line.trim_end();
        if line.as_bytes().get(3) != Some(&b'-') {
            break;
        }
        reply += " / ";
    }
    match reply.starts_with(['2', '3']) {
        true => reply[..3].into(),
        false => reply,
    }
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/milter_dialogues/postfix.ref")
}

/// A line for each session: step, answer, what was told, what was heard.
fn write(story: &[String], sessions: &[Session]) -> String {
    let mut text = story.join("\n") + "\n\n";
    for Session { step, answer, told, heard } in sessions {
        writeln!(text, "{step}; {answer}; {told}; {}", heard.join("; ")).unwrap();
    }
    text
}

fn read() -> (Vec<String>, Vec<Session>) {
    let text = std::fs::read_to_string(file()).unwrap();
    let (story, sessions) = text.split_once("\n\n").unwrap();
    let sessions = sessions.lines().map(|line| {
        let mut parts = line.split("; ").map(String::from);
        let mut next = || parts.next().unwrap();
        let (step, answer, told) = (next().parse().unwrap(), next(), next());
        Session { step, answer, told, heard: parts.collect() }
    });
    (story.lines().map(String::from).collect(), sessions.collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postfix_says_what_was_recorded() {
    if !postfix::can_start() {
        return;
    }
    let mock = Mock::new();
    let place = mock.milter.inet().await;
    let own = |(name, value): (&str, &str)| (name.to_string(), value.to_string());
    let mut parameters: Vec<_> = PARAMETERS.into_iter().map(own).collect();
    parameters.extend(
        [
            ("smtpd_milters", &*place),
            ("myhostname", "mail.example.test"),
            ("mydestination", "example.test"),
            ("local_recipient_maps", ""),
            ("smtpd_relay_restrictions", "permit_mynetworks, reject_unauth_destination"),
        ]
        .map(own),
    );
    let milter = Configuration { name: "milter".into(), parameters };
    let nothing = Configuration { name: "*".into(), parameters: Vec::new() };
    let no_tables = tempfile::tempdir().unwrap();
    let postfix = Postfix::start(&nothing, &[milter], no_tables.path());
    let story = mock.story(postfix.connect("milter").await).await;
    let sessions = mock.sessions(async || postfix.connect("milter").await).await;
    if std::env::var_os("POSTROOM_RECORD").is_some() {
        std::fs::create_dir_all(file().parent().unwrap()).unwrap();
        std::fs::write(file(), write(&story, &sessions)).unwrap();
    }
    let (recorded_story, recorded) = read();
    assert_eq!(story, recorded_story);
    assert_eq!(sessions.len(), recorded.len());
    for (said, recorded) in sessions.iter().zip(&recorded) {
        assert_eq!(said, recorded);
    }
}

#[tokio::test]
async fn ours_says_what_postfix_says() {
    let mock = Mock::new();
    let place = mock.milter.inet().await;
    let mut parameters = PARAMETERS.to_vec();
    parameters.push(("smtpd_milters", &place));
    let fs = SimFs::new();
    let server = start_with(&fs, 1, |builder| builder.settings(settings_with(&parameters))).await.unwrap();
    let connect = || {
        let (client, stream) = tokio::io::duplex(64 * 1024);
        let peer = SocketAddr::from(([127, 0, 0, 1], 0));
        tokio::spawn(server.serve("smtp", stream, peer).unwrap());
        client
    };
    let story = mock.story(connect()).await;
    let (recorded_story, recorded) = read();
    let told = TOLD.map(|(theirs, ours, _)| (theirs, ours));
    let expected = recorded_story.iter().filter_map(|line| {
        let other = told.iter().find(|(theirs, _)| theirs == line);
        other.map_or(Some(line.as_str()), |(_, ours)| Some(*ours).filter(|ours| !ours.is_empty()))
    });
    assert_eq!(story, expected.collect::<Vec<_>>());
    let sessions = mock.sessions(async || connect()).await;
    let (mut differing, mut unknown) = (BTreeSet::new(), String::new());
    for (ours, theirs) in sessions.iter().zip(&recorded).filter(|(ours, theirs)| ours != theirs) {
        let known = DIFFERENCES
            .iter()
            .position(|(steps, answer, _)| steps.contains(ours.step) && *answer == ours.answer);
        match known {
            Some(known) => drop(differing.insert((known, ours.step))),
            None => writeln!(unknown, "Postfix: {theirs:?}\nours:    {ours:?}").unwrap(),
        }
    }
    assert!(unknown.is_empty(), "{unknown}");
    for (n, (steps, answer, _)) in DIFFERENCES.iter().enumerate() {
        for step in steps.chars() {
            assert!(differing.contains(&(n, step)), "{answer} at {step} differs no longer");
        }
    }
}

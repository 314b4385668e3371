//! The same dialogues with Debian's Postfix and with ours, configured alike: codes, enhanced codes, and the text of refusals.
//!
//! What Postfix said stands in the `.ref` files; where it is installed and can be started, it is asked again, and must say
//! the same. Ours is held against those files. What differs stands in `differences.txt`, with the reason; what does not
//! stand there fails the test, and so does what stands there and no longer differs.
//!
//! With `POSTROOM_RECORD` set, what Postfix says is written to the `.ref` files.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

#[path = "dialogues/configuration.rs"]
mod configuration;
#[path = "dialogues/differences.rs"]
mod differences;
#[path = "dialogues/ours.rs"]
mod ours;
#[path = "dialogues/postfix.rs"]
mod postfix;
#[path = "dialogues/resolving.rs"]
mod resolving;
#[path = "dialogues/script.rs"]
mod script;
#[path = "dialogues/session.rs"]
mod session;

use configuration::Configuration;
use differences::Difference;
use futures_util::{StreamExt as _, stream};
use postfix::Postfix;
use resolving::Resolver;
use script::Dialogue;
use session::{Exchange, Transcript};
use std::path::{Path, PathBuf};

/// How many dialogues are held with Postfix at the same time.
const AT_ONCE: usize = 16;

/// The files with dialogues.
const FILES: [&str; 7] = ["relay", "lists", "tables", "named", "parameters", "session", "drawn"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postfix_says_what_was_recorded() {
    if !postfix::can_start() {
        return;
    }
    let (common, configurations) = configurations();
    let postfix = Postfix::start(&common, &configurations, &folder().join("tables"));
    let records = std::env::var_os("POSTROOM_RECORD").is_some();
    for file in FILES {
        let dialogues = dialogues(file);
        let hold = async |dialogue: &Dialogue| {
            session::hold(postfix.connect(&dialogue.configuration).await, dialogue).await
        };
        let said: Vec<Transcript> = stream::iter(&dialogues).map(hold).buffered(AT_ONCE).collect().await;
        let path = folder().join(file).with_extension("ref");
        if records {
            std::fs::write(&path, session::write(&said)).unwrap();
        }
        let recorded = recorded(file);
        assert_eq!(
            recorded.len(),
            said.len(),
            "{}: as many dialogues are recorded as are held",
            path.display()
        );
        for (recorded, said) in recorded.iter().zip(&said) {
            assert_eq!(recorded, said, "{}", path.display());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ours_says_what_postfix_says() {
    let (common, configurations) = configurations();
    let server = ours::start(&common, &configurations).await;
    let (mut held, mut found) = (0, Vec::new());
    for file in FILES {
        let (dialogues, recorded) = (dialogues(file), recorded(file));
        assert_eq!(dialogues.len(), recorded.len(), "{file}: to be recorded anew");
        for (dialogue, recorded) in dialogues.iter().zip(recorded) {
            assert_eq!(dialogue.to_string(), recorded.head, "{file}: to be recorded anew");
            let ours = session::hold(ours::connect(&server, &dialogue.configuration), dialogue).await;
            found.extend(compare(recorded, ours));
            held += 1;
        }
    }
    assert!(held >= 300, "{held} dialogues");
    differences::assert_listed(&found, &folder().join("differences.txt"));
}

/// What is compared of each configuration.
const ADDRESSES: usize = 450;

#[test]
fn addresses_lead_where_postfix_has_them() {
    if !postfix::can_start() {
        return;
    }
    let folder = folder();
    let (common, mut configurations) =
        configuration::read(&[folder.join("resolving.cf")], &folder.join("tables"));
    // In the dialogues whatever Postfix takes is thrown away; here it is told where it would go.
    const WAYS: [(&str, &str); 4] = [
        ("local_transport", "local:mail.example.com"),
        ("virtual_transport", "virtual"),
        ("relay_transport", "relay"),
        ("default_transport", "smtp"),
    ];
    for configuration in &mut configurations {
        configuration.parameters.extend(WAYS.map(|(name, value)| (name.into(), value.into())));
    }
    let postfix = Postfix::start(&common, &configurations, &folder.join("tables"));
    let (mut compared, mut found) = (0, Vec::new());
    for configuration in &configurations {
        let service = format!("private/{}", postfix::resolver(configuration));
        let mut resolver = Resolver::connected(postfix.connect_to(&service));
        let routing = resolving::ours(&common, configuration);
        for address in resolving::addresses(ADDRESSES) {
            let (theirs, ours) = (resolver.resolve(&address), resolving::resolve(&routing, &address));
            found.extend(resolving::compare(&configuration.name, &address, theirs, ours));
            compared += 1;
        }
    }
    assert!(compared >= 7_200, "{compared} addresses");
    differences::assert_listed(&found, &folder.join("resolving.txt"));
}

/// What differs in a dialogue.
fn compare(postfix: Transcript, ours: Transcript) -> Vec<Difference> {
    let dialogue = postfix.head;
    let (mut postfix, mut ours) = (postfix.exchanges.into_iter(), ours.exchanges.into_iter());
    let mut found = Vec::new();
    loop {
        let (command, postfix, ours) = match (postfix.next(), ours.next()) {
            (None, None) => return found,
            (Some(Exchange { command, reply }), ours) => {
                (command, reply, ours.map_or("(nothing)".into(), |ours| ours.reply))
            }
            (None, Some(Exchange { command, reply })) => (command, "(nothing)".into(), reply),
        };
        if postfix != ours {
            found.push(Difference { dialogue: dialogue.clone(), said: command, postfix, ours });
        }
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dialogues")
}

fn configurations() -> (Configuration, Vec<Configuration>) {
    let folder = folder();
    let files = ["configurations.cf", "drawn.cf"].map(|file| folder.join(file));
    configuration::read(&files, &folder.join("tables"))
}

fn dialogues(file: &str) -> Vec<Dialogue> {
    script::read(&folder().join(file).with_extension("in"))
}

fn recorded(file: &str) -> Vec<Transcript> {
    session::read(&std::fs::read_to_string(folder().join(file).with_extension("ref")).unwrap())
}

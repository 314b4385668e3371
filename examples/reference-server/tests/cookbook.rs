//! The recipes of `docs/cookbook.md`: each is a configuration that `postroom check` takes, and says what it is said to say.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test says what it needs by failing")]

mod common;

use common::Server;
use common::wire::Wire;
use std::fs;
use std::path::Path;
use std::process::Command;

const COOKBOOK: &str = include_str!("../../../docs/cookbook.md");

/// Of one recipe: what is added to the configuration, the files beside it, commands with lines that they print, and what a client
/// says on the first listener and hears.
#[derive(Debug, Default)]
struct Recipe<'c> {
    title: &'c str,
    configuration: &'c str,
    files: Vec<(&'c str, &'c str)>,
    commands: Vec<(&'c str, Vec<&'c str>)>,
    dialogue: Vec<&'c str>,
}

/// What all recipes begin with, and the recipes.
fn recipes() -> (&'static str, Vec<Recipe<'static>>) {
    let mut sections = COOKBOOK.split("\n## ");
    let common = recipe(sections.next().unwrap());
    (common.configuration, sections.map(recipe).collect())
}

fn recipe(section: &str) -> Recipe<'_> {
    let mut recipe = Recipe { title: section.lines().next().unwrap(), ..Recipe::default() };
    for fenced in section.split("```").skip(1).step_by(2) {
        let (kind, text) = fenced.split_once('\n').unwrap();
        match kind.split_once(' ') {
            Some(("file", name)) => recipe.files.push((name, text)),
            None if kind == "toml" => recipe.configuration = text,
            None if kind == "console" => {
                for line in text.lines() {
                    match line.strip_prefix("$ postroom ") {
                        Some(command) => recipe.commands.push((command, Vec::new())),
                        None => recipe.commands.last_mut().unwrap().1.push(line),
                    }
                }
            }
            None if kind == "smtp" => recipe.dialogue = text.lines().collect(),
            _ => panic!("{}: what is {kind}?", recipe.title),
        }
    }
    recipe
}

/// What a command prints. A refusal is an answer like any other (4 and 5).
fn run(arguments: &[&str], directory: &Path) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_postroom")).args(arguments).current_dir(directory).output().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 4 | 5)), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Says to a server with this configuration what a client says, and compares what is answered where that is written.
fn converse(dialogue: &[&str], configuration: &str, directory: &Path) {
    let ports = ["127.0.0.1:2525", "127.0.0.1:2587"];
    let configuration =
        ports.iter().fold(configuration.to_owned(), |text, port| text.replace(port, "127.0.0.1:0"));
    fs::write(directory.join("postroom.toml"), configuration).unwrap();
    let server = Server::start_in(directory);
    let mut wire = Wire::connect(server.address("smtp", "starttls"));
    let mut heard = String::new();
    let is_last = |line: &str| line.as_bytes().get(3) != Some(&b'-');
    for line in std::iter::once(&"").chain(dialogue) {
        if line.starts_with(|c: char| c.is_ascii_digit()) {
            assert_eq!(heard, *line);
            continue;
        }
        if !line.is_empty() {
            wire.send(format!("{line}\r\n"));
        }
        heard = std::iter::repeat_with(|| wire.line()).find(|line| is_last(line)).unwrap();
    }
}

#[test]
fn every_recipe_does_what_it_says() {
    let (common, recipes) = recipes();
    assert_eq!(recipes.len(), 16);
    for Recipe { title, configuration, files, commands, dialogue } in recipes {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        let configuration = format!("{common}\n{configuration}");
        fs::write(directory.join("postroom.toml"), &configuration).unwrap();
        let accounts =
            ["alice", "bob", "everybody"].map(|user| format!("{user}@example.com:{{PLAIN}}secret::::::\n"));
        fs::write(directory.join("users.passwd"), accounts.concat()).unwrap();
        for (name, text) in files {
            fs::write(directory.join(name), text).unwrap();
        }
        run(&["check", "--config", "postroom.toml"], directory);
        assert!(!commands.is_empty(), "{title}");
        for (command, said) in commands {
            let words: Vec<&str> = command.split(' ').collect();
            let printed = run(&words, directory);
            assert_eq!(printed.lines().last(), said.last().copied(), "{title}: {command}\n{printed}");
            let found: Vec<&str> =
                printed.lines().map(str::trim_start).filter(|line| said.contains(line)).collect();
            assert_eq!(found, said, "{title}: {command}\n{printed}");
        }
        if !dialogue.is_empty() {
            converse(&dialogue, &configuration, directory);
        }
    }
}

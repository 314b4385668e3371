//! The recipes of `docs/cookbook.md`: each is a configuration that `postroom check` takes, and says what it is said to say.

#![allow(clippy::unwrap_used, reason = "a test says what it needs by failing")]

use std::fs;
use std::path::Path;
use std::process::Command;

const COOKBOOK: &str = include_str!("../../../docs/cookbook.md");

/// Of one recipe: what is added to the configuration, the files beside it, commands with their last lines.
#[derive(Debug, Default)]
struct Recipe<'c> {
    title: &'c str,
    configuration: &'c str,
    files: Vec<(&'c str, &'c str)>,
    commands: Vec<(&'c str, &'c str)>,
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
                let mut lines = text.lines();
                while let Some(command) = lines.next() {
                    recipe.commands.push((command, lines.next().unwrap()));
                }
            }
            _ => panic!("{}: what is {kind}?", recipe.title),
        }
    }
    recipe
}

/// What a command prints.
fn run(arguments: &[&str], directory: &Path) -> String {
    let output =
        Command::new(env!("CARGO_BIN_EXE_postroom")).args(arguments).current_dir(directory).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn every_recipe_does_what_it_says() {
    let (common, recipes) = recipes();
    assert_eq!(recipes.len(), 13);
    for Recipe { title, configuration, files, commands } in recipes {
        let directory = tempfile::tempdir().unwrap();
        let directory = directory.path();
        fs::write(directory.join("postroom.toml"), format!("{common}\n{configuration}")).unwrap();
        let accounts =
            ["alice", "bob", "everybody"].map(|user| format!("{user}@example.com:{{PLAIN}}secret::::::\n"));
        fs::write(directory.join("users.passwd"), accounts.concat()).unwrap();
        for (name, text) in files {
            fs::write(directory.join(name), text).unwrap();
        }
        run(&["check", "--config", "postroom.toml"], directory);
        assert!(!commands.is_empty(), "{title}");
        for (command, said) in commands {
            let words: Vec<&str> = command.strip_prefix("$ postroom ").unwrap().split(' ').collect();
            let printed = run(&words, directory);
            assert_eq!(printed.lines().last(), Some(said), "{title}: {command}\n{printed}");
        }
    }
}

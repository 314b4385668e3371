//! The conventions of CONTRIBUTING.md that a program can see, as tests over the whole workspace.
//!
//! Each rule is one test and reports every place that breaks it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// `no_std`, no unsafe code, no input or output: they build for a bare-metal target.
const PROTOCOL_CRATES: [&str; 5] = ["proto-core", "mail-message", "smtp-proto", "imap-proto", "pop3-proto"];

/// No input or output; `relay-policy` may use `std` for its tables.
const PURE_CRATES: [&str; 6] =
    ["proto-core", "mail-message", "smtp-proto", "imap-proto", "pop3-proto", "relay-policy"];

/// What may be used by which of ours. Arrows run one way: examples, engine, rooms, core.
const MAY_USE: [(&str, &[&str]); 8] = [
    ("proto-core", &[]),
    ("mail-message", &[]),
    ("smtp-proto", &["proto-core", "mail-message"]),
    ("imap-proto", &["proto-core", "mail-message"]),
    ("pop3-proto", &["proto-core", "mail-message"]),
    ("relay-policy", &["proto-core", "mail-message"]),
    ("mailstore", &["proto-core", "mail-message"]),
    (
        "postroom",
        &[
            "proto-core",
            "mail-message",
            "smtp-proto",
            "imap-proto",
            "pop3-proto",
            "relay-policy",
            "mailstore",
        ],
    ),
];

/// Outside crates that do input, output, time or TLS.
const IMPURE: [&str; 12] = [
    "tokio",
    "tokio-rustls",
    "rustls",
    "hickory-resolver",
    "mio",
    "rustix",
    "libc",
    "tempfile",
    "getrandom",
    "rand",
    "chrono",
    "tracing",
];

const LINES_MAX: usize = 600;

/// Files over [`LINES_MAX`], each with the reason why it is better whole.
const LONG_FILES: [(&str, &str); 0] = [];

struct Source {
    /// From the workspace's root.
    path: String,
    text: String,
    /// Compiled for tests only.
    is_test: bool,
}

impl Source {
    fn is_in(&self, folders: &[&str]) -> bool {
        folders.iter().any(|folder| self.path.starts_with(&format!("{folder}/")))
    }

    /// The lines that ship, numbered, without comments. Unit tests stand at the end of a file.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
            .map(|(index, line)| (index + 1, line))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Every Rust file of the workspace.
fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    walk(&root(), &mut files);
    let root = root();
    let mut sources: Vec<Source> = files
        .iter()
        .map(|file| {
            let path =
                file.strip_prefix(&root).expect("it was found below the root").to_string_lossy().into_owned();
            Source { text: fs::read_to_string(file).expect("a readable source"), path, is_test: false }
        })
        .collect();
    let test_modules: Vec<String> = sources.iter().flat_map(test_modules).collect();
    for source in &mut sources {
        let in_tests =
            source.path.split('/').any(|part| matches!(part, "tests" | "tests.rs" | "benches" | "testkit"));
        let stem = source.path.trim_end_matches(".rs");
        source.is_test = in_tests
            || test_modules.iter().any(|module| stem == module || stem.starts_with(&format!("{module}/")));
    }
    sources
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a readable folder") {
        let path = entry.expect("a readable entry").path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if path.is_dir() {
            if !name.starts_with('.') && name != "target" && name != "postroom-data" {
                walk(&path, files);
            }
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
}

/// Modules that a file declares for tests only, as paths without `.rs`.
fn test_modules(source: &Source) -> Vec<String> {
    let stem = source.path.trim_end_matches(".rs");
    let (folder, name) = stem.rsplit_once('/').unwrap_or(("", stem));
    let folder = if matches!(name, "lib" | "main" | "mod") { folder.to_string() } else { stem.to_string() };
    let lines: Vec<&str> = source.text.lines().collect();
    lines
        .windows(2)
        .filter(|pair| pair[0].starts_with("#[cfg(test)]"))
        .filter_map(|pair| pair[1].trim_start_matches("pub(crate) ").strip_prefix("mod ")?.strip_suffix(';'))
        .map(|module| format!("{folder}/{module}"))
        .collect()
}

fn assert_none(rule: &str, found: Vec<String>) {
    assert!(found.is_empty(), "{rule}:\n{}", found.join("\n"));
}

#[test]
fn every_module_says_what_it_is() {
    let silent =
        sources().into_iter().filter(|source| !source.text.starts_with("//! ")).map(|source| source.path);
    assert_none("a module opens with `//! ` and one line of what it is", silent.collect());
}

#[test]
fn every_file_is_part_of_something() {
    let sources = sources();
    let declares = |file: String, module: &str| {
        let declared = |line: &str| {
            line.trim_end() == format!("mod {module};") || line.ends_with(&format!(" mod {module};"))
        };
        sources.iter().any(|source| source.path == file && source.text.lines().any(declared))
    };
    let orphan = |source: &&Source| {
        let stem = source.path.trim_end_matches(".rs").trim_end_matches("/mod");
        let Some((folder, module)) = stem.rsplit_once('/') else { return true };
        let root = ["lib", "main"].contains(&module) || folder.ends_with("/bin");
        // Tests, benches and fuzz targets are roots by themselves.
        let inside = source.path.contains("/src/");
        let parents = ["/lib.rs", "/main.rs", "/mod.rs", ".rs"].map(|end| format!("{folder}{end}"));
        inside && !root && !parents.into_iter().any(|parent| declares(parent, module))
    };
    let orphans = sources.iter().filter(orphan).map(|source| source.path.clone());
    assert_none("no `mod` declares it, so it is never compiled", orphans.collect());
}

#[test]
fn files_are_small() {
    let sources = sources();
    let lines = |source: &Source| source.text.lines().count();
    let allowed =
        |source: &Source| LONG_FILES.iter().any(|(path, reason)| *path == source.path && !reason.is_empty());
    let long = sources.iter().filter(|source| lines(source) > LINES_MAX && !allowed(source));
    let long = long.map(|source| format!("{}: {} lines", source.path, lines(source)));
    assert_none("a file has at most 600 lines, or a reason in LONG_FILES", long.collect());
    let outgrown = LONG_FILES
        .iter()
        .filter(|(path, _)| !sources.iter().any(|s| s.path == *path && lines(s) > LINES_MAX));
    assert_none(
        "no longer long: strike it from LONG_FILES",
        outgrown.map(|(path, _)| path.to_string()).collect(),
    );

    let mut counts: Vec<usize> = sources.iter().map(lines).collect();
    counts.sort_unstable();
    let median = counts[counts.len() / 2];
    assert!(median <= 250, "the median file has {median} lines");
    #[allow(clippy::print_stdout, reason = "a figure to look at now and then, not a verdict")]
    {
        println!("{} files, {} lines, median {median}", counts.len(), counts.iter().sum::<usize>());
    }
}

#[test]
fn protocol_crates_know_no_std() {
    let mut found = Vec::new();
    for source in
        sources().iter().filter(|s| s.is_in(&PROTOCOL_CRATES) && s.path.contains("/src/") && !s.is_test)
    {
        for (line, code) in source.code() {
            if code.contains("std::") || code.contains("extern crate std") {
                found.push(format!("{}:{line}: {}", source.path, code.trim()));
            }
        }
    }
    assert_none("core and alloc only", found);
    for name in PROTOCOL_CRATES {
        let lib = read(format!("{name}/src/lib.rs"));
        assert!(lib.lines().any(|line| line == "#![no_std]"), "{name}: #![no_std] is missing");
    }
    for name in PURE_CRATES {
        let lib = read(format!("{name}/src/lib.rs"));
        assert!(
            lib.lines().any(|line| line == "#![forbid(unsafe_code)]"),
            "{name}: #![forbid(unsafe_code)] is missing"
        );
    }
}

#[test]
fn unsafe_code_is_in_the_counting_allocator_only() {
    let word = concat!("unsafe", "_code)]");
    let allows = |source: &&Source| source.text.contains(&format!("allow({word}"));
    let found: Vec<String> = sources().iter().filter(allows).map(|source| source.path.clone()).collect();
    assert_eq!(found, ["testkit/src/alloc.rs"]);
}

#[test]
fn no_path_of_one_machine_is_published() {
    let (here, home) = (concat!("/wo", "rk/"), concat!("/ro", "ot/"));
    let mut files: Vec<(String, String)> = sources().into_iter().map(|s| (s.path, s.text)).collect();
    let documents =
        ["README", "ARCHITECTURE", "CONTRIBUTING", "CHANGELOG", "SECURITY"].map(|name| format!("{name}.md"));
    for path in documents.into_iter().chain([".ci/run".into(), "Cargo.toml".into(), "deny.toml".into()]) {
        files.extend(fs::read_to_string(root().join(&path)).map(|text| (path, text)));
    }
    let found = files.into_iter().filter(|(_, text)| text.contains(here) || text.contains(home));
    assert_none("a path that only its writer has", found.map(|(path, _)| path).collect());
}

#[test]
fn nothing_is_left_to_do_without_a_name() {
    let (fix, later) = (concat!("FIX", "ME"), concat!("TO", "DO"));
    let (macro_later, macro_never) = (concat!("to", "do!("), concat!("unimpl", "emented!("));
    let mut found = Vec::new();
    for source in sources() {
        for (index, line) in source.text.lines().enumerate() {
            let unnamed = line.contains(later) && !line.contains(concat!("TO", "DO("));
            if unnamed || line.contains(fix) || line.contains(macro_later) || line.contains(macro_never) {
                found.push(format!("{}:{}: {}", source.path, index + 1, line.trim()));
            }
        }
    }
    assert_none("what is missing is named, in parentheses after the word, or is not missing", found);
}

#[test]
fn what_cannot_fail_says_why() {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test) {
        let code: Vec<(usize, &str)> = source.code().collect();
        for (at, (line, text)) in code.iter().enumerate() {
            let next = code.get(at + 1).map_or("", |(_, text)| text.trim_start());
            // `expect` with something other than a string is a method of another type.
            let stated = |message: &str| !message.starts_with('"') || message.starts_with("\"invariant: ");
            let stated =
                text.split(".expect(").skip(1).all(|rest| stated(if rest.is_empty() { next } else { rest }));
            if text.contains(".unwrap()") || !stated {
                found.push(format!("{}:{line}: {}", source.path, text.trim()));
            }
        }
    }
    assert_none("outside tests: `expect(\"invariant: …\")`, or handle it", found);
}

/// The names under `[dependencies]` of a manifest.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let mut section = "";
    let mut names = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line.trim();
        } else if section == "[dependencies]"
            && let Some((name, _)) = line.split_once(['.', ' ', '='])
            && !name.is_empty()
            && !name.starts_with('#')
        {
            names.insert(name.to_string());
        }
    }
    names
}

#[test]
fn arrows_run_one_way_and_pure_crates_stay_pure() {
    let ours: BTreeSet<&str> = MAY_USE.iter().map(|(name, _)| *name).chain(["testkit"]).collect();
    for (name, may_use) in MAY_USE {
        let used = dependencies(&read(format!("{name}/Cargo.toml")));
        assert!(name == "proto-core" || !used.is_empty(), "{name}: no dependency was read");
        for dependency in &used {
            let foreign = !ours.contains(dependency.as_str());
            assert!(foreign || may_use.contains(&dependency.as_str()), "{name} must not know {dependency}");
            let pure = PURE_CRATES.contains(&name);
            assert!(
                !pure || !IMPURE.contains(&dependency.as_str()),
                "{name} is pure and must not use {dependency}"
            );
        }
    }
}

#[test]
fn every_package_keeps_the_workspace_lints() {
    let manifest = read("Cargo.toml");
    let members =
        manifest.split_once("members = [").and_then(|(_, rest)| rest.split_once(']')).expect("members").0;
    let mut folders = Vec::new();
    for member in
        members.split(',').map(|member| member.trim().trim_matches('"')).filter(|member| !member.is_empty())
    {
        match member.strip_suffix("/*") {
            None => folders.push(member.to_string()),
            Some(parent) => {
                for entry in fs::read_dir(root().join(parent)).expect("a readable folder") {
                    let name = entry.expect("a readable entry").file_name();
                    folders.push(format!("{parent}/{}", name.to_string_lossy()));
                }
            }
        }
    }
    assert!(folders.len() >= 13, "members were not read: {folders:?}");
    for folder in folders {
        let manifest = read(format!("{folder}/Cargo.toml"));
        for wanted in ["[lints]\nworkspace = true", "edition.workspace = true", "license.workspace = true"] {
            assert!(manifest.contains(wanted), "{folder}/Cargo.toml lacks {wanted}");
        }
    }
}

#[test]
fn every_fuzz_body_has_a_target_that_only_calls_it() {
    let sources = sources();
    let targets: Vec<&Source> =
        sources.iter().filter(|source| source.is_in(&["fuzz/fuzz_targets"])).collect();
    let manifest = read("fuzz/Cargo.toml");
    for target in &targets {
        let path = target.path.trim_start_matches("fuzz/");
        assert!(manifest.contains(&format!("path = \"{path}\"")), "fuzz/Cargo.toml lacks {path}");
        assert!(target.text.lines().count() <= 10, "{path}: what it does belongs into the library");
    }
    let mut found = Vec::new();
    for source in sources.iter().filter(|source| !source.is_test) {
        for (line, code) in source.code() {
            let Some((name, _)) = code.strip_prefix("pub fn fuzz_").and_then(|rest| rest.split_once('('))
            else {
                continue;
            };
            let package = source.path.split('/').next().unwrap_or_default().replace('-', "_");
            let calls = |target: &&Source| {
                target.text.contains(&format!(" {package}::"))
                    && target.text.contains(&format!("::fuzz_{name}("))
            };
            if !targets.iter().any(calls) {
                found.push(format!("{}:{line}: {}", source.path, code.trim()));
            }
        }
    }
    assert_none("no target in fuzz/ calls it", found);
}

#[test]
fn getters_have_the_name_of_what_they_give() {
    let mut found = Vec::new();
    for source in sources().iter().filter(|source| !source.is_test) {
        let getters = source.code().filter(|(_, line)| line.contains("fn get_"));
        found.extend(getters.map(|(line, text)| format!("{}:{line}: {}", source.path, text.trim())));
    }
    assert_none("no `get_` before a name", found);
}

#[test]
fn no_feature_changes_behaviour() {
    let mut found = Vec::new();
    for name in PURE_CRATES {
        let manifest = read(format!("{name}/Cargo.toml"));
        let features = manifest.split_once("[features]\n").map_or("", |(_, rest)| rest);
        let features = features.lines().take_while(|line| !line.starts_with('['));
        let is_speed = |line: &&str| line.is_empty() || line.starts_with('#') || line.starts_with("std = ");
        found.extend(features.filter(|line| !is_speed(line)).map(|line| format!("{name}: {line}")));
    }
    assert_none("leniency is a run-time switch; `std` asks the processor what it can, no more", found);
}

#[test]
fn pure_crates_name_what_they_may_not_touch() {
    for name in PURE_CRATES {
        let clippy = read(format!("{name}/clippy.toml"));
        let entries: Vec<&str> = clippy.lines().filter(|line| line.contains("path = ")).collect();
        assert!(
            entries.iter().all(|entry| entry.contains("reason = ")),
            "{name}/clippy.toml: each with a reason"
        );
        for kind in ["std::time::", "std::net::", "std::fs::", "std::thread::"] {
            assert!(
                entries.iter().any(|entry| entry.contains(kind)),
                "{name}/clippy.toml forbids nothing of {kind}"
            );
        }
    }
}

#[test]
fn what_the_readme_tells_to_run_is_what_is_run() {
    let test_command = "cargo test --workspace --locked";
    let ci = read(".ci/run");
    let runs = ci.lines().filter(|line| line.trim() == format!("run {test_command}")).count();
    assert_eq!(runs, 1, ".ci/run runs `{test_command}` once, exactly so");
    let readme = read("README.md");
    for command in ["cargo run --release", test_command] {
        let told = readme.lines().filter(|line| *line == command).count();
        assert_eq!(told, 1, "README.md tells `{command}` once, on a line of its own");
    }
    let other_tests: Vec<&str> = readme
        .lines()
        .filter(|line| line.trim_start().starts_with("cargo test") && line.trim() != test_command)
        .collect();
    assert!(other_tests.is_empty(), "README.md tells another test command: {other_tests:?}");
}

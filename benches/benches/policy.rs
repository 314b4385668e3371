//! Tables beside what one would take without them, and a recipient's way through a long list: tables of ratios.
//!
//! Each pair takes turns in one run, and the median of the rounds counts, so that who else uses the machine shows in both.
//!
//! `cargo bench -p postroom-benches --bench policy`
#![allow(clippy::unwrap_used, reason = "what cannot be opened measures nothing")]
#![allow(clippy::print_stdout, reason = "it prints tables")]

use postroom_benches::policy;
use regex::RegexBuilder;
use relay_policy::table::Opener;
use std::collections::HashMap;
use std::hint::black_box;
use std::io::Read as _;
use std::time::Instant;
use testkit::alloc::{Counting, measure};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Sizes {
    rounds: usize,
    keys: usize,
    lookups: usize,
    patterns: usize,
    decisions: usize,
}

fn main() {
    // `cargo test` asks for nothing but that it runs.
    let sizes = if std::env::args().any(|arg| arg == "--test") {
        Sizes { rounds: 1, keys: 10_000, lookups: 10_000, patterns: 20, decisions: 10 }
    } else {
        Sizes { rounds: 11, keys: 1_000_000, lookups: 500_000, patterns: 1000, decisions: 20_000 }
    };
    println!("{:<52} {:>12} {:>12} {:>7}", "", "ours", "beside it", "ratio");
    keys(&sizes);
    networks(&sizes);
    patterns(&sizes);
    decisions(&sizes);
}

/// The medians of so many rounds in turns, in nanoseconds for each piece of work.
fn in_turns(rounds: usize, pieces: usize, mut ours: impl FnMut(), mut theirs: impl FnMut()) -> (f64, f64) {
    let (mut of_ours, mut of_theirs) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        // Who comes first finds the cache as the other has left it.
        for first in [round % 2 == 0, round % 2 != 0] {
            let begun = Instant::now();
            if first {
                ours()
            } else {
                theirs()
            }
            let each = begun.elapsed().as_nanos() as f64 / pieces as f64;
            if first { of_ours.push(each) } else { of_theirs.push(each) }
        }
    }
    (median(of_ours), median(of_theirs))
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn row(name: &str, (ours, theirs): (f64, f64), unit: &str) {
    println!("{name:<52} {ours:>9.1} {unit:<2} {theirs:>9.1} {unit:<2} {:>7.2}", ours / theirs);
}

/// A million keys beside a map of the standard library, in time and memory; and reading them beside reading the file.
fn keys(sizes: &Sizes) {
    let entries = (0..sizes.keys).map(|number| (policy::key(number), policy::TEXT.to_owned()));
    let (map, of_map) = measure(|| entries.collect::<HashMap<String, String>>());
    let source = policy::source(sizes.keys);
    // The source that is read is no part of the table.
    let (table, of_table) = measure(|| policy::open("texthash:access", &source));
    let name = |what: &str| format!("{} keys, beside HashMap: {what}", sizes.keys);
    for (what, of) in [("found", sizes.keys), ("none found", 0)] {
        let asked: Vec<String> = policy::shuffled(sizes.lookups, sizes.keys)
            .map(|number| policy::key(if of == 0 { number + sizes.keys } else { number }))
            .collect();
        let found = if of == 0 { 0 } else { asked.len() };
        let times = in_turns(
            sizes.rounds,
            asked.len(),
            || assert_eq!(policy::look_up_all(&*table, &asked), found),
            || assert_eq!(asked.iter().filter(|key| map.contains_key(*key)).count(), found),
        );
        row(&name(what), times, "ns");
    }
    let mib = |octets: isize| octets as f64 / f64::from(1 << 20);
    row(&name("memory"), (mib(of_table.held_bytes), mib(of_map.held_bytes)), "Mi");
    drop(map);
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("access");
    std::fs::write(&path, &source).unwrap();
    let reference = format!("texthash:{}", path.display());
    let read = |path: &str| std::fs::read(path).map_err(|error| error.to_string());
    let reading = in_turns(
        sizes.rounds.min(5),
        1_000_000,
        || drop(black_box(Opener::new(&read).open(&reference).unwrap())),
        || {
            let mut octets = Vec::new();
            std::fs::File::open(&path).unwrap().read_to_end(&mut octets).unwrap();
            black_box(octets);
        },
    );
    row(&format!("{} lines read anew, beside a plain read", sizes.keys), reading, "ms");
}

/// A hundred thousand networks beside a hundred.
fn networks(sizes: &Sizes) {
    let (many, few) = (sizes.keys / 10, 100);
    let [many_table, few_table] = [many, few].map(|count| policy::open("cidr:a", &policy::networks(count)));
    let asked = policy::addresses(sizes.lookups);
    assert!(policy::look_up_all(&*many_table, &asked) > policy::look_up_all(&*few_table, &asked));
    let times = in_turns(
        sizes.rounds,
        asked.len(),
        || _ = black_box(policy::look_up_all(&*many_table, &asked)),
        || _ = black_box(policy::look_up_all(&*few_table, &asked)),
    );
    row(&format!("{many} networks, beside {few}"), times, "ns");
    let source = policy::networks(many);
    let reading = in_turns(
        sizes.rounds.min(5),
        1_000_000,
        || drop(black_box(policy::open("cidr:a", &source))),
        || _ = black_box(source.lines().map(str::len).sum::<usize>()),
    );
    row(&format!("{many} networks read, beside cutting their lines"), reading, "ms");
}

/// A thousand patterns beside matching one after another.
fn patterns(sizes: &Sizes) {
    let patterns = policy::patterns(sizes.patterns);
    let singly: Vec<regex::Regex> = patterns
        .iter()
        .map(|pattern| RegexBuilder::new(pattern).case_insensitive(true).build().unwrap())
        .collect();
    let source = policy::pattern_source(&patterns);
    for kind in ["regexp", "pcre"] {
        let table = policy::open(&format!("{kind}:a"), &source);
        let asked = policy::innocent(sizes.lookups / 500);
        let times = in_turns(
            sizes.rounds,
            asked.len(),
            || assert_eq!(policy::look_up_all(&*table, &asked), 0),
            || assert!(!asked.iter().any(|key| singly.iter().any(|pattern| pattern.is_match(key)))),
        );
        row(&format!("{} rules of {kind}, beside one by one", sizes.patterns), times, "ns");
    }
}

/// A recipient through a list of fifty rules, five of which look something up, beside a list of one.
fn decisions(sizes: &Sizes) {
    let [long, short] = [50, 5].map(policy::long_list);
    let (request, recipient) = (policy::request(), policy::recipient());
    let decide = |policy| {
        for _ in 0..sizes.decisions {
            assert!(policy::decide(policy, &request, &recipient).refusal.is_none());
        }
    };
    let times = in_turns(sizes.rounds, sizes.decisions, || decide(&long), || decide(&short));
    row("a recipient, 50 rules with 5 lookups, beside 5", times, "ns");
    let [of_long, of_short] = [&long, &short]
        .map(|policy| measure(|| drop(black_box(policy::decide(policy, &request, &recipient)))).1);
    row("the same: allocations", (of_long.allocations as f64, of_short.allocations as f64), "");
}

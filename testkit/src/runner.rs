//! Runs transcript files against a machine: every cut, published and seeded names.

use crate::cuts::{Cut, Group};
use crate::driver::{Driver, Fixture};
use crate::expect::{match_all, match_front};
use crate::log::Log;
use crate::rng::{self, Rng};
use crate::script::{Case, End, Item, Kind, Script, parse_duration};
use crate::text::{Text, Unit, show};
use crate::vars::Setup;
use proto_core::Machine;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Runs transcripts. See [`script`](crate::script) for what a file holds.
#[derive(Debug, Clone)]
pub struct Runner {
    machine_end: End,
    random_cuts: usize,
    seeded_runs: usize,
}

/// What one run gave, to compare with the others.
#[derive(Debug, PartialEq, Eq)]
struct Trace {
    sent: Vec<u8>,
    log: Log,
    input_bytes: usize,
}

/// One step could not be done; the line is the runner's to know.
type Outcome = Result<(), String>;

impl Runner {
    /// The machine under test is the server: `C:` lines are given, `S:` lines expected.
    pub fn server() -> Self {
        Self { machine_end: End::Server, random_cuts: 12, seeded_runs: 3 }
    }

    /// The machine under test is the client: `S:` lines are given, `C:` lines expected.
    pub fn client() -> Self {
        Self { machine_end: End::Client, ..Self::server() }
    }

    /// How many seeded cuts each case gets besides the systematic ones.
    pub fn random_cuts(self, random_cuts: usize) -> Self {
        Self { random_cuts, ..self }
    }

    /// How often a file that declares variables runs with seeded ones.
    pub fn seeded_runs(self, seeded_runs: usize) -> Self {
        Self { seeded_runs, ..self }
    }

    /// Runs every case of a file (a path relative to the package) at every cut, then again with seeded variables.
    /// `make` gives the machine and its application anew for each run.
    ///
    /// # Panics
    /// With file, line, case, cut and seed of the first failure of each case that fails.
    pub fn check<M, F>(&self, path: impl AsRef<Path>, make: impl Fn(&Setup) -> (M, F))
    where
        M: Machine,
        F: Fixture<M>,
    {
        let path = path.as_ref();
        let source = std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        self.check_text(&path.display().to_string(), &source, make);
    }

    /// Like [`Runner::check`], for a transcript that is not in a file of its own.
    ///
    /// # Panics
    /// As [`Runner::check`] does.
    pub fn check_text<M, F>(&self, name: &str, source: &str, make: impl Fn(&Setup) -> (M, F))
    where
        M: Machine,
        F: Fixture<M>,
    {
        let script = Script::parse(source).unwrap_or_else(|(line, what)| panic!("{name}:{line}: {what}"));
        let seed = rng::seeds(1)[0];
        let mut rng = Rng::new(seed);
        let mut failures = Vec::new();
        for case in &script.cases {
            if let Err((line, what)) = self.check_case(&script, case, &mut rng, &make) {
                failures.push(format!("{name}:{line}: case {}: {what}", case.name));
            }
        }
        assert!(
            failures.is_empty(),
            "{} of {} cases failed (replay: {}={seed:#x})\n{}",
            failures.len(),
            script.cases.len(),
            rng::SEED_VARIABLE,
            failures.join("\n"),
        );
    }

    fn check_case<M: Machine, F: Fixture<M>>(
        &self,
        script: &Script,
        case: &Case,
        rng: &mut Rng,
        make: &impl Fn(&Setup) -> (M, F),
    ) -> Result<(), (usize, String)> {
        let seeded_runs = if script.variables.is_empty() { 0 } else { self.seeded_runs };
        for run in 0..=seeded_runs {
            let variables = script.variables.iter().map(|variable| {
                let value = if run == 0 { variable.published.clone() } else { variable.kind.value(rng) };
                (variable.name.clone(), value)
            });
            let setup = Setup { variables: variables.collect(), options: case.options.clone() };
            self.check_cuts(case, &setup, run == 0, rng, make)
                .map_err(|(line, what)| (line, format!("{what}\nvariables {:?}", setup.variables)))?;
        }
        Ok(())
    }

    fn check_cuts<M: Machine, F: Fixture<M>>(
        &self,
        case: &Case,
        setup: &Setup,
        thorough: bool,
        rng: &mut Rng,
        make: &impl Fn(&Setup) -> (M, F),
    ) -> Result<(), (usize, String)> {
        let expected = self.run(case, setup, Cut::AsWritten, make)?;
        let mut cuts = Cut::all(expected.input_bytes, self.random_cuts, rng);
        if !thorough {
            // The places of the cuts have been tried; with other names a sample is enough.
            cuts.retain(|cut| !matches!(cut, Cut::At(_)));
        }
        for cut in cuts {
            let got = self.run(case, setup, cut, make)?;
            if got != expected {
                let line = case.items.first().map_or(0, |item| item.line);
                return Err((
                    line,
                    format!("cut {cut}: not the same as cut as written\n{}", difference(&expected, &got)),
                ));
            }
        }
        Ok(())
    }

    fn run<M: Machine, F: Fixture<M>>(
        &self,
        case: &Case,
        setup: &Setup,
        cut: Cut,
        make: &impl Fn(&Setup) -> (M, F),
    ) -> Result<Trace, (usize, String)> {
        let line = Cell::new(0);
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let (machine, fixture) = make(setup);
            let mut run = Run {
                driver: Driver::new(machine, fixture),
                machine_end: self.machine_end,
                setup,
                cut,
                unread: Vec::new(),
                sent: Vec::new(),
                writes: 0,
                input_bytes: 0,
                events_seen: 0,
                closed_seen: false,
            };
            run.play(&case.items, &line)?;
            Ok(Trace { sent: run.sent, log: run.driver.fixture.log().clone(), input_bytes: run.input_bytes })
        }));
        let outcome = outcome.unwrap_or_else(|panic| Err(format!("panicked: {}", rng::panic_text(&*panic))));
        outcome.map_err(|what: String| (line.get(), format!("cut {cut}: {what}")))
    }
}

fn difference(expected: &Trace, got: &Trace) -> String {
    if expected.sent != got.sent {
        return format!("sent, as written:\n{}\nnow:\n{}", show(&expected.sent), show(&got.sent));
    }
    let entries = |trace: &Trace| trace.log.entries().map(show).collect::<Vec<_>>().join("\n");
    format!("events, as written:\n{}\nnow:\n{}", entries(expected), entries(got))
}

/// One pass through one case.
struct Run<'a, M, F> {
    driver: Driver<M, F>,
    machine_end: End,
    setup: &'a Setup,
    cut: Cut,
    /// Sent by the machine and not yet expected.
    unread: Vec<u8>,
    sent: Vec<u8>,
    writes: usize,
    input_bytes: usize,
    events_seen: usize,
    closed_seen: bool,
}

impl<M: Machine, F: Fixture<M>> Run<'_, M, F> {
    fn play(&mut self, items: &[Item], line: &Cell<usize>) -> Outcome {
        let is_tls = |item: &Item| matches!(&item.kind, Kind::Directive(name, _) if name == "tls");
        if !items.first().is_some_and(is_tls) {
            self.driver.pump();
            self.collect();
        }
        let mut rest = items;
        while let Some((item, after)) = rest.split_first() {
            line.set(item.line);
            rest = after;
            match &item.kind {
                Kind::Line(end, text) if *end == self.machine_end => self.expect(text)?,
                Kind::Many(end, text) if *end == self.machine_end => self.expect_many(text, after.first())?,
                Kind::Many(..) => return Err("only expected lines can be many".into()),
                Kind::Line(_, text) => {
                    let mut group = Group::default();
                    group.push(&text.units(self.setup)?)?;
                    while let Some((Item { kind: Kind::Line(end, text), .. }, after)) = rest.split_first() {
                        if *end == self.machine_end {
                            break;
                        }
                        group.push(&text.units(self.setup)?)?;
                        rest = after;
                    }
                    self.give(&group)?;
                }
                Kind::Event(text) => self.expect_event(text)?,
                Kind::Directive(name, arguments) => self.directive(name, arguments)?,
            }
        }
        self.nothing_unread()?;
        match self.driver.closed() {
            Some(reason) if !self.closed_seen => {
                Err(format!("it closed ({reason}) and no @closed stands here"))
            }
            _ => Ok(()),
        }
    }

    fn give(&mut self, group: &Group) -> Outcome {
        self.nothing_unread()?;
        self.writes = 0;
        for segment in group.segments(self.cut, self.input_bytes) {
            if self.cut == Cut::Every(1) {
                self.driver.early_timeout();
            }
            self.driver.receive(segment);
            self.collect();
        }
        self.input_bytes += group.octets.len();
        Ok(())
    }

    /// Takes over what the machine has sent.
    fn collect(&mut self) {
        self.writes += self.driver.writes();
        let sent = self.driver.take_sent();
        self.unread.extend_from_slice(&sent);
        self.sent.extend_from_slice(&sent);
    }

    fn nothing_unread(&self) -> Outcome {
        if self.unread.is_empty() {
            return Ok(());
        }
        Err(format!("sent and not expected:\n{}", show(&self.unread)))
    }

    fn pattern(&self, text: &Text) -> Result<Vec<Unit>, String> {
        let units = text.units(self.setup)?;
        if units.iter().any(|unit| matches!(unit, Unit::Cut | Unit::Join)) {
            return Err("marks for cuts belong to input".into());
        }
        Ok(units)
    }

    fn expect(&mut self, text: &Text) -> Outcome {
        let pattern = self.pattern(text)?;
        match match_front(&pattern, &self.unread) {
            Some(bytes) => {
                self.unread.drain(..bytes);
                Ok(())
            }
            None if self.unread.is_empty() => Err(format!("expected\n{}got nothing", written(&pattern))),
            None => Err(format!("expected\n{}got\n{}", written(&pattern), show(&self.unread))),
        }
    }

    /// As many lines as match, up to one that the next item expects.
    fn expect_many(&mut self, text: &Text, next: Option<&Item>) -> Outcome {
        let pattern = self.pattern(text)?;
        let stop = match next {
            Some(Item { kind: Kind::Line(end, text), .. }) if *end == self.machine_end => {
                Some(self.pattern(text)?)
            }
            _ => None,
        };
        while let Some(bytes) = match_front(&pattern, &self.unread).filter(|bytes| *bytes > 0) {
            if stop.as_ref().is_some_and(|stop| match_front(stop, &self.unread).is_some()) {
                break;
            }
            self.unread.drain(..bytes);
        }
        Ok(())
    }

    fn expect_event(&mut self, text: &Text) -> Outcome {
        let mut pattern = self.pattern(text)?;
        if text.line_end {
            // An entry is no line: nothing but what is written.
            pattern.truncate(pattern.len() - 2);
        }
        let log = self.driver.fixture.log();
        match log.entries().skip(self.events_seen).position(|entry| match_all(&pattern, entry)) {
            Some(at) => {
                self.events_seen += at + 1;
                Ok(())
            }
            None => {
                let seen = log.entries().skip(self.events_seen).map(show).collect::<Vec<_>>().join("\n");
                Err(format!("expected the event\n{}\ngot\n{seen}", written(&pattern)))
            }
        }
    }

    fn directive(&mut self, name: &str, arguments: &Text) -> Outcome {
        let arguments = arguments.octets(self.setup);
        match name {
            "closed" => return self.expect_closed(&String::from_utf8_lossy(&arguments?)),
            "open" => {
                return match self.driver.closed() {
                    Some(reason) => Err(format!("it closed: {reason}")),
                    None => self.nothing_unread(),
                };
            }
            "writes" => {
                let expected = String::from_utf8_lossy(&arguments?).parse().map_err(|_| "@writes N")?;
                if self.cut == Cut::Whole && self.writes != expected {
                    return Err(format!("expected {expected} writes, got {}", self.writes));
                }
                return Ok(());
            }
            _ => self.nothing_unread()?,
        }
        self.writes = 0;
        let arguments = String::from_utf8(arguments?).map_err(|_| "a directive's arguments are UTF-8")?;
        match name {
            "time" => self.driver.advance(parse_duration(&arguments)?),
            "eof" => self.driver.eof(),
            "tls" => self.driver.tls(),
            "shutdown" => self.driver.shutdown(),
            other => {
                let now = self.driver.now();
                self.driver.fixture.on_directive(&mut self.driver.machine, now, other, &arguments)?;
                self.driver.pump();
            }
        }
        self.collect();
        Ok(())
    }

    fn expect_closed(&mut self, expected: &str) -> Outcome {
        self.nothing_unread()?;
        self.closed_seen = true;
        match self.driver.closed().map(ToString::to_string) {
            None => Err("it has not closed".into()),
            Some(reason) if expected.is_empty() || reason.starts_with(expected) => Ok(()),
            Some(reason) => Err(format!("it closed for another reason: {reason}")),
        }
    }
}

/// A pattern as it is written in a transcript.
fn written(pattern: &[Unit]) -> String {
    let mut text = String::new();
    for part in pattern.chunk_by(|a, b| (*a == Unit::Any) == (*b == Unit::Any)) {
        let octets: Vec<u8> = part
            .iter()
            .filter_map(|unit| match unit {
                Unit::Octet(octet) => Some(*octet),
                _ => None,
            })
            .collect();
        text += &if octets.is_empty() { "…".to_string() } else { show(&octets) };
    }
    text
}

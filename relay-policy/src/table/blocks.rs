//! `if` … `endif` in tables of rules: which steps are looked at, in the order of the file.
//!
//! # Departures
//! Where the condition of an `if` cannot be used, its block is skipped; Postfix would take the rules in it as if the `if`
//! were not there.

use super::source::Warnings;

/// A rule, or the `if` in front of some.
#[derive(Debug, Clone)]
pub(crate) enum Step<C, R> {
    If {
        /// None where it cannot be used.
        condition: Option<C>,
        /// Where to go on when it does not hold: behind the `endif`.
        otherwise: usize,
    },
    Rule(R),
}

/// The steps of a table.
#[derive(Debug, Clone)]
pub(crate) struct Program<C, R> {
    steps: Vec<Step<C, R>>,
}

impl<C, R> Program<C, R> {
    /// All rules, whatever stands before them.
    pub(crate) fn all(&self) -> impl Iterator<Item = &R> {
        self.steps.iter().filter_map(|step| match step {
            Step::Rule(rule) => Some(rule),
            Step::If { .. } => None,
        })
    }

    /// The steps that are looked at, in order, where `holds` tells which conditions do.
    pub(crate) fn rules<E>(
        &self,
        mut holds: impl FnMut(&C) -> Result<bool, E>,
    ) -> impl Iterator<Item = Result<&R, E>> {
        let mut at = 0;
        std::iter::from_fn(move || {
            loop {
                match self.steps.get(at)? {
                    Step::Rule(rule) => {
                        at += 1;
                        return Some(Ok(rule));
                    }
                    Step::If { condition, otherwise } => {
                        let next = at + 1;
                        match condition.as_ref().map_or(Ok(false), &mut holds) {
                            Ok(true) => at = next,
                            Ok(false) => at = *otherwise,
                            Err(error) => {
                                at = usize::MAX;
                                return Some(Err(error));
                            }
                        }
                    }
                }
            }
        })
    }
}

/// Takes the lines of a table one by one.
#[derive(Debug)]
pub(crate) struct Blocks<C, R> {
    steps: Vec<Step<C, R>>,
    /// The `if`s that are not closed: where they are among the steps, and on which line.
    open: Vec<(usize, u32)>,
}

impl<C, R> Blocks<C, R> {
    pub(crate) fn new() -> Self {
        Self { steps: Vec::new(), open: Vec::new() }
    }

    pub(crate) fn rule(&mut self, rule: R) {
        self.steps.push(Step::Rule(rule));
    }

    pub(crate) fn begin(&mut self, line: u32, condition: Option<C>) {
        self.open.push((self.steps.len(), line));
        self.steps.push(Step::If { condition, otherwise: usize::MAX });
    }

    pub(crate) fn end(&mut self, line: u32, warnings: &mut Warnings<'_>) {
        let Some((at, _)) = self.open.pop() else {
            warnings.push(line, "endif without an if: this line is ignored");
            return;
        };
        let behind = self.steps.len();
        if let Some(Step::If { otherwise, .. }) = self.steps.get_mut(at) {
            *otherwise = behind;
        }
    }

    pub(crate) fn finish(self, warnings: &mut Warnings<'_>) -> Program<C, R> {
        for (_, line) in self.open {
            warnings.push(line, "if without an endif: it holds to the end of the file");
        }
        Program { steps: self.steps }
    }
}

//! A `.qmail` file carried out: [`DotQmailRun`] hands out what is to be done next, and is told how that ended.
//!
//! Programs and mailboxes come in the order of the file, and what is forwarded comes last, all at once, so that a program which
//! fails keeps a message from being forwarded again with each attempt. The first that fails ends the run.
//!
//! Whether the file and the home may be trusted (who may write them, whether the home is sticky) is for whoever has read them;
//! so are the environment of programs and who `-owner` is.
//!
//! ```
//! use relay_policy::qmail::{DotQmailRun, DotQmailStep, DotQmailVerdict, Ended};
//!
//! let text = "# spam goes to the program, which takes it by 99\n|filter\n./Maildir/\n&ann@example.org\n";
//! let mut run = DotQmailRun::new(text, false);
//! assert_eq!(run.step(), DotQmailStep::Program("filter"));
//! run.ended(Ended::of_exit_code(0))?;
//! assert_eq!(run.step(), DotQmailStep::Mailbox("./Maildir/"));
//! run.ended(Ended::Done)?;
//! assert_eq!(run.step(), DotQmailStep::Forward(vec!["ann@example.org"]));
//! run.ended(Ended::Done)?;
//! assert_eq!(run.step(), DotQmailStep::Over(DotQmailVerdict::Delivered));
//! # Ok::<(), proto_core::CallerFault>(())
//! ```
//!
//! # Limits
//! A file with more than 10,000 lines that say something defers.

use super::instruction::{Instruction, instructions};
use proto_core::CallerFault;
use std::collections::VecDeque;

/// How many lines of a file may say something.
const LINES_MAX: usize = 10_000;

/// A `.qmail` file being carried out: [`step`](Self::step) it, and tell how what it wants has [`ended`](Self::ended), until it is
/// over.
#[derive(Debug, Clone)]
pub struct DotQmailRun<'t> {
    /// What has not been come to, in the order of the file; the first is no address.
    left: VecDeque<Instruction<'t>>,
    /// The addresses that have been come to.
    forwards: Vec<&'t str>,
    /// The file is empty, and what that means is not done yet.
    is_default: bool,
    verdict: Option<DotQmailVerdict>,
}

/// What is to be done next.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DotQmailStep<'t> {
    /// The file is empty: the message goes where mail without such a file goes.
    Default,
    /// The message goes to this program, which a shell begins in the user's home.
    Program(&'t str),
    /// The message goes into this mbox file, or into a Maildir where it ends in `/`; what begins with a dot is in the user's home.
    Mailbox(&'t str),
    /// The message goes on to all of these, at least one; with a new envelope, and once.
    Forward(Vec<&'t str>),
    /// There is no more to be done.
    Over(DotQmailVerdict),
}

/// What became of the message. The words are for a log or a report; a program that failed may have said better ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DotQmailVerdict {
    /// It was delivered, or there was nothing to be done with it.
    Delivered,
    /// It is tried again later, from the first line on.
    Deferred(&'static str),
    /// It goes back to its sender.
    Bounced(&'static str),
}

/// How a delivery has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Well: what comes next is done.
    Done,
    /// Well, and the lines behind are not looked at.
    Stop,
    /// Never to be tried again.
    Permanently,
    /// To be tried again; so does a program that a signal ended.
    Temporarily,
}

impl Ended {
    /// What the exit code of a program says: 0, 99, those for permanent failures, and all others. Some of sysexits(3) are among
    /// the permanent ones; 111 is the usual one for temporary failures.
    pub fn of_exit_code(code: u8) -> Self {
        match code {
            0 => Self::Done,
            99 => Self::Stop,
            64 | 65 | 70 | 76..=78 | 100 | 112 => Self::Permanently,
            _ => Self::Temporarily,
        }
    }
}

impl<'t> DotQmailRun<'t> {
    /// Begins with the text of a file. One that may be executed (`is_executable`) may forward and nothing else, and so may the
    /// lines behind `+list`.
    pub fn new(text: &'t str, is_executable: bool) -> Self {
        let left: VecDeque<_> = instructions(text).map(|(_, _, what)| what).take(LINES_MAX + 1).collect();
        let verdict = unusable(text, &left, is_executable).map(DotQmailVerdict::Deferred);
        let mut run = Self { left, forwards: Vec::new(), is_default: text.is_empty(), verdict };
        run.pass_addresses();
        run
    }

    /// What is to be done now; the same until it is told how that ended.
    pub fn step(&self) -> DotQmailStep<'t> {
        if let Some(verdict) = self.verdict {
            return DotQmailStep::Over(verdict);
        }
        match self.left.front() {
            Some(Instruction::Program(command)) => DotQmailStep::Program(command),
            Some(Instruction::File(path)) => DotQmailStep::Mailbox(path),
            _ if self.is_default => DotQmailStep::Default,
            _ if self.forwards.is_empty() => DotQmailStep::Over(DotQmailVerdict::Delivered),
            _ => DotQmailStep::Forward(self.forwards.clone()),
        }
    }

    /// Tells how what [`Self::step`] wants to be done has ended.
    ///
    /// # Errors
    /// [`CallerFault::Misuse`] when nothing is left to be done.
    pub fn ended(&mut self, how: Ended) -> Result<(), CallerFault> {
        if matches!(self.step(), DotQmailStep::Over(_)) {
            return Err(CallerFault::Misuse("ended: there was nothing to be done"));
        }
        self.is_default = false;
        if self.left.pop_front().is_none() {
            self.forwards.clear();
        }
        match how {
            Ended::Done => self.pass_addresses(),
            Ended::Stop => self.left.clear(),
            Ended::Permanently => {
                self.verdict = Some(DotQmailVerdict::Bounced("a delivery has failed for good"));
            }
            Ended::Temporarily => {
                self.verdict = Some(DotQmailVerdict::Deferred("a delivery has failed for now"));
            }
        }
        Ok(())
    }

    /// Comes to the next line that has to be carried out at once.
    fn pass_addresses(&mut self) {
        while let Some(what) = self.left.pop_front() {
            match what {
                Instruction::Forward(address) => self.forwards.push(address),
                Instruction::Word(_) => {}
                Instruction::Program(_) | Instruction::File(_) => {
                    self.left.push_front(what);
                    break;
                }
            }
        }
    }
}

/// Why a file is not begun with.
fn unusable(text: &str, lines: &VecDeque<Instruction<'_>>, is_executable: bool) -> Option<&'static str> {
    if text.lines().next().is_some_and(|first| first.trim().is_empty()) {
        return Some("the first line of the .qmail file is blank");
    }
    if lines.len() > LINES_MAX {
        return Some("the .qmail file has too many lines");
    }
    let from = if is_executable {
        Some(0)
    } else {
        lines.iter().position(|what| *what == Instruction::Word("list"))
    };
    let is_delivery = |what: &Instruction<'_>| matches!(what, Instruction::Program(_) | Instruction::File(_));
    let may_not = lines.iter().skip(from?).any(is_delivery);
    may_not.then_some("the .qmail file has a program or a mailbox where it may only forward")
}

//! [`EnvelopeRun`]: what is worked out about one address, stepped.
//!
//! Each task that needs an answer waits; all that can go on goes on, so the questions of one step are independent. A task
//! is begun again when there is an answer, with the answers that it had before.

use super::tasks::{Task, TaskError, forwarding_loop};
use super::{EnvelopeRouter, FINAL_RECIPIENTS_MAX, Failure, FinalRecipient, Routed, Way};
use crate::address::{Address, Resolution};
use crate::question::{Answer, Question};
use crate::table::Answers;
use proto_core::CallerFault;
use std::collections::BTreeSet;
use std::sync::Arc;

/// How many addresses are looked at for one; see [`Routed`]. An alias may have as many targets.
const TASKS_MAX: usize = 50_000;

/// Something about the addresses of an envelope, under way: [`step`](EnvelopeRun::step) it,
/// [`answer`](EnvelopeRun::answer) what it needs, until it is done.
#[derive(Debug)]
pub struct EnvelopeRun<'a> {
    pub(super) router: &'a EnvelopeRouter,
    pub(super) sender: Address,
    pub(super) answers: Answers,
    /// Where the recipient leads, if that is known.
    pub(super) resolution: Option<Arc<Resolution>>,
    /// The tables and keys that are asked.
    asked: BTreeSet<(String, String)>,
    /// What can go on; the last is next.
    pub(super) tasks: Vec<Task>,
    /// What waits for answers, in its order.
    waiting: Vec<Task>,
    begun: usize,
    /// The addresses that were followed, as they are compared.
    pub(super) followed: BTreeSet<String>,
    /// Who is among the recipients, as they are compared.
    there: BTreeSet<(&'static str, String)>,
    /// There must be somebody to get the message.
    wants_recipients: bool,
    /// How it comes about is told.
    pub(super) wants_steps: bool,
    pub(super) routed: Routed,
}

/// What a run says when it is stepped.
#[derive(Debug)]
pub enum EnvelopeStep {
    /// It goes on when these are answered, in any order; all are [`Question::Lookup`].
    Needs(Vec<Question>),
    /// It is over.
    Done(Box<Routed>),
}

impl<'a> EnvelopeRun<'a> {
    pub(super) fn new(router: &'a EnvelopeRouter, sender: Address, task: Task) -> Self {
        Self {
            router,
            wants_recipients: matches!(task, Task::Recipient { .. }),
            wants_steps: false,
            sender,
            answers: Answers::default(),
            resolution: None,
            asked: BTreeSet::new(),
            tasks: vec![task],
            waiting: Vec::new(),
            begun: 0,
            followed: BTreeSet::new(),
            there: BTreeSet::new(),
            routed: Routed::default(),
        }
    }

    /// The same, and tells how it comes about.
    #[must_use]
    pub fn with_steps(self) -> Self {
        Self { wants_steps: true, ..self }
    }

    /// The same, with what is known already.
    pub(super) fn knowing(mut self, resolution: Option<Arc<Resolution>>, answers: Answers) -> Self {
        (self.resolution, self.answers) = (resolution, answers);
        self
    }

    /// Goes on as far as the answers reach. What came of it is told once.
    pub fn step(&mut self) -> EnvelopeStep {
        self.tasks.extend(self.waiting.drain(..).rev());
        self.asked.clear();
        while let Some(task) = self.tasks.pop() {
            self.begun += 1;
            if self.begun > TASKS_MAX || self.routed.recipients.len() > FINAL_RECIPIENTS_MAX {
                self.too_many();
                break;
            }
            let before = self.tasks.len();
            let done = self.carry_out(&task);
            match &done {
                // The last is next.
                Ok(()) => self.tasks[before..].reverse(),
                Err(_) => self.tasks.truncate(before),
            }
            match done {
                Ok(()) => {}
                Err(TaskError::Fails(failure)) => self.routed.failures.push(failure),
                Err(TaskError::Asks(missing)) => {
                    // It is begun once, however often it is begun again.
                    self.begun -= 1;
                    self.waiting.push(task);
                    self.asked.extend(missing);
                }
                Err(TaskError::Lookup(error)) => {
                    self.routed.warnings.push(error.to_string());
                    let reason = "4.3.0 Temporary lookup failure".into();
                    self.routed.failures.push(Failure { target: task.to_string(), reason });
                }
            }
        }
        if !self.asked.is_empty() {
            let asked = self.asked.iter().cloned();
            return EnvelopeStep::Needs(asked.map(|(table, key)| Question::Lookup { table, key }).collect());
        }
        let nobody = self.routed.recipients.is_empty() && self.routed.failures.is_empty();
        if nobody && std::mem::take(&mut self.wants_recipients) {
            self.routed.failures.push(forwarding_loop(&self.routed.canonical));
        }
        EnvelopeStep::Done(Box::new(std::mem::take(&mut self.routed)))
    }

    /// Answers a question that [`EnvelopeRun::step`] has put.
    ///
    /// # Errors
    /// [`CallerFault::Misuse`] when it was not asked.
    pub fn answer(&mut self, question: &Question, answer: Answer) -> Result<(), CallerFault> {
        match question {
            Question::Lookup { table, key } if self.asked.contains(&(table.clone(), key.clone())) => {
                self.know(table, key, answer);
                Ok(())
            }
            _ => Err(CallerFault::Misuse("answer: this was not asked")),
        }
    }

    /// Tells what was answered to somebody else about a table that is not in memory, so that it is not asked again.
    pub fn know(&mut self, table: &str, key: &str, answer: Answer) {
        let found = match answer {
            Answer::Found(found) => Ok(found),
            _ => Err("it could not be asked".to_string()),
        };
        self.answers.add(table, key, found);
    }

    /// Adds a recipient, unless it is there.
    pub(super) fn add(&mut self, recipient: FinalRecipient) {
        let key = match &recipient.way {
            Way::Mailbox(_) => ("mailbox", recipient.address.as_str().to_ascii_lowercase()),
            Way::Transport(_) => ("transport", recipient.address.as_str().to_ascii_lowercase()),
            Way::Discard(_) => ("discard", recipient.address.as_str().to_ascii_lowercase()),
            // It may do another thing for another recipient.
            Way::Command(command) => {
                ("command", format!("{} {command}", recipient.address.as_str().to_ascii_lowercase()))
            }
            Way::File(path) => ("file", path.clone()),
        };
        if self.there.insert(key) {
            self.routed.recipients.push(recipient);
        }
    }

    /// Gives up: nobody gets a message that not all can get.
    fn too_many(&mut self) {
        let target = self.routed.canonical.to_string();
        self.routed.warnings.push(format!("{target} stands for too many recipients"));
        self.routed.failures.push(Failure { target, reason: "4.5.3 Too many recipients".into() });
        self.routed.recipients.clear();
        self.tasks.clear();
        self.waiting.clear();
        self.asked.clear();
    }
}

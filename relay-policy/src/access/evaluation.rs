//! A decision under way: lists within lists, rule by rule.
//!
//! A rule that needs an answer says nothing until it has it: it is looked at again from its beginning, so nothing it found
//! out before counts twice. What it says is then applied in one go.
//!
//! # Limits
//! [`RULES_MAX`] rules are looked at for one decision; more are a fault of the configuration (classes that name each other
//! twice double with each level).

use super::action::permit_forbidden;
use super::destination::Resolved;
use super::log::Log;
use super::outcome::{AccessStep, Effects, Latches, Outcome};
use super::policy::AccessPolicy;
use super::probe::{Action, Answers, Halt, OnPermit, Probe, Said, server_error};
use super::rule::{self, Check, Rules};
use super::subject::{Context, Subject};
use crate::address::Resolution;
use crate::decision::Reply;
use crate::list_name::ListName;
use crate::question::{Answer, Question};
use crate::request::{Request, Stage};
use crate::table;
use crate::trail::{Position, Seen, Trail, Why};
use proto_core::CallerFault;
use proto_core::address::ForwardPath;
use std::collections::VecDeque;
use std::sync::Arc;

/// How many rules are looked at for one decision.
const RULES_MAX: usize = 10_000;

/// A decision under way: [`step`](AccessEvaluation::step) it, [`answer`](AccessEvaluation::answer) what it needs, until
/// it is done.
#[derive(Debug)]
pub struct AccessEvaluation<'a> {
    policy: &'a AccessPolicy,
    request: &'a Request,
    stage: Stage<'a>,
    tasks: VecDeque<Task>,
    frames: Vec<Frame>,
    list: Option<ListName>,
    answers: Answers,
    tables: table::Answers,
    resolved: Resolved,
    defer_if_permit: Option<Deferral>,
    defer_if_reject: Option<Deferral>,
    unlisted_checked: Vec<Subject>,
    rules_seen: usize,
    refusal: Option<Reply>,
    is_deferral: bool,
    resolution: Option<Arc<Resolution>>,
    effects: Effects,
    latches: Latches,
    log: Log,
    trail: Trail,
}

/// A refusal that waits for how the lists end, and the rule that it is of; none where an earlier command left it.
#[derive(Debug)]
struct Deferral {
    reply: Reply,
    from: Option<Position>,
}

#[derive(Debug)]
enum Task {
    /// Whether the sender or recipient can be anybody.
    Address(Subject),
    List(ListName),
    /// What was to be deferred if it were permitted is.
    Settle,
    /// The sender or recipient must exist.
    Unlisted(Subject),
}

/// A list being gone through.
#[derive(Debug)]
struct Frame {
    rules: Rules,
    /// Its number in the trail.
    number: u32,
    at: usize,
    context: Context,
    /// What a table without the name of a check is about: what the command's list is about, whichever table led here.
    implied: Subject,
    /// Refusals are logged, and no more: all of this list's, and the next rule's.
    warn: bool,
    warn_next: bool,
    permit: OnPermit,
}

impl<'a> AccessEvaluation<'a> {
    pub(crate) fn of_command(policy: &'a AccessPolicy, request: &'a Request, stage: Stage<'a>) -> Self {
        let parameters = &policy.parameters;
        let delayed = parameters.smtpd_delay_reject;
        let mut tasks = VecDeque::new();
        let before = |tasks: &mut VecDeque<Task>, with_sender: bool| {
            if delayed {
                tasks.push_back(Task::List(ListName::Client));
                if request.helo.is_some() {
                    tasks.push_back(Task::List(ListName::Helo));
                }
                if with_sender {
                    tasks.push_back(Task::List(ListName::Sender));
                }
            }
        };
        match stage {
            Stage::Connect if !delayed => tasks.push_back(Task::List(ListName::Client)),
            Stage::Helo if !delayed => tasks.push_back(Task::List(ListName::Helo)),
            Stage::Mail => {
                tasks.push_back(Task::Address(Subject::Sender));
                if !delayed {
                    tasks.push_back(Task::List(ListName::Sender));
                }
            }
            Stage::Connect | Stage::Helo => {}
            // The postmaster can always be written to (RFC 5321 section 4.5.1).
            Stage::Rcpt(ForwardPath::Postmaster) | Stage::Vrfy(ForwardPath::Postmaster) => {}
            Stage::Rcpt(_) | Stage::Vrfy(_) => {
                tasks.push_back(Task::Address(Subject::Recipient));
                before(&mut tasks, true);
                let mut lists = [ListName::Relay, ListName::Recipient];
                if !parameters.smtpd_relay_before_recipient_restrictions {
                    lists.reverse();
                }
                tasks.extend(lists.map(Task::List));
                tasks.push_back(Task::Settle);
                if parameters.smtpd_reject_unlisted_recipient {
                    tasks.push_back(Task::Unlisted(Subject::Recipient));
                }
            }
            Stage::Data => tasks.extend([Task::List(ListName::Data), Task::Settle]),
            Stage::EndOfMessage => tasks.extend([Task::List(ListName::EndOfData), Task::Settle]),
            Stage::Etrn(_) => {
                before(&mut tasks, false);
                tasks.extend([Task::List(ListName::Etrn), Task::Settle]);
            }
        }
        if parameters.smtpd_reject_unlisted_sender
            && let Some(at) = tasks.iter().position(|task| matches!(task, Task::List(ListName::Sender)))
        {
            tasks.insert(at + 1, Task::Unlisted(Subject::Sender));
        }
        Self::new(policy, request, stage, tasks)
    }

    pub(crate) fn of_list(
        policy: &'a AccessPolicy,
        list: ListName,
        request: &'a Request,
        stage: Stage<'a>,
    ) -> Self {
        let mut tasks = VecDeque::from([Task::List(list)]);
        if !matches!(list, ListName::Client | ListName::Helo | ListName::Sender) {
            tasks.push_back(Task::Settle);
        }
        Self::new(policy, request, stage, tasks)
    }

    fn new(policy: &'a AccessPolicy, request: &'a Request, stage: Stage<'a>, tasks: VecDeque<Task>) -> Self {
        let latches = &request.latches;
        // A command that has not come has left nothing; what was left before it counts.
        let helo = || latches.helo.as_ref().or(latches.client.as_ref());
        let restored = match stage {
            Stage::Connect | Stage::Data | Stage::EndOfMessage => None,
            Stage::Helo => latches.client.as_ref(),
            Stage::Mail | Stage::Etrn(_) => helo(),
            Stage::Rcpt(_) | Stage::Vrfy(_) => latches.sender.as_ref().or_else(helo),
        };
        // Lists that are asked again say again what they have to say.
        let asks_again = tasks.iter().any(|task| matches!(task, Task::List(ListName::Client)));
        let restored = restored.filter(|_| !asks_again);
        Self {
            policy,
            request,
            stage,
            // What is thrown away is not looked at again.
            tasks: if request.discarded { VecDeque::new() } else { tasks },
            frames: Vec::new(),
            list: None,
            answers: Answers::new(),
            tables: table::Answers::default(),
            resolved: Resolved::default(),
            defer_if_permit: restored.map(|reply| Deferral { reply: reply.clone(), from: None }),
            defer_if_reject: None,
            unlisted_checked: Vec::new(),
            rules_seen: 0,
            refusal: None,
            is_deferral: false,
            resolution: None,
            effects: Effects::default(),
            latches: latches.clone(),
            log: Log::default(),
            trail: Trail::default(),
        }
    }

    /// Goes on as far as the answers reach.
    pub fn step(&mut self) -> AccessStep {
        while self.refusal.is_none() {
            if self.frames.is_empty() {
                let Some(task) = self.tasks.pop_front() else { break };
                self.begin(&task);
            } else if let Err(questions) = self.look_at_next() {
                return AccessStep::Needs(questions);
            } else if self.frames.is_empty() {
                self.list_ended();
            }
        }
        AccessStep::Done(Box::new(Outcome {
            disconnect: self.refusal.as_ref().is_some_and(|reply| matches!(reply.code, 421 | 521)),
            refusal: self.refusal.clone(),
            is_deferral: self.is_deferral,
            resolution: self.resolution.clone(),
            effects: self.effects.clone(),
            latches: self.latches.clone(),
            log: self.log.clone(),
            trail: self.trail.clone(),
        }))
    }

    /// Answers a question that [`AccessEvaluation::step`] has put.
    ///
    /// # Errors
    /// [`CallerFault::Misuse`] when it was not asked.
    pub fn answer(&mut self, question: &Question, answer: Answer) -> Result<(), CallerFault> {
        match self.answers.iter_mut().find(|(asked, _)| asked == question) {
            Some((Question::Lookup { table, key }, _)) => {
                let found = match answer {
                    Answer::Found(found) => Ok(found),
                    _ => Err("it could not be asked".to_string()),
                };
                self.tables.add(table.clone(), key.clone(), found);
                Ok(())
            }
            Some((_, place)) => {
                *place = Some(answer);
                Ok(())
            }
            None => Err(CallerFault::Misuse("answer: this was not asked")),
        }
    }

    /// What was answered about tables, for whoever goes on with what was decided:
    /// [`EnvelopeRouter::accepted`](crate::address::EnvelopeRouter::accepted).
    pub fn into_answers(self) -> table::Answers {
        self.tables
    }

    fn begin(&mut self, task: &Task) {
        match task {
            Task::Address(subject) => self.push_fixed(rule::bad_address(*subject), *subject),
            Task::List(name) => {
                let shares_scope = matches!(name, ListName::Relay | ListName::Recipient)
                    && matches!(self.list, Some(ListName::Relay | ListName::Recipient));
                if !shares_scope {
                    self.defer_if_reject = None;
                }
                self.list = Some(*name);
                self.push(self.policy.list(*name), subject_of(*name));
            }
            Task::Settle => {
                if let Some(deferral) = self.defer_if_permit.take() {
                    self.is_deferral = true;
                    let reply = self.taken(deferral, "nothing else refuses");
                    self.refuse(reply);
                }
            }
            Task::Unlisted(subject) => {
                if !self.unlisted_checked.contains(subject) {
                    self.push_fixed(rule::unlisted(*subject), *subject);
                }
            }
        }
    }

    /// A deferral has waited for what is now there: the trail tells which it is.
    fn taken(&mut self, Deferral { reply, from }: Deferral, why: &'static str) -> Reply {
        let position = from.unwrap_or_else(|| {
            let list = self.trail.enter(None, &rule::of_earlier_command(), None);
            Position { list, rule: 0 }
        });
        self.trail.push(position, Seen::Defer, Why::Words(why));
        reply
    }

    /// Rules that are looked at whatever the lists.
    fn push_fixed(&mut self, rules: Rules, subject: Subject) {
        self.list = None;
        self.push(rules, subject);
    }

    fn push(&mut self, rules: Rules, subject: Subject) {
        let number = self.trail.enter(self.list, &rules, None);
        self.frames.push(Frame {
            rules,
            number,
            at: 0,
            context: Context::of(subject),
            implied: subject,
            warn: false,
            warn_next: false,
            permit: OnPermit::Permit,
        });
    }

    /// Looks at the next rule of the innermost list, or ends that list; or gives the questions that come first.
    fn look_at_next(&mut self) -> Result<(), Vec<Question>> {
        let depth = self.frames.len();
        let Some(frame) = self.frames.last_mut() else { return Ok(()) };
        let Some(rule) = frame.rules.get(frame.at) else {
            self.frames.pop();
            self.stop_between_deferrals();
            return Ok(());
        };
        // A list is text that was configured or that a table has, so it has not so many rules.
        let position = Position { list: frame.number, rule: frame.at as u32 };
        if matches!(rule.check, Check::WarnIfReject) {
            (frame.at, frame.warn_next) = (frame.at + 1, true);
            self.trail.push(position, Seen::No, Why::Words("of the next rule"));
            return Ok(());
        }
        let notes = self.trail.notes();
        let noted = notes.end();
        let mut probe = Probe {
            policy: self.policy,
            request: self.request,
            stage: self.stage,
            answers: &self.answers,
            tables: &self.tables,
            resolved: &mut self.resolved,
            context: &frame.context,
            implied: frame.implied,
            depth,
            is_deferred: self.defer_if_permit.is_some(),
            log: Log::default(),
            notes,
            why: Why::Plain,
            resolution: None,
        };
        let said = match probe.check(rule) {
            Err(Halt::Ask(mut questions)) => {
                // DNS lists that stand together are asked together; an early answer decides all the same.
                let mut together = frame.rules[frame.at..].iter().map(|r| probe.listing_question(&r.check));
                if together.next().flatten().is_some() {
                    for question in together.map_while(|question| question) {
                        let answered =
                            |(asked, answer): &(_, Option<_>)| *asked == question && answer.is_some();
                        if !questions.contains(&question) && !self.answers.iter().any(answered) {
                            questions.push(question);
                        }
                    }
                }
                for question in &questions {
                    if !self.answers.iter().any(|(asked, _)| asked == question) {
                        self.answers.push((question.clone(), None));
                    }
                }
                // It will be looked at again.
                self.trail.notes().truncate(noted);
                return Err(questions);
            }
            Err(Halt::Broken(reply)) => Err(reply),
            Ok(said) => Ok(said),
        };
        let Probe { log, why, resolution, .. } = probe;
        self.log.append(log);
        self.resolution = resolution.or(self.resolution.take());
        let (warn, implied) = (frame.warn || std::mem::take(&mut frame.warn_next), frame.implied);
        if let Check::RejectUnlisted(subject) = rule.check
            && !warn
        {
            self.unlisted_checked.push(subject);
        }
        frame.at += 1;
        self.rules_seen += 1;
        match said {
            Err(reply) => {
                let why = if matches!(why, Why::Plain) { Why::Words("") } else { why };
                self.trail.push(position, Seen::Defer, why);
                self.refuse(reply);
            }
            Ok(_) if self.rules_seen > RULES_MAX => {
                let written = self.trail.rule(position);
                self.log.warn(format!("restriction {written}: more than {RULES_MAX} rules for one decision"));
                self.refuse(server_error());
            }
            Ok(said) => {
                let enters = matches!(said, Said::Enter { .. });
                self.apply(said, warn, implied, position, why);
                if !enters {
                    self.stop_between_deferrals();
                }
            }
        }
        Ok(())
    }

    /// Ends the list after a rule when two deferrals wait for opposite ends: whatever the rest of it says, one of them is what
    /// comes of it.
    fn stop_between_deferrals(&mut self) {
        if self.defer_if_permit.is_some() && self.defer_if_reject.is_some() {
            self.frames.clear();
        }
    }

    fn apply(&mut self, said: Said, warn: bool, implied: Subject, position: Position, why: Why) {
        let seen = match &said {
            Said::Permit => Seen::Permit,
            Said::Refuse(_) | Said::DeferIfPermit(_) if warn => Seen::Warn,
            Said::Refuse(reply) if reply.code / 100 == 5 => Seen::Reject,
            Said::Refuse(_) => Seen::Defer,
            Said::DeferIfPermit(_) => Seen::DeferIfPermit,
            Said::DeferIfReject(_) => Seen::DeferIfReject,
            Said::Dunno | Said::Enter { .. } | Said::Do(_) => Seen::No,
        };
        let why = match (&said, why) {
            (Said::Refuse(reply), Why::Plain)
            | (Said::DeferIfPermit(reply) | Said::DeferIfReject(reply), Why::Plain | Why::Destination(_)) => {
                Why::Note(self.trail.notes().write(format_args!("{reply}")))
            }
            (Said::Enter { .. }, Why::Plain) => Why::Words("its rules follow"),
            (Said::Do(Action::Sleep(_)), Why::Plain) => Why::Words("the reply waits"),
            (_, why) => why,
        };
        self.trail.push(position, seen, why);
        match said {
            Said::Dunno => {}
            Said::Permit => self.permit(),
            Said::Refuse(reply) | Said::DeferIfPermit(reply) if warn => {
                let reply = self.fit(reply);
                self.log.event(self.request, self.stage, "reject_warning", &reply);
            }
            Said::Refuse(reply) => self.refuse(reply),
            Said::DeferIfPermit(reply) => {
                self.defer_if_permit.get_or_insert(Deferral { reply, from: Some(position) });
            }
            Said::DeferIfReject(reply) => {
                self.defer_if_reject.get_or_insert(Deferral { reply, from: Some(position) });
            }
            Said::Enter { rules, context, permit } => {
                let number = self.trail.enter(self.list, &rules, Some(position));
                let frame = Frame { rules, number, at: 0, context, implied, warn, warn_next: false, permit };
                self.frames.push(frame);
            }
            Said::Do(action) => self.act(action),
        }
    }

    /// A permit ends its list, and the lists that list was entered from; unless one of them must not permit.
    fn permit(&mut self) {
        while let Some(frame) = self.frames.pop() {
            match frame.permit {
                OnPermit::Permit => {}
                OnPermit::Dunno => return,
                OnPermit::Broken { restriction, what } => {
                    for warning in permit_forbidden(&restriction, &what) {
                        self.log.warn(warning);
                    }
                    self.refuse(server_error());
                    return;
                }
            }
        }
    }

    fn act(&mut self, action: Action) {
        let effects = &mut self.effects;
        match action {
            Action::Hold => effects.hold = true,
            Action::Discard => {
                effects.discard = true;
                self.frames.clear();
                // What was to be deferred if it were permitted still is.
                self.tasks.retain(|task| matches!(task, Task::Settle));
            }
            Action::Filter(filter) => effects.filter = Some(filter),
            Action::Redirect(redirect) => effects.redirect = Some(redirect),
            Action::Bcc(bcc) => effects.bcc.push(bcc),
            Action::Prepend(line) => effects.prepend.push(line),
            Action::Sleep(seconds) => effects.sleep_seconds = effects.sleep_seconds.saturating_add(seconds),
        }
    }

    fn list_ended(&mut self) {
        // What is said about one recipient is not said about the next.
        if !matches!(self.stage, Stage::Connect | Stage::Helo | Stage::Mail) {
            return;
        }
        let latch = match self.list {
            Some(ListName::Client) => &mut self.latches.client,
            Some(ListName::Helo) => &mut self.latches.helo,
            Some(ListName::Sender) => &mut self.latches.sender,
            _ => return,
        };
        *latch = self.defer_if_permit.as_ref().map(|deferral| deferral.reply.clone());
    }

    fn refuse(&mut self, reply: Reply) {
        let reply = match self.defer_if_reject.take() {
            Some(earlier) if reply.code / 100 == 5 => {
                self.taken(earlier, "it is deferred where something refuses for good")
            }
            _ => reply,
        };
        let reply = self.fit(reply);
        self.log.event(self.request, self.stage, "reject", &reply);
        self.refusal = Some(reply);
    }

    /// A reply as it can be sent.
    fn fit(&mut self, mut reply: Reply) -> Reply {
        if !(400..600).contains(&reply.code) {
            self.log.warn(format!("response code configuration error: {reply}"));
            reply = Reply::new(450, (4, 7, 1), "Service unavailable".into());
        }
        if self.policy.parameters.soft_bounce && reply.code >= 500 {
            reply.code -= 100;
        }
        reply.fitted()
    }
}

fn subject_of(list: ListName) -> Subject {
    match list {
        ListName::Client => Subject::Client,
        ListName::Helo => Subject::Helo,
        ListName::Sender => Subject::Sender,
        ListName::Relay | ListName::Recipient => Subject::Recipient,
        ListName::Data => Subject::Data,
        ListName::EndOfData => Subject::EndOfData,
        ListName::Etrn => Subject::Etrn,
    }
}

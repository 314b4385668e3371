//! One decision, step by step.
//!
//! The lists of a stage are gone through in order, and each list from left to right: `no` goes on to the next rule,
//! `permit` ends the list and goes on to the next list, a refusal ends everything. A permit in one list never excuses
//! from another. When a rule needs to know something, the evaluation stops in front of it and goes on from there.
//!
//! # Departures
//! From Postfix: an unqualified `postmaster` passes all lists on SMTP and LMTP only, since on a submission listener
//! nothing is taken from those who have not logged in; and `postmaster` and `MAILER-DAEMON` must exist as other
//! recipients must, since what is accepted must be delivered.

use crate::config::Policy;
use crate::decision::{Class, Decision, Destination, Reply};
use crate::question::{Answer, Question};
use crate::request::{Listener, Request, Stage};
use crate::resolve::{BadAddress, Resolved, resolve};
use crate::restriction::{ListName, Restriction};
use crate::trail::{Outcome, Trail};
use proto_core::CallerFault;
use proto_core::address::{ForwardPath, Mailbox};

/// A decision under way: [`step`](Evaluation::step) it, [`answer`](Evaluation::answer) what it needs, until it is done.
#[derive(Debug)]
pub struct Evaluation<'a> {
    policy: &'a Policy,
    request: &'a Request,
    stage: Stage<'a>,
    /// The rules in their order; the first `passed` of them are over.
    rules: Vec<Rule<'a>>,
    passed: usize,
    /// What the recipient was found to be; none before it was looked at, or when the stage has none.
    recipient: Option<Resolved>,
    unlisted_checked: bool,
    answers: Vec<(Question, Option<Answer>)>,
    trail: Trail,
}

/// What an evaluation says when it is stepped.
#[derive(Debug)]
pub enum Step {
    /// It goes on when these are answered; in any order, and stepping it in between is harmless.
    Needs(Vec<Question>),
    /// It is over.
    Done(Decision, Trail),
}

/// What is looked at, in its order.
#[derive(Debug, Clone, Copy)]
enum Rule<'a> {
    /// Before all lists: whether the recipient is an address at all, and the bare postmaster.
    Address,
    InList(ListName, &'a Restriction),
    /// After all lists: the recipient must exist.
    Unlisted,
    /// After everything: there must be a way to deliver.
    Route,
}

/// What a rule says.
enum Verdict {
    No(String),
    Permit(String),
    Refuse(Decision, String),
    Needs(Question),
}

impl<'a> Evaluation<'a> {
    pub(crate) fn new(policy: &'a Policy, request: &'a Request, stage: Stage<'a>) -> Self {
        let lists: &[ListName] = match stage {
            // What these lists refuse is refused at RCPT, when everything is known.
            Stage::Connect | Stage::Helo | Stage::Mail => &[],
            Stage::Rcpt(_) | Stage::Vrfy(_) => {
                &[ListName::Client, ListName::Helo, ListName::Sender, ListName::Relay, ListName::Recipient]
            }
            Stage::Data => &[ListName::Data],
            Stage::EndOfMessage => &[ListName::EndOfData],
            Stage::Etrn(_) => &[ListName::Client, ListName::Helo, ListName::Etrn],
        };
        let in_lists = lists
            .iter()
            .filter(|name| **name != ListName::Helo || request.helo.is_some())
            .flat_map(|name| policy.list(*name).iter().map(|restriction| Rule::InList(*name, restriction)));
        let rules = match stage.recipient() {
            None => in_lists.collect(),
            Some(_) => {
                [Rule::Address].into_iter().chain(in_lists).chain([Rule::Unlisted, Rule::Route]).collect()
            }
        };
        Self {
            policy,
            request,
            stage,
            rules,
            passed: 0,
            recipient: None,
            unlisted_checked: false,
            answers: Vec::new(),
            trail: Trail::default(),
        }
    }

    /// Goes on as far as the answers reach.
    pub fn step(&mut self) -> Step {
        while let Some(&rule) = self.rules.get(self.passed) {
            let (list, name) = match rule {
                Rule::Address => (None, "address".to_string()),
                Rule::InList(list, restriction) => (Some(list), restriction.to_string()),
                Rule::Unlisted => (None, "reject_unlisted_recipient".to_string()),
                Rule::Route => (None, "route".to_string()),
            };
            match self.look_at(rule) {
                Verdict::Needs(question) => return Step::Needs(vec![question]),
                Verdict::No(why) => {
                    self.trail.push(list, name, Outcome::No, why);
                    self.passed += 1;
                }
                Verdict::Permit(why) => {
                    self.trail.push(list, name, Outcome::Permit, why);
                    // A permit ends the list it stands in; one before the lists ends them all.
                    let is_over = |next: &&Rule<'_>| match next {
                        Rule::InList(other, _) => list.is_none_or(|list| list == *other),
                        _ => false,
                    };
                    self.passed += 1;
                    self.passed += self.rules[self.passed..].iter().take_while(is_over).count();
                }
                Verdict::Refuse(decision, why) => {
                    let outcome =
                        if matches!(decision, Decision::Defer(_)) { Outcome::Defer } else { Outcome::Reject };
                    self.trail.push(list, name, outcome, why);
                    return Step::Done(decision, self.trail.clone());
                }
            }
        }
        let destination = self.recipient.as_ref().map(|resolved| resolved.destination.clone());
        Step::Done(Decision::Accept { destination }, self.trail.clone())
    }

    /// Answers a question that [`Evaluation::step`] has put.
    ///
    /// # Errors
    /// [`CallerFault::Misuse`] when it was not asked.
    pub fn answer(&mut self, question: Question, answer: Answer) -> Result<(), CallerFault> {
        match self.answers.iter_mut().find(|(asked, _)| *asked == question) {
            Some((_, place)) => {
                *place = Some(answer);
                Ok(())
            }
            None => Err(CallerFault::Misuse("answer: this was not asked")),
        }
    }

    fn look_at(&mut self, rule: Rule<'a>) -> Verdict {
        match rule {
            Rule::Address => self.address(),
            Rule::InList(list, restriction) => self.restriction(list, restriction),
            Rule::Unlisted if self.unlisted_checked => Verdict::No("looked at already".into()),
            Rule::Unlisted => self.unlisted_recipient(),
            Rule::Route => self.route(),
        }
    }

    fn restriction(&mut self, list: ListName, restriction: &Restriction) -> Verdict {
        match restriction {
            Restriction::Permit => Verdict::Permit("always".into()),
            Restriction::Reject => {
                let text = format!("{}: Access denied", self.rejected(list));
                Verdict::Refuse(reject(554, (5, 7, 1), text), "always".into())
            }
            Restriction::PermitMynetworks => {
                let client = self.request.client;
                match self.policy.mynetworks.find(client) {
                    Some(entry) => Verdict::Permit(format!("{client} is in {entry}")),
                    None => Verdict::No(format!("{client} is in none of {}", self.policy.mynetworks)),
                }
            }
            Restriction::PermitSaslAuthenticated => match &self.request.login {
                Some(login) => Verdict::Permit(format!("logged in as {login}")),
                None => Verdict::No("not logged in".into()),
            },
            Restriction::RejectUnauthDestination => self.unauth_destination(),
            Restriction::RejectUnlistedRecipient => self.unlisted_recipient(),
        }
    }

    fn address(&mut self) -> Verdict {
        let mailbox = match self.stage.recipient() {
            None => return Verdict::No("no recipient".into()),
            Some(ForwardPath::Mailbox(mailbox)) => mailbox,
            Some(ForwardPath::Postmaster) => {
                let destination = self.policy.postmaster.clone();
                let why = format!("the postmaster is {}", destination.address);
                self.recipient = Some(Resolved { destination, routed: false });
                let lists_count = self.policy.listener == Listener::Submission;
                return if lists_count { Verdict::No(why) } else { Verdict::Permit(why) };
            }
        };
        match resolve(mailbox, &self.policy.routing) {
            Ok(resolved) => {
                let Destination { class, address } = &resolved.destination;
                let routed = if resolved.routed { ", routed" } else { "" };
                let why = format!("<{mailbox}> is {address}, class {class}{routed}");
                self.recipient = Some(resolved);
                Verdict::No(why)
            }
            Err(BadAddress(why)) => {
                let decision = reject(501, (5, 1, 3), "Bad recipient address syntax".into());
                Verdict::Refuse(decision, format!("<{mailbox}>: {why}"))
            }
        }
    }

    fn unauth_destination(&self) -> Verdict {
        let Some(resolved) = &self.recipient else {
            return Verdict::No("no recipient".into());
        };
        let Destination { class, address } = &resolved.destination;
        if resolved.is_authorised() {
            return Verdict::No(format!("{address} is ours, class {class}"));
        }
        let decision = reject(554, (5, 7, 1), format!("{}: Relay access denied", self.written_recipient()));
        let routed = if resolved.routed { ", and might be sent on" } else { "" };
        Verdict::Refuse(decision, format!("{address} is not ours, class {class}{routed}"))
    }

    fn unlisted_recipient(&mut self) -> Verdict {
        let Some(resolved) = &self.recipient else {
            return Verdict::No("no recipient".into());
        };
        if resolved.destination.class != Class::Local {
            return Verdict::No("not ours to know".into());
        }
        let address = resolved.destination.address.clone();
        match self.exists(address.clone()) {
            Err(question) => Verdict::Needs(question),
            Ok(Answer::Failed(why)) => {
                let text = format!("{}: Temporary lookup failure", self.written_recipient());
                Verdict::Refuse(Decision::Defer(Reply::new(451, (4, 3, 0), text)), why.to_string())
            }
            Ok(Answer::Exists(true)) => {
                self.unlisted_checked = true;
                Verdict::No(format!("{address} exists"))
            }
            Ok(Answer::Exists(false)) if self.stands_in(&address) => {
                let destination = self.policy.postmaster.clone();
                self.recipient = Some(Resolved { destination, routed: false });
                self.unlisted_recipient()
            }
            Ok(Answer::Exists(false)) => {
                let what = self.rejected(ListName::Recipient);
                let text = format!("{what}: User unknown in local recipient table");
                Verdict::Refuse(reject(550, (5, 1, 1), text), format!("{address} does not exist"))
            }
            Ok(Answer::Records(_) | Answer::Found(_) | Answer::Action(_) | Answer::Verified(_)) => {
                let text = format!("{}: Temporary lookup failure", self.written_recipient());
                Verdict::Refuse(
                    Decision::Defer(Reply::new(451, (4, 3, 0), text)),
                    "an answer to another question".into(),
                )
            }
        }
    }

    /// Whether the configured postmaster takes the place of a mailbox that does not exist (RFC 5321 section 4.5.1).
    fn stands_in(&self, address: &Mailbox) -> bool {
        address.local_part().as_str().eq_ignore_ascii_case("postmaster")
            && *address != self.policy.postmaster.address
    }

    fn route(&self) -> Verdict {
        match &self.recipient {
            Some(Resolved { destination, .. }) if destination.class == Class::Default => {
                let what = self.rejected(ListName::Recipient);
                let text = format!("{what}: No route to remote domains is configured");
                Verdict::Refuse(reject(550, (5, 4, 4), text), format!("{} is remote", destination.address))
            }
            _ => Verdict::No("delivered here".into()),
        }
    }

    /// The answer, or the question noted as asked.
    fn exists(&mut self, address: Mailbox) -> Result<Answer, Question> {
        let question = Question::RecipientExists { address };
        match self.answers.iter().find(|(asked, _)| *asked == question) {
            Some((_, Some(answer))) => Ok(answer.clone()),
            Some((_, None)) => Err(question),
            None => {
                self.answers.push((question.clone(), None));
                Err(question)
            }
        }
    }

    /// The fact a list is about and the words of a refusal, as Postfix writes them: `<a@b>: Recipient address rejected`.
    fn rejected(&self, list: ListName) -> String {
        match list {
            ListName::Client => format!("<unknown[{}]>: Client host rejected", self.request.client),
            ListName::Helo => {
                format!("<{}>: Helo command rejected", self.request.helo.as_deref().unwrap_or_default())
            }
            ListName::Sender => {
                let sender = self.request.sender.as_ref().map_or("<>".into(), ToString::to_string);
                format!("{sender}: Sender address rejected")
            }
            ListName::Relay | ListName::Recipient => {
                format!("{}: Recipient address rejected", self.written_recipient())
            }
            ListName::Data => "<DATA>: Data command rejected".into(),
            ListName::EndOfData => "<END-OF-MESSAGE>: End-of-data rejected".into(),
            ListName::Etrn => match self.stage {
                Stage::Etrn(node) => format!("<{node}>: Etrn command rejected"),
                _ => "<>: Etrn command rejected".into(),
            },
        }
    }

    /// The recipient as the client wrote it, in brackets.
    fn written_recipient(&self) -> String {
        self.stage.recipient().map_or_else(String::new, ToString::to_string)
    }
}

fn reject(code: u16, enhanced: (u8, u16, u16), text: String) -> Decision {
    Decision::Reject(Reply::new(code, enhanced, text))
}

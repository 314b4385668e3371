//! One decision of relay-policy, its questions answered by the directory.

use crate::wall::{AccountId, Directory};
use proto_core::Backend;
use proto_core::address::ForwardPath;
use relay_policy::{Answer, Decision, Destination, Policy, Question, Reply, Request, Stage, Step};
use smtp_proto::reply::{EnhancedCode, Refusal};
use std::fmt::{self, Display};
use tracing::field::display;

/// A stage, with what it is about.
pub(super) enum Moment {
    Connect,
    Helo,
    Mail,
    Rcpt(ForwardPath),
    Data,
    EndOfMessage,
}

impl Display for Moment {
    /// As the log tells it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Moment::Connect => f.write_str("connect"),
            Moment::Helo => f.write_str("HELO"),
            Moment::Mail => f.write_str("MAIL"),
            Moment::Rcpt(recipient) => write!(f, "RCPT {recipient}"),
            Moment::Data => f.write_str("DATA"),
            Moment::EndOfMessage => f.write_str("end of message"),
        }
    }
}

/// Yes, for a recipient with where it goes; or no.
pub(super) type Verdict = Result<Option<Destination>, Refusal>;

pub(super) async fn decide(
    policy: &Policy,
    request: &Request,
    moment: &Moment,
    directory: &dyn Directory,
) -> Verdict {
    let stage = match moment {
        Moment::Connect => Stage::Connect,
        Moment::Helo => Stage::Helo,
        Moment::Mail => Stage::Mail,
        Moment::Rcpt(recipient) => Stage::Rcpt(recipient),
        Moment::Data => Stage::Data,
        Moment::EndOfMessage => Stage::EndOfMessage,
    };
    let mut evaluation = policy.evaluate(request, stage);
    loop {
        match evaluation.step() {
            Step::Needs(questions) => {
                for question in questions {
                    let answer = answer(&question, directory).await;
                    if let Err(fault) = evaluation.answer(question, answer) {
                        tracing::error!(%fault, "policy did not take an answer");
                        return Err(Refusal::TEMPORARY);
                    }
                }
            }
            Step::Done(decision, trail) => {
                for rule in trail.entries() {
                    tracing::debug!(at = %moment, %rule, "policy");
                }
                return match decision {
                    Decision::Accept { destination } => Ok(destination),
                    Decision::Reject(reply) | Decision::Defer(reply) => {
                        let sender = request.sender.as_ref().map(display);
                        tracing::info!(at = %moment, sender, reply = %reply, "refused");
                        Err(refusal(reply))
                    }
                    // Nothing else is decided by the lists that are there.
                    _ => Err(Refusal::TEMPORARY),
                };
            }
        }
    }
}

async fn answer(question: &Question, directory: &dyn Directory) -> Answer {
    match question {
        Question::RecipientExists { address } => match AccountId::from_mailbox(address) {
            Some(account) => match directory.contains(&account).await {
                Ok(known) => Answer::Exists(known),
                Err(fault) => {
                    tracing::error!(%account, %fault, "recipient could not be looked up");
                    Answer::Failed(fault)
                }
            },
            None => Answer::Exists(false),
        },
        _ => Answer::Failed(Backend::TEMPORARY),
    }
}

/// What cannot stand in a reply (a text with letters beyond ASCII) is said in standard words.
fn refusal(reply: Reply) -> Refusal {
    let standard = if reply.code / 100 == 4 { Refusal::TEMPORARY } else { Refusal::PERMANENT };
    let (class, subject, detail) = reply.enhanced;
    EnhancedCode::new(class, subject, detail)
        .and_then(|enhanced| Refusal::new(reply.code, enhanced, reply.text).ok())
        .unwrap_or(standard)
}

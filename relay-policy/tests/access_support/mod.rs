//! What tests of access control have in common: a small configuration, a stranger, a decision run to its end.

use proto_core::address::{AddressSyntax, ForwardPath, ReversePath};
use relay_policy::access::{AccessError, AccessPolicy, AccessStep, Outcome};
use relay_policy::table::Opener;
use relay_policy::{Answer, Parameters, Question, Request, Stage};

pub(crate) fn compile(lines: &[(&str, &str)]) -> Result<AccessPolicy, AccessError> {
    let mut parameters = Parameters::default();
    parameters.set("mydestination", "example.com").unwrap();
    parameters.set("mynetworks", "192.0.2.0/24").unwrap();
    for (name, value) in lines {
        parameters.set(name, value).unwrap();
    }
    AccessPolicy::compile(parameters, &Opener::new(&|_| Err("no files".into())))
}

pub(crate) fn policy(lines: &[(&str, &str)]) -> AccessPolicy {
    compile(lines).unwrap()
}

pub(crate) fn stranger() -> Request {
    let mut request = Request::new("203.0.113.9".parse().unwrap());
    request.sender = Some(ReversePath::parse_prefix(b"<s@other.test>", AddressSyntax::STRICT).unwrap().0);
    request
}

pub(crate) fn recipient(written: &str) -> ForwardPath {
    ForwardPath::parse_prefix(written.as_bytes(), AddressSyntax::STRICT).unwrap().0
}

/// Runs a decision; each round of questions is written down.
pub(crate) fn run(
    policy: &AccessPolicy,
    request: &Request,
    stage: Stage<'_>,
    answer: impl Fn(&Question) -> Answer,
) -> (Outcome, Vec<Vec<Question>>) {
    let (mut evaluation, mut rounds) = (policy.evaluate(request, stage), Vec::new());
    for _ in 0..1000 {
        match evaluation.step() {
            AccessStep::Done(outcome) => return (*outcome, rounds),
            AccessStep::Needs(questions) => {
                for question in &questions {
                    evaluation.answer(question, answer(question)).unwrap();
                }
                rounds.push(questions);
            }
        }
    }
    panic!("the evaluation does not end");
}

pub(crate) fn nothing(_: &Question) -> Answer {
    Answer::Records(Vec::new())
}

pub(crate) fn reply(policy: &AccessPolicy, request: &Request, written: &str) -> String {
    let (outcome, _) = run(policy, request, Stage::Rcpt(&recipient(written)), nothing);
    outcome.refusal.map_or("accepted".into(), |reply| reply.to_string())
}

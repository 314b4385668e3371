//! Holds an example's commands, and says what is not as expected.

use crate::facts::Answers;
use crate::script::{Command, Example, Step};
use proto_core::address::{AddressSyntax, ForwardPath, ReversePath};
use relay_policy::access::{AccessPolicy, AccessStep, Effects, Outcome};
use relay_policy::table::Opener;
use relay_policy::{Parameters, Question, Request, Stage};

/// Lines that tell what is not as expected.
pub(crate) fn check(example: &Example) -> Result<(), String> {
    let compiled = compile(example);
    let title = &example.title;
    let differs = |what: &str, expected: &str, got: &str| {
        format!("{title}\n  {what}\n    expected {expected}\n    got      {got}\n")
    };
    let policy = match (&example.broken, compiled) {
        (None, Ok(policy)) => policy,
        (Some(why), Err(error)) if error.starts_with(&**why) => return Ok(()),
        (why, compiled) => {
            let got = compiled.err().unwrap_or("a policy".into());
            return Err(differs("compiled", why.as_deref().unwrap_or("a policy"), &got));
        }
    };
    if let Some(expected) = &example.doubts {
        let doubts = policy.doubts();
        let got: Vec<String> =
            doubts.iter().map(|doubt| format!("{} {}", doubt.id, doubt.parameter)).collect();
        if *expected != got {
            return Err(differs("doubts", &expected.join(", "), &got.join(", ")));
        }
    }
    let mut answers = Answers::default();
    let mut request = Request::new("203.0.113.9".parse().unwrap());
    answers.learn("client 203.0.113.9 client.example", &mut request);
    request.queue_id = Some("<queue id>".into());
    for step in &example.steps {
        let command = match step {
            Step::Fact(fact) => {
                answers.learn(fact, &mut request);
                continue;
            }
            Step::Command(command) => command,
        };
        let (outcome, asked) = run(&policy, &mut request, &answers, command);
        let what = |what: &str| format!("> {}: {what}", command.written);
        let reply = outcome.refusal.as_ref().map_or("accepted".into(), ToString::to_string);
        if reply != command.reply {
            return Err(differs(&what("reply"), &command.reply, &reply) + &format!("{}\n", outcome.trail));
        }
        if let Some(expected) = &command.asked
            && let Some((expected, got)) = unlike(expected, &asked)
        {
            return Err(differs(&what("asked"), &expected, &got));
        }
        let effects = effects(&outcome.effects);
        if effects != command.effects {
            return Err(differs(&what("effects"), &command.effects.join(", "), &effects.join(", ")));
        }
        let log: Vec<String> = outcome.log.lines().iter().map(ToString::to_string).collect();
        if let Some(expected) = command.log.as_ref().filter(|expected| **expected != log) {
            return Err(differs(
                &what("log"),
                &expected.join("\n             "),
                &log.join("\n             "),
            ));
        }
    }
    Ok(())
}

fn compile(example: &Example) -> Result<AccessPolicy, String> {
    let mut parameters = Parameters::default();
    let (classes, others): (Vec<_>, Vec<_>) =
        example.parameters.iter().partition(|(name, _)| name == "smtpd_restriction_classes");
    for (name, value) in classes.into_iter().chain(others) {
        parameters.set(name, value).map_err(|error| error.to_string())?;
    }
    let read = |path: &str| match example.files.get(path) {
        Some(text) => Ok(text.clone().into_bytes()),
        None => Err("no such file".into()),
    };
    let opener = Opener::new(&read);
    let policy = match example.broken {
        Some(_) => AccessPolicy::compile(parameters, &opener),
        // Most have no list that would keep strangers from relaying.
        None => AccessPolicy::compile_unguarded(parameters, &opener),
    };
    policy.map_err(|error| error.to_string())
}

const SYNTAX: AddressSyntax = AddressSyntax { utf8: true, lenient: true };

fn run(
    policy: &AccessPolicy,
    request: &mut Request,
    answers: &Answers,
    command: &Command,
) -> (Outcome, Vec<Question>) {
    let (verb, rest) = command.written.split_once(' ').unwrap_or((&command.written, ""));
    let recipient = || match rest {
        "<postmaster>" => ForwardPath::Postmaster,
        _ => ForwardPath::parse_prefix(rest.as_bytes(), SYNTAX).unwrap_or_else(|e| panic!("{rest}: {e}")).0,
    };
    match verb {
        "HELO" | "EHLO" => (request.helo, request.esmtp) = (Some(rest.into()), verb == "EHLO"),
        "MAIL" => request.sender = Some(ReversePath::parse_prefix(rest.as_bytes(), SYNTAX).unwrap().0),
        _ => {}
    }
    let path = if matches!(verb, "RCPT" | "VRFY") { recipient() } else { ForwardPath::Postmaster };
    let stage = match verb {
        "CONNECT" => Stage::Connect,
        "HELO" | "EHLO" => Stage::Helo,
        "MAIL" => Stage::Mail,
        "RCPT" => Stage::Rcpt(&path),
        "VRFY" => Stage::Vrfy(&path),
        "DATA" => Stage::Data,
        "EOM" => Stage::EndOfMessage,
        "ETRN" => Stage::Etrn(rest),
        other => panic!("no command is called {other}"),
    };
    let (outcome, asked) = decide(policy, request, stage, answers);
    request.latches = outcome.latches.clone();
    request.discarded |= outcome.effects.discard;
    if verb == "RCPT" && outcome.refusal.is_none() {
        request.recipient = Some(path).filter(|_| request.recipient_count == 0).or(request.recipient.take());
        request.recipient_count += 1;
    }
    (outcome, asked)
}

fn decide(
    policy: &AccessPolicy,
    request: &Request,
    stage: Stage<'_>,
    answers: &Answers,
) -> (Outcome, Vec<Question>) {
    let (mut evaluation, mut asked) = (policy.evaluate(request, stage), Vec::new());
    for _ in 0..1000 {
        match evaluation.step() {
            AccessStep::Done(outcome) => return (*outcome, asked),
            AccessStep::Needs(questions) => {
                for question in questions {
                    evaluation.answer(&question, answers.answer(&question)).unwrap();
                    if !asked.contains(&question) {
                        asked.push(question);
                    }
                }
            }
        }
    }
    panic!("the evaluation does not end");
}

/// What was expected and what was asked, where that is not the same.
fn unlike(expected: &[String], asked: &[Question]) -> Option<(String, String)> {
    let shown = |question: &Question| match question {
        Question::Dns { name, kind } => format!("{} {name}", format!("{kind:?}").to_uppercase()),
        Question::Lookup { table, key } => format!("{table} {key}"),
        Question::Policy { service, .. } => format!("policy {}", service.server),
        Question::Verify { address } => format!("verify {address}"),
        other => panic!("{other:?}"),
    };
    let got: Vec<String> = asked.iter().map(shown).collect();
    let is_like = |(expected, question): (&String, &Question)| match question {
        Question::Policy { service, attributes } => {
            let mut words = expected.split(' ');
            let is_service = words.next() == Some("policy") && words.next() == Some(&service.server);
            let mut pairs = words.filter_map(|pair| pair.split_once('='));
            is_service && pairs.all(|(name, value)| attributes.value(name) == value.replace("%20", " "))
        }
        question => *expected == shown(question),
    };
    let same = expected.len() == asked.len() && expected.iter().zip(asked).all(is_like);
    let told = || {
        let policy = asked.iter().filter_map(|question| match question {
            Question::Policy { attributes, .. } => Some(format!(" {attributes:?}")),
            _ => None,
        });
        (expected.join(", "), got.join(", ") + &policy.collect::<String>())
    };
    (!same).then(told)
}

fn effects(effects: &Effects) -> Vec<String> {
    let mut told = Vec::new();
    told.extend(effects.hold.then(|| "hold".to_string()));
    told.extend(effects.discard.then(|| "discard".to_string()));
    told.extend(effects.filter.iter().map(|text| format!("filter {text}")));
    told.extend(effects.redirect.iter().map(|text| format!("redirect {text}")));
    told.extend(effects.bcc.iter().map(|text| format!("bcc {text}")));
    told.extend(effects.prepend.iter().map(|text| format!("prepend {text}")));
    told.extend((effects.sleep_seconds > 0).then(|| format!("sleep {}", effects.sleep_seconds)));
    told
}

//! What a command is answered, and what is logged: `access-policy.json`.
//!
//! The commands of a dialogue are asked in their order. Where a vector was executed, the lists for the client, HELO and
//! the sender were asked with their own commands, and all again with RCPT; at DATA and after it the recipient was not
//! there any more. So it is here.

use crate::zone::records;
use crate::{Checked, Mismatch, equal, text};
use proto_core::address::{AddressSyntax, ForwardPath, ReversePath};
use relay_policy::access::{AccessPolicy, AccessStep, LogLine, Outcome};
use relay_policy::table::Opener;
use relay_policy::{ListName, NameStatus, Parameters, Question, Request, Stage};
use serde_json::Value;

pub(crate) fn check(vector: &Value) -> Checked {
    let policy = policy(vector).map_err(|got| Mismatch { expected: "a policy".into(), got })?;
    let mut request = client(&vector["client"]);
    request.login = vector["sasl_user"].as_str().map(Into::into);
    request.sasl_method = request.login.as_ref().map(|_| "PLAIN");
    request.improper_pipelining = vector["improper_pipelining"].as_bool().unwrap_or_default();
    let at = text(vector, "at");
    let mut log = Vec::new();
    let mut last = None;
    let mut ask = |list: Option<ListName>, request: &Request, stage: Stage<'_>| {
        let outcome = decide(&policy, list, request, stage);
        log.extend(outcome.log.lines().iter().map(LogLine::to_string));
        last = Some(outcome.refusal);
    };
    ask(Some(ListName::Client), &request, Stage::Connect);
    if let Some(helo) = vector["helo"].as_str() {
        request.helo = Some(helo.into());
        ask(Some(ListName::Helo), &request, Stage::Helo);
    }
    if let Some(sender) = vector["mail"].as_str() {
        request.sender = Some(reverse_path(sender));
        ask(Some(ListName::Sender), &request, Stage::Mail);
    }
    let recipient_count = vector["recipient_count"].as_u64().unwrap_or_default();
    request.recipient_count = u32::try_from(recipient_count).unwrap();
    if let Some(recipient) = vector["rcpt"].as_str().filter(|_| at == "rcpt") {
        ask(None, &request, Stage::Rcpt(&forward_path(recipient)));
    }
    match at {
        "data" => ask(None, &request, Stage::Data),
        "eod" => ask(None, &request, Stage::EndOfMessage),
        "etrn" => ask(None, &request, Stage::Etrn(text(vector, "etrn"))),
        _ => {}
    }
    let reply = last.flatten().map_or("OK".into(), |reply| reply.to_string());
    equal("reply", text(vector, "reply"), &reply)?;
    // A note says that the reply is not the one that was logged when the vector was executed.
    if vector["note"].is_string() {
        return Ok(());
    }
    let expected = vector["log"].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
    // What is said of a table's source is compared with the tables.
    let expected: Vec<&str> = expected.filter(|line| !line.starts_with("warning: tab, line ")).collect();
    equal("log", &expected.join("\n  "), &log.join("\n  "))
}

/// The environment of the vectors, and what this one has in place of it.
fn policy(vector: &Value) -> Result<AccessPolicy, String> {
    let mut parameters = Parameters::default();
    let mut set = |name: &str, value: &str| parameters.set(name, value).map_err(|error| error.to_string());
    for (name, value) in [
        ("mynetworks", "127.0.0.0/8, 192.0.2.0/24"),
        ("mydestination", "example.com, localhost"),
        ("relay_domains", "relay.example"),
        ("virtual_alias_domains", "va.example"),
        ("virtual_mailbox_domains", "vm.example"),
        ("smtpd_relay_restrictions", ""),
    ] {
        set(name, value)?;
    }
    let strings = |field: &str| {
        let object = vector[field].as_object().unwrap();
        object.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_string()))
    };
    set(
        "smtpd_restriction_classes",
        &strings("classes").map(|(name, _)| name).collect::<Vec<_>>().join(" "),
    )?;
    for (name, value) in strings("classes") {
        set(&name, &value)?;
    }
    for (name, value) in strings("lists") {
        set(&format!("smtpd_{name}_restrictions"), &value)?;
    }
    for (name, value) in strings("params") {
        let name = if name == "sndlogin" { "smtpd_sender_login_maps" } else { &name };
        set(name, &value)?;
    }
    if vector["smtpd_access_maps_in_parent_domain_matches_subdomains"] == Value::Bool(false) {
        set("parent_domain_matches_subdomains", "relay_domains")?;
    }
    let read = |name: &str| match vector["tables"][name].as_str() {
        Some(source) => Ok(source.as_bytes().to_vec()),
        None => Err("no such file".into()),
    };
    // Some are open relays on purpose.
    AccessPolicy::compile_unguarded(parameters, &Opener::new(&read)).map_err(|error| error.to_string())
}

fn client(facts: &Value) -> Request {
    let mut request = Request::new(text(facts, "address").parse().unwrap());
    request.queue_id = Some("<queue id>".into());
    request.client_name = text(facts, "name").into();
    request.client_name_status = match text(facts, "name_status") {
        "ok" => NameStatus::Ok,
        "temp" => NameStatus::Temporary,
        "perm" => NameStatus::Permanent,
        "forged" => NameStatus::Forged,
        other => panic!("a status {other}"),
    };
    request.reverse_client_name = facts["reverse_name"].as_str().unwrap_or("unknown").into();
    request
}

const SYNTAX: AddressSyntax = AddressSyntax { utf8: true, lenient: true };

fn reverse_path(written: &str) -> ReversePath {
    if written == "<>" {
        return ReversePath::Null;
    }
    // The grammar of addresses has no dot at the end of a domain, so none gets as far as here.
    let written = format!("<{}>", written.strip_suffix('.').unwrap_or(written));
    ReversePath::parse_prefix(written.as_bytes(), SYNTAX).unwrap_or_else(|e| panic!("{written}: {e}")).0
}

fn forward_path(written: &str) -> ForwardPath {
    let written = format!("<{written}>");
    ForwardPath::parse_prefix(written.as_bytes(), SYNTAX).unwrap_or_else(|e| panic!("{written}: {e}")).0
}

fn decide(policy: &AccessPolicy, list: Option<ListName>, request: &Request, stage: Stage<'_>) -> Outcome {
    let mut evaluation = match list {
        Some(list) => policy.evaluate_list(list, request, stage),
        None => policy.evaluate(request, stage),
    };
    for _ in 0..1000 {
        match evaluation.step() {
            AccessStep::Done(outcome) => return *outcome,
            AccessStep::Needs(questions) => {
                for question in questions {
                    let Question::Dns { name, kind } = &question else { panic!("{question:?}") };
                    evaluation.answer(&question, records(name, *kind)).unwrap();
                }
            }
        }
    }
    panic!("the evaluation does not end");
}

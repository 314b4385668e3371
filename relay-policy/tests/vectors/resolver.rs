//! Where an address leads: `resolver.json`.

use crate::{Checked, equal, text};
use relay_policy::address::{Address, ResolveError, RewriteContext, Routing};
use relay_policy::main_cf::MainCf;
use relay_policy::table::{Answers, Opener};
use relay_policy::{Class, Parameters};
use serde_json::{Value, json};

/// The environment of the specification's vectors.
pub(crate) const BASE: &str = "myhostname = mail.example.com
mydomain = example.com
myorigin = example.com
inet_interfaces = 127.0.0.1, 192.0.2.1
mydestination = example.com, localhost, mail.example.com
relay_domains = relay.example
virtual_alias_domains = va.example
virtual_mailbox_domains = vm.example
";

pub(crate) fn parameters(config: &str) -> Parameters {
    let main_cf = MainCf::parse("main.cf", &format!("{BASE}{config}\n")).unwrap();
    let mut parameters = Parameters::default();
    for parameter in main_cf.parameters() {
        parameters.set(&parameter.name, &parameter.value).unwrap();
    }
    parameters
}

pub(crate) fn no_files(path: &str) -> Result<Vec<u8>, String> {
    Err(format!("{path}: there are no files"))
}

pub(crate) fn check(vector: &Value) -> Checked {
    let parameters = parameters(text(vector, "config"));
    let routing = Routing::from_parameters(&parameters, &Opener::new(&no_files), &mut Vec::new()).unwrap();
    let context = match text(vector, "rewrite_context") {
        "local" => RewriteContext::Local,
        _ => RewriteContext::Remote,
    };
    let sender =
        vector["sender"].as_str().filter(|sender| *sender != "<>").map(Address::parse).unwrap_or_default();
    let rewritten = routing.rewriting.rewrite(text(vector, "address"), context);
    let mut got = vector.clone();
    got["rewritten"] = rewritten.to_string().into();
    match routing.resolve(&rewritten, &sender, &Answers::default()) {
        Ok(resolution) => {
            got["resolved"] = resolution.recipient.as_str().into();
            got["transport"] = resolution.transport.service.clone().into();
            got["nexthop"] = resolution.transport.nexthop.clone().into();
            got["address_class"] = name(resolution.class).into();
            got["flags"] = if resolution.is_routed { json!(["ROUTED"]) } else { json!([]) };
            got["authorised"] = resolution.is_authorised().into();
        }
        Err(ResolveError::BadAddress { class, .. }) => {
            for nothing in ["resolved", "transport", "nexthop"] {
                got[nothing] = Value::Null;
            }
            got["address_class"] = name(class).into();
            got["flags"] = json!(["ERROR"]);
            got["authorised"] = false.into();
        }
        Err(failed) => got["flags"] = failed.to_string().into(),
    }
    equal("", &vector.to_string(), &got.to_string())
}

/// A class as the vectors call it.
fn name(class: Class) -> &'static str {
    match class {
        Class::Local => "local",
        Class::VirtualAlias => "valias",
        Class::VirtualMailbox => "vmailbox",
        Class::Relay => "relay",
        _ => "default",
    }
}

//! Tables and match lists: groups TC to TH of `table.json`.

use crate::{Checked, equal, text};
use relay_policy::MatchList;
use relay_policy::table::{Answers, Opener};
use serde_json::Value;

pub(crate) fn check(vector: &Value) -> Checked {
    let (setup, query) = (text(vector, "setup"), text(vector, "query"));
    let (reference, source) = match text(vector, "group") {
        "TC" => return equal("result", text(vector, "result"), match_list(setup, query)),
        "TE" => ("texthash:al".into(), setup),
        "TH" => (setup.to_string(), ""),
        _ => {
            let (kind, source) = setup.split_once(": ").expect("a kind and a text");
            (format!("{kind}:tab"), source)
        }
    };
    let read = |_: &str| Ok(source.as_bytes().to_vec());
    let mut said = Vec::new();
    let opener = Opener::new(&read);
    let opener = if text(vector, "group") == "TE" { opener.aliases() } else { opener };
    let result = match opener.open(&reference) {
        Err(error) => {
            said.push(error.to_string());
            "(not found)".to_string()
        }
        Ok(opened) => {
            said.extend(opened.warnings.iter().map(ToString::to_string));
            match opened.table.look_up(query) {
                Ok(found) => found.map_or("(not found)".into(), |found| found.text.into_owned()),
                Err(error) => {
                    said.push(error.to_string());
                    "(not found)".into()
                }
            }
        }
    };
    equal("result", text(vector, "result"), &result)?;
    warned(text(vector, "warning"), &said)
}

/// Networks are asked for a name and an address, domains for a domain.
fn match_list(setup: &str, query: &str) -> &'static str {
    let (kind, list) = setup.split_once(' ').expect("a kind and a list");
    let read = |_: &str| Err("no file".into());
    let list = MatchList::parse(list, kind != "dn", &Opener::new(&read)).list;
    let answers = Answers::default();
    let found = match (kind, query.split_once(' ')) {
        ("nl", Some((name, address))) => {
            list.matches_host(name, address.parse().expect("an address"), &answers)
        }
        _ => list.matches_domain(query, &answers),
    };
    match found {
        Ok(Some(_)) => "match",
        Ok(None) => "no match",
        Err(_) => "error",
    }
}

/// Whether everything that Postfix warns of was said: with the file and the line where it gives them, with the table's
/// name in any case. Nothing is to be said where it is silent.
fn warned(expected: &str, said: &[String]) -> Checked {
    let all = said.join(" / ");
    if expected.is_empty() {
        return equal("warnings", "", &all);
    }
    for warning in expected.split(" / ") {
        let place = match warning.split_once(", line ") {
            Some((before, after)) => {
                let file = before.rsplit(' ').next().unwrap_or(before);
                format!("{file}, line {}", after.split(':').next().unwrap_or(after))
            }
            None => {
                let name = ["fail:reason", "nosuch", "tab"].into_iter().find(|name| warning.contains(name));
                name.unwrap_or_else(|| panic!("{warning}: which table?")).to_string()
            }
        };
        if !all.contains(&place) {
            return equal("warnings", expected, &all);
        }
    }
    Ok(())
}

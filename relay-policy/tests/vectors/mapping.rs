//! Virtual aliases and canonical addresses: groups TA and TB of `table.json`.

use crate::resolver::{no_files, parameters};
use crate::{Checked, equal, text};
use relay_policy::address::{
    ALIAS_EXPANSION_ERROR, Address, AddressMaps, Expansion, MappingWarning, Routing, VirtualAliases,
};
use relay_policy::table::{Answers, Opener};
use serde_json::Value;

pub(crate) fn check(vector: &Value) -> Checked {
    let (config, table) = setup(text(vector, "setup"));
    let mut parameters = parameters(&config);
    // The domains that are ours in these vectors.
    parameters.set("mydestination", "example.com, localhost").unwrap();
    let is_virtual = text(vector, "group") == "TA";
    let maps = if is_virtual { "virtual_alias_maps" } else { "canonical_maps" };
    parameters.set(maps, &table).unwrap();
    let opener = Opener::new(&no_files);
    let routing = Routing::from_parameters(&parameters, &opener, &mut Vec::new()).unwrap();
    let answers = Answers::default();
    let mapper = routing.mapper(&answers);
    let query = Address::internal(text(vector, "query"));
    let (got, warnings) = if is_virtual {
        let aliases = VirtualAliases::from_parameters(&parameters, &opener, &mut Vec::new()).unwrap();
        match aliases.expand(&query, &mapper).unwrap() {
            Expansion::To(results) => {
                (results.iter().map(Address::as_str).collect::<Vec<_>>().join(", "), vec![])
            }
            Expansion::Error(warning) => {
                (format!("{} [ERR {ALIAS_EXPANSION_ERROR}]", query.as_str()), vec![warning])
            }
        }
    } else {
        let maps = AddressMaps::from_parameters(&parameters, &opener, &mut Vec::new()).unwrap();
        let done = maps.canonical.map(&query, &mapper).unwrap();
        let unchanged = if done.was_found { "" } else { "(unchanged) " };
        let failed = done.warnings.iter().any(|warning| matches!(warning, MappingWarning::Lookup { .. }));
        let failed = if failed { format!(" [ERR {ALIAS_EXPANSION_ERROR}]") } else { String::new() };
        (format!("{unchanged}{}{failed}", done.address.as_str()), done.warnings)
    };
    equal("", text(vector, "result"), &got)?;
    let warnings: Vec<String> = warnings.iter().map(MappingWarning::to_string).collect();
    let expected = text(vector, "warning");
    // The title of the map and the lookup's cause are worded otherwise.
    let same = match expected.split(" / ").last().unwrap_or_default() {
        "" => warnings.is_empty(),
        told => {
            let told = told.trim_start_matches("warning: QID: ").replace("virtual", "");
            warnings.iter().any(|warning| {
                warning.replace("virtual", "").replace("canonical_maps", "").starts_with(&told)
            })
        }
    };
    if same { Ok(()) } else { equal("warning", expected, &warnings.join(" / ")) }
}

/// The settings of a vector as lines of a `main.cf`, and the table.
fn setup(setup: &str) -> (String, String) {
    let (settings, table) = setup.split_once("maps ").unwrap();
    let line = |setting: &str| {
        let (name, value) = setting.split_once(' ').unwrap();
        match (name, value) {
            ("delim", value) => format!("recipient_delimiter = {value}\n"),
            ("prop", "0") => "propagate_unmatched_extensions =\n".to_string(),
            ("prop", _) => String::new(),
            ("expan", value) => format!("virtual_alias_expansion_limit = {value}\n"),
            ("recur", value) => format!("virtual_alias_recursion_limit = {value}\n"),
            ("ownreq", value) => {
                format!("owner_request_special = {}\n", if value == "0" { "no" } else { "yes" })
            }
            _ => panic!("{setting}: what is it?"),
        }
    };
    let settings = settings.split(';').map(str::trim).filter(|setting| !setting.is_empty());
    (settings.map(line).collect(), table.into())
}

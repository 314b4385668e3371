//! `FILTER` in tables, which nobody here carries out: what is to be said of it when tables are read.

use relay_policy::access::AccessPolicy;
use relay_policy::checks::ContentChecks;
use relay_policy::table::{Entry, Place, Warning};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// One warning for each file that has it.
pub(super) fn warnings(policy: &AccessPolicy, checks: &ContentChecks) -> Vec<Warning> {
    let mut found: BTreeMap<String, (Option<u32>, usize)> = BTreeMap::new();
    let mut see = |entry: Entry<'_>| {
        let action = entry.text.split_ascii_whitespace().next().unwrap_or_default();
        if action.eq_ignore_ascii_case("FILTER") {
            found.entry(entry.place.file.into_owned()).or_insert((entry.place.line, 0)).1 += 1;
        }
    };
    policy.visit_tables(&mut see);
    for maps in
        [Some(&checks.header), checks.mime_header.as_ref(), checks.nested_header.as_ref(), Some(&checks.body)]
    {
        maps.into_iter().for_each(|maps| maps.visit(&mut see));
    }
    let warning = |(file, (line, count)): (String, (Option<u32>, usize))| {
        let more = match count {
            1 => String::new(),
            _ => format!(" (and in {} other places)", count - 1),
        };
        let what = format!(
            "FILTER{more}: there are no content filters here, so a message is refused for now (451 4.3.5)"
        );
        Warning { place: Place { file: Cow::Owned(file), line }, what }
    };
    found.into_iter().map(warning).collect()
}

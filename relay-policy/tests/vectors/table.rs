//! Tables and match lists: groups TC to TH of `table.json`.

use crate::{Checked, equal, text};
use serde_json::Value;

pub(crate) fn check(vector: &Value) -> Checked {
    equal("id", text(vector, "id"), "not built")
}

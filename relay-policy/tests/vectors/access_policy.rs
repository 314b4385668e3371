//! What a command is answered, and what is logged: `access-policy.json`.

use crate::{Checked, equal, text};
use serde_json::Value;

pub(crate) fn check(vector: &Value) -> Checked {
    equal("id", text(vector, "id"), "not built")
}

//! Names that no parameter has.

use super::{ParameterError, Parameters};
use crate::nearest::nearest;

pub(super) fn unknown(name: &str, value: &str) -> ParameterError {
    let expected = match Parameters::nearest(name) {
        Some(known) => format!("no parameter has this name; did you mean {known}?").into(),
        None => "no parameter has this name".into(),
    };
    ParameterError { name: name.into(), value: value.into(), expected }
}

impl Parameters {
    /// The one of [`Parameters::NAMES`] that a name which is none of them is probably meant to be.
    pub fn nearest(name: &str) -> Option<&'static str> {
        nearest(name, Self::NAMES)
    }
}

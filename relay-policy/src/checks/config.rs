//! From parameters to tables.

use super::{CheckLimits, ContentChecks};
use crate::address::{RoutingError, open_maps};
use crate::parameters::Parameters;
use crate::table::{Maps, Opener, Warning};

/// What stands for `header_checks` where that is another parameter's value.
const AS_HEADER: &str = "$header_checks";

impl ContentChecks {
    /// Opens the tables that the parameters name.
    ///
    /// # Errors
    /// [`RoutingError::Table`] names the parameter.
    pub fn from_parameters(
        parameters: &Parameters,
        opener: &Opener<'_>,
        warnings: &mut Vec<Warning>,
    ) -> Result<Self, RoutingError> {
        let p = parameters;
        let mut open = |parameter, tables: &[String]| open_maps(parameter, tables, opener, warnings);
        let header = open("header_checks", &p.header_checks)?;
        let mut own = |parameter, tables: &[String]| -> Result<Option<Maps>, RoutingError> {
            if tables == [AS_HEADER] { Ok(None) } else { open(parameter, tables).map(Some) }
        };
        Ok(Self {
            header,
            mime_header: own("mime_header_checks", &p.mime_header_checks)?,
            nested_header: own("nested_header_checks", &p.nested_header_checks)?,
            body: open("body_checks", &p.body_checks)?,
            limits: CheckLimits {
                field_bytes_max: p.header_size_limit,
                line_bytes_max: p.line_length_limit,
                body_bytes_max: p.body_checks_size_limit,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_is_as_for_the_header() {
        let checks = |settings: &[(&str, &str)]| {
            let mut parameters = Parameters::default();
            settings.iter().for_each(|(name, value)| parameters.set(name, value).unwrap());
            let no_files = |_: &str| Err("no files".into());
            ContentChecks::from_parameters(&parameters, &Opener::new(&no_files), &mut Vec::new())
        };
        assert!(checks(&[]).unwrap().is_empty());
        let found = |settings: &[(&str, &str)]| {
            let checks = checks(settings).unwrap();
            let (mut inspection, mut kept) = (checks.inspect(), Vec::new());
            inspection.feed(b"Subject: s\r\nContent-Type: text/plain\r\n\r\n", &mut kept);
            inspection.finish(&mut kept).findings.len()
        };
        let header = ("header_checks", "regexp:{{/^/ INFO}}");
        assert_eq!(found(&[header]), 2);
        assert_eq!(found(&[header, ("mime_header_checks", "")]), 1);
        assert_eq!(found(&[("mime_header_checks", "regexp:{{/type/ INFO}}")]), 1);
        let error = checks(&[("body_checks", "regexp:/none")]).unwrap_err().to_string();
        assert_eq!(error, "body_checks: regexp:/none: no files");
    }
}

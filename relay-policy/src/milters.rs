//! The list of milters, as `smtpd_milters` and the tables of `smtpd_milter_maps` write it.

use crate::words::{in_braces, words};

/// One of a list of milters.
///
/// ```
/// use relay_policy::MilterEntry;
///
/// let entry = MilterEntry::read("{ inet:localhost:8891, default_action=accept, { connect_timeout = 10s } }").unwrap();
/// assert_eq!(entry.place, "inet:localhost:8891");
/// assert_eq!(entry.settings[1], ("connect_timeout".into(), "10s".into()));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MilterEntry {
    /// Where it is: `inet:host:port` or `unix:path`.
    pub place: String,
    /// What it has of its own in place of the parameters, whose names without `milter_` these are, and their values.
    pub settings: Vec<(String, String)>,
}

impl MilterEntry {
    /// Reads an element of a list: a place, or in braces a place and settings.
    ///
    /// # Errors
    /// The part that makes no sense.
    pub fn read(element: &str) -> Result<Self, String> {
        let Some(inner) = in_braces(element) else {
            return Ok(Self { place: element.trim().into(), settings: Vec::new() });
        };
        let mut parts = words(inner).into_iter();
        let place = parts.next().ok_or(element)?.into();
        let setting = |part: &str| {
            let (name, value) = in_braces(part).unwrap_or(part).split_once('=').ok_or(part)?;
            Ok((name.trim().into(), value.trim().into()))
        };
        Ok(Self { place, settings: parts.map(setting).collect::<Result<_, String>>()? })
    }

    /// Reads a list, of elements with commas or blanks between them.
    ///
    /// # Errors
    /// The first part that makes no sense.
    pub fn read_list(list: &str) -> Result<Vec<Self>, String> {
        words(list).into_iter().map(Self::read).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_with_and_without_settings() {
        let read = MilterEntry::read_list("unix:/run/a, { inet:b:1 protocol=4 } inet:c:2").unwrap();
        let places: Vec<_> = read.iter().map(|entry| (&*entry.place, entry.settings.len())).collect();
        assert_eq!(places, [("unix:/run/a", 0), ("inet:b:1", 1), ("inet:c:2", 0)]);
        assert_eq!(MilterEntry::read_list(" , "), Ok(Vec::new()));
        assert_eq!(MilterEntry::read_list("{}"), Err("{}".into()));
        assert_eq!(MilterEntry::read_list("{ inet:b:1, protocol }"), Err("protocol".into()));
        // Blanks around the sign take braces of their own.
        assert_eq!(MilterEntry::read_list("{ inet:b:1, protocol = 4 }"), Err("protocol".into()));
    }
}

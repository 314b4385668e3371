//! qmail's control files and tcpserver's rules, as what they come to here.
//!
//! [`import`] takes the texts of the files in `control` (`me`, `locals`, `rcpthosts`, `virtualdomains`, `badmailfrom` and the
//! others that concern who may send where) and the rules that `tcprules` compiles, and gives parameters by their names in
//! Postfix, the tables that these name, and notes about whatever is not the same afterwards. [`TcpRules`] can be asked by
//! itself, too, and [`DotQmailRun`] carries out a `.qmail` file for an application that runs programs as qmail does; the engine
//! reads no such files.
//!
//! ```
//! use relay_policy::qmail::import;
//!
//! let files = [("me", "mail.example.org"), ("locals", "example.org"), ("rcpthosts", "example.org\n.partner.test")];
//! let files = files.map(|(name, text)| (name.into(), text.into())).into();
//! let imported = import(&files, None);
//! let value = |name: &str| imported.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
//! assert_eq!((value("mydestination"), value("relay_domains")), (Some("example.org"), Some(".partner.test")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Departures
//! From qmail: without a file `rcpthosts` it relays for everybody; that is never carried over, and a note says so. A refusal
//! has the form that Postfix gives it, with qmail's code and text in it.

mod clients;
mod compiled;
mod control;
mod domains;
mod dot_qmail;
mod dot_qmail_run;
mod instruction;
mod senders;
mod tcp_rules;
mod users;

pub use compiled::{CompiledError, more_hosts};
pub use control::{Imported, import};
pub use dot_qmail_run::{DotQmailRun, DotQmailStep, DotQmailVerdict, Ended};
pub use tcp_rules::{TcpRule, TcpRuleError, TcpRules};

/// The items of a control file: a line each, without what is behind it; those that begin with `#` are comments.
fn items(text: &str) -> impl Iterator<Item = (usize, &str)> {
    (1..)
        .zip(text.lines())
        .map(|(number, line)| (number, line.trim_end_matches([' ', '\t', '\r'])))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
}

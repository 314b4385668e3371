//! What stands beside a key of an access table, done (Postfix's `access(5)`).

use super::probe::{Action, Checked, Halt, OnPermit, Probe, Said, server_error};
use super::rule;
use super::subject::Context;
use crate::request::Stage;

/// An entry of a table.
pub(crate) struct Entry<'e> {
    pub(crate) table: &'e str,
    pub(crate) key: &'e str,
    pub(crate) text: &'e str,
}

impl Probe<'_> {
    /// What an entry says about a fact. One that says nothing is broken: neither is it a number, nor a list that lets by.
    pub(crate) fn act(&mut self, entry: &Entry<'_>, context: &Context) -> Checked {
        if entry.text.is_empty() {
            let Entry { table, key, .. } = entry;
            return self.broken(&[format!("access table {table} entry \"{key}\" has no action")]);
        }
        let (word, text) = entry.text.split_once([' ', '\t']).unwrap_or((entry.text, ""));
        let text = text.trim();
        let parameters = self.parameters();
        let (reject, defer) = (parameters.access_map_reject_code, parameters.access_map_defer_code);
        match word.to_ascii_uppercase().as_str() {
            "DUNNO" => Ok(Said::Dunno),
            "REJECT" => Ok(Said::Refuse(self.rejected_in_words(context, reject, text, "Access denied"))),
            "DEFER" => Ok(Said::Refuse(self.rejected_in_words(context, defer, text, "Access denied"))),
            "DEFER_IF_PERMIT" => {
                let reply = self.rejected_in_words(context, defer, text, "Service unavailable");
                Ok(Said::DeferIfPermit(reply))
            }
            "DEFER_IF_REJECT" => {
                let reply = self.rejected_in_words(context, defer, text, "Service unavailable");
                Ok(Said::DeferIfReject(reply))
            }
            "INFO" => Ok(self.tell("info", text)),
            "WARN" => Ok(self.tell("warn", text)),
            "HOLD" => Ok(self.delegate(entry, context, "hold", text, "triggers HOLD action", Action::Hold)),
            "DISCARD" => {
                Ok(self.delegate(entry, context, "discard", text, "triggers DISCARD action", Action::Discard))
            }
            "FILTER" if !text.contains(':') => Ok(self.lacking(entry, "transport:destination")),
            "FILTER" => {
                let told = format!("triggers FILTER {text}");
                Ok(self.delegate(entry, context, "filter", "", &told, Action::Filter(text.into())))
            }
            "REDIRECT" | "BCC" if !text.contains('@') => Ok(self.lacking(entry, "user@domain target")),
            "REDIRECT" => {
                let told = format!("triggers REDIRECT {text}");
                Ok(self.delegate(entry, context, "redirect", "", &told, Action::Redirect(text.into())))
            }
            "BCC" => {
                let told = format!("triggers BCC {text}");
                Ok(self.delegate(entry, context, "bcc", "", &told, Action::Bcc(text.into())))
            }
            "PREPEND" => Ok(self.prepend(entry, text)),
            _ if is_permit(entry.text) => Ok(self.permit_by(entry, context)),
            _ => match reply_code(word) {
                Some(code) => Ok(Said::Refuse(self.rejected_in_words(context, code, text, "Access denied"))),
                None => self.list(entry, context),
            },
        }
    }

    /// A list of restrictions in place of an action.
    fn list(&mut self, entry: &Entry<'_>, context: &Context) -> Checked {
        let Entry { table, text, .. } = entry;
        if text.contains(':') {
            return self.broken(&[
                format!("access table {table} has entry with lookup table: {text}"),
                "do not specify lookup tables inside SMTPD access maps".into(),
                "define a restriction class and specify its name instead.".into(),
            ]);
        }
        if self.depth >= super::RECURSION_MAX {
            return self
                .broken(&[format!("access table {table} entry {text} causes unreasonable recursion")]);
        }
        let rules = rule::read(text, &self.parameters().restriction_classes);
        Ok(Said::Enter { rules, context: context.clone(), permit: OnPermit::Permit })
    }

    /// A permit by a table, which is logged where that is wanted.
    fn permit_by(&mut self, entry: &Entry<'_>, context: &Context) -> Said {
        let action = entry.text.split([' ', '\t']).next().unwrap_or_default();
        self.permitted(action, context, &format!("from {}", entry.table));
        Said::Permit
    }

    fn tell(&mut self, verb: &str, text: &str) -> Said {
        self.log.event(self.request, self.stage, verb, &text);
        Said::Dunno
    }

    fn lacking(&mut self, entry: &Entry<'_>, what: &str) -> Said {
        let Entry { table, key, .. } = entry;
        self.log.warn(format!("access table {table} entry \"{key}\" requires {what}"));
        Said::Dunno
    }

    /// Something is done to the message, if there can be one.
    fn delegate(
        &mut self,
        entry: &Entry<'_>,
        context: &Context,
        verb: &str,
        text: &str,
        without_text: &str,
        action: Action,
    ) -> Said {
        if !self.has_message(entry) {
            return Said::Dunno;
        }
        let (what, subject) = (self.what(context), context.subject);
        let text = if text.is_empty() { without_text } else { text };
        self.log.event(self.request, self.stage, verb, &format_args!("<{what}>: {subject} {text}"));
        Said::Do(action)
    }

    fn prepend(&mut self, entry: &Entry<'_>, text: &str) -> Said {
        if matches!(self.stage, Stage::EndOfMessage) {
            self.log.warn(format!("access table {}: PREPEND comes too late at end of data", entry.table));
            return Said::Dunno;
        }
        if !is_header(text) {
            return self.lacking(entry, "header: text");
        }
        if self.has_message(entry) { Said::Do(Action::Prepend(text.into())) } else { Said::Dunno }
    }

    fn has_message(&mut self, entry: &Entry<'_>) -> bool {
        let at_once = !self.parameters().smtpd_delay_reject;
        let has = match self.stage {
            Stage::Vrfy(_) | Stage::Etrn(_) => false,
            Stage::Connect | Stage::Helo => !at_once,
            _ => true,
        };
        if !has {
            let Entry { table, key, text } = entry;
            self.log.warn(format!("access table {table} entry \"{key}\": no message for \"{text}\" here"));
        }
        has
    }

    /// What a check says that must never permit.
    pub(crate) fn forbidding(&mut self, said: Said, restriction: &str, about: &Context) -> Checked {
        match said {
            Said::Permit => {
                for warning in permit_forbidden(restriction, &self.what(about)) {
                    self.log.warn(warning);
                }
                Err(Halt::Broken(server_error()))
            }
            Said::Enter { rules, context, .. } => {
                let permit = OnPermit::Broken { restriction: restriction.into(), what: self.what(about) };
                Ok(Said::Enter { rules, context, permit })
            }
            said => Ok(said),
        }
    }

    /// What a check says whose permit does not count.
    pub(crate) fn without_permit(said: Said) -> Said {
        match said {
            Said::Permit => Said::Dunno,
            Said::Enter { rules, context, .. } => Said::Enter { rules, context, permit: OnPermit::Dunno },
            said => said,
        }
    }
}

/// The warnings about a permit that must not be.
pub(crate) fn permit_forbidden(restriction: &str, what: &str) -> [String; 3] {
    [
        format!("restriction {restriction} returns OK for {what}"),
        "this is not allowed for security reasons".into(),
        "use DUNNO instead of OK if you want to make an exception".into(),
    ]
}

/// The actions, but for codes and numbers alone.
const ACTIONS: [&str; 15] = [
    "DUNNO",
    "REJECT",
    "DEFER",
    "DEFER_IF_PERMIT",
    "DEFER_IF_REJECT",
    "INFO",
    "WARN",
    "HOLD",
    "DISCARD",
    "FILTER",
    "REDIRECT",
    "BCC",
    "PREPEND",
    "OK",
    "RELAY",
];

/// Whether an entry permits, without a list that would.
pub(crate) fn is_permit(text: &str) -> bool {
    let word = text.split([' ', '\t']).next().unwrap_or_default();
    let is_number = !text.is_empty() && text.bytes().all(|octet| octet.is_ascii_digit());
    is_number || word.eq_ignore_ascii_case("OK") || word.eq_ignore_ascii_case("RELAY")
}

/// The list of restrictions that an entry is; none where it is an action.
pub(crate) fn list_of(text: &str) -> Option<&str> {
    let word = text.split([' ', '\t']).next().unwrap_or_default();
    let is_action = ACTIONS.iter().any(|action| action.eq_ignore_ascii_case(word));
    (!is_action && !is_permit(text) && reply_code(word).is_none()).then_some(text)
}

/// A 4yz or 5yz code.
pub(crate) fn reply_code(word: &str) -> Option<u16> {
    let is_code = word.len() == 3 && word.bytes().all(|octet| octet.is_ascii_digit());
    word.parse().ok().filter(|code| is_code && (400..600).contains(code))
}

/// Whether a text begins as a header field does (RFC 5322 section 2.2).
fn is_header(text: &str) -> bool {
    text.split_once(':').is_some_and(|(name, _)| {
        let name = name.trim_end_matches([' ', '\t']);
        !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_graphic())
    })
}

//! Restrictions and the lists they stand in, as data.

use std::fmt::{self, Display};
use std::str::FromStr;

/// One rule of a list. More will come; the names are Postfix's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Restriction {
    /// `permit`: the list ends here, nothing after it is looked at.
    Permit,
    /// `reject`: refused.
    Reject,
    /// `permit_mynetworks`: the client is in `mynetworks`.
    PermitMynetworks,
    /// `permit_sasl_authenticated`: the client has logged in.
    PermitSaslAuthenticated,
    /// `reject_unauth_destination`: refused unless the recipient is ours. This is what keeps a relay closed.
    RejectUnauthDestination,
    /// `reject_unlisted_recipient`: refused when the recipient is ours and does not exist.
    RejectUnlistedRecipient,
}

const NAMES: [(&str, Restriction); 6] = [
    ("permit", Restriction::Permit),
    ("reject", Restriction::Reject),
    ("permit_mynetworks", Restriction::PermitMynetworks),
    ("permit_sasl_authenticated", Restriction::PermitSaslAuthenticated),
    ("reject_unauth_destination", Restriction::RejectUnauthDestination),
    ("reject_unlisted_recipient", Restriction::RejectUnlistedRecipient),
];

impl Restriction {
    /// Parses a list as it is configured: names in any case, with commas or blanks between them.
    ///
    /// # Errors
    /// The first word that is no restriction, and what is.
    pub fn parse_list(text: &str) -> Result<Vec<Restriction>, String> {
        text.split([',', ' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).map(str::parse).collect()
    }
}

impl FromStr for Restriction {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        let known = NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(word));
        known.map(|(_, restriction)| restriction.clone()).ok_or_else(|| {
            let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            format!("unknown restriction {word}; known are {}", names.join(", "))
        })
    }
}

impl Display for Restriction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = NAMES.iter().find(|(_, restriction)| restriction == self).map(|(name, _)| *name);
        f.write_str(name.expect("invariant: every restriction has a name"))
    }
}

/// A list of restrictions, by the command whose fact it is about.
///
/// The lists for the client, HELO and the sender are looked at with each recipient, before the relay list: a refusal is
/// told at RCPT, when everything is known (Postfix's `smtpd_delay_reject = yes`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ListName {
    /// `smtpd_client_restrictions`.
    Client,
    /// `smtpd_helo_restrictions`; skipped when there was no HELO.
    Helo,
    /// `smtpd_sender_restrictions`.
    Sender,
    /// `smtpd_relay_restrictions`: who may send where.
    Relay,
    /// `smtpd_recipient_restrictions`: which recipients are taken, from those who may.
    Recipient,
    /// `smtpd_data_restrictions`.
    Data,
    /// `smtpd_end_of_data_restrictions`.
    EndOfData,
    /// `smtpd_etrn_restrictions`.
    Etrn,
}

impl Display for ListName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Helo => "helo",
            Self::Sender => "sender",
            Self::Relay => "relay",
            Self::Recipient => "recipient",
            Self::Data => "data",
            Self::EndOfData => "end_of_data",
            Self::Etrn => "etrn",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_there_and_back() {
        let all = NAMES.map(|(name, _)| name).join(", ");
        let parsed = Restriction::parse_list(&all.to_uppercase()).unwrap();
        assert_eq!(parsed.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "), all);
        assert!(
            Restriction::parse_list("permit, dance").unwrap_err().starts_with("unknown restriction dance")
        );
    }
}

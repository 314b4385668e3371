//! The lists of restrictions, by their names.

use std::fmt::{self, Display};

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

//! What a session is, between two commands: who is there, what is selected, how often it erred.
//!
//! RFC 3501 section 3. The logout state is no state here: the session is over with it.

use crate::view::{Change, ChangeFault, View};
use alloc::sync::Arc;
use mail_message::{Flag, FlagSet};
use proto_core::TlsInfo;
use proto_core::sasl::{Conditions, ServerEntropy};

/// In which states a command is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Any.
    Nothing,
    /// Not authenticated yet.
    NoLogin,
    /// Authenticated, a mailbox selected or not.
    Login,
    /// A mailbox selected.
    Mailbox,
}

/// The state of a session.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) tls: Option<Arc<TlsInfo>>,
    /// Randomness for the exchanges of AUTHENTICATE.
    pub(super) entropy: Option<ServerEntropy>,
    pub(super) authenticated: bool,
    pub(super) selected: Option<Selection>,
    /// BAD commands: all before login, those in a row after it.
    pub(super) bad_commands: u32,
    pub(super) auth_failures: u32,
}

/// A selected mailbox.
#[derive(Debug)]
pub(super) struct Selection {
    pub(super) view: View,
    pub(super) read_only: bool,
    /// The flags the client was told of by FLAGS.
    pub(super) flags_told: FlagSet,
}

impl Session {
    pub(super) fn conditions(&self) -> Conditions {
        let entropy = self.entropy.as_ref().is_some_and(|entropy| !entropy.nonces.is_empty());
        Conditions::new(self.tls.as_deref(), entropy)
    }

    /// Why a command is out of place here, if it is.
    pub(super) fn objection(&self, needs: Needs) -> Option<&'static str> {
        match needs {
            Needs::NoLogin if self.authenticated => Some("Already logged in."),
            Needs::Login | Needs::Mailbox if !self.authenticated => Some("Log in first."),
            Needs::Mailbox if self.selected.is_none() => Some("No mailbox selected."),
            _ => None,
        }
    }

    /// Takes a change in. News of a mailbox that is no longer selected are late, and of no interest.
    pub(super) fn apply(&mut self, change: Change) -> Result<(), ChangeFault> {
        self.selected.as_mut().map_or(Ok(()), |selection| selection.view.apply(change))
    }
}

impl Selection {
    /// Keywords in `flags` that the client was not told of are noted as told; the whole of what FLAGS has to say
    /// then, before they may be used (RFC 3501 section 7.2.6).
    pub(super) fn announce(&mut self, flags: &FlagSet) -> Option<&FlagSet> {
        let before = self.flags_told.len();
        self.flags_told.extend(flags.keywords().iter().cloned().map(Flag::Keyword));
        (self.flags_told.len() > before).then_some(&self.flags_told)
    }
}

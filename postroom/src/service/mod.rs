//! What answers the machines: one service for each protocol.

mod delegation;
mod imap;
mod login;
mod pop3;
mod screen;
mod smtp;

pub(crate) use delegation::DelegationService;
pub(crate) use imap::ImapService;
pub(crate) use pop3::Pop3Service;
pub(crate) use screen::ScreenService;
pub(crate) use smtp::{SmtpService, secured, worded};

use crate::clock::Clock;
use crate::hub::Hub;
use crate::policy::Walls;
use crate::wall::Intake;
use proto_core::{CallerFault, Now};
use std::sync::Arc;

/// The walls and senses that services share.
#[derive(Clone)]
pub(crate) struct Backends {
    /// Who there is, and what else is asked of the outside.
    pub(crate) walls: Arc<Walls>,
    pub(crate) intake: Arc<dyn Intake>,
    /// There whenever a listener speaks a protocol that reads mail.
    pub(crate) store: Option<Hub>,
    pub(crate) clock: Clock,
    /// Whether who sends to a full mailbox is asked to try again.
    pub(crate) quota_full_tempfail: bool,
}

/// What is to be done on the reactor when work of service `S` for machine `M` has ended.
type Finish<S, M> = Box<dyn FnOnce(&mut S, &mut M, Now) + Send>;

/// An answer can come too late: the session was cancelled meanwhile, and there is nobody to tell.
fn told(answered: Result<(), CallerFault>) {
    if let Err(fault) = answered {
        tracing::debug!(%fault, "answer not taken");
    }
}

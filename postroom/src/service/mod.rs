//! What answers the machines: one service for each protocol.

mod smtp;

pub(crate) use smtp::SmtpService;

use crate::clock::Clock;
use crate::wall::{Directory, Intake};
use std::sync::Arc;

/// The walls and senses that services share.
#[derive(Clone)]
pub(crate) struct Backends {
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) intake: Arc<dyn Intake>,
    pub(crate) clock: Clock,
}

//! The negotiation: what one end offers, and what the other takes of it.

use super::options::{Actions, Stage, Steps};
use super::wire::{Data, PacketFault, push_string};
use alloc::string::String;
use alloc::vec::Vec;

/// What is said in the negotiation, the same by both ends.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Offer {
    /// The version: the server's highest, then the one that the milter speaks.
    pub version: u32,
    /// What the milter may do, then what it wants to do.
    pub actions: Actions,
    /// What may be chosen about steps, then what the milter chooses.
    pub steps: Steps,
    /// Which macros the milter wants with which step, instead of what the server sends by itself. Names are separated by
    /// spaces. Only a milter says this.
    pub macros: Vec<(Stage, String)>,
}

impl Offer {
    /// Without lists of macros.
    pub const fn new(version: u32, actions: Actions, steps: Steps) -> Self {
        Self { version, actions, steps, macros: Vec::new() }
    }

    /// Reads it. Lists of macros for steps that are not known are left out.
    pub(super) fn read(data: &mut Data<'_>) -> Result<Self, PacketFault> {
        let mut offer = Self::new(data.number()?, Actions(data.number()?), Steps(data.number()?));
        while !data.is_empty() {
            let stage = Stage::of_macro_class(data.number()?);
            let names = data.text()?;
            if let Some(stage) = stage {
                offer.macros.push((stage, names));
            }
        }
        Ok(offer)
    }

    /// Its octets. A list for a step that can have none of its own is left out.
    pub(super) fn data(&self) -> Vec<u8> {
        let mut data = Vec::new();
        for number in [self.version, self.actions.0, self.steps.0] {
            data.extend_from_slice(&number.to_be_bytes());
        }
        for (stage, names) in &self.macros {
            if let Some(class) = stage.macro_class() {
                data.extend_from_slice(&class.to_be_bytes());
                push_string(&mut data, names.as_bytes());
            }
        }
        data
    }
}

//! Test tools of the workspace.
//!
//! | module | holds |
//! | --- | --- |
//! | [`script`], [`text`] | what a transcript file holds |
//! | [`runner`] | [`Runner`]: transcripts against a machine, at every cut, with published and seeded names |
//! | [`driver`] | [`Driver`] and [`Fixture`]: a machine, its application and a clock, without I/O |
//! | [`log`] | [`Log`]: what an application was told, comparable between runs |
//! | [`vars`] | [`Setup`]: variables and options of a run |
//! | [`confinement`] | what a server may touch, as an AppArmor profile says it, and whether that is so |
//! | [`rng`] | [`Rng`], [`for_each_seed`]: randomness that can be replayed |

pub mod account;
pub mod alloc;
#[cfg(target_os = "linux")]
pub mod confinement;
pub mod driver;
pub mod log;
pub mod pair;
pub mod programs;
pub mod rng;
pub mod runner;
pub mod script;
pub mod text;
pub mod vars;

mod cuts;
mod expect;

pub use account::Account;
pub use driver::{Driver, Fixture, START};
pub use log::Log;
pub use pair::Pair;
pub use rng::{Rng, for_each_seed};
pub use runner::Runner;
pub use script::End;
pub use vars::{Setup, VarKind};

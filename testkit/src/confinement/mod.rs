//! What a server may touch, as an AppArmor profile says it, and whether that is so.
//!
//! Few machines that run tests have AppArmor. So a profile that is shipped is read here ([`Profile`]), and what it allows is compared with what a server does
//! in two ways, each of which sees what the other cannot:
//!
//! * [`enforce`] lets the kernel hold a server to it, by Landlock: what it forbids fails. Landlock knows directories, not patterns, so the server may do somewhat
//!   more than the profile says; it does not know locks, mappings, kinds of sockets and paths of sockets that are connected to.
//! * [`recording`] has strace write down what a server touches, and looks for the rule of each, pattern by pattern, and for rules, and letters of them, that nothing needs.
//!
//! Neither is AppArmor: how the two ways read a rule stands at the top of each.

pub mod enforce;
mod pattern;
mod profile;
pub mod recording;

pub use pattern::Pattern;
pub use profile::{NetworkRule, PathRule, Profile, Signals};

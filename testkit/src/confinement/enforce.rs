//! A program that the kernel holds to a profile, by Landlock and by what root may do.
//!
//! How rules are taken:
//!
//! | rule | to Landlock |
//! | --- | --- |
//! | a path without `*` | that file, or that directory with all below; nothing, where it is not there yet |
//! | a pattern | the directory before its first `*`, with all below |
//! | `r` | read files; read directories where the pattern may mean one |
//! | `w`, `l` | write, make, remove, rename |
//! | `m`, `x` | execute: Landlock takes the program that loads libraries for one that is executed |
//! | `k` | nothing |
//! | `network inet`, `network inet6` | without either, no TCP port is bound or connected to, if the kernel [holds the network](holds_network) |
//! | `signal` | nobody outside is signalled |
//! | `capability` | the only ones left to root |

use super::Profile;
use landlock::{
    ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible as _, PathBeneath, PathFd,
    Ruleset, RulesetAttr as _, RulesetCreatedAttr as _, RulesetError, RulesetStatus, Scope,
};
use rustix::thread::{CapabilitySet, remove_capability_from_bounding_set};
use std::process::{Child, Command};

/// The Landlock that is asked for: of a kernel that has less, as much as it has.
const KNOWN: ABI = ABI::V6;

/// Whether the kernel can hold anybody to a profile (Linux 5.19, built with Landlock); says so when it cannot.
#[must_use]
pub fn is_possible() -> bool {
    or_skipped(alone(|| restrict(&Profile::default())).is_ok_and(|is| is), "this kernel has no Landlock")
}

/// Whether it can also keep a program from TCP (Linux 6.7); says so when it cannot.
#[must_use]
pub fn holds_network() -> bool {
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let holds = ruleset.handle_access(AccessNet::from_all(ABI::V4)).is_ok();
    or_skipped(holds, "this kernel's Landlock knows no network")
}

#[allow(clippy::print_stderr, reason = "who runs the test is to see what was skipped")]
fn or_skipped(is: bool, why: &str) -> bool {
    if !is {
        eprintln!("skipped: {why}");
    }
    is
}

/// Starts a program under a profile.
///
/// # Panics
/// When the profile cannot be applied or the program not be started.
#[must_use]
pub fn spawn(profile: &Profile, command: &mut Command) -> Child {
    alone(|| {
        leave_capabilities(&profile.capabilities);
        let is_restricted = restrict(profile).unwrap_or_else(|error| panic!("{}: {error}", profile.name));
        assert!(is_restricted, "this kernel has no Landlock");
        command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"))
    })
}

/// Does something in a thread of its own: what a thread gives up is given up by all whom it starts, and there is no way back.
fn alone<T: Send>(what: impl FnOnce() -> T + Send) -> T {
    let done = std::thread::scope(|scope| scope.spawn(what).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Has the thread, and all whom it starts, do no more than this; false where the kernel cannot.
fn restrict(profile: &Profile) -> Result<bool, RulesetError> {
    let all = AccessFs::from_all(KNOWN);
    // Without `Refer` nothing can be moved between directories at all, which is not what a profile says.
    let ruleset =
        Ruleset::default().set_compatibility(CompatLevel::SoftRequirement).handle_access(AccessFs::Refer)?;
    let ruleset = ruleset.set_compatibility(CompatLevel::BestEffort).handle_access(all)?;
    let ruleset = ruleset.scope(Scope::from_all(KNOWN))?;
    let has_tcp = profile.network.iter().any(|rule| rule.family.starts_with("inet") && rule.kind == "stream");
    let ruleset = if has_tcp { ruleset } else { ruleset.handle_access(AccessNet::from_all(KNOWN))? };
    let mut ruleset = ruleset.create()?;
    for rule in &profile.paths {
        for pattern in &rule.patterns {
            let base = pattern.base();
            // What is not there is not touched, or made under another rule.
            let Ok(opened) = PathFd::new(&base) else { continue };
            let mut may = BitFlags::empty();
            for letter in &rule.may {
                may |= match letter {
                    'r' if pattern.has_directories() => AccessFs::ReadFile | AccessFs::ReadDir,
                    'r' => AccessFs::ReadFile.into(),
                    'w' | 'l' => AccessFs::from_write(KNOWN),
                    'm' | 'x' => AccessFs::Execute.into(),
                    _ => BitFlags::empty(),
                };
            }
            if !base.is_dir() {
                may &= AccessFs::from_file(KNOWN);
            }
            if !may.is_empty() {
                ruleset = ruleset.add_rule(PathBeneath::new(opened, may))?;
            }
        }
    }
    Ok(ruleset.restrict_self()?.ruleset != RulesetStatus::NotEnforced)
}

/// Takes from whom the thread starts all that root may do, but for these.
fn leave_capabilities(names: &[String]) {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    for (name, capability) in CapabilitySet::all().iter_names() {
        if !names.iter().any(|left| left.eq_ignore_ascii_case(name)) {
            // One that this kernel does not know, or that was taken from all of us, is not there either.
            let _ = remove_capability_from_bounding_set(capability);
        }
    }
    let known = |name: &String| CapabilitySet::from_name(&name.to_uppercase()).is_some();
    assert!(names.iter().all(known), "{names:?}: not all of them are capabilities");
}

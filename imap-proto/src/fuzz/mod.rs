//! Bodies of the fuzz targets: each takes any octets and panics when a promise of this crate is broken.
//!
//! They are part of the library so that the ordinary test run calls them too, with seeded inputs.

mod session;
mod spell;
#[cfg(test)]
mod tests;

pub use session::fuzz_session;

use crate::framing::{Fragment, FrameStep, Framer, Limits, LiteralVerdict};
use crate::parse::{self, LiteralUse};
use crate::types::{Append, MailboxName, Tag};
use alloc::vec::Vec;
use mail_message::mutf7;
use proto_core::{InBuf, OutBuf};

/// Frames `octets` whole and cut into pieces: the steps are the same, and what is held stays within the limits.
pub fn fuzz_framer(octets: &[u8]) {
    let whole = frames(octets, octets.len().max(1), NARROW);
    for piece_bytes in [1, 2, 7] {
        assert!(
            frames(octets, piece_bytes, NARROW) == whole,
            "the cut into {piece_bytes} octets changed the steps"
        );
    }
}

/// Parses every command in `octets`: the tag of a command that is refused is not lost, and one that is understood
/// means the same when it is spelled anew.
pub fn fuzz_command(octets: &[u8]) {
    for step in frames(octets, octets.len().max(1), WIDE) {
        let FrameStep::Command(frame) = step else { continue };
        match parse::command(&frame, &parse::Limits::default()) {
            Err(refused) => assert_eq!(refused.tag, frame.tag(), "the tag of a refused command"),
            Ok(command) => {
                let mut out = OutBuf::new();
                spell::command(&command, &mut out);
                let mut again = frames(out.as_slice(), out.len(), WIDE);
                let Some(FrameStep::Command(last)) = again.pop() else { panic!("not a command: {again:?}") };
                assert!(
                    again.iter().all(|step| matches!(step, FrameStep::Literal(_))),
                    "more than one command"
                );
                assert_eq!(parse::command(&last, &parse::Limits::default()), Ok(command));
            }
        }
    }
}

/// Reads `octets` as a mailbox name on the wire: what is read is written back as it was, and names a mailbox only
/// without what no store can hold.
pub fn fuzz_name(octets: &[u8]) {
    let Ok(text) = mutf7::decode(octets) else { return };
    assert_eq!(mutf7::encode(&text).as_bytes(), octets, "one name, one spelling");
    if let Ok(name) = MailboxName::new(&text) {
        assert_eq!(MailboxName::new(name.as_str()).as_ref(), Ok(&name));
        for component in name.components() {
            assert!(!matches!(component, "" | "." | "..") && !component.contains(['\0', '\r', '\n']));
        }
    }
}

/// All steps, adjacent octets merged. Of literals, the message of an APPEND is streamed, others are collected or given
/// up, as a session does; a verdict to close ends it, and a command without end.
fn frames(octets: &[u8], piece_bytes: usize, limits: Limits) -> Vec<FrameStep> {
    let mut framer = Framer::new(limits);
    let mut buffer = InBuf::with_capacity(limits.line_bytes_max);
    let mut steps: Vec<FrameStep> = Vec::new();
    for mut piece in octets.chunks(piece_bytes) {
        while !piece.is_empty() {
            piece = &piece[buffer.push(piece)..];
            while let Some(step) = framer.poll(&mut buffer) {
                let verdict = matches!(step, FrameStep::Literal(_)).then(|| decide(&mut framer));
                match (step, steps.last_mut()) {
                    (FrameStep::Octets(more), Some(FrameStep::Octets(before))) => {
                        *before = [&before[..], &more[..]].concat().into();
                    }
                    (step, _) => steps.push(step),
                }
                if verdict == Some(LiteralVerdict::Close) || steps.last() == Some(&FrameStep::Endless) {
                    return steps;
                }
            }
            assert!(held(framer.fragments()) <= limits.line_bytes_max as u64 + limits.command_bytes_max);
        }
    }
    steps
}

/// Decides on the literal before the framer, and does it.
fn decide(framer: &mut Framer) -> LiteralVerdict {
    let found = parse::literal(framer.fragments(), &parse::Limits::default());
    let verdict = match &found {
        Ok(LiteralUse::Message { tag, append }) => {
            assert_eq!(framer.tag().as_ref(), Some(tag));
            check_append(tag, append);
            framer.message_verdict(MESSAGE_BYTES_MAX, MESSAGE_BYTES_MAX)
        }
        Ok(LiteralUse::Argument) => framer.argument_verdict(),
        Err(refused) => {
            assert_eq!(framer.tag(), refused.tag, "the tag of a refused literal");
            LiteralVerdict::TooBig
        }
    };
    match (verdict, found) {
        (LiteralVerdict::Take, Ok(LiteralUse::Message { .. })) => framer.stream(),
        (LiteralVerdict::Take, _) => framer.collect(),
        (LiteralVerdict::TooBig | LiteralVerdict::NotWithoutWaiting, _) => framer.give_up(),
        (LiteralVerdict::Close, _) => {}
    }
    verdict
}

/// What stands before a message means the same when it is spelled anew.
fn check_append(tag: &Tag, append: &Append) {
    let mut out = OutBuf::new();
    spell::append(tag, append, &mut out);
    let line = Fragment::Line(out.as_slice().to_vec().into());
    let again = parse::literal(&[line], &parse::Limits::default());
    assert_eq!(again, Ok(LiteralUse::Message { tag: tag.clone(), append: append.clone() }));
}

/// Octets in what is held of a command.
fn held(fragments: &[Fragment]) -> u64 {
    let octets = fragments.iter().map(|fragment| match fragment {
        Fragment::Line(octets) | Fragment::Literal(octets) => octets.len() as u64,
        Fragment::Streamed => 0,
    });
    octets.sum()
}

/// So narrow that short inputs reach every limit.
const NARROW: Limits = Limits {
    line_bytes_max: 64,
    literal_bytes_max: 16,
    command_bytes_max: 24,
    non_sync_bytes_max: 12,
    drain_bytes_max: 100,
};

/// So wide that a command is never longer than allowed when it is spelled anew.
const WIDE: Limits = Limits {
    line_bytes_max: 1 << 20,
    literal_bytes_max: 1 << 20,
    command_bytes_max: 1 << 20,
    non_sync_bytes_max: u64::MAX,
    drain_bytes_max: 1 << 20,
};

const MESSAGE_BYTES_MAX: u64 = 50;

//! Cuts the octets of a client into commands, before anything of them is understood.
//!
//! RFC 3501 §2.2.1 and §4.3: a command is `line *(literal line)`. A frame's end depends on line ends, quotes and
//! literal markers alone, so a command that makes no sense never costs the boundary to the next one.
//!
//! At each literal the framer stops and the session decides, on the ground of what stands before it
//! ([`Framer::fragments`]) and of [`Framer::argument_verdict`] or [`Framer::message_verdict`]:
//!
//! | call | for | next |
//! | --- | --- | --- |
//! | [`Framer::collect`] | an argument; after `+` if the client waits | the command, complete |
//! | [`Framer::stream`] | the message of an APPEND; after `+` if the client waits | [`FrameStep::Octets`] …, [`FrameStep::LiteralEnd`], the command, complete |
//! | [`Framer::give_up`] | a command that is refused here | [`FrameStep::Swallowed`]: at once if the client waits, else when the command has gone by; then the tagged NO or BAD |
//!
//! Otherwise the session says BYE and closes: what follows must not be read as commands.
//!
//! The responses of an AUTHENTICATE, which are lines and no commands, are taken from the buffer with
//! [`InBuf::next_line`] while the framer is [at rest](Framer::is_at_rest).
//!
//! ```
//! use imap_proto::framing::{FrameStep, Framer, Limits};
//! use imap_proto::parse;
//! use imap_proto::types::CommandBody;
//! use proto_core::InBuf;
//!
//! let mut input = InBuf::with_capacity(8192);
//! let mut framer = Framer::new(Limits {
//!     line_bytes_max: 8192,
//!     literal_bytes_max: 4096,
//!     command_bytes_max: 8192,
//!     non_sync_bytes_max: u64::MAX,
//!     drain_bytes_max: 65_536,
//! });
//! input.push(b"a1 SELECT {5+}\r\ninbox\r\n");
//! assert!(matches!(framer.poll(&mut input), Some(FrameStep::Literal(_))));
//! framer.collect();
//! let Some(FrameStep::Command(frame)) = framer.poll(&mut input) else { panic!() };
//! let command = parse::command(&frame, &parse::Limits::default()).unwrap();
//! assert_eq!(command.tag.as_str(), "a1");
//! assert!(matches!(command.body, CommandBody::Select(Ok(name)) if name.is_inbox()));
//! ```
//!
//! # Limits
//! [`Limits`]. Whatever is over them goes by in constant memory, to its true end. The buffer's capacity must be at
//! least [`Limits::line_bytes_max`].
//!
//! # Departures
//! A line may end in a bare LF. See [`Announced`] and `{n+}` in quoted strings.

mod frame;
mod scan;

pub(crate) use frame::overwrite;
pub use frame::{Fragment, Frame};
pub use scan::Announced;

use crate::types::Tag;
use bytes::Bytes;
use frame::{Collected, tag_before_space};
use proto_core::InBuf;
use scan::{LineEnd, LineScanner};

/// What a command may have at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// All lines of one command together, their ends counted. RFC 7162 §4 asks for 8,192 at least.
    pub line_bytes_max: usize,
    /// One literal that is collected.
    pub literal_bytes_max: u64,
    /// All literals that are collected for one command, together.
    pub command_bytes_max: u64,
    /// A literal that the client does not wait with: [`u64::MAX`] is LITERAL+, 4,096 is LITERAL- (RFC 7888 §5).
    pub non_sync_bytes_max: u64,
    /// The largest literal and the longest line that are read only to be thrown away. Of more the session says BYE.
    pub drain_bytes_max: u64,
}

impl Limits {
    /// How many literals one command may have. What stands before each is looked at again when it is announced.
    pub const LITERALS_MAX: usize = 64;
}

/// What the framer came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameStep {
    /// A whole command.
    Command(Frame),
    /// A literal stands before the framer, which waits for a decision.
    Literal(Announced),
    /// The next octets of a literal that is streamed; never empty.
    Octets(Bytes),
    /// A literal that was streamed is complete. The rest of its command follows.
    LiteralEnd,
    /// A command has gone by that could not be taken.
    Swallowed {
        /// Its tag, if it stood at the beginning.
        tag: Option<Tag>,
        /// Why it could not.
        why: Swallowed,
    },
    /// More of a command had to be thrown away than [`Limits::drain_bytes_max`]: the session says BYE. Nothing follows.
    Endless,
}

/// Why a command was swallowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swallowed {
    /// Over [`Limits::line_bytes_max`].
    TooLong,
    /// The session [gave it up](Framer::give_up), and knows why.
    GivenUp,
}

/// What to do with a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiteralVerdict {
    /// Take it: [`Framer::collect`] or [`Framer::stream`].
    Take,
    /// Too large: [`Framer::give_up`], then `NO [TOOBIG]`.
    TooBig,
    /// Larger than a client may send without waiting: [`Framer::give_up`], then `BAD [TOOBIG]` (RFC 7888 §5).
    NotWithoutWaiting,
    /// Too large even to be thrown away: `* BYE [TOOBIG]`.
    Close,
}

/// Finds commands in a client's octets. See the [module](self).
#[derive(Debug)]
pub struct Framer {
    limits: Limits,
    state: State,
    scanner: LineScanner,
    /// Octets at the front of the buffer that the scanner has seen and that are still needed.
    scanned: usize,
    frame: Frame,
    /// What comes may be a password.
    secret: bool,
    /// Octets in the lines of this command so far.
    line_bytes: usize,
    /// Octets in its collected literals so far.
    literal_bytes: u64,
    /// Octets of its lines that were thrown away so far.
    swallowed_bytes: u64,
}

#[derive(Debug)]
enum State {
    Line,
    Decide(Announced),
    Collect { left: u64, octets: Collected },
    Stream { left: u64 },
    SwallowLine { tag: Option<Tag>, why: Swallowed },
    SwallowLiteral { left: u64, tag: Option<Tag>, why: Swallowed },
    Swallowed { tag: Option<Tag>, why: Swallowed },
    Endless,
}

impl Framer {
    /// A framer before the first command.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            state: State::Line,
            scanner: LineScanner::default(),
            scanned: 0,
            frame: Frame::default(),
            secret: false,
            line_bytes: 0,
            literal_bytes: 0,
            swallowed_bytes: 0,
        }
    }

    /// Other limits from now on: after login, for one.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Forgets the command that was begun; the buffer is cleared along with it (STARTTLS).
    pub fn reset(&mut self) {
        *self = Self { secret: self.secret, ..Self::new(self.limits) };
    }

    /// Whether what comes may be a password, as before login. Then each command has its octets in memory of its own, which is
    /// overwritten when the command is dropped, as it is in the buffer.
    pub fn keep_secrets(&mut self, secret: bool) {
        self.secret = secret;
    }

    /// Whether the framer is between two commands and has looked at nothing of the next one.
    pub fn is_at_rest(&self) -> bool {
        matches!(self.state, State::Line) && self.frame.0.is_empty() && self.scanned == 0
    }

    /// What is known of a command that is not complete: up to the literal that waits for a decision.
    pub fn fragments(&self) -> &[Fragment] {
        self.frame.fragments()
    }

    /// The tag of the command that is not complete, if it stands.
    pub fn tag(&self) -> Option<Tag> {
        match (&self.state, self.frame.0.first()) {
            (State::SwallowLine { tag, .. } | State::SwallowLiteral { tag, .. }, _) => tag.clone(),
            (State::Swallowed { tag, .. }, _) => tag.clone(),
            (_, Some(Fragment::Line(line))) => tag_before_space(line),
            _ => None,
        }
    }

    /// Goes on. `None`: more octets are needed, or a decision.
    pub fn poll(&mut self, input: &mut InBuf) -> Option<FrameStep> {
        loop {
            match &mut self.state {
                State::Decide(_) | State::Endless => return None,
                State::Line => {
                    if let Some(step) = self.line(input)? {
                        return Some(step);
                    }
                }
                State::Collect { .. } => self.collected(input)?,
                State::Stream { left: 0 } => {
                    self.frame.0.push(Fragment::Streamed);
                    self.state = State::Line;
                    return Some(FrameStep::LiteralEnd);
                }
                State::Stream { left } => {
                    let octets = input.take(at_most(*left));
                    *left -= octets.len() as u64;
                    return if octets.is_empty() { None } else { Some(FrameStep::Octets(octets)) };
                }
                State::SwallowLine { .. } => {
                    let found = self.scanner.feed(input.as_slice());
                    let taken = found.map_or(input.len(), |(taken, _)| taken);
                    input.skip(taken);
                    self.swallowed_bytes += taken as u64;
                    if self.swallowed_bytes > self.limits.drain_bytes_max {
                        return Some(self.endless());
                    }
                    if let Some(step) = self.swallowed_line(found?.1) {
                        return Some(step);
                    }
                }
                State::SwallowLiteral { left, tag, why } => {
                    let skipped = at_most(*left).min(input.len());
                    input.skip(skipped);
                    *left -= skipped as u64;
                    if *left > 0 {
                        return None;
                    }
                    self.state = State::SwallowLine { tag: tag.take(), why: *why };
                }
                State::Swallowed { tag, why } => {
                    let (tag, why) = (tag.take(), *why);
                    self.reset();
                    return Some(FrameStep::Swallowed { tag, why });
                }
            }
        }
    }

    /// What the limits say of the literal before the framer as an argument of a command.
    pub fn argument_verdict(&self) -> LiteralVerdict {
        let room = self.limits.command_bytes_max.saturating_sub(self.literal_bytes);
        let literals = self.frame.0.iter().filter(|fragment| !matches!(fragment, Fragment::Line(_))).count();
        let max = self.limits.literal_bytes_max.min(room);
        self.verdict((literals < Limits::LITERALS_MAX).then_some(max), self.limits.drain_bytes_max)
    }

    /// What the limits say of it as a message of at most `message_bytes_max` octets. Of one that is too large,
    /// `drain_bytes_max` octets at most are thrown away.
    pub fn message_verdict(&self, message_bytes_max: u64, drain_bytes_max: u64) -> LiteralVerdict {
        self.verdict(Some(message_bytes_max), drain_bytes_max)
    }

    fn verdict(&self, max: Option<u64>, drain_bytes_max: u64) -> LiteralVerdict {
        let State::Decide(Announced { octets, synchronising }) = self.state else {
            return LiteralVerdict::Close;
        };
        let fits = max.is_some_and(|max| octets <= max);
        if synchronising {
            return if fits { LiteralVerdict::Take } else { LiteralVerdict::TooBig };
        }
        match (fits, octets <= self.limits.non_sync_bytes_max) {
            (true, true) => LiteralVerdict::Take,
            _ if octets > drain_bytes_max => LiteralVerdict::Close,
            (true, false) => LiteralVerdict::NotWithoutWaiting,
            (false, _) => LiteralVerdict::TooBig,
        }
    }

    /// Collects the literal as part of the command. Without a literal before the framer, nothing happens, as with
    /// the other decisions.
    pub fn collect(&mut self) {
        if let State::Decide(announced) = self.state {
            self.literal_bytes = self.literal_bytes.saturating_add(announced.octets);
            self.state = State::Collect { left: announced.octets, octets: Collected::default() };
        }
    }

    /// Hands the literal out as it comes.
    pub fn stream(&mut self) {
        if let State::Decide(announced) = self.state {
            self.state = State::Stream { left: announced.octets };
        }
    }

    /// Gives the command up, from its literal on. A client that waits sends nothing more of it; of another, the
    /// literal and the rest of the command go by, until it begins to wait at a later literal. Also from the middle
    /// of a literal that is streamed.
    pub fn give_up(&mut self) {
        let (tag, why) = (self.tag(), Swallowed::GivenUp);
        self.state = match self.state {
            State::Decide(Announced { synchronising: true, .. }) => State::Swallowed { tag, why },
            State::Decide(Announced { octets: left, .. }) | State::Stream { left } => {
                State::SwallowLiteral { left, tag, why }
            }
            _ => return,
        };
        self.frame = Frame::default();
    }

    /// One line of a command, if its end is here. The inner `None`: go on.
    fn line(&mut self, input: &mut InBuf) -> Option<Option<FrameStep>> {
        let room = self.limits.line_bytes_max.saturating_sub(self.line_bytes);
        let Some((taken, end)) = self.scanner.feed(input.as_slice().get(self.scanned..).unwrap_or_default())
        else {
            self.scanned = input.len();
            if self.scanned < room {
                return None;
            }
            self.swallow(input.as_slice(), room);
            input.skip(self.scanned);
            self.swallowed_bytes = core::mem::take(&mut self.scanned) as u64;
            return Some(None);
        };
        let octets = core::mem::take(&mut self.scanned) + taken;
        if octets > room {
            self.swallow(input.as_slice(), room);
            input.skip(octets);
            self.swallowed_bytes = octets as u64;
            if self.swallowed_bytes > self.limits.drain_bytes_max {
                return Some(Some(self.endless()));
            }
            return Some(self.swallowed_line(end));
        }
        let mut line = if self.secret { copy(input, octets) } else { input.take(octets) };
        line.truncate(end.text);
        self.line_bytes += octets;
        self.frame.0.push(Fragment::Line(line));
        Some(Some(match end.announced {
            Some(announced) => {
                self.state = State::Decide(announced);
                FrameStep::Literal(announced)
            }
            None => {
                let frame = core::mem::take(&mut self.frame);
                self.reset();
                FrameStep::Command(frame)
            }
        }))
    }

    /// The line that begins with `octets`, of which `room` are looked at, is too long.
    fn swallow(&mut self, octets: &[u8], room: usize) {
        let tag = match self.frame.0.is_empty() {
            true => tag_before_space(&octets[..room.min(octets.len())]),
            false => self.tag(),
        };
        self.frame = Frame::default();
        self.state = State::SwallowLine { tag, why: Swallowed::TooLong };
    }

    /// A line that is swallowed has ended. Octets that come anyhow are part of it; a client that waits gets its
    /// answer now.
    fn swallowed_line(&mut self, end: LineEnd) -> Option<FrameStep> {
        let State::SwallowLine { tag, why } = &mut self.state else { return None };
        let (tag, why) = (tag.take(), *why);
        match end.announced {
            Some(Announced { octets, synchronising: false }) if octets > self.limits.drain_bytes_max => {
                Some(self.endless())
            }
            Some(Announced { octets, synchronising: false }) => {
                self.state = State::SwallowLiteral { left: octets, tag, why };
                None
            }
            _ => {
                self.reset();
                Some(FrameStep::Swallowed { tag, why })
            }
        }
    }

    /// Too much has gone by, or would have to.
    fn endless(&mut self) -> FrameStep {
        self.state = State::Endless;
        FrameStep::Endless
    }

    /// More of a literal that is collected; `None` while some is missing.
    fn collected(&mut self, input: &mut InBuf) -> Option<()> {
        let State::Collect { left, octets } = &mut self.state else { return Some(()) };
        let bytes = at_most(*left).min(input.len());
        *left -= bytes as u64;
        let whole = if octets.is_empty() && *left == 0 {
            if self.secret { copy(input, bytes) } else { input.take(bytes) }
        } else {
            octets.extend(&input.as_slice()[..bytes]);
            input.skip(bytes);
            if *left > 0 {
                return None;
            }
            octets.finish()
        };
        self.frame.0.push(Fragment::Literal(whole));
        self.state = State::Line;
        Some(())
    }
}

/// Takes octets out of the buffer, where they are overwritten.
fn copy(input: &mut InBuf, octets: usize) -> Bytes {
    let copy = Bytes::copy_from_slice(&input.as_slice()[..octets]);
    input.skip(octets);
    copy
}

fn at_most(octets: u64) -> usize {
    usize::try_from(octets).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;

//! [`scan`]: where the messages of an mbox are, in one pass over it.
//!
//! A message begins at a `From_` line that has the beginning of the file or a blank line before it; that blank line
//! belongs to neither message. Where a header tells a Content-Length at whose end another message begins, or the file
//! ends, that is where the message ends, whatever stands in between (mboxcl, mboxcl2); one that does not is no better
//! than any other header field.
//!
//! # Limits
//! One chunk of the file and one line of [`HEAD_BYTES_MAX`](super::lines::HEAD_BYTES_MAX) octets are in memory,
//! however long messages and lines are.

use std::io;
use std::ops::ControlFlow;

use super::MboxFormat;
use super::decode::Unquote;
use super::fields::{self, Marks, Own, Verdict};
use super::from_line;
use super::lines::{FROM, Line, LineEnd, Lines};
use super::message::{CRLF, HAS_LENGTH, Message, OLD, PSEUDO, SCATTERED, unquote};
use crate::fs::{self, File};

/// What a scan found out beside the messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scanned {
    /// All of it is messages.
    Mbox,
    /// What stands at this offset is no beginning of a message.
    NoMbox(u64),
    /// It was told to stop.
    Stopped,
}

/// Finds the messages from `at`, where one begins, to `until`.
pub(super) fn scan(
    file: &dyn File,
    at: u64,
    until: u64,
    format: MboxFormat,
    found: &mut dyn FnMut(Message, Marks) -> ControlFlow<()>,
) -> io::Result<Scanned> {
    let mut scanner = Scanner { lines: Lines::new(file, at), file, until, format };
    let mut next = match first(&mut scanner.lines, until)? {
        Ended::Next(begun) => begun,
        Ended::Mbox => return Ok(Scanned::Mbox),
        Ended::NoMbox(at) => return Ok(Scanned::NoMbox(at)),
    };
    loop {
        let (message, marks, ended) = scanner.message(next)?;
        if found(message, marks).is_break() {
            return Ok(Scanned::Stopped);
        }
        match ended {
            Ended::Mbox => return Ok(Scanned::Mbox),
            Ended::NoMbox(at) => return Ok(Scanned::NoMbox(at)),
            Ended::Next(begun) => next = begun,
        }
    }
}

/// Where the file begins with what is no beginning of a message, if it does. It reads little, however long the file is.
pub(super) fn no_beginning(file: &dyn File) -> io::Result<Option<u64>> {
    match first(&mut Lines::small(file, 0, FIRST_CHUNK_BYTES), FIRST_BYTES_MAX)? {
        Ended::NoMbox(at) => Ok(Some(at)),
        Ended::Mbox | Ended::Next(_) => Ok(None),
    }
}

/// How much is read at a time to see whether a file begins with a message, and how much at most.
const FIRST_CHUNK_BYTES: usize = 512;
const FIRST_BYTES_MAX: u64 = 64 << 10;

/// What stands in front: some put a blank line before a message instead of behind it.
fn first(lines: &mut Lines<'_>, until: u64) -> io::Result<Ended> {
    loop {
        match lines.next(until)? {
            None => return Ok(Ended::Mbox),
            Some(line) if line.is_blank() => {}
            Some(line) => return Ok(Begun::at(&line).map_or(Ended::NoMbox(line.at), Ended::Next)),
        }
    }
}

/// A message whose `From_` line has been read.
struct Begun {
    message: Message,
    marks: Marks,
    /// Where the run of the mailbox's own fields began, and where it ended.
    run: Option<(u64, u64)>,
    /// How many lines of the header each way of reading quotes would shorten by one octet.
    quoted_once: u64,
    quoted: u64,
    /// Of the lines that are the message's.
    sum: u32,
}

/// What stands behind a message.
#[expect(
    clippy::large_enum_variant,
    reason = "one is there at a time, and a message is found in it most times"
)]
enum Ended {
    Mbox,
    NoMbox(u64),
    Next(Begun),
}

impl Begun {
    /// The message that begins with this line, if one does.
    fn at(line: &Line<'_>) -> Option<Self> {
        let from = Some(line.head).filter(|head| head.starts_with(FROM)).and_then(from_line::parse)?;
        let message = Message {
            start: line.at,
            end: line.next_at(),
            shown_bytes: 0,
            date: from.date,
            block_at: 0,
            block_bytes: 0,
            uid: None,
            from_bytes: u16::try_from(line.bytes).ok()?,
            traits: if line.end == LineEnd::CrLf { CRLF } else { 0 },
            sum: None,
        };
        Some(Self { message, marks: Marks::default(), run: None, quoted_once: 0, quoted: 0, sum: 0 })
    }

    /// Takes in where a line of the mailbox's own stands. The length of the body stays where it is, and is not of the
    /// block.
    fn own(&mut self, own: Own, line: &Line<'_>) {
        if own == Own::ContentLength {
            return;
        }
        match &mut self.run {
            Some((_, end)) if *end == line.at => *end = line.next_at(),
            Some(_) => self.message.traits |= SCATTERED,
            run @ None => *run = Some((line.at, line.next_at())),
        }
    }

    fn show(&mut self, line: &Line<'_>) {
        self.message.shown_bytes += shown_bytes(line, Unquote::Never);
        self.quoted_once += u64::from(Unquote::One.takes(line.quotes));
        self.quoted += u64::from(Unquote::Any.takes(line.quotes));
        self.sum = line.sum;
    }

    fn finish(mut self, unquote: Unquote, header_end: u64) -> (Message, Marks) {
        // A message without a block gets it at the end of its header.
        let (at, end) = self.run.unwrap_or((header_end, header_end));
        let message = &mut self.message;
        match (u32::try_from(at - message.header_at()), u32::try_from(end - at)) {
            (Ok(at), Ok(bytes)) => (message.block_at, message.block_bytes) = (at, bytes),
            _ => message.traits |= SCATTERED,
        }
        message.shown_bytes -= match unquote {
            Unquote::Never => 0,
            Unquote::One => self.quoted_once,
            Unquote::Any => self.quoted,
        };
        (message.uid, message.sum) = (self.marks.uid, Some(self.sum));
        message.traits |= if self.marks.is_old { OLD } else { 0 };
        message.traits |= if self.marks.is_pseudo { PSEUDO } else { 0 };
        (self.message, self.marks)
    }
}

struct Scanner<'a> {
    lines: Lines<'a>,
    file: &'a dyn File,
    until: u64,
    format: MboxFormat,
}

impl Scanner<'_> {
    fn message(&mut self, mut begun: Begun) -> io::Result<(Message, Marks, Ended)> {
        let by_lines = unquote(self.format, false);
        let Some(header_end) = self.header(&mut begun)? else {
            // A header, without the blank line that would part it from a body.
            let header_end = begun.message.end;
            let (message, marks) = begun.finish(by_lines, header_end);
            return Ok((message, marks, Ended::Mbox));
        };
        let body_at = self.lines.at();
        if let Some(length) = begun.marks.content_length
            && let Some(end) = body_at.checked_add(length)
            && ends_at(self.file, body_at, end, self.until)?
        {
            let by_length = unquote(self.format, true);
            begun.message.traits |= HAS_LENGTH;
            begun.message.shown_bytes += SHOWN_LINE_END_BYTES;
            begun.message.end = end;
            while let Some(line) = self.lines.next(end)? {
                begun.message.shown_bytes += shown_bytes(&line, by_length);
            }
            begun.sum = self.lines.sum();
            let (message, marks) = begun.finish(by_length, header_end);
            return Ok((message, marks, self.next_message()?));
        }
        // The line that may turn out to part this message from the next, and the sum before it; at first the one that ends
        // the header.
        let mut blank = Some((header_end, begun.sum));
        begun.sum = self.lines.sum();
        begun.message.shown_bytes += SHOWN_LINE_END_BYTES;
        let ended = loop {
            let Some(line) = self.lines.next(self.until)? else { break Ended::Mbox };
            if blank.is_some()
                && let Some(next) = Begun::at(&line)
            {
                break Ended::Next(next);
            }
            begun.message.shown_bytes += shown_bytes(&line, by_lines);
            blank = line.is_blank().then_some((line.at, begun.sum));
            begun.sum = line.sum;
        };
        let message = &mut begun.message;
        message.end = match (blank, &ended) {
            (Some((at, sum)), _) => {
                message.shown_bytes -= SHOWN_LINE_END_BYTES;
                begun.sum = sum;
                at
            }
            (None, Ended::Next(next)) => next.message.start,
            (None, _) => self.lines.at(),
        };
        let (message, marks) = begun.finish(by_lines, header_end);
        Ok((message, marks, ended))
    }

    /// Reads a header up to the blank line behind it, and tells where that is; `None` when the mailbox ends before.
    fn header(&mut self, begun: &mut Begun) -> io::Result<Option<u64>> {
        let mut own: Option<Own> = None;
        let mut value = Vec::new();
        let end = loop {
            self.lines.set_sum(begun.sum);
            let Some(line) = self.lines.next(self.until)? else { break None };
            if line.is_blank() {
                break Some(line.at);
            }
            begun.message.end = line.next_at();
            let verdict = fields::judge(line.head, true);
            if verdict == Verdict::Continued {
                match own {
                    Some(field) => {
                        begun.own(field, &line);
                        let room = fields::VALUE_BYTES_MAX.saturating_sub(value.len());
                        value.extend_from_slice(&line.head[..line.head.len().min(room)]);
                    }
                    None => begun.show(&line),
                }
                continue;
            }
            if let Some(own) = own.take() {
                begun.marks.read(own, &value);
            }
            if let Verdict::Own(field) = verdict {
                own = Some(field);
                begun.own(field, &line);
                let colon = line.head.iter().position(|&octet| octet == b':').map_or(0, |at| at + 1);
                value.clear();
                value.extend_from_slice(&line.head[colon..]);
            } else {
                begun.show(&line);
            }
        };
        if let Some(own) = own {
            begun.marks.read(own, &value);
        }
        Ok(end)
    }

    /// What stands behind a message whose length was told.
    fn next_message(&mut self) -> io::Result<Ended> {
        loop {
            match self.lines.next(self.until)? {
                None => return Ok(Ended::Mbox),
                Some(line) if line.is_blank() => {}
                Some(line) => return Ok(Begun::at(&line).map_or(Ended::NoMbox(line.at), Ended::Next)),
            }
        }
    }
}

/// Whether a message may end at `end`: the mailbox does too, or another message begins there, or behind a blank line
/// there.
fn ends_at(file: &dyn File, body_at: u64, end: u64, until: u64) -> io::Result<bool> {
    if end > until {
        return Ok(false);
    }
    let mut lines = Lines::small(file, end, 2 * from_line::LINE_BYTES_MAX);
    let Some(line) = lines.next(until)? else { return Ok(true) };
    if line.is_blank() {
        return Ok(lines.next(until)?.is_none_or(|line| Begun::at(&line).is_some()));
    }
    let mut before = [b'\n'];
    if end > body_at {
        fs::read_full(file, &mut before, end - 1)?;
    }
    Ok(before == [b'\n'] && Begun::at(&line).is_some())
}

/// Whether a message still ends where it did.
pub(super) fn ends_there(file: &dyn File, message: &Message, until: u64) -> io::Result<bool> {
    ends_at(file, message.header_at(), message.end, until)
}

const SHOWN_LINE_END_BYTES: u64 = 2;

fn shown_bytes(line: &Line<'_>, unquote: Unquote) -> u64 {
    line.bytes + u64::from(line.end == LineEnd::Lf) - u64::from(unquote.takes(line.quotes))
}

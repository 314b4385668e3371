//! [`Encoder`]: a message as it is sent, into a message as an mbox holds it.
//!
//! Lines end in LF; the mailbox's own fields are stripped, since nobody outside may say what they say, and ours are
//! put at the end of the header; lines that could be taken for the beginning of a message are quoted as the format
//! has it; a blank line ends the message. A last line without its end gets one.
//!
//! What is written as mboxrd or mboxcl2 reads back octet for octet, as long as every LF of the message has its CR and
//! its last line an end: a CR that stands before a CRLF keeps the CRLF whole.

use super::MboxFormat;
use super::held::{Held, Judged};
use super::lines::FROM;

/// Turns one message. Octets go in in pieces of any size.
#[derive(Debug)]
pub(super) struct Encoder {
    format: MboxFormat,
    /// What is put at the end of the header.
    block: Vec<u8>,
    /// How long the body is; left out where there is none.
    content_length: Vec<u8>,
    in_header: bool,
    line: Position,
    /// Whether anything of the present line has come.
    is_touched: bool,
    held: Held,
    /// CRs that may belong to a line end.
    crs: usize,
    written: u64,
    body_at: Option<u64>,
}

/// Where in a line we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Position {
    /// In the part of a header line that is not judged yet.
    Head,
    /// Behind nothing but `>`, if any, and so many octets of `From `.
    Quoted {
        quotes: bool,
        matched: usize,
    },
    Rest,
    /// In a line that is left out.
    Hidden,
}

impl Encoder {
    /// `block` is put at the end of the header. `body_bytes` is what [`Encoder::finish`] returns; while it is not known,
    /// any number gives a message of the same length.
    pub(super) fn new(format: MboxFormat, block: Vec<u8>, body_bytes: u64) -> Self {
        let content_length = match format {
            MboxFormat::Mboxcl | MboxFormat::Mboxcl2 => {
                format!("Content-Length: {body_bytes:<20}\n").into_bytes()
            }
            MboxFormat::Mboxo | MboxFormat::Mboxrd => Vec::new(),
        };
        Self {
            format,
            block,
            content_length,
            in_header: true,
            line: Position::Head,
            is_touched: false,
            held: Held::default(),
            crs: 0,
            written: 0,
            body_at: None,
        }
    }

    /// Takes the next octets; what they become is put behind `out`.
    pub(super) fn write(&mut self, mut octets: &[u8], out: &mut Vec<u8>) {
        let before = out.len();
        while !octets.is_empty() {
            let end = memchr::memchr(b'\n', octets);
            let (text, rest) = octets.split_at(end.unwrap_or(octets.len()));
            self.is_touched = true;
            self.text(text, out);
            octets = rest;
            if end.is_some() {
                let body_at = self.line_end(out);
                if body_at && self.body_at.is_none() {
                    self.body_at = Some(self.written + (out.len() - before) as u64);
                }
                octets = &rest[1..];
            }
        }
        self.written += (out.len() - before) as u64;
    }

    /// Ends the message; returns the length of its body in octets, the blank line behind it not counted, or 0 when there
    /// is only a header.
    pub(super) fn finish(mut self, out: &mut Vec<u8>) -> u64 {
        let before = out.len();
        if self.is_touched {
            self.line_end(out);
        }
        let body_bytes = match self.body_at {
            Some(at) => self.written + (out.len() - before) as u64 - at,
            None => {
                out.append(&mut self.block);
                0
            }
        };
        out.push(b'\n');
        body_bytes
    }

    /// Octets of one line.
    fn text(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let mut left = text;
        if self.line == Position::Head {
            let Some((judged, rest)) = self.held.take(left) else { return };
            self.begin(&judged, out);
            left = rest;
        }
        self.shown(left, out);
    }

    /// A header line, or what there is of it, is known to be written or not.
    fn begin(&mut self, judged: &Judged, out: &mut Vec<u8>) {
        self.line = if judged.is_hidden { Position::Hidden } else { self.beginning() };
        self.shown(&judged.head, out);
    }

    /// Where we are at the beginning of a line that is written.
    fn beginning(&self) -> Position {
        match self.format {
            MboxFormat::Mboxcl2 => Position::Rest,
            _ => Position::Quoted { quotes: false, matched: 0 },
        }
    }

    fn shown(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let mut left = text;
        while let (Position::Quoted { quotes, matched }, [octet, rest @ ..]) = (self.line, left) {
            if *octet == b'>' && matched == 0 {
                self.push(b">", out);
                self.line = Position::Quoted { quotes: true, matched };
            } else if *octet == FROM[matched] && matched + 1 == FROM.len() {
                if !quotes || self.format != MboxFormat::Mboxo {
                    self.push(b">", out);
                }
                self.push(FROM, out);
                self.line = Position::Rest;
            } else if *octet == FROM[matched] {
                self.line = Position::Quoted { quotes, matched: matched + 1 };
            } else {
                self.push(&FROM[..matched], out);
                self.line = Position::Rest;
                continue;
            }
            left = rest;
        }
        if self.line == Position::Rest {
            self.push(left, out);
        }
    }

    /// Writes octets that hold no LF, but CRs at their end only when it is known what follows.
    fn push(&mut self, octets: &[u8], out: &mut Vec<u8>) {
        let crs = octets.iter().rev().take_while(|octet| **octet == b'\r').count();
        let (text, _) = octets.split_at(octets.len() - crs);
        if !text.is_empty() {
            self.give_crs(out);
            out.extend_from_slice(text);
        }
        self.crs += crs;
    }

    fn give_crs(&mut self, out: &mut Vec<u8>) {
        out.resize(out.len() + std::mem::take(&mut self.crs), b'\r');
    }

    /// Ends a line; true when the body begins behind it.
    fn line_end(&mut self, out: &mut Vec<u8>) -> bool {
        let is_header_end = self.line == Position::Head && self.held.is_blank();
        if is_header_end {
            self.held = Held::default();
            self.in_header = false;
            out.append(&mut self.content_length);
            out.append(&mut self.block);
            out.push(b'\n');
        } else {
            if self.line == Position::Head {
                let judged = self.held.end();
                self.begin(&judged, out);
            }
            if let Position::Quoted { matched, .. } = self.line {
                self.push(&FROM[..matched], out);
            }
            if self.line != Position::Hidden {
                if self.crs > 1 {
                    self.give_crs(out);
                }
                self.crs = 0;
                out.push(b'\n');
            }
        }
        self.line = if self.in_header { Position::Head } else { self.beginning() };
        self.is_touched = false;
        is_header_end
    }
}

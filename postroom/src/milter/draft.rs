//! A message that milters look at before it goes into the intake: its header in fields, its body where there is room for it.
//!
//! # Limits
//! A header of more than [`HEADER_BYTES_MAX`] octets or [`FIELDS_MAX`] fields is refused, and so is a field of more than
//! [`HEADER_FIELD_BYTES_MAX`] octets: libmilter would hang up at one, and mail that its milter is not to miss would go by.
//!
//! # Departures
//! From Postfix: the field that no milter sees is our own `Received:`, wherever it stands, not whichever is first.

use crate::scratch::{Body, Scratch};
use bytes::Bytes;
use mailstore::{ErrorKind, StoreError};
use smtp_proto::milter::{BODY_CHUNK_BYTES_MAX, Change, HEADER_FIELD_BYTES_MAX};

/// So many octets may a header have that milters are to see.
const HEADER_BYTES_MAX: usize = 1 << 20;

/// So many fields: each is a question to each milter.
const FIELDS_MAX: usize = 2_000;

/// A message, as it is at present.
pub(crate) struct Draft {
    fields: Vec<Field>,
    header_octets: usize,
    /// What has come of a line of the header.
    line: Vec<u8>,
    at: At,
    body: Body,
    scratch: Scratch,
    /// So large a milter may make it.
    octets_max: u64,
}

/// How far a message has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Header,
    /// Behind the empty line that ends the header, or behind a header that no such line has ended.
    Body {
        is_parted: bool,
    },
}

/// A field with its line ends.
#[derive(Debug)]
struct Field {
    octets: Vec<u8>,
    /// It is the trace field that this server has put before the message: no milter sees it.
    is_own: bool,
}

impl Field {
    fn new(octets: Vec<u8>) -> Self {
        Self { octets, is_own: false }
    }

    fn name(&self) -> &[u8] {
        name(&self.octets).unwrap_or_default()
    }

    /// What is behind the colon, without the last line end.
    fn value(&self) -> &[u8] {
        let behind = self.octets.iter().position(|octet| *octet == b':').map_or(0, |at| at + 1);
        let value = &self.octets[behind..];
        let value = value.strip_suffix(b"\n").unwrap_or(value);
        value.strip_suffix(b"\r").unwrap_or(value)
    }

    fn is_shown_as(&self, name: &[u8]) -> bool {
        !self.is_own && self.name().eq_ignore_ascii_case(name)
    }
}

fn not_for_milters(why: &'static str) -> StoreError {
    StoreError::new(ErrorKind::Refused, "preparing a message for milters", why)
}

/// The name of the field that a line begins, if it does (RFC 5322 section 2.2; old mail has white space before the colon).
fn name(line: &[u8]) -> Option<&[u8]> {
    let colon = line.iter().position(|octet| *octet == b':')?;
    let name = line[..colon].trim_ascii_end();
    (!name.is_empty() && name.iter().all(u8::is_ascii_graphic)).then_some(name)
}

impl Draft {
    /// `octets_max`: what a message may have; zero is no limit.
    pub(crate) fn new(scratch: &Scratch, octets_max: u64) -> Self {
        let (body, scratch) = (scratch.body(), scratch.clone());
        let octets_max = if octets_max == 0 { u64::MAX } else { octets_max };
        Self {
            fields: Vec::new(),
            header_octets: 0,
            line: Vec::new(),
            at: At::Header,
            body,
            scratch,
            octets_max,
        }
    }

    /// The next octets of the message.
    ///
    /// # Errors
    /// When there is no room for them.
    pub(crate) async fn push(&mut self, octets: &[u8]) -> Result<(), StoreError> {
        let mut rest = octets;
        while self.at == At::Header
            && let Some(end) = rest.iter().position(|octet| *octet == b'\n')
        {
            let (line, behind) = rest.split_at(end + 1);
            self.line.extend_from_slice(line);
            rest = behind;
            self.end_line().await?;
        }
        if self.at != At::Header {
            return self.body.push(rest).await;
        }
        self.line.extend_from_slice(rest);
        self.header_octets += octets.len();
        if self.header_octets > HEADER_BYTES_MAX {
            return Err(not_for_milters("its header is too large"));
        }
        Ok(())
    }

    /// A line of the header is whole.
    async fn end_line(&mut self) -> Result<(), StoreError> {
        let line = std::mem::take(&mut self.line);
        match self.fields.last_mut() {
            _ if matches!(&*line, b"\r\n" | b"\n") => self.at = At::Body { is_parted: true },
            Some(field) if matches!(line.first(), Some(b' ' | b'\t')) => field.octets.extend(line),
            _ if name(&line).is_some() => self.fields.push(Field::new(line)),
            _ => {
                self.at = At::Body { is_parted: false };
                self.body.push(&line).await?;
            }
        }
        if self.fields.len() > FIELDS_MAX {
            return Err(not_for_milters("its header has too many fields"));
        }
        if !self.may_be_shown() {
            return Err(not_for_milters("a field of its header is too large"));
        }
        Ok(())
    }

    /// Whether the last field is one that a milter can be shown.
    fn may_be_shown(&self) -> bool {
        self.fields.last().is_none_or(|field| field.octets.len() <= HEADER_FIELD_BYTES_MAX)
    }

    /// The message is complete. Its trace field is the one that tells its name in the queue.
    ///
    /// # Errors
    /// When there is no room for the rest of it.
    pub(crate) async fn end(&mut self, queue_id: &str) -> Result<(), StoreError> {
        if self.at == At::Header && !self.line.is_empty() {
            // The last line of a message in chunks need not be complete (RFC 3030); what comes behind it is no part of it.
            if name(&self.line).is_some() || matches!(self.line.first(), Some(b' ' | b'\t')) {
                self.line.extend_from_slice(b"\r\n");
            }
            self.end_line().await?;
        }
        let names_it =
            |field: &Field| field.octets.windows(queue_id.len()).any(|part| part == queue_id.as_bytes());
        if let Some(first) = self.fields.iter_mut().find(|field| field.is_shown_as(b"Received")) {
            first.is_own = names_it(first);
        }
        Ok(())
    }

    /// Names and values of the fields that milters see.
    pub(super) fn shown(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.fields.iter().filter(|field| !field.is_own).map(|field| (field.name(), field.value()))
    }

    /// The octets of the body from this place on, as many as a milter is told at a time; none at its end.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) async fn body(&self, at: u64) -> Result<Bytes, StoreError> {
        self.body.read(at, BODY_CHUNK_BYTES_MAX).await
    }

    /// A body in place of this one, to be filled.
    pub(super) fn another_body(&self) -> Body {
        self.scratch.body()
    }

    /// So many octets such a body may have: of the header, what the client did not send is not counted.
    pub(super) fn body_octets_max(&self) -> u64 {
        let sent = self.fields.iter().filter(|field| !field.is_own);
        let header: usize = sent.map(|field| field.octets.len()).sum();
        self.octets_max.saturating_sub(header as u64)
    }

    /// Puts another body in place.
    pub(super) fn replace_body(&mut self, body: Body) {
        self.body = body;
    }

    /// Does to the header what a milter wants; gives back what concerns it not.
    pub(super) fn change(&mut self, change: Change) -> Option<Change> {
        match change {
            Change::AddHeader(field) => self.fields.push(Field::new(field.octets().to_vec())),
            Change::InsertHeader { index, field } => {
                let at = usize::try_from(index).unwrap_or(usize::MAX).min(self.fields.len());
                self.fields.insert(at, Field::new(field.octets().to_vec()));
            }
            Change::ChangeHeader { index, field } => {
                let octets = field.octets().to_vec();
                match self.place(index, field.name().as_bytes()) {
                    Some(at) => self.fields[at].octets = octets,
                    None => self.fields.push(Field::new(octets)),
                }
            }
            Change::DeleteHeader { index, name } => {
                if let Some(at) = self.place(index, name.as_bytes()) {
                    self.fields.remove(at);
                }
            }
            other => return Some(other),
        }
        None
    }

    /// The place of a field: of those of that name that are shown, counted from 1.
    fn place(&self, index: u32, name: &[u8]) -> Option<usize> {
        let nth = usize::try_from(index).ok()?.checked_sub(1)?;
        let places = self.fields.iter().enumerate().filter(|(_, field)| field.is_shown_as(name));
        places.map(|(at, _)| at).nth(nth)
    }

    /// The header, with the empty line behind it where there is one.
    pub(crate) fn header(&self) -> Bytes {
        let mut header =
            Vec::with_capacity(self.fields.iter().map(|field| field.octets.len()).sum::<usize>() + 2);
        for field in &self.fields {
            header.extend_from_slice(&field.octets);
        }
        if self.body.len() > 0 || self.at == (At::Body { is_parted: true }) {
            header.extend_from_slice(b"\r\n");
        }
        header.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "X-Prepended: p\r\nReceived: by mail.test\r\n\tid Q1\r\n";

    /// The message whole, cut at this place.
    async fn draft(message: &str, cut: usize) -> Draft {
        let mut draft = Draft::new(&Scratch::default(), 0);
        let (first, second) = message.as_bytes().split_at(cut);
        draft.push(first).await.unwrap();
        draft.push(second).await.unwrap();
        draft.end("Q1").await.unwrap();
        draft
    }

    async fn whole(draft: &Draft) -> String {
        let octets = [draft.header(), draft.body(0).await.unwrap()].concat();
        String::from_utf8(octets).unwrap()
    }

    fn shown(draft: &Draft) -> String {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        draft.shown().map(|(name, value)| text(name) + "=" + &text(value) + ";").collect()
    }

    #[tokio::test]
    async fn fields_and_body_across_any_cut() {
        for (own, body, expected) in [
            ("Received: from a\r\n\r\n", "\r\nbody\r\n", "Received= from a;"),
            ("Subject:a\r\n b\r\nEmpty:\r\nX-Sp : q\r\n\r\n", "", "Subject=a\r\n b;Empty=;X-Sp= q;"),
            ("\r\n", "X: y\r\n", ""),
            ("", "", ""),
            ("A: b\r\n", "", "A= b;"),
        ] {
            let message = [TRACE, own, body].concat();
            for cut in 0..=message.len() {
                let draft = draft(&message, cut).await;
                assert_eq!(shown(&draft), format!("X-Prepended= p;{expected}"), "{message} {cut}");
                assert_eq!(draft.body.len(), body.len() as u64);
                assert_eq!(whole(&draft).await, message);
            }
        }
    }

    #[tokio::test]
    async fn a_body_without_an_empty_line_before_it_gets_one() {
        let message = [TRACE, "no field\r\n\r\nA: b\r\n"].concat();
        let draft = draft(&message, 3).await;
        assert_eq!(whole(&draft).await, [TRACE, "\r\nno field\r\n\r\nA: b\r\n"].concat());
    }

    #[tokio::test]
    async fn a_header_without_end_is_refused() {
        let mut draft = Draft::new(&Scratch::default(), 0);
        draft.push(&[b'x'; HEADER_BYTES_MAX]).await.unwrap();
        assert_eq!(draft.push(b"x").await.unwrap_err().kind(), ErrorKind::Refused);
    }

    #[tokio::test]
    async fn fields_that_are_too_many_are_refused() {
        let mut draft = Draft::new(&Scratch::default(), 0);
        draft.push("a:\r\n".repeat(FIELDS_MAX).as_bytes()).await.unwrap();
        assert_eq!(draft.push(b"a:\r\n").await.unwrap_err().kind(), ErrorKind::Refused);
    }

    #[tokio::test]
    async fn a_field_that_no_packet_of_libmilter_holds_is_refused() {
        let first = "X-Pad:\r\n";
        let line = format!(" {}\r\n", "x".repeat(HEADER_FIELD_BYTES_MAX - first.len() - 3));
        for (more, is_refused) in [("", false), ("X-Other: y\r\n", false), (" \n", true)] {
            let mut draft = Draft::new(&Scratch::default(), 0);
            let pushed = draft.push(format!("{first}{line}{more}").as_bytes()).await;
            assert_eq!(pushed.is_err_and(|error| error.kind() == ErrorKind::Refused), is_refused, "{more}");
        }
    }

    #[tokio::test]
    async fn what_is_put_behind_a_line_without_end_is_no_part_of_it() {
        for sent in ["Subject: x", "Subject: x\r\n y"] {
            let mut draft = draft(&[TRACE, sent].concat(), 0).await;
            draft.fields.push(Field::new(b"X-Seen: yes\r\n".to_vec()));
            assert_eq!(whole(&draft).await, [TRACE, sent, "\r\nX-Seen: yes\r\n"].concat());
            draft.body.push(b"new\r\n").await.unwrap();
            assert_eq!(whole(&draft).await, [TRACE, sent, "\r\nX-Seen: yes\r\n\r\nnew\r\n"].concat());
        }
    }
}

//! The header fields that an mbox keeps for itself: UIDs, flags, lengths.
//!
//! | field | holds |
//! | --- | --- |
//! | `X-IMAPbase: UIDVALIDITY LAST-UID KEYWORDS…` | in the first message: the state of the mailbox |
//! | `X-IMAP:` | the same, in the first message of a mailbox of the UW server's: a message that is none |
//! | `X-UID` | the message's UID |
//! | `Status` | `R`: has been read; `O`: is not new any more |
//! | `X-Status` | `A` answered, `F` flagged, `T` draft, `D` deleted |
//! | `X-Keywords` | keywords, parted by spaces |
//! | `Content-Length` | octets of the body, in mboxcl and mboxcl2 |
//! | `X-Postroom-Delivery` | which delivery of the spool's made the message |
//!
//! All of them are ours: what comes in from outside with one of these names loses it, since it could forge a UID or a
//! flag, and none of them is shown to a client. `X-UIDL`, which POP3 servers of old have written, is no such field.
//!
//! We write them as one block at the end of the header, every flag in a column of its own and room behind the
//! keywords, so that most changes go in place: a flag that is set changes one octet.

use mail_message::{Flag, FlagSet, Keyword, Uid, UidValidity};

use crate::store::DeliveryId;

/// The longest of the names.
pub(super) const NAME_BYTES_MAX: usize = 19;

/// How much of a value is read. Keywords beyond it are forgotten when the header is next written.
pub(super) const VALUE_BYTES_MAX: usize = 8 << 10;

/// How many spaces stand behind the keywords of a block that is written anew: room for the UIDs that a message gets when
/// it is first seen, and for some keywords.
const ROOM_BYTES: usize = 96;

/// A field that the mailbox keeps for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    ContentLength,
    Status,
    XStatus,
    Keywords,
    Uid,
    Base,
    /// Marks the message that is none.
    PseudoBase,
    Delivery,
}

impl Own {
    const NAMES: [(&'static str, Own); 8] = [
        ("content-length", Own::ContentLength),
        ("status", Own::Status),
        ("x-status", Own::XStatus),
        ("x-keywords", Own::Keywords),
        ("x-uid", Own::Uid),
        ("x-imapbase", Own::Base),
        ("x-imap", Own::PseudoBase),
        ("x-postroom-delivery", Own::Delivery),
    ];

    /// The field a name stands for. Spaces before the colon do not count (RFC 5322 §4.5).
    pub(super) fn from_name(name: &[u8]) -> Option<Own> {
        let name = name.trim_ascii_end();
        Self::NAMES.iter().find(|(own, _)| own.as_bytes().eq_ignore_ascii_case(name)).map(|(_, own)| *own)
    }
}

/// What the beginning of a header line tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// More of the line is needed.
    Unclear,
    /// It belongs to whatever field the line before it belonged to.
    Continued,
    /// One of the mailbox's own.
    Own(Own),
    /// The message's.
    Message,
}

/// Looks at the beginning of a header line; `whole` when there is no more of it.
pub(super) fn judge(head: &[u8], whole: bool) -> Verdict {
    let (head, whole) = match head.get(..HEAD_BYTES_MAX) {
        Some(head) => (head, true),
        None => (head, whole),
    };
    match head.first() {
        Some(b' ' | b'\t') => return Verdict::Continued,
        None if !whole => return Verdict::Unclear,
        // It may belong to the end of the line.
        _ if !whole && head.ends_with(b"\r") => return Verdict::Unclear,
        _ => {}
    }
    match head.iter().position(|&octet| octet == b':') {
        Some(colon) => Own::from_name(&head[..colon]).map_or(Verdict::Message, Verdict::Own),
        // A name may have any number of spaces behind it.
        None if whole => Verdict::Message,
        None => {
            let name = head.trim_ascii_end();
            let could = Own::NAMES.iter().any(|(own, _)| {
                own.len() >= name.len()
                    && own.as_bytes()[..name.len()].eq_ignore_ascii_case(name)
                    && (own.len() == name.len() || name.len() == head.len())
            });
            if could { Verdict::Unclear } else { Verdict::Message }
        }
    }
}

/// How much of a header line is looked at to know whose it is.
pub(super) const HEAD_BYTES_MAX: usize = NAME_BYTES_MAX + 45;

/// The state of the mailbox, as the first message's header has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    pub(super) uid_validity: UidValidity,
    /// The highest UID given so far; 0 when none was.
    pub(super) last_uid: u32,
    /// The keywords, as they stand there.
    pub(super) keywords: String,
}

impl Base {
    /// Reads the value of the field.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let (uid_validity, rest) = number(value.trim_start())?;
        let (last_uid, rest) = number(rest.trim_start())?;
        let keywords = rest.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        Some(Self { uid_validity: UidValidity::new(uid_validity)?, last_uid, keywords })
    }

    /// Takes the keywords of a message into the list: other programs know none that is not in it. True when it grew.
    pub(super) fn learn(&mut self, flags: &FlagSet) -> bool {
        let before = self.keywords.len();
        for keyword in flags.keywords() {
            let is_listed = self.keywords.split(' ').any(|word| word.eq_ignore_ascii_case(keyword.as_str()));
            if !is_listed && before + keyword.as_str().len() < VALUE_BYTES_MAX / 2 {
                let room = if self.keywords.is_empty() { "" } else { " " };
                self.keywords += room;
                self.keywords += keyword.as_str();
            }
        }
        self.keywords.len() > before
    }

    /// The value of the field. The second number always has ten digits, so that it can be changed in place.
    pub(super) fn value(&self) -> String {
        let room = if self.keywords.is_empty() { "" } else { " " };
        format!("{} {:010}{room}{}", self.uid_validity, self.last_uid, self.keywords)
    }
}

/// A number and what follows it: a space or nothing.
fn number(text: &str) -> Option<(u32, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if !rest.is_empty() && !rest.starts_with([' ', '\t', '\r', '\n']) {
        return None;
    }
    Some((digits.parse().ok()?, rest))
}

/// What a header says in the mailbox's own fields.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Marks {
    pub(super) delivery: Option<DeliveryId>,
    pub(super) base: Option<Base>,
    /// The base came from `X-IMAP`: the message is none.
    pub(super) is_pseudo: bool,
    pub(super) uid: Option<Uid>,
    pub(super) flags: FlagSet,
    /// A session has been told of the message.
    pub(super) is_old: bool,
    /// Not one of the marks, but read with them.
    pub(super) content_length: Option<u64>,
}

impl Marks {
    /// Takes one field in; of two of a name the last counts, but flags add up.
    pub(super) fn read(&mut self, own: Own, value: &[u8]) {
        let text = String::from_utf8_lossy(value);
        match own {
            Own::ContentLength => self.content_length = text.trim().parse().ok(),
            Own::Status => {
                self.is_old |= text.contains('O');
                if text.contains('R') {
                    self.flags.insert(Flag::Seen);
                }
            }
            Own::XStatus => {
                let letters =
                    [('A', Flag::Answered), ('F', Flag::Flagged), ('T', Flag::Draft), ('D', Flag::Deleted)];
                self.flags
                    .extend(letters.into_iter().filter(|(letter, _)| text.contains(*letter)).map(|(_, f)| f));
            }
            Own::Keywords => {
                let keywords = text.split_ascii_whitespace().filter_map(|word| Keyword::new(word).ok());
                self.flags.extend(keywords.map(Flag::Keyword));
            }
            Own::Uid => self.uid = number(text.trim()).and_then(|(uid, _)| Uid::new(uid)),
            Own::Base | Own::PseudoBase => {
                self.base = Base::parse(&text);
                self.is_pseudo = own == Own::PseudoBase;
            }
            Own::Delivery => {
                self.delivery = text.trim().split_once('/').and_then(|(queue_id, recipient)| {
                    Some(DeliveryId { queue_id: queue_id.parse().ok()?, recipient: recipient.parse().ok()? })
                });
            }
        }
    }

    /// The block for a header, lines ended by LF or CRLF.
    pub(super) fn block(&self, crlf: bool) -> Vec<u8> {
        self.columns(crlf, ROOM_BYTES).into_bytes()
    }

    /// The block in exactly as many octets; `None` when it does not fit.
    pub(super) fn block_of(&self, crlf: bool, bytes: usize) -> Option<Vec<u8>> {
        if let Some(block) = self.block_in_columns(crlf, bytes) {
            return Some(block);
        }
        let mut compact = self.compact(crlf);
        let end = if crlf { 2 } else { 1 };
        let room = bytes.checked_sub(compact.len())?;
        match compact.len().checked_sub(end) {
            Some(at) => compact.insert_str(at, &" ".repeat(room)),
            None if room > 0 => return None,
            None => {}
        }
        Some(compact.into_bytes())
    }

    /// The block in exactly as many octets, each flag in its column; `None` when it does not fit.
    pub(super) fn block_in_columns(&self, crlf: bool, bytes: usize) -> Option<Vec<u8>> {
        let room = bytes.checked_sub(self.columns(crlf, 0).len())?;
        Some(self.columns(crlf, room).into_bytes())
    }

    fn head_lines(&self, end: &str) -> String {
        let mut text = String::new();
        if let Some(DeliveryId { queue_id, recipient }) = &self.delivery {
            text += &format!("X-Postroom-Delivery: {queue_id}/{recipient}{end}");
        }
        if let Some(base) = &self.base {
            let name = if self.is_pseudo { "X-IMAP" } else { "X-IMAPbase" };
            text += &format!("{name}: {}{end}", base.value());
        }
        text
    }

    fn letter(&self, flag: &Flag, letter: char) -> Option<char> {
        self.flags.contains(flag).then_some(letter)
    }

    fn letters(&self) -> ([Option<char>; 2], [Option<char>; 4]) {
        let status = [self.letter(&Flag::Seen, 'R'), self.is_old.then_some('O')];
        let x_status = [
            self.letter(&Flag::Answered, 'A'),
            self.letter(&Flag::Flagged, 'F'),
            self.letter(&Flag::Draft, 'T'),
            self.letter(&Flag::Deleted, 'D'),
        ];
        (status, x_status)
    }

    fn keywords(&self) -> String {
        self.flags.keywords().iter().map(Keyword::as_str).collect::<Vec<_>>().join(" ")
    }

    /// Every flag in its column.
    fn columns(&self, crlf: bool, room: usize) -> String {
        let end = if crlf { "\r\n" } else { "\n" };
        let (status, x_status) = self.letters();
        let column = |letters: &[Option<char>]| -> String {
            letters.iter().map(|letter| letter.unwrap_or(' ')).collect()
        };
        let mut text = self.head_lines(end);
        if let Some(uid) = self.uid {
            text += &format!("X-UID: {:<10}{end}", uid.get());
        }
        text += &format!("Status: {}{end}X-Status: {}{end}", column(&status), column(&x_status));
        text + &format!("X-Keywords: {}{}{end}", self.keywords(), " ".repeat(room))
    }

    /// As short as it goes, as others write it.
    fn compact(&self, crlf: bool) -> String {
        let end = if crlf { "\r\n" } else { "\n" };
        let (status, x_status) = self.letters();
        let mut text = self.head_lines(end);
        if let Some(uid) = self.uid {
            text += &format!("X-UID: {}{end}", uid.get());
        }
        for (name, value) in [
            ("Status", status.into_iter().flatten().collect::<String>()),
            ("X-Status", x_status.into_iter().flatten().collect()),
            ("X-Keywords", self.keywords()),
        ] {
            if !value.is_empty() {
                text += &format!("{name}: {value}{end}");
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(text: &str) -> FlagSet {
        text.split_whitespace().map(|flag| flag.parse::<Flag>().unwrap()).collect()
    }

    fn read(block: &str) -> Marks {
        let mut marks = Marks::default();
        for line in block.lines() {
            let (name, value) = line.split_once(':').unwrap();
            marks.read(Own::from_name(name.as_bytes()).unwrap(), value.as_bytes());
        }
        marks
    }

    #[test]
    fn a_block_reads_back_at_every_length_it_fits() {
        let marks = Marks {
            delivery: Some(DeliveryId { queue_id: "0ADRZ1R2".parse().unwrap(), recipient: 3 }),
            base: Base::parse("1795305600 0000000012 work $Junk"),
            uid: Uid::new(12),
            flags: flags("\\Seen \\Flagged \\Draft work $Junk"),
            is_old: true,
            ..Marks::default()
        };
        let full = String::from_utf8(marks.block(false)).unwrap();
        assert_eq!(
            full,
            format!(
                "X-Postroom-Delivery: 0ADRZ1R2/3\nX-IMAPbase: 1795305600 0000000012 work $Junk\nX-UID: 12        \n\
                 Status: RO\nX-Status:  FT \nX-Keywords: $Junk work{}\n",
                " ".repeat(ROOM_BYTES)
            )
        );
        let shortest = marks.compact(false).len();
        for crlf in [false, true] {
            for bytes in shortest + 6..full.len() + 300 {
                let block = marks.block_of(crlf, bytes).unwrap_or_else(|| panic!("{bytes}"));
                assert_eq!(block.len(), bytes);
                assert_eq!(read(std::str::from_utf8(&block).unwrap()), marks);
            }
        }
        assert_eq!(marks.block_of(false, shortest - 1), None);
        assert_eq!(Marks::default().block_of(false, 0), Some(Vec::new()));
        assert_eq!(Marks::default().block_of(false, 1), None);
    }

    #[test]
    fn what_others_wrote_is_understood_and_nonsense_is_passed_over() {
        for (block, uid, seen, old, expected) in [
            ("X-UID: 7          \nStatus: RO\n", 7, true, true, "\\Seen"),
            ("Status: O\nX-Status: AFTD\nX-UID:8", 8, false, true, "\\Answered \\Flagged \\Draft \\Deleted"),
            ("X-UID: 9 x\nstatus : R\nX-STATUS:A", 9, true, false, "\\Seen \\Answered"),
            ("X-Keywords: a b] \\Seen c\nX-UID: 1", 1, false, false, "a c"),
            ("X-UID: x", 0, false, false, ""),
            ("X-UID: 5x", 0, false, false, ""),
            ("X-UID: 99999999999", 0, false, false, ""),
            ("X-UID: -1", 0, false, false, ""),
        ] {
            let marks = read(block);
            let mut expected = flags(expected);
            if seen {
                expected.insert(Flag::Seen);
            }
            assert_eq!(marks.uid.map_or(0, Uid::get), uid, "{block}");
            assert_eq!((marks.is_old, &marks.flags), (old, &expected), "{block}");
        }
        for (value, expected) in [
            ("1 2", Some((1, 2, ""))),
            (" 1234567890 0000000042   a  b ", Some((1_234_567_890, 42, "a b"))),
            ("0 1", None),
            ("1", None),
            ("1 x", None),
            ("1 2x", None),
            ("4294967296 1", None),
            ("", None),
        ] {
            let base = Base::parse(value);
            let found = base.as_ref().map(|base| (base.uid_validity.get(), base.last_uid, &*base.keywords));
            assert_eq!(found, expected, "{value}");
        }
    }

    #[test]
    fn a_field_is_known_as_soon_as_it_can_be_and_not_before() {
        for (line, expected) in [
            ("Status: RO", Verdict::Own(Own::Status)),
            ("STATUS:", Verdict::Own(Own::Status)),
            ("Status  \t : x", Verdict::Own(Own::Status)),
            ("X-UID: 1", Verdict::Own(Own::Uid)),
            ("X-UIDL: 1", Verdict::Message),
            ("X-IMAPbase: 1 2", Verdict::Own(Own::Base)),
            ("X-IMAP: 1 2", Verdict::Own(Own::PseudoBase)),
            ("Content-Length: 5", Verdict::Own(Own::ContentLength)),
            ("Content-Lengthy: 5", Verdict::Message),
            ("Status report", Verdict::Message),
            (" folded", Verdict::Continued),
            ("\tfolded", Verdict::Continued),
            ("Subject: Status: RO", Verdict::Message),
            ("X-Postroom-Delivery: A/1", Verdict::Own(Own::Delivery)),
            ("Status", Verdict::Message),
            ("", Verdict::Message),
        ] {
            let octets = line.as_bytes();
            assert_eq!(judge(octets, true), expected, "{line}");
            for end in 0..octets.len() {
                let early = judge(&octets[..end], false);
                assert!(early == Verdict::Unclear || early == expected, "{line} at {end}: {early:?}");
            }
        }
    }
}

//! The text of `dovecot-uidlist`: version 3 read and written, version 1 read.
//!
//! ```text
//! 3 V1795325990 N57 G0123…              UIDVALIDITY, next UID, and what we do not know, kept
//! 55 :1795325990.M735132P14291.vm,S=281,W=305
//! 56 W305 :1795325991.M11P2.vm:2,S      extensions before the colon are kept; flags in the name are not
//! ```
//!
//! UIDs ascend. A last line without its line end is a torn append: its UID was never told to anybody, and it
//! is passed over. A record behind whose UID something stands that does not read (the name of a file that is not
//! UTF-8, which is no message here) is kept as it is, and its UID is given to no other. Where a base comes twice the
//! later UID counts, and the earlier names nothing any more. A line in which no UID reads is passed over when another stands
//! behind it, with a UID above all that can have been in it. A header that does not read, such a line at the end, and UIDs that do
//! not ascend make the whole list worthless: a UID that was told might be lost in it and be given again, so the mailbox gets a new
//! UIDVALIDITY. Both are told ([`MaildirNotice`](super::MaildirNotice)).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use mail_message::{Uid, UidValidity};

/// The UIDs of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UidList {
    pub(super) uid_validity: UidValidity,
    next: Uid,
    /// Header fields other than V and N.
    header: String,
    records: BTreeMap<Uid, Record>,
    by_base: HashMap<Arc<str>, Uid>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Record {
    Message {
        /// Extensions, with a space after each.
        extensions: String,
        base: Arc<str>,
    },
    /// What does not read behind the UID, as version 3 has it.
    Unread(Vec<u8>),
}

/// A list as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) list: UidList,
    /// Whether nothing may be appended to the file: it ends in a torn line, or is of an older version.
    pub(super) needs_rewrite: bool,
    /// How many lines were passed over since no UID reads in them.
    pub(super) passed_over: usize,
}

impl UidList {
    /// A list without messages.
    pub(super) fn new(uid_validity: UidValidity) -> Self {
        Self {
            uid_validity,
            next: Uid::MIN,
            header: String::new(),
            records: BTreeMap::new(),
            by_base: HashMap::new(),
        }
    }

    /// Reads a list; `None` when it is worthless.
    pub(super) fn parse(data: &[u8]) -> Option<Parsed> {
        let whole = data.iter().rposition(|&octet| octet == b'\n').map_or(0, |at| at + 1);
        // A CR is part of a file's name here, not of the line end.
        let mut lines =
            data[..whole].split_inclusive(|&octet| octet == b'\n').map(|line| &line[..line.len() - 1]);
        let header = std::str::from_utf8(lines.next()?).ok()?;
        let (version, rest) = header.split_once(' ')?;
        let mut list = match version {
            "3" => Self::parse_header(rest)?,
            "1" => {
                let (uid_validity, next) = rest.split_once(' ')?;
                let mut list = Self::new(UidValidity::new(uid_validity.parse().ok()?)?);
                list.next = Uid::new(next.trim_end().parse().ok()?)?;
                list
            }
            _ => return None,
        };
        let (mut passed_over, mut unread) = (0, 0);
        for line in lines {
            let Some((uid, rest)) = split_uid(line) else {
                unread += 1;
                continue;
            };
            let mut rest = rest.to_vec();
            if version == "1" {
                rest.insert(0, b':');
            }
            if !list.insert(uid, Record::parse(rest)) {
                return None;
            }
            // What stood in them was less than this one's, and so is not given again.
            passed_over += std::mem::take(&mut unread);
        }
        let needs_rewrite = whole != data.len() || version != "3" || passed_over > 0;
        (unread == 0).then_some(Parsed { list, needs_rewrite, passed_over })
    }

    fn parse_header(fields: &str) -> Option<Self> {
        let (mut uid_validity, mut next, mut header) = (None, None, String::new());
        for field in fields.split_ascii_whitespace() {
            match field.split_at_checked(1)? {
                ("V", value) => uid_validity = Some(UidValidity::new(value.parse().ok()?)?),
                ("N", value) => next = Some(Uid::new(value.parse().ok()?)?),
                _ => {
                    header.push(' ');
                    header.push_str(field);
                }
            }
        }
        let mut list = Self::new(uid_validity?);
        list.next = next?;
        list.header = header;
        Some(list)
    }

    /// Adds a record; false when UIDs do not ascend, or are used up.
    fn insert(&mut self, uid: Uid, record: Record) -> bool {
        if self.records.last_key_value().is_some_and(|(&last, _)| uid <= last) {
            return false;
        }
        // 2³²−1 is never given, so that a next one always exists.
        let Some(next) = uid.next() else { return false };
        self.next = self.next.max(next);
        if let Some(base) = record.base()
            && let Some(earlier) = self.by_base.insert(base.clone(), uid)
        {
            self.records.remove(&earlier);
        }
        self.records.insert(uid, record);
        true
    }

    /// The text of the whole list.
    pub(super) fn text(&self) -> Vec<u8> {
        let mut text = format!("3 V{} N{}{}\n", self.uid_validity, self.next, self.header).into_bytes();
        for (uid, record) in &self.records {
            record.write(*uid, &mut text);
        }
        text
    }

    /// Gives the next UID to each of `bases`, in order, and returns the lines to append. `None` when UIDs are
    /// used up; the list is then unchanged.
    pub(super) fn assign(&mut self, bases: &[Arc<str>]) -> Option<Vec<u8>> {
        let count = u32::try_from(bases.len()).ok()?;
        Uid::new(self.next.get().checked_add(count)?)?;
        let mut text = Vec::new();
        for base in bases {
            let (uid, record) =
                (self.next, Record::Message { extensions: String::new(), base: base.clone() });
            record.write(uid, &mut text);
            self.insert(uid, record);
        }
        Some(text)
    }

    /// Takes back the UIDs from `next` on, which nobody was told.
    pub(super) fn take_back(&mut self, next: Uid) {
        self.next = next;
        for record in self.records.split_off(&next).into_values() {
            record.base().and_then(|base| self.by_base.remove(base));
        }
    }

    /// The names of all messages.
    pub(super) fn bases(&self) -> impl Iterator<Item = &str> {
        self.records.values().filter_map(Record::base).map(|base| &**base)
    }

    /// Raises the next UID to at least `floor`.
    pub(super) fn raise_next(&mut self, floor: Uid) {
        self.next = self.next.max(floor);
    }

    /// Drops the records whose base `keep` refuses; what did not read stays.
    pub(super) fn retain(&mut self, keep: impl Fn(&str) -> bool) {
        self.records.retain(|_, record| record.base().is_none_or(|base| keep(base)));
        self.by_base.retain(|base, _| keep(base));
    }

    /// A UID above all that were given.
    pub(super) fn next(&self) -> Uid {
        self.next
    }

    /// The UID of a message.
    pub(super) fn uid(&self, base: &str) -> Option<Uid> {
        self.by_base.get(base).copied()
    }

    /// What another server has told POP3 clients to know messages by: the extension `P`. One that is empty means the name of
    /// the file.
    pub(super) fn pop3_uidls(&self) -> impl Iterator<Item = (Uid, &str)> {
        self.records.iter().filter_map(|(&uid, record)| match record {
            Record::Message { extensions, base } => {
                let uidl = extensions.split(' ').find_map(|extension| extension.strip_prefix('P'))?;
                Some((uid, if uidl.is_empty() { base } else { uidl }))
            }
            Record::Unread(_) => None,
        })
    }

    /// How many messages are named from one UID to another.
    pub(super) fn count(&self, first: Uid, last: Uid) -> usize {
        if first > last {
            return 0;
        }
        self.records.range(first..=last).filter(|(_, record)| record.base().is_some()).count()
    }

    /// How many messages are named.
    pub(super) fn len(&self) -> usize {
        self.by_base.len()
    }
}

/// The UID of a line, and what stands behind it.
fn split_uid(line: &[u8]) -> Option<(Uid, &[u8])> {
    let space = line.iter().position(|&octet| octet == b' ')?;
    let uid = std::str::from_utf8(&line[..space]).ok()?.parse().ok()?;
    Some((Uid::new(uid)?, &line[space + 1..]))
}

impl Record {
    /// Reads what stands behind a UID.
    fn parse(rest: Vec<u8>) -> Self {
        let message = std::str::from_utf8(&rest).ok().and_then(|text| {
            let colon = if text.starts_with(':') { 0 } else { text.find(" :")? + 1 };
            let (extensions, name) = (&text[..colon], &text[colon + 1..]);
            let base = name.split(':').next().unwrap_or(name);
            let is_name = !base.is_empty() && !base.contains(['/', '\0']) && !extensions.contains('\0');
            is_name.then(|| Self::Message { extensions: extensions.to_owned(), base: base.into() })
        });
        message.unwrap_or(Self::Unread(rest))
    }

    /// The part of the file's name that never changes.
    fn base(&self) -> Option<&Arc<str>> {
        match self {
            Self::Message { base, .. } => Some(base),
            Self::Unread(_) => None,
        }
    }

    /// Adds its line.
    fn write(&self, uid: Uid, text: &mut Vec<u8>) {
        text.extend_from_slice(format!("{uid} ").as_bytes());
        match self {
            Self::Message { extensions, base } => {
                text.extend_from_slice(format!("{extensions}:{base}").as_bytes());
            }
            Self::Unread(rest) => text.extend_from_slice(rest),
        }
        text.push(b'\n');
    }
}

/// Reads any octets as a list; what is read must read the same when it is written again. For fuzzing.
#[doc(hidden)]
pub fn fuzz_uidlist(data: &[u8]) {
    if let Some(Parsed { list, .. }) = UidList::parse(data) {
        let again = UidList::parse(&list.text());
        assert_eq!(again, Some(Parsed { list, needs_rewrite: false, passed_over: 0 }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn uid(raw: u32) -> Uid {
        Uid::new(raw).unwrap()
    }

    #[test]
    fn a_name_that_ends_in_cr_keeps_it() {
        let data = b"3 V1 N2\n1 :a\r\n";
        assert_eq!(UidList::parse(data).unwrap().list.uid("a\r"), Some(uid(1)));
        fuzz_uidlist(data);
    }

    const V3: &str = "3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1\n\
        25006 :1276528487.M364837P9451.kurkku,S=1355,W=1394:2,\n\
        25017 W2481 :1276533073.M242911P3632.kurkku:2,F\n";

    #[test]
    fn version_3_reads_and_writes_with_what_it_does_not_know() {
        let Parsed { mut list, needs_rewrite, .. } = UidList::parse(V3.as_bytes()).unwrap();
        assert!(!needs_rewrite);
        assert_eq!(list.uid_validity.get(), 1_275_660_208);
        assert_eq!(list.next(), uid(25022));
        assert_eq!(list.uid("1276533073.M242911P3632.kurkku"), Some(uid(25017)));
        let appended = list.assign(&["1.a.b".into(), "2.c.d".into()]).unwrap();
        assert_eq!(appended, b"25022 :1.a.b\n25023 :2.c.d\n");
        assert_eq!(
            String::from_utf8(list.text()).unwrap(),
            "3 V1275660208 N25024 G3085f01b7f11094c501100008c4a11c1\n\
             25006 :1276528487.M364837P9451.kurkku,S=1355,W=1394\n\
             25017 W2481 :1276533073.M242911P3632.kurkku\n25022 :1.a.b\n25023 :2.c.d\n"
        );
    }

    #[test]
    fn what_pop3_clients_know_messages_by_is_told() {
        let list =
            UidList::parse(b"3 V1 N9\n1 W3 Pone O2 :1.host\n2 :2.host\n4 P :4.host,S=5:2,S\n").unwrap().list;
        assert_eq!(list.pop3_uidls().collect::<Vec<_>>(), [(uid(1), "one"), (uid(4), "4.host,S=5")]);
    }

    #[test]
    fn version_1_is_read_and_must_be_rewritten() {
        let Parsed { list, needs_rewrite, .. } = UidList::parse(b"1 77 5\n3 1.a.b\n4 2.c.d:2,S\n").unwrap();
        assert!(needs_rewrite);
        assert_eq!((list.uid_validity.get(), list.next(), list.len()), (77, uid(5), 2));
        assert_eq!(list.uid("2.c.d"), Some(uid(4)));
    }

    #[test]
    fn the_next_uid_never_goes_back_when_records_go() {
        let mut list = UidList::parse(V3.as_bytes()).unwrap().list;
        list.retain(|_| false);
        assert_eq!(list.text(), b"3 V1275660208 N25022 G3085f01b7f11094c501100008c4a11c1\n");
        list.raise_next(uid(30000));
        list.raise_next(uid(5));
        assert_eq!(list.next(), uid(30000));
        let records_above = UidList::parse(b"3 V1 N2\n9 :a\n").unwrap().list;
        assert_eq!(records_above.next(), uid(10));
    }

    #[test]
    fn a_torn_last_line_is_passed_over_and_anything_else_is_worthless() {
        for end in V3.rfind("25017").unwrap() + 1..V3.len() {
            let torn = UidList::parse(&V3.as_bytes()[..end]).unwrap();
            assert_eq!((torn.list.len(), torn.needs_rewrite), (1, true));
        }
        for bad in [
            "",
            "3",
            "3 V1 N1",
            "3 V1\n",
            "3 N1\n",
            "3 V0 N1\n",
            "2 V1 N1\n",
            "1 1\n",
            "3 V1 N1\n5 :a\n5 :b\n",
            "3 V1 N1\n6 :a\n5 :b\n",
            "3 V1 N1\nx :a\n",
            "3 V1 N1\n4294967295 :a\n",
            "3 V1 N1\n\u{0}\u{0}\n",
        ] {
            assert_eq!(UidList::parse(bad.as_bytes()), None, "{bad:?}");
        }
    }

    /// The UID that was in it is less than one behind it: it cannot be given again.
    #[test]
    fn a_line_without_a_uid_costs_no_other_message_its_own() {
        for bad in ["xx broken line", "", "\0\0\0", "7"] {
            let text = format!("3 V1 N3\n1 :a\n{bad}\n9 :b\n");
            let Parsed { list, needs_rewrite, passed_over } = UidList::parse(text.as_bytes()).unwrap();
            assert_eq!((list.uid("a"), list.uid("b"), list.next()), (Some(uid(1)), Some(uid(9)), uid(10)));
            assert_eq!((needs_rewrite, passed_over), (true, 1), "{bad:?}");
        }
    }

    #[test]
    fn a_record_that_does_not_read_stays_and_keeps_its_uid() {
        for odd in
            [&b"5 a"[..], b"5 :", b"5 :a/b", b"5 :\0", b"5 W3 :1.h\xf6st:2,S", b"5 \xff :1.host", b"5 "]
        {
            let data = [b"3 V1 N1\n4 :a\n", odd, b"\n"].concat();
            let Parsed { mut list, needs_rewrite, .. } = UidList::parse(&data).unwrap();
            assert!(!needs_rewrite);
            assert_eq!((list.next(), list.len(), list.uid("a")), (uid(6), 1, Some(uid(4))));
            list.retain(|_| false);
            assert_eq!(list.text(), [b"3 V1 N6\n", odd, b"\n"].concat());
        }
        let of_version_1 = UidList::parse(b"1 1 1\n5 1.h\xf6st\n").unwrap().list;
        assert_eq!(of_version_1.text(), b"3 V1 N6\n5 :1.h\xf6st\n");
    }

    #[test]
    fn a_message_that_is_named_twice_has_the_later_uid() {
        let mut list = UidList::parse(b"3 V1 N1\n5 :a\n6 :b\n7 :a\n").unwrap().list;
        assert_eq!((list.len(), list.uid("a")), (2, Some(uid(7))));
        assert_eq!(list.text(), b"3 V1 N8\n6 :b\n7 :a\n");
        list.take_back(uid(7));
        assert_eq!((list.len(), list.uid("a")), (1, None));
    }

    #[test]
    fn the_last_uid_is_never_given() {
        let mut list = UidList::parse(b"3 V1 N4294967293\n").unwrap().list;
        assert!(list.assign(&["a".into(), "b".into(), "c".into()]).is_none());
        assert_eq!(list.len(), 0);
        assert!(list.assign(&["a".into(), "b".into()]).is_some());
        assert_eq!(list.next(), Uid::MAX);
        assert!(list.assign(&["c".into()]).is_none());
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_panic(data in prop::collection::vec(any::<u8>(), 0..200)) {
            fuzz_uidlist(&data);
            fuzz_uidlist(&[b"3 V1 N2 Gx\n", &data[..]].concat());
        }

        #[test]
        fn likely_texts_read_the_same_when_written(data in "3 V[0-9]{1,3} N[0-9]{1,3}\n([0-9]{1,2} (W[0-9] ){0,2}:[a-c:,]{0,4}\n){0,5}") {
            fuzz_uidlist(data.as_bytes());
        }
    }
}

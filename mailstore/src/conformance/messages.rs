//! How messages come in, and that they come out as they were.

use bytes::Bytes;
use mail_message::FlagSet;

use super::Case;
use super::tools::{
    Broken, DATE, Outcome, Subject, append, append_flagged, deliver, delivery, ensure, entry, flags, inbox,
    message, name, open, read, read_through, refused, same, shown, uids_of,
};
use crate::batch::{self, Arrival};
use crate::error::{ErrorKind, Result, StoreError};
use crate::store::{Delivered, MessageReader};
use crate::summary::Summary;

pub(super) const CASES: &[Case] = &[
    Case { name: "messages::an_appended_message_reads_back", run: reads_back },
    Case { name: "messages::any_range_can_be_read_in_any_order", run: ranges },
    Case { name: "messages::bare_line_feeds_are_read_as_crlf", run: line_feeds },
    Case { name: "messages::the_last_line_end_is_told", run: terminated },
    Case { name: "messages::a_summary_is_that_of_the_octets", run: summary },
    Case { name: "messages::several_are_appended_together", run: together },
    Case { name: "messages::what_was_not_committed_is_never_seen", run: aborted },
    Case { name: "messages::append_needs_a_mailbox", run: no_mailbox },
    Case { name: "messages::a_delivery_is_header_and_body", run: delivered },
    Case { name: "messages::a_delivery_is_made_once", run: once },
    Case { name: "messages::no_delivery_takes_the_place_of_another", run: taken },
    Case { name: "messages::a_delivery_that_fails_is_never_seen", run: failed_delivery },
    Case { name: "messages::staged_deliveries_are_committed_together", run: staged },
    Case { name: "messages::deliveries_that_come_together_fail_alone", run: staged_together },
];

fn reads_back(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let uids = append_flagged(&*store, &inbox(), &[3], "\\Seen $Work")?;
    for _ in 0..2 {
        let store = subject.store()?;
        let mut mailbox = open(&*store, &inbox())?;
        same("the UIDs of the mailbox", uids_of(&*mailbox), &uids[..])?;
        same("its octets", read(&mut *mailbox, uids[0])?, message(3))?;
        same("its flags", shown(&*mailbox, uids[0])?, flags("$work \\Seen")?)?;
        let meta = mailbox.meta(uids[0])?;
        same("its size", meta.size_bytes, message(3).len() as u64)?;
        same("its date", meta.internal_date, DATE)?;
    }
    Ok(())
}

fn ranges(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let uids = append(&*store, &inbox(), &[4])?;
    let whole = message(4);
    let mut reader = open(&*store, &inbox())?.message(uids[0])?;
    for from in (0..whole.len() + 3).rev().chain(0..whole.len() + 3) {
        for length in [0, 1, 7, whole.len() + 1] {
            let mut buf = vec![0; length];
            let n = reader.read_at(from as u64, &mut buf)?;
            let rest = whole.get(from..).unwrap_or_default();
            same("a range", &buf[..n], &rest[..rest.len().min(length)])?;
        }
    }
    Ok(())
}

fn line_feeds(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let mut append = store.append(&inbox())?;
    append.begin(&FlagSet::new(), Some(DATE))?;
    // CR and LF come apart, and an LF comes first.
    for piece in ["\n", "Subject: x\r", "\n\na\n\n", "b\r\n", "\n"] {
        append.write(piece.as_bytes())?;
    }
    let uid = append.commit()?.uids[0];
    let mut mailbox = open(&*store, &inbox())?;
    let expected = b"\r\nSubject: x\r\n\r\na\r\n\r\nb\r\n\r\n";
    same("its octets", read(&mut *mailbox, uid)?, &expected[..])?;
    same("its size", mailbox.meta(uid)?.size_bytes, expected.len() as u64)
}

fn terminated(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    for text in ["A: b\r\n\r\nends\r\n", "A: b\r\n\r\ndoes not"] {
        let mut append = store.append(&inbox())?;
        append.write(text.as_bytes())?;
        let uid = append.commit()?.uids[0];
        let mut mailbox = open(&*store, &inbox())?;
        let octets = read(&mut *mailbox, uid)?;
        same("whether it ends in a line end", mailbox.is_terminated(uid)?, octets.ends_with(b"\n"))?;
        // A store may end the last line of a message, and do nothing else to it.
        let ended = format!("{text}\r\n").into_bytes();
        ensure(octets == text.as_bytes() || octets == ended, "the message is what was appended")?;
    }
    Ok(())
}

fn summary(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let uid = append(&*store, &inbox(), &[2])?[0];
    let mut mailbox = open(&*store, &inbox())?;
    let expected = Summary::read(&mut Bytes::from(message(2)))?;
    for _ in 0..2 {
        same("its summary", &*mailbox.summary(uid)?, &expected)?;
    }
    same("its summary in another session", &*open(&*store, &inbox())?.summary(uid)?, &expected)
}

fn together(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let mut append = store.append(&inbox())?;
    for (number, with) in [(1, ""), (2, "\\Flagged"), (3, ""), (4, "\\Seen work")] {
        append.begin(&flags(with)?, Some(DATE))?;
        append.write(&message(number))?;
    }
    let before = open(&*store, &inbox())?;
    ensure(before.entries().is_empty(), "nothing is seen before the commit")?;
    let appended = append.commit()?;
    let mut mailbox = open(&*store, &inbox())?;
    same("UIDVALIDITY", appended.uid_validity, mailbox.uid_validity())?;
    same("the UIDs, in the order of the messages", uids_of(&*mailbox), &appended.uids[..])?;
    for (&uid, number) in appended.uids.iter().zip(1..) {
        same("the message at its place", read(&mut *mailbox, uid)?, message(number))?;
    }
    same("flags of the last", shown(&*mailbox, appended.uids[3])?, flags("\\Seen work")?)?;
    let none = store.append(&inbox())?.commit()?;
    same("the UIDs of no messages", none.uids.len(), 0)
}

fn aborted(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let mut aborted = store.append(&inbox())?;
    aborted.begin(&flags("\\Seen")?, None)?;
    aborted.write(&message(1))?;
    aborted.abort();
    let mut dropped = store.append(&inbox())?;
    dropped.write(&message(2))?;
    drop(dropped);
    same("messages in the mailbox", open(&*store, &inbox())?.entries().len(), 0)?;
    same("messages after a restart", open(&*subject.store()?, &inbox())?.entries().len(), 0)
}

fn no_mailbox(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let absent = name("absent")?;
    refused("appending to a mailbox that is not there", store.append(&absent), ErrorKind::NoSuchMailbox)?;
    let mut body = Bytes::from(message(1));
    let delivered = store.deliver(&absent, &delivery(1, 0, false)?, &mut body);
    refused("delivering to it", delivered, ErrorKind::NoSuchMailbox)?;
    store.create(&absent)?;
    let mut append = store.append(&absent)?;
    append.write(&message(1))?;
    store.delete(&absent)?;
    ensure(append.commit().is_err(), "a commit fails when the mailbox was deleted meanwhile")?;
    same("how many mailboxes there are", store.list()?.len(), 1)
}

fn delivered(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let mut session = open(&*store, &inbox())?;
    same("the delivery", deliver(&*store, &inbox(), 7)?, Delivered::Stored)?;
    let new = session.refresh()?.new;
    same("messages told as new", new.len(), 1)?;
    let uid = new[0].uid;
    same("its flags", &new[0].flags, &FlagSet::new())?;
    let expected = [b"Return-Path: <a@example.org>\r\n", &message(7)[..]].concat();
    same("its octets", read(&mut *session, uid)?, expected)?;
    same("its date", session.meta(uid)?.internal_date, DATE)?;
    ensure(entry(&*session, uid)?.recent, "the first session is told that it is recent")
}

fn once(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let attempt = |recipient, maybe| -> Outcome<Delivered> {
        let mut body = Bytes::from(message(1));
        Ok(subject.store()?.deliver(&inbox(), &delivery(1, recipient, maybe)?, &mut body)?)
    };
    same("the first attempt", attempt(0, false)?, Delivered::Stored)?;
    same("another attempt", attempt(0, true)?, Delivered::AlreadyThere)?;
    let mut session = open(&*store, &inbox())?;
    same("messages", session.entries().len(), 1)?;
    same("an attempt after it was seen", attempt(0, true)?, Delivered::AlreadyThere)?;
    let uids = session.entries().iter().map(|entry| entry.uid).collect();
    session.set_flags(&uids, crate::store::FlagChange::Add, &flags("\\Seen work")?, None)?;
    same("an attempt after it was marked", attempt(0, true)?, Delivered::AlreadyThere)?;
    same("another recipient's", attempt(1, true)?, Delivered::Stored)?;
    same("messages told as new", session.refresh()?.new.len(), 1)
}

/// Two messages under one id, which is their caller's fault: the one that was stored stays.
fn taken(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let attempt = |octet: u8| -> Outcome<Result<Delivered>> {
        let mut body = Bytes::from([b"Subject: x\r\n\r\n", &[octet; 20][..], b"\r\n"].concat());
        Ok(store.deliver(&inbox(), &delivery(1, 0, false)?, &mut body))
    };
    same("the first message", attempt(b'1')??, Delivered::Stored)?;
    let second = attempt(b'2')?;
    let mut session = open(&*store, &inbox())?;
    let uids: Vec<_> = session.entries().iter().map(|entry| entry.uid).collect();
    ensure(read(&mut *session, uids[0])?.ends_with(b"11\r\n"), "the first message stays")?;
    match second {
        Ok(outcome) => {
            same("the second message", outcome, Delivered::Stored)?;
            same("messages", uids.len(), 2)
        }
        Err(error) => {
            same("why the second is not stored", error.kind(), ErrorKind::DuplicateDelivery)?;
            same("messages", uids.len(), 1)
        }
    }
}

/// A body that cannot be read to its end.
struct Torn(Bytes);

impl MessageReader for Torn {
    fn size_bytes(&self) -> u64 {
        self.0.len() as u64 + 1000
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> Result<usize> {
        if offset >= self.0.len() as u64 {
            return Err(StoreError::new(ErrorKind::Backlog, "reading a body", "this one ends early"));
        }
        self.0.read_at(offset, buf)
    }
}

fn failed_delivery(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let mut torn = Torn(Bytes::from(message(1)));
    let result = store.deliver(&inbox(), &delivery(1, 0, false)?, &mut torn);
    refused("a body that cannot be read", result, ErrorKind::Backlog)?;
    same("messages", open(&*store, &inbox())?.entries().len(), 0)?;
    same("the next attempt", deliver(&*store, &inbox(), 1)?, Delivered::Stored)?;
    same("messages then", open(&*store, &inbox())?.entries().len(), 1)
}

fn staged_together(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let (inbox, other) = (inbox(), name("other")?);
    store.create(&other)?;
    same("the first attempt", deliver(&*store, &inbox, 2)?, Delivered::Stored)?;
    let mut bodies: Vec<Box<dyn MessageReader>> =
        (1..=5).map(|number| Box::new(Bytes::from(message(number))) as Box<dyn MessageReader>).collect();
    bodies[2] = Box::new(Torn(Bytes::from(message(3))));
    let mut arrivals = Vec::new();
    for (number, body) in (1..=5).zip(&mut bodies) {
        let delivery = delivery(number, 0, number == 2)?;
        let mailbox = if number == 4 { &other } else { &inbox };
        arrivals.push(Arrival { mailbox, delivery, body: &mut **body });
    }
    let staged = store.stage_all(&mut arrivals);
    same("results", staged.len(), 5)?;
    for (number, staged) in (1..=5).zip(staged) {
        let mut ended = match staged {
            Ok(staged) => batch::commit([staged]),
            Err(error) => vec![Err(error)],
        };
        let ended = ended.pop().ok_or_else(|| Broken("a delivery did not end".into()))?;
        match number {
            2 => same("one that was there", ended?, Delivered::AlreadyThere)?,
            3 => refused("a body that cannot be read", ended, ErrorKind::Backlog)?,
            _ => same("the others", ended?, Delivered::Stored)?,
        }
    }
    same("messages in INBOX", open(&*store, &inbox)?.entries().len(), 3)?;
    same("messages in the other mailbox", open(&*store, &other)?.entries().len(), 1)?;
    same("the next attempt", deliver(&*store, &inbox, 3)?, Delivered::Stored)?;
    same("messages then", open(&*store, &inbox)?.entries().len(), 4)
}

fn staged(subject: &Subject<'_>) -> Outcome {
    let store = subject.store()?;
    let other = name("other")?;
    store.create(&other)?;
    let mut batch = Vec::new();
    for (to, number) in [(inbox(), 1), (other.clone(), 2), (inbox(), 3)] {
        batch.push(store.stage(&to, &delivery(number, 0, false)?, &mut Bytes::from(message(number)))?);
    }
    for result in batch::commit(batch) {
        same("how each ended", result?, Delivered::Stored)?;
    }
    same("messages in INBOX", open(&*store, &inbox())?.entries().len(), 2)?;
    let mut mailbox = open(&*store, &other)?;
    let uid = uids_of(&*mailbox);
    same("messages in the other mailbox", uid.len(), 1)?;
    let octets = read_through(&mut *mailbox.message(uid[0])?)?;
    ensure(octets.ends_with(&message(2)), "it is the message that was delivered there")
}

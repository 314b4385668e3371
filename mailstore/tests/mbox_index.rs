//! The index of an mbox: what it spares, what survives a restart, that no octet of it is believed that is wrong, and that
//! what other programs do to the file is noticed before anything wrong is told; but for a message that is rewritten where
//! it was, at the same length under the same UID, before it is scanned again (Departures of the `mbox` module).
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failure here is a failed test, and it shows how much it has tried"
)]

mod common;

use std::path::Path;
use std::time::Duration;

use common::answers::{Answers, NESTED, answers};
use common::clients::Client;
use common::{append, flags, inbox, mbox, message, name, read_all, uid, uids};
use mail_message::{ModSeq, Uid};
use mailstore::fs::{Fs, OpenMode, SimFs};
use mailstore::mbox::MboxStore;
use mailstore::{Access, Expunge, FlagChange, Mailbox, Store};

const INBOX: &str = "/var/mail/alice";
const INDEX: &str = "/home/alice/mail/.imap/.postroom/INBOX.index";
const FROM: &str = "From x@y Sun Nov 22 14:13:11 2026\n";

/// What each message reads as.
fn contents(mailbox: &mut dyn Mailbox) -> Vec<(Uid, Vec<u8>)> {
    let entries = mailbox.entries().to_vec();
    let read =
        |entry: mailstore::Entry| (entry.uid, read_all(&mut *mailbox.message(entry.uid).unwrap()).unwrap());
    entries.into_iter().map(read).collect()
}

fn open(store: &MboxStore) -> Box<dyn Mailbox> {
    store.open(&inbox(), Access::ReadWrite).unwrap()
}

fn text(fs: &SimFs) -> String {
    String::from_utf8(mailstore::fs::read(fs, Path::new(INBOX)).unwrap()).unwrap()
}

/// Puts other octets in place of a file, as another program does; with the time that the file had, if `quietly`.
fn replace(fs: &SimFs, path: &str, octets: &[u8], quietly: bool) {
    let mut file = fs.open(Path::new(path), OpenMode::Append).unwrap();
    let mtime = file.metadata().unwrap().mtime;
    file.set_len(0).unwrap();
    file.append(octets).unwrap();
    if quietly {
        file.set_mtime(mtime).unwrap();
    }
}

/// Four messages, one of them nested and one of another program, of a size of its own and with keywords that do not
/// fit into the index; then one goes.
fn filled(fs: &SimFs) -> MboxStore {
    let store = mbox(fs, 1).unwrap();
    append(&store, &inbox(), &message(1), &flags("\\Seen")).unwrap();
    append(&store, &inbox(), &[NESTED, &b"\r\n"[..]].concat(), &flags("work \\Flagged")).unwrap();
    append(&store, &inbox(), &message(3), &flags("")).unwrap();
    let mut file = fs.open(Path::new(INBOX), OpenMode::Append).unwrap();
    file.append(format!("{FROM}Subject: lf\n\n>From line\n.\n\n").as_bytes()).unwrap();
    let mut mailbox = open(&store);
    answers(&mut *mailbox);
    assert_eq!(mailbox.expunge(&uids(&[3]), Expunge::Any).unwrap(), [uid(3)]);
    store
}

/// How much is read of the mailbox while it is opened and asked, and what it answers.
fn reads(fs: &SimFs, pid: u32) -> (usize, Answers) {
    let store = mbox(fs, pid).unwrap();
    let before = fs.log().len();
    let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
    let answers = answers(&mut *mailbox);
    let log = fs.log().split_off(before);
    (log.iter().filter(|op| op.name == "read" && op.path == Path::new(INBOX)).count(), answers)
}

#[test]
fn once_indexed_no_message_is_read_and_a_quiet_file_is_not_scanned() {
    let fs = SimFs::new();
    drop(filled(&fs));
    let store = mbox(&fs, 2).unwrap();
    for number in 10..60 {
        append(&store, &inbox(), &message(number), &flags("work")).unwrap();
    }
    let expected = answers(&mut *open(&store));
    fs.advance(Duration::from_secs(3));
    // After a change every message is looked at where it was, then not even that.
    let (looked, found) = reads(&fs, 3);
    assert_eq!(found, expected);
    let (settled, found) = reads(&fs, 4);
    assert_eq!(found, expected);
    assert!(looked > 53 && settled < 12, "{looked} and {settled} reads");
    // What others do is noticed all the same.
    fs.open(Path::new(INBOX), OpenMode::Append)
        .unwrap()
        .append(format!("{FROM}A: b\n\nx\n\n").as_bytes())
        .unwrap();
    assert_eq!(open(&store).entries().len(), expected.len() + 1);
}

#[test]
fn mod_sequences_and_removals_survive_a_restart() {
    let fs = SimFs::new();
    let store = filled(&fs);
    let mut mailbox = open(&store);
    let before = Client::of(&*mailbox);
    let stored = mailbox.set_flags(&uids(&[1]), FlagChange::Add, &flags("\\Answered"), None).unwrap();
    let modseq = stored.messages[0].modseq;
    assert!(modseq > before.highest && mailbox.highest_modseq() == modseq);
    // What is set already is no change.
    let again = mailbox.set_flags(&uids(&[1]), FlagChange::Add, &flags("\\Answered"), None).unwrap();
    assert_eq!((again.messages[0].modseq, mailbox.highest_modseq()), (modseq, modseq));
    mailbox.expunge(&uids(&[2]), Expunge::Any).unwrap();
    let (entries, highest) = (mailbox.entries().to_vec(), mailbox.highest_modseq());
    assert!(highest > modseq && entries.iter().all(|entry| entry.modseq < highest), "the others only moved");
    drop((mailbox, store));
    let store = mbox(&fs, 2).unwrap();
    let mailbox = open(&store);
    assert_eq!((mailbox.entries(), mailbox.highest_modseq()), (&entries[..], highest));
    assert_eq!(mailbox.vanished_since(before.highest), Some(uids(&[2])));
    assert_eq!(mailbox.vanished_since(highest), Some(uids(&[])));
    assert_eq!(mailbox.vanished_since(ModSeq::ZERO), None);
}

#[test]
fn unchanged_since_leaves_what_another_session_or_program_has_changed() {
    let fs = SimFs::new();
    let store = filled(&fs);
    let (mut one, mut two) = (open(&store), open(&store));
    let known = one.highest_modseq();
    assert_eq!(known, two.highest_modseq());
    let first = one.set_flags(&uids(&[1]), FlagChange::Add, &flags("\\Draft"), Some(known)).unwrap();
    assert_eq!((first.messages.len(), first.modified), (1, uids(&[])));
    // Another program, which tells nobody.
    replace(&fs, INBOX, text(&fs).replace("X-Status:  F  \n", "X-Status: AF  \n").as_bytes(), false);
    let second = two.set_flags(&uids(&[1, 2, 4]), FlagChange::Add, &flags("\\Deleted"), Some(known)).unwrap();
    assert_eq!(common::told(&second.messages), [(uid(4), flags("\\Deleted"))]);
    assert_eq!(second.modified, uids(&[1, 2]));
    assert!(second.messages[0].modseq > first.messages[0].modseq, "each STORE has its own");
    let told = two.refresh().unwrap().flags;
    assert_eq!(
        common::told(&told),
        [(uid(1), flags("\\Seen \\Draft")), (uid(2), flags("\\Flagged \\Answered work"))]
    );
    assert!(told.iter().all(|changed| changed.modseq > known));
}

#[test]
fn every_octet_may_be_lost_or_wrong() {
    let fs = SimFs::new();
    let store = filled(&fs);
    let mut mailbox = open(&store);
    mailbox.set_flags(&uids(&[1, 2]), FlagChange::Add, &flags("\\Answered"), None).unwrap();
    let (expected, client) = (answers(&mut *mailbox), Client::of(&*mailbox));
    drop(mailbox);
    fs.advance(Duration::from_secs(3));
    // With the stamp of a quiet file.
    drop(open(&store));
    let read = contents(&mut *open(&store));
    let whole = mailstore::fs::read(&fs, Path::new(INDEX)).unwrap();
    let mut damaged: Vec<Vec<u8>> = (0..whole.len()).map(|cut| whole[..cut].to_vec()).collect();
    for at in 0..whole.len() {
        for octet in [whole[at] ^ 1, !whole[at], 0] {
            let mut octets = whole.clone();
            octets[at] = octet;
            damaged.push(octets);
        }
    }
    for len in [1, 16, 512] {
        damaged.push([&whole[..], &vec![0; len]].concat());
        damaged.push([&whole[..], &whole[..len]].concat());
        damaged.push([&whole[..whole.len() / 2], &whole[whole.len() / 2 + len..]].concat());
    }
    let mut raised = 0;
    for (number, octets) in damaged.iter().enumerate() {
        let fs = fs.fork();
        replace(&fs, INDEX, octets, true);
        let store = mbox(&fs, 2).unwrap();
        let mut mailbox = open(&store);
        assert_eq!(answers(&mut *mailbox), expected, "{number}");
        assert_eq!(contents(&mut *mailbox), read, "{number}");
        client.clone().sync(&*mailbox);
        raised += usize::from(mailbox.highest_modseq() > client.highest);
        let next = mailbox.set_flags(&uids(&[1]), FlagChange::Add, &flags("last"), None).unwrap();
        assert!(next.messages[0].modseq > client.highest, "{number}");
        drop(mailbox);
        client.clone().sync(&*open(&store));
    }
    // The octets of summaries are looked at when they are asked for; nearly all others are noticed at once.
    assert!(raised > damaged.len() / 3, "{raised} of {}", damaged.len());
    println!("{} octets, {} damaged files, {raised} noticed at opening", whole.len(), damaged.len());
}

#[test]
fn an_index_that_is_damaged_while_it_is_open_is_noticed() {
    let fs = SimFs::new();
    let store = filled(&fs);
    let mut mailbox = open(&store);
    let (expected, mut client) = (answers(&mut *mailbox), Client::of(&*mailbox));
    for octets in [&b""[..], b"PRindex2", &[0; 4000]] {
        replace(&fs, INDEX, octets, true);
        mailbox.refresh().unwrap();
        client.sync(&*mailbox);
        assert_eq!(answers(&mut *mailbox), expected);
        mailbox.set_flags(&uids(&[1]), FlagChange::Add, &flags("x"), None).unwrap();
        mailbox.set_flags(&uids(&[1]), FlagChange::Remove, &flags("x"), None).unwrap();
        client.sync(&*mailbox);
    }
    fs.unlink(Path::new(INDEX)).unwrap();
    let floor = mailbox.refresh().unwrap().modseq_floor.unwrap();
    assert!(floor > client.highest && mailbox.entries().iter().all(|entry| entry.modseq == floor));
}

/// What other programs do to a mailbox, also without leaving a trace in its time.
#[test]
fn whatever_others_do_to_the_file_is_noticed() {
    let fs = SimFs::new();
    let store = filled(&fs);
    let mut client = Client::of(&*open(&store));
    let expected = answers(&mut *open(&store));
    drop(store);
    fs.advance(Duration::from_secs(3));
    drop(open(&mbox(&fs, 2).unwrap()));
    let old = text(&fs);
    let starts: Vec<usize> = old.match_indices("From ").map(|(at, _)| at).collect();
    let starts: Vec<usize> =
        starts.into_iter().filter(|&at| at == 0 || old[..at].ends_with("\n\n")).collect();
    assert_eq!(starts.len(), 3);
    let appended = format!("{old}{FROM}A: b\n\nx\n\n");
    let without_first = old[starts[1]..].to_owned();
    let without_second = format!("{}{}", &old[..starts[1]], &old[starts[2]..]);
    let without_last = old[..starts[2]].to_owned();
    let flagged = old.replace("X-Status:  F  \n", "X-Status:   T \n");
    let other_last = old.replace("Subject: lf\n", "Subject: LF\n");
    let longer = old.replace("Subject: lf\n", "Subject: much longer\n");
    let swapped = format!("{}{}{}", &old[..starts[1]], &old[starts[2]..], &old[starts[1]..starts[2]]);
    for (what, new, gone, added) in [
        ("nothing", old.clone(), vec![], 0),
        ("append", appended, vec![], 1),
        ("expunge of the first", without_first, vec![1], 0),
        ("expunge of the second", without_second, vec![2], 0),
        ("expunge of the last", without_last, vec![4], 0),
        ("flags in place", flagged, vec![], 0),
        ("another text at the end", other_last, vec![], 0),
        ("another length", longer, vec![], 0),
        ("another order", swapped, vec![], 0),
        ("all gone", String::new(), vec![1, 2, 4], 0),
    ] {
        // A time that is put back shows in the length or in the last octets, if at all.
        for quietly in [false, true] {
            if quietly && matches!(what, "another order") {
                continue;
            }
            let fs = fs.fork();
            replace(&fs, INBOX, new.as_bytes(), quietly);
            let store = mbox(&fs, 3).unwrap();
            let mut mailbox = open(&store);
            let found = contents(&mut *mailbox);
            let fresh = SimFs::new();
            let plain = mbox(&fresh, 1).unwrap();
            replace(&fresh, INBOX, text(&fs).as_bytes(), false);
            let mut plain = open(&plain);
            let summaries: Vec<_> = answers(&mut *plain).into_values().map(|(.., summary)| summary).collect();
            let plain = contents(&mut *plain);
            let texts =
                |found: &[(Uid, Vec<u8>)]| found.iter().map(|(_, text)| text.clone()).collect::<Vec<_>>();
            assert_eq!(texts(&found), texts(&plain), "{what}, {quietly}");
            if what != "another order" {
                let kept = [1, 2, 4].into_iter().filter(|raw| !gone.contains(raw)).map(uid);
                let uids: Vec<Uid> = found.iter().map(|(uid, _)| *uid).collect();
                assert_eq!(uids[..uids.len() - added], kept.collect::<Vec<_>>(), "{what}, {quietly}");
            }
            let mut client = client.clone();
            client.sync(&*mailbox);
            let now = answers(&mut *mailbox);
            assert!(now.values().map(|(.., summary)| summary).eq(&summaries), "{what}, {quietly}");
            for (uid, (flags, meta, ended, summary)) in &now {
                let size = found.iter().find(|(found, _)| found == uid).unwrap().1.len() as u64;
                assert_eq!(meta.size_bytes, size, "{what}");
                assert_eq!(summary.message.root.body.end, size, "{what}");
                if let Some(old) = expected.get(uid).filter(|_| what == "nothing" || what == "append") {
                    assert_eq!((flags, meta, ended, summary), (&old.0, &old.1, &old.2, &old.3), "{what}");
                }
            }
        }
    }
    client.sync(&*open(&mbox(&fs, 4).unwrap()));
}

/// Puts another file in place of the mailbox, as programs do that write a new one.
fn rename_over(fs: &SimFs, octets: &str) {
    let new = Path::new("/var/mail/.new");
    fs.open(new, OpenMode::CreateNew).unwrap().append(octets.as_bytes()).unwrap();
    fs.rename(new, Path::new(INBOX)).unwrap();
}

#[test]
fn a_message_that_another_of_its_length_replaces_leaves_nothing_behind() {
    let fs = SimFs::new();
    let mut session = open(&filled(&fs));
    let (old, before) = (text(&fs), answers(&mut *session));
    for (raw, from, to) in
        [(1, "Subject: 1", "Subject: I"), (2, "image/png", "image/gif"), (4, "Subject: lf", "Subject: LF")]
    {
        assert_eq!(old.matches(from).count(), 1);
        let known = session.highest_modseq();
        rename_over(&fs, &old.replace(from, to));
        let told = session.refresh().unwrap().flags;
        assert_eq!(common::told(&told), [(uid(raw), before[&uid(raw)].0.clone())], "as changed");
        assert!(told[0].modseq > known);
        // That of which the index was told, and what it tells the next one.
        for mailbox in [&mut session, &mut open(&mbox(&fs, 3).unwrap())] {
            for (uid, (_, meta, _, summary)) in answers(&mut **mailbox) {
                let is_other = uid.get() == raw;
                assert_eq!(summary != before[&uid].3, is_other, "{uid} when {from} has become {to}");
                assert_eq!(meta, before[&uid].1);
                let entry = mailbox.entries().iter().find(|entry| entry.uid == uid).unwrap();
                assert_eq!(entry.modseq > known, is_other, "{uid} when {from} has become {to}");
            }
        }
        rename_over(&fs, &old);
        session.refresh().unwrap();
        assert_eq!(answers(&mut *session), before);
    }
    // The same again is no change, however often it is scanned.
    let known = session.highest_modseq();
    rename_over(&fs, &old);
    session.refresh().unwrap();
    assert_eq!(session.highest_modseq(), known);
}

#[test]
fn what_a_session_found_out_of_a_message_is_not_written_down_of_the_one_that_replaced_it() {
    let fs = SimFs::new();
    let store = filled(&fs);
    append(&store, &inbox(), &message(5), &flags("")).unwrap();
    append(&store, &inbox(), &message(6), &flags("")).unwrap();
    let mut one = open(&store);
    // It is remembered, and not written yet. The last one would be scanned each time.
    let (subject, old) = (one.summary(uid(5)).unwrap(), text(&fs));
    rename_over(&fs, &old.replace("Subject: 5", "Subject: V"));
    let mut two = open(&store);
    let other = two.summary(uid(5)).unwrap();
    assert_ne!(other, subject);
    drop(two);
    drop(one);
    assert_eq!(open(&mbox(&fs, 2).unwrap()).summary(uid(5)).unwrap(), other);
}

#[test]
fn a_message_that_comes_back_after_it_was_told_to_be_gone_gets_another_uid() {
    let fs = SimFs::new();
    let store = filled(&fs);
    let old = text(&fs);
    let mut mailbox = open(&store);
    let client = Client::of(&*mailbox);
    mailbox.expunge(&uids(&[2]), Expunge::Any).unwrap();
    // Somebody puts a copy of the mailbox back that was made before.
    replace(&fs, INBOX, old.as_bytes(), false);
    let changes = mailbox.refresh().unwrap();
    let new: Vec<Uid> = changes.new.iter().map(|entry| entry.uid).collect();
    // UIDs ascend in the file, so that what stands behind it gets another one too.
    assert_eq!((new, changes.vanished), (vec![uid(5), uid(6)], vec![uid(4)]));
    client.clone().sync(&*mailbox);
}

#[test]
fn the_index_goes_with_its_mailbox_and_is_not_that_of_another() {
    let fs = SimFs::new();
    let store = filled(&fs);
    let (one, two) = (name("one"), name("two"));
    store.create(&one).unwrap();
    append(&store, &one, &message(1), &flags("")).unwrap();
    append(&store, &one, &message(2), &flags("\\Seen")).unwrap();
    let mut mailbox = store.open(&one, Access::ReadWrite).unwrap();
    mailbox.expunge(&uids(&[1]), Expunge::Any).unwrap();
    let client = Client::of(&*mailbox);
    drop(mailbox);
    store.rename(&one, &two).unwrap();
    let mailbox = store.open(&two, Access::ReadWrite).unwrap();
    assert_eq!((mailbox.highest_modseq(), mailbox.uid_validity()), (client.highest, client.uid_validity));
    assert_eq!(mailbox.vanished_since(client.highest), Some(uids(&[])));
    drop(mailbox);
    // Another mailbox of a name that an earlier one had, whose index somebody has put back.
    let index = |name: &str| format!("/home/alice/mail/.imap/.postroom/{name}.index");
    let left = mailstore::fs::read(&fs, Path::new(&index("two"))).unwrap();
    store.delete(&two).unwrap();
    assert!(fs.metadata(Path::new(&index("two"))).is_err());
    store.create(&two).unwrap();
    fs.open(Path::new(&index("two")), OpenMode::CreateNew).unwrap().append(&left).unwrap();
    append(&store, &two, &message(9), &flags("")).unwrap();
    let mut mailbox = store.open(&two, Access::ReadWrite).unwrap();
    assert_ne!(mailbox.uid_validity(), client.uid_validity);
    assert_eq!(contents(&mut *mailbox), [(uid(1), message(9))]);
}

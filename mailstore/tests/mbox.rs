//! mbox files that others have written and write: UIDs, the message that is none, locks, mail that comes meanwhile.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a failure here is a failed test")]

mod common;

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::crash::deliver_together;
use common::{Octets, append, flags, has, inbox, mbox, mbox_with, message, read_all, uid, uids};
use mail_message::FlagSet;
use mailstore::fs::{Fs, LockKind, OpenMode, SimFs};
use mailstore::mbox::{MboxLocation, MboxOptions, MboxStore, Notice};
use mailstore::{
    Access, Class, Delivered, Delivery, DeliveryId, Env, ErrorKind, Expunge, FlagChange, Mailbox, Store,
};
use proto_core::UnixTime;

const INBOX: &str = "/var/mail/alice";
const FROM: &str = "From x@y Sun Nov 22 14:13:11 2026\n";

fn text(fs: &SimFs) -> String {
    String::from_utf8(mailstore::fs::read(fs, Path::new(INBOX)).unwrap()).unwrap()
}

/// Writes the INBOX as another program does.
fn write(fs: &SimFs, text: &str) {
    let mut file = fs.open(Path::new(INBOX), OpenMode::Append).unwrap();
    assert!(file.try_lock(LockKind::Exclusive).unwrap());
    file.set_len(0).unwrap();
    file.append(text.as_bytes()).unwrap();
}

fn seen(mailbox: &mut dyn Mailbox) -> Vec<(u32, String, String)> {
    let entries = mailbox.entries().to_vec();
    let row = |entry: mailstore::Entry| {
        let body = read_all(&mut *mailbox.message(entry.uid).unwrap()).unwrap();
        (entry.uid.get(), entry.flags.to_string(), String::from_utf8(body).unwrap().replace("\r\n", "/"))
    };
    entries.into_iter().map(row).collect()
}

#[test]
fn r141_r148_reading_writes_ro_and_mail_that_comes_meanwhile_is_kept() {
    let fs = SimFs::new();
    let store = mbox(&fs, 1).unwrap();
    write(&fs, &format!("{FROM}A: 1\n\nx\n\n"));
    let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
    assert!(mailbox.entries()[0].recent && text(&fs).contains("\nStatus:  O\n"));
    // Comes between our look and our change.
    fs.open(Path::new(INBOX), OpenMode::Append)
        .unwrap()
        .append(format!("{FROM}B: 2\n\ny\n\n").as_bytes())
        .unwrap();
    mailbox.set_flags(&uids(&[1]), FlagChange::Add, &flags("\\Seen"), None).unwrap();
    assert!(text(&fs).contains("\nStatus: RO\n"), "{}", text(&fs));
    mailbox.expunge(&uids(&[1]), Expunge::Any).unwrap();
    mailbox.refresh().unwrap();
    assert_eq!(seen(&mut *mailbox), [(2, String::new(), "B: 2//y/".into())]);
    drop(mailbox);
    let again = store.open(&inbox(), Access::ReadOnly).unwrap();
    assert!(!again.entries()[0].recent, "the first session was told");
}

#[test]
fn uids_of_others_are_believed_as_far_as_they_can_be_true() {
    let base = "X-IMAPbase: 1795305600 0000000010 work\n";
    for (mbox_text, expected) in [
        // As it should be.
        (format!("{FROM}{base}X-UID: 3\n\na\n\n{FROM}X-UID: 7\n\nb\n\n"), vec![3, 7]),
        // Not ascending, above the last, none.
        (format!("{FROM}{base}X-UID: 7\n\na\n\n{FROM}X-UID: 3\n\nb\n\n"), vec![7, 11]),
        (format!("{FROM}{base}X-UID: 99\n\na\n\n{FROM}X-UID: 4\n\nb\n\n"), vec![11, 12]),
        (format!("{FROM}{base}\na\n\n{FROM}X-UID: 4\n\nb\n\n"), vec![11, 12]),
        (format!("{FROM}{base}X-UID: 5\n\na\n\n{FROM}\nb\n\n{FROM}X-UID: 8\n\nc\n\n"), vec![5, 11, 12]),
        // Nobody has said that these are true.
        (format!("{FROM}X-UID: 5\n\na\n\n{FROM}X-UID: 6\n\nb\n\n"), vec![1, 2]),
    ] {
        let fs = SimFs::new();
        let store = mbox(&fs, 1).unwrap();
        write(&fs, &mbox_text);
        let mailbox = store.open(&inbox(), Access::ReadOnly).unwrap();
        let found: Vec<u32> = mailbox.entries().iter().map(|entry| entry.uid.get()).collect();
        assert_eq!(found, expected, "{mbox_text}");
        let validity = mailbox.uid_validity();
        assert_eq!(validity.get() == 1_795_305_600 && mbox_text.contains(base), mbox_text.contains(base));
        let again = store.open(&inbox(), Access::ReadWrite).unwrap();
        assert_eq!(again.entries().iter().map(|entry| entry.uid.get()).collect::<Vec<_>>(), expected);
        assert_eq!(again.uid_validity(), validity);
    }
}

#[test]
fn a_program_that_deletes_the_first_message_deletes_no_uidvalidity() {
    let fs = SimFs::new();
    let store = mbox(&fs, 1).unwrap();
    for number in 1..=3 {
        append(&store, &inbox(), &message(number), &FlagSet::new()).unwrap();
    }
    let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
    let validity = mailbox.uid_validity();
    let old = text(&fs);
    let second = old[1..].find("\nFrom ").unwrap() + 2;
    write(&fs, &old[second..]);
    let changes = mailbox.refresh().unwrap();
    assert_eq!((changes.invalidated, changes.vanished), (false, vec![uid(1)]));
    assert_eq!(mailbox.uid_validity(), validity);
    assert!(append(&store, &inbox(), &message(4), &FlagSet::new()).unwrap() > uid(3));
    // And one that empties it.
    write(&fs, "");
    let next = append(&store, &inbox(), &message(5), &FlagSet::new()).unwrap();
    mailbox.refresh().unwrap();
    assert_eq!((mailbox.uid_validity(), mailbox.entries().len()), (validity, 1));
    assert!(next > uid(4));
}

#[test]
fn the_message_that_is_none_is_hidden_and_kept() {
    let fs = SimFs::new();
    let store = mbox(&fs, 1).unwrap();
    let pseudo = format!(
        "{FROM}Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1795305600 0000000002\nStatus: RO\n\n\
         This text is part of the internal format of your mail folder.\n\n"
    );
    write(&fs, &format!("{pseudo}{FROM}X-UID: 1\n\na\n\n{FROM}X-UID: 2\n\nb\n\n"));
    let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
    assert_eq!(mailbox.uid_validity().get(), 1_795_305_600);
    assert_eq!(seen(&mut *mailbox).iter().map(|row| row.0).collect::<Vec<_>>(), [1, 2]);
    mailbox.expunge(&common::all(), Expunge::Any).unwrap();
    assert!(text(&fs).contains("DON'T DELETE") && mailbox.entries().is_empty());
    assert_eq!(append(&store, &inbox(), &message(1), &FlagSet::new()).unwrap(), uid(3));
    assert!(text(&fs).contains("X-IMAP: 1795305600 0000000003"), "{}", text(&fs));
}

#[test]
fn a_lock_that_is_held_is_waited_for_and_a_stale_one_is_not() {
    let lock = Path::new("/var/mail/alice.lock");
    for (content, age, stale) in [
        ("1:sim.example:boot-0\n", 0, false),
        ("2:sim.example:boot-0\n", 0, true),
        ("1:sim.example:boot-9\n", 0, true),
        ("1", 0, false),
        ("7", 0, false),
        ("7", 400, true),
        ("1", 400, false),
        ("", 0, false),
        ("", 400, true),
        ("7:elsewhere:x\n", 0, false),
        ("7:elsewhere:x\n", 400, true),
    ] {
        let fs = SimFs::new();
        let store = mbox(&fs, 1).unwrap();
        append(&store, &inbox(), &message(1), &FlagSet::new()).unwrap();
        fs.advance(Duration::from_secs(1));
        fs.open(lock, OpenMode::CreateNew).unwrap().append(content.as_bytes()).unwrap();
        fs.advance(Duration::from_secs(age));
        let before = fs.now();
        let result = append(&store, &inbox(), &message(2), &FlagSet::new());
        match result {
            Ok(_) => assert!(stale && fs.now() - before < Duration::from_secs(1), "{content:?} of {age} s"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Locked, "{content:?} of {age} s: {error}");
                assert!(!stale && fs.now() - before >= Duration::from_secs(30));
                let (age, content) = (age + 30, content.trim_end());
                let named = if content.is_empty() { "nobody".into() } else { format!("{content:?}") };
                let told = format!("holds {}, which is {age} s old and names {named}", lock.display());
                assert!(error.to_string().contains(&told), "{error}");
            }
        }
    }
    // An fcntl lock of another program's.
    let fs = SimFs::new();
    let store = mbox(&fs, 1).unwrap();
    let held = fs.open(Path::new(INBOX), OpenMode::Write).unwrap();
    assert!(held.try_lock(LockKind::Exclusive).unwrap());
    let error = append(&store, &inbox(), &message(1), &FlagSet::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
    assert!(error.to_string().contains("another program holds an fcntl lock on it"), "{error}");
    assert!(fs.metadata(lock).is_err(), "the dotlock was given back");
    drop(held);
    append(&store, &inbox(), &message(1), &FlagSet::new()).unwrap();
}

#[test]
fn where_no_dotlock_may_be_made_the_other_lock_holds_alone_and_that_is_told_once() {
    let fs = SimFs::new();
    let notices = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&notices);
    let mut options = MboxOptions::default();
    options.notice = Some(Arc::new(move |notice: &Notice| told.lock().unwrap().push(notice.clone())));
    let store = mbox_with(&fs, 1, options, None).unwrap();
    fs.seal(Path::new("/var/mail"));
    append(&store, &inbox(), &message(1), &flags("work")).unwrap();
    append(&store, &inbox(), &message(2), &FlagSet::new()).unwrap();
    let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
    mailbox.set_flags(&uids(&[2]), FlagChange::Add, &flags("\\Seen a-keyword"), None).unwrap();
    mailbox.expunge(&uids(&[1]), Expunge::Any).unwrap();
    let expected = String::from_utf8(message(2)).unwrap().replace("\r\n", "/");
    assert_eq!(seen(&mut *mailbox), [(2, "\\Seen a-keyword".into(), expected)]);
    let held = fs.open(Path::new(INBOX), OpenMode::Write).unwrap();
    assert!(held.try_lock(LockKind::Exclusive).unwrap());
    assert_eq!(append(&store, &inbox(), &message(3), &flags("")).unwrap_err().kind(), ErrorKind::Locked);
    drop(held);
    append(&store, &inbox(), &message(3), &FlagSet::new()).unwrap();
    let notices = notices.lock().unwrap();
    assert!(
        matches!(&notices[..], [Notice::NoDotlock { path, .. }] if path == Path::new(INBOX)),
        "{notices:?}"
    );
}

#[test]
fn the_same_delivery_twice_is_one_message() {
    let fs = SimFs::new();
    let store = mbox(&fs, 1).unwrap();
    let id = DeliveryId { queue_id: "Q1".parse().unwrap(), recipient: 4 };
    let deliver = |maybe_delivered| {
        let (id, date) = (id.clone(), UnixTime(1_700_000_000));
        let delivery = Delivery { id, maybe_delivered, date, header: b"Return-Path: <s@x.test>\r\n" };
        store.deliver(&inbox(), &delivery, &mut Octets(message(1))).unwrap()
    };
    assert_eq!(deliver(true), Delivered::Stored);
    assert!(text(&fs).starts_with("From s@x.test Tue Nov 14 22:13:20 2023\nReturn-Path: <s@x.test>\n"));
    assert_eq!(deliver(true), Delivered::AlreadyThere);
    // Also when a reader has rewritten it meanwhile.
    let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
    mailbox.set_flags(&uids(&[1]), FlagChange::Add, &flags("\\Seen work"), None).unwrap();
    assert_eq!(deliver(true), Delivered::AlreadyThere);
    assert_eq!(mailbox.entries().len(), 1);
}

/// A program of another maker: it locks as Dovecot does, and appends without syncing.
const OUTSIDE: &str = r#"
import fcntl, os, sys, time
path, count = sys.argv[1], int(sys.argv[2])
for number in range(count):
    while True:
        try:
            os.close(os.open(path + ".lock", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
        except FileExistsError:
            time.sleep(0.001)
            continue
        f = open(path, "ab")
        try:
            fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError:
            f.close()
            os.unlink(path + ".lock")
            time.sleep(0.001)
    f.write(b"From o@x Sun Nov 22 14:13:11 2026\nSubject: outside %d\n\nbegin\n" % number)
    f.flush()
    f.write(b"end of outside %d\n\n" % number)
    f.close()
    os.unlink(path + ".lock")
"#;

#[test]
fn r122_deliveries_of_threads_and_of_another_program_are_neither_lost_nor_mixed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("inbox");
    let location = MboxLocation::new(directory.path().join("mail"), &path);
    let store = MboxStore::open(Env::real("here.test"), location, MboxOptions::default(), None).unwrap();
    let store = Arc::new(store);
    if !has("python3") {
        return;
    }
    let mut outside = Command::new("python3").args(["-c", OUTSIDE]).arg(&path).arg("40").spawn().unwrap();
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let store = Arc::clone(&store);
            std::thread::spawn(move || {
                for number in 0..25 {
                    let id =
                        DeliveryId { queue_id: format!("Q{thread}x{number}").parse().unwrap(), recipient: 0 };
                    let (date, header) = (UnixTime(1_700_000_000), &b"Return-Path: <>\r\n"[..]);
                    let delivery = Delivery { id, maybe_delivered: false, date, header };
                    store
                        .deliver(&inbox(), &delivery, &mut Octets(message(thread * 25 + number + 1)))
                        .unwrap();
                    if number % 10 == 9 {
                        // A reader between them, who gives UIDs and sets flags.
                        let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
                        let first = mailbox.entries()[0].uid;
                        let set = [first].into_iter().collect();
                        mailbox.set_flags(&set, FlagChange::Add, &flags("\\Seen"), None).unwrap();
                    }
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    assert!(outside.wait().unwrap().success());
    let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
    let mut found = Vec::new();
    for (_, _, shown) in seen(&mut *mailbox) {
        match shown.strip_prefix("Subject: outside ") {
            Some(rest) => {
                let number: u32 = rest.split('/').next().unwrap().parse().unwrap();
                assert_eq!(rest, format!("{number}//begin/end of outside {number}/"));
                found.push(1000 + number);
            }
            None => {
                let content =
                    shown.strip_prefix("Return-Path: <>/").unwrap().replace('/', "\r\n").into_bytes();
                found.push((1..=100).find(|&number| content == message(number)).expect("a whole message"));
            }
        }
    }
    found.sort_unstable();
    assert_eq!(found, (1..=100).chain(1000..1040).collect::<Vec<u32>>());
}

#[test]
fn a_file_takes_what_it_has_room_for() {
    let of_size = |file_bytes_max| {
        let fs = SimFs::new();
        let mut options = MboxOptions::default();
        options.file_bytes_max = file_bytes_max;
        let store = mbox_with(&fs, 1, options, None).unwrap();
        let mail = [(1, "INBOX"), (2, "INBOX"), (3, "INBOX")];
        let kinds =
            deliver_together(&store, &mail, false).into_iter().map(|ended| ended.map_err(|e| e.kind()));
        let kinds: Vec<_> = kinds.collect();
        let text = text(&fs);
        let large = vec![b'x'; text.len()];
        let appended = append(&store, &inbox(), &large, &FlagSet::new()).err().map(|error| error.kind());
        assert_eq!(appended, file_bytes_max.map(|_| ErrorKind::OverQuota));
        (kinds, text)
    };
    let (all, whole) = of_size(None);
    assert_eq!(all, [Ok(Delivered::Stored); 3]);
    let two = whole.match_indices("From ").nth(2).unwrap().0;
    for (max, stored) in [(two, 2), (two - 1, 1)] {
        let (ended, text) = of_size(Some(max as u64));
        assert_eq!(
            ended.iter().filter(|ended| **ended == Ok(Delivered::Stored)).count(),
            stored,
            "{ended:?}"
        );
        assert!(ended[stored..].iter().all(|ended| *ended == Err(ErrorKind::OverQuota)), "{ended:?}");
        assert!(text.len() <= max && text.matches("From ").count() == stored, "{text}");
    }
}

#[test]
fn a_run_of_deliveries_is_flushed_as_often_as_one() {
    let flushes_of = |numbers: std::ops::Range<u32>| {
        let fs = SimFs::new();
        let store = mbox(&fs, 1).unwrap();
        // The first makes the journal.
        deliver_together(&store, &[(1, "INBOX")], false).remove(0).unwrap();
        let flushes = || fs.log().iter().filter(|operation| operation.name.starts_with("sync")).count();
        let before = flushes();
        let mail: Vec<(u32, &str)> = numbers.map(|number| (number, "INBOX")).collect();
        let ended = deliver_together(&store, &mail, false);
        assert!(ended.iter().all(|ended| *ended.as_ref().unwrap() == Delivered::Stored));
        let taken = flushes() - before;
        assert_eq!(store.open(&inbox(), Access::ReadOnly).unwrap().entries().len(), 1 + mail.len());
        taken
    };
    assert_eq!((flushes_of(2..3), flushes_of(2..42)), (3, 3), "the intent, the mailbox, the emptied journal");
}

/// What no reader could open gets no mail that nobody could read: it waits until somebody has looked at the file.
#[test]
fn nothing_is_delivered_behind_what_is_no_message() {
    for (begins, is_mbox) in [
        ("", true),
        ("\n\r\n\n", true),
        (&*format!("\n{FROM}A: 1\n\nx\n\n"), true),
        (FROM.trim_end(), true),
        ("\u{1}no mbox", false),
        ("From here\n", false),
        (&*"x".repeat(3000), false),
        (&*format!("A: 1\n\n{FROM}A: 1\n\nx\n\n"), false),
    ] {
        let fs = SimFs::new();
        let store = mbox(&fs, 1).unwrap();
        write(&fs, begins);
        let delivered = deliver_together(&store, &[(1, "INBOX"), (2, "INBOX")], false);
        let opened = store.open(&inbox(), Access::ReadOnly);
        if is_mbox {
            assert!(delivered.iter().all(Result::is_ok), "{begins:?}: {delivered:?}");
            assert!(opened.is_ok(), "{begins:?}");
            continue;
        }
        let said = opened.err().unwrap().to_string();
        assert!(said.contains("is no beginning of a message"), "{said}");
        for error in delivered.into_iter().map(Result::unwrap_err) {
            assert_eq!((error.kind(), error.class()), (ErrorKind::Corrupt, Class::Temporary));
            assert_eq!(error.to_string(), said);
        }
        assert_eq!(text(&fs), begins, "not an octet is added");
    }
}

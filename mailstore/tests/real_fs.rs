//! The same stores on the machine's own file system, with threads, and with a foreign program at work in the
//! same Maildir.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use common::{Octets, all, append, commit, flags, inbox, message, name, read_all, record, told, uid};
use mail_message::FlagSet;
use mailstore::fs::{Fs as _, OpenMode, RealFs};
use mailstore::spool::{Envelope, LogSpool, RecipientState, Spool, SpoolLimits};
use mailstore::{
    Access, Class, Delivered, Delivery, DeliveryId, Env, ErrorKind, Expunge, FlagChange, MaildirStore, Store,
};
use proto_core::UnixTime;

fn open(dir: &Path) -> MaildirStore {
    MaildirStore::open(Env::real("test.example"), &dir.join("a/b/Maildir"), None).unwrap()
}

fn files(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_maildir_is_made_private_and_read_back() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let root = dir.path().join("a/b/Maildir");
    let uid = append(&store, &inbox(), &message(3), &flags("\\Seen $Work")).unwrap();
    let cur = files(&root.join("cur"));
    assert!(cur[0].ends_with(":2,Sa") && cur[0].contains(",S=42,W=42"), "{cur:?}");
    assert_eq!(fs::read_to_string(root.join("dovecot-keywords")).unwrap(), "0 $Work\n");
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&root), mode(&root.join("cur").join(&cur[0]))), (0o700, 0o600));
    assert_eq!(files(&root.join("tmp")), [""; 0]);

    let mut mailbox = open(dir.path()).open(&inbox(), Access::ReadWrite).unwrap();
    let entry = mailbox.entries()[0].clone();
    assert_eq!((entry.uid, entry.flags, entry.recent), (uid, flags("\\Seen $Work"), false));
    assert_eq!(mailbox.meta(uid).unwrap().internal_date, UnixTime(1_700_000_000));
    assert_eq!(read_all(&mut *mailbox.message(uid).unwrap()).unwrap(), message(3));
}

#[test]
fn mail_of_other_programs_is_served_with_crlf_and_true_sizes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let new = dir.path().join("a/b/Maildir/new");
    fs::write(new.join("1.a.x"), "Subject: lf\n\nbody\n").unwrap();
    fs::write(new.join("2.b.x,S=999,W=1"), "Subject: lies\r\n\r\n").unwrap();
    fs::write(new.join("3.c.x,S=8,W=8"), "wrong: w").unwrap();
    fs::write(new.join("4.M1P1.x,S=19,W=19"), "Subject: lf\n\nbody 4\n").unwrap();
    let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
    let expected: [&[u8]; 4] = [
        b"Subject: lf\r\n\r\nbody\r\n",
        b"Subject: lies\r\n\r\n",
        b"wrong: w",
        b"Subject: lf\r\n\r\nbody 4\r\n",
    ];
    for (raw, expected) in (1..).zip(expected) {
        assert!(mailbox.entries()[raw as usize - 1].recent);
        assert_eq!(mailbox.meta(uid(raw)).unwrap().size_bytes, expected.len() as u64);
        assert_eq!(read_all(&mut *mailbox.message(uid(raw)).unwrap()).unwrap(), expected);
    }
    // A copy does not say it again.
    store.create(&name("copies")).unwrap();
    mailbox.copy(&common::uids(&[4]), &name("copies")).unwrap();
    let mut copies = store.open(&name("copies"), Access::ReadWrite).unwrap();
    assert_eq!(copies.meta(uid(1)).unwrap().size_bytes, expected[3].len() as u64);
    let again = store.open(&inbox(), Access::ReadWrite).unwrap();
    assert!(again.entries().iter().all(|entry| !entry.recent), "recent to one session only");
}

#[test]
fn sessions_see_each_others_changes_and_never_another_message() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for number in 1..=3 {
        append(&store, &inbox(), &message(number), &FlagSet::new()).unwrap();
    }
    let mut one = store.open(&inbox(), Access::ReadWrite).unwrap();
    let mut two = store.open(&inbox(), Access::ReadWrite).unwrap();
    one.set_flags(&common::uids(&[1]), FlagChange::Add, &flags("\\Seen"), None).unwrap();
    // Two adds to what is on disk, not to what it last saw.
    let now = two.set_flags(&common::uids(&[1]), FlagChange::Add, &flags("\\Flagged"), None).unwrap();
    assert_eq!(told(&now.messages), [(uid(1), flags("\\Seen \\Flagged"))]);
    assert_eq!(told(&one.refresh().unwrap().flags), told(&now.messages));
    // One marks 2 and 3, two takes the mark off 3: only 2 may go.
    one.set_flags(&common::uids(&[2, 3]), FlagChange::Add, &flags("\\Deleted"), None).unwrap();
    two.set_flags(&common::uids(&[3]), FlagChange::Remove, &flags("\\Deleted"), None).unwrap();
    let mut reading = two.message(uid(2)).unwrap();
    assert_eq!(one.expunge(&all(), Expunge::Deleted).unwrap(), [uid(2)]);
    assert_eq!(read_all(&mut *reading).unwrap(), message(2), "an open message stays readable");
    assert_eq!(two.message(uid(2)).err().unwrap().kind(), ErrorKind::NoSuchMessage);
    assert_eq!(two.refresh().unwrap().vanished, [uid(2)]);
    let mut reader = store.open(&inbox(), Access::ReadOnly).unwrap();
    assert_eq!(reader.expunge(&all(), Expunge::Any).err().unwrap().kind(), ErrorKind::ReadOnly);
    assert!(reader.permanent_flags().flags.is_empty());
}

#[test]
fn mailboxes_are_made_listed_renamed_and_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let listed = || -> Vec<(String, bool)> {
        store.list().unwrap().into_iter().map(|info| (info.name.to_string(), info.exists)).collect()
    };
    store.create(&name("Lists/rust &- mail")).unwrap();
    assert!(dir.path().join("a/b/Maildir/.Lists.rust &- mail/maildirfolder").exists());
    let expected = [("INBOX", true), ("Lists", false), ("Lists/rust &- mail", true)];
    assert_eq!(listed(), expected.map(|(name, exists)| (name.to_owned(), exists)));
    let kind = |result: mailstore::Result<()>| result.err().unwrap().kind();
    assert_eq!(kind(store.create(&name("Lists/rust &- mail"))), ErrorKind::MailboxExists);
    assert_eq!(kind(store.create(&inbox())), ErrorKind::MailboxExists);
    assert_eq!(kind(store.delete(&inbox())), ErrorKind::BadName);
    assert_eq!(kind(store.delete(&name("Lists"))), ErrorKind::NoSuchMailbox);
    store.create(&name("Lists")).unwrap();
    append(&store, &name("Lists/rust &- mail"), &message(1), &FlagSet::new()).unwrap();
    assert_eq!(kind(store.rename(&name("Lists"), &name("Lists/x"))), ErrorKind::BadName);
    store.rename(&name("Lists"), &name("Old")).unwrap();
    assert_eq!(listed()[1].0, "Old");
    let first = store.open(&name("Old/rust &- mail"), Access::ReadWrite).unwrap();
    assert_eq!(first.entries().len(), 1);
    store.delete(&name("Old/rust &- mail")).unwrap();
    store.create(&name("Old/rust &- mail")).unwrap();
    let second = store.open(&name("Old/rust &- mail"), Access::ReadWrite).unwrap();
    assert!(second.uid_validity() > first.uid_validity());
    store.subscribe(&name("Old")).unwrap();
    store.subscribe(&name("gone")).unwrap();
    store.unsubscribe(&name("Old")).unwrap();
    assert_eq!(store.subscriptions().unwrap(), [name("gone")]);
    // Renaming INBOX moves its messages.
    append(&store, &inbox(), &message(2), &flags("\\Seen kept")).unwrap();
    store.rename(&inbox(), &name("Moved")).unwrap();
    assert_eq!(
        store.open(&name("Moved"), Access::ReadOnly).unwrap().entries()[0].flags,
        flags("\\Seen kept")
    );
    assert!(store.open(&inbox(), Access::ReadOnly).unwrap().entries().is_empty());
}

#[test]
fn a_copy_keeps_flags_and_date_and_all_or_none_are_copied() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.create(&name("to")).unwrap();
    append(&store, &name("to"), &message(9), &flags("other")).unwrap();
    append(&store, &inbox(), &message(1), &flags("work \\Draft")).unwrap();
    append(&store, &inbox(), &message(2), &FlagSet::new()).unwrap();
    let mut source = store.open(&inbox(), Access::ReadWrite).unwrap();
    assert_eq!(source.copy(&all(), &name("nowhere")).err().unwrap().kind(), ErrorKind::NoSuchMailbox);
    let copied = source.copy(&all(), &name("to")).unwrap();
    assert_eq!(copied.pairs, [(uid(1), uid(2)), (uid(2), uid(3))]);
    let mut target = store.open(&name("to"), Access::ReadWrite).unwrap();
    assert_eq!(target.uid_validity(), copied.uid_validity);
    assert_eq!(target.entries()[1].flags, flags("work \\Draft"));
    assert_eq!(target.meta(uid(2)).unwrap().internal_date, UnixTime(1_700_000_000));
    let mut other = store.open(&inbox(), Access::ReadWrite).unwrap();
    other.expunge(&common::uids(&[2]), Expunge::Any).unwrap();
    assert_eq!(source.copy(&all(), &name("to")).err().unwrap().kind(), ErrorKind::NoSuchMessage);
    assert!(target.refresh().unwrap().is_empty(), "the copy of 1 was taken back");
}

#[test]
fn the_27th_keyword_is_refused_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, &inbox(), &message(1), &FlagSet::new()).unwrap();
    let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
    let keywords: Vec<String> = (0..26).map(|n| format!("k{n}")).collect();
    mailbox.set_flags(&all(), FlagChange::Add, &flags(&keywords.join(" ")), None).unwrap();
    assert!(!mailbox.permanent_flags().new_keywords);
    let error = mailbox.set_flags(&all(), FlagChange::Replace, &flags("k0 k26"), None).err().unwrap();
    assert_eq!((error.kind(), error.class()), (ErrorKind::KeywordLimit, Class::Permanent));
    assert_eq!(mailbox.entries()[0].flags.len(), 26);
}

#[test]
fn what_an_administrator_can_mend_is_temporary_and_names_the_path() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    // A file where a directory should be: fails for root too, whom no mode stops.
    let tmp = dir.path().join("a/b/Maildir/tmp");
    fs::remove_dir(&tmp).unwrap();
    fs::write(&tmp, "").unwrap();
    let error = append(&store, &inbox(), &message(1), &FlagSet::new()).err().unwrap();
    assert_eq!(error.class(), Class::Temporary);
    assert!(error.to_string().contains("Maildir/tmp/"), "{error}");
}

/// Eight threads deliver and append, a session reads and changes flags, and a foreign program delivers into
/// `new/`, renames flags and deletes its own: nothing of ours is lost or doubled, and no UID ever stands for
/// two messages.
#[test]
fn threads_and_a_foreign_program_share_a_maildir() {
    const THREADS: u32 = 8;
    const EACH: u32 = 10;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let root = dir.path().join("a/b/Maildir");
    let stop = AtomicBool::new(false);
    let mut seen = BTreeMap::<u32, Vec<u8>>::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0_u32..100 {
                if stop.load(Ordering::Relaxed) {
                    return;
                }
                std::thread::sleep(std::time::Duration::from_millis(2));
                let file = format!("{round}.foreign.x");
                fs::write(root.join("tmp").join(&file), "foreign\n").unwrap();
                fs::rename(root.join("tmp").join(&file), root.join("new").join(&file)).unwrap();
                for entry in files(&root.join("cur")) {
                    let (base, info) = entry.split_once(':').unwrap();
                    let path = root.join("cur").join(&entry);
                    // It may be gone by now; so it goes among programs.
                    if base.contains("foreign") && round % 3 == 0 {
                        let _ = fs::remove_file(path);
                    } else if !info.contains('F') {
                        let _ = fs::rename(path, root.join("cur").join(format!("{base}:2,F{}", &info[2..])));
                    }
                }
            }
        });
        let writers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let store = store.clone();
                scope.spawn(move || {
                    for n in 0..EACH {
                        let number = 100 + thread * EACH + n;
                        if thread % 2 == 0 {
                            append(&store, &inbox(), &message(number), &FlagSet::new()).unwrap();
                            continue;
                        }
                        let id = DeliveryId { queue_id: format!("Q{number}").parse().unwrap(), recipient: 0 };
                        let delivery =
                            Delivery { id, maybe_delivered: false, date: UnixTime(1), header: b"" };
                        let delivered =
                            store.deliver(&inbox(), &delivery, &mut Octets(message(number))).unwrap();
                        assert_eq!(delivered, Delivered::Stored);
                    }
                })
            })
            .collect();
        let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
        let mut look = |last: bool| {
            mailbox.refresh().unwrap();
            let known: Vec<u32> = mailbox.entries().iter().map(|entry| entry.uid.get()).collect();
            for raw in known {
                match mailbox.message(uid(raw)) {
                    Ok(mut message) => {
                        let read = read_all(&mut *message).unwrap();
                        assert_eq!(
                            seen.entry(raw).or_insert_with(|| read.clone()),
                            &read,
                            "UID {raw} was given twice"
                        );
                    }
                    Err(error) => assert_eq!(error.kind(), ErrorKind::NoSuchMessage, "{error}"),
                }
            }
            if !last {
                mailbox.set_flags(&all(), FlagChange::Add, &flags("\\Seen"), None).unwrap();
            }
        };
        while writers.iter().any(|writer| !writer.is_finished()) {
            look(false);
        }
        stop.store(true, Ordering::Relaxed);
        look(true);
    });
    let ours = |content: &&Vec<u8>| content.starts_with(b"Subject");
    let contents: Vec<&Vec<u8>> = seen.values().filter(ours).collect();
    let distinct: BTreeSet<_> = contents.iter().collect();
    assert_eq!(contents.len(), distinct.len(), "a message is there under two UIDs");
    assert_eq!(distinct.len() as u32, THREADS * EACH);
    assert_eq!(files(&root.join("tmp")), [""; 0]);
}

#[test]
fn the_spool_survives_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let open = || {
        LogSpool::open(Env::real("test.example"), &dir.path().join("spool"), SpoolLimits::default()).unwrap()
    };
    let (spool, _) = open();
    let envelope = || Envelope::new("", UnixTime(1)).to("\"a b\"@example.test").to("c@example.test");
    let mut kept = spool.begin(envelope()).unwrap();
    let body = vec![b'x'; 200_000];
    for chunk in body.chunks(999) {
        kept.write(chunk).unwrap();
    }
    let id = commit(kept).unwrap();
    record(&spool, &id, 1, RecipientState::Bounced).unwrap();
    // Killed in the middle of the next one.
    let mut cut_off = spool.begin(envelope()).unwrap();
    cut_off.write(&body).unwrap();
    std::mem::forget(cut_off);
    let (spool, recovered) = open();
    assert_eq!((recovered.messages, recovered.unfinished), (1, 1));
    let job = spool.next_ready(UnixTime(1)).unwrap().unwrap();
    assert_eq!((&job.id, &job.envelope, job.maybe_delivered), (&id, &envelope(), true));
    let states: Vec<RecipientState> = job.statuses.iter().map(|status| status.state).collect();
    assert_eq!(states, [RecipientState::Pending, RecipientState::Bounced]);
    let mut reader = spool.body(&id).unwrap();
    assert_eq!(read_all(&mut *reader).unwrap(), body);
    let mut part = [0; 10];
    assert_eq!(reader.read_at(199_995, &mut part).unwrap(), 5);
    record(&spool, &id, 0, RecipientState::Delivered).unwrap();
    spool.release(&id);
    assert_eq!(open().1.messages, 0);
    let _: Arc<dyn Spool> = Arc::new(spool);
}

#[test]
fn a_session_that_has_not_looked_acts_on_what_others_have_set() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    append(&store, &inbox(), &message(1), &FlagSet::new()).unwrap();
    store.create(&name("to")).unwrap();
    let mut stale = store.open(&inbox(), Access::ReadWrite).unwrap();
    let mut other = store.open(&inbox(), Access::ReadWrite).unwrap();
    other.set_flags(&all(), FlagChange::Add, &flags("new-keyword"), None).unwrap();
    stale.copy(&all(), &name("to")).unwrap();
    let copy = store.open(&name("to"), Access::ReadOnly).unwrap();
    assert_eq!(copy.entries()[0].flags, flags("new-keyword"));
    other.set_flags(&all(), FlagChange::Add, &flags("newer"), None).unwrap();
    let now = stale.set_flags(&all(), FlagChange::Remove, &flags("\\Seen"), None).unwrap();
    assert_eq!(told(&now.messages), [(uid(1), flags("new-keyword newer"))]);
    other.set_flags(&all(), FlagChange::Replace, &flags("\\Deleted"), None).unwrap();
    assert_eq!(stale.expunge(&all(), Expunge::Deleted).unwrap(), [uid(1)]);
}

#[test]
fn parts_are_written_behind_each_other_at_an_offset() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    let file = RealFs.open(&path, OpenMode::CreateWrite).unwrap();
    file.allocate(8192).unwrap();
    let parts: Vec<Vec<u8>> = (0..3000_u32).map(|number| number.to_le_bytes().to_vec()).collect();
    let slices: Vec<&[u8]> = parts.iter().map(Vec::as_slice).chain([&b""[..]]).collect();
    file.write_at(&slices, 5).unwrap();
    file.write_at(&[b"xy"], 1).unwrap();
    file.sync_data().unwrap();
    drop(file);
    let content = std::fs::read(&path).unwrap();
    assert_eq!(content[..5], *b"\0xy\0\0");
    assert_eq!(content[5..], parts.concat());
    let again = RealFs.open(&path, OpenMode::Write).unwrap();
    again.write_at(&[b"z"], 0).unwrap();
    assert_eq!(std::fs::read(&path).unwrap()[..3], *b"zxy");
    assert!(RealFs.open(&path, OpenMode::CreateWrite).is_err());
}

/// Many receivers and deliverers at once, large and small messages, segments that are dropped and emptied meanwhile, and
/// a restart: every message comes out once and whole.
#[test]
fn threads_share_the_spool() {
    const RECEIVERS: u32 = 12;
    const EACH: u32 = 40;
    let dir = tempfile::tempdir().unwrap();
    let limits = SpoolLimits { segment_bytes: 1 << 17, small_bytes_max: 4096, ..SpoolLimits::default() };
    let open = || LogSpool::open(Env::real("test.example"), &dir.path().join("spool"), limits).unwrap();
    let content = |receiver: u32, number: u32| {
        let bytes = if number.is_multiple_of(5) { 30_000 + number } else { 500 + number * 7 };
        let line = format!("{receiver}/{number};");
        line.bytes().cycle().take(bytes as usize).collect::<Vec<u8>>()
    };
    let out = Mutex::new(BTreeMap::<String, u32>::new());
    let deliver = |spool: &LogSpool, now: UnixTime, defer: bool| {
        let mut count = 0;
        while let Some(job) = spool.next_ready(now).unwrap() {
            count += 1;
            let whose = job.envelope.recipients[0].address.clone();
            let (receiver, number) = whose.split_once('@').unwrap();
            let (receiver, number) = (receiver.parse().unwrap(), number.parse().unwrap());
            let body = read_all(&mut *spool.body(&job.id).unwrap()).unwrap();
            assert!(body == content(receiver, number), "{whose} is not whole");
            let state = if defer && number % 8 == 0 && job.statuses[0].state == RecipientState::Pending {
                RecipientState::Deferred(UnixTime(1000))
            } else {
                *out.lock().unwrap().entry(whose).or_default() += 1;
                RecipientState::Delivered
            };
            record(spool, &job.id, 0, state).unwrap();
            spool.release(&job.id);
        }
        count
    };
    let (spool, _) = open();
    spool.start().unwrap();
    let left = AtomicU32::new(RECEIVERS);
    std::thread::scope(|scope| {
        for receiver in 0..RECEIVERS {
            let (spool, left) = (spool.clone(), &left);
            scope.spawn(move || {
                for number in 0..EACH {
                    let envelope = Envelope::new("s@x.test", UnixTime(1)).to(format!("{receiver}@{number}"));
                    let mut writer = spool.begin(envelope).unwrap();
                    content(receiver, number).chunks(777).for_each(|part| writer.write(part).unwrap());
                    if number % 10 == 9 {
                        drop(writer);
                    } else {
                        commit(writer).unwrap();
                    }
                }
                left.fetch_sub(1, Ordering::SeqCst);
            });
        }
        for _ in 0..3 {
            scope.spawn(|| {
                while left.load(Ordering::SeqCst) > 0 {
                    deliver(&spool, UnixTime(10), true);
                    std::thread::yield_now();
                }
                deliver(&spool, UnixTime(10), true);
            });
        }
    });
    let waiting = spool.backlog();
    drop(spool);
    let (spool, recovered) = open();
    assert_eq!((recovered.messages, recovered.corrupt), (waiting, vec![]));
    assert!(waiting > 0);
    spool.start().unwrap();
    assert_eq!(deliver(&spool, UnixTime(2000), false), waiting);
    assert_eq!(spool.backlog(), 0);
    let out = out.into_inner().unwrap();
    assert_eq!(out.len() as u32, RECEIVERS * EACH * 9 / 10);
    assert!(out.values().all(|count| *count == 1));
    spool.upkeep().unwrap();
    drop(spool);
    assert!(
        fs::read_dir(dir.path().join("spool/log")).unwrap().count() <= 4,
        "all but the last segment are dropped, or are the two spares"
    );
}

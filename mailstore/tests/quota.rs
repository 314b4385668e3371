//! The quota of a Maildir: the vectors Q01–Q28 that Courier's tools made, R257, R258 and R261, and every way in which
//! messages begin or cease to count.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::Duration;

use common::{ROOT, all, append, env, flags, inbox, name, read_names, uids};
use mailstore::fs::sim::{Fault, SimFs, SimHost};
use mailstore::fs::{self, Fs, OpenMode};
use mailstore::maildir::{Layout, MaildirOptions, OnWarning};
use mailstore::quota::{Allowance, QuotaWarning};
use mailstore::{
    Access, Class, Delivered, Delivery, DeliveryId, Env, ErrorKind, Expunge, FlagChange, MaildirStore,
    QuotaRules, Result, Store, StoreError,
};
use proto_core::UnixTime;

fn rules(limits: &str) -> QuotaRules {
    QuotaRules::new(limits.parse().unwrap())
}

fn open(disk: &SimFs, quota: QuotaRules) -> MaildirStore {
    let options = MaildirOptions { quota, ..MaildirOptions::default() };
    MaildirStore::open_with(env(disk, 1), Path::new(ROOT), options).unwrap()
}

fn file(disk: &SimFs) -> String {
    String::from_utf8(fs::read(disk, Path::new(&format!("{ROOT}/maildirsize"))).unwrap()).unwrap()
}

/// The lines below the definition, as numbers.
fn lines(disk: &SimFs) -> Vec<(i64, i64)> {
    let file = file(disk);
    let number = |text: &str| text.parse().unwrap();
    let pair = |line: &str| line.split_whitespace().map(number).collect::<Vec<i64>>();
    file.lines().skip(1).map(|line| (pair(line)[0], pair(line)[1])).collect()
}

fn write(disk: &SimFs, content: &str) {
    let path = format!("{ROOT}/maildirsize");
    let _ = disk.unlink(Path::new(&path));
    disk.open(Path::new(&path), OpenMode::CreateNew).unwrap().append(content.as_bytes()).unwrap();
}

fn deliver_to(store: &dyn Store, mailbox: &str, bytes: usize) -> Result<Delivered> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let id =
        DeliveryId { queue_id: "0ADRZ1R2".parse().unwrap(), recipient: NEXT.fetch_add(1, Ordering::Relaxed) };
    let delivery = Delivery { id, maybe_delivered: false, date: UnixTime(1_700_000_000), header: b"" };
    store.deliver(&name(mailbox), &delivery, &mut common::Octets(vec![b'x'; bytes]))
}

fn deliver(store: &dyn Store, bytes: usize) -> Result<Delivered> {
    deliver_to(store, "INBOX", bytes)
}

fn is_over<T: std::fmt::Debug>(result: Result<T>) -> StoreError {
    let error = result.unwrap_err();
    assert_eq!((error.kind(), error.class()), (ErrorKind::OverQuota, Class::Permanent), "{error}");
    error
}

#[test]
fn q01_to_q06_as_couriers_tools_had_it() {
    let disk = SimFs::new();
    let store = open(&disk, rules("3000S,4C"));
    assert_eq!(store.quota().unwrap().unwrap().usage.messages, 0);
    assert_eq!(file(&disk), "3000S,4C\n           0            0\n", "Q01");
    for _ in 0..2 {
        deliver(&store, 26).unwrap();
    }
    let two = "          26            1\n          26            1\n";
    assert!(file(&disk).ends_with(two), "Q02: {}", file(&disk));
    assert!(read_names(&disk, &format!("{ROOT}/new")).iter().all(|name| name.contains(",S=26,")), "Q02");
    is_over(deliver(&store, 4023));
    assert_eq!(file(&disk), "3000S,4C\n          52            2\n", "Q03");
    deliver(&store, 26).unwrap();
    deliver(&store, 26).unwrap();
    is_over(deliver(&store, 26));
    assert_eq!(file(&disk), "3000S,4C\n         104            4\n", "Q04");
    disk.unlink(Path::new(&format!("{ROOT}/maildirsize"))).unwrap();
    let store = open(&disk, rules("1000S"));
    deliver(&store, 14).unwrap();
    assert_eq!(file(&disk), "1000S\n         104            4\n          14            1\n", "Q06");
}

#[test]
fn q07_a_folder_has_its_directories_and_its_mark() {
    let disk = SimFs::new();
    let store = open(&disk, QuotaRules::default());
    store.create(&name("Sub")).unwrap();
    let mut names = read_names(&disk, &format!("{ROOT}/.Sub"));
    names.retain(|name| !name.starts_with("dovecot-"));
    assert_eq!(names, ["cur", "maildirfolder", "new", "tmp"]);
    assert!(fs::read(&disk, Path::new(&format!("{ROOT}/.Sub/maildirfolder"))).unwrap().is_empty());
}

#[test]
fn q20_q21_q22_at_the_limit() {
    let disk = SimFs::new();
    let store = open(&disk, rules("1000S,0C"));
    for _ in 0..9 {
        deliver(&store, 100).unwrap();
    }
    is_over(deliver(&store, 101));
    is_over(store.check_quota(&inbox(), 101).map(|()| "Q21"));
    store.check_quota(&inbox(), 100).unwrap();
    deliver(&store, 100).unwrap();
    assert_eq!(store.quota().unwrap().unwrap().percent(), Some(100), "Q20");
}

#[test]
fn q23_q24_a_file_that_says_full_is_believed_for_a_quarter_of_an_hour() {
    let disk = SimFs::new();
    let store = open(&disk, rules("1000S"));
    deliver(&store, 100).unwrap();
    let claims = "1000S\n5000 7\n";
    write(&disk, claims);
    disk.advance(Duration::from_secs(600));
    is_over(deliver(&store, 100));
    assert_eq!(file(&disk), claims, "Q23");
    disk.advance(Duration::from_secs(360));
    deliver(&store, 100).unwrap();
    assert_eq!(lines(&disk), [(100, 1), (100, 1)], "Q24");
}

#[test]
fn q26_a_long_file_is_made_anew_by_the_next_to_use_it() {
    let disk = SimFs::new();
    let store = open(&disk, rules("100000S"));
    deliver(&store, 26).unwrap();
    let long =
        format!("100000S\n26 1\n{}", "          26            1\n         -26           -1\n".repeat(98));
    write(&disk, &long[..long.len() - 5]);
    let torn = store.quota().unwrap().unwrap();
    assert_eq!((torn.usage.bytes, lines(&disk)), (26, vec![(26, 1)]), "torn in a line");
    write(&disk, &long);
    assert!(long.len() < 5120);
    store.quota().unwrap();
    assert_eq!(file(&disk), long, "one below the length");
    write(&disk, &format!("{long}{}", "          26            1\n         -26           -1\n"));
    store.quota().unwrap();
    assert_eq!(file(&disk), "100000S\n          26            1\n", "Q26");
}

#[test]
fn q27_what_goes_to_the_trash_or_is_marked_deleted_does_not_count() {
    let disk = SimFs::new();
    let store = open(&disk, rules("1000S"));
    for folder in ["Trash", "Kept"] {
        store.create(&name(folder)).unwrap();
    }
    for _ in 0..3 {
        deliver(&store, 26).unwrap();
    }
    let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
    mailbox.copy(&uids(&[1]), &name("Trash")).unwrap();
    mailbox.expunge(&uids(&[1]), Expunge::Any).unwrap();
    assert_eq!(lines(&disk).last(), Some(&(-26, -1)), "Q27: {}", file(&disk));
    mailbox.set_flags(&uids(&[2, 3]), FlagChange::Add, &flags("\\Deleted"), None).unwrap();
    assert_eq!(lines(&disk).last(), Some(&(-52, -2)));
    mailbox.set_flags(&uids(&[2]), FlagChange::Remove, &flags("\\Deleted"), None).unwrap();
    assert_eq!(lines(&disk).last(), Some(&(26, 1)));
    let before = file(&disk);
    mailbox.set_flags(&uids(&[2]), FlagChange::Add, &flags("\\Seen"), None).unwrap();
    mailbox.expunge(&all(), Expunge::Deleted).unwrap();
    assert_eq!(file(&disk), before, "what did not count goes without a line");
    mailbox.copy(&uids(&[2]), &name("Kept")).unwrap();
    assert_eq!(lines(&disk).last(), Some(&(26, 1)));
    store.rename(&name("Kept"), &name("Trash/Kept")).unwrap();
    assert_eq!(lines(&disk).last(), Some(&(-26, -1)));
    store.rename(&name("Trash/Kept"), &name("Again")).unwrap();
    assert_eq!(lines(&disk).last(), Some(&(26, 1)));
    store.delete(&name("Again")).unwrap();
    assert_eq!(lines(&disk).last(), Some(&(-26, -1)));
    assert_counted(&disk, "1000S", 26, 1);
}

/// What the lines add up to is what a recount finds.
fn assert_counted(disk: &SimFs, limits: &str, bytes: u64, messages: u64) {
    let usage = || open(disk, rules(limits)).quota().unwrap().unwrap().usage;
    let summed = usage();
    disk.unlink(Path::new(&format!("{ROOT}/maildirsize"))).unwrap();
    assert_eq!((summed.bytes, summed.messages), (bytes, messages));
    assert_eq!(usage(), summed);
}

#[test]
fn q28_deliverers_at_the_limit_do_not_go_over_it_together() {
    let disk = SimFs::new();
    let store = Arc::new(open(&disk, rules("1000S,5C")));
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let store = Arc::clone(&store);
            std::thread::spawn(move || (0..4).filter(|_| deliver(&*store, 26).is_ok()).count())
        })
        .collect();
    let delivered: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(delivered, 5);
    assert_counted(&disk, "1000S,5C", 130, 5);
}

/// Recounts run while messages come, are marked, unmarked and go, and while a mailbox that counts is deleted.
#[test]
fn what_the_lines_add_up_to_is_there_after_recounts_in_the_middle() {
    let disk = SimFs::new();
    let store = Arc::new(open(&disk, rules("100000S,1000C")));
    store.quota().unwrap();
    let work = |thread: u32| {
        let (store, disk) = (Arc::clone(&store), disk.clone());
        std::thread::spawn(move || {
            let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
            for round in 0..12 {
                match (thread, round % 4) {
                    (0, _) => {
                        // Whoever is next finds none, and counts.
                        let _ = disk.unlink(Path::new(&format!("{ROOT}/maildirsize")));
                        store.quota().unwrap();
                    }
                    (1, 0) => {
                        let _ = mailbox.expunge(&all(), Expunge::Deleted);
                    }
                    (1, _) => {
                        let _ = append(&*store, &inbox(), &[b'x'; 30], &flags("\\Seen"));
                    }
                    (2, change) => {
                        let change = if change < 3 { FlagChange::Add } else { FlagChange::Remove };
                        let _ = mailbox.refresh();
                        let _ = mailbox.set_flags(&all(), change, &flags("\\Deleted"), None);
                    }
                    (3, 0) => {
                        store.create(&name("Kept")).unwrap();
                        let _ = mailbox.copy(&uids(&[1]), &name("Kept"));
                        store.delete(&name("Kept")).unwrap();
                    }
                    _ => {
                        let _ = deliver(&*store, 26);
                    }
                }
            }
        })
    };
    let threads: Vec<_> = (0..5).map(work).collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let usage = || open(&disk, rules("100000S,1000C")).quota().unwrap().unwrap().usage;
    let summed = usage();
    disk.unlink(Path::new(&format!("{ROOT}/maildirsize"))).unwrap();
    assert_eq!(summed, usage());
}

#[test]
fn two_processes_may_go_over_by_one_each_and_never_spoil_the_file() {
    let disk = SimFs::new();
    let stores: Vec<Arc<MaildirStore>> = [1, 2]
        .map(|pid| {
            let options = MaildirOptions { quota: rules("1000S,5C"), ..MaildirOptions::default() };
            Arc::new(MaildirStore::open_with(env(&disk, pid), Path::new(ROOT), options).unwrap())
        })
        .into();
    // Two that find no file count at the same time, and the sum of one takes the place of what the other has added since.
    stores[0].quota().unwrap();
    let threads: Vec<_> = stores
        .into_iter()
        .map(|store| std::thread::spawn(move || (0..8).filter(|_| deliver(&*store, 26).is_ok()).count()))
        .collect();
    let delivered: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert!((5..=6).contains(&delivered), "{delivered}");
    let _ = disk.unlink(Path::new(&format!("{ROOT}/maildirsize")));
    assert_counted(&disk, "1000S,5C", 26 * delivered as u64, delivered as u64);
}

#[test]
fn append_and_copy_are_refused_and_nothing_is_left() {
    let disk = SimFs::new();
    let store = open(&disk, rules("100S"));
    append(&store, &inbox(), &[b'x'; 60], &flags("")).unwrap();
    is_over(append(&store, &inbox(), &[b'x'; 60], &flags("")));
    append(&store, &inbox(), &[b'x'; 60], &flags("\\Deleted")).unwrap();
    store.create(&name("Archive")).unwrap();
    let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
    assert_eq!(mailbox.entries().len(), 2);
    is_over(mailbox.copy(&uids(&[1]), &name("Archive")));
    mailbox.copy(&uids(&[2]), &name("Archive")).unwrap();
    assert_eq!(store.status(&name("Archive")).unwrap().messages, 1);
    assert_counted(&disk, "100S", 60, 1);
    append(&store, &inbox(), &[b'x'; 40], &flags("")).unwrap();
    let full = "a full mailbox is told before the octets come";
    let mut one_more = store.append(&inbox()).unwrap();
    one_more.begin(&flags(""), None).expect(full);
}

#[test]
fn a_move_adds_nothing_unless_the_rules_of_its_target_differ() {
    let disk = SimFs::new();
    let mut limits = rules("100S");
    limits.rule("Small:bytes=60").unwrap();
    let store = open(&disk, limits);
    for mailbox in ["Trash", "Other", "Small"] {
        store.create(&name(mailbox)).unwrap();
    }
    for _ in 0..2 {
        deliver(&store, 50).unwrap();
    }
    let select = |mailbox: &str| store.open(&name(mailbox), Access::ReadWrite).unwrap();
    let count = |mailbox: &str| select(mailbox).entries().len();
    let usage = || store.quota().unwrap().unwrap().usage.bytes;
    // Full, and one more would be over: but it is here already.
    let lines_before = lines(&disk);
    assert_eq!(select("INBOX").move_to(&uids(&[1]), &name("Other")).unwrap().pairs.len(), 1);
    assert_eq!((count("INBOX"), count("Other"), usage()), (1, 1, 100));
    assert_eq!(lines(&disk), lines_before);
    // Where the limit is another, it is looked at, and nothing moves.
    is_over(select("Other").move_to(&all(), &name("Small")));
    assert_eq!((count("Other"), count("Small"), usage()), (1, 0, 100));
    // To the trash it ceases to count, and from there it begins to.
    select("Other").move_to(&all(), &name("Trash")).unwrap();
    assert_eq!((count("Other"), count("Trash"), usage()), (0, 1, 50));
    select("INBOX").move_to(&all(), &name("Small")).unwrap();
    assert_eq!((count("INBOX"), count("Small"), usage()), (0, 1, 50));
    deliver(&store, 30).unwrap();
    is_over(select("Trash").move_to(&all(), &name("Other")));
    assert_eq!((count("Trash"), count("Other"), usage()), (1, 0, 80));
    select("INBOX").expunge(&all(), Expunge::Any).unwrap();
    select("Trash").move_to(&all(), &name("Other")).unwrap();
    assert_eq!((count("Trash"), count("Other"), usage()), (0, 1, 100));
    // One that is marked as deleted counts nowhere.
    select("Other").set_flags(&all(), FlagChange::Add, &flags("\\Deleted"), None).unwrap();
    assert_eq!(usage(), 50);
    select("Other").move_to(&all(), &name("INBOX")).unwrap();
    assert_eq!((count("INBOX"), usage()), (1, 50));
    assert_counted(&disk, "100S", 50, 1);
}

#[test]
fn limits_that_are_only_written_down_hold_too() {
    let disk = SimFs::new();
    let store = open(&disk, QuotaRules::default());
    deliver(&store, 26).unwrap();
    assert_eq!(store.quota().unwrap(), None);
    write(&disk, "60S\n26 1\n");
    deliver(&store, 26).unwrap();
    is_over(deliver(&store, 26));
    assert_eq!(file(&disk), "60S\n          52            2\n");
}

#[test]
fn r258_the_administrators_text_is_told() {
    let disk = SimFs::new();
    let mut full = rules("10S");
    full.exceeded_message = "Sorry, the user's maildir has overdrawn his diskspace quota".into();
    let error = is_over(deliver(&open(&disk, full), 26));
    assert!(error.to_string().contains("overdrawn"), "{error}");
    assert!(error.to_backend().to_string().contains("overdrawn"), "{}", error.to_backend());
}

/// R261: a check of a mailbox with many messages reads one small file.
#[test]
fn r261_a_check_reads_no_directory() {
    let disk = SimFs::new();
    let store = open(&disk, rules("100000S"));
    for _ in 0..20 {
        deliver(&store, 26).unwrap();
    }
    let before = disk.ops();
    store.check_quota(&inbox(), 100).unwrap();
    store.quota().unwrap();
    let made: Vec<&str> =
        disk.log().into_iter().skip(before as usize).map(|operation| operation.name).collect();
    assert!(!made.is_empty() && !made.contains(&"read_dir"), "{made:?}");
}

#[test]
fn grace_rules_and_a_mailbox_that_is_left_out() {
    let disk = SimFs::new();
    let mut with = rules("100S");
    with.grace = Allowance::Percent(10);
    with.rule("Spam:ignore").unwrap();
    with.rule("Sent:bytes=+50").unwrap();
    let store = open(&disk, with);
    for folder in ["Spam", "Sent"] {
        store.create(&name(folder)).unwrap();
    }
    deliver_to(&store, "Spam", 4000).unwrap();
    deliver(&store, 110).unwrap();
    is_over(deliver(&store, 1));
    append(&store, &name("Sent"), &[b'x'; 40], &flags("")).unwrap();
    is_over(append(&store, &name("Sent"), b"x", &flags("")));
    assert_eq!(store.quota().unwrap().unwrap().usage.bytes, 150);
}

#[test]
fn a_warning_comes_once_a_day_while_it_is_nearly_full() {
    let disk = SimFs::new();
    let mut with = rules("1000S");
    with.warning = Some(QuotaWarning { percent: 50, message: Some((*b"Subject: full\r\n\r\n").into()) });
    let store = open(&disk, with);
    let count = || read_names(&disk, &format!("{ROOT}/new")).len();
    let is_marked = || disk.metadata(Path::new(&format!("{ROOT}/quotawarn"))).is_ok();
    deliver(&store, 490).unwrap();
    assert_eq!((count(), is_marked()), (1, false));
    deliver(&store, 10).unwrap();
    assert_eq!((count(), is_marked()), (3, true));
    deliver(&store, 10).unwrap();
    assert_eq!(count(), 4);
    disk.advance(Duration::from_secs(24 * 3600));
    deliver(&store, 10).unwrap();
    assert_eq!(count(), 6, "the next day");
    store.open(&inbox(), Access::ReadWrite).unwrap().expunge(&all(), Expunge::Any).unwrap();
    deliver(&store, 10).unwrap();
    assert!(!is_marked());
}

#[test]
fn who_opened_the_store_is_told_of_a_warning_with_a_message_or_without() {
    for message in [None, Some((*b"Subject: full\r\n\r\n").into())] {
        let (disk, told) = (SimFs::new(), Arc::new(Mutex::new(Vec::new())));
        let mut quota = rules("1000S");
        quota.warning = Some(QuotaWarning { percent: 50, message: message.clone() });
        let teller = Arc::clone(&told);
        let on_warning: OnWarning = Arc::new(move |quota| teller.lock().unwrap().push(quota.percent()));
        let options = MaildirOptions { quota, on_warning: Some(on_warning), ..MaildirOptions::default() };
        let store = MaildirStore::open_with(env(&disk, 1), Path::new(ROOT), options).unwrap();
        for bytes in [490, 10, 10] {
            deliver(&store, bytes).unwrap();
        }
        assert_eq!(*told.lock().unwrap(), [Some(50)]);
        assert_eq!(read_names(&disk, &format!("{ROOT}/new")).len(), 3 + usize::from(message.is_some()));
    }
}

/// A disk on which the first two who look for the mark of a warning look at the same moment.
#[derive(Debug)]
struct AtOnce(SimFs, AtomicUsize, Barrier);

impl Fs for AtOnce {
    fn metadata(&self, path: &Path) -> io::Result<fs::Metadata> {
        let metadata = self.0.metadata(path);
        if path.ends_with("quotawarn") && self.1.fetch_add(1, Ordering::SeqCst) < 2 {
            self.2.wait();
        }
        metadata
    }
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Box<dyn fs::File>> {
        self.0.open(path, mode)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.0.sync_dir(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.link(from, to)
    }
    fn unlink(&self, path: &Path) -> io::Result<()> {
        self.0.unlink(path)
    }
    fn mkdir(&self, path: &Path) -> io::Result<()> {
        self.0.mkdir(path)
    }
    fn rmdir(&self, path: &Path) -> io::Result<()> {
        self.0.rmdir(path)
    }
    fn read_dir(&self, path: &Path) -> io::Result<Vec<fs::DirEntry>> {
        self.0.read_dir(path)
    }
}

#[test]
fn of_two_deliveries_at_once_one_warns() {
    let disk = SimFs::new();
    let at_once = AtOnce(disk.clone(), AtomicUsize::new(0), Barrier::new(2));
    let env = Env::new(Arc::new(at_once), Arc::new(SimHost::new(&disk, 1)));
    let mut quota = rules("1000S");
    quota.warning = Some(QuotaWarning { percent: 10, message: Some((*b"Subject: full\r\n\r\n").into()) });
    let told = Arc::new(AtomicUsize::new(0));
    let teller = Arc::clone(&told);
    let on_warning: OnWarning = Arc::new(move |_| {
        teller.fetch_add(1, Ordering::SeqCst);
    });
    let options = MaildirOptions { quota, on_warning: Some(on_warning), ..MaildirOptions::default() };
    let store = MaildirStore::open_with(env, Path::new(ROOT), options).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| deliver(&store, 200).unwrap());
        }
    });
    assert_eq!(told.load(Ordering::SeqCst), 1);
    assert_eq!(read_names(&disk, &format!("{ROOT}/new")).len(), 3);
}

#[test]
fn a_store_opened_anew_knows_what_the_old_one_has_under_way() {
    let disk = SimFs::new();
    let env = env(&disk, 1);
    let open = |limits| {
        let options = MaildirOptions { quota: rules(limits), ..MaildirOptions::default() };
        MaildirStore::open_with(env.clone(), Path::new(ROOT), options).unwrap()
    };
    let old = open("1000S");
    let id = DeliveryId { queue_id: "0ADRZ1R2".parse().unwrap(), recipient: 1 << 20 };
    let delivery = Delivery { id, maybe_delivered: false, date: UnixTime(1_700_000_000), header: b"" };
    let staged = old.stage(&inbox(), &delivery, &mut common::Octets(vec![b'x'; 600])).unwrap();
    // Other limits: what is there is counted anew.
    let new = open("900S");
    assert_eq!(new.quota().unwrap().unwrap().usage.bytes, 600);
    is_over(deliver(&new, 400));
    assert!(mailstore::batch::commit([staged]).pop().unwrap().is_ok());
    drop(old);
    assert_eq!(lines(&disk).iter().map(|(bytes, _)| bytes).sum::<i64>(), 600);
    write(&disk, "1S\n");
    assert_eq!(new.quota().unwrap().unwrap().usage.bytes, 600, "counted again when nothing is under way");
}

/// What counts no more is counted first, and that may fail when a part of the mailboxes has its new name.
#[test]
fn mailboxes_whose_rename_fails_stay_together() {
    for layout in [Layout::MaildirPlusPlus, Layout::Fs] {
        let begin = || {
            let disk = SimFs::new();
            let options = MaildirOptions { quota: rules("30000S"), layout, ..MaildirOptions::default() };
            let store = MaildirStore::open_with(env(&disk, 1), Path::new(ROOT), options).unwrap();
            for made in ["A", "A/x"] {
                store.create(&name(made)).unwrap();
                deliver_to(&store, made, 100).unwrap();
            }
            assert_eq!(store.quota().unwrap().unwrap().usage.messages, 2);
            (disk, store)
        };
        let names = |store: &MaildirStore| -> Vec<String> {
            let list = store.list().unwrap().into_iter().filter(|info| info.exists && !info.name.is_inbox());
            list.map(|info| info.name.to_string()).collect()
        };
        let (disk, store) = begin();
        let begun = disk.ops();
        store.rename(&name("A"), &name("Trash/A")).unwrap();
        assert_eq!(store.quota().unwrap().unwrap().usage.messages, 0);
        let mut taken_back = 0;
        for op in begun..disk.ops() {
            let (disk, store) = begin();
            disk.fail_at(op, Fault::Io);
            let renamed = store.rename(&name("A"), &name("Trash/A"));
            if disk.ops() <= op {
                break;
            }
            let names = names(&store);
            let is_old = names == ["A", "A/x"];
            assert!(is_old || names == ["Trash/A", "Trash/A/x"], "op {op}: {names:?}");
            assert!(renamed.is_err() || !is_old, "op {op}");
            taken_back += u32::from(
                is_old && disk.log().iter().any(|op| op.path.ends_with("Trash/A") && op.name == "rename"),
            );
        }
        assert!(layout != Layout::Fs || taken_back > 0, "some were renamed and got their names again");
    }
}

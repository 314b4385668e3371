//! Maildirs that other programs have kept until now: UIDs, keywords and subscriptions stay, whatever fails meanwhile.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use std::path::Path;

use common::{ROOT, every_power_cut, flags, inbox, maildir, message, name, read_all};
use mail_message::FlagSet;
use mailstore::fs::sim::{Fault, SimFs};
use mailstore::fs::{Fs, OpenMode};
use mailstore::{Access, Expunge, Store};

fn put(disk: &SimFs, path: &str, content: &[u8]) {
    let path = format!("{ROOT}/{path}");
    let mut file = disk.open(Path::new(&path), OpenMode::CreateNew).unwrap();
    file.append(content).unwrap();
    file.sync().unwrap();
    disk.sync_dir(Path::new(&path).parent().unwrap()).unwrap();
}

fn make(disk: &SimFs, dirs: &[&str]) {
    for dir in dirs {
        mailstore::fs::create_dir_durably(disk, Path::new(&format!("{ROOT}{dir}"))).unwrap();
    }
}

/// As Courier leaves it: two messages with UIDs, one of them with keywords, and one that has none of both yet.
fn courier() -> SimFs {
    let disk = SimFs::new();
    make(&disk, &["/tmp", "/new", "/cur", "/courierimapkeywords", "/.Sent/tmp", "/.Sent/new", "/.Sent/cur"]);
    put(&disk, "cur/1000000001.M1P1V1.host,S=33:2,S", &message(1));
    put(&disk, "cur/1000000002.M1P1V1.host:2,F", &message(2));
    put(&disk, "new/1000000003.M1P1V1.host", &message(3));
    put(
        &disk,
        "courierimapuiddb",
        b"1 401234567 20\n7 1000000001.M1P1V1.host,S=33\n12 1000000002.M1P1V1.host\n",
    );
    put(
        &disk,
        "courierimapkeywords/:list",
        b"work\n$Label1\n\n1000000001.M1P1V1.host,S=33:0 1\n1000000002.M1P1V1.host:1\n",
    );
    put(&disk, "courierimapkeywords/1000000002.M1P1V1.host", b"later\n");
    put(&disk, ".Sent/cur/1000000004.M1P1V1.host:2,S", &message(4));
    put(&disk, ".Sent/courierimapuiddb", b"1 401234999 9\n8 1000000004.M1P1V1.host\n");
    put(&disk, "courierimapsubscribed", b"INBOX\nINBOX.Sent\nINBOX.Lists.rust\n");
    disk
}

/// UIDs, numbers and flags of what is in INBOX.
fn contents(disk: &SimFs) -> (u32, Vec<(u32, u32, FlagSet)>) {
    let store = maildir(disk, 9).unwrap();
    let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
    let entries = mailbox.entries().to_vec();
    let mut found = Vec::new();
    for entry in entries {
        let content = read_all(&mut *mailbox.message(entry.uid).unwrap()).unwrap();
        let number = (1..9).find(|&number| content == message(number)).unwrap();
        found.push((entry.uid.get(), number, entry.flags));
    }
    (mailbox.uid_validity().get(), found)
}

fn assert_adopted(disk: &SimFs) {
    let adopted =
        vec![(7, 1, flags("\\Seen work $Label1")), (12, 2, flags("\\Flagged later")), (20, 3, flags(""))];
    assert_eq!(contents(disk), (401_234_567, adopted));
    assert_eq!(contents(disk).1.len(), 3, "and the second time");
    let store = maildir(disk, 10).unwrap();
    let sent = store.open(&name("Sent"), Access::ReadWrite).unwrap();
    assert_eq!((sent.uid_validity().get(), sent.entries()[0].uid.get()), (401_234_999, 8));
    let names: Vec<String> = store.subscriptions().unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["INBOX", "Lists/rust", "Sent"]);
    store.unsubscribe(&name("Lists/rust")).unwrap();
    assert_eq!(store.subscriptions().unwrap(), [inbox(), name("Sent")]);
    assert!(store.list().unwrap().iter().any(|info| info.exists && info.name == name("Sent")));
}

#[test]
fn couriers_uids_keywords_and_subscriptions_stay() {
    assert_adopted(&courier());
}

#[test]
fn a_power_cut_or_a_fault_while_it_is_taken_over_loses_nothing() {
    let disk = courier();
    let begun = disk.ops();
    disk.record_crash_points();
    contents(&disk);
    let ended = disk.ops();
    every_power_cut(&disk, |_| 0, |_, disk| assert_adopted(disk));
    for fault in [Fault::Io, Fault::NoSpace] {
        for op in begun..ended {
            let disk = courier();
            disk.fail_at(op, fault);
            if let Ok(store) = maildir(&disk, 1) {
                let _ = store.open(&inbox(), Access::ReadWrite);
            }
            // Else it would fail below.
            if disk.ops() > op {
                assert_adopted(&disk);
            }
        }
    }
}

#[test]
fn dovecots_lists_of_both_versions_stay() {
    for (list, after) in [
        ("1 77 30\n7 1000000001.M1P1V1.host,S=33:2,S\n", "3 V77 N31"),
        (
            "3 V77 N30 Gdeadbeef Pxx\n7 S33 W33 Gabc P00000007 O1 :1000000001.M1P1V1.host,S=33:2,\n",
            "3 V77 N30 Gdeadbeef Pxx\n7 S33 W33 Gabc P00000007 O1 :1000000001.M1P1V1.host,S=33:2,\n",
        ),
    ] {
        let disk = SimFs::new();
        make(&disk, &["/tmp", "/new", "/cur"]);
        put(&disk, "cur/1000000001.M1P1V1.host,S=33:2,Sa", &message(1));
        put(&disk, "dovecot-uidlist", list.as_bytes());
        put(&disk, "dovecot-keywords", b"0 $Fwd\n");
        put(&disk, "subscriptions", b"V\t2\n\nLists\trust\n");
        // Courier was here before; what Dovecot says counts.
        put(&disk, "courierimapuiddb", b"1 401234567 20\n9 1000000001.M1P1V1.host,S=33\n");
        assert_eq!(contents(&disk), (77, vec![(7, 1, flags("\\Seen $Fwd"))]));
        let store = maildir(&disk, 2).unwrap();
        assert_eq!(store.subscriptions().unwrap(), [name("Lists/rust")]);
        common::append(&store, &inbox(), &message(2), &flags("")).unwrap();
        let text = mailstore::fs::read(&disk, Path::new(&format!("{ROOT}/dovecot-uidlist"))).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert!(text.starts_with(after), "{text}");
        assert!(text.lines().last().unwrap().starts_with("30 :"), "{text}");
    }
}

#[test]
fn a_name_beyond_utf_8_in_dovecots_list_costs_nobody_a_uid() {
    let disk = SimFs::new();
    make(&disk, &["/tmp", "/new", "/cur"]);
    put(&disk, "cur/1000000001.M1P1V1.host:2,S", &message(1));
    let list = b"3 V77 N9\n7 :1000000001.M1P1V1.host\n8 W33 :1000000009.M1.h\xf6st\n";
    put(&disk, "dovecot-uidlist", list);
    assert_eq!(contents(&disk), (77, vec![(7, 1, flags("\\Seen"))]));
    let store = maildir(&disk, 2).unwrap();
    let read = || mailstore::fs::read(&disk, Path::new(&format!("{ROOT}/dovecot-uidlist"))).unwrap();
    // So many come and go that the list is rewritten without them.
    for _ in 0..20 {
        common::append(&store, &inbox(), &message(2), &flags("")).unwrap();
        let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
        let last = mailbox.entries().last().unwrap().uid;
        mailbox.expunge(&[last].into_iter().collect(), Expunge::Any).unwrap();
    }
    assert!(read().len() < list.len() + 20 * 30, "it was rewritten");
    let lines: Vec<Vec<u8>> = read().split(|&octet| octet == b'\n').map(<[u8]>::to_vec).collect();
    assert!(lines.contains(&b"8 W33 :1000000009.M1.h\xf6st".to_vec()));
    assert_eq!(contents(&disk), (77, vec![(7, 1, flags("\\Seen"))]));
}

#[test]
fn a_letter_whose_keyword_does_not_read_is_given_to_no_other() {
    let disk = SimFs::new();
    make(&disk, &["/tmp", "/new", "/cur"]);
    put(&disk, "cur/1000000001.M1P1V1.host:2,Sab", &message(1));
    put(&disk, "dovecot-keywords", b"0 gr\xfcn\n1 work\n3 (\n");
    let store = maildir(&disk, 2).unwrap();
    common::append(&store, &inbox(), &message(2), &flags("home")).unwrap();
    let (_, found) = contents(&disk);
    assert_eq!(found, [(1, 2, flags("home")), (2, 1, flags("\\Seen work"))]);
    let text = mailstore::fs::read(&disk, Path::new(&format!("{ROOT}/dovecot-keywords"))).unwrap();
    assert_eq!(text, b"0 gr\xfcn\n1 work\n2 home\n3 (\n");
}

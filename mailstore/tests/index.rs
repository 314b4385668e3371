//! The index of a Maildir: what it spares, what survives a restart, and that no octet of it is believed that is wrong.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failure here is a failed test, and it shows how much it has tried"
)]

mod common;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use common::answers::{NESTED, answers};
use common::clients::Client;
use common::{all, append, flags, inbox, maildir, message, uid, uids};
use mail_message::search::{Query, Scope, Search};
use mail_message::{ModSeq, Uid};
use mailstore::fs::{Fs, OpenMode, SimFs};
use mailstore::{Access, Expunge, FlagChange, Mailbox, MaildirStore, Store, Summary};

fn index_path() -> PathBuf {
    Path::new(common::ROOT).join("postroom.index")
}

fn open(store: &MaildirStore) -> Box<dyn Mailbox> {
    store.open(&inbox(), Access::ReadWrite).unwrap()
}

/// Four messages, one of them nested and one of another program, with bare line feeds; then one goes.
fn filled(fs: &SimFs) -> MaildirStore {
    let store = maildir(fs, 1).unwrap();
    append(&store, &inbox(), &message(1), &flags("\\Seen")).unwrap();
    append(&store, &inbox(), NESTED, &flags("work \\Flagged")).unwrap();
    append(&store, &inbox(), &message(3), &flags("")).unwrap();
    let foreign = format!("{}/new/1.foreign.x,S=20,W=999", common::ROOT);
    let mut file = fs.open(foreign.as_ref(), OpenMode::CreateNew).unwrap();
    file.append(b"Subject: lf\n\nline\n.\n").unwrap();
    let mut mailbox = open(&store);
    answers(&mut *mailbox);
    assert_eq!(mailbox.expunge(&uids(&[3]), Expunge::Any).unwrap(), [uid(3)]);
    store
}

#[test]
fn once_indexed_no_message_is_opened_and_no_quiet_directory_is_listed() {
    let fs = SimFs::new();
    let store = filled(&fs);
    let expected = answers(&mut *open(&store));
    fs.advance(Duration::from_secs(3));
    for look in ["after a change", "after a quiet look"] {
        let before = fs.log().len();
        let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
        assert_eq!(answers(&mut *mailbox), expected);
        assert!(mailbox.refresh().unwrap().is_empty());
        let log = fs.log().split_off(before);
        let opened = log.iter().filter(|op| {
            let dir = op.path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
            matches!(dir, Some("new" | "cur"))
        });
        assert_eq!(opened.count(), 0, "{look}: {log:?}");
        let listed = log.iter().filter(|op| op.name == "read_dir").count();
        assert_eq!(listed > 0, look == "after a change", "{look}: {log:?}");
    }
    // What others do is noticed all the same.
    let foreign = format!("{}/new/2.foreign.x", common::ROOT);
    fs.open(foreign.as_ref(), OpenMode::CreateNew).unwrap();
    assert_eq!(open(&store).entries().len(), expected.len() + 1);
}

/// How many files in directories of messages were opened.
fn opened_messages(fs: &SimFs, since: usize) -> usize {
    let is_message = |op: &&mailstore::fs::sim::Operation| {
        let dir = op.path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        op.name == "open" && matches!(dir, Some("new" | "cur"))
    };
    fs.log()[since..].iter().filter(is_message).count()
}

/// The UIDs of the messages that have all these texts in fields that summaries keep.
fn search(mailbox: &mut dyn Mailbox, terms: &[(Scope<'_>, &str)]) -> Vec<u32> {
    let query = Query::new(terms.iter().copied());
    let mut found = Vec::new();
    for entry in mailbox.entries().to_vec() {
        let summary = mailbox.summary(entry.uid).unwrap();
        let mut search = Search::new(&query);
        search.begin_header();
        search.feed(summary.fields.as_ref().unwrap());
        search.finish();
        if (0..terms.len()).all(|term| search.outcome(term) == Some(true)) {
            found.push(entry.uid.get());
        }
    }
    found
}

#[test]
fn a_search_of_indexed_header_fields_opens_no_message() {
    let fs = SimFs::new();
    let store = filled(&fs);
    let encoded = b"From: =?utf-8?q?R=C3=A9mi?= <r@example.test>\r\nSubject: parts of it\r\n\r\nlf\r\n";
    append(&store, &inbox(), encoded, &flags("")).unwrap();
    let subject = Scope::Field("Subject");
    let from = Scope::Field("From");
    let wanted: [(&[_], &[u32]); 5] = [
        (&[(subject, "PARTS")], &[2, 5]),
        (&[(from, "r\u{c9}mi")], &[5]),
        (&[(subject, "parts"), (from, "a@b")], &[2]),
        (&[(subject, "")], &[1, 2, 4, 5]),
        (&[(Scope::Field("List-Id"), "")], &[]),
    ];
    // What was learnt when the messages came is all that is needed, also by another process that only reads.
    drop(answers(&mut *open(&store)));
    drop(store);
    let before = fs.log().len();
    for (pid, access) in [(2, Access::ReadOnly), (3, Access::ReadWrite)] {
        let store = maildir(&fs, pid).unwrap();
        let mut mailbox = store.open(&inbox(), access).unwrap();
        for (terms, uids) in wanted {
            assert_eq!(search(&mut *mailbox, terms), uids, "{terms:?}");
        }
    }
    assert_eq!(opened_messages(&fs, before), 0);
    // Without the index every one is opened, once.
    fs.unlink(&index_path()).unwrap();
    let mut mailbox = maildir(&fs, 4).unwrap().open(&inbox(), Access::ReadWrite).unwrap();
    for (terms, uids) in wanted {
        assert_eq!(search(&mut *mailbox, terms), uids, "{terms:?}");
    }
    assert_eq!(opened_messages(&fs, before), 4);
}

#[test]
fn what_is_known_of_a_message_goes_with_it() {
    let fs = SimFs::new();
    let store = filled(&fs);
    let target = common::name("target");
    store.create(&target).unwrap();
    let expected: Vec<Arc<Summary>> = answers(&mut *open(&store)).into_values().map(|all| all.3).collect();
    let summaries = |name: &mailstore::MailboxName| -> Vec<Arc<Summary>> {
        let mut mailbox = store.open(name, Access::ReadWrite).unwrap();
        answers(&mut *mailbox).into_values().map(|all| all.3).collect()
    };
    let before = fs.log().len();
    open(&store).copy(&all(), &target).unwrap();
    assert_eq!(summaries(&target), expected, "copied");
    assert_eq!(
        store.open(&target, Access::ReadWrite).unwrap().move_to(&all(), &inbox()).unwrap().pairs.len(),
        3
    );
    assert_eq!(summaries(&inbox()), [&expected[..], &expected[..]].concat(), "moved");
    assert_eq!(opened_messages(&fs, before), 0);
    let before = fs.log().len();
    append(&store, &target, NESTED, &flags("\\Seen")).unwrap();
    append(&store, &target, b"Subject: lf\n\nline\n", &flags("")).unwrap();
    let mut mailbox = store.open(&target, Access::ReadWrite).unwrap();
    let uids: Vec<Uid> = mailbox.entries().iter().map(|entry| entry.uid).collect();
    // A message that comes without a UID is synced, and opened for that, before it gets one; these had theirs.
    assert_eq!(*mailbox.summary(uids[0]).unwrap(), *expected[1]);
    assert_eq!(mailbox.meta(uids[1]).unwrap().size_bytes, 21);
    assert_eq!(opened_messages(&fs, before), 0, "appended");
    // With bare line feeds it is served otherwise than it came.
    assert_eq!(mailbox.summary(uids[1]).unwrap().message.root.body, 15..21);
    assert_eq!(opened_messages(&fs, before), 1);
}

#[test]
fn a_wrong_size_in_a_name_is_mended_by_the_first_reading_and_for_good() {
    let fs = SimFs::new();
    let store = filled(&fs);
    let mut mailbox = open(&store);
    let lied = mailbox.entries().last().unwrap().uid;
    // 20 octets and three bare line feeds; the name says 999.
    assert_eq!(mailbox.meta(lied).unwrap().size_bytes, 24);
    drop(mailbox);
    let mut mailbox = maildir(&fs, 2).unwrap().open(&inbox(), Access::ReadOnly).unwrap();
    assert_eq!(mailbox.meta(lied).unwrap().size_bytes, 24);
    assert_eq!(mailbox.summary(lied).unwrap().message.root.body.end, 24);
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
    assert!(highest > modseq);
    drop((mailbox, store));
    let store = maildir(&fs, 2).unwrap();
    let mailbox = open(&store);
    assert_eq!((mailbox.entries(), mailbox.highest_modseq()), (&entries[..], highest));
    assert_eq!(mailbox.vanished_since(before.highest), Some(uids(&[2])));
    assert_eq!(mailbox.vanished_since(highest), Some(uids(&[])));
    assert_eq!(mailbox.vanished_since(ModSeq::ZERO), None);
    assert!(mailbox.meta_is_saved(uid(1)));
}

trait Saved {
    fn meta_is_saved(self, uid: Uid) -> bool;
}

impl Saved for Box<dyn Mailbox> {
    /// RFC 8514: the time at which it came here, not its INTERNALDATE.
    fn meta_is_saved(mut self, uid: Uid) -> bool {
        let meta = self.meta(uid).unwrap();
        meta.save_date.unwrap().0 == 1_795_305_600 && meta.internal_date.0 == 1_700_000_000
    }
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
    let cur = Path::new(common::ROOT).join("cur");
    let names = common::read_names(&fs, cur.to_str().unwrap());
    let two_name = names.iter().find(|name| name.contains(":2,Fa")).unwrap();
    fs.rename(&cur.join(two_name), &cur.join(two_name.replace(":2,Fa", ":2,FSa"))).unwrap();
    let second = two.set_flags(&uids(&[1, 2, 4]), FlagChange::Add, &flags("\\Deleted"), Some(known)).unwrap();
    assert_eq!(common::told(&second.messages), [(uid(4), flags("\\Deleted"))]);
    assert_eq!(second.modified, uids(&[1, 2]));
    assert!(second.messages[0].modseq > first.messages[0].modseq, "each STORE has its own");
    let told = two.refresh().unwrap().flags;
    assert_eq!(
        common::told(&told),
        [(uid(1), flags("\\Seen \\Draft")), (uid(2), flags("\\Flagged \\Seen work"))]
    );
    assert!(told.iter().all(|changed| changed.modseq > known));
    let never = two.set_flags(&all(), FlagChange::Add, &flags("x"), Some(ModSeq::ZERO)).unwrap();
    assert_eq!((never.messages.len(), never.modified), (0, uids(&[1, 2, 4])));
}

/// Puts other octets in place of the index, as if they had always been there.
fn replace(fs: &SimFs, octets: &[u8]) {
    let mut file = fs.open(&index_path(), OpenMode::Append).unwrap();
    let mtime = file.metadata().unwrap().mtime;
    file.set_len(0).unwrap();
    file.append(octets).unwrap();
    file.set_mtime(mtime).unwrap();
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
    // With the stamps of quiet directories.
    drop(open(&store));
    let whole = mailstore::fs::read(&fs, &index_path()).unwrap();
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
        replace(&fs, octets);
        // Half of them are met by a process that has it open already.
        let store = maildir(&fs, 2).unwrap();
        let mut mailbox = open(&store);
        assert_eq!(answers(&mut *mailbox), expected, "{number}");
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
        replace(&fs, octets);
        mailbox.refresh().unwrap();
        client.sync(&*mailbox);
        assert_eq!(answers(&mut *mailbox), expected);
        mailbox.set_flags(&uids(&[1]), FlagChange::Add, &flags("x"), None).unwrap();
        mailbox.set_flags(&uids(&[1]), FlagChange::Remove, &flags("x"), None).unwrap();
        client.sync(&*mailbox);
    }
    fs.unlink(&index_path()).unwrap();
    let floor = mailbox.refresh().unwrap().modseq_floor.unwrap();
    assert!(floor > client.highest && mailbox.entries().iter().all(|entry| entry.modseq == floor));
}

#[test]
fn the_index_of_other_uids_is_not_taken_and_not_harmed() {
    let fs = SimFs::new();
    let store = filled(&fs);
    let old = mailstore::fs::read(&fs, &index_path()).unwrap();
    let mut stale = open(&store);
    fs.unlink(Path::new(&format!("{}/dovecot-uidlist", common::ROOT))).unwrap();
    let mailbox = open(&store);
    let (validity, entries) = (mailbox.uid_validity(), mailbox.entries().to_vec());
    assert!(validity > stale.uid_validity() && entries.len() == 3);
    drop(mailbox);
    let now = mailstore::fs::read(&fs, &index_path()).unwrap();
    assert_ne!(now, old);
    assert!(stale.refresh().unwrap().invalidated);
    drop(stale);
    let mailbox = open(&store);
    assert_eq!((mailbox.uid_validity(), mailbox.entries()), (validity, &entries[..]));
}

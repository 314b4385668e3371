//! Eight threads and other programs at one mailbox, Dovecot among them: nothing is lost, nothing is there twice, UIDVALIDITY
//! stays, and no UID ever stands for two messages. The others deliver and, but for the one at mbox files, change flags and
//! remove some of what they delivered.
//! `MAILSTORE_CONCURRENT_SECONDS` says for how long; 3 when it does not. For a minute:
//!
//!     MAILSTORE_CONCURRENT_SECONDS=60 cargo test --release -p postroom-mailstore --test concurrent -- --nocapture --test-threads 1
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]
#![allow(clippy::print_stdout, reason = "the test says how much was done")]

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use common::dovecot::Dovecot;
use common::{all, append, flags, has, inbox, message, name, read_all, uids};
use mail_message::{FlagSet, Uid};
use mailstore::mbox::{MboxLocation, MboxOptions, MboxStore};
use mailstore::{
    Access, Delivered, Delivery, DeliveryId, Env, ErrorKind, Expunge, FlagChange, Mailbox, MaildirStore,
    MemoryStore, RealHost, Store,
};
use nix::unistd::{User, setfsgid, setfsuid};
use proto_core::UnixTime;

fn seconds() -> u64 {
    common::from_environment("MAILSTORE_CONCURRENT_SECONDS", 3)
}

/// What all threads know of each other's doings.
#[derive(Default)]
struct Ledger {
    stop: AtomicBool,
    numbers: AtomicU32,
    /// What was acknowledged as stored.
    stored: Mutex<BTreeSet<Vec<u8>>>,
    /// What was acknowledged as removed.
    removed: Mutex<Vec<Vec<u8>>>,
    /// Every message that was ever read, by its UID.
    seen: Mutex<BTreeMap<Uid, Vec<u8>>>,
}

impl Ledger {
    fn next(&self) -> Option<u32> {
        // A breath, so that a disk that is quick does not make a mailbox that is slow to look through.
        std::thread::sleep(Duration::from_millis(2));
        (!self.stop.load(Ordering::Relaxed)).then(|| self.numbers.fetch_add(1, Ordering::Relaxed))
    }

    fn store(&self, octets: Vec<u8>) {
        let is_new = self.stored.lock().unwrap_or_else(PoisonError::into_inner).insert(octets);
        assert!(is_new);
    }

    /// Reads a message, if it is still there, and holds it against what the UID stood for before.
    fn read(&self, mailbox: &mut dyn Mailbox, uid: Uid) -> Option<Vec<u8>> {
        let octets = match mailbox.message(uid).and_then(|mut reader| read_all(&mut *reader)) {
            Ok(octets) => octets,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::NoSuchMessage, "{error}");
                return None;
            }
        };
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let before = seen.entry(uid).or_insert_with(|| octets.clone());
        assert_eq!(*before, octets, "UID {uid} stands for two messages");
        Some(octets)
    }
}

fn appends(store: &dyn Store, ledger: &Ledger) {
    while let Some(number) = ledger.next() {
        let flags = if number % 2 == 0 { FlagSet::new() } else { flags("\\Flagged work") };
        append(store, &inbox(), &message(number), &flags).unwrap();
        ledger.store(message(number));
    }
}

fn deliveries(store: &dyn Store, ledger: &Ledger) {
    while let Some(number) = ledger.next() {
        let id = DeliveryId { queue_id: format!("Q{number}").parse().unwrap(), recipient: 0 };
        let delivery = Delivery { id, maybe_delivered: number % 2 == 0, date: UnixTime(1), header: b"" };
        let ended = store.deliver(&inbox(), &delivery, &mut Bytes::from(message(number))).unwrap();
        assert_eq!(ended, Delivered::Stored);
        ledger.store(message(number));
    }
}

fn marks(store: &dyn Store, ledger: &Ledger) {
    let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
    while let Some(number) = ledger.next() {
        mailbox.refresh().unwrap();
        let change = if number % 2 == 0 { FlagChange::Add } else { FlagChange::Remove };
        mailbox.set_flags(&all(), change, &flags("\\Seen mine"), None).unwrap();
    }
}

fn reads(store: &dyn Store, ledger: &Ledger) {
    let mut mailbox = store.open(&inbox(), Access::ReadOnly).unwrap();
    let mut last = Uid::MIN;
    while ledger.next().is_some() {
        for entry in mailbox.refresh().unwrap().new {
            assert!(entry.uid >= last, "UID {} is new after {last}", entry.uid);
            last = entry.uid;
            ledger.read(&mut *mailbox, entry.uid);
        }
    }
}

/// Removes every third message, and copies before it does: so a message that is gone was gone for a reason.
fn removals(store: &dyn Store, ledger: &Ledger) {
    let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
    let copies = name("copies");
    while ledger.next().is_some() {
        mailbox.refresh().unwrap();
        let wanted: Vec<Uid> = mailbox
            .entries()
            .iter()
            .map(|entry| entry.uid)
            .filter(|uid| uid.get() % 3 == 0)
            .take(4)
            .collect();
        for uid in wanted {
            let Some(octets) = ledger.read(&mut *mailbox, uid) else { continue };
            let one = uids(&[uid.get()]);
            match mailbox.copy(&one, &copies) {
                Err(error) => assert_eq!(error.kind(), ErrorKind::NoSuchMessage, "{error}"),
                Ok(copied) => assert_eq!(copied.pairs.len(), 1),
            }
            if !mailbox.expunge(&one, Expunge::Any).unwrap().is_empty() {
                ledger.removed.lock().unwrap_or_else(PoisonError::into_inner).push(octets);
            }
        }
    }
}

/// Everybody at work, as the user `user` if there is one; `outside` starts another program, which stops by itself, and tells how
/// much it delivered. It is not left alone before. It may have removed what [`may_go`].
fn run(store: &dyn Store, user: Option<&User>, outside: Option<&dyn Fn() -> Child>) {
    let ledger = Ledger::default();
    let is_shared = outside.is_some();
    // An mbox without a message has nowhere to hold its UIDVALIDITY.
    let first = ledger.next().map(message).unwrap();
    append(store, &inbox(), &first, &FlagSet::new()).unwrap();
    ledger.store(first);
    store.create(&name("copies")).unwrap();
    let uid_validity = store.open(&inbox(), Access::ReadOnly).unwrap().uid_validity();
    let mut outside = outside.map(|start| start());
    let foreign = std::thread::scope(|scope| {
        let jobs: [fn(&dyn Store, &Ledger); 8] =
            [appends, appends, deliveries, deliveries, marks, reads, removals, removals];
        for job in jobs {
            let ledger = &ledger;
            scope.spawn(move || {
                let _turn = user.map(Turned::into);
                let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| job(store, ledger)));
                ledger.stop.store(true, Ordering::Relaxed);
                done.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            });
        }
        let mut tenths = 0..seconds() * 10;
        let mut is_over = || match &mut outside {
            Some(outside) => outside.try_wait().unwrap().is_some(),
            None => tenths.next().is_none(),
        };
        // On a busy machine those who remove may have had no turn by then.
        let has_removed = || !ledger.removed.lock().unwrap_or_else(PoisonError::into_inner).is_empty();
        while !(ledger.stop.load(Ordering::Relaxed) || is_over() && has_removed()) {
            std::thread::sleep(Duration::from_millis(100));
        }
        ledger.stop.store(true, Ordering::Relaxed);
        outside.map_or(0, |outside| {
            let output = outside.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            // What Dovecot says on a busy machine: how long a lock took or was held, and that the clock went on without it.
            let is_busy = |line: &str| {
                [" took ", " was locked for ", "Time jumped"].iter().any(|said| line.contains(said))
            };
            let is_well = said.lines().all(is_busy);
            assert!(output.status.success() && is_well, "{said}");
            String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
        })
    });
    let mut stored = ledger.stored.into_inner().unwrap();
    let ours = stored.len();
    stored.extend((0..foreign).filter(|&number| !may_go(number)).map(outsider));
    let passing: BTreeSet<_> = (0..foreign).filter(|&number| may_go(number)).map(outsider).collect();
    let removed = ledger.removed.into_inner().unwrap();
    let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
    assert_eq!(mailbox.uid_validity(), uid_validity);
    let mut found = removed.clone();
    let known: Vec<Uid> = mailbox.entries().iter().map(|entry| entry.uid).collect();
    found.extend(known.iter().map(|&uid| read_all(&mut *mailbox.message(uid).unwrap()).unwrap()));
    let mut distinct: BTreeSet<_> = found.iter().cloned().collect();
    assert_eq!(found.len(), distinct.len(), "a message is there twice, or was removed and is there");
    let (all, mut gone) = (distinct.len(), passing.len());
    distinct.retain(|octets| !passing.contains(octets));
    gone -= all - distinct.len();
    assert_eq!(distinct.len(), stored.len(), "messages are lost");
    assert!(distinct == stored, "what is there is what was stored");
    let copies = store.open(&name("copies"), Access::ReadOnly).unwrap();
    assert!(copies.entries().len() >= removed.len(), "each was copied before it was removed");
    println!(
        "{ours} messages of ours, {foreign} of another program's, {} removed by us, {gone} by it",
        removed.len()
    );
    assert!(ours > 0 && !removed.is_empty());
    assert_eq!(foreign > 0, is_shared, "the other program has its turn too");
}

/// While it lives, this thread works as the user of Dovecot's mail.
struct Turned;

impl Turned {
    fn into(user: &User) -> Self {
        setfsgid(user.gid);
        setfsuid(user.uid);
        Self
    }
}

impl Drop for Turned {
    fn drop(&mut self) {
        setfsuid(nix::unistd::Uid::effective());
        setfsgid(nix::unistd::Gid::effective());
    }
}

/// What the other program delivers.
fn outsider(number: u32) -> Vec<u8> {
    let passing = if may_go(number) { "passing" } else { "staying" };
    format!("Subject: outside {number} {passing}\r\n\r\nbody\r\n").into_bytes()
}

/// Whether the other program may remove it again.
fn may_go(number: u32) -> bool {
    number.is_multiple_of(3)
}

/// A delivery agent of the simplest kind, and a reader that sets and takes a flag of all that it sees, and removes some.
fn maildir_agent(root: &Path) -> Child {
    let script = r#"
        cd "$1" || exit 1
        n=0
        end=$(($(date +%s) + $2))
        while [ "$n" -eq 0 ] || [ "$(date +%s)" -lt "$end" ]; do
            passing=staying
            [ $((n % 3)) -eq 0 ] && passing=passing
            printf 'Subject: outside %d %s\n\nbody\n' "$n" "$passing" > "tmp/1.$n.$passing" || exit 1
            mv "tmp/1.$n.$passing" "new/1.$n.$passing" || exit 1
            n=$((n + 1))
            [ $((n % 10)) -eq 0 ] || continue
            # Each may have another name by now, or none; then it is for the next time.
            changed=0
            for name in cur/*:2,*; do
                changed=$((changed + 1))
                [ "$changed" -le 20 ] || break
                case "$name" in
                    *.passing:*) rm -f "$name" ;;
                    *:2,*R*) mv "$name" "${name%R*}${name##*R}" 2>/dev/null ;;
                    *:2,*[STa-z]*) changed=$((changed - 1)) ;;
                    *) mv "$name" "${name}R" 2>/dev/null ;;
                esac
            done
        done
        echo "$n"
    "#;
    let mut command = Command::new("sh");
    command.args(["-c", script, "agent"]).arg(root).arg(seconds().to_string());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Dovecot: it saves, marks and removes, each of them as fast as it can. Its library says on its standard error what it finds
/// wrong.
fn dovecot_agent(dovecot: &Dovecot) -> Child {
    let script = r#"
        end=$(($(date +%s) + $2))
        doveadm() { command doveadm -c "$conf" "$@"; }
        conf=$1
        while [ "$(date +%s)" -lt "$end" ]; do
            doveadm flags add '\Answered theirs' mailbox INBOX all
            doveadm flags remove '\Answered' mailbox INBOX all
        done &
        while [ "$(date +%s)" -lt "$end" ]; do
            doveadm expunge mailbox INBOX header subject passing
            sleep 0.02
        done &
        n=0
        while [ "$n" -eq 0 ] || [ "$(date +%s)" -lt "$end" ]; do
            passing=staying
            [ $((n % 3)) -eq 0 ] && passing=passing
            printf 'Subject: outside %d %s\r\n\r\nbody\r\n' "$n" "$passing" | doveadm save -m INBOX || exit 1
            n=$((n + 1))
        done
        wait
        echo "$n"
    "#;
    let mut command = dovecot.command(&["sh", "-c", script, "agent"]);
    command.arg(dovecot.conf()).arg(seconds().to_string()).spawn().unwrap()
}

/// Four threads move the same messages to different mailboxes, one of them back and forth: each message ends in exactly
/// one of them, and each move that was told was made.
fn moves(store: &dyn Store) {
    const MESSAGES: u32 = 24;
    let targets = ["one", "two", "three", "four"].map(name);
    targets.iter().for_each(|target| store.create(target).unwrap());
    for number in 0..MESSAGES {
        append(store, &inbox(), &message(number), &flags(["", "\\Seen", "work"][number as usize % 3]))
            .unwrap();
    }
    let moved = std::thread::scope(|scope| {
        let mover = |target| {
            scope.spawn(move || {
                let mut moved = 0;
                let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
                // Each begins with another part of them.
                for raw in (1..=MESSAGES).rev() {
                    moved += mailbox.move_to(&uids(&[raw, MESSAGES + 1 - raw]), target).unwrap().pairs.len();
                }
                moved
            })
        };
        let movers = targets.each_ref().map(mover);
        // And one that puts some of them back.
        let back = scope.spawn(|| {
            let mut back = 0;
            for _ in 0..4 {
                let mut mailbox = store.open(&targets[0], Access::ReadWrite).unwrap();
                back += mailbox.move_to(&all(), &inbox()).unwrap().pairs.len();
            }
            back
        });
        movers.map(|mover| mover.join().unwrap()).iter().sum::<usize>() - back.join().unwrap()
    });
    let mut found = BTreeMap::<Vec<u8>, u32>::new();
    let mut elsewhere = 0;
    for mailbox_name in targets.iter().chain([&inbox()]) {
        let mut mailbox = store.open(mailbox_name, Access::ReadWrite).unwrap();
        let known: Vec<Uid> = mailbox.entries().iter().map(|entry| entry.uid).collect();
        elsewhere += if mailbox_name.is_inbox() { 0 } else { known.len() };
        for uid in known {
            *found.entry(read_all(&mut *mailbox.message(uid).unwrap()).unwrap()).or_default() += 1;
        }
    }
    let expected = (0..MESSAGES).map(|number| (message(number), 1)).collect();
    assert_eq!(found, expected, "each message is there once");
    assert_eq!(moved, elsewhere, "what was told is what was done");
}

#[test]
fn moves_against_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let env = Env::real("test.example");
    moves(&MaildirStore::open(env.clone(), &dir.path().join("Maildir"), None).unwrap());
    let location = MboxLocation::new(dir.path().join("mail"), dir.path().join("inbox"));
    moves(&MboxStore::open(env, location, MboxOptions::default(), None).unwrap());
    moves(&MemoryStore::new(RealHost::new("test.example")));
}

/// Python's own mbox: it locks by `fcntl` first, then with a dotlock, and gives both back when one is not free. It gives up
/// when it has had no turn for a minute more than it was to work.
fn mbox_agent(inbox: &Path) -> Child {
    let script = r#"
import mailbox, sys, time
n, end = 0, time.time() + float(sys.argv[2])
while time.time() < end or n == 0 and time.time() < end + 60:
    box = mailbox.mbox(sys.argv[1], create=False)
    try:
        box.lock()
    except mailbox.ExternalClashError:
        box.close()
        time.sleep(0.001)
        continue
    box.add(b"Subject: outside %d %s\n\nbody\n" % (n, b"staying" if n % 3 else b"passing"))
    box.flush()
    box.unlock()
    box.close()
    n += 1
    time.sleep(0.002)
print(n)
"#;
    let mut command = Command::new("python3");
    command.args(["-c", script]).arg(inbox).arg(seconds().to_string());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().unwrap()
}

#[test]
fn a_maildir() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("Maildir");
    let store = MaildirStore::open(Env::real("test.example"), &root, None).unwrap();
    run(&store, None, Some(&|| maildir_agent(&root)));
}

/// The user as whom Dovecot works.
fn nobody() -> User {
    User::from_name("nobody").unwrap().unwrap()
}

#[test]
fn a_maildir_beside_dovecot() {
    let settings = |at: &str| format!("mail_location = maildir:{at}/Maildir\n");
    let Some(dovecot) = Dovecot::with(settings) else { return };
    std::fs::create_dir(dovecot.root()).unwrap();
    dovecot.chown();
    let _turned = Turned::into(&nobody());
    let store = MaildirStore::open(Env::real("test.example"), &dovecot.root(), None).unwrap();
    run(&store, Some(&nobody()), Some(&|| dovecot_agent(&dovecot)));
}

#[test]
fn an_mbox_beside_dovecot() {
    let Some(dovecot) = Dovecot::of_mboxes() else { return };
    dovecot.chown();
    let _turned = Turned::into(&nobody());
    let location = MboxLocation::new(dovecot.root().join("mail"), dovecot.root().join("inbox"));
    let store = MboxStore::open(Env::real("test.example"), location, MboxOptions::default(), None).unwrap();
    run(&store, Some(&nobody()), Some(&|| dovecot_agent(&dovecot)));
}

#[test]
fn an_mbox() {
    let dir = tempfile::tempdir().unwrap();
    let inbox = dir.path().join("inbox");
    let location = MboxLocation::new(dir.path().join("mail"), &inbox);
    let store = MboxStore::open(Env::real("test.example"), location, MboxOptions::default(), None).unwrap();
    let agent = || mbox_agent(&inbox);
    run(&store, None, has("python3").then_some(&agent));
}

#[test]
fn memory() {
    run(&MemoryStore::new(RealHost::new("test.example")), None, None);
}

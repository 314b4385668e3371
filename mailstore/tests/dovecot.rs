//! Debian's Dovecot at the same Maildir, or mbox files, by `doveadm`: each side in turn adds, marks and removes, and both see the same
//! UIDs, flags, keywords, mailboxes, subscriptions and quota.
//!
//! Only root can change to the user as whom Dovecot works.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use common::dovecot::{Dovecot, LIMIT_BYTES, sorted};
use common::{append, flags, inbox, message, name, read_all, uids};
use mailstore::mbox::{MboxLocation, MboxOptions, MboxStore};
use mailstore::{Access, Env, ErrorKind, Expunge, FlagChange, MailboxName, Store};

fn our_uid_flags(store: &dyn Store, mailbox: &MailboxName) -> Vec<(u32, String)> {
    let mailbox = store.open(mailbox, Access::ReadWrite).unwrap();
    let words = |flags: &mail_message::FlagSet| {
        let system = mail_message::Flag::SYSTEM.into_iter().filter(|flag| flags.contains(flag));
        let all = system.map(|flag| flag.to_string());
        sorted(all.chain(flags.keywords().iter().map(ToString::to_string)).collect())
    };
    mailbox.entries().iter().map(|entry| (entry.uid.get(), words(&entry.flags))).collect()
}

/// Both say the same of a mailbox.
fn agree(dovecot: &Dovecot, mailbox: &str) -> Vec<(u32, String)> {
    let ours = our_uid_flags(&dovecot.ours(), &name(mailbox));
    assert_eq!(dovecot.uid_flags(&mailbox.replace('/', ".")), ours, "{mailbox}");
    // And we again, after it has written what it has to write.
    assert_eq!(our_uid_flags(&dovecot.ours(), &name(mailbox)), ours, "{mailbox}");
    ours
}

#[test]
fn both_work_at_one_maildir_in_turn() {
    let Some(dovecot) = Dovecot::new() else { return };
    let store = dovecot.ours();
    append(&store, &inbox(), &message(1), &flags("\\Seen work")).unwrap();
    append(&store, &inbox(), &message(2), &flags("")).unwrap();
    store.create(&name("Lists/rust")).unwrap();
    store.subscribe(&name("Lists/rust")).unwrap();
    append(&store, &name("Lists/rust"), &message(3), &flags("\\Flagged")).unwrap();
    let validity = store.open(&inbox(), Access::ReadOnly).unwrap().uid_validity();
    agree(&dovecot, "INBOX");
    agree(&dovecot, "Lists/rust");
    assert_eq!(dovecot.run(&["mailbox", "list", "-s"], b"").trim(), "Lists.rust");
    drop(store);

    let mut expected_next = 3;
    for round in 0..3_u32 {
        // Dovecot adds, marks and removes.
        dovecot.run(&["save", "-m", "INBOX"], &message(10 + round));
        let new = expected_next.to_string();
        let keyword = format!("round{round}");
        dovecot
            .run(&["flags", "add", &format!("\\Answered {keyword}"), "mailbox", "INBOX", "uid", &new], b"");
        let seen = agree(&dovecot, "INBOX");
        assert_eq!(seen.last(), Some(&(expected_next, format!("\\Answered {keyword}"))));
        let store = dovecot.ours();
        let mut mailbox = store.open(&inbox(), Access::ReadWrite).unwrap();
        assert_eq!(mailbox.uid_validity(), validity);
        let last = mailbox.entries().last().unwrap().uid;
        // Dovecot saves with the line ends of Unix; both read it with those of the wire.
        assert_eq!(read_all(&mut *mailbox.message(last).unwrap()).unwrap(), message(10 + round));
        // We mark, add and remove.
        mailbox
            .set_flags(&uids(&[expected_next]), FlagChange::Replace, &flags("\\Draft work"), None)
            .unwrap();
        let ours = append(&store, &inbox(), &message(20 + round), &flags("\\Seen")).unwrap();
        assert_eq!(ours.get(), expected_next + 1);
        mailbox.refresh().unwrap();
        mailbox.expunge(&uids(&[expected_next]), Expunge::Any).unwrap();
        agree(&dovecot, "INBOX");
        dovecot.run(&["expunge", "mailbox", "INBOX", "uid", &ours.to_string()], b"");
        assert_eq!(agree(&dovecot, "INBOX").len(), 2);
        expected_next += 2;
        // What each has counted for the other.
        let counted = dovecot.ours().quota().unwrap().unwrap();
        assert_eq!((counted.usage.messages, counted.limits.bytes), (3, Some(LIMIT_BYTES)));
        assert_eq!(dovecot.quota_messages(), 3);
    }

    dovecot.run(&["mailbox", "create", "-s", "Sent.2026"], b"");
    let store = dovecot.ours();
    assert!(store.list().unwrap().iter().any(|info| info.exists && info.name == name("Sent/2026")));
    assert_eq!(store.subscriptions().unwrap(), [name("Lists/rust"), name("Sent/2026")]);
    store.rename(&name("Sent/2026"), &name("Old")).unwrap();
    store.unsubscribe(&name("Sent/2026")).unwrap();
    dovecot.run(&["save", "-m", "Old"], &message(30));
    assert_eq!(agree(&dovecot, "Old"), [(1, String::new())]);
    let listed = dovecot.run(&["mailbox", "list"], b"");
    assert!(listed.contains("Old") && !listed.contains("Sent"), "{listed}");
    assert_eq!(dovecot.run(&["mailbox", "list", "-s"], b"").trim(), "Lists.rust");

    // Each refuses what the other has filled.
    let large = [b"Subject: large\r\n\r\n".to_vec(), vec![b'x'; 3800]].concat();
    append(&dovecot.ours(), &inbox(), &large, &flags("")).unwrap();
    let refused = dovecot.try_run(&["save", "-m", "INBOX"], &large).unwrap_err();
    assert!(refused.to_lowercase().contains("quota"), "{refused}");
    let error = append(&dovecot.ours(), &inbox(), &large, &flags("")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OverQuota);
}

/// What it says of mailboxes: all, and those subscribed, with `/` between their parts.
fn listed(dovecot: &Dovecot, separator: char) -> [Vec<String>; 2] {
    [&["mailbox", "list"][..], &["mailbox", "list", "-s"]].map(|args| {
        let mut names: Vec<String> =
            dovecot.run(args, b"").lines().map(|line| line.replace(separator, "/")).collect();
        names.sort();
        names
    })
}

fn our_lists(store: &dyn Store) -> [Vec<String>; 2] {
    let all = store.list().unwrap().into_iter().map(|info| info.name);
    [all.collect(), store.subscriptions().unwrap()].map(|names: Vec<MailboxName>| {
        let mut names: Vec<String> = names.iter().map(|name| name.to_utf8().unwrap()).collect();
        names.sort();
        names
    })
}

/// Its trees are known for what they are, and we add to them in the same way.
#[test]
fn layouts_and_encodings_of_names_are_found_and_kept() {
    for (options, separator, inbox_of_ours) in [
        ("", '.', ".Entw&APw-rfe.R&-D"),
        (":UTF-8", '.', ".Entwürfe.R&D"),
        (":LAYOUT=fs", '/', "Entw&APw-rfe/R&-D"),
        (":LAYOUT=fs:UTF-8", '/', "Entwürfe/R&D"),
    ] {
        let Some(dovecot) = Dovecot::at(options) else { return };
        std::fs::create_dir(dovecot.root()).unwrap();
        let name_of = |name: &str| name.replace('/', &separator.to_string());
        for made in ["Entwürfe/R&D", "Lists/rust"] {
            dovecot.run(&["mailbox", "create", "-s", &name_of(made)], b"");
            dovecot.run(&["save", "-m", &name_of(made)], &message(1));
        }
        assert!(dovecot.root().join(inbox_of_ours).join("cur").is_dir(), "{options}");
        let store = dovecot.ours();
        assert_eq!(our_lists(&store), listed(&dovecot, separator), "{options}");
        let drafts = MailboxName::from_utf8("Entwürfe/R&D").unwrap();
        let entries = store.open(&drafts, Access::ReadWrite).unwrap().entries().to_vec();
        assert_eq!(entries.iter().map(|entry| entry.uid.get()).collect::<Vec<_>>(), [1]);

        // One below another, one beside, one for each that goes.
        for made in ["Entwürfe/R&D/ältere", "Été", "Weg"] {
            let made = MailboxName::from_utf8(made).unwrap();
            store.create(&made).unwrap();
            store.subscribe(&made).unwrap();
            append(&store, &made, &message(2), &flags("\\Seen")).unwrap();
        }
        store.rename(&drafts, &MailboxName::from_utf8("Neu/R&D").unwrap()).unwrap();
        store.delete(&name("Weg")).unwrap();
        store.unsubscribe(&name("Weg")).unwrap();
        let [all, subscribed] = listed(&dovecot, separator);
        let expected = ["INBOX", "Lists", "Lists/rust", "Neu", "Neu/R&D", "Neu/R&D/ältere", "Été"];
        assert_eq!(all, expected, "{options}");
        assert_eq!(our_lists(&dovecot.ours()), [all, subscribed], "{options}");
        assert_eq!(dovecot.uid_flags(&name_of("Neu/R&D")), [(1, String::new())]);
        assert_eq!(dovecot.uid_flags(&name_of("Neu/R&D/ältere")), [(1, "\\Seen".to_owned())]);
        // What it deletes and makes anew between ours.
        dovecot.run(&["mailbox", "delete", &name_of("Neu/R&D")], b"");
        dovecot.run(&["mailbox", "create", &name_of("Neu/später")], b"");
        let ours = dovecot.ours();
        let here: Vec<String> = ours
            .list()
            .unwrap()
            .iter()
            .filter_map(|info| info.exists.then(|| info.name.to_utf8()).flatten())
            .collect();
        for there in ["INBOX", "Lists/rust", "Neu/R&D/ältere", "Neu/später", "Été"] {
            assert!(here.contains(&there.to_owned()), "{options}: {here:?}");
        }
        assert_eq!(here.len(), 5, "{options}: {here:?}");
    }
}

/// In the form that Dovecot gives a list that it makes, and in the one of before, which it keeps.
#[test]
fn mailboxes_and_subscriptions_of_mbox_files_are_the_same_to_both() {
    for old in [None, Some("Lists/old\nWeg\n")] {
        let Some(dovecot) = Dovecot::of_mboxes() else { return };
        let ours = || {
            let root = dovecot.root();
            let location = MboxLocation::new(root.join("mail"), root.join("inbox"));
            MboxStore::open(Env::real("test.example"), location, MboxOptions::default(), None).unwrap()
        };
        let before: &[&str] = if old.is_some() { &["Lists/old", "Weg"] } else { &[] };
        let agree = |expected: &[&str]| {
            let mut expected = [before, expected].concat();
            expected.sort_unstable();
            let [all, subscribed] = listed(&dovecot, '/');
            assert!(all.iter().all(|name| !name.starts_with('.')), "what is ours is no mailbox: {all:?}");
            assert_eq!(subscribed, expected, "{old:?}");
            assert_eq!(our_lists(&ours())[1], expected, "{old:?}");
        };
        if let Some(old) = old {
            std::fs::create_dir(dovecot.root().join("mail")).unwrap();
            std::fs::write(dovecot.root().join("mail/.subscriptions"), old).unwrap();
        }
        for made in ["Entwürfe", "Lists/rust"] {
            dovecot.run(&["mailbox", "create", "-s", made], b"");
            dovecot.run(&["save", "-m", made], &message(1));
        }
        agree(&["Entwürfe", "Lists/rust"]);
        // What we add, rename and take out; a name stays subscribed though its mailbox has another now.
        let store = ours();
        for made in ["Sent/2026", "Été"] {
            let made = MailboxName::from_utf8(made).unwrap();
            store.create(&made).unwrap();
            store.subscribe(&made).unwrap();
        }
        store.rename(&name("Lists/rust"), &name("Lists/Rust")).unwrap();
        store.unsubscribe(&MailboxName::from_utf8("Entwürfe").unwrap()).unwrap();
        agree(&["Lists/rust", "Sent/2026", "Été"]);
        assert_eq!(dovecot.uid_flags("Lists/Rust"), [(1, String::new())]);
        // And what it takes out, and adds, of ours.
        dovecot.run(&["mailbox", "unsubscribe", "Sent/2026", "Lists/rust"], b"");
        dovecot.run(&["mailbox", "subscribe", "Lists/Rust"], b"");
        agree(&["Lists/Rust", "Été"]);
        let text = std::fs::read_to_string(dovecot.root().join("mail/.subscriptions")).unwrap();
        assert_eq!(text.starts_with("V\t2\n"), old.is_none(), "{text}");
    }
}

/// The directories that a template of its variables means.
#[test]
fn r149_r153_templates_mean_the_directories_that_dovecot_makes() {
    for template in ["%2.256Nu/%u", "%1n/%1.1n/%n", "%Ld/%n", "%Nu/%2.3n", "%3.16Nd/%8Nn/%u"] {
        let Some(dovecot) = Dovecot::at(&format!("/{template}")) else { return };
        std::fs::create_dir(dovecot.root()).unwrap();
        dovecot.run(&["save", "-m", "INBOX"], &message(1));
        let template: mailstore::PathTemplate = template.parse().unwrap();
        let user = mailstore::PathUser { user: "alice", domain: "Example.test", home: &dovecot.root() };
        let path = template.expand(&user).unwrap();
        assert!(path.join("new").is_dir(), "{}", path.display());
    }
}

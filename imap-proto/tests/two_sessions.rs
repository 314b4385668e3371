//! Two sessions on one mailbox, and one session pipelined against itself.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails here")]

mod common;

use common::session::Session;
use common::{connect, plain_store};
use imap_proto::server::Server;
use testkit::{Driver, for_each_seed};

type Client = Driver<Server, Session>;

/// Sends lines and returns what came back.
fn say(client: &mut Client, lines: &str) -> String {
    client.receive(format!("{}\r\n", lines.replace('\n', "\r\n")).as_bytes());
    heard(client)
}

/// What came unasked.
fn heard(client: &mut Client) -> String {
    client.pump();
    String::from_utf8(client.take_sent()).unwrap().replace("\r\n", "\n")
}

fn selected(store: &common::Shared) -> Client {
    let mut client = connect(store);
    let answer = say(&mut client, "l LOGIN u p\ns SELECT INBOX");
    assert!(answer.ends_with("s OK [READ-WRITE] SELECT completed.\n"), "{answer}");
    client
}

#[test]
fn i19_i20_i21_numbers_move_only_when_told() {
    let store = plain_store();
    let (mut a, mut b) = (selected(&store), selected(&store));
    assert_eq!(say(&mut a, "1 STORE 1,3 +FLAGS.SILENT (\\Deleted)"), "1 OK STORE completed.\n");
    assert_eq!(say(&mut a, "2 EXPUNGE"), "* 3 EXPUNGE\n* 1 EXPUNGE\n2 OK EXPUNGE completed.\n");
    assert_eq!(heard(&mut b), "");
    assert_eq!(
        say(&mut b, "1 FETCH 1:5 (UID)"),
        "* 2 FETCH (UID 4)\n* 4 FETCH (UID 6)\n* 5 FETCH (UID 9)\n1 OK [EXPUNGEISSUED] FETCH completed.\n",
    );
    assert_eq!(
        say(&mut b, "2 FETCH 1 BODY.PEEK[]"),
        "* 1 FETCH (BODY[] NIL)\n2 OK [EXPUNGEISSUED] FETCH completed.\n"
    );
    assert_eq!(say(&mut b, "3 SEARCH ALL"), "* SEARCH 2 4 5\n3 OK SEARCH completed.\n");
    assert_eq!(
        say(&mut b, "4 STORE 2 +FLAGS (\\Flagged)"),
        "* 2 FETCH (FLAGS (\\Flagged))\n4 OK STORE completed.\n"
    );
    let fetched = say(&mut b, "5 UID FETCH 1:* FLAGS");
    assert!(fetched.contains("* 2 FETCH (FLAGS (\\Flagged) UID 4)\n"), "{fetched}");
    assert!(
        fetched.ends_with("* 3 EXPUNGE\n* 1 EXPUNGE\n5 OK [EXPUNGEISSUED] UID FETCH completed.\n"),
        "{fetched}"
    );
    assert_eq!(say(&mut a, "3 NOOP"), "* 1 FETCH (FLAGS (\\Flagged))\n3 OK NOOP completed.\n",);
}

#[test]
fn i23_idle_hears_what_the_other_does() {
    let store = plain_store();
    let (mut a, mut b) = (selected(&store), selected(&store));
    assert_eq!(say(&mut b, "i IDLE"), "+ idling\n");
    say(&mut a, "1 APPEND INBOX {5+}\nhello");
    assert_eq!(heard(&mut b), "* 6 EXISTS\n");
    say(&mut a, "2 STORE 2 +FLAGS (\\Deleted)");
    assert_eq!(heard(&mut b), "* 2 FETCH (FLAGS (\\Deleted))\n");
    say(&mut a, "3 EXPUNGE");
    assert_eq!(heard(&mut b), "* 2 EXPUNGE\n");
    assert_eq!(say(&mut b, "DONE"), "i OK IDLE completed.\n");
}

/// `\Recent` goes to one session only, and not to EXAMINE.
#[test]
fn recent_is_seen_by_one() {
    let store = plain_store();
    let mut a = connect(&store);
    let examined = say(&mut a, "l LOGIN u p\ne EXAMINE INBOX\nf FETCH 5 FLAGS");
    assert!(
        examined.contains("* 1 RECENT\n") && examined.contains("* 5 FETCH (FLAGS (\\Recent))\n"),
        "{examined}"
    );
    let mut b = connect(&store);
    let first = say(&mut b, "l LOGIN u p\ns SELECT INBOX");
    assert!(first.contains("* 1 RECENT\n"), "{first}");
    let mut c = connect(&store);
    let second = say(&mut c, "l LOGIN u p\ns SELECT INBOX\nf FETCH 5 FLAGS");
    assert!(second.contains("* 0 RECENT\n") && second.contains("* 5 FETCH (FLAGS ())\n"), "{second}");
}

/// I24 and I25 for all pairs and more: pipelined commands give what the same commands give one by one.
#[test]
fn pipelined_is_as_one_by_one() {
    const COMMANDS: &[&str] = &[
        "FETCH 1 (UID FLAGS)",
        "FETCH 1 BODY[TEXT]",
        "FETCH 2:* UID",
        "UID FETCH 4:* (FLAGS BODY.PEEK[]<0.7>)",
        "STORE 1 +FLAGS (\\Deleted)",
        "STORE 2:3 -FLAGS.SILENT (\\Deleted)",
        "UID STORE 9 FLAGS ($Work)",
        "EXPUNGE",
        "UID EXPUNGE 2:5",
        "SEARCH DELETED",
        "UID SEARCH NOT 1",
        "COPY 1 INBOX",
        "UID COPY 4 empty",
        "APPEND INBOX {3+}\nabc",
        "APPEND nosuch {3+}\nabc",
        "SELECT INBOX",
        "EXAMINE INBOX",
        "SELECT empty",
        "CLOSE",
        "UNSELECT",
        "NOOP",
        "CHECK",
        "STATUS INBOX (MESSAGES RECENT UIDNEXT UNSEEN)",
        "LIST \"\" *",
        "IDLE\nDONE",
        "IDLE\nNOOP",
        "FROB",
        "CREATE {5+}\na/b/c",
    ];
    for_each_seed(60, |rng| {
        let script: Vec<String> =
            (0..rng.between(2, 25)).map(|n| format!("t{n} {}", rng.pick(COMMANDS))).collect();
        let mut slow = selected(&plain_store());
        let expected: String = script.iter().map(|command| say(&mut slow, command)).collect();
        let mut fast = selected(&plain_store());
        assert_eq!(say(&mut fast, &script.join("\n")), expected, "{script:#?}");
        assert_eq!(expected.lines().filter(|line| line.starts_with('t')).count(), script.len(), "{expected}");
    });
}

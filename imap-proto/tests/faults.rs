//! Faults that mail software has had, each as a test of this machine. The numbers are those of the project's list.

mod common;

use common::make;
use testkit::Runner;

const LOGIN: &str = "\
@var user name u
@var pass password p
@var a tag a
@var b tag b
@define in
S: * OK …
C: z LOGIN {user} {pass}
S: z OK …
@end
";

fn check(name: &str, cases: &str) {
    Runner::server().check_text(name, &format!("{LOGIN}{cases}"), make);
}

/// Over-long lines and over-size literals go by to their true end, then are refused: nothing of them is a command.
#[test]
fn fault_04_what_is_too_large_is_never_read_as_a_command() {
    check(
        "fault 4",
        "\
=== a line
@use in
C: {a} NOOP {rep:7000:LOGOUT xyz }x
S: {a} BAD [TOOBIG] …
C: {b} NOOP
S: {b} OK …
=== a literal that nobody asked for
@use in
C: {a} CREATE {70000+}
C: {rep:7000:b LOGOUT↵} x
S: {a} NO [TOOBIG] …
C: {b} NOOP
S: {b} OK …
=== a message that nobody asked for
@with message_max=999
@use in
C: {a} APPEND INBOX {1000+}
C: {rep:100:b LOGOUT↵}
S: {a} NO [TOOBIG] …
C: {b} NOOP
S: {b} OK …
",
    );
}

/// What came with STARTTLS in the same read, or after it, is gone before the handshake.
#[test]
fn fault_05_nothing_survives_starttls() {
    check(
        "fault 5",
        "\
=== whole commands, half commands, literals
@with tls=starttls
S: * OK …
C: {a} STARTTLS‿
C: {b} LOGIN {{len:{user}}+}↵{user} {pass}↵{b} SELECT INBOX↵{b} LOG\\
S: {a} OK …
@tls
C: IN x
S: IN BAD …
C: {b} SELECT INBOX
S: {b} BAD …
",
    );
}

/// `UID EXPUNGE` keeps its set. The rest of fault 7 stands with the view.
#[test]
fn fault_07_uid_expunge_keeps_its_set() {
    check(
        "fault 7",
        "\
=== only what was named and is deleted goes
@use in
C: {a} SELECT INBOX
S*: * …
S: {a} OK …
C: {a} STORE 1:* +FLAGS.SILENT (\\\\Deleted)
S: {a} OK …
C: {a} UID EXPUNGE 9999:*,5:3
S: * 5 EXPUNGE
S: * 3 EXPUNGE
S: * 2 EXPUNGE
S: * 0 RECENT
S: {a} OK …
C: {a} UID SEARCH ALL
S: * SEARCH 2 6
S: {a} OK …
",
    );
}

/// A literal may stand wherever an astring may; before login it is capped; a message streams.
#[test]
fn fault_08_literals() {
    check(
        "fault 8",
        "\
=== wherever an astring may
@use in
C: {a} STATUS {5+}↵INBOX (MESSAGES)
S: * STATUS \"INBOX\" (MESSAGES 5)
S: {a} OK …
C: {a} RENAME {5+}↵empty {3+}↵new
S: {a} OK …
C: {a} LIST {0+}↵ {3}
S: + …
C: ne%
S: * LIST () \"/\" \"new\"
S: {a} OK …
C: {a} SELECT {5}
S: + …
C: INBOX
S*: * …
S: {a} OK …
C: {a} SEARCH SUBJECT {9+}↵message 4 NOT TEXT {7}
S: + …
C: nothing
S: * SEARCH 2
S: {a} OK …
C: {a} FETCH 1 BODY.PEEK[HEADER.FIELDS ({7+}↵Subject)]
S: * 1 FETCH (BODY[HEADER.FIELDS (Subject)] {22}
S: Subject: message 2
S: ↵
S: )
S: {a} OK …
=== capped before login
S: * OK …
C: {a} LOGIN {4097}
S: {a} NO [TOOBIG] …
C: {a} LOGIN {4096}
S: + …
C: {rep:4096:x} y
S: {a} NO [AUTHENTICATIONFAILED] …
=== a message streams, whatever its size
@use in
C: {a} APPEND empty {40000}
S: + …
C: {rep:40000:x}
S: {a} OK …
",
    );
}

/// No name that goes out can end a response.
#[test]
fn fault_09_names_cannot_inject() {
    check(
        "fault 9",
        "\
=== quotes and backslashes
@use in
C: {a} CREATE {9+}↵a\"b\\\\c d(e
S: {a} OK …
C: {a} LIST \"\" a*
S: * LIST () \"/\" \"a\\\\\"b\\\\\\\\c d(e\"
S: {a} OK …
=== line ends
@use in
C: {a} CREATE {9+}↵x↵* BYE y
S: {a} NO …
C: {b} LIST \"\" *
S: * LIST () \"/\" \"INBOX\"
S: * LIST () \"/\" \"empty\"
S: {b} OK …
",
    );
}

/// OK comes after the answer that says it would survive, never before; and any cut gives the same.
#[test]
fn fault_10_no_ok_before_the_answer() {
    check(
        "fault 10",
        "\
=== APPEND
@with hold=appendend
@use in
C: {a} APPEND empty {5+}↵hello
@open
@time +1m
@open
@release
S: {a} OK [APPENDUID 8 1] …
=== STORE
@with hold=store
@use in
C: {a} SELECT INBOX
S*: * …
S: {a} OK …
C: {a} STORE 1 +FLAGS (\\\\Seen)
@open
@release
S: * 1 FETCH (FLAGS (\\\\Seen))
S: {a} OK …
=== EXPUNGE that is never answered
@with hold=expunge
@use in
C: {a} SELECT INBOX
S*: * …
S: {a} OK …
C: {a} EXPUNGE
@time +10m
S: * BYE …
E: cancelled
@closed timeout: verdict
",
    );
}

//! IMAP end to end: every command over a simulated disk, in virtual time.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::imap::Imap;
use common::start;
use mailstore::fs::sim::SimFs;
use mailstore::{AutoCreate, DefaultMailbox, SpecialUses};
use postroom::clock::Clock;
use postroom::entropy::SeededEntropy;
use postroom::local::{LocalMail, LocalOptions};
use postroom::{Blocking, Server};
use std::path::Path;
use std::sync::Arc;

const MESSAGE: &str = "From: Ann <ann@a.test>\r\nTo: bob@b.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
    Date: Thu, 1 Jan 2026 10:00:00 +0100\r\nMessage-ID: <1@a.test>\r\nX-Long: one\r\n two\r\n\
    Content-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n\r\nHello there\r\n--b\r\n\
    Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+d29ybGQ8L2I+\r\n--b--\r\n";

#[tokio::test(start_paused = true)]
async fn r155_a_message_goes_in_and_comes_out_in_every_form() {
    let fs = SimFs::new();
    let server = start(&fs, 1).await.unwrap();
    let mut a = Imap::login(&server, "alice").await;
    let date = "(\\Flagged work) \" 1-Feb-2020 03:04:05 +0100\"";
    let reply = a.append("INBOX", date, MESSAGE.as_bytes()).await;
    assert!(reply.starts_with("t2 OK [APPENDUID ") && reply.contains(" 1] APPEND completed."), "{reply}");
    let selected = a.command("SELECT INBOX").await;
    for line in [
        "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft work)\r\n",
        "* 1 EXISTS\r\n",
        "* OK [UNSEEN 1] ",
        "[PERMANENTFLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft work \\*)]",
        "[UIDNEXT 2]",
    ] {
        assert!(selected.contains(line), "{selected}");
    }
    let size = MESSAGE.len();
    for (items, expected) in [
        ("FAST", format!("* 1 FETCH (FLAGS (\\Flagged work) INTERNALDATE \" 1-Feb-2020 02:04:05 +0000\" RFC822.SIZE {size})")),
        (
            "ENVELOPE",
            "* 1 FETCH (ENVELOPE (\"Thu, 1 Jan 2026 10:00:00 +0100\" \"=?utf-8?q?Gr=C3=BC=C3=9Fe?=\" \
             ((\"Ann\" NIL \"ann\" \"a.test\")) ((\"Ann\" NIL \"ann\" \"a.test\")) ((\"Ann\" NIL \"ann\" \"a.test\")) \
             ((NIL NIL \"bob\" \"b.test\")) NIL NIL NIL \"<1@a.test>\"))"
                .into(),
        ),
        (
            "BODY",
            "* 1 FETCH (BODY ((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 11 0)\
             (\"text\" \"html\" NIL NIL NIL \"base64\" 16 0) \"mixed\"))"
                .into(),
        ),
        ("BODY.PEEK[1]", "* 1 FETCH (BODY[1] {11}\r\nHello there)".into()),
        ("BODY.PEEK[2]<4.5>", "* 1 FETCH (BODY[2]<4> {5}\r\nd29yb)".into()),
        ("BODY.PEEK[2.MIME]", "* 1 FETCH (BODY[2.MIME] {62}\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n)".into()),
        ("BODY.PEEK[3]", "* 1 FETCH (BODY[3] NIL)".into()),
        ("BODY.PEEK[TEXT]<9999.3>", "* 1 FETCH (BODY[TEXT]<9999> {0}\r\n)".into()),
        ("BODY.PEEK[HEADER.FIELDS (x-long nosuch)]", "* 1 FETCH (BODY[HEADER.FIELDS (x-long nosuch)] {21}\r\nX-Long: one\r\n two\r\n\r\n)".into()),
        ("BODY.PEEK[HEADER.FIELDS (x-long)]<2.4>", "* 1 FETCH (BODY[HEADER.FIELDS (x-long)]<2> {4}\r\nLong)".into()),
        ("BODY.PEEK[HEADER.FIELDS (nosuch)]", "* 1 FETCH (BODY[HEADER.FIELDS (nosuch)] {2}\r\n\r\n)".into()),
    ] {
        let reply = a.command(&format!("FETCH 1 {items}")).await;
        let (data, tagged) = reply.rsplit_once("\r\n").unwrap();
        assert_eq!(data.to_ascii_lowercase(), expected.to_ascii_lowercase(), "{items}");
        assert_eq!(tagged, "OK FETCH completed.");
    }
    let (header, text) = MESSAGE.split_at(MESSAGE.find("\r\n\r\n").unwrap() + 4);
    for (item, octets) in [("RFC822.HEADER", header), ("BODY.PEEK[TEXT]", text), ("BODY.PEEK[]", MESSAGE)] {
        let name = item.replace(".PEEK", "");
        let expected = format!("* 1 FETCH ({name} {{{}}}\r\n{octets})\r\nOK FETCH completed.", octets.len());
        assert_eq!(a.command(&format!("FETCH 1 {item}")).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn r157_i32_reading_marks_as_seen_and_looking_does_not() {
    let fs = SimFs::new();
    let server = start(&fs, 1).await.unwrap();
    let mut a = Imap::login(&server, "alice").await;
    a.append("INBOX", "", b"Subject: x\r\n\r\nbody\r\n").await;
    a.command("EXAMINE INBOX").await;
    let reply = a.command("FETCH 1 BODY[TEXT]").await;
    assert_eq!(reply, "* 1 FETCH (BODY[TEXT] {6}\r\nbody\r\n)\r\nOK FETCH completed.");
    a.command("SELECT INBOX").await;
    let reply = a.command("FETCH 1 BODY.PEEK[TEXT]").await;
    assert!(!reply.contains("FLAGS"), "{reply}");
    let reply = a.command("FETCH 1 BODY[TEXT]").await;
    assert_eq!(
        reply,
        "* 1 FETCH (FLAGS (\\Seen \\Recent) BODY[TEXT] {6}\r\nbody\r\n)\r\nOK FETCH completed."
    );
    let reply = a.command("FETCH 1 RFC822").await;
    assert!(reply.starts_with("* 1 FETCH (RFC822 {20}"), "{reply}");
    assert_eq!(
        a.command("STATUS INBOX (UNSEEN)").await,
        "* STATUS \"INBOX\" (UNSEEN 0)\r\nOK STATUS completed."
    );
}

#[tokio::test(start_paused = true)]
async fn i30_sections_that_are_not_there() {
    let fs = SimFs::new();
    let server = start(&fs, 1).await.unwrap();
    let mut a = Imap::inbox(&server, "alice").await;
    a.append("INBOX", "", b"Subject: x\r\n\r\nbody\r\n").await;
    let reply = a.command("FETCH 1 BODY.PEEK[1.1]").await;
    assert_eq!(reply, "* 1 FETCH (BODY[1.1] NIL)\r\nOK FETCH completed.");
    let reply = a.command("FETCH 1 (BODY.PEEK[1] BODY.PEEK[2] UID)").await;
    assert_eq!(reply, "* 1 FETCH (UID 1 BODY[1] {6}\r\nbody\r\n BODY[2] NIL)\r\nOK FETCH completed.");
}

/// What mailboxes are for is told by plain LIST (RFC 6154 section 2), and no capability is told for it.
#[tokio::test(start_paused = true)]
async fn r146_r147_a_new_user_has_mailboxes_whose_use_is_told() {
    let fs = SimFs::new();
    let mut options = LocalOptions::default();
    let mailbox = |name: &str, special_use: &str, auto| {
        DefaultMailbox::new(name.parse().unwrap())
            .special_use(special_use.parse::<SpecialUses>().unwrap())
            .auto(auto)
    };
    options.mailboxes = Arc::new([
        mailbox("Sent", "\\Sent", AutoCreate::Subscribe),
        mailbox("Archive/All", "\\All \\Flagged", AutoCreate::Create),
        mailbox("Trash", "\\Trash", AutoCreate::No),
    ]);
    let here = Blocking::inline();
    let mail =
        LocalMail::open_with(common::env(&fs, 1), Path::new("/"), "mail/%d/%n", options, &here).unwrap();
    let builder = Server::builder()
        .settings(common::settings())
        .directory(common::USERS)
        .mail(mail.spool, mail.store)
        .clock(Clock::starting_at(common::START))
        .entropy(SeededEntropy::new(1));
    let server = builder.start().await.unwrap();
    let mut a = Imap::login(&server, "alice").await;
    let list = "* LIST (\\HasChildren) \"/\" \"Archive\"\r\n\
        * LIST (\\HasNoChildren \\All \\Flagged) \"/\" \"Archive/All\"\r\n\
        * LIST (\\HasNoChildren) \"/\" \"INBOX\"\r\n* LIST (\\HasNoChildren \\Sent) \"/\" \"Sent\"\r\nOK LIST completed.";
    let list = list.replace("(\\HasChildren)", "(\\Noselect \\HasChildren)");
    assert_eq!(a.command("LIST \"\" *").await, list);
    assert_eq!(a.command("LSUB \"\" *").await, "* LSUB () \"/\" \"Sent\"\r\nOK LSUB completed.");
    assert!(!a.command("CAPABILITY").await.contains("SPECIAL-USE"));
    // What the user makes under such a name is for the same.
    a.command("CREATE Trash").await;
    let told = a.command("LIST \"\" Trash").await;
    assert_eq!(told, "* LIST (\\HasNoChildren \\Trash) \"/\" \"Trash\"\r\nOK LIST completed.");
}

#[tokio::test(start_paused = true)]
async fn r156_i35_mailboxes_are_made_named_and_removed() {
    let fs = SimFs::new();
    let server = start(&fs, 1).await.unwrap();
    let mut a = Imap::login(&server, "alice").await;
    for (command, expected) in [
        ("CREATE a/b/c", "OK CREATE completed."),
        ("CREATE a/b", "NO [ALREADYEXISTS] Mailbox exists."),
        ("CREATE inbox", "NO [ALREADYEXISTS] Mailbox exists."),
        ("CREATE INBOX/sub", "OK CREATE completed."),
        ("CREATE Entw&APw-rfe", "OK CREATE completed."),
        (
            "LIST \"\" \"%\"",
            "* LIST (\\HasNoChildren) \"/\" \"Entw&APw-rfe\"\r\n* LIST (\\HasChildren) \"/\" \"INBOX\"\r\n* LIST (\\HasChildren) \"/\" \"a\"\r\nOK LIST completed.",
        ),
        (
            "LIST \"\" a/*",
            "* LIST (\\HasChildren) \"/\" \"a/b\"\r\n* LIST (\\HasNoChildren) \"/\" \"a/b/c\"\r\nOK LIST completed.",
        ),
        ("SUBSCRIBE a/b/c", "OK SUBSCRIBE completed."),
        ("LSUB \"\" *", "* LSUB () \"/\" \"a/b/c\"\r\nOK LSUB completed."),
        ("LSUB \"\" %", "* LSUB (\\Noselect) \"/\" \"a\"\r\nOK LSUB completed."),
        ("LSUB \"\" a/%", "* LSUB (\\Noselect) \"/\" \"a/b\"\r\nOK LSUB completed."),
        ("UNSUBSCRIBE a/b/c", "OK UNSUBSCRIBE completed."),
        ("LSUB \"\" *", "OK LSUB completed."),
        ("RENAME a/b z/y", "OK RENAME completed."),
        (
            "LIST \"\" *y*",
            "* LIST (\\HasChildren) \"/\" \"z/y\"\r\n* LIST (\\HasNoChildren) \"/\" \"z/y/c\"\r\nOK LIST completed.",
        ),
        ("RENAME nosuch b", "NO [NONEXISTENT] Mailbox does not exist."),
        ("DELETE z/y/c", "OK DELETE completed."),
        ("DELETE z/y/c", "NO [NONEXISTENT] Mailbox does not exist."),
        ("SELECT z/y/c", "NO [NONEXISTENT] Mailbox does not exist."),
        (
            "STATUS z/y (MESSAGES RECENT UNSEEN UIDNEXT)",
            "* STATUS \"z/y\" (MESSAGES 0 RECENT 0 UNSEEN 0 UIDNEXT 1)\r\nOK STATUS completed.",
        ),
        ("NAMESPACE", "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\nOK NAMESPACE completed."),
    ] {
        assert_eq!(a.command(command).await, expected, "{command}");
    }
    for bad in ["CREATE a.b", "CREATE ../x", "CREATE \"a//b\"", "RENAME z .."] {
        let reply = a.command(bad).await;
        assert!(reply.starts_with("NO [CANNOT] "), "{bad}: {reply}");
    }
}

#[tokio::test(start_paused = true)]
async fn flags_are_stored_and_messages_copied_and_removed() {
    let fs = SimFs::new();
    let server = start(&fs, 1).await.unwrap();
    let mut a = Imap::inbox(&server, "alice").await;
    for number in 1..=4 {
        a.append("INBOX", "", format!("Subject: {number}\r\n\r\n").as_bytes()).await;
    }
    a.command("CREATE Archive").await;
    let reply = a.command("STORE 1,3 +FLAGS (\\Deleted todo)").await;
    assert_eq!(
        reply,
        "* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft todo)\r\n\
         * 1 FETCH (FLAGS (\\Deleted todo \\Recent))\r\n* 3 FETCH (FLAGS (\\Deleted todo \\Recent))\r\n\
         OK STORE completed."
    );
    assert_eq!(a.command("STORE 3 -FLAGS.SILENT (\\Deleted)").await, "OK STORE completed.");
    assert_eq!(a.command("STORE 2 FLAGS ()").await, "* 2 FETCH (FLAGS (\\Recent))\r\nOK STORE completed.");
    let reply = a.command("COPY 1:2 Archive").await;
    assert!(reply.starts_with("OK [COPYUID ") && reply.contains(" 1:2 1:2] COPY completed."), "{reply}");
    assert_eq!(a.command("COPY 1 nosuch").await, "NO [TRYCREATE] Mailbox does not exist.");
    assert_eq!(a.command("UID EXPUNGE 3:4").await, "OK UID EXPUNGE completed.");
    assert_eq!(a.command("EXPUNGE").await, "* 1 EXPUNGE\r\n* 3 RECENT\r\nOK EXPUNGE completed.");
    assert_eq!(a.command("UID FETCH 1:* FLAGS").await.lines().count(), 4);
    a.command("STORE 1 +FLAGS (\\Deleted)").await;
    assert_eq!(a.command("CLOSE").await, "OK CLOSE completed.");
    let status = a.command("STATUS INBOX (MESSAGES UIDNEXT)").await;
    assert_eq!(status, "* STATUS \"INBOX\" (MESSAGES 2 UIDNEXT 5)\r\nOK STATUS completed.");
    a.command("SELECT Archive").await;
    let reply = a.command("FETCH 1:2 FLAGS").await;
    assert!(reply.contains("* 1 FETCH (FLAGS (\\Deleted todo))"), "{reply}");
}

#[tokio::test(start_paused = true)]
async fn r159_every_search_key_finds_what_it_says() {
    let fs = SimFs::new();
    let server = start(&fs, 1).await.unwrap();
    let mut a = Imap::login(&server, "alice").await;
    a.append("INBOX", "(\\Seen \\Answered) \"10-Mar-2024 12:00:00 +0000\"", MESSAGE.as_bytes()).await;
    a.append(
        "INBOX",
        "(\\Flagged work) \"11-Mar-2024 12:00:00 +0000\"",
        b"From: carl@c.test\r\nCc: dora@d.test\r\nSubject: lunch\r\nDate: Fri, 2 Jan 2026 23:00:00 -0500\r\n\r\nat noon\r\n",
    )
    .await;
    a.append("INBOX", "(\\Draft \\Deleted) \"12-Mar-2024 12:00:00 +0000\"", b"Bcc: eve@e.test\r\n\r\n").await;
    a.command("SELECT INBOX").await;
    for (key, expected) in [
        ("ALL", "1 2 3"),
        ("ANSWERED", "1"),
        ("UNANSWERED", "2 3"),
        ("DELETED", "3"),
        ("UNDELETED", "1 2"),
        ("DRAFT", "3"),
        ("UNDRAFT", "1 2"),
        ("FLAGGED", "2"),
        ("UNFLAGGED", "1 3"),
        ("SEEN", "1"),
        ("UNSEEN", "2 3"),
        ("NEW", ""),
        ("RECENT", ""),
        ("OLD", "1 2 3"),
        ("KEYWORD work", "2"),
        ("UNKEYWORD work", "1 3"),
        ("2:3", "2 3"),
        ("UID 3:9", "3"),
        ("BEFORE 11-Mar-2024", "1"),
        ("ON 11-Mar-2024", "2"),
        ("SINCE 11-Mar-2024", "2 3"),
        ("SENTBEFORE 2-Jan-2026", "1"),
        ("SENTON 2-Jan-2026", "2"),
        ("SENTSINCE 1-Jan-2026", "1 2"),
        ("LARGER 200", "1"),
        ("SMALLER 30", "3"),
        ("FROM ANN", "1"),
        ("TO bob@", "1"),
        ("CC dora", "2"),
        ("BCC eve", "3"),
        ("SUBJECT LUNCH", "2"),
        ("CHARSET UTF-8 SUBJECT {6+}\r\nGR\u{dc}\u{df}", "1"),
        ("HEADER Message-ID 1@a", "1"),
        ("HEADER X-Long \"\"", "1"),
        ("HEADER X-None \"\"", ""),
        ("BODY world", "1"),
        ("BODY lunch", ""),
        ("TEXT lunch", "2"),
        ("TEXT noon", "2"),
        ("TEXT nowhere", ""),
        ("OR BODY noon DELETED", "2 3"),
        ("NOT (SEEN FROM ann)", "2 3"),
        ("NOT TEXT lunch UNDELETED", "1"),
        ("OR (BODY world) (BODY noon)", "1 2"),
    ] {
        let reply = a.command(&format!("SEARCH {key}")).await;
        let expected = format!("* SEARCH {expected}").trim_end().to_owned();
        assert_eq!(reply, format!("{expected}\r\nOK SEARCH completed."), "{key}");
    }
}

#[tokio::test(start_paused = true)]
async fn i26_an_append_is_refused_before_the_message_comes() {
    let fs = SimFs::new();
    let server = start(&fs, 1).await.unwrap();
    let mut a = Imap::login(&server, "alice").await;
    a.send(b"x APPEND nosuch {3}\r\n").await;
    assert!(a.response().await.starts_with("x NO [TRYCREATE] "));
    a.send(b"x APPEND INBOX {99999999}\r\n").await;
    assert!(a.response().await.starts_with("x NO [TOOBIG] "));
    a.send(b"x APPEND INBOX {3}\r\n").await;
    assert!(a.response().await.starts_with("+ "));
    a.send(b"A:\n\r\n").await;
    assert!(a.response().await.starts_with("x OK [APPENDUID "));
}

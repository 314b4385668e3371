//! Sessions with a milter: what it is told, what its answers mean, and what it may choose, at every cut of its answers.

#![allow(clippy::unwrap_used)]

#[path = "common/milter.rs"]
mod common;

use common::*;
use proto_core::{CallerFault, Machine, OutBuf};
use smtp_proto::milter::*;
use std::sync::Arc;
use std::time::Duration;
use testkit::Driver;

/// Octets of a packet.
fn packet(kind: u8, data: &[u8]) -> Vec<u8> {
    let mut packet = u32::try_from(1 + data.len()).unwrap().to_be_bytes().to_vec();
    packet.push(kind);
    packet.extend_from_slice(data);
    packet
}

/// Known octets: what `libmilter` and Postfix put on the wire.
#[test]
fn a_message_octet_by_octet() {
    let played = play(config(), &[&MESSAGE[..], &[Do::Quit]].concat(), &agreeable(Steps::default()));
    let mut told = OutBuf::new();
    played.told.iter().for_each(|command| command.encode(&mut told));
    let expected = [
        packet(b'O', &[0, 0, 0, 6, 0, 0, 1, 0xff, 0, 0x1f, 0xff, 0xff]),
        packet(
            b'D',
            b"Cj\0mx.example.test\0{daemon_name}\0mx\0v\0Postroom\0_\0client.example.test [192.0.2.7]\0",
        ),
        packet(b'C', b"[192.0.2.7]\x004\x9c\x40192.0.2.7\0"),
        packet(b'D', b"H"),
        packet(b'H', b"client.example.test\0"),
        packet(b'D', b"Mi\x004XyzAB\0{mail_addr}\0alice@example.test\0"),
        packet(b'M', b"<alice@example.test>\0SIZE=100\0BODY=8BITMIME\0"),
        packet(b'D', b"Ri\x004XyzAB\0{rcpt_addr}\0bob@example.test\0"),
        packet(b'R', b"<bob@example.test>\0NOTIFY=NEVER\0"),
        packet(b'D', b"Ti\x004XyzAB\0"),
        packet(b'T', b""),
        packet(b'D', b"Li\x004XyzAB\0"),
        packet(b'L', b"Subject\0hello\0"),
        packet(b'D', b"Ni\x004XyzAB\0"),
        packet(b'N', b""),
        packet(b'D', b"Bi\x004XyzAB\0"),
        packet(b'B', b"How are you?\r\n"),
        packet(b'D', b"Ei\x004XyzAB\0"),
        packet(b'E', b""),
        packet(b'Q', b""),
    ];
    assert_eq!(told.as_slice(), expected.concat());
    assert_eq!(
        played.log,
        [&["ready"][..], &["Continue"; 9], &["closed: quit"]].concat(),
        "one answer to each question"
    );
}

/// What is asked next, and whether the milter is told it, after each answer at each step.
#[test]
fn what_each_answer_means_at_each_step() {
    use MilterReply as R;
    let code = R::ReplyCode("550 5.7.9 go away".into());
    let questions = [&MESSAGE[..4], &[Do::Rcpt("<carol@example.test>")], &MESSAGE[4..]].concat();
    for (at, reply, said, letters) in [
        ('C', R::Accept, "Accept", "OCQ"),
        ('C', R::Reject, "550 5.7.1 Command rejected", "OCQ"),
        ('C', R::TempFail, "451 4.7.1 Service unavailable - try again later", "OCQ"),
        ('C', code.clone(), "550 5.7.9 go away", "OCQ"),
        ('C', R::Discard, "Discard", "OCHMRRTLNBEQ"),
        ('H', R::Accept, "Accept", "OCHQ"),
        ('H', R::Reject, "550 5.7.1 Command rejected", "OCHQ"),
        ('H', R::Shutdown, "421 4.7.0 Server closing connection", "OCHQ"),
        ('M', R::Accept, "Accept", "OCHMAQ"),
        ('M', R::Reject, "550 5.7.1 Command rejected", "OCHMAQ"),
        ('M', R::Shutdown, "421 4.7.0 Server closing connection", "OCHMQ"),
        ('R', R::Reject, "550 5.7.1 Command rejected", "OCHMRRTLNBEQ"),
        ('R', code.clone(), "550 5.7.9 go away", "OCHMRRTLNBEQ"),
        ('R', R::Accept, "Accept", "OCHMRAQ"),
        ('R', R::Discard, "Discard", "OCHMRAQ"),
        ('T', R::TempFail, "451 4.7.1 Service unavailable - try again later", "OCHMRRTAQ"),
        ('L', R::Discard, "Discard", "OCHMRRTLAQ"),
        ('N', R::Reject, "550 5.7.1 Command rejected", "OCHMRRTLNAQ"),
        ('B', R::Accept, "Accept", "OCHMRRTLNBAQ"),
        ('E', R::Accept, "Accept", "OCHMRRTLNBEQ"),
        ('E', R::Discard, "Discard", "OCHMRRTLNBEQ"),
        ('E', R::Reject, "550 5.7.1 Command rejected", "OCHMRRTLNBEQ"),
        ('E', code, "550 5.7.9 go away", "OCHMRRTLNBEQ"),
        ('E', R::Shutdown, "421 4.7.0 Server closing connection", "OCHMRRTLNBEQ"),
    ] {
        let played = play(
            config(),
            &[&questions[..], &[Do::Quit]].concat(),
            &answering(at, std::slice::from_ref(&reply)),
        );
        assert_eq!(played.letters(), letters, "{at} {reply:?}");
        assert!(played.log.iter().any(|entry| entry == said), "{at} {reply:?}: {:?}", played.log);
        assert_eq!(played.log.last().unwrap(), "closed: quit", "{at} {reply:?}");
        // Whatever was not told goes on.
        let others = played.log.iter().filter(|entry| *entry != said);
        assert!(others.clone().all(|entry| ["ready", "Continue", "closed: quit"].contains(&entry.as_str())));
        if !letters.ends_with("CQ") && !letters.ends_with("HQ") && reply != R::Shutdown {
            assert_eq!(played.log.len(), questions.len() + 2, "{at} {reply:?}: each question has its answer");
        }
    }
}

#[test]
fn the_next_message_on_the_same_connection() {
    let second = [Do::Mail("<>"), Do::Rcpt("<bob@example.test>"), Do::EndOfHeader, Do::EndOfMessage];
    // What went before: a message, a message that was refused, one that was given up, HELO again.
    for (first, letters) in [
        (&[][..], "MRTLNBE"),
        (&[Do::Abort, Do::Abort][..], "MRTLNBE"),
        (&[Do::Mail("<>"), Do::Abort, Do::Abort], "MRTLNBEMA"),
        (
            &[Do::Mail("<>"), Do::Rcpt("<bob@example.test>"), Do::Data, Do::Abort, Do::Helo("x")],
            "MRTLNBEMRTAH",
        ),
        (&[Do::Unknown("XYZZY"), Do::Mail("<>"), Do::Unknown("XYZZY"), Do::Abort], "MRTLNBEUMUA"),
    ] {
        let questions = [&MESSAGE[..], first, &second, &[Do::Quit]].concat();
        let played = play(config(), &questions, &agreeable(Steps::default()));
        assert_eq!(played.letters(), format!("OCH{letters}MRNEQ"));
    }
    // A decision on one message says nothing of the next.
    let questions = [&MESSAGE[..], &[Do::Abort], &second].concat();
    let played = play(config(), &questions, &answering('R', &[MilterReply::Accept]));
    assert_eq!(played.letters(), "OCHMRAMRA");
}

/// Each step can be left out, and each can be left unanswered.
#[test]
fn steps_that_the_milter_does_not_want_or_answer() {
    let questions = [&MESSAGE[..3], &[Do::Unknown("XYZZY")], &MESSAGE[3..], &[Do::Quit]].concat();
    let unwanted = [
        (Steps::NO_CONNECT, 'C'),
        (Steps::NO_HELO, 'H'),
        (Steps::NO_MAIL, 'M'),
        (Steps::NO_RCPT, 'R'),
        (Steps::NO_BODY, 'B'),
        (Steps::NO_HEADERS, 'L'),
        (Steps::NO_END_OF_HEADER, 'N'),
        (Steps::NO_UNKNOWN, 'U'),
        (Steps::NO_DATA, 'T'),
    ];
    let unanswered = [
        (Steps::NO_REPLY_CONNECT, 'C'),
        (Steps::NO_REPLY_HELO, 'H'),
        (Steps::NO_REPLY_MAIL, 'M'),
        (Steps::NO_REPLY_RCPT, 'R'),
        (Steps::NO_REPLY_DATA, 'T'),
        (Steps::NO_REPLY_UNKNOWN, 'U'),
        (Steps::NO_REPLY_HEADER, 'L'),
        (Steps::NO_REPLY_END_OF_HEADER, 'N'),
        (Steps::NO_REPLY_BODY, 'B'),
    ];
    for (step, letter) in unwanted {
        let played = play(config(), &questions, &agreeable(step));
        assert_eq!(played.letters(), "OCHMURTLNBEQ".replace(letter, ""), "{step:?}");
        assert_eq!(played.log.iter().filter(|entry| *entry == "Continue").count(), 10);
        // What it may look at later it learns all the same.
        let macros = played.told.iter().filter(|command| matches!(command, MilterCommand::Macros { .. }));
        assert_eq!(macros.count(), if "LB".contains(letter) { 9 } else { 10 }, "{step:?}");
    }
    for (step, letter) in unanswered {
        let agree = agreeable(step);
        let silent = |command: &MilterCommand| {
            if common::letter(command) == letter { Vec::new() } else { agree(command) }
        };
        let played = play(config(), &questions, &silent);
        assert_eq!(played.letters(), "OCHMURTLNBEQ", "{step:?}");
        assert_eq!(played.log.iter().filter(|entry| *entry == "Continue").count(), 10, "{step:?}");
    }
    let nothing = unwanted.iter().fold(Steps::default(), |all, (step, _)| all | *step);
    let played = play(config(), &questions, &agreeable(nothing));
    assert_eq!(played.letters(), "OEQ");
}

#[test]
fn versions_tell_no_step_that_they_do_not_have() {
    let questions = [&MESSAGE[..3], &[Do::Unknown("XYZZY")], &MESSAGE[3..]].concat();
    for (text, steps, letters) in [
        ("2", 0x7f, "OCHMRLNBE"),
        ("3", 0x17f, "OCHMURLNBE"),
        ("4", 0x37f, "OCHMURTLNBE"),
        ("6", 0x1f_ffff, "OCHMURTLNBE"),
    ] {
        let mut config = config();
        config.version = text.parse().unwrap();
        let played = play(config.clone(), &questions, &agreeable(Steps::default()));
        assert_eq!(played.letters(), letters, "{text}");
        assert_eq!(
            played.told[0],
            MilterCommand::Negotiate(Offer::new(text.parse().unwrap(), Actions::ALL, Steps(steps)))
        );
        config.no_header_reply = true;
        let played = play(config, &questions, &agreeable(Steps::default()));
        let MilterCommand::Negotiate(offer) = &played.told[0] else { panic!() };
        assert_eq!(offer.steps, Steps(steps | 0x80), "{text}");
    }
    for text in ["1", "5", "7", "", "no_header_reply"] {
        assert_eq!(text.parse::<MilterVersion>(), Err(NoSuchVersion), "{text}");
    }
    // What the milter speaks counts.
    let speaking = |version: u32| {
        let agree = agreeable(Steps::default());
        move |command: &MilterCommand| match command {
            MilterCommand::Negotiate(_) => {
                octets(&[MilterReply::Negotiate(Offer::new(version, Actions::default(), Steps::default()))])
            }
            other => agree(other),
        }
    };
    for (version, letters) in [(2, "OCHMRLNBE"), (3, "OCHMURLNBE"), (4, "OCHMURTLNBE"), (5, "OCHMURTLNBE")] {
        assert_eq!(play(config(), &questions, &speaking(version)).letters(), letters, "{version}");
    }
    for version in [0, 1, 7, u32::MAX] {
        let played = play(config(), &questions, &speaking(version));
        assert_eq!(played.failure, Some(MilterFailure::Version(version)));
    }
    let mut older = config();
    older.version = MilterVersion::V2;
    assert_eq!(play(older, &questions, &speaking(3)).failure, Some(MilterFailure::Version(3)));
}

#[test]
fn skip_ends_a_series_of_steps() {
    let many = [
        Do::Connect,
        Do::Mail("<>"),
        Do::Rcpt("<a@x.test>"),
        Do::Rcpt("<b@x.test>"),
        Do::Header("A", "1"),
        Do::Header("B", "2"),
        Do::EndOfHeader,
        Do::Body(b"1\r\n"),
        Do::Body(b"2\r\n"),
        Do::Body(b"3\r\n"),
        Do::EndOfMessage,
    ];
    let questions = [&many[..], &many[1..]].concat();
    for (letter, told) in
        [('R', "MRLLNBBBE"), ('L', "MRRLNBBBE"), ('B', "MRRLLNBE"), ('M', "MRRLLNBBBE"), ('C', "MRRLLNBBBE")]
    {
        let played = play(config(), &questions, &answering(letter, &[MilterReply::Skip]));
        assert_eq!(played.letters(), format!("OC{told}{told}"), "{letter}");
    }
    // Not beyond the transaction, or the session, in which it was said.
    for (letter, questions, told) in [
        ('M', &[Do::Mail("<>"), Do::Abort, Do::Mail("<>"), Do::Rcpt("<a@x.test>")][..], "MAMR"),
        (
            'R',
            &[Do::Mail("<>"), Do::Rcpt("<a@x.test>"), Do::Abort, Do::Mail("<>"), Do::Rcpt("<a@x.test>")],
            "MRAMR",
        ),
        ('H', &[Do::Helo("before.test"), Do::Helo("behind.test")], "HH"),
    ] {
        let questions = [&[Do::Connect], questions].concat();
        let played = play(config(), &questions, &answering(letter, &[MilterReply::Skip]));
        assert_eq!(played.letters(), format!("OC{told}"), "{letter}");
    }
    let mut driver = session(&Arc::new(config()), &many[..8]);
    answer_all(&mut driver, &answering('B', &[MilterReply::Skip]));
    assert!(!driver.machine.wants(Stage::Body) && driver.machine.wants(Stage::EndOfMessage));
}

/// What a milter says of a recipient that was refused before decides nothing; only who wants to is told.
#[test]
fn recipients_that_were_refused() {
    let questions =
        [&MESSAGE[..3], &[Do::RefusedRcpt("<no@example.test>")], &MESSAGE[3..], &[Do::Quit]].concat();
    let played = play(config(), &questions, &answering('R', &[MilterReply::Continue]));
    assert_eq!(played.letters(), "OCHMRTLNBEQ", "it did not want to");
    let code = MilterReply::ReplyCode("550 5.7.9 go away".into());
    use MilterReply as R;
    for reply in [R::Continue, R::Accept, R::Reject, R::TempFail, R::Discard, R::Shutdown, code] {
        for steps in [Steps::default(), Steps::NO_REPLY_RCPT] {
            let agree = agreeable(Steps::REFUSED_RECIPIENTS | steps);
            let says = octets(std::slice::from_ref(&reply));
            let answers = |command: &MilterCommand| match command {
                MilterCommand::Rcpt(_) if steps == Steps::NO_REPLY_RCPT => Vec::new(),
                MilterCommand::Rcpt(to) if to[0] == "<no@example.test>" => says.clone(),
                other => agree(other),
            };
            let played = play(config(), &questions, &answers);
            assert_eq!(played.letters(), "OCHMRRTLNBEQ", "{reply:?}");
            let expected = [&["ready"][..], &["Continue"; 10], &["closed: quit"]].concat();
            assert_eq!(played.log, expected, "{reply:?}");
        }
    }
}

/// Answers one question after another until none is asked.
fn answer_all(driver: &mut Driver<MilterClient, App>, answers: Answers<'_>) {
    let mut to_milter = proto_core::InBuf::with_capacity(1 << 20);
    loop {
        to_milter.push(&driver.take_sent());
        let new = commands(&mut to_milter);
        if new.is_empty() {
            return;
        }
        new.iter().for_each(|command| driver.receive(&answers(command)));
    }
}

#[test]
fn values_of_header_fields() {
    let questions = [
        Do::Connect,
        Do::Mail("<>"),
        Do::Header("A", " one"),
        Do::Header("B", "  two"),
        Do::Header("C", "\tthree"),
        Do::Header("D", ""),
        Do::Header("E", " a\r\n\tb\n c\rd"),
        Do::Header("F", " nul\0 here"),
    ];
    for (steps, values) in [
        (Steps::default(), ["one", " two", "\tthree", "", "a\n\tb\n c\rd", "nul  here"]),
        (Steps::LEADING_SPACE, [" one", "  two", "\tthree", "", " a\n\tb\n c\rd", " nul  here"]),
    ] {
        let played = play(config(), &questions, &agreeable(steps));
        let told = played.told.iter().filter_map(|command| match command {
            MilterCommand::Header { value, .. } => Some(String::from_utf8(value.to_vec()).unwrap()),
            _ => None,
        });
        assert_eq!(told.collect::<Vec<_>>(), values);
    }
}

#[test]
fn macros_are_what_the_milter_wants_and_there_is() {
    let agree = agreeable(Steps::default());
    let choosy = |command: &MilterCommand| match command {
        MilterCommand::Negotiate(offer) => {
            let mut mine = Offer::new(6, offer.actions, Steps::default());
            mine.macros = vec![
                (Stage::Connect, "{client_addr},j unknown".into()),
                (Stage::Mail, String::new()),
                (Stage::EndOfMessage, "v".into()),
            ];
            octets(&[MilterReply::Negotiate(mine)])
        }
        other => agree(other),
    };
    let mut config = config();
    config.macros.set(Stage::Unknown, "j");
    let questions = [&MESSAGE[..3], &[Do::Unknown("XYZZY")], &MESSAGE[3..]].concat();
    let told: Vec<_> = play(config, &questions, &choosy)
        .told
        .into_iter()
        .filter_map(|command| match command {
            MilterCommand::Macros { stage, values } => {
                Some((stage, values.into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(" ")))
            }
            _ => None,
        })
        .collect();
    let expected = [
        (Stage::Connect, "{client_addr} j"),
        (Stage::Helo, ""),
        (Stage::Mail, "i {mail_addr}"),
        (Stage::Unknown, "j"),
        (Stage::Rcpt, "i {rcpt_addr}"),
        (Stage::Data, "i"),
        (Stage::Header, "i"),
        (Stage::EndOfHeader, "i"),
        (Stage::Body, "v"),
        (Stage::EndOfMessage, "v"),
    ];
    assert_eq!(told, expected.map(|(stage, names)| (stage, names.to_string())));
}

#[test]
fn who_has_connected() {
    for (hostname, address, told) in [
        (Some("a.test"), PeerAddress::Inet([192, 0, 2, 7].into(), 25), &b"a.test\x004\0\x19192.0.2.7\0"[..]),
        (
            None,
            PeerAddress::Inet("2001:db8::7".parse().unwrap(), 0),
            b"[2001:db8::7]\x006\0\x002001:db8::7\0",
        ),
        (Some("localhost"), PeerAddress::Unix("/run/x".into()), b"localhost\0L\0\0/run/x\0"),
        (None, PeerAddress::Unknown, b"unknown\0U"),
    ] {
        let peer = MilterPeer { hostname: hostname.map(str::to_owned), address };
        let mut out = OutBuf::new();
        MilterCommand::Connect(peer.clone()).encode(&mut out);
        assert_eq!(out.as_slice(), packet(b'C', told));
        assert_eq!(MilterCommand::decode(&out.as_slice()[LENGTH_BYTES..]), Ok(MilterCommand::Connect(peer)));
    }
    let sendmail = MilterCommand::decode(b"Cx\x006\0\0IPv6:2001:db8::7\0").unwrap();
    let MilterCommand::Connect(peer) = sendmail else { panic!() };
    assert_eq!(peer.address, PeerAddress::Inet("2001:db8::7".parse().unwrap(), 0));
}

#[test]
fn deadlines() {
    let seconds = Duration::from_secs;
    let just_before = Duration::from_millis(1);
    // Nobody answers the offer.
    let mut driver = session(&Arc::new(config()), &MESSAGE);
    driver.advance(seconds(30) - just_before);
    assert_eq!(driver.closed(), None);
    driver.advance(just_before);
    assert_eq!(driver.fixture.failure, Some(MilterFailure::NegotiationTimeout));
    // Nor the n-th step.
    let stages = [
        (1, Stage::Connect, 30),
        (2, Stage::Helo, 30),
        (3, Stage::Mail, 30),
        (4, Stage::Rcpt, 30),
        (5, Stage::Data, 30),
        (6, Stage::Header, 300),
        (7, Stage::EndOfHeader, 300),
        (8, Stage::Body, 300),
        (9, Stage::EndOfMessage, 300),
    ];
    for (questions, stage, timeout) in stages {
        let mut driver = session(&Arc::new(config()), &MESSAGE[..questions]);
        let agree = agreeable(Steps::default());
        let silent = |command: &MilterCommand| {
            let is_last = letter(command) == stage_letter(stage);
            if is_last { Vec::new() } else { agree(command) }
        };
        answer_all(&mut driver, &silent);
        driver.advance(seconds(timeout) - just_before);
        assert_eq!(driver.closed(), None, "{stage}");
        // Half an answer is none.
        driver.receive(&[0, 0, 0]);
        // Work in progress is one more time.
        if stage == Stage::EndOfMessage {
            driver.receive(&octets(&[MilterReply::Progress])[3..]);
            driver.advance(seconds(timeout) - just_before);
            driver.receive(&octets(&[MilterReply::AddRecipient("a@x.test".into())]));
            driver.advance(seconds(timeout) - just_before);
            driver.receive(&octets(&[MilterReply::ReplaceBody("x".into())]));
            driver.advance(seconds(timeout) - just_before);
            assert_eq!(driver.closed(), None, "{stage}");
        }
        driver.advance(just_before);
        assert_eq!(driver.fixture.failure, Some(MilterFailure::Timeout(stage)));
        assert_eq!(driver.closed().unwrap().to_string(), "timeout: milter");
    }
    // Between two steps there is none.
    let mut driver = session(&Arc::new(config()), &MESSAGE[..1]);
    answer_all(&mut driver, &agreeable(Steps::default()));
    driver.advance(seconds(1_000_000));
    assert_eq!(driver.closed(), None);
}

fn stage_letter(stage: Stage) -> char {
    let at = Stage::ALL.iter().position(|one| *one == stage).unwrap();
    "CHMRTLNBEU".chars().nth(at).unwrap()
}

#[test]
fn shutdown_waits_for_the_answer_that_is_due() {
    let mut driver = session(&Arc::new(config()), &MESSAGE[..1]);
    driver.shutdown();
    assert_eq!(driver.closed().unwrap().to_string(), "quit", "nothing was asked yet");
    let mut driver = session(&Arc::new(config()), &MESSAGE[..1]);
    driver.receive(&agreeable(Steps::default())(&MilterCommand::Negotiate(Offer::new(
        6,
        Actions::default(),
        Steps::default(),
    ))));
    driver.shutdown();
    assert_eq!(driver.closed(), None);
    driver.receive(&octets(&[MilterReply::Reject]));
    assert_eq!(driver.closed().unwrap().to_string(), "quit");
    let log: Vec<_> = driver.fixture.log.entries().map(<[u8]>::to_vec).collect();
    assert_eq!(log, [&b"ready"[..], b"550 5.7.1 Command rejected", b"closed: quit"]);
}

#[test]
fn wrong_questions_are_the_callers_fault() {
    use Do::*;
    // What may be asked in which state; all else is refused and changes nothing.
    let all = [
        Connect,
        Helo("x"),
        Mail("<>"),
        Rcpt("<a@x.test>"),
        Data,
        Header("A", "1"),
        EndOfHeader,
        Body(b"x"),
        EndOfMessage,
        Unknown("X"),
    ];
    for (before, may) in [
        (&[][..], "C"),
        (&MESSAGE[..1], "HMU"),
        (&MESSAGE[..3], "RTLNU"),
        (&MESSAGE[..5], "LN"),
        (&MESSAGE[..6], "LN"),
        (&MESSAGE[..7], "BE"),
        (&MESSAGE[..8], "BE"),
        (&MESSAGE[..9], "HMU"),
    ] {
        for (question, letter) in all.iter().zip("CHMRTLNBEU".chars()) {
            let mut driver = session(&Arc::new(config()), before);
            answer_all(&mut driver, &agreeable(Steps::default()));
            let now = driver.now();
            let asked = question.ask(&mut driver.machine, now);
            assert_eq!(asked.is_ok(), may.contains(letter), "{letter} after {}", before.len());
            driver.pump();
            assert_eq!(driver.take_sent().is_empty(), asked.is_err());
            // A second question before the answer.
            if asked.is_ok() {
                for question in all.iter().chain([&Abort, &Quit]) {
                    let again = question.ask(&mut driver.machine, now);
                    assert_eq!(again, Err(CallerFault::Misuse("an answer is due")));
                }
            }
        }
    }
    let mut driver = session(&Arc::new(config()), &MESSAGE[..7]);
    answer_all(&mut driver, &agreeable(Steps::default()));
    let now = driver.now();
    let huge = vec![b'x'; BODY_CHUNK_BYTES_MAX + 1];
    assert!(driver.machine.body(now, &huge, &|_| None).is_err());
    assert!(driver.machine.body(now, &huge[1..], &|_| None).is_ok());
    // One octet of name, and the NUL behind each.
    let mut driver = session(&Arc::new(config()), &MESSAGE[..5]);
    answer_all(&mut driver, &agreeable(Steps::LEADING_SPACE));
    assert!(driver.machine.header(now, b"A", &huge[..HEADER_FIELD_BYTES_MAX], &|_| None).is_err());
    assert!(driver.machine.header(now, b"A", &huge[1..HEADER_FIELD_BYTES_MAX], &|_| None).is_ok());
    driver.pump();
    let sent = driver.take_sent();
    assert_eq!(
        sent[sent.len() - 65_540..][..5],
        packet(b'L', &[0; 65_535])[..5],
        "as large as libmilter takes it"
    );
    // After the end.
    let mut driver = session(&Arc::new(config()), &[]);
    driver.eof();
    assert!(driver.closed().is_some());
    for question in all {
        assert!(question.ask(&mut driver.machine, now).is_err(), "{question:?}");
    }
    for nothing in [Abort, Quit] {
        assert_eq!(nothing.ask(&mut driver.machine, now), Ok(()), "nothing is left to end");
    }
}

/// A milter that answers no piece of the body is not written to faster than it reads.
#[test]
fn back_pressure_without_answers() {
    let mut driver = session(&Arc::new(config()), &MESSAGE[..7]);
    answer_all(&mut driver, &agreeable(Steps::NO_REPLY_BODY));
    let (now, piece) = (driver.now(), vec![b'x'; BODY_CHUNK_BYTES_MAX]);
    let milter = &mut driver.machine;
    let mut pieces = 0;
    while milter.body(now, &piece, &|_| None).is_ok() {
        pieces += 1;
        while milter.poll_event(now).is_some() {}
    }
    assert!((1..=2).contains(&pieces), "{pieces} pieces wait");
    assert!(!milter.wants_input());
    let mut out = OutBuf::new();
    assert!(milter.poll_transmit(&mut out));
    assert!(milter.poll_event(now).is_some(), "the answer comes when there is room");
    assert!(milter.body(now, &piece, &|_| None).is_ok());
}

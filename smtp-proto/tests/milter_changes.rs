//! What a milter may do to a message, and what it may not: changes, and milters that break the protocol.

#![allow(clippy::unwrap_used)]

#[path = "common/milter.rs"]
mod common;

use common::*;
use proptest::prelude::*;
use proto_core::{InBuf, Machine, OutBuf};
use smtp_proto::milter::*;
use std::sync::Arc;

/// A message at whose end the milter says this.
fn ending(replies: &[MilterReply]) -> Played {
    play(config(), &[&MESSAGE[..], &[Do::Quit]].concat(), &answering('E', replies))
}

/// A header field of a change.
fn field(change: &Change) -> String {
    let field = match change {
        Change::AddHeader(field)
        | Change::InsertHeader { field, .. }
        | Change::ChangeHeader { field, .. } => field,
        other => panic!("{other:?}"),
    };
    String::from_utf8(field.octets().to_vec()).unwrap()
}

#[test]
fn changes_of_every_kind_in_their_order() {
    use MilterReply as R;
    let played = ending(&[
        R::AddHeader { name: "X-A".into(), value: "one\n two".into() },
        R::Progress,
        R::InsertHeader { index: 1, name: "X-B".into(), value: "b".into() },
        R::ChangeHeader { index: 2, name: "Subject".into(), value: "new".into() },
        R::ChangeHeader { index: 0, name: "Subject".into(), value: "first".into() },
        R::ChangeHeader { index: 3, name: "X-Spam".into(), value: "".into() },
        R::ChangeSender {
            address: "<carol@example.test>".into(),
            parameters: Some("RET=HDRS FOO=1 ENVID=x".into()),
        },
        R::ChangeSender { address: "<>".into(), parameters: None },
        R::AddRecipient("dave".into()),
        R::AddRecipientWithParameters {
            address: " <eve@example.test> ".into(),
            parameters: Some("NOTIFY=NEVER NOTIFY=NEVER \u{e9}".into()),
        },
        R::AddRecipientWithParameters { address: "<eve@example.test>".into(), parameters: None },
        R::DeleteRecipient("<bob@example.test>".into()),
        R::Quarantine("looks \u{e9}vil".into()),
        R::Continue,
    ]);
    assert_eq!(played.failure, None);
    let told = played.changes.iter().map(|change| format!("{change:?}"));
    let expected: Vec<_> = told.chain(["Continue".to_string(), "closed: quit".to_string()]).collect();
    assert_eq!(played.log[9..], expected, "one after another, then the answer");
    let changes = &played.changes;
    assert_eq!(field(&changes[0]), "X-A: one\r\n two\r\n");
    assert!(
        matches!(changes[1], Change::InsertHeader { index: 1, .. }) && field(&changes[1]) == "X-B: b\r\n"
    );
    assert!(
        matches!(changes[2], Change::ChangeHeader { index: 2, .. })
            && field(&changes[2]) == "Subject: new\r\n"
    );
    assert!(matches!(changes[3], Change::ChangeHeader { index: 1, .. }));
    assert_eq!(changes[4], Change::DeleteHeader { index: 3, name: "X-Spam".into() });
    let Change::ChangeSender { path, parameters, ignored } = &changes[5] else { panic!() };
    assert_eq!(format!("{path}{parameters} | {ignored}"), "<carol@example.test> RET=HDRS ENVID=x | FOO=1");
    assert!(matches!(&changes[6], Change::ChangeSender { path, .. } if path.to_string() == "<>"));
    let recipients: Vec<_> = changes[7..]
        .iter()
        .filter_map(|change| match change {
            Change::AddRecipient { path, parameters, ignored } => {
                Some(format!("+{path}{parameters}|{ignored}"))
            }
            Change::DeleteRecipient(path) => Some(format!("-{path}")),
            _ => None,
        })
        .collect();
    assert_eq!(
        recipients,
        [
            "+<dave@here.test>|",
            "+<eve@example.test> NOTIFY=NEVER|NOTIFY=NEVER ??",
            "+<eve@example.test>|",
            "-<bob@example.test>",
        ]
    );
    assert_eq!(changes[11], Change::Quarantine("looks ??vil".into()));
}

#[test]
fn leading_space_is_the_milters_when_it_wants_it() {
    let agree = agreeable(Steps::LEADING_SPACE);
    let add = |value: &'static str| MilterReply::AddHeader { name: "X".into(), value: value.into() };
    let replies = octets(&[add("none"), add("  two"), MilterReply::Accept]);
    let answers = |command: &MilterCommand| {
        if letter(command) == 'E' { replies.clone() } else { agree(command) }
    };
    let played = play(config(), &MESSAGE, &answers);
    assert_eq!(played.changes.iter().map(field).collect::<Vec<_>>(), ["X:none\r\n", "X:  two\r\n"]);
}

#[test]
fn a_new_body_goes_through_in_pieces_of_any_size() {
    let mut config = config();
    config.limits.packet_bytes_max = 1000;
    // Pieces need not end where lines do.
    let new = |octets: &[u8]| MilterReply::ReplaceBody(octets.to_vec().into());
    let large = vec![b'y'; 300_000];
    let recipient = MilterReply::AddRecipient("<a@x.test>".into());
    let replies = [new(b"x\r\n"), new(b""), new(&large), recipient, new(b"z"), MilterReply::Accept];
    let config = Arc::new(config);
    for cut in [1, 4, 1000, 65_536, 400_000] {
        let mut driver = session(&config, &MESSAGE);
        let mut to_milter = InBuf::with_capacity(1 << 20);
        let answers = answering('E', &replies);
        loop {
            to_milter.push(&driver.take_sent());
            let new = commands(&mut to_milter);
            if new.is_empty() {
                break;
            }
            for command in new {
                answers(&command).chunks(cut).for_each(|piece| {
                    driver.receive(piece);
                    assert_eq!(driver.untaken_bytes(), 0, "nothing is held");
                });
            }
        }
        assert_eq!(driver.fixture.failure, None);
        let bodies: Vec<_> = driver.fixture.log.bodies().collect();
        let first = [b"x\r\n", &large[..], b"\r\n"].concat();
        assert!(bodies == [&first[..], b"z\r\n"], "cut {cut}: each part ends in a line of its own");
    }
}

/// A message whose new body is empty is told so, once.
#[test]
fn an_empty_body_is_a_change() {
    let mut driver = session(&Arc::new(config()), &MESSAGE[..7]);
    let mut to_milter = InBuf::with_capacity(1 << 20);
    loop {
        to_milter.push(&driver.take_sent());
        let new = commands(&mut to_milter);
        if new.is_empty() {
            break;
        }
        new.iter().for_each(|command| driver.receive(&agreeable(Steps::default())(command)));
    }
    let now = driver.now();
    let milter = &mut driver.machine;
    milter.end_of_message(now, &|_| None).unwrap();
    milter.handle_input(now, &octets(&[MilterReply::ReplaceBody("".into()), MilterReply::Accept]));
    let events: Vec<_> =
        std::iter::from_fn(|| milter.poll_event(now)).map(|step| format!("{step:?}")).collect();
    assert_eq!(events, [r#"App(Change(ReplaceBody(b"")))"#, "App(Answered(Accept))"]);
}

/// What ends the session, at whatever step.
#[test]
fn hostile_milters() {
    use MilterFailure as F;
    let header = MilterReply::AddHeader { name: "X".into(), value: "y".into() };
    let raw = |octets: &[u8]| octets.to_vec();
    let answers: Vec<(char, Vec<u8>, MilterFailure)> = vec![
        ('O', raw(&[0, 0, 0, 0]), F::Packet(PacketFault::Empty)),
        ('C', raw(&[0, 0, 0, 0]), F::Packet(PacketFault::Empty)),
        ('C', raw(&[0xff; 4]), F::Packet(PacketFault::TooLong(u32::MAX))),
        ('C', raw(&[0, 0x10, 0, 1]), F::Packet(PacketFault::TooLong(0x10_0001))),
        ('C', raw(b"\xff\xff\xff\xffb"), F::Packet(PacketFault::TooLong(u32::MAX))),
        ('C', raw(b"\0\0\0\x01b"), F::Unexpected(Stage::Connect)),
        ('C', raw(b"\0\0\0\x01X"), F::Packet(PacketFault::Unknown(b'X'))),
        ('C', raw(b"\0\0\0\x02cc"), F::Packet(PacketFault::Excess(b'c'))),
        ('C', raw(b"GET / HTTP/1.1\r\n\r\n"), F::Packet(PacketFault::TooLong(0x4745_5420))),
        ('O', octets(&[MilterReply::Continue]), F::NoNegotiation),
        ('O', raw(b"\0\0\0\x01O"), F::Packet(PacketFault::Short(b'O'))),
        ('O', raw(b"\0\0\0\x0eO\0\0\0\x06\0\0\0\0\0\0\0\0x"), F::Packet(PacketFault::Short(b'O'))),
        (
            'O',
            octets(&[MilterReply::Negotiate(Offer::new(6, Actions(1 << 9), Steps::default()))]),
            F::NotOffered,
        ),
        (
            'M',
            octets(&[MilterReply::Negotiate(Offer::new(6, Actions(1), Steps(0)))]),
            F::Unexpected(Stage::Mail),
        ),
        ('H', octets(&[MilterReply::ConnectionFailure]), F::Unexpected(Stage::Helo)),
        ('E', octets(&[MilterReply::ConnectionFailure]), F::Unexpected(Stage::EndOfMessage)),
        ('R', octets(std::slice::from_ref(&header)), F::Unexpected(Stage::Rcpt)),
        ('B', octets(&[MilterReply::Quarantine("x".into())]), F::Unexpected(Stage::Body)),
        ('B', octets(&[MilterReply::Continue, MilterReply::Continue]), F::Unasked),
        ('E', octets(&[MilterReply::Accept, header]), F::Unasked),
        ('E', raw(b"\0\0\0\x03hX\0"), F::Packet(PacketFault::Short(b'h'))),
        ('E', raw(b"\0\0\0\x04mX\0\0"), F::Packet(PacketFault::Short(b'm'))),
        ('E', raw(b"\0\0\0\x06+a@x\0y"), F::Packet(PacketFault::Excess(b'+'))),
        ('E', raw(b"\0\0\0\x04+a@x"), F::Packet(PacketFault::Short(b'+'))),
        ('E', octets(&[MilterReply::AddRecipient("<>".into())]), F::Address),
        ('E', octets(&[MilterReply::AddRecipient("a@b, c@d".into())]), F::Address),
        ('E', octets(&[MilterReply::DeleteRecipient("<a@b>\r\nDATA".into())]), F::Address),
        ('E', octets(&[MilterReply::ChangeSender { address: "".into(), parameters: None }]), F::Address),
        ('E', octets(&[MilterReply::AddHeader { name: "".into(), value: "y".into() }]), F::HeaderField),
        ('E', octets(&[MilterReply::AddHeader { name: "a\r\nb".into(), value: "y".into() }]), F::HeaderField),
        ('R', octets(&[MilterReply::ReplyCode("250 2.0.0 fine".into())]), F::ReplyCode),
        ('R', octets(&[MilterReply::ReplyCode("".into())]), F::ReplyCode),
    ];
    for (at, said, failure) in answers {
        let agree = agreeable(Steps::default());
        let answers =
            |command: &MilterCommand| if letter(command) == at { said.clone() } else { agree(command) };
        // One question more, so that what comes too much comes before a question.
        let questions = [&MESSAGE[..], &[Do::Mail("<>")]].concat();
        // How much of it comes at once matters where it says something too much.
        let played = match failure {
            MilterFailure::Unasked => play_once(&questions, &answers),
            _ => play(config(), &questions, &answers),
        };
        let shown = said.escape_ascii();
        assert_eq!(played.failure.as_ref(), Some(&failure), "{at} {shown}: {:?}", played.log);
        let is_set_up_wrongly = matches!(failure, F::ReplyCode | F::HeaderField | F::Address);
        assert_eq!(failure.is_misconfiguration(), is_set_up_wrongly, "{failure}");
        assert!(played.log.last().unwrap().starts_with("closed: protocol: "), "{at} {shown}");
    }
}

/// One that hangs up, at each step.
#[test]
fn a_milter_that_dies() {
    for questions in 0..=MESSAGE.len() {
        for partial in [&b""[..], b"\0", b"\0\0\0\x01", b"\0\0\0\x05hX\0"] {
            let mut driver = session(&Arc::new(config()), &MESSAGE[..questions]);
            let mut to_milter = InBuf::with_capacity(1 << 20);
            let agree = agreeable(Steps::default());
            let mut answered = 0;
            loop {
                to_milter.push(&driver.take_sent());
                let new = commands(&mut to_milter);
                let Some(last) = new.last() else { break };
                // The last question has no answer.
                if answered == questions {
                    break;
                }
                answered += usize::from(letter(last) != 'D');
                driver.receive(&agree(last));
            }
            driver.receive(partial);
            driver.eof();
            assert_eq!(driver.fixture.failure, Some(MilterFailure::ConnectionLost), "{questions}");
            assert_eq!(driver.closed().unwrap().to_string(), "peer closed the connection");
        }
    }
}

#[test]
fn more_than_was_offered_or_allowed() {
    let mut few = config();
    few.actions = Actions::ADD_HEADERS;
    let agree = agreeable(Steps::default());
    for (reply, is_fine) in [
        (MilterReply::AddHeader { name: "X".into(), value: "y".into() }, true),
        (MilterReply::ChangeHeader { index: 1, name: "X".into(), value: "y".into() }, false),
        (MilterReply::ReplaceBody("x".into()), false),
        (MilterReply::ChangeSender { address: "<>".into(), parameters: None }, false),
        (MilterReply::AddRecipient("<a@x.test>".into()), false),
        (MilterReply::AddRecipientWithParameters { address: "<a@x.test>".into(), parameters: None }, false),
        (MilterReply::DeleteRecipient("<a@x.test>".into()), false),
        (MilterReply::Quarantine("x".into()), false),
    ] {
        let said = octets(&[reply.clone(), MilterReply::Accept]);
        // It announced nothing and was offered one thing: as Sendmail and Postfix do, that one is taken.
        let answers = |command: &MilterCommand| match command {
            MilterCommand::Negotiate(_) => {
                octets(&[MilterReply::Negotiate(Offer::new(6, Actions::default(), Steps::default()))])
            }
            MilterCommand::EndOfMessage(_) => said.clone(),
            other => agree(other),
        };
        let failure = play_once_with(&few, &MESSAGE, &answers).failure;
        assert_eq!(failure, (!is_fine).then_some(MilterFailure::NotOffered), "{reply:?}");
    }
    let mut narrow = config();
    narrow.limits.changes_max = 3;
    let many = |n: usize| {
        let mut replies = vec![MilterReply::DeleteRecipient("<a@x.test>".into()); n];
        replies.insert(0, MilterReply::ReplaceBody("x".into()));
        replies.push(MilterReply::Accept);
        answering('E', &replies)
    };
    assert_eq!(play(narrow.clone(), &MESSAGE, &many(3)).failure, None);
    assert_eq!(play(narrow.clone(), &MESSAGE, &many(4)).failure, Some(MilterFailure::TooManyChanges));
    // The next message has its own.
    let twice = [&MESSAGE[..], &MESSAGE[2..]].concat();
    assert_eq!(play(narrow.clone(), &twice, &many(3)).failure, None);
    narrow.limits.change_bytes_max = 3 * "-<a@x.test>\0".len() - 1;
    assert_eq!(play(narrow, &MESSAGE, &many(3)).failure, Some(MilterFailure::TooManyChanges));
}

#[test]
fn what_is_done_without_a_milter() {
    let said = |action: &str, failure: Option<&MilterFailure>| match action
        .parse::<DefaultAction>()
        .unwrap()
        .consequence(failure)
    {
        Consequence::Refuse(refusal) => refusal.reply().to_string(),
        other => format!("{other:?}"),
    };
    let lost = Some(&MilterFailure::ConnectionLost);
    for failure in [None, lost] {
        assert_eq!(said("tempfail", failure), "451 4.7.1 Service unavailable - try again later");
        assert_eq!(said("REJECT", failure), "550 5.5.0 Service unavailable");
        assert_eq!(said("accept", failure), "Accept");
        assert_eq!(said("quarantine", failure), "Quarantine");
    }
    let wrong = Some(&MilterFailure::ReplyCode);
    for action in ["tempfail", "reject"] {
        assert_eq!(said(action, wrong), "451 4.3.5 Server configuration problem - try again later");
    }
    assert_eq!(said("accept", wrong), "Accept");
    assert_eq!(said("quarantine", wrong), "Quarantine");
    assert_eq!("hold".parse::<DefaultAction>(), Err(NoSuchAction));
}

fn text() -> impl Strategy<Value = String> {
    "[^\0]{0,12}"
}

fn string() -> impl Strategy<Value = bytes::Bytes> {
    proptest::collection::vec(1..=255u8, 0..12).prop_map(bytes::Bytes::from)
}

fn any_octets() -> impl Strategy<Value = bytes::Bytes> {
    proptest::collection::vec(any::<u8>(), 0..12).prop_map(bytes::Bytes::from)
}

fn offer() -> impl Strategy<Value = Offer> {
    let lists = proptest::collection::vec((0..7usize, text()), 0..3);
    (any::<u32>(), any::<u32>(), any::<u32>(), lists).prop_map(|(version, actions, steps, lists)| {
        let stages = [
            Stage::Connect,
            Stage::Helo,
            Stage::Mail,
            Stage::Rcpt,
            Stage::Data,
            Stage::EndOfMessage,
            Stage::EndOfHeader,
        ];
        let mut offer = Offer::new(version, Actions(actions), Steps(steps));
        offer.macros = lists.into_iter().map(|(stage, names)| (stages[stage], names)).collect();
        offer
    })
}

fn command() -> impl Strategy<Value = MilterCommand> {
    use MilterCommand as C;
    let macros = (0..10usize, proptest::collection::vec((text(), text()), 0..3))
        .prop_map(|(stage, values)| C::Macros { stage: Stage::ALL[stage], values });
    let peer = prop_oneof![
        (any::<[u8; 4]>(), any::<u16>()).prop_map(|(address, port)| PeerAddress::Inet(address.into(), port)),
        (any::<[u8; 16]>(), any::<u16>()).prop_map(|(address, port)| PeerAddress::Inet(address.into(), port)),
        text().prop_map(PeerAddress::Unix),
        Just(PeerAddress::Unknown),
    ];
    let connect = (proptest::option::of("[a-z.]{1,9}x"), peer)
        .prop_map(|(hostname, address)| C::Connect(MilterPeer { hostname, address }));
    prop_oneof![
        offer().prop_map(C::Negotiate),
        macros,
        connect,
        text().prop_map(C::Helo),
        proptest::collection::vec(text(), 0..3).prop_map(C::Mail),
        proptest::collection::vec(text(), 0..3).prop_map(C::Rcpt),
        (string(), string()).prop_map(|(name, value)| C::Header { name, value }),
        any_octets().prop_map(C::Body),
        any_octets().prop_map(C::EndOfMessage),
        string().prop_map(C::Unknown),
        proptest::sample::select(vec![C::Data, C::EndOfHeader, C::Abort, C::Quit, C::QuitNewConnection]),
    ]
}

fn reply() -> impl Strategy<Value = MilterReply> {
    use MilterReply as R;
    let optional = || proptest::option::of(string());
    prop_oneof![
        offer().prop_map(R::Negotiate),
        string().prop_map(R::ReplyCode),
        (string(), string()).prop_map(|(name, value)| R::AddHeader { name, value }),
        (any::<u32>(), string(), string()).prop_map(|(index, name, value)| R::InsertHeader {
            index,
            name,
            value
        }),
        (any::<u32>(), string(), string()).prop_map(|(index, name, value)| R::ChangeHeader {
            index,
            name,
            value
        }),
        any_octets().prop_map(R::ReplaceBody),
        (string(), optional()).prop_map(|(address, parameters)| R::ChangeSender { address, parameters }),
        (string(), optional())
            .prop_map(|(address, parameters)| R::AddRecipientWithParameters { address, parameters }),
        string().prop_map(R::AddRecipient),
        string().prop_map(R::DeleteRecipient),
        string().prop_map(R::Quarantine),
        proptest::sample::select(vec![
            R::Continue,
            R::Accept,
            R::Reject,
            R::TempFail,
            R::Discard,
            R::Shutdown,
            R::ConnectionFailure,
            R::Skip,
            R::Progress
        ]),
    ]
}

/// Packets cut out of octets.
fn packets(out: &OutBuf) -> Vec<bytes::Bytes> {
    let mut input = InBuf::with_capacity(1 << 20);
    assert_eq!(input.push(out.as_slice()), out.len());
    std::iter::from_fn(|| next_packet(&mut input, 1 << 20).unwrap()).collect()
}

proptest! {
    #[test]
    fn what_is_written_reads_back(written in proptest::collection::vec((command(), reply()), 0..4)) {
        let (mut commands, mut replies) = (OutBuf::new(), OutBuf::new());
        for (command, reply) in &written {
            command.encode(&mut commands);
            reply.encode(&mut replies);
        }
        let read = packets(&commands).into_iter().zip(packets(&replies)).map(|(command, reply)| {
            (MilterCommand::decode(&command).unwrap(), MilterReply::decode(&reply).unwrap())
        });
        prop_assert_eq!(read.collect::<Vec<_>>(), written);
    }
}

fn play_once(questions: &[Do], answers: Answers<'_>) -> Played {
    play_once_with(&config(), questions, answers)
}

//! What a session costs in memory, counted.

#![allow(clippy::unwrap_used)]

use proto_core::address::{ForwardPath, ReversePath};
use proto_core::sasl::line::encode;
use proto_core::sasl::saslprep::TEXT_BYTES_MAX;
use proto_core::sasl::scram::{MESSAGE_BYTES_MAX, SALT_BYTES_MAX};
use proto_core::sasl::{AuthVerdict, Decoys, Mechanism, Nonces, ServerEntropy};
use proto_core::{Instant, Machine, Now, OutBuf, Step, UnixTime};
use smtp_proto::client::{Client, ClientConfig, ClientEvent, Envelope};
use smtp_proto::server::{Config, EndOfDataVerdict, Event, Peer, Protocol, QueueId, Server, Verdict};
use smtp_proto::{EnhancedCode, Refusal};
use std::sync::Arc;
use testkit::alloc::{Counting, measure};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NOW: Now = Now::new(Instant::ORIGIN, UnixTime(0));

/// Says yes to everything that is asked; keeps nothing.
fn answer(server: &mut Server) {
    while let Some(step) = server.poll_event(NOW) {
        let Step::App(event) = step else { continue };
        let yes = Verdict::Accept(());
        match event {
            Event::Connect(ask) => server.answer(NOW, ask, yes).unwrap(),
            Event::Command(ask) => server.answer(NOW, ask, Ok(())).unwrap(),
            Event::Hello(ask) => server.answer(NOW, ask, yes).unwrap(),
            Event::Mail(ask) => server.answer(NOW, ask, yes).unwrap(),
            Event::Rcpt(ask) => server.answer(NOW, ask, yes).unwrap(),
            Event::Data(ask) => server.answer(NOW, ask, yes).unwrap(),
            Event::Authenticate(ask) => server.answer(NOW, ask, AuthVerdict::Reject).unwrap(),
            Event::EndOfData(ask) => {
                server.answer(NOW, ask, Verdict::Accept(QueueId::new("Q").unwrap()).into()).unwrap();
            }
            _ => {}
        }
    }
}

/// Hands in all of `input` that is taken, answers, takes the output.
fn serve(server: &mut Server, out: &mut OutBuf, input: &[u8]) {
    let mut rest = input;
    loop {
        answer(server);
        while server.poll_transmit(out) {}
        out.consume(out.len());
        if rest.is_empty() || !server.wants_input() {
            return;
        }
        rest = &rest[server.handle_input(NOW, rest)..];
    }
}

fn session() -> Server {
    let mut config = Config::new("mx.t").unwrap();
    config.limits.message_bytes_max = 0;
    let mut server = Server::new(NOW, Arc::new(config), Peer::default());
    serve(&mut server, &mut OutBuf::new(), b"");
    serve(&mut server, &mut OutBuf::new(), b"EHLO c\r\n");
    server
}

/// The bound, however a session is flooded: output up to its mark, and 16 KiB for the input, events under way and a reply over the mark.
const SESSION_BYTES_MAX: usize = 16 * 1024 + OutBuf::HIGH_WATER_BYTES;

#[test]
fn a_session_is_bounded_whatever_comes() {
    let mut server = session();
    let ((), usage) = measure(|| {
        let mut out = OutBuf::new();
        let chunk = [b'x'; 32 * 1024];
        for _ in 0..256 {
            serve(&mut server, &mut out, &chunk);
        }
        serve(&mut server, &mut out, b"\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n");
        serve(&mut server, &mut out, b"DATA\r\n");
        for _ in 0..256 {
            serve(&mut server, &mut out, &chunk);
        }
        serve(&mut server, &mut out, b"\r\n.\r\n");
    });
    assert!(usage.peak_bytes < SESSION_BYTES_MAX, "{usage:?}");
    assert!(usage.held_bytes < 8 * 1024, "an idle session gives its buffers back: {usage:?}");
}

/// Takes input as long as it is wanted, and output only when nothing goes on without.
fn flood(server: &mut Server, mut rest: &[u8], piece: usize) {
    loop {
        answer(server);
        if !server.wants_input() {
            if !server.poll_transmit(&mut OutBuf::new()) {
                return;
            }
        } else if rest.is_empty() {
            return;
        } else {
            rest = &rest[server.handle_input(NOW, &rest[..piece.min(rest.len())])..];
        }
    }
}

/// What it holds at most while it hears these, with so much output waiting before.
fn holds(output: usize, inputs: &[String], piece: usize, ask_commands: bool) -> usize {
    let mut config = Config::new("mx.t").unwrap();
    config.mechanisms = Mechanism::ALL.to_vec();
    config.allow_plaintext_auth = true;
    config.limits.idle_commands_max = u32::MAX;
    config.ask_commands = ask_commands;
    let mut server = Server::new(NOW, Arc::new(config), Peer::default());
    let decoys = Decoys::new([7; 32]).with_shape(4096, SALT_BYTES_MAX);
    server.set_entropy(ServerEntropy { nonces: Nonces::once("n").unwrap(), decoys });
    serve(&mut server, &mut OutBuf::new(), b"");
    serve(&mut server, &mut OutBuf::new(), b"EHLO c\r\n");
    let noops = b"NOOP\r\n".repeat(output / "250 2.0.0 Ok\r\n".len());
    let ((), usage) = measure(|| {
        flood(&mut server, &noops, 4096);
        for input in inputs {
            flood(&mut server, input.as_bytes(), piece);
        }
    });
    usage.peak_bytes
}

#[test]
fn every_state_is_bounded() {
    let auth =
        |mechanism: &str, message: &str| format!("AUTH {mechanism} {}\r\n", encode(message.as_bytes()));
    let line = |message: &str| format!("{}\r\n", encode(message.as_bytes()));
    let long = |octets: usize| "u".repeat(octets);
    let longest = long(TEXT_BYTES_MAX);
    let mailbox = format!("RCPT TO:<{}@{}.{}>\r\n", long(64), long(63), long(63));
    let plain = format!("\0{}\0{}", long(4500), long(4500));
    let bearer = format!("user={longest}\x01auth=Bearer {}\x01\x01", long(8100));
    let scram = |octets: usize| {
        let (before, after) = ("n,a=", format!(",n={longest},r=c,e="));
        let bytes = octets.saturating_sub(before.len() + TEXT_BYTES_MAX + after.len());
        auth("SCRAM-SHA-256", &format!("{before}{longest}{after}{}", long(bytes)))
    };
    let scram_final = |octets: usize| {
        line(&format!("c={},r=cn,p={}", encode(long(octets / 4 * 3).as_bytes()), encode(&[0; 32])))
    };
    let states = [
        vec![format!("AUTH PLAIN {}", long(12_276))],
        vec!["x".repeat(30_000)],
        vec![format!("MAIL FROM:<a@b>\r\n{}", mailbox.repeat(1000))],
        vec!["MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n".into(), "x".repeat(30_000)],
        vec!["MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 99999\r\n".into(), "x".repeat(30_000)],
        // As long as a line may be, and what is as long as a name or a password may be.
        vec![auth("PLAIN", &plain)],
        vec!["AUTH PLAIN\r\n".into(), line(&plain)],
        vec![auth("PLAIN", &plain).replace('A', "!")],
        vec![auth("PLAIN", &format!("{longest}\0{longest}\0{longest}"))],
        vec![auth("LOGIN", &long(9200)), line(&long(9200))],
        vec![auth("LOGIN", &longest), line(&long(9200))],
        vec![auth("LOGIN", &longest), long(12_288)],
        vec![auth("XOAUTH2", &bearer), long(12_288)],
        vec!["AUTH CRAM-MD5\r\n".into(), line(&format!("{} {}", long(9100), "0".repeat(32)))],
        vec!["AUTH CRAM-MD5\r\n".into(), line(&format!("{longest} {}", "0".repeat(32)))],
        vec![auth("ANONYMOUS", &long(9200))],
        vec![scram(9000), scram_final(9000)],
        vec![scram(MESSAGE_BYTES_MAX), scram_final(9000)],
        vec![scram(MESSAGE_BYTES_MAX), scram_final(MESSAGE_BYTES_MAX - 100)],
        vec![scram(MESSAGE_BYTES_MAX), long(12_288)],
        // What grows when it is read: names by SASLprep, a message by the fields it consists of.
        vec![auth(
            "PLAIN",
            &format!("\0{}\0{}", "\u{fdfa}".repeat(341), "u".to_owned() + &"\u{301}".repeat(511)),
        )],
        vec![auth("PLAIN", &format!("\0u\0{}", "\u{fdfa}".repeat(3000)))],
        vec![auth("OAUTHBEARER", &format!("n,,\x01{}\x01", "a=\x01".repeat(3000)))],
        vec![auth("OAUTHBEARER", &format!("n,a={},\x01\x01", "=2C".repeat(3000)))],
    ];
    for output in [0, 8 * 1024, OutBuf::HIGH_WATER_BYTES - 20] {
        for piece in [1, 1400, 32 * 1024] {
            for inputs in &states {
                // Behind the last line, too, as much as is taken.
                for behind in [0, 16 * 1024] {
                    let mut inputs = inputs.clone();
                    inputs.last_mut().unwrap().push_str(&long(behind));
                    // How octets are cut is no matter to that question.
                    for ask_commands in [false, true].into_iter().take(1 + usize::from(piece == 1400)) {
                        let peak = holds(output, &inputs, piece, ask_commands);
                        let what =
                            format!("{:.40} by {piece} with {output}, asked {ask_commands}", inputs[0]);
                        assert!(peak < SESSION_BYTES_MAX, "{what}: {peak}");
                    }
                }
            }
        }
    }
}

/// As long as a line of a refusal may be, code and all.
const REPLY_BYTES_MAX: usize = 512;

/// LMTP and PRDR: a reply for each recipient, all of them given at once, or one after another, the last recipient's first.
#[test]
fn the_last_replies_are_a_line_for_each_recipient() {
    let text: &'static str = "x".repeat(480).leak();
    let no = || {
        let enhanced = EnhancedCode::new(5, 7, 1).unwrap();
        Verdict::<QueueId>::Refuse(Refusal::new(550, enhanced, text).unwrap())
    };
    for (protocol, hello, prdr) in
        [(Protocol::Lmtp, "LHLO c\r\n", ""), (Protocol::Smtp, "EHLO c\r\n", " PRDR")]
    {
        for (recipients, at_once) in [(2, true), (100, true), (1000, true), (2, false), (1000, false)] {
            let mut config = Config::new("mx.t").unwrap();
            config.protocol = protocol;
            config.offer.prdr = true;
            config.limits.idle_commands_max = u32::MAX;
            let mut server = Server::new(NOW, Arc::new(config), Peer::default());
            let mut out = OutBuf::new();
            serve(&mut server, &mut out, b"");
            serve(&mut server, &mut out, hello.as_bytes());
            let ((), usage) = measure(|| {
                serve(&mut server, &mut out, format!("MAIL FROM:<a@b>{prdr}\r\n").as_bytes());
                for _ in 0..recipients {
                    serve(&mut server, &mut out, b"RCPT TO:<c@d>\r\n");
                }
                serve(&mut server, &mut out, b"DATA\r\n");
                server.handle_input(NOW, b"x\r\n.\r\n");
                let ask = loop {
                    match server.poll_event(NOW) {
                        Some(Step::App(Event::EndOfData(ask))) => break ask,
                        Some(_) => {}
                        None => panic!("no question"),
                    }
                };
                assert_eq!((ask.detail.recipients, ask.detail.per_recipient), (recipients, true));
                if at_once {
                    let each = (0..recipients).map(|_| no()).collect();
                    return server.answer(NOW, ask, EndOfDataVerdict::Each(each)).unwrap();
                }
                for recipient in (0..recipients).rev() {
                    server.answer_recipient(NOW, &ask, recipient, no()).unwrap();
                }
                server.answer(NOW, ask, no().into()).unwrap();
            });
            let verdicts = recipients * size_of::<Verdict<QueueId>>() * 2;
            let bound = SESSION_BYTES_MAX + recipients * REPLY_BYTES_MAX + verdicts;
            assert!(usage.peak_bytes < bound, "{protocol:?} {recipients} {at_once}: {usage:?}");
            assert!(usage.peak_bytes > recipients * 480, "the replies were written: {usage:?}");
        }
    }
}

/// A chunk may announce what it likes, and is taken or eaten as it comes.
#[test]
fn a_chunk_is_bounded_whatever_it_announces() {
    for begin in ["MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n", ""] {
        let mut server = session();
        serve(&mut server, &mut OutBuf::new(), begin.as_bytes());
        let ((), usage) = measure(|| {
            let mut out = OutBuf::new();
            serve(&mut server, &mut out, b"BDAT 18446744073709551615 LAST\r\n");
            let octets = [b'x'; 32 * 1024];
            for _ in 0..256 {
                serve(&mut server, &mut out, &octets);
            }
            assert!(server.wants_input() && out.is_empty());
        });
        assert!(usage.peak_bytes < SESSION_BYTES_MAX, "{begin:?}: {usage:?}");
    }
}

#[test]
fn a_client_that_never_reads_is_not_served_for_ever() {
    let mut server = session();
    serve(&mut server, &mut OutBuf::new(), b"MAIL FROM:<a@b>\r\n");
    let group = b"RCPT TO:<somebody@example.test>\r\n".repeat(2000);
    let ((), usage) = measure(|| {
        // The driver cannot write: no output is taken.
        let mut rest = &group[..];
        while !rest.is_empty() && server.wants_input() {
            rest = &rest[server.handle_input(NOW, rest)..];
            answer(&mut server);
        }
        assert!(!server.wants_input() && !server.is_closed());
    });
    assert!(usage.peak_bytes > OutBuf::HIGH_WATER_BYTES, "the mark was reached: {usage:?}");
    assert!(usage.peak_bytes < SESSION_BYTES_MAX, "{usage:?}");
}

#[test]
fn hundreds_of_recipients_cost_nothing_that_stays() {
    let mut server = session();
    let mut out = OutBuf::new();
    serve(&mut server, &mut out, b"MAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nRCPT TO:<a@b>\r\n");
    let group = b"RCPT TO:<somebody@example.test>\r\n".repeat(100);
    let ((), usage) = measure(|| serve(&mut server, &mut out, &group));
    assert!(usage.held_bytes < 512, "{usage:?}");
}

#[test]
fn commands_allocate_only_what_their_events_own() {
    let mut server = session();
    let mut out = OutBuf::new();
    let noops = b"NOOP\r\n".repeat(90);
    let ((), usage) = measure(|| serve(&mut server, &mut out, &noops));
    assert!(usage.allocations < 20, "a group of NOOPs: {usage:?}");
    serve(&mut server, &mut out, b"MAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\n");
    let group = b"RCPT TO:<somebody@example.test>\r\n".repeat(100);
    let ((), usage) = measure(|| serve(&mut server, &mut out, &group));
    // A mailbox of usual length costs none.
    assert!(usage.allocations < 20, "a group of RCPTs: {usage:?}");
}

/// What an idle session may cost in all: the value itself and what it has on the heap.
const IDLE_BYTES_MAX: usize = 1024;

#[test]
fn an_idle_server_session_is_small() {
    let (config, mut out) = (Arc::new(Config::new("mx.example.test").unwrap()), OutBuf::new());
    let (mut server, opened) = measure(|| {
        let mut server = Server::new(NOW, config, Peer::new([192, 0, 2, 7].into()));
        serve(&mut server, &mut out, b"");
        serve(&mut server, &mut out, b"EHLO mail-lf1-f47.example.net\r\n");
        out = OutBuf::new();
        server
    });
    let before = size_of::<Server>() + opened.held_bytes.unsigned_abs();
    let ((), delivered) = measure(|| {
        let group = b"RSET\r\nMAIL FROM:<alice@example.net> SIZE=1000\r\nRCPT TO:<bob@example.test>\r\n";
        for segment in [&group[..], b"DATA\r\n", b"Subject: x\r\n\r\nx\r\n.\r\n"] {
            serve(&mut server, &mut out, segment);
        }
        out = OutBuf::new();
    });
    let after = before.strict_add_signed(delivered.held_bytes);
    assert!(
        before < IDLE_BYTES_MAX && after < IDLE_BYTES_MAX,
        "after EHLO {before}, after a message {after}"
    );
}

/// Says yes to everything, as a server that offers most extensions.
fn converse(client: &mut Client, out: &mut OutBuf, replies: &[u8]) {
    let mut rest = replies;
    loop {
        while let Some(step) = client.poll_event(NOW) {
            match step {
                Step::App(ClientEvent::SendBody) => {
                    client.write_body(NOW, b"Subject: x\r\n\r\nx\r\n").unwrap();
                    client.finish(NOW).unwrap();
                }
                Step::App(_) => {}
                other => panic!("{other:?}"),
            }
        }
        while client.poll_transmit(out) {}
        out.consume(out.len());
        if rest.is_empty() {
            return;
        }
        rest = &rest[client.handle_input(NOW, rest)..];
    }
}

#[test]
fn an_idle_client_session_is_small() {
    let (config, mut out) = (Arc::new(ClientConfig::new("client.example.test").unwrap()), OutBuf::new());
    let (mut client, opened) = measure(|| {
        let mut client = Client::new(NOW, config);
        let greeting = b"220 mx.example.test ESMTP\r\n";
        let hello =
            b"250-mx.example.test\r\n250-PIPELINING\r\n250-SIZE 10240000\r\n250-DSN\r\n250 8BITMIME\r\n";
        converse(&mut client, &mut out, greeting);
        converse(&mut client, &mut out, hello);
        out = OutBuf::new();
        client
    });
    let before = size_of::<Client>() + opened.held_bytes.unsigned_abs();
    let ((), delivered) = measure(|| {
        let recipients = ["b@d".parse().unwrap()].map(ForwardPath::Mailbox);
        let envelope = Envelope::new(ReversePath::Null, recipients);
        client.send(NOW, envelope).unwrap();
        for replies in [&b"250 Ok\r\n250 Ok\r\n354 Go on\r\n"[..], b"250 2.0.0 Ok: queued as Q\r\n"] {
            converse(&mut client, &mut out, replies);
        }
        out = OutBuf::new();
    });
    let after = before.strict_add_signed(delivered.held_bytes);
    assert!(
        before < IDLE_BYTES_MAX && after < IDLE_BYTES_MAX,
        "after EHLO {before}, after a message {after}"
    );
}

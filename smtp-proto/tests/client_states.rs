//! What a client session holds at most in any state, counted: whatever a server says, and whether or not the driver gets rid
//! of output.

#![allow(clippy::unwrap_used)]

use proto_core::address::{ForwardPath, ReversePath};
use proto_core::sasl::line::encode;
use proto_core::sasl::{ClientCredentials, Mechanism, Nonces};
use proto_core::{EncodePolicy, Instant, Machine, Now, OutBuf, Step, TlsInfo, UnixTime};
use smtp_proto::client::{Client, ClientConfig, ClientEvent, ClientProtocol, ClientTls, Envelope};
use std::sync::Arc;
use testkit::alloc::{Counting, measure};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NOW: Now = Now::new(Instant::ORIGIN, UnixTime(0));

/// The bound: output up to its mark, and 16 KiB for a reply, the line that is under way and the login.
const SESSION_BYTES_MAX: usize = OutBuf::HIGH_WATER_BYTES + 16 * 1024;

/// What each recipient of the envelope adds to it: a standing, what is awaited, the reply and the first of its text.
const RECIPIENT_BYTES_MAX: usize = 256 + TEXT_BYTES;

/// The default of `ClientLimits::outcome_text_bytes_max`.
const TEXT_BYTES: usize = 512;

/// When the driver stops to take output.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Taken {
    Always,
    UntilTheEnvelope,
    UntilTheMessage,
    Never,
}

/// A server's part, and whom the message is for.
struct Scene {
    name: String,
    config: ClientConfig,
    recipients: usize,
    /// What the application writes, again and again.
    text: &'static [u8],
    /// The application ends the message once it cannot go on.
    ends: bool,
    replies: String,
}

/// Plays a scene; what the session held at most, and what it adds for each recipient apart.
fn holds(scene: &Scene, piece: usize, taken: Taken) -> usize {
    let mailbox = format!("{}@{}.test", "u".repeat(64), "d".repeat(60));
    let mailbox: ForwardPath = mailbox.parse().map(ForwardPath::Mailbox).unwrap();
    let mut envelope = Some(Envelope::new(ReversePath::Null, vec![mailbox; scene.recipients]))
        .filter(|_| scene.recipients > 0);
    if let Some(envelope) = &mut envelope {
        envelope.parameters.prdr = true;
    }
    let config = Arc::new(scene.config.clone());
    // One after another: what is there before it was asked for is no reply.
    let mut replies: Vec<&str> = Vec::new();
    let mut begun = 0;
    for (at, _) in scene.replies.match_indices('\n') {
        let line = scene.replies[..at].rfind('\n').map_or(0, |end| end + 1);
        if scene.replies.as_bytes()[line + 3] == b' ' {
            replies.push(&scene.replies[begun..=at]);
            begun = at + 1;
        }
    }
    replies.push(&scene.replies[begun..]);
    let mut replies = replies.into_iter();
    let mut rest: &[u8] = b"";
    let ((), usage) = measure(|| {
        let mut client = Client::new(NOW, config);
        client.set_nonces(Nonces::once("n").unwrap());
        if scene.config.tls == ClientTls::Implicit {
            let mut tls = TlsInfo::default();
            tls.exporter = Some(vec![1; 32]);
            client.handle_tls(NOW, tls);
        }
        let (mut begun, mut writing, mut left) = (false, false, 40 * 1024_usize);
        loop {
            while let Some(step) = client.poll_event(NOW) {
                match step {
                    Step::App(ClientEvent::Ready) => match envelope.take() {
                        Some(envelope) => {
                            client.send(NOW, envelope).unwrap();
                            begun = true;
                        }
                        None => client.help(NOW).unwrap(),
                    },
                    Step::App(ClientEvent::SendBody) => writing = true,
                    Step::App(ClientEvent::Done(_)) => writing = false,
                    _ => {}
                }
            }
            while writing && left > 0 && client.body_room() > 0 {
                let octets = &scene.text[..scene.text.len().min(left)];
                left -= client.write_body(NOW, octets).unwrap();
            }
            let takes = match taken {
                Taken::Always => true,
                Taken::UntilTheEnvelope => !begun,
                Taken::UntilTheMessage => !writing,
                Taken::Never => false,
            };
            if takes && client.poll_transmit(&mut OutBuf::new()) {
                continue;
            }
            if scene.ends && writing && (left == 0 || client.body_room() == 0) {
                writing = false;
                client.finish(NOW).unwrap();
                continue;
            }
            while rest.is_empty() {
                let Some(reply) = replies.next() else { return };
                rest = reply.as_bytes();
            }
            let octets = client.handle_input(NOW, &rest[..piece.min(rest.len())]);
            rest = &rest[octets..];
            if octets == 0 {
                return;
            }
        }
    });
    usage.peak_bytes
}

fn config() -> ClientConfig {
    let mut config = ClientConfig::new("c.t").unwrap();
    config.tls = ClientTls::None;
    config.allow_plaintext_auth = true;
    config
}

/// A reply as long as it may be, in lines of so many octets; the last line of it `last`.
fn long(code: &str, line: usize, last: &str) -> String {
    let lines = (8000 / line).min(126);
    format!("{code}-{}\r\n", "x".repeat(line - 1)).repeat(lines) + &format!("{code} {last}\r\n")
}

fn opening() -> Vec<Scene> {
    let scene = |name: &str, replies: String| Scene {
        name: name.into(),
        config: config(),
        recipients: 0,
        text: b"",
        ends: false,
        replies,
    };
    let mut scenes = vec![
        scene("a line without end", "2".repeat(60_000)),
        scene("a reply without end", "220-x\r\n".repeat(1000)),
        scene("a goodbye", long("421", 2000, "x")),
        scene("too much text", "220-".to_owned() + &"x".repeat(2000) + "\r\n").clone_times(9),
    ];
    for line in [64, 100, 500, 2000] {
        for keyword in ["AUTH PLAIN", "LIMITS RCPTMAX=1", "XFORWARD NAME"] {
            let hello = long("250", line, keyword);
            let replies = long("220", line, "x") + &hello + &long("250", line, "x") + &long("500", line, "x");
            scenes.push(scene(&format!("long replies by {line}, {keyword}"), replies));
        }
    }
    scenes
}

impl Scene {
    fn clone_times(mut self, times: usize) -> Self {
        self.replies = self.replies.repeat(times);
        self
    }
}

fn logins() -> Vec<Scene> {
    let mut scenes = Vec::new();
    let name = "u".repeat(1000);
    let challenge = |message: &str| format!("334 {}\r\n", encode(message.as_bytes()));
    let most = "x".repeat(1500);
    let first = challenge(&format!("r=n{most},s={},i=4096", encode(b"salt")));
    for mechanism in Mechanism::ALL {
        let credentials = match mechanism {
            Mechanism::External => ClientCredentials::external().acting_as(&name),
            Mechanism::Anonymous => ClientCredentials::anonymous("t".repeat(255)),
            Mechanism::OauthBearer | Mechanism::Xoauth2 => {
                ClientCredentials::token("u".repeat(1000), "t".repeat(4000).as_str())
            }
            _ => ClientCredentials::password(&*name, name.as_str()),
        };
        // As long as a challenge may be (RFC 4954 section 4).
        let longest = challenge(&"x".repeat(9213));
        let challenges =
            ["334 \r\n".to_owned(), challenge(&most), first.clone(), long("334", 2000, "x"), longest];
        for answer in &challenges {
            for end in
                ["235 yes\r\n".to_owned(), long("535", 500, "no"), challenge(&most), long("421", 64, "x")]
            {
                let mut config = config();
                config.credentials = Some(credentials.clone());
                if mechanism.is_plus() {
                    config.tls = ClientTls::Implicit;
                }
                let hello = long("250", 100, &format!("AUTH {} LOGIN", mechanism.name()));
                scenes.push(Scene {
                    name: format!("login by {mechanism}, {:.20}, {:.20}", answer, end),
                    config,
                    recipients: 0,
                    text: b"",
                    ends: false,
                    replies: format!("220 x\r\n{hello}{answer}{answer}{end}"),
                });
            }
        }
    }
    scenes
}

fn messages() -> Vec<Scene> {
    let mut scenes = Vec::new();
    let yes = "250 Ok\r\n".to_owned();
    let no = || long("550", 500, "no");
    for (extensions, protocol) in [
        ("250-CHUNKING\r\n", ClientProtocol::Smtp),
        ("250-PRDR\r\n", ClientProtocol::Smtp),
        ("250-PRDR\r\n250-CHUNKING\r\n", ClientProtocol::Smtp),
        ("250-CHUNKING\r\n", ClientProtocol::Lmtp),
        ("", ClientProtocol::Lmtp),
        ("", ClientProtocol::Smtp),
    ] {
        let go_on = if extensions.contains("CHUNKING") { String::new() } else { long("354", 2000, "go on") };
        for recipients in [1, 5] {
            let some = recipients - 1;
            // What is said of the sender and the recipients, and what once the message is on its way.
            let envelopes = [
                yes.clone() + &no().repeat(some) + &yes,
                yes.clone() + &long("250", 64, "yes").repeat(recipients),
                no() + &no().repeat(recipients),
            ];
            let endings = [
                "250-x\r\n".repeat(1000),
                long("421", 500, "bye"),
                long("452", 500, "full"),
                long("353", 500, "each") + &no().repeat(recipients) + &no(),
                long("250", 500, "more").repeat(9) + &no().repeat(recipients),
            ];
            for (at, (said, ending)) in
                envelopes.iter().flat_map(|said| endings.iter().map(move |ending| (said, ending))).enumerate()
            {
                for (text, policy, ends) in [
                    (&[b'x'; 3000][..], EncodePolicy::Refuse, false),
                    (&[b'x'; 3000], EncodePolicy::Refuse, true),
                    (&[b'\n'; 3000], EncodePolicy::Repair, true),
                    (b"\n.\n\n.\n\n.\n\n.\n", EncodePolicy::Repair, false),
                ] {
                    let mut config = config();
                    config.protocol = protocol;
                    config.bare_line_ends = policy;
                    scenes.push(Scene {
                        name: format!("{protocol:?} {extensions:?} {recipients}: {at}, {policy:?}, {ends}"),
                        config,
                        recipients,
                        text,
                        ends,
                        replies: format!(
                            "220 x\r\n250-x\r\n{extensions}250 PIPELINING\r\n{said}{go_on}{ending}"
                        ),
                    });
                }
            }
        }
    }
    scenes
}

/// The most that a session held, recipients apart.
fn search(scenes: &[Scene], pieces: &[usize]) -> usize {
    let mut most = 0;
    for taken in [Taken::Always, Taken::UntilTheMessage, Taken::UntilTheEnvelope, Taken::Never] {
        for piece in pieces {
            for scene in scenes {
                let peak = holds(scene, *piece, taken);
                let bound = SESSION_BYTES_MAX + scene.recipients * RECIPIENT_BYTES_MAX;
                assert!(peak < bound, "{} by {piece}, {taken:?}: {peak} of {bound}", scene.name);
                most = most.max(peak.saturating_sub(scene.recipients * RECIPIENT_BYTES_MAX));
            }
        }
    }
    most
}

#[test]
fn what_opens_a_session_is_bounded() {
    assert!(search(&opening(), &[1, 1400, 32 * 1024]) > 8 * 1024, "a long reply was read");
}

#[test]
fn every_login_is_bounded() {
    assert!(search(&logins(), &[1400, 32 * 1024]) > 12 * 1024, "a long token was sent");
}

#[test]
fn every_state_of_a_message_is_bounded() {
    assert!(search(&messages(), &[32 * 1024]) > OutBuf::HIGH_WATER_BYTES, "the mark was reached");
}

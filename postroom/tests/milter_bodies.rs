//! What milters make that cannot be kept, or be shown to the next: the message is refused, and they are asked about the next one.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use common::milter::{Milter, packet, say, settings_with};
use common::{Client, start_with};
use mailstore::fs::sim::SimFs;
use postroom::scratch::Scratch;
use postroom::server::Builder;

/// What is said to two messages of one session whose body a milter replaces by 120,000 octets.
async fn replies(message_bytes_max: u64, change: impl FnOnce(Builder) -> Builder) -> [String; 2] {
    let milter = Milter::new(|step, _| {
        let piece = || packet('b', [b'x'; 40_000]);
        say([piece(), piece(), piece(), packet('c', "")]).filter(|_| step == 'E')
    });
    let fs = SimFs::new();
    let mut settings = settings_with(&[("smtpd_milters", &milter.inet().await)]);
    settings.limits.message_bytes_max = message_bytes_max;
    let server = start_with(&fs, 1, |builder| change(builder.settings(settings))).await.unwrap();
    let mut client = Client::greeted(&server, "smtp").await;
    let mut said = [const { String::new() }; 2];
    for said in &mut said {
        *said = client.mail("s@x.test", &["alice@example.test"], "small").await;
    }
    assert_eq!(milter.story().iter().filter(|told| *told == "E").count(), 2, "it is asked both times");
    said
}

#[tokio::test]
async fn a_body_that_is_too_large_refuses_its_message() {
    for refused in replies(100_000, |builder| builder).await {
        assert_eq!(refused, "552 5.3.4 Message file too big");
    }
    for taken in replies(0, |builder| builder).await {
        assert!(taken.starts_with("250 2.0.0"), "{taken}");
    }
}

#[tokio::test]
async fn a_body_that_the_disk_does_not_take_refuses_its_message() {
    let nowhere = |builder: Builder| builder.scratch(Scratch::new("/nowhere/at/all"));
    for refused in replies(0, nowhere).await {
        assert!(refused.starts_with("451 4.3.0"), "{refused}");
    }
}

#[tokio::test]
async fn a_field_that_the_next_milter_cannot_be_shown_refuses_its_message() {
    let adds = Milter::new(|step, _| {
        let field = || packet('h', ["X-Pad\0", &"x".repeat(65_530), "\0"].concat());
        say([field(), packet('c', "")]).filter(|_| step == 'E')
    });
    let sees = Milter::new(|_, _| None);
    let places = [adds.inet().await, sees.inet().await].join(" ");
    let settings = settings_with(&[("smtpd_milters", &places)]);
    let server = start_with(&SimFs::new(), 1, |builder| builder.settings(settings)).await.unwrap();
    let mut client = Client::greeted(&server, "smtp").await;
    for _ in 0..2 {
        let reply = client.mail("s@x.test", &["alice@example.test"], "A: b\r\n\r\nbody").await;
        assert_eq!(reply, "552 5.3.4 Message file too big");
    }
    client.command("QUIT").await;
    sees.hears('Q').await;
    let told: Vec<_> = sees.story().iter().filter_map(|told| told.chars().next()).collect();
    assert_eq!(told.into_iter().collect::<String>(), "CHMRTLAMRTLAQ", "it stays in step");
}

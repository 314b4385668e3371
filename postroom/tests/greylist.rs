//! `check_policy_service greylist:`: vectors D016 to D020 of the access-policy specification, in a server and over its restart.
#![allow(clippy::unwrap_used, reason = "a test may unwrap")]

mod common;

use common::{Client, env, settings, start_with};
use mailstore::fs::sim::SimFs;
use postroom::dns::FixedResolver;
use postroom::memory::Keep;
use postroom::{Blocking, Server};
use std::time::Duration;

async fn start(fs: &SimFs, pid: u32, lists: &str) -> Server {
    let mut settings = settings();
    settings.policy.set("smtpd_recipient_restrictions", lists).unwrap();
    let keep = Keep::new(env(fs, pid), "/memory", &Blocking::inline());
    let resolver = FixedResolver::new();
    start_with(fs, pid, |builder| builder.settings(settings).resolver(resolver).keep(keep)).await.unwrap()
}

async fn stop(server: Server) {
    assert!(server.shutdown(Duration::from_secs(60)).await);
}

/// What a recipient is answered.
async fn rcpt(server: &Server, sender: &str, recipient: &str) -> String {
    let mut client = Client::connect(server, "smtp");
    client.reply().await;
    client.command("EHLO client.test").await;
    client.command(&format!("MAIL FROM:<{sender}>")).await;
    let reply = client.command(&format!("RCPT TO:<{recipient}>")).await;
    client.command("QUIT").await;
    reply
}

const WAIT: &str =
    "450 4.7.1 <bob@example.test>: Recipient address rejected: Service temporarily unavailable";
const OK: &str = "250 2.1.5 Ok";

#[tokio::test(start_paused = true)]
async fn d016_to_d018_who_comes_again_passes_also_after_a_restart() {
    let fs = SimFs::new();
    let lists = "reject_unauth_destination, check_policy_service greylist:";
    let server = start(&fs, 1, lists).await;
    assert_eq!(rcpt(&server, "a@x.test", "bob@example.test").await, WAIT);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(rcpt(&server, "a@x.test", "bob@example.test").await, WAIT);
    stop(server).await;
    // The virtual calendar of the next run begins where that of this one did; what it had first seen is known.
    let server = start(&fs, 2, lists).await;
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(rcpt(&server, "a@x.test", "bob@example.test").await, WAIT);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(rcpt(&server, "a@x.test", "bob@example.test").await, OK);
    assert_eq!(rcpt(&server, "b@x.test", "bob@example.test").await, WAIT, "another sender");
    stop(server).await;
    let server = start(&fs, 3, lists).await;
    assert_eq!(rcpt(&server, "a@x.test", "bob@example.test").await, OK);
    stop(server).await;
}

#[tokio::test(start_paused = true)]
async fn d020_a_refusal_for_good_is_shown_and_who_has_logged_in_does_not_wait() {
    let fs = SimFs::new();
    let server = start(
        &fs,
        1,
        "check_policy_service { greylist: }, check_sender_access inline:{{a@x.test = REJECT Gone}}",
    )
    .await;
    assert_eq!(
        rcpt(&server, "a@x.test", "bob@example.test").await,
        "554 5.7.1 <a@x.test>: Sender address rejected: Gone"
    );
    assert_eq!(rcpt(&server, "b@x.test", "bob@example.test").await, WAIT);
    let mut client = Client::connect(&server, "smtp");
    client.reply().await;
    client.command("EHLO client.test").await;
    assert!(client.command("AUTH PLAIN AGFsaWNlQGV4YW1wbGUudGVzdABlY2lsYQ==").await.starts_with("235"));
    client.command("MAIL FROM:<alice@example.test>").await;
    assert_eq!(client.command("RCPT TO:<bob@example.test>").await, OK);
    drop(client);
    stop(server).await;
}

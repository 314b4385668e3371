//! The lines that content checks leave in the log. A test by itself: nobody else in the process makes these lines.
#![allow(clippy::unwrap_used, reason = "a failure here is a failed test")]

mod common;

use common::log::Log;
use common::{Client, settings, start_with};
use mailstore::fs::sim::SimFs;

#[tokio::test(start_paused = true)]
async fn what_was_found_is_in_the_log_as_postfix_has_it() {
    let (log, _guard) = Log::start(tracing::Level::INFO);
    let fs = SimFs::new();
    let rules = [("header_checks", "pcre:{{/^Subject/ REJECT no}}"), ("body_checks", "pcre:{{/b/ WARN hm}}")];
    let mut settings = settings();
    for (name, value) in rules {
        settings.policy.set(name, value).unwrap();
    }
    let server = start_with(&fs, 1, |builder| builder.settings(settings)).await.unwrap();
    let mut client = Client::connect(&server, "smtp");
    client.reply().await;
    client.command("EHLO client.test").await;
    client.mail("s@x.test", &["alice@example.test"], "X: y\r\n\r\nabc").await;
    client.mail("s@x.test", &["alice@example.test"], "Subject: a\r\n\r\nabc").await;
    let origin =
        "from unknown[203.0.113.9]; from=<s@x.test> to=<alice@example.test> proto=ESMTP helo=<client.test>";
    for told in
        [format!("warning: body abc {origin}: hm"), format!("reject: header Subject: a {origin}: 5.7.1 no")]
    {
        assert_eq!(log.lines_with(&[&told]).len(), 1, "{told}\n{}", log.text());
    }
}

//! A POP3 client with a script.

use super::Client;
use postroom::Server;

/// Says a command; the first line of the answer.
pub async fn say(client: &mut Client, command: &str) -> String {
    client.send(format!("{command}\r\n").as_bytes()).await;
    client.line().await
}

/// The lines of a multi-line response, dots of transparency removed.
pub async fn lines(client: &mut Client) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let line = client.whole_line().await;
        match line.strip_suffix("\r\n").unwrap() {
            "." => return lines,
            line => lines.push(line.strip_prefix('.').unwrap_or(line).to_owned()),
        }
    }
}

/// Logs alice in.
pub async fn login(server: &Server) -> Client {
    let mut client = Client::connect(server, "pop3");
    assert!(client.line().await.starts_with("+OK"));
    assert!(say(&mut client, "USER alice@example.test").await.starts_with("+OK"));
    assert!(say(&mut client, "PASS ecila").await.starts_with("+OK"));
    client
}

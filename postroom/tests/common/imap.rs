//! An IMAP client with a script: it knows where a response ends, and nothing else.

use postroom::Server;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

/// A client at a listener called `imap`.
pub struct Imap {
    stream: DuplexStream,
    tags: u32,
}

impl Imap {
    /// Connects and takes the greeting.
    pub async fn connect(server: &Server) -> Self {
        let (client, stream) = tokio::io::duplex(64 * 1024);
        let peer = SocketAddr::from(([203, 0, 113, 9], 40_001));
        tokio::spawn(server.serve("imap", stream, peer).unwrap());
        let mut client = Self { stream: client, tags: 0 };
        let greeting = client.response().await;
        assert!(greeting.starts_with("* OK [CAPABILITY IMAP4rev1 "), "{greeting}");
        client
    }

    /// Connects and logs in.
    pub async fn login(server: &Server, user: &str) -> Self {
        let mut client = Self::connect(server).await;
        let password: String = user.chars().rev().collect();
        let reply = client.command(&format!("LOGIN {user}@example.test {password}")).await;
        assert!(reply.starts_with("OK [CAPABILITY "), "{reply}");
        client
    }

    /// Connects, logs in and selects INBOX.
    pub async fn inbox(server: &Server, user: &str) -> Self {
        let mut client = Self::login(server, user).await;
        assert!(client.command("SELECT INBOX").await.contains("OK [READ-WRITE] "));
        client
    }

    /// Sends octets as they are.
    pub async fn send(&mut self, octets: &[u8]) {
        self.stream.write_all(octets).await.unwrap();
    }

    /// The next response, literals included; empty when the server has closed.
    pub async fn octets(&mut self) -> Vec<u8> {
        let mut response = Vec::new();
        loop {
            let line_start = response.len();
            loop {
                match self.stream.read_u8().await {
                    Ok(octet) => response.push(octet),
                    Err(_) => return response,
                }
                if response.ends_with(b"\r\n") {
                    break;
                }
            }
            let Some(octets) = literal(&response[line_start..]) else { return response };
            let at = response.len();
            response.resize(at + octets, 0);
            self.stream.read_exact(&mut response[at..]).await.unwrap();
        }
    }

    /// The next response as text, without its line end.
    pub async fn response(&mut self) -> String {
        String::from_utf8_lossy(&self.octets().await).trim_end_matches("\r\n").to_owned()
    }

    /// Whether nothing comes for a second.
    pub async fn is_silent(&mut self) -> bool {
        tokio::time::timeout(Duration::from_secs(1), self.octets()).await.is_err()
    }

    /// Sends a command under the next tag; all octets up to its tagged response.
    pub async fn raw(&mut self, command: &[u8]) -> Vec<u8> {
        self.tags += 1;
        let tag = format!("t{} ", self.tags);
        self.send(&[tag.as_bytes(), command, b"\r\n"].concat()).await;
        let mut all = Vec::new();
        loop {
            let response = self.octets().await;
            all.extend_from_slice(&response);
            if response.starts_with(tag.as_bytes()) || response.is_empty() {
                return all;
            }
        }
    }

    /// Sends a command; its responses as text, without the tag and the last line end.
    pub async fn command(&mut self, command: &str) -> String {
        let all = self.raw(command.as_bytes()).await;
        let text = String::from_utf8_lossy(&all);
        text.trim_end_matches("\r\n").replace(&format!("t{} ", self.tags), "")
    }

    /// Appends a message without waiting; the tagged response.
    pub async fn append(&mut self, mailbox: &str, flags: &str, message: &[u8]) -> String {
        let space = if flags.is_empty() { "" } else { " " };
        let head = format!("APPEND {mailbox}{space}{flags} {{{}+}}\r\n", message.len());
        let all = self.raw(&[head.as_bytes(), message].concat()).await;
        String::from_utf8_lossy(&all).trim_end().to_owned()
    }

    /// The literal in the answer to a FETCH of one section of one message.
    pub async fn section(&mut self, uid: u32, section: &str) -> Option<Vec<u8>> {
        let all = self.raw(format!("UID FETCH {uid} BODY.PEEK[{section}]").as_bytes()).await;
        let line_end = all.windows(2).position(|pair| pair == b"\r\n").unwrap() + 2;
        if let Some(octets) = literal(&all[..line_end]) {
            return Some(all[line_end..line_end + octets].to_vec());
        }
        let line = String::from_utf8_lossy(&all[..line_end]).into_owned();
        assert!(line.contains("] NIL)") || line.contains("] \"\")"), "{line}");
        line.contains("] \"\")").then(Vec::new)
    }
}

/// How long the literal is that a line announces at its end.
fn literal(line: &[u8]) -> Option<usize> {
    let line = line.strip_suffix(b"}\r\n")?;
    let open = line.iter().rposition(|&octet| octet == b'{')?;
    std::str::from_utf8(&line[open + 1..]).ok()?.parse().ok()
}

//! Holds a dialogue with a server, and keeps what it said.

use crate::script::{Dialogue, Step};
use std::fmt::Write as _;
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader};

/// What stands for a reply when the server has closed the connection.
const CLOSED: &str = "(closed)";

/// A command, and what was said to it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exchange {
    pub(crate) command: String,
    pub(crate) reply: String,
}

/// A dialogue's first line, and the exchanges.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Transcript {
    pub(crate) head: String,
    pub(crate) exchanges: Vec<Exchange>,
}

/// Holds a dialogue over a new connection.
pub(crate) async fn hold(stream: impl AsyncRead + AsyncWrite + Unpin, dialogue: &Dialogue) -> Transcript {
    let mut session = Session { stream: BufReader::new(stream), exchanges: Vec::new() };
    session.reply().await;
    session.send("EHLO [127.0.0.1]\r\n").await;
    session.reply().await;
    session.send(&format!("XCLIENT REVERSE_NAME={}\r\n", dialogue.client.reverse_name)).await;
    session.reply().await;
    // The client begins anew with another greeting.
    session.send(&format!("XCLIENT {}\r\n", dialogue.client.attributes)).await;
    session.take("(greeting)").await;
    for group in dialogue.steps.chunk_by(|_, next| next.joined) {
        if !session.group(group).await {
            break;
        }
    }
    Transcript { head: dialogue.to_string(), exchanges: session.exchanges }
}

struct Session<S> {
    stream: BufReader<S>,
    exchanges: Vec<Exchange>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Session<S> {
    /// Sends some commands at once; false when the connection is closed.
    async fn group(&mut self, steps: &[Step]) -> bool {
        let octets: String = steps.iter().map(Step::octets).collect();
        self.send(&octets).await;
        for step in steps {
            let reply = self.take(&step.command).await;
            if reply == "354" && !step.text.is_empty() {
                self.send(&format!("{}.\r\n", step.text)).await;
                self.take(".").await;
            }
        }
        self.exchanges.last().is_none_or(|exchange| exchange.reply != CLOSED)
    }

    async fn send(&mut self, octets: &str) {
        // That it is closed is seen when the reply is read.
        let _ = self.stream.get_mut().write_all(octets.as_bytes()).await;
    }

    async fn take(&mut self, command: &str) -> String {
        let reply = shape(&self.reply().await);
        self.exchanges.push(Exchange { command: command.into(), reply: reply.clone() });
        reply
    }

    /// The next reply, its lines with ` | ` between them; of one that says yes, the last.
    async fn reply(&mut self) -> String {
        let mut reply = String::new();
        loop {
            let mut line = Vec::new();
            if self.stream.read_until(b'\n', &mut line).await.is_err() || line.is_empty() {
                return CLOSED.into();
            }
            reply.push_str(String::from_utf8_lossy(&line).trim_end());
            if line.get(3) != Some(&b'-') {
                return reply;
            }
            if reply.starts_with(['4', '5']) { reply.push_str(" | ") } else { reply.clear() }
        }
    }
}

/// What is compared of a reply: its codes, and its text where it refuses.
fn shape(reply: &str) -> String {
    let mut words = reply.splitn(3, ' ');
    match (words.next(), words.next()) {
        (Some(code), Some(enhanced)) if code.starts_with(['2', '3']) => {
            if enhanced.starts_with("2.") {
                format!("{code} {enhanced}")
            } else {
                code.into()
            }
        }
        _ => reply.into(),
    }
}

/// The transcripts as a `.ref` file has them.
pub(crate) fn write(transcripts: &[Transcript]) -> String {
    let mut text = String::new();
    for Transcript { head, exchanges } in transcripts {
        writeln!(text, "{head}").unwrap();
        for Exchange { command, reply } in exchanges {
            writeln!(text, "> {command}\n{reply}").unwrap();
        }
        text.push('\n');
    }
    text
}

/// The transcripts of a `.ref` file.
pub(crate) fn read(text: &str) -> Vec<Transcript> {
    let mut transcripts: Vec<Transcript> = Vec::new();
    let mut lines = text.lines().filter(|line| !line.is_empty());
    while let Some(line) = lines.next() {
        match line.strip_prefix("> ") {
            None => transcripts.push(Transcript { head: line.into(), exchanges: Vec::new() }),
            Some(command) => {
                let reply = lines.next().unwrap().into();
                transcripts.last_mut().unwrap().exchanges.push(Exchange { command: command.into(), reply });
            }
        }
    }
    transcripts
}

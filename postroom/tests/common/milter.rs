//! A milter that does as it is told, and remembers what it has heard. It has the packets of the protocol written out, so that no
//! error of ours is on both sides.

use postroom::settings::Settings;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufWriter};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::Notify;

/// What it says to a command.
#[derive(Clone)]
pub enum Answer {
    /// These packets, at once: as long as they are no more than 64 KiB, nobody sees the first without the last.
    Say(Vec<Vec<u8>>),
    /// Nothing, ever.
    Silence,
    /// It hangs up.
    HangUp,
}

/// What it says to a command, by its letter and what is behind that; none is `c`, continue.
type Behaviour = dyn Fn(char, &[u8]) -> Option<Answer> + Send + Sync;

/// Commands by their letters, and what is behind those.
type Heard = Vec<(char, Vec<u8>)>;

/// One milter.
#[derive(Clone)]
pub struct Milter {
    heard: Arc<Mutex<Heard>>,
    behaviour: Arc<Behaviour>,
    /// Version, what it does, what it does not want.
    agreed: [u32; 3],
    changed: Arc<Notify>,
}

/// One packet: a letter and what is behind it.
pub fn packet(letter: char, data: impl AsRef<[u8]>) -> Vec<u8> {
    [&[letter as u8], data.as_ref()].concat()
}

/// It says these packets.
pub fn say<const N: usize>(packets: [Vec<u8>; N]) -> Option<Answer> {
    Some(Answer::Say(packets.to_vec()))
}

/// It says one letter.
pub fn letter(letter: char) -> Option<Answer> {
    say([packet(letter, "")])
}

/// A header field with a place before it.
pub fn placed(letter: char, index: u32, name: &str, value: &str) -> Vec<u8> {
    packet(letter, [&index.to_be_bytes(), format!("{name}\0{value}\0").as_bytes()].concat())
}

impl Milter {
    pub fn new(behaviour: impl Fn(char, &[u8]) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let (heard, changed) = (Arc::default(), Arc::default());
        Self { heard, behaviour: Arc::new(behaviour), agreed: [6, 0x1ff, 0], changed }
    }

    /// One that wants something else in the negotiation.
    pub fn agreed(self, version: u32, actions: u32, steps: u32) -> Self {
        Self { agreed: [version, actions, steps], ..self }
    }

    /// Listens on an address of this machine; as the configuration writes it.
    pub async fn inet(&self) -> String {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let place = format!("inet:{}", listener.local_addr().unwrap());
        let milter = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                milter.clone().spawn(stream);
            }
        });
        place
    }

    /// Listens on a socket in a directory; as the configuration writes it.
    pub fn unix(&self, directory: &Path) -> String {
        let path = directory.join("milter");
        let listener = UnixListener::bind(&path).unwrap();
        let milter = self.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                milter.clone().spawn(stream);
            }
        });
        format!("unix:{}", path.display())
    }

    fn spawn(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        // Who hangs up ends it, whenever that is.
        tokio::spawn(async move { self.serve(stream).await.unwrap_or_default() });
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin) -> io::Result<()> {
        let mut stream = BufWriter::with_capacity(64 << 10, stream);
        loop {
            let length = stream.read_u32().await?;
            let mut octets = vec![0; length as usize];
            stream.read_exact(&mut octets).await?;
            let (letter, data) = (octets[0] as char, &octets[1..]);
            self.heard.lock().unwrap().push((letter, data.to_vec()));
            self.changed.notify_waiters();
            let usual = match letter {
                'O' => vec![packet('O', self.agreed.map(u32::to_be_bytes).as_flattened())],
                'D' | 'A' | 'Q' => vec![],
                _ => vec![packet('c', "")],
            };
            match (self.behaviour)(letter, data).unwrap_or(Answer::Say(usual)) {
                Answer::Say(packets) => {
                    for packet in packets {
                        stream.write_u32(packet.len() as u32).await?;
                        stream.write_all(&packet).await?;
                    }
                    stream.flush().await?;
                }
                Answer::Silence => std::future::pending().await,
                Answer::HangUp => return Ok(()),
            }
        }
    }

    /// What it has heard, but for macros and the negotiation: letter and text of each, `|` for NUL.
    pub fn story(&self) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        let told = heard.iter().filter(|(letter, _)| !matches!(letter, 'O' | 'D'));
        told.map(|(letter, data)| format!("{letter} {}", text(data)).trim_end().to_owned()).collect()
    }

    /// The macros that came with a step, by its letter, each time.
    pub fn macros(&self, step: char) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        let of_step =
            heard.iter().filter(|(letter, data)| *letter == 'D' && data.first() == Some(&(step as u8)));
        of_step.map(|(_, data)| text(&data[1..])).collect()
    }

    /// The octets of the bodies that it has seen.
    pub fn body_octets(&self) -> usize {
        self.heard
            .lock()
            .unwrap()
            .iter()
            .filter(|(letter, _)| *letter == 'B')
            .map(|(_, data)| data.len())
            .sum()
    }

    /// Waits until it has heard this letter, a minute at most.
    pub async fn hears(&self, letter: char) {
        let hearing = async {
            loop {
                let changed = self.changed.notified();
                if self.heard.lock().unwrap().iter().any(|(heard, _)| *heard == letter) {
                    return;
                }
                changed.await;
            }
        };
        let heard = tokio::time::timeout(Duration::from_secs(60), hearing).await;
        assert!(heard.is_ok(), "no {letter} in {:?}", self.story());
    }
}

fn text(data: &[u8]) -> String {
    String::from_utf8_lossy(data).replace('\0', "|")
}

/// Settings with these parameters.
pub fn settings_with(parameters: &[(&str, &str)]) -> Settings {
    let mut settings = super::settings();
    for (name, value) in parameters {
        settings.policy.set(name, value).unwrap();
    }
    settings
}

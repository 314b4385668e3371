//! Where another program is that this server talks to: a socket of this machine, or one of another.

use std::io;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

/// A socket of either kind.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Socket for S {}

/// Where a program is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Unix(PathBuf),
    Inet { host: String, port: u16 },
}

impl Endpoint {
    /// Reads `unix:path`, `inet:host:port`, `inet:[address]:port` or `inet:port`, which is of this machine.
    pub(crate) fn read(server: &str, directory: &Path) -> Option<Self> {
        match server.split_once(':')? {
            ("unix", "") => None,
            ("unix", path) => Some(Self::Unix(directory.join(path))),
            ("inet", place) => {
                let (host, port) = place.rsplit_once(':').unwrap_or(("localhost", place));
                let host = match host.strip_prefix('[') {
                    Some(rest) => rest.strip_suffix(']')?,
                    None if host.contains(':') => return None,
                    None => host,
                };
                let port = port.parse().ok().filter(|port| *port != 0)?;
                (!host.is_empty()).then(|| Self::Inet { host: host.into(), port })
            }
            _ => None,
        }
    }

    pub(crate) async fn connect(&self) -> io::Result<Box<dyn Socket>> {
        Ok(match self {
            Self::Unix(path) => Box::new(UnixStream::connect(path).await?),
            Self::Inet { host, port } => {
                let stream = TcpStream::connect((host.as_str(), *port)).await?;
                // What is said is written whole.
                stream.set_nodelay(true)?;
                Box::new(stream)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        let read = |server| Endpoint::read(server, Path::new("/spool"));
        let inet = |host: &str, port| Some(Endpoint::Inet { host: host.into(), port });
        assert_eq!(read("unix:private/policy"), Some(Endpoint::Unix("/spool/private/policy".into())));
        assert_eq!(read("unix:/run/policy"), Some(Endpoint::Unix("/run/policy".into())));
        assert_eq!(read("inet:127.0.0.1:9998"), inet("127.0.0.1", 9998));
        assert_eq!(read("inet:[::1]:9998"), inet("::1", 9998));
        assert_eq!(read("inet:policy.example.test:9998"), inet("policy.example.test", 9998));
        assert_eq!(read("inet:9998"), inet("localhost", 9998));
        for wrong in [
            "",
            "unix:",
            "inet:",
            "inet::9998",
            "inet:host:0",
            "inet:host:x",
            "inet:::1:9998",
            "inet:[::1:9",
            "tcp:a:1",
        ] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }
}

//! The header of the PROXY protocol, read from a stream.

use proto_core::proxy::{ProxyFault, ProxyHeader, ProxyParser};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Octets read at once; most headers are shorter.
const READ_BYTES: usize = 256;

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyHeaderError {
    /// The stream failed or ended before the header did.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What came is none.
    #[error(transparent)]
    Fault(#[from] ProxyFault),
}

/// Reads the header of the PROXY protocol and not one octet behind it, so that whatever follows, TLS too, begins where
/// it should. The deadline is the caller's.
///
/// # Errors
/// [`ProxyHeaderError`]: the stream is of no use then.
pub async fn proxy_header<S: AsyncRead + Unpin>(stream: &mut S) -> Result<ProxyHeader, ProxyHeaderError> {
    let mut parser = ProxyParser::new();
    let mut octets = [0; READ_BYTES];
    loop {
        let wanted = parser.octets_wanted().min(READ_BYTES);
        let read = stream.read(&mut octets[..wanted]).await?;
        if read == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        if let (_, Some(said)) = parser.parse(&octets[..read]) {
            return Ok(said?);
        }
    }
}

//! A byte stream that may become a TLS stream on the way.

use crate::tls;
use proto_core::TlsInfo;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// A stream, plain or inside TLS.
pub enum Stream<S> {
    /// As it came.
    Plain(S),
    /// Inside TLS.
    Tls(Box<TlsStream<S>>),
    /// A handshake is under way or has failed: it reads as ended and takes nothing.
    Closed,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Stream<S> {
    /// Does the server's side of a TLS handshake. When it fails or is dropped, the stream is closed.
    ///
    /// # Errors
    /// When the peer does not speak TLS as we do, or goes away; also inside TLS, where no second handshake is
    /// possible.
    pub async fn accept_tls(&mut self, config: Arc<rustls::ServerConfig>) -> io::Result<TlsInfo> {
        let Self::Plain(plain) = std::mem::replace(self, Self::Closed) else {
            return Err(io::Error::other("the stream is no plain stream"));
        };
        let (watched, shown) = tls::Shown::watching(&config);
        let stream = TlsAcceptor::from(Arc::new(watched)).accept(plain).await?;
        let info = tls::info(stream.get_ref().1, &shown, config.require_ems);
        *self = Self::Tls(Box::new(stream));
        Ok(info)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Stream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Closed => Poll::Ready(Ok(())),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Stream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, octets),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, octets),
            Self::Closed => Poll::Ready(Ok(0)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Closed => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Closed => Poll::Ready(Ok(())),
        }
    }
}

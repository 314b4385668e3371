//! [`Sockets`]: opened before the server is.

use crate::server::StartError;
use crate::settings::Listener;
use std::io;
use std::net::{SocketAddr, TcpListener};

/// The backlog (RFC 9293 leaves it to us; the kernel's `somaxconn` may lower it).
const BACKLOG: i32 = 1024;

/// Listening sockets that were opened ahead of the server: by a privilege that it is not to have (ports below 1024), or by whoever
/// started it.
///
/// ```
/// use postroom::server::Sockets;
/// use postroom::settings::{Listener, Protocol};
///
/// let smtp = Listener::new(Protocol::Smtp, "127.0.0.1:0".parse()?);
/// // As root.
/// let sockets = Sockets::open([&smtp])?;
/// // As somebody else: Server::builder().sockets(sockets) …
/// # drop(sockets);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Sockets(Vec<(SocketAddr, TcpListener)>);

impl Sockets {
    /// Opens the sockets of these listeners, as a start opens them.
    ///
    /// # Errors
    /// [`StartError::Bind`] for the first that cannot be opened.
    pub fn open<'a>(listeners: impl IntoIterator<Item = &'a Listener>) -> Result<Self, StartError> {
        let mut sockets = Self::default();
        for listener in listeners {
            let Some(address) = listener.address else { continue };
            let name = listener.name.clone();
            let socket = listen(address).map_err(|error| StartError::Bind { name, address, error })?;
            sockets = sockets.with(address, socket);
        }
        Ok(sockets)
    }

    /// One that listens already, such as one that a service manager has handed over: it is for the listener of this address.
    #[must_use]
    pub fn with(mut self, address: SocketAddr, socket: TcpListener) -> Self {
        self.0.push((address, socket));
        self
    }

    /// The socket for an address: one of these, or a new one.
    pub(crate) fn take(&mut self, address: SocketAddr) -> io::Result<TcpListener> {
        match self.0.iter().position(|(of, _)| *of == address) {
            Some(at) => Ok(self.0.swap_remove(at).1),
            None => listen(address),
        }
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    use rustix::net::{AddressFamily, SocketType, bind, listen, socket, sockopt};
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket(family, SocketType::STREAM, None)?;
    rustix::io::ioctl_fioclex(&socket)?;
    // A restart must not wait for connections of the last run; another server on this port is still refused.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    bind(&socket, &address)?;
    listen(&socket, BACKLOG)?;
    Ok(TcpListener::from(socket))
}

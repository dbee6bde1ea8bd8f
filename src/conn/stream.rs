//! A TCP or Unix socket behind one face.
//!
//! Every call is non-blocking and takes `&self`, so the thread that has a command can write it at
//! once while the connection's task waits for bytes.

use std::io;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// How long a silent peer on another machine is given before the kernel asks whether it lives.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// An open socket.
#[derive(Debug)]
pub enum Stream {
    /// Over IP.
    Tcp(TcpStream),
    /// Within this machine.
    #[cfg(unix)]
    Unix(UnixStream),
}

macro_rules! either {
    ($stream:expr, $socket:ident => $body:expr) => {
        match $stream {
            Stream::Tcp($socket) => $body,
            #[cfg(unix)]
            Stream::Unix($socket) => $body,
        }
    };
}

impl Stream {
    /// Wraps a TCP socket: small commands leave at once, and a dead machine is noticed.
    ///
    /// # Errors
    /// `ConnectionRefused` for a socket that is connected with itself: dialling a closed port of
    /// this machine now and again meets a system that gives out that very port for the dialling.
    pub fn tcp(socket: TcpStream) -> io::Result<Self> {
        if socket.local_addr()? == socket.peer_addr()? {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        socket.set_nodelay(true)?;
        SockRef::from(&socket).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE))?;
        Ok(Stream::Tcp(socket))
    }

    /// Waits until a read may succeed. Cancel safe.
    pub async fn readable(&self) -> io::Result<()> {
        either!(self, socket => socket.readable().await)
    }

    /// Waits until a write may succeed. Cancel safe.
    pub async fn writable(&self) -> io::Result<()> {
        either!(self, socket => socket.writable().await)
    }

    /// Appends what has arrived to `buffer`; 0 is the end of the stream.
    pub fn try_read(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        either!(self, socket => socket.try_read_buf(buffer))
    }

    /// Writes what the socket takes now.
    ///
    /// # Errors
    /// Besides the socket's own, `WriteZero` when it takes nothing and never will.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let written = either!(self, socket => socket.try_write(bytes))?;
        if written == 0 && !bytes.is_empty() {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(written)
    }

    /// Writes all of `bytes`, for as long as it takes. Not cancel safe: part of them may be gone.
    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            self.writable().await?;
            match self.try_write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Ends both directions now; whoever waits for bytes is told.
    pub fn shutdown(&self) {
        // An error means that the socket has ended already, which is what was wanted.
        let _ = either!(self, socket => SockRef::from(socket).shutdown(std::net::Shutdown::Both));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpSocket;

    #[tokio::test]
    async fn a_socket_connected_with_itself_is_a_refusal() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let own = socket.local_addr().unwrap();
        // Not every system lets a socket dial itself.
        let Ok(itself) = socket.connect(own).await else { return };
        assert_eq!(Stream::tcp(itself).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }
}

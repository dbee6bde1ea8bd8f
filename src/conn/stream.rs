//! A TCP or Unix socket behind one face.
//!
//! Every call is non-blocking and takes `&self`, so the thread that has a command can write it at
//! once while the connection's task waits for bytes. A socket that a [`Poller`](super::poller::Poller)
//! watches is not known to tokio: it would wake a thread for everything that comes.

#[cfg(unix)]
use std::future::pending;
use std::io;
#[cfg(unix)]
use std::io::Write;
#[cfg(unix)]
use std::mem::MaybeUninit;
use std::net::Shutdown;
#[cfg(unix)]
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::io::Interest;
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

/// How long a silent peer on another machine is given before the kernel asks whether it lives.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Whether the system tells of each new arrival, and not only whether there is something to read:
/// epoll and kqueue, as tokio uses them. (Tokio goes by the same list in its own `poll_read`.)
const TELLS_OF_NEW: bool = cfg!(any(
    target_os = "linux",
    target_os = "android",
    target_os = "macos",
    target_os = "ios",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly",
));

/// Whether a read may have left something behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// All has been taken that had come.
    No,
    /// Only another read will tell.
    Perhaps,
}

/// An open socket.
#[derive(Debug)]
pub enum Stream {
    /// Over IP.
    Tcp(TcpStream),
    /// Within this machine.
    #[cfg(unix)]
    Unix(UnixStream),
    /// Either, and watched by a poller: nobody can wait for it here.
    #[cfg(unix)]
    Watched(Bare),
}

/// A socket that the runtime does not know.
#[cfg(unix)]
#[derive(Debug)]
pub enum Bare {
    /// Over IP.
    Tcp(std::net::TcpStream),
    /// Within this machine.
    Unix(std::os::unix::net::UnixStream),
}

/// The same for each kind of socket that tokio knows, and another for one that it does not.
macro_rules! either {
    ($stream:expr, $socket:ident => $body:expr, $bare:ident => $other:expr) => {
        match $stream {
            Stream::Tcp($socket) => $body,
            #[cfg(unix)]
            Stream::Unix($socket) => $body,
            #[cfg(unix)]
            Stream::Watched($bare) => $other,
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

    /// The same socket, for a poller to watch.
    ///
    /// # Errors
    /// The system's.
    #[cfg(unix)]
    pub fn into_watched(self) -> io::Result<Self> {
        Ok(Stream::Watched(match self {
            Stream::Tcp(socket) => Bare::Tcp(socket.into_std()?),
            Stream::Unix(socket) => Bare::Unix(socket.into_std()?),
            Stream::Watched(bare) => bare,
        }))
    }

    /// The descriptor.
    #[cfg(unix)]
    pub fn fd(&self) -> RawFd {
        either!(self, socket => socket.as_raw_fd(), bare => bare.as_fd().as_raw_fd())
    }

    /// Waits until a read may succeed; for one that is watched, for ever. Cancel safe.
    pub async fn readable(&self) -> io::Result<()> {
        either!(self, socket => socket.readable().await, _bare => pending().await)
    }

    /// Waits until a write may succeed; for one that is watched, for ever. Cancel safe.
    pub async fn writable(&self) -> io::Result<()> {
        either!(self, socket => socket.writable().await, _bare => pending().await)
    }

    /// Appends what has arrived to `buffer`, which has room; 0 is the end of the stream.
    pub fn try_read(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        either!(self, socket => socket.try_read_buf(buffer), bare => bare.read(buffer))
    }

    /// The same, and whether more may have arrived than was taken. Where the system says when new
    /// bytes come, a read that leaves room in `buffer` has taken all there were: then
    /// [`readable`](Self::readable) waits for new ones, and a second read to find nothing is saved.
    pub fn try_drain(&self, buffer: &mut Vec<u8>) -> io::Result<(usize, More)> {
        let mut taken = 0;
        let read = either!(self, socket => socket.try_io(Interest::READABLE, || {
            taken = socket.try_read_buf(buffer)?;
            if TELLS_OF_NEW && 0 < taken && buffer.len() < buffer.capacity() {
                // Said for tokio, which then forgets that the socket was readable, unless the system
                // has said so again meanwhile.
                return Err(io::ErrorKind::WouldBlock.into());
            }
            Ok(())
        }), bare => {
            taken = bare.read(buffer)?;
            let all = TELLS_OF_NEW && 0 < taken && buffer.len() < buffer.capacity();
            return Ok((taken, if all { More::No } else { More::Perhaps }));
        });
        match read {
            Ok(()) => Ok((taken, More::Perhaps)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && taken > 0 => {
                Ok((taken, More::No))
            }
            Err(error) => Err(error),
        }
    }

    /// Whether the end has come of a stream that is watched, and nothing before it; the task of another
    /// sees it at once.
    pub fn has_ended(&self) -> bool {
        either!(self, _socket => false, bare => {
            match SockRef::from(&bare.as_fd()).peek(&mut [MaybeUninit::uninit()]) {
                Ok(count) => count == 0,
                Err(error) => error.kind() != io::ErrorKind::WouldBlock,
            }
        })
    }

    /// Writes what the socket takes now.
    ///
    /// # Errors
    /// Besides the socket's own, `WriteZero` when it takes nothing and never will.
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let written = either!(self, socket => socket.try_write(bytes), bare => bare.write(bytes))?;
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
        let _ = either!(
            self,
            socket => SockRef::from(socket).shutdown(Shutdown::Both),
            bare => SockRef::from(&bare.as_fd()).shutdown(Shutdown::Both)
        );
    }
}

#[cfg(unix)]
impl Bare {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Bare::Tcp(socket) => socket.as_fd(),
            Bare::Unix(socket) => socket.as_fd(),
        }
    }

    #[allow(unsafe_code)]
    fn read(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        let count = SockRef::from(&self.as_fd()).recv(buffer.spare_capacity_mut())?;
        // SAFETY: the system has written so many bytes behind the others, into room that is there.
        unsafe { buffer.set_len(buffer.len() + count) };
        Ok(count)
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        // The standard library's, which asks for an error where there could be a signal.
        match self {
            Bare::Tcp(socket) => (&*socket).write(bytes),
            Bare::Unix(socket) => (&*socket).write(bytes),
        }
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

    /// What a peer that says one thing after another, and then hangs up, looks like.
    #[tokio::test]
    async fn bytes_that_come_after_a_drain_and_the_end_are_told_of() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (peer, _) = listener.accept().await.unwrap();
        let (stream, peer) = (Stream::tcp(socket).unwrap(), Stream::tcp(peer).unwrap());
        let mut buffer = Vec::with_capacity(64);
        for said in [&b"one"[..], b"two"] {
            buffer.clear();
            peer.write_all(said).await.unwrap();
            stream.readable().await.unwrap();
            let (count, more) = stream.try_drain(&mut buffer).unwrap();
            assert_eq!((count, &buffer[..]), (3, said));
            assert_eq!(more == More::No, TELLS_OF_NEW);
        }
        peer.write_all(b"last").await.unwrap();
        drop(peer);
        let mut rest = Vec::with_capacity(64);
        loop {
            stream.readable().await.unwrap();
            match stream.try_drain(&mut rest) {
                Ok((0, _)) => break,
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            }
        }
        assert_eq!(rest, b"last");
    }

    #[tokio::test]
    async fn a_full_buffer_leaves_the_rest_to_another_read() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (peer, _) = listener.accept().await.unwrap();
        let (stream, peer) = (Stream::tcp(socket).unwrap(), Stream::tcp(peer).unwrap());
        peer.write_all(b"12345678").await.unwrap();
        stream.readable().await.unwrap();
        let mut buffer = Vec::with_capacity(8);
        assert_eq!(stream.try_drain(&mut buffer).unwrap(), (8, More::Perhaps));
        assert_eq!(buffer.len(), buffer.capacity());
    }
}

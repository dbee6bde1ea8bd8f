//! Opening a stream.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::address::Address;
use super::stream::Stream;
use crate::fault::{Cause, Code, Fault};

/// How long one address is tried alone before the next is tried beside it (RFC 8305 proposes
/// 250 ms).
const STAGGER: Duration = Duration::from_millis(250);

/// Connects to `address` within `limit`.
///
/// # Errors
/// [`Code::Connect`] with the operating system's error as its cause.
///
/// # Cancel safety
/// Dropping the future closes whatever was being opened.
pub async fn dial(address: &Address, limit: Duration) -> Result<Stream, Fault> {
    match timeout(limit, connect(address)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(refusal(address, &error)),
        Err(_) => {
            let millis = limit.as_millis();
            Err(Fault::new(Code::Connect, format!("{address} did not accept a connection within {millis} ms"))
                .advice("The machine may be unreachable, or Blender too busy to accept: check host, port and firewall, or raise connectTimeoutMs.")
                .cause(address.cause(&io::ErrorKind::TimedOut.into(), "connect")))
        }
    }
}

fn refusal(address: &Address, error: &io::Error) -> Fault {
    let fault = Fault::new(Code::Connect, format!("cannot connect to {address}: {error}"))
        .cause(address.cause(error, "connect"));
    match error.kind() {
        io::ErrorKind::ConnectionRefused => fault.advice(
            "Nothing listens there. Start Blender, enable the add-on and start its server, then check host and port.",
        ),
        io::ErrorKind::NotFound if matches!(address, Address::Tcp { .. }) => fault
            .cause(Cause { code: Some("ENOTFOUND"), syscall: Some("getaddrinfo"), ..address.cause(error, "getaddrinfo") })
            .advice("No machine has that name: check the spelling, or give its IP address."),
        io::ErrorKind::NotFound => {
            fault.advice("There is no socket at that path: start the server that makes it, or correct the path.")
        }
        _ => fault,
    }
}

async fn connect(address: &Address) -> io::Result<Stream> {
    let port = match address {
        #[cfg(unix)]
        Address::Unix(path) => {
            return Ok(Stream::Unix(tokio::net::UnixStream::connect(path).await?));
        }
        #[cfg(not(unix))]
        Address::Unix(_) => return Err(io::ErrorKind::Unsupported.into()),
        Address::Tcp { port, .. } => *port,
    };
    let candidates: Vec<SocketAddr> = match address.known_ips() {
        Some(ips) => ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect(),
        None => look_up(address).await?,
    };
    first_of(candidates).await
}

/// The system's answer for a host name; one that has none is `NotFound`, as Node's ENOTFOUND.
async fn look_up(address: &Address) -> io::Result<Vec<SocketAddr>> {
    match tokio::net::lookup_host(address.to_string()).await {
        Ok(found) => Ok(found.collect()),
        Err(error) => Err(io::Error::new(io::ErrorKind::NotFound, error.to_string())),
    }
}

/// Tries the candidates in order, the next one when the last failed or is slow; the first to
/// connect wins, and the error of the first is the one worth telling.
async fn first_of(candidates: Vec<SocketAddr>) -> io::Result<Stream> {
    let mut rest = candidates.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut first_error = None;
    loop {
        match rest.next() {
            Some(next) => attempts.push(TcpStream::connect(next)),
            None if attempts.is_empty() => {
                return Err(first_error.unwrap_or_else(|| {
                    io::Error::new(io::ErrorKind::NotFound, "the name has no address")
                }));
            }
            None => {}
        }
        let more = rest.len() > 0;
        tokio::select! {
            Some(result) = attempts.next() => match result {
                Ok(socket) => return Stream::tcp(socket),
                Err(error) => { first_error.get_or_insert(error); }
            },
            () = sleep(STAGGER), if more => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[tokio::test]
    async fn localhost_reaches_a_listener_of_either_family() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(host).await else {
                continue;
            };
            let port = listener.local_addr().unwrap().port();
            let address = Address::tcp("localhost", port).unwrap();
            assert!(dial(&address, Duration::from_secs(5)).await.is_ok(), "{host}");
        }
    }

    #[tokio::test]
    async fn a_refusal_names_the_system_error_and_the_address() {
        let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
        let address = Address::tcp("127.0.0.1", port).unwrap();
        let fault = dial(&address, Duration::from_secs(5)).await.unwrap_err();
        assert_eq!(fault.code(), Code::Connect);
        let cause = fault.cause_of().unwrap();
        assert_eq!(cause.code, Some("ECONNREFUSED"));
        assert_eq!((cause.address.as_deref(), cause.port), (Some("127.0.0.1"), Some(port)));
    }
}

//! Where a Blender listens.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::str::FromStr;

use crate::fault::Cause;

/// The port most Blender add-ons listen on.
pub const DEFAULT_PORT: u16 = 9876;

/// A TCP host and port, or the path of a Unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// `host:port`, `[v6]:port` or `tcp://host:port`.
    Tcp {
        /// A name or an IP address, without brackets.
        host: String,
        /// 1 to 65535.
        port: u16,
    },
    /// `unix:/path`.
    Unix(PathBuf),
}

/// Why a text is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing where a host should be.
    #[error("it names no host; write host:port, tcp://host:port or unix:/path")]
    NoHost,
    /// Not a port.
    #[error("'{0}' is not a port; use 1 to 65535")]
    BadPort(String),
    /// A scheme other than `tcp` and `unix`.
    #[error("'{0}' is not a scheme this pool speaks; use tcp:// or unix:")]
    BadScheme(String),
    /// A Unix socket without a path.
    #[error("it names no path; write unix:/path/to/socket")]
    NoPath,
    /// White space, a slash or a bracket where none can be.
    #[error("'{0}' is not a host name or an IP address")]
    BadHost(String),
}

impl Address {
    /// A TCP address from its parts.
    ///
    /// # Errors
    /// [`AddressError`] when the host cannot be a host or the port is 0.
    pub fn tcp(host: &str, port: u16) -> Result<Self, AddressError> {
        let host = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() {
            return Err(AddressError::NoHost);
        }
        let odd = |c: char| c.is_whitespace() || c.is_control() || "/\\[]@?#'\"".contains(c);
        if host.contains(odd) || (host.contains(':') && host.parse::<Ipv6Addr>().is_err()) {
            return Err(AddressError::BadHost(host.to_owned()));
        }
        if port == 0 {
            return Err(AddressError::BadPort("0".into()));
        }
        Ok(Address::Tcp { host: host.to_owned(), port })
    }

    /// Whether only processes of this machine can be at the other end: a Unix socket, a loopback
    /// IP address, or the name `localhost`. Other names are not looked up, so they are not local.
    pub fn is_local(&self) -> bool {
        match self {
            Address::Unix(_) => true,
            Address::Tcp { host, .. } => match host.parse::<IpAddr>() {
                Ok(ip) => ip.to_canonical().is_loopback(),
                Err(_) => is_localhost(host),
            },
        }
    }

    /// What the operating system said of a call to this address.
    pub(super) fn cause(&self, error: &std::io::Error, syscall: &'static str) -> Cause {
        let mut cause = Cause::io(error, syscall, self.to_string());
        match self {
            Address::Tcp { host, port } => {
                cause.address = Some(host.clone());
                cause.port = Some(*port);
            }
            Address::Unix(path) => cause.address = Some(path.display().to_string()),
        }
        cause
    }

    /// The IP addresses to try, in order, where they are known without a look-up.
    ///
    /// `localhost` is both families: an add-on bound to 127.0.0.1 and one bound to ::1 are both
    /// meant by it, whatever the machine's resolver thinks.
    pub(super) fn known_ips(&self) -> Option<Vec<IpAddr>> {
        let Address::Tcp { host, .. } = self else {
            return None;
        };
        if is_localhost(host) {
            return Some(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
        }
        host.parse().ok().map(|ip| vec![ip])
    }
}

fn is_localhost(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if let Some(path) = text.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return if path.is_empty() {
                Err(AddressError::NoPath)
            } else {
                Ok(Address::Unix(path.into()))
            };
        }
        let rest = match text.split_once("://") {
            Some(("tcp", rest)) => rest.strip_suffix('/').unwrap_or(rest),
            Some((scheme, _)) => return Err(AddressError::BadScheme(scheme.to_owned())),
            None => text,
        };
        // An IPv6 address has colons of its own: it needs brackets, or stands without a port.
        if rest.parse::<Ipv6Addr>().is_ok() {
            return Address::tcp(rest, DEFAULT_PORT);
        }
        match rest.rsplit_once(':') {
            Some((host, port)) => match port.parse::<u16>() {
                Ok(port) if port != 0 => Address::tcp(host, port),
                _ => Err(AddressError::BadPort(port.to_owned())),
            },
            None => Address::tcp(rest, DEFAULT_PORT),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Address::Tcp { host, port } => write!(f, "{host}:{port}"),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp { host: host.into(), port }
    }

    #[test]
    fn every_documented_form_is_understood() {
        assert_eq!("127.0.0.1:9000".parse(), Ok(tcp("127.0.0.1", 9000)));
        assert_eq!("tcp://blender.lan:9876/".parse(), Ok(tcp("blender.lan", 9876)));
        assert_eq!("localhost".parse(), Ok(tcp("localhost", DEFAULT_PORT)));
        assert_eq!("[::1]:9000".parse(), Ok(tcp("::1", 9000)));
        assert_eq!("::1".parse(), Ok(tcp("::1", DEFAULT_PORT)));
        assert_eq!("unix:/tmp/b.sock".parse(), Ok(Address::Unix("/tmp/b.sock".into())));
        assert_eq!("unix:///tmp/b.sock".parse(), Ok(Address::Unix("/tmp/b.sock".into())));
    }

    #[test]
    fn what_is_not_an_address_says_why() {
        assert_eq!(":9876".parse::<Address>(), Err(AddressError::NoHost));
        assert_eq!("host:0".parse::<Address>(), Err(AddressError::BadPort("0".into())));
        assert_eq!("host:70000".parse::<Address>(), Err(AddressError::BadPort("70000".into())));
        assert_eq!(
            "http://host:80".parse::<Address>(),
            Err(AddressError::BadScheme("http".into()))
        );
        assert_eq!("unix:".parse::<Address>(), Err(AddressError::NoPath));
        assert_eq!("a b:1".parse::<Address>(), Err(AddressError::BadHost("a b".into())));
    }

    #[test]
    fn only_this_machine_is_local() {
        for local in [
            "127.0.0.1:1",
            "127.9.9.9:1",
            "[::1]:1",
            "LocalHost:1",
            "[::ffff:127.0.0.1]:1",
            "unix:/x",
        ] {
            assert!(local.parse::<Address>().unwrap().is_local(), "{local}");
        }
        for remote in
            ["0.0.0.0:1", "10.0.0.1:1", "blender.lan:1", "localhost.example.org:1", "[::]:1"]
        {
            assert!(!remote.parse::<Address>().unwrap().is_local(), "{remote}");
        }
    }

    #[test]
    fn an_address_prints_as_it_is_written() {
        for text in ["127.0.0.1:9000", "[::1]:9000", "unix:/tmp/b.sock"] {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), text);
        }
    }
}

//! Listening sockets: one per core and address with `SO_REUSEPORT`, so that the kernel spreads connections.

use std::fmt;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Connections that the kernel holds for a core that is busy.
const BACKLOG: i32 = 4096;

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// IPv4 or IPv6. Port 0 takes a free one.
    Tcp(SocketAddr),
    /// A socket file. One core serves it: `AF_UNIX` has no `SO_REUSEPORT`.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::Tcp(address) => address.fmt(f),
            Address::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A bound and listening socket that no core serves yet.
#[derive(Debug)]
pub struct Bound {
    /// What it is bound to, with the real port.
    pub address: Address,
    /// The socket, non-blocking.
    pub socket: OwnedFd,
}

/// Why the server cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The socket could not be bound or listened on.
    #[error("listen on {address}: {source}")]
    Bind {
        /// The address that was asked for.
        address: Address,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Binds `address` once for each of `cores`; a socket file is bound once, for the first core.
///
/// # Errors
/// When the address is taken, not of this machine or not permitted.
pub fn bind(address: &Address, cores: usize) -> Result<Vec<Bound>, ListenError> {
    match address {
        Address::Tcp(wanted) => {
            let fail = |source| ListenError::Bind { address: address.clone(), source };
            refuse_if_taken(*wanted).map_err(fail)?;
            let mut bound = Vec::with_capacity(cores);
            let mut actual = *wanted;
            for _ in 0..cores {
                let (socket, address) = bind_tcp(actual).map_err(fail)?;
                actual = address;
                bound.push(Bound { address: Address::Tcp(actual), socket });
            }
            Ok(bound)
        }
        Address::Unix(path) => {
            let fail = |source| ListenError::Bind { address: address.clone(), source };
            let socket = bind_unix(path).map_err(fail)?;
            Ok(vec![Bound { address: address.clone(), socket }])
        }
    }
}

/// Two servers of one user could share a port through `SO_REUSEPORT` and take turns, which nobody wants:
/// the first bind is made without it, as Ollama's is.
fn refuse_if_taken(address: SocketAddr) -> io::Result<()> {
    if address.port() == 0 {
        return Ok(());
    }
    let socket = tcp_socket(address)?;
    socket.bind(&address.into())
}

fn tcp_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `::` takes IPv4 too, as Go's listener does.
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    Ok(socket)
}

fn bind_tcp(address: SocketAddr) -> io::Result<(OwnedFd, SocketAddr)> {
    let socket = tcp_socket(address)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    let actual = socket.local_addr()?.as_socket().unwrap_or(address);
    Ok((socket.into(), actual))
}

fn bind_unix(path: &Path) -> io::Result<OwnedFd> {
    // A socket file that nobody answers is left over from a server that was killed.
    if std::os::unix::net::UnixStream::connect(path).is_err() && is_socket(path) {
        fs::remove_file(path)?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM.nonblocking().cloexec(), None)?;
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn is_socket(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_share_one_free_port() {
        let bound = bind(&Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0))), 3).expect("loopback");
        assert_eq!(bound.len(), 3);
        assert!(bound.iter().all(|b| b.address == bound[0].address));
        assert!(matches!(bound[0].address, Address::Tcp(address) if address.port() != 0));
    }

    #[test]
    fn a_port_that_another_server_has_is_refused() {
        let first = bind(&Address::Tcp(SocketAddr::from(([127, 0, 0, 1], 0))), 1).expect("loopback");
        let again = bind(&first[0].address, 1);
        assert!(matches!(again, Err(ListenError::Bind { .. })), "{again:?}");
    }

    #[test]
    fn a_socket_file_left_behind_is_replaced_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().expect("temp folder");
        let path = folder.path().join("s");
        drop(bind(&Address::Unix(path.clone()), 4).expect("fresh"));
        let live = bind(&Address::Unix(path.clone()), 4).expect("left behind");
        assert_eq!(live.len(), 1);
        assert!(bind(&Address::Unix(path), 4).is_err());
    }
}

//! Connections: opened without blocking the core, the ordinary ones and those of slow readers.

use std::io;
use std::net::SocketAddr;

use monoio::net::TcpStream;
use socket2::{Domain, Protocol, Socket, Type};

use crate::error::RequestError;

/// Receive buffer of a slow reader: the kernel takes little on its behalf, so that the server feels it soon. Linux
/// doubles the figure.
const SLOW_BUFFER_BYTES: usize = 2048;

/// An open connection.
pub struct Connection {
    /// The socket.
    pub stream: TcpStream,
    /// Requests that it has carried.
    pub requests: u32,
}

impl Connection {
    fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, requests: 0 })
    }
}

/// Opens a connection.
///
/// # Errors
/// [`RequestError::Connect`].
pub async fn open(address: SocketAddr) -> Result<Connection, RequestError> {
    let stream = TcpStream::connect_addr(address).await.map_err(RequestError::Connect)?;
    Connection::new(stream).map_err(RequestError::Connect)
}

/// Opens a connection with a small receive buffer, which has to be set before it connects.
///
/// # Errors
/// [`RequestError::Connect`].
pub async fn open_slow(address: SocketAddr) -> Result<Connection, RequestError> {
    let connect = async {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM.cloexec(), Some(Protocol::TCP))?;
        socket.set_recv_buffer_size(SLOW_BUFFER_BYTES)?;
        socket.set_nonblocking(true)?;
        match socket.connect(&address.into()) {
            Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => Err(error)?,
            _ => {}
        }
        let stream = TcpStream::from_std(socket.try_clone()?.into())?;
        stream.writable(false).await?;
        if let Some(error) = socket.take_error()? {
            Err(error)?;
        }
        // io_uring waits on its own only where the socket is a blocking one; epoll needs the opposite.
        socket.set_nonblocking(!monoio::utils::is_legacy())?;
        Connection::new(stream)
    };
    connect.await.map_err(RequestError::Connect)
}

//! A server whose delays are known: what the harness measures is held against them. It speaks Ollama's and OpenAI's
//! streams and embeddings, plain answers and bytes, and tells at `/fake/truth` what it meant to do.

mod delays;
mod frames;
mod request;
mod server;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use clap::Args;
use socket2::{Domain, Protocol, Socket, Type};

use crate::client::block_on;
use crate::error::LoadError;
use crate::output;
use crate::units;

pub use delays::Spread;

/// Connections that may wait to be accepted; the kernel may allow fewer.
const BACKLOG: i32 = 16 * 1024;

/// The flags of the fake server.
#[derive(Debug, Clone, Args)]
pub struct FakeArgs {
    /// Where to listen; port 0 takes a free one, which is printed
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Mean time to the first token of a stream
    #[arg(long, default_value = "20ms", value_parser = units::time)]
    pub ttft: Duration,
    /// Mean time between tokens
    #[arg(long, default_value = "10ms", value_parser = units::time)]
    pub gap: Duration,
    /// Mean time before every other answer
    #[arg(long, default_value = "0s", value_parser = units::time)]
    pub delay: Duration,
    /// How times lie around their means
    #[arg(long, value_enum, default_value_t = Spread::Constant)]
    pub spread: Spread,
    /// Answers that are made at a time; further requests wait for their turn
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=65536))]
    pub slots: Option<u32>,
    /// Most tokens of an answer, whatever is asked
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub tokens: Option<u32>,
    /// Close each connection without a word after so many answers
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub close_after: Option<u32>,
    /// What is drawn
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Use epoll even where io_uring works
    #[arg(long)]
    pub epoll: bool,
    /// Never sleep: takes a whole core, and keeps delays to some microseconds
    #[arg(long)]
    pub spin: bool,
}

/// Listens so that thousands of connections may wait to be accepted: the standard library lets 128 wait.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.cloexec(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// Serves until the process is ended.
///
/// # Errors
/// [`LoadError::Listen`] or a runtime that does not start.
pub fn serve(args: &FakeArgs) -> Result<(), LoadError> {
    let fail = |source| LoadError::Listen { address: args.listen.to_string(), source };
    let listener = listen(args.listen).map_err(fail)?;
    let address = listener.local_addr().map_err(fail)?;
    output::print(&format!("listening on http://{address}\n"))?;
    let served = block_on(args.epoll, server::serve(args.clone(), listener));
    served.map_err(LoadError::Runtime)?.0.map_err(fail)
}

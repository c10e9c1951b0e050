//! The closed loop: connections on one core, each with one request under way at a time.

use std::cell::{Cell, RefCell};
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::TcpStream;

use crate::api::{Api, Event};
use crate::http::{Decoder, HttpError};
use crate::report::Tally;

/// Bytes of a read. Events that came together are read together.
const READ_BYTES: usize = 32 * 1024;
/// Longest line of an answer; the final event of a generate carries its whole context.
const LINE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Errors in a row after which a connection gives up: the server is gone.
const ERRORS_IN_A_ROW_MAX: u32 = 20;
/// A run in which nothing happens for this long has failed: the server hangs.
const STALL: Duration = Duration::from_secs(120);
/// How often that is looked at.
const STALL_CHECK: Duration = Duration::from_secs(1);
/// Pause after an error.
const ERROR_PAUSE: Duration = Duration::from_millis(50);

/// Why a request has no whole answer.
#[derive(Debug, thiserror::Error)]
enum RequestError {
    #[error("connecting: {0}")]
    Connect(#[source] io::Error),
    #[error("writing: {0}")]
    Write(#[source] io::Error),
    #[error("reading: {0}")]
    Read(#[source] io::Error),
    #[error("{0}")]
    Http(#[from] HttpError),
    #[error("status {0}")]
    Status(u16),
    #[error("the stream told of an error, or is no stream")]
    Stream,
}

impl RequestError {
    /// The name under which it is counted.
    fn kind(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Write(_) => "write",
            Self::Read(_) => "read",
            Self::Http(_) => "http",
            Self::Status(300..400) => "status_3xx",
            Self::Status(400..500) => "status_4xx",
            Self::Status(_) => "status_5xx",
            Self::Stream => "stream",
        }
    }
}

/// A connection, unless it broke or the server closed it.
type Connection = Option<TcpStream>;

/// What all connections share. They run on one thread.
pub struct Run {
    /// Where to connect.
    pub address: SocketAddr,
    /// How answers are read.
    pub api: Api,
    /// The requests, whole, taken in turn.
    pub requests: Vec<Vec<u8>>,
    /// The next one.
    pub next: Cell<usize>,
    /// How many are still to be sent.
    pub left: Cell<u64>,
    /// What was found.
    pub tally: RefCell<Tally>,
}

impl Run {
    /// The next request to send, or nothing when all were.
    fn take(&self) -> Option<Vec<u8>> {
        self.left.set(self.left.get().checked_sub(1)?);
        let at = self.next.get();
        self.next.set(at + 1);
        self.requests.get(at % self.requests.len().max(1)).cloned()
    }
}

/// Sends requests until all are answered, one under way on each connection. The connections come back, to be used
/// again; nothing when the run stood still for [`STALL`].
pub async fn phase(run: Rc<Run>, open: Vec<Connection>) -> Option<Vec<Connection>> {
    let all = async {
        let tasks: Vec<_> = open.into_iter().map(|open| monoio::spawn(connection(run.clone(), open))).collect();
        let mut open = Vec::with_capacity(tasks.len());
        for task in tasks {
            open.push(task.await);
        }
        open
    };
    monoio::select! {
        open = all => Some(open),
        () = stalled(run.clone()) => None,
    }
}

/// Opens connections side by side. One that fails is tried again, and counted, when it is needed.
pub async fn connect(address: SocketAddr, connections: u32) -> Vec<Connection> {
    let tasks: Vec<_> = (0..connections).map(|_| monoio::spawn(async move { open(address).await.ok() })).collect();
    let mut open = Vec::with_capacity(tasks.len());
    for task in tasks {
        open.push(task.await);
    }
    open
}

async fn open(address: SocketAddr) -> Result<TcpStream, RequestError> {
    let stream = TcpStream::connect_addr(address).await.map_err(RequestError::Connect)?;
    stream.set_nodelay(true).map_err(RequestError::Connect)?;
    Ok(stream)
}

/// Sends requests over one connection until none are left. A broken connection is opened anew.
async fn connection(run: Rc<Run>, mut open: Connection) -> Connection {
    let mut buffer = Vec::with_capacity(READ_BYTES);
    let mut errors_in_a_row = 0;
    while errors_in_a_row < ERRORS_IN_A_ROW_MAX {
        let Some(request) = run.take() else { break };
        match answer(&run, &mut open, request, &mut buffer).await {
            Ok(()) => errors_in_a_row = 0,
            Err(error) => {
                open = None;
                errors_in_a_row += 1;
                *run.tally.borrow_mut().errors.entry(error.kind()).or_default() += 1;
                monoio::time::sleep(ERROR_PAUSE).await;
            }
        }
    }
    open
}

/// Returns when the run has stood still for [`STALL`]. One watch for all connections: a timer for each read would cost
/// more than the read.
async fn stalled(run: Rc<Run>) {
    let progress = || {
        let tally = run.tally.borrow();
        (tally.requests, tally.events, tally.errors.values().sum::<u64>())
    };
    let (mut last, mut since) = (progress(), Instant::now());
    while since.elapsed() < STALL {
        monoio::time::sleep(STALL_CHECK).await;
        let now = progress();
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
}

/// Sends one request and reads its answer into the tally. The connection is left open if it may be used again.
async fn answer(
    run: &Run,
    connection: &mut Connection,
    request: Vec<u8>,
    buffer: &mut Vec<u8>,
) -> Result<(), RequestError> {
    let stream = match connection {
        Some(stream) => stream,
        None => connection.insert(open(run.address).await?),
    };
    let mut answer = Answer::new(run.api);
    stream.write_all(request).await.0.map_err(RequestError::Write)?;
    let mut decoder = Decoder::default();
    while !decoder.is_done() {
        let mut taken = std::mem::take(buffer);
        taken.clear();
        let (read, filled) = stream.read(taken).await;
        *buffer = filled;
        let read = read.map_err(RequestError::Read)?;
        let bytes = buffer.get(..read).unwrap_or_default();
        let now = Instant::now();
        let mut tally = run.tally.borrow_mut();
        if bytes.is_empty() {
            decoder.end()?;
        }
        decoder.feed(bytes, &mut |body| answer.take(body, now, &mut tally))?;
    }
    answer.finish(decoder.status(), &mut run.tally.borrow_mut())?;
    if decoder.closes() {
        *connection = None;
    }
    Ok(())
}

/// One answer while it comes.
struct Answer {
    api: Api,
    sent: Instant,
    last_event: Option<Instant>,
    /// The line that is not complete yet.
    line: Vec<u8>,
    failed: bool,
    output_tokens: u64,
    prompt_tokens: u64,
}

impl Answer {
    fn new(api: Api) -> Self {
        let sent = Instant::now();
        Self { api, sent, last_event: None, line: Vec::new(), failed: false, output_tokens: 0, prompt_tokens: 0 }
    }

    /// Takes a piece of the body that was read at `now`.
    fn take(&mut self, mut body: &[u8], now: Instant, tally: &mut Tally) {
        while let Some(end) = body.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = body.split_at(end);
            body = rest.get(1..).unwrap_or_default();
            if self.line.is_empty() {
                self.event(self.api.read_line(line.trim_ascii_end()), now, tally);
            } else {
                self.line.extend_from_slice(line);
                let whole = std::mem::take(&mut self.line);
                self.event(self.api.read_line(whole.trim_ascii_end()), now, tally);
            }
        }
        self.failed |= self.line.len() + body.len() > LINE_BYTES_MAX;
        if !self.failed {
            self.line.extend_from_slice(body);
        }
    }

    fn event(&mut self, event: Event, now: Instant, tally: &mut Tally) {
        match event {
            Event::Token => {
                tally.events += 1;
                match self.last_event.replace(now) {
                    None => tally.ttft.record(now - self.sent),
                    Some(last) => tally.itl.record(now - last),
                }
            }
            Event::Counts { output, prompt } => {
                self.output_tokens = output.unwrap_or(self.output_tokens);
                self.prompt_tokens = prompt.unwrap_or(self.prompt_tokens);
            }
            Event::Error => self.failed = true,
            Event::Nothing => {}
        }
    }

    /// The answer is whole.
    fn finish(mut self, status: u16, tally: &mut Tally) -> Result<(), RequestError> {
        let now = Instant::now();
        if status >= 300 {
            return Err(RequestError::Status(status));
        }
        if !self.line.is_empty() {
            let line = std::mem::take(&mut self.line);
            self.event(self.api.read_line(line.trim_ascii_end()), now, tally);
        }
        if self.failed {
            return Err(RequestError::Stream);
        }
        tally.requests += 1;
        tally.output_tokens += self.output_tokens;
        tally.prompt_tokens += self.prompt_tokens;
        tally.e2e.record(now - self.sent);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_counted_however_the_body_is_cut() {
        let body = b"{\"done\":false}\n{\"done\":false}\r\n\n{\"done\":true,\"eval_count\":7,\"prompt_eval_count\":3}";
        for cut in 0..=body.len() {
            let (mut tally, mut answer) = (Tally::new(), Answer::new(Api::Generate));
            let (left, right) = body.split_at(cut);
            answer.take(left, Instant::now(), &mut tally);
            answer.take(right, Instant::now(), &mut tally);
            answer.finish(200, &mut tally).unwrap();
            assert_eq!((tally.requests, tally.events, tally.output_tokens, tally.prompt_tokens), (1, 2, 7, 3), "{cut}");
        }
    }

    #[test]
    fn errors_have_kinds() {
        let (mut tally, mut answer) = (Tally::new(), Answer::new(Api::Generate));
        answer.take(b"{\"error\":\"gone\"}\n", Instant::now(), &mut tally);
        assert_eq!(answer.finish(200, &mut tally).unwrap_err().kind(), "stream");
        let refused = Answer::new(Api::Generate).finish(503, &mut tally).unwrap_err();
        assert_eq!(refused.kind(), "status_5xx");
        assert_eq!(tally.requests, 0);
    }
}

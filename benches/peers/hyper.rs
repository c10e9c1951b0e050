//! The peer in figures of CPU time per event: the usual Rust server, built well.
//!
//!     cargo run --release --no-default-features --example peer-hyper -- 127.0.0.1:8080
//!
//! hyper 1 on tokio's single-threaded runtime (thread `hyper-core`), a channel for each stream, and one thread
//! (`producer`) that makes the events. The routes:
//!
//! - `/stream?events=E&interval_us=I&bytes=B`: E token events of about 80 + B bytes as chunked NDJSON, one every I
//!   microseconds (0: as fast as the producer turns), and a final one.
//! - `/api/version`: one small JSON object.
//!
//! Fair to hyper: no delay on sockets, no copy of an event behind the channel, no timers, frames that wait together
//! go out in one vectored write. Streams of one interval tick together, as sequences of one batch do.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::mpsc as std_mpsc;
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use http_body_util::{Either, Full};
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// Events that may wait in one channel: a slow client holds its own stream back, not the others.
const CHANNEL_EVENTS: usize = 32;
/// Longest sleep of the producer, and its pause when a full channel is all that it waits for.
const SLEEP_MAX: Duration = Duration::from_millis(100);
const FULL_PAUSE: Duration = Duration::from_micros(200);

/// A stream as asked for, then as far as the producer got.
struct Stream {
    left: u32,
    interval: Duration,
    due: Instant,
    event: Vec<u8>,
    to: mpsc::Sender<Bytes>,
}

/// What became of a stream in one turn of the producer.
enum Turn {
    Waits(Instant),
    Full,
    Over,
}

impl Stream {
    /// Sends what is due.
    fn turn(&mut self, now: Instant) -> Turn {
        while self.due <= now {
            let event = match self.left {
                0 => Bytes::from_static(
                    b"{\"model\":\"synthetic\",\"response\":\"\",\"done\":true,\"done_reason\":\"stop\"}\n",
                ),
                // A real engine makes every event anew: one allocation each, handed on without a copy.
                _ => Bytes::copy_from_slice(&self.event),
            };
            match self.to.try_send(event) {
                Err(mpsc::error::TrySendError::Full(_)) => return Turn::Full,
                Err(mpsc::error::TrySendError::Closed(_)) => return Turn::Over,
                Ok(()) if self.left == 0 => return Turn::Over,
                Ok(()) => self.left -= 1,
            }
            if self.left > 0 {
                self.due += self.interval;
            }
            if self.interval.is_zero() {
                break;
            }
        }
        Turn::Waits(self.due)
    }
}

/// The producer: takes streams in, sends what is due, sleeps until the next is.
fn produce(inbox: &std_mpsc::Receiver<Stream>) {
    let mut streams: Vec<Stream> = Vec::new();
    let epoch = Instant::now();
    let mut sleep = SLEEP_MAX;
    loop {
        let mut next = match inbox.recv_timeout(sleep) {
            Ok(stream) => Some(stream),
            Err(std_mpsc::RecvTimeoutError::Timeout) => None,
            Err(std_mpsc::RecvTimeoutError::Disconnected) => return,
        };
        while let Some(mut stream) = next {
            stream.due = next_tick(epoch, stream.interval);
            streams.push(stream);
            next = inbox.try_recv().ok();
        }
        let now = Instant::now();
        let mut wake = now + SLEEP_MAX;
        streams.retain_mut(|stream| match stream.turn(now) {
            Turn::Waits(due) => {
                wake = wake.min(due);
                true
            }
            Turn::Full => {
                wake = wake.min(now + FULL_PAUSE);
                true
            }
            Turn::Over => false,
        });
        sleep = wake.saturating_duration_since(Instant::now());
    }
}

/// The next multiple of the interval since the producer's start.
fn next_tick(epoch: Instant, interval: Duration) -> Instant {
    let (elapsed, interval) = (epoch.elapsed().as_nanos(), interval.as_nanos());
    let ticks = elapsed.checked_div(interval).map_or(elapsed, |ticks| (ticks + 1) * interval);
    epoch + Duration::from_nanos(u64::try_from(ticks).unwrap_or(u64::MAX))
}

/// The body of a stream: what comes out of its channel.
struct Events(mpsc::Receiver<Bytes>);

impl Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|event| event.map(|bytes| Ok(Frame::data(bytes))))
    }
}

type Answer = Response<Either<Full<Bytes>, Events>>;

fn whole(status: StatusCode, text: &'static str) -> Answer {
    let mut answer = Response::new(Either::Left(Full::new(Bytes::from_static(text.as_bytes()))));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
    answer
}

/// A number in the query, or `default`.
fn number(query: &str, name: &str, default: u32) -> u32 {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == name).find_map(|(_, value)| value.parse().ok()).unwrap_or(default)
}

fn answer(request: &Request<Incoming>, producer: &std_mpsc::Sender<Stream>) -> Answer {
    match request.uri().path() {
        "/api/version" => whole(StatusCode::OK, concat!("{\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}")),
        "/stream" => {
            let query = request.uri().query().unwrap_or("");
            let text = "x".repeat(number(query, "bytes", 40).min(4096) as usize);
            let event = format!(
                "{{\"model\":\"synthetic\",\"created_at\":\"2026-01-01T00:00:00.000000000Z\",\"response\":\"{text}\",\"done\":false}}\n"
            );
            let (to, from) = mpsc::channel(CHANNEL_EVENTS);
            let stream = Stream {
                left: number(query, "events", 100),
                interval: Duration::from_micros(u64::from(number(query, "interval_us", 0))),
                due: Instant::now(),
                event: event.into_bytes(),
                to,
            };
            if producer.send(stream).is_err() {
                return whole(StatusCode::SERVICE_UNAVAILABLE, "{\"error\":\"the producer is gone\"}");
            }
            let mut answer = Response::new(Either::Right(Events(from)));
            answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
            answer
        }
        _ => whole(StatusCode::NOT_FOUND, "{\"error\":\"not found\"}"),
    }
}

async fn serve(address: String, producer: std_mpsc::Sender<Stream>) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let producer = producer.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let answer = answer(&request, &producer);
                async move { Ok::<_, Infallible>(answer) }
            });
            let mut builder = hyper::server::conn::http1::Builder::new();
            builder.header_read_timeout(None);
            // A client that goes away ends its connection with an error; there is nobody to tell.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn main() -> ExitCode {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:0".to_owned());
    let (producer, inbox) = std_mpsc::channel();
    let core = move || -> io::Result<()> {
        tokio::runtime::Builder::new_current_thread().enable_io().build()?.block_on(serve(address, producer))
    };
    let threads = thread::Builder::new()
        .name("producer".to_owned())
        .spawn(move || produce(&inbox))
        .and_then(|_| thread::Builder::new().name("hyper-core".to_owned()).spawn(core));
    match threads.map(thread::JoinHandle::join) {
        Ok(Ok(Ok(()))) => ExitCode::SUCCESS,
        Ok(Ok(Err(error))) | Err(error) => {
            eprintln!("peer-hyper: {error}");
            ExitCode::FAILURE
        }
        Ok(Err(_)) => ExitCode::FAILURE,
    }
}

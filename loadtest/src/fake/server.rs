//! The fake server's connections: each request is answered when its delays have passed.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use serde_json::json;

use super::FakeArgs;
use super::delays::{Book, Slots};
use super::frames;
use super::request::{Stream, Wish, parse};
use crate::timers::Timers;

/// Bytes of a read.
const READ_BYTES: usize = 16 * 1024;

/// What all connections share. They run on one thread.
struct Fake {
    args: FakeArgs,
    timers: Timers,
    book: RefCell<Book>,
    random: RefCell<fastrand::Rng>,
    slots: RefCell<Slots>,
}

/// Accepts connections for ever.
///
/// # Errors
/// If there can be no timers, or accepting fails.
pub async fn serve(args: FakeArgs, listener: std::net::TcpListener) -> io::Result<()> {
    // epoll needs a listener that does not block, io_uring one that does.
    listener.set_nonblocking(monoio::utils::is_legacy())?;
    let listener = TcpListener::from_std(listener)?;
    let random = RefCell::new(fastrand::Rng::with_seed(args.seed));
    let slots = RefCell::new(Slots::new(args.slots));
    let fake = Rc::new(Fake { args, timers: Timers::start()?, book: RefCell::default(), random, slots });
    if fake.args.spin {
        monoio::spawn(spin(fake.clone()));
    }
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        fake.book.borrow_mut().connections += 1;
        let fake = fake.clone();
        monoio::spawn(async move {
            // A client that goes away ends its connection, and nothing else.
            let _ = connection(&fake, stream).await;
        });
    }
}

/// Keeps the core awake: what a sleeping core needs to wake up is a share of short delays that shows.
async fn spin(fake: Rc<Fake>) {
    poll_fn::<(), _>(|context| {
        fake.timers.look();
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

async fn connection(fake: &Fake, mut stream: TcpStream) -> io::Result<()> {
    let (mut input, mut buffer) = (Vec::new(), Vec::with_capacity(READ_BYTES));
    for answers in 1_u32.. {
        let wish = loop {
            match parse(&input, fake.args.tokens) {
                Ok(Some((length, wish))) => {
                    input.drain(..length);
                    break wish;
                }
                Ok(None) => {}
                Err(()) => return Err(io::ErrorKind::InvalidData.into()),
            }
            let (read, filled) = stream.read(std::mem::take(&mut buffer)).await;
            buffer = filled;
            if read? == 0 {
                return Ok(());
            }
            input.append(&mut buffer);
        };
        let arrived = Instant::now();
        let measured = !matches!(wish, Wish::Truth | Wish::Models);
        let answered = match wish {
            Wish::Stream(kind, tokens, prompt) => fake.stream(&mut stream, arrived, kind, tokens, prompt).await,
            other => fake.whole(&mut stream, arrived, other).await,
        };
        fake.book.borrow_mut().answers += u64::from(measured && answered.is_ok());
        fake.book.borrow_mut().broken += u64::from(measured && answered.is_err());
        answered?;
        if fake.args.close_after == Some(answers) {
            return Ok(());
        }
    }
    Ok(())
}

impl Fake {
    /// A stream: its events are due at times that are all set from the start, so that lateness does not add up.
    async fn stream(
        &self,
        to: &mut TcpStream,
        arrived: Instant,
        kind: Stream,
        tokens: u32,
        prompt: u64,
    ) -> io::Result<()> {
        let draw = |mean| self.args.spread.draw(mean, &mut self.random.borrow_mut());
        let first = draw(self.args.ttft);
        let gaps: Vec<_> = (1..tokens).map(|_| draw(self.args.gap)).collect();
        let length = first + gaps.iter().sum();
        let mut due = self.slots.borrow_mut().take(arrived, length) + first;
        self.book.borrow_mut().ttft.record(due - arrived);
        let mut gaps = gaps.into_iter();
        let mut token = kind.token();
        for number in 1..=tokens {
            self.timers.until(due).await;
            self.book.borrow_mut().late.record(due.elapsed());
            if number == 1 || number == tokens {
                let mut bytes = if number == 1 { kind.head() } else { Vec::new() };
                bytes.extend_from_slice(&token);
                if number == tokens {
                    bytes.extend_from_slice(&kind.end(tokens, prompt));
                }
                to.write_all(bytes).await.0?;
            } else {
                let (written, back) = to.write_all(token).await;
                written?;
                token = back;
            }
            if let Some(gap) = gaps.next() {
                self.book.borrow_mut().gap.record(gap);
                due += gap;
            }
        }
        self.book.borrow_mut().answer.record(due - arrived);
        Ok(())
    }

    /// Any other answer, in one piece.
    async fn whole(&self, to: &mut TcpStream, arrived: Instant, wish: Wish) -> io::Result<()> {
        let bytes = match wish {
            Wish::Truth => {
                let truth = json!(self.book.borrow().truth());
                return to.write_all(frames::object("200 OK", &truth)).await.0.map(|_| ());
            }
            Wish::Models => return to.write_all(frames::object("200 OK", &frames::models())).await.0.map(|_| ()),
            Wish::Vectors(count, prompt, openai) => frames::object("200 OK", &frames::vectors(count, prompt, openai)),
            Wish::Bytes(count) => frames::whole("200 OK", "application/octet-stream", &vec![b'x'; count]),
            Wish::Stored => frames::whole("201 Created", "text/plain", b""),
            Wish::Plain => frames::object("200 OK", &json!({"version": "0.0.0"})),
            Wish::Stream(..) | Wish::Unknown => frames::object("404 Not Found", &json!({"error": "not found"})),
        };
        let delay = self.args.spread.draw(self.args.delay, &mut self.random.borrow_mut());
        let due = self.slots.borrow_mut().take(arrived, delay) + delay;
        self.timers.until(due).await;
        self.book.borrow_mut().late.record(due.elapsed());
        self.book.borrow_mut().answer.record(due - arrived);
        to.write_all(bytes).await.0.map(|_| ())
    }
}

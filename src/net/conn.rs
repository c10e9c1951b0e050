//! One connection, from its first byte to its last: read a request, answer it, again.
//!
//! Answers to pipelined requests collect in one buffer and go out in one send when the input runs dry.

use std::rc::Rc;

use monoio::io::{
    AsyncReadRent, AsyncWriteRent, AsyncWriteRentExt, CancelableAsyncReadRent, OwnedReadHalf, OwnedWriteHalf, Split,
    Splitable,
};

use super::cell::{ConnCell, Expired, Phase};
use super::core::{Admission, Core};
use super::input::Input;
use crate::api::{self, Answer, BodyPlan, Fields, Outcome, Route};
use crate::config::limits::{IDLE_MS, JSON_BODY_BYTES};
use crate::http::head::{self, BodyKind, Head, HeadError, Method, Parsed, Version};
use crate::http::response::{self, BodyLength, ResponseHead};

/// Answers collect up to here before they are sent although more requests wait in the input.
const OUTPUT_BATCH_BYTES: usize = 64 * 1024;
/// How long a refused client may go on sending before its connection is cut.
const LINGER_MS: u64 = 1_000;
/// How much it may send in that time.
const LINGER_BYTES: usize = 1024 * 1024;

/// Why a connection ends. Nobody is told: what the client had to know has been sent.
#[derive(Debug)]
pub enum End {
    /// The client closed it, or it failed, or its deadline passed while nothing was owed.
    Gone,
    /// The answer said so.
    Closing,
}

impl From<Expired> for End {
    fn from(_: Expired) -> End {
        End::Gone
    }
}

/// A byte stream that a connection runs on.
pub trait Socket: CancelableAsyncReadRent + AsyncWriteRent + Split + 'static {}
impl<S: CancelableAsyncReadRent + AsyncWriteRent + Split + 'static> Socket for S {}

/// A connection.
pub struct Conn<S: Socket> {
    pub(super) core: Rc<Core>,
    pub(super) cell: Rc<ConnCell>,
    pub(super) reader: OwnedReadHalf<S>,
    pub(super) writer: OwnedWriteHalf<S>,
    pub(super) input: Input,
    /// Bytes of answers that wait to be sent together.
    pub(super) output: Vec<u8>,
    /// The head under way; its memory serves every request of the connection.
    head: Head,
}

/// What every answer to one request has in common.
#[derive(Debug, Clone)]
pub struct Manner {
    /// Answer with a head alone.
    pub head_only: bool,
    /// Keep the connection open after the answer.
    pub keep_alive: bool,
    /// CORS fields.
    pub extra: Fields,
    /// Version of the request.
    pub version: Version,
}

impl Manner {
    /// For a request that was not understood: nothing after it on the connection can be trusted.
    pub fn closing() -> Manner {
        Manner { head_only: false, keep_alive: false, extra: Fields::new(), version: Version::Http11 }
    }

    /// Appends a head to `out`.
    pub(super) fn put_head<'a>(
        &'a self,
        core: &Core,
        out: &mut Vec<u8>,
        (status, content_type, body): (u16, Option<&str>, BodyLength),
        own: impl Iterator<Item = (&'a str, &'a str)>,
    ) {
        let cors = self.extra.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let extra: Vec<(&str, &str)> = own.chain(cors).collect();
        core.with_date(|date| {
            let keep_alive = self.keep_alive && body != BodyLength::Close;
            let head =
                ResponseHead { status, content_type, date, body, version: self.version, keep_alive, extra: &extra };
            response::write_head(out, &head);
        });
    }
}

/// Serves `stream` until either side closes it.
pub async fn serve<S: Socket>(stream: S, admission: Admission) {
    let (reader, writer) = stream.into_split();
    let (core, cell) = (admission.core.clone(), admission.cell.clone());
    let mut conn =
        Conn { core, cell, reader, writer, input: Input::default(), output: Vec::new(), head: Head::default() };
    if let Err(End::Closing) = conn.run().await {
        conn.close_gently().await;
    }
}

impl<S: Socket> Conn<S> {
    async fn run(&mut self) -> Result<(), End> {
        loop {
            match self.read_head().await? {
                Ok(head_bytes) => self.answer_request(head_bytes).await?,
                Err(error) => {
                    let answer = Answer::error(error.status(), &error.to_string());
                    self.put_answer(&answer, &Manner::closing());
                    self.flush().await?;
                    return Err(End::Closing);
                }
            }
        }
    }

    /// Reads until `self.head` holds a whole head of the input; returns its length. The inner error is the client's fault.
    async fn read_head(&mut self) -> Result<Result<usize, HeadError>, End> {
        let mut deadline_set = false;
        loop {
            if !self.input.rest().is_empty() {
                match head::parse(self.input.rest(), &mut self.head) {
                    Ok(Parsed::Complete(bytes)) => return Ok(Ok(bytes)),
                    Ok(Parsed::Partial) => {}
                    Err(error) => return Ok(Err(error)),
                }
                if !deadline_set {
                    // From its first byte on, a head has this long in all: one that drips is slow, too.
                    self.cell.enter(Phase::Reading, self.core.read_deadline());
                    deadline_set = true;
                }
            }
            self.flush_then(deadline_set).await?;
            match self.fill().await {
                Ok(0) => return Err(End::Gone),
                Ok(_) => {}
                Err(End::Gone) if deadline_set && self.cell.is_expired() => {
                    return self.time_out().await;
                }
                Err(end) => return Err(end),
            }
        }
    }

    /// Sends what waits before the connection waits for input. `reading` keeps the deadline of a head under way.
    async fn flush_then(&mut self, reading: bool) -> Result<(), End> {
        if reading {
            if !self.output.is_empty() {
                self.flush().await?;
                self.cell.enter(Phase::Reading, self.core.read_deadline());
            }
            return Ok(());
        }
        self.flush().await?;
        if self.core.is_draining() {
            return Err(End::Gone);
        }
        self.cell.enter(Phase::Idle, self.core.deadline(IDLE_MS));
        Ok(())
    }

    /// Answers 408 and closes.
    pub(super) async fn time_out<T>(&mut self) -> Result<T, End> {
        self.put_answer(&Answer::error(408, "the request stood still for too long"), &Manner::closing());
        // The deadline has passed, so `until_expired` would give up at once: one bounded try.
        let output = std::mem::take(&mut self.output);
        let sending = self.writer.write_all(output);
        let _ = monoio::time::timeout(std::time::Duration::from_millis(LINGER_MS), sending).await;
        Err(End::Closing)
    }

    /// Reads once into the input. Returns the number of bytes, 0 at the end.
    pub(super) async fn fill(&mut self) -> Result<usize, End> {
        let buffer = self.input.lend();
        let (start, capacity) = (buffer.len(), buffer.capacity());
        let lent = monoio::buf::IoBufMut::slice_mut(buffer, start..capacity);
        let reading = self.cell.until_expired(self.reader.read(lent)).await;
        let (result, lent) = reading?;
        self.input.give_back(lent.into_inner());
        result.map_err(|_| End::Gone)
    }

    async fn answer_request(&mut self, head_bytes: usize) -> Result<(), End> {
        let mut manner = Manner {
            head_only: self.head.method() == Method::Head,
            keep_alive: self.head.keep_alive() && !self.core.is_draining(),
            extra: Fields::new(),
            version: self.head.version(),
        };
        let app = self.core.app.clone();
        let routed = api::route(&app, &self.head, self.input.rest(), &mut manner.extra);
        let body_kind = self.head.body_kind();
        let expects = self.head.expect_continue();
        self.input.consume(head_bytes);
        let Route { plan, handler } = match routed {
            Ok(route) => route,
            Err(answer) => return self.refuse_unread(&answer, manner, body_kind).await,
        };
        let invited = expects && body_kind != BodyKind::None && self.input.rest().is_empty();
        if invited && matches!(plan, BodyPlan::Json) {
            self.output.extend_from_slice(response::CONTINUE_100);
            self.flush().await?;
        }
        let outcome = match plan {
            BodyPlan::Ignore => {
                if body_kind != BodyKind::None {
                    let _ = self.read_body(body_kind, JSON_BODY_BYTES, &manner).await?;
                }
                handler.run(&app, Vec::new(), manner.version)
            }
            BodyPlan::Json => {
                let body = self.read_body(body_kind, JSON_BODY_BYTES, &manner).await?;
                handler.run(&app, body, manner.version)
            }
            BodyPlan::Upload(upload) => {
                let answer = self.receive_upload((body_kind, invited), upload, &manner).await?;
                Outcome::Answer(answer)
            }
        };
        self.settle(outcome, manner).await
    }

    /// Brings an outcome to its answer: at once, from a worker, or from the engine.
    async fn settle(&mut self, mut outcome: Outcome, manner: Manner) -> Result<(), End> {
        loop {
            match outcome {
                Outcome::Answer(answer) => return self.finish(&answer, &manner).await,
                Outcome::Worker(job) => {
                    self.cell.enter(Phase::Working, u64::MAX);
                    // The pool drops a job only when it shuts down, and then nobody waits for the answer.
                    outcome = match monoio::spawn_blocking(job).await {
                        Ok(next) => next,
                        Err(_) => return Err(End::Gone),
                    };
                }
                Outcome::Engine(request) => return self.stream_reply(request, manner).await,
                Outcome::Steps(job) => return self.tell_steps(job, manner).await,
            }
        }
    }

    /// Puts an answer into the output, and sends it unless more requests already wait.
    pub(super) async fn finish(&mut self, answer: &Answer, manner: &Manner) -> Result<(), End> {
        self.put_answer(answer, manner);
        if !manner.keep_alive {
            self.flush().await?;
            return Err(End::Closing);
        }
        if self.input.rest().is_empty() || self.output.len() > OUTPUT_BATCH_BYTES {
            self.flush().await?;
        }
        Ok(())
    }

    /// Answers a request whose body was not asked for: a body that is still to come closes the connection.
    async fn refuse_unread(&mut self, answer: &Answer, mut manner: Manner, kind: BodyKind) -> Result<(), End> {
        match kind {
            BodyKind::None => {}
            BodyKind::Length(left) if left <= self.input.rest().len() as u64 => self.input.consume(left as usize),
            BodyKind::Length(_) | BodyKind::Chunked => manner.keep_alive = false,
        }
        self.finish(answer, &manner).await
    }

    pub(super) fn put_answer(&mut self, answer: &Answer, manner: &Manner) {
        let length = match answer.status {
            204 => BodyLength::None,
            _ => BodyLength::Length(answer.body.len() as u64),
        };
        let own = answer.headers.iter().map(|(name, value)| (*name, value.as_str()));
        manner.put_head(&self.core, &mut self.output, (answer.status, answer.content_type, length), own);
        if !manner.head_only {
            self.output.extend_from_slice(&answer.body);
        }
    }

    /// Sends the output.
    pub(super) async fn flush(&mut self) -> Result<(), End> {
        let mut sent = 0;
        while sent < self.output.len() {
            self.cell.enter(Phase::Writing, self.core.write_deadline());
            let rest = monoio::buf::IoBuf::slice(std::mem::take(&mut self.output), sent..);
            let (result, rest) = self.cell.until_expired(self.writer.write(rest)).await?;
            self.output = rest.into_inner();
            match result {
                Ok(0) | Err(_) => return Err(End::Gone),
                Ok(count) => sent += count,
            }
        }
        self.output.clear();
        self.output.shrink_to(OUTPUT_BATCH_BYTES);
        Ok(())
    }

    /// Ends our side, then reads on for a moment: closing with unread input would reset the connection, and the
    /// client might lose the answer that told it why (RFC 9112 section 9.6).
    async fn close_gently(&mut self) {
        if self.writer.shutdown().await.is_err() || self.cell.is_expired() {
            return;
        }
        self.cell.enter(Phase::Idle, self.core.deadline(LINGER_MS));
        let mut left = LINGER_BYTES;
        while let Ok(count) = self.fill().await {
            self.input.consume(usize::MAX);
            left = left.saturating_sub(count);
            if count == 0 || left == 0 {
                return;
            }
        }
    }
}

//! One request: sent, read to its end or left, and counted.

use std::rc::Rc;
use std::time::{Duration, Instant};

use monoio::io::{AsyncReadRent, AsyncWriteRentExt};

use super::connection::{self, Connection};
use super::{Load, Pressure};
use crate::answer::{Answer, Part};
use crate::error::RequestError;
use crate::http::Decoder;
use crate::kinds::Shape;
use crate::manners::Manner;
use crate::plan::Turn;

/// Bytes of a read. Events that came together are read together.
const READ_BYTES: usize = 16 * 1024;
/// Bytes of a read where bytes are all that counts.
const READ_BYTES_OF_BLOBS: usize = 256 * 1024;
/// Bytes of a slow reader's read.
const READ_BYTES_SLOW: usize = 256;

/// How an exchange ended well.
enum End {
    /// The answer is whole, and the connection can be used again.
    Open,
    /// The answer is whole, and the server closes the connection.
    Closed,
    /// The client left.
    Left,
}

/// How an exchange failed.
struct Failure {
    error: RequestError,
    /// No byte of an answer had come.
    unanswered: bool,
}

impl Load {
    /// Makes one request and counts it. Whether the server answered; the connection stays if it can be used again.
    pub(super) async fn ask(
        self: &Rc<Self>,
        connection: &mut Option<Connection>,
        turn: Turn,
        buffer: &mut Vec<u8>,
    ) -> bool {
        let counted = u64::from(turn.counted);
        self.under_way.set(self.under_way.get() + counted);
        if turn.counted && matches!(self.job.pressure, Pressure::Open(..)) {
            self.tally.borrow_mut().start_lag.record(turn.intended.elapsed());
        }
        let result = self.ask_with_manners(connection, turn, buffer).await;
        self.under_way.set(self.under_way.get() - counted);
        match result {
            Ok(()) => true,
            Err(error) => {
                *connection = None;
                self.tally.borrow_mut().fail(&error, turn.counted);
                false
            }
        }
    }

    async fn ask_with_manners(
        &self,
        connection: &mut Option<Connection>,
        turn: Turn,
        buffer: &mut Vec<u8>,
    ) -> Result<(), RequestError> {
        let requests = &self.job.requests;
        let Some(request) = requests.get(turn.number as usize % requests.len().max(1)) else { return Ok(()) };
        let manner = self.job.manners.of(turn.number, request.max_tokens);
        if manner == Manner::Slow {
            let mut own = self.count_opened(connection::open_slow(self.job.address).await?);
            let mut buffer = Vec::new();
            let end = self.exchange(&mut own, &request.bytes, turn, manner, &mut buffer).await;
            return end.map(|_| ()).map_err(|failure| failure.error);
        }
        let used = connection.is_some();
        let mut result = self.exchange_on(connection, &request.bytes, turn, manner, buffer).await;
        if used
            && let Err(failure) = &result
            && failure.unanswered
            && failure.error.is_closed_connection()
        {
            // The server had closed it between two requests: that is its right, and no answer was lost.
            self.tally.borrow_mut().stale += 1;
            *connection = None;
            result = self.exchange_on(connection, &request.bytes, turn, manner, buffer).await;
        }
        let end = result.map_err(|failure| failure.error)?;
        let worn = connection.as_ref().is_none_or(|one| one.requests >= self.job.manners.requests_per_connection);
        if worn || !matches!(end, End::Open) {
            *connection = None;
        }
        Ok(())
    }

    /// An exchange on this connection, or on a new one.
    async fn exchange_on(
        &self,
        connection: &mut Option<Connection>,
        request: &[u8],
        turn: Turn,
        manner: Manner,
        buffer: &mut Vec<u8>,
    ) -> Result<End, Failure> {
        let connection = if let Some(connection) = connection {
            connection
        } else {
            let opened = connection::open(self.job.address).await;
            let opened = opened.map_err(|error| Failure { error, unanswered: true })?;
            connection.insert(self.count_opened(opened))
        };
        self.exchange(connection, request, turn, manner, buffer).await
    }

    fn count_opened(&self, connection: Connection) -> Connection {
        self.tally.borrow_mut().connections += 1;
        connection
    }

    async fn exchange(
        &self,
        connection: &mut Connection,
        request: &[u8],
        turn: Turn,
        manner: Manner,
        buffer: &mut Vec<u8>,
    ) -> Result<End, Failure> {
        connection.requests = connection.requests.saturating_add(1);
        let slow = manner == Manner::Slow;
        let part = Part { intended: turn.intended, counted: turn.counted, timed: !slow };
        let mut answer = Answer::new(self.job.api, part);
        let mut decoder = Decoder::default();
        let mut unanswered = true;
        let (written, _) = connection.stream.write_all(request.to_vec()).await;
        let written = written.map_err(|error| Failure { error: RequestError::Write(error), unanswered })?;
        self.tally.borrow_mut().bytes(turn.counted, 0, written as u64);
        if buffer.capacity() == 0 {
            buffer.reserve_exact(match self.job.api.shape() {
                _ if slow => READ_BYTES_SLOW,
                Shape::Bytes => READ_BYTES_OF_BLOBS,
                _ => READ_BYTES,
            });
        }
        while !decoder.is_done() {
            let mut taken = std::mem::take(buffer);
            taken.clear();
            let (read, filled) = connection.stream.read(taken).await;
            *buffer = filled;
            let now = Instant::now();
            let read = read.map_err(|error| Failure { error: RequestError::Read(error), unanswered })?;
            unanswered &= read == 0;
            let bytes = buffer.get(..read).unwrap_or_default();
            self.feed(&mut decoder, &mut answer, bytes, now).map_err(|error| Failure { error, unanswered })?;
            self.tally.borrow_mut().bytes(turn.counted, read as u64, 0);
            if matches!(manner, Manner::Leaves(after) if answer.events() >= after && !decoder.is_done()) {
                self.tally.borrow_mut().left += u64::from(turn.counted);
                return Ok(End::Left);
            }
            if slow && !decoder.is_done() {
                let pause = Duration::try_from_secs_f64(read as f64 / self.job.manners.slow_rate);
                self.timers.sleep(pause.unwrap_or_default()).await;
            }
        }
        let finished = answer.finish(decoder.status(), Instant::now(), &mut self.tally.borrow_mut());
        finished.map_err(|error| Failure { error, unanswered })?;
        Ok(if decoder.closes() { End::Closed } else { End::Open })
    }

    /// Takes what was read; nothing means that the connection ended.
    fn feed(&self, decoder: &mut Decoder, answer: &mut Answer, bytes: &[u8], now: Instant) -> Result<(), RequestError> {
        if bytes.is_empty() {
            decoder.end()?;
        }
        let mut tally = self.tally.borrow_mut();
        decoder.feed(bytes, &mut |body| answer.take(body, now, &mut tally))?;
        Ok(())
    }
}

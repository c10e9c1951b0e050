//! Reading request bodies into memory. What uploads share with that is here, too.

use super::cell::Phase;
use super::conn::{Conn, End, Manner, Socket};
use crate::api::Answer;
use crate::http::body::BodyDecoder;
use crate::http::head::BodyKind;

/// Memory set aside for a body before any of it has come: what a client promises is not yet there.
const FIRST_RESERVE_BYTES: u64 = 1024 * 1024;

/// What one step of a body gave.
pub(super) enum Step {
    /// The body has ended.
    Done,
    /// There may be more.
    More,
    /// The bytes were not a body.
    Bad(Answer),
}

impl<S: Socket> Conn<S> {
    /// Reads a body of at most `limit` bytes. A body that cannot be read is answered here, and the connection ends.
    pub(super) async fn read_body(&mut self, kind: BodyKind, limit: u64, manner: &Manner) -> Result<Vec<u8>, End> {
        if let BodyKind::Length(length) = kind
            && length > limit
        {
            return self.refuse(Answer::too_large(limit), manner).await;
        }
        let mut decoder = BodyDecoder::new(kind);
        let mut body = Vec::new();
        if let BodyKind::Length(length) = kind {
            body.reserve(length.min(FIRST_RESERVE_BYTES) as usize);
        }
        self.cell.enter(Phase::Reading, self.core.read_deadline());
        loop {
            match self.body_step(&mut decoder, &mut body) {
                Step::Done => return Ok(body),
                Step::Bad(answer) => return self.refuse(answer, manner).await,
                Step::More if body.len() as u64 > limit => {
                    return self.refuse(Answer::too_large(limit), manner).await;
                }
                Step::More => self.body_fill().await?,
            }
        }
    }

    /// Decodes what the input holds onto the end of `body`.
    pub(super) fn body_step(&mut self, decoder: &mut BodyDecoder, body: &mut Vec<u8>) -> Step {
        loop {
            let decoded = match decoder.decode(self.input.rest()) {
                Ok(decoded) => decoded,
                Err(error) => return Step::Bad(Answer::error(error.status(), &error.to_string())),
            };
            if let Some(data) = self.input.rest().get(decoded.data.clone()) {
                body.extend_from_slice(data);
            }
            self.input.consume(decoded.consumed);
            if decoded.done {
                return Step::Done;
            }
            if decoded.consumed == 0 || self.input.rest().is_empty() {
                return Step::More;
            }
        }
    }

    /// Reads more of a body; progress moves its deadline on.
    pub(super) async fn body_fill(&mut self) -> Result<(), End> {
        let read = self.fill().await;
        self.body_progress(read).await
    }

    /// What a read of a body means: its end here is a broken body, and standing still is answered with 408.
    pub(super) async fn body_progress(&mut self, read: Result<usize, End>) -> Result<(), End> {
        match read {
            Ok(0) => Err(End::Gone),
            Ok(_) => {
                self.cell.enter(Phase::Reading, self.core.read_deadline());
                Ok(())
            }
            Err(End::Gone) if self.cell.is_expired() => self.time_out().await,
            Err(end) => Err(end),
        }
    }

    /// Answers and closes: the rest of the body is of no use.
    pub(super) async fn refuse<T>(&mut self, answer: Answer, manner: &Manner) -> Result<T, End> {
        self.put_answer(&answer, &Manner { keep_alive: false, ..manner.clone() });
        self.flush().await?;
        Err(End::Closing)
    }
}

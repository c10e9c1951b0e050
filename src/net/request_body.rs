//! Reading request bodies: a JSON body into memory, an upload to the store piece by piece.

use super::cell::Phase;
use super::conn::{Conn, End, Manner, Socket};
use crate::api::{Answer, Upload};
use crate::http::body::BodyDecoder;
use crate::http::head::BodyKind;

/// Memory set aside for a body before any of it has come: what a client promises is not yet there.
const FIRST_RESERVE_BYTES: u64 = 1024 * 1024;
/// Pieces of an upload are this large when they go to the store.
const PIECE_BYTES: usize = 256 * 1024;

/// What one step of a body gave.
enum Step {
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

    /// Hands a body to the store as it arrives.
    pub(super) async fn receive_upload(
        &mut self,
        kind: BodyKind,
        mut upload: Upload,
        manner: &Manner,
    ) -> Result<Answer, End> {
        let mut decoder = BodyDecoder::new(kind);
        let mut piece = Vec::with_capacity(PIECE_BYTES);
        loop {
            self.cell.enter(Phase::Reading, self.core.read_deadline());
            let step = self.body_step(&mut decoder, &mut piece);
            if let Step::Bad(answer) = step {
                return self.refuse(answer, manner).await;
            }
            let done = matches!(step, Step::Done);
            if done || piece.len() >= PIECE_BYTES {
                self.cell.enter(Phase::Working, u64::MAX);
                let full = std::mem::replace(&mut piece, Vec::with_capacity(PIECE_BYTES));
                let stored = monoio::spawn_blocking(move || {
                    let written = upload.write(&full);
                    (upload, written)
                });
                let Ok((returned, written)) = stored.await else { return Err(End::Gone) };
                upload = returned;
                if let Err(answer) = written {
                    return self.refuse(answer, manner).await;
                }
            }
            if done {
                return monoio::spawn_blocking(move || upload.finish()).await.map_err(|_| End::Gone);
            }
            self.body_fill().await?;
        }
    }

    /// Decodes what the input holds onto the end of `body`.
    fn body_step(&mut self, decoder: &mut BodyDecoder, body: &mut Vec<u8>) -> Step {
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
    async fn body_fill(&mut self) -> Result<(), End> {
        match self.fill().await {
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
    async fn refuse<T>(&mut self, answer: Answer, manner: &Manner) -> Result<T, End> {
        self.put_answer(&answer, &Manner { keep_alive: false, ..manner.clone() });
        self.flush().await?;
        Err(End::Closing)
    }
}

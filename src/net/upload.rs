//! Uploads: a body goes to the store while it arrives, with two pieces of memory, however long it is.
//!
//! While one piece is received, a worker hashes the one before, and the ring writes that same memory to the file. On
//! epoll, where file operations would block the core, the worker writes, too.

use std::io;
use std::rc::Rc;
use std::sync::Arc;

use monoio::blocking::JoinError;
use monoio::buf::IoBufMut;
use monoio::fs::File;
use monoio::io::AsyncReadRent;
use monoio::task::JoinHandle;

use super::cell::Phase;
use super::conn::{Conn, End, Manner, Socket};
use super::driver::Driver;
use super::request_body::Step;
use crate::api::{Answer, Opened, Reception, Upload};
use crate::config::limits::{BLOB_BYTES_MAX, UPLOAD_PIECE_BYTES, UPLOAD_READ_BYTES};
use crate::http::body::BodyDecoder;
use crate::http::head::BodyKind;
use crate::http::response;

/// Why an upload ends before its body does.
enum Stop {
    /// It is refused.
    Answer(Answer),
    /// Its connection is gone, or has been answered.
    End(End),
}

impl From<End> for Stop {
    fn from(end: End) -> Stop {
        Stop::End(end)
    }
}

impl<S: Socket> Conn<S> {
    /// Hands a body to the store as it arrives. `invited`: the client waits for 100 before it sends any.
    ///
    /// A client that sees the answer finds the blob durable, or nothing left of it.
    pub(super) async fn receive_upload(
        &mut self,
        (kind, invited): (BodyKind, bool),
        upload: Upload,
        manner: &Manner,
    ) -> Result<Answer, End> {
        if matches!(kind, BodyKind::Length(length) if length > BLOB_BYTES_MAX) {
            return self.refuse(Answer::too_large(BLOB_BYTES_MAX), manner).await;
        }
        let core = self.core.clone();
        let Some(_place) = core.admit_upload() else {
            return self.refuse(Answer::busy("too many uploads at once, please try again"), manner).await;
        };
        self.cell.enter(Phase::Working, u64::MAX);
        let reception = match monoio::spawn_blocking(move || upload.open()).await.map_err(|_| End::Gone)? {
            Ok(Opened::Ready(reception)) => reception,
            // RFC 9110 section 10.1.1: a final status instead of 100 saves the client from sending it all.
            Ok(Opened::Present(answer)) if invited => return self.refuse(answer, manner).await,
            Ok(Opened::Present(answer)) => return self.skip_upload(kind, answer, manner).await,
            Err(answer) => return self.refuse(answer, manner).await,
        };
        let mut intake = Intake::new(reception);
        let received = match intake.open_file(core.driver()) {
            Ok(()) => self.pump((kind, invited), &mut intake).await,
            Err(stop) => Err(stop),
        };
        match received {
            Ok(()) => intake.finish().await,
            Err(stop) => {
                intake.abandon().await;
                match stop {
                    Stop::Answer(answer) => self.refuse(answer, manner).await,
                    Stop::End(end) => Err(end),
                }
            }
        }
    }

    /// Moves the body from the socket to `intake`.
    async fn pump(&mut self, (kind, invited): (BodyKind, bool), intake: &mut Intake) -> Result<(), Stop> {
        if invited {
            self.output.extend_from_slice(response::CONTINUE_100);
            self.flush().await?;
        }
        let mut decoder = BodyDecoder::new(kind);
        let mut piece = empty_piece();
        self.cell.enter(Phase::Reading, self.core.read_deadline());
        loop {
            match self.body_step(&mut decoder, &mut piece) {
                Step::Done => break,
                Step::Bad(answer) => return Err(Stop::Answer(answer)),
                Step::More => {}
            }
            if piece.len() >= UPLOAD_PIECE_BYTES {
                self.cell.enter(Phase::Working, u64::MAX);
                piece = intake.take(piece).await?;
                if intake.taken > BLOB_BYTES_MAX {
                    return Err(Stop::Answer(Answer::too_large(BLOB_BYTES_MAX)));
                }
                self.cell.enter(Phase::Reading, self.core.read_deadline());
            }
            piece = self.receive(&mut decoder, piece).await?;
        }
        self.cell.enter(Phase::Working, u64::MAX);
        if !piece.is_empty() {
            intake.take(piece).await?;
        }
        Ok(())
    }

    /// Reads once: straight into the piece where nothing but data can come, else into the connection's input.
    async fn receive(&mut self, decoder: &mut BodyDecoder, mut piece: Vec<u8>) -> Result<Vec<u8>, End> {
        let ahead = decoder.data_ahead();
        if ahead < UPLOAD_READ_BYTES as u64 {
            self.input.reserve(UPLOAD_READ_BYTES);
            self.body_fill().await?;
            return Ok(piece);
        }
        let start = piece.len();
        let most = ahead.min((UPLOAD_PIECE_BYTES - start) as u64) as usize;
        let lent = piece.slice_mut(start..start + most);
        let read = match self.cell.until_expired(self.reader.read(lent)).await {
            Err(expired) => Err(End::from(expired)),
            Ok((result, lent)) => {
                piece = lent.into_inner();
                // Framing was dealt with before: this tells the decoder how much data has come.
                let _ = decoder.decode(piece.get(start..).unwrap_or_default());
                return self.body_progress(result.map_err(|_| End::Gone)).await.map(|()| piece);
            }
        };
        self.body_progress(read).await.map(|()| Vec::new())
    }

    /// Reads a body that nobody needs: a client that sends without asking looks for the answer only then.
    async fn skip_upload(&mut self, kind: BodyKind, answer: Answer, manner: &Manner) -> Result<Answer, End> {
        let mut decoder = BodyDecoder::new(kind);
        let mut dropped = Vec::with_capacity(UPLOAD_READ_BYTES);
        self.cell.enter(Phase::Reading, self.core.read_deadline());
        loop {
            match self.body_step(&mut decoder, &mut dropped) {
                Step::Done => return Ok(answer),
                Step::Bad(answer) => return self.refuse(answer, manner).await,
                Step::More => dropped.clear(),
            }
            self.input.reserve(UPLOAD_READ_BYTES);
            self.body_fill().await?;
        }
    }
}

/// A blob on its way from the socket to the disk.
struct Intake {
    /// `None` while a worker has it.
    reception: Option<Reception>,
    /// The file, where the ring writes. `None`: the worker writes.
    file: Option<Rc<File>>,
    flight: Option<Flight>,
    /// Bytes taken so far: the place of the next piece in the file.
    taken: u64,
    /// A piece whose memory can be used again.
    spare: Option<Vec<u8>>,
}

/// What a worker gives back, and how its write went where it had to write.
type Hashed = (Reception, Result<(), Answer>);

/// A piece that is being hashed and written.
struct Flight {
    piece: Arc<Vec<u8>>,
    hashing: JoinHandle<Result<Hashed, JoinError>>,
    writing: Option<JoinHandle<io::Result<()>>>,
}

/// Has room for the read that follows the last byte that still fits.
fn empty_piece() -> Vec<u8> {
    Vec::with_capacity(UPLOAD_PIECE_BYTES + UPLOAD_READ_BYTES)
}

impl Intake {
    fn new(reception: Reception) -> Intake {
        Intake { reception: Some(reception), file: None, flight: None, taken: 0, spare: None }
    }

    /// Gets the file ready for the ring, if there is one.
    fn open_file(&mut self, driver: Driver) -> Result<(), Stop> {
        if driver == Driver::Epoll {
            return Ok(());
        }
        let reception = self.reception.as_ref().ok_or(Stop::End(End::Gone))?;
        let file = reception.file().map_err(Stop::Answer)?;
        let file = File::from_std(file).map_err(|error| Stop::Answer(reception.refusal(error)))?;
        self.file = Some(Rc::new(file));
        Ok(())
    }

    /// Takes a piece, once the one before is done, and gives an empty one.
    async fn take(&mut self, piece: Vec<u8>) -> Result<Vec<u8>, Stop> {
        self.land().await?;
        let mut reception = self.reception.take().ok_or(Stop::End(End::Gone))?;
        let (piece, place) = (Arc::new(piece), self.taken);
        self.taken += piece.len() as u64;
        let writing = self.file.clone().map(|file| {
            let piece = piece.clone();
            monoio::spawn(async move { file.write_all_at(piece, place).await.0 })
        });
        let (by_ring, lent) = (writing.is_some(), piece.clone());
        let hashing = monoio::spawn_blocking(move || {
            let written = if by_ring {
                reception.hash(&lent);
                Ok(())
            } else {
                reception.write(&lent)
            };
            // Before the result is seen: the core uses this memory again.
            drop(lent);
            (reception, written)
        });
        self.flight = Some(Flight { piece, hashing, writing });
        Ok(self.spare.take().unwrap_or_else(empty_piece))
    }

    /// Waits until the piece under way is hashed and written.
    async fn land(&mut self) -> Result<(), Stop> {
        let Some(Flight { piece, hashing, writing }) = self.flight.take() else { return Ok(()) };
        let by_ring = match writing {
            Some(writing) => writing.await,
            None => Ok(()),
        };
        let (reception, by_worker) = hashing.await.map_err(|_| Stop::End(End::Gone))?;
        let by_ring = by_ring.map_err(|error| reception.refusal(error));
        self.reception = Some(reception);
        if let Ok(mut piece) = Arc::try_unwrap(piece) {
            piece.clear();
            self.spare = Some(piece);
        }
        by_ring.and(by_worker).map_err(Stop::Answer)
    }

    /// The body has ended: gives the answer.
    async fn finish(mut self) -> Result<Answer, End> {
        match self.store().await {
            Ok(answer) => Ok(answer),
            Err(stop) => {
                self.abandon().await;
                match stop {
                    Stop::Answer(answer) => Ok(answer),
                    Stop::End(end) => Err(end),
                }
            }
        }
    }

    async fn store(&mut self) -> Result<Answer, Stop> {
        self.land().await?;
        let reception = self.reception.as_ref().ok_or(Stop::End(End::Gone))?;
        reception.check().map_err(Stop::Answer)?;
        if let Some(file) = &self.file {
            // By the ring: an fsync of gigabytes would keep a worker from its other jobs.
            file.sync_all().await.map_err(|error| Stop::Answer(reception.refusal(error)))?;
        }
        self.close_file().await;
        let reception = self.reception.take().ok_or(Stop::End(End::Gone))?;
        monoio::spawn_blocking(move || reception.finish()).await.map_err(|_| Stop::End(End::Gone))
    }

    /// Leaves nothing behind.
    async fn abandon(mut self) {
        let _ = self.land().await;
        self.close_file().await;
        if let Some(reception) = self.reception.take() {
            let _ = monoio::spawn_blocking(move || drop(reception)).await;
        }
    }

    /// Closes the ring's handle: the last one frees the space of a file that was removed, which is work for a worker.
    async fn close_file(&mut self) {
        if let Some(Ok(file)) = self.file.take().map(Rc::try_unwrap) {
            let _ = file.close().await;
        }
    }
}

//! Sending a reply that the engine writes: slots go to the kernel from the region's own memory.
//!
//! While it streams, a read stays armed. A client that closes ends its sequence; bytes of a next request are kept.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use monoio::buf::IoBufMut;
use monoio::io::{AsyncWriteRent, CancelHandle, CancelableAsyncReadRent, Canceller, OwnedReadHalf, OwnedWriteHalf};

use super::cell::{ConnCell, Phase};
use super::conn::{Conn, End, Manner, Socket};
use super::core::{Core, OpenReply};
use super::input::Input;
use crate::api::{Answer, answer};
use crate::engine::wire::{Framing, Submit};
use crate::http::response::{self, BodyLength};
use crate::stream::front::Slot;
use crate::stream::iobuf::{BATCH_MAX, SlotBatch, SlotBuf};
use crate::stream::slot::SlotHead;

/// A head and a first slot fit here, so that they go out in one send without growing.
const HEAD_AND_SLOT_BYTES: usize = 1536;

/// How a reply left its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finish {
    /// Whole, and the connection may serve the next request.
    Reusable,
    /// Whole, and only closing tells the client so.
    MustClose,
}

/// What has come in for a connection that sends a reply.
enum News {
    /// Slots, the oldest first; more may wait.
    Slots(Slot),
    /// Everything that was spilled, and whether it ends the reply.
    Spill(Vec<u8>, bool),
    /// The engine has gone, and this is why.
    Broken(&'static str),
}

impl<S: Socket> Conn<S> {
    /// Sends `request` to the engine and its reply to the client.
    pub(super) async fn stream_reply(&mut self, request: Box<Submit>, manner: Manner) -> Result<(), End> {
        let streams = request.reply.framing != Framing::Whole;
        let open = match self.core.submit(&self.cell, request) {
            Ok(open) => open,
            Err(answer) => return self.finish(&answer, &manner).await,
        };
        // Answers to earlier pipelined requests go first.
        self.flush().await?;
        self.cell.enter(Phase::Working, u64::MAX);

        let (canceller, stop) = (Canceller::new(), Cell::new(false));
        let mut watching = pin!(watch(&mut self.reader, &mut self.input, canceller.handle(), &stop));
        let mut sender = Sender {
            writer: &mut self.writer,
            core: &self.core,
            cell: &self.cell,
            manner: &manner,
            streams,
            head_sent: None,
        };
        let mut sending = pin!(sender.send_all(&open));
        let finish = poll_fn(|context| {
            if let Poll::Ready(finish) = sending.as_mut().poll(context) {
                return Poll::Ready(finish);
            }
            watching.as_mut().poll(context).map(|()| Err(End::Gone))
        })
        .await?;
        open.ended();
        // The armed read may hold bytes of the next request: it is cancelled and awaited, not dropped.
        stop.set(true);
        canceller.cancel();
        watching.await;
        if finish == Finish::MustClose || !manner.keep_alive || self.core.is_draining() {
            return Err(End::Closing);
        }
        Ok(())
    }
}

/// Reads while a reply streams. Returns when the client has closed, or when told to stop.
pub(super) async fn watch<S: Socket>(
    reader: &mut OwnedReadHalf<S>,
    input: &mut Input,
    handle: CancelHandle,
    stop: &Cell<bool>,
) {
    while !stop.get() {
        if !input.has_room() {
            // A client that pipelines this much waits for the kernel's buffer; its close is seen when we write.
            return poll_fn(|_| if stop.get() { Poll::Ready(()) } else { Poll::Pending }).await;
        }
        let buffer = input.lend();
        let (start, capacity) = (buffer.len(), buffer.capacity());
        let (result, buffer) = reader.cancelable_read(buffer.slice_mut(start..capacity), handle.clone()).await;
        input.give_back(buffer.into_inner());
        // At the end of the input the client has gone; an error is that, too, or the cancelling at the reply's end.
        if !matches!(result, Ok(1..)) {
            return;
        }
    }
}

/// The sending half of a streaming connection.
struct Sender<'a, S: Socket> {
    writer: &'a mut OwnedWriteHalf<S>,
    core: &'a Rc<Core>,
    cell: &'a Rc<ConnCell>,
    manner: &'a Manner,
    /// Whether the client asked for a stream.
    streams: bool,
    /// How the reply is framed, once its head has gone out.
    head_sent: Option<Framing>,
}

impl<S: Socket> Sender<'_, S> {
    /// Sends everything that comes in for `open` until its last slot.
    async fn send_all(&mut self, open: &OpenReply) -> Result<Finish, End> {
        let mut batch = SlotBatch::new();
        loop {
            match self.news(open).await? {
                News::Slots(first) => {
                    let (returned, last) = self.send_slots(open, first, batch).await?;
                    batch = returned;
                    if last {
                        return Ok(self.finish());
                    }
                }
                News::Spill(bytes, last) => {
                    self.send_bytes(bytes).await?;
                    if last {
                        return Ok(self.finish());
                    }
                }
                News::Broken(why) => return self.send_broken(why).await,
            }
            self.cell.enter(Phase::Working, u64::MAX);
            open.caught_up_if_drained();
        }
    }

    fn finish(&self) -> Finish {
        if self.head_sent == Some(Framing::Bare) { Finish::MustClose } else { Finish::Reusable }
    }

    async fn news(&self, open: &OpenReply) -> Result<News, End> {
        poll_fn(|context| {
            let mut inflow = open.reply.inflow.borrow_mut();
            if let Some(slot) = inflow.slots.pop_front() {
                return Poll::Ready(Ok(News::Slots(slot)));
            }
            if inflow.has_spill() {
                let (bytes, last) = inflow.take_spill();
                return Poll::Ready(Ok(News::Spill(bytes, last)));
            }
            if let Some(why) = inflow.broken {
                return Poll::Ready(Ok(News::Broken(why)));
            }
            if self.cell.is_expired() {
                return Poll::Ready(Err(End::Gone));
            }
            self.cell.listen(context);
            Poll::Pending
        })
        .await
    }

    /// Sends a slot and those that came behind it. Returns the batch, empty, and whether the reply has ended.
    async fn send_slots(
        &mut self,
        open: &OpenReply,
        first: Slot,
        mut batch: SlotBatch,
    ) -> Result<(SlotBatch, bool), End> {
        self.cell.enter(Phase::Writing, self.core.write_deadline());
        let mut last = first.head().is_last();
        if self.head_sent.is_none() {
            // Once for each reply the head and its first slot go out together, which takes a copy of that slot.
            let mut bytes = self.head(first.head());
            first.copy_to(&mut bytes);
            drop(first);
            self.send_bytes(bytes).await?;
            return Ok((batch, last));
        }
        if open.reply.inflow.borrow().slots.is_empty() {
            self.send_one(SlotBuf::new(first)).await?;
            return Ok((batch, last));
        }
        let mut next = Some(first);
        while let Some(slot) = next {
            last |= slot.head().is_last();
            let added = batch.push(SlotBuf::new(slot));
            debug_assert!(added.is_ok(), "the batch was empty, and the loop ends when it is full");
            let more = batch.len() < BATCH_MAX;
            next = more.then(|| open.reply.inflow.borrow_mut().slots.pop_front()).flatten();
        }
        while !batch.is_empty() {
            let (result, returned) = self.cell.until_expired(self.writer.writev(batch)).await?;
            batch = returned;
            match result {
                Ok(0) | Err(_) => return Err(End::Gone),
                Ok(count) => batch.advance(count),
            }
            self.cell.enter(Phase::Writing, self.core.write_deadline());
        }
        Ok((batch, last))
    }

    /// The common case: the client keeps up, and each event is one send from its slot.
    async fn send_one(&mut self, mut slot: SlotBuf) -> Result<(), End> {
        while !slot.rest().is_empty() {
            let (result, returned) = self.cell.until_expired(self.writer.write(slot)).await?;
            slot = returned;
            match result {
                Ok(0) | Err(_) => return Err(End::Gone),
                Ok(count) => slot.advance(count),
            }
            self.cell.enter(Phase::Writing, self.core.write_deadline());
        }
        Ok(())
    }

    /// Sends bytes that are not in the region: heads, spills, the end of a broken reply.
    async fn send_bytes(&mut self, bytes: Vec<u8>) -> Result<(), End> {
        let mut rest = monoio::buf::IoBuf::slice(bytes, ..);
        while rest.begin() < rest.end() {
            self.cell.enter(Phase::Writing, self.core.write_deadline());
            let (result, returned) = self.cell.until_expired(self.writer.write(rest)).await?;
            match result {
                Ok(0) | Err(_) => return Err(End::Gone),
                Ok(count) => {
                    let (begin, bytes) = (returned.begin() + count, returned.into_inner());
                    rest = monoio::buf::IoBuf::slice(bytes, begin..);
                }
            }
        }
        Ok(())
    }

    /// The head of the reply, as its first slot wants it.
    fn head(&mut self, first: SlotHead) -> Vec<u8> {
        let (length, content_type) = match first.framing {
            Framing::Chunked => (BodyLength::Chunked, answer::NDJSON),
            Framing::Bare => (BodyLength::Close, answer::NDJSON),
            // Ollama's stream handler writes errors without a charset, and everything else that is whole with one.
            Framing::Whole if first.status != 200 && self.streams && !first.is_refused() => {
                (BodyLength::Length(first.body_bytes), answer::BARE_JSON)
            }
            Framing::Whole => (BodyLength::Length(first.body_bytes), answer::JSON),
        };
        self.head_sent = Some(first.framing);
        let mut bytes = Vec::with_capacity(HEAD_AND_SLOT_BYTES);
        let own = (first.status == 503).then_some(("Retry-After", "1")).into_iter();
        self.manner.put_head(self.core, &mut bytes, (first.status, Some(content_type), length), own);
        bytes
    }

    /// Ends a reply whose engine has gone: a real status when nothing was sent yet, else one more event.
    async fn send_broken(&mut self, why: &'static str) -> Result<Finish, End> {
        let answer = Answer::error(500, why);
        let Some(framing) = self.head_sent else {
            let mut bytes = self.head(SlotHead {
                stream: 0,
                len: 0,
                status: 500,
                framing: Framing::Whole,
                flags: SlotHead::FIRST | SlotHead::LAST,
                body_bytes: answer.body.len() as u64,
            });
            bytes.extend_from_slice(&answer.body);
            self.send_bytes(bytes).await?;
            return Ok(Finish::Reusable);
        };
        let mut line = answer::error_body(why);
        line.push(b'\n');
        match framing {
            Framing::Chunked => {
                let mut bytes = Vec::with_capacity(line.len() + 16);
                response::write_chunk(&mut bytes, &line);
                bytes.extend_from_slice(response::LAST_CHUNK);
                self.send_bytes(bytes).await?;
                Ok(Finish::Reusable)
            }
            Framing::Bare => {
                self.send_bytes(line).await?;
                Ok(Finish::MustClose)
            }
            // Its length is promised already: only closing tells that it is not whole.
            Framing::Whole => Err(End::Gone),
        }
    }
}

//! The requests that the inference thread knows, and their replies.

use std::collections::HashMap;

use slab::Slab;

use super::request::{Answering, Request, Stage};
use crate::engine::sequence::RequestId;
use crate::engine::wire::StreamKey;
use crate::stream::back::Outbox;

/// The table of requests, by number and by the core's name for them. A number holds the place in the table in its lower
/// half and a count that never repeats in its upper half, so that a late message of an earlier request finds nothing.
pub struct Desk {
    requests: Slab<(RequestId, Request)>,
    streams: HashMap<(usize, StreamKey), RequestId>,
    opened: u64,
    /// Requests whose writer waits for slots.
    blocked: Vec<RequestId>,
    /// Where replies go.
    pub outbox: Outbox,
}

impl Desk {
    /// An empty table.
    pub fn new(outbox: Outbox) -> Self {
        Self { requests: Slab::new(), streams: HashMap::new(), opened: 0, blocked: Vec::new(), outbox }
    }

    /// Takes a request in. A second one of the same name takes the name over: the front never does that.
    pub fn open(&mut self, request: Request) -> RequestId {
        self.opened += 1;
        let key = (request.core, request.stream);
        let entry = self.requests.vacant_entry();
        let id = RequestId((self.opened << 32) | entry.key() as u64);
        entry.insert((id, request));
        self.streams.insert(key, id);
        id
    }

    /// A request, if it is still there.
    pub fn get(&mut self, id: RequestId) -> Option<&mut Request> {
        let (known, request) = self.requests.get_mut(place(id))?;
        (*known == id).then_some(request)
    }

    /// A request together with the outbox that its writer needs.
    pub fn with_outbox(&mut self, id: RequestId) -> Option<(&mut Request, &mut Outbox)> {
        let (known, request) = self.requests.get_mut(place(id))?;
        (*known == id).then_some((request, &mut self.outbox))
    }

    /// A request with an answer, and the outbox.
    pub fn answering(&mut self, id: RequestId) -> Option<(&mut Answering, Reply<'_>)> {
        let (known, request) = self.requests.get_mut(place(id))?;
        let Stage::Answering(answering) = &mut request.stage else { return None };
        let reply = Reply {
            writer: &mut request.writer,
            received_ns: request.received_ns,
            load_ns: request.load_ns,
            outbox: &mut self.outbox,
        };
        (*known == id).then_some((answering, reply))
    }

    /// The request of a core's stream.
    pub fn find(&self, core: usize, stream: StreamKey) -> Option<RequestId> {
        self.streams.get(&(core, stream)).copied()
    }

    /// Takes a request out.
    pub fn close(&mut self, id: RequestId) -> Option<Request> {
        self.get(id)?;
        let (_, request) = self.requests.try_remove(place(id))?;
        let key = (request.core, request.stream);
        if self.streams.get(&key) == Some(&id) {
            self.streams.remove(&key);
        }
        Some(request)
    }

    /// Whether there are no requests.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// All requests for which `wanted` holds.
    pub fn all(&self, wanted: impl Fn(&Request) -> bool) -> Vec<RequestId> {
        self.requests.iter().filter(|(_, (_, request))| wanted(request)).map(|(_, (id, _))| *id).collect()
    }

    /// Number of requests for which `wanted` holds.
    pub fn count(&self, wanted: impl Fn(&Request) -> bool) -> usize {
        self.requests.iter().filter(|(_, (_, request))| wanted(request)).count()
    }

    /// A request's writer waits for slots: it is pumped from now on.
    pub fn block(&mut self, id: RequestId) {
        if let Some(request) = self.get(id)
            && !std::mem::replace(&mut request.blocked, true)
        {
            self.blocked.push(id);
        }
    }

    /// Moves on what waits for slots. Returns the requests that wait no longer.
    pub fn pump(&mut self) -> Vec<RequestId> {
        let mut drained = Vec::new();
        let mut blocked = std::mem::take(&mut self.blocked);
        blocked.retain(|&id| {
            let Some((request, outbox)) = self.with_outbox(id) else { return false };
            request.writer.pump(outbox);
            request.blocked = !request.writer.is_drained();
            if !request.blocked {
                drained.push(id);
            }
            request.blocked
        });
        self.blocked = blocked;
        drained
    }

    /// Asks the cores of the waiting writers to tell when slots come back. False if some came back just now.
    pub fn wait_for_slots(&mut self) -> bool {
        let mut none = true;
        for core in 0..self.outbox.cores() {
            let waits = |id: &RequestId| self.requests.get(place(*id)).is_some_and(|(_, request)| request.core == core);
            if self.blocked.iter().any(waits) {
                none &= self.outbox.mark_starved(core) == 0;
            }
        }
        none
    }

    /// Slots that may be written now, all cores together.
    pub fn free_slots(&mut self) -> usize {
        (0..self.outbox.cores()).map(|core| self.outbox.free_slots(core)).sum()
    }
}

/// What is needed to write an answer's reply.
pub struct Reply<'a> {
    /// The reply.
    pub writer: &'a mut crate::stream::frames::ReplyWriter,
    /// Where it goes.
    pub outbox: &'a mut Outbox,
    /// When its request came.
    pub received_ns: u64,
    /// How long it waited for its model.
    pub load_ns: u64,
}

/// The place of a request in the table.
fn place(id: RequestId) -> usize {
    (id.0 & u64::from(u32::MAX)) as usize
}

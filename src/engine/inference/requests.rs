//! The steps of a request's life that the inference thread takes, from its arrival to its end.

use std::cmp::Reverse;

use super::Inference;
use super::paced::Paced;
use super::request::{Answering, Request, Stage};
use crate::engine::models::{ModelId, Want};
use crate::engine::prepare::{PrepareError, Prepared, Start};
use crate::engine::sequence::{RequestId, Sequence};
use crate::engine::wire::{Completion, StreamKey, Submit, Synthetic, Work};
use crate::stream::frames::{Final, ReplyWriter};

/// Ollama's words, with two spaces (the behaviour page, section 1.14).
pub(super) const BUSY: &str = "server busy, please try again.  maximum pending requests exceeded";

impl Inference {
    /// A new request.
    pub(super) fn submit(&mut self, core: usize, mut submit: Submit) {
        match std::mem::replace(&mut submit.work, Work::Load) {
            Work::Synthetic(work) => self.open_paced(core, &submit, work),
            Work::Unload => {
                let id = self.open(core, &submit, Stage::Ending);
                self.models.unload(&submit.model, (self.clock)());
                self.end_single(id, "unload");
                self.carry_out();
            }
            Work::Load => self.want_model(core, submit, None),
            Work::Complete(completion) => self.want_model(core, submit, Some(completion)),
        }
    }

    fn open(&mut self, core: usize, submit: &Submit, stage: Stage) -> RequestId {
        self.desk.open(Request {
            core,
            stream: submit.stream,
            received_ns: submit.received_ns,
            load_ns: 0,
            model: None,
            stage,
            writer: ReplyWriter::new(core, submit.stream, &submit.reply),
            paused: false,
            blocked: false,
        })
    }

    fn want_model(&mut self, core: usize, submit: Submit, completion: Option<Box<Completion>>) {
        let options = submit.model.load.clone();
        let id = self.open(core, &submit, Stage::WantsModel { completion, options });
        // Requests that the next plan may admit at once are not in this count, and not refused.
        if self.waiting_for_admission() >= self.settings.queue {
            self.fail(id, 503, BUSY);
            return;
        }
        let want = Want { request: id, model: submit.model, keep_alive: submit.keep_alive };
        self.models.request(want, (self.clock)());
        self.carry_out();
    }

    /// Requests that the last plans left in their queues, and those without a model.
    fn waiting_for_admission(&self) -> usize {
        self.models.waiting() + self.hosts.iter().map(|host| host.left_waiting).sum::<usize>()
    }

    /// After a plan: refuses the requests that came last, where more wait than may.
    pub(super) fn shorten_queue(&mut self, model: ModelId) {
        while self.waiting_for_admission() > self.settings.queue {
            let Some(host) = self.hosts.iter_mut().find(|host| host.id == model) else { return };
            let Some(id) = host.scheduler.turn_away() else { return };
            host.left_waiting = host.left_waiting.saturating_sub(1);
            self.fail(id, 503, BUSY);
        }
    }

    /// A worker has made a prompt, or not.
    pub(super) fn prepared(&mut self, id: RequestId, result: Result<Prepared, PrepareError>) {
        let Some((request, outbox)) = self.desk.with_outbox(id) else { return };
        match result {
            Err(error) => self.fail(id, error.status(), &error.to_string()),
            Ok(Prepared::Rendered(prompt)) => {
                request.writer.debug_render(outbox, &prompt);
                self.settle(id);
            }
            Ok(Prepared::Start(start)) => self.start(id, *start),
        }
    }

    /// Puts a request into its model's queue.
    fn start(&mut self, id: RequestId, mut start: Start) {
        let Some(request) = self.desk.get(id) else { return };
        let (model, paused) = (request.model, request.paused);
        request.stage = Stage::Answering(Box::new(Answering::new(&mut start)));
        let sequence = match Sequence::new(id, start.tokens, start.limits) {
            Ok(sequence) => sequence,
            Err(error) => return self.fail(id, 400, &error.to_string()),
        };
        let Some(host) = self.hosts.iter_mut().find(|host| Some(host.id) == model) else { return };
        host.scheduler.submit(sequence);
        if paused {
            host.scheduler.pause(id);
        }
    }

    /// A client falls behind or has caught up.
    pub(super) fn hold(&mut self, core: usize, stream: StreamKey, paused: bool) {
        let Some(id) = self.desk.find(core, stream) else { return };
        let Some(request) = self.desk.get(id) else { return };
        let was_paused = std::mem::replace(&mut request.paused, paused);
        if paused {
            let model = request.model;
            if let Some(host) = self.hosts.iter_mut().find(|host| Some(host.id) == model) {
                host.scheduler.pause(id);
            }
        } else if was_paused && !request.blocked {
            self.go_on(id);
        }
    }

    /// Nothing of the reply waits for slots any more.
    pub(super) fn go_on(&mut self, id: RequestId) {
        let Some(request) = self.desk.get(id) else { return };
        let (model, paused) = (request.model, request.paused);
        match &request.stage {
            Stage::Ending => drop(self.desk.close(id)),
            Stage::Paced(paced) if !paused => self.paced.push(Reverse((paced.due(), id))),
            Stage::Answering(_) if !paused => {
                if let Some(host) = self.hosts.iter_mut().find(|host| Some(host.id) == model) {
                    host.scheduler.resume(id);
                }
            }
            _ => {}
        }
    }

    fn open_paced(&mut self, core: usize, submit: &Submit, work: Synthetic) {
        let now = (self.clock)();
        let id = self.open(core, submit, Stage::Paced(Paced::new(work, now)));
        self.paced.push(Reverse((now, id)));
    }

    /// The next event of a paced stream, or its end.
    pub(super) fn send_one_paced(&mut self, id: RequestId, now: u64) {
        let Some((request, outbox)) = self.desk.with_outbox(id) else { return };
        let Stage::Paced(paced) = &mut request.stage else { return };
        if request.paused || request.blocked {
            return;
        }
        if let Some(text) = paced.next(now) {
            request.writer.token(outbox, text, &[]);
        }
        if paced.is_over() {
            let end = Final {
                done_reason: "stop",
                total_ns: now.saturating_sub(request.received_ns),
                eval_count: paced.sent(),
                eval_ns: now.saturating_sub(paced.started()),
                ..Final::default()
            };
            request.writer.finish(outbox, &end);
            self.settle(id);
        } else if request.writer.is_drained() {
            self.paced.push(Reverse((paced.due(), id)));
        } else {
            self.desk.block(id);
        }
    }

    /// Ends a request whose whole reply is that its model was loaded or unloaded.
    pub(super) fn end_single(&mut self, id: RequestId, reason: &str) {
        if let Some((request, outbox)) = self.desk.with_outbox(id) {
            request.writer.done_single(outbox, reason);
        }
        self.settle(id);
    }

    /// Ends a request with an error: a status as long as nothing has gone out, an event after that.
    pub(super) fn fail(&mut self, id: RequestId, status: u16, message: &str) {
        self.detach(id);
        if let Some((request, outbox)) = self.desk.with_outbox(id) {
            match request.stage {
                Stage::WantsModel { .. } | Stage::Preparing(_) => request.writer.refuse(outbox, status, message),
                _ => request.writer.error(outbox, status, message),
            }
        }
        self.settle(id);
    }

    /// Forgets a request whose client has gone.
    pub(super) fn cancel(&mut self, id: RequestId) {
        self.detach(id);
        if let Some(model) = self.desk.close(id).and_then(|request| request.model) {
            self.models.release(model, (self.clock)());
        }
        self.carry_out();
    }

    /// Takes a request out of wherever it stands: its memory is free with the next plan.
    fn detach(&mut self, id: RequestId) {
        let Some(request) = self.desk.get(id) else { return };
        let model = request.model;
        match &request.stage {
            Stage::WantsModel { .. } => self.models.abandon(id, (self.clock)()),
            Stage::Preparing(cancelled) => cancelled.set(),
            Stage::Answering(_) => {
                if let Some(host) = self.hosts.iter_mut().find(|host| Some(host.id) == model) {
                    host.scheduler.leave(id);
                }
            }
            Stage::Paced(_) | Stage::Ending => {}
        }
    }

    /// A reply is complete: the request goes as soon as it is on its way, its model is free for others now.
    pub(super) fn settle(&mut self, id: RequestId) {
        let Some(request) = self.desk.get(id) else { return };
        let model = request.model.take();
        request.stage = Stage::Ending;
        if request.writer.is_drained() {
            self.desk.close(id);
        } else {
            self.desk.block(id);
        }
        if let Some(model) = model {
            self.models.release(model, (self.clock)());
        }
        self.carry_out();
    }
}

//! What the loaded models want done, carried out.

use super::host::Host;
use super::request::{Cancelled, Stage};
use super::requests::BUSY;
use super::workers::{LoadJob, PrepareJob};
use super::{Backend, Inference, LoadError};
use crate::engine::models::{Action, ModelId};
use crate::engine::sequence::RequestId;

impl Inference {
    /// Does what the loaded models want done, until they want nothing.
    pub(super) fn carry_out(&mut self) {
        loop {
            let actions = self.models.take_actions();
            if actions.is_empty() {
                return;
            }
            for action in actions {
                match action {
                    Action::Load { model, plan, needed, stop } => {
                        if plan.cells < self.settings.room.cells {
                            tracing::warn!(cells = plan.cells, "memory has room for a smaller KV pool only");
                        }
                        self.workers.load(LoadJob::Load { model, plan, needed, stop });
                    }
                    Action::Unload(model) => self.unload(model),
                    Action::Grant { request, model } => self.grant(request, model),
                    Action::Refuse { request, error: error @ (LoadError::TooLarge { .. } | LoadError::Stalled(_)) } => {
                        self.fail(request, 500, &error.to_string());
                    }
                    Action::Refuse { request, error } => {
                        self.fail(request, 500, &format!("the model could not be loaded: {error}"));
                    }
                }
            }
        }
    }

    /// A load has ended.
    pub(super) fn loaded(&mut self, model: ModelId, result: Result<Box<dyn Backend>, LoadError>) {
        self.wear.note(&result);
        let facts = result.map(|backend| {
            let facts = backend.facts().clone();
            self.hosts.push(Host::new(model, backend, self.settings.parallel, self.workers.masks()));
            facts
        });
        if let Err(error) = &facts {
            tracing::warn!(%error, "a model could not be loaded");
        }
        self.models.loaded(model, facts, (self.clock)());
        self.carry_out();
    }

    fn unload(&mut self, model: ModelId) {
        if let Some(index) = self.hosts.iter().position(|host| host.id == model) {
            self.workers.load(LoadJob::Unload(self.hosts.swap_remove(index).into_backend()));
        }
    }

    /// A request has its model: what it wants of it begins.
    fn grant(&mut self, id: RequestId, model: ModelId) {
        let now = (self.clock)();
        let host = self.hosts.iter().find(|host| host.id == model);
        let (Some(request), Some(host)) = (self.desk.get(id), host) else {
            self.models.release(model, now);
            return;
        };
        request.model = Some(model);
        request.load_ns = now.saturating_sub(request.received_ns);
        let Stage::WantsModel { completion, options } = &mut request.stage else { return };
        let Some(completion) = completion.take() else { return self.end_single(id, "load") };
        let facts = host.backend().facts().clone();
        let wanted = self.settings.room.context(options, 0);
        let context = self.settings.room.context(options, facts.trained_context).min(facts.cells);
        if options.num_ctx != 0 && context < wanted {
            tracing::warn!(wanted, context, "num_ctx is more than the model can do and was lowered");
        }
        let cancelled = Cancelled::default();
        request.stage = Stage::Preparing(cancelled.clone());
        let job = PrepareJob {
            request: id,
            completion,
            context: context as usize,
            facts,
            vocabulary: host.vocabulary().clone(),
            grammars: host.grammars().clone(),
            cancelled,
        };
        if !self.workers.prepare(job) {
            self.fail(id, 503, BUSY);
        }
    }
}

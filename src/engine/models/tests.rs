//! When models are loaded, shared, kept and given up: time is an argument, so nothing sleeps.

use std::path::PathBuf;

use super::*;
use crate::config::limits::CONTEXT_DEFAULT;
use crate::engine::kv::KvCache;
use crate::model::gguf::Footprint;

const SECOND: u64 = 1_000_000_000;

fn room() -> Room {
    let keep_alive = KeepAlive::For(300 * SECOND);
    Room {
        models: 2,
        bytes: 100,
        keep_alive,
        context: 0,
        cells: 1000,
        batch_rows: 512,
        cache: KvCache::default(),
        load_timeout: 0,
    }
}

fn model(blob: &str) -> ModelRef {
    ModelRef {
        name: format!("{blob}:latest"),
        digest: String::new(),
        path: PathBuf::from(blob),
        load: LoadOptions { num_gpu: -1, ..LoadOptions::default() },
        details: super::super::wire::Details::default(),
        trained_context: 0,
        footprint: Footprint { weights: 40, ..Footprint::default() },
    }
}

fn facts(bytes: u64) -> Facts {
    Facts {
        vocabulary: 10,
        trained_context: 2048,
        cells: 1000,
        batch_rows: 512,
        plain_rows: 512,
        sequences: 8,
        can_shift: true,
        bytes,
        gpu_bytes: 0,
    }
}

/// Drives the state machine and writes what it wants done as short lines.
struct Driver {
    models: Models,
    now: u64,
}

impl Driver {
    fn new(room: Room) -> Self {
        Self { models: Models::new(room), now: SECOND }
    }

    fn want(&mut self, request: u64, blob: &str) -> Vec<String> {
        self.want_with(request, model(blob), None)
    }

    fn want_with(&mut self, request: u64, model: ModelRef, keep_alive: Option<KeepAlive>) -> Vec<String> {
        self.now += 1;
        self.models.request(Want { request: RequestId(request), model, keep_alive }, self.now);
        self.lines()
    }

    fn loaded(&mut self, model: u64) -> Vec<String> {
        self.now += 1;
        self.models.loaded(ModelId(model), Ok(facts(40)), self.now);
        self.lines()
    }

    fn release(&mut self, model: u64) -> Vec<String> {
        self.now += 1;
        self.models.release(ModelId(model), self.now);
        self.lines()
    }

    fn at(&mut self, seconds: u64) -> Vec<String> {
        self.now = seconds * SECOND;
        self.models.tick(self.now);
        self.lines()
    }

    fn lines(&mut self) -> Vec<String> {
        let line = |action| match action {
            Action::Load { model, plan, .. } => format!("load {} {}", model.0, plan.path.display()),
            Action::Unload(model) => format!("unload {}", model.0),
            Action::Grant { request, model } => format!("grant {} {}", request.0, model.0),
            Action::Refuse { request, error } => format!("refuse {} {error}", request.0),
        };
        self.models.take_actions().into_iter().map(line).collect()
    }

    fn names(&self) -> Vec<String> {
        self.models.list(self.now, 0).into_iter().map(|loaded| loaded.model.name).collect()
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn two_requests_share_a_load_and_then_the_model() {
    let mut driver = Driver::new(room());
    assert_eq!(driver.want(1, "a"), ["load 1 a"]);
    assert_eq!(driver.want(2, "a"), NOTHING);
    assert_eq!(driver.loaded(1), ["grant 1 1", "grant 2 1"]);
    assert_eq!(driver.want_with(3, ModelRef { name: "other".into(), ..model("a") }, None), ["grant 3 1"]);
    assert_eq!(driver.names(), ["a:latest"], "the name it was first loaded under");
}

#[test]
fn the_timer_starts_when_the_last_request_ends_and_the_last_setting_sticks() {
    let mut driver = Driver::new(room());
    driver.want_with(1, model("a"), Some(KeepAlive::For(10 * SECOND)));
    driver.loaded(1);
    driver.want(2, "a");
    driver.release(1);
    assert_eq!(driver.at(1000), NOTHING, "one request still runs");
    driver.release(1);
    assert_eq!(driver.models.next_expiry(driver.now), Some(driver.now + 10 * SECOND));
    assert_eq!(driver.at(1009), NOTHING);
    assert_eq!(driver.at(1011), ["unload 1"]);
    assert_eq!(driver.names(), NOTHING);
}

#[test]
fn keep_alive_forms() {
    // (what the request says, what happens at its end, what happens years later)
    let cases: [(Option<KeepAlive>, &[&str], &[&str]); 3] = [
        (Some(KeepAlive::For(0)), &["unload 1"], &[]),
        (Some(KeepAlive::Forever), &[], &[]),
        (None, &[], &["unload 1"]),
    ];
    for (keep_alive, at_end, later) in cases {
        let mut driver = Driver::new(room());
        driver.want_with(1, model("a"), keep_alive);
        driver.loaded(1);
        assert_eq!(driver.release(1), at_end, "{keep_alive:?}");
        assert_eq!(driver.at(1_000_000_000), later, "{keep_alive:?}");
    }
}

#[test]
fn unload_waits_for_running_requests() {
    let mut driver = Driver::new(room());
    driver.want(1, "a");
    driver.loaded(1);
    driver.models.unload(&model("a"), driver.now);
    driver.models.unload(&model("b"), driver.now);
    assert_eq!(driver.lines(), NOTHING);
    assert!(driver.models.list(driver.now, 0)[0].stopping);
    assert_eq!(driver.release(1), ["unload 1"]);
    driver.want(2, "a");
    driver.loaded(2);
    driver.release(2);
    driver.models.unload(&model("a"), driver.now);
    assert_eq!(driver.lines(), ["unload 2"]);
}

#[test]
fn the_least_recently_used_idle_model_makes_room() {
    let mut driver = Driver::new(room());
    for (request, blob) in [(1, "a"), (2, "b")] {
        driver.want(request, blob);
        driver.loaded(request);
    }
    driver.release(2);
    driver.release(1);
    assert_eq!(driver.want(3, "c"), ["unload 2", "load 3 c"], "b was used before a");
    driver.loaded(3);
    assert_eq!(driver.names(), ["a:latest", "c:latest"]);
}

#[test]
fn memory_makes_room_too_but_a_model_alone_is_always_tried() {
    let mut driver = Driver::new(Room { models: 0, bytes: 70, ..room() });
    driver.want(1, "a");
    driver.loaded(1);
    driver.release(1);
    assert_eq!(driver.want(2, "b"), ["unload 1", "load 2 b"]);
    let mut driver = Driver::new(Room { bytes: 10, ..room() });
    assert_eq!(driver.want(1, "a"), ["load 1 a"]);
}

#[test]
fn when_none_is_idle_requests_wait_in_order_and_the_oldest_model_takes_no_more() {
    let mut driver = Driver::new(room());
    for (request, blob) in [(1, "a"), (2, "b")] {
        driver.want(request, blob);
        driver.loaded(request);
    }
    assert_eq!(driver.want(3, "c"), NOTHING);
    assert_eq!(driver.want(4, "a"), NOTHING, "a is on its way out");
    assert_eq!(driver.want(5, "b"), ["grant 5 2"]);
    assert_eq!(driver.models.waiting(), 2);
    assert_eq!(driver.release(1), ["unload 1", "load 3 c"]);
    driver.loaded(3);
    driver.release(2);
    assert_eq!(driver.release(2), ["unload 2", "load 4 a"], "b was retired for request 4");
}

#[test]
fn a_load_that_nobody_waits_for_is_stopped_and_done_again_for_the_next() {
    let mut driver = Driver::new(room());
    driver.models.request(Want { request: RequestId(1), model: model("a"), keep_alive: None }, driver.now);
    let [Action::Load { stop, .. }] = &driver.models.take_actions()[..] else { panic!("no load") };
    let stop = stop.clone();
    driver.want(2, "a");
    driver.models.abandon(RequestId(1), driver.now);
    assert!(!stop.is_stopped(), "request 2 still waits");
    driver.models.abandon(RequestId(2), driver.now);
    assert!(stop.is_stopped());
    assert_eq!(driver.want(3, "a"), NOTHING);
    driver.models.loaded(ModelId(1), Err(LoadError::Stopped), driver.now);
    assert_eq!(driver.lines(), ["load 2 a"]);
    assert_eq!(driver.loaded(2), ["grant 3 2"]);
}

#[test]
fn a_load_that_ended_before_it_could_be_stopped_is_unloaded() {
    let mut driver = Driver::new(room());
    driver.want(1, "a");
    driver.models.abandon(RequestId(1), driver.now);
    assert_eq!(driver.loaded(1), ["unload 1"]);
}

#[test]
fn a_failed_load_is_told_to_all_who_wait() {
    let mut driver = Driver::new(room());
    driver.want(1, "a");
    driver.want(2, "a");
    driver.models.loaded(ModelId(1), Err(LoadError::Refused("no such tensor".into())), driver.now);
    assert_eq!(driver.lines(), ["refuse 1 no such tensor", "refuse 2 no such tensor"]);
    assert_eq!(driver.want(3, "a"), ["load 2 a"]);
}

#[test]
fn a_load_that_does_not_fit_is_tried_once_more_without_an_idle_model() {
    let mut driver = Driver::new(room());
    driver.want(1, "a");
    driver.loaded(1);
    driver.release(1);
    driver.want(2, "b");
    driver.models.loaded(ModelId(2), Err(LoadError::NoMemory), driver.now);
    assert_eq!(driver.lines(), ["unload 1", "load 2 b"]);
    driver.models.loaded(ModelId(2), Err(LoadError::NoMemory), driver.now);
    assert_eq!(driver.lines(), ["refuse 2 the model does not fit into memory"]);
}

#[test]
fn what_a_request_asks_of_the_loader_loads_again_only_where_it_differs() {
    let with = |options: LoadOptions| ModelRef { load: options, ..model("a") };
    let base = LoadOptions { num_gpu: -1, num_thread: 4, ..LoadOptions::default() };
    let cases = [
        (base.clone(), false),
        (LoadOptions { num_thread: 0, ..base.clone() }, false),
        (LoadOptions { num_ctx: 999, ..base.clone() }, false),
        (LoadOptions { num_batch: 512, ..base.clone() }, false),
        (LoadOptions { use_mmap: Some(true), ..base.clone() }, false),
        (LoadOptions { num_thread: 2, ..base.clone() }, true),
        (LoadOptions { num_ctx: 1001, ..base.clone() }, true),
        (LoadOptions { num_batch: 64, ..base.clone() }, true),
        (LoadOptions { use_mmap: Some(false), ..base.clone() }, true),
        (LoadOptions { num_gpu: 3, ..base.clone() }, true),
        (LoadOptions { main_gpu: Some(1), ..base.clone() }, true),
    ];
    for (options, again) in cases {
        let mut driver = Driver::new(Room { context: 512, ..room() });
        driver.want_with(1, with(base.clone()), None);
        driver.loaded(1);
        let lines = driver.want_with(2, with(options.clone()), None);
        assert_eq!(lines.is_empty(), again, "{options:?}");
        assert_eq!(driver.release(1), if again { vec!["unload 1", "load 2 a"] } else { vec![] }, "{options:?}");
    }
}

#[test]
fn a_model_that_needs_more_than_there_is_waits_for_others_to_go_and_is_refused_alone() {
    let mut driver = Driver::new(room());
    driver.want(1, "a");
    driver.loaded(1);
    driver.release(1);
    driver.want(2, "b");
    let short = LoadError::TooLarge { needed: 13_207_024_435, available: 1 << 30 };
    driver.models.loaded(ModelId(2), Err(short.clone()), driver.now);
    assert_eq!(driver.lines(), ["unload 1", "load 2 b"]);
    driver.models.loaded(ModelId(2), Err(short), driver.now);
    let refusal = "refuse 2 model requires more system memory (12.3 GiB) than is available (1.0 GiB)";
    assert_eq!(driver.lines(), [refusal]);
}

#[test]
fn a_load_that_stands_still_is_given_up_and_one_that_moves_is_not() {
    let mut driver = Driver::new(Room { load_timeout: 4 * SECOND, ..room() });
    driver.models.request(Want { request: RequestId(1), model: model("a"), keep_alive: None }, SECOND);
    let [Action::Load { stop, .. }] = &driver.models.take_actions()[..] else { panic!("no load") };
    let stop = stop.clone();
    let look = |seconds: u64, models: &mut Models| models.give_up_stalled(seconds * SECOND);
    for seconds in 1..20 {
        assert!(stop.go_on() && !look(seconds, &mut driver.models), "it moves at {seconds} s");
    }
    assert_eq!(driver.models.next_expiry(20 * SECOND), Some(21 * SECOND), "to see whether it still does");
    assert!(!look(22, &mut driver.models));
    assert!(look(23, &mut driver.models));
    let refusal = "timed out waiting for the model to load: it has made no progress for 4 s";
    assert_eq!(driver.lines(), [format!("refuse 1 {refusal}")]);
    assert!(stop.is_stopped() && driver.models.are_idle());
    // The thread that loads is still busy with it.
    assert_eq!(driver.want(2, "a"), NOTHING);
    assert!(look(24, &mut driver.models));
    assert_eq!(driver.lines(), [format!("refuse 2 {refusal}")]);
}

#[test]
fn a_model_is_listed_while_it_loads() {
    let mut driver = Driver::new(room());
    driver.want_with(1, ModelRef { trained_context: 2048, ..model("a") }, Some(KeepAlive::For(10 * SECOND)));
    let listed = driver.models.list(driver.now, 7);
    let [loading] = &listed[..] else { panic!("{listed:?}") };
    assert_eq!((loading.model.name.as_str(), loading.bytes, loading.context), ("a:latest", 40, 2048));
    assert_eq!(loading.expires_unix_ns, Some(7 + 10 * SECOND as i64));
    driver.models.abandon(RequestId(1), driver.now);
    assert_eq!(driver.names(), NOTHING, "nobody wants it any more");
}

#[test]
fn the_pool_shrinks_to_what_memory_holds_but_not_below_the_context() {
    // 32 keys of two bytes in each cell.
    let footprint = Footprint { weights: 40, keys: 32, ..Footprint::default() };
    let big = ModelRef { footprint, trained_context: 4096, ..model("a") };
    for (bytes, num_ctx, cells) in [
        (40 + 1000 * 64, 100, 1000),
        (40 + 999 * 64, 100, 500),
        (40 + 499 * 64, 100, 250),
        (10, 100, 100),
        (10, 3000, 3000),
        (10, 9_000_000, 4096),
        (1 << 40, 9_000_000, 4096),
    ] {
        let mut big = big.clone();
        big.load.num_ctx = num_ctx;
        let (plan, needed) = Room { bytes, ..room() }.plan(&big);
        assert_eq!((plan.cells, needed), (cells, 40 + u64::from(cells) * 64), "{bytes} bytes, num_ctx {num_ctx}");
    }
}

#[test]
fn contexts_are_clamped() {
    let room = Room { context: 0, ..room() };
    for (asked, default, trained, expected) in
        [(0, 0, 0, CONTEXT_DEFAULT), (0, 700, 0, 700), (900, 700, 0, 900), (900, 0, 256, 256), (1, 0, 256, 4)]
    {
        let options = LoadOptions { num_ctx: asked, ..LoadOptions::default() };
        assert_eq!(Room { context: default, ..room }.context(&options, trained), expected);
    }
}

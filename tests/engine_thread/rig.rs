//! An inference thread with everything around it, and a client for each core.

use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam::channel::{self, Receiver, Sender};
use llamero::engine::backend::{Backend, Batch, DecodeError, Facts, LoadPlan, Pos, SeqId, Vocabulary};
use llamero::engine::clock::monotonic_ns;
use llamero::engine::frames;
use llamero::engine::inference::{self, Inbox, Inference, Settings, Workers};
use llamero::engine::intake::read_core;
use llamero::engine::kv::KvCache;
use llamero::engine::loader::{LoadError, Loader};
use llamero::engine::models::Room;
use llamero::engine::synthetic::{Shape, SyntheticBackend};
use llamero::engine::templates::Templates;
use llamero::engine::wire::{
    Chat, Completion, Control, Count, Details, Dialect, Event, Framing, KeepAlive, LoadOptions, Loaded, ModelRef,
    Prompt, Reader, ReplyFormat, Sampling, StreamKey, Submit, ToEngine, Work, Writer,
};
use llamero::model::gguf::Footprint;
use llamero::stream::back::Outbox;
use llamero::stream::front::{CoreFront, Slot};
use llamero::stream::region::Region;
use llamero::stream::wake::Eventfd;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request for a greedy answer.
pub fn completion(prompt: &str, predict: i32) -> Work {
    Work::Complete(Box::new(Completion {
        prompt: Prompt::Raw(prompt.to_owned()),
        context: Vec::new(),
        reply_context: false,
        think: None,
        go_template: None,
        reader: Reader::Nobody,
        format: None,
        sampling: Sampling {
            temperature: 0.0,
            top_k: 40,
            top_p: 0.9,
            min_p: 0.0,
            typical_p: 1.0,
            repeat_last_n: 64,
            repeat_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            seed: Some(7),
        },
        stop: Vec::new(),
        num_predict: predict,
        num_keep: 4,
        truncate: true,
        shift: true,
        logprobs: false,
        top_logprobs: 0,
        render_only: false,
    }))
}

/// A conversation, each message a line of the prompt.
pub fn lines(messages: &serde_json::Value) -> Prompt {
    let writer = Writer::Given("{{ range .Messages }}{{ .Content }}\n{{ end }}".to_owned());
    Prompt::Chat(Chat { messages: messages.to_string(), tools: None, writer, is_native: true })
}

pub fn submit(stream: StreamKey, work: Work) -> Submit {
    Submit {
        stream,
        received_ns: monotonic_ns(),
        model: ModelRef {
            name: "m:latest".into(),
            digest: "0".repeat(64),
            path: "blob".into(),
            load: LoadOptions { num_gpu: -1, ..LoadOptions::default() },
            details: Details::default(),
            trained_context: 0,
            footprint: Footprint::default(),
        },
        keep_alive: None,
        reply: ReplyFormat { dialect: Dialect::Generate, framing: Framing::Chunked, model: "m".into() },
        work,
    }
}

/// What a client has got.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub framing: Framing,
    /// Without chunk lines.
    pub body: String,
    pub events: Vec<serde_json::Value>,
}

impl Reply {
    /// The text of all events.
    pub fn text(&self) -> String {
        let part = |event: &serde_json::Value| {
            let text = event["response"].as_str().or_else(|| event["message"]["content"].as_str());
            text.unwrap_or_default().to_owned()
        };
        self.events.iter().map(part).collect()
    }

    pub fn last(&self) -> &serde_json::Value {
        self.events.last().expect("a reply without events")
    }

    fn of(incoming: &Incoming) -> Self {
        let body = match incoming.framing {
            Framing::Chunked => unchunk(&incoming.bytes),
            Framing::Bare | Framing::Whole => incoming.bytes.clone(),
        };
        if incoming.framing == Framing::Whole && incoming.is_complete {
            assert_eq!(incoming.body_bytes, body.len() as u64, "Content-Length");
        }
        let body = String::from_utf8(body).expect("the body is UTF-8");
        let events = body.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
        Self { status: incoming.status, framing: incoming.framing, body, events }
    }
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while !bytes.is_empty() {
        let end = bytes.windows(2).position(|pair| pair == b"\r\n").expect("a chunk line");
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        body.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        assert_eq!(&bytes[end + 2 + size..end + 4 + size], b"\r\n");
        bytes = &bytes[end + 4 + size..];
    }
    body
}

struct Incoming {
    status: u16,
    framing: Framing,
    body_bytes: u64,
    bytes: Vec<u8>,
    is_complete: bool,
}

struct Core {
    socket: UnixStream,
    front: CoreFront,
    replies: HashMap<StreamKey, Incoming>,
    /// Slots that the client does not give back for now.
    held: Vec<Slot>,
}

/// See the head of this file.
pub struct Rig {
    cores: Vec<Core>,
    hold: bool,
    pub inbox: Sender<Inbox>,
    events: Receiver<Event>,
    models: Vec<Loaded>,
    /// How often the thread has asked for another engine.
    pub spent: usize,
    pub loader: Arc<TestLoader>,
    thread: Option<JoinHandle<()>>,
}

impl Rig {
    pub fn new(cores: usize, shape: Shape, change: impl FnOnce(&mut Settings)) -> Self {
        let region = Region::create(cores).unwrap();
        let wakes = (0..cores).map(|_| Eventfd::new().unwrap()).collect();
        let (inbox, letters) = channel::bounded(64);
        let (events, told) = channel::bounded(1024);
        let loader = Arc::new(TestLoader { shape, ..TestLoader::default() });
        let workers = Workers::start(2, &Arc::new(Templates::default()), loader.clone(), &inbox).unwrap();
        let room = Room {
            models: 0,
            bytes: u64::MAX,
            keep_alive: KeepAlive::For(300_000_000_000),
            context: 0,
            cells: 16384,
            batch_rows: 512,
            cache: KvCache::default(),
            load_timeout: 0,
        };
        let mut settings = Settings { room, parallel: 0, queue: 512, recycle: false };
        change(&mut settings);
        let outbox = Outbox::new(&region, wakes);
        let inference = Inference::new(settings, outbox, workers, events, Box::new(monotonic_ns));
        let thread = thread::spawn(move || inference::run(inference, &letters));
        let cores = (0..cores).map(|core| {
            let (near, far) = UnixStream::pair().unwrap();
            let inbox = inbox.clone();
            thread::spawn(move || read_core(core, far, &inbox));
            let front = CoreFront::new(region.clone(), core);
            let waker = near.try_clone().unwrap();
            front.on_starved(Box::new(move || frames::write(&mut &waker, &ToEngine::Wake).unwrap()));
            Core { socket: near, front, replies: HashMap::new(), held: Vec::new() }
        });
        Self {
            cores: cores.collect(),
            hold: false,
            inbox: inbox.clone(),
            events: told,
            models: Vec::new(),
            spent: 0,
            loader,
            thread: Some(thread),
        }
    }

    pub fn send(&mut self, core: usize, message: &ToEngine) {
        frames::write(&mut self.cores[core].socket, message).unwrap();
    }

    /// Whether clients keep the slots that they get.
    pub fn hold_slots(&mut self, hold: bool) {
        self.hold = hold;
        if !hold {
            self.cores.iter_mut().for_each(|core| core.held.clear());
        }
    }

    /// Reads what has come on all cores.
    fn drain(&mut self) {
        for core in &mut self.cores {
            let Core { front, replies, held, .. } = core;
            let take = |stream, slot: Slot| {
                let head = slot.head();
                let incoming = replies.entry(stream).or_insert_with(|| {
                    assert!(head.is_first(), "stream {stream} does not begin with its first slot");
                    let (status, framing, body_bytes) = (head.status, head.framing, head.body_bytes);
                    Incoming { status, framing, body_bytes, bytes: Vec::new(), is_complete: false }
                });
                assert!(!incoming.is_complete, "a slot of stream {stream} after its last");
                incoming.bytes.extend_from_slice(slot.bytes());
                incoming.is_complete = head.is_last();
                if self.hold {
                    held.push(slot);
                }
            };
            front.drain(take).unwrap();
        }
    }

    pub fn drain_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.drain();
            thread::sleep(Duration::from_micros(50));
        }
    }

    fn until<T>(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            self.drain();
            if let Some(result) = done(self) {
                return result;
            }
            assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
            thread::sleep(Duration::from_micros(100));
        }
    }

    /// The complete reply to a request.
    pub fn reply(&mut self, core: usize, stream: StreamKey) -> Reply {
        self.until(&format!("the reply to {stream}"), |rig| {
            rig.cores[core].replies.get(&stream).is_some_and(|incoming| incoming.is_complete).then_some(())
        });
        self.last_reply(core, stream)
    }

    pub fn last_reply(&self, core: usize, stream: StreamKey) -> Reply {
        Reply::of(&self.cores[core].replies[&stream])
    }

    pub fn reply_so_far(&mut self, core: usize, stream: StreamKey) -> Option<Reply> {
        self.drain();
        self.cores[core].replies.get(&stream).map(Reply::of)
    }

    pub fn count(&mut self) -> Count {
        self.inbox.send(Inbox::Control(Control::Count)).unwrap();
        self.until("a count", |rig| {
            while let Ok(event) = rig.events.try_recv() {
                match event {
                    Event::Count(count) => return Some(count),
                    Event::Models(models) => rig.models = models,
                    Event::Ready => {}
                    Event::Spent => rig.spent += 1,
                }
            }
            None
        })
    }

    pub fn count_when(&mut self, wanted: impl Fn(&Count) -> bool) -> Count {
        let start = Instant::now();
        loop {
            let count = self.count();
            if wanted(&count) {
                return count;
            }
            assert!(start.elapsed() < PATIENCE, "it stays at {count:?}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// The list of loaded models, when it looks as wanted.
    pub fn models_when(&mut self, wanted: impl Fn(&[Loaded]) -> bool) -> Vec<Loaded> {
        let start = Instant::now();
        loop {
            self.count();
            if wanted(&self.models) {
                return self.models.clone();
            }
            assert!(start.elapsed() < PATIENCE, "the models stay at {:?}", self.models);
        }
    }

    /// Waits until the thread has asked for another engine this often.
    pub fn until_spent(&mut self, times: usize) {
        let start = Instant::now();
        while self.spent < times {
            assert!(start.elapsed() < PATIENCE, "asked {} times", self.spent);
            self.count();
            thread::sleep(Duration::from_millis(1));
        }
    }

    pub fn drop_replies(&mut self) {
        self.cores.iter_mut().for_each(|core| core.replies.clear());
    }

    /// Waits for the end of the thread; the last thing it told.
    pub fn until_ended(&mut self) -> Option<Event> {
        self.thread.take().unwrap().join().unwrap();
        self.events.try_iter().last()
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.loader.let_go(Ok(()));
        let _ = self.inbox.send(Inbox::Control(Control::Stop));
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            assert!(ended.is_ok() || thread::panicking());
        }
    }
}

/// Loads synthetic models, when it is allowed to.
#[derive(Default)]
pub struct TestLoader {
    shape: Shape,
    loads: AtomicUsize,
    stopped: AtomicUsize,
    steps_left: Arc<AtomicUsize>,
    limits_steps: AtomicUsize,
    /// Whether waiting loads keep quiet.
    silent: AtomicUsize,
    held: Mutex<bool>,
    result: Mutex<Option<LoadError>>,
    turns: Arc<Mutex<Vec<usize>>>,
    changed: Condvar,
}

impl TestLoader {
    /// Loads wait from now on.
    pub fn hold(&self) {
        *self.held.lock().unwrap() = true;
    }

    /// Loads wait from now on and make no progress: as in a read that does not come back.
    pub fn hold_silently(&self) {
        self.silent.store(1, Ordering::SeqCst);
        self.hold();
    }

    /// Loads go on, to this end.
    pub fn let_go(&self, result: Result<(), LoadError>) {
        *self.result.lock().unwrap() = result.err();
        *self.held.lock().unwrap() = false;
        self.changed.notify_all();
    }

    /// Which model made each step so far; the one loaded first is 1.
    pub fn turns(&self) -> Vec<usize> {
        self.turns.lock().unwrap().clone()
    }

    pub fn loads(&self) -> usize {
        self.loads.load(Ordering::SeqCst)
    }

    /// Waits until this many loads were stopped.
    pub fn until_stopped(&self, count: usize) {
        let start = Instant::now();
        while self.stopped.load(Ordering::SeqCst) < count {
            assert!(start.elapsed() < PATIENCE, "the load is not stopped");
            thread::sleep(Duration::from_micros(100));
        }
    }

    /// Steps of all models together that succeed from now on.
    pub fn fail_steps_after(&self, count: usize) {
        self.limits_steps.store(1, Ordering::SeqCst);
        self.steps_left.store(count, Ordering::SeqCst);
    }
}

impl Loader for TestLoader {
    fn load(&self, plan: &LoadPlan, keep_going: &dyn Fn(f32) -> bool) -> Result<Box<dyn Backend>, LoadError> {
        let number = self.loads.fetch_add(1, Ordering::SeqCst) + 1;
        let mut held = self.held.lock().unwrap();
        while *held {
            if self.silent.load(Ordering::SeqCst) == 0 && !keep_going(0.5) {
                self.stopped.fetch_add(1, Ordering::SeqCst);
                return Err(LoadError::Stopped);
            }
            held = self.changed.wait_timeout(held, Duration::from_millis(1)).unwrap().0;
        }
        drop(held);
        if let Some(error) = self.result.lock().unwrap().take() {
            return Err(error);
        }
        let shape = Shape { cells: plan.cells, ..self.shape };
        let model = SyntheticBackend::new(shape);
        if self.limits_steps.load(Ordering::SeqCst) == 0 {
            self.steps_left.store(usize::MAX, Ordering::SeqCst);
        }
        Ok(Box::new(Watched { model, number, turns: self.turns.clone(), steps_left: self.steps_left.clone() }))
    }
}

/// A model that tells when it steps, and fails when its steps are used up.
struct Watched {
    model: SyntheticBackend,
    number: usize,
    turns: Arc<Mutex<Vec<usize>>>,
    steps_left: Arc<AtomicUsize>,
}

impl Backend for Watched {
    fn facts(&self) -> &Facts {
        self.model.facts()
    }

    fn vocabulary(&self) -> Arc<dyn Vocabulary> {
        self.model.vocabulary()
    }

    fn decode(&mut self, batch: &Batch) -> Result<(), DecodeError> {
        self.turns.lock().unwrap().push(self.number);
        let left = self.steps_left.load(Ordering::SeqCst);
        if left == 0 {
            return Err(DecodeError::Failed(-3));
        }
        if left < usize::MAX {
            self.steps_left.store(left - 1, Ordering::SeqCst);
        }
        self.model.decode(batch)
    }

    fn logits(&mut self, row: usize) -> &mut [f32] {
        self.model.logits(row)
    }

    fn remove(&mut self, sequence: SeqId, from: Pos, to: Pos) {
        self.model.remove(sequence, from, to);
    }

    fn shift(&mut self, sequence: SeqId, from: Pos, to: Pos, delta: Pos) {
        self.model.shift(sequence, from, to, delta);
    }
}

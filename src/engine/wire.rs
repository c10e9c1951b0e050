//! What front and engine say to each other: requests going in; frames come out through the region (`stream`).
//!
//! Each network core has a socket of its own to the engine, on which it sends [`ToEngine`]. One more socket joins the
//! supervisor with the engine: [`Control`] in, [`Event`] out. Every message is a little-endian `u32` length and a
//! postcard body of at most [`crate::config::limits::WIRE_MESSAGE_BYTES`].

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::kv::KvCache;
use crate::model::Think;
use crate::model::gguf::Footprint;

/// Names one reply on the core that asked for it. A key is never used twice on a core.
pub type StreamKey = u64;

/// From a network core to the engine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToEngine {
    /// A new request; its answer comes through the region under its key.
    Submit(Box<Submit>),
    /// The client has gone: free the sequence. No slot with this key comes after the one marked last.
    Cancel(StreamKey),
    /// The client is behind: decode no further until `Resume`.
    Pause(StreamKey),
    /// The client has caught up.
    Resume(StreamKey),
    /// Slots came back to an engine that had marked this core as starved.
    Wake,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Submit {
    /// Where the answer goes.
    pub stream: StreamKey,
    /// When the handler got it, `CLOCK_MONOTONIC` in nanoseconds: `total_duration` and `load_duration` count from here.
    pub received_ns: u64,
    /// The model that it asks for.
    pub model: ModelRef,
    /// How long the model stays after this request; `None`: as before (sticky).
    pub keep_alive: Option<KeepAlive>,
    /// How the answer is written.
    pub reply: ReplyFormat,
    /// What to do.
    pub work: Work,
}

/// A model in the store, resolved by the front.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelRef {
    /// Display name with tag, as `ps` shows it.
    pub name: String,
    /// Hex digest of the manifest, as `ps` shows it.
    pub digest: String,
    /// The GGUF blob. Two names with the same blob share a loaded model.
    pub path: PathBuf,
    /// Loader options: defaults, the model's parameters and the request merged.
    pub load: LoadOptions,
    /// What `ps` shows of it: family, parameter size and so on.
    pub details: Details,
    /// Context length that it was trained with, in tokens; 0: not known.
    pub trained_context: u32,
    /// What it takes in memory.
    pub footprint: Footprint,
}

/// The `details` object of `tags` and `ps`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// Name of the model that this one was made from.
    pub parent_model: String,
    /// `gguf`.
    pub format: String,
    /// `general.architecture`.
    pub family: String,
    /// All architectures in it; `None` is written as null.
    pub families: Option<Vec<String>>,
    /// `1.1M`, `7.2B`.
    pub parameter_size: String,
    /// `F16`, `Q4_K_M`.
    pub quantization_level: String,
}

/// Loader options that a request or a model may set (the behaviour page, section 2.8).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadOptions {
    /// Context length that is asked for; 0: the server's default. A cap on the request, not a size of the pool.
    pub num_ctx: u32,
    /// Rows of a batch; 0: chosen.
    pub num_batch: u32,
    /// Layers on the GPU; below 0: all.
    pub num_gpu: i32,
    /// GPU for a model that is not split.
    pub main_gpu: Option<i32>,
    /// Map the file; `None`: yes.
    pub use_mmap: Option<bool>,
    /// CPU threads; 0: one per core.
    pub num_thread: u32,
}

/// How long a model stays loaded after its last request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeepAlive {
    /// Until it is evicted or the server stops.
    Forever,
    /// This many nanoseconds; 0: unload at once.
    For(u64),
}

/// Which API's frames to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dialect {
    /// `/api/generate`: the text is `response`.
    Generate,
    /// `/api/chat`: the text is `message.content`.
    Chat,
}

/// How a reply's bytes are put on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Framing {
    /// Events as they come, each in an HTTP chunk; the last slot ends with the last chunk.
    Chunked,
    /// Events as they come, bare: HTTP/1.0, where closing the connection ends the body.
    Bare,
    /// One object when all is done, with a Content-Length.
    Whole,
}

/// How the answer is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyFormat {
    /// Whose frames.
    pub dialect: Dialect,
    /// How they go on the wire. Errors before the first event, and load and unload replies, are always `Whole`.
    pub framing: Framing,
    /// `model` as the client wrote it, echoed in every frame.
    pub model: String,
}

/// What a request wants done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Work {
    /// Load the model and say so.
    Load,
    /// Unload it when its running requests have ended; the reply does not wait.
    Unload,
    /// Answer a prompt.
    Complete(Box<Completion>),
    /// Frames without a model, from the engine's own clock: measures everything but the model.
    Synthetic(Synthetic),
}

/// A stream of made-up tokens: tests and benches of the path from the engine to the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Synthetic {
    /// Events to send.
    pub events: u32,
    /// Time between two events of this stream, in microseconds; 0: as fast as the loop turns.
    pub interval_us: u32,
    /// Bytes of text in each.
    pub text_bytes: u16,
}

/// A prompt and how to go on from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// What to go on from.
    pub prompt: Prompt,
    /// Tokens put in front of the prompt (`context` of `/api/generate`).
    pub context: Vec<i32>,
    /// Whether the final event carries `context` (generate, not raw).
    pub reply_context: bool,
    /// What the template is told about thinking; `None`: nothing.
    #[serde(with = "think_code")]
    pub think: Option<Think>,
    /// The model's Go template, where `prompt` or `reader` has a use for it.
    pub go_template: Option<String>,
    /// Who tells thinking, calls and content apart in the answer.
    pub reader: Reader,
    /// What shape the answer must have; `None`: any.
    pub format: Option<Format>,
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// Texts that end the answer.
    pub stop: Vec<String>,
    /// Most tokens to answer with; below 0: up to ten times the context.
    pub num_predict: i32,
    /// Tokens at the front of the prompt that a shift keeps.
    pub num_keep: i32,
    /// Cut a prompt that is too long, or refuse it.
    pub truncate: bool,
    /// Make room by dropping the older half when the context is full, or end with `length`.
    pub shift: bool,
    /// Report log probabilities.
    pub logprobs: bool,
    /// Alternatives beside each token, at most [`crate::config::limits::TOP_LOGPROBS_MAX`].
    pub top_logprobs: u8,
    /// Answer with the rendered prompt instead of running it (`_debug_render_only`).
    pub render_only: bool,
}

/// What to go on from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Prompt {
    /// As it is: no template (`raw`).
    Raw(String),
    /// Two texts, and the answer goes between them.
    Gap(Gap),
    /// A conversation.
    Chat(Chat),
}

/// What is to be filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// In front of the gap.
    pub prompt: String,
    /// Behind it.
    pub suffix: String,
    /// Go templates only; with [`Writer::Gguf`] the model's own tokens for it.
    pub writer: Writer,
    /// The model's full name, for its refusal.
    pub model: String,
}

/// A conversation for a template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chat {
    /// A JSON array of messages; the system message is among them.
    pub messages: String,
    /// A JSON array of tools; `None` where the request names none at all.
    pub tools: Option<String>,
    /// Who writes the prompt.
    pub writer: Writer,
    /// Ollama would leave this conversation to its engine, as it does in chat with Jinja: a prompt that is too long for
    /// its last message loses no middle but is refused, and a `num_predict` of 0 means none.
    pub is_native: bool,
}

/// Who makes a prompt of messages (the behaviour page, section 7.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Writer {
    /// A built-in renderer.
    BuiltIn(String),
    /// The model's Go template ([`Completion::go_template`]), or Ollama's default where it has none.
    Go,
    /// A Go template of the request.
    Given(String),
    /// The Jinja template in the GGUF, or `ChatML` where it has none.
    Gguf,
}

/// Who reads an answer (the behaviour page, sections 2.3, 2.5 and 7.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reader {
    /// Nobody: it is content as it is.
    Nobody,
    /// A built-in parser.
    BuiltIn(String),
    /// The tags that the model's Go template shows.
    Go,
    /// What the Jinja template in the GGUF shows.
    Gguf,
}

/// `think` as one number: the messages here do not tell their types.
mod think_code {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::model::think::{Level, Think};

    const CODES: [Option<Think>; 7] = [
        None,
        Some(Think::Off),
        Some(Think::On),
        Some(Think::Level(Level::Low)),
        Some(Think::Level(Level::Medium)),
        Some(Think::Level(Level::High)),
        Some(Think::Level(Level::Max)),
    ];

    #[expect(clippy::trivially_copy_pass_by_ref, clippy::ref_option, reason = "serde hands the field over")]
    pub fn serialize<S: Serializer>(think: &Option<Think>, serializer: S) -> Result<S::Ok, S::Error> {
        let code = CODES.iter().position(|known| known == think).unwrap_or_default();
        (code as u8).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Think>, D::Error> {
        let code = u8::deserialize(deserializer)?;
        CODES.get(usize::from(code)).copied().ok_or_else(|| serde::de::Error::custom("no such level of thinking"))
    }
}

/// The shape of an answer (the behaviour page, section 2.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    /// Any JSON object.
    Json,
    /// JSON that this schema describes, a JSON object of at most [`crate::config::limits::SCHEMA_BYTES`].
    Schema(String),
}

/// How tokens are chosen (the behaviour page, section 2.8). Values are already clamped.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// 0: greedy.
    pub temperature: f32,
    /// 0 or less: all.
    pub top_k: i32,
    /// 1: all.
    pub top_p: f32,
    /// 0: all.
    pub min_p: f32,
    /// 1: all.
    pub typical_p: f32,
    /// Tokens looked back at by the penalties; 0: off, -1: the whole context.
    pub repeat_last_n: i32,
    /// 1: off.
    pub repeat_penalty: f32,
    /// 0: off.
    pub presence_penalty: f32,
    /// 0: off.
    pub frequency_penalty: f32,
    /// `None`: drawn by the engine.
    pub seed: Option<u32>,
}

/// How an engine shall run: the environment's settings, resolved by the front.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EngineSettings {
    /// `OLLAMA_NUM_PARALLEL`: most running sequences of a model; 0: what memory holds.
    pub parallel: u32,
    /// `OLLAMA_MAX_LOADED_MODELS`; 0: what memory holds.
    pub loaded_models: u32,
    /// `OLLAMA_MAX_QUEUE`: requests that may wait for admission.
    pub queue: u32,
    /// `OLLAMA_CONTEXT_LENGTH`: context of a request that asks for none; 0: chosen by the device's memory.
    pub context: u32,
    /// `OLLAMA_KEEP_ALIVE`: how long a model stays when no request says so.
    pub keep_alive: KeepAlive,
    /// `OLLAMA_FLASH_ATTENTION` and `OLLAMA_KV_CACHE_TYPE`.
    pub cache: KvCache,
    /// `OLLAMA_LOAD_TIMEOUT` in nanoseconds; 0: without limit.
    pub load_timeout: u64,
    /// Whether the engine asks for another in its place when it is spent: a process does.
    pub recycle: bool,
}

/// From the supervisor to the engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Control {
    /// How to run. The first message, sent once.
    Start(EngineSettings),
    /// Finish: running sequences end with an error, the process exits.
    Stop,
    /// What the engine holds, asked for by tests and metrics; answered by [`Event::Count`].
    Count,
}

/// From the engine to the supervisor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Ready for requests.
    Ready,
    /// Nothing is in hand, and a fresh engine would have memory back that this one has not: it may be replaced. Told again
    /// while it lasts.
    Spent,
    /// The loaded models, whole, each time something about them changed.
    Models(Vec<Loaded>),
    /// Answer to [`Control::Count`].
    Count(Count),
}

/// A line of `ps`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// Which.
    pub model: ModelRef,
    /// Bytes it takes, weights, KV and compute buffers together.
    pub bytes: u64,
    /// How many of them on GPUs.
    pub gpu_bytes: u64,
    /// Context length of one request.
    pub context: u32,
    /// When it goes, Unix time in nanoseconds; `None`: never. While requests run, as if they ended now.
    pub expires_unix_ns: Option<i64>,
    /// It goes as soon as its running requests end.
    pub stopping: bool,
}

/// What the engine holds right now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// Sequences that run.
    pub running: u32,
    /// Requests that wait.
    pub waiting: u32,
    /// KV cells in use, all models together.
    pub cells: u64,
    /// Slots of the region that lie with the engine or on their way, all cores together.
    pub slots_free: u64,
    /// Decode steps so far.
    pub steps: u64,
}

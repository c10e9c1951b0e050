//! Every bound in the program, one group per room, each with its reason.
//!
//! Past a limit the client gets a clear error in Ollama's shape and nothing is lost or leaked. Names end in their
//! kind: `_MAX` counts, `_BYTES` sizes, `_MS` times. Relations between them are asserted at compile time below each group.

// ---- http: RFC 9112 -------------------------------------------------------------------------------------------

/// Longest method: twice the longest of the ones that are registered (`UPDATEREDIRECTREF`, 17).
pub const METHOD_BYTES: usize = 34;
/// Longest request target. RFC 9112 section 3 asks for at least 8000 octets.
pub const TARGET_BYTES: usize = 8 * 1024;
/// Longest request head, from the method to the empty line.
pub const HEAD_BYTES: usize = 64 * 1024;
/// Most header fields in one request.
pub const FIELDS_MAX: usize = 128;
/// Longest chunk-size line, extensions included: nobody needs them, and they are unbounded in the grammar.
pub const CHUNK_LINE_BYTES: usize = 256;
/// Longest trailer section of a chunked body; trailers are read and ignored.
pub const TRAILER_BYTES: usize = 16 * 1024;
/// Largest JSON body. A chat with images in base64 has to fit.
pub const JSON_BODY_BYTES: u64 = 256 * 1024 * 1024;

const _: () = assert!(TARGET_BYTES < HEAD_BYTES && TRAILER_BYTES < HEAD_BYTES);

// ---- json -----------------------------------------------------------------------------------------------------

/// Deepest nesting of arrays and objects in a request.
pub const JSON_DEPTH_MAX: usize = 128;
/// Most values and keys in a request, all levels together: each takes 24 bytes of tape, a body of `[1,1,1…` ten times
/// its own size.
pub const JSON_VALUES_MAX: usize = 4 * 1024 * 1024;
/// Longest error text: what a client sent is repeated in it, and that may be megabytes.
pub const ERROR_TEXT_BYTES: usize = 4 * 1024;
/// Things told to the log about the options of one request: a client may send any number of unknown ones.
pub const OPTION_NOTICES_MAX: usize = 16;

// ---- net ------------------------------------------------------------------------------------------------------

/// Open connections of one network core; one more is accepted and closed at once.
pub const CONNECTIONS_PER_CORE_MAX: usize = 16 * 1024;
/// Read buffer of a connection: grows to hold a head, and shrinks back to this between requests.
pub const READ_BUFFER_BYTES: usize = 16 * 1024;
/// A head or a body that makes no progress for this long gets 408.
pub const READ_STALL_MS: u64 = 30_000;
/// An idle keep-alive connection is closed after this long.
pub const IDLE_MS: u64 = 180_000;
/// A client that takes no bytes for this long, while there are some for it, is cut off and its sequence cancelled.
pub const WRITE_STALL_MS: u64 = 30_000;
/// How often the deadlines of a core's connections are looked at.
pub const SWEEP_MS: u64 = 100;
/// Streams that still run this long after SIGTERM are cut.
pub const DRAIN_MS: u64 = 30_000;

const _: () = assert!(READ_BUFFER_BYTES <= HEAD_BYTES && SWEEP_MS * 10 <= READ_STALL_MS);

/// Pieces of an upload: each is hashed by a worker while the ring writes it, and the next one is received meanwhile. Larger
/// ones leave the processor's second cache between these three; smaller ones wake a worker more often than they must.
pub const UPLOAD_PIECE_BYTES: usize = 256 * 1024;
/// Most that one read of a chunked upload takes in.
pub const UPLOAD_READ_BYTES: usize = 64 * 1024;
/// Uploads that one core receives at once, with two pieces each; one more is told to try again.
pub const UPLOADS_PER_CORE_MAX: usize = 256;

const _: () = assert!(UPLOAD_READ_BYTES <= UPLOAD_PIECE_BYTES && READ_BUFFER_BYTES <= UPLOAD_READ_BYTES);

/// Jobs that tell their steps (`create`) at once, each with a thread; one more is told to try again.
pub const LONG_JOBS_MAX: usize = 16;

// ---- stream: the shared region ---------------------------------------------------------------------------------

/// Network cores that one region can serve.
pub const CORES_MAX: usize = 16;
/// Bytes of one slot, its header included. A token event is 120 to 200 bytes; a final one with its context spans several.
pub const SLOT_BYTES: usize = 1024;
/// Slots of one core: 1,024 streams may each have four events under way. A power of two, for the ring's mask.
pub const SLOTS_PER_CORE: usize = 4096;
/// Slots that one slow client may hold before its events go to its spill.
pub const SLOTS_PER_STREAM_MAX: usize = 32;
/// A slow client's spill. At half of it its sequence is asked to pause; what still comes when it is full waits in its
/// slots, until the client takes it or its deadline passes.
pub const SPILL_BYTES: usize = 256 * 1024;
/// Text and log probabilities of a reply that is not streamed collect in the engine: past this it ends with an error.
/// With 20 alternatives beside each token that is some 75,000 tokens; without any, more than a context holds.
pub const WHOLE_REPLY_BYTES: usize = 128 * 1024 * 1024;
/// Streams of one core that are under way at once.
pub const STREAMS_PER_CORE_MAX: usize = CONNECTIONS_PER_CORE_MAX;

const _: () = assert!(SLOTS_PER_CORE.is_power_of_two() && SLOT_BYTES.is_multiple_of(64));
const _: () = assert!(SLOTS_PER_STREAM_MAX * 2 <= SLOTS_PER_CORE);

// ---- engine ---------------------------------------------------------------------------------------------------

/// Largest message on the socket between front and engine: a whole JSON body and what we add to it, which may be the
/// model's template, system message and messages.
pub const WIRE_MESSAGE_BYTES: usize = JSON_BODY_BYTES as usize + 4 * LAYER_TEXT_BYTES as usize;
/// llama.cpp's `LLAMA_MAX_SEQ`: ids that running sequences and (later) cached prefixes share.
pub const SEQUENCES_MAX: usize = 256;
/// Sequence ids of a model with recurrent layers (Mamba and its hybrids): llama.cpp keeps a whole state for each id,
/// 21 MiB in a model of 2.8B parameters, whether it is used or not.
pub const RECURRENT_SEQUENCES_MAX: usize = 16;
/// Cells of one KV pool: 256 sequences of 256k tokens. Keeps every count of cells inside llama.cpp's `int32_t`.
pub const POOL_CELLS_MAX: u32 = 1 << 26;
/// Longest line of llama.cpp's log that is put together from its pieces.
pub const LOG_LINE_BYTES: usize = 16 * 1024;
/// Requests that wait for admission, unless `OLLAMA_MAX_QUEUE` says otherwise.
pub const QUEUE_DEFAULT: usize = 512;
/// Tokens of prefill in one step beside running decodes: the longest that a running stream is held up.
pub const PREFILL_CHUNK_TOKENS: usize = 512;
/// Longest rest of a prompt for which steps keep to the rows that the kernels compute one by one. Longer ones are worth the
/// faster kernels for many rows, whose results depend on the company a little.
pub const PLAIN_PREFILL_TOKENS: usize = 256;
/// Context of a request that asks for none, where neither the settings nor the device's memory say otherwise.
pub const CONTEXT_DEFAULT: u32 = 4096;
/// Smallest context of a request (the behaviour page, section 2.8).
pub const CONTEXT_MIN: usize = 4;
/// Cells kept back at admission for each running sequence to grow into. Fewer: newcomers are thrown out again and computed
/// twice; more: the pool stays emptier than it has to.
pub const ADMISSION_RESERVE_CELLS: usize = 32;
/// Cells of sequences that left which stay occupied while others run, so that these compute what they would alone. Each
/// costs some nanoseconds per row and layer of every step.
pub const DEPARTED_CELLS_MAX: usize = 2048;
/// Requests whose prompt is being made or waits for a worker; one more is refused as if the queue were full.
pub const PREPARING_MAX: usize = 4096;
/// Messages on their way to the inference thread; a sender that finds no room waits.
pub const INBOX_MAX: usize = 1024;
/// Messages on their way from the inference thread to the supervisor.
pub const EVENTS_MAX: usize = 256;
/// Pause before an engine that could not be replaced asks again.
pub const SPENT_AGAIN_MS: u64 = 100;
/// How long a core may take to say whether it can change engines; it takes a microsecond unless the machine is busy.
pub const HANDOVER_MS: u64 = 500;
/// Models loaded at once.
pub const LOADED_MODELS_MAX: usize = 64;
/// Cells of a model's KV pool when nothing says otherwise: sixteen streams of a thousand tokens. More cells cost memory
/// and the time to clear it at load; fewer make requests wait.
pub const POOL_CELLS_DEFAULT: u32 = 16 * 1024;
/// Compiled chat templates that are kept, the least recently used out first.
pub const TEMPLATES_MAX: usize = 64;
/// Tokens of a prompt or an answer of `bench`.
pub const BENCH_TOKENS_MAX: i64 = 1 << 20;
/// Stop strings of one request, and the bytes of each.
pub const STOPS_MAX: usize = 64;
/// Longest stop string: text that may be its beginning is held back, so it bounds what a stream can lag.
pub const STOP_BYTES: usize = 1024;
/// Most alternatives listed beside each token (the behaviour page, section 1.10).
pub const TOP_LOGPROBS_MAX: u8 = 20;

/// Longest schema of an answer. The largest that people send describe whole APIs and have some tens of kilobytes.
pub const SCHEMA_BYTES: usize = 256 * 1024;
/// Stack of a thread that compiles a schema: the compiler follows references by recursion, and that is as much as a
/// schema of [`SCHEMA_BYTES`] can make it take. Only what is used becomes memory.
pub const SCHEMA_STACK_BYTES: usize = 256 * 1024 * 1024;
/// Compiled schemas that are kept for each model, the least recently used out first.
pub const GRAMMARS_MAX: usize = 64;
/// Work on making one grammar, in llguidance's units: some 20 ms.
pub const GRAMMAR_FUEL: u64 = 1_000_000;
/// Symbols of one grammar; a schema of [`SCHEMA_BYTES`] has some 50,000.
pub const GRAMMAR_SYMBOLS_MAX: usize = 200_000;
/// Work on one mask, in llguidance's units: some 15 ms. An answer that wants more ends with an error.
pub const MASK_FUEL: u64 = 200_000;
/// States of the lexer of one answer, one to two kilobytes each.
pub const MASK_STATES_MAX: usize = 50_000;
/// Bytes of a number in an answer; from there on it ends where it may. More digits than a 64-bit float has mean nothing.
pub const NUMBER_BYTES_MAX: usize = 15;
/// Longest piece of a token that grammars know: llguidance's trie has a depth of 1,024.
pub const TRIE_PIECE_BYTES: usize = 512;

const _: () = assert!(RECURRENT_SEQUENCES_MAX <= SEQUENCES_MAX && POOL_CELLS_MAX <= i32::MAX as u32);

// ---- model and store --------------------------------------------------------------------------------------------

/// Largest blob that may be uploaded: sixteen times the largest models of today.
pub const BLOB_BYTES_MAX: u64 = 16 << 40;
/// Longest manifest or config file that is read.
pub const MANIFEST_BYTES: u64 = 4 * 1024 * 1024;
/// Layers of one manifest: models made of safetensors have one for each tensor.
pub const LAYERS_MAX: usize = 16 * 1024;
/// Longest template, system, params or messages layer that is kept in memory with its model.
pub const LAYER_TEXT_BYTES: u64 = 4 * 1024 * 1024;
/// Manifests and folders that are looked at below the folder of manifests; what is beyond is left out, with a log line.
pub const MANIFESTS_MAX: usize = 64 * 1024;
/// A file that changed less than this long ago may change again without a new time stamp, so it is read again.
pub const STAMP_SETTLE_MS: u64 = 2_000;
/// Longest wait for another server that writes to the same store: a manifest takes milliseconds.
pub const STORE_LOCK_MS: u64 = 10_000;
/// When to look again for what a killed server left behind, each after the one before: the kernel takes a process apart
/// with the locks of its files in its own time.
pub const LEFT_OVER_PAUSES_MS: &[u64] = &[200, 1_000, 10_000, 60_000];
/// A blob without a manifest is removed at start when it is older than this: a create follows its upload within the hour
/// (the behaviour page, section 4).
pub const PRUNE_AGE_MS: u64 = 3_600_000;
/// Longest GGUF header: key-values and tensor table. Vocabularies of 256k tokens need about 10 MiB.
pub const GGUF_HEADER_BYTES: u64 = 256 * 1024 * 1024;
/// Key-value pairs of a GGUF.
pub const GGUF_KEYS_MAX: u64 = 64 * 1024;
/// Tensors of a GGUF.
pub const GGUF_TENSORS_MAX: u64 = 256 * 1024;
/// Elements of one array in a GGUF header.
pub const GGUF_ARRAY_MAX: u64 = 16 * 1024 * 1024;
/// Longest string in a GGUF header (chat templates have reached 100 KiB).
pub const GGUF_STRING_BYTES: u64 = 8 * 1024 * 1024;
/// Longest name of a key in a GGUF: what its format allows.
pub const GGUF_NAME_BYTES: u64 = 64 * 1024;
/// Longest name of a tensor in a GGUF: ggml's `GGML_MAX_NAME`, less the zero at its end.
pub const GGUF_TENSOR_NAME_BYTES: u64 = 63;
/// Largest `general.alignment`; 32 is the usual one.
pub const GGUF_ALIGNMENT_MAX: u32 = 1024 * 1024;
/// Layers of a model: llama.cpp's `LLAMA_MAX_LAYERS`, for which it keeps arrays of fixed length.
pub const GGUF_LAYERS_MAX: u64 = 512;
/// Longest context that a model may say it was trained with: positions are an `int32_t` in llama.cpp.
pub const GGUF_CONTEXT_MAX: u64 = i32::MAX as u64;
/// Longest embedding of a token: 64 times that of the largest models, and products of two still fit 64 bits.
pub const GGUF_EMBEDDING_MAX: u64 = 1024 * 1024;
/// Commands of one Modelfile. Examples of conversations have some hundreds; each takes 80 bytes besides its text.
pub const MODELFILE_COMMANDS_MAX: usize = 64 * 1024;

const _: () = assert!(GGUF_NAME_BYTES <= GGUF_STRING_BYTES && GGUF_STRING_BYTES <= GGUF_HEADER_BYTES);
const _: () = assert!(GGUF_TENSOR_NAME_BYTES <= GGUF_NAME_BYTES);

// ---- worker: the child that loads and quantizes files -----------------------------------------------------------

/// Jobs of one kind that wait for the worker before them; one more is refused. Each probe takes seconds, each quantizing
/// minutes.
pub const WORKER_QUEUE_MAX: usize = 32;
/// Longest job that a worker reads: names of files and numbers.
pub const WORKER_JOB_BYTES: u64 = 16 * 1024;
/// Longest line that is read from a worker, be it an event or a line of its log; what is beyond is dropped.
pub const WORKER_LINE_BYTES: usize = 16 * 1024;
/// Lines of a worker's log that are kept until it ends, for the reason of its death.
pub const WORKER_LAST_LINES: usize = 32;
/// Longest reason that a worker gives for a refusal.
pub const WORKER_REASON_BYTES: usize = 1024;
/// Memory that a worker may write to, besides the length of its file: vocabularies of 256k tokens take 200 MiB, the graph of
/// a large model about as much, and the allocator sets 1 GiB aside.
pub const WORKER_MEMORY_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// Stack of each thread of a probe: one checks each weight, so a thousand of them fit into the above.
pub const PROBE_STACK_BYTES: usize = 512 * 1024;
/// Files that a worker may have open.
pub const WORKER_FILES_MAX: u64 = 64;
/// Time that a probe may take, besides its file's share.
pub const PROBE_MS: u64 = 60_000;
/// A probe reads the file once or twice: 10 MB/s is a disk that is busy with something else.
pub const PROBE_BYTES_PER_MS: u64 = 10_000;
/// Cells of a probe's context: the least that llama.cpp makes.
pub const PROBE_CELLS: u32 = 256;
/// Threads of a probe, which computes a handful of tokens.
pub const PROBE_THREADS_MAX: usize = 4;
/// Time that quantizing may take, besides its file's share.
pub const QUANTIZE_MS: u64 = 600_000;
/// The slowest types manage 4 MB/s of 16-bit weights on one core; this leaves an eighth of it.
pub const QUANTIZE_BYTES_PER_MS: u64 = 500;
/// Weights that are in memory at once while they are quantized. More cost memory, fewer make its threads wait.
pub const QUANTIZE_BUFFER_BYTES: usize = 256 * 1024 * 1024;
/// Largest verdict that is read from the store.
pub const VERDICT_BYTES: u64 = 16 * 1024;

const _: () = assert!(WORKER_REASON_BYTES * 6 < WORKER_LINE_BYTES && (WORKER_REASON_BYTES as u64) * 6 < VERDICT_BYTES);
const _: () = assert!((QUANTIZE_BUFFER_BYTES as u64) * 2 <= WORKER_MEMORY_BYTES);

// ---- prompt ---------------------------------------------------------------------------------------------------

/// Longest text that a chat template may render.
pub const PROMPT_BYTES: usize = 64 * 1024 * 1024;
/// Steps that a Jinja template may take; 64 bytes of text that it makes or looks at are one step too.
pub const TEMPLATE_FUEL: u64 = 20_000_000;
/// The same when a Jinja template is tried out, which happens a few times when it is compiled.
pub const TEMPLATE_PROBE_FUEL: u64 = 500_000;
/// Text that a Jinja template may make in all when it is tried out.
pub const TEMPLATE_PROBE_BYTES: usize = 16 * 1024 * 1024;
/// Operators in one tag of a Jinja template: a row of them makes a tree as deep.
pub const TEMPLATE_OPERATORS_MAX: usize = 1_000;
/// Nodes, commands and words of a Go template. The longest that anyone uses have some hundreds.
pub const GO_TEMPLATE_NODES_MAX: usize = 64 * 1024;
/// Deepest nesting of actions, `else if`s, blocks and parentheses in a template, which its parser follows by recursion.
pub const TEMPLATE_DEPTH_MAX: usize = 200;
/// Deepest recursion of a template that runs, calls of other templates and macros included. Takes less than 1 MiB of stack.
pub const TEMPLATE_STACK_MAX: usize = 500;
/// Deepest nesting of a Jinja template's values that are printed or compared.
pub const TEMPLATE_VALUE_DEPTH_MAX: usize = 256;
/// Text that a template may make in all, its output and the texts and lists in its variables together.
pub const TEMPLATE_WORK_BYTES: usize = 4 * PROMPT_BYTES;

const _: () = assert!(TEMPLATE_DEPTH_MAX * 2 <= TEMPLATE_STACK_MAX && PROMPT_BYTES <= TEMPLATE_WORK_BYTES);

/// Longest text of an answer that is held back because it may be a tool call: a file that a model writes has to fit.
/// Past it the text goes out as content.
pub const HELD_BYTES: usize = 1024 * 1024;
/// Longest run of white space that is held back because a tag may follow.
pub const HELD_SPACE_BYTES: usize = 4 * 1024;
/// Calls of tools in one answer; what would be one more goes out as content.
pub const CALLS_MAX: usize = 256;
/// Deepest nesting of the arguments of a call; a call with deeper ones goes out as content. JSON has `serde_json`'s 128.
pub const CALL_DEPTH_MAX: usize = 64;

const _: () = assert!(HELD_SPACE_BYTES < HELD_BYTES && CALL_DEPTH_MAX <= JSON_DEPTH_MAX);

// ---- cli ------------------------------------------------------------------------------------------------------

/// Longest line of a streamed reply that the command line reads. The last one of a generate carries the whole context.
pub const REPLY_LINE_BYTES: usize = 16 * 1024 * 1024;
/// Longest prompt that is read from a pipe: it has to fit a JSON body, where a byte may take six.
pub const PIPED_PROMPT_BYTES: u64 = JSON_BODY_BYTES / 8;
/// Longest Modelfile.
pub const MODELFILE_BYTES: u64 = 16 * 1024 * 1024;

const _: () = assert!(PIPED_PROMPT_BYTES * 6 < JSON_BODY_BYTES);

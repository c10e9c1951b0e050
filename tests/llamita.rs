//! llama.cpp behind the `Backend` trait, on a model of 1.1M parameters whose greedy answers are on record.

#![cfg(feature = "llama")]

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use llamero::engine::backend::{Backend, Batch, DecodeError, LoadPlan, Pos, SeqId, Token, Vocabulary};
use llamero::engine::ffi::{LlamaLoader, LoadError};
use llamero::engine::kv::{KvCache, KvType};
use llamero::engine::memory;
use llamero::engine::scheduler::Capacity;
use llamero::engine::scheduler::trace::{self, Happened, Line};
use llamero::engine::sequence::{Limits, RequestId};
use llamero::engine::synthetic::{Shape, SyntheticBackend};
use llamero::model::gguf::{Arrays, Footprint, Gguf};
use llamero::prompt::{RenderOptions, Template};

const CELLS: u32 = 4096;
const BATCH_ROWS: u32 = 128;

/// A prompt and what the model answered at temperature 0.
#[derive(serde::Deserialize)]
struct Recorded {
    id: String,
    request: Request,
    prompt: String,
    text: String,
    /// `eos`, or `limit` where the request set one.
    stop: String,
    /// Tokens of the answer; the one that ended it counts.
    tokens: usize,
}

/// What was asked; raw prompts have no messages.
#[derive(serde::Deserialize)]
struct Request {
    messages: Option<serde_json::Value>,
    tools: Option<serde_json::Value>,
    chat_template_kwargs: Option<TemplateArguments>,
}

#[derive(serde::Deserialize)]
struct TemplateArguments {
    enable_thinking: bool,
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/llamita").join(name)
}

fn recorded() -> Vec<Recorded> {
    let text = std::fs::read_to_string(data("prompts.json")).expect("prompts.json is there");
    serde_json::from_str(&text).expect("prompts.json is a list of records")
}

fn plan(path: PathBuf) -> LoadPlan {
    let (cells, batch_rows) = (CELLS, BATCH_ROWS);
    LoadPlan {
        path,
        cells,
        batch_rows,
        gpu_layers: 0,
        main_gpu: None,
        mmap: true,
        threads: 1,
        cache: KvCache::default(),
    }
}

fn llamita() -> Box<dyn Backend> {
    LlamaLoader::new().load(&plan(data("llamita-f16.gguf")), &|_| true).expect("llamita loads")
}

fn greedy(logits: &[f32]) -> Token {
    let best = logits.iter().enumerate().max_by(|(_, a), (_, b)| a.total_cmp(b));
    best.expect("a row has numbers").0 as Token
}

/// A sequence on its way through the backend.
struct Run<'a> {
    record: &'a Recorded,
    sequence: SeqId,
    /// Tokens that are not decoded yet: the prompt, then one at a time.
    next: Vec<Token>,
    position: Pos,
    text: Vec<u8>,
    tokens: usize,
}

impl<'a> Run<'a> {
    fn new(record: &'a Recorded, sequence: SeqId, vocabulary: &dyn Vocabulary) -> Self {
        let next = vocabulary.tokenize(&record.prompt, true, true).expect("the prompt is short");
        Self { record, sequence, next, position: 0, text: Vec::new(), tokens: 0 }
    }

    /// Puts a chunk of what is next into the batch; the row whose logits choose the next token, if this was all of it.
    fn fill(&mut self, batch: &mut Batch, chunk: usize) -> Option<usize> {
        let count = self.next.len().min(chunk);
        let last = count == self.next.len();
        for (index, token) in self.next.drain(..count).enumerate() {
            batch.push(token, self.position, self.sequence, last && index + 1 == count);
            self.position += 1;
        }
        last.then(|| batch.len() - 1)
    }

    /// Takes the next token; true when the answer has ended.
    fn take(&mut self, token: Token, vocabulary: &dyn Vocabulary) -> bool {
        self.tokens += 1;
        if vocabulary.is_end(token) {
            return true;
        }
        self.text.extend_from_slice(vocabulary.piece(token));
        self.next.push(token);
        self.record.stop == "limit" && self.tokens == self.record.tokens
    }

    fn check(&self) {
        let text = String::from_utf8_lossy(&self.text);
        assert_eq!(text, self.record.text, "text of {}", self.record.id);
        assert_eq!(self.tokens, self.record.tokens, "tokens of {}", self.record.id);
    }
}

/// Answers all records, `width` at a time; prompts go in by chunks beside the running answers.
fn answer_all(backend: &mut dyn Backend, records: &[Recorded], width: usize) {
    let vocabulary = backend.vocabulary();
    let mut waiting = records.iter();
    let mut free: Vec<SeqId> = (0..width as SeqId).rev().collect();
    let mut running: Vec<Run> = Vec::new();
    let mut batch = Batch::default();
    loop {
        while let Some(sequence) = free.pop() {
            let Some(record) = waiting.next() else { break };
            running.push(Run::new(record, sequence, &*vocabulary));
        }
        if running.is_empty() {
            break;
        }
        batch.clear();
        let chunk = backend.facts().batch_rows / width;
        let rows: Vec<Option<usize>> = running.iter_mut().map(|run| run.fill(&mut batch, chunk)).collect();
        backend.decode(&batch).expect("the pool has room");
        let mut rows = rows.into_iter();
        running.retain_mut(|run| {
            let Some(row) = rows.next().flatten() else { return true };
            let ended = run.take(greedy(backend.logits(row)), &*vocabulary);
            if ended {
                run.check();
                backend.remove(run.sequence, 0, -1);
                free.push(run.sequence);
            }
            !ended
        });
    }
}

#[test]
fn recorded_answers_come_alone() {
    let records = recorded();
    assert_eq!(records.len(), 43);
    answer_all(&mut *llamita(), &records, 1);
}

#[test]
fn recorded_answers_come_sixteen_at_a_time() {
    answer_all(&mut *llamita(), &recorded(), 16);
}

#[test]
fn facts_are_those_of_the_model() {
    let backend = llamita();
    let facts = backend.facts();
    let told =
        (facts.vocabulary, facts.trained_context, facts.cells, facts.batch_rows, facts.sequences, facts.can_shift);
    assert_eq!(told, (1024, 2048, CELLS, BATCH_ROWS as usize, 256, true));
    // Weights, then keys and values of 5 layers, 2 heads of 32 numbers in half precision.
    let weights = std::fs::metadata(data("llamita-f16.gguf")).expect("the file is there").len();
    let pool = u64::from(CELLS) * 5 * 2 * 32 * 2 * 2;
    assert!(facts.bytes > weights + pool, "{} bytes hold weights, pool and buffers", facts.bytes);
    assert!(facts.bytes < weights + pool + 16 * 1024 * 1024, "{} bytes are no more than that", facts.bytes);
    assert_eq!(facts.gpu_bytes, 0);
}

#[test]
fn vocabulary_reads_as_the_file_says() {
    let backend = llamita();
    let vocabulary = backend.vocabulary();
    assert_eq!((vocabulary.len(), vocabulary.is_empty()), (1024, false));
    assert_eq!((vocabulary.bos_text(), vocabulary.eos_text()), ("<|endoftext|>", "<|im_end|>"));
    assert!(vocabulary.chat_template().is_some_and(|template| template.contains("<|im_start|>")));

    let end = vocabulary.tokenize("<|im_end|>", true, true).expect("a short text");
    assert_eq!(end.len(), 1, "a control token, and no token in front");
    assert!(vocabulary.is_end(end[0]));
    assert_eq!(vocabulary.piece(end[0]), b"");
    assert_eq!(vocabulary.piece_special(end[0]), b"<|im_end|>");
    assert!(vocabulary.tokenize("<|im_end|>", false, true).expect("a short text").len() > 1, "spelled out");

    let text = "rocket 🚀 cat 🐱";
    let tokens = vocabulary.tokenize(text, false, false).expect("a short text");
    let pieces: Vec<u8> = tokens.iter().flat_map(|&token| vocabulary.piece(token)).copied().collect();
    assert_eq!(String::from_utf8(pieces).as_deref(), Ok(text));
    assert_eq!(vocabulary.tokenize("", true, true), Ok(vec![]));

    for token in [-1, 1024, Token::MIN, Token::MAX] {
        assert_eq!((vocabulary.piece(token), vocabulary.is_end(token)), (&b""[..], false), "token {token}");
    }
}

#[test]
fn a_beginning_token_is_added_once() {
    // The same model, changed to want the token: a key, the type 7 (bool) and the value.
    let mut bytes = std::fs::read(data("llamita-f16.gguf")).expect("the file is there");
    let key = b"tokenizer.ggml.add_bos_token";
    let start = bytes.windows(key.len()).position(|window| window == key).expect("the key is there");
    let value = start + key.len() + size_of::<u32>();
    assert_eq!(bytes[start + key.len()..=value], [7, 0, 0, 0, 0]);
    bytes[value] = 1;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("wants-bos.gguf");
    std::fs::write(&path, bytes).expect("room for a file");
    let vocabulary = LlamaLoader::new().load(&plan(path), &|_| true).expect("it loads").vocabulary();

    let tokenize = |text: &str, special, bos| vocabulary.tokenize(text, special, bos).expect("a short text");
    let spelled = |text: &str, special, bos| -> Vec<u8> {
        tokenize(text, special, bos).iter().flat_map(|&token| vocabulary.piece_special(token)).copied().collect()
    };
    assert_eq!(spelled("Hello", true, true), b"<|endoftext|>Hello");
    assert_eq!(spelled("<|endoftext|>Hello", true, true), b"<|endoftext|>Hello");
    assert_eq!(spelled("Hello", true, false), b"Hello");
    // Where the text is only text, it has not begun yet.
    let literal = tokenize("<|endoftext|>", false, true);
    assert_eq!(vocabulary.piece_special(literal[0]), b"<|endoftext|>");
    assert!(literal.len() > 2);
}

#[test]
fn the_template_in_the_file_renders_the_recorded_prompts() {
    let vocabulary = llamita().vocabulary();
    let template = Template::compile(vocabulary.chat_template().expect("it has one")).expect("it is Jinja");
    let mut rendered = 0;
    for record in recorded() {
        let Some(messages) = &record.request.messages else { continue };
        let tools = record.request.tools.as_ref().map(ToString::to_string);
        let options = RenderOptions {
            bos: vocabulary.bos_text(),
            eos: vocabulary.eos_text(),
            add_generation_prompt: true,
            enable_thinking: record.request.chat_template_kwargs.map(|arguments| arguments.enable_thinking),
            tools: tools.as_deref(),
            ..RenderOptions::default()
        };
        let prompt = template.render(&messages.to_string(), &options);
        assert_eq!(prompt.as_deref(), Ok(record.prompt.as_str()), "prompt of {}", record.id);
        rendered += 1;
    }
    assert_eq!(rendered, 36, "all but the raw ones and the fill-ins");
}

/// Decodes `tokens` from `position` on and returns the logits of the last.
fn logits_after(backend: &mut dyn Backend, tokens: &[Token], sequence: SeqId, position: Pos) -> Vec<f32> {
    let mut batch = Batch::default();
    for (index, &token) in tokens.iter().enumerate() {
        batch.push(token, position + index as Pos, sequence, index + 1 == tokens.len());
    }
    backend.decode(&batch).expect("the pool has room");
    backend.logits(tokens.len() - 1).to_vec()
}

/// The largest difference between two rows.
fn distance(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn a_removed_end_can_be_decoded_again() {
    let mut backend = llamita();
    let tokens = backend.vocabulary().tokenize("1 2 3 4 5 6 7 8", false, false).expect("a short text");
    let (front, last) = tokens.split_at(tokens.len() - 1);
    logits_after(&mut *backend, front, 3, 0);
    let first = logits_after(&mut *backend, last, 3, front.len() as Pos);
    backend.remove(3, front.len() as Pos, -1);
    let other = logits_after(&mut *backend, &tokens[..1], 3, front.len() as Pos);
    assert!(distance(&first, &other) > 0.1, "another token, another answer");
    backend.remove(3, front.len() as Pos, -1);
    let again = logits_after(&mut *backend, last, 3, front.len() as Pos);
    assert!(distance(&first, &again) < 1e-4, "as if the other token had never been");
}

#[test]
fn a_shift_closes_the_gap_of_a_removal() {
    // Positions are relative: a sequence that starts at 40 and one moved down to 0 read the same.
    let mut backend = llamita();
    let vocabulary = backend.vocabulary();
    let kept = vocabulary.tokenize("1 2 3 4 5 6 7", false, false).expect("a short text");
    let dropped = vocabulary.tokenize("Once upon a time", false, false).expect("a short text");
    let next = vocabulary.tokenize(" 8", false, false).expect("a short text");

    logits_after(&mut *backend, &kept, 0, 0);
    let wanted = logits_after(&mut *backend, &next, 0, kept.len() as Pos);

    // Attention to the dropped text has left its mark on what was decoded after it, so only the token is compared.
    let (gap, end) = (dropped.len() as Pos, (dropped.len() + kept.len()) as Pos);
    logits_after(&mut *backend, &dropped, 1, 0);
    logits_after(&mut *backend, &kept, 1, gap);
    backend.remove(1, 0, gap);
    backend.shift(1, gap, end, -gap);
    let shifted = logits_after(&mut *backend, &next, 1, end - gap);
    assert_eq!(greedy(&shifted), greedy(&wanted));

    // The position that has become free is the only one that llama.cpp takes next.
    let mut wrong = Batch::default();
    wrong.push(next[0], end, 1, true);
    assert!(matches!(backend.decode(&wrong), Err(DecodeError::Failed(_))));
}

#[test]
fn a_full_pool_says_so_and_takes_nothing() {
    let plan = LoadPlan { cells: 256, ..plan(data("llamita-f16.gguf")) };
    let mut backend = LlamaLoader::new().load(&plan, &|_| true).expect("llamita loads");
    assert_eq!(backend.facts().cells, 256);
    let hundred = |sequence: SeqId| {
        let mut batch = Batch::default();
        for position in 0..100 {
            batch.push(65, position, sequence, position == 99);
        }
        batch
    };
    assert_eq!(backend.decode(&hundred(0)), Ok(()));
    let first = greedy(backend.logits(99));
    assert_eq!(backend.decode(&hundred(1)), Ok(()));
    assert_eq!(greedy(backend.logits(99)), first);
    assert_eq!(backend.decode(&hundred(2)), Err(DecodeError::NoRoom { rows: 100 }));
    backend.remove(0, 0, -1);
    assert_eq!(backend.decode(&hundred(2)), Ok(()), "the failed batch left no positions behind");
}

/// How the KV memory can be made, on a model whose heads have 32 numbers.
const CACHES: [(Option<bool>, KvType); 4] =
    [(None, KvType::F16), (Some(false), KvType::F16), (Some(true), KvType::Q8_0), (Some(false), KvType::Q8_0)];

#[test]
fn what_a_load_takes_is_known_before_it() {
    let file = std::fs::File::open(data("llamita-f16.gguf")).expect("llamita is there");
    let bytes = file.metadata().expect("it has a length").len();
    let footprint = Footprint::of(&Gguf::read(file, bytes, Arrays::Skip).expect("llamita is a GGUF"));
    assert_eq!((footprint.weights, footprint.heads, footprint.vocabulary), (2_233_856, 4, 1024));
    let mut wrong = Vec::new();
    for (flash_attention, kind) in CACHES {
        for (cells, batch_rows) in [(256, 128), (4096, 128), (65536, 512)] {
            let cache = KvCache::of(flash_attention, kind);
            let plan = LoadPlan { cells, batch_rows, cache, ..plan(data("llamita-f16.gguf")) };
            let backend = LlamaLoader::new().load(&plan, &|_| true).expect("llamita loads");
            let (needed, taken) = (memory::needed(&footprint, &plan), backend.facts().bytes);
            if needed < taken - taken / 20 || needed > taken + taken / 2 {
                wrong.push(format!("{cells} cells, {cache:?}: {needed} expected, {taken} taken"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_kv_memory_is_made_as_asked() {
    let records = recorded();
    let load = |(flash_attention, kind)| {
        let plan = LoadPlan { cache: KvCache::of(flash_attention, kind), ..plan(data("llamita-f16.gguf")) };
        LlamaLoader::new().load(&plan, &|_| true).expect("llamita loads")
    };
    let [mut fast, mut slow, mut small, mut keys] = CACHES.map(load);
    for backend in [&mut fast, &mut slow] {
        answer_all(&mut **backend, &records[..8], 1);
    }
    // 4096 cells of 5 layers, two rows of 64 numbers of 16 bits: q8_0 takes 34 bytes for 64.
    let kv = 4096 * 5 * 2 * 64 * 2;
    let saved = kv - kv * 34 / 64;
    // The log tells hundredths of a mebibyte.
    assert!((fast.facts().bytes - small.facts().bytes).abs_diff(saved) < 20_000);
    assert!((slow.facts().bytes - keys.facts().bytes).abs_diff(saved / 2) < 20_000);
    for backend in [&mut small, &mut keys] {
        let mut batch = Batch::default();
        batch.push(65, 0, 0, true);
        assert_eq!(backend.decode(&batch), Ok(()));
        assert!(backend.logits(0).iter().all(|logit| logit.is_finite()));
    }
}

#[test]
fn malformed_batches_are_refused() {
    let mut backend = llamita();
    // (token, position, sequence)
    for (token, position, sequence) in [(1024, 0, 0), (-1, 0, 0), (0, 0, 256), (0, 0, -1), (0, -5, 0)] {
        let mut batch = Batch::default();
        batch.push(token, position, sequence, true);
        let refused = backend.decode(&batch);
        assert_eq!(refused, Err(DecodeError::Failed(-1)), "token {token} at {position} of sequence {sequence}");
    }
    assert_eq!(backend.decode(&Batch::default()), Ok(()));
}

#[test]
fn all_sequence_ids_can_be_used() {
    let mut backend = llamita();
    let mut batch = Batch::default();
    for half in [0..128, 128..256] {
        batch.clear();
        for sequence in half {
            batch.push(65, 0, sequence, true);
        }
        backend.decode(&batch).expect("256 sequences");
    }
    let (first, last) = (greedy(backend.logits(0)), greedy(backend.logits(127)));
    assert_eq!(first, last);
}

#[test]
fn a_broken_file_is_an_error_without_its_path() {
    let whole = std::fs::read(data("llamita-f16.gguf")).expect("the file is there");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("broken.gguf");
    let mut garbage = whole.clone();
    garbage[..4].copy_from_slice(b"NOPE");
    let files = [&whole[..0], &whole[..3], &whole[..1000], &whole[..40_000], &whole[..whole.len() - 1000], &garbage];
    for (index, bytes) in files.into_iter().enumerate() {
        std::fs::write(&path, bytes).expect("room for a file");
        let error = LlamaLoader::new().load(&plan(path.clone()), &|_| true).err().expect("no model");
        assert!(matches!(error, LoadError::Refused(_)), "file {index}: {error}");
        let sentence = error.to_string();
        assert!(!sentence.contains("broken.gguf") && !sentence.contains('/'), "file {index}: {sentence}");
        assert!(!sentence.contains("no reason"), "file {index}: {sentence}");
    }
    std::fs::remove_file(&path).expect("the file was there");
    let error = LlamaLoader::new().load(&plan(path), &|_| true).err().expect("no model");
    assert_eq!(error, LoadError::Unreadable(std::io::ErrorKind::NotFound));
}

#[test]
fn a_load_can_be_stopped() {
    let shares = Mutex::new(Vec::new());
    let keep_going = |share: f32| {
        let mut shares = shares.lock().expect("no panics here");
        shares.push(share);
        share < 0.5
    };
    let stopped = LlamaLoader::new().load(&plan(data("llamita-f16.gguf")), &keep_going);
    assert_eq!(stopped.err(), Some(LoadError::Stopped));
    let shares = shares.into_inner().expect("no panics here");
    assert!(shares.is_sorted() && shares.first().is_some_and(|&share| share < 0.5), "{shares:?}");
    assert_eq!(shares.iter().filter(|&&share| share >= 0.5).count(), 1, "asked once more at most: {shares:?}");
}

#[test]
fn a_backend_may_move_and_die_before_its_vocabulary() {
    let backend = llamita();
    let vocabulary = backend.vocabulary();
    std::thread::spawn(move || drop(backend)).join().expect("no panic");
    assert!(vocabulary.tokenize("Hello", true, true).is_ok_and(|tokens| !tokens.is_empty()));
}

/// Arrivals and cancels by step number, answers of fixed lengths: what happens when must not depend on the model.
#[test]
fn a_script_happens_in_the_same_order_as_with_the_model_that_is_made_up() {
    let capacity =
        Capacity { cells: 512, rows: 64, chunk: 32, sequences: 6, plain_rows: 40, reserve: 16, departed: 64 };
    let mut script = Vec::new();
    for number in 0..24_usize {
        let (id, step) = (RequestId(number as u64), number * 3 / 2);
        let prompt = (0..7 + number * 13 % 90).map(|place| (20 + (place * 31 + number * 17) % 90) as Token).collect();
        let limits = Limits { context: 256, keep: 4, shift: true, predict: 5 + number * 11 % 40 };
        script.push(Line::Arrive { step, id, prompt, limits });
        if number % 5 == 3 {
            script.push(Line::Cancel { step: step + 6, id });
        }
    }
    let mut made_up = SyntheticBackend::new(Shape { cells: 512, batch_rows: 64, ..Shape::default() });
    let expected = trace::run(&mut made_up, capacity, script.clone()).expect("the script runs");
    let happened = trace::run(&mut *llamita(), capacity, script).expect("the script runs");
    assert_eq!(happened, expected);
    let count = |is: fn(&Happened) -> bool| happened.iter().filter(|line| is(line)).count();
    assert!(count(|line| matches!(line, Happened::Cancelled(..))) >= 3, "{happened:?}");
    assert!(count(|line| matches!(line, Happened::Ended(..))) >= 18, "{happened:?}");
}

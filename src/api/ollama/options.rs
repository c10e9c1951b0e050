//! `options`: the defaults, the model's own parameters and the request's, one over the other, and what the engine makes
//! of them (the behaviour page, section 2.8).

use serde_json::{Map, Value};

use super::error::ApiError;
use crate::api::json::{prefix, quote};
use crate::config::limits::{OPTION_NOTICES_MAX, STOP_BYTES, STOPS_MAX};
use crate::engine::wire::{LoadOptions, Sampling};

/// Smallest context: llama.cpp's kernels want four positions.
const NUM_CTX_MIN: i64 = 4;
/// `num_keep` for "all of it", with room to count on.
const NUM_KEEP_ALL: i64 = 1 << 30;
/// A token whose logit is divided by less than this is as good as certain; by 0 it would be infinite.
const REPEAT_PENALTY_MIN: f64 = 0.01;
/// As much of an unknown option's name as the log gets.
const NAME_SHOWN_BYTES: usize = 64;
/// Past any logit in size: more cannot change an answer, and sums stay finite.
const PENALTY_MAX: f64 = 1e4;

/// What a request's options come to.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    /// How tokens are chosen.
    pub sampling: Sampling,
    /// How the model is loaded.
    pub load: LoadOptions,
    /// Texts that end the answer, none of them empty.
    pub stop: Vec<String>,
    /// Most tokens to answer with; below 0: as many as the engine lets. Its own cap comes on top.
    pub num_predict: i32,
    /// Tokens at the front that a shift keeps.
    pub num_keep: i32,
    /// What was ignored or changed, for the log: a sentence each, at most [`OPTION_NOTICES_MAX`].
    pub notices: Vec<String>,
}

/// Why options cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OptionError {
    /// A value of the wrong type.
    #[error("option {} must be of type {wanted}", quote(key))]
    Type {
        /// The option.
        key: String,
        /// Its type in Ollama's words.
        wanted: &'static str,
    },
    /// A list with something else than strings in it.
    #[error("option {} must be of an array of strings", quote(key))]
    Elements {
        /// The option.
        key: String,
    },
    /// More or longer stop texts than there is room for.
    #[error("option \"stop\" must be at most {STOPS_MAX} strings of at most {STOP_BYTES} bytes each")]
    Stops,
}

impl From<OptionError> for ApiError {
    fn from(error: OptionError) -> Self {
        // Ollama finds out about types when it schedules, so they are its 500; the limits are ours.
        let status = if error == OptionError::Stops { 400 } else { 500 };
        Self::new(status, error.to_string())
    }
}

/// The defaults, with `model` (the params layer) over them and `request` over both.
///
/// # Errors
/// When an option has the wrong type, in either of them, or there are too many stop texts.
pub fn resolve(model: &Map<String, Value>, request: &Map<String, Value>) -> Result<Resolved, OptionError> {
    let mut options = Options::default();
    let mut notices = Notices::default();
    for (key, value) in model.iter().chain(request) {
        if !value.is_null() && !options.set(key, value)? {
            notices.add(format!("unknown option {} is ignored", quote(prefix(key, NAME_SHOWN_BYTES))));
        }
    }
    options.finish(notices)
}

/// Options as Ollama has them, before anything is clamped.
#[derive(Debug)]
struct Options {
    temperature: f64,
    top_k: i64,
    top_p: f64,
    min_p: f64,
    typical_p: f64,
    repeat_last_n: i64,
    repeat_penalty: f64,
    presence_penalty: f64,
    frequency_penalty: f64,
    seed: i64,
    stop: Vec<String>,
    num_predict: i64,
    num_keep: i64,
    num_ctx: Option<i64>,
    num_batch: i64,
    num_gpu: i64,
    main_gpu: Option<i64>,
    use_mmap: Option<bool>,
    num_thread: i64,
    draft_num_predict: i64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            temperature: 0.8,
            top_k: 40,
            top_p: 0.9,
            min_p: 0.0,
            typical_p: 1.0,
            repeat_last_n: 64,
            repeat_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            seed: -1,
            stop: Vec::new(),
            num_predict: -1,
            num_keep: 4,
            num_ctx: None,
            num_batch: 0,
            num_gpu: -1,
            main_gpu: None,
            use_mmap: None,
            num_thread: 0,
            draft_num_predict: 4,
        }
    }
}

impl Options {
    /// Sets one option. False when there is none of that name; names are exact, as everywhere in a map.
    fn set(&mut self, key: &str, value: &Value) -> Result<bool, OptionError> {
        match key {
            "temperature" => self.temperature = float(key, value)?,
            "top_k" => self.top_k = integer(key, value)?,
            "top_p" => self.top_p = float(key, value)?,
            "min_p" => self.min_p = float(key, value)?,
            "typical_p" => self.typical_p = float(key, value)?,
            "repeat_last_n" => self.repeat_last_n = integer(key, value)?,
            "repeat_penalty" => self.repeat_penalty = float(key, value)?,
            "presence_penalty" => self.presence_penalty = float(key, value)?,
            "frequency_penalty" => self.frequency_penalty = float(key, value)?,
            "seed" => self.seed = integer(key, value)?,
            "stop" => self.stop = strings(key, value)?,
            "num_predict" => self.num_predict = integer(key, value)?,
            "num_keep" => self.num_keep = integer(key, value)?,
            "num_ctx" => self.num_ctx = Some(integer(key, value)?),
            "num_batch" => self.num_batch = integer(key, value)?,
            "num_gpu" => self.num_gpu = integer(key, value)?,
            "main_gpu" => self.main_gpu = Some(integer(key, value)?),
            "use_mmap" => self.use_mmap = Some(value.as_bool().ok_or_else(|| wrong_type(key, "boolean"))?),
            "num_thread" => self.num_thread = integer(key, value)?,
            "draft_num_predict" => self.draft_num_predict = integer(key, value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }

    /// Brings every value into its range.
    fn finish(mut self, mut notices: Notices) -> Result<Resolved, OptionError> {
        self.stop.retain(|text| !text.is_empty());
        if self.stop.len() > STOPS_MAX || self.stop.iter().any(|text| text.len() > STOP_BYTES) {
            return Err(OptionError::Stops);
        }
        let mut clamp = |key, value: f64, least, most| notices.clamp_float(key, value, least, most);
        let mut sampling = Sampling {
            temperature: clamp("temperature", self.temperature, 0.0, f64::from(f32::MAX)),
            top_k: 0,
            top_p: clamp("top_p", self.top_p, 0.0, 1.0),
            min_p: clamp("min_p", self.min_p, 0.0, 1.0),
            typical_p: clamp("typical_p", self.typical_p, 0.0, 1.0),
            repeat_last_n: 0,
            repeat_penalty: clamp("repeat_penalty", self.repeat_penalty, REPEAT_PENALTY_MIN, PENALTY_MAX),
            presence_penalty: clamp("presence_penalty", self.presence_penalty, -PENALTY_MAX, PENALTY_MAX),
            frequency_penalty: clamp("frequency_penalty", self.frequency_penalty, -PENALTY_MAX, PENALTY_MAX),
            seed: Self::seed(self.seed),
        };
        let (least, most) = (i64::from(i32::MIN), i64::from(i32::MAX));
        let mut clamp = |key, value, least, most| notices.clamp_integer(key, value, least, most);
        sampling.top_k = clamp("top_k", self.top_k, 0, most) as i32;
        sampling.repeat_last_n = clamp("repeat_last_n", self.repeat_last_n, -1, most) as i32;
        let num_keep = if self.num_keep < 0 { NUM_KEEP_ALL } else { self.num_keep };
        Ok(Resolved {
            sampling,
            load: LoadOptions {
                num_ctx: match self.num_ctx {
                    None | Some(0) => 0,
                    Some(asked) => clamp("num_ctx", asked, NUM_CTX_MIN, most) as u32,
                },
                num_batch: clamp("num_batch", self.num_batch, 0, most) as u32,
                num_gpu: clamp("num_gpu", self.num_gpu, -1, most) as i32,
                main_gpu: self.main_gpu.map(|asked| clamp("main_gpu", asked, 0, most) as i32),
                use_mmap: self.use_mmap,
                num_thread: clamp("num_thread", self.num_thread, 0, most) as u32,
            },
            stop: self.stop,
            num_predict: clamp("num_predict", self.num_predict, least, most) as i32,
            num_keep: clamp("num_keep", num_keep, 0, NUM_KEEP_ALL) as i32,
            notices: notices.lines,
        })
    }

    /// llama.cpp takes the low 32 bits, all ones of which mean "draw one".
    fn seed(asked: i64) -> Option<u32> {
        Some(asked as u32).filter(|seed| *seed != u32::MAX)
    }
}

/// Sentences for the log.
#[derive(Debug, Default)]
struct Notices {
    lines: Vec<String>,
}

impl Notices {
    fn add(&mut self, line: String) {
        if self.lines.len() < OPTION_NOTICES_MAX {
            self.lines.push(line);
        }
    }

    fn clamp_float(&mut self, key: &str, asked: f64, least: f64, most: f64) -> f32 {
        let used = asked.clamp(least, most);
        // A clamp gives back what was in range, bit for bit.
        if used.to_bits() != asked.to_bits() {
            self.add(format!("option {key} is {asked}, using {used}"));
        }
        used as f32
    }

    fn clamp_integer(&mut self, key: &str, asked: i64, least: i64, most: i64) -> i64 {
        let used = asked.clamp(least, most);
        if used != asked {
            self.add(format!("option {key} is {asked}, using {used}"));
        }
        used
    }
}

fn wrong_type(key: &str, wanted: &'static str) -> OptionError {
    OptionError::Type { key: key.to_owned(), wanted }
}

/// Fractions are cut off; what 64 bits do not hold ends at their range.
fn integer(key: &str, value: &Value) -> Result<i64, OptionError> {
    match value.as_i64() {
        Some(number) => Ok(number),
        None => value.as_f64().map(|number| number as i64).ok_or_else(|| wrong_type(key, "integer")),
    }
}

fn float(key: &str, value: &Value) -> Result<f64, OptionError> {
    value.as_f64().ok_or_else(|| wrong_type(key, "float32"))
}

fn strings(key: &str, value: &Value) -> Result<Vec<String>, OptionError> {
    let elements = value.as_array().ok_or_else(|| wrong_type(key, "array"))?;
    let texts = elements.iter().map(|element| element.as_str().map(str::to_owned));
    texts.collect::<Option<_>>().ok_or_else(|| OptionError::Elements { key: key.to_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resolved(model: &Value, request: &Value) -> Result<Resolved, ApiError> {
        let object = |value: &Value| value.as_object().expect("an object").clone();
        resolve(&object(model), &object(request)).map_err(ApiError::from)
    }

    fn of(request: &Value) -> Resolved {
        resolved(&json!({}), request).expect("valid options")
    }

    #[test]
    fn defaults() {
        let options = of(&json!({}));
        let want = Sampling {
            temperature: 0.8,
            top_k: 40,
            top_p: 0.9,
            min_p: 0.0,
            typical_p: 1.0,
            repeat_last_n: 64,
            repeat_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            seed: None,
        };
        assert_eq!(options.sampling, want);
        assert_eq!(options.load, LoadOptions { num_gpu: -1, ..LoadOptions::default() });
        assert_eq!((options.num_predict, options.num_keep), (-1, 4));
        assert!(options.stop.is_empty() && options.notices.is_empty());
    }

    #[test]
    fn the_request_goes_over_the_model_and_null_over_nothing() {
        let model = json!({"temperature": 0.1, "top_k": 7, "stop": ["a", "b"], "num_ctx": 2048, "seed": 3});
        let request = json!({"temperature": 0.5, "top_k": null, "stop": ["c"], "seed": 0});
        let options = resolved(&model, &request).expect("valid options");
        assert_eq!((options.sampling.temperature, options.sampling.top_k), (0.5, 7));
        assert_eq!(options.stop, ["c"]);
        assert_eq!(options.load.num_ctx, 2048);
        assert_eq!(options.sampling.seed, Some(0));
    }

    #[test]
    fn wrong_types_are_ollamas_500() {
        for (request, want) in [
            (json!({"temperature": "hot"}), "option \"temperature\" must be of type float32"),
            (json!({"top_k": true}), "option \"top_k\" must be of type integer"),
            (json!({"main_gpu": "0"}), "option \"main_gpu\" must be of type integer"),
            (json!({"use_mmap": 1}), "option \"use_mmap\" must be of type boolean"),
            (json!({"stop": "x"}), "option \"stop\" must be of type array"),
            (json!({"stop": ["x", 1]}), "option \"stop\" must be of an array of strings"),
            (json!({"draft_num_predict": []}), "option \"draft_num_predict\" must be of type integer"),
        ] {
            assert_eq!(resolved(&json!({}), &request), Err(ApiError::new(500, want)));
            assert_eq!(resolved(&request, &json!({})), Err(ApiError::new(500, want)));
        }
    }

    #[test]
    fn fractions_of_integers_are_cut_off() {
        let options = of(&json!({"num_predict": 5.9, "top_k": -0.9, "num_keep": 1e30, "seed": 7.5}));
        assert_eq!((options.num_predict, options.sampling.top_k), (5, 0));
        assert_eq!((i64::from(options.num_keep), options.sampling.seed), (NUM_KEEP_ALL, Some(7)));
    }

    #[test]
    fn values_out_of_range_are_clamped_with_a_notice() {
        let options = of(&json!({
            "temperature": -1, "top_p": 1.5, "min_p": -0.5, "typical_p": 9, "repeat_penalty": 0,
            "presence_penalty": 1e300, "num_ctx": 1, "num_batch": -1, "num_gpu": -9,
            "num_predict": 99_999_999_999_999_i64
        }));
        let want = Sampling {
            temperature: 0.0,
            top_p: 1.0,
            min_p: 0.0,
            typical_p: 1.0,
            repeat_penalty: 0.01,
            presence_penalty: 1e4,
            ..of(&json!({})).sampling
        };
        assert_eq!(options.sampling, want);
        assert_eq!((options.load.num_ctx, options.load.num_batch, options.load.num_gpu), (4, 0, -1));
        assert_eq!(options.num_predict, i32::MAX);
        assert_eq!(options.notices.len(), 10);
        assert!(options.notices.contains(&"option num_ctx is 1, using 4".to_owned()));
        assert!(options.notices.contains(&"option temperature is -1, using 0".to_owned()));
    }

    #[test]
    fn values_at_the_edges_stay() {
        let options = of(&json!({
            "temperature": 0, "top_p": 1, "min_p": 0, "num_ctx": 4, "repeat_last_n": -1, "num_keep": 0, "num_predict": 0
        }));
        assert_eq!((options.sampling.repeat_last_n, options.num_keep, options.num_predict), (-1, 0, 0));
        assert!(options.notices.is_empty());
        assert_eq!(of(&json!({"num_ctx": 0})).load.num_ctx, 0);
    }

    #[test]
    fn minus_one_draws_a_seed() {
        for (asked, seed) in
            [(-1, None), (0, Some(0)), (42, Some(42)), (-2, Some(u32::MAX - 1)), (1_i64 << 32, Some(0))]
        {
            assert_eq!(of(&json!({"seed": asked})).sampling.seed, seed, "{asked}");
        }
    }

    #[test]
    fn unknown_options_are_named() {
        let options = of(&json!({"mirostat": 1, "Temperature": "hot", "zzz": null}));
        assert_eq!(
            options.notices,
            ["unknown option \"mirostat\" is ignored", "unknown option \"Temperature\" is ignored"]
        );
        let many: Map<String, Value> = (0..100).map(|n| (format!("{n:0>99}"), json!(n))).collect();
        let options = of(&Value::Object(many));
        assert_eq!(options.notices.len(), OPTION_NOTICES_MAX);
        assert!(options.notices.iter().all(|line| line.len() < 100));
    }

    #[test]
    fn stops_are_bounded_and_never_empty() {
        assert_eq!(of(&json!({"stop": ["", "x"]})).stop, ["x"]);
        assert_eq!(of(&json!({"stop": vec!["x"; STOPS_MAX]})).stop.len(), STOPS_MAX);
        for stop in [vec!["x".to_owned(); STOPS_MAX + 1], vec!["x".repeat(STOP_BYTES + 1)]] {
            let error = resolved(&json!({}), &json!({"stop": stop})).expect_err("too much");
            assert_eq!(error.status, 400);
            assert_eq!(error.message, "option \"stop\" must be at most 64 strings of at most 1024 bytes each");
        }
    }
}

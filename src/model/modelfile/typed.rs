//! The values of PARAMETER: options with the types that the API has for them (the behaviour page, section 2.8).

use serde_json::Value;

/// Options of former times: they are accepted, and dropped with a warning.
pub const DEPRECATED: &[&str] = &[
    "penalize_newline",
    "low_vram",
    "f16_kv",
    "logits_all",
    "vocab_only",
    "use_mlock",
    "mirostat",
    "mirostat_tau",
    "mirostat_eta",
];

/// Why a parameter has no value, in Ollama's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParameterError {
    /// There is no such option.
    #[error("unknown parameter '{0}'")]
    Unknown(String),
    /// The text is no value of its type.
    #[error("invalid {kind} value [{values}]")]
    Value {
        /// `float`, `int` or `bool`.
        kind: &'static str,
        /// All texts that were given, a space between them.
        values: String,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Float,
    Integer,
    Boolean,
    Texts,
}

fn kind(name: &str) -> Option<Kind> {
    Some(match name {
        "temperature" | "top_p" | "min_p" | "typical_p" | "repeat_penalty" | "presence_penalty"
        | "frequency_penalty" => Kind::Float,
        "top_k" | "repeat_last_n" | "seed" | "num_predict" | "num_keep" | "num_ctx" | "num_batch" | "num_gpu"
        | "main_gpu" | "num_thread" | "draft_num_predict" => Kind::Integer,
        "use_mmap" => Kind::Boolean,
        "stop" => Kind::Texts,
        _ => return None,
    })
}

/// The value of the option `name`. An option that is one value takes the first of `texts`, a list takes all.
///
/// # Errors
/// When there is no such option, or the text does not fit its type.
pub fn typed(name: &str, texts: &[&str]) -> Result<Value, ParameterError> {
    let kind = kind(name).ok_or_else(|| ParameterError::Unknown(name.to_owned()))?;
    let first = texts.first().copied().unwrap_or_default();
    let (value, kind) = match kind {
        Kind::Float => (float(first), "float"),
        Kind::Integer => (first.parse::<i64>().ok().map(Value::from), "int"),
        Kind::Boolean => (boolean(first).map(Value::from), "bool"),
        Kind::Texts => return Ok(texts.to_vec().into()),
    };
    value.ok_or_else(|| ParameterError::Value { kind, values: texts.join(" ") })
}

/// A finite number of 32 bits. JSON gets its own shortest digits, not those of the 64-bit number beside it.
fn float(text: &str) -> Option<Value> {
    let number = text.parse::<f32>().ok().filter(|number| number.is_finite())?;
    let shortest = number.to_string().parse::<f64>().ok()?;
    Some(Value::from(shortest))
}

/// Go's `strconv.ParseBool`.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

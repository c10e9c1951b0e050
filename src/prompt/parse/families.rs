//! The grammars of the families that put thinking and calls into tags.

use super::held::{plain, trimming};
use super::tagged::{AfterCall, CallEnd, Cut, Family};
use super::{arg_call, gemma_call, json_call, python_call, xml_call};

/// Qwen 3: JSON calls; a call may come without the end of the thinking. The others are told as differences.
pub(super) static QWEN3: Family = Family {
    think_open: "<think>",
    think_ends: &[trimming("</think>"), trimming("<tool_call>")],
    content_ends: &[trimming("<tool_call>")],
    call_end: CallEnd::Tag("</tool_call>"),
    after_call: AfterCall::Space(&[]),
    cut: Cut::Dropped,
    think_label: "",
    keeps_last_space: false,
    bare_calls: false,
    decode: json_call::object,
};

/// Qwen's coder, Qwen 3.5, Ornith and Nemotron: functions and parameters.
pub(super) static QWEN3_CODER: Family = Family { decode: xml_call::function, ..QWEN3 };

/// GLM: keys and values; a tag of a call inside the thinking is thinking. Models stop at the closing tag.
pub(super) static GLM: Family = Family {
    think_ends: &[trimming("</think>")],
    cut: Cut::Read(|raw, tools| arg_call::strict(raw, "</tool_call>", tools)),
    decode: arg_call::lenient,
    ..QWEN3
};

/// `OLMo` 3 with thinking has no calls.
pub(super) static OLMO3_THINK: Family =
    Family { think_ends: &[trimming("</think>")], content_ends: &[], keeps_last_space: true, ..QWEN3 };

/// `OLMo` 3: Python, a call a line.
pub(super) static OLMO3: Family = Family {
    content_ends: &[plain("<function_calls>")],
    call_end: CallEnd::Tag("</function_calls>"),
    after_call: AfterCall::Nothing,
    keeps_last_space: true,
    decode: python_call::lines,
    ..QWEN3
};

/// LFM2: a Python list, with or without its tags.
pub(super) static LFM2: Family = Family {
    think_ends: &[trimming("</think>")],
    content_ends: &[trimming("<|tool_call_start|>")],
    call_end: CallEnd::Tag("<|tool_call_end|>"),
    keeps_last_space: true,
    bare_calls: true,
    decode: python_call::list,
    ..QWEN3
};

/// `FunctionGemma`.
pub(super) static FUNCTION_GEMMA: Family = Family {
    content_ends: &[plain("<start_function_call>")],
    call_end: CallEnd::Tag("<end_function_call>"),
    after_call: AfterCall::Nothing,
    keeps_last_space: true,
    decode: gemma_call::function_gemma,
    ..QWEN3
};

/// Gemma 4: thinking is a channel that may open at any time. Models repeat the closing tag, and stop at it.
pub(super) static GEMMA4: Family = Family {
    think_open: "",
    think_ends: &[trimming("<channel|>")],
    content_ends: &[trimming("<|tool_call>"), trimming("<|channel>")],
    call_end: CallEnd::Tag("<tool_call|>"),
    after_call: AfterCall::Space(&["<tool_call|>", "<|tool_response>"]),
    cut: Cut::ReadOrDropped(gemma_call::gemma4),
    think_label: "thought\n",
    keeps_last_space: true,
    decode: gemma_call::gemma4,
    ..QWEN3
};

/// Mistral's small ones: thinking may open at any time, and a call ends with its arguments.
pub(super) static MINISTRAL: Family = Family {
    think_open: "",
    think_ends: &[plain("[/THINK]")],
    content_ends: &[trimming("[TOOL_CALLS]"), trimming("[THINK]")],
    call_end: CallEnd::JsonBehind("[ARGS]"),
    after_call: AfterCall::Nothing,
    decode: json_call::mistral,
    ..QWEN3
};

/// Text as it is.
pub(super) static PASSTHROUGH: Family = Family { content_ends: &[], keeps_last_space: true, ..QWEN3 };

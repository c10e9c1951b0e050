//! `ChatML`: turns between `<|im_start|>ROLE` and `<|im_end|>`, which many families build on, and what the Qwen
//! families do inside them.

use super::ResultPlace;
use super::out::Out;

/// Begins a turn; the role and a line break follow.
pub(super) const START: &str = "<|im_start|>";
/// Ends a turn.
pub(super) const END: &str = "<|im_end|>\n";
/// Begins an answer.
pub(super) const ANSWER: &str = "<|im_start|>assistant\n";

/// Writes a whole turn.
pub(super) fn turn(out: &mut Out, role: &str, content: &str) {
    out.puts([START, role, "\n", content, END]);
}

/// Writes the result of a tool: results that follow one another share a turn of the user, which the first opens and the
/// last closes.
pub(super) fn tool_result(out: &mut Out, content: &str, place: ResultPlace) {
    if place.is_first {
        out.puts([START, "user"]);
    }
    out.puts(["\n<tool_response>\n", content, "\n</tool_response>"]);
    if place.is_last {
        out.put(END);
    }
}

/// Whether a user's turn only hands on the result of a tool.
pub(super) fn is_tool_response(content: &str) -> bool {
    content.starts_with("<tool_response>") && content.ends_with("</tool_response>")
}

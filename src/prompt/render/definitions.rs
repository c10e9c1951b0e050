//! Definitions of tools as transformers' `tojson` has them, but for one thing: Go's ordered map escapes `<`, `>` and `&`
//! by itself, so they are escaped inside `properties` and stand as they are around it.

use super::json::Json;
use super::out::Out;
use crate::model::Tool;
use crate::model::tool::{ToolFunction, ToolParameters};

/// Writes a whole tool.
pub(super) fn put_tool(out: &mut Out, tool: &Tool) {
    out.put("{\"type\": ");
    Json::Plain.put(out, &tool.kind);
    if let Some(items) = &tool.items {
        out.put(", \"items\": ");
        Json::Plain.put_free(out, items);
    }
    out.put(", \"function\": ");
    put_function(out, &tool.function);
    out.put("}");
}

/// Writes a function; a description only when there is one.
pub(super) fn put_function(out: &mut Out, function: &ToolFunction) {
    out.put("{\"name\": ");
    Json::Plain.put(out, &function.name);
    if !function.description.is_empty() {
        out.put(", \"description\": ");
        Json::Plain.put(out, &function.description);
    }
    out.put(", \"parameters\": ");
    put_parameters(out, &function.parameters);
    out.put("}");
}

/// Writes the schema of a function's arguments.
pub(super) fn put_parameters(out: &mut Out, parameters: &ToolParameters) {
    let ToolParameters { kind, defs, items, required, properties } = parameters;
    out.put("{\"type\": ");
    Json::Plain.put(out, kind);
    for (key, value) in [("$defs", defs), ("items", items)] {
        if let Some(value) = value {
            out.puts([", \"", key, "\": "]);
            Json::Plain.put_free(out, value);
        }
    }
    if !required.is_empty() {
        out.put(", \"required\": ");
        Json::Plain.put(out, required);
    }
    out.put(", \"properties\": ");
    Json::Spaced.put(out, properties);
    out.put("}");
}

//! Ways to write the call of a tool that several families share.

use serde_json::Value;

use super::go;
use super::json::Json;
use super::out::Out;
use crate::model::ToolCall;
use crate::model::tool::ToolCallFunction;

/// How families that write `<function=…>` are told to: what follows the list of functions.
pub(super) const FUNCTION_RULES: &str = "

If you choose to call a function ONLY reply in the following format with NO suffix:

<tool_call>
<function=example_function_name>
<parameter=example_parameter_1>
value_1
</parameter>
<parameter=example_parameter_2>
This is the value for the second parameter
that can span
multiple lines
</parameter>
</function>
</tool_call>

<IMPORTANT>
Reminder:
- Function calls MUST follow the specified format: an inner <function=...></function> block must be nested within <tool_call></tool_call> XML tags
- Required parameters MUST be specified
- You may provide optional reasoning for your function call in natural language BEFORE the function call, but NOT after
- If there is no function call available, answer the question like normal with your current knowledge and do not tell the user about function calls
</IMPORTANT>";

/// What stands before the list of functions for the same families.
pub(super) const FUNCTIONS_FOLLOW: &str = "# Tools\n\nYou have access to the following functions:\n\n<tools>";

/// `<tool_call><function=NAME><parameter=KEY>VALUE</parameter>…`, a tag a line; `argument` writes a value.
pub(super) fn function_tags(out: &mut Out, call: &ToolCall, argument: fn(&mut Out, &Value)) {
    out.puts(["<tool_call>\n<function=", &call.function.name, ">"]);
    for (name, value) in call.function.arguments.iter() {
        out.puts(["\n<parameter=", name, ">\n"]);
        argument(out, value);
        out.put("\n</parameter>");
    }
    out.put("\n</function>\n</tool_call>");
}

/// An argument as text: strings as they are, arrays and objects as JSON, other values as Go prints them.
pub(super) fn argument_text(out: &mut Out, value: &Value) {
    match value {
        Value::Null => out.put("null"),
        Value::Array(_) | Value::Object(_) => Json::Compact.put_free(out, value),
        _ => out.put(&go::print(value)),
    }
}

/// `<tool_call>NAME<arg_key>KEY</arg_key><arg_value>VALUE</arg_value>…</tool_call>`; `line` stands after the name and
/// each element. Strings stand as they are, other values as JSON.
pub(super) fn key_value_tags(out: &mut Out, call: &ToolCall, style: Json, line: &str) {
    out.puts(["<tool_call>", &call.function.name, line]);
    for (name, value) in call.function.arguments.iter() {
        out.puts(["<arg_key>", name, "</arg_key>", line, "<arg_value>"]);
        match value {
            Value::String(text) => out.put(text),
            _ => style.put_free(out, value),
        }
        out.puts(["</arg_value>", line]);
    }
    out.put("</tool_call>");
}

/// `NAME(KEY=VALUE,…)` as in Python, arguments sorted by name, values as JSON.
pub(super) fn python(out: &mut Out, function: &ToolCallFunction, style: Json, separator: &str) {
    let mut arguments: Vec<_> = function.arguments.iter().collect();
    arguments.sort_unstable_by_key(|(name, _)| *name);
    let mut first = true;
    out.puts([&function.name, "("]);
    for (name, value) in arguments {
        out.separate(&mut first, separator);
        out.puts([name, "="]);
        style.put_free(out, value);
    }
    out.put(")");
}

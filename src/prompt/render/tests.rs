//! What the recorded prompts do not show: refusals, bounds, and where Ollama's own answer is left to chance.

use jiff::civil::date;
use serde_json::{Value, json};

use super::table::RENDERERS;
use super::{Conversation, RenderError, by_name};
use crate::config::limits::{JSON_DEPTH_MAX, PROMPT_BYTES};
use crate::model::tool::{ToolProperties, ToolProperty};
use crate::model::{Message, Tool};

/// The prompt of `renderer` for messages and tools as the API has them.
fn prompt(renderer: &str, messages: &Value, tools: &Value) -> Result<String, RenderError> {
    let messages: Vec<Message> = serde_json::from_value(messages.clone()).expect("messages");
    let tools: Vec<Tool> = serde_json::from_value(tools.clone()).expect("tools");
    render(renderer, &messages, &tools)
}

fn render(renderer: &str, messages: &[Message], tools: &[Tool]) -> Result<String, RenderError> {
    by_name(renderer)?.render(&Conversation { messages, tools, think: None, today: date(2026, 1, 1) })
}

/// (messages, what qwen3.8 says)
#[test]
fn qwen38_wants_a_question_and_text_as_instructions() {
    let image = "aaaa";
    for (messages, want) in [
        (json!([]), "no messages provided"),
        (json!([{"role": "developer", "content": "a"}]), "no user query found in messages"),
        (json!([{"role": "user", "content": " <tool_response>a</tool_response> "}]), "no user query found in messages"),
        (json!([{"role": "system", "content": "a", "images": [image]}]), "system message cannot contain images"),
        (
            json!([{"role": "user", "content": "a"}, {"role": "developer", "images": [image]}]),
            "developer message cannot contain images",
        ),
    ] {
        let error = prompt("qwen3.8", &messages, &json!([])).expect_err("refused");
        assert_eq!(error.to_string(), want, "{messages}");
    }
    let ours = json!([{"role": "user", "content": "a", "images": [image]}]);
    assert!(prompt("qwen3.8", &ours, &json!([])).is_ok());
}

/// Ollama goes through a map here, whose order changes from one prompt to the next.
#[test]
fn qwen3_coder_writes_the_other_keys_of_a_schema_in_one_order() {
    let property = json!({"required": ["k"], "enum": [1e6], "items": {"b": "<", "a": 1}, "type": "array",
        "properties": {"k": {}, "j": {}}, "anyOf": [{"type": "null"}]});
    let parameters =
        json!({"type": "object", "required": ["p"], "items": true, "$defs": {}, "properties": {"p": property}});
    let tools = json!([{"type": "function", "function": {"name": "f", "parameters": parameters}}]);
    let got = prompt("qwen3-coder", &json!([]), &tools).expect("a prompt");
    let of_property = "<type>array</type>\n<anyOf>[{\"type\":\"null\"}]</anyOf>\n\
        <items>{\"a\":1,\"b\":\"\\u003c\"}</items>\n<enum>[1000000]</enum>\n\
        <properties>{\"j\":{},\"k\":{}}</properties>\n<required>[\"k\"]</required>\n</parameter>";
    assert!(got.contains(of_property), "{got}");
    assert!(
        got.contains(
            "</parameter>\n<$defs>{}</$defs>\n<items>true</items>\n<required>[\"p\"]</required>\n</parameters>"
        )
    );
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(Value::Null, |inside, level| if level % 2 == 0 { json!([inside]) } else { json!({ "k": inside }) })
}

/// What only a program could hand over: requests are bounded when they are read.
#[test]
fn what_is_nested_too_deep_is_refused_by_all() {
    let call = |levels| {
        let mut message = Message { role: "assistant".into(), ..Message::default() };
        message.tool_calls.resize_with(1, Default::default);
        message.tool_calls[0].function.arguments =
            serde_json::Map::from_iter([("a".to_owned(), nested(levels))]).into();
        vec![message]
    };
    let tool = |levels| {
        let inner = ToolProperty { types: vec!["object".into()], ..ToolProperty::default() };
        let property = (1..levels).fold(inner, |inside, level| {
            if level % 2 == 0 {
                return ToolProperty { any_of: vec![inside], ..ToolProperty::default() };
            }
            let properties = Some(ToolProperties(vec![("p".into(), inside)]));
            ToolProperty { types: vec!["object".into()], properties, ..ToolProperty::default() }
        });
        let mut tool = Tool::default();
        tool.function.parameters.properties = Some(ToolProperties(vec![("p".into(), property)]));
        vec![tool]
    };
    for renderer in super::table::RENDERERS.iter().filter(|renderer| renderer.name() != "qwen3.8") {
        let name = renderer.name();
        assert!(render(name, &call(JSON_DEPTH_MAX - 1), &tool(JSON_DEPTH_MAX)).is_ok(), "{name}");
        assert_eq!(render(name, &call(JSON_DEPTH_MAX), &[]), Err(RenderError::TooDeep), "{name}");
        assert_eq!(render(name, &[], &tool(JSON_DEPTH_MAX + 1)), Err(RenderError::TooDeep), "{name}");
    }
    let mut free = Tool::default();
    free.function.parameters.defs = Some(nested(JSON_DEPTH_MAX));
    assert_eq!(render("olmo3", &[], &[free]), Err(RenderError::TooDeep));
}

#[test]
fn a_prompt_that_grows_too_long_is_refused_by_all() {
    let content = "x".repeat(PROMPT_BYTES);
    let messages = [Message { role: "user".into(), content, ..Message::default() }];
    for renderer in super::table::RENDERERS {
        assert_eq!(render(renderer.name(), &messages, &[]), Err(RenderError::TooLong), "{}", renderer.name());
    }
}

#[test]
fn prompts_begin_with_the_bos_that_their_renderer_names() {
    let message = Message { role: "user".into(), content: "a".into(), ..Message::default() };
    let conversation = Conversation { messages: &[message], tools: &[], think: None, today: date(2026, 1, 1) };
    for renderer in RENDERERS {
        let prompt = renderer.render(&conversation).expect("a prompt");
        // Cohere leaves it to the tokenizer.
        assert_eq!(prompt.starts_with(renderer.bos()), renderer.name() != "cohere", "{}", renderer.name());
        assert_eq!(by_name(renderer.name()).expect("itself").name(), renderer.name());
    }
}

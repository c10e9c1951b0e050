//! What a template makes of messages. Templates are written for one model each, and for messages as that model's makers
//! send them: some know no system messages, some want the arguments of calls as an object and some as text, some want
//! contents in parts. Each is tried once with a few messages, as llama.cpp does, and messages are adapted to what it takes.

use serde_json::{Map, Value as Json, json};

/// What a template wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Likes {
    /// System messages; without: their text goes in front of the next message's.
    system: bool,
    /// Arguments of calls as an object; without: as JSON text.
    objects: bool,
    /// Contents as `[{"type": "text", "text": …}]`.
    parts: bool,
    /// Earlier thinking as a part of a content, as Mistral's templates have it.
    thinking_parts: bool,
    /// Earlier thinking as `thinking`, not as `reasoning_content`.
    thinking_field: bool,
    /// The role `developer`, which is `system` elsewhere.
    developer: bool,
    /// No content beside thinking and calls.
    lone_calls: bool,
    /// No blanks around contents: with them the model repeats itself.
    trimmed: bool,
    /// Results of calls in the order of the calls.
    ordered_results: bool,
    /// Results of calls in the message that has the calls, as Gemma's older templates have it.
    inner_results: bool,
    /// What it puts in front of an answer depends on whether it is to think.
    thinks: bool,
}

impl Default for Likes {
    fn default() -> Self {
        Self {
            system: true,
            objects: true,
            parts: false,
            thinking_parts: false,
            thinking_field: false,
            developer: false,
            lone_calls: false,
            trimmed: false,
            ordered_results: false,
            inner_results: false,
            thinks: false,
        }
    }
}

/// Texts that stand out in a prompt.
const MARK: &str = "MARKED-TEXT";

/// `text` without two refusals that are meant for training and would break conversations that go on after an empty or an
/// odd answer: gpt-oss's and Mistral's. llama.cpp takes the same two out.
pub(super) fn mended(text: &str) -> String {
    const REFUSALS: &[&str] = &[
        "{%- if \"<|channel|>analysis<|message|>\" in message.content or \"<|channel|>final<|message|>\" in message.content %}",
        "{%- if (message['content'] is none or message['content'] == '' or message['content']|length == 0) and (message['tool_calls'] is not defined or message['tool_calls'] is none or message['tool_calls']|length == 0) %}",
    ];
    REFUSALS.iter().fold(text.to_owned(), |text, refusal| text.replace(refusal, "{%- if false %}"))
}

/// Tools in the shape that models have seen: type, name, description, parameters. `None` where there are none.
pub(super) fn tools(tools: Vec<Json>) -> Option<Json> {
    let tool = |tool: Json| {
        let function = &tool["function"];
        if !function["name"].is_string() {
            return tool;
        }
        json!({"type": "function", "function": {
            "name": function["name"],
            "description": function.get("description").cloned().unwrap_or_else(|| "".into()),
            "parameters": function.get("parameters").cloned().unwrap_or_else(|| json!({})),
        }})
    };
    (!tools.is_empty()).then(|| tools.into_iter().map(tool).collect())
}

impl Likes {
    /// What the template of this `text` likes; `probe` gives what it makes of messages and tools,
    /// thinking or not, if anything.
    pub(super) fn of(text: &str, probe: impl Fn(Json, Option<Json>, bool) -> Option<String>) -> Self {
        let has = |part: &str| text.contains(part);
        let channels = has("<|channel|>");
        let marked = |messages: Json| probe(messages, None, true).is_some_and(|prompt| prompt.contains(MARK));
        let user = |content: Json| json!([{"role": "user", "content": content}]);
        let parts = !marked(user(MARK.into())) && marked(user(json!([{"type": "text", "text": MARK}])));
        let content = |text: &str| if parts { json!([{"type": "text", "text": text}]) } else { text.into() };
        let system = json!([{"role": "system", "content": content(MARK)}, {"role": "user", "content": content("a")}]);
        let without = json!([{"role": "user", "content": content("a")}]);
        let answer = |think: bool| {
            let prompt = probe(user(content(MARK)), None, think)?;
            prompt.rsplit_once(MARK).map(|(_, answer)| answer.to_owned())
        };
        Self {
            system: marked(system) || probe(without, None, true).is_none(),
            objects: likes_objects(&probe, &content),
            parts,
            thinking_parts: has("[ARGS]") && has("[SYSTEM_PROMPT]") && has("[TOOL_CALLS]") && !has("[CALL_ID]"),
            thinking_field: !has("reasoning_content") && has("message.thinking"),
            developer: channels,
            lone_calls: channels,
            trimmed: has("You have access to the following functions in JSONSchema format"),
            ordered_results: has("dsml_token") && has("DSML"),
            inner_results: has("'<|tool_call>call:'") && !has("{#- OpenAI Chat Completions:"),
            thinks: answer(true) != answer(false),
        }
    }

    /// Whether it has a way to think that can be asked for.
    pub(super) fn thinks(&self) -> bool {
        self.thinks
    }

    /// Messages as the template takes them.
    pub(super) fn adapted(&self, mut messages: Vec<Json>) -> Json {
        for message in messages.iter_mut().filter_map(Json::as_object_mut) {
            self.adapt(message);
        }
        if !self.system && messages.first().is_some_and(|first| first["role"] == "system") {
            let system = messages.remove(0);
            if let (Some(system), Some(next)) = (system["content"].as_str(), messages.first_mut())
                && let Some(content) = next["content"].as_str()
            {
                next["content"] = format!("{system}\n{content}").into();
            }
        }
        if self.ordered_results {
            order_results(&mut messages);
        }
        if self.inner_results {
            messages = with_inner_results(messages);
        }
        if self.parts || self.thinking_parts {
            for message in messages.iter_mut().filter_map(Json::as_object_mut) {
                self.split(message);
            }
        }
        messages.into()
    }

    fn adapt(&self, message: &mut Map<String, Json>) {
        if !self.developer && message.get("role").is_some_and(|role| role == "developer") {
            message.insert("role".into(), "system".into());
        }
        // Thinking that is empty is none (llama.cpp).
        if message.get("reasoning_content").is_some_and(|thinking| thinking == "") {
            message.remove("reasoning_content");
        }
        if self.trimmed {
            for field in ["content", "reasoning_content"] {
                if let Some(Json::String(text)) = message.get_mut(field) {
                    *text = text.trim().to_owned();
                }
            }
        }
        let calls = message.get_mut("tool_calls").and_then(Json::as_array_mut);
        let has_calls = calls.as_ref().is_some_and(|calls| !calls.is_empty());
        for call in calls.into_iter().flatten() {
            let Some(arguments) = call.get_mut("function").and_then(|function| function.get_mut("arguments")) else {
                continue;
            };
            match arguments {
                Json::String(text) if self.objects => {
                    if let Ok(object) = serde_json::from_str(text) {
                        *arguments = object;
                    }
                }
                Json::Object(object) if !self.objects => {
                    *arguments = serde_json::to_string(object).unwrap_or_default().into();
                }
                _ => {}
            }
        }
        if has_calls && message.get("content").is_none_or(Json::is_null) {
            message.insert("content".into(), "".into());
        }
        if self.thinking_field
            && let Some(thinking) = message.get("reasoning_content").filter(|thinking| thinking.is_string()).cloned()
        {
            message.insert("thinking".into(), thinking);
            if self.lone_calls && has_calls {
                message.remove("content");
            }
        }
    }

    /// Contents in parts.
    fn split(&self, message: &mut Map<String, Json>) {
        let speaks = message.get("role").is_some_and(|role| role == "assistant" || role == "system");
        if !self.parts && !speaks {
            return;
        }
        let mut parts = Vec::new();
        if self.thinking_parts
            && speaks
            && let Some(Json::String(thinking)) = message.remove("reasoning_content")
        {
            parts.push(json!({"type": "thinking", "thinking": thinking}));
        }
        match message.remove("content") {
            Some(Json::String(text)) => parts.push(json!({"type": "text", "text": text})),
            Some(Json::Array(others)) => parts.extend(others),
            _ => {}
        }
        message.insert("content".into(), parts.into());
    }
}

/// Whether a call's arguments are better an object: the template prints what is in it, and not as Python would.
fn likes_objects(probe: &impl Fn(Json, Option<Json>, bool) -> Option<String>, content: &impl Fn(&str) -> Json) -> bool {
    let tried = |arguments: Json| {
        let call = json!({"id": "call00001", "type": "function", "function": {"name": "f", "arguments": arguments}});
        let messages = json!([
            {"role": "user", "content": content("a")},
            {"role": "assistant", "content": content(""), "tool_calls": [call]},
            {"role": "tool", "content": content("b"), "tool_call_id": "call00001"},
            {"role": "assistant", "content": content("c")},
            {"role": "user", "content": content("d")},
        ]);
        let parameters =
            json!({"type": "object", "properties": {"x": {"type": "string", "description": "X"}}, "required": ["x"]});
        let tool = json!({"type": "function", "function": {"name": "f", "description": "F", "parameters": parameters}});
        probe(messages, Some(json!([tool])), true).filter(|prompt| prompt.contains(MARK))
    };
    match tried(json!({"x": MARK})) {
        Some(prompt) => !prompt.contains(&format!("{{'x': '{MARK}'}}")),
        None => tried(json!({"x": MARK}).to_string().into()).is_none(),
    }
}

/// Puts the results that follow an answer into the order of its calls, by their identifiers.
fn order_results(messages: &mut [Json]) {
    let mut order: Vec<String> = Vec::new();
    let mut at = 0;
    while let Some(message) = messages.get(at) {
        if let Some(calls) = message["tool_calls"].as_array().filter(|calls| !calls.is_empty()) {
            order = calls.iter().filter_map(|call| Some(call["id"].as_str()?.to_owned())).collect();
        }
        let is_asked = |message: &Json| message["role"] == "user" || message["role"] == "tool";
        let run = messages[at..].iter().take_while(|message| is_asked(message)).count();
        let places: Vec<usize> = (at..at + run).filter(|place| messages[*place]["role"] == "tool").collect();
        let mut results: Vec<Json> = places.iter().map(|place| messages[*place].clone()).collect();
        results.sort_by_key(|result| order.iter().position(|id| result["tool_call_id"] == **id).unwrap_or(0));
        for (place, result) in places.into_iter().zip(results) {
            messages[place] = result;
        }
        at += run.max(1);
    }
}

/// Puts results, and an answer that follows them, into the messages with the calls that they answer.
fn with_inner_results(messages: Vec<Json>) -> Vec<Json> {
    let has_calls = |message: &Json| message["tool_calls"].as_array().is_some_and(|calls| !calls.is_empty());
    let mut out = Vec::new();
    let mut rest = messages.into_iter().peekable();
    while let Some(mut message) = rest.next() {
        if message["role"] == "assistant" && has_calls(&message) {
            let mut results = Vec::new();
            while let Some(result) = rest.next_if(|next| next["role"] == "tool") {
                let call = message["tool_calls"].get(results.len());
                let name = call.and_then(|call| call["function"]["name"].as_str()).filter(|name| !name.is_empty());
                let name = name.or_else(|| result["tool_call_id"].as_str()).unwrap_or_default();
                let parsed = result["content"].as_str().and_then(|text| serde_json::from_str(text).ok());
                let response: Json = parsed.unwrap_or_else(|| result["content"].clone());
                results.push(json!({"name": name, "response": response}));
            }
            let is_answer = |next: &Json| {
                next["role"] == "assistant"
                    && !has_calls(next)
                    && next["content"].as_str().is_some_and(|text| !text.is_empty())
            };
            let answer = rest.next_if(is_answer).map(|answer| answer["content"].clone());
            if let Some(message) = message.as_object_mut() {
                message.remove("content");
                message.extend(answer.map(|answer| ("content".to_owned(), answer)));
                if !results.is_empty() {
                    message.insert("tool_responses".into(), results.into());
                }
            }
        }
        out.push(message);
    }
    out
}

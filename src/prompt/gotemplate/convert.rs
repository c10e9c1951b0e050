//! Messages and tools as the values that templates see.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value as Json;

use super::image::Image;
use super::tree::Text;
use super::types::{
    CALL, CALL_FUNCTION, ListType, MESSAGE, MapType, PARAMETERS, PROPERTY, RecordType, TOOL, TOOL_FUNCTION,
};
use super::value::{List, Map, Properties, Record, Value};
use crate::model::Message;
use crate::model::tool::{Tool, ToolCall, ToolProperties, ToolProperty};

fn record(kind: &'static RecordType, fields: Vec<Value>) -> Value {
    Value::Record(Rc::new(Record { kind, fields }))
}

fn list(kind: ListType, items: Option<Vec<Value>>) -> Value {
    Value::List(List::new(kind, items))
}

/// Free JSON; nil where there is none.
fn any(json: Option<&Json>) -> Value {
    json.map_or(Value::Nil, from_json)
}

fn texts(kind: ListType, texts: &[String]) -> Value {
    list(kind, some(texts.iter().map(|text| Value::text(text)).collect()))
}

/// Ollama appends to nil slices, so that none at all stay nil.
fn some(items: Vec<Value>) -> Option<Vec<Value>> {
    (!items.is_empty()).then_some(items)
}

/// A value out of JSON: all numbers are floats.
pub(super) fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => Value::Float(number.as_f64().unwrap_or_default()),
        Json::String(text) => Value::text(text),
        Json::Array(items) => list(ListType::Any, Some(items.iter().map(from_json).collect())),
        Json::Object(object) => Value::Map(Map::new(MapType::Any, Some(entries(object)))),
    }
}

/// The entries of an object.
fn entries(object: &serde_json::Map<String, Json>) -> BTreeMap<Text, Value> {
    object.iter().map(|(key, entry)| (Arc::from(key.as_bytes()), from_json(entry))).collect()
}

/// `.Messages`; none at all are nil.
pub(super) fn messages(messages: &[Cow<'_, Message>]) -> Value {
    let items = (!messages.is_empty()).then(|| messages.iter().map(|one| message(one)).collect());
    list(ListType::Messages, items)
}

fn message(message: &Message) -> Value {
    let image = |base64: &String| Value::Image(Rc::new(Image::from_base64(base64)));
    let images = some(message.images.iter().map(image).collect());
    let calls = some(message.tool_calls.iter().map(call).collect());
    Value::Pointer(Rc::new(Record {
        kind: &MESSAGE,
        fields: vec![
            Value::text(&message.role),
            Value::text(&message.content),
            Value::text(&message.thinking),
            list(ListType::Images, images),
            list(ListType::Calls, calls),
            Value::text(&message.tool_name),
            Value::text(&message.tool_call_id),
        ],
    }))
}

fn call(call: &ToolCall) -> Value {
    let function = &call.function;
    let arguments = function.arguments.named().map(entries);
    let arguments = Value::Map(Map::new(MapType::Arguments, arguments));
    let function = record(&CALL_FUNCTION, vec![Value::Int(function.index), Value::text(&function.name), arguments]);
    record(&CALL, vec![Value::text(&call.id), function])
}

/// `.Tools`; `None`: the request named none.
pub(super) fn tools(tools: Option<&[Tool]>) -> Value {
    list(ListType::Tools, tools.map(|tools| tools.iter().map(tool).collect()))
}

fn tool(tool: &Tool) -> Value {
    let function = &tool.function;
    let parameters = &function.parameters;
    let properties = parameters.properties.as_ref().map(|properties| properties_of(properties).into_iter().collect());
    let parameters = record(
        &PARAMETERS,
        vec![
            Value::text(&parameters.kind),
            any(parameters.defs.as_ref()),
            any(parameters.items.as_ref()),
            texts(ListType::Texts, &parameters.required),
            Value::Map(Map::new(MapType::Properties, properties)),
        ],
    );
    let function =
        record(&TOOL_FUNCTION, vec![Value::text(&function.name), Value::text(&function.description), parameters]);
    record(&TOOL, vec![Value::text(&tool.kind), any(tool.items.as_ref()), function])
}

/// Properties in the order in which they came.
fn properties_of(properties: &ToolProperties) -> Vec<(Text, Value)> {
    properties.0.iter().map(|(key, entry)| (Arc::from(key.as_bytes()), property(entry))).collect()
}

fn property(property: &ToolProperty) -> Value {
    let properties = property.properties.as_ref().map(|properties| Rc::new(Properties(properties_of(properties))));
    record(
        &PROPERTY,
        vec![
            list(ListType::AnyOf, some(property.any_of.iter().map(self::property).collect())),
            texts(ListType::PropertyType, &property.types),
            any(property.items.as_ref()),
            Value::text(&property.description),
            list(ListType::Any, some(property.values.iter().map(from_json).collect())),
            Value::Properties(properties),
            texts(ListType::Texts, &property.required),
        ],
    )
}

/// What a map gives for a key that it lacks.
pub(super) fn zero_of(kind: MapType) -> Value {
    if kind.holds_properties() { property(&ToolProperty::default()) } else { Value::Nil }
}

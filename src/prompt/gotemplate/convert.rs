//! Messages and tools as the values that templates see. What Ollama's types do not name is dropped, as its decoder does.

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

fn record(kind: &'static RecordType, fields: Vec<Value>) -> Value {
    Value::Record(Rc::new(Record { kind, fields }))
}

fn list(kind: ListType, items: Option<Vec<Value>>) -> Value {
    Value::List(List::new(kind, items))
}

fn text_of(json: &Json) -> Text {
    Arc::from(json.as_str().unwrap_or_default().as_bytes())
}

/// A field that is a text; anything else counts as none.
fn text(json: &Json, name: &str) -> Value {
    Value::Text(text_of(json.get(name).unwrap_or(&Json::Null)))
}

/// A field of any type.
fn any(json: &Json, name: &str) -> Value {
    json.get(name).map_or(Value::Nil, from_json)
}

/// A value out of JSON: all numbers are floats.
pub(super) fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => Value::Float(number.as_f64().unwrap_or_default()),
        Json::String(text) => Value::text(text),
        Json::Array(items) => list(ListType::Any, Some(items.iter().map(from_json).collect())),
        Json::Object(_) => Value::Map(Map::new(MapType::Any, entries(json, from_json))),
    }
}

/// The entries of an object; `None` of anything else.
fn entries(json: &Json, value: impl Fn(&Json) -> Value) -> Option<BTreeMap<Text, Value>> {
    Some(json.as_object()?.iter().map(|(key, entry)| (Arc::from(key.as_bytes()), value(entry))).collect())
}

/// The elements of an array; `None` of anything else.
fn items(json: Option<&Json>, value: impl Fn(&Json) -> Value) -> Option<Vec<Value>> {
    Some(json?.as_array()?.iter().map(value).collect())
}

/// `.Messages`; none at all are nil.
pub(super) fn messages(messages: &[Cow<'_, Message>]) -> Value {
    let items = (!messages.is_empty()).then(|| messages.iter().map(|one| message(one)).collect());
    list(ListType::Messages, items)
}

fn message(message: &Message) -> Value {
    let images = message.images.as_ref().map(|images| {
        let image = |base64: &String| Value::Image(Rc::new(Image::from_base64(base64)));
        images.iter().map(image).collect()
    });
    // Ollama appends calls to a nil slice, so that none at all stay nil.
    let calls = message.tool_calls.as_ref().filter(|calls| !calls.is_empty());
    let calls = calls.map(|calls| calls.iter().map(call).collect());
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

fn call(json: &Json) -> Value {
    let function = json.get("function").unwrap_or(&Json::Null);
    let index = function.get("index").and_then(Json::as_i64).unwrap_or_default();
    let arguments = function.get("arguments").map(|json| entries(json, from_json).unwrap_or_default());
    let arguments = Value::Map(Map::new(MapType::Arguments, arguments));
    let function = record(&CALL_FUNCTION, vec![Value::Int(index), text(function, "name"), arguments]);
    record(&CALL, vec![text(json, "id"), function])
}

/// `.Tools`; `None`: the request named none.
pub(super) fn tools(tools: Option<&[Json]>) -> Value {
    list(ListType::Tools, tools.map(|tools| tools.iter().map(tool).collect()))
}

fn tool(json: &Json) -> Value {
    let function = json.get("function").unwrap_or(&Json::Null);
    let parameters = function.get("parameters").unwrap_or(&Json::Null);
    let properties = parameters.get("properties").and_then(|properties| entries(properties, property));
    let parameters = record(
        &PARAMETERS,
        vec![
            text(parameters, "type"),
            any(parameters, "$defs"),
            any(parameters, "items"),
            texts(parameters, "required"),
            Value::Map(Map::new(MapType::Properties, properties)),
        ],
    );
    let function = record(&TOOL_FUNCTION, vec![text(function, "name"), text(function, "description"), parameters]);
    record(&TOOL, vec![text(json, "type"), any(json, "items"), function])
}

fn texts(json: &Json, name: &str) -> Value {
    list(ListType::Texts, items(json.get(name), |item| Value::Text(text_of(item))))
}

fn property(json: &Json) -> Value {
    let types = match json.get("type") {
        None => None,
        Some(Json::Array(types)) => Some(types.iter().map(|name| Value::Text(text_of(name))).collect()),
        Some(name) => Some(vec![Value::Text(text_of(name))]),
    };
    let properties = json.get("properties").and_then(Json::as_object).map(|properties| {
        let entries = properties.iter().map(|(key, entry)| (Arc::from(key.as_bytes()), property(entry)));
        Rc::new(Properties(entries.collect()))
    });
    record(
        &PROPERTY,
        vec![
            list(ListType::AnyOf, items(json.get("anyOf"), property)),
            list(ListType::PropertyType, types),
            any(json, "items"),
            text(json, "description"),
            list(ListType::Any, items(json.get("enum"), from_json)),
            Value::Properties(properties),
            texts(json, "required"),
        ],
    )
}

/// What a map gives for a key that it lacks.
pub(super) fn zero_of(kind: MapType) -> Value {
    if kind.holds_properties() { property(&Json::Null) } else { Value::Nil }
}

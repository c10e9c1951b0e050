//! Tools that a model may call, and its calls of them, as the API has them (the behaviour page, section 2.5).
//!
//! Ollama reads definitions into types of its own and prints them from there: the keys it knows, in its order, and no
//! others. Names of properties and arguments keep the client's order; what is free JSON (items, definitions, values
//! inside an argument) went through Go's maps, which print sorted.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::ser::Serializer;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::model::json;

/// One call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Names the call.
    #[serde(default, deserialize_with = "json::or_default", skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// What was called.
    #[serde(default, deserialize_with = "json::or_default")]
    pub function: ToolCallFunction,
}

/// What was called, and with what.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolCallFunction {
    /// Position among the calls of its message, from 0.
    #[serde(default, deserialize_with = "json::or_default")]
    pub index: i64,
    /// The tool.
    #[serde(default, deserialize_with = "json::or_default")]
    pub name: String,
    /// Its arguments by name, in the order in which they came.
    #[serde(default, deserialize_with = "json::or_default")]
    pub arguments: Arguments,
}

/// The arguments of a call. Where a client named none at all they are none, which only a template can tell from an
/// empty object: it prints `null`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Arguments(Option<Map<String, Value>>);

impl Arguments {
    /// The object, if the call has one.
    pub fn named(&self) -> Option<&Map<String, Value>> {
        self.0.as_ref()
    }

    /// Name and value of each.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.0.iter().flatten()
    }
}

impl From<Map<String, Value>> for Arguments {
    fn from(arguments: Map<String, Value>) -> Self {
        Self(Some(arguments))
    }
}

impl<'de> Deserialize<'de> for Arguments {
    fn deserialize<D: Deserializer<'de>>(decoder: D) -> Result<Self, D::Error> {
        Map::deserialize(decoder).map(Self::from)
    }
}

impl Serialize for Arguments {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|(name, value)| (name, json::sorted(value.clone()))))
    }
}

/// A tool that the client offers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// `function`, everywhere we know of.
    #[serde(default, rename = "type", deserialize_with = "json::or_default")]
    pub kind: String,
    /// Free JSON.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "sorted")]
    pub items: Option<Value>,
    /// The function itself.
    #[serde(default, deserialize_with = "json::or_default")]
    pub function: ToolFunction,
}

/// A function that a model may call.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolFunction {
    /// What it is called by.
    #[serde(default, deserialize_with = "json::or_default")]
    pub name: String,
    /// What it does.
    #[serde(default, deserialize_with = "json::or_default", skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Schema of its arguments.
    #[serde(default, deserialize_with = "json::or_default")]
    pub parameters: ToolParameters,
}

/// Schema of a function's arguments: JSON Schema as far as Ollama's types know it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolParameters {
    /// `object`, everywhere we know of.
    #[serde(default, rename = "type", deserialize_with = "json::or_default")]
    pub kind: String,
    /// Free JSON.
    #[serde(default, rename = "$defs", skip_serializing_if = "Option::is_none", serialize_with = "sorted")]
    pub defs: Option<Value>,
    /// Free JSON.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "sorted")]
    pub items: Option<Value>,
    /// Arguments that may not be left out.
    #[serde(default, deserialize_with = "json::or_default", skip_serializing_if = "Vec::is_empty")]
    pub required: Vec<String>,
    /// The arguments; null when the client names none at all.
    #[serde(default)]
    pub properties: Option<ToolProperties>,
}

/// Schema of one value.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ToolProperty {
    /// Schemas of which one holds.
    #[serde(default, rename = "anyOf", deserialize_with = "json::or_default", skip_serializing_if = "Vec::is_empty")]
    pub any_of: Vec<ToolProperty>,
    /// Its types; empty: not said.
    #[serde(
        default,
        rename = "type",
        deserialize_with = "one_or_more",
        serialize_with = "one_or_all",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub types: Vec<String>,
    /// Schema of an array's elements, as free JSON.
    #[serde(default, skip_serializing_if = "Option::is_none", serialize_with = "sorted")]
    pub items: Option<Value>,
    /// What it is.
    #[serde(default, deserialize_with = "json::or_default", skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The values that it may have.
    #[serde(
        default,
        rename = "enum",
        deserialize_with = "json::or_default",
        serialize_with = "each_sorted",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub values: Vec<Value>,
    /// An object's own properties.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<ToolProperties>,
    /// Properties that may not be left out.
    #[serde(default, deserialize_with = "json::or_default", skip_serializing_if = "Vec::is_empty")]
    pub required: Vec<String>,
}

/// Properties by name, in the client's order. Of equal names the last counts, in the place of the first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ToolProperties(pub Vec<(String, ToolProperty)>);

impl Serialize for ToolProperties {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, property)| (name, property)))
    }
}

impl<'de> Deserialize<'de> for ToolProperties {
    fn deserialize<D: Deserializer<'de>>(decoder: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = ToolProperties;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object of schemas")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<ToolProperties, A::Error> {
                let mut properties: Vec<(String, ToolProperty)> = Vec::new();
                let mut places: HashMap<String, usize> = HashMap::new();
                while let Some((name, property)) = entries.next_entry::<String, Option<ToolProperty>>()? {
                    let property = property.unwrap_or_default();
                    if let Some(earlier) = places.get(&name).and_then(|place| properties.get_mut(*place)) {
                        earlier.1 = property;
                    } else {
                        places.insert(name.clone(), properties.len());
                        properties.push((name, property));
                    }
                }
                Ok(ToolProperties(properties))
            }
        }

        decoder.deserialize_map(InOrder)
    }
}

/// `"string"` and `["string", "null"]`; null is a type without a name, as Go's decoder has it.
fn one_or_more<'de, D: Deserializer<'de>>(decoder: D) -> Result<Vec<String>, D::Error> {
    struct Types;

    impl<'de> Visitor<'de> for Types {
        type Value = Vec<String>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a type or an array of types")
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![text.to_owned()])
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(vec![String::new()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
            let mut types = Vec::new();
            while let Some(name) = elements.next_element::<Option<String>>()? {
                types.push(name.unwrap_or_default());
            }
            Ok(types)
        }
    }

    decoder.deserialize_any(Types)
}

fn one_or_all<S: Serializer>(types: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    match types {
        [only] => serializer.serialize_str(only),
        _ => types.serialize(serializer),
    }
}

#[expect(clippy::ref_option, reason = "serde hands the field over")]
fn sorted<S: Serializer>(value: &Option<Value>, serializer: S) -> Result<S::Ok, S::Error> {
    value.clone().map(json::sorted).serialize(serializer)
}

fn each_sorted<S: Serializer>(values: &[Value], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().cloned().map(json::sorted))
}

#[cfg(test)]
mod tests {
    use serde::{Serialize, de::DeserializeOwned};

    use super::*;

    fn again<T: Serialize + DeserializeOwned>(text: &str) -> String {
        let value: T = serde_json::from_str(text).expect("the row fits");
        String::from_utf8(json::to_vec(&value).expect("JSON")).expect("UTF-8")
    }

    #[test]
    fn tools_are_written_as_go_writes_them() {
        for (text, want) in [
            ("{}", r#"{"type":"","function":{"name":"","parameters":{"type":"","properties":null}}}"#),
            (
                r#"{"function":{"parameters":{"properties":{},"required":[],"additionalProperties":false,"type":"object"},
                    "strict":true,"description":"","name":"f"},"type":"function"}"#,
                r#"{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{}}}}"#,
            ),
            (
                r#"{"function":{"parameters":{"items":{"b":1,"a":2},"$defs":{"d":{},"c":{}}}}}"#,
                r#"{"type":"","function":{"name":"","parameters":{"type":"","$defs":{"c":{},"d":{}},"items":{"a":2,"b":1},"properties":null}}}"#,
            ),
        ] {
            assert_eq!(again::<Tool>(text), want);
        }
    }

    #[test]
    fn properties_keep_the_names_order_and_lose_what_is_not_known() {
        for (text, want) in [
            (r#"{"z":{"type":"string"},"a":null}"#, r#"{"z":{"type":"string"},"a":{}}"#),
            (r#"{"x":{"type":"a"},"y":{},"x":{"type":["b","c"]}}"#, r#"{"x":{"type":["b","c"]},"y":{}}"#),
            (
                r#"{"x":{"type":["b"]},"y":{"type":null},"z":{"type":[]}}"#,
                r#"{"x":{"type":"b"},"y":{"type":""},"z":{}}"#,
            ),
            (
                r#"{"x":{"required":["k"],"properties":{"k":{"default":1}},"enum":[{"b":1,"a":null}],"description":"d","items":{"z":1,"a":1},"anyOf":[{"type":"null"}],"minimum":3}}"#,
                r#"{"x":{"anyOf":[{"type":"null"}],"items":{"a":1,"z":1},"description":"d","enum":[{"a":null,"b":1}],"properties":{"k":{}},"required":["k"]}}"#,
            ),
        ] {
            assert_eq!(again::<ToolProperties>(text), want);
        }
        assert!(serde_json::from_str::<ToolProperties>(r#"{"x":true}"#).is_err());
        assert!(serde_json::from_str::<ToolProperty>(r#"{"type":3}"#).is_err());
    }

    #[test]
    fn arguments_keep_their_order_and_sort_inside() {
        for (text, want) in [
            ("{}", r#"{"function":{"index":0,"name":"","arguments":{}}}"#),
            (
                r#"{"id":"c","function":{"name":"f","arguments":{"z":{"b":[{"d":1,"c":2}],"a":1},"a":"x"}}}"#,
                r#"{"id":"c","function":{"index":0,"name":"f","arguments":{"z":{"a":1,"b":[{"c":2,"d":1}]},"a":"x"}}}"#,
            ),
            (r#"{"function":{"arguments":null}}"#, r#"{"function":{"index":0,"name":"","arguments":{}}}"#),
        ] {
            assert_eq!(again::<ToolCall>(text), want);
        }
    }
}

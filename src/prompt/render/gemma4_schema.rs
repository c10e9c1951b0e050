//! How gemma4 is told the types of a tool's arguments. Both what the client declares and free JSON below `items` come
//! here as JSON; the two differ in how a union of types is written.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::gemma4::BRACES;
use super::go;
use super::out::Out;
use crate::model::tool::{ToolProperties, ToolProperty};

/// Names that are keywords of a schema: no property can have them.
const KEYWORDS: [&str; 5] = ["description", "type", "properties", "required", "nullable"];

/// Writes the arguments of a tool, sorted by name.
pub(super) fn put_properties(out: &mut Out, properties: &ToolProperties) {
    put_schemas(out, &lowered_all(properties));
}

fn lowered_all(properties: &ToolProperties) -> Map<String, Value> {
    properties.0.iter().map(|(name, property)| (name.clone(), Value::Object(lowered(property)))).collect()
}

/// A declared property as JSON. A union of types becomes one text, as in the model's own template.
fn lowered(property: &ToolProperty) -> Map<String, Value> {
    let mut schema = Map::new();
    let mut set = |key: &str, value: Value| drop(schema.insert(key.to_owned(), value));
    match &*types_of(property) {
        [] => {}
        [only] => set("type", only.as_str().into()),
        several => {
            let names: Vec<_> = several.iter().map(|name| format!("'{}'", name.to_uppercase())).collect();
            set("type", format!("[{}]", names.join(", ")).into());
        }
    }
    if !property.description.is_empty() {
        set("description", property.description.as_str().into());
    }
    if !property.values.is_empty() {
        set("enum", property.values.clone().into());
    }
    if let Some(items) = &property.items {
        set("items", items.clone());
    }
    if let Some(properties) = &property.properties {
        set("properties", lowered_all(properties).into());
    }
    if !property.required.is_empty() {
        set("required", property.required.clone().into());
    }
    schema
}

/// The types of a property, or of all branches of its `anyOf` when they are types and nothing else.
fn types_of(property: &ToolProperty) -> Vec<String> {
    if !property.types.is_empty() {
        return property.types.clone();
    }
    let is_bare = |branch: &ToolProperty| {
        !branch.types.is_empty() && *branch == ToolProperty { types: branch.types.clone(), ..ToolProperty::default() }
    };
    if !property.any_of.iter().all(is_bare) {
        return Vec::new();
    }
    let mut seen = HashSet::new();
    let names = property.any_of.iter().flat_map(|branch| &branch.types);
    names.filter(|name| seen.insert(*name)).cloned().collect()
}

fn sorted(map: &Map<String, Value>) -> Vec<(&String, &Value)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_unstable_by_key(|(key, _)| *key);
    entries
}

/// `NAME:{…},…` for every entry that is a schema.
fn put_schemas(out: &mut Out, schemas: &Map<String, Value>) {
    let mut first = true;
    for (name, schema) in sorted(schemas) {
        let Value::Object(schema) = schema else { continue };
        if KEYWORDS.contains(&name.as_str()) {
            continue;
        }
        out.separate(&mut first, ",");
        out.puts([name, ":{"]);
        put_schema(out, schema);
        out.put("}");
    }
}

fn put_schema(out: &mut Out, schema: &Map<String, Value>) {
    let mut first = true;
    let mut begin = |out: &mut Out, key: &str| {
        out.separate(&mut first, ",");
        out.put(key);
    };
    if let Some(description) = schema.get("description").and_then(Value::as_str).filter(|text| !text.is_empty()) {
        begin(out, "description:");
        BRACES.put_text(out, description);
    }
    let types = type_names(schema.get("type"));
    let kind = types.first().map_or("", String::as_str);
    match (kind, schema.get("enum"), schema.get("items")) {
        ("STRING", Some(Value::Array(values)), _) if !values.is_empty() => {
            begin(out, "enum:");
            BRACES.put_texts(out, values.iter().map(go::print));
        }
        ("ARRAY", _, Some(Value::Object(items))) if !items.is_empty() => {
            begin(out, "items:{");
            put_items(out, items);
            out.put("}");
        }
        _ => {}
    }
    if schema.get("nullable") == Some(&Value::Bool(true)) {
        begin(out, "nullable:true");
    }
    if kind == "OBJECT" {
        begin(out, "properties:{");
        // Without properties, whatever else in the schema is a schema counts as one.
        put_schemas(out, schema.get("properties").and_then(Value::as_object).unwrap_or(schema));
        out.put("}");
        let required = texts(schema.get("required"));
        if !required.is_empty() {
            begin(out, "required:");
            BRACES.put_texts(out, required);
        }
    }
    if !types.is_empty() {
        begin(out, "type:");
        put_types(out, &types);
    }
}

/// The schema of an array's elements: every key that it has, sorted.
fn put_items(out: &mut Out, items: &Map<String, Value>) {
    let mut first = true;
    for (key, value) in sorted(items).into_iter().filter(|(_, value)| !value.is_null()) {
        out.separate(&mut first, ",");
        match (key.as_str(), value) {
            ("properties", _) => {
                out.put("properties:{");
                if let Value::Object(properties) = value {
                    put_schemas(out, properties);
                }
                out.put("}");
            }
            ("required", _) => {
                out.put("required:");
                BRACES.put_texts(out, texts(Some(value)));
            }
            ("type", _) => {
                let types = type_names(Some(value));
                if !types.is_empty() {
                    out.put("type:");
                    put_types(out, &types);
                }
            }
            _ => {
                out.puts([key, ":"]);
                put_free(out, value);
            }
        }
    }
}

fn put_types(out: &mut Out, types: &[String]) {
    match types {
        [only] => BRACES.put_text(out, only),
        several => BRACES.put_texts(out, several),
    }
}

/// Free JSON: as arguments are written, but with keys in quotes.
fn put_free(out: &mut Out, value: &Value) {
    let mut first = true;
    match value {
        Value::Null => out.put("null"),
        Value::Bool(_) => out.put(&go::print(value)),
        Value::Number(number) => out.put(&go::print_integral(number.as_f64().unwrap_or_default())),
        Value::String(text) => BRACES.put_text(out, text),
        Value::Array(elements) => {
            out.put("[");
            for element in elements {
                out.separate(&mut first, ",");
                put_free(out, element);
            }
            out.put("]");
        }
        Value::Object(map) => {
            out.put("{");
            for (key, value) in sorted(map) {
                out.separate(&mut first, ",");
                BRACES.put_text(out, key);
                out.put(":");
                put_free(out, value);
            }
            out.put("}");
        }
    }
}

/// The types that a schema names, in capitals.
fn type_names(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(name)) => vec![name.to_uppercase()],
        several => texts(several).into_iter().map(str::to_uppercase).collect(),
    }
}

/// The texts among the elements of an array.
fn texts(value: Option<&Value>) -> Vec<&str> {
    value.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

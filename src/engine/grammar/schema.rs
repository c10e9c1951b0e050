//! A client's schema on its way to the grammar compiler: checked keyword by keyword, and narrowed where JSON Schema leaves
//! more open than anyone means.
//!
//! What is refused here, the compiler would pass over or take for something else. Everything that is changed only makes
//! fewer texts valid, so that what the grammar lets through is valid by the schema as it came:
//!
//! - An object with `properties` and no `additionalProperties` has no others, as with Ollama. Not where schemas are joined
//!   (`allOf`, or `$ref` or `anyOf` beside keywords of their own): there the parts close each other out.
//! - Keywords of one type imply that type where none is given.
//! - A `format` becomes a pattern (`formats`).

use std::collections::HashSet;

use serde_json::{Map, Value, json};

use super::error::GrammarError;
use super::formats::{self, Format};
use crate::config::limits::SCHEMA_BYTES;

/// White space between the parts of a JSON text: what llama.cpp's grammars allow, but bounded: a blank, or a line end
/// and an indentation.
const WHITE_SPACE: &str = "[ ]|\n[ \t]{0,16}";
/// Escapes in strings. Without `\u` a name has one spelling only, and two equal ones can be told.
const ESCAPES: &str = "nrbtf\\\"";
/// From here on a 64-bit float does not tell a whole number from its neighbours; the compiler counts in those.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Keywords that make a text valid or not, and that a grammar can follow.
pub(super) const CONSTRAINTS: [&str; 27] = [
    "type",
    "enum",
    "const",
    "anyOf",
    "oneOf",
    "allOf",
    "$ref",
    "properties",
    "patternProperties",
    "additionalProperties",
    "required",
    "minProperties",
    "maxProperties",
    "items",
    "prefixItems",
    "additionalItems",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
    "pattern",
    "format",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minimum",
    "maximum",
    "multipleOf",
];

/// Keywords that make a text valid or not, and that no grammar here can follow. `uniqueItems` may be false.
pub const UNSUPPORTED: [&str; 19] = [
    "not",
    "if",
    "then",
    "else",
    "contains",
    "minContains",
    "maxContains",
    "uniqueItems",
    "propertyNames",
    "dependencies",
    "dependentRequired",
    "dependentSchemas",
    "unevaluatedItems",
    "unevaluatedProperties",
    "$dynamicRef",
    "$recursiveRef",
    "extends",
    "disallow",
    "divisibleBy",
];

/// Keywords of a type, which imply it.
const IMPLIED: [(&str, &[&str]); 4] = [
    (
        "object",
        &["properties", "required", "additionalProperties", "patternProperties", "minProperties", "maxProperties"],
    ),
    ("array", &["items", "prefixItems", "additionalItems", "minItems", "maxItems"]),
    ("string", &["pattern", "minLength", "maxLength"]),
    ("number", &["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"]),
];

/// Keywords that bring in other schemas for the same value.
const JOINTS: [&str; 6] = ["anyOf", "oneOf", "allOf", "$ref", "enum", "const"];

/// What the compiler is given for any JSON object (`"format": "json"`).
pub(super) fn any_object() -> Value {
    with_rules(json!({"type": "object"}))
}

/// Reads, checks and narrows a schema.
///
/// # Errors
/// When it is too long, no schema, or uses a keyword that no grammar can follow.
pub(super) fn read(text: &str) -> Result<Value, GrammarError> {
    if text.len() > SCHEMA_BYTES {
        return Err(GrammarError::TooLong { bytes: text.len() });
    }
    let mut root: Value =
        serde_json::from_str(text).map_err(|error| GrammarError::Schema(format!("it cannot be read: {error}")))?;
    let Value::Object(top) = &mut root else { return Err(GrammarError::Schema("it is not an object".into())) };
    if top.is_empty() {
        return Ok(any_object());
    }
    // The compiler takes orders by this key: they are ours to give.
    top.remove("x-guidance");
    let joins = has_joins(&root);
    let mut walk = Walk { joins, visited: HashSet::new(), wanted: Vec::new() };
    walk.schema(&mut root, "", false)?;
    while let Some(pointer) = walk.wanted.pop() {
        if walk.visited.contains(&pointer) {
            continue;
        }
        let Some(target) = root.pointer_mut(&pointer) else {
            return Err(GrammarError::misused(
                "$ref",
                format!("there is nothing at {}", Value::from(format!("#{pointer}"))),
            ));
        };
        walk.schema(target, &pointer, joins)?;
    }
    Ok(with_rules(root))
}

/// Adds what the compiler has to know.
fn with_rules(mut schema: Value) -> Value {
    if let Value::Object(top) = &mut schema {
        let rules = json!({"whitespace_pattern": WHITE_SPACE, "json_allowed_escapes": ESCAPES});
        top.insert("x-guidance".into(), rules);
    }
    schema
}

/// A walk over all schemas in a schema. It finds them where keywords put them, and where references lead.
struct Walk {
    /// Schemas are joined somewhere, so whatever a reference leads to may be a part of that.
    joins: bool,
    visited: HashSet<String>,
    /// Where references lead, as JSON pointers.
    wanted: Vec<String>,
}

impl Walk {
    /// A schema at `pointer`. `joined`: it is one of several for the same value.
    fn schema(&mut self, schema: &mut Value, pointer: &str, joined: bool) -> Result<(), GrammarError> {
        self.visited.insert(pointer.to_owned());
        let keywords = match schema {
            Value::Bool(_) => return Ok(()),
            Value::Object(keywords) => keywords,
            other => return Err(GrammarError::Schema(format!("{} stands where a schema should", clipped(other)))),
        };
        check(keywords)?;
        unwrap_all_of(keywords);
        let joined = joined || is_joint(keywords);
        self.reference(keywords)?;
        for key in ["anyOf", "oneOf", "allOf", "prefixItems"] {
            self.list(keywords, key, pointer, joined)?;
        }
        for key in ["properties", "patternProperties"] {
            self.map(keywords, key, pointer, joined)?;
        }
        for key in ["$defs", "definitions"] {
            self.map(keywords, key, pointer, self.joins)?;
        }
        for key in ["additionalProperties", "additionalItems"] {
            self.one(keywords, key, pointer, joined)?;
        }
        if matches!(keywords.get("items"), Some(Value::Array(_))) {
            self.list(keywords, "items", pointer, joined)?;
        } else {
            self.one(keywords, "items", pointer, joined)?;
        }
        if !joined {
            imply_type(keywords);
            close(keywords);
        }
        apply_format(keywords)
    }

    fn one(
        &mut self,
        keywords: &mut Map<String, Value>,
        key: &str,
        at: &str,
        joined: bool,
    ) -> Result<(), GrammarError> {
        let Some(schema) = keywords.get_mut(key) else { return Ok(()) };
        self.schema(schema, &below(at, key), joined)
    }

    fn list(
        &mut self,
        keywords: &mut Map<String, Value>,
        key: &str,
        at: &str,
        joined: bool,
    ) -> Result<(), GrammarError> {
        let Some(value) = keywords.get_mut(key) else { return Ok(()) };
        let Value::Array(schemas) = value else { return Err(GrammarError::misused(key, "it must be an array")) };
        let at = below(at, key);
        for (index, schema) in schemas.iter_mut().enumerate() {
            self.schema(schema, &below(&at, &index.to_string()), joined)?;
        }
        Ok(())
    }

    fn map(
        &mut self,
        keywords: &mut Map<String, Value>,
        key: &str,
        at: &str,
        joined: bool,
    ) -> Result<(), GrammarError> {
        let Some(value) = keywords.get_mut(key) else { return Ok(()) };
        let Value::Object(schemas) = value else { return Err(GrammarError::misused(key, "it must be an object")) };
        let at = below(at, key);
        for (name, schema) in schemas.iter_mut() {
            self.schema(schema, &below(&at, name), joined)?;
        }
        Ok(())
    }

    /// Notes where a reference leads.
    fn reference(&mut self, keywords: &Map<String, Value>) -> Result<(), GrammarError> {
        let Some(value) = keywords.get("$ref") else { return Ok(()) };
        let Some(text) = value.as_str() else { return Err(GrammarError::misused("$ref", "it must be a string")) };
        let Some(pointer) = text.strip_prefix('#').filter(|rest| rest.is_empty() || rest.starts_with('/')) else {
            let why = format!("{} leads out of the schema: only \"#/…\" is supported", clipped(value));
            return Err(GrammarError::misused("$ref", why));
        };
        if pointer.contains(['~', '%']) {
            return Err(GrammarError::misused("$ref", format!("escapes are not supported in {}", clipped(value))));
        }
        // "#/" is the root to the compiler.
        self.wanted.push(if pointer == "/" { String::new() } else { pointer.to_owned() });
        Ok(())
    }
}

/// A JSON pointer to what lies below another (RFC 6901, section 3).
fn below(pointer: &str, key: &str) -> String {
    format!("{pointer}/{}", key.replace('~', "~0").replace('/', "~1"))
}

/// A value for an error's text.
fn clipped(value: &Value) -> String {
    const MOST: usize = 100;
    let text = value.to_string();
    if text.chars().count() <= MOST { text } else { text.chars().take(MOST).chain("…".chars()).collect() }
}

/// Refuses keywords, and uses of keywords, that no grammar can follow.
fn check(keywords: &mut Map<String, Value>) -> Result<(), GrammarError> {
    if keywords.get("uniqueItems") == Some(&Value::Bool(false)) {
        keywords.remove("uniqueItems");
    }
    for anchor in ["$dynamicAnchor", "$recursiveAnchor"] {
        // Only an unsupported kind of reference looks for them.
        keywords.remove(anchor);
    }
    if let Some(keyword) = keywords.keys().find(|key| UNSUPPORTED.contains(&key.as_str())) {
        return Err(GrammarError::unsupported(keyword));
    }
    for key in ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "enum", "const"] {
        if keywords.get(key).is_some_and(has_inexact) {
            return Err(GrammarError::misused(key, "numbers from 2^53 on are not supported"));
        }
    }
    let required = keywords.get("required").and_then(Value::as_array).map_or(0, Vec::len) as u64;
    if keywords.get("minProperties").and_then(Value::as_u64).is_some_and(|least| least > required + 1) {
        // Names that are not listed may come twice, and count once.
        let why =
            "more properties are asked for than \"required\" names, and a grammar cannot count those without a name";
        return Err(GrammarError::misused("minProperties", why));
    }
    Ok(())
}

fn has_inexact(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64().is_none_or(|number| number.abs() >= EXACT_MAX),
        Value::Array(values) => values.iter().any(has_inexact),
        Value::Object(values) => values.values().any(has_inexact),
        _ => false,
    }
}

/// Puts the only element of an `allOf` in its place: older generators write every reference that has a title this way.
fn unwrap_all_of(keywords: &mut Map<String, Value>) {
    let has_others = keywords.keys().any(|key| key != "allOf" && CONSTRAINTS.contains(&key.as_str()));
    if has_others || keywords.contains_key("$defs") || keywords.contains_key("definitions") {
        return;
    }
    let Some(Value::Array(parts)) = keywords.get_mut("allOf") else { return };
    if parts.len() == 1
        && parts[0].is_object()
        && let Some(Value::Object(only)) = parts.pop()
    {
        keywords.remove("allOf");
        keywords.extend(only);
    }
}

/// Whether several schemas hold for the same value here.
fn is_joint(keywords: &Map<String, Value>) -> bool {
    if keywords.contains_key("allOf") {
        return true;
    }
    let joins = ["anyOf", "oneOf", "$ref"].iter().filter(|&&key| keywords.contains_key(key)).count();
    let own = IMPLIED.iter().flat_map(|(_, keys)| *keys).any(|&key| keywords.contains_key(key));
    joins > 1 || (joins == 1 && own)
}

/// Whether schemas are joined anywhere in a document. What only looks like it, in an example, makes no difference but
/// that fewer objects are closed.
fn has_joins(value: &Value) -> bool {
    match value {
        Value::Array(values) => values.iter().any(has_joins),
        Value::Object(values) => {
            let mut keywords = values.clone();
            unwrap_all_of(&mut keywords);
            is_joint(&keywords) || values.values().any(has_joins)
        }
        _ => false,
    }
}

/// Adds the type that the other keywords are about.
fn imply_type(keywords: &mut Map<String, Value>) {
    if keywords.contains_key("type") || JOINTS.iter().any(|&key| keywords.contains_key(key)) {
        return;
    }
    let implied = IMPLIED.iter().find(|(_, keys)| keys.iter().any(|&key| keywords.contains_key(key)));
    if let Some((name, _)) = implied {
        keywords.insert("type".into(), (*name).into());
    }
}

/// Leaves an object no properties but those that are listed.
fn close(keywords: &mut Map<String, Value>) {
    if keywords.contains_key("additionalProperties") || keywords.contains_key("patternProperties") {
        return;
    }
    let required: Vec<String> = match keywords.get("required") {
        Some(Value::Array(names)) => names.iter().filter_map(|name| name.as_str().map(str::to_owned)).collect(),
        _ => Vec::new(),
    };
    let Some(Value::Object(properties)) = keywords.get_mut("properties") else { return };
    for name in required {
        // Required and not described: anything.
        properties.entry(name).or_insert(Value::Bool(true));
    }
    keywords.insert("additionalProperties".into(), Value::Bool(false));
}

/// Turns a format into a pattern.
fn apply_format(keywords: &mut Map<String, Value>) -> Result<(), GrammarError> {
    let Some(format) = keywords.remove("format") else { return Ok(()) };
    let Some(name) = format.as_str() else { return Err(GrammarError::misused("format", "it must be a string")) };
    let may_be_string = match keywords.get("type") {
        Some(Value::String(name)) => name == "string",
        Some(Value::Array(names)) => names.iter().any(|name| name == "string"),
        _ => true,
    };
    if !may_be_string {
        return Ok(());
    }
    let pattern = match formats::look_up(name) {
        Format::Annotation => return Ok(()),
        Format::Unsupported => {
            return Err(GrammarError::misused("format", format!("{} is not supported", clipped(&format))));
        }
        Format::Pattern(pattern) => pattern,
    };
    if !keywords.contains_key("type") && !JOINTS.iter().any(|&key| keywords.contains_key(key)) {
        keywords.insert("type".into(), "string".into());
    }
    if !keywords.contains_key("pattern") {
        keywords.insert("pattern".into(), pattern.into());
        return Ok(());
    }
    let both = json!({"type": "string", "pattern": pattern});
    let strings_only = keywords.get("type").is_some_and(|name| name == "string");
    if !strings_only {
        return Err(GrammarError::misused("format", "beside a pattern it is supported for strings only"));
    }
    match keywords.entry("allOf").or_insert_with(|| Value::Array(Vec::new())) {
        Value::Array(parts) => parts.push(both),
        _ => return Err(GrammarError::misused("allOf", "it must be an array")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn narrowed(schema: &Value) -> Value {
        let mut read = read(&schema.to_string()).expect("a schema");
        read.as_object_mut().expect("an object").remove("x-guidance");
        read
    }

    #[test]
    fn objects_are_closed_where_nothing_else_could_be_meant() {
        let closed = json!({"type": "object", "properties": {"a": {"type": "object", "properties": {},
            "additionalProperties": false}}, "additionalProperties": false});
        assert_eq!(narrowed(&json!({"properties": {"a": {"properties": {}}}})), closed);
        for open in [
            json!({"type": "object"}),
            json!({"type": "object", "properties": {}, "additionalProperties": true}),
            json!({"allOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]}),
            json!({"type": "object", "properties": {"a": {}}, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}),
        ] {
            assert_eq!(narrowed(&open), open);
        }
        let required = narrowed(&json!({"type": "object", "properties": {}, "required": ["x"]}));
        assert_eq!(required["properties"]["x"], true);
    }

    #[test]
    fn a_lone_all_of_is_what_is_in_it() {
        let read = narrowed(&json!({"title": "t", "allOf": [{"type": "string"}]}));
        assert_eq!(read, json!({"title": "t", "type": "string"}));
    }

    #[test]
    fn references_are_followed_to_wherever_they_lead() {
        let schema = json!({"$ref": "#/components/a", "components": {"a": {"type": "array", "items": {"not": {}}}}});
        assert_eq!(read(&schema.to_string()), Err(GrammarError::unsupported("not")));
        let unused = json!({"type": "string", "components": {"a": {"not": {}}}});
        assert!(read(&unused.to_string()).is_ok());
        let round = json!({"type": "object", "properties": {"next": {"$ref": "#"}}});
        assert_eq!(narrowed(&round)["additionalProperties"], false);
    }

    #[test]
    fn what_no_grammar_follows_is_named() {
        for keyword in UNSUPPORTED {
            let schema = json!({"type": "array", "items": {"anyOf": [{keyword: true}]}});
            assert_eq!(read(&schema.to_string()), Err(GrammarError::unsupported(keyword)));
        }
        for (schema, keyword) in [
            (json!({"$ref": "https://example.org/x"}), "$ref"),
            (json!({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {}}}), "$ref"),
            (json!({"$ref": "#/$defs/none"}), "$ref"),
            (json!({"type": "string", "format": "iri"}), "format"),
            (json!({"const": 9_007_199_254_740_993_u64}), "const"),
            (json!({"enum": [[{"a": 1e300}]]}), "enum"),
            (json!({"minProperties": 2}), "minProperties"),
            (json!({"anyOf": {}}), "anyOf"),
            (json!({"properties": []}), "properties"),
        ] {
            let error = read(&schema.to_string()).expect_err("not supported");
            assert!(matches!(&error, GrammarError::Keyword { keyword: named, .. } if named == keyword), "{error}");
        }
    }

    #[test]
    fn words_that_are_no_keywords_where_they_stand_do_no_harm() {
        for schema in [
            json!({"type": "object", "properties": {"not": {"type": "string"}, "if": {"type": "null"}}}),
            json!({"enum": [{"not": 1}], "default": {"contains": 1}, "x-contains": true}),
            json!({"type": "array", "uniqueItems": false, "items": {"type": "integer", "format": "iri"}}),
            json!({"type": "string", "format": "password"}),
        ] {
            assert!(read(&schema.to_string()).is_ok(), "{schema}");
        }
    }

    #[test]
    fn a_clients_orders_to_the_compiler_are_dropped() {
        let schema = read(r#"{"type": "string", "x-guidance": {"lenient": true}}"#).expect("a schema");
        assert_eq!(schema["x-guidance"].get("lenient"), None);
    }

    #[test]
    fn a_format_beside_a_pattern_holds_too() {
        let read = narrowed(&json!({"type": "string", "pattern": "^2", "format": "date"}));
        assert_eq!((&read["pattern"], read["allOf"][0]["type"].as_str()), (&json!("^2"), Some("string")));
    }
}

//! Arguments that come as plain text and get the type that the tool's schema asks for.

use serde_json::{Number, Value};

use super::tools::Types;

/// The value of an argument between tags: one newline at either end belongs to the tags.
pub(super) fn between_tags(raw: &str, types: Types) -> Value {
    let raw = raw.strip_prefix('\n').unwrap_or(raw);
    typed(raw.strip_suffix('\n').unwrap_or(raw), types)
}

/// Reads `raw` as the most particular of `types` that it fits: null (always allowed), boolean, integer, number, array,
/// object, and else it is a string. Something else where only a boolean may stand is false, as with Ollama.
pub(super) fn typed(raw: &str, types: Types) -> Value {
    if raw.eq_ignore_ascii_case("null") {
        return Value::Null;
    }
    if types.boolean {
        if raw.eq_ignore_ascii_case("true") {
            return Value::Bool(true);
        }
        if raw.eq_ignore_ascii_case("false") || types.named == 1 {
            return Value::Bool(false);
        }
    }
    let integer = || types.integer.then(|| raw.parse::<i64>().ok().map(Value::from)).flatten();
    let number = || types.number.then(|| number(raw)).flatten();
    let array = || types.array.then(|| json(raw).filter(Value::is_array)).flatten();
    let object = || types.object.then(|| json(raw).filter(Value::is_object)).flatten();
    integer().or_else(number).or_else(array).or_else(object).unwrap_or_else(|| raw.into())
}

/// A finite number; whole ones become integers.
pub(super) fn number(raw: &str) -> Option<Value> {
    if let Ok(whole) = raw.parse::<i64>() {
        return Some(whole.into());
    }
    // Rust's parser also takes the words for infinity.
    let number = raw.parse::<f64>().ok().filter(|number| number.is_finite())?;
    let whole = number.fract() == 0.0 && number.abs() < 9e15;
    if whole { Some((number as i64).into()) } else { Number::from_f64(number).map(Value::Number) }
}

/// JSON with its objects sorted by key, as Go prints them inside of arguments.
pub(super) fn json(raw: &str) -> Option<Value> {
    let mut value: Value = serde_json::from_str(raw).ok()?;
    value.sort_all_objects();
    Some(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Tools;
    use super::between_tags;

    #[test]
    fn text_gets_the_type_of_the_schema() {
        for (types, raw, want) in [
            (json!("string"), "null", json!(null)),
            (json!("string"), "\nParis\n", json!("Paris")),
            (json!("string"), "\n\n7\n\n", json!("\n7\n")),
            (json!(null), "7", json!("7")),
            (json!("integer"), "7", json!(7)),
            (json!("integer"), "7.5", json!("7.5")),
            (json!("integer"), "9223372036854775808", json!("9223372036854775808")),
            (json!("number"), "7.0", json!(7)),
            (json!("number"), "7.5", json!(7.5)),
            (json!("number"), "1e400", json!("1e400")),
            (json!("number"), "nan", json!("nan")),
            (json!("boolean"), "TRUE", json!(true)),
            (json!("boolean"), "maybe", json!(false)),
            (json!(["boolean", "string"]), "maybe", json!("maybe")),
            (json!(["string", "number"]), "12", json!(12)),
            (json!("array"), "[1, {\"b\": 1, \"a\": 2}]", json!([1, {"a": 2, "b": 1}])),
            (json!("array"), "[1", json!("[1")),
            (json!(["object", "array"]), "{}", json!({})),
            (json!("object"), "[]", json!("[]")),
        ] {
            let tool = json!({"function": {"name": "f", "parameters": {"properties": {"x": {"type": types}}}}});
            let tools = Tools::new(&[tool]);
            let types = tools.get("f").unwrap().types("x");
            assert_eq!(between_tags(raw, types), want, "{raw} as {types:?}");
        }
    }

    #[test]
    fn any_of_counts_before_the_type() {
        let property = json!({"type": "string", "anyOf": [{"type": "integer"}, {"type": ["null", "boolean"]}]});
        let tool = json!({"function": {"name": "f", "parameters": {"properties": {"x": property}}}});
        let types = Tools::new(&[tool]).get("f").unwrap().types("x");
        assert!(types.integer && types.boolean && !types.string && types.named == 3);
    }
}

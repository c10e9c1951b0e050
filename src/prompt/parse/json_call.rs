//! Calls written as JSON.

use serde_json::{Map, Value};

use super::tools::Tools;
use super::{Call, Calls, Unreadable};

/// `{"name": "f", "arguments": {…}}`: Qwen's notation.
pub(super) fn object(raw: &str, _: &Tools) -> Calls {
    let object: Map<String, Value> = serde_json::from_str(raw.trim()).map_err(|_| Unreadable)?;
    Ok(vec![named(object, "name", "arguments")?])
}

/// The call in an object with these two fields.
pub(super) fn named(mut object: Map<String, Value>, name: &str, arguments: &str) -> Result<Call, Unreadable> {
    let Some(Value::String(name)) = take(&mut object, name) else { return Err(Unreadable) };
    call(&name, take(&mut object, arguments))
}

/// The call of `name` with arguments that may be missing.
pub(super) fn call(name: &str, arguments: Option<Value>) -> Result<Call, Unreadable> {
    let name = name.trim();
    if name.is_empty() {
        return Err(Unreadable);
    }
    let mut arguments = match arguments {
        Some(Value::Object(arguments)) => arguments,
        None | Some(Value::Null) => Map::new(),
        Some(_) => return Err(Unreadable),
    };
    // Go keeps the order of the arguments themselves and sorts what is inside of them.
    arguments.values_mut().for_each(Value::sort_all_objects);
    Ok(Call { name: name.to_owned(), arguments, ..Call::default() })
}

/// The call of `name` with the JSON of its arguments.
pub(super) fn with_arguments(name: &str, arguments: &str) -> Result<Call, Unreadable> {
    call(name, Some(serde_json::from_str(arguments.trim()).map_err(|_| Unreadable)?))
}

/// Takes the field of this name; upper and lower case are one, as in Go.
pub(super) fn take(object: &mut Map<String, Value>, name: &str) -> Option<Value> {
    let key = object.keys().rev().find(|key| key.eq_ignore_ascii_case(name))?.clone();
    object.remove(&key)
}

/// `NAME[ARGS]{…}`, of a tool that the request declares: Mistral's notation.
pub(super) fn mistral(raw: &str, tools: &Tools) -> Calls {
    let (name, arguments) = raw.split_once("[ARGS]").ok_or(Unreadable)?;
    let tool = tools.get(name.trim()).ok_or(Unreadable)?;
    Ok(vec![with_arguments(&tool.name, arguments)?])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Tools, mistral, object};

    #[test]
    fn objects_with_a_name_are_calls() {
        let read = |raw| object(raw, &Tools::default()).map(|calls| (calls[0].name.clone(), json!(calls[0].arguments)));
        assert_eq!(
            read(r#" {"Name": "f", "arguments": {"b": 1, "a": 2}} "#),
            Ok(("f".into(), json!({"b": 1, "a": 2})))
        );
        for raw in [r#"{"name": "f"}"#, r#"{"name": "f", "arguments": null}"#] {
            assert_eq!(read(raw), Ok(("f".into(), json!({}))));
        }
        for raw in ["", "[]", "{}", r#"{"name": ""}"#, r#"{"name": "f", "arguments": "{}"}"#, r#"{"name": "f"} x"#] {
            assert!(read(raw).is_err(), "{raw}");
        }
        let deep = format!(r#"{{"name": "f", "arguments": {{"a": {}{}}}}}"#, "[".repeat(200), "]".repeat(200));
        assert!(read(&deep).is_err());
    }

    #[test]
    fn mistral_calls_only_what_is_declared() {
        let tools = Tools::new(&[json!({"function": {"name": "f"}})]);
        assert!(mistral(r#"f[ARGS]{"a": 1}"#, &tools).is_ok());
        assert!(mistral(r#"g[ARGS]{"a": 1}"#, &tools).is_err());
        assert!(mistral("f[ARGS][1]", &tools).is_err());
    }
}

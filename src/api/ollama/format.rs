//! `format`: what shape an answer must have (the behaviour page, section 2.4).

use serde_json::{Map, Value};

use super::error::ApiError;
use crate::api::json::quote;

/// The shape of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Format<'r> {
    /// Any text.
    Free,
    /// Any JSON object.
    Json,
    /// JSON that a schema describes.
    Schema(&'r Map<String, Value>),
}

/// What the field asks for.
///
/// # Errors
/// Status 500, as Ollama has it, when it is neither `"json"` nor an object nor empty.
pub fn read(field: Option<&Value>) -> Result<Format<'_>, ApiError> {
    match field {
        None | Some(Value::Null) => Ok(Format::Free),
        Some(Value::String(text)) if text.is_empty() => Ok(Format::Free),
        Some(Value::String(text)) if text == "json" => Ok(Format::Json),
        Some(Value::Object(schema)) => Ok(Format::Schema(schema)),
        Some(other) => {
            let quoted = quote(&other.to_string());
            Err(ApiError::new(
                500,
                format!(r#"invalid format: {quoted}; expected "json" or a valid JSON Schema object"#),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn shapes() {
        assert_eq!(read(None), Ok(Format::Free));
        assert_eq!(read(Some(&json!(null))), Ok(Format::Free));
        assert_eq!(read(Some(&json!(""))), Ok(Format::Free));
        assert_eq!(read(Some(&json!("json"))), Ok(Format::Json));
        assert!(matches!(read(Some(&json!({"type": "object"}))), Ok(Format::Schema(schema)) if schema.len() == 1));
    }

    #[test]
    fn anything_else_is_quoted_twice() {
        for (field, want) in [
            (json!("xml"), r#"invalid format: "\"xml\""; expected "json" or a valid JSON Schema object"#),
            (json!(3), r#"invalid format: "3"; expected "json" or a valid JSON Schema object"#),
            (json!(true), r#"invalid format: "true"; expected "json" or a valid JSON Schema object"#),
            (json!([]), r#"invalid format: "[]"; expected "json" or a valid JSON Schema object"#),
        ] {
            assert_eq!(read(Some(&field)), Err(ApiError::new(500, want)));
        }
    }
}

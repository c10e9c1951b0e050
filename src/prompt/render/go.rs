//! Values as Go's `fmt` prints them with `%v`: several renderers print arguments so.

use std::borrow::Cow;

use serde_json::Value;

/// What `%v` prints of a value that `encoding/json` read: numbers are doubles, maps are sorted by key.
pub(super) fn print(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => "<nil>".into(),
        Value::Bool(true) => "true".into(),
        Value::Bool(false) => "false".into(),
        Value::Number(number) => float(number.as_f64().unwrap_or_default()).into(),
        Value::String(text) => text.into(),
        Value::Array(elements) => format!("[{}]", joined(elements.iter().map(print))).into(),
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_unstable_by_key(|(key, _)| *key);
            let entries = entries.into_iter().map(|(key, value)| format!("{key}:{}", print(value)).into());
            format!("map[{}]", joined(entries)).into()
        }
    }
}

/// A number without a fraction as an integer, another one as `%v` has it.
pub(super) fn print_integral(number: f64) -> String {
    // The bounds of Go's int64; a double above them is not one of its values.
    if number.fract() == 0.0 && (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number) {
        (number as i64).to_string()
    } else {
        float(number)
    }
}

/// `strconv.FormatFloat(number, 'g', -1, 64)`: the fewest digits that give the number back, with an exponent when it is
/// below -4 or above 20.
fn float(number: f64) -> String {
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..21).contains(&exponent) {
        return number.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

fn joined<'a>(parts: impl Iterator<Item = Cow<'a, str>>) -> String {
    let mut out = String::new();
    for part in parts {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(&part);
    }
    out
}

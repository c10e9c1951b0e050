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
/// below -4 or above 5.
fn float(number: f64) -> String {
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return number.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

fn joined<'a>(parts: impl Iterator<Item = Cow<'a, str>>) -> String {
    let mut out = String::new();
    for (at, part) in parts.enumerate() {
        if at > 0 {
            out.push(' ');
        }
        out.push_str(&part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_printed_as_go_does() {
        for (value, want) in [
            ("null", "<nil>"),
            ("true", "true"),
            (r#""a b""#, "a b"),
            ("100000", "100000"),
            ("-123456.75", "-123456.75"),
            ("1000000", "1e+06"),
            ("1234567.5", "1.2345675e+06"),
            ("123456789", "1.23456789e+08"),
            ("100000000000000000000", "1e+20"),
            ("-1.5e300", "-1.5e+300"),
            ("0.0001", "0.0001"),
            ("0.00001", "1e-05"),
            ("-0.0", "-0"),
            (r#"{"b":[1,null,"x"],"a":true}"#, "map[a:true b:[1 <nil> x]]"),
            ("[]", "[]"),
            ("{}", "map[]"),
            (r#"["","a"]"#, "[ a]"),
            (r#"{"":""}"#, "map[:]"),
        ] {
            let value: Value = serde_json::from_str(value).expect("the row is JSON");
            assert_eq!(print(&value), want);
        }
    }

    #[test]
    fn whole_numbers_are_integers_as_far_as_go_has_them() {
        for (number, want) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1e6, "1000000"),
            (-1e18, "-1000000000000000000"),
            (9_223_372_036_854_774_784.0, "9223372036854774784"),
            (-9_223_372_036_854_775_808.0, "-9223372036854775808"),
            (9_223_372_036_854_775_808.0, "9.223372036854776e+18"),
            (1.5, "1.5"),
            (2e-7, "2e-07"),
        ] {
            assert_eq!(print_integral(number), want);
        }
    }
}

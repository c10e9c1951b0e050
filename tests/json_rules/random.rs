//! Random bodies: decoded and compared with an oracle, broken, cut, and written again.

use std::collections::BTreeMap;

use llamero::api::json::{JsonError, Request, decode, free, to_vec};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::read;

/// A type with one field of each kind that requests have.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Probe {
    text: String,
    flag: bool,
    maybe: Option<bool>,
    count: i64,
    small: i32,
    ratio: f64,
    list: Vec<i64>,
    inner: Inner,
    inners: Vec<Inner>,
    names: BTreeMap<String, String>,
    #[serde(deserialize_with = "free::object")]
    free: Map<String, Value>,
}

#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Inner {
    text: String,
    maybe: Option<i64>,
}

impl Request for Probe {
    const NAME: &'static str = "Probe";
}

/// JSON that may have equal keys.
#[derive(Debug, Clone)]
enum Raw {
    Scalar(Value),
    Array(Vec<Raw>),
    Object(Vec<(String, Raw)>),
}

impl Raw {
    /// Its text, with every character of a string escaped or not as `seed` has it, and blanks between.
    fn write(&self, out: &mut String, seed: &mut u64) {
        let blank = |out: &mut String, seed: &mut u64| {
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            out.push_str(["", "", " ", "\n\t"][(*seed >> 62) as usize]);
        };
        blank(out, seed);
        match self {
            Self::Scalar(value) => out.push_str(&value.to_string()),
            Self::Array(elements) => {
                for (at, element) in elements.iter().enumerate() {
                    out.push(if at == 0 { '[' } else { ',' });
                    element.write(out, seed);
                }
                out.push_str(if elements.is_empty() { "[]" } else { "]" });
            }
            Self::Object(entries) => {
                for (at, (key, value)) in entries.iter().enumerate() {
                    out.push(if at == 0 { '{' } else { ',' });
                    out.push_str(&json!(key).to_string());
                    blank(out, seed);
                    out.push(':');
                    value.write(out, seed);
                }
                out.push_str(if entries.is_empty() { "{}" } else { "}" });
            }
        }
        blank(out, seed);
    }

    /// The same with one value to a key, the last.
    fn plain(&self) -> Value {
        match self {
            Self::Scalar(value) => value.clone(),
            Self::Array(elements) => elements.iter().map(Self::plain).collect(),
            Self::Object(entries) => {
                Value::Object(entries.iter().map(|(key, value)| (key.clone(), value.plain())).collect())
            }
        }
    }

    fn is_null(&self) -> bool {
        matches!(self, Self::Scalar(Value::Null))
    }

    /// As a struct with these fields reads it: keys folded, the last kept, null replaced by what it leaves.
    fn folded(&self, fields: &[(&str, Kind)]) -> Value {
        let Self::Object(entries) = self else { return self.plain() };
        let mut object = Map::new();
        for (field, kind) in fields {
            let named = || entries.iter().filter(|(key, _)| key.to_lowercase() == *field).map(|(_, value)| value);
            let last = if matches!(kind, Kind::Optional) && named().next_back().is_some_and(Self::is_null) {
                None
            } else {
                named().rfind(|value| !value.is_null())
            };
            if let Some(value) = last {
                object.insert((*field).to_owned(), kind.apply(value));
            }
        }
        Value::Object(object)
    }
}

/// How a field reads its value.
#[derive(Clone, Copy)]
enum Kind {
    Plain,
    Optional,
    Inner,
    Inners,
    Zeros(&'static str),
    Names,
}

impl Kind {
    fn apply(self, value: &Raw) -> Value {
        const INNER: [(&str, Kind); 2] = [("text", Kind::Plain), ("maybe", Kind::Optional)];
        let or = |value: &Raw, zero: Value| if value.is_null() { zero } else { value.plain() };
        match (self, value) {
            (Self::Inner, _) => value.folded(&INNER),
            (Self::Inners, Raw::Array(elements)) => elements
                .iter()
                .map(|element| if element.is_null() { json!({}) } else { element.folded(&INNER) })
                .collect(),
            (Self::Zeros(zero), Raw::Array(elements)) => {
                let zero: Value = serde_json::from_str(zero).expect("JSON");
                elements.iter().map(|element| or(element, zero.clone())).collect()
            }
            (Self::Names, Raw::Object(entries)) => {
                Value::Object(entries.iter().map(|(key, value)| (key.clone(), or(value, json!("")))).collect())
            }
            _ => value.plain(),
        }
    }
}

/// The slow way: a tree, rewritten by the rules, read by `serde_json`.
fn oracle(raw: &Raw) -> Option<Probe> {
    let fields = [
        ("text", Kind::Plain),
        ("flag", Kind::Plain),
        ("maybe", Kind::Optional),
        ("count", Kind::Plain),
        ("small", Kind::Plain),
        ("ratio", Kind::Plain),
        ("list", Kind::Zeros("0")),
        ("inner", Kind::Inner),
        ("inners", Kind::Inners),
        ("names", Kind::Names),
        ("free", Kind::Plain),
    ];
    let folded = if raw.is_null() { json!({}) } else { raw.folded(&fields) };
    // serde_json reads a struct from an array too.
    let arrays = |value: &Value| value.is_array();
    let inners = folded.get("inners").and_then(Value::as_array);
    if arrays(&folded)
        || folded.get("inner").is_some_and(arrays)
        || inners.is_some_and(|inners| inners.iter().any(arrays))
    {
        return None;
    }
    serde_json::from_value(folded).ok()
}

fn key() -> impl Strategy<Value = String> {
    let fields = ["text", "flag", "maybe", "count", "small", "ratio", "list", "inner", "inners", "names", "free"];
    let field = (prop::sample::select(fields.to_vec()), any::<u16>()).prop_map(|(name, upper)| {
        let letters = name.chars().enumerate();
        letters.map(|(at, letter)| if upper >> at & 1 == 1 { letter.to_ascii_uppercase() } else { letter }).collect()
    });
    prop_oneof![8 => field, 1 => "[a-c]{0,2}", 1 => ".{0,3}"]
}

fn scalar() -> impl Strategy<Value = Raw> {
    let value = prop_oneof![
        2 => Just(Value::Null),
        2 => any::<bool>().prop_map(Value::from),
        2 => any::<i64>().prop_map(Value::from),
        1 => any::<u64>().prop_map(Value::from),
        2 => (-9_i64..9).prop_map(Value::from),
        1 => (-1e9_f64..1e9).prop_map(Value::from),
        3 => ".{0,9}".prop_map(Value::from),
    ];
    value.prop_map(Raw::Scalar)
}

/// A value that suits the field more often than not, so that decoding gets far.
fn entry() -> impl Strategy<Value = (String, Raw)> {
    key().prop_flat_map(|key| {
        let suited = match key.to_ascii_lowercase().as_str() {
            "text" => ".{0,9}".prop_map(|text| Raw::Scalar(text.into())).boxed(),
            "flag" | "maybe" => any::<bool>().prop_map(|yes| Raw::Scalar(yes.into())).boxed(),
            "count" | "small" | "ratio" => any::<i32>().prop_map(|number| Raw::Scalar(number.into())).boxed(),
            "list" => prop::collection::vec(any::<Option<i64>>().prop_map(|number| Raw::Scalar(number.into())), 0..4)
                .prop_map(Raw::Array)
                .boxed(),
            "names" => prop::collection::vec((".{0,2}", ".{0,4}".prop_map(|text| Raw::Scalar(text.into()))), 0..4)
                .prop_map(Raw::Object)
                .boxed(),
            "inner" => inner().boxed(),
            "inners" => prop::collection::vec(inner(), 0..3).prop_map(Raw::Array).boxed(),
            _ => anything().boxed(),
        };
        let null = Just(Raw::Scalar(Value::Null));
        (Just(key), prop_oneof![12 => suited, 2 => null, 1 => anything()])
    })
}

fn inner() -> impl Strategy<Value = Raw> {
    let text = (Just("TEXT"), ".{0,4}".prop_map(Value::from));
    let maybe = (Just("maybe"), prop_oneof![any::<i64>().prop_map(Value::from), Just(Value::Null)]);
    let pair = prop_oneof![text.boxed(), maybe.boxed()].prop_map(|(key, value)| (key.to_owned(), Raw::Scalar(value)));
    prop::collection::vec(pair, 0..4).prop_map(Raw::Object)
}

fn anything() -> impl Strategy<Value = Raw> {
    scalar().prop_recursive(3, 24, 4, |element| {
        prop_oneof![
            prop::collection::vec(element.clone(), 0..4).prop_map(Raw::Array),
            prop::collection::vec((key(), element), 0..4).prop_map(Raw::Object),
        ]
    })
}

fn body() -> impl Strategy<Value = Raw> {
    prop_oneof![15 => prop::collection::vec(entry(), 0..12).prop_map(Raw::Object), 1 => anything()]
}

/// Takes anything that is JSON.
#[derive(Debug, Deserialize)]
struct Nothing {}

impl Request for Nothing {
    const NAME: &'static str = "Nothing";
}

/// Pieces that make JSON now and then, and more often something close to it.
const TOKENS: [&str; 36] = [
    "{",
    "}",
    "}",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"a\"",
    "\"a\":",
    "\"b\":",
    "\"b\":1",
    ",\"c\":",
    "\"\\u00e9\"",
    "\"\\x\"",
    "\"\\",
    "\"",
    "0",
    "1",
    "-",
    "-0",
    "01",
    "1.5",
    "1.",
    ".5",
    "1e5",
    "1E+5",
    "1e",
    "true",
    "false",
    "null",
    "nul",
    " ",
    "\n",
    "\u{1}",
    "é",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_oracle(raw in body(), mut seed: u64, tail in "[ ,}\\]x]{0,3}") {
        let mut text = String::new();
        raw.write(&mut text, &mut seed);
        // A number must not grow by what follows it.
        text.push(' ');
        text.push_str(&tail);
        prop_assert_eq!(read::<Probe>(&text).ok(), oracle(&raw), "{}", text);
    }

    #[test]
    fn what_we_write_we_read(raw in anything()) {
        let value = json!({"free": {"x": raw.plain()}});
        let mut written = to_vec(&value).expect("serializable");
        prop_assert!(!written.iter().any(|byte| b"<>&".contains(byte)));
        let probe: Probe = decode(&mut written).expect("valid");
        // Whole floats lose their point, as in Go.
        let number = |value: &Value| value.as_f64();
        prop_assert!(same(&probe.free["x"], &value["free"]["x"], &number));
    }

    #[test]
    fn accepts_what_serde_json_accepts(tokens in prop::collection::vec(prop::sample::select(TOKENS.to_vec()), 0..9)) {
        let text = format!("{{{}", tokens.concat());
        let first = serde_json::Deserializer::from_str(&text).into_iter::<Value>().next();
        let ours = decode::<Nothing>(&mut text.clone().into_bytes());
        prop_assert_ne!(ours.as_ref().err(), Some(&JsonError::Unreadable), "the scan let pass what the parser refuses");
        prop_assert_eq!(ours.is_ok(), first.is_some_and(|first| first.is_ok()), "{} {:?}", text, ours);
    }

    #[test]
    fn numbers_are_the_nearest_floats(text in "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?") {
        let want: f64 = text.parse().expect("a number");
        match read::<Probe>(&format!(r#"{{"ratio":{text}}}"#)) {
            // All bits, but for the sign of a zero, which an integer does not have.
            Ok(probe) => prop_assert!(probe.ratio.to_bits() == want.to_bits() || want.abs().to_bits() == 0),
            Err(error) => {
                prop_assert!(want.is_infinite(), "{}", want);
                prop_assert_eq!(error, JsonError::NumberRange.to_string());
            }
        }
    }

    #[test]
    fn no_bytes_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        _ = decode::<Probe>(&mut bytes);
    }

    #[test]
    fn no_broken_json_panics(raw in body(), mut seed: u64, cut: prop::sample::Index, with in any::<Option<u8>>()) {
        let mut text = String::new();
        raw.write(&mut text, &mut seed);
        let mut bytes = text.into_bytes();
        let at = cut.index(bytes.len() + 1);
        match with {
            Some(byte) if at < bytes.len() => bytes[at] = byte,
            _ => bytes.truncate(at),
        }
        let outcome = decode::<Probe>(&mut bytes);
        prop_assert_ne!(outcome.err(), Some(JsonError::Unreadable), "the scan let pass what the parser refuses");
    }
}

fn same(left: &Value, right: &Value, number: &impl Fn(&Value) -> Option<f64>) -> bool {
    match (left, right) {
        (Value::Number(_), Value::Number(_)) => number(left) == number(right),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right, number))
        }
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(key, value)| right.get(key).is_some_and(|other| same(value, other, number)))
        }
        _ => left == right,
    }
}

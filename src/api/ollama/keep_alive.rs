//! `keep_alive`: how long a model stays loaded (the behaviour page, section 2.1).

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::config::duration;
use crate::engine::wire::KeepAlive;

/// From a number of nanoseconds: below 0 is forever. So is what Go cannot count (292 years), where it overflows.
pub fn from_nanoseconds(nanoseconds: i64) -> KeepAlive {
    match u64::try_from(nanoseconds) {
        Ok(nanoseconds) if nanoseconds < i64::MAX as u64 => KeepAlive::For(nanoseconds),
        _ => KeepAlive::Forever,
    }
}

/// From a number of seconds, fractions included.
pub fn from_seconds(seconds: f64) -> KeepAlive {
    // Rounded down, so that all below 0 stays there; the cast stops at its range, so that centuries become i64::MAX.
    from_nanoseconds((seconds * 1e9).floor() as i64)
}

/// Reads the field: a number of seconds or a Go duration. For `#[serde(default, deserialize_with = …)]`.
///
/// # Errors
/// When it is something else, in Ollama's words.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<KeepAlive>, D::Error> {
    Ok(Option::<Given>::deserialize(deserializer)?.map(|given| given.0))
}

struct Given(KeepAlive);

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Form).map(Self)
    }
}

struct Form;

fn unsupported<E: Error>(go_type: &str) -> E {
    E::custom(format_args!("Unsupported type: '{go_type}'"))
}

impl<'de> Visitor<'de> for Form {
    type Value = KeepAlive;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number of seconds or a duration")
    }

    fn visit_i64<E: Error>(self, seconds: i64) -> Result<KeepAlive, E> {
        Ok(from_seconds(seconds as f64))
    }

    fn visit_u64<E: Error>(self, seconds: u64) -> Result<KeepAlive, E> {
        Ok(from_seconds(seconds as f64))
    }

    fn visit_f64<E: Error>(self, seconds: f64) -> Result<KeepAlive, E> {
        Ok(from_seconds(seconds))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<KeepAlive, E> {
        duration::parse(text).map(from_nanoseconds).map_err(E::custom)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<KeepAlive, E> {
        Err(unsupported("bool"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<KeepAlive, A::Error> {
        Err(unsupported("[]interface {}"))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<KeepAlive, A::Error> {
        Err(unsupported("map[string]interface {}"))
    }
}

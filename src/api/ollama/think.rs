//! `think` as a request has it: a boolean or a level (the behaviour page, section 2.3).

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::api::json::quote;
pub use crate::model::think::{Level, Think};

impl<'de> Deserialize<'de> for Think {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Form)
    }
}

struct Form;

fn wrong_type<E: Error>() -> E {
    E::custom(r#"think must be a boolean or string ("high", "medium", "low", "max", true, or false)"#)
}

impl<'de> Visitor<'de> for Form {
    type Value = Think;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a boolean or a level")
    }

    fn visit_bool<E: Error>(self, yes: bool) -> Result<Think, E> {
        Ok(if yes { Think::On } else { Think::Off })
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Think, E> {
        Ok(Think::Level(match text {
            "low" => Level::Low,
            "medium" => Level::Medium,
            "high" => Level::High,
            "max" => Level::Max,
            _ => {
                return Err(E::custom(format_args!(
                    r#"invalid think value: {} (must be "high", "medium", "low", "max", true, or false)"#,
                    quote(text)
                )));
            }
        }))
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Think, E> {
        Err(wrong_type())
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Think, E> {
        Err(wrong_type())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Think, E> {
        Err(wrong_type())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Think, A::Error> {
        Err(wrong_type())
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Think, A::Error> {
        Err(wrong_type())
    }
}

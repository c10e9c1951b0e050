//! Any bytes as the body of a request: no panic, and what is accepted is written as JSON that reads the same again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use llamero::api::json::{Request, decode, free, to_vec};
use llamero::api::ollama::types::{ChatRequest, GenerateRequest};
use llamero::store::CreateRequest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Takes any JSON in it as it comes.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Anything {
    #[serde(default, deserialize_with = "free::object")]
    options: Map<String, Value>,
}

impl Request for Anything {
    const NAME: &'static str = "Anything";
}

fuzz_target!(|body: &[u8]| {
    _ = decode::<GenerateRequest>(&mut body.to_vec());
    _ = decode::<ChatRequest>(&mut body.to_vec());
    _ = decode::<CreateRequest>(&mut body.to_vec());
    if let Ok(first) = decode::<Anything>(&mut body.to_vec()) {
        // Once through the writer whole floats are integers, so the comparison starts behind it.
        let mut written = to_vec(&first).expect("JSON that was read can be written");
        let second = decode::<Anything>(&mut written).expect("JSON that we wrote can be read");
        let again = to_vec(&second).expect("JSON that was read can be written");
        let third = decode::<Anything>(&mut again.clone()).expect("JSON that we wrote can be read");
        assert_eq!(second, third);
    }
});

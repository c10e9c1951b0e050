//! The rules of JSON that Ollama's clients rely on: tables of bodies and answers, and (in `random`) made-up bodies that
//! are read twice, once by us and once by something slow and simple.

#[path = "json_rules/random.rs"]
mod random;

use std::collections::BTreeMap;

use llamero::api::json::{JsonError, Request, decode};
use llamero::api::ollama::types::{ChatRequest, GenerateRequest, Purpose};
use llamero::config::limits::JSON_DEPTH_MAX;
use llamero::engine::wire::KeepAlive;
use llamero::store::CreateRequest;
use serde_json::json;

fn read<T: Request>(body: &str) -> Result<T, String> {
    decode(&mut body.as_bytes().to_vec()).map_err(|error| error.to_string())
}

fn generate(body: &str) -> GenerateRequest {
    read(body).unwrap_or_else(|error| panic!("{body}: {error}"))
}

#[test]
fn keys_are_matched_without_case_and_the_last_wins() {
    for body in [
        r#"{"model":"m"}"#,
        r#"{"MODEL":"m"} trailing"#,
        r#"{"model":"x","Model":"m"}{"model":"y"}"#,
        r#"{"Model":"x","other":{"model":"y"},"model":"m"}"#,
        r#"{"model":"m","unknown":[1,{"a":null}],"":0,"model ":"y"}"#,
        r#"{"mod\u0065l":"m"}"#,
        r#"{"model":"m","model":null}"#,
        r#"{"model":"x","model":7,"model":"m"}"#,
    ] {
        assert_eq!(generate(body).model, "m", "{body}");
    }
    // The long s and the Kelvin sign fold into ASCII, the dotless i does not.
    assert!(generate(r#"{"ſtream":false,"thin\u212a":true,"suffıx":"x"}"#).stream == Some(false));
    assert!(generate("{\"thin\u{212a}\":true}").think.is_some());
    assert_eq!(generate(r#"{"suffıx":"x"}"#).suffix, "");
}

#[test]
fn null_leaves_the_default() {
    let request = generate(
        r#"{"model":null,"stream":null,"raw":null,"context":null,"options":null,"images":null,"format":null,
            "keep_alive":null,"think":null,"top_logprobs":null}"#,
    );
    assert_eq!(request, generate("{}"));
    assert_eq!(generate("null"), generate("{}"));
    assert_eq!(generate(r#"{"stream":true,"stream":null}"#).stream, None);
    assert_eq!(generate(r#"{"context":[1,null,3]}"#).context, [1, 0, 3]);
    assert_eq!(generate(r#"{"keep_alive":5,"keep_alive":null}"#).keep_alive, None);
    let chat: ChatRequest = read(r#"{"messages":[null,{"role":"USER","content":null}]}"#).expect("valid");
    assert_eq!(chat.messages.len(), 2);
    assert_eq!((chat.messages[0].role.as_str(), chat.messages[1].role.as_str()), ("", "user"));
}

#[test]
fn wrong_types_get_the_words_of_go() {
    for (body, want) in [
        (r#"{"model":1}"#, "number into Go struct field GenerateRequest.model of type string"),
        (r#"{"Model":true}"#, "bool into Go struct field GenerateRequest.model of type string"),
        (r#"{"stream":"yes"}"#, "string into Go struct field GenerateRequest.stream of type bool"),
        (r#"{"raw":[]}"#, "array into Go struct field GenerateRequest.raw of type bool"),
        (r#"{"prompt":{}}"#, "object into Go struct field GenerateRequest.prompt of type string"),
        (r#"{"context":7}"#, "number into Go struct field GenerateRequest.context of type []int"),
        (r#"{"context":["a"]}"#, "string into Go struct field GenerateRequest.context of type int"),
        (r#"{"context":[1.5]}"#, "number 1.5 into Go struct field GenerateRequest.context of type int"),
        (r#"{"context":[4294967296]}"#, "number 4294967296 into Go struct field GenerateRequest.context of type int"),
        (r#"{"options":[]}"#, "array into Go struct field GenerateRequest.options of type map[string]interface {}"),
        (r#"{"images":"x"}"#, "string into Go struct field GenerateRequest.images of type []api.ImageData"),
        ("[]", "array into Go value of type api.GenerateRequest"),
        ("\"x\"", "string into Go value of type api.GenerateRequest"),
        ("12", "number into Go value of type api.GenerateRequest"),
    ] {
        assert_eq!(read::<GenerateRequest>(body), Err(format!("json: cannot unmarshal {want}")), "{body}");
    }
    for (body, want) in [
        (r#"{"messages":{}}"#, "object into Go struct field ChatRequest.messages of type []api.Message"),
        (r#"{"messages":["x"]}"#, "string into Go struct field ChatRequest.messages of type api.Message"),
        (r#"{"messages":[{"content":[]}]}"#, "array into Go struct field ChatRequest.messages.content of type string"),
        (r#"{"tools":{}}"#, "object into Go struct field ChatRequest.tools of type api.Tools"),
        (
            r#"{"messages":[{"tool_calls":[{"function":{"arguments":"{}"}}]}]}"#,
            "string into Go struct field ChatRequest.messages.tool_calls.function.arguments of type \
             api.ToolCallFunctionArguments",
        ),
    ] {
        assert_eq!(read::<ChatRequest>(body), Err(format!("json: cannot unmarshal {want}")), "{body}");
    }
}

#[test]
fn fields_with_rules_of_their_own_have_their_own_words() {
    let think = r#"(must be "high", "medium", "low", "max", true, or false)"#;
    for (body, want) in [
        (r#"{"think":"very"}"#.to_owned(), format!("invalid think value: \"very\" {think}")),
        (r#"{"think":""}"#.to_owned(), format!("invalid think value: \"\" {think}")),
        (
            r#"{"think":1}"#.to_owned(),
            r#"think must be a boolean or string ("high", "medium", "low", "max", true, or false)"#.to_owned(),
        ),
        (r#"{"images":["QQ=A"]}"#.to_owned(), "illegal base64 data at input byte 2".to_owned()),
        (r#"{"keep_alive":{}}"#.to_owned(), "Unsupported type: 'map[string]interface {}'".to_owned()),
        (
            format!(r#"{{"think":"{}"}}"#, "x".repeat(5000)),
            format!("invalid think value: \"{}…", "x".repeat(4096 - 22)),
        ),
    ] {
        assert_eq!(read::<GenerateRequest>(&body), Err(want));
    }
    assert_eq!(
        read::<CreateRequest>(r#"{"license":[1]}"#),
        Err("license must be a string or an array of strings".to_owned())
    );
}

#[test]
fn bodies_that_are_no_json_are_told_apart() {
    for (body, want) in [
        (&b""[..], JsonError::Missing),
        (b" \r\n", JsonError::Missing),
        (b"{\"model\":\"llamita\"", JsonError::UnexpectedEnd),
        (b"{\"model\":\"\xff\"}", JsonError::NotUtf8),
        (b"{\"model\":\"\xed\xa0\x80\"}", JsonError::NotUtf8),
        (b"{\"x\":1e999}", JsonError::NumberRange),
        (b"{\"\xc3", JsonError::UnexpectedEnd),
    ] {
        assert_eq!(decode::<GenerateRequest>(&mut body.to_vec()), Err(want), "{}", body.escape_ascii());
    }
    let nested = |depth: usize| format!("{{\"x\":{}{}}}", "[".repeat(depth), "]".repeat(depth));
    assert!(read::<GenerateRequest>(&nested(JSON_DEPTH_MAX - 1)).is_ok());
    let error = read::<GenerateRequest>(&nested(JSON_DEPTH_MAX)).expect_err("too deep");
    assert_eq!(error, "the JSON body is nested more than 128 levels deep");
}

#[test]
fn free_parts_are_kept_as_they_came() {
    let chat: ChatRequest = read(
        r#"{"options":{"z":1,"a":{"Z":[1.5,-2,18446744073709551615,99999999999999999999,true,null,"\u0041\ud800"]},
            "z":2,"Z":3},"format":{"$serde_json::private::RawValue":"[1]"}}"#,
    )
    .expect("valid");
    let options = json!({"z": 2, "a": {"Z": [1.5, -2, u64::MAX, 1e20, true, null, "A\u{fffd}"]}, "Z": 3});
    assert_eq!(json!(chat.options), options);
    assert_eq!(chat.options.keys().collect::<Vec<_>>(), ["z", "a", "Z"]);
    let format = chat.format.expect("given");
    assert_eq!(format.get("$serde_json::private::RawValue"), Some(&json!("[1]")));
}

#[test]
fn tools_are_read_as_far_as_ollamas_types_know_them() {
    let chat: ChatRequest = read(
        r#"{"Tools":[{"Type":"function","strict":true,"function":{"NAME":"f","parameters":{"type":"object",
            "properties":{"z":{"type":"string","default":1},"a":{"type":["null","integer"]}}}}}]}"#,
    )
    .expect("valid");
    assert_eq!(
        serde_json::to_string(&chat.tools).expect("JSON"),
        r#"[{"type":"function","function":{"name":"f","parameters":{"type":"object","properties":{"z":{"type":"string"},"a":{"type":["null","integer"]}}}}}]"#
    );
    for (body, want) in [(r"{}", None), (r#"{"tools":null}"#, None), (r#"{"tools":[]}"#, Some(0))] {
        let chat: ChatRequest = read(body).expect("valid");
        assert_eq!(chat.tools.map(|tools| tools.len()), want, "{body}");
    }
}

#[test]
fn requests_say_what_they_are_for() {
    for (body, want) in [
        (r"{}", Purpose::Load),
        (r#"{"keep_alive":"10m"}"#, Purpose::Load),
        (r#"{"keep_alive":-1}"#, Purpose::Load),
        (r#"{"keep_alive":0}"#, Purpose::Unload),
        (r#"{"keep_alive":"0s"}"#, Purpose::Unload),
        (r#"{"prompt":"x","keep_alive":0}"#, Purpose::Complete),
    ] {
        assert_eq!(generate(body).purpose(), want, "{body}");
    }
    let chat: ChatRequest = read(r#"{"messages":[],"keep_alive":0}"#).expect("valid");
    assert_eq!(chat.purpose(), Purpose::Unload);
}

#[test]
fn checks_have_ollamas_texts() {
    let told = |result: Result<(), llamero::api::ollama::error::ApiError>| {
        result.map_err(|error| (error.status, error.message))
    };
    for wanted in [-1, 21, i64::MAX] {
        let request = generate(&format!(r#"{{"top_logprobs":{wanted}}}"#));
        assert_eq!(told(request.check_body()), Err((400, "top_logprobs must be between 0 and 20".to_owned())));
    }
    assert_eq!(told(generate(r#"{"top_logprobs":20}"#).check_body()), Ok(()));
    for body in [r#"{"raw":true,"system":"y"}"#, r#"{"raw":true,"template":"y"}"#, r#"{"raw":true,"context":[1]}"#] {
        let text = "raw mode does not support template, system, or context";
        assert_eq!(told(generate(body).check_raw()), Err((400, text.to_owned())), "{body}");
    }
    assert_eq!(told(generate(r#"{"system":"y"}"#).check_raw()), Ok(()));
    assert_eq!(told(generate("{}").name().map(|_| ())), Err((404, "model '' not found".to_owned())));
    let chat: ChatRequest = read(r#"{"model":" "}"#).expect("valid");
    assert_eq!(told(chat.name().map(|_| ())), Err((400, "model is required".to_owned())));
    assert_eq!(generate(r#"{"model":" m "}"#).name(), Ok("m"));
}

#[test]
fn create_keeps_the_case_of_paths_and_takes_one_licence_or_several() {
    let create: CreateRequest =
        read(r#"{"NAME":"x","files":{"b":"2","a":"1","a":"3","A":null},"license":["MIT","BSD"]}"#).expect("valid");
    let files = [("A", ""), ("a", "3"), ("b", "2")].map(|(path, digest)| (path.to_owned(), digest.to_owned()));
    assert_eq!((create.name.as_str(), create.files), ("x", Some(BTreeMap::from(files))));
    assert_eq!(create.license.0, ["MIT", "BSD"]);
    let one: CreateRequest = read(r#"{"model":"y","license":"MIT","from":null}"#).expect("valid");
    assert_eq!((one.model.as_str(), one.license.0.as_slice()), ("y", &["MIT".to_owned()][..]));
}

/// 31,689 years overflow Ollama's nanoseconds, and the model would go at once. The recorded rows are among the goldens.
#[test]
fn a_long_keep_alive_is_forever() {
    assert_eq!(generate(r#"{"keep_alive":1e12}"#).keep_alive, Some(KeepAlive::Forever));
}

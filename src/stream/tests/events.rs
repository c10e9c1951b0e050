//! The exact bytes of each kind of event, for both dialects.

use std::time::Duration;

use super::super::events::{Events, put_error, put_logprobs};
use super::super::frames::{Final, Logprob, TokenLogprob};
use super::super::stamp::{Clock, Stamp};
use crate::engine::wire::Dialect;

fn stamp() -> Stamp {
    Clock::default().stamp(Duration::new(1_795_379_732, 609_779_410))
}

/// What is written for generate and for chat, with `T` for the time.
fn both(write: impl Fn(&Events, &mut Vec<u8>)) -> [String; 2] {
    [Dialect::Generate, Dialect::Chat].map(|dialect| {
        let mut out = Vec::new();
        write(&Events::new(dialect, "llamita"), &mut out);
        String::from_utf8(out).unwrap().replace("2026-11-22T20:35:32.60977941Z", "T")
    })
}

fn choice(token: &[u8], logprob: f32) -> TokenLogprob {
    TokenLogprob { token: token.to_vec(), logprob }
}

const END: Final<'_> = Final {
    done_reason: "stop",
    context: Some(&[1013, -1, 0]),
    total_ns: 16_999_398,
    load_ns: 1_701_724,
    prompt_eval_count: 16,
    prompt_eval_ns: 465_000,
    eval_count: 24,
    eval_ns: 7_526_000,
    prompt_truncated: false,
};
const METRICS: &str = "\"total_duration\":16999398,\"load_duration\":1701724,\"prompt_eval_count\":16,\
    \"prompt_eval_duration\":465000,\"eval_count\":24,\"eval_duration\":7526000";

#[test]
fn a_token() {
    let [generate, chat] = both(|events, out| events.token(out, &stamp(), "<think>\n", &[]));
    assert_eq!(generate, r#"{"model":"llamita","created_at":"T","response":"\u003cthink\u003e\n","done":false}"#);
    assert_eq!(
        chat,
        r#"{"model":"llamita","created_at":"T","message":{"role":"assistant","content":"\u003cthink\u003e\n"},"done":false}"#
    );
}

#[test]
fn a_token_with_probabilities() {
    let plain = Logprob { chosen: choice(b"you", -0.5), top: Vec::new() };
    let among = Logprob { chosen: choice(b"\"", -0.25), top: vec![choice(b"\"", -0.25), choice(b"", -16.0)] };
    let [generate, chat] = both(|events, out| events.token(out, &stamp(), "x", &[plain.clone(), among.clone()]));
    let logprobs = r#""logprobs":[{"token":"you","logprob":-0.5,"bytes":[121,111,117]},{"token":"\"","logprob":-0.25,"bytes":[34],"top_logprobs":[{"token":"\"","logprob":-0.25,"bytes":[34]},{"token":"","logprob":-16}]}]"#;
    assert_eq!(generate, format!(r#"{{"model":"llamita","created_at":"T","response":"x","done":false,{logprobs}}}"#));
    assert_eq!(
        chat,
        format!(
            r#"{{"model":"llamita","created_at":"T","message":{{"role":"assistant","content":"x"}},"done":false,{logprobs}}}"#
        )
    );
}

#[test]
fn part_of_a_character_keeps_its_bytes() {
    let mut out = Vec::new();
    put_logprobs(&mut out, &[Logprob { chosen: choice(b"a\xe3\x81", f32::NEG_INFINITY), top: Vec::new() }], true);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#"{"token":"a\ufffd","logprob":-3.4028234663852886e+38,"bytes":[97,227,129]}"#
    );
}

#[test]
fn the_end_of_a_stream() {
    let [generate, chat] = both(|events, out| events.last(out, &stamp(), b"", b"", &END));
    assert_eq!(
        generate,
        format!(
            r#"{{"model":"llamita","created_at":"T","response":"","done":true,"done_reason":"stop","context":[1013,-1,0],{METRICS}}}"#
        )
    );
    assert_eq!(
        chat,
        format!(
            r#"{{"model":"llamita","created_at":"T","message":{{"role":"assistant","content":""}},"done":true,"done_reason":"stop",{METRICS}}}"#
        )
    );
}

#[test]
fn a_whole_answer() {
    let end = Final { prompt_truncated: true, ..END };
    let [generate, chat] = both(|events, out| events.last(out, &stamp(), b"Hi\\n", b"{}", &end));
    assert_eq!(
        generate,
        format!(
            r#"{{"model":"llamita","created_at":"T","response":"Hi\n","done":true,"done_reason":"stop","context":[1013,-1,0],{METRICS},"logprobs":[{{}}],"prompt_truncated":true}}"#
        )
    );
    assert_eq!(
        chat,
        format!(
            r#"{{"model":"llamita","created_at":"T","message":{{"role":"assistant","content":"Hi\n"}},"done":true,"done_reason":"stop","logprobs":[{{}}],{METRICS},"prompt_truncated":true}}"#
        )
    );
}

#[test]
fn zeros_are_left_out() {
    let end = Final { done_reason: "length", context: Some(&[]), eval_count: 1, ..Final::default() };
    let [generate, chat] = both(|events, out| events.last(out, &stamp(), b"", b"", &end));
    let rest = r#""done":true,"done_reason":"length","eval_count":1}"#;
    assert_eq!(generate, format!(r#"{{"model":"llamita","created_at":"T","response":"",{rest}"#));
    assert_eq!(
        chat,
        format!(r#"{{"model":"llamita","created_at":"T","message":{{"role":"assistant","content":""}},{rest}"#)
    );
}

#[test]
fn replies_that_are_one_object() {
    let [generate, chat] = both(|events, out| events.single(out, &stamp(), "load"));
    let rest = r#""done":true,"done_reason":"load"}"#;
    assert_eq!(generate, format!(r#"{{"model":"llamita","created_at":"T","response":"",{rest}"#));
    assert_eq!(
        chat,
        format!(r#"{{"model":"llamita","created_at":"T","message":{{"role":"assistant","content":""}},{rest}"#)
    );
    let [generate, chat] = both(|events, out| events.debug(out, &stamp(), "<s>\n"));
    let rest = r#""done":false,"_debug_info":{"rendered_template":"\u003cs\u003e\n"}}"#;
    assert_eq!(generate, format!(r#"{{"model":"llamita","created_at":"T","response":"",{rest}"#));
    assert_eq!(chat, format!(r#"{{"model":"llamita","created_at":"T","message":{{"role":"","content":""}},{rest}"#));
}

#[test]
fn errors_and_names_are_escaped() {
    let mut out = Vec::new();
    put_error(&mut out, "no \"<model>\"");
    assert_eq!(out, br#"{"error":"no \"\u003cmodel\u003e\""}"#);
    let mut out = Vec::new();
    Events::new(Dialect::Generate, "a&\"b").single(&mut out, &stamp(), "unload");
    assert!(out.starts_with(br#"{"model":"a\u0026\"b","created_at":""#));
}

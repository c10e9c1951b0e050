//! The exact bytes of each kind of event, for both dialects.

use std::time::Duration;

use super::super::events::{Events, Part, Rest, put_error, put_logprobs};
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
    let [generate, chat] = both(|events, out| events.part(out, &stamp(), Part::Content("<think>\n"), &[]));
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
    let [generate, chat] = both(|events, out| {
        events.part(out, &stamp(), Part::Content("x"), &[plain.clone(), among.clone()]);
    });
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
fn thinking_and_a_call() {
    let [generate, chat] = both(|events, out| events.part(out, &stamp(), Part::Thinking("<hm>"), &[]));
    let rest = r#""thinking":"\u003chm\u003e""#;
    assert_eq!(generate, format!(r#"{{"model":"llamita","created_at":"T","response":"",{rest},"done":false}}"#));
    let message = r#""message":{"role":"assistant","content":"""#;
    assert_eq!(chat, format!(r#"{{"model":"llamita","created_at":"T",{message},{rest}}},"done":false}}"#));
    let [_, chat] = both(|events, out| events.part(out, &stamp(), Part::Call(b"{}"), &[]));
    assert_eq!(chat, format!(r#"{{"model":"llamita","created_at":"T",{message},"tool_calls":[{{}}]}},"done":false}}"#));
}

#[test]
fn half_a_character_is_left_out_of_a_token() {
    for (token, written) in [
        (&b"a\xe3\x81"[..], r#"{"token":"a","logprob":-0.5,"bytes":[97]}"#),
        (b"\xf0\x9f", r#"{"token":"","logprob":-0.5}"#),
        (b"\x81b", r#"{"token":"\ufffdb","logprob":-0.5,"bytes":[129,98]}"#),
        (b"\x93", r#"{"token":"\ufffd","logprob":-0.5,"bytes":[147]}"#),
        ("é".as_bytes(), r#"{"token":"é","logprob":-0.5,"bytes":[195,169]}"#),
    ] {
        let mut out = Vec::new();
        put_logprobs(&mut out, &[Logprob { chosen: choice(token, -0.5), top: Vec::new() }], true);
        assert_eq!(String::from_utf8(out).unwrap(), written);
    }
    let mut out = Vec::new();
    put_logprobs(&mut out, &[Logprob { chosen: choice(b"a", f32::NEG_INFINITY), top: Vec::new() }], true);
    assert_eq!(String::from_utf8(out).unwrap(), r#"{"token":"a","logprob":-3.4028234663852886e+38,"bytes":[97]}"#);
}

#[test]
fn the_end_of_a_stream() {
    let [generate, chat] = both(|events, out| events.last(out, &stamp(), &Rest::default(), &END));
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
    let logprob = Logprob { chosen: choice(b"Hi", -0.5), top: Vec::new() };
    let mut rest = Rest::default();
    rest.add(Part::Thinking("hm\n"), &[]);
    rest.add(Part::Content("Hi\n"), &[logprob]);
    rest.add(Part::Call(br#"{"id":1}"#), &[]);
    rest.add(Part::Call(br#"{"id":2}"#), &[]);
    assert_eq!(rest.len(), 4 + 4 + 17 + 46);
    let [generate, chat] = both(|events, out| events.last(out, &stamp(), &rest, &end));
    let calls = r#""tool_calls":[{"id":1},{"id":2}]"#;
    let logprobs = r#""logprobs":[{"token":"Hi","logprob":-0.5,"bytes":[72,105]}]"#;
    assert_eq!(
        generate,
        format!(
            r#"{{"model":"llamita","created_at":"T","response":"Hi\n","thinking":"hm\n","done":true,"done_reason":"stop","context":[1013,-1,0],{METRICS},{calls},{logprobs},"prompt_truncated":true}}"#
        )
    );
    assert_eq!(
        chat,
        format!(
            r#"{{"model":"llamita","created_at":"T","message":{{"role":"assistant","content":"Hi\n","thinking":"hm\n",{calls}}},"done":true,"done_reason":"stop",{logprobs},{METRICS},"prompt_truncated":true}}"#
        )
    );
}

#[test]
fn zeros_are_left_out() {
    let end = Final { done_reason: "length", context: Some(&[]), eval_count: 1, ..Final::default() };
    let [generate, chat] = both(|events, out| events.last(out, &stamp(), &Rest::default(), &end));
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

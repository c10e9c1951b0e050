//! Whole replies through slots: framing, heads, the want of slots, errors.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::frames::{Final, ReplyWriter};
use super::super::front::Slot;
use super::super::slot::{PAYLOAD_BYTES, SlotHead};
use super::Rig;
use crate::config::limits::WHOLE_REPLY_BYTES;
use crate::engine::wire::{Dialect, Framing, ReplyFormat};

fn writer(framing: Framing) -> ReplyWriter {
    ReplyWriter::new(0, 7, &ReplyFormat { dialect: Dialect::Generate, framing, model: "m".to_owned() })
}

/// Undoes chunked coding (RFC 9112, section 7.1): the chunks, each of which must be complete, and nothing after.
fn chunks(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut chunks = Vec::new();
    loop {
        let line = bytes.windows(2).position(|pair| pair == b"\r\n").expect("a size line");
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).unwrap(), 16).unwrap();
        let (chunk, rest) = bytes[line + 2..].split_at(size);
        bytes = rest.strip_prefix(b"\r\n").expect("the chunk's end");
        if size == 0 {
            assert!(bytes.is_empty(), "bytes after the last chunk");
            return chunks;
        }
        chunks.push(chunk.to_vec());
    }
}

/// The events of a stream, each a line of its own, with their times taken out.
fn events(framing: Framing, bytes: &[u8]) -> Vec<String> {
    let lines: Vec<Vec<u8>> = match framing {
        Framing::Chunked => chunks(bytes),
        Framing::Bare => bytes.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect(),
        Framing::Whole => vec![[bytes, b"\n"].concat()],
    };
    lines
        .iter()
        .map(|line| {
            let line = line.strip_suffix(b"\n").unwrap();
            assert!(!line.contains(&b'\n'));
            let mut value: Value = serde_json::from_slice(line).unwrap();
            if let Some(time) = value.get_mut("created_at") {
                time.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
                *time = json!("T");
            }
            value.to_string()
        })
        .collect()
}

fn check_heads(heads: &[SlotHead], framing: Framing, status: u16, bytes: &[u8]) {
    for (index, head) in heads.iter().enumerate() {
        assert_eq!((head.framing, head.status, head.stream), (framing, status, 7));
        assert_eq!(head.is_first(), index == 0);
        assert_eq!(head.is_last(), index == heads.len() - 1);
        let body = if framing == Framing::Whole && index == 0 { bytes.len() as u64 } else { 0 };
        assert_eq!(head.body_bytes, body);
    }
    assert_eq!(heads.iter().map(|head| head.len as usize).sum::<usize>(), bytes.len());
}

fn token_event(text: &str) -> String {
    json!({"model": "m", "created_at": "T", "response": text, "done": false}).to_string()
}

fn last_event(text: &str) -> String {
    json!({"model": "m", "created_at": "T", "response": text, "done": true, "done_reason": "stop", "eval_count": 2})
        .to_string()
}

const END: Final<'_> = Final {
    done_reason: "stop",
    context: None,
    total_ns: 0,
    load_ns: 0,
    prompt_eval_count: 0,
    prompt_eval_ns: 0,
    eval_count: 2,
    eval_ns: 0,
    prompt_truncated: false,
};

#[test]
fn a_short_reply_in_every_framing() {
    for framing in [Framing::Chunked, Framing::Bare, Framing::Whole] {
        let mut rig = Rig::new();
        let mut writer = writer(framing);
        assert!(!writer.started());
        writer.token(&mut rig.out, "Hi", &[]);
        assert_eq!(writer.started(), framing != Framing::Whole);
        writer.token(&mut rig.out, " <you>", &[]);
        writer.finish(&mut rig.out, &END);
        assert!(writer.started() && writer.is_drained());
        let (heads, bytes) = rig.reply(7);
        check_heads(&heads, framing, 200, &bytes);
        let expected = match framing {
            Framing::Whole => vec![last_event("Hi <you>")],
            _ => vec![token_event("Hi"), token_event(" <you>"), last_event("")],
        };
        assert_eq!(events(framing, &bytes), expected);
        assert_eq!(heads.len(), expected.len());
    }
}

#[test]
fn calls_stream_in_a_chat_and_come_last_in_a_generate() {
    for dialect in [Dialect::Generate, Dialect::Chat] {
        let mut rig = Rig::new();
        let format = ReplyFormat { dialect, framing: Framing::Chunked, model: "m".to_owned() };
        let mut writer = ReplyWriter::new(0, 7, &format);
        writer.thinking(&mut rig.out, "hm", &[]);
        writer.call(&mut rig.out, br#"{"id":1}"#, &[]);
        writer.call(&mut rig.out, br#"{"id":2}"#, &[]);
        writer.finish(&mut rig.out, &END);
        let (_, bytes) = rig.reply(7);
        let events = events(Framing::Chunked, &bytes);
        let events: Vec<Value> = events.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
        let calls = |event: &Value| [&event["tool_calls"], &event["message"]["tool_calls"]].map(Value::clone);
        let got: Vec<_> = events.iter().map(calls).collect();
        let (one, two, none) = (json!({"id": 1}), json!({"id": 2}), Value::Null);
        match dialect {
            Dialect::Generate => assert_eq!(got, [[none.clone(), none.clone()], [json!([one, two]), none]]),
            Dialect::Chat => {
                let [none, one, two] = [none, json!([one]), json!([two])];
                let want = [&none, &one, &two, &none].map(|calls| [none.clone(), calls.clone()]);
                assert_eq!(got, want);
            }
        }
    }
}

#[test]
fn a_chunk_in_a_slot_has_four_digits() {
    let mut rig = Rig::new();
    writer(Framing::Chunked).token(&mut rig.out, "x", &[]);
    let (_, bytes) = rig.reply(7);
    let text = String::from_utf8(bytes).unwrap();
    let (size, rest) = text.split_once("\r\n").unwrap();
    assert_eq!(size, format!("{:04x}", rest.len() - 2));
    assert!(rest.ends_with("\"done\":false}\n\r\n"));
}

#[test]
fn what_is_too_long_for_a_slot_spans_several() {
    let context: Vec<i32> = (0..50_000).collect();
    let end = Final { context: Some(&context), ..END };
    for framing in [Framing::Chunked, Framing::Bare, Framing::Whole] {
        let mut rig = Rig::new();
        let mut writer = writer(framing);
        let long = "\"é".repeat(2_000);
        writer.token(&mut rig.out, &long, &[]);
        writer.finish(&mut rig.out, &end);
        let (heads, bytes) = rig.reply(7);
        check_heads(&heads, framing, 200, &bytes);
        let events = events(framing, &bytes);
        let last: Value = serde_json::from_str(events.last().unwrap()).unwrap();
        assert_eq!(last["context"], json!(context));
        let first: Value = serde_json::from_str(&events[0]).unwrap();
        assert_eq!(first["response"], json!(long));
    }
}

/// Texts of all lengths around the end of a slot.
#[test]
fn no_length_is_special() {
    let mut rig = Rig::new();
    let mut writer = writer(Framing::Chunked);
    let lengths = PAYLOAD_BYTES - 140..PAYLOAD_BYTES + 20;
    for length in lengths.clone() {
        writer.token(&mut rig.out, &"x".repeat(length), &[]);
    }
    writer.finish(&mut rig.out, &END);
    let (heads, bytes) = rig.reply(7);
    check_heads(&heads, Framing::Chunked, 200, &bytes);
    let mut expected: Vec<String> = lengths.map(|length| token_event(&"x".repeat(length))).collect();
    expected.push(last_event(""));
    assert_eq!(events(Framing::Chunked, &bytes), expected);
    assert!(heads.iter().any(|head| head.len as usize == PAYLOAD_BYTES));
}

#[test]
fn load_unload_and_debug_are_whole_whatever_the_framing() {
    for framing in [Framing::Chunked, Framing::Bare, Framing::Whole] {
        let mut rig = Rig::new();
        writer(framing).done_single(&mut rig.out, "unload");
        let (heads, bytes) = rig.reply(7);
        check_heads(&heads, Framing::Whole, 200, &bytes);
        let expected = json!({"model": "m", "created_at": "T", "response": "", "done": true, "done_reason": "unload"});
        assert_eq!(events(Framing::Whole, &bytes), [expected.to_string()]);

        writer(framing).debug_render(&mut rig.out, "a prompt");
        let (heads, bytes) = rig.reply(7);
        check_heads(&heads, Framing::Whole, 200, &bytes);
        let debug = json!({"rendered_template": "a prompt"});
        let expected = json!({"model": "m", "created_at": "T", "response": "", "done": false, "_debug_info": debug});
        assert_eq!(events(Framing::Whole, &bytes), [expected.to_string()]);
    }
}

#[test]
fn an_error_before_anything_went_out_is_a_reply_of_its_own() {
    for framing in [Framing::Chunked, Framing::Bare, Framing::Whole] {
        let mut rig = Rig::new();
        let mut writer = writer(framing);
        let mut held = Vec::new();
        if framing == Framing::Whole {
            writer.token(&mut rig.out, "text that is not sent", &[]);
        } else {
            // Without a slot, a token event does not go out either.
            while rig.send(b"other") {}
            held = rig.drain().unwrap();
            writer.token(&mut rig.out, "text that is not sent", &[]);
            assert!(!writer.started() && !writer.is_drained());
            held.clear();
        }
        assert!(held.is_empty());
        writer.error(&mut rig.out, 503, "busy <now>");
        writer.finish(&mut rig.out, &END);
        writer.error(&mut rig.out, 500, "again");
        let (heads, bytes) = rig.reply(7);
        check_heads(&heads, Framing::Whole, 503, &bytes);
        assert_eq!(bytes, br#"{"error":"busy \u003cnow\u003e"}"#);
    }
}

#[test]
fn a_refusal_says_that_it_is_one_as_long_as_nothing_went_out() {
    for (goes_out, flags) in [(false, SlotHead::REFUSED), (true, 0)] {
        let mut rig = Rig::new();
        let mut writer = writer(Framing::Chunked);
        if goes_out {
            writer.token(&mut rig.out, "Hi", &[]);
        }
        writer.refuse(&mut rig.out, 400, "no");
        let (heads, _) = rig.reply(7);
        assert_eq!(heads[0].flags & SlotHead::REFUSED, flags);
        assert_eq!(heads[0].status, if goes_out { 200 } else { 400 });
    }
}

#[test]
fn an_error_after_that_is_one_more_event() {
    for framing in [Framing::Chunked, Framing::Bare] {
        let mut rig = Rig::new();
        let mut writer = writer(framing);
        writer.token(&mut rig.out, "Hi", &[]);
        writer.error(&mut rig.out, 500, "gone");
        writer.token(&mut rig.out, "too late", &[]);
        let (heads, bytes) = rig.reply(7);
        check_heads(&heads, framing, 200, &bytes);
        assert_eq!(events(framing, &bytes), [token_event("Hi"), r#"{"error":"gone"}"#.to_owned()]);
    }
}

#[test]
fn a_whole_reply_has_a_bound() {
    let mut rig = Rig::new();
    let mut writer = writer(Framing::Whole);
    let piece = "x".repeat(WHOLE_REPLY_BYTES / 4);
    for _ in 0..4 {
        writer.token(&mut rig.out, &piece, &[]);
    }
    assert!(!writer.ended());
    writer.token(&mut rig.out, "x", &[]);
    assert!(writer.ended());
    let (heads, bytes) = rig.reply(7);
    check_heads(&heads, Framing::Whole, 500, &bytes);
    assert!(bytes.starts_with(br#"{"error":"#));
}

/// What a random reply does between its events.
#[derive(Debug, Clone)]
enum Step {
    Token(String),
    /// Others take all slots.
    Starve,
    /// This many of them come back.
    Release(usize),
    Pump,
}

fn step() -> impl Strategy<Value = Step> {
    let text = prop_oneof![6 => "[a-z<\"\n\u{e9}\u{2028}]{0,12}", 1 => "[a-z<]{700,2500}"];
    prop_oneof![
        4 => text.prop_map(Step::Token),
        1 => Just(Step::Starve),
        2 => (0_usize..4).prop_map(Step::Release),
        2 => Just(Step::Pump),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// However slots come and go, the client reads the events that were written, in order, and the reply ends once.
    #[test]
    fn slots_may_run_out_at_any_time(
        steps in prop::collection::vec(step(), 0..40),
        framing in prop_oneof![Just(Framing::Chunked), Just(Framing::Bare), Just(Framing::Whole)],
        fails: bool,
    ) {
        let mut rig = Rig::new();
        let mut writer = writer(framing);
        let mut others: Vec<Slot> = Vec::new();
        let (mut heads, mut bytes, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        for step in steps.into_iter().chain([Step::Starve, Step::Release(1)]) {
            match step {
                Step::Token(text) => {
                    writer.token(&mut rig.out, &text, &[]);
                    texts.push(text);
                }
                Step::Starve => while let Some(slot) = rig.out.slot(0) {
                    slot.commit(super::head(1, 0));
                },
                Step::Release(count) => others.truncate(others.len().saturating_sub(count)),
                Step::Pump => writer.pump(&mut rig.out),
            }
            collect(&rig, &mut heads, &mut bytes, &mut others);
        }
        let started = writer.started();
        if fails {
            writer.error(&mut rig.out, 500, "oh");
        } else {
            writer.finish(&mut rig.out, &END);
        }
        while !writer.is_drained() {
            collect(&rig, &mut heads, &mut bytes, &mut others);
            others.pop();
            writer.pump(&mut rig.out);
        }
        collect(&rig, &mut heads, &mut bytes, &mut others);

        let mut expected: Vec<String> = texts.iter().map(|text| token_event(text)).collect();
        let (mut seen_framing, mut status) = (framing, 200);
        let error = r#"{"error":"oh"}"#.to_owned();
        match (fails, started) {
            (true, true) => expected.push(error),
            (true, false) => (expected, seen_framing, status) = (vec![error], Framing::Whole, 500),
            (false, _) if framing == Framing::Whole => expected = vec![last_event(&texts.concat())],
            (false, _) => expected.push(last_event("")),
        }
        check_heads(&heads, seen_framing, status, &bytes);
        prop_assert_eq!(events(seen_framing, &bytes), expected);
    }
}

/// Takes what was published: our reply's bytes are read and freed, others' slots are held.
fn collect(rig: &Rig, heads: &mut Vec<SlotHead>, bytes: &mut Vec<u8>, others: &mut Vec<Slot>) {
    rig.front
        .drain(|stream, slot| {
            if stream == 7 {
                heads.push(slot.head());
                bytes.extend_from_slice(slot.bytes());
            } else {
                others.push(slot);
            }
        })
        .unwrap();
}

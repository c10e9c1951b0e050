//! The inference thread in process, with synthetic models, through real sockets, the real region and its rings.

#[path = "engine_thread/rig.rs"]
mod rig;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use llamero::engine::backend::Token;
use llamero::engine::backend::Vocabulary;
use llamero::engine::inference::Inbox;
use llamero::engine::loader::LoadError;
use llamero::engine::synthetic::{END, Shape, SyntheticVocabulary, next_token};
use llamero::engine::wire::{Control, Event, Format};
use llamero::engine::wire::{Dialect, Framing, KeepAlive, Synthetic, ToEngine, Work};
use rig::{Reply, Rig, completion, lines, submit};

/// Tokens that a request with this prompt gets, by the shortest code; the end token is among them.
fn alone(prompt: &str, predict: usize, end_every: u32) -> Vec<Token> {
    let mut history = SyntheticVocabulary.tokenize(prompt, true, true).unwrap();
    let mut answer = Vec::new();
    while answer.len() < predict && answer.last() != Some(&END) {
        let token = next_token(&history, end_every);
        history.push(token);
        answer.push(token);
    }
    answer
}

fn text(tokens: &[Token]) -> String {
    let bytes: Vec<u8> = tokens.iter().flat_map(|&token| SyntheticVocabulary.piece(token)).copied().collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The numbers of a scenario, from its seed.
fn random(seed: u64, salt: u64, below: u64) -> u64 {
    let mixed = (seed * 1_000_003 + salt).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 33) % below
}

#[test]
fn hundreds_of_streams_with_cancels_lose_no_token_and_leave_nothing_behind() {
    let end_every = 40;
    let shape = Shape { end_every, ..Shape::default() };
    let mut rig = Rig::new(2, shape, |settings| settings.room.cells = 2000);
    let slots = rig.count().slots_free;
    let mut cancelled = HashSet::new();
    for stream in 0..400 {
        let core = (stream % 2) as usize;
        let prompt = format!("{}{stream}", "prompt ".repeat(random(stream, 1, 20) as usize));
        let mut request = submit(stream, completion(&prompt, 5 + random(stream, 2, 60) as i32));
        request.model.load.num_ctx = 300; // so that the pool is as small as asked
        request.model.path = format!("blob{}", random(stream, 3, 2)).into();
        request.reply.framing = [Framing::Chunked, Framing::Bare, Framing::Whole][(stream % 3) as usize];
        rig.send(core, &ToEngine::Submit(Box::new(request)));
        if random(stream, 4, 4) == 0 {
            rig.drain_for(Duration::from_micros(random(stream, 5, 2000)));
            rig.send(core, &ToEngine::Cancel(stream));
            cancelled.insert(stream);
        }
    }
    for stream in 0..400 {
        if cancelled.contains(&stream) {
            continue;
        }
        let reply = rig.reply((stream % 2) as usize, stream);
        let prompt = format!("{}{stream}", "prompt ".repeat(random(stream, 1, 20) as usize));
        let expected = alone(&prompt, 5 + random(stream, 2, 60) as usize, end_every);
        assert_eq!(reply.status, 200);
        assert_eq!(reply.text(), text(&expected), "stream {stream}");
        let last = reply.last();
        assert_eq!(last["eval_count"], expected.len());
        assert_eq!(last["prompt_eval_count"], SyntheticVocabulary.tokenize(&prompt, true, true).unwrap().len());
        let reason = if expected.last() == Some(&END) { "stop" } else { "length" };
        assert_eq!(last["done_reason"], reason);
    }
    let count = rig.count_when(|count| count.running + count.waiting == 0 && count.cells == 0);
    assert_eq!((count.running, count.waiting, count.cells), (0, 0, 0));
    rig.drop_replies();
    assert_eq!(rig.count().slots_free, slots);
}

/// A step of the synthetic model is faster than a mask, so that most of them come late. The pool is small: some sequences
/// are thrown out while they wait.
#[test]
fn answers_that_wait_for_their_masks_lose_nothing_and_leave_the_others_alone() {
    let mut rig = Rig::new(1, Shape { can_shift: false, ..Shape::default() }, |settings| settings.room.cells = 700);
    let schema = r#"{"type": "array", "items": {"enum": ["llama", "load", 7]}, "minItems": 6, "maxItems": 6}"#;
    let constrained = |prompt: &str| {
        let Work::Complete(mut work) = completion(prompt, 400) else { unreachable!() };
        work.format = Some(Format::Schema(schema.into()));
        Work::Complete(work)
    };
    for stream in 0..60 {
        let prompt = format!("prompt {}", stream / 4);
        let work = if stream % 2 == 0 { constrained(&prompt) } else { completion(&prompt, 60) };
        let mut request = submit(stream, work);
        request.model.load.num_ctx = 500;
        rig.send(0, &ToEngine::Submit(Box::new(request)));
    }
    let mut said = HashMap::new();
    for stream in 0..60 {
        let reply = rig.reply(0, stream);
        let prompt = format!("prompt {}", stream / 4);
        if stream % 2 == 1 {
            assert_eq!(reply.text(), text(&alone(&prompt, 60, 0)), "stream {stream}");
            continue;
        }
        assert_eq!(reply.last()["done_reason"], "stop", "{}", reply.text());
        let list: Vec<serde_json::Value> = serde_json::from_str(&reply.text()).expect("an array");
        assert_eq!(list.len(), 6);
        let first = said.entry(prompt).or_insert_with(|| reply.text()).clone();
        assert_eq!(reply.text(), first, "when masks come makes no difference");
    }
    rig.count_when(|count| count.running == 0 && count.waiting == 0);
}

#[test]
fn the_last_event_tells_what_happened() {
    let mut rig = Rig::new(1, Shape::default(), |_| {});
    let mut request = submit(1, completion("hello", 6));
    let Work::Complete(work) = &mut request.work else { unreachable!() };
    work.reply_context = true;
    work.logprobs = true;
    work.top_logprobs = 2;
    rig.send(0, &ToEngine::Submit(Box::new(request)));
    let reply = rig.reply(0, 1);
    let expected = alone("hello", 6, 0);
    let last = reply.last();
    assert_eq!(last["done"], true);
    assert_eq!(last["done_reason"], "length");
    assert_eq!((&last["prompt_eval_count"], &last["eval_count"]), (&6.into(), &6.into()));
    let mut context = SyntheticVocabulary.tokenize("hello", true, false).unwrap();
    context.extend(&expected);
    assert_eq!(last["context"], serde_json::json!(context));
    for name in ["total_duration", "load_duration", "prompt_eval_duration", "eval_duration"] {
        assert!(last[name].as_u64().is_some_and(|nanoseconds| nanoseconds > 0), "{name}: {last}");
    }
    let logprobs: Vec<_> = reply.events.iter().filter_map(|event| event["logprobs"].as_array()).flatten().collect();
    assert_eq!(logprobs.len(), 6);
    for (logprob, &token) in logprobs.iter().zip(&expected) {
        assert_eq!(logprob["token"], text(&[token]));
        assert_eq!(logprob["top_logprobs"][0]["token"], text(&[token]), "greedy");
        assert_eq!(logprob["top_logprobs"].as_array().map(Vec::len), Some(2));
    }
}

#[test]
fn a_stop_string_ends_the_answer_before_it_and_is_counted() {
    let mut rig = Rig::new(1, Shape::default(), |_| {});
    let whole = text(&alone("tell me", 30, 0));
    // From the middle of one word to the middle of the next.
    let place = whole[8..].find(' ').unwrap() + 8;
    let stop = &whole[place - 1..=place + 1];
    let mut request = submit(1, completion("tell me", 30));
    let Work::Complete(work) = &mut request.work else { unreachable!() };
    work.stop = vec!["never".into(), stop.to_owned()];
    work.reply_context = true;
    rig.send(0, &ToEngine::Submit(Box::new(request)));
    let reply = rig.reply(0, 1);
    let answer = &whole[..whole.find(stop).unwrap()];
    assert_eq!(reply.text(), answer);
    assert_eq!(reply.last()["done_reason"], "stop");
    let context = SyntheticVocabulary.tokenize(&["tell me", answer].concat(), true, false).unwrap();
    assert_eq!(
        reply.last()["context"].as_array().map(Vec::len),
        Some(context.len()),
        "the context is that of the text"
    );
}

#[test]
fn prompts_too_long_are_cut_or_refused_as_asked() {
    let long = "0123456789".repeat(20);
    // (truncate, shift, messages) -> (status, what the answer says)
    let cases = [
        (true, true, false, 200, "prompt_truncated"),
        (true, false, false, 400, "the prompt is longer than the context length currently available"),
        (false, true, false, 400, "request (201 tokens) exceeds the available context size (64 tokens)"),
        (true, true, true, 400, "exceeds the available context size (64 tokens), try increasing it"),
    ];
    let mut rig = Rig::new(1, Shape::default(), |_| {});
    for (number, (truncate, shift, messages, status, says)) in cases.into_iter().enumerate() {
        let mut request = submit(number as u64, completion(&long, 4));
        request.model.load.num_ctx = 64;
        let Work::Complete(work) = &mut request.work else { unreachable!() };
        (work.truncate, work.shift) = (truncate, shift);
        if messages {
            work.prompt = lines(&serde_json::json!([{"role": "user", "content": long}]));
        }
        rig.send(0, &ToEngine::Submit(Box::new(request)));
        let reply = rig.reply(0, number as u64);
        assert_eq!(reply.status, status, "{says}");
        assert!(reply.body.contains(says), "{says}: {}", reply.body);
    }
    // 64 - (64 - 5) / 2, five of them from the front: num_keep 4 and the token that the model puts there.
    assert_eq!(rig.last_reply(0, 0).last()["prompt_eval_count"], 35);
}

#[test]
fn the_oldest_messages_go_first_and_the_system_message_stays() {
    let mut rig = Rig::new(1, Shape::default(), |_| {});
    let mut messages = vec![serde_json::json!({"role": "system", "content": "SYSTEM"})];
    let role = |number: usize| ["assistant", "user"][number % 2];
    messages.extend(
        (0..50).map(|number| serde_json::json!({"role": role(number), "content": format!("message {number:02}")})),
    );
    let mut request = submit(1, completion("", 3));
    request.model.load.num_ctx = 64;
    let Work::Complete(work) = &mut request.work else { unreachable!() };
    work.prompt = lines(&serde_json::Value::from(messages));
    work.render_only = true;
    rig.send(0, &ToEngine::Submit(Box::new(request)));
    let reply = rig.reply(0, 1);
    let rendered = reply.last()["_debug_info"]["rendered_template"].as_str().unwrap().to_owned();
    // With the token in front at most 63: the system message and as many of the last as fit.
    assert_eq!(rendered, "SYSTEM\nmessage 45\nmessage 46\nmessage 47\nmessage 48\nmessage 49\n");
}

#[test]
fn num_predict_zero_answers_nothing_to_messages() {
    let mut rig = Rig::new(1, Shape::default(), |_| {});
    let mut request = submit(1, completion("", 0));
    let Work::Complete(work) = &mut request.work else { unreachable!() };
    work.prompt = lines(&serde_json::json!([{"role": "user", "content": "hi"}]));
    rig.send(0, &ToEngine::Submit(Box::new(request)));
    let reply = rig.reply(0, 1);
    assert_eq!((reply.text().as_str(), &reply.last()["done_reason"]), ("", &"length".into()));
    assert_eq!(reply.last()["prompt_eval_count"], 4);
}

#[test]
fn load_unload_and_keep_alive_are_told() {
    let mut rig = Rig::new(1, Shape::default(), |_| {});
    let mut request = submit(1, Work::Load);
    request.keep_alive = Some(KeepAlive::Forever);
    rig.send(0, &ToEngine::Submit(Box::new(request)));
    let reply = rig.reply(0, 1);
    assert_eq!(reply.last()["done_reason"], "load");
    assert_eq!(reply.framing, Framing::Whole, "whatever was asked for");
    let models = rig.models_when(|models| models.len() == 1);
    assert_eq!((models[0].expires_unix_ns, models[0].context), (None, 4096));
    rig.send(0, &ToEngine::Submit(Box::new(submit(2, Work::Unload))));
    assert_eq!(rig.reply(0, 2).last()["done_reason"], "unload");
    rig.models_when(<[_]>::is_empty);
    rig.send(0, &ToEngine::Submit(Box::new(submit(3, Work::Unload))));
    assert_eq!(rig.reply(0, 3).last()["done_reason"], "unload");
}

#[test]
fn a_load_is_shared_stopped_when_nobody_waits_and_its_failure_told() {
    let mut rig = Rig::new(1, Shape::default(), |_| {});
    rig.loader.hold();
    for stream in [1, 2] {
        rig.send(0, &ToEngine::Submit(Box::new(submit(stream, completion("hi", 3)))));
    }
    rig.count_when(|count| count.waiting == 2);
    rig.send(0, &ToEngine::Cancel(1));
    rig.count_when(|count| count.waiting == 1);
    rig.send(0, &ToEngine::Cancel(2));
    rig.loader.until_stopped(1);
    rig.send(0, &ToEngine::Submit(Box::new(submit(3, completion("hi", 3)))));
    rig.loader.let_go(Ok(()));
    assert_eq!(rig.reply(0, 3).text(), text(&alone("hi", 3, 0)));
    assert_eq!(rig.loader.loads(), 2);
    rig.loader.hold();
    let mut other = submit(4, completion("hi", 3));
    other.model.path = "other".into();
    rig.send(0, &ToEngine::Submit(Box::new(other)));
    rig.loader.let_go(Err(LoadError::Refused("a tensor is missing".into())));
    let reply = rig.reply(0, 4);
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (500, r#"{"error":"the model could not be loaded: a tensor is missing"}"#)
    );
}

#[test]
fn a_full_queue_refuses_the_last_ones_at_once() {
    let mut rig = Rig::new(1, Shape::default(), |settings| (settings.parallel, settings.queue) = (1, 2));
    for stream in 0..6 {
        rig.send(0, &ToEngine::Submit(Box::new(submit(stream, completion("hi", 2000)))));
    }
    let mut refused = 0;
    let busy = r#"{"error":"server busy, please try again.  maximum pending requests exceeded"}"#;
    rig.count_when(|count| count.running == 1 && count.waiting <= 2);
    for stream in 0..6 {
        if let Some(reply) = rig.reply_so_far(0, stream).filter(|reply| reply.status == 503) {
            assert_eq!(reply.body, busy);
            refused += 1;
        }
    }
    assert!(refused >= 3, "{refused} of 6 were refused, one runs, two may wait");
    for stream in 0..6 {
        rig.send(0, &ToEngine::Cancel(stream));
    }
    rig.count_when(|count| count.running + count.waiting == 0 && count.cells == 0);
}

#[test]
fn a_paused_stream_stands_still_and_a_core_without_slots_goes_on_when_they_come_back() {
    let mut rig = Rig::new(1, Shape::default(), |_| {});
    rig.hold_slots(true);
    for stream in 0..8 {
        rig.send(0, &ToEngine::Submit(Box::new(submit(stream, completion(&stream.to_string(), 1200)))));
    }
    rig.count_when(|count| count.slots_free == 0);
    let steps = rig.count().steps;
    rig.drain_for(Duration::from_millis(20));
    assert_eq!(rig.count().steps, steps, "nothing is computed that could not be sent");
    rig.send(0, &ToEngine::Pause(0));
    rig.hold_slots(false);
    for stream in 1..8 {
        assert_eq!(rig.reply(0, stream).text(), text(&alone(&stream.to_string(), 1200, 0)), "stream {stream}");
    }
    assert_eq!(rig.count_when(|count| count.running == 1).running, 1, "the paused one");
    rig.send(0, &ToEngine::Resume(0));
    assert_eq!(rig.reply(0, 0).text(), text(&alone("0", 1200, 0)));
}

#[test]
fn a_client_that_leaves_while_it_is_paused_leaves_nothing_behind() {
    let mut rig = Rig::new(1, Shape::default(), |_| {});
    rig.send(0, &ToEngine::Submit(Box::new(submit(1, completion("hi", 10_000)))));
    rig.count_when(|count| count.running == 1);
    rig.send(0, &ToEngine::Pause(1));
    let paused_at = rig.count_when(|count| count.cells > 0).cells;
    rig.send(0, &ToEngine::Cancel(1));
    let count = rig.count_when(|count| count.running == 0);
    assert_eq!(count.cells, 0, "{paused_at} before");
}

#[test]
fn models_take_turns_step_by_step() {
    let mut rig = Rig::new(1, Shape::default(), |_| {});
    for stream in 0..6 {
        let mut request = submit(stream, completion("hi", 300));
        request.model.path = format!("blob{}", stream % 2).into();
        rig.send(0, &ToEngine::Submit(Box::new(request)));
    }
    for stream in 0..6 {
        rig.reply(0, stream);
    }
    let turns = rig.loader.turns();
    let (first, last) = (turns.iter().position(|&turn| turn == 2).unwrap(), turns.len() - 1);
    let end = turns.iter().rposition(|&turn| turn != turns[last]).unwrap();
    assert!(end - first > 300, "both ran for a while");
    // Before the second model has its first prompt and after the first has ended, the other is alone.
    let twice = turns[first..end].windows(2).filter(|pair| pair[0] == pair[1]).count();
    assert!(twice <= 6, "a model stepped twice in a row {twice} times; new requests excuse a few");
}

#[test]
fn paced_streams_need_no_model() {
    let mut rig = Rig::new(1, Shape::default(), |_| {});
    for (stream, interval_us) in [(1, 0), (2, 100)] {
        let work = Work::Synthetic(Synthetic { events: 50, interval_us, text_bytes: 10 });
        let mut request = submit(stream, work);
        request.reply.dialect = Dialect::Chat;
        rig.send(0, &ToEngine::Submit(Box::new(request)));
    }
    for stream in [1, 2] {
        let reply = rig.reply(0, stream);
        assert_eq!(reply.events.len(), 51);
        assert_eq!(reply.text(), "x".repeat(500));
        assert_eq!(reply.last()["eval_count"], 50);
    }
    assert_eq!(rig.loader.loads(), 0);
}

#[test]
fn a_failed_step_ends_its_streams_with_an_error_and_the_thread_goes_on() {
    let mut rig = Rig::new(1, Shape::default(), |_| {});
    rig.loader.fail_steps_after(3);
    rig.send(0, &ToEngine::Submit(Box::new(submit(1, completion("hi", 10)))));
    let reply = rig.reply(0, 1);
    assert_eq!(reply.events.len(), 4, "three tokens and the error");
    let error = "an error was encountered while running the model: decoding failed with status -3";
    assert_eq!(reply.last()["error"], error);
    rig.send(0, &ToEngine::Submit(Box::new(submit(2, completion("hi", 10)))));
    let reply = rig.reply(0, 2);
    assert_eq!((reply.status, &reply.last()["error"]), (500, &error.into()), "nothing had gone out");
    rig.loader.fail_steps_after(usize::MAX);
    rig.send(0, &ToEngine::Submit(Box::new(submit(3, completion("hi", 10)))));
    assert_eq!(rig.reply(0, 3).text(), text(&alone("hi", 10, 0)));
    rig.count_when(|count| count.running == 0 && count.cells == 0);
}

#[test]
fn an_engine_is_spent_when_its_last_model_has_gone_and_when_a_step_has_failed() {
    let mut rig = Rig::new(1, Shape::default(), |settings| settings.recycle = true);
    rig.drain_for(Duration::from_millis(20));
    rig.count();
    assert_eq!(rig.spent, 0, "it has held nothing");
    rig.send(0, &ToEngine::Submit(Box::new(submit(1, completion("hi", 10)))));
    rig.reply(0, 1);
    rig.drain_for(Duration::from_millis(20));
    rig.count();
    assert_eq!(rig.spent, 0, "it holds a model");
    rig.send(0, &ToEngine::Submit(Box::new(submit(2, Work::Unload))));
    rig.reply(0, 2);
    rig.until_spent(1);
    // Not replaced, it asks again, and goes on serving.
    rig.until_spent(2);
    rig.loader.fail_steps_after(3);
    for stream in 3..5 {
        rig.send(0, &ToEngine::Submit(Box::new(submit(stream, completion("hi", 10)))));
    }
    rig.reply(0, 3);
    rig.reply(0, 4);
    let before = rig.spent;
    rig.until_spent(before + 1);
    assert_eq!(rig.models_when(<[_]>::is_empty), [], "the model went with it");
}

#[test]
fn a_load_that_stands_still_is_given_up_and_the_engine_with_it() {
    let mut rig = Rig::new(1, Shape::default(), |settings| {
        settings.recycle = true;
        settings.room.load_timeout = 50_000_000;
    });
    rig.loader.hold_silently();
    rig.send(0, &ToEngine::Submit(Box::new(submit(1, completion("hi", 10)))));
    let listed = rig.models_when(|models| models.len() == 1);
    assert_eq!((listed[0].model.name.as_str(), listed[0].gpu_bytes), ("m:latest", 0), "it is listed while it loads");
    let reply = rig.reply(0, 1);
    let error = reply.last()["error"].as_str().unwrap_or_default().to_owned();
    assert_eq!(reply.status, 500);
    assert!(error.starts_with("timed out waiting for the model to load"), "{error}");
    rig.until_spent(1);
}

#[test]
fn stopping_ends_every_stream_with_an_error() {
    let mut rig = Rig::new(1, Shape::default(), |_| {});
    rig.loader.hold();
    rig.send(0, &ToEngine::Submit(Box::new(submit(1, completion("hi", 10)))));
    rig.count_when(|count| count.waiting == 1);
    rig.inbox.send(Inbox::Control(Control::Stop)).unwrap();
    let reply: Reply = rig.reply(0, 1);
    assert_eq!((reply.status, &reply.last()["error"]), (503, &"the server is stopping".into()));
    rig.loader.let_go(Ok(()));
    assert!(matches!(rig.until_ended(), None | Some(Event::Models(_))));
}

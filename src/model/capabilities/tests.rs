//! The recorded models, and a row for each rule.

use super::*;
use crate::model::Digest;
use crate::model::gguf::{Arrays, Footprint, Gguf};

fn facts(chat_template: &str) -> Facts {
    Facts {
        footprint: Footprint::default(),
        architecture: "llama".to_owned(),
        file_type: "F16",
        parameters: 1,
        context_length: 0,
        embedding_length: 0,
        pools: false,
        vision: false,
        audio: false,
        hears: false,
        chat_template: Some(chat_template.to_owned()).filter(|template| !template.is_empty()),
    }
}

fn subject<'a>(config: &'a Config, facts: &'a Facts) -> Subject<'a> {
    let facts = Some(facts);
    Subject { config, facts, has_projector: false, projector_hears: false, template: None, go_templates: None }
}

fn with_parser(parser: &str) -> Config {
    Config { parser: Some(parser.to_owned()), ..Config::default() }
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// `tags` lists `completion` where `show` lists what the Jinja template can do besides, in another order. A Go template
/// that can do less is passed over, except by `tags`.
#[test]
fn the_recorded_models_have_the_recorded_capabilities() {
    const LLAMITA: &[u8] = include_bytes!("../../../tests/data/llamita/llamita-f16.gguf");
    let facts = Facts::of(&Gguf::read(LLAMITA, LLAMITA.len() as u64, Arrays::Skip).unwrap());
    let (config, jinja) = (Config::default(), facts.chat_template.as_deref().unwrap());
    let plain = subject(&config, &facts);
    assert_eq!(plain.listed(), ["completion"]);
    assert_eq!(plain.shown(), ["tools", "thinking", "completion"]);
    assert_eq!((plain.formatter(), plain.template_text()), (Formatter::Jinja, jinja));

    let variables = names(&["suffix", "prompt", "response"]);
    let fim = GoTemplate { text: "{{ .Suffix }}", variables: &variables, thinks: false };
    let fim = Subject { template: Some(fim), ..plain };
    assert_eq!(fim.listed(), ["completion", "insert"]);
    assert_eq!(fim.shown(), ["tools", "thinking", "completion"]);
    assert_eq!(fim.formatter(), Formatter::Jinja);
    let forced = Subject { go_templates: Some(true), ..fim };
    assert_eq!(forced.shown(), ["completion", "insert"]);
    assert_eq!((forced.formatter(), forced.template_text()), (Formatter::GoTemplate, "{{ .Suffix }}"));
    assert_eq!(Subject { go_templates: Some(false), ..fim }.formatter(), Formatter::Jinja);

    let variables = names(&["messages", "tools", "toolcalls"]);
    let messages = GoTemplate { text: "{{ if eq .Role \"tool\" }}", variables: &variables, thinks: false };
    assert_eq!(Subject { template: Some(messages), ..plain }.listed(), ["completion", "tools"]);
}

#[test]
fn capabilities_follow_from_keys_layers_and_configuration() {
    let layer = |media_type: &str| Layer {
        media_type: media_type.to_owned(),
        digest: Digest::of(b""),
        size: 0,
        from: None,
        name: None,
    };
    let plain = Manifest::new(layer(Layer::CONFIG), vec![layer(Layer::MODEL)]);
    let projector = Manifest::new(layer(Layer::CONFIG), vec![layer(Layer::MODEL), layer(Layer::PROJECTOR)]);
    let (config, chat) = (Config::default(), facts(""));
    let extra = Config { capabilities: names(&["tools", "completion"]), ..Config::default() };

    assert_eq!(of(&plain, &config, Some(&chat)), ["completion"]);
    assert_eq!(of(&projector, &config, Some(&chat)), ["completion", "vision"]);
    assert_eq!(of(&plain, &extra, Some(&chat)), ["completion", "tools"]);
    assert_eq!(of(&plain, &extra, None), ["tools", "completion"]);
    let pools = Facts { pools: true, ..chat.clone() };
    assert_eq!(of(&plain, &config, Some(&pools)), ["embedding"]);
    let senses = Facts { vision: true, audio: true, ..chat.clone() };
    assert_eq!(of(&projector, &config, Some(&senses)), ["audio", "vision", "completion"]);

    let shown = |config, facts| subject(config, facts).shown();
    assert_eq!(shown(&extra, &chat), ["tools", "completion"]);
    assert_eq!(shown(&config, &pools), ["embedding"]);
    assert_eq!(shown(&config, &senses), ["completion", "vision", "audio"]);
    let with_projector = Subject { has_projector: true, ..subject(&config, &chat) };
    assert_eq!(with_projector.shown(), ["completion", "vision"]);
    assert_eq!(Subject { projector_hears: true, ..with_projector }.shown(), ["completion", "vision", "audio"]);
    assert_eq!(subject(&config, &chat).formatter(), Formatter::Nobody);
    assert_eq!(subject(&config, &chat).template_text(), DEFAULT_TEMPLATE);
}

#[test]
fn parsers_and_families_bring_their_own() {
    let facts = facts("{{ tools }}");
    for (parser, want) in [
        ("qwen3", &["completion", "tools"][..]),
        ("olmo3-think", &["completion", "thinking"]),
        ("gemma4", &["completion", "tools", "thinking"]),
        ("passthrough", &["completion"]),
        ("nobody", &["completion"]),
    ] {
        let config = with_parser(parser);
        let subject = subject(&config, &facts);
        assert_eq!((subject.listed(), subject.shown()), (names(want), names(want)), "{parser}");
        assert_eq!(subject.formatter(), Formatter::BuiltIn);
    }
    let empty = with_parser("");
    assert_eq!(subject(&empty, &facts).formatter(), Formatter::Jinja, "an empty name is none");

    let config = Config { model_family: "gptoss".to_owned(), ..Config::default() };
    let harmony = GoTemplate { text: "<|start|>{{ .Messages }}<|end|>", variables: &[], thinks: false };
    let subject = Subject { template: Some(harmony), ..subject(&config, &facts) };
    assert_eq!(subject.formatter(), Formatter::Harmony);
    assert_eq!(subject.template_text(), harmony.text);
    assert_eq!(subject.shown(), ["completion", "thinking"]);
    let none = Subject { template: None, ..subject };
    assert_eq!((none.formatter(), none.shown()), (Formatter::Jinja, names(&["tools", "completion", "thinking"])));
}

/// Which of two templates wins, by what each can do and whether it has a place for the answers of tools.
#[test]
fn the_better_template_is_preferred() {
    const CALLS: &str = "tools tool_calls ";
    let answers = format!("{CALLS}ipython");
    let thinks = format!("{CALLS}<think></think>");
    let all = format!("{answers}<think></think>");
    let config = Config::default();
    let tools = names(&["tools", "toolcalls"]);
    for (jinja, variables, text, wins) in [
        ("", &tools[..], "", false),
        ("plain", &[], "", false),
        (CALLS, &[], "", true),
        (CALLS, &tools, "", false),
        (&answers, &tools, "", true),
        (&answers, &tools, "tool_response", false),
        (&answers, &tools[..1], "tool_response", true),
        (&thinks, &tools, "", true),
        (&thinks, &tools, "TOOL_RESULTS", false),
        (&all, &tools, "TOOL_RESULTS", true),
        ("<think></think>", &tools, "", false),
    ] {
        let facts = facts(jinja);
        let template = Some(GoTemplate { text, variables, thinks: false });
        let subject = Subject { template, ..subject(&config, &facts) };
        let want = if wins { Formatter::Jinja } else { Formatter::GoTemplate };
        assert_eq!(subject.formatter(), want, "{jinja:?} against {variables:?} {text:?}");
        let built_in = with_parser("qwen3");
        assert!(!Subject { config: &built_in, ..subject }.shown().contains(&"thinking".to_owned()));
    }
}

#[test]
fn jinja_templates_are_judged_by_their_words() {
    for (template, want) in [
        ("", &[][..]),
        ("{{ tools }}", &["tools"]),
        ("{{ tool_call }}", &["tools"]),
        ("<think>", &[]),
        ("<think></think>", &["thinking"]),
        ("content.split('</think>')", &["thinking"]),
        ("content.split(\"</think>\")", &["thinking"]),
        ("content.split('</think>') reasoning_content", &[]),
        ("content.split('</think>') <SPECIAL_12>", &[]),
    ] {
        assert_eq!(jinja_capabilities(template), want, "{template}");
    }
}

#[test]
fn places_for_answers_of_tools_are_found() {
    for answer in [
        "tool_response",
        "tool_results",
        "message['role'] == 'tool'",
        "message['role'] == \"tool\"",
        "message[\"role\"] == 'tool'",
        "message[\"role\"] == \"tool\"",
        "message.role == 'tool'",
        "message.role == \"tool\"",
        "ipython",
    ] {
        assert!(jinja_takes_tool_answers(&format!("tool_calls {answer}")), "{answer}");
        assert!(jinja_takes_tool_answers(&format!("assistant_tool_call {answer}")), "{answer}");
        assert!(!jinja_takes_tool_answers(&format!("tools {answer}")), "{answer}");
    }
    assert!(!jinja_takes_tool_answers("tool_calls m.role == 'tool'"));
}

#[test]
fn what_is_not_served_is_taken_out() {
    let senses = Facts { vision: true, audio: true, ..facts("") };
    let safetensors = Config { model_format: "safetensors".to_owned(), ..Config::default() };
    let renderer = |name: &str| Config { renderer: Some(name.to_owned()), ..safetensors.clone() };
    let family = |family: &str, base: &Config| Config { model_family: family.to_owned(), ..base.clone() };
    let families = |base: &Config| Config { model_families: Some(names(&["nemotron_h_omni"])), ..base.clone() };
    let plain = Config::default();
    for (config, vision, audio) in [
        (safetensors.clone(), true, true),
        (renderer("gemma4-large"), false, false),
        (renderer("nemotron-3-nano"), false, false),
        (renderer("glimmer"), true, false),
        (Config { parser: Some("nemotron-3-nano".to_owned()), ..safetensors.clone() }, false, false),
        (family("nemotron_h_omni", &safetensors), false, false),
        (families(&safetensors), false, false),
        (Config { renderer: Some("glimmer".to_owned()), ..plain.clone() }, true, true),
        (family("nemotron_h_omni", &plain), true, false),
        (families(&plain), true, false),
    ] {
        let shown = subject(&config, &senses).shown();
        let has = |capability: &str| shown.iter().any(|found| found == capability);
        assert_eq!((has(VISION), has(AUDIO)), (vision, audio), "{config:?}");
    }
    // `tags` lists the sound of a GGUF of that family.
    let config = family("nemotron_h_omni", &plain);
    assert!(subject(&config, &senses).listed().contains(&AUDIO.to_owned()));
    let omni = Facts { architecture: "nemotron_h_omni".to_owned(), ..senses };
    assert!(!subject(&plain, &omni).shown().contains(&AUDIO.to_owned()));
}

//! What a model can do, and who makes its prompts (the behaviour page, sections 7.1 and 7.6).
//!
//! `tags` and `show` ask in different ways and list in different orders, as in Ollama: `tags` never looks at Jinja
//! templates. Go templates are read elsewhere; here come the names that they use.

use crate::model::gguf::Facts;
use crate::model::{Config, Layer, Manifest};

/// Answers prompts.
pub const COMPLETION: &str = "completion";
/// Calls tools.
pub const TOOLS: &str = "tools";
/// Fills in between a prompt and a suffix.
pub const INSERT: &str = "insert";
/// Takes images.
pub const VISION: &str = "vision";
/// Takes sound.
pub const AUDIO: &str = "audio";
/// Turns text into a vector.
pub const EMBEDDING: &str = "embedding";
/// Thinks before it answers.
pub const THINKING: &str = "thinking";

/// The Go template of a model that has none.
pub const DEFAULT_TEMPLATE: &str = "{{ .Prompt }}";

/// What the template engine finds in a Go template.
#[derive(Debug, Clone, Copy)]
pub struct GoTemplate<'a> {
    /// The template itself.
    pub text: &'a str,
    /// Names of the fields and variables that it uses, in lower case (section 7.2).
    pub variables: &'a [String],
    /// Whether the tags around thinking can be told from it (section 7.5).
    pub thinks: bool,
}

/// What the questions here are about.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The model's configuration.
    pub config: &'a Config,
    /// What its weights' header says; `None` for models that run elsewhere or are no GGUF.
    pub facts: Option<&'a Facts>,
    /// Whether it has projectors.
    pub has_projector: bool,
    /// Whether one of them hears: [`Facts::hears`].
    pub projector_hears: bool,
    /// Its Go template; `None` where it has no layer of that kind.
    pub template: Option<GoTemplate<'a>>,
    /// `OLLAMA_GO_TEMPLATE`: Go templates always or never; `None`: whichever template can do more.
    pub go_templates: Option<bool>,
}

/// Who makes prompts of messages (section 7.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Formatter {
    /// The renderer or the parser that the configuration names.
    BuiltIn,
    /// The Go template, whose answers are in the harmony format.
    Harmony,
    /// The Go template.
    GoTemplate,
    /// The Jinja template of the GGUF.
    Jinja,
    /// There is no template.
    Nobody,
}

/// Capabilities in the order in which they were found, each once.
#[derive(Debug, Default)]
struct Found(Vec<String>);

impl Found {
    fn add(&mut self, capability: &str) {
        if !capability.is_empty() && !self.0.iter().any(|known| known == capability) {
            self.0.push(capability.to_owned());
        }
    }

    fn add_all<'a>(&mut self, capabilities: impl IntoIterator<Item = &'a str>) {
        capabilities.into_iter().for_each(|capability| self.add(capability));
    }

    fn remove(&mut self, capability: &str) {
        self.0.retain(|known| known != capability);
    }
}

/// The `capabilities` of `tags` for a model whose Go template has not been looked at.
pub fn of(manifest: &Manifest, config: &Config, facts: Option<&Facts>) -> Vec<String> {
    let has_projector = manifest.last(Layer::PROJECTOR).is_some();
    let subject = Subject { config, facts, has_projector, projector_hears: false, template: None, go_templates: None };
    subject.listed()
}

impl<'a> Subject<'a> {
    /// The `capabilities` of `tags`: the GGUF's first, then the configuration's, then the Go template's.
    pub fn listed(&self) -> Vec<String> {
        let mut found = Found::default();
        if let Some(facts) = self.facts {
            let encoders = [(facts.audio, AUDIO), (facts.vision, VISION)];
            found.add_all(encoders.into_iter().filter(|(has, _)| *has).map(|(_, capability)| capability));
            found.add(if facts.pools { EMBEDDING } else { COMPLETION });
        }
        found.add_all(self.config.capabilities.iter().map(String::as_str));
        let (parses_tools, parses_thinking) = self.parser_abilities();
        let template = self.template_capabilities();
        if template.contains(&TOOLS) || parses_tools {
            found.add(TOOLS);
        }
        if template.contains(&INSERT) {
            found.add(INSERT);
        }
        if template.contains(&THINKING) || parses_thinking || self.is_gpt_oss() {
            found.add(THINKING);
        }
        if self.has_projector {
            found.add(VISION);
        }
        self.remove_unserved(&mut found);
        found.0
    }

    /// The `capabilities` of `show`, and those that requests are checked against.
    pub fn shown(&self) -> Vec<String> {
        let mut found = Found::default();
        found.add_all(self.config.capabilities.iter().map(String::as_str));
        if let Some(facts) = self.facts {
            if !self.is_rendered() {
                found.add_all(jinja_capabilities(self.jinja()));
            }
            found.add(if facts.pools { EMBEDDING } else { COMPLETION });
            if facts.vision {
                found.add(VISION);
            }
            if facts.audio {
                found.add(AUDIO);
            }
        }
        if self.has_projector {
            found.add(VISION);
        }
        if self.projector_hears {
            found.add(AUDIO);
        }
        if self.uses_go_template() {
            found.add_all(self.template_capabilities());
        }
        let (parses_tools, parses_thinking) = self.parser_abilities();
        if parses_tools {
            found.add(TOOLS);
        }
        if parses_thinking || self.is_gpt_oss() {
            found.add(THINKING);
        }
        self.remove_unserved(&mut found);
        let is_omni = |family: &str| family == "nemotron_h_omni";
        if is_omni(&self.config.model_family)
            || self.config.model_families.iter().flatten().any(|family| is_omni(family))
            || self.facts.is_some_and(|facts| is_omni(&facts.architecture))
        {
            found.remove(AUDIO);
        }
        found.0
    }

    /// Who makes its prompts.
    pub fn formatter(&self) -> Formatter {
        if self.has_built_ins() {
            Formatter::BuiltIn
        } else if self.is_harmony() {
            Formatter::Harmony
        } else if self.uses_go_template() {
            Formatter::GoTemplate
        } else if self.jinja().is_empty() {
            Formatter::Nobody
        } else {
            Formatter::Jinja
        }
    }

    /// The `template` of `show`: the Jinja template where that makes the prompts, else the Go template.
    pub fn template_text(&self) -> &'a str {
        if self.formatter() == Formatter::Jinja { self.jinja() } else { self.go_text() }
    }

    fn jinja(&self) -> &'a str {
        self.facts.and_then(|facts| facts.chat_template.as_deref()).unwrap_or_default()
    }

    fn go_text(&self) -> &'a str {
        self.template.map_or(DEFAULT_TEMPLATE, |template| template.text)
    }

    fn has_built_ins(&self) -> bool {
        let named = |name: &Option<String>| name.as_deref().is_some_and(|name| !name.is_empty());
        named(&self.config.renderer) || named(&self.config.parser)
    }

    fn is_gpt_oss(&self) -> bool {
        matches!(self.config.model_family.as_str(), "gptoss" | "gpt-oss")
    }

    fn is_harmony(&self) -> bool {
        let text = self.go_text();
        self.is_gpt_oss() && text.contains("<|start|>") && text.contains("<|end|>")
    }

    /// Whether something else than Jinja makes the prompts.
    fn is_rendered(&self) -> bool {
        self.has_built_ins() || self.is_harmony() || self.uses_go_template()
    }

    fn uses_go_template(&self) -> bool {
        match (self.template, self.go_templates) {
            (None, _) => false,
            (Some(_), Some(always)) => always,
            (Some(template), None) => !self.prefers_jinja(&template),
        }
    }

    /// Whether the Jinja template can do more, or as much and answers of tools besides.
    fn prefers_jinja(&self, template: &GoTemplate) -> bool {
        let jinja = self.jinja();
        if jinja.is_empty() || self.has_built_ins() || self.is_harmony() {
            return false;
        }
        let (jinjas, gos) = (jinja_capabilities(jinja), self.template_capabilities());
        let (jinja_answers, go_answers) = (jinja_takes_tool_answers(jinja), go_takes_tool_answers(template));
        if jinjas.len() > gos.len() {
            return !go_answers || jinja_answers;
        }
        let same = jinjas.len() == gos.len() && jinjas.iter().all(|capability| gos.contains(capability));
        // Who takes answers of tools has tools among the capabilities.
        same && jinja_answers && !go_answers
    }

    fn template_capabilities(&self) -> Vec<&'static str> {
        let Some(template) = self.template else { return Vec::new() };
        let uses = |name| uses(&template, name);
        let found = [(uses("tools"), TOOLS), (uses("suffix"), INSERT), (template.thinks, THINKING)];
        found.into_iter().filter(|(has, _)| *has).map(|(_, capability)| capability).collect()
    }

    /// Whether the parser that the configuration names finds calls of tools, and thinking (section 7.4).
    fn parser_abilities(&self) -> (bool, bool) {
        match self.config.parser.as_deref().unwrap_or_default() {
            "qwen3" | "qwen3-coder" | "qwen3-vl-instruct" | "ministral" | "olmo3" | "functiongemma"
            | "gemma4-no-thinking" | "glm-ocr" | "lfm2" => (true, false),
            "olmo3-think" => (false, true),
            "qwen3-thinking" | "qwen3.5" | "ornith" | "qwen3-vl-thinking" | "harmony" | "cogito" | "deepseek3"
            | "nemotron-3-nano" | "nemotron-3.5-nano" | "glm-4.7" | "gemma4" | "lfm2-thinking" | "laguna"
            | "poolside-v1" | "cohere" | "glimmer" => (true, true),
            _ => (false, false),
        }
    }

    /// Takes out what safetensors models have files for, and Ollama's engine for them does not serve.
    fn remove_unserved(&self, found: &mut Found) {
        const NEMOTRON: &str = "nemotron-3-nano";
        const OMNI: &str = "nemotron_h_omni";
        let config = self.config;
        if config.model_format != "safetensors" {
            return;
        }
        let (renderer, parser) = (config.renderer.as_deref(), config.parser.as_deref());
        let gemma = matches!(renderer, Some("gemma4" | "gemma4-small" | "gemma4-large"));
        let nemotron = renderer == Some(NEMOTRON)
            || parser == Some(NEMOTRON)
            || config.model_family == OMNI
            || config.model_families.iter().flatten().any(|family| family == OMNI);
        if gemma || nemotron {
            found.remove(VISION);
        }
        if gemma || nemotron || renderer == Some("glimmer") {
            found.remove(AUDIO);
        }
    }
}

fn uses(template: &GoTemplate, name: &str) -> bool {
    template.variables.iter().any(|variable| variable == name)
}

/// What a Jinja template can do, by the words in it.
fn jinja_capabilities(template: &str) -> Vec<&'static str> {
    let found = [(jinja_takes_tools(template), TOOLS), (jinja_thinks(template), THINKING)];
    found.into_iter().filter(|(has, _)| *has).map(|(_, capability)| capability).collect()
}

fn jinja_takes_tools(template: &str) -> bool {
    template.contains("tools") || template.contains("tool_call")
}

/// Either the tags are in it, or it cuts the thinking off earlier answers.
fn jinja_thinks(template: &str) -> bool {
    let has = |text| template.contains(text);
    let cuts = has("content.split('</think>')") || has("content.split(\"</think>\")");
    has("<think>") && has("</think>") || cuts && !has("reasoning_content") && !has("<SPECIAL_12>")
}

/// Whether calls of tools and their answers both find a place in the prompt.
fn jinja_takes_tool_answers(template: &str) -> bool {
    const ANSWERS: [&str; 9] = [
        "tool_response",
        "tool_results",
        "role'] == 'tool'",
        "role'] == \"tool\"",
        "role\"] == 'tool'",
        "role\"] == \"tool\"",
        "message.role == 'tool'",
        "message.role == \"tool\"",
        "ipython",
    ];
    let calls = template.contains("tool_calls") || template.contains("assistant_tool_call");
    calls && ANSWERS.iter().any(|answer| template.contains(answer))
}

fn go_takes_tool_answers(template: &GoTemplate) -> bool {
    const ANSWERS: [&str; 3] = ["eq .Role \"tool\"", "tool_response", "TOOL_RESULTS"];
    let calls = uses(template, "tools") && uses(template, "toolcalls");
    calls && ANSWERS.iter().any(|answer| template.text.contains(answer))
}

#[cfg(test)]
mod tests;

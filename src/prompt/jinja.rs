//! Jinja chat templates, as Hugging Face's transformers runs them: blocks trimmed, Python's methods on strings and
//! dictionaries, `break` and `continue`, `raise_exception`, `strftime_now`, and Python's `tojson`.
//!
//! Templates come from strangers. They get no files, no more than [`TEMPLATE_FUEL`] steps and [`PROMPT_BYTES`] of output.

use std::error::Error as _;
use std::fmt;
use std::io::{self, Write};

use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, Error, ErrorKind, Output, State};

use super::python_json::{Style, dumps};
use crate::config::limits::{GGUF_STRING_BYTES, JSON_DEPTH_MAX, PROMPT_BYTES, TEMPLATE_FUEL};

/// The template of a model that carries none (the behaviour page, section 7.1, point 5): plain `ChatML`.
pub const CHATML: &str = "{%- for message in messages -%}
    {{- '<|im_start|>' + message.role + '\\n' + (message.content or '') + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}";

/// What a template is given beside the messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RenderOptions<'a> {
    /// Text of the beginning-of-sequence token (`bos_token`).
    pub bos: &'a str,
    /// Text of the end-of-sequence token (`eos_token`).
    pub eos: &'a str,
    /// End with the beginning of an answer.
    pub add_generation_prompt: bool,
    /// Whether to think; `None`: as the template likes best.
    pub enable_thinking: Option<bool>,
    /// Tools as a JSON array, passed on as they are.
    pub tools: Option<&'a str>,
}

/// Why a prompt could not be rendered. The sentences go to clients.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PromptError {
    /// The template is not Jinja.
    #[error("the model's chat template is not valid: {0}")]
    BadTemplate(String),
    /// The messages are not JSON of at most [`JSON_DEPTH_MAX`] levels.
    #[error("the messages are not valid JSON: {0}")]
    BadMessages(String),
    /// The tools are not JSON of at most [`JSON_DEPTH_MAX`] levels.
    #[error("the tools are not valid JSON: {0}")]
    BadTools(String),
    /// The template called `raise_exception`: these messages are not for this model.
    #[error("the model's chat template refuses these messages: {0}")]
    Raised(String),
    /// It would not end within [`TEMPLATE_FUEL`] steps.
    #[error("the model's chat template takes more than {TEMPLATE_FUEL} steps")]
    TooManySteps,
    /// It wrote more than [`PROMPT_BYTES`].
    #[error("the prompt is longer than {PROMPT_BYTES} bytes")]
    TooLong,
    /// It failed in another way.
    #[error("the model's chat template failed: {0}")]
    Failed(String),
}

/// A compiled chat template. Made once for a loaded model; any thread may render with it.
#[derive(Debug)]
pub struct Template(Environment<'static>);

/// The name under which the template stands in its environment. Without an extension, so that nothing is escaped.
const NAME: &str = "chat template";

/// Widest indent of `tojson`: the spaces of a deep value would outgrow the value itself by far.
const INDENT_MAX: usize = 32;

/// Marks an error as one that the template raised itself.
#[derive(Debug)]
struct RaisedByTemplate;

impl fmt::Display for RaisedByTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("raised by the template")
    }
}

impl std::error::Error for RaisedByTemplate {}

/// Compiles and renders in one go. Who renders a template more than once keeps a [`Template`].
///
/// # Errors
/// As [`Template::compile`] and [`Template::render`].
pub fn render(template: &str, messages_json: &str, options: &RenderOptions<'_>) -> Result<String, PromptError> {
    Template::compile(template)?.render(messages_json, options)
}

impl Template {
    /// Compiles a template of at most [`GGUF_STRING_BYTES`].
    ///
    /// # Errors
    /// [`PromptError::BadTemplate`].
    pub fn compile(text: &str) -> Result<Self, PromptError> {
        if text.len() as u64 > GGUF_STRING_BYTES {
            return Err(PromptError::BadTemplate(format!("it has {} bytes", text.len())));
        }
        let mut environment = Environment::new();
        environment.set_trim_blocks(true);
        environment.set_lstrip_blocks(true);
        environment.set_fuel(Some(TEMPLATE_FUEL));
        environment.set_formatter(print_as_python);
        environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
        environment.add_filter("tojson", to_json);
        environment.add_function("raise_exception", raise_exception);
        environment.add_function("strftime_now", strftime_now);
        let added = environment.add_template_owned(NAME, text.to_owned());
        added.map_err(|error| PromptError::BadTemplate(error.to_string()))?;
        Ok(Self(environment))
    }

    /// Renders a JSON array of messages.
    ///
    /// # Errors
    /// All of [`PromptError`] but `BadTemplate`.
    pub fn render(&self, messages_json: &str, options: &RenderOptions<'_>) -> Result<String, PromptError> {
        let messages = parse(messages_json).map_err(PromptError::BadMessages)?;
        let tools = options.tools.map(parse).transpose().map_err(PromptError::BadTools)?;
        let mut context = vec![
            ("messages", messages),
            // Templates ask both `if tools` and `tools is not none`, so it is there even when there are none.
            ("tools", tools.unwrap_or(Value::from(()))),
            ("bos_token", Value::from(options.bos)),
            ("eos_token", Value::from(options.eos)),
            ("add_generation_prompt", Value::from(options.add_generation_prompt)),
        ];
        if let Some(enable_thinking) = options.enable_thinking {
            context.push(("enable_thinking", Value::from(enable_thinking)));
        }
        let context: Value = context.into_iter().collect();

        let mut prompt = Bounded(Vec::new());
        let rendered = self.0.get_template(NAME).and_then(|template| {
            let _state = template.render_captured_to(context, &mut prompt)?;
            Ok(())
        });
        rendered.map_err(|error| explain(&error))?;
        String::from_utf8(prompt.0).map_err(|error| PromptError::Failed(error.to_string()))
    }
}

/// `serde_json` stops at 128 levels itself, which is our bound as well.
fn parse(json: &str) -> Result<Value, String> {
    const { assert!(JSON_DEPTH_MAX == 128) };
    serde_json::from_str(json).map_err(|error| error.to_string())
}

fn explain(error: &Error) -> PromptError {
    let raised = error.source().is_some_and(<dyn std::error::Error>::is::<RaisedByTemplate>);
    match error.kind() {
        _ if raised => PromptError::Raised(error.detail().unwrap_or_default().to_owned()),
        ErrorKind::OutOfFuel => PromptError::TooManySteps,
        ErrorKind::WriteFailure => PromptError::TooLong,
        _ => PromptError::Failed(error.to_string()),
    }
}

/// The prompt under way; writing past the bound is an error.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > PROMPT_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `{{ true }}` and `{{ none }}` print as in Python; nothing is escaped.
fn print_as_python(out: &mut Output, state: &State, value: &Value) -> Result<(), Error> {
    if value.is_none() {
        return out.write_str("None").map_err(Error::from);
    }
    match bool::try_from(value.clone()) {
        Ok(truth) if value.kind() == minijinja::value::ValueKind::Bool => {
            out.write_str(if truth { "True" } else { "False" }).map_err(Error::from)
        }
        _ => minijinja::escape_formatter(out, state, value),
    }
}

/// `tojson(indent=None, ensure_ascii=False, separators=None, sort_keys=False)`.
#[expect(clippy::needless_pass_by_value, reason = "minijinja hands arguments over")]
fn to_json(value: &Value, arguments: Kwargs) -> Result<String, Error> {
    let indent: Option<usize> = arguments.get("indent")?;
    if indent.is_some_and(|spaces| spaces > INDENT_MAX) {
        return Err(Error::new(ErrorKind::InvalidOperation, "tojson takes an indent of 32 at most"));
    }
    let mut style = Style::new(indent);
    style.ascii = arguments.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false);
    style.sort_keys = arguments.get::<Option<bool>>("sort_keys")?.unwrap_or(false);
    if let Some(separators) = arguments.get::<Option<Vec<String>>>("separators")? {
        let [between_items, after_key] = <[String; 2]>::try_from(separators)
            .map_err(|_| Error::new(ErrorKind::InvalidOperation, "tojson takes two separators"))?;
        (style.between_items, style.after_key) = (between_items, after_key);
    }
    arguments.assert_all_used()?;
    let failed = |error: serde_json::Error| Error::new(ErrorKind::BadSerialization, error.to_string());
    let json = serde_json::to_value(value).map_err(failed)?;
    dumps(&json, &style).map_err(failed)
}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message).with_source(RaisedByTemplate))
}

/// The local date and time, in C's `strftime` notation.
fn strftime_now(format: &str) -> Result<String, Error> {
    jiff::fmt::strtime::format(format, &jiff::Zoned::now())
        .map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: &str = r#"[{"role":"system","content":"Be brief."},{"role":"user","content":"Hi <b>&"}]"#;

    fn options() -> RenderOptions<'static> {
        RenderOptions { bos: "<s>", eos: "</s>", add_generation_prompt: true, enable_thinking: None, tools: None }
    }

    fn rendered(template: &str) -> Result<String, PromptError> {
        render(template, MESSAGES, &options())
    }

    #[test]
    fn templates_render_as_in_python() {
        // (what, template, prompt)
        let rows = [
            ("nothing is escaped", "{{ messages[1].content }}", "Hi <b>&"),
            ("tokens", "{{ bos_token }}|{{ eos_token }}|{{ add_generation_prompt }}", "<s>|</s>|True"),
            ("constants", "{{ none }} {{ true }} {{ false }} {{ 1 }} {{ 1.5 }}", "None True False 1 1.5"),
            ("undefined prints nothing", "[{{ nothing }}]", "[]"),
            ("thinking is not decided", "{{ enable_thinking is defined }}", "False"),
            ("no tools", "{{ tools is none }}{% if tools %}!{% endif %}", "True"),
            ("trimmed blocks", "a\n  {% if true %}\nb\n  {% endif %}\nc\n", "a\nb\nc"),
            ("string methods", "{{ ' A-b '.strip().lower().split('-')[-1].upper() }}", "B"),
            (
                "dictionary methods",
                "{% for k, v in messages[0].items() %}{{ k }}={{ v }};{% endfor %}",
                "role=system;content=Be brief.;",
            ),
            ("get with a default", "{{ messages[0].get('name', 'nobody') }}", "nobody"),
            ("slices", "{% for m in messages[1:] %}{{ m.role }}{% endfor %}", "user"),
            (
                "loop controls",
                "{% for i in range(9) %}{% if i == 1 %}{% continue %}{% elif i == 3 %}{% break %}{% endif %}{{ i }}{% endfor %}",
                "02",
            ),
            (
                "namespaces",
                "{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}",
                "2",
            ),
            ("macros", "{% macro turn(m) %}<{{ m.role }}>{% endmacro %}{{ turn(messages[1]) }}", "<user>"),
            ("tojson", "{{ messages[1] | tojson }}", r#"{"role": "user", "content": "Hi <b>&"}"#),
            (
                "tojson with arguments",
                "{{ {'b': 1, 'a': 'é'} | tojson(separators=(',', ':'), sort_keys=True, ensure_ascii=True) }}",
                r#"{"a":"\u00e9","b":1}"#,
            ),
            ("tojson with an indent", "{{ [1, {}] | tojson(indent=2) }}", "[\n  1,\n  {}\n]"),
            ("the date", "{{ strftime_now('%Y-%m-%d') | length }}", "10"),
        ];
        for (what, template, prompt) in rows {
            assert_eq!(rendered(template).as_deref(), Ok(prompt), "{what}");
        }
    }

    #[test]
    fn failures_say_what_is_wrong() {
        let raised = rendered("{{ raise_exception('no system messages, please') }}");
        assert_eq!(raised, Err(PromptError::Raised("no system messages, please".into())));
        assert_eq!(
            rendered("{% for i in range(90000) %}{% for j in range(90000) %}{{ i }}{% endfor %}{% endfor %}"),
            Err(PromptError::TooManySteps)
        );
        let long = "{% for i in range(70000) %}{{ 'x' * 1000 }}{% endfor %}";
        assert_eq!(rendered(long), Err(PromptError::TooLong));
        for broken in [
            "{% if %}",
            "{{ 'x' | no_such_filter }}",
            "{% include 'etc/passwd' %}",
            "{{ messages[0].content.nope() }}",
            "{{ [1] | tojson(indent=33) }}",
            "{{ strftime_now('%!') }}",
        ] {
            let error = rendered(broken).expect_err("a sentence");
            assert!(matches!(error, PromptError::BadTemplate(_) | PromptError::Failed(_)), "{broken}: {error}");
        }
        let huge = " ".repeat(GGUF_STRING_BYTES as usize + 1);
        assert!(matches!(Template::compile(&huge), Err(PromptError::BadTemplate(_))));
    }

    #[test]
    fn messages_have_to_be_json() {
        let deep = "[".repeat(JSON_DEPTH_MAX) + &"]".repeat(JSON_DEPTH_MAX);
        for messages in ["", "[", "[}", &deep] {
            let error = render("x", messages, &options()).expect_err("not JSON");
            assert!(matches!(error, PromptError::BadMessages(_)), "{messages}: {error}");
        }
        let tools = RenderOptions { tools: Some("nope"), ..options() };
        assert!(matches!(render("x", "[]", &tools), Err(PromptError::BadTools(_))));
    }

    #[test]
    fn a_recursive_macro_ends() {
        let error = rendered("{% macro f(n) %}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}").expect_err("endless");
        assert!(matches!(error, PromptError::Failed(_) | PromptError::TooManySteps), "{error}");
    }

    #[test]
    fn a_model_without_a_template_gets_chatml() {
        let wanted = "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi <b>&<|im_end|>\n";
        assert_eq!(rendered(CHATML), Ok(format!("{wanted}<|im_start|>assistant\n")));
        let finished = RenderOptions { add_generation_prompt: false, ..options() };
        assert_eq!(render(CHATML, MESSAGES, &finished).as_deref(), Ok(wanted));
        let calls = r#"[{"role":"assistant","content":null}]"#;
        assert_eq!(render(CHATML, calls, &finished).as_deref(), Ok("<|im_start|>assistant\n<|im_end|>\n"));
    }

    #[test]
    fn thinking_and_tools_reach_the_template() {
        let template = "{{ enable_thinking }} {{ tools[0].function | tojson }}";
        let tools = r#"[{"type":"function","function":{"name":"add","a":{"z":1,"b":2}}}]"#;
        let options = RenderOptions { enable_thinking: Some(false), tools: Some(tools), ..options() };
        let wanted = r#"False {"name": "add", "a": {"z": 1, "b": 2}}"#;
        assert_eq!(render(template, MESSAGES, &options).as_deref(), Ok(wanted));
    }

    /// The template of SmolLM2-Instruct, which puts a system message in front where there is none.
    #[test]
    fn smollm2_renders() {
        let template = "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}\
            {{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}\
            {{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}\
            {% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
        let prompt = render(template, r#"[{"role":"user","content":"Hi"}]"#, &options());
        let wanted = "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n\
            <|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n";
        assert_eq!(prompt.as_deref(), Ok(wanted));
    }
}

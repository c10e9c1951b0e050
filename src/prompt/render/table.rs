//! The names of the renderers, and which function each one is.

use super::out::Out;
use super::qwen35::{Variant, qwen35};
use super::{Conversation, RenderError};
use super::{cohere, deepseek, gemma, gemma4, glimmer, glm, is_shallow, laguna, lfm2, nemotron, olmo, qwen, qwen_vl};
use crate::model::Name;

/// A built-in renderer. Plain data: any thread may render with it.
#[derive(Debug, Clone, Copy)]
pub struct Renderer {
    name: &'static str,
    bos: &'static str,
    write: fn(&mut Out, &Conversation<'_>),
}

impl Renderer {
    /// The name that a model's config has for it.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// What its prompts may begin with in the place of the beginning-of-sequence token; empty: nothing. To be cut off
    /// where it stands when the tokenizer adds that token itself.
    pub fn bos(&self) -> &'static str {
        self.bos
    }

    /// The prompt for `conversation`, with `[img-N]` where its images stand.
    ///
    /// # Errors
    /// [`RenderError::TooLong`] and [`RenderError::TooDeep`]; some families refuse conversations.
    pub fn render(&self, conversation: &Conversation<'_>) -> Result<String, RenderError> {
        if !is_shallow(conversation) {
            return Err(RenderError::TooDeep);
        }
        let mut out = Out::new();
        (self.write)(&mut out, conversation);
        out.finish()
    }
}

/// The renderer called `name`.
///
/// # Errors
/// [`RenderError::Unknown`].
pub fn by_name(name: &str) -> Result<Renderer, RenderError> {
    let found = RENDERERS.iter().find(|renderer| renderer.name == name);
    found.copied().ok_or_else(|| RenderError::Unknown(name.to_owned()))
}

/// The renderer of a model whose config names `renderer`: the one of that name, but `gemma4` comes in two sizes, which
/// the name of the model tells, or else its number of parameters (`parameters`, such as `31.3B`).
///
/// # Errors
/// [`RenderError::Unknown`].
pub fn for_model(renderer: &str, model: &Name, parameters: &str) -> Result<Renderer, RenderError> {
    if renderer != "gemma4" {
        return by_name(renderer);
    }
    let told = gemma4_is_large(&model.to_string()).or_else(|| gemma4_is_large(&model.full()));
    let is_large = told.unwrap_or_else(|| count(parameters) >= GEMMA4_LARGE);
    by_name(if is_large { "gemma4-large" } else { "gemma4-small" })
}

fn gemma4_is_large(name: &str) -> Option<bool> {
    let name = name.to_lowercase();
    let has_any = |sizes: &[&str]| sizes.iter().any(|size| name.contains(size));
    if has_any(&["e2b", "e4b"]) {
        return Some(false);
    }
    has_any(&["12b", "26b", "31b"]).then_some(true)
}

/// Parameters from which a gemma4 is a large one.
const GEMMA4_LARGE: f64 = 12e9;

/// `31.3B` as a number; zero for what is none.
fn count(parameters: &str) -> f64 {
    let parameters = parameters.to_ascii_uppercase();
    let units = [("B", 1e9), ("M", 1e6), ("K", 1e3)];
    let counts = units.iter().filter_map(|(unit, size)| {
        let number: f64 = parameters.strip_suffix(unit)?.parse().ok()?;
        Some(number * size)
    });
    counts.fold(0.0, f64::max)
}

const fn renderer(name: &'static str, bos: &'static str, write: fn(&mut Out, &Conversation<'_>)) -> Renderer {
    Renderer { name, bos, write }
}

/// All of them, as the behaviour page lists them.
pub(super) const RENDERERS: &[Renderer] = &[
    renderer("qwen3-coder", "", qwen::coder),
    renderer("qwen3-vl-instruct", "", |out, conversation| qwen_vl::vl(out, conversation, false)),
    renderer("qwen3-vl-thinking", "", |out, conversation| qwen_vl::vl(out, conversation, true)),
    renderer("qwen3.5", "", |out, conversation| {
        qwen35(out, conversation, Variant { keeps_thoughts: false, is_strict: false });
    }),
    renderer("qwen3.8", "", |out, conversation| {
        qwen35(out, conversation, Variant { keeps_thoughts: true, is_strict: true });
    }),
    renderer("ornith", "", |out, conversation| {
        qwen35(out, conversation, Variant { keeps_thoughts: true, is_strict: false });
    }),
    renderer("cogito", deepseek::BOS, deepseek::cogito),
    renderer("deepseek3.1", deepseek::BOS, deepseek::deepseek),
    renderer("olmo3", "", |out, conversation| olmo::olmo(out, conversation, olmo::OLMO3)),
    renderer("olmo3.1", "", |out, conversation| olmo::olmo(out, conversation, olmo::OLMO31)),
    renderer("olmo3-think", "", |out, conversation| olmo::thinker(out, conversation, olmo::OLMO31)),
    renderer("olmo3-32b-think", "", |out, conversation| olmo::thinker(out, conversation, olmo::OLMO3_32B)),
    renderer("nemotron-3-nano", "", |out, conversation| nemotron::nemotron(out, conversation, false)),
    renderer("nemotron-3.5-nano", "", |out, conversation| nemotron::nemotron(out, conversation, true)),
    renderer("gemma4", gemma4::BOS, |out, conversation| gemma4::gemma4(out, conversation, false)),
    renderer("gemma4-small", gemma4::BOS, |out, conversation| gemma4::gemma4(out, conversation, false)),
    renderer("gemma4-large", gemma4::BOS, |out, conversation| gemma4::gemma4(out, conversation, true)),
    renderer("functiongemma", gemma::BOS, gemma::function_gemma),
    renderer("glm-4.7", "", glm::glm47),
    renderer("glm-ocr", "", glm::glm_ocr),
    renderer("lfm2", lfm2::BOS, |out, conversation| lfm2::lfm2(out, conversation, false)),
    renderer("lfm2-thinking", lfm2::BOS, |out, conversation| lfm2::lfm2(out, conversation, true)),
    renderer("laguna", laguna::BOS, laguna::laguna),
    renderer("poolside-v1", laguna::BOS, laguna::poolside),
    renderer("cohere", cohere::BOS, cohere::cohere),
    renderer("glimmer", glimmer::BOS, glimmer::glimmer),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gemma4_has_the_size_that_its_name_or_its_parameters_tell() {
        for (model, parameters, want) in [
            ("gemma4", "", "gemma4-small"),
            ("gemma4:e4b", "31.3B", "gemma4-small"),
            ("gemma4:31B-it", "", "gemma4-large"),
            ("gemma4:26b-e2b", "", "gemma4-small"),
            ("x31b/mine", "4B", "gemma4-large"),
            ("e2b/gemma4:12b", "", "gemma4-small"),
            ("mine", "12B", "gemma4-large"),
            ("mine", "11.99b", "gemma4-small"),
            ("mine", "99999M", "gemma4-large"),
            ("mine", "31.3", "gemma4-small"),
            ("mine", "xB", "gemma4-small"),
        ] {
            let name: Name = model.parse().expect("the row has a name");
            let found = for_model("gemma4", &name, parameters).map(|renderer| renderer.name());
            assert_eq!(found, Ok(want), "{model} {parameters}");
            assert_eq!(for_model("olmo3", &name, parameters).map(|renderer| renderer.name()), Ok("olmo3"));
        }
    }

    #[test]
    fn an_unknown_name_is_told() {
        let error = by_name("no \"pe").expect_err("not there");
        assert_eq!(error.to_string(), r#"unknown renderer "no \"pe""#);
        assert!(by_name("").is_err());
    }
}

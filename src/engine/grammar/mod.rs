//! Structured output: an answer held to JSON, or to a JSON Schema, token by token (the behaviour page, section 2.4).
//!
//! A request's schema is checked and narrowed (`schema`), compiled by llguidance on a worker, and kept compiled with its
//! model. Each answer has a [`Constraint`]: while the device computes a row, a worker makes the mask of the tokens that
//! may come next, and the sampler chooses among those alone. The end tokens are among them only where the text is complete.
//!
//! Nothing is let through that was not asked for: a schema that cannot be followed is refused with the name of the keyword,
//! and an answer whose mask cannot be made ends with an error.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use llguidance::api::{GrammarInit, ParserLimits, TopLevelGrammar};
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::InferenceCapabilities;
use llguidance::{Matcher, ParserFactory};

mod constraint;
mod error;
mod formats;
mod gate;
mod json_place;
pub mod schema;
mod state;
#[cfg(test)]
mod tests;
mod tokens;

pub use constraint::{Constraint, Masks, Next};
pub use error::GrammarError;
pub use gate::Thinking;

use super::backend::Vocabulary;
use super::wire::Format;
use crate::config::limits::{
    GRAMMAR_FUEL, GRAMMAR_SYMBOLS_MAX, GRAMMARS_MAX, MASK_FUEL, MASK_STATES_MAX, SCHEMA_STACK_BYTES,
};
use gate::Gate;
use state::State;
use tokens::Tokens;

/// The grammars of one loaded model.
pub struct Grammars {
    vocabulary: Arc<dyn Vocabulary>,
    masks: Masks,
    workshop: OnceLock<Result<Workshop, GrammarError>>,
    /// Compiled schemas by their text; the one used last at the end.
    compiled: Mutex<Vec<(Format, Matcher)>>,
}

/// What all grammars of a vocabulary share.
struct Workshop {
    tokens: Arc<Tokens>,
    factory: ParserFactory,
}

impl Grammars {
    /// Of a model with this vocabulary. Nothing is made before the first request that has a format.
    pub fn new(vocabulary: Arc<dyn Vocabulary>, masks: Masks) -> Self {
        Self { vocabulary, masks, workshop: OnceLock::new(), compiled: Mutex::default() }
    }

    /// A constraint for one answer. Blocks while a new schema is compiled: milliseconds, or as long as the limits let a
    /// large one take. With `thinking` the answer begins after that.
    ///
    /// # Errors
    /// When no answer can be held to this format.
    pub fn constrain(&self, format: &Format, thinking: Option<&Thinking>) -> Result<Constraint, GrammarError> {
        let workshop = self.workshop.get_or_init(|| Workshop::new(&*self.vocabulary)).as_ref().map_err(Clone::clone)?;
        let matcher = match self.known(format) {
            Some(matcher) => matcher,
            None => self.keep(format, workshop.compile(format)?),
        };
        let state = State::new(matcher, workshop.tokens.clone());
        Ok(Constraint::new(self.masks.clone(), state, Gate::new(thinking, &*self.vocabulary)))
    }

    /// A copy of a compiled schema with nothing in common with it: what one answer's lexer learns, another would wait for.
    fn known(&self, format: &Format) -> Option<Matcher> {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        let place = compiled.iter().position(|(known, _)| known == format)?;
        let entry = compiled.remove(place);
        let matcher = entry.1.deep_clone();
        compiled.push(entry);
        Some(matcher)
    }

    fn keep(&self, format: &Format, matcher: Matcher) -> Matcher {
        let mut compiled = self.compiled.lock().unwrap_or_else(PoisonError::into_inner);
        if compiled.len() >= GRAMMARS_MAX {
            compiled.remove(0);
        }
        compiled.push((format.clone(), matcher.deep_clone()));
        matcher
    }
}

impl Workshop {
    fn new(vocabulary: &dyn Vocabulary) -> Result<Self, GrammarError> {
        let tokens = Arc::new(Tokens::of(vocabulary));
        let slices = SlicedBiasComputer::json_slices();
        let factory = ParserFactory::new(&tokens.environment, InferenceCapabilities::default(), &slices);
        let mut factory = factory.map_err(|error| GrammarError::Internal(error.to_string()))?;
        factory.quiet();
        *factory.limits_mut() = ParserLimits {
            initial_lexer_fuel: GRAMMAR_FUEL,
            max_grammar_size: GRAMMAR_SYMBOLS_MAX,
            step_lexer_fuel: MASK_FUEL,
            max_lexer_states: MASK_STATES_MAX,
            verbose_errors: false,
            ..ParserLimits::default()
        };
        Ok(Self { tokens, factory })
    }

    /// Compiles on a thread of its own, because the compiler follows the schema by recursion.
    fn compile(&self, format: &Format) -> Result<Matcher, GrammarError> {
        let schema = match format {
            Format::Json => schema::any_object(),
            Format::Schema(text) => schema::read(text)?,
        };
        let compile = || {
            let grammar = GrammarInit::Serialized(TopLevelGrammar::from_json_schema(schema));
            self.factory.create_parser_from_init_default(grammar)
        };
        let parser = thread::scope(|scope| {
            let thread = thread::Builder::new().name("grammar".into()).stack_size(SCHEMA_STACK_BYTES);
            let running =
                thread.spawn_scoped(scope, compile).map_err(|error| GrammarError::Internal(error.to_string()))?;
            let broken = |_| GrammarError::Schema("it cannot be compiled".into());
            let parser = running.join().map_err(broken)?;
            parser.map_err(|error| GrammarError::from_compiler(&error.to_string()))
        })?;
        Ok(Matcher::new(Ok(parser)))
    }
}

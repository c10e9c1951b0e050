//! Go's `text/template`, as far as Ollama's `template` layers can tell: our own engine, since the one crate for it knows
//! neither `break`, `slice` and assignments nor Go's printing, and has no limits.
//!
//! [`Template::parse`] makes the tree ([`tree`]), [`Template::render`] a prompt of it. Inside, from the text inwards:
//! `lex` and `parse` (with `pipeline` and `literal`); `exec` and `call` run the tree; `value` and `types` are Go's
//! values, `convert` makes them; `print`, `format`, `flags`, `number`, `runes` and `json` write them; `budget` bounds
//! steps and text, because templates come from strangers.

mod budget;
mod builtins;
mod call;
mod compare;
mod convert;
mod error;
mod exec;
mod flags;
mod format;
mod function;
mod image;
mod json;
mod lex;
mod literal;
mod number;
mod ollama;
mod parse;
mod pipeline;
mod print;
mod runes;
mod thinking;
pub mod tree;
mod types;
mod value;

#[cfg(test)]
mod tests;

pub use error::{ParseError, RenderError};
pub use function::Function;
pub use ollama::{Dates, Template, Values};

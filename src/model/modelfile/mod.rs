//! Modelfiles: the recipe of a model, one command a line (the behaviour page, section 6.7).
//!
//! `create -f` reads one on the client, the server reads the text in the `modelfile` of older requests, and `show` writes
//! one. Paths are texts here: who reads a Modelfile knows where they lead.

mod canonical;
mod parse;
mod parts;
mod show;
mod typed;

use std::str::FromStr;

pub use parse::ModelfileError;
pub use parts::{Parts, PartsError};
pub use show::{Stored, go_number, parameters_text};
pub use typed::{DEPRECATED, ParameterError, typed};

/// The commands of a Modelfile, in its order. Printed, it has its canonical form, as `show --modelfile` has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Modelfile {
    /// The commands; one that was parsed has a [`Command::From`] among them.
    pub commands: Vec<Command>,
}

/// A command and its value, without quotes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The weights or a projector: a path, or the name of a model.
    From(String),
    /// The Go template of its prompts.
    Template(String),
    /// The system message.
    System(String),
    /// A licence; there may be several.
    License(String),
    /// Path of an adapter.
    Adapter(String),
    /// Path of a draft model.
    Draft(String),
    /// A built-in renderer of prompts.
    Renderer(String),
    /// A built-in parser of answers.
    Parser(String),
    /// The oldest version that runs it.
    Requires(String),
    /// An option, its value not yet looked at.
    Parameter {
        /// Its name, as it is written.
        name: String,
        /// Its value.
        value: String,
    },
    /// A message that conversations start with.
    Message {
        /// `system`, `user` or `assistant` where it was parsed.
        role: String,
        /// Its text.
        content: String,
    },
}

impl Modelfile {
    /// Reads a Modelfile: UTF-8, or UTF-16 with a byte order mark.
    ///
    /// # Errors
    /// When it is too long, a command is unknown or cut off, or there is no FROM.
    pub fn parse(bytes: &[u8]) -> Result<Self, ModelfileError> {
        parse::parse(bytes)
    }
}

impl FromStr for Modelfile {
    type Err = ModelfileError;

    fn from_str(text: &str) -> Result<Self, ModelfileError> {
        Self::parse(text.as_bytes())
    }
}

#[cfg(test)]
mod tests;

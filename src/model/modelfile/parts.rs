//! What the commands of a Modelfile come to: the fields of a create request (the behaviour page, section 6.1).

use serde_json::{Map, Value};

use crate::model::Message;
use crate::model::modelfile::typed::{DEPRECATED, ParameterError, typed};
use crate::model::modelfile::{Command, Modelfile};

/// Why the commands are no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartsError {
    /// An option that there is not, or a value that does not fit.
    #[error(transparent)]
    Parameter(#[from] ParameterError),
    /// REQUIRES is followed by something else than a version.
    #[error("requires must be a valid semver (e.g. 0.14.0)")]
    Requires,
}

/// A Modelfile by its fields. Of what may be there once the last one counts; licences, messages and stop texts add up.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Parts {
    /// Names of models and paths, as they are written; at least one.
    pub from: Vec<String>,
    /// Paths of adapters.
    pub adapters: Vec<String>,
    /// Paths of draft models.
    pub drafts: Vec<String>,
    /// The Go template.
    pub template: Option<String>,
    /// The system message.
    pub system: Option<String>,
    /// The licences.
    pub licenses: Vec<String>,
    /// A built-in renderer.
    pub renderer: Option<String>,
    /// A built-in parser.
    pub parser: Option<String>,
    /// The oldest version that runs it, without a `v`.
    pub requires: Option<String>,
    /// The options, with their types.
    pub parameters: Map<String, Value>,
    /// Messages that conversations start with.
    pub messages: Vec<Message>,
    /// Options of former times that were dropped; each is worth a warning.
    pub deprecated: Vec<String>,
}

impl Modelfile {
    /// Sorts the commands into their fields.
    ///
    /// # Errors
    /// When a parameter is unknown or does not fit its type, or REQUIRES has no version.
    pub fn parts(&self) -> Result<Parts, PartsError> {
        let mut parts = Parts::default();
        for command in &self.commands {
            parts.add(command)?;
        }
        Ok(parts)
    }
}

impl Parts {
    fn add(&mut self, command: &Command) -> Result<(), PartsError> {
        match command {
            Command::From(value) => self.from.push(value.clone()),
            Command::Adapter(value) => self.adapters.push(value.clone()),
            Command::Draft(value) => self.drafts.push(value.clone()),
            Command::License(value) => self.licenses.push(value.clone()),
            Command::Template(value) => self.template = Some(value.clone()),
            Command::System(value) => self.system = Some(value.clone()),
            Command::Renderer(value) => self.renderer = Some(value.clone()),
            Command::Parser(value) => self.parser = Some(value.clone()),
            Command::Requires(value) => {
                let version = value.strip_prefix('v').unwrap_or(value);
                if !is_version(version) {
                    return Err(PartsError::Requires);
                }
                self.requires = Some(version.to_owned());
            }
            Command::Parameter { name, value } => self.add_parameter(name, value)?,
            Command::Message { role, content } => {
                let (role, content) = (role.clone(), content.clone());
                self.messages.push(Message { role, content, ..Message::default() });
            }
        }
        Ok(())
    }

    fn add_parameter(&mut self, name: &str, value: &str) -> Result<(), ParameterError> {
        if DEPRECATED.contains(&name) {
            self.deprecated.push(name.to_owned());
            return Ok(());
        }
        let value = typed(name, &[value])?;
        match (self.parameters.get_mut(name), value) {
            (Some(Value::Array(list)), Value::Array(more)) => list.extend(more),
            (_, value) => _ = self.parameters.insert(name.to_owned(), value),
        }
        Ok(())
    }
}

/// Whether a text is a version in the manner of Go's `semver`, less its `v`: `MAJOR[.MINOR[.PATCH[-PRERELEASE][+BUILD]]]`.
fn is_version(text: &str) -> bool {
    let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
    let (core, prerelease) = text.split_once('-').map_or((text, None), |(core, tail)| (core, Some(tail)));
    let numbers: Vec<_> = core.split('.').collect();
    let extras = prerelease.is_some() || build.is_some();
    let counts = if extras { numbers.len() == 3 } else { numbers.len() <= 3 };
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let no_leading_zero = |part: &str| part == "0" || !part.starts_with('0');
    let word = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    counts
        && numbers.iter().all(|part| all_digits(part) && no_leading_zero(part))
        && prerelease
            .is_none_or(|tail| tail.split('.').all(|part| word(part) && (!all_digits(part) || no_leading_zero(part))))
        && build.is_none_or(|tail| tail.split('.').all(word))
}

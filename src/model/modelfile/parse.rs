//! The text of a Modelfile taken apart.
//!
//! A command is a word and a value behind one space. The value ends with its line, unless it starts with a quote: then it
//! ends with the first line that ends with the same quote. There are no escapes.

use crate::config::limits::{MODELFILE_BYTES, MODELFILE_COMMANDS_MAX};
use crate::model::modelfile::{Command, Modelfile};

/// As much of a word as an error repeats.
const WORD_SHOWN: usize = 64;

/// Why a text is no Modelfile, in Ollama's words where it has some.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelfileError {
    /// Longer than [`MODELFILE_BYTES`].
    #[error("the Modelfile has {0} bytes, more than the {MODELFILE_BYTES} allowed")]
    TooLong(u64),
    /// More than [`MODELFILE_COMMANDS_MAX`].
    #[error("the Modelfile has more than {MODELFILE_COMMANDS_MAX} commands")]
    TooManyCommands,
    /// A word that is no command. A line's end counts to the line behind it.
    #[error(
        "(line {line}): command must be one of \"from\", \"license\", \"template\", \"system\", \"adapter\", \"draft\", \
         \"renderer\", \"parser\", \"parameter\", \"message\", or \"requires\""
    )]
    Command {
        /// Counted from 1.
        line: usize,
    },
    /// A message of nobody that we know.
    #[error("(line {line}): message role must be one of \"system\", \"user\", or \"assistant\"")]
    Role {
        /// Counted from 1.
        line: usize,
    },
    /// The text ends inside a command or a quote.
    #[error("unexpected EOF")]
    End,
    /// The name of a parameter or a role is followed by something else than a value.
    #[error("unexpected EOF: {0}")]
    NoValue(String),
    /// There is nothing to make a model of.
    #[error("no FROM line")]
    NoFrom,
}

pub(super) fn parse(bytes: &[u8]) -> Result<Modelfile, ModelfileError> {
    if bytes.len() as u64 > MODELFILE_BYTES {
        return Err(ModelfileError::TooLong(bytes.len() as u64));
    }
    let text = decode(bytes);
    let mut scanner = Scanner { rest: &text, line: 1, last: ' ' };
    let mut commands = Vec::new();
    while let Some(command) = scanner.command()? {
        if commands.len() == MODELFILE_COMMANDS_MAX {
            return Err(ModelfileError::TooManyCommands);
        }
        commands.push(command);
    }
    if commands.iter().any(|command| matches!(command, Command::From(_))) {
        Ok(Modelfile { commands })
    } else {
        Err(ModelfileError::NoFrom)
    }
}

/// The characters of the file, without control characters: nobody can mean them. What is no Unicode becomes U+FFFD.
fn decode(bytes: &[u8]) -> String {
    let meant = |character: &char| !character.is_control() || matches!(character, '\t' | '\r' | '\n');
    let sixteen = |bytes: &[u8], unit: fn([u8; 2]) -> u16| {
        let (pairs, odd) = bytes.as_chunks::<2>();
        let characters = char::decode_utf16(pairs.iter().copied().map(unit));
        let mut text: String =
            characters.map(|read| read.unwrap_or(char::REPLACEMENT_CHARACTER)).filter(meant).collect();
        text.extend(odd.iter().map(|_| char::REPLACEMENT_CHARACTER));
        text
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => sixteen(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => sixteen(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] | rest => String::from_utf8_lossy(rest).chars().filter(meant).collect(),
    }
}

/// What is left of the text.
struct Scanner<'a> {
    rest: &'a str,
    /// Line of the next character, from 1.
    line: usize,
    /// The character before it.
    last: char,
}

impl<'a> Scanner<'a> {
    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let character = characters.next()?;
        self.rest = characters.as_str();
        // CR LF is one end of a line; Ollama counts two.
        if is_newline(character) && !(character == '\n' && self.last == '\r') {
            self.line += 1;
        }
        self.last = character;
        Some(character)
    }

    /// Passes over the characters that `skip` takes.
    fn skip(&mut self, skip: fn(char) -> bool) {
        while self.rest.starts_with(skip) {
            self.next();
        }
    }

    /// The next command; `None` at the end.
    fn command(&mut self) -> Result<Option<Command>, ModelfileError> {
        loop {
            self.skip(|character| is_space(character) || is_newline(character));
            if !self.rest.starts_with('#') {
                break;
            }
            self.skip(|character| !is_newline(character));
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let word = self.word(|character| character.is_ascii_alphabetic())?;
        let word = word.ok_or(ModelfileError::Command { line: self.line })?.to_ascii_lowercase();
        let make = match word.as_str() {
            "from" => Command::From,
            "template" => Command::Template,
            "system" => Command::System,
            "license" => Command::License,
            "adapter" => Command::Adapter,
            "draft" => Command::Draft,
            "renderer" => Command::Renderer,
            "parser" => Command::Parser,
            "requires" => Command::Requires,
            "parameter" => return self.parameter().map(Some),
            "message" => return self.message().map(Some),
            _ => return Err(ModelfileError::Command { line: self.line }),
        };
        Ok(Some(make(self.value()?)))
    }

    fn parameter(&mut self) -> Result<Command, ModelfileError> {
        let name = self.argument(|character| character.is_ascii_alphanumeric() || character == '_')?;
        Ok(Command::Parameter { name: name.to_owned(), value: self.value()? })
    }

    fn message(&mut self) -> Result<Command, ModelfileError> {
        let role = self.argument(|character| character.is_ascii_alphabetic())?;
        if !matches!(role, "system" | "user" | "assistant") {
            return Err(ModelfileError::Role { line: self.line });
        }
        Ok(Command::Message { role: role.to_owned(), content: self.value()? })
    }

    /// The word between a command and its value. There may be several spaces in front; Ollama takes one.
    fn argument(&mut self, belongs: fn(char) -> bool) -> Result<&'a str, ModelfileError> {
        self.skip(is_space);
        let before = self.rest;
        self.word(belongs)?.ok_or_else(|| {
            let length = before.find(|character| !belongs(character)).unwrap_or(before.len());
            // Such words are ASCII, so any place is between characters.
            ModelfileError::NoValue(before[..length.min(WORD_SHOWN)].to_owned())
        })
    }

    /// Characters that belong to a word, and the space behind it; `None` when something else follows.
    fn word(&mut self, belongs: fn(char) -> bool) -> Result<Option<&'a str>, ModelfileError> {
        let before = self.rest;
        self.skip(belongs);
        let word = &before[..before.len() - self.rest.len()];
        match self.next() {
            None => Err(ModelfileError::End),
            Some(character) => Ok(is_space(character).then_some(word)),
        }
    }

    /// The value that starts here, and the end of its line.
    fn value(&mut self) -> Result<String, ModelfileError> {
        let (value, length) = value_of(self.rest).ok_or(ModelfileError::End)?;
        let end = self.rest.len() - length;
        while self.rest.len() > end {
            self.next();
        }
        Ok(value.to_owned())
    }
}

/// The value that `text` starts with, and its length without the end of its line; `None` when its quote stays open.
pub(super) fn value_of(text: &str) -> Option<(&str, usize)> {
    let mut from = 0;
    while let Some(end) = text[from..].find(is_newline).map(|length| from + length) {
        // An empty line closes no quote. Not looking at it again keeps this linear.
        let empty = from > 0 && text[from..end].trim().is_empty();
        if !empty && let Some(value) = unquote(text[..end].trim()) {
            return Some((value, end));
        }
        from = end + 1;
    }
    unquote(text.trim()).map(|value| (value, text.len()))
}

/// Takes the quotes off; `None` when they are not closed.
fn unquote(text: &str) -> Option<&str> {
    match text.strip_prefix("\"\"\"") {
        Some(rest) => rest.strip_suffix("\"\"\""),
        None => match text.strip_prefix('"') {
            Some(rest) => rest.strip_suffix('"'),
            None => Some(text),
        },
    }
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

fn is_newline(character: char) -> bool {
    matches!(character, '\r' | '\n')
}

//! Ollama's layer over the engine (the behaviour page, section 7.2): which data a template is given, and how templates
//! that know nothing of messages are run round by round.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::convert;
use super::error::{Fail, ParseError, RenderError, place};
use super::exec::{Machine, Powers};
use super::parse::{Trees, parse};
use super::runes::to_utf8;
use super::tree::{Command, Name, Node, Operand, Pipe, Spot, Term, cut_after_response, identifiers};
use super::types::MapType;
use super::value::{Map, Value};
use crate::model::Message;
use crate::model::tool::Tool;

/// What `currentDate` and `yesterdayDate` say, as 2006-01-02 in the machine's time zone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dates {
    /// Today.
    pub today: String,
    /// The day before.
    pub yesterday: String,
}

/// What a prompt is made of.
#[derive(Debug, Clone, Copy)]
pub struct Values<'a> {
    /// The conversation, roles in lower case.
    pub messages: &'a [Message],
    /// The tools as the request has them; `None` where it names none at all (an empty list prints differently).
    pub tools: Option<&'a [Tool]>,
    /// The text before the gap, when there is one to fill in; else empty.
    pub prompt: &'a str,
    /// The text behind the gap; else empty.
    pub suffix: &'a str,
    /// Whether to think: `None` when nobody said, an empty level for no, `medium` for a plain yes.
    pub think: Option<&'a str>,
    /// The days.
    pub dates: &'a Dates,
}

/// A parsed template. Made once for a model; any thread may render with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    text: String,
    trees: Trees,
    /// The main tree up to `.Response`, which the last round of a conversation runs.
    cut: Vec<Node>,
    vars: Vec<String>,
}

/// The name of the main template.
const MAIN: &str = "";

impl Template {
    /// Parses a `template` layer, or the `template` of a request. Where it mentions neither messages nor a response,
    /// `{{ .Response }}` is added at its end.
    ///
    /// # Errors
    /// [`ParseError`]: what Ollama answers with 400 `template error: …` at create.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut trees = parse(text)?;
        let mut names = Vec::new();
        for nodes in trees.values() {
            identifiers(nodes, &mut names);
        }
        let mut vars: BTreeSet<String> = names.iter().map(|name| name.to_lowercase()).collect();
        if !vars.contains("messages") && !vars.contains("response") {
            trees.entry(MAIN.into()).or_default().push(response(text.len() as Spot));
            vars.insert("response".to_owned());
        }
        let cut = cut_after_response(trees.get(MAIN).cloned().unwrap_or_default());
        Ok(Self { text: text.to_owned(), trees, cut, vars: vars.into_iter().collect() })
    }

    /// The text that it was parsed from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// All fields and variables that it mentions, in lower case and order: what capabilities and modes are read off
    /// (the behaviour page, sections 7.2 and 7.6).
    pub fn vars(&self) -> &[String] {
        &self.vars
    }

    /// Whether it mentions `name`, which is in lower case.
    pub fn mentions(&self, name: &str) -> bool {
        self.vars.iter().any(|known| known == name)
    }

    /// The main tree, for those who read tags off it.
    pub fn nodes(&self) -> &[Node] {
        self.trees.get(MAIN).map_or(&[], Vec::as_slice)
    }

    /// Renders a prompt: with a prompt and a suffix what fills the gap between them; else the messages as a whole
    /// where the template mentions them; else round by round.
    ///
    /// # Errors
    /// [`RenderError`].
    pub fn render(&self, values: &Values<'_>) -> Result<String, RenderError> {
        let powers = Powers { trees: Some(&self.trees), extras: true, missing_is_zero: true, dates: values.dates };
        let mut machine = Machine::new(powers);
        let done = if !values.prompt.is_empty() && !values.suffix.is_empty() {
            let texts = [("Prompt", values.prompt), ("Suffix", values.suffix), ("Response", "")];
            machine.run(self.nodes(), &data(values, &texts, []))
        } else if self.mentions("messages") {
            self.render_messages(&mut machine, values)
        } else {
            self.render_rounds(&mut machine, values)
        };
        match done {
            Ok(()) => Ok(to_utf8(machine.into_output())),
            Err(Fail::Wrong(message)) => {
                let (line, column) = place(&self.text, machine.spot as usize);
                Err(RenderError::Failed { line, column, message })
            }
            Err(Fail::TooManySteps) => Err(RenderError::TooManySteps),
            Err(Fail::TooLong) => Err(RenderError::TooLong),
            Err(Fail::TooDeep) => Err(RenderError::TooDeep),
        }
    }

    fn render_messages<'t>(&'t self, machine: &mut Machine<'t>, values: &Values<'_>) -> Result<(), Fail> {
        let systems = values.messages.iter().filter(|message| message.role == "system");
        let system = systems.map(|message| message.content.as_str()).collect::<Vec<_>>().join("\n\n");
        let lists =
            [("Messages", convert::messages(&collate(values.messages))), ("Tools", convert::tools(values.tools))];
        machine.run(self.nodes(), &data(values, &[("System", &system), ("Response", "")], lists))
    }

    /// One full rendering for each round that an answer has ended, then the cut tree for the one that is to be answered.
    fn render_rounds<'t>(&'t self, machine: &mut Machine<'t>, values: &Values<'_>) -> Result<(), Fail> {
        let messages = collate(values.messages);
        let mut round = Round::default();
        for message in &messages {
            let ends = match message.role.as_str() {
                "system" => !round.prompt.is_empty() || !round.response.is_empty(),
                "user" => !round.response.is_empty(),
                _ => false,
            };
            if ends {
                let round = std::mem::take(&mut round);
                machine.run(self.nodes(), &round.data(values))?;
            }
            match message.role.as_str() {
                "system" => round.system = &message.content,
                "user" => round.prompt = &message.content,
                "assistant" => round.response = &message.content,
                _ => {}
            }
        }
        // Ollama makes a new template of the cut tree, which has nothing of what the old one was given.
        machine.powers.trees = None;
        machine.powers.extras = false;
        machine.powers.missing_is_zero = false;
        machine.run(&self.cut, &round.data(values))
    }
}

/// The node `{{ .Response }}`.
fn response(spot: Spot) -> Node {
    let operand = Operand { spot, term: Term::Field(vec![Name::from("Response")]) };
    let commands = vec![Command { operands: vec![operand] }];
    Node::Action(Pipe { spot, variables: Vec::new(), assigns: false, commands })
}

/// A question and its answer, as far as they are known.
#[derive(Debug, Clone, Copy, Default)]
struct Round<'a> {
    system: &'a str,
    prompt: &'a str,
    response: &'a str,
}

impl Round<'_> {
    fn data(&self, values: &Values<'_>) -> Value {
        let texts = [("System", self.system), ("Prompt", self.prompt), ("Response", self.response)];
        data(values, &texts, [])
    }
}

/// What a template finds as `.` and `$`: these texts and values, and how to think.
fn data<const N: usize>(values: &Values<'_>, texts: &[(&str, &str)], others: [(&str, Value); N]) -> Value {
    let key = |name: &str| Arc::from(name.as_bytes());
    let level = values.think.unwrap_or_default();
    let mut entries: BTreeMap<_, _> = texts.iter().map(|(name, text)| (key(name), Value::text(text))).collect();
    entries.extend(others.into_iter().map(|(name, value)| (key(name), value)));
    entries.insert(key("Think"), Value::Bool(!level.is_empty()));
    entries.insert(key("ThinkLevel"), Value::text(level));
    entries.insert(key("IsThinkSet"), Value::Bool(values.think.is_some()));
    Value::Map(Map::new(MapType::Any, Some(entries)))
}

/// Merges the contents of neighbours with one role, but of tools; what else the later ones carry is lost.
fn collate(messages: &[Message]) -> Vec<Cow<'_, Message>> {
    let mut collated: Vec<Cow<'_, Message>> = Vec::with_capacity(messages.len());
    for message in messages {
        match collated.last_mut() {
            Some(last) if last.role == message.role && message.role != "tool" => {
                let content = &mut last.to_mut().content;
                content.push_str("\n\n");
                content.push_str(&message.content);
            }
            _ => collated.push(Cow::Borrowed(message)),
        }
    }
    collated
}

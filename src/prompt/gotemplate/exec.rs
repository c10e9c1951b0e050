//! Runs a tree over data: nodes, pipelines, variables and fields. Functions are in [`super::call`].

use super::budget::{Budget, Sink};
use super::error::Fail;
use super::ollama::Dates;
use super::parse::Trees;
use super::print::Printer;
use super::tree::{Branch, Command, Invocation, Name, Node, Number, Operand, Pipe, Spot, Term, Text};
use super::types::{MapType, PROPERTY};
use super::value::{List, Map, Stringer, Value};
use super::{builtins, convert, json, print};
use crate::config::limits::TEMPLATE_STACK_MAX;

/// What a tree may use. The cut template of a last round has less than a whole one (the behaviour page, section 7.2).
#[derive(Debug, Clone, Copy)]
pub(super) struct Powers<'t> {
    /// Templates by name.
    pub trees: Option<&'t Trees>,
    /// Ollama's own functions.
    pub extras: bool,
    /// Missing keys of a map are zero values instead of no values.
    pub missing_is_zero: bool,
    /// What `currentDate` says.
    pub dates: &'t Dates,
}

/// How a node ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

/// One rendering.
pub(super) struct Machine<'t> {
    pub powers: Powers<'t>,
    pub budget: Budget,
    out: Sink,
    /// Innermost last; those below `base` belong to templates that called this one.
    variables: Vec<(&'t str, Value)>,
    base: usize,
    depth: usize,
    /// The place that an error would name.
    pub spot: Spot,
}

pub(super) type Done<T> = Result<T, Fail>;

fn wrong<T>(message: impl Into<String>) -> Done<T> {
    Err(Fail::Wrong(message.into()))
}

impl<'t> Machine<'t> {
    pub fn new(powers: Powers<'t>) -> Self {
        let (budget, out) = (Budget::new(), Sink::new());
        Self { powers, budget, out, variables: Vec::new(), base: 0, depth: 0, spot: 0 }
    }

    /// What was written.
    pub fn into_output(self) -> Vec<u8> {
        self.out.into_bytes()
    }

    /// Runs a whole tree with `data` as dot and `$`, behind what was written before.
    pub fn run(&mut self, nodes: &'t [Node], data: &Value) -> Done<()> {
        self.variables.clear();
        self.variables.push(("$", data.clone()));
        (self.base, self.depth) = (0, 0);
        self.list(data, nodes).map(drop)
    }

    /// Runs `inner` one level deeper.
    fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Done<T>) -> Done<T> {
        if self.depth >= TEMPLATE_STACK_MAX {
            return Err(Fail::TooDeep);
        }
        self.depth += 1;
        let done = inner(self);
        self.depth -= 1;
        done
    }

    fn list(&mut self, dot: &Value, nodes: &'t [Node]) -> Done<Flow> {
        for node in nodes {
            let flow = self.node(dot, node)?;
            if flow != Flow::On {
                return Ok(flow);
            }
        }
        Ok(Flow::On)
    }

    fn node(&mut self, dot: &Value, node: &'t Node) -> Done<Flow> {
        self.budget.step(1)?;
        match node {
            Node::Text(text) => self.budget.append(&mut self.out, |out| out.push(text))?,
            Node::Action(pipe) => {
                let value = self.pipe(dot, pipe)?;
                if pipe.variables.is_empty() {
                    self.print(&value)?;
                }
            }
            Node::If(branch) => return self.deeper(|machine| machine.either(dot, branch, false)),
            Node::With(branch) => return self.deeper(|machine| machine.either(dot, branch, true)),
            Node::Range(branch) => return self.deeper(|machine| machine.range(dot, branch)),
            Node::Template(invocation) => self.deeper(|machine| machine.template(dot, invocation))?,
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    /// Writes what an action gives.
    fn print(&mut self, value: &Value) -> Done<()> {
        self.budget.append(&mut self.out, |out| match value {
            Value::Invalid | Value::Nil => out.push_str("<no value>"),
            Value::Text(text) => out.push(text),
            Value::Pointer(record) => Printer::new(out).value(&Value::Record(record.clone()), 'v'),
            other => Printer::new(out).value(other, 'v'),
        })
    }

    /// `if` and `with`, which sets dot.
    fn either(&mut self, dot: &Value, branch: &'t Branch, sets_dot: bool) -> Done<Flow> {
        let outer = self.variables.len();
        let value = self.pipe(dot, &branch.pipe)?;
        let flow = if value.truth() {
            self.list(if sets_dot { &value } else { dot }, &branch.list)?
        } else {
            self.list(dot, branch.otherwise.as_deref().unwrap_or_default())?
        };
        self.variables.truncate(outer);
        Ok(flow)
    }

    fn range(&mut self, dot: &Value, branch: &'t Branch) -> Done<Flow> {
        let outer = self.variables.len();
        let value = self.pipe(dot, &branch.pipe)?;
        let ran = match &value {
            Value::Int(count) => self.count(branch, *count, Value::Int)?,
            Value::Byte(count) => self.count(branch, i64::from(*count), |at| Value::Byte(at as u8))?,
            Value::List(list) => {
                let elements = list.as_slice().iter().cloned().enumerate();
                self.each(branch, elements.map(|(at, element)| (Value::Int(at as i64), element)))?
            }
            Value::Image(image) => {
                let bytes = image.bytes().clone();
                let elements = bytes.iter().enumerate();
                self.each(branch, elements.map(|(at, byte)| (Value::Int(at as i64), Value::Byte(*byte))))?
            }
            Value::Map(map) => {
                self.each(branch, map.iter().map(|(key, element)| (Value::Text(key.clone()), element.clone())))?
            }
            Value::Invalid | Value::Nil => false,
            other => return wrong(format!("range can't iterate over {}", other.type_name())),
        };
        let flow = match &branch.otherwise {
            Some(otherwise) if !ran => self.list(dot, otherwise)?,
            _ => Flow::On,
        };
        self.variables.truncate(outer);
        Ok(flow)
    }

    /// A range over a number: 0 up to it. There is no index beside the number itself.
    fn count(&mut self, branch: &'t Branch, count: i64, value: impl Fn(i64) -> Value) -> Done<bool> {
        if branch.pipe.variables.len() > 1 {
            return wrong(format!("can't use {count} to iterate over more than one variable"));
        }
        self.each(branch, (0..count).map(|at| (Value::Invalid, value(at))))
    }

    /// Runs the body for each element. Whether there was one.
    fn each(&mut self, branch: &'t Branch, elements: impl Iterator<Item = (Value, Value)>) -> Done<bool> {
        let names = &branch.pipe.variables;
        let inner = self.variables.len();
        let mut ran = false;
        for (index, element) in elements {
            ran = true;
            self.budget.step(1)?;
            // With one variable it is the element, with two the first is the index.
            let values = [index, element.clone()];
            for (at, (name, value)) in names.iter().zip(&values[2 - names.len().min(2)..]).enumerate() {
                if branch.pipe.assigns {
                    self.assign(name, value.clone())?;
                } else if let Some(variable) = self.variables.get_mut(inner - names.len() + at) {
                    variable.1 = value.clone();
                }
            }
            let flow = self.list(&element, &branch.list)?;
            self.variables.truncate(inner);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(ran)
    }

    fn template(&mut self, dot: &Value, invocation: &'t Invocation) -> Done<()> {
        self.spot = invocation.spot;
        let Some(nodes) = self.powers.trees.and_then(|trees| trees.get(&invocation.name)) else {
            return wrong(format!("template {:?} not defined", super::error::clip(&invocation.name)));
        };
        let data = self.pipe(dot, &invocation.pipe)?;
        // The called template sees no variable but its own `$`.
        let outer = std::mem::replace(&mut self.base, self.variables.len());
        let mark = self.variables.len();
        self.variables.push(("$", data.clone()));
        self.list(&data, nodes)?;
        self.variables.truncate(mark);
        self.base = outer;
        Ok(())
    }

    /// What a pipeline gives, set to its variables too.
    pub fn pipe(&mut self, dot: &Value, pipe: &'t Pipe) -> Done<Value> {
        let mut value = None;
        for command in &pipe.commands {
            value = Some(match self.deeper(|machine| machine.command(dot, command, value))? {
                // An empty interface gives what is in it: nothing.
                Value::Nil => Value::Invalid,
                value => value,
            });
        }
        let value = value.unwrap_or(Value::Invalid);
        for name in &pipe.variables {
            if pipe.assigns {
                self.assign(name, value.clone())?;
            } else {
                self.variables.push((name, value.clone()));
            }
        }
        Ok(value)
    }

    /// Where a variable is, innermost first.
    fn find(&mut self, name: &str) -> Done<usize> {
        let visible = self.variables.get(self.base..).unwrap_or_default();
        let back = visible.iter().rev().position(|(known, _)| *known == name);
        self.budget.step(1 + back.unwrap_or(visible.len()) / 16)?;
        match back {
            Some(back) => Ok(self.variables.len() - 1 - back),
            None => wrong(format!("undefined variable: {}", super::error::clip(name))),
        }
    }

    fn assign(&mut self, name: &str, value: Value) -> Done<()> {
        let at = self.find(name)?;
        if let Some(variable) = self.variables.get_mut(at) {
            variable.1 = value;
        }
        Ok(())
    }

    /// A command; `last` is what the command before it gave.
    fn command(&mut self, dot: &Value, command: &'t Command, last: Option<Value>) -> Done<Value> {
        let Some((first, rest)) = command.operands.split_first() else {
            return wrong("empty command");
        };
        self.spot = first.spot;
        let has_arguments = !rest.is_empty() || last.is_some();
        match &first.term {
            Term::Function(function) => self.call(dot, *function, rest, last),
            Term::Field(names) => self.fields(dot.clone(), names, has_arguments),
            Term::Chain(inner, names) => {
                let value = self.operand(dot, inner)?;
                self.fields(value, names, has_arguments)
            }
            Term::Variable(names) if names.len() > 1 => {
                let value = self.variable(names)?;
                self.fields(value, &names[1..], has_arguments)
            }
            _ if has_arguments => wrong("can't give argument to non-function"),
            Term::Nil => wrong("nil is not a command"),
            _ => self.operand(dot, first),
        }
    }

    /// An operand on its own: an argument, or the only word of a command.
    pub fn operand(&mut self, dot: &Value, operand: &'t Operand) -> Done<Value> {
        self.budget.step(1)?;
        self.spot = operand.spot;
        match &operand.term {
            Term::Dot => Ok(dot.clone()),
            Term::Nil => Ok(Value::Nil),
            Term::Bool(truth) => Ok(Value::Bool(*truth)),
            Term::Number(Number::Int(number)) => Ok(Value::Int(*number)),
            Term::Number(Number::Float(number)) => Ok(Value::Float(*number)),
            Term::Number(Number::Complex(real, imaginary)) => Ok(Value::Complex(*real, *imaginary)),
            Term::Number(Number::TooLarge) => wrong("integer overflows int"),
            Term::Text(text) => Ok(Value::Text(text.clone())),
            Term::Field(names) => self.fields(dot.clone(), names, false),
            Term::Variable(names) => {
                let value = self.variable(names)?;
                self.fields(value, &names[1..], false)
            }
            Term::Function(function) => self.call(dot, *function, &[], None),
            Term::Pipe(pipe) => self.pipe(dot, pipe),
            Term::Chain(inner, names) => {
                let value = self.operand(dot, inner)?;
                self.fields(value, names, false)
            }
        }
    }

    /// The variable whose name is the first of `names`.
    fn variable(&mut self, names: &[Name]) -> Done<Value> {
        let at = self.find(names.first().map_or("", |name| name))?;
        Ok(self.variables.get(at).map_or(Value::Invalid, |(_, value)| value.clone()))
    }

    /// Follows field after field; only the last may be given arguments, which none here takes.
    fn fields(&mut self, mut value: Value, names: &[Name], has_arguments: bool) -> Done<Value> {
        for (at, name) in names.iter().enumerate() {
            self.budget.step(1)?;
            value = self.field(&value, name, has_arguments && at + 1 == names.len())?;
        }
        Ok(value)
    }

    fn field(&mut self, value: &Value, name: &str, has_arguments: bool) -> Done<Value> {
        if matches!(value, Value::Invalid) {
            return Ok(Value::Invalid);
        }
        let shown = super::error::clip(name);
        if matches!(value, Value::Nil) {
            return wrong(format!("nil pointer evaluating interface {{}}.{shown}"));
        }
        let found = match self.method(value, name)? {
            Some(result) => Some(result),
            None => match value {
                Value::Record(record) | Value::Pointer(record) => record.get(name).cloned(),
                Value::Map(map) => Some(match map.get(name.as_bytes()) {
                    Some(element) => element.clone(),
                    None if self.powers.missing_is_zero => convert::zero_of(map.kind),
                    None => Value::Invalid,
                }),
                _ => None,
            },
        };
        match found {
            Some(_) if has_arguments => wrong(format!("{shown} has arguments but is no function")),
            Some(found) => Ok(found),
            None => wrong(format!("can't evaluate field {shown} in type {}", value.type_name())),
        }
    }

    /// The methods that Ollama's types have, as far as a template can use what they return.
    fn method(&mut self, value: &Value, name: &str) -> Done<Option<Value>> {
        let text = match (name, value) {
            ("String", value) => match value.stringer() {
                None => return Ok(None),
                Some(Stringer::Json) => self.budget.text(|sink| json::write(sink, value))?,
                Some(Stringer::Braces) => Text::from(&b"{}"[..]),
                Some(Stringer::Words(list)) => self.words(list)?,
            },
            ("ToTypeScriptType", Value::Record(record)) if std::ptr::eq(record.kind, &raw const PROPERTY) => {
                self.budget.text(|sink| builtins::write_typescript(sink, value))?
            }
            ("Len", Value::Properties(properties)) => {
                let length = properties.as_ref().map_or(0, |properties| properties.0.len());
                return Ok(Some(Value::Int(length as i64)));
            }
            ("ToMap", Value::Properties(properties)) => {
                let entries = properties.as_ref().map(|properties| properties.0.iter().cloned().collect());
                self.budget.look(entries.as_ref().map_or(0, std::collections::BTreeMap::len) * 64)?;
                return Ok(Some(Value::Map(Map::new(MapType::PlainProperties, entries))));
            }
            _ => return Ok(None),
        };
        Ok(Some(Value::Text(text)))
    }

    fn words(&mut self, list: &List) -> Done<Text> {
        self.budget.text(|sink| print::write_words(sink, list))
    }
}

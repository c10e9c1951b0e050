//! Calls of functions: arguments are checked and evaluated here, the work is in [`super::builtins`] and its neighbours.

use std::cmp::Ordering;

use super::budget::Sink;
use super::error::Fail;
use super::exec::{Done, Machine};
use super::function::Function;
use super::print::Printer;
use super::tree::{Operand, Term};
use super::value::Value;
use super::{builtins, compare, json};

impl<'t> Machine<'t> {
    /// Calls `function` with `operands` and, as last argument, what the command before gave.
    pub fn call(
        &mut self,
        dot: &Value,
        function: Function,
        operands: &'t [Operand],
        last: Option<Value>,
    ) -> Done<Value> {
        self.budget.step(1)?;
        let spot = self.spot;
        if function.is_extra() && !self.powers.extras {
            return Err(Fail::Wrong(format!("{:?} is not a defined function", function.name())));
        }
        if let Some(message) = function.arity_error(operands.len() + usize::from(last.is_some())) {
            return Err(Fail::Wrong(message));
        }
        if matches!(function, Function::And | Function::Or) {
            return self.and_or(dot, function, operands, last);
        }
        let mut arguments = Vec::with_capacity(operands.len() + 1);
        for operand in operands {
            let is_nil = matches!(operand.term, Term::Nil);
            if is_nil && function.wants_text(arguments.len()) {
                return Err(Fail::Wrong("cannot assign nil to string".to_owned()));
            }
            arguments.push(self.operand(dot, operand)?);
        }
        arguments.extend(last);
        for (at, argument) in arguments.iter().enumerate() {
            if function.wants_text(at) && !matches!(argument, Value::Text(_)) {
                let got = argument.type_name();
                return Err(Fail::Wrong(format!("wrong type for value; expected string; got {got}")));
            }
        }
        self.spot = spot;
        self.apply(function, &arguments).map_err(|fail| match fail {
            Fail::Wrong(message) => Fail::Wrong(format!("error calling {}: {message}", function.name())),
            other => other,
        })
    }

    /// `and` and `or` stop at the first argument that decides.
    fn and_or(&mut self, dot: &Value, function: Function, operands: &'t [Operand], last: Option<Value>) -> Done<Value> {
        let mut value = Value::Invalid;
        for operand in operands {
            value = self.operand(dot, operand)?;
            if value.truth() == (function == Function::Or) {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    fn apply(&mut self, function: Function, arguments: &[Value]) -> Done<Value> {
        let first = arguments.first().unwrap_or(&Value::Invalid);
        let rest = arguments.get(1..).unwrap_or_default();
        match function {
            Function::And | Function::Or => Ok(first.clone()),
            Function::Not => Ok(Value::Bool(!first.truth())),
            Function::Call if first.is_nothing() => Err(Fail::Wrong("call of nil".to_owned())),
            Function::Call => Err(Fail::Wrong(format!("non-function of type {}", first.type_name()))),
            Function::Index => builtins::index(first, rest),
            Function::Slice => builtins::slice(&mut self.budget, first, rest),
            Function::Len => builtins::len(first),
            Function::Eq | Function::Ne | Function::Lt | Function::Le | Function::Gt | Function::Ge => {
                self.comparison(function, first, rest).map(Value::Bool)
            }
            Function::Html => self.escaped(arguments, builtins::write_html),
            Function::Js => self.escaped(arguments, builtins::write_js),
            Function::UrlQuery => self.escaped(arguments, builtins::write_url_query),
            Function::Print => self.text(|sink| Printer::new(sink).all(arguments)),
            Function::Println => self.text(|sink| Printer::new(sink).line(arguments)),
            Function::Printf => match first {
                Value::Text(format) => self.text(|sink| Printer::new(sink).format(format, rest)),
                _ => Ok(Value::Invalid),
            },
            Function::Json => self.text(|sink| json::write(sink, first)),
            Function::CurrentDate => Ok(Value::text(&self.powers.dates.today)),
            Function::YesterdayDate => Ok(Value::text(&self.powers.dates.yesterday)),
            Function::ToTypeScriptType => self.text(|sink| builtins::write_typescript(sink, first)),
        }
    }

    fn text(&mut self, write: impl FnOnce(&mut Sink)) -> Done<Value> {
        Ok(Value::Text(self.budget.text(write)?))
    }

    fn escaped(&mut self, arguments: &[Value], write: fn(&mut Sink, &[u8])) -> Done<Value> {
        let text = self.budget.text(|sink| builtins::write_arguments(sink, arguments))?;
        self.text(|sink| write(sink, &text))
    }

    fn comparison(&mut self, function: Function, first: &Value, rest: &[Value]) -> Done<bool> {
        let other = rest.first().unwrap_or(&Value::Invalid);
        match function {
            Function::Eq => compare::equal(&mut self.budget, first, rest),
            Function::Ne => Ok(!compare::equal(&mut self.budget, first, rest)?),
            _ => {
                // As in Go, `gt` is not `le` and `ge` is not `lt`, which shows beside a NaN.
                let order = compare::order(&mut self.budget, first, other)?;
                let (less, equal) = (order == Some(Ordering::Less), order == Some(Ordering::Equal));
                Ok(match function {
                    Function::Lt => less,
                    Function::Le => less || equal,
                    Function::Gt => !(less || equal),
                    _ => !less,
                })
            }
        }
    }
}

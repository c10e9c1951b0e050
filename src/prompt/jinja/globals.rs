//! The functions that templates may call, and the tests behind `is`.

use super::exec::{Given, Machine};
use super::tree::Comparison;
use super::value::{Fault, Heap, Outcome, Value, fail};

/// Longest text of `strftime_now`'s format.
const FORMAT_BYTES: usize = 1024;

const FUNCTIONS: &[&str] = &["range", "namespace", "dict", "raise_exception", "strftime_now"];

/// The function of that name.
pub(super) fn named(name: &str) -> Option<Value> {
    FUNCTIONS.iter().find(|function| **function == name).map(|function| Value::Function(function))
}

impl Machine<'_> {
    pub(super) fn function(&mut self, name: &str, given: &Given) -> Outcome<Value> {
        let arguments = &given.positional[..];
        match (name, arguments) {
            ("range", _) => self.range(arguments),
            ("namespace", _) => self.dict_from(given).map(Value::Namespace),
            ("dict", _) => self.dict_from(given).map(Value::Dict),
            ("raise_exception", [message]) => Err(Fault::Raised(self.heap.print(message)?)),
            ("strftime_now", [Value::Str(format)]) if format.len() <= FORMAT_BYTES => {
                match jiff::fmt::strtime::format(&**format, self.now) {
                    Ok(text) => self.heap.text(&text),
                    Err(error) => fail(error.to_string()),
                }
            }
            _ => fail(format!("bad arguments for {name}")),
        }
    }

    fn range(&mut self, arguments: &[Value]) -> Outcome<Value> {
        let numbers = arguments.iter().map(Value::int).collect::<Outcome<Vec<_>>>()?;
        let (start, stop, step) = match numbers[..] {
            [stop] => (0, stop, 1),
            [start, stop] => (start, stop, 1),
            [start, stop, step] if step != 0 => (start, stop, step),
            _ => return fail("bad arguments for range"),
        };
        let distance = if step > 0 { stop.saturating_sub(start) } else { start.saturating_sub(stop) }.max(0);
        let count = distance.unsigned_abs().div_ceil(step.unsigned_abs());
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        self.heap.pay_items(count)?;
        let items = (0..count as i128).map(|at| Value::Int(start.saturating_add(at.saturating_mul(step)))).collect();
        self.heap.list(items)
    }
}

impl Heap {
    /// The test `name` of a value.
    pub(super) fn test(&self, name: &str, value: &Value, arguments: &[Value]) -> Outcome<bool> {
        let comparison = match name {
            "eq" | "equalto" | "==" => Some(Comparison::Equal),
            "ne" | "!=" => Some(Comparison::NotEqual),
            "lt" | "lessthan" | "<" => Some(Comparison::Less),
            "le" | "<=" => Some(Comparison::LessOrEqual),
            "gt" | "greaterthan" | ">" => Some(Comparison::Greater),
            "ge" | ">=" => Some(Comparison::GreaterOrEqual),
            "in" => Some(Comparison::In),
            _ => None,
        };
        match (comparison, arguments) {
            (Some(comparison), [other]) => return self.holds(comparison, value, other),
            (Some(_), _) => return fail(format!("the test {name} needs one argument")),
            _ => {}
        }
        Ok(match (name, value) {
            ("defined", value) => !matches!(value, Value::Undefined),
            ("undefined", value) => matches!(value, Value::Undefined),
            ("none", value) => matches!(value, Value::None),
            ("boolean", value) => matches!(value, Value::Bool(_)),
            ("true", value) => matches!(value, Value::Bool(true)),
            ("false", value) => matches!(value, Value::Bool(false)),
            ("integer", value) => matches!(value, Value::Int(_)),
            ("float", value) => matches!(value, Value::Float(_)),
            ("number", value) => value.number().is_some(),
            ("string", value) => matches!(value, Value::Str(_)),
            ("mapping", value) => matches!(value, Value::Dict(_) | Value::Namespace(_)),
            ("sequence" | "iterable", value) => {
                matches!(value, Value::Str(_) | Value::List(_) | Value::Tuple(_) | Value::Dict(_) | Value::Undefined)
            }
            ("callable", value) => matches!(value, Value::Macro(_) | Value::Function(_)),
            ("escaped", _) => false,
            ("lower", Value::Str(text)) => **text == text.to_lowercase(),
            ("upper", Value::Str(text)) => **text == text.to_uppercase(),
            ("odd", value) => value.int()? & 1 == 1,
            ("even", value) => value.int()? & 1 == 0,
            ("divisibleby", value) => match (value.int()?, arguments) {
                (number, [by]) if by.int()? != 0 => number.checked_rem(by.int()?) == Some(0),
                _ => return fail("bad arguments for divisibleby"),
            },
            ("sameas", value) => match (value, arguments) {
                (Value::List(left), [Value::List(right)]) | (Value::Dict(left), [Value::Dict(right)]) => left == right,
                (value, [other]) => value.kind() == other.kind() && self.equal(value, other)?,
                _ => return fail("bad arguments for sameas"),
            },
            ("filter", Value::Str(name)) => super::filters::FILTERS.contains(&&**name),
            ("test", Value::Str(name)) => TESTS.contains(&&**name),
            _ => return fail(format!("there is no test {name:?} for {}", value.kind())),
        })
    }
}

const TESTS: &[&str] = &[
    "eq",
    "equalto",
    "ne",
    "lt",
    "lessthan",
    "le",
    "gt",
    "greaterthan",
    "ge",
    "in",
    "defined",
    "undefined",
    "none",
    "boolean",
    "true",
    "false",
    "integer",
    "float",
    "number",
    "string",
    "mapping",
    "sequence",
    "iterable",
    "callable",
    "escaped",
    "lower",
    "upper",
    "odd",
    "even",
    "divisibleby",
    "sameas",
    "filter",
    "test",
];

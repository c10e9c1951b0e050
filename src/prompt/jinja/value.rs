//! What expressions make: Python's values, and the heap that a rendering keeps them in.
//!
//! Lists and dictionaries are numbers of places in the heap, which goes all at once when the rendering ends. So a template
//! may tie them into knots or nest them without end: dropping them needs no recursion. Everything that does walk through
//! values counts its depth.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value as Json;

use crate::config::limits::{TEMPLATE_FUEL, TEMPLATE_VALUE_DEPTH_MAX, TEMPLATE_WORK_BYTES};

/// Why a rendering stops.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// `raise_exception` was called.
    Raised(String),
    /// [`TEMPLATE_FUEL`] is used up.
    TooManySteps,
    /// [`TEMPLATE_WORK_BYTES`] are used up.
    TooMuchWork,
    /// The prompt is too long.
    TooLong,
    /// Something else.
    Failed(String),
}

pub(super) type Outcome<T> = Result<T, Fault>;

/// A [`Fault::Failed`].
pub(super) fn fail<T>(what: impl Into<String>) -> Outcome<T> {
    Err(Fault::Failed(what.into()))
}

/// A value. Lists, tuples, dictionaries and namespaces lie in the heap.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Undefined,
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(Arc<str>),
    List(usize),
    Tuple(usize),
    Dict(usize),
    /// What `namespace()` makes: a dictionary whose entries can be set.
    Namespace(usize),
    /// The variable `loop`.
    Loop(usize),
    /// A macro that has been defined.
    Macro(usize),
    /// A function of ours, by its name.
    Function(&'static str),
}

impl Value {
    pub(super) fn str(text: &str) -> Self {
        Self::Str(text.into())
    }

    /// Python's name of its type.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Undefined => "undefined",
            Self::None => "none",
            Self::Bool(_) => "a boolean",
            Self::Int(_) | Self::Float(_) => "a number",
            Self::Str(_) => "a string",
            Self::List(_) => "a list",
            Self::Tuple(_) => "a tuple",
            Self::Dict(_) => "a dictionary",
            Self::Namespace(_) => "a namespace",
            Self::Loop(_) => "a loop",
            Self::Macro(_) | Self::Function(_) => "a function",
        }
    }

    /// Numbers as they calculate: booleans are 0 and 1.
    pub(super) fn number(&self) -> Option<Number> {
        match self {
            Self::Bool(yes) => Some(Number::Int(i128::from(*yes))),
            Self::Int(number) => Some(Number::Int(*number)),
            Self::Float(number) => Some(Number::Float(*number)),
            _ => None,
        }
    }

    pub(super) fn int(&self) -> Outcome<i128> {
        match self.number() {
            Some(Number::Int(number)) => Ok(number),
            _ => fail(format!("{} where an integer should be", self.kind())),
        }
    }
}

/// An integer or not.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Int(i128),
    Float(f64),
}

impl Number {
    pub(super) fn float(self) -> f64 {
        match self {
            Self::Int(number) => number as f64,
            Self::Float(number) => number,
        }
    }
}

/// A key of a dictionary. JSON has only texts; templates count with numbers too.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Key {
    Text(Arc<str>),
    Number(i128),
    None,
}

impl Key {
    pub(super) fn value(&self) -> Value {
        match self {
            Self::Text(text) => Value::Str(text.clone()),
            Self::Number(number) => Value::Int(*number),
            Self::None => Value::None,
        }
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

/// A dictionary in the order in which its keys came.
#[derive(Debug, Clone, Default)]
pub(super) struct Dict {
    entries: Vec<(Key, Value)>,
    places: HashMap<Key, usize>,
}

impl Dict {
    pub(super) fn get(&self, key: &Key) -> Option<&Value> {
        self.places.get(key).map(|place| &self.entries[*place].1)
    }

    pub(super) fn set(&mut self, key: Key, value: Value) {
        if let Some(place) = self.places.get(&key) {
            self.entries[*place].1 = value;
        } else {
            self.places.insert(key.clone(), self.entries.len());
            self.entries.push((key, value));
        }
    }

    pub(super) fn remove(&mut self, key: &Key) -> Option<Value> {
        let place = self.places.remove(key)?;
        for later in self.places.values_mut().filter(|later| **later > place) {
            *later -= 1;
        }
        Some(self.entries.remove(place).1)
    }

    pub(super) fn entries(&self) -> &[(Key, Value)] {
        &self.entries
    }
}

/// Bytes that an entry of a list costs, and of a dictionary.
const ITEM_BYTES: usize = size_of::<Value>();
const ENTRY_BYTES: usize = 4 * ITEM_BYTES;
/// Bytes of text that cost a step.
const STEP_BYTES: usize = 64;

/// All lists and dictionaries of a rendering, and what it may still use.
pub(super) struct Heap {
    lists: Vec<Vec<Value>>,
    dicts: Vec<Dict>,
    fuel: Cell<u64>,
    bytes: Cell<usize>,
}

impl Heap {
    pub(super) fn new() -> Self {
        Self::with(TEMPLATE_FUEL, TEMPLATE_WORK_BYTES)
    }

    /// A heap with bounds of its own.
    pub(super) fn with(fuel: u64, bytes: usize) -> Self {
        Self { lists: Vec::new(), dicts: Vec::new(), fuel: Cell::new(fuel), bytes: Cell::new(bytes) }
    }

    /// Takes that many steps.
    pub(super) fn spend(&self, steps: usize) -> Outcome<()> {
        self.fuel.set(self.fuel.get().checked_sub(steps as u64).ok_or(Fault::TooManySteps)?);
        Ok(())
    }

    /// Looks at that much text.
    pub(super) fn look_at(&self, bytes: usize) -> Outcome<()> {
        self.spend(bytes / STEP_BYTES)
    }

    /// Pays for memory, best before it is taken.
    pub(super) fn pay(&self, bytes: usize) -> Outcome<()> {
        self.bytes.set(self.bytes.get().checked_sub(bytes).ok_or(Fault::TooMuchWork)?);
        self.look_at(bytes)
    }

    /// Pays for `count` entries of a list.
    pub(super) fn pay_items(&self, count: usize) -> Outcome<()> {
        self.pay(count.saturating_mul(ITEM_BYTES))
    }

    /// A string that has been paid for.
    pub(super) fn text(&self, text: &str) -> Outcome<Value> {
        self.pay(text.len() + ITEM_BYTES)?;
        Ok(Value::str(text))
    }

    fn add_list(&mut self, items: Vec<Value>) -> Outcome<usize> {
        self.pay_items(items.len() + 1)?;
        self.lists.push(items);
        Ok(self.lists.len() - 1)
    }

    pub(super) fn list(&mut self, items: Vec<Value>) -> Outcome<Value> {
        self.add_list(items).map(Value::List)
    }

    pub(super) fn tuple(&mut self, items: Vec<Value>) -> Outcome<Value> {
        self.add_list(items).map(Value::Tuple)
    }

    pub(super) fn add_dict(&mut self, dict: Dict) -> Outcome<usize> {
        self.pay((dict.entries.len() + 1).saturating_mul(ENTRY_BYTES))?;
        self.dicts.push(dict);
        Ok(self.dicts.len() - 1)
    }

    pub(super) fn dict(&mut self, dict: Dict) -> Outcome<Value> {
        self.add_dict(dict).map(Value::Dict)
    }

    pub(super) fn items(&self, list: usize) -> &[Value] {
        &self.lists[list]
    }

    /// A list to change; what is added has to be paid for.
    pub(super) fn items_mut(&mut self, list: usize) -> &mut Vec<Value> {
        &mut self.lists[list]
    }

    pub(super) fn entries(&self, dict: usize) -> &Dict {
        &self.dicts[dict]
    }

    pub(super) fn set(&mut self, dict: usize, key: Key, value: Value) -> Outcome<()> {
        self.pay(ENTRY_BYTES)?;
        self.dicts[dict].set(key, value);
        Ok(())
    }

    pub(super) fn remove(&mut self, dict: usize, key: &Key) -> Outcome<Option<Value>> {
        self.spend(self.dicts[dict].entries.len())?;
        Ok(self.dicts[dict].remove(key))
    }

    /// The value that JSON stands for, at most as deep as the JSON reader allows.
    pub(super) fn load(&mut self, json: &Json) -> Outcome<Value> {
        Ok(match json {
            Json::Null => Value::None,
            Json::Bool(yes) => Value::Bool(*yes),
            Json::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(number), _) => Value::Int(number.into()),
                (_, Some(number)) => Value::Int(number.into()),
                _ => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Value::str(text),
            Json::Array(items) => {
                let items = items.iter().map(|item| self.load(item)).collect::<Outcome<_>>()?;
                self.list(items)?
            }
            Json::Object(entries) => {
                let mut dict = Dict::default();
                for (key, value) in entries {
                    dict.set(key.as_str().into(), self.load(value)?);
                }
                self.dict(dict)?
            }
        })
    }

    pub(super) fn is_true(&self, value: &Value) -> bool {
        match value {
            Value::Undefined | Value::None => false,
            Value::Bool(yes) => *yes,
            Value::Int(number) => *number != 0,
            Value::Float(number) => *number != 0.0,
            Value::Str(text) => !text.is_empty(),
            Value::List(list) | Value::Tuple(list) => !self.items(*list).is_empty(),
            Value::Dict(dict) => !self.entries(*dict).entries.is_empty(),
            _ => true,
        }
    }

    /// Python's `==`.
    pub(super) fn equal(&self, left: &Value, right: &Value) -> Outcome<bool> {
        self.equal_at(left, right, 0)
    }

    fn equal_at(&self, left: &Value, right: &Value, depth: usize) -> Outcome<bool> {
        self.spend(1)?;
        check_depth(depth)?;
        if let (Some(left), Some(right)) = (left.number(), right.number()) {
            return Ok(match (left, right) {
                (Number::Int(left), Number::Int(right)) => left == right,
                (left, right) => same_float(left.float(), right.float()),
            });
        }
        Ok(match (left, right) {
            (Value::Undefined, Value::Undefined) | (Value::None, Value::None) => true,
            (Value::Str(left), Value::Str(right)) => {
                self.look_at(left.len().min(right.len()))?;
                left == right
            }
            (Value::List(left), Value::List(right)) | (Value::Tuple(left), Value::Tuple(right)) => {
                let (left, right) = (self.items(*left), self.items(*right));
                if left.len() != right.len() {
                    return Ok(false);
                }
                for (left, right) in left.iter().zip(right) {
                    if !self.equal_at(left, right, depth + 1)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Value::Dict(left), Value::Dict(right)) => {
                let (left, right) = (self.entries(*left), self.entries(*right));
                if left.entries.len() != right.entries.len() {
                    return Ok(false);
                }
                for (key, left) in &left.entries {
                    let Some(right) = right.get(key) else { return Ok(false) };
                    if !self.equal_at(left, right, depth + 1)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Value::Namespace(left), Value::Namespace(right)) | (Value::Macro(left), Value::Macro(right)) => {
                left == right
            }
            (Value::Function(left), Value::Function(right)) => left == right,
            _ => false,
        })
    }
}

#[expect(clippy::float_cmp, reason = "Python compares them so")]
fn same_float(left: f64, right: f64) -> bool {
    left == right
}

/// Fails for values that are nested too deeply to be walked through.
pub(super) fn check_depth(depth: usize) -> Outcome<()> {
    if depth > TEMPLATE_VALUE_DEPTH_MAX {
        return fail(format!("a value is nested more than {TEMPLATE_VALUE_DEPTH_MAX} levels deep"));
    }
    Ok(())
}

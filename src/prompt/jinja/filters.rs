//! The filters of Jinja, and `tojson` and `from_json`.

use std::sync::Arc;

use super::exec::{Given, Machine};
use super::print::Style;
use super::value::{Heap, Number, Outcome, Value, fail};

/// All names.
pub(super) const FILTERS: &[&str] = &[
    "abs",
    "attr",
    "batch",
    "capitalize",
    "count",
    "d",
    "default",
    "dictsort",
    "e",
    "escape",
    "first",
    "float",
    "format",
    "from_json",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "rejectattr",
    "replace",
    "reverse",
    "round",
    "safe",
    "select",
    "selectattr",
    "sort",
    "string",
    "sum",
    "title",
    "tojson",
    "trim",
    "unique",
    "upper",
    "wordcount",
];

/// Widest indent of `tojson` and `indent`: the spaces of a deep value would outgrow the value itself by far.
const INDENT_MAX: i128 = 32;

impl Given {
    /// The argument at a place or of a name.
    pub(super) fn argument(&self, place: usize, name: &str) -> Option<&Value> {
        let named = || self.named.iter().find(|(known, _)| &**known == name).map(|(_, value)| value);
        self.positional.get(place).or_else(named)
    }

    fn flag(&self, heap: &Heap, place: usize, name: &str) -> bool {
        self.argument(place, name).is_some_and(|value| heap.is_true(value))
    }
}

impl Machine<'_> {
    /// `value | name(given)`.
    pub(super) fn filter(&mut self, name: &str, value: &Value, given: &Given) -> Outcome<Value> {
        self.heap.spend(1)?;
        match (name, value) {
            ("default" | "d", _) => Ok(self.default(value, given)),
            ("tojson", _) => self.tojson(value, given),
            ("from_json", Value::Str(text)) => self.loaded(text),
            ("string" | "safe", Value::Str(_)) => Ok(value.clone()),
            ("string" | "safe", _) => {
                let text = self.heap.print(value)?;
                self.heap.text(&text)
            }
            ("length" | "count", _) => self.heap.length(value),
            ("abs" | "round" | "int" | "float", _) => number_filter(name, value, given),
            ("attr", _) => match given.argument(0, "name") {
                Some(Value::Str(name)) => self.heap.path(value, name),
                _ => fail("attr needs a name"),
            },
            ("items", Value::Undefined) => self.heap.list(Vec::new()),
            ("items", Value::Dict(_)) => self.method_or_fail(value, "items", given),
            ("dictsort", Value::Dict(dict)) => self.dictsort(*dict, given),
            ("join", _) => self.join(value, given),
            ("map", _) => self.map(value, given),
            ("select" | "reject", _) => self.select(value, given, name == "select", false),
            ("selectattr" | "rejectattr", _) => self.select(value, given, name == "selectattr", true),
            ("indent" | "e" | "escape" | "wordcount" | "format", _) => self.text_filter(name, value, given),
            ("reverse", Value::Str(text)) => {
                self.heap.look_at(text.len())?;
                let reversed: String = text.chars().rev().collect();
                self.heap.text(&reversed)
            }
            ("trim" | "lower" | "upper" | "title" | "capitalize" | "replace", _) => {
                let text = self.heap.print(value)?;
                let method = if name == "trim" { "strip" } else { name };
                self.method_or_fail(&Value::Str(text.into()), method, given)
            }
            _ => self.list_filter(name, value, given),
        }
    }

    fn method_or_fail(&mut self, value: &Value, name: &str, given: &Given) -> Outcome<Value> {
        let result = self.method(value, name, given)?;
        result.map_or_else(|| fail(format!("{} has no filter {name:?}", value.kind())), Ok)
    }

    fn default(&self, value: &Value, given: &Given) -> Value {
        let missing =
            matches!(value, Value::Undefined) || (given.flag(&self.heap, 1, "boolean") && !self.heap.is_true(value));
        if missing {
            given.argument(0, "default_value").cloned().unwrap_or_else(|| Value::str(""))
        } else {
            value.clone()
        }
    }

    /// `tojson(indent=None, ensure_ascii=False, separators=None, sort_keys=False)`.
    fn tojson(&mut self, value: &Value, given: &Given) -> Outcome<Value> {
        let indent = match given.argument(1, "indent").or(given.positional.first()) {
            None | Some(Value::None | Value::Undefined | Value::Bool(_)) => None,
            Some(spaces) => match spaces.int()? {
                spaces @ 0..=INDENT_MAX => Some(spaces as usize),
                _ => return fail("tojson takes an indent of 32 at most"),
            },
        };
        let mut style = Style::new(indent);
        style.ascii = given.flag(&self.heap, usize::MAX, "ensure_ascii");
        style.sort_keys = given.flag(&self.heap, usize::MAX, "sort_keys");
        match given.argument(usize::MAX, "separators") {
            None | Some(Value::None) => {}
            Some(Value::List(list) | Value::Tuple(list)) => match self.heap.items(*list) {
                [Value::Str(between_items), Value::Str(after_key)] => {
                    style.between_items = between_items.to_string();
                    style.after_key = after_key.to_string();
                }
                _ => return fail("tojson takes two separators"),
            },
            Some(_) => return fail("tojson takes two separators"),
        }
        let json = self.heap.json(value, &style)?;
        self.heap.text(&json)
    }

    fn loaded(&mut self, text: &str) -> Outcome<Value> {
        self.heap.pay(text.len().saturating_mul(size_of::<Value>()))?;
        match serde_json::from_str(text) {
            Ok(json) => self.heap.load(&json),
            Err(error) => fail(format!("from_json: {error}")),
        }
    }

    fn dictsort(&mut self, dict: usize, given: &Given) -> Outcome<Value> {
        let by_value = matches!(given.argument(1, "by"), Some(Value::Str(by)) if &**by == "value");
        let entries = self.heap.entries(dict).entries().to_vec();
        let mut keyed = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let key = key.value();
            let sort_by = if by_value { value.clone() } else { key.clone() };
            keyed.push((sort_by, self.heap.tuple(vec![key, value])?));
        }
        let sorted = self.heap.sorted(keyed, given.flag(&self.heap, 2, "reverse"))?;
        self.heap.list(sorted)
    }

    fn join(&mut self, value: &Value, given: &Given) -> Outcome<Value> {
        let between = given.argument(0, "d").map_or(Ok(String::new()), |between| self.heap.print(between))?;
        let mut text = String::new();
        for (at, item) in self.heap.iterate(value)?.iter().enumerate() {
            let item = match given.argument(1, "attribute") {
                Some(Value::Str(path)) => self.heap.path(item, path)?,
                _ => item.clone(),
            };
            if at > 0 {
                self.heap.pay(between.len())?;
                text.push_str(&between);
            }
            text.push_str(&self.heap.print(&item)?);
        }
        self.heap.text(&text)
    }

    /// `map(attribute="a", default=…)`, or `map("filter", …)`.
    fn map(&mut self, value: &Value, given: &Given) -> Outcome<Value> {
        let mut mapped = Vec::new();
        let attribute = given.argument(usize::MAX, "attribute").cloned();
        let inner =
            Given { positional: given.positional.iter().skip(1).cloned().collect(), named: given.named.clone() };
        for item in self.heap.iterate(value)? {
            mapped.push(match (&attribute, given.positional.first()) {
                (Some(path), _) => match (self.heap.path_of(&item, path)?, given.argument(usize::MAX, "default")) {
                    (Value::Undefined, Some(default)) => default.clone(),
                    (found, _) => found,
                },
                (None, Some(Value::Str(filter))) => self.deeper(|machine| machine.filter(filter, &item, &inner))?,
                _ => return fail("map needs an attribute or a filter"),
            });
        }
        self.heap.list(mapped)
    }

    fn select(&mut self, value: &Value, given: &Given, keep: bool, by_attribute: bool) -> Outcome<Value> {
        let mut arguments = given.positional.iter();
        let path = if by_attribute { arguments.next() } else { None };
        let test = arguments.next();
        let rest: Vec<_> = arguments.cloned().collect();
        let mut kept = Vec::new();
        for item in self.heap.iterate(value)? {
            let tested = match path {
                Some(path) => self.heap.path_of(&item, path)?,
                None if by_attribute => return fail("an attribute is missing"),
                None => item.clone(),
            };
            let holds = match test {
                Some(Value::Str(test)) => self.heap.test(test, &tested, &rest)?,
                Some(_) => return fail("the name of a test is missing"),
                None => self.heap.is_true(&tested),
            };
            if holds == keep {
                kept.push(item);
            }
        }
        self.heap.list(kept)
    }

    fn text_filter(&mut self, name: &str, value: &Value, given: &Given) -> Outcome<Value> {
        let text = self.heap.print(value)?;
        match name {
            "indent" => {
                let indent = match given.argument(0, "width") {
                    None => "    ".to_owned(),
                    Some(Value::Str(text)) => text.to_string(),
                    Some(width) => match width.int()? {
                        width @ 0..=INDENT_MAX => " ".repeat(width as usize),
                        _ => return fail("indent takes a width of 32 at most"),
                    },
                };
                let (first, blank) = (given.flag(&self.heap, 1, "first"), given.flag(&self.heap, 2, "blank"));
                self.heap.pay(indent.len().saturating_mul(text.matches('\n').count() + 1))?;
                let mut out = String::new();
                for (at, line) in text.split('\n').enumerate() {
                    out.push_str(if at == 0 { "" } else { "\n" });
                    out.push_str(if (at > 0 || first) && (blank || at == 0 || !line.is_empty()) {
                        &indent
                    } else {
                        ""
                    });
                    out.push_str(line);
                }
                self.heap.text(&out)
            }
            "wordcount" => Ok(Value::Int(text.split_whitespace().count() as i128)),
            "format" => self.heap.percent_format(&text, &given.positional),
            _ => {
                self.heap.pay(text.len() * 5)?;
                let escaped = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                self.heap.text(&escaped.replace('\'', "&#39;").replace('"', "&#34;"))
            }
        }
    }

    fn list_filter(&mut self, name: &str, value: &Value, given: &Given) -> Outcome<Value> {
        let mut items = self.heap.iterate(value)?;
        match name {
            "list" => {}
            "first" => return Ok(items.first().cloned().unwrap_or(Value::Undefined)),
            "last" => return Ok(items.last().cloned().unwrap_or(Value::Undefined)),
            "reverse" => items.reverse(),
            "sort" => {
                let keyed = self.keyed(items, given.argument(2, "attribute"))?;
                items = self.heap.sorted(keyed, given.flag(&self.heap, 0, "reverse"))?;
            }
            "min" | "max" => {
                let keyed = self.keyed(items, given.argument(1, "attribute"))?;
                let sorted = self.heap.sorted(keyed, name == "max")?;
                return Ok(sorted.into_iter().next().unwrap_or(Value::Undefined));
            }
            "unique" => {
                let mut seen = Vec::new();
                let mut kept = Vec::new();
                for (key, item) in self.keyed(items, given.argument(1, "attribute"))? {
                    let key = self.heap.folded(key, given.flag(&self.heap, 0, "case_sensitive"))?;
                    if !self.heap.any_equal(&seen, &key)? {
                        seen.push(key);
                        kept.push(item);
                    }
                }
                items = kept;
            }
            "sum" => {
                let mut sum = given.argument(1, "start").cloned().unwrap_or(Value::Int(0));
                for (key, _) in self.keyed(items, given.argument(0, "attribute"))? {
                    sum = self.binary(super::tree::Operator::Add, &sum, &key)?;
                }
                return Ok(sum);
            }
            "batch" => return self.batch(&items, given),
            "groupby" => return self.group(items, given),
            _ => return fail(format!("there is no filter {name:?} for {}", value.kind())),
        }
        self.heap.list(items)
    }

    /// Items with what they are sorted by.
    fn keyed(&mut self, items: Vec<Value>, path: Option<&Value>) -> Outcome<Vec<(Value, Value)>> {
        self.heap.pay_items(2 * items.len())?;
        let key = |item: Value| match path {
            Some(path) => Ok((self.heap.path_of(&item, path)?, item)),
            None => Ok((item.clone(), item)),
        };
        items.into_iter().map(key).collect()
    }

    fn batch(&mut self, items: &[Value], given: &Given) -> Outcome<Value> {
        let size = given.argument(0, "linecount").map_or(Ok(0), Value::int)?;
        let Ok(size @ 1..) = usize::try_from(size) else { return fail("batch needs a size") };
        let mut batches = Vec::new();
        for batch in items.chunks(size) {
            let mut batch = batch.to_vec();
            if let Some(fill) = given.argument(1, "fill_with") {
                self.heap.pay_items(size)?;
                batch.resize(size, fill.clone());
            }
            batches.push(self.heap.list(batch)?);
        }
        self.heap.list(batches)
    }

    fn group(&mut self, items: Vec<Value>, given: &Given) -> Outcome<Value> {
        let Some(path) = given.argument(0, "attribute") else { return fail("groupby needs an attribute") };
        let keyed = self.keyed(items, Some(path))?;
        let pairs = keyed.into_iter().map(|(key, item)| Ok((key.clone(), self.heap.tuple(vec![key, item])?)));
        let pairs = pairs.collect::<Outcome<Vec<_>>>()?;
        let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
        for pair in self.heap.sorted(pairs, false)? {
            let [key, item] = &self.heap.iterate(&pair)?[..] else { continue };
            match groups.last_mut() {
                Some((last, group)) if self.heap.equal(last, key)? => group.push(item.clone()),
                _ => groups.push((key.clone(), vec![item.clone()])),
            }
        }
        let mut out = Vec::new();
        for (key, group) in groups {
            let group = self.heap.list(group)?;
            out.push(self.heap.tuple(vec![key, group])?);
        }
        self.heap.list(out)
    }
}

impl Heap {
    pub(super) fn length(&self, value: &Value) -> Outcome<Value> {
        let length = match value {
            Value::Undefined => 0,
            Value::Str(text) => {
                self.look_at(text.len())?;
                text.chars().count()
            }
            Value::List(list) | Value::Tuple(list) => self.items(*list).len(),
            Value::Dict(dict) | Value::Namespace(dict) => self.entries(*dict).entries().len(),
            other => return fail(format!("{} has no length", other.kind())),
        };
        Ok(Value::Int(length as i128))
    }

    /// An attribute by a path with dots; numbers in it are places.
    fn path(&self, value: &Value, path: &str) -> Outcome<Value> {
        let mut value = value.clone();
        for part in path.split('.') {
            self.spend(1)?;
            let index = part.parse().map_or_else(|_| Value::str(part), Value::Int);
            value = match (&value, &index) {
                (Value::Undefined, _) => return Ok(Value::Undefined),
                (Value::List(_) | Value::Tuple(_) | Value::Str(_), Value::Str(_)) => Value::Undefined,
                (Value::Dict(_) | Value::Namespace(_), _) => self.item(&value, &Value::str(part))?,
                _ => self.item(&value, &index)?,
            };
        }
        Ok(value)
    }

    fn path_of(&self, value: &Value, path: &Value) -> Outcome<Value> {
        match path {
            Value::Str(path) => self.path(value, path),
            place => self.item(value, place),
        }
    }

    /// Strings in lower case where case does not count.
    fn folded(&self, key: Value, case_sensitive: bool) -> Outcome<Value> {
        match key {
            Value::Str(text) if !case_sensitive => self.text(&text.to_lowercase()),
            key => Ok(key),
        }
    }

    fn any_equal(&self, seen: &[Value], value: &Value) -> Outcome<bool> {
        for known in seen {
            if self.equal(known, value)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Items ordered by their keys, equal ones as they came. Case always counts, as in llama.cpp: with Jinja's default it
    /// would not.
    fn sorted(&self, mut keyed: Vec<(Value, Value)>, reverse: bool) -> Outcome<Vec<Value>> {
        let mut fault = None;
        keyed.sort_by(|(left, _), (right, _)| {
            let order = self.order(left, right).unwrap_or_else(|reason| {
                fault.get_or_insert(reason);
                std::cmp::Ordering::Equal
            });
            if reverse { order.reverse() } else { order }
        });
        match fault {
            Some(fault) => Err(fault),
            None => Ok(keyed.into_iter().map(|(_, item)| item).collect()),
        }
    }
}

fn number_filter(name: &str, value: &Value, given: &Given) -> Outcome<Value> {
    let parsed = match value {
        Value::Str(text) if matches!(name, "int" | "float") => parsed_number(text),
        value => value.number(),
    };
    Ok(match (name, parsed) {
        ("int", Some(Number::Int(number))) => Value::Int(number),
        ("int", Some(Number::Float(number))) if number.is_finite() => Value::Int(number as i128),
        ("float", Some(number)) => Value::Float(number.float()),
        ("abs", Some(Number::Int(number))) => Value::Int(number.saturating_abs()),
        ("abs", Some(Number::Float(number))) => Value::Float(number.abs()),
        ("int", _) => given.argument(0, "default").cloned().unwrap_or(Value::Int(0)),
        ("float", None) => given.argument(0, "default").cloned().unwrap_or(Value::Float(0.0)),
        ("round", Some(number)) => {
            let digits = given.argument(0, "precision").map_or(Ok(0), Value::int)?.clamp(-300, 300) as i32;
            let scale = 10_f64.powi(digits);
            let scaled = number.float() * scale;
            let rounded = match given.argument(1, "method") {
                Some(Value::Str(method)) if &**method == "ceil" => scaled.ceil(),
                Some(Value::Str(method)) if &**method == "floor" => scaled.floor(),
                _ => scaled.round_ties_even(),
            };
            Value::Float(rounded / scale)
        }
        _ => return fail(format!("{name} of {}", value.kind())),
    })
}

fn parsed_number(text: &Arc<str>) -> Option<Number> {
    let text = text.trim();
    text.parse().map(Number::Int).ok().or_else(|| text.parse().map(Number::Float).ok())
}

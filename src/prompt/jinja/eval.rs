//! Evaluates expressions, as Python would.

use std::sync::Arc;

use super::exec::Machine;
use super::tree::{Arguments, Comparison, Expr, Operator};
use super::value::{Dict, Heap, Key, Number, Outcome, Value, fail};

impl<'t> Machine<'t> {
    /// The value of an expression.
    pub(super) fn evaluate(&mut self, expr: &'t Expr) -> Outcome<Value> {
        self.heap.spend(1)?;
        match expr {
            Expr::Literal(value) => Ok(value.clone()),
            Expr::Name(name) => {
                Ok(self.variable(name).or_else(|| super::globals::named(name)).unwrap_or(Value::Undefined))
            }
            _ => self.deeper(|machine| machine.evaluate_deep(expr)),
        }
    }

    fn evaluate_deep(&mut self, expr: &'t Expr) -> Outcome<Value> {
        match expr {
            Expr::Literal(_) | Expr::Name(_) => self.evaluate(expr),
            Expr::List(items) => {
                let items = self.evaluate_all(items)?;
                self.heap.list(items)
            }
            Expr::Tuple(items) => {
                let items = self.evaluate_all(items)?;
                self.heap.tuple(items)
            }
            Expr::Dict(entries) => self.dictionary(entries),
            Expr::Attribute(value, name) => {
                let value = self.evaluate(value)?;
                self.attribute(&value, name)
            }
            Expr::Item(value, index) => {
                let value = self.evaluate(value)?;
                let index = self.evaluate(index)?;
                self.heap.item(&value, &index)
            }
            Expr::Slice(value, parts) => self.slice(value, parts),
            Expr::Call(callee, arguments) => self.call(callee, arguments),
            Expr::Filter(value, filter) => {
                let value = self.evaluate(value)?;
                let given = self.given(&filter.arguments)?;
                self.filter(&filter.name, &value, &given)
            }
            Expr::Test(value, test) => {
                let value = self.evaluate(value)?;
                let given = self.given(&test.arguments)?;
                self.heap.test(&test.name, &value, &given.positional).map(Value::Bool)
            }
            Expr::Not(value) => {
                let value = self.evaluate(value)?;
                Ok(Value::Bool(!self.heap.is_true(&value)))
            }
            Expr::Negative(value) => match self.evaluate(value)?.number() {
                Some(Number::Int(number)) => {
                    number.checked_neg().map_or_else(|| fail("a number is too large"), |number| Ok(Value::Int(number)))
                }
                Some(Number::Float(number)) => Ok(Value::Float(-number)),
                None => fail("only numbers have a sign"),
            },
            Expr::And(left, right) | Expr::Or(left, right) => {
                let left = self.evaluate(left)?;
                if self.heap.is_true(&left) == matches!(expr, Expr::And(..)) { self.evaluate(right) } else { Ok(left) }
            }
            Expr::Binary(operator, left, right) => {
                let left = self.evaluate(left)?;
                let right = self.evaluate(right)?;
                self.binary(*operator, &left, &right)
            }
            Expr::Compare(first, others) => self.compare(first, others),
            Expr::Choice(condition, value, otherwise) => {
                let condition = self.evaluate(condition)?;
                match otherwise {
                    _ if self.heap.is_true(&condition) => self.evaluate(value),
                    Some(otherwise) => self.evaluate(otherwise),
                    None => Ok(Value::Undefined),
                }
            }
        }
    }

    fn evaluate_all(&mut self, items: &'t [Expr]) -> Outcome<Vec<Value>> {
        items.iter().map(|item| self.evaluate(item)).collect()
    }

    fn dictionary(&mut self, entries: &'t [(Expr, Expr)]) -> Outcome<Value> {
        let mut dict = Dict::default();
        for (key, value) in entries {
            let key = self.evaluate(key)?;
            let key = self.heap.key(&key)?;
            dict.set(key, self.evaluate(value)?);
        }
        self.heap.dict(dict)
    }

    fn attribute(&mut self, value: &Value, name: &Arc<str>) -> Outcome<Value> {
        match value {
            Value::Dict(dict) | Value::Namespace(dict) => {
                Ok(self.heap.entries(*dict).get(&Key::Text(name.clone())).cloned().unwrap_or(Value::Undefined))
            }
            Value::Loop(turn) => self.loop_attribute(*turn, name),
            Value::Macro(_) if &**name == "name" => Ok(Value::Undefined),
            _ => Ok(Value::Undefined),
        }
    }

    fn loop_attribute(&self, turn: usize, name: &str) -> Outcome<Value> {
        let turn = &self.turns[turn];
        let items = self.heap.items(turn.items);
        let count = |number: usize| Ok(Value::Int(number as i128));
        match name {
            "index" => count(turn.index + 1),
            "index0" => count(turn.index),
            "revindex" => count(items.len() - turn.index),
            "revindex0" => count(items.len() - turn.index - 1),
            "first" => Ok(Value::Bool(turn.index == 0)),
            "last" => Ok(Value::Bool(turn.index + 1 == items.len())),
            "length" => count(items.len()),
            "depth" => count(1),
            "depth0" => count(0),
            "previtem" => {
                Ok(turn.index.checked_sub(1).and_then(|at| items.get(at)).cloned().unwrap_or(Value::Undefined))
            }
            "nextitem" => Ok(items.get(turn.index + 1).cloned().unwrap_or(Value::Undefined)),
            _ => Ok(Value::Undefined),
        }
    }

    fn call(&mut self, callee: &'t Expr, arguments: &'t Arguments) -> Outcome<Value> {
        if let Expr::Attribute(value, name) = callee {
            let value = self.evaluate(value)?;
            let given = self.given(arguments)?;
            if let Value::Loop(turn) = value {
                let items = given.positional.len();
                return match (&**name, self.turns[turn].index.checked_rem(items)) {
                    ("cycle", Some(at)) => Ok(given.positional[at].clone()),
                    _ => fail(format!("loops have no method {name:?}")),
                };
            }
            if let Some(result) = self.method(&value, name, &given)? {
                return Ok(result);
            }
            let function = self.attribute(&value, name)?;
            if matches!(function, Value::Macro(_) | Value::Function(_)) {
                return self.call_value(&function, given);
            }
            return fail(format!("{} has no method {name:?}", value.kind()));
        }
        let function = self.evaluate(callee)?;
        let given = self.given(arguments)?;
        if matches!(function, Value::Undefined) {
            return match callee {
                Expr::Name(name) => fail(format!("{name:?} is undefined")),
                _ => fail("what is undefined cannot be called"),
            };
        }
        self.call_value(&function, given)
    }

    fn call_value(&mut self, function: &Value, given: super::exec::Given) -> Outcome<Value> {
        match function {
            Value::Macro(place) => self.call_macro(*place, given, None),
            Value::Function(name) => self.function(name, &given),
            other => fail(format!("{} cannot be called", other.kind())),
        }
    }

    fn slice(&mut self, value: &'t Expr, parts: &'t [Option<Expr>; 3]) -> Outcome<Value> {
        let value = self.evaluate(value)?;
        let mut bounds = [None; 3];
        for (bound, part) in bounds.iter_mut().zip(parts) {
            if let Some(part) = part {
                let part = self.evaluate(part)?;
                *bound = if matches!(part, Value::None) { None } else { Some(part.int()?) };
            }
        }
        match &value {
            Value::Str(text) => {
                self.heap.pay(text.len() * size_of::<char>())?;
                let characters: Vec<char> = text.chars().collect();
                let kept: String = sliced(characters.len(), bounds)?.into_iter().map(|at| characters[at]).collect();
                self.heap.text(&kept)
            }
            Value::List(list) | Value::Tuple(list) => {
                let items = self.heap.items(*list);
                self.heap.pay_items(items.len())?;
                let kept = sliced(items.len(), bounds)?.into_iter().map(|at| items[at].clone()).collect();
                if matches!(value, Value::List(_)) { self.heap.list(kept) } else { self.heap.tuple(kept) }
            }
            Value::Undefined => self.heap.list(Vec::new()),
            other => fail(format!("{} has no slices", other.kind())),
        }
    }

    fn compare(&mut self, first: &'t Expr, others: &'t [(Comparison, Expr)]) -> Outcome<Value> {
        let mut left = self.evaluate(first)?;
        for (comparison, right) in others {
            let right = self.evaluate(right)?;
            if !self.heap.holds(*comparison, &left, &right)? {
                return Ok(Value::Bool(false));
            }
            left = right;
        }
        Ok(Value::Bool(true))
    }

    pub(super) fn binary(&mut self, operator: Operator, left: &Value, right: &Value) -> Outcome<Value> {
        if operator == Operator::Concatenate {
            let mut text = String::new();
            for side in [left, right].into_iter().filter(|side| !matches!(side, Value::None)) {
                text.push_str(&self.heap.print(side)?);
            }
            return self.heap.text(&text);
        }
        if let (Some(left), Some(right)) = (left.number(), right.number()) {
            return calculate(operator, left, right);
        }
        match (operator, left, right) {
            (Operator::Add, Value::Str(left), Value::Str(right)) => {
                self.heap.pay(left.len() + right.len())?;
                Ok(Value::str(&[&**left, &**right].concat()))
            }
            // What is undefined adds nothing, as in llama.cpp; templates forget to ask.
            (Operator::Add, Value::Str(_), Value::Undefined) => Ok(left.clone()),
            (Operator::Add, Value::Undefined, Value::Str(_)) => Ok(right.clone()),
            (Operator::Add, Value::List(one), Value::List(other))
            | (Operator::Add, Value::Tuple(one), Value::Tuple(other)) => {
                let items = [self.heap.items(*one), self.heap.items(*other)];
                self.heap.pay_items(items[0].len() + items[1].len())?;
                let items = items.concat();
                if matches!(left, Value::List(_)) { self.heap.list(items) } else { self.heap.tuple(items) }
            }
            (Operator::Multiply, Value::Str(text), count) | (Operator::Multiply, count, Value::Str(text)) => {
                let count = usize::try_from(count.int()?.max(0)).unwrap_or(usize::MAX);
                self.heap.pay(text.len().saturating_mul(count))?;
                Ok(Value::str(&text.repeat(count)))
            }
            (Operator::Multiply, Value::List(list), count) | (Operator::Multiply, count, Value::List(list)) => {
                let count = usize::try_from(count.int()?.max(0)).unwrap_or(usize::MAX);
                let items = self.heap.items(*list);
                self.heap.pay_items(items.len().saturating_mul(count))?;
                // Nothing times anything is nothing, but takes its time.
                let count = if items.is_empty() { 0 } else { count };
                let items = std::iter::repeat_n(items, count).flatten().cloned().collect();
                self.heap.list(items)
            }
            (Operator::Modulo, Value::Str(text), values) => {
                let values = match values {
                    Value::Tuple(list) => self.heap.items(*list).to_vec(),
                    value => vec![value.clone()],
                };
                self.heap.percent_format(text, &values)
            }
            _ => fail(format!("{operator:?} of {} and {}", left.kind(), right.kind())),
        }
    }
}

impl Heap {
    /// A key of a dictionary.
    pub(super) fn key(&self, value: &Value) -> Outcome<Key> {
        match (value, value.number()) {
            (Value::Str(text), _) => {
                self.look_at(text.len())?;
                Ok(Key::Text(text.clone()))
            }
            (Value::None, _) => Ok(Key::None),
            (_, Some(Number::Int(number))) => Ok(Key::Number(number)),
            (other, _) => fail(format!("{} cannot be a key", other.kind())),
        }
    }

    /// `value[index]`.
    pub(super) fn item(&self, value: &Value, index: &Value) -> Outcome<Value> {
        let found = match value {
            // What is undefined is the key of nothing, and has nothing in it, as in llama.cpp.
            Value::Dict(_) | Value::Namespace(_) if matches!(index, Value::Undefined) => None,
            Value::Dict(dict) | Value::Namespace(dict) => self.entries(*dict).get(&self.key(index)?).cloned(),
            Value::List(list) | Value::Tuple(list) => {
                let items = self.items(*list);
                place(index, items.len()).and_then(|at| items.get(at)).cloned()
            }
            Value::Str(text) => {
                self.look_at(text.len())?;
                let found = place(index, text.chars().count()).and_then(|at| text.chars().nth(at));
                found.map(|character| Value::str(character.encode_utf8(&mut [0; 4])))
            }
            _ => None,
        };
        Ok(found.unwrap_or(Value::Undefined))
    }

    /// All items: of a dictionary its keys, of a string its characters, of nothing none.
    pub(super) fn iterate(&mut self, value: &Value) -> Outcome<Vec<Value>> {
        match value {
            Value::Undefined | Value::None => Ok(Vec::new()),
            Value::List(list) | Value::Tuple(list) => {
                let items = self.items(*list);
                self.pay_items(items.len())?;
                Ok(items.to_vec())
            }
            Value::Dict(dict) | Value::Namespace(dict) => {
                let entries = self.entries(*dict).entries();
                self.pay_items(entries.len())?;
                Ok(entries.iter().map(|(key, _)| key.value()).collect())
            }
            Value::Str(text) => {
                self.pay_items(2 * text.len())?;
                Ok(text.chars().map(|character| Value::str(character.encode_utf8(&mut [0; 4]))).collect())
            }
            other => fail(format!("{} has no items", other.kind())),
        }
    }

    pub(super) fn holds(&self, comparison: Comparison, left: &Value, right: &Value) -> Outcome<bool> {
        use std::cmp::Ordering::{Equal, Greater, Less};
        let wanted = match comparison {
            Comparison::Equal => return self.equal(left, right),
            Comparison::NotEqual => return Ok(!self.equal(left, right)?),
            Comparison::In => return self.contains(right, left),
            Comparison::NotIn => return Ok(!self.contains(right, left)?),
            Comparison::Less => [Less, Less],
            Comparison::LessOrEqual => [Less, Equal],
            Comparison::Greater => [Greater, Greater],
            Comparison::GreaterOrEqual => [Greater, Equal],
        };
        Ok(wanted.contains(&self.order(left, right)?))
    }

    /// How two values are ordered. Numbers and strings have an order, and lists of them.
    pub(super) fn order(&self, left: &Value, right: &Value) -> Outcome<std::cmp::Ordering> {
        self.spend(1)?;
        match (left, right) {
            (Value::Str(left), Value::Str(right)) => {
                self.look_at(left.len().min(right.len()))?;
                Ok(left.cmp(right))
            }
            (Value::List(one), Value::List(other)) | (Value::Tuple(one), Value::Tuple(other)) => {
                let (one, other) = (self.items(*one), self.items(*other));
                for (left, right) in one.iter().zip(other) {
                    if matches!(left, Value::List(_) | Value::Tuple(_)) {
                        return fail("nested lists have no order");
                    }
                    match self.order(left, right)? {
                        std::cmp::Ordering::Equal => {}
                        different => return Ok(different),
                    }
                }
                Ok(one.len().cmp(&other.len()))
            }
            _ => match (left.number(), right.number()) {
                (Some(Number::Int(left)), Some(Number::Int(right))) => Ok(left.cmp(&right)),
                (Some(left), Some(right)) => Ok(left.float().total_cmp(&right.float())),
                _ => fail(format!("{} and {} have no order", left.kind(), right.kind())),
            },
        }
    }

    /// Python's `in`.
    pub(super) fn contains(&self, container: &Value, value: &Value) -> Outcome<bool> {
        match (container, value) {
            (Value::Str(text), Value::Str(part)) => {
                self.look_at(text.len())?;
                Ok(text.contains(&**part))
            }
            (Value::Dict(dict) | Value::Namespace(dict), key) => {
                Ok(self.key(key).is_ok_and(|key| self.entries(*dict).get(&key).is_some()))
            }
            (Value::Undefined, _) => Ok(false),
            (Value::List(list) | Value::Tuple(list), value) => {
                for item in self.items(*list) {
                    if self.equal(item, value)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            (container, value) => fail(format!("{} in {}", value.kind(), container.kind())),
        }
    }
}

/// The place that an index means, from the end where it is negative.
fn place(index: &Value, length: usize) -> Option<usize> {
    let (Value::Int(index), length) = (index, length as i128) else { return None };
    let index = if *index < 0 { index + length } else { *index };
    (0..length).contains(&index).then_some(index as usize)
}

/// The places of a slice with start, stop and step.
fn sliced(length: usize, [start, stop, step]: [Option<i128>; 3]) -> Outcome<Vec<usize>> {
    let (length, step) = (length as i128, step.unwrap_or(1));
    if step == 0 {
        return fail("a slice with a step of 0");
    }
    let (low, high) = if step > 0 { (0, length) } else { (-1, length - 1) };
    let bound = |bound: i128| if bound < 0 { bound.saturating_add(length).max(low) } else { bound.min(high) };
    let (first, last) = if step > 0 { (low, high) } else { (high, low) };
    let (mut at, stop) = (start.map_or(first, bound), stop.map_or(last, bound));
    let mut places = Vec::new();
    while if step > 0 { at < stop } else { at > stop } {
        places.push(at as usize);
        at = at.saturating_add(step);
    }
    Ok(places)
}

fn calculate(operator: Operator, left: Number, right: Number) -> Outcome<Value> {
    if let (Number::Int(left), Number::Int(right), true) = (left, right, operator != Operator::Divide) {
        let result = match operator {
            Operator::Add => left.checked_add(right),
            Operator::Subtract => left.checked_sub(right),
            Operator::Multiply => left.checked_mul(right),
            Operator::FloorDivide | Operator::Modulo if right == 0 => return fail("division by zero"),
            Operator::FloorDivide => left.checked_div_euclid(right).map(|quotient| {
                // Python rounds down, whatever the signs.
                if right < 0 && left.rem_euclid(right) != 0 { quotient - 1 } else { quotient }
            }),
            Operator::Modulo => {
                left.checked_rem_euclid(right).map(|rest| if right < 0 && rest != 0 { rest + right } else { rest })
            }
            _ if right < 0 => return Ok(Value::Float((left as f64).powf(right as f64))),
            _ => u32::try_from(right).ok().and_then(|right| left.checked_pow(right)),
        };
        return result.map_or_else(|| fail("a number is too large"), |result| Ok(Value::Int(result)));
    }
    let (left, right) = (left.float(), right.float());
    let divides = matches!(operator, Operator::Divide | Operator::FloorDivide | Operator::Modulo);
    if divides && right == 0.0 {
        return fail("division by zero");
    }
    Ok(Value::Float(match operator {
        Operator::Add => left + right,
        Operator::Subtract => left - right,
        Operator::Multiply => left * right,
        Operator::Divide => left / right,
        Operator::FloorDivide => (left / right).floor(),
        Operator::Modulo => left - right * (left / right).floor(),
        Operator::Power | Operator::Concatenate => left.powf(right),
    }))
}

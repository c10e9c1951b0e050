//! Methods of strings, lists and dictionaries, as Python has them.

use std::sync::Arc;

use super::exec::{Given, Machine};
use super::value::{Heap, Key, Outcome, Value, fail};

impl Machine<'_> {
    /// Calls a method. `None`: the value has none of that name.
    pub(super) fn method(&mut self, value: &Value, name: &str, given: &Given) -> Outcome<Option<Value>> {
        self.heap.spend(1)?;
        match value {
            Value::Str(text) => self.heap.string_method(text, name, given),
            Value::List(list) => self.list_method(*list, name, given),
            Value::Tuple(list) if matches!(name, "count" | "index") => self.list_method(*list, name, given),
            Value::Dict(dict) => self.dict_method(*dict, name, given),
            _ => Ok(None),
        }
    }

    fn list_method(&mut self, list: usize, name: &str, given: &Given) -> Outcome<Option<Value>> {
        let length = self.heap.items(list).len();
        let heap = &mut self.heap;
        heap.spend(length / 64)?;
        let result = match (name, &given.positional[..]) {
            ("append", [item]) => {
                heap.pay_items(1)?;
                heap.items_mut(list).push(item.clone());
                Value::None
            }
            ("extend", [items]) => {
                let items = heap.iterate(items)?;
                heap.items_mut(list).extend(items);
                Value::None
            }
            ("insert", [at, item]) => {
                heap.pay_items(1)?;
                let at = at.int()?;
                let at = if at < 0 { at.saturating_add(length as i128).max(0) } else { at.min(length as i128) };
                heap.items_mut(list).insert(at as usize, item.clone());
                Value::None
            }
            ("pop", at) if at.len() <= 1 => {
                let at = at.first().map_or(Ok(-1), Value::int)?;
                let at = if at < 0 { at.saturating_add(length as i128) } else { at };
                if !(0..length as i128).contains(&at) {
                    return fail("pop of an item that is not there");
                }
                heap.items_mut(list).remove(at as usize)
            }
            ("remove" | "index" | "count", [item]) => {
                let mut places = Vec::new();
                for (at, other) in heap.items(list).iter().enumerate() {
                    if heap.equal(item, other)? {
                        places.push(at);
                    }
                }
                match (name, places.first()) {
                    ("count", _) => Value::Int(places.len() as i128),
                    (_, None) => return fail("an item is not in the list"),
                    ("index", Some(at)) => Value::Int(*at as i128),
                    (_, Some(at)) => {
                        heap.items_mut(list).remove(*at);
                        Value::None
                    }
                }
            }
            ("reverse", []) => {
                heap.items_mut(list).reverse();
                Value::None
            }
            ("clear", []) => {
                heap.items_mut(list).clear();
                Value::None
            }
            ("copy", []) => {
                let items = heap.iterate(&Value::List(list))?;
                heap.list(items)?
            }
            _ => return Ok(None),
        };
        Ok(Some(result))
    }

    fn dict_method(&mut self, dict: usize, name: &str, given: &Given) -> Outcome<Option<Value>> {
        let heap = &mut self.heap;
        let result = match (name, &given.positional[..]) {
            ("get" | "pop" | "setdefault", [key, rest @ ..]) if rest.len() <= 1 => {
                let key = match heap.key(key) {
                    Ok(key) => key,
                    Err(_) if name == "get" => return Ok(Some(rest.first().cloned().unwrap_or(Value::None))),
                    Err(fault) => return Err(fault),
                };
                let found = heap.entries(dict).get(&key).cloned();
                let default = rest.first().or_else(|| given.argument(usize::MAX, "default")).cloned();
                match (name, found) {
                    ("get", found) => found.or(default).unwrap_or(Value::None),
                    ("pop", _) => match heap.remove(dict, &key)?.or(default) {
                        Some(value) => value,
                        None => return fail(format!("there is no key {key:?}")),
                    },
                    (_, Some(found)) => found,
                    (_, None) => {
                        let value = default.unwrap_or(Value::None);
                        heap.set(dict, key, value.clone())?;
                        value
                    }
                }
            }
            ("items", []) => {
                let mut items = Vec::new();
                for (key, value) in heap.entries(dict).entries().to_vec() {
                    items.push(heap.tuple(vec![key.value(), value])?);
                }
                heap.list(items)?
            }
            ("keys", []) => {
                let keys = heap.iterate(&Value::Dict(dict))?;
                heap.list(keys)?
            }
            ("values", []) => {
                heap.pay_items(heap.entries(dict).entries().len())?;
                let values = heap.entries(dict).entries().iter().map(|(_, value)| value.clone()).collect();
                heap.list(values)?
            }
            ("update", others) if others.len() <= 1 => {
                let mut entries = match others.first() {
                    Some(Value::Dict(other)) => heap.entries(*other).entries().to_vec(),
                    None => Vec::new(),
                    Some(other) => return fail(format!("update with {}", other.kind())),
                };
                entries.extend(given.named.iter().map(|(name, value)| (Key::from(&**name), value.clone())));
                for (key, value) in entries {
                    heap.set(dict, key, value)?;
                }
                Value::None
            }
            ("copy", []) => {
                let copy = heap.entries(dict).clone();
                heap.dict(copy)?
            }
            _ => return Ok(None),
        };
        Ok(Some(result))
    }
}

impl Heap {
    fn string_method(&mut self, text: &Arc<str>, name: &str, given: &Given) -> Outcome<Option<Value>> {
        self.look_at(text.len())?;
        if let Some(verdict) = verdict(text, name) {
            return Ok(Some(Value::Bool(verdict)));
        }
        let changed = match (name, &given.positional[..]) {
            ("upper", []) => text.to_uppercase(),
            ("lower", []) => text.to_lowercase(),
            ("title", []) => title(text),
            ("capitalize", []) => {
                let mut characters = text.chars();
                let first: String = characters.next().into_iter().flat_map(char::to_uppercase).collect();
                first + &characters.as_str().to_lowercase()
            }
            ("strip" | "lstrip" | "rstrip", arguments) if arguments.len() <= 1 => {
                let of_set: Option<Vec<char>> = match given.argument(0, "chars") {
                    Some(Value::Str(set)) => Some(set.chars().collect()),
                    _ => None,
                };
                self.spend(of_set.as_ref().map_or(0, Vec::len))?;
                let goes = |c: char| of_set.as_ref().map_or_else(|| c.is_whitespace(), |set| set.contains(&c));
                match name {
                    "strip" => text.trim_matches(goes).to_owned(),
                    "lstrip" => text.trim_start_matches(goes).to_owned(),
                    _ => text.trim_end_matches(goes).to_owned(),
                }
            }
            ("removeprefix", [Value::Str(prefix)]) => text.strip_prefix(&**prefix).unwrap_or(text).to_owned(),
            ("removesuffix", [Value::Str(suffix)]) => text.strip_suffix(&**suffix).unwrap_or(text).to_owned(),
            ("replace", [Value::Str(old), Value::Str(new), count @ ..]) if count.len() <= 1 => {
                let most = count.first().or_else(|| given.argument(2, "count")).map_or(Ok(-1), Value::int)?;
                let most = usize::try_from(most).unwrap_or(usize::MAX);
                let found = if old.is_empty() { text.chars().count() + 1 } else { text.matches(&**old).count() };
                self.pay(text.len().saturating_add(new.len().saturating_mul(found.min(most))))?;
                text.replacen(&**old, new, most)
            }
            _ => return self.string_answer(text, name, given),
        };
        self.text(&changed).map(Some)
    }

    /// Methods whose answer is not one string.
    fn string_answer(&mut self, text: &Arc<str>, name: &str, given: &Given) -> Outcome<Option<Value>> {
        let place = |found: Option<usize>| Value::Int(found.map_or(-1, |bytes| text[..bytes].chars().count() as i128));
        Ok(Some(match (name, &given.positional[..]) {
            ("startswith" | "endswith", [affix, ..]) => {
                let affixes =
                    if let Value::Tuple(list) = affix { self.items(*list).to_vec() } else { vec![affix.clone()] };
                let matches = |affix: &Value| match affix {
                    Value::Str(affix) if name == "startswith" => text.starts_with(&**affix),
                    Value::Str(affix) => text.ends_with(&**affix),
                    _ => false,
                };
                self.spend(affixes.len())?;
                Value::Bool(affixes.iter().any(matches))
            }
            ("split" | "rsplit", _) => {
                let parts = self.split(text, name == "rsplit", given)?;
                self.list(parts)?
            }
            ("splitlines", _) => {
                self.pay_items(text.matches('\n').count() + 1)?;
                let keep = given.argument(0, "keepends").is_some_and(|keep| self.is_true(keep));
                let line = |line: &str| {
                    let bare = line.trim_end_matches(['\n', '\r']);
                    Value::str(if keep { line } else { bare })
                };
                let lines = text.split_inclusive('\n').map(line).collect();
                self.list(lines)?
            }
            ("find", [Value::Str(part)]) => place(text.find(&**part)),
            ("rfind", [Value::Str(part)]) => place(text.rfind(&**part)),
            ("index", [Value::Str(part)]) => match text.find(&**part) {
                None => return fail("a text is not there"),
                found => place(found),
            },
            ("count", [Value::Str(part)]) => Value::Int(if part.is_empty() {
                text.chars().count() as i128 + 1
            } else {
                text.matches(&**part).count() as i128
            }),
            ("join", [items]) => {
                let mut joined = String::new();
                for (at, item) in self.iterate(items)?.iter().enumerate() {
                    let Value::Str(item) = item else { return fail("join of something that is no string") };
                    self.pay(text.len() + item.len())?;
                    joined.push_str(if at == 0 { "" } else { text });
                    joined.push_str(item);
                }
                self.text(&joined)?
            }
            ("format", _) => self.brace_format(text, given)?,
            _ => return Ok(None),
        }))
    }

    fn split(&self, text: &str, from_end: bool, given: &Given) -> Outcome<Vec<Value>> {
        let most = given.argument(1, "maxsplit").map_or(Ok(-1), Value::int)?;
        let most = usize::try_from(most).unwrap_or(usize::MAX).saturating_add(1);
        let separator = match given.argument(0, "sep") {
            None | Some(Value::None) => None,
            Some(Value::Str(separator)) if !separator.is_empty() => Some(separator),
            Some(_) => return fail("split needs a separator"),
        };
        let count = separator
            .map_or_else(|| text.split_whitespace().count(), |separator| text.matches(&**separator).count() + 1);
        self.pay_items(2 * count)?;
        self.pay(text.len())?;
        Ok(match separator {
            Some(separator) if from_end => {
                let mut parts: Vec<_> = text.rsplitn(most, &**separator).map(Value::str).collect();
                parts.reverse();
                parts
            }
            Some(separator) => text.splitn(most, &**separator).map(Value::str).collect(),
            None => split_blanks(text, most, from_end),
        })
    }
}

/// Parts between runs of blanks, at most `most` of them; what is left stays whole.
fn split_blanks(text: &str, most: usize, from_end: bool) -> Vec<Value> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let cut = if from_end { rest.rfind(char::is_whitespace) } else { rest.find(char::is_whitespace) };
        let Some(cut) = cut.filter(|_| parts.len() + 1 < most) else {
            parts.push(Value::str(rest));
            break;
        };
        let (before, after) = rest.split_at(cut);
        let (part, left) = if from_end { (after, before) } else { (before, after) };
        parts.push(Value::str(part.trim()));
        rest = left.trim();
    }
    if from_end {
        parts.reverse();
    }
    parts
}

/// What `isupper` and its like say.
fn verdict(text: &str, name: &str) -> Option<bool> {
    let all = |holds: fn(char) -> bool| !text.is_empty() && text.chars().all(holds);
    Some(match name {
        "isdigit" | "isnumeric" | "isdecimal" => all(char::is_numeric),
        "isalpha" => all(char::is_alphabetic),
        "isalnum" => all(char::is_alphanumeric),
        "isspace" => all(char::is_whitespace),
        "isascii" => text.is_ascii(),
        "islower" => text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase),
        "isupper" => text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase),
        _ => return None,
    })
}

fn title(text: &str) -> String {
    let mut titled = String::with_capacity(text.len());
    let mut inside = false;
    for character in text.chars() {
        if inside {
            titled.extend(character.to_lowercase());
        } else {
            titled.extend(character.to_uppercase());
        }
        inside = character.is_alphabetic();
    }
    titled
}

//! Calls as a name with keys and values in tags: `f<arg_key>x</arg_key><arg_value>1</arg_value>`, as GLM and Laguna
//! write them.

use serde_json::Map;

use super::tools::Tools;
use super::value::between_tags;
use super::{Call, Calls, Unreadable};

/// The tags in the order in which they should come.
const CYCLE: [&str; 4] = ["<arg_key>", "</arg_key>", "<arg_value>", "</arg_value>"];

/// What stands between and in the tags.
#[derive(Debug, Default)]
struct Parts {
    name: String,
    keys: Vec<String>,
    values: Vec<String>,
}

/// Reads a call; one whose tags do not match is mended first.
pub(super) fn lenient(raw: &str, tools: &Tools) -> Calls {
    well_formed(raw).unwrap_or_else(|| mended(raw)).call(tools)
}

/// Reads a call whose end is missing: it has to be whole in itself, so that half an argument never acts. `end` is the
/// tag that should have come.
pub(super) fn strict(raw: &str, end: &str, tools: &Tools) -> Calls {
    let cut = (1..end.len()).rev().find(|length| raw.ends_with(&end[..*length]));
    let raw = cut.map_or(raw, |length| raw[..raw.len() - length].trim_end());
    let parts = well_formed(raw).ok_or(Unreadable)?;
    let tool = tools.get(parts.name.trim()).ok_or(Unreadable)?;
    let has = |name: &String| parts.keys.iter().any(|key| key.trim() == name);
    if parts.keys.iter().any(|key| key.trim().is_empty()) || !tool.required.iter().all(has) {
        return Err(Unreadable);
    }
    parts.call(tools)
}

impl Parts {
    fn call(self, tools: &Tools) -> Calls {
        let name = self.name.trim();
        if name.is_empty() || self.keys.len() != self.values.len() {
            return Err(Unreadable);
        }
        let tool = tools.get(name);
        let mut arguments = Map::new();
        for (key, value) in self.keys.iter().zip(&self.values) {
            let types = tool.map(|tool| tool.types(key.trim())).unwrap_or_default();
            arguments.insert(key.trim().to_owned(), between_tags(value, types));
        }
        Ok(vec![Call { name: name.to_owned(), arguments, ..Call::default() }])
    }

    /// Where text belongs before the tag of this phase: in front of an opening tag it is outside, a part of the name.
    fn target(&mut self, phase: usize) -> Option<&mut String> {
        match phase {
            1 => self.keys.last_mut(),
            3 => self.values.last_mut(),
            _ => Some(&mut self.name),
        }
    }

    fn text(&mut self, phase: usize, text: &str) {
        if let Some(target) = self.target(phase) {
            target.push_str(text);
        }
    }

    /// Takes the tag of this phase: an opening one begins a key or a value. The next phase.
    fn tag(&mut self, phase: usize) -> usize {
        match phase {
            0 => self.keys.push(String::new()),
            2 => self.values.push(String::new()),
            _ => {}
        }
        (phase + 1) % CYCLE.len()
    }
}

/// The position and the phase of the next tag.
fn next_tag(text: &str) -> Option<(usize, usize)> {
    text.match_indices('<').find_map(|(at, _)| Some((at, CYCLE.iter().position(|tag| text[at..].starts_with(tag))?)))
}

/// The parts when every opening tag is followed by its closing one.
fn well_formed(mut text: &str) -> Option<Parts> {
    let mut parts = Parts::default();
    let mut open = None;
    while let Some((at, found)) = next_tag(text) {
        let expected = open.map_or(found % 2 == 0, |open| found == open + 1);
        if !expected {
            return None;
        }
        parts.text(open.map_or(0, |open| open + 1), &text[..at]);
        parts.tag(found);
        open = (found % 2 == 0).then_some(found);
        text = &text[at + CYCLE[found].len()..];
    }
    parts.name.push_str(text);
    open.is_none().then_some(parts)
}

/// The parts when tags are missing: the cycle is followed, and what is skipped in it is put in.
fn mended(mut text: &str) -> Parts {
    let mut parts = Parts::default();
    let Some((at, first)) = next_tag(text) else {
        parts.name.push_str(text);
        return parts;
    };
    let mut phase = 0;
    let head = &text[..at];
    text = &text[at..];
    match head.find(char::is_whitespace).filter(|_| first != 0) {
        // Names have no spaces, so a key follows whose opening tag is missing.
        Some(space) => {
            parts.name.push_str(&head[..space]);
            phase = parts.tag(0);
            parts.text(phase, head[space..].trim_start());
        }
        None => parts.name.push_str(head),
    }
    while !text.is_empty() {
        let Some((at, found)) = next_tag(text) else {
            if phase % 2 == 1 {
                parts.text(phase, text);
                phase = parts.tag(phase);
            }
            break;
        };
        if found == phase {
            parts.text(phase, &text[..at]);
            phase = parts.tag(phase);
            text = &text[at + CYCLE[found].len()..];
            continue;
        }
        if phase % 2 == 0 && at > 0 {
            // Text where an opening tag should be: the tag is missing.
            phase = parts.tag(phase);
            parts.text(phase, &text[..at]);
            text = &text[at..];
            continue;
        }
        let mut before = &text[..at];
        text = &text[at..];
        while phase != found {
            if phase % 2 == 1 && (phase + 1) % CYCLE.len() == found {
                parts.text(phase, std::mem::take(&mut before));
            }
            phase = parts.tag(phase);
        }
        // What found no place stays in front of the tag.
        parts.text(phase, before);
    }
    // The answer stops inside of a pair: its value is what there is.
    while phase != 0 {
        phase = parts.tag(phase);
    }
    parts
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Tools, lenient, strict};

    fn tools() -> Tools {
        let parameters = json!({"properties": {"n": {"type": "integer"}}, "required": ["n"]});
        Tools::new(&[json!({"function": {"name": "f", "parameters": parameters}})])
    }

    fn read(calls: super::Calls) -> Option<(String, Value)> {
        calls.ok().map(|calls| (calls[0].name.clone(), json!(calls[0].arguments)))
    }

    #[test]
    fn keys_and_values_are_paired() {
        for (raw, want) in [
            ("f\n<arg_key>n</arg_key>\n<arg_value>7</arg_value>\n", Some(json!({"n": 7}))),
            ("f", Some(json!({}))),
            ("f<arg_key>x</arg_key><arg_value>a < b & <b>c</arg_value>", Some(json!({"x": "a < b & <b>c"}))),
            ("f<arg_key>x</arg_key><arg_key>y</arg_key><arg_value>1</arg_value>", None),
            ("<arg_key>x</arg_key><arg_value>1</arg_value>", None),
            // Missing tags.
            ("f x</arg_key><arg_value>1</arg_value>", Some(json!({"x": "1"}))),
            ("f<arg_key>x<arg_value>1</arg_value>", Some(json!({"x": "1"}))),
            ("f<arg_key>x</arg_key>1</arg_value>", Some(json!({"x": "1"}))),
            ("f<arg_key>x</arg_key><arg_value>1", Some(json!({"x": "1"}))),
            ("f<arg_key>x</arg_key><arg_value>1<arg_key>n</arg_key><arg_value>2</arg_value>", {
                Some(json!({"x": "1", "n": 2}))
            }),
            ("f<arg_key>x", Some(json!({"x": ""}))),
        ] {
            let want = want.map(|arguments| ("f".to_owned(), arguments));
            assert_eq!(read(lenient(raw, &tools())), want, "{raw}");
        }
    }

    #[test]
    fn a_call_without_its_end_has_to_be_whole() {
        for (raw, whole) in [
            ("f<arg_key>n</arg_key><arg_value>7</arg_value>", true),
            ("f<arg_key>n</arg_key><arg_value>7</arg_value>\n</tool_c", true),
            ("f<arg_key>n</arg_key><arg_value>7", false),
            ("f<arg_key>x</arg_key><arg_value>7</arg_value>", false),
            ("f", false),
            ("g", false),
        ] {
            assert_eq!(strict(raw, "</tool_call>", &tools()).is_ok(), whole, "{raw}");
        }
    }
}

//! Calls as functions and parameters in tags: `<function=f><parameter=x>1</parameter></function>`, as Qwen's coder and
//! Nemotron write them.

use serde_json::Map;

use super::tools::Tools;
use super::value::between_tags;
use super::{Call, Calls, Unreadable};

/// The tags of the notation. All else that looks like one is text.
enum Tag<'a> {
    Function(&'a str),
    Parameter(&'a str),
    EndFunction,
    EndParameter,
}

/// Reads the first function of `raw`. Text between the tags is skipped; a parameter that is not closed, or that has
/// such a tag inside of it, makes the call unreadable.
pub(super) fn function(raw: &str, tools: &Tools) -> Calls {
    let (_, tag, mut rest) = next_tag(raw).ok_or(Unreadable)?;
    let Tag::Function(name) = tag else { return Err(Unreadable) };
    if name.trim().is_empty() {
        return Err(Unreadable);
    }
    let tool = tools.get(name);
    let mut arguments = Map::new();
    loop {
        let (_, tag, after) = next_tag(rest).ok_or(Unreadable)?;
        match tag {
            Tag::EndFunction => break,
            Tag::Parameter(parameter) => {
                let (value, Tag::EndParameter, after) = next_tag(after).ok_or(Unreadable)? else {
                    return Err(Unreadable);
                };
                let types = tool.map(|tool| tool.types(parameter)).unwrap_or_default();
                arguments.insert(parameter.to_owned(), between_tags(value, types));
                rest = after;
            }
            Tag::Function(_) | Tag::EndParameter => return Err(Unreadable),
        }
    }
    Ok(vec![Call { name: name.to_owned(), arguments, ..Call::default() }])
}

/// The text up to the next tag, the tag, and the text behind it.
fn next_tag(text: &str) -> Option<(&str, Tag<'_>, &str)> {
    text.match_indices('<').find_map(|(at, _)| {
        let (tag, rest) = read_tag(&text[at + 1..])?;
        Some((&text[..at], tag, rest))
    })
}

/// The tag whose `<` stands in front of `text`.
fn read_tag(text: &str) -> Option<(Tag<'_>, &str)> {
    if let Some(text) = text.strip_prefix('/') {
        let end = |name, tag| Some((tag, text.strip_prefix(name)?));
        return end("function>", Tag::EndFunction).or_else(|| end("parameter>", Tag::EndParameter));
    }
    let open = |kind: &str| {
        let text = text.strip_prefix(kind)?;
        if let Some((name, rest)) = text.strip_prefix('=').and_then(|text| text.split_once('>')) {
            return (!name.is_empty()).then_some((name, rest));
        }
        text.trim_start().strip_prefix("name=\"")?.split_once("\">")
    };
    if let Some((name, rest)) = open("function") {
        return Some((Tag::Function(name), rest));
    }
    open("parameter").map(|(name, rest)| (Tag::Parameter(name), rest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Tools, function};

    #[test]
    fn functions_are_read() {
        let tool = json!({"function": {"name": "f", "parameters": {"properties": {"n": {"type": "integer"}}}}});
        let tools = Tools::new(&[tool]);
        for (raw, want) in [
            ("\n<function=f>\n<parameter=n>\n7\n</parameter>\n</function>\n", Some(json!({"n": 7}))),
            ("text <function=f></function> text", Some(json!({}))),
            ("<function name=\"f\"><parameter name=\"n\">7</parameter></function>", Some(json!({"n": 7}))),
            (
                "<function=f><parameter=x>if (a<b && b>c) </p> &amp; <b=1></parameter></function>",
                Some(json!({"x": "if (a<b && b>c) </p> &amp; <b=1>"})),
            ),
            ("<function=f><parameter=x>1</function>", None),
            ("<function=f><parameter=x>1<parameter=y>2</parameter></parameter></function>", None),
            ("<function=f>", None),
            ("<function=></function>", None),
            ("<parameter=n>7</parameter>", None),
            ("{\"name\": \"f\"}", None),
        ] {
            let got = function(raw, &tools).ok().map(|calls| json!(calls[0].arguments));
            assert_eq!(got, want, "{raw}");
        }
    }
}

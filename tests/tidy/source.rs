//! Just enough reading of Rust sources to count lines and calls: what is code, and where an item ends.

/// The code of a Rust source: comments and the contents of strings and character literals blanked, lines kept.
pub fn code(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let Some(end) = token_end(bytes, at) else {
            out.push(bytes[at]);
            at += 1;
            continue;
        };
        out.extend(bytes[at..end].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
        at = end;
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Where the comment, string or character literal ends that begins at `at`; nothing if none does.
fn token_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    if rest.starts_with(b"//") {
        return Some(at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()));
    }
    if rest.starts_with(b"/*") {
        return Some(at + block_comment(rest));
    }
    let in_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    if !in_word && matches!(rest[0], b'r' | b'b' | b'c') {
        let prefix = rest.iter().take_while(|byte| matches!(byte, b'r' | b'b' | b'c')).count();
        let hashes = rest[prefix..].iter().take_while(|byte| **byte == b'#').count();
        let raw = rest[..prefix].contains(&b'r');
        if raw && rest.get(prefix + hashes) == Some(&b'"') {
            let closing: Vec<u8> = std::iter::once(b'"').chain(std::iter::repeat_n(b'#', hashes)).collect();
            let body = &rest[prefix + hashes + 1..];
            let length = body.windows(closing.len()).position(|window| window == closing);
            return Some(at + prefix + hashes + 1 + length.map_or(body.len(), |length| length + closing.len()));
        }
    }
    match rest[0] {
        b'"' => Some(at + quoted(rest)),
        // 'x' and '\n' are literals; 'a in `&'a str` is a lifetime.
        b'\'' if rest.get(1) == Some(&b'\\') => Some(at + quoted(rest)),
        b'\'' => {
            let width = std::str::from_utf8(&rest[1..rest.len().min(5)])
                .or_else(|error| std::str::from_utf8(&rest[1..=error.valid_up_to()]))
                .ok()
                .and_then(|text| text.chars().next())
                .map_or(1, char::len_utf8);
            (rest.get(1 + width) == Some(&b'\'')).then_some(at + width + 2)
        }
        _ => None,
    }
}

/// Length of a block comment, which may hold others.
fn block_comment(rest: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at < rest.len() {
        match &rest[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at
}

/// Length of a literal in quotes, the quotes included.
fn quoted(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != rest[0] {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// Positions of `word` in `text` where it stands alone.
pub fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    text.match_indices(word).map(|(at, _)| at).filter(move |at| {
        !part_of_word(text[..*at].chars().next_back()) && !part_of_word(text[at + word.len()..].chars().next())
    })
}

/// Line of a byte position, from 1.
pub fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// Where the item ends that begins at `at`: at its closing brace, or at a semicolon before any brace.
fn item_end(code: &str, at: usize) -> usize {
    let (mut depth, mut nested) = (0_usize, 0_usize);
    for (offset, c) in code[at..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return at + offset + 1,
            '}' => depth -= 1,
            '(' | '[' => nested += 1,
            ')' | ']' => nested = nested.saturating_sub(1),
            ';' if depth == 0 && nested == 0 => return at + offset + 1,
            _ => {}
        }
    }
    code.len()
}

/// Name and lines of every function that has a body.
pub fn functions(code: &str) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for at in words(code, "fn") {
        let name: String =
            code[at + 2..].trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let end = item_end(code, at);
        if !name.is_empty() && code[..end].ends_with('}') {
            found.push((name, line_of(code, end) - line_of(code, at) + 1));
        }
    }
    found
}

/// Whether an attribute such as `#[cfg(all(test, unix))]` keeps an item for tests.
pub fn is_test_attribute(attribute: &str) -> bool {
    attribute.starts_with("#[cfg(") && words(attribute, "test").next().is_some() && !attribute.contains("not(test")
}

/// The code without the items that only tests see.
pub fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(at) = out.match_indices("#[cfg(").map(|(at, _)| at).find(|at| {
        let line = out[*at..].lines().next().unwrap_or("");
        is_test_attribute(line)
    }) {
        let after = at + out[at..].find(']').map_or(0, |end| end + 1);
        let end = item_end(&out, after);
        let blank: String = out[at..end].chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect();
        out.replace_range(at..end, &blank);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_no_code() {
        let table = [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            ("f(\"x { \\\" }\") g", "f(          ) g"),
            ("r#\"a \" b\"# c", "           c"),
            ("br\"a\" b\"b\" c", "      b    c"),
            ("'{' '\\'' '\u{e9}' x", "              x"),
            ("fn f<'a>(x: &'a str) {}", "fn f<'a>(x: &'a str) {}"),
            ("var\"s\"", "var   "),
        ];
        for (source, want) in table {
            let got = code(source);
            assert_eq!(got.trim_end(), want.trim_end(), "{source}");
        }
    }

    #[test]
    fn functions_are_measured_from_fn_to_brace() {
        let source = "trait T {\n  fn none(&self);\n  fn array(x: [u8; 4]) -> u8 {\n    x[0]\n  }\n}\nfn one() {}\nlet f: fn(u8);\n";
        assert_eq!(functions(&code(source)), [("array".to_owned(), 3), ("one".to_owned(), 1)]);
    }

    #[test]
    fn what_only_tests_see_is_cut_out() {
        let source = "a();\n#[cfg(test)]\nuse b;\n#[cfg(all(test, unix))]\nmod t {\n fn c() { d() }\n}\n#[cfg(not(test))]\nfn e() {}\n";
        let left: Vec<_> = without_tests(source).split_whitespace().map(str::to_owned).collect();
        assert_eq!(left, ["a();", "#[cfg(not(test))]", "fn", "e()", "{}"]);
    }

    #[test]
    fn words_stand_alone() {
        assert_eq!(words("fn f_fn fnf (fn", "fn").collect::<Vec<_>>(), [0, 13]);
        assert_eq!(line_of("a\nb\nc", 4), 3);
    }
}

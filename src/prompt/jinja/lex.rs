//! From the text of a template to words, with transformers' rules for blanks: the line break after a block goes, and so
//! do the blanks in front of it (`trim_blocks`, `lstrip_blocks`).

use std::fmt;

/// One word, or a stretch of text between blocks.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Word {
    /// Text that is printed as it stands.
    Text(String),
    /// `{%`
    BlockOpens,
    /// `%}`
    BlockCloses,
    /// `{{`
    PrintOpens,
    /// `}}`
    PrintCloses,
    Name(String),
    String(String),
    Integer(i128),
    Float(f64),
    Sign(&'static str),
}

impl fmt::Display for Word {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => formatter.write_str("text"),
            Self::BlockOpens => formatter.write_str("{%"),
            Self::BlockCloses => formatter.write_str("%}"),
            Self::PrintOpens => formatter.write_str("{{"),
            Self::PrintCloses => formatter.write_str("}}"),
            Self::Name(name) => write!(formatter, "{name:?}"),
            Self::String(_) => formatter.write_str("a string"),
            Self::Integer(number) => write!(formatter, "{number}"),
            Self::Float(number) => write!(formatter, "{number}"),
            Self::Sign(sign) => write!(formatter, "{sign:?}"),
        }
    }
}

/// Why a template is not one: a line, from 1, and a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxError(pub(super) usize, pub(super) String);

/// Longest first.
const SIGNS: &[&str] = &[
    "**", "//", "==", "!=", "<=", ">=", "+", "-", "*", "/", "%", "~", "<", ">", "=", "(", ")", "[", "]", "{", "}", ",",
    ".", ":", "|",
];

struct Lexer<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    words: Vec<(usize, Word)>,
}

/// All words of `text`, each with its line.
pub(super) fn words(text: &str) -> Result<Vec<(usize, Word)>, SyntaxError> {
    // One line break at the very end belongs to the file, not to the template.
    let text = text.strip_suffix('\n').map_or(text, |rest| rest.strip_suffix('\r').unwrap_or(rest));
    let mut lexer = Lexer { text, at: 0, line: 1, words: Vec::new() };
    let mut blanks = Blanks::Kept;
    while lexer.at < text.len() {
        blanks = lexer.stretch(blanks)?;
    }
    Ok(lexer.words)
}

/// What becomes of the blanks after a tag.
#[derive(Clone, Copy, PartialEq)]
enum Blanks {
    Kept,
    /// One line break goes.
    LineBreakGone,
    AllGone,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn error<T>(&self, what: impl Into<String>) -> Result<T, SyntaxError> {
        Err(SyntaxError(self.line, what.into()))
    }

    fn advance(&mut self, bytes: usize) {
        self.line += self.text[self.at..self.at + bytes].matches('\n').count();
        self.at += bytes;
    }

    fn push(&mut self, word: Word) {
        self.words.push((self.line, word));
    }

    /// Text up to the next tag, and that tag.
    fn stretch(&mut self, blanks: Blanks) -> Result<Blanks, SyntaxError> {
        let rest = self.rest();
        let opens = |at: &usize| matches!(rest.as_bytes().get(at + 1), Some(b'{' | b'%' | b'#'));
        let end = rest.match_indices('{').map(|(at, _)| at).find(opens).unwrap_or(rest.len());
        let mut text = match blanks {
            Blanks::Kept => &rest[..end],
            Blanks::LineBreakGone => {
                let text = &rest[..end];
                text.strip_prefix('\n').or_else(|| text.strip_prefix("\r\n")).unwrap_or(text)
            }
            Blanks::AllGone => rest[..end].trim_start(),
        };
        let (tag, after) = (rest[end..].chars().nth(1), rest[end..].chars().nth(2));
        if after == Some('-') {
            text = text.trim_end();
        } else if matches!(tag, Some('%' | '#')) && after != Some('+') {
            text = self.without_margin(text, self.at + end);
        }
        if !text.is_empty() {
            let text = Word::Text(text.to_owned());
            self.push(text);
        }
        self.advance(end);
        match tag {
            None => Ok(Blanks::Kept),
            Some('#') => self.comment(),
            Some(tag) => self.tag(tag == '%', matches!(after, Some('-' | '+'))),
        }
    }

    /// `text` without the blanks between the start of its last line and the tag at `tag`, if there is nothing else there.
    fn without_margin<'a>(&self, text: &'a str, tag: usize) -> &'a str {
        let line = self.text[..tag].rfind('\n').map_or(0, |at| at + 1);
        let margin = &self.text[line..tag];
        if margin.chars().all(char::is_whitespace) {
            // Less of it is left where a tag before took some.
            let kept = text.rfind('\n').map_or(0, |at| at + 1);
            if text[kept..].chars().all(char::is_whitespace) {
                return &text[..kept];
            }
        }
        text
    }

    fn comment(&mut self) -> Result<Blanks, SyntaxError> {
        let Some(length) = self.rest().find("#}") else { return self.error("a comment does not end") };
        let minus = length > 2 && self.rest()[..length].ends_with('-');
        let plus = length > 2 && self.rest()[..length].ends_with('+');
        self.advance(length + 2);
        Ok(match (minus, plus) {
            (true, _) => Blanks::AllGone,
            (_, true) => Blanks::Kept,
            _ => Blanks::LineBreakGone,
        })
    }

    /// A tag from its opening to its end.
    fn tag(&mut self, block: bool, marked: bool) -> Result<Blanks, SyntaxError> {
        let (opens, closes) =
            if block { (Word::BlockOpens, Word::BlockCloses) } else { (Word::PrintOpens, Word::PrintCloses) };
        self.push(opens);
        self.advance(2 + usize::from(marked));
        let (first, end) = (self.words.len(), if block { "%}" } else { "}}" });
        let mut braces = 0_usize;
        loop {
            let blank = self.rest().len() - self.rest().trim_start().len();
            self.advance(blank);
            let rest = self.rest();
            let marker =
                if braces == 0 { ["-", "+", ""].iter().find(|marker| is_end(rest, marker, end)) } else { None };
            if let Some(marker) = marker {
                self.push(closes);
                self.advance(marker.len() + 2);
                let after = match *marker {
                    "-" => Blanks::AllGone,
                    "" if block => Blanks::LineBreakGone,
                    _ => Blanks::Kept,
                };
                let is_raw = matches!(&self.words[first..], [(_, Word::Name(name)), _] if block && name == "raw");
                return if is_raw { self.raw(first, after) } else { Ok(after) };
            }
            self.word()?;
            match self.words.last() {
                Some((_, Word::Sign("{"))) => braces += 1,
                Some((_, Word::Sign("}"))) => braces = braces.saturating_sub(1),
                _ => {}
            }
        }
    }

    /// `{% raw %}`: text up to `{% endraw %}`.
    fn raw(&mut self, first: usize, blanks: Blanks) -> Result<Blanks, SyntaxError> {
        self.words.truncate(first - 1);
        let rest = self.rest();
        for (at, _) in rest.match_indices("{%") {
            let tag = &rest[at + 2..];
            let tag = tag.strip_prefix(['-', '+']).unwrap_or(tag).trim_start();
            let Some(tag) = tag.strip_prefix("endraw").map(str::trim_start) else { continue };
            let Some(close) = ["%}", "-%}", "+%}"].iter().find(|close| tag.starts_with(**close)) else { continue };
            let mut text = &rest[..at];
            text = match blanks {
                Blanks::Kept => text,
                Blanks::LineBreakGone => text.strip_prefix('\n').unwrap_or(text),
                Blanks::AllGone => text.trim_start(),
            };
            if rest[at + 2..].starts_with('-') {
                text = text.trim_end();
            } else {
                text = self.without_margin(text, self.at + at);
            }
            let (word, length) = (Word::Text(text.to_owned()), rest.len() - tag.len() + close.len());
            let after = if close.starts_with('-') { Blanks::AllGone } else { Blanks::LineBreakGone };
            self.push(word);
            self.advance(length);
            return Ok(after);
        }
        self.error("raw text does not end")
    }

    fn word(&mut self) -> Result<(), SyntaxError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else { return self.error("a tag does not end") };
        if first == '"' || first == '\'' {
            return self.string(first);
        }
        if first.is_ascii_digit() {
            return self.number();
        }
        if first.is_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let name = Word::Name(rest[..end].to_owned());
            self.push(name);
            self.advance(end);
            return Ok(());
        }
        let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) else {
            return self.error(format!("unexpected character {first:?}"));
        };
        self.push(Word::Sign(sign));
        self.advance(sign.len());
        Ok(())
    }

    fn number(&mut self) -> Result<(), SyntaxError> {
        let rest = self.rest();
        let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit() && c != '_').unwrap_or(text.len());
        let mut end = digits(rest);
        let mut is_float = false;
        if rest[end..].starts_with('.') && rest[end + 1..].starts_with(|c: char| c.is_ascii_digit()) {
            is_float = true;
            end += 1 + digits(&rest[end + 1..]);
        }
        let exponent = rest[end..].strip_prefix(['e', 'E']).map(|tail| tail.strip_prefix(['+', '-']).unwrap_or(tail));
        if let Some(tail) = exponent.filter(|tail| tail.starts_with(|c: char| c.is_ascii_digit())) {
            is_float = true;
            end = rest.len() - tail.len() + digits(tail);
        }
        let digits = rest[..end].replace('_', "");
        let word = if is_float { digits.parse().ok().map(Word::Float) } else { digits.parse().ok().map(Word::Integer) };
        let Some(word) = word else { return self.error("a number is too large") };
        self.push(word);
        self.advance(end);
        Ok(())
    }

    fn string(&mut self, quote: char) -> Result<(), SyntaxError> {
        let mut text = String::new();
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((at, character)) = characters.next() {
            if character == quote {
                let word = Word::String(text);
                self.push(word);
                self.advance(at + 1);
                return Ok(());
            }
            if character != '\\' {
                text.push(character);
                continue;
            }
            match characters.next().map(|(_, escaped)| escaped) {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                Some('b') => text.push('\u{8}'),
                Some('f') => text.push('\u{c}'),
                Some('v') => text.push('\u{b}'),
                Some('a') => text.push('\u{7}'),
                Some('0') => text.push('\0'),
                Some('\n') => {}
                Some(kind @ ('x' | 'u' | 'U')) => {
                    let digits = match kind {
                        'x' => 2,
                        'u' => 4,
                        _ => 8,
                    };
                    let digits: String = characters.by_ref().take(digits).map(|(_, digit)| digit).collect();
                    let code = u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32);
                    let Some(code) = code else { return self.error("a string has a bad escape") };
                    text.push(code);
                }
                Some(plain @ ('\\' | '\'' | '"')) => text.push(plain),
                Some(other) => text.extend(['\\', other]),
                None => break,
            }
        }
        self.error("a string does not end")
    }
}

/// Whether a tag ends here, with this marker.
fn is_end(rest: &str, marker: &str, end: &str) -> bool {
    rest.strip_prefix(marker).is_some_and(|rest| rest.starts_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text between tags, `|` where a tag stands.
    fn texts(template: &str) -> String {
        let mut out = String::new();
        for (_, word) in words(template).expect("words") {
            match word {
                Word::Text(text) => out.push_str(&text),
                Word::BlockOpens | Word::PrintOpens => out.push('|'),
                _ => {}
            }
        }
        out
    }

    #[test]
    fn blanks_around_tags() {
        for (template, want) in [
            ("a\n  {% if x %}\nb\n  {% endif %}\nc\n", "a\n|b\n|c"),
            ("a {% if x %} b {% endif %} c", "a | b | c"),
            ("a \n {%- if x -%} \n b", "a|b"),
            ("a\n  {{ x }}\nb", "a\n  |\nb"),
            ("a \n {{- x -}} \n b", "a|b"),
            ("a\n  {#- c -#}\n b\n  {# c #}\nd", "ab\nd"),
            ("a\n  {%+ if x %}b", "a\n  |b"),
            ("{% if x +%}\nb", "|\nb"),
            ("  {% set x = {'a': {}} %}  {{ {'a': {}}.a }}", "|  |"),
            ("{% raw %}{{ x }}{% y %}{% endraw %}z", "{{ x }}{% y %}z"),
            ("{{ '}}' }}{% set x = '%}' %}", "||"),
            ("a{ b {", "a{ b {"),
            ("  {% if x %}  {% if y %}\n", "|  |"),
        ] {
            assert_eq!(texts(template), want, "{template:?}");
        }
    }

    #[test]
    fn strings_and_numbers() {
        let word = |text: &str| words(&format!("{{{{ {text} }}}}")).map(|mut words| words.swap_remove(1).1);
        for (text, want) in [
            (r#""a\n\"b""#, Word::String("a\n\"b".into())),
            (r"'\u00e9\x41\d'", Word::String("\u{e9}A\\d".into())),
            ("1_000", Word::Integer(1000)),
            ("1.5e3", Word::Float(1500.0)),
            ("2e-1", Word::Float(0.2)),
            ("**", Word::Sign("**")),
        ] {
            assert_eq!(word(text), Ok(want), "{text}");
        }
        for bad in ["{{ 'a }}", "{{ a", "{% raw %}", "{# a", "{{ ! }}", "{{ '\\uzzzz' }}"] {
            assert!(words(bad).is_err(), "{bad}");
        }
    }
}

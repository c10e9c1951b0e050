//! From a template's text to tokens, one at a time. Trim markers and comments end here: the parser never sees them.

use super::error::clip;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Text between actions.
    Text,
    /// `{{`, its trim marker included.
    Open,
    /// `}}`.
    Close,
    /// White space between words.
    Space,
    /// `=`.
    Assign,
    /// `:=`.
    Declare,
    /// `|`.
    Bar,
    /// `(`.
    LeftParen,
    /// `)`.
    RightParen,
    /// `"…"`.
    Quoted,
    /// `` `…` ``.
    Raw,
    /// `'…'`.
    Char,
    /// Looks like a number.
    Number,
    /// Looks like a sum of a number and an imaginary one.
    Complex,
    /// `$` or `$name`.
    Variable,
    /// `.name`.
    Field,
    /// `.`.
    Dot,
    /// `true` or `false`.
    Bool,
    /// `nil`.
    Nil,
    /// Any other name.
    Name,
    /// A word that controls: `if`, `end` …
    Keyword(Keyword),
    /// Any other printable ASCII character.
    Other,
    /// The end of the text.
    End,
}

/// The words that control.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Keyword {
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
}

/// A piece of the template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub kind: Kind,
    /// Where it begins, in bytes.
    pub spot: usize,
    pub text: &'a str,
}

/// What cannot be a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BadToken {
    pub spot: usize,
    pub message: String,
}

const OPEN: &str = "{{";
const CLOSE: &str = "}}";
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

/// Reads `text` from `at` on.
#[derive(Debug)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    /// True exactly when an action is open.
    inside: bool,
    /// Open parentheses of that action.
    parens: usize,
}

impl<'a> Lexer<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { text, at: 0, inside: false, parens: 0 }
    }

    /// The next token; at the end, [`Kind::End`] again and again.
    pub fn next(&mut self) -> Result<Token<'a>, BadToken> {
        if self.inside { self.in_action() } else { self.outside() }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Takes what lies between `start` and where the lexer is.
    fn token(&self, kind: Kind, start: usize) -> Token<'a> {
        Token { kind, spot: start, text: &self.text[start..self.at] }
    }

    fn bad<T>(spot: usize, message: impl Into<String>) -> Result<T, BadToken> {
        Err(BadToken { spot, message: message.into() })
    }

    /// Text up to the next `{{`, without the white space that a `{{- ` takes away; then the `{{` itself.
    fn outside(&mut self) -> Result<Token<'a>, BadToken> {
        loop {
            let start = self.at;
            let Some(length) = self.rest().find(OPEN) else {
                self.at = self.text.len();
                let kind = if start == self.at { Kind::End } else { Kind::Text };
                return Ok(self.token(kind, start));
            };
            let open = start + length;
            let trims = trims_left(&self.text[open + OPEN.len()..]);
            let text = &self.text[start..open];
            let text = if trims { text.trim_end_matches(SPACES) } else { text };
            self.at = open;
            if !text.is_empty() {
                return Ok(Token { kind: Kind::Text, spot: start, text });
            }
            self.at += OPEN.len() + if trims { 2 } else { 0 };
            if !self.rest().starts_with("/*") {
                (self.inside, self.parens) = (true, 0);
                return Ok(self.token(Kind::Open, open));
            }
            self.skip_comment()?;
        }
    }

    /// Skips a comment whose `/*` is next, and the delimiter that has to follow it.
    fn skip_comment(&mut self) -> Result<(), BadToken> {
        let start = self.at;
        let Some(length) = self.rest()[2..].find("*/") else {
            return Self::bad(start, "unclosed comment");
        };
        self.at += 2 + length + 2;
        if !self.skip_close() {
            return Self::bad(start, "comment ends before closing delimiter");
        }
        Ok(())
    }

    /// Skips `}}` or ` -}}` with the white space that the latter takes away. False when neither is next.
    fn skip_close(&mut self) -> bool {
        if at_trimmed_close(self.rest()) {
            self.at += 2 + CLOSE.len();
            self.at += self.rest().len() - self.rest().trim_start_matches(SPACES).len();
        } else if self.rest().starts_with(CLOSE) {
            self.at += CLOSE.len();
        } else {
            return false;
        }
        true
    }

    fn close(&mut self) -> Token<'a> {
        let start = self.at;
        self.skip_close();
        self.inside = false;
        Token { kind: Kind::Close, spot: start, text: CLOSE }
    }

    fn in_action(&mut self) -> Result<Token<'a>, BadToken> {
        let start = self.at;
        if self.rest().starts_with(CLOSE) || at_trimmed_close(self.rest()) {
            if self.parens > 0 {
                return Self::bad(start, "unclosed left paren");
            }
            return Ok(self.close());
        }
        let Some(first) = self.peek() else {
            return Self::bad(start, "unclosed action");
        };
        if SPACES.contains(&first) {
            return Ok(self.space());
        }
        if first.is_ascii_digit() || first == '+' || first == '-' {
            return self.number();
        }
        if is_word(first) {
            return self.word();
        }
        self.at += first.len_utf8();
        let kind = match first {
            '=' => Kind::Assign,
            ':' => {
                if self.peek() != Some('=') {
                    return Self::bad(start, "expected :=");
                }
                self.at += 1;
                Kind::Declare
            }
            '|' => Kind::Bar,
            '"' => return self.quoted(start, '"', Kind::Quoted, "unterminated quoted string"),
            '\'' => return self.quoted(start, '\'', Kind::Char, "unterminated character constant"),
            '`' => return self.raw(start),
            '$' => return self.field(start, Kind::Variable, Kind::Variable),
            '.' if self.peek().is_some_and(|next| next.is_ascii_digit()) => {
                self.at = start;
                return self.number();
            }
            '.' => return self.field(start, Kind::Field, Kind::Dot),
            '(' => {
                self.parens += 1;
                Kind::LeftParen
            }
            ')' if self.parens == 0 => return Self::bad(start, "unexpected right paren"),
            ')' => {
                self.parens -= 1;
                Kind::RightParen
            }
            ' '..='~' => Kind::Other,
            strange => {
                return Self::bad(start, format!("unrecognized character in action: U+{:04X}", u32::from(strange)));
            }
        };
        Ok(self.token(kind, start))
    }

    /// White space, but for the last of it when that belongs to a ` -}}`. At least one is next, and no ` -}}` at once.
    fn space(&mut self) -> Token<'a> {
        let start = self.at;
        self.at += self.rest().len() - self.rest().trim_start_matches(SPACES).len();
        if at_trimmed_close(&self.text[self.at - 1..]) {
            self.at -= 1;
        }
        self.token(Kind::Space, start)
    }

    fn skip_words(&mut self) {
        self.at += self.rest().find(|next| !is_word(next)).unwrap_or(self.rest().len());
    }

    /// A name must end where one may end: `$x+1` is an error instead of a sum.
    fn check_end(&self, start: usize) -> Result<(), BadToken> {
        match self.peek() {
            None | Some(' ' | '\t' | '\r' | '\n' | '.' | ',' | '|' | ':' | ')' | '(') => Ok(()),
            Some('}') if self.rest().starts_with(CLOSE) => Ok(()),
            Some(bad) => Self::bad(start, format!("bad character U+{:04X} '{bad}'", u32::from(bad))),
        }
    }

    fn word(&mut self) -> Result<Token<'a>, BadToken> {
        let start = self.at;
        self.skip_words();
        self.check_end(start)?;
        let kind = match &self.text[start..self.at] {
            "true" | "false" => Kind::Bool,
            "nil" => Kind::Nil,
            "block" => Kind::Keyword(Keyword::Block),
            "break" => Kind::Keyword(Keyword::Break),
            "continue" => Kind::Keyword(Keyword::Continue),
            "define" => Kind::Keyword(Keyword::Define),
            "else" => Kind::Keyword(Keyword::Else),
            "end" => Kind::Keyword(Keyword::End),
            "if" => Kind::Keyword(Keyword::If),
            "range" => Kind::Keyword(Keyword::Range),
            "template" => Kind::Keyword(Keyword::Template),
            "with" => Kind::Keyword(Keyword::With),
            _ => Kind::Name,
        };
        Ok(self.token(kind, start))
    }

    /// `.name` or `$name`, whose first character has been taken; `alone` when nothing follows it.
    fn field(&mut self, start: usize, named: Kind, alone: Kind) -> Result<Token<'a>, BadToken> {
        if self.check_end(start).is_ok() {
            return Ok(self.token(alone, start));
        }
        self.skip_words();
        self.check_end(start)?;
        Ok(self.token(named, start))
    }

    /// A quoted text whose first quote has been taken. What its escapes mean is the parser's business.
    fn quoted(&mut self, start: usize, quote: char, kind: Kind, unclosed: &str) -> Result<Token<'a>, BadToken> {
        let mut escaped = false;
        for (at, next) in self.rest().char_indices() {
            if next == '\n' {
                break;
            }
            if next == quote && !escaped {
                self.at += at + 1;
                return Ok(self.token(kind, start));
            }
            escaped = next == '\\' && !escaped;
        }
        Self::bad(start, unclosed)
    }

    fn raw(&mut self, start: usize) -> Result<Token<'a>, BadToken> {
        let Some(length) = self.rest().find('`') else {
            return Self::bad(start, "unterminated raw quoted string");
        };
        self.at += length + 1;
        Ok(self.token(Kind::Raw, start))
    }

    fn number(&mut self) -> Result<Token<'a>, BadToken> {
        let start = self.at;
        let mut fits = self.scan_number();
        let mut kind = Kind::Number;
        if fits && matches!(self.peek(), Some('+' | '-')) {
            fits = self.scan_number() && self.text[..self.at].ends_with('i');
            kind = Kind::Complex;
        }
        if !fits {
            return Self::bad(start, format!("bad number syntax: \"{}\"", clip(&self.text[start..self.at])));
        }
        Ok(self.token(kind, start))
    }

    fn accept(&mut self, set: &str) -> bool {
        let fits = self.peek().is_some_and(|next| set.contains(next));
        self.at += usize::from(fits);
        fits
    }

    fn accept_run(&mut self, set: &str) {
        while self.accept(set) {}
    }

    /// Passes over what may be a number. Too lenient here and there: the parser reads it again.
    fn scan_number(&mut self) -> bool {
        const DECIMAL: &str = "0123456789_";
        const HEX: &str = "0123456789abcdefABCDEF_";
        self.accept("+-");
        let mut digits = DECIMAL;
        if self.accept("0") {
            if self.accept("xX") {
                digits = HEX;
            } else if self.accept("oO") {
                digits = "01234567_";
            } else if self.accept("bB") {
                digits = "01_";
            }
        }
        self.accept_run(digits);
        if self.accept(".") {
            self.accept_run(digits);
        }
        if (digits == DECIMAL && self.accept("eE")) || (digits == HEX && self.accept("pP")) {
            self.accept("+-");
            self.accept_run(DECIMAL);
        }
        self.accept("i");
        match self.peek() {
            Some(next) if is_word(next) => {
                self.at += next.len_utf8();
                false
            }
            _ => true,
        }
    }
}

/// `-` and white space behind `{{`.
fn trims_left(rest: &str) -> bool {
    rest.strip_prefix('-').is_some_and(|rest| rest.starts_with(SPACES))
}

/// White space, `-` and `}}`.
fn at_trimmed_close(rest: &str) -> bool {
    rest.strip_prefix(SPACES).and_then(|rest| rest.strip_prefix('-')).is_some_and(|rest| rest.starts_with(CLOSE))
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphabetic() || c.is_numeric()
}

//! From tokens to the tree. Recursive descent with three tokens of look-ahead, as deep as [`TEMPLATE_DEPTH_MAX`].

use std::collections::{BTreeMap, HashMap};

use super::error::{ParseError, clip, place};
use super::lex::{BadToken, Keyword, Kind, Lexer, Token};
use super::literal;
use super::tree::{Branch, Invocation, Name, Node, Spot};
use crate::config::limits::{GO_TEMPLATE_NODES_MAX, LAYER_TEXT_BYTES, TEMPLATE_DEPTH_MAX};

/// All templates of a text by name; the text itself is the one without a name.
pub type Trees = BTreeMap<Name, Vec<Node>>;

/// Parses a whole text.
///
/// # Errors
/// [`ParseError`] with the line.
pub fn parse(text: &str) -> Result<Trees, ParseError> {
    if text.len() as u64 > LAYER_TEXT_BYTES {
        return Err(ParseError::TooLong);
    }
    let mut parser = Parser {
        text,
        lexer: Lexer::new(text),
        pending: Vec::new(),
        last: 0,
        action: None,
        scope: Scope::new(),
        trees: Trees::new(),
        parts: 0,
        depth: 0,
    };
    parser.top_level()?;
    Ok(parser.trees)
}

/// What stands behind a keyword in sentences, and what a pipeline is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Context {
    Command,
    If,
    With,
    Range,
    Block,
    Template,
    Parentheses,
}

impl Context {
    pub fn words(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::If => "if",
            Self::With => "with",
            Self::Range => "range",
            Self::Block => "block clause",
            Self::Template => "template clause",
            Self::Parentheses => "parenthesized pipeline",
        }
    }
}

/// What ended a list of nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    End,
    /// `{{ else }}`, or `{{ else if` and `{{ else with` up to the second word, which is still to be read.
    Else,
}

/// A node, or the end of the list that it would belong to.
enum Item {
    Node(Node),
    Ending(Ending),
}

/// Names of variables that may be used, innermost last.
pub(super) struct Scope<'a> {
    order: Vec<&'a str>,
    /// How many times each stands in `order`.
    known: HashMap<&'a str, usize>,
    /// Ranges around this place.
    ranges: usize,
}

impl<'a> Scope<'a> {
    fn new() -> Self {
        let mut scope = Self { order: Vec::new(), known: HashMap::new(), ranges: 0 };
        scope.declare("$");
        scope
    }

    pub fn declare(&mut self, name: &'a str) {
        self.order.push(name);
        *self.known.entry(name).or_default() += 1;
    }

    fn forget_all_but(&mut self, count: usize) {
        for name in self.order.drain(count..) {
            if let Some(left) = self.known.get_mut(name) {
                *left -= 1;
            }
        }
    }

    pub fn knows(&self, name: &str) -> bool {
        self.known.get(name).is_some_and(|count| *count > 0)
    }
}

pub(super) struct Parser<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    /// Tokens that were looked at and put back, the next one last.
    pending: Vec<Token<'a>>,
    /// Where the token begins that was read last.
    last: usize,
    /// Where the action begins that is open.
    action: Option<usize>,
    pub scope: Scope<'a>,
    trees: Trees,
    parts: usize,
    depth: usize,
}

pub(super) type Parsed<T> = Result<T, ParseError>;

impl<'a> Parser<'a> {
    pub fn error<T>(&self, message: impl Into<String>) -> Parsed<T> {
        Err(ParseError::Syntax { line: place(self.text, self.last).0, message: message.into() })
    }

    fn bad_token(&self, bad: BadToken) -> ParseError {
        let line = place(self.text, bad.spot).0;
        let mut message = bad.message;
        if let Some(started) = self.action.map(|at| place(self.text, at).0).filter(|started| *started != line) {
            let what = if message.ends_with(" action") { "" } else { " in action" };
            message = format!("{message}{what} started at :{started}");
        }
        ParseError::Syntax { line, message }
    }

    pub fn unexpected<T>(&self, token: Token<'a>, context: &str) -> Parsed<T> {
        let shown = match token.kind {
            Kind::End => "EOF".to_owned(),
            Kind::Keyword(_) | Kind::Dot | Kind::Nil => format!("<{}>", token.text),
            _ => format!("{:?}", clip(token.text)),
        };
        self.error(format!("unexpected {shown} in {context}"))
    }

    /// One more part of the tree.
    pub fn count(&mut self) -> Parsed<()> {
        self.parts += 1;
        if self.parts > GO_TEMPLATE_NODES_MAX { Err(ParseError::TooManyParts) } else { Ok(()) }
    }

    /// Runs `inner` one level deeper.
    pub fn deeper<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth >= TEMPLATE_DEPTH_MAX {
            return Err(ParseError::TooDeep);
        }
        self.depth += 1;
        let parsed = inner(self);
        self.depth -= 1;
        parsed
    }

    pub fn next(&mut self) -> Parsed<Token<'a>> {
        let token = match self.pending.pop() {
            Some(token) => token,
            None => self.lexer.next().map_err(|bad| self.bad_token(bad))?,
        };
        self.last = token.spot;
        Ok(token)
    }

    pub fn put_back(&mut self, token: Token<'a>) {
        self.pending.push(token);
    }

    pub fn peek(&mut self) -> Parsed<Token<'a>> {
        let token = self.next()?;
        self.put_back(token);
        Ok(token)
    }

    pub fn next_word(&mut self) -> Parsed<Token<'a>> {
        loop {
            let token = self.next()?;
            if token.kind != Kind::Space {
                return Ok(token);
            }
        }
    }

    pub fn peek_word(&mut self) -> Parsed<Token<'a>> {
        let token = self.next_word()?;
        self.put_back(token);
        Ok(token)
    }

    fn demand(&mut self, kind: Kind, context: &str) -> Parsed<Token<'a>> {
        let token = self.next_word()?;
        if token.kind == kind { Ok(token) } else { self.unexpected(token, context) }
    }

    /// The whole text: only here may `{{ define }}` stand.
    fn top_level(&mut self) -> Parsed<()> {
        let mut nodes = Vec::new();
        loop {
            let token = self.next()?;
            match token.kind {
                Kind::End => return self.add("", nodes),
                Kind::Open => {
                    let word = self.next_word()?;
                    if word.kind == Kind::Keyword(Keyword::Define) {
                        self.action = Some(token.spot);
                        self.definition()?;
                        continue;
                    }
                    self.put_back(word);
                }
                _ => {}
            }
            self.put_back(token);
            match self.item()? {
                Item::Node(node) => nodes.push(node),
                Item::Ending(Ending::End) => return self.error("unexpected {{end}}"),
                Item::Ending(Ending::Else) => return self.error("unexpected {{else}}"),
            }
        }
    }

    /// Keeps a template. A second one of the same name is an error unless one of the two is blank.
    fn add(&mut self, name: &str, nodes: Vec<Node>) -> Parsed<()> {
        let is_blank =
            |nodes: &[Node]| nodes.iter().all(|node| matches!(node, Node::Text(text) if text.trim_ascii().is_empty()));
        match self.trees.get(name) {
            Some(known) if !is_blank(known) => {
                if is_blank(&nodes) {
                    return Ok(());
                }
                self.error(format!("template: multiple definition of template {:?}", clip(name)))
            }
            _ => {
                self.trees.insert(name.into(), nodes);
                Ok(())
            }
        }
    }

    /// `{{ define "name" }} … {{ end }}` behind its keyword.
    fn definition(&mut self) -> Parsed<()> {
        let token = self.next_word()?;
        let name = self.template_name(token, "define clause")?;
        self.demand(Kind::Close, "define clause")?;
        self.body(&name, "define clause")
    }

    /// The nodes of a template up to its `{{ end }}`. Nothing from outside is visible in it.
    fn body(&mut self, name: &str, context: &str) -> Parsed<()> {
        let outer = std::mem::replace(&mut self.scope, Scope::new());
        let (nodes, ending) = self.deeper(Self::list)?;
        if ending != Ending::End {
            return self.error(format!("unexpected {{{{else}}}} in {context}"));
        }
        self.scope = outer;
        self.add(name, nodes)
    }

    fn template_name(&mut self, token: Token<'a>, context: &str) -> Parsed<String> {
        if !matches!(token.kind, Kind::Quoted | Kind::Raw) {
            return self.unexpected(token, context);
        }
        match literal::unquote(token.text).map(String::from_utf8) {
            Some(Ok(name)) => Ok(name),
            _ => self.error("invalid syntax"),
        }
    }

    /// Nodes up to `{{ end }}` or `{{ else }}`.
    fn list(&mut self) -> Parsed<(Vec<Node>, Ending)> {
        let mut nodes = Vec::new();
        while self.peek_word()?.kind != Kind::End {
            match self.item()? {
                Item::Node(node) => nodes.push(node),
                Item::Ending(ending) => return Ok((nodes, ending)),
            }
        }
        self.error("unexpected EOF")
    }

    /// Text or an action.
    fn item(&mut self) -> Parsed<Item> {
        self.count()?;
        let token = self.next_word()?;
        match token.kind {
            Kind::Text => Ok(Item::Node(Node::Text(token.text.as_bytes().into()))),
            Kind::Open => {
                self.action = Some(token.spot);
                let item = self.action();
                self.action = None;
                item
            }
            _ => self.unexpected(token, "input"),
        }
    }

    /// An action behind its `{{`.
    fn action(&mut self) -> Parsed<Item> {
        let token = self.next_word()?;
        let Kind::Keyword(keyword) = token.kind else {
            self.put_back(token);
            return Ok(Item::Node(Node::Action(self.pipe(Context::Command)?)));
        };
        let node = match keyword {
            Keyword::Block => self.block()?,
            Keyword::Template => self.invocation()?,
            Keyword::Break => {
                self.leave_range("{{break}}")?;
                Node::Break
            }
            Keyword::Continue => {
                self.leave_range("{{continue}}")?;
                Node::Continue
            }
            Keyword::If => Node::If(self.deeper(|parser| parser.branch(Context::If))?),
            Keyword::With => Node::With(self.deeper(|parser| parser.branch(Context::With))?),
            Keyword::Range => Node::Range(self.deeper(|parser| parser.branch(Context::Range))?),
            Keyword::End => {
                self.demand(Kind::Close, "end")?;
                return Ok(Item::Ending(Ending::End));
            }
            Keyword::Else => {
                let next = self.peek_word()?.kind;
                if !matches!(next, Kind::Keyword(Keyword::If | Keyword::With)) {
                    self.demand(Kind::Close, "else")?;
                }
                return Ok(Item::Ending(Ending::Else));
            }
            Keyword::Define => return self.unexpected(token, "command"),
        };
        Ok(Item::Node(node))
    }

    fn leave_range(&mut self, what: &str) -> Parsed<()> {
        self.demand(Kind::Close, what)?;
        if self.scope.ranges == 0 { self.error(format!("{what} outside {{{{range}}}}")) } else { Ok(()) }
    }

    /// `if`, `with` or `range` behind its keyword. Variables last until its end.
    fn branch(&mut self, context: Context) -> Parsed<Branch> {
        let outer = self.scope.order.len();
        let pipe = self.pipe(context)?;
        let ranges = self.scope.ranges;
        self.scope.ranges += usize::from(context == Context::Range);
        let (list, ending) = self.list()?;
        self.scope.ranges = ranges;
        let otherwise = match ending {
            Ending::End => None,
            Ending::Else => Some(self.otherwise(context)?),
        };
        self.scope.forget_all_but(outer);
        Ok(Branch { pipe, list, otherwise })
    }

    /// What follows `{{ else`. `else if` and `else with` share the outer `{{ end }}`.
    fn otherwise(&mut self, context: Context) -> Parsed<Vec<Node>> {
        let next = self.peek()?.kind;
        if context == Context::If && next == Kind::Keyword(Keyword::If) {
            self.next()?;
            return Ok(vec![Node::If(self.deeper(|parser| parser.branch(context))?)]);
        }
        if context == Context::With && next == Kind::Keyword(Keyword::With) {
            self.next()?;
            return Ok(vec![Node::With(self.deeper(|parser| parser.branch(context))?)]);
        }
        match self.list()? {
            (nodes, Ending::End) => Ok(nodes),
            (_, Ending::Else) => self.error("expected end; found {{else}}"),
        }
    }

    /// `{{ block "name" pipeline }} … {{ end }}` behind its keyword: a definition and its use in one.
    fn block(&mut self) -> Parsed<Node> {
        let token = self.next_word()?;
        let name = self.template_name(token, Context::Block.words())?;
        let pipe = self.pipe(Context::Block)?;
        self.body(&name, Context::Block.words())?;
        Ok(Node::Template(Invocation { spot: token.spot as Spot, name: name.into(), pipe }))
    }

    /// `{{ template "name" pipeline }}` behind its keyword.
    fn invocation(&mut self) -> Parsed<Node> {
        let token = self.next_word()?;
        let name = self.template_name(token, Context::Template.words())?;
        if self.peek_word()?.kind == Kind::Close {
            return Err(ParseError::UndefinedTemplate);
        }
        let pipe = self.pipe(Context::Template)?;
        Ok(Node::Template(Invocation { spot: token.spot as Spot, name: name.into(), pipe }))
    }
}

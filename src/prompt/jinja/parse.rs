//! From words to statements. Expressions have a file of their own, `expression.rs`.

use super::lex::{SyntaxError, Word, words};
use super::tree::{Arguments, Block, Expr, Filter, For, Macro, Node, Statement, Target};
use crate::config::limits::TEMPLATE_DEPTH_MAX;

/// The words of a template, read one after the other.
pub(super) struct Parser {
    words: Vec<(usize, Word)>,
    at: usize,
    /// Blocks and parentheses that are open.
    depth: usize,
    /// Loops that are open in this macro: `break` needs one.
    loops: usize,
    /// Operators in the tag so far.
    pub(super) operators: usize,
}

pub(super) type Parsed<T> = Result<T, SyntaxError>;

/// Parses a whole template.
pub(super) fn parse(text: &str) -> Parsed<Block> {
    let mut parser = Parser { words: words(text)?, at: 0, depth: 0, loops: 0, operators: 0 };
    let (block, end) = parser.block(&[])?;
    debug_assert!(end.is_empty());
    Ok(block)
}

impl Parser {
    pub(super) fn line(&self) -> usize {
        let at = self.at.min(self.words.len().saturating_sub(1));
        self.words.get(at).map_or(1, |(line, _)| *line)
    }

    pub(super) fn error<T>(&self, what: impl Into<String>) -> Parsed<T> {
        Err(SyntaxError(self.line(), what.into()))
    }

    pub(super) fn unexpected<T>(&self) -> Parsed<T> {
        match self.peek() {
            Some(word) => self.error(format!("unexpected {word}")),
            None => self.error("the template ends too early"),
        }
    }

    pub(super) fn peek(&self) -> Option<&Word> {
        self.words.get(self.at).map(|(_, word)| word)
    }

    pub(super) fn next(&mut self) -> Option<Word> {
        let (_, word) = self.words.get_mut(self.at)?;
        self.at += 1;
        // Nothing reads a word twice.
        Some(std::mem::replace(word, Word::BlockCloses))
    }

    pub(super) fn at_sign(&self, sign: &str) -> bool {
        matches!(self.peek(), Some(Word::Sign(here)) if *here == sign)
    }

    pub(super) fn at_name(&self, name: &str) -> bool {
        matches!(self.peek(), Some(Word::Name(here)) if here == name)
    }

    pub(super) fn take_sign(&mut self, sign: &str) -> bool {
        let here = self.at_sign(sign);
        self.at += usize::from(here);
        here
    }

    pub(super) fn take_name(&mut self, name: &str) -> bool {
        let here = self.at_name(name);
        self.at += usize::from(here);
        here
    }

    /// Whether the word after the next one is this sign.
    pub(super) fn sign_follows(&self, sign: &str) -> bool {
        matches!(self.words.get(self.at + 1), Some((_, Word::Sign(here))) if *here == sign)
    }

    pub(super) fn expect_sign(&mut self, sign: &str) -> Parsed<()> {
        if self.take_sign(sign) { Ok(()) } else { self.unexpected() }
    }

    pub(super) fn expect(&mut self, word: &Word) -> Parsed<()> {
        if self.peek() == Some(word) {
            self.at += 1;
            return Ok(());
        }
        self.unexpected()
    }

    pub(super) fn name(&mut self) -> Parsed<Box<str>> {
        match self.peek() {
            Some(Word::Name(_)) => match self.next() {
                Some(Word::Name(name)) => Ok(name.into()),
                _ => self.unexpected(),
            },
            _ => self.unexpected(),
        }
    }

    /// Goes one level deeper; the parser follows the template by recursion.
    pub(super) fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.depth += 1;
        if self.depth > TEMPLATE_DEPTH_MAX {
            return self.error(format!("nested more than {TEMPLATE_DEPTH_MAX} levels deep"));
        }
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// Statements up to one of the `ends`, whose name is returned; the rest of its tag is still to be read. Without
    /// `ends`: up to the end of the template.
    fn block(&mut self, ends: &[&'static str]) -> Parsed<(Block, &'static str)> {
        let mut block = Block::new();
        loop {
            let line = self.line();
            self.operators = 0;
            let statement = match self.next() {
                None if ends.is_empty() => return Ok((block, "")),
                None => return self.error(format!("{} is missing", ends[ends.len() - 1])),
                Some(Word::Text(text)) => Statement::Text(text.into()),
                Some(Word::PrintOpens) => {
                    let value = self.expressions()?;
                    self.expect(&Word::PrintCloses)?;
                    Statement::Print(value)
                }
                Some(Word::BlockOpens) => {
                    let name = self.name()?;
                    if let Some(end) = ends.iter().find(|end| **end == &*name) {
                        return Ok((block, end));
                    }
                    match self.deeper(|parser| parser.statement(&name))? {
                        Some(statement) => statement,
                        None => continue,
                    }
                }
                Some(_) => {
                    self.at -= 1;
                    return self.unexpected();
                }
            };
            block.push(Node { line, statement });
        }
    }

    fn end_tag(&mut self) -> Parsed<()> {
        self.expect(&Word::BlockCloses)
    }

    /// A block with the end of the tag before it and of the tag after it.
    fn body(&mut self, end: &'static str) -> Parsed<Block> {
        self.end_tag()?;
        let (block, _) = self.block(&[end])?;
        self.end_tag()?;
        Ok(block)
    }

    /// The tag `name`, up to its end. `None`: it does nothing.
    fn statement(&mut self, name: &str) -> Parsed<Option<Statement>> {
        let statement = match name {
            "if" => self.condition()?,
            "for" => self.for_loop()?,
            "set" => self.assignment()?,
            "macro" => {
                let name = self.name()?;
                Statement::Macro(Box::new(self.macro_from(name, "endmacro")?))
            }
            "call" => self.call()?,
            "filter" => {
                let mut filters = vec![self.filter()?];
                while self.take_sign("|") {
                    filters.push(self.filter()?);
                }
                Statement::FilterBlock(filters, self.body("endfilter")?)
            }
            "with" => {
                let mut targets = Vec::new();
                while !matches!(self.peek(), Some(Word::BlockCloses)) {
                    let target = self.target()?;
                    self.expect_sign("=")?;
                    targets.push((target, self.expression()?));
                    if !self.take_sign(",") {
                        break;
                    }
                }
                Statement::With(targets, self.body("endwith")?)
            }
            // Marks for training what the model wrote; nothing is printed for it.
            "generation" => Statement::With(Vec::new(), self.body("endgeneration")?),
            "do" => {
                let value = self.expressions()?;
                self.end_tag()?;
                Statement::Do(value)
            }
            "break" | "continue" if self.loops > 0 => {
                self.end_tag()?;
                if name == "break" { Statement::Break } else { Statement::Continue }
            }
            _ => return self.error(format!("unexpected tag {name:?}")),
        };
        Ok(Some(statement))
    }

    fn condition(&mut self) -> Parsed<Statement> {
        let mut branches = Vec::new();
        loop {
            let condition = self.expression()?;
            self.end_tag()?;
            let (block, end) = self.block(&["elif", "else", "endif"])?;
            branches.push((condition, block));
            match end {
                "elif" => {}
                "else" => return Ok(Statement::If(branches, self.body("endif")?)),
                _ => {
                    self.end_tag()?;
                    return Ok(Statement::If(branches, Block::new()));
                }
            }
        }
    }

    fn for_loop(&mut self) -> Parsed<Statement> {
        let target = self.targets("in")?;
        if !self.take_name("in") {
            return self.unexpected();
        }
        // A choice would take the `if` of the loop.
        let items = self.without_choice()?;
        let condition = if self.take_name("if") { Some(self.expression()?) } else { None };
        if self.at_name("recursive") {
            return self.error("recursive loops are not supported");
        }
        self.end_tag()?;
        self.loops += 1;
        let (body, end) = self.block(&["else", "endfor"])?;
        self.loops -= 1;
        let otherwise = if end == "else" {
            self.body("endfor")?
        } else {
            self.end_tag()?;
            Block::new()
        };
        Ok(Statement::For(Box::new(For { target, items, condition, body, otherwise })))
    }

    fn target(&mut self) -> Parsed<Target> {
        let name = self.name()?;
        if self.take_sign(".") { Ok(Target::Attribute(name, self.name()?)) } else { Ok(Target::Name(name)) }
    }

    /// `a`, or `a, b`, in parentheses or not.
    fn targets(&mut self, end: &str) -> Parsed<Target> {
        let in_parentheses = self.take_sign("(");
        let mut targets = vec![self.target()?];
        let mut several = in_parentheses;
        while self.take_sign(",") {
            several = true;
            if self.at_name(end) || self.at_sign(")") || self.at_sign("=") {
                break;
            }
            let target = if self.at_sign("(") { self.deeper(|parser| parser.targets(end))? } else { self.target()? };
            targets.push(target);
        }
        if in_parentheses {
            self.expect_sign(")")?;
        }
        match targets.pop() {
            Some(only) if !several => Ok(only),
            last => Ok(Target::Several(targets.into_iter().chain(last).collect())),
        }
    }

    fn assignment(&mut self) -> Parsed<Statement> {
        let target = self.targets("=")?;
        if self.take_sign("=") {
            let value = self.expressions()?;
            self.end_tag()?;
            return Ok(Statement::Set(target, value));
        }
        let mut filters = Vec::new();
        while self.take_sign("|") {
            filters.push(self.filter()?);
        }
        Ok(Statement::SetBlock(target, filters, self.body("endset")?))
    }

    /// Parameters in parentheses and a body.
    fn macro_from(&mut self, name: Box<str>, end: &'static str) -> Parsed<Macro> {
        let mut parameters = Vec::new();
        self.expect_sign("(")?;
        while !self.take_sign(")") {
            let parameter = self.name()?;
            let default = if self.take_sign("=") { Some(self.expression()?) } else { None };
            parameters.push((parameter, default));
            if !self.at_sign(")") {
                self.expect_sign(",")?;
            }
        }
        let loops = std::mem::take(&mut self.loops);
        let body = self.body(end)?;
        self.loops = loops;
        Ok(Macro { name, parameters, body })
    }

    fn call(&mut self) -> Parsed<Statement> {
        let parameters = if self.at_sign("(") { self.call_parameters()? } else { Vec::new() };
        let call = self.expression()?;
        if !matches!(call, Expr::Call(..)) {
            return self.error("a call block needs a call");
        }
        let loops = std::mem::take(&mut self.loops);
        let body = self.body("endcall")?;
        self.loops = loops;
        Ok(Statement::Call(call, Box::new(Macro { name: "caller".into(), parameters, body })))
    }

    fn call_parameters(&mut self) -> Parsed<Vec<(Box<str>, Option<Expr>)>> {
        let mut parameters = Vec::new();
        self.expect_sign("(")?;
        while !self.take_sign(")") {
            parameters.push((self.name()?, None));
            if !self.at_sign(")") {
                self.expect_sign(",")?;
            }
        }
        Ok(parameters)
    }

    /// The name of a filter and its arguments, if it has any.
    pub(super) fn filter(&mut self) -> Parsed<Filter> {
        let name = self.name()?;
        let arguments = if self.at_sign("(") { self.arguments()? } else { Arguments::default() };
        Ok(Filter { name, arguments })
    }
}

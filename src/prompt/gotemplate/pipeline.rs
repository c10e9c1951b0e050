//! The part of the parser below the actions: pipelines, commands, operands.

use super::error::clip;
use super::function::Function;
use super::lex::{Kind, Token};
use super::literal;
use super::parse::{Context, Parsed, Parser};
use super::tree::{Command, Name, Operand, Pipe, Spot, Term};

impl<'a> Parser<'a> {
    /// A pipeline and the `}}` or `)` that ends it.
    pub fn pipe(&mut self, context: Context) -> Parsed<Pipe> {
        self.count()?;
        let spot = self.peek_word()?.spot as Spot;
        let (variables, assigns) = self.declarations(context)?;
        let end = if context == Context::Parentheses { Kind::RightParen } else { Kind::Close };
        let mut commands: Vec<Command> = Vec::new();
        loop {
            let token = self.next_word()?;
            match token.kind {
                kind if kind == end => break,
                kind if begins_operand(kind) => self.put_back(token),
                _ => return self.unexpected(token, context.words()),
            }
            commands.push(self.command()?);
        }
        if commands.is_empty() {
            return self.error(format!("missing value for {}", context.words()));
        }
        for (stage, command) in commands.iter().enumerate().skip(1) {
            let first = command.operands.first().map(|operand| &operand.term);
            if matches!(first, Some(Term::Bool(_) | Term::Dot | Term::Nil | Term::Number(_) | Term::Text(_))) {
                return self.error(format!("non executable command in pipeline stage {}", stage + 1));
            }
        }
        Ok(Pipe { spot, variables, assigns, commands })
    }

    /// `$x :=`, `$x =` and, in a `range`, `$i, $x :=`. A `$x` that sets nothing is put back.
    fn declarations(&mut self, context: Context) -> Parsed<(Vec<Name>, bool)> {
        let mut variables: Vec<Name> = Vec::new();
        loop {
            let variable = self.peek_word()?;
            if variable.kind != Kind::Variable {
                return Ok((variables, false));
            }
            self.next_word()?;
            let behind = self.next()?;
            if behind.kind != Kind::Space {
                self.put_back(behind);
            }
            let next = self.peek_word()?;
            let is_comma = next.kind == Kind::Other && next.text == ",";
            if !is_comma && !matches!(next.kind, Kind::Assign | Kind::Declare) {
                if behind.kind == Kind::Space {
                    self.put_back(behind);
                }
                self.put_back(variable);
                return Ok((variables, false));
            }
            self.next_word()?;
            variables.push(variable.text.into());
            self.scope.declare(variable.text);
            if !is_comma {
                return Ok((variables, next.kind == Kind::Assign));
            }
            if context != Context::Range || variables.len() > 1 {
                return self.error(format!("too many declarations in {}", context.words()));
            }
            if !matches!(self.peek_word()?.kind, Kind::Variable | Kind::Close | Kind::RightParen) {
                return self.error("range can only initialize variables");
            }
        }
    }

    /// Operands with white space between them. Takes a `|` that follows, leaves what ends the pipeline.
    fn command(&mut self) -> Parsed<Command> {
        self.count()?;
        let mut operands = Vec::new();
        loop {
            self.peek_word()?;
            operands.extend(self.operand()?);
            let token = self.next()?;
            match token.kind {
                Kind::Space => {}
                Kind::Close | Kind::RightParen => {
                    self.put_back(token);
                    break;
                }
                Kind::Bar => break,
                _ => return self.unexpected(token, "operand"),
            }
        }
        if operands.is_empty() { self.error("empty command") } else { Ok(Command { operands }) }
    }

    /// A term and the fields behind it. `None`: the next token is none.
    fn operand(&mut self) -> Parsed<Option<Operand>> {
        self.count()?;
        let token = self.next_word()?;
        let spot = token.spot as Spot;
        let Some(term) = self.term(token)? else {
            self.put_back(token);
            return Ok(None);
        };
        let mut fields: Vec<Name> = Vec::new();
        while self.peek()?.kind == Kind::Field {
            self.count()?;
            fields.push(self.next()?.text[1..].into());
        }
        if fields.is_empty() {
            return Ok(Some(Operand { spot, term }));
        }
        let term = match term {
            Term::Field(mut names) => {
                names.append(&mut fields);
                Term::Field(names)
            }
            Term::Variable(mut names) => {
                names.append(&mut fields);
                Term::Variable(names)
            }
            Term::Pipe(_) | Term::Function(_) => Term::Chain(Box::new(Operand { spot, term }), fields),
            _ => return self.error(format!("unexpected . after term {:?}", clip(token.text))),
        };
        Ok(Some(Operand { spot, term }))
    }

    fn term(&mut self, token: Token<'a>) -> Parsed<Option<Term>> {
        let number = |parsed: Result<_, String>| parsed.map(Term::Number);
        let term = match token.kind {
            Kind::Name => match Function::named(token.text) {
                Some(function) => Ok(Term::Function(function)),
                None => Err(format!("function {:?} not defined", clip(token.text))),
            },
            Kind::Dot => Ok(Term::Dot),
            Kind::Nil => Ok(Term::Nil),
            Kind::Variable if self.scope.knows(token.text) => Ok(Term::Variable(vec![token.text.into()])),
            Kind::Variable => Err(format!("undefined variable {:?}", clip(token.text))),
            Kind::Field => Ok(Term::Field(vec![token.text[1..].into()])),
            Kind::Bool => Ok(Term::Bool(token.text == "true")),
            Kind::Char => number(literal::character(token.text)),
            Kind::Complex => number(literal::complex(token.text)),
            Kind::Number => number(literal::number(token.text)),
            Kind::LeftParen => {
                let pipe = self.deeper(|parser| parser.pipe(Context::Parentheses))?;
                return Ok(Some(Term::Pipe(pipe)));
            }
            Kind::Quoted | Kind::Raw => match literal::unquote(token.text) {
                Some(text) => Ok(Term::Text(text.into())),
                None => Err("invalid syntax".to_owned()),
            },
            _ => return Ok(None),
        };
        match term {
            Ok(term) => Ok(Some(term)),
            Err(message) => self.error(message),
        }
    }
}

/// Whether a command may begin or go on with such a token.
fn begins_operand(kind: Kind) -> bool {
    let is_constant = matches!(kind, Kind::Bool | Kind::Char | Kind::Complex | Kind::Number | Kind::Nil);
    let is_text = matches!(kind, Kind::Raw | Kind::Quoted);
    is_constant || is_text || matches!(kind, Kind::Dot | Kind::Field | Kind::Name | Kind::Variable | Kind::LeftParen)
}

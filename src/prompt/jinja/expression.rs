//! Expressions, by precedence climbing: `or`, `and`, `not`, comparisons, `+ -`, `~`, `* / // %`, `**`, signs, and what
//! follows a value: attributes, items, calls, filters and tests.

use super::lex::Word;
use super::parse::{Parsed, Parser};
use super::tree::{Arguments, Comparison, Expr, Filter, Operator};
use super::value::Value;
use crate::config::limits::TEMPLATE_OPERATORS_MAX;

/// What binds an operator: the higher, the tighter.
const SUM: usize = 1;
const OPERATORS: &[(&str, usize, Operator)] = &[
    ("+", SUM, Operator::Add),
    ("-", SUM, Operator::Subtract),
    ("~", 2, Operator::Concatenate),
    ("*", 3, Operator::Multiply),
    ("/", 3, Operator::Divide),
    ("//", 3, Operator::FloorDivide),
    ("%", 3, Operator::Modulo),
    ("**", 4, Operator::Power),
];

const COMPARISONS: &[(&str, Comparison)] = &[
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<", Comparison::Less),
    ("<=", Comparison::LessOrEqual),
    (">", Comparison::Greater),
    (">=", Comparison::GreaterOrEqual),
];

/// Words that end an operand: after a test they are not its argument.
const KEYWORDS: &[&str] = &["and", "or", "not", "if", "else", "is", "in", "recursive"];

impl Parser {
    /// One expression, or several that make a tuple.
    pub(super) fn expressions(&mut self) -> Parsed<Expr> {
        let first = self.expression()?;
        if !self.at_sign(",") {
            return Ok(first);
        }
        let mut all = vec![first];
        while self.take_sign(",") {
            if matches!(self.peek(), Some(Word::BlockCloses | Word::PrintCloses | Word::Sign(")"))) {
                break;
            }
            all.push(self.expression()?);
        }
        Ok(Expr::Tuple(all))
    }

    /// `value if condition else other`, or less.
    pub(super) fn expression(&mut self) -> Parsed<Expr> {
        self.deeper(|parser| {
            let mut value = parser.either()?;
            while parser.take_name("if") {
                parser.link()?;
                let condition = parser.either()?;
                let otherwise = if parser.take_name("else") { Some(Box::new(parser.expression()?)) } else { None };
                value = Expr::Choice(Box::new(condition), Box::new(value), otherwise);
            }
            Ok(value)
        })
    }

    pub(super) fn without_choice(&mut self) -> Parsed<Expr> {
        self.deeper(Self::either)
    }

    /// Counts an operator: in a row they make a tree that is as deep as they are many.
    fn link(&mut self) -> Parsed<()> {
        self.operators += 1;
        if self.operators > TEMPLATE_OPERATORS_MAX {
            return self.error(format!("more than {TEMPLATE_OPERATORS_MAX} operators in one tag"));
        }
        Ok(())
    }

    fn either(&mut self) -> Parsed<Expr> {
        let mut left = self.both()?;
        while self.take_name("or") {
            self.link()?;
            left = Expr::Or(Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Parsed<Expr> {
        let mut left = self.negation()?;
        while self.take_name("and") {
            self.link()?;
            left = Expr::And(Box::new(left), Box::new(self.negation()?));
        }
        Ok(left)
    }

    fn negation(&mut self) -> Parsed<Expr> {
        if self.take_name("not") {
            return Ok(Expr::Not(Box::new(self.deeper(Self::negation)?)));
        }
        let first = self.binary(SUM)?;
        let mut others = Vec::new();
        while let Some(comparison) = self.comparison() {
            others.push((comparison, self.binary(SUM)?));
        }
        Ok(if others.is_empty() { first } else { Expr::Compare(Box::new(first), others) })
    }

    fn comparison(&mut self) -> Option<Comparison> {
        if self.take_name("in") {
            return Some(Comparison::In);
        }
        if self.at_name("not") {
            self.take_name("not");
            // `a not in b`; anything else after `not` is found where its operand is parsed.
            return self.take_name("in").then_some(Comparison::NotIn);
        }
        let (_, comparison) = COMPARISONS.iter().find(|(sign, _)| self.at_sign(sign))?;
        self.next();
        Some(*comparison)
    }

    fn binary(&mut self, level: usize) -> Parsed<Expr> {
        let mut left = self.signed(true)?;
        while let Some((sign, binds, operator)) =
            OPERATORS.iter().find(|(sign, binds, _)| *binds >= level && self.at_sign(sign))
        {
            self.take_sign(sign);
            self.link()?;
            let right = self.deeper(|parser| parser.binary(binds + 1))?;
            left = Expr::Binary(*operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    /// A value with its sign, and with filters and tests, which take the sign with them.
    fn signed(&mut self, filtered: bool) -> Parsed<Expr> {
        let mut value = if self.take_sign("-") {
            Expr::Negative(Box::new(self.deeper(|parser| parser.signed(false))?))
        } else if self.take_sign("+") {
            self.deeper(|parser| parser.signed(false))?
        } else {
            self.primary()?
        };
        loop {
            value = if filtered && self.take_sign("|") {
                Expr::Filter(Box::new(value), Box::new(self.filter()?))
            } else if filtered && self.take_name("is") {
                let negated = self.take_name("not");
                let test = Expr::Test(Box::new(value), Box::new(self.test()?));
                if negated { Expr::Not(Box::new(test)) } else { test }
            } else if let Some(longer) = self.postfix(&mut value)? {
                longer
            } else {
                return Ok(value);
            };
            self.link()?;
        }
    }

    /// An attribute, an item or a call of `value`, which is taken then.
    fn postfix(&mut self, value: &mut Expr) -> Parsed<Option<Expr>> {
        let mut taken = || Box::new(std::mem::replace(value, Expr::Literal(Value::None)));
        if self.take_sign(".") {
            return match self.next() {
                Some(Word::Name(name)) => Ok(Some(Expr::Attribute(taken(), name.into()))),
                Some(Word::Integer(index)) => Ok(Some(Expr::Item(taken(), Box::new(Expr::Literal(Value::Int(index)))))),
                _ => self.unexpected(),
            };
        }
        if self.at_sign("(") {
            let arguments = Box::new(self.arguments()?);
            return Ok(Some(Expr::Call(taken(), arguments)));
        }
        if self.take_sign("[") {
            let value = taken();
            return self.deeper(|parser| parser.item(value)).map(Some);
        }
        Ok(None)
    }

    /// What stands between brackets behind a value.
    fn item(&mut self, value: Box<Expr>) -> Parsed<Expr> {
        let mut parts = [None, None, None];
        let mut colons = 0;
        loop {
            if self.take_sign(":") {
                colons += 1;
                if colons > 2 {
                    return self.error("a slice has three parts at most");
                }
            } else if self.take_sign("]") {
                break;
            } else if parts[colons].is_none() {
                parts[colons] = Some(self.expressions()?);
            } else {
                return self.unexpected();
            }
        }
        match (colons, parts) {
            (0, [Some(index), _, _]) => Ok(Expr::Item(value, Box::new(index))),
            (0, _) => self.error("an index is missing"),
            (_, parts) => Ok(Expr::Slice(value, Box::new(parts))),
        }
    }

    fn test(&mut self) -> Parsed<Filter> {
        let mut test = self.filter()?;
        let argument = match self.peek() {
            Some(Word::Name(name)) => !KEYWORDS.contains(&name.as_str()),
            Some(Word::String(_) | Word::Integer(_) | Word::Float(_) | Word::Sign("[" | "{")) => true,
            _ => false,
        };
        if argument && test.arguments.positional.is_empty() {
            let mut value = self.deeper(Self::primary)?;
            while let Some(longer) = self.postfix(&mut value)? {
                self.link()?;
                value = longer;
            }
            test.arguments.positional.push(value);
        }
        Ok(test)
    }

    /// Arguments in parentheses.
    pub(super) fn arguments(&mut self) -> Parsed<Arguments> {
        self.expect_sign("(")?;
        let mut arguments = Arguments::default();
        while !self.take_sign(")") {
            if matches!(self.peek(), Some(Word::Name(_))) && self.sign_follows("=") {
                let name = self.name()?;
                self.expect_sign("=")?;
                arguments.named.push((name, self.expression()?));
            } else {
                arguments.positional.push(self.expression()?);
            }
            if !self.at_sign(")") {
                self.expect_sign(",")?;
            }
        }
        Ok(arguments)
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let literal = match self.next() {
            Some(Word::Name(name)) => match name.as_str() {
                "true" | "True" => Value::Bool(true),
                "false" | "False" => Value::Bool(false),
                "none" | "None" | "null" => Value::None,
                _ if KEYWORDS.contains(&name.as_str()) => return self.error(format!("unexpected {name:?}")),
                _ => return Ok(Expr::Name(name.into())),
            },
            Some(Word::String(mut text)) => {
                while let Some(Word::String(more)) = self.peek() {
                    text.push_str(more);
                    self.next();
                }
                Value::Str(text.into())
            }
            Some(Word::Integer(number)) => Value::Int(number),
            Some(Word::Float(number)) => Value::Float(number),
            Some(Word::Sign("(")) => return self.parentheses(),
            Some(Word::Sign("[")) => {
                let mut items = Vec::new();
                while !self.take_sign("]") {
                    items.push(self.expression()?);
                    if !self.at_sign("]") {
                        self.expect_sign(",")?;
                    }
                }
                return Ok(Expr::List(items));
            }
            Some(Word::Sign("{")) => {
                let mut entries = Vec::new();
                while !self.take_sign("}") {
                    let key = self.expression()?;
                    self.expect_sign(":")?;
                    entries.push((key, self.expression()?));
                    if !self.at_sign("}") {
                        self.expect_sign(",")?;
                    }
                }
                return Ok(Expr::Dict(entries));
            }
            Some(word) => return self.error(format!("unexpected {word}")),
            None => return self.unexpected(),
        };
        Ok(Expr::Literal(literal))
    }

    fn parentheses(&mut self) -> Parsed<Expr> {
        if self.take_sign(")") {
            return Ok(Expr::Tuple(Vec::new()));
        }
        let value = self.expressions()?;
        self.expect_sign(")")?;
        Ok(value)
    }
}

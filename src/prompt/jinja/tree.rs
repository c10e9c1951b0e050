//! A parsed template.

use std::sync::Arc;

use super::value::Value;

/// A statement and the line on which it begins, from 1.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) statement: Statement,
}

/// Statements one after the other.
pub(super) type Block = Vec<Node>;

#[derive(Debug)]
pub(super) enum Statement {
    Text(Box<str>),
    Print(Expr),
    /// Conditions with their blocks, and what happens when none holds.
    If(Vec<(Expr, Block)>, Block),
    For(Box<For>),
    Set(Target, Expr),
    /// The text of a block, through filters.
    SetBlock(Target, Vec<Filter>, Block),
    With(Vec<(Target, Expr)>, Block),
    Macro(Box<Macro>),
    /// `{% call f(...) %}`: the block is what `caller()` gives inside the macro.
    Call(Expr, Box<Macro>),
    FilterBlock(Vec<Filter>, Block),
    Do(Expr),
    Break,
    Continue,
}

#[derive(Debug)]
pub(super) struct For {
    pub(super) target: Target,
    pub(super) items: Expr,
    /// Items for which it does not hold are left out.
    pub(super) condition: Option<Expr>,
    pub(super) body: Block,
    /// Where there is no item.
    pub(super) otherwise: Block,
}

/// What is assigned to.
#[derive(Debug)]
pub(super) enum Target {
    Name(Box<str>),
    /// An attribute of a namespace.
    Attribute(Box<str>, Box<str>),
    Several(Vec<Target>),
}

#[derive(Debug)]
pub(super) struct Macro {
    pub(super) name: Box<str>,
    /// Parameters with their defaults.
    pub(super) parameters: Vec<(Box<str>, Option<Expr>)>,
    pub(super) body: Block,
}

#[derive(Debug)]
pub(super) struct Filter {
    pub(super) name: Box<str>,
    pub(super) arguments: Arguments,
}

#[derive(Debug, Default)]
pub(super) struct Arguments {
    pub(super) positional: Vec<Expr>,
    pub(super) named: Vec<(Box<str>, Expr)>,
}

#[derive(Debug)]
pub(super) enum Expr {
    Literal(Value),
    Name(Box<str>),
    List(Vec<Expr>),
    Tuple(Vec<Expr>),
    Dict(Vec<(Expr, Expr)>),
    Attribute(Box<Expr>, Arc<str>),
    Item(Box<Expr>, Box<Expr>),
    /// Start, stop and step.
    Slice(Box<Expr>, Box<[Option<Expr>; 3]>),
    Call(Box<Expr>, Box<Arguments>),
    Filter(Box<Expr>, Box<Filter>),
    /// `is` and a test, which has a filter's shape.
    Test(Box<Expr>, Box<Filter>),
    Not(Box<Expr>),
    Negative(Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    /// `a < b < c` holds when both hold.
    Compare(Box<Expr>, Vec<(Comparison, Expr)>),
    /// Condition, value, and the value otherwise.
    Choice(Box<Expr>, Box<Expr>, Option<Box<Expr>>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Modulo,
    Power,
    Concatenate,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    NotIn,
}

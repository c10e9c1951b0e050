//! The parsed template: what [`super::parse`] makes and everything else walks.
//!
//! Node for node the tree of Go's `text/template/parse`, because Ollama reads tags and the end of the prompt off its
//! shape. Comments leave no node; `else if` is an `If` alone in the other's `otherwise`, `else with` likewise.

use std::sync::Arc;

use super::function::Function;

/// Text as Go has it: any bytes, although nearly always UTF-8. Shared, so that a value costs no copy.
pub type Text = Arc<[u8]>;

/// A name of a field, a variable or a template.
pub type Name = Box<str>;

/// Where something begins in the template, in bytes.
pub type Spot = u32;

/// Something that a template does.
#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// Text between actions, trimmed as its neighbours ask.
    Text(Text),
    /// `{{ pipeline }}`: prints, or sets variables.
    Action(Pipe),
    /// `{{ if }}`.
    If(Branch),
    /// `{{ with }}`.
    With(Branch),
    /// `{{ range }}`.
    Range(Branch),
    /// `{{ template "name" pipeline }}`; a `{{ block }}` leaves one too.
    Template(Invocation),
    /// `{{ break }}`.
    Break,
    /// `{{ continue }}`.
    Continue,
}

/// What `if`, `with` and `range` have in common.
#[derive(Debug, Clone, PartialEq)]
pub struct Branch {
    /// What is tested or gone through.
    pub pipe: Pipe,
    /// Done when there is something.
    pub list: Vec<Node>,
    /// Done when there is nothing; `None` without `{{ else }}`.
    pub otherwise: Option<Vec<Node>>,
}

/// A call of a named template.
#[derive(Debug, Clone, PartialEq)]
pub struct Invocation {
    /// Where its name stands.
    pub spot: Spot,
    /// The template.
    pub name: Name,
    /// What it is given as dot.
    pub pipe: Pipe,
}

/// Commands, each given the result of the one before as its last argument.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipe {
    /// Where it begins.
    pub spot: Spot,
    /// Variables that get the result, with their `$`: none, one, or two in a `range`.
    pub variables: Vec<Name>,
    /// `=` instead of `:=`.
    pub assigns: bool,
    /// At least one.
    pub commands: Vec<Command>,
}

/// Operands, of which the first may be a function.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// At least one.
    pub operands: Vec<Operand>,
}

/// A word of a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Operand {
    /// Where it begins.
    pub spot: Spot,
    /// What it is.
    pub term: Term,
}

/// What an operand may be.
#[derive(Debug, Clone, PartialEq)]
pub enum Term {
    /// `.`.
    Dot,
    /// `nil`.
    Nil,
    /// `true` and `false`.
    Bool(bool),
    /// A number or a character.
    Number(Number),
    /// A quoted text, without its quotes.
    Text(Text),
    /// `.A.B`: names without dots, at least one.
    Field(Vec<Name>),
    /// `$x.A`: the variable with its `$`, then fields.
    Variable(Vec<Name>),
    /// A function by name.
    Function(Function),
    /// A pipeline in parentheses.
    Pipe(Pipe),
    /// `(pipeline).A.B` and `function.A`: fields of a result.
    Chain(Box<Operand>, Vec<Name>),
}

/// A constant. Its spelling alone decides its type (Go's "ideal constants", without a context).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Number {
    /// An `int`.
    Int(i64),
    /// A `float64`.
    Float(f64),
    /// A `complex128`.
    Complex(f64, f64),
    /// An integer beyond `int`, which is an error as soon as it is used.
    TooLarge,
}

/// Names of everything that `nodes` mention, as Ollama collects them: fields and variables, not the fields of
/// parenthesised results, and not the variables that are set.
pub fn identifiers<'t>(nodes: &'t [Node], found: &mut Vec<&'t str>) {
    for node in nodes {
        match node {
            Node::Text(_) | Node::Break | Node::Continue => {}
            Node::Action(pipe) => of_pipe(pipe, found),
            Node::Template(invocation) => of_pipe(&invocation.pipe, found),
            Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
                of_pipe(&branch.pipe, found);
                identifiers(&branch.list, found);
                identifiers(branch.otherwise.as_deref().unwrap_or_default(), found);
            }
        }
    }
}

fn of_pipe<'t>(pipe: &'t Pipe, found: &mut Vec<&'t str>) {
    for operand in pipe.commands.iter().flat_map(|command| &command.operands) {
        match &operand.term {
            Term::Field(names) | Term::Variable(names) => found.extend(names.iter().map(|name| &**name)),
            Term::Pipe(inner) => of_pipe(inner, found),
            _ => {}
        }
    }
}

/// `nodes` up to the first mention of `.Response`, which stays; all behind it goes (the behaviour page, section 7.2,
/// mode c). Conditions are not looked at, nor are variables (`$.Response`) and named templates.
pub fn cut_after_response(mut nodes: Vec<Node>) -> Vec<Node> {
    cut_list(&mut nodes, &mut false);
    nodes
}

fn cut_list(nodes: &mut Vec<Node>, cut: &mut bool) {
    nodes.retain_mut(|node| !*cut && cut_node(node, cut));
}

/// Whether the node stays.
fn cut_node(node: &mut Node, cut: &mut bool) -> bool {
    match node {
        Node::Text(_) | Node::Break | Node::Continue | Node::Template(_) => true,
        Node::Action(pipe) => cut_pipe(pipe, cut),
        Node::If(branch) | Node::With(branch) | Node::Range(branch) => {
            cut_list(&mut branch.list, cut);
            if *cut {
                branch.otherwise = None;
            } else if let Some(otherwise) = &mut branch.otherwise {
                cut_list(otherwise, cut);
            }
            true
        }
    }
}

/// A pipeline goes whole when one of its commands loses all its words: `{{ .Response | html }}` prints nothing.
fn cut_pipe(pipe: &mut Pipe, cut: &mut bool) -> bool {
    for command in &mut pipe.commands {
        command.operands.retain_mut(|operand| !*cut && cut_operand(operand, cut));
        if command.operands.is_empty() {
            return false;
        }
    }
    true
}

fn cut_operand(operand: &mut Operand, cut: &mut bool) -> bool {
    match &mut operand.term {
        Term::Field(names) => {
            *cut |= names.iter().any(|name| &**name == "Response");
            true
        }
        Term::Pipe(pipe) => cut_pipe(pipe, cut),
        _ => true,
    }
}

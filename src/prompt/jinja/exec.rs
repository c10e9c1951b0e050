//! Runs statements.

use std::collections::HashMap;

use super::tree::{Block, Expr, Filter, For, Macro, Statement, Target};
use super::value::{Dict, Fault, Heap, Key, Outcome, Value, fail};
use crate::config::limits::{PROMPT_BYTES, TEMPLATE_STACK_MAX};

/// What a statement means for those after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    Goes,
    Breaks,
    Continues,
}

/// Variables of one scope.
type Scope<'t> = HashMap<&'t str, Value>;

/// The state behind the variable `loop`.
pub(super) struct Turn {
    pub(super) items: usize,
    pub(super) index: usize,
}

/// A macro with the variables that it saw where it was defined.
struct Closure<'t> {
    code: &'t Macro,
    seen: Scope<'t>,
}

/// Arguments of a call, evaluated.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub(super) positional: Vec<Value>,
    pub(super) named: Vec<(Box<str>, Value)>,
}

/// A rendering under way.
pub(super) struct Machine<'t> {
    pub(super) heap: Heap,
    pub(super) turns: Vec<Turn>,
    macros: Vec<Closure<'t>>,
    /// Innermost last. The first holds what the template was given and its own variables at the top.
    scopes: Vec<Scope<'t>>,
    out: String,
    /// How many blocks, expressions and macros are under way.
    depth: usize,
    /// The line of the statement under way.
    pub(super) line: usize,
    /// What the clock says.
    pub(super) now: &'t jiff::Zoned,
}

impl<'t> Machine<'t> {
    /// A machine for one rendering.
    pub(super) fn new(heap: Heap, now: &'t jiff::Zoned) -> Self {
        Self {
            heap,
            turns: Vec::new(),
            macros: Vec::new(),
            scopes: vec![Scope::new()],
            out: String::new(),
            depth: 0,
            line: 0,
            now,
        }
    }

    /// Sets a variable of the outermost scope.
    pub(super) fn give(&mut self, name: &'t str, value: Value) {
        if let Some(scope) = self.scopes.first_mut() {
            scope.insert(name, value);
        }
    }

    /// The text of the whole template.
    pub(super) fn render(mut self, block: &'t Block) -> Outcome<String> {
        self.block(block)?;
        Ok(self.out)
    }

    pub(super) fn variable(&self, name: &str) -> Option<Value> {
        self.scopes.iter().rev().find_map(|scope| scope.get(name)).cloned()
    }

    /// Goes one level deeper: blocks and expressions are followed by recursion.
    pub(super) fn deeper<T>(&mut self, run: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        if self.depth >= TEMPLATE_STACK_MAX {
            return fail(format!("it is nested more than {TEMPLATE_STACK_MAX} levels deep"));
        }
        self.depth += 1;
        let outcome = run(self);
        self.depth -= 1;
        outcome
    }

    fn write(&mut self, text: &str) -> Outcome<()> {
        if self.out.len() + text.len() > PROMPT_BYTES {
            return Err(Fault::TooLong);
        }
        self.heap.pay(text.len())?;
        self.out.push_str(text);
        Ok(())
    }

    fn scoped<T>(&mut self, scope: Scope<'t>, run: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        self.scopes.push(scope);
        let outcome = run(self);
        self.scopes.pop();
        outcome
    }

    /// The text that a block writes.
    fn captured(&mut self, block: &'t Block) -> Outcome<Value> {
        let before = std::mem::take(&mut self.out);
        let outcome = self.scoped(Scope::new(), |machine| machine.block(block));
        let text = std::mem::replace(&mut self.out, before);
        outcome?;
        self.heap.text(&text)
    }

    fn block(&mut self, block: &'t Block) -> Outcome<Flow> {
        self.deeper(|machine| {
            for node in block {
                machine.heap.spend(1)?;
                machine.line = node.line;
                let flow = machine.statement(&node.statement)?;
                if flow != Flow::Goes {
                    return Ok(flow);
                }
            }
            Ok(Flow::Goes)
        })
    }

    fn statement(&mut self, statement: &'t Statement) -> Outcome<Flow> {
        match statement {
            Statement::Text(text) => self.write(text)?,
            Statement::Print(value) => self.print(value)?,
            Statement::If(branches, otherwise) => return self.condition(branches, otherwise),
            Statement::For(code) => self.for_loop(code)?,
            Statement::Set(target, value) => {
                let value = self.evaluate(value)?;
                self.assign(target, value)?;
            }
            Statement::SetBlock(target, filters, block) => {
                let text = self.captured(block)?;
                let text = self.filtered(text, filters)?;
                self.assign(target, text)?;
            }
            Statement::With(targets, block) => return self.with(targets, block),
            Statement::Macro(code) => {
                let value = self.closure(code)?;
                self.set_variable(&code.name, value);
            }
            Statement::Call(call, code) => self.call_block(call, code)?,
            Statement::FilterBlock(filters, block) => {
                let text = self.captured(block)?;
                let text = self.filtered(text, filters)?;
                self.write_value(&text)?;
            }
            Statement::Do(value) => {
                self.evaluate(value)?;
            }
            Statement::Break => return Ok(Flow::Breaks),
            Statement::Continue => return Ok(Flow::Continues),
        }
        Ok(Flow::Goes)
    }

    fn print(&mut self, value: &'t Expr) -> Outcome<()> {
        let value = self.evaluate(value)?;
        self.write_value(&value)
    }

    fn write_value(&mut self, value: &Value) -> Outcome<()> {
        match value {
            Value::Str(text) => self.write(text),
            // As in llama.cpp, and as the authors of templates expect: Jinja would print the word.
            Value::None => Ok(()),
            value => {
                let text = self.heap.print(value)?;
                self.write(&text)
            }
        }
    }

    fn filtered(&mut self, mut value: Value, filters: &'t [Filter]) -> Outcome<Value> {
        for filter in filters {
            let given = self.given(&filter.arguments)?;
            value = self.filter(&filter.name, &value, &given)?;
        }
        Ok(value)
    }

    fn condition(&mut self, branches: &'t [(Expr, Block)], otherwise: &'t Block) -> Outcome<Flow> {
        for (condition, block) in branches {
            let condition = self.evaluate(condition)?;
            if self.heap.is_true(&condition) {
                return self.block(block);
            }
        }
        self.block(otherwise)
    }

    fn with(&mut self, targets: &'t [(Target, Expr)], block: &'t Block) -> Outcome<Flow> {
        let values = targets.iter().map(|(_, value)| self.evaluate(value)).collect::<Outcome<Vec<_>>>()?;
        self.scoped(Scope::new(), |machine| {
            for ((target, _), value) in targets.iter().zip(values) {
                machine.assign(target, value)?;
            }
            machine.block(block)
        })
    }

    fn for_loop(&mut self, code: &'t For) -> Outcome<()> {
        let items = self.evaluate(&code.items)?;
        let mut items = self.heap.iterate(&items)?;
        if let Some(condition) = &code.condition {
            let mut kept = Vec::new();
            for item in items {
                let holds = self.scoped(Scope::new(), |machine| {
                    machine.assign(&code.target, item.clone())?;
                    machine.evaluate(condition)
                })?;
                if self.heap.is_true(&holds) {
                    kept.push(item);
                }
            }
            items = kept;
        }
        if items.is_empty() {
            self.block(&code.otherwise)?;
            return Ok(());
        }
        let Value::List(list) = self.heap.list(items)? else { return Ok(()) };
        let turn = self.turns.len();
        self.turns.push(Turn { items: list, index: 0 });
        let mut index = 0;
        // The list is ours, so it stays as long as it is.
        while let Some(item) = self.heap.items(list).get(index).cloned() {
            self.heap.spend(1)?;
            self.turns[turn].index = index;
            let flow = self.scoped(Scope::from([("loop", Value::Loop(turn))]), |machine| {
                machine.assign(&code.target, item)?;
                machine.block(&code.body)
            })?;
            if flow == Flow::Breaks {
                break;
            }
            index += 1;
        }
        Ok(())
    }

    fn set_variable(&mut self, name: &'t str, value: Value) {
        if let Some(scope) = self.scopes.last_mut() {
            scope.insert(name, value);
        }
    }

    fn assign(&mut self, target: &'t Target, value: Value) -> Outcome<()> {
        match target {
            Target::Name(name) => self.set_variable(name, value),
            Target::Attribute(name, attribute) => {
                let Some(Value::Namespace(place)) = self.variable(name) else {
                    return fail(format!("{name} is not a namespace"));
                };
                self.heap.set(place, Key::from(&**attribute), value)?;
            }
            Target::Several(targets) => {
                let values = self.heap.iterate(&value)?;
                if values.len() != targets.len() {
                    return fail(format!("{} values for {} names", values.len(), targets.len()));
                }
                for (target, value) in targets.iter().zip(values) {
                    self.assign(target, value)?;
                }
            }
        }
        Ok(())
    }

    /// The macro with what it sees besides the outermost scope, which it sees as it is when it is called.
    fn closure(&mut self, code: &'t Macro) -> Outcome<Value> {
        let mut seen = Scope::new();
        for scope in self.scopes.iter().skip(1) {
            self.heap.pay_items(scope.len())?;
            seen.extend(scope.iter().map(|(name, value)| (*name, value.clone())));
        }
        self.heap.pay_items(1)?;
        self.macros.push(Closure { code, seen });
        Ok(Value::Macro(self.macros.len() - 1))
    }

    fn call_block(&mut self, call: &'t Expr, code: &'t Macro) -> Outcome<()> {
        let Expr::Call(callee, arguments) = call else { return fail("a call block needs a call") };
        let caller = self.closure(code)?;
        let callee = self.evaluate(callee)?;
        let given = self.given(arguments)?;
        let Value::Macro(place) = callee else {
            return fail(format!("{} cannot be called with a block", callee.kind()));
        };
        let text = self.call_macro(place, given, Some(caller))?;
        self.write_value(&text)
    }

    /// The text that a macro writes.
    pub(super) fn call_macro(&mut self, place: usize, given: Given, caller: Option<Value>) -> Outcome<Value> {
        let Closure { code, seen } = &self.macros[place];
        let (code, mut scope) = (*code, seen.clone());
        self.heap.pay_items(scope.len() + given.positional.len())?;
        let Given { positional, mut named } = given;
        if positional.len() > code.parameters.len() {
            return fail(format!("{} takes {} arguments", code.name, code.parameters.len()));
        }
        let mut positional = positional.into_iter();
        let mut missing = Vec::new();
        for (parameter, default) in &code.parameters {
            let by_name = named.iter().position(|(name, _)| name == parameter).map(|at| named.swap_remove(at).1);
            match positional.next().or(by_name) {
                Some(value) => _ = scope.insert(parameter, value),
                None => missing.push((parameter, default)),
            }
        }
        if let Some((name, _)) = named.first() {
            return fail(format!("{} has no parameter {name}", code.name));
        }
        scope.extend(caller.map(|caller| ("caller", caller)));
        let outer = self.scopes.split_off(1);
        let (before, line) = (std::mem::take(&mut self.out), self.line);
        let outcome = self.scoped(scope, |machine| {
            for (parameter, default) in missing {
                let value = default.as_ref().map_or(Ok(Value::Undefined), |default| machine.evaluate(default))?;
                machine.set_variable(parameter, value);
            }
            machine.block(&code.body)
        });
        self.scopes.extend(outer);
        let text = std::mem::replace(&mut self.out, before);
        outcome?;
        self.line = line;
        self.heap.text(&text)
    }

    /// Evaluates arguments.
    pub(super) fn given(&mut self, arguments: &'t super::tree::Arguments) -> Outcome<Given> {
        let mut given = Given::default();
        for value in &arguments.positional {
            given.positional.push(self.evaluate(value)?);
        }
        for (name, value) in &arguments.named {
            given.named.push((name.clone(), self.evaluate(value)?));
        }
        Ok(given)
    }

    /// A new dictionary from named arguments.
    pub(super) fn dict_from(&mut self, given: &Given) -> Outcome<usize> {
        let mut dict = Dict::default();
        if let Some(Value::Dict(place) | Value::Namespace(place)) = given.positional.first() {
            dict = self.heap.entries(*place).clone();
        }
        for (name, value) in &given.named {
            dict.set(Key::from(&**name), value.clone());
        }
        self.heap.add_dict(dict)
    }
}

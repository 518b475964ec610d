//! Statements, rendered.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;

use super::ast::{Filter, ForLoop, MacroBody, Node, NodeKind, Target};
use super::scope::{Budget, Scope};
use super::value::{LoopState, Macro, Value};
use super::{JinjaError, Limits, Outcome, Output};

/// What holds during one rendering.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) budget: Budget,
    pub(super) now: i64,
    text_limit: usize,
    root: Rc<Scope>,
    /// Where the first failure was.
    failed_at: Cell<Option<usize>>,
    /// Whether something was rendered by `{% generation %}` at a place that is not known.
    unplaced: Cell<bool>,
    placed: Cell<bool>,
}

/// Text that is being made.
#[derive(Debug, Default)]
pub(super) struct Sink {
    text: String,
    /// Of the output itself: the places of `{% generation %}`.
    spans: Option<Vec<Range<usize>>>,
}

/// How a body was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    On,
    Break,
    Continue,
}

pub(super) fn render(
    body: &[Node],
    variables: Vec<(String, Value)>,
    now: i64,
    limits: Limits,
) -> Result<Output, JinjaError> {
    let machine = Machine {
        budget: Budget::new(limits),
        now,
        text_limit: limits.text,
        root: Scope::root(variables),
        failed_at: Cell::new(None),
        unplaced: Cell::new(false),
        placed: Cell::new(false),
    };
    let mut sink = Sink { text: String::new(), spans: Some(Vec::new()) };
    machine
        .body(body, &machine.root, &mut sink)
        .map_err(|reason| JinjaError { line: machine.failed_at.get().unwrap_or(1), reason })?;
    let generated = sink.spans.filter(|_| machine.placed.get() && !machine.unplaced.get());
    Ok(Output { text: sink.text, generated })
}

impl Machine {
    fn write(&self, sink: &mut Sink, text: &str) -> Outcome<()> {
        let length = sink.text.len() + text.len();
        if length > self.text_limit {
            return Err(format!("the template writes more than {} bytes", self.text_limit));
        }
        self.budget.scan(text.len())?;
        sink.text.push_str(text);
        Ok(())
    }

    fn body(&self, nodes: &[Node], scope: &Rc<Scope>, sink: &mut Sink) -> Outcome<Flow> {
        for node in nodes {
            self.budget.enter()?;
            let flow = self.node(node, scope, sink);
            self.budget.leave();
            match flow {
                Ok(Flow::On) => {}
                Ok(flow) => return Ok(flow),
                Err(reason) => {
                    if self.failed_at.get().is_none() {
                        self.failed_at.set(Some(node.line));
                    }
                    return Err(reason);
                }
            }
        }
        Ok(Flow::On)
    }

    fn node(&self, node: &Node, scope: &Rc<Scope>, sink: &mut Sink) -> Outcome<Flow> {
        match &node.kind {
            NodeKind::Text(text) => self.write(sink, text)?,
            NodeKind::Print(expr) => {
                let value = self.eval(expr, scope)?;
                let text = self.text_of(&value)?;
                self.write(sink, &text)?;
            }
            NodeKind::For(parts) => {
                let items = self.eval(&parts.iterable, scope)?;
                self.for_loop(parts, &items, scope, 1, sink)?;
            }
            NodeKind::If(branches) => {
                for (condition, body) in branches {
                    let holds = match condition {
                        Some(condition) => self.eval(condition, scope)?.is_true(),
                        None => true,
                    };
                    if holds {
                        return self.body(body, scope, sink);
                    }
                }
            }
            NodeKind::Set(target, expr) => {
                let value = self.eval(expr, scope)?;
                self.assign(target, value, scope)?;
            }
            NodeKind::SetBlock(target, filters, body) => {
                let text = self.captured(body, &Scope::inner(scope))?;
                let value = self.filtered(text, filters, scope)?;
                self.assign(target, value, scope)?;
            }
            NodeKind::With(variables, body) => {
                let inner = Scope::inner(scope);
                for (target, expr) in variables {
                    let value = self.eval(expr, scope)?;
                    self.assign(target, value, &inner)?;
                }
                return self.body(body, &inner, sink);
            }
            NodeKind::Macro(body) => {
                let made = Macro { body: Rc::clone(body), scope: Rc::downgrade(scope), held: None };
                scope.set(&body.name, Value::Macro(Rc::new(made)));
            }
            NodeKind::Call(call, body) => {
                let held = Some(Rc::clone(scope));
                let caller = Macro { body: Rc::clone(body), scope: Rc::downgrade(scope), held };
                let value = self.eval_call_block(call, Value::Macro(Rc::new(caller)), scope)?;
                let text = self.text_of(&value)?;
                self.write(sink, &text)?;
            }
            NodeKind::FilterBlock(filters, body) => {
                let text = self.captured(body, &Scope::inner(scope))?;
                let value = self.filtered(text, filters, scope)?;
                let text = self.text_of(&value)?;
                self.write(sink, &text)?;
            }
            NodeKind::Block(body) => return self.body(body, &Scope::inner(scope), sink),
            NodeKind::Generation(body) => {
                let begin = sink.text.len();
                self.body(body, &Scope::inner(scope), sink)?;
                let end = sink.text.len();
                match &mut sink.spans {
                    Some(spans) => {
                        self.placed.set(true);
                        if begin < end {
                            spans.push(begin..end);
                        }
                    }
                    None => self.unplaced.set(true),
                }
            }
            NodeKind::Break => return Ok(Flow::Break),
            NodeKind::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::On)
    }

    /// The text of a body, as a value.
    fn captured(&self, body: &[Node], scope: &Rc<Scope>) -> Outcome<Value> {
        let mut sink = Sink::default();
        self.body(body, scope, &mut sink)?;
        self.budget.text(sink.text.len())?;
        Ok(Value::text(sink.text))
    }

    fn filtered(&self, mut value: Value, filters: &[Filter], scope: &Rc<Scope>) -> Outcome<Value> {
        for filter in filters {
            value = self.apply_filter(filter, value, scope)?;
        }
        Ok(value)
    }

    /// A value's text, within the budget.
    pub(super) fn text_of(&self, value: &Value) -> Outcome<Rc<str>> {
        if !matches!(value, Value::Text(_)) {
            self.budget.text(value.text_size())?;
        }
        Ok(value.to_text())
    }

    pub(super) fn for_loop(
        &self,
        parts: &Rc<ForLoop>,
        iterable: &Value,
        scope: &Rc<Scope>,
        depth: usize,
        sink: &mut Sink,
    ) -> Outcome<()> {
        let mut items = iterable.items(&self.budget)?;
        if let Some(condition) = &parts.condition {
            let mut kept = Vec::new();
            for item in items.iter() {
                let inner = Scope::inner(scope);
                self.assign(&parts.target, item.clone(), &inner)?;
                if self.eval(condition, &inner)?.is_true() {
                    kept.push(item.clone());
                }
            }
            items = Value::list(kept).items(&self.budget)?;
        }
        if items.is_empty() {
            self.body(&parts.otherwise, &Scope::inner(scope), sink)?;
            return Ok(());
        }
        let state = Rc::new(LoopState {
            items: Rc::clone(&items),
            index: Cell::new(0),
            depth,
            changed: RefCell::new(None),
            recursive: parts.recursive.then(|| (Rc::clone(parts), Rc::clone(scope))),
        });
        for (index, item) in items.iter().enumerate() {
            self.budget.step(4)?;
            state.index.set(index);
            let inner = Scope::inner(scope);
            inner.set("loop", Value::Loop(Rc::clone(&state)));
            self.assign(&parts.target, item.clone(), &inner)?;
            if self.body(&parts.body, &inner, sink)? == Flow::Break {
                break;
            }
        }
        Ok(())
    }

    /// `loop(items)` of a recursive loop.
    pub(super) fn loop_again(&self, state: &LoopState, items: &Value) -> Outcome<Value> {
        let Some((parts, scope)) = &state.recursive else {
            return Err("loop(...) is only there in {% for ... recursive %}".to_owned());
        };
        self.budget.enter()?;
        let mut sink = Sink::default();
        self.for_loop(parts, items, scope, state.depth + 1, &mut sink)?;
        self.budget.leave();
        self.budget.text(sink.text.len())?;
        Ok(Value::text(sink.text))
    }

    fn assign(&self, target: &Target, value: Value, scope: &Rc<Scope>) -> Outcome<()> {
        match target {
            Target::Name(name) => scope.set(name, value),
            Target::Attribute(name, attribute) => match scope.get(name) {
                Some(Value::Namespace(_)) if !value.is_plain() => {
                    return Err(format!("a {} cannot be kept in a namespace", value.kind()));
                }
                Some(Value::Namespace(items)) => {
                    let mut items = items.borrow_mut();
                    match items.iter_mut().find(|(known, _)| known == attribute) {
                        Some((_, old)) => *old = value,
                        None => items.push((attribute.clone(), value)),
                    }
                }
                _ => return Err(format!("{name} is no namespace: only attributes of namespaces can be set")),
            },
            Target::Tuple(targets) => {
                let items = value.items(&self.budget)?;
                if items.len() != targets.len() {
                    return Err(format!("{} values for {} names", items.len(), targets.len()));
                }
                for (target, item) in targets.iter().zip(items.iter()) {
                    self.assign(target, item.clone(), scope)?;
                }
            }
        }
        Ok(())
    }

    /// The text a macro makes.
    pub(super) fn call_macro(
        &self,
        called: &Macro,
        mut positional: Vec<Value>,
        named: Vec<(String, Value)>,
    ) -> Outcome<Value> {
        self.budget.step(16)?;
        let MacroBody { name, parameters, body } = &*called.body;
        let outer =
            called.held.clone().or_else(|| called.scope.upgrade()).unwrap_or_else(|| Rc::clone(&self.root));
        let inner = Scope::inner(&outer);
        let rest = positional.split_off(positional.len().min(parameters.len()));
        let mut given = positional.into_iter();
        let mut named = named;
        for (parameter, default) in parameters {
            let by_name = named.iter().position(|(known, _)| known == parameter);
            let value = match (given.next(), by_name) {
                (Some(_), Some(_)) => return Err(format!("{name}() has {parameter} twice")),
                (Some(value), None) => value,
                (None, Some(at)) => named.remove(at).1,
                (None, None) => match default {
                    Some(default) => self.eval(default, &inner)?,
                    None => Value::undefined(format!("parameter {parameter:?} was not provided")),
                },
            };
            inner.set(parameter, value);
        }
        if let Some(at) = named.iter().position(|(known, _)| known == "caller") {
            inner.set("caller", named.remove(at).1);
        }
        inner.set("varargs", Value::tuple(rest));
        let others = named.into_iter().map(|(key, value)| (Value::text(key), value)).collect();
        inner.set("kwargs", Value::dict(others));
        self.captured(body, &inner)
    }
}

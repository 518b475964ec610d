//! Expressions, evaluated.

use std::rc::Rc;

use super::ast::{Arguments, Expr, Filter, Literal, Post};
use super::operators::{binary, compare};
use super::render::Machine;
use super::scope::Scope;
use super::value::Value;
use super::{Outcome, builtins, filters, methods, predicates};

/// Lists and dictionaries inside one another.
const MOST_NESTED: usize = 200;

/// Arguments of a call, by position and by name.
pub(super) type Given = (Vec<Value>, Vec<(String, Value)>);

impl Machine {
    pub(super) fn eval(&self, expr: &Expr, scope: &Rc<Scope>) -> Outcome<Value> {
        self.budget.enter()?;
        let value = self.eval_inner(expr, scope);
        self.budget.leave();
        let value = value?;
        if value.depth() > MOST_NESTED {
            return Err(format!(
                "lists and dictionaries more than {MOST_NESTED} inside one another, or with a namespace or loop in them"
            ));
        }
        Ok(value)
    }

    fn eval_inner(&self, expr: &Expr, scope: &Rc<Scope>) -> Outcome<Value> {
        Ok(match expr {
            Expr::Constant(literal) => match literal {
                Literal::None => Value::None,
                Literal::Bool(value) => Value::Bool(*value),
                Literal::Int(value) => Value::Int(*value),
                Literal::Float(value) => Value::Float(*value),
                Literal::Text(text) => Value::Text(Rc::clone(text)),
            },
            Expr::Name(name) => self.lookup(name, scope),
            Expr::List(items) => Value::list(self.eval_all(items, scope)?),
            Expr::Tuple(items) => Value::tuple(self.eval_all(items, scope)?),
            Expr::Dict(items) => {
                let mut made: Vec<(Value, Value)> = Vec::with_capacity(items.len());
                self.budget.items(items.len())?;
                for (key, item) in items {
                    let (key, item) = (self.eval(key, scope)?, self.eval(item, scope)?);
                    if !key.is_key() {
                        return Err(format!("{} cannot be the key of a dictionary", key.kind()));
                    }
                    match made.iter_mut().find(|(known, _)| *known == key) {
                        Some((_, old)) => *old = item,
                        None => made.push((key, item)),
                    }
                }
                Value::dict(made)
            }
            Expr::Chain(first, rest) => {
                let mut value = self.eval(first, scope)?;
                for (operator, operand) in rest {
                    let operand = self.eval(operand, scope)?;
                    value = binary(*operator, &value, &operand, &self.budget)?;
                }
                value
            }
            Expr::Concat(items) => {
                let mut texts = Vec::with_capacity(items.len());
                for item in items {
                    let value = self.eval(item, scope)?;
                    texts.push(self.text_of(&value)?);
                }
                self.budget.text(texts.iter().map(|text| text.len()).sum())?;
                Value::text(texts.concat())
            }
            Expr::And(items) => {
                let mut value = Value::Bool(true);
                for item in items {
                    value = self.eval(item, scope)?;
                    if !value.is_true() {
                        break;
                    }
                }
                value
            }
            Expr::Or(items) => {
                let mut value = Value::Bool(false);
                for item in items {
                    value = self.eval(item, scope)?;
                    if value.is_true() {
                        break;
                    }
                }
                value
            }
            Expr::Not(item) => Value::Bool(!self.eval(item, scope)?.is_true()),
            Expr::Negative(item) | Expr::Positive(item) => {
                let value = self.eval(item, scope)?;
                let sign = if matches!(expr, Expr::Negative(_)) { -1 } else { 1 };
                binary(super::ast::Binary::Multiply, &number(&value)?, &Value::Int(sign), &self.budget)?
            }
            Expr::Compare(first, rest) => {
                let mut left = self.eval(first, scope)?;
                for (comparison, right) in rest {
                    let right = self.eval(right, scope)?;
                    if !compare(*comparison, &left, &right, &self.budget)? {
                        return Ok(Value::Bool(false));
                    }
                    left = right;
                }
                Value::Bool(true)
            }
            Expr::Conditional(parts) => {
                let (value, condition, otherwise) = &**parts;
                match (self.eval(condition, scope)?.is_true(), otherwise) {
                    (true, _) => self.eval(value, scope)?,
                    (false, Some(otherwise)) => self.eval(otherwise, scope)?,
                    (false, None) => Value::undefined("the inline if-expression"),
                }
            }
            Expr::Postfix(base, posts) => self.postfix(base, posts, scope, None)?,
        })
    }

    /// The call of a `{% call %}` block, with its `caller`.
    pub(super) fn eval_call_block(&self, call: &Expr, caller: Value, scope: &Rc<Scope>) -> Outcome<Value> {
        match call {
            Expr::Postfix(base, posts) if matches!(posts.last(), Some(Post::Call(_))) => {
                self.postfix(base, posts, scope, Some(caller))
            }
            _ => Err("{% call %} takes a call of a macro".to_owned()),
        }
    }

    fn eval_all(&self, items: &[Expr], scope: &Rc<Scope>) -> Outcome<Vec<Value>> {
        self.budget.items(items.len())?;
        items.iter().map(|item| self.eval(item, scope)).collect()
    }

    fn lookup(&self, name: &str, scope: &Rc<Scope>) -> Value {
        scope
            .get(name)
            .or_else(|| {
                builtins::NAMES.iter().find(|known| **known == name).map(|known| Value::Function(known))
            })
            .unwrap_or_else(|| Value::undefined(name))
    }

    pub(super) fn given(&self, arguments: &Arguments, scope: &Rc<Scope>) -> Outcome<Given> {
        let positional = self.eval_all(&arguments.positional, scope)?;
        let named = arguments.named.iter().map(|(name, expr)| Ok((name.clone(), self.eval(expr, scope)?)));
        Ok((positional, named.collect::<Outcome<_>>()?))
    }

    fn postfix(
        &self,
        base: &Expr,
        posts: &[Post],
        scope: &Rc<Scope>,
        mut caller: Option<Value>,
    ) -> Outcome<Value> {
        let mut value = self.eval(base, scope)?;
        let last = posts.len().saturating_sub(1);
        for (at, post) in posts.iter().enumerate() {
            self.budget.step(1)?;
            value = match post {
                Post::Attribute(name) => attribute(&value, name)?,
                Post::Item(index) => {
                    let index = self.eval(index, scope)?;
                    self.item(&value, &index)?
                }
                Post::Slice(parts) => {
                    let mut bounds = [None; 3];
                    for (bound, part) in bounds.iter_mut().zip(parts.iter()) {
                        if let Some(part) = part {
                            *bound = match self.eval(part, scope)? {
                                Value::None | Value::Undefined(_) => None,
                                value => Some(value.as_int().ok_or("the bounds of a slice are integers")?),
                            };
                        }
                    }
                    super::sequences::slice(&value, bounds, &self.budget)?
                }
                Post::Call(arguments) => {
                    let (positional, mut named) = self.given(arguments, scope)?;
                    if at == last
                        && let Some(caller) = caller.take()
                    {
                        named.push(("caller".to_owned(), caller));
                    }
                    self.call(&value, positional, named)?
                }
                Post::Filter(filter) => self.apply_filter(filter, value, scope)?,
                Post::Test { name, arguments, negated } => {
                    let (positional, _) = self.given(arguments, scope)?;
                    Value::Bool(predicates::holds(name, &value, &positional, &self.budget)? != *negated)
                }
            };
        }
        Ok(value)
    }

    pub(super) fn apply_filter(&self, filter: &Filter, value: Value, scope: &Rc<Scope>) -> Outcome<Value> {
        let (positional, named) = self.given(&filter.arguments, scope)?;
        filters::apply(self, &filter.name, &value, &positional, &named)
    }

    fn call(&self, called: &Value, positional: Vec<Value>, named: Vec<(String, Value)>) -> Outcome<Value> {
        match called {
            Value::Function(name) => builtins::call(self, name, positional, named),
            Value::Macro(found) => self.call_macro(found, positional, named),
            Value::Loop(state) => self.loop_again(state, positional.first().unwrap_or(&Value::None)),
            Value::Method(method) => methods::call(self, &method.0, &method.1, &positional, &named),
            Value::Joiner(joiner) => {
                let text =
                    if joiner.1.replace(true) { Value::Text(Rc::clone(&joiner.0)) } else { Value::text("") };
                Ok(text)
            }
            Value::Undefined(name) => Err(format!("{name} is undefined and cannot be called")),
            other => Err(format!("{} cannot be called", other.kind())),
        }
    }

    /// `value[index]`: an item, or else an attribute of that name.
    fn item(&self, value: &Value, index: &Value) -> Outcome<Value> {
        let at = |length: usize| {
            let index = index.as_int()?;
            usize::try_from(if index < 0 { index + length as i64 } else { index }).ok()
        };
        let found = match value {
            Value::Undefined(name) => return Err(format!("{name} is undefined")),
            Value::List(items) | Value::Tuple(items) => at(items.len()).and_then(|at| items.get(at).cloned()),
            Value::Text(text) if index.as_int().is_some() => {
                self.budget.scan(text.len())?;
                at(text.chars().count())
                    .and_then(|at| text.chars().nth(at))
                    .map(|letter| Value::text(letter.encode_utf8(&mut [0; 4])))
            }
            Value::Dict(items) => {
                self.budget.step(items.len() as u64 / 16)?;
                value.entry(index).cloned()
            }
            _ => None,
        };
        match (found, index) {
            (Some(found), _) => Ok(found),
            (None, Value::Text(name)) => attribute(value, name),
            (None, index) => Ok(Value::undefined(format!("item {} of {}", index.to_text(), value.kind()))),
        }
    }
}

/// `value.name`: an attribute or method, or else an item of that name.
pub(super) fn attribute(value: &Value, name: &str) -> Outcome<Value> {
    if name.starts_with('_') && value.entry(&Value::text(name)).is_none() {
        return Ok(Value::undefined(format!("attribute {name:?} of {} is unsafe and", value.kind())));
    }
    let method = || Value::Method(Rc::new((value.clone(), name.to_owned())));
    Ok(match value {
        Value::Undefined(undefined) => return Err(format!("{undefined} is undefined")),
        Value::Namespace(items) => {
            let found = items.borrow().iter().find(|(known, _)| known == name).map(|(_, item)| item.clone());
            found.unwrap_or_else(|| Value::undefined(format!("attribute {name:?} of a namespace")))
        }
        Value::Loop(state) => methods::loop_attribute(state, name).unwrap_or_else(method),
        Value::Cycler(cycler) if name == "current" => {
            cycler.items.get(cycler.at.get()).cloned().unwrap_or(Value::None)
        }
        // What `groupby` gives is read by position and by name.
        Value::Tuple(items) if items.len() == 2 && matches!(name, "grouper" | "list") => {
            items.get(usize::from(name == "list")).cloned().unwrap_or(Value::None)
        }
        Value::Macro(found) if name == "name" => Value::text(&found.body.name),
        _ if methods::exists(value, name) => method(),
        _ => value
            .entry(&Value::text(name))
            .cloned()
            .unwrap_or_else(|| Value::undefined(format!("attribute {name:?} of {}", value.kind()))),
    })
}

fn number(value: &Value) -> Outcome<Value> {
    match value {
        Value::Float(_) => Ok(value.clone()),
        other => other.as_int().map(Value::Int).ok_or_else(|| format!("{} has no sign", other.kind())),
    }
}

//! Variables, and what a rendering has used up.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::value::Value;
use super::{Limits, Outcome};

/// A scope within another.
#[derive(Debug, Default)]
pub(super) struct Scope {
    variables: RefCell<Vec<(String, Value)>>,
    parent: Option<Rc<Scope>>,
}

impl Scope {
    pub(super) fn root(variables: Vec<(String, Value)>) -> Rc<Self> {
        Rc::new(Self { variables: RefCell::new(variables), parent: None })
    }

    pub(super) fn inner(parent: &Rc<Self>) -> Rc<Self> {
        Rc::new(Self { variables: RefCell::default(), parent: Some(Rc::clone(parent)) })
    }

    pub(super) fn get(&self, name: &str) -> Option<Value> {
        let mut scope = Some(self);
        while let Some(found) = scope {
            let variables = found.variables.borrow();
            if let Some((_, value)) = variables.iter().find(|(known, _)| known == name) {
                return Some(value.clone());
            }
            scope = found.parent.as_deref();
        }
        None
    }

    pub(super) fn set(&self, name: &str, value: Value) {
        let mut variables = self.variables.borrow_mut();
        match variables.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => variables.push((name.to_owned(), value)),
        }
    }
}

/// What is left of the limits.
#[derive(Debug)]
pub(super) struct Budget {
    steps: Cell<u64>,
    bytes: Cell<usize>,
    depth: Cell<usize>,
    limits: Limits,
}

impl Budget {
    pub(super) fn new(limits: Limits) -> Self {
        Self { steps: Cell::new(limits.steps), bytes: Cell::new(limits.bytes), depth: Cell::new(0), limits }
    }

    /// Takes steps.
    pub(super) fn step(&self, count: u64) -> Outcome<()> {
        match self.steps.get().checked_sub(count) {
            Some(left) => {
                self.steps.set(left);
                Ok(())
            }
            None => Err(format!("the template takes more than {} steps", self.limits.steps)),
        }
    }

    /// Before a text of so many bytes is made.
    pub(super) fn text(&self, bytes: usize) -> Outcome<()> {
        if bytes > self.limits.text {
            return Err(format!("a text of {bytes} bytes; a template may make one of {}", self.limits.text));
        }
        self.store(bytes)
    }

    /// Before a list of so many items is made.
    pub(super) fn items(&self, count: usize) -> Outcome<()> {
        self.step(count as u64 / 16)?;
        self.store(count.saturating_mul(64))
    }

    /// Work over so many bytes.
    pub(super) fn scan(&self, bytes: usize) -> Outcome<()> {
        self.step(bytes as u64 / 256)
    }

    fn store(&self, bytes: usize) -> Outcome<()> {
        self.scan(bytes)?;
        match self.bytes.get().checked_sub(bytes) {
            Some(left) => {
                self.bytes.set(left);
                Ok(())
            }
            None => Err(format!("the template makes values of more than {} bytes", self.limits.bytes)),
        }
    }

    pub(super) fn enter(&self) -> Outcome<()> {
        if self.depth.get() >= self.limits.depth {
            return Err(format!(
                "more than {} blocks, expressions and macros inside one another",
                self.limits.depth
            ));
        }
        self.depth.set(self.depth.get() + 1);
        self.step(1)
    }

    pub(super) fn leave(&self) {
        self.depth.set(self.depth.get().saturating_sub(1));
    }
}

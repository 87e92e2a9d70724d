//! Lambdas as values, and the variables they see.
//!
//! As in Python a lambda sees variables, not their values: what a variable holds when the lambda
//! runs counts, not what it held when the lambda was made. So every run of a lambda and of a
//! comprehension has a frame, and an inner one points to the outer.
//!
//! Invariant: a frame that something may refer to in a circle (its own lambda stored in it) is
//! noted by the evaluation, which empties it at the end.
//!
//! Left out: calling (`eval::call`).

use std::cell::RefCell;
use std::rc::Rc;

use super::Object;
use crate::query::predicate::Lambda;

/// The variables of one run of a lambda or a comprehension.
#[derive(Debug)]
pub(in crate::query) struct Frame<'a> {
    pub(in crate::query) outer: Option<Rc<Frame<'a>>>,
    pub(in crate::query) slots: RefCell<Vec<Option<Object<'a>>>>,
}

/// A lambda with the frame it was made in and its defaults.
#[derive(Debug)]
pub(in crate::query) struct Function<'a> {
    pub(in crate::query) lambda: &'a Lambda,
    pub(in crate::query) outer: Option<Rc<Frame<'a>>>,
    pub(in crate::query) defaults: Vec<Object<'a>>,
}

impl<'a> Frame<'a> {
    pub(in crate::query) fn new(outer: Option<Rc<Frame<'a>>>, slots: usize) -> Rc<Frame<'a>> {
        Rc::new(Frame { outer, slots: RefCell::new(vec![None; slots]) })
    }

    pub(in crate::query) fn set(&self, slot: usize, value: Object<'a>) {
        let before = self.slots.borrow_mut()[slot].replace(value);
        drop(before);
    }

    /// The variable `slot` of the frame `depth` levels out.
    pub(in crate::query) fn get(&self, depth: usize, slot: usize) -> Option<Object<'a>> {
        let mut frame = self;
        for _ in 0..depth {
            frame = frame.outer.as_deref()?;
        }
        frame.slots.borrow()[slot].clone()
    }
}

//! What `for` goes over, one object at a time, and what is left of it.
//!
//! Left out: taking the next object, which may run code (`eval::iterate`).

use std::rc::Rc;

use super::{Frame, Object, Range, Text, Type};
use crate::codec::ArrayRef;
use crate::query::predicate::Comprehension;

/// An iterator.
#[derive(Debug)]
pub(in crate::query) enum Iter<'a> {
    /// The items of a list or a tuple from a position on.
    Items(Rc<Vec<Object<'a>>>, usize, Type),
    /// The elements of a list of the document from a position on.
    Array(ArrayRef<'a>, usize),
    /// The characters of a string from a byte on.
    Chars(Text<'a>, usize),
    Range(Range, i128),
    /// Items from the back; so many are left.
    Reversed(Rc<Vec<Object<'a>>>, usize, Type),
    Map(Object<'a>, Vec<Object<'a>>),
    Filter(Object<'a>, Object<'a>),
    /// Iterators side by side, and whether they must end together.
    Zip(Vec<Object<'a>>, bool),
    Enumerate(Object<'a>, Object<'a>),
    Generator(Generator<'a>),
    /// Nothing is left.
    Done(Type),
}

/// A generator expression under way.
#[derive(Debug)]
pub(in crate::query) struct Generator<'a> {
    pub(in crate::query) code: &'a Comprehension,
    pub(in crate::query) frame: Rc<Frame<'a>>,
    /// The iterator of each clause that was begun.
    pub(in crate::query) open: Vec<Object<'a>>,
}

impl Iter<'_> {
    /// The type, as `type()` gives it.
    pub(in crate::query) fn kind(&self) -> Type {
        match self {
            Iter::Items(_, _, kind) | Iter::Reversed(_, _, kind) | Iter::Done(kind) => *kind,
            Iter::Array(..) => Type::Other("list_iterator"),
            Iter::Chars(..) => Type::Other("str_iterator"),
            Iter::Range(..) => Type::Other("range_iterator"),
            Iter::Map(..) => Type::Map,
            Iter::Filter(..) => Type::Filter,
            Iter::Zip(..) => Type::Zip,
            Iter::Enumerate(..) => Type::Enumerate,
            Iter::Generator(_) => Type::Generator,
        }
    }
}

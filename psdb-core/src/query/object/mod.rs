//! The values a lambda computes with: those of documents, where they lie, and Python's others.
//!
//! - here: what an object is, and what every object answers: its type, its truth, its JSON form.
//! - `text`: strings, borrowed from the document or owned.
//! - `compare`: equality and order. `hash`: keys of dicts and sets. `dict`: both of them.
//! - `integer`: arithmetic of integers of any size. `range`: ranges.
//! - `repr`: the text Python shows of an object. `float`: of floats.
//! - `types`: the names of types, built-in functions and methods.
//! - `iterate`: what `for` goes over. `function`: lambdas and their variables.
//! - `unicode`, `unicode_tables`: classes of characters, as CPython 3.11 knows them.
//!
//! Objects do not change, iterators excepted; so sharing one cannot be noticed, and lists of a
//! document need no copy. An object borrows from the document and from the program, for `'a`.
//!
//! Invariant: an integer that fits an `i128` is never [`Object::Big`].
//!
//! Left out: expressions (`eval`).

pub(super) mod compare;
pub(super) mod dict;
pub(super) mod float;
pub(super) mod function;
pub(super) mod hash;
pub(super) mod integer;
pub(super) mod iterate;
pub(super) mod range;
pub(super) mod repr;
pub(super) mod text;
pub(super) mod types;
pub(super) mod unicode;
#[rustfmt::skip]
mod unicode_tables;

use std::cell::RefCell;
use std::rc::Rc;

use num_bigint::BigInt;

use super::meter::Meter;
use super::raised::{Eval, refused};
use crate::codec::{ArrayRef, ObjectRef, ValueRef};
use crate::types::Value;

pub(super) use dict::Dict;
pub(super) use function::{Frame, Function};
pub(super) use iterate::Iter;
pub(super) use range::Range;
pub(super) use text::Text;
pub(super) use types::{Builtin, Method, Type};

use super::datetime::DateTime;

/// A value.
#[derive(Clone, Debug)]
pub(super) enum Object<'a> {
    None,
    Bool(bool),
    Int(i128),
    Big(Rc<BigInt>),
    Float(f64),
    Str(Text<'a>),
    List(Rc<Vec<Object<'a>>>),
    Tuple(Rc<Vec<Object<'a>>>),
    /// A list of the document.
    Array(ArrayRef<'a>),
    Dict(Rc<Dict<'a>>),
    /// A dict of the document.
    Fields(ObjectRef<'a>),
    /// A set: the keys of a dict.
    Set(Rc<Dict<'a>>),
    Range(Rc<Range>),
    /// What `keys()`, `values()` and `items()` give.
    View(Rc<View<'a>>),
    Iterator(Rc<RefCell<Iter<'a>>>),
    Function(Rc<Function<'a>>),
    Builtin(Builtin),
    Type(Type),
    /// A method of an object.
    Method(Rc<(Object<'a>, Method)>),
    /// A method of a type, such as `str.lower`.
    Unbound(Type, Method),
    DateTime(Rc<DateTime>),
    Match(Rc<Found>),
}

/// A view on a dict.
#[derive(Clone, Debug)]
pub(super) struct View<'a> {
    pub(super) shows: Shows,
    pub(super) dict: Object<'a>,
}

/// What a view shows of each entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shows {
    Keys,
    Values,
    Items,
}

/// What a regular expression found: the text and where its groups lie in it, in bytes.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) text: Box<str>,
    pub(super) groups: Vec<Option<(usize, usize)>>,
    pub(super) names: Vec<Option<String>>,
}

impl<'a> Object<'a> {
    /// A value of a document, where it lies.
    #[inline]
    pub(super) fn of(value: ValueRef<'a>) -> Object<'a> {
        match value {
            ValueRef::Null => Object::None,
            ValueRef::Bool(value) => Object::Bool(value),
            ValueRef::Int(value) => Object::Int(value),
            ValueRef::Float(value) => Object::Float(value),
            ValueRef::Str(text) => Object::Str(Text::Borrowed(text)),
            ValueRef::Array(array) => Object::Array(array),
            ValueRef::Object(fields) => Object::Fields(fields),
        }
    }

    pub(super) fn str(text: impl Into<String>) -> Object<'a> {
        Object::Str(Text::Owned(text.into().into()))
    }

    pub(super) fn list(items: Vec<Object<'a>>) -> Object<'a> {
        Object::List(Rc::new(items))
    }

    pub(super) fn tuple(items: Vec<Object<'a>>) -> Object<'a> {
        Object::Tuple(Rc::new(items))
    }

    pub(super) fn iterator(iter: Iter<'a>) -> Object<'a> {
        Object::Iterator(Rc::new(RefCell::new(iter)))
    }

    /// The type, as `type()` gives it.
    pub(super) fn kind(&self) -> Type {
        match self {
            Object::None => Type::NoneType,
            Object::Bool(_) => Type::Bool,
            Object::Int(_) | Object::Big(_) => Type::Int,
            Object::Float(_) => Type::Float,
            Object::Str(_) => Type::Str,
            Object::List(_) | Object::Array(_) => Type::List,
            Object::Tuple(_) => Type::Tuple,
            Object::Dict(_) | Object::Fields(_) => Type::Dict,
            Object::Set(_) => Type::Set,
            Object::Range(_) => Type::Range,
            Object::View(view) => match view.shows {
                Shows::Keys => Type::Keys,
                Shows::Values => Type::Values,
                Shows::Items => Type::Items,
            },
            Object::Iterator(iter) => iter.try_borrow().map_or(Type::Generator, |i| i.kind()),
            Object::Function(_) => Type::Function,
            Object::Type(_) => Type::Type,
            Object::Builtin(_) | Object::Method(_) => Type::Builtin,
            Object::Unbound(..) => Type::MethodDescriptor,
            Object::DateTime(_) => Type::DateTime,
            Object::Match(_) => Type::Match,
        }
    }

    /// The name of the type, as messages give it.
    pub(super) fn type_name(&self) -> &'static str {
        self.kind().name()
    }

    /// Whether Python takes this object for true.
    #[inline]
    pub(super) fn truthy(&self) -> bool {
        match self {
            Object::Bool(value) => *value,
            Object::None => false,
            Object::Int(value) => *value != 0,
            Object::Float(value) => *value != 0.0,
            Object::Str(text) => !text.is_empty(),
            _ => self.len().is_none_or(|len| len > 0),
        }
    }

    /// How many elements there are, of what has elements; of a string, whether there are any.
    fn len(&self) -> Option<usize> {
        Some(match self {
            Object::List(items) | Object::Tuple(items) => items.len(),
            Object::Array(array) => array.len(),
            Object::Dict(dict) | Object::Set(dict) => dict.len(),
            Object::Fields(fields) => fields.len(),
            Object::Range(range) => usize::from(!range.is_empty()),
            Object::View(view) => return view.dict.len(),
            _ => return None,
        })
    }

    /// What `len()` gives; `None` for objects without a length.
    pub(super) fn length(&self) -> Option<i128> {
        match self {
            Object::Str(text) => Some(text.chars_count() as i128),
            Object::Range(range) => Some(range.len()),
            _ => self.len().map(|len| len as i128),
        }
    }

    /// The items of a list or a tuple.
    pub(super) fn sequence(&self) -> Option<Vec<Object<'a>>> {
        match self {
            Object::List(items) | Object::Tuple(items) => Some(items.to_vec()),
            Object::Array(array) => Some(array.iter().map(Object::of).collect()),
            _ => None,
        }
    }

    /// This object as JSON, as `select` and keys of an order give it: tuples become arrays.
    ///
    /// # Errors
    ///
    /// [`super::EvalError::Limit`] for what JSON cannot hold.
    pub(super) fn to_value(&self, meter: &Meter) -> Eval<Value> {
        let unfit = || refused(format!("a result of type {} is not JSON", self.type_name()));
        Ok(match self {
            Object::None => Value::Null,
            Object::Bool(value) => Value::Bool(*value),
            Object::Int(value) => Value::Int(*value),
            Object::Big(_) => return Err(refused("a result is an integer beyond 2^127")),
            Object::Float(value) => Value::Float(*value),
            Object::Str(text) => {
                meter.allocate(text.len() as u64)?;
                Value::String(text.to_string())
            }
            Object::List(items) | Object::Tuple(items) => {
                meter.allocate(items.len() as u64 * 32)?;
                Value::Array(items.iter().map(|i| i.to_value(meter)).collect::<Eval<_>>()?)
            }
            Object::Array(array) => {
                meter.allocate(array.len() as u64 * 32)?;
                ValueRef::Array(*array).to_value()
            }
            Object::Fields(fields) => {
                meter.allocate(fields.len() as u64 * 64)?;
                ValueRef::Object(*fields).to_value()
            }
            Object::Dict(dict) => {
                meter.allocate(dict.len() as u64 * 64)?;
                let field = |(key, value): &(Object<'a>, Object<'a>)| match key {
                    Object::Str(name) => Ok((name.to_string(), value.to_value(meter)?)),
                    _ => Err(refused(format!(
                        "a result is a dict with a key of type {}; JSON has strings only",
                        key.type_name()
                    ))),
                };
                Value::Object(dict.entries().iter().map(field).collect::<Eval<_>>()?)
            }
            Object::Range(_) | Object::View(_) | Object::Iterator(_) | Object::Set(_) => {
                return Err(refused(format!(
                    "a result of type {} is not JSON; put list() or sorted() around it",
                    self.type_name()
                )));
            }
            Object::DateTime(time) => Value::String(time.isoformat()),
            _ => return Err(unfit()),
        })
    }
}

//! Going over objects: making iterators, taking the next object, collecting what is left.
//!
//! The order of a set of several elements is not defined by Python, so going over one is refused,
//! unless whoever asks does not care for the order ([`Context::collect_unordered`]).
//!
//! Left out: comprehensions (`display`).

use std::cell::RefCell;
use std::rc::Rc;

use super::{Context, not_iterable};
use crate::query::object::compare::view_items;
use crate::query::object::repr::unordered;
use crate::query::object::{Iter, Object, Type};
use crate::query::raised::{Eval, type_error, value_error};

impl<'a> Context<'a> {
    /// Whether `iter(object)` raises a `TypeError`.
    #[allow(clippy::unused_self)] // reads as the question it belongs to
    pub(super) fn is_not_iterable(&self, object: &Object<'a>) -> bool {
        !matches!(
            object,
            Object::Str(_)
                | Object::List(_)
                | Object::Tuple(_)
                | Object::Array(_)
                | Object::Dict(_)
                | Object::Fields(_)
                | Object::Set(_)
                | Object::Range(_)
                | Object::View(_)
                | Object::Iterator(_)
        )
    }

    /// `iter(object)`.
    pub(super) fn iterator(&mut self, object: &Object<'a>) -> Eval<Object<'a>> {
        let iter = match object {
            Object::Iterator(_) => return Ok(object.clone()),
            Object::List(items) => Iter::Items(Rc::clone(items), 0, Type::Other("list_iterator")),
            Object::Tuple(items) => Iter::Items(Rc::clone(items), 0, Type::Other("tuple_iterator")),
            Object::Array(array) => Iter::Array(*array, 0),
            Object::Str(text) => Iter::Chars(text.clone(), 0),
            Object::Range(range) => Iter::Range(**range, 0),
            Object::Set(set) if set.len() > 1 => return Err(unordered()),
            Object::Dict(_) | Object::Fields(_) | Object::View(_) | Object::Set(_) => {
                self.snapshot(object)?
            }
            _ => return Err(not_iterable(object)),
        };
        self.meter.allocate(64)?;
        Ok(Object::iterator(iter))
    }

    fn snapshot(&mut self, object: &Object<'a>) -> Eval<Iter<'a>> {
        let kind = match object {
            Object::Set(_) => Type::Other("set_iterator"),
            Object::View(view) => match view.shows {
                super::super::object::Shows::Keys => Type::Other("dict_keyiterator"),
                super::super::object::Shows::Values => Type::Other("dict_valueiterator"),
                super::super::object::Shows::Items => Type::Other("dict_itemiterator"),
            },
            _ => Type::Other("dict_keyiterator"),
        };
        Ok(Iter::Items(Rc::new(self.items(object)?), 0, kind))
    }

    /// The elements of a dict, a view or a set, in the order they were added.
    fn items(&mut self, object: &Object<'a>) -> Eval<Vec<Object<'a>>> {
        self.meter.allocate(32 * object.length().unwrap_or(0) as u64)?;
        Ok(match object {
            Object::View(view) => view_items(view),
            Object::Set(set) => set.keys().cloned().collect(),
            _ => {
                let shows = super::super::object::Shows::Keys;
                view_items(&super::super::object::View { shows, dict: object.clone() })
            }
        })
    }

    /// All elements, for whom their order does not matter.
    pub(super) fn collect_unordered(&mut self, object: &Object<'a>) -> Eval<Vec<Object<'a>>> {
        match object {
            Object::Set(_) => self.items(object),
            _ => self.collect(object),
        }
    }

    /// `list(object)`, as a vector.
    pub(super) fn collect(&mut self, object: &Object<'a>) -> Eval<Vec<Object<'a>>> {
        match object {
            Object::List(_) | Object::Tuple(_) | Object::Array(_) => {
                self.meter.allocate(32 * object.length().unwrap_or(0) as u64)?;
                return Ok(object.sequence().unwrap_or_default());
            }
            Object::Dict(_) | Object::Fields(_) | Object::View(_) => return self.items(object),
            _ => {}
        }
        let iterator = self.iterator(object)?;
        let mut items = Vec::new();
        while let Some(item) = self.next(&iterator)? {
            self.meter.allocate(32)?;
            items.push(item);
        }
        Ok(items)
    }

    /// Takes the next object of an iterator.
    pub(super) fn next(&mut self, iterator: &Object<'a>) -> Eval<Option<Object<'a>>> {
        self.meter.step()?;
        let Object::Iterator(cell) = iterator else { return Ok(None) };
        {
            let Ok(mut iter) = cell.try_borrow_mut() else {
                return Err(value_error("generator already executing"));
            };
            if let Some(next) = plain_next(&mut iter) {
                return next;
            }
        }
        self.deeper_next(cell)
    }

    /// Takes the next object of an iterator that runs code or asks others.
    fn deeper_next(&mut self, cell: &Rc<RefCell<Iter<'a>>>) -> Eval<Option<Object<'a>>> {
        if self.depth >= super::EVALUATION_DEPTH {
            return Err(super::refused("iterators nest too deeply"));
        }
        let Ok(mut iter) = cell.try_borrow_mut() else {
            return Err(value_error("generator already executing"));
        };
        self.depth += 1;
        let next = self.compound_next(&mut iter);
        self.depth -= 1;
        // An exception ends a generator; other iterators go on after one.
        let ended = matches!(next, Ok(None)) || next.is_err() && iter.kind() == Type::Generator;
        if ended {
            let done = Iter::Done(iter.kind());
            let rest = std::mem::replace(&mut *iter, done);
            drop(iter);
            drop(rest);
        }
        next
    }

    fn compound_next(&mut self, iter: &mut Iter<'a>) -> Eval<Option<Object<'a>>> {
        match iter {
            Iter::Map(function, sources) => {
                let mut arguments = Vec::with_capacity(sources.len());
                for source in sources.iter() {
                    let Some(argument) = self.next(source)? else { return Ok(None) };
                    arguments.push(argument);
                }
                let function = function.clone();
                self.call(&function, arguments).map(Some)
            }
            Iter::Filter(function, source) => {
                while let Some(item) = self.next(source)? {
                    let kept = match &*function {
                        Object::None => item.truthy(),
                        function => {
                            let function = function.clone();
                            self.call(&function, vec![item.clone()])?.truthy()
                        }
                    };
                    if kept {
                        return Ok(Some(item));
                    }
                }
                Ok(None)
            }
            Iter::Zip(sources, strict) => self.next_zipped(sources, *strict),
            Iter::Enumerate(source, count) => {
                let Some(item) = self.next(source)? else { return Ok(None) };
                let number = count.clone();
                let one = Object::Int(1);
                *count = self.binary(super::super::ast::Binary::Add, &number, &one)?;
                Ok(Some(Object::tuple(vec![number, item])))
            }
            Iter::Generator(run) => {
                if !self.advance(run)? {
                    return Ok(None);
                }
                self.element(run).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn next_zipped(&mut self, sources: &[Object<'a>], strict: bool) -> Eval<Option<Object<'a>>> {
        let mut items = Vec::with_capacity(sources.len());
        for (at, source) in sources.iter().enumerate() {
            match self.next(source)? {
                Some(item) => items.push(item),
                None if !strict => return Ok(None),
                None if at > 0 => return Err(uneven(at, "shorter")),
                None => {
                    for (at, source) in sources.iter().enumerate().skip(1) {
                        if self.next(source)?.is_some() {
                            return Err(uneven(at, "longer"));
                        }
                    }
                    return Ok(None);
                }
            }
        }
        if sources.is_empty() {
            return Ok(None);
        }
        Ok(Some(Object::tuple(items)))
    }

    /// `map`, `filter`, `zip`, `enumerate` and `reversed`.
    pub(super) fn all_iterators(&mut self, objects: &[Object<'a>]) -> Eval<Vec<Object<'a>>> {
        objects.iter().map(|object| self.iterator(object)).collect()
    }

    pub(super) fn reversed(&mut self, object: &Object<'a>) -> Eval<Object<'a>> {
        let kind = match object {
            Object::List(_) | Object::Array(_) => Type::ListReversed,
            Object::Tuple(_) | Object::Str(_) => Type::Reversed,
            Object::Range(_) => Type::Other("range_iterator"),
            Object::Dict(_) | Object::Fields(_) | Object::View(_) => {
                Type::Other("dict_reversekeyiterator")
            }
            _ => {
                let name = object.type_name();
                return Err(type_error(format!("'{name}' object is not reversible")));
            }
        };
        let items = self.collect(object)?;
        let len = items.len();
        Ok(Object::iterator(Iter::Reversed(Rc::new(items), len, kind)))
    }
}

fn uneven(at: usize, how: &str) -> super::EvalError {
    let others = if at == 1 { "argument 1".to_owned() } else { format!("arguments 1-{at}") };
    value_error(format!("zip() argument {} is {how} than {others}", at + 1))
}

/// Takes the next object of an iterator that runs no code; `None` if this one does.
fn plain_next<'a>(iter: &mut Iter<'a>) -> Option<Eval<Option<Object<'a>>>> {
    let next = match iter {
        Iter::Items(items, at, _) => {
            let next = items.get(*at).cloned();
            *at += usize::from(next.is_some());
            next
        }
        Iter::Array(array, at) => {
            let next = array.get(*at).map(Object::of);
            *at += usize::from(next.is_some());
            next
        }
        Iter::Chars(text, at) => text[*at..].chars().next().map(|c| {
            let start = *at;
            *at += c.len_utf8();
            Object::Str(text.slice(start..*at))
        }),
        Iter::Range(range, at) => (*at < range.len()).then(|| {
            *at += 1;
            Object::Int(range.at(*at - 1))
        }),
        Iter::Reversed(items, left, _) => left.checked_sub(1).map(|at| {
            *left = at;
            items[at].clone()
        }),
        Iter::Done(_) => None,
        _ => return None,
    };
    Some(Ok(next))
}

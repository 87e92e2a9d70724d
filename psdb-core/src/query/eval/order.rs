//! Sorting, and the smallest and the largest.
//!
//! Left out: sorting documents (`executor`).

use super::Context;
use super::arguments::{Given, c_int};
use crate::query::ast::Comparator;
use crate::query::object::compare::ordered;
use crate::query::object::repr::unordered;
use crate::query::object::{Builtin, Object};
use crate::query::raised::{Eval, EvalError, type_error, value_error};

impl<'a> Context<'a> {
    /// `min` and `max`.
    pub(super) fn extreme(&mut self, which: Builtin, given: Given<'a>) -> Eval<Object<'a>> {
        let name = which.name();
        let (mut key, mut default) = (None, None);
        if given.by_position.is_empty() {
            return Err(type_error(format!("{name} expected at least 1 argument, got 0")));
        }
        for (given_name, value) in given.by_name {
            match given_name {
                "key" => key = Some(value).filter(|value| !matches!(value, Object::None)),
                "default" => default = Some(value),
                _ => {
                    return Err(type_error(format!(
                        "'{given_name}' is an invalid keyword argument for {name}()"
                    )));
                }
            }
        }
        let mut arguments = given.by_position;
        let many = arguments.len() > 1;
        if many && default.is_some() {
            return Err(type_error(format!(
                "Cannot specify a default for {name}() with multiple positional arguments"
            )));
        }
        let (items, from_set) = match arguments.len() {
            1 => {
                let source = arguments.remove(0);
                (self.collect_unordered(&source)?, matches!(source, Object::Set(_)))
            }
            _ => (arguments, false),
        };
        let comparator = if which == Builtin::Max { Comparator::Greater } else { Comparator::Less };
        let best = self.best(&items, key.as_ref(), comparator, from_set)?;
        match best.or(default) {
            Some(best) => Ok(best),
            None => Err(value_error(format!("{name}() arg is an empty sequence"))),
        }
    }

    fn best(
        &mut self,
        items: &[Object<'a>],
        key: Option<&Object<'a>>,
        comparator: Comparator,
        from_set: bool,
    ) -> Eval<Option<Object<'a>>> {
        if from_set && items.len() > 1 && (key.is_some() || !self.safely_ordered(items)) {
            return Err(unordered());
        }
        let mut best: Option<(Object<'a>, Object<'a>)> = None;
        for item in items {
            self.meter.step()?;
            let rank = match key {
                Some(key) => self.call(key, vec![item.clone()])?,
                None => item.clone(),
            };
            let better = match &best {
                Some((_, other)) => ordered(comparator, &rank, other, self.meter)?,
                None => true,
            };
            if better {
                best = Some((item.clone(), rank));
            }
        }
        Ok(best.map(|(item, _)| item))
    }

    /// Whether elements have one order however they come: all numbers but NaN, or all strings.
    #[allow(clippy::unused_self)] // reads as the question it belongs to
    pub(super) fn safely_ordered(&self, items: &[Object<'a>]) -> bool {
        let number = |item: &Object<'a>| match item {
            Object::Float(value) => !value.is_nan(),
            Object::Int(_) | Object::Big(_) | Object::Bool(_) => true,
            _ => false,
        };
        items.iter().all(number) || items.iter().all(|item| matches!(item, Object::Str(_)))
    }

    /// `sorted`.
    pub(super) fn sorted(&mut self, given: Given<'a>) -> Eval<Object<'a>> {
        let (mut key, mut reverse) = (None, false);
        let count = given.by_position.len();
        if count != 1 {
            return Err(type_error(format!("sorted expected 1 argument, got {count}")));
        }
        let mut arguments = given.by_position;
        let source = arguments.remove(0);
        let items = self.collect_unordered(&source)?;
        for (name, value) in given.by_name {
            match name {
                "key" => key = Some(value).filter(|value| !matches!(value, Object::None)),
                "reverse" => reverse = c_int(&value)? != 0,
                _ => {
                    return Err(type_error(format!(
                        "'{name}' is an invalid keyword argument for sort()"
                    )));
                }
            }
        }
        let from_set = matches!(source, Object::Set(_)) && items.len() > 1;
        if from_set && (key.is_some() || !self.safely_ordered(&items)) {
            return Err(unordered());
        }
        let mut ranked = Vec::with_capacity(items.len());
        for item in items {
            let rank = match &key {
                Some(key) => self.call(key, vec![item.clone()])?,
                None => item.clone(),
            };
            ranked.push((rank, item));
        }
        // Reversing before and after keeps equal elements in their order.
        if reverse {
            ranked.reverse();
        }
        self.sort(&mut ranked)?;
        if reverse {
            ranked.reverse();
        }
        Ok(Object::list(ranked.into_iter().map(|(_, item)| item).collect()))
    }

    /// Sorts by binary insertion and merging, asking only whether one is less than another, as
    /// Python does; the first exception ends it.
    fn sort(&mut self, ranked: &mut [(Object<'a>, Object<'a>)]) -> Eval<()> {
        let len = ranked.len() as u64;
        self.meter.charge(len * u64::from(len.max(1).ilog2() + 1))?;
        let mut failed: Option<EvalError> = None;
        let meter = self.meter;
        let mut less = |a: &Object<'a>, b: &Object<'a>| {
            if failed.is_some() {
                return false;
            }
            ordered(Comparator::Less, a, b, meter).unwrap_or_else(|error| {
                failed = Some(error);
                false
            })
        };
        super::sort::sort(ranked, &mut less);
        failed.map_or(Ok(()), Err)
    }
}

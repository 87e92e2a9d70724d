//! Equality and order, as Python defines them.
//!
//! `True == 1 == 1.0`; integers and floats compare exactly; strings by character; lists and tuples
//! element by element; dicts and sets regardless of order. Only values of kinds that Python orders
//! have an order; the rest raise a `TypeError` worded as CPython words it.
//!
//! Left out: identity (`eval`); an order of everything, which sorting needs (`types::Value`).

use std::cmp::Ordering;
use std::rc::Rc;

use num_bigint::BigInt;
use num_traits::FromPrimitive;

use super::integer::Integer;
use super::{Object, Shows, View};
use crate::query::ast::Comparator;
use crate::query::meter::Meter;
use crate::query::raised::{Eval, EvalError, refused, type_error};
use crate::types::compare_int_float;

/// Compares two numbers; `None` when one of the objects is none. NaN compares as nothing.
#[inline]
#[allow(clippy::option_option)] // no numbers, and numbers without an order, are two things
pub(in crate::query) fn numbers<'a>(a: &Object<'a>, b: &Object<'a>) -> Option<Option<Ordering>> {
    match (a, b) {
        (Object::Int(a), Object::Int(b)) => Some(Some(a.cmp(b))),
        (Object::Float(a), Object::Float(b)) => Some(a.partial_cmp(b)),
        (Object::Float(a), b) => int_float(&Integer::of(b)?, *a).map(Ordering::reverse).into(),
        (a, Object::Float(b)) => int_float(&Integer::of(a)?, *b).into(),
        (a, b) => Some(Some(Integer::of(a)?.cmp(&Integer::of(b)?))),
    }
}

fn int_float(int: &Integer<'_>, float: f64) -> Option<Ordering> {
    match int {
        Integer::Small(int) => compare_int_float(*int, float),
        Integer::Big(_) if float.is_nan() => None,
        Integer::Big(int) => Some(match BigInt::from_f64(float) {
            Some(whole) => (*int).cmp(&whole),
            None if float > 0.0 => Ordering::Less,
            None => Ordering::Greater,
        }),
    }
}

/// Python's `==`.
///
/// # Errors
///
/// A limit that was passed while comparing.
pub(in crate::query) fn equal<'a>(a: &Object<'a>, b: &Object<'a>, meter: &Meter) -> Eval<bool> {
    if let Some(order) = numbers(a, b) {
        return Ok(order == Some(Ordering::Equal));
    }
    match (a, b) {
        (Object::Str(a), Object::Str(b)) => {
            if a.len() != b.len() {
                return Ok(false);
            }
            meter.charge(a.len() as u64 / 64)?;
            Ok(**a == **b)
        }
        (Object::None, Object::None) => Ok(true),
        (Object::Tuple(a), Object::Tuple(b)) | (Object::List(a), Object::List(b)) => {
            if Rc::ptr_eq(a, b) {
                return Ok(true);
            }
            items_equal(a.len(), b.len(), a.iter().cloned(), b.iter().cloned(), meter)
        }
        (Object::Array(a), Object::Array(b)) => {
            let (x, y) = (a.iter().map(Object::of), b.iter().map(Object::of));
            items_equal(a.len(), b.len(), x, y, meter)
        }
        (Object::List(a), Object::Array(b)) | (Object::Array(b), Object::List(a)) => {
            let theirs = b.iter().map(Object::of);
            items_equal(a.len(), b.len(), a.iter().cloned(), theirs, meter)
        }
        (Object::Dict(_) | Object::Fields(_), Object::Dict(_) | Object::Fields(_)) => {
            dicts_equal(a, b, meter)
        }
        (Object::Range(a), Object::Range(b)) => Ok(a.len() == b.len()
            && (a.is_empty() || a.start == b.start && (a.len() == 1 || a.step == b.step))),
        (Object::Type(a), Object::Type(b)) => Ok(a == b),
        (Object::Builtin(a), Object::Builtin(b)) => Ok(a == b),
        (Object::DateTime(a), Object::DateTime(b)) => Ok(a.compare(b) == Some(Ordering::Equal)),
        (Object::Function(a), Object::Function(b)) => Ok(Rc::ptr_eq(a, b)),
        (Object::Iterator(a), Object::Iterator(b)) => Ok(Rc::ptr_eq(a, b)),
        (Object::Unbound(a, x), Object::Unbound(b, y)) => Ok(a == b && x == y),
        _ => match (set_like(a), set_like(b)) {
            (true, true) => Ok(a.length() == b.length() && subset(a, b, meter)?),
            _ => Ok(false),
        },
    }
}

/// Whether two elements of containers are equal.
///
/// # Errors
///
/// A refusal of two NaN: Python takes an object to equal itself there, and PSDB's floats have no
/// identity.
pub(in crate::query) fn elements_equal<'a>(
    a: &Object<'a>,
    b: &Object<'a>,
    meter: &Meter,
) -> Eval<bool> {
    if let (Object::Float(a), Object::Float(b)) = (a, b)
        && a.is_nan()
        && b.is_nan()
    {
        return Err(nan_in_container());
    }
    equal(a, b, meter)
}

/// The refusal of whatever depends on the identity of a NaN.
pub(in crate::query) fn nan_in_container() -> EvalError {
    refused("NaN inside lists, dicts and sets has no defined equality")
}

fn items_equal<'a>(
    a_len: usize,
    b_len: usize,
    a: impl Iterator<Item = Object<'a>>,
    b: impl Iterator<Item = Object<'a>>,
    meter: &Meter,
) -> Eval<bool> {
    if a_len != b_len {
        return Ok(false);
    }
    for (a, b) in a.zip(b) {
        meter.step()?;
        if !elements_equal(&a, &b, meter)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn dicts_equal<'a>(a: &Object<'a>, b: &Object<'a>, meter: &Meter) -> Eval<bool> {
    if a.length() != b.length() {
        return Ok(false);
    }
    match (a, b) {
        (Object::Fields(a), b) => {
            for (name, value) in a.iter() {
                meter.step()?;
                let name = Object::Str(super::Text::Borrowed(name));
                match lookup(b, &name, meter)? {
                    Some(theirs) if elements_equal(&Object::of(value), &theirs, meter)? => {}
                    _ => return Ok(false),
                }
            }
        }
        (Object::Dict(a), b) => {
            for (key, value) in a.entries() {
                meter.step()?;
                match lookup(b, key, meter)? {
                    Some(theirs) if elements_equal(value, &theirs, meter)? => {}
                    _ => return Ok(false),
                }
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// The value of `key` in a dict of either kind.
///
/// # Errors
///
/// A `TypeError` when `key` has no hash.
pub(in crate::query) fn lookup<'a>(
    dict: &Object<'a>,
    key: &Object<'a>,
    meter: &Meter,
) -> Eval<Option<Object<'a>>> {
    match (dict, key) {
        (Object::Fields(fields), Object::Str(name)) => Ok(fields.get(name).map(Object::of)),
        (Object::Fields(_), key) => super::hash::hash(key, meter).map(|_| None),
        (Object::Dict(dict), key) => Ok(dict.get(key, meter)?.cloned()),
        _ => Ok(None),
    }
}

/// Whether an object compares as a set: sets, and views of keys and items.
pub(in crate::query) fn set_like(object: &Object<'_>) -> bool {
    match object {
        Object::Set(_) => true,
        Object::View(view) => view.shows != Shows::Values,
        _ => false,
    }
}

/// Whether all elements of `a` are in `b`, both being like sets.
pub(in crate::query) fn subset<'a>(a: &Object<'a>, b: &Object<'a>, meter: &Meter) -> Eval<bool> {
    let element = |element: &Object<'a>| {
        meter.step()?;
        set_contains(b, element, meter)
    };
    match a {
        Object::Set(set) => {
            for key in set.keys() {
                if !element(key)? {
                    return Ok(false);
                }
            }
        }
        Object::View(view) => {
            for item in view_items(view) {
                if !element(&item)? {
                    return Ok(false);
                }
            }
        }
        _ => {}
    }
    Ok(true)
}

/// Whether something like a set holds `element`.
///
/// # Errors
///
/// A `TypeError` when `element` has no hash.
pub(in crate::query) fn set_contains<'a>(
    set: &Object<'a>,
    element: &Object<'a>,
    meter: &Meter,
) -> Eval<bool> {
    match set {
        Object::Set(set) => set.contains(element, meter),
        Object::View(view) if view.shows == Shows::Keys => {
            Ok(lookup(&view.dict, element, meter)?.is_some())
        }
        Object::View(view) => {
            let Object::Tuple(pair) = element else { return Ok(false) };
            let [key, value] = &pair[..] else { return Ok(false) };
            match lookup(&view.dict, key, meter)? {
                Some(found) => elements_equal(&found, value, meter),
                None => Ok(false),
            }
        }
        _ => Ok(false),
    }
}

/// What a view shows, in the order of its dict.
pub(in crate::query) fn view_items<'a>(view: &View<'a>) -> Vec<Object<'a>> {
    let shown = |key: Object<'a>, value: Object<'a>| match view.shows {
        Shows::Keys => key,
        Shows::Values => value,
        Shows::Items => Object::tuple(vec![key, value]),
    };
    match &view.dict {
        Object::Fields(fields) => {
            let text = |name| Object::Str(super::Text::Borrowed(name));
            fields.iter().map(|(name, value)| shown(text(name), Object::of(value))).collect()
        }
        Object::Dict(dict) => {
            dict.entries().iter().map(|(key, value)| shown(key.clone(), value.clone())).collect()
        }
        _ => Vec::new(),
    }
}

/// Compares with `<`, `<=`, `>` or `>=`.
///
/// # Errors
///
/// A `TypeError` when Python does not order the two.
pub(in crate::query) fn ordered<'a>(
    comparator: Comparator,
    a: &Object<'a>,
    b: &Object<'a>,
    meter: &Meter,
) -> Eval<bool> {
    if set_like(a) && set_like(b) {
        return sets_ordered(comparator, a, b, meter);
    }
    let Some(order) = order(a, b, comparator, meter)? else { return Ok(false) };
    Ok(comparator.holds(order).unwrap_or(false))
}

fn sets_ordered<'a>(
    comparator: Comparator,
    a: &Object<'a>,
    b: &Object<'a>,
    meter: &Meter,
) -> Eval<bool> {
    let proper = a.length() != b.length();
    match comparator {
        Comparator::Less => Ok(proper && subset(a, b, meter)?),
        Comparator::LessEqual => subset(a, b, meter),
        Comparator::Greater => Ok(proper && subset(b, a, meter)?),
        _ => subset(b, a, meter),
    }
}

/// The order of two objects, `None` when a NaN makes every comparison false.
fn order<'a>(
    a: &Object<'a>,
    b: &Object<'a>,
    comparator: Comparator,
    meter: &Meter,
) -> Eval<Option<Ordering>> {
    if let Some(order) = numbers(a, b) {
        return Ok(order);
    }
    match (a, b) {
        (Object::Str(a), Object::Str(b)) => {
            meter.charge(a.len().min(b.len()) as u64 / 64)?;
            Ok(Some(a.cmp(b)))
        }
        (Object::List(_) | Object::Array(_), Object::List(_) | Object::Array(_))
        | (Object::Tuple(_), Object::Tuple(_)) => sequences(a, b, comparator, meter),
        (Object::DateTime(a), Object::DateTime(b)) => match a.compare(b) {
            Some(order) => Ok(Some(order)),
            None => Err(type_error("can't compare offset-naive and offset-aware datetimes")),
        },
        (Object::DateTime(_), b) => Err(type_error(format!(
            "'{}' not supported between instances of 'datetime.datetime' and '{}'",
            comparator.symbol(),
            b.type_name()
        ))),
        _ => Err(type_error(format!(
            "'{}' not supported between instances of '{}' and '{}'",
            comparator.symbol(),
            a.type_name(),
            b.type_name()
        ))),
    }
}

fn sequences<'a>(
    a: &Object<'a>,
    b: &Object<'a>,
    comparator: Comparator,
    meter: &Meter,
) -> Eval<Option<Ordering>> {
    let (a_len, b_len) = (a.length().unwrap_or(0), b.length().unwrap_or(0));
    for index in 0..a_len.min(b_len) {
        meter.step()?;
        let (Some(x), Some(y)) = (item(a, index), item(b, index)) else { break };
        if !elements_equal(&x, &y, meter)? {
            if set_like(&x) && set_like(&y) {
                return Err(refused("sets inside lists have no order; compare the sets alone"));
            }
            return order(&x, &y, comparator, meter);
        }
    }
    Ok(Some(a_len.cmp(&b_len)))
}

fn item<'a>(sequence: &Object<'a>, index: i128) -> Option<Object<'a>> {
    let index = usize::try_from(index).ok()?;
    match sequence {
        Object::List(items) | Object::Tuple(items) => items.get(index).cloned(),
        Object::Array(array) => array.get(index).map(Object::of),
        _ => None,
    }
}

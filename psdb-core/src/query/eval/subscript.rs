//! Fields, indexes, slices, membership and attributes.
//!
//! Left out: methods (`methods`).

use num_traits::ToPrimitive;

use super::{Context, Env};
use crate::query::object::compare::{elements_equal, lookup, set_contains, set_like};
use crate::query::object::integer::Integer;
use crate::query::object::{Method, Object, Range, Text, Type, repr};
use crate::query::predicate::Code;
use crate::query::raised::{Eval, EvalError, raised, refused, type_error, value_error};

/// Attributes that Python's numbers and strings have and PSDB's have not.
const UNSUPPORTED: [&str; 8] =
    ["real", "imag", "numerator", "denominator", "start", "stop", "step", "mapping"];

/// The indexes a slice stands for: from, step and how many.
pub(super) struct Sliced {
    pub(super) start: i128,
    pub(super) step: i128,
    pub(super) stop: i128,
    pub(super) count: usize,
}

impl Sliced {
    pub(super) fn indexes(&self) -> impl Iterator<Item = usize> + use<> {
        let (start, step) = (self.start, self.step);
        (0..self.count).map(move |at| (start + at as i128 * step) as usize)
    }
}

impl<'a> Context<'a> {
    /// `target["name"]`.
    #[inline]
    pub(super) fn field(&mut self, target: &Object<'a>, name: &'a str) -> Eval<Object<'a>> {
        if let Object::Fields(fields) = target {
            return match fields.get(name) {
                Some(value) => Ok(Object::of(value)),
                None => Err(self.missing(&Object::Str(Text::Borrowed(name)))),
            };
        }
        self.subscript(target, &Object::Str(Text::Borrowed(name)))
    }

    fn missing(&self, key: &Object<'a>) -> EvalError {
        match repr::repr(key, self.meter) {
            Ok(key) => raised("KeyError", key),
            Err(limit) => limit,
        }
    }

    pub(super) fn subscript(
        &mut self,
        target: &Object<'a>,
        index: &Object<'a>,
    ) -> Eval<Object<'a>> {
        let name = match target {
            Object::Fields(_) | Object::Dict(_) => {
                let found = lookup(target, index, self.meter)?;
                return found.ok_or_else(|| self.missing(index));
            }
            Object::List(_) | Object::Array(_) => "list",
            Object::Tuple(_) => "tuple",
            Object::Str(_) => "string",
            Object::Range(_) => "range",
            Object::Type(kind) => {
                if matches!(kind, Type::List | Type::Dict | Type::Tuple | Type::Set | Type::Type) {
                    return Err(refused("generic types are not supported"));
                }
                return Err(type_error(format!("type '{}' is not subscriptable", kind.name())));
            }
            Object::Match(_) => return super::regex::group(target, index),
            _ => {
                let name = target.type_name();
                return Err(type_error(format!("'{name}' object is not subscriptable")));
            }
        };
        let Some(integer) = Integer::of(index) else {
            let found = index.type_name();
            return Err(type_error(match name {
                "string" => format!("string indices must be integers, not '{found}'"),
                _ => format!("{name} indices must be integers or slices, not {found}"),
            }));
        };
        let index = integer.clamped();
        if i64::try_from(index).is_err() && name != "range" {
            let message = "cannot fit 'int' into an index-sized integer";
            return Err(raised("IndexError", message));
        }
        let len = target.length().unwrap_or(0);
        if let Object::Str(text) = target {
            self.meter.charge(text.len() as u64 / 64)?;
        }
        let at = if index < 0 { index.saturating_add(len) } else { index };
        let found = (0..len).contains(&at).then(|| item_at(target, at)).flatten();
        found.ok_or_else(|| {
            let name = if name == "range" { "range object" } else { name };
            raised("IndexError", format!("{name} index out of range"))
        })
    }

    pub(super) fn slice(
        &mut self,
        target: &'a Code,
        parts: &'a [Option<Code>; 3],
        env: &Env<'a>,
    ) -> Eval<Object<'a>> {
        let target = self.eval(target, env)?;
        let mut bounds = [None, None, None];
        for (bound, code) in bounds.iter_mut().zip(parts) {
            if let Some(code) = code {
                *bound = match self.eval(code, env)? {
                    Object::None => None,
                    value => Some(value),
                };
            }
        }
        match &target {
            Object::Str(text) => {
                self.meter.allocate(text.len() as u64)?;
                let sliced = sliced(text.chars_count() as i128, &bounds)?;
                Ok(Object::Str(slice_text(text, &sliced)))
            }
            Object::List(_) | Object::Array(_) | Object::Tuple(_) => {
                let sliced = sliced(target.length().unwrap_or(0), &bounds)?;
                self.meter.allocate(32 * sliced.count as u64)?;
                let items = sliced.indexes().filter_map(|at| item_at(&target, at as i128));
                let items = items.collect();
                let tuple = matches!(target, Object::Tuple(_));
                Ok(if tuple { Object::tuple(items) } else { Object::list(items) })
            }
            Object::Range(range) => {
                let sliced = sliced(range.len(), &bounds)?;
                let start = range.start + sliced.start * range.step;
                let step = sliced.step.saturating_mul(range.step);
                let stop = range.start + sliced.stop * range.step;
                Ok(Object::Range(Range { start, stop, step }.into()))
            }
            Object::Dict(_) | Object::Fields(_) => Err(type_error("unhashable type: 'slice'")),
            Object::Type(_) | Object::Match(_) => self.subscript(&target, &Object::None),
            _ => {
                let name = target.type_name();
                Err(type_error(format!("'{name}' object is not subscriptable")))
            }
        }
    }

    /// Whether `element` is in `container`.
    pub(super) fn contains(&mut self, container: &Object<'a>, element: &Object<'a>) -> Eval<bool> {
        match container {
            Object::Str(text) => {
                let Object::Str(part) = element else {
                    let name = element.type_name();
                    let message =
                        format!("'in <string>' requires string as left operand, not {name}");
                    return Err(type_error(message));
                };
                self.meter.charge(text.len() as u64 / 16)?;
                Ok(text.contains(&**part))
            }
            Object::Fields(_) | Object::Dict(_) => {
                Ok(lookup(container, element, self.meter)?.is_some())
            }
            Object::Range(range) => match element {
                Object::Float(value) => {
                    let whole = value.is_finite() && value.fract() == 0.0;
                    let whole = whole.then(|| value.to_i128()).flatten();
                    Ok(whole.is_some_and(|value| range.position(value).is_some()))
                }
                _ => Ok(Integer::of(element)
                    .is_some_and(|value| range.position(value.clamped()).is_some())),
            },
            Object::List(items) | Object::Tuple(items) => {
                for item in items.iter() {
                    self.meter.step()?;
                    if elements_equal(item, element, self.meter)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            _ if set_like(container) => {
                // A set has no hash, but Python asks as if it were frozen; no set holds such.
                if let (Object::Set(_), Object::Set(_)) = (container, element) {
                    return Ok(false);
                }
                set_contains(container, element, self.meter)
            }
            _ => {
                let Ok(iterator) = self.iterator(container) else {
                    let name = container.type_name();
                    return Err(type_error(format!("argument of type '{name}' is not iterable")));
                };
                while let Some(item) = self.next(&iterator)? {
                    if elements_equal(&item, element, self.meter)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
        }
    }

    /// `target.name`, where it is not called.
    pub(super) fn attribute(&mut self, target: &Object<'a>, name: &'a str) -> Eval<Object<'a>> {
        let method = Method::named(name);
        if let Some(method) = method.filter(|method| method.belongs_to(target.kind())) {
            return Ok(Object::Method((target.clone(), method).into()));
        }
        match target {
            // The one place where `.` means something else than in Python.
            Object::Fields(_) | Object::Dict(_) => self.field(target, name),
            Object::Type(kind) => match method.filter(|method| method.belongs_to(*kind)) {
                Some(method) => Ok(Object::Unbound(*kind, method)),
                None => Err(self.no_attribute(target, name)),
            },
            Object::DateTime(time) => match time.part(name) {
                Some(part) => Ok(Object::Int(i128::from(part))),
                None => Err(self.no_attribute(target, name)),
            },
            _ => Err(self.no_attribute(target, name)),
        }
    }

    #[allow(clippy::unused_self)] // an error that belongs to this evaluation
    pub(super) fn no_attribute(&self, target: &Object<'a>, name: &str) -> EvalError {
        let kind = target.type_name();
        if UNSUPPORTED.contains(&name) {
            return refused(format!("attribute '{name}' of {kind} is not supported"));
        }
        if let Object::Type(kind) = target {
            let message = format!("type object '{}' has no attribute '{name}'", kind.name());
            return raised("AttributeError", message);
        }
        raised("AttributeError", format!("'{kind}' object has no attribute '{name}'"))
    }
}

/// The item at an index within the length.
pub(super) fn item_at<'a>(target: &Object<'a>, at: i128) -> Option<Object<'a>> {
    let index = usize::try_from(at).ok()?;
    match target {
        Object::List(items) | Object::Tuple(items) => items.get(index).cloned(),
        Object::Array(array) => array.get(index).map(Object::of),
        Object::Str(text) => text.char_at(index).map(Object::Str),
        Object::Range(range) => Some(Object::Int(range.at(at))),
        _ => None,
    }
}

fn slice_text<'a>(text: &Text<'a>, sliced: &Sliced) -> Text<'a> {
    if sliced.step == 1 {
        let start = text.byte_of(sliced.start as usize);
        let rest = text.slice(start..text.len());
        let end = rest.byte_of(sliced.count);
        return rest.slice(0..end);
    }
    let chars: Vec<char> = text.chars().collect();
    let picked: String = sliced.indexes().filter_map(|at| chars.get(at)).collect();
    Text::Owned(picked.into())
}

/// The indexes of a slice of something with `len` elements, as `slice.indices` computes them.
pub(super) fn sliced(len: i128, bounds: &[Option<Object<'_>>; 3]) -> Eval<Sliced> {
    let index = |bound: &Option<Object<'_>>| match bound {
        None => Ok(None),
        Some(value) => match Integer::of(value) {
            // What is beyond any length is as good as the length.
            Some(value) => Ok(Some(value.clamped().clamp(-(1 << 100), 1 << 100))),
            None => Err(type_error(
                "slice indices must be integers or None or have an __index__ method",
            )),
        },
    };
    let step = index(&bounds[2])?.unwrap_or(1);
    if step == 0 {
        return Err(value_error("slice step cannot be zero"));
    }
    let (lowest, highest) = if step < 0 { (-1, len - 1) } else { (0, len) };
    let place = |bound: i128| {
        let bound = if bound < 0 { bound + len } else { bound };
        bound.clamp(lowest, highest)
    };
    let (start, stop) = if step < 0 { (highest, lowest) } else { (lowest, highest) };
    let start = index(&bounds[0])?.map_or(start, place);
    let stop = index(&bounds[1])?.map_or(stop, place);
    let count = Range { start, stop, step }.len();
    Ok(Sliced { start, step, stop, count: count as usize })
}

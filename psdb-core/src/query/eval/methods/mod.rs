//! Methods of strings, lists, dicts, sets and the rest.
//!
//! - here: which method goes where; lists, tuples and ranges; dicts; sets.
//! - `strings`: methods of strings that give strings or truth values.
//! - `pieces`: methods that take strings apart and put them together.
//!
//! Left out: methods that change what they are called on, since nothing changes.

mod pieces;
mod strings;

use super::Context;
use super::arguments::{Given, index_of};
use crate::query::ast::Binary;
use crate::query::object::compare::{elements_equal, set_contains, subset};
use crate::query::object::integer::Integer;
use crate::query::object::{Dict, Method, Object, Shows, View};
use crate::query::raised::{Eval, type_error, value_error};

impl<'a> Context<'a> {
    /// Calls a method that belongs to the receiver's type.
    pub(super) fn method(
        &mut self,
        receiver: &Object<'a>,
        method: Method,
        given: Given<'a>,
    ) -> Eval<Object<'a>> {
        match (receiver, method) {
            (Object::Str(text), _) => self.text_method(text, method, given),
            (_, Method::Get) => self.dict_get(receiver, given),
            (_, Method::Keys | Method::Values | Method::Items) => {
                given.no_names(&format!("dict.{}", method.name()))?;
                let count = given.by_position.len();
                if count > 0 {
                    let name = method.name();
                    return Err(type_error(format!(
                        "dict.{name}() takes no arguments ({count} given)"
                    )));
                }
                let shows = match method {
                    Method::Keys => Shows::Keys,
                    Method::Values => Shows::Values,
                    _ => Shows::Items,
                };
                Ok(Object::View(View { shows, dict: receiver.clone() }.into()))
            }
            (_, Method::Index) => self.index(receiver, given),
            (_, Method::Count) => {
                let name = format!("{}.count", receiver.type_name());
                let wanted = given.one(&name)?;
                let mut count = 0;
                for item in self.collect(receiver)? {
                    self.meter.step()?;
                    count += i128::from(elements_equal(&item, &wanted, self.meter)?);
                }
                Ok(Object::Int(count))
            }
            (Object::Match(_), _) => {
                let [group] = given.up_to("group", 0)?;
                super::regex::group(receiver, &group.unwrap_or(Object::Int(0)))
            }
            (Object::DateTime(time), _) => Ok(Object::str(time.isoformat())),
            _ => self.set_method(receiver, method, given),
        }
    }

    fn dict_get(&mut self, dict: &Object<'a>, given: Given<'a>) -> Eval<Object<'a>> {
        given.no_names("dict.get")?;
        let [key, default] = given.up_to("get", 1)?;
        let key = key.unwrap_or(Object::None);
        let found = crate::query::object::compare::lookup(dict, &key, self.meter)?;
        Ok(found.or(default).unwrap_or(Object::None))
    }

    /// `index` of lists, tuples and ranges.
    fn index(&mut self, sequence: &Object<'a>, given: Given<'a>) -> Eval<Object<'a>> {
        let name = sequence.type_name();
        if let Object::Range(range) = sequence {
            let wanted = given.one("range.index")?;
            let position = Integer::of(&wanted).map(|value| range.position(value.clamped()));
            return match position {
                Some(Some(position)) => Ok(Object::Int(position)),
                None => {
                    for (at, item) in self.collect(sequence)?.iter().enumerate() {
                        if elements_equal(item, &wanted, self.meter)? {
                            return Ok(Object::Int(at as i128));
                        }
                    }
                    Err(value_error("sequence.index(x): x not in sequence"))
                }
                Some(None) => {
                    let wanted = crate::query::object::repr::repr(&wanted, self.meter)?;
                    Err(value_error(format!("{wanted} is not in range")))
                }
            };
        }
        given.no_names(&format!("{name}.index"))?;
        let [wanted, start, stop] = given.up_to("index", 1)?;
        let wanted = wanted.unwrap_or(Object::None);
        let items = self.collect(sequence)?;
        let bound = |bound: Option<Object<'a>>, default: usize| match bound {
            None => Ok(default),
            Some(value) if Integer::of(&value).is_none() => {
                Err(type_error("slice indices must be integers or have an __index__ method"))
            }
            Some(value) => {
                let index = index_of(&value)?;
                let index = if index < 0 { index + items.len() as i64 } else { index };
                Ok(index.clamp(0, items.len() as i64) as usize)
            }
        };
        let (start, stop) = (bound(start, 0)?, bound(stop, items.len())?);
        for (at, item) in items.iter().enumerate().take(stop).skip(start) {
            self.meter.step()?;
            if elements_equal(item, &wanted, self.meter)? {
                return Ok(Object::Int(at as i128));
            }
        }
        if name == "tuple" {
            return Err(value_error("tuple.index(x): x not in tuple"));
        }
        let wanted = crate::query::object::repr::repr(&wanted, self.meter)?;
        Err(value_error(format!("{wanted} is not in list")))
    }

    /// The elements of `other` that are in `set`.
    fn common(&mut self, set: &Object<'a>, other: &Object<'a>) -> Eval<Object<'a>> {
        let mut common = Dict::default();
        for item in self.collect_unordered(other)? {
            if set_contains(set, &item, self.meter)? {
                common.add(item, self.meter)?;
            }
        }
        Ok(Object::Set(common.into()))
    }

    fn set_method(
        &mut self,
        set: &Object<'a>,
        method: Method,
        given: Given<'a>,
    ) -> Eval<Object<'a>> {
        let name = method.name();
        given.no_names(&format!("set.{name}"))?;
        let operator = match method {
            Method::Union => Binary::BitOr,
            Method::Intersection => Binary::BitAnd,
            Method::Difference => Binary::Subtract,
            Method::SymmetricDifference => Binary::BitXor,
            _ => {
                let other = given.one(&format!("{}.{name}", set.type_name()))?;
                let set = self.set_of(set)?;
                let other = self.set_of(&other)?;
                return Ok(Object::Bool(match method {
                    Method::IsSubset => subset(&set, &other, self.meter)?,
                    Method::IsSuperset => subset(&other, &set, self.meter)?,
                    _ => self.combine(Binary::BitAnd, &set, &other)?.length() == Some(0),
                }));
            }
        };
        if method == Method::SymmetricDifference {
            let other = given.one("set.symmetric_difference")?;
            let other = self.set_of(&other)?;
            return self.combine(operator, set, &other);
        }
        let mut result = set.clone();
        for other in &given.by_position {
            if method == Method::Intersection && !matches!(other, Object::Set(_)) {
                result = self.common(&result, other)?;
                continue;
            }
            let other = self.set_of(other)?;
            result = self.combine(operator, &result, &other)?;
        }
        Ok(result)
    }
}

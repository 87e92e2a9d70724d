//! Hashes of objects: equal objects have equal hashes, whatever their types.
//!
//! Left out: Python's own hash values, which no construct of the language shows.

use std::hash::{DefaultHasher, Hash, Hasher};

use num_bigint::BigInt;
use num_traits::FromPrimitive;

use super::Object;
use super::compare::nan_in_container;
use super::integer::small;
use crate::query::meter::Meter;
use crate::query::raised::{Eval, type_error};

/// The hash of `object`, the same in every process.
///
/// # Errors
///
/// A `TypeError` for objects that change in Python: lists, dicts, sets.
pub(in crate::query) fn hash(object: &Object<'_>, meter: &Meter) -> Eval<u64> {
    let mut hasher = DefaultHasher::new();
    feed(object, &mut hasher, meter)?;
    Ok(hasher.finish())
}

fn feed(object: &Object<'_>, hasher: &mut DefaultHasher, meter: &Meter) -> Eval<()> {
    meter.step()?;
    match object {
        Object::None => 0_u8.hash(hasher),
        Object::Bool(value) => i128::from(*value).hash(hasher),
        Object::Int(value) => value.hash(hasher),
        Object::Big(value) => value.hash(hasher),
        Object::Float(value) if value.is_nan() => return Err(nan_in_container()),
        Object::Float(value) => feed_float(*value, hasher),
        Object::Str(text) => {
            meter.charge(text.len() as u64 / 64)?;
            text.hash(hasher);
        }
        Object::Tuple(items) => {
            items.len().hash(hasher);
            for item in items.iter() {
                feed(item, hasher, meter)?;
            }
        }
        Object::Range(range) => {
            range.len().hash(hasher);
            if !range.is_empty() {
                range.start.hash(hasher);
            }
        }
        Object::Type(kind) => kind.name().hash(hasher),
        Object::Builtin(builtin) => builtin.name().hash(hasher),
        Object::DateTime(time) => time.hash_key().hash(hasher),
        Object::Function(_)
        | Object::Iterator(_)
        | Object::Method(_)
        | Object::Unbound(..)
        | Object::Match(_) => 1_u8.hash(hasher),
        Object::View(view) if view.shows == super::Shows::Values => 1_u8.hash(hasher),
        _ => return Err(type_error(format!("unhashable type: '{}'", object.type_name()))),
    }
    Ok(())
}

/// A whole float hashes as the integer it equals.
fn feed_float(value: f64, hasher: &mut DefaultHasher) {
    if value.is_finite() && value.fract() == 0.0 {
        match BigInt::from_f64(value) {
            Some(whole) => match small(&whole) {
                Some(value) => value.hash(hasher),
                None => whole.hash(hasher),
            },
            None => value.to_bits().hash(hasher),
        }
    } else {
        value.to_bits().hash(hasher);
    }
}

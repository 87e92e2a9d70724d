//! `round()`: to the nearest, ties to even, at any decimal place.
//!
//! Floats are rounded by their exact decimal value, as CPython does; so `round(2.675, 2)` is 2.67.
//!
//! Left out: rounding to a whole number (`builtins`).

use num_bigint::BigInt;
use num_integer::Integer as _;
use num_traits::{Pow, Signed};

use crate::query::object::Object;
use crate::query::object::integer::{Integer, from_big};
use crate::query::raised::{Eval, raised};

/// A float rounded to `digits` places after the point, before it if negative.
pub(in crate::query::eval) fn round_float(value: f64, digits: i64) -> Eval<f64> {
    if !value.is_finite() || digits > 323 {
        return Ok(value);
    }
    if digits < -308 {
        return Ok(0.0_f64.copysign(value));
    }
    let text = if digits >= 0 {
        format!("{:.*}", digits as usize, value.abs())
    } else {
        round_whole(value.abs(), (-digits) as usize)
    };
    let rounded: f64 = text.parse().unwrap_or(value);
    if rounded.is_infinite() {
        return Err(raised("OverflowError", "rounded value too large to represent"));
    }
    Ok(rounded.copysign(value))
}

/// The decimal digits of a float rounded at `places` before the point.
fn round_whole(value: f64, places: usize) -> String {
    let whole: BigInt = num_traits::FromPrimitive::from_f64(value.trunc()).unwrap_or_default();
    let unit = Pow::pow(BigInt::from(10), places);
    let (quotient, rest) = whole.div_rem(&unit);
    let twice: BigInt = rest * 2;
    let above = twice > unit || twice == unit && (value.fract() > 0.0 || quotient.is_odd());
    ((quotient + i32::from(above)) * unit).to_string()
}

/// An integer rounded to `digits` places, which changes it only before the point.
pub(in crate::query::eval) fn round_integer<'a>(
    value: &Integer<'_>,
    digits: i64,
) -> Eval<Object<'a>> {
    let value = value.big().into_owned();
    if digits >= 0 {
        return from_big(value);
    }
    // Beyond so many digits every integer rounds to 0.
    let places = digits.unsigned_abs();
    if places > 2_000 {
        return Ok(Object::Int(0));
    }
    let unit = Pow::pow(BigInt::from(10), places);
    let (quotient, rest) = value.abs().div_rem(&unit);
    let twice: BigInt = rest * 2;
    let above = twice > unit || twice == unit && quotient.is_odd();
    let rounded: BigInt = (quotient + i32::from(above)) * unit;
    from_big(if value.is_negative() { -rounded } else { rounded })
}

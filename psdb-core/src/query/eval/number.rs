//! Arithmetic of numbers, with Python's rules: exact integers, floor division, modulo with the
//! sign of the divisor.
//!
//! Left out: operators on anything else (`arithmetic`); complex numbers, which are refused.

use num_bigint::BigInt;
use num_integer::Integer as _;
use num_traits::{Pow, ToPrimitive};

use crate::query::ast::Binary;
use crate::query::limits::INTEGER_BITS;
use crate::query::object::Object;
use crate::query::object::integer::{Integer, from_big, too_large, true_quotient};
use crate::query::raised::{Eval, EvalError, raised, refused, value_error};

fn zero_division(message: &str) -> EvalError {
    raised("ZeroDivisionError", message)
}

/// `a operator b` of two integers.
pub(super) fn integers<'a>(operator: Binary, a: &Integer<'_>, b: &Integer<'_>) -> Eval<Object<'a>> {
    if let (Integer::Small(a), Integer::Small(b)) = (a, b)
        && let Some(value) = small(operator, *a, *b)
    {
        return Ok(Object::Int(value));
    }
    match operator {
        Binary::Add => from_big(&*a.big() + &*b.big()),
        Binary::Subtract => from_big(&*a.big() - &*b.big()),
        Binary::Multiply => {
            if a.bits() + b.bits() > INTEGER_BITS + 1 {
                return Err(too_large());
            }
            from_big(&*a.big() * &*b.big())
        }
        Binary::Divide if b.is_zero() => Err(zero_division("division by zero")),
        Binary::Divide => true_quotient(a, b).map(Object::Float),
        Binary::FloorDivide if b.is_zero() => {
            Err(zero_division("integer division or modulo by zero"))
        }
        Binary::FloorDivide => from_big(a.big().div_floor(&b.big())),
        Binary::Modulo if b.is_zero() => Err(zero_division("integer modulo by zero")),
        Binary::Modulo => from_big(a.big().mod_floor(&b.big())),
        Binary::Power => power(a, b),
        Binary::ShiftLeft | Binary::ShiftRight => shift(operator, a, b),
        Binary::BitAnd => from_big(&*a.big() & &*b.big()),
        Binary::BitOr => from_big(&*a.big() | &*b.big()),
        Binary::BitXor => from_big(&*a.big() ^ &*b.big()),
    }
}

/// What fits, without big integers; `None` if it does not fit or raises.
fn small(operator: Binary, a: i128, b: i128) -> Option<i128> {
    match operator {
        Binary::Add => a.checked_add(b),
        Binary::Subtract => a.checked_sub(b),
        Binary::Multiply => a.checked_mul(b),
        Binary::FloorDivide => {
            let (quotient, rest) = (a.checked_div(b)?, a.checked_rem(b)?);
            let floor = rest != 0 && (rest < 0) != (b < 0);
            Some(quotient - i128::from(floor))
        }
        Binary::Modulo => {
            let rest = a.checked_rem(b)?;
            Some(if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest })
        }
        Binary::BitAnd => Some(a & b),
        Binary::BitOr => Some(a | b),
        Binary::BitXor => Some(a ^ b),
        _ => None,
    }
}

fn power<'a>(base: &Integer<'_>, exponent: &Integer<'_>) -> Eval<Object<'a>> {
    if exponent.is_negative() {
        return floats(Binary::Power, base.to_float()?, exponent.to_float()?);
    }
    // 0, 1 and -1 stay small whatever the exponent.
    if base.bits() <= 1 {
        let odd = exponent.big().is_odd();
        return Ok(Object::Int(match base {
            _ if exponent.is_zero() => 1,
            Integer::Small(-1) if !odd => 1,
            Integer::Small(value) => *value,
            Integer::Big(_) => 0,
        }));
    }
    let exponent = u64::try_from(exponent.clamped()).map_err(|_| too_large())?;
    if (base.bits() - 1).saturating_mul(exponent) > INTEGER_BITS {
        return Err(too_large());
    }
    from_big(Pow::pow(base.big().into_owned(), exponent))
}

fn shift<'a>(operator: Binary, a: &Integer<'_>, b: &Integer<'_>) -> Eval<Object<'a>> {
    if b.is_negative() {
        return Err(value_error("negative shift count"));
    }
    let by = u64::try_from(b.clamped()).unwrap_or(u64::MAX);
    if operator == Binary::ShiftRight {
        let gone = Object::Int(if a.is_negative() { -1 } else { 0 });
        return if by > INTEGER_BITS { Ok(gone) } else { from_big(&*a.big() >> by) };
    }
    if a.is_zero() {
        return Ok(Object::Int(0));
    }
    if a.bits().saturating_add(by) > INTEGER_BITS {
        return Err(too_large());
    }
    from_big(&*a.big() << by)
}

/// `a operator b` of two floats.
pub(super) fn floats<'a>(operator: Binary, a: f64, b: f64) -> Eval<Object<'a>> {
    Ok(Object::Float(match operator {
        Binary::Add => a + b,
        Binary::Subtract => a - b,
        Binary::Multiply => a * b,
        Binary::Divide if b == 0.0 => return Err(zero_division("float division by zero")),
        Binary::Divide => a / b,
        Binary::FloorDivide if b == 0.0 => {
            return Err(zero_division("float floor division by zero"));
        }
        Binary::FloorDivide => floor_divide(a, b).0,
        Binary::Modulo if b == 0.0 => return Err(zero_division("float modulo")),
        Binary::Modulo => modulo(a, b),
        _ => float_power(a, b)?,
    }))
}

/// The rest of a division, with the sign of the divisor.
fn modulo(a: f64, b: f64) -> f64 {
    let rest = a % b;
    if rest == 0.0 {
        return 0.0_f64.copysign(b);
    }
    if (b < 0.0) == (rest < 0.0) { rest } else { rest + b }
}

/// Quotient, rounded down, and rest, as CPython computes them.
fn floor_divide(a: f64, b: f64) -> (f64, f64) {
    let rest = a % b;
    let mut quotient = (a - rest) / b;
    if rest != 0.0 && (b < 0.0) != (rest < 0.0) {
        quotient -= 1.0;
    }
    if quotient == 0.0 {
        return (0.0_f64.copysign(a / b), rest);
    }
    let floor = quotient.floor();
    (if quotient - floor > 0.5 { floor + 1.0 } else { floor }, rest)
}

fn float_power(a: f64, b: f64) -> Eval<f64> {
    if a == 0.0 && b < 0.0 {
        return Err(zero_division("0.0 cannot be raised to a negative power"));
    }
    if a < 0.0 && a.is_finite() && b.is_finite() && b.fract() != 0.0 {
        return Err(refused("the power of a negative number to a fraction is complex"));
    }
    let power = a.powf(b);
    if power.is_infinite() && a.is_finite() && b.is_finite() {
        return Err(raised("OverflowError", "(34, 'Numerical result out of range')"));
    }
    Ok(power)
}

/// The integer part of a float.
///
/// # Errors
///
/// As Python's `int()` of a NaN or an infinity.
pub(super) fn whole<'a>(value: f64) -> Eval<Object<'a>> {
    if value.is_nan() {
        return Err(value_error("cannot convert float NaN to integer"));
    }
    if value.is_infinite() {
        return Err(raised("OverflowError", "cannot convert float infinity to integer"));
    }
    if value.abs() < 1e38 {
        return Ok(Object::Int(value as i128));
    }
    from_big(num_traits::FromPrimitive::from_f64(value).unwrap_or_else(|| BigInt::from(0)))
}

/// A float that an object of numbers can be computed with.
pub(super) fn to_float(object: &Object<'_>) -> Option<Eval<f64>> {
    match object {
        Object::Float(value) => Some(Ok(*value)),
        _ => Integer::of(object).map(Integer::to_float),
    }
}

/// The value as an index or a count; the nearest end beyond an `i64`.
pub(super) fn index(value: &Integer<'_>) -> i64 {
    let clamped = value.clamped();
    clamped.to_i64().unwrap_or(if clamped < 0 { i64::MIN } else { i64::MAX })
}

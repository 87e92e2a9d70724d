//! Integers of any size, up to a limit.
//!
//! Most fit an `i128` and are computed with there; what overflows goes on as a `BigInt`.
//!
//! Left out: which operator means what (`eval::arithmetic`).

use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;

use num_bigint::{BigInt, Sign};
use num_traits::{Signed, ToPrimitive};

use super::Object;
use crate::query::limits::INTEGER_BITS;
use crate::query::raised::{Eval, EvalError, raised};

/// An integer: an `int` or a `bool`.
#[derive(Clone, Copy, Debug)]
pub(in crate::query) enum Integer<'x> {
    Small(i128),
    Big(&'x BigInt),
}

/// The value if it fits an `i128`.
pub(in crate::query) fn small(value: &BigInt) -> Option<i128> {
    value.to_i128()
}

pub(in crate::query) fn too_large() -> EvalError {
    EvalError::Limit(format!("an integer has more than {INTEGER_BITS} bits"))
}

/// The object for `value`.
///
/// # Errors
///
/// A limit when it has too many bits.
pub(in crate::query) fn from_big<'a>(value: BigInt) -> Eval<Object<'a>> {
    if let Some(value) = small(&value) {
        return Ok(Object::Int(value));
    }
    if value.bits() > INTEGER_BITS {
        return Err(too_large());
    }
    Ok(Object::Big(Rc::new(value)))
}

impl<'x> Integer<'x> {
    /// The integer that `object` is.
    #[inline]
    pub(in crate::query) fn of(object: &'x Object<'_>) -> Option<Integer<'x>> {
        match object {
            Object::Int(value) => Some(Integer::Small(*value)),
            Object::Bool(value) => Some(Integer::Small(i128::from(*value))),
            Object::Big(value) => Some(Integer::Big(value)),
            _ => None,
        }
    }

    pub(in crate::query) fn cmp(&self, other: &Integer<'_>) -> Ordering {
        match (self, other) {
            (Integer::Small(a), Integer::Small(b)) => a.cmp(b),
            _ => self.big().cmp(&other.big()),
        }
    }

    pub(in crate::query) fn big(&self) -> Cow<'x, BigInt> {
        match self {
            Integer::Small(value) => Cow::Owned(BigInt::from(*value)),
            Integer::Big(value) => Cow::Borrowed(value),
        }
    }

    pub(in crate::query) fn is_zero(&self) -> bool {
        matches!(self, Integer::Small(0))
    }

    pub(in crate::query) fn is_negative(&self) -> bool {
        match self {
            Integer::Small(value) => *value < 0,
            Integer::Big(value) => value.is_negative(),
        }
    }

    pub(in crate::query) fn bits(&self) -> u64 {
        match self {
            Integer::Small(value) => u64::from(128 - value.unsigned_abs().leading_zeros()),
            Integer::Big(value) => value.bits(),
        }
    }

    /// The nearest float, ties to even.
    ///
    /// # Errors
    ///
    /// An `OverflowError` when there is none.
    pub(in crate::query) fn to_float(self) -> Eval<f64> {
        match self {
            Integer::Small(value) => Ok(value as f64),
            Integer::Big(value) => big_to_float(value)
                .ok_or_else(|| raised("OverflowError", "int too large to convert to float")),
        }
    }

    /// The value if it fits an `i128`, else the nearest end of a range no data reaches.
    pub(in crate::query) fn clamped(&self) -> i128 {
        match self {
            Integer::Small(value) => *value,
            Integer::Big(value) if value.is_negative() => i128::MIN,
            Integer::Big(_) => i128::MAX,
        }
    }
}

/// The nearest double, ties to even; `None` beyond the largest.
fn big_to_float(value: &BigInt) -> Option<f64> {
    // 64 leading bits, the last of them sticky, round as all bits would.
    let bits = value.bits();
    let shift = bits.saturating_sub(64);
    let magnitude = value.magnitude();
    let mut head = (magnitude >> shift).to_u64()?;
    let rest = magnitude.trailing_zeros().is_some_and(|zeros| zeros < shift);
    head |= u64::from(rest);
    let float = head as f64
        * 2_f64.powi(i32::try_from(shift).ok()?.min(1_000))
        * 2_f64.powi((shift as i32 - 1_000).max(0));
    let signed = if value.sign() == Sign::Minus { -float } else { float };
    signed.is_finite().then_some(signed)
}

/// `a / b` as the nearest float, ties to even.
///
/// # Errors
///
/// An `OverflowError` when the quotient is beyond the largest float.
pub(in crate::query) fn true_quotient(a: &Integer<'_>, b: &Integer<'_>) -> Eval<f64> {
    const EXACT: i128 = 1 << 53;
    if let (Integer::Small(a), Integer::Small(b)) = (a, b)
        && a.abs_diff(0) <= EXACT as u128
        && b.abs_diff(0) <= EXACT as u128
    {
        return Ok(*a as f64 / *b as f64);
    }
    let overflow = || raised("OverflowError", "integer division result too large for a float");
    let negative = a.is_negative() != b.is_negative();
    let (a, b) = (a.big().magnitude().clone(), b.big().magnitude().clone());
    // The quotient is scaled to 64 bits or one more, and its last bit made sticky; of subnormal
    // results fewer bits count, so those are scaled to the last bit that counts.
    let shift = (64 - (a.bits() as i64 - b.bits() as i64)).min(1_074 + 2);
    let (scaled, divisor) =
        if shift >= 0 { (a << shift as u64, b) } else { (a, b << (-shift) as u64) };
    let quotient = &scaled / &divisor;
    let sticky = &quotient * &divisor != scaled;
    let head = quotient.to_u128().ok_or_else(overflow)? | u128::from(sticky);
    let float = scale(head, -shift).ok_or_else(overflow)?;
    Ok(if negative { -float } else { float })
}

/// `head * 2^exponent`, rounded once; `None` beyond the largest float.
fn scale(head: u128, exponent: i64) -> Option<f64> {
    if head == 0 {
        return Some(0.0);
    }
    let length = 128 - i64::from(head.leading_zeros());
    // The exponent of the last bit that counts.
    let last = (length + exponent - 53).max(-1_074);
    let drop = last - exponent;
    let rounded = if drop <= 0 {
        head << (-drop)
    } else if drop > 127 {
        0
    } else {
        let (kept, rest) = (head >> drop, head & ((1 << drop) - 1));
        let half = 1_u128 << (drop - 1);
        kept + u128::from(rest > half || (rest == half && kept & 1 == 1))
    };
    let exponent = i32::try_from(last).ok()?;
    // Two exact steps, since neither 2^-1074 nor 2^1023 times a large number is one.
    let float = rounded as f64 * 2_f64.powi(exponent / 2) * 2_f64.powi(exponent - exponent / 2);
    float.is_finite().then_some(float)
}

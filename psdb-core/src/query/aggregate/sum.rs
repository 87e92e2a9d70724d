//! Sums that do not depend on the order of adding.
//!
//! Integers are added as integers. Floats are kept as an expansion: a few floats that do not overlap
//! and whose exact sum is the exact sum of all (Shewchuk, "Adaptive Precision Floating-Point
//! Arithmetic", 1997). It is rounded once, at the end.
//!
//! Left out: integers beyond 128 bits, which become floats.

use serde::{Deserialize, Serialize};

use crate::types::Value;

/// A sum of numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sum {
    integers: i128,
    /// An expansion, smallest first.
    floats: Vec<f64>,
    /// The sum of infinities and NaN, which an expansion cannot hold.
    special: f64,
    /// Whether a float was added, so that the sum is one.
    is_float: bool,
}

impl Sum {
    /// The sum of one value; `None` unless it is a number.
    pub fn of(value: &Value) -> Option<Sum> {
        let mut sum = Sum::default();
        match value {
            Value::Bool(value) => sum.integers = i128::from(*value),
            Value::Int(value) => sum.integers = *value,
            Value::Float(value) => sum.add_float(*value),
            _ => return None,
        }
        Some(sum)
    }

    fn add_float(&mut self, value: f64) {
        self.is_float = true;
        if !value.is_finite() {
            self.special += value;
            return;
        }
        let mut carried = value;
        let mut kept = Vec::with_capacity(self.floats.len() + 1);
        for part in &self.floats {
            let (large, small) =
                if carried.abs() < part.abs() { (*part, carried) } else { (carried, *part) };
            let high = large + small;
            if !high.is_finite() {
                self.special += high;
                self.floats.clear();
                return;
            }
            let low = small - (high - large);
            if low != 0.0 {
                kept.push(low);
            }
            carried = high;
        }
        kept.push(carried);
        self.floats = kept;
    }

    /// Adds another sum.
    pub fn join(&mut self, other: &Sum) {
        match self.integers.checked_add(other.integers) {
            Some(integers) => self.integers = integers,
            None => self.add_float(other.integers as f64),
        }
        other.floats.iter().for_each(|part| self.add_float(*part));
        self.special += other.special;
        self.is_float |= other.is_float;
    }

    /// Everything as one float, rounded once if there are no integers beyond 2^53.
    fn float(&self) -> f64 {
        if self.special != 0.0 || self.special.is_nan() {
            return self.special;
        }
        let mut all = Sum { floats: self.floats.clone(), ..Sum::default() };
        if self.integers != 0 {
            // The head and what it leaves are two floats whose sum is exact up to 106 bits.
            let head = self.integers as f64;
            all.add_float(head);
            all.add_float(self.integers.wrapping_sub(head as i128) as f64);
        }
        rounded(&all.floats)
    }

    /// The sum: an integer if only integers were added.
    pub fn total(&self) -> Value {
        if self.is_float { Value::Float(self.float()) } else { Value::Int(self.integers) }
    }

    /// The sum divided by how many there are.
    pub fn average(&self, count: u64) -> Value {
        Value::Float(self.float() / count as f64)
    }
}

/// The float nearest to an expansion's exact sum, ties to even.
fn rounded(parts: &[f64]) -> f64 {
    let mut rest = parts.iter().rev().copied();
    let Some(mut high) = rest.next() else { return 0.0 };
    let mut low = 0.0;
    for part in rest.by_ref() {
        let before = high;
        high = before + part;
        low = part - (high - before);
        if low != 0.0 {
            break;
        }
    }
    // Half a unit exactly was rounded to even; what lies below decides whether that was right.
    if let Some(next) = rest.next()
        && ((low < 0.0 && next < 0.0) || (low > 0.0 && next > 0.0))
    {
        let twice = low * 2.0;
        let moved = high + twice;
        if twice == moved - high {
            return moved;
        }
    }
    high
}

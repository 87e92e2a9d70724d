//! The JSON model, with Python's equality and ordering.
//!
//! `True == 1 == 1.0`, integers and doubles compare exactly (2^53 + 1 is greater than the double
//! 2^53), strings compare by code point, lists element by element. Comparing what Python cannot
//! compare raises a `TypeError`, worded as CPython words it.
//!
//! Sorting needs an order of everything, which Python does not have. [`Value::total_cmp`] is ours:
//! null, numbers, strings, arrays, objects; within a kind as Python, objects field by field.
//!
//! Left out: arithmetic and methods (`query`), JSON text (`codec`).

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// One JSON value. Integers are exact; objects keep the order of their fields.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Value {
    /// JSON `null`, Python `None`.
    Null,
    /// JSON `true` and `false`.
    Bool(bool),
    /// An integer. In a document from -2^63 to 2^64-1; in a lambda any that fits.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Value>),
    /// An object, its fields in the order written; no name twice.
    Object(Vec<(String, Value)>),
}

/// A Python exception raised by an operation on values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PyError {
    /// The exception's class, such as `TypeError`.
    pub kind: &'static str,
    /// Its message, as CPython words it.
    pub message: String,
}

impl std::fmt::Display for PyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind, self.message)
    }
}

/// Compares an integer and a double exactly; `None` when the double is NaN.
pub(crate) fn compare_int_float(int: i128, float: f64) -> Option<Ordering> {
    /// 2^127, the first double above every `i128`.
    const BEYOND: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
    if float.is_nan() {
        return None;
    }
    if float >= BEYOND {
        return Some(Ordering::Less);
    }
    if float < -BEYOND {
        return Some(Ordering::Greater);
    }
    let whole = float.trunc();
    let by_whole = int.cmp(&(whole as i128));
    let rest = (whole - float).partial_cmp(&0.0).unwrap_or(Ordering::Equal);
    Some(by_whole.then(rest))
}

/// A value that compares as a number; truth values do.
#[derive(Clone, Copy)]
enum Number {
    Int(i128),
    Float(f64),
}

impl Number {
    /// The exact order; `None` beside a NaN.
    fn compare(self, other: Number) -> Option<Ordering> {
        match (self, other) {
            (Number::Int(a), Number::Int(b)) => Some(a.cmp(&b)),
            (Number::Float(a), Number::Float(b)) => a.partial_cmp(&b),
            (Number::Int(a), Number::Float(b)) => compare_int_float(a, b),
            (Number::Float(a), Number::Int(b)) => compare_int_float(b, a).map(Ordering::reverse),
        }
    }
}

impl Value {
    /// The name of this value's type in Python, such as `int` or `NoneType`.
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Null => "NoneType",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float",
            Value::String(_) => "str",
            Value::Array(_) => "list",
            Value::Object(_) => "dict",
        }
    }

    /// Whether Python takes this value for true: not `None`, zero or empty.
    pub fn truthy(&self) -> bool {
        match self {
            Value::Null => false,
            Value::Bool(value) => *value,
            Value::Int(value) => *value != 0,
            Value::Float(value) => *value != 0.0,
            Value::String(text) => !text.is_empty(),
            Value::Array(values) => !values.is_empty(),
            Value::Object(fields) => !fields.is_empty(),
        }
    }

    /// Python's `==`: numbers and truth values by their value, dicts regardless of order.
    pub fn py_eq(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Null, Value::Null) => true,
            (Value::String(a), Value::String(b)) => a == b,
            (Value::Array(a), Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.py_eq(b))
            }
            (Value::Object(a), Value::Object(b)) => {
                let same = |(name, value): &(String, Value)| {
                    b.iter().any(|(other, theirs)| other == name && value.py_eq(theirs))
                };
                a.len() == b.len() && a.iter().all(same)
            }
            _ => match (self.number(), other.number()) {
                (Some(a), Some(b)) => a.compare(b) == Some(Ordering::Equal),
                _ => false,
            },
        }
    }

    /// Python's ordering for the comparison written `operator` (`<`, `<=`, `>` or `>=`); `None`
    /// when a NaN makes every comparison false.
    ///
    /// # Errors
    ///
    /// [`PyError`], a `TypeError`, when Python does not order the two types.
    pub fn py_cmp(&self, other: &Value, operator: &str) -> Result<Option<Ordering>, PyError> {
        match (self, other) {
            (Value::String(a), Value::String(b)) => Ok(Some(a.cmp(b))),
            (Value::Array(a), Value::Array(b)) => {
                match a.iter().zip(b).find(|(a, b)| !a.py_eq(b)) {
                    Some((a, b)) => a.py_cmp(b, operator),
                    None => Ok(Some(a.len().cmp(&b.len()))),
                }
            }
            _ => match (self.number(), other.number()) {
                (Some(a), Some(b)) => Ok(a.compare(b)),
                _ => Err(PyError {
                    kind: "TypeError",
                    message: format!(
                        "'{operator}' not supported between instances of '{}' and '{}'",
                        self.type_name(),
                        other.type_name()
                    ),
                }),
            },
        }
    }

    fn number(&self) -> Option<Number> {
        match self {
            Value::Bool(value) => Some(Number::Int(i128::from(*value))),
            Value::Int(value) => Some(Number::Int(*value)),
            Value::Float(value) => Some(Number::Float(*value)),
            Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    /// An order of all values, for sorting: null, numbers, strings, arrays, objects.
    ///
    /// Numbers compare by value, NaN after all others; strings by code point; arrays element by
    /// element; objects field by field in their order, name before value.
    pub fn total_cmp(&self, other: &Value) -> Ordering {
        match (self, other) {
            (Value::String(a), Value::String(b)) => a.cmp(b),
            (Value::Array(a), Value::Array(b)) => {
                let differs = a.iter().zip(b).map(|(a, b)| a.total_cmp(b)).find(|o| o.is_ne());
                differs.unwrap_or_else(|| a.len().cmp(&b.len()))
            }
            (Value::Object(a), Value::Object(b)) => {
                let field = |((a, x), (b, y)): (&(String, Value), &(String, Value))| {
                    a.cmp(b).then_with(|| x.total_cmp(y))
                };
                let differs = a.iter().zip(b).map(field).find(|order| order.is_ne());
                differs.unwrap_or_else(|| a.len().cmp(&b.len()))
            }
            _ => match (self.number(), other.number()) {
                (Some(a), Some(b)) => {
                    a.compare(b).unwrap_or_else(|| self.is_nan().cmp(&other.is_nan()))
                }
                _ => self.rank().cmp(&other.rank()),
            },
        }
    }

    fn is_nan(&self) -> bool {
        matches!(self, Value::Float(value) if value.is_nan())
    }

    fn rank(&self) -> u8 {
        match self {
            Value::Null => 0,
            Value::Bool(_) | Value::Int(_) | Value::Float(_) => 1,
            Value::String(_) => 2,
            Value::Array(_) => 3,
            Value::Object(_) => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    //! Proves the corners of Python's comparisons that documents meet.

    use std::cmp::Ordering;

    use super::Value;

    #[test]
    fn numbers_compare_exactly_across_types() {
        let big = Value::Int((1 << 53) + 1);
        let double = Value::Float(9_007_199_254_740_992.0);
        assert!(!big.py_eq(&double));
        assert_eq!(big.py_cmp(&double, "<"), Ok(Some(Ordering::Greater)));
        assert!(Value::Bool(true).py_eq(&Value::Float(1.0)));
        assert_eq!(Value::Int(-1).py_cmp(&Value::Float(-1.5), "<"), Ok(Some(Ordering::Greater)));
        assert_eq!(Value::Int(-2).py_cmp(&Value::Float(-1.5), "<"), Ok(Some(Ordering::Less)));
        assert_eq!(Value::Int(i128::MAX).total_cmp(&Value::Float(1e300)), Ordering::Less);
    }

    #[test]
    fn unordered_types_raise() {
        let error = Value::Null.py_cmp(&Value::Int(1), "<").expect_err("raises");
        assert_eq!(
            error.to_string(),
            "TypeError: '<' not supported between instances of 'NoneType' and 'int'"
        );
        assert_eq!(Value::Null.total_cmp(&Value::Int(1)), Ordering::Less);
    }

    #[test]
    fn dicts_are_equal_regardless_of_order() {
        let ab = Value::from_json(r#"{"a": 1, "b": [true]}"#).expect("reads");
        let ba = Value::from_json(r#"{"b": [1.0], "a": 1}"#).expect("reads");
        assert!(ab.py_eq(&ba));
    }
}

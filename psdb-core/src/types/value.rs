//! The JSON model. (Being written: the owner of `types/value.rs` completes it.)

/// One JSON value. Integers are exact; objects keep the order of their fields.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
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
    /// Its message, as CPython words it where that is known.
    pub message: String,
}

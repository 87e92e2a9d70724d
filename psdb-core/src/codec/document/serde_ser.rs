//! Serializes any serde type into a decoded value, on its way into a document.
//!
//! The mapping is serde's usual one for JSON: structs and maps become objects, sequences and
//! tuples arrays, enums are externally tagged, bytes become arrays of numbers. Numbers JSON cannot
//! say are refused, not rounded.
//!
//! Left out: borrowing. What is serialized is copied once.

use std::fmt::{self, Display};

use serde::ser::{self, Serialize};

use crate::types::Value;

/// Why a value cannot be stored.
#[derive(Debug)]
pub(super) struct SerError(String);

impl Display for SerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SerError {}

impl ser::Error for SerError {
    fn custom<T: Display>(message: T) -> Self {
        SerError(message.to_string())
    }
}

impl From<SerError> for String {
    fn from(error: SerError) -> String {
        error.0
    }
}

/// Serializes `value`.
pub(super) fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value, SerError> {
    value.serialize(ToValue)
}

type Done = Result<Value, SerError>;

struct ToValue;

/// Collects an array, and wraps it if it belongs to an enum's variant.
struct Items {
    variant: Option<&'static str>,
    values: Vec<Value>,
}

/// Collects an object, and wraps it if it belongs to an enum's variant.
struct Fields {
    variant: Option<&'static str>,
    name: Option<String>,
    entries: Vec<(String, Value)>,
}

fn wrap(variant: Option<&'static str>, value: Value) -> Value {
    match variant {
        Some(variant) => Value::Object(vec![(variant.to_owned(), value)]),
        None => value,
    }
}

impl Items {
    fn new(variant: Option<&'static str>, len: usize) -> Items {
        Items { variant, values: Vec::with_capacity(len.min(1_024)) }
    }
}

impl Fields {
    fn new(variant: Option<&'static str>) -> Fields {
        Fields { variant, name: None, entries: Vec::new() }
    }

    fn set(&mut self, name: &str, value: Value) {
        self.entries.push((name.to_owned(), value));
    }
}

macro_rules! integers {
    ($($method:ident: $type:ty),*) => {
        $(fn $method(self, value: $type) -> Done {
            Ok(Value::Int(i128::from(value)))
        })*
    };
}

impl ser::Serializer for ToValue {
    type Ok = Value;
    type Error = SerError;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Fields;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Fields;

    integers!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_i128: i128, serialize_u8: u8, serialize_u16: u16, serialize_u32: u32,
        serialize_u64: u64
    );

    fn serialize_u128(self, value: u128) -> Done {
        i128::try_from(value)
            .map(Value::Int)
            .map_err(|_| SerError(format!("integer {value} is not within -2^63 to 2^64-1")))
    }

    fn serialize_bool(self, value: bool) -> Done {
        Ok(Value::Bool(value))
    }

    fn serialize_f32(self, value: f32) -> Done {
        Ok(Value::Float(f64::from(value)))
    }

    fn serialize_f64(self, value: f64) -> Done {
        Ok(Value::Float(value))
    }

    fn serialize_char(self, value: char) -> Done {
        Ok(Value::String(value.to_string()))
    }

    fn serialize_str(self, value: &str) -> Done {
        Ok(Value::String(value.to_owned()))
    }

    fn serialize_bytes(self, value: &[u8]) -> Done {
        Ok(Value::Array(value.iter().map(|byte| Value::Int(i128::from(*byte))).collect()))
    }

    fn serialize_none(self) -> Done {
        Ok(Value::Null)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Done {
        Ok(Value::Null)
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Done {
        Ok(Value::Null)
    }

    fn serialize_unit_variant(self, _name: &str, _index: u32, variant: &'static str) -> Done {
        Ok(Value::String(variant.to_owned()))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _name: &str, value: &T) -> Done {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Done {
        Ok(wrap(Some(variant), value.serialize(self)?))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Items, SerError> {
        Ok(Items::new(None, len.unwrap_or(0)))
    }

    fn serialize_tuple(self, len: usize) -> Result<Items, SerError> {
        Ok(Items::new(None, len))
    }

    fn serialize_tuple_struct(self, _name: &str, len: usize) -> Result<Items, SerError> {
        Ok(Items::new(None, len))
    }

    fn serialize_tuple_variant(
        self,
        _name: &str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Items, SerError> {
        Ok(Items::new(Some(variant), len))
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Fields, SerError> {
        Ok(Fields::new(None))
    }

    fn serialize_struct(self, _name: &str, _len: usize) -> Result<Fields, SerError> {
        Ok(Fields::new(None))
    }

    fn serialize_struct_variant(
        self,
        _name: &str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Fields, SerError> {
        Ok(Fields::new(Some(variant)))
    }
}

macro_rules! items {
    ($($trait:ident::$method:ident),*) => {
        $(impl ser::$trait for Items {
            type Ok = Value;
            type Error = SerError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerError> {
                self.values.push(to_value(value)?);
                Ok(())
            }

            fn end(self) -> Done {
                Ok(wrap(self.variant, Value::Array(self.values)))
            }
        })*
    };
}

items!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);

macro_rules! fields {
    ($($trait:ident),*) => {
        $(impl ser::$trait for Fields {
            type Ok = Value;
            type Error = SerError;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), SerError> {
                self.set(name, to_value(value)?);
                Ok(())
            }

            fn end(self) -> Done {
                Ok(wrap(self.variant, Value::Object(self.entries)))
            }
        })*
    };
}

fields!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Fields {
    type Ok = Value;
    type Error = SerError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), SerError> {
        self.name = Some(match to_value(key)? {
            Value::String(name) => name,
            Value::Int(number) => number.to_string(),
            Value::Bool(value) => value.to_string(),
            other => {
                let kind = other.type_name();
                return Err(SerError(format!("a {kind} cannot be the name of a field")));
            }
        });
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), SerError> {
        let name =
            self.name.take().ok_or_else(|| SerError("a value came before its key".into()))?;
        self.set(&name, to_value(value)?);
        Ok(())
    }

    fn end(self) -> Done {
        Ok(Value::Object(self.entries))
    }
}

//! Deserializes any serde type straight from an encoded document.
//!
//! The mapping is that of `serde_ser`, backwards. Strings are borrowed while the type is built.
//!
//! Left out: types that borrow from the document beyond that.

use std::fmt::{self, Display};

use serde::de::value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer};
use serde::de::{self, DeserializeOwned, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::layout::{ObjectRef, ValueRef};

/// Why a document does not fit a type.
#[derive(Debug)]
pub(super) struct DeError(String);

impl Display for DeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for DeError {}

impl de::Error for DeError {
    fn custom<T: Display>(message: T) -> Self {
        DeError(message.to_string())
    }
}

impl From<DeError> for String {
    fn from(error: DeError) -> String {
        error.0
    }
}

/// Builds a `T` from `value`.
pub(super) fn from_value_ref<T: DeserializeOwned>(value: ValueRef<'_>) -> Result<T, DeError> {
    T::deserialize(Source(value))
}

/// A value to be deserialized; keeps the trait out of the public interface.
struct Source<'de>(ValueRef<'de>);

impl<'de> IntoDeserializer<'de, DeError> for Source<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

type Entries<'de, I> = MapDeserializer<'de, I, DeError>;

fn entries(object: ObjectRef<'_>) -> Entries<'_, impl Iterator<Item = (&str, Source<'_>)>> {
    MapDeserializer::new(object.iter().map(|(name, value)| (name, Source(value))))
}

impl<'de> de::Deserializer<'de> for Source<'de> {
    type Error = DeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match self.0 {
            ValueRef::Null => visitor.visit_unit(),
            ValueRef::Bool(value) => visitor.visit_bool(value),
            ValueRef::Int(value) => match (i64::try_from(value), u64::try_from(value)) {
                (Ok(value), _) => visitor.visit_i64(value),
                (_, Ok(value)) => visitor.visit_u64(value),
                _ => visitor.visit_i128(value),
            },
            ValueRef::Float(value) => visitor.visit_f64(value),
            ValueRef::Str(text) => visitor.visit_borrowed_str(text),
            ValueRef::Array(array) => {
                visitor.visit_seq(SeqDeserializer::new(array.iter().map(Source)))
            }
            ValueRef::Object(object) => visitor.visit_map(entries(object)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match self.0 {
            ValueRef::Null => visitor.visit_none(),
            value => visitor.visit_some(Source(value)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        match self.0 {
            ValueRef::Str(variant) => visitor.visit_enum(variant.into_deserializer()),
            ValueRef::Object(object) if object.len() == 1 => {
                visitor.visit_enum(MapAccessDeserializer::new(entries(object)))
            }
            _ => Err(DeError("an enum is a string or an object of one field".into())),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

//! Documents in their binary form.
//!
//! An [`EncodedDocument`] is one shared buffer. Fields are read from it in place; copying it costs
//! nothing. It is made by the JSON reader, by serde, from decoded values, or from bytes of another
//! node after a full check, and is always valid.
//!
//! - `layout`: every byte, and reading.
//! - `builder`: writing. `validate`: checking foreign bytes.
//! - `metadata`: the fields PSDB adds.
//!
//! Left out: JSON (`codec::json`).

mod builder;
mod layout;
mod metadata;
mod serde_de;
mod serde_ser;
mod validate;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::json;
use crate::types::{Error, Limits, Result, Value};

pub(crate) use builder::{Builder, DuplicateName, duplicate};
pub use layout::{ArrayRef, ObjectRef, ValueRef};
pub(crate) use layout::{Place, touch_fields};
pub use metadata::{Metadata, RESERVED_FIELDS};

/// A valid document in its binary form; cheap to clone.
///
/// # Examples
///
/// ```
/// use psdb_core::Limits;
/// use psdb_core::codec::{EncodedDocument, ValueRef};
///
/// let ada = EncodedDocument::from_json(br#"{"name": "Ada", "age": 36}"#, &Limits::DEFAULT)?;
/// assert_eq!(ada.get("age"), Some(ValueRef::Int(36)));
/// assert_eq!(ada.to_json(), r#"{"name": "Ada", "age": 36}"#);
/// # Ok::<(), psdb_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodedDocument(Bytes);

/// The object that valid bytes of a document hold.
pub(crate) fn root_of(document: &[u8]) -> ObjectRef<'_> {
    ObjectRef { body: &document[1..] }
}

impl<'d> From<&'d EncodedDocument> for ObjectRef<'d> {
    fn from(document: &'d EncodedDocument) -> ObjectRef<'d> {
        document.root()
    }
}

impl EncodedDocument {
    /// Reads one JSON object, strictly, straight into the binary form.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidDocument`] with line and column, or the limit that was passed.
    pub fn from_json(text: &[u8], limits: &Limits) -> Result<Self> {
        json::read_document(text, limits).map(EncodedDocument)
    }

    /// Encodes a decoded object.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidDocument`] when the value is not an object or holds what JSON cannot.
    pub fn from_value(value: &Value) -> Result<Self> {
        let Value::Object(fields) = value else {
            return Err(invalid(format!("a {} is not an object", value.type_name())));
        };
        let mut builder = Builder::new();
        builder.fields(fields).map_err(invalid)?;
        finish(builder)
    }

    /// Encodes any value that serializes as a map or struct.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidDocument`] when it does not, or holds what JSON cannot.
    pub fn from_serialize<T: Serialize + ?Sized>(value: &T) -> Result<Self> {
        let value = serde_ser::to_value(value).map_err(invalid)?;
        let encoded = Self::from_value(&value)?;
        if encoded.0.len() > Limits::DEFAULT.document_bytes {
            return Err(invalid(format!(
                "it has {} bytes, the limit is {}",
                encoded.0.len(),
                Limits::DEFAULT.document_bytes
            )));
        }
        Ok(encoded)
    }

    /// Takes bytes that claim to be an encoded document, after checking every one of them.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidDocument`] saying what is wrong with them.
    pub fn from_bytes(bytes: Bytes) -> Result<Self> {
        match validate::check(&bytes) {
            Ok(()) => Ok(EncodedDocument(bytes)),
            Err(reason) => Err(invalid(format!("its encoding is damaged: {reason}"))),
        }
    }

    /// Takes bytes that were checked when they were stored, and that a checksum has vouched for
    /// since. Reading others panics.
    pub(crate) fn from_verified(bytes: Bytes) -> Self {
        EncodedDocument(bytes)
    }

    /// The same document in memory of its own, for whoever keeps it for long.
    pub(crate) fn detached(&self) -> Self {
        EncodedDocument(Bytes::copy_from_slice(&self.0))
    }

    /// The encoded bytes.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// The document as an object.
    pub fn root(&self) -> ObjectRef<'_> {
        root_of(&self.0)
    }

    /// The top-level field called `field`, found without decoding the others.
    pub fn get(&self, field: &str) -> Option<ValueRef<'_>> {
        self.root().get(field)
    }

    /// A decoded copy.
    pub fn to_value(&self) -> Value {
        ValueRef::Object(self.root()).to_value()
    }

    /// The document as one line of JSON, fields in their order.
    pub fn to_json(&self) -> String {
        let mut text = String::with_capacity(self.0.len());
        json::write(ValueRef::Object(self.root()), &mut text);
        text
    }

    /// Decodes into a type of the caller's.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidDocument`] when the document does not fit the type.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T> {
        serde_de::from_value_ref(ValueRef::Object(self.root())).map_err(invalid)
    }
}

fn finish(builder: Builder) -> Result<EncodedDocument> {
    let bytes = builder.finish().map_err(|DuplicateName(name)| invalid(duplicate(&name)))?;
    Ok(EncodedDocument(bytes))
}

fn invalid(reason: impl Into<String>) -> Error {
    Error::InvalidDocument { reason: reason.into() }
}

#[cfg(test)]
mod tests;

//! A stored document as a client sees it, and the types it can become.
//!
//! Left out: changing it, which goes through [`super::Database`].

use std::fmt;

use serde::de::DeserializeOwned;

use crate::codec::{EncodedDocument, Metadata, ValueRef};
use crate::types::{DocumentId, Result, Timestamp, Value};

/// A stored document: its fields and the metadata PSDB adds.
///
/// Fields are read from the encoded form; nothing is decoded until it is asked for.
#[derive(Clone, PartialEq, Eq)]
pub struct Document {
    encoded: EncodedDocument,
    metadata: Metadata,
}

impl Document {
    /// The document's id.
    pub fn id(&self) -> &DocumentId {
        &self.metadata.id
    }

    /// 1 when it was inserted, one more with every change.
    pub fn version(&self) -> u64 {
        self.metadata.version
    }

    /// When it was inserted.
    pub fn created_at(&self) -> Timestamp {
        self.metadata.created_at
    }

    /// When it was last changed.
    pub fn updated_at(&self) -> Timestamp {
        self.metadata.updated_at
    }

    /// The top-level field called `field`, decoded.
    pub fn get(&self, field: &str) -> Option<Value> {
        self.encoded.get(field).map(ValueRef::to_value)
    }

    /// The whole document, metadata included, decoded.
    pub fn to_value(&self) -> Value {
        self.encoded.to_value()
    }

    /// The whole document, metadata included, as one line of JSON.
    pub fn to_json(&self) -> String {
        self.encoded.to_json()
    }

    /// The encoded form.
    pub fn encoded(&self) -> &EncodedDocument {
        &self.encoded
    }

    /// Decodes into a type of the caller's.
    ///
    /// # Errors
    ///
    /// [`crate::Error::InvalidDocument`] when the document does not fit the type.
    pub fn deserialize<T: DeserializeOwned>(&self) -> Result<T> {
        self.encoded.deserialize()
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({})", self.to_json())
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}

/// What a [`super::Database`] hands out: a [`Document`], or any type serde can build from one.
pub trait FromDocument: Sized {
    /// Makes it from a stored document.
    ///
    /// # Errors
    ///
    /// [`crate::Error::InvalidDocument`] when the document does not fit.
    fn from_document(encoded: EncodedDocument) -> Result<Self>;
}

impl FromDocument for Document {
    fn from_document(encoded: EncodedDocument) -> Result<Self> {
        let metadata = encoded.metadata()?;
        Ok(Document { encoded, metadata })
    }
}

impl<T: DeserializeOwned> FromDocument for T {
    fn from_document(encoded: EncodedDocument) -> Result<Self> {
        encoded.deserialize()
    }
}

//! The fields PSDB adds to a document, and documents with and without them.
//!
//! A *body* is what a user gives; a *stored* document is `_id`, then the body's fields in their
//! order, then `_version`, `_created_at` and `_updated_at`. A lambda sees all of them as ordinary
//! fields, so they are stored as such: the version as an integer, the times as RFC 3339 text.
//!
//! Left out: who decides versions and times (`shard`).

use super::{Builder, EncodedDocument, ValueRef, finish, invalid};
use crate::types::{DocumentId, Error, Result, Timestamp, validate_document_id};

/// The names at the top level that only PSDB sets, `_id` excepted.
pub const RESERVED_FIELDS: [&str; 3] = ["_version", "_created_at", "_updated_at"];

/// What PSDB knows about a stored document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Its id.
    pub id: DocumentId,
    /// 1 when it was inserted, one more with every change.
    pub version: u64,
    /// When it was inserted.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

impl EncodedDocument {
    /// Splits what a user gave into an id, if there is one, and a body.
    ///
    /// # Errors
    ///
    /// [`Error::ReservedField`] for a field only PSDB sets, [`Error::InvalidDocument`] for an
    /// `_id` that is not a string, [`Error::InvalidName`] for one of a wrong length.
    pub fn split_id(&self) -> Result<(Option<DocumentId>, EncodedDocument)> {
        let root = self.root();
        if let Some(field) = RESERVED_FIELDS.iter().find(|field| root.get(field).is_some()) {
            return Err(Error::ReservedField { field: (*field).to_owned() });
        }
        let Some(id) = root.get("_id") else { return Ok((None, self.clone())) };
        let ValueRef::Str(id) = id else {
            let kind = id.to_value().type_name().to_owned();
            return Err(invalid(format!("_id must be a string, not {kind}")));
        };
        validate_document_id(id)?;
        Ok((Some(DocumentId::from(id)), self.without(&["_id"])))
    }

    /// The document without any of the four fields PSDB sets.
    pub fn without_metadata(&self) -> EncodedDocument {
        self.without(&["_id", RESERVED_FIELDS[0], RESERVED_FIELDS[1], RESERVED_FIELDS[2]])
    }

    /// The document without the fields only PSDB sets, keeping its `_id`.
    pub fn without_reserved(&self) -> EncodedDocument {
        self.without(&RESERVED_FIELDS)
    }

    fn without(&self, names: &[&str]) -> EncodedDocument {
        if names.iter().all(|name| self.get(name).is_none()) {
            return self.clone();
        }
        let mut builder = Builder::new();
        for (name, value) in self.root().iter().filter(|(name, _)| !names.contains(name)) {
            builder.name(name);
            builder.value_ref(value);
        }
        finish(builder).expect("the fields of a document are distinct")
    }

    /// The stored form of this body.
    pub fn with_metadata(&self, metadata: &Metadata) -> EncodedDocument {
        let mut builder = Builder::new();
        builder.name("_id");
        builder.string(metadata.id.as_str());
        for (name, value) in self.root().iter() {
            builder.name(name);
            builder.value_ref(value);
        }
        builder.name("_version");
        builder.int(i128::from(metadata.version));
        builder.name("_created_at");
        builder.string(&metadata.created_at.to_string());
        builder.name("_updated_at");
        builder.string(&metadata.updated_at.to_string());
        finish(builder).expect("a body bears no metadata")
    }

    /// The metadata of a stored document.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidDocument`] when this is not the form [`EncodedDocument::with_metadata`]
    /// makes.
    pub fn metadata(&self) -> Result<Metadata> {
        let missing = |field: &str| invalid(format!("it has no valid {field}"));
        let time = |field: &str| match self.get(field) {
            Some(ValueRef::Str(text)) => Timestamp::parse(text).ok_or_else(|| missing(field)),
            _ => Err(missing(field)),
        };
        let Some(ValueRef::Str(id)) = self.get("_id") else { return Err(missing("_id")) };
        let version = match self.get("_version") {
            Some(ValueRef::Int(version)) => u64::try_from(version).ok(),
            _ => None,
        };
        Ok(Metadata {
            id: DocumentId::from(id),
            version: version.ok_or_else(|| missing("_version"))?,
            created_at: time("_created_at")?,
            updated_at: time("_updated_at")?,
        })
    }

    /// This document with the top-level fields of `patch` set: replaced in their place, or added
    /// at the end.
    pub fn merged(&self, patch: &EncodedDocument) -> EncodedDocument {
        let (old, new) = (self.root(), patch.root());
        let mut builder = Builder::new();
        for (name, value) in old.iter() {
            builder.name(name);
            builder.value_ref(new.get(name).unwrap_or(value));
        }
        for (name, value) in new.iter().filter(|(name, _)| old.get(name).is_none()) {
            builder.name(name);
            builder.value_ref(value);
        }
        finish(builder).expect("merged fields are distinct")
    }
}

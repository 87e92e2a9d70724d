//! The indexes of a database, and how it may be read, as the masters want them.
//!
//! ```text
//! CreateIndex, DropIndex ─▶ wanted definitions, version + 1 ─▶ unfinished: tell every shard
//!                           IndexesTold (that version)      ◀─ every shard has the definitions
//! ```
//! Here stands what is wanted; whether an index is complete only its shards know, who build it each
//! at its own pace. Changes are told to the shards with the version they made, so that a message that
//! was delayed brings no older definitions back.
//!
//! Invariants:
//! 1. `version` grows with every change of the definitions; `pending` is it, or nothing.
//! 2. Names are unique within a database, and so are lists of fields.
//!
//! Left out: rules for names and fields, which are checked before anything is proposed; building.

use serde::{Deserialize, Serialize};

use super::{Metadata, Response, invalid, not_yet};
use crate::transport::message::{DatabaseState, IndexDefinition};
use crate::types::{DatabaseId, Error, IndexName, Limits, Result};

/// How far the shards of a database have been told of its indexes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexNews {
    /// Grows with every change of the definitions, from 0.
    pub version: u64,
    /// The version that some shard may not have been told of.
    pub pending: Option<u64>,
}

impl IndexNews {
    fn changed(self) -> IndexNews {
        let version = self.version + 1;
        IndexNews { version, pending: Some(version) }
    }
}

impl Metadata {
    pub(super) fn create_index(&mut self, name: &str, index: IndexDefinition) -> Result<Response> {
        IndexDefinition::check_all(std::slice::from_ref(&index))?;
        let mut record = self.named(name)?;
        usable(name, record.info.state)?;
        let known = &record.info.indexes;
        if let Some(same) =
            known.iter().find(|known| known.name == index.name || known.fields == index.fields)
        {
            // Wanted twice is wanted: whoever asks again learns how far it is.
            return if *same == index {
                Ok(Response::Database(record.info))
            } else {
                let (name, fields) = (same.name.to_string(), same.fields.clone());
                Err(Error::IndexExists { name, fields })
            };
        }
        if known.len() >= Limits::INDEXES {
            return Err(invalid(format!(
                "database '{name}' has {} indexes, which is the limit; drop one first",
                known.len()
            )));
        }
        record.info.indexes.push(index);
        record.index_news = record.index_news.changed();
        Ok(Response::Database(self.put(record)))
    }

    pub(super) fn drop_index(&mut self, name: &str, index: &IndexName) -> Result<Response> {
        let mut record = self.named(name)?;
        usable(name, record.info.state)?;
        let before = record.info.indexes.len();
        record.info.indexes.retain(|known| known.name != *index);
        if record.info.indexes.len() == before {
            return Err(Error::IndexNotFound { name: index.to_string() });
        }
        record.index_news = record.index_news.changed();
        Ok(Response::Database(self.put(record)))
    }

    pub(super) fn indexes_told(&mut self, id: DatabaseId, version: u64) -> Result<Response> {
        let mut record = self.living(id)?;
        if version > record.index_news.version {
            return Err(invalid(format!("version {version} of the indexes was never given out")));
        }
        if record.index_news.pending == Some(version) {
            record.index_news.pending = None;
        }
        Ok(Response::Database(self.put(record)))
    }

    pub(super) fn configure_database(
        &mut self,
        name: &str,
        deny_full_scan: bool,
    ) -> Result<Response> {
        let mut record = self.named(name)?;
        if record.info.state == DatabaseState::Deleting {
            return Err(Error::DatabaseNotFound { name: name.into() });
        }
        record.info.deny_full_scan = deny_full_scan;
        Ok(Response::Database(self.put(record)))
    }
}

/// Whether the indexes of a database in this state may be changed.
fn usable(name: &str, state: DatabaseState) -> Result<()> {
    match state {
        DatabaseState::Creating => {
            Err(not_yet(format!("database '{name}'"), "it is still being created"))
        }
        DatabaseState::Deleting => Err(Error::DatabaseNotFound { name: name.into() }),
        DatabaseState::Ready | DatabaseState::Clearing => Ok(()),
    }
}

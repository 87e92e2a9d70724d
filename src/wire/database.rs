//! Databases and indexes on the wire.
//!
//! Left out: creating them (`psdb-server`).

use psdb_core::client::{DatabaseSummary, IndexInfo};
use psdb_core::transport::message::{
    DatabaseInfo, DatabaseState, IndexDefinition, IndexState, ShardStats,
};

use crate::proto::v1;

/// Encodes a database with its size.
pub fn from_summary(summary: &DatabaseSummary) -> v1::Database {
    let size = ShardStats { documents: summary.documents, bytes: summary.bytes };
    from_info(&summary.info, size)
}

/// Encodes a database.
pub fn from_info(info: &DatabaseInfo, size: ShardStats) -> v1::Database {
    let state = match info.state {
        DatabaseState::Creating => v1::DatabaseState::Creating,
        DatabaseState::Ready => v1::DatabaseState::Ready,
        DatabaseState::Clearing => v1::DatabaseState::Clearing,
        DatabaseState::Deleting => v1::DatabaseState::Deleting,
    };
    v1::Database {
        name: info.name.clone(),
        id: info.id.0,
        state: state.into(),
        shards: info.shards.iter().map(|shard| shard.0).collect(),
        indexes: info.indexes.iter().map(from_index).collect(),
        documents: size.documents,
        bytes: size.bytes,
        deny_full_scan: info.deny_full_scan,
    }
}

/// Encodes an index.
pub fn from_index(index: &IndexDefinition) -> v1::Index {
    v1::Index {
        name: index.name.as_str().to_owned(),
        fields: index.fields.clone(),
        ..v1::Index::default()
    }
}

/// Encodes an index and how far it is built.
pub fn from_index_info(index: &IndexInfo) -> v1::Index {
    let state = match index.state {
        IndexState::Building => v1::IndexState::Building,
        IndexState::Ready => v1::IndexState::Ready,
    };
    v1::Index {
        name: index.name.as_str().to_owned(),
        fields: index.fields.clone(),
        state: state.into(),
        entries: index.entries,
        documents_done: index.documents_done,
        documents: index.documents,
    }
}

//! Checks the trees of a shard that come from elsewhere, entry by entry and as a whole.
//!
//! Every document is validated and has to stand under its own id. The documents of a database have
//! to come out at the totals and the digest that are stored with it, and the entries of its indexes
//! at the sum of the hashes of those that the documents make. The databases stand before their
//! documents, and these before the indexes, so one walk in the order of the trees' names does, and
//! takes memory for sums only.
//!
//! Left out: pages (`storage`).

use std::collections::BTreeMap;

use bytes::Bytes;

use super::Shard;
use super::database::{Database, Sums};
use super::digest::Hasher;
use super::stored::{DATABASES, DOCUMENTS, INDEX, damaged, read_database};
use crate::codec::document::EncodedDocument;
use crate::raft::{Inspector, StateError};

/// What has been seen of a foreign shard so far.
#[derive(Default)]
pub struct ShardInspector {
    /// The databases by the trees of their documents.
    databases: BTreeMap<Vec<u8>, Database>,
    /// Of each tree of documents.
    sums: BTreeMap<Vec<u8>, Sums>,
    /// Of each tree of an index: the hashes of the entries that were found, less those that the
    /// documents make.
    entries: BTreeMap<Vec<u8>, u64>,
}

impl ShardInspector {
    fn document(&mut self, tree: &[u8], key: &[u8], value: &Bytes) -> Result<(), StateError> {
        let document = EncodedDocument::from_bytes(value.clone());
        let document = document.map_err(|error| damaged(error.to_string()))?;
        let metadata = document.metadata().map_err(|error| damaged(error.to_string()))?;
        if metadata.id.as_str().as_bytes() != key {
            return Err(damaged(format!("document '{}' stands under another id", metadata.id)));
        }
        self.sums.entry(tree.to_vec()).or_default().add(document.bytes());
        for index in self.databases.get(tree).iter().flat_map(|database| &database.indexes) {
            for entry in index.covered_entries(&metadata.id, &document) {
                let sum = self.entries.entry(index.tree.to_vec()).or_default();
                *sum = sum.wrapping_sub(hash(&entry, key));
            }
        }
        Ok(())
    }
}

fn hash(key: &[u8], value: &[u8]) -> u64 {
    let mut hasher = Hasher::default();
    hasher.bytes(key);
    hasher.bytes(value);
    hasher.finish()
}

impl Inspector<Shard> for ShardInspector {
    fn entry(&mut self, tree: &[u8], key: &[u8], value: &Bytes) -> Result<(), StateError> {
        if tree == DATABASES {
            let (_, database) = read_database(key, value)?;
            self.databases.insert(database.documents_tree.to_vec(), database);
        } else if tree.starts_with(DOCUMENTS) {
            self.document(tree, key, value)?;
        } else if tree.starts_with(INDEX) {
            let sum = self.entries.entry(tree.to_vec()).or_default();
            *sum = sum.wrapping_add(hash(key, value));
        }
        Ok(())
    }

    fn finish(mut self, shard: &Shard) -> Result<(), StateError> {
        for (id, database) in shard.all() {
            let found = self.sums.remove(&database.documents_tree[..]).unwrap_or_default();
            if found != database.sums {
                let known = &database.sums;
                return Err(damaged(format!("database {id} has {found:?}, not {known:?}")));
            }
            for index in &database.indexes {
                if self.entries.remove(&index.tree[..]).unwrap_or_default() != 0 {
                    let name = &index.definition.name;
                    let reason = format!("index {name} of {id} is not the one its documents make");
                    return Err(damaged(reason));
                }
            }
        }
        match self.sums.into_keys().chain(self.entries.into_keys()).next() {
            None => Ok(()),
            Some(tree) => {
                let tree = String::from_utf8_lossy(&tree).into_owned();
                Err(damaged(format!("tree {tree} belongs to no database")))
            }
        }
    }
}

//! Checks what another replica sent before it becomes a shard here.
//!
//! Every document is validated and has to stand under its own id, and the documents of a database
//! have to come out at the totals and the digest that are stored with it.
//!
//! Left out: whether an index is the one its documents make. The bytes are those that the sender
//! searches itself, and bear its checksums.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::Shard;
use super::database::Sums;
use super::stored::{DOCUMENTS, INDEX, damaged};
use crate::codec::document::EncodedDocument;
use crate::raft::{Inspector, StateError};

/// What has been seen of a foreign shard so far.
#[derive(Default)]
pub struct ShardInspector {
    /// Of each tree of documents.
    sums: BTreeMap<Vec<u8>, Sums>,
}

impl Inspector<Shard> for ShardInspector {
    fn entry(&mut self, tree: &[u8], key: &[u8], value: &Bytes) -> Result<(), StateError> {
        if tree.starts_with(INDEX) && std::str::from_utf8(value).is_err() {
            return Err(damaged("an index entry names no document"));
        }
        if !tree.starts_with(DOCUMENTS) {
            return Ok(());
        }
        let document = EncodedDocument::from_bytes(value.clone());
        let document = document.map_err(|error| damaged(error.to_string()))?;
        let metadata = document.metadata().map_err(|error| damaged(error.to_string()))?;
        if metadata.id.as_str().as_bytes() != key {
            return Err(damaged(format!("document '{}' stands under another id", metadata.id)));
        }
        if !self.sums.contains_key(tree) {
            self.sums.insert(tree.to_vec(), Sums::default());
        }
        let sums = self.sums.get_mut(tree).expect("it was put there");
        sums.add(document.bytes());
        Ok(())
    }

    fn finish(mut self, shard: &Shard) -> Result<(), StateError> {
        for (id, database) in shard.all() {
            let found = self.sums.remove(&database.documents_tree[..]).unwrap_or_default();
            if found != database.sums {
                let known = &database.sums;
                return Err(damaged(format!("database {id} has {found:?}, not {known:?}")));
            }
        }
        match self.sums.pop_first() {
            None => Ok(()),
            Some((tree, _)) => {
                let tree = String::from_utf8_lossy(&tree).into_owned();
                Err(damaged(format!("tree {tree} belongs to no database")))
            }
        }
    }
}

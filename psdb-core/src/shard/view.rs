//! Reading a shard, and one database of it, as it was at one moment.
//!
//! A view shares the shard's pages, so it costs O(1) to make and to clone, and shows the same
//! documents for as long as it is held, however the shard goes on. It keeps the pages it shows from
//! being written over: the page file grows by what is written meanwhile, not by what is read.
//!
//! A view of a database keeps the trees that it has looked up at hand, with their upper pages. Its clones
//! share them.
//!
//! As a [`Source`] it hands out documents that stand in a leaf without copying them: they keep their
//! pages in memory, so whoever keeps them for long makes copies. Pages bear checksums that were
//! verified when they were read, and every document was validated before it was stored, so documents
//! are not validated again.
//!
//! Left out: evaluating lambdas (`query`), confirming leadership before a read (`raft`).

use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::closed::ClosedIds;
use super::database::Database;
use super::index::{Coverage, Index};
use crate::codec::document::{EncodedDocument, ObjectRef, root_of};
use crate::query::{Direction, Documents, Entries, Ids, Source, SourceIndex};
use crate::storage::store::{Leaf, LeafValue};
use crate::storage::{self, BPlusTree, Range, Snapshot, StorageError, Tree};
use crate::transport::message::{IndexDefinition, ShardStats};
use crate::types::{DatabaseId, DocumentId, Error, IndexName, Result};

/// An immutable snapshot of a shard; owned, and cheap to clone.
#[derive(Clone)]
pub struct ShardView {
    databases: BPlusTree<DatabaseId, Arc<Database>>,
    closed: ClosedIds,
    trees: Snapshot,
}

impl ShardView {
    pub(super) fn new(
        databases: BPlusTree<DatabaseId, Arc<Database>>,
        closed: ClosedIds,
        trees: Snapshot,
    ) -> ShardView {
        ShardView { databases, closed, trees }
    }

    /// One of its databases.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseGone`] if it is not open here.
    pub fn database(&self, id: DatabaseId) -> Result<DatabaseView> {
        let database = self.databases.get(&id).ok_or(Error::DatabaseGone { database: id })?;
        Ok(DatabaseView::new(id, Arc::clone(database), self.trees.clone()))
    }

    /// The ids of the databases that are open here, in order.
    pub fn databases(&self) -> impl Iterator<Item = DatabaseId> {
        self.databases.iter().map(|(id, _)| *id)
    }

    /// Walks over everything and checks the invariants of the shard; for tests and repairs.
    ///
    /// # Errors
    ///
    /// A description of the first invariant that does not hold.
    pub fn check_invariants(&self) -> std::result::Result<(), String> {
        self.databases.check_invariants()?;
        for (id, database) in &self.databases {
            if self.closed.remembers(*id) {
                return Err(format!("database {id} is both open and closed"));
            }
            let sound = database.check_invariants(&self.trees);
            sound.map_err(|reason| format!("database {id}: {reason}"))?;
        }
        self.closed.check_invariants()
    }
}

/// An immutable snapshot of one database on one shard; owned, and cheap to clone.
#[derive(Clone)]
pub struct DatabaseView {
    id: DatabaseId,
    database: Arc<Database>,
    trees: Snapshot,
    at_hand: Arc<AtHand>,
}

/// Trees that were looked up before.
struct AtHand {
    documents: OnceLock<Tree>,
    /// In the order of the database's indexes.
    indexes: Box<[OnceLock<Tree>]>,
}

impl DatabaseView {
    fn new(id: DatabaseId, database: Arc<Database>, trees: Snapshot) -> DatabaseView {
        let indexes = database.indexes.iter().map(|_| OnceLock::new()).collect();
        let at_hand = Arc::new(AtHand { documents: OnceLock::new(), indexes });
        DatabaseView { id, database, trees, at_hand }
    }

    /// The tree called `name`, from where it is put when it is looked up for the first time.
    fn tree<'t>(&self, at_hand: &'t OnceLock<Tree>, name: &[u8]) -> Result<&'t Tree> {
        if let Some(tree) = at_hand.get() {
            return Ok(tree);
        }
        let tree = self.trees.tree(name)?;
        Ok(at_hand.get_or_init(|| tree))
    }

    /// The tree of an index; `None` if there is no such index.
    fn index_tree(&self, index: &IndexName) -> Option<(&Index, Result<&Tree>)> {
        let mut indexes = self.database.indexes.iter().zip(&self.at_hand.indexes);
        let (index, at_hand) = indexes.find(|(known, _)| known.definition.name == *index)?;
        Some((index, self.tree(at_hand, &index.tree)))
    }

    /// Which database this is.
    pub fn id(&self) -> DatabaseId {
        self.id
    }

    /// The stored document under `id`, with its metadata, in memory of its own.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`] or [`Error::Corrupt`] when a page cannot be read.
    pub fn get(&self, id: &DocumentId) -> Result<Option<EncodedDocument>> {
        let found = self.trees.get(&self.database.documents_tree, id.as_str().as_bytes())?;
        Ok(found.map(EncodedDocument::from_verified))
    }

    /// How many documents there are, and how many bytes their encoded forms have.
    pub fn stats(&self) -> ShardStats {
        self.database.stats()
    }

    /// The definitions of its secondary indexes.
    pub fn definitions(&self) -> impl Iterator<Item = &IndexDefinition> {
        self.database.definitions()
    }

    /// The documents in the order of their ids, from the one after `after` on.
    pub fn documents(&self, after: Option<&DocumentId>) -> DocumentsOf {
        let after = after.map(|id| id.as_str().as_bytes());
        let low = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (tree, ascending) = (&self.database.documents_tree, storage::Direction::Ascending);
        DocumentsOf(self.trees.range(tree, low, Bound::Unbounded, ascending))
    }

    /// The entries of an index whose keys lie within the bounds, in the index's order or against
    /// it; `None` if there is no such index.
    pub fn index_entries(
        &self,
        index: &IndexName,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
        direction: Direction,
    ) -> Option<EntriesOf> {
        let (index, tree) = self.index_tree(index)?;
        let direction = match direction {
            Direction::Ascending => storage::Direction::Ascending,
            Direction::Descending => storage::Direction::Descending,
        };
        Some(EntriesOf(match tree {
            Ok(tree) => tree.range(low, high, direction),
            // The range meets the same error when it is read.
            Err(_) => self.trees.range(&index.tree, low, high, direction),
        }))
    }
}

/// The documents of a database, one after the other.
#[derive(Debug)]
pub struct DocumentsOf(Range);

impl Iterator for DocumentsOf {
    type Item = Result<EncodedDocument>;

    fn next(&mut self) -> Option<Self::Item> {
        let value = self.0.next_value().transpose()?;
        Some(value.map(EncodedDocument::from_verified).map_err(Error::from))
    }
}

/// The entries of an index, one after the other.
#[derive(Debug)]
pub struct EntriesOf(Range);

impl EntriesOf {
    /// What `look` gives for the next entry's key and id.
    fn next_with<R>(&mut self, look: impl FnOnce(&[u8], DocumentId) -> R) -> Option<Result<R>> {
        let entry = self.0.next_with(|key, value| match std::str::from_utf8(value) {
            Ok(id) => Ok(look(key, DocumentId::from(id))),
            Err(error) => {
                let reason = format!("an index entry names no document: {error}");
                Err(StorageError::Refused { reason })
            }
        });
        Some(entry.and_then(Option::transpose).transpose()?.map_err(Error::from))
    }
}

impl Iterator for EntriesOf {
    type Item = Result<(Bytes, DocumentId)>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_with(|key, id| (Bytes::copy_from_slice(key), id))
    }
}

/// The documents of the entries of an index, one after the other.
struct IdsOf(EntriesOf);

impl Iterator for IdsOf {
    type Item = Result<DocumentId>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.next_with(|_, id| id)
    }
}

/// How many leaves are held at once by a walk through all documents.
const LEAVES: usize = 8;

impl Source for DatabaseView {
    fn documents<'a>(&'a self, after: Option<&DocumentId>) -> Documents<'a> {
        Box::new(self.documents(after))
    }

    fn visit(&self, look: &mut dyn FnMut(&[ObjectRef<'_>]) -> Result<()>) -> Result<()> {
        let mut leaves = self.trees.leaves(&self.database.documents_tree);
        loop {
            let mut held = Vec::with_capacity(LEAVES);
            while held.len() < LEAVES
                && let Some(leaf) = leaves.next_leaf()?
            {
                held.push(leaf);
            }
            if held.is_empty() {
                return Ok(());
            }
            held.iter().for_each(Leaf::touch);
            let mut some = Vec::new();
            for value in held.iter().flat_map(Leaf::values) {
                match value {
                    LeafValue::Here(document) => some.push(root_of(document)),
                    LeafValue::Elsewhere(chain) => {
                        look(&some)?;
                        some.clear();
                        look(&[root_of(&leaves.read(chain)?)])?;
                    }
                }
            }
            look(&some)?;
        }
    }

    fn index_entries<'a>(
        &'a self,
        index: &IndexName,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
        direction: Direction,
    ) -> Option<Entries<'a>> {
        let found: Entries<'a> = Box::new(self.index_entries(index, low, high, direction)?);
        Some(found)
    }

    fn index_ids<'a>(
        &'a self,
        index: &IndexName,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
    ) -> Option<Ids<'a>> {
        let entries = self.index_entries(index, low, high, Direction::Ascending)?;
        Some(Box::new(IdsOf(entries)))
    }

    fn count_entries(
        &self,
        index: &IndexName,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
    ) -> Result<u64> {
        match self.index_entries(index, low, high, Direction::Ascending) {
            Some(EntriesOf(range)) => Ok(range.count_up_to(u64::MAX)?),
            None => Ok(0),
        }
    }

    fn estimate_entries(&self, index: &IndexName, low: &[u8], high: &[u8]) -> Result<u64> {
        match self.index_tree(index) {
            Some((_, tree)) => Ok(tree?.estimate(low, high)?),
            None => Ok(0),
        }
    }

    fn document(&self, id: &DocumentId) -> Result<Option<EncodedDocument>> {
        let tree = self.tree(&self.at_hand.documents, &self.database.documents_tree)?;
        let found = tree.get_shared(id.as_str().as_bytes())?;
        Ok(found.map(EncodedDocument::from_verified))
    }

    fn indexes(&self) -> Vec<SourceIndex> {
        let index = |index: &Index| SourceIndex {
            name: index.definition.name.clone(),
            fields: Arc::clone(&index.fields),
            complete: index.coverage == Coverage::Ready,
            cut: index.cuts > 0,
        };
        self.database.indexes.iter().map(index).collect()
    }

    fn count(&self) -> u64 {
        self.stats().documents
    }
}

#[cfg(test)]
mod tests {
    //! Proves that documents are the same whichever way they are asked for, and which of them share
    //! their page.

    use super::super::testing::TestShard;
    use super::super::{Command, Response};
    use crate::codec::EncodedDocument;
    use crate::query::Source;
    use crate::raft::Position;
    use crate::transport::message::WriteOp;
    use crate::types::{DatabaseId, Limits, LogIndex, Term, Timestamp};

    #[test]
    fn what_is_got_shares_no_page_and_what_is_looked_at_does() {
        let mut shard = TestShard::default();
        let database = DatabaseId(1);
        let body = |bytes: usize| {
            let json = format!("{{\"text\": \"{}\"}}", "x".repeat(bytes));
            let body = EncodedDocument::from_json(json.as_bytes(), &Limits::DEFAULT);
            body.unwrap().bytes().clone()
        };
        let insert = |(id, bytes): (usize, usize)| WriteOp::Insert {
            id: format!("{id:03}").into(),
            body: body(bytes),
        };
        // So many that there are branches, and some too long for a leaf.
        let sizes: Vec<usize> = (0..300).map(|n| if n % 50 == 7 { 30_000 } else { 700 }).collect();
        let operations = sizes.iter().copied().enumerate().map(insert).collect();
        let open = Command::Open { database, indexes: Vec::new() };
        for (index, command) in (1..).zip([open, Command::Write { database, operations }]) {
            let position = Position { term: Term(1), index: LogIndex(index), time: Timestamp(1) };
            let response = shard.apply(position, command).unwrap();
            assert!(!matches!(response, Response::Refused(_)));
        }
        let view = shard.database(database).unwrap();
        let scanned: Vec<_> = view.documents(None).map(Result::unwrap).collect();
        assert_eq!(scanned.len(), sizes.len());
        for (n, scanned) in scanned.iter().enumerate() {
            let id = format!("{n:03}").into();
            let got = view.get(&id).unwrap().expect("it was inserted");
            let looked_at = view.document(&id).unwrap().expect("it was inserted");
            assert_eq!((&got, &looked_at), (scanned, scanned));
            assert!(got.bytes().is_unique());
            assert_eq!(looked_at.bytes().is_unique(), sizes[n] > 2_000);
        }
        assert_eq!(view.document(&"300".into()).unwrap(), None);
    }
}

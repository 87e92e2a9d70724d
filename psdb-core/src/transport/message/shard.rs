//! What clients and masters ask of a shard.
//!
//! Documents travel in their binary form ([`crate::codec::EncodedDocument`]'s bytes), query texts
//! as Python lambdas. Results of a query come as pages: the first with the answer to
//! [`ShardRequest::Query`], the rest by [`ShardRequest::NextPage`] while the worker keeps the
//! cursor, which holds an O(1) snapshot of the shard, so that all pages show one state.
//!
//! Whoever asks draws a handle, so that [`ShardRequest::CloseCursor`] can stop a query whose first
//! answer is still on its way.
//!
//! Left out: how a shard answers (`worker`, `shard`).

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::IndexDefinition;
use crate::query::{Aggregate, Groups, PlanTree};
use crate::types::{
    Address, DatabaseId, DocumentId, Error, IndexName, LogIndex, NodeId, RequestId, Term, Value,
};

/// A request to the shard named by the message's group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ShardRequest {
    /// Opens a database on this shard, with its indexes. Done twice, it changes nothing.
    OpenDatabase {
        /// Its id.
        database: DatabaseId,
        /// Its secondary indexes.
        indexes: Vec<IndexDefinition>,
    },
    /// Removes all documents of a database; `token` makes a repeated clear a no-op.
    ClearDatabase {
        /// Its id.
        database: DatabaseId,
        /// Names this clearing: one token clears once.
        token: u64,
    },
    /// Removes a database with all its documents for ever. Done twice, it changes nothing.
    CloseDatabase {
        /// Its id.
        database: DatabaseId,
    },
    /// Writes documents of one database, in order; each operation succeeds or fails by itself.
    Write {
        /// Makes a retry apply once.
        request: RequestId,
        /// The database.
        database: DatabaseId,
        /// What to do.
        operations: Vec<WriteOp>,
    },
    /// Reads documents by id; linearizable.
    Get {
        /// The database.
        database: DatabaseId,
        /// Whose documents to return, in this order.
        ids: Vec<DocumentId>,
    },
    /// Starts a query; linearizable as of its start.
    Query {
        /// The database.
        database: DatabaseId,
        /// By this number it can be stopped; drawn at random.
        handle: u64,
        /// What to find.
        query: Query,
    },
    /// Groups documents; linearizable as of its start.
    Group {
        /// The database.
        database: DatabaseId,
        /// By this number it can be stopped; drawn at random.
        handle: u64,
        /// What to group, and how.
        grouping: GroupQuery,
    },
    /// Says which documents a lambda matches, in which versions; linearizable.
    Select {
        /// The database.
        database: DatabaseId,
        /// By this number it can be stopped; drawn at random.
        handle: u64,
        /// The lambda.
        filter: String,
        /// Where to look.
        among: Among,
        /// Whether to refuse to look at every document.
        deny_full_scan: bool,
    },
    /// Continues a query, or groups.
    NextPage {
        /// The handle it was begun with.
        handle: u64,
        /// The cursor of the page before.
        cursor: u64,
    },
    /// Stops a query wherever it is, and forgets its cursors.
    CloseCursor {
        /// The handle it was begun with.
        handle: u64,
    },
    /// Counts the documents a lambda matches, or all; linearizable.
    Count {
        /// The database.
        database: DatabaseId,
        /// By this number it can be stopped; drawn at random.
        handle: u64,
        /// The lambda, or `None` for all documents.
        filter: Option<String>,
        /// Whether to refuse to look at every document.
        deny_full_scan: bool,
    },
    /// Says how a query would be run here, or what came of running it.
    Explain {
        /// The database.
        database: DatabaseId,
        /// By this number it can be stopped; drawn at random.
        handle: u64,
        /// What to find.
        query: Query,
        /// Whether to run it.
        analyze: bool,
    },
    /// Says how many documents and bytes one database has on this shard; linearizable.
    Stats {
        /// The database.
        database: DatabaseId,
    },
    /// Makes these the indexes of a database, unless it has later ones, and says how they stand.
    /// What is new is built by the shard itself. Asked for again and again until all are ready.
    EnsureIndexes {
        /// The database.
        database: DatabaseId,
        /// Grows with every change of the definitions, from 0 for those it was opened with.
        version: u64,
        /// All its indexes.
        definitions: Vec<IndexDefinition>,
    },
    /// Says how the indexes of a database stand; linearizable.
    Indexes {
        /// The database.
        database: DatabaseId,
    },
    /// Says how far the group has got; answered by the leader, behind its read barrier.
    ReadIndex,
    /// A read that any replica may answer that knows to be at most so old.
    Stale {
        /// How old the answer may be.
        max_age: Duration,
        /// What to read: [`ShardRequest::Get`], [`ShardRequest::Count`], [`ShardRequest::Stats`],
        /// [`ShardRequest::Query`] or [`ShardRequest::Group`].
        request: Box<ShardRequest>,
    },
    /// Brings the shard's group one step nearer to having exactly these members. Asked for again
    /// and again until it is so.
    Reconfigure {
        /// The members by their numbers in Raft, with the address where each is reached.
        members: BTreeMap<NodeId, Address>,
    },
    /// Hands the lead of the shard's group to another member.
    HandOver {
        /// Its number in Raft.
        to: NodeId,
    },
    /// Stands for election at once; asked of a member that is to take the lead over.
    TakeOver,
}

/// One operation on one document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum WriteOp {
    /// Stores a new document under `id`; its body bears no metadata.
    Insert {
        /// The new document's id.
        id: DocumentId,
        /// The encoded fields.
        body: Bytes,
    },
    /// Sets the top-level fields of `patch` in the document, leaving the others.
    Update {
        /// The document.
        id: DocumentId,
        /// The encoded fields to set.
        patch: Bytes,
        /// The version it must have, if that matters.
        if_version: Option<u64>,
    },
    /// Replaces all fields of the document.
    Replace {
        /// The document.
        id: DocumentId,
        /// The encoded new fields.
        body: Bytes,
        /// The version it must have, if that matters.
        if_version: Option<u64>,
    },
    /// Deletes the document.
    Delete {
        /// The document.
        id: DocumentId,
        /// The version it must have, if that matters.
        if_version: Option<u64>,
    },
}

/// What became of one operation: the document's version after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The document's version now; for a deletion, the version that was deleted.
    pub version: u64,
}

/// Where a write stands in its shard's history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WriteReceipt {
    /// The term it was applied in.
    pub term: Term,
    /// Its position in the shard's log.
    pub index: LogIndex,
    /// The result of each operation, in order.
    pub results: Vec<Result<Written, Error>>,
}

/// A key to sort by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The lambda that computes the key.
    pub key: String,
    /// Whether the largest key comes first.
    pub descending: bool,
}

/// What to find in each shard.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// The lambda that selects documents; `None` selects all.
    pub filter: Option<String>,
    /// The order of results; by `_id` without.
    pub order: Option<Order>,
    /// How many results this shard needs to return at most: the caller's skip + limit.
    pub limit: Option<u64>,
    /// The lambda that makes a result of each document; the documents themselves without.
    pub select: Option<String>,
    /// Whether a lambda that raises ends the query.
    pub strict: bool,
    /// Whether to refuse to look at every document.
    pub deny_full_scan: bool,
    /// Gives only what comes after this place in the order.
    pub after: Option<After>,
}

/// A result's place in the order of a query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct After {
    /// Its sort key, if the query has an order.
    pub key: Option<Value>,
    /// Its document.
    pub id: DocumentId,
}

/// What to group in each shard, and what to compute of each group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupQuery {
    /// The lambda that selects documents; `None` selects all.
    pub filter: Option<String>,
    /// The lambda that gives a document's group.
    pub key: String,
    /// What to compute.
    pub aggregate: Aggregate,
    /// Whether a lambda that raises ends the query.
    pub strict: bool,
    /// Whether to refuse to look at every document.
    pub deny_full_scan: bool,
}

/// Among which documents to select.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Among {
    /// Those after this id, or all; the answer may be a part.
    After(Option<DocumentId>),
    /// These.
    Ids(Vec<DocumentId>),
}

/// Documents on which a lambda raised, and so did not match.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SkippedDocuments {
    /// How many there were.
    pub count: u64,
    /// The first of them in `_id` order: the document and what was raised (`KeyError: 'age'`).
    pub first: Option<(DocumentId, String)>,
}

/// One result of a query.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Row {
    /// An encoded document.
    Document(Bytes),
    /// What the query selects of the document of this id.
    Selected(DocumentId, Value),
}

/// A part of a query's results.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Page {
    /// Results in the query's order, each with its sort key if the query has an order.
    pub rows: Vec<(Option<Value>, Row)>,
    /// Ask for the next page with this; `None` when this was the last.
    pub cursor: Option<u64>,
    /// Documents skipped so far, this page included.
    pub skipped: SkippedDocuments,
}

/// A part of a shard's groups.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupPage {
    /// The next groups in the order of their keys.
    pub groups: Groups,
    /// Ask for the next ones with this; `None` when these were the last.
    pub cursor: Option<u64>,
    /// Documents skipped in all.
    pub skipped: SkippedDocuments,
}

/// Documents that match a lambda, by id and version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Selection {
    /// The matches.
    pub versions: Vec<(DocumentId, u64)>,
    /// Ask again for those after this id; `None` when there are no more.
    pub next: Option<DocumentId>,
    /// Documents skipped on the way.
    pub skipped: SkippedDocuments,
}

/// The size of one database on one shard.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardStats {
    /// How many documents there are.
    pub documents: u64,
    /// How many bytes their encoded forms have.
    pub bytes: u64,
}

/// How far an index has been built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum IndexState {
    /// It lacks documents; queries do not use it.
    Building,
    /// It has all documents.
    Ready,
}

/// An index of one database on one shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexStatus {
    /// Its name.
    pub name: IndexName,
    /// Its fields.
    pub fields: Vec<String>,
    /// How far it is.
    pub state: IndexState,
    /// How many entries it has: one for each document, and one more for each element of an array.
    pub entries: u64,
    /// Of how many documents it has entries.
    pub documents_done: u64,
    /// How many documents there are.
    pub documents: u64,
}

/// The answer to a [`ShardRequest`], inside a [`super::Reply`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ShardResponse {
    /// The database is open, cleared (of so many documents) or closed.
    DatabaseChanged {
        /// How many documents were removed.
        removed: u64,
    },
    /// What became of a [`ShardRequest::Write`].
    Written(WriteReceipt),
    /// The documents asked for, `None` where there is none.
    Documents(Vec<Option<Bytes>>),
    /// A part of a query's results.
    Page(Page),
    /// A part of a shard's groups.
    Groups(GroupPage),
    /// Documents that match, by id and version.
    Selected(Selection),
    /// The cursor is closed.
    CursorClosed,
    /// How many documents matched.
    Count {
        /// The number.
        count: u64,
        /// The documents on which the lambda raised.
        skipped: SkippedDocuments,
    },
    /// How a query would be run.
    Explained(PlanTree),
    /// The size of a database.
    Stats(ShardStats),
    /// How the indexes of a database stand, in the order of their definitions.
    Indexes(Vec<IndexStatus>),
    /// How far the group has got.
    ReadIndex(LogIndex),
    /// The answer to a [`ShardRequest::Stale`].
    Stale {
        /// It was true at some moment no longer ago than this.
        age: Duration,
        /// The answer.
        response: Box<ShardResponse>,
    },
    /// How far the group has got towards the members asked for.
    Reconfigured {
        /// Whether it has exactly those, and nothing else is pending.
        done: bool,
        /// How many log entries the slowest of the new members lacks.
        behind: u64,
    },
    /// The lead was handed over, or the election begun.
    HandedOver,
}

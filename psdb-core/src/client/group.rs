//! Groups of documents, and the different values of a lambda.
//!
//! Every shard groups its own documents and hands its groups out page by page, smallest keys first.
//! The cursor holds one page of each shard, joins the smallest key of all and hands that out, so it
//! never holds all groups, however many there are.
//!
//! Invariant: a group is handed out once, complete; an error of any shard ends the groups.
//!
//! Left out: groups of which one shard has more than 64 MiB ([`crate::Error::QueryLimit`]).

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::cursor::merge_skipped;
use super::database::Database;
use super::handle::Handle;
use super::router::{Router, mismatched};
use super::scatter::Answered;
use crate::query::{Aggregate, Grouping, Groups, Program};
use crate::transport::message::{
    GroupPage, GroupQuery, ShardRequest, ShardResponse, SkippedDocuments,
};
use crate::types::{Address, Result, ShardId, Value};

/// A request for groups being described; await it for its [`GroupCursor`].
#[must_use = "groups are made when this is awaited"]
pub struct GroupBy {
    database: Database,
    grouping: GroupQuery,
    /// How old the groups may be, if any replica will do.
    max_age: Option<Duration>,
}

/// One group.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What the lambda gave for its documents: of values that are equal in Python, such as 1 and
    /// 1.0, that of the first document by `_id`.
    pub key: Value,
    /// What was computed of them.
    pub value: Value,
}

/// Groups in the order of sorting of their keys: null, numbers, strings, arrays, objects. Dropping
/// it stops the query.
pub struct GroupCursor {
    router: Arc<Router>,
    timeout: Duration,
    /// `None` when the query is over.
    handle: Option<Handle>,
    aggregate: Aggregate,
    age: Duration,
    parts: Vec<Part>,
}

/// What is left of one shard's groups.
struct Part {
    shard: ShardId,
    /// The replica that has the rest, unless that is the leader.
    at: Option<Address>,
    groups: Groups,
    cursor: Option<u64>,
    skipped: SkippedDocuments,
}

impl GroupBy {
    pub(super) fn new(database: Database, key: String, aggregate: Aggregate) -> GroupBy {
        let grouping =
            GroupQuery { filter: None, key, aggregate, strict: false, deny_full_scan: false };
        GroupBy { database, grouping, max_age: None }
    }

    /// The same groups of whichever replica knows to be at most so old.
    pub(super) fn at_most(self, max_age: Duration) -> GroupBy {
        GroupBy { max_age: Some(max_age), ..self }
    }

    /// Groups only the documents that this lambda matches.
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        self.grouping.filter = Some(filter.into());
        self
    }

    /// Makes a lambda that raises on a document an error ([`crate::Error::LambdaRaised`]), where it
    /// would leave the document out of every group.
    pub fn strict(mut self) -> Self {
        self.grouping.strict = true;
        self
    }

    async fn run(self) -> Result<GroupCursor> {
        let GroupBy { database, grouping, max_age } = self;
        // Compiled here for the error only; the shards compile the texts themselves.
        grouping.filter.as_deref().map(Program::compile).transpose()?;
        Grouping::compile(&grouping.key, grouping.aggregate.clone())?;
        let (router, timeout) = (database.router().clone(), database.timeout());
        let handle = Handle::new(router.clone(), timeout);
        let asked = database.ask_all(max_age, Some(&handle), |info| ShardRequest::Group {
            database: info.id,
            handle: handle.number(),
            grouping: GroupQuery { deny_full_scan: info.deny_full_scan, ..grouping.clone() },
        });
        let (mut parts, mut age) = (Vec::new(), Duration::ZERO);
        for Answered { shard, response, age: old, at } in asked.await? {
            age = age.max(old);
            parts.push(Part::of(shard, at, response, &handle)?);
        }
        let (handle, aggregate) = (Some(handle), grouping.aggregate);
        Ok(GroupCursor { router, timeout, handle, aggregate, age, parts })
    }
}

impl IntoFuture for GroupBy {
    type Output = Result<GroupCursor>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl GroupCursor {
    /// The next group, `None` after the last.
    ///
    /// # Errors
    ///
    /// [`crate::Error::QueryLimit`] when a group takes too much memory,
    /// [`crate::Error::CursorExpired`] when it was left unread for too long or a shard changed its
    /// leader, [`crate::Error::Unavailable`] naming a shard that did not answer.
    pub async fn next(&mut self) -> Option<Result<Group>> {
        let next = self.advance().await;
        if !matches!(next, Ok(Some(_))) {
            self.handle = None;
        }
        next.transpose()
    }

    /// All groups that are left.
    ///
    /// # Errors
    ///
    /// As [`GroupCursor::next`].
    pub async fn try_collect<C: FromIterator<Group>>(mut self) -> Result<C> {
        let mut groups = Vec::new();
        while let Some(group) = self.next().await {
            groups.push(group?);
        }
        Ok(groups.into_iter().collect())
    }

    /// How old the groups may have been when the query began: zero, but for
    /// [`Database::stale_ok`].
    pub fn age(&self) -> Duration {
        self.age
    }

    /// Documents on which a lambda raised; they are in no group.
    pub fn skipped(&self) -> SkippedDocuments {
        merge_skipped(self.parts.iter().map(|part| part.skipped.clone()))
    }

    async fn advance(&mut self) -> Result<Option<Group>> {
        let Some(handle) = &self.handle else { return Ok(None) };
        for part in &mut self.parts {
            while part.groups.is_empty()
                && let Some(cursor) = part.cursor
            {
                let request = ShardRequest::NextPage { handle: handle.number(), cursor };
                let deadline = self.router.deadline(self.timeout);
                let (shard, at) = (part.shard, part.at.take());
                let more = self.router.ask_for_more(shard, at.as_ref(), &request, deadline);
                *part = Part::of(shard, at.clone(), more.await?, handle)?;
            }
        }
        let parts = self.parts.iter_mut().map(|part| &mut part.groups);
        let smallest = Groups::pop_smallest(parts, &self.aggregate)?;
        Ok(smallest.map(|(key, value)| Group { key, value }))
    }
}

impl Part {
    fn of(
        shard: ShardId,
        at: Option<Address>,
        response: ShardResponse,
        handle: &Handle,
    ) -> Result<Part> {
        let ShardResponse::Groups(GroupPage { groups, cursor, skipped }) = response else {
            return Err(mismatched(&format!("shard {shard}")));
        };
        if cursor.is_none() {
            handle.ended(shard);
        }
        Ok(Part { shard, at, groups, cursor, skipped })
    }
}

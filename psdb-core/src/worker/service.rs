//! What a worker answers to clients and masters about the shards it holds.
//!
//! Writes are checked before they are proposed, so that a refusal is certain; what state they meet
//! is decided by `apply`. Reads wait for the read barrier, then look at a snapshot of the state.
//! Queries run off the async threads.
//!
//! Left out: what a write does (`shard`), how a query is answered (`query`).

use std::time::Duration;

use bytes::Bytes;

use super::Core;
use crate::codec::{EncodedDocument, frame};
use crate::query::{Counted, Execution, Program, Results, Skipped};
use crate::raft::{Applied, Group, ProposeError, Reconfigured};
use crate::shard::{Command, DatabaseView, Response, Shard};
use crate::transport::message::{
    MasterResponse, Page, Query, Reply, ShardRequest, ShardResponse, SkippedDocuments, WriteOp,
    WriteReceipt,
};
use crate::transport::{Message, Service};
use crate::types::{
    DatabaseId, Error, Limits, NodeId, Outcome, Result, ShardId, validate_document_id,
};

/// How long asking a replica to stand for election may take.
const TAKE_OVER_TIMEOUT: Duration = Duration::from_millis(500);
/// How many documents one page holds at most.
const PAGE_DOCUMENTS: usize = 1_000;
/// How many bytes of documents one page holds, unless a single document is larger.
const PAGE_BYTES: usize = 1 << 20;
/// How many operations one write request holds at most.
const WRITE_OPERATIONS: usize = 10_000;

type Answer<T> = std::result::Result<T, ProposeError>;

impl Core {
    /// The answer to a message that was meant for a master: a hint where one may be.
    pub(super) fn not_a_master(&self) -> Bytes {
        let masters = self.masters.read();
        let any = (!masters.is_empty()).then(|| {
            let chosen = self.env.random_below(masters.len() as u64) as usize;
            masters[chosen].clone()
        });
        frame::encode(&Reply::<MasterResponse>::NotLeader(any))
    }

    /// Answers one request to a shard.
    pub(super) async fn shard_message(&self, message: &Message) -> Bytes {
        let Some((shard, replica)) =
            message.group.shard().and_then(|shard| Some((shard, self.replicas.get(shard)?)))
        else {
            return frame::encode(&Reply::<ShardResponse>::NotHere);
        };
        let reply = match frame::decode(&message.body) {
            Ok(request) => self.answer(shard, &replica, request, message.timeout).await,
            Err(error) => Err(Error::InvalidRequest { reason: error.to_string() }.into()),
        };
        frame::encode(&match reply {
            Ok(response) => Reply::Done(response),
            Err(ProposeError::NotLeader(leader)) => Reply::NotLeader(leader),
            Err(ProposeError::Failed(error)) => Reply::Failed(error),
        })
    }

    async fn answer(
        &self,
        shard: ShardId,
        replica: &Group<Shard>,
        request: ShardRequest,
        timeout: Duration,
    ) -> Answer<ShardResponse> {
        match request {
            ShardRequest::OpenDatabase { database, indexes } => {
                let command = Command::Open { database, indexes };
                database_changed(replica, &command, timeout).await
            }
            ShardRequest::ClearDatabase { database, token } => {
                let command = Command::Clear { database, token };
                database_changed(replica, &command, timeout).await
            }
            ShardRequest::CloseDatabase { database } => {
                database_changed(replica, &Command::Close { database }, timeout).await
            }
            ShardRequest::Write { request, database, operations } => {
                check_operations(&operations)?;
                let command = Command::Write { database, operations };
                written(replica.propose(Some(request), &command, timeout).await?)
            }
            request @ (ShardRequest::Get { .. }
            | ShardRequest::Count { .. }
            | ShardRequest::Stats { .. }) => {
                replica.read_barrier(timeout).await?;
                self.read(replica, request).await
            }
            ShardRequest::ReadIndex => {
                replica.read_barrier(timeout).await?;
                Ok(ShardResponse::ReadIndex(replica.applied()))
            }
            ShardRequest::Stale { max_age, request } => {
                let age = self.fresh_within(shard, replica, max_age, timeout).await?;
                let response = Box::new(self.read(replica, *request).await?);
                Ok(ShardResponse::Stale { age, response })
            }
            ShardRequest::Query { database, query } => {
                let view = view(replica, database, timeout).await?;
                self.page(shard, None, start(view, &query)?).await
            }
            ShardRequest::NextPage { cursor } => {
                let execution = self.cursors.take(cursor, shard)?;
                self.page(shard, Some(cursor), execution).await
            }
            ShardRequest::CloseCursor { cursor } => {
                self.cursors.close(cursor);
                Ok(ShardResponse::CursorClosed)
            }
            ShardRequest::Reconfigure { members } => {
                let Reconfigured { done, behind } = replica.reconfigure(&members, timeout).await?;
                Ok(ShardResponse::Reconfigured { done, behind })
            }
            ShardRequest::HandOver { to } => self.hand_over(replica, to).await,
            ShardRequest::TakeOver => {
                replica.elect().await?;
                Ok(ShardResponse::HandedOver)
            }
        }
    }

    /// Reads from the state as it is here now.
    async fn read(&self, replica: &Group<Shard>, request: ShardRequest) -> Answer<ShardResponse> {
        let state = replica.state();
        match request {
            ShardRequest::Get { database, ids } => {
                let view = state.database(database)?;
                let documents = ids.iter().map(|id| view.get(id).map(|d| d.bytes().clone()));
                Ok(ShardResponse::Documents(documents.collect()))
            }
            ShardRequest::Count { database, filter } => {
                let view = state.database(database)?;
                let filter = filter.as_deref().map(Program::compile).transpose()?;
                let counted: Result<Counted> =
                    self.env.blocking(move || crate::query::count(&view, filter.as_ref())).await;
                let Counted { count, skipped } = counted?;
                Ok(ShardResponse::Count { count, skipped: skipped_documents(skipped) })
            }
            ShardRequest::Stats { database } => {
                Ok(ShardResponse::Stats(state.database(database)?.stats()))
            }
            _ => Err(Error::InvalidRequest { reason: "this is no simple read".into() }.into()),
        }
    }

    /// Lets another member of a shard's group lead it.
    async fn hand_over(&self, replica: &Group<Shard>, to: NodeId) -> Answer<ShardResponse> {
        let members = replica.status().voters;
        let address = members.get(&to).cloned().ok_or_else(|| Error::NotReady {
            what: "handing a shard over".into(),
            reason: format!("replica {to} is not a voter of its group"),
        })?;
        let message = Message {
            service: Service::Shard,
            group: replica.id(),
            timeout: TAKE_OVER_TIMEOUT,
            body: frame::encode(&ShardRequest::TakeOver),
        };
        let take_over = || async {
            if let Err(error) = self.transport.call(&address, message).await {
                tracing::debug!(%address, %error, "could not ask a replica to take over");
            }
        };
        replica.hand_over(to, take_over).await?;
        Ok(ShardResponse::HandedOver)
    }

    /// Runs a query until its next page is full, and keeps it if there is more.
    async fn page(
        &self,
        shard: ShardId,
        cursor: Option<u64>,
        mut execution: Execution<DatabaseView>,
    ) -> Answer<ShardResponse> {
        let run = move || {
            let results = execution.next_page(PAGE_DOCUMENTS, PAGE_BYTES);
            results.map(|results| (results, execution))
        };
        let (results, execution): (Results, _) = self.env.blocking(run).await?;
        let cursor = if results.finished {
            None
        } else {
            Some(self.cursors.keep(cursor, shard, execution)?)
        };
        let documents = results.documents.into_iter();
        Ok(ShardResponse::Page(Page {
            documents: documents.map(|(key, document)| (key, document.bytes().clone())).collect(),
            cursor,
            skipped: skipped_documents(results.skipped),
        }))
    }
}

fn start(view: DatabaseView, query: &Query) -> Result<Execution<DatabaseView>> {
    let filter = query.filter.as_deref().map(Program::compile).transpose()?;
    let order = match &query.order {
        Some(order) => Some((Program::compile(&order.key)?, order.descending)),
        None => None,
    };
    Ok(Execution::new(view, filter, order, query.limit))
}

fn skipped_documents(skipped: Skipped) -> SkippedDocuments {
    SkippedDocuments { count: skipped.count, first: skipped.first }
}

/// The database as of now, behind the read barrier.
async fn view(
    replica: &Group<Shard>,
    database: DatabaseId,
    timeout: Duration,
) -> Answer<DatabaseView> {
    replica.read_barrier(timeout).await?;
    Ok(replica.state().database(database)?)
}

async fn database_changed(
    replica: &Group<Shard>,
    command: &Command,
    timeout: Duration,
) -> Answer<ShardResponse> {
    match replica.propose(None, command, timeout).await?.response {
        Response::Changed { removed } => Ok(ShardResponse::DatabaseChanged { removed }),
        Response::Refused(error) => Err(error.into()),
        Response::Written(_) => Err(mismatched().into()),
    }
}

fn written(applied: Applied<Response>) -> Answer<ShardResponse> {
    match applied.response {
        Response::Written(results) => Ok(ShardResponse::Written(WriteReceipt {
            term: applied.term,
            index: applied.index,
            results,
        })),
        Response::Refused(error) => Err(error.into()),
        Response::Changed { .. } => Err(mismatched().into()),
    }
}

fn mismatched() -> Error {
    Error::Internal {
        reason: "a shard answered another question".into(),
        outcome: Outcome::Unknown,
    }
}

/// Refuses, before anything is proposed, what no shard would take.
fn check_operations(operations: &[WriteOp]) -> Result<()> {
    if operations.len() > WRITE_OPERATIONS {
        return Err(Error::InvalidRequest {
            reason: format!(
                "{} operations in one write; the limit is {WRITE_OPERATIONS}",
                operations.len()
            ),
        });
    }
    for operation in operations {
        let (id, body) = match operation {
            WriteOp::Insert { id, body } | WriteOp::Replace { id, body, .. } => (id, Some(body)),
            WriteOp::Update { id, patch, .. } => (id, Some(patch)),
            WriteOp::Delete { id, .. } => (id, None),
        };
        validate_document_id(id.as_str())?;
        let Some(body) = body else { continue };
        if body.len() > Limits::DEFAULT.document_bytes {
            return Err(Error::InvalidDocument {
                reason: format!(
                    "it has {} bytes, the limit is {}",
                    body.len(),
                    Limits::DEFAULT.document_bytes
                ),
            });
        }
        EncodedDocument::from_bytes(body.clone())?;
    }
    Ok(())
}

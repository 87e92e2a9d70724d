//! What a worker answers to clients and masters about the shards it holds.
//!
//! Writes are checked before they are proposed, so that a refusal is certain; what state they meet
//! is decided by `apply`. Reads wait for the read barrier, then look at a snapshot of the state.
//!
//! Left out: what a write does (`shard`), queries (`queries`).

use std::time::Duration;

use bytes::Bytes;

use super::Core;
use crate::codec::{EncodedDocument, frame};
use crate::raft::{Applied, Group, ProposeError, Reconfigured};
use crate::shard::{Command, DatabaseView, Response, Shard};
use crate::transport::message::{
    IndexDefinition, MasterResponse, Reply, ShardRequest, ShardResponse, WriteOp, WriteReceipt,
};
use crate::transport::{Message, Service};
use crate::types::{
    DatabaseId, Error, Limits, NodeId, Outcome, Result, ShardId, validate_document_id,
};

/// How long asking a replica to stand for election may take.
const TAKE_OVER_TIMEOUT: Duration = Duration::from_millis(500);
/// How many operations one write request holds at most.
const WRITE_OPERATIONS: usize = 10_000;

pub(super) type Answer<T> = std::result::Result<T, ProposeError>;

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
            ShardRequest::EnsureIndexes { database, version, definitions } => {
                let answer = ensure_indexes(replica, database, version, definitions, timeout).await;
                self.to_build.notify_one();
                answer
            }
            ShardRequest::Write { request, database, operations } => {
                check_operations(&operations)?;
                let command = Command::Write { database, operations };
                written(replica.propose(Some(request), &command, timeout).await?)
            }
            request @ (ShardRequest::Get { .. }
            | ShardRequest::Count { .. }
            | ShardRequest::Indexes { .. }
            | ShardRequest::Stats { .. }) => {
                replica.read_barrier(timeout).await?;
                self.read(shard, replica, request, timeout).await
            }
            ShardRequest::ReadIndex => {
                replica.read_barrier(timeout).await?;
                Ok(ShardResponse::ReadIndex(replica.applied()))
            }
            ShardRequest::Stale { max_age, request } => {
                self.stale(shard, replica, max_age, *request, timeout).await
            }
            ShardRequest::Query { .. }
            | ShardRequest::Group { .. }
            | ShardRequest::Select { .. }
            | ShardRequest::Explain { .. }
            | ShardRequest::NextPage { .. } => self.query(shard, replica, request, timeout).await,
            ShardRequest::CloseCursor { handle } => {
                self.cursors.close(handle);
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

    /// Reads from a state that may be a little old.
    async fn stale(
        &self,
        shard: ShardId,
        replica: &Group<Shard>,
        max_age: Duration,
        request: ShardRequest,
        timeout: Duration,
    ) -> Answer<ShardResponse> {
        let (response, age) = match request {
            request @ (ShardRequest::Query { .. } | ShardRequest::Group { .. }) => {
                self.stale_query(shard, replica, request, max_age, timeout).await?
            }
            request => {
                let age = self.fresh_within(shard, replica, max_age, timeout).await?;
                (self.read(shard, replica, request, timeout).await?, age)
            }
        };
        Ok(ShardResponse::Stale { age, response: Box::new(response) })
    }

    /// Reads from the state as it is here now.
    async fn read(
        &self,
        shard: ShardId,
        replica: &Group<Shard>,
        request: ShardRequest,
        timeout: Duration,
    ) -> Answer<ShardResponse> {
        let state = replica.state();
        match request {
            ShardRequest::Get { database, ids } => {
                let view = state.database(database)?;
                let read = move || {
                    let found = ids.iter().map(|id| view.get(id));
                    let bytes = found.map(|found| Ok(found?.map(|found| found.bytes().clone())));
                    bytes.collect::<Result<Vec<_>>>()
                };
                // Where nothing has to be read, another thread would take longer than the work.
                let may_wait = replica.reads_may_wait();
                let documents = if may_wait { self.env.blocking(read).await } else { read() };
                Ok(ShardResponse::Documents(documents?))
            }
            ShardRequest::Count { database, handle, filter, deny_full_scan } => {
                let running = self.cursors.begin(handle, shard, timeout);
                let view = state.database(database)?;
                self.count(&running, view, filter.as_deref(), deny_full_scan).await
            }
            ShardRequest::Stats { database } => {
                Ok(ShardResponse::Stats(state.database(database)?.stats()))
            }
            ShardRequest::Indexes { database } => {
                Ok(ShardResponse::Indexes(replica.look(|shard| shard.indexes(database)).1?))
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
}

/// The database as of now, behind the read barrier.
pub(super) async fn view(
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

/// Makes these the indexes of a database unless it has them, or later ones, already.
async fn ensure_indexes(
    replica: &Group<Shard>,
    database: DatabaseId,
    version: u64,
    definitions: Vec<IndexDefinition>,
    timeout: Duration,
) -> Answer<ShardResponse> {
    replica.read_barrier(timeout).await?;
    let has_them = |shard: &Shard| shard.has_indexes(database, version, &definitions);
    if !replica.look(has_them).1? {
        let command = Command::SetIndexes { database, version, definitions };
        database_changed(replica, &command, timeout).await?;
    }
    Ok(ShardResponse::Indexes(replica.look(|shard| shard.indexes(database)).1?))
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

pub(super) fn mismatched() -> Error {
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

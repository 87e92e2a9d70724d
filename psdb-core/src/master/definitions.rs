//! What databases are: creating them, their indexes, how they may be read.
//!
//! A change is checked, proposed, and told to the shards it concerns before it is answered. If that
//! is cut off, the leader's tick goes on with it (`reconciler`).
//!
//! Left out: clearing and deleting (`service`), building indexes, which shards do by themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use super::service::{Answer, Loads, mismatched};
use super::{Core, placement};
use crate::metadata::{Command, Metadata, Response};
use crate::sharding::RingSpec;
use crate::transport::message::{DatabaseInfo, IndexDefinition, MasterRequest};
use crate::types::{Error, Outcome, RequestId, Result, ShardId, validate_database_name};

/// How long whoever changes indexes waits for the shards to hear of it.
const TELLING: Duration = Duration::from_secs(2);

impl Core {
    /// Answers a request that says what a database is to be.
    pub(super) async fn define(
        &self,
        metadata: &Metadata,
        request: MasterRequest,
        timeout: Duration,
    ) -> Answer<DatabaseInfo> {
        let (id, command) = self.defining(metadata, request)?;
        let database = self.defined(id, &command, timeout).await?;
        match command {
            Command::CreateDatabase { .. } => self.reconciler.open(&database, timeout).await,
            Command::CreateIndex { .. } | Command::DropIndex { .. } => {
                Ok(self.tell_indexes(database, timeout).await)
            }
            _ => Ok(database),
        }
    }

    /// The command that a request stands for.
    fn defining(
        &self,
        metadata: &Metadata,
        request: MasterRequest,
    ) -> Result<(RequestId, Command)> {
        Ok(match request {
            MasterRequest::CreateDatabase { request, name, indexes, shards, deny_full_scan } => {
                validate_database_name(&name)?;
                let indexes = indexes.into_iter().map(checked).collect::<Result<_>>()?;
                let shards = self.choose_home(metadata, shards)?;
                let ring = RingSpec::default();
                let command =
                    Command::CreateDatabase { name, indexes, shards, ring, deny_full_scan };
                (request, command)
            }
            MasterRequest::CreateIndex { request, database, index } => {
                (request, Command::CreateIndex { database, index: checked(index)? })
            }
            MasterRequest::DropIndex { request, database, index } => {
                (request, Command::DropIndex { database, index })
            }
            MasterRequest::ConfigureDatabase { request, name, deny_full_scan } => {
                (request, Command::ConfigureDatabase { name, deny_full_scan })
            }
            _ => return Err(Error::InvalidRequest { reason: "this defines nothing".into() }),
        })
    }

    async fn defined(
        &self,
        request: RequestId,
        command: &Command,
        timeout: Duration,
    ) -> Answer<DatabaseInfo> {
        match self.group.propose(Some(request), command, timeout).await?.response {
            Response::Database(database) => Ok(database),
            Response::Refused(error) => Err(error.into()),
            _ => Err(mismatched()),
        }
    }

    /// Tells the shards of a database its indexes as they are now, unless they know.
    ///
    /// What is wanted stands already, so a shard that cannot be told now is no failure: the leader's
    /// tick goes on telling it.
    async fn tell_indexes(&self, database: DatabaseInfo, timeout: Duration) -> DatabaseInfo {
        // Not as they were when the command was applied: a retry is answered with that, and there
        // may have been other changes since.
        let metadata = self.group.state();
        let Some(record) = metadata.database_by_id(database.id) else { return database };
        let Some(version) = record.index_news.pending else { return record.info.clone() };
        let timeout = timeout.min(TELLING);
        match self.reconciler.tell_indexes(&record.info, version, timeout).await {
            Ok(database) => database,
            Err(error) => {
                tracing::debug!(database = %record.info.name, ?error, "a shard is told later");
                record.info.clone()
            }
        }
    }

    /// The least-loaded shards, by what was heard last.
    fn choose_home(&self, metadata: &Metadata, wanted: Option<u32>) -> Result<Vec<ShardId>> {
        let Some(settings) = metadata.settings().filter(|_| !metadata.map().shards.is_empty())
        else {
            let workers = metadata.workers().count();
            let needed = self.options.initial_workers.max(self.options.replicas);
            return Err(Error::Unavailable {
                what: "the cluster".into(),
                reason: format!("it waits for its first workers: {workers} of {needed} are here"),
                outcome: Outcome::NotApplied,
            });
        };
        let count = wanted.unwrap_or((settings.shards / 4).max(1));
        if count == 0 || count > settings.shards {
            return Err(Error::InvalidRequest {
                reason: format!(
                    "shards={count}: a database takes 1 to {} shards, as many as the cluster has",
                    settings.shards
                ),
            });
        }
        let heard = sizes(&self.health.loads(metadata));
        let loads = metadata.shard_summaries().into_iter().map(|(shard, summary)| {
            let (documents, bytes) = heard.get(&shard).copied().unwrap_or_default();
            placement::ShardLoadSummary { shard, documents, bytes, databases: summary.databases }
        });
        Ok(placement::home_shards(count as usize, &loads.collect::<Vec<_>>()))
    }
}

/// A definition that came over the network, checked anew.
fn checked(index: IndexDefinition) -> Result<IndexDefinition> {
    IndexDefinition::new(Some(index.name.as_str()), index.fields)
}

/// Documents and bytes of every shard: its replicas agree but for what some have still to apply.
fn sizes(loads: &Loads) -> BTreeMap<ShardId, (u64, u64)> {
    let mut sizes = BTreeMap::new();
    for (shard, load) in loads.values().flatten() {
        let size: &mut (u64, u64) = sizes.entry(*shard).or_default();
        *size = (size.0.max(load.documents), size.1.max(load.bytes));
    }
    sizes
}

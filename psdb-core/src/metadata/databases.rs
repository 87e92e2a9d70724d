//! The life of a database, as the masters know it.
//!
//! ```text
//!            DatabaseOpened          BeginClear
//! Creating ─────────────────▶ Ready ◀──────────▶ Clearing      any ── BeginDelete ──▶ Deleting
//!                                    ClearDone                 Deleting ── DeleteDone ──▶ gone
//! ```
//!
//! While a database is created or deleted its name is taken, and whoever wants the name is told to
//! try again. A second clearing may begin while the first one runs: only the newest token has to
//! be waited for, since shards that obey it have removed all that the older one would have.
//!
//! Invariants:
//! 1. `pending_clear` is set exactly in the state Clearing, and is the newest token of the database.
//! 2. `last_clear` grows by token, so a late `ClearDone` does not overwrite a newer one.
//!
//! Left out: what shards do with it (`shard`).

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::indexes::IndexNews;
use super::{Metadata, Response, Settings, invalid, not_yet};
use crate::transport::message::{DatabaseInfo, DatabaseState, IndexDefinition};
use crate::types::{DatabaseId, Error, Result, ShardId, Timestamp};

/// A clearing that is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cleared {
    /// Which clearing.
    pub token: u64,
    /// How many documents it removed on all shards.
    pub removed: u64,
}

/// All the masters know of one database.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseRecord {
    /// What routing needs.
    pub info: DatabaseInfo,
    /// When it was created.
    pub created_at: Timestamp,
    /// The clearing its shards have still to obey.
    pub pending_clear: Option<u64>,
    /// The newest clearing that is done, so that a retry learns its result.
    pub last_clear: Option<Cleared>,
    /// How far its shards have been told of its indexes.
    pub index_news: IndexNews,
}

/// Work on a database that has begun and not ended, for whoever leads the masters now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfinished {
    /// Open it on each of its shards, then propose `DatabaseOpened`.
    Open(DatabaseInfo),
    /// Clear it on each of its shards with this token, then propose `ClearDone`.
    Clear(DatabaseInfo, u64),
    /// Close it on each of its shards, then propose `DeleteDone`.
    Delete(DatabaseInfo),
    /// Tell each of its shards its indexes, then propose `IndexesTold` with this version.
    Index(DatabaseInfo, u64),
}

impl Metadata {
    /// The database called `name`, whatever its state, `None` if no shard can have it.
    pub fn database(&self, name: &str) -> Option<&DatabaseRecord> {
        self.names.get(name).and_then(|id| self.database_by_id(*id))
    }

    /// The database with this id, whatever its state, `None` if no shard can have it.
    pub fn database_by_id(&self, id: DatabaseId) -> Option<&DatabaseRecord> {
        self.databases.get(&id).map(Arc::as_ref)
    }

    /// Every database by name, whatever its state.
    pub fn databases(&self) -> impl Iterator<Item = &DatabaseRecord> {
        self.names.iter().filter_map(|(_, id)| self.database_by_id(*id))
    }

    /// What is left to do for databases, those of the oldest first.
    pub fn unfinished(&self) -> Vec<Unfinished> {
        self.databases.iter().flat_map(|(_, record)| record.unfinished()).collect()
    }

    /// Takes `info` in as a new database, but for its id and state, which are given here.
    pub(super) fn create_database(
        &mut self,
        time: Timestamp,
        info: DatabaseInfo,
    ) -> Result<Response> {
        let settings = self.founded()?;
        let name = info.name.clone();
        match self.database(&name).map(|record| record.info.state) {
            None => {}
            Some(DatabaseState::Deleting) => {
                return Err(not_yet(format!("database name '{name}'"), "it is being deleted"));
            }
            Some(DatabaseState::Creating | DatabaseState::Ready | DatabaseState::Clearing) => {
                return Err(Error::DatabaseExists { name });
            }
        }
        check_shards(&info.shards, settings)?;
        IndexDefinition::check_all(&info.indexes)?;
        self.last_database += 1;
        let id = DatabaseId(self.last_database);
        self.names.insert(name.as_str().into(), id);
        let record = DatabaseRecord {
            info: DatabaseInfo { id, state: DatabaseState::Creating, ..info },
            created_at: time,
            pending_clear: None,
            last_clear: None,
            index_news: IndexNews::default(),
        };
        Ok(Response::Database(self.put(record)))
    }

    pub(super) fn database_opened(&mut self, id: DatabaseId) -> Result<Response> {
        let mut record = self.living(id)?;
        if record.info.state == DatabaseState::Creating {
            record.info.state = DatabaseState::Ready;
        }
        Ok(Response::Database(self.put(record)))
    }

    pub(super) fn begin_clear(&mut self, name: &str) -> Result<Response> {
        let mut record = self.named(name)?;
        match record.info.state {
            DatabaseState::Creating => {
                return Err(not_yet(format!("database '{name}'"), "it is still being created"));
            }
            DatabaseState::Deleting => {
                return Err(Error::DatabaseNotFound { name: name.into() });
            }
            DatabaseState::Ready | DatabaseState::Clearing => {}
        }
        self.last_token += 1;
        let token = self.last_token;
        record.pending_clear = Some(token);
        record.info.state = DatabaseState::Clearing;
        Ok(Response::Clearing { database: self.put(record), token })
    }

    pub(super) fn clear_done(&mut self, id: DatabaseId, cleared: Cleared) -> Result<Response> {
        let mut record = self.living(id)?;
        if cleared.token > self.last_token {
            return Err(invalid(format!("clear token {} was never given out", cleared.token)));
        }
        if record.last_clear.is_none_or(|last| last.token < cleared.token) {
            record.last_clear = Some(cleared);
        }
        if record.pending_clear.is_some_and(|pending| pending <= cleared.token) {
            record.pending_clear = None;
            record.info.state = DatabaseState::Ready;
        }
        Ok(Response::Database(self.put(record)))
    }

    pub(super) fn begin_delete(&mut self, name: &str) -> Result<Response> {
        let mut record = self.named(name)?;
        record.info.state = DatabaseState::Deleting;
        record.pending_clear = None;
        Ok(Response::Database(self.put(record)))
    }

    pub(super) fn delete_done(&mut self, id: DatabaseId) -> Result<Response> {
        let Some(record) = self.databases.get(&id) else {
            // Ids only grow, so a known id without a database is one that was deleted before.
            return if id.0 == 0 || id.0 > self.last_database {
                Err(Error::DatabaseGone { database: id })
            } else {
                Ok(Response::Done)
            };
        };
        if record.info.state != DatabaseState::Deleting {
            return Err(invalid(format!("database '{}' is not being deleted", record.info.name)));
        }
        let name = record.info.name.clone();
        self.names.remove(name.as_str());
        self.databases.remove(&id);
        Ok(Response::Done)
    }

    /// A copy of the record called `name`, to be changed and put back.
    pub(super) fn named(&self, name: &str) -> Result<DatabaseRecord> {
        self.database(name).cloned().ok_or_else(|| Error::DatabaseNotFound { name: name.into() })
    }

    /// A copy of the record with this id, unless it is being deleted.
    pub(super) fn living(&self, id: DatabaseId) -> Result<DatabaseRecord> {
        self.database_by_id(id)
            .filter(|record| record.info.state != DatabaseState::Deleting)
            .cloned()
            .ok_or(Error::DatabaseGone { database: id })
    }

    pub(super) fn put(&mut self, record: DatabaseRecord) -> DatabaseInfo {
        let info = record.info.clone();
        self.databases.insert(info.id, Arc::new(record));
        info
    }
}

impl DatabaseRecord {
    fn unfinished(&self) -> impl Iterator<Item = Unfinished> + use<> {
        let life = match (self.info.state, self.pending_clear) {
            (DatabaseState::Creating, _) => Some(Unfinished::Open(self.info.clone())),
            (DatabaseState::Clearing, Some(token)) => {
                Some(Unfinished::Clear(self.info.clone(), token))
            }
            (DatabaseState::Deleting, _) => Some(Unfinished::Delete(self.info.clone())),
            (DatabaseState::Ready, _) | (DatabaseState::Clearing, None) => None,
        };
        // What is opened gets its indexes then, what is deleted needs none.
        let open = matches!(self.info.state, DatabaseState::Ready | DatabaseState::Clearing);
        let told = self.index_news.pending.filter(|_| open);
        let told = told.map(|version| Unfinished::Index(self.info.clone(), version));
        life.into_iter().chain(told)
    }
}

/// Checks that a database's home is some of the cluster's shards, none of them twice.
pub(super) fn check_shards(shards: &[ShardId], settings: Settings) -> Result<()> {
    if let Some(shard) = shards.iter().find(|shard| shard.0 >= settings.shards) {
        return Err(invalid(format!("there is no shard {shard} among {}", settings.shards)));
    }
    let distinct: BTreeSet<ShardId> = shards.iter().copied().collect();
    if distinct.is_empty() || distinct.len() != shards.len() {
        return Err(invalid("a database needs one or more shards, none of them twice"));
    }
    Ok(())
}

//! Where a process keeps its Raft groups: one write-ahead log, and a page file for each group.
//!
//! ```text
//! DIR/wal/00000001.log ...     the log records of all groups, in one order
//! DIR/groups/g3.psdb           the state of group 3 as of its last checkpoints
//! DIR/groups/g3-....part       on its way: a new page file, or a snapshot for another replica
//! DIR/groups/lock              held while page files may be written
//! ```
//!
//! Opening reads the whole log once and hands every group its part when the group starts. A
//! group's log may thus be recovered before anybody knows what it replicates.
//!
//! Invariants:
//! 1. A group is started from its recovered part at most once per opening.
//! 2. After [`LogHome::close`] the log is sealed, so damage found later is known to be damage.
//! 3. A replica that bears another number than its node's has that noted before anything else of it
//!    is, so it comes back under the same number.
//! 4. A group that is claimed anew begins with nothing: neither records nor a page file.
//! 5. One owner at a time: the page files are locked until the last checkpoint has ended.
//!
//! Left out: which groups exist, which the node's role decides.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::log_store::REPLICA_SLOT;
use super::metronome::Metronome;
use super::replica::ReplicaPlace;
use super::snapshot;
use crate::codec::frame;
use crate::env::Env;
use crate::storage::{
    PageCache, Record, RecoveredStream, StorageError, Wal, WalOptions, lock_directory,
};
use crate::types::{Error, GroupId, LogIndex, NodeId, Result};

/// The log and the page files of one process.
#[derive(Clone, Debug)]
pub struct LogHome {
    env: Env,
    wal: Wal,
    groups: PathBuf,
    cache: PageCache,
    lock: HomeLock,
    recovered: Arc<Mutex<BTreeMap<u64, RecoveredStream>>>,
    known: Arc<Mutex<BTreeMap<GroupId, Option<NodeId>>>>,
    metronome: Metronome,
}

impl LogHome {
    /// Opens or creates the log in `dir`, replaying what is there, with a page cache of a quarter
    /// of the memory.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Corrupt`] with file and offset, or [`crate::Error::Storage`].
    pub async fn open(env: &Env, dir: &Path, options: WalOptions) -> Result<LogHome> {
        let cache = PageCache::for_process(env, None);
        LogHome::open_with(env, dir, options, cache).await
    }

    /// As [`LogHome::open`]; the groups' pages share `cache`, which may be that of other homes.
    ///
    /// # Errors
    ///
    /// As for [`LogHome::open`].
    pub async fn open_with(
        env: &Env,
        dir: &Path,
        options: WalOptions,
        cache: PageCache,
    ) -> Result<LogHome> {
        let groups = dir.join("groups");
        let lock = HomeLock(Arc::new(Mutex::new(Some(lock_directory(env, &groups).await?.into()))));
        let (wal, recovered) = Wal::open(env, &dir.join("wal"), options).await?;
        let known = recovered.iter().map(|(stream, found)| {
            let number = found.slots.get(&REPLICA_SLOT).map(|bytes| frame::decode(bytes));
            let number = number.transpose().map_err(|error| Error::Corrupt {
                path: dir.join("wal").display().to_string(),
                offset: 0,
                reason: format!(
                    "the number of a replica of group {stream} does not decode: {error}"
                ),
            })?;
            Ok((GroupId(*stream), number))
        });
        let known = known.collect::<Result<_>>()?;
        Ok(LogHome {
            env: env.clone(),
            wal,
            groups,
            cache,
            lock,
            recovered: Arc::new(Mutex::new(recovered)),
            known: Arc::new(Mutex::new(known)),
            metronome: Metronome::default(),
        })
    }

    /// The groups that have a replica here, each with the number that was noted for it, if that is
    /// another one than the node's.
    pub fn known_groups(&self) -> BTreeMap<GroupId, Option<NodeId>> {
        self.known.lock().clone()
    }

    /// Where the log of `group` ends, checkpoints counted; `None` if nothing of it is here. To be
    /// asked before the group is started.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Storage`] when the disk refuses, [`crate::Error::Corrupt`].
    pub async fn reached(&self, group: GroupId) -> Result<Option<LogIndex>> {
        let place = self.place(group);
        let checkpoint = self.env.blocking(move || place.checkpointed()).await;
        let checkpoint = checkpoint.map_err(|error| error.to_public())?;
        let recovered = self.recovered.lock();
        let stream = recovered.get(&group.0);
        let last = stream.and_then(|stream| stream.entries.last_key_value()).map(|(last, _)| *last);
        let floor = stream.and_then(|stream| stream.floor.as_ref()).map(|(floor, _)| *floor);
        Ok(last.max(floor).map(LogIndex).max(checkpoint))
    }

    /// Makes room for a new replica of `group`, which is to bear `number` if one is given.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Storage`] when the disk refuses.
    pub async fn claim(&self, group: GroupId, number: Option<NodeId>) -> Result<()> {
        self.remove_files(group).await?;
        if let Some(number) = number {
            let (stream, payload) = (group.0, frame::encode(&number));
            self.wal.write(vec![Record::Slot { stream, slot: REPLICA_SLOT, payload }]).await?;
        }
        self.known.lock().insert(group, number);
        Ok(())
    }

    /// Forgets the replica of `group`, which must be shut down: its log first, then its page file.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Storage`] when the disk refuses.
    pub async fn forget(&self, group: GroupId) -> Result<()> {
        self.wal.write(vec![Record::Forget { stream: group.0 }]).await?;
        self.known.lock().remove(&group);
        self.recovered.lock().remove(&group.0);
        self.remove_files(group).await
    }

    async fn remove_files(&self, group: GroupId) -> Result<()> {
        let (disk, dir) = (self.env.disk().clone(), self.groups.clone());
        let removed = self.env.blocking(move || {
            snapshot::remove_all(&*disk, &dir, group)
                .map_err(|source| StorageError::io("remove files of a group in", &dir, source))
        });
        Ok(removed.await?)
    }

    /// Groups whose old entries keep more than `segments` segments alive; two checkpoints free them.
    pub fn holders(&self, segments: usize) -> Vec<GroupId> {
        self.wal.holders(segments).into_iter().map(GroupId).collect()
    }

    /// Writes what is queued and seals the log. Groups must be shut down before.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Storage`] when the disk refuses.
    pub async fn close(&self) -> Result<()> {
        let closed = self.wal.close().await;
        self.lock.0.lock().take();
        Ok(closed?)
    }

    pub(crate) fn wal(&self) -> &Wal {
        &self.wal
    }

    /// Where the page file of `group` lies.
    pub(crate) fn place(&self, group: GroupId) -> ReplicaPlace {
        let (env, dir, cache) = (self.env.clone(), self.groups.clone(), self.cache.clone());
        ReplicaPlace { env, dir, group, cache }
    }

    /// The beat of all groups of this process.
    pub(crate) fn metronome(&self) -> &Metronome {
        &self.metronome
    }

    pub(crate) fn lock(&self) -> HomeLock {
        self.lock.clone()
    }

    /// Takes the recovered records of `group`; empty the second time and for a new group.
    pub(crate) fn take_recovered(&self, group: GroupId) -> RecoveredStream {
        self.recovered.lock().remove(&group.0).unwrap_or_default()
    }
}

/// Keeps the page files from other owners, until they are closed.
#[derive(Clone)]
pub(crate) struct HomeLock(Arc<Mutex<Option<Arc<dyn Send + Sync>>>>);

impl HomeLock {
    /// Keeps the page files from other owners for as long as the answer lives.
    pub(crate) fn hold(&self) -> std::result::Result<Arc<dyn Send + Sync>, StorageError> {
        self.0.lock().clone().ok_or(StorageError::Closed)
    }
}

impl std::fmt::Debug for HomeLock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HomeLock").field("held", &self.0.lock().is_some()).finish()
    }
}

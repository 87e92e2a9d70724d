//! Where a process keeps its Raft groups: one write-ahead log and one folder of snapshots.
//!
//! ```text
//! DIR/wal/00000001.log ...     the log records of all groups, in one order
//! DIR/snapshots/g3-120.snap    the last snapshot of group 3, covering its log up to 120
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
//! 4. A group that is claimed anew begins with nothing: neither records nor snapshots.
//!
//! Left out: which groups exist, which the node's role decides.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::log_store::REPLICA_SLOT;
use super::snapshot;
use crate::codec::frame;
use crate::env::Env;
use crate::storage::{Record, RecoveredStream, StorageError, Wal, WalOptions};
use crate::types::{Error, GroupId, LogIndex, NodeId, Result};

/// The log and the snapshots of one process.
#[derive(Clone, Debug)]
pub struct LogHome {
    env: Env,
    wal: Wal,
    snapshots: PathBuf,
    recovered: Arc<Mutex<BTreeMap<u64, RecoveredStream>>>,
    known: Arc<Mutex<BTreeMap<GroupId, Option<NodeId>>>>,
}

impl LogHome {
    /// Opens or creates the log in `dir`, replaying what is there.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Corrupt`] with file and offset, or [`crate::Error::Storage`].
    pub async fn open(env: &Env, dir: &Path, options: WalOptions) -> Result<LogHome> {
        let snapshots = dir.join("snapshots");
        let made = {
            let (disk, snapshots) = (env.disk().clone(), snapshots.clone());
            env.blocking(move || {
                disk.create_dir_all(&snapshots)
                    .map_err(|source| StorageError::io("create", &snapshots, source))
            })
        };
        made.await?;
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
            snapshots,
            recovered: Arc::new(Mutex::new(recovered)),
            known: Arc::new(Mutex::new(known)),
        })
    }

    /// The groups that have a replica here, each with the number that was noted for it, if that is
    /// another one than the node's.
    pub fn known_groups(&self) -> BTreeMap<GroupId, Option<NodeId>> {
        self.known.lock().clone()
    }

    /// Where the log of `group` ends, a snapshot counted; `None` if nothing of it is here. To be
    /// asked before the group is started.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Storage`] when the disk refuses.
    pub async fn reached(&self, group: GroupId) -> Result<Option<LogIndex>> {
        let (disk, dir) = (self.env.disk().clone(), self.snapshots.clone());
        let snapshot = self.env.blocking(move || {
            snapshot::newest_index(&*disk, &dir, group)
                .map_err(|source| StorageError::io("list snapshots in", &dir, source))
        });
        let snapshot = snapshot.await?;
        let recovered = self.recovered.lock();
        let stream = recovered.get(&group.0);
        let last = stream.and_then(|stream| stream.entries.last_key_value()).map(|(last, _)| *last);
        let floor = stream.and_then(|stream| stream.floor.as_ref()).map(|(floor, _)| *floor);
        Ok(last.max(floor).max(snapshot).map(LogIndex))
    }

    /// Makes room for a new replica of `group`, which is to bear `number` if one is given.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Storage`] when the disk refuses.
    pub async fn claim(&self, group: GroupId, number: Option<NodeId>) -> Result<()> {
        self.remove_snapshots(group).await?;
        if let Some(number) = number {
            let (stream, payload) = (group.0, frame::encode(&number));
            self.wal.write(vec![Record::Slot { stream, slot: REPLICA_SLOT, payload }]).await?;
        }
        self.known.lock().insert(group, number);
        Ok(())
    }

    /// Forgets the replica of `group`, which must be shut down: its log first, then its snapshots.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Storage`] when the disk refuses.
    pub async fn forget(&self, group: GroupId) -> Result<()> {
        self.wal.write(vec![Record::Forget { stream: group.0 }]).await?;
        self.known.lock().remove(&group);
        self.recovered.lock().remove(&group.0);
        self.remove_snapshots(group).await
    }

    async fn remove_snapshots(&self, group: GroupId) -> Result<()> {
        let (disk, dir) = (self.env.disk().clone(), self.snapshots.clone());
        let removed = self.env.blocking(move || {
            snapshot::remove_all(&*disk, &dir, group)
                .map_err(|source| StorageError::io("remove snapshots in", &dir, source))
        });
        Ok(removed.await?)
    }

    /// Groups whose old entries keep more than `segments` segments alive; a snapshot frees them.
    pub fn holders(&self, segments: usize) -> Vec<GroupId> {
        self.wal.holders(segments).into_iter().map(GroupId).collect()
    }

    /// Writes what is queued and seals the log. Groups must be shut down before.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Storage`] when the disk refuses.
    pub async fn close(&self) -> Result<()> {
        Ok(self.wal.close().await?)
    }

    pub(crate) fn wal(&self) -> &Wal {
        &self.wal
    }

    pub(crate) fn env(&self) -> &Env {
        &self.env
    }

    pub(crate) fn snapshots(&self) -> &Path {
        &self.snapshots
    }

    /// Takes the recovered records of `group`; empty the second time and for a new group.
    pub(crate) fn take_recovered(&self, group: GroupId) -> RecoveredStream {
        self.recovered.lock().remove(&group.0).unwrap_or_default()
    }
}

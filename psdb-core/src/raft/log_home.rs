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
//!
//! Left out: which groups exist, which the node's role decides.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::env::Env;
use crate::storage::{RecoveredStream, StorageError, Wal, WalOptions};
use crate::types::{GroupId, Result};

/// The log and the snapshots of one process.
#[derive(Clone, Debug)]
pub struct LogHome {
    env: Env,
    wal: Wal,
    snapshots: PathBuf,
    recovered: Arc<Mutex<BTreeMap<u64, RecoveredStream>>>,
    known: Arc<BTreeSet<GroupId>>,
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
        let known = recovered.keys().map(|stream| GroupId(*stream)).collect();
        Ok(LogHome {
            env: env.clone(),
            wal,
            snapshots,
            recovered: Arc::new(Mutex::new(recovered)),
            known: Arc::new(known),
        })
    }

    /// The groups that have records in the log, as it was opened.
    pub fn known_groups(&self) -> impl Iterator<Item = GroupId> + '_ {
        self.known.iter().copied()
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

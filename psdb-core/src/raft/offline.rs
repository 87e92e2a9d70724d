//! Looking at, mending and reading the page file of a group that nobody has open.
//!
//! ```text
//! check      every page and pointer; then every entry, and what they come to as a state
//! repair     the list of used pages in place; else a new file of the trees that are whole, in which
//!            the machine makes the others again (its indexes)
//! salvage    what can be read, and the log on top of it
//! ```
//! What is made anew replaces the old file only when it is complete and durable; the old one stays
//! beside it, with `.damaged` at the end of its name.
//!
//! Left out: whether an entry at the end of the log was committed. Of a replica that was the only one
//! every entry was; of others the last ones may not have been.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::agreed::Agreed;
use super::engine::Entry;
use super::replica::{Replica, ReplicaPlace};
use super::sessions::SessionLimits;
use super::snapshot;
use super::state_machine::{Inspector, RESERVED_TREES, StateError, StateMachine};
use crate::codec::frame;
use crate::env::Env;
use crate::storage::store::{Repaired, TreeReport};
use crate::storage::wal::WalReport;
use crate::storage::{
    Draft, PageCache, RecoveredStream, Snapshot, StorageError, Store, StoreReport, Wal,
};
use crate::types::{GroupId, LogIndex};

/// How many things that are wrong with entries are listed.
const LISTED: usize = 100;

/// What is wrong with a group's page file.
#[derive(Clone, Debug)]
pub struct Findings {
    /// What was found page by page.
    pub store: StoreReport,
    /// What is wrong with what the pages hold.
    pub content: Vec<String>,
    /// Up to which entry of the log it goes.
    pub applied: LogIndex,
}

/// What became of a page file that was to be mended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mended {
    /// Nothing was wrong.
    Sound,
    /// The list of used pages was made again.
    UsedPages,
    /// Made anew, and the old one kept under this name.
    Anew(PathBuf),
    /// Nothing was changed, for this reason.
    Impossible(String),
}

/// What could be read of a group.
pub struct Salvaged<S: StateMachine> {
    /// What was found page by page.
    pub store: StoreReport,
    /// The state, with the log on top of it; or the trees, and why they are no state.
    pub state: Result<S::View, (Snapshot, String)>,
    /// Up to which entry of the log it goes.
    pub applied: LogIndex,
}

/// A data directory that nobody has open, and that is locked for as long as this lives.
pub struct Offline {
    env: Env,
    dir: PathBuf,
    cache: PageCache,
    _lock: Box<dyn Send + Sync>,
}

impl Offline {
    /// Locks a directory.
    ///
    /// # Errors
    ///
    /// [`StorageError::InUse`] when a node runs in it, [`StorageError::Io`].
    pub fn open(env: &Env, dir: &Path) -> Result<Offline, StorageError> {
        let lock = env.disk().lock(&dir.join("lock")).map_err(|error| match error.kind() {
            std::io::ErrorKind::WouldBlock => StorageError::InUse { path: dir.to_owned() },
            _ => StorageError::io("lock", dir, error),
        })?;
        let cache = PageCache::for_process(env, None);
        Ok(Offline { env: env.clone(), dir: dir.to_owned(), cache, _lock: lock })
    }

    /// The groups that have a page file here.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`].
    pub fn groups(&self) -> Result<Vec<GroupId>, StorageError> {
        let groups = self.dir.join("groups");
        if !self.env.disk().exists(&groups) {
            return Ok(Vec::new());
        }
        let names = self.env.disk().list(&groups);
        let names = names.map_err(|error| StorageError::io("list", &groups, error))?;
        let mut found: Vec<_> = names.iter().filter_map(|name| snapshot::group_of(name)).collect();
        found.sort_unstable();
        Ok(found)
    }

    /// Where the page file of a group lies.
    pub fn path(&self, group: GroupId) -> PathBuf {
        self.place(group).path()
    }

    /// Reads the log: what is in it as a whole, and what each group has.
    ///
    /// # Errors
    ///
    /// [`StorageError::Corrupt`] with file and offset, [`StorageError::Io`].
    pub fn log(&self) -> Result<(WalReport, BTreeMap<GroupId, RecoveredStream>), StorageError> {
        let wal = self.dir.join("wal");
        if !self.env.disk().exists(&wal) {
            return Ok(Default::default());
        }
        let (report, streams) = Wal::read_only(&**self.env.disk(), &wal)?;
        let streams = streams.into_iter().map(|(stream, found)| (GroupId(stream), found));
        Ok((report, streams.collect()))
    }

    fn place(&self, group: GroupId) -> ReplicaPlace {
        let (env, dir, cache) = (self.env.clone(), self.dir.join("groups"), self.cache.clone());
        ReplicaPlace { env, dir, group, cache }
    }

    /// Verifies the page file of a group, and changes nothing.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`]; damage is among the findings.
    pub fn check<S: StateMachine>(&self, group: GroupId) -> Result<Findings, StorageError> {
        let store = Store::check_file(&**self.env.disk(), &self.path(group))?;
        let (content, applied) = match self.content::<S>(group) {
            // Which pages cannot be read is among what was found page by page.
            Err(StorageError::Corrupt { .. }) if !store.is_sound() => (Vec::new(), LogIndex(0)),
            content => content?,
        };
        Ok(Findings { store, content, applied })
    }

    /// What is wrong with the entries of the newest checkpoint that is whole, and up to which entry
    /// of the log they go.
    fn content<S: StateMachine>(
        &self,
        group: GroupId,
    ) -> Result<(Vec<String>, LogIndex), StorageError> {
        let (disk, path) = (self.env.disk(), self.path(group));
        let trees = Store::view_file(&**disk, &path, self.cache.clone())?;
        let (mut wrong, mut applied) = (Vec::new(), LogIndex(0));
        match Agreed::open(&trees) {
            Ok(agreed) => applied = LogIndex(agreed.applied.map_or(0, |id| id.index)),
            Err(error) => wrong.push(error.to_string()),
        }
        let mut inspector = S::Inspector::default();
        for name in trees.trees() {
            for entry in trees.iter(name) {
                let (key, value) = entry?;
                if let Err(error) = inspector.entry(name, &key, &value)
                    && wrong.len() < LISTED
                {
                    wrong.push(error.to_string());
                }
            }
        }
        let state = S::open(&trees).and_then(|machine| inspector.finish(&machine));
        wrong.extend(state.err().map(|error| error.to_string()));
        Ok((wrong, applied))
    }

    /// Mends the page file of a group as far as that is possible.
    ///
    /// # Errors
    ///
    /// [`StorageError::Corrupt`] when not even its catalog can be read, [`StorageError::Io`].
    pub fn repair<S: StateMachine>(&self, group: GroupId) -> Result<Mended, StorageError> {
        let (disk, place) = (self.env.disk(), self.place(group));
        let path = place.path();
        // Whole pages may hold what is wrong: their content is looked at whatever the pages are.
        let mended = match Store::repair_file(&**disk, &path)? {
            Repaired::Sound => Some(Mended::Sound),
            Repaired::UsedPages => Some(Mended::UsedPages),
            Repaired::Impossible(_) => None,
        };
        if let Some(mended) = mended
            && self.content::<S>(group)?.0.is_empty()
        {
            return Ok(mended);
        }
        let (mut trees, draft) = place.draft("mended")?;
        let report = fill(&place, &mut trees)?;
        let reserved = |tree: &&TreeReport| tree.name.starts_with(RESERVED_TREES.as_bytes());
        if report.trees.iter().filter(reserved).any(|tree| tree.missing > 0) {
            return given_up(draft, "what the group agrees on cannot be read".into());
        }
        let rebuilt = S::rebuild(&mut trees).and_then(|()| inspected::<S>(&trees.snapshot()));
        let agreed = match rebuilt {
            Ok(agreed) if agreed.applied.is_some() => agreed,
            Ok(_) => return given_up(draft, "what the group agrees on cannot be read".into()),
            Err(error) => return given_up(draft, error.to_string()),
        };
        let note = agreed.note();
        trees.checkpoint(&note)?;
        trees.checkpoint(&note)?;
        let mut kept = path.clone().into_os_string();
        kept.push(".damaged");
        let kept = PathBuf::from(kept);
        let renamed = disk.rename(&path, &kept);
        renamed.map_err(|error| StorageError::io("rename", &path, error))?;
        draft.publish()?;
        Ok(Mended::Anew(kept))
    }

    /// Reads what can be read of a group's page file, and applies the log on top of it, if what was
    /// read is a whole state. Needs room in the directory for a copy, which is removed by the next
    /// start.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the log cannot be applied, or the copy not be made.
    pub fn salvage<S: StateMachine>(
        &self,
        group: GroupId,
        log: &RecoveredStream,
    ) -> Result<Salvaged<S>, StateError> {
        let place = self.place(group);
        let (mut trees, _nameless) = place.draft("salvaged")?;
        let store = if self.env.disk().exists(&place.path()) {
            fill(&place, &mut trees)?
        } else {
            StoreReport::default()
        };
        let rebuilt = if store.is_sound() { Ok(()) } else { S::rebuild(&mut trees) };
        let snapshot = trees.snapshot();
        let whole = rebuilt.and_then(|()| inspected::<S>(&snapshot));
        let replica = whole.and_then(|_| Replica::<S>::assemble(trees, None));
        let mut replica = match replica {
            Ok(replica) => replica,
            Err(error) => {
                let applied = LogIndex(0);
                return Ok(Salvaged { store, state: Err((snapshot, error.to_string())), applied });
            }
        };
        if replica.applied().is_none() && snapshot.trees().next().is_some() {
            // Entries that were applied before must not be applied again.
            let reason = "how much of the log is in it cannot be read".to_owned();
            return Ok(Salvaged { store, state: Err((snapshot, reason)), applied: LogIndex(0) });
        }
        drop(snapshot);
        let limits = SessionLimits { clients: usize::MAX, answers: usize::MAX };
        for (index, payload) in &log.entries {
            if replica.applied().is_some_and(|applied| *index <= applied.index) {
                continue;
            }
            let entry: Entry = frame::decode(payload).map_err(|error| StateError::Decode {
                what: "an entry of the log",
                reason: format!("entry {index}: {error}"),
            })?;
            replica.apply(vec![entry], limits).map_err(|(_, error)| error)?;
        }
        let applied = LogIndex(replica.applied().map_or(0, |id| id.index));
        Ok(Salvaged { store, state: Ok(replica.view()), applied })
    }
}

/// Removes what was made in vain.
fn given_up(draft: Draft, reason: String) -> Result<Mended, StorageError> {
    draft.discard()?;
    Ok(Mended::Impossible(reason))
}

/// Checks every entry of trees that were put together anew.
fn inspected<S: StateMachine>(trees: &Snapshot) -> Result<Agreed, StateError> {
    let mut inspector = S::Inspector::default();
    for name in trees.trees() {
        for entry in trees.iter(name) {
            let (key, value) = entry?;
            inspector.entry(name, &key, &value)?;
        }
    }
    inspector.finish(&S::open(trees)?)?;
    Agreed::open(trees)
}

/// Copies every entry that can be read into a store.
fn fill(place: &ReplicaPlace, trees: &mut Store) -> Result<StoreReport, StorageError> {
    let mut failed = None;
    let report = Store::salvage(&**place.env.disk(), &place.path(), &mut |tree, key, value| {
        if failed.is_none() && !tree.starts_with(b"\0") {
            failed = trees.insert(tree, key, value).err();
        }
    })?;
    failed.map_or(Ok(report), Err)
}

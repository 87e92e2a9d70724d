//! A disk in memory that loses power, tears writes and fails on demand.
//!
//! Every file and every directory is kept twice: as its user sees it, and as the medium has it.
//! Changes wait in a list between the two until a sync moves them over.
//!
//! ```text
//! write_at ---> visible            read_at reads here
//!         \---> pending --sync---> durable
//!                    \--power_loss: each change is lost, kept, or torn at sectors of 512 bytes
//! ```
//!
//! A failed sync behaves as Linux does: each pending change reached the medium or did not, the
//! file goes on *showing* all of them, and a second sync reports success without writing any.
//!
//! Invariants:
//! 1. What was synced before a power loss is there after it.
//! 2. Handles and locks from before a power loss fail for ever; the disk can be opened again.
//! 3. After a power loss that a [`Fault`] caused, the disk stays off, so that tasks of the dead
//!    process cannot touch it, until [`SimDisk::power_on`] or [`SimDisk::power_loss`].
//! 4. Equal operations and equal seeds give equal content.
//!
//! Left out: directories that are lost (creating one is durable at once), latency, and bit rot,
//! which a test makes itself with [`File::write_at`].

mod directory;
mod fault;
mod file;
mod image;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::disk::{Counters, Disk, DiskStats, File, OpenMode, Space};
use directory::{Directory, Node};
pub use fault::Fault;
use fault::{Faults, Operation, Verdict};
use file::SimFile;

/// A disk in memory with injectable faults. Clones are the same disk.
///
/// # Examples
///
/// ```
/// use psdb_core::env::{Disk, File, OpenMode, SimDisk};
/// use std::path::Path;
///
/// let disk = SimDisk::new();
/// let file = disk.open(Path::new("/log"), OpenMode::Create)?;
/// file.write_at(b"kept", 0)?;
/// file.sync()?;
/// disk.sync_dir(Path::new("/"))?;
/// disk.power_loss(7);
/// assert!(file.len().is_err());
/// assert_eq!(disk.open(Path::new("/log"), OpenMode::Read)?.len()?, 4);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct SimDisk {
    shared: Arc<Shared>,
}

struct Shared {
    counters: Counters,
    state: Mutex<State>,
}

struct State {
    directories: BTreeMap<PathBuf, Directory>,
    locks: BTreeSet<PathBuf>,
    faults: Faults,
    rng: SmallRng,
    /// Grows with every power loss; handles remember the one they were opened in.
    generation: u64,
    next_node: u64,
    off: bool,
    /// Whether durable content is kept apart from visible content.
    survives_power_loss: bool,
    /// How many bytes all files together may have.
    capacity: Option<u64>,
}

impl Default for SimDisk {
    fn default() -> Self {
        SimDisk::new()
    }
}

impl SimDisk {
    /// An empty disk.
    pub fn new() -> SimDisk {
        SimDisk::with_seed(0)
    }

    /// An empty disk whose injected faults are a function of `seed`.
    pub fn with_seed(seed: u64) -> SimDisk {
        SimDisk::assemble(seed, true)
    }

    /// An empty disk that keeps every byte once instead of twice, and loses all at a power loss.
    pub fn volatile() -> SimDisk {
        SimDisk::assemble(0, false)
    }

    fn assemble(seed: u64, survives_power_loss: bool) -> SimDisk {
        let roots = ["", ".", "/"];
        let state = State {
            directories: roots.map(|root| (PathBuf::from(root), Directory::default())).into(),
            locks: BTreeSet::new(),
            faults: Faults::default(),
            rng: SmallRng::seed_from_u64(seed),
            generation: 0,
            next_node: 0,
            off: false,
            survives_power_loss,
            capacity: None,
        };
        let shared = Shared { counters: Counters::default(), state: Mutex::new(state) };
        SimDisk { shared: Arc::new(shared) }
    }

    /// Loses power and comes back: unsynced changes are lost, kept or torn as `seed` decides.
    ///
    /// Stop the tasks that use the disk first; their handles fail from now on. Faults that were
    /// planned and did not come are forgotten.
    pub fn power_loss(&self, seed: u64) {
        let mut state = self.lock_state();
        state.rng = SmallRng::seed_from_u64(seed);
        state.lose_power();
        state.off = false;
    }

    /// Loses power at the `n`-th sync from now (1 is the next one), before or after its effect.
    /// That sync fails, and the disk is off until [`SimDisk::power_on`].
    pub fn fail_at_sync(&self, n: u64) {
        self.fail_at(n, Fault::PowerLossAtSync);
    }

    /// Lets `fault` happen at the `n`-th operation from now that it applies to (1 is the next).
    ///
    /// # Panics
    ///
    /// When `n` is 0.
    pub fn fail_at(&self, n: u64, fault: Fault) {
        self.lock_state().faults.plan(n, fault);
    }

    /// Another disk that holds what this one shows now, all of it durable, as a backup would.
    pub fn backup(&self) -> SimDisk {
        let (copy, state) = (SimDisk::new(), self.lock_state());
        let made = "a new disk takes every write";
        for (path, directory) in &state.directories {
            copy.create_dir_all(path).expect(made);
            for (name, node) in directory.entries() {
                let image = node.image.lock();
                let mut bytes = vec![0; image.len() as usize];
                image.read(&mut bytes, 0);
                let file = copy.open(&path.join(name), OpenMode::Create).expect(made);
                file.write_at(&bytes, 0).expect(made);
                file.sync().expect(made);
            }
            copy.sync_dir(path).expect(made);
        }
        drop(state);
        copy
    }

    /// Forgets the planned faults that have not come yet.
    pub fn clear_faults(&self) {
        self.lock_state().faults = Faults::default();
    }

    /// From now on all files together may have so many bytes; `None` for any number. A write that
    /// would need more finds the disk full, and writes what fits.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.lock_state().capacity = bytes;
    }

    /// Whether a fault has cut the power, so that every operation fails.
    pub fn is_off(&self) -> bool {
        self.lock_state().off
    }

    /// Brings the disk back after a fault has cut the power.
    pub fn power_on(&self) {
        self.lock_state().off = false;
    }

    fn lock_state(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock()
    }

    /// The state, if the disk is on.
    fn live_state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.lock_state();
        if state.off { Err(no_power()) } else { Ok(state) }
    }
}

impl State {
    /// Counts `operation` against the planned faults, then performs it: `effect` when all is
    /// well, `damage` when it fails half-way.
    fn perform<T>(
        &mut self,
        operation: Operation,
        effect: impl FnOnce(&mut State) -> io::Result<T>,
        damage: impl FnOnce(&mut State),
    ) -> io::Result<T> {
        match self.faults.count(operation) {
            Verdict::Succeed => effect(self),
            Verdict::Fail(error) => {
                damage(self);
                Err(error)
            }
            Verdict::LosePower => {
                if self.rng.gen_bool(0.5) {
                    // Its result does not matter: nobody who could be told is alive.
                    drop(effect(self));
                }
                self.lose_power();
                self.off = true;
                Err(no_power())
            }
        }
    }

    /// How many bytes may still be written.
    fn free_bytes(&self) -> u64 {
        let Some(capacity) = self.capacity else { return u64::MAX };
        let nodes: BTreeMap<u64, &Arc<Node>> = self
            .directories
            .values()
            .flat_map(Directory::nodes)
            .map(|node| (node.id, node))
            .collect();
        let used: u64 = nodes.values().map(|node| node.image.lock().len()).sum();
        capacity.saturating_sub(used)
    }

    fn lose_power(&mut self) {
        self.generation += 1;
        self.locks.clear();
        self.faults = Faults::default();
        let mut surviving = BTreeMap::new();
        for directory in self.directories.values_mut() {
            if self.survives_power_loss {
                directory.lose_power(&mut self.rng);
            } else {
                *directory = Directory::default();
            }
            surviving.extend(directory.nodes().map(|node| (node.id, node.clone())));
        }
        for node in surviving.values() {
            node.image.lock().lose_power(&mut self.rng);
        }
    }

    fn directory_of(&mut self, path: &Path) -> io::Result<(&mut Directory, String)> {
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or(io::ErrorKind::InvalidInput)?.to_owned();
        let parent = path.parent().unwrap_or(Path::new(""));
        let directory = self.directories.get_mut(parent).ok_or(io::ErrorKind::NotFound)?;
        Ok((directory, name))
    }

    fn find(&mut self, path: &Path) -> io::Result<Arc<Node>> {
        let (directory, name) = self.directory_of(path)?;
        directory.get(&name).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn create(&mut self, path: &Path) -> io::Result<Arc<Node>> {
        if self.directories.contains_key(path) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if let Ok(node) = self.find(path) {
            let tracked = self.survives_power_loss;
            node.image.lock().set_len(0, tracked)?;
            return Ok(node);
        }
        let node = Arc::new(Node::new(self.next_node));
        self.next_node += 1;
        let tracked = self.survives_power_loss;
        let (directory, name) = self.directory_of(path)?;
        directory.link(name, node.clone(), tracked);
        Ok(node)
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.find(from)?;
        let tracked = self.survives_power_loss;
        let (_, new_name) = self.directory_of(to)?;
        let (directory, old_name) = self.directory_of(from)?;
        if from.parent() == to.parent() {
            directory.rename(old_name, new_name, node, tracked);
            return Ok(());
        }
        directory.unlink(old_name, tracked);
        self.directory_of(to)?.0.link(new_name, node, tracked);
        Ok(())
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.find(path)?;
        let tracked = self.survives_power_loss;
        let (directory, name) = self.directory_of(path)?;
        directory.unlink(name, tracked);
        Ok(())
    }
}

impl Disk for SimDisk {
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.live_state()?;
        for ancestor in path.ancestors() {
            if state.find(ancestor).is_ok() {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            state.directories.entry(ancestor.to_owned()).or_default();
        }
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = self.live_state()?;
        let directory = state.directories.get(path).ok_or(io::ErrorKind::NotFound)?;
        let mut names: BTreeSet<String> = directory.names().cloned().collect();
        let below = state.directories.keys().filter(|child| child.parent() == Some(path));
        names.extend(below.filter_map(|child| Some(child.file_name()?.to_str()?.to_owned())));
        Ok(names.into_iter().collect())
    }

    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>> {
        let mut state = self.live_state()?;
        let node = match mode {
            OpenMode::Read | OpenMode::Write => state.find(path)?,
            OpenMode::Create => {
                state.perform(Operation::Name, |state| state.create(path), |_| ())?
            }
        };
        let (disk, generation) = (self.clone(), state.generation);
        Ok(Arc::new(SimFile { disk, node, generation, writable: mode != OpenMode::Read }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.live_state()?.perform(Operation::Name, |state| state.rename(from, to), |_| ())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.live_state()?.perform(Operation::Name, |state| state.remove(path), |_| ())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.live_state()?;
        self.shared.counters.count_sync();
        let sync = |state: &mut State| {
            let directory = state.directories.get_mut(path).ok_or(io::ErrorKind::NotFound)?;
            directory.sync();
            Ok(())
        };
        state.perform(Operation::Sync, sync, |state| {
            if let Some(directory) = state.directories.get_mut(path) {
                directory.fail_sync(&mut state.rng);
            }
        })
    }

    fn exists(&self, path: &Path) -> bool {
        let Ok(mut state) = self.live_state() else { return false };
        state.directories.contains_key(path) || state.find(path).is_ok()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let mut state = self.live_state()?;
        if !state.locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let generation = state.generation;
        Ok(Box::new(LockGuard { disk: self.clone(), path: path.to_owned(), generation }))
    }

    fn space(&self, path: &Path) -> io::Result<Space> {
        let mut state = self.live_state()?;
        if !state.directories.contains_key(path) {
            state.find(path)?;
        }
        let total_bytes = state.capacity.unwrap_or(u64::MAX);
        Ok(Space { total_bytes, free_bytes: state.free_bytes() })
    }

    fn stats(&self) -> DiskStats {
        self.shared.counters.stats()
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimDisk").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// Holds a lock; one from before a power loss no longer holds anything.
struct LockGuard {
    disk: SimDisk,
    path: PathBuf,
    generation: u64,
}

impl Drop for LockGuard {
    fn drop(&mut self) {
        let mut state = self.disk.lock_state();
        if state.generation == self.generation {
            state.locks.remove(&self.path);
        }
    }
}

fn no_power() -> io::Error {
    io::Error::other("the simulated disk has lost power")
}

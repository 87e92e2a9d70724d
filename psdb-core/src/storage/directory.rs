//! A node's data directory: who it belongs to, and that only one process uses it.
//!
//! ```text
//! DIR/lock         held while the node runs
//! DIR/identity     framed: node name, directory number, incarnation, cluster
//! DIR/discarded    framed, on an older copy that was found out: why it must not be used
//! DIR/masters      framed, on masters: what is known of the others (`master::roll`)
//! DIR/wal/ ...     what the node stores
//! ```
//! The *directory number* is drawn at random when the directory is made: a directory that was lost
//! and made anew has another one, so the masters can tell a node with amnesia from one that only
//! restarted. The *incarnation* grows with every start: a directory restored from an old copy
//! comes back with one that was used before, and is marked when it is found out, since it would count
//! up to one that was not. The cluster is noted when the node first joins one.
//!
//! Invariants:
//! 1. Identity and notes are replaced as a whole: written aside, synced, renamed, folder synced.
//! 2. No two processes have the directory open (as far as the file system's locks reach).
//!
//! Left out: judging identities, which the masters do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::codec::frame;
use crate::env::{Env, OpenMode};
use crate::types::{Error, Result};

const IDENTITY: &str = "identity";
const DISCARDED: &str = "discarded";
const NOTE_LIMIT_BYTES: u64 = 1 << 20;

/// Who a data directory belongs to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The node's name.
    pub node: String,
    /// Drawn at random when the directory was made.
    pub directory: u64,
    /// How often the node has started here, this time included.
    pub incarnation: u64,
    /// The cluster it has joined.
    pub cluster: Option<u64>,
}

/// An open data directory.
#[derive(Clone)]
pub struct Directory {
    env: Env,
    path: PathBuf,
    identity: Arc<Mutex<Identity>>,
    lock: Arc<Mutex<Option<Box<dyn Send + Sync>>>>,
    /// Held while a note is written: a master and a worker may share the directory.
    writing: Arc<tokio::sync::Mutex<()>>,
}

impl Directory {
    /// Opens or creates the directory of `node` at `path` and counts this start.
    ///
    /// # Errors
    ///
    /// [`Error::DirectoryInUse`], [`Error::WrongIdentity`] when it belongs to another node,
    /// [`Error::Corrupt`] when its identity is damaged, [`Error::Storage`] when the disk refuses.
    pub async fn open(env: &Env, path: &Path, node: &str) -> Result<Directory> {
        let opened = env.blocking({
            let (env, path, node) = (env.clone(), path.to_owned(), node.to_owned());
            move || open(&env, &path, &node)
        });
        let (lock, identity) = opened.await?;
        Ok(Directory {
            env: env.clone(),
            path: path.to_owned(),
            identity: Arc::new(Mutex::new(identity)),
            lock: Arc::new(Mutex::new(Some(lock))),
            writing: Arc::default(),
        })
    }

    /// Who the directory belongs to.
    pub fn identity(&self) -> Identity {
        self.identity.lock().clone()
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Lets another process, or this one, open the directory again. Nothing may write to it after.
    pub fn release(&self) {
        *self.lock.lock() = None;
    }

    /// Notes durably that the node belongs to `cluster`.
    ///
    /// # Errors
    ///
    /// [`Error::WrongIdentity`] when it belongs to another one, [`Error::Storage`].
    pub async fn join(&self, cluster: u64) -> Result<()> {
        let _alone = self.writing.lock().await;
        let mut identity = self.identity();
        match identity.cluster {
            Some(known) if known == cluster => return Ok(()),
            Some(known) => {
                return Err(unusable(
                    &self.path,
                    format!(
                        "it belongs to cluster {known:016x}, but the masters are of cluster \
                         {cluster:016x}; point the node to its own masters or use another directory"
                    ),
                ));
            }
            None => identity.cluster = Some(cluster),
        }
        self.write_alone(IDENTITY, &identity).await?;
        *self.identity.lock() = identity;
        Ok(())
    }

    /// Notes durably that the directory is an older copy and must not be used again, if `refusal`
    /// says so. Every further start would count up towards the start that is known of the original.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`].
    pub async fn discard(&self, refusal: &Error) -> Result<()> {
        match refusal {
            Error::WrongIdentity { reason, stale: true, .. } => {
                self.write_note(DISCARDED, reason).await
            }
            _ => Ok(()),
        }
    }

    /// Reads what was last noted in the directory under `name`.
    pub(crate) async fn read_note<T>(&self, name: &'static str) -> Result<Option<T>>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let (env, path) = (self.env.clone(), self.path.clone());
        self.env.blocking(move || read(&env, &path, name)).await
    }

    /// Notes something in the directory under `name`, durably and in place of what was noted last.
    pub(crate) async fn write_note<T: Serialize>(
        &self,
        name: &'static str,
        note: &T,
    ) -> Result<()> {
        let _alone = self.writing.lock().await;
        self.write_alone(name, note).await
    }

    /// As [`Directory::write_note`], for whoever holds `writing`.
    async fn write_alone<T: Serialize>(&self, name: &'static str, note: &T) -> Result<()> {
        let (env, path, bytes) = (self.env.clone(), self.path.clone(), frame::encode(note));
        let written = self.env.blocking(move || write(&env, &path, name, &bytes));
        let action = format!("write '{name}' in");
        written.await.map_err(|error| failed(&action, &self.path, &error))
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Directory").field("path", &self.path).finish_non_exhaustive()
    }
}

type Opened = (Box<dyn Send + Sync>, Identity);

fn open(env: &Env, path: &Path, node: &str) -> Result<Opened> {
    let disk = env.disk();
    disk.create_dir_all(path).map_err(|error| failed("create", path, &error))?;
    let lock = disk.lock(&path.join("lock")).map_err(|error| match error.kind() {
        io::ErrorKind::WouldBlock => Error::DirectoryInUse { path: path.display().to_string() },
        _ => failed("lock", path, &error),
    })?;
    if let Some(reason) = read::<String>(env, path, DISCARDED)? {
        return Err(Error::WrongIdentity { path: path.display().to_string(), reason, stale: true });
    }
    let known: Option<Identity> = read(env, path, IDENTITY)?;
    let mut identity = match known {
        Some(identity) if identity.node == node => identity,
        Some(identity) => {
            let reason = format!("it belongs to node '{}', not to '{node}'", identity.node);
            return Err(unusable(path, reason));
        }
        None => Identity {
            node: node.to_owned(),
            directory: env.random_u64(),
            incarnation: 0,
            cluster: None,
        },
    };
    identity.incarnation += 1;
    write(env, path, IDENTITY, &frame::encode(&identity))
        .map_err(|error| failed("write the identity of", path, &error))?;
    Ok((lock, identity))
}

fn read<T: DeserializeOwned>(env: &Env, path: &Path, name: &str) -> Result<Option<T>> {
    let path = path.join(name);
    let corrupt =
        |reason: String| Error::Corrupt { path: path.display().to_string(), offset: 0, reason };
    let file = match env.disk().open(&path, OpenMode::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", &path, &error)),
    };
    let length = file.len().map_err(|error| failed("read", &path, &error))?;
    if length > NOTE_LIMIT_BYTES {
        return Err(corrupt(format!("a file of {length} bytes is none of ours")));
    }
    let mut bytes = vec![0; length as usize];
    let read = file.read_at(&mut bytes, 0).map_err(|error| failed("read", &path, &error))?;
    bytes.truncate(read);
    frame::decode(&bytes).map(Some).map_err(|error| corrupt(error.to_string()))
}

fn write(env: &Env, path: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let (disk, part) = (env.disk(), path.join(format!("{name}.part")));
    let file = disk.open(&part, OpenMode::Create)?;
    // A crash may have left a longer one behind.
    file.set_len(0)?;
    file.write_at(bytes, 0)?;
    file.sync()?;
    disk.rename(&part, &path.join(name))?;
    disk.sync_dir(path)
}

fn unusable(path: &Path, reason: String) -> Error {
    Error::WrongIdentity { path: path.display().to_string(), reason, stale: false }
}

fn failed(action: &str, path: &Path, error: &io::Error) -> Error {
    Error::Storage { reason: format!("could not {action} {}: {error}", path.display()) }
}

#[cfg(test)]
mod tests {
    //! Proves that those who share a directory do not disturb each other.

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_master_and_a_worker_may_join_at_once() {
        let place = tempfile::tempdir().unwrap();
        for round in 0..100 {
            let path = place.path().join(round.to_string());
            let directory = Directory::open(&Env::real(), &path, "node-1").await.unwrap();
            let joining = [directory.clone(), directory.clone()]
                .map(|directory| tokio::spawn(async move { directory.join(7).await }));
            for joined in joining {
                joined.await.unwrap().unwrap();
            }
            assert_eq!(directory.identity().cluster, Some(7));
        }
    }
}

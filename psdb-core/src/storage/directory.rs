//! A node's data directory: who it belongs to, and that only one process uses it.
//!
//! ```text
//! DIR/lock         held while the node runs
//! DIR/identity     framed: node name, directory number, incarnation, cluster
//! DIR/wal/ ...     what the node stores
//! ```
//! The *directory number* is drawn at random when the directory is made: a directory that was lost
//! and made anew has another one, so the masters can tell a node with amnesia from one that only
//! restarted. The *incarnation* grows with every start: a directory restored from an old copy
//! comes back with one that was used before. The cluster is noted when the node first joins one.
//!
//! Invariants:
//! 1. The identity file is replaced as a whole: written aside, synced, renamed, folder synced.
//! 2. No two processes have the directory open (as far as the file system's locks reach).
//!
//! Left out: judging identities, which the masters do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::codec::frame;
use crate::env::{Env, OpenMode};
use crate::types::{Error, Result};

const IDENTITY: &str = "identity";
const IDENTITY_LIMIT_BYTES: u64 = 1 << 20;

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
}

impl Directory {
    /// Opens or creates the directory of `node` at `path` and counts this start.
    ///
    /// # Errors
    ///
    /// [`Error::Directory`] when another process uses it or it belongs to another node,
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
    /// [`Error::Directory`] when it belongs to another one, [`Error::Storage`].
    pub async fn join(&self, cluster: u64) -> Result<()> {
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
        let written = self.env.blocking({
            let (env, path, identity) = (self.env.clone(), self.path.clone(), identity.clone());
            move || write(&env, &path, &identity)
        });
        written.await.map_err(|error| failed("write the identity of", &self.path, &error))?;
        *self.identity.lock() = identity;
        Ok(())
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
        io::ErrorKind::WouldBlock => unusable(path, "another process uses it".into()),
        _ => failed("lock", path, &error),
    })?;
    let mut identity = match read(env, path)? {
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
    write(env, path, &identity).map_err(|error| failed("write the identity of", path, &error))?;
    Ok((lock, identity))
}

fn read(env: &Env, path: &Path) -> Result<Option<Identity>> {
    let path = path.join(IDENTITY);
    let corrupt =
        |reason: String| Error::Corrupt { path: path.display().to_string(), offset: 0, reason };
    let file = match env.disk().open(&path, OpenMode::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed("open", &path, &error)),
    };
    let length = file.len().map_err(|error| failed("read", &path, &error))?;
    if length > IDENTITY_LIMIT_BYTES {
        return Err(corrupt(format!("an identity of {length} bytes is none of ours")));
    }
    let mut bytes = vec![0; length as usize];
    let read = file.read_at(&mut bytes, 0).map_err(|error| failed("read", &path, &error))?;
    bytes.truncate(read);
    frame::decode(&bytes).map(Some).map_err(|error| corrupt(error.to_string()))
}

fn write(env: &Env, path: &Path, identity: &Identity) -> io::Result<()> {
    let (disk, part) = (env.disk(), path.join("identity.part"));
    let file = disk.open(&part, OpenMode::Create)?;
    file.write_at(&frame::encode(identity), 0)?;
    file.sync()?;
    disk.rename(&part, &path.join(IDENTITY))?;
    disk.sync_dir(path)
}

fn unusable(path: &Path, reason: String) -> Error {
    Error::Directory { path: path.display().to_string(), reason }
}

fn failed(action: &str, path: &Path, error: &io::Error) -> Error {
    Error::Storage { reason: format!("could not {action} {}: {error}", path.display()) }
}

//! Headroom: whether the disk has room for more, with a reserve for what must go on in any case.
//!
//! A disk that is full to the last byte is a trap: deleting writes too, to the log and to new
//! pages. So growth is refused while there is a reserve left, before anything is proposed, and what
//! makes room goes on. The reserve is 256 MiB, or a sixteenth of a small disk.
//!
//! The question comes with every write, so the system's answer is good for 50 ms, or until the log
//! has used an eighth of the reserve.
//!
//! Left out: keeping space for one file only. Whatever else fills the disk is counted as well.

use std::path::{Path, PathBuf};
use std::time::Duration;

use parking_lot::Mutex;

use super::StorageError;
use crate::env::{Env, Instant};

/// The most that is kept back.
const RESERVE_BYTES: u64 = 256 << 20;
/// The part of the disk that is kept back if that is less: a sixteenth.
const RESERVE_PART: u64 = 16;
/// How long an answer of the system is good for.
const FRESH: Duration = Duration::from_millis(50);
/// The part of the reserve that may be used on one answer.
const FRESH_PART: u64 = 8;

/// What the system said, and when.
#[derive(Clone, Debug)]
struct Asked {
    at: Instant,
    /// How much had been written by then.
    written: u64,
    reserve_bytes: u64,
    answer: Result<(), StorageError>,
}

/// Watches the disk of one directory.
#[derive(Debug)]
pub(super) struct Headroom {
    env: Env,
    dir: PathBuf,
    last: Mutex<Option<Asked>>,
}

impl Headroom {
    pub(super) fn new(env: &Env, dir: &Path) -> Headroom {
        Headroom { env: env.clone(), dir: dir.to_owned(), last: Mutex::default() }
    }

    /// Fails when the disk has no more free than its reserve; `written` says how many bytes the
    /// log has written altogether.
    ///
    /// # Errors
    ///
    /// [`StorageError::DiskFull`], or [`StorageError::Io`] when the system does not say.
    pub(super) fn check(&self, written: u64) -> Result<(), StorageError> {
        let now = self.env.instant();
        let mut last = self.last.lock();
        let is_fresh = |asked: &&Asked| {
            let used = written.saturating_sub(asked.written);
            now.elapsed_since(asked.at) < FRESH && used < asked.reserve_bytes / FRESH_PART
        };
        if let Some(asked) = last.as_ref().filter(is_fresh) {
            return asked.answer.clone();
        }
        let (reserve_bytes, answer) = self.ask()?;
        *last = Some(Asked { at: now, written, reserve_bytes, answer: answer.clone() });
        answer
    }

    fn ask(&self) -> Result<(u64, Result<(), StorageError>), StorageError> {
        let space = self.env.disk().space(&self.dir);
        let space = space.map_err(|error| StorageError::io("ask for room on", &self.dir, error))?;
        let reserve_bytes = RESERVE_BYTES.min(space.total_bytes / RESERVE_PART);
        let (path, free_bytes) = (self.dir.clone(), space.free_bytes);
        let is_full = free_bytes <= reserve_bytes;
        let full = StorageError::DiskFull { path, free_bytes, reserve_bytes };
        Ok((reserve_bytes, if is_full { Err(full) } else { Ok(()) }))
    }
}

#[cfg(test)]
mod tests {
    //! Proves where the line is drawn, and that an answer is not kept for long.

    use super::*;
    use crate::env::{Disk, OpenMode, SimDisk};

    #[tokio::test(start_paused = true)]
    async fn growth_ends_before_the_disk_is_full() {
        let disk = SimDisk::new();
        let env = Env::simulated(1, disk.clone());
        let headroom = Headroom::new(&env, Path::new("/"));
        headroom.check(0).unwrap();
        disk.set_capacity(Some(16_000));
        let file = disk.open(Path::new("/f"), OpenMode::Create).unwrap();
        file.write_at(&[1; 14_999], 0).unwrap();
        env.sleep(FRESH).await;
        headroom.check(0).unwrap();
        file.write_at(&[1], 14_999).unwrap();
        env.sleep(FRESH).await;
        let error = headroom.check(0).unwrap_err().to_string();
        let expected = "the disk of / is nearly full: 1000 bytes are free, 1000 are kept back;";
        assert!(error.starts_with(expected), "{error}");
        file.set_len(0).unwrap();
        headroom.check(0).unwrap_err();
        headroom.check(1_000 / FRESH_PART).unwrap();
    }
}

//! A file that an export writes.
//!
//! It grows beside its target and is renamed when it is complete and durable, so that a failure leaves
//! the target as it was. A device or a named pipe cannot be replaced; it is written as it is.
//!
//! Invariant: a target that is no device changes in [`Target::finish`] only.
//!
//! Left out: standard output, which the output has (`output`).

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// A file that is being written; dropped before its end it leaves nothing behind.
pub(crate) struct Target {
    writer: BufWriter<File>,
    /// Where it grows and what it is to be called; `None` for what is written in place, or finished.
    growing: Option<(PathBuf, PathBuf)>,
}

impl Target {
    /// Begins to write `file`.
    ///
    /// # Errors
    ///
    /// Whatever the system refuses.
    pub(crate) fn open(file: &str) -> io::Result<Target> {
        let target = Path::new(file);
        if fs::metadata(target).is_ok_and(|metadata| !metadata.is_file()) {
            let opened = File::options().write(true).open(target)?;
            return Ok(Target { writer: BufWriter::new(opened), growing: None });
        }
        let part = part(target);
        let writer = BufWriter::new(File::create(&part)?);
        Ok(Target { writer, growing: Some((part, target.to_owned())) })
    }

    /// Ends it: makes it durable and gives it its name.
    ///
    /// # Errors
    ///
    /// Whatever the system refuses; the target is as it was then, unless it is written in place.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.writer.flush()?;
        // Devices and pipes cannot all be synced.
        let Some((part, target)) = &self.growing else { return Ok(()) };
        self.writer.get_ref().sync_all()?;
        fs::rename(part, target)?;
        self.growing = None;
        Ok(())
    }
}

impl Write for Target {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some((part, _)) = &self.growing {
            // The export has failed already; a left-over part is the lesser harm.
            let _ = fs::remove_file(part);
        }
    }
}

/// The name under which `target` grows.
fn part(target: &Path) -> PathBuf {
    let mut name = target.as_os_str().to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    //! Proves that a target is replaced as a whole or not at all.

    use super::*;

    #[test]
    fn a_target_is_replaced_at_the_end_or_not_at_all() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("out");
        fs::write(&path, "old").expect("writable");
        let file = path.to_str().expect("UTF-8");
        let files = || fs::read_dir(directory.path()).expect("a directory").count();
        let mut given_up = Target::open(file).expect("opens");
        given_up.write_all(b"half").expect("writes");
        given_up.flush().expect("flushes");
        assert_eq!((fs::read(&path).expect("readable"), files()), (b"old".to_vec(), 2));
        drop(given_up);
        assert_eq!((fs::read(&path).expect("readable"), files()), (b"old".to_vec(), 1));
        let mut target = Target::open(file).expect("opens");
        target.write_all(b"new").expect("writes");
        target.finish().expect("is renamed");
        assert_eq!((fs::read(&path).expect("readable"), files()), (b"new".to_vec(), 1));
    }
}

//! An open file of a simulated disk.
//!
//! Every operation first asks whether the disk still has the power it had when the file was
//! opened; then it counts against the planned faults and changes the file's image.
//!
//! Left out: what a power loss leaves of the image, which `image` decides.

use std::fmt;
use std::io;
use std::sync::Arc;

use parking_lot::MutexGuard;
use rand::Rng;

use super::directory::Node;
use super::fault::Operation;
use super::{SimDisk, State, no_power};
use crate::env::File;

/// A handle to a file, good until the next power loss.
pub(super) struct SimFile {
    pub(super) disk: SimDisk,
    pub(super) node: Arc<Node>,
    /// The power-on time it was opened in.
    pub(super) generation: u64,
    pub(super) writable: bool,
}

impl SimFile {
    fn live_state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.live_state()?;
        if state.generation == self.generation { Ok(state) } else { Err(no_power()) }
    }

    /// How long the file may be, up to `wanted`.
    fn fitting(&self, state: &State, wanted: u64) -> u64 {
        let len = self.node.image.lock().len();
        if wanted <= len { wanted } else { wanted.min(len.saturating_add(state.free_bytes())) }
    }

    fn writable_state(&self) -> io::Result<MutexGuard<'_, State>> {
        if self.writable { self.live_state() } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }
}

impl File for SimFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let _live = self.live_state()?;
        Ok(self.node.image.lock().read(buffer, offset))
    }

    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.writable_state()?;
        self.disk.shared.counters.count_write(data.len());
        let tracked = state.survives_power_loss;
        let fits = self.fitting(&state, offset + data.len() as u64).saturating_sub(offset);
        state.perform(
            Operation::Write,
            |_| {
                let part = &data[..data.len().min(fits as usize)];
                self.node.image.lock().write(part, offset, tracked)?;
                if part.len() < data.len() {
                    Err(io::ErrorKind::StorageFull.into())
                } else {
                    Ok(())
                }
            },
            |state| {
                let written = state.rng.gen_range(0..=data.len());
                // The part that fits is written; the error reported is the injected one.
                drop(self.node.image.lock().write(&data[..written], offset, tracked));
            },
        )
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.live_state()?;
        self.disk.shared.counters.count_sync();
        state.perform(
            Operation::Sync,
            |_| {
                self.node.image.lock().sync();
                Ok(())
            },
            |state| self.node.image.lock().fail_sync(&mut state.rng),
        )
    }

    fn len(&self) -> io::Result<u64> {
        let _live = self.live_state()?;
        Ok(self.node.image.lock().len())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.writable_state()?;
        let tracked = state.survives_power_loss;
        if self.fitting(&state, len) < len {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.perform(Operation::Write, |_| self.node.image.lock().set_len(len, tracked), |_| ())
    }
}

impl fmt::Debug for SimFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimFile").field("node", &self.node.id).finish_non_exhaustive()
    }
}

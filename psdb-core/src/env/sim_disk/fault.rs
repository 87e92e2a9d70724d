//! Which operation of a simulated disk fails, and how.
//!
//! A fault is planned for the n-th operation it applies to, counted from the moment of planning.
//! Several may be planned; each counts by itself.
//!
//! Left out: random faults. A test draws its numbers from its own seed.

use std::io;

/// What goes wrong on a [`SimDisk`](super::SimDisk).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Any operation that changes the disk fails, half done: a write, sync, create, rename or
    /// remove.
    IoError,
    /// A write, or a change of length, fails half done.
    WriteError,
    /// A sync fails, of a file or of a directory. What it should have made durable is so in part.
    SyncError,
    /// A write, or a change of length, finds the disk full.
    NoSpace,
    /// The power goes at a sync, before or after its effect.
    PowerLossAtSync,
    /// The power goes at any operation that changes the disk, before or after its effect.
    PowerLoss,
}

/// The kinds of operations that faults tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Of a file's content or length.
    Write,
    /// Of a file or a directory.
    Sync,
    /// Creating, renaming, removing.
    Name,
}

/// What becomes of an operation.
pub(super) enum Verdict {
    Succeed,
    Fail(io::Error),
    LosePower,
}

/// The faults that have not come yet, each with the operations left until it does.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<(u64, Fault)>);

impl Faults {
    pub(super) fn plan(&mut self, n: u64, fault: Fault) {
        assert!(n > 0, "operations are counted from 1");
        self.0.push((n, fault));
    }

    /// Counts one operation and says what becomes of it.
    pub(super) fn count(&mut self, operation: Operation) -> Verdict {
        let mut due = None;
        self.0.retain_mut(|(left, fault)| {
            if fault.applies_to(operation) {
                *left -= 1;
            }
            if *left == 0 {
                due = Some(*fault);
            }
            *left > 0
        });
        due.map_or(Verdict::Succeed, Fault::verdict)
    }
}

impl Fault {
    fn applies_to(self, operation: Operation) -> bool {
        match self {
            Fault::IoError | Fault::PowerLoss => true,
            Fault::WriteError | Fault::NoSpace => operation == Operation::Write,
            Fault::SyncError | Fault::PowerLossAtSync => operation == Operation::Sync,
        }
    }

    fn verdict(self) -> Verdict {
        match self {
            Fault::IoError | Fault::WriteError | Fault::SyncError => {
                Verdict::Fail(io::Error::other("injected input/output error"))
            }
            Fault::NoSpace => Verdict::Fail(io::ErrorKind::StorageFull.into()),
            Fault::PowerLossAtSync | Fault::PowerLoss => Verdict::LosePower,
        }
    }
}

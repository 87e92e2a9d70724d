//! The content of one simulated file: what its user sees, what the medium has, and the changes
//! in between.
//!
//! Invariants:
//! 1. Without a failed sync, `durable` with all of `pending` applied in order is `visible`.
//! 2. A write that did not reach the medium as a whole did so by sectors of 512 bytes, and may
//!    have lengthened the file without its data; what was never written reads as zeros.
//!
//! Left out: stale data of other files in a lengthened file, which journaling file systems hide.

use std::io;

use rand::Rng;
use rand::rngs::SmallRng;

const SECTOR: u64 = 512;
/// No simulated file grows beyond this: 64 GiB.
const MAX_LEN: u64 = 1 << 36;

#[derive(Debug, Default)]
pub(super) struct Image {
    visible: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug)]
enum Change {
    Write { offset: u64, data: Vec<u8> },
    SetLen(u64),
}

/// What became of all the pending changes of a file or directory.
#[derive(Clone, Copy)]
pub(super) enum Fate {
    AllLost,
    AllKept,
    /// Each change has a fate of its own.
    Mixed,
}

impl Fate {
    pub(super) fn draw(rng: &mut SmallRng) -> Fate {
        match rng.gen_range(0..4) {
            0 => Fate::AllLost,
            1 => Fate::AllKept,
            _ => Fate::Mixed,
        }
    }
}

impl Image {
    pub(super) fn len(&self) -> u64 {
        self.visible.len() as u64
    }

    pub(super) fn read(&self, buffer: &mut [u8], offset: u64) -> usize {
        let start = self.len().min(offset) as usize;
        let available = &self.visible[start..];
        let n = available.len().min(buffer.len());
        buffer[..n].copy_from_slice(&available[..n]);
        n
    }

    /// Writes; `tracked` says whether a power loss may ask about it later.
    pub(super) fn write(&mut self, data: &[u8], offset: u64, tracked: bool) -> io::Result<()> {
        check_len(offset.saturating_add(data.len() as u64))?;
        put(&mut self.visible, offset, data);
        if tracked {
            self.pending.push(Change::Write { offset, data: data.to_vec() });
        }
        Ok(())
    }

    pub(super) fn set_len(&mut self, len: u64, tracked: bool) -> io::Result<()> {
        check_len(len)?;
        self.visible.resize(len as usize, 0);
        if tracked {
            self.pending.push(Change::SetLen(len));
        }
        Ok(())
    }

    /// Makes all pending changes durable.
    pub(super) fn sync(&mut self) {
        for change in self.pending.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// Some pending changes become durable and the others never will, while all stay visible.
    pub(super) fn fail_sync(&mut self, rng: &mut SmallRng) {
        let fate = Fate::draw(rng);
        for change in self.pending.drain(..) {
            match fate {
                Fate::AllLost => {}
                Fate::AllKept => change.apply(&mut self.durable),
                Fate::Mixed => change.apply_partly(&mut self.durable, rng),
            }
        }
    }

    /// Shows what the medium has, after each pending change met its fate.
    pub(super) fn lose_power(&mut self, rng: &mut SmallRng) {
        self.fail_sync(rng);
        self.visible.clone_from(&self.durable);
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Write { offset, data } => put(bytes, *offset, data),
            Change::SetLen(len) => bytes.resize(*len as usize, 0),
        }
    }

    fn apply_partly(&self, bytes: &mut Vec<u8>, rng: &mut SmallRng) {
        match (rng.gen_range(0..3), self) {
            (0, _) => {}
            (1, _) | (_, Change::SetLen(_)) => self.apply(bytes),
            (_, Change::Write { offset, data }) => {
                let end = (offset + data.len() as u64) as usize;
                if bytes.len() < end && rng.gen_bool(0.5) {
                    bytes.resize(end, 0);
                }
                for (at, sector) in sectors(*offset, data) {
                    if rng.gen_bool(0.5) {
                        put(bytes, at, sector);
                    }
                }
            }
        }
    }
}

/// Cuts a write at the sectors of the medium: each part with its offset in the file.
fn sectors(offset: u64, mut data: &[u8]) -> Vec<(u64, &[u8])> {
    let (mut parts, mut at) = (Vec::new(), offset);
    while !data.is_empty() {
        let room = (SECTOR - at % SECTOR) as usize;
        let (part, rest) = data.split_at(room.min(data.len()));
        parts.push((at, part));
        at += part.len() as u64;
        data = rest;
    }
    parts
}

fn put(bytes: &mut Vec<u8>, offset: u64, data: &[u8]) {
    let (start, end) = (offset as usize, offset as usize + data.len());
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    bytes[start..end].copy_from_slice(data);
}

fn check_len(len: u64) -> io::Result<()> {
    if len > MAX_LEN { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    //! Proves that synced bytes survive any power loss, that unsynced ones meet every fate, and
    //! that a tear falls on sectors only.

    use super::*;
    use rand::SeedableRng;

    /// One synced byte `a`, then unsynced `b`s over the sectors 0 to 3 except that byte.
    fn torn(seed: u64) -> Vec<u8> {
        let mut image = Image::default();
        image.write(b"a", 0, true).unwrap();
        image.sync();
        image.write(&[b'b'; 2_000], 1, true).unwrap();
        image.lose_power(&mut SmallRng::seed_from_u64(seed));
        image.visible
    }

    #[test]
    fn every_fate_occurs_and_tears_fall_on_sectors() {
        let (mut lost, mut kept, mut partly) = (0, 0, 0);
        for seed in 0..200 {
            let bytes = torn(seed);
            assert_eq!(bytes[0], b'a');
            for sector in bytes[1..].chunk_by(|a, b| a == b) {
                let start = sector.as_ptr() as usize - bytes.as_ptr() as usize;
                assert!(start == 1 || start.is_multiple_of(512), "torn at byte {start}");
            }
            let all_written = bytes.len() == 2_001 && !bytes.contains(&0);
            match (bytes.contains(&b'b'), all_written) {
                (false, _) => lost += 1,
                (true, true) => kept += 1,
                (true, false) => partly += 1,
            }
        }
        assert!(lost > 20 && kept > 20 && partly > 20, "{lost} {kept} {partly}");
    }

    #[test]
    fn a_failed_sync_is_not_mended_by_the_next() {
        let lost = (0..100).any(|seed| {
            let mut rng = SmallRng::seed_from_u64(seed);
            let mut image = Image::default();
            image.write(b"gone", 0, true).unwrap();
            image.fail_sync(&mut rng);
            assert_eq!(image.visible, b"gone");
            image.sync();
            image.lose_power(&mut rng);
            image.visible.is_empty()
        });
        assert!(lost);
    }
}

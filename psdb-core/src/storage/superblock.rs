//! The superblocks: the two pages at the beginning of a page file that name its checkpoints.
//!
//! ```text
//!  0  magic "PSDBPAGE"
//!  8  checksum u32      of everything from byte 12 on
//! 12  version u32       1
//! 16  page size u32     8192
//! 20  slot u32          0 or 1
//! 24  generation u64    of the checkpoint
//! 32  page count u32    of the file
//! 36  reserved u32      0
//! 40  catalog: pointer to its chain, 16 bytes · length u32
//! 60  used pages: length u32 · pointer to the chain, 16 bytes
//! 80  note length u32
//! 84  note              what the owner keeps with the checkpoint, such as the applied index
//!  .. zero up to 8192
//! ```
//! A checkpoint overwrites the superblock of the one before the last. The *catalog* lists the
//! trees with their roots, the *used pages* are one bit for each page of the file (`freelist`).
//!
//! Invariant: while one superblock is being written, the other one is whole, and every page that
//! it leads to is durable.
//!
//! Left out: choosing between the two (`store::open`).

use bytes::Bytes;

use super::page::{PAGE_BYTES, PageId, Pointer, u32_at, u64_at};

const MAGIC: &[u8; 8] = b"PSDBPAGE";
const VERSION: u32 = 1;
const NOTE: usize = 84;
/// The most bytes of a checkpoint's note.
pub const MAX_NOTE_BYTES: usize = 4096;

/// Where the superblock of a slot stands.
pub(super) fn offset(slot: usize) -> u64 {
    PageId(slot as u32).offset()
}

/// What a superblock says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Superblock {
    pub(super) slot: usize,
    pub(super) generation: u64,
    pub(super) page_count: u32,
    pub(super) catalog: Chain,
    pub(super) used_pages: Chain,
    pub(super) note: Bytes,
}

/// A chain of overflow pages that belongs to a checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) head: Pointer,
    pub(super) length: u32,
}

impl Superblock {
    pub(super) fn encode(&self) -> Vec<u8> {
        assert!(self.note.len() <= MAX_NOTE_BYTES, "the note was checked before");
        let mut bytes = vec![0; PAGE_BYTES];
        let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
        put(0, MAGIC);
        put(12, &VERSION.to_le_bytes());
        put(16, &(PAGE_BYTES as u32).to_le_bytes());
        put(20, &(self.slot as u32).to_le_bytes());
        put(24, &self.generation.to_le_bytes());
        put(32, &self.page_count.to_le_bytes());
        put(40, &self.catalog.head.encode());
        put(56, &self.catalog.length.to_le_bytes());
        put(60, &self.used_pages.length.to_le_bytes());
        put(64, &self.used_pages.head.encode());
        put(80, &(self.note.len() as u32).to_le_bytes());
        put(NOTE, &self.note);
        let checksum = crc32fast::hash(&bytes[12..]);
        bytes[8..12].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads the superblock of `slot`, or says what is wrong with it.
    pub(super) fn decode(bytes: &[u8], slot: usize) -> Result<Superblock, String> {
        if bytes.len() != PAGE_BYTES {
            return Err(format!("a superblock of {} bytes", bytes.len()));
        }
        if bytes[..8] != *MAGIC {
            return Err("it does not begin like a page file of PSDB".into());
        }
        let (stored, computed) = (u32_at(bytes, 8), crc32fast::hash(&bytes[12..]));
        if stored != computed {
            return Err(format!("superblock checksum {stored:#010x}, expected {computed:#010x}"));
        }
        for (what, at, expected) in [
            ("version", 12, VERSION),
            ("page size", 16, PAGE_BYTES as u32),
            ("slot", 20, slot as u32),
            ("reserved field", 36, 0),
        ] {
            let found = u32_at(bytes, at);
            if found != expected {
                return Err(format!("its {what} is {found}; this PSDB reads {expected}"));
            }
        }
        let note_length = u32_at(bytes, 80) as usize;
        if note_length > MAX_NOTE_BYTES {
            return Err(format!("a note of {note_length} bytes"));
        }
        let rest = &bytes[NOTE + note_length..];
        if rest.iter().any(|byte| *byte != 0) {
            return Err("there is something behind its note".into());
        }
        let superblock = Superblock {
            slot,
            generation: u64_at(bytes, 24),
            page_count: u32_at(bytes, 32),
            catalog: Chain { head: pointer(bytes, 40)?, length: u32_at(bytes, 56) },
            used_pages: Chain { head: pointer(bytes, 64)?, length: u32_at(bytes, 60) },
            note: Bytes::copy_from_slice(&bytes[NOTE..NOTE + note_length]),
        };
        if superblock.generation > u64::MAX >> 2 {
            return Err(format!("generation {}", superblock.generation));
        }
        Ok(superblock)
    }
}

fn pointer(bytes: &[u8], at: usize) -> Result<Pointer, String> {
    let encoded = bytes[at..].first_chunk().expect("a superblock is longer than its fields");
    let pointer = Pointer::decode(encoded);
    match pointer.checksum {
        Some(_) => Ok(pointer),
        None => Err("a pointer without a checksum".into()),
    }
}

#[cfg(test)]
mod tests {
    //! Proves that a superblock comes back as it was written, and that no other bytes pass.

    use super::*;
    use proptest::prelude::*;

    fn example() -> Superblock {
        let head = |id| Pointer { id: PageId(id), generation: 3, checksum: Some(id * 7) };
        Superblock {
            slot: 1,
            generation: 4,
            page_count: 12,
            catalog: Chain { head: head(5), length: 100 },
            used_pages: Chain { head: head(6), length: 8 },
            note: Bytes::from_static(b"applied 17"),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = example().encode();
        assert_eq!(Superblock::decode(&bytes, 1), Ok(example()));
        assert!(Superblock::decode(&bytes, 0).unwrap_err().contains("slot"));
        assert!(Superblock::decode(&bytes[1..], 1).is_err());
    }

    #[test]
    fn every_flipped_bit_is_found() {
        let mut bytes = example().encode();
        for at in 0..bytes.len() {
            bytes[at] ^= 1 << (at % 8);
            assert!(Superblock::decode(&bytes, 1).is_err(), "byte {at}");
            bytes[at] ^= 1 << (at % 8);
        }
    }

    /// Gives bytes the magic and the right checksum, so that what follows is looked at.
    fn forged(mut bytes: Vec<u8>) -> Vec<u8> {
        bytes[..8].copy_from_slice(MAGIC);
        let checksum = crc32fast::hash(&bytes[12..]);
        bytes[8..12].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    proptest! {
        #[test]
        fn forged_bytes_do_no_harm(
            changes in prop::collection::vec((12..200_usize, any::<u8>()), 0..20),
        ) {
            let mut bytes = example().encode();
            for (at, byte) in changes {
                bytes[at] = byte;
            }
            if let Ok(read) = Superblock::decode(&forged(bytes.clone()), 1) {
                prop_assert_eq!(read.encode(), forged(bytes));
            }
        }

        #[test]
        fn arbitrary_bytes_do_no_harm(bytes in prop::collection::vec(any::<u8>(), PAGE_BYTES)) {
            prop_assert!(Superblock::decode(&forged(bytes), 0).is_err());
        }
    }
}

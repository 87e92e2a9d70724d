//! The catalog: the trees of a store with their roots, as a checkpoint stores them.
//!
//! ```text
//! | count u32 | per tree: name length u16 · name · entries u64 · has root u8 · pointer, 16 bytes |
//! ```
//! In memory it is a tree itself, so that a snapshot of all trees is one clone.
//!
//! Left out: what is in the trees.

use bytes::Bytes;

use super::StorageError;
use crate::storage::btree::BPlusTree;
use crate::storage::page::{Pointer, u16_at, u32_at, u64_at};

/// The most bytes of a tree's name.
pub const MAX_NAME_BYTES: usize = 1024;

/// Where a tree begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::storage) struct Root {
    /// The root page; none in an empty tree.
    pub(in crate::storage) page: Option<Pointer>,
    /// How many entries there are.
    pub(in crate::storage) entries: u64,
}

/// All trees by their names.
pub(in crate::storage) type Catalog = BPlusTree<Bytes, Root>;

/// How many bytes [`encode`] makes.
pub(in crate::storage) fn encoded_bytes(catalog: &Catalog) -> usize {
    4 + catalog.iter().map(|(name, _)| 2 + name.len() + 8 + 1 + Pointer::BYTES).sum::<usize>()
}

pub(in crate::storage) fn encode(catalog: &Catalog) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(encoded_bytes(catalog));
    bytes.extend_from_slice(&(catalog.len() as u32).to_le_bytes());
    for (name, root) in catalog {
        bytes.extend_from_slice(&(name.len() as u16).to_le_bytes());
        bytes.extend_from_slice(name);
        bytes.extend_from_slice(&root.entries.to_le_bytes());
        bytes.push(u8::from(root.page.is_some()));
        bytes.extend_from_slice(&root.page.map_or([0; Pointer::BYTES], Pointer::encode));
    }
    bytes
}

/// Reads what [`encode`] made, or says what is wrong with it.
pub(in crate::storage) fn decode(bytes: &[u8]) -> Result<Catalog, String> {
    let mut rest = bytes;
    let count = u32_at(take(&mut rest, 4)?, 0);
    let mut roots: Vec<(Bytes, Root)> = Vec::new();
    for _ in 0..count {
        let name_length = usize::from(u16_at(take(&mut rest, 2)?, 0));
        if name_length > MAX_NAME_BYTES {
            return Err(format!("a tree's name has {name_length} bytes"));
        }
        let name = Bytes::copy_from_slice(take(&mut rest, name_length)?);
        let fixed = take(&mut rest, 9 + Pointer::BYTES)?;
        let pointer = Pointer::decode(fixed[9..].first_chunk().expect("it was taken"));
        let page = match (fixed[8], pointer.checksum) {
            (0, _) => None,
            (1, Some(_)) => Some(pointer),
            _ => return Err(format!("the root of tree {name:?} is not settled")),
        };
        roots.push((name, Root { page, entries: u64_at(fixed, 0) }));
    }
    if !rest.is_empty() {
        return Err(format!("{} bytes follow the last tree", rest.len()));
    }
    Catalog::from_sorted(roots).map_err(|_| "trees are out of order".into())
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], String> {
    let taken = rest.split_off(..count);
    taken.ok_or_else(|| "it ends in the middle of a tree".to_owned())
}

/// Refuses a name that could not be read back.
pub(in crate::storage) fn check_name(name: &[u8]) -> Result<(), StorageError> {
    if name.len() <= MAX_NAME_BYTES {
        return Ok(());
    }
    let (bytes, limit) = (name.len() as u64, MAX_NAME_BYTES as u64);
    Err(StorageError::TooLarge { what: "a tree's name", bytes, limit })
}

#[cfg(test)]
mod tests {
    //! Proves that a catalog comes back, and that other bytes are refused without harm.

    use super::*;
    use crate::storage::page::PageId;
    use proptest::prelude::*;

    fn example() -> Catalog {
        let page = Some(Pointer { id: PageId(9), generation: 2, checksum: Some(1) });
        let mut catalog = Catalog::new();
        catalog.insert(Bytes::from_static(b"documents"), Root { page, entries: 7 });
        catalog.insert(Bytes::from_static(b"empty"), Root::default());
        catalog
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let bytes = encode(&example());
        assert_eq!(bytes.len(), encoded_bytes(&example()));
        assert_eq!(decode(&bytes), Ok(example()));
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length]).is_err());
        }
        let longer = [&bytes[..], &[0]].concat();
        assert!(decode(&longer).is_err());
    }

    proptest! {
        #[test]
        fn changed_bytes_do_no_harm(
            changes in prop::collection::vec((0..60_usize, any::<u8>()), 1..10),
        ) {
            let mut bytes = encode(&example());
            for (at, byte) in changes {
                bytes[at] = byte;
            }
            if let Ok(catalog) = decode(&bytes) {
                prop_assert_eq!(encode(&catalog).len(), bytes.len());
            }
        }
    }
}

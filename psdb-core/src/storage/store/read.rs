//! Lookups: from a root down to one entry.
//!
//! Left out: ranges (`cursor`).

use std::sync::Arc;

use bytes::Bytes;

use super::Root;
use super::cursor::Held;
use super::value::read_chain;
use crate::storage::StorageError;
use crate::storage::page::{Kind, Page, Pointer, Value};
use crate::storage::pager::Pager;

/// No tree of 2^32 pages is deeper, since a branch with room for four children is split at last.
pub(super) const MAX_DEPTH: usize = 40;

/// What a lookup met on one page.
pub(super) enum Met<R> {
    Child(Pointer, u8),
    Inline(R),
    Chain(u32, Pointer),
    Missing,
    Misplaced,
}

/// The value of `key`.
pub(super) fn get(pager: &Pager, root: Root, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
    look_up(pager, root, key, Bytes::copy_from_slice)?.read(pager)
}

/// Whether there is an entry for `key`.
pub(super) fn contains_key(pager: &Pager, root: Root, key: &[u8]) -> Result<bool, StorageError> {
    Ok(!matches!(look_up(pager, root, key, |_| ())?, Met::Missing))
}

/// Gives the value of `key` to `look`, without copying it if it stands in a leaf.
pub(super) fn with_value<R>(
    pager: &Pager,
    root: Root,
    key: &[u8],
    mut look: impl FnMut(&[u8]) -> R,
) -> Result<Option<R>, StorageError> {
    match look_up(pager, root, key, &mut look)? {
        Met::Inline(seen) => Ok(Some(seen)),
        Met::Chain(length, head) => Ok(Some(look(&read_chain(pager, length, head)?))),
        Met::Missing | Met::Child(..) | Met::Misplaced => Ok(None),
    }
}

impl Met<Bytes> {
    /// The value, read from its chain if need be.
    pub(super) fn read(self, pager: &Pager) -> Result<Option<Bytes>, StorageError> {
        match self {
            Met::Inline(value) => Ok(Some(value)),
            Met::Chain(length, head) => read_chain(pager, length, head).map(Some),
            Met::Missing | Met::Child(..) | Met::Misplaced => Ok(None),
        }
    }
}

/// Goes down to `key`; gives `Inline`, `Chain` or `Missing`.
fn look_up<R>(
    pager: &Pager,
    root: Root,
    key: &[u8],
    mut look: impl FnMut(&[u8]) -> R,
) -> Result<Met<R>, StorageError> {
    let Some(pointer) = root.page else { return Ok(Met::Missing) };
    let mut meet_at = |pointer| pager.with(pointer, |page| meet(page, key, &mut look));
    follow(pager, pointer, meet_at(pointer)?, meet_at)
}

/// The same from a root page that is at hand.
pub(super) fn look_up_below<R>(
    pager: &Pager,
    root: Pointer,
    page: &Page,
    key: &[u8],
    mut look: impl FnMut(&[u8]) -> R,
) -> Result<Met<R>, StorageError> {
    let met = meet(page, key, &mut look);
    follow(pager, root, met, |pointer| pager.with(pointer, |page| meet(page, key, &mut look)))
}

/// The value of `key` below a page that is at hand. One that stands in a leaf shares the leaf's memory.
pub(super) fn shared_below(
    pager: &Pager,
    root: Pointer,
    page: &Arc<Page>,
    key: &[u8],
) -> Result<Option<Bytes>, StorageError> {
    let meet = |page: &Arc<Page>| meet(page, key, &mut |value| page_part(page, value));
    follow(pager, root, meet(page), |pointer| Ok(meet(&pager.get(pointer)?)))?.read(pager)
}

/// A part of a page, which stays in memory with it.
fn page_part(page: &Arc<Page>, part: &[u8]) -> Bytes {
    Bytes::from_owner(Held(Arc::clone(page))).slice_ref(part)
}

/// Reports a page that is no part of a tree, in a tree.
pub(super) fn misplaced(pager: &Pager, pointer: Pointer) -> StorageError {
    pager.corrupt(pointer.id, "an overflow page stands where a leaf should")
}

/// What a lookup of `key` meets on a page.
fn meet<R>(page: &Page, key: &[u8], look: &mut impl FnMut(&[u8]) -> R) -> Met<R> {
    match page.kind() {
        Kind::Branch => Met::Child(page.child(page.child_for(key)), page.level()),
        Kind::Leaf => match page.search(key).map(|at| page.value(at)) {
            Ok(Value::Inline(value)) => Met::Inline(look(value)),
            Ok(Value::Chain { length, head }) => Met::Chain(length, head),
            Err(_) => Met::Missing,
        },
        Kind::Overflow => Met::Misplaced,
    }
}

/// Goes on from what was met on the page of `pointer`; `meet_at` says what is met on further ones.
fn follow<R>(
    pager: &Pager,
    mut pointer: Pointer,
    mut met: Met<R>,
    mut meet_at: impl FnMut(Pointer) -> Result<Met<R>, StorageError>,
) -> Result<Met<R>, StorageError> {
    let mut depth = 0;
    loop {
        match met {
            Met::Child(child, level) => {
                depth += 1;
                check_depth(pager, pointer, level, depth)?;
                pointer = child;
            }
            Met::Misplaced => return Err(misplaced(pager, pointer)),
            found => return Ok(found),
        }
        met = meet_at(pointer)?;
    }
}

/// Fails on a walk so deep that pages must lead back to themselves.
pub(super) fn check_depth(
    pager: &Pager,
    pointer: Pointer,
    level: u8,
    depth: usize,
) -> Result<(), StorageError> {
    if depth + usize::from(level) <= MAX_DEPTH {
        return Ok(());
    }
    Err(pager.corrupt(pointer.id, format!("a branch of level {level} at depth {depth}")))
}

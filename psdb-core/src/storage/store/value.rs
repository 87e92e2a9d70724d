//! Values too long for a leaf: chains of overflow pages, written and read as a whole.
//!
//! Left out: one page of a chain (`page::overflow`).

use bytes::Bytes;

use super::Store;
use crate::storage::StorageError;
use crate::storage::page::{Kind, OVERFLOW_BYTES, Page, PageId, Pointer, Value, ValueCell};
use crate::storage::pager::Pager;

impl Store {
    /// The cell of an entry; a long value gets a chain.
    pub(super) fn value_cell(
        &mut self,
        key: &[u8],
        value: &[u8],
    ) -> Result<ValueCell, StorageError> {
        if ValueCell::fits_inline(key, value.len()) {
            return Ok(ValueCell::new(key, Value::Inline(value)));
        }
        let head = self.add_chain(value)?;
        Ok(ValueCell::new(key, Value::Chain { length: value.len() as u32, head }))
    }

    /// Makes the chain of a value, the last page first, so that each knows the next one's sum.
    pub(super) fn add_chain(&mut self, value: &[u8]) -> Result<Pointer, StorageError> {
        let count = value.len().div_ceil(OVERFLOW_BYTES).max(1);
        let places: Vec<PageId> = (0..count).map(|_| self.allocate()).collect::<Result<_, _>>()?;
        let mut next = None;
        for (at, id) in places.into_iter().enumerate().rev() {
            let end = value.len().min((at + 1) * OVERFLOW_BYTES);
            let mut page = Page::overflow(self.generation, &value[at * OVERFLOW_BYTES..end], next);
            let checksum = Some(page.seal(id));
            next = Some(Pointer { id, generation: self.generation, checksum });
            self.place(id, page);
        }
        Ok(next.expect("a chain has a page at least"))
    }

    /// Frees the pages of a chain.
    pub(super) fn free_chain(&mut self, length: u32, head: Pointer) -> Result<(), StorageError> {
        for pointer in chain_pages(&self.shared.pager, length, head)? {
            self.free(pointer)?;
        }
        Ok(())
    }
}

/// The pages of a chain, which are verified to hold `length` bytes together.
pub(super) fn chain_pages(
    pager: &Pager,
    length: u32,
    head: Pointer,
) -> Result<Vec<Pointer>, StorageError> {
    let mut pages = Vec::new();
    walk_chain(pager, length, head, |pointer, _| pages.push(pointer))?;
    Ok(pages)
}

/// The content of a chain.
pub(super) fn read_chain(pager: &Pager, length: u32, head: Pointer) -> Result<Bytes, StorageError> {
    let mut value = Vec::new();
    walk_chain(pager, length, head, |_, payload| value.extend_from_slice(payload))?;
    Ok(value.into())
}

/// Goes along a chain; a length that does not fit ends the walk, so a circle does too.
fn walk_chain(
    pager: &Pager,
    length: u32,
    head: Pointer,
    mut visit: impl FnMut(Pointer, &[u8]),
) -> Result<(), StorageError> {
    let (mut missing, mut next) = (length as usize, Some(head));
    while let Some(pointer) = next {
        let page = pager.get(pointer)?;
        let fits = page.kind() == Kind::Overflow && page.payload().len() <= missing;
        if !fits || missing == 0 {
            let reason = format!("it is no part of a chain with {missing} bytes to come");
            return Err(pager.corrupt(pointer.id, reason));
        }
        visit(pointer, page.payload());
        missing -= page.payload().len();
        next = page.next();
    }
    if missing > 0 {
        let reason = format!("the chain that begins here lacks {missing} bytes");
        return Err(pager.corrupt(head.id, reason));
    }
    Ok(())
}

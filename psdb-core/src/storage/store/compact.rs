//! Compaction: giving the space of removed entries back to the file system.
//!
//! Pages near the file's end are copied to free places near its beginning, the lowest first. Two
//! checkpoints later nothing leads to their old places, and the file is cut there.
//!
//! Left out: doing it by itself; deleting gives space back to later inserts in any case.

use std::sync::Arc;

use bytes::Bytes;

use super::{Root, Store};
use crate::storage::StorageError;
use crate::storage::freelist::FIRST_PAGE;
use crate::storage::page::{Kind, Page, PageId, Pointer, Value, ValueCell};

/// The size of a file before and after it was compacted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// Pages before.
    pub pages_before: u64,
    /// Pages after.
    pub pages_after: u64,
}

impl Store {
    /// Moves pages from the end of the file to free places and cuts the file; takes several
    /// checkpoints with `note`. Pages that snapshots show stay where they are.
    ///
    /// Costs a walk over all pages, and a copy of those that move.
    ///
    /// # Errors
    ///
    /// As for [`Store::insert`] and [`Store::checkpoint`].
    pub fn compact(&mut self, note: &[u8]) -> Result<Compacted, StorageError> {
        let pages_before = u64::from(self.freelist.page_count());
        // What was freed before becomes available with these.
        self.checkpoint(note)?;
        self.checkpoint(note)?;
        self.begin_write()?;
        let end = PageId(FIRST_PAGE + self.freelist.used().len() as u32);
        let moved = self.move_trees(end);
        moved.map_err(|error| self.shared.pager.fail(error))?;
        // One makes the move durable, two free the old places in both superblocks, and the lists
        // of the last one are in low places then.
        for _ in 0..3 {
            self.checkpoint(note)?;
        }
        self.begin_write()?;
        self.freelist.cut();
        self.checkpoint(note)?;
        let page_count = self.freelist.page_count();
        self.shared.pager.cut(page_count)?;
        self.shared.pager.sync()?;
        Ok(Compacted { pages_before, pages_after: u64::from(page_count) })
    }

    fn move_trees(&mut self, end: PageId) -> Result<(), StorageError> {
        let roots: Vec<(Bytes, Root)> =
            self.catalog.iter().map(|(name, root)| (name.clone(), *root)).collect();
        for (name, root) in roots {
            let Some(page) = root.page else { continue };
            let page = Some(self.move_below(page, end)?);
            self.set_root(&name, Root { page, ..root });
        }
        Ok(())
    }

    /// Moves the pages at and below `pointer` that are at `end` or behind it.
    fn move_below(&mut self, pointer: Pointer, end: PageId) -> Result<Pointer, StorageError> {
        let page = self.shared.pager.get(pointer)?;
        match page.kind() {
            Kind::Branch => {
                let mut own = self.move_page(pointer, end)?;
                for at in 0..page.children() {
                    let child = page.child(at);
                    let moved = self.move_below(child, end)?;
                    if moved.id != child.id {
                        own = self.own(own)?;
                        self.shared.pager.update(own.id, |page| page.set_child(at, moved));
                    }
                }
                Ok(own)
            }
            Kind::Leaf => self.move_chains(pointer, &page, end),
            Kind::Overflow => Err(super::read::misplaced(&self.shared.pager, pointer)),
        }
    }

    /// Moves a leaf and the chains of its values.
    fn move_chains(
        &mut self,
        pointer: Pointer,
        page: &Page,
        end: PageId,
    ) -> Result<Pointer, StorageError> {
        let mut own = self.move_page(pointer, end)?;
        for at in 0..page.count() {
            let Value::Chain { length, head } = page.value(at) else { continue };
            let pages = super::value::chain_pages(&self.shared.pager, length, head)?;
            if pages.iter().all(|pointer| pointer.id < end) {
                continue;
            }
            let value = super::value::read_chain(&self.shared.pager, length, head)?;
            let head = self.add_chain(&value)?;
            self.free_chain(length, pages[0])?;
            own = self.own(own)?;
            let cell = ValueCell::new(page.key(at), Value::Chain { length, head });
            let fits = self.shared.pager.update(own.id, |page| page.put_entry(at, &cell, true));
            assert!(fits, "the new cell is as long as the old one");
        }
        Ok(own)
    }

    fn move_page(&mut self, pointer: Pointer, end: PageId) -> Result<Pointer, StorageError> {
        if pointer.id < end {
            return Ok(pointer);
        }
        let mut page = self.shared.pager.get(pointer)?;
        Arc::make_mut(&mut page).set_generation(self.generation);
        let moved = self.add(page)?;
        self.free(pointer)?;
        Ok(moved)
    }
}

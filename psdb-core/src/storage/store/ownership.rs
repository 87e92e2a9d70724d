//! Ownership: which pages the writer may change, and where changed pages go.
//!
//! - made since the last checkpoint began, and seen by no snapshot: changed in place;
//! - anything else: copied to a new place, and the old one is freed.
//!
//! Invariant: a page that the writer owns is dirty and in memory, and the pointer to it is
//! unsettled.
//!
//! Left out: the walks (`insert`, `remove`).

use std::sync::Arc;

use super::{Root, Store};
use crate::storage::StorageError;
use crate::storage::page::{Kind, Page, PageId, Pointer};

/// How many pages a write puts on disk ahead of the checkpoint at most.
const WRITTEN_AHEAD: usize = 256;

impl Store {
    /// Begins a change: notes who looks on, takes back what is free, writes ahead.
    pub(super) fn begin_write(&mut self) -> Result<(), StorageError> {
        self.shared.pager.check_usable()?;
        self.era = self.shared.eras.now();
        if self.freelist.waiting() > 0 {
            let durable = self.shared.progress.lock().newest.generation;
            let pager = &self.shared.pager;
            self.freelist.reclaim(self.era.oldest_seen, durable, |id| pager.discard(id));
        }
        let count = self.shared.pager.cache().surplus(self.unwritten.len()).min(WRITTEN_AHEAD);
        if count > 0 {
            self.shared.pager.write(self.unwritten.drain(..count))?;
        }
        Ok(())
    }

    pub(super) fn allocate(&mut self) -> Result<PageId, StorageError> {
        self.freelist.allocate().ok_or_else(|| StorageError::Refused {
            reason: format!("{} has no more page numbers", self.shared.pager.path().display()),
        })
    }

    /// Gives a new page a place.
    pub(super) fn add(&mut self, page: impl Into<Arc<Page>>) -> Result<Pointer, StorageError> {
        let page = page.into();
        let id = self.allocate()?;
        let generation = page.generation();
        self.place(id, page);
        Ok(Pointer::unsettled(id, generation))
    }

    /// Puts a page where the writer owns the place.
    pub(super) fn place(&mut self, id: PageId, page: impl Into<Arc<Page>>) {
        let page = page.into();
        if page.kind() != Kind::Branch {
            self.unwritten.push_back((id, self.era.current));
        }
        self.changed_pages += 1;
        self.shared.pager.create(id, page, self.era.current);
    }

    /// Replaces a page that the writer owns. It keeps its birth, by which it is known as unwritten.
    pub(super) fn replace(&mut self, id: PageId, page: Page) {
        self.shared.pager.update(id, |old| *old = page);
    }

    /// Makes a page the writer's own, copying it if it is not yet.
    pub(super) fn own(&mut self, pointer: Pointer) -> Result<Pointer, StorageError> {
        if self.shared.pager.is_dirty_since(pointer.id, self.era.newest_seen) {
            return Ok(Pointer::unsettled(pointer.id, pointer.generation));
        }
        let mut page = self.shared.pager.get(pointer)?;
        // The cache has it too, so this copies it, into its place in memory and nowhere else.
        Arc::make_mut(&mut page).set_generation(self.generation);
        let owned = self.add(page)?;
        self.free(pointer)?;
        Ok(owned)
    }

    /// Frees a page of a tree.
    ///
    /// # Errors
    ///
    /// [`StorageError::Corrupt`] when it is not used, so that two pages must have pointed to it.
    pub(super) fn free(&mut self, pointer: Pointer) -> Result<(), StorageError> {
        self.finger.forget();
        let last_begun = self.generation - 1;
        let checkpoint = (pointer.generation <= last_begun).then_some(last_begun);
        let is_visible = self.shared.pager.is_visible_at(pointer.id, self.era.newest_seen);
        let was_used = if checkpoint.is_none() && !is_visible {
            self.shared.pager.discard(pointer.id);
            self.freelist.free(pointer.id)
        } else {
            self.freelist.retire(pointer.id, checkpoint, self.era.current)
        };
        let twice = || self.shared.pager.corrupt(pointer.id, "more than one page points here");
        if was_used { Ok(()) } else { Err(twice()) }
    }

    pub(super) fn set_root(&mut self, tree: &[u8], root: Root) {
        match self.catalog.get(tree) {
            Some(known) if *known == root => {}
            _ => {
                self.catalog.insert(self.finger.name_of(tree), root);
            }
        }
    }

    /// Fills in the checksums of what the last checkpoint wrote wherever the writer's own pages
    /// point to it, so that the pager can forget them.
    ///
    /// Only dirty branches can hold such pointers: others were filled in when they were written.
    pub(super) fn settle_pointers(&mut self) -> Result<(), StorageError> {
        let roots: Vec<_> = self.catalog.iter().map(|(name, root)| (name.clone(), *root)).collect();
        for (name, root) in roots {
            let Some(page) = root.page else { continue };
            if page.generation == self.generation {
                self.settle_below(page)?;
            } else if page.checksum.is_none() {
                let page = Some(self.shared.pager.settled(page)?);
                self.catalog.insert(name, Root { page, ..root });
            }
        }
        self.shared.pager.forget_checksums(self.generation);
        Ok(())
    }

    fn settle_below(&self, pointer: Pointer) -> Result<(), StorageError> {
        let pager = &self.shared.pager;
        let (mut stale, mut own) = (Vec::new(), Vec::new());
        let page = pager.get(pointer)?;
        if page.kind() != Kind::Branch {
            return Ok(());
        }
        for at in 0..page.children() {
            let child = page.child(at);
            if child.generation == self.generation {
                own.push(child);
            } else if child.checksum.is_none() {
                stale.push((at, pager.settled(child)?));
            }
        }
        let level = page.level();
        drop(page);
        if !stale.is_empty() {
            pager.update_if_dirty(pointer.id, |page| {
                for (at, child) in &stale {
                    page.set_child(*at, *child);
                }
            });
        }
        if level > 1 {
            own.into_iter().try_for_each(|child| self.settle_below(child))?;
        }
        Ok(())
    }
}

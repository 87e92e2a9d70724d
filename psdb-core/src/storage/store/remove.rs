//! Removing: entries, and whole trees.
//!
//! A leaf that gets empty goes; a page that is less than a quarter full is merged with a neighbour
//! if the two fit into one with some room to spare. Pages are not evened out: where two do not fit
//! into one, they are half full on average. A branch whose last child goes, goes as well.
//!
//! Left out: what happens inside a page (`page`).

use super::insert::Step;
use super::{Root, Store};
use crate::storage::StorageError;
use crate::storage::page::{Kind, Page, Pointer, Value};

/// A page with less than this is merged.
const MIN_USED: usize = Page::ROOM / 4;
/// A page that was merged has at most this, so that the next insert does not split it again.
const MAX_MERGED: usize = Page::ROOM - Page::ROOM / 8;

/// What a removal left of a page.
#[derive(Clone, Copy, Debug)]
enum Rest {
    Nothing,
    Page { pointer: Pointer, used: usize },
}

impl Store {
    /// Removes the entry of `key`; says whether there was one.
    ///
    /// # Errors
    ///
    /// As for [`Store::insert`].
    pub fn remove(&mut self, tree: &[u8], key: &[u8]) -> Result<bool, StorageError> {
        self.begin_write()?;
        let removed = self.remove_from(tree, key);
        removed.map_err(|error| self.shared.pager.fail(error))
    }

    pub(super) fn remove_from(&mut self, tree: &[u8], key: &[u8]) -> Result<bool, StorageError> {
        let root = self.root(tree);
        let Some(page) = root.page else { return Ok(false) };
        let (path, place) = self.descend(page, key, |_, _| ())?;
        let Ok(at) = place.at else { return Ok(false) };
        if let Some((length, head)) = place.chain {
            self.free_chain(length, head)?;
        }
        let leaf = self.own(place.leaf)?;
        let used = self.shared.pager.update(leaf.id, |page| {
            page.remove_entry(at);
            if page.count() == 0 { None } else { Some(page.used()) }
        });
        let rest = match used {
            Some(used) => Rest::Page { pointer: leaf, used },
            None => {
                self.free(leaf)?;
                Rest::Nothing
            }
        };
        let page = self.shrink(path, place.leaf, rest)?;
        self.set_root(tree, Root { page, entries: root.entries - 1 });
        Ok(true)
    }

    /// Walks up from a leaf that was freed; gives the new root page.
    pub(super) fn shrink_to_nothing(
        &mut self,
        path: Vec<Step>,
        leaf: Pointer,
    ) -> Result<Option<Pointer>, StorageError> {
        self.shrink(path, leaf, Rest::Nothing)
    }

    /// Walks up from a page of which something was removed; gives the new root page.
    fn shrink(
        &mut self,
        mut path: Vec<Step>,
        mut old: Pointer,
        mut rest: Rest,
    ) -> Result<Option<Pointer>, StorageError> {
        while let Some(step) = path.pop() {
            if let Rest::Page { pointer, used } = rest
                && pointer.id == old.id
                && used >= MIN_USED
            {
                return Ok(Some(path.first().map_or(step.branch, |first| first.branch)));
            }
            let branch = self.own(step.branch)?;
            rest = self.shrink_branch(branch, step.at, rest)?;
            old = step.branch;
        }
        match rest {
            Rest::Nothing => Ok(None),
            Rest::Page { pointer, .. } => self.lower_root(pointer).map(Some),
        }
    }

    /// Does in an own branch what became of its child; says what is left of the branch.
    fn shrink_branch(
        &mut self,
        branch: Pointer,
        at: usize,
        child: Rest,
    ) -> Result<Rest, StorageError> {
        let children = self.shared.pager.with(branch, Page::children)?;
        match child {
            Rest::Nothing if children == 1 => {
                self.free(branch)?;
                return Ok(Rest::Nothing);
            }
            Rest::Nothing => self.shared.pager.update(branch.id, |page| page.remove_child(at)),
            Rest::Page { pointer, used } => {
                self.shared.pager.update(branch.id, |page| page.set_child(at, pointer));
                if used < MIN_USED && children > 1 {
                    let left = if at + 1 < children { at } else { at - 1 };
                    self.merge_children(branch, left)?;
                }
            }
        }
        let used = self.shared.pager.with(branch, Page::used)?;
        Ok(Rest::Page { pointer: branch, used })
    }

    /// Merges child `at` of an own branch with the next one, if they fit into one page.
    fn merge_children(&mut self, branch: Pointer, at: usize) -> Result<(), StorageError> {
        let pager = &self.shared.pager;
        let (left, right, separator) = pager
            .with(branch, |page| (page.child(at), page.child(at + 1), page.key(at).to_vec()))?;
        let right_page = pager.get(right)?;
        if pager.with(left, Page::level)? != right_page.level() {
            return Err(pager.corrupt(right.id, "it is not on the level of its neighbours"));
        }
        if pager.with(left, |page| page.merged_size(&separator, &right_page))? > MAX_MERGED {
            return Ok(());
        }
        let own = self.own(left)?;
        self.shared.pager.update(own.id, |page| match page.kind() {
            Kind::Branch => page.append_branch(&separator, &right_page),
            Kind::Leaf | Kind::Overflow => page.append_leaf(&right_page),
        });
        self.free(right)?;
        self.shared.pager.update(branch.id, |page| {
            page.set_child(at, own);
            page.remove_child(at + 1);
        });
        Ok(())
    }

    /// Takes root branches with a single child away.
    fn lower_root(&mut self, mut root: Pointer) -> Result<Pointer, StorageError> {
        while let Some(only) = self.shared.pager.with(root, |page| {
            (page.kind() == Kind::Branch && page.children() == 1).then(|| page.child(0))
        })? {
            self.free(root)?;
            root = only;
        }
        Ok(root)
    }

    /// Removes all entries of a tree, and its name. Costs a walk over all its pages.
    ///
    /// # Errors
    ///
    /// As for [`Store::insert`].
    pub fn remove_tree(&mut self, tree: &[u8]) -> Result<(), StorageError> {
        self.begin_write()?;
        let freed = match self.root(tree).page {
            Some(page) => self.free_below(page),
            None => Ok(()),
        };
        self.catalog.remove(tree);
        freed.map_err(|error| self.shared.pager.fail(error))
    }

    fn free_below(&mut self, pointer: Pointer) -> Result<(), StorageError> {
        let page = self.shared.pager.get(pointer)?;
        if page.kind() == Kind::Branch {
            (0..page.children()).try_for_each(|at| self.free_below(page.child(at)))?;
        } else {
            for at in 0..page.count() {
                if let Value::Chain { length, head } = page.value(at) {
                    self.free_chain(length, head)?;
                }
            }
        }
        self.free(pointer)
    }
}

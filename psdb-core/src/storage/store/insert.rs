//! Inserting: down to a leaf, and up again as far as pages moved or were split.
//!
//! ```text
//! entries   a b c d │ k l │ x      near: all that belong into the leaf of the last insert, as long
//!           └─near──┘ └near┘ ...         as there is room, in one go
//!                     ▲     ▲      far: a walk down, which the next ones are near to
//! ```
//! Left out: what happens inside a page (`page`).

use std::cmp::Ordering;

use bytes::Bytes;

use super::{Root, Store};
use crate::storage::StorageError;
use crate::storage::page::{Halves, Kind, MAX_KEY_BYTES, Page, Pointer, Value, ValueCell};

/// A branch on the way down, and which of its children was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    pub(super) branch: Pointer,
    pub(super) at: usize,
}

/// Where a walk down has ended.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) leaf: Pointer,
    /// Where the key is, or where it would be.
    pub(super) at: Result<usize, usize>,
    /// Whether an entry there would be the last of its tree.
    pub(super) is_last: bool,
    /// The chain of the value that is there.
    pub(super) chain: Option<(u32, Pointer)>,
}

/// The leaf that the last insert went to, and between which keys it lies: what is inserted next is
/// often near. Whatever could give the leaf's place to another page forgets it.
#[derive(Debug, Default)]
pub(super) struct Finger {
    tree: Bytes,
    leaf: Option<Pointer>,
    bounds: Bounds,
    /// Where cells are put together.
    cell: ValueCell,
}

/// The separators to the left and right of a leaf; none at the ends of the tree.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    low: Bound,
    high: Bound,
}

/// A separator, whose memory is used again.
#[derive(Debug, Default)]
struct Bound {
    is_set: bool,
    key: Vec<u8>,
}

impl Bound {
    fn set(&mut self, key: &[u8]) {
        self.is_set = true;
        self.key.clear();
        self.key.extend_from_slice(key);
    }

    fn get(&self) -> Option<&[u8]> {
        self.is_set.then_some(&self.key[..])
    }
}

impl Bounds {
    fn clear(&mut self) {
        (self.low.is_set, self.high.is_set) = (false, false);
    }

    /// Narrows them to the `at`-th child of a branch.
    fn narrow(&mut self, branch: &Page, at: usize) {
        if at > 0 {
            self.low.set(branch.key(at - 1));
        }
        if at < branch.count() {
            self.high.set(branch.key(at));
        }
    }

    fn contain(&self, key: &[u8]) -> bool {
        self.low.get().is_none_or(|low| low <= key) && self.high.get().is_none_or(|high| key < high)
    }
}

impl Finger {
    /// A tree's name, without a copy if it is the tree of the last insert.
    pub(super) fn name_of(&self, tree: &[u8]) -> Bytes {
        if self.tree == tree { self.tree.clone() } else { Bytes::copy_from_slice(tree) }
    }

    /// From now on it points nowhere.
    pub(super) fn forget(&mut self) {
        self.leaf = None;
    }
}

/// A key and its value.
type Entry<'a> = (&'a [u8], &'a [u8]);

/// A page that has been split: the separator and the page to its right.
type Split = (Vec<u8>, Pointer);

impl Store {
    /// Sets the value of `key` in a tree, which is made if there is none; says whether the key is
    /// new.
    ///
    /// # Errors
    ///
    /// [`StorageError::TooLarge`] for a key of more than [`MAX_KEY_BYTES`] bytes or a value of
    /// 4 GiB, and nothing is changed; otherwise [`StorageError::Io`], [`StorageError::Corrupt`] or
    /// [`StorageError::Poisoned`], after which the store must be opened anew.
    pub fn insert(&mut self, tree: &[u8], key: &[u8], value: &[u8]) -> Result<bool, StorageError> {
        Ok(self.insert_all(tree, &[(key, value)])? == 1)
    }

    /// Sets the values of several keys in a tree, which is made if there is none; says how many of
    /// the keys are new.
    ///
    /// They may come in any order, and of two entries for one key the later one stays. In the order
    /// of their keys they cost one walk down for each leaf they belong to, not one each.
    ///
    /// # Errors
    ///
    /// As for [`Store::insert`]; nothing is changed if one of them is too large.
    ///
    /// # Examples
    ///
    /// ```
    /// use psdb_core::env::SimDisk;
    /// use psdb_core::storage::{PageCache, Store};
    /// use std::path::Path;
    ///
    /// let disk = SimDisk::new();
    /// let (mut store, _) = Store::open(&disk, Path::new("/films"), PageCache::new(1 << 20))?;
    /// store.insert(b"by year", b"1982", b"Tron")?;
    /// let films: [(&[u8], &[u8]); 2] = [(b"1977", b"Eraserhead"), (b"1982", b"Blade Runner")];
    /// assert_eq!(store.insert_all(b"by year", &films)?, 1, "there was an entry for 1982");
    /// assert_eq!(store.get(b"by year", b"1982")?.as_deref(), Some(&b"Blade Runner"[..]));
    /// # Ok::<(), psdb_core::storage::StorageError>(())
    /// ```
    pub fn insert_all(&mut self, tree: &[u8], entries: &[Entry<'_>]) -> Result<u64, StorageError> {
        for (key, value) in entries {
            check_sizes(key, value)?;
        }
        super::catalog::check_name(tree)?;
        let inserted = self.insert_into(tree, entries);
        inserted.map_err(|error| self.shared.pager.fail(error))
    }

    fn insert_into(&mut self, tree: &[u8], mut entries: &[Entry<'_>]) -> Result<u64, StorageError> {
        let mut new = 0;
        while let Some((key, value)) = entries.first() {
            self.begin_write()?;
            let (mut put, mut fresh) = self.insert_near(tree, entries);
            if put == 0 {
                (put, fresh) = (1, u64::from(self.insert_far(tree, key, value)?));
            } else if fresh > 0 {
                let root = self.root(tree);
                self.set_root(tree, Root { entries: root.entries + fresh, ..root });
            }
            new += fresh;
            entries = &entries[put..];
        }
        Ok(new)
    }

    /// Puts an entry wherever it belongs; says whether its key is new.
    fn insert_far(&mut self, tree: &[u8], key: &[u8], value: &[u8]) -> Result<bool, StorageError> {
        let root = self.root(tree);
        let cell = self.value_cell(key, value)?;
        self.finger.forget();
        let Some(page) = root.page else {
            let mut leaf = Page::leaf(self.generation);
            assert!(leaf.put_entry(0, &cell, false), "an empty leaf has room for any entry");
            let page = Some(self.add(leaf)?);
            self.set_root(tree, Root { page, entries: 1 });
            return Ok(true);
        };
        let mut bounds = std::mem::take(&mut self.finger.bounds);
        bounds.clear();
        let (path, place) = self.descend(page, key, |branch, at| bounds.narrow(branch, at))?;
        if let Some((length, head)) = place.chain {
            self.free_chain(length, head)?;
        }
        let (mut leaf, split) = self.put_into_leaf(&place, &cell)?;
        let root_page = self.ascend(path, &place, leaf, split.as_ref())?;
        if let Some((separator, right)) = split {
            if &separator[..] <= key {
                bounds.low.set(&separator);
                leaf = right;
            } else {
                bounds.high.set(&separator);
            }
        }
        let is_new = place.at.is_err();
        let entries = root.entries + u64::from(is_new);
        self.set_root(tree, Root { page: Some(root_page), entries });
        if self.finger.tree != tree {
            self.finger.tree = Bytes::copy_from_slice(tree);
        }
        self.finger.leaf = Some(leaf);
        self.finger.bounds = bounds;
        Ok(is_new)
    }

    /// Puts the first of these entries into the leaf of the last insert, as many as belong there and
    /// find room, if it is the writer's own; says how many, and how many of them are new.
    fn insert_near(&mut self, tree: &[u8], entries: &[Entry<'_>]) -> (usize, u64) {
        let Finger { tree: near, leaf, bounds, cell } = &mut self.finger;
        let belongs = |(key, _): &Entry<'_>| near[..] == *tree && bounds.contain(key);
        let Some(leaf) = leaf.filter(|_| entries.first().is_some_and(belongs)) else {
            return (0, 0);
        };
        let pager = &self.shared.pager;
        let put = pager.update_since(leaf.id, self.era.newest_seen, |page| {
            put_run(page, bounds, cell, entries)
        });
        put.unwrap_or_default()
    }

    /// Walks down to where `key` is or would be; `passed` sees each branch and which child is taken.
    pub(super) fn descend(
        &self,
        root: Pointer,
        key: &[u8],
        mut passed: impl FnMut(&Page, usize),
    ) -> Result<(Vec<Step>, Place), StorageError> {
        let (mut path, mut pointer, mut is_last) = (Vec::new(), root, true);
        loop {
            let found = self.shared.pager.with(pointer, |page| match page.kind() {
                Kind::Branch => {
                    let at = page.child_for(key);
                    passed(page, at);
                    let is_last = at + 1 == page.children();
                    Ok((at, page.child(at), is_last, page.level()))
                }
                Kind::Leaf | Kind::Overflow => {
                    let at = page.search(key);
                    let chain = at.ok().and_then(|at| match page.value(at) {
                        Value::Inline(_) => None,
                        Value::Chain { length, head } => Some((length, head)),
                    });
                    Err((at, at == Err(page.count()), chain, page.kind()))
                }
            })?;
            match found {
                Ok((at, child, is_last_child, level)) => {
                    path.push(Step { branch: pointer, at });
                    is_last &= is_last_child;
                    super::read::check_depth(&self.shared.pager, pointer, level, path.len())?;
                    pointer = child;
                }
                Err((_, _, _, Kind::Overflow)) => {
                    return Err(super::read::misplaced(&self.shared.pager, pointer));
                }
                Err((at, is_end, chain, _)) => {
                    let place = Place { leaf: pointer, at, is_last: is_last && is_end, chain };
                    return Ok((path, place));
                }
            }
        }
    }

    fn put_into_leaf(
        &mut self,
        place: &Place,
        cell: &ValueCell,
    ) -> Result<(Pointer, Option<Split>), StorageError> {
        let leaf = self.own(place.leaf)?;
        let (at, replaces) = match place.at {
            Ok(at) => (at, true),
            Err(at) => (at, false),
        };
        let pager = &self.shared.pager;
        if pager.update(leaf.id, |page| page.put_entry(at, cell, replaces)) {
            return Ok((leaf, None));
        }
        let page = pager.get(leaf)?;
        let halves = page.split_leaf(at, cell, replaces, place.is_last);
        Ok((leaf, Some(self.put_halves(leaf, halves)?)))
    }

    fn put_halves(&mut self, left: Pointer, halves: Halves) -> Result<Split, StorageError> {
        self.replace(left.id, halves.left);
        Ok((halves.separator, self.add(halves.right)?))
    }

    /// Walks up from a leaf that was changed; gives the new root page.
    fn ascend(
        &mut self,
        mut path: Vec<Step>,
        place: &Place,
        leaf: Pointer,
        split: Option<&Split>,
    ) -> Result<Pointer, StorageError> {
        let (mut old, mut child, mut split) = (place.leaf, leaf, split.cloned());
        let mut level = 0;
        while let Some(step) = path.pop() {
            if child.id == old.id && split.is_none() {
                // Nothing changes further up; the root is the first step, or this branch.
                return Ok(path.first().map_or(step.branch, |first| first.branch));
            }
            let branch = self.own(step.branch)?;
            level += 1;
            let fits = self.shared.pager.update(branch.id, |page| {
                page.set_child(step.at, child);
                let fits =
                    |(separator, right): &Split| page.insert_child(step.at, separator, *right);
                split.as_ref().is_none_or(fits)
            });
            split = match split.take() {
                Some((separator, right)) if !fits => {
                    let page = self.shared.pager.get(branch)?;
                    let halves = page.split_branch(step.at, &separator, right, place.is_last);
                    Some(self.put_halves(branch, halves)?)
                }
                _ => None,
            };
            (old, child) = (step.branch, branch);
        }
        let Some((separator, right)) = split else { return Ok(child) };
        let mut root = Page::branch(level + 1, self.generation, child);
        assert!(root.insert_child(0, &separator, right), "a new root has room for two children");
        self.add(root)
    }
}

/// Puts the first of these entries into a leaf, as many as belong there and find room; says how many,
/// and how many of them are new.
fn put_run(
    leaf: &mut Page,
    bounds: &Bounds,
    cell: &mut ValueCell,
    entries: &[Entry<'_>],
) -> (usize, u64) {
    // Entries often come in order, and behind all others.
    let (mut put, mut new, mut last) = (0, 0, leaf.count().checked_sub(1));
    for (key, value) in entries {
        let place = if ValueCell::fits_inline(key, value.len()) {
            place_near(leaf, bounds, last, key)
        } else {
            None
        };
        let (at, replaces) = match place {
            Some(Ok(at)) if !matches!(leaf.value(at), Value::Chain { .. }) => (at, true),
            Some(Err(at)) => (at, false),
            Some(Ok(_)) | None => break,
        };
        cell.set(key, Value::Inline(value));
        if !leaf.put_entry(at, cell, replaces) {
            break;
        }
        last = Some(at);
        put += 1;
        new += u64::from(!replaces);
    }
    (put, new)
}

/// Where `key` is in a leaf, or where it would be; none, if it does not belong there. Looks next to
/// the `last` place first.
fn place_near(
    leaf: &Page,
    bounds: &Bounds,
    last: Option<usize>,
    key: &[u8],
) -> Option<Result<usize, usize>> {
    if let Some(next) = last.map(|last| last + 1)
        && leaf.key(next - 1) < key
    {
        if next == leaf.count() {
            return bounds.contain(key).then_some(Err(next));
        }
        // Between two keys of the leaf it is within its bounds.
        match key.cmp(leaf.key(next)) {
            Ordering::Less => return Some(Err(next)),
            Ordering::Equal => return Some(Ok(next)),
            Ordering::Greater => {}
        }
    }
    bounds.contain(key).then(|| leaf.search(key))
}

fn check_sizes(key: &[u8], value: &[u8]) -> Result<(), StorageError> {
    let limits = [("a key", key.len(), MAX_KEY_BYTES), ("a value", value.len(), u32::MAX as usize)];
    for (what, bytes, limit) in limits {
        if bytes > limit {
            let (bytes, limit) = (bytes as u64, limit as u64);
            return Err(StorageError::TooLarge { what, bytes, limit });
        }
    }
    Ok(())
}

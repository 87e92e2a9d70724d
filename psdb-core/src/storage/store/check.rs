//! Verifying everything: every page, every pointer, the order of all keys, and that the freelist
//! neither loses a page nor gives one to two owners.
//!
//! Left out: repairing (`salvage`).

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::open::{Loaded, load_all};
use super::value::{chain_pages, read_chain};
use super::{Catalog, Root, Store};
use crate::env::{Disk, OpenMode};
use crate::storage::StorageError;
use crate::storage::freelist::{FIRST_PAGE, PageSet};
use crate::storage::page::{Kind, Page, PageId, Pointer, Value};
use crate::storage::pager::{PageCache, Pager};

/// The most damages that are listed one by one.
const MAX_DAMAGES: usize = 100;
/// What an offline check keeps in memory.
pub(super) const CHECK_CACHE_BYTES: usize = 16 << 20;

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreReport {
    /// The checkpoint that was checked; 0 for a store as it is in memory.
    pub generation: u64,
    /// The pages of the file.
    pub pages: u64,
    /// The pages that are used, superblocks included.
    pub used_pages: u64,
    /// Its trees, in the order of their names.
    pub trees: Vec<TreeReport>,
    /// Everything that is wrong, up to a hundred of it.
    pub damages: Vec<Damage>,
}

/// The size of one tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TreeReport {
    /// Its name.
    pub name: Bytes,
    /// Its entries.
    pub entries: u64,
    /// Its leaves.
    pub leaves: u64,
    /// Its branches.
    pub branches: u64,
    /// The overflow pages of its long values.
    pub overflow_pages: u64,
    /// Entries that it should have besides, and that cannot be read.
    pub missing: u64,
}

/// Something that is wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where, in bytes from the beginning of the file.
    pub offset: u64,
    /// What.
    pub reason: String,
}

impl StoreReport {
    /// Whether nothing is wrong.
    pub fn is_sound(&self) -> bool {
        self.damages.is_empty()
    }

    fn add(&mut self, offset: u64, reason: impl Into<String>) {
        if self.damages.len() < MAX_DAMAGES {
            self.damages.push(Damage { offset, reason: reason.into() });
        }
    }

    /// Lists damage; passes other errors on.
    pub(super) fn admit(&mut self, error: StorageError) -> Result<(), StorageError> {
        match error {
            StorageError::Corrupt { offset, reason, .. } => {
                self.add(offset, reason);
                Ok(())
            }
            error => Err(error),
        }
    }
}

impl Store {
    /// Verifies the store as it is now, in memory and on disk.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`] when pages cannot be read; damage is in the report.
    pub fn check(&self) -> Result<StoreReport, StorageError> {
        let pages = self.freelist.page_count();
        let mut check = Check::new(&self.shared.pager, 0, pages);
        check.catalog(&self.catalog)?;
        check.lists(&self.lists);
        check.used(self.freelist.used());
        if let Err(reason) = self.freelist.check() {
            check.report.add(0, reason);
        }
        Ok(check.report)
    }

    /// Verifies the file at `path`, which no store has open: both superblocks and everything they
    /// lead to. The report is that of the checkpoint that opening would take; damage of the other
    /// one is listed with it.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`] when the file cannot be read; damage is in the report.
    pub fn check_file(disk: &dyn Disk, path: &Path) -> Result<StoreReport, StorageError> {
        let file = disk.open(path, OpenMode::Read);
        let file = file.map_err(|error| StorageError::io("open", path, error))?;
        let pager = Pager::new(Arc::clone(&file), path, PageCache::new(CHECK_CACHE_BYTES));
        let (found, damage) = load_all(&pager)?;
        let mut report = StoreReport::default();
        for error in damage {
            report.admit(error)?;
        }
        let mut whole: Vec<Loaded> = found.into_iter().filter_map(|(_, loaded)| loaded).collect();
        whole.sort_unstable_by_key(|loaded| loaded.superblock.generation);
        for loaded in whole {
            let found = check_loaded(&pager, &loaded)?;
            let known = std::mem::replace(&mut report, found).damages;
            for damage in known {
                report.add(damage.offset, damage.reason);
            }
        }
        Ok(report)
    }
}

fn check_loaded(pager: &Pager, loaded: &Loaded) -> Result<StoreReport, StorageError> {
    let superblock = &loaded.superblock;
    let mut check = Check::new(pager, superblock.generation, superblock.page_count);
    check.catalog(&loaded.catalog)?;
    check.lists(&loaded.lists);
    check.used(&loaded.used);
    Ok(check.report)
}

/// A check under way.
pub(super) struct Check<'a> {
    pager: &'a Pager,
    pub(super) report: StoreReport,
    /// The pages that something leads to.
    pub(super) reached: PageSet,
    /// Is given every entry that can be read: tree, key and value.
    pub(super) visit: Option<&'a mut Visit<'a>>,
}

/// What is given the entries of a damaged file: tree, key and value.
pub type Visit<'a> = dyn FnMut(&[u8], &[u8], &[u8]) + 'a;

/// The keys that may stand below a branch's child: from the first on, and below the second.
type Bounds<'a> = (Option<&'a [u8]>, Option<&'a [u8]>);

impl<'a> Check<'a> {
    pub(super) fn new(pager: &'a Pager, generation: u64, pages: u32) -> Check<'a> {
        let report = StoreReport { generation, pages: u64::from(pages), ..StoreReport::default() };
        Check { pager, report, reached: PageSet::default(), visit: None }
    }

    pub(super) fn catalog(&mut self, catalog: &Catalog) -> Result<(), StorageError> {
        for (name, root) in catalog {
            self.tree(name, *root)?;
        }
        Ok(())
    }

    fn tree(&mut self, name: &Bytes, root: Root) -> Result<(), StorageError> {
        let mut tree = TreeReport { name: name.clone(), ..TreeReport::default() };
        let mut offset = 0;
        if let Some(pointer) = root.page {
            offset = pointer.id.offset();
            let is_thin = |page: &Page| page.kind() == Kind::Branch && page.children() < 2;
            match self.pager.with(pointer, |page| (page.level(), is_thin(page))) {
                Ok((_, true)) => self.report.add(offset, "a root branch has a single child"),
                Ok((level, false)) => self.page(pointer, level, (None, None), &mut tree)?,
                Err(error) => self.report.admit(error)?,
            }
        }
        if self.report.is_sound() && tree.entries != root.entries {
            let (found, known) = (tree.entries, root.entries);
            self.report.add(offset, format!("tree {name:?} has {found} entries, not {known}"));
        }
        tree.missing = root.entries.saturating_sub(tree.entries);
        self.report.trees.push(tree);
        Ok(())
    }

    fn page(
        &mut self,
        pointer: Pointer,
        level: u8,
        bounds: Bounds<'_>,
        tree: &mut TreeReport,
    ) -> Result<(), StorageError> {
        if !self.reach(pointer.id) {
            return Ok(());
        }
        let page = match self.pager.get(pointer) {
            Ok(page) => page,
            Err(error) => return self.report.admit(error),
        };
        if let Err(reason) = verify(&page, pointer, level, bounds) {
            self.report.add(pointer.id.offset(), reason);
            return Ok(());
        }
        if page.kind() == Kind::Leaf {
            tree.leaves += 1;
            tree.entries += page.count() as u64;
            return (0..page.count()).try_for_each(|at| self.entry(&page, at, tree));
        }
        tree.branches += 1;
        for at in 0..page.children() {
            let low = at.checked_sub(1).map_or(bounds.0, |before| Some(page.key(before)));
            let high = if at < page.count() { Some(page.key(at)) } else { bounds.1 };
            self.page(page.child(at), level - 1, (low, high), tree)?;
        }
        Ok(())
    }

    fn entry(&mut self, page: &Page, at: usize, tree: &mut TreeReport) -> Result<(), StorageError> {
        let (length, head) = match (page.value(at), &mut self.visit) {
            (Value::Chain { length, head }, _) => (length, head),
            (Value::Inline(_), None) => return Ok(()),
            (Value::Inline(value), Some(visit)) => {
                visit(&tree.name, page.key(at), value);
                return Ok(());
            }
        };
        if let Some(visit) = &mut self.visit
            && let Ok(value) = read_chain(self.pager, length, head)
        {
            visit(&tree.name, page.key(at), &value);
        }
        match chain_pages(self.pager, length, head) {
            Ok(pages) => {
                tree.overflow_pages += pages.len() as u64;
                for pointer in pages {
                    self.reach(pointer.id);
                }
                Ok(())
            }
            Err(error) => self.report.admit(error),
        }
    }

    pub(super) fn lists(&mut self, lists: &[PageId]) {
        for id in lists {
            self.reach(*id);
        }
    }

    /// Notes that something leads to a page; says whether nothing else does.
    fn reach(&mut self, id: PageId) -> bool {
        let is_first = self.reached.insert(id);
        if !is_first {
            self.report.add(id.offset(), format!("{id} is used twice"));
        }
        is_first
    }

    /// Compares what was reached with the pages that count as used.
    fn used(&mut self, used: &PageSet) {
        self.report.used_pages = used.len() as u64 + u64::from(FIRST_PAGE);
        let last = self.reached.highest().max(used.highest()).map_or(0, |id| id.0);
        let is_whole = self.report.is_sound();
        for id in (0..=last).map(PageId) {
            match (self.reached.contains(id), used.contains(id)) {
                (true, false) => self.report.add(id.offset(), format!("{id} is used but free")),
                // Below a damaged page nothing was reached.
                (false, true) if is_whole => {
                    self.report.add(id.offset(), format!("{id} is neither used nor free"));
                }
                _ => {}
            }
        }
    }
}

/// Checks one page of a tree against what its parent says of it.
fn verify(page: &Page, pointer: Pointer, level: u8, bounds: Bounds<'_>) -> Result<(), String> {
    page.validate()?;
    if page.generation() != pointer.generation {
        return Err(format!(
            "it is of generation {}, not {}",
            page.generation(),
            pointer.generation
        ));
    }
    if page.level() != level || page.kind() == Kind::Overflow {
        return Err(format!(
            "a {:?} of level {} stands where level {level} should",
            page.kind(),
            page.level()
        ));
    }
    if page.kind() == Kind::Leaf && page.count() == 0 {
        return Err("a leaf is empty".into());
    }
    let Some(last) = page.count().checked_sub(1) else { return Ok(()) };
    let (low, high) = bounds;
    if low.is_some_and(|low| page.key(0) < low) || high.is_some_and(|high| page.key(last) >= high) {
        return Err("its keys are not between the separators above it".into());
    }
    Ok(())
}

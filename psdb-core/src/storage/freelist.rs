//! The freelist: which pages of a file may be written.
//!
//! ```text
//!            allocate                       free
//! available ──────────▶ used by the trees ────────▶ retired: in a checkpoint that is still good
//!     ▲                                        └──▶ held: seen by a snapshot only
//!     └──────────────────────────────────────────────── reclaim
//! ```
//! A page that belongs to checkpoint `c` may be written again when two later checkpoints are
//! durable: then neither superblock leads to it. A page that a snapshot may see waits until every
//! snapshot from before its freeing is gone. One that never was in a checkpoint, and that no
//! snapshot sees, is available at once.
//!
//! A checkpoint stores the pages it *uses*, one bit each. What is free after opening follows from
//! that: everything that neither superblock's checkpoint uses.
//!
//! The lowest available page is given out first, so that the end of the file gets free.
//!
//! Invariants:
//! 1. A page is used, available, held or retired, and only one of these.
//! 2. No available page is used by a checkpoint that recovery could choose.
//!
//! Left out: giving space back to the file system (`store::compact`).

use std::collections::VecDeque;

use super::page::PageId;

/// The pages of the superblocks, which never are free.
pub(super) const FIRST_PAGE: u32 = 2;

/// A set of pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PageSet {
    words: Vec<u64>,
}

impl PageSet {
    pub(super) fn contains(&self, id: PageId) -> bool {
        let (word, bit) = (id.0 as usize / 64, id.0 % 64);
        self.words.get(word).is_some_and(|word| word >> bit & 1 == 1)
    }

    /// Adds a page; says whether it is new.
    pub(super) fn insert(&mut self, id: PageId) -> bool {
        let (word, bit) = (id.0 as usize / 64, id.0 % 64);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        let is_new = self.words[word] >> bit & 1 == 0;
        self.words[word] |= 1 << bit;
        is_new
    }

    /// Removes a page; says whether it was there.
    pub(super) fn remove(&mut self, id: PageId) -> bool {
        let was_there = self.contains(id);
        if was_there {
            self.words[id.0 as usize / 64] &= !(1 << (id.0 % 64));
        }
        was_there
    }

    pub(super) fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The lowest page from the `from`-th word on, and the word it was found in.
    fn lowest(&self, from: usize) -> Option<(PageId, usize)> {
        let words = self.words.iter().enumerate().skip(from);
        let (at, word) = words.into_iter().find(|(_, word)| **word != 0)?;
        Some((PageId(at as u32 * 64 + word.trailing_zeros()), at))
    }

    /// The highest page.
    pub(super) fn highest(&self) -> Option<PageId> {
        let (at, word) = self.words.iter().enumerate().rev().find(|(_, word)| **word != 0)?;
        Some(PageId(at as u32 * 64 + 63 - word.leading_zeros()))
    }

    /// How many bytes [`PageSet::encode`] makes for a file of so many pages.
    pub(super) fn encoded_bytes(page_count: u32) -> usize {
        page_count.div_ceil(64) as usize * 8
    }

    /// One bit for each page of the file.
    pub(super) fn encode(&self, page_count: u32) -> Vec<u8> {
        let mut bytes: Vec<u8> = self.words.iter().flat_map(|word| word.to_le_bytes()).collect();
        bytes.resize(PageSet::encoded_bytes(page_count), 0);
        bytes
    }

    /// Reads what [`PageSet::encode`] made, or says what is wrong with it.
    pub(super) fn decode(bytes: &[u8], page_count: u32) -> Result<PageSet, String> {
        if bytes.len() != PageSet::encoded_bytes(page_count) {
            return Err(format!("{} bytes for {page_count} pages", bytes.len()));
        }
        let words = bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let set = PageSet { words };
        match set.highest() {
            Some(id) if id.0 >= page_count => Err(format!("{id} is beyond the file's end")),
            _ => Ok(set),
        }
    }
}

/// A freed page that must not be written yet.
#[derive(Clone, Copy, Debug)]
struct Waiting {
    id: PageId,
    /// The era it was freed in; snapshots from before it may see the page.
    freed: u64,
    /// The last checkpoint it belongs to.
    checkpoint: Option<u64>,
}

/// The pages of one file by what they may be used for.
#[derive(Debug)]
pub(super) struct Freelist {
    used: PageSet,
    available: PageSet,
    /// No word of `available` below this one has a page.
    lowest: usize,
    held: VecDeque<Waiting>,
    retired: VecDeque<Waiting>,
    page_count: u32,
}

impl Freelist {
    /// A file of `page_count` pages of which `used` are used, and `retired` were used by the last
    /// checkpoint but one, whose successor is `durable`.
    pub(super) fn new(page_count: u32, used: PageSet, older: &PageSet, durable: u64) -> Freelist {
        let (mut available, mut retired) = (PageSet::default(), VecDeque::new());
        let checkpoint = Some(durable.saturating_sub(1));
        for id in (FIRST_PAGE..page_count).map(PageId).filter(|id| !used.contains(*id)) {
            if older.contains(id) {
                retired.push_back(Waiting { id, freed: 0, checkpoint });
            } else {
                available.insert(id);
            }
        }
        Freelist { used, available, lowest: 0, held: VecDeque::new(), retired, page_count }
    }

    pub(super) fn page_count(&self) -> u32 {
        self.page_count
    }

    /// The pages that the trees use now, and those of the last checkpoint's own lists.
    pub(super) fn used(&self) -> &PageSet {
        &self.used
    }

    /// How many pages may be written.
    pub(super) fn available(&self) -> usize {
        self.available.len()
    }

    /// How many pages are free but wait for snapshots or checkpoints.
    pub(super) fn waiting(&self) -> usize {
        self.held.len() + self.retired.len()
    }

    /// The lowest available page; a new one at the file's end, if there is none.
    pub(super) fn allocate(&mut self) -> Option<PageId> {
        let id = match self.available.lowest(self.lowest) {
            Some((id, word)) => {
                self.lowest = word;
                self.available.remove(id);
                id
            }
            None => {
                self.lowest = self.available.words.len();
                let id = PageId(self.page_count);
                self.page_count = self.page_count.checked_add(1)?;
                id
            }
        };
        assert!(self.used.insert(id), "{id} is used already");
        Some(id)
    }

    /// Takes a page back that no checkpoint and no snapshot knows; says whether it was used.
    pub(super) fn free(&mut self, id: PageId) -> bool {
        let was_used = self.used.remove(id);
        if was_used {
            self.make_available(id);
        }
        was_used
    }

    /// Takes a page back that `checkpoint`, or a snapshot from before `era`, may still show;
    /// says whether it was used.
    pub(super) fn retire(&mut self, id: PageId, checkpoint: Option<u64>, era: u64) -> bool {
        let was_used = self.used.remove(id);
        let waiting = Waiting { id, freed: era, checkpoint };
        match checkpoint {
            _ if !was_used => {}
            Some(_) => self.retired.push_back(waiting),
            None => self.held.push_back(waiting),
        }
        was_used
    }

    fn make_available(&mut self, id: PageId) {
        self.available.insert(id);
        self.lowest = self.lowest.min(id.0 as usize / 64);
    }

    /// Makes waiting pages available, now that `oldest` is the oldest snapshot and `durable` the
    /// newest checkpoint; `discard` hears of each.
    pub(super) fn reclaim(
        &mut self,
        oldest: Option<u64>,
        durable: u64,
        mut discard: impl FnMut(PageId),
    ) {
        let is_free = |waiting: &mut Waiting| {
            oldest.is_none_or(|oldest| waiting.freed <= oldest)
                && waiting.checkpoint.is_none_or(|last| last + 2 <= durable)
        };
        while let Some(waiting) =
            self.held.pop_front_if(is_free).or_else(|| self.retired.pop_front_if(is_free))
        {
            discard(waiting.id);
            self.make_available(waiting.id);
        }
    }

    /// Forgets the pages at the file's end that are available; gives the new number of pages.
    pub(super) fn cut(&mut self) -> u32 {
        while self.page_count > FIRST_PAGE && self.available.remove(PageId(self.page_count - 1)) {
            self.page_count -= 1;
        }
        self.page_count
    }

    /// Checks that every page is in one place only.
    pub(super) fn check(&self) -> Result<(), String> {
        let mut seen = self.used.clone();
        let waiting = self.held.iter().chain(&self.retired).map(|waiting| waiting.id);
        for id in waiting {
            if !seen.insert(id) {
                return Err(format!("{id} is in two lists"));
            }
        }
        for id in (FIRST_PAGE..self.page_count).map(PageId) {
            if seen.contains(id) == self.available.contains(id) {
                let known = if seen.contains(id) { "in two lists" } else { "lost" };
                return Err(format!("{id} is {known}"));
            }
        }
        let highest = seen.highest().max(self.available.highest());
        match highest {
            Some(id) if id.0 >= self.page_count => Err(format!("{id} is beyond the file's end")),
            _ => Ok(()),
        }
    }
}

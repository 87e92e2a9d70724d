//! Where the live entries of the streams stand: which batch of which segment holds which indexes.
//!
//! Entries of a stream that came in one batch form a *run*; a run is known by its first index and
//! reaches to the next one. So what is kept in memory grows with the batches, not with their bytes.
//!
//! ```text
//! stream 1:   5 ─▶ segment 3, batch at 120      entries 5 to 8
//!             9 ─▶ segment 3, batch at 4,310    entry 9
//!            10 ─▶ segment 4, batch at 97       entries 10 to the last
//! ```
//!
//! Invariants:
//! 1. Every live entry is in the run with the highest first index that is not above its own.
//! 2. A segment has a live entry only if it has a run. What is left of a run whose entries are partly
//!    gone counts in full, so [`Places::bytes`] may be too high, never too low.
//!
//! Left out: which entries are live, which `ledger` knows.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::ledger::Live;

/// A batch: its segment and where it begins there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: u64,
    pub(super) offset: u64,
}

/// Consecutive entries of one stream in one batch.
#[derive(Clone, Copy, Debug)]
struct Run {
    place: Place,
    /// The encoded bytes of its entries when it was written.
    bytes: u64,
}

/// What a segment still holds.
#[derive(Clone, Copy, Debug, Default)]
struct Load {
    runs: usize,
    bytes: u64,
}

/// Of each segment that has any run.
#[derive(Debug, Default)]
struct Loads(BTreeMap<u64, Load>);

type Runs = BTreeMap<u64, Run>;

/// The runs of all streams.
#[derive(Debug, Default)]
pub(super) struct Places {
    streams: BTreeMap<u64, Runs>,
    loads: Loads,
}

impl Places {
    /// Adds the entry `index` with its encoded size.
    pub(super) fn append(&mut self, stream: u64, index: u64, place: Place, bytes: u64) {
        let runs = self.streams.entry(stream).or_default();
        self.loads.add(index, Run { place, bytes }, runs);
    }

    /// Moves the entry `index` of the `live` ones to another place, where it is written once more.
    ///
    /// While a log is replayed, the entry and those behind it may have stood in a segment that is
    /// gone. Then the run before is taken for theirs, until they are repeated in their turn.
    pub(super) fn repeat(&mut self, stream: u64, index: u64, place: Place, bytes: u64, live: Live) {
        let runs = self.streams.entry(stream).or_default();
        let old = runs.range(..=index).next_back().map(|(first, run)| (*first, *run));
        let begins = old.filter(|(first, _)| live.first.max(*first) == index);
        if let Some((first, run)) = begins {
            runs.remove(&first);
            self.loads.remove(run);
        }
        self.loads.add(index, Run { place, bytes }, runs);
        let after = index.saturating_add(1);
        if let Some((_, old)) = old
            && after < live.next
            && !runs.contains_key(&after)
        {
            let bytes = if begins.is_some() { old.bytes.saturating_sub(bytes) } else { 0 };
            self.loads.add(after, Run { place: old.place, bytes }, runs);
        }
    }

    /// Removes the entries from `from` on; `is_empty` says that none is left.
    pub(super) fn truncate(&mut self, stream: u64, from: u64, is_empty: bool) {
        let from = if is_empty { 0 } else { from };
        let Some(runs) = self.streams.get_mut(&stream) else { return };
        let gone = runs.split_off(&from);
        self.loads.remove_all(&gone);
    }

    /// Removes the entries below `first`; `is_empty` says that none is left.
    pub(super) fn purge(&mut self, stream: u64, first: u64, is_empty: bool) {
        if is_empty {
            return self.truncate(stream, 0, true);
        }
        let Some(runs) = self.streams.get_mut(&stream) else { return };
        let Some(kept) = runs.range(..=first).next_back().map(|(kept, _)| *kept) else { return };
        let kept = runs.split_off(&kept);
        let gone = std::mem::replace(runs, kept);
        self.loads.remove_all(&gone);
    }

    /// Removes a stream.
    pub(super) fn forget(&mut self, stream: u64) {
        if let Some(gone) = self.streams.remove(&stream) {
            self.loads.remove_all(&gone);
        }
    }

    /// The batch that holds the entry `index`, if that is live, and the index from which on another
    /// one does.
    pub(super) fn find(&self, stream: u64, index: u64) -> Option<(Place, u64)> {
        let runs = self.streams.get(&stream)?;
        let (_, run) = runs.range(..=index).next_back()?;
        let until = runs.range(index.checked_add(1)?..).next().map_or(u64::MAX, |(next, _)| *next);
        Some((run.place, until))
    }

    /// From which entry on those up to the last of `indexes` have no more than `limit` bytes
    /// together; 0 if all of them have not. A batch that begins among them counts as a whole.
    pub(super) fn within(&self, stream: u64, indexes: RangeInclusive<u64>, limit: u64) -> u64 {
        let (mut from, mut bytes) = (indexes.end().saturating_add(1), 0_u64);
        let runs = self.streams.get(&stream);
        for (first, run) in runs.iter().flat_map(|runs| runs.range(indexes.clone()).rev()) {
            bytes = bytes.saturating_add(run.bytes);
            if bytes > limit {
                return from;
            }
            from = *first;
        }
        0
    }

    /// Whether any entry stands in `segment`.
    pub(super) fn is_free(&self, segment: u64) -> bool {
        !self.loads.0.contains_key(&segment)
    }

    /// How many bytes the entries of all segments have.
    pub(super) fn bytes(&self) -> u64 {
        self.loads.0.values().map(|load| load.bytes).sum()
    }

    /// The runs that stand in `segment`: stream, first index, offset of the batch.
    pub(super) fn in_segment(&self, segment: u64) -> impl Iterator<Item = (u64, u64, u64)> {
        self.streams.iter().flat_map(move |(stream, runs)| {
            let here = runs.iter().filter(move |(_, run)| run.place.segment == segment);
            here.map(move |(first, run)| (*stream, *first, run.place.offset))
        })
    }
}

impl Loads {
    /// Adds a run, or lengthens the one before it if that is in the same batch.
    fn add(&mut self, first: u64, run: Run, runs: &mut Runs) {
        let load = self.0.entry(run.place.segment).or_default();
        load.bytes += run.bytes;
        match runs.range_mut(..first).next_back() {
            Some((_, before)) if before.place == run.place => before.bytes += run.bytes,
            _ => {
                load.runs += 1;
                runs.insert(first, run);
            }
        }
    }

    fn remove(&mut self, run: Run) {
        let segment = run.place.segment;
        let Some(load) = self.0.get_mut(&segment) else { return };
        load.runs -= 1;
        load.bytes = load.bytes.saturating_sub(run.bytes);
        if load.runs == 0 {
            self.0.remove(&segment);
        }
    }

    fn remove_all(&mut self, gone: &Runs) {
        for run in gone.values() {
            self.remove(*run);
        }
    }
}

#[cfg(test)]
mod tests {
    //! Proves that entries are found where they were put last, and that segments get free.

    use super::*;

    fn place(segment: u64, offset: u64) -> Place {
        Place { segment, offset }
    }

    /// Entries 5 to 8 in one batch, 9 and 10 in the next, 11 in another segment.
    fn sample() -> Places {
        let mut places = Places::default();
        for index in 5..=8 {
            places.append(1, index, place(3, 100), 10);
        }
        places.append(1, 9, place(3, 200), 10);
        places.append(1, 10, place(3, 200), 10);
        places.append(1, 11, place(4, 50), 10);
        places
    }

    #[test]
    fn entries_are_found_by_the_batch_they_came_in() {
        let mut places = sample();
        assert_eq!(places.find(1, 4), None);
        assert_eq!(places.find(2, 5), None);
        assert_eq!(places.find(1, 7), Some((place(3, 100), 9)));
        assert_eq!(places.find(1, 10), Some((place(3, 200), 11)));
        assert_eq!(places.find(1, 11), Some((place(4, 50), u64::MAX)));
        places.truncate(1, 10, false);
        places.append(1, 10, place(4, 90), 10);
        assert_eq!(places.find(1, 9), Some((place(3, 200), 10)));
        assert_eq!(places.find(1, 10), Some((place(4, 90), u64::MAX)));
    }

    #[test]
    fn the_newest_entries_are_told_by_their_bytes() {
        let places = sample();
        // Four entries, two, and one, of 10 bytes each.
        assert_eq!(places.within(1, 0..=11, 9), 12);
        assert_eq!(places.within(1, 0..=11, 10), 11);
        assert_eq!(places.within(1, 0..=11, 29), 11);
        assert_eq!(places.within(1, 0..=11, 69), 9);
        assert_eq!(places.within(1, 0..=11, 70), 0);
        assert_eq!(places.within(1, 0..=10, 20), 9);
        assert_eq!(places.within(1, 11..=11, 10), 0);
        assert_eq!(places.within(2, 0..=10, 20), 0);
    }

    #[test]
    fn a_segment_is_free_when_its_last_run_is_gone() {
        let mut places = sample();
        assert_eq!(places.bytes(), 70);
        places.purge(1, 7, false);
        assert_eq!(places.find(1, 7), Some((place(3, 100), 9)));
        places.purge(1, 10, false);
        assert_eq!((places.is_free(3), places.bytes()), (false, 30));
        places.purge(1, 11, false);
        assert_eq!((places.is_free(3), places.bytes()), (true, 10));
        places.purge(1, 12, true);
        assert_eq!((places.is_free(4), places.bytes()), (true, 0));
        let mut places = sample();
        places.forget(1);
        assert!(places.is_free(3) && places.is_free(4));
    }

    /// A replay may meet the repetitions without what they repeat, and in any order.
    #[test]
    fn entries_are_found_though_their_first_segment_is_gone() {
        let (mut places, live) = (Places::default(), Live { first: 5, next: 9 });
        for (index, segment) in [(6, 7), (8, 7), (5, 8), (7, 9)] {
            places.repeat(1, index, place(segment, 10), 10, live);
        }
        for (index, segment) in [(5, 8), (6, 7), (7, 9), (8, 7)] {
            assert_eq!(places.find(1, index).unwrap().0, place(segment, 10), "entry {index}");
        }
        places.purge(1, 7, false);
        assert!(places.is_free(8) && !places.is_free(7) && !places.is_free(9));
    }

    #[test]
    fn repeated_entries_leave_their_segment() {
        let mut places = sample();
        places.purge(1, 7, false);
        let live = Live { first: 7, next: 12 };
        for index in 7..=10 {
            assert!(!places.is_free(3));
            places.repeat(1, index, place(5, 10), 10, live);
            assert_eq!(places.find(1, index).unwrap().0, place(5, 10));
            assert_eq!(places.find(1, 11), Some((place(4, 50), u64::MAX)));
        }
        assert!(places.is_free(3) && !places.is_free(4));
        assert_eq!(places.find(1, 7), Some((place(5, 10), 11)));
        places.repeat(1, 11, place(5, 10), 10, live);
        assert!(places.is_free(4));
        assert_eq!(places.find(1, 7), Some((place(5, 10), u64::MAX)));
        // One in the middle of a run cuts it in two.
        places.repeat(1, 9, place(6, 10), 10, live);
        assert_eq!(places.find(1, 8), Some((place(5, 10), 9)));
        assert_eq!(places.find(1, 9), Some((place(6, 10), 10)));
        assert_eq!(places.find(1, 10), Some((place(5, 10), u64::MAX)));
    }
}

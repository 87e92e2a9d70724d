//! What the log knows of its streams without their entries: bounds, notes, slots, and where the
//! live entries stand.
//!
//! The same code admits a submission, follows what was written, and replays the log on opening,
//! so that what was admitted cannot fail to replay.
//!
//! Invariants:
//! 1. Entries of a stream are consecutive: the next index is one above the last entry, or one
//!    above the floor.
//! 2. A segment other than the newest is free to go exactly when no stream has a live entry in it.
//!    Segments go oldest first, so that those left are consecutive.
//!
//! Left out: entries. Their readers keep them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::{Range, RangeInclusive};

use bytes::Bytes;

use super::places::{Place, Places};
use super::record::Record;

/// Where a stream begins and ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Bounds {
    /// The live entries: `None` before the first entry or purge, when any index may come.
    pub(super) live: Option<Live>,
    /// The highest purged index.
    pub(super) floor: Option<u64>,
}

/// A range of consecutive indexes, from `first` to just below `next`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Live {
    pub(super) first: u64,
    /// The index that the next entry must have.
    pub(super) next: u64,
}

impl Bounds {
    /// Follows `record`, or says how it contradicts what was before; nothing is changed then.
    /// `Forget` leaves new bounds.
    pub(super) fn admit(&mut self, record: &Record) -> Result<(), String> {
        let stream = record.stream();
        match *record {
            Record::Append { index, .. } => {
                let Live { first, next } = self.live.unwrap_or(Live { first: index, next: index });
                if index != next {
                    return Err(format!(
                        "stream {stream} appends entry {index}, but its next entry is {next}"
                    ));
                }
                self.live = Some(Live { first, next: above(index)? });
            }
            Record::Truncate { from, .. } => {
                if let Some(floor) = self.floor.filter(|floor| from <= *floor) {
                    return Err(format!(
                        "stream {stream} truncates from entry {from}, but its floor is {floor}"
                    ));
                }
                if let Some(Live { first, next }) = self.live {
                    self.live = Some(Live { first: first.min(from), next: next.min(from) });
                }
            }
            Record::Purge { through, .. } => {
                if let Some(floor) = self.floor.filter(|floor| through < *floor) {
                    return Err(format!(
                        "stream {stream} purges to entry {through}, but its floor is {floor}"
                    ));
                }
                let first = above(through)?;
                let live = self.live.unwrap_or(Live { first, next: first });
                if live.first > first {
                    return Err(format!(
                        "stream {stream} purges to entry {through}, but its first is {}",
                        live.first
                    ));
                }
                let next = live.next.max(first);
                self.live = Some(Live { first, next });
                self.floor = Some(through);
            }
            Record::Slot { .. } => {}
            Record::Forget { .. } => *self = Bounds::default(),
        }
        Ok(())
    }
}

fn above(index: u64) -> Result<u64, String> {
    index.checked_add(1).ok_or_else(|| format!("index {index} has no successor"))
}

/// What a checkpoint says of one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct StreamState {
    pub(super) bounds: Bounds,
    /// What came with the floor.
    pub(super) note: Bytes,
    pub(super) slots: BTreeMap<u8, Bytes>,
}

/// A segment, and how long it is known to be.
#[derive(Clone, Copy, Debug)]
struct Segment {
    number: u64,
    /// Where the newest batch begins.
    batch: u64,
    /// Where it ends.
    bytes: u64,
}

/// All streams and all segments.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    streams: BTreeMap<u64, StreamState>,
    /// Oldest first; records go to the last.
    segments: VecDeque<Segment>,
    places: Places,
}

impl Ledger {
    pub(super) fn streams(&self) -> &BTreeMap<u64, StreamState> {
        &self.streams
    }

    /// Takes the streams of the oldest checkpoint over.
    pub(super) fn restore(&mut self, streams: BTreeMap<u64, StreamState>) {
        self.streams = streams;
    }

    /// The bounds of every stream.
    pub(super) fn bounds(&self) -> BTreeMap<u64, Bounds> {
        self.streams.iter().map(|(stream, state)| (*stream, state.bounds)).collect()
    }

    /// The number of segments.
    pub(super) fn segments(&self) -> usize {
        self.segments.len()
    }

    /// From now on records stand in segment `number`.
    pub(super) fn begin_segment(&mut self, number: u64) {
        self.segments.push_back(Segment { number, batch: 0, bytes: 0 });
    }

    /// From now on records stand in this batch of the newest segment.
    pub(super) fn begin_batch(&mut self, batch: Range<u64>) {
        if let Some(newest) = self.segments.back_mut() {
            (newest.batch, newest.bytes) = (batch.start, batch.end);
        }
    }

    /// Where records stand now.
    fn here(&self) -> Place {
        let newest = self.segments.back();
        newest.map_or(Place { segment: 0, offset: 0 }, |newest| Place {
            segment: newest.number,
            offset: newest.batch,
        })
    }

    /// Follows a record that stands in the newest batch.
    pub(super) fn apply(&mut self, record: &Record) -> Result<(), String> {
        let (stream, here) = (record.stream(), self.here());
        let state = self.streams.entry(stream).or_default();
        state.bounds.admit(record)?;
        let live = state.bounds.live.unwrap_or(Live { first: 0, next: 0 });
        let is_empty = live.first == live.next;
        match record {
            Record::Append { index, .. } => {
                self.places.append(stream, *index, here, record.encoded_len() as u64);
            }
            Record::Truncate { from, .. } => self.places.truncate(stream, *from, is_empty),
            Record::Purge { note, .. } => {
                state.note = note.clone();
                self.places.purge(stream, live.first, is_empty);
            }
            Record::Slot { slot, payload, .. } => {
                state.slots.insert(*slot, payload.clone());
            }
            Record::Forget { .. } => {
                self.streams.remove(&stream);
                self.places.forget(stream);
            }
        }
        Ok(())
    }

    /// Follows an entry that is written once more, in the newest batch, with its encoded size; says
    /// what is wrong if it is not live.
    pub(super) fn repeat(&mut self, stream: u64, index: u64, bytes: u64) -> Result<(), String> {
        let live = self.streams.get(&stream).and_then(|state| state.bounds.live);
        let Some(live) = live.filter(|live| (live.first..live.next).contains(&index)) else {
            return Err(format!("stream {stream} repeats entry {index}, which it has not"));
        };
        let here = self.here();
        self.places.repeat(stream, index, here, bytes, live);
        Ok(())
    }

    /// The batch that holds a live entry, and the index from which on another one does.
    pub(super) fn find(&self, stream: u64, index: u64) -> Option<(Place, u64)> {
        let live = self.streams.get(&stream)?.bounds.live?;
        let (place, until) = self.places.find(stream, index)?;
        (live.first..live.next).contains(&index).then_some((place, until.min(live.next)))
    }

    /// See [`Places::within`].
    pub(super) fn within(&self, stream: u64, indexes: RangeInclusive<u64>, limit: u64) -> u64 {
        self.places.within(stream, indexes, limit)
    }

    /// The oldest segment, if it is free to go.
    pub(super) fn removable(&self) -> Option<u64> {
        let oldest = self.segments.front()?;
        let is_free = self.segments.len() > 1 && self.places.is_free(oldest.number);
        is_free.then_some(oldest.number)
    }

    /// Forgets the oldest segment, which has been removed.
    pub(super) fn segment_removed(&mut self) {
        self.segments.pop_front();
    }

    /// The oldest segment, if all together have more than `limit` bytes and writing what is live
    /// once more would free at least as much again.
    pub(super) fn repeatable(&self, limit: u64) -> Option<u64> {
        let bytes: u64 = self.segments.iter().map(|segment| segment.bytes).sum();
        let oldest = self.segments.front().filter(|_| self.segments.len() > 1)?;
        (bytes > limit && 2 * self.places.bytes() <= bytes).then_some(oldest.number)
    }

    /// The live entries in `segment`: for each batch and stream the offset and the indexes. They are
    /// in the order of the streams.
    pub(super) fn live_in(&self, segment: u64) -> impl Iterator<Item = (u64, u64, Range<u64>)> {
        self.places.in_segment(segment).filter_map(|(stream, first, offset)| {
            let live = self.streams.get(&stream)?.bounds.live?;
            let (_, until) = self.places.find(stream, first)?;
            let range = first.max(live.first)..until.min(live.next);
            (!range.is_empty()).then_some((stream, offset, range))
        })
    }

    /// The streams that keep segments alive beyond the newest `limit`.
    pub(super) fn holders(&self, limit: usize) -> Vec<u64> {
        let surplus = self.segments.len().saturating_sub(limit.max(1));
        let segments = self.segments.iter().take(surplus);
        let streams: BTreeSet<u64> = segments
            .flat_map(|segment| self.live_in(segment.number))
            .map(|(stream, ..)| stream)
            .collect();
        streams.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    //! Proves which records are refused, and when a segment is free to go.

    use super::*;

    fn append(index: u64) -> Record {
        Record::Append { stream: 1, index, payload: Bytes::new() }
    }

    fn purge(through: u64) -> Record {
        Record::Purge { stream: 1, through, note: Bytes::new() }
    }

    fn truncate(from: u64) -> Record {
        Record::Truncate { stream: 1, from }
    }

    #[test]
    fn only_the_next_entry_is_admitted() {
        let mut bounds = Bounds::default();
        bounds.admit(&append(5)).unwrap();
        bounds.admit(&purge(3)).unwrap_err();
        bounds.admit(&append(5)).unwrap_err();
        bounds.admit(&append(7)).unwrap_err();
        bounds.admit(&append(6)).unwrap();
        bounds.admit(&truncate(6)).unwrap();
        bounds.admit(&append(6)).unwrap();
        bounds.admit(&purge(9)).unwrap();
        bounds.admit(&purge(8)).unwrap_err();
        bounds.admit(&truncate(9)).unwrap_err();
        bounds.admit(&append(9)).unwrap_err();
        bounds.admit(&append(10)).unwrap();
        bounds.admit(&Record::Forget { stream: 1 }).unwrap();
        bounds.admit(&append(0)).unwrap();
        bounds.admit(&purge(u64::MAX)).unwrap_err();
        assert_eq!(bounds, Bounds { live: Some(Live { first: 0, next: 1 }), floor: None });
    }

    #[test]
    fn a_segment_goes_when_its_last_live_entry_does() {
        let mut ledger = Ledger::default();
        for (segment, indexes) in [(1, 0..10), (2, 10..20), (3, 20..21)] {
            ledger.begin_segment(segment);
            for index in indexes {
                ledger.apply(&append(index)).unwrap();
            }
        }
        assert_eq!((ledger.removable(), ledger.holders(2)), (None, vec![1]));
        ledger.apply(&purge(8)).unwrap();
        assert_eq!(ledger.removable(), None);
        ledger.apply(&purge(9)).unwrap();
        assert_eq!((ledger.removable(), ledger.holders(2)), (Some(1), vec![]));
        ledger.segment_removed();
        assert_eq!((ledger.removable(), ledger.holders(1)), (None, vec![1]));
        ledger.apply(&truncate(10)).unwrap();
        assert_eq!(ledger.removable(), Some(2));
        ledger.segment_removed();
        assert_eq!(ledger.removable(), None, "the newest segment stays");
    }
}

//! The model that the log is tested against: what a stream is, without any file.

use proptest::prelude::*;

use super::*;

/// All streams, as the records say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) streams: Streams,
    /// The next index of a stream that has one; not to be seen from outside.
    next: BTreeMap<u64, u64>,
}

impl Model {
    pub(super) fn apply(&mut self, records: &[Record]) {
        for record in records {
            let id = record.stream();
            let stream = self.streams.entry(id).or_default();
            match record.clone() {
                Record::Append { index, payload, .. } => {
                    assert!(stream.entries.insert(index, payload).is_none());
                    self.next.insert(id, index + 1);
                }
                Record::Truncate { from, .. } => {
                    stream.entries.retain(|index, _| *index < from);
                    self.next.entry(id).and_modify(|next| *next = from.min(*next));
                }
                Record::Purge { through, note, .. } => {
                    stream.entries.retain(|index, _| *index > through);
                    stream.floor = Some((through, note));
                    let next = self.next.entry(id).or_insert(0);
                    *next = (through + 1).max(*next);
                }
                Record::Slot { slot, payload, .. } => {
                    stream.slots.insert(slot, payload);
                }
                Record::Forget { .. } => {
                    self.streams.remove(&id);
                    self.next.remove(&id);
                }
            }
        }
    }

    /// A record that `wish` wants and the log must take.
    pub(super) fn realize(&self, wish: &Wish) -> Record {
        let Wish { kind, stream, number, size } = *wish;
        let next = self.next.get(&stream).copied().unwrap_or(number);
        let floor = self.streams.get(&stream).and_then(|stream| stream.floor.as_ref());
        let floor = floor.map(|floor| floor.0);
        let payload = Bytes::from(vec![b'a' + (next % 26) as u8; size]);
        match kind {
            0..=5 => Record::Append { stream, index: next, payload },
            6 => {
                let from = next.saturating_sub(number).max(floor.map_or(0, |floor| floor + 1));
                Record::Truncate { stream, from }
            }
            7 | 8 => {
                let first = self.streams.get(&stream).and_then(|s| s.entries.keys().next());
                let least = floor.max(first.map(|first| first.saturating_sub(1)));
                let through = (next + 2).saturating_sub(number).max(least.unwrap_or(next));
                Record::Purge { stream, through, note: payload }
            }
            9 | 10 => Record::Slot { stream, slot: (number % 3) as u8, payload },
            _ => Record::Forget { stream },
        }
    }
}

/// What a random step would like to do; [`Model::realize`] makes it possible.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wish {
    kind: u8,
    stream: u64,
    number: u64,
    size: usize,
}

pub(super) fn wish() -> impl Strategy<Value = Wish> {
    let size = prop_oneof![8 => 0_usize..60, 1 => 500_usize..1_500];
    (0_u8..12, 1_u64..4, 0_u64..8, size).prop_map(|(kind, stream, number, size)| Wish {
        kind,
        stream,
        number,
        size,
    })
}

/// Submissions of one to four records each.
pub(super) fn workload(submissions: usize) -> impl Strategy<Value = Vec<Vec<Wish>>> {
    prop::collection::vec(prop::collection::vec(wish(), 1..5), 1..submissions)
}
